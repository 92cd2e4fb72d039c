/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of run.json. */
#include "gate/measure/run_json_read.h"

#include <stdio.h>

static int get_scenario(const struct fg_json_at *at, struct fg_scenario_slice *s, size_t *blocks,
			struct fg_err *err)
{
	int rc = fg_json_u64(at, "iterations", INT64_MAX, &s->iterations, err);

	FG_JSON_TRY(rc, fg_json_u64(at, "interrupted", INT64_MAX, &s->interrupted, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "dropped", INT64_MAX, &s->dropped, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "scheduled", INT64_MAX, &s->scheduled, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "late", INT64_MAX, &s->late, err));
	FG_JSON_TRY(rc, fg_json_u32(at, "vus", UINT32_MAX, &s->vus, err));
	FG_JSON_TRY(rc, fg_json_u32(at, "vusMax", UINT32_MAX, &s->vus_max, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "iterationDuration", &s->iteration_duration, blocks,
					   err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "lag", &s->lag, blocks, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "queue", &s->queue, blocks, err));
	return rc;
}

static int get_net_errors(const struct fg_json_at *half, struct fg_class_slice *s,
			  struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(half, "errors", &at, err);

	for (int e = 0; rc == 0 && e < FG_NET_ERROR_COUNT; e++) {
		const char *name = fg_net_error_name((enum fg_net_error)e);

		if (fg_json_has(&at, name))
			rc = fg_json_u64(&at, name, INT64_MAX, &s->errors[e], err);
	}
	return rc;
}

static int get_statuses(const struct fg_json_at *half, struct fg_class_slice *s, struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(half, "statuses", &at, err);

	if (rc || json_object_size(at.value) == 0)
		return rc;
	uint32_t *statuses = fg_slice_statuses(s);

	if (!statuses)
		return fg_err_nomem(err);
	for (unsigned i = 0; rc == 0 && i < FG_STATUS_MAX; i++) {
		char key[12];

		(void)snprintf(key, sizeof(key), "%u", i);
		if (fg_json_has(&at, key))
			rc = fg_json_u32(&at, key, UINT32_MAX, &statuses[i], err);
	}
	return rc;
}

int fg_bundle_get_errors(const struct fg_json_at *half, struct fg_class_slice *s,
			 struct fg_err *err)
{
	int rc = get_net_errors(half, s, err);

	return rc ? rc : get_statuses(half, s, err);
}

static int get_half(const struct fg_json_at *class, const char *key, struct fg_class_slice *s,
		    size_t *blocks, struct fg_err *err)
{
	struct fg_json_at half;
	struct fg_json_at trends;
	int rc = fg_json_object(class, key, &half, err);

	FG_JSON_TRY(rc, fg_json_u64(&half, "requests", INT64_MAX, &s->requests, err));
	FG_JSON_TRY(rc, fg_json_u64(&half, "failed", INT64_MAX, &s->failed, err));
	FG_JSON_TRY(rc, fg_json_u64(&half, "sentBytes", INT64_MAX, &s->sent_bytes, err));
	FG_JSON_TRY(rc, fg_json_u64(&half, "receivedBytes", INT64_MAX, &s->received_bytes, err));
	FG_JSON_TRY(rc, fg_bundle_get_errors(&half, s, err));
	FG_JSON_TRY(rc, fg_json_object(&half, "trends", &trends, err));
	for (size_t t = 0; rc == 0 && t < FG_TREND_COUNT; t++)
		rc = fg_bundle_get_hist(&trends, fg_metrics[t].name, &s->trends[t], blocks, err);
	/* The same as the duration; bundles of old versions do not have it either. */
	if (rc == 0 && !fg_json_has(&trends, fg_metrics[FG_TREND_SERVICE_TIME].name) &&
	    !fg_json_has(&half, "noServiceTime") &&
	    fg_hist_add(&s->trends[FG_TREND_SERVICE_TIME], &s->trends[FG_TREND_DURATION]))
		rc = fg_err_nomem(err);
	if (rc == 0 && s->failed > s->requests)
		return fg_json_error(&half, err, "more failed requests than requests");
	return rc;
}

static int get_check(const struct fg_json_at *at, struct fg_check_slice *s, struct fg_err *err)
{
	int rc = fg_json_u64(at, "passes", INT64_MAX, &s->passes, err);

	FG_JSON_TRY(rc, fg_json_u64(at, "fails", INT64_MAX, &s->fails, err));
	return rc;
}

/* Bundles of old versions have neither of these lists; the registry is then empty too. */
static int get_measured(const struct fg_json_at *root, struct fg_slice *totals, size_t *blocks,
			struct fg_err *err)
{
	struct fg_json_at list;
	struct fg_json_at at;
	int rc = 0;

	if (totals->custom_count)
		rc = fg_json_array(root, "customs", totals->custom_count, &list, err);
	for (size_t i = 0; rc == 0 && i < totals->custom_count; i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc, fg_bundle_get_custom(&at, &totals->customs[i], err));
		FG_JSON_TRY(rc, fg_bundle_get_custom_hists(&at, &totals->customs[i], blocks, err));
		totals->customs[i].last_second = totals->second;
	}
	if (rc == 0 && totals->group_count)
		rc = fg_json_array(root, "groups", totals->group_count, &list, err);
	for (size_t i = 0; rc == 0 && i < totals->group_count; i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc,
			    fg_bundle_get_hist(&at, "duration", &totals->groups[i], blocks, err));
	}
	return rc;
}

int fg_run_json_totals(const struct fg_json_at *root, struct fg_result *result, struct fg_err *err)
{
	struct fg_slice *totals = result->totals;
	size_t blocks = FG_BUNDLE_BLOCKS_MAX;
	struct fg_json_at list;
	struct fg_json_at at;
	int rc = fg_json_array(root, "scenarios", totals->scenario_count, &list, err);

	for (size_t i = 0; rc == 0 && i < totals->scenario_count; i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc, get_scenario(&at, &totals->scenarios[i], &blocks, err));
	}
	FG_JSON_TRY(rc, fg_json_array(root, "classes", totals->class_count, &list, err));
	for (size_t i = 0; rc == 0 && i < totals->class_count; i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc, get_half(&at, "expected", fg_slice_class(totals, i, true), &blocks,
					 err));
		FG_JSON_TRY(rc, get_half(&at, "unexpected", fg_slice_class(totals, i, false),
					 &blocks, err));
	}
	FG_JSON_TRY(rc, fg_json_array(root, "checks", totals->check_count, &list, err));
	for (size_t i = 0; rc == 0 && i < totals->check_count; i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc, get_check(&at, &totals->checks[i], err));
	}
	FG_JSON_TRY(rc, get_measured(root, totals, &blocks, err));
	return rc;
}
