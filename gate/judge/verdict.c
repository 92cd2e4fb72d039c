/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How findings become one verdict.
 *
 *   invalid, incomparable   decided before anything is compared (verdict_compare.c)
 *   regressed    a rule of level error is broken
 *   inconclusive a decisive finding is: CPU per request, a rule that somebody wrote and that has
 *                no data, or a latency that looks worse than its own fluctuation explains; or
 *                nothing at all could be judged
 *   warned       a rule of level warn is broken
 *   improved     a judged quantity is better by more than its limit, none is worse
 *   passed       otherwise; what could not be judged stands in `notes`, and `could_see` says how
 *                large an effect would have had to be
 *
 * A pass therefore never rests on missing data in silence: no CPU on one side, too few requests or
 * a rule without its data is inconclusive; a profile that is not good enough leaves the functions
 * unjudged and says so.
 */
#include "gate/judge/verdict_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

static const char *const state_names[] = {
	[FG_VERDICT_PASSED] = "passed",
	[FG_VERDICT_IMPROVED] = "improved",
	[FG_VERDICT_WARNED] = "warned",
	[FG_VERDICT_REGRESSED] = "regressed",
	[FG_VERDICT_INCONCLUSIVE] = "inconclusive",
	[FG_VERDICT_INCOMPARABLE] = "incomparable",
	[FG_VERDICT_INVALID] = "invalid",
	[FG_VERDICT_NO_BASELINE] = "no-baseline",
};
static_assert(FG_ARRAY_LEN(state_names) == FG_VERDICT_STATE_COUNT, "one word per state");

const char *fg_verdict_state_name(enum fg_verdict_state state)
{
	return state_names[state];
}

int fg_verdict_text(char **ret, struct fg_err *err, const char *format, ...)
{
	struct fg_buf buf;
	va_list args;

	fg_buf_init(&buf, 64 << 10);
	va_start(args, format);
	fg_buf_addv(&buf, format, args);
	va_end(args);
	int rc = fg_buf_check(&buf, err);
	char *text = rc ? NULL : fg_buf_take(&buf, NULL);

	fg_buf_done(&buf);
	if (rc == 0 && !text)
		rc = fg_err_nomem(err);
	if (rc == 0)
		*ret = text;
	return rc;
}

int fg_verdict_note(struct fg_verdict *verdict, struct fg_err *err, const char *format, ...)
{
	struct fg_buf buf;
	va_list args;
	int rc = FG_VEC_ROOM(verdict, notes, note_count, note_capacity, FG_VERDICT_NOTES_MAX, err);

	if (rc)
		return rc;
	fg_buf_init(&buf, 64 << 10);
	va_start(args, format);
	fg_buf_addv(&buf, format, args);
	va_end(args);
	rc = fg_buf_check(&buf, err);
	char *text = rc ? NULL : fg_buf_take(&buf, NULL);

	fg_buf_done(&buf);
	if (rc == 0 && !text)
		rc = fg_err_nomem(err);
	if (rc == 0)
		verdict->notes[verdict->note_count++] = text;
	return rc;
}

void fg_verdict_finding_done(struct fg_finding *finding)
{
	free(finding->what);
	free(finding->where);
	free(finding->note);
}

static void findings_free(struct fg_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fg_verdict_finding_done(&findings[i]);
	free(findings);
}

void fg_verdict_free(struct fg_verdict *verdict)
{
	if (!verdict)
		return;
	findings_free(verdict->latency, verdict->latency_count);
	findings_free(verdict->functions, verdict->function_count);
	findings_free(verdict->totals, verdict->total_count);
	for (size_t i = 0; i < verdict->note_count; i++)
		free(verdict->notes[i]);
	free(verdict->notes);
	free(verdict->headline);
	free(verdict->reason);
	free(verdict->could_see);
	free(verdict);
}

/* -- one state ----------------------------------------------------------------------------------
 */

/* What the findings say together; the first (worst) of each kind is kept for the headline. */
struct tally {
	const struct fg_finding *regressed, *warned, *inconclusive, *improved;
	size_t judged, unjudged;
};

/* Where the first finding of this kind is kept; NULL if it does not decide anything. */
static const struct fg_finding **tally_place(struct tally *tally, const struct fg_finding *one,
					     bool wide)
{
	bool error = one->level == FG_LEVEL_ERROR;

	switch (one->state) {
	case FG_VERDICT_REGRESSED:
		return error ? &tally->regressed : &tally->warned;
	case FG_VERDICT_IMPROVED:
		return &tally->improved;
	case FG_VERDICT_INCONCLUSIVE:
		if (error && (one->decisive || (wide && !one->note)))
			return &tally->inconclusive;
		return NULL;
	default:
		return NULL;
	}
}

