/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram's promises as properties, against sorted arrays and exact arithmetic. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/measure/hist.h"

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static uint64_t random_u64(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Spread over all octaves, not over all values: small ones must be tried as often. */
static uint64_t random_value(void)
{
	uint64_t value = random_u64() >> (22 + random_u64() % 42);

	return FG_MIN(value, FG_HIST_MAX_NS);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void check_value(uint64_t value)
{
	size_t index = fg_hist_index(value);
	uint64_t low = fg_hist_index_low_ns(index);
	uint64_t high = fg_hist_index_high_ns(index);

	assert_true(index < FG_HIST_COUNTERS);
	assert_true(low <= value && value <= high);
	assert_true(high - low <= value / 1000);
	assert_int_equal(fg_hist_index(low), index);
	assert_true(high > FG_HIST_MAX_NS || fg_hist_index(high) == index);
}

static void test_index_is_a_bijection(void **state)
{
	size_t last = fg_hist_index(FG_HIST_MAX_NS);

	(void)state;
	assert_int_equal(fg_hist_index(0), 0);
	assert_int_equal(fg_hist_index(2047), 2047);
	assert_int_equal(fg_hist_index(2048), 2048);
	assert_int_equal(fg_hist_index(2049), 2048);
	for (size_t i = 0; i + 1 < FG_HIST_COUNTERS; i++)
		assert_true(fg_hist_index_high_ns(i) + 1 == fg_hist_index_low_ns(i + 1));
	for (size_t i = 0; i <= last; i++)
		assert_int_equal(fg_hist_index(fg_hist_index_low_ns(i)), i);
	for (unsigned bit = 0; bit < 42; bit++) {
		uint64_t edge = 1ull << bit;

		if (edge > FG_HIST_MAX_NS)
			break;
		check_value(edge - 1);
		check_value(edge);
		check_value(FG_MIN(edge + 1, FG_HIST_MAX_NS));
	}
	check_value(FG_HIST_MAX_NS);
	assert_int_equal(fg_hist_index(UINT64_MAX), last);
	for (int i = 0; i < 100000; i++)
		check_value(random_value());
}

static void test_empty(void **state)
{
	struct fg_hist hist;

	(void)state;
	fg_hist_init(&hist, NULL);
	assert_int_equal(fg_hist_percentile_ns(&hist, 50), 0);
	assert_int_equal(fg_hist_count_at_or_below(&hist, UINT64_MAX), 0);
	assert_true(fg_hist_mean_ns(&hist) == 0.0);
	assert_true(fg_hist_stddev_ns(&hist) == 0.0);
	assert_true(hist.min_ns == UINT64_MAX);
	assert_int_equal(fg_hist_record_n(&hist, 5, 0), 0);
	assert_int_equal(hist.count, 0);
	fg_hist_done(&hist);
	fg_hist_done(NULL);
}

/* HdrHistogram's rank: ⌈p·n⌉, at least 1. */
static void check_percentile(const struct fg_hist *hist, const uint64_t *sorted, size_t count,
			     double percentile)
{
	size_t rank = (size_t)ceil(nextafter(percentile, 0) * (double)count / 100.0);
	uint64_t exact = sorted[rank ? rank - 1 : 0];
	uint64_t got = fg_hist_percentile_ns(hist, percentile);

	if (got < exact || got - exact > exact / 1000)
		fail_msg("p%g: %llu, exact %llu", percentile, (unsigned long long)got,
			 (unsigned long long)exact);
}

static void test_against_sorted_array(void **state)
{
	enum { COUNT = 20000 };
	static const double percentiles[] = {0.001, 1,    10,   25,     50,  75,
					     90,    95.5, 99.9, 99.999, 100, 150};
	uint64_t *values = malloc(COUNT * sizeof(*values));
	struct fg_hist hist;
	double sum = 0;

	(void)state;
	assert_non_null(values);
	fg_hist_init(&hist, NULL);
	for (size_t i = 0; i < COUNT; i++) {
		values[i] = random_value();
		sum += (double)values[i];
		assert_int_equal(fg_hist_record(&hist, values[i]), 0);
	}
	qsort(values, COUNT, sizeof(*values), compare_u64);
	assert_int_equal(hist.count, COUNT);
	assert_true(hist.min_ns == values[0] && hist.max_ns == values[COUNT - 1]);
	assert_true(fg_hist_percentile_ns(&hist, 0) == values[0]);
	assert_true(fg_hist_percentile_ns(&hist, NAN) == values[0]);
	assert_true(fg_hist_percentile_ns(&hist, 100) == values[COUNT - 1]);
	for (size_t i = 0; i < FG_ARRAY_LEN(percentiles); i++)
		check_percentile(&hist, values, COUNT, FG_MIN(percentiles[i], 100.0));
	assert_true(fabs(fg_hist_mean_ns(&hist) - sum / COUNT) < 1e-6 * sum / COUNT);
	for (size_t i = 0; i < COUNT; i += 97) {
		uint64_t high = fg_hist_index_high_ns(fg_hist_index(values[i]));
		size_t below = 0;

		while (below < COUNT && values[below] <= high)
			below++;
		assert_int_equal(fg_hist_count_at_or_below(&hist, values[i]), below);
	}
	fg_hist_done(&hist);
	free(values);
}

static void test_percentile_semantics(void **state)
{
	struct fg_hist hist;

	(void)state;
	fg_hist_init(&hist, NULL);
	for (uint64_t i = 1; i <= 1000; i++)
		assert_int_equal(fg_hist_record(&hist, i), 0);
	assert_int_equal(fg_hist_percentile_ns(&hist, 50), 500);
	assert_int_equal(fg_hist_percentile_ns(&hist, 99.9), 999);
	assert_int_equal(fg_hist_percentile_ns(&hist, 99.91), 1000);
	assert_int_equal(fg_hist_percentile_ns(&hist, 0.1), 1);
	assert_true(fabs(fg_hist_stddev_ns(&hist) - 288.675) < 0.001);
	/* The answer never exceeds what was recorded, although its bucket does. */
	fg_hist_clear(&hist);
	assert_int_equal(fg_hist_record(&hist, 1000000), 0);
	assert_int_equal(fg_hist_percentile_ns(&hist, 50), 1000000);
	fg_hist_done(&hist);
}

static void assert_same(const struct fg_hist *a, const struct fg_hist *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->lower_bounds, b->lower_bounds);
	assert_true(a->min_ns == b->min_ns && a->max_ns == b->max_ns);
	assert_true(fabs(a->sum_ns - b->sum_ns) <= 1e-9 * a->sum_ns);
	for (size_t i = 0; i < FG_HIST_COUNTERS; i++)
		assert_int_equal(fg_hist_counter(a, i), fg_hist_counter(b, i));
}

static void test_merge_is_union(void **state)
{
	struct fg_hist parts[3];
	struct fg_hist whole;
	struct fg_hist merged;

	(void)state;
	fg_hist_init(&whole, NULL);
	fg_hist_init(&merged, NULL);
	for (size_t p = 0; p < 3; p++) {
		fg_hist_init(&parts[p], NULL);
		for (int i = 0; p < 2 && i < 5000; i++) {
			uint64_t value = random_value();

			if (i % 10 == 0) {
				assert_int_equal(fg_hist_record_lower_bound(&parts[p], value), 0);
				assert_int_equal(fg_hist_record_lower_bound(&whole, value), 0);
			} else {
				assert_int_equal(fg_hist_record(&parts[p], value), 0);
				assert_int_equal(fg_hist_record_n(&whole, value, 1), 0);
			}
		}
	}
	for (size_t p = 3; p-- > 0;)
		assert_int_equal(fg_hist_add(&merged, &parts[p]), 0);
	assert_same(&merged, &whole);
	for (size_t p = 0; p < 3; p++)
		fg_hist_done(&parts[p]);
	fg_hist_done(&whole);
	fg_hist_done(&merged);
}

static void test_overflow_is_refused(void **state)
{
	struct fg_hist a;
	struct fg_hist b;

	(void)state;
	fg_hist_init(&a, NULL);
	fg_hist_init(&b, NULL);
	assert_int_equal(fg_hist_record_n(&a, 7, UINT64_MAX - 1), 0);
	assert_int_equal(fg_hist_record_n(&a, 9, 2), -FG_E_LIMIT);
	assert_int_equal(fg_hist_record_n(&b, 9, 2), 0);
	assert_int_equal(fg_hist_add(&a, &b), -FG_E_LIMIT);
	assert_true(a.count == UINT64_MAX - 1 && a.max_ns == 7);
	assert_int_equal(fg_hist_counter(&a, 9), 0);
	fg_hist_done(&a);
	fg_hist_done(&b);
}

static void test_values_beyond_an_hour(void **state)
{
	struct fg_hist hist;

	(void)state;
	fg_hist_init(&hist, NULL);
	assert_int_equal(fg_hist_record(&hist, UINT64_MAX), 0);
	assert_int_equal(fg_hist_record_n(&hist, FG_HIST_MAX_NS + 1, 2), 0);
	assert_int_equal(hist.count, 3);
	assert_true(hist.min_ns == FG_HIST_MAX_NS && hist.max_ns == FG_HIST_MAX_NS);
	assert_true(fg_hist_percentile_ns(&hist, 50) == FG_HIST_MAX_NS);
	fg_hist_done(&hist);
}

static void test_pool_is_reused_and_zeroed(void **state)
{
	struct fg_hist_pool *pool = NULL;
	struct fg_err err = {0};
	struct fg_hist hist;

	(void)state;
	assert_int_equal(fg_hist_pool_new(SIZE_MAX / 2, &pool, &err), -FG_E_LIMIT);
	assert_null(pool);
	assert_ok(fg_hist_pool_new(FG_HIST_BLOCKS, &pool, &err), &err);
	fg_hist_init(&hist, pool);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20000; i++)
			assert_int_equal(fg_hist_record(&hist, random_value()), 0);
		fg_hist_clear(&hist);
		assert_int_equal(fg_hist_record(&hist, 5), 0);
		for (size_t i = 0; i < FG_HIST_COUNTERS; i++)
			assert_int_equal(fg_hist_counter(&hist, i), i == 5);
		fg_hist_clear(&hist);
	}
	assert_int_equal(fg_hist_pool_grown(pool), 0);
	struct fg_hist other;

	fg_hist_init(&other, pool);
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(fg_hist_record(&hist, random_value()), 0);
		assert_int_equal(fg_hist_record(&other, random_value()), 0);
	}
	assert_true(fg_hist_pool_grown(pool) > 0);
	fg_hist_done(&hist);
	fg_hist_done(&other);
	fg_hist_pool_free(pool);
	fg_hist_pool_free(NULL);
}

