/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas, values and slots, regular expressions. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/random.h"
#include "runner/scenario/jscan.h"
#include "runner/scenario/regex.h"
#include "runner/scenario/value.h"

/* -- arena ---------------------------------------------------------------------------------- */

static void test_arena_pieces(void **state)
{
	struct fg_arena arena;
	char *pieces[200];

	(void)state;
	fg_arena_init(&arena, 1 << 20);
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(pieces); i++) {
			pieces[i] = fg_arena_alloc(&arena, i * 7);
			assert_non_null(pieces[i]);
			assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
			memset(pieces[i], (int)i, i * 7);
		}
		for (size_t i = 0; i < FG_ARRAY_LEN(pieces); i++)
			for (size_t k = 0; k < i * 7; k++)
				assert_int_equal(pieces[i][k], (char)i);
		fg_arena_clear(&arena);
		assert_int_equal(arena.used, 0);
	}
	assert_string_equal(fg_arena_copy(&arena, "abc", 2), "ab");
	assert_string_equal(fg_arena_copy(&arena, NULL, 0), "");
	fg_arena_done(&arena);
	fg_arena_done(NULL);
}

static void test_arena_limits(void **state)
{
	static const size_t too_much[] = {1001, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2};
	struct fg_arena arena, none;

	(void)state;
	fg_arena_init(&arena, 1000);
	fg_arena_init(&none, 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(too_much); i++)
		assert_null(fg_arena_alloc(&arena, too_much[i]));
	assert_null(fg_arena_copy(&arena, "", SIZE_MAX));
	assert_non_null(fg_arena_alloc(&arena, 1000));
	assert_null(fg_arena_alloc(&arena, 1));
	fg_arena_clear(&arena);
	assert_non_null(fg_arena_alloc(&arena, 600));
	assert_null(fg_arena_alloc(&arena, 600)); /* fails, and harms nothing */
	assert_non_null(fg_arena_alloc(&arena, 300));
	assert_non_null(fg_arena_alloc(&none, 0));
	assert_null(fg_arena_alloc(&none, 1));
	fg_arena_done(&arena);
	fg_arena_done(&none);
}

/* -- numbers -------------------------------------------------------------------------------- */

