/* SPDX-License-Identifier: Apache-2.0 */
/* The response parser: every case whole, byte by byte and cut in two at each place. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/load/http1_reader.h"

enum { BODY_MAX = 1 << 20 };

struct outcome {
	enum fg_http1_event event;
	uint16_t status;
	bool reusable;
	size_t used, head_len, body_len;
	char head[1024], body[1024];
	const char *fault;
};

/* Feeds in pieces from one fresh copy each, as a socket's buffer would be reused. */
static void feed(const char *text, size_t len, size_t first, size_t step, bool head_request,
		 bool ends, struct outcome *out)
{
	struct fg_http1_pool pool = {0};
	struct fg_http1_reader reader;
	enum fg_http1_event event = FG_HTTP1_MORE;
	size_t at = 0, used;
	char *head = NULL;

	memset(out, 0, sizeof(*out));
	fg_http1_reader_init(&reader, &pool, head_request, BODY_MAX);
	while (at < len && event == FG_HTTP1_MORE) {
		const size_t piece = FG_MIN(at ? step : first, len - at);
		char *copy = malloc(piece);

		assert_non_null(copy);
		memcpy(copy, text + at, piece);
		event = fg_http1_read(&reader, copy, piece, &used);
		assert_true(used <= piece);
		assert_true(event != FG_HTTP1_MORE || used == piece);
		at += used;
		if (event == FG_HTTP1_END) {
			snprintf(out->head, sizeof(out->head), "%s", reader.head);
			snprintf(out->body, sizeof(out->body), "%.*s", (int)reader.body_len,
				 reader.body ? reader.body : "");
		}
		memset(copy, '#', piece); /* nobody may look at it again … */
		free(copy);
	}
	if (event == FG_HTTP1_MORE && ends) {
		event = fg_http1_read_eof(&reader);
		head = reader.head; /* … and this must be our own */
		if (event == FG_HTTP1_END)
			snprintf(out->head, sizeof(out->head), "%s", head);
		if (event == FG_HTTP1_END && reader.body)
			snprintf(out->body, sizeof(out->body), "%.*s", (int)reader.body_len,
				 reader.body);
	}
	out->event = event;
	out->status = reader.parser.status;
	out->fault = reader.parser.fault;
	out->used = event == FG_HTTP1_END ? at : 0;
	if (event == FG_HTTP1_END) {
		out->head_len = reader.head_len;
		out->body_len = reader.body_len;
		out->reusable = fg_http1_reusable(&reader.parser);
		assert_int_equal(strlen(out->head), out->head_len);
	}
	fg_http1_reader_done(&reader);
	fg_http1_pool_done(&pool);
}

static void same(const struct outcome *a, const struct outcome *b, const char *text, size_t cut)
{
	if (a->event != b->event || a->status != b->status || a->used != b->used ||
	    a->body_len != b->body_len || a->head_len != b->head_len ||
	    a->reusable != b->reusable || strcmp(a->head, b->head) != 0 ||
	    strcmp(a->body, b->body) != 0)
		fail_msg("cut at %zu: %d/%d status %u/%u used %zu/%zu in %s", cut, a->event,
			 b->event, a->status, b->status, a->used, b->used, text);
}

static void read_text(const char *text, size_t len, bool head_request, bool ends,
		      struct outcome *out)
{
	struct outcome other;

	feed(text, len, len, len, head_request, ends, out);
	feed(text, len, 1, 1, head_request, ends, &other);
	same(out, &other, text, 1);
	for (size_t cut = 1; cut < len; cut++) {
		feed(text, len, cut, len, head_request, ends, &other);
		same(out, &other, text, cut);
	}
}

#define OK       "HTTP/1.1 200 OK\r\n"
#define CHUNKED  OK "Transfer-Encoding: chunked\r\n\r\n"
#define LENGTH_5 OK "Content-Length: 5\r\n\r\n"

