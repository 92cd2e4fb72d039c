/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: what they find, what they refuse, and texts that are no JSON. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "runner/scenario/jscan.h"
#include "runner/scenario/jsonpath.h"

static const char shop[] =
	"{ \"token\": \"ey\\u00e9\\n\", \"n\": -0.5e1, \"yes\": true, \"nil\": null,\n"
	"  \"items\": [ {\"id\": 1, \"name\": \"a\", \"price\": 9.5, \"tags\": [\"x\", \"y\"]},\n"
	"    {\"id\": 2, \"name\": \"b\", \"price\": 20},\n"
	"    {\"id\": 3, \"name\": \"c\", \"price\": 15, \"sub\": {\"name\": \"deep\"}} ],\n"
	"  \"a b\": {\"x.y\": 5, \"it's\": 6, \"\": 7}, \"first-name\": \"Jo\", \"empty\": [],\n"
	"  \"name\": \"top\", \"big\": 9007199254740993, \"\\u006bey\": \"escaped\" }";

static const struct {
	const char *path, *first, *all; /* first NULL: nothing found */
} finds[] = {
	{"$.token", "\"eyé\\n\"", "[\"ey\\u00e9\\n\"]"},
	{"$.n", "-5", "[-0.5e1]"},
	{"$.yes", "true", "[true]"},
	{"$.nil", "null", "[null]"},
	{"$.none", NULL, "[]"},
	{"$.token.x", NULL, "[]"},
	{"$.big", "9007199254740993", "[9007199254740993]"},
	{"$['token']", "\"eyé\\n\"", NULL},
	{"$[\"a b\"]['x.y']", "5", NULL},
	{"$['a b']['it\\'s']", "6", NULL},
	{"$['a b'][\"it's\"]", "6", NULL},
	{"$['a b']['']", "7", NULL},
	{"$.first-name", "\"Jo\"", NULL},
	{"$.key", "\"escaped\"", NULL},
	{"$['\\u006eame']", "\"top\"", NULL},
	{"$.items[0].name", "\"a\"", NULL},
	{"$.items[-1].name", "\"c\"", NULL},
	{"$.items[ 1 ].price", "20", NULL},
	{"$.items[3]", NULL, "[]"},
	{"$.items[-4]", NULL, "[]"},
	{"$.items.name", NULL, "[]"},
	{"$.token[0]", NULL, "[]"},
	{"$[0]", NULL, "[]"},
	{"$.items[*].id", "1", "[1,2,3]"},
	{"$.items.*.id", "1", "[1,2,3]"},
	{"$['a b'].*", "5", "[5,6,7]"},
	{"$.empty[*]", NULL, "[]"},
	{"$.yes[*]", NULL, "[]"},
	{"$.items[0:2].id", "1", "[1,2]"},
	{"$.items[1:].id", "2", "[2,3]"},
	{"$.items[:-1].id", "1", "[1,2]"},
	{"$.items[-2:].id", "2", "[2,3]"},
	{"$.items[::2].id", "1", "[1,3]"},
	{"$.items[5:9].id", NULL, "[]"},
	{"$.items[2:1].id", NULL, "[]"},
	{"$..name", "\"top\"", "[\"top\",\"a\",\"b\",\"c\",\"deep\"]"},
	{"$.items..name", "\"a\"", "[\"a\",\"b\",\"c\",\"deep\"]"},
	{"$..tags[1]", "\"y\"", "[\"y\"]"},
	{"$..['x.y']", "5", "[5]"},
	{"$.items..*", NULL, NULL},
	{"$.items[?(@.id == 2)].name", "\"b\"", "[\"b\"]"},
	{"$.items[?@.id==2].name", "\"b\"", NULL},
	{"$.items[?(@.name == 'c')].price", "15", NULL},
	{"$.items[?(@.price > 9.5 && @.price <= 20)].id", "2", "[2,3]"},
	{"$.items[?(@.price < 10 || @.name >= 'c')].id", "1", "[1,3]"},
	{"$.items[?(@.tags)].id", "1", "[1]"},
	{"$.items[?(!@.tags)].id", "2", "[2,3]"},
	{"$.items[?(!(@.id == 1 || @.id == 2))].id", "3", "[3]"},
	{"$.items[?(@.sub.name == 'deep')].id", "3", NULL},
	{"$.items[?(@['tags'][-1] == 'y')].id", "1", NULL},
	{"$.items[?(@.name == $.items[1].name)].id", "2", "[2]"},
	{"$.items[?(@.none == @.nothing)].id", "1", "[1,2,3]"}, /* both missing */
	{"$.items[?(@.none != 1)].id", "1", "[1,2,3]"},
	{"$.items[?(@.none == null)].id", NULL, "[]"},
	{"$.items[?(@.none < 1)].id", NULL, "[]"},
	{"$.items[?(@.id == '1')].id", NULL, "[]"}, /* types differ */
	{"$.items[?(@.name < 5)].id", NULL, "[]"},
	{"$.items[0].tags[?(@ == 'y')]", "\"y\"", "[\"y\"]"},
	{"$['a b'][?(@ > 5)]", "6", "[6,7]"},
	{"$.items.length()", "3", "[3]"},
	{"$.items[*].name.length()", "1", "[1,1,1]"},
	{"$.token.length()", "4", NULL},
	{"$.length()", "11", NULL},
	{"$.n.length()", NULL, "[]"},
	{"$.none.length()", NULL, "[]"},
};

