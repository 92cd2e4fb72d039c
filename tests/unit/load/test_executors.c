/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole runs on engine_null, every executor: what was issued is exactly what the plan says, over
 * workers and over shards that run at the same time.
 */
#include "tests/kit/kit.h"

#include <pthread.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/load/plan.h"
#include "tests/unit/load/load_kit.h"

enum { SHARDS_MAX = 3 };

struct shard {
	struct fg_load_options options;
	struct fg_result *result;
	struct fg_err err;
	int rc;
};

static void *run_shard(void *context)
{
	struct shard *shard = context;

	shard->rc = fg_load_run(&shard->options, &shard->result, &shard->err);
	return NULL;
}

/* The sum over all shards of one scenario's counters. */
struct sums {
	uint64_t scheduled, iterations, dropped, interrupted, requests;
};

/* Side by side; false: one of them was not ready at the start time. */
static bool start_shards(struct load_file *lf, unsigned shards, unsigned threads, uint64_t lead_ns,
			 struct shard all[SHARDS_MAX])
{
	const uint64_t start_unix_ns = fg_clock_realtime_ns() + lead_ns;
	pthread_t ids[SHARDS_MAX];
	bool in_time = true;

	for (unsigned i = 0; i < shards; i++) {
		all[i] = (struct shard){0};
		all[i].options = (struct fg_load_options){
			.file = &lf->file,
			.target_url = "http://h",
			.engine = "null",
			.threads = threads,
			.seed = 5,
			.shard_index = i,
			.shard_count = shards,
			.start_unix_ns = shards > 1 ? start_unix_ns : 0,
		};
		assert_int_equal(pthread_create(&ids[i], NULL, run_shard, &all[i]), 0);
	}
	for (unsigned i = 0; i < shards; i++) {
		assert_int_equal(pthread_join(ids[i], NULL), 0);
		in_time = in_time && all[i].rc != -FG_E_USAGE;
	}
	return in_time;
}

static void run_shards(struct load_file *lf, unsigned shards, unsigned threads, struct sums *ret)
{
	uint64_t lead_ns = 150 * FG_NS_PER_MS;
	struct shard all[SHARDS_MAX];

	memset(ret, 0, sizeof(*ret));
	/* A busy machine needs longer to make its threads. */
	while (!start_shards(lf, shards, threads, lead_ns, all)) {
		for (unsigned i = 0; i < shards; i++)
			fg_result_free(all[i].result);
		lead_ns *= 3;
		assert_true(lead_ns < 20 * FG_NS_PER_S);
	}
	for (unsigned i = 0; i < shards; i++) {
		assert_ok(all[i].rc, &all[i].err);

		const struct fg_scenario_slice *counts = &all[i].result->totals->scenarios[0];

		assert_int_equal(all[i].result->shard_index, i);
		assert_int_equal(all[i].result->shard_count, shards);
		ret->scheduled += counts->scheduled;
		ret->iterations += counts->iterations;
		ret->dropped += counts->dropped;
		ret->interrupted += counts->interrupted;
		ret->requests += fg_result_requests(all[i].result);
		fg_result_free(all[i].result);
	}
}

static struct fg_stage ramp[] = {{300 * FG_NS_PER_MS, 900}, {0, 200},
				 {200 * FG_NS_PER_MS, 200}, {0, 0},
				 {100 * FG_NS_PER_MS, 0},   {301 * FG_NS_PER_MS, 777}};

static struct fg_scenario *add_ramp(struct load_file *lf)
{
	struct fg_scenario *s = load_file_arrival(lf, 0, 901 * FG_NS_PER_MS, 2, 400);

	s->executor = FG_EXEC_RAMPING_ARRIVAL_RATE;
	s->start_rate = 11;
	s->stages = ramp;
	s->stage_count = FG_ARRAY_LEN(ramp);
	return s;
}

