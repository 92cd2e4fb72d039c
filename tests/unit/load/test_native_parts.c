/* SPDX-License-Identifier: Apache-2.0 */
/* What engine_native sends and refuses, and its translation of kernel stamps. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/load/native_names.h"
#include "tests/unit/load/native_kit.h"

static const struct {
	const char *method, *url, *headers[2], *body, *cookie, *sent;
} sent_cases[] = {
	{"GET",
	 "%s/x?y=1#z",
	 {NULL},
	 NULL,
	 NULL,
	 "GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: flamegate/" FG_VERSION
	 "\r\n\r\n"},
	{"GET",
	 "%s",
	 {"User-Agent: me", "accept: a"},
	 NULL,
	 NULL,
	 "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: me\r\naccept: a\r\n\r\n"},
	{"GET",
	 "%s?q",
	 {"Host: other", "User-Agent: me"},
	 NULL,
	 "a=b; c=d",
	 "GET /?q HTTP/1.1\r\nHost: other\r\nUser-Agent: me\r\n"
	 "Cookie: a=b; c=d\r\n\r\n"},
	{"POST",
	 "%s/",
	 {"Accept: a", "User-Agent: me"},
	 NULL,
	 NULL,
	 "POST / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\nUser-Agent: me\r\n"
	 "Content-Length: 0\r\n\r\n"},
	{"DELETE",
	 "%s/a/../b",
	 {"Accept: a", "User-Agent: me"},
	 NULL,
	 NULL,
	 "DELETE /a/../b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\n"
	 "User-Agent: me\r\n\r\n"},
	{"PUT",
	 "%s/",
	 {"Accept: a", "User-Agent: me"},
	 "body",
	 "x=y",
	 "PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\nUser-Agent: me\r\n"
	 "Content-Length: 4\r\nCookie: x=y\r\n\r\nbody"},
	{"PUT",
	 "%s/",
	 {"Transfer-Encoding: chunked", "User-Agent: me"},
	 "body",
	 NULL,
	 "PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	 "Transfer-Encoding: chunked\r\nUser-Agent: me\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
};

static void test_what_is_sent(void **state)
{

	(void)state;
	for (size_t i = 0; i < 2 * FG_ARRAY_LEN(sent_cases); i++) {
		static const struct script scripts[2] = {{"wsh", {OK}}};
		const size_t c = i / 2;
		struct peer *peer = malloc(sizeof(*peer));
		struct client client;
		struct fg_engine_request request;
		char base[64], sent[512];
		size_t headers = 0;

		assert_non_null(peer);
		peer_start(peer, scripts);
		client_start(&client, peer->port);
		snprintf(base, sizeof(base), "http://127.0.0.1:%u", peer->port);
		snprintf(client.url, sizeof(client.url), "%s%s", base, sent_cases[c].url + 2);
		snprintf(sent, sizeof(sent), "%s", sent_cases[c].sent);
		if (strstr(sent, "%u"))
			snprintf(sent, sizeof(sent), "%.*s%u%s",
				 (int)(strstr(sent_cases[c].sent, "%u") - sent_cases[c].sent),
				 sent_cases[c].sent, peer->port,
				 strstr(sent_cases[c].sent, "%u") + 2);
		request = request_of(&client, sent_cases[c].method);
		request.constant_key = i % 2 ? &sent_cases[c] : NULL;
		while (headers < 2 && sent_cases[c].headers[headers])
			headers++;
		request.headers = sent_cases[c].headers;
		request.header_count = headers;
		request.body = sent_cases[c].body;
		request.body_len = sent_cases[c].body ? strlen(sent_cases[c].body) : 0;
		request.cookie = sent_cases[c].cookie;
		assert_int_equal(start(&client, 0, &request), 0);
		assert_int_equal(finish(&client, 0)->error, FG_NET_OK);
		assert_int_equal(client.replies[0].response.sent_bytes, strlen(sent));
		assert_int_equal(client.replies[0].response.received_bytes, strlen(OK));
		assert_int_equal(client.replies[0].response.http_version, 11);
		assert_string_equal(client.replies[0].head, "Content-Length: 5\r\n");
		client_stop(&client);
		peer_stop(peer);
		assert_string_equal(peer->connections[0].request, sent);
		free(peer);
	}
}

static void test_refused_by_start(void **state)
{
	static const struct {
		const char *method, *url, *header, *cookie;
	} cases[] = {
		{"GET", "ftp://127.0.0.1/", NULL, NULL},
		{"GET", "/relative", NULL, NULL},
		{"GET", "http://", NULL, NULL},
		{"GET", "http:///x", NULL, NULL},
		{"GET", "http://a b/", NULL, NULL},
		{"GET", "http://127.0.0.1:0/", NULL, NULL},
		{"GET", "http://127.0.0.1:65536/", NULL, NULL},
		{"GET", "http://127.0.0.1:1x/", NULL, NULL},
		{"GET", "http://[::1/", NULL, NULL},
		{"GET", "http://[::1]x/", NULL, NULL},
		{"GET", "http://127.0.0.1:1/a b", NULL, NULL},
		{"GET", "http://127.0.0.1:1/a\r\nX: y", NULL, NULL},
		{"G ET", "http://127.0.0.1:1/", NULL, NULL},
		{"", "http://127.0.0.1:1/", NULL, NULL},
		{"CONNECT", "http://127.0.0.1:1/", NULL, NULL},
		{"GET", "http://127.0.0.1:1/", "A: b\r\nC: d", NULL},
		{"GET", "http://127.0.0.1:1/", NULL, "a=b\r\nC: d"},
	};
	struct client client;

	(void)state;
	client_start(&client, 1);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_engine_request request = request_of(&client, cases[i].method);

		request.url = cases[i].url;
		request.headers = &cases[i].header;
		request.header_count = cases[i].header ? 1 : 0;
		request.cookie = cases[i].cookie;
		if (start(&client, 0, &request) != -FG_E_INVALID)
			fail_msg("case %zu: %s %s was not refused", i, cases[i].method,
				 cases[i].url);
	}
	client_stop(&client);
}

static void test_refuses(void **state)
{
	static const struct {
		enum fg_http_version version;
		const char *proxy, *url;
		enum fg_auth_kind auth;
		bool refused;
	} cases[] = {
		{FG_HTTP_AUTO, NULL, "http://a/", FG_AUTH_NONE, false},
		{FG_HTTP_AUTO, "", "HTTP://a/", FG_AUTH_NONE, false},
		{FG_HTTP_1_1, NULL, "https://a/", FG_AUTH_NONE, false},
		{FG_HTTP_1_1, NULL, "{{ vars.url }}", FG_AUTH_NONE, false},
		{FG_HTTP_AUTO, NULL, "https://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, "{{ vars.url }}", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, NULL, FG_AUTH_NONE, true},
		{FG_HTTP_2, NULL, "https://a/", FG_AUTH_NONE, true},
		{FG_HTTP_H2C, NULL, "http://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, "http://p:1", "http://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, "http://a/", FG_AUTH_DIGEST, true},
		{FG_HTTP_1_1, NULL, "http://a/", FG_AUTH_SIGV4, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_http_options http = {.version = cases[i].version};
		char proxy[32] = "";

		snprintf(proxy, sizeof(proxy), "%s", cases[i].proxy ? cases[i].proxy : "");
		http.proxy = cases[i].proxy ? proxy : NULL;
		http.auth.kind = cases[i].auth;
		if ((fg_engine_native.refuses(&http, cases[i].url) != NULL) != cases[i].refused)
			fail_msg("case %zu", i);
	}
}

/* -- the clock --------------------------------------------------------------------------------- */

