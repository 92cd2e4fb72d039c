/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/raw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/hdrlog.h"

struct walk {
	const struct fg_result *result;
	fg_raw_fn *fn;
	void *context;
	uint64_t time_unix_ns;
	bool warmup;
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
		       point->type == FG_METRIC_RATE ? point->total : point->trend.hist->count);
	fn(context, "count", text);
	for (size_t i = 0; point->type == FG_METRIC_TREND && i < FG_ARRAY_LEN(stats); i++) {
		(void)snprintf(text, sizeof(text), "%.6f",
			       fg_trend_stat_value(&stats[i], &point->trend));
		fn(context, stats[i].text, text);
	}
}

/* -- seconds ------------------------------------------------------------------------------------
 */

static const char *const metrics_of_seconds[] = {
	"http_reqs",
	"http_req_failed",
	"http_req_duration",
	"http_req_response_time",
};

static bool has_seconds(const char *metric)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(metrics_of_seconds); i++)
		if (strcmp(metrics_of_seconds[i], metric) == 0)
			return true;
	return false;
}

/* The row's class half becomes a slice of its own, so that its points are made where all are. */
static int fill(struct fg_class_slice *half, const struct fg_series_row *row, struct fg_err *err)
{
	half->requests = row->requests;
	half->failed = row->failed;
	int rc = row->response_hdr ? fg_hdrlog_decode(row->response_hdr, strlen(row->response_hdr),
						      &half->trends[FG_TREND_RESPONSE_TIME], err)
				   : 0;

	if (rc == 0 && row->duration_hdr)
		rc = fg_hdrlog_decode(row->duration_hdr, strlen(row->duration_hdr),
				      &half->trends[FG_TREND_DURATION], err);
	return rc;
}

static void empty(struct fg_class_slice *half)
{
	half->requests = half->failed = 0;
	fg_hist_clear(&half->trends[FG_TREND_RESPONSE_TIME]);
	fg_hist_clear(&half->trends[FG_TREND_DURATION]);
}

static int pass_second(void *context, const struct fg_point *point, struct fg_err *err)
{
	const struct walk *walk = context;

	if (!has_seconds(point->metric))
		return 0;
	if (!walk->warmup || point->tag_count == FG_POINT_TAGS_MAX)
		return walk->fn(walk->context, point, walk->time_unix_ns, err);
	struct fg_point marked = *point;
	size_t at = 0;

	while (at < marked.tag_count && strcmp(marked.tags[at].key, "phase") < 0)
		at++;
	memmove(&marked.tags[at + 1], &marked.tags[at],
		(marked.tag_count - at) * sizeof(marked.tags[0]));
	marked.tags[at] = (struct fg_point_tag){"phase", "warmup"};
	marked.tag_count++;
	return walk->fn(walk->context, &marked, walk->time_unix_ns, err);
}

static int walk_row(struct walk *walk, struct fg_slice *scratch, const struct fg_series_row *row,
		    struct fg_err *err)
{
	struct fg_class_slice *half = fg_slice_class(scratch, row->class_index, row->expected);
	int rc = fill(half, row, err);

	walk->time_unix_ns =
		walk->result->started_unix_ns + ((uint64_t)row->second + 1) * FG_NS_PER_S;
	walk->warmup = row->warmup;
	if (rc == 0)
		rc = fg_points_walk_class(&walk->result->registry, scratch, row->class_index,
					  pass_second, walk, err);
	empty(half);
	return rc;
}

static int pass_total(void *context, const struct fg_point *point, struct fg_err *err)
{
	const struct walk *walk = context;

	if (has_seconds(point->metric))
		return 0;
	return walk->fn(walk->context, point, walk->time_unix_ns, err);
}

int fg_raw_walk(const struct fg_result *result, fg_raw_fn *fn, void *context, struct fg_err *err)
{
	struct walk walk = {.result = result, .fn = fn, .context = context};
	struct fg_slice *scratch = NULL;
	int rc = fg_slice_new(&result->registry, NULL, &scratch, err);

	for (size_t i = 0; rc == 0 && i < result->series.count; i++)
		rc = walk_row(&walk, scratch, &result->series.items[i], err);
	fg_slice_free(scratch);
	walk.time_unix_ns = result->started_unix_ns + result->duration_ns;
	return rc ? rc : fg_points_walk(&result->registry, result->totals, pass_total, &walk, err);
}
