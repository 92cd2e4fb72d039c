/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums over parts of a run: one per distinct scope, fed second by second; a window's sum is judged
 * and emptied at its end. Only the measured phase counts.
 *
 * A worker's second that arrives after its window ended counts in the window that is open.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/judge/threshold_internal.h"
#include "gate/judge/threshold_watch.h"
#include "gate/measure/series.h"

enum { SCOPES_MAX = 4096 };

struct entry {
	const struct fg_threshold *threshold;
	struct fg_scope_outcome outcome;
	uint32_t hole_start_s, hole_end_s; /* windows without data since the last one with */
	uint32_t hole_windows;
};

struct scope {
	uint32_t from_s, to_s, window_s; /* to UINT32_MAX: until the end; window 0: none */
	struct fg_slice *sum;
	uint32_t window_start_s, next_s; /* next: behind the last second that was seen */
	bool any;                        /* something is in `sum` */
	struct entry *items;
	size_t count, capacity;
};

struct fg_threshold_watch {
	const struct fg_result *result;
	struct scope *items;
	size_t count, capacity;
	int failed; /* an observer cannot say it at once */
};

static uint32_t whole_seconds(uint64_t ns)
{
	return (uint32_t)FG_MIN(ns / FG_NS_PER_S, (uint64_t)UINT32_MAX - 1);
}

static struct scope scope_of(const struct fg_threshold *threshold, const struct fg_result *result)
{
	struct scope scope = {
		.from_s = whole_seconds(threshold->from_ns),
		.to_s = threshold->to_ns ? whole_seconds(threshold->to_ns) : UINT32_MAX,
		.window_s = whole_seconds(threshold->window_ns),
	};

	/* windows begin where measuring does, unless somebody says where */
	scope.window_start_s = scope.from_s
				       ? scope.from_s
				       : whole_seconds(result->measured_start_ns + FG_NS_PER_S - 1);
	scope.next_s = scope.window_start_s;
	return scope;
}

void fg_threshold_watch_free(struct fg_threshold_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < watch->count; i++) {
		fg_slice_free(watch->items[i].sum);
		free(watch->items[i].items);
	}
	free(watch->items);
	free(watch);
}

static int add_entry(struct fg_threshold_watch *watch, const struct fg_threshold *threshold,
		     struct fg_err *err)
{
	const struct scope wanted = scope_of(threshold, watch->result);
	struct scope *scope = NULL;
	int rc = 0;

	for (size_t i = 0; i < watch->count && !scope; i++)
		if (watch->items[i].from_s == wanted.from_s &&
		    watch->items[i].to_s == wanted.to_s &&
		    watch->items[i].window_s == wanted.window_s)
			scope = &watch->items[i];
	if (!scope) {
		rc = FG_VEC_ROOM(watch, items, count, capacity, SCOPES_MAX, err);
		if (rc)
			return rc;
		scope = &watch->items[watch->count];
		*scope = wanted;
		rc = fg_slice_new(&watch->result->registry, NULL, &scope->sum, err);
		if (rc)
			return rc;
		watch->count++;
	}
	rc = FG_VEC_ROOM(scope, items, count, capacity, SCOPES_MAX, err);
	if (rc)
		return rc;
	scope->items[scope->count++] =
		(struct entry){.threshold = threshold, .outcome = {.value = NAN}};
	return 0;
}

/* -- windows ------------------------------------------------------------------------------------
 */

static bool is_worse(enum fg_compare compare, double limit, double now, double before)
{
	if (isnan(before))
		return true;
	if (compare == FG_CMP_LT || compare == FG_CMP_LE)
		return now > before;
	if (compare == FG_CMP_GT || compare == FG_CMP_GE)
		return now < before;
	return fg_compare_holds(compare, before, limit) && !fg_compare_holds(compare, now, limit);
}

static void note_hole(struct entry *entry, uint32_t start_s, uint32_t end_s)
{
	if (entry->outcome.windows == 0)
		return; /* before its first data */
	if (entry->hole_windows++ == 0) {
		entry->hole_start_s = start_s;
		entry->hole_end_s = end_s;
	}
}

static int judge_window(const struct scope *scope, struct entry *entry, const struct fg_view *view,
			uint32_t end_s, struct fg_err *err)
{
	const struct fg_threshold *threshold = entry->threshold;
	struct fg_scope_outcome *worst = &entry->outcome;
	double value = NAN;
	uint64_t samples = 0;
	int rc = fg_threshold_value(threshold, view, &value, &samples, err);

	if (rc)
		return rc;
	if (isnan(value) || samples == 0) {
		note_hole(entry, scope->window_start_s, end_s);
		return 0;
	}
	if (entry->hole_windows && !worst->empty) {
		worst->empty_start_s = entry->hole_start_s;
		worst->empty_end_s = entry->hole_end_s;
	}
	worst->empty += entry->hole_windows;
	entry->hole_windows = 0;
	if (samples < threshold->min_samples) { /* not judged, but counted as seen */
		if (worst->windows == 0)
			worst->samples = FG_MAX(worst->samples, samples);
		return 0;
	}
	worst->windows++;
	if (is_worse(threshold->compare, threshold->limit, value, worst->value)) {
		worst->value = value;
		worst->samples = samples;
		worst->start_s = scope->window_start_s;
		worst->end_s = end_s;
	}
	return 0;
}

