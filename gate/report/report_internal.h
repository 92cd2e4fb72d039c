/* SPDX-License-Identifier: Apache-2.0 */
/* What the report writers share; nobody else includes this. */
#ifndef FG_REPORT_REPORT_INTERNAL_H
#define FG_REPORT_REPORT_INTERNAL_H

#include "gate/profile/cost.h"
#include "gate/report/report.h"

enum { FG_REPORT_WIDTH = 80, FG_REPORT_WIDTH_MIN = 60, FG_REPORT_FUNCTIONS = 15 };

#define FG_COLOUR_BAD  "\033[31m"
#define FG_COLOUR_GOOD "\033[32m"
#define FG_COLOUR_WARN "\033[33m"
#define FG_COLOUR_HEAD "\033[1m"
#define FG_COLOUR_END  "\033[0m"

struct fg_report_pen {
	struct fg_buf *out;
	bool colour;
	unsigned width, functions;
	enum fg_summary_mode mode;
	enum fg_time_unit time_unit;
	struct fg_trend_stats stats;
};

struct fg_report_pen fg_report_pen_of(const struct fg_report_style *style, struct fg_buf *out);
/** The sequence if colour is on, else NULL. */
const char *fg_report_colour(const struct fg_report_pen *pen, const char *sequence);
/** "  name" as a heading line. */
void fg_report_heading(const struct fg_report_pen *pen, const char *text);

/** As fg_num_format_ns(), or in the unit that was asked for; returns `buffer`. */
const char *fg_report_time(const struct fg_report_pen *pen, double ns,
			   char buffer[FG_NUM_TEXT_MAX]);
/** The mark and colour of something that passed, failed, or failed without consequence. */
struct fg_table_row;
void fg_report_mark(const struct fg_report_pen *pen, struct fg_table_row *row, bool passed,
		    enum fg_level level);
/** The checks as k6 lists them; `filter` (scenario, group) may be NULL. `indent` is the heading's.
 */
int fg_report_checks(const struct fg_report_pen *pen, const struct fg_result *result,
		     const struct fg_tags *filter, unsigned indent, struct fg_err *err) FG_MUST_USE;
/** Metrics in k6's sections; in full mode with every phase, and then per scenario and group. */
int fg_report_metrics(const struct fg_report_pen *pen, const struct fg_result *result,
		      struct fg_err *err) FG_MUST_USE;

/** A share as every line shows it: cut to hundredths, as k6 does, so that 99.996 is not 100. */
double fg_report_percent(uint64_t part, uint64_t whole);
/** "1:05", "0:31"; below one second "312 ms". */
void fg_report_duration(uint64_t ns, char buffer[FG_NUM_TEXT_MAX]);
/** "12 refused (k6 1212), 3 × 503 (k6 1503)"; nothing when there were none. */
void fg_report_errors(const struct fg_result *result, struct fg_buf *out);
/** "response time from the schedule, …; lag p99 64 µs; nothing dropped, 0 late". */
int fg_report_measured(const struct fg_result *result, struct fg_buf *out,
		       struct fg_err *err) FG_MUST_USE;
/** "30 100 samples, 0 lost, 99.97 % complete, 0.4 % unnamed". */
void fg_report_samples(const struct fg_profile_info *info, struct fg_buf *out);
/* run_runtimes.c: a line for each runtime whose options hide something. */
size_t fg_report_runtime_count(const struct fg_profile_info *info);
void fg_report_runtimes(const struct fg_report_pen *pen, const struct fg_profile_info *info);
/** The same of what the profiler could not do: the first ones, and how many more there are. */
size_t fg_report_notice_count(const struct fg_profile_info *info);
void fg_report_notices(const struct fg_report_pen *pen, const struct fg_profile_info *info);
/** "waiting per request: network 1.2 ms, lock 80 µs; …"; false when there is nothing to say. */
bool fg_report_waits(const struct fg_result *result, struct fg_buf *out);
/** "page faults: 1 234 from 12 samples, 0.4 per request". */
bool fg_report_faults(const struct fg_result *result, struct fg_buf *out);
/** "memory: 12 MiB at first, 20 MiB at most, 18 MiB at last (+1.2 MiB per 1 000 requests)". */
bool fg_report_memory(const struct fg_result *result, struct fg_buf *out);
/** Those lines, and how much of the waits was looked at. */
void fg_report_other_types(const struct fg_report_pen *pen, const struct fg_result *result);
/** "PASSED: 3 of 3 thresholds", "FAILED: 1 of 3 thresholds (exit 99)". */
void fg_report_outcome(const struct fg_result *result, struct fg_buf *out);

