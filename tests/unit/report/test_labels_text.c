/* SPDX-License-Identifier: Apache-2.0 */
/* What the report says about request classes and slow requests, and when it keeps silent; notices.
 */
#include "gate/report/report_internal.h"
#include "gate/report/table.h"

#include "tests/kit/kit.h"
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <string.h>

static void test_attribution(void **state)
{
	static const struct {
		struct fg_profile_info info;
		const char *text;
	} cases[] = {
		{{.samples = 10}, ""}, /* nobody asked */
		{{.labels_problem = "needs Linux 6.3"}, "no request classes: needs Linux 6.3"},
		{{.labels = true,
		  .samples = 1000,
		  .attributed = 987,
		  .target_cpu_ns = 1000000000,
		  .label_ns = 1230000,
		  .label_receives = 4456},
		 "attribution 98.7 %; finding the class took 0.12 % of the target's CPU (4 456 "
		 "receives)"},
		{{.labels = true, .samples = 1000, .attributed = 499},
		 "attribution 49.9 % (0 receives); less than half: cpu per class is not told (is "
		 "there something between flamegate and the target?)"},
		{{.labels = true}, "attribution 0.0 % (0 receives); less than half"},
		{{.labels = true,
		  .samples = 10,
		  .attributed = 9,
		  .labels_problem = "switched off 3.1 s into the run: it took 2.4 %"},
		 "attribution 90.0 % (0 receives); request classes were switched off 3.1 s into "
		 "the run: it took 2.4 %; later samples have none, so cpu per class is not told"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		FG_AUTO_BUF struct fg_buf out = {.max = 4096};

		fg_report_attribution(&cases[i].info, &out);
		fg_buf_add(&out, "", 1);
		if (strncmp(out.data, cases[i].text, strlen(cases[i].text)) != 0 ||
		    (!cases[i].text[0] && out.data[0]))
			fail_msg("case %zu: \"%s\"", i, out.data);
	}
}

/* Of many the first ones, and where the others are. */
static void test_notices(void **state)
{
	static const char *const texts[] = {
		"",
		"      ! notice 0\n",
		"      ! notice 0\n      ! notice 1\n",
		"      ! notice 0\n      ! notice 1\n      ! notice 2\n",
		"      ! notice 0\n      ! notice 1\n      ! notice 2\n      ! notice 3\n",
		"      ! notice 0\n      ! notice 1\n      ! notice 2\n"
		"      ! and 2 more: profile.notices in run.json\n",
	};
	struct fg_profile_info info = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(texts); i++) {
		FG_AUTO_BUF struct fg_buf out = {.max = 4096};
		struct fg_report_pen pen = {.width = 80, .out = &out};

		fg_report_notices(&pen, &info);
		fg_buf_add(&out, "", 1);
		assert_string_equal(out.data, texts[i]);
		fg_notices_add(&info.notices, "notice %zu", i);
		fg_notices_add(&info.notices, "notice %zu", i);
	}
}

static void test_when_classes_are_told(void **state)
{
	static const struct {
		bool labels;
		const char *problem;
		uint64_t attributed, all;
		bool told;
	} cases[] = {
		{true, "", 0, 0, false},   {true, "", 0, 10, false}, {true, "", 1, 1, true},
		{true, "", 5, 10, true},   {true, "", 4, 10, false}, {true, "off", 10, 10, false},
		{false, "", 10, 10, true}, /* of an older bundle, or of another producer */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile_info info = {.labels = cases[i].labels};

		(void)snprintf(info.labels_problem, sizeof(info.labels_problem), "%s",
			       cases[i].problem);
		assert_int_equal(fg_report_tells_classes(&info, cases[i].attributed, cases[i].all),
				 cases[i].told);
	}
}

/* -- slow requests ------------------------------------------------------------------------------
 */

static void add(struct fg_profile *profile, const char *name, const char *latency, uint32_t second,
		uint64_t count)
{
	struct fg_psample sample = {
		.stack = fg_sample_stack(profile, FG_STACK_COMPLETE,
					 (const char *const[]){name, "main", NULL}),
		.phase = fg_sample_string(profile, "measure"),
		.latency = fg_sample_string(profile, latency),
		.second = second,
		.count = count,
	};

	assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
}

static void check_slow(struct fg_profile *profile, const struct fg_profile_info *info,
		       const char *text)
{
	FG_AUTO_BUF struct fg_buf out = {.max = 1 << 16};
	const struct fg_report_style style = {.width = 200};
	struct fg_report_pen pen = fg_report_pen_of(&style, &out);
	struct fg_cost *all = NULL;
	struct fg_err err = {0};

	assert_ok(fg_report_cost(profile, &all, &err), &err);
	assert_ok(fg_report_slow(&pen, info, profile, all, &err), &err);
	fg_buf_add(&out, "", 1);
	assert_string_equal(out.data, text);
	fg_cost_free(all);
	fg_profile_free(profile);
}

static struct fg_profile *new_profile(void)
{
	struct fg_profile *profile = NULL;

	assert_int_equal(fg_profile_new(&profile, NULL), 0);
	return profile;
}

