/* SPDX-License-Identifier: Apache-2.0 */
/* Counting one second, and adding seconds up. */
#include "gate/measure/slice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void class_init(struct fg_class_slice *class, struct fg_hist_pool *pool)
{
	for (size_t t = 0; t < FG_TREND_COUNT; t++)
		fg_hist_init(&class->trends[t], pool);
}

static void scenario_init(struct fg_scenario_slice *scenario, struct fg_hist_pool *pool)
{
	fg_hist_init(&scenario->iteration_duration, pool);
	fg_hist_init(&scenario->lag, pool);
	fg_hist_init(&scenario->queue, pool);
}

static void custom_init(struct fg_custom_slice *custom, enum fg_metric_type type,
			struct fg_hist_pool *pool)
{
	*custom = (struct fg_custom_slice){.type = type};
	fg_hist_init(&custom->trend, pool);
	fg_hist_init(&custom->large, pool);
	fg_hist_init(&custom->below, pool);
}

/* calloc(0) may return NULL; a slice of nothing must not look like a failure. */
static void *make_array(size_t count, size_t size_bytes)
{
	return calloc(count ? count : 1, size_bytes);
}

int fg_slice_new(const struct fg_registry *registry, struct fg_hist_pool *pool,
		 struct fg_slice **ret, struct fg_err *err)
{
	struct fg_slice *slice = calloc(1, sizeof(*slice));

	if (!slice)
		return fg_err_nomem(err);
	slice->pool = pool;
	slice->classes = make_array(2 * registry->class_count, sizeof(*slice->classes));
	slice->scenarios = make_array(registry->scenario_count, sizeof(*slice->scenarios));
	slice->checks = make_array(registry->check_count, sizeof(*slice->checks));
	slice->customs = make_array(registry->custom_count, sizeof(*slice->customs));
	slice->groups = make_array(registry->group_count, sizeof(*slice->groups));
	if (!slice->classes || !slice->scenarios || !slice->checks || !slice->customs ||
	    !slice->groups) {
		fg_slice_free(slice);
		return fg_err_nomem(err);
	}
	slice->class_count = registry->class_count;
	slice->scenario_count = registry->scenario_count;
	slice->check_count = registry->check_count;
	slice->custom_count = registry->custom_count;
	slice->group_count = registry->group_count;
	for (size_t i = 0; i < 2 * slice->class_count; i++)
		class_init(&slice->classes[i], pool);
	for (size_t i = 0; i < slice->scenario_count; i++)
		scenario_init(&slice->scenarios[i], pool);
	for (size_t i = 0; i < slice->custom_count; i++)
		custom_init(&slice->customs[i], registry->customs[i].type, pool);
	for (size_t i = 0; i < slice->group_count; i++)
		fg_hist_init(&slice->groups[i], pool);
	*ret = slice;
	return 0;
}

static void clear_hists(struct fg_slice *slice)
{
	for (size_t i = 0; i < 2 * slice->class_count; i++)
		for (size_t t = 0; t < FG_TREND_COUNT; t++)
			fg_hist_clear(&slice->classes[i].trends[t]);
	for (size_t i = 0; i < slice->scenario_count; i++) {
		fg_hist_clear(&slice->scenarios[i].iteration_duration);
		fg_hist_clear(&slice->scenarios[i].lag);
		fg_hist_clear(&slice->scenarios[i].queue);
	}
	for (size_t i = 0; i < slice->custom_count; i++) {
		fg_hist_clear(&slice->customs[i].trend);
		fg_hist_clear(&slice->customs[i].large);
		fg_hist_clear(&slice->customs[i].below);
	}
	for (size_t i = 0; i < slice->group_count; i++)
		fg_hist_clear(&slice->groups[i]);
}

void fg_slice_free(struct fg_slice *slice)
{
	if (!slice)
		return;
	clear_hists(slice);
	for (size_t i = 0; i < 2 * slice->class_count; i++)
		free(slice->classes[i].statuses);
	free(slice->classes);
	free(slice->scenarios);
	free(slice->checks);
	free(slice->customs);
	free(slice->groups);
	free(slice);
}

void fg_slice_clear(struct fg_slice *slice)
{
	clear_hists(slice);
	for (size_t i = 0; i < 2 * slice->class_count; i++) {
		struct fg_class_slice *class = &slice->classes[i];
		uint32_t *statuses = class->statuses;

		/* The array stays: the next second is likely to need it again. */
		if (statuses)
			memset(statuses, 0, FG_STATUS_MAX * sizeof(*statuses));
		*class = (struct fg_class_slice){.statuses = statuses};
		class_init(class, slice->pool);
	}
	for (size_t i = 0; i < slice->scenario_count; i++) {
		slice->scenarios[i] = (struct fg_scenario_slice){0};
		scenario_init(&slice->scenarios[i], slice->pool);
	}
	for (size_t i = 0; i < slice->custom_count; i++)
		custom_init(&slice->customs[i], slice->customs[i].type, slice->pool);
	if (slice->check_count)
		memset(slice->checks, 0, slice->check_count * sizeof(*slice->checks));
	slice->second = 0;
}

