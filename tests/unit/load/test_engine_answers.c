/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, what servers answer: every row on every engine, twice on the same VU. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "tests/unit/load/script_server.h"

enum then {
	THEN_KEEP,  /* the connection stays open for the next request */
	THEN_CLOSE, /* after the answer */
	THEN_RESET,
	THEN_HANG,
};

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

struct row {
	const char *name, *answer;
	enum then then;
	/* -- what is expected */
	enum fg_net_error error;
	uint16_t status;
	const char *body, *head; /* NULL: none, not looked at */
	unsigned connections;    /* of two requests; 0: not looked at (an engine may try again) */
	const char *method;      /* NULL: GET */
};

static const struct row rows[] = {
	/* -- bodies */
	{"length", OK_HEAD "Content-Length: 5\r\n\r\nhello", THEN_KEEP, FG_NET_OK, 200, "hello",
	 "Content-Length: 5\r\n", 1, NULL},
	{"length 0", OK_HEAD "Content-Length: 0\r\n\r\n", THEN_KEEP, FG_NET_OK, 200, "", NULL, 1,
	 NULL},
	{"chunks", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
	 THEN_KEEP, FG_NET_OK, 200, "hello", NULL, 1, NULL},
	{"chunks with extensions and trailers",
	 OK_HEAD "X-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "5;x=y\r\nhello\r\n0\r\nX-Trailer: z\r\n\r\n",
	 THEN_KEEP, FG_NET_OK, 200, "hello", "X-A: b\r\nTransfer-Encoding: chunked\r\n", 1, NULL},
	{"upper-case chunk sizes",
	 OK_HEAD "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", THEN_KEEP,
	 FG_NET_OK, 200, "0123456789", NULL, 1, NULL},
	{"until close", OK_HEAD "\r\nhello", THEN_CLOSE, FG_NET_OK, 200, "hello", "", 2, NULL},
	{"until close without a body", OK_HEAD "\r\n", THEN_CLOSE, FG_NET_OK, 200, "", "", 2, NULL},
	{"HTTP/1.0 with a length, left open", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	 THEN_KEEP, FG_NET_OK, 200, "hello", NULL, 2, NULL},
	{"HTTP/1.0 kept alive",
	 "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", THEN_KEEP,
	 FG_NET_OK, 200, "hello", NULL, 1, NULL},
	{"204", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", THEN_KEEP, FG_NET_OK, 204, "",
	 "X-A: b\r\n", 1, NULL},
	{"304 with the length of what it did not send",
	 "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", THEN_KEEP, FG_NET_OK, 304, "",
	 NULL, 1, NULL},
	{"HEAD", OK_HEAD "Content-Length: 500\r\n\r\n", THEN_KEEP, FG_NET_OK, 200, "",
	 "Content-Length: 500\r\n", 1, "HEAD"},
	{"HEAD of chunks", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", THEN_KEEP, FG_NET_OK, 200,
	 "", NULL, 1, "HEAD"},
	{"Connection: close", OK_HEAD "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
	 THEN_CLOSE, FG_NET_OK, 200, "hello", NULL, 2, NULL},
	{"Connection: close, left open",
	 OK_HEAD "Connection: close\r\nContent-Length: 5\r\n\r\nhello", THEN_HANG, FG_NET_OK, 200,
	 "hello", NULL, 2, NULL},
	{"idle connection closed", OK_HEAD "Content-Length: 5\r\n\r\nhello", THEN_CLOSE, FG_NET_OK,
	 200, "hello", NULL, 2, NULL},
	{"idle connection reset", OK_HEAD "Content-Length: 5\r\n\r\nhello", THEN_RESET, FG_NET_OK,
	 200, "hello", NULL, 2, NULL},
	{"more than was announced", OK_HEAD "Content-Length: 5\r\n\r\nhelloHTTP/1.1 500 No\r\n\r\n",
	 THEN_HANG, FG_NET_OK, 200, "hello", NULL, 2, NULL},
	/* libcurl drops it and goes on, which a server that closes does not show. */
	{"something after the last chunk",
	 OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 500 No\r\n\r\n",
	 THEN_CLOSE, FG_NET_OK, 200, "hello", NULL, 2, NULL},
	/* -- heads */
	{"100 first", "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 5\r\n\r\nhello",
	 THEN_KEEP, FG_NET_OK, 200, "hello", "Content-Length: 5\r\n", 1, NULL},
	{"103 first",
	 "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK_HEAD "Content-Length: 5\r\n\r\nhello",
	 THEN_KEEP, FG_NET_OK, 200, "hello", "Content-Length: 5\r\n", 1, NULL},
	{"spellings", OK_HEAD "content-length:5\r\nX-a:  b c \t\r\nX-Empty:\r\n\r\nhello",
	 THEN_KEEP, FG_NET_OK, 200, "hello", "content-length: 5\r\nX-a: b c\r\nX-Empty: \r\n", 1,
	 NULL},
	{"cookies", OK_HEAD "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n\r\n",
	 THEN_KEEP, FG_NET_OK, 200, "",
	 "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n", 1, NULL},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", THEN_KEEP, FG_NET_OK, 200,
	 "hello", NULL, 1, NULL},
	/* -- statuses are not judged, redirects not followed */
	{"302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", THEN_KEEP,
	 FG_NET_OK, 302, "", "Location: /x\r\nContent-Length: 0\r\n", 1, NULL},
	{"308", "HTTP/1.1 308 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", THEN_KEEP,
	 FG_NET_OK, 308, "", NULL, 1, "POST"},
	{"401", "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
	 THEN_KEEP, FG_NET_OK, 401, "", NULL, 1, NULL},
	{"404", "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!", THEN_KEEP, FG_NET_OK, 404,
	 "no!", NULL, 1, NULL},
	{"500", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", THEN_KEEP, FG_NET_OK, 500, "",
	 NULL, 1, NULL},
	{"599", "HTTP/1.1 599 ?\r\nContent-Length: 0\r\n\r\n", THEN_KEEP, FG_NET_OK, 599, "", NULL,
	 1, NULL},
	/* -- what is not HTTP */
	{"garbage", "\x01\x02 this is not a server you want\r\n\r\n", THEN_CLOSE,
	 FG_NET_BAD_RESPONSE, 0, NULL, NULL, 2, NULL},
	{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n", THEN_CLOSE, FG_NET_BAD_RESPONSE, 0, NULL,
	 NULL, 2, NULL},
	{"a negative length", OK_HEAD "Content-Length: -5\r\n\r\nhello", THEN_CLOSE,
	 FG_NET_BAD_RESPONSE, 200, NULL, NULL, 2, NULL},
	{"a length beyond everything",
	 OK_HEAD "Content-Length: 99999999999999999999999\r\n\r\nhello", THEN_CLOSE,
	 FG_NET_BAD_RESPONSE, 200, NULL, NULL, 2, NULL},
	{"a chunk without a size", OK_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", THEN_HANG,
	 FG_NET_BAD_RESPONSE, 200, NULL, NULL, 2, NULL},
	{"a chunk size beyond everything",
	 OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", THEN_HANG,
	 FG_NET_BAD_RESPONSE, 200, NULL, NULL, 2, NULL},
	/* -- what ends too early */
	{"nothing", "", THEN_CLOSE, FG_NET_RESET, 0, NULL, NULL, 2, NULL},
	{"reset", "", THEN_RESET, FG_NET_RESET, 0, NULL, NULL, 2, NULL},
	{"half a status line", "HTTP/1.", THEN_CLOSE, FG_NET_RESET, 0, NULL, NULL, 2, NULL},
	{"half a head", OK_HEAD "Content-Le", THEN_CLOSE, FG_NET_RESET, 200, NULL, NULL, 2, NULL},
	{"half a body", OK_HEAD "Content-Length: 500\r\n\r\nhello", THEN_CLOSE, FG_NET_RESET, 200,
	 NULL, NULL, 2, NULL},
	{"half a body, reset", OK_HEAD "Content-Length: 500\r\n\r\nhello", THEN_RESET, FG_NET_RESET,
	 200, NULL, NULL, 2, NULL},
	{"half a chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n50\r\nhello", THEN_CLOSE,
	 FG_NET_RESET, 200, NULL, NULL, 2, NULL},
	{"no last chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", THEN_CLOSE,
	 FG_NET_RESET, 200, NULL, NULL, 2, NULL},
	{"only a 100", "HTTP/1.1 100 Continue\r\n\r\n", THEN_CLOSE, FG_NET_RESET, 0, NULL, NULL, 2,
	 NULL},
};

