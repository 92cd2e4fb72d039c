/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes to a value. Nothing is allocated but from the env's arena. */
#include "runner/scenario/expr_internal.h"

#include <math.h>
#include <string.h>

#include "gate/base/num.h"
#include "runner/scenario/function.h"
#include "runner/scenario/jscan.h"

struct eval {
	const struct fg_expr *expr;
	const struct fg_expr_env *env;
	struct fg_err *err;
};

static int evaluate(const struct eval *e, uint32_t index, struct fg_value *ret);

static const char *const symbols[FG_OP_COUNT] = {
	[FG_OP_NEGATE] = "-",    [FG_OP_LESS] = "<",     [FG_OP_LESS_EQUAL] = "<=",
	[FG_OP_GREATER] = ">",   [FG_OP_ADD] = "+",      [FG_OP_GREATER_EQUAL] = ">=",
	[FG_OP_SUBTRACT] = "-",  [FG_OP_MULTIPLY] = "*", [FG_OP_DIVIDE] = "/",
	[FG_OP_REMAINDER] = "%",
};

static int arena_full(const struct eval *e, size_t len)
{
	return fg_err_set(e->err, FG_E_LIMIT,
			  "the values of this expression do not fit into %zu bytes (%zu more are "
			  "needed)",
			  e->env->arena->max, len);
}

/* -- names ---------------------------------------------------------------------------------- */

static struct fg_value of_slot(const struct fg_slot *slots, uint32_t index)
{
	if (!slots || !slots[index].set)
		return (struct fg_value){.kind = FG_VALUE_NULL};
	return slots[index].value;
}

static struct fg_value of_row(const struct fg_expr_env *env, uint32_t index, uint32_t column)
{
	if (!env->rows || !env->rows[index])
		return (struct fg_value){.kind = FG_VALUE_NULL};
	return env->rows[index]->values[column];
}

/* The port is a number, so that {{ target.port + 1 }} adds. */
static struct fg_value of_run(const struct fg_expr_env *env, uint32_t index)
{
	const char *text = env->run_texts && index < FG_RUN_TEXT_COUNT && env->run_texts[index]
				   ? env->run_texts[index]
				   : "";
	size_t len = strlen(text);
	uint64_t port;

	if (index == FG_RUN_TEXT_TARGET_PORT && fg_num_u64(text, len, &port, NULL) == 0)
		return fg_value_of_number((double)port);
	return fg_value_of_text(text, len);
}

static struct fg_value of_name(const struct fg_expr_node *node, const struct fg_expr_env *env)
{
	switch (node->name.kind) {
	case FG_NAME_SLOT:
		return of_slot(env->slots, node->name.index);
	case FG_NAME_GLOBAL:
		return of_slot(env->globals, node->name.index);
	case FG_NAME_DATA:
		return of_row(env, node->name.index, node->name.column);
	case FG_NAME_VU:
		return fg_value_of_number((double)env->vu);
	case FG_NAME_ITERATION:
		return fg_value_of_number((double)env->iteration);
	case FG_NAME_SCENARIO_ITERATION:
		return fg_value_of_number((double)env->scenario_iteration);
	case FG_NAME_RUN:
		return of_run(env, node->name.index);
	case FG_NAME_CONSTANT: /* became a constant node */
		break;
	}
	return (struct fg_value){.kind = FG_VALUE_NULL};
}

/* -- access --------------------------------------------------------------------------------- */

static bool whole(double number, int64_t *ret)
{
	if (number != floor(number) || fabs(number) > 0x1p53)
		return false;
	*ret = (int64_t)number;
	return true;
}

/* A list takes whole numbers, an object texts; whatever is not there is null. */
static int access_value(const struct eval *e, const struct fg_value *value,
			const struct fg_value *key, struct fg_value *ret)
{
	char buffer[FG_VALUE_NUMBER_MAX];
	double number;
	int64_t index;
	size_t at, key_len;
	int found = 0;

	*ret = (struct fg_value){.kind = FG_VALUE_NULL};
	if (value->kind != FG_VALUE_JSON || key->kind == FG_VALUE_NULL || value->len == 0)
		return 0;
	const char *key_text = fg_value_view(key, buffer, &key_len);

	if (value->text[0] == '{')
		found = fg_jscan_member(value->text, value->len, 0, key_text, key_len, &at, e->err);
	else if (fg_value_number(key, &number) && whole(number, &index))
		found = fg_jscan_element(value->text, value->len, 0, index, &at, e->err);
	if (found <= 0)
		return found;
	return fg_jscan_take(value->text, value->len, at, e->env->arena, ret, NULL, e->err);
}

