/* SPDX-License-Identifier: Apache-2.0 */
/* Strict numbers, bounded buffers, atomic files, errors and "did you mean". */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"0", 0},
		{"0s", 0},
		{"1ns", 1},
		{"5s", 5000000000},
		{"500ms", 500000000},
		{"2m", 120000000000},
		{"1h30m10.5s", 5410500000000},
		{"1.5us", 1500},
		{"40µs", 40000},
		{"1d", 86400000000000},
		{"0.000000001s", 1},
	};
	static const char *const bad[] = {"",
					  "5",
					  "s",
					  "5 s",
					  "-5s",
					  "5sec",
					  "1e3s",
					  "5s5",
					  "1..5s",
					  ".s",
					  "0x5s",
					  "nan",
					  "∞",
					  "5S",
					  "300000000000h",
					  "99999999999999999999s",
					  "1h-5m"};
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(good); i++) {
		struct fg_err err = {0};
		uint64_t ns = 7;

		assert_ok(fg_num_duration_ns(good[i].text, strlen(good[i].text), &ns, &err), &err);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		struct fg_err err = {0};
		uint64_t ns = 7;

		if (fg_num_duration_ns(bad[i], strlen(bad[i]), &ns, &err) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_int_equal(ns, 7);
		assert_true(err.message[0] != '\0');
	}
}

static void test_duration_text_round_trip(void **state)
{
	static const uint64_t values[] = {0, 1, 999, 1000, 1500000, 60000000000, 90061001002003};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(values); i++) {
		char text[FG_NUM_TEXT_MAX];
		uint64_t back = 1;

		fg_num_format_duration(values[i], text);
		assert_int_equal(fg_num_duration_ns(text, strlen(text), &back, NULL), 0);
		assert_int_equal(back, values[i]);
	}
}

static void test_numbers(void **state)
{
	uint64_t u = 0;
	int64_t i = 0;
	double d = 0;

	(void)state;
	assert_int_equal(fg_num_u64("18446744073709551615", 20, &u, NULL), 0);
	assert_true(u == UINT64_MAX);
	assert_int_not_equal(fg_num_u64("18446744073709551616", 20, &u, NULL), 0);
	assert_int_not_equal(fg_num_u64("1 ", 2, &u, NULL), 0);
	assert_int_not_equal(fg_num_u64("", 0, &u, NULL), 0);
	assert_int_equal(fg_num_i64("-9223372036854775807", 20, &i, NULL), 0);
	assert_true(i == -INT64_MAX);
	assert_int_equal(fg_num_double("-1.5e3", 6, &d, NULL), 0);
	assert_true(d == -1500.0);
	assert_int_not_equal(fg_num_double("inf", 3, &d, NULL), 0);
	assert_int_not_equal(fg_num_double("0x1p3", 5, &d, NULL), 0);
	assert_int_not_equal(fg_num_double("1e999", 5, &d, NULL), 0);
	assert_int_equal(fg_num_percent("0.5%", 4, &d, NULL), 0);
	assert_true(d == 0.005);
	assert_int_not_equal(fg_num_percent("5", 1, &d, NULL), 0);
	assert_int_equal(fg_num_size_bytes("16KiB", 5, &u, NULL), 0);
	assert_int_equal(u, 16384);
	assert_int_equal(fg_num_hex("0xff", 4, &u, NULL), 0);
	assert_int_equal(u, 255);
	assert_int_not_equal(fg_num_hex("0x", 2, &u, NULL), 0);
}

static void test_people_numbers(void **state)
{
	static const struct {
		double ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},        {999, "999 ns"},   {1100000, "1.10 ms"}, {312e6, "312 ms"},
		{64000, "64.0 µs"}, {1.5e9, "1.50 s"}, {999600, "1.00 ms"},  {9996, "10.0 µs"},
	};
	char text[FG_NUM_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_string_equal(fg_num_format_ns(cases[i].ns, text), cases[i].text);
	assert_string_equal(fg_num_format_count(12400, text), "12 400");
	assert_string_equal(fg_num_format_count(7, text), "7");
	assert_string_equal(fg_num_format_bytes(1234567, text), "1.23 MB");
}

