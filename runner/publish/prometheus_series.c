/* SPDX-License-Identifier: Apache-2.0 */
/* Totals → series with the labels that k6 would have given them. */
#include "runner/publish/prometheus_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/report/exposition.h"

enum {
	PAIRS_MAX = FG_POINT_TAGS_MAX + FG_PROMETHEUS_LABELS_MAX + 1,
	LABEL_NAME_MAX = 256,
	LABELS_BYTES_MAX = 1 << 20,
};

struct pair {
	char name[LABEL_NAME_MAX];
	const char *value;
};

struct pairs {
	struct pair items[PAIRS_MAX];
	size_t count;
};

struct collect {
	struct fg_prometheus_snapshot *snapshot;
	const struct fg_trend_stats *stats;
	const struct fg_tags *labels;
};

double fg_prometheus_stale(void)
{
	/* model/value/value.go of Prometheus: a NaN with these bits, and no other one */
	const uint64_t bits = 0x7ff0000000000002u;
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void fg_prometheus_snapshot_done(struct fg_prometheus_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		free(snapshot->items[i].labels);
	free(snapshot->items);
	*snapshot = (struct fg_prometheus_snapshot){.items = NULL};
}

/* Sorted by name; the first of equal names stays. */
static void add_pair(struct pairs *pairs, const char *key, const char *value)
{
	struct pair pair = {.value = value};
	size_t at = 0;

	if (!*value || pairs->count == PAIRS_MAX)
		return;
	fg_expose_label(key, pair.name, sizeof(pair.name));
	while (at < pairs->count && strcmp(pairs->items[at].name, pair.name) < 0)
		at++;
	if (at < pairs->count && strcmp(pairs->items[at].name, pair.name) == 0)
		return;
	memmove(&pairs->items[at + 1], &pairs->items[at],
		(pairs->count - at) * sizeof(pairs->items[0]));
	pairs->items[at] = pair;
	pairs->count++;
}

static int add_series(void *context, const struct fg_exposed *exposed, struct fg_err *err)
{
	struct collect *collect = context;
	struct fg_prometheus_snapshot *snapshot = collect->snapshot;
	FG_AUTO_BUF struct fg_buf text = {.max = LABELS_BYTES_MAX};
	struct pairs pairs;
	int rc = FG_VEC_ROOM(snapshot, items, count, capacity, FG_PROMETHEUS_SERIES_MAX, err);

	if (rc)
		return rc == -FG_E_LIMIT ? fg_err_set(err, FG_E_LIMIT,
						      "more than %d series; fewer trendStats help",
						      FG_PROMETHEUS_SERIES_MAX)
					 : rc;
	pairs.count = 0;
	add_pair(&pairs, "__name__", exposed->name);
	for (size_t i = 0; i < exposed->point->tag_count; i++)
		add_pair(&pairs, exposed->point->tags[i].key, exposed->point->tags[i].value);
	for (size_t i = 0; collect->labels && i < collect->labels->count; i++)
		add_pair(&pairs, collect->labels->items[i].key, collect->labels->items[i].value);
	for (size_t i = 0; i < pairs.count; i++) {
		fg_buf_add(&text, pairs.items[i].name, strlen(pairs.items[i].name) + 1);
		fg_buf_add(&text, pairs.items[i].value, strlen(pairs.items[i].value) + 1);
	}
	rc = fg_buf_check(&text, err);
	if (rc)
		return rc;
	struct fg_prometheus_series *series = &snapshot->items[snapshot->count];

	series->value = exposed->value;
	series->labels = fg_buf_take(&text, &series->labels_len);
	if (!series->labels)
		return fg_err_nomem(err);
	snapshot->count++;
	return 0;
}

static int add_point(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct collect *collect = context;

	return fg_expose_point(point, collect->stats, add_series, collect, err);
}

static int compare(const void *a, const void *b)
{
	const struct fg_prometheus_series *left = a, *right = b;
	size_t len = FG_MIN(left->labels_len, right->labels_len);
	int order = memcmp(left->labels, right->labels, len);

	if (order != 0)
		return order;
	return (left->labels_len > right->labels_len) - (left->labels_len < right->labels_len);
}

/* Two classes may differ in nothing that a label says (a tag hides a name): the server wants each
 * series once. Counters add up; of the others one is as good as the other. */
static void merge_equal(struct fg_prometheus_snapshot *snapshot)
{
	size_t kept = 0;

	for (size_t i = 0; i < snapshot->count; i++) {
		struct fg_prometheus_series *last = kept ? &snapshot->items[kept - 1] : NULL;

		if (last && compare(last, &snapshot->items[i]) == 0) {
			last->value += strstr(last->labels + strlen("__name__") + 1, "_total")
					       ? snapshot->items[i].value
					       : 0;
			free(snapshot->items[i].labels);
			continue;
		}
		snapshot->items[kept++] = snapshot->items[i];
	}
	snapshot->count = kept;
}

int fg_prometheus_snapshot(const struct fg_registry *registry, const struct fg_slice *totals,
			   const struct fg_trend_stats *stats, const struct fg_tags *labels,
			   int64_t time_ms, struct fg_prometheus_snapshot *ret, struct fg_err *err)
{
	struct collect collect = {ret, stats, labels};
	int rc = fg_points_walk(registry, totals, add_point, &collect, err);

	if (rc)
		return rc;
	ret->time_ms = time_ms;
	if (ret->count > 0)
		qsort(ret->items, ret->count, sizeof(ret->items[0]), compare);
	merge_equal(ret);
	return 0;
}
