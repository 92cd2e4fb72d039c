/* SPDX-License-Identifier: Apache-2.0 */
/* run.json and latency.jsonl as texts: nothing lost, the golden file, and what is refused. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/judge/threshold.h"
#include "gate/measure/bundle_internal.h"
#include "tests/unit/measure/sample_run.h"

static const struct fg_sample_run small = {.classes = 1,
					   .seconds = 3,
					   .requests_per_second = 60,
					   .workers = 1,
					   .warmup_seconds = 1,
					   .filled = true};

static void assert_same_hist(const struct fg_hist *a, const struct fg_hist *b)
{
	assert_true(a->count == b->count && a->lower_bounds == b->lower_bounds);
	assert_true(a->min_ns == b->min_ns && a->max_ns == b->max_ns);
	assert_true(a->sum_ns == b->sum_ns);
	for (size_t i = 0; i < FG_HIST_COUNTERS; i++)
		assert_true(fg_hist_counter(a, i) == fg_hist_counter(b, i));
}

static void assert_same_text(const char *a, const char *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_tags(const struct fg_tags *a, const struct fg_tags *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_string_equal(a->items[i].key, b->items[i].key);
		assert_string_equal(a->items[i].value, b->items[i].value);
	}
}

static void assert_same_registry(const struct fg_registry *a, const struct fg_registry *b)
{
	assert_int_equal(a->scenario_count, b->scenario_count);
	assert_int_equal(a->class_count, b->class_count);
	assert_int_equal(a->check_count, b->check_count);
	for (size_t i = 0; i < a->scenario_count; i++) {
		const struct fg_scenario_def *x = &a->scenarios[i];
		const struct fg_scenario_def *y = &b->scenarios[i];

		assert_string_equal(x->name, y->name);
		assert_string_equal(x->executor, y->executor);
		assert_string_equal(x->description, y->description);
		assert_true(x->start_ns == y->start_ns && x->duration_ns == y->duration_ns);
		assert_true(x->warmup_ns == y->warmup_ns);
		assert_true(x->target_rate_per_s == y->target_rate_per_s);
		assert_same_tags(&x->tags, &y->tags);
	}
	for (size_t i = 0; i < a->class_count; i++) {
		const struct fg_class *x = &a->classes[i];
		const struct fg_class *y = &b->classes[i];

		assert_int_equal(x->scenario, y->scenario);
		assert_string_equal(x->name, y->name);
		assert_string_equal(x->group, y->group);
		assert_string_equal(x->method, y->method);
		assert_string_equal(x->url, y->url);
		assert_string_equal(x->engine, y->engine);
		assert_string_equal(x->clock, y->clock);
		assert_same_tags(&x->tags, &y->tags);
	}
	for (size_t i = 0; i < a->check_count; i++) {
		assert_int_equal(a->checks[i].scenario, b->checks[i].scenario);
		assert_int_equal(a->checks[i].class_index, b->checks[i].class_index);
		assert_string_equal(a->checks[i].name, b->checks[i].name);
		assert_string_equal(a->checks[i].group, b->checks[i].group);
	}
}

static void assert_same_totals(const struct fg_slice *a, const struct fg_slice *b)
{
	assert_int_equal(a->second, b->second);
	for (size_t i = 0; i < 2 * a->class_count; i++) {
		const struct fg_class_slice *x = &a->classes[i];
		const struct fg_class_slice *y = &b->classes[i];

		assert_true(x->requests == y->requests && x->failed == y->failed);
		assert_true(x->sent_bytes == y->sent_bytes);
		assert_true(x->received_bytes == y->received_bytes);
		assert_memory_equal(x->errors, y->errors, sizeof(x->errors));
		for (size_t s = 0; s < FG_STATUS_MAX; s++)
			assert_int_equal(x->statuses ? x->statuses[s] : 0,
					 y->statuses ? y->statuses[s] : 0);
		for (size_t t = 0; t < FG_TREND_COUNT; t++)
			assert_same_hist(&x->trends[t], &y->trends[t]);
	}
	for (size_t i = 0; i < a->scenario_count; i++) {
		const struct fg_scenario_slice *x = &a->scenarios[i];
		const struct fg_scenario_slice *y = &b->scenarios[i];

		assert_true(x->iterations == y->iterations && x->interrupted == y->interrupted);
		assert_true(x->dropped == y->dropped && x->scheduled == y->scheduled);
		assert_true(x->late == y->late && x->vus == y->vus && x->vus_max == y->vus_max);
		assert_same_hist(&x->iteration_duration, &y->iteration_duration);
		assert_same_hist(&x->lag, &y->lag);
		assert_same_hist(&x->queue, &y->queue);
	}
	if (a->check_count)
		assert_memory_equal(a->checks, b->checks, a->check_count * sizeof(*a->checks));
	assert_int_equal(a->custom_count, b->custom_count);
	for (size_t i = 0; i < a->custom_count; i++) {
		const struct fg_custom_slice *x = &a->customs[i];
		const struct fg_custom_slice *y = &b->customs[i];

		assert_true(x->type == y->type && x->count == y->count && x->trues == y->trues);
		assert_true(x->sum == y->sum && x->min == y->min && x->max == y->max);
		assert_true(x->last == y->last);
		assert_same_hist(&x->trend, &y->trend);
		assert_same_hist(&x->large, &y->large);
		assert_same_hist(&x->below, &y->below);
	}
	assert_int_equal(a->group_count, b->group_count);
	for (size_t i = 0; i < a->group_count; i++)
		assert_same_hist(&a->groups[i], &b->groups[i]);
}

static void assert_same_environment(const struct fg_environment *a, const struct fg_environment *b)
{
	assert_string_equal(a->cpu_model, b->cpu_model);
	assert_string_equal(a->kernel, b->kernel);
	assert_string_equal(a->architecture, b->architecture);
	assert_string_equal(a->hostname_hash, b->hostname_hash);
	assert_string_equal(a->governor, b->governor);
	assert_string_equal(a->ci, b->ci);
	assert_string_equal(a->container, b->container);
	assert_string_equal(a->runtime_flags, b->runtime_flags);
	assert_int_equal(a->cores, b->cores);
	assert_true(a->memory_bytes == b->memory_bytes);
}

static void assert_same_thresholds(const struct fg_result *a, const struct fg_result *b)
{
	assert_int_equal(a->threshold_count, b->threshold_count);
	for (size_t i = 0; i < a->threshold_count; i++) {
		const struct fg_threshold_result *x = &a->thresholds[i];
		const struct fg_threshold_result *y = &b->thresholds[i];

		assert_same_text(x->metric_text, y->metric_text);
		assert_same_text(x->text, y->text);
		assert_true(x->level == y->level && x->passed == y->passed);
		assert_true(x->no_data == y->no_data && x->aborted == y->aborted);
		assert_true(x->value == y->value || (isnan(x->value) && isnan(y->value)));
		assert_true(x->samples == y->samples);
		assert_string_equal(x->value_text, y->value_text);
	}
}

static void assert_same_series(const struct fg_result *a, const struct fg_result *b)
{
	struct fg_sample_rows xs, ys;

	fg_sample_rows_load(&xs, a);
	fg_sample_rows_load(&ys, b);
	assert_int_equal(xs.count, ys.count);
	for (size_t i = 0; i < xs.count; i++) {
		const struct fg_series_row *x = &xs.items[i];
		const struct fg_series_row *y = &ys.items[i];

		assert_true(x->second == y->second && x->class_index == y->class_index);
		assert_true(x->expected == y->expected);
		assert_true(x->warmup == y->warmup && x->requests == y->requests);
		assert_true(x->failed == y->failed && x->sent_bytes == y->sent_bytes);
		assert_true(x->received_bytes == y->received_bytes);
		assert_same_text(x->response_hdr, y->response_hdr);
		assert_same_text(x->service_hdr, y->service_hdr);
		assert_same_text(x->duration_hdr, y->duration_hdr);
	}
	fg_sample_rows_done(&xs);
	fg_sample_rows_done(&ys);
}

static void assert_same_result(const struct fg_result *a, const struct fg_result *b)
{
	assert_string_equal(a->id, b->id);
	assert_same_text(a->name, b->name);
	assert_same_text(a->scenario_json, b->scenario_json);
	assert_string_equal(a->scenario_hash, b->scenario_hash);
	assert_same_text(a->target_label, b->target_label);
	assert_same_text(a->invalid_reason, b->invalid_reason);
	assert_same_text(a->outcome, b->outcome);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_int_equal(a->target_pid, b->target_pid);
	assert_true(a->seed == b->seed && a->status == b->status);
	assert_true(a->started_unix_ns == b->started_unix_ns && a->started_ns == b->started_ns);
	assert_true(a->duration_ns == b->duration_ns);
	assert_true(a->measured_start_ns == b->measured_start_ns);
	assert_true(a->measured_ns == b->measured_ns);
	assert_true(a->measured_target_cpu_ns == b->measured_target_cpu_ns);
	assert_true(a->generator_cpu_ns == b->generator_cpu_ns);
	assert_int_equal(a->target_cpu.count, b->target_cpu.count);
	if (a->target_cpu.count)
		assert_memory_equal(a->target_cpu.cpu_ns, b->target_cpu.cpu_ns,
				    a->target_cpu.count * sizeof(uint64_t));
	assert_same_environment(&a->environment, &b->environment);
	fg_sample_same_profile_info(&a->profile, &b->profile);
	assert_same_registry(&a->registry, &b->registry);
	assert_same_totals(a->totals, b->totals);
	assert_same_thresholds(a, b);
}

static void round_trip(const struct fg_result *result)
{
	struct fg_result *back = NULL;
	struct fg_buf text;
	struct fg_buf again;
	struct fg_err err = {0};

	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	fg_buf_init(&again, FG_JSON_BYTES_MAX);
	assert_ok(fg_bundle_run_json(result, &text, &err), &err);
	assert_ok(fg_bundle_parse_run_json(text.data, text.len, &back, &err), &err);
	assert_same_result(result, back);
	assert_ok(fg_bundle_run_json(back, &again, &err), &err);
	assert_string_equal(text.data, again.data);
	fg_buf_clear(&text);
	assert_ok(fg_bundle_latency_lines(result, &text, &err), &err);
	assert_ok(fg_bundle_parse_latency(text.data ? text.data : "", text.len, back, &err), &err);
	fg_buf_clear(&again);
	assert_ok(fg_bundle_metrics_lines(result, &again, &err), &err);
	assert_ok(fg_bundle_parse_metrics(again.data ? again.data : "", again.len, back, &err),
		  &err);
	assert_same_series(result, back);
	fg_buf_clear(&text);
	assert_ok(fg_bundle_metrics_lines(back, &text, &err), &err);
	assert_int_equal(text.len, again.len);
	if (text.len)
		assert_memory_equal(text.data, again.data, text.len);
	fg_buf_done(&text);
	fg_buf_done(&again);
	fg_result_free(back);
}

static void test_nothing_is_lost(void **state)
{
	static const struct fg_sample_run runs[] = {
		{.classes = 0, .seconds = 0, .workers = 1},
		{.classes = 1, .seconds = 0, .workers = 1, .filled = true},
		{.classes = 4,
		 .seconds = 5,
		 .requests_per_second = 700,
		 .workers = 2,
		 .warmup_seconds = 2,
		 .filled = true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(runs); i++) {
		struct fg_result *result = fg_sample_result(&runs[i]);

		fg_notices_add(&result->profile.notices, "more than 1023 address spaces");
		fg_notices_add(&result->profile.notices, "/opt/größe: %*d", 300, 1); /* cut */
		for (int s = 0; s < FG_RUN_STATUS_COUNT; s++) {
			result->status = (enum fg_run_status)s;
			round_trip(result);
		}
		fg_result_free(result);
	}
}

