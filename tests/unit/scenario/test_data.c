/* SPDX-License-Identifier: Apache-2.0 */
/* Data files: what they hold, their faults with file:line, and dealing rows as properties. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/scenario/data.h"

/* Columns and rows as one JSON list of lists. */
static char *shown(const struct fg_data *data)
{
	struct fg_buf out;

	fg_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < data->column_count; i++)
		fg_buf_addf(&out, "%s%s", i ? "," : "", data->columns[i]);
	for (size_t r = 0; r < data->row_count; r++)
		for (size_t i = 0; i < data->column_count; i++) {
			fg_buf_add_char(&out, i ? ',' : '|');
			fg_value_print_json(&data->rows[r].values[i], &out);
		}
	assert_false(out.failed);
	return fg_buf_take(&out, NULL);
}

static const struct {
	const char *path, *text, *shown;
} files[] = {
	{"a.csv", "a,b\n1,2\n", "a,b|\"1\",\"2\""},
	{"a.csv", "a,b\r\n1,2\r\n3,4", "a,b|\"1\",\"2\"|\"3\",\"4\""},
	{"A.CSV", "\xef\xbb\xbfname\nx", "name|\"x\""},
	{"a.csv", "a, b \n 1,\n", "a,b|\" 1\",\"\""},
	{"a.csv", "\"a\",b\n\"x,\"\"y\"\"\n\r\nz\",\"\"\n", "a,b|\"x,\\\"y\\\"\\n\\r\\nz\",\"\""},
	{"a.csv", "\n\na\n\n1\n\r\n2\n\n", "a|\"1\"|\"2\""},
	{"a.csv", "a\n\"\"\n", "a|\"\""}, /* an empty value, not an empty line */
	{"a.csv", "a\nx\ry\n", "a|\"x\\ry\""},
	{"a.csv", "a,b\n,", "a,b|\"\",\"\""},
	{"a.tsv", "a\tb\n1,5\t\"2\t3\"\n", "a,b|\"1,5\",\"2\\t3\""},
	{"a.json", "[{\"a\":1,\"b\":\"x\"},{\"b\":null,\"c\":[1, 2]}]",
	 "a,b,c|1,\"x\",null|null,null,[1, 2]"},
	{"a.json", " [ {\"\\u0061\" : \"\\u00e9\\n\"} ,{\"a\":true}]\n", "a|\"é\\n\"|true"},
	{"a.json", "[{\"id\":12345678901234567890}]", "id|12345678901234567890"},
	{"a.json", "[{},{\"a\":1}]", "a|null|1"},
	{"a.jsonl", "{\"a\":1}\n\n{\"a\":2.50,\"b\":{}}\r\n", "a,b|1,null|2.5,{}"},
	{"a.ndjson", "{\"a\":\"x\"}", "a|\"x\""},
};

static void test_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(files); i++) {
		struct fg_data data;
		struct fg_err err = {0};

		if (fg_data_parse(files[i].text, strlen(files[i].text), files[i].path, &data, &err))
			fail_msg("%s: %s", files[i].text, err.message);
		char *text = shown(&data);

		if (strcmp(text, files[i].shown) != 0)
			fail_msg("%s:\n%s\n%s", files[i].text, text, files[i].shown);
		assert_string_equal(data.path, files[i].path);
		free(text);
		fg_data_done(&data);
		fg_data_done(&data); /* harmless twice */
	}
	fg_data_done(NULL);
}

