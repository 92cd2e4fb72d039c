/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given out in pieces and taken back all at once: what one iteration needs.
 *
 * Promises: after warm-up no allocation, because clear() keeps the blocks; a maximum that its owner
 * states bounds the sum. Pieces never move. Single-threaded.
 */
#ifndef FG_BASE_ARENA_H
#define FG_BASE_ARENA_H

#include "gate/base/err.h"

struct fg_arena_block;

struct fg_arena {
	struct fg_arena_block *first, *current;
	size_t used, max;
};

void fg_arena_init(struct fg_arena *arena, size_t max_bytes);
void fg_arena_done(struct fg_arena *arena);
/** Everything given out is void; the blocks are kept. */
void fg_arena_clear(struct fg_arena *arena);
/** `len` bytes, aligned for any type, not zeroed; NULL: beyond the maximum, or no memory. */
void *fg_arena_alloc(struct fg_arena *arena, size_t len);
/** A NUL-terminated copy; NULL as above. */
char *fg_arena_copy(struct fg_arena *arena, const char *text, size_t len);

#endif