static void test_no_scenarios_at_all(void **state)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	struct fg_err err = {0};

	(void)state;
	fg_registry_init(&registry);
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	round_trip(result);
	fg_result_free(result);
}

/* What zlib and the version decide is cut out: "hdr": "…" and "flamegate": "…". */
static void blank(char *text, const char *key)
{
	for (char *at = strstr(text, key); at; at = strstr(at, key)) {
		at += strlen(key);
		char *end = strchr(at, '"');

		assert_non_null(end);
		memmove(at, end, strlen(end) + 1);
	}
}

static void test_golden_file(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_result *golden = NULL;
	struct fg_buf file;
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&file, FG_JSON_BYTES_MAX);
	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	assert_ok(fg_bundle_run_json(result, &text, &err), &err);
	if (getenv("FLAMEGATE_UPDATE_GOLDEN"))
		assert_ok(fg_file_write(FG_GOLDEN_DIR "/run.json", text.data, text.len, &err),
			  &err);
	assert_ok(fg_file_read(FG_GOLDEN_DIR "/run.json", FG_JSON_BYTES_MAX, &file, &err), &err);
	assert_ok(fg_bundle_parse_run_json(file.data, file.len, &golden, &err), &err);
	assert_same_result(result, golden);
	blank(file.data, "\"hdr\": \"");
	blank(text.data, "\"hdr\": \"");
	blank(file.data, "\"flamegate\": \"");
	blank(text.data, "\"flamegate\": \"");
	assert_string_equal(file.data, text.data);
	fg_buf_done(&file);
	fg_buf_done(&text);
	fg_result_free(golden);
	fg_result_free(result);
}