static struct fg_jsonpath *compile(const char *text)
{
	struct fg_jsonpath *path = NULL;
	struct fg_err err = {0};

	if (fg_jsonpath_compile(text, strlen(text), &path, &err))
		fail_msg("%s: column %u: %s", text, err.column, err.message);
	return path;
}

static const char *printed(const struct fg_value *value, struct fg_arena *arena)
{
	size_t len = fg_value_write_json(value, NULL);
	char *out = fg_arena_alloc(arena, len + 1);

	assert_non_null(out);
	(void)fg_value_write_json(value, out);
	out[len] = '\0';
	return out;
}

static void test_finds(void **state)
{
	struct fg_arena arena;
	struct fg_err err = {0};

	(void)state;
	fg_arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < FG_ARRAY_LEN(finds); i++) {
		struct fg_jsonpath *path = compile(finds[i].path);
		struct fg_value first, all;
		const char *text;

		fg_arena_clear(&arena);
		int rc = fg_jsonpath_find(path, shop, sizeof(shop) - 1, &arena, &first, &err);
		int rc_all = fg_jsonpath_all(path, shop, sizeof(shop) - 1, &arena, &all, &err);

		if (rc < 0 || rc_all < 0 || rc != rc_all)
			fail_msg("%s: %d, %d: %s", finds[i].path, rc, rc_all, err.message);
		text = rc ? printed(&first, &arena) : NULL;
		if (finds[i].all || finds[i].first) {
			assert_int_equal(rc, finds[i].first ? 1 : 0);
			if (text && strcmp(text, finds[i].first) != 0)
				fail_msg("%s finds %s", finds[i].path, text);
		}
		text = printed(&all, &arena);
		if (finds[i].all && strcmp(text, finds[i].all) != 0)
			fail_msg("%s finds all %s", finds[i].path, text);
		assert_int_equal(fg_jscan_check(text, strlen(text), &err), 0);
		fg_jsonpath_free(path);
	}
	fg_arena_done(&arena);
}

static const struct {
	const char *path;
	unsigned column;
	const char *message;
} faults[] = {
	{"", 1, "it must begin with $, as in $.token"},
	{"token", 1, "it must begin with $, as in $.token"},
	{"$token", 2, "expected .name or [ ]"},
	{"$.", 3, "a name is missing"},
	{"$..", 4, "a name is missing"},
	{"$...a", 4, "a name is missing"},
	{"$.a ", 4, "expected .name or [ ]"},
	{"$[", 3, "[ ] needs a number, a quoted name, *, a slice or ?(…)"},
	{"$[]", 3, "[ ] needs a number, a quoted name, *, a slice or ?(…)"},
	{"$[a]", 3, "[ ] needs a number, a quoted name, *, a slice or ?(…)"},
	{"$[1", 4, "a ] is missing"},
	{"$[1,2]", 4, "several names or numbers in one [ ] are not supported"},
	{"$['a','b']", 6, "several names or numbers in one [ ] are not supported"},
	{"$[99999999999]", 3, "a whole number of at most 2147483647 should be here"},
	{"$[-]", 3, "a whole number of at most 2147483647 should be here"},
	{"$[1:2:0]", 3, "the step of a slice must be positive"},
	{"$[::-1]", 3, "the step of a slice must be positive"},
	{"$['a]", 3, "a quote is not closed"},
	{"$['a\\q']", 3, "a text with a wrong escape"},
	{"$[?]", 4, "expected @.name, a quoted text, a number, true, false or null"},
	{"$[?(@.a == )]", 12, "expected @.name, a quoted text, a number, true, false or null"},
	{"$[?(@.a == x)]", 12, "expected @.name, a quoted text, a number, true, false or null"},
	{"$[?(@.a == [1])]", 12, "expected @.name, a quoted text, a number, true, false or null"},
	{"$[?(@.a = 1)]", 9, "a ) is missing"},
	{"$[?(@.a]", 8, "a ) is missing"},
	{"$[?(1)]", 6, "a comparison is missing"},
	{"$[?(@.*)]", 7, "a name is missing"},
	{"$[?(@[*])]", 7, "inside ?(…) only a name or a number may be in [ ]"},
	{"$[?(@[0:1])]", 7, "inside ?(…) only a name or a number may be in [ ]"},
	{"$.a.length", 0, NULL}, /* a name like any other */
	{"$.length().a", 9, "expected .name or [ ]"},
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(faults); i++) {
		struct fg_jsonpath *path = NULL;
		struct fg_err err = {0};
		int rc = fg_jsonpath_compile(faults[i].path, strlen(faults[i].path), &path, &err);

		if (!faults[i].message) {
			assert_int_equal(rc, 0);
			fg_jsonpath_free(path);
			continue;
		}
		assert_null(path);
		if (rc != -FG_E_INVALID || err.column != faults[i].column ||
		    strncmp(err.message, "not a JSONPath: ", 16) != 0 ||
		    strcmp(err.message + 16, faults[i].message) != 0)
			fail_msg("%s: %d, column %u: %s", faults[i].path, rc, err.column,
				 err.message);
	}
	fg_jsonpath_free(NULL);
}

