/* SPDX-License-Identifier: Apache-2.0 */
/* The profile model: interning, bounds, dangling references, text. */
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/utf8.h"

static void test_equal_content_has_one_index(void **state)
{
	static const char *const names[] = {"leaf", "main", NULL};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	uint32_t first = fg_sample_stack(profile, FG_STACK_COMPLETE, names);
	uint32_t again = fg_sample_stack(profile, FG_STACK_COMPLETE, names);
	uint32_t cut = fg_sample_stack(profile, FG_STACK_GAP, names);

	assert_int_equal(first, again);
	assert_int_not_equal(first, cut);
	assert_int_equal(profile->module_count, 1);
	assert_int_equal(profile->function_count, 2);
	assert_int_equal(profile->location_count, 2);
	assert_int_equal(profile->stack_count, 2);
	fg_sample_add(profile, first, "GET /", "measure", 3, 2);
	fg_sample_add(profile, first, "GET /", "measure", 3, 5);
	fg_sample_add(profile, first, "GET /", "measure", 4, 1);
	fg_sample_add(profile, first, "GET /", "warmup", 3, 1);
	fg_sample_add(profile, first, "", "measure", 3, 1);
	fg_sample_add(profile, cut, "GET /", "measure", 3, 1);
	assert_int_equal(profile->sample_count, 5);
	assert_int_equal(profile->samples[0].count, 7);
	assert_int_equal(fg_profile_total_count(profile), 11);
	fg_profile_free(profile);
	fg_profile_free(NULL);
}

static void test_many_items_stay_distinct(void **state)
{
	enum { COUNT = 20000 };
	struct fg_profile *profile = fg_sample_new();
	size_t before = profile->string_count;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < COUNT; i++) {
			char name[32];
			int len = snprintf(name, sizeof(name), "function_%d", i);
			int64_t index = fg_profile_string(profile, name, (size_t)len, NULL);

			assert_int_equal(index, before + (size_t)i);
			assert_string_equal(fg_profile_text(profile, (uint32_t)index), name);
		}
	}
	assert_int_equal(profile->string_count, before + COUNT);
	fg_profile_free(profile);
}

