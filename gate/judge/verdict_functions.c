/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Per function: CPU-ns per request, self and total = share of samples × exact CPU per request.
 *
 * Shares alone would blame every other function when one changes; samples per request would add the
 * sampler's losses (regression-stats.md §2.1). The interval of log θ is binomial (with the
 * dispersion that 5-s blocks show), plus the CPU clock's own, plus what the moment adds. Tests are
 * corrected for their number (Bonferroni). A function is never red when the total did not rise by
 * half as much: that is work moved from another function, not a cost.
 */
#include "gate/judge/verdict_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/profile/cost.h"

/* sd of log(B/A) that the moment adds to one function: the total's 5.2 % and as much again for what
 * moves between functions (cache and interrupt neighbours, §2.2). */
static const double function_moment_sd = 0.08;
/* Samples of both sides together that make a function worth a test (§2.4). */
enum { MIN_ROW_SAMPLES = 10, BLOCKS_MAX = 1000 };
/* Not ruled but listed: shown from this share of CPU. */
static const double shown_share = 0.005;

struct side {
	const struct fg_result *result;
	struct fg_cost *cost;
	const struct fg_cost_row **by_key;
	double cpu_ns; /* per request */
};

struct pair {
	const struct fg_cost_row *base, *head; /* one may be NULL */
	enum fg_measure measure;
	const struct fg_rule *rule;
};

struct pairs {
	struct pair *items;
	size_t count, capacity;
};

/* -- is the profile good enough -----------------------------------------------------------------
 */

/* Why a side's profile cannot be judged: "" when it can. */
static void profile_fault(const struct fg_result *result, const struct fg_profile *profile,
			  char *out, size_t size_bytes)
{
	const struct fg_profile_info *info = &result->profile;

	out[0] = '\0';
	if (!profile || !info->present)
		(void)snprintf(out, size_bytes, "has no profile%s%.150s",
			       info->why_absent[0] ? ": " : "", info->why_absent);
	else if (info->partial)
		(void)snprintf(out, size_bytes, "has only part of a profile%s%.150s",
			       info->why_absent[0] ? ": " : "", info->why_absent);
	else if (info->samples < FG_VERDICT_MIN_SAMPLES)
		(void)snprintf(out, size_bytes, "has only %llu samples, needs %d",
			       (unsigned long long)info->samples, FG_VERDICT_MIN_SAMPLES);
	else
		(void)fg_profile_info_fault(info, out, size_bytes);
}

/* Stack copies and BPF, or user mode and both modes, see different things: a difference between
 * such profiles need not be one of the target. Older bundles do not say; those were BPF. */
static const char *source_of(const struct fg_result *result)
{
	const struct fg_profile_info *info = &result->profile;

	if (info->user_cpu_ns)
		return "perf events in user mode alone";
	return strcmp(info->source, "perf") == 0 ? "perf events" : "BPF";
}

/* Why two good profiles are still not to be compared: "" when they are. */
static void pair_fault(const struct fg_comparison *comparison, char *out, size_t size_bytes)
{
	const char *base = source_of(comparison->base), *head = source_of(comparison->head);

	out[0] = '\0';
	if (strcmp(base, head) != 0)
		(void)snprintf(out, size_bytes,
			       "profiles are not comparable, base is by %s, head by %s", base,
			       head);
	else if (!fg_verdict_runtimes_differ(&comparison->base->profile, &comparison->head->profile,
					     out, size_bytes) &&
		 !(comparison->cpu_base_ns > 0 && comparison->cpu_head_ns > 0))
		(void)snprintf(out, size_bytes, "CPU per request is unknown");
}

static int profiles_usable(struct fg_comparison *comparison, bool *ret, struct fg_err *err)
{
	char base[256], head[256], pair[256] = "";

	profile_fault(comparison->base, comparison->base_profile, base, sizeof(base));
	profile_fault(comparison->head, comparison->head_profile, head, sizeof(head));
	if (!base[0] && !head[0])
		pair_fault(comparison, pair, sizeof(pair));
	*ret = !base[0] && !head[0] && !pair[0];
	if (*ret)
		return 0;
	comparison->functions_unjudged = true;
	if (pair[0])
		return fg_verdict_note(comparison->verdict, err, "functions not judged: %s", pair);
	return fg_verdict_note(comparison->verdict, err, "functions not judged: %s%s%s%s%s",
			       base[0] ? "base " : "", base, base[0] && head[0] ? "; " : "",
			       head[0] ? "head " : "", head);
}

/* -- joining both sides -------------------------------------------------------------------------
 */

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const struct fg_cost_row *const *)a)->key,
		      (*(const struct fg_cost_row *const *)b)->key);
}

