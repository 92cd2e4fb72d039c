/* SPDX-License-Identifier: Apache-2.0 */
/* A path's text to its steps. */
#include "runner/scenario/jsonpath_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/utf8.h"
#include "runner/scenario/jscan.h"

struct parser {
	const char *text;
	size_t len, at;
	struct fg_jsonpath *path;
	unsigned depth;
	struct fg_err *err;
};

static int fault_at(const struct parser *p, size_t at, const char *message)
{
	int rc = fg_err_set(p->err, FG_E_INVALID, "not a JSONPath: %s", message);

	if (p->err)
		p->err->column = (unsigned)at + 1;
	return rc;
}

static int fault(const struct parser *p, const char *message)
{
	return fault_at(p, p->at, message);
}

static int too_many(const struct parser *p, const char *what, int max)
{
	int rc = fg_err_set(p->err, FG_E_LIMIT, "the JSONPath has more than %d %s", max, what);

	if (p->err)
		p->err->column = (unsigned)p->at + 1;
	return rc;
}

static char here(const struct parser *p)
{
	return p->at < p->len ? p->text[p->at] : '\0';
}

static bool take(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if (p->len - p->at < len || memcmp(p->text + p->at, word, len) != 0)
		return false;
	p->at += len;
	return true;
}

static void space(struct parser *p)
{
	p->at = fg_jscan_space(p->text, p->len, p->at);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
	       c == '-' || (unsigned char)c >= 0x80;
}

/* -- pieces --------------------------------------------------------------------------------- */

static int parse_plain_name(struct parser *p, struct fg_jsonpath_step *step)
{
	size_t start = p->at;

	while (is_name_char(here(p)))
		p->at++;
	if (p->at == start)
		return fault(p, "a name is missing");
	step->kind = FG_PATH_NAME;
	step->name_len = p->at - start;
	step->name = fg_arena_copy(&p->path->texts, p->text + start, step->name_len);
	return step->name ? 0 : fg_err_nomem(p->err);
}

/* Between quotes of either kind, with JSON's escapes and \'. */
static int parse_quoted(struct parser *p, const char **ret, size_t *ret_len)
{
	size_t start = p->at;
	char quote = p->text[p->at++];
	char *out = fg_arena_alloc(&p->path->texts, p->len - start + 2);
	size_t len = 0, end;

	if (!out)
		return fg_err_nomem(p->err);
	out[len++] = '"';
	for (; p->at < p->len && p->text[p->at] != quote; p->at++) {
		char c = p->text[p->at];

		if (c == '\\' && p->at + 1 < p->len) {
			if (p->text[++p->at] != '\'')
				out[len++] = c;
			out[len++] = p->text[p->at];
		} else if (c == '"') {
			return fault(p, "a \" inside '…' is written \\\"");
		} else {
			out[len++] = c;
		}
	}
	if (p->at == p->len)
		return fault_at(p, start, "a quote is not closed");
	p->at++;
	out[len++] = '"';
	if (fg_jscan_value(out, len, 0, &end, NULL) || end != len)
		return fault_at(p, start, "a text with a wrong escape");
	*ret_len = fg_jscan_unescape(out + 1, len - 2, out);
	*ret = out;
	return 0;
}

/* A whole number with an optional sign; *ret_given is false if none is there. */
static int parse_integer(struct parser *p, int64_t *ret, bool *ret_given)
{
	size_t start = p->at;

	if (here(p) == '-')
		p->at++;
	while (is_digit(here(p)))
		p->at++;
	*ret_given = p->at > start;
	if (!*ret_given)
		return 0;
	if (fg_num_i64(p->text + start, p->at - start, ret, NULL) || *ret > INT32_MAX ||
	    *ret < -INT32_MAX)
		return fault_at(p, start, "a whole number of at most 2147483647 should be here");
	return 0;
}

/* [1] [-1] [1:3] [::2] */
static int parse_index(struct parser *p, struct fg_jsonpath_step *step)
{
	size_t start = p->at;
	bool given, stride_given = false;
	int rc = parse_integer(p, &step->from, &given);

	step->stride = 1;
	space(p);
	if (rc == 0 && !take(p, ":")) {
		step->kind = FG_PATH_INDEX;
		return given ? 0
			     : fault(p, "[ ] needs a number, a quoted name, *, a slice or ?(…)");
	}
	step->kind = FG_PATH_SLICE;
	space(p);
	if (rc == 0)
		rc = parse_integer(p, &step->to, &step->has_to);
	space(p);
	if (rc == 0 && take(p, ":")) {
		space(p);
		rc = parse_integer(p, &step->stride, &stride_given);
		if (rc == 0 && !stride_given)
			step->stride = 1;
	}
	if (rc == 0 && step->stride <= 0)
		return fault_at(p, start, "the step of a slice must be positive");
	return rc;
}

