/* SPDX-License-Identifier: Apache-2.0 */
/* pprof: round trips, the rules of all readers, damaged and huge files, speed. */
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/profile/pprof.h"

#include <gate/profile/profile.pb-c.h>

static const struct fg_pprof_options with_labels = {.gzip = true, .labels = true};

static struct fg_profile *round_trip(const struct fg_profile *profile,
				     const struct fg_pprof_options *options)
{
	struct fg_profile *back = NULL;
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	assert_ok(fg_pprof_encode(profile, options, &out, &err), &err);
	assert_ok(fg_pprof_decode(out.data, out.len, &back, &err), &err);
	fg_buf_done(&out);
	return back;
}

static void assert_same(const struct fg_profile *a, const struct fg_profile *b)
{
	char *left = fg_sample_dump(a);
	char *right = fg_sample_dump(b);

	assert_string_equal(left, right);
	free(left);
	free(right);
}

/* One location with two inlined callees, source lines and files. */
static uint32_t inlined_location(struct fg_profile *profile)
{
	static const char *const names[] = {"inner", "middle", "outer"};
	struct fg_pline lines[3];
	uint32_t module = fg_sample_module(profile, "/bin/app");

	for (uint32_t i = 0; i < 3; i++) {
		struct fg_pfunction function = {
			.name = fg_sample_string(profile, names[i]),
			.system_name = fg_sample_string(profile, "_Zraw"),
			.filename = fg_sample_string(profile, "src/app.c"),
			.start_line = 10 * i + 1,
			.module = module,
		};

		lines[i].function = (uint32_t)fg_profile_function(profile, &function, NULL);
		lines[i].line = 10 * i + 5;
	}
	struct fg_plocation location = {.module = module, .address = 0x4321, .line_count = 3};
	int64_t index = fg_profile_location(profile, &location, lines, NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

static struct fg_profile *rich_profile(void)
{
	static const char *const kernel_names[] = {
		"k:copy", "k:__x64_sys_writev", "k:do_syscall_64", "write", "main", NULL};
	static const char *const user_names[] = {"parse", "main", NULL};
	struct fg_profile *profile = fg_sample_new();
	uint32_t kernel = fg_sample_stack(profile, FG_STACK_COMPLETE, kernel_names);
	uint32_t user = fg_sample_stack(profile, FG_STACK_COMPLETE, user_names);
	uint32_t cut = fg_sample_stack(profile, FG_STACK_GUESSED, user_names);
	uint32_t frames[] = {
		inlined_location(profile),
		fg_sample_location(profile, "/usr/lib/libx.so", "libx.so+0x1a40", 0x1a40,
				   FG_LOC_UNNAMED),
		fg_sample_location(profile, "/usr/lib/libx.so", "libx.so+0x1b00", 0x1b00, 0),
		fg_sample_location(profile, "/bin/app", "guess", 0x5000, FG_LOC_GUESSED),
		fg_sample_location(profile, "//anon", "jit.js", 0x7000,
				   FG_LOC_JIT | FG_LOC_GUESSED | FG_LOC_UNNAMED),
		fg_sample_location(profile, "", "[truncated]", 0, FG_LOC_PLACEHOLDER),
		fg_sample_location(profile, "/bin/app", "[unknown]", 0, 0),
		fg_sample_location(profile, "[kernel.kallsyms]", "odd", 0xffffffff81000100, 0),
	};
	int64_t odd = fg_profile_stack(profile, frames, FG_ARRAY_LEN(frames), FG_STACK_GAP, NULL);

	assert_true(odd >= 0);
	fg_sample_add(profile, kernel, "GET /items", "measure", 3, 41);
	fg_sample_add(profile, kernel, "GET /items", "warmup", 0, 4);
	fg_sample_add(profile, user, "GET /items", "measure", 3, 7);
	fg_sample_add(profile, user, "", "measure", 4, 8);
	fg_sample_add(profile, cut, "POST /items", "measure", 4, 9);
	fg_sample_add(profile, (uint32_t)odd, "", "", 9, 1);
	return profile;
}

static void test_round_trip_keeps_everything(void **state)
{
	struct fg_profile *profile = rich_profile();

	(void)state;
	for (int gzip = 0; gzip < 2; gzip++) {
		struct fg_pprof_options options = {.gzip = gzip, .labels = true};
		struct fg_profile *back = round_trip(profile, &options);
		struct fg_profile *twice = round_trip(back, &options);

		assert_same(profile, back);
		assert_same(profile, twice);
		fg_profile_free(back);
		fg_profile_free(twice);
	}
	fg_profile_free(profile);
}

static void test_sides_survive(void **state)
{
	struct fg_profile *profile = rich_profile();
	struct fg_psample sample = profile->samples[0];

	(void)state;
	sample.side = fg_sample_string(profile, "head");
	assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
	struct fg_profile *back = round_trip(profile, &with_labels);

	assert_same(profile, back);
	fg_profile_free(back);
	fg_profile_free(profile);
}

/* Slow and others of one stack, class and second stay two samples. */
static void test_latency_survives(void **state)
{
	struct fg_profile *profile = rich_profile();
	const size_t count = profile->sample_count;
	struct fg_psample sample = profile->samples[0];

	(void)state;
	sample.latency = fg_sample_string(profile, "slow");
	for (int i = 0; i < 2; i++)
		assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
	assert_int_equal(profile->sample_count, count + 1);
	assert_int_equal(profile->samples[count].count, 2 * sample.count);
	struct fg_profile *back = round_trip(profile, &with_labels);

	assert_same(profile, back);
	sample.latency = (uint32_t)profile->string_count;
	assert_int_equal(fg_profile_sample(profile, &sample, NULL), -FG_E_INVALID);
	fg_profile_free(back);
	fg_profile_free(profile);
}

static void test_selection(void **state)
{
	static const struct {
		struct fg_pprof_options options;
		uint64_t total;
	} cases[] = {
		{{.labels = true}, 70},
		{{.labels = true, .phase = "measure"}, 65},
		{{.labels = true, .phase = "nothing"}, 0},
		{{.labels = true, .second_from = 3}, 66},
		{{.labels = true, .second_to = 4}, 52},
		{{.labels = true, .second_from = 3, .second_to = 4}, 48},
		{{.labels = false, .phase = "measure", .second_from = 4, .second_to = 5}, 17},
		{{.labels = false}, 70},
	};
	struct fg_profile *profile = rich_profile();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile *back = round_trip(profile, &cases[i].options);

		if (fg_profile_total_count(back) != cases[i].total)
			fail_msg("case %zu: %llu", i,
				 (unsigned long long)fg_profile_total_count(back));
		assert_int_equal(back->period_ns, profile->period_ns);
		fg_profile_free(back);
	}
	fg_profile_free(profile);
}

static Fg__Pprof__Profile *unpacked(const struct fg_profile *profile,
				    const struct fg_pprof_options *options)
{
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	assert_ok(fg_pprof_encode(profile, options, &out, &err), &err);
	Fg__Pprof__Profile *message =
		fg__pprof__profile__unpack(NULL, out.len, (const uint8_t *)out.data);

	assert_non_null(message);
	fg_buf_done(&out);
	return message;
}

static void assert_text(const Fg__Pprof__Profile *message, int64_t index, const char *wanted)
{
	assert_true(index >= 0 && (uint64_t)index < message->n_string_table);
	const ProtobufCBinaryData *text = &message->string_table[index];

	if (text->len != strlen(wanted) || memcmp(text->data, wanted, text->len) != 0)
		fail_msg("\"%.*s\", not \"%s\"", (int)text->len, (const char *)text->data, wanted);
}

/* reference/pyroscope.md §6.2 and §9, as far as it can be seen in the file itself. */
static void test_files_keep_the_rules_of_all_readers(void **state)
{
	struct fg_profile *profile = rich_profile();
	Fg__Pprof__Profile *message = unpacked(profile, &(struct fg_pprof_options){.labels = true});

	(void)state;
	assert_int_equal(message->string_table[0].len, 0);
	assert_int_equal(message->n_sample_type, 2);
	assert_text(message, message->sample_type[0]->type, "samples");
	assert_text(message, message->sample_type[0]->unit, "count");
	assert_text(message, message->sample_type[1]->type, "cpu");
	assert_text(message, message->sample_type[1]->unit, "nanoseconds");
	assert_text(message, message->period_type->type, "cpu");
	assert_text(message, message->default_sample_type, "cpu");
	assert_int_equal(message->period, profile->period_ns);
	assert_int_equal(message->time_nanos, profile->time_unix_ns);
	assert_text(message, message->mapping[0]->filename, "/bin/app");
	for (size_t i = 0; i < message->n_mapping; i++) {
		assert_int_equal(message->mapping[i]->id, i + 1);
		assert_true(message->mapping[i]->has_functions);
		assert_true(message->mapping[i]->has_inline_frames == (i == 0));
		assert_true(message->mapping[i]->has_line_numbers == (i == 0));
		assert_true(message->mapping[i]->has_filenames == (i == 0));
	}
	for (size_t i = 0; i < message->n_function; i++)
		assert_int_equal(message->function[i]->id, i + 1);
	for (size_t i = 0; i < message->n_location; i++) {
		const Fg__Pprof__Location *location = message->location[i];
		const Fg__Pprof__Mapping *mapping = message->mapping[location->mapping_id - 1];

		assert_int_equal(location->id, i + 1);
		assert_true(location->n_line >= 1);
		assert_true(location->address >= mapping->memory_start);
		assert_true(location->address < mapping->memory_limit);
	}
	for (size_t i = 0; i < message->n_sample; i++) {
		assert_int_equal(message->sample[i]->n_value, 2);
		assert_int_equal(message->sample[i]->value[1],
				 message->sample[i]->value[0] * message->period);
	}
	fg__pprof__profile__free_unpacked(message, NULL);
	fg_profile_free(profile);
}

static void test_labels_only_where_there_is_something_to_say(void **state)
{
	static const char *const names[] = {"main", NULL};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, names), "", "measure", 7,
		      1);
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_BAD, names), "", "measure", 7, 1);
	Fg__Pprof__Profile *message = unpacked(profile, &(struct fg_pprof_options){.labels = true});
	const Fg__Pprof__Sample *complete = message->sample[0];
	const Fg__Pprof__Sample *bad = message->sample[1];

	assert_int_equal(complete->n_label, 2);
	assert_text(message, complete->label[0]->key, "phase");
	assert_text(message, complete->label[0]->str, "measure");
	assert_text(message, complete->label[1]->key, "t_ms");
	assert_int_equal(complete->label[1]->num, 7000);
	assert_text(message, complete->label[1]->num_unit, "milliseconds");
	assert_int_equal(bad->n_label, 3);
	assert_text(message, bad->label[1]->key, "stack");
	assert_text(message, bad->label[1]->str, "bad");
	fg__pprof__profile__free_unpacked(message, NULL);
	message = unpacked(profile, &(struct fg_pprof_options){.labels = false});
	assert_int_equal(message->n_sample, 2);
	assert_int_equal(message->sample[0]->n_label, 0);
	fg__pprof__profile__free_unpacked(message, NULL);
	fg_profile_free(profile);
}

