/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One quantity, two runs from different moments → an effect, its interval and a state.
 *
 * The interval is of log(head/base). Its variance has two parts: what the blocks inside the runs
 * show, and what the moment adds, which no statistics inside one run can see ("a block bootstrap
 * cannot rescue two runs made at different times", regression-stats.md §3.1). The second part is
 * therefore a measured constant: sd of log(B/A) of identical servers one minute apart, 5.2 % for
 * CPU per request and 46 / 200 / 229 % for p50 / p95 / p99.
 *
 *   regressed     the whole 99 % interval lies beyond max(rule's limit, 25 %)
 *   improved      likewise on the good side
 *   passed        the one-sided 95 % bound stays below that limit (β = 5 %, §4 Stopping)
 *   inconclusive  otherwise
 *
 * Tail latency has intervals so wide that nothing could ever be cleared, and "inconclusive" after
 * every comparison would be noise of its own. Where usual_sd is set, a finding is therefore only
 * inconclusive when it looks worse by more than the run's own fluctuation explains
 * (limit + usual_sd); otherwise it passes, claims nothing, and its detectable effect is printed.
 */
#include "gate/judge/verdict_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

/* Kind-4 evidence may not fail on less (design §8). */
static const double floor_ratio = 0.25;
static const double floor_points = 0.01;
/* One-sided 95 %: for passing, and for the power of "detectable". */
static const double pass_critical = 1.6449;

double fg_verdict_quantile_sd(double percentile)
{
	/* measured at 50, 95 and 99 (§3.1); between them linear, outside held */
	static const struct {
		double percentile, sd;
	} known[] = {{50, 0.46}, {95, 2.00}, {99, 2.29}, {100, 2.50}};

	if (percentile <= known[0].percentile)
		return known[0].sd;
	for (size_t i = 1; i < FG_ARRAY_LEN(known); i++) {
		double width = known[i].percentile - known[i - 1].percentile;
		double part = (percentile - known[i - 1].percentile) / width;

		if (percentile <= known[i].percentile)
			return known[i - 1].sd + part * (known[i].sd - known[i - 1].sd);
	}
	return known[FG_ARRAY_LEN(known) - 1].sd;
}

/* Limits on the scale of the test: log for ratios. Infinite where the rule sets none. */
struct limits {
	double up, down; /* both positive: head may be this much above, below */
};

static struct limits limits_of(const struct fg_effect_test *test)
{
	double smallest = test->points ? floor_points : floor_ratio;
	struct limits limits = {INFINITY, INFINITY};

	if (test->rule && test->rule->max_increase >= 0)
		limits.up = FG_MAX(test->rule->max_increase, smallest);
	if (test->rule && test->rule->max_decrease >= 0)
		limits.down = FG_MAX(test->rule->max_decrease, smallest);
	if (!test->points) {
		limits.up = log1p(limits.up);
		/* a fall by 100 % or more cannot be exceeded */
		limits.down = limits.down < 1 ? -log1p(-limits.down) : INFINITY;
	}
	return limits;
}

static enum fg_verdict_state state_of(const struct fg_effect_test *test,
				      const struct limits *limits, double effect, double se)
{
	double reach = test->critical * se;
	double pass_reach = pass_critical * se;

	if (effect - reach > limits->up || effect + reach < -limits->down)
		return FG_VERDICT_REGRESSED;
	if (isinf(limits->down) && effect + reach < -limits->up)
		return FG_VERDICT_IMPROVED;
	if (isinf(limits->up) && effect - reach > limits->down)
		return FG_VERDICT_IMPROVED;
	if (test->usual_sd > 0) {
		if (effect - test->usual_sd > limits->up || effect + test->usual_sd < -limits->down)
			return FG_VERDICT_INCONCLUSIVE;
		return FG_VERDICT_PASSED;
	}
	if (effect + pass_reach < limits->up && effect - pass_reach > -limits->down)
		return FG_VERDICT_PASSED;
	return FG_VERDICT_INCONCLUSIVE;
}

static double outward(const struct fg_effect_test *test, double on_scale)
{
	return test->points ? on_scale : expm1(on_scale);
}

static void set_limits(const struct fg_effect_test *test, const struct limits *limits, double se,
		       struct fg_finding *finding)
{
	double reach = (test->critical + pass_critical) * se;

	if (!isinf(limits->up)) {
		finding->rule_limit = test->rule->max_increase;
		finding->limit = outward(test, limits->up);
		finding->detectable = outward(test, limits->up + reach);
	} else if (!isinf(limits->down)) {
		finding->rule_limit = -test->rule->max_decrease;
		finding->limit = outward(test, -limits->down);
		finding->detectable = outward(test, -limits->down - reach);
	}
}

static double effect_of(const struct fg_effect_test *test)
{
	if (test->points)
		return test->head - test->base;
	/* none on either side is no change */
	if (!(test->head > 0) && !(test->base > 0))
		return 0.0;
	return log(test->head / test->base);
}

static bool below_min_delta(const struct fg_effect_test *test)
{
	return test->rule && test->rule->min_delta_ns > 0 && !test->points &&
	       fabs(test->head - test->base) < test->rule->min_delta_ns;
}

int fg_verdict_judge(const struct fg_effect_test *test, struct fg_finding *finding,
		     struct fg_err *err)
{
	double se = hypot(test->within_se, test->between_sd);
	struct limits limits = limits_of(test);
	double effect = effect_of(test);

	finding->base = test->base;
	finding->head = test->head;
	finding->ruled = test->rule != NULL;
	finding->level = test->rule ? test->rule->level : FG_LEVEL_OFF;
	finding->effect = finding->low = finding->high = NAN;
	finding->rule_limit = finding->limit = finding->detectable = NAN;
	finding->decisive = test->decisive;
	if (isfinite(effect)) {
		finding->effect = outward(test, effect);
		finding->low = outward(test, effect - test->critical * se);
		finding->high = outward(test, effect + test->critical * se);
	}
	set_limits(test, &limits, se, finding);
	if (test->cannot) {
		finding->state = FG_VERDICT_INCONCLUSIVE;
		return fg_str_dup(test->cannot, &finding->note, err);
	}
	if (!isfinite(effect)) {
		finding->state = FG_VERDICT_INCONCLUSIVE;
		return fg_str_dup("one side has no value", &finding->note, err);
	}
	if (!test->rule || below_min_delta(test)) {
		finding->state = FG_VERDICT_PASSED;
		return 0;
	}
	finding->state = state_of(test, &limits, effect, se);
	return 0;
}

/* -- texts --------------------------------------------------------------------------------------
 */

/* "2.6" below ten, "26" above: three digits say more than is known. */
static const char *percent(double fraction, bool sign, char buffer[FG_NUM_TEXT_MAX])
{
	double value = 100.0 * fraction;
	int decimals = fabs(value) < 9.95 && value != 0.0 ? 1 : 0;

	if (decimals == 1 && fabs(value - round(value)) < 0.05)
		decimals = sign ? 1 : 0;
	(void)snprintf(buffer, FG_NUM_TEXT_MAX, sign ? "%+.*f" : "%.*f", decimals, value);
	return buffer;
}

/* "×0.16", "×4.3", "×640": of a factor. Beyond a thousand the number says no more than that. */
static const char *factor(double value, char buffer[FG_NUM_TEXT_MAX])
{
	if (value < 0.001)
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "≤×0.001");
	else if (value > 1000)
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "≥×1000");
	else
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, value < 9.95 ? "×%.2g" : "×%.0f", value);
	return buffer;
}

