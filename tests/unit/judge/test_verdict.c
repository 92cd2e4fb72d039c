/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kind-4 verdict: what it refuses, what it calls, what it says it cannot tell.
 */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/judge/verdict.h"
#include "tests/unit/judge/sample_run.h"

static const struct sample_server quiet = {
	.cpu_ns = 237000,
	.cpu_jitter = 0.02,
	.latency_ns = 1100000,
	.latency_sigma = 0.4,
	.seconds = 30,
	.rate_per_s = 40,
	.classes = 2,
	.seed = 1,
};

static struct fg_bundle run_of(const struct sample_server *server)
{
	return (struct fg_bundle){.result = sample_server_run(server)};
}

static void bundle_free(struct fg_bundle *bundle)
{
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
}

static struct fg_verdict *compare(struct fg_bundle *base, struct fg_bundle *head,
				  const struct fg_gate *gate)
{
	struct fg_gate defaults;
	struct fg_verdict *verdict = NULL;
	struct fg_err err = {0};

	fg_gate_init(&defaults);
	assert_ok(fg_verdict_compare(base, head, gate ? gate : &defaults, &verdict, &err), &err);
	return verdict;
}

/* Compares two runs, expects a state, and frees everything. */
static void expect_state(struct fg_bundle base, struct fg_bundle head, const struct fg_gate *gate,
			 enum fg_verdict_state state, const char *headline)
{
	struct fg_verdict *verdict = compare(&base, &head, gate);

	if (verdict->state != state || (headline && !strstr(verdict->headline, headline)))
		fail_msg("%s: %s", fg_verdict_state_name(verdict->state), verdict->headline);
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static struct sample_server changed(double cpu_factor, double latency_factor, uint64_t seed)
{
	struct sample_server server = quiet;

	server.cpu_ns *= cpu_factor;
	server.latency_ns *= latency_factor;
	server.seed = seed;
	return server;
}

static struct fg_bundle head_of(double cpu_factor, double latency_factor)
{
	struct sample_server server = changed(cpu_factor, latency_factor, 77);

	return run_of(&server);
}

static void test_states(void **state)
{
	(void)state;
	expect_state(run_of(&quiet), head_of(1.0, 1.0), NULL, FG_VERDICT_PASSED, "nothing rose");
	expect_state(run_of(&quiet), head_of(1.05, 1.0), NULL, FG_VERDICT_PASSED, "nothing rose");
	expect_state(run_of(&quiet), head_of(1.8, 1.0), NULL, FG_VERDICT_REGRESSED,
		     "tolerated 2 %, 25 % between runs from different moments");
	expect_state(run_of(&quiet), head_of(1.3, 1.0), NULL, FG_VERDICT_INCONCLUSIVE,
		     "cpu per request +");
	expect_state(run_of(&quiet), head_of(0.5, 1.0), NULL, FG_VERDICT_IMPROVED,
		     "cpu per request −");
	/* latency: inside its own fluctuation, suspicious, and gross */
	expect_state(run_of(&quiet), head_of(1.0, 1.2), NULL, FG_VERDICT_PASSED, NULL);
	expect_state(run_of(&quiet), head_of(1.0, 3.0), NULL, FG_VERDICT_INCONCLUSIVE, "p50 GET /");
	expect_state(run_of(&quiet), head_of(1.0, 60.0), NULL, FG_VERDICT_REGRESSED, "p50 GET /");
}

static void test_invalid(void **state)
{
	struct fg_bundle head = head_of(1.8, 1.0);

	(void)state;
	assert_int_equal(fg_str_dup("the generator was late", &head.result->invalid_reason, NULL),
			 0);
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INVALID,
		     "head: the generator was late");
	head = head_of(1.8, 1.0);
	head.result->status = FG_RUN_INTERRUPTED;
	expect_state(head, run_of(&quiet), NULL, FG_VERDICT_INVALID, "base run was not completed");
}

