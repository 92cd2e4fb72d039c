/* SPDX-License-Identifier: Apache-2.0 */
/* The step language: what valid steps become. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/scenario/helper.h"

#define CHECK(checks) HEAD MAIN "      - get: { url: /, checks: [" checks "] }\n"

static const struct fg_step *steps_of(const struct fg_scenario_file *file)
{
	return file->scenarios[0].steps.items;
}

/* The value of a template for VU 3, with slot i holding 10 + i, as JSON. */
static char *value_json(const struct fg_template *text)
{
	struct fg_slot slots[16];
	struct fg_arena arena;
	struct fg_value value = {0};
	struct fg_err err = {0};
	struct fg_buf out;
	const struct fg_expr_env env = {.slots = slots, .vu = 3, .arena = &arena};

	fg_arena_init(&arena, 1 << 20);
	fg_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(slots); i++) {
		const struct fg_value number = {.kind = FG_VALUE_NUMBER, .number = 10 + (double)i};

		fg_slot_init(&slots[i]);
		assert_ok(fg_slot_set(&slots[i], &number, &err), &err);
	}
	assert_ok(fg_template_value(text, &env, &value, &err), &err);
	fg_value_print_json(&value, &out);
	for (size_t i = 0; i < FG_ARRAY_LEN(slots); i++)
		fg_slot_done(&slots[i]);
	fg_arena_done(&arena);
	return fg_buf_take(&out, NULL);
}

static void assert_value(const struct fg_template *text, const char *json)
{
	char *found = value_json(text);

	assert_string_equal(found, json);
	free(found);
}

/* -- checks and expectations ---------------------------------------------------------------- */

static void test_checks(void **state)
{
	static const struct {
		const char *check;
		const char *name;
		enum fg_from from;
		enum fg_test test;
		const char *key, *operand;
	} cases[] = {
		{"{ status: 200 }", "status is 200", FG_FROM_STATUS, FG_TEST_STATUS, NULL, NULL},
		{"{ status: 2xx, name: fine }", "fine", FG_FROM_STATUS, FG_TEST_STATUS, NULL, NULL},
		{"{ json: $.price, exists: true }", "json $.price exists", FG_FROM_JSON,
		 FG_TEST_EXISTS, NULL, NULL},
		{"{ json: $.price }", "json $.price exists", FG_FROM_JSON, FG_TEST_EXISTS, NULL,
		 NULL},
		{"{ json: $.price, equals: 5 }", "json $.price is 5", FG_FROM_JSON, FG_TEST_EQUALS,
		 NULL, "5"},
		{"{ json: $.price, equals: \"5\" }", "json $.price is 5", FG_FROM_JSON,
		 FG_TEST_EQUALS, NULL, "\"5\""},
		{"{ json: { $.ok: true } }", "json $.ok is true", FG_FROM_JSON, FG_TEST_EQUALS,
		 NULL, "true"},
		{"{ json: { $.a: null } }", "json $.a is null", FG_FROM_JSON, FG_TEST_EQUALS, NULL,
		 "null"},
		{"{ json: $.n, lt: 5 }", "json $.n < 5", FG_FROM_JSON, FG_TEST_LT, NULL, "5"},
		{"{ json: $.n, gte: -1.5 }", "json $.n >= -1.5", FG_FROM_JSON, FG_TEST_GE, NULL,
		 "-1.5"},
		{"{ json: $.n, lte: \"{{ vu }}\" }", "json $.n <= {{ vu }}", FG_FROM_JSON,
		 FG_TEST_LE, NULL, "3"},
		{"{ json: { $.n: { notEquals: x } } }", "json $.n is not x", FG_FROM_JSON,
		 FG_TEST_NE, NULL, "\"x\""},
		{"{ header: Content-Type, matches: json }", "header Content-Type matches json",
		 FG_FROM_HEADER, FG_TEST_MATCHES, "Content-Type", NULL},
		{"{ header: { Content-Type: { matches: ^app } } }",
		 "header Content-Type matches ^app", FG_FROM_HEADER, FG_TEST_MATCHES,
		 "Content-Type", NULL},
		{"{ header: { A: b } }", "header A is b", FG_FROM_HEADER, FG_TEST_EQUALS, "A",
		 "\"b\""},
		{"{ header: A, exists: false }", "header A is missing", FG_FROM_HEADER,
		 FG_TEST_EXISTS, "A", NULL},
		{"{ cookie: sid, gt: 1 }", "cookie sid > 1", FG_FROM_COOKIE, FG_TEST_GT, "sid",
		 "1"},
		{"{ body: { contains: x } }", "body contains x", FG_FROM_BODY, FG_TEST_CONTAINS,
		 NULL, "\"x\""},
		{"{ body: true, contains: x }", "body contains x", FG_FROM_BODY, FG_TEST_CONTAINS,
		 NULL, "\"x\""},
		{"{ contains: \"vu {{ vu }}\" }", "body contains vu {{ vu }}", FG_FROM_BODY,
		 FG_TEST_CONTAINS, NULL, "\"vu 3\""},
		{"{ body: ok }", "body is ok", FG_FROM_BODY, FG_TEST_EQUALS, NULL, "\"ok\""},
		{"{ regex: \"id=(\\\\d+)\" }", "regex id=(\\d+) exists", FG_FROM_REGEX,
		 FG_TEST_EXISTS, NULL, NULL},
		{"{ regex: \"(a)(?<n>b)\", group: n, equals: b }", "regex (a)(?<n>b) is b",
		 FG_FROM_REGEX, FG_TEST_EQUALS, NULL, "\"b\""},
		{"{ duration: \"<500ms\" }", "duration <500ms", FG_FROM_DURATION, FG_TEST_LT, NULL,
		 NULL},
		{"{ size: \">= 10KB\", name: big }", "big", FG_FROM_SIZE, FG_TEST_GE, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text),
			       HEAD MAIN "      - get:\n          url: /\n"
					 "          checks:\n            - %s\n",
			       cases[i].check);
		struct fg_scenario_file *file = helper_parse(text);
		const struct fg_step_http *http = &steps_of(file)[0].http;
		const struct fg_condition *condition = &http->checks[0].condition;

		assert_int_equal(http->check_count, 1);
		assert_string_equal(http->checks[0].name, cases[i].name);
		assert_int_equal(condition->from, cases[i].from);
		assert_int_equal(condition->test, cases[i].test);
		if (cases[i].key)
			assert_string_equal(condition->key, cases[i].key);
		if (cases[i].operand)
			assert_value(&condition->operand, cases[i].operand);
		fg_scenario_file_free(file);
	}
}