/* `text` with the first `from` replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	size_t len = strlen(text) + strlen(to) + 1;
	char *copy = malloc(len);

	if (!at)
		fail_msg("the sample has no %s", from);
	assert_non_null(copy);
	(void)snprintf(copy, len, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return copy;
}

static const struct {
	const char *from, *to, *message;
} refused[] = {
	{"\"version\": 1,", "\"version\": 2,",
	 "run.json: bundle version 2; this flamegate (" FG_VERSION ") reads version 1"},
	{"\"version\": 1,", "", "run.json: version: expected an integer, found nothing"},
	{"\"version\": 1,", "\"version\": \"1\",", "version: expected an integer"},
	{"\"version\": 1,", "\"version\": 1, \"version\": 1,", "duplicate"},
	{"\"id\": \"", "\"id\": \"01234567890123456789012345678901234", "id: longer than 32"},
	{"\"status\": \"interrupted\"", "\"status\": \"fine\"", "status: unknown word \"fine\""},
	{"\"exitCode\": 99", "\"exitCode\": 99.5", "exitCode is not an integer"},
	{"\"exitCode\": 99", "\"exitCode\": 256", "exitCode: 256 is not between"},
	{"\"seed\": \"", "\"seed\": \"-", "seed"},
	{"\"pid\": 4711", "\"pid\": 4294967296", "target.pid: 4294967296 is not between"},
	{"\"durationNs\": ", "\"durationNs\": -", "time.durationNs: -60123456789 is not"},
	{"\"cores\": 4", "\"cores\": 4.0", "environment.cores: expected an integer"},
	{"\"kernel\": ", "\"kernel\": null, \"k\": ", "environment.kernel: expected a string"},
	{"\"level\": \"error\"", "\"level\": \"loud\"", "thresholds[0].level: unknown word"},
	{"\"aborted\": true", "\"aborted\": 1", "thresholds[0].aborted: expected true or false"},
	{"\"targetPerSecondNs\": [", "\"targetPerSecondNs\": [null,",
	 "cpu.targetPerSecondNs[0]: expected an integer, found null"},
	{"\"ring\": 1", "\"ring\": -1", "profile.lostBy.ring: -1 is not between"},
	{"\"gap\": 60", "\"gap\": \"60\"", "profile.incompleteBy.gap: expected an integer"},
	{"\"unnamedShare\": 0.004", "\"unnamedShare\": 1.004", "profile.unnamedShare: 1.004"},
	{"\"runtimes\": [", "\"notices\": [\"a\", 1], \"runtimes\": [",
	 "profile.notices[1]: expected a string"},
	{"\"runtimes\": [", "\"notices\": \"a\", \"runtimes\": [",
	 "profile.notices: expected a list"},
	{"\"runtimes\": [", "\"runtimes\": [{},", "profile.runtimes[0].name: expected"},
	{"\"processes\": 3", "\"processes\": -3", "profile.runtimes[0].processes: -3"},
	{"\"class\": 0", "\"class\": 2", "no such scenario or class"},
	{"\"class\": 0", "\"class\": -1", "checks[0].class: -1 is not between"},
	{"\"name\": \"late\"", "\"name\": \"browse\"", "scenario \"browse\" is there twice"},
	{"\"name\": \"browse\"", "\"name\": \"\"", "a scenario needs a name"},
	{"\"startNs\": 0", "\"startNs\": 9223372036854775808", "not valid JSON"},
	{"\"targetRatePerS\": 200.1", "\"targetRatePerS\": -1", "targetRatePerS: -1 is not"},
	{"\"tier\": \"a\"", "\"tier\": 7", "scenarios[0].tags.tier: expected a string"},
	{"\"scenario\": 1,\n   \"name\": \"GET /late\"",
	 "\"scenario\": 0,\n   \"name\": \"GET /items/0\"", "this request class is there twice"},
	{"\"503\": ", "\"503\": -", "statuses.503: -"},
	{"\"status\": 1", "\"status\": true", "errors.status: expected an integer"},
	{"\"hdr\": \"HIST", "\"hdr\": \"XIST", "not a compressed HdrHistogram"},
	{"\"hdr\": \"", "\"hdr\": \"*", "base64"},
	{"\"lowerBounds\": 0", "\"lowerBounds\": 99999999", "lowerBounds does not fit"},
	{"\"minNs\": ", "\"minNs\": 1", "does not fit the histogram"},
	{"\"sumNs\": ", "\"sumNs\": 1", "does not fit the histogram"},
	{"\"classes\": [", "\"classes\": {}, \"x\": [",
	 "classes: expected a list, found an object"},
	{"\"checks\": [", "\"checks\": [1,", "checks[0]: expected an object, found an integer"},
};

static void test_refuses_run_json(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	fg_slice_class(result->totals, 0, false)->errors[FG_NET_HTTP_STATUS] = 1;
	fg_slice_statuses(fg_slice_class(result->totals, 0, false))[503] = 1;
	assert_ok(fg_bundle_run_json(result, &text, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(refused); i++) {
		char *bad = replaced(text.data, refused[i].from, refused[i].to);
		struct fg_result *back = NULL;
		int rc = fg_bundle_parse_run_json(bad, strlen(bad), &back, &err);

		if (rc == 0 || !strstr(err.message, refused[i].message))
			fail_msg("%s: %s", refused[i].to, rc ? err.message : "accepted");
		assert_null(back);
		free(bad);
	}
	fg_buf_done(&text);
	fg_result_free(result);
}

static void test_refuses_every_cut(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	assert_ok(fg_bundle_run_json(result, &text, &err), &err);
	for (size_t len = 0; len + 2 < text.len; len += 1 + text.len / 300) {
		struct fg_result *back = NULL;

		assert_int_not_equal(fg_bundle_parse_run_json(text.data, len, &back, &err), 0);
	}
	for (const char *odd = "[1]\0\"x\"\0null\0{}\0"; *odd; odd += strlen(odd) + 1) {
		struct fg_result *back = NULL;

		assert_int_equal(fg_bundle_parse_run_json(odd, strlen(odd), &back, &err),
				 -FG_E_INVALID);
	}
	fg_buf_done(&text);
	fg_result_free(result);
}

/* A small text must not become gigabytes of counters. */
static void test_refuses_a_histogram_bomb(void **state)
{
	struct fg_hist wide;
	struct fg_buf text;
	struct fg_err err = {0};
	struct fg_json_writer writer;
	FG_AUTO_JSON json_t *tree = NULL;
	size_t blocks = 2 * FG_HIST_BLOCKS;

	(void)state;
	fg_hist_init(&wide, NULL);
	fg_buf_init(&text, 1 << 20);
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++)
		assert_int_equal(fg_hist_record(&wide, fg_hist_index_low_ns(i << 10)), 0);
	fg_json_writer_init(&writer, &text, false);
	fg_json_begin(&writer, NULL);
	assert_ok(fg_bundle_put_hist(&writer, "h", &wide, &err), &err);
	fg_json_end(&writer);
	assert_ok(fg_json_parse(text.data, text.len, &tree, &err), &err);
	const struct fg_json_at root = fg_json_root(tree);

	for (int i = 0; i < 3; i++) {
		struct fg_hist back;

		fg_hist_init(&back, NULL);
		assert_int_equal(fg_bundle_get_hist(&root, "h", &back, &blocks, &err),
				 i < 2 ? 0 : -FG_E_LIMIT);
		fg_hist_done(&back);
	}
	fg_buf_done(&text);
	fg_hist_done(&wide);
}