static int add_step(struct parser *p, struct fg_jsonpath_step *steps, unsigned *count,
		    const struct fg_jsonpath_step *step)
{
	if (*count == FG_JSONPATH_STEPS_MAX)
		return too_many(p, "steps", FG_JSONPATH_STEPS_MAX);
	steps[(*count)++] = *step;
	return 0;
}

/* -- conditions ----------------------------------------------------------------------------- */

static int parse_or(struct parser *p, unsigned *ret);
static int parse_bracket(struct parser *p, bool plain, struct fg_jsonpath_step *step);

static int add_condition(struct parser *p, const struct fg_jsonpath_condition *condition,
			 unsigned *ret)
{
	struct fg_jsonpath *path = p->path;

	if (path->condition_count == FG_JSONPATH_CONDITIONS_MAX)
		return too_many(p, "conditions", FG_JSONPATH_CONDITIONS_MAX);
	path->conditions[path->condition_count] = *condition;
	*ret = path->condition_count++;
	return 0;
}

/* Behind @ or $: .name, [0], ['name'] */
static int parse_operand_path(struct parser *p, struct fg_jsonpath_operand *ret)
{
	struct fg_jsonpath *path = p->path;

	ret->is_path = true;
	ret->first = path->operand_step_count;
	for (;;) {
		struct fg_jsonpath_step step = {0};
		int rc;

		if (take(p, "."))
			rc = parse_plain_name(p, &step);
		else if (take(p, "["))
			rc = parse_bracket(p, true, &step);
		else
			break;
		if (rc == 0)
			rc = add_step(p, path->operand_steps, &path->operand_step_count, &step);
		if (rc)
			return rc;
	}
	ret->count = path->operand_step_count - ret->first;
	return 0;
}

static int parse_operand(struct parser *p, struct fg_jsonpath_operand *ret)
{
	struct fg_value *constant = &ret->constant;
	size_t end;

	*ret = (struct fg_jsonpath_operand){0};
	space(p);
	if (here(p) == '@' || here(p) == '$') {
		ret->from_root = p->text[p->at++] == '$';
		return parse_operand_path(p, ret);
	}
	if (here(p) == '\'' || here(p) == '"') {
		constant->kind = FG_VALUE_TEXT;
		return parse_quoted(p, &constant->text, &constant->len);
	}
	if (here(p) == '[' || here(p) == '{' ||
	    fg_jscan_take(p->text, p->len, p->at, &p->path->texts, constant, &end, NULL))
		return fault(p, "expected @.name, a quoted text, a number, true, false or null");
	/* long integers would borrow the caller's text */
	constant->text = NULL;
	p->at = end;
	return 0;
}

static int parse_comparison(struct parser *p, unsigned *ret)
{
	static const struct {
		const char *symbol;
		enum fg_jsonpath_test test;
	} tests[] = {
		{"==", FG_WHERE_EQUAL}, {"!=", FG_WHERE_NOT_EQUAL},     {"<=", FG_WHERE_LESS_EQUAL},
		{"<", FG_WHERE_LESS},   {">=", FG_WHERE_GREATER_EQUAL}, {">", FG_WHERE_GREATER},
	};
	struct fg_jsonpath_condition condition = {.test = FG_WHERE_EXISTS};
	int rc = parse_operand(p, &condition.a);

	if (rc)
		return rc;
	space(p);
	for (size_t i = 0; i < FG_ARRAY_LEN(tests); i++) {
		if (take(p, tests[i].symbol)) {
			condition.test = tests[i].test;
			rc = parse_operand(p, &condition.b);
			break;
		}
	}
	if (rc == 0 && condition.test == FG_WHERE_EXISTS && !condition.a.is_path)
		return fault(p, "a comparison is missing");
	return rc ? rc : add_condition(p, &condition, ret);
}

static int parse_unary(struct parser *p, unsigned *ret)
{
	struct fg_jsonpath_condition condition = {.test = FG_WHERE_NOT};
	int rc;

	if (p->depth == FG_JSONPATH_NESTING_MAX)
		return too_many(p, "brackets in each other", FG_JSONPATH_NESTING_MAX);
	p->depth++;
	space(p);
	if (here(p) == '!') {
		p->at++;
		rc = parse_unary(p, &condition.left);
		if (rc == 0)
			rc = add_condition(p, &condition, ret);
	} else if (take(p, "(")) {
		rc = parse_or(p, ret);
		space(p);
		if (rc == 0 && !take(p, ")"))
			rc = fault(p, "a ) is missing");
	} else {
		rc = parse_comparison(p, ret);
	}
	p->depth--;
	return rc;
}

