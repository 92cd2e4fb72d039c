/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks: and expect: – what must hold of a response.
 *
 * A subject (status, header, json …) and a test. In a check both stand side by side or the test
 * stands under the subject; expect is a map of subjects, each with any number of tests.
 */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { CONDITIONS_MAX = 256 };

static const struct {
	const char *name;
	enum fg_from from;
} subjects[] = {
	{"status", FG_FROM_STATUS}, {"header", FG_FROM_HEADER},     {"cookie", FG_FROM_COOKIE},
	{"body", FG_FROM_BODY},     {"json", FG_FROM_JSON},         {"regex", FG_FROM_REGEX},
	{"size", FG_FROM_SIZE},     {"duration", FG_FROM_DURATION},
};

static const struct {
	const char *name;
	enum fg_test test;
	const char *words;
} tests[] = {
	{"exists", FG_TEST_EXISTS, "exists"},
	{"equals", FG_TEST_EQUALS, "is"},
	{"notEquals", FG_TEST_NE, "is not"},
	{"contains", FG_TEST_CONTAINS, "contains"},
	{"matches", FG_TEST_MATCHES, "matches"},
	{"lt", FG_TEST_LT, "<"},
	{"lte", FG_TEST_LE, "<="},
	{"gt", FG_TEST_GT, ">"},
	{"gte", FG_TEST_GE, ">="},
};

/* What is looked at, before it is known how often. */
struct subject {
	enum fg_from from;
	const struct fg_node *node; /* key or path as written */
	const struct fg_node *group;
	const char *text;
};

/* Where conditions go: a list of expectations, or the one of a check. */
struct sink {
	struct fg_step_http *http; /* NULL: only checks */
	struct fg_check_spec *check;
	size_t count;
};

/* -- patterns and paths --------------------------------------------------------------------- */

/* A fault inside a text, at the offset that its compiler gives. */
static void report_inside(struct fg_reader *reader, const struct fg_node *node, const char *what,
			  const struct fg_err *err)
{
	size_t at = err->column ? err->column - 1 : 0;

	if (at > strlen(node->text))
		at = 0;
	fg_reader_fault_in(reader, node, at, 1, "%s: %s", what, err->message);
}

struct fg_regex *fg_reader_regex(struct fg_reader *reader, const struct fg_node *node,
				 const char *name)
{
	struct fg_regex *regex = NULL;
	struct fg_err err = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, name))
		return NULL;
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	int rc = text ? fg_regex_compile(text, strlen(text), &regex, &err) : 0;

	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, &err);
	else if (rc)
		report_inside(reader, node, name, &err);
	return rc ? NULL : regex;
}

struct fg_jsonpath *fg_reader_jsonpath(struct fg_reader *reader, const struct fg_node *node,
				       const char *name)
{
	struct fg_jsonpath *path = NULL;
	struct fg_err err = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, name))
		return NULL;
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	int rc = text ? fg_jsonpath_compile(text, strlen(text), &path, &err) : 0;

	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, &err);
	else if (rc)
		report_inside(reader, node, name, &err);
	return rc ? NULL : path;
}

bool fg_reader_group(struct fg_reader *reader, const struct fg_node *node,
		     const struct fg_regex *regex, unsigned *ret)
{
	uint64_t number;

	if (!node) {
		*ret = fg_regex_groups(regex) ? 1 : 0;
		return true;
	}
	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, "group"))
		return false;
	if (fg_num_u64(node->text, strlen(node->text), &number, NULL)) {
		int named = fg_regex_group(regex, node->text);

		if (named < 0)
			fg_reader_fault(reader, node, "the expression has no group \"%.60s\"",
					node->text);
		*ret = named < 0 ? 0 : (unsigned)named;
		return named >= 0;
	}
	if (number > fg_regex_groups(regex)) {
		fg_reader_fault(reader, node, "the expression has %u group%s, not %s",
				fg_regex_groups(regex), fg_regex_groups(regex) == 1 ? "" : "s",
				node->text);
		return false;
	}
	*ret = (unsigned)number;
	return true;
}

/* -- status, duration, size ----------------------------------------------------------------- */