static int side_init(struct side *side, const struct fg_result *result,
		     const struct fg_profile *profile, double cpu_ns, struct fg_err *err)
{
	uint64_t first = result->measured_start_ns / FG_NS_PER_S;
	uint64_t last = (result->measured_start_ns + result->measured_ns) / FG_NS_PER_S;
	uint64_t seconds = last >= first ? last - first + 1 : 1;
	/* of a long run longer blocks: every function has two counters for each */
	uint64_t block =
		FG_MAX((seconds + BLOCKS_MAX - 1) / BLOCKS_MAX, (uint64_t)FG_VERDICT_BLOCK_SECONDS);
	struct fg_cost_options options = {
		.phase = "measure",
		.second_from = (uint32_t)FG_MIN(first, (uint64_t)UINT32_MAX),
		.block_seconds = (uint32_t)FG_MIN(block, (uint64_t)UINT32_MAX),
		.block_count =
			(uint32_t)FG_MIN((seconds + block - 1) / block, (uint64_t)BLOCKS_MAX),
	};

	*side = (struct side){.result = result, .cpu_ns = cpu_ns};
	int rc = fg_cost_new(profile, &options, &side->cost, err);

	if (rc)
		return rc;
	side->by_key = calloc(side->cost->count + 1, sizeof(*side->by_key));
	if (!side->by_key)
		return fg_err_nomem(err);
	for (size_t i = 0; i < side->cost->count; i++)
		side->by_key[i] = &side->cost->rows[i];
	qsort(side->by_key, side->cost->count, sizeof(*side->by_key), compare_keys);
	return 0;
}

static void side_done(struct side *side)
{
	free(side->by_key);
	fg_cost_free(side->cost);
}

static uint64_t samples_of(const struct fg_cost_row *row, enum fg_measure measure)
{
	if (!row)
		return 0;
	return measure == FG_MEASURE_SELF ? row->self : row->total;
}

static double share_of(const struct side *side, const struct fg_cost_row *row,
		       enum fg_measure measure)
{
	if (side->cost->samples == 0)
		return 0.0;
	return (double)samples_of(row, measure) / (double)side->cost->samples;
}

static const struct fg_rule *rule_for(const struct fg_gate *gate, const struct fg_cost_row *row,
				      enum fg_measure measure)
{
	const struct fg_rule *found = NULL;
	const char *space = strchr(row->key, ' ');
	const char *normalised = space ? space + 1 : row->key;

	for (size_t i = 0; i < gate->rule_count; i++) {
		const struct fg_rule *rule = &gate->rules[i];

		if (rule->kind == FG_RULE_FUNCTION && rule->measure == measure &&
		    (fg_rule_matches_function(rule, normalised) ||
		     fg_rule_matches_function(rule, row->name)))
			found = rule;
	}
	return found && found->level != FG_LEVEL_OFF ? found : NULL;
}

static bool matches_any(const struct fg_rule *rule, const struct fg_cost *cost)
{
	for (size_t i = 0; i < cost->count; i++) {
		const char *space = strchr(cost->rows[i].key, ' ');

		if (fg_rule_matches_function(rule, space ? space + 1 : cost->rows[i].key) ||
		    fg_rule_matches_function(rule, cost->rows[i].name))
			return true;
	}
	return false;
}

/* A rule with a misspelt name would pass for ever without a word. */
static int note_unmatched(struct fg_comparison *comparison, const struct side *base,
			  const struct side *head, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < comparison->gate->rule_count && rc == 0; i++) {
		const struct fg_rule *rule = &comparison->gate->rules[i];

		if (rule->kind != FG_RULE_FUNCTION || rule->level == FG_LEVEL_OFF ||
		    rule->is_default || matches_any(rule, head->cost) ||
		    matches_any(rule, base->cost))
			continue;
		rc = fg_verdict_note(comparison->verdict, err,
				     "rule \"%.200s\": no function of that name was sampled on "
				     "either side",
				     rule->text);
	}
	return rc;
}

static int add_pair(struct pairs *pairs, const struct fg_gate *gate, const struct side *base,
		    const struct side *head, const struct pair *candidate, struct fg_err *err)
{
	struct pair pair = *candidate;
	const struct fg_cost_row *any = pair.head ? pair.head : pair.base;
	double share = FG_MAX(share_of(base, pair.base, pair.measure),
			      share_of(head, pair.head, pair.measure));
	uint64_t samples =
		samples_of(pair.base, pair.measure) + samples_of(pair.head, pair.measure);
	bool gated = (!pair.base || pair.base->gated) && (!pair.head || pair.head->gated);

	if (samples < MIN_ROW_SAMPLES)
		return 0;
	pair.rule = gated ? rule_for(gate, any, pair.measure) : NULL;
	if (pair.rule && share < pair.rule->min_share)
		pair.rule = NULL;
	if (!pair.rule && share < shown_share)
		return 0;
	int rc = FG_VEC_ROOM(pairs, items, count, capacity, FG_VERDICT_FINDINGS_MAX, err);

	if (rc == 0)
		pairs->items[pairs->count++] = pair;
	return rc;
}

