/* SPDX-License-Identifier: Apache-2.0 */
/* The language of {{ }}: values, operators, names, access, faults with their columns, no malloc. */
#include "tests/kit/kit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runner/scenario/regex.h"
#include "tests/unit/scenario/expr_kit.h"

/* The linker sends our code's calls here (-Wl,--wrap=malloc,…). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static atomic_ulong allocations;

void *__wrap_malloc(size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __real_realloc(old, size);
}

static void test_values(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"1", "1"},
		{" 2.50 ", "2.5"},
		{"1e3", "1000"},
		{"'it\\'s'", "\"it's\""},
		{"\"a\\n\\u00e9\\\"\"", "\"a\\né\\\"\""},
		{"'\"'", "\"\\\"\""},
		{"''", "\"\""},
		{"true", "true"},
		{"null", "null"},
		{"[]", "[]"},
		{"[1, 'a', [true, null], token]", "[1,\"a\",[true,null],\"ey.J\"]"},
		/* precedence and grouping */
		{"1 + 2 * 3 - 4 / 2", "5"},
		{"(1 + 2) * 3", "9"},
		{"10 - 2 - 3", "5"},
		{"2 * -3", "-6"},
		{"- -3", "3"},
		{"-7 % 3", "-1"},
		{"!1 == false", "true"},
		{"1 < 2 == true", "true"},
		{"true || false && false", "true"},
		{"null ?? false || 7", "7"},
		{"1 ? 2 ? 3 : 4 : 5", "3"},
		{"0 ? 1 : 0 ? 2 : 3", "3"},
		{"0.1 + 0.2", "0.30000000000000004"},
		/* joining, comparing, numbers in texts */
		{"'a' + 1 + 2", "\"a12\""},
		{"1 + 2 + 'a'", "\"3a\""},
		{"'x' + null + true + [1]", "\"xtrue[1]\""},
		{"'6' * '7'", "42"},
		{"'3' == 3", "true"},
		{"'3' == '3.0'", "false"},
		{"'3.0' == 3", "true"},
		{"null == 0", "false"},
		{"null == null", "true"},
		{"'' == null", "false"},
		{"true == 1", "false"},
		{"'a' < 'b' && 'a' < 'aa' && '10' < '9'", "true"},
		{"10 > '9'", "true"},
		{"2 <= 2 && 2 >= 2 && !(2 < 2) && 1 != 2", "true"},
		/* what decides is the value, as in JavaScript */
		{"'' || 'x'", "\"x\""},
		{"'a' && 'b'", "\"b\""},
		{"0 ?? 1", "0"},
		{"!'' && !0 && !null && !!'0' && !![]", "true"},
	};
	struct expr_kit kit;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const char *json = expr_kit_json(&kit, cases[i].text);

		if (strcmp(json, cases[i].json) != 0)
			fail_msg("%s is %s, not %s", cases[i].text, json, cases[i].json);
	}
	expr_kit_done(&kit);
}

static void test_names_and_access(void **state)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"token", "\"ey.J\""},
		{"count", "null"}, /* not captured yet */
		{"setup.cart", "\"c1\""},
		{"data.users.name", "\"ann\""},
		{"vu + iteration + scenario.iteration", "12"},
		{"target.port + 1", "8081"},
		{"run.id", "\"\""},
		{"currency + 1", "\"EUR1\""},
		{"limit * 2", "10"},
		/* hyphens: the longer name if there is one, else minus */
		{"api-key", "\"k\""},
		{"data.users.first-name", "\"Ann B.\""},
		{"limit-vu", "2"},
		{"limit -vu", "2"},
		{"limit-1", "4"},
		/* into JSON */
		{"user.name", "\"Jörg\""},
		{"user.id", "12345678901234567890"},
		{"user.id == '12345678901234567890'", "true"},
		{"user.id == '12345678901234567891'", "false"},
		{"user['a b'].c[1]", "2"},
		{"user['a' + ' ' + 'b'].c", "[1,2]"},
		{"user . x", "true"},
		{"user.none", "null"},
		{"user.none.deeper[3]", "null"},
		{"user.name.x", "null"},
		{"user[0]", "null"},
		{"list[0].id", "7"},
		{"list['0'].id", "7"},
		{"list[-1]", "null"},
		{"list[-2]", "[4]"},
		{"list[1]", "\"two\""},
		{"list[2]", "3.5"},
		{"list[9] ?? 'none'", "\"none\""},
		{"list[-9]", "null"},
		{"list[0.5]", "null"},
		{"list.id", "null"},
		{"token.length", "null"},
		{"[1,2,3][limit - 4]", "2"},
		{"count.x", "null"},
	};
	struct expr_kit kit;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const char *json = expr_kit_json(&kit, cases[i].text);

		if (strcmp(json, cases[i].json) != 0)
			fail_msg("%s is %s, not %s", cases[i].text, json, cases[i].json);
	}
	kit.rows[0] = NULL; /* used up */
	assert_string_equal(expr_kit_json(&kit, "data.users.name"), "null");
	expr_kit_done(&kit);
}

