/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of expressions: what each gives, what each refuses. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "tests/unit/scenario/expr_kit.h"

static const struct {
	const char *text, *json;
} results[] = {
	{"now()", "1795267019123"},
	{"timestamp()", "1795267019"},
	{"isoTime(0)", "\"1970-01-01T00:00:00.000Z\""},
	{"isoTime(951782400001)", "\"2000-02-29T00:00:00.001Z\""},
	{"isoTime(-1)", "\"1969-12-31T23:59:59.999Z\""},
	{"isoTime(253402300799999)", "\"9999-12-31T23:59:59.999Z\""},
	{"isoTime(-62135596800000)", "\"0001-01-01T00:00:00.000Z\""},
	{"date('%d.%m.%y %H:%M:%S,%L %j %a %b %s %%', 951868799999)",
	 "\"29.02.00 23:59:59,999 060 Tue Feb 951868799 %\""},
	{"date('%F', 4102444800000)", "\"2100-01-01\""},
	{"date('%j', 1735603200000)", "\"366\""}, /* 2024-12-31 */
	{"date('')", "\"\""},
	/* text */
	{"upper('aßz') + lower('AÄZ')", "\"AßZaÄz\""},
	{"trim(' \\t a b\\n')", "\"a b\""},
	{"trim('')", "\"\""},
	{"length('äöü')", "3"},
	{"length([1,[2,3]])", "2"},
	{"length(user)", "4"},
	{"length(null)", "0"},
	{"length(123)", "3"},
	{"substring('héllo', 1, 3)", "\"él\""},
	{"substring('héllo', 1)", "\"éllo\""},
	{"substring('abc', -2)", "\"bc\""},
	{"substring('abc', 0, -1)", "\"ab\""},
	{"substring('abc', 2, 1)", "\"\""},
	{"substring('abc', 7, 9)", "\"\""},
	{"substring('abc', -9, 1)", "\"a\""},
	{"replace('a-b-c', '-', '')", "\"abc\""},
	{"replace('aaa', 'a', 'bb')", "\"bbbbbb\""},
	{"replace('aaa', 'aa', 'b')", "\"ba\""},
	{"replace('abc', 'x', 'y')", "\"abc\""},
	{"replace('', 'x', 'y')", "\"\""},
	{"repeat('ab', 3) + repeat('x', 0) + repeat('', 9)", "\"ababab\""},
	{"padStart(7, 3, '0')", "\"007\""},
	{"padStart('abc', 2) + padStart('', 2)", "\"abc  \""},
	{"padStart('x', 6, 'äb')", "\"äbäbäx\""},
	{"contains('abc', 'b')", "true"},
	{"contains('abc', '')", "true"},
	{"contains('', 'b')", "false"},
	{"contains([1, 'b'], 'b')", "true"},
	{"contains([1, 'b'], '1')", "true"}, /* as == does */
	{"contains([1, 'b'], 2)", "false"},
	{"contains([], null)", "false"},
	{"contains([null], null)", "true"},
	{"startsWith('abc', 'ab') && !startsWith('a', 'ab') && startsWith('', '')", "true"},
	{"endsWith('abc', 'bc') && !endsWith('c', 'bc') && endsWith('a', '')", "true"},
	{"indexOf('äbc', 'c')", "2"},
	{"indexOf('abc', 'x')", "-1"},
	{"indexOf(['a', 'b'], 'b')", "1"},
	{"matches('order 42', '^order \\\\d+$')", "true"},
	{"matches('', 'x')", "false"},
	{"regexFind('id=42;', 'id=(\\\\d+)', 1)", "\"42\""},
	{"regexFind('id=42;', '\\\\d')", "\"4\""},
	{"regexFind('id', '(x)?id', 1)", "null"},
	{"regexFind('id', 'x')", "null"},
	/* lists and JSON */
	{"split('a,b,,c', ',')", "[\"a\",\"b\",\"\",\"c\"]"},
	{"split('', ',')", "[\"\"]"},
	{"split('äb', '')", "[\"ä\",\"b\"]"},
	{"split('', '')", "[]"},
	{"split('a\"b', 'x')[0]", "\"a\\\"b\""},
	{"join(['a', 1, null, [2]], '-')", "\"a-1--[2]\""},
	{"join([])", "\"\""},
	{"join(['x', 'y'])", "\"x,y\""},
	{"range(3)", "[0,1,2]"},
	{"range(-1, 2)", "[-1,0,1]"},
	{"range(3, 1)", "[]"},
	{"json('a\"\\n')", "\"\\\"a\\\\\\\"\\\\n\\\"\""},
	{"json(null) + json(1.5) + json([true])", "\"null1.5[true]\""},
	{"parseJson(' {\"a\": [1]} ').a[0]", "1"},
	{"parseJson('\"x\"')", "\"x\""},
	{"parseJson([1])", "[1]"},
	{"jsonPath(user, '$[\"a b\"].c[*]')", "[1,2]"},
	{"jsonPath('{\"a\":1}', '$.a')", "1"},
	{"jsonPath(user, '$.none')", "null"},
	{"jsonPath(user, '$..none')", "[]"},
	{"jsonPath(null, '$.a')", "null"},
	{"default(null, 1) + default('', 2) + default(0, 3) + default(false, 4)", NULL},
	{"default(0, 3)", "0"},
	{"default('', 3)", "3"},
	{"default(count, 3)", "3"},
	/* numbers */
	{"toNumber('-1.50e1')", "-15"},
	{"toNumber(true)", "1"},
	{"toInt('-2.9')", "-2"},
	{"toString(1.0) + toString(null)", "\"1\""},
	{"round(2.5) + round(-2.5)", "0"},
	{"round(3.14159, 2)", "3.14"},
	{"round(1e300, 15)", "1e+300"},
	{"floor(-1.5) + ceil(1.2) + abs(-4)", "4"},
	{"min(3, '1', 2)", "1"},
	{"max([3, 7, 2])", "7"},
	{"max(5)", "5"},
	{"min([-1])", "-1"},
	/* codes */
	{"base64('')", "\"\""},
	{"base64('f') + base64('fo') + base64('foo')", "\"Zg==Zm8=Zm9v\""},
	{"base64Url('f') + base64Url('>>>') + base64('>>>')", "\"ZgPj4-Pj4+\""},
	{"base64Decode('Zg==') + base64Decode('Zm8') + base64Decode('Pj4-') + base64Decode('')",
	 "\"ffo>>>\""},
	{"hex('aÿ')", "\"61c3bf\""},
	{"urlEncode('a b&c=ü/~')", "\"a%20b%26c%3D%C3%BC%2F~\""},
	{"urlDecode('a%20b%C3%bC+')", "\"a bü+\""},
	{"md5('')", "\"d41d8cd98f00b204e9800998ecf8427e\""},
	{"sha1('abc')", "\"a9993e364706816aba3e25717850c26c9cd0d89d\""},
	{"sha256('abc')", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
	{"sha256('abc', 'base64')", "\"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\""},
	{"sha256('abc', 'base64url')", "\"ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\""},
	{"substring(sha512('abc'), 0, 16)", "\"ddaf35a193617aba\""},
	/* RFC 4231, case 2; RFC 2202, case 2; a key longer than a block (RFC 4231, case 6) */
	{"hmacSha256('Jefe', 'what do ya want for nothing?')",
	 "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""},
	{"hmacSha1('Jefe', 'what do ya want for nothing?')",
	 "\"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79\""},
	{"substring(hmacSha512('Jefe', 'what do ya want for nothing?'), 0, 16)",
	 "\"164b7a7bfcf819e2\""},
	{"sha256(hmacSha256(repeat('k', 65), 'x')) == sha256(hmacSha256(repeat('k', 65), 'x'))",
	 "true"},
};

static void test_results(void **state)
{
	struct expr_kit kit;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(results); i++) {
		struct fg_err err;

		if (!results[i].json) {
			assert_int_equal(expr_kit_fault(&kit, results[i].text, &err), FG_E_INVALID);
			continue;
		}
		const char *json = expr_kit_json(&kit, results[i].text);

		if (strcmp(json, results[i].json) != 0)
			fail_msg("%s is %s, not %s", results[i].text, json, results[i].json);
	}
	expr_kit_done(&kit);
}

static const struct {
	const char *text, *message;
} faults[] = {
	{"randomInt(2, 1)", "randomInt(min, max): min 2 is greater than max 1"},
	{"randomInt(0.5, 1)", "randomInt(min, max): argument 1 must be a whole number, got 0.5"},
	{"randomInt('a', 1)", "randomInt(min, max): argument 1 must be a number, got text \"a\""},
	{"randomInt(0, 1e17)",
	 "randomInt(min, max): argument 2 must be a whole number, got 100000000000000000"},
	{"randomFloat(1, 0)", "randomFloat(min, max): min 1 is greater than max 0"},
	{"randomFloat(-1.7e308, 1.7e308)", "randomFloat(min, max): the range is too large"},
	{"randomItem([])", "randomItem(list): the list is empty"},
	{"randomItem('abc')", "randomItem(list): argument 1 must be a list, got text"},
	{"randomItem(user)", "randomItem(list): argument 1 must be a list, got object"},
	{"randomString(-1)",
	 "randomString(length, alphabet): argument 1 must be from 0 to 1048576, got -1"},
	{"randomString(5, '')",
	 "randomString(length, alphabet): the alphabet must have 1 to 256 characters of UTF-8"},
	{"isoTime(1e17)", "isoTime(ms): argument 1 must be a whole number, got 100000000000000000"},
	{"isoTime(253402300800000)",
	 "isoTime(ms): argument 1 must be from -62135596800000 to 253402300799999, got "
	 "253402300800000"},
	{"date('%Q')", "date(format, ms): unknown field %Q"},
	{"date('a%')", "date(format, ms): unknown field %"},
	{"date(repeat('a', 257))", "date(format, ms): the format has more than 256 bytes"},
	{"substring('a', 'x')",
	 "substring(text, start, end): argument 2 must be a number, got text \"x\""},
	{"substring('a', 0.5)",
	 "substring(text, start, end): argument 2 must be a whole number, got 0.5"},
	{"replace('a', '', 'b')", "replace(text, from, to): the text to replace is empty"},
	{"repeat('a', -1)", "repeat(text, count): argument 2 must be from 0 to 16777216, got -1"},
	{"repeat('ab', 16777216)", "repeat(text, count): the result has more than 16777216 bytes"},
	{"padStart('a', 9, '')", "padStart(text, length, fill): the text to fill with is empty"},
	{"padStart('a', 4097)",
	 "padStart(text, length, fill): argument 2 must be from 0 to 4096, got 4097"},
	{"matches('a', token)",
	 "the second argument of matches(text, regex) must be a constant text"},
	{"matches('a', 5)", "the second argument of matches(text, regex) must be a constant text"},
	{"matches('a', '(')", "not a regular expression: missing closing parenthesis"},
	{"regexFind('a', '(a)', 2)",
	 "regexFind(text, regex, group): argument 3 must be from 0 to 1, got 2"},
	{"jsonPath(user, token)",
	 "the second argument of jsonPath(value, path) must be a constant text"},
	{"jsonPath(user, 'name')", "not a JSONPath: it must begin with $, as in $.token"},
	{"jsonPath(token, '$.a')", "jsonPath(value, path): not JSON: byte 1 should be a value"},
	{"jsonPath(1, '$.a')", "jsonPath(value, path): argument 1 must be JSON, got number"},
	{"parseJson('{')", "parseJson(text): not JSON: it ends where a key should be"},
	{"parseJson('1 2')", "parseJson(text): not JSON: byte 3 should be the end"},
	{"parseJson('')", "parseJson(text): not JSON: it ends where a value should be"},
	{"join('abc')", "join(list, separator): argument 1 must be a list, got text"},
	{"range(100001)", "range(start, end): the list has more than 100000 elements"},
	{"range('x')", "range(start, end): argument 1 must be a number, got text \"x\""},
	{"toNumber('12px')", "toNumber(value): argument 1 must be a number, got text \"12px\""},
	{"toNumber(null)", "toNumber(value): argument 1 must be a number, got null"},
	{"toInt([1])", "toInt(value): argument 1 must be a number, got list"},
	{"round(1, 16)", "round(number, digits): argument 2 must be from 0 to 15, got 16"},
	{"min('a')", "min(a, b, …): argument 1 must be a number, got text \"a\""},
	{"max(1, null)", "max(a, b, …): argument 2 must be a number, got null"},
	{"max([1, 'x'])", "max(a, b, …): element 1 must be a number, got text"},
	{"max([])", "max(a, b, …): the list is empty"},
	{"max(user)", "max(a, b, …): argument 1 must be a list, got object"},
	{"base64Decode('a')", "base64Decode(text): not base64: a letter is missing"},
	{"base64Decode('ab=')", "base64Decode(text): not base64: wrong padding"},
	{"base64Decode('ab*d')", "base64Decode(text): not base64: byte 3"},
	{"base64Decode('=')", "base64Decode(text): not base64: wrong padding"},
	{"urlDecode('%')", "urlDecode(text): byte 1: % needs two hexadecimal digits"},
	{"urlDecode('a%4g')", "urlDecode(text): byte 2: % needs two hexadecimal digits"},
	{"urlDecode('%4')", "urlDecode(text): byte 1: % needs two hexadecimal digits"},
	{"sha256('a', 'hax')",
	 "sha256(text, encoding): unknown encoding \"hax\"; write hex, base64 or base64url"},
};

static void test_faults(void **state)
{
	struct expr_kit kit;
	struct fg_err err;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(faults); i++) {
		enum fg_err_code code = expr_kit_fault(&kit, faults[i].text, &err);

		if (code != FG_E_INVALID || strcmp(err.message, faults[i].message) != 0)
			fail_msg("%s: %d: %s", faults[i].text, code, err.message);
	}
	expr_kit_done(&kit);
}