static void test_unknown_keys_are_ignored(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_result *back = NULL;
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	assert_ok(fg_bundle_run_json(result, &text, &err), &err);
	char *more = replaced(text.data, "\"id\":", "\"future\": {\"x\": [1]}, \"id\":");

	assert_ok(fg_bundle_parse_run_json(more, strlen(more), &back, &err), &err);
	assert_same_result(result, back);
	free(more);
	fg_buf_done(&text);
	fg_result_free(back);
	fg_result_free(result);
}

static void test_refuses_latency_lines(void **state)
{
#define ROW(second, class, more)                                                              \
	"{\"second\":" second ",\"class\":" class ",\"expected\":true,\"phase\":\"measure\"," \
						  "\"requests\":2,\"failed\":0" more "}\n"
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"x\n", "line 1: not valid JSON"},
		{"\n", "line 1: not valid JSON"},
		{"[]\n", "line 1: second: expected an integer, found nothing"},
		{ROW("0", "0", "") ROW("0", "0", ""), "line 2: rows are out of order"},
		{ROW("1", "0", "") ROW("0", "0", ""), "line 2: rows are out of order"},
		{ROW("0", "1", "") ROW("0", "0", ""), "line 2: rows are out of order"},
		{ROW("0", "2", ""), "class: 2 is not between 0 and 1"},
		{ROW("4294967296", "0", ""), "second: 4294967296 is not between"},
		{ROW("0", "0", ",\"responseTime\":7"), "responseTime: expected a string"},
		{"{\"second\":0,\"class\":0,\"expected\":true,\"phase\":\"cool\"}",
		 "phase: unknown word \"cool\""},
		{"{\"second\":0,\"class\":0,\"expected\":true,\"phase\":\"measure\","
		 "\"requests\":1,\"failed\":2}",
		 "failed: 2 is not between 0 and 1"},
	};
