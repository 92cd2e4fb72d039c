/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens to nodes: operators by precedence, constant parts evaluated at once. */
#include "runner/scenario/expr_internal.h"

#include <string.h>

#include "gate/base/vec.h"
#include "runner/scenario/jscan.h"
#include "runner/scenario/jsonpath.h"
#include "runner/scenario/regex.h"

struct parser {
	struct fg_lexer lexer;
	const struct fg_expr_names *names;
	struct fg_expr *expr;
	unsigned depth;
	struct fg_err *err;
};

static const struct {
	const char *symbol;
	enum fg_expr_op op;
	unsigned precedence;
} operators[] = {
	{"?", FG_OP_CHOOSE, 1},         {"??", FG_OP_COALESCE, 2},   {"||", FG_OP_OR, 3},
	{"&&", FG_OP_AND, 4},           {"==", FG_OP_EQUAL, 5},      {"!=", FG_OP_NOT_EQUAL, 5},
	{"<", FG_OP_LESS, 6},           {"<=", FG_OP_LESS_EQUAL, 6}, {">", FG_OP_GREATER, 6},
	{">=", FG_OP_GREATER_EQUAL, 6}, {"+", FG_OP_ADD, 7},         {"-", FG_OP_SUBTRACT, 7},
	{"*", FG_OP_MULTIPLY, 8},       {"/", FG_OP_DIVIDE, 8},      {"%", FG_OP_REMAINDER, 8},
};
enum { PRECEDENCE_ANY = 1, PRECEDENCE_PREFIX = 9 };

static int parse(struct parser *p, unsigned precedence, uint32_t *ret);

/* -- nodes ---------------------------------------------------------------------------------- */

static struct fg_expr_node *node_at(const struct parser *p, uint32_t index)
{
	return &p->expr->nodes[index];
}

static int too_much(const struct parser *p, size_t at, const char *verb, int max, const char *unit)
{
	int rc = fg_err_set(p->err, FG_E_LIMIT, "the expression %s more than %d %s", verb, max,
			    unit);

	if (p->err)
		p->err->column = (unsigned)at + 1;
	return rc;
}

static int add_node(struct parser *p, enum fg_expr_op op, size_t at, uint32_t *ret)
{
	struct fg_expr *expr = p->expr;

	if (expr->count == FG_EXPR_NODES_MAX)
		return too_much(p, at, "has", FG_EXPR_NODES_MAX, "parts");
	int rc = FG_VEC_ROOM(expr, nodes, count, capacity, FG_EXPR_NODES_MAX, p->err);

	if (rc)
		return rc;
	expr->nodes[expr->count] = (struct fg_expr_node){
		.op = op, .at = (uint32_t)at, .first = FG_NODE_NONE, .next = FG_NODE_NONE};
	*ret = (uint32_t)expr->count++;
	return 0;
}

static int add_constant(struct parser *p, size_t at, const struct fg_value *value, uint32_t *ret)
{
	int rc = add_node(p, FG_OP_CONSTANT, at, ret);

	if (rc == 0)
		node_at(p, *ret)->value = *value;
	return rc;
}

static bool is_constant(const struct parser *p, uint32_t index)
{
	return index != FG_NODE_NONE && node_at(p, index)->op == FG_OP_CONSTANT;
}

static bool foldable(const struct parser *p, uint32_t index)
{
	const struct fg_expr_node *node = node_at(p, index);

	if (node->op == FG_OP_NAME || (node->op == FG_OP_CALL && !node->call.function->pure))
		return false;
	for (uint32_t child = node->first; child != FG_NODE_NONE; child = node_at(p, child)->next)
		if (!is_constant(p, child))
			return false;
	return true;
}

void fg_expr_node_done(struct fg_expr_node *node)
{
	if (node->op != FG_OP_CALL)
		return;
	if (node->call.function->pattern == FG_PATTERN_REGEX)
		fg_regex_free(node->call.compiled);
	else if (node->call.function->pattern == FG_PATTERN_JSONPATH)
		fg_jsonpath_free(node->call.compiled);
	node->call.compiled = NULL;
}