static const struct {
	const char *text;
	unsigned column; /* 0: only when evaluated */
	const char *message;
} faults[] = {
	{"", 1, "the expression ends where a value should be"},
	{"   ", 4, "the expression ends where a value should be"},
	{"1 +", 4, "the expression ends where a value should be"},
	{"1 2", 3, "unexpected \"2\""},
	{"(1", 1, "( has no )"},
	{"(1]", 3, "expected ), got \"]\""},
	{")", 1, "expected a value, got \")\""},
	{"[1 2]", 4, "expected ], got \"2\""},
	{"[1", 1, "[ has no ]"},
	{"[1,]", 4, "expected a value, got \"]\""},
	{"[,]", 2, "expected a value, got \",\""},
	{"1 ? 2", 3, "? has no :"},
	{"1 ? 2 3", 7, "expected :, got \"3\""},
	{"'abc", 1, "the text has no closing '"},
	{"'a\\q'", 3, "unknown escape \\q; a backslash is written \\\\"},
	{"'\\u12g4'", 2, "\\u needs four hexadecimal digits"},
	{"'\\", 2, "unknown escape \\; a backslash is written \\\\"},
	{"12ab", 1, "\"12ab\" is not a number"},
	{"1e999", 1, "number \"1e999\" is too large or too long"},
	{"vu = 1", 4, "= is not an operator; write =="},
	{"vu === 1", 4, "=== is not an operator; write =="},
	{"vu !== 1", 4, "!== is not an operator; write !="},
	{"vu & 1", 4, "& is not an operator; write &&"},
	{"vu | upper", 4, "| is not an operator; write ||"},
	{"`a`", 1, "` is not an operator; write '…' and +"},
	{"#", 1, "unexpected character \"#\""},
	{"a.b", 1, "unknown name \"a.b\""},
	{"1 + nope", 5, "unknown name \"nope\""},
	{"a-b", 1, "unknown name \"a\""},
	{"user.", 6, "expected a name behind the dot"},
	{"user.1", 6, "expected a name behind the dot"},
	{"user[", 6, "the expression ends where a value should be"},
	{"user[]", 6, "expected a value, got \"]\""},
	{"uper('a')", 1, "unknown function \"uper\"; did you mean \"upper\"?"},
	{"zzzzzzzzz()", 1, "unknown function \"zzzzzzzzz\""},
	{"token.upper()", 1,
	 "\"token.upper\" is not a function; write the function first: upper(name), not "
	 "name.upper()"},
	{"upper()", 1, "upper(text) takes 1 argument, got 0"},
	{"upper(1, 2)", 1, "upper(text) takes 1 argument, got 2"},
	{"substring('a')", 1, "substring(text, start, end) takes at least 2 arguments, got 1"},
	{"isoTime(1, 2)", 1, "isoTime(ms) takes at most 1 argument, got 2"},
	{"upper('a'", 6, "( has no )"},
	{"1 + upper('a' 'b')", 15, "expected ), got \"'b'\""},
	/* constant parts are evaluated at once */
	{"1 / 0", 3, "division by zero"},
	{"vu + 1 % (2 - 2)", 8, "division by zero"},
	{"null - 1", 6, "- needs numbers, got null and number"},
	{"2 * 'a'", 3, "* needs numbers, got number and text"},
	{"null + 1", 6, "+ needs numbers or a text, got null and number"},
	{"1 < 'a'", 3, "< needs two numbers or two texts, got number and text"},
	{"true >= 1", 6, ">= needs two numbers or two texts, got bool and number"},
	{"-[1]", 1, "- needs a number, got list"},
	{"1e308 * 10", 7, "the result of * is too large"},
	/* the rest when evaluated */
	{"token - 1", 0, "- needs numbers, got text and number"},
	{"user * 2", 0, "* needs numbers, got object and number"},
	{"count + 1", 0, "+ needs numbers or a text, got null and number"},
	{"vu / (vu - 3)", 0, "division by zero"},
	{"-token", 0, "- needs a number, got text"},
	{"toNumber(token)", 0, "toNumber(value): argument 1 must be a number, got text \"ey.J\""},
};

