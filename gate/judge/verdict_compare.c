/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold before two runs are compared at all, and the comparison of CPU per request.
 *
 * Invalid: a side's measurement is bad or was cut short. Incomparable: another machine class (CPU
 * model, architecture, kernel major, cores; design §8) or another load (classes, scenario hash).
 */
#include "gate/judge/verdict_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

/* sd of log(B/A) of CPU per request of identical servers a minute apart (§2.8). */
static const double cpu_moment_sd = 0.052;
/* What is assumed inside a run that is too short to show it. */
static const double cpu_unknown_se = 0.10;

static int check_valid(const char *side, const struct fg_result *result, char **ret,
		       struct fg_err *err)
{
	if (result->invalid_reason)
		return fg_verdict_text(ret, err, "%s: %s", side, result->invalid_reason);
	if (result->status != FG_RUN_COMPLETED)
		return fg_verdict_text(ret, err, "%s run was not completed: %s", side,
				       fg_run_status_name(result->status));
	return 0;
}

static size_t kernel_major_len(const char *kernel)
{
	size_t len = 0;

	while (isdigit((unsigned char)kernel[len]))
		len++;
	return len;
}

static int check_machine(const struct fg_environment *base, const struct fg_environment *head,
			 char **ret, struct fg_err *err)
{
	size_t a = kernel_major_len(base->kernel);
	size_t b = kernel_major_len(head->kernel);

	if (strcmp(base->cpu_model, head->cpu_model) != 0)
		return fg_verdict_text(ret, err, "cpuModel %s ≠ %s", base->cpu_model,
				       head->cpu_model);
	if (strcmp(base->architecture, head->architecture) != 0)
		return fg_verdict_text(ret, err, "architecture %s ≠ %s", base->architecture,
				       head->architecture);
	if (a != b || strncmp(base->kernel, head->kernel, a) != 0)
		return fg_verdict_text(ret, err, "kernelMajor %.*s ≠ %.*s", (int)a, base->kernel,
				       (int)b, head->kernel);
	if (base->cores != head->cores)
		return fg_verdict_text(ret, err, "cores %u ≠ %u", base->cores, head->cores);
	return 0;
}

static bool has_class(const struct fg_registry *registry, const struct fg_registry *other,
		      const struct fg_class *wanted)
{
	for (size_t i = 0; i < registry->class_count; i++) {
		const struct fg_class *have = &registry->classes[i];

		if (strcmp(have->name, wanted->name) == 0 &&
		    strcmp(have->group, wanted->group) == 0 &&
		    strcmp(registry->scenarios[have->scenario].name,
			   other->scenarios[wanted->scenario].name) == 0)
			return true;
	}
	return false;
}

/* Names the first class that only one side has. */
static int check_classes(const struct fg_registry *base, const struct fg_registry *head, char **ret,
			 struct fg_err *err)
{
	for (size_t i = 0; i < base->class_count; i++) {
		const struct fg_class *one = &base->classes[i];

		if (!has_class(head, base, one))
			return fg_verdict_text(ret, err, "only base requests \"%s\" in scenario %s",
					       one->name, base->scenarios[one->scenario].name);
	}
	for (size_t i = 0; i < head->class_count; i++) {
		const struct fg_class *one = &head->classes[i];

		if (!has_class(base, head, one))
			return fg_verdict_text(ret, err, "only head requests \"%s\" in scenario %s",
					       one->name, head->scenarios[one->scenario].name);
	}
	return 0;
}

/* What cost CPU per request is not known of a recording, and CPU per second moves with the load:
 * two of them are for looking at. */
static int check_recordings(const struct fg_result *base, const struct fg_result *head, char **ret,
			    struct fg_err *err)
{
	const bool is_base = fg_result_is_recording(base), is_head = fg_result_is_recording(head);

	if (is_base && is_head)
		return fg_verdict_text(
			ret, err,
			"both are recordings of flamegate profile: without requests "
			"nobody knows how much work was done; look at the difference "
			"with flamegate flame HEAD --base BASE -o svg=FILE");
	if (is_base || is_head)
		return fg_verdict_text(ret, err,
				       "%s is a recording of flamegate profile and has no requests",
				       is_base ? "base" : "head");
	return 0;
}

static int check_load(const struct fg_result *base, const struct fg_result *head, char **ret,
		      struct fg_err *err)
{
	int rc = check_recordings(base, head, ret, err);

	if (rc || *ret)
		return rc;
	rc = check_classes(&base->registry, &head->registry, ret, err);

	if (rc || *ret)
		return rc;
	if (strcmp(base->scenario_hash, head->scenario_hash) != 0)
		return fg_verdict_text(ret, err,
				       "the scenario changed (%.8s ≠ %.8s): rates, durations or "
				       "requests differ",
				       base->scenario_hash[0] ? base->scenario_hash : "none",
				       head->scenario_hash[0] ? head->scenario_hash : "none");
	return 0;
}

