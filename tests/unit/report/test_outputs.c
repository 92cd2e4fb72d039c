/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine-readable outputs: names, tags and values as k6 has them (its own files beside ours
 * were the model), sums that agree with the totals, escaping, and writers that fail.
 */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/format/md5.h"
#include "gate/judge/threshold.h"
#include "gate/report/exposition.h"
#include "gate/report/k6_summary.h"
#include "gate/report/raw.h"
#include "tests/unit/judge/sample_run.h"

/* -- material -----------------------------------------------------------------------------------
 */

static int add_custom(struct fg_registry *registry, const char *name, enum fg_metric_type type,
		      bool is_time, const char *group)
{
	char *name_copy = strdup(name), *group_copy = strdup(group);
	const struct fg_custom def = {
		.name = name_copy, .type = type, .is_time = is_time, .group = group_copy};
	int index = fg_registry_add_custom(registry, &def, NULL);

	assert_true(index >= 0);
	free(name_copy);
	free(group_copy);
	return index;
}

/* Two seconds: one class with two statuses, a check, a group, one custom metric of each type. */
static struct fg_result *material(void)
{
	struct fg_registry registry = sample_registry();
	char path[] = "::auth";
	const struct fg_group group = {.scenario = 0, .path = path};
	struct fg_err err = {0};
	struct fg_result *result;

	add_custom(&registry, "orders", FG_METRIC_COUNTER, false, "");
	add_custom(&registry, "depth", FG_METRIC_GAUGE, false, "");
	add_custom(&registry, "cached", FG_METRIC_RATE, false, "");
	add_custom(&registry, "price", FG_METRIC_TREND, false, "");
	add_custom(&registry, "render", FG_METRIC_TREND, true, "::auth");
	assert_int_equal(fg_registry_add_group(&registry, &group, &err), 0);
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	for (uint32_t second = 0; second < 2; second++) {
		struct fg_request_record missing = {.class_index = SAMPLE_ITEMS, .status = 404};
		struct fg_slice *slice;

		assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
		slice->second = second;
		sample_requests(slice, SAMPLE_ITEMS, 2000000, 10);
		missing.error = FG_NET_HTTP_STATUS;
		assert_int_equal(fg_slice_request(slice, &missing), 0);
		missing.status = 500;
		assert_int_equal(fg_slice_request(slice, &missing), 0);
		slice->checks[1].passes = 3;
		slice->checks[1].fails = 1;
		slice->scenarios[0].iterations = 12;
		slice->scenarios[0].vus = slice->scenarios[0].vus_max = 5;
		assert_int_equal(fg_slice_custom(slice, 0, 2.5), 0);
		assert_int_equal(fg_slice_custom(slice, 1, 7 - second), 0);
		assert_int_equal(fg_slice_custom(slice, 2, second), 0);
		assert_int_equal(fg_slice_custom(slice, 3, 19.99), 0);
		assert_int_equal(fg_slice_custom(slice, 4, 5.5), 0);
		assert_int_equal(fg_hist_record(&slice->groups[0], 9000000), 0);
		assert_ok(fg_result_add_slice(result, slice, &err), &err);
		fg_slice_free(slice);
	}
	fg_registry_done(&registry);
	result->started_unix_ns = 1795250000 * FG_NS_PER_S;
	result->duration_ns = result->measured_ns = 2 * FG_NS_PER_S;
	result->vus = (struct fg_vus_range){.last = 5, .min = 3, .max = 5};
	return result;
}

static void add_threshold(struct fg_result *result, const char *metric, const char *text)
{
	struct fg_threshold threshold;
	struct fg_err err = {0};

	result->thresholds = realloc(result->thresholds,
				     (result->threshold_count + 1) * sizeof(*result->thresholds));
	assert_non_null(result->thresholds);
	assert_ok(fg_threshold_parse(metric, text, &threshold, &err), &err);
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL,
					&result->thresholds[result->threshold_count++], &err),
		  &err);
	fg_threshold_done(&threshold);
}

struct memory {
	struct fg_buf text;
	unsigned writes, fail_at; /* 0: never */
};

