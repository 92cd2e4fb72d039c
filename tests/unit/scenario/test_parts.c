/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario in several files: include, data, secrets and where relative paths start. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "tests/unit/scenario/helper.h"

static char dir[] = "/tmp/fg-parts-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};

	assert_ok(fg_file_path(path, &err, "%s/%s", dir, name), &err);
	assert_ok(fg_file_write(path, text, strlen(text), &err), &err);
}

static int make_files(void **state)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_ok(fg_file_path(path, &err, "%s/flows/deep", dir), &err);
	assert_ok(fg_file_mkdirs(path, &err), &err);
	put("flows/login.yaml",
	    "include: [deep/base.yaml, ../shared.yaml]\nversion: 1\nname: shop\n"
	    "flows: { login: { steps: [{ post: { url: /login, bodyFile: body.txt } }] } }\n"
	    "thresholds: { checks: [\"rate>0.5\"] }\n"
	    "setup: { steps: [{ get: /first }] }\n");
	put("flows/body.txt", "from flows");
	put("flows/deep/base.yaml",
	    "vars: { lang: en }\ndata: { users: { path: ../../users.csv } }\n"
	    "http: { headers: { A: one }, tls: { ca: ca.pem } }\n");
	put("shared.yaml",
	    "http: { headers: { B: two } }\nthresholds: { http_reqs: [\"count>1\"] }\n");
	put("users.csv", "name,first-name\nann,Ann\n");
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	return fg_file_remove_tree(dir, NULL);
}

static struct fg_scenario_file *load(const char *text)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};

	assert_ok(fg_file_path(path, &err, "%s/s.yaml", dir), &err);
	return helper_parse_at(text, path);
}

static char *path_of(const char *name)
{
	static char path[FG_PATH_MAX];
	struct fg_err err = {0};

	assert_ok(fg_file_path(path, &err, "%s/%s", dir, name), &err);
	return path;
}

static void test_include(void **state)
{
	struct fg_scenario_file *file =
		load("include: [flows/login.yaml, \"${NONE:-shared.yaml}\"]\n" HEAD
		     "http: { headers: { C: \"{{ lang }}\" } }\n"
		     "setup: { steps: [{ get: /second }] }\n"
		     "thresholds: { checks: [\"rate>0.9\"] }\n" MAIN "      - run: login\n"
		     "      - get: \"/{{ data.users.name }}/{{ data.users.first-name }}\"\n");
	const struct fg_step *steps = file->scenarios[0].steps.items;
	const struct fg_step_http *login = &file->flows[steps[0].run.flow].steps.items[0].http;
	char *body = helper_render(&login->body);

	(void)state;
	assert_string_equal(file->name, "shop");
	assert_string_equal(body, "from flows");
	assert_string_equal(steps[0].place.file, path_of("s.yaml"));
	assert_string_equal(file->flows[steps[0].run.flow].steps.items[0].place.file,
			    path_of("flows/login.yaml"));
	/* Lists append, what is included first. */
	assert_int_equal(file->threshold_count, 3);
	assert_int_equal(file->setup.steps.count, 2);
	assert_string_equal(file->setup.steps.items[0].http.name, "GET /first");
	assert_int_equal(file->http.header_count, 3);
	assert_string_equal(file->http.ca_file, path_of("flows/deep/ca.pem"));
	assert_int_equal(file->data_count, 1);
	assert_int_equal(file->data[0].order, FG_DATA_SEQUENCE);
	assert_int_equal(file->data[0].row_count, 1);
	assert_null(strstr(file->resolved_json, "include"));
	free(body);
	fg_scenario_file_free(file);
}

/* How it is cut into files does not make it another scenario. */
static void test_hash(void **state)
{
	struct fg_scenario_file *parts =
		load("include: [shared.yaml]\n" HEAD "http: { headers: { A: one } }\n" MAIN GET);
	struct fg_scenario_file *whole =
		load(HEAD "http: { headers: { A: one, B: two } }\n" MAIN GET);

	(void)state;
	assert_string_equal(parts->hash, whole->hash);
	fg_scenario_file_free(parts);
	fg_scenario_file_free(whole);
}

