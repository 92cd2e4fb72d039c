/* SPDX-License-Identifier: Apache-2.0 */
/* k6's JSON lines: {"type":"Metric",…} once per metric, then {"type":"Point",…}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/judge/threshold.h"
#include "gate/report/raw.h"

enum { SEEN_MAX = FG_METRIC_COUNT + FG_REGISTRY_CUSTOMS_MAX };

struct ndjson {
	const struct fg_result *result;
	struct fg_sink *sink;
	const char *seen[SEEN_MAX]; /* names live in the tables or the registry */
	size_t seen_count;
};

/* The selector's part of "metric{a:b}" when the text is a sub-metric of this one. */
static const char *sub_of(const char *metric_text, const char *metric)
{
	size_t len = strlen(metric);

	return strncmp(metric_text, metric, len) == 0 && metric_text[len] == '{' &&
			       fg_point_is_submetric(metric_text)
		       ? metric_text + len
		       : NULL;
}

static void put_thresholds(struct fg_json_writer *w, const struct fg_result *result,
			   const char *metric)
{
	fg_json_begin_array(w, "thresholds");
	for (size_t i = 0; i < result->threshold_count; i++)
		if (strcmp(result->thresholds[i].metric_text, metric) == 0)
			fg_json_put_string(w, NULL, result->thresholds[i].text);
	fg_json_end(w);
}

static int put_submetric(struct fg_json_writer *w, const char *text, struct fg_err *err)
{
	FG_AUTO_FREE char *metric = NULL;
	FG_AUTO_FREE char *suffix = NULL;
	struct fg_tags tags = {.items = NULL};
	int rc = fg_point_selector(text, &metric, &tags, err);

	if (rc == 0)
		rc = fg_str_ndup(strchr(text, '{') + 1, strlen(strchr(text, '{')) - 2, &suffix,
				 err);
	if (rc == 0) {
		fg_json_begin(w, NULL);
		fg_json_put_string(w, "name", text);
		fg_json_put_string(w, "suffix", suffix);
		fg_json_begin(w, "tags");
		for (size_t i = 0; i < tags.count; i++)
			fg_json_put_string(w, tags.items[i].key, tags.items[i].value);
		fg_json_end(w);
		fg_json_end(w);
	}
	fg_tags_done(&tags);
	return rc;
}

static bool seen_before(const struct fg_result *result, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(result->thresholds[i].metric_text,
			   result->thresholds[index].metric_text) == 0)
			return true;
	return false;
}

/* null when there are none, as k6. */
static int put_submetrics(struct fg_json_writer *w, const struct fg_result *result,
			  const char *metric, struct fg_err *err)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < result->threshold_count && rc == 0; i++) {
		if (!sub_of(result->thresholds[i].metric_text, metric) || seen_before(result, i))
			continue;
		if (!any)
			fg_json_begin_array(w, "submetrics");
		any = true;
		rc = put_submetric(w, result->thresholds[i].metric_text, err);
	}
	if (any)
		fg_json_end(w);
	else
		fg_json_put_null(w, "submetrics");
	return rc;
}

static int put_metric(struct ndjson *out, const struct fg_point *point, struct fg_err *err)
{
	struct fg_json_writer w;

	for (size_t i = 0; i < out->seen_count; i++)
		if (strcmp(out->seen[i], point->metric) == 0)
			return 0;
	if (out->seen_count < SEEN_MAX)
		out->seen[out->seen_count++] = point->metric;
	fg_json_writer_init(&w, &out->sink->buf, false);
	fg_json_begin(&w, NULL);
	fg_json_put_string(&w, "type", "Metric");
	fg_json_begin(&w, "data");
	fg_json_put_string(&w, "name", point->metric);
	fg_json_put_string(&w, "type", fg_metric_type_name(point->type));
	fg_json_put_string(&w, "contains", fg_contains_name(point->contains));
	put_thresholds(&w, out->result, point->metric);
	int rc = put_submetrics(&w, out->result, point->metric, err);

	fg_json_end(&w);
	fg_json_put_string(&w, "metric", point->metric);
	fg_json_end(&w);
	fg_buf_add_char(&out->sink->buf, '\n');
	return rc ? rc : fg_json_writer_check(&w, err);
}

static void put_time(struct fg_json_writer *w, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / FG_NS_PER_S);
	char text[64], whole[48];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		text[0] = '\0';
	(void)snprintf(whole, sizeof(whole), "%.24s.%09uZ", text,
		       (unsigned)(unix_ns % FG_NS_PER_S));
	fg_json_put_string(w, "time", whole);
}

static void put_pair(void *context, const char *key, const char *value)
{
	fg_json_put_string(context, key, value);
}

static int put_point(void *context, const struct fg_point *point, uint64_t time_unix_ns,
		     struct fg_err *err)
{
	struct ndjson *out = context;
	struct fg_json_writer w;
	int rc = put_metric(out, point, err);

	if (rc)
		return rc;
	fg_json_writer_init(&w, &out->sink->buf, false);
	fg_json_begin(&w, NULL);
	fg_json_put_string(&w, "metric", point->metric);
	fg_json_put_string(&w, "type", "Point");
	fg_json_begin(&w, "data");
	put_time(&w, time_unix_ns);
	fg_report_json_number(&w, "value", fg_raw_value(point));
	fg_json_begin(&w, "tags");
	for (size_t i = 0; i < point->tag_count; i++)
		fg_json_put_string(&w, point->tags[i].key, point->tags[i].value);
	/* k6 writes the root group as an empty one wherever there is a scenario. */
	if (fg_point_tag(point, "scenario") && !fg_point_tag(point, "group"))
		fg_json_put_string(&w, "group", "");
	fg_json_end(&w);
	if (point->type == FG_METRIC_TREND || point->type == FG_METRIC_RATE) {
		fg_json_begin(&w, "metadata");
		fg_raw_metadata(point, put_pair, &w);
		fg_json_end(&w);
	}
	fg_json_end(&w);
	fg_json_end(&w);
	fg_buf_add_char(&out->sink->buf, '\n');
	rc = fg_json_writer_check(&w, err);
	return rc ? rc : fg_sink_flush(out->sink, err);
}

int fg_report_ndjson(const struct fg_result *result, struct fg_sink *sink, struct fg_err *err)
{
	struct ndjson out = {.result = result, .sink = sink};
	int rc = fg_raw_walk(result, put_point, &out, err);

	return rc ? rc : fg_sink_finish(sink, err);
}
