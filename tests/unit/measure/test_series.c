/* SPDX-License-Identifier: Apache-2.0 */
/* The series outside of memory: late parts, seals, observers, the spool, full disks, long runs. */
#include "tests/kit/kit.h"

#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gate/measure/bundle_internal.h"
#include "tests/unit/measure/sample_run.h"

static const struct fg_sample_run two_workers = {
	.classes = 2, .seconds = 25, .requests_per_second = 40, .workers = 2, .warmup_seconds = 3};

static struct fg_slice *new_slice(const struct fg_registry *registry)
{
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	assert_ok(fg_slice_new(registry, NULL, &slice, &err), &err);
	return slice;
}

struct sum {
	const struct fg_result *result;
	struct fg_slice *slice;
	uint32_t seconds, intervals, last;
};

static int add_up(void *context, const struct fg_slice *slice, uint32_t seconds, struct fg_err *err)
{
	struct sum *sum = context;

	assert_true(slice->second >= sum->last);
	sum->last = slice->second;
	sum->seconds += seconds == 1;
	sum->intervals += seconds == FG_SERIES_INTERVAL_S;
	return fg_slice_add_measured(sum->slice, &sum->result->registry, slice, seconds == 1, err);
}

/* Whatever was counted is in the series exactly once; only phases of requests are coarser. */
static void assert_is_totals(const struct fg_slice *totals, const struct fg_slice *sum)
{
	for (size_t i = 0; i < 2 * totals->class_count; i++) {
		const struct fg_class_slice *x = &totals->classes[i];
		const struct fg_class_slice *y = &sum->classes[i];

		assert_true(x->requests == y->requests && x->failed == y->failed);
		assert_true(x->sent_bytes == y->sent_bytes);
		assert_memory_equal(x->errors, y->errors, sizeof(x->errors));
		for (size_t t = 0; t < FG_TREND_COUNT; t++) {
			bool fine = t <= FG_TREND_SERVICE_TIME;

			assert_int_equal(x->trends[t].count, y->trends[t].count);
			for (size_t k = 0; fine && k < FG_HIST_COUNTERS; k++)
				assert_int_equal(fg_hist_counter(&x->trends[t], k),
						 fg_hist_counter(&y->trends[t], k));
			double p = (double)fg_hist_percentile_ns(&x->trends[t], 90);
			double q = (double)fg_hist_percentile_ns(&y->trends[t], 90);

			assert_true(fabs(p - q) <= 0.017 * p + 20);
		}
	}
	for (size_t i = 0; i < totals->scenario_count; i++) {
		const struct fg_scenario_slice *x = &totals->scenarios[i];
		const struct fg_scenario_slice *y = &sum->scenarios[i];

		assert_true(x->iterations == y->iterations && x->dropped == y->dropped);
		assert_true(x->vus == y->vus && x->late == y->late);
		assert_int_equal(x->lag.count, y->lag.count);
		assert_int_equal(x->iteration_duration.count, y->iteration_duration.count);
	}
	for (size_t i = 0; i < totals->custom_count; i++) {
		const struct fg_custom_slice *x = &totals->customs[i];
		const struct fg_custom_slice *y = &sum->customs[i];

		assert_true(x->count == y->count && x->trues == y->trues && x->sum == y->sum);
		assert_true(x->min == y->min && x->max == y->max);
		assert_true(fg_custom_percentile(x, 75) == fg_custom_percentile(y, 75));
	}
	for (size_t i = 0; i < totals->group_count; i++)
		assert_int_equal(totals->groups[i].count, sum->groups[i].count);
	for (size_t i = 0; i < totals->check_count; i++)
		assert_int_equal(totals->checks[i].passes, sum->checks[i].passes);
}

static void check_sum(const struct fg_result *result, uint32_t seconds, uint32_t intervals)
{
	struct sum sum = {.result = result, .slice = new_slice(&result->registry)};
	struct fg_err err = {0};

	assert_ok(fg_series_slices(result, 0, UINT32_MAX, add_up, &sum, &err), &err);
	assert_int_equal(sum.seconds, seconds);
	assert_int_equal(sum.intervals, intervals);
	assert_is_totals(result->totals, sum.slice);
	fg_slice_free(sum.slice);
}

static void test_slices_sum_to_totals(void **state)
{
	struct fg_result *result = fg_sample_result(&two_workers);

	(void)state;
	check_sum(result, 25, 3);
	check_sum(result, 25, 3); /* reading changes nothing */
	fg_result_free(result);
}

