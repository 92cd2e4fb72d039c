/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/exposition.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int expose(const struct fg_point *point, const char *suffix, bool is_counter, double value,
		  fg_expose_fn *fn, void *context, struct fg_err *err)
{
	struct fg_exposed series = {.is_counter = is_counter, .value = value, .point = point};
	int len = snprintf(series.name, sizeof(series.name), "k6_%s%s%s", point->metric,
			   *suffix ? "_" : "", suffix);

	if (len < 0 || (size_t)len >= sizeof(series.name))
		return fg_err_set(err, FG_E_LIMIT, "the metric name %.64s… is too long",
				  point->metric);
	return fn(context, &series, err);
}

static int expose_trend(const struct fg_point *point, const struct fg_trend_stats *stats,
			fg_expose_fn *fn, void *context, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < stats->count && rc == 0; i++) {
		double value = fg_trend_stat_value(&stats->items[i], &point->trend);
		char suffix[FG_TREND_STAT_TEXT_MAX];

		if (point->contains == FG_CONTAINS_TIME &&
		    stats->items[i].kind != FG_TREND_STAT_COUNT)
			value /= 1000; /* ms → s, Prometheus' unit */
		fg_trend_stat_suffix(&stats->items[i], suffix);
		rc = expose(point, suffix, false, value, fn, context, err);
	}
	return rc;
}

int fg_expose_point(const struct fg_point *point, const struct fg_trend_stats *stats,
		    fg_expose_fn *fn, void *context, struct fg_err *err)
{
	double share;

	switch (point->type) {
	case FG_METRIC_COUNTER:
		return expose(point, "total", true, point->value, fn, context, err);
	case FG_METRIC_GAUGE:
		return expose(point, "", false, point->value, fn, context, err);
	case FG_METRIC_RATE:
		share = point->total ? (double)point->trues / (double)point->total : 0;
		return expose(point, "rate", false, share, fn, context, err);
	case FG_METRIC_TREND:
		break;
	}
	return expose_trend(point, stats, fn, context, err);
}

void fg_expose_label(const char *key, char *buffer, size_t size_bytes)
{
	size_t at = 0;

	if (isdigit((unsigned char)*key))
		buffer[at++] = '_';
	for (; *key && at + 1 < size_bytes; key++)
		buffer[at++] = isalnum((unsigned char)*key) ? *key : '_';
	buffer[at] = '\0';
}
