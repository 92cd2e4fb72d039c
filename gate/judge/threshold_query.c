/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One statistic of what was counted, under a selector.
 *
 * Class metrics are summed over the matching class halves, scenario metrics over matching
 * scenarios, checks over matching checks, groups and custom metrics over their places.
 */
#include <math.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/judge/threshold_internal.h"

struct query {
	const struct fg_operand *operand;
	const struct fg_registry *registry;
	const struct fg_slice *slice;
	double seconds;
	const struct fg_vus_range *vus;
	double value;
	uint64_t samples;
};

bool fg_operand_describe(const struct fg_operand *operand, const struct fg_registry *registry,
			 struct fg_operand_info *ret)
{
	int found = -1;

	if (!operand->custom) {
		const struct fg_metric *metric = &fg_metrics[operand->metric];

		*ret = (struct fg_operand_info){.name = metric->name,
						.type = metric->type,
						.scope = metric->scope,
						.is_time = metric->type == FG_METRIC_TREND &&
							   metric->is_time,
						.is_bytes = metric->is_bytes};
		return true;
	}
	if (registry)
		found = fg_registry_find_custom(registry, operand->custom);
	*ret = (struct fg_operand_info){
		.name = operand->custom, .type = FG_METRIC_TREND, .scope = FG_SCOPE_CUSTOM};
	if (found < 0)
		return false;
	ret->type = registry->customs[found].type;
	ret->is_time = ret->type == FG_METRIC_TREND && registry->customs[found].is_time;
	return true;
}

static void answer_counter(struct query *query, double count, uint64_t samples)
{
	query->samples = samples;
	query->value = count;
	if (query->operand->stat == FG_STAT_RATE)
		query->value = query->seconds > 0 ? count / query->seconds : NAN;
}

static void answer_rate(struct query *query, uint64_t hits, uint64_t all)
{
	query->samples = all;
	query->value = (double)hits;
	if (query->operand->stat == FG_STAT_RATE)
		query->value = all > 0 ? (double)hits / (double)all : NAN;
}

