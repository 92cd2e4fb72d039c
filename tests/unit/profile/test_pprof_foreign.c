/* SPDX-License-Identifier: Apache-2.0 */
/* pprof: hand-made profiles of other writers, and everything that must be refused. */
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/profile/pprof.h"

#include <gate/profile/profile.pb-c.h>

/* A profile as another tool might write it: sparse ids, no period type, odd order of values. */
struct hand {
	Fg__Pprof__Profile profile;
	Fg__Pprof__ValueType types[2], *type_pointers[2];
	Fg__Pprof__ValueType period_type;
	Fg__Pprof__Mapping mapping, *mapping_pointers[2];
	Fg__Pprof__Function functions[2], *function_pointers[2];
	Fg__Pprof__Location locations[2], *location_pointers[2];
	Fg__Pprof__Line line, *line_pointers[FG_PROFILE_INLINE_MAX + 1];
	Fg__Pprof__Sample sample, *sample_pointers[1];
	Fg__Pprof__Label label, *label_pointers[1];
	uint64_t frames[FG_PROFILE_STACK_MAX + 5];
	int64_t values[3];
	ProtobufCBinaryData strings[16];
};

enum { H_EMPTY, H_CPU, H_NS, H_SAMPLES, H_COUNT, H_FILE, H_NAME, H_T_MS, H_STACK, H_MS };

static void hand_strings(struct hand *hand)
{
	static const char *const strings[] = {
		[H_EMPTY] = "",          [H_CPU] = "cpu",     [H_NS] = "nanoseconds",
		[H_SAMPLES] = "samples", [H_COUNT] = "count", [H_FILE] = "/opt/hand",
		[H_NAME] = "work",       [H_T_MS] = "t_ms",   [H_STACK] = "stack",
		[H_MS] = "milliseconds",
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(strings); i++) {
		/* protobuf-c's bytes are not const, but packing only reads them. */
		union {
			const char *in;
			uint8_t *out;
		} text = {.in = strings[i]};

		hand->strings[i] = (ProtobufCBinaryData){strlen(strings[i]), text.out};
	}
	hand->profile.n_string_table = FG_ARRAY_LEN(strings);
	hand->profile.string_table = hand->strings;
}

static void hand_init(struct hand *hand)
{
	*hand = (struct hand){
		.profile = FG__PPROF__PROFILE__INIT,
		.types = {FG__PPROF__VALUE_TYPE__INIT, FG__PPROF__VALUE_TYPE__INIT},
		.period_type = FG__PPROF__VALUE_TYPE__INIT,
		.mapping = FG__PPROF__MAPPING__INIT,
		.functions = {FG__PPROF__FUNCTION__INIT, FG__PPROF__FUNCTION__INIT},
		.locations = {FG__PPROF__LOCATION__INIT, FG__PPROF__LOCATION__INIT},
		.line = FG__PPROF__LINE__INIT,
		.sample = FG__PPROF__SAMPLE__INIT,
		.label = FG__PPROF__LABEL__INIT,
		.frames = {500, 7},
		.values = {3000, 3},
	};
	Fg__Pprof__Profile *profile = &hand->profile;

	hand_strings(hand);
	hand->types[0].type = H_CPU;
	hand->types[0].unit = H_NS;
	hand->types[1].type = H_SAMPLES;
	hand->types[1].unit = H_COUNT;
	hand->period_type.type = H_CPU;
	hand->period_type.unit = H_NS;
	profile->n_sample_type = 2;
	profile->n_mapping = 1;
	profile->n_function = 2;
	profile->n_location = 2;
	profile->n_sample = 1;
	for (size_t i = 0; i < 2; i++) {
		hand->type_pointers[i] = &hand->types[i];
		hand->function_pointers[i] = &hand->functions[i];
		hand->location_pointers[i] = &hand->locations[i];
		hand->mapping_pointers[i] = &hand->mapping;
	}
	profile->sample_type = hand->type_pointers;
	profile->mapping = hand->mapping_pointers;
	profile->function = hand->function_pointers;
	profile->location = hand->location_pointers;
	profile->sample = hand->sample_pointers;
	hand->sample_pointers[0] = &hand->sample;
	hand->mapping.id = 77;
	hand->mapping.filename = H_FILE;
	hand->mapping.memory_start = 0x400000;
	hand->mapping.memory_limit = 0x500000;
	hand->mapping.file_offset = 0x1000;
	hand->functions[0].id = 12;
	hand->functions[0].name = H_NAME;
	hand->functions[1].id = 9;
	hand->functions[1].system_name = H_NAME;
	hand->locations[0].id = 7;
	hand->locations[0].mapping_id = 77;
	hand->locations[0].address = 0x400123;
	hand->locations[1].id = 500;
	hand->locations[1].mapping_id = 77;
	hand->locations[1].address = 0x400200;
	hand->locations[1].n_line = 1;
	hand->locations[1].line = hand->line_pointers;
	for (size_t i = 0; i < FG_ARRAY_LEN(hand->line_pointers); i++)
		hand->line_pointers[i] = &hand->line;
	hand->line.function_id = 12;
	hand->line.line = 42;
	hand->sample.n_location_id = 2;
	hand->sample.location_id = hand->frames;
	hand->sample.n_value = 2;
	hand->sample.value = hand->values;
	hand->sample.label = hand->label_pointers;
	hand->label_pointers[0] = &hand->label;
}