/* "200", "2xx", "200-299". */
static bool parse_status(const char *text, uint16_t *ret_low, uint16_t *ret_high)
{
	size_t len = strlen(text);
	uint64_t low = 0;
	uint64_t high = 0;

	if (len == 3 && text[0] >= '1' && text[0] <= '5' && strcmp(text + 1, "xx") == 0) {
		low = (uint64_t)(text[0] - '0') * 100;
		high = low + 99;
	} else if (len == 7 && text[3] == '-') {
		if (fg_num_u64(text, 3, &low, NULL) || fg_num_u64(text + 4, 3, &high, NULL))
			return false;
	} else {
		if (fg_num_u64(text, len, &low, NULL))
			return false;
		high = low;
	}
	if (low < 100 || high > 599 || low > high)
		return false;
	*ret_low = (uint16_t)low;
	*ret_high = (uint16_t)high;
	return true;
}

static bool read_status(struct fg_reader *reader, const struct fg_node *node, const char *text,
			struct fg_condition *condition)
{
	condition->test = FG_TEST_STATUS;
	if (parse_status(text, &condition->status_low, &condition->status_high))
		return true;
	fg_reader_fault(reader, node, "\"%.40s\" is not a status; write 200, 2xx or 200-299", text);
	return false;
}

/* "<500ms", ">= 10KB". */
static bool read_limit(struct fg_reader *reader, const struct fg_node *node, const char *text,
		       struct fg_condition *condition)
{
	static const struct {
		const char *sign;
		enum fg_test test;
	} signs[] = {{"<=", FG_TEST_LE}, {">=", FG_TEST_GE}, {"==", FG_TEST_EQUALS},
		     {"!=", FG_TEST_NE}, {"<", FG_TEST_LT},  {">", FG_TEST_GT}};
	bool is_time = condition->from == FG_FROM_DURATION;
	struct fg_err err = {0};

	for (size_t i = 0; i < FG_ARRAY_LEN(signs); i++) {
		const char *number = text + strlen(signs[i].sign);

		if (!fg_str_starts_with(text, signs[i].sign))
			continue;
		number += strspn(number, " ");
		condition->test = signs[i].test;
		int rc = is_time ? fg_num_duration_ns(number, strlen(number), &condition->limit,
						      &err)
				 : fg_num_size_bytes(number, strlen(number), &condition->limit,
						     &err);
		if (rc)
			fg_reader_fault(reader, node, "%s", err.message);
		return rc == 0;
	}
	fg_reader_fault(reader, node, "%s wants a comparison, such as \"%s\"",
			is_time ? "duration" : "size", is_time ? "<500ms" : "<10KB");
	return false;
}

/* -- tests ---------------------------------------------------------------------------------- */

static bool wants_number(enum fg_test test)
{
	return test == FG_TEST_LT || test == FG_TEST_LE || test == FG_TEST_GT || test == FG_TEST_GE;
}

static void check_number(struct fg_reader *reader, const struct fg_node *node, const char *name,
			 const struct fg_template *operand)
{
	struct fg_value value = {.kind = FG_VALUE_TEXT, .text = "", .len = 0};
	double number;

	if (operand->part_count == 1 && operand->parts[0].kind == FG_PART_EXPR &&
	    !fg_expr_constant(operand->parts[0].expr, &value))
		return;
	if (operand->part_count == 1 && operand->parts[0].kind != FG_PART_EXPR &&
	    operand->parts[0].kind != FG_PART_TEXT)
		return;
	if (!node->broken && !fg_value_number(&value, &number))
		fg_reader_fault(reader, node, "%s wants a number", name);
}

static bool read_exists(struct fg_reader *reader, const struct fg_node *node, bool *ret)
{
	bool is_true = node->kind == FG_NODE_SCALAR && strcmp(node->text, "true") == 0;

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, "exists"))
		return false;
	if (!is_true && strcmp(node->text, "false") != 0) {
		fg_reader_fault(reader, node, "exists wants true or false, not \"%.60s\"",
				node->text);
		return false;
	}
	*ret = is_true;
	return true;
}