static uint64_t pretended_ns, wall_offset_ns;

static uint64_t pretend_monotonic(void)
{
	return pretended_ns;
}

static uint64_t pretend_realtime(void)
{
	return pretended_ns + wall_offset_ns;
}

static void test_clock(void **state)
{
	struct fg_native_clock clock;
	const uint64_t s = FG_NS_PER_S;

	(void)state;
	fg_native_clock_init(&clock);
	clock.monotonic = pretend_monotonic;
	clock.realtime = pretend_realtime;
	pretended_ns = 100 * s;
	wall_offset_ns = 1000000 * s;
	assert_int_equal(fg_native_clock_translate(&clock, 0, 0, 100 * s), 0);
	assert_int_equal(clock.refused, 0);
	/* In between, and both ends. */
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s,
						   100 * s),
			 99 * s);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 98 * s, 98 * s,
						   100 * s),
			 98 * s);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s, 98 * s,
						   100 * s),
			 100 * s);
	/* Before the send, after now. */
	assert_int_equal(
		fg_native_clock_translate(&clock, wall_offset_ns + 98 * s - 1, 98 * s, 100 * s), 0);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s + 1, 98 * s,
						   100 * s),
			 0);
	assert_int_equal(clock.refused, 2);
	assert_int_equal(clock.steps, 0);
	/* Somebody sets the wall clock back: one stamp is lost, the next is right. */
	wall_offset_ns -= 10 * s;
	assert_int_equal(
		fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s, 100 * s), 0);
	assert_int_equal(clock.refused, 3);
	assert_int_equal(clock.steps, 1);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s,
						   100 * s),
			 99 * s);
	/* A small step is seen at the next check, before it is used. */
	wall_offset_ns += s / 2;
	pretended_ns = 101 * s;
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s, 99 * s,
						   101 * s),
			 100 * s);
	assert_int_equal(clock.steps, 2);
	assert_int_equal(clock.refused, 3);
}