static int hand_decode(struct hand *hand, struct fg_profile **ret, struct fg_err *err)
{
	size_t len = fg__pprof__profile__get_packed_size(&hand->profile);
	uint8_t *bytes = malloc(len + 1);

	assert_non_null(bytes);
	fg__pprof__profile__pack(&hand->profile, bytes);
	int rc = fg_pprof_decode(bytes, len, ret, err);

	free(bytes);
	return rc;
}

static const char *frame_name(const struct fg_profile *profile, size_t stack, size_t frame)
{
	const struct fg_pstack *s = &profile->stacks[stack];
	const struct fg_plocation *l = &profile->locations[profile->frames[s->frame_start + frame]];

	return fg_profile_text(profile,
			       profile->functions[profile->lines[l->line_start].function].name);
}

static void test_a_foreign_profile(void **state)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};
	struct hand hand;

	(void)state;
	hand_init(&hand);
	assert_ok(hand_decode(&hand, &profile, &err), &err);
	assert_int_equal(profile->sample_count, 1);
	assert_int_equal(profile->samples[0].count, 3);
	assert_int_equal(profile->period_ns, 1000);
	assert_string_equal(frame_name(profile, 0, 0), "work");
	/* without a line: named after its place in the file */
	assert_string_equal(frame_name(profile, 0, 1), "hand!0x1123");
	assert_int_equal(profile->locations[profile->frames[1]].flags, FG_LOC_UNNAMED);
	assert_int_equal(profile->locations[profile->frames[0]].flags, 0);
	fg_profile_free(profile);
	/* a name that is only a linkage name */
	hand.line.function_id = 9;
	assert_ok(hand_decode(&hand, &profile, &err), &err);
	assert_string_equal(frame_name(profile, 0, 0), "work");
	fg_profile_free(profile);
	/* no mapping, no address */
	hand.profile.n_mapping = 0;
	hand.locations[0].mapping_id = 0;
	hand.locations[0].address = 0;
	hand.locations[1].mapping_id = 0;
	assert_ok(hand_decode(&hand, &profile, &err), &err);
	assert_string_equal(frame_name(profile, 0, 1), "[unknown]");
	assert_int_equal(profile->locations[profile->frames[1]].flags, FG_LOC_PLACEHOLDER);
	fg_profile_free(profile);
	/* no stack at all */
	hand.sample.n_location_id = 0;
	assert_ok(hand_decode(&hand, &profile, &err), &err);
	assert_string_equal(frame_name(profile, 0, 0), "[unknown]");
	fg_profile_free(profile);
}

