/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds beyond k6's: ratios, windows, parts of a run, baselines, custom metrics, groups. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/judge/threshold_watch.h"
#include "gate/measure/bundle_internal.h"
#include "gate/measure/series.h"

enum { SECONDS = 40, SLOW_FROM = 20, SLOW_TO = 23 };

static char *text(const char *source)
{
	char *copy = strdup(source);

	assert_non_null(copy);
	return copy;
}

static void add_class(struct fg_registry *registry, const char *name)
{
	struct fg_class class = {.name = text(name)};

	assert_true(fg_registry_add_class(registry, &class, NULL) >= 0);
	free(class.name);
}

static void add_custom(struct fg_registry *registry, const char *name, enum fg_metric_type type,
		       bool is_time, const char *group)
{
	struct fg_custom custom = {
		.name = text(name), .type = type, .is_time = is_time, .group = text(group)};

	assert_true(fg_registry_add_custom(registry, &custom, NULL) >= 0);
	free(custom.name);
	free(custom.group);
}

enum { LOGINS, STOCK, FOUND, CART, CART_SHOP, WAIT };

static struct fg_registry make_registry(void)
{
	struct fg_registry registry;
	struct fg_scenario_def scenario = {.name = text("main")};
	struct fg_group group = {.path = text("::shop")};

	fg_registry_init(&registry);
	assert_true(fg_registry_add_scenario(&registry, &scenario, NULL) >= 0);
	add_class(&registry, "a");
	add_class(&registry, "b");
	add_custom(&registry, "logins", FG_METRIC_COUNTER, false, "");
	add_custom(&registry, "stock", FG_METRIC_GAUGE, false, "");
	add_custom(&registry, "found", FG_METRIC_RATE, false, "");
	add_custom(&registry, "cart_value", FG_METRIC_TREND, false, "");
	add_custom(&registry, "cart_value", FG_METRIC_TREND, false, "::shop");
	add_custom(&registry, "wait_time", FG_METRIC_TREND, true, "");
	assert_true(fg_registry_add_group(&registry, &group, NULL) >= 0);
	free(scenario.name);
	free(group.path);
	return registry;
}

static void request(struct fg_slice *slice, uint32_t class, uint64_t ms, unsigned n, bool good)
{
	struct fg_request_record record = {
		.class_index = class, .expected = good, .status = good ? 200 : 500};

	for (int i = 0; i < FG_TREND_COUNT; i++)
		record.trends_ns[i] = ms * FG_NS_PER_MS;
	record.trends_ns[FG_TREND_WAKEUP] = 0;
	record.error = good ? FG_NET_OK : FG_NET_HTTP_STATUS;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fg_slice_request(slice, &record), 0);
}

static void fill(struct fg_slice *slice, uint32_t second, uint64_t factor)
{
	const bool slow = second >= SLOW_FROM && second < SLOW_TO;

	slice->second = second;
	slice->scenarios[0].iterations = 10;
	request(slice, 0, (slow ? 90 : 10) * factor, 10, true);
	request(slice, 1, 20 * factor, 9, true);
	request(slice, 1, 20 * factor, 1, false);
	assert_int_equal(fg_slice_custom(slice, LOGINS, 2), 0);
	assert_int_equal(fg_slice_custom(slice, STOCK, 100 - (double)second), 0);
	assert_int_equal(fg_slice_custom(slice, FOUND, second % 4 != 0), 0);
	assert_int_equal(fg_slice_custom(slice, CART, 0.25 * (double)second), 0);
	assert_int_equal(fg_slice_custom(slice, CART_SHOP, 5e9 + (double)second), 0);
	assert_int_equal(fg_slice_custom(slice, WAIT, 30), 0);
	assert_int_equal(fg_hist_record(&slice->groups[0], 7 * FG_NS_PER_MS), 0);
}

