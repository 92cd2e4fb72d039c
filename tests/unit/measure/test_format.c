/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded inflate, strict base64, JSON reading with paths and JSON writing. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/format/base64.h"
#include "gate/format/gzip.h"
#include "gate/format/json.h"

static void test_gzip_round_trip(void **state)
{
	struct fg_buf plain;
	struct fg_buf packed;
	struct fg_buf again;
	struct fg_buf back;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&plain, 1 << 20);
	fg_buf_init(&packed, 1 << 20);
	fg_buf_init(&again, 1 << 20);
	fg_buf_init(&back, 1 << 20);
	for (int i = 0; i < 20000; i++)
		fg_buf_addf(&plain, "%d ", i);
	assert_ok(fg_gzip_deflate(FG_DEFLATE_GZIP, plain.data, plain.len, &packed, &err), &err);
	assert_ok(fg_gzip_deflate(FG_DEFLATE_GZIP, plain.data, plain.len, &again, &err), &err);
	assert_true(packed.len < plain.len / 2);
	assert_true(fg_gzip_is(packed.data, packed.len));
	assert_int_equal(again.len, packed.len);
	assert_memory_equal(again.data, packed.data, packed.len);
	assert_memory_equal(packed.data + 4, "\0\0\0\0", 4); /* mtime */
	assert_ok(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, plain.len, &back, &err),
		  &err);
	assert_int_equal(back.len, plain.len);
	assert_memory_equal(back.data, plain.data, plain.len);
	/* Two members in a row are one file. */
	fg_buf_add(&packed, again.data, again.len);
	fg_buf_clear(&back);
	assert_ok(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, 2 * plain.len, &back,
				  &err),
		  &err);
	assert_int_equal(back.len, 2 * plain.len);
	fg_buf_done(&plain);
	fg_buf_done(&packed);
	fg_buf_done(&again);
	fg_buf_done(&back);
}

static void test_gzip_refuses(void **state)
{
	char zeros[100000] = {0};
	struct fg_buf packed;
	struct fg_buf back;
	struct fg_buf small;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&packed, 1 << 20);
	fg_buf_init(&back, 1 << 20);
	fg_buf_init(&small, 40); /* "x" takes 21 bytes, a thousand zeros at most 29 */
	fg_buf_add_str(&back, "before");
	assert_ok(fg_gzip_deflate(FG_DEFLATE_GZIP, zeros, sizeof(zeros), &packed, &err), &err);
	for (size_t max = 0; max < sizeof(zeros); max += 9999)
		assert_int_equal(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, max,
						 &back, &err),
				 -FG_E_LIMIT);
	assert_int_equal(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, 1 << 20, &small,
					 &err),
			 -FG_E_LIMIT);
	for (size_t len = 0; len < packed.len; len++)
		assert_int_equal(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, len, 1 << 20, &back,
						 &err),
				 -FG_E_INVALID);
	assert_int_equal(fg_gzip_inflate(FG_DEFLATE_ZLIB, packed.data, packed.len, 1 << 20, &back,
					 &err),
			 -FG_E_INVALID);
	packed.data[packed.len - 1] ^= 1; /* length in the trailer */
	assert_int_equal(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, 1 << 20, &back,
					 &err),
			 -FG_E_INVALID);
	packed.data[packed.len - 1] ^= 1;
	fg_buf_add_char(&packed, 'x');
	assert_int_equal(fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data, packed.len, 1 << 20, &back,
					 &err),
			 -FG_E_INVALID);
	assert_string_equal(back.data, "before");
	assert_int_equal(back.len, 6);
	fg_buf_clear(&small);
	assert_int_equal(fg_gzip_deflate(FG_DEFLATE_GZIP, "x", 1, &small, &err), 0);
	size_t before = small.len;

	for (size_t i = 0; i < 256; i++)
		zeros[i] = (char)(uint8_t)(i * 181 ^ i * i * 7);
	assert_int_equal(fg_gzip_deflate(FG_DEFLATE_GZIP, zeros, 256, &small, &err), -FG_E_LIMIT);
	assert_int_equal(small.len, before);
	fg_buf_done(&packed);
	fg_buf_done(&back);
	fg_buf_done(&small);
}