/* Printed, not asserted: machines differ. */
static void test_print_cost_of_a_record(void **state)
{
	enum { COUNT = 4096, ROUNDS = 500 };
	static uint64_t values[COUNT];
	struct fg_hist_pool *pool = NULL;
	struct fg_err err = {0};
	struct fg_hist hist;

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		values[i] = 500000 + random_u64() % 4000000;
	assert_ok(fg_hist_pool_new(FG_HIST_BLOCKS, &pool, &err), &err);
	fg_hist_init(&hist, pool);
	uint64_t start_ns = fg_clock_thread_cpu_ns();

	for (size_t i = 0; i < (size_t)COUNT * ROUNDS; i++)
		(void)fg_hist_record(&hist, values[i % COUNT]);
	print_message("fg_hist_record: %.2f ns\n",
		      (double)(fg_clock_thread_cpu_ns() - start_ns) / ((double)COUNT * ROUNDS));
	assert_int_equal(hist.count, (uint64_t)COUNT * ROUNDS);
	fg_hist_done(&hist);
	fg_hist_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index_is_a_bijection),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_against_sorted_array),
		cmocka_unit_test(test_percentile_semantics),
		cmocka_unit_test(test_merge_is_union),
		cmocka_unit_test(test_overflow_is_refused),
		cmocka_unit_test(test_values_beyond_an_hour),
		cmocka_unit_test(test_pool_is_reused_and_zeroed),
		cmocka_unit_test(test_print_cost_of_a_record),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