static void test_only_what_is_used_is_written(void **state)
{
	static const char *const used[] = {"main", NULL};
	static const char *const unused[] = {"never", "main", NULL};
	struct fg_profile *profile = fg_sample_new();
	uint32_t cold = fg_sample_stack(profile, FG_STACK_COMPLETE, unused);

	(void)state;
	fg_sample_module(profile, "/usr/lib/libunused.so");
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, used), "", "measure", 7,
		      1);
	fg_sample_add(profile, cold, "", "measure", 7, 0);
	Fg__Pprof__Profile *message = unpacked(profile, &(struct fg_pprof_options){.labels = true});

	assert_int_equal(message->n_sample, 1);
	assert_int_equal(message->n_location, 1);
	assert_int_equal(message->n_function, 1);
	assert_int_equal(message->n_mapping, 1);
	for (size_t i = 0; i < message->n_string_table; i++)
		assert_true(message->string_table[i].len != strlen("never") ||
			    memcmp(message->string_table[i].data, "never", 5) != 0);
	fg__pprof__profile__free_unpacked(message, NULL);
	fg_profile_free(profile);
}

static void test_what_cannot_be_written(void **state)
{
	static const char *const names[] = {"main", NULL};
	struct fg_profile *profile = fg_sample_new();
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 1 << 20);
	fg_buf_add_str(&out, "before");
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, names), "", "", 0,
		      UINT64_MAX / 4);
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, &err), -FG_E_LIMIT);
	profile->samples[0].count = 1;
	profile->period_ns = 0;
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, &err), -FG_E_INVALID);
	profile->period_ns = 1;
	assert_string_equal(out.data, "before");
	out.max = 20;
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, &err), -FG_E_LIMIT);
	assert_string_equal(out.data, "before");
	fg_buf_done(&out);
	fg_profile_free(profile);
}

