/* SPDX-License-Identifier: Apache-2.0 */
/* URLs taken apart, references resolved (RFC 3986 §5.4), and what must be refused. */
#include "tests/kit/kit.h"

#include <string.h>

#include "runner/load/url.h"

static void test_parse(void **state)
{
	static const struct {
		const char *text, *host, *path, *query;
		uint16_t port;
		bool https;
	} cases[] = {
		{"http://h", "h", "", "", 80, false},
		{"HTTPS://H.example:8443/a/b?x=1#f", "H.example", "/a/b", "?x=1", 8443, true},
		{"http://u:p@h:81?q", "h", "", "?q", 81, false},
		{"http://u@v@h/", "h", "/", "", 80, false},
		{"http://[::1]:8080/x", "::1", "/x", "", 8080, false},
		{"https://[::1]", "::1", "", "", 443, true},
		{"http://h:/x", "h", "/x", "", 80, false},
		{"http://h/#?", "h", "/", "", 80, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_url url;
		struct fg_err err;

		assert_ok(fg_url_parse(cases[i].text, strlen(cases[i].text), &url, &err), &err);
		assert_int_equal(url.host_len, strlen(cases[i].host));
		assert_memory_equal(url.host, cases[i].host, url.host_len);
		assert_int_equal(url.path_len, strlen(cases[i].path));
		assert_memory_equal(url.path, cases[i].path, url.path_len);
		assert_int_equal(url.query_len, strlen(cases[i].query));
		assert_memory_equal(url.query, cases[i].query, url.query_len);
		assert_int_equal(url.port, cases[i].port);
		assert_int_equal(url.https, cases[i].https);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const cases[] = {
		"",
		"/x",
		"//h/x",
		"ftp://h/",
		"http:/h",
		"http:///x",
		"http://:80/",
		"http://u@/",
		"http://h:0/",
		"http://h:65536/",
		"http://h:8x/",
		"http://h:-1/",
		"http://[::1/",
		"http://[::1]x/",
		"http://[]/",
		"http://h/\r\nX: y",
		"http://h/\x7f",
		"javascript:alert(1)",
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_url url = {.port = 1};
		struct fg_err err;

		fg_err_clear(&err);
		assert_int_equal(fg_url_parse(cases[i], strlen(cases[i]), &url, &err),
				 -FG_E_INVALID);
		assert_int_equal(url.port, 1); /* untouched */
		assert_true(err.message[0]);
	}
}

static void resolve(const char *base_text, const char *reference, const char *expected)
{
	struct fg_url base;
	struct fg_err err;
	FG_AUTO_BUF struct fg_buf out = {0};
	int rc;

	fg_buf_init(&out, FG_URL_MAX);
	fg_err_clear(&err);
	assert_ok(fg_url_parse(base_text, strlen(base_text), &base, &err), &err);
	rc = fg_url_resolve(&base, reference, strlen(reference), &out, &err);
	if (!expected) {
		assert_int_equal(rc, -FG_E_INVALID);
		return;
	}
	assert_ok(rc, &err);
	assert_string_equal(out.data, expected);
}

/* The base of RFC 3986 §5.4, with our scheme. */
static void test_resolve(void **state)
{
	static const struct {
		const char *reference, *expected;
	} cases[] = {
		{"g", "http://a/b/c/g"},
		{"./g", "http://a/b/c/g"},
		{"g/", "http://a/b/c/g/"},
		{"/g", "http://a/g"},
		{"//g", "http://g/"},
		{"?y", "http://a/b/c/d;p?y"},
		{"g?y", "http://a/b/c/g?y"},
		{"#s", "http://a/b/c/d;p?q"},
		{"g#s", "http://a/b/c/g"},
		{"g?y#s", "http://a/b/c/g?y"},
		{";x", "http://a/b/c/;x"},
		{"", "http://a/b/c/d;p?q"},
		{".", "http://a/b/c/"},
		{"./", "http://a/b/c/"},
		{"..", "http://a/b/"},
		{"../", "http://a/b/"},
		{"../g", "http://a/b/g"},
		{"../..", "http://a/"},
		{"../../g", "http://a/g"},
		{"../../../g", "http://a/g"},
		{"/./g", "http://a/g"},
		{"/../g", "http://a/g"},
		{"g.", "http://a/b/c/g."},
		{"..g", "http://a/b/c/..g"},
		{"./../g", "http://a/b/g"},
		{"./g/.", "http://a/b/c/g/"},
		{"g/./h", "http://a/b/c/g/h"},
		{"g/../h", "http://a/b/c/h"},
		{"g?y/../x", "http://a/b/c/g?y/../x"},
		{"https://x:1/y/../z", "https://x:1/z"},
		{"HTTP://x", "http://x/"},
		{"/a b/\xc3\xa4?c d", "http://a/a%20b/%C3%A4?c%20d"},
		{"/%20", "http://a/%20"},
		{"//g:70000/", NULL},
		{"ftp://x/", NULL},
		{"mailto:x", NULL},
		{"/a\r\nb", NULL},
		{"http://", NULL},
		{"///x", NULL},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		resolve("http://a/b/c/d;p?q", cases[i].reference, cases[i].expected);
	resolve("https://u@h:444", "x", "https://u@h:444/x");
	resolve("https://u@h:444", "", "https://u@h:444/");
	resolve("https://h?q", "?r", "https://h/?r");
}

static void test_resolve_is_bounded(void **state)
{
	static char reference[FG_URL_MAX + 2];
	struct fg_url base;
	struct fg_err err;
	struct fg_buf out;

	(void)state;
	memset(reference, 'a', sizeof(reference) - 1);
	assert_ok(fg_url_parse("http://h/", 9, &base, &err), &err);
	fg_buf_init(&out, FG_URL_MAX);
	assert_true(fg_url_resolve(&base, reference, sizeof(reference) - 1, &out, &err) < 0);
	memset(reference, ' ', FG_URL_MAX / 2); /* grows threefold */
	assert_true(fg_url_resolve(&base, reference, FG_URL_MAX / 2, &out, &err) < 0);
	fg_buf_done(&out);
}

static void test_hosts(void **state)
{
	(void)state;
	assert_true(fg_url_host_is_address("127.0.0.1", 9));
	assert_true(fg_url_host_is_address("::1", 3));
	assert_false(fg_url_host_is_address("localhost", 9));
	assert_false(fg_url_host_is_address("1.2.3.4.example", 15));
	assert_false(fg_url_host_is_address("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),   cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_resolve_is_bounded),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
