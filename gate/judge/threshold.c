/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a threshold holds, and how its value reads. What the value is: threshold_query.c over
 * everything measured, threshold_scope.c over a part of the run.
 */
#include "gate/judge/threshold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/base/buf.h"
#include "gate/base/str.h"
#include "gate/judge/threshold_internal.h"

bool fg_compare_holds(enum fg_compare compare, double value, double limit)
{
	switch (compare) {
	case FG_CMP_LT:
		return value < limit;
	case FG_CMP_LE:
		return value <= limit;
	case FG_CMP_GT:
		return value > limit;
	case FG_CMP_GE:
		return value >= limit;
	case FG_CMP_EQ:
		/* NaN, the only unordered value here, never reaches a comparison */
		return !(value < limit) && !(value > limit);
	case FG_CMP_NE:
		return value < limit || value > limit;
	}
	return false;
}

bool fg_threshold_is_scoped(const struct fg_threshold *threshold)
{
	return threshold->window_ns || threshold->from_ns || threshold->to_ns;
}

static void format_value(const struct fg_threshold *threshold, const struct fg_registry *registry,
			 double value, char *out, size_t size_bytes)
{
	const bool is_rate = threshold->what.stat == FG_STAT_RATE;
	struct fg_operand_info info;
	char text[FG_NUM_TEXT_MAX];

	(void)fg_operand_describe(&threshold->what, registry, &info);
	bool per_second = info.type == FG_METRIC_COUNTER && is_rate;

	if (threshold->is_ratio)
		(void)snprintf(out, size_bytes, "%.6g", value);
	else if (info.is_time)
		(void)snprintf(out, size_bytes, "%s", fg_num_format_ns(value, text));
	else if (info.type == FG_METRIC_RATE && is_rate)
		(void)snprintf(out, size_bytes, "%.4f", value);
	else if (info.is_bytes && value >= 0 && value < 1e18)
		(void)snprintf(out, size_bytes, "%s%s", fg_num_format_bytes((uint64_t)value, text),
			       per_second ? "/s" : "");
	else if (per_second)
		(void)snprintf(out, size_bytes, "%.1f/s", value);
	else if (threshold->what.custom || value < 0 || value >= 1e18)
		(void)snprintf(out, size_bytes, "%.6g", value);
	else
		(void)snprintf(out, size_bytes, "%s", fg_num_format_count((uint64_t)value, text));
}

/* The literal in the unit of values: a custom time was not known as one when it was parsed. */
static double literal(const struct fg_threshold *threshold, const struct fg_registry *registry)
{
	struct fg_operand_info info;

	if (threshold->is_ratio || !threshold->what.custom || threshold->unit != FG_UNIT_NONE)
		return threshold->limit;
	(void)fg_operand_describe(&threshold->what, registry, &info);
	return info.is_time ? threshold->limit * (double)FG_NS_PER_MS : threshold->limit;
}

static int value_of(const struct fg_threshold *threshold, const struct fg_result *result,
		    struct fg_scope_outcome *ret, struct fg_err *err)
{
	const struct fg_view view = fg_view_of_result(result);

	if (fg_threshold_is_scoped(threshold))
		return fg_threshold_scope(threshold, result, ret, err);
	*ret = (struct fg_scope_outcome){0};
	return fg_threshold_value(threshold, &view, &ret->value, &ret->samples, err);
}

/* The baseline's value over the same part of its run; of windows: over all of them. NaN: none. */
static int baseline_value(const struct fg_threshold *threshold, const struct fg_result *baseline,
			  double *ret, struct fg_err *err)
{
	struct fg_threshold whole = *threshold; /* borrows everything */
	struct fg_scope_outcome outcome = {.value = NAN};
	int rc = 0;

	whole.window_ns = 0;
	if (baseline)
		rc = value_of(&whole, baseline, &outcome, err);
	*ret = outcome.value;
	return rc;
}

struct verdict {
	struct fg_scope_outcome outcome;
	double limit;
	double baseline; /* NaN: none */
};

static void say_value(const struct fg_threshold *threshold, const struct fg_registry *registry,
		      const struct verdict *verdict, struct fg_threshold_result *found)
{
	const struct fg_scope_outcome *outcome = &verdict->outcome;
	char value[48], limit[48], where[32] = "";

	format_value(threshold, registry, outcome->value, value, sizeof(value));
	if (threshold->window_ns)
		(void)snprintf(where, sizeof(where), " in %u-%u s", outcome->start_s,
			       outcome->end_s);
	if (!threshold->has_baseline) {
		(void)snprintf(found->value_text, sizeof(found->value_text), "%s%s", value, where);
		return;
	}
	format_value(threshold, registry, verdict->limit, limit, sizeof(limit));
	(void)snprintf(found->value_text, sizeof(found->value_text), "%s%s, limit %s", value, where,
		       limit);
}