static void assert_refused(const void *bytes, size_t len, enum fg_err_code code, const char *says)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};

	assert_int_equal(fg_pprof_decode(bytes, len, &profile, &err), -(int)code);
	assert_null(profile);
	assert_int_equal(fg_pprof_decode(bytes, len, &profile, NULL), -(int)code);
	if (!strstr(err.message, says))
		fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

static void test_damaged_and_huge_files(void **state)
{
	struct fg_profile *profile = rich_profile();
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, NULL), 0);
	for (size_t len = 2; len < out.len; len++) {
		struct fg_profile *back = NULL;

		if (fg_pprof_decode(out.data, len, &back, NULL) == 0)
			fail_msg("accepted %zu of %zu bytes", len, out.len);
	}
	out.data[out.len - 6] ^= 1; /* the checksum */
	assert_refused(out.data, out.len, FG_E_INVALID, "damaged");
	/* Cut plain files may end between two fields: never a crash, whatever the answer. */
	fg_buf_clear(&out);
	assert_int_equal(fg_pprof_encode(profile, &(struct fg_pprof_options){.labels = true}, &out,
					 NULL),
			 0);
	for (size_t len = 0; len < out.len; len++) {
		struct fg_profile *back = NULL;

		if (fg_pprof_decode(out.data, len, &back, NULL) == 0)
			fg_profile_free(back);
	}
	fg_buf_done(&out);
	fg_profile_free(profile);
}