static const struct fg_profile_info known = {
	.labels = true,
	.samples = 100,
	.attributed = 100,
	.slow = {.requests = 50, .quantile = 95, .above_ns = 31000000},
};

static void test_slow_functions(void **state)
{
	struct fg_profile *profile = new_profile();

	(void)state;
	add(profile, "json_escape", "", 0, 60);
	add(profile, "render", "", 0, 840);
	add(profile, "json_escape", "slow", 0, 54);
	add(profile, "render", "slow", 0, 46);
	check_slow(
		profile, &known,
		"      slow requests (above p95 = 31.0 ms): 54 % of their CPU in json_escape (11 % "
		"of all); 100 samples\n");
}

/* Too few samples, no difference, one that is not sure, nothing known. */
static void test_slow_restraint(void **state)
{
	struct fg_profile *profile = new_profile();
	struct fg_profile_info info = known;

	(void)state;
	add(profile, "a", "", 0, 900);
	add(profile, "b", "slow", 0, 49);
	check_slow(
		profile, &info,
		"      slow requests (above p95 = 31.0 ms): 49 samples are too few to tell where "
		"their CPU goes\n");
	profile = new_profile();
	info.slow.above_ns = 0; /* several classes */
	add(profile, "a", "", 0, 500);
	add(profile, "b", "", 0, 500);
	add(profile, "a", "slow", 0, 44);
	add(profile, "b", "slow", 0, 56);
	check_slow(
		profile, &info,
		"      slow requests (above the p95 of their class): their CPU goes where that of "
		"all goes; 100 samples\n");
	profile = new_profile();
	info.slow.requests = 0;
	add(profile, "a", "slow", 0, 500);
	check_slow(profile, &info, "");
	profile = new_profile();
	info.slow.requests = 5;
	info.attributed = 10; /* of 100 */
	add(profile, "a", "slow", 0, 500);
	check_slow(profile, &info, "");
}

static void test_slow_seconds(void **state)
{
	struct fg_profile *profile = new_profile();
	struct fg_profile_info info = known;

	(void)state;
	info.slow.seconds[0] = 7;
	info.slow.second_count = 1;
	add(profile, "work", "", 3, 900);
	add(profile, "collect_garbage", "", 7, 80);
	add(profile, "work", "slow", 7, 20);
	check_slow(
		profile, &info,
		"      slow requests (above p95 = 31.0 ms): 20 samples are too few to tell where "
		"their CPU goes\n"
		"      slow seconds (1 with most of those): 80 % of their CPU in collect_garbage "
		"(8 % of all); 100 samples\n");
}

/* The name of the table and of the samples: unique, however often a name is used. */
static void test_class_texts(void **state)
{
	static const struct {
		uint32_t scenario;
		const char *name, *group, *text;
	} cases[] = {
		{0, "GET /", "", "GET / (a)"},
		{1, "GET /", "", "GET / (b)"},
		{0, "GET /", "::login", "::login::GET /"},
		{1, "POST /", "", "POST /"},
	};
	struct fg_registry registry;
	struct fg_err err = {0};
	char a[] = "a", b[] = "b", executor[] = "constant-vus";

	(void)state;
	fg_registry_init(&registry);
	for (size_t i = 0; i < 2; i++) {
		const struct fg_scenario_def def = {.name = i ? b : a, .executor = executor};

		assert_true(fg_registry_add_scenario(&registry, &def, &err) >= 0);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char name[16], group[16];
		const struct fg_class def = {
			.scenario = cases[i].scenario, .name = name, .group = group};

		(void)snprintf(name, sizeof(name), "%s", cases[i].name);
		(void)snprintf(group, sizeof(group), "%s", cases[i].group);
		assert_int_equal(fg_registry_add_class(&registry, &def, &err), i);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		FG_AUTO_BUF struct fg_buf text = {.max = 256};

		fg_registry_class_text(&registry, i, &text);
		assert_string_equal(text.data, cases[i].text);
	}
	fg_registry_done(&registry);
}

static void test_numbers_are_not_torn(void **state)
{
	static const struct {
		const char *text, *wrapped;
	} rows[] = {
		{"abcdef 12 345", "abcdef\n12 345"},
		{"abcdef 1 234 567 x", "abcdef\n1 234 567\nx"},
		{"abcdefg 45 %, x", "abcdefg\n45 %, x"},
		{"abcdefg 45 µs", "abcdefg\n45 µs"},
		{"abcdefg 4 of 5", "abcdefg 4\nof 5"},
		{"abcdefgh 4 ms.", "abcdefgh\n4 ms."},
		{"abcdefgh 4 1234", "abcdefgh 4\n1234"},
		{"a 12345678 234", "a\n12345678 234"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++) {
		FG_AUTO_BUF struct fg_buf out = {.max = 4096};

		fg_text_wrap(rows[i].text, 0, 0, 10, &out);
		assert_string_equal(out.data, rows[i].wrapped);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_not_torn),
		cmocka_unit_test(test_attribution),
		cmocka_unit_test(test_notices),
		cmocka_unit_test(test_when_classes_are_told),
		cmocka_unit_test(test_slow_functions),
		cmocka_unit_test(test_slow_restraint),
		cmocka_unit_test(test_slow_seconds),
		cmocka_unit_test(test_class_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
