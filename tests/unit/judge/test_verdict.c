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
#include "tests/unit/judge/verdict_kit.h"

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
	/* Another engine: 60 times slower is no regression, and it is said why not. */
	base = run_of(&quiet);
	head = head_of(1.0, 60.0);
	head.result->registry.classes[0].engine[0] = 'x';
	head.result->registry.classes[1].engine[0] = 'x';
	struct fg_verdict *verdict = compare(&base, &head, NULL);
	bool told = false;

	assert_int_equal(verdict->state, FG_VERDICT_PASSED);
	for (size_t i = 0; i < verdict->note_count; i++)
		told |= strstr(verdict->notes[i], "different engines or clocks") != NULL;
	assert_true(told);
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

/* -- rules --------------------------------------------------------------------------------------
 */

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

/* A rule that somebody wrote and that has no data is never a pass. */
static void test_rules_without_data(void **state)
{
	static const struct {
		const char *metric, *stat, *headline;
		double cpu_ns;
	} cases[] = {
		{"cpu_per_request", NULL, "neither run knows the target's CPU time", 0},
		{"http_req_response_time", "p(99.99)", "p99.99 GET /0: only 1200 values", 237000},
		{"dropped_iterations", "count", "nothing on one side", 237000},
	};
	struct fg_gate gate;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct sample_server server = quiet;

		server.cpu_ns = cases[i].cpu_ns;
		struct fg_bundle base = run_of(&server), head = run_of(&server);

		head.result->totals->scenarios[0].dropped = 5000;
		base.result->totals->scenarios[0].iterations = 2400;
		head.result->totals->scenarios[0].iterations = 2400;
		fg_gate_init(&gate);
		add_rule(&gate, "http_req_response_time", "med", 0.5, -1, FG_LEVEL_ERROR);
		add_rule(&gate, cases[i].metric, cases[i].stat, 0.5, -1, FG_LEVEL_ERROR);
		expect_state(base, head, &gate, FG_VERDICT_INCONCLUSIVE, cases[i].headline);
		fg_gate_done(&gate);
	}
	/* level off is not a rule, and nothing but that is nothing judged */
	fg_gate_init(&gate);
	add_rule(&gate, "cpu_per_request", NULL, 0.5, -1, FG_LEVEL_OFF);
	expect_state(run_of(&quiet), head_of(2, 1), &gate, FG_VERDICT_INCONCLUSIVE,
		     "no rule could be judged");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),       cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_incomparable), cmocka_unit_test(test_missing_data),
		cmocka_unit_test(test_clocks),       cmocka_unit_test(test_rules),
		cmocka_unit_test(test_failed_share), cmocka_unit_test(test_rules_without_data),
		cmocka_unit_test(test_min_delta),    cmocka_unit_test(test_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
