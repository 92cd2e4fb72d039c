/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports against golden files (tests/golden), and what must hold for any of them: width, escaping,
 * byte budget. FLAMEGATE_UPDATE_GOLDEN=1 rewrites the files; read the difference before committing.
 */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/report/report.h"
#include "gate/report/report_internal.h"
#include "gate/report/table.h"
#include "tests/unit/judge/sample_run.h"

static void compare_golden(const char *name, const struct fg_buf *text)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};
	struct fg_buf golden;

	assert_ok(fg_file_path(path, &err, "%s/%s", FG_GOLDEN_DIR, name), &err);
	if (getenv("FLAMEGATE_UPDATE_GOLDEN")) {
		assert_ok(fg_file_write(path, text->data, text->len, &err), &err);
		return;
	}
	fg_buf_init(&golden, 1 << 20);
	assert_ok(fg_file_read(path, 1 << 20, &golden, &err), &err);
	if (golden.len != text->len || memcmp(golden.data, text->data, text->len) != 0)
		fail_msg("%s differs; it is now:\n%s", name, text->data);
	fg_buf_done(&golden);
}

/* -- material -----------------------------------------------------------------------------------
 */

static const struct sample_function functions[] = {
	{"json_escape", 0.312},
	{"render_items", 0.12},
	{"std::map<int, std::basic_string<char, std::char_traits<char> > >::find(int const&)",
	 0.08},
	{"[kernel] sys_writev", 0.06},
};

static void add_threshold(struct fg_result *result, const char *metric, const char *text,
			  enum fg_level level)
{
	struct fg_threshold threshold;
	struct fg_err err = {0};

	assert_ok(fg_threshold_parse(metric, text, &threshold, &err), &err);
	threshold.level = level;
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL,
					&result->thresholds[result->threshold_count], &err),
		  &err);
	result->threshold_count++;
	fg_threshold_done(&threshold);
}

static struct fg_bundle material(void)
{
	struct fg_bundle bundle = {.result = sample_result()};
	struct fg_result *result = bundle.result;

	result->thresholds = calloc(4, sizeof(*result->thresholds));
	assert_non_null(result->thresholds);
	add_threshold(result, "http_req_failed", "rate<0.01", FG_LEVEL_ERROR);
	add_threshold(result, "http_req_duration{scenario:browse}", "p(95)<2.5", FG_LEVEL_ERROR);
	add_threshold(result, "checks{check:logged in}", "rate>0.999", FG_LEVEL_WARN);
	add_threshold(result, "http_req_duration{name:POST /login}", "max<1s", FG_LEVEL_OFF);
	assert_int_equal(fg_str_dup("thresholds", &result->outcome, NULL), 0);
	result->exit_code = 99;
	result->measured_target_cpu_ns = 2940000000;
	result->generator_cpu_ns = 5400000000;
	bundle.profile = sample_profile(functions, FG_ARRAY_LEN(functions), 30100, 60, 3);
	sample_profile_info(result, 30100);
	result->profile.complete = 30091;
	result->profile.unnamed_share = 0.004;
	return bundle;
}

static void bundle_free(struct fg_bundle *bundle)
{
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
}

static struct fg_verdict *verdict_of(double cpu_factor, double escape_share)
{
	static const struct sample_function before[] = {{"json_escape", 0.30}, {"render", 0.40}};
	struct sample_function after[] = {{"json_escape", escape_share},
					  {"render", 0.40 / cpu_factor}};
	struct sample_server server = {.cpu_ns = 237000,
				       .cpu_jitter = 0.02,
				       .latency_ns = 1100000,
				       .latency_sigma = 0.4,
				       .seconds = 30,
				       .rate_per_s = 40,
				       .classes = 2,
				       .seed = 1};
	struct fg_bundle base = {.result = sample_server_run(&server),
				 .profile = sample_profile(before, 2, 12000, 30, 5)};
	struct fg_gate gate;
	struct fg_verdict *verdict;
	struct fg_err err = {0};

	server.cpu_ns *= cpu_factor;
	server.seed = 2;
	struct fg_bundle head = {.result = sample_server_run(&server),
				 .profile = sample_profile(after, 2, 12000, 30, 6)};