static struct fg_slice *part(const struct fg_result *result, uint32_t second, uint32_t worker,
			     uint64_t ns)
{
	struct fg_slice *slice = new_slice(&result->registry);
	struct fg_request_record record = {.expected = true, .status = 200};

	slice->second = second;
	slice->worker = worker;
	for (size_t t = 0; t < FG_TREND_COUNT; t++)
		record.trends_ns[t] = ns;
	record.trends_ns[FG_TREND_WAKEUP] = 0;
	assert_int_equal(fg_slice_request(slice, &record), 0);
	assert_int_equal(fg_slice_custom(slice, 2, 1000.0 * second + worker), 0);
	slice->scenarios[0].vus = 1;
	return slice;
}

struct seen {
	uint32_t seconds[100];
	size_t count;
};

static void see(void *context, const struct fg_slice *second)
{
	struct seen *seen = context;

	assert_true(seen->count < FG_ARRAY_LEN(seen->seconds));
	seen->seconds[seen->count++] = second->second;
}

static void add(struct fg_result *result, uint32_t second, uint32_t worker)
{
	struct fg_slice *slice = part(result, second, worker, 1000000 + second);
	struct fg_err err = {0};

	assert_ok(fg_result_add_slice(result, slice, &err), &err);
	fg_slice_free(slice);
}

/* Worker 1 is 15 seconds behind, more than anything is held. */
static void test_late_parts_are_merged(void **state)
{
	struct fg_result *result =
		fg_sample_result(&(struct fg_sample_run){.classes = 1, .workers = 1});
	struct fg_sample_rows rows;
	struct seen seen = {0};
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_series_observe(result, see, &seen, &err), &err);
	for (uint32_t second = 0; second < 20; second++)
		add(result, second, 0);
	for (uint32_t second = 0; second < 20; second++)
		add(result, second, 1);
	fg_sample_rows_load(&rows, result);
	assert_int_equal(rows.count, 20);
	for (uint32_t second = 0; second < 20; second++) {
		assert_int_equal(rows.items[second].second, second);
		assert_int_equal(rows.items[second].requests, 2);
		assert_string_equal(rows.items[second].service_hdr,
				    rows.items[second].duration_hdr);
	}
	fg_sample_rows_done(&rows);
	assert_true(result->totals->customs[2].last == 19001);
	check_sum(result, 20, 2);
	/* 12 seconds left alone before the others came, and again with them */
	assert_int_equal(seen.count, 32);
	for (uint32_t i = 0; i < 12; i++)
		assert_int_equal(seen.seconds[i], i);
	fg_result_free(result);
}

static void test_seal_tells_at_once(void **state)
{
	struct fg_result *result =
		fg_sample_result(&(struct fg_sample_run){.classes = 1, .workers = 1});
	struct seen seen = {0};
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_series_observe(result, see, &seen, &err), &err);
	add(result, 0, 0);
	add(result, 0, 1);
	add(result, 1, 0);
	assert_int_equal(seen.count, 0);
	assert_ok(fg_series_seal(result, 1, &err), &err);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.seconds[0], 0);
	assert_int_equal(fg_series_seconds(result), 2);
	for (int i = 1; i < FG_SERIES_OBSERVERS_MAX; i++)
		assert_ok(fg_series_observe(result, see, &seen, &err), &err);
	assert_int_equal(fg_series_observe(result, see, &seen, &err), -FG_E_LIMIT);
	fg_result_free(result);
}

static void test_merge_of_two_machines(void **state)
{
	struct fg_result *a = fg_sample_result(&two_workers);
	struct fg_result *b = fg_sample_result(&two_workers);
	struct fg_result *other =
		fg_sample_result(&(struct fg_sample_run){.classes = 1, .workers = 1});
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_series_merge(a, b, &err), &err);
	assert_ok(fg_slice_add(a->totals, b->totals, &err), &err);
	check_sum(a, 25, 3);
	assert_int_equal(fg_series_merge(a, other, &err), -FG_E_INVALID);
	fg_result_free(a);
	fg_result_free(b);
	fg_result_free(other);
}

