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

struct fg_report_style {
	bool colour;
	unsigned width;     /* columns, ≥ 60; 0 = 80 */
	unsigned functions; /* rows of the CPU table; 0 = 15 */
};

/** Everything after the live part: counts, errors, thresholds, checks, request table, CPU by
 *  function, how it was measured, and, when decided, the outcome line. `profile` may be NULL; then
 *  the reason is said. */
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