static void tally_add(struct tally *tally, const struct fg_finding *findings, size_t count,
		      bool wide)
{
	for (size_t i = 0; i < count; i++) {
		const struct fg_finding *one = &findings[i];

		if (!one->ruled)
			continue;
		if (one->state == FG_VERDICT_INCONCLUSIVE && one->note)
			tally->unjudged++;
		else
			tally->judged++;
		const struct fg_finding **place = tally_place(tally, one, wide);

		if (place && !*place)
			*place = one;
	}
}

static bool names_functions(const struct fg_gate *gate)
{
	for (size_t i = 0; i < gate->rule_count; i++) {
		const struct fg_rule *rule = &gate->rules[i];

		if (rule->kind == FG_RULE_FUNCTION && rule->level == FG_LEVEL_ERROR &&
		    !rule->is_default)
			return true;
	}
	return false;
}

static enum fg_verdict_state decide(const struct fg_comparison *comparison,
				    const struct tally *tally)
{
	if (tally->regressed)
		return FG_VERDICT_REGRESSED;
	if (tally->inconclusive || tally->judged == 0)
		return FG_VERDICT_INCONCLUSIVE;
	if (comparison->functions_unjudged && names_functions(comparison->gate))
		return FG_VERDICT_INCONCLUSIVE;
	if (tally->warned)
		return FG_VERDICT_WARNED;
	return tally->improved ? FG_VERDICT_IMPROVED : FG_VERDICT_PASSED;
}

static enum fg_outcome outcome_of(const struct fg_gate *gate, enum fg_verdict_state state)
{
	switch (state) {
	case FG_VERDICT_REGRESSED:
		return FG_OUTCOME_REGRESSED;
	case FG_VERDICT_INCONCLUSIVE:
		return gate->on_inconclusive == FG_LEVEL_ERROR ? FG_OUTCOME_INCONCLUSIVE
							       : FG_OUTCOME_PASSED;
	case FG_VERDICT_INCOMPARABLE:
		return gate->on_incomparable == FG_LEVEL_ERROR ? FG_OUTCOME_INCONCLUSIVE
							       : FG_OUTCOME_PASSED;
	case FG_VERDICT_INVALID:
		return gate->on_invalid == FG_LEVEL_ERROR ? FG_OUTCOME_INVALID_MEASUREMENT
							  : FG_OUTCOME_PASSED;
	case FG_VERDICT_NO_BASELINE:
		return gate->on_missing_baseline == FG_LEVEL_ERROR ? FG_OUTCOME_NO_BASELINE
								   : FG_OUTCOME_PASSED;
	default:
		return FG_OUTCOME_PASSED;
	}
}

/* -- the cause ----------------------------------------------------------------------------------
 */

/* Whether a function may be called the cause of `rise`: judged or only shown, but no name that
 * cannot be trusted, and nothing that was mostly moved from elsewhere. */
static bool may_be_cause(const struct fg_finding *one, double rise)
{
	double own = one->head - one->base;

	return !one->note && own > 0 && rise >= 0.5 * own;
}

/* The function whose own code took most of the rise; if none took half of it, the smallest total
 * that contains nearly all of it, that is the deepest common caller of what rose. A rule on the
 * function is not needed: the rule made the run red, the cause is what rose. */
static const struct fg_finding *find_cause(const struct fg_comparison *comparison)
{
	const struct fg_verdict *verdict = comparison->verdict;
	double rise = comparison->cpu_head_ns - comparison->cpu_base_ns;
	const struct fg_finding *self = NULL, *total = NULL;

	for (size_t i = 0; i < verdict->function_count; i++) {
		const struct fg_finding *one = &verdict->functions[i];
		double own = one->head - one->base;
		bool is_self = fg_str_ends_with(one->what, "(self)");

		if (!may_be_cause(one, rise))
			continue;
		if (is_self && own >= 0.5 * rise && (!self || own > self->head - self->base))
			self = one;
		if (!is_self && own >= 0.8 * rise && (!total || one->head < total->head))
			total = one;
	}
	return self ? self : total;
}

static bool is_one_of(const struct fg_finding *one, const struct fg_finding *list, size_t count)
{
	return count > 0 && one >= list && one < list + count;
}

static const struct fg_finding *find_root(const struct fg_comparison *comparison,
					  const struct tally *tally)
{
	const struct fg_verdict *verdict = comparison->verdict;
	const struct fg_finding *red = tally->regressed;

	if (!red)
		return NULL;
	if (is_one_of(red, verdict->totals, verdict->total_count))
		return find_cause(comparison);
	/* a caller's total: what it called may be the reason */
	if (is_one_of(red, verdict->functions, verdict->function_count) &&
	    fg_str_ends_with(red->what, "(total)")) {
		const struct fg_finding *cause = find_cause(comparison);

		return cause ? cause : red;
	}
	return red;
}

