/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which statistics of a trend are shown or sent: k6's --summary-trend-stats list.
 *
 * Owns the words (avg, min, med, max, count, sum, p(N)) and how each is computed from a histogram.
 * Values come out in the metric's own unit as k6 shows it: milliseconds for times.
 */
#ifndef FG_REPORT_TREND_STATS_H
#define FG_REPORT_TREND_STATS_H

#include "gate/measure/slice.h"

enum { FG_TREND_STATS_MAX = 16, FG_TREND_STAT_TEXT_MAX = 16 };

enum fg_trend_stat_kind {
	FG_TREND_STAT_AVG,
	FG_TREND_STAT_MIN,
	FG_TREND_STAT_MED,
	FG_TREND_STAT_MAX,
	FG_TREND_STAT_COUNT,
	FG_TREND_STAT_SUM,
	FG_TREND_STAT_PERCENTILE
};

struct fg_trend_stat {
	enum fg_trend_stat_kind kind;
	double percentile;                 /* of p(N) */
	char text[FG_TREND_STAT_TEXT_MAX]; /* as it was written: "p(99.9)" */
};

struct fg_trend_stats {
	struct fg_trend_stat items[FG_TREND_STATS_MAX];
	size_t count;
};

/* Values of one trend: a histogram of nanoseconds, or a custom metric's samples. */
struct fg_trend_values {
	const struct fg_hist *hist;
	const struct fg_custom_slice *custom; /* where hist is NULL */
};

/** One word. INVALID with the list of words otherwise. */
int fg_trend_stat_parse(const char *text, size_t len, struct fg_trend_stat *ret,
			struct fg_err *err) FG_MUST_USE;
/** "avg,min,med,max,p(90),p(95)"; spaces around words are allowed, an empty list is not. */
int fg_trend_stats_parse(const char *text, struct fg_trend_stats *ret,
			 struct fg_err *err) FG_MUST_USE;
/** k6's default: avg,min,med,max,p(90),p(95). */
struct fg_trend_stats fg_trend_stats_default(void);

/** The values of a histogram of nanoseconds. */
struct fg_trend_values fg_trend_values_of(const struct fg_hist *hist);
/** How many values there are. */
uint64_t fg_trend_values_count(const struct fg_trend_values *values);
/** 0 for an empty trend, as k6. */
double fg_trend_stat_value(const struct fg_trend_stat *stat, const struct fg_trend_values *values);
/** k6's suffix of a Prometheus series: "p95", "p999" for p(99.9), "avg". */
void fg_trend_stat_suffix(const struct fg_trend_stat *stat, char buffer[FG_TREND_STAT_TEXT_MAX]);

#endif
