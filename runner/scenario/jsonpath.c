/* SPDX-License-Identifier: Apache-2.0 */
/* Searching: a path's steps against JSON text, depth first. */
#include "runner/scenario/jsonpath_internal.h"

#include <string.h>

#include "runner/scenario/jscan.h"

/* Bytes that one search may pass over: `..` looks at a text once per level, and `$..*..*` at every
 * pair. */
enum { BUDGET_BYTES = 16 << 20, BUDGET_TIMES = 32 };

struct hit {
	struct hit *next;
	const char *text;
	size_t len;
};

struct search {
	const struct fg_jsonpath *path;
	const char *text;
	size_t len, root;
	struct fg_arena *arena;
	struct fg_err *err;
	bool first_only;
	struct fg_value *first; /* of first_only */
	struct hit *head, *last;
	size_t hits_len;
	uint64_t budget;
	unsigned depth;
};

static int run(struct search *s, unsigned step, size_t at);

static int no_room(const struct search *s, size_t len)
{
	return fg_err_set(s->err, FG_E_LIMIT,
			  "what the JSONPath finds does not fit into %zu bytes (%zu more are "
			  "needed)",
			  s->arena->max, len);
}

/* -- results -------------------------------------------------------------------------------- */

/* Elements, members or characters; 1: *ret is the number, 0: a value without a length. */
static int measure(const struct search *s, size_t at, struct fg_value *ret)
{
	struct fg_value value;
	size_t count = 0;
	int rc;

	if (at < s->len && (s->text[at] == '{' || s->text[at] == '[')) {
		rc = fg_jscan_count(s->text, s->len, at, &count, s->err);
	} else {
		rc = fg_jscan_take(s->text, s->len, at, s->arena, &value, NULL, s->err);
		if (rc == 0 && value.kind != FG_VALUE_TEXT)
			return 0;
		for (size_t i = 0; rc == 0 && i < value.len; i++)
			count += ((unsigned char)value.text[i] & 0xc0) != 0x80;
	}
	if (rc)
		return rc;
	*ret = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = (double)count};
	return 1;
}

static int add_hit(struct search *s, const char *text, size_t len)
{
	struct hit *hit = fg_arena_alloc(s->arena, sizeof(*hit));

	if (!hit)
		return no_room(s, sizeof(*hit));
	*hit = (struct hit){.text = text, .len = len};
	if (s->last)
		s->last->next = hit;
	else
		s->head = hit;
	s->last = hit;
	s->hits_len += len + 1;
	return 0;
}

/* 1: enough found; 0: go on */
static int emit(struct search *s, size_t at)
{
	char buffer[FG_VALUE_NUMBER_MAX];
	struct fg_value value;
	size_t end;
	int rc;

	if (s->path->length) {
		rc = measure(s, at, &value);
		if (rc <= 0)
			return rc;
		if (s->first_only) {
			*s->first = value;
			return 1;
		}
		size_t len = fg_value_number_text(value.number, buffer);
		const char *copy = fg_arena_copy(s->arena, buffer, len);

		return copy ? add_hit(s, copy, len) : no_room(s, len);
	}
	if (s->first_only) {
		rc = fg_jscan_take(s->text, s->len, at, s->arena, s->first, NULL, s->err);
		return rc ? rc : 1;
	}
	rc = fg_jscan_value(s->text, s->len, at, &end, s->err);
	return rc ? rc : add_hit(s, s->text + at, end - at);
}

/* -- walking -------------------------------------------------------------------------------- */

static int next_child(struct search *s, struct fg_jscan_walk *walk)
{
	size_t before = walk->at;
	int rc = fg_jscan_next(walk, s->err);
	size_t passed = walk->at - before;

	if (rc >= 0 && passed > s->budget)
		return fg_err_set(s->err, FG_E_LIMIT,
				  "the JSONPath takes too many steps on this text");
	if (rc >= 0)
		s->budget -= passed;
	return rc;
}

static int count_children(struct search *s, size_t at, size_t *ret)
{
	struct fg_jscan_walk walk;
	int rc = fg_jscan_open(&walk, s->text, s->len, at, s->err);

	*ret = 0;
	while (rc > 0 && (rc = next_child(s, &walk)) > 0)
		++*ret;
	return rc;
}

/* -- conditions ----------------------------------------------------------------------------- */

/* 1: the operand's value, 0: it has none */
static int get_operand(struct search *s, const struct fg_jsonpath_operand *operand, size_t at,
		       struct fg_value *ret)
{
	if (!operand->is_path) {
		*ret = operand->constant;
		return 1;
	}
	if (operand->from_root)
		at = s->root;
	for (unsigned i = 0; i < operand->count; i++) {
		const struct fg_jsonpath_step *step = &s->path->operand_steps[operand->first + i];
		int rc = step->kind == FG_PATH_NAME
				 ? fg_jscan_member(s->text, s->len, at, step->name, step->name_len,
						   &at, s->err)
				 : fg_jscan_element(s->text, s->len, at, step->from, &at, s->err);
		if (rc <= 0)
			return rc;
	}
	size_t end;
	int rc = fg_jscan_take(s->text, s->len, at, s->arena, ret, &end, s->err);