uint32_t *fg_slice_statuses(struct fg_class_slice *class)
{
	if (!class->statuses)
		class->statuses = calloc(FG_STATUS_MAX, sizeof(*class->statuses));
	return class->statuses;
}

int fg_slice_add_class(struct fg_class_slice *dst, const struct fg_class_slice *src,
		       struct fg_err *err)
{
	uint32_t *statuses = src->statuses ? fg_slice_statuses(dst) : NULL;

	if (src->statuses && !statuses)
		return fg_err_nomem(err);
	for (size_t t = 0; t < FG_TREND_COUNT; t++) {
		int rc = fg_hist_add(&dst->trends[t], &src->trends[t]);

		if (rc)
			return fg_err_set(err, (enum fg_err_code) - rc, "cannot add up %s",
					  fg_metrics[t].name);
	}
	for (size_t i = 0; statuses && i < FG_STATUS_MAX; i++)
		statuses[i] += src->statuses[i];
	for (size_t i = 0; i < FG_NET_ERROR_COUNT; i++)
		dst->errors[i] += src->errors[i];
	dst->requests += src->requests;
	dst->failed += src->failed;
	dst->sent_bytes += src->sent_bytes;
	dst->received_bytes += src->received_bytes;
	return 0;
}

int fg_slice_add_scenario(struct fg_scenario_slice *dst, const struct fg_scenario_slice *src,
			  int order, struct fg_err *err)
{
	int rc = fg_hist_add(&dst->iteration_duration, &src->iteration_duration);

	if (rc == 0)
		rc = fg_hist_add(&dst->lag, &src->lag);
	if (rc == 0)
		rc = fg_hist_add(&dst->queue, &src->queue);
	if (rc)
		return fg_err_set(err, (enum fg_err_code) - rc, "cannot add up iteration times");
	dst->iterations += src->iterations;
	dst->interrupted += src->interrupted;
	dst->dropped += src->dropped;
	dst->scheduled += src->scheduled;
	dst->late += src->late;
	if (order > 0) {
		dst->vus = src->vus;
		dst->vus_max = src->vus_max;
	} else if (order == 0) {
		dst->vus += src->vus;
		dst->vus_max += src->vus_max;
	}
	return 0;
}

/* Is src's last value the later one? Equal places cannot be told apart; any rule that does not
 * depend on the order of adding will do. */
static bool is_later(const struct fg_custom_slice *dst, const struct fg_custom_slice *src)
{
	if (dst->count == 0 || src->count == 0)
		return src->count > 0;
	if (src->last_second != dst->last_second)
		return src->last_second > dst->last_second;
	if (src->last_worker != dst->last_worker)
		return src->last_worker > dst->last_worker;
	return src->last > dst->last;
}

int fg_slice_add_custom(struct fg_custom_slice *dst, const struct fg_custom_slice *src,
			struct fg_err *err)
{
	int rc = fg_hist_add(&dst->trend, &src->trend);

	if (rc == 0)
		rc = fg_hist_add(&dst->large, &src->large);
	if (rc == 0)
		rc = fg_hist_add(&dst->below, &src->below);
	if (rc)
		return fg_err_set(err, (enum fg_err_code) - rc, "cannot add up custom metrics");
	if (is_later(dst, src)) {
		dst->last = src->last;
		dst->last_second = src->last_second;
		dst->last_worker = src->last_worker;
	}
	if (src->count > 0) {
		dst->min = dst->count ? fmin(dst->min, src->min) : src->min;
		dst->max = dst->count ? fmax(dst->max, src->max) : src->max;
	}
	dst->count += src->count;
	dst->trues += src->trues;
	dst->sum += src->sum;
	return 0;
}

int fg_slice_order(const struct fg_slice *dst, const struct fg_slice *src)
{
	return src->second > dst->second ? 1 : src->second < dst->second ? -1 : 0;
}

bool fg_slice_same_shape(const struct fg_slice *a, const struct fg_slice *b)
{
	return a->class_count == b->class_count && a->scenario_count == b->scenario_count &&
	       a->check_count == b->check_count && a->custom_count == b->custom_count &&
	       a->group_count == b->group_count;
}

