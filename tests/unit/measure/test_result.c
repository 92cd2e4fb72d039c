/* SPDX-License-Identifier: Apache-2.0 */
/* From slices to totals and series: warm-up, workers, order, tags. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/format/hdrlog.h"
#include "tests/unit/measure/sample_run.h"

static void check_row(const struct fg_result *result, uint32_t second, uint32_t class,
		      bool expected, uint64_t requests, bool warmup)
{
	struct fg_sample_rows rows;
	struct fg_hist hist;
	struct fg_err err = {0};

	fg_sample_rows_load(&rows, result);
	const struct fg_series_row *row = fg_sample_rows_find(&rows, second, class, expected);

	if (requests == 0) {
		assert_null(row);
		fg_sample_rows_done(&rows);
		return;
	}
	assert_non_null(row);
	assert_int_equal(row->requests, requests);
	assert_int_equal(row->warmup, warmup);
	assert_int_equal(row->failed, expected ? 0 : requests);
	fg_hist_init(&hist, NULL);
	assert_ok(fg_hdrlog_decode(row->response_hdr, strlen(row->response_hdr), &hist, &err),
		  &err);
	assert_int_equal(hist.count, requests);
	assert_ok(fg_hdrlog_decode(row->duration_hdr, strlen(row->duration_hdr), &hist, &err),
		  &err);
	assert_int_equal(hist.count, 2 * requests);
	fg_hist_done(&hist);
	fg_sample_rows_done(&rows);
}

static void add(struct fg_result *result, uint32_t second, uint32_t class, uint16_t status,
		uint64_t ns)
{
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};
	struct fg_request_record record = {
		.class_index = class, .expected = status == 200, .status = status};

	record.trends_ns[FG_TREND_RESPONSE_TIME] = ns + 10;
	record.trends_ns[FG_TREND_DURATION] = ns;
	record.trends_ns[FG_TREND_SERVICE_TIME] = ns;
	assert_ok(fg_slice_new(&result->registry, NULL, &slice, &err), &err);
	slice->second = second;
	slice->scenarios[0].iterations = 1;
	slice->scenarios[1].iterations = 1;
	slice->checks[0].passes = 1;
	slice->checks[slice->check_count - 1].fails = 1;
	assert_int_equal(fg_slice_request(slice, &record), 0);
	assert_ok(fg_result_add_slice(result, slice, &err), &err);
	fg_slice_free(slice);
}

static struct fg_result *empty(uint32_t classes, uint32_t warmup_seconds)
{
	return fg_sample_result(&(struct fg_sample_run){
		.classes = classes, .workers = 1, .warmup_seconds = warmup_seconds});
}

static void test_warmup_stays_out_of_totals(void **state)
{
	struct fg_result *result = empty(1, 2);

	(void)state;
	for (uint32_t second = 0; second < 4; second++) {
		add(result, second, 0, 200, 1000);
		add(result, second, 1, 200, 1000); /* no warm-up in that scenario */
	}
	for (uint32_t second = 0; second < 4; second++) {
		check_row(result, second, 0, true, 1, second < 2);
		check_row(result, second, 1, true, 1, false);
	}
	assert_int_equal(fg_slice_class(result->totals, 0, true)->requests, 2);
	assert_int_equal(fg_slice_class(result->totals, 1, true)->requests, 4);
	assert_int_equal(result->totals->scenarios[0].iterations, 4);
	assert_int_equal(result->totals->scenarios[1].iterations, 8);
	assert_int_equal(result->totals->checks[0].passes, 4);
	assert_int_equal(result->totals->checks[1].fails, 8);
	assert_int_equal(fg_result_requests(result), 6);
	fg_result_free(result);
}

