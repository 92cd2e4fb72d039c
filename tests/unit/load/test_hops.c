/* SPDX-License-Identifier: Apache-2.0 */
/* Redirects, the jar, coded bodies and the times of a request, on one VU. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>

#include <zlib.h>

#include "gate/base/clock.h"
#include "tests/unit/load/tree_kit.h"

#define HEAD         "version: 1\nname: t\ntarget: { url: 'http://h/base' }\n"
#define SCENARIO     "scenarios:\n  s:\n    executor: per-vu-iterations\n"
#define STEPS(steps) HEAD SCENARIO "    steps:\n" steps

#define POST_STEP                                                                           \
	"      - post: { url: '%s', body: 'b', headers: { Authorization: secret, Host: v, " \
	"Content-Type: text/plain, X-A: 1 } }\n"

static void test_what_a_hop_asks(void **state)
{
	static const struct {
		uint16_t status;
		const char *from, *location, *method, *url, *body, *headers;
	} cases[] = {
		{301, "/p", "/x", "GET", "http://h/x", "", "Authorization: secret|Host: v|X-A: 1|"},
		{302, "/p", "x", "GET", "http://h/base/x", "",
		 "Authorization: secret|Host: v|X-A: 1|"},
		{303, "/p", "?q", "GET", "http://h/base/p?q", "",
		 "Authorization: secret|Host: v|X-A: 1|"},
		{307, "/p", "../x", "POST", "http://h/x", "b",
		 "Authorization: secret|Host: v|Content-Type: text/plain|X-A: 1|"},
		{308, "/p", "http://h/x", "POST", "http://h/x", "b",
		 "Authorization: secret|Host: v|Content-Type: text/plain|X-A: 1|"},
		{307, "/p", "http://h:81/x", "POST", "http://h:81/x", "b",
		 "Authorization: secret|Content-Type: text/plain|X-A: 1|"},
		{307, "/p", "//s.h/x", "POST", "http://s.h/x", "b",
		 "Authorization: secret|Content-Type: text/plain|X-A: 1|"},
		{307, "/p", "//i/x", "POST", "http://i/x", "b", "Content-Type: text/plain|X-A: 1|"},
		{307, "/p", "//bh/x", "POST", "http://bh/x", "b",
		 "Content-Type: text/plain|X-A: 1|"},
		{307, "https://h/p", "http://h/x", "POST", "http://h/x", "b",
		 "Content-Type: text/plain|X-A: 1|"},
		{307, "https://127.0.0.1/p", "//1.127.0.0.1/x", "POST", "https://1.127.0.0.1/x",
		 "b", "Authorization: secret|Content-Type: text/plain|X-A: 1|"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[1024], head[256];
		struct tree t;

		print_message("%u %s\n", cases[i].status, cases[i].location);
		snprintf(text, sizeof(text), STEPS(POST_STEP), cases[i].from);
		snprintf(head, sizeof(head), "Location: %s\r\n", cases[i].location);
		tree_open(&t, text);
		tree_begin(&t);
		tree_answer(&t, cases[i].status, head, NULL);
		assert_string_equal(tree_slot(&t, 0)->method, cases[i].method);
		assert_string_equal(tree_slot(&t, 0)->url, cases[i].url);
		assert_string_equal(tree_slot(&t, 0)->body, cases[i].body);
		assert_string_equal(tree_slot(&t, 0)->headers, cases[i].headers);
		assert_false(tree_slot(&t, 0)->constant);
		tree_answer(&t, 200, NULL, NULL);
		assert_int_equal(t.idle, 1);
		tree_begin(&t); /* the first hop is as if there had never been another */
		assert_string_equal(tree_slot(&t, 0)->method, "POST");
		assert_non_null(strstr(tree_slot(&t, 0)->headers, "Authorization"));
		tree_answer(&t, 200, NULL, NULL);
		tree_close(&t);
	}
}

/* What was left behind stays behind, also on the way back. */
static void test_secrets_do_not_come_back(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - get: { url: /a, headers: { Authorization: x } }\n"));
	tree_begin(&t);
	tree_answer(&t, 302, "Location: http://evil/\r\n", NULL);
	assert_null(strstr(tree_slot(&t, 0)->headers, "Authorization"));
	tree_answer(&t, 302, "Location: http://h/base/\r\n", NULL);
	assert_null(strstr(tree_slot(&t, 0)->headers, "Authorization"));
	tree_answer(&t, 200, NULL, NULL);
	tree_begin(&t);
	tree_answer(&t, 302, "Location: /x\r\n", NULL);
	assert_non_null(strstr(tree_slot(&t, 0)->headers, "Authorization"));
	tree_answer(&t, 200, NULL, NULL);
	tree_close(&t);
}

