/* SPDX-License-Identifier: Apache-2.0 */
/* What a valid file becomes: values, defaults, templates, bodies, names, masks. */
#include "tests/kit/kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "tests/unit/scenario/helper.h"

static const struct fg_step_http *step_of(const struct fg_scenario_file *file, size_t index)
{
	assert_true(file->scenario_count == 1 && file->scenarios[0].steps.count > index);
	assert_int_equal(file->scenarios[0].steps.items[index].kind, FG_STEP_HTTP);
	return &file->scenarios[0].steps.items[index].http;
}

static void test_defaults(void **state)
{
	struct fg_scenario_file *file = helper_parse(HEAD MAIN GET);
	const struct fg_scenario *s = &file->scenarios[0];
	const struct fg_step_http *http = step_of(file, 0);

	(void)state;
	assert_string_equal(file->name, "t");
	assert_string_equal(file->dir, "dir");
	assert_int_equal(s->vus, 1);
	assert_int_equal(s->duration_ns, FG_NS_PER_S);
	assert_int_equal(s->graceful_stop_ns, 30 * FG_NS_PER_S);
	assert_int_equal(s->graceful_ramp_down_ns, 30 * FG_NS_PER_S);
	assert_int_equal(s->max_duration_ns, 600 * FG_NS_PER_S);
	assert_int_equal(s->time_unit_ns, FG_NS_PER_S);
	assert_int_equal(s->start_time_ns, 0);
	assert_int_equal(s->no_vu, FG_NO_VU_WAIT);
	assert_int_equal(s->arrivals, FG_ARRIVALS_JITTERED);
	assert_int_equal(s->place.line, 4);
	assert_int_equal(http->http.timeout_ns, 60 * FG_NS_PER_S);
	assert_int_equal(http->http.connect_timeout_ns, 10 * FG_NS_PER_S);
	assert_int_equal(http->http.max_redirects, 10);
	assert_int_equal(http->http.connection, FG_CONNECTION_VU);
	assert_false(http->has_body);
	assert_string_equal(http->method, "GET");
	assert_string_equal(file->loadgen_cpus, "auto");
	assert_int_equal(file->profile_frequency_hz, 499);
	assert_int_equal(file->profile_enabled, FG_PROFILE_AUTO);
	assert_int_equal(file->gate.on_missing_baseline, FG_LEVEL_WARN);
	assert_int_equal(file->gate.on_invalid, FG_LEVEL_ERROR);
	assert_false(file->gate.strict);
	assert_null(file->target.command);
	assert_int_equal(strlen(file->hash), 32);
	fg_scenario_file_free(file);
}

static void test_profile_types(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD "profile: { types: [cpu, offcpu, wall, pagefaults, cpu] }\n" MAIN GET);

	(void)state;
	assert_int_equal(file->profile_types, 1u << FG_PROFILE_CPU | 1u << FG_PROFILE_OFFCPU |
						      1u << FG_PROFILE_WALL |
						      1u << FG_PROFILE_FAULTS);
	fg_scenario_file_free(file);
	file = helper_parse(HEAD "profile: { types: [pagefaults] }\n" MAIN GET);
	assert_int_equal(file->profile_types, 1u << FG_PROFILE_FAULTS);
	fg_scenario_file_free(file);
	file = helper_parse(HEAD MAIN GET);
	assert_int_equal(file->profile_types, 0);
	fg_scenario_file_free(file);
}

