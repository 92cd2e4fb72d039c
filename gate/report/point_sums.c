/* SPDX-License-Identifier: Apache-2.0 */
/* Points added up: a metric, or one of its sub-metrics, over everything that matches. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/report/points.h"

enum { SUMS_MAX = FG_METRIC_COUNT + FG_REGISTRY_CUSTOMS_MAX };

void fg_point_sums_done(struct fg_point_sums *sums)
{
	if (!sums)
		return;
	for (size_t i = 0; i < sums->count; i++) {
		free(sums->items[i].metric);
		fg_hist_done(&sums->items[i].hist);
		fg_hist_done(&sums->items[i].custom.trend);
		fg_hist_done(&sums->items[i].custom.large);
		fg_hist_done(&sums->items[i].custom.below);
	}
	free(sums->items);
	*sums = (struct fg_point_sums){.items = NULL};
}

const struct fg_point_sum *fg_point_sums_find(const struct fg_point_sums *sums, const char *metric)
{
	for (size_t i = 0; i < sums->count; i++)
		if (strcmp(sums->items[i].metric, metric) == 0)
			return &sums->items[i];
	return NULL;
}

struct fg_trend_values fg_point_sum_trend(const struct fg_point_sum *sum)
{
	return sum->custom.count ? (struct fg_trend_values){.custom = &sum->custom}
				 : (struct fg_trend_values){.hist = &sum->hist};
}

static int add_new(struct fg_point_sums *sums, const struct fg_point *point, struct fg_err *err)
{
	struct fg_point_sum *sum;
	int rc = FG_VEC_ROOM(sums, items, count, capacity, SUMS_MAX, err);

	if (rc)
		return rc;
	sum = &sums->items[sums->count];
	*sum = (struct fg_point_sum){
		.type = point->type, .contains = point->contains, .custom.type = point->type};
	rc = fg_str_dup(point->metric, &sum->metric, err);
	if (rc)
		return rc;
	fg_hist_init(&sum->hist, NULL);
	sum->min = point->min;
	sum->max = point->max;
	fg_hist_init(&sum->custom.trend, NULL);
	fg_hist_init(&sum->custom.large, NULL);
	fg_hist_init(&sum->custom.below, NULL);
	sums->count++;
	return 0;
}

static int add_values(struct fg_point_sum *sum, const struct fg_point *point, struct fg_err *err)
{
	/* The same custom gauge in two places has no common last value; the later place's. */
	if (point->type == FG_METRIC_GAUGE)
		sum->value = point->value;
	else
		sum->value += point->value;
	sum->min = FG_MIN(sum->min, point->min);
	sum->max = FG_MAX(sum->max, point->max);
	sum->trues += point->trues;
	sum->total += point->total;
	if (point->type != FG_METRIC_TREND)
		return 0;
	if (!point->trend.hist)
		return fg_slice_add_custom(&sum->custom, point->trend.custom, err);
	return fg_hist_add(&sum->hist, point->trend.hist) ? fg_err_nomem(err) : 0;
}

struct collect {
	struct fg_point_sums *sums;
	const struct fg_tags *filter;
	bool saw_vus;
};

static int take(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct collect *collect = context;
	struct fg_point_sums *sums = collect->sums;
	size_t i = 0;

	if (!fg_point_matches(point, collect->filter) ||
	    (!collect->saw_vus && strcmp(point->metric, fg_metrics[FG_METRIC_VUS].name) == 0))
		return 0;
	while (i < sums->count && strcmp(sums->items[i].metric, point->metric) != 0)
		i++;
	int rc = i == sums->count ? add_new(sums, point, err) : 0;

	return rc ? rc : add_values(&sums->items[i], point, err);
}

/* At its end a run has no VUs left: as k6, the last second in which there were some counts. */
static void set_vus(struct fg_point_sums *sums, const struct fg_result *result)
{
	for (size_t i = 0; result->vus.max > 0 && i < sums->count; i++) {
		struct fg_point_sum *sum = &sums->items[i];

		if (strcmp(sum->metric, fg_metrics[FG_METRIC_VUS].name) != 0)
			continue;
		sum->value = result->vus.last;
		sum->min = result->vus.min;
		sum->max = result->vus.max;
	}
}

int fg_point_sums_collect(const struct fg_result *result, const struct fg_tags *filter,
			  struct fg_point_sums *ret, struct fg_err *err)
{
	/* VUs are looked at once a second; of a shorter run k6 tells none either, rather than 0. */
	struct collect collect = {ret, filter,
				  result->vus.max > 0 || result->duration_ns >= FG_NS_PER_S};
	int rc = fg_points_walk(&result->registry, result->totals, take, &collect, err);

	set_vus(ret, result);
	return rc;
}

/* -- selectors ----------------------------------------------------------------------------------
 */

static int add_pair(const char *text, size_t len, struct fg_tags *tags, struct fg_err *err)
{
	FG_AUTO_FREE char *key = NULL;
	FG_AUTO_FREE char *value = NULL;

	while (len > 0 && *text == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	const char *colon = len ? memchr(text, ':', len) : NULL;

	if (!colon || colon == text)
		return fg_err_set(err, FG_E_INVALID, "\"%.*s\" is not tag:value",
				  (int)FG_MIN(len, (size_t)200), text);
	size_t key_len = (size_t)(colon - text);
	size_t value_len = len - key_len - 1;
	int rc = fg_str_ndup(text, key_len, &key, err);

	if (rc == 0)
		rc = fg_str_ndup(colon + 1, value_len, &value, err);
	return rc ? rc : fg_tags_add(tags, key, value, err);
}

bool fg_point_is_submetric(const char *text)
{
	const char *open = strchr(text, '{');
	const char *close = open ? strchr(open, '}') : NULL;

	return close && close[1] == '\0';
}

int fg_point_selector(const char *text, char **ret_metric, struct fg_tags *ret_tags,
		      struct fg_err *err)
{
	const char *open = strchr(text, '{');
	size_t len = strlen(text);
	struct fg_tags tags = {.items = NULL};
	int rc = 0;

	if (!open)
		return fg_str_dup(text, ret_metric, err);
	if (text[len - 1] != '}')
		return fg_err_set(err, FG_E_INVALID, "\"%s\" is not metric{tag:value}", text);
	for (const char *at = open + 1; rc == 0 && at < text + len - 1;) {
		size_t pair = strcspn(at, ",}");

		rc = add_pair(at, pair, &tags, err);
		at += pair + 1;
	}
	if (rc == 0)
		rc = fg_str_ndup(text, (size_t)(open - text), ret_metric, err);
	if (rc) {
		fg_tags_done(&tags);
		return rc;
	}
	*ret_tags = tags;
	return 0;
}
