/* SPDX-License-Identifier: Apache-2.0 */
/* Which engine a scenario gets, and what is said when the named one cannot run it. */
#include "tests/kit/kit.h"

#include <string.h>

#include "runner/load/select.h"
#include "tests/unit/load/load_kit.h"

struct need {
	const char *name, *url;
	enum fg_http_version version;
	const char *proxy;
	enum fg_auth_kind auth;
	const char *unix_socket, *target;
	bool native; /* can run it */
};

static const struct need needs[] = {
	{.name = "plain", .url = "http://h.test/", .native = true},
	{.name = "relative", .url = "/x", .target = "http://h.test", .native = true},
	{.name = "HTTP/1.1", .url = "http://h.test/", .version = FG_HTTP_1_1, .native = true},
	{.name = "https, HTTP/1.1",
	 .url = "https://h.test/",
	 .version = FG_HTTP_1_1,
	 .native = true},
	{.name = "unix", .url = "http://h.test/", .unix_socket = "/run/x", .native = true},
	{.name = "no proxy", .url = "http://h.test/", .proxy = "", .native = true},
	/* only curl */
	{.name = "https", .url = "https://h.test/"},
	{.name = "relative to https", .url = "/x", .target = "https://h.test"},
	{.name = "HTTP/2", .url = "http://h.test/", .version = FG_HTTP_2},
	{.name = "h2c", .url = "http://h.test/", .version = FG_HTTP_H2C},
	{.name = "proxy", .url = "http://h.test/", .proxy = "http://p.test:1"},
	{.name = "digest", .url = "http://h.test/", .auth = FG_AUTH_DIGEST},
	{.name = "SigV4", .url = "http://h.test/", .auth = FG_AUTH_SIGV4},
};

static char *text(const char *from)
{
	union {
		const char *in;
		char *out;
	} cast = {.in = from};

	return cast.out;
}

static void apply(struct fg_step_http *http, const struct need *need)
{
	http->http.version = need->version;
	http->http.proxy = text(need->proxy);
	http->http.unix_socket = text(need->unix_socket);
	http->http.auth.kind = need->auth;
}

static void test_what_each_engine_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(needs); i++) {
		const struct need *need = &needs[i];
		const struct fg_engine_ops *ops = NULL;
		struct load_file lf;
		struct fg_err err;
		int rc;

		load_file_init(&lf);
		load_file_vus(&lf, 1, 1);
		load_file_request(&lf, "GET", "http://h.test/before");
		apply(load_file_request(&lf, "GET", need->url), need);
		lf.scenarios[0].steps.items[1].place =
			(struct fg_place){.file = "x.yaml", .line = 7, .column = 9};
		assert_ok(fg_engine_select_all(&lf.file, NULL, need->target, &ops, &err), &err);
		if ((ops == &fg_engine_native) != need->native)
			fail_msg("%s: %s", need->name, ops->name);
		assert_ok(fg_engine_select_all(&lf.file, "auto", need->target, &ops, &err), &err);
		assert_ptr_equal(ops, need->native ? &fg_engine_native : &fg_engine_curl);
		assert_ok(fg_engine_select_all(&lf.file, "curl", need->target, &ops, &err), &err);
		assert_ptr_equal(ops, &fg_engine_curl);
		assert_ok(fg_engine_select_all(&lf.file, "null", need->target, &ops, &err), &err);
		assert_ptr_equal(ops, &fg_engine_null);
		fg_err_clear(&err);
		rc = fg_engine_select_all(&lf.file, "native", need->target, &ops, &err);
		if (need->native) {
			assert_ok(rc, &err);
			assert_ptr_equal(ops, &fg_engine_native);
			continue;
		}
		assert_int_equal(rc, -FG_E_UNSUPPORTED);
		assert_ptr_equal(ops, &fg_engine_null); /* untouched */
		assert_string_equal(err.file, "x.yaml");
		assert_int_equal(err.line, 7);
		assert_int_equal(err.column, 9);
		assert_non_null(strstr(err.message, "scenario s0: "));
		assert_non_null(strstr(err.message, "the native engine cannot run "));
		assert_non_null(strstr(err.message, need->url));
	}
}