static struct fg_scenario *add_counted(struct load_file *lf, enum fg_executor executor,
				       uint64_t vus, uint64_t iterations)
{
	struct fg_scenario *s = load_file_vus(lf, vus, 0);

	s->executor = executor;
	s->iterations = iterations;
	s->max_duration_ns = 60 * FG_NS_PER_S;
	return s;
}

static const struct {
	unsigned shards, threads;
} splits[] = {{1, 1}, {1, 2}, {1, 5}, {1, 8}, {2, 1}, {3, 2}};

static void test_ramping_arrivals(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(splits); i++) {
		struct load_file lf;
		struct sums sums;

		load_file_init(&lf);
		const struct fg_scenario *s = add_ramp(&lf);

		load_file_request(&lf, "GET", "/e#n");
		run_shards(&lf, splits[i].shards, splits[i].threads, &sums);
		assert_int_equal(sums.scheduled, fg_plan_events(s));
		assert_int_equal(sums.iterations, fg_plan_events(s));
		assert_int_equal(sums.requests, fg_plan_events(s));
		assert_int_equal(sums.dropped, 0);
	}
}

static void test_poisson_is_the_same_everywhere(void **state)
{
	uint64_t first = 0;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(splits); i++) {
		struct load_file lf;
		struct sums sums;

		load_file_init(&lf);
		add_ramp(&lf)->arrivals = FG_ARRIVALS_POISSON;
		load_file_request(&lf, "GET", "/e#n");
		run_shards(&lf, splits[i].shards, splits[i].threads, &sums);
		if (!i)
			first = sums.scheduled;
		assert_in_range(first, 200, 400);
		assert_int_equal(sums.scheduled, first);
		assert_int_equal(sums.iterations, first);
	}
}

static void test_counted_out(void **state)
{
	static const struct {
		enum fg_executor executor;
		uint64_t vus, iterations, expected;
	} cases[] = {
		{FG_EXEC_SHARED_ITERATIONS, 1, 1, 1},
		{FG_EXEC_SHARED_ITERATIONS, 7, 1001, 1001},
		{FG_EXEC_SHARED_ITERATIONS, 200, 201, 201},
		{FG_EXEC_PER_VU_ITERATIONS, 1, 1, 1},
		{FG_EXEC_PER_VU_ITERATIONS, 7, 13, 91},
		{FG_EXEC_PER_VU_ITERATIONS, 150, 2, 300},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		for (size_t j = 0; j < FG_ARRAY_LEN(splits); j++) {
			const uint64_t before_ns = fg_clock_monotonic_ns();
			struct load_file lf;
			struct sums sums;

			load_file_init(&lf);
			add_counted(&lf, cases[i].executor, cases[i].vus, cases[i].iterations);
			load_file_request(&lf, "GET", "/e#n");
			run_shards(&lf, splits[j].shards, splits[j].threads, &sums);
			assert_int_equal(sums.iterations, cases[i].expected);
			assert_int_equal(sums.requests, cases[i].expected);
			assert_int_equal(sums.dropped + sums.interrupted, 0);
			/* ends when they are done, long before maxDuration */
			assert_true(fg_clock_monotonic_ns() - before_ns < 30 * FG_NS_PER_S);
		}
	}
}

/* Iterations that only wait do not get through before maxDuration: the rest is dropped, as k6. */
static void test_max_duration_drops_the_rest(void **state)
{
	static const struct {
		enum fg_executor executor;
		uint64_t iterations, total;
	} cases[] = {{FG_EXEC_SHARED_ITERATIONS, 1000, 1000},
		     {FG_EXEC_PER_VU_ITERATIONS, 250, 1000}};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct load_file lf;
		struct fg_scenario *s;
		struct sums sums;

		load_file_init(&lf);
		s = add_counted(&lf, cases[i].executor, 4, cases[i].iterations);
		s->max_duration_ns = 300 * FG_NS_PER_MS;
		load_file_think(&lf, 20 * FG_NS_PER_MS, 20 * FG_NS_PER_MS);
		run_shards(&lf, 1, 2, &sums);
		assert_int_equal(sums.iterations + sums.dropped + sums.interrupted, cases[i].total);
		assert_in_range(sums.iterations, 4, 64);
		/* the last ones ended within gracefulStop */
		assert_int_equal(sums.interrupted, 0);
		/* without grace they are cut */
		s->graceful_stop_ns = 0;
		s->max_duration_ns = 290 * FG_NS_PER_MS;
		run_shards(&lf, 1, 1, &sums);
		assert_int_equal(sums.interrupted, 4);
		assert_int_equal(sums.iterations + sums.dropped + sums.interrupted, cases[i].total);
	}
}

