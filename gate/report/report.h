/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person reads: end-of-run text, verdict text, Markdown for a step summary.
 *
 * Writers append UTF-8 to a buffer; colour and width are arguments, terminals are not known here.
 * See output-examples.md for the order of information.
 */
#ifndef FG_REPORT_REPORT_H
#define FG_REPORT_REPORT_H

#include "gate/base/buf.h"
#include "gate/judge/verdict.h"
#include "gate/report/trend_stats.h"

/* k6's --summary-mode: compact leaves out the phases of a request and the blocks per scenario and
 * group; disabled leaves the outcome alone. */
enum fg_summary_mode { FG_SUMMARY_COMPACT, FG_SUMMARY_FULL, FG_SUMMARY_DISABLED };
/* k6's --summary-time-unit; auto: three digits in the unit that fits. */
enum fg_time_unit { FG_TIME_UNIT_AUTO, FG_TIME_UNIT_S, FG_TIME_UNIT_MS, FG_TIME_UNIT_US };

struct fg_report_style {
	bool colour;
	bool stderr_is_tty; /* only k6-summary asks */
	unsigned width;     /* columns, ≥ 60; 0 = 80 */
	unsigned functions; /* rows of the CPU table; 0 = 15 */
	enum fg_summary_mode mode;
	enum fg_time_unit time_unit;
	struct fg_trend_stats trend_stats; /* none: avg,min,med,max,p(90),p(95) */
};

/** k6's words ("full"; "ms"); NULL means the default. INVALID with the words otherwise. */
int fg_summary_mode_parse(const char *text, enum fg_summary_mode *ret,
			  struct fg_err *err) FG_MUST_USE;
int fg_time_unit_parse(const char *text, enum fg_time_unit *ret, struct fg_err *err) FG_MUST_USE;

/** Everything after the live part: counts, errors, thresholds, checks, request table, metrics as k6
 *  groups them, CPU by function, how it was measured, and, when decided, the outcome line.
 * `profile` may be NULL; then the reason is said. */
int fg_report_run_text(const struct fg_result *result, const struct fg_profile *profile,
		       const struct fg_report_style *style, struct fg_buf *out,
		       struct fg_err *err) FG_MUST_USE;
int fg_report_verdict_text(const struct fg_verdict *verdict, const struct fg_report_style *style,
			   struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** For $GITHUB_STEP_SUMMARY; at most `max_bytes`: rows are dropped from the least important end and
 *  their number is said. `verdict` and `profile` may be NULL. */
int fg_report_markdown(const struct fg_result *result, const struct fg_profile *profile,
		       const struct fg_verdict *verdict, size_t max_bytes, struct fg_buf *out,
		       struct fg_err *err) FG_MUST_USE;

/** JUnit XML: a test suite per scenario (and one for the run and one for the gate), a test case per
 *  threshold, check and judged rule. What could not be told is skipped, with the reason. `verdict`
 *  may be NULL. */
int fg_report_junit(const struct fg_result *result, const struct fg_verdict *verdict,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

#endif
