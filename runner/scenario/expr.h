/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expressions inside {{ }}: compiled once, evaluated per iteration without allocation after
 * warm-up (results live in the env's arena).
 *
 *   literals   1  2.5  'text'  "text"  true  false  null
 *   names      token   data.users.name   setup.cartId   secrets.apiToken   vu   iteration
 *              scenario.name  scenario.iteration  env.NAME  target.port  run.id  i
 *   lists      ['a', 2, token]
 *   access     value.field  value[0]  value[-1]  value['a b']  (into JSON values; missing: null)
 *   operators  ?:  ??  ||  &&  == !=  < <= > >=  + -  * / %  ! -      (+ joins when a side is text)
 *   calls      randomInt(1, 500) …: the table of function.c
 *
 * Grammar, types and functions are documented in runner/scenario/README.md. Pure: time, random
 * numbers and rows come from the env.
 */
#ifndef FG_SCENARIO_EXPR_H
#define FG_SCENARIO_EXPR_H

#include "runner/scenario/data.h"
#include "runner/scenario/value.h"

enum {
	FG_EXPR_TEXT_MAX = 4096, /* bytes of one expression */
	FG_EXPR_NODES_MAX = 1000,
	FG_EXPR_DEPTH_MAX = 32,
	FG_EXPR_ARGUMENTS_MAX = 16,
	FG_EXPR_LIST_MAX = 100000,        /* elements that a function may make: range, split */
	FG_EXPR_CONSTANTS_MAX = 16 << 20, /* bytes of what one expression knows at compile time */
};

struct fg_random;      /* gate/base/random.h */
struct fg_regex_match; /* runner/scenario/regex.h */
struct fg_expr;
struct fg_call; /* runner/scenario/function.h */

enum fg_name_kind {
	FG_NAME_CONSTANT, /* vars, secrets, env, scenario.name, run-wide texts: known at compile
			     time */
	FG_NAME_SLOT,     /* captures, flow parameters, loop variables: index into slots */
	FG_NAME_GLOBAL,   /* setup.NAME: index into globals */
	FG_NAME_DATA,     /* data.NAME.COLUMN: index of the data set, and its column */
	FG_NAME_VU,
	FG_NAME_ITERATION,
	FG_NAME_SCENARIO_ITERATION,
	FG_NAME_RUN, /* only known when the run starts: index into run_texts */
};

/* What a name means; filled by the compiler's user. */
struct fg_name {
	enum fg_name_kind kind;
	uint32_t index, column;
	struct fg_value
		constant; /* borrowed for as long as the expression lives, or copied by it */
};

/** Run-wide texts that are not known when the file is read (FG_NAME_RUN). */
enum fg_run_text {
	FG_RUN_TEXT_TARGET_PORT,
	FG_RUN_TEXT_TARGET_URL,
	FG_RUN_TEXT_RUN_ID,
	FG_RUN_TEXT_TARGET_SIDE,
	FG_RUN_TEXT_TARGET_DIR,
	FG_RUN_TEXT_COUNT
};

struct fg_expr_names {
	/** Finds what `path` ("data.users.name": the longest chain of plain names) begins with.
	 *  Returns how many bytes of it the name takes (the rest is field access), or 0 with `err`
	 *  set ("unknown name …; did you mean …"). */
	size_t (*find)(void *context, const char *path, size_t len, struct fg_name *ret,
		       struct fg_err *err);
	void *context;
};

/* What an evaluation may look at. Pointers are borrowed. */
struct fg_expr_env {
	const struct fg_slot *slots;           /* of the VU */
	const struct fg_slot *globals;         /* from setup; nobody writes while workers run */
	const struct fg_data_row *const *rows; /* the VU's current row of each data set */
	const char *const *run_texts;          /* FG_RUN_TEXT_COUNT; NULL entries: "" */
	uint64_t vu, iteration, scenario_iteration;
	struct fg_random *random;
	uint64_t unix_ns; /* wall clock of now, for now() and timestamp() */
	struct fg_arena *arena;
	/* For matches() and regexFind(); NULL: memory is allocated for each call. */
	struct fg_regex_match *regex_match;
};

/** Compiles `len` bytes. Where `-` follows a name without a space ("first-name"), the longer name
 * is meant if it is known, else a subtraction. On failure err->column is the 1-based byte offset of
 * what is wrong. */
int fg_expr_compile(const char *text, size_t len, const struct fg_expr_names *names,
		    struct fg_expr **ret, struct fg_err *err) FG_MUST_USE;
void fg_expr_free(struct fg_expr *expr);
struct fg_expr *fg_expr_ref(struct fg_expr *expr); /* templates are copied; freed by the last */
/** True if it depends on nothing but constants; *ret (may be NULL) is then its value, borrowed from
 *  the expression. */
bool fg_expr_constant(const struct fg_expr *expr, struct fg_value *ret);
/** The data sets it looks at: bit i stands for set i (FG_DATA_SETS_MAX of them). */
uint64_t fg_expr_data_sets(const struct fg_expr *expr);
/** *ret borrows from the expression, the env's arena, slots and rows. INVALID: a type that does not
 * fit ("- needs numbers, got text"); LIMIT: the arena is full. */
int fg_expr_eval(const struct fg_expr *expr, const struct fg_expr_env *env, struct fg_value *ret,
		 struct fg_err *err) FG_MUST_USE;

/* What the second argument is, if it must be constant because it is compiled with the expression.
 */
enum fg_expr_pattern { FG_PATTERN_NONE, FG_PATTERN_REGEX, FG_PATTERN_JSONPATH };

/* The table of functions, for help, README and schema. */
struct fg_expr_function {
	const char *name;
	const char *arguments; /* "min, max" */
	unsigned min_arguments, max_arguments;
	bool pure; /* folded when its arguments are constant */
	enum fg_expr_pattern pattern;
	int (*call)(const struct fg_call *call, struct fg_value *ret);
	const char *help;
};
extern const struct fg_expr_function fg_expr_functions[];
extern const size_t fg_expr_function_count;

#endif