static int compile_repeated(const char *start, const char *piece, size_t times, const char *end)
{
	struct fg_jsonpath *path = NULL;
	struct fg_err err;
	struct fg_buf text;

	fg_buf_init(&text, 1 << 20);
	fg_buf_add_str(&text, start);
	for (size_t i = 0; i < times; i++)
		fg_buf_add_str(&text, piece);
	fg_buf_add_str(&text, end);
	int rc = fg_jsonpath_compile(text.data, text.len, &path, &err);

	fg_jsonpath_free(path);
	fg_buf_done(&text);
	return rc;
}

static void test_limits(void **state)
{
	(void)state;
	assert_int_equal(compile_repeated("$", ".a", 32, ""), 0);
	assert_int_equal(compile_repeated("$", ".a", 33, ""), -FG_E_LIMIT);
	assert_int_equal(compile_repeated("$.", "a", 1022, ""), 0);
	assert_int_equal(compile_repeated("$.", "a", 1023, ""), -FG_E_LIMIT);
	assert_int_equal(compile_repeated("$[?(@.a", "||@.b", 10, ")]"), 0);
	assert_int_equal(compile_repeated("$[?(@.a", "||@.b", 20, ")]"), -FG_E_LIMIT);
	assert_int_equal(compile_repeated("$[?", "(", 50, ""), -FG_E_LIMIT);
	assert_int_equal(compile_repeated("$[?", "!", 50, "@.a"), -FG_E_LIMIT);
	assert_int_equal(compile_repeated("$[?(@", ".a", 33, ")]"), -FG_E_LIMIT);
}

static void test_broken_texts(void **state)
{
	static const struct {
		const char *path, *text;
		int rc;
	} cases[] = {
		{"$.a", "", -FG_E_INVALID},
		{"$", "", -FG_E_INVALID},
		{"$.a", "<html>", -FG_E_INVALID},
		{"$.a", "nul", -FG_E_INVALID},
		{"$.a", "12 34", -FG_E_INVALID},
		{"$.a", "{", -FG_E_INVALID},
		{"$.a", "{\"a\"", -FG_E_INVALID},
		{"$.a", "{\"a\":", -FG_E_INVALID},
		{"$.a", "{\"a\":1", 1}, /* the rest is not looked at */
		{"$.b", "{\"a\":1", -FG_E_INVALID},
		{"$.b", "{\"a\":1,}", -FG_E_INVALID},
		{"$.b", "{\"a\":01}", -FG_E_INVALID},
		{"$.b", "{\"a\":1.}", -FG_E_INVALID},
		{"$.b", "{\"a\":+1}", -FG_E_INVALID},
		{"$.b", "{'a':1}", -FG_E_INVALID},
		{"$.b", "{\"a\":\"\t\"}", -FG_E_INVALID},
		{"$.b", "{\"a\":\"\\x\"}", -FG_E_INVALID},
		{"$.b", "{\"a\":\"\\u12\"}", -FG_E_INVALID},
		{"$.b", "{\"a\":[1 2]}", -FG_E_INVALID},
		{"$.b", "{\"a\":[1}", -FG_E_INVALID},
		{"$.b", "{\"a\":[],\"b\":[}", -FG_E_INVALID},
		{"$[1]", "[1", -FG_E_INVALID},
		{"$[1]", "[1 2]", -FG_E_INVALID},
		{"$[-1]", "[1,2", -FG_E_INVALID},
		{"$[*]", "[1,2", 1},
		{"$.a", "{\"a\":\"\xff\"}", 1}, /* not UTF-8: taken as it is */
		{"$.a", " {\"a\":\"\\ud800x\"} ", 1},
	};
	struct fg_arena arena;

	(void)state;
	fg_arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_jsonpath *path = compile(cases[i].path);
		/* exactly as long as it is: a read behind it is seen by the sanitizer */
		size_t len = strlen(cases[i].text);
		char *text = malloc(len ? len : 1);
		struct fg_value value;
		struct fg_err err = {0};

		assert_non_null(text);
		memcpy(text, cases[i].text, len);
		int rc = fg_jsonpath_find(path, text, len, &arena, &value, &err);

		if (rc != cases[i].rc)
			fail_msg("%s on %s: %d: %s", cases[i].path, cases[i].text, rc, err.message);
		free(text);
		fg_jsonpath_free(path);
	}
	fg_arena_done(&arena);
}