static void test_limits(void **state)
{
	struct fg_scenario_file *file = helper_parse(CHECK(
		"{ duration: \"<1.5s\" }, { size: \"== 10KB\" }, { json: $.a, exists: false }, "
		"{ regex: \"(a)(b)\", group: 2 }, { status: 200-204 }"));
	const struct fg_check_spec *checks = steps_of(file)[0].http.checks;

	(void)state;
	assert_int_equal(checks[0].condition.limit, 1500 * FG_NS_PER_MS);
	assert_int_equal(checks[1].condition.limit, 10000);
	assert_int_equal(checks[1].condition.test, FG_TEST_EQUALS);
	assert_false(checks[2].condition.expected_exists);
	assert_int_equal(checks[3].condition.group, 2);
	assert_int_equal(checks[4].condition.status_low, 200);
	assert_int_equal(checks[4].condition.status_high, 204);
	assert_true(steps_of(file)[0].http.wants_body);
	fg_scenario_file_free(file);
}

static void test_expect(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD MAIN
		"      - get: { url: /, expect: { status: 200, json: { $.token: { matches: \"^ey\" "
		"}, "
		"$.n: { gt: 1, lt: 5 } }, header: { A: b }, body: { contains: x }, duration: "
		"\"<1s\", size: \">0B\", cookie: sid } }\n"
		"      - get: { url: /, expect: { status: 2xx } }\n");
	const struct fg_step_http *http = &steps_of(file)[0].http;

	(void)state;
	assert_int_equal(http->expect_count, 9);
	assert_true(http->wants_body);
	assert_int_equal(http->expects[0].test, FG_TEST_STATUS);
	assert_string_equal(http->expects[0].text, "status is 200");
	assert_false(steps_of(file)[1].http.wants_body);
	fg_scenario_file_free(file);
}

/* -- captures ------------------------------------------------------------------------------- */