#undef ROW
	struct fg_result *result = fg_sample_result(&small);
	size_t count = fg_series_seconds(result);

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};

		assert_int_not_equal(fg_bundle_parse_latency(cases[i].text, strlen(cases[i].text),
							     result, &err),
				     0);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].text, err.message);
		assert_int_equal(fg_series_seconds(result), count);
	}
	fg_result_free(result);
}

static void test_writer_refuses_what_json_cannot_hold(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&text, FG_JSON_BYTES_MAX);
	result->duration_ns = UINT64_MAX;
	assert_int_equal(fg_bundle_run_json(result, &text, &err), -FG_E_INTERNAL);
	result->duration_ns = 1;
	result->scenario_json[0] = 'x';
	assert_int_equal(fg_bundle_run_json(result, &text, &err), -FG_E_INVALID);
	assert_non_null(strstr(err.message, "resolved scenario"));
	result->scenario_json[0] = '{';
	fg_buf_clear(&text);
	for (int i = 0; i < 3; i++) { /* the sum of a late worker's part is too much */
		struct fg_slice *slice = NULL;

		assert_ok(fg_slice_new(&result->registry, NULL, &slice, &err), &err);
		slice->classes[0].requests = INT64_MAX / 2;
		slice->classes[0].failed = 0;
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
		assert_ok(fg_series_seal(result, 1, &err), &err);
		fg_slice_free(slice);
	}
	assert_int_equal(fg_bundle_latency_lines(result, &text, &err), -FG_E_INTERNAL);
	fg_buf_done(&text);
	fg_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost),
		cmocka_unit_test(test_no_scenarios_at_all),
		cmocka_unit_test(test_golden_file),
		cmocka_unit_test(test_refuses_run_json),
		cmocka_unit_test(test_refuses_every_cut),
		cmocka_unit_test(test_refuses_a_histogram_bomb),
		cmocka_unit_test(test_unknown_keys_are_ignored),
		cmocka_unit_test(test_refuses_latency_lines),
		cmocka_unit_test(test_writer_refuses_what_json_cannot_hold),
	};

	return cmocka_run_group_tests_name("run_json", tests, NULL, NULL);
}
