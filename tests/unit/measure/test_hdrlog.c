/* SPDX-License-Identifier: Apache-2.0 */
/* HdrHistogram V2 text: vectors of other implementations, losslessness, and what is refused. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/format/base64.h"
#include "gate/format/gzip.h"
#include "gate/format/hdrlog.h"

/* The example in the documentation of HdrHistogramJS: the value 42, once (quoted from memory, not
 * from a copy; zlib's checksum in it holds). */
static const char published_42[] = "HISTFAAAAB542pNpmSzMwMDAxAABzFCaEUoz2X+AMIKZAEARAtM=";
/* Written by hdrhistogram 0.10 (Python): 1, 2, 2, 3000, 10⁶, 10⁶, 999999999, 3.6·10¹². */
static const char python_8[] =
	"HISTFAAAADN4nJNpmSzMwMAgxAABzFCaEch0M9ixgMH+A1SAiWWjOlN7OyPLwvmMTOv3MDIBAMbYCQI=";

static void test_foreign_vectors(void **state)
{
	struct fg_hist hist;
	struct fg_err err = {0};

	(void)state;
	fg_hist_init(&hist, NULL);
	assert_ok(fg_hdrlog_decode(published_42, strlen(published_42), &hist, &err), &err);
	assert_int_equal(hist.count, 1);
	assert_int_equal(fg_hist_counter(&hist, 42), 1);
	assert_true(hist.min_ns == 42 && hist.max_ns == 42);
	/* Decoding adds. */
	assert_ok(fg_hdrlog_decode(python_8, strlen(python_8), &hist, &err), &err);
	assert_int_equal(hist.count, 9);
	assert_int_equal(fg_hist_counter(&hist, 2), 2);
	assert_int_equal(fg_hist_counter(&hist, fg_hist_index(1000000)), 2);
	assert_int_equal(fg_hist_counter(&hist, fg_hist_index(999999999)), 1);
	assert_true(hist.max_ns == FG_HIST_MAX_NS);
	assert_int_equal(fg_hist_percentile_ns(&hist, 50), 3001);
	fg_hist_done(&hist);
}

/* zlib's level may differ between writers, the payload may not. */
static void payload_of(const char *text, size_t len, struct fg_buf *payload)
{
	struct fg_buf packed;
	struct fg_err err = {0};

	fg_buf_init(&packed, 1 << 20);
	assert_ok(fg_base64_decode(text, len, &packed, &err), &err);
	assert_ok(fg_gzip_inflate(FG_DEFLATE_ZLIB, packed.data + 8, packed.len - 8, 1 << 20,
				  payload, &err),
		  &err);
	fg_buf_done(&packed);
}

static void test_our_payload_is_theirs(void **state)
{
	static const uint64_t values[] = {1,       2,       2,         3000,
					  1000000, 1000000, 999999999, 3600000000000};
	struct fg_buf text;
	struct fg_buf ours;
	struct fg_buf theirs;
	struct fg_hist hist;
	struct fg_err err = {0};

	(void)state;
	fg_hist_init(&hist, NULL);
	fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
	fg_buf_init(&ours, 1 << 20);
	fg_buf_init(&theirs, 1 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(values); i++)
		assert_int_equal(fg_hist_record(&hist, values[i]), 0);
	assert_ok(fg_hdrlog_encode(&hist, &text, &err), &err);
	payload_of(text.data, text.len, &ours);
	payload_of(python_8, strlen(python_8), &theirs);
	assert_int_equal(ours.len, theirs.len);
	assert_memory_equal(ours.data, theirs.data, ours.len);
	fg_buf_done(&text);
	fg_buf_done(&ours);
	fg_buf_done(&theirs);
	fg_hist_done(&hist);
}

static void check_lossless(const struct fg_hist *hist)
{
	struct fg_hist back;
	struct fg_buf text;
	struct fg_err err = {0};

	fg_hist_init(&back, NULL);
	fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
	assert_ok(fg_hdrlog_encode(hist, &text, &err), &err);
	assert_ok(fg_hdrlog_decode(text.data, text.len, &back, &err), &err);
	assert_true(back.count == hist->count);
	for (size_t i = 0; i < FG_HIST_COUNTERS; i++)
		assert_true(fg_hist_counter(&back, i) == fg_hist_counter(hist, i));
	if (hist->count) {
		assert_true(back.min_ns <= hist->min_ns && back.max_ns >= hist->max_ns);
		assert_int_equal(fg_hist_index(back.min_ns), fg_hist_index(hist->min_ns));
		assert_int_equal(fg_hist_index(back.max_ns), fg_hist_index(hist->max_ns));
	} else {
		assert_true(back.min_ns == UINT64_MAX);
	}
	fg_buf_done(&text);
	fg_hist_done(&back);
}

static void test_lossless(void **state)
{
	static const uint64_t counts[] = {1,    63,         64,         127,        128,
					  8192, 1ull << 32, 1ull << 55, 1ull << 56, 1ull << 61};
	struct fg_hist hist;
	uint64_t random = 88172645463325252ull;

	(void)state;
	fg_hist_init(&hist, NULL);
	check_lossless(&hist);
	assert_int_equal(fg_hist_record(&hist, 0), 0);
	check_lossless(&hist);
	assert_int_equal(fg_hist_record(&hist, FG_HIST_MAX_NS), 0);
	check_lossless(&hist);
	for (size_t i = 0; i < FG_ARRAY_LEN(counts); i++)
		assert_int_equal(fg_hist_record_n(&hist, 1000 * i + 7, counts[i]), 0);
	check_lossless(&hist);
	fg_hist_clear(&hist);
	for (int i = 0; i < 3000; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		assert_int_equal(fg_hist_record(&hist, random >> (22 + i % 42)), 0);
		if (i % 300 == 0)
			check_lossless(&hist);
	}
	fg_hist_clear(&hist);
	for (size_t i = 0; i <= fg_hist_index(FG_HIST_MAX_NS); i++)
		assert_int_equal(fg_hist_record_n(&hist, fg_hist_index_low_ns(i), i % 7), 0);
	check_lossless(&hist);
	assert_int_equal(fg_hist_record_n(&hist, 5, INT64_MAX), 0);
	struct fg_buf text;
	struct fg_err err = {0};

	fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
	assert_int_equal(fg_hdrlog_encode(&hist, &text, &err), -FG_E_LIMIT);
	fg_buf_done(&text);
	fg_hist_done(&hist);
}