static void test_incomparable(void **state)
{
	struct fg_bundle head = head_of(1.8, 1.0);
	struct sample_server other = quiet;

	(void)state;
	(void)snprintf(head.result->environment.cpu_model, 128, "Intel 8370C");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE,
		     "cpuModel AMD EPYC 7763 ≠ Intel 8370C");
	head = head_of(1.8, 1.0);
	(void)snprintf(head.result->environment.kernel, 128, "5.15.0");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE, "kernelMajor 6 ≠ 5");
	head = head_of(1.8, 1.0);
	(void)snprintf(head.result->environment.kernel, 128, "6.18.5");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_REGRESSED, NULL);
	head = head_of(1.8, 1.0);
	(void)snprintf(head.result->environment.kernel, 128, "61.1");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE, "kernelMajor 6 ≠ 61");
	head = head_of(1.8, 1.0);
	(void)snprintf(head.result->environment.architecture, 32, "aarch64");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE, "architecture");
	head = head_of(1.8, 1.0);
	head.result->environment.cores = 4;
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE, "cores 2 ≠ 4");
	head = head_of(1.8, 1.0);
	(void)snprintf(head.result->scenario_hash, 33, "ffff");
	expect_state(run_of(&quiet), head, NULL, FG_VERDICT_INCOMPARABLE, "the scenario changed");
	other.classes = 3;
	expect_state(run_of(&quiet), run_of(&other), NULL, FG_VERDICT_INCOMPARABLE,
		     "only head requests \"GET /2\"");
	expect_state(run_of(&other), run_of(&quiet), NULL, FG_VERDICT_INCOMPARABLE,
		     "only base requests \"GET /2\"");
}