static const struct {
	const char *text;
	uint16_t status;
	const char *head, *body;
	bool reusable;
	enum { PLAIN, HEAD_REQUEST = 1, ENDS = 2 } how;
	size_t left; /* bytes after the response */
} complete_cases[] = {
	{LENGTH_5 "hello", 200, "Content-Length: 5\r\n", "hello", true, PLAIN, 0},
	{LENGTH_5 "helloworld", 200, "Content-Length: 5\r\n", "hello", true, PLAIN, 5},
	{"HTTP/1.1 404 \r\nContent-Length:0\r\n\r\n", 404, "Content-Length:0\r\n", "", true, PLAIN,
	 0},
	{"HTTP/1.1 200\r\ncontent-length: \t 1 \t\r\n\r\nx", 200, "content-length: \t 1 \t\r\n",
	 "x", true, PLAIN, 0},
	{OK "\r\nall of it", 200, "", "all of it", false, ENDS, 0},
	{OK "\r\n", 200, "", "", false, ENDS, 0},
	{"HTTP/1.0 200 OK\r\nA: b\r\n\r\nold", 200, "A: b\r\n", "old", false, ENDS, 0},
	{"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", 200, "Content-Length: 3\r\n", "old",
	 false, PLAIN, 0},
	{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nold", 200,
	 "Connection: Keep-Alive\r\nContent-Length: 3\r\n", "old", true, PLAIN, 0},
	{OK "Connection: foo, CLOSE\r\nContent-Length: 1\r\n\r\nx", 200,
	 "Connection: foo, CLOSE\r\nContent-Length: 1\r\n", "x", false, PLAIN, 0},
	{OK "Connection: foo\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", 200,
	 "Connection: foo\r\nConnection: close\r\nContent-Length: 1\r\n", "x", false, PLAIN, 0},
	{OK "Connection: closed\r\nContent-Length: 1\r\n\r\nx", 200,
	 "Connection: closed\r\nContent-Length: 1\r\n", "x", true, PLAIN, 0},
	{"HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", 204, "Content-Length: 9\r\n", "", true,
	 PLAIN, 0},
	{"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", 304,
	 "Transfer-Encoding: chunked\r\n", "", true, PLAIN, 0},
	{LENGTH_5, 200, "Content-Length: 5\r\n", "", true, HEAD_REQUEST, 0},
	{CHUNKED, 200, "Transfer-Encoding: chunked\r\n", "", true, HEAD_REQUEST, 0},
	{"HTTP/1.1 100 Continue\r\n\r\n" LENGTH_5 "hello", 200, "Content-Length: 5\r\n", "hello",
	 true, PLAIN, 0},
	{"HTTP/1.1 103 Early\r\nLink: <a>\r\nConnection: close\r\n\r\n" LENGTH_5 "hello", 200,
	 "Content-Length: 5\r\n", "hello", true, PLAIN, 0},
	{"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nnot http", 101, "Upgrade: x\r\n", "", false,
	 PLAIN, 8},
	{CHUNKED "5\r\nhello\r\n0\r\n\r\n", 200, "Transfer-Encoding: chunked\r\n", "hello", true,
	 PLAIN, 0},
	{CHUNKED "5\r\nhello\r\n1;a=b;c=\"d\"\r\n!\r\n0\r\n\r\nmore", 200,
	 "Transfer-Encoding: chunked\r\n", "hello!", true, PLAIN, 4},
	{CHUNKED "00a\r\n0123456789\r\nB \r\n0123456789a\r\n000;x\r\n\r\n", 200,
	 "Transfer-Encoding: chunked\r\n", "01234567890123456789a", true, PLAIN, 0},
	{CHUNKED "1\r\nx\r\n0\r\nA: b\r\nCd:\r\n\r\n", 200, "Transfer-Encoding: chunked\r\n", "x",
	 true, PLAIN, 0},
	{OK "TRANSFER-ENCODING:  Chunked \r\n\r\n0\r\n\r\n", 200,
	 "TRANSFER-ENCODING:  Chunked \r\n", "", true, PLAIN, 0},
	/* A bare LF ends a line of the head; what is handed on has CRLF. */
	{"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi", 200, "A: b\r\nContent-Length: 2\r\n",
	 "hi", true, PLAIN, 0},
	{"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\nhi", 200,
	 "A: b\r\nContent-Length: 2\r\n", "hi", true, PLAIN, 0},
	{OK "A:\r\nB: \x80\xff:;\r\nContent-Length: 0\r\n\r\n", 200,
	 "A:\r\nB: \x80\xff:;\r\nContent-Length: 0\r\n", "", true, PLAIN, 0},
	{OK "Content-Lengthy: x\r\nX-Content-Length: y\r\nContent-Length: 0\r\n\r\n", 200,
	 "Content-Lengthy: x\r\nX-Content-Length: y\r\nContent-Length: 0\r\n", "", true, PLAIN, 0},
};