static void test_executors(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"scenarios:\n"
		"  rate: { executor: constant-arrival-rate, rate: 30, timeUnit: 1m, duration: "
		"1m30s, preAllocatedVUs: 5, arrivals: uniform, noVU: drop, pacing: timer, "
		"warmup: 5s, startTime: 2s, gracefulStop: 0s, tags: { a: b }, steps: [{ get: / "
		"}] }\n"
		"  ramp: { executor: ramping-vus, startVUs: 0, stages: [{ duration: 0s, target: "
		"5 }, { duration: 10s, target: 0 }], gracefulRampDown: 1s, steps: [{ get: / }] "
		"}\n");
	const struct fg_scenario *rate = &file->scenarios[0];
	const struct fg_scenario *ramp = &file->scenarios[1];

	(void)state;
	assert_int_equal(rate->executor, FG_EXEC_CONSTANT_ARRIVAL_RATE);
	assert_int_equal(rate->rate, 30);
	assert_int_equal(rate->time_unit_ns, 60 * FG_NS_PER_S);
	assert_int_equal(rate->duration_ns, 90 * FG_NS_PER_S);
	assert_int_equal(rate->max_vus, 5);
	assert_int_equal(rate->arrivals, FG_ARRIVALS_UNIFORM);
	assert_int_equal(rate->no_vu, FG_NO_VU_DROP);
	assert_int_equal(rate->pacing, FG_PACING_TIMER);
	assert_int_equal(rate->warmup_ns, 5 * FG_NS_PER_S);
	assert_int_equal(rate->start_time_ns, 2 * FG_NS_PER_S);
	assert_int_equal(rate->graceful_stop_ns, 0);
	assert_string_equal(fg_tags_get(&rate->tags, "a"), "b");
	assert_int_equal(ramp->executor, FG_EXEC_RAMPING_VUS);
	assert_int_equal(ramp->start_vus, 0);
	assert_int_equal(ramp->stage_count, 2);
	assert_int_equal(ramp->stages[0].duration_ns, 0);
	assert_int_equal(ramp->stages[0].target, 5);
	assert_int_equal(ramp->duration_ns, 10 * FG_NS_PER_S);
	fg_scenario_file_free(file);
}

static void test_names(void **state)
{
	static const struct {
		const char *step;
		const char *name;
	} cases[] = {
		{"get: /", "GET /"},
		{"get: /items", "GET /items"},
		{"get: \"/items?page=2\"", "GET /items"},
		{"get: \"/a#b\"", "GET /a"},
		{"get: \"/u/{{ vu }}/x\"", "GET /u/:vu/x"},
		{"get: \"/u/{{vu}}-{{ iteration }}\"", "GET /u/:vu-:iteration"},
		{"get: \"/{{ lang }}\"", "GET /:lang"},
		{"get: \"http://h:1/p?q\"", "GET /p"},
		{"get: \"http://h\"", "GET /"},
		{"get: \"?a=b\"", "GET /"},
		{"delete: { url: /x, name: drop }", "drop"},
		{"get: { url: /x, name: \"in {{ lang }}\" }", "in en"},
		{"request: { method: purge, url: /x }", "PURGE /x"},
		{"get: { url: /x, query: { a: b } }", "GET /x"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text), HEAD "vars: { lang: en }\n" MAIN "      - %s\n",
			       cases[i].step);
		struct fg_scenario_file *file = helper_parse(text);

		assert_string_equal(step_of(file, 0)->name, cases[i].name);
		fg_scenario_file_free(file);
	}
}

