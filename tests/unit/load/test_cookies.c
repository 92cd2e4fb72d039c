/* SPDX-License-Identifier: Apache-2.0 */
/* The jar: who may set what, who gets it back, when it goes; and dates. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/load/cookies.h"

enum { NOW_S = 1000000000 }; /* 2001-09-09 */

static struct fg_url url_of(const char *text)
{
	struct fg_url url;
	struct fg_err err;

	assert_ok(fg_url_parse(text, strlen(text), &url, &err), &err);
	return url;
}

static void set_at(struct fg_cookies *jar, const char *from, const char *line, uint64_t now_unix_s)
{
	const struct fg_url url = url_of(from);
	struct fg_err err;

	assert_ok(fg_cookies_set(jar, line, strlen(line), &url, now_unix_s, &err), &err);
}

static void set(struct fg_cookies *jar, const char *from, const char *line)
{
	set_at(jar, from, line, NOW_S);
}

static void sends(const struct fg_cookies *jar, const char *to, const char *expected,
		  uint64_t now_unix_s)
{
	const struct fg_url url = url_of(to);
	FG_AUTO_BUF struct fg_buf out = {0};

	fg_buf_init(&out, FG_COOKIE_HEADER_MAX);
	fg_cookies_header(jar, &url, now_unix_s, &out);
	assert_string_equal(out.data ? out.data : "", expected);
}