static bool read_operand(struct fg_reader *reader, const struct fg_node *node, const char *name,
			 struct fg_condition *condition)
{
	size_t before = fg_diag_count(reader->diagnostics);

	switch (condition->test) {
	case FG_TEST_EXISTS:
		return read_exists(reader, node, &condition->expected_exists);
	case FG_TEST_MATCHES:
		condition->pattern = fg_reader_regex(reader, node, name);
		return condition->pattern != NULL;
	case FG_TEST_CONTAINS:
		if (fg_reader_expect(reader, node, FG_NODE_SCALAR, name))
			fg_template_read(reader, node, &condition->operand);
		break;
	default:
		fg_template_read_value(reader, node, &condition->operand);
		if (wants_number(condition->test))
			check_number(reader, node, name, &condition->operand);
	}
	return fg_diag_count(reader->diagnostics) == before;
}

/* -- conditions ----------------------------------------------------------------------------- */

static bool set_subject(struct fg_reader *reader, const struct subject *subject,
			struct fg_condition *condition)
{
	struct fg_err err = {0};

	condition->from = subject->from;
	switch (subject->from) {
	case FG_FROM_HEADER:
	case FG_FROM_COOKIE:
		if (!subject->node->text[0])
			fg_reader_fault(reader, subject->node, "%s is empty", subject->text);
		return subject->node->text[0] &&
		       !fg_reader_failed(reader,
					 fg_str_dup(subject->node->text, &condition->key, &err),
					 &err);
	case FG_FROM_JSON:
		condition->path = fg_reader_jsonpath(reader, subject->node, subject->text);
		return condition->path != NULL;
	case FG_FROM_REGEX:
		condition->regex = fg_reader_regex(reader, subject->node, subject->text);
		return condition->regex &&
		       fg_reader_group(reader, subject->group, condition->regex, &condition->group);
	default:
		return true;
	}
}

/* "json $.price exists", as a person would say it, secrets masked. */
static void set_text(struct fg_reader *reader, const struct subject *subject, const char *words,
		     const struct fg_node *operand, struct fg_condition *condition)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	struct fg_err err = {0};
	bool is_missing = condition->test == FG_TEST_EXISTS && !condition->expected_exists;

	fg_buf_init(&text, FG_SCENARIO_FILE_MAX);
	fg_buf_add_str(&text, subject->text);
	if (subject->node)
		fg_buf_addf(&text, " %s", subject->node->text);
	if (words[0])
		fg_buf_addf(&text, " %s", is_missing ? "is missing" : words);
	if (operand && condition->test != FG_TEST_EXISTS)
		fg_buf_addf(&text, " %s", operand->kind == FG_NODE_SCALAR ? operand->text : "(…)");
	if (fg_reader_failed(reader, fg_buf_check(&text, &err), &err))
		return;
	condition->text = fg_secrets_mask(&reader->file->secrets, text.data, &err);
	if (!condition->text)
		(void)fg_reader_failed(reader, -(int)err.code, &err);
}

static void push(struct fg_reader *reader, const struct fg_node *node, struct sink *sink,
		 struct fg_condition *condition)
{
	struct fg_err err = {0};

	sink->count++;
	if (sink->check && sink->count > 1) {
		fg_reader_fault(reader, node, "a check has one test; write a check for each");
	} else if (sink->check) {
		sink->check->condition = *condition;
		return;
	} else if (sink->http &&
		   !fg_reader_failed(reader,
				     FG_VEC_ROOM(sink->http, expects, expect_count, expect_capacity,
						 CONDITIONS_MAX, &err),
				     &err)) {
		sink->http->expects[sink->http->expect_count++] = *condition;
		return;
	}
	fg_condition_done(condition);
}

/* One condition; `operand` NULL: exists. */
static void add_condition(struct fg_reader *reader, const struct subject *subject, size_t test,
			  const struct fg_node *operand, const struct fg_node *at,
			  struct sink *sink)
{
	struct fg_condition condition = {.test = tests[test].test, .expected_exists = true};

