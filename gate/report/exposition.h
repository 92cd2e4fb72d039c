/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points under the names that k6's Prometheus output gives them, so that dashboards made for k6
 * find them: k6_ + metric, counters _total, rates _rate, one gauge per statistic of a trend, times
 * in seconds without a unit in the name.
 *
 * One rule differs from k6: the statistic `count` of a time trend is a count, not divided by 1000.
 */
#ifndef FG_REPORT_EXPOSITION_H
#define FG_REPORT_EXPOSITION_H

#include "gate/report/points.h"
#include "gate/report/sink.h"

enum { FG_EXPOSED_NAME_MAX = 192 };

struct fg_exposed {
	char name[FG_EXPOSED_NAME_MAX];
	bool is_counter; /* else a gauge */
	double value;
	const struct fg_point *point; /* its tags are the labels */
};

typedef int fg_expose_fn(void *context, const struct fg_exposed *series, struct fg_err *err);

/** Calls `fn` for each series of the point: one, or one per statistic of a trend. */
int fg_expose_point(const struct fg_point *point, const struct fg_trend_stats *stats,
		    fg_expose_fn *fn, void *context, struct fg_err *err) FG_MUST_USE;
/** A tag's key as a label name: what Prometheus does not allow becomes "_". */
void fg_expose_label(const char *key, char *buffer, size_t size_bytes);

/** The totals of the measured phase as a text exposition, ended by "# EOF". */
int fg_report_openmetrics(const struct fg_result *result, const struct fg_trend_stats *stats,
			  struct fg_sink *sink, struct fg_err *err) FG_MUST_USE;

#endif
