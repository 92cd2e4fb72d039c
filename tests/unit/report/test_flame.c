/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flame graphs: what is drawn adds up, names stay names, sizes are bounded, the same input gives
 * the same file; speedscope's file keeps its schema's rules; what cannot be drawn says why.
 */
#include "tests/unit/report/flame_sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/json.h"
#include "gate/profile/pprof.h"
#include "gate/report/flame.h"
#include "gate/report/flame_internal.h"

static struct fg_buf draw(const struct fg_bundle *bundle, const struct fg_flame_options *options)
{
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, 16 << 20);
	assert_ok(fg_flame_svg(bundle, options, &out, &err), &err);
	return out;
}

static size_t count_of(const struct fg_buf *text, const char *piece)
{
	size_t count = 0;

	for (const char *at = text->data; (at = strstr(at, piece)); at += strlen(piece))
		count++;
	return count;
}

/* The frame that begins with this title, up to its end. */
static void frame_of(const struct fg_buf *svg, const char *name, char *ret, size_t size_bytes)
{
	char title[256];

	(void)snprintf(title, sizeof(title), "<title>%s\n", name);
	const char *at = strstr(svg->data, title);

	if (!at)
		fail_msg("no frame %s", name);
	const char *end = strstr(at, "</g>");

	assert_non_null(end);
	(void)snprintf(ret, size_bytes, "%.*s", (int)(end - at), at);
}

static double attribute(const char *frame, const char *name)
{
	char wanted[32];
	double value = 0;

	(void)snprintf(wanted, sizeof(wanted), " %s=\"", name);
	const char *at = strstr(frame, wanted);

	assert_non_null(at);
	at += strlen(wanted);
	assert_int_equal(fg_num_double(at, strcspn(at, "\""), &value, NULL), 0);
	return value;
}

static void test_frames_and_facts(void **state)
{
	static const struct {
		const char *name;
		double percent;
		const char *piece;
	} cases[] = {
		{"all", 100, "100 samples, 100.00 %, 200 ms per second"},
		{"main", 98, "native, app, src/app.c:14"},
		{"parent_function", 65, "65 samples, 65.00 %, 130 ms per second"},
		{"leaf_function", 40, "40 samples, 40.00 %, 80.0 ms per second"},
		{"inlined_function", 5, "inlined, app"},
		{"copy_user", 10, "kernel, [kernel.kallsyms]"},
		{"LazyCompile:~handle /app/server.js:10", 10, "JIT"},
		{"handler.py:view", 5, "script"},
		{"app+0x1234", 5, "unnamed"},
		{"[truncated]", 2, "frames missing"},
		{"std::vector&lt;int&gt;::operator()(int) const", 2, "2 samples"},
	};
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_buf svg = draw(&bundle, &(struct fg_flame_options){0});
	char frame[2048];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		frame_of(&svg, cases[i].name, frame, sizeof(frame));
		assert_true(fabs(attribute(frame, "width") - 11.8 * cases[i].percent) < 0.01);
		if (!strstr(frame, cases[i].piece))
			fail_msg("%s lacks \"%s\"", frame, cases[i].piece);
	}
	assert_non_null(strstr(svg.data, "499 Hz"));
	assert_null(strstr(svg.data, "too narrow"));
	fg_buf_done(&svg);
	fg_bundle_done(&bundle);
}

/* Nothing is fetched: the only addresses are the names of XML dialects. */
static void test_nothing_external(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_buf svg = draw(&bundle, &(struct fg_flame_options){0});

	(void)state;
	for (const char *at = svg.data; (at = strstr(at, "http")); at++)
		assert_true(strncmp(at, "http://www.w3.org/", 18) == 0);
	static const char *const absent[] = {"href", "src=",    "url(",  "@import", "onclick",
					     "eval", "onload=", "fetch", "XMLHttp"};

	for (size_t i = 0; i < FG_ARRAY_LEN(absent); i++)
		assert_null(strstr(svg.data, absent[i]));
	fg_buf_done(&svg);
	fg_bundle_done(&bundle);
}

static void test_rows(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	char root[2048], leaf[2048];

	(void)state;
	for (int inverted = 0; inverted < 2; inverted++) {
		const struct fg_flame_options options = {.inverted = inverted, .width = 800};
		struct fg_buf svg = draw(&bundle, &options);

		frame_of(&svg, "all", root, sizeof(root));
		frame_of(&svg, "leaf_function", leaf, sizeof(leaf));
		double down = attribute(leaf, "y") - attribute(root, "y");

		assert_true(fabs(down - (inverted ? 3 * 17 : -3 * 17)) < 0.01);
		assert_true(fabs(attribute(root, "width") - 780) < 0.01);
		fg_buf_done(&svg);
	}
	fg_bundle_done(&bundle);
}