/* Each function with each number of arguments of odd kinds: a value or a fault, never a crash. */
static void test_every_function_with_odd_arguments(void **state)
{
	static const char *const odd[] = {"null", "user",  "list", "''",        "-1e300",
					  "true", "token", "0",    "'\\u0000'", "[]"};
	struct expr_kit kit;
	struct fg_err err;
	size_t values = 0;

	(void)state;
	expr_kit_init(&kit);
	for (size_t f = 0; f < fg_expr_function_count; f++)
		for (size_t a = 0; a < FG_ARRAY_LEN(odd); a++)
			for (size_t b = 0; b < FG_ARRAY_LEN(odd); b++) {
				struct fg_buf text;
				unsigned most = FG_MIN(fg_expr_functions[f].max_arguments, 3u);

				fg_buf_init(&text, 200);
				fg_buf_addf(&text, "%s(", fg_expr_functions[f].name);
				for (unsigned i = 0; i < most; i++)
					fg_buf_addf(&text, "%s%s", i ? "," : "",
						    odd[i % 2 ? b : a]);
				fg_buf_add_char(&text, ')');
				enum fg_err_code code = expr_kit_fault(&kit, text.data, &err);

				assert_true(code == FG_E_NONE || code == FG_E_INVALID);
				values += code == FG_E_NONE;
				fg_buf_done(&text);
			}
	assert_true(values > 1000);
	expr_kit_done(&kit);
}

