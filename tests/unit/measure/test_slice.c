/* SPDX-License-Identifier: Apache-2.0 */
/* Metric tables, what a registry refuses, and that slices add up. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/measure/slice.h"

static char *text(const char *literal)
{
	static char copies[256][64];
	static size_t next;
	char *copy = copies[next++ % FG_ARRAY_LEN(copies)];
	size_t len = FG_MIN(strlen(literal), sizeof(copies[0]) - 1);

	memcpy(copy, literal, len);
	copy[len] = '\0';
	return copy;
}

static void test_metric_table(void **state)
{
	(void)state;
	for (int i = 0; i < FG_METRIC_COUNT; i++) {
		assert_non_null(fg_metrics[i].name);
		assert_non_null(fg_metrics[i].help);
		assert_int_equal(fg_metric_find(fg_metrics[i].name), i);
		assert_false(fg_metrics[i].is_time && fg_metrics[i].is_bytes);
		assert_int_equal(fg_metrics[i].is_time, fg_metrics[i].type == FG_METRIC_TREND);
	}
	for (int i = 0; i < FG_TREND_COUNT; i++)
		assert_int_equal(fg_metrics[i].type, FG_METRIC_TREND);
	assert_int_equal(fg_metric_find("http_req_duratio"), -1);
	assert_int_equal(fg_metric_find(""), -1);
	assert_string_equal(fg_metric_nearest("http_req_duratoin"), "http_req_duration");
	assert_null(fg_metric_nearest("banana"));
	assert_string_equal(fg_metric_type_name(FG_METRIC_RATE), "rate");
}

/* k6's numbers, from its error_codes.go. */
static void test_error_codes(void **state)
{
	static const struct {
		enum fg_net_error error;
		const char *name;
		unsigned code;
	} cases[] = {
		{FG_NET_OK, "ok", 0},
		{FG_NET_GENERIC, "generic", 1000},
		{FG_NET_BAD_URL, "badUrl", 1020},
		{FG_NET_TIMEOUT, "timeout", 1050},
		{FG_NET_DNS, "dns", 1101},
		{FG_NET_DIAL, "dial", 1210},
		{FG_NET_DIAL_TIMEOUT, "dialTimeout", 1211},
		{FG_NET_REFUSED, "refused", 1212},
		{FG_NET_RESET, "reset", 1220},
		{FG_NET_TLS, "tls", 1300},
		{FG_NET_HTTP_STATUS, "status", 1400},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		assert_string_equal(fg_net_error_name(cases[i].error), cases[i].name);
		assert_int_equal(fg_net_error_code(cases[i].error), cases[i].code);
	}
	for (int i = 0; i < FG_NET_ERROR_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(fg_net_error_name((enum fg_net_error)i),
						fg_net_error_name((enum fg_net_error)k));
}

static void make_registry(struct fg_registry *registry)
{
	const struct fg_scenario_def browse = {.name = text("browse"),
					       .executor = text("constant-vus")};
	const struct fg_scenario_def smoke = {.name = text("smoke")};
	struct fg_err err = {0};

	fg_registry_init(registry);
	assert_int_equal(fg_registry_add_scenario(registry, &browse, &err), 0);
	assert_int_equal(fg_registry_add_scenario(registry, &smoke, &err), 1);
	for (uint32_t s = 0; s < 2; s++) {
		const struct fg_class class = {.scenario = s, .name = text("GET /")};

		assert_int_equal(fg_registry_add_class(registry, &class, &err), s);
		const struct fg_check check = {
			.scenario = s, .class_index = s, .name = text("status is 200")};

		assert_int_equal(fg_registry_add_check(registry, &check, &err), s);
	}
}

static void test_registry_returns_earlier_class(void **state)
{
	struct fg_registry registry;
	struct fg_class class = {.scenario = 0, .name = text("GET /"), .method = text("POST")};

	(void)state;
	make_registry(&registry);
	assert_int_equal(fg_registry_add_class(&registry, &class, NULL), 0);
	class.group = text("");
	assert_int_equal(fg_registry_add_class(&registry, &class, NULL), 0);
	class.group = text("::login");
	assert_int_equal(fg_registry_add_class(&registry, &class, NULL), 2);
	assert_int_equal(registry.class_count, 3);
	assert_string_equal(registry.classes[0].group, "");
	assert_string_equal(registry.classes[0].method, "");
	fg_registry_done(&registry);
	fg_registry_done(&registry);
	fg_registry_done(NULL);
}

static void test_registry_refuses(void **state)
{
	struct fg_registry registry;
	struct fg_err err = {0};
	const struct fg_scenario_def scenarios[] = {
		{0},
		{.name = text("")},
		{.name = text("browse")},
		{.name = text("x"), .start_ns = UINT64_MAX, .duration_ns = 1},
		{.name = text("x"), .start_ns = UINT64_MAX - 1, .duration_ns = 1, .warmup_ns = 1},
		{.name = text("x"), .target_rate_per_s = NAN},
		{.name = text("x"), .target_rate_per_s = -1},
	};
	const struct fg_class classes[] = {
		{0}, {.name = text("")}, {.scenario = 2, .name = text("x")}};
	const struct fg_check checks[] = {
		{0}, {.scenario = 2, .name = text("x")}, {.class_index = 2, .name = text("x")}};

	(void)state;
	make_registry(&registry);
	for (size_t i = 0; i < FG_ARRAY_LEN(scenarios); i++)
		assert_int_equal(fg_registry_add_scenario(&registry, &scenarios[i], &err),
				 -FG_E_INVALID);
	for (size_t i = 0; i < FG_ARRAY_LEN(classes); i++)
		assert_int_equal(fg_registry_add_class(&registry, &classes[i], &err),
				 -FG_E_INVALID);
	for (size_t i = 0; i < FG_ARRAY_LEN(checks); i++)
		assert_int_equal(fg_registry_add_check(&registry, &checks[i], &err), -FG_E_INVALID);
	assert_int_equal(registry.scenario_count, 2);
	assert_int_equal(registry.class_count, 2);
	assert_int_equal(registry.check_count, 2);
	fg_registry_done(&registry);
}

static void test_registry_limits(void **state)
{
	struct fg_registry registry;
	struct fg_err err = {0};
	int rc = 0;

	(void)state;
	fg_registry_init(&registry);
	for (int i = 0; rc >= 0; i++) {
		char name[16];

		assert_true(i <= FG_REGISTRY_SCENARIOS_MAX);
		snprintf(name, sizeof(name), "s%d", i);
		rc = fg_registry_add_scenario(&registry, &(struct fg_scenario_def){.name = name},
					      &err);
	}
	assert_int_equal(rc, -FG_E_LIMIT);
	assert_int_equal(registry.scenario_count, FG_REGISTRY_SCENARIOS_MAX);
	fg_registry_done(&registry);
}

static void test_tags(void **state)
{
	struct fg_tags tags = {0};
	struct fg_tags copy = {0};
	struct fg_err err = {0};
	int rc = 0;

	(void)state;
	assert_ok(fg_tags_add(&tags, "team", "a", &err), &err);
	assert_ok(fg_tags_add(&tags, "team", "b", &err), &err);
	assert_int_equal(tags.count, 1);
	assert_string_equal(fg_tags_get(&tags, "team"), "b");
	assert_null(fg_tags_get(&tags, "tea"));
	for (int i = 0; rc == 0; i++) {
		char key[16];

		assert_true(i <= FG_REGISTRY_TAGS_MAX);
		snprintf(key, sizeof(key), "k%d", i);
		rc = fg_tags_add(&tags, key, NULL, &err);
	}
	assert_int_equal(rc, -FG_E_LIMIT);
	assert_int_equal(tags.count, FG_REGISTRY_TAGS_MAX);
	assert_ok(fg_tags_copy(&copy, &tags, &err), &err);
	fg_tags_done(&tags);
	assert_string_equal(fg_tags_get(&copy, "team"), "b");
	assert_string_equal(fg_tags_get(&copy, "k0"), "");
	fg_tags_done(&copy);
	fg_tags_done(NULL);
}

static void record(struct fg_slice *slice, uint32_t class, uint16_t status, uint64_t ns)
{
	struct fg_request_record one = {
		.class_index = class,
		.expected = status == 200,
		.lower_bound = status == 0,
		.error = status == 200 ? FG_NET_OK
				       : (status == 0 ? FG_NET_TIMEOUT : FG_NET_HTTP_STATUS),
		.status = status,
		.sent_bytes = 10,
		.received_bytes = 100,
	};

	for (size_t t = 0; t < FG_TREND_COUNT; t++)
		one.trends_ns[t] = ns + t;
	assert_int_equal(fg_slice_request(slice, &one), 0);
}

static void test_requests_are_counted(void **state)
{
	struct fg_registry registry;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	(void)state;
	make_registry(&registry);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	record(slice, 1, 200, 1000);
	record(slice, 1, 200, 3000);
	record(slice, 1, 503, 500);
	record(slice, 1, 0, 60000000000);
	record(slice, 1, 999, 1);
	struct fg_class_slice *good = fg_slice_class(slice, 1, true);
	struct fg_class_slice *bad = fg_slice_class(slice, 1, false);

	assert_int_equal(good->requests, 2);
	assert_int_equal(good->failed, 0);
	assert_int_equal(good->statuses[200], 2);
	assert_int_equal(good->trends[FG_TREND_RESPONSE_TIME].max_ns, 3000);
	assert_int_equal(good->trends[FG_TREND_RECEIVING].min_ns, 1000 + FG_TREND_RECEIVING);
	assert_int_equal(bad->requests, 3);
	assert_int_equal(bad->failed, 3);
	assert_int_equal(bad->statuses[503], 1);
	assert_int_equal(bad->statuses[0], 2);
	assert_int_equal(bad->errors[FG_NET_TIMEOUT], 1);
	assert_int_equal(bad->errors[FG_NET_HTTP_STATUS], 2);
	assert_int_equal(bad->trends[FG_TREND_DURATION].lower_bounds, 1);
	assert_int_equal(bad->received_bytes, 300);
	assert_int_equal(fg_slice_class(slice, 0, true)->requests, 0);
	fg_slice_clear(slice);
	assert_int_equal(good->requests + bad->requests, 0);
	assert_int_equal(good->statuses[200], 0);
	assert_int_equal(good->trends[0].count, 0);
	fg_slice_free(slice);
	fg_slice_free(NULL);
	fg_registry_done(&registry);
}

static void test_slices_add_up(void **state)
{
	struct fg_registry registry;
	struct fg_slice *sum = NULL;
	struct fg_slice *one = NULL;
	struct fg_err err = {0};

	(void)state;
	make_registry(&registry);
	assert_ok(fg_slice_new(&registry, NULL, &sum, &err), &err);
	assert_ok(fg_slice_new(&registry, NULL, &one, &err), &err);
	for (uint32_t step = 0; step < 4; step++) { /* 2 workers × 2 seconds */
		one->second = 7 + step / 2;
		one->worker = step % 2;
		record(one, 0, 200, 1000 + step);
		record(one, 1, 404, 1000 + step);
		one->scenarios[0].iterations = 3;
		one->scenarios[0].vus = 10 + step;
		one->scenarios[0].vus_max = 20;
		assert_int_equal(fg_hist_record(&one->scenarios[0].lag, 5), 0);
		one->checks[1] = (struct fg_check_slice){.passes = 2, .fails = 1};
		assert_ok(fg_slice_add(sum, one, &err), &err);
		fg_slice_clear(one);
	}
	assert_int_equal(sum->second, 8);
	assert_int_equal(fg_slice_class(sum, 0, true)->requests, 4);
	assert_int_equal(fg_slice_class(sum, 1, false)->statuses[404], 4);
	assert_int_equal(fg_slice_class(sum, 1, false)->errors[FG_NET_HTTP_STATUS], 4);
	assert_int_equal(sum->scenarios[0].iterations, 12);
	assert_int_equal(sum->scenarios[0].lag.count, 4);
	assert_int_equal(sum->scenarios[0].vus, 12 + 13); /* the last second's workers */
	assert_int_equal(sum->scenarios[0].vus_max, 40);
	assert_int_equal(sum->checks[1].passes, 8);
	assert_int_equal(sum->checks[1].fails, 4);
	one->second = 3; /* a straggler counts, but is not the gauges' last value */
	one->scenarios[0].vus = 99;
	one->scenarios[0].iterations = 1;
	assert_ok(fg_slice_add(sum, one, &err), &err);
	assert_int_equal(sum->scenarios[0].vus, 25);
	assert_int_equal(sum->scenarios[0].iterations, 13);
	one->check_count--;
	assert_int_equal(fg_slice_add(sum, one, &err), -FG_E_INTERNAL);
	one->check_count++;
	fg_slice_free(one);
	fg_slice_free(sum);
	fg_registry_done(&registry);
}

static void test_steady_state_allocates_nothing(void **state)
{
	struct fg_registry registry;
	struct fg_hist_pool *pool = NULL;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	(void)state;
	make_registry(&registry);
	assert_ok(fg_hist_pool_new(4 * FG_TREND_COUNT * 2, &pool, &err), &err);
	assert_ok(fg_slice_new(&registry, pool, &slice, &err), &err);
	for (int second = 0; second < 20; second++) {
		for (uint64_t i = 0; i < 100; i++) {
			record(slice, 0, 200, 1000 + i * 10);
			record(slice, 1, 500, 1000 + i * 10);
		}
		fg_slice_clear(slice);
	}
	assert_int_equal(fg_hist_pool_grown(pool), 0);
	fg_slice_free(slice);
	fg_hist_pool_free(pool);
	fg_registry_done(&registry);
}

static void test_empty_registry(void **state)
{
	struct fg_registry registry;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};

	(void)state;
	fg_registry_init(&registry);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	fg_slice_clear(slice);
	assert_ok(fg_slice_add(slice, slice, &err), &err);
	fg_slice_free(slice);
	fg_registry_done(&registry);
}