	if (!set_subject(reader, subject, &condition) ||
	    (operand && !read_operand(reader, operand, tests[test].name, &condition))) {
		/* Said already; the subject was there. */
		fg_condition_done(&condition);
		sink->count++;
		return;
	}
	set_text(reader, subject, tests[test].words, operand, &condition);
	push(reader, at, sink, &condition);
}

/* Every test that stands in a map; false: none does. */
static bool add_tests(struct fg_reader *reader, const struct subject *subject,
		      const struct fg_node *map, struct sink *sink)
{
	bool found = false;

	for (size_t i = 0; i < FG_ARRAY_LEN(tests); i++) {
		struct fg_node *key = NULL;
		const struct fg_node *operand = fg_node_get(map, tests[i].name, &key);

		if (!operand)
			continue;
		found = true;
		add_condition(reader, subject, i, operand, key, sink);
	}
	return found;
}

/* "$.price: 5", "Content-Type: { matches: json }". */
static void add_entry(struct fg_reader *reader, const struct subject *subject,
		      const struct fg_node *value, struct sink *sink)
{
	enum { EQUALS = 1 };

	if (value->kind != FG_NODE_MAP) {
		add_condition(reader, subject, EQUALS, value, value, sink);
		return;
	}
	fg_reader_object(reader, value, &fg_schema_test, NULL);
	if (!add_tests(reader, subject, value, sink) && value->count == 0)
		fg_reader_fault(reader, value, "%s wants a test, such as { contains: text }",
				subject->text);
}

static void add_simple(struct fg_reader *reader, const struct subject *subject,
		       const struct fg_node *value, struct sink *sink)
{
	struct fg_condition condition = {.from = subject->from};

	if (!fg_reader_expect(reader, value, FG_NODE_SCALAR, subject->text))
		return;
	FG_AUTO_FREE char *text = fg_template_text(reader, value, FG_TEXT_CONSTANT, NULL);

	sink->count++;
	if (!text ||
	    !(subject->from == FG_FROM_STATUS ? read_status(reader, value, text, &condition)
					      : read_limit(reader, value, text, &condition)))
		return;
	sink->count--;
	set_text(reader, subject, subject->from == FG_FROM_STATUS ? "is" : "", value, &condition);
	push(reader, value, sink, &condition);
}

static bool is_simple(enum fg_from from)
{
	return from == FG_FROM_STATUS || from == FG_FROM_DURATION || from == FG_FROM_SIZE;
}

static bool is_true(const struct fg_node *node)
{
	return node->kind == FG_NODE_SCALAR && node->plain && strcmp(node->text, "true") == 0;
}

/* name → value or tests */
static void add_map(struct fg_reader *reader, struct subject *subject, const struct fg_node *map,
		    struct sink *sink)
{
	if (map->count == 0)
		fg_reader_fault(reader, map, "%s is empty; it wants a name with a test",
				subject->text);
	for (size_t i = 0; i + 1 < map->count; i += 2) {
		subject->node = map->items[i];
		add_entry(reader, subject, map->items[i + 1], sink);
	}
}

/* `siblings`: the check around it, or NULL. */
static void add_subject(struct fg_reader *reader, struct subject *subject,
			const struct fg_node *value, const struct fg_node *siblings,
			struct sink *sink)
{
	bool is_body = subject->from == FG_FROM_BODY;

	if (is_simple(subject->from)) {
		add_simple(reader, subject, value, sink);
	} else if (is_body && !is_true(value)) {
		add_entry(reader, subject, value, sink);
	} else if (value->kind == FG_NODE_MAP && subject->from != FG_FROM_REGEX) {
		add_map(reader, subject, value, sink);
	} else if (fg_reader_expect(reader, value, FG_NODE_SCALAR, subject->text)) {
		subject->node = is_body ? NULL : value;
		subject->group = fg_node_get(siblings, "group", NULL);
		if (!siblings || !add_tests(reader, subject, siblings, sink))
			add_condition(reader, subject, 0, NULL, value, sink);
	}
}

/* -- checks --------------------------------------------------------------------------------- */

static enum fg_from from_of(const char *name)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(subjects); i++)
		if (strcmp(subjects[i].name, name) == 0)
			return subjects[i].from;
	return FG_FROM_BODY;
}

