/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "profiler/client_builder.h"
#include "profiler/wire.pb-c.h"

void fg_client_scripts_done(struct fg_client_scripts *scripts)
{
	for (size_t i = 0; i < scripts->count; i++) {
		free(scripts->names[i].name);
		free(scripts->names[i].file);
	}
	free(scripts->names);
	*scripts = (struct fg_client_scripts){0};
}

static void notice(struct fg_profiler *profiler, const char *what, const char *why)
{
	fg_notices_add(&profiler->notices, "%s: %s", what, why);
}

static int tell_helper(struct fg_profiler *profiler, uint32_t id, const struct fg_interp *interp,
		       struct fg_err *err)
{
	Fg__Wire__Runtime message = FG__WIRE__RUNTIME__INIT;
	uint64_t addresses[] = {interp->address, interp->code_type};

	message.module = id;
	message.kind = (uint32_t)interp->runtime;
	message.version = interp->version;
	message.addresses = addresses;
	message.n_addresses = FG_ARRAY_LEN(addresses);
	int rc = fg_wire_send(&profiler->wire, FG_WIRE_RUNTIME, &message.base, -1, err);

	/* At once: until the helper knows, stacks of this interpreter are incomplete. A peer that
	 * is gone is noticed when reading. */
	if (!rc) {
		(void)!fg_wire_flush(&profiler->wire, NULL);
		profiler->scripts.unanswered++;
	}
	return rc;
}

int fg_client_script_module(struct fg_profiler *profiler, uint32_t id, struct fg_err *err)
{
	struct fg_client_scripts *scripts = &profiler->scripts;
	const struct fg_client_module *module = &profiler->modules[id - FG_MODULE_FIRST];
	struct fg_interp interp;

	if (module->fd < 0 || !fg_interp_detect(module->fd, module->path, &interp))
		return 0;
	const char *name = fg_runtime_name(interp.runtime);

	/* Stack copies have no other memory. */
	if (profiler->source == FG_PROFILER_PERF)
		interp.address = 0;
	if (!interp.address || !interp.version) {
		notice(profiler, name,
		       interp.runtime == FG_RUNTIME_PHP && !interp.address &&
				       profiler->source != FG_PROFILER_PERF
			       ? "a thread-safe build: only native frames"
		       : interp.address ? "of unknown version: only native frames"
					: "only native frames");
		return 0;
	}
	for (size_t i = 0; i < interp.loop_count; i++) {
		if (scripts->loop_count == FG_SCRIPT_LOOPS_MAX) {
			notice(profiler, name, "too many interpreters: only native frames");
			return 0;
		}
		scripts->loops[scripts->loop_count++] =
			(struct fg_client_loop){.module = (uint16_t)id,
						.range = interp.loops[i],
						.runtime = interp.runtime};
	}
	return tell_helper(profiler, id, &interp, err);
}

static int add_name(struct fg_client_scripts *scripts, const Fg__Wire__ScriptName *from,
		    struct fg_err *err)
{
	int rc = FG_VEC_ROOM(scripts, names, count, capacity, FG_CLIENT_SCRIPT_NAMES_MAX, err);

	if (rc)
		return rc;
	struct fg_client_script_name name = {.first_line = from->first_line,
					     .runtime = from->runtime};

	rc = fg_str_dup(from->name, &name.name, err);
	if (!rc)
		rc = fg_str_dup(from->file, &name.file, err);
	if (rc) {
		free(name.name);
		return rc;
	}
	scripts->names[scripts->count++] = name;
	return 0;
}

int fg_client_script_take(struct fg_profiler *profiler, const struct fg_wire_message *message,
			  struct fg_err *err)
{
	struct fg_client_scripts *scripts = &profiler->scripts;
	Fg__Wire__Script *script = fg__wire__script__unpack(NULL, message->len, message->body);
	int rc = 0;

	if (!script || script->first != scripts->count)
		rc = fg_err_set(err, FG_E_INVALID, "flamegate-profiler sent a malformed SCRIPT");
	if (!rc && !script->n_names && scripts->unanswered)
		scripts->unanswered--;
	for (size_t i = 0; !rc && i < script->n_names; i++)
		rc = add_name(scripts, script->names[i], err);
	if (script)
		fg__wire__script__free_unpacked(script, NULL);
	return rc;
}