	if (rc)
		return rc;
	if (end - at > s->budget)
		return fg_err_set(s->err, FG_E_LIMIT,
				  "the JSONPath takes too many steps on this text");
	s->budget -= end - at;
	return 1;
}

/* -1, 0, 1, or 2: they have no order (RFC 9535 §2.3.5.2.2) */
static int compare(const struct fg_value *a, const struct fg_value *b)
{
	if (a->kind != b->kind)
		return 2;
	if (a->kind == FG_VALUE_NUMBER)
		return (a->number > b->number) - (a->number < b->number);
	if (a->kind != FG_VALUE_TEXT)
		return 2;
	size_t common = FG_MIN(a->len, b->len);
	int order = common ? memcmp(a->text, b->text, common) : 0;

	if (order == 0)
		return (a->len > b->len) - (a->len < b->len);
	return order < 0 ? -1 : 1;
}

static bool ordered(enum fg_jsonpath_test test, const struct fg_value *a, const struct fg_value *b)
{
	int order = compare(a, b);

	if (order == 2)
		return false;
	switch (test) {
	case FG_WHERE_LESS:
		return order < 0;
	case FG_WHERE_LESS_EQUAL:
		return order <= 0;
	case FG_WHERE_GREATER:
		return order > 0;
	default:
		return order >= 0;
	}
}

/* What is missing equals only what is missing. */
static int test_values(struct search *s, const struct fg_jsonpath_condition *condition, size_t at)
{
	struct fg_value a, b;
	int has_a = get_operand(s, &condition->a, at, &a);

	if (has_a < 0 || condition->test == FG_WHERE_EXISTS)
		return has_a;
	int has_b = get_operand(s, &condition->b, at, &b);

	if (has_b < 0)
		return has_b;
	if (condition->test == FG_WHERE_EQUAL || condition->test == FG_WHERE_NOT_EQUAL) {
		bool equal = has_a && has_b ? a.kind == b.kind && fg_value_equal(&a, &b)
					    : has_a == has_b;

		return equal == (condition->test == FG_WHERE_EQUAL);
	}
	return has_a && has_b && ordered(condition->test, &a, &b);
}

/* 1: the value at `at` meets it, 0: not */
static int meets(struct search *s, unsigned index, size_t at)
{
	const struct fg_jsonpath_condition *condition = &s->path->conditions[index];
	int rc;

	switch (condition->test) {
	case FG_WHERE_OR:
	case FG_WHERE_AND:
		rc = meets(s, condition->left, at);
		if (rc < 0 || (rc > 0) == (condition->test == FG_WHERE_OR))
			return rc;
		return meets(s, condition->right, at);
	case FG_WHERE_NOT:
		rc = meets(s, condition->left, at);
		return rc < 0 ? rc : !rc;
	default:
		return test_values(s, condition, at);
	}
}

/* -- steps ---------------------------------------------------------------------------------- */

/* The bounds of a slice in a list of `count` elements. */
static void bounds(const struct fg_jsonpath_step *step, size_t count, size_t *ret_from,
		   size_t *ret_to)
{
	int64_t n = (int64_t)count;
	int64_t from = step->from < 0 ? FG_MAX(step->from + n, 0) : step->from;
	int64_t to = n;

	if (step->has_to)
		to = step->to < 0 ? FG_MAX(step->to + n, 0) : FG_MIN(step->to, n);
	*ret_from = (size_t)from;
	*ret_to = (size_t)to;
}

/* What a step takes of one container. */
struct selection {
	const struct fg_jsonpath_step *step;
	size_t from, to; /* of an index or a slice */
};

/* 1: the walk's current child is one, 0: not */
static int selects(struct search *s, const struct selection *what, const struct fg_jscan_walk *walk,
		   size_t index)
{
	const struct fg_jsonpath_step *step = what->step;

	switch (step->kind) {
	case FG_PATH_NAME:
		return walk->object &&
		       fg_jscan_is(walk->key, walk->key_len, step->name, step->name_len);
	case FG_PATH_INDEX:
	case FG_PATH_SLICE:
		return index >= what->from && index < what->to &&
		       (index - what->from) % (size_t)step->stride == 0;
	case FG_PATH_ALL:
		return 1;
	case FG_PATH_WHERE:
		break;
	}
	return meets(s, step->condition, walk->value);
}

/* 1: the step may find something in the container at `at`, 0: not. */
static int select_range(struct search *s, const struct fg_jsonpath_step *step, size_t at,
			struct selection *ret)
{
	bool list = s->text[at] == '[';
	size_t count;

	*ret = (struct selection){.step = step};
	if (step->kind == FG_PATH_NAME)
		return !list;
	if (step->kind != FG_PATH_INDEX && step->kind != FG_PATH_SLICE)
		return 1;
	if (!list)
		return 0;
	if (step->kind == FG_PATH_INDEX && step->from >= 0) {
		ret->from = (size_t)step->from;
		ret->to = ret->from + 1;
		return 1;
	}
	int rc = count_children(s, at, &count);