static void serve_row(struct script_peer *peer)
{
	const struct row *row = peer->server->context;

	while (script_read(peer)) {
		script_text(peer, row->answer);
		if (row->then == THEN_HANG)
			script_hang(peer);
		if (row->then == THEN_RESET)
			script_reset(peer);
		if (row->then != THEN_KEEP)
			return;
	}
}

/* Blanks around a value mean nothing: without them. */
static void normalise(const char *head, char *out, size_t max)
{
	size_t len = 0;

	while (*head && len + 3 < max) {
		const size_t line = strcspn(head, "\r"), name = strcspn(head, ":") + 1;
		const size_t blank = strspn(head + name, " \t");
		size_t end = line;

		while (end > name + blank && strchr(" \t", head[end - 1]))
			end--;
		len += (size_t)snprintf(out + len, max - len, "%.*s%.*s\r\n", (int)name, head,
					(int)(end - FG_MIN(end, name + blank)),
					head + name + blank);
		head += line + 2;
	}
	out[len] = '\0';
}

static bool same_head(const char *a, const char *b)
{
	char left[512], right[512];

	normalise(a, left, sizeof(left));
	normalise(b, right, sizeof(right));
	return !strcmp(left, right);
}

static void look(const char *engine, const struct row *row, const struct rig_reply *reply)
{
	const struct fg_engine_response *r = &reply->response;

	if (r->error != row->error || (row->status && r->status != row->status))
		fail_msg("%s, \"%s\": error %s (%s), status %u", engine, row->name,
			 fg_net_error_name(r->error), r->error_text, r->status);
	if (row->body && (r->body_len != strlen(row->body) || strcmp(r->body, row->body) != 0))
		fail_msg("%s, \"%s\": body \"%s\"", engine, row->name, r->body);
	if (row->head && !same_head(r->head, row->head))
		fail_msg("%s, \"%s\": head \"%s\"", engine, row->name, r->head);
}