/* -- custom metrics and groups ------------------------------------------------------------------
 */

static int add_custom(struct fg_registry *registry, const char *name, enum fg_metric_type type,
		      bool is_time, const char *group, struct fg_err *err)
{
	char name_copy[140];
	char group_copy[16];
	struct fg_custom custom = {
		.name = name_copy, .type = type, .is_time = is_time, .group = group_copy};

	(void)snprintf(name_copy, sizeof(name_copy), "%s", name);
	(void)snprintf(group_copy, sizeof(group_copy), "%s", group);
	return fg_registry_add_custom(registry, &custom, err);
}

static void custom_registry(struct fg_registry *registry)
{
	char name[] = "main", path[] = "::shop";
	struct fg_scenario_def scenario = {.name = name};
	struct fg_group group = {.path = path};
	struct fg_err err = {0};

	fg_registry_init(registry);
	assert_ok(fg_tags_add(&scenario.tags, "tier", "read", &err), &err);
	assert_int_equal(fg_registry_add_scenario(registry, &scenario, &err), 0);
	assert_int_equal(add_custom(registry, "cart", FG_METRIC_TREND, false, "", &err), 0);
	assert_int_equal(add_custom(registry, "logins", FG_METRIC_COUNTER, false, "", &err), 1);
	assert_int_equal(add_custom(registry, "stock", FG_METRIC_GAUGE, false, "", &err), 2);
	assert_int_equal(add_custom(registry, "found", FG_METRIC_RATE, false, "", &err), 3);
	assert_int_equal(fg_registry_add_group(registry, &group, &err), 0);
	assert_int_equal(fg_registry_add_group(registry, &group, &err), 0);
	fg_tags_done(&scenario.tags);
}