/* What is sent, for VU 3 in its iteration 4, the scenario's 5th. */
static void test_bodies(void **state)
{
	static const struct {
		const char *step;
		const char *body;
		const char *type;
	} cases[] = {
		{"json: { a: 1, b: \"1\", c: 1.5, d: true, e: null, f: [x, -2, {}], g: \"\" }",
		 "{\"a\":1,\"b\":\"1\",\"c\":1.5,\"d\":true,\"e\":null,\"f\":[\"x\",-2,{}],"
		 "\"g\":\"\"}",
		 "application/json"},
		{"json: { a: 007, b: .5, c: 1., d: 0x10, e: 1e3, f: yes }",
		 "{\"a\":\"007\",\"b\":\".5\",\"c\":\"1.\",\"d\":\"0x10\",\"e\":1e3,\"f\":\"yes\"}",
		 "application/json"},
		{"json: { a: \"q\\\"\\\\\\n\\t\\x01é\" }", "{\"a\":\"q\\\"\\\\\\n\\t\\u0001é\"}",
		 "application/json"},
		{"json: { vu: \"{{ vu }}\", t: \"vu {{ vu }}\", n: \"{{ n }}\", s: \"{{ s }}\" }",
		 "{\"vu\":3,\"t\":\"vu 3\",\"n\":5,\"s\":\"5\"}", "application/json"},
		{"json: { q: \"{{ quote }}\" }", "{\"q\":\"\\\"\"}", "application/json"},
		{"json: [\"{{ iteration }}\", \"{{ scenarioIteration }}\"]", "[4,5]",
		 "application/json"},
		{"json: \"{{ secrets.t }}\"", "\"s3cret\"", "application/json"},
		{"form: { a: \"b c\", \"d&\": \"{{ vu }}/é\" }", "a=b%20c&d%26=3%2F%C3%A9",
		 "application/x-www-form-urlencoded"},
		{"body: \"x {{ vu }}\"", "x 3", NULL},
		{"body: \"\"", "", NULL},
		{"headers: { content-type: text/x }, json: 1", "1", "text/x"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[1024];
		const char *type = NULL;

		(void)snprintf(text, sizeof(text),
			       HEAD "vars: { n: 5, s: \"5\", quote: '\"' }\n"
				    "secrets: { t: { env: TOKEN } }\n" MAIN
				    "      - post: { url: /, %s }\n",
			       cases[i].step);
		struct fg_scenario_file *file = helper_parse(text);
		const struct fg_step_http *http = step_of(file, 0);
		char *body = helper_render(&http->body);

		assert_true(http->has_body);
		assert_string_equal(body ? body : "", cases[i].body);
		for (size_t j = 0; j < http->header_count; j++)
			if (strcasecmp(http->headers[j].name, "content-type") == 0)
				type = http->headers[j].value.source;
		if (cases[i].type)
			assert_string_equal(type, cases[i].type);
		else
			assert_null(type);
		free(body);
		fg_scenario_file_free(file);
	}
}

static void test_body_file(void **state)
{
	char dir[] = "/tmp/fg-scenario-XXXXXX";
	char path[FG_PATH_MAX];
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};
	static const char text[] = HEAD MAIN "      - put: { url: /, bodyFile: body.bin }\n";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_ok(fg_file_path(path, &err, "%s/body.bin", dir), &err);
	assert_ok(fg_file_write(path, "a\0{{ vu }}", 10, &err), &err);
	assert_ok(fg_file_path(path, &err, "%s/s.yaml", dir), &err);
	assert_ok(fg_file_write(path, text, strlen(text), &err), &err);
	assert_ok(fg_scenario_load(path, NULL, &file, &diagnostics, &err), &err);
	const struct fg_template *body = &step_of(file, 0)->body;

	/* Bytes as they are: no template, NUL kept. */
	assert_int_equal(body->part_count, 1);
	assert_int_equal(body->parts[0].len, 10);
	assert_memory_equal(body->parts[0].text, "a\0{{ vu }}", 10);
	fg_scenario_file_free(file);
	assert_ok(fg_file_remove_tree(dir, &err), &err);
}

static void test_urls(void **state)
{
	static const struct {
		const char *step;
		const char *url;
	} cases[] = {
		{"{ url: /a, query: { b: \"c d\" } }", "/a?b=c%20d"},
		{"{ url: \"/a?x=1\", query: { b: c } }", "/a?x=1&b=c"},
		{"{ url: \"/{{ vu }}\", query: { b: \"{{ iteration }}\", c: \"{{ n }}\" } }",
		 "/3?b=4&c=a%26b"},
		{"\"{{ base }}/x\"", "http://h/x"},
		{"\"${HOST:-x}/\"", NULL},
		{"\"/${HOST}/${NONE:-d}/${EMPTY:-e}/${EMPTY}/$$/$x\"", "/example.org/d/e//$/$x"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text),
			       HEAD "vars: { n: \"a&b\", base: \"http://h\" }\n" MAIN
				    "      - get: %s\n",
			       cases[i].step);
		if (!cases[i].url) {
			char *faults = helper_faults(text, strlen(text));

			assert_non_null(strstr(faults, "\"example.org/\" is neither"));
			free(faults);
			continue;
		}
		struct fg_scenario_file *file = helper_parse(text);
		char *url = helper_render(&step_of(file, 0)->url);

		assert_string_equal(url, cases[i].url);
		free(url);
		fg_scenario_file_free(file);
	}
}