/* -- what it could have seen --------------------------------------------------------------------
 */

/* "+31 %" below tenfold, "×12" above. */
static void add_size(struct fg_buf *out, double effect)
{
	if (effect < 9.995)
		fg_buf_addf(out, "+%.0f %%", 100.0 * effect);
	else
		fg_buf_addf(out, "×%.2g", 1.0 + effect);
}

/* The smallest detectable effect over the classes for one percentile; infinite if not ruled. */
static double best_latency(const struct fg_verdict *verdict, const char *prefix)
{
	double best = INFINITY;

	for (size_t i = 0; i < verdict->latency_count; i++) {
		const struct fg_finding *one = &verdict->latency[i];

		if (one->ruled && !(one->state == FG_VERDICT_INCONCLUSIVE && one->note) &&
		    one->detectable > 0 && fg_str_starts_with(one->what, prefix))
			best = FG_MIN(best, one->detectable);
	}
	return best;
}

static int say_could_see(struct fg_comparison *comparison, struct fg_err *err)
{
	static const char *const percentiles[] = {"p50 ", "p95 ", "p99 "};
	struct fg_verdict *verdict = comparison->verdict;
	struct fg_buf out;
	const char *comma = "";
	int rc = 0;

	fg_buf_init(&out, 4096);
	if (verdict->total_count > 0 && verdict->totals[0].detectable > 0) {
		fg_buf_add_str(&out, "cpu per request ≥ ");
		add_size(&out, verdict->totals[0].detectable);
		comma = ", ";
	}
	if (isfinite(comparison->function_detectable)) {
		fg_buf_addf(&out, "%sa function of 5 %% ≥ ", comma);
		add_size(&out, comparison->function_detectable);
		comma = ", ";
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(percentiles); i++) {
		double best = best_latency(verdict, percentiles[i]);

		if (isinf(best))
			continue;
		fg_buf_addf(&out, "%s%.3s ", comma, percentiles[i]);
		if (best < 99) {
			fg_buf_add_str(&out, "≥ ");
			add_size(&out, best);
		} else {
			fg_buf_add_str(&out, "only beyond ×100");
		}
		comma = ", ";
	}
	rc = fg_buf_check(&out, err);
	if (rc == 0 && out.len > 0)
		rc = fg_str_dup(out.data, &verdict->could_see, err);
	fg_buf_done(&out);
	return rc;
}

/* Latency parts that could not be judged: one line for all of them. */
static int note_unjudged(struct fg_verdict *verdict, struct fg_err *err)
{
	const struct fg_finding *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < verdict->latency_count; i++) {
		const struct fg_finding *one = &verdict->latency[i];

		if (!one->ruled || one->state != FG_VERDICT_INCONCLUSIVE || !one->note)
			continue;
		if (!first)
			first = one;
		count++;
	}
	if (count == 0)
		return 0;
	if (count == 1)
		return fg_verdict_note(verdict, err, "not judged: %s (%s)", first->what,
				       first->note);
	return fg_verdict_note(verdict, err, "not judged: %s (%s) and %zu more", first->what,
			       first->note, count - 1);
}

/* -- the first line -----------------------------------------------------------------------------
 */

static int headline_of_finding(struct fg_verdict *verdict, const struct fg_finding *finding,
			       const char *verb, struct fg_err *err)
{
	char effect[FG_FINDING_TEXT_MAX], limit[FG_FINDING_TEXT_MAX], base[FG_FINDING_TEXT_MAX];

	assert(finding); /* decide() took the state from it */
	return fg_verdict_text(&verdict->headline, err, "%s %s of %s, %s %s", finding->what,
			       fg_finding_effect_text(finding, effect),
			       fg_finding_value_text(finding, finding->base, base), verb,
			       fg_finding_limit_text(finding, limit));
}

static bool every_rule_is_off(const struct fg_gate *gate)
{
	for (size_t i = 0; i < gate->rule_count; i++) {
		if (gate->rules[i].level != FG_LEVEL_OFF)
			return false;
	}
	return true;
}

static int say_inconclusive(const struct fg_comparison *comparison, const struct tally *tally,
			    struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	const struct fg_finding *one = tally->inconclusive;
	const char *why = "no rule could be judged";

	/* without a finding it is a missing part, and its note says which */
	for (size_t i = 0; i < verdict->note_count; i++) {
		if (i == 0 || fg_str_starts_with(verdict->notes[i], "functions not judged"))
			why = verdict->notes[i];
	}
	if (every_rule_is_off(comparison->gate))
		why = "no rule could be judged: every one is off";
	if (!one)
		return fg_str_dup(why, &verdict->headline, err);
	if (one->note)
		return fg_verdict_text(&verdict->headline, err, "%s: %s", one->what, one->note);
	return headline_of_finding(verdict, one, "against", err);
}