static void test_random_int(void **state)
{
	struct expr_kit kit;
	unsigned seen[5] = {0};

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < 5000; i++) {
		const char *json = expr_kit_json(&kit, "randomInt(-2, 2)");
		int64_t drawn;
		struct fg_err err;

		assert_ok(fg_num_i64(json, strlen(json), &drawn, &err), &err);
		assert_true(drawn >= -2 && drawn <= 2);
		seen[drawn + 2]++;
	}
	for (size_t i = 0; i < 5; i++)
		assert_in_range(seen[i], 850, 1150);
	assert_string_equal(expr_kit_json(&kit, "randomInt(7, 7)"), "7");
	expr_kit_done(&kit);
}

static void test_other_random(void **state)
{
	static const char *const holds[] = {
		"matches(randomString(12), '^[a-zA-Z0-9]{12}$')",
		"matches(randomString(9, 'äb'), '^[äb]{9}$')",
		"randomString(0) == ''",
		"contains(['a', 'b', 'c'], randomItem(['a', 'b', 'c']))",
		"contains([1, 2], randomItem(1, 2))",
		"randomItem([[1]])[0] == 1",
		"contains([7, 'two', 3.5, 4, 0], randomItem(list).id ?? 0)",
		("matches(uuid(), "
		 "'^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')"),
		"uuid() != uuid()",
		"min(random(), 0) == 0 && random() < 1",
		"round(randomFloat(5, 5), 2) == 5",
		"max(randomFloat(-1, 1), 1) == 1",
	};
	struct expr_kit kit;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(holds); i++)
		for (unsigned k = 0; k < 50; k++) {
			if (strcmp(expr_kit_json(&kit, holds[i]), "true") != 0)
				fail_msg("%s does not hold", holds[i]);
		}
	expr_kit_done(&kit);
}