/* Other types count other things: times of waiting have no samples, faults no times. */
static void test_types(void **state)
{
	static const struct {
		enum fg_profile_type type;
		const char *all, *leaf;
	} cases[] = {
		{FG_PROFILE_OFFCPU, "200 ms, 100.00 %, 20.0 ms per second", "80.2 ms, 40.00 %"},
		{FG_PROFILE_WALL, "200 ms, 100.00 %, 20.0 ms per second", "80.2 ms, 40.00 %"},
		{FG_PROFILE_FAULTS, "100 page faults, 100.00 %</title>", "40 page faults, 40.00 %"},
	};
	struct fg_bundle bundle = fg_flame_sample();
	char frame[2048];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		bundle.profile->type = cases[i].type;
		struct fg_buf svg = draw(&bundle, &(struct fg_flame_options){0});

		frame_of(&svg, "all", frame, sizeof(frame));
		if (!strstr(frame, cases[i].all))
			fail_msg("%s", frame);
		frame_of(&svg, "leaf_function", frame, sizeof(frame));
		if (!strstr(frame, cases[i].leaf))
			fail_msg("%s", frame);
		assert_null(strstr(svg.data, "of CPU"));
		assert_null(strstr(svg.data, " samples"));
		fg_buf_done(&svg);
	}
	fg_bundle_done(&bundle);
}

/* A part of the samples is a picture of its own. */
static void test_class_and_phase(void **state)
{
	static const struct {
		struct fg_flame_options options;
		const char *samples;
	} cases[] = {
		{{.endpoint = "GET /"}, "40 samples, 100.00 %"},
		{{.endpoint = "POST /"}, "5 samples, 100.00 %"},
		{{.phase = "warmup"}, "10 samples, 100.00 %"},
		{{.phase = "all"}, "110 samples, 100.00 %"},
	};
	struct fg_bundle bundle = fg_flame_sample();
	char frame[2048];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf svg = draw(&bundle, &cases[i].options);

		frame_of(&svg, "all", frame, sizeof(frame));
		assert_non_null(strstr(frame, cases[i].samples));
		fg_buf_done(&svg);
	}
	fg_bundle_done(&bundle);
}

static void test_refusals(void **state)
{
	static const struct {
		struct fg_flame_options options;
		const char *message;
		enum fg_err_code code;
	} cases[] = {
		{{.endpoint = "GET /nothing"}, "there is \"GET /\", \"POST /\"", FG_E_USAGE},
		{{.phase = "teardown"}, "there is \"measure\", \"warmup\"", FG_E_USAGE},
		{{.search = "/(/"}, "--search: /(/ at character", FG_E_USAGE},
		{{.search = ""}, "--search: an empty pattern", FG_E_USAGE},
	};
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 16 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};

		assert_int_equal(fg_flame_svg(&bundle, &cases[i].options, &out, &err),
				 -(int)cases[i].code);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s", err.message);
	}
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
}

static void test_no_profile_and_no_samples(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 16 << 20);
	bundle.profile->sample_count = 0;
	assert_int_equal(fg_flame_svg(&bundle, &(struct fg_flame_options){0}, &out, &err),
			 -FG_E_NO_DATA);
	assert_non_null(strstr(err.message, "used no CPU"));
	fg_profile_free(bundle.profile);
	bundle.profile = NULL;
	(void)snprintf(bundle.result->profile.why_absent, sizeof(bundle.result->profile.why_absent),
		       "perf events are refused");
	typedef int write_fn(const struct fg_bundle *, const struct fg_flame_options *,
			     struct fg_buf *, struct fg_err *);
	static write_fn *const writers[] = {fg_flame_svg, fg_flame_folded, fg_flame_speedscope,
					    fg_flame_pprof};

	for (size_t i = 0; i < FG_ARRAY_LEN(writers); i++) {
		assert_int_equal(writers[i](&bundle, &(struct fg_flame_options){0}, &out, &err),
				 -FG_E_NO_DATA);
		assert_non_null(strstr(err.message, "perf events are refused"));
	}
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
}