static void test_faults(void **state)
{
	struct expr_kit kit;
	struct fg_err err;

	(void)state;
	expr_kit_init(&kit);
	for (size_t i = 0; i < FG_ARRAY_LEN(faults); i++) {
		enum fg_err_code code = expr_kit_fault(&kit, faults[i].text, &err);

		if (code != FG_E_INVALID || err.column != faults[i].column ||
		    strcmp(err.message, faults[i].message) != 0)
			fail_msg("%s: %d, column %u: %s", faults[i].text, code, err.column,
				 err.message);
	}
	expr_kit_done(&kit);
}

/* Every bound is a fault with a column, not a crash. */
static void test_limits(void **state)
{
	struct expr_kit kit;
	struct fg_err err;
	char text[FG_EXPR_TEXT_MAX + 10];

	(void)state;
	expr_kit_init(&kit);
	memset(text, '(', sizeof(text));
	text[FG_EXPR_DEPTH_MAX + 5] = '\0';
	assert_int_equal(expr_kit_fault(&kit, text, &err), FG_E_LIMIT);
	assert_int_equal(err.column, FG_EXPR_DEPTH_MAX + 1);
	memset(text, '!', sizeof(text));
	text[4000] = '\0';
	assert_int_equal(expr_kit_fault(&kit, text, &err), FG_E_LIMIT);
	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(expr_kit_fault(&kit, text, &err), FG_E_LIMIT);
	/* "vu+vu+…": as many parts as bytes */
	for (size_t i = 0; i < 1500; i++)
		text[i] = "vu+"[i % 3];
	text[1499] = '\0';
	assert_string_equal(expr_kit_json(&kit, text), "1500");
	for (size_t i = 0; i < 3000; i++)
		text[i] = "vu+"[i % 3];
	text[2999] = '\0';
	assert_int_equal(expr_kit_fault(&kit, text, &err), FG_E_LIMIT);
	assert_true(err.column > 1000);
	/* a value larger than the arena of an iteration */
	assert_int_equal(expr_kit_fault(&kit, "repeat(token, 1000000)", &err), FG_E_LIMIT);
	assert_int_equal(expr_kit_fault(&kit, "repeat('abcdefgh', 10000000)", &err), FG_E_INVALID);
	assert_int_equal(fg_expr_compile("'\xff'", 3, &expr_kit_names, NULL, &err), -FG_E_INVALID);
	expr_kit_done(&kit);
}