static void test_periods_and_columns(void **state)
{
	static const struct {
		const char *what;
		size_t types;
		int64_t first_type, first_unit; /* the second is samples/count */
		int64_t period, values[2];
		uint64_t count, period_ns;
	} cases[] = {
		{"both, period stated", 2, H_CPU, H_NS, 1000, {3000, 3}, 3, 1000},
		{"both, no period", 2, H_CPU, H_NS, 0, {3000, 3}, 3, 1000},
		{"both, period not true", 2, H_CPU, H_NS, 1000000000, {3000, 3}, 3, 1000},
		{"both, not a multiple", 2, H_CPU, H_NS, 0, {3001, 3}, 1, 3001},
		{"both, stated period fits cpu only", 2, H_CPU, H_NS, 1000, {4000, 3}, 4, 1000},
		{"cpu only", 1, H_CPU, H_NS, 1000, {3000, 0}, 3, 1000},
		{"cpu only, Pyroscope's period",
		 1,
		 H_CPU,
		 H_NS,
		 1000000000,
		 {2004008, 0},
		 1,
		 2004008},
		{"milliseconds", 1, H_CPU, H_MS, 0, {30, 0}, 1, 30000000},
		{"counts only", 1, H_SAMPLES, H_COUNT, 2000, {30, 0}, 30, 2000},
		{"something else", 1, H_NAME, H_FILE, 0, {30, 0}, 30, 1},
		{"last of two", 2, H_NAME, H_FILE, 500, {999, 4}, 4, 500},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile *profile = NULL;
		struct fg_err err = {0};
		struct hand hand;

		hand_init(&hand);
		hand.types[0].type = cases[i].first_type;
		hand.types[0].unit = cases[i].first_unit;
		hand.profile.n_sample_type = hand.sample.n_value = cases[i].types;
		hand.profile.period_type = &hand.period_type;
		hand.profile.period = cases[i].period;
		memcpy(hand.values, cases[i].values, sizeof(cases[i].values));
		assert_ok(hand_decode(&hand, &profile, &err), &err);
		if (profile->samples[0].count != cases[i].count ||
		    profile->period_ns != cases[i].period_ns)
			fail_msg("%s: %llu x %llu ns", cases[i].what,
				 (unsigned long long)profile->samples[0].count,
				 (unsigned long long)profile->period_ns);
		fg_profile_free(profile);
	}
}

static void test_deep_stacks_keep_their_leaf(void **state)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};
	struct hand hand;

	(void)state;
	hand_init(&hand);
	for (size_t i = 1; i < FG_ARRAY_LEN(hand.frames); i++)
		hand.frames[i] = 7;
	hand.sample.n_location_id = FG_ARRAY_LEN(hand.frames);
	assert_ok(hand_decode(&hand, &profile, &err), &err);
	assert_int_equal(profile->stacks[0].frame_count, FG_PROFILE_STACK_MAX);
	assert_int_equal(profile->stacks[0].result, FG_STACK_DEPTH);
	assert_string_equal(frame_name(profile, 0, 0), "work");
	fg_profile_free(profile);
}

static void break_values(struct hand *hand)
{
	hand->sample.n_value = 1;
}
static void break_too_many_values(struct hand *hand)
{
	hand->sample.n_value = 3;
}
static void break_negative(struct hand *hand)
{
	hand->values[0] = -3000;
}
static void break_no_types(struct hand *hand)
{
	hand->profile.n_sample_type = 0;
}
static void break_location(struct hand *hand)
{
	hand->frames[0] = 8;
}
static void break_location_zero(struct hand *hand)
{
	hand->frames[0] = 0;
}
static void break_function(struct hand *hand)
{
	hand->line.function_id = 13;
}
static void break_function_zero(struct hand *hand)
{
	hand->line.function_id = 0;
}
static void break_mapping(struct hand *hand)
{
	hand->locations[1].mapping_id = 1;
}
static void break_name(struct hand *hand)
{
	hand->functions[0].name = 99;
}
static void break_negative_string(struct hand *hand)
{
	hand->functions[0].filename = -1;
}
static void break_file(struct hand *hand)
{
	hand->mapping.filename = 99;
}
static void break_type_name(struct hand *hand)
{
	hand->types[1].unit = 99;
}
static void break_default(struct hand *hand)
{
	hand->profile.default_sample_type = 99;
}
static void break_string_zero(struct hand *hand)
{
	hand->strings[0] = hand->strings[H_CPU];
}
static void break_no_strings(struct hand *hand)
{
	hand->profile.n_string_table = 0;
}
static void break_location_id(struct hand *hand)
{
	hand->locations[0].id = 0;
}
static void break_duplicate(struct hand *hand)
{
	hand->locations[0].id = 500;
}
static void break_duplicate_function(struct hand *hand)
{
	hand->functions[0].id = 9;
}
static void break_duplicate_mapping(struct hand *hand)
{
	hand->profile.n_mapping = 2;
}
static void break_lines(struct hand *hand)
{
	hand->locations[1].n_line = FG_PROFILE_INLINE_MAX + 1;
}
static void break_label_key(struct hand *hand)
{
	hand->sample.n_label = 1;
	hand->label.key = 99;
}
static void break_label_text(struct hand *hand)
{
	hand->sample.n_label = 1;
	hand->label.str = 99;
}
static void break_time(struct hand *hand)
{
	hand->sample.n_label = 1;
	hand->label.key = H_T_MS;
	hand->label.num = -1;
}
static void break_overflow(struct hand *hand)
{
	hand->types[0].unit = H_MS;
	hand->values[0] = INT64_MAX;
}