/* A choice whose condition is known is what it chooses: a switch in vars: costs nothing. */
static uint32_t chosen(const struct parser *p, uint32_t index)
{
	const struct fg_expr_node *node = node_at(p, index);

	if (!is_constant(p, node->first))
		return index;
	const struct fg_value *value = &node_at(p, node->first)->value;
	uint32_t second = node_at(p, node->first)->next;

	switch (node->op) {
	case FG_OP_CHOOSE:
		return fg_value_truth(value) ? second : node_at(p, second)->next;
	case FG_OP_COALESCE:
		return value->kind == FG_VALUE_NULL ? second : node->first;
	case FG_OP_OR:
		return fg_value_truth(value) ? node->first : second;
	case FG_OP_AND:
		return fg_value_truth(value) ? second : node->first;
	default:
		return index;
	}
}

/* A complete node: evaluated now if that can be done once for all. */
static int finish(struct parser *p, uint32_t *index)
{
	*index = chosen(p, *index);
	struct fg_expr_node *node = node_at(p, *index);

	node->next = FG_NODE_NONE;
	struct fg_expr_env env = {.arena = &p->expr->constants};
	struct fg_value value = {0};

	if (node->op == FG_OP_CONSTANT || !foldable(p, *index))
		return 0;
	int rc = fg_expr_eval_node(p->expr, *index, &env, &value, p->err);

	if (rc) {
		if (p->err)
			p->err->column = node->at + 1;
		return rc;
	}
	fg_expr_node_done(node);
	node->op = FG_OP_CONSTANT;
	node->first = FG_NODE_NONE;
	node->value = value;
	return 0;
}

static int expect(struct parser *p, const char *symbol, size_t opened)
{
	const struct fg_token *token = &p->lexer.token;

	if (fg_lexer_is(&p->lexer, symbol))
		return fg_lexer_next(&p->lexer);
	if (token->kind == FG_TOKEN_END)
		return fg_lexer_fault(&p->lexer, opened, "%.1s has no %s", p->lexer.text + opened,
				      symbol);
	return fg_lexer_fault(&p->lexer, token->at, "expected %s, got \"%.*s\"", symbol,
			      (int)FG_MIN(token->len, (size_t)40), p->lexer.text + token->at);
}

/* value[index] */
static int add_index(struct parser *p, size_t at, uint32_t value, uint32_t key, uint32_t *ret)
{
	int rc = add_node(p, FG_OP_INDEX, at, ret);

	if (rc)
		return rc;
	node_at(p, value)->next = key;
	node_at(p, *ret)->first = value;
	return finish(p, ret);
}

static int add_field(struct parser *p, uint32_t *value, size_t at, size_t len)
{
	struct fg_value key = {.kind = FG_VALUE_TEXT, .len = len};
	uint32_t index;

	key.text = fg_arena_copy(&p->expr->constants, p->lexer.text + at, len);
	if (!key.text)
		return fg_err_nomem(p->err);
	int rc = add_constant(p, at, &key, &index);

	return rc ? rc : add_index(p, at, *value, index, value);
}

/* -- names ---------------------------------------------------------------------------------- */

static int add_name(struct parser *p, size_t at, const struct fg_name *name, uint32_t *ret)
{
	if (name->kind == FG_NAME_CONSTANT) {
		struct fg_value copy = name->constant;

		if (copy.text) {
			copy.text = fg_arena_copy(&p->expr->constants, copy.text, copy.len);
			if (!copy.text)
				return fg_err_nomem(p->err);
		}
		return add_constant(p, at, &copy, ret);
	}
	int rc = add_node(p, FG_OP_NAME, at, ret);

	if (rc)
		return rc;
	struct fg_expr_node *node = node_at(p, *ret);

	node->name.kind = name->kind;
	node->name.index = name->index;
	node->name.column = name->column;
	return 0;
}

/* How much of the chain at `at` is a name: first with hyphens inside words, then without. */
static int find_name(struct parser *p, size_t at, struct fg_name *ret, size_t *ret_end)
{
	const char *path = p->lexer.text + at;
	size_t plain = fg_lexer_chain(&p->lexer, at, false) - at;
	size_t longest = fg_lexer_chain(&p->lexer, at, true) - at;
	struct fg_err ignored;
	size_t used = 0;

	if (longest > plain) {
		used = p->names->find(p->names->context, path, longest, ret, &ignored);
		if (used > plain && (used == longest || (used < longest && path[used] == '.'))) {
			*ret_end = at + used;
			return 0;
		}
	}
	used = p->names->find(p->names->context, path, plain, ret, p->err);
	if (used == 0) {
		if (p->err)
			p->err->column = (unsigned)at + 1;
		return p->err && p->err->code ? -(int)p->err->code : -(int)FG_E_INVALID;
	}
	if (used > plain || (used < plain && path[used] != '.'))
		return fg_err_set(p->err, FG_E_INTERNAL, "a name of %zu bytes in \"%.*s\"", used,
				  (int)FG_MIN(plain, (size_t)200), path);
	*ret_end = at + used;
	return 0;
}