static void test_captures(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD MAIN
		"      - get: { url: /, capture: { a: { json: $.a }, b: { json: \"$.list[*].id\", "
		"optional: true }, c: { regex: \"x(.)\", default: none }, d: { regex: x }, e: { "
		"header: ETag }, f: { cookie: sid }, g: { status: true }, h: { body: true }, i: { "
		"json: \"$..token\", default: 5 } } }\n"
		"      - get: \"/{{ a }}\"\n");
	const struct fg_capture *c = steps_of(file)[0].http.captures;

	(void)state;
	assert_int_equal(steps_of(file)[0].http.capture_count, 9);
	assert_int_equal(file->slot_count, 9);
	assert_string_equal(c[0].name, "a");
	assert_string_equal(file->slot_names[c[0].slot], "a");
	assert_int_equal(c[0].from, FG_FROM_JSON);
	assert_false(c[0].all || c[0].optional || c[0].has_default);
	assert_true(c[1].all && c[1].optional);
	assert_int_equal(c[2].group, 1);
	assert_true(c[2].has_default);
	assert_value(&c[2].standard, "\"none\"");
	assert_int_equal(c[3].group, 0);
	assert_string_equal(c[4].key, "ETag");
	assert_int_equal(c[5].from, FG_FROM_COOKIE);
	assert_int_equal(c[6].from, FG_FROM_STATUS);
	assert_int_equal(c[7].from, FG_FROM_BODY);
	assert_false(c[8].all);
	assert_value(&c[8].standard, "5");
	assert_int_equal(steps_of(file)[1].http.url.parts[1].kind, FG_PART_EXPR);
	assert_false(fg_template_is_constant(&steps_of(file)[1].http.url));
	assert_value(&steps_of(file)[1].http.url, "\"/10\"");
	fg_scenario_file_free(file);
}

/* -- flows ---------------------------------------------------------------------------------- */

static void test_flows(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"flows:\n"
		"  login:\n"
		"    params: { user: demo, role: 7, deep: [1, a], must: }\n"
		"    steps:\n"
		"      - post: { url: \"/{{ user }}\", capture: { token: { json: $.t } } }\n"
		"      - run: note\n"
		"  note: { steps: [{ log: \"{{ scenario.name }} {{ env.WHO }} {{ token }}\" }] }\n"
		"scenarios:\n"
		"  a: { executor: per-vu-iterations, env: { WHO: ann }, init: [{ run: login, with: "
		"{ "
		"must: 1 } }], steps: [{ get: \"/{{ token }}\" }] }\n"
		"  b: { executor: shared-iterations, env: { WHO: bob }, steps: [{ with: { user: "
		"\"{{ vu }}\", must: \"{{ vu }}\" }, run: login }] }\n");
	const struct fg_step_run *run = &file->scenarios[0].init.items[0].run;
	const struct fg_step_run *other = &file->scenarios[1].steps.items[0].run;

	(void)state;
	/* Each scenario has its own: names mean what they mean there. */
	assert_int_equal(file->flow_count, 4);
	assert_int_not_equal(run->flow, other->flow);
	assert_string_equal(file->flows[run->flow].name, "login");
	assert_int_equal(run->argument_count, 4);
	assert_value(&run->arguments[0].value, "\"demo\"");
	assert_value(&run->arguments[1].value, "7");
	assert_value(&run->arguments[2].value, "[1,\"a\"]");
	assert_value(&run->arguments[3].value, "1");
	assert_value(&other->arguments[0].value, "3");
	assert_string_equal(file->slot_names[run->arguments[0].slot], "login.user");
	const struct fg_flow *login = &file->flows[run->flow];
	const struct fg_flow *note = &file->flows[login->steps.items[1].run.flow];

	assert_value(&note->steps.items[0].text.text, "\"a ann 14\"");
	login = &file->flows[other->flow];
	note = &file->flows[login->steps.items[1].run.flow];
	assert_value(&note->steps.items[0].text.text, "\"b bob 14\"");
	fg_scenario_file_free(file);
}

struct walked {
	struct fg_buf text;
};

static int note_visit(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	struct walked *walked = context;

	(void)err;
	fg_buf_addf(&walked->text, "%d%s/%u/%u ", (int)visit->step->kind, visit->group,
		    visit->depth, visit->parallel_max);
	return 0;
}