static void test_broken_profiles_are_refused(void **state)
{
	static const struct {
		void (*make)(struct hand *);
		enum fg_err_code code;
		const char *says;
	} cases[] = {
		{break_values, FG_E_INVALID, "1 values, but there are 2"},
		{break_too_many_values, FG_E_INVALID, "3 values, but there are 2"},
		{break_negative, FG_E_INVALID, "negative value -3000"},
		{break_no_types, FG_E_INVALID, "no sample types"},
		{break_location, FG_E_INVALID, "location 8 does not exist"},
		{break_location_zero, FG_E_INVALID, "location 0 does not exist"},
		{break_function, FG_E_INVALID, "function 13 does not exist"},
		{break_function_zero, FG_E_INVALID, "function 0 does not exist"},
		{break_mapping, FG_E_INVALID, "mapping 1 does not exist"},
		{break_name, FG_E_INVALID, "string 99 does not exist (there are 10)"},
		{break_negative_string, FG_E_INVALID, "string -1 does not exist"},
		{break_file, FG_E_INVALID, "string 99"},
		{break_type_name, FG_E_INVALID, "string 99"},
		{break_default, FG_E_INVALID, "string 99"},
		{break_string_zero, FG_E_INVALID, "string 0 is not empty"},
		{break_no_strings, FG_E_INVALID, "no string table"},
		{break_location_id, FG_E_INVALID, "a location with id 0"},
		{break_duplicate, FG_E_INVALID, "two locations with id 500"},
		{break_duplicate_function, FG_E_INVALID, "two functions with id 9"},
		{break_duplicate_mapping, FG_E_INVALID, "two mappings with id 77"},
		{break_lines, FG_E_LIMIT, "location 500 has 65 lines"},
		{break_label_key, FG_E_INVALID, "string 99"},
		{break_label_text, FG_E_INVALID, "string 99"},
		{break_time, FG_E_INVALID, "t_ms"},
		{break_overflow, FG_E_LIMIT, "overflows"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile *profile = NULL;
		struct fg_err err = {0};
		struct hand hand;

		hand_init(&hand);
		cases[i].make(&hand);
		assert_int_equal(hand_decode(&hand, &profile, &err), -(int)cases[i].code);
		assert_null(profile);
		if (!strstr(err.message, cases[i].says))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message,
				 cases[i].says);
	}
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

static void test_bytes_that_are_no_profile(void **state)
{
	static const char too_long[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	static const char zero_tag[] = "\x00\x00";
	static const char group[] = "\x0b\x0c";
	static const char cut[] = "\x12\x7f";
	static const char number_as_sample[] = "\x32\x00\x10\x05";
	static const char text[] = "{\"version\": 1}";
	static const char not_gzip[] = "\x1f\x8b garbage";

	(void)state;
	assert_refused("", 0, FG_E_INVALID, "no string table");
	assert_refused(too_long, sizeof(too_long) - 1, FG_E_INVALID, "number too long");
	assert_refused(zero_tag, sizeof(zero_tag) - 1, FG_E_INVALID, "impossible field number");
	assert_refused(group, sizeof(group) - 1, FG_E_INVALID, "unknown wire type");
	assert_refused(cut, sizeof(cut) - 1, FG_E_INVALID, "cut off at byte 2");
	assert_refused(number_as_sample, sizeof(number_as_sample) - 1, FG_E_INVALID,
		       "no sample types");
	assert_refused(text, sizeof(text) - 1, FG_E_INVALID, "not a pprof profile");
	assert_refused(not_gzip, sizeof(not_gzip) - 1, FG_E_INVALID, "damaged");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_foreign_profile),
		cmocka_unit_test(test_periods_and_columns),
		cmocka_unit_test(test_deep_stacks_keep_their_leaf),
		cmocka_unit_test(test_broken_profiles_are_refused),
		cmocka_unit_test(test_bytes_that_are_no_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