static void test_headers_and_options(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"http: { headers: { A: one, B: two }, timeout: 5s, keepAlive: false, tls: { ca: "
		"ca.pem, insecureSkipVerify: true } }\n" MAIN
		"      - get: { url: /, headers: { b: \"vu {{ vu }}\", C: three }, timeout: 1s, "
		"version: \"1.1\", maxRedirects: 0, expect: { status: 2xx }, tags: { t: u }, "
		"checks: [{ status: 200 }, { name: ok, status: 200-204 }] }\n" GET);
	const struct fg_step_http *http = step_of(file, 0);

	(void)state;
	assert_int_equal(http->header_count, 3);
	assert_string_equal(http->headers[1].name, "b");
	char *value = helper_render(&http->headers[1].value);

	assert_string_equal(value, "vu 3");
	free(value);
	assert_int_equal(http->http.timeout_ns, FG_NS_PER_S);
	assert_int_equal(http->http.version, FG_HTTP_1_1);
	assert_int_equal(http->http.max_redirects, 0);
	assert_int_equal(http->http.connection, FG_CONNECTION_NONE);
	assert_string_equal(http->http.ca_file, "dir/ca.pem");
	assert_true(http->http.insecure_skip_verify);
	assert_int_equal(http->expect_count, 1);
	assert_int_equal(http->expects[0].status_low, 200);
	assert_int_equal(http->expects[0].status_high, 299);
	assert_int_equal(http->check_count, 2);
	assert_string_equal(http->checks[0].name, "status is 200");
	assert_string_equal(http->checks[1].name, "ok");
	assert_int_equal(http->checks[1].condition.status_high, 204);
	assert_int_equal(step_of(file, 1)->http.timeout_ns, 5 * FG_NS_PER_S);
	assert_int_equal(step_of(file, 1)->header_count, 2);
	fg_scenario_file_free(file);
}

static void test_groups_and_think(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD MAIN
		"      - group: { name: a, steps: [{ get: /1 }, { group: { name: \"b c\", "
		"steps: [{ get: /2 }] } }, { think: 1s }] }\n"
		"      - get: /3\n"
		"      - think: { min: 1s, max: 3s }\n"
		"      - think: { min: 1s, max: 3s, distribution: exponential }\n");
	const struct fg_step *steps = file->scenarios[0].steps.items;

	(void)state;
	assert_int_equal(file->scenarios[0].steps.count, 4);
	assert_int_equal(steps[0].kind, FG_STEP_GROUP);
	assert_string_equal(steps[0].group.name, "a");
	const struct fg_step *inner = steps[0].group.steps.items;

	assert_int_equal(steps[0].group.steps.count, 3);
	assert_int_equal(inner[0].kind, FG_STEP_HTTP);
	assert_int_equal(inner[1].kind, FG_STEP_GROUP);
	assert_string_equal(inner[1].group.name, "b c");
	assert_int_equal(inner[2].kind, FG_STEP_THINK);
	assert_int_equal(inner[2].think.distribution, FG_THINK_CONSTANT);
	assert_int_equal(inner[2].think.max_ns, FG_NS_PER_S);
	assert_int_equal(steps[2].think.distribution, FG_THINK_UNIFORM);
	assert_int_equal(steps[2].think.min_ns, FG_NS_PER_S);
	assert_int_equal(steps[3].think.distribution, FG_THINK_EXPONENTIAL);
	fg_scenario_file_free(file);
}

static void test_target(void **state)
{
	struct fg_scenario_file *file =
		helper_parse("version: 1\nvars: { bin: ./server }\ntarget:\n"
			     "  url: \"http://127.0.0.1:{{ target.port }}\"\n"
			     "  start:\n    command: [\"{{ bin }}\", --port, \"{{target.port}}\"]\n"
			     "    env: { A: \"{{ target.port }}\", B: 2 }\n    cpus: \"2-3\"\n"
			     "    ready: { url: /h, status: 204, timeout: 3s }\n"
			     "    stop: { signal: INT, timeout: 1s }\n" MAIN GET);
	const struct fg_target *target = &file->target;

	(void)state;
	assert_true(target->wants_port);
	assert_string_equal(target->command[0], "./server");
	assert_string_equal(target->command[2], "{{ target.port }}");
	assert_null(target->command[3]);
	assert_string_equal(fg_tags_get(&target->env, "A"), "{{ target.port }}");
	assert_string_equal(target->cpus, "2-3");
	assert_int_equal(target->ready, FG_READY_URL);
	assert_int_equal(target->ready_status, 204);
	assert_int_equal(target->ready_timeout_ns, 3 * FG_NS_PER_S);
	assert_int_equal(target->stop_signal, SIGINT);
	assert_int_equal(target->stop_timeout_ns, FG_NS_PER_S);
	fg_scenario_file_free(file);
	file = helper_parse("version: 1\ntarget: { url: \"http://a\", start: { command: \"exec x "
			    "--y\" } }\n" MAIN GET);
	assert_string_equal(file->target.command[0], "/bin/sh");
	assert_string_equal(file->target.command[2], "exec x --y");
	assert_int_equal(file->target.ready, FG_READY_TCP);
	assert_int_equal(file->target.stop_signal, SIGTERM);
	assert_int_equal(file->target.stop_timeout_ns, 10 * FG_NS_PER_S);
	assert_int_equal(file->target.ready_timeout_ns, 30 * FG_NS_PER_S);
	assert_false(file->target.wants_port);
	fg_scenario_file_free(file);
}

