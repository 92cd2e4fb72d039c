/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One section of the end summary: metrics by name, trends in columns of statistics, the others as
 * a value and what explains it.
 *
 * Fits any width from 60: a name too long for its column gets a line of its own, and where even
 * the columns do not fit, the statistics follow as "avg=1.10 ms", wrapped.
 */
#ifndef FG_REPORT_SUMMARY_ROWS_H
#define FG_REPORT_SUMMARY_ROWS_H

#include "gate/report/points.h"
#include "gate/report/report_internal.h"

enum { FG_SUMMARY_ROWS_MAX = 8192 };

struct fg_summary_row {
	char *name;
	bool is_trend;
	char *cells[FG_TREND_STATS_MAX]; /* of a trend one per statistic; else value, explanation */
};

struct fg_summary_rows {
	struct fg_summary_row *items;
	size_t count, capacity;
};

void fg_summary_rows_done(struct fg_summary_rows *rows);
/** `name` is shown; `sub` rows are indented below the one before. */
int fg_summary_rows_add(struct fg_summary_rows *rows, const struct fg_report_pen *pen,
			const char *name, bool sub, const struct fg_point_sum *sum, double seconds,
			struct fg_err *err) FG_MUST_USE;
/** The heading with the statistics' names over the columns, then the rows; nothing without rows. */
void fg_summary_rows_write(const struct fg_summary_rows *rows, const struct fg_report_pen *pen,
			   const char *title, unsigned indent);

#endif