static int join(const struct fg_gate *gate, const struct side *base, const struct side *head,
		struct pairs *pairs, struct fg_err *err)
{
	size_t i = 0, j = 0;
	int rc = 0;

	while (rc == 0 && (i < base->cost->count || j < head->cost->count)) {
		struct pair pair = {0};
		int order = i == base->cost->count ? 1
			    : j == head->cost->count
				    ? -1
				    : strcmp(base->by_key[i]->key, head->by_key[j]->key);

		if (order <= 0)
			pair.base = base->by_key[i++];
		if (order >= 0)
			pair.head = head->by_key[j++];
		for (int m = FG_MEASURE_SELF; m <= FG_MEASURE_TOTAL && rc == 0; m++) {
			pair.measure = (enum fg_measure)m;
			rc = add_pair(pairs, gate, base, head, &pair, err);
		}
	}
	return rc;
}

/* -- one function -------------------------------------------------------------------------------
 */

/* Variance of log share; half a sample is added so that an unseen function has one. */
static double share_variance(const struct side *side, const struct fg_cost_row *row,
			     enum fg_measure measure)
{
	double hits = (double)samples_of(row, measure) + 0.5;
	double all = (double)side->cost->samples + 1.0;
	double phi = 1.0;

	if (row)
		phi = fg_stats_dispersion(measure == FG_MEASURE_SELF ? row->self_by_block
								     : row->total_by_block,
					  side->cost->samples_by_block, side->cost->block_count);
	return phi * (1.0 - hits / all) / hits;
}

static double cost_ns(const struct side *side, const struct fg_cost_row *row,
		      enum fg_measure measure, double add)
{
	return ((double)samples_of(row, measure) + add) / (double)side->cost->samples *
	       side->cpu_ns;
}

static int name_finding(const struct pair *pair, struct fg_finding *finding, struct fg_err *err)
{
	const struct fg_cost_row *row = pair->head ? pair->head : pair->base;
	int rc = fg_verdict_text(&finding->what, err, "%s (%s)", row->name,
				 pair->measure == FG_MEASURE_SELF ? "self" : "total");

	if (rc == 0 && row->filename[0] && row->line > 0)
		rc = fg_verdict_text(&finding->where, err, "%s:%u", row->filename, row->line);
	else if (rc == 0)
		rc = fg_str_dup(row->filename[0] ? row->filename : row->module, &finding->where,
				err);
	return rc;
}

/* Work that left another function: the total did not rise (or fall) by half as much. */
static int filter_moved(const struct fg_comparison *comparison, struct fg_finding *finding,
			struct fg_err *err)
{
	double own = finding->head - finding->base;
	double total = comparison->cpu_head_ns - comparison->cpu_base_ns;
	bool moved = own > 0 ? total < 0.5 * own : total > 0.5 * own;

	if (!moved ||
	    (finding->state != FG_VERDICT_REGRESSED && finding->state != FG_VERDICT_IMPROVED &&
	     finding->state != FG_VERDICT_INCONCLUSIVE))
		return 0;
	finding->state = FG_VERDICT_PASSED;
	free(finding->note);
	finding->note = NULL;
	return fg_str_dup("moved, not a cost: CPU per request did not change with it",
			  &finding->note, err);
}

static int note_ungated(const struct pair *pair, struct fg_finding *finding, struct fg_err *err)
{
	const struct fg_cost_row *row = pair->head ? pair->head : pair->base;
	bool ambiguous =
		(pair->base && pair->base->ambiguous) || (pair->head && pair->head->ambiguous);

	if ((!pair->base || pair->base->gated) && (!pair->head || pair->head->gated))
		return 0;
	return fg_str_dup(ambiguous     ? "several functions share this name: not judged"
			  : row->kernel ? "a single kernel function: not judged"
					: "unnamed code: not judged",
			  &finding->note, err);
}

static int judge_pair(struct fg_comparison *comparison, const struct side *base,
		      const struct side *head, const struct pair *pair, double critical,
		      struct fg_finding *finding, struct fg_err *err)
{
	struct fg_effect_test test = {
		.rule = pair->rule,
		.base = cost_ns(base, pair->base, pair->measure, 0.5),
		.head = cost_ns(head, pair->head, pair->measure, 0.5),
		.within_se = sqrt(share_variance(base, pair->base, pair->measure) +
				  share_variance(head, pair->head, pair->measure) +
				  comparison->cpu_se * comparison->cpu_se),
		.between_sd = function_moment_sd,
		.critical = critical,
	};
	int rc = name_finding(pair, finding, err);

