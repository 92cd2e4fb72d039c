/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation fails once, alone and with all that follow: no crash, nothing left behind, and
 * an error each time, never a result that lacks something.
 */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/judge/threshold_watch.h"
#include "gate/judge/verdict.h"
#include "gate/measure/series.h"
#include "gate/profile/pprof.h"
#include "gate/report/flame.h"
#include "gate/report/top.h"
#include "runner/scenario/scenario.h"
#include "tests/fault/failmalloc.h"
#include "tests/unit/judge/sample_run.h"

/* What all operations work on; made before anything fails. */
static struct fg_bundle base, head;
static struct fg_buf pprof;
static char written[] = "/tmp/flamegate-fault-XXXXXX";
static char target_dir[64], source_dir[64];
/* What the operation gave in the round without failures. */
static char *resolved;
static bool is_complete;

/* The first result of an operation is kept, later ones are held against it. */
static void keep_or_compare(const char *text)
{
	is_complete = resolved && strcmp(resolved, text) == 0;
	if (!resolved) {
		resolved = strdup(text);
		assert_non_null(resolved);
	}
}

static int run_scenario(const char *name, struct fg_err *err)
{
	static const char dir[] = FG_SCENARIOS "/";
	struct fg_scenario_options options = {0};
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_file *file = NULL;
	struct fg_registry registry;
	char path[512];

	assert_true((size_t)snprintf(path, sizeof(path), "%s%s", dir, name) < sizeof(path));
	int rc = fg_scenario_load(path, &options, &file, &diagnostics, err);

	fg_registry_init(&registry);
	if (!rc)
		keep_or_compare(file->resolved_json);
	if (!rc)
		rc = fg_scenario_register(file, "curl", &registry, err);
	fg_registry_done(&registry);
	fg_diagnostics_done(&diagnostics);
	fg_scenario_file_free(file);
	return rc;
}

static int load_quickstart(struct fg_err *err)
{
	return run_scenario("quickstart.yaml", err);
}

static int load_constant(struct fg_err *err)
{
	return run_scenario("constant-vus.yaml", err);
}

static int load_metrics(struct fg_err *err)
{
	return run_scenario("k6-groups-metrics.yaml", err);
}

static int load_data(struct fg_err *err)
{
	return run_scenario("k6-data-driven.yaml", err);
}

static int load_ramping(struct fg_err *err)
{
	return run_scenario("ramping-vus.yaml", err);
}

static int load_quick(struct fg_err *err)
{
	const struct fg_quick_options options = {
		.url = "http://127.0.0.1:8080/items?q=1",
		.stages = "30s:50,1m:100",
	};
	struct fg_scenario_file *file = NULL;
	int rc = fg_scenario_quick(&options, &file, err);

	if (!rc)
		keep_or_compare(file->resolved_json);
	fg_scenario_file_free(file);
	return rc;
}

static int read_bundle(struct fg_err *err)
{
	struct fg_bundle bundle = {0};
	struct fg_buf text;
	int rc = fg_bundle_read(source_dir, &bundle, err);

	if (rc)
		return rc;
	fg_buf_init(&text, 16 << 20);
	rc = fg_bundle_run_json(bundle.result, &text, err);
	if (!rc && (bundle.profile->sample_count == base.profile->sample_count))
		keep_or_compare(text.data);
	fg_buf_done(&text);
	fg_bundle_done(&bundle);
	return rc;
}

static int write_bundle(struct fg_err *err)
{
	int rc = fg_bundle_write(target_dir, base.result, base.profile, err);

	/* All or nothing. */
	assert_int_equal(fg_file_exists(target_dir), rc == 0);
	if (rc == 0)
		rc = fg_file_remove_tree(target_dir, err);
	return rc;
}

static int encode(struct fg_err *err)
{
	const struct fg_pprof_options options = {.gzip = true, .labels = true};
	struct fg_buf out;

	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	int rc = fg_pprof_encode(base.profile, &options, &out, err);

	fg_buf_done(&out);
	return rc;
}

static int decode(struct fg_err *err)
{
	struct fg_profile *profile = NULL;
	int rc = fg_pprof_decode(pprof.data, pprof.len, &profile, err);

	fg_profile_free(profile);
	return rc;
}