/* A second counts only if all of it is after the warm-up. */
static void test_warmup_ends_inside_a_second(void **state)
{
	static const struct {
		uint64_t start_ns, warmup_ns;
		uint32_t first_measured;
	} cases[] = {
		{0, 0, 0},
		{2500000000, 0, 0},
		{0, 1, 1},
		{0, 2000000000, 2},
		{0, 2000000001, 3},
		{500000000, 1500000000, 2},
		{500000000, 1600000000, 3},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_registry registry;

		fg_sample_registry(&registry, &(struct fg_sample_run){.classes = 1});
		registry.scenarios[0].start_ns = cases[i].start_ns;
		registry.scenarios[0].warmup_ns = cases[i].warmup_ns;
		for (uint32_t second = 0; second < 5; second++)
			assert_int_equal(fg_result_is_warmup(&registry, 0, second),
					 second < cases[i].first_measured);
		fg_registry_done(&registry);
	}
}

static void test_any_order_gives_the_same_series(void **state)
{
	static const uint32_t order[] = {3, 1, 4, 1, 0, 2, 4, 3, 0};
	struct fg_result *result = empty(2, 0);
	struct fg_sample_rows rows;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(order); i++) {
		add(result, order[i], 1, 200, 1000 * i);
		add(result, order[i], 0, 500, 1000 * i);
	}
	fg_sample_rows_load(&rows, result);
	assert_int_equal(rows.count, 10);
	for (uint32_t i = 0; i < rows.count; i++) {
		assert_int_equal(rows.items[i].second, i / 2);
		assert_int_equal(rows.items[i].class_index, i % 2);
	}
	fg_sample_rows_done(&rows);
	for (uint32_t second = 0; second < 5; second++) {
		uint64_t times = 0;

		for (size_t i = 0; i < FG_ARRAY_LEN(order); i++)
			times += order[i] == second;
		check_row(result, second, 1, true, times, false);
		check_row(result, second, 0, false, times, false);
		check_row(result, second, 0, true, 0, false);
	}
	assert_int_equal(fg_result_failed(result), FG_ARRAY_LEN(order));
	fg_result_free(result);
}

static void test_series_sums_to_totals(void **state)
{
	const struct fg_sample_run run = {
		.classes = 2, .seconds = 4, .requests_per_second = 300, .workers = 3};
	struct fg_result *result = fg_sample_result(&run);
	struct fg_sample_rows rows;
	struct fg_hist sums[6];
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(sums); i++)
		fg_hist_init(&sums[i], NULL);
	fg_sample_rows_load(&rows, result);
	for (size_t i = 0; i < rows.count; i++) {
		const struct fg_series_row *row = &rows.items[i];
		struct fg_hist *sum = &sums[2 * row->class_index + (row->expected ? 1 : 0)];

		assert_ok(fg_hdrlog_decode(row->response_hdr, strlen(row->response_hdr), sum, &err),
			  &err);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(sums); i++) {
		const struct fg_hist *total =
			&result->totals->classes[i].trends[FG_TREND_RESPONSE_TIME];

		assert_true(total->count > 0);
		for (size_t k = 0; k < FG_HIST_COUNTERS; k++)
			assert_int_equal(fg_hist_counter(total, k), fg_hist_counter(&sums[i], k));
		fg_hist_done(&sums[i]);
	}
	fg_sample_rows_done(&rows);
	assert_int_equal(result->totals->scenarios[0].vus, 30);
	fg_result_free(result);
}

static void tag(struct fg_tags *tags, const char *key, const char *value)
{
	struct fg_err err = {0};

	assert_ok(fg_tags_add(tags, key, value, &err), &err);
}

static void test_sub_metrics(void **state)
{
	static const struct {
		const char *tags[4];
		int matches;
		uint64_t count;
	} cases[] = {
		{{NULL}, 6, 5},
		{{"scenario", "browse"}, 4, 3},
		{{"scenario", "browse", "expected_response", "true"}, 2, 2},
		{{"name", "GET /items/0"}, 2, 2},
		{{"group", "::shop::list"}, 2, 1},
		{{"group", ""}, 4, 4},
		{{"method", "GET"}, 6, 5},
		{{"method", "POST"}, 0, 0},
		{{"team", "late"}, 2, 2},
		{{"team", "shop", "name", "GET /late"}, 0, 0},
		{{"nosuch", "x"}, 0, 0},
	};
	struct fg_result *result = empty(2, 0);

	(void)state;
	add(result, 0, 0, 200, 100);
	add(result, 0, 0, 404, 200);
	add(result, 0, 1, 200, 300);
	add(result, 1, 2, 200, 400);
	add(result, 1, 2, 200, 400);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_tags tags = {0};
		struct fg_hist hist;
		struct fg_err err = {0};

		for (size_t k = 0; k < 4 && cases[i].tags[k]; k += 2)
			tag(&tags, cases[i].tags[k], cases[i].tags[k + 1]);
		fg_hist_init(&hist, NULL);
		assert_int_equal(fg_result_trend(result, FG_TREND_DURATION, &tags, &hist, &err),
				 cases[i].matches);
		assert_int_equal(hist.count, cases[i].count);
		fg_hist_done(&hist);
		fg_tags_done(&tags);
	}
	fg_result_free(result);
}