static int stop_visit(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	(void)context;
	return visit->step->kind == FG_STEP_LOG ? fg_err_set(err, FG_E_INVALID, "stop") : 0;
}

static void test_walk(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"flows: { f: { steps: [{ group: { name: in, steps: [{ get: /f }] } }] } }\n" MAIN
		"      - group: { name: out, steps: [{ run: f }, { loop: { count: 2, steps: [{ "
		"get: / }] } }] }\n"
		"      - if: { when: true, then: [{ log: a }], else: [{ fail: b }] }\n"
		"      - choose: [{ steps: [{ get: /a }] }, { weight: 3, steps: [{ think: 1s }] "
		"}]\n"
		"      - parallel: [{ get: /a }, { get: /b }]\n");
	struct walked walked;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&walked.text, 1 << 16);
	assert_ok(fg_steps_walk(file, &file->scenarios[0].steps, note_visit, &walked, &err), &err);
	assert_string_equal(walked.text.data,
			    "2/0/1 2::out/2/1 0::out::in/3/1 3::out/1/1 0::out/2/1 4/0/1 8/1/1 "
			    "9/1/1 5/0/1 0/1/1 1/1/1 6/0/1 0/1/2 0/1/2 ");
	assert_int_equal(fg_steps_walk(file, &file->scenarios[0].steps, stop_visit, NULL, &err),
			 -FG_E_INVALID);
	assert_int_equal(file->scenarios[0].steps.items[2].choose.weight_sum, 4);
	fg_buf_done(&walked.text);
	fg_scenario_file_free(file);
}

static void test_containers(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"vars: { n: 3 }\n" MAIN
		"      - loop: { count: \"{{ n }}\", as: i, steps: [{ get: \"/{{ i }}\" }] }\n"
		"      - loop: { over: [1, \"{{ vu }}\", { a: b }], steps: [{ get: / }] }\n"
		"      - loop: { while: \"{{ i < 3 }}\", steps: [{ get: / }] }\n"
		"      - metric: { name: cart, type: trend, value: \"{{ vu * 2 }}\", time: true "
		"}\n"
		"      - metric: { name: ok, type: rate, value: true }\n"
		"      - log: \"hello {{ vu }}\"\n"
		"      - loop: { over: \"{{ ['x', vu] }}\", steps: [{ get: / }] }\n"
		"      - loop: { count: \"${NONE:-2}\", steps: [{ get: / }] }\n"
		"      - if: { when: \"${NONE:-false}\", then: [{ get: / }] }\n");
	const struct fg_step *s = steps_of(file);

	(void)state;
	assert_int_equal(s[0].loop.kind, FG_LOOP_COUNT);
	assert_true(s[0].loop.has_variable);
	assert_value(&s[0].loop.operand, "3");
	assert_int_equal(s[1].loop.kind, FG_LOOP_OVER);
	assert_false(s[1].loop.has_variable);
	assert_value(&s[1].loop.operand, "[1,3,{\"a\":\"b\"}]");
	assert_int_equal(s[2].loop.kind, FG_LOOP_WHILE);
	assert_value(&s[2].loop.operand, "false");
	assert_int_equal(s[3].metric.type, FG_METRIC_TREND);
	assert_true(s[3].metric.is_time);
	assert_value(&s[3].metric.value, "6");
	assert_value(&s[4].metric.value, "true");
	assert_value(&s[5].text.text, "\"hello 3\"");
	assert_value(&s[6].loop.operand, "[\"x\",3]");
	assert_value(&s[7].loop.operand, "2");
	assert_value(&s[8].condition.when, "false");
	fg_scenario_file_free(file);
}

/* -- setup, teardown ------------------------------------------------------------------------ */

