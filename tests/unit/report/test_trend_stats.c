/* SPDX-License-Identifier: Apache-2.0 */
/* The words of --summary-trend-stats, --summary-mode and --summary-time-unit, and what they mean.
 */
#include "tests/kit/kit.h"

#include <math.h>

#include "gate/report/report.h"

static void test_trend_stats(void **state)
{
	static const struct {
		const char *text;
		int count; /* < 0: the error code */
		const char *suffix;
	} cases[] = {
		{"avg", 1, "avg"},
		{"avg,min,med,max,p(90),p(95)", 6, "p95"},
		{" p(99.9) , count", 2, "count"},
		{"p(99.9)", 1, "p999"},
		{"p(0)", 1, "p0"},
		{"sum", 1, "sum"},
		{"", -FG_E_INVALID, NULL},
		{"avg,", -FG_E_INVALID, NULL},
		{",avg", -FG_E_INVALID, NULL},
		{"p95", -FG_E_INVALID, NULL},
		{"p(101)", -FG_E_INVALID, NULL},
		{"p(-1)", -FG_E_INVALID, NULL},
		{"p()", -FG_E_INVALID, NULL},
		{"p(9x)", -FG_E_INVALID, NULL},
		{"p(nan)", -FG_E_INVALID, NULL},
		{"median", -FG_E_INVALID, NULL},
		{"p(99.999999999999999)", -FG_E_INVALID, NULL},
		{"avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg,avg", -FG_E_LIMIT,
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_trend_stats stats = {.count = 0};
		char suffix[FG_TREND_STAT_TEXT_MAX];
		struct fg_err err = {0};
		int rc = fg_trend_stats_parse(cases[i].text, &stats, &err);

		if (cases[i].count < 0) {
			if (rc != cases[i].count)
				fail_msg("\"%s\": %d", cases[i].text, rc);
			assert_int_equal(stats.count, 0);
			continue;
		}
		assert_ok(rc, &err);
		assert_int_equal(stats.count, cases[i].count);
		fg_trend_stat_suffix(&stats.items[stats.count - 1], suffix);
		assert_string_equal(suffix, cases[i].suffix);
	}
}

static void test_trend_values(void **state)
{
	struct fg_trend_stats all;
	const double expected[] = {2, 1, 1, 4, 3, 6, 4};
	struct fg_hist hist;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_trend_stats_parse("avg,min,med,max,count,sum,p(100)", &all, &err), &err);
	fg_hist_init(&hist, NULL);
	struct fg_trend_values values = fg_trend_values_of(&hist);

	for (size_t i = 0; i < all.count; i++)
		assert_true(fg_trend_stat_value(&all.items[i], &values) == 0);
	assert_int_equal(fg_hist_record_n(&hist, 1000000, 2), 0);
	assert_int_equal(fg_hist_record(&hist, 4000000), 0);
	for (size_t i = 0; i < all.count; i++)
		if (fabs(fg_trend_stat_value(&all.items[i], &values) - expected[i]) > 0.001)
			fail_msg("%s is %g", all.items[i].text,
				 fg_trend_stat_value(&all.items[i], &values));
	fg_hist_done(&hist);
}

static void test_words(void **state)
{
	enum fg_summary_mode mode = FG_SUMMARY_FULL;
	enum fg_time_unit unit = FG_TIME_UNIT_S;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_summary_mode_parse(NULL, &mode, &err), &err);
	assert_int_equal(mode, FG_SUMMARY_COMPACT);
	assert_ok(fg_summary_mode_parse("disabled", &mode, &err), &err);
	assert_int_equal(mode, FG_SUMMARY_DISABLED);
	assert_int_equal(fg_summary_mode_parse("legacy", &mode, &err), -FG_E_INVALID);
	assert_ok(fg_time_unit_parse(NULL, &unit, &err), &err);
	assert_int_equal(unit, FG_TIME_UNIT_AUTO);
	assert_ok(fg_time_unit_parse("us", &unit, &err), &err);
	assert_int_equal(fg_time_unit_parse("ns", &unit, &err), -FG_E_INVALID);
	assert_int_equal(unit, FG_TIME_UNIT_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trend_stats),
		cmocka_unit_test(test_trend_values),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