	sample_profile_info(base.result, 12000);
	sample_profile_info(head.result, 12000);
	fg_gate_init(&gate);
	assert_ok(fg_verdict_compare(&base, &head, &gate, &verdict, &err), &err);
	bundle_free(&base);
	bundle_free(&head);
	return verdict;
}

/* -- properties ---------------------------------------------------------------------------------
 */

static void check_lines(const char *text, size_t width)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *line = strndup(text, len);

		assert_non_null(line);
		if (fg_text_width(line) > width)
			fail_msg("%zu columns: %s", fg_text_width(line), line);
		if (len > 0 && line[len - 1] == ' ')
			fail_msg("trailing space: %s", line);
		free(line);
		text += len + (text[len] == '\n');
	}
}

static void test_run_text(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_report_style style = {.width = 80};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	check_lines(out.data, 80);
	assert_null(strchr(out.data, '\033'));
	compare_golden("run.txt", &out);
	/* narrow, coloured: same words */
	fg_buf_clear(&out);
	style = (struct fg_report_style){.width = 10, .colour = true, .functions = 2};
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	assert_non_null(strstr(out.data, "\033[31m✗\033[0m"));
	assert_non_null(strstr(out.data, "…"));
	fg_buf_done(&out);
	bundle_free(&bundle);
}

/* Every mode at every width keeps to its columns and writes the same words as the wide one. */
static void test_summary_modes(void **state)
{
	static const struct {
		const char *golden;
		enum fg_summary_mode mode;
		enum fg_time_unit unit;
		unsigned width;
		const char *stats;
	} cases[] = {
		{"run-60.txt", FG_SUMMARY_COMPACT, FG_TIME_UNIT_AUTO, 60, NULL},
		{"run-full.txt", FG_SUMMARY_FULL, FG_TIME_UNIT_AUTO, 80, NULL},
		{"run-full-60.txt", FG_SUMMARY_FULL, FG_TIME_UNIT_MS, 60,
		 "min,med,max,p(99),p(99.9),count,avg,sum"},
		{"run-full-120.txt", FG_SUMMARY_FULL, FG_TIME_UNIT_US, 120, "count,p(99.99)"},
		{"run-disabled.txt", FG_SUMMARY_DISABLED, FG_TIME_UNIT_S, 80, NULL},
	};
	struct fg_bundle bundle = material();
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_report_style style = {
			.width = cases[i].width, .mode = cases[i].mode, .time_unit = cases[i].unit};
		struct fg_buf out;

		if (cases[i].stats)
			assert_ok(fg_trend_stats_parse(cases[i].stats, &style.trend_stats, &err),
				  &err);
		fg_buf_init(&out, 1 << 20);
		assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err),
			  &err);
		compare_golden(cases[i].golden, &out);
		check_lines(out.data, cases[i].width);
		fg_buf_done(&out);
	}
	bundle_free(&bundle);
}

/* One line for each runtime that lacks something, wrapped, and none for the others. */
static void test_runtime_advice(void **state)
{
	static const char advice[] =
		"java without -XX:+PreserveFramePointer: INCOMPLETE, only 13 % "
		"of its stacks reach a root; add it";
	struct fg_bundle bundle = material();
	struct fg_profile_info *info = &bundle.result->profile;
	struct fg_report_style style = {0};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	info->runtime_count = 2;
	(void)snprintf(info->runtimes[0].name, sizeof(info->runtimes[0].name), "node");
	(void)snprintf(info->runtimes[1].advice, sizeof(info->runtimes[1].advice), "%s", advice);
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	check_lines(out.data, 80);
	assert_non_null(strstr(out.data, "      ! java without -XX:+PreserveFramePointer: "
					 "INCOMPLETE, only 13 % of its\n        stacks reach"));
	assert_null(strstr(out.data, "! node"));
	fg_buf_clear(&out);
	assert_ok(fg_report_markdown(bundle.result, bundle.profile, NULL, 1 << 20, &out, &err),
		  &err);
	assert_non_null(strstr(out.data, "INCOMPLETE, only 13 % of its stacks reach a root"));
	fg_buf_done(&out);
	bundle_free(&bundle);
}

