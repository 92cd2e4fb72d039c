/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings and descriptions as drafts; listeners of this machine. */
#include "tests/kit/kit.h"

#include <string.h>

#include "runner/convert/har.h"
#include "runner/convert/init.h"
#include "runner/convert/openapi.h"

#define REQUEST(method, url, more)                                                        \
	"{\"request\":{\"method\":\"" method "\",\"url\":\"" url "\",\"headers\":[]" more \
	"},\"response\":{\"status\":200}}"
#define HAR(entries) "{\"log\":{\"entries\":[" entries "]}}"
#define POST(data)   HAR(REQUEST("POST", "http://h/p", ",\"postData\":" data))

static struct fg_buf written(const char *har, const struct fg_har_options *options)
{
	const struct fg_har_options standard = {.name = "x.har"};
	struct fg_draft draft = {0};
	struct fg_buf out;
	struct fg_err err = {0};

	fg_buf_init(&out, 1 << 20);
	if (fg_har_convert(har, strlen(har), options ? options : &standard, &draft, &err))
		fail_msg("%s", err.message);
	assert_int_equal(fg_draft_write(&draft, &out, &err), 0);
	fg_draft_done(&draft);
	return out;
}

static void test_har_says(void **state)
{
	static const struct {
		const char *har, *text;
	} cases[] = {
		{HAR(REQUEST("GET", "http://h:1/a?b=c#d", "")), "url: /a?b=c\n"},
		{HAR(REQUEST("GET", "http://h", "")), "url: /\n"},
		{HAR(REQUEST("GET", "HTTP://h/x", "")), "url: \"http://h\""},
		{HAR(REQUEST("GET", "http://a>b/x", "") "," REQUEST("GET", "http://h/y", "")),
		 "url: \"http://h\""},
		{HAR("{\"request\":{\"method\":\"GET\",\"url\":\"http://h/x\",\"headers\":[{"
		     "\"name\":\"a(b\",\"value\":\"1\"}]}}"),
		 "header \"a(b\" cannot be sent"},
		{HAR(REQUEST("PROPFIND", "http://h/d", "")), "method: PROPFIND"},
		{HAR(REQUEST("GET", "http://h/{{a}}", "")), "url: \"/{{ '{{' }}a}}\""},
		{HAR(REQUEST("GET", "http://h/$${A}", "")), "url: \"/$$$${A}\""},
		{POST("{\"mimeType\":\"application/json\",\"text\":\"[1, {\\\"a\\\": "
		      "\\\"$x\\\"}]\"}"),
		 "json: [1, {\"a\": \"$x\"}]\n"},
		/* what JSON has as it is, and YAML has not */
		{POST("{\"mimeType\":\"application/json\",\"text\":\"[\\\"\x7f \xc2\x85 "
		      "\xe2\x80\xa8 "
		      "\xef\xbf\xbe \xc2\xa0\\\"]\"}"),
		 "json: [\"\\u007f \\u0085 \\u2028 \\ufffe \xc2\xa0\"]\n"},
		{POST("{\"mimeType\":\"text/"
		      "plain\",\"text\":\"\x7f\xc2\x85\xe2\x80\xa9\xef\xbf\xbf\"}"),
		 "body: \"\\u007f\\u0085\\u2029\\uffff\"\n"},
		{POST("{\"mimeType\":\"application/json\",\"text\":\"{no\"}"), "sent as text"},
		{POST("{\"mimeType\":\"text/plain\",\"text\":\"a\\nb: \\\"c\\\"\"}"),
		 "body: \"a\\nb: \\\"c\\\"\"\n"},
		{POST("{\"mimeType\":\"application/x-www-form-urlencoded\",\"params\":"
		      "[{\"name\":\"true\",\"value\":\"1\"}]}"),
		 "form:\n            \"true\": \"1\"\n"},
		{POST("{\"mimeType\":\"application/x-www-form-urlencoded\",\"text\":\"a=1&a=2\","
		      "\"params\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"a\",\"value\":"
		      "\"2\"}]}"),
		 "body: a=1&a=2\n"},
		{HAR(REQUEST("GET", "http://h/a", "") "," REQUEST("GET", "http://h:81/b", "")),
		 "log.entries[1]: GET http://h:81/b left out: another origin"},
		{HAR(REQUEST("GET", "http://h/a", "") ",{\"request\":{}}"),
		 "log.entries[1]: left out"},
		{HAR(REQUEST("GET", "http://h/a", "") "," REQUEST("GET", "data:x", "")),
		 "log.entries[1]: GET data:x left out"},
		{HAR(REQUEST("GET", "http://h/a", "") "," REQUEST("POST", "http://h/b",
								  ",\"postData\":{\"text\":7}")),
		 "log.entries[1]: POST http://h/b left out: its body was not recorded"},
		{HAR("{\"_webSocketMessages\":[],\"request\":{\"method\":\"GET\",\"url\":\"http://"
		     "h/s\"}}," REQUEST("GET", "http://h/a", "")),
		 "log.entries[0]: GET http://h/s left out: a WebSocket"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf out = written(cases[i].har, NULL);

		if (!strstr(out.data, cases[i].text))
			fail_msg("row %zu: no \"%s\" in\n%s", i, cases[i].text, out.data);
		fg_buf_done(&out);
	}
}

static void test_har_refuses(void **state)
{
	static const struct {
		const char *har, *origin, *text;
	} cases[] = {
		{"", NULL, ""},
		{"[]", NULL, "not a HAR file"},
		{"{\"log\":[]}", NULL, "not a HAR file"},
		{"{\"log\":{\"entries\":{}}}", NULL, "not a HAR file"},
		{HAR(""), NULL, "no http(s) request"},
		{HAR(REQUEST("GET", "ftp://h/", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("GET", "http://h/a b", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("G T", "http://h/", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("G/T", "http://h/", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("GET", "http:///x", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("GET", "http://:80/x", "")), NULL, "no http(s) request"},
		{HAR(REQUEST("GET", "http://h/", "")), "h", "wants a scheme"},
		{HAR(REQUEST("GET", "http://h/", "")), "http://g", "nothing in it can be sent"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_har_options options = {.name = "x.har", .origin = cases[i].origin};
		struct fg_draft draft = {0};
		struct fg_err err = {0};

		assert_true(fg_har_convert(cases[i].har, strlen(cases[i].har), &options, &draft,
					   &err) < 0);
		if (!strstr(err.message, cases[i].text))
			fail_msg("row %zu: %s", i, err.message);
		fg_draft_done(&draft);
	}
}

static void test_secrets_stay_out(void **state)
{
	struct fg_buf out =
		written(HAR("{\"request\":{\"method\":\"GET\",\"url\":\"http://h/\",\"headers\":["
			    "{\"name\":\"X-Api-Key\",\"value\":\"s3cret\"},"
			    "{\"name\":\"Cookie\",\"value\":\"s3cret\"},"
			    "{\"name\":\"authorization\",\"value\":\"Bearer s3cret\"}]}}"),
			NULL);

	(void)state;
	assert_null(strstr(out.data, "s3cret"));
	assert_non_null(strstr(out.data, "x_api_key: { env: X_API_KEY }"));
	assert_non_null(strstr(out.data, "X-Api-Key: \"{{ secrets.x_api_key }}\""));
	fg_buf_done(&out);
}

static void test_openapi_refuses(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"a: 1", "no OpenAPI description"},
		{"openapi: 3.0.0", "no OpenAPI description"},
		{"openapi: 3.0.0\npaths: []", "no OpenAPI description"},
		{"openapi: 3.0.0\npaths: {}", "nothing that can be called"},
		{"openapi: 3.0.0\npaths: { /a: { $ref: '#/x' } }", "nothing that can be called"},
		{"openapi: 3.0.0\npaths: { /a: { $ref: '#/paths/~1a' } }",
		 "nothing that can be called"},
		{"swagger: '2.0'\npaths: { /a: { post: {} } }", "nothing that can be called"},
		{"swagger: '2.0'\npaths: { '/a/{b}': { get: {} } }", "nothing that can be called"},
		{"openapi: 3.0.0\npaths: { /a: { get: { parameters: [{ in: cookie, name: c, "
		 "required: true, example: x }] } } }",
		 "nothing that can be called"},
		{"x: [", ""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_draft draft = {0};
		struct fg_err err = {0};

		assert_true(fg_openapi_convert(cases[i].text, strlen(cases[i].text), "a.yaml",
					       &draft, &err) < 0);
		if (!strstr(err.message, cases[i].message))
			fail_msg("row %zu: %s", i, err.message);
		fg_draft_done(&draft);
	}
}

static void test_openapi_samples(void **state)
{
	static const char text[] =
		"swagger: '2.0'\nhost: localhost:8080\nbasePath: /v2\n"
		"parameters: { Q: { name: 'q r', in: query, required: true, enum: [a b] } }\n"
		"paths:\n"
		"  '/a/{id}/{x}':\n"
		"    parameters: [{ name: id, in: path, required: true, default: 1 },"
		" { name: x, in: path, required: true, schema: { examples: ['/&'] } }]\n"
		"    get:\n"
		"      parameters: [{ name: id, in: path, required: true, example: 7 },"
		" { $ref: '#/parameters/Q' }]\n"
		"      responses: { '204': {}, '201': {}, default: {} }\n";
	struct fg_draft draft = {0};
	struct fg_err err = {0};

	(void)state;
	if (fg_openapi_convert(text, strlen(text), "a.yaml", &draft, &err))
		fail_msg("%s", err.message);
	assert_string_equal(draft.url, "http://localhost:8080/v2");
	assert_int_equal(draft.step_count, 1);
	assert_string_equal(draft.steps[0].url, "/a/7/%2F%26?q%20r=a%20b");
	assert_string_equal(draft.steps[0].name, "GET /a/:id/:x");
	assert_int_equal(draft.steps[0].status, 201);
	fg_draft_done(&draft);
}

static void test_listeners(void **state)
{
	static const char table[] =
		"  sl  local_address rem_address   st tx_queue rx_queue\n"
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* 127.0.0.1:8080 */
		"   1: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* 5432: a database */
		"   2: 0100007F:1F91 0100007F:1000 01 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* a connection */
		"   3: 0A0A0A0A:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* another interface */
		"   4: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* *:3000 */
		"   5: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0 "
		"       0 4711 1\n" /* once */
		"   6: 00000000000000000000000001000000:0050 0:0 0A 00000000:00000000 00:00000000 "
		"00000000     0        0 4711 1\n" /* [::1]:80 */
		"   7: 0000000000000000FFFF00000100007F:0051 0:0 0A 00000000:00000000 00:00000000 "
		"00000000     0        0 4711 1\n" /* mapped:81 */
		"   8: FE800000000000000000000001000001:0052 0:0 0A 00000000:00000000 00:00000000 "
		"00000000     0        0 4711 1\n"
		"   9: 00000000:FFFFF 0:0 0A 00000000:00000000 00:00000000 00000000     0        0 "
		"4711 1\n   10: x\n\n  : : 0A";
	uint16_t ports[FG_LISTENERS_MAX];
	const size_t count = fg_listeners_parse(table, sizeof(table) - 1, ports);

	(void)state;
	assert_int_equal(count, 4);
	assert_int_equal(ports[0], 8080);
	assert_int_equal(ports[1], 3000);
	assert_int_equal(ports[2], 80);
	assert_int_equal(ports[3], 81);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_har_says),         cmocka_unit_test(test_har_refuses),
		cmocka_unit_test(test_secrets_stay_out), cmocka_unit_test(test_openapi_refuses),
		cmocka_unit_test(test_openapi_samples),  cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