static int parse_name(struct parser *p, uint32_t *ret)
{
	size_t at = p->lexer.token.at;
	struct fg_name name = {0};
	size_t end;
	int rc = find_name(p, at, &name, &end);

	if (rc == 0)
		rc = add_name(p, at, &name, ret);
	if (rc)
		return rc;
	p->lexer.at = end;
	return fg_lexer_next(&p->lexer);
}

static bool is_word(const struct fg_lexer *lexer, const char *word)
{
	return lexer->token.len == strlen(word) &&
	       memcmp(lexer->text + lexer->token.at, word, lexer->token.len) == 0;
}

static bool is_literal(const struct fg_lexer *lexer, struct fg_value *ret)
{
	if (is_word(lexer, "null"))
		*ret = (struct fg_value){.kind = FG_VALUE_NULL};
	else if (is_word(lexer, "true") || is_word(lexer, "false"))
		*ret = (struct fg_value){.kind = FG_VALUE_BOOL, .boolean = is_word(lexer, "true")};
	else
		return false;
	return true;
}

/* -- calls and lists ------------------------------------------------------------------------ */

/* The values up to `close`, as children of `parent`; the opening bracket is the current token. */
static int parse_values(struct parser *p, uint32_t parent, const char *close, size_t *ret_count)
{
	size_t opened = p->lexer.token.at;
	uint32_t last = FG_NODE_NONE;
	int rc = fg_lexer_next(&p->lexer);

	*ret_count = 0;
	while (rc == 0 && !fg_lexer_is(&p->lexer, close)) {
		uint32_t value;

		if (*ret_count > 0)
			rc = expect(p, ",", opened);
		if (rc == 0)
			rc = parse(p, PRECEDENCE_ANY, &value);
		if (rc)
			return rc;
		if (last == FG_NODE_NONE)
			node_at(p, parent)->first = value;
		else
			node_at(p, last)->next = value;
		last = value;
		++*ret_count;
		if (!fg_lexer_is(&p->lexer, ",") && !fg_lexer_is(&p->lexer, close))
			rc = expect(p, close, opened);
	}
	return rc ? rc : fg_lexer_next(&p->lexer);
}

/* "takes 2 arguments", "takes at least 1 argument" */
static int check_count(const struct parser *p, const struct fg_expr_function *function, size_t at,
		       size_t count)
{
	bool few = count < function->min_arguments;
	unsigned wanted = few ? function->min_arguments : function->max_arguments;
	const char *bound = few ? "at least " : "at most ";

	if (!few && count <= function->max_arguments)
		return 0;
	if (function->min_arguments == function->max_arguments)
		bound = "";
	return fg_lexer_fault(&p->lexer, at, "%s(%s) takes %s%u argument%s, got %zu",
			      function->name, function->arguments, bound, wanted,
			      wanted == 1 ? "" : "s", count);
}

static int compile_pattern(struct parser *p, uint32_t call)
{
	struct fg_expr_node *node = node_at(p, call);
	bool regex = node->call.function->pattern == FG_PATTERN_REGEX;
	uint32_t second = node->first;
	int rc;

	if (second != FG_NODE_NONE)
		second = node_at(p, second)->next;
	if (!is_constant(p, second) || node_at(p, second)->value.kind != FG_VALUE_TEXT)
		return fg_lexer_fault(&p->lexer,
				      second == FG_NODE_NONE ? node->at : node_at(p, second)->at,
				      "the second argument of %s(%s) must be a constant text",
				      node->call.function->name, node->call.function->arguments);
	const struct fg_value *text = &node_at(p, second)->value;

	if (regex) {
		struct fg_regex *compiled = NULL;

		rc = fg_regex_compile(text->text, text->len, &compiled, p->err);
		node->call.compiled = compiled;
	} else {
		struct fg_jsonpath *compiled = NULL;

		rc = fg_jsonpath_compile(text->text, text->len, &compiled, p->err);
		node->call.compiled = compiled;
	}
	if (rc && p->err)
		p->err->column = node_at(p, second)->at + 1;
	return rc;
}