/* -- names ------------------------------------------------------------------------------------- */

enum { WAITERS = 5 };

struct asker {
	struct fg_native_waiter waiter; /* first: a waiter is its asker */
	struct fg_native_names *names;
	struct fg_native_name *name;
	struct asker *forgets; /* when it is told */
	unsigned told, again;
};

static void on_told(struct fg_native_waiter *waiter, int failure)
{
	struct asker *asker = (struct asker *)(void *)waiter;
	struct fg_err err;

	assert_int_not_equal(failure, 0);
	asker->told++;
	if (asker->forgets)
		fg_native_name_forget(&asker->forgets->waiter);
	if (asker->told <= asker->again)
		assert_int_equal(
			fg_native_name_wait(asker->names, asker->name, &asker->waiter, &err), 0);
}

static void ask_all(struct fg_native_names *names, uv_loop_t *loop, struct asker *askers)
{
	struct fg_native_name *name;
	struct fg_err err;

	assert_int_equal(uv_loop_init(loop), 0);
	fg_native_names_init(names, loop);
	/* An empty label: refused without asking any server. */
	assert_int_equal(fg_native_names_entry(names, "a..b", &name, &err), 0);
	for (size_t i = 0; i < WAITERS; i++) {
		askers[i].waiter.on_name = on_told;
		askers[i].names = names;
		askers[i].name = name;
		assert_int_equal(fg_native_name_wait(names, name, &askers[i].waiter, &err), 0);
	}
}

static void end_names(struct fg_native_names *names, uv_loop_t *loop)
{
	fg_native_names_close(names);
	uv_run(loop, UV_RUN_DEFAULT);
	fg_native_names_done(names);
	assert_int_equal(uv_loop_close(loop), 0);
}

/* Who asks again at once must not get the others' turns. */
static void test_names_tell_everybody(void **state)
{
	struct asker askers[WAITERS] = {0};
	struct fg_native_names names;
	uv_loop_t loop;

	(void)state;
	for (size_t i = 0; i < WAITERS; i++)
		askers[i].again = 3;
	ask_all(&names, &loop, askers);
	while (!askers[0].told && !askers[WAITERS - 1].told)
		uv_run(&loop, UV_RUN_ONCE);
	for (size_t i = 0; i < WAITERS; i++)
		assert_int_equal(askers[i].told, 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < WAITERS; i++)
		assert_int_equal(askers[i].told, 4);
	end_names(&names, &loop);
}

static void test_names_forget_while_telling(void **state)
{
	struct asker askers[WAITERS] = {0};
	struct fg_native_names names;
	uv_loop_t loop;

	(void)state;
	askers[1].forgets = &askers[3];
	askers[3].forgets = &askers[1];
	ask_all(&names, &loop, askers);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(askers[1].told + askers[3].told, 1);
	for (size_t i = 0; i < WAITERS; i++)
		assert_int_equal(askers[i].told, i == 1 || i == 3 ? askers[i].told : 1);
	end_names(&names, &loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_refused_by_start),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_names_tell_everybody),
		cmocka_unit_test(test_names_forget_while_telling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