/* `hole`: the seconds 10 to 29 are empty. */
static struct fg_result *make_result(const struct fg_threshold *watched, size_t count,
				     uint64_t factor, bool hole)
{
	struct fg_registry registry = make_registry();
	struct fg_result *result = NULL;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	assert_ok(fg_result_new(&registry, &result, &err), &err);
	assert_ok(fg_threshold_watch(result, watched, count, &err), &err);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	for (uint32_t second = 0; second < SECONDS; second++) {
		fg_slice_clear(slice);
		slice->second = second;
		if (!hole || second < 10 || second >= 30)
			fill(slice, second, factor);
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
	}
	result->duration_ns = result->measured_ns = SECONDS * FG_NS_PER_S;
	fg_slice_free(slice);
	fg_registry_done(&registry);
	return result;
}

struct scope_case {
	const char *metric, *text;
	unsigned window, from, to;
	bool passed;
	const char *value;
	bool only_watched; /* the series does not have it at this resolution */
};

/* clang-format off */
static const struct scope_case scopes[] = {
	{"http_req_duration{name:a}", "p(95)<80", 0, 0, 0, false, "90.0 ms", false},
	{"http_req_duration{name:a}", "p(90)<80", 0, 0, 0, true, "10.0 ms", false},
	{"http_req_duration{name:a}", "p(90)<80", 10, 0, 0, false, "90.0 ms in 20-30 s", false},
	{"http_req_response_time{name:a}", "p(90)<80", 5, 0, 0, false, "90.0 ms in 20-25 s", false},
	{"http_req_response_time{name:a}", "p(20)<80", 10, 0, 0, true, "10.0 ms in 20-30 s", false},
	{"http_req_response_time{name:a}", "p(20)<80", 3, 20, 0, false, "90.0 ms in 20-23 s", false},
	{"http_req_response_time{name:a}", "max<80", 0, 23, 40, true, "10.0 ms", false},
	{"http_req_response_time{name:a}", "max<80", 0, 22, 23, false, "90.0 ms", false},
	{"http_req_response_time{name:a}", "max<80", 0, 0, 20, true, "10.0 ms", false},
	{"http_req_response_time{name:a}", "min>5", 7, 0, 0, true, "10.0 ms in 0-7 s", false},
	{"http_req_failed", "rate<=0.05", 5, 0, 0, true, "0.0500 in 0-5 s", false},
	{"http_reqs", "rate>=20", 8, 0, 0, true, "20.0/s in 0-8 s", false},
	{"http_reqs", "count>=200", 10, 0, 0, true, "200 in 0-10 s", false},
	{"http_reqs", "count==300", 0, 10, 25, true, "300", false},
	{"http_reqs{status:500}", "count==10", 0, 10, 20, true, "10", false},
	{"http_reqs{status:500}", "count==5", 0, 10, 15, true, "5", true},
	{"http_req_waiting{name:a}", "max<80", 0, 30, 40, true, "10.0 ms", false},
	{"http_req_waiting{name:a}", "p(90)<80", 15, 0, 0, false, "90.0 ms in 15-30 s", true},
	{"iterations", "count<51", 5, 0, 0, true, "50 in 0-5 s", false},
	{"group_duration{group:::shop}", "max<8", 10, 0, 0, true, "7.00 ms in 0-10 s", false},
	{"cart_value{group:}", "max<=5", 0, 0, 21, true, "5", false},
	{"cart_value{group:}", "max<5", 20, 0, 0, false, "9.75 in 20-40 s", false},
	{"logins", "count==80", 0, 0, 0, true, "80", false},
	{"logins", "rate>=2/s", 10, 0, 0, true, "2.0/s in 0-10 s", false},
	{"stock", "value>=61", 0, 0, 0, true, "61", false},
	{"stock", "value>=71", 0, 0, 30, true, "71", false},
	{"found", "rate>=75%", 0, 0, 0, true, "0.7500", false},
	{"found", "count>30", 0, 0, 0, false, "30", false},
	{"wait_time", "p(95)<31", 0, 0, 0, true, "30.0 ms", false},
	{"wait_time", "p(95)<29ms", 0, 0, 0, false, "30.0 ms", false},
	{"cart_value{group:::shop}", "p(50)>5e9", 0, 0, 0, true, "5e+09", false},
	{"http_req_duration{name:b} / http_req_duration{name:a}", "min<=2", 0, 0, 0, true, "2", false},
	{"http_req_duration{name:b} / http_req_duration{name:a}", "avg<2", 5, 0, 0, false, "2 in 0-5 s", false},
	{"http_req_duration{name:a}", "p(99) / med < 8", 0, 0, 0, false, "8.99781", false},
	{"http_req_failed / http_reqs", "count < 5.1%", 0, 0, 0, true, "0.05", false},
	{"dropped_iterations / iterations", "count<1%", 0, 0, 0, true, "0", false},
	{"http_reqs / dropped_iterations", "count<1%", 0, 0, 0, false, "nothing to divide by", false},
};
/* clang-format on */