static int eval_index(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	struct fg_value value, key;
	int rc = evaluate(e, node->first, &value);

	if (rc == 0)
		rc = evaluate(e, e->expr->nodes[node->first].next, &key);
	return rc ? rc : access_value(e, &value, &key, ret);
}

/* -- lists and calls ------------------------------------------------------------------------ */

/* Two passes over the values: their size, then their text. They are kept in the arena meanwhile. */
static int eval_list(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	size_t count = 0;
	size_t len = 2;

	for (uint32_t i = node->first; i != FG_NODE_NONE; i = e->expr->nodes[i].next)
		count++;
	struct fg_value *values = fg_arena_alloc(e->env->arena, count * sizeof(*values));

	if (!values)
		return arena_full(e, count * sizeof(*values));
	count = 0;
	for (uint32_t i = node->first; i != FG_NODE_NONE; i = e->expr->nodes[i].next) {
		int rc = evaluate(e, i, &values[count]);

		if (rc)
			return rc;
		len += fg_value_write_json(&values[count++], NULL) + 1;
	}
	char *text = fg_arena_alloc(e->env->arena, len);

	if (!text)
		return arena_full(e, len);
	size_t at = 0;

	text[at++] = '[';
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			text[at++] = ',';
		at += fg_value_write_json(&values[i], text + at);
	}
	text[at++] = ']';
	*ret = (struct fg_value){.kind = FG_VALUE_JSON, .text = text, .len = at};
	return 0;
}

static int eval_call(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	struct fg_value arguments[FG_EXPR_ARGUMENTS_MAX];
	struct fg_call call = {.function = node->call.function,
			       .env = e->env,
			       .arguments = arguments,
			       .compiled = node->call.compiled,
			       .err = e->err};

	if (!call.function->pure && !e->env->random)
		return fg_err_set(e->err, FG_E_INTERNAL, "%s() outside an iteration",
				  call.function->name);
	for (uint32_t i = node->first; i != FG_NODE_NONE; i = e->expr->nodes[i].next) {
		int rc = evaluate(e, i, &arguments[call.count++]);

		if (rc)
			return rc;
	}
	return call.function->call(&call, ret);
}

/* -- operators ------------------------------------------------------------------------------ */

static int misfit(const struct eval *e, enum fg_expr_op op, const char *needs,
		  const struct fg_value *a, const struct fg_value *b)
{
	return fg_err_set(e->err, FG_E_INVALID, "%s needs %s, got %s and %s", symbols[op], needs,
			  fg_value_kind_name(a), fg_value_kind_name(b));
}

static int join(const struct eval *e, const struct fg_value *a, const struct fg_value *b,
		struct fg_value *ret)
{
	char buffers[2][FG_VALUE_NUMBER_MAX];
	size_t a_len, b_len;
	const char *a_text = fg_value_view(a, buffers[0], &a_len);
	const char *b_text = fg_value_view(b, buffers[1], &b_len);
	char *text = fg_arena_alloc(e->env->arena, a_len + b_len);

	if (!text)
		return arena_full(e, a_len + b_len);
	memcpy(text, a_text, a_len);
	memcpy(text + a_len, b_text, b_len);
	*ret = fg_value_of_text(text, a_len + b_len);
	return 0;
}

static int calculate(const struct eval *e, enum fg_expr_op op, double x, double y,
		     struct fg_value *ret)
{
	double result = 0;

	if (y == 0 && (op == FG_OP_DIVIDE || op == FG_OP_REMAINDER))
		return fg_err_set(e->err, FG_E_INVALID, "division by zero");
	if (op == FG_OP_ADD)
		result = x + y;
	else if (op == FG_OP_SUBTRACT)
		result = x - y;
	else if (op == FG_OP_MULTIPLY)
		result = x * y;
	else if (op == FG_OP_DIVIDE)
		result = x / y;
	else
		result = fmod(x, y);
	if (!isfinite(result))
		return fg_err_set(e->err, FG_E_INVALID, "the result of %s is too large",
				  symbols[op]);
	*ret = fg_value_of_number(result);
	return 0;
}

static int arithmetic(const struct eval *e, enum fg_expr_op op, const struct fg_value *a,
		      const struct fg_value *b, struct fg_value *ret)
{
	double x, y;

	if (op == FG_OP_ADD && (a->kind == FG_VALUE_TEXT || b->kind == FG_VALUE_TEXT))
		return join(e, a, b, ret);
	if (!fg_value_number(a, &x) || !fg_value_number(b, &y))
		return misfit(e, op, op == FG_OP_ADD ? "numbers or a text" : "numbers", a, b);
	return calculate(e, op, x, y, ret);
}

