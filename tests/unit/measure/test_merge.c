/* SPDX-License-Identifier: Apache-2.0 */
/* Shards added up: nothing is lost, and only what belongs together is added. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/judge/restate.h"
#include "gate/measure/merge.h"
#include "gate/measure/series.h"
#include "tests/unit/measure/sample_run.h"

enum { SHARDS = 3, SECONDS = 4 };

/* Shards of different length, so that they do not end in the same second. */
static struct fg_result *shard(uint32_t index)
{
	const struct fg_sample_run run = {.classes = 2,
					  .seconds = SECONDS - index,
					  .requests_per_second = 50 + 10 * index,
					  .workers = 1 + index,
					  .filled = true};
	struct fg_result *result = fg_sample_result(&run);

	result->shard_index = index;
	result->shard_count = SHARDS;
	result->target_pid = 0;
	snprintf(result->id, sizeof(result->id), "shard-%u", index + 1);
	return result;
}

struct shards {
	struct fg_result *owned[SHARDS];
	const struct fg_result *list[SHARDS];
};

static void make_shards(struct shards *shards)
{
	for (uint32_t i = 0; i < SHARDS; i++)
		shards->list[i] = shards->owned[i] = shard(i);
}

static void free_shards(struct shards *shards)
{
	for (uint32_t i = 0; i < SHARDS; i++)
		fg_result_free(shards->owned[i]);
}

static struct fg_result *merge(const struct shards *shards, size_t count, struct fg_buf *warnings)
{
	struct fg_result *merged = NULL;
	struct fg_err err;

	fg_buf_init(warnings, 4096);
	assert_ok(fg_merge_results(shards->list, count, &merged, warnings, &err), &err);
	return merged;
}

static void check_class(const struct shards *shards, const struct fg_result *merged, size_t i)
{
	const struct fg_class_slice *sum = &merged->totals->classes[i];
	uint64_t requests = 0, failed = 0, received = 0, ok = 0, reset = 0, counted = 0, max = 0;

	for (size_t s = 0; s < SHARDS; s++) {
		const struct fg_class_slice *one = &shards->list[s]->totals->classes[i];

		requests += one->requests;
		failed += one->failed;
		received += one->received_bytes;
		ok += one->statuses ? one->statuses[200] : 0;
		reset += one->errors[FG_NET_RESET];
		counted += one->trends[FG_TREND_RESPONSE_TIME].count;
		max = FG_MAX(max, fg_hist_percentile_ns(&one->trends[FG_TREND_RESPONSE_TIME], 100));
	}
	assert_int_equal(sum->requests, requests);
	assert_int_equal(sum->failed, failed);
	assert_int_equal(sum->received_bytes, received);
	assert_int_equal(sum->statuses ? sum->statuses[200] : 0, ok);
	assert_int_equal(sum->errors[FG_NET_RESET], reset);
	assert_int_equal(sum->trends[FG_TREND_RESPONSE_TIME].count, counted);
	assert_int_equal(fg_hist_percentile_ns(&sum->trends[FG_TREND_RESPONSE_TIME], 100), max);
}

static void test_totals_add_up(void **state)
{
	struct shards shards;
	struct fg_buf warnings;
	uint64_t iterations = 0, vus_max = 0, passes = 0, generator_ns = 0;

	(void)state;
	make_shards(&shards);
	for (uint32_t s = 0; s < SHARDS; s++)
		shards.owned[s]->vus = (struct fg_vus_range){.last = 2, .min = 1, .max = 3 + s};
	struct fg_result *merged = merge(&shards, SHARDS, &warnings);

	assert_int_equal(merged->vus.last, 2 * SHARDS);
	assert_int_equal(merged->vus.min, SHARDS);
	assert_int_equal(merged->vus.max, 3 * SHARDS + SHARDS * (SHARDS - 1) / 2);
	for (size_t i = 0; i < 2 * merged->totals->class_count; i++)
		check_class(&shards, merged, i);
	for (size_t s = 0; s < SHARDS; s++) {
		iterations += shards.list[s]->totals->scenarios[0].iterations;
		vus_max += shards.list[s]->totals->scenarios[0].vus_max;
		passes += shards.list[s]->totals->checks[0].passes;
		generator_ns += shards.list[s]->generator_cpu_ns;
	}
	assert_true(iterations > 0 && vus_max > 0);
	assert_int_equal(merged->totals->scenarios[0].iterations, iterations);
	assert_int_equal(merged->totals->scenarios[0].vus_max, vus_max);
	assert_int_equal(merged->totals->checks[0].passes, passes);
	assert_int_equal(merged->generator_cpu_ns, generator_ns);
	assert_int_equal(merged->duration_ns, shards.list[0]->duration_ns);
	assert_int_equal(merged->shard_count, 1);
	assert_string_equal(merged->scenario_hash, shards.list[0]->scenario_hash);
	assert_true(!warnings.len);
	fg_buf_done(&warnings);
	fg_result_free(merged);
	free_shards(&shards);
}

