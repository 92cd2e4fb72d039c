/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces as the kernel side sees them: each a range of the one array of mappings that both
 * sides share.
 *
 * A range is written once and never changed: new content gets a new range and a new generation,
 * and the old one is left alone for a while, because a sample on another CPU may still be reading
 * it. Nothing here waits for the kernel. Knows nothing of processes.
 */
#ifndef FG_PROFILER_SPACE_H
#define FG_PROFILER_SPACE_H

#include "gate/base/err.h"
#include "profiler/bpf/shared.h"

/* Mappings being put together, ascending. */
struct fg_space_draft {
	uint64_t starts[FG_MAPPINGS_MAX];
	struct fg_bpf_mapping mappings[FG_MAPPINGS_MAX];
	size_t count;
	size_t left_out; /* beyond the limit */
};

struct fg_space {
	uint32_t users; /* processes; 0: free */
	uint64_t hash;  /* of the mappings that were installed */
	struct fg_bpf_range range;
};

struct fg_space_block { /* of the array: in use, or left alone until `free_ns` */
	uint32_t first, count;
	uint64_t free_ns; /* 0: in use */
};

enum { FG_SPACE_BLOCKS_MAX = 4 * FG_SPACES_MAX };
#define FG_SPACE_REST_NS                                                         \
	(200 * 1000000ull) /* longer than any sample takes, stolen time included \
			    */

struct fg_spaces {
	struct fg_bpf_arena *arena;           /* shared with the kernel */
	struct fg_space items[FG_SPACES_MAX]; /* [0] is never used */
	struct fg_space_block blocks[FG_SPACE_BLOCKS_MAX];
	size_t block_count; /* ascending by `first` */
	uint32_t generation;
};

void fg_spaces_init(struct fg_spaces *spaces, struct fg_bpf_arena *arena);
/** Adds a mapping; one that continues the anonymous one before it makes that longer. */
void fg_space_draft_add(struct fg_space_draft *draft, uint64_t start,
			const struct fg_bpf_mapping *mapping);
/** Writes the draft into a fresh range and makes it the content of `*space`, or of a new space with
 *  one user if that is 0 or shared. `*space` is changed only on success. LIMIT: no room. */
int fg_spaces_install(struct fg_spaces *spaces, uint32_t *space, const struct fg_space_draft *draft,
		      uint64_t hash, uint64_t now_ns, struct fg_err *err) FG_MUST_USE;
void fg_spaces_join(struct fg_spaces *spaces, uint32_t space);
void fg_spaces_leave(struct fg_spaces *spaces, uint32_t space, uint64_t now_ns);

#endif
