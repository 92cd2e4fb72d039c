/* SPDX-License-Identifier: Apache-2.0 */
/* Building a result from slices, and the questions that thresholds and reports ask it. */
#include "gate/measure/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/judge/threshold_watch.h"
#include "gate/measure/series_internal.h"
#include "gate/profile/profile.h"

static const char *const status_names[] = {
	[FG_RUN_COMPLETED] = "completed",
	[FG_RUN_INTERRUPTED] = "interrupted",
	[FG_RUN_ABORTED] = "aborted",
	[FG_RUN_TARGET_DIED] = "target-died",
};

static_assert(FG_ARRAY_LEN(status_names) == FG_RUN_STATUS_COUNT, "a status without a name");

const char *fg_run_status_name(enum fg_run_status status)
{
	return (size_t)status < FG_RUN_STATUS_COUNT ? status_names[status] : "unknown";
}

int fg_result_new(const struct fg_registry *registry, struct fg_result **ret, struct fg_err *err)
{
	struct fg_result *result = calloc(1, sizeof(*result));

	if (!result)
		return fg_err_nomem(err);
	int rc = fg_registry_copy(&result->registry, registry, err);

	if (rc == 0)
		rc = fg_slice_new(&result->registry, NULL, &result->totals, err);
	if (rc == 0)
		rc = fg_series_new(&result->series, err);
	if (rc) {
		fg_result_free(result);
		return rc;
	}
	*ret = result;
	return 0;
}

void fg_result_free(struct fg_result *result)
{
	if (!result)
		return;
	for (size_t i = 0; i < result->threshold_count; i++)
		fg_threshold_result_done(&result->thresholds[i]);
	free(result->thresholds);
	fg_series_free(result->series);
	fg_threshold_watch_free(result->watch);
	fg_slice_free(result->totals);
	fg_registry_done(&result->registry);
	free(result->target_cpu.cpu_ns);
	free(result->target_rss.bytes);
	free(result->name);
	free(result->scenario_json);
	free(result->target_label);
	free(result->invalid_reason);
	free(result->outcome);
	free(result);
}

bool fg_result_is_recording(const struct fg_result *result)
{
	return result->registry.scenario_count == 0;
}

bool fg_result_is_warmup(const struct fg_registry *registry, size_t scenario, uint32_t second)
{
	const struct fg_scenario_def *def = &registry->scenarios[scenario];

	/* Without a warm-up even the second in which a scenario starts is measured. */
	return def->warmup_ns > 0 && second * FG_NS_PER_S < def->start_ns + def->warmup_ns;
}

int fg_result_add_slice(struct fg_result *result, const struct fg_slice *slice, struct fg_err *err)
{
	if (!fg_slice_same_shape(result->totals, slice))
		return fg_err_set(err, FG_E_INTERNAL, "a slice of another registry");
	int rc = fg_series_take(result, slice, err);

	if (rc == 0)
		rc = fg_slice_add_measured(result->totals, &result->registry, slice, true, err);
	result->totals->second = FG_MAX(result->totals->second, slice->second);
	return rc;
}

uint64_t fg_result_requests(const struct fg_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 2 * result->totals->class_count; i++)
		sum += result->totals->classes[i].requests;
	return sum;
}

uint64_t fg_result_failed(const struct fg_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 2 * result->totals->class_count; i++)
		sum += result->totals->classes[i].failed;
	return sum;
}

/* Requests that got a whole answer, whatever its status. */
static uint64_t completed_requests(const struct fg_result *result)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < 2 * result->totals->class_count; i++) {
		const struct fg_class_slice *half = &result->totals->classes[i];
		uint64_t cut = 0;

		for (size_t e = 0; e < FG_NET_ERROR_COUNT; e++)
			if (e != FG_NET_OK && e != FG_NET_HTTP_STATUS &&
			    e != FG_NET_TOO_MANY_REDIRECTS)
				cut += half->errors[e];
		sum += half->requests - FG_MIN(cut, half->requests);
	}
	return sum;
}

double fg_result_cpu_per_request_ns(const struct fg_result *result)
{
	uint64_t requests = completed_requests(result);

	if (requests == 0 || result->measured_target_cpu_ns == 0)
		return -1.0;
	return (double)result->measured_target_cpu_ns / (double)requests;
}

double fg_result_sampled_share(const struct fg_result *result)
{
	const struct fg_profile_info *info = &result->profile;

	if (!info->user_cpu_ns || !info->target_cpu_ns)
		return 1;
	return fmin(1, (double)info->user_cpu_ns / (double)info->target_cpu_ns);
}

double fg_result_achieved(const struct fg_result *result, size_t scenario)
{
	const struct fg_scenario_slice *counts = &result->totals->scenarios[scenario];

	if (!counts->scheduled)
		return -1;
	return 1 - (double)FG_MIN(counts->dropped, counts->scheduled) / (double)counts->scheduled;
}

static const char *class_tag(const struct fg_registry *registry, const struct fg_class *class,
			     bool expected, const char *key)
{
	if (strcmp(key, "scenario") == 0)
		return registry->scenarios[class->scenario].name;
	if (strcmp(key, "name") == 0)
		return class->name;
	if (strcmp(key, "group") == 0)
		return class->group;
	if (strcmp(key, "method") == 0)
		return class->method;
	if (strcmp(key, "expected_response") == 0)
		return expected ? "true" : "false";
	return fg_tags_get(&class->tags, key);
}

bool fg_result_class_matches(const struct fg_registry *registry, size_t class_index, bool expected,
			     const struct fg_tags *tags)
{
	const struct fg_class *class = &registry->classes[class_index];

	for (size_t i = 0; tags && i < tags->count; i++) {
		const char *value = class_tag(registry, class, expected, tags->items[i].key);

		if (!value || strcmp(value, tags->items[i].value) != 0)
			return false;
	}
	return true;
}

int fg_result_trend(const struct fg_result *result, enum fg_trend trend, const struct fg_tags *tags,
		    struct fg_hist *ret, struct fg_err *err)
{
	int matches = 0;

	for (size_t i = 0; i < 2 * result->totals->class_count; i++) {
		if (!fg_result_class_matches(&result->registry, i / 2, i % 2 == 1, tags))
			continue;
		int rc = fg_hist_add(ret, &result->totals->classes[i].trends[trend]);

		if (rc)
			return fg_err_set(err, (enum fg_err_code) - rc, "cannot add up %s",
					  fg_metrics[trend].name);
		matches++;
	}
	return matches;
}

bool fg_result_rss(const struct fg_result *result, struct fg_rss_summary *ret)
{
	/* The reading at the end of the warm-up is the start of what is measured. */
	size_t first = (size_t)(result->measured_start_ns / FG_NS_PER_S);
	uint64_t requests = fg_result_requests(result);
	struct fg_rss_summary sum = {0};

	if (first > 0 && result->measured_start_ns % FG_NS_PER_S == 0)
		first--;
	for (size_t i = first; i < result->target_rss.count; i++) {
		uint64_t bytes = result->target_rss.bytes[i];

		if (!bytes)
			continue;
		if (!sum.start_bytes)
			sum.start_bytes = bytes;
		sum.end_bytes = bytes;
		sum.peak_bytes = FG_MAX(sum.peak_bytes, bytes);
	}
	if (!sum.start_bytes)
		return false;
	if (requests)
		sum.growth_per_1000_requests_bytes =
			((double)sum.end_bytes - (double)sum.start_bytes) / (double)requests * 1000;
	*ret = sum;
	return true;
}