static void answer_trend(struct query *query, const struct fg_hist *hist)
{
	query->samples = hist->count;
	switch (query->operand->stat) {
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
		query->value = (double)fg_hist_percentile_ns(hist, query->operand->percentile);
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
	struct class_filter filter;
	uint64_t requests = 0, matching = 0, failed = 0, sent = 0, received = 0;

	class_filter_init(&filter, &query->operand->tags);
	for (size_t i = 0; i < 2 * query->slice->class_count; i++) {
		const struct fg_class_slice *half = &query->slice->classes[i];

		if (!fg_result_class_matches(query->registry, i / 2, i % 2 == 1, &filter.tags))
			continue;
		requests += half->requests;
		matching += count_matching(&filter, half);
		failed += half->failed;
		sent += half->sent_bytes;
		received += half->received_bytes;
	}
	if (query->operand->metric == FG_METRIC_HTTP_REQ_FAILED)
		answer_rate(query, failed, requests);
	else if (query->operand->metric == FG_METRIC_DATA_SENT)
		answer_counter(query, (double)sent, requests);
	else if (query->operand->metric == FG_METRIC_DATA_RECEIVED)
		answer_counter(query, (double)received, requests);
	else
		answer_counter(query, (double)matching, requests);
}

static int query_trend(struct query *query, struct fg_err *err)
{
	struct fg_hist hist;
	int rc = 0;

	fg_hist_init(&hist, NULL);
	for (size_t i = 0; rc == 0 && i < 2 * query->slice->class_count; i++)
		if (fg_result_class_matches(query->registry, i / 2, i % 2 == 1,
					    &query->operand->tags))
			rc = fg_hist_add(&hist,
					 &query->slice->classes[i].trends[query->operand->metric]);
	if (rc == 0)
		answer_trend(query, &hist);
	fg_hist_done(&hist);
	return rc ? fg_err_set(err, (enum fg_err_code) - rc, "cannot add up %s",
			       fg_metrics[query->operand->metric].name)
		  : 0;
}

/* -- what belongs to a scenario -----------------------------------------------------------------
 */

/* The tags that a thing carries; NULL: it has none of that name. */
struct carried {
	uint32_t scenario;
	const char *group, *check;
	const struct fg_tags *tags;
};

static const char *carried_value(const struct query *query, const struct carried *thing,
				 const char *key)
{
	const struct fg_scenario_def *scenario = &query->registry->scenarios[thing->scenario];

	if (strcmp(key, "scenario") == 0)
		return scenario->name;
	if (strcmp(key, "group") == 0 && thing->group)
		return thing->group;
	if (strcmp(key, "check") == 0 && thing->check)
		return thing->check;
	return fg_tags_get(thing->tags ? thing->tags : &scenario->tags, key);
}

static bool matches(const struct query *query, const struct carried *thing)
{
	const struct fg_tags *tags = &query->operand->tags;

	for (size_t i = 0; i < tags->count; i++) {
		const char *have = carried_value(query, thing, tags->items[i].key);

		if (!have || strcmp(have, tags->items[i].value) != 0)
			return false;
	}
	return true;
}

struct scenario_sums {
	uint64_t iterations, dropped, begun, vus, vus_max;
	struct fg_hist hist;
};

static int add_scenario(const struct query *query, const struct fg_scenario_slice *one,
			struct scenario_sums *sums)
{
	sums->iterations += one->iterations;
	sums->dropped += one->dropped;
	sums->begun += one->iterations + one->interrupted + one->dropped;
	sums->vus += one->vus;
	sums->vus_max += one->vus_max;
	if (query->operand->metric == FG_METRIC_ITERATION_DURATION)
		return fg_hist_add(&sums->hist, &one->iteration_duration);
	if (query->operand->metric == FG_METRIC_SCHEDULE_LAG)
		return fg_hist_add(&sums->hist, &one->lag);
	return 0;
}

static void answer_gauge(struct query *query, uint64_t value, uint64_t samples)
{
	query->value = (double)value;
	query->samples = samples;
}

static int query_scenarios(struct query *query, struct fg_err *err)
{
	struct scenario_sums sums = {0};
	int rc = 0;

	fg_hist_init(&sums.hist, NULL);
	for (size_t i = 0; i < query->slice->scenario_count && rc == 0; i++)
		if (matches(query, &(struct carried){.scenario = (uint32_t)i}))
			rc = add_scenario(query, &query->slice->scenarios[i], &sums);
	if (rc) {
		rc = fg_err_nomem(err);
	} else if (fg_metrics[query->operand->metric].type == FG_METRIC_TREND) {
		answer_trend(query, &sums.hist);
	} else if (query->operand->metric == FG_METRIC_ITERATIONS) {
		answer_counter(query, (double)sums.iterations, sums.begun);
	} else if (query->operand->metric == FG_METRIC_DROPPED_ITERATIONS) {
		answer_counter(query, (double)sums.dropped, sums.begun);
	} else if (query->operand->metric == FG_METRIC_VUS_MAX) {
		answer_gauge(query, sums.vus_max, sums.vus_max);
	} else {
		/* at its end a run has none: of a whole run, as k6, the last that were seen at work
		 */
		bool of_run = query->vus && query->operand->tags.count == 0;

		answer_gauge(query, of_run ? query->vus->last : sums.vus, sums.vus_max);
	}
	fg_hist_done(&sums.hist);
	return rc;
}

static void query_checks(struct query *query)
{
	uint64_t passes = 0, fails = 0;

	for (size_t i = 0; i < query->slice->check_count; i++) {
		const struct fg_check *check = &query->registry->checks[i];
		const struct carried thing = {
			.scenario = check->scenario,
			.check = check->name,
			.group = check->group ? check->group : "",
		};

		if (!matches(query, &thing))
			continue;
		passes += query->slice->checks[i].passes;
		fails += query->slice->checks[i].fails;
	}
	answer_rate(query, passes, passes + fails);
}

static int query_groups(struct query *query, struct fg_err *err)
{
	struct fg_hist hist;
	int rc = 0;

	fg_hist_init(&hist, NULL);
	for (size_t i = 0; rc == 0 && i < query->slice->group_count; i++) {
		const struct fg_group *group = &query->registry->groups[i];
		const struct carried thing = {
			.scenario = group->scenario, .group = group->path, .tags = &group->tags};

		if (matches(query, &thing))
			rc = fg_hist_add(&hist, &query->slice->groups[i]);
	}
	if (rc == 0)
		answer_trend(query, &hist);
	fg_hist_done(&hist);
	return rc ? fg_err_nomem(err) : 0;
}

/* -- custom metrics -----------------------------------------------------------------------------
 */

static void answer_custom_trend(struct query *query, const struct fg_custom_slice *sum,
				bool is_time)
{
	query->samples = sum->count;
	switch (query->operand->stat) {
	case FG_STAT_AVG:
		query->value = fg_custom_mean(sum);
		break;
	case FG_STAT_MIN:
		query->value = sum->min;
		break;
	case FG_STAT_MAX:
		query->value = sum->max;
		break;
	default:
		query->value = fg_custom_percentile(sum, query->operand->percentile);
		break;
	}
	if (is_time)
		query->value *= (double)FG_NS_PER_MS;
}

static void answer_custom(struct query *query, const struct fg_custom_slice *sum, uint64_t begun)
{
	struct fg_operand_info info;

	if (!fg_operand_describe(query->operand, query->registry, &info))
		return;
	switch (info.type) {
	case FG_METRIC_COUNTER: /* never counted is 0, if there was an occasion */
		answer_counter(query, sum->sum, FG_MAX(sum->count, begun));
		break;
	case FG_METRIC_GAUGE:
		query->samples = sum->count;
		query->value = sum->last;
		break;
	case FG_METRIC_RATE:
		answer_rate(query, sum->trues, sum->count);
		break;
	case FG_METRIC_TREND:
		answer_custom_trend(query, sum, info.is_time);
		break;
	}
}

static int query_custom(struct query *query, struct fg_err *err)
{
	struct fg_custom_slice sum = {0};
	uint64_t begun = 0;
	int rc = 0;

	fg_hist_init(&sum.trend, NULL);
	fg_hist_init(&sum.large, NULL);
	fg_hist_init(&sum.below, NULL);
	for (size_t i = 0; rc == 0 && i < query->slice->custom_count; i++) {
		const struct fg_custom *custom = &query->registry->customs[i];
		const struct fg_scenario_slice *scenario =
			&query->slice->scenarios[custom->scenario];
		const struct carried thing = {.scenario = custom->scenario,
					      .group = custom->group,
					      .tags = &custom->tags};

		if (strcmp(custom->name, query->operand->custom) != 0 || !matches(query, &thing))
			continue;
		begun += scenario->iterations + scenario->interrupted;
		rc = fg_slice_add_custom(&sum, &query->slice->customs[i], err);
	}
	if (rc == 0)
		answer_custom(query, &sum, begun);
	fg_hist_done(&sum.trend);
	fg_hist_done(&sum.large);
	fg_hist_done(&sum.below);
	return rc;
}

/* -- all of them --------------------------------------------------------------------------------
 */

static int answer(struct query *query, struct fg_err *err)
{
	const enum fg_metric_id metric = query->operand->metric;

	if (query->operand->custom)
		return query_custom(query, err);
	if ((unsigned)metric < FG_TREND_COUNT)
		return query_trend(query, err);
	switch (fg_metrics[metric].scope) {
	case FG_SCOPE_CHECK:
		query_checks(query);
		return 0;
	case FG_SCOPE_CLASS:
		query_classes(query);
		return 0;
	case FG_SCOPE_GROUP:
		return query_groups(query, err);
	case FG_SCOPE_SCENARIO:
	case FG_SCOPE_RUN:
	case FG_SCOPE_CUSTOM:
		break;
	}
	return query_scenarios(query, err);
}

int fg_operand_value(const struct fg_operand *operand, const struct fg_view *view,
		     double *ret_value, uint64_t *ret_samples, struct fg_err *err)
{
	struct query query = {.operand = operand,
			      .registry = view->registry,
			      .slice = view->slice,
			      .seconds = view->seconds,
			      .vus = view->vus,
			      .value = NAN};
	int rc = answer(&query, err);

	if (rc)
		return rc;
	*ret_samples = query.samples;
	*ret_value = query.samples > 0 ? query.value : NAN;
	return 0;
}

int fg_threshold_value(const struct fg_threshold *threshold, const struct fg_view *view,
		       double *ret_value, uint64_t *ret_samples, struct fg_err *err)
{
	double below = 1;
	uint64_t below_samples = UINT64_MAX;
	int rc = fg_operand_value(&threshold->what, view, ret_value, ret_samples, err);

	if (rc == 0 && threshold->is_ratio)
		rc = fg_operand_value(&threshold->per, view, &below, &below_samples, err);
	if (rc || !threshold->is_ratio)
		return rc;
	*ret_samples = FG_MIN(*ret_samples, below_samples);
	*ret_value = below > 0 || below < 0 ? *ret_value / below : NAN;
	return 0;
}

struct fg_view fg_view_of_result(const struct fg_result *result)
{
	uint64_t ns = result->measured_ns;

	if (ns == 0 && result->duration_ns > result->measured_start_ns)
		ns = result->duration_ns - result->measured_start_ns;
	return (struct fg_view){.registry = &result->registry,
				.slice = result->totals,
				.seconds = (double)ns / (double)FG_NS_PER_S,
				.vus = result->vus.max ? &result->vus : NULL};
}

int fg_stat_of_result(const struct fg_result *result, enum fg_metric_id metric,
		      const struct fg_tags *tags, enum fg_stat stat, double percentile,
		      double *ret_value, uint64_t *ret_samples, struct fg_err *err)
{
	const struct fg_view view = fg_view_of_result(result);
	const struct fg_operand operand = {
		.metric = metric, .tags = *tags, .stat = stat, .percentile = percentile};

	return fg_operand_value(&operand, &view, ret_value, ret_samples, err);
}