static void test_hostile_names(void **state)
{
	struct fg_bundle bundle = fg_flame_sample_hostile();
	struct fg_buf svg = draw(&bundle, &(struct fg_flame_options){.search = "<script"});

	(void)state;
	assert_int_equal(count_of(&svg, "<script"), 1);
	assert_int_equal(count_of(&svg, "</script>"), 1);
	assert_int_equal(count_of(&svg, "]]>"), 1);
	assert_null(strstr(svg.data, "&unknown;"));
	assert_null(strstr(svg.data, "&#0;"));
	assert_null(strstr(svg.data, "\xe2\x80\xae"));
	assert_null(strstr(svg.data, "\xef\xbf\xbf"));
	for (size_t i = 0; i < svg.len; i++)
		assert_true((unsigned char)svg.data[i] >= 0x20 || svg.data[i] == '\n');
	assert_non_null(strstr(svg.data, "f hit")); /* the search found the one it names */
	fg_buf_done(&svg);
	fg_bundle_done(&bundle);
}

static void test_big_profiles_stay_small(void **state)
{
	static const struct {
		unsigned stacks, depth;
		bool is_cut;
	} cases[] = {{20000, 20, true}, {2000, 200, true}, {20, 512, false}, {40000, 3, true}};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle bundle = fg_flame_sample_big(cases[i].stacks, cases[i].depth);
		struct fg_buf svg = draw(&bundle, &(struct fg_flame_options){.width = 10000});

		assert_true(svg.len < 2u << 20);
		if (cases[i].is_cut)
			assert_non_null(strstr(svg.data, "too narrow to draw"));
		if (cases[i].depth > FG_FLAME_DEPTH_MAX)
			assert_true(count_of(&svg, "<title>[deeper frames]") > 0);
		fg_buf_done(&svg);
		fg_bundle_done(&bundle);
	}
}

static void test_same_input_same_file(void **state)
{
	struct fg_bundle first = fg_flame_sample(), second = fg_flame_sample();
	struct fg_buf a = draw(&first, &(struct fg_flame_options){0});
	struct fg_buf b = draw(&second, &(struct fg_flame_options){0});

	(void)state;
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	fg_buf_done(&a);
	fg_buf_done(&b);
	fg_bundle_done(&first);
	fg_bundle_done(&second);
}

static void test_colours(void **state)
{
	char a[8], b[8], c[8];

	(void)state;
	fg_flame_colour(FG_FLAME_NATIVE, "libc.so.6", "malloc", a);
	fg_flame_colour(FG_FLAME_NATIVE, "libc.so.6", "malloc", b);
	fg_flame_colour(FG_FLAME_KERNEL, "libc.so.6", "malloc", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	/* Every kind carries dark text: at least this light. */
	for (int kind = 0; kind < FG_FLAME_KIND_COUNT; kind++) {
		uint64_t rgb = 0;

		fg_flame_colour((enum fg_flame_kind)kind, "m", "n", a);
		assert_int_equal(fg_num_hex(a + 1, 6, &rgb, NULL), 0);
		double light = 0.2126 * (double)(rgb >> 16) + 0.7152 * (double)(rgb >> 8 & 0xff) +
			       0.0722 * (double)(rgb & 0xff);

		assert_true(light > 130);
	}
	fg_flame_difference_colour(1, a);
	fg_flame_difference_colour(-1, b);
	fg_flame_difference_colour(0, c);
	assert_true(strcmp(a, b) != 0 && strcmp(a, c) != 0 && strcmp(b, c) != 0);
	fg_flame_difference_colour(50, b);
	assert_string_equal(a, b);
}

/* Which channel is strongest: 'r', 'b', or '-'. */
static char tint(const char *frame)
{
	const char *at = strstr(frame, "fill=\"#");
	uint64_t rgb = 0;

	assert_non_null(at);
	assert_int_equal(fg_num_hex(at + 7, 6, &rgb, NULL), 0);
	unsigned red = (unsigned)(rgb >> 16), blue = (unsigned)(rgb & 0xff);

	return red > blue + 8 ? 'r' : blue > red + 8 ? 'b' : '-';
}

static void test_difference(void **state)
{
	static const struct {
		const char *name, *piece;
		char tint;
	} cases[] = {
		{"leaf_function", "base 80.0 ms → 100 ms (+20.0 ms)", 'r'},
		{"other_function", "base 40.0 ms → 20.0 ms (−20.0 ms)", 'b'},
		{"inlined_function", "base 10.0 ms → 10.0 ms (+0 ns)", '-'},
	};
	struct fg_bundle base = fg_flame_sample(), head = fg_flame_sample_changed();
	const struct fg_flame_options options = {.base = &base};
	struct fg_buf svg = draw(&head, &options);
	char frame[2048];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		frame_of(&svg, cases[i].name, frame, sizeof(frame));
		if (!strstr(frame, cases[i].piece))
			fail_msg("%s", frame);
		assert_int_equal(tint(frame), cases[i].tint);
	}
	assert_non_null(strstr(svg.data, "compared with"));
	fg_buf_done(&svg);
	fg_bundle_done(&base);
	fg_bundle_done(&head);
}