static void test_custom_definitions(void **state)
{
	static const struct {
		const char *name, *says;
		enum fg_metric_type type;
		bool is_time;
	} bad[] = {
		{"", "is no metric name", FG_METRIC_TREND, false},
		{"9lives", "is no metric name", FG_METRIC_TREND, false},
		{"a-b", "is no metric name", FG_METRIC_TREND, false},
		{"h\xc3\xa9", "is no metric name", FG_METRIC_TREND, false},
		{"http_reqs", "name of a built-in metric", FG_METRIC_COUNTER, false},
		{"cart", "is a trend elsewhere, not a counter", FG_METRIC_COUNTER, false},
		{"cart", "is a time in one place", FG_METRIC_TREND, true},
	};
	char long_name[130];
	struct fg_registry registry, copy;
	struct fg_err err = {0};

	(void)state;
	custom_registry(&registry);
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		assert_int_equal(add_custom(&registry, bad[i].name, bad[i].type, bad[i].is_time, "",
					    &err),
				 -FG_E_INVALID);
		if (!strstr(err.message, bad[i].says))
			fail_msg("%s: %s", bad[i].name, err.message);
	}
	memset(long_name, 'a', sizeof(long_name));
	long_name[129] = '\0';
	assert_int_equal(add_custom(&registry, long_name, FG_METRIC_TREND, false, "", &err),
			 -FG_E_INVALID);
	long_name[128] = '\0';
	assert_int_equal(add_custom(&registry, long_name, FG_METRIC_TREND, false, "", &err), 4);
	assert_int_equal(add_custom(&registry, "cart", FG_METRIC_TREND, false, "", &err), 0);
	assert_int_equal(add_custom(&registry, "cart", FG_METRIC_TREND, false, "::x", &err), 5);
	assert_string_equal(fg_tags_get(&registry.customs[5].tags, "tier"), "read");
	assert_int_equal(fg_registry_find_custom(&registry, "logins"), 1);
	assert_int_equal(fg_registry_find_custom(&registry, "login"), -1);
	assert_ok(fg_registry_copy(&copy, &registry, &err), &err);
	assert_true(fg_registry_equal(&copy, &registry));
	assert_true(add_custom(&copy, "more", FG_METRIC_RATE, false, "", &err) > 0);
	assert_false(fg_registry_equal(&copy, &registry));
	fg_registry_done(&copy);
	fg_registry_done(&registry);
}