int fg_slice_add(struct fg_slice *dst, const struct fg_slice *src, struct fg_err *err)
{
	int order = fg_slice_order(dst, src);
	int rc = 0;

	if (!fg_slice_same_shape(dst, src))
		return fg_err_set(err, FG_E_INTERNAL, "slices of different registries");
	for (size_t i = 0; rc == 0 && i < 2 * dst->class_count; i++)
		rc = fg_slice_add_class(&dst->classes[i], &src->classes[i], err);
	for (size_t i = 0; rc == 0 && i < dst->scenario_count; i++)
		rc = fg_slice_add_scenario(&dst->scenarios[i], &src->scenarios[i], order, err);
	for (size_t i = 0; rc == 0 && i < dst->check_count; i++) {
		dst->checks[i].passes += src->checks[i].passes;
		dst->checks[i].fails += src->checks[i].fails;
	}
	for (size_t i = 0; rc == 0 && i < dst->custom_count; i++)
		rc = fg_slice_add_custom(&dst->customs[i], &src->customs[i], err);
	for (size_t i = 0; rc == 0 && i < dst->group_count; i++)
		if (fg_hist_add(&dst->groups[i], &src->groups[i]))
			rc = fg_err_nomem(err);
	dst->second = FG_MAX(dst->second, src->second);
	return rc;
}

int fg_slice_request(struct fg_slice *slice, const struct fg_request_record *record)
{
	assert(record->class_index < slice->class_count);
	assert((size_t)record->error < FG_NET_ERROR_COUNT);
	struct fg_class_slice *class = fg_slice_class(slice, record->class_index, record->expected);
	uint32_t *statuses = fg_slice_statuses(class);
	uint16_t status = record->status;
	int failed = statuses ? 0 : -FG_E_NOMEM;

	for (size_t t = 0; t < FG_TREND_COUNT; t++) {
		if (t == FG_TREND_WAKEUP && record->trends_ns[t] == 0)
			continue;
		int rc = record->lower_bound
				 ? fg_hist_record_lower_bound(&class->trends[t],
							      record->trends_ns[t])
				 : fg_hist_record(&class->trends[t], record->trends_ns[t]);

		failed = failed ? failed : rc;
	}
	if (statuses)
		statuses[status >= 100 && status < FG_STATUS_MAX ? status : 0]++;
	if (record->error != FG_NET_OK)
		class->errors[record->error]++;
	class->requests++;
	class->failed += record->expected ? 0 : 1;
	class->sent_bytes += record->sent_bytes;
	class->received_bytes += record->received_bytes;
	return failed;
}

/* The values are whole numbers of the histogram's unit; 0 and everything near it is one counter. */
static int record_trend(struct fg_custom_slice *custom, double value)
{
	struct fg_hist *hist = value < 0 ? &custom->below : &custom->trend;
	double size = fabs(value);

	if (size <= FG_CUSTOM_LARGE)
		return fg_hist_record(hist, (uint64_t)llround(size * FG_CUSTOM_SCALE));
	if (value < 0)
		return fg_hist_record(hist, FG_HIST_MAX_NS);
	return fg_hist_record(&custom->large,
			      size < (double)FG_HIST_MAX_NS ? (uint64_t)size : FG_HIST_MAX_NS);
}

int fg_slice_custom(struct fg_slice *slice, uint32_t custom_index, double value)
{
	assert(custom_index < slice->custom_count);
	struct fg_custom_slice *custom = &slice->customs[custom_index];

	if (!(fabs(value) <= FG_CUSTOM_MAX))
		return -FG_E_INVALID;
	custom->min = custom->count ? fmin(custom->min, value) : value;
	custom->max = custom->count ? fmax(custom->max, value) : value;
	custom->count++;
	custom->trues += value < 0 || value > 0;
	custom->sum += value;
	custom->last = value;
	custom->last_second = slice->second;
	custom->last_worker = slice->worker;
	return custom->type == FG_METRIC_TREND ? record_trend(custom, value) : 0;
}

double fg_custom_mean(const struct fg_custom_slice *custom)
{
	return custom->count ? custom->sum / (double)custom->count : 0.0;
}

double fg_custom_percentile(const struct fg_custom_slice *custom, double percentile)
{
	uint64_t below = custom->below.count;
	uint64_t small = below + custom->trend.count;
	uint64_t all = small + custom->large.count;
	double found;

	if (all == 0)
		return 0.0;
	if (!(percentile > 0.0))
		percentile = 0;
	uint64_t rank = fg_hist_rank(percentile, all);

	if (rank <= below) /* the smallest is the one farthest from 0 */
		found = -(double)fg_hist_at_rank_ns(&custom->below, below - rank + 1) /
			FG_CUSTOM_SCALE;
	else if (rank <= small)
		found = (double)fg_hist_at_rank_ns(&custom->trend, rank - below) / FG_CUSTOM_SCALE;
	else
		found = (double)fg_hist_at_rank_ns(&custom->large, rank - small);
	/* a part of a series may have the histograms alone */
	return custom->count ? fmax(custom->min, fmin(custom->max, found)) : found;
}
