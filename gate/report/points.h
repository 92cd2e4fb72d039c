/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice as k6 would have named it: every metric with its tags, one point per k6 time series.
 *
 * Owns which metric carries which tags (k6's system tags where we know them, the user's, never an
 * empty value) and what its values are. Every machine-readable output, the Prometheus publisher
 * and the summary's sub-metrics walk the same points, so they agree. Knows no format.
 *
 * Where a class half saw several statuses, http_reqs is one point per status; its trends, which
 * are kept per half, then carry no status.
 */
#ifndef FG_REPORT_POINTS_H
#define FG_REPORT_POINTS_H

#include "gate/measure/result.h"
#include "gate/report/trend_stats.h"

enum { FG_POINT_TAGS_MAX = FG_REGISTRY_TAGS_MAX + 12 };

enum fg_contains { FG_CONTAINS_DEFAULT, FG_CONTAINS_TIME, FG_CONTAINS_DATA };
const char *fg_contains_name(enum fg_contains contains); /* k6: default, time, data */

struct fg_point_tag {
	const char *key, *value; /* borrowed */
};

struct fg_point {
	const char *metric;
	enum fg_metric_type type;
	enum fg_contains contains;
	struct fg_point_tag tags[FG_POINT_TAGS_MAX]; /* sorted by key; keys differ */
	size_t tag_count;
	double value;          /* counter: sum; gauge: last */
	double min, max;       /* gauge */
	uint64_t trues, total; /* rate */
	struct fg_trend_values trend;
};

typedef int fg_point_fn(void *context, const struct fg_point *point, struct fg_err *err);

/** Calls `fn` for everything that has been counted; stops at its first failure and returns it. The
 *  point is valid during the call only. Order: requests by class, scenarios, checks, groups,
 *  customs, gauges of the run. */
int fg_points_walk(const struct fg_registry *registry, const struct fg_slice *slice,
		   fg_point_fn *fn, void *context, struct fg_err *err) FG_MUST_USE;
/** The same of a part of a run, e.g. a second, which knows no statuses: a class half that saw one
 *  status alone in `whole` has it. */
int fg_points_walk_part(const struct fg_registry *registry, const struct fg_slice *part,
			const struct fg_slice *whole, fg_point_fn *fn, void *context,
			struct fg_err *err) FG_MUST_USE;

/** The tag's value, or NULL. */
const char *fg_point_tag(const struct fg_point *point, const char *key);
/** True if the point carries every one of `tags` (NULL: none asked for). "group" with an empty
 *  value matches points without one. */
bool fg_point_matches(const struct fg_point *point, const struct fg_tags *tags);

/* -- sums of points: one metric over everything that matches -------------------------------- */

struct fg_point_sum {
	char *metric;
	enum fg_metric_type type;
	enum fg_contains contains;
	double value, min, max;
	uint64_t trues, total;
	struct fg_hist hist;           /* of a built-in trend */
	struct fg_custom_slice custom; /* of a custom one */
};

struct fg_point_sums { /* in the order in which the metrics were first seen */
	struct fg_point_sum *items;
	size_t count, capacity;
};

/** Sums of all points of the result's measured phase that match `filter` (may be NULL). *ret must
 *  be zeroed; free with fg_point_sums_done(), also after a failure. */
int fg_point_sums_collect(const struct fg_result *result, const struct fg_tags *filter,
			  struct fg_point_sums *ret, struct fg_err *err) FG_MUST_USE;
void fg_point_sums_done(struct fg_point_sums *sums);
const struct fg_point_sum *fg_point_sums_find(const struct fg_point_sums *sums, const char *metric);
struct fg_trend_values fg_point_sum_trend(const struct fg_point_sum *sum);

/** True for "metric{tag:value,…}" alone: no ratio of two. */
bool fg_point_is_submetric(const char *text);
/** "http_req_duration{scenario:browse, name:x}" → name (caller frees) and tags; a text without
 *  braces has no tags. INVALID when it is not of that form. *ret_tags must be zeroed. */
int fg_point_selector(const char *text, char **ret_metric, struct fg_tags *ret_tags,
		      struct fg_err *err) FG_MUST_USE;

#endif