static void parse_scope(const struct scope_case *one, const struct fg_registry *registry,
			struct fg_threshold *ret)
{
	struct fg_err err = {0};

	assert_ok(fg_threshold_parse(one->metric, one->text, ret, &err), &err);
	ret->window_ns = one->window * FG_NS_PER_S;
	ret->from_ns = one->from * FG_NS_PER_S;
	ret->to_ns = one->to * FG_NS_PER_S;
	assert_ok(fg_threshold_check(ret, registry, &err), &err);
}

static double evaluate(const struct scope_case *one, const struct fg_threshold *threshold,
		       const struct fg_result *result, bool passed, const char *value)
{
	struct fg_threshold_result found;
	struct fg_err err = {0};

	assert_ok(fg_threshold_evaluate(threshold, result, NULL, &found, &err), &err);
	double number = found.value;

	if (found.passed != passed || (value && strcmp(found.value_text, value) != 0))
		fail_msg("%s %s (%u %u %u): passed %d: %s (%g)", one->metric, one->text,
			 one->window, one->from, one->to, found.passed, found.value_text, number);
	fg_threshold_result_done(&found);
	return number;
}

/* From the series it is the same up to the buckets' width. */
static void check_stored(const struct scope_case *one, const struct fg_threshold *threshold,
			 const struct fg_result *result, double exact)
{
	if (one->only_watched) {
		(void)evaluate(one, threshold, result, false,
			       "kept per 10 s: window, from and to must be multiples");
		return;
	}
	double number = evaluate(one, threshold, result, one->passed, NULL);

	if (isnan(number) != isnan(exact) || fabs(number - exact) > 0.01 * fabs(exact))
		fail_msg("%s %s: %g instead of %g", one->metric, one->text, number, exact);
}

static void test_scopes(void **state)
{
	enum { COUNT = FG_ARRAY_LEN(scopes) };
	struct fg_threshold thresholds[COUNT];
	struct fg_registry registry = make_registry();
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		parse_scope(&scopes[i], &registry, &thresholds[i]);
	struct fg_result *watched = make_result(thresholds, COUNT, 1, false);
	struct fg_result *stored = make_result(NULL, 0, 1, false);

	assert_ok(fg_threshold_watch_end(watched, &err), &err);
	assert_ok(fg_threshold_watch_end(stored, &err), &err);
	for (size_t i = 0; i < COUNT; i++) {
		double exact = evaluate(&scopes[i], &thresholds[i], watched, scopes[i].passed,
					scopes[i].value);

		check_stored(&scopes[i], &thresholds[i], stored, exact);
		fg_threshold_done(&thresholds[i]);
	}
	fg_result_free(watched);
	fg_result_free(stored);
	fg_registry_done(&registry);
}

