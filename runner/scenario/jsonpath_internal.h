/* SPDX-License-Identifier: Apache-2.0 */
/* What a compiled path is. For jsonpath*.c only. */
#ifndef FG_SCENARIO_JSONPATH_INTERNAL_H
#define FG_SCENARIO_JSONPATH_INTERNAL_H

#include "runner/scenario/jsonpath.h"

enum { FG_JSONPATH_CONDITIONS_MAX = 32, FG_JSONPATH_NESTING_MAX = 8 };

enum fg_jsonpath_kind {
	FG_PATH_NAME,
	FG_PATH_INDEX,
	FG_PATH_ALL,
	FG_PATH_SLICE,
	FG_PATH_WHERE, /* ?(…) */
};

struct fg_jsonpath_step {
	enum fg_jsonpath_kind kind;
	bool descend; /* .. before it */
	const char *name;
	size_t name_len;
	int64_t from, to, stride; /* of a slice; from is also the index */
	bool has_to;
	unsigned condition; /* index into conditions */
};

/* A side of a comparison: a constant, or a definite path from @ or $. */
struct fg_jsonpath_operand {
	bool is_path, from_root;
	struct fg_value constant;
	unsigned first, count; /* of the path's steps, in `operand_steps` */
};

enum fg_jsonpath_test {
	FG_WHERE_OR,
	FG_WHERE_AND,
	FG_WHERE_NOT,
	FG_WHERE_EXISTS,
	FG_WHERE_EQUAL,
	FG_WHERE_NOT_EQUAL,
	FG_WHERE_LESS,
	FG_WHERE_LESS_EQUAL,
	FG_WHERE_GREATER,
	FG_WHERE_GREATER_EQUAL,
};

struct fg_jsonpath_condition {
	enum fg_jsonpath_test test;
	unsigned left, right;            /* of OR, AND, NOT (left) */
	struct fg_jsonpath_operand a, b; /* of the others */
};

struct fg_jsonpath {
	struct fg_jsonpath_step steps[FG_JSONPATH_STEPS_MAX];
	unsigned count;
	bool length; /* ends with .length() */
	struct fg_jsonpath_step operand_steps[FG_JSONPATH_STEPS_MAX];
	unsigned operand_step_count;
	struct fg_jsonpath_condition conditions[FG_JSONPATH_CONDITIONS_MAX];
	unsigned condition_count;
	struct fg_arena texts;
};

#endif