static int close_window(struct fg_threshold_watch *watch, struct scope *scope, uint32_t end_s,
			struct fg_err *err)
{
	const struct fg_view view = {
		.registry = &watch->result->registry,
		.slice = scope->sum,
		.seconds = end_s - scope->window_start_s,
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < scope->count; i++)
		rc = judge_window(scope, &scope->items[i], &view, end_s, err);
	fg_slice_clear(scope->sum);
	scope->any = false;
	scope->window_start_s = end_s;
	return rc;
}

/* Windows that end at or before `second`. Those after the last data are closed, too: whether they
 * are a hole shows when data comes again. */
static int close_until(struct fg_threshold_watch *watch, struct scope *scope, uint32_t second,
		       struct fg_err *err)
{
	int rc = 0;

	while (rc == 0 && scope->window_s && scope->window_start_s + scope->window_s <= second &&
	       scope->window_start_s + scope->window_s <= scope->to_s)
		rc = close_window(watch, scope, scope->window_start_s + scope->window_s, err);
	return rc;
}

static int feed_scope(struct fg_threshold_watch *watch, struct scope *scope,
		      const struct fg_slice *slice, uint32_t seconds, struct fg_err *err)
{
	int rc = close_until(watch, scope, slice->second, err);

	if (rc || slice->second < scope->from_s || slice->second >= scope->to_s)
		return rc;
	/* what is left behind the last whole window */
	if (scope->window_s && scope->to_s != UINT32_MAX &&
	    scope->window_start_s + scope->window_s > scope->to_s)
		return 0;
	scope->any = true;
	if (seconds == 1)
		scope->next_s = FG_MAX(scope->next_s, slice->second + 1);
	return fg_slice_add_measured(scope->sum, &watch->result->registry, slice, seconds == 1,
				     err);
}

static int feed(struct fg_threshold_watch *watch, const struct fg_slice *slice, uint32_t seconds,
		struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < watch->count; i++)
		rc = feed_scope(watch, &watch->items[i], slice, seconds, err);
	return rc;
}

static int finish_scope(struct fg_threshold_watch *watch, struct scope *scope, struct fg_err *err)
{
	const uint32_t end_s = FG_MIN(scope->next_s, scope->to_s);
	int rc = close_until(watch, scope, end_s, err);
	bool judged = false;

	for (size_t i = 0; i < scope->count; i++)
		judged = judged || scope->items[i].outcome.windows;
	if (rc == 0 && scope->window_s && scope->any && !judged)
		rc = close_window(watch, scope, end_s, err);
	return rc;
}

/* A part without windows, so far. */
static int judge_part(const struct fg_threshold_watch *watch, const struct scope *scope,
		      const struct entry *entry, struct fg_scope_outcome *ret, struct fg_err *err)
{
	const uint32_t start_s = FG_MAX(scope->from_s, scope->window_start_s);
	const uint32_t end_s = FG_MAX(FG_MIN(scope->next_s, scope->to_s), start_s);
	const struct fg_view view = {
		.registry = &watch->result->registry,
		.slice = scope->sum,
		.seconds = end_s - start_s,
	};

	*ret = (struct fg_scope_outcome){.start_s = start_s, .end_s = end_s};
	return fg_threshold_value(entry->threshold, &view, &ret->value, &ret->samples, err);
}

static int outcome_of(const struct fg_threshold_watch *watch, const struct scope *scope,
		      const struct entry *entry, struct fg_scope_outcome *ret, struct fg_err *err)
{
	if (!scope->window_s)
		return judge_part(watch, scope, entry, ret, err);
	*ret = entry->outcome;
	return 0;
}

/* -- a watch of a run ---------------------------------------------------------------------------
 */

static void on_second(void *context, const struct fg_slice *second)
{
	struct fg_threshold_watch *watch = context;
	int rc = feed(watch, second, 1, NULL);

	if (rc)
		watch->failed = rc;
}

