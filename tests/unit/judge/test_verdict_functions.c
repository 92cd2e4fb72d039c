/* SPDX-License-Identifier: Apache-2.0 */
/* Per function: the cause, moves that are no cost, profiles that are not good enough. */
#include "tests/unit/judge/verdict_kit.h"

#include <math.h>
#include <stdio.h>

#include "gate/format/json.h"

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

static void add_function_rule(struct fg_gate *gate, const char *pattern)
{
	struct fg_rule rule;
	struct fg_err err = {0};

	fg_rule_init(&rule, FG_LEVEL_ERROR);
	assert_ok(fg_rule_set_function(&rule, pattern, FG_MEASURE_SELF, &err), &err);
	rule.max_increase = 0.25;
	assert_ok(fg_gate_add_rule(gate, &rule, &err), &err);
}

/* The rules of the demo: one function is watched, another one became dear. */
static void test_cause_without_rule(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}, {"render", 0.40}};
	static const struct sample_function after[] = {{"json_escape", 0.16}, {"render", 0.70}};
	struct fg_bundle base = profiled(1.0, before, 2, 5), head = profiled(2.0, after, 2, 6);
	struct fg_gate gate;

	(void)state;
	fg_gate_init(&gate);
	add_rule(&gate, "cpu_per_request", NULL, 0.25, -1, FG_LEVEL_ERROR);
	add_function_rule(&gate, "json_escape");
	struct fg_verdict *verdict = compare(&base, &head, &gate);

	assert_int_equal(verdict->state, FG_VERDICT_REGRESSED);
	assert_non_null(verdict->root);
	assert_string_equal(verdict->root->what, "render (self)");
	assert_false(verdict->root->ruled);
	assert_int_equal(verdict->note_count, 0);
	fg_verdict_free(verdict);
	add_function_rule(&gate, "jsn_escape");
	verdict = compare(&base, &head, &gate);
	assert_int_equal(verdict->note_count, 1);
	assert_non_null(strstr(verdict->notes[0], "jsn_escape"));
	fg_verdict_free(verdict);
	fg_gate_done(&gate);
	bundle_free(&base);
	bundle_free(&head);
}

/* The caller rose as much and stands first in the list; the callee is named. */
static void test_root_before_caller(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}, {"render", 0.40}};
	static const struct sample_function after[] = {{"json_escape", 0.65}, {"render", 0.20}};
	struct fg_bundle base = profiled(1.0, before, 2, 5), head = profiled(2.0, after, 2, 6);
	struct fg_gate gate;
	struct fg_err err = {0};

	(void)state;
	fg_gate_init(&gate);
	assert_ok(fg_gate_add_default_rules(&gate, &err), &err);
	add_rule(&gate, "cpu_per_request", NULL, 0.02, -1, FG_LEVEL_WARN);
	struct fg_verdict *verdict = compare(&base, &head, &gate);

	assert_int_equal(verdict->state, FG_VERDICT_REGRESSED);
	assert_string_equal(verdict->root->what, "json_escape (self)");
	assert_non_null(strstr(verdict->headline, "json_escape (self) +"));
	fg_verdict_free(verdict);
	fg_gate_done(&gate);
	bundle_free(&base);
	bundle_free(&head);
}