/* Every key that changes what is measured changes the hash. */
static void test_hash_covers(void **state)
{
	static const char *const texts[] = {
		HEAD MAIN GET,
		HEAD "setup: { steps: [{ get: / }] }\n" MAIN GET,
		HEAD "teardown: { steps: [{ get: / }] }\n" MAIN GET,
		HEAD "data: { users: { path: users.csv } }\n" MAIN GET,
		HEAD "data: { users: { path: users.csv, order: random } }\n" MAIN GET,
		HEAD "http: { auth: { basic: { user: a } } }\n" MAIN GET,
		HEAD "http: { proxy: \"http://p\" }\n" MAIN GET,
		HEAD "http: { version: h2c }\n" MAIN GET,
		HEAD MAIN "      - loop: { count: 2, steps: [{ get: / }] }\n",
		HEAD MAIN "      - loop: { count: 3, steps: [{ get: / }] }\n",
		HEAD MAIN "      - get: { url: /, capture: { a: { json: $.a } } }\n",
		HEAD MAIN
		"      - get: { url: /, capture: { a: { json: $.a, optional: true } } }\n",
		HEAD MAIN "      - get: { url: /, checks: [{ json: $.a }] }\n",
		HEAD "flows: { f: { steps: [{ get: / }] } }\n" MAIN "      - run: f\n",
	};
	char hashes[FG_ARRAY_LEN(texts)][33];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(texts); i++) {
		struct fg_scenario_file *file = load(texts[i]);

		memcpy(hashes[i], file->hash, sizeof(hashes[i]));
		fg_scenario_file_free(file);
		for (size_t j = 0; j < i; j++)
			if (strcmp(hashes[i], hashes[j]) == 0)
				fail_msg("%s\nand\n%s", texts[i], texts[j]);
	}
}

/* Neither secrets nor passwords that stand in the file are stored. */
static void test_passwords_are_hidden(void **state)
{
	struct fg_scenario_file *file = load(
		HEAD "secrets: { t: { env: TOKEN } }\n"
		     "http: { auth: { digest: { user: ann, password: pass-word-1 } } }\n"
		     "publish: [{ type: prometheus, url: \"http://p\", username: u, password: "
		     "pass-word-2 }]\n"
		     "scenarios:\n  a:\n    executor: constant-vus\n    duration: 1s\n"
		     "    env: { KEY: \"${TOKEN}\" }\n    steps:\n"
		     "      - get: { url: \"/${TOKEN}\", name: \"n ${TOKEN}\", auth: { bearer: "
		     "pass-word-3 }, checks: [{ body: \"${TOKEN}\" }, { json: $.a, name: \"c "
		     "${TOKEN}\" }] }\n"
		     "      - get: { url: \"/{{ env.KEY }}\", auth: { bearer: \"{{ secrets.t }}\" "
		     "} }\n"
		     "      - group: { name: \"g ${TOKEN}\", steps: [{ get: / }] }\n");
	const struct fg_step *steps = file->scenarios[0].steps.items;
	char *url = helper_render(&steps[1].http.url);

	(void)state;
	assert_null(strstr(file->resolved_json, "s3cret"));
	assert_null(strstr(file->resolved_json, "pass-word"));
	assert_non_null(strstr(file->resolved_json, "{{ secrets.t }}"));
	assert_string_equal(url, "/s3cret");
	assert_string_equal(steps[0].http.checks[0].name, "body is ***");
	assert_string_equal(steps[0].http.checks[1].name, "c ***");
	assert_string_equal(steps[2].group.name, "g ***");
	assert_string_equal(file->prometheus[0].password, "pass-word-2");
	free(url);
	fg_scenario_file_free(file);
}

static void test_prometheus(void **state)
{
	struct fg_scenario_file *file = load(
		HEAD "publish:\n"
		     "  - { type: prometheus, url: \"http://p\", trendStats: [p(95), min], "
		     "testid: \"t-{{ run.id }}\", headers: { X: \"${TOKEN}\" }, labels: { a: b "
		     "}, staleMarkers: true }\n"
		     "  - { type: prometheus, url: \"http://q\" }\n" MAIN GET);
	const struct fg_publish_prometheus *p = file->prometheus;
	char *testid = helper_render(&p[0].testid);

	(void)state;
	assert_int_equal(file->prometheus_count, 2);
	assert_int_equal(file->publish_count, 0);
	assert_int_equal(p[0].trend_stat_count, 2);
	assert_string_equal(p[0].trend_stats[1], "min");
	assert_string_equal(testid, "t-run1");
	assert_string_equal(p[0].headers[0].name, "X");
	assert_true(p[0].stale_markers);
	assert_int_equal(p[1].trend_stat_count, 0);
	assert_int_equal(p[1].push_interval_ns, 5 * FG_NS_PER_S);
	assert_int_equal(p[1].testid.part_count, 0);
	free(testid);
	fg_scenario_file_free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_include),     cmocka_unit_test(test_hash),
		cmocka_unit_test(test_hash_covers), cmocka_unit_test(test_passwords_are_hidden),
		cmocka_unit_test(test_prometheus),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
