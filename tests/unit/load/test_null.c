/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs on engine_null: exact counts over workers, and no allocation per request. */
#include "tests/kit/kit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "tests/unit/load/load_kit.h"

/* The linker sends our code's calls here (-Wl,--wrap=malloc,…). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_ulong allocations;

void *__wrap_malloc(size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __real_realloc(old, size);
}

static struct fg_result *run_null(struct load_file *lf, unsigned threads)
{
	struct fg_load_options options = {.file = &lf->file,
					  .target_url = "http://h",
					  .engine = "null",
					  .threads = threads,
					  .seed = 5};
	struct fg_result *result = NULL;
	struct fg_err err;

	assert_ok(fg_load_run(&options, &result, &err), &err);
	assert_non_null(result);
	return result;
}

static void test_exact_counts(void **state)
{
	static const struct {
		uint64_t rate, vus, vus_max;
		unsigned threads;
	} cases[] = {
		/* VUs enough for what comes due while the machine is busy with something else */
		{900, 300, 300, 1}, {997, 3, 301, 2}, {1000, 0, 302, 3},
		{1001, 2, 303, 4},  {10, 1, 1, 4}, /* three workers without a VU */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct load_file lf;
		struct fg_result *result;
		const struct fg_scenario_slice *counts;

		load_file_init(&lf);
		load_file_arrival(&lf, cases[i].rate, FG_NS_PER_S, cases[i].vus, cases[i].vus_max);
		load_file_request(&lf, "GET", "/e#n");
		result = run_null(&lf, cases[i].threads);
		counts = &result->totals->scenarios[0];
		assert_int_equal(counts->scheduled, cases[i].rate);
		assert_int_equal(counts->iterations, cases[i].rate);
		assert_int_equal(counts->dropped, 0);
		assert_int_equal(fg_result_requests(result), cases[i].rate);
		assert_int_equal(counts->lag.count + counts->queue.count, cases[i].rate);
		assert_true(counts->vus_max >= 1 && counts->vus_max <= cases[i].vus_max);
		fg_result_free(result);
	}
}

/* The number of allocations must not depend on the number of requests. A worker's second may cost
 * a few (a late block of a histogram, a status array), a request none. */
static void test_no_allocation_per_request(void **state)
{
	unsigned long used[2];
	uint64_t requests[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct load_file lf;
		struct fg_result *result;
		unsigned long before;

		load_file_init(&lf);
		load_file_arrival(&lf, i ? 40000 : 4000, 2 * FG_NS_PER_S, 20, 20);
		load_file_request(&lf, "GET", "/constant");
		load_file_request(&lf, "POST", "/changes#n");
		before = atomic_load(&allocations);
		result = run_null(&lf, 1);
		used[i] = atomic_load(&allocations) - before;
		requests[i] = fg_result_requests(result);
		fg_result_free(result);
	}
	/* Tenfold, unless the machine is so slow that events are dropped (no request). */
	assert_true(requests[1] >= 3 * requests[0]);
	print_message("%lu allocations for %lu requests, %lu for %lu\n", used[0],
		      (unsigned long)requests[0], used[1], (unsigned long)requests[1]);
	/* 144 000 more requests; histograms over more octaves explain some hundred at most. */
	assert_true(used[1] < used[0] + 500);
}

static void test_side_by_side_with_start_time_and_warmup(void **state)
{
	struct load_file lf;
	struct fg_result *result;

	(void)state;
	load_file_init(&lf);
	load_file_arrival(&lf, 100, 2 * FG_NS_PER_S, 2, 2)->warmup_ns = 900 * FG_NS_PER_MS;
	load_file_request(&lf, "GET", "/a");
	load_file_vus(&lf, 1, FG_NS_PER_S)->start_time_ns = FG_NS_PER_S;
	load_file_request(&lf, "GET", "/b");
	load_file_think(&lf, 10 * FG_NS_PER_MS, 10 * FG_NS_PER_MS);
	result = run_null(&lf, 2);
	assert_int_equal(result->measured_start_ns, FG_NS_PER_S);
	assert_int_equal(result->measured_ns, result->duration_ns - FG_NS_PER_S);
	/* The warm-up second is out of the totals; an iteration may end past its second. */
	assert_in_range(result->totals->scenarios[0].iterations, 100, 103);
	assert_in_range(result->totals->scenarios[1].iterations, 30, 101);
	assert_true(result->generator_cpu_ns > 0);
	assert_true(result->duration_ns >= 1900 * FG_NS_PER_MS);
	fg_result_free(result);
}

struct seen {
	unsigned calls;
	uint64_t last_ns, iterations;
	bool waiting_seen, done_seen;
};

static void on_second(void *context, struct fg_load *load, const struct fg_result *live,
		      uint64_t elapsed_ns)
{
	struct seen *seen = context;
	struct fg_load_progress progress[2];

	seen->calls++;
	assert_true(elapsed_ns > seen->last_ns);
	seen->last_ns = elapsed_ns;
	assert_int_equal(fg_load_progress(load, progress, 2), 2);
	assert_true(progress[0].iterations >= seen->iterations);
	seen->iterations = progress[0].iterations;
	assert_int_equal(progress[0].iterations_planned, 600);
	assert_true(progress[0].target_rate_per_s == 200);
	seen->waiting_seen |= progress[1].waiting;
	seen->done_seen |= progress[0].done;
	assert_non_null(live->totals);
	assert_true(fg_load_started_ns(load) > 0);
}

static void test_progress_is_called_each_second(void **state)
{
	struct seen seen = {.calls = 0};
	struct load_file lf;
	struct fg_load_options options = {.file = &lf.file,
					  .target_url = "http://h",
					  .engine = "null",
					  .threads = 2,
					  .on_second = on_second,
					  .context = &seen};
	struct fg_result *result = NULL;
	struct fg_err err;

	(void)state;
	load_file_init(&lf);
	load_file_arrival(&lf, 200, 3 * FG_NS_PER_S, 2, 2);
	load_file_request(&lf, "GET", "/a");
	load_file_vus(&lf, 1, FG_NS_PER_S)->start_time_ns = 1500 * FG_NS_PER_MS;
	load_file_request(&lf, "GET", "/b");
	load_file_think(&lf, FG_NS_PER_MS, FG_NS_PER_MS);
	assert_ok(fg_load_run(&options, &result, &err), &err);
	assert_in_range(seen.calls, 3, 4);
	assert_int_equal(seen.iterations, 600);
	assert_true(seen.waiting_seen && seen.done_seen);
	fg_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_counts),
		cmocka_unit_test(test_no_allocation_per_request),
		cmocka_unit_test(test_side_by_side_with_start_time_and_warmup),
		cmocka_unit_test(test_progress_is_called_each_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