	if (rc < 0)
		return rc;
	if (step->kind == FG_PATH_SLICE) {
		bounds(step, count, &ret->from, &ret->to);
		return 1;
	}
	if ((size_t)-step->from > count)
		return 0;
	ret->from = count - (size_t)-step->from;
	ret->to = ret->from + 1;
	return 1;
}

/* The children that the step selects, and what the rest of the path finds in them. */
static int apply(struct search *s, unsigned index, size_t at)
{
	const struct fg_jsonpath_step *step = &s->path->steps[index];
	bool one = step->kind == FG_PATH_NAME || step->kind == FG_PATH_INDEX;
	struct fg_jscan_walk walk;
	struct selection what;
	int rc = fg_jscan_open(&walk, s->text, s->len, at, s->err);

	if (rc > 0)
		rc = select_range(s, step, at, &what);
	if (rc <= 0)
		return rc;
	for (size_t i = 0; (rc = next_child(s, &walk)) > 0; i++) {
		rc = selects(s, &what, &walk, i);
		if (rc > 0) {
			rc = run(s, index + 1, walk.value);
			if (rc != 0 || one)
				return rc;
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* The value itself first, then what is below it. */
static int descend(struct search *s, unsigned index, size_t at)
{
	struct fg_jscan_walk walk;
	int rc = apply(s, index, at);

	if (rc != 0)
		return rc;
	rc = fg_jscan_open(&walk, s->text, s->len, at, s->err);
	if (rc <= 0)
		return rc;
	if (s->depth == FG_JSONPATH_DEPTH_MAX)
		return fg_err_set(s->err, FG_E_LIMIT, "JSON is nested more than %d deep",
				  FG_JSONPATH_DEPTH_MAX);
	s->depth++;
	while ((rc = next_child(s, &walk)) > 0) {
		rc = descend(s, index, walk.value);
		if (rc != 0)
			break;
	}
	s->depth--;
	return rc;
}

static int run(struct search *s, unsigned step, size_t at)
{
	if (step == s->path->count)
		return emit(s, at);
	return s->path->steps[step].descend ? descend(s, step, at) : apply(s, step, at);
}

static int search(struct search *s)
{
	s->root = fg_jscan_space(s->text, s->len, 0);
	s->budget = FG_MAX((uint64_t)BUDGET_BYTES, (uint64_t)s->len * BUDGET_TIMES);
	int rc = run(s, 0, s->root);

	/* a scalar is looked at by no step, but must be one */
	if (rc == 0 && s->root < s->len && s->text[s->root] != '{' && s->text[s->root] != '[')
		return fg_jscan_check(s->text, s->len, s->err);
	return rc;
}

int fg_jsonpath_find(const struct fg_jsonpath *path, const char *json, size_t len,
		     struct fg_arena *arena, struct fg_value *ret, struct fg_err *err)
{
	struct fg_value found;
	struct search s = {.path = path,
			   .text = json,
			   .len = len,
			   .arena = arena,
			   .err = err,
			   .first_only = true,
			   .first = &found};
	int rc = search(&s);

	if (rc > 0)
		*ret = found;
	return rc;
}

int fg_jsonpath_all(const struct fg_jsonpath *path, const char *json, size_t len,
		    struct fg_arena *arena, struct fg_value *ret, struct fg_err *err)
{
	struct search s = {.path = path, .text = json, .len = len, .arena = arena, .err = err};
	int rc = search(&s);

	if (rc < 0)
		return rc;
	char *out = fg_arena_alloc(arena, s.hits_len + 2);
	size_t at = 0;

	if (!out)
		return no_room(&s, s.hits_len + 2);
	out[at++] = '[';
	for (const struct hit *hit = s.head; hit; hit = hit->next) {
		if (hit != s.head)
			out[at++] = ',';
		memcpy(out + at, hit->text, hit->len);
		at += hit->len;
	}
	out[at++] = ']';
	*ret = (struct fg_value){.kind = FG_VALUE_JSON, .text = out, .len = at};
	return s.head ? 1 : 0;
}

int fg_json_text_next(const char *json, size_t len, size_t *offset, struct fg_arena *arena,
		      struct fg_value *ret, struct fg_err *err)
{
	bool begin = *offset == 0;
	size_t at = fg_jscan_space(json, len, *offset);
	char expected = begin ? '[' : ',';
	size_t end;

	if (!begin && at < len && json[at] == ']')
		return 0;
	if (at >= len || json[at] != expected)
		return fg_err_set(err, FG_E_INVALID, begin ? "not a list" : "not a JSON list");
	at = fg_jscan_space(json, len, at + 1);
	if (begin && at < len && json[at] == ']')
		return 0;
	int rc = fg_jscan_take(json, len, at, arena, ret, &end, err);

	if (rc)
		return rc;
	*offset = end;
	return 1;
}
