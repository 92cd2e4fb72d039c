/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a profile into uploads: limits kept, nothing lost, stamps inside the window and unique.
 */
#include "tests/kit/kit.h"

#include "gate/profile/pprof.h"
#include "runner/publish/pyroscope_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_NS    (1795250000 * FG_NS_PER_S)
#define PERIOD_NS 2004008u

static uint32_t intern(struct fg_profile *profile, const char *text)
{
	int64_t index = fg_profile_string(profile, text, strlen(text), NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

/* A stack of one frame whose function is named after `n`. */
static uint32_t add_stack(struct fg_profile *profile, unsigned n, size_t name_bytes)
{
	struct fg_pmodule module = {.path = intern(profile, "/bin/x"), .limit = 1 << 20};
	int64_t module_index = fg_profile_module(profile, &module, NULL);
	char name[FG_PROFILE_STRING_MAX + 1];
	int len = snprintf(name, sizeof(name), "f%u_", n);

	memset(name + len, 'x', sizeof(name) - (size_t)len);
	name[FG_MAX(name_bytes, (size_t)len)] = '\0';
	struct fg_pfunction function = {.name = intern(profile, name),
					.module = (uint32_t)module_index};
	int64_t function_index = fg_profile_function(profile, &function, NULL);
	struct fg_pline line = {.function = (uint32_t)function_index};
	struct fg_plocation location = {
		.module = (uint32_t)module_index, .address = n, .line_count = 1};
	uint32_t frame = (uint32_t)fg_profile_location(profile, &location, &line, NULL);
	int64_t stack = fg_profile_stack(profile, &frame, 1, FG_STACK_COMPLETE, NULL);

	assert_true(stack >= 0);
	return (uint32_t)stack;
}

static void add_sample(struct fg_profile *profile, unsigned n, size_t name_bytes, uint32_t second,
		       const char *phase, uint64_t count)
{
	struct fg_psample sample = {
		.stack = add_stack(profile, n, name_bytes),
		.phase = intern(profile, phase),
		.second = second,
		.count = count,
	};
	struct fg_err err;

	assert_ok(fg_profile_sample(profile, &sample, &err), &err);
}

static struct fg_profile *make_profile(void)
{
	struct fg_profile *profile = NULL;
	struct fg_err err;

	assert_ok(fg_profile_new(&profile, &err), &err);
	profile->period_ns = PERIOD_NS;
	profile->time_unix_ns = NOW_NS - 600 * FG_NS_PER_S;
	profile->duration_ns = 600 * FG_NS_PER_S;
	return profile;
}

static const struct fg_pyroscope_split_options defaults = {
	.labels_bytes = 100,
	.max_bytes = FG_PYROSCOPE_BYTES_MAX,
	.max_samples = FG_PYROSCOPE_SAMPLES_MAX,
	.now_unix_ns = NOW_NS,
};

/* Decodes every piece and checks what the server would check; returns the samples in all. */
static uint64_t check_pieces(const struct fg_pyroscope_pieces *pieces,
			     const struct fg_pyroscope_split_options *options)
{
	uint64_t total = 0, before = 0;
	struct fg_err err;

	for (size_t i = 0; i < pieces->count; i++) {
		const struct fg_pyroscope_piece *piece = &pieces->items[i];
		struct fg_profile *decoded = NULL;
		struct fg_pprof_options plain = {.gzip = false};
		struct fg_buf bytes;

		assert_ok(fg_pprof_decode(piece->pprof.data, piece->pprof.len, &decoded, &err),
			  &err);
		assert_int_equal(decoded->time_unix_ns, piece->time_unix_ns);
		if (i > 0 && strcmp(piece->endpoint, piece[-1].endpoint) == 0)
			assert_true(piece->time_unix_ns > before);
		before = piece->time_unix_ns;
		assert_true(decoded->sample_count <= options->max_samples);
		assert_int_equal(fg_profile_total_count(decoded), piece->samples);
		assert_int_equal(decoded->period_ns, PERIOD_NS);
		assert_int_equal(piece->cpu_ns, piece->samples * PERIOD_NS);
		for (size_t k = 0; k < decoded->sample_count; k++)
			assert_int_equal(decoded->samples[k].phase, 0); /* no labels travel */
		fg_buf_init(&bytes, FG_PROFILE_BYTES_MAX);
		assert_ok(fg_pprof_encode(decoded, &plain, &bytes, &err), &err);
		assert_true(bytes.len + options->labels_bytes <= options->max_bytes);
		fg_buf_done(&bytes);
		fg_profile_free(decoded);
		total += piece->samples;
	}
	return total;
}

static void test_one_piece(void **state)
{
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;

	(void)state;
	add_sample(profile, 1, 0, 10, "measure", 3);
	add_sample(profile, 1, 0, 11, "measure", 4); /* the same stack: one pprof sample */
	add_sample(profile, 2, 0, 12, "measure", 5);
	add_sample(profile, 3, 0, 1, "warmup", 100);
	add_sample(profile, 3, 0, 20, "", 100);
	assert_ok(fg_pyroscope_split(profile, &defaults, &pieces, &err), &err);
	assert_int_equal(pieces.count, 1);
	assert_int_equal(check_pieces(&pieces, &defaults), 12);
	assert_int_equal(pieces.items[0].time_unix_ns, NOW_NS - 590 * FG_NS_PER_S);
	fg_pyroscope_pieces_done(&pieces);
	fg_profile_free(profile);
}

static void test_limits(void **state)
{
	static const struct {
		unsigned stacks, seconds;
		size_t name_bytes, max_bytes, max_samples, least_pieces;
	} cases[] = {
		{100, 10, 0, 1 << 20, 100, 1},
		{101, 10, 0, 1 << 20, 100, 2},
		{1000, 10, 0, 1 << 20, 100, 10},
		{1000, 1, 0, 1 << 20, 100, 10}, /* inside one second */
		{200, 60, 1000, 20000, 16000, 10},
		{7, 7, 4096, 4700, 16000, 7},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_pyroscope_split_options options = defaults;
		struct fg_profile *profile = make_profile();
		struct fg_pyroscope_pieces pieces;
		struct fg_err err;

		options.max_bytes = cases[i].max_bytes;
		options.max_samples = cases[i].max_samples;
		for (unsigned n = 0; n < cases[i].stacks; n++)
			add_sample(profile, n, cases[i].name_bytes, n % cases[i].seconds, "measure",
				   n + 1);
		assert_ok(fg_pyroscope_split(profile, &options, &pieces, &err), &err);
		assert_true(pieces.count >= cases[i].least_pieces);
		assert_true(pieces.count <= 4 * cases[i].least_pieces);
		assert_int_equal(check_pieces(&pieces, &options),
				 cases[i].stacks * (cases[i].stacks + 1ull) / 2);
		fg_pyroscope_pieces_done(&pieces);
		fg_profile_free(profile);
	}
}

/* The limit is exact: what fits to the byte stays whole, one byte less cuts it. */
static void test_the_last_byte(void **state)
{
	struct fg_pyroscope_split_options options = defaults;
	struct fg_pprof_options plain = {.gzip = false};
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_buf bytes;
	struct fg_err err;

	(void)state;
	add_sample(profile, 1, 500, 0, "measure", 1);
	add_sample(profile, 2, 500, 1, "measure", 1);
	/* as the one piece of it would be: 2 s long */
	profile->duration_ns = 2 * FG_NS_PER_S;
	fg_buf_init(&bytes, 1 << 20);
	assert_ok(fg_pprof_encode(profile, &plain, &bytes, &err), &err);
	options.max_bytes = bytes.len + options.labels_bytes;
	fg_buf_done(&bytes);
	assert_ok(fg_pyroscope_split(profile, &options, &pieces, &err), &err);
	assert_int_equal(pieces.count, 1);
	fg_pyroscope_pieces_done(&pieces);
	options.max_bytes--;
	assert_ok(fg_pyroscope_split(profile, &options, &pieces, &err), &err);
	assert_int_equal(pieces.count, 2);
	fg_pyroscope_pieces_done(&pieces);
	fg_profile_free(profile);
}

static void test_a_stack_that_never_fits(void **state)
{
	struct fg_pyroscope_split_options options = defaults;
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;

	(void)state;
	add_sample(profile, 1, 0, 0, "measure", 1);
	add_sample(profile, 2, 4000, 1, "measure", 1);
	options.max_bytes = 2000;
	assert_int_equal(fg_pyroscope_split(profile, &options, &pieces, &err), -FG_E_LIMIT);
	assert_non_null(strstr(err.message, "single stack"));
	fg_profile_free(profile);
}

static void test_nothing_to_send(void **state)
{
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;

	(void)state;
	assert_int_equal(fg_pyroscope_split(profile, &defaults, &pieces, &err), -FG_E_NO_DATA);
	add_sample(profile, 1, 0, 0, "warmup", 5);
	assert_int_equal(fg_pyroscope_split(profile, &defaults, &pieces, &err), -FG_E_NO_DATA);
	add_sample(profile, 1, 0, 0, "measure", 5);
	profile->period_ns = 0;
	assert_int_equal(fg_pyroscope_split(profile, &defaults, &pieces, &err), -FG_E_NO_DATA);
	fg_profile_free(profile);
}

static void test_overflow(void **state)
{
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;

	(void)state;
	add_sample(profile, 1, 0, 0, "measure", UINT64_MAX / 2);
	assert_int_equal(fg_pyroscope_split(profile, &defaults, &pieces, &err), -FG_E_LIMIT);
	fg_profile_free(profile);
}

/* Ages of the first sample, in seconds before now, for a sample in second `second`. */
static void test_the_window(void **state)
{
	static const struct {
		int64_t start_s; /* of the run, before now */
		uint32_t first, last;
		bool restamp;
		int rc;
		int64_t stamp_s; /* of the first piece, before now */
	} cases[] = {
		{60, 0, 50, false, 0, 60},
		{59 * 60, 0, 10, false, 0, 59 * 60},
		{59 * 60 + 1, 0, 10, false, -FG_E_INVALID, 0},
		{61 * 60, 120, 180, false, 0, 59 * 60}, /* only the measured part counts */
		{86400, 0, 10, false, -FG_E_INVALID, 0},
		{-60, 0, 10, false, 0, -60},
		{-3600, 0, 10, false, -FG_E_INVALID, 0},
		{86400, 0, 9, true, 0, 10},
		{-3600, 5, 14, true, 0, 10},
		{60, 100, 109, true, 0, 10},
		{86400, 0, 7199, true, 0, 59 * 60}, /* two hours pressed into the window */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_pyroscope_split_options options = defaults;
		struct fg_profile *profile = make_profile();
		struct fg_pyroscope_pieces pieces;
		struct fg_err err;

		options.restamp_now = cases[i].restamp;
		profile->time_unix_ns = NOW_NS - (uint64_t)cases[i].start_s * FG_NS_PER_S;
		add_sample(profile, 1, 0, cases[i].first, "measure", 1);
		add_sample(profile, 2, 0, cases[i].last, "measure", 1);
		int rc = fg_pyroscope_split(profile, &options, &pieces, &err);

		if (rc != cases[i].rc)
			fail_msg("case %zu: %d %s", i, rc, rc ? err.message : "");
		if (rc) {
			assert_non_null(strstr(err.message, "--restamp now"));
		} else {
			assert_int_equal(pieces.items[0].time_unix_ns,
					 NOW_NS - (uint64_t)cases[i].stamp_s * FG_NS_PER_S);
			fg_pyroscope_pieces_done(&pieces);
		}
		fg_profile_free(profile);
	}
}

static void add_endpoint_sample(struct fg_profile *profile, const char *endpoint, uint32_t second,
				uint64_t count)
{
	struct fg_psample sample = {
		.stack = add_stack(profile, second, 0),
		.endpoint = intern(profile, endpoint),
		.phase = intern(profile, "measure"),
		.second = second,
		.count = count,
	};
	struct fg_err err;

	assert_ok(fg_profile_sample(profile, &sample, &err), &err);
}

/* 25 classes: the 20 with most samples stand alone, five and one named "(other)" share, and what
 * belongs to none has no label. Every class keeps its own time. */
static void test_endpoints(void **state)
{
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;
	uint64_t shared = 0, none = 0;
	size_t named = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 25; i++) {
		(void)snprintf(name, sizeof(name), "GET /e%u", i);
		add_endpoint_sample(profile, name, 50, 1);
		add_endpoint_sample(profile, name, 100, 100 + i);
	}
	add_endpoint_sample(profile, "(other)", 10, 1000000);
	add_endpoint_sample(profile, "", 20, 7);
	assert_ok(fg_pyroscope_split(profile, &defaults, &pieces, &err), &err);
	assert_int_equal(check_pieces(&pieces, &defaults),
			 25 + 25 * 100 + 24 * 25 / 2 + 1000000 + 7);
	for (size_t i = 0; i < pieces.count; i++) {
		const struct fg_pyroscope_piece *piece = &pieces.items[i];

		if (strcmp(piece->endpoint, "(other)") == 0) {
			shared += piece->samples;
			assert_int_equal(piece->time_unix_ns, NOW_NS - 590 * FG_NS_PER_S);
		} else if (!*piece->endpoint) {
			none += piece->samples;
		} else {
			named++;
			assert_int_equal(piece->time_unix_ns, NOW_NS - 550 * FG_NS_PER_S);
		}
	}
	assert_int_equal(named, 20);
	assert_int_equal(shared, 1000000 + 5 * 101 + (0 + 1 + 2 + 3 + 4));
	assert_int_equal(none, 7);
	fg_pyroscope_pieces_done(&pieces);
	fg_profile_free(profile);
}

static void test_an_endpoint_too_long_for_a_label(void **state)
{
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;
	char name[2100];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add_endpoint_sample(profile, name, 1, 1);
	assert_int_equal(fg_pyroscope_split(profile, &defaults, &pieces, &err), -FG_E_LIMIT);
	assert_non_null(strstr(err.message, "2099 bytes"));
	fg_profile_free(profile);
}

static void test_pressed_pieces_stay_unique(void **state)
{
	struct fg_pyroscope_split_options options = defaults;
	struct fg_profile *profile = make_profile();
	struct fg_pyroscope_pieces pieces;
	struct fg_err err;

	(void)state;
	options.restamp_now = true;
	options.max_samples = 1;
	for (unsigned n = 0; n < 100; n++)
		add_sample(profile, n, 0, n * 100, "measure", 1);
	assert_ok(fg_pyroscope_split(profile, &options, &pieces, &err), &err);
	assert_int_equal(pieces.count, 100);
	assert_int_equal(check_pieces(&pieces, &options), 100);
	assert_true(pieces.items[0].time_unix_ns >= NOW_NS - FG_PYROSCOPE_OLDEST_NS);
	assert_true(pieces.items[99].time_unix_ns < NOW_NS);
	fg_pyroscope_pieces_done(&pieces);
	fg_profile_free(profile);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_piece),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_the_last_byte),
		cmocka_unit_test(test_a_stack_that_never_fits),
		cmocka_unit_test(test_nothing_to_send),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_the_window),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_an_endpoint_too_long_for_a_label),
		cmocka_unit_test(test_pressed_pieces_stay_unique),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