static void test_blocks(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"setup: { timeout: 5s, steps: [{ run: make, with: { n: 1 } }, { get: \"/{{ id }}\" "
		"}] }\n"
		"teardown: { steps: [{ delete: \"/{{ setup.id }}\" }] }\n"
		"flows: { make: { params: { n: }, steps: [{ post: { url: /, capture: { id: { json: "
		"$.id } } } }, { loop: { count: 1, as: i, steps: [{ log: x }] } }] } }\n" MAIN
		"      - get: \"/{{ setup.id }}/{{ run.id }}/{{ target.port }}\"\n");
	const struct fg_template *url = &steps_of(file)[0].http.url;

	(void)state;
	assert_true(file->setup.present && file->teardown.present);
	assert_int_equal(file->setup.timeout_ns, 5 * FG_NS_PER_S);
	assert_int_equal(file->teardown.timeout_ns, 60 * FG_NS_PER_S);
	assert_int_equal(file->setup.steps.count, 2);
	assert_int_equal(file->global_count, 1);
	assert_string_equal(file->globals[0].name, "id");
	assert_string_equal(file->slot_names[file->globals[0].slot], "id");
	assert_int_equal(url->part_count, 6);
	fg_scenario_file_free(file);
	file = helper_parse(HEAD MAIN GET);
	assert_false(file->setup.present || file->teardown.present);
	assert_int_equal(file->setup.timeout_ns, 60 * FG_NS_PER_S);
	fg_scenario_file_free(file);
}

/* -- requests ------------------------------------------------------------------------------- */

static const char *header_of(const struct fg_step_http *http, const char *name, char **ret)
{
	for (size_t i = 0; i < http->header_count; i++)
		if (strcmp(http->headers[i].name, name) == 0)
			return *ret = helper_render(&http->headers[i].value);
	return *ret = NULL;
}

static void test_auth(void **state)
{
	static const struct {
		const char *auth;
		const char *header;
	} cases[] = {
		{"auth: { basic: { user: ann, password: secret } }", "Basic YW5uOnNlY3JldA=="},
		{"auth: { basic: { user: ann } }", "Basic YW5uOg=="},
		{"auth: { basic: { user: \"{{ vu }}\", password: \"a\\\"b{{ secrets.t }}\" } }",
		 "Basic MzphImJzM2NyZXQ="},
		{"auth: { bearer: \"{{ secrets.t }}\" }", "Bearer s3cret"},
		{"auth: { bearer: \"x{{ vu }}\" }", "Bearer x3"},
		{"headers: { X: y }", "Bearer file"},
		{"auth: { digest: { user: \"{{ vu }}\", password: p } }", NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[512];
		char *header = NULL;

		(void)snprintf(text, sizeof(text),
			       HEAD "secrets: { t: { env: TOKEN } }\n"
				    "http: { auth: { bearer: file } }\n" MAIN
				    "      - get: { url: /, %s }\n",
			       cases[i].auth);
		struct fg_scenario_file *file = helper_parse(text);
		const struct fg_step_http *http = &steps_of(file)[0].http;

		(void)header_of(http, "Authorization", &header);
		if (cases[i].header)
			assert_string_equal(header, cases[i].header);
		else
			assert_null(header);
		assert_int_equal(http->http.auth.kind,
				 cases[i].header ? FG_AUTH_NONE : FG_AUTH_DIGEST);
		assert_int_equal(http->http.header_count, 0);
		assert_null(strstr(file->resolved_json, "s3cret"));
		free(header);
		fg_scenario_file_free(file);
	}
}

static void test_http_options(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"http: { version: h2c, proxy: \"socks5://p:1080\", unixSocket: run/s, resolve: { "
		"\"a:443\": \"127.0.0.1:8443\" }, tls: { min: 1.3, serverName: x }, auth: { sigv4: "
		"{ accessKey: a, secretKey: b, region: r, service: s } } }\n" MAIN GET
		"      - get: { url: /, proxy: \"\", tls: { min: \"1.0\" } }\n");
	const struct fg_http_options *http = &steps_of(file)[0].http.http;
	const struct fg_http_options *other = &steps_of(file)[1].http.http;

	(void)state;
	assert_int_equal(http->version, FG_HTTP_H2C);
	assert_string_equal(http->proxy, "socks5://p:1080");
	assert_string_equal(http->unix_socket, "dir/run/s");
	assert_string_equal(fg_tags_get(&http->resolve, "a:443"), "127.0.0.1:8443");
	assert_int_equal(http->tls_min, FG_TLS_1_3);
	assert_string_equal(http->server_name, "x");
	assert_int_equal(http->auth.kind, FG_AUTH_SIGV4);
	assert_string_equal(http->auth.sigv4_service, "s");
	assert_value(&http->auth.password, "\"b\"");
	assert_null(other->proxy);
	assert_int_equal(other->tls_min, FG_TLS_1_0);
	assert_string_equal(other->server_name, "x");
	fg_scenario_file_free(file);
}

