/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statistic of a result under a selector, and whether a threshold holds.
 *
 * Class metrics are summed over the matching class halves, scenario metrics over matching
 * scenarios, checks over matching checks. Only the measured phase counts.
 */
#include "gate/judge/threshold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

/* What was asked of a result, and what was found. */
struct query {
	const struct fg_result *result;
	enum fg_metric_id metric;
	const struct fg_tags *tags;
	enum fg_stat stat;
	double percentile;
	double value;
	uint64_t samples;
};

static double measured_seconds(const struct fg_result *result)
{
	uint64_t ns = result->measured_ns;

	if (ns == 0 && result->duration_ns > result->measured_start_ns)
		ns = result->duration_ns - result->measured_start_ns;
	return (double)ns / (double)FG_NS_PER_S;
}

static void answer_counter(struct query *query, uint64_t count, uint64_t samples)
{
	double seconds = measured_seconds(query->result);

	query->samples = samples;
	query->value = (double)count;
	if (query->stat == FG_STAT_RATE)
		query->value = seconds > 0 ? (double)count / seconds : NAN;
}

static void answer_rate(struct query *query, uint64_t hits, uint64_t all)
{
	query->samples = all;
	query->value = (double)hits;
	if (query->stat == FG_STAT_RATE)
		query->value = all > 0 ? (double)hits / (double)all : NAN;
}

static void answer_trend(struct query *query, const struct fg_hist *hist)
{
	query->samples = hist->count;
	switch (query->stat) {
	case FG_STAT_AVG:
		query->value = fg_hist_mean_ns(hist);
		break;
	case FG_STAT_MIN:
		query->value = (double)hist->min_ns;
		break;
	case FG_STAT_MAX:
		query->value = (double)hist->max_ns;
		break;
	default:
		query->value = (double)fg_hist_percentile_ns(hist, query->percentile);
		break;
	}
}

/* -- request classes ----------------------------------------------------------------------------
 */

/* status, error_code and error select inside a class; the rest selects classes. */
struct class_filter {
	struct fg_tag kept[FG_REGISTRY_TAGS_MAX];
	struct fg_tags tags;
	const char *status, *error_code, *error;
};

static void class_filter_init(struct class_filter *filter, const struct fg_tags *tags)
{
	*filter = (struct class_filter){0};
	filter->tags.items = filter->kept;
	for (size_t i = 0; i < tags->count && filter->tags.count < FG_REGISTRY_TAGS_MAX; i++) {
		const struct fg_tag *tag = &tags->items[i];

		if (strcmp(tag->key, "status") == 0)
			filter->status = tag->value;
		else if (strcmp(tag->key, "error_code") == 0)
			filter->error_code = tag->value;
		else if (strcmp(tag->key, "error") == 0)
			filter->error = tag->value;
		else
			filter->kept[filter->tags.count++] = *tag;
	}
}

static uint64_t count_status(const struct fg_class_slice *half, uint64_t status)
{
	return half->statuses && status < FG_STATUS_MAX ? half->statuses[status] : 0;
}

static uint64_t count_matching(const struct class_filter *filter, const struct fg_class_slice *half)
{
	uint64_t number = 0;
	uint64_t count = 0;

	if (!filter->status && !filter->error_code && !filter->error)
		return half->requests;
	if (filter->status) {
		if (fg_num_u64(filter->status, strlen(filter->status), &number, NULL))
			return 0;
		return count_status(half, number);
	}
	if (filter->error_code &&
	    fg_num_u64(filter->error_code, strlen(filter->error_code), &number, NULL))
		return 0;
	/* k6: 1000 + status for answers from 400 on */
	if (filter->error_code && number >= 1400 && number < 1600)
		return count_status(half, number - 1000);
	for (int i = FG_NET_OK + 1; i < FG_NET_ERROR_COUNT; i++) {
		enum fg_net_error kind = (enum fg_net_error)i;

		if (filter->error ? strcmp(fg_net_error_name(kind), filter->error) == 0
				  : fg_net_error_code(kind) == number)
			count += half->errors[kind];
	}
	return count;
}