/* Iterations without a request end within the call that began them. */
static void test_iterations_that_never_wait(void **state)
{
	static const enum fg_executor executors[] = {FG_EXEC_SHARED_ITERATIONS,
						     FG_EXEC_PER_VU_ITERATIONS};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(executors); i++) {
		struct load_file lf;
		struct sums sums;

		load_file_init(&lf);
		add_counted(&lf, executors[i], 100, i ? 3 : 300);
		load_file_think(&lf, 0, 0);
		run_shards(&lf, 1, 1, &sums);
		assert_int_equal(sums.iterations, 300);
		assert_int_equal(sums.dropped, 0);
	}
}

/* With `noVU: drop` an event takes the VU that is made for it (k6 drops it, k6#2837). */
static void test_no_drop_while_a_vu_starts(void **state)
{
	struct load_file lf;
	struct fg_scenario *s;
	struct sums sums;

	(void)state;
	load_file_init(&lf);
	s = load_file_arrival(&lf, 200, FG_NS_PER_S, 0, 200);
	s->no_vu = FG_NO_VU_DROP;
	load_file_think(&lf, 100 * FG_NS_PER_MS, 100 * FG_NS_PER_MS);
	run_shards(&lf, 1, 1, &sums);
	assert_int_equal(sums.scheduled, 200);
	assert_int_equal(sums.dropped, 0);
	assert_int_equal(sums.iterations, 200);
	/* but at most maxVUs are made, and then it drops */
	s->max_vus = 2;
	run_shards(&lf, 1, 1, &sums);
	assert_int_equal(sums.scheduled, 200);
	assert_int_equal(sums.dropped + sums.iterations, 200);
	assert_true(sums.dropped > 100);
}

static void test_refused(void **state)
{
	static const struct {
		unsigned index, count;
		uint64_t start_unix_ns;
		int code;
		const char *text;
	} cases[] = {
		{3, 3, 0, FG_E_USAGE, "no shard 4 of 3"},
		{0, FG_LOAD_SHARDS_MAX + 1, 0, FG_E_USAGE, "at most"},
		{0, 9, 0, FG_E_INVALID, "raise maxVUs to 9"},
		{0, 2, 1, FG_E_USAGE, "choose a later time"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct load_file lf;
		struct fg_load_options options = {.file = &lf.file,
						  .target_url = "http://h",
						  .engine = "null",
						  .seed = 1,
						  .shard_index = cases[i].index,
						  .shard_count = cases[i].count,
						  .start_unix_ns = cases[i].start_unix_ns};
		struct fg_result *result = NULL;
		struct fg_err err;

		load_file_init(&lf);
		load_file_arrival(&lf, 10, FG_NS_PER_S, 8, 8);
		load_file_request(&lf, "GET", "/");
		assert_int_equal(fg_load_run(&options, &result, &err), -cases[i].code);
		assert_null(result);
		assert_non_null(strstr(err.message, cases[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ramping_arrivals),
		cmocka_unit_test(test_poisson_is_the_same_everywhere),
		cmocka_unit_test(test_counted_out),
		cmocka_unit_test(test_max_duration_drops_the_rest),
		cmocka_unit_test(test_iterations_that_never_wait),
		cmocka_unit_test(test_no_drop_while_a_vu_starts),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