static void test_constant(void **state)
{
	static const struct {
		const char *text;
		bool constant;
	} cases[] = {
		{"1 + 2", true},
		{"currency == 'EUR' ? upper('a') : token", true},
		{"on && limit", true},
		{"on && token", false},
		{"null ?? token", false},
		{"currency ?? token", true},
		{"[1, currency]", true},
		{"[vu]", false},
		{"matches('abc', 'b')", true},
		{"jsonPath('{\"a\":[1]}', '$.a[0]')", true},
		{"uuid()", false},
		{"now()", false},
		{"base64(vu)", false},
	};
	struct fg_err err;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_expr *expr = NULL;
		struct fg_value value = {0};

		assert_ok(fg_expr_compile(cases[i].text, strlen(cases[i].text), &expr_kit_names,
					  &expr, &err),
			  &err);
		if (fg_expr_constant(expr, &value) != cases[i].constant)
			fail_msg("%s", cases[i].text);
		/* the second holder keeps it alive */
		assert_ptr_equal(fg_expr_ref(expr), expr);
		fg_expr_free(expr);
		assert_int_equal(fg_expr_constant(expr, NULL), cases[i].constant);
		fg_expr_free(expr);
	}
	fg_expr_free(NULL);
}

static void test_names_are_checked(void **state)
{
	struct expr_kit kit;
	struct fg_expr *expr = NULL;
	struct fg_err err;
	static const char text[] = "random()";

	(void)state;
	expr_kit_init(&kit);
	kit.env.random = NULL;
	assert_ok(fg_expr_compile(text, sizeof(text) - 1, &expr_kit_names, &expr, &err), &err);
	struct fg_value value = {.number = 77};

	assert_int_equal(fg_expr_eval(expr, &kit.env, &value, &err), -FG_E_INTERNAL);
	assert_true(value.number == 77); /* written on success only */
	fg_expr_free(expr);
	expr_kit_done(&kit);
}

/* After the first evaluation, thousands more allocate nothing. */
static void test_no_allocation(void **state)
{
	static const char *const texts[] = {
		"'/items/' + randomInt(1, 500) + '?u=' + urlEncode(data.users.name)",
		"user.name + user['a b'].c[1] + list[-2] + user.id",
		"uuid() + isoTime() + date('%F %T') + randomString(20) + 0.1 * vu",
		"json([vu, token, user]) + base64(token) + hex(md5(token)) + hmacSha256(token, vu)",
		"join(split('a,b,' + vu, ','), ';') + replace(token, 'e', 'E') + length(range(vu))",
		"matches(token, '^e(y|z)+') ? regexFind(token, '(\\\\w)\\\\.', 1) : 'no'",
		"jsonPath(user, '$..c[*]') + jsonPath(user, \"$.name\") + sha512(token)",
	};
	enum { COUNT = FG_ARRAY_LEN(texts) };
	struct fg_expr *exprs[COUNT];
	struct expr_kit kit;
	struct fg_value value;
	struct fg_err err = {0};
	unsigned long before = 0;
	struct fg_slot slot;

	(void)state;
	expr_kit_init(&kit);
	fg_slot_init(&slot);
	assert_ok(fg_regex_match_new(&kit.env.regex_match, &err), &err);
	for (size_t i = 0; i < COUNT; i++)
		assert_ok(fg_expr_compile(texts[i], strlen(texts[i]), &expr_kit_names, &exprs[i],
					  &err),
			  &err);
	for (unsigned round = 0; round < 3000; round++) {
		if (round == 10)
			before = atomic_load(&allocations);
		fg_arena_clear(&kit.arena);
		for (size_t i = 0; i < COUNT; i++) {
			assert_ok(fg_expr_eval(exprs[(i + round) % COUNT], &kit.env, &value, &err),
				  &err);
			assert_ok(fg_slot_set(&slot, &value, &err), &err);
		}
	}
	assert_int_equal(atomic_load(&allocations) - before, 0);
	assert_true(before > 0);
	for (size_t i = 0; i < COUNT; i++)
		fg_expr_free(exprs[i]);
	fg_regex_match_free(kit.env.regex_match);
	fg_slot_done(&slot);
	expr_kit_done(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),        cmocka_unit_test(test_names_and_access),
		cmocka_unit_test(test_faults),        cmocka_unit_test(test_limits),
		cmocka_unit_test(test_constant),      cmocka_unit_test(test_names_are_checked),
		cmocka_unit_test(test_no_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