static void test_dangling_references_are_errors(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	uint32_t module = fg_sample_module(profile, "/bin/app");
	uint32_t location = fg_sample_location(profile, "/bin/app", "f", 0x2000, 0);
	struct fg_pline line = {.function = 1};
	struct fg_plocation place = {.module = module, .line_count = 1};
	uint32_t frames[FG_PROFILE_STACK_MAX + 1] = {location};
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(fg_profile_module(profile, &(struct fg_pmodule){.path = 99}, &err),
			 -FG_E_INVALID);
	assert_non_null(strstr(err.message, "string 99"));
	assert_int_equal(fg_profile_module(profile, &(struct fg_pmodule){.build_id = 99}, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_profile_function(profile, &(struct fg_pfunction){.name = 99}, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_profile_function(profile, &(struct fg_pfunction){.module = 9}, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_profile_location(profile, &place, &line, &err), -FG_E_INVALID);
	line.function = 0;
	place.module = 7;
	assert_int_equal(fg_profile_location(profile, &place, &line, &err), -FG_E_INVALID);
	place.module = module;
	place.line_count = 0;
	assert_int_equal(fg_profile_location(profile, &place, &line, &err), -FG_E_LIMIT);
	place.line_count = FG_PROFILE_INLINE_MAX + 1;
	assert_int_equal(fg_profile_location(profile, &place, &line, &err), -FG_E_LIMIT);
	assert_int_equal(fg_profile_stack(profile, frames, 0, FG_STACK_COMPLETE, &err),
			 -FG_E_LIMIT);
	assert_int_equal(fg_profile_stack(profile, frames, FG_PROFILE_STACK_MAX + 1,
					  FG_STACK_COMPLETE, &err),
			 -FG_E_LIMIT);
	assert_int_equal(fg_profile_stack(profile, frames, 1, FG_STACK_RESULT_COUNT, &err),
			 -FG_E_INVALID);
	frames[0] = 9;
	assert_int_equal(fg_profile_stack(profile, frames, 1, FG_STACK_COMPLETE, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_profile_sample(profile, &(struct fg_psample){.stack = 0}, &err),
			 -FG_E_INVALID);
	assert_int_equal(profile->stack_count + profile->sample_count, 0);
	fg_profile_free(profile);
}

static void test_a_count_never_wraps(void **state)
{
	static const char *const names[] = {"main", NULL};
	struct fg_profile *profile = fg_sample_new();
	struct fg_psample sample = {.stack = fg_sample_stack(profile, FG_STACK_COMPLETE, names),
				    .count = UINT64_MAX};
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_profile_sample(profile, &sample, &err), &err);
	sample.count = 1;
	assert_int_equal(fg_profile_sample(profile, &sample, &err), -FG_E_LIMIT);
	assert_true(profile->samples[0].count == UINT64_MAX);
	fg_profile_free(profile);
}

static void test_text_is_made_valid(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{"plain", 5, "plain"},
		{"", 0, ""},
		{"gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f"},
		{"\xf0\x9f\x94\xa5", 4, "\xf0\x9f\x94\xa5"},
		{"a\xff"
		 "b",
		 3,
		 "a\xef\xbf\xbd"
		 "b"},
		{"a\0b", 3,
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* cut */
		{"\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		int64_t index = fg_profile_string(profile, cases[i].in, cases[i].len, NULL);

		assert_true(index >= 0);
		assert_string_equal(fg_profile_text(profile, (uint32_t)index), cases[i].out);
	}
	assert_string_equal(fg_profile_text(profile, 4000000), "");
	fg_profile_free(profile);
}

static void test_long_text_is_cut_between_characters(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	char text[FG_PROFILE_STRING_MAX + 3];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[FG_PROFILE_STRING_MAX - 1] = '\xc3';
	text[FG_PROFILE_STRING_MAX] = '\xbc';
	int64_t index = fg_profile_string(profile, text, sizeof(text), NULL);

	assert_true(index > 0);
	assert_int_equal(strlen(fg_profile_text(profile, (uint32_t)index)),
			 FG_PROFILE_STRING_MAX - 1);
	assert_int_equal(fg_profile_string(profile, text, FG_PROFILE_STRING_MAX - 1, NULL), index);
	fg_profile_free(profile);
}

static void test_module_names(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"/usr/lib/libz.so.1", "libz.so.1"},
		{"[vdso]", "[vdso]"},
		{"", "unknown"},
		{"app", "app"},
		{"/odd/", "/odd/"},
	};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_string_equal(
			fg_profile_module_name(profile, fg_sample_module(profile, cases[i].path)),
			cases[i].name);
	assert_string_equal(fg_profile_module_name(profile, 77), "unknown");
	fg_profile_free(profile);
}

static void test_every_result_has_its_own_name(void **state)
{
	(void)state;
	for (int i = 0; i < FG_STACK_RESULT_COUNT; i++) {
		for (int k = 0; k < i; k++)
			assert_string_not_equal(fg_stack_result_name((enum fg_stack_result)i),
						fg_stack_result_name((enum fg_stack_result)k));
	}
	assert_string_equal(fg_stack_result_name(FG_STACK_RESULT_COUNT), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_content_has_one_index),
		cmocka_unit_test(test_many_items_stay_distinct),
		cmocka_unit_test(test_dangling_references_are_errors),
		cmocka_unit_test(test_a_count_never_wraps),
		cmocka_unit_test(test_text_is_made_valid),
		cmocka_unit_test(test_long_text_is_cut_between_characters),
		cmocka_unit_test(test_module_names),
		cmocka_unit_test(test_every_result_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
