/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies with a Content-Encoding; and the lines that go to the terminal. */
#include "tests/kit/kit.h"

#include <string.h>

#include <zlib.h>

#include "runner/load/inflate.h"
#include "runner/load/log.h"

static size_t pack(const void *plain, size_t len, int window_bits, unsigned char *out, size_t room)
{
	union {
		const void *in;
		unsigned char *bytes;
	} cast = {.in = plain};
	z_stream stream = {0};

	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	stream.next_in = cast.bytes;
	stream.avail_in = (uInt)len;
	stream.next_out = out;
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	room = stream.total_out;
	deflateEnd(&stream);
	return room;
}

static int run(struct fg_inflate *inflate, const char *coding, const void *body, size_t len,
	       const char **ret, size_t *ret_len)
{
	struct fg_err err;
	int rc;

	fg_err_clear(&err);
	rc = fg_inflate_body(inflate, coding, strlen(coding), body, len, ret, ret_len, &err);
	assert_int_equal(rc, -(int)err.code);
	return rc;
}

static void test_codings(void **state)
{
	static const struct {
		const char *coding;
		int window_bits;
	} cases[] = {
		{"gzip", 15 + 16},
		{"x-gzip", 15 + 16},
		{"GZIP", 15 + 16},
		{"identity, gzip", 31},
		{"deflate", 15},
		{"deflate", -15}, /* the bare stream */
		{" \tgzip , identity ", 31},
	};
	static const char plain[] = "{\"token\": \"abc\", \"list\": [1, 2, 3, 4, 5, 6, 7]}";
	unsigned char packed[1024];
	struct fg_inflate *inflate;
	struct fg_err err;
	const char *body;
	size_t len;

	(void)state;
	assert_ok(fg_inflate_new(&inflate, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const size_t n = pack(plain, sizeof(plain) - 1, cases[i].window_bits, packed,
				      sizeof(packed));

		assert_int_equal(run(inflate, cases[i].coding, packed, n, &body, &len), 0);
		assert_int_equal(len, sizeof(plain) - 1);
		assert_memory_equal(body, plain, len);
		/* cut off, or with a byte flipped */
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(run(inflate, cases[i].coding, packed, cut, &body, &len),
					 -FG_E_INVALID);
	}
	assert_int_equal(run(inflate, "identity", plain, 5, &body, &len), 0);
	assert_ptr_equal(body, plain);
	assert_int_equal(run(inflate, "br", plain, 5, &body, &len), -FG_E_UNSUPPORTED);
	assert_int_equal(run(inflate, "gzip", plain, 5, &body, &len), -FG_E_INVALID);
	assert_int_equal(run(inflate, "identity,identity,identity,identity,identity", plain, 5,
			     &body, &len),
			 -FG_E_INVALID);
	fg_inflate_free(inflate);
}

static void test_twice_packed(void **state)
{
	static const char plain[] = "hello hello hello";
	unsigned char once[256], twice[256];
	struct fg_inflate *inflate;
	struct fg_err err;
	const char *body;
	size_t len;
	const size_t n = pack(plain, sizeof(plain) - 1, 15, once, sizeof(once));
	const size_t m = pack(once, n, 31, twice, sizeof(twice));

	(void)state;
	assert_ok(fg_inflate_new(&inflate, &err), &err);
	assert_int_equal(run(inflate, "deflate, gzip", twice, m, &body, &len), 0);
	assert_int_equal(len, sizeof(plain) - 1);
	assert_memory_equal(body, plain, len);
	assert_int_equal(run(inflate, "deflate, identity, gzip", twice, m, &body, &len), 0);
	assert_memory_equal(body, plain, len);
	fg_inflate_free(inflate);
}

/* A bomb: 80 MiB of zeros in 80 KiB. */
static void test_is_bounded(void **state)
{
	static unsigned char packed[256 << 10], zeros[1 << 20];
	struct fg_inflate *inflate;
	z_stream stream = {0};
	struct fg_err err;
	const char *body;
	size_t len;

	(void)state;
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_out = packed;
	stream.avail_out = sizeof(packed);
	for (int i = 0; i < 80; i++) {
		stream.next_in = zeros;
		stream.avail_in = sizeof(zeros);
		assert_int_not_equal(deflate(&stream, i == 79 ? Z_FINISH : Z_NO_FLUSH),
				     Z_STREAM_ERROR);
	}
	assert_ok(fg_inflate_new(&inflate, &err), &err);
	assert_int_equal(run(inflate, "gzip", packed, stream.total_out, &body, &len), -FG_E_LIMIT);
	deflateEnd(&stream);
	fg_inflate_free(inflate);
}

/* -- log --------------------------------------------------------------------------------------- */

struct heard {
	unsigned lines, notified;
	char last[2 * FG_LOG_LINE_MAX], first[64];
};

static void on_line(void *context, const char *text, size_t len)
{
	struct heard *heard = context;

	assert_int_equal(strlen(text), len);
	if (!heard->lines++)
		(void)!strncpy(heard->first, text, sizeof(heard->first) - 1);
	memcpy(heard->last, text, len + 1);
}

static void notify(void *context)
{
	((struct heard *)context)->notified++;
}

static void test_log(void **state)
{
	static char long_line[3 * FG_LOG_LINE_MAX];
	struct heard heard = {.lines = 0};
	struct fg_load_log *log;
	struct fg_err err;

	(void)state;
	assert_ok(fg_load_log_new(notify, &heard, &log, &err), &err);
	fg_load_log_put(log, 5, "a\nb\x1b[2J", 7);
	fg_load_log_drain(log, on_line, &heard);
	assert_int_equal(heard.lines, 1);
	assert_int_equal(heard.notified, 1);
	assert_string_equal(heard.last, "a?b?[2J");
	memset(long_line, 'x', sizeof(long_line) - 1);
	fg_load_log_put(log, 6, long_line, sizeof(long_line) - 1);
	fg_load_log_drain(log, on_line, &heard);
	assert_int_equal(strlen(heard.last), FG_LOG_LINE_MAX);
	for (int i = 0; i < 3 * FG_LOG_PER_SECOND; i++)
		fg_load_log_put(log, 7, "y", 1);
	fg_load_log_drain(log, on_line, &heard);
	assert_int_equal(heard.lines, FG_LOG_PER_SECOND);
	fg_load_log_put(log, FG_NS_PER_S, "next second", 11);
	fg_load_log_finish(log, on_line, &heard);
	assert_int_equal(heard.lines, FG_LOG_PER_SECOND + 2);
	assert_string_equal(heard.last, "202 more lines of log steps are not shown");
	fg_load_log_free(log);
	fg_load_log_put(NULL, 0, "", 0);
	assert_false(fg_load_log_count(NULL, log));
}

static void test_log_queue_is_bounded(void **state)
{
	struct heard heard = {.lines = 0};
	struct fg_load_log *log;
	struct fg_err err;

	(void)state;
	assert_ok(fg_load_log_new(NULL, NULL, &log, &err), &err);
	for (uint64_t second = 0; second < 4; second++) {
		for (int i = 0; i < FG_LOG_PER_SECOND; i++)
			fg_load_log_put(log, second * FG_NS_PER_S, "y", 1);
	}
	fg_load_log_finish(log, on_line, &heard);
	assert_int_equal(heard.lines, FG_LOG_LINES_MAX + 1);
	assert_string_equal(heard.last, "272 more lines of log steps are not shown");
	fg_load_log_free(log);
}

static void test_reasons_are_told_once(void **state)
{
	static char keys[FG_LOG_REASONS_MAX + 5];
	struct heard heard = {.lines = 0};
	struct fg_load_log *log;
	struct fg_err err;

	(void)state;
	assert_ok(fg_load_log_new(NULL, NULL, &log, &err), &err);
	assert_true(fg_load_log_count(log, &keys[0]));
	fg_load_log_tell(log, &keys[0], "no token");
	for (int i = 0; i < 9; i++)
		assert_false(fg_load_log_count(log, &keys[0]));
	for (size_t i = 1; i < sizeof(keys); i++)
		assert_int_equal(fg_load_log_count(log, &keys[i]), i < FG_LOG_REASONS_MAX);
	fg_load_log_drain(log, on_line, &heard);
	assert_int_equal(heard.lines, 1);
	assert_string_equal(heard.last, "no token");
	heard.lines = 0;
	fg_load_log_finish(log, on_line, &heard);
	assert_int_equal(heard.lines, 2);
	assert_string_equal(heard.first, "10 times: no token");
	assert_string_equal(heard.last, "5 more iterations ended early for other reasons");
	fg_load_log_free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codings),
		cmocka_unit_test(test_twice_packed),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_queue_is_bounded),
		cmocka_unit_test(test_reasons_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