/* What profiling cost stands in every report, with what the kernel's part went to. */
static void test_own_overhead(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_profile_info *info = &bundle.result->profile;
	struct fg_report_style style = {.width = 400};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	bundle.result->measured_target_cpu_ns = 1000000000;
	info->samples = 1000;
	info->bpf_ns = 10000000;
	info->helper_cpu_ns = 5000000;
	info->labels = true;
	info->label_ns = 1000000;
	for (int type = FG_PROFILE_OFFCPU; type <= FG_PROFILE_WALL; type++) {
		info->types[type].present = true;
		info->types[type].bpf_ns = 20000000; /* of both together */
	}
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	assert_non_null(strstr(
		out.data, "CPU second; own overhead 3.60 % of the target's CPU: samples 1.00 % "
			  "(10.0 µs each), waits 2.00 %, request classes 0.10 %, helper 0.50 "
			  "% (0.0 % of a core); the timer's interrupts come on top (flamegate "
			  "doctor)\n"));
	fg_buf_clear(&out);
	assert_ok(fg_report_markdown(bundle.result, bundle.profile, NULL, 1 << 20, &out, &err),
		  &err);
	assert_non_null(strstr(out.data, "own overhead 3.60 % of the target's CPU"));
	assert_non_null(strstr(out.data, "helper 0.50 %")); /* not cut */
	fg_buf_clear(&out);
	info->bpf_ns = 0;
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	assert_non_null(strstr(out.data, "own overhead: helper 0.50 % of the target's CPU, the "
					 "kernel's part unknown"));
	fg_buf_done(&out);
	bundle_free(&bundle);
}

/* A reason that begins with "partial:" is not introduced by the same word. */
static void test_partial_profile(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_report_style style = {0};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	bundle.result->profile.partial = true;
	fg_notices_add(&bundle.result->profile.notices, "/lib/x.so: no rows");
	(void)snprintf(bundle.result->profile.why_absent, 256, "partial: the helper is gone");
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	assert_non_null(strstr(out.data, "\n  profile: partial: the helper is gone\n"));
	assert_non_null(strstr(out.data, "\n      ! /lib/x.so: no rows\n"));
	fg_buf_clear(&out);
	assert_ok(fg_report_markdown(bundle.result, bundle.profile, NULL, 1 << 20, &out, &err),
		  &err);
	assert_non_null(strstr(out.data, "\n- /lib/x.so: no rows\n"));
	fg_buf_done(&out);
	bundle_free(&bundle);
}

static void test_run_without_profile(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_report_style style = {0};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	bundle.result->profile = (struct fg_profile_info){0};
	(void)snprintf(bundle.result->profile.why_absent, 256,
		       "because perf events need CAP_PERFMON (perf_event_paranoid is 2); fix: sudo "
		       "setcap … flamegate-profiler, or run as root");
	bundle.result->totals->scenarios[0].dropped = 37;
	bundle.result->totals->scenarios[0].late = 1200;
	bundle.result->totals->scenarios[1].interrupted = 4;
	bundle.result->status = FG_RUN_INTERRUPTED;
	free(bundle.result->outcome);
	assert_int_equal(fg_str_dup("interrupted", &bundle.result->outcome, NULL), 0);
	bundle.result->exit_code = 105;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, NULL, &style, &out, &err), &err);
	check_lines(out.data, 80);
	compare_golden("run-no-profile.txt", &out);
	fg_buf_done(&out);
	bundle_free(&bundle);
}

static void test_verdict_text(void **state)
{
	static const struct {
		const char *golden;
		double cpu, share;
		enum fg_verdict_state state;
	} cases[] = {
		{"verdict-regressed.txt", 2.0, 0.65, FG_VERDICT_REGRESSED},
		{"verdict-passed.txt", 1.0, 0.30, FG_VERDICT_PASSED},
		{"verdict-inconclusive.txt", 1.3, 0.36, FG_VERDICT_INCONCLUSIVE},
	};
	const struct fg_report_style style = {.width = 80};
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_verdict *verdict = verdict_of(cases[i].cpu, cases[i].share);
		struct fg_buf out;

		assert_int_equal(verdict->state, cases[i].state);
		fg_buf_init(&out, 1 << 20);
		assert_ok(fg_report_verdict_text(verdict, &style, &out, &err), &err);
		check_lines(out.data, 80);
		compare_golden(cases[i].golden, &out);
		fg_buf_done(&out);
		fg_verdict_free(verdict);
	}
}