static void test_buffer_bounds(void **state)
{
	struct fg_buf buf;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&buf, 10);
	fg_buf_add_str(&buf, "12345678");
	assert_ok(fg_buf_check(&buf, &err), &err);
	fg_buf_addf(&buf, "%d", 123);
	assert_int_equal(buf.len, 8);
	assert_int_not_equal(fg_buf_check(&buf, &err), 0);
	fg_buf_clear(&buf);
	fg_buf_addf(&buf, "%s", "abc");
	assert_string_equal(buf.data, "abc");
	size_t len = 0;
	char *text = fg_buf_take(&buf, &len);

	assert_int_equal(len, 3);
	free(text);
	fg_buf_done(&buf);
}

static void test_errors(void **state)
{
	struct fg_err err = {0};
	char text[4096];

	(void)state;
	assert_int_equal(fg_err_set(&err, FG_E_INVALID, "bad %d", 7), -FG_E_INVALID);
	assert_int_equal(fg_err_wrap(&err, "in %s", "x"), -FG_E_INVALID);
	fg_err_at(&err, "f.yaml", 4, 15);
	assert_string_equal(fg_err_text(&err, text, sizeof(text)), "f.yaml:4:15: in x: bad 7");
	assert_int_equal(fg_err_errno(NULL, 2, "open"), -FG_E_NOT_FOUND);
	char huge[FG_ERR_MESSAGE_MAX];

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	(void)fg_err_set(&err, FG_E_IO, "cause");
	(void)fg_err_wrap(&err, "%s", huge);
	assert_true(fg_str_ends_with(err.message, ": cause"));
}

static void test_files(void **state)
{
	char dir[] = "/tmp/fg-base-XXXXXX";
	char path[FG_PATH_MAX];
	struct fg_err err = {0};
	struct fg_buf buf;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_ok(fg_file_path(path, &err, "%s/a/b", dir), &err);
	assert_ok(fg_file_mkdirs(path, &err), &err);
	assert_ok(fg_file_path(path, &err, "%s/a/b/f", dir), &err);
	assert_ok(fg_file_write(path, "hello", 5, &err), &err);
	assert_ok(fg_file_write(path, "world", 5, &err), &err);
	assert_int_equal(fg_file_write_new(path, "x", 1, &err), -FG_E_IO);
	fg_buf_init(&buf, 100);
	assert_ok(fg_file_read(path, 100, &buf, &err), &err);
	assert_string_equal(buf.data, "world");
	assert_int_equal(fg_file_read(path, 4, &buf, &err), -FG_E_LIMIT);
	assert_int_equal(fg_file_read("/nonexistent/x", 4, &buf, &err), -FG_E_NOT_FOUND);
	assert_int_equal(fg_file_read(dir, 4, &buf, &err), -FG_E_INVALID);
	assert_int_equal(fg_file_write("/proc/nope/x", "x", 1, &err), -FG_E_NOT_FOUND);
	assert_int_equal(fg_file_write("/dev/full", "x", 1, &err), -FG_E_IO);
	fg_buf_done(&buf);
	assert_ok(fg_file_remove_tree(dir, &err), &err);
	assert_false(fg_file_exists(dir));
	assert_ok(fg_file_remove_tree(dir, &err), &err);
}

static void test_strings(void **state)
{
	static const char *const words[] = {"get", "post", "constant-arrival-rate", NULL, "think"};

	(void)state;
	assert_string_equal(fg_str_nearest("gett", words, 5), "get");
	assert_string_equal(fg_str_nearest("psot", words, 5), "post");
	assert_string_equal(fg_str_nearest("constant-arival-rate", words, 5),
			    "constant-arrival-rate");
	assert_null(fg_str_nearest("banana", words, 5));
	assert_true(fg_str_glob("json_*", "json_escape"));
	assert_true(fg_str_glob("*a*b?", "xxaxxbc"));
	assert_false(fg_str_glob("json_*", "xjson_"));
	assert_true(fg_str_glob("*", ""));
	assert_false(fg_str_glob("", "x"));
}

static void test_vector_bounds(void **state)
{
	int *items = NULL;
	size_t capacity = 0;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_vec_grow((void **)&items, &capacity, 1, 100, sizeof(*items), &err), &err);
	assert_int_equal(items[capacity - 1], 0);
	assert_int_equal(fg_vec_grow((void **)&items, &capacity, 101, 100, sizeof(*items), &err),
			 -FG_E_LIMIT);
	assert_int_equal(fg_vec_grow((void **)&items, &capacity, SIZE_MAX / 2, SIZE_MAX,
				     sizeof(*items), &err),
			 -FG_E_NOMEM);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_duration_text_round_trip),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_people_numbers),
		cmocka_unit_test(test_buffer_bounds),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_vector_bounds),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