static void test_gate(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"gate:\n  profile: strict\n  level: warn\n  onMissingBaseline: error\n  rules:\n"
		"    - { metric: cpu_per_request, maxIncrease: 2%, minDelta: 20us }\n"
		"    - { metric: \"http_req_response_time{name:GET /}\", stat: p(95), "
		"maxIncrease: 5%, level: error }\n"
		"    - { function: \"json_*\", measure: self, maxIncrease: 10%, minShare: 0.5% "
		"}\n"
		"thresholds:\n  http_req_failed: \"rate<0.01\"\n"
		"  http_req_duration:\n    - \"p(95)<250\"\n"
		"    - { threshold: \"p(99)<1s\", abortOnFail: true, delayAbortEval: 10s, level: "
		"warn, minSamples: 100, allowNoData: true }\n"
		"baseline: { store: { type: dir, path: b } }\nreport: { junit: j.xml, markdown: "
		"auto }\n"
		"publish: [{ type: pyroscope, url: \"http://p\", required: true, labels: { a: b "
		"} }]\n" MAIN GET);
	const struct fg_threshold *t = &file->thresholds[2];
	const struct fg_rule *rules = file->gate.rules;

	(void)state;
	assert_true(file->gate.strict);
	assert_int_equal(file->gate.on_missing_baseline, FG_LEVEL_ERROR);
	assert_int_equal(file->gate.rule_count, 3);
	assert_int_equal(rules[0].kind, FG_RULE_CPU_PER_REQUEST);
	assert_int_equal(rules[0].level, FG_LEVEL_WARN);
	assert_true(rules[0].min_delta_ns == 20000.0);
	assert_true(rules[0].max_decrease < 0);
	assert_int_equal(rules[1].kind, FG_RULE_METRIC);
	assert_int_equal(rules[1].level, FG_LEVEL_ERROR);
	assert_string_equal(fg_tags_get(&rules[1].tags, "name"), "GET /");
	assert_true(rules[1].percentile == 95.0);
	assert_int_equal(rules[2].kind, FG_RULE_FUNCTION);
	assert_int_equal(rules[2].measure, FG_MEASURE_SELF);
	assert_int_equal(file->threshold_count, 3);
	assert_true(t->abort_on_fail && t->allow_no_data);
	assert_int_equal(t->delay_abort_eval_ns, 10 * FG_NS_PER_S);
	assert_int_equal(t->min_samples, 100);
	assert_int_equal(t->level, FG_LEVEL_WARN);
	assert_int_equal(t->line, 15);
	assert_string_equal(file->baseline_dir, "b");
	assert_string_equal(file->report_junit, "j.xml");
	assert_null(file->report_markdown);
	assert_int_equal(file->publish_count, 1);
	assert_true(file->publish[0].required);
	assert_string_equal(fg_tags_get(&file->publish[0].labels, "a"), "b");
	fg_scenario_file_free(file);
}