	/* small functions have wide intervals; see the head of verdict_effect.c */
	test.usual_sd = hypot(test.within_se, test.between_sd);
	test.decisive = pair->rule && strcmp(pair->rule->function_pattern, "*") != 0;
	if (rc == 0)
		rc = fg_verdict_judge(&test, finding, err);
	if (rc)
		return rc;
	finding->unit = "ns";
	finding->base = cost_ns(base, pair->base, pair->measure, 0);
	finding->head = cost_ns(head, pair->head, pair->measure, 0);
	finding->base_samples = samples_of(pair->base, pair->measure);
	finding->head_samples = samples_of(pair->head, pair->measure);
	if (finding->base_samples == 0)
		finding->effect = NAN; /* new: the interval stands, a ratio does not */
	if (!pair->rule)
		return note_ungated(pair, finding, err);
	return filter_moved(comparison, finding, err);
}

static int compare_deltas(const void *a, const void *b)
{
	const struct fg_finding *x = a;
	const struct fg_finding *y = b;
	double dx = fabs(x->head - x->base);
	double dy = fabs(y->head - y->base);

	if (dx < dy || dx > dy)
		return dx < dy ? 1 : -1;
	return strcmp(x->what, y->what);
}

/* What a function of 5 % share would have had to gain, at this many samples and tests. */
static double detectable(const struct fg_comparison *comparison, const struct side *base,
			 const struct side *head, const struct fg_rule *rule, double critical)
{
	struct fg_finding finding = {0};
	double share = 0.05;
	struct fg_effect_test test = {
		.rule = rule,
		.base = 1,
		.head = 1,
		.within_se = sqrt((1 - share) / share / (double)base->cost->samples +
				  (1 - share) / share / (double)head->cost->samples +
				  comparison->cpu_se * comparison->cpu_se),
		.between_sd = function_moment_sd,
		.critical = critical,
	};

	if (fg_verdict_judge(&test, &finding, NULL))
		return NAN;
	free(finding.note);
	return finding.detectable;
}

static int judge_pairs(struct fg_comparison *comparison, const struct side *base,
		       const struct side *head, const struct pairs *pairs, struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	const struct fg_rule *some_rule = NULL;
	size_t tests = 0;
	int rc = 0;

	for (size_t i = 0; i < pairs->count; i++) {
		tests += pairs->items[i].rule != NULL;
		if (pairs->items[i].rule)
			some_rule = pairs->items[i].rule;
	}
	double critical = fg_stats_critical(FG_VERDICT_ALPHA, tests);

	for (size_t i = 0; i < pairs->count && rc == 0; i++) {
		struct fg_finding finding = {0};

		rc = FG_VEC_ROOM(verdict, functions, function_count, function_capacity,
				 FG_VERDICT_FINDINGS_MAX, err);
		if (rc == 0)
			rc = judge_pair(comparison, base, head, &pairs->items[i], critical,
					&finding, err);
		if (rc)
			fg_verdict_finding_done(&finding);
		else
			verdict->functions[verdict->function_count++] = finding;
	}
	if (rc == 0 && some_rule)
		comparison->function_detectable =
			detectable(comparison, base, head, some_rule, critical);
	if (verdict->function_count > 1)
		qsort(verdict->functions, verdict->function_count, sizeof(*verdict->functions),
		      compare_deltas);
	return rc;
}

int fg_verdict_functions(struct fg_comparison *comparison, struct fg_err *err)
{
	struct side base = {0}, head = {0};
	struct pairs pairs = {0};
	bool usable = false;
	int rc = profiles_usable(comparison, &usable, err);

	if (rc || !usable)
		return rc;
	rc = side_init(&base, comparison->base, comparison->base_profile,
		       comparison->cpu_base_ns * fg_result_sampled_share(comparison->base), err);
	if (rc == 0)
		rc = side_init(&head, comparison->head, comparison->head_profile,
			       comparison->cpu_head_ns * fg_result_sampled_share(comparison->head),
			       err);
	if (rc == 0 && FG_MIN(base.cost->samples, head.cost->samples) < FG_VERDICT_MIN_SAMPLES) {
		comparison->functions_unjudged = true;
		rc = fg_verdict_note(comparison->verdict, err,
				     "functions not judged: only %llu and %llu samples in the "
				     "measured phase, each needs %d",
				     (unsigned long long)base.cost->samples,
				     (unsigned long long)head.cost->samples,
				     FG_VERDICT_MIN_SAMPLES);
	} else if (rc == 0) {
		rc = join(comparison->gate, &base, &head, &pairs, err);
		if (rc == 0)
			rc = judge_pairs(comparison, &base, &head, &pairs, err);
		if (rc == 0)
			rc = note_unmatched(comparison, &base, &head, err);
	}
	free(pairs.items);
	side_done(&base);
	side_done(&head);
	return rc;
}