static int compare_doubles(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

/* Against the sorted values: prices of cents, negative ones, sizes of terabytes. */
static void test_custom_percentiles(void **state)
{
	enum { COUNT = 3000 };
	static const double percentiles[] = {0, 1, 25, 33.4, 50, 66.7, 90, 95, 99, 99.9, 100};
	struct fg_registry registry;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};
	double *values = calloc(COUNT, sizeof(*values));
	uint64_t random = 1;

	(void)state;
	assert_non_null(values);
	custom_registry(&registry);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	for (int i = 0; i < COUNT; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		double size = (double)(random >> 40) / 1e3; /* up to 16 777 */

		values[i] = i % 3 == 0 ? -size : i % 3 == 1 ? size / 100 : size * 1e8;
		assert_int_equal(fg_slice_custom(slice, 0, values[i]), 0);
	}
	qsort(values, COUNT, sizeof(*values), compare_doubles);
	for (size_t i = 0; i < FG_ARRAY_LEN(percentiles); i++) {
		size_t rank = (size_t)ceil(percentiles[i] * COUNT / 100 - 1e-9);
		double exact = values[rank ? rank - 1 : 0];
		double found = fg_custom_percentile(&slice->customs[0], percentiles[i]);

		if (fabs(found - exact) > 0.001 * fabs(exact) + 1e-6)
			fail_msg("p(%g): %g instead of %g", percentiles[i], found, exact);
	}
	assert_true(slice->customs[0].min == values[0]);
	assert_true(slice->customs[0].max == values[COUNT - 1]);
	assert_int_equal(fg_slice_custom(slice, 0, NAN), -FG_E_INVALID);
	assert_int_equal(fg_slice_custom(slice, 0, INFINITY), -FG_E_INVALID);
	assert_int_equal(fg_slice_custom(slice, 0, -1e291), -FG_E_INVALID);
	assert_int_equal(slice->customs[0].count, COUNT);
	fg_slice_clear(slice);
	assert_true(fg_custom_percentile(&slice->customs[0], 50) == 0);
	assert_true(fg_custom_mean(&slice->customs[0]) == 0);
	free(values);
	fg_slice_free(slice);
	fg_registry_done(&registry);
}

