/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/raw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/json.h"
#include "gate/measure/series.h"

enum { METRICS_MAX = FG_METRIC_COUNT + FG_REGISTRY_CUSTOMS_MAX };

struct walk {
	const struct fg_result *result;
	fg_raw_fn *fn;
	void *context;
	uint64_t time_unix_ns;
	uint32_t second;
	bool any_warmup, of_interval;
	const char *seen[METRICS_MAX]; /* metrics that the series has; names of the registry */
	size_t seen_count;
};

double fg_raw_value(const struct fg_point *point)
{
	static const struct fg_trend_stat mean = {.kind = FG_TREND_STAT_AVG};

	switch (point->type) {
	case FG_METRIC_RATE:
		return point->total ? (double)point->trues / (double)point->total : 0;
	case FG_METRIC_TREND:
		return fg_trend_stat_value(&mean, &point->trend);
	case FG_METRIC_COUNTER:
	case FG_METRIC_GAUGE:
		break;
	}
	return point->value;
}

void fg_report_json_number(struct fg_json_writer *writer, const char *key, double value)
{
	if (fabs(value) < 9007199254740992.0 && floor(value) == value)
		fg_json_put_i64(writer, key, (int64_t)value);
	else
		fg_json_put_double(writer, key, value);
}

void fg_raw_metadata(const struct fg_point *point,
		     void (*fn)(void *context, const char *key, const char *value), void *context)
{
	static const struct fg_trend_stat stats[] = {
		{FG_TREND_STAT_MIN, 0, "min"},           {FG_TREND_STAT_MED, 0, "med"},
		{FG_TREND_STAT_MAX, 0, "max"},           {FG_TREND_STAT_PERCENTILE, 90, "p(90)"},
		{FG_TREND_STAT_PERCENTILE, 95, "p(95)"}, {FG_TREND_STAT_PERCENTILE, 99, "p(99)"}};
	char text[FG_NUM_TEXT_MAX];

	if (point->type != FG_METRIC_RATE && point->type != FG_METRIC_TREND)
		return;
	(void)snprintf(text, sizeof(text), "%" PRIu64,
		       point->type == FG_METRIC_RATE ? point->total
						     : fg_trend_values_count(&point->trend));
	fn(context, "count", text);
	for (size_t i = 0; point->type == FG_METRIC_TREND && i < FG_ARRAY_LEN(stats); i++) {
		(void)snprintf(text, sizeof(text), "%.6f",
			       fg_trend_stat_value(&stats[i], &point->trend));
		fn(context, stats[i].text, text);
	}
}

/* -- the series ---------------------------------------------------------------------------------
 */

static bool was_seen(const struct walk *walk, const char *metric)
{
	for (size_t i = 0; i < walk->seen_count; i++)
		if (strcmp(walk->seen[i], metric) == 0)
			return true;
	return false;
}

static void note_seen(struct walk *walk, const char *metric)
{
	if (walk->seen_count < METRICS_MAX && !was_seen(walk, metric))
		walk->seen[walk->seen_count++] = metric;
}

static bool is_warmup(const struct walk *walk, const struct fg_point *point)
{
	const struct fg_registry *registry = &walk->result->registry;
	const char *scenario = fg_point_tag(point, "scenario");

	for (size_t i = 0; walk->any_warmup && scenario && i < registry->scenario_count; i++)
		if (strcmp(registry->scenarios[i].name, scenario) == 0)
			return fg_result_is_warmup(registry, i, walk->second);
	return false;
}

static int pass_marked(const struct walk *walk, const struct fg_point *point, struct fg_err *err)
{
	struct fg_point marked = *point;
	size_t at = 0;

	if (marked.tag_count == FG_POINT_TAGS_MAX)
		marked.tag_count--;
	while (at < marked.tag_count && strcmp(marked.tags[at].key, "phase") < 0)
		at++;
	memmove(&marked.tags[at + 1], &marked.tags[at],
		(marked.tag_count - at) * sizeof(marked.tags[0]));
	marked.tags[at] = (struct fg_point_tag){"phase", "warmup"};
	marked.tag_count++;
	return walk->fn(walk->context, &marked, walk->time_unix_ns, err);
}

static int pass(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct walk *walk = context;

	/* k6 has no point for what did not happen; an interval's slice has no gauges. */
	if (point->type == FG_METRIC_COUNTER && point->value == 0)
		return 0;
	if (point->type == FG_METRIC_GAUGE && walk->of_interval)
		return 0;
	if (is_warmup(walk, point))
		return pass_marked(walk, point, err);
	note_seen(walk, point->metric);
	return walk->fn(walk->context, point, walk->time_unix_ns, err);
}

static int pass_slice(void *context, const struct fg_slice *slice, uint32_t seconds,
		      struct fg_err *err)
{
	struct walk *walk = context;
	uint64_t end_ns = ((uint64_t)slice->second + seconds) * FG_NS_PER_S;

	walk->second = slice->second;
	walk->of_interval = seconds > 1;
	walk->any_warmup = seconds == 1; /* intervals are of the measured phase only */
	walk->time_unix_ns =
		walk->result->started_unix_ns +
		FG_MIN(end_ns, FG_MAX(walk->result->duration_ns, end_ns - FG_NS_PER_S));
	return fg_points_walk_part(&walk->result->registry, slice, walk->result->totals, pass, walk,
				   err);
}

/* What no second told (bundles of old versions have classes only) is told once, at the end. */
static int pass_total(void *context, const struct fg_point *point, struct fg_err *err)
{
	const struct walk *walk = context;

	if (was_seen(walk, point->metric) ||
	    (point->type == FG_METRIC_COUNTER && point->value == 0))
		return 0;
	return walk->fn(walk->context, point, walk->time_unix_ns, err);
}

/* k6 has no such metric: the target's memory, once a second. */
static int pass_memory(const struct walk *walk, struct fg_err *err)
{
	const struct fg_rss_series *series = &walk->result->target_rss;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < series->count; i++) {
		const struct fg_point point = {
			.metric = "target_rss_bytes",
			.type = FG_METRIC_GAUGE,
			.contains = FG_CONTAINS_DATA,
			.value = (double)series->bytes[i],
			.min = (double)series->bytes[i],
			.max = (double)series->bytes[i],
		};

		if (series->bytes[i])
			rc = walk->fn(walk->context, &point,
				      walk->result->started_unix_ns + (i + 1) * FG_NS_PER_S, err);
	}
	return rc;
}

int fg_raw_walk(const struct fg_result *result, fg_raw_fn *fn, void *context, struct fg_err *err)
{
	struct walk walk = {.result = result, .fn = fn, .context = context};
	const char *why = fg_series_partial(result);
	int rc;

	if (why)
		return fg_err_set(err, FG_E_NO_DATA, "the series of seconds is incomplete: %s",
				  why);
	rc = fg_series_slices(result, 0, UINT32_MAX, pass_slice, &walk, err);
	walk.time_unix_ns = result->started_unix_ns + result->duration_ns;
	if (rc == 0)
		rc = fg_points_walk(&result->registry, result->totals, pass_total, &walk, err);
	return rc ? rc : pass_memory(&walk, err);
}