static void check_siblings(struct fg_reader *reader, const struct fg_node *item, const char *found)
{
	const struct fg_node *value = fg_node_get(item, found, NULL);
	bool takes_tests = value->kind == FG_NODE_SCALAR && !is_simple(from_of(found));
	struct fg_node *group = NULL;

	for (size_t i = 0; i < FG_ARRAY_LEN(tests) && !takes_tests; i++) {
		struct fg_node *key = NULL;

		if (fg_node_get(item, tests[i].name, &key))
			fg_reader_fault(reader, key, "%s does not go with %s as it is written here",
					tests[i].name, found);
	}
	(void)fg_node_get(item, "group", &group);
	if (group && strcmp(found, "regex") != 0)
		fg_reader_fault(reader, group, "group goes with regex");
}

/* The subject's name; "body" for a test without one; NULL after a fault. */
static const char *find_subject(struct fg_reader *reader, const struct fg_node *item)
{
	const char *names[FG_ARRAY_LEN(subjects)];
	const char *found = NULL;

	for (size_t i = 0; i < FG_ARRAY_LEN(subjects); i++)
		names[i] = subjects[i].name;
	if (!fg_reader_one_of(reader, item, names, FG_ARRAY_LEN(names), &found))
		return NULL;
	if (found)
		check_siblings(reader, item, found);
	else if (fg_node_get(item, "contains", NULL) || fg_node_get(item, "matches", NULL))
		found = "body";
	else
		fg_reader_fault(reader, item, "a check needs a condition, such as status: 200");
	return found;
}

static void read_check(struct fg_reader *reader, const struct fg_node *item,
		       const struct fg_key *key, struct fg_check_spec *check, bool *ret_ok)
{
	const struct fg_node *name = fg_node_get(item, "name", NULL);
	size_t before = fg_diag_count(reader->diagnostics);
	struct sink sink = {.check = check};
	struct fg_err err = {0};

	fg_reader_object(reader, item, key->table, NULL);
	if (fg_diag_count(reader->diagnostics) != before)
		return;
	const char *found = find_subject(reader, item);

	if (!found)
		return;
	struct subject subject = {.from = from_of(found), .text = found};
	const struct fg_node *value = fg_node_get(item, found, NULL);

	if (value)
		add_subject(reader, &subject, value, item, &sink);
	else
		(void)add_tests(reader, &subject, item, &sink);
	if (fg_diag_count(reader->diagnostics) != before || !check->condition.text)
		return;
	if (name)
		check->name = fg_reader_name(reader, name);
	else
		(void)fg_reader_failed(reader,
				       fg_str_dup(check->condition.text, &check->name, &err), &err);
	if (check->name && !check->name[0])
		fg_reader_fault(reader, name, "name is empty");
	*ret_ok = check->name != NULL;
}

void fg_read_checks(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_step_http *http = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	for (size_t i = 0; i < node->count && !reader->fatal; i++) {
		struct fg_check_spec check = {0};
		struct fg_err err = {0};
		bool ok = false;

		read_check(reader, node->items[i], key, &check, &ok);
		if (ok && http &&
		    !fg_reader_failed(reader,
				      FG_VEC_ROOM(http, checks, check_count, check_capacity,
						  CONDITIONS_MAX, &err),
				      &err)) {
			http->checks[http->check_count++] = check;
			continue;
		}
		free(check.name);
		fg_condition_done(&check.condition);
	}
}

/* -- expect --------------------------------------------------------------------------------- */

void fg_read_expect(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_step_http *http = owner;
	struct sink sink = {.http = http};

	fg_reader_object(reader, node, key->table, NULL);
	for (size_t i = 0; i < FG_ARRAY_LEN(subjects); i++) {
		struct subject subject = {.from = subjects[i].from, .text = subjects[i].name};
		const struct fg_node *value = fg_node_get(node, subjects[i].name, NULL);

		if (value)
			add_subject(reader, &subject, value, NULL, &sink);
	}
	if (node->kind == FG_NODE_MAP && node->count == 0)
		fg_reader_fault(reader, node, "expect is empty; leave it out");
}
