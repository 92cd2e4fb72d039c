/* SPDX-License-Identifier: Apache-2.0 */
/* Served profiles: what they hold, and what of it belongs to a window. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "gate/format/gzip.h"
#include "gate/profile/scraped.h"
#include <gate/profile/profile.pb-c.h>

/* A heap profile as Go writes it: allocated since the start, and in use now. */
struct site {
	const char *function;
	int64_t alloc_objects, alloc_space, inuse_space, label;
};

struct heap {
	const char *types[3]; /* the third may be another one */
	uint64_t first_id;    /* ids and the order of strings differ between two fetches */
	const struct site *sites;
	size_t site_count;
	int64_t time_nanos;
};

enum { SITES_MAX = 8, STRINGS_MAX = 32 };

struct maker {
	ProtobufCBinaryData strings[STRINGS_MAX];
	size_t string_count;
};

static int64_t string_of(struct maker *maker, const char *text)
{
	for (size_t i = 0; i < maker->string_count; i++) {
		if (strlen(text) == maker->strings[i].len &&
		    memcmp(maker->strings[i].data, text, strlen(text)) == 0)
			return (int64_t)i;
	}
	assert_true(maker->string_count < STRINGS_MAX);
	maker->strings[maker->string_count].data = (uint8_t *)(uintptr_t)text;
	maker->strings[maker->string_count].len = strlen(text);
	return (int64_t)maker->string_count++;
}

static void make(const struct heap *heap, bool gzip, struct fg_buf *out)
{
	struct maker maker = {.string_count = 0};
	Fg__Pprof__Profile profile = FG__PPROF__PROFILE__INIT;
	Fg__Pprof__ValueType types[3];
	Fg__Pprof__ValueType *type_pointers[3];
	Fg__Pprof__Sample samples[SITES_MAX], *sample_pointers[SITES_MAX];
	Fg__Pprof__Location locations[SITES_MAX], *location_pointers[SITES_MAX];
	Fg__Pprof__Function functions[SITES_MAX], *function_pointers[SITES_MAX];
	Fg__Pprof__Line lines[SITES_MAX], *line_pointers[SITES_MAX];
	Fg__Pprof__Label labels[SITES_MAX], *label_pointers[SITES_MAX];
	uint64_t ids[SITES_MAX];
	int64_t values[SITES_MAX][3];
	struct fg_err err = {0};

	(void)string_of(&maker, "");
	if (heap->first_id > 1)
		(void)string_of(&maker, "moved");
	for (size_t k = 0; k < 3; k++) {
		fg__pprof__value_type__init(&types[k]);
		types[k].type = string_of(&maker, heap->types[k]);
		types[k].unit = string_of(&maker, k == 0 ? "count" : "bytes");
		type_pointers[k] = &types[k];
	}
	for (size_t i = 0; i < heap->site_count; i++) {
		const struct site *site = &heap->sites[i];

		ids[i] = heap->first_id + i;
		fg__pprof__function__init(&functions[i]);
		functions[i].id = ids[i];
		functions[i].name = string_of(&maker, site->function);
		function_pointers[i] = &functions[i];
		fg__pprof__line__init(&lines[i]);
		lines[i].function_id = ids[i];
		line_pointers[i] = &lines[i];
		fg__pprof__location__init(&locations[i]);
		locations[i].id = ids[i];
		locations[i].n_line = 1;
		locations[i].line = &line_pointers[i];
		location_pointers[i] = &locations[i];
		fg__pprof__label__init(&labels[i]);
		labels[i].key = string_of(&maker, "bytes");
		labels[i].num = site->label;
		label_pointers[i] = &labels[i];
		values[i][0] = site->alloc_objects;
		values[i][1] = site->alloc_space;
		values[i][2] = site->inuse_space;
		fg__pprof__sample__init(&samples[i]);
		samples[i].n_location_id = 1;
		samples[i].location_id = &ids[i];
		samples[i].n_value = 3;
		samples[i].value = values[i];
		samples[i].n_label = 1;
		samples[i].label = &label_pointers[i];
		sample_pointers[i] = &samples[i];
	}
	profile.n_sample_type = 3;
	profile.sample_type = type_pointers;
	profile.n_sample = profile.n_location = profile.n_function = heap->site_count;
	profile.sample = sample_pointers;
	profile.location = location_pointers;
	profile.function = function_pointers;
	profile.n_string_table = maker.string_count;
	profile.string_table = maker.strings;
	profile.time_nanos = heap->time_nanos;
	size_t len = fg__pprof__profile__get_packed_size(&profile);
	uint8_t *bytes = malloc(len + 1);

	assert_non_null(bytes);
	(void)fg__pprof__profile__pack(&profile, bytes);
	if (gzip)
		assert_ok(fg_gzip_deflate(FG_DEFLATE_GZIP, bytes, len, out, &err), &err);
	else
		fg_buf_add(out, bytes, len);
	free(bytes);
}

#define HEAP_TYPES                                            \
	{                                                     \
		"alloc_objects", "alloc_space", "inuse_space" \
	}

static const struct site before_sites[] = {
	{"idle", 5, 500, 500, 100},
	{"parse", 10, 1000, 200, 100},
	{"parse", 3, 96, 0, 32},
	{"once", 1, 64, 0, 64},
};
static const struct site after_sites[] = {
	{"parse", 25, 2500, 300, 100}, {"once", 1, 64, 0, 64},   {"idle", 5, 500, 500, 100},
	{"render", 7, 70, 0, 10},      {"parse", 4, 128, 0, 32},
};