static int parse_call(struct parser *p, uint32_t *ret)
{
	size_t at = p->lexer.token.at;
	const char *name = p->lexer.text + at;
	size_t len = p->lexer.token.len;
	const struct fg_expr_function *function = fg_expr_find_function(name, len);
	const char *near = function ? NULL : fg_expr_near_function(name, len);
	size_t count;

	if (!function)
		return fg_lexer_fault(&p->lexer, at, "unknown function \"%.*s\"%s%s%s",
				      (int)FG_MIN(len, (size_t)60), name,
				      near ? "; did you mean \"" : "", near ? near : "",
				      near ? "\"?" : "");
	int rc = add_node(p, FG_OP_CALL, at, ret);

	if (rc)
		return rc;
	node_at(p, *ret)->call.function = function;
	rc = fg_lexer_next(&p->lexer); /* the name; now the bracket */
	if (rc == 0)
		rc = parse_values(p, *ret, ")", &count);
	if (rc == 0)
		rc = check_count(p, function, at, count);
	if (rc == 0 && function->pattern != FG_PATTERN_NONE)
		rc = compile_pattern(p, *ret);
	return rc ? rc : finish(p, ret);
}

static int parse_list(struct parser *p, uint32_t *ret)
{
	size_t count;
	int rc = add_node(p, FG_OP_LIST, p->lexer.token.at, ret);

	if (rc == 0)
		rc = parse_values(p, *ret, "]", &count);
	return rc ? rc : finish(p, ret);
}

/* -- values --------------------------------------------------------------------------------- */

static int parse_literal(struct parser *p, const struct fg_value *value, uint32_t *ret)
{
	int rc = add_constant(p, p->lexer.token.at, value, ret);

	return rc ? rc : fg_lexer_next(&p->lexer);
}

static int parse_word(struct parser *p, uint32_t *ret)
{
	const struct fg_lexer *lexer = &p->lexer;
	size_t end = lexer->token.at + lexer->token.len;
	size_t chain = fg_lexer_chain(lexer, lexer->token.at, false);
	size_t behind = fg_jscan_space(lexer->text, lexer->len, chain);
	bool call = behind < lexer->len && lexer->text[behind] == '(';
	struct fg_value literal;

	if (call && chain > end)
		return fg_lexer_fault(lexer, lexer->token.at,
				      "\"%.*s\" is not a function; write the function first: "
				      "upper(name), not name.upper()",
				      (int)FG_MIN(chain - lexer->token.at, (size_t)60),
				      lexer->text + lexer->token.at);
	if (call)
		return parse_call(p, ret);
	if (is_literal(lexer, &literal))
		return parse_literal(p, &literal, ret);
	return parse_name(p, ret);
}

static int parse_group(struct parser *p, uint32_t *ret)
{
	size_t opened = p->lexer.token.at;
	int rc = fg_lexer_next(&p->lexer);

	if (rc == 0)
		rc = parse(p, PRECEDENCE_ANY, ret);
	return rc ? rc : expect(p, ")", opened);
}

static int parse_atom(struct parser *p, uint32_t *ret)
{
	const struct fg_token *token = &p->lexer.token;

	switch (token->kind) {
	case FG_TOKEN_NUMBER:
		return parse_literal(
			p, &(struct fg_value){.kind = FG_VALUE_NUMBER, .number = token->number},
			ret);
	case FG_TOKEN_TEXT:
		return parse_literal(p,
				     &(struct fg_value){.kind = FG_VALUE_TEXT,
							.text = token->text,
							.len = token->text_len},
				     ret);
	case FG_TOKEN_NAME:
		return parse_word(p, ret);
	case FG_TOKEN_SYMBOL:
		if (fg_lexer_is(&p->lexer, "("))
			return parse_group(p, ret);
		if (fg_lexer_is(&p->lexer, "["))
			return parse_list(p, ret);
		return fg_lexer_fault(&p->lexer, token->at, "expected a value, got \"%.*s\"",
				      (int)token->len, p->lexer.text + token->at);
	case FG_TOKEN_END:
		break;
	}
	return fg_lexer_fault(&p->lexer, token->at, "the expression ends where a value should be");
}