struct seconds {
	uint64_t requests[SECONDS + 1];
};

static int count_row(void *context, const struct fg_series_row *row, struct fg_err *err)
{
	struct seconds *seconds = context;

	(void)err;
	assert_true(row->second <= SECONDS);
	seconds->requests[row->second] += row->requests;
	return 0;
}

static void test_series_adds_up(void **state)
{
	struct seconds sums = {0}, whole = {0};
	struct shards shards;
	struct fg_buf warnings;
	struct fg_err err;

	(void)state;
	make_shards(&shards);
	struct fg_result *merged = merge(&shards, SHARDS, &warnings);

	for (size_t s = 0; s < SHARDS; s++)
		assert_ok(fg_series_each(shards.list[s], 0, UINT32_MAX, count_row, &sums, &err),
			  &err);
	assert_ok(fg_series_each(merged, 0, UINT32_MAX, count_row, &whole, &err), &err);
	assert_true(sums.requests[0] > sums.requests[SECONDS - 1]);
	assert_memory_equal(&sums, &whole, sizeof(sums));
	fg_buf_done(&warnings);
	fg_result_free(merged);
	free_shards(&shards);
}

static void test_the_same_target_counts_once(void **state)
{
	struct shards shards;
	struct fg_buf warnings;

	(void)state;
	make_shards(&shards);
	for (size_t s = 0; s < SHARDS; s++)
		shards.owned[s]->measured_target_cpu_ns = 1000;
	shards.owned[0]->target_pid = shards.owned[2]->target_pid = 4711;
	struct fg_result *merged = merge(&shards, SHARDS, &warnings);

	assert_int_equal(merged->measured_target_cpu_ns, 2000);
	fg_buf_done(&warnings);
	fg_result_free(merged);
	free_shards(&shards);
}

static void test_ends_and_warnings(void **state)
{
	struct shards shards;
	struct fg_buf warnings;
	struct fg_err err;

	(void)state;
	make_shards(&shards);
	shards.owned[1]->status = FG_RUN_INTERRUPTED;
	assert_ok(fg_str_replace("late", &shards.owned[1]->invalid_reason, &err), &err);
	free(shards.owned[0]->invalid_reason);
	shards.owned[0]->invalid_reason = NULL;
	shards.owned[1]->started_unix_ns = shards.owned[0]->started_unix_ns + 3 * FG_NS_PER_S;
	struct fg_result *merged = merge(&shards, 2, &warnings);

	assert_int_equal(merged->status, FG_RUN_INTERRUPTED);
	assert_string_equal(merged->invalid_reason, "shard 2/3: late");
	assert_non_null(strstr(warnings.data, "shard 3/3 is missing"));
	assert_non_null(strstr(warnings.data, "began 3.0 s apart"));
	fg_buf_done(&warnings);
	fg_result_free(merged);
	free_shards(&shards);
}

static void spoil_hash(struct fg_result *result)
{
	result->scenario_hash[0] ^= 1;
}

static void spoil_seed(struct fg_result *result)
{
	result->seed++;
}

static void spoil_count(struct fg_result *result)
{
	result->shard_count++;
}

static void spoil_index(struct fg_result *result)
{
	result->shard_index = 0;
}

static void spoil_name(struct fg_result *result)
{
	result->registry.classes[0].name[0] ^= 1;
}

