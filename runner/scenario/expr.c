/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/expr_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/utf8.h"

int fg_expr_compile(const char *text, size_t len, const struct fg_expr_names *names,
		    struct fg_expr **ret, struct fg_err *err)
{
	if (len > FG_EXPR_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "an expression of %zu bytes; the limit is %d",
				  len, FG_EXPR_TEXT_MAX);
	if (len > 0 && !fg_utf8_valid(text, len))
		return fg_err_set(err, FG_E_INVALID, "the expression is not UTF-8");
	struct fg_expr *expr = calloc(1, sizeof(*expr));

	if (!expr)
		return fg_err_nomem(err);
	atomic_init(&expr->references, 1);
	fg_arena_init(&expr->constants, FG_EXPR_CONSTANTS_MAX);
	int rc = fg_expr_parse(len ? text : "", len, names, expr, err);

	if (rc) {
		fg_expr_free(expr);
		return rc;
	}
	*ret = expr;
	return 0;
}

void fg_expr_free(struct fg_expr *expr)
{
	/* acq_rel: pairs with the other holders' release, so that their reads are over */
	if (!expr || atomic_fetch_sub_explicit(&expr->references, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < expr->count; i++)
		fg_expr_node_done(&expr->nodes[i]);
	free(expr->nodes);
	fg_arena_done(&expr->constants);
	free(expr);
}

struct fg_expr *fg_expr_ref(struct fg_expr *expr)
{
	if (expr)
		atomic_fetch_add_explicit(&expr->references, 1, memory_order_relaxed);
	return expr;
}

bool fg_expr_constant(const struct fg_expr *expr, struct fg_value *ret)
{
	const struct fg_expr_node *root = &expr->nodes[expr->root];

	if (root->op != FG_OP_CONSTANT)
		return false;
	if (ret)
		*ret = root->value;
	return true;
}

int fg_expr_eval(const struct fg_expr *expr, const struct fg_expr_env *env, struct fg_value *ret,
		 struct fg_err *err)
{
	return fg_expr_eval_node(expr, expr->root, env, ret, err);
}

uint64_t fg_expr_data_sets(const struct fg_expr *expr)
{
	uint64_t sets = 0;

	static_assert(FG_DATA_SETS_MAX <= 64, "a bit for each");
	for (size_t i = 0; i < expr->count; i++) {
		const struct fg_expr_node *node = &expr->nodes[i];

		if (node->op == FG_OP_NAME && node->name.kind == FG_NAME_DATA)
			sets |= (uint64_t)1 << (node->name.index % FG_DATA_SETS_MAX);
	}
	return sets;
}
