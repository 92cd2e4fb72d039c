/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generated code → locations, by the perf maps that client_jit.h collected; and what the names that
 * runtimes write there mean for people. For the client alone.
 */
#ifndef FG_PROFILER_CLIENT_NAMES_H
#define FG_PROFILER_CLIENT_NAMES_H

#include "profiler/client_builder.h"

/** Before the first location. */
int fg_names_begin(struct fg_builder *builder, struct fg_err *err) FG_MUST_USE;
/** The location of an address in memory without a file: an index, or a negative error code. */
int64_t fg_names_location(struct fg_builder *builder, uint32_t context, uint64_t address,
			  uint32_t flags, bool *ret_unnamed, struct fg_err *err);
/* A line of a perf map, for people. */
struct fg_generated_name {
	char name[FG_SYMBOL_NAME_MAX];     /* without tier, return type and parameters */
	char filename[FG_SYMBOL_NAME_MAX]; /* "" if it names none */
	uint32_t line;
};
/** Gives a frame of a module its name if a perf map knows it (V8's builtins in a stripped file);
 *  leaves `symbol` as it is otherwise. `name` holds its texts. */
int fg_names_builtin(struct fg_builder *builder, size_t module, uint64_t address,
		     struct fg_symbol *symbol, struct fg_generated_name *name,
		     struct fg_err *err) FG_MUST_USE;
/** Pure. */
void fg_names_parse(enum fg_runtime runtime, const char *raw, struct fg_generated_name *ret);

#endif