static const struct {
	const char *path, *text;
	unsigned line;
	const char *message;
} faults[] = {
	{"a.csv", "", 1, "the file is empty"},
	{"a.csv", "\n\n", 3, "the file is empty"},
	{"a.csv", "a,b\n", 2, "the file has no rows"},
	{"a.csv", "a,,b\n1,2,3\n", 1, "column 2 has no name"},
	{"a.csv", "a,b,a\n1,2,3\n", 1, "duplicate column \"a\""},
	{"a.csv", "a,b\n1,2\n3\n", 3, "1 field; the header has 2"},
	{"a.csv", "a,b\n1,2,3\n", 2, "3 fields; the header has 2"},
	{"a.csv", "a\n1,\n", 2, "2 fields; the header has 1"},
	{"a.csv", "a\n\"x\n\ny\"\n1,2\n", 5, "2 fields; the header has 1"},
	{"a.csv", "a\n\"x\n\n", 2, "a quote is not closed"},
	{"a.csv", "a\nb\"c\n", 2, "a quote inside a field without quotes"},
	{"a.csv", "a\n\"b\nc\"d\n", 3,
	 "text behind a closing quote; a quote inside one is written \"\""},
	{"a.csv", "a\n1\n\xe9\n", 3, "a byte that is not UTF-8, or a NUL"},
	{"a.csv",
	 "\xff\xfe"
	 "a",
	 1, "the file is UTF-16; save it as UTF-8"},
	{"a.tsv", "a\tb\n1,2\n", 2, "1 field; the header has 2"},
	{"a.json", "", 1, "the file is empty"},
	{"a.json", "{\"a\":1}", 1, "the file must be a list of objects: [ {…}, … ]"},
	{"a.json", "\n\"x\"", 2, "the file must be a list of objects: [ {…}, … ]"},
	{"a.json", "[]", 1, "the file has no rows with members"},
	{"a.json", "[{},{}]", 1, "the file has no rows with members"},
	{"a.json", "[\n{\"a\":1},\n[1]]", 3, "a row must be an object"},
	{"a.json", "[{\"a\":1}\n,\n{\"b\" 2}]", 3, "not JSON: byte 17 should be a colon"},
	{"a.json", "[{\"a\":1},\n", 2, "not JSON: it ends where a value should be"},
	{"a.json", "[{\"a\":1}]\n\n]", 1, "text behind the list"},
	{"a.json", "[\n{\"a\":1,\n\"a\":2}]", 3, "the row has \"a\" twice"},
	{"a.json", "[\n{\"a\":1,\"\":2}]", 2, "column 2 has no name"},
	{"a.json", "[{\"a\\u0000\":1}]", 1, "a column's name has a NUL byte"},
	{"a.jsonl", "\n", 2, "the file is empty"},
	{"a.jsonl", "{\"a\":1}\n[1]\n", 2, "a row must be an object"},
	{"a.jsonl", "{\"a\":1} {\"a\":2}\n", 1, "text behind the object of this line"},
	{"a.jsonl", "{\"a\":1}\n{\"a\":\n2}\n", 2,
	 "an object goes on in the next line; .jsonl has one per line"},
	{"a.jsonl", "{\"a\":1}\n{\"a\":}\n", 2, "not JSON: byte 14 should be a value"},
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(faults); i++) {
		struct fg_data data = {.row_count = 77};
		struct fg_err err = {0};
		int rc = fg_data_parse(faults[i].text, strlen(faults[i].text), faults[i].path,
				       &data, &err);

		if (rc != -FG_E_INVALID || err.line != faults[i].line ||
		    strcmp(err.message, faults[i].message) != 0 ||
		    strcmp(err.file, faults[i].path) != 0)
			fail_msg("%s: %d, %s:%u: %s", faults[i].text, rc, err.file, err.line,
				 err.message);
		assert_int_equal(data.row_count, 77); /* untouched */
	}
}

static void test_limits(void **state)
{
	struct fg_data data;
	struct fg_err err;
	struct fg_buf text;

	(void)state;
	assert_int_equal(fg_data_parse("a\n1", 3, "a.txt", &data, &err), -FG_E_INVALID);
	assert_string_equal(err.message, "a.txt: a data file ends in .csv, .tsv, .json or .jsonl");
	assert_int_equal(fg_data_parse("a\n\0", 3, "a.csv", &data, &err), -FG_E_INVALID);
	assert_int_equal(fg_data_parse("[\n{\"a\":1e999}]", 14, "a.json", &data, &err),
			 -FG_E_LIMIT);
	assert_int_equal(err.line, 2);
	fg_buf_init(&text, 1 << 20);
	for (unsigned i = 0; i <= FG_DATA_COLUMNS_MAX; i++)
		fg_buf_addf(&text, "%sc%u", i ? "," : "", i);
	assert_int_equal(fg_data_parse(text.data, text.len, "a.csv", &data, &err), -FG_E_LIMIT);
	assert_string_equal(err.message, "more than 1024 columns");
	fg_buf_clear(&text);
	fg_buf_add_str(&text, "[{\"a\":");
	for (unsigned i = 0; i < 200; i++)
		fg_buf_add_str(&text, "[");
	assert_int_equal(fg_data_parse(text.data, text.len, "a.json", &data, &err), -FG_E_LIMIT);
	fg_buf_done(&text);
}

