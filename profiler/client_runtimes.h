/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the report says about language runtimes: how complete their stacks are, how much of their
 * code has names, and which option would help. For the client alone.
 */
#ifndef FG_PROFILER_CLIENT_RUNTIMES_H
#define FG_PROFILER_CLIENT_RUNTIMES_H

#include "profiler/client_builder.h"

/* Frames of one raw stack. */
struct fg_stack_frames {
	uint16_t all;         /* of the program and its runtime */
	uint16_t generated;   /* code that is in no file */
	uint16_t unnamed;     /* of it, without a name */
	uint16_t interpreted; /* functions that node's interpreter hides behind its own name */
	bool counted;
};

/* Of one runtime's frames. */
struct fg_runtime_counts {
	uint64_t interpreted, generated;
};

struct fg_runtimes {
	struct fg_builder *builder;
	struct fg_stack_frames *stacks; /* by raw stack */
	uint8_t *seen;                  /* processes that were sampled */
	struct fg_runtime_info items[FG_RUNTIME_COUNT];
	uint32_t flags[FG_RUNTIME_COUNT]; /* that all of its processes have */
	struct fg_runtime_counts counts[FG_RUNTIME_COUNT];
	const char *problems[FG_RUNTIME_COUNT]; /* of reading their perf maps; the client's */
	uint32_t trampoline;                    /* string */
};

int fg_runtimes_init(struct fg_runtimes *runtimes, struct fg_builder *builder,
		     struct fg_err *err) FG_MUST_USE;
void fg_runtimes_done(struct fg_runtimes *runtimes);
/** A sample whose stack was built. */
void fg_runtimes_count(struct fg_runtimes *runtimes, const struct fg_raw_sample *sample);
/** Writes those that were seen, with advice. */
void fg_runtimes_report(struct fg_runtimes *runtimes, struct fg_profile_info *info);

/** What to do about it, in one line; "" when nothing is missing. Pure. `counts` are among
 *  info->frames; `problem` is why names are missing, or NULL. */
void fg_runtime_advice(enum fg_runtime runtime, uint32_t flags,
		       const struct fg_runtime_counts *counts, const char *problem,
		       struct fg_runtime_info *info);

#endif