/* Depth, steps and memory end in LIMIT. */
static void test_hostile_texts(void **state)
{
	struct fg_jsonpath *deep = compile("$..a"), *pairs = compile("$..*..*..*..*");
	struct fg_arena arena, tiny;
	struct fg_value value;
	struct fg_buf text;
	struct fg_err err;

	(void)state;
	fg_arena_init(&arena, 64 << 20);
	fg_arena_init(&tiny, 64);
	fg_buf_init(&text, 1 << 20);
	for (size_t i = 0; i < 1000; i++)
		fg_buf_add_char(&text, '[');
	assert_int_equal(fg_jsonpath_find(deep, text.data, text.len, &arena, &value, &err),
			 -FG_E_LIMIT);
	fg_buf_clear(&text);
	for (size_t i = 0; i < 100; i++)
		fg_buf_add_char(&text, '[');
	for (size_t i = 0; i < 200; i++)
		fg_buf_add_str(&text, "1,");
	fg_buf_add_char(&text, '1');
	for (size_t i = 0; i < 100; i++)
		fg_buf_add_char(&text, ']');
	assert_int_equal(fg_jsonpath_find(deep, text.data, text.len, &arena, &value, &err), 0);
	assert_int_equal(fg_jsonpath_all(pairs, text.data, text.len, &arena, &value, &err),
			 -FG_E_LIMIT);
	fg_jsonpath_free(pairs);
	pairs = compile("$..*");
	assert_int_equal(fg_jsonpath_all(pairs, text.data, text.len, &tiny, &value, &err),
			 -FG_E_LIMIT);
	fg_buf_done(&text);
	fg_arena_done(&arena);
	fg_arena_done(&tiny);
	fg_jsonpath_free(deep);
	fg_jsonpath_free(pairs);
}

static void test_text_next(void **state)
{
	static const char list[] = " [ 1 , \"t\\u0077o\",[3], {\"a\":4},null ] ";
	static const char *const broken[] = {"", "{}", "1", "[", "[1", "[1 2]", "[1,]", "[,1]"};
	static const char *const expected[] = {"1", "\"two\"", "[3]", "{\"a\":4}", "null"};
	struct fg_arena arena;
	struct fg_value value;
	struct fg_err err;
	size_t offset = 0, count = 0;
	int rc;

	(void)state;
	fg_arena_init(&arena, 4096);
	while ((rc = fg_json_text_next(list, sizeof(list) - 1, &offset, &arena, &value, &err)) > 0)
		assert_string_equal(printed(&value, &arena), expected[count++]);
	assert_int_equal(rc, 0);
	assert_int_equal(count, FG_ARRAY_LEN(expected));
	offset = 0;
	assert_int_equal(fg_json_text_next("[ ]", 3, &offset, &arena, &value, &err), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(broken); i++) {
		offset = 0;
		do
			rc = fg_json_text_next(broken[i], strlen(broken[i]), &offset, &arena,
					       &value, &err);
		while (rc > 0);
		assert_int_equal(rc, -FG_E_INVALID);
	}
	fg_arena_done(&arena);
}

static void test_definite(void **state)
{
	static const struct {
		const char *path;
		bool definite;
	} cases[] = {{"$", true},         {"$.a['b'][0][-1]", true}, {"$.a.length()", true},
		     {"$.a[*]", false},   {"$..a", false},           {"$.a[0:1]", false},
		     {"$[?(@.a)]", false}};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_jsonpath *path = compile(cases[i].path);

		assert_int_equal(fg_jsonpath_definite(path), cases[i].definite);
		fg_jsonpath_free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds),         cmocka_unit_test(test_faults),
		cmocka_unit_test(test_limits),        cmocka_unit_test(test_broken_texts),
		cmocka_unit_test(test_hostile_texts), cmocka_unit_test(test_text_next),
		cmocka_unit_test(test_definite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
