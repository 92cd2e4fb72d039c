/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Latency quantiles per request class, and rules on other metrics.
 *
 * A rule on a request trend without {name:…} is applied to every class by itself; a rule that names
 * tags must be judged, or the verdict is inconclusive, and so must one that somebody wrote without
 * tags, at least for one class. p50, p95 and p99 of the response time are
 * listed for every class, also without a rule.
 */
#include "gate/judge/verdict_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

/* A tail quantile of n values rests on n(1 − q) of them. */
static const double min_tail_values = 5.0;
/* Achieved rate under a schedule hardly depends on the moment; in a closed loop it is latency. */
static const double open_rate_sd = 0.01;
static const double points_sd = 0.002;

/* One quantity to compare, before the number of tests is known. */
struct item {
	struct fg_effect_test test;
	char *what, *where;
	const char *unit;
	uint64_t base_samples, head_samples;
	char cannot[128]; /* why it cannot be judged; "" if it can */
};

struct items {
	struct item *list;
	size_t count, capacity;
};

struct quantity {
	enum fg_metric_id metric;
	enum fg_stat stat;
	double percentile;
};

static bool same_number(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static bool same_quantity(const struct fg_rule *rule, const struct quantity *quantity)
{
	double percentile = rule->stat == FG_STAT_MED ? 50.0 : rule->percentile;
	bool quantile = rule->stat == FG_STAT_MED || rule->stat == FG_STAT_PERCENTILE;

	if (rule->kind != FG_RULE_METRIC || rule->metric != quantity->metric)
		return false;
	if (quantile)
		return quantity->stat == FG_STAT_PERCENTILE &&
		       same_number(percentile, quantity->percentile);
	return rule->stat == quantity->stat;
}

static bool is_class_trend(const struct fg_rule *rule)
{
	return rule->kind == FG_RULE_METRIC && (unsigned)rule->metric < FG_TREND_COUNT;
}

static bool rule_selects_class(const struct fg_rule *rule, const struct fg_registry *registry,
			       size_t class_index)
{
	return fg_result_class_matches(registry, class_index, true, &rule->tags) ||
	       fg_result_class_matches(registry, class_index, false, &rule->tags);
}

/* Later rules override earlier ones; level off withdraws. */
static const struct fg_rule *rule_for_class(const struct fg_comparison *comparison,
					    size_t class_index, const struct quantity *quantity)
{
	const struct fg_rule *found = NULL;

	for (size_t i = 0; i < comparison->gate->rule_count; i++) {
		const struct fg_rule *rule = &comparison->gate->rules[i];

		if (same_quantity(rule, quantity) &&
		    rule_selects_class(rule, &comparison->base->registry, class_index))
			found = rule;
	}
	return found && found->level != FG_LEVEL_OFF ? found : NULL;
}

static void stat_name(const struct quantity *quantity, char out[FG_NUM_TEXT_MAX])
{
	if (quantity->stat == FG_STAT_PERCENTILE)
		(void)snprintf(out, FG_NUM_TEXT_MAX, "p%.6g", quantity->percentile);
	else
		(void)fg_stat_text(quantity->stat, quantity->percentile, out);
}

/* The class in the other registry: same scenario, name and group; the comparison made sure. */
static size_t find_class(const struct fg_registry *registry, const struct fg_registry *other,
			 size_t class_index)
{
	const struct fg_class *wanted = &other->classes[class_index];

	for (size_t i = 0; i < registry->class_count; i++) {
		const struct fg_class *have = &registry->classes[i];

		if (strcmp(have->name, wanted->name) == 0 &&
		    strcmp(have->group, wanted->group) == 0 &&
		    strcmp(registry->scenarios[have->scenario].name,
			   other->scenarios[wanted->scenario].name) == 0)
			return i;
	}
	return registry->class_count;
}

static int class_stat(const struct fg_result *result, size_t class_index,
		      const struct quantity *quantity, const struct fg_rule *rule,
		      double *ret_value, uint64_t *ret_samples, struct fg_err *err)
{
	const struct fg_class *item = &result->registry.classes[class_index];
	char scenario_key[] = "scenario", name_key[] = "name", group_key[] = "group",
	     expected_key[] = "expected_response";
	const char *expected = rule ? fg_tags_get(&rule->tags, expected_key) : NULL;
	char expected_value[8];
	struct fg_tag list[4] = {
		{scenario_key, result->registry.scenarios[item->scenario].name},
		{name_key, item->name},
		{group_key, item->group},
	};
	struct fg_tags tags = {.items = list, .count = 3, .capacity = 4};

	if (expected) {
		(void)snprintf(expected_value, sizeof(expected_value), "%s", expected);
		list[tags.count++] = (struct fg_tag){expected_key, expected_value};
	}
	return fg_stat_of_result(result, quantity->metric, &tags, quantity->stat,
				 quantity->percentile, ret_value, ret_samples, err);
}

static void check_samples(struct item *item, const struct quantity *quantity)
{
	uint64_t fewest = FG_MIN(item->base_samples, item->head_samples);
	double needed = FG_VERDICT_MIN_REQUESTS;

	if (quantity->stat == FG_STAT_PERCENTILE && quantity->percentile < 100.0)
		needed = FG_MAX(needed, min_tail_values / (1.0 - quantity->percentile / 100.0));
	if ((double)fewest < needed && item->cannot[0] == '\0')
		(void)snprintf(item->cannot, sizeof(item->cannot), "only %llu values, needs %.0f",
			       (unsigned long long)fewest, ceil(needed - 1e-9));
}

/* What the class did inside its runs: its standard error, and how much it usually fluctuates. */
static void use_spread(struct fg_effect_test *test, const struct fg_stats_location *base,
		       const struct fg_stats_location *head)
{
	double stretches = hypot(base->sd, head->sd);

	test->within_se = hypot(base->se, head->se);
	test->usual_sd = test->between_sd;
	if (base->count < FG_VERDICT_MIN_BLOCKS || head->count < FG_VERDICT_MIN_BLOCKS)
		return;
	/* Restless inside the run: then moments differ by more than on the machine measured. The
	 * spread of few stretches is itself unsure, hence t. */
	double unsure = fg_stats_t_quantile(0.995, FG_MAX(FG_MIN(base->df, head->df), 2u)) /
			fg_stats_normal_quantile(0.995);

	test->between_sd = FG_MAX(test->between_sd, stretches * unsure);
	test->usual_sd = FG_MIN(test->between_sd, 0.1 + stretches);
}

static int add_item(struct items *items, const struct item *item, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(items, list, count, capacity, FG_VERDICT_FINDINGS_MAX, err);

	if (rc)
		return rc;
	items->list[items->count++] = *item;
	return 0;
}

static int name_item(const struct fg_comparison *comparison, size_t class_index,
		     const struct quantity *quantity, struct item *item, struct fg_err *err)
{
	const struct fg_registry *registry = &comparison->base->registry;
	const struct fg_class *one = &registry->classes[class_index];
	bool plain = quantity->metric == (enum fg_metric_id)FG_TREND_RESPONSE_TIME;
	char stat[FG_NUM_TEXT_MAX];

	stat_name(quantity, stat);
	int rc = fg_verdict_text(&item->what, err, "%s %s%s%s", stat,
				 plain ? "" : fg_metrics[quantity->metric].name, plain ? "" : " ",
				 one->name);

	if (rc == 0)
		rc = fg_verdict_text(&item->where, err, "%s%s",
				     registry->scenarios[one->scenario].name, one->group);
	if (rc)
		free(item->what);
	return rc;
}

struct class_pair {
	size_t base, head;
	bool same_clock;
	struct fg_stats_location base_spread[3], head_spread[3]; /* of the usual percentiles */
};

static const struct quantity usual[3] = {
	{(enum fg_metric_id)FG_TREND_RESPONSE_TIME, FG_STAT_PERCENTILE, 50},
	{(enum fg_metric_id)FG_TREND_RESPONSE_TIME, FG_STAT_PERCENTILE, 95},
	{(enum fg_metric_id)FG_TREND_RESPONSE_TIME, FG_STAT_PERCENTILE, 99},
};

static int compare_class(const struct fg_comparison *comparison, const struct class_pair *pair,
			 const struct quantity *quantity, struct items *items, struct fg_err *err)
{
	const struct fg_rule *rule = rule_for_class(comparison, pair->base, quantity);
	struct item item = {.unit = "ns", .test = {.rule = rule}};
	struct fg_stats_location none = {0};
	size_t u = 0;
	int rc = class_stat(comparison->base, pair->base, quantity, rule, &item.test.base,
			    &item.base_samples, err);

	if (rc == 0)
		rc = class_stat(comparison->head, pair->head, quantity, rule, &item.test.head,
				&item.head_samples, err);
	if (rc)
		return rc;
	item.test.between_sd = fg_verdict_quantile_sd(
		quantity->stat == FG_STAT_PERCENTILE ? quantity->percentile : 95);
	while (u < 3 && !(quantity->metric == usual[u].metric && quantity->stat == usual[u].stat &&
			  same_number(quantity->percentile, usual[u].percentile)))
		u++;
	use_spread(&item.test, u < 3 ? &pair->base_spread[u] : &none,
		   u < 3 ? &pair->head_spread[u] : &none);
	item.test.decisive = rule && rule->tags.count > 0;
	if (!pair->same_clock)
		(void)snprintf(item.cannot, sizeof(item.cannot),
			       "the two runs measured with different engines or clocks");
	check_samples(&item, quantity);
	rc = name_item(comparison, pair->base, quantity, &item, err);
	if (rc)
		return rc;
	rc = add_item(items, &item, err);
	if (rc) {
		free(item.what);
		free(item.where);
	}
	return rc;
}

/* The usual percentiles, then whatever else rules ask of this class, each once. */
static int compare_class_all(const struct fg_comparison *comparison, const struct class_pair *pair,
			     struct items *items, struct fg_err *err)
{
	int rc = 0;

	for (size_t u = 0; u < 3 && rc == 0; u++)
		rc = compare_class(comparison, pair, &usual[u], items, err);
	for (size_t i = 0; i < comparison->gate->rule_count && rc == 0; i++) {
		const struct fg_rule *rule = &comparison->gate->rules[i];
		struct quantity quantity = {rule->metric, rule->stat, rule->percentile};
		bool known = false;

		if (!is_class_trend(rule) ||
		    !rule_selects_class(rule, &comparison->base->registry, pair->base))
			continue;
		for (size_t u = 0; u < 3; u++)
			known = known || same_quantity(rule, &usual[u]);
		for (size_t j = 0; j < i; j++)
			known = known ||
				(is_class_trend(&comparison->gate->rules[j]) &&
				 same_quantity(&comparison->gate->rules[j], &quantity) &&
				 rule_selects_class(&comparison->gate->rules[j],
						    &comparison->base->registry, pair->base));
		if (!known)
			rc = compare_class(comparison, pair, &quantity, items, err);
	}
	return rc;
}

static int compare_classes(const struct fg_comparison *comparison, struct items *items,
			   struct fg_err *err)
{
	static const double percentiles[3] = {50, 95, 99};
	const struct fg_registry *registry = &comparison->base->registry;
	int rc = 0;

	for (size_t i = 0; i < registry->class_count && rc == 0; i++) {
		struct class_pair pair = {
			.base = i, .head = find_class(&comparison->head->registry, registry, i)};

		if (pair.head == comparison->head->registry.class_count)
			continue;
		const struct fg_class *a = &registry->classes[i];
		const struct fg_class *b = &comparison->head->registry.classes[pair.head];

		pair.same_clock =
			strcmp(a->engine, b->engine) == 0 && strcmp(a->clock, b->clock) == 0;
		rc = fg_verdict_quantile_spread(comparison->base, pair.base, FG_TREND_RESPONSE_TIME,
						percentiles, 3, pair.base_spread, err);
		if (rc == 0)
			rc = fg_verdict_quantile_spread(comparison->head, pair.head,
							FG_TREND_RESPONSE_TIME, percentiles, 3,
							pair.head_spread, err);
		if (rc == 0)
			rc = compare_class_all(comparison, &pair, items, err);
	}
	return rc;
}

/* -- rules on everything else -------------------------------------------------------------------
 */

static bool is_open_model(const struct fg_result *result)
{
	for (size_t i = 0; i < result->registry.scenario_count; i++) {
		if (!(result->registry.scenarios[i].target_rate_per_s > 0))
			return false;
	}
	return true;
}

static void set_noise(const struct fg_comparison *comparison, const struct fg_rule *rule,
		      struct item *item)
{
	const struct fg_metric *info = &fg_metrics[rule->metric];

	item->unit = "";
	if (info->type == FG_METRIC_TREND) {
		item->unit = "ns";
		item->test.between_sd = fg_verdict_quantile_sd(
			rule->stat == FG_STAT_PERCENTILE || rule->stat == FG_STAT_MED
				? rule->percentile
				: 95);
		item->test.usual_sd = item->test.between_sd;
	} else if (info->type == FG_METRIC_RATE && rule->stat == FG_STAT_RATE) {
		double a = item->test.base;
		double b = item->test.head;

		item->unit = "ratio";
		item->test.points = true;
		item->test.between_sd = points_sd;
		item->test.within_se = sqrt(a * (1 - a) / (double)item->base_samples +
					    b * (1 - b) / (double)item->head_samples);
	} else {
		bool open = is_open_model(comparison->base) && is_open_model(comparison->head);

		if (rule->stat == FG_STAT_RATE)
			item->unit = "/s";
		item->test.between_sd = open ? open_rate_sd : fg_verdict_quantile_sd(50);
		item->test.usual_sd = open ? 0 : item->test.between_sd;
		if ((item->test.base > 0) != (item->test.head > 0))
			(void)snprintf(
				item->cannot, sizeof(item->cannot),
				"nothing on one side makes no ratio; a threshold can say it");
	}
}

static int compare_rule(const struct fg_comparison *comparison, const struct fg_rule *rule,
			struct items *items, struct fg_err *err)
{
	struct item item = {.test = {.rule = rule, .decisive = !rule->is_default}};
	int rc = fg_stat_of_result(comparison->base, rule->metric, &rule->tags, rule->stat,
				   rule->percentile, &item.test.base, &item.base_samples, err);

	if (rc == 0)
		rc = fg_stat_of_result(comparison->head, rule->metric, &rule->tags, rule->stat,
				       rule->percentile, &item.test.head, &item.head_samples, err);
	if (rc)
		return rc;
	set_noise(comparison, rule, &item);
	check_samples(&item, &(struct quantity){rule->metric, rule->stat, rule->percentile});
	rc = fg_str_dup(rule->text, &item.what, err);
	if (rc == 0)
		rc = fg_str_dup("", &item.where, err);
	if (rc == 0)
		rc = add_item(items, &item, err);
	if (rc) {
		free(item.what);
		free(item.where);
	}
	return rc;
}

static bool overridden(const struct fg_gate *gate, size_t index)
{
	for (size_t i = index + 1; i < gate->rule_count; i++) {
		if (gate->rules[i].kind == FG_RULE_METRIC &&
		    strcmp(gate->rules[i].text, gate->rules[index].text) == 0)
			return true;
	}
	return false;
}

static int compare_other_rules(const struct fg_comparison *comparison, struct items *items,
			       struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < comparison->gate->rule_count && rc == 0; i++) {
		const struct fg_rule *rule = &comparison->gate->rules[i];

		if (rule->kind == FG_RULE_METRIC && !is_class_trend(rule) &&
		    rule->level != FG_LEVEL_OFF && !overridden(comparison->gate, i))
			rc = compare_rule(comparison, rule, items, err);
	}
	return rc;
}