static int say_headline(const struct fg_comparison *comparison, const struct tally *tally,
			struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;

	switch (verdict->state) {
	case FG_VERDICT_REGRESSED:
		return headline_of_finding(verdict, tally->regressed, "tolerated", err);
	case FG_VERDICT_WARNED:
		return headline_of_finding(verdict, tally->warned, "tolerated", err);
	case FG_VERDICT_IMPROVED:
		return headline_of_finding(verdict, tally->improved, "beyond", err);
	case FG_VERDICT_INCONCLUSIVE:
		return say_inconclusive(comparison, tally, err);
	case FG_VERDICT_PASSED:
		return fg_verdict_text(
			&verdict->headline, err, "%s",
			verdict->total_count > 0
				? "nothing rose beyond its tolerance"
				: "no gross change of latency; CPU was not measured");
	default:
		return fg_str_dup(verdict->reason ? verdict->reason : "", &verdict->headline, err);
	}
}

static int compare_all(struct fg_comparison *comparison, struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	struct tally tally = {0};
	bool refused = false;
	int rc = fg_verdict_refuse(comparison, &refused, err);

	if (rc || refused)
		return rc ? rc : say_headline(comparison, &tally, err);
	rc = fg_verdict_totals(comparison, err);
	if (rc == 0)
		rc = fg_verdict_latency(comparison, err);
	if (rc == 0)
		rc = fg_verdict_functions(comparison, err);
	if (rc == 0)
		rc = note_unjudged(verdict, err);
	if (rc == 0)
		rc = say_could_see(comparison, err);
	if (rc)
		return rc;
	tally_add(&tally, verdict->totals, verdict->total_count, false);
	tally_add(&tally, verdict->functions, verdict->function_count, false);
	tally_add(&tally, verdict->latency, verdict->latency_count, true);
	verdict->state = decide(comparison, &tally);
	verdict->root = find_root(comparison, &tally);
	/* of several red functions the first line names the root, not a caller of it */
	if (verdict->root &&
	    is_one_of(tally.regressed, verdict->functions, verdict->function_count) &&
	    verdict->root->ruled && verdict->root->state == FG_VERDICT_REGRESSED &&
	    verdict->root->level == FG_LEVEL_ERROR)
		tally.regressed = verdict->root;
	return say_headline(comparison, &tally, err);
}

int fg_verdict_compare(const struct fg_bundle *base, const struct fg_bundle *head,
		       const struct fg_gate *gate, struct fg_verdict **ret, struct fg_err *err)
{
	struct fg_gate with_defaults = *gate;
	struct fg_comparison comparison = {.base = base->result,
					   .head = head->result,
					   .base_profile = base->profile,
					   .head_profile = head->profile,
					   .gate = &with_defaults,
					   .function_detectable = NAN};
	int rc = 0;

	comparison.verdict = calloc(1, sizeof(*comparison.verdict));
	if (!comparison.verdict)
		return fg_err_nomem(err);
	comparison.verdict->evidence = FG_EVIDENCE_NUMBERS;
	if (gate->rule_count == 0) {
		with_defaults.rules = NULL;
		with_defaults.rule_capacity = 0;
		rc = fg_gate_add_default_rules(&with_defaults, err);
	}
	if (rc == 0)
		rc = compare_all(&comparison, err);
	if (gate->rule_count == 0)
		fg_gate_done(&with_defaults);
	if (rc) {
		fg_verdict_free(comparison.verdict);
		return rc;
	}
	comparison.verdict->outcome = outcome_of(gate, comparison.verdict->state);
	*ret = comparison.verdict;
	return 0;
}

int fg_verdict_no_baseline(const struct fg_gate *gate, const char *reason, struct fg_verdict **ret,
			   struct fg_err *err)
{
	struct fg_verdict *verdict = calloc(1, sizeof(*verdict));

	if (!verdict)
		return fg_err_nomem(err);
	verdict->state = FG_VERDICT_NO_BASELINE;
	verdict->evidence = FG_EVIDENCE_NUMBERS;
	verdict->outcome = outcome_of(gate, verdict->state);
	int rc = fg_str_dup(reason, &verdict->reason, err);

	if (rc == 0)
		rc = fg_str_dup(reason, &verdict->headline, err);
	if (rc) {
		fg_verdict_free(verdict);
		return rc;
	}
	*ret = verdict;
	return 0;
}