static int to_memory(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	struct memory *memory = context;

	if (++memory->writes == memory->fail_at)
		return fg_err_set(err, FG_E_IO, "the disk is full");
	fg_buf_add(&memory->text, bytes, len);
	return 0;
}

static struct fg_sink sink_of(struct memory *memory)
{
	struct fg_sink sink = {.write = to_memory, .context = memory};

	*memory = (struct memory){.writes = 0};
	fg_buf_init(&memory->text, 16 << 20);
	fg_buf_init(&sink.buf, 16 << 20);
	return sink;
}

/* -- points -------------------------------------------------------------------------------------
 */

static int to_lines(void *context, const struct fg_point *point, struct fg_err *err)
{
	struct fg_buf *out = context;

	(void)err;
	fg_buf_addf(out, "%s{", point->metric);
	for (size_t i = 0; i < point->tag_count; i++) {
		if (i > 0)
			assert_true(strcmp(point->tags[i - 1].key, point->tags[i].key) < 0);
		assert_true(point->tags[i].value[0]);
		fg_buf_addf(out, "%s%s=%s", i ? "," : "", point->tags[i].key, point->tags[i].value);
	}
	fg_buf_addf(out, "} %s %g\n", fg_contains_name(point->contains), fg_raw_value(point));
	return 0;
}

static void test_points(void **state)
{
	static const char *const expected[] = {
		"http_reqs{error_code=1404,expected_response=false,method=GET,name=GET "
		"/items,scenario=browse,status=404,tier=read,url=/} default 2\n",
		"http_reqs{error_code=1500,expected_response=false,method=GET,name=GET "
		"/items,scenario=browse,status=500,tier=read,url=/} default 2\n",
		"http_reqs{expected_response=true,method=GET,name=GET "
		"/items,scenario=browse,status=200,tier=read,url=/} default 20\n",
		/* two statuses share these: no status tag */
		"http_req_failed{expected_response=false,method=GET,name=GET "
		"/items,scenario=browse,tier=read,url=/} default 1\n",
		"http_req_duration{expected_response=true,method=GET,name=GET "
		"/items,scenario=browse,status=200,tier=read,url=/} time 2\n",
		"iterations{scenario=browse,tier=read} default 24\n",
		"data_sent{scenario=browse,tier=read} data 2000\n",
		"checks{check=logged in,group=::auth,scenario=browse,tier=read} default 0.75\n",
		"group_duration{group=::auth,scenario=browse,tier=read} time 9\n",
		"orders{scenario=browse,tier=read} default 5\n",
		"depth{scenario=browse,tier=read} default 6\n",
		"cached{scenario=browse,tier=read} default 0.5\n",
		"price{scenario=browse,tier=read} default 19.99\n",
		"render{group=::auth,scenario=browse,tier=read} time 5.5\n",
		"vus{} default 5\n",
	};
	struct fg_result *result = material();
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_points_walk(&result->registry, result->totals, to_lines, &out, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(expected); i++)
		if (!strstr(out.data, expected[i]))
			fail_msg("no %s in\n%s", expected[i], out.data);
	assert_null(strstr(out.data, "GET /health")); /* never asked for */
	fg_buf_done(&out);
	fg_result_free(result);
}

static int refuse(void *context, const struct fg_point *point, struct fg_err *err)
{
	unsigned *left = context;

	(void)point;
	return --*left ? 0 : fg_err_set(err, FG_E_IO, "enough");
}

static void test_walk_stops(void **state)
{
	struct fg_result *result = material();

	(void)state;
	for (unsigned at_point = 1; at_point < 30; at_point++) {
		unsigned left = at_point;
		struct fg_err err = {0};

		assert_int_equal(fg_points_walk(&result->registry, result->totals, refuse, &left,
						&err),
				 -FG_E_IO);
		assert_int_equal(left, 0);
	}
	fg_result_free(result);
}