/* A rule that somebody wrote and that no class has the data for decides; see above. */
static int hold_unjudged_rules(const struct fg_gate *gate, struct items *items, struct fg_err *err)
{
	bool *judged = calloc(gate->rule_count + 1, sizeof(*judged));

	if (!judged)
		return fg_err_nomem(err);
	for (size_t i = 0; i < items->count; i++) {
		const struct item *item = &items->list[i];

		if (item->test.rule && !item->cannot[0])
			judged[item->test.rule - gate->rules] = true;
	}
	for (size_t i = 0; i < items->count; i++) {
		struct fg_effect_test *test = &items->list[i].test;

		if (test->rule && !test->rule->is_default && !judged[test->rule - gate->rules])
			test->decisive = true;
	}
	free(judged);
	return 0;
}

/* Number of tests known: judge them all and move them into the verdict. */
static int judge_items(struct fg_comparison *comparison, struct items *items, struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	size_t tests = 0;
	int rc = 0;

	for (size_t i = 0; i < items->count; i++)
		tests += items->list[i].test.rule && !items->list[i].cannot[0];
	for (size_t i = 0; i < items->count && rc == 0; i++) {
		struct item *item = &items->list[i];
		struct fg_finding finding = {.what = item->what,
					     .where = item->where,
					     .unit = item->unit,
					     .base_samples = item->base_samples,
					     .head_samples = item->head_samples};

		item->test.critical = fg_stats_critical(FG_VERDICT_ALPHA, tests);
		item->test.cannot = item->cannot[0] ? item->cannot : NULL;
		rc = FG_VEC_ROOM(verdict, latency, latency_count, latency_capacity,
				 FG_VERDICT_FINDINGS_MAX, err);
		if (rc == 0)
			rc = fg_verdict_judge(&item->test, &finding, err);
		if (rc)
			break;
		item->what = item->where = NULL;
		verdict->latency[verdict->latency_count++] = finding;
	}
	return rc;
}

int fg_verdict_latency(struct fg_comparison *comparison, struct fg_err *err)
{
	struct items items = {0};
	int rc = compare_classes(comparison, &items, err);

	if (rc == 0)
		rc = compare_other_rules(comparison, &items, err);
	if (rc == 0)
		rc = hold_unjudged_rules(comparison->gate, &items, err);
	if (rc == 0)
		rc = judge_items(comparison, &items, err);
	for (size_t i = 0; i < items.count; i++) {
		free(items.list[i].what);
		free(items.list[i].where);
	}
	free(items.list);
	return rc;
}