static void test_base64(void **state)
{
	/* RFC 4648 §10 */
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	static const char *const bad[] = {
		"Z",    "Zg",    "Zg=",      "Z===", "====",       "Zh==",
		"Zm9=", "Zm9v=", "Zg==Zg==", "Zm 9", "Zm9v\nZm9v", "Zm-_"};
	struct fg_buf buf;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&buf, 100);
	for (size_t i = 0; i < FG_ARRAY_LEN(pairs); i++) {
		fg_buf_clear(&buf);
		fg_base64_encode(pairs[i][0], strlen(pairs[i][0]), &buf);
		assert_string_equal(buf.data, pairs[i][1]);
		fg_buf_clear(&buf);
		assert_ok(fg_base64_decode(pairs[i][1], strlen(pairs[i][1]), &buf, &err), &err);
		assert_string_equal(buf.data, pairs[i][0]);
	}
	fg_buf_clear(&buf);
	fg_buf_add_str(&buf, "keep");
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		if (fg_base64_decode(bad[i], strlen(bad[i]), &buf, &err) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_string_equal(buf.data, "keep");
	}
	fg_base64_encode("\xff\xef\xbe", 3, &buf);
	assert_string_equal(buf.data, "keep/+++");
	fg_buf_done(&buf);
}

static void test_json_refuses_text(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{"", "not valid JSON"},
		{"{", "not valid JSON"},
		{"{\"a\":1,\"a\":2}", "duplicate"},
		{"{\"a\":1} x", "not valid JSON"},
		{"[1,]", "not valid JSON"},
		{"{\"a\":NaN}", "not valid JSON"},
		{"\"\xff\"", "not valid JSON"},
		{"[99999999999999999999]", "not valid JSON"},
		{"[1e999]", "not valid JSON"},
	};
	json_t *value = NULL;
	struct fg_err err = {0};
	struct fg_buf deep;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		assert_int_equal(fg_json_parse(bad[i].text, strlen(bad[i].text), &value, &err),
				 -FG_E_INVALID);
		if (!strstr(err.message, bad[i].why))
			fail_msg("%s: %s", bad[i].text, err.message);
		assert_null(value);
	}
	fg_buf_init(&deep, 10000000);
	for (int i = 0; i <= FG_JSON_DEPTH_MAX; i++)
		fg_buf_add_char(&deep, '[');
	assert_int_equal(fg_json_parse(deep.data, deep.len, &value, &err), -FG_E_LIMIT);
	fg_buf_clear(&deep);
	fg_buf_add_char(&deep, '[');
	for (int i = 0; i <= FG_JSON_VALUES_MAX; i++)
		fg_buf_add_str(&deep, "1,");
	assert_int_equal(fg_json_parse(deep.data, deep.len, &value, &err), -FG_E_LIMIT);
	assert_int_equal(fg_json_parse("[]", FG_JSON_BYTES_MAX + 1, &value, &err), -FG_E_LIMIT);
	/* Brackets inside strings do not count. */
	fg_buf_clear(&deep);
	fg_buf_add_str(&deep, "[\"\\\"");
	for (int i = 0; i < 200; i++)
		fg_buf_add_char(&deep, '[');
	fg_buf_add_str(&deep, "\"]");
	assert_ok(fg_json_parse(deep.data, deep.len, &value, &err), &err);
	json_decref(value);
	fg_buf_done(&deep);
}

static const char document[] =
	"{\"n\":7,\"neg\":-1,\"r\":1.5,\"s\":\"text\",\"t\":true,\"z\":null,\"word\":\"b\","
	"\"list\":[{\"inner\":{\"x\":\"y\"}},2]}";

static void expect_error(int rc, const struct fg_err *err, const char *message)
{
	assert_int_equal(rc, -FG_E_INVALID);
	assert_string_equal(err->message, message);
}