/* .field and [index] behind a value */
static int parse_access(struct parser *p, uint32_t *value)
{
	size_t at = p->lexer.token.at;
	bool field = fg_lexer_is(&p->lexer, ".");
	uint32_t key;
	int rc = fg_lexer_next(&p->lexer);

	if (rc)
		return rc;
	if (field) {
		struct fg_token name = p->lexer.token;

		if (name.kind != FG_TOKEN_NAME)
			return fg_lexer_fault(&p->lexer, name.at, "expected a name behind the dot");
		rc = add_field(p, value, name.at, name.len);
		return rc ? rc : fg_lexer_next(&p->lexer);
	}
	rc = parse(p, PRECEDENCE_ANY, &key);
	if (rc == 0)
		rc = expect(p, "]", at);
	return rc ? rc : add_index(p, at, *value, key, value);
}

static int parse_prefix(struct parser *p, uint32_t *ret)
{
	bool negate = fg_lexer_is(&p->lexer, "-");

	if (negate || fg_lexer_is(&p->lexer, "!")) {
		size_t at = p->lexer.token.at;
		uint32_t operand;
		int rc = fg_lexer_next(&p->lexer);

		if (rc == 0)
			rc = parse(p, PRECEDENCE_PREFIX, &operand);
		if (rc == 0)
			rc = add_node(p, negate ? FG_OP_NEGATE : FG_OP_NOT, at, ret);
		if (rc)
			return rc;
		node_at(p, *ret)->first = operand;
		return finish(p, ret);
	}
	int rc = parse_atom(p, ret);

	while (rc == 0 && (fg_lexer_is(&p->lexer, ".") || fg_lexer_is(&p->lexer, "[")))
		rc = parse_access(p, ret);
	return rc;
}

/* -- operators ------------------------------------------------------------------------------ */

/* Index into operators, or their number. */
static size_t operator_here(const struct parser *p)
{
	size_t i = 0;

	while (i < FG_ARRAY_LEN(operators) && !fg_lexer_is(&p->lexer, operators[i].symbol))
		i++;
	return i;
}

static int parse_operator(struct parser *p, size_t which, uint32_t *left)
{
	bool choose = operators[which].op == FG_OP_CHOOSE;
	size_t at = p->lexer.token.at;
	uint32_t node, right, other = FG_NODE_NONE;
	int rc = fg_lexer_next(&p->lexer);

	if (rc == 0)
		rc = parse(p, choose ? PRECEDENCE_ANY : operators[which].precedence + 1, &right);
	if (rc == 0 && choose)
		rc = expect(p, ":", at);
	if (rc == 0 && choose)
		rc = parse(p, PRECEDENCE_ANY, &other);
	if (rc == 0)
		rc = add_node(p, operators[which].op, at, &node);
	if (rc)
		return rc;
	node_at(p, *left)->next = right;
	node_at(p, right)->next = other;
	node_at(p, node)->first = *left;
	*left = node;
	return finish(p, left);
}

static int parse(struct parser *p, unsigned precedence, uint32_t *ret)
{
	if (p->depth == FG_EXPR_DEPTH_MAX)
		return too_much(p, p->lexer.token.at, "is nested", FG_EXPR_DEPTH_MAX, "deep");
	p->depth++;
	int rc = parse_prefix(p, ret);

	while (rc == 0) {
		size_t which = operator_here(p);

		if (which == FG_ARRAY_LEN(operators) || operators[which].precedence < precedence)
			break;
		rc = parse_operator(p, which, ret);
	}
	p->depth--;
	return rc;
}

int fg_expr_parse(const char *text, size_t len, const struct fg_expr_names *names,
		  struct fg_expr *expr, struct fg_err *err)
{
	struct parser p = {
		.lexer = {.text = text, .len = len, .arena = &expr->constants, .err = err},
		.names = names,
		.expr = expr,
		.err = err};
	int rc = fg_lexer_next(&p.lexer);

	if (rc == 0)
		rc = parse(&p, PRECEDENCE_ANY, &expr->root);
	if (rc == 0 && p.lexer.token.kind != FG_TOKEN_END)
		rc = fg_lexer_fault(&p.lexer, p.lexer.token.at, "unexpected \"%.*s\"",
				    (int)FG_MIN(p.lexer.token.len, (size_t)40),
				    text + p.lexer.token.at);
	return rc;
}