/* No function took half of the rise: then none is named, only the caller of all. */
static void test_cause_spread_out(void **state)
{
	static const struct sample_function same[] = {{"a", 0.3}, {"b", 0.3}, {"c", 0.2}};
	struct fg_bundle base = profiled(1.0, same, 3, 5), head = profiled(2.0, same, 3, 6);
	struct fg_verdict *verdict = compare(&base, &head, NULL);

	(void)state;
	assert_int_equal(verdict->state, FG_VERDICT_REGRESSED);
	assert_non_null(verdict->root);
	assert_string_equal(verdict->root->what, "main (total)");
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

/* A day in 5-s blocks would need two arrays of 17 280 counters per function. */
static void test_long_run(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	struct fg_bundle base = profiled(1.0, before, 1, 5), head = profiled(1.0, before, 1, 6);

	(void)state;
	base.result->measured_ns = head.result->measured_ns = INT64_MAX;
	struct fg_verdict *verdict = compare(&base, &head, NULL);

	assert_non_null(find(verdict, "json_escape (self)"));
	assert_true(find(verdict, "json_escape (self)")->base_samples > 3000);
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

/* Other options make other code: functions differ although nobody changed them. */
static void test_runtime_flags(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	static const struct {
		const char *base, *head; /* runtime and flags */
		const char *note;        /* NULL: judged */
	} cases[] = {
		{"--perf-basic-prof", "--perf-basic-prof", NULL},
		{"", "", NULL},
		{"", "--perf-basic-prof",
		 "functions not judged: base ran node with no flags, head with --perf-basic-prof"},
		{"--perf-basic-prof", "",
		 "functions not judged: base ran node with --perf-basic-prof, head with no flags"},
		{NULL, "--perf-basic-prof", NULL}, /* the base has none of it */
		{"--perf-basic-prof", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle base = profiled(1.0, before, 1, 5),
				 head = profiled(1.0, before, 1, 6);
		const char *flags[2] = {cases[i].base, cases[i].head};
		struct fg_bundle *sides[2] = {&base, &head};

		for (size_t s = 0; s < 2; s++) {
			struct fg_profile_info *info = &sides[s]->result->profile;

			if (!flags[s])
				continue;
			info->runtime_count = 1;
			(void)snprintf(info->runtimes[0].name, sizeof(info->runtimes[0].name),
				       "node");
			(void)snprintf(info->runtimes[0].flags, sizeof(info->runtimes[0].flags),
				       "%s", flags[s]);
		}
		struct fg_verdict *verdict = compare(&base, &head, NULL);
		const char *note = verdict->note_count ? verdict->notes[0] : "";

		if (cases[i].note ? strcmp(note, cases[i].note) != 0
				  : strstr(note, "not judged") != NULL)
			fail_msg("case %zu: %s", i, note);
		fg_verdict_free(verdict);
		bundle_free(&base);
		bundle_free(&head);
	}
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

/* What different sources see differs by itself. Bundles that do not say are BPF's. */
static void test_sources(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	static const struct {
		const char *base, *head;
		uint64_t base_user_ns, head_user_ns;
		const char *note; /* NULL: comparable */
	} cases[] = {
		{"", "", 0, 0, NULL},
		{"", "bpf", 0, 0, NULL},
		{"bpf", "perf", 0, 0, "not comparable, base is by BPF, head by perf events"},
		{"perf", "", 0, 0, "not comparable, base is by perf events, head by BPF"},
		{"perf", "perf", 0, 0, NULL},
		{"perf", "perf", 1000, 1000, NULL},
		{"perf", "perf", 0, 1000, "head by perf events in user mode alone"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle base = profiled(1.0, before, 1, 5),
				 head = profiled(1.0, before, 1, 6);

		(void)snprintf(base.result->profile.source, sizeof(base.result->profile.source),
			       "%s", cases[i].base);
		(void)snprintf(head.result->profile.source, sizeof(head.result->profile.source),
			       "%s", cases[i].head);
		base.result->profile.user_cpu_ns = cases[i].base_user_ns;
		head.result->profile.user_cpu_ns = cases[i].head_user_ns;
		struct fg_verdict *verdict = compare(&base, &head, NULL);
		bool told = false;

		for (size_t k = 0; k < verdict->note_count; k++)
			told |= strstr(verdict->notes[k], "not comparable") &&
				(!cases[i].note || strstr(verdict->notes[k], cases[i].note));
		assert_int_equal(told, cases[i].note != NULL);
		fg_verdict_free(verdict);
		bundle_free(&base);
		bundle_free(&head);
	}
}

/* A child that exits has no user stack any more: that is no fault of the unwinder's. */
static void test_kernel_only_stacks(void **state)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}};
	static const struct {
		uint64_t complete, kernel_only;
		const char *note;
	} cases[] = {
		{11400, 600, NULL},
		{11285, 600, "head has 98.9 % complete stacks, needs 99 %"},
		{0, 12000, "head has 0.0 % complete stacks"},
		{0, UINT64_MAX, "head has 0.0 % complete stacks"},
		{12000, 600, NULL}, /* a file that somebody made */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle base = profiled(1.0, before, 1, 5),
				 head = profiled(1.0, before, 1, 6);
		struct fg_profile_info *info = &head.result->profile;

		info->complete = cases[i].complete;
		info->incomplete_by[FG_STACK_KERNEL_ONLY] = cases[i].kernel_only;
		assert_true(fg_profile_info_complete_share(info) <= 1);
		struct fg_verdict *verdict = compare(&base, &head, NULL);

		assert_true((verdict->function_count > 0) == !cases[i].note);
		if (cases[i].note && !strstr(verdict->notes[0], cases[i].note))
			fail_msg("%s: %s", cases[i].note, verdict->notes[0]);
		fg_verdict_free(verdict);
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
		cmocka_unit_test(test_cause),
		cmocka_unit_test(test_cause_without_rule),
		cmocka_unit_test(test_cause_spread_out),
		cmocka_unit_test(test_root_before_caller),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_new_function),
		cmocka_unit_test(test_bad_profile),
		cmocka_unit_test(test_runtime_flags),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_kernel_only_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
