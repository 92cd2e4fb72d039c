/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions: order, search, classes, neighbours; and what it refuses. */
#include "tests/unit/report/flame_sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/format/json.h"
#include "gate/profile/name_pattern.h"
#include "gate/report/top.h"

static struct fg_top *top_of(const struct fg_bundle *bundle, const struct fg_top_options *options)
{
	struct fg_top *top = NULL;
	struct fg_err err = {0};

	assert_ok(fg_top_new(bundle->result, bundle->profile, options, &top, &err), &err);
	return top;
}

static void test_order(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_top *self = top_of(&bundle, &(struct fg_top_options){0});
	struct fg_top *total = top_of(&bundle, &(struct fg_top_options){.sort = FG_TOP_TOTAL});
	uint64_t sum = 0;

	(void)state;
	assert_string_equal(self->rows[0]->name, "leaf_function");
	assert_int_equal(self->rows[0]->self, 40);
	assert_string_equal(self->rows[1]->name, "other_function");
	for (size_t i = 0; i < self->count; i++)
		sum += self->rows[i]->self;
	assert_int_equal(sum, 100); /* kernel time once, under its call */
	assert_int_equal(self->found_self, 100);
	assert_string_equal(total->rows[0]->name, "main");
	assert_int_equal(total->rows[0]->total, 98);
	for (size_t i = 0; i < total->count; i++)
		assert_true(!total->rows[i]->kernel || total->rows[i]->group);
	/* 2 s of CPU in 10 s: 200 ms per second, of which leaf_function has 40 %. */
	assert_string_equal(self->unit, "second");
	assert_true(fabs(self->sample_ns * 40 - 80e6) < 1);
	fg_top_free(self);
	fg_top_free(total);
	fg_bundle_done(&bundle);
}

static void test_rows_are_limited(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_top *top = top_of(&bundle, &(struct fg_top_options){.rows = 2});

	(void)state;
	assert_int_equal(top->count, 2);
	assert_true(top->found > 2);
	fg_top_free(top);
	fg_bundle_done(&bundle);
}

static void test_search(void **state)
{
	static const struct {
		const char *search;
		size_t found;
		uint64_t self;
	} cases[] = {
		{"LEAF_", 1, 40},      {"_function", 4, 65}, {"/^(leaf|other)_function$/", 2, 60},
		{"operator()(", 1, 2}, /* no regular expression */
		{"copy_user", 1, 0},   /* found, but its time is its call's */
		{"src/app.c", 13, 90}, {"nowhere", 0, 0},
	};
	struct fg_bundle bundle = fg_flame_sample();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_top *top =
			top_of(&bundle, &(struct fg_top_options){.search = cases[i].search});

		if (top->found != cases[i].found || top->found_self != cases[i].self)
			fail_msg("%s: %zu found, %llu samples", cases[i].search, top->found,
				 (unsigned long long)top->found_self);
		fg_top_free(top);
	}
	fg_bundle_done(&bundle);
}

struct neighbour {
	const char *name; /* NULL: the end */
	uint64_t count;
};

static void test_neighbours(void **state)
{
	static const struct {
		const char *of;
		bool callers;
		uint64_t samples;
		struct neighbour expected[10];
		size_t count;
	} cases[] = {
		{"leaf_function", true, 40, {{"parent_function", 40}}, 1},
		{"leaf_function", false, 40, {{NULL, 40}}, 1},
		{"parent_function",
		 false,
		 65,
		 {{"leaf_function", 40}, {"other_function", 20}, {"inlined_function", 5}},
		 3},
		/* once per stack, though it calls itself twice */
		{"recurse", true, 3, {{"main", 3}, {"recurse", 3}}, 2},
		{"recurse", false, 3, {{NULL, 3}, {"recurse", 3}}, 2},
		{"vfs_read", true, 10, {{"__x64_sys_read", 10}}, 1},
		{"main", true, 98, {{NULL, 98}}, 1},
		{"leaf_", true, 40, {{"parent_function", 40}}, 1}, /* the only one that fits */
		{"app main", true, 98, {{NULL, 98}}, 1},           /* with its module */
	};
	struct fg_bundle bundle = fg_flame_sample();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_top *top =
			top_of(&bundle, &(struct fg_top_options){.relative = cases[i].of,
								 .callers = cases[i].callers});

		assert_int_equal(top->relations.samples, cases[i].samples);
		assert_int_equal(top->relations.count, cases[i].count);
		for (size_t k = 0; k < cases[i].count; k++) {
			const struct fg_relation *one = &top->relations.items[k];

			assert_int_equal(one->count, cases[i].expected[k].count);
			if (cases[i].expected[k].name)
				assert_string_equal(one->row->name, cases[i].expected[k].name);
			else
				assert_null(one->row);
		}
		fg_top_free(top);
	}
	fg_bundle_done(&bundle);
}