/* Nothing of a stall of 20 s: p(90) of every window with data is fine, and yet it is no pass. */
static void test_a_hole_is_no_pass(void **state)
{
	static const struct {
		bool allow;
		uint64_t min_samples;
		bool passed;
		const char *value;
	} cases[] = {
		{false, 0, false, "no data in 10-15 s"},
		{true, 0, true, "10.0 ms in 0-5 s"},
		{false, 1, true, "10.0 ms in 0-5 s"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_threshold threshold;
		struct fg_threshold_result found;
		struct fg_err err = {0};

		assert_ok(fg_threshold_parse("http_req_duration{name:a}", "p(90)<80", &threshold,
					     &err),
			  &err);
		threshold.window_ns = 5 * FG_NS_PER_S;
		threshold.allow_no_data = cases[i].allow;
		threshold.min_samples = cases[i].min_samples;
		struct fg_result *result = make_result(&threshold, 1, 1, true);

		assert_ok(fg_threshold_watch_end(result, &err), &err);
		assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
		assert_int_equal(found.passed, cases[i].passed);
		assert_string_equal(found.text, "p(90)<80, window 5s");
		assert_string_equal(found.value_text, cases[i].value);
		fg_threshold_result_done(&found);
		fg_result_free(result);
		fg_threshold_done(&threshold);
	}
}

static void test_baseline(void **state)
{
	static const struct {
		const char *metric, *text;
		unsigned window, from, to;
		bool passed, no_data;
		const char *value;
	} cases[] = {
		{"http_req_duration{name:b}", "p(95) < baseline * 1.9", 0, 0, 0, false, false,
		 "40.0 ms, limit 38.0 ms"},
		{"http_req_duration{name:b}", "p(95) <= 2 * baseline", 0, 0, 0, true, false,
		 "40.0 ms, limit 40.0 ms"},
		{"http_req_duration{name:b}", "p(95)<baseline+10%+5ms", 0, 0, 0, false, false,
		 "40.0 ms, limit 27.0 ms"},
		{"http_req_duration{name:b}", "p(95)<baseline*1.5+10.5", 0, 0, 0, true, false,
		 "40.0 ms, limit 40.5 ms"},
		{"http_req_duration{name:b}", "p(95)>baseline/2-1e-3", 0, 0, 0, true, false,
		 "40.0 ms, limit 10.0 ms"},
		{"http_req_response_time{name:a}", "max<baseline*3", 0, 0, 20, true, false,
		 "20.0 ms, limit 30.0 ms"},
		{"http_req_response_time{name:a}", "max<baseline*1.5", 10, 0, 0, false, false,
		 "180 ms in 20-30 s, limit 135 ms"},
		{"http_req_failed", "rate<=baseline+1%", 0, 0, 0, true, false,
		 "0.0500, limit 0.0600"},
		{"http_reqs", "count>=baseline*0.9", 0, 0, 0, true, false, "800, limit 720"},
		{"wait_time", "avg<=baseline+5", 0, 0, 0, true, false, "30.0 ms, limit 35.0 ms"},
		{"cart_value", "max<baseline+1", 0, 0, 0, true, false, "5e+09, limit 5e+09"},
	};
	struct fg_result *base = make_result(NULL, 0, 1, false);
	struct fg_result *head = make_result(NULL, 0, 2, false);

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_threshold threshold;
		struct fg_threshold_result found;
		struct fg_err err = {0};

		assert_ok(fg_threshold_parse(cases[i].metric, cases[i].text, &threshold, &err),
			  &err);
		threshold.window_ns = cases[i].window * FG_NS_PER_S;
		threshold.from_ns = cases[i].from * FG_NS_PER_S;
		threshold.to_ns = cases[i].to * FG_NS_PER_S;
		assert_ok(fg_threshold_check(&threshold, &head->registry, &err), &err);
		assert_ok(fg_threshold_evaluate(&threshold, head, base, &found, &err), &err);
		if (found.passed != cases[i].passed || found.no_data != cases[i].no_data ||
		    strcmp(found.value_text, cases[i].value) != 0)
			fail_msg("%s %s: %d %s", cases[i].metric, cases[i].text, found.passed,
				 found.value_text);
		fg_threshold_result_done(&found);
		/* none: said, and no pass unless that was asked for */
		for (int allow = 0; allow < 2; allow++) {
			threshold.allow_no_data = allow;
			assert_ok(fg_threshold_evaluate(&threshold, head, NULL, &found, &err),
				  &err);
			assert_int_equal(found.passed, allow);
			assert_true(found.no_data);
			assert_non_null(strstr(found.value_text, ", no baseline"));
			fg_threshold_result_done(&found);
		}
		fg_threshold_done(&threshold);
	}
	fg_result_free(base);
	fg_result_free(head);
}