static void test_number_text(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{0, "0"},
		{-0.0, "0"},
		{1, "1"},
		{-42, "-42"},
		{0.1, "0.1"},
		{1.5, "1.5"},
		{-0.25, "-0.25"},
		{0.1 + 0.2, "0.30000000000000004"},
		{100, "100"},
		{123456.789, "123456.789"},
		{9007199254740991, "9007199254740991"},
		{9007199254740992, "9007199254740992"},
		{1e20, "100000000000000000000"},
		{123456789012345680000.0, "123456789012345680000"},
		{1e21, "1e+21"},
		{1.5e300, "1.5e+300"},
		{1e-6, "0.000001"},
		{1.5e-6, "0.0000015"},
		{1e-7, "1e-7"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{5e-324, "5e-324"},
		{2.2250738585072014e-308, "2.2250738585072014e-308"},
		{INFINITY, "null"},
		{NAN, "null"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[FG_VALUE_NUMBER_MAX];

		size_t len = fg_value_number_text(cases[i].number, text);

		assert_string_equal(text, cases[i].text);
		assert_int_equal(len, strlen(text));
	}
}

/* Any bits read back as the same double. */
static void test_numbers_round_trip(void **state)
{
	struct fg_random random;

	(void)state;
	fg_random_init(&random, 1, 1, 1);
	for (size_t i = 0; i < 20000; i++) {
		uint64_t bits = fg_random_next(&random);
		char text[FG_VALUE_NUMBER_MAX];
		double number, again;
		struct fg_err err;

		memcpy(&number, &bits, sizeof(number));
		if (!isfinite(number))
			continue;
		if (i % 2) /* everyday sizes */
			number = (double)(int64_t)(bits >> 20) / 1000;
		size_t len = fg_value_number_text(number, text);

		assert_true(len < FG_VALUE_NUMBER_MAX);
		assert_ok(fg_num_double(text, len, &again, &err), &err);
		assert_true(again == number);
	}
}

/* -- values --------------------------------------------------------------------------------- */

static struct fg_value text_of(const char *text)
{
	return (struct fg_value){.kind = FG_VALUE_TEXT, .text = text, .len = strlen(text)};
}

static void test_json_of_texts(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"", "\"\""},
		{"a/b", "\"a/b\""},
		{"\"\\\b\f\n\r\t\x01\x1f\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
		{"ü€😀", "\"ü€😀\""},
		{"\xff", "\"\xef\xbf\xbd\""},
		{"a\xc3", "\"a\xef\xbf\xbd\""},
		{"\xe2\x82z", "\"\xef\xbf\xbd\xef\xbf\xbdz\""},
		{"\xc0\x80\xed\xa0\x80",
		 "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 100);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_value value = text_of(cases[i].text);

		fg_buf_clear(&out);
		fg_value_print_json(&value, &out);
		assert_string_equal(out.data, cases[i].json);
		fg_buf_clear(&out);
		fg_value_print(&value, &out);
		assert_string_equal(out.data, cases[i].text);
	}
	struct fg_value nul = {.kind = FG_VALUE_TEXT, .text = "a\0b", .len = 3};

	fg_buf_clear(&out);
	fg_value_print_json(&nul, &out);
	assert_string_equal(out.data, "\"a\\u0000b\"");
	for (unsigned i = 0; i < 20; i++)
		fg_value_print_json(&nul, &out);
	assert_true(out.failed); /* full: reported once, by the buffer */
	fg_buf_done(&out);
}

static void test_unescape(void **state)
{
	static const struct {
		const char *raw, *text;
	} cases[] = {
		{"", ""},
		{"abc", "abc"},
		{"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"},
		{"\\u0041\\u00e9\\u20AC", "Aé€"},
		{"\\ud83d\\ude00", "😀"},
		{"\\ud83d", "\xef\xbf\xbd"},
		{"\\ud83dx", "\xef\xbf\xbdx"},
		{"\\ud83d\\n", "\xef\xbf\xbd\n"},
		{"\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\\ud83d\\u0041", "\xef\xbf\xbd"
				   "A"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char out[64];
		size_t len = fg_jscan_unescape(cases[i].raw, strlen(cases[i].raw), out);

		assert_int_equal(len, strlen(cases[i].text));
		assert_memory_equal(out, cases[i].text, len);
		assert_true(fg_jscan_is(cases[i].raw, strlen(cases[i].raw), cases[i].text, len));
		assert_false(fg_jscan_is(cases[i].raw, strlen(cases[i].raw), "zz", 2));
	}
	assert_false(fg_jscan_is("\\n", 2, "\\n", 2));
	assert_false(fg_jscan_is("\\u0061bc", 8, "ab", 2));
	assert_false(fg_jscan_is("\\u0061", 6, "ab", 2));
}

static void test_truth_and_number(void **state)
{
	static const struct {
		struct fg_value value;
		bool truth, number;
		const char *kind;
	} cases[] = {
		{{.kind = FG_VALUE_NULL}, false, false, "null"},
		{{.kind = FG_VALUE_BOOL}, false, false, "bool"},
		{{.kind = FG_VALUE_BOOL, .boolean = true}, true, false, "bool"},
		{{.kind = FG_VALUE_NUMBER}, false, true, "number"},
		{{.kind = FG_VALUE_NUMBER, .number = -0.5}, true, true, "number"},
		{{.kind = FG_VALUE_TEXT}, false, false, "text"},
		{{.kind = FG_VALUE_TEXT, .text = "0", .len = 1}, true, true, "text"},
		{{.kind = FG_VALUE_TEXT, .text = "1e3", .len = 3}, true, true, "text"},
		{{.kind = FG_VALUE_TEXT, .text = " 1", .len = 2}, true, false, "text"},
		{{.kind = FG_VALUE_TEXT, .text = "0x10", .len = 4}, true, false, "text"},
		{{.kind = FG_VALUE_JSON, .text = "[]", .len = 2}, true, false, "list"},
		{{.kind = FG_VALUE_JSON, .text = "{}", .len = 2}, true, false, "object"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		double number;

		assert_int_equal(fg_value_truth(&cases[i].value), cases[i].truth);
		assert_int_equal(fg_value_number(&cases[i].value, &number), cases[i].number);
		assert_string_equal(fg_value_kind_name(&cases[i].value), cases[i].kind);
		assert_true(fg_value_equal(&cases[i].value, &cases[i].value));
	}
}

static void test_slots(void **state)
{
	char *big = malloc(FG_SLOT_TEXT_MAX + 1);
	struct fg_value value = text_of("hello world");
	struct fg_slot slot;
	struct fg_err err;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', FG_SLOT_TEXT_MAX + 1);
	fg_slot_init(&slot);
	assert_false(slot.set);
	assert_ok(fg_slot_set(&slot, &value, &err), &err);
	assert_ptr_not_equal(slot.value.text, value.text);
	/* a part of itself */
	value = slot.value;
	value.text += 6;
	value.len = 5;
	assert_ok(fg_slot_set(&slot, &value, &err), &err);
	assert_int_equal(slot.value.len, 5);
	assert_memory_equal(slot.value.text, "world", 5);
	value = (struct fg_value){.kind = FG_VALUE_TEXT, .text = big, .len = FG_SLOT_TEXT_MAX + 1};
	assert_int_equal(fg_slot_set(&slot, &value, &err), -FG_E_LIMIT);
	assert_memory_equal(slot.value.text, "world", 5); /* unchanged */
	value.len--;
	assert_ok(fg_slot_set(&slot, &value, &err), &err);
	value = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = 3};
	assert_ok(fg_slot_set(&slot, &value, &err), &err);
	assert_true(slot.set && slot.value.number == 3 && !slot.value.text);
	fg_slot_clear(&slot);
	assert_false(slot.set);
	assert_int_equal(slot.value.kind, FG_VALUE_NULL);
	fg_slot_done(&slot);
	fg_slot_done(NULL);
	free(big);
}

/* -- regular expressions -------------------------------------------------------------------- */

static void test_regex_find(void **state)
{
	static const struct {
		const char *pattern, *text;
		unsigned group;
		const char *found; /* NULL: nothing */
	} cases[] = {
		{"b+", "abbc", 0, "bb"},
		{"^b", "abbc", 0, NULL},
		{"", "", 0, ""},
		{"(\\d+)-(\\d+)?", "x 12-", 1, "12"},
		{"(\\d+)-(\\d+)?", "x 12-", 2, NULL}, /* took no part */
		{"a", "a", 1, NULL},                  /* there is none */
		{"(?<id>é.)", "xéü", 1, "éü"},
		{"x", "\xff\xfex", 0, "x"}, /* not UTF-8: no error */
		{".", "\xff", 0, NULL},
		{"(?i)TOKEN=\"(.*?)\"", "token=\"a\" b=\"c\"", 1, "a"},
	};
	struct fg_regex_match *match = NULL;
	struct fg_err err;

	(void)state;
	assert_ok(fg_regex_match_new(&match, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_regex *regex = NULL;
		const char *text;
		size_t len;

		assert_ok(fg_regex_compile(cases[i].pattern, strlen(cases[i].pattern), &regex,
					   &err),
			  &err);
		int rc = fg_regex_find(regex, match, cases[i].text, strlen(cases[i].text),
				       cases[i].group, &text, &len, &err);

		if (rc != (cases[i].found ? 1 : 0))
			fail_msg("%s on %s: %d", cases[i].pattern, cases[i].text, rc);
		if (rc) {
			assert_int_equal(len, strlen(cases[i].found));
			assert_memory_equal(text, cases[i].found, len);
		}
		fg_regex_free(regex);
	}
	fg_regex_match_free(match);
	fg_regex_match_free(NULL);
	fg_regex_free(NULL);
}

static void test_regex_faults(void **state)
{
	static const struct {
		const char *pattern;
		unsigned column;
	} cases[] = {
		{"(", 2},
		{"a)", 2},
		{"[a", 3},
		{"*", 1},
		{"a{2,1}", 6},
		{"\\", 2},
		{"(?<a>.)(?<a>.)", 13},
		{"\\C", 3},
		{"\\1", 2},
		{"\xff", 1},
		{"(?P<x", 6},
	};
	char long_text[FG_REGEX_TEXT_MAX + 1];
	struct fg_regex *regex = NULL;
	struct fg_err err;
	struct fg_buf groups;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		int rc = fg_regex_compile(cases[i].pattern, strlen(cases[i].pattern), &regex, &err);

		if (rc != -FG_E_INVALID || err.column != cases[i].column)
			fail_msg("%s: %d, column %u: %s", cases[i].pattern, rc, err.column,
				 err.message);
	}
	memset(long_text, 'a', sizeof(long_text));
	assert_int_equal(fg_regex_compile(long_text, sizeof(long_text), &regex, &err), -FG_E_LIMIT);
	fg_buf_init(&groups, 1000);
	for (unsigned i = 0; i <= FG_REGEX_GROUPS_MAX; i++)
		fg_buf_add_str(&groups, "(a)");
	assert_int_equal(fg_regex_compile(groups.data, groups.len, &regex, &err), -FG_E_LIMIT);
	assert_int_equal(fg_regex_compile(groups.data, groups.len - 3, &regex, &err), 0);
	assert_int_equal(fg_regex_groups(regex), FG_REGEX_GROUPS_MAX);
	assert_int_equal(fg_regex_group(regex, "a"), -1);
	fg_regex_free(regex);
	assert_ok(fg_regex_compile("(.)(?<id>.)", 11, &regex, &err), &err);
	assert_int_equal(fg_regex_group(regex, "id"), 2);
	fg_regex_free(regex);
	fg_buf_done(&groups);
}

/* Patterns that explode end in LIMIT, in bounded time; a long text does not. */
static void test_regex_limits(void **state)
{
	enum { LEN = 1 << 20 };
	static const struct {
		const char *pattern;
		size_t len;
		int rc;
	} cases[] = {
		{"(a+)+$", 60, -FG_E_LIMIT},
		{"(a|aa)+$", 60, -FG_E_LIMIT},
		{"^(?:a|b|x)*[cd]$", LEN, -FG_E_LIMIT},
		{"a*b", 1000, 0},
		{"(a)+x", 30000, 1},
		{"x", LEN, 1},
	};
	struct fg_regex_match *match = NULL;
	char *text = malloc(LEN);
	struct fg_err err;

	(void)state;
	assert_non_null(text);
	assert_ok(fg_regex_match_new(&match, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_regex *regex = NULL;
		const char *found;
		size_t found_len;

		memset(text, 'a', LEN);
		text[cases[i].len - 1] = 'x';
		assert_ok(fg_regex_compile(cases[i].pattern, strlen(cases[i].pattern), &regex,
					   &err),
			  &err);
		int rc = fg_regex_find(regex, match, text, cases[i].len, 0, &found, &found_len,
				       &err);

		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].pattern, rc);
		fg_regex_free(regex);
	}
	fg_regex_match_free(match);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_pieces),     cmocka_unit_test(test_arena_limits),
		cmocka_unit_test(test_number_text),      cmocka_unit_test(test_numbers_round_trip),
		cmocka_unit_test(test_json_of_texts),    cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_truth_and_number), cmocka_unit_test(test_slots),
		cmocka_unit_test(test_regex_find),       cmocka_unit_test(test_regex_faults),
		cmocka_unit_test(test_regex_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