static void test_missing_data(void **state)
{
	struct sample_server few = quiet, no_cpu = quiet;
	struct fg_verdict *verdict;
	struct fg_bundle base, head;

	(void)state;
	few.rate_per_s = 2;
	few.classes = 1;
	few.seconds = 20;
	expect_state(run_of(&few), run_of(&few), NULL, FG_VERDICT_INCONCLUSIVE,
		     "cpu per request: only 40 requests, needs 100");
	no_cpu.cpu_ns = 0;
	expect_state(run_of(&quiet), run_of(&no_cpu), NULL, FG_VERDICT_INCONCLUSIVE,
		     "head has no CPU time");
	/* on neither side: latency only, and it says so */
	expect_state(run_of(&no_cpu), run_of(&no_cpu), NULL, FG_VERDICT_PASSED,
		     "CPU was not measured");
	few.cpu_ns = 0;
	expect_state(run_of(&few), run_of(&few), NULL, FG_VERDICT_INCONCLUSIVE, NULL);
	/* without profiles the functions are unjudged, and it says so */
	base = run_of(&quiet);
	head = head_of(1, 1);
	verdict = compare(&base, &head, NULL);
	assert_true(verdict->note_count >= 1);
	assert_non_null(strstr(verdict->notes[0], "functions not judged: base has no profile"));
	assert_non_null(strstr(verdict->could_see, "cpu per request ≥ +"));
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static void test_clocks(void **state)
{
	struct fg_bundle base = run_of(&quiet), head = head_of(1.0, 60.0);

	(void)state;
	head.result->registry.classes[0].clock[0] = 'u';
	head.result->registry.classes[1].clock[0] = 'u';
	expect_state(base, head, NULL, FG_VERDICT_PASSED, NULL);
}

/* -- rules --------------------------------------------------------------------------------------
 */

static void add_rule(struct fg_gate *gate, const char *metric, const char *stat, double increase,
		     double decrease, enum fg_level level)
{
	struct fg_rule rule;
	struct fg_err err = {0};

	fg_rule_init(&rule, level);
	assert_ok(fg_rule_set_metric(&rule, metric, stat, &err), &err);
	rule.max_increase = increase;
	rule.max_decrease = decrease;
	assert_ok(fg_gate_add_rule(gate, &rule, &err), &err);
}

static void test_rules(void **state)
{
	struct fg_gate gate;
	struct sample_server slow = quiet;

	(void)state;
	/* a limit wider than kind 4's own */
	fg_gate_init(&gate);
	add_rule(&gate, "cpu_per_request", NULL, 1.5, -1, FG_LEVEL_ERROR);
	expect_state(run_of(&quiet), head_of(1.8, 60.0), &gate, FG_VERDICT_PASSED, NULL);
	fg_gate_done(&gate);
	/* warn */
	fg_gate_init(&gate);
	add_rule(&gate, "cpu_per_request", NULL, 0.02, -1, FG_LEVEL_WARN);
	expect_state(run_of(&quiet), head_of(1.8, 1.0), &gate, FG_VERDICT_WARNED, "cpu per");
	fg_gate_done(&gate);
	/* a later rule switches an earlier one off: nothing is left to judge */
	fg_gate_init(&gate);
	add_rule(&gate, "cpu_per_request", NULL, 0.02, -1, FG_LEVEL_ERROR);
	add_rule(&gate, "cpu_per_request", NULL, 0.02, -1, FG_LEVEL_OFF);
	expect_state(run_of(&quiet), head_of(1.8, 1.0), &gate, FG_VERDICT_INCONCLUSIVE, NULL);
	fg_gate_done(&gate);
	/* achieved rate of an open model */
	slow.rate_per_s = 20;
	fg_gate_init(&gate);
	add_rule(&gate, "http_reqs", "rate", -1, 0.01, FG_LEVEL_ERROR);
	expect_state(run_of(&quiet), run_of(&slow), &gate, FG_VERDICT_REGRESSED,
		     "http_reqs rate −50 %");
	expect_state(run_of(&quiet), head_of(1, 1), &gate, FG_VERDICT_PASSED, NULL);
	expect_state(run_of(&slow), run_of(&quiet), &gate, FG_VERDICT_IMPROVED, NULL);
	fg_gate_done(&gate);
	/* another trend, another statistic, one class */
	fg_gate_init(&gate);
	add_rule(&gate, "http_req_waiting{name:GET /1}", "p(90)", 0.05, -1, FG_LEVEL_ERROR);
	expect_state(run_of(&quiet), head_of(1, 300), &gate, FG_VERDICT_REGRESSED,
		     "p90 http_req_waiting GET /1");
	fg_gate_done(&gate);
	/* a rule that names what is not there cannot be green */
	fg_gate_init(&gate);
	add_rule(&gate, "http_reqs{name:GET /9}", "rate", -1, 0.01, FG_LEVEL_ERROR);
	expect_state(run_of(&quiet), head_of(1, 1), &gate, FG_VERDICT_INCONCLUSIVE, "only 0");
	fg_gate_done(&gate);
}

static void test_failed_share(void **state)
{
	struct fg_bundle base = run_of(&quiet), head = head_of(1, 1);
	struct fg_gate gate;

	(void)state;
	fg_gate_init(&gate);
	add_rule(&gate, "http_req_failed", "rate", 0.001, -1, FG_LEVEL_ERROR);
	fg_slice_class(head.result->totals, 0, true)->failed = 120; /* 5 % of 2 400 */
	expect_state(base, head, &gate, FG_VERDICT_REGRESSED, "points");
	base = run_of(&quiet);
	head = head_of(1, 1);
	fg_slice_class(head.result->totals, 0, true)->failed = 2;
	expect_state(base, head, &gate, FG_VERDICT_PASSED, NULL);
	fg_gate_done(&gate);
}

static void test_min_delta(void **state)
{
	struct sample_server base = quiet, head = quiet;
	struct fg_gate gate;

	(void)state;
	base.latency_ns = 1000;
	head.latency_ns = 100000; /* a hundredfold, but 0.1 ms: default minDelta is 0.5 ms */
	head.seed = 9;
	expect_state(run_of(&base), run_of(&head), NULL, FG_VERDICT_PASSED, NULL);
	fg_gate_init(&gate);
	add_rule(&gate, "http_req_response_time", "med", 0.05, -1, FG_LEVEL_ERROR);
	expect_state(run_of(&base), run_of(&head), &gate, FG_VERDICT_REGRESSED, "p50 GET");
	fg_gate_done(&gate);
}

static void test_outcome(void **state)
{
	static const struct {
		double cpu;
		enum fg_level on_inconclusive;
		enum fg_outcome outcome;
	} cases[] = {
		{1.0, FG_LEVEL_WARN, FG_OUTCOME_PASSED},
		{1.3, FG_LEVEL_WARN, FG_OUTCOME_PASSED},
		{1.3, FG_LEVEL_ERROR, FG_OUTCOME_INCONCLUSIVE},
		{1.8, FG_LEVEL_WARN, FG_OUTCOME_REGRESSED},
	};
	struct fg_gate gate;
	struct fg_verdict *verdict;
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle base = run_of(&quiet), head = head_of(cases[i].cpu, 1);

		fg_gate_init(&gate);
		gate.on_inconclusive = cases[i].on_inconclusive;
		verdict = compare(&base, &head, &gate);
		assert_int_equal(verdict->outcome, cases[i].outcome);
		fg_verdict_free(verdict);
		bundle_free(&base);
		bundle_free(&head);
	}
	fg_gate_init(&gate);
	assert_ok(fg_verdict_no_baseline(&gate, "no bundle for main", &verdict, &err), &err);
	assert_int_equal(verdict->state, FG_VERDICT_NO_BASELINE);
	assert_int_equal(verdict->outcome, FG_OUTCOME_PASSED);
	fg_verdict_free(verdict);
	gate.on_missing_baseline = FG_LEVEL_ERROR;
	assert_ok(fg_verdict_no_baseline(&gate, "no bundle for main", &verdict, &err), &err);
	assert_int_equal(verdict->outcome, FG_OUTCOME_NO_BASELINE);
	assert_string_equal(verdict->headline, "no bundle for main");
	fg_verdict_free(verdict);
}