static void test_not_followed(void **state)
{
	static const struct {
		uint16_t status;
		const char *head;
		enum fg_net_error error;
	} cases[] = {
		{300, "Location: /x\r\n", FG_NET_OK},
		{304, "Location: /x\r\n", FG_NET_OK},
		{302, "", FG_NET_OK},
		{302, "Location: \r\n", FG_NET_OK},
		{302, "Location: ftp://h/\r\n", FG_NET_OK},
		{302, "Location: http://h:99999/\r\n", FG_NET_OK},
		{200, "Location: /x\r\n", FG_NET_OK},
		{302, "Location: /x\r\n", FG_NET_RESET},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct tree t;

		tree_open(&t, STEPS("      - get: /a\n"));
		tree_begin(&t);
		tree_respond(&t, 0,
			     &(struct fg_engine_response){.error = cases[i].error,
							  .status = cases[i].status,
							  .head = cases[i].head,
							  .head_len = strlen(cases[i].head),
							  .end_ns = fg_clock_monotonic_ns()});
		assert_int_equal(t.idle, 1);
		assert_int_equal(tree_requests(&t, "GET /a", ""), 1);
		tree_close(&t);
	}
}

static void test_hops_are_requests(void **state)
{
	struct fg_engine_response response = {
		.status = 302, .head = "Location: /n\r\n", .head_len = 14};
	struct fg_check_slice check;
	const struct fg_class_slice *half;
	struct tree t;
	uint64_t end_ns;

	(void)state;
	tree_open(&t, STEPS("      - get: { url: /a, maxRedirects: 2, checks: [ { name: ok, "
			    "status: 200 } ], capture: { v: { header: X-V } } }\n"
			    "      - get: '/b?{{ v }}'\n"));
	tree_begin(&t);
	response.end_ns = end_ns = fg_clock_monotonic_ns();
	tree_respond(&t, 0, &response);
	assert_int_equal(tree_slot(&t, 0)->due_ns, end_ns);
	tree_answer(&t, 303, "Location: /m\r\n", NULL);
	tree_answer(&t, 200, "X-V: 1\r\n", NULL);
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/b?1");
	tree_answer(&t, 200, NULL, NULL);
	assert_int_equal(tree_requests(&t, "GET /a", ""), 3);
	half = fg_slice_class(t.meter.slice, 0, true);
	assert_int_equal(half->requests, 3); /* 302 is no failure, as in k6 */
	assert_int_equal(half->statuses[302], 1);
	check = tree_check(&t, "ok");
	assert_int_equal(check.passes + check.fails, 1); /* only the last one is looked at */

	/* One hop too many: the last response stands. */
	tree_begin(&t);
	for (int i = 0; i < 2; i++)
		tree_answer(&t, 302, "Location: /n\r\n", NULL);
	tree_answer(&t, 302, "Location: /n\r\nX-V: 9\r\n", NULL);
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/b?9");
	tree_answer(&t, 200, NULL, NULL);
	assert_int_equal(tree_requests(&t, "GET /a", ""), 6);
	assert_int_equal(tree_check(&t, "ok").fails, 1);

	/* Cut between two hops. */
	tree_begin(&t);
	tree_answer(&t, 302, "Location: /n\r\n", NULL);
	fg_vu_cut(t.vu, fg_clock_monotonic_ns());
	assert_int_equal(t.idle, 3);
	assert_int_equal(tree_counts(&t)->interrupted, 1);
	assert_int_equal(tree_requests(&t, "GET /a", ""), 8);

	/* The second hop cannot be sent. */
	tree_begin(&t);
	t.engine.refuse = true;
	tree_answer(&t, 302, "Location: /n\r\n", NULL);
	assert_int_equal(t.idle, 4);
	assert_int_equal(fg_slice_class(t.meter.slice, 0, false)->errors[FG_NET_BAD_URL], 1);
	assert_true(t.vu->failed); /* nothing to capture */
	tree_close(&t);
}

static void test_cookies_travel(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - get: /login\n"
			    "      - get: { url: /own, headers: { Cookie: mine=1 } }\n"
			    "      - get: 'http://other/x'\n"
			    "      - get: /last\n"));
	tree_begin(&t);
	assert_false(tree_slot(&t, 0)->has_cookie);
	tree_answer(&t, 302,
		    "set-cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/base\r\n"
		    "Location: home\r\n",
		    NULL);
	assert_string_equal(tree_slot(&t, 0)->cookie, "b=2; a=1");
	tree_answer(&t, 500, "Set-Cookie: b=; Path=/base; Max-Age=0\r\n", NULL);
	assert_false(tree_slot(&t, 0)->has_cookie); /* the step's own header alone */
	assert_non_null(strstr(tree_slot(&t, 0)->headers, "Cookie: mine=1|"));
	tree_answer(&t, 200, NULL, NULL);
	assert_false(tree_slot(&t, 0)->has_cookie);
	tree_answer(&t, 200, "Set-Cookie: c=3; Domain=h\r\n", NULL);
	assert_string_equal(tree_slot(&t, 0)->cookie, "a=1");
	assert_true(tree_slot(&t, 0)->constant); /* the cookie is not part of it */
	tree_answer(&t, 200, NULL, NULL);
	tree_close(&t);
}