static bool is_loop(const struct fg_client_scripts *scripts, uint64_t frame)
{
	uint64_t id = (frame & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT;
	uint64_t address = frame & FG_FRAME_ADDRESS_MASK;

	for (size_t i = 0; i < scripts->loop_count; i++) {
		const struct fg_client_loop *loop = &scripts->loops[i];

		if (loop->module == id && address >= loop->range.start && address < loop->range.end)
			return true;
	}
	return false;
}

/* Before 3.11 every function has a native frame of the loop of its own. */
static bool enters(const struct fg_client_scripts *scripts, uint64_t frame)
{
	uint64_t name = (frame & FG_FRAME_ADDRESS_MASK & ~FG_SCRIPT_ENTRY) >> FG_SCRIPT_NAME_SHIFT;
	uint32_t runtime = name < scripts->count ? scripts->names[name].runtime : 0;

	if (frame & FG_SCRIPT_ENTRY)
		return true;
	return (runtime & 0xff) == FG_RUNTIME_PYTHON && runtime >> 8 < (3u << 8 | 11);
}

struct merge {
	const struct fg_client_scripts *scripts;
	const uint64_t *script;
	size_t script_count, at;
	uint64_t *out;
	size_t out_count;
};

/* The functions up to and including the one that native code entered. */
static void put_group(struct merge *merge)
{
	while (merge->at < merge->script_count) {
		uint64_t frame = merge->script[merge->at++];

		merge->out[merge->out_count++] = frame & ~FG_SCRIPT_ENTRY;
		if (enters(merge->scripts, frame))
			return;
	}
}

/* How many times native code entered the interpreter, as its own frames tell. */
static size_t count_groups(const struct merge *merge)
{
	size_t groups = 0;

	for (size_t i = 0; i < merge->script_count; i++)
		groups += enters(merge->scripts, merge->script[i]);
	/* The walk may have been cut inside a group. */
	if (merge->script_count && !enters(merge->scripts, merge->script[merge->script_count - 1]))
		groups++;
	return groups;
}

static size_t count_loops(const struct fg_client_scripts *scripts, const struct fg_raw_stack *stack,
			  const uint64_t *frames)
{
	size_t loops = 0;

	for (size_t i = 0; i < stack->user_count; i++)
		loops += is_loop(scripts, frames[stack->kernel_count + i]);
	return loops;
}

/* Compiled code runs functions without a loop, and where it was called from is a guess. */
static size_t count_holes(const struct fg_raw_stack *stack, const uint64_t *frames)
{
	size_t holes = 0;

	for (size_t i = 0; i < stack->user_count; i++)
		holes += (frames[stack->kernel_count + i] & FG_FRAME_GUESSED) != 0;
	return holes;
}

/* `skip`: loops at the leaf that ran nothing yet; `holes`: guesses that stand for functions. */
static void put_stack(struct merge *merge, const struct fg_raw_stack *stack, const uint64_t *frames,
		      size_t skip, size_t holes)
{
	size_t native_count = (size_t)stack->kernel_count + stack->user_count;

	for (size_t i = 0; i < native_count; i++) {
		bool loop = i >= stack->kernel_count && is_loop(merge->scripts, frames[i]);

		if (holes && i >= stack->kernel_count && frames[i] & FG_FRAME_GUESSED) {
			put_group(merge);
			holes--;
		}
		if (loop && !skip && merge->at < merge->script_count) {
			put_group(merge);
		} else {
			merge->out[merge->out_count++] = frames[i];
			skip -= loop && skip;
		}
	}
	/* What no native frame stands for was running all the same: nearest to the root. */
	while (merge->at < merge->script_count)
		put_group(merge);
}

size_t fg_client_script_merge(const struct fg_client_scripts *scripts,
			      const struct fg_raw_stack *stack, const uint64_t *frames,
			      uint64_t *out, enum fg_stack_result *result)
{
	struct merge merge = {
		.scripts = scripts,
		.script = frames + stack->kernel_count + stack->user_count,
		.script_count = stack->script_count,
		.out = out,
	};
	size_t loops = count_loops(scripts, stack, frames), groups = count_groups(&merge);
	size_t holes = *result == FG_STACK_GUESSED && groups > loops
			       ? FG_MIN(groups - loops, count_holes(stack, frames))
			       : 0;

	loops += holes;

	bool whole = *result == FG_STACK_COMPLETE || *result == FG_STACK_GUESSED;
	/* Where native code is about to enter the loop, or has just left it, one of the two is
	 * ahead at the leaf: a loop without a function yet, or a function whose loop is not there.
	 * From the roots on they agree. Without any function nothing was read. */
	size_t skip = whole && groups && loops == groups + 1;

	if (whole && groups == loops + 1) {
		put_group(&merge);
		merge.out_count = 0;
	}
	if (whole && (loops > groups + skip || groups > loops + 1))
		*result = FG_STACK_SCRIPT;
	put_stack(&merge, stack, frames, skip, holes);
	return merge.out_count;
}

int64_t fg_client_script_location(struct fg_builder *builder, uint64_t frame, bool *ret_unnamed,
				  struct fg_err *err)
{
	const struct fg_client_scripts *scripts = &builder->profiler->scripts;
	uint64_t content = frame & FG_FRAME_ADDRESS_MASK & ~FG_SCRIPT_ENTRY;
	uint64_t number = content >> FG_SCRIPT_NAME_SHIFT;

	*ret_unnamed = true;
	if (number >= scripts->count)
		return fg_builder_placeholder(builder, "[unknown]",
					      FG_LOC_PLACEHOLDER | FG_LOC_UNNAMED, err);
	const struct fg_client_script_name *name = &scripts->names[number];
	char path[32];

	(void)snprintf(path, sizeof(path), "%s%u.%u",
		       fg_runtime_name((enum fg_runtime)(name->runtime & 0xff)),
		       name->runtime >> 16 & 0xff, name->runtime >> 8 & 0xff);
	int64_t module = fg_builder_module(builder, path, "", NULL, err);

	if (module < 0)
		return module;
	/* One that could not be read stands for many. */
	*ret_unnamed = name->name[0] == '[';
	struct fg_plocation location = {
		.module = (uint32_t)module,
		.flags = FG_LOC_SCRIPT | (*ret_unnamed ? FG_LOC_UNNAMED : 0),
	};
	const struct fg_symbol symbol = {
		.line_count = 1,
		.lines = {{
			.name = name->name,
			.system_name = name->name,
			.filename = name->file,
			.line = (uint32_t)(content & FG_SCRIPT_LINE_MASK),
			.start_line = name->first_line,
		}},
	};

	return fg_builder_symbol(builder, &location, &symbol, err);
}