/* -- functions ----------------------------------------------------------------------------------
 */

static struct fg_bundle profiled(double cpu_factor, const struct sample_function *functions,
				 size_t count, uint64_t seed)
{
	struct sample_server server = changed(cpu_factor, 1.0, seed);
	struct fg_bundle bundle = run_of(&server);

	bundle.profile = sample_profile(functions, count, 12000, server.seconds, seed);
	sample_profile_info(bundle.result, 12000);
	return bundle;
}

static const struct fg_finding *find(const struct fg_verdict *verdict, const char *what)
{
	for (size_t i = 0; i < verdict->function_count; i++) {
		if (strcmp(verdict->functions[i].what, what) == 0)
			return &verdict->functions[i];
	}
	return NULL;
}

static void test_cause(void **state)
{
	/* total × 2; json_escape takes all of the rise: 0.30 × 1 → 0.65 × 2 */
	static const struct sample_function before[] = {{"json_escape", 0.30}, {"render", 0.40}};
	static const struct sample_function after[] = {{"json_escape", 0.65}, {"render", 0.20}};
	struct fg_bundle base = profiled(1.0, before, 2, 5), head = profiled(2.0, after, 2, 6);
	struct fg_verdict *verdict = compare(&base, &head, NULL);
	const struct fg_finding *render = find(verdict, "render (self)");

	(void)state;
	assert_int_equal(verdict->state, FG_VERDICT_REGRESSED);
	assert_non_null(strstr(verdict->headline, "cpu per request"));
	assert_non_null(verdict->root);
	assert_string_equal(verdict->root->what, "json_escape (self)");
	assert_string_equal(verdict->root->where, "server/json.c:88");
	assert_int_equal(verdict->root->state, FG_VERDICT_REGRESSED);
	assert_non_null(render);
	assert_int_equal(render->state, FG_VERDICT_PASSED);
	assert_non_null(strstr(verdict->could_see, "a function of 5 %"));
	/* in order of how much moved */
	for (size_t i = 1; i < verdict->function_count; i++)
		assert_true(fabs(verdict->functions[i - 1].head - verdict->functions[i - 1].base) >=
			    fabs(verdict->functions[i].head - verdict->functions[i].base));
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static void test_moved(void **state)
{
	/* the same total: one function's code went to another */
	static const struct sample_function before[] = {{"parse_query", 0.40},
							{"parse_param", 0.05}};
	static const struct sample_function after[] = {{"parse_query", 0.05},
						       {"parse_param", 0.40}};
	struct fg_bundle base = profiled(1.0, before, 2, 5), head = profiled(1.0, after, 2, 6);
	struct fg_verdict *verdict = compare(&base, &head, NULL);
	const struct fg_finding *param = find(verdict, "parse_param (self)");

	(void)state;
	assert_int_equal(verdict->state, FG_VERDICT_PASSED);
	assert_non_null(param);
	assert_int_equal(param->state, FG_VERDICT_PASSED);
	assert_non_null(strstr(param->note, "moved"));
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static void test_new_function(void **state)
{
	static const struct sample_function before[] = {{"render", 0.40}};
	static const struct sample_function after[] = {{"render", 0.25}, {"compress", 0.37}};
	struct fg_bundle base = profiled(1.0, before, 1, 5), head = profiled(1.6, after, 2, 6);
	struct fg_verdict *verdict = compare(&base, &head, NULL);
	const struct fg_finding *compress = find(verdict, "compress (self)");

	(void)state;
	assert_int_equal(verdict->state, FG_VERDICT_REGRESSED);
	assert_non_null(compress);
	assert_int_equal(compress->state, FG_VERDICT_REGRESSED);
	assert_true(isnan(compress->effect));
	assert_ptr_equal(verdict->root, compress);
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static void test_bad_profile(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	static const struct {
		const char *note;
		uint64_t complete, lost, samples;
		bool partial, present;
		double rate;
	} cases[] = {
		{"head has 98.0 % complete stacks", 11760, 0, 12000, false, true, 499},
		{"head lost 0.20 %", 12000, 24, 12000, false, true, 499},
		{"head has only part of a profile", 12000, 0, 12000, true, true, 499},
		{"head has no profile", 12000, 0, 12000, false, false, 499},
		{"head has only 200 samples", 200, 0, 200, false, true, 499},
		{"head took 9 samples per CPU second", 12000, 0, 12000, false, true, 9},
	};
	struct fg_gate gate;
	struct fg_rule rule;
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle base = profiled(1.0, before, 1, 5),
				 head = profiled(1.0, before, 1, 6);
		struct fg_profile_info *info = &head.result->profile;

		info->complete = cases[i].complete;
		info->lost = cases[i].lost;
		info->samples = cases[i].samples;
		info->partial = cases[i].partial;
		info->present = cases[i].present;
		info->samples_per_cpu_s = cases[i].rate;
		struct fg_verdict *verdict = compare(&base, &head, NULL);

		assert_int_equal(verdict->state, FG_VERDICT_PASSED);
		assert_int_equal(verdict->function_count, 0);
		if (verdict->note_count == 0 || !strstr(verdict->notes[0], cases[i].note))
			fail_msg("%s: %s", cases[i].note,
				 verdict->note_count ? verdict->notes[0] : "none");
		fg_verdict_free(verdict);
		/* a rule that names a function needs the profile */
		fg_gate_init(&gate);
		assert_ok(fg_gate_add_default_rules(&gate, &err), &err);
		fg_rule_init(&rule, FG_LEVEL_ERROR);
		assert_ok(fg_rule_set_function(&rule, "json_*", FG_MEASURE_SELF, &err), &err);
		rule.max_increase = 0.1;
		assert_ok(fg_gate_add_rule(&gate, &rule, &err), &err);
		verdict = compare(&base, &head, &gate);
		assert_int_equal(verdict->state, FG_VERDICT_INCONCLUSIVE);
		assert_non_null(strstr(verdict->headline, "functions not judged"));
		fg_verdict_free(verdict);
		fg_gate_done(&gate);
		bundle_free(&base);
		bundle_free(&head);
	}
}

static void test_json(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	struct fg_bundle base = profiled(1.0, before, 1, 5), head = profiled(2.0, before, 1, 6);
	struct fg_verdict *verdict = compare(&base, &head, NULL);
	struct fg_err err = {0};
	struct fg_buf text;
	json_t *json = NULL;

	(void)state;
	fg_buf_init(&text, 1 << 20);
	assert_ok(fg_verdict_json(verdict, &text, &err), &err);
	assert_ok(fg_json_parse(text.data, text.len, &json, &err), &err);
	assert_string_equal(json_string_value(json_object_get(json, "state")), "regressed");
	assert_string_equal(json_string_value(json_object_get(json, "outcome")), "regressed");
	assert_int_equal(json_integer_value(json_object_get(json, "exitCode")), 10);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "evidence"), "kind")), 4);
	assert_int_equal(json_array_size(json_object_get(json, "totals")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "functions")),
			 verdict->function_count);
	json_decref(json);
	fg_buf_done(&text);
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),       cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_incomparable), cmocka_unit_test(test_missing_data),
		cmocka_unit_test(test_clocks),       cmocka_unit_test(test_rules),
		cmocka_unit_test(test_failed_share), cmocka_unit_test(test_min_delta),
		cmocka_unit_test(test_outcome),      cmocka_unit_test(test_cause),
		cmocka_unit_test(test_moved),        cmocka_unit_test(test_new_function),
		cmocka_unit_test(test_bad_profile),  cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