static int compare(struct fg_err *err)
{
	struct fg_verdict *verdict = NULL;
	struct fg_buf json;
	struct fg_gate gate;

	fg_gate_init(&gate);
	fg_buf_init(&json, 1 << 20);
	int rc = fg_verdict_compare(&base, &head, &gate, &verdict, err);

	if (!rc)
		rc = fg_verdict_json(verdict, &json, err);
	fg_buf_done(&json);
	fg_verdict_free(verdict);
	fg_gate_done(&gate);
	return rc;
}

static int count_slice(void *context, const struct fg_slice *slice, uint32_t seconds,
		       struct fg_err *err)
{
	uint64_t *requests = context;

	(void)err;
	for (size_t i = 0; seconds == 1 && i < 2 * slice->class_count; i++)
		*requests += slice->classes[i].requests;
	return 0;
}

static int feed_result(struct fg_result *result, struct fg_err *err)
{
	static const uint32_t seconds[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1};
	struct fg_slice *slice = NULL;
	int rc = fg_slice_new(&result->registry, NULL, &slice, err);

	for (size_t i = 0; rc == 0 && i < FG_ARRAY_LEN(seconds); i++) {
		struct fg_request_record record = {.expected = true, .status = 200};

		fg_slice_clear(slice);
		slice->second = seconds[i];
		record.trends_ns[FG_TREND_RESPONSE_TIME] = 1000000 + seconds[i];
		if (fg_slice_request(slice, &record) || fg_slice_custom(slice, 0, 2.5))
			rc = fg_err_nomem(err);
		else
			rc = fg_result_add_slice(result, slice, err);
	}
	fg_slice_free(slice);
	return rc;
}

static int judge_windows(struct fg_result *result, struct fg_threshold *threshold,
			 struct fg_err *err)
{
	struct fg_threshold_result found = {0};
	uint64_t requests = 0;
	char text[256];

	threshold->window_ns = 5 * FG_NS_PER_S;
	int rc = fg_threshold_watch(result, threshold, 1, err);

	if (rc == 0)
		rc = feed_result(result, err);
	if (rc == 0)
		rc = fg_series_slices(result, 0, UINT32_MAX, count_slice, &requests, err);
	if (rc == 0)
		rc = fg_threshold_watch_end(result, err);
	if (rc == 0)
		rc = fg_threshold_evaluate(threshold, result, base.result, &found, err);
	if (rc)
		return rc;
	(void)snprintf(text, sizeof(text), "%s %s %llu", found.text, found.value_text,
		       (unsigned long long)requests);
	keep_or_compare(text);
	fg_threshold_result_done(&found);
	return 0;
}

/* Late seconds, custom metrics, windows, a baseline. */
static int measure(struct fg_err *err)
{
	char name[] = "cart";
	const struct fg_custom custom = {.name = name, .type = FG_METRIC_TREND};
	struct fg_threshold threshold = {0};
	struct fg_result *result = NULL;
	struct fg_registry registry;
	int rc = fg_registry_copy(&registry, &base.result->registry, err);

	if (rc)
		return rc;
	rc = fg_registry_add_custom(&registry, &custom, err);
	if (rc >= 0)
		rc = fg_result_new(&registry, &result, err);
	if (rc == 0)
		rc = fg_threshold_parse("http_req_response_time / http_req_duration{scenario:x}",
					"p(95) < baseline * 1.1 + 1", &threshold, err);
	if (rc == 0)
		rc = judge_windows(result, &threshold, err);
	fg_result_free(result);
	fg_threshold_done(&threshold);
	fg_registry_done(&registry);
	return rc;
}

/* The first hundred one by one, later ones with growing steps: they are mostly loops. */
static size_t after(size_t index)
{
	return index + 1 + (index > 100 ? index / 32 : 0);
}

static int flame(struct fg_err *err)
{
	const struct fg_flame_options options = {.base = &base, .search = "/parse/"};
	struct fg_buf out;

	fg_buf_init(&out, 16 << 20);
	int rc = fg_flame_svg(&head, &options, &out, err);

	if (!rc)
		keep_or_compare(out.data);
	fg_buf_done(&out);
	return rc;
}

static int speedscope(struct fg_err *err)
{
	struct fg_buf out;

	fg_buf_init(&out, 16 << 20);
	int rc = fg_flame_speedscope(&head, &(struct fg_flame_options){0}, &out, err);

	if (!rc)
		keep_or_compare(out.data);
	fg_buf_done(&out);
	return rc;
}