static void test_load(void **state)
{
	char path[] = "/tmp/fg-test-data-XXXXXX.csv";
	int fd = mkstemps(path, 4);
	struct fg_data data;
	struct fg_err err;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "u,p\nann,1\nbob,2\n", 16), 16);
	assert_int_equal(close(fd), 0);
	assert_ok(fg_data_load(path, &data, &err), &err);
	assert_int_equal(data.row_count, 2);
	assert_int_equal(fg_data_column(&data, "p", 1), 1);
	assert_int_equal(fg_data_column(&data, "px", 1), 1);
	assert_int_equal(fg_data_column(&data, "px", 2), -1);
	assert_int_equal(fg_data_column(&data, "", 0), -1);
	fg_data_done(&data);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fg_data_load(path, &data, &err), -FG_E_NOT_FOUND);
	assert_int_equal(fg_data_load("/tmp", &data, &err), -FG_E_INVALID);
}

/* -- dealing -------------------------------------------------------------------------------- */

static char number_names[] = "n";

/* A set of rows without values; the rows' places are their numbers. */
static struct fg_data rows_of(struct fg_data_row *rows, size_t count, enum fg_data_order order,
			      enum fg_data_scope scope, enum fg_data_end on_end)
{
	return (struct fg_data){.name = number_names,
				.rows = rows,
				.row_count = count,
				.order = order,
				.scope = scope,
				.on_end = on_end};
}

/* The next row's number, or -1. */
static long next(const struct fg_data *data, struct fg_data_cursor *cursor, uint64_t vu,
		 uint64_t vus, uint64_t shared)
{
	struct fg_data_place place = {.seed = 42, .vu = vu, .vus = vus, .shared_index = shared};
	const struct fg_data_row *row = fg_data_next(data, cursor, &place);

	return row ? row - data->rows : -1;
}

static struct fg_data_row many[1000];

/* 3 shards × 4 workers × 5 VUs: every row once, none twice, then NULL for ever. */
static void test_unique_never_twice(void **state)
{
	enum { VUS = 3 * 4 * 5 };
	static const size_t counts[] = {1, 7, 59, 60, 61, 600, 997, 1000};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(counts); i++) {
		struct fg_data data = rows_of(many, counts[i], FG_DATA_UNIQUE, FG_DATA_SCOPE_SHARED,
					      FG_DATA_STOP);
		unsigned seen[FG_ARRAY_LEN(many)] = {0};
		size_t taken = 0;

		for (uint64_t vu = 0; vu < VUS; vu++) {
			struct fg_data_cursor cursor = {0};
			long row;

			while ((row = next(&data, &cursor, vu, VUS, UINT64_MAX)) >= 0) {
				assert_int_equal(seen[row]++, 0);
				taken++;
			}
			assert_int_equal(next(&data, &cursor, vu, VUS, UINT64_MAX), -1);
		}
		assert_int_equal(taken, counts[i]);
	}
}

/* Recycled, a VU keeps to its own rows; one without any gets none. */
static void test_unique_recycled(void **state)
{
	struct fg_data data = rows_of(many, 10, FG_DATA_UNIQUE, FG_DATA_SCOPE_VU, FG_DATA_RECYCLE);
	static const long expected[] = {1, 5, 9, 1, 5, 9}, third[] = {3, 7, 3, 7, 3, 7};
	struct fg_data_cursor a = {0}, b = {0}, c = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(expected); i++) {
		assert_int_equal(next(&data, &a, 1, 4, 5), expected[i]);
		assert_int_equal(next(&data, &b, 3, 4, 5), third[i]);
	}
	assert_int_equal(next(&data, &c, 10, 20, 0), -1);
	assert_int_equal(c.taken, 0);
}

static void test_sequence(void **state)
{
	static const struct {
		enum fg_data_scope scope;
		enum fg_data_end on_end;
		uint64_t vu, shared;
		long rows[5];
	} cases[] = {
		{FG_DATA_SCOPE_VU, FG_DATA_RECYCLE, 2, UINT64_MAX, {0, 1, 2, 0, 1}},
		{FG_DATA_SCOPE_VU, FG_DATA_STOP, 2, UINT64_MAX, {0, 1, 2, -1, -1}},
		{FG_DATA_SCOPE_VU, FG_DATA_FAIL, 0, 9, {0, 1, 2, -1, -1}},
		/* vu + taken × 2 */
		{FG_DATA_SCOPE_SHARED, FG_DATA_RECYCLE, 1, UINT64_MAX, {1, 0, 2, 1, 0}},
		{FG_DATA_SCOPE_SHARED, FG_DATA_STOP, 1, UINT64_MAX, {1, -1, -1, -1, -1}},
		/* the event's number decides */
		{FG_DATA_SCOPE_SHARED, FG_DATA_RECYCLE, 1, 5, {2, 2, 2, 2, 2}},
		{FG_DATA_SCOPE_SHARED, FG_DATA_FAIL, 1, 3, {-1, -1, -1, -1, -1}},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_data data =
			rows_of(many, 3, FG_DATA_SEQUENCE, cases[i].scope, cases[i].on_end);
		struct fg_data_cursor cursor = {0};

		for (size_t k = 0; k < 5; k++)
			assert_int_equal(next(&data, &cursor, cases[i].vu, 2, cases[i].shared),
					 cases[i].rows[k]);
	}
}