static void test_selectors(void **state)
{
	static const struct {
		const char *text;
		int rc;
		size_t tags;
	} cases[] = {
		{"http_reqs", 0, 0},
		{"http_reqs{}", 0, 0},
		{"http_req_duration{name:GET /a:b}", 0, 1},
		{"http_req_duration{ scenario:x , name:y }", 0, 2},
		{"a{b", -FG_E_INVALID, 0},
		{"a{b}", -FG_E_INVALID, 0},
		{"a{:x}", -FG_E_INVALID, 0},
		{"a{x:y}z", -FG_E_INVALID, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		FG_AUTO_FREE char *metric = NULL;
		struct fg_tags tags = {.items = NULL};
		struct fg_err err = {0};
		int rc = fg_point_selector(cases[i].text, &metric, &tags, &err);

		if (rc != cases[i].rc || tags.count != cases[i].tags)
			fail_msg("%s: %d, %zu tags", cases[i].text, rc, tags.count);
		fg_tags_done(&tags);
	}
}

/* -- md5 ----------------------------------------------------------------------------------------
 */

static void test_md5(void **state)
{
	static const struct {
		const char *text, *digest;
	} cases[] = {
		/* RFC 1321 A.5 and k6's ids of groups */
		{"", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "0cc175b9c0f1b6a831c399e269772661"},
		{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		 "57edf4a22be3c955ac49da2e2107b67a"},
		{"1234567890123456789012345678901234567890123456789012345",
		 "c9ccf168914a1bcfc3229f1948e67da0"},
		{"::outer", "c34b428ee7255085dfe7fef53d3394d5"},
		{"::outer::inner", "b6c425bc7b9e3d21a2d56ce7a6de3614"},
		{"::outer::inner::is 200", "6725000f84f8fcff6a87227bb109b94d"},
	};
	char hex[FG_MD5_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_string_equal(fg_md5_hex(cases[i].text, strlen(cases[i].text), hex),
				    cases[i].digest);
}

/* -- k6-summary ---------------------------------------------------------------------------------
 */

static json_t *summary_of(const struct fg_result *result, const struct fg_report_style *style)
{
	struct fg_err err = {0};
	struct fg_buf out;
	json_t *root;

	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_report_k6_summary(result, style, &out, &err), &err);
	assert_ok(fg_json_parse(out.data, out.len, &root, &err), &err);
	fg_buf_done(&out);
	return root;
}

static json_t *at(json_t *value, const char *const *path)
{
	for (; *path; path++) {
		value = json_is_array(value) ? json_array_get(value, 0)
					     : json_object_get(value, *path);
		if (!value)
			fail_msg("no %s", *path);
	}
	return value;
}

#define AT(root, ...) at((root), (const char *const[]){__VA_ARGS__, NULL})

static void test_k6_summary(void **state)
{
	struct fg_result *result = material();
	struct fg_report_style style = {.time_unit = FG_TIME_UNIT_MS};

	(void)state;
	add_threshold(result, "http_req_failed", "rate<0.5");
	add_threshold(result, "http_req_failed", "rate<0.01");
	add_threshold(result, "http_req_duration{scenario:browse}", "p(95)<1");
	json_t *root = summary_of(result, &style);

	assert_string_equal(json_string_value(AT(root, "options", "summaryTimeUnit")), "ms");
	assert_int_equal(json_array_size(AT(root, "options", "summaryTrendStats")), 6);
	assert_true(json_real_value(AT(root, "state", "testRunDurationMs")) == 2000);
	assert_string_equal(json_string_value(AT(root, "root_group", "id")),
			    "d41d8cd98f00b204e9800998ecf8427e");
	assert_string_equal(json_string_value(AT(root, "root_group", "groups", "0", "name")),
			    "auth");
	json_t *check = AT(root, "root_group", "groups", "0", "checks", "0");

	assert_string_equal(json_string_value(json_object_get(check, "path")), "::auth::logged in");
	assert_int_equal(json_integer_value(json_object_get(check, "passes")), 6);
	assert_int_equal(json_integer_value(json_object_get(check, "fails")), 2);
	assert_int_equal(json_array_size(AT(root, "root_group", "checks")), 1);
	assert_int_equal(json_integer_value(AT(root, "metrics", "http_reqs", "values", "count")),
			 24);
	assert_int_equal(json_integer_value(AT(root, "metrics", "http_reqs", "values", "rate")),
			 12);
	assert_int_equal(
		json_integer_value(AT(root, "metrics", "http_req_failed", "values", "passes")), 4);
	assert_true(json_is_true(
		AT(root, "metrics", "http_req_failed", "thresholds", "rate<0.5", "ok")));
	assert_true(json_is_false(
		AT(root, "metrics", "http_req_failed", "thresholds", "rate<0.01", "ok")));
	assert_true(json_is_false(AT(root, "metrics", "http_req_duration{scenario:browse}",
				     "thresholds", "p(95)<1", "ok")));
	assert_int_equal(json_integer_value(AT(root, "metrics",
					       "http_req_duration{expected_response:true}",
					       "values", "p(95)")),
			 2);
	assert_int_equal(json_integer_value(AT(root, "metrics", "vus", "values", "min")), 3);
	assert_string_equal(json_string_value(AT(root, "metrics", "render", "contains")), "time");
	assert_true(json_real_value(AT(root, "metrics", "price", "values", "max")) == 19.99);
	json_decref(root);
	fg_result_free(result);
}

/* A sub-metric that nothing matched is there with zeros, as in k6. */
static void test_k6_summary_without_data(void **state)
{
	struct fg_result *result = material();
	const struct fg_report_style style = {.mode = FG_SUMMARY_COMPACT};

	(void)state;
	add_threshold(result, "http_req_duration{name:GET /health}", "p(95)<1");
	json_t *root = summary_of(result, &style);

	assert_int_equal(json_integer_value(AT(root, "metrics",
					       "http_req_duration{name:GET /health}", "values",
					       "p(95)")),
			 0);
	json_decref(root);
	fg_result_free(result);
}

/* -- lines --------------------------------------------------------------------------------------
 */

static void test_ndjson(void **state)
{
	struct fg_result *result = material();
	struct memory memory;
	struct fg_sink sink = sink_of(&memory);
	struct fg_err err = {0};
	double requests = 0;
	size_t metrics = 0, lines = 0;

	(void)state;
	add_threshold(result, "http_req_duration{name:GET /items}", "p(95)<1");
	add_threshold(result, "http_reqs", "count>1");
	assert_ok(fg_report_ndjson(result, &sink, &err), &err);
	for (const char *line = memory.text.data; *line; lines++) {
		size_t len = strcspn(line, "\n");
		json_t *root;

		assert_ok(fg_json_parse(line, len, &root, &err), &err);
		const char *metric = json_string_value(json_object_get(root, "metric"));
		bool is_point = strcmp(json_string_value(AT(root, "type")), "Point") == 0;

		metrics += !is_point;
		if (is_point && strcmp(metric, "http_reqs") == 0)
			requests += json_number_value(AT(root, "data", "value"));
		if (is_point && strcmp(metric, "vus") != 0 && strcmp(metric, "vus_max") != 0)
			assert_non_null(json_object_get(AT(root, "data", "tags"), "group"));
		json_decref(root);
		line += len + 1;
	}
	assert_true(requests == 24);
	assert_true(lines > metrics + 20);
	assert_non_null(
		strstr(memory.text.data, "\"thresholds\":[\"count>1\"],\"submetrics\":null"));
	assert_non_null(
		strstr(memory.text.data,
		       "\"submetrics\":[{\"name\":\"http_req_duration{name:GET /items}\","
		       "\"suffix\":\"name:GET /items\",\"tags\":{\"name\":\"GET /items\"}}]"));
	assert_non_null(strstr(memory.text.data, "\"time\":\"2026-11-21T08:33:21.000000000Z\""));
	fg_buf_done(&memory.text);
	fg_buf_done(&sink.buf);
	fg_result_free(result);
}

static void test_csv(void **state)
{
	/* as k6 2.2 writes it */
	static const char header[] =
		"metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,"
		"method,name,proto,scenario,service,status,subproto,tls_version,url,extra_tags,"
		"metadata\n";
	struct fg_result *result = material();
	struct memory memory;
	struct fg_sink sink = sink_of(&memory);
	struct fg_err err = {0};

	(void)state;
	free(result->registry.classes[SAMPLE_ITEMS].name);
	assert_int_equal(
		fg_str_dup("a,\"b\"\nc", &result->registry.classes[SAMPLE_ITEMS].name, NULL), 0);
	assert_ok(fg_report_csv(result, &sink, &err), &err);
	assert_int_equal(strncmp(memory.text.data, header, strlen(header)), 0);
	assert_non_null(strstr(memory.text.data,
			       "http_reqs,1795250001,10.000000,,,,true,,GET,\"a,\"\"b\"\"\nc\",,"
			       "browse,,200,,,/,tier=read,\n"));
	fg_buf_done(&memory.text);
	fg_buf_done(&sink.buf);
	fg_result_free(result);
}

static void test_openmetrics(void **state)
{
	struct fg_result *result = material();
	struct fg_trend_stats stats = fg_trend_stats_default();
	struct memory memory;
	struct fg_sink sink = sink_of(&memory);
	struct fg_err err = {0};

	(void)state;
	free(result->registry.classes[SAMPLE_ITEMS].name);
	assert_int_equal(
		fg_str_dup("a\"b\\c\nd", &result->registry.classes[SAMPLE_ITEMS].name, NULL), 0);
	assert_ok(fg_report_openmetrics(result, &stats, &sink, &err), &err);
	const char *text = memory.text.data;

	assert_non_null(strstr(text, "# TYPE k6_http_reqs_total counter\n"));
	assert_null(strstr(strstr(text, "# TYPE k6_http_reqs_total ") + 1,
			   "# TYPE k6_http_reqs_total "));
	assert_non_null(strstr(text, "name=\"a\\\"b\\\\c\\nd\""));
	assert_non_null(strstr(text, "k6_group_duration_p95{group=\"::auth\",scenario=\"browse\","
				     "tier=\"read\"} 0.0"));
	assert_non_null(strstr(text, "k6_vus 5\n"));
	assert_string_equal(text + memory.text.len - 6, "# EOF\n");
	fg_buf_done(&memory.text);
	fg_buf_done(&sink.buf);
	fg_result_free(result);
}

static void test_labels(void **state)
{
	char name[8];

	(void)state;
	fg_expose_label("a-b.c", name, sizeof(name));
	assert_string_equal(name, "a_b_c");
	fg_expose_label("1st", name, sizeof(name));
	assert_string_equal(name, "_1st");
	fg_expose_label("äb", name, sizeof(name));
	assert_string_equal(name, "__b");
	fg_expose_label("very_long_name", name, sizeof(name));
	assert_string_equal(name, "very_lo");
}

/* A full disk ends every streaming writer with the disk's words, whenever it strikes. */
static void test_writers_fail(void **state)
{
	struct fg_result *result = material();
	struct fg_trend_stats stats = fg_trend_stats_default();

	(void)state;
	for (int writer = 0; writer < 3; writer++) {
		struct memory memory;
		struct fg_sink sink = sink_of(&memory);
		struct fg_err err = {0};
		int rc;

		memory.fail_at = 1;
		rc = writer == 0   ? fg_report_ndjson(result, &sink, &err)
		     : writer == 1 ? fg_report_csv(result, &sink, &err)
				   : fg_report_openmetrics(result, &stats, &sink, &err);
		assert_int_equal(rc, -FG_E_IO);
		assert_string_equal(err.message, "the disk is full");
		fg_buf_done(&memory.text);
		fg_buf_done(&sink.buf);
	}
	fg_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),       cmocka_unit_test(test_walk_stops),
		cmocka_unit_test(test_selectors),    cmocka_unit_test(test_md5),
		cmocka_unit_test(test_k6_summary),   cmocka_unit_test(test_k6_summary_without_data),
		cmocka_unit_test(test_ndjson),       cmocka_unit_test(test_csv),
		cmocka_unit_test(test_openmetrics),  cmocka_unit_test(test_labels),
		cmocka_unit_test(test_writers_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