static void test_complete(void **state)
{

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(complete_cases); i++) {
		struct outcome out;
		const size_t len = strlen(complete_cases[i].text);

		read_text(complete_cases[i].text, len, complete_cases[i].how == HEAD_REQUEST,
			  complete_cases[i].how == ENDS, &out);
		if (out.event != FG_HTTP1_END)
			fail_msg("case %zu: event %d, %s", i, out.event,
				 out.fault ? out.fault : "no fault");
		assert_int_equal(out.status, complete_cases[i].status);
		assert_string_equal(out.head, complete_cases[i].head);
		assert_string_equal(out.body, complete_cases[i].body);
		assert_int_equal(out.reusable, complete_cases[i].reusable);
		assert_int_equal(out.used, len - complete_cases[i].left);
	}
}

static const struct {
	const char *text, *fault;
	uint16_t status;
} refused_cases[] = {
	{"X", "status line", 0},
	{"\r\n", "status line", 0},
	{"\r\n" LENGTH_5 "hello", "status line", 0},
	{"HTTP/1.1 2x0 OK\r\n\r\n", "status line", 0},
	{"HTTP/1.1 20 OK\r\n\r\n", "status line", 0},
	{"HTTP/1.1 2000\r\n\r\n", "status line", 0},
	{"HTTP/1.1 099 OK\r\n\r\n", "status line", 0},
	{"HTTP/1.1  200 OK\r\n\r\n", "status line", 0},
	{"HTTP/1.1\t200 OK\r\n\r\n", "status line", 0},
	{"HTTP/1.2 200 OK\r\n\r\n", "status line", 0},
	{"HTTP/2.0 200 OK\r\n\r\n", "status line", 0},
	{"HTTP/2 200\r\n\r\n", "status line", 0},
	{"http/1.1 200 OK\r\n\r\n", "status line", 0},
	{"ICY 200 OK\r\n\r\n", "status line", 0},
	{"<html>", "status line", 0},
	{"SSH-2.0-OpenSSH\r\n", "status line", 0},
	{OK "A: b\r\n c\r\n\r\n", "folded", 200},
	{OK "\tA: b\r\n\r\n", "folded", 200},
	{OK ": b\r\n\r\n", "valid name", 200},
	{OK "A b: c\r\n\r\n", "valid name", 200},
	{OK "A : b\r\n\r\n", "valid name", 200},
	{OK "A\r\n\r\n", "valid name", 200},
	{OK "A(: b\r\n\r\n", "valid name", 200},
	{OK "A\x80: b\r\n\r\n", "valid name", 200},
	{OK "A: b\rc\r\n\r\n", "bare CR", 200},
	{OK "A: b\r\r\n\r\n", "bare CR", 200},
	{OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "twice", 200},
	{OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "twice", 200},
	{OK "Content-Length: 5, 5\r\n\r\nhello", "not a number", 200},
	{OK "Content-Length: +5\r\n\r\nhello", "not a number", 200},
	{OK "Content-Length: -1\r\n\r\n", "not a number", 200},
	{OK "Content-Length: 0x5\r\n\r\n", "not a number", 200},
	{OK "Content-Length: 5 5\r\n\r\n", "not a number", 200},
	{OK "Content-Length:\r\n\r\n", "not a number", 200},
	{OK "Content-Length: 99999999999999999999\r\n\r\n", "not a number", 200},
	{OK "Content-Length: 1073741825\r\n\r\n", "1 GiB", 200},
	{OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "beside", 200},
	{OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "beside", 200},
	{OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "other than chunked", 200},
	{OK "Transfer-Encoding: identity\r\n\r\n", "other than chunked", 200},
	{OK "Transfer-Encoding: xchunked\r\n\r\n", "other than chunked", 200},
	{OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "twice", 200},
	{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0", 200},
	{CHUNKED "\r\n", "start with its size", 200},
	{CHUNKED "x\r\n", "start with its size", 200},
	{CHUNKED "-1\r\n", "start with its size", 200},
	{CHUNKED ";a\r\n", "start with its size", 200},
	{CHUNKED "5x\r\nhello", "no number", 200},
	{CHUNKED "0x5\r\nhello", "no number", 200},
	{CHUNKED "5\nhello", "no number", 200},
	{CHUNKED "5\rhello", "bare CR", 200},
	{CHUNKED "5;a\nhello", "bare LF", 200},
	{CHUNKED "00000000000000005\r\n", "16 digits", 200},
	{CHUNKED "ffffffffffffffff\r\n", "1 GiB", 200},
	{CHUNKED "40000001\r\n", "1 GiB", 200},
	{CHUNKED "5\r\nhello!\r\n", "longer than its size", 200},
	{CHUNKED "5\r\nhello\n0", "longer than its size", 200},
	{CHUNKED "5\r\nhello\rx", "bare CR", 200},
	{CHUNKED "0\r\nA b: c\r\n\r\n", "trailer line", 200},
	{CHUNKED "0\r\nA\r\n\r\n", "trailer line", 200},
	{CHUNKED "0\r\n: c\r\n\r\n", "trailer line", 200},
	{CHUNKED "0\r\n a: c\r\n\r\n", "trailer line", 200},
	{CHUNKED "0\r\nA: b\n\r\n", "bare LF", 200},
	{CHUNKED "0\r\nA: b\rx", "bare CR", 200},
	{CHUNKED "0\r\n\rx", "bare CR", 200},
	{"HTTP/1.1 100 C\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "beside",
	 100},
};

static void test_refused(void **state)
{

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(refused_cases); i++) {
		struct outcome out;

		read_text(refused_cases[i].text, strlen(refused_cases[i].text), false, true, &out);
		if (out.event != FG_HTTP1_BAD || !out.fault ||
		    !strstr(out.fault, refused_cases[i].fault))
			fail_msg("case %zu: event %d, \"%s\", not \"%s\"", i, out.event,
				 out.fault ? out.fault : "", refused_cases[i].fault);
		assert_int_equal(out.status, refused_cases[i].status);
	}
}