/* Two texts by their bytes, as in JavaScript; else both must be numbers. */
static int order(const struct eval *e, enum fg_expr_op op, const struct fg_value *a,
		 const struct fg_value *b, struct fg_value *ret)
{
	double x = 0, y = 0;

	if (a->kind == FG_VALUE_TEXT && b->kind == FG_VALUE_TEXT) {
		size_t common = FG_MIN(a->len, b->len);

		x = common ? memcmp(a->text, b->text, common) : 0;
		if (x == 0) {
			x = (double)a->len;
			y = (double)b->len;
		}
	} else if (!fg_value_number(a, &x) || !fg_value_number(b, &y)) {
		return misfit(e, op, "two numbers or two texts", a, b);
	}
	*ret = fg_value_of_bool(op == FG_OP_LESS         ? x < y
				: op == FG_OP_LESS_EQUAL ? x <= y
				: op == FG_OP_GREATER    ? x > y
							 : x >= y);
	return 0;
}

static int eval_binary(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	struct fg_value a, b;
	int rc = evaluate(e, node->first, &a);

	if (rc == 0)
		rc = evaluate(e, e->expr->nodes[node->first].next, &b);
	if (rc)
		return rc;
	if (node->op == FG_OP_EQUAL || node->op == FG_OP_NOT_EQUAL) {
		*ret = fg_value_of_bool(fg_value_equal(&a, &b) == (node->op == FG_OP_EQUAL));
		return 0;
	}
	if (node->op <= FG_OP_GREATER_EQUAL)
		return order(e, node->op, &a, &b, ret);
	return arithmetic(e, node->op, &a, &b, ret);
}

/* ?: ?? || &&: what is not chosen is not evaluated. */
static int eval_choice(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	uint32_t second = e->expr->nodes[node->first].next;
	struct fg_value first;
	bool stop = false;
	int rc = evaluate(e, node->first, &first);

	if (rc)
		return rc;
	bool truth = fg_value_truth(&first);

	if (node->op == FG_OP_CHOOSE)
		return evaluate(e, truth ? second : e->expr->nodes[second].next, ret);
	if (node->op == FG_OP_COALESCE)
		stop = first.kind != FG_VALUE_NULL;
	else
		stop = truth == (node->op == FG_OP_OR);
	if (!stop)
		return evaluate(e, second, ret);
	*ret = first;
	return 0;
}

static int eval_unary(const struct eval *e, const struct fg_expr_node *node, struct fg_value *ret)
{
	struct fg_value value;
	double number;
	int rc = evaluate(e, node->first, &value);

	if (rc)
		return rc;
	if (node->op == FG_OP_NOT) {
		*ret = fg_value_of_bool(!fg_value_truth(&value));
		return 0;
	}
	if (!fg_value_number(&value, &number))
		return fg_err_set(e->err, FG_E_INVALID, "- needs a number, got %s",
				  fg_value_kind_name(&value));
	*ret = fg_value_of_number(-number);
	return 0;
}

static int evaluate(const struct eval *e, uint32_t index, struct fg_value *ret)
{
	const struct fg_expr_node *node = &e->expr->nodes[index];

	switch (node->op) {
	case FG_OP_CONSTANT:
		*ret = node->value;
		return 0;
	case FG_OP_NAME:
		*ret = of_name(node, e->env);
		return 0;
	case FG_OP_LIST:
		return eval_list(e, node, ret);
	case FG_OP_INDEX:
		return eval_index(e, node, ret);
	case FG_OP_CALL:
		return eval_call(e, node, ret);
	case FG_OP_NEGATE:
	case FG_OP_NOT:
		return eval_unary(e, node, ret);
	case FG_OP_CHOOSE:
	case FG_OP_COALESCE:
	case FG_OP_OR:
	case FG_OP_AND:
		return eval_choice(e, node, ret);
	default:
		return eval_binary(e, node, ret);
	}
}

int fg_expr_eval_node(const struct fg_expr *expr, uint32_t index, const struct fg_expr_env *env,
		      struct fg_value *ret, struct fg_err *err)
{
	struct eval e = {expr, env, err};
	struct fg_value value;
	int rc = evaluate(&e, index, &value);

	if (rc == 0)
		*ret = value;
	return rc;
}