static void replace_minus(char *text, size_t size_bytes)
{
	char *minus;

	/* the typographic minus, as in the rest of the output */
	while ((minus = strchr(text, '-')) && strlen(text) + 3 < size_bytes) {
		memmove(minus + 3, minus + 1, strlen(minus));
		memcpy(minus, "−", 3);
	}
}

const char *fg_finding_effect_text(const struct fg_finding *finding,
				   char buffer[FG_FINDING_TEXT_MAX])
{
	bool points = strcmp(finding->unit, "ratio") == 0;
	char effect[FG_NUM_TEXT_MAX], low[FG_NUM_TEXT_MAX], high[FG_NUM_TEXT_MAX];

	if (!isfinite(finding->effect)) {
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s",
			       finding->head > 0 ? "new" : "no data");
		return buffer;
	}
	if (!points && finding->effect >= 9.995)
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s [%s, %s]",
			       factor(1.0 + finding->effect, effect),
			       factor(1.0 + finding->low, low), factor(1.0 + finding->high, high));
	else if (!points && finding->high >= 9.995)
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s %% [%s, %s]",
			       percent(finding->effect, true, effect),
			       factor(1.0 + finding->low, low), factor(1.0 + finding->high, high));
	else
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s %s [%s, %s]",
			       percent(finding->effect, true, effect), points ? "points" : "%",
			       percent(finding->low, false, low),
			       percent(finding->high, false, high));
	replace_minus(buffer, FG_FINDING_TEXT_MAX);
	return buffer;
}

const char *fg_finding_limit_text(const struct fg_finding *finding,
				  char buffer[FG_FINDING_TEXT_MAX])
{
	const char *unit = strcmp(finding->unit, "ratio") == 0 ? "points" : "%";
	char rule[FG_NUM_TEXT_MAX], applied[FG_NUM_TEXT_MAX];

	buffer[0] = '\0';
	if (!isfinite(finding->rule_limit))
		return buffer;
	(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s %s",
		       percent(finding->rule_limit, false, rule), unit);
	if (fabs(finding->limit) > fabs(finding->rule_limit) * 1.001) {
		size_t used = strlen(buffer);

		(void)snprintf(buffer + used, FG_FINDING_TEXT_MAX - used,
			       ", %s %s between runs from different moments",
			       percent(finding->limit, false, applied), unit);
	}
	replace_minus(buffer, FG_FINDING_TEXT_MAX);
	return buffer;
}

const char *fg_finding_value_text(const struct fg_finding *finding, double value,
				  char buffer[FG_FINDING_TEXT_MAX])
{
	char text[FG_NUM_TEXT_MAX];

	if (!isfinite(value))
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "–");
	else if (strcmp(finding->unit, "ns") == 0)
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%s", fg_num_format_ns(value, text));
	else if (strcmp(finding->unit, "ratio") == 0)
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%.2f %%", 100.0 * value);
	else
		(void)snprintf(buffer, FG_FINDING_TEXT_MAX, "%.1f%s", value, finding->unit);
	return buffer;
}