static void test_json_errors_name_the_path(void **state)
{
	static const char *const words[] = {"a", NULL, "c"};
	FG_AUTO_JSON json_t *value = NULL;
	struct fg_err err = {0};
	struct fg_json_at list;
	struct fg_json_at element;
	struct fg_json_at inner;
	uint64_t u = 0;
	double d = 0;
	bool b = false;
	char text[4] = "old";
	size_t word = 9;

	(void)state;
	assert_ok(fg_json_parse(document, strlen(document), &value, &err), &err);
	const struct fg_json_at root = fg_json_root(value);

	expect_error(fg_json_u64(&root, "missing", 9, &u, &err), &err,
		     "missing: expected an integer, found nothing");
	expect_error(fg_json_u64(&root, "neg", 9, &u, &err), &err,
		     "neg: -1 is not between 0 and 9");
	expect_error(fg_json_u64(&root, "n", 6, &u, &err), &err, "n: 7 is not between 0 and 6");
	expect_error(fg_json_u64(&root, "r", 6, &u, &err), &err,
		     "r: expected an integer, found a number");
	expect_error(fg_json_u64(&root, "z", 6, &u, &err), &err,
		     "z: expected an integer, found null");
	expect_error(fg_json_double(&root, "r", 2, 3, &d, &err), &err,
		     "r: 1.5 is not between 2 and 3");
	expect_error(fg_json_bool(&root, "n", &b, &err), &err,
		     "n: expected true or false, found an integer");
	expect_error(fg_json_text(&root, "s", text, sizeof(text), &err), &err,
		     "s: longer than 3 bytes");
	assert_string_equal(text, "old");
	expect_error(fg_json_word(&root, "word", words, 3, &word, &err), &err,
		     "word: unknown word \"b\"");
	expect_error(fg_json_array(&root, "list", 1, &list, &err), &err,
		     "list: 2 elements; the limit is 1");
	assert_ok(fg_json_array(&root, "list", 2, &list, &err), &err);
	expect_error(fg_json_element(&list, 1, &element, &err), &err,
		     "list[1]: expected an object, found an integer");
	expect_error(fg_json_element(&list, 2, &element, &err), &err,
		     "list[2]: expected an object, found nothing");
	assert_ok(fg_json_element(&list, 0, &element, &err), &err);
	assert_ok(fg_json_object(&element, "inner", &inner, &err), &err);
	expect_error(fg_json_u64(&inner, "x", 1, &u, &err), &err,
		     "list[0].inner.x: expected an integer, found a string");
	expect_error(fg_json_error(&root, &err, "odd"), &err, "odd");
	assert_int_equal(fg_json_u64(&inner, "x", 1, &u, NULL), -FG_E_INVALID);
}

static void test_json_values(void **state)
{
	static const char *const words[] = {"a", NULL, "b"};
	FG_AUTO_JSON json_t *value = NULL;
	struct fg_err err = {0};
	struct fg_json_at list;
	uint64_t u = 0;
	uint32_t u32 = 0;
	double d = 0;
	bool b = false;
	char text[5] = "";
	char *copy = NULL;
	size_t word = 9;

	(void)state;
	assert_ok(fg_json_parse(document, strlen(document), &value, &err), &err);
	const struct fg_json_at root = fg_json_root(value);

	assert_ok(fg_json_u32(&root, "n", 7, &u32, &err), &err);
	assert_int_equal(u32, 7);
	assert_ok(fg_json_double(&root, "n", 0, 9, &d, &err), &err);
	assert_true(d == 7.0);
	assert_ok(fg_json_bool(&root, "t", &b, &err), &err);
	assert_true(b);
	assert_ok(fg_json_text(&root, "s", text, sizeof(text), &err), &err);
	assert_string_equal(text, "text");
	assert_ok(fg_json_word(&root, "word", words, 3, &word, &err), &err);
	assert_int_equal(word, 2);
	assert_ok(fg_json_dup_or_null(&root, "z", &copy, &err), &err);
	assert_null(copy);
	assert_ok(fg_json_dup_or_null(&root, "s", &copy, &err), &err);
	assert_string_equal(copy, "text");
	free(copy);
	assert_false(fg_json_has(&root, "z"));
	assert_ok(fg_json_array(&root, "list", 2, &list, &err), &err);
	assert_int_equal(fg_json_count(&list), 2);
	assert_ok(fg_json_element_u64(&list, 1, 2, &u, &err), &err);
	assert_int_equal(u, 2);
}