static void test_a_bomb_is_refused(void **state)
{
	size_t len = (size_t)FG_PROFILE_BYTES_MAX + 2;
	char *zeros = calloc(1, len);

	(void)state;
	assert_non_null(zeros);
	assert_refused(zeros, len, FG_E_LIMIT, "at most");
	free(zeros);
	/* 257 MiB of zeros in a handful of kB: made by gzip -9 of gzip members would be larger than
	 * a test file should be, so members are repeated here. */
	struct fg_profile *profile = fg_sample_new();
	char name[FG_PROFILE_STRING_MAX];
	struct fg_buf member, bomb;

	memset(name, 'a', sizeof(name));
	for (int i = 0; i < 250; i++) {
		char digits[8];
		int n = snprintf(digits, sizeof(digits), "%d", i);

		memcpy(name, digits, (size_t)n);
		int64_t string = fg_profile_string(profile, name, sizeof(name), NULL);

		assert_true(string > 0);
		name[n] = 'a';
		const char *const names[] = {fg_profile_text(profile, (uint32_t)string), NULL};

		fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, names), "", "",
			      0, 1);
	}
	fg_buf_init(&member, 1 << 20);
	fg_buf_init(&bomb, 64 << 20);
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &member, NULL), 0);
	for (int i = 0; i < 300; i++)
		fg_buf_add(&bomb, member.data, member.len);
	assert_int_equal(fg_buf_check(&bomb, NULL), 0);
	assert_refused(bomb.data, bomb.len, FG_E_LIMIT, "inflated");
	fg_buf_done(&member);
	fg_buf_done(&bomb);
	fg_profile_free(profile);
}