/* One for each scenario; the classes say which. */
static void test_each_scenario_its_own(void **state)
{
	const struct fg_engine_ops *ops[2] = {NULL, NULL};
	struct fg_registry registry;
	struct load_file lf;
	struct fg_err err;

	(void)state;
	load_file_init(&lf);
	load_file_vus(&lf, 1, 1);
	load_file_request(&lf, "GET", "http://h.test/one");
	load_file_vus(&lf, 1, 1);
	load_file_request(&lf, "GET", "http://h.test/two");
	load_file_request(&lf, "GET", "https://h.test/three");
	assert_ok(fg_engine_select_all(&lf.file, NULL, NULL, ops, &err), &err);
	assert_ptr_equal(ops[0], &fg_engine_native);
	assert_ptr_equal(ops[1], &fg_engine_curl);
	fg_registry_init(&registry);
	assert_ok(fg_scenario_register(&lf.file, "", &registry, &err), &err);
	assert_ok(fg_engine_note(ops, &registry, &err), &err);
	assert_int_equal(registry.class_count, 3);
	assert_string_equal(registry.classes[0].engine, "native");
	assert_string_equal(registry.classes[0].clock, fg_engine_native.clock());
	for (size_t i = 1; i < 3; i++) {
		assert_string_equal(registry.classes[i].engine, "curl");
		assert_string_equal(registry.classes[i].clock, "user");
	}
	fg_registry_done(&registry);
}

/* A step of init, or deep in a flow, decides as well. */
static void test_init_and_flows_count(void **state)
{
	for (int in_init = 0; in_init < 2; in_init++) {
		const struct fg_engine_ops *ops = NULL;
		struct fg_step *group, *run, step = {.kind = FG_STEP_HTTP}, inner[2];
		struct fg_flow flow = {.name = text("flow")};
		struct load_file lf;
		struct fg_err err;

		(void)state;
		load_file_init(&lf);
		load_file_vus(&lf, 1, 1);
		load_file_request(&lf, "GET", "http://h.test/");
		step.http.method = text("GET");
		step.http.name = text("deep");
		load_template(&lf, &step.http.url, "https://h.test/");
		flow.steps = (struct fg_steps){.items = &step, .count = 1, .capacity = 1};
		lf.file.flows = &flow;
		lf.file.flow_count = 1;
		run = &inner[0];
		group = &inner[1];
		*run = (struct fg_step){.kind = FG_STEP_RUN};
		*group = (struct fg_step){.kind = FG_STEP_GROUP};
		group->group.name = text("g");
		group->group.steps = (struct fg_steps){.items = run, .count = 1, .capacity = 1};
		if (in_init)
			lf.scenarios[0].init =
				(struct fg_steps){.items = group, .count = 1, .capacity = 1};
		else
			lf.scenarios[0].steps =
				(struct fg_steps){.items = group, .count = 1, .capacity = 1};
		assert_ok(fg_engine_select_all(&lf.file, NULL, NULL, &ops, &err), &err);
		assert_ptr_equal(ops, &fg_engine_curl);
		assert_int_equal(fg_engine_select_all(&lf.file, "native", NULL, &ops, &err),
				 -FG_E_UNSUPPORTED);
		assert_non_null(strstr(err.message, "\"deep\""));
		assert_ok(fg_engine_select(&lf.file, &flow.steps, NULL, NULL, &ops, &err), &err);
		assert_ptr_equal(ops, &fg_engine_curl);
	}
}

static void test_names(void **state)
{
	static const char *const known[] = {NULL, "auto", "native", "curl", "null"};
	static const char *const unknown[] = {"", "Curl", "k6", "auto "};
	struct fg_err err;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(known); i++)
		assert_ok(fg_engine_check_name(known[i], &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(unknown); i++) {
		assert_int_equal(fg_engine_check_name(unknown[i], &err), -FG_E_USAGE);
		assert_non_null(strstr(err.message, "auto, native, curl and null"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_each_engine_can),
		cmocka_unit_test(test_each_scenario_its_own),
		cmocka_unit_test(test_init_and_flows_count),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