static void test_who_gets_it(void **state)
{
	static const struct {
		const char *from, *line, *to, *expected;
	} cases[] = {
		{"http://h/", "a=b", "http://h/x", "a=b"},
		{"http://h/", "a=b", "http://H:81/", "a=b"}, /* ports do not divide */
		{"http://h/", "a=b", "http://i/", ""},
		{"http://h.x/", "a=b", "http://s.h.x/", ""}, /* host only */
		{"http://h.x/", "a=b; Domain=h.x", "http://s.h.x/", "a=b"},
		{"http://h.x/", "a=b; domain=.H.X", "http://s.h.x/", "a=b"},
		{"http://s.h.x/", "a=b; Domain=h.x", "http://h.x/", "a=b"},
		{"http://s.h.x/", "a=b; Domain=h.x", "http://bh.x/", ""},
		{"http://h.x/", "a=b; Domain=s.h.x", "http://s.h.x/", ""}, /* below itself */
		{"http://h.x/", "a=b; Domain=y.z", "http://y.z/", ""},
		{"http://h.x/", "a=b; Domain=x", "http://i.x/", ""}, /* a whole top level */
		{"http://h.x/", "a=b; Domain=", "http://h.x/", "a=b"},
		{"http://localhost/", "a=b; Domain=localhost", "http://localhost/", "a=b"},
		{"http://127.0.0.1/", "a=b; Domain=127.0.0.1", "http://127.0.0.1/", "a=b"},
		{"http://127.0.0.1/", "a=b; Domain=0.0.1", "http://127.0.0.1/", ""},
		{"http://h/", "a=b; Path=/x", "http://h/x", "a=b"},
		{"http://h/", "a=b; Path=/x", "http://h/x/y", "a=b"},
		{"http://h/", "a=b; Path=/x", "http://h/xy", ""},
		{"http://h/", "a=b; Path=/x/", "http://h/x", ""},
		{"http://h/", "a=b; Path=x", "http://h/", "a=b"}, /* no path: the default */
		{"http://h/d/f", "a=b", "http://h/d/g", "a=b"},
		{"http://h/d/f", "a=b", "http://h/e", ""},
		{"http://h", "a=b", "http://h", "a=b"},
		{"https://h/", "a=b; Secure", "https://h/", "a=b"},
		{"https://h/", "a=b; Secure", "http://h/", ""},
		{"http://h/", "a=b; HttpOnly; SameSite=Strict", "http://h/", "a=b"},
		{"http://h/", "a=\"q v\"", "http://h/", "a=\"q v\""},
		{"http://h/", "  a  =  b c  ;", "http://h/", "a=b c"},
		{"http://h/", "a==b=", "http://h/", "a==b="},
		{"http://h/", "a=", "http://h/", "a="},
		{"http://h/", "a", "http://h/", ""},
		{"http://h/", "=b", "http://h/", ""},
		{"http://h/", "", "http://h/", ""},
		{"http://h/",
		 "a=b\x01"
		 "c",
		 "http://h/", ""},
		{"http://h/", "a=b; Max-Age=10", "http://h/", "a=b"},
		{"http://h/", "a=b; Max-Age=0", "http://h/", ""},
		{"http://h/", "a=b; Max-Age=-1", "http://h/", ""},
		{"http://h/", "a=b; Max-Age=x", "http://h/", "a=b"},
		{"http://h/", "a=b; Max-Age=9223372036854775807", "http://h/", "a=b"},
		{"http://h/", "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://h/", ""},
		{"http://h/", "a=b; Expires=Tue, 01 Jan 2030 00:00:00 GMT", "http://h/", "a=b"},
		{"http://h/", "a=b; Expires=soon", "http://h/", "a=b"},
		{"http://h/", "a=b; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://h/",
		 "a=b"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_cookies jar;

		fg_cookies_init(&jar);
		set(&jar, cases[i].from, cases[i].line);
		sends(&jar, cases[i].to, cases[i].expected, NOW_S);
		fg_cookies_done(&jar);
	}
}

static void test_order_and_replacement(void **state)
{
	struct fg_cookies jar;

	(void)state;
	fg_cookies_init(&jar);
	set(&jar, "http://h/", "a=1; Path=/");
	set(&jar, "http://h/", "b=2; Path=/x");
	set(&jar, "http://h/", "c=3; Path=/");
	sends(&jar, "http://h/x", "b=2; a=1; c=3", NOW_S);
	set(&jar, "http://h/", "a=4; Path=/"); /* keeps its place */
	set(&jar, "http://h/", "a=5; Path=/x");
	sends(&jar, "http://h/x", "b=2; a=5; a=4; c=3", NOW_S);
	set(&jar, "http://h/", "a=; Path=/; Max-Age=0");
	sends(&jar, "http://h/x", "b=2; a=5; c=3", NOW_S);
	assert_int_equal(jar.count, 3);
	fg_cookies_clear(&jar);
	sends(&jar, "http://h/x", "", NOW_S);
	fg_cookies_done(&jar);
}

static void test_time_passes(void **state)
{
	struct fg_cookies jar;

	(void)state;
	fg_cookies_init(&jar);
	set(&jar, "http://h/", "a=1; Max-Age=10");
	sends(&jar, "http://h/", "a=1", NOW_S + 9);
	sends(&jar, "http://h/", "", NOW_S + 10);
	fg_cookies_done(&jar);
}

static void test_is_bounded(void **state)
{
	static char line[3 * FG_COOKIE_BYTES_MAX];
	struct fg_cookies jar;

	(void)state;
	fg_cookies_init(&jar);
	for (int i = 0; i < FG_COOKIES_MAX + 20; i++) {
		snprintf(line, sizeof(line), "c%d=%d", i, i);
		set(&jar, "http://h/", line);
	}
	assert_int_equal(jar.count, FG_COOKIES_MAX);
	assert_string_equal(jar.items[0].text.data, "c20"); /* the oldest went */
	memset(line, 'x', sizeof(line) - 1);
	line[1] = '=';
	set(&jar, "http://h/", line);
	assert_string_not_equal(jar.items[jar.count - 1].text.data, "x");
	line[FG_COOKIE_BYTES_MAX] = ';';
	memcpy(line + FG_COOKIE_BYTES_MAX + 1, "path=/", 6);
	set(&jar, "http://h/", line); /* a path that is too long is none */
	assert_int_equal(jar.count, FG_COOKIES_MAX);
	fg_cookies_done(&jar);
}

static void test_memory_is_reused(void **state)
{
	const struct fg_cookie *items;
	struct fg_cookies jar;
	const char *text;

	(void)state;
	fg_cookies_init(&jar);
	set(&jar, "http://h/", "a=1");
	items = jar.items;
	text = jar.items[0].text.data;
	for (int i = 0; i < 100; i++) {
		fg_cookies_clear(&jar);
		set(&jar, "http://h/", "b=2");
		set(&jar, "http://h/", "b=2; Max-Age=0");
		set(&jar, "http://h/", "c=3");
	}
	assert_ptr_equal(jar.items, items);
	assert_ptr_equal(jar.items[0].text.data, text);
	fg_cookies_done(&jar);
}

static void test_copy_and_get(void **state)
{
	struct fg_url url = url_of("http://h/x/y");
	struct fg_cookies a, b;
	struct fg_err err;
	const char *value;
	size_t len;

	(void)state;
	fg_cookies_init(&a);
	fg_cookies_init(&b);
	set(&a, "http://h/", "s=old");
	set(&a, "http://h/", "s=new; Path=/x");
	set(&b, "http://h/", "gone=1");
	assert_ok(fg_cookies_copy(&b, &a, &err), &err);
	sends(&b, "http://h/x", "s=new; s=old", NOW_S);
	assert_true(fg_cookies_get(&b, &url, NOW_S, "s", &value, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(value, "new", 3);
	assert_false(fg_cookies_get(&b, &url, NOW_S, "t", &value, &len));
	fg_cookies_done(&a);
	fg_cookies_done(&b);
}

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t expected; /* < 0: none */
	} cases[] = {
		{"Sun, 09 Sep 2001 01:46:40 GMT", 1000000000},
		{"Sunday, 09-Sep-01 01:46:40 GMT", 1000000000},
		{"Sun Sep  9 01:46:40 2001", 1000000000},
		{"01:46:40 9 september 2001", 1000000000},
		{"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
		{"Fri, 31 Dec 99 23:59:59", 946684799},
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Thu, 01 Jan 1601 00:00:00 GMT", 0},
		{"Thu, 01 Jan 1600 00:00:00 GMT", -1},
		{"Sun, 09 Sep 2001", -1},
		{"09 Sep 2001 24:00:00", -1},
		{"09 Sep 2001 00:60:00", -1},
		{"32 Sep 2001 00:00:00", -1},
		{"0 Sep 2001 00:00:00", -1},
		{"09 Xyz 2001 00:00:00", -1},
		{"09 Sep 00:00:00", -1},
		{"", -1},
		{"999999999999999999999", -1},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint64_t seconds = 77;
		const bool is_date = fg_cookie_date(cases[i].text, strlen(cases[i].text), &seconds);

		assert_int_equal(is_date, cases[i].expected >= 0);
		assert_int_equal(seconds, is_date ? (uint64_t)cases[i].expected : 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_gets_it),
		cmocka_unit_test(test_order_and_replacement),
		cmocka_unit_test(test_time_passes),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_memory_is_reused),
		cmocka_unit_test(test_copy_and_get),
		cmocka_unit_test(test_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