/* Not wrong, but the connection ended in the middle: no fault is named. */
static void test_cut_short(void **state)
{
	static const char *const cases[] = {
		"",
		"H",
		"HTTP/1.1 200 OK",
		OK,
		OK "A: b",
		OK "A: b\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		LENGTH_5 "hell",
		CHUNKED,
		CHUNKED "5",
		CHUNKED "5\r\nhello",
		CHUNKED "5\r\nhello\r\n",
		CHUNKED "5\r\nhello\r\n0\r\n",
		CHUNKED "0\r\nA: b\r\n",
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct outcome out;

		read_text(cases[i], strlen(cases[i]), false, false, &out);
		assert_int_equal(out.event, FG_HTTP1_MORE);
		read_text(cases[i], strlen(cases[i]), false, true, &out);
		assert_int_equal(out.event, FG_HTTP1_BAD);
		assert_null(out.fault);
	}
}

static void test_nul(void **state)
{
	static const struct {
		char text[80];
		size_t len;
	} cases[] = {
		{OK "A: \0b\r\n\r\n", sizeof(OK "A: \0b\r\n\r\n") - 1},
		{OK "A\0: b\r\n\r\n", sizeof(OK "A\0: b\r\n\r\n") - 1},
		{"HTTP/1.1 200 O\0K\r\n\r\n", sizeof("HTTP/1.1 200 O\0K\r\n\r\n") - 1},
		{CHUNKED "5;\0\r\n", sizeof(CHUNKED "5;\0\r\n") - 1},
		{CHUNKED "0\r\nA: \0\r\n\r\n", sizeof(CHUNKED "0\r\nA: \0\r\n\r\n") - 1},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct outcome out;

		read_text(cases[i].text, cases[i].len, false, false, &out);
		assert_int_equal(out.event, FG_HTTP1_BAD);
		assert_non_null(strstr(out.fault, "NUL"));
	}
}