/* In whichever order the parts are added, the sum is the same. */
static void test_customs_add_up_in_any_order(void **state)
{
	enum { PARTS = 6 };
	struct fg_registry registry;
	struct fg_slice *parts[PARTS];
	struct fg_slice *sums[2];
	struct fg_err err = {0};

	(void)state;
	custom_registry(&registry);
	for (uint32_t i = 0; i < PARTS; i++) {
		assert_ok(fg_slice_new(&registry, NULL, &parts[i], &err), &err);
		parts[i]->second = i / 2;
		parts[i]->worker = i % 2;
		for (uint32_t k = 0; k < 4 && i != 3; k++)
			assert_int_equal(fg_slice_custom(parts[i], k, (double)(i * 7 % 5) - 1), 0);
		assert_int_equal(fg_hist_record(&parts[i]->groups[0], 1000 + i), 0);
	}
	for (size_t s = 0; s < 2; s++) {
		assert_ok(fg_slice_new(&registry, NULL, &sums[s], &err), &err);
		for (size_t i = 0; i < PARTS; i++)
			assert_ok(fg_slice_add(sums[s], parts[s ? PARTS - 1 - i : i], &err), &err);
	}
	for (size_t k = 0; k < 4; k++) {
		const struct fg_custom_slice *a = &sums[0]->customs[k];
		const struct fg_custom_slice *b = &sums[1]->customs[k];

		assert_true(a->count == 5 && b->count == 5 && a->trues == b->trues);
		assert_true(a->sum == b->sum && a->min == b->min && a->max == b->max);
		assert_true(a->last == b->last && a->last == -1);
		assert_true(fg_custom_percentile(a, 60) == fg_custom_percentile(b, 60));
	}
	assert_int_equal(sums[0]->customs[3].trues, 5);
	assert_int_equal(sums[0]->groups[0].count, PARTS);
	assert_int_equal(sums[1]->groups[0].max_ns, 1005);
	for (size_t i = 0; i < PARTS; i++)
		fg_slice_free(parts[i]);
	fg_slice_free(sums[0]);
	fg_slice_free(sums[1]);
	fg_registry_done(&registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metric_table),
		cmocka_unit_test(test_error_codes),
		cmocka_unit_test(test_registry_returns_earlier_class),
		cmocka_unit_test(test_registry_refuses),
		cmocka_unit_test(test_registry_limits),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_requests_are_counted),
		cmocka_unit_test(test_slices_add_up),
		cmocka_unit_test(test_steady_state_allocates_nothing),
		cmocka_unit_test(test_empty_registry),
		cmocka_unit_test(test_custom_definitions),
		cmocka_unit_test(test_custom_percentiles),
		cmocka_unit_test(test_customs_add_up_in_any_order),
	};

	return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