static void test_spool_spills(void **state)
{
	enum { PIECE = FG_SPOOL_MEMORY_BYTES / 4 };
	struct fg_spool spool;
	struct fg_err err = {0};
	char *piece = malloc(PIECE);
	uint64_t offset = 0;

	(void)state;
	assert_non_null(piece);
	fg_spool_init(&spool);
	for (int i = 0; i < 9; i++) {
		memset(piece, 'a' + i, PIECE);
		assert_ok(fg_spool_append(&spool, piece, PIECE, &offset, &err), &err);
		assert_int_equal(offset, (uint64_t)i * PIECE);
		assert_int_equal(spool.fd >= 0, i >= 4);
		assert_true(spool.memory.len <= FG_SPOOL_MEMORY_BYTES);
	}
	for (int i = 0; i < 9; i++) {
		assert_ok(fg_spool_read(&spool, (uint64_t)i * PIECE, piece, PIECE, &err), &err);
		assert_true(piece[0] == 'a' + i && piece[PIECE - 1] == 'a' + i);
	}
	fg_spool_done(&spool);
	fg_spool_done(&spool);
	spool.dir = strdup("/nowhere/at/all");
	assert_int_equal(fg_spool_append(&spool, piece, PIECE, &offset, &err), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fg_spool_append(&spool, piece, PIECE, &offset, &err), 0);
	assert_int_not_equal(fg_spool_append(&spool, piece, PIECE, &offset, &err), 0);
	assert_non_null(strstr(err.message, "/nowhere/at/all"));
	assert_int_equal(spool.size_bytes, 4 * PIECE); /* what was there stays readable */
	assert_ok(fg_spool_read(&spool, 0, piece, PIECE, &err), &err);
	fg_spool_done(&spool);
	free(piece);
}

/* Many distinct values, so that a second is about 10 kB. */
static void fill_second(struct fg_slice *slice, uint32_t second, uint64_t *random)
{
	fg_slice_clear(slice);
	slice->second = second;
	for (int i = 0; i < 2000; i++) {
		struct fg_request_record record = {.class_index = (uint32_t)(i % 2),
						   .expected = true};

		for (size_t t = 0; t < FG_TREND_COUNT; t++)
			record.trends_ns[t] = fg_sample_latency_ns(random, 1e6, 0.5);
		assert_int_equal(fg_slice_request(slice, &record), 0);
	}
}

static void test_full_disk_keeps_the_totals(void **state)
{
	const struct rlimit limit = {.rlim_cur = 5 << 20, .rlim_max = RLIM_INFINITY};
	struct fg_result *result =
		fg_sample_result(&(struct fg_sample_run){.classes = 1, .workers = 1});
	struct fg_slice *slice = new_slice(&result->registry);
	struct rlimit old;
	struct fg_err err = {0};
	uint64_t random = 1;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = limit.rlim_cur,
								  .rlim_max = old.rlim_max}),
			 0);
	for (uint32_t second = 0; second < 1000; second++) {
		fill_second(slice, second, &random);
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(fg_result_requests(result), 1000 * 2000);
	assert_non_null(fg_series_partial(result));
	assert_non_null(strstr(fg_series_partial(result), "File too large"));
	assert_in_range(fg_series_seconds(result), 100, 999);

	struct fg_buf json;
	struct fg_result *back = NULL;

	fg_buf_init(&json, FG_JSON_BYTES_MAX);
	assert_ok(fg_bundle_run_json(result, &json, &err), &err);
	assert_ok(fg_bundle_parse_run_json(json.data, json.len, &back, &err), &err);
	assert_string_equal(fg_series_partial(back), fg_series_partial(result));
	fg_buf_done(&json);
	fg_result_free(back);
	fg_slice_free(slice);
	fg_result_free(result);
}

/* design, issue B: flat over a 30-min run at 10 000/s. The heap after 5 minutes is that of the
 * end, but for the index. */
static void test_memory_is_flat(void **state)
{
	enum { MINUTES = 30, SAMPLES = 200 };
	struct fg_result *result =
		fg_sample_result(&(struct fg_sample_run){.classes = 1, .workers = 1});
	struct fg_slice *slice = new_slice(&result->registry);
	struct fg_err err = {0};
	uint64_t random = 1;
	size_t early = 0, now = 0;

	(void)state;
	fill_second(slice, 0, &random);
	for (uint32_t second = 0; second < MINUTES * 60; second++) {
		/* the same values, told again: what is kept does not depend on that */
		slice->second = second;
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
		now = mallinfo2().uordblks;
		if (second == 300)
			early = now;
	}
	print_message("heap after 5 min %zu kB, after %d min %zu kB; spool %llu kB in %s\n",
		      early / 1000, MINUTES, now / 1000,
		      (unsigned long long)result->series->spool.size_bytes / 1000,
		      result->series->spool.fd >= 0 ? "a file" : "memory");
	assert_true(now < early + 200000);
	fg_slice_free(slice);
	fg_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slices_sum_to_totals),
		cmocka_unit_test(test_late_parts_are_merged),
		cmocka_unit_test(test_seal_tells_at_once),
		cmocka_unit_test(test_merge_of_two_machines),
		cmocka_unit_test(test_spool_spills),
		cmocka_unit_test(test_full_disk_keeps_the_totals),
		cmocka_unit_test(test_memory_is_flat),
	};

	return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
