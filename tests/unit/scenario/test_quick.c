/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios from the command line, registration, and the texts of target:. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/scenario/helper.h"

#define URL "http://127.0.0.1:8080/x?a=b$HOME"

static void test_quick(void **state)
{
	static const struct {
		struct fg_quick_options options;
		enum fg_executor executor;
		uint64_t vus, rate, duration_ns, pre_allocated_vus;
	} cases[] = {
		{{.url = URL}, FG_EXEC_CONSTANT_VUS, 1, 0, 10 * FG_NS_PER_S, 0},
		{{.url = URL, .vus = 50}, FG_EXEC_CONSTANT_VUS, 50, 0, 10 * FG_NS_PER_S, 0},
		{{.url = URL, .vus = 5, .duration_ns = 1500000000},
		 FG_EXEC_CONSTANT_VUS,
		 5,
		 0,
		 1500000000,
		 0},
		{{.url = URL, .rate = 500, .duration_ns = FG_NS_PER_S},
		 FG_EXEC_CONSTANT_ARRIVAL_RATE,
		 1,
		 500,
		 FG_NS_PER_S,
		 50},
		{{.url = URL, .rate = 20},
		 FG_EXEC_CONSTANT_ARRIVAL_RATE,
		 1,
		 20,
		 10 * FG_NS_PER_S,
		 10},
		{{.url = URL, .rate = 20, .vus = 3},
		 FG_EXEC_CONSTANT_ARRIVAL_RATE,
		 1,
		 20,
		 10 * FG_NS_PER_S,
		 3},
		{{.url = URL, .stages = "30s:50,1m:100"},
		 FG_EXEC_RAMPING_VUS,
		 1,
		 0,
		 90 * FG_NS_PER_S,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario_file *file = NULL;
		struct fg_err err = {0};

		assert_ok(fg_scenario_quick(&cases[i].options, &file, &err), &err);
		const struct fg_scenario *s = &file->scenarios[0];

		assert_null(file->path);
		assert_int_equal(s->executor, cases[i].executor);
		assert_int_equal(s->vus, cases[i].vus);
		assert_int_equal(s->rate, cases[i].rate);
		assert_int_equal(s->duration_ns, cases[i].duration_ns);
		assert_int_equal(s->pre_allocated_vus, cases[i].pre_allocated_vus);
		assert_int_equal(s->max_vus, cases[i].options.vus ? s->pre_allocated_vus
								  : 10 * s->pre_allocated_vus);
		char *url = helper_render(&s->steps.items[0].http.url);

		assert_string_equal(url, "/x?a=b$HOME");
		assert_string_equal(s->steps.items[0].http.name, "GET /x");
		assert_string_equal(file->target.url, "http://127.0.0.1:8080");
		free(url);
		fg_scenario_file_free(file);
	}
}

static void test_quick_faults(void **state)
{
	static const struct {
		struct fg_quick_options options;
		int rc;
		const char *message;
	} cases[] = {
		{{.url = NULL}, -FG_E_USAGE, "a URL is missing"},
		{{.url = ""}, -FG_E_USAGE, "a URL is missing"},
		{{.url = "localhost:80"}, -FG_E_USAGE, "is not a URL"},
		{{.url = "http://"}, -FG_E_USAGE, "names no host"},
		{{.url = "http://a/b c"}, -FG_E_USAGE, "cannot hold spaces"},
		{{.url = "http://a b/"}, -FG_E_USAGE, "characters that no URL has"},
		{{.url = "http://a\"\n\\/"}, -FG_E_USAGE, "characters that no URL has"},
		{{.url = URL, .stages = "30s:50", .rate = 5}, -FG_E_USAGE, "-s cannot be combined"},
		{{.url = URL, .stages = "30s"}, -FG_E_USAGE, "is not DURATION:VUS"},
		{{.url = URL, .stages = "30:5"}, -FG_E_USAGE, "is not DURATION:VUS"},
		{{.url = URL, .stages = "30s:5,"}, -FG_E_USAGE, "is not DURATION:VUS"},
		{{.url = URL, .stages = "0s:5"}, -FG_E_USAGE, "all stages together last 0s"},
		{{.url = URL, .iterations = 5, .rate = 5}, -FG_E_USAGE, "-i cannot be combined"},
		{{.url = URL, .iterations = 5, .vus = 6}, -FG_E_USAGE, "-i is below -u"},
		{{.url = URL, .iterations = 5, .stages = "1s:1"},
		 -FG_E_USAGE,
		 "-s cannot be combined"},
		{{.url = URL, .duration_ns = 5}, -FG_E_USAGE, "-d must be at least 1s"},
		{{.url = URL, .vus = 1000001}, -FG_E_USAGE, "vus must be at most"},
		{{.url = URL, .rate = 100000001}, -FG_E_USAGE, "rate must be at most"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario_file *file = NULL;
		struct fg_err err = {0};
		int rc = fg_scenario_quick(&cases[i].options, &file, &err);

		if (rc != cases[i].rc || !strstr(err.message, cases[i].message))
			fail_msg("case %zu: %d %s", i, rc, err.message);
		assert_null(file);
	}
}

static void test_quick_iterations(void **state)
{
	static const struct {
		struct fg_quick_options options;
		uint64_t vus, iterations, max_duration_ns;
	} cases[] = {
		{{.url = URL, .iterations = 100, .vus = 4}, 4, 100, 600 * FG_NS_PER_S},
		{{.url = URL, .iterations = 7}, 1, 7, 600 * FG_NS_PER_S},
		{{.url = URL, .iterations = 7, .vus = 7, .duration_ns = 2 * FG_NS_PER_S},
		 7,
		 7,
		 2 * FG_NS_PER_S},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario_file *file = NULL;
		struct fg_err err = {0};

		assert_ok(fg_scenario_quick(&cases[i].options, &file, &err), &err);
		assert_int_equal(file->scenarios[0].executor, FG_EXEC_SHARED_ITERATIONS);
		assert_int_equal(file->scenarios[0].vus, cases[i].vus);
		assert_int_equal(file->scenarios[0].iterations, cases[i].iterations);
		assert_int_equal(file->scenarios[0].max_duration_ns, cases[i].max_duration_ns);
		fg_scenario_file_free(file);
	}
}

static void test_quick_tags(void **state)
{
	struct fg_tags tags = {0};
	struct fg_err err = {0};
	struct fg_quick_options options = {.url = URL, .tags = &tags};
	struct fg_scenario_file *file = NULL;

	(void)state;
	assert_ok(fg_tags_add(&tags, "team: \"a\"", "x, y: [", &err), &err);
	assert_ok(fg_scenario_quick(&options, &file, &err), &err);
	assert_string_equal(fg_tags_get(&file->scenarios[0].tags, "team: \"a\""), "x, y: [");
	fg_scenario_file_free(file);
	fg_tags_done(&tags);
}

static void test_register(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"scenarios:\n"
		"  a: { executor: constant-arrival-rate, rate: 200, duration: 1m, "
		"preAllocatedVUs: 50, maxVUs: 200, tags: { x: 1 }, steps: [{ get: { url: /, "
		"tags: { y: 2 }, checks: [{ status: 200 }] } }, { think: 1s }, { group: { name: "
		"g, steps: [{ get: / }] } }, { get: / }] }\n"
		"  b: { executor: ramping-vus, stages: [{ duration: 90s, target: 9 }], steps: [{ "
		"post: /p }] }\n");
	struct fg_registry registry;
	struct fg_err err = {0};

	(void)state;
	fg_registry_init(&registry);
	assert_ok(fg_scenario_register(file, "curl", &registry, &err), &err);
	assert_int_equal(registry.scenario_count, 2);
	assert_string_equal(registry.scenarios[0].description, "200/s for 1m, 50–200 VUs");
	assert_true(registry.scenarios[0].target_rate_per_s == 200.0);
	assert_string_equal(registry.scenarios[1].description, "up to 9 VUs in 1 stage, 1m30s");
	/* The second GET / of the scenario shares the first one's class; the grouped one does not.
	 */
	assert_int_equal(registry.class_count, 3);
	assert_string_equal(registry.classes[0].name, "GET /");
	assert_string_equal(fg_tags_get(&registry.classes[0].tags, "x"), "1");
	assert_string_equal(fg_tags_get(&registry.classes[0].tags, "y"), "2");
	assert_string_equal(registry.classes[1].group, "::g");
	assert_int_equal(registry.classes[2].scenario, 1);
	assert_string_equal(registry.classes[2].method, "POST");
	assert_string_equal(registry.classes[2].engine, "curl");
	assert_int_equal(registry.check_count, 1);
	assert_string_equal(registry.checks[0].name, "status is 200");
	fg_registry_done(&registry);
	fg_scenario_file_free(file);
}

static void test_target_expand(void **state)
{
	static const struct {
		const char *text;
		uint16_t port;
		const char *expanded; /* NULL: an error */
	} cases[] = {
		{"http://h:{{ target.port }}/", 81, "http://h:81/"},
		{"{{target.port}}{{ target.side }}", 1, "1base"},
		{"{{ target.dir }}/x", 0, "/d/x"},
		{"plain", 0, "plain"},
		{"", 0, ""},
		{"{{ target.port }}", 0, NULL},
		{"{{ target.prt }}", 1, NULL},
		{"{{ target.port", 1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf out;
		struct fg_err err = {0};

		fg_buf_init(&out, 1000);
		int rc = fg_target_expand(cases[i].text, cases[i].port, "base", "/d", &out, &err);

		if (cases[i].expanded) {
			assert_ok(rc, &err);
			assert_string_equal(out.data ? out.data : "", cases[i].expanded);
		} else {
			assert_int_equal(rc, -FG_E_INVALID);
		}
		fg_buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_quick_faults),
		cmocka_unit_test(test_quick_iterations),
		cmocka_unit_test(test_quick_tags),
		cmocka_unit_test(test_register),
		cmocka_unit_test(test_target_expand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