static void test_two_gzip_members_are_one_file(void **state)
{
	struct fg_profile *profile = rich_profile();
	struct fg_profile *back = NULL;
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, NULL), 0);
	/* Concatenated profiles repeat their ids, which must be noticed, not summed by chance. */
	assert_int_equal(fg_pprof_encode(profile, &with_labels, &out, NULL), 0);
	assert_int_equal(fg_pprof_decode(out.data, out.len, &back, &err), -FG_E_INVALID);
	fg_buf_done(&out);
	fg_profile_free(profile);
}

/* 500 000 samples on 20 000 stacks; prints its time, asserts the content only. */
static void test_a_large_profile(void **state)
{
	enum { STACKS = 20000, SAMPLES = 500000, DEPTH = 24 };
	struct fg_profile *profile = fg_sample_new();
	struct fg_profile *back = NULL;
	struct fg_err err = {0};
	uint32_t locations[4096];
	uint64_t random = 1;
	struct fg_buf out;

	(void)state;
	for (uint32_t i = 0; i < FG_ARRAY_LEN(locations); i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "namespace::function_number_%u(int, char)", i);
		locations[i] = fg_sample_location(profile, "/bin/app", name, 0x1000 + i * 64, 0);
	}
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t frames[DEPTH];

		for (size_t k = 0; k < DEPTH; k++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			frames[k] = locations[random >> 52];
		}
		frames[0] = locations[i % 4096];
		assert_true(fg_profile_stack(profile, frames, DEPTH, FG_STACK_COMPLETE, NULL) >= 0);
	}
	uint32_t endpoint = fg_sample_string(profile, "GET /items");
	uint32_t phase = fg_sample_string(profile, "measure");

	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct fg_psample sample = {
			.stack = i % (uint32_t)profile->stack_count,
			.endpoint = endpoint,
			.phase = phase,
			.second = i / STACKS,
			.count = i % 7 + 1,
		};

		assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
	}
	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	uint64_t start_ns = fg_clock_monotonic_ns();

	assert_ok(fg_pprof_encode(profile, &with_labels, &out, &err), &err);
	uint64_t encoded_ns = fg_clock_monotonic_ns();

	assert_ok(fg_pprof_decode(out.data, out.len, &back, &err), &err);
	uint64_t decoded_ns = fg_clock_monotonic_ns();

	print_message("%zu samples, %zu stacks: encode %.0f ms, decode %.0f ms, %zu bytes\n",
		      profile->sample_count, profile->stack_count,
		      (double)(encoded_ns - start_ns) / 1e6,
		      (double)(decoded_ns - encoded_ns) / 1e6, out.len);
	assert_int_equal(back->sample_count, profile->sample_count);
	assert_int_equal(back->stack_count, profile->stack_count);
	assert_int_equal(fg_profile_total_count(back), fg_profile_total_count(profile));
	fg_buf_done(&out);
	fg_profile_free(back);
	fg_profile_free(profile);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip_keeps_everything),
		cmocka_unit_test(test_sides_survive),
		cmocka_unit_test(test_latency_survives),
		cmocka_unit_test(test_selection),
		cmocka_unit_test(test_files_keep_the_rules_of_all_readers),
		cmocka_unit_test(test_labels_only_where_there_is_something_to_say),
		cmocka_unit_test(test_only_what_is_used_is_written),
		cmocka_unit_test(test_what_cannot_be_written),
		cmocka_unit_test(test_damaged_and_huge_files),
		cmocka_unit_test(test_a_bomb_is_refused),
		cmocka_unit_test(test_two_gzip_members_are_one_file),
		cmocka_unit_test(test_a_large_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