/* prefix, then `piece` as often as it takes to be over a limit. */
static void test_limits(void **state)
{
	static const struct {
		const char *prefix, *piece, *fault;
		size_t times;
	} cases[] = {
		{"HTTP/1.1 200 ", "x", "64 KiB", FG_HTTP1_LINE_MAX},
		{OK "A: ", "x", "64 KiB", FG_HTTP1_LINE_MAX},
		{OK, "A: b\r\n", "1024 header lines", FG_HTTP1_FIELDS_MAX + 1},
		{"", "HTTP/1.1 100 C\r\n\r\n", "32 interim", FG_HTTP1_INTERIM_MAX + 1},
		{CHUNKED "1;", "x", "64 KiB", FG_HTTP1_EXTRA_MAX + 1},
		{CHUNKED "0\r\n", "A: b\r\n", "64 KiB", FG_HTTP1_EXTRA_MAX / 5 + 1},
	};
	char *text = malloc(FG_HTTP1_HEAD_MAX + 4096);
	struct outcome whole, pieces;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].prefix);

		memcpy(text, cases[i].prefix, len);
		for (size_t t = 0; t < cases[i].times; t++, len += strlen(cases[i].piece))
			memcpy(text + len, cases[i].piece, strlen(cases[i].piece));
		feed(text, len, len, len, false, false, &whole);
		feed(text, len, 1000, 777, false, false, &pieces);
		same(&whole, &pieces, cases[i].prefix, 1000);
		if (whole.event != FG_HTTP1_BAD || !strstr(whole.fault, cases[i].fault))
			fail_msg("case %zu: event %d, %s", i, whole.event,
				 whole.fault ? whole.fault : "no fault");
		/* A little less is fine, or at least not over. */
		feed(text, len - len / 16, 1000, 777, false, false, &pieces);
		assert_int_equal(pieces.event, FG_HTTP1_MORE);
	}
	free(text);
}

/* 5 lines of 60 000 bytes: no line is too long, together they are. */
static void test_head_limit(void **state)
{
	char *text = malloc(6 * 60000);
	size_t len = strlen(OK);
	struct outcome whole, pieces;

	(void)state;
	assert_non_null(text);
	memcpy(text, OK, len);
	for (int i = 0; i < 5; i++, len += 60000) {
		memset(text + len, 'x', 60000);
		memcpy(text + len, "A:", 2);
		memcpy(text + len + 59998, "\r\n", 2);
	}
	feed(text, len, len, len, false, false, &whole);
	feed(text, len, 65536, 65536, false, false, &pieces);
	same(&whole, &pieces, OK, 65536);
	assert_int_equal(whole.event, FG_HTTP1_BAD);
	assert_string_equal(whole.fault, "headers of more than 256 KiB");
	free(text);
}

static void test_wanted_body_limit(void **state)
{
	char text[] = LENGTH_5 "hello", chunks[] = CHUNKED "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
	struct fg_http1_pool pool = {0};
	struct fg_http1_reader reader;
	size_t used;

	(void)state;
	fg_http1_reader_init(&reader, &pool, false, 4);
	assert_int_equal(fg_http1_read(&reader, text, strlen(text), &used), FG_HTTP1_BAD);
	fg_http1_reader_init(&reader, &pool, false, 4);
	assert_int_equal(fg_http1_read(&reader, chunks, strlen(chunks), &used), FG_HTTP1_BAD);
	fg_http1_reader_done(&reader);
	/* Not wanted: counted only. */
	fg_http1_reader_init(&reader, &pool, false, 0);
	memcpy(text, LENGTH_5 "hello", sizeof(text));
	assert_int_equal(fg_http1_read(&reader, text, strlen(text), &used), FG_HTTP1_END);
	assert_null(reader.body);
	assert_int_equal(reader.parser.body_bytes, 5);
	fg_http1_reader_done(&reader);
	fg_http1_pool_done(&pool);
}

/* What one response needed serves the next. */
static void test_pool(void **state)
{
	struct fg_http1_pool pool = {0};
	struct fg_http1_reader reader;
	struct fg_http1_keep *keep = NULL;
	char first[] = OK, rest[] = "Content-Length: 1\r\n\r\nx";
	size_t used;

	(void)state;
	for (int i = 0; i < 3; i++) {
		memcpy(first, OK, sizeof(first));
		memcpy(rest, "Content-Length: 1\r\n\r\nx", sizeof(rest));
		fg_http1_reader_init(&reader, &pool, false, 10);
		assert_int_equal(fg_http1_read(&reader, first, strlen(first), &used),
				 FG_HTTP1_MORE);
		assert_true(!keep || keep == reader.keep);
		keep = reader.keep;
		assert_int_equal(fg_http1_read(&reader, rest, sizeof(rest) - 1, &used),
				 FG_HTTP1_END);
		assert_string_equal(reader.head, "Content-Length: 1\r\n");
		fg_http1_reader_done(&reader);
		assert_ptr_equal(pool.free, keep);
	}
	fg_http1_pool_done(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_head_limit),
		cmocka_unit_test(test_wanted_body_limit),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