static int top(struct fg_err *err)
{
	const struct fg_top_options options = {.relative = "parse", .search = "pars"};
	struct fg_top *made = NULL;
	struct fg_buf out;
	int rc = fg_top_new(head.result, head.profile, &options, &made, err);

	fg_buf_init(&out, 16 << 20);
	if (!rc)
		rc = fg_top_text(made, &(struct fg_report_style){0}, &out, err);
	if (!rc)
		rc = fg_top_json(made, &out, err);
	if (!rc)
		rc = fg_top_csv(made, &out, err);
	if (!rc)
		keep_or_compare(out.data);
	fg_buf_done(&out);
	fg_top_free(made);
	return rc;
}

static void fail_each(const char *name, int (*operation)(struct fg_err *err), bool and_later)
{
	struct fg_err err = {0};
	size_t rounds = 0;

	free(resolved);
	resolved = NULL;
	assert_ok(operation(&err), &err); /* what is made once and kept exists from here on */
	const size_t before = failmalloc_live();

	for (size_t index = 0;; index = after(index)) {
		fg_err_clear(&err);
		is_complete = false;
		failmalloc_arm(index, and_later);
		int rc = operation(&err);
		bool has_failed = failmalloc_disarm();

		/* a failure may be got over; then nothing may lack. */
		if (has_failed && rc == 0 && !is_complete)
			fail_msg("%s: allocation %zu failed and nobody noticed", name, index);
		if (rc && (err.code == FG_E_NONE || !err.message[0]))
			fail_msg("%s: allocation %zu: no message", name, index);
		if (failmalloc_live() != before)
			fail_msg("%s: allocation %zu failed: %zu blocks leaked (%s)", name, index,
				 failmalloc_live() - before, err.message);
		if (!has_failed) {
			assert_ok(rc, &err);
			break;
		}
		rounds++;
	}
	assert_true(rounds > 3);
	print_message("%s: %zu failures noticed\n", name, rounds);
}

static const struct {
	const char *name;
	int (*run)(struct fg_err *err);
} operations[] = {
	{"measure", measure},
	{"scenario quickstart", load_quickstart},
	{"scenario constant-vus", load_constant},
	{"scenario ramping-vus", load_ramping},
	{"scenario k6-groups-metrics", load_metrics},
	{"scenario k6-data-driven", load_data},
	{"quick scenario", load_quick},
	{"read bundle", read_bundle},
	{"write bundle", write_bundle},
	{"encode profile", encode},
	{"decode profile", decode},
	{"compare", compare},
	{"flame graph", flame},
	{"speedscope", speedscope},
	{"top", top},
};

static void test_one_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(operations); i++)
		fail_each(operations[i].name, operations[i].run, false);
}

static void test_all_fail_from_one_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(operations); i++)
		fail_each(operations[i].name, operations[i].run, true);
}

static int set_up(void **state)
{
	static const struct sample_function functions[] = {{"parse", 0.3}, {"escape", 0.2}};
	struct sample_server server = {.cpu_ns = 237000,
				       .cpu_jitter = 0.02,
				       .latency_ns = 1100000,
				       .latency_sigma = 0.4,
				       .seconds = 12,
				       .rate_per_s = 30,
				       .classes = 2,
				       .seed = 1};
	const struct fg_pprof_options options = {.gzip = true, .labels = true};
	struct fg_err err = {0};

	(void)state;
	failmalloc_init();
	assert_non_null(mkdtemp(written));
	(void)snprintf(target_dir, sizeof(target_dir), "%s/target", written);
	(void)snprintf(source_dir, sizeof(source_dir), "%s/source", written);
	base.result = sample_server_run(&server);
	base.profile = sample_profile(functions, FG_ARRAY_LEN(functions), 400, 12, 1);
	sample_profile_info(base.result, 400);
	server.seed = 2;
	head.result = sample_server_run(&server);
	head.profile = sample_profile(functions, FG_ARRAY_LEN(functions), 400, 12, 2);
	sample_profile_info(head.result, 400);
	assert_ok(fg_bundle_write(source_dir, base.result, base.profile, &err), &err);
	fg_buf_init(&pprof, FG_PROFILE_BYTES_MAX);
	assert_ok(fg_pprof_encode(base.profile, &options, &pprof, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	struct fg_err err = {0};

	(void)state;
	free(resolved);
	fg_buf_done(&pprof);
	fg_bundle_done(&base);
	fg_bundle_done(&head);
	assert_ok(fg_file_remove_tree(written, &err), &err);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_fails),
		cmocka_unit_test(test_all_fail_from_one_on),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