static size_t gzip(const char *plain, unsigned char *out, size_t room)
{
	unsigned char copy[256];
	z_stream stream = {.avail_in = (uInt)strlen(plain)};

	memcpy(copy, plain, strlen(plain));
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = copy;
	stream.next_out = out;
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	room = stream.total_out;
	deflateEnd(&stream);
	return room;
}

static void test_coded_bodies(void **state)
{
	static const char head[] = "Content-Encoding: gzip\r\n";
	unsigned char packed[512];
	union {
		const unsigned char *bytes;
		const char *text;
	} body = {.bytes = packed};
	struct fg_engine_response response = {
		.status = 200, .head = head, .head_len = sizeof(head) - 1, .body = body.text};
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - get: { url: /a, compression: true, capture: { v: "
			    "{ json: $.v } }, checks: [ { name: big, size: '>12B' } ] }\n"
			    "      - get: '/b?v={{ v }}'\n"));
	tree_begin(&t);
	assert_non_null(strstr(tree_slot(&t, 0)->headers, "Accept-Encoding: gzip, deflate|"));
	response.body_len = gzip("{\"v\":\"plain\"}", packed, sizeof(packed));
	response.end_ns = fg_clock_monotonic_ns();
	tree_respond(&t, 0, &response);
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/b?v=plain");
	assert_int_equal(tree_check(&t, "big").passes, 1);
	tree_answer(&t, 200, NULL, NULL);
	tree_begin(&t);
	response.body_len--;
	tree_respond(&t, 0, &response);
	assert_true(t.vu->failed);
	assert_int_equal(fg_slice_class(t.meter.slice, 0, false)->errors[FG_NET_DECOMPRESS], 1);
	tree_close(&t);
}

static uint64_t only(const struct fg_hist *hist)
{
	assert_int_equal(hist->count, 1);
	return fg_hist_percentile_ns(hist, 50);
}

static void near(uint64_t measured, uint64_t expected)
{
	assert_in_range(measured, expected - expected / 100, expected + expected / 100);
}

/* Our own wake-up is not the target's time; what starts late because of an earlier step is. */
static void test_times(void **state)
{
	struct tree t;
	const struct fg_class_slice *half;
	uint64_t due_ns;

	(void)state;
	tree_open(&t, STEPS("      - get: /a\n      - get: /b\n      - get: /c\n"));
	tree_begin(&t);
	due_ns = tree_slot(&t, 0)->due_ns;
	tree_respond(&t, 0,
		     &(struct fg_engine_response){.status = 200,
						  .send_ns = due_ns + 10000,
						  .waiting_ns = 80000,
						  .receiving_ns = 10000,
						  .kernel_end_ns = due_ns + 70000,
						  .end_ns = due_ns + 100000});
	half = fg_slice_class(t.meter.slice, 0, true);
	near(only(&half->trends[FG_TREND_RESPONSE_TIME]), 70000);
	near(only(&half->trends[FG_TREND_SERVICE_TIME]), 60000);
	near(only(&half->trends[FG_TREND_DURATION]), 90000);
	near(only(&half->trends[FG_TREND_WAKEUP]), 30000);
	assert_int_equal(tree_slot(&t, 0)->due_ns, due_ns + 100000); /* the user's end */
	tree_respond(&t, 0,
		     &(struct fg_engine_response){.status = 200,
						  .send_ns = due_ns + 110000,
						  .waiting_ns = 40000,
						  .end_ns = due_ns + 150000});
	half = fg_slice_class(t.meter.slice, 1, true);
	near(only(&half->trends[FG_TREND_RESPONSE_TIME]), 50000);
	near(only(&half->trends[FG_TREND_SERVICE_TIME]), 40000);
	assert_int_equal(half->trends[FG_TREND_WAKEUP].count, 0);
	/* A failed one has no last byte, whatever the kernel says. */
	tree_respond(&t, 0,
		     &(struct fg_engine_response){.error = FG_NET_TIMEOUT,
						  .kernel_end_ns = due_ns + 160000,
						  .end_ns = due_ns + 350000});
	half = fg_slice_class(t.meter.slice, 2, false);
	near(only(&half->trends[FG_TREND_RESPONSE_TIME]), 200000);
	assert_int_equal(half->trends[FG_TREND_RESPONSE_TIME].lower_bounds, 1);
	assert_int_equal(half->trends[FG_TREND_WAKEUP].count, 0);
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_hop_asks),
		cmocka_unit_test(test_secrets_do_not_come_back),
		cmocka_unit_test(test_not_followed),
		cmocka_unit_test(test_hops_are_requests),
		cmocka_unit_test(test_cookies_travel),
		cmocka_unit_test(test_coded_bodies),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
