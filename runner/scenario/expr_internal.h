/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiled expression is: a tree of nodes in one array. For expr*.c only. */
#ifndef FG_SCENARIO_EXPR_INTERNAL_H
#define FG_SCENARIO_EXPR_INTERNAL_H

#include <stdatomic.h>

#include "runner/scenario/expr.h"

enum fg_expr_op {
	FG_OP_CONSTANT,
	FG_OP_NAME,
	FG_OP_LIST,
	FG_OP_INDEX, /* value[index], and value.field with a constant text */
	FG_OP_CALL,
	FG_OP_NEGATE,
	FG_OP_NOT,
	FG_OP_CHOOSE, /* ?: */
	FG_OP_COALESCE,
	FG_OP_OR,
	FG_OP_AND,
	FG_OP_EQUAL,
	FG_OP_NOT_EQUAL,
	FG_OP_LESS,
	FG_OP_LESS_EQUAL,
	FG_OP_GREATER,
	FG_OP_GREATER_EQUAL,
	FG_OP_ADD,
	FG_OP_SUBTRACT,
	FG_OP_MULTIPLY,
	FG_OP_DIVIDE,
	FG_OP_REMAINDER,
	FG_OP_COUNT
};

enum { FG_NODE_NONE = INT32_MAX };

struct fg_expr_node {
	enum fg_expr_op op;
	uint32_t at;    /* offset in the text, for messages */
	uint32_t first; /* child; FG_NODE_NONE: none */
	uint32_t next;  /* sibling */
	union {
		struct fg_value value; /* FG_OP_CONSTANT */
		struct {               /* FG_OP_NAME */
			enum fg_name_kind kind;
			uint32_t index, column;
		} name;
		struct { /* FG_OP_CALL */
			const struct fg_expr_function *function;
			void *compiled; /* as function->pattern says; owned */
		} call;
	};
};

struct fg_expr {
	atomic_uint references;
	struct fg_expr_node *nodes;
	size_t count, capacity;
	uint32_t root;
	struct fg_arena constants; /* texts of literals and names, folded values */
};

/* -- lexer ---------------------------------------------------------------------------------- */

enum fg_token_kind {
	FG_TOKEN_END,
	FG_TOKEN_NUMBER,
	FG_TOKEN_TEXT,
	FG_TOKEN_NAME,
	FG_TOKEN_SYMBOL, /* operators and brackets */
};

struct fg_token {
	enum fg_token_kind kind;
	size_t at, len;
	double number;
	const char *text; /* of FG_TOKEN_TEXT: what it means, in the arena */
	size_t text_len;
};

struct fg_lexer {
	const char *text;
	size_t len, at;
	struct fg_arena *arena;
	struct fg_err *err;
	struct fg_token token; /* the current one */
};

/** Reads the next token. */
int fg_lexer_next(struct fg_lexer *lexer) FG_MUST_USE;
/** INVALID with the column of byte `at`. */
int fg_lexer_fault(const struct fg_lexer *lexer, size_t at, const char *format, ...)
	FG_PRINTF(3, 4);
bool fg_lexer_is(const struct fg_lexer *lexer, const char *symbol);
/** End of the chain of plain names ("data.users.name") that starts at `at`; with hyphens: where a
 *  letter follows one, it belongs to the name. */
size_t fg_lexer_chain(const struct fg_lexer *lexer, size_t at, bool hyphens);

/* -- parser and evaluation ------------------------------------------------------------------ */

/** Fills expr->nodes and root. */
int fg_expr_parse(const char *text, size_t len, const struct fg_expr_names *names,
		  struct fg_expr *expr, struct fg_err *err) FG_MUST_USE;
/** Frees what the node owns beside the arena. */
void fg_expr_node_done(struct fg_expr_node *node);
int fg_expr_eval_node(const struct fg_expr *expr, uint32_t index, const struct fg_expr_env *env,
		      struct fg_value *ret, struct fg_err *err) FG_MUST_USE;
const struct fg_expr_function *fg_expr_find_function(const char *name, size_t len);
/** The nearest name, for "did you mean"; or NULL. */
const char *fg_expr_near_function(const char *name, size_t len);

#endif