/* -- speedscope ---------------------------------------------------------------------------------
 */

static void check_speedscope(json_t *file, uint64_t expected_ns)
{
	json_t *profile = json_array_get(json_object_get(file, "profiles"), 0);
	json_t *samples = json_object_get(profile, "samples");
	json_t *weights = json_object_get(profile, "weights");
	size_t frames = json_array_size(json_object_get(json_object_get(file, "shared"), "frames"));
	json_int_t sum = 0;

	assert_string_equal(json_string_value(json_object_get(profile, "type")), "sampled");
	assert_string_equal(json_string_value(json_object_get(profile, "unit")), "nanoseconds");
	assert_int_equal(json_array_size(samples), json_array_size(weights));
	for (size_t i = 0; i < json_array_size(samples); i++) {
		json_t *stack = json_array_get(samples, i);

		assert_true(json_array_size(stack) > 0);
		for (size_t k = 0; k < json_array_size(stack); k++)
			assert_true((size_t)json_integer_value(json_array_get(stack, k)) < frames);
		sum += json_integer_value(json_array_get(weights, i));
	}
	assert_int_equal(json_integer_value(json_object_get(profile, "startValue")), 0);
	assert_int_equal(json_integer_value(json_object_get(profile, "endValue")), sum);
	assert_int_equal((uint64_t)sum, expected_ns);
}

static void test_speedscope(void **state)
{
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_err err = {0};
	struct fg_buf out;
	json_t *file = NULL;

	(void)state;
	fg_buf_init(&out, 16 << 20);
	assert_ok(fg_flame_speedscope(&bundle, &(struct fg_flame_options){0}, &out, &err), &err);
	assert_ok(fg_json_parse(out.data, out.len, &file, &err), &err);
	assert_string_equal(json_string_value(json_object_get(file, "$schema")),
			    "https://www.speedscope.app/file-format-schema.json");
	check_speedscope(file, 100 * bundle.profile->period_ns);
	json_t *frames = json_object_get(json_object_get(file, "shared"), "frames");

	for (size_t i = 0; i < json_array_size(frames); i++) {
		json_t *frame = json_array_get(frames, i);

		assert_true(json_is_string(json_object_get(frame, "name")));
		assert_true(json_is_string(json_object_get(frame, "file")));
	}
	json_decref(file);
	fg_buf_clear(&out);
	assert_ok(fg_flame_speedscope(&bundle, &(struct fg_flame_options){.endpoint = "GET /"},
				      &out, &err),
		  &err);
	assert_ok(fg_json_parse(out.data, out.len, &file, &err), &err);
	check_speedscope(file, 40 * bundle.profile->period_ns);
	json_decref(file);
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
}

static void test_speedscope_of_hostile_names(void **state)
{
	struct fg_bundle bundle = fg_flame_sample_hostile();
	struct fg_err err = {0};
	struct fg_buf out;
	json_t *file = NULL;

	(void)state;
	fg_buf_init(&out, 16 << 20);
	assert_ok(fg_flame_speedscope(&bundle, &(struct fg_flame_options){0}, &out, &err), &err);
	assert_ok(fg_json_parse(out.data, out.len, &file, &err), &err);
	json_decref(file);
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
}

static void test_pprof_and_folded_of_a_class(void **state)
{
	const struct fg_flame_options options = {.endpoint = "POST /"};
	struct fg_bundle bundle = fg_flame_sample();
	struct fg_profile *back = NULL;
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 16 << 20);
	assert_ok(fg_flame_pprof(&bundle, &options, &out, &err), &err);
	assert_ok(fg_pprof_decode(out.data, out.len, &back, &err), &err);
	assert_int_equal(fg_profile_total_count(back), 5);
	fg_profile_free(back);
	fg_buf_clear(&out);
	assert_ok(fg_flame_folded(&bundle, &options, &out, &err), &err);
	assert_string_equal(out.data, "main;handler.py:main;handler.py:view 5\n");
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_and_facts),
		cmocka_unit_test(test_nothing_external),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_class_and_phase),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_profile_and_no_samples),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_big_profiles_stay_small),
		cmocka_unit_test(test_same_input_same_file),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_difference),
		cmocka_unit_test(test_speedscope),
		cmocka_unit_test(test_speedscope_of_hostile_names),
		cmocka_unit_test(test_pprof_and_folded_of_a_class),
	};

	return cmocka_run_group_tests_name("flame", tests, NULL, NULL);
}
