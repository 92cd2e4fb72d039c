/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From samples to cost: self and total samples per function key, overall, per class and per second.
 *
 * Total counts a function once per stack however often it recurs. Kernel frames: the whole kernel
 * part of a stack is one function named by its system call ("[kernel] sys_writev"), else
 * "[kernel] page_fault", "[kernel] interrupt", "[kernel] syscall" (none was named) or "[kernel]".
 * Single kernel functions are listed too, never gated: a sum of self over all rows must leave out
 * rows that are `kernel` but not `group`. Truncated stacks count in self and stay out of the total
 * of ancestors that they do not show; frames found by a guess count nowhere. Unnamed functions,
 * placeholders and ambiguous keys are never gated.
 */
#ifndef FG_PROFILE_COST_H
#define FG_PROFILE_COST_H

#include "gate/base/buf.h"
#include "gate/profile/profile.h"

struct fg_cost_row {
	char *key;      /* module ' ' normalised name (module = basename) */
	char *name;     /* a raw demangled name for people (the most frequent one) */
	char *module;   /* basename */
	char *filename; /* source file, or "" */
	uint32_t line;
	bool gated;     /* false: unnamed, ambiguous or a single kernel function */
	bool ambiguous; /* several source functions under this key */
	bool kernel;
	bool group;              /* the kernel part of stacks, by system call */
	uint64_t self;           /* samples with it at the top */
	uint64_t total;          /* samples with it anywhere */
	uint32_t *self_by_block; /* block_count entries */
	uint32_t *total_by_block;
};

struct fg_cost {
	struct fg_cost_row *rows; /* by self, descending; ties by key */
	size_t count, capacity;
	const struct fg_cost_row **by_key; /* count entries, sorted by key */
	uint64_t samples;                  /* all samples counted */
	uint64_t *samples_by_block;        /* block_count entries */
	size_t block_count;
	uint64_t unnamed_self; /* samples whose leaf has no name */
	uint64_t incomplete;   /* samples whose stack is not COMPLETE, but has a user part */
	uint64_t kernel_only;  /* samples without one */
};

struct fg_cost_options {
	const char *phase;       /* NULL: all phases; normally "measure" */
	const char *endpoint;    /* NULL: all */
	const char *latency;     /* NULL: all; "slow": of slow requests */
	const uint32_t *seconds; /* only these, second_count of them; NULL: all */
	size_t second_count;
	uint32_t second_from;   /* first second counted */
	uint32_t block_seconds; /* 0: one block for everything after second_from */
	uint32_t block_count;   /* blocks after second_from; samples outside are left out */
};

int fg_cost_new(const struct fg_profile *profile, const struct fg_cost_options *options,
		struct fg_cost **ret, struct fg_err *err) FG_MUST_USE;
void fg_cost_free(struct fg_cost *cost);
const struct fg_cost_row *fg_cost_find(const struct fg_cost *cost, const char *key);
/** Appends the key of a function that is reached through a location with these flags. */
void fg_cost_key(const struct fg_profile *profile, uint32_t function, uint32_t location_flags,
		 struct fg_buf *out);
/** Whether the options ask for this sample, blocks aside. */
bool fg_cost_counts(const struct fg_profile *profile, const struct fg_cost_options *options,
		    const struct fg_psample *sample);

#endif