static void query_classes(struct query *query)
{
	const struct fg_slice *totals = query->result->totals;
	struct class_filter filter;
	uint64_t requests = 0, matching = 0, failed = 0, sent = 0, received = 0;

	class_filter_init(&filter, query->tags);
	for (size_t i = 0; i < 2 * totals->class_count; i++) {
		const struct fg_class_slice *half = &totals->classes[i];

		if (!fg_result_class_matches(&query->result->registry, i / 2, i % 2 == 1,
					     &filter.tags))
			continue;
		requests += half->requests;
		matching += count_matching(&filter, half);
		failed += half->failed;
		sent += half->sent_bytes;
		received += half->received_bytes;
	}
	if (query->metric == FG_METRIC_HTTP_REQ_FAILED)
		answer_rate(query, failed, requests);
	else if (query->metric == FG_METRIC_DATA_SENT)
		answer_counter(query, sent, requests);
	else if (query->metric == FG_METRIC_DATA_RECEIVED)
		answer_counter(query, received, requests);
	else
		answer_counter(query, matching, requests);
}

static int query_trend(struct query *query, struct fg_err *err)
{
	struct fg_hist hist;

	fg_hist_init(&hist, NULL);
	int rc = fg_result_trend(query->result, (enum fg_trend)query->metric, query->tags, &hist,
				 err);

	if (rc >= 0)
		answer_trend(query, &hist);
	fg_hist_done(&hist);
	return rc < 0 ? rc : 0;
}

/* -- scenarios ----------------------------------------------------------------------------------
 */

static bool scenario_matches(const struct fg_scenario_def *def, const struct fg_tags *tags)
{
	for (size_t i = 0; i < tags->count; i++) {
		const struct fg_tag *tag = &tags->items[i];
		const char *have = strcmp(tag->key, "scenario") == 0
					   ? def->name
					   : fg_tags_get(&def->tags, tag->key);

		if (!have || strcmp(have, tag->value) != 0)
			return false;
	}
	return true;
}

static int query_scenarios(struct query *query, struct fg_err *err)
{
	const struct fg_slice *totals = query->result->totals;
	uint64_t iterations = 0, dropped = 0, vus = 0, vus_max = 0, begun = 0;
	struct fg_hist hist;
	int rc = 0;

	fg_hist_init(&hist, NULL);
	for (size_t i = 0; i < totals->scenario_count && rc == 0; i++) {
		const struct fg_scenario_slice *one = &totals->scenarios[i];

		if (!scenario_matches(&query->result->registry.scenarios[i], query->tags))
			continue;
		iterations += one->iterations;
		dropped += one->dropped;
		begun += one->iterations + one->interrupted + one->dropped;
		vus += one->vus;
		vus_max += one->vus_max;
		if (query->metric == FG_METRIC_ITERATION_DURATION)
			rc = fg_hist_add(&hist, &one->iteration_duration);
		else if (query->metric == FG_METRIC_SCHEDULE_LAG)
			rc = fg_hist_add(&hist, &one->lag);
	}
	if (rc)
		rc = fg_err_nomem(err);
	else if (fg_metrics[query->metric].type == FG_METRIC_TREND)
		answer_trend(query, &hist);
	else if (query->metric == FG_METRIC_ITERATIONS)
		answer_counter(query, iterations, begun);
	else if (query->metric == FG_METRIC_DROPPED_ITERATIONS)
		answer_counter(query, dropped, begun);
	else {
		query->samples = vus_max;
		query->value = (double)(query->metric == FG_METRIC_VUS ? vus : vus_max);
	}
	fg_hist_done(&hist);
	return rc;
}

/* -- checks -------------------------------------------------------------------------------------
 */

static bool check_matches(const struct fg_registry *registry, const struct fg_check *check,
			  const struct fg_tags *tags)
{
	const struct fg_scenario_def *scenario = &registry->scenarios[check->scenario];

	for (size_t i = 0; i < tags->count; i++) {
		const struct fg_tag *tag = &tags->items[i];
		const char *have;

		if (strcmp(tag->key, "check") == 0)
			have = check->name;
		else if (strcmp(tag->key, "group") == 0)
			have = check->group ? check->group : "";
		else if (strcmp(tag->key, "scenario") == 0)
			have = scenario->name;
		else
			have = fg_tags_get(&scenario->tags, tag->key);
		if (!have || strcmp(have, tag->value) != 0)
			return false;
	}
	return true;
}