int fg_threshold_watch(struct fg_result *result, const struct fg_threshold *thresholds,
		       size_t count, struct fg_err *err)
{
	struct fg_threshold_watch *watch;
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		any = any || fg_threshold_is_scoped(&thresholds[i]);
	if (!any)
		return 0;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return fg_err_nomem(err);
	watch->result = result;
	for (size_t i = 0; rc == 0 && i < count; i++)
		if (fg_threshold_is_scoped(&thresholds[i]))
			rc = add_entry(watch, &thresholds[i], err);
	if (rc == 0)
		rc = fg_series_observe(result, on_second, watch, err);
	if (rc) {
		fg_threshold_watch_free(watch);
		return rc;
	}
	result->watch = watch;
	return 0;
}

int fg_threshold_watch_end(struct fg_result *result, struct fg_err *err)
{
	struct fg_threshold_watch *watch = result->watch;
	int rc = 0;

	if (!watch)
		return 0;
	rc = fg_series_seal(result, UINT32_MAX, err);
	for (size_t i = 0; rc == 0 && i < watch->count; i++)
		rc = finish_scope(watch, &watch->items[i], err);
	if (rc == 0 && watch->failed)
		rc = fg_err_set(err, (enum fg_err_code) - watch->failed,
				"a threshold's window could not be added up");
	return rc;
}

/* -- from the series ----------------------------------------------------------------------------
 */

/* Durations are the service times where the kernel gives no stamps. */
static bool has_kernel_clock(const struct fg_registry *registry)
{
	for (size_t i = 0; i < registry->class_count; i++)
		if (strcmp(registry->classes[i].clock, "kernel") == 0)
			return true;
	return false;
}

static bool kept_per_second(const struct fg_operand *operand, const struct fg_registry *registry)
{
	struct fg_operand_info info;

	if (operand->custom) /* histograms are per 10 s, counts and sums per second */
		return operand->stat != FG_STAT_PERCENTILE && operand->stat != FG_STAT_MED;
	(void)fg_operand_describe(operand, NULL, &info);
	if (info.type != FG_METRIC_TREND)
		return !fg_tags_get(&operand->tags, "status") &&
		       !fg_tags_get(&operand->tags, "error") &&
		       !fg_tags_get(&operand->tags, "error_code");
	if (operand->metric == (enum fg_metric_id)FG_TREND_DURATION)
		return !has_kernel_clock(registry);
	return operand->metric == (enum fg_metric_id)FG_TREND_RESPONSE_TIME ||
	       operand->metric == (enum fg_metric_id)FG_TREND_SERVICE_TIME;
}

static bool is_kept(const struct fg_threshold *threshold, const struct scope *scope,
		    const struct fg_registry *registry)
{
	const bool aligned =
		scope->from_s % FG_SERIES_INTERVAL_S == 0 &&
		(scope->to_s == UINT32_MAX || scope->to_s % FG_SERIES_INTERVAL_S == 0) &&
		(!scope->window_s || (scope->window_s % FG_SERIES_INTERVAL_S == 0 &&
				      scope->window_start_s % FG_SERIES_INTERVAL_S == 0));

	return aligned || (kept_per_second(&threshold->what, registry) &&
			   (!threshold->is_ratio || kept_per_second(&threshold->per, registry)));
}

static int feed_series(void *context, const struct fg_slice *slice, uint32_t seconds,
		       struct fg_err *err)
{
	return feed(context, slice, seconds, err);
}

static int read_series(const struct fg_threshold *threshold, const struct fg_result *result,
		       struct fg_scope_outcome *ret, struct fg_err *err)
{
	struct fg_threshold_watch *watch = calloc(1, sizeof(*watch));
	int rc = watch ? 0 : fg_err_nomem(err);

	if (rc)
		return rc;
	watch->result = result;
	rc = add_entry(watch, threshold, err);
	if (rc == 0 && !is_kept(threshold, &watch->items[0], &result->registry)) {
		*ret = (struct fg_scope_outcome){.value = NAN, .not_kept = true};
		fg_threshold_watch_free(watch);
		return 0;
	}
	if (rc == 0)
		rc = fg_series_slices(result, watch->items[0].from_s, watch->items[0].to_s,
				      feed_series, watch, err);
	if (rc == 0)
		rc = finish_scope(watch, &watch->items[0], err);
	if (rc == 0)
		rc = outcome_of(watch, &watch->items[0], &watch->items[0].items[0], ret, err);
	fg_threshold_watch_free(watch);
	return rc;
}

int fg_threshold_scope(const struct fg_threshold *threshold, const struct fg_result *result,
		       struct fg_scope_outcome *ret, struct fg_err *err)
{
	const struct fg_threshold_watch *watch = result->watch;

	for (size_t i = 0; watch && i < watch->count; i++)
		for (size_t k = 0; k < watch->items[i].count; k++)
			if (watch->items[i].items[k].threshold == threshold)
				return outcome_of(watch, &watch->items[i],
						  &watch->items[i].items[k], ret, err);
	return read_series(threshold, result, ret, err);
}