static void test_refusals(void **state)
{
	static const struct {
		struct fg_top_options options;
		const char *message;
	} cases[] = {
		{{.endpoint = "PUT /"}, "no sample is of request class \"PUT /\"; there is"},
		{{.phase = "setup"}, "no sample is of phase \"setup\"; there is \"measure\""},
		{{.search = "/[/"}, "--search: /[/ at character"},
		{{.search = ""}, "--search: an empty pattern"},
		{{.relative = "nowhere", .callers = true}, "--callers: no function"},
		{{.relative = "_function"}, "--callees: 4 functions fit \"_function\": \"app "},
		{{.relative = "", .callers = true}, "--callers: an empty pattern"},
	};
	struct fg_bundle bundle = fg_flame_sample();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_top *top = NULL;
		struct fg_err err = {0};

		assert_int_equal(fg_top_new(bundle.result, bundle.profile, &cases[i].options, &top,
					    &err),
				 -FG_E_USAGE);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s", err.message);
	}
	fg_bundle_done(&bundle);
}

static void test_no_profile(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_top *top = NULL;
	struct fg_err err = {0};

	(void)state;
	(void)snprintf(bundle.result->profile.why_absent, sizeof(bundle.result->profile.why_absent),
		       "--no-profile was given");
	assert_int_equal(fg_top_new(bundle.result, NULL, &(struct fg_top_options){0}, &top, &err),
			 -FG_E_NO_DATA);
	assert_non_null(strstr(err.message, "--no-profile was given"));
	fg_bundle_done(&bundle);
}

static void test_text_fits_its_width(void **state)
{
	static const unsigned widths[] = {60, 80, 160};
	struct fg_bundle bundles[] = {fg_flame_sample(), fg_flame_sample_hostile()};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(bundles) * FG_ARRAY_LEN(widths); i++) {
		const struct fg_report_style style = {.width = widths[i % FG_ARRAY_LEN(widths)]};
		struct fg_top *top = top_of(&bundles[i / FG_ARRAY_LEN(widths)],
					    &(struct fg_top_options){.sort = FG_TOP_TOTAL});

		fg_buf_clear(&out);
		assert_ok(fg_top_text(top, &style, &out, &err), &err);
		for (const char *line = out.data; *line;) {
			size_t len = strcspn(line, "\n"), columns = 0;

			for (size_t k = 0; k < len; k++)
				columns += ((unsigned char)line[k] & 0xc0) != 0x80;
			if (columns > style.width)
				fail_msg("%zu columns: %.*s", columns, (int)len, line);
			for (size_t k = 0; k < len; k++)
				assert_true((unsigned char)line[k] >= 0x20);
			line += len + (line[len] == '\n');
		}
		fg_top_free(top);
	}
	fg_buf_done(&out);
	fg_bundle_done(&bundles[0]);
	fg_bundle_done(&bundles[1]);
}

static void test_json_and_csv(void **state)
{
	struct fg_bundle bundle = fg_flame_sample_hostile();
	struct fg_top *top = top_of(&bundle, &(struct fg_top_options){.relative = "leaf_function",
								      .callers = true});
	struct fg_err err = {0};
	struct fg_buf out;
	json_t *file = NULL;
	size_t quotes = 0;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_top_json(top, &out, &err), &err);
	assert_ok(fg_json_parse(out.data, out.len, &file, &err), &err);
	assert_int_equal(json_array_size(json_object_get(file, "functions")), top->count);
	assert_non_null(json_object_get(file, "callers"));
	json_decref(file);
	fg_buf_clear(&out);
	assert_ok(fg_top_csv(top, &out, &err), &err);
	for (size_t i = 0; i < out.len; i++)
		quotes += out.data[i] == '"';
	assert_int_equal(quotes % 2, 0);
	fg_buf_done(&out);
	fg_top_free(top);
	fg_bundle_done(&bundle);
}

/* A pattern with exponential back-tracking ends, and finds nothing. */
static void test_patterns_are_bounded(void **state)
{
	struct fg_name_pattern *pattern = NULL;
	struct fg_err err = {0};
	char name[4096];
	char text[1100];

	(void)state;
	memset(name, 'a', sizeof(name) - 2);
	name[sizeof(name) - 2] = '!';
	name[sizeof(name) - 1] = '\0';
	assert_ok(fg_name_pattern_new("/^(a+)+$/", &pattern, &err), &err);
	assert_false(fg_name_pattern_matches(pattern, name));
	fg_name_pattern_free(pattern);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(fg_name_pattern_new(text, &pattern, &err), -FG_E_USAGE);
	assert_false(fg_name_pattern_matches(NULL, "anything"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_rows_are_limited),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_profile),
		cmocka_unit_test(test_text_fits_its_width),
		cmocka_unit_test(test_json_and_csv),
		cmocka_unit_test(test_patterns_are_bounded),
	};

	return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