static void run_row(const struct fg_engine_ops *ops, const struct row *row)
{
	struct script_server server = {.serve = serve_row};
	union {
		const struct row *in;
		void *out;
	} context = {.in = row};
	struct rig_reply reply;
	struct rig rig;
	char url[64];

	server.context = context.out;
	script_start(&server);
	rig_open(&rig, ops, 1);
	rig.what = row->name;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	for (unsigned i = 0; i < 2; i++) {
		const struct fg_engine_request request =
			rig_request(&rig, row->method ? row->method : "GET", url);

		/* What the server did after its answer must have arrived. */
		if (i && row->then != THEN_KEEP)
			script_pause_ms(5);
		rig_run(&rig, &request, &reply);
		look(ops->name, row, &reply);
		if (i && row->connections)
			assert_int_equal(reply.response.reused, row->connections == 1);
		rig_forget(&reply);
	}
	rig_close(&rig);
	script_stop(&server);
	if (row->connections && atomic_load(&server.connections) != row->connections)
		fail_msg("%s, \"%s\": %u connections", ops->name, row->name,
			 atomic_load(&server.connections));
}

static void test_answers(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++)
			run_row(engine_rig_all[e], &rows[i]);
	}
}

/* The same answers byte by byte: no engine may depend on how they are cut. */
static void serve_bytes(struct script_peer *peer)
{
	const struct row *row = peer->server->context;

	while (script_read(peer)) {
		for (const char *c = row->answer; *c; c++)
			script_say(peer, c, 1);
		if (row->then == THEN_HANG)
			script_hang(peer);
		if (row->then == THEN_RESET)
			script_reset(peer);
		if (row->then != THEN_KEEP)
			return;
	}
}

