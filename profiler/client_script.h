/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreted functions in the client: finding interpreters among the modules, keeping the names
 * that the helper sends, and putting both kinds of frames into one stack.
 */
#ifndef FG_PROFILER_CLIENT_SCRIPT_H
#define FG_PROFILER_CLIENT_SCRIPT_H

#include "gate/profile/profile.h"
#include "profiler/samples.h"
#include "profiler/symbol/interp.h"
#include "profiler/wire.h"

struct fg_profiler;

enum { FG_CLIENT_SCRIPT_NAMES_MAX = 1 << 19, FG_SCRIPT_LOOPS_MAX = 64 };

struct fg_client_script_name {
	char *name, *file;
	uint32_t first_line;
	uint32_t runtime; /* FG_SCRIPT_RUNTIME() */
};
/* A part of a function that runs bytecode. */
struct fg_client_loop {
	uint16_t module;
	struct fg_interp_loop range;
	enum fg_runtime runtime;
};
struct fg_client_scripts {
	struct fg_client_script_name *names;
	size_t count, capacity;
	struct fg_client_loop loops[FG_SCRIPT_LOOPS_MAX];
	size_t loop_count;
	size_t unanswered; /* RUNTIMEs */
};

void fg_client_scripts_done(struct fg_client_scripts *scripts);
/** Looks for an interpreter in module `id`, whose file has come, and tells the helper. */
int fg_client_script_module(struct fg_profiler *profiler, uint32_t id, struct fg_err *err);
/** A SCRIPT message. */
int fg_client_script_take(struct fg_profiler *profiler, const struct fg_wire_message *message,
			  struct fg_err *err) FG_MUST_USE;
/** One stack, leaf first, of a raw stack's native and interpreted frames at `out` (room for
 *  FG_SAMPLE_FRAMES): each frame of the native loop becomes the functions that it ran. Returns how
 *  many; *result becomes FG_STACK_SCRIPT when the two do not fit together. */
size_t fg_client_script_merge(const struct fg_client_scripts *scripts,
			      const struct fg_raw_stack *stack, const uint64_t *frames,
			      uint64_t *out, enum fg_stack_result *result);

#endif