static void test_markdown(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_verdict *verdict = verdict_of(2.0, 0.65);
	struct fg_err err = {0};
	struct fg_buf out;
	size_t full;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_markdown(bundle.result, bundle.profile, verdict, 900 << 10, &out, &err),
		  &err);
	compare_golden("summary.md", &out);
	assert_null(strstr(out.data, "std::map<int"));
	full = out.len;
	for (size_t max = 200; max < full + 200; max += 97) {
		fg_buf_clear(&out);
		assert_ok(fg_report_markdown(bundle.result, bundle.profile, verdict, max, &out,
					     &err),
			  &err);
		if (out.len > max)
			fail_msg("%zu bytes of %zu", out.len, max);
		if (max < full && !strstr(out.data, "more rows did not fit"))
			fail_msg("dropped in silence at %zu of %zu", max, full);
		if (strstr(out.data, "<details>") && !strstr(out.data, "</details>"))
			fail_msg("open <details> at %zu", max);
	}
	fg_buf_done(&out);
	fg_verdict_free(verdict);
	bundle_free(&bundle);
}

static void test_hostile_names(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_report_style style = {0};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	free(bundle.result->registry.classes[0].name);
	assert_int_equal(fg_str_dup("a\033[2J|<script>&\x01\xff`x",
				    &bundle.result->registry.classes[0].name, NULL),
			 0);
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err), &err);
	assert_null(strchr(out.data, '\033'));
	fg_buf_clear(&out);
	assert_ok(fg_report_markdown(bundle.result, NULL, NULL, 60000, &out, &err), &err);
	assert_null(strstr(out.data, "<script>"));
	assert_non_null(strstr(out.data, "\\|&lt;script&gt;&amp;"));
	fg_buf_clear(&out);
	assert_ok(fg_report_junit(bundle.result, NULL, &out, &err), &err);
	assert_null(strstr(out.data, "<script>"));
	assert_null(strchr(out.data, '\x01'));
	assert_null(strchr(out.data, '\xff'));
	fg_buf_done(&out);
	bundle_free(&bundle);
}

static void test_junit(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_verdict *verdict = verdict_of(2.0, 0.65);
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_junit(bundle.result, verdict, &out, &err), &err);
	compare_golden("junit.xml", &out);
	fg_buf_done(&out);
	fg_verdict_free(verdict);
	bundle_free(&bundle);
}

static void set_outcome(struct fg_result *result, enum fg_outcome outcome)
{
	free(result->outcome);
	assert_int_equal(fg_str_dup(fg_outcomes[outcome].word, &result->outcome, NULL), 0);
	result->exit_code = fg_outcomes[outcome].exit_code;
}

/* A run that failed for another reason than a threshold must not look green to a CI system. */
static void test_junit_bad_runs(void **state)
{
	static const struct {
		enum fg_outcome outcome;
		const char *invalid, *expected;
	} cases[] = {
		{FG_OUTCOME_PASSED, NULL, "name=\"measurement\" time=\"60.000\"/>"},
		{FG_OUTCOME_PASSED, "late", "<skipped message=\"warning: late\"/>"},
		{FG_OUTCOME_INVALID_MEASUREMENT, "late",
		 "<failure message=\"late\" type=\"invalid\"/>"},
		{FG_OUTCOME_TARGET, NULL, "type=\"target\"/>"},
		{FG_OUTCOME_INTERRUPTED, NULL, "type=\"interrupted\"/>"},
		{FG_OUTCOME_NO_PROFILER, NULL, "type=\"no-profiler\"/>"},
	};
	struct fg_bundle bundle = material();
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		set_outcome(bundle.result, cases[i].outcome);
		free(bundle.result->invalid_reason);
		bundle.result->invalid_reason = NULL;
		if (cases[i].invalid)
			assert_int_equal(fg_str_dup(cases[i].invalid,
						    &bundle.result->invalid_reason, NULL),
					 0);
		fg_buf_clear(&out);
		assert_ok(fg_report_junit(bundle.result, NULL, &out, &err), &err);
		if (!strstr(out.data, cases[i].expected))
			fail_msg("no %s in\n%s", cases[i].expected, out.data);
	}
	fg_buf_done(&out);
	bundle_free(&bundle);
}