static void test_check(void **state)
{
	static const struct {
		const char *metric, *text;
		uint64_t window_ns, from_ns, to_ns;
		const char *says; /* NULL: fits */
	} cases[] = {
		{"cart_value", "p(95)<10", 0, 0, 0, NULL},
		{"cart_valeu", "p(95)<10", 0, 0, 0, "did you mean \"cart_value\"?"},
		{"cart_value", "rate<10", 0, 0, 0, "is a trend and has no rate; it has avg"},
		{"cart_value", "p(95)<10ms", 0, 0, 0, "is not a time"},
		{"cart_value", "p(95)<1KiB", 0, 0, 0, NULL},
		{"cart_value", "p(95)<5%", 0, 0, 0, "no percentage fits"},
		{"wait_time", "p(95)<10ms", 0, 0, 0, NULL},
		{"wait_time", "p(95)<10KiB", 0, 0, 0, "is a time, not a size"},
		{"found", "rate<2", 0, 0, 0, "between 0 and 1"},
		{"found", "rate<20%", 0, 0, 0, NULL},
		{"found", "p(95)<1", 0, 0, 0, "is a rate and has no p(95); it has count, rate"},
		{"logins", "value<2", 0, 0, 0, "is a counter and has no value"},
		{"stock", "value<2", 0, 0, 0, NULL},
		{"cart_value{group:::shop}", "avg<2", 0, 0, 0, NULL},
		{"cart_value{group:::shp}", "avg<2", 0, 0, 0, "did you mean \"::shop\"?"},
		{"cart_value{name:a}", "avg<2", 0, 0, 0, "carries the tag \"name\""},
		{"group_duration{group:::shop}", "avg<2", 0, 0, 0, NULL},
		{"group_duration{group:::sop}", "avg<2", 0, 0, 0, "did you mean \"::shop\"?"},
		{"group_duration{name:a}", "avg<2", 0, 0, 0, "carries the tag \"name\""},
		{"http_reqs / logns", "count<2", 0, 0, 0, "did you mean \"logins\"?"},
		{"http_reqs / cart_value", "count<2", 0, 0, 0, "has no count"},
		{"http_reqs", "count<2", FG_NS_PER_S / 2, 0, 0, "whole seconds"},
		{"http_reqs", "count<2", 0, 5 * FG_NS_PER_S, 4 * FG_NS_PER_S, "is not after"},
		{"http_reqs", "count<2", 9 * FG_NS_PER_S, 0, 8 * FG_NS_PER_S, "is longer than"},
	};
	struct fg_registry registry = make_registry();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_threshold threshold;
		struct fg_err err = {0};

		assert_ok(fg_threshold_parse(cases[i].metric, cases[i].text, &threshold, &err),
			  &err);
		threshold.window_ns = cases[i].window_ns;
		threshold.from_ns = cases[i].from_ns;
		threshold.to_ns = cases[i].to_ns;
		int rc = fg_threshold_check(&threshold, &registry, &err);

		if ((rc == 0) != !cases[i].says ||
		    (cases[i].says && !strstr(err.message, cases[i].says)))
			fail_msg("%s %s: %d %s", cases[i].metric, cases[i].text, rc, err.message);
		fg_threshold_done(&threshold);
	}
	fg_registry_done(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_a_hole_is_no_pass),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests_name("threshold_scope", tests, NULL, NULL);
}
