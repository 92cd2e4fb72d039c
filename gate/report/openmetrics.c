/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form that Prometheus, its text-file collector, the Pushgateway and promtool all read: a
 * counter's family carries its whole name with _total (strict OpenMetrics would leave it out there,
 * and promtool would then find samples without a type). "# EOF" says that the file is whole.
 */
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/report/exposition.h"

enum { FAMILIES_MAX = 1 << 16, LABEL_MAX = 256 };

struct family {
	char *name;
	const char *metric;
	bool is_counter;
};

struct writer {
	const struct fg_trend_stats *stats;
	struct fg_sink *sink;
	struct family *items;
	size_t count, capacity;
	const struct family *current;
};

static int note_family(void *context, const struct fg_exposed *series, struct fg_err *err)
{
	struct writer *w = context;

	for (size_t i = 0; i < w->count; i++)
		if (strcmp(w->items[i].name, series->name) == 0)
			return 0;
	int rc = FG_VEC_ROOM(w, items, count, capacity, FAMILIES_MAX, err);

	if (rc == 0)
		rc = fg_str_dup(series->name, &w->items[w->count].name, err);
	if (rc)
		return rc;
	w->items[w->count].metric = series->point->metric;
	w->items[w->count++].is_counter = series->is_counter;
	return 0;
}

static int note_point(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct writer *w = context;

	return fg_expose_point(point, w->stats, note_family, w, err);
}

static void put_value(struct fg_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			fg_buf_add_str(out, "\\n");
		else if (*text == '"' || *text == '\\')
			fg_buf_addf(out, "\\%c", *text);
		else
			fg_buf_add_char(out, *text);
	}
}

static int put_series(void *context, const struct fg_exposed *series, struct fg_err *err)
{
	struct writer *w = context;
	struct fg_buf *out = &w->sink->buf;

	if (strcmp(series->name, w->current->name) != 0)
		return 0;
	fg_buf_add_str(out, series->name);
	for (size_t i = 0; i < series->point->tag_count; i++) {
		char label[LABEL_MAX];

		fg_expose_label(series->point->tags[i].key, label, sizeof(label));
		fg_buf_addf(out, "%c%s=\"", i ? ',' : '{', label);
		put_value(out, series->point->tags[i].value);
		fg_buf_add_char(out, '"');
	}
	fg_buf_addf(out, "%s %.17g\n", series->point->tag_count ? "}" : "", series->value);
	return fg_sink_flush(w->sink, err);
}

static int put_point(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct writer *w = context;

	if (strcmp(point->metric, w->current->metric) != 0)
		return 0;
	return fg_expose_point(point, w->stats, put_series, w, err);
}

static int put_family(struct writer *w, const struct fg_result *result, const struct family *family,
		      struct fg_err *err)
{
	int id = fg_metric_find(family->metric);

	w->current = family;
	fg_buf_addf(&w->sink->buf, "# HELP %s ", family->name);
	put_value(&w->sink->buf,
		  id >= 0 && fg_metrics[id].help ? fg_metrics[id].help : "custom metric");
	fg_buf_addf(&w->sink->buf, "\n# TYPE %s %s\n", family->name,
		    family->is_counter ? "counter" : "gauge");
	return fg_points_walk(&result->registry, result->totals, put_point, w, err);
}

int fg_report_openmetrics(const struct fg_result *result, const struct fg_trend_stats *stats,
			  struct fg_sink *sink, struct fg_err *err)
{
	struct writer w = {.stats = stats, .sink = sink};
	int rc = fg_points_walk(&result->registry, result->totals, note_point, &w, err);

	for (size_t i = 0; i < w.count && rc == 0; i++)
		rc = put_family(&w, result, &w.items[i], err);
	for (size_t i = 0; i < w.count; i++)
		free(w.items[i].name);
	free(w.items);
	if (rc)
		return rc;
	fg_buf_add_str(&sink->buf, "# EOF\n");
	return fg_sink_finish(sink, err);
}