static void test_json_writer(void **state)
{
	struct fg_json_writer writer;
	struct fg_buf out;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&out, 1 << 20);
	fg_json_writer_init(&writer, &out, false);
	fg_json_begin(&writer, NULL);
	fg_json_put_string(&writer, "s",
			   "q\" b\\ \n\x01\x7f é \xff \xc0\x80 \xed\xa0\x80|\xf0\x9f");
	fg_json_put_u64(&writer, "u", INT64_MAX);
	fg_json_put_i64(&writer, "i", INT64_MIN);
	fg_json_put_double(&writer, "nan", NAN);
	fg_json_put_double(&writer, "d", 3);
	fg_json_put_string_or_null(&writer, "none", NULL);
	fg_json_begin_array(&writer, "list");
	fg_json_put_bool(&writer, NULL, true);
	FG_AUTO_JSON json_t *value = NULL;

	assert_ok(fg_json_parse("{\"a\":[1,2.5,null,\"x\"]}", 22, &value, &err), &err);
	fg_json_put_value(&writer, NULL, value);
	fg_json_begin(&writer, NULL);
	fg_json_end(&writer);
	fg_json_end(&writer);
	fg_json_end(&writer);
	assert_ok(fg_json_writer_check(&writer, &err), &err);
	assert_string_equal(
		out.data,
		"{\"s\":\"q\\\" b\\\\ \\n\\u0001\\u007f é \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd "
		"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\","
		"\"u\":9223372036854775807,\"i\":-9223372036854775808,\"nan\":null,\"d\":3.0,"
		"\"none\":null,\"list\":[true,{\"a\":[1,2.5,null,\"x\"]},{}]}");
	fg_buf_done(&out);
}

static void test_json_doubles_survive(void **state)
{
	static const double values[] = {0.0,
					-0.0,
					0.1,
					1.0 / 3,
					1e300,
					5e-324,
					1e22,
					123456,
					1.5e-7,
					9007199254740993.0,
					2.5e15,
					1e16,
					0.30000000000000004};
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(values); i++) {
		FG_AUTO_JSON json_t *value = NULL;
		struct fg_json_writer writer;
		struct fg_buf out;

		fg_buf_init(&out, 100);
		fg_json_writer_init(&writer, &out, false);
		fg_json_put_double(&writer, NULL, values[i]);
		assert_ok(fg_json_parse(out.data, out.len, &value, &err), &err);
		assert_true(json_is_real(value));
		double back = json_real_value(value);

		assert_memory_equal(&back, &values[i], sizeof(back));
		fg_buf_done(&out);
	}
}

static void test_json_writer_notices(void **state)
{
	struct fg_json_writer writer;
	struct fg_buf out;
	struct fg_err err = {0};

	(void)state;
	fg_buf_init(&out, 20);
	fg_json_writer_init(&writer, &out, true);
	fg_json_put_u64(&writer, NULL, (uint64_t)INT64_MAX + 1);
	assert_int_equal(fg_json_writer_check(&writer, &err), -FG_E_INTERNAL);
	fg_buf_clear(&out);
	fg_json_writer_init(&writer, &out, true);
	fg_json_end(&writer);
	assert_int_equal(fg_json_writer_check(&writer, &err), -FG_E_INTERNAL);
	fg_buf_clear(&out);
	fg_json_writer_init(&writer, &out, true);
	fg_json_begin(&writer, NULL);
	assert_int_equal(fg_json_writer_check(&writer, &err), -FG_E_INTERNAL);
	fg_json_put_string(&writer, "key", "longer than twenty bytes");
	assert_int_not_equal(fg_json_writer_check(&writer, &err), 0);
	fg_buf_clear(&out);
	fg_json_writer_init(&writer, &out, true);
	for (int i = 0; i <= FG_JSON_DEPTH_MAX; i++)
		fg_json_begin_array(&writer, NULL);
	assert_int_not_equal(fg_json_writer_check(&writer, &err), 0);
	fg_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_round_trip),
		cmocka_unit_test(test_gzip_refuses),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_json_refuses_text),
		cmocka_unit_test(test_json_errors_name_the_path),
		cmocka_unit_test(test_json_values),
		cmocka_unit_test(test_json_writer),
		cmocka_unit_test(test_json_doubles_survive),
		cmocka_unit_test(test_json_writer_notices),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
