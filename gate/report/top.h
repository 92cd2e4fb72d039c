/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `flamegate top`: which functions of a profile cost most, by themselves or with what they call;
 * found by name, of one request class, with their callers or callees.
 *
 * Owns the choice and the order of rows and what one sample is worth: CPU per request where
 * requests were counted, CPU per second of a recording. Kernel time is one row per system call.
 */
#ifndef FG_REPORT_TOP_H
#define FG_REPORT_TOP_H

#include "gate/profile/relate.h"
#include "gate/report/report.h"

enum fg_top_sort { FG_TOP_SELF, FG_TOP_TOTAL };

enum { FG_TOP_ROWS = 30, FG_TOP_ROWS_MAX = 100000 };

struct fg_top_options {
	const char *phase;    /* NULL: "measure"; "all" */
	const char *endpoint; /* a request class; NULL: all together */
	const char *search;   /* see name_pattern.h; NULL: everything */
	const char *relative; /* a function whose callers or callees are wanted; NULL: none */
	bool callers;         /* of `relative`; false: callees */
	enum fg_top_sort sort;
	size_t rows; /* 0: FG_TOP_ROWS */
};

struct fg_top {
	const struct fg_result *result; /* borrowed, like the profile */
	const struct fg_profile *profile;
	struct fg_top_options options;
	struct fg_cost *cost;
	const struct fg_cost_row **rows; /* of the table, in order */
	size_t count, found;             /* shown, and how many there are */
	uint64_t found_self;             /* samples of all that were found */
	const struct fg_cost_row *relative;
	struct fg_relations relations; /* when `relative` */
	double sample_ns;              /* what one sample stands for, per `unit`; < 0 unknown */
	const char *unit;              /* "request", "second" or "" */
};

/** NO_DATA without a profile or samples of that phase; USAGE for an unknown class or phase, a bad
 *  pattern, or a `relative` that is no function's name or several's (they are listed). */
int fg_top_new(const struct fg_result *result, const struct fg_profile *profile,
	       const struct fg_top_options *options, struct fg_top **ret,
	       struct fg_err *err) FG_MUST_USE;
void fg_top_free(struct fg_top *top);

/** For a terminal. */
int fg_top_text(const struct fg_top *top, const struct fg_report_style *style, struct fg_buf *out,
		struct fg_err *err) FG_MUST_USE;
struct fg_report_pen;
/** The rows alone; shared with the end text of a recording. */
int fg_top_rows_text(const struct fg_top *top, const struct fg_report_pen *pen,
		     struct fg_err *err) FG_MUST_USE;
/** {"samples", "unit", "functions": […], "relations": […]} */
int fg_top_json(const struct fg_top *top, struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** A line per function. */
int fg_top_csv(const struct fg_top *top, struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

#endif