/* Each round is a permutation; rounds, VUs and seeds differ; the same place gives the same. */
static void test_shuffle_is_a_permutation(void **state)
{
	static const size_t counts[] = {1, 2, 3, 4, 5, 16, 17, 100, 255, 256, 257, 1000};
	size_t same = 0, same_vu = 0, fixed = 0, total = 0;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(counts); i++) {
		struct fg_data data = rows_of(many, counts[i], FG_DATA_SHUFFLE, FG_DATA_SCOPE_VU,
					      FG_DATA_RECYCLE);
		long first[FG_ARRAY_LEN(many)];
		struct fg_data_cursor cursor = {0}, again = {0}, other = {0};

		for (unsigned round = 0; round < 3; round++) {
			unsigned seen[FG_ARRAY_LEN(many)] = {0};

			for (size_t k = 0; k < counts[i]; k++) {
				long row = next(&data, &cursor, 7, 10, UINT64_MAX);

				assert_true(row >= 0 && (size_t)row < counts[i]);
				assert_int_equal(seen[row]++, 0);
				assert_int_equal(next(&data, &again, 7, 10, 3), row);
				if (round == 0)
					first[k] = row;
				else if (counts[i] >= 100)
					same += first[k] == row;
				if (round == 0 && counts[i] >= 100) {
					same_vu += next(&data, &other, 8, 10, 3) == row;
					fixed += (size_t)row == k;
					total++;
				}
			}
		}
	}
	/* of ≈ 2000 places one per set and comparison is expected to agree by chance */
	assert_in_range(total, 1500, 2500);
	assert_true(same < 40 && same_vu < 20 && fixed < 20);
}

static void test_shuffle_shared(void **state)
{
	struct fg_data data =
		rows_of(many, 97, FG_DATA_SHUFFLE, FG_DATA_SCOPE_SHARED, FG_DATA_STOP);
	unsigned seen[97] = {0};

	(void)state;
	for (uint64_t vu = 0; vu < 12; vu++) {
		struct fg_data_cursor cursor = {0};
		long row;

		while ((row = next(&data, &cursor, vu, 12, UINT64_MAX)) >= 0)
			assert_int_equal(seen[row]++, 0);
	}
	for (size_t i = 0; i < 97; i++)
		assert_int_equal(seen[i], 1);
}

/* About even, not in step with another set, never used up. */
static void test_random(void **state)
{
	char other_name[] = "other";
	struct fg_data data = rows_of(many, 10, FG_DATA_RANDOM, FG_DATA_SCOPE_VU, FG_DATA_STOP);
	struct fg_data other = data;
	struct fg_data_cursor cursor = {0}, second = {0}, again = {0};
	unsigned seen[10] = {0}, same = 0;

	(void)state;
	other.name = other_name;
	for (size_t i = 0; i < 10000; i++) {
		long row = next(&data, &cursor, 3, 5, UINT64_MAX);

		assert_in_range(row, 0, 9);
		assert_int_equal(next(&data, &again, 3, 5, UINT64_MAX), row);
		same += next(&other, &second, 3, 5, UINT64_MAX) == row;
		seen[row]++;
	}
	for (size_t i = 0; i < 10; i++)
		assert_in_range(seen[i], 850, 1150);
	assert_in_range(same, 850, 1150);
}

static void test_no_rows_or_vus(void **state)
{
	struct fg_data none = {0};
	struct fg_data data =
		rows_of(many, 2, FG_DATA_SEQUENCE, FG_DATA_SCOPE_SHARED, FG_DATA_STOP);
	struct fg_data_cursor cursor = {0}, late = {.taken = UINT64_MAX - 1};

	(void)state;
	assert_int_equal(next(&none, &cursor, 0, 1, 0), -1);
	assert_int_equal(next(&data, &cursor, 0, 0, UINT64_MAX), 0);
	assert_int_equal(next(&data, &cursor, 0, 0, UINT64_MAX), 1);
	assert_int_equal(next(&data, &late, 5, 1000, UINT64_MAX), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_unique_never_twice),
		cmocka_unit_test(test_unique_recycled),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_shuffle_is_a_permutation),
		cmocka_unit_test(test_shuffle_shared),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_rows_or_vus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