static void test_cpu_per_request(void **state)
{
	struct fg_result *result = empty(1, 0);

	(void)state;
	assert_true(fg_result_cpu_per_request_ns(result) < 0);
	result->measured_target_cpu_ns = 3000;
	assert_true(fg_result_cpu_per_request_ns(result) < 0);
	add(result, 0, 0, 200, 1);
	add(result, 0, 0, 503, 1);
	add(result, 0, 0, 0, 1);
	fg_slice_class(result->totals, 0, false)->errors[FG_NET_REFUSED] = 1;
	fg_slice_class(result->totals, 0, false)->errors[FG_NET_HTTP_STATUS] = 1;
	assert_true(fg_result_cpu_per_request_ns(result) == 1500.0);
	fg_slice_class(result->totals, 0, false)->errors[FG_NET_REFUSED] = 99;
	assert_true(fg_result_cpu_per_request_ns(result) == 3000.0);
	fg_result_free(result);
}

static void test_refuses_a_foreign_slice(void **state)
{
	struct fg_result *result = empty(1, 0);
	struct fg_registry other;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	(void)state;
	fg_sample_registry(&other, &(struct fg_sample_run){.classes = 2});
	assert_ok(fg_slice_new(&other, NULL, &slice, &err), &err);
	assert_int_equal(fg_result_add_slice(result, slice, &err), -FG_E_INTERNAL);
	fg_slice_free(slice);
	fg_registry_done(&other);
	fg_result_free(result);
	fg_result_free(NULL);
	assert_string_equal(fg_run_status_name(FG_RUN_TARGET_DIED), "target-died");
}

/* Printed, not asserted: what the coordinator pays per second for 5 classes and 2 workers. */
static void test_print_cost_of_a_second(void **state)
{
	const struct fg_sample_run run = {
		.classes = 4, .seconds = 1, .requests_per_second = 2000, .workers = 2};
	struct fg_result *result = fg_sample_result(&run);
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};
	uint64_t random = 1;

	(void)state;
	assert_ok(fg_slice_new(&result->registry, NULL, &slice, &err), &err);
	for (uint32_t class = 0; class < 5; class ++)
		for (int i = 0; i < 1000; i++) {
			struct fg_request_record record = {.class_index = class, .expected = true};

			record.trends_ns[0] = fg_sample_latency_ns(&random, 1e6, 0.4);
			record.trends_ns[1] = record.trends_ns[0] + 5000;
			assert_int_equal(fg_slice_request(slice, &record), 0);
		}
	uint64_t start_ns = fg_clock_thread_cpu_ns();

	for (uint32_t i = 0; i < 20; i++) {
		slice->second = 1 + i / 2;
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
	}
	print_message("fg_result_add_slice, 5 classes, 2 workers: %.2f ms per second of run\n",
		      (double)(fg_clock_thread_cpu_ns() - start_ns) / 10e6);
	fg_slice_free(slice);
	fg_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warmup_stays_out_of_totals),
		cmocka_unit_test(test_warmup_ends_inside_a_second),
		cmocka_unit_test(test_any_order_gives_the_same_series),
		cmocka_unit_test(test_series_sums_to_totals),
		cmocka_unit_test(test_sub_metrics),
		cmocka_unit_test(test_cpu_per_request),
		cmocka_unit_test(test_refuses_a_foreign_slice),
		cmocka_unit_test(test_print_cost_of_a_second),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
