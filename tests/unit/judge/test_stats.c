/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics against published values. */
#include "tests/kit/kit.h"

#include <math.h>

#include "gate/judge/stats.h"

/* cmocka's own compares floats */
#define assert_close(a, b, epsilon)                                      \
	do {                                                             \
		double a_ = (a), b_ = (b);                               \
		if (!(fabs(a_ - b_) <= (epsilon)))                       \
			fail_msg("%s: %.9g, expected %.9g", #a, a_, b_); \
	} while (0)

static void test_normal(void **state)
{
	static const double known[][2] = {
		{0.5, 0.0},        {0.975, 1.959964}, {0.995, 2.575829},    {0.999, 3.090232},
		{0.05, -1.644854}, {1e-6, -4.753424}, {1 - 1e-6, 4.753424}, {1e-12, -7.034484},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(known); i++)
		assert_close(fg_stats_normal_quantile(known[i][0]), known[i][1], 1e-5);
	assert_close(fg_stats_critical(0.01, 1), 2.575829, 1e-5);
	assert_close(fg_stats_critical(0.01, 0), 2.575829, 1e-5);
	assert_close(fg_stats_critical(0.01, 1000), 4.4172, 1e-3);
}

static void test_student(void **state)
{
	static const struct {
		double p;
		unsigned df;
		double t;
	} known[] = {
		{0.975, 1, 12.7062},  {0.975, 2, 4.30265},  {0.995, 3, 5.84091},
		{0.995, 9, 3.24984},  {0.995, 12, 3.05454}, {0.95, 30, 1.69726},
		{0.99, 120, 2.35782}, {0.01, 5, -3.36493},  {0.995, 1000, 2.5758},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(known); i++)
		assert_close(fg_stats_t_quantile(known[i].p, known[i].df), known[i].t, 1e-4);
}

static void test_trimmed(void **state)
{
	static const double values[] = {4, 1, 2, 3, 5, 6, 7, 8, 9, 1000};
	static const double same[] = {2, 2, 2, 2, 2};
	struct fg_stats_location found;

	(void)state;
	assert_int_equal(fg_stats_trimmed(values, 10, &found, NULL), 0);
	/* 3…8 kept; winsorised 3 3 3 4 5 6 7 8 8 8: variance 4.722222 */
	assert_close(found.mean, 5.5, 1e-12);
	assert_close(found.se, sqrt(4.7222222) / (0.6 * sqrt(10)), 1e-6);
	assert_close(found.sd, sqrt(4.7222222) / 0.6429, 1e-6);
	assert_int_equal(found.df, 5);
	assert_int_equal(fg_stats_trimmed(values, 3, &found, NULL), 0);
	assert_close(found.se, 0, 0); /* unknown */
	assert_int_equal(fg_stats_trimmed(values, 1, &found, NULL), 0);
	assert_close(found.mean, 4, 0);
	assert_int_equal(fg_stats_trimmed(values, 0, &found, NULL), 0);
	assert_true(isnan(found.mean) && found.count == 0);
	assert_int_equal(fg_stats_trimmed(same, 5, &found, NULL), 0);
	assert_close(found.se, 0, 0);
}

static void test_dispersion(void **state)
{
	static const uint32_t even[] = {10, 10, 10, 10}, wild[] = {0, 0, 0, 80},
			      none[] = {0, 0, 0, 0};
	static const uint64_t trials[] = {100, 100, 100, 100}, zero[] = {0, 0, 0, 0};

	(void)state;
	assert_close(fg_stats_dispersion(even, trials, 4), 1, 0);
	assert_close(fg_stats_dispersion(none, trials, 4), 1, 0);
	assert_close(fg_stats_dispersion(even, zero, 4), 1, 0);
	assert_close(fg_stats_dispersion(even, trials, 0), 1, 0);
	/* p = 0.2, v = 16: 3 × 400/16 + 3600/16 = 300 → (20 + 300) / 24 */
	assert_close(fg_stats_dispersion(wild, trials, 4), 320.0 / 24.0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normal),
		cmocka_unit_test(test_student),
		cmocka_unit_test(test_trimmed),
		cmocka_unit_test(test_dispersion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