static void spoil_clock(struct fg_result *result)
{
	result->registry.classes[0].clock[0] ^= 1;
}

static void test_refused(void **state)
{
	static const struct {
		void (*spoil)(struct fg_result *result);
		const char *text;
	} cases[] = {
		{spoil_hash, "ran different scenarios"},
		{spoil_seed, "different schedules"},
		{spoil_count, "one of 4"},
		{spoil_index, "both shard 1/3"},
		{spoil_name, "different versions"},
		{spoil_clock, "different clocks"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_result *merged = NULL;
		struct fg_buf warnings;
		struct shards shards;
		struct fg_err err;

		fg_buf_init(&warnings, 4096);
		make_shards(&shards);
		cases[i].spoil(shards.owned[2]);
		assert_int_equal(fg_merge_results(shards.list, SHARDS, &merged, &warnings, &err),
				 -FG_E_INVALID);
		assert_null(merged);
		if (!strstr(err.message, cases[i].text))
			fail_msg("%s", err.message);
		assert_int_equal(fg_merge_results(shards.list, 0, &merged, &warnings, &err),
				 -FG_E_INVALID);
		fg_buf_done(&warnings);
		free_shards(&shards);
	}
}

/* What a stored run was judged by, from its texts and its scenario. */
static void test_restated_thresholds(void **state)
{
	static char metric[] = "http_req_duration", one[] = "p(95)<250", two[] = "p(99)<800ms";
	static char scenario[] = "{\"gate\":{\"onInvalid\":\"warn\"},\"thresholds\":"
				 "{\"http_req_duration\":[\"p(95)<250\",{\"threshold\":"
				 "\"p(99)<800ms\",\"minSamples\":100,\"allowNoData\":true},"
				 "{\"threshold\":\"p(99)<800ms\",\"window\":\"10s\"},"
				 "{\"threshold\":\"p(99)<800ms\",\"stage\":2}]},"
				 "\"scenarios\":{\"s\":{\"startTime\":\"500ms\",\"stages\":["
				 "{\"duration\":\"3s\"},{\"duration\":\"5s\"}]}}}";
	struct fg_threshold_result stored[] = {
		{.metric_text = metric, .text = one},
		{.metric_text = metric, .text = two, .level = FG_LEVEL_WARN},
		{.metric_text = metric, .text = two},
		{.metric_text = metric, .text = two},
	};
	struct fg_result result = {
		.thresholds = stored, .threshold_count = 4, .scenario_json = scenario};
	struct fg_threshold *list = NULL;
	size_t count = 0;
	struct fg_err err;

	(void)state;
	assert_ok(fg_restate_thresholds(&result, &list, &count, &err), &err);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].text, one);
	assert_int_equal(list[0].level, FG_LEVEL_ERROR);
	assert_int_equal(list[0].min_samples, 0);
	assert_int_equal(list[1].level, FG_LEVEL_WARN);
	assert_int_equal(list[1].min_samples, 100);
	assert_true(list[1].allow_no_data);
	assert_int_equal(list[1].window_ns, 0);
	assert_int_equal(list[2].window_ns, 10 * FG_NS_PER_S);
	assert_int_equal(list[2].min_samples, 0);
	/* 3.5 s to 8.5 s: the whole seconds in it */
	assert_int_equal(list[3].from_ns, 4 * FG_NS_PER_S);
	assert_int_equal(list[3].to_ns, 8 * FG_NS_PER_S);
	for (size_t i = 0; i < count; i++)
		fg_threshold_done(&list[i]);
	free(list);
	assert_int_equal(fg_restate_on_invalid(&result), FG_LEVEL_WARN);
	result.scenario_json = NULL;
	assert_int_equal(fg_restate_on_invalid(&result), FG_LEVEL_ERROR);
	stored[1].text = metric; /* no expression: a damaged bundle */
	assert_int_not_equal(fg_restate_thresholds(&result, &list, &count, &err), 0);
	assert_non_null(strstr(err.message, "threshold http_req_duration"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals_add_up),
		cmocka_unit_test(test_series_adds_up),
		cmocka_unit_test(test_the_same_target_counts_once),
		cmocka_unit_test(test_ends_and_warnings),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_restated_thresholds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