static int parse_chain(struct parser *p, const char *symbol, enum fg_jsonpath_test test,
		       int (*parse)(struct parser *p, unsigned *ret), unsigned *ret)
{
	int rc = parse(p, ret);

	space(p);
	while (rc == 0 && take(p, symbol)) {
		struct fg_jsonpath_condition condition = {.test = test, .left = *ret};

		rc = parse(p, &condition.right);
		if (rc == 0)
			rc = add_condition(p, &condition, ret);
		space(p);
	}
	return rc;
}

static int parse_and(struct parser *p, unsigned *ret)
{
	return parse_chain(p, "&&", FG_WHERE_AND, parse_unary, ret);
}

static int parse_or(struct parser *p, unsigned *ret)
{
	return parse_chain(p, "||", FG_WHERE_OR, parse_and, ret);
}

/* -- segments ------------------------------------------------------------------------------- */

/* Behind [ ; `plain`: only what finds one value. */
static int parse_bracket(struct parser *p, bool plain, struct fg_jsonpath_step *step)
{
	size_t start = p->at;
	int rc = 0;

	space(p);
	if (here(p) == '\'' || here(p) == '"') {
		step->kind = FG_PATH_NAME;
		rc = parse_quoted(p, &step->name, &step->name_len);
	} else if (take(p, "*")) {
		step->kind = FG_PATH_ALL;
	} else if (!plain && take(p, "?")) {
		step->kind = FG_PATH_WHERE;
		rc = parse_or(p, &step->condition);
	} else {
		rc = parse_index(p, step);
	}
	if (rc)
		return rc;
	if (plain && step->kind != FG_PATH_NAME && step->kind != FG_PATH_INDEX)
		return fault_at(p, start, "inside ?(…) only a name or a number may be in [ ]");
	space(p);
	if (here(p) == ',')
		return fault(p, "several names or numbers in one [ ] are not supported");
	return take(p, "]") ? 0 : fault(p, "a ] is missing");
}

static int parse_segment(struct parser *p, struct fg_jsonpath_step *step)
{
	step->descend = take(p, "..");
	if (take(p, "["))
		return parse_bracket(p, false, step);
	if (!step->descend && !take(p, "."))
		return fault(p, "expected .name or [ ]");
	if (take(p, "*")) {
		step->kind = FG_PATH_ALL;
		return 0;
	}
	return parse_plain_name(p, step);
}

static int parse_path(struct parser *p)
{
	struct fg_jsonpath *path = p->path;

	if (!take(p, "$"))
		return fault(p, "it must begin with $, as in $.token");
	while (p->at < p->len) {
		struct fg_jsonpath_step step = {0};

		if (p->len - p->at == strlen(".length()") && take(p, ".length()")) {
			path->length = true;
			return 0;
		}
		int rc = parse_segment(p, &step);

		if (rc == 0)
			rc = add_step(p, path->steps, &path->count, &step);
		if (rc)
			return rc;
	}
	return 0;
}

int fg_jsonpath_compile(const char *text, size_t len, struct fg_jsonpath **ret, struct fg_err *err)
{
	if (len > FG_JSONPATH_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a JSONPath of %zu bytes; the limit is %d", len,
				  FG_JSONPATH_TEXT_MAX);
	if (len > 0 && !fg_utf8_valid(text, len))
		return fg_err_set(err, FG_E_INVALID, "not a JSONPath: it is not UTF-8");
	struct fg_jsonpath *path = calloc(1, sizeof(*path));

	if (!path)
		return fg_err_nomem(err);
	/* each quoted text takes what is left of the path */
	fg_arena_init(&path->texts, (FG_JSONPATH_TEXT_MAX + 64) * (FG_JSONPATH_TEXT_MAX / 2));
	struct parser p = {.text = len ? text : "", .len = len, .path = path, .err = err};
	int rc = parse_path(&p);

	if (rc) {
		fg_jsonpath_free(path);
		return rc;
	}
	*ret = path;
	return 0;
}

void fg_jsonpath_free(struct fg_jsonpath *path)
{
	if (!path)
		return;
	fg_arena_done(&path->texts);
	free(path);
}

bool fg_jsonpath_definite(const struct fg_jsonpath *path)
{
	for (unsigned i = 0; i < path->count; i++)
		if (path->steps[i].descend || path->steps[i].kind > FG_PATH_INDEX)
			return false;
	return true;
}
