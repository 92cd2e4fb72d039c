/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw frames → locations of a profile, each distinct frame symbolised once. For the client alone.
 */
#ifndef FG_PROFILER_CLIENT_BUILDER_H
#define FG_PROFILER_CLIENT_BUILDER_H

#include "profiler/client_internal.h"
#include "profiler/symbol/symbolizer.h"

#define FG_NO_INDEX UINT32_MAX

struct fg_runtimes; /* client_runtimes.h */

struct fg_location_slot {
	uint64_t frame;
	uint32_t context;  /* of generated code */
	uint32_t location; /* FG_NO_INDEX: free */
	bool unnamed;
};

/* Everything that building profiles needs. */
struct fg_builder {
	struct fg_profiler *profiler;
	struct fg_profile *profile;
	struct fg_symbolizer *symbolizer;
	int kallsyms_copy;
	uint32_t kernel_module, no_module;
	uint32_t *modules; /* client module → profile module */
	int *handles;      /* client module → symbolizer's */
	struct fg_location_slot *slots;
	size_t slot_count, slots_used;
	uint32_t *stacks; /* raw stack → profile stack, FG_NO_INDEX until needed */
	bool *leaf_unnamed;
	uint32_t truncated;                     /* location */
	struct fg_runtimes *runtimes;           /* counts what is built; borrowed */
	uint32_t jit_modules[FG_RUNTIME_COUNT]; /* profile modules of generated code */
	uint32_t
		*code_processes; /* client module → process + 1 whose perf map names its builtins */
};

/** On failure done() is still needed. */
int fg_builder_init(struct fg_builder *builder, struct fg_profiler *profiler,
		    const struct fg_profiler_symbols *symbols, struct fg_err *err) FG_MUST_USE;
void fg_builder_done(struct fg_builder *builder);
/* Each interns: an index ≥ 0, or a negative error code. */
int64_t fg_builder_text(struct fg_builder *builder, const char *text,
			struct fg_err *err) FG_MUST_USE;
/** A location that stands for what is not known: "[truncated]". */
int64_t fg_builder_placeholder(struct fg_builder *builder, const char *name, uint32_t flags,
			       struct fg_err *err) FG_MUST_USE;
/** `frame` as in bpf/shared.h, or a kernel address; `context` is its stack's. */
int64_t fg_builder_location(struct fg_builder *builder, uint64_t frame, uint32_t context,
			    bool kernel, bool *ret_unnamed, struct fg_err *err) FG_MUST_USE;
/** `range`: where its code lies, or NULL. */
int64_t fg_builder_module(struct fg_builder *builder, const char *path, const char *build_id,
			  const struct fg_client_module *range, struct fg_err *err) FG_MUST_USE;
/** The location with the symbol's lines. */
int64_t fg_builder_symbol(struct fg_builder *builder, struct fg_plocation *location,
			  const struct fg_symbol *symbol, struct fg_err *err) FG_MUST_USE;
/** The location of a frame of FG_MODULE_SCRIPT; client_script.c. */
int64_t fg_client_script_location(struct fg_builder *builder, uint64_t frame, bool *ret_unnamed,
				  struct fg_err *err) FG_MUST_USE;
/** Request class and latency of a sample's request; client_labels.c. */
int fg_client_attribute(struct fg_builder *builder,
			const struct fg_profiler_profile_options *options,
			const struct fg_raw_sample *raw, struct fg_psample *sample,
			struct fg_err *err) FG_MUST_USE;

/** The profile's stack for a raw one. Its first `skip` frames (leaves) are left out; `root`, a
 *  location unless FG_NO_INDEX, is added as the outermost frame. */
int64_t fg_builder_stack(struct fg_builder *builder, uint32_t raw, size_t skip, uint32_t root,
			 struct fg_err *err) FG_MUST_USE;
enum fg_stack_result fg_builder_result(const struct fg_raw_stack *stack);
/** The phase that contains the moment, or NULL. */
const struct fg_profiler_phase *fg_builder_phase(const struct fg_profiler_profile_options *options,
						 uint64_t time_ns);
bool fg_builder_is_measured(const struct fg_profiler_phase *phase);

/* -- client_waits.c, client_types.c --------------------------------------------------------- */

#define FG_SIDE_OFFCPU "offcpu" /* in the builder's profile, until types are told apart */
#define FG_SIDE_FAULTS "faults"

/** Adds the waits, with that side. Fills info->wait_us and the counts of OFFCPU. */
int fg_client_add_waits(struct fg_builder *builder,
			const struct fg_profiler_profile_options *options,
			struct fg_profile_info *info, struct fg_err *err) FG_MUST_USE;
/** Adds samples of the other types (those of CPU are there), and takes the builder's profile apart
 *  into `ret`. */
int fg_client_split_types(struct fg_builder *builder,
			  const struct fg_profiler_profile_options *options,
			  struct fg_profile *ret[FG_PROFILE_TYPE_COUNT],
			  struct fg_profile_info *info, struct fg_err *err) FG_MUST_USE;

#endif