int fg_verdict_refuse(struct fg_comparison *comparison, bool *ret, struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	const struct fg_result *base = comparison->base;
	const struct fg_result *head = comparison->head;
	int rc = check_valid("base", base, &verdict->reason, err);

	*ret = false;
	if (rc == 0 && !verdict->reason)
		rc = check_valid("head", head, &verdict->reason, err);
	if (rc)
		return rc;
	if (verdict->reason) {
		verdict->state = FG_VERDICT_INVALID;
		*ret = true;
		return 0;
	}
	rc = check_machine(&base->environment, &head->environment, &verdict->reason, err);
	if (rc == 0 && !verdict->reason)
		rc = check_load(base, head, &verdict->reason, err);
	if (rc == 0 && verdict->reason) {
		verdict->state = FG_VERDICT_INCOMPARABLE;
		*ret = true;
	}
	return rc;
}

/* -- cpu per request ----------------------------------------------------------------------------
 */

static const struct fg_rule *cpu_rule(const struct fg_gate *gate)
{
	const struct fg_rule *found = NULL;

	for (size_t i = 0; i < gate->rule_count; i++) {
		if (gate->rules[i].kind == FG_RULE_CPU_PER_REQUEST)
			found = &gate->rules[i];
	}
	return found && found->level != FG_LEVEL_OFF ? found : NULL;
}

static int within_se(const struct fg_result *result, double *ret, struct fg_err *err)
{
	struct fg_stats_location spread;
	int rc = fg_verdict_cpu_spread(result, &spread, err);

	if (rc)
		return rc;
	*ret = cpu_unknown_se;
	/* few blocks: their own standard error is uncertain, so a t quantile instead of normal */
	if (spread.count >= FG_VERDICT_MIN_BLOCKS && spread.df >= 2)
		*ret = spread.se * fg_stats_t_quantile(0.995, spread.df) /
		       fg_stats_normal_quantile(0.995);
	return 0;
}

static void cpu_fault(const struct fg_comparison *comparison, char *out, size_t size_bytes)
{
	uint64_t base = fg_result_requests(comparison->base);
	uint64_t head = fg_result_requests(comparison->head);

	out[0] = '\0';
	if (comparison->cpu_base_ns < 0 && comparison->cpu_head_ns < 0)
		(void)snprintf(out, size_bytes, "neither run knows the target's CPU time");
	else if (comparison->cpu_base_ns < 0)
		(void)snprintf(out, size_bytes, "base has no CPU time of the target");
	else if (comparison->cpu_head_ns < 0)
		(void)snprintf(out, size_bytes, "head has no CPU time of the target");
	else if (FG_MIN(base, head) < FG_VERDICT_MIN_REQUESTS)
		(void)snprintf(out, size_bytes, "only %llu requests, needs %d",
			       (unsigned long long)FG_MIN(base, head), FG_VERDICT_MIN_REQUESTS);
}

int fg_verdict_totals(struct fg_comparison *comparison, struct fg_err *err)
{
	struct fg_verdict *verdict = comparison->verdict;
	struct fg_finding finding = {.unit = "ns",
				     .base_samples = fg_result_requests(comparison->base),
				     .head_samples = fg_result_requests(comparison->head)};
	struct fg_effect_test test = {.rule = cpu_rule(comparison->gate),
				      .between_sd = cpu_moment_sd,
				      .critical = fg_stats_critical(FG_VERDICT_ALPHA, 1),
				      .decisive = true};
	double base_se = 0, head_se = 0;
	char cannot[128];

	comparison->cpu_base_ns = fg_result_cpu_per_request_ns(comparison->base);
	comparison->cpu_head_ns = fg_result_cpu_per_request_ns(comparison->head);
	/* a rule that somebody wrote is not passed over: it is inconclusive below */
	if (comparison->cpu_base_ns < 0 && comparison->cpu_head_ns < 0 &&
	    (!test.rule || test.rule->is_default))
		return fg_verdict_note(verdict, err,
				       "latency only: neither run knows the target's CPU time");
	int rc = within_se(comparison->base, &base_se, err);

	if (rc == 0)
		rc = within_se(comparison->head, &head_se, err);
	if (rc)
		return rc;
	comparison->cpu_se = hypot(base_se, head_se);
	cpu_fault(comparison, cannot, sizeof(cannot));
	test.within_se = comparison->cpu_se;
	test.base = comparison->cpu_base_ns < 0 ? NAN : comparison->cpu_base_ns;
	test.head = comparison->cpu_head_ns < 0 ? NAN : comparison->cpu_head_ns;
	test.cannot = cannot[0] ? cannot : NULL;
	rc = FG_VEC_ROOM(verdict, totals, total_count, total_capacity, FG_VERDICT_FINDINGS_MAX,
			 err);
	if (rc == 0)
		rc = fg_str_dup("cpu per request", &finding.what, err);
	if (rc == 0)
		rc = fg_str_dup("", &finding.where, err);
	if (rc == 0)
		rc = fg_verdict_judge(&test, &finding, err);
	if (rc) {
		fg_verdict_finding_done(&finding);
		return rc;
	}
	verdict->totals[verdict->total_count++] = finding;
	return 0;
}