static void column(const struct fg_scraped_summary *summary, size_t k, const char *type,
		   bool cumulative, int64_t total)
{
	assert_string_equal(summary->columns[k].type, type);
	assert_int_equal(summary->columns[k].cumulative, cumulative);
	assert_int_equal(summary->columns[k].total, total);
}

static void test_window(void **state)
{
	(void)state;
	for (int gzip = 0; gzip < 2; gzip++) {
		const struct heap before = {HEAP_TYPES, 1, before_sites, FG_ARRAY_LEN(before_sites),
					    1000};
		const struct heap after = {HEAP_TYPES, 7, after_sites, FG_ARRAY_LEN(after_sites),
					   4000};
		FG_AUTO_BUF struct fg_buf from = {.max = 1 << 20}, to = {.max = 1 << 20};
		FG_AUTO_BUF struct fg_buf delta = {.max = 1 << 20};
		struct fg_scraped_summary summary;
		struct fg_err err = {0};

		make(&before, gzip, &from);
		make(&after, gzip, &to);
		assert_ok(fg_scraped_delta(from.data, from.len, to.data, to.len, &delta, &err),
			  &err);
		assert_ok(fg_scraped_summarise(delta.data, delta.len, &summary, &err), &err);
		assert_int_equal(summary.column_count, 3);
		/* parse 15 + 1, render 7; "once" did nothing and is gone; idle is still in use */
		assert_int_equal(summary.samples, 4);
		column(&summary, 0, "alloc_objects", true, 15 + 1 + 7);
		column(&summary, 1, "alloc_space", true, 1500 + 32 + 70);
		column(&summary, 2, "inuse_space", false, 800);
	}
}

static void test_wrong(void **state)
{
	(void)state;
	const struct heap good = {HEAP_TYPES, 1, before_sites, FG_ARRAY_LEN(before_sites), 0};
	const struct heap other = {{"alloc_objects", "alloc_space", "goroutine"},
				   1,
				   before_sites,
				   FG_ARRAY_LEN(before_sites),
				   0};
	FG_AUTO_BUF struct fg_buf a = {.max = 1 << 20}, b = {.max = 1 << 20};
	FG_AUTO_BUF struct fg_buf less = {.max = 1 << 20}, out = {.max = 1 << 20};
	const struct heap fewer = {HEAP_TYPES, 1, before_sites, 1, 0};

	make(&good, true, &a);
	make(&other, true, &b);
	make(&fewer, false, &less);
	const struct {
		const char *what;
		const void *from, *to;
		size_t from_len, to_len;
		const char *message;
	} cases[] = {
		{"other types", a.data, b.data, a.len, b.len, "the type inuse_space became"},
		{"restarted", a.data, less.data, a.len, less.len, "restarted"},
		{"not gzip, not pprof", "<html>", a.data, 6, a.len, "at the start: not a pprof"},
		{"empty", a.data, "", a.len, 0, "at the end: not a pprof profile: it has no"},
		{"cut gzip", a.data, a.data, a.len, a.len / 2, "at the end"},
		{"cut message", a.data, less.data, a.len, less.len - 3, "at the end"},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};

		if (fg_scraped_delta(cases[i].from, cases[i].from_len, cases[i].to, cases[i].to_len,
				     &out, &err) == 0 ||
		    !strstr(err.message, cases[i].message))
			fail_msg("%s: \"%s\"", cases[i].what, err.message);
		assert_int_equal(out.len, 0);
	}
}

/* Number 0, spelt in two bytes: a reader takes it and keeps it, and what it then writes in one byte
 * nobody can read. */
static void test_field_of_no_number(void **state)
{
	static const char field[] = "\x85\x00\x04\x01\x10\x02";
	const struct heap good = {HEAP_TYPES, 1, before_sites, FG_ARRAY_LEN(before_sites), 0};
	FG_AUTO_BUF struct fg_buf odd = {.max = 1 << 20}, out = {.max = 1 << 20};
	struct fg_err err = {0};

	(void)state;
	make(&good, false, &odd);
	fg_buf_add(&odd, field, sizeof(field) - 1);
	assert_int_equal(fg_scraped_delta(odd.data, odd.len, odd.data, odd.len, &out, &err),
			 -(int)FG_E_INVALID);
	assert_non_null(strstr(err.message, "not a pprof profile: damaged"));
	assert_int_equal(out.len, 0);
}

/* A message of two bytes becomes an object of seventy: a small file must not take all memory. */
static void test_amplification(void **state)
{
	(void)state;
	enum { SAMPLES = 24 << 20 };
	static const uint8_t type[] = {0x0a, 0x00};
	FG_AUTO_BUF struct fg_buf plain = {.max = 64 << 20};
	struct fg_scraped_summary summary;
	struct fg_err err = {0};

	fg_buf_add(&plain, type, sizeof(type));
	for (size_t i = 0; i < SAMPLES; i++)
		fg_buf_add(&plain, "\x12\x00", 2);
	assert_int_not_equal(fg_scraped_summarise(plain.data, plain.len, &summary, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_field_of_no_number),
		cmocka_unit_test(test_amplification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
