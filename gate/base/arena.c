/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 1024 };

struct fg_arena_block {
	struct fg_arena_block *next;
	size_t size, used;
	_Alignas(max_align_t) char bytes[];
};

void fg_arena_init(struct fg_arena *arena, size_t max_bytes)
{
	*arena = (struct fg_arena){.max = max_bytes};
}

void fg_arena_done(struct fg_arena *arena)
{
	if (!arena)
		return;
	struct fg_arena_block *block = arena->first;

	while (block) {
		struct fg_arena_block *next = block->next;

		free(block);
		block = next;
	}
	*arena = (struct fg_arena){.max = arena->max};
}

void fg_arena_clear(struct fg_arena *arena)
{
	arena->current = arena->first;
	if (arena->first)
		arena->first->used = 0;
	arena->used = 0;
}

/* Each block is twice the last one, so that few suffice and none is needed after warm-up. */
static struct fg_arena_block *add_block(struct fg_arena *arena, struct fg_arena_block *last,
					size_t len)
{
	size_t size = last ? last->size : FIRST_BLOCK_BYTES / 2;

	size = size > arena->max / 2 ? arena->max : size * 2;
	size = FG_MAX(size, len);
	if (size > SIZE_MAX - sizeof(struct fg_arena_block))
		return NULL;
	struct fg_arena_block *block = malloc(sizeof(*block) + size);

	if (!block)
		return NULL;
	*block = (struct fg_arena_block){.size = size};
	if (last)
		last->next = block;
	else
		arena->first = block;
	return block;
}

/* The current block, or the first behind it that has room; what is passed over rests until clear.
 */
static struct fg_arena_block *find_block(struct fg_arena *arena, size_t len)
{
	struct fg_arena_block *block = arena->current;
	struct fg_arena_block *last = block;

	if (block && len <= block->size - block->used)
		return block;
	block = block ? block->next : arena->first;
	while (block && block->size < len) {
		last = block;
		block = block->next;
	}
	if (!block)
		return add_block(arena, last, len);
	block->used = 0;
	return block;
}

void *fg_arena_alloc(struct fg_arena *arena, size_t len)
{
	const size_t align = _Alignof(max_align_t);

	if (len > arena->max || arena->max - len < arena->used)
		return NULL;
	size_t room = (len + align - 1) / align * align;
	struct fg_arena_block *block = find_block(arena, room);

	if (!block)
		return NULL;
	void *piece = block->bytes + block->used;

	block->used += room;
	arena->current = block;
	arena->used += FG_MIN(room, arena->max - arena->used);
	return piece;
}

char *fg_arena_copy(struct fg_arena *arena, const char *text, size_t len)
{
	char *copy = len < SIZE_MAX ? fg_arena_alloc(arena, len + 1) : NULL;

	if (!copy)
		return NULL;
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}
