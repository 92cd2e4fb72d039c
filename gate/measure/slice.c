/* SPDX-License-Identifier: Apache-2.0 */
/* Counting one second, and adding seconds up. */
#include "gate/measure/slice.h"

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
	if (!slice->classes || !slice->scenarios || !slice->checks) {
		fg_slice_free(slice);
		return fg_err_nomem(err);
	}
	slice->class_count = registry->class_count;
	slice->scenario_count = registry->scenario_count;
	slice->check_count = registry->check_count;
	for (size_t i = 0; i < 2 * slice->class_count; i++)
		class_init(&slice->classes[i], pool);
	for (size_t i = 0; i < slice->scenario_count; i++)
		scenario_init(&slice->scenarios[i], pool);
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

int fg_slice_order(const struct fg_slice *dst, const struct fg_slice *src)
{
	return src->second > dst->second ? 1 : src->second < dst->second ? -1 : 0;
}

bool fg_slice_same_shape(const struct fg_slice *a, const struct fg_slice *b)
{
	return a->class_count == b->class_count && a->scenario_count == b->scenario_count &&
	       a->check_count == b->check_count;
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