/* The same seed gives the same texts. */
static void test_seeded(void **state)
{
	struct expr_kit a, b;

	(void)state;
	expr_kit_init(&a);
	expr_kit_init(&b);
	for (unsigned i = 0; i < 20; i++)
		assert_string_equal(expr_kit_json(&a, "uuid() + random() + randomString(8)"),
				    expr_kit_json(&b, "uuid() + random() + randomString(8)"));
	expr_kit_done(&a);
	expr_kit_done(&b);
}

static void test_table(void **state)
{
	(void)state;
	assert_true(fg_expr_function_count > 50);
	for (size_t i = 0; i < fg_expr_function_count; i++) {
		const struct fg_expr_function *f = &fg_expr_functions[i];

		assert_non_null(f->call);
		assert_true(strlen(f->name) > 0 && strlen(f->help) > 5);
		assert_true(f->min_arguments <= f->max_arguments &&
			    f->max_arguments <= FG_EXPR_ARGUMENTS_MAX);
		assert_true((f->max_arguments == 0) == (strlen(f->arguments) == 0));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(f->name, fg_expr_functions[k].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_every_function_with_odd_arguments),
		cmocka_unit_test(test_random_int),
		cmocka_unit_test(test_other_random),
		cmocka_unit_test(test_seeded),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