static void expect_text(const struct fg_result *result, const char *wanted, const char *unwanted)
{
	const struct fg_report_style style = {.width = 100};
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_run_text(result, NULL, &style, &out, &err), &err);
	if (!strstr(out.data, wanted) || strstr(out.data, unwanted))
		fail_msg("\"%s\" but not \"%s\" wanted in\n%s", wanted, unwanted, out.data);
	fg_buf_done(&out);
}

static void test_outcome_words(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_registry registry = sample_registry();
	struct fg_result *empty;

	(void)state;
	/* one of the three is not met and only warns */
	bundle.result->thresholds[1].passed = true;
	set_outcome(bundle.result, FG_OUTCOME_PASSED);
	expect_text(bundle.result, "PASSED: 2 of 3 thresholds; 1 not met, but only warns",
		    "3 of 3");
	assert_int_equal(fg_result_new(&registry, &empty, NULL), 0);
	set_outcome(empty, FG_OUTCOME_PASSED);
	sample_profile_info(bundle.result, 1000);
	bundle.result->profile.complete = 960;
	bundle.result->profile.incomplete_by[FG_STACK_KERNEL_ONLY] = 40;
	bundle.result->profile.lost = 1;
	bundle.result->profile.lost_by[FG_LOSS_RING] = 1;
	struct fg_buf samples = {.max = 4096};

	fg_report_samples(&bundle.result->profile, &samples);
	assert_string_equal(samples.data,
			    "1 000 samples, 1 lost (the ring was full), 100.00 % complete, 0.0 % "
			    "unnamed, 4.0 % in the kernel only");
	fg_buf_done(&samples);
	expect_text(empty, "nothing was measured", "0.00 %");
	expect_text(empty, "run: 0 requests in 0 ns\n", "PASSED:");
	/* gate.onInvalid: warn is no reason to be silent */
	assert_int_equal(fg_str_dup("it was late", &empty->invalid_reason, NULL), 0);
	expect_text(empty, "; invalid measurement: it", "INVALID");
	fg_result_free(empty);
	fg_registry_done(&registry);
	bundle_free(&bundle);
}

static void test_full_buffer(void **state)
{
	struct fg_bundle bundle = material();
	struct fg_report_style style = {0};
	struct fg_err err = {0};

	(void)state;
	for (size_t max = 0; max < 1500; max += 131) {
		struct fg_buf out;

		fg_buf_init(&out, max);
		assert_true(fg_report_run_text(bundle.result, bundle.profile, &style, &out, &err) <
			    0);
		fg_buf_clear(&out);
		assert_true(fg_report_junit(bundle.result, NULL, &out, &err) < 0 || max > 1000);
		fg_buf_done(&out);
	}
	bundle_free(&bundle);
}

static void test_widths(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		bool keep_end;
		const char *cut;
	} cases[] = {
		{"abc", 3, false, "abc"},
		{"abcd", 3, false, "ab…"},
		{"abcd", 3, true, "…cd"},
		{"µs µs", 4, false, "µs …"},
		{"日本語", 5, false, "日本…"},
		{"日本語", 6, false, "日本語"},
		{"e\xcc\x81x", 2, false, "e\xcc\x81x"},
		{"\xff\xfe", 2, false, "??"},
		{"", 0, false, ""},
		{"abc", 0, false, ""},
		{"abc", 1, true, "…"},
		{"\xe2\x80\xaetest", 5, false, "?test"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf out;

		fg_buf_init(&out, 100);
		fg_text_cut(cases[i].text, cases[i].width, cases[i].keep_end, &out);
		if (strcmp(out.data ? out.data : "", cases[i].cut) != 0)
			fail_msg("%s at %zu: %s", cases[i].text, cases[i].width, out.data);
		fg_buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_run_text),
		cmocka_unit_test(test_summary_modes),
		cmocka_unit_test(test_runtime_advice),
		cmocka_unit_test(test_own_overhead),
		cmocka_unit_test(test_partial_profile),
		cmocka_unit_test(test_run_without_profile),
		cmocka_unit_test(test_verdict_text),
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_junit),
		cmocka_unit_test(test_junit_bad_runs),
		cmocka_unit_test(test_outcome_words),
		cmocka_unit_test(test_full_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