static void say_no_data(const struct fg_threshold *threshold, const struct fg_registry *registry,
			const struct verdict *verdict, struct fg_threshold_result *found)
{
	const struct fg_scope_outcome *outcome = &verdict->outcome;
	const size_t size = sizeof(found->value_text);
	char value[48];

	if (outcome->not_kept)
		(void)snprintf(found->value_text, size,
			       "kept per 10 s: window, from and to must be multiples");
	else if (!isnan(outcome->value) && found->samples >= threshold->min_samples) {
		format_value(threshold, registry, outcome->value, value, sizeof(value));
		(void)snprintf(found->value_text, size, "%s, no baseline", value);
	} else if (found->samples > 0 && found->samples < threshold->min_samples)
		(void)snprintf(found->value_text, size, "only %llu of %llu samples",
			       (unsigned long long)found->samples,
			       (unsigned long long)threshold->min_samples);
	else if (found->samples > 0 && threshold->is_ratio)
		(void)snprintf(found->value_text, size, "nothing to divide by");
	else
		(void)snprintf(found->value_text, size, "no data");
}

/* A hole between two windows with data is a stall of the target or a broken selector: no pass. */
static bool has_hole(const struct fg_threshold *threshold, const struct fg_scope_outcome *outcome)
{
	return threshold->window_ns && outcome->empty && !threshold->allow_no_data &&
	       threshold->min_samples == 0;
}

static void decide(const struct fg_threshold *threshold, const struct fg_registry *registry,
		   const struct verdict *verdict, struct fg_threshold_result *found)
{
	const struct fg_scope_outcome *outcome = &verdict->outcome;

	found->samples = outcome->samples;
	found->value = outcome->value;
	found->no_data = isnan(outcome->value) || outcome->samples < threshold->min_samples ||
			 isnan(verdict->limit);
	if (found->no_data) {
		found->passed = threshold->allow_no_data;
		say_no_data(threshold, registry, verdict, found);
		found->value = NAN;
		return;
	}
	found->passed = fg_compare_holds(threshold->compare, outcome->value, verdict->limit);
	say_value(threshold, registry, verdict, found);
	if (found->passed && has_hole(threshold, outcome)) {
		found->passed = false;
		(void)snprintf(found->value_text, sizeof(found->value_text), "no data in %u-%u s",
			       outcome->empty_start_s, outcome->empty_end_s);
	}
}

/* The expression and where it looks: two of one metric must not read alike. */
static int full_text(const struct fg_threshold *threshold, char **ret, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 1 << 16};
	char time[FG_NUM_TEXT_MAX];

	fg_buf_add_str(&text, threshold->text);
	if (threshold->window_ns)
		fg_buf_addf(&text, ", window %s",
			    fg_num_format_duration(threshold->window_ns, time));
	if (threshold->from_ns || threshold->to_ns)
		fg_buf_addf(&text, ", from %s", fg_num_format_duration(threshold->from_ns, time));
	if (threshold->to_ns)
		fg_buf_addf(&text, " to %s", fg_num_format_duration(threshold->to_ns, time));
	int rc = fg_buf_check(&text, err);

	if (rc == 0)
		*ret = fg_buf_take(&text, NULL);
	return rc == 0 && !*ret ? fg_err_nomem(err) : rc;
}

int fg_threshold_evaluate(const struct fg_threshold *threshold, const struct fg_result *result,
			  const struct fg_result *baseline, struct fg_threshold_result *ret,
			  struct fg_err *err)
{
	struct fg_threshold_result found = {.level = threshold->level,
					    .aborted = threshold->stopped_run};
	struct verdict verdict = {.limit = literal(threshold, &result->registry), .baseline = NAN};
	int rc = value_of(threshold, result, &verdict.outcome, err);

	if (rc == 0 && threshold->has_baseline)
		rc = baseline_value(threshold, baseline, &verdict.baseline, err);
	if (rc == 0)
		rc = fg_str_dup(threshold->metric_text, &found.metric_text, err);
	if (rc == 0)
		rc = full_text(threshold, &found.text, err);
	if (rc) {
		fg_threshold_result_done(&found);
		return rc;
	}
	if (threshold->has_baseline)
		verdict.limit += threshold->baseline_factor * verdict.baseline;
	decide(threshold, &result->registry, &verdict, &found);
	found.passed = found.passed && !threshold->stopped_run;
	*ret = found;
	return 0;
}

void fg_threshold_result_done(struct fg_threshold_result *result)
{
	if (!result)
		return;
	free(result->metric_text);
	free(result->text);
	*result = (struct fg_threshold_result){0};
}
