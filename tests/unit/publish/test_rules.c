/* SPDX-License-Identifier: Apache-2.0 */
/* Pyroscope rules as tables: what an answer means, which labels and tenants are sent. */
#include "tests/kit/kit.h"

#include "runner/publish/pyroscope_internal.h"

#include <stdio.h>
#include <string.h>

static void test_classification(void **state)
{
	static const struct {
		long status;
		const char *code, *message;
		enum fg_pyroscope_action action;
	} cases[] = {
		{200, "", "", FG_PYROSCOPE_STORED},
		{201, "", "", FG_PYROSCOPE_FAIL},
		{204, "", "", FG_PYROSCOPE_FAIL},
		{301, "", "", FG_PYROSCOPE_FAIL},
		{400, "invalid_argument", "no profiles received", FG_PYROSCOPE_FAIL},
		{401, "unauthenticated", "no org id", FG_PYROSCOPE_FAIL},
		{403, "permission_denied", "", FG_PYROSCOPE_FAIL},
		{404, "", "404 page not found", FG_PYROSCOPE_FAIL},
		{405, "", "", FG_PYROSCOPE_FAIL},
		{408, "", "", FG_PYROSCOPE_RETRY},
		{409, "aborted", "", FG_PYROSCOPE_RETRY},
		{409, "already_exists", "", FG_PYROSCOPE_FAIL},
		{413, "", "", FG_PYROSCOPE_FAIL},
		{415, "", "", FG_PYROSCOPE_FAIL},
		{422, "unknown", "", FG_PYROSCOPE_FAIL},
		{429, "resource_exhausted",
		 "push rate limit (4.0 MiB) exceeded while adding 2.0 MiB", FG_PYROSCOPE_RETRY},
		{429, "resource_exhausted", "limit of 1 GB/1h reached, next reset at 12:00",
		 FG_PYROSCOPE_FAIL},
		{429, "", "", FG_PYROSCOPE_RETRY},
		{500, "unknown", "rpc error: code = Unavailable desc = service is unavailable",
		 FG_PYROSCOPE_RETRY},
		{500, "unknown", "proto: Profile: wiretype end group", FG_PYROSCOPE_FAIL},
		{500, "unknown", "gzip reset: EOF", FG_PYROSCOPE_FAIL},
		{500, "unknown", "", FG_PYROSCOPE_FAIL},
		{500, "internal", "", FG_PYROSCOPE_RETRY},
		{500, "", "<html>", FG_PYROSCOPE_RETRY},
		{501, "unimplemented", "", FG_PYROSCOPE_FAIL},
		{502, "", "", FG_PYROSCOPE_RETRY},
		{503, "unavailable", "", FG_PYROSCOPE_RETRY},
		{504, "deadline_exceeded", "", FG_PYROSCOPE_RETRY},
		{0, "", "", FG_PYROSCOPE_FAIL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		if (fg_pyroscope_classify(cases[i].status, cases[i].code, cases[i].message) !=
		    cases[i].action)
			fail_msg("case %zu: %ld %s", i, cases[i].status, cases[i].message);
}

static void test_backoff(void **state)
{
	static const uint64_t expected_ms[] = {500, 1000, 2000, 4000, 8000, 8000};

	(void)state;
	for (unsigned i = 0; i < FG_ARRAY_LEN(expected_ms); i++)
		assert_int_equal(fg_pyroscope_backoff_ns(i + 1), expected_ms[i] * FG_NS_PER_MS);
}

struct label_case {
	const char *key, *value;
	int rc;
	const char *message; /* part of it */
};

static char long_value[FG_PYROSCOPE_VALUE_MAX + 2];
static char long_name[FG_PYROSCOPE_NAME_MAX + 2];

static struct fg_result make_result(char *name)
{
	struct fg_result result = {.name = name};

	(void)snprintf(result.id, sizeof(result.id), "20261121T101500Z-7f3a");
	return result;
}

static void test_label_rules(void **state)
{
	static const struct label_case cases[] = {
		{"branch", "main", 0, NULL},
		{"_x9", "ü \"\\\n", 0, NULL},
		{"empty", "", 0, NULL},
		{"1a", "x", -FG_E_USAGE, "label name \"1a\""},
		{"a-b", "x", -FG_E_USAGE, "label name"},
		{"a.b", "x", -FG_E_USAGE, "label name"},
		{"", "x", -FG_E_USAGE, "label name"},
		{"\xc3\xbc", "x", -FG_E_USAGE, "label name"},
		{"__type__", "x", -FG_E_USAGE, "server's own"},
		{"__name__", "x", -FG_E_USAGE, "server's own"},
		{"run_id", "x", -FG_E_USAGE, "given by flamegate"},
		{"scenario", "x", -FG_E_USAGE, "given by flamegate"},
		{"endpoint", "x", -FG_E_USAGE, "given by flamegate"},
		{"service_name", "x", -FG_E_USAGE, "set the service name"},
		{"bad", "\xff", -FG_E_USAGE, "UTF-8"},
		{"bad", "\xed\xa0\x80", -FG_E_USAGE, "UTF-8"},
		{"big", long_value, -FG_E_LIMIT, "2049 bytes"},
		{long_name, "x", -FG_E_LIMIT, "1024"},
	};
	char name[] = "shop";
	struct fg_result result = make_result(name);

	(void)state;
	memset(long_value, 'v', sizeof(long_value) - 1);
	memset(long_name, 'n', sizeof(long_name) - 1);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_tags extra = {.items = NULL}, labels = {.items = NULL};
		struct fg_pyroscope_options options = {.labels = &extra};
		struct fg_err err;

		assert_ok(fg_tags_add(&extra, cases[i].key, cases[i].value, &err), &err);
		int rc = fg_pyroscope_labels(&result, &options, &labels, &err);

		if (rc != cases[i].rc)
			fail_msg("case %zu: %d %s", i, rc, rc ? err.message : "");
		if (rc)
			assert_non_null(strstr(err.message, cases[i].message));
		else
			assert_int_equal(labels.count, *cases[i].value ? 6 : 5);
		fg_tags_done(&labels);
		fg_tags_done(&extra);
	}
}

static void test_own_labels_sorted(void **state)
{
	static const char *const expected[][2] = {
		{"__delta__", "false"},
		{"__name__", "process_cpu"},
		{"run_id", "20261121T101500Z-7f3a"},
		{"scenario", "shop"},
		{"service_name", "api"},
	};
	char name[] = "shop";
	struct fg_result result = make_result(name);
	struct fg_pyroscope_options options = {.service_name = "api"};
	struct fg_tags labels;
	struct fg_err err;
	size_t bytes = 0;

	(void)state;
	assert_ok(fg_pyroscope_labels(&result, &options, &labels, &err), &err);
	assert_int_equal(labels.count, FG_ARRAY_LEN(expected));
	for (size_t i = 0; i < FG_ARRAY_LEN(expected); i++) {
		assert_string_equal(labels.items[i].key, expected[i][0]);
		assert_string_equal(labels.items[i].value, expected[i][1]);
		bytes += strlen(expected[i][0]) + strlen(expected[i][1]);
	}
	assert_int_equal(fg_pyroscope_labels_bytes(&labels), bytes);
	fg_tags_done(&labels);
}

static void test_no_service_name(void **state)
{
	struct fg_result result = make_result(NULL);
	struct fg_pyroscope_options options = {.labels = NULL};
	struct fg_tags labels;
	struct fg_err err;

	(void)state;
	assert_int_equal(fg_pyroscope_labels(&result, &options, &labels, &err), -FG_E_USAGE);
}

static void test_thirty_labels(void **state)
{
	char name[] = "shop";
	struct fg_result result = make_result(name);
	struct fg_tags extra = {.items = NULL}, labels;
	struct fg_pyroscope_options options = {.labels = &extra};
	struct fg_err err;
	char key[16];

	(void)state;
	for (int i = 0; i < 24; i++) {
		(void)snprintf(key, sizeof(key), "l%d", i);
		assert_ok(fg_tags_add(&extra, key, "v", &err), &err);
	}
	assert_ok(fg_pyroscope_labels(&result, &options, &labels, &err), &err);
	assert_int_equal(labels.count, 29); /* and the endpoint */
	fg_tags_done(&labels);
	assert_ok(fg_tags_add(&extra, "one_more", "v", &err), &err);
	assert_int_equal(fg_pyroscope_labels(&result, &options, &labels, &err), -FG_E_LIMIT);
	fg_tags_done(&extra);
}

static void test_selector(void **state)
{
	struct fg_tags labels = {.items = NULL};
	struct fg_buf out;
	struct fg_err err;

	(void)state;
	assert_ok(fg_tags_add(&labels, "service_name", "a\"b\\c\nd\x7f ü", &err), &err);
	assert_ok(fg_tags_add(&labels, "run_id", "r1", &err), &err);
	fg_buf_init(&out, 1024);
	fg_pyroscope_selector(&labels, &out);
	assert_string_equal(out.data, "{service_name=\"a\\\"b\\\\c\\x0ad\\x7f ü\",run_id=\"r1\"}");
	fg_buf_done(&out);
	fg_tags_done(&labels);
}

static void test_tenants(void **state)
{
	static const char *const good[] = {"a", "team-1", "A.b_c!*'()"};
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a|b", "ä", "a\nb"};
	char long_tenant[152];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(good); i++)
		assert_int_equal(fg_pyroscope_check_tenant(good[i], NULL), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++)
		assert_int_equal(fg_pyroscope_check_tenant(bad[i], NULL), -FG_E_USAGE);
	memset(long_tenant, 'x', sizeof(long_tenant) - 1);
	long_tenant[151] = '\0';
	assert_int_equal(fg_pyroscope_check_tenant(long_tenant, NULL), -FG_E_USAGE);
	long_tenant[150] = '\0';
	assert_int_equal(fg_pyroscope_check_tenant(long_tenant, NULL), 0);
}

static void test_urls_are_masked(void **state)
{
	static const char *const cases[][2] = {
		{"http://bob:pw@host/x", "http://***@host/x"},
		{"http://bob@host", "http://***@host"},
		{"http://a@b:p@ss@host:1/?q=a@b", "http://***@host:1/?q=a@b"},
		{"http://host/a@b", "http://host/a@b"},
		{"http://host?x@y", "http://host?x@y"},
		{"bob:pw@host", "***@host"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char shown[128];

		fg_http_url_masked(cases[i][0], shown, sizeof(shown));
		assert_string_equal(shown, cases[i][1]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classification),  cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_label_rules),     cmocka_unit_test(test_own_labels_sorted),
		cmocka_unit_test(test_no_service_name), cmocka_unit_test(test_thirty_labels),
		cmocka_unit_test(test_selector),        cmocka_unit_test(test_tenants),
		cmocka_unit_test(test_urls_are_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