/** "attribution 98.7 %; finding the class took 0.07 % …", or why there is none; "" when nobody
 *  asked. */
void fg_report_attribution(const struct fg_profile_info *info, struct fg_buf *out);
/** Whether cpu per request class can be told from so many samples of all. */
bool fg_report_tells_classes(const struct fg_profile_info *info, uint64_t attributed, uint64_t all);
void fg_report_labels(const struct fg_report_pen *pen, const struct fg_profile_info *info);
/** What slow requests and slow seconds do that others do not. */
int fg_report_slow(const struct fg_report_pen *pen, const struct fg_profile_info *info,
		   const struct fg_profile *profile, const struct fg_cost *all,
		   struct fg_err *err) FG_MUST_USE;

/** One row of the request table: both halves of a class. */
struct fg_report_class {
	const struct fg_class *def;
	uint64_t requests, failed;
	double rate_per_s;
	uint64_t p50_ns, p95_ns, p99_ns, max_ns;
	double cpu_ns; /* per request; < 0 unknown */
};
int fg_report_class_of(const struct fg_result *result, const struct fg_profile *profile,
		       size_t class_index, struct fg_report_class *ret,
		       struct fg_err *err) FG_MUST_USE;

/** Costs of the measured phase; NULL in *ret when there is no profile. */
/** True for rows that a table of functions shows: kernel time appears once, by system call; a
 * single kernel function would count it a second time. */
bool fg_report_shows(const struct fg_cost_row *row);
int fg_report_cost(const struct fg_profile *profile, struct fg_cost **ret,
		   struct fg_err *err) FG_MUST_USE;

/* Rows of the table of functions: self, total, what self is worth, name, place. */
struct fg_report_functions {
	const struct fg_cost_row *const *rows;
	size_t count;
	bool more;          /* there are others, which is shown */
	uint64_t samples;   /* that shares are of; > 0 */
	double sample_ns;   /* what one is worth; < 0 unknown */
	const char *suffix; /* "", "/s" */
	bool is_count;      /* without a worth each, their number stands there */
};
int fg_report_functions_text(const struct fg_report_pen *pen,
			     const struct fg_report_functions *functions,
			     struct fg_err *err) FG_MUST_USE;
/** USAGE with what there is instead when no sample is of that phase or class (NULL: any). */
int fg_report_check_labels(const struct fg_profile *profile, const char *phase,
			   const char *endpoint, struct fg_err *err) FG_MUST_USE;
/** What one sample of the phase (and class) is worth per request, or of a recording per second;
 *  < 0 unknown. `ret_unit`: "request", "second" or "". */
double fg_report_sample_ns(const struct fg_result *result, const struct fg_profile *profile,
			   const char *phase, const char *endpoint, const char **ret_unit);
struct fg_report_type {
	const char *noun;    /* "CPU": so much of it per request */
	const char *counted; /* "sample", "page fault"; NULL: times are told instead */
	bool is_time;
};
const struct fg_report_type *fg_report_type_of(const struct fg_profile *profile);
/** "1 234 samples", "12.3 s" of waiting, "34 page faults". */
void fg_report_amount(const struct fg_profile *profile, uint64_t count, struct fg_buf *out);
/** The end text of a recording. */
int fg_report_recording(const struct fg_report_pen *pen, const struct fg_result *result,
			const struct fg_profile *profile, struct fg_err *err) FG_MUST_USE;
/** "499 Hz on 2 CPUs; own overhead …": how the profile was taken and what that took. */
void fg_report_own_cost(const struct fg_result *result, struct fg_buf *out);
/** Why the share of complete stacks is low; nothing from 99 % on. */
void fg_report_incomplete(const struct fg_report_pen *pen, const struct fg_profile_info *info);
/** That a profile is missing or partial, and why. */
void fg_report_why_absent(const struct fg_report_pen *pen, const struct fg_profile_info *info);
/** A line, wrapped. */
void fg_report_wrapped(const struct fg_report_pen *pen, unsigned column, unsigned indent,
		       const struct fg_buf *line);

#endif