static void test_answers_in_bytes(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++) {
			const struct row *row = &rows[i];
			union {
				const struct row *in;
				void *out;
			} context = {.in = row};
			struct script_server server = {.serve = serve_bytes,
						       .context = context.out};
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			const struct fg_engine_request request =
				rig_request(&rig, row->method ? row->method : "GET", url);

			rig_run(&rig, &request, &reply);
			look(engine_rig_all[e]->name, row, &reply);
			rig_forget(&reply);
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

/* -- sizes --------------------------------------------------------------------------------------
 */

struct size_case {
	size_t headers, header_len; /* so many header lines of this length */
	size_t body;
	bool want;
	enum fg_net_error error;
};

static void serve_size(struct script_peer *peer)
{
	const struct size_case *c = peer->server->context;
	char *block = malloc(1 << 20);

	assert_non_null(block);
	memset(block, 'x', 1 << 20);
	while (script_read(peer)) {
		char line[64];
		bool ok = script_text(peer, OK_HEAD);

		for (size_t i = 0; i < c->headers && ok; i++)
			ok = script_text(peer, "X-H: ") &&
			     script_say(peer, block, c->header_len - 7) &&
			     script_text(peer, "\r\n");
		snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", c->body);
		ok = ok && script_text(peer, line);
		for (size_t sent = 0; sent < c->body && ok; sent += 1 << 20)
			ok = script_say(peer, block, FG_MIN(c->body - sent, (size_t)1 << 20));
		if (!ok)
			break;
	}
	free(block);
}

static void run_size(const struct fg_engine_ops *ops, size_t number, const struct size_case *c)
{
	union {
		const struct size_case *in;
		void *out;
	} context = {.in = c};
	struct script_server server = {.serve = serve_size, .context = context.out};
	struct fg_engine_request request;
	struct rig_reply reply;
	struct rig rig;
	char url[64];

	script_start(&server);
	rig_open(&rig, ops, 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	request = rig_request(&rig, "GET", url);
	request.want_body = c->want;
	rig_run(&rig, &request, &reply);
	if (reply.response.error != c->error)
		fail_msg("%s, case %zu: %s (%s)", ops->name, number,
			 fg_net_error_name(reply.response.error), reply.response.error_text);
	if (!c->error) {
		assert_true(reply.response.received_bytes > c->body + c->headers * c->header_len);
		assert_true(reply.response.received_bytes <
			    c->body + c->headers * c->header_len + 100);
		assert_int_equal(reply.response.body_len, c->want ? c->body : 0);
		assert_int_equal(reply.response.body != NULL, c->want);
	}
	rig_forget(&reply);
	/* The VU is good for another one. */
	rig_get(&rig, "http://127.0.0.1:1/", &reply);
	assert_int_equal(reply.response.error, FG_NET_REFUSED);
	rig_forget(&reply);
	rig_close(&rig);
	script_stop(&server);
}

static void test_sizes(void **state)
{
	static const struct size_case cases[] = {
		{0, 0, 0, true, FG_NET_OK},
		{0, 0, 1 << 20, true, FG_NET_OK},
		{0, 0, FG_ENGINE_BODY_MAX, true, FG_NET_OK},
		{0, 0, FG_ENGINE_BODY_MAX + 1, true, FG_NET_BAD_RESPONSE},
		{0, 0, FG_ENGINE_BODY_MAX + 1, false, FG_NET_OK},
		{0, 0, 40 << 20, false, FG_NET_OK},
		{100, 100, 10, true, FG_NET_OK},
		{1, 8 << 10, 10, true, FG_NET_OK},
		{20, 4 << 10, 10, true, FG_NET_OK},
		{400, 1 << 10, 10, true, FG_NET_BAD_RESPONSE},
		{1, 500 << 10, 10, true, FG_NET_BAD_RESPONSE},
	};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
			run_size(engine_rig_all[e], i, &cases[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_in_bytes),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