static void test_overrides(void **state)
{
	static const char text[] =
		HEAD "vars: { n: 1 }\nname: \"${HOST}\"\n"
		     "environments: { ci: { target: { url: \"http://ci\" }, http: "
		     "{ timeout: 1s } } }\n" MAIN "      - get: \"/{{ n }}\"\n";
	struct fg_tags env = {0};
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_tags_add(&env, "n", "2", &err), &err);
	assert_ok(fg_tags_add(&env, "HOST", "other", &err), &err);
	struct fg_scenario_file *file = helper_parse_with(text, &env, "ci");
	char *url = helper_render(&step_of(file, 0)->url);

	assert_string_equal(url, "/2");
	assert_string_equal(file->name, "other");
	assert_string_equal(file->target.url, "http://ci");
	assert_int_equal(file->http.timeout_ns, FG_NS_PER_S);
	free(url);
	fg_scenario_file_free(file);
	file = helper_parse_with(text, NULL, NULL);
	assert_string_equal(file->target.url, "http://127.0.0.1:1");
	fg_scenario_file_free(file);
	fg_tags_done(&env);
}

static void test_resolved(void **state)
{
	static const char one[] = HEAD
		"secrets: { t: { env: TOKEN }, u: { env: NONE, optional: true } }\n" MAIN
		"      - get: { url: /, headers: { A: \"x {{ secrets.t }}\", B: \"y ${TOKEN}\" } "
		"}\n";
	static const char moved[] =
		"version: 1\ntarget: { url: \"http://elsewhere\" }\n"
		"secrets: { t: { env: TOKEN }, u: { env: NONE, optional: true } }\n"
		"thresholds: { http_req_failed: \"rate<1\" }\n" MAIN
		"      - get: { url: /, headers: { A: \"x {{ secrets.t }}\", B: \"y ${TOKEN}\" } "
		"}\n";
	static const char other[] = HEAD MAIN "      - get: /other\n";
	struct fg_scenario_file *a = helper_parse(one);
	struct fg_scenario_file *b = helper_parse(moved);
	struct fg_scenario_file *c = helper_parse(other);

	(void)state;
	assert_null(strstr(a->resolved_json, "s3cret"));
	assert_non_null(strstr(a->resolved_json, "\"B\":\"y ***\""));
	assert_non_null(strstr(a->resolved_json, "\"gracefulStop\":\"30s\""));
	assert_null(strstr(a->resolved_json, "preAllocatedVUs"));
	assert_string_equal(a->hash, b->hash);
	assert_string_not_equal(a->hash, c->hash);
	assert_string_equal(fg_tags_get(&a->secrets, "u"), "");
	fg_scenario_file_free(a);
	fg_scenario_file_free(b);
	fg_scenario_file_free(c);
}

/* Names, tags and the class's URL go into every result: no secret in them. */
static void test_masks(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD "secrets: { t: { env: TOKEN } }\n" MAIN
		     "      - get: { url: \"/${TOKEN}/x\", tags: { a: \"is {{ secrets.t }}\" } }\n"
		     "      - get: { url: /, name: \"n {{ secrets.t }}\" }\n");
	const struct fg_step_http *http = step_of(file, 0);
	char *url = helper_render(&http->url);
	struct fg_registry registry;
	struct fg_err err = {0};

	(void)state;
	fg_registry_init(&registry);
	assert_ok(fg_scenario_register(file, "curl", &registry, &err), &err);
	assert_string_equal(url, "/s3cret/x");
	assert_string_equal(http->name, "GET /***/x");
	assert_string_equal(fg_tags_get(&http->tags, "a"), "is ***");
	assert_string_equal(step_of(file, 1)->name, "n ***");
	assert_string_equal(registry.classes[0].url, "/***/x");
	free(url);
	fg_registry_done(&registry);
	fg_scenario_file_free(file);
}

static void test_aliases(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD "scenarios:\n  a: &s { executor: constant-vus, duration: 1s, steps: "
		     "[{ get: \"/${PORT}$$\" }] }\n  b: *s\n");
	char *url = helper_render(&file->scenarios[1].steps.items[0].http.url);

	(void)state;
	/* A shared node is expanded once: $$ stays one dollar. */
	assert_string_equal(url, "/8080$");
	assert_string_equal(file->scenarios[1].name, "b");
	free(url);
	fg_scenario_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_profile_types),
		cmocka_unit_test(test_executors),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_body_file),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_headers_and_options),
		cmocka_unit_test(test_groups_and_think),
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