static void query_checks(struct query *query)
{
	const struct fg_slice *totals = query->result->totals;
	uint64_t passes = 0, fails = 0;

	for (size_t i = 0; i < totals->check_count; i++) {
		if (!check_matches(&query->result->registry, &query->result->registry.checks[i],
				   query->tags))
			continue;
		passes += totals->checks[i].passes;
		fails += totals->checks[i].fails;
	}
	answer_rate(query, passes, passes + fails);
}

/* -- the threshold ------------------------------------------------------------------------------
 */

int fg_stat_of_result(const struct fg_result *result, enum fg_metric_id metric,
		      const struct fg_tags *tags, enum fg_stat stat, double percentile,
		      double *ret_value, uint64_t *ret_samples, struct fg_err *err)
{
	struct query query = {.result = result,
			      .metric = metric,
			      .tags = tags,
			      .stat = stat,
			      .percentile = percentile,
			      .value = NAN};
	int rc = 0;

	if ((unsigned)metric < FG_TREND_COUNT)
		rc = query_trend(&query, err);
	else if (metric == FG_METRIC_CHECKS)
		query_checks(&query);
	else if (metric == FG_METRIC_HTTP_REQS || metric == FG_METRIC_HTTP_REQ_FAILED ||
		 metric == FG_METRIC_DATA_SENT || metric == FG_METRIC_DATA_RECEIVED)
		query_classes(&query);
	else if (metric != FG_METRIC_GROUP_DURATION)
		rc = query_scenarios(&query, err);
	if (rc)
		return rc;
	*ret_samples = query.samples;
	*ret_value = query.samples > 0 ? query.value : NAN;
	return 0;
}

static bool holds(enum fg_compare compare, double value, double limit)
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

static void format_value(const struct fg_threshold *threshold, double value, char *out,
			 size_t size_bytes)
{
	const struct fg_metric *info = &fg_metrics[threshold->metric];
	bool per_second = info->type == FG_METRIC_COUNTER && threshold->stat == FG_STAT_RATE;
	char text[FG_NUM_TEXT_MAX];

	if (info->type == FG_METRIC_TREND)
		(void)snprintf(out, size_bytes, "%s", fg_num_format_ns(value, text));
	else if (info->type == FG_METRIC_RATE && threshold->stat == FG_STAT_RATE)
		(void)snprintf(out, size_bytes, "%.4f", value);
	else if (info->is_bytes && value < 1e18)
		(void)snprintf(out, size_bytes, "%s%s", fg_num_format_bytes((uint64_t)value, text),
			       per_second ? "/s" : "");
	else if (per_second)
		(void)snprintf(out, size_bytes, "%.1f/s", value);
	else
		(void)snprintf(out, size_bytes, "%s", fg_num_format_count((uint64_t)value, text));
}

int fg_threshold_evaluate(const struct fg_threshold *threshold, const struct fg_result *result,
			  struct fg_threshold_result *ret, struct fg_err *err)
{
	struct fg_threshold_result found = {.level = threshold->level};
	int rc = fg_stat_of_result(result, threshold->metric, &threshold->tags, threshold->stat,
				   threshold->percentile, &found.value, &found.samples, err);

	if (rc == 0)
		rc = fg_str_dup(threshold->metric_text, &found.metric_text, err);
	if (rc == 0)
		rc = fg_str_dup(threshold->text, &found.text, err);
	if (rc) {
		fg_threshold_result_done(&found);
		return rc;
	}
	found.no_data = isnan(found.value) || found.samples < threshold->min_samples;
	if (!found.no_data) {
		found.passed = holds(threshold->compare, found.value, threshold->limit);
		format_value(threshold, found.value, found.value_text, sizeof(found.value_text));
	} else {
		found.passed = threshold->allow_no_data;
		if (found.samples > 0)
			(void)snprintf(found.value_text, sizeof(found.value_text),
				       "only %llu of %llu samples",
				       (unsigned long long)found.samples,
				       (unsigned long long)threshold->min_samples);
		else
			(void)snprintf(found.value_text, sizeof(found.value_text), "no data");
		found.value = NAN;
	}
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