/* Packs a payload as a text, to build what no writer would. */
static void pack(const unsigned char *payload, size_t len, struct fg_buf *text)
{
	struct fg_buf packed;
	struct fg_err err = {0};

	fg_buf_init(&packed, 1 << 20);
	fg_buf_add(&packed, "\x1c\x84\x93\x14\0\0\0\0", 8);
	assert_ok(fg_gzip_deflate(FG_DEFLATE_ZLIB, payload, len, &packed, &err), &err);
	packed.data[6] = (char)((packed.len - 8) >> 8);
	packed.data[7] = (char)(packed.len - 8);
	fg_base64_encode(packed.data, packed.len, text);
	fg_buf_done(&packed);
}

#define HEADER(digits, lowest, ratio, len)                                                      \
	0x1c, 0x84, 0x93, 0x13, 0, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, digits, 0, 0, 0, 0, 0, 0, 0, \
		lowest, 0, 0, 3, 70, 48, 184, 160, 0, ratio, 0xf0, 0, 0, 0, 0, 0, 0

static void test_refuses_payloads(void **state)
{
	static const struct {
		const char *why;
		size_t len;
		unsigned char bytes[80];
	} cases[] = {
		{"digits", 41, {HEADER(2, 1, 0x3f, 1), 2}},
		{"lowest", 41, {HEADER(3, 100, 0x3f, 1), 2}},
		{"ratio", 41, {HEADER(3, 1, 0x40, 1), 2}},
		{"length", 41, {HEADER(3, 1, 0x3f, 2), 2}},
		{"no header", 20, {HEADER(3, 1, 0x3f, 0)}},
		{"cookie", 41, {1, 2, 3, 4}},
		{"cut varint", 41, {HEADER(3, 1, 0x3f, 1), 0x82}},
		{"above an hour", 44, {HEADER(3, 1, 0x3f, 4), 0xff, 0x8f, 0x04, 2}},
		{"zero run of 2^63",
		 49,
		 {HEADER(3, 1, 0x3f, 9), 255, 255, 255, 255, 255, 255, 255, 255, 255}},
		{"zero run of 2^31", 45, {HEADER(3, 1, 0x3f, 5), 0xff, 0xff, 0xff, 0xff, 0x0f}},
		{"counts overflow",
		 67,
		 {HEADER(3, 1, 0x3f, 27),
		  254,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  254,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  254,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255,
		  255}},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_hist hist;
		struct fg_buf text;
		struct fg_err err = {0};

		fg_hist_init(&hist, NULL);
		fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
		assert_int_equal(fg_hist_record(&hist, 5), 0);
		pack(cases[i].bytes, cases[i].len, &text);
		if (fg_hdrlog_decode(text.data, text.len, &hist, &err) == 0)
			fail_msg("accepted: %s", cases[i].why);
		assert_true(err.message[0] != '\0');
		assert_int_equal(hist.count, 1);
		assert_true(hist.min_ns == 5 && hist.max_ns == 5);
		fg_buf_done(&text);
		fg_hist_done(&hist);
	}
}

static void test_refuses_bombs_and_cuts(void **state)
{
	enum { BOMB_BYTES = 600 << 10 };
	unsigned char *zeros = calloc(1, BOMB_BYTES);
	struct fg_hist hist;
	struct fg_buf text;
	struct fg_err err = {0};

	(void)state;
	assert_non_null(zeros);
	fg_hist_init(&hist, NULL);
	fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
	pack(zeros, BOMB_BYTES, &text);
	assert_int_equal(fg_hdrlog_decode(text.data, text.len, &hist, &err), -FG_E_LIMIT);
	for (size_t len = 0; len < strlen(published_42); len++)
		assert_int_not_equal(fg_hdrlog_decode(published_42, len, &hist, &err), 0);
	for (size_t i = 0; i < strlen(published_42); i++) {
		char broken[sizeof(published_42)];

		memcpy(broken, published_42, sizeof(broken));
		broken[i] = broken[i] == 'A' ? 'B' : '*';
		if (broken[i] == '*')
			assert_int_not_equal(fg_hdrlog_decode(broken, strlen(broken), &hist, &err),
					     0);
	}
	assert_int_equal(fg_hdrlog_decode(published_42, FG_HDRLOG_TEXT_MAX + 1, &hist, &err),
			 -FG_E_LIMIT);
	assert_int_equal(hist.count, 0);
	fg_buf_done(&text);
	fg_hist_done(&hist);
	free(zeros);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign_vectors),
		cmocka_unit_test(test_our_payload_is_theirs),
		cmocka_unit_test(test_lossless),
		cmocka_unit_test(test_refuses_payloads),
		cmocka_unit_test(test_refuses_bombs_and_cuts),
	};

	return cmocka_run_group_tests_name("hdrlog", tests, NULL, NULL);
}