static void test_multipart(void **state)
{
	struct fg_scenario_file *file = helper_parse_at(
		HEAD MAIN "      - post: { url: /, multipart: { \"f\\\"\": { path: a.bin, type: "
			  "text/x }, g: \"v {{ vu }}\", h: { value: w } } }\n",
		FG_TEST_DATA "/t.yaml");
	const struct fg_step_http *http = &steps_of(file)[0].http;
	char *body = helper_render(&http->body);
	char *type = NULL;

	(void)state;
	assert_string_equal(
		body,
		"--flamegate-5b1f0c7d3e9a4826\r\nContent-Disposition: form-data; name=\"f%22\"; "
		"filename=\"a.bin\"\r\nContent-Type: text/x\r\n\r\nbytes\r\n"
		"--flamegate-5b1f0c7d3e9a4826\r\nContent-Disposition: form-data; name=\"g\"\r\n\r\n"
		"v 3\r\n"
		"--flamegate-5b1f0c7d3e9a4826\r\nContent-Disposition: form-data; name=\"h\"\r\n\r\n"
		"w\r\n--flamegate-5b1f0c7d3e9a4826--\r\n");
	assert_string_equal(header_of(http, "Content-Type", &type),
			    "multipart/form-data; boundary=flamegate-5b1f0c7d3e9a4826");
	free(body);
	free(type);
	fg_scenario_file_free(file);
}

static void test_types_survive(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"vars: { n: 1.50, t: \"1.50\" }\n" MAIN
		"      - get: { url: /, capture: { a: { json: $.a } } }\n"
		"      - post: { url: \"/{{ n }}\", json: { a: \"{{ a }}\", b: \"x{{ a }}\", n: "
		"\"{{ n }}\", t: \"{{ t }}\", sum: \"{{ a + 1 }}\", text: \"{{ 'q' + '\\\"' }}\" "
		"} }\n"
		"      - post: { url: /, form: { a: \"{{ '&' + a }}\" } }\n");
	const struct fg_step *s = steps_of(file);

	(void)state;
	assert_value(&s[1].http.url, "\"/1.50\"");
	assert_value(&s[1].http.body,
		     "\"{\\\"a\\\":10,\\\"b\\\":\\\"x10\\\",\\\"n\\\":1.50,\\\"t\\\":\\\"1.50\\\","
		     "\\\"sum\\\":11,\\\"text\\\":\\\"q\\\\\\\"\\\"}\"");
	assert_value(&s[2].http.body, "\"a=%2610\"");
	fg_scenario_file_free(file);
}

/* A line break from the outside must not become a header. */
static void test_injection(void **state)
{
	struct fg_scenario_file *file =
		helper_parse(HEAD MAIN "      - get: { url: \"/{{ a }}\", headers: { X: \"{{ a "
				       "}}\" }, capture: { a: { body: "
				       "true } } }\n");
	const struct fg_step_http *http = &steps_of(file)[0].http;
	const struct fg_value evil = {.kind = FG_VALUE_TEXT, .text = "x\r\ny", .len = 4};
	struct fg_slot slot;
	struct fg_arena arena;
	struct fg_err err = {0};
	struct fg_buf out;
	const struct fg_expr_env env = {.slots = &slot, .arena = &arena};

	(void)state;
	fg_slot_init(&slot);
	fg_arena_init(&arena, 1 << 16);
	fg_buf_init(&out, 1 << 16);
	assert_ok(fg_slot_set(&slot, &evil, &err), &err);
	assert_int_equal(fg_template_expand(&http->url, &env, &out, &err), -FG_E_INVALID);
	assert_int_equal(fg_template_expand(&http->headers[0].value, &env, &out, &err),
			 -FG_E_INVALID);
	fg_buf_done(&out);
	fg_slot_done(&slot);
	fg_arena_done(&arena);
	fg_scenario_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checks),     cmocka_unit_test(test_limits),
		cmocka_unit_test(test_expect),     cmocka_unit_test(test_captures),
		cmocka_unit_test(test_flows),      cmocka_unit_test(test_walk),
		cmocka_unit_test(test_containers), cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_auth),       cmocka_unit_test(test_http_options),
		cmocka_unit_test(test_multipart),  cmocka_unit_test(test_types_survive),
		cmocka_unit_test(test_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
