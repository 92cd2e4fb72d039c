/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/space.h"

#include <string.h>

void fg_spaces_init(struct fg_spaces *spaces, struct fg_bpf_arena *arena)
{
	memset(spaces, 0, sizeof(*spaces));
	spaces->arena = arena;
}

void fg_space_draft_add(struct fg_space_draft *draft, uint64_t start,
			const struct fg_bpf_mapping *mapping)
{
	if (start >= mapping->end)
		return;
	if (draft->count && mapping->module == FG_MODULE_ANON) {
		struct fg_bpf_mapping *last = &draft->mappings[draft->count - 1];

		/* JIT compilers map and protect page by page. */
		if (last->module == FG_MODULE_ANON && last->kind == mapping->kind &&
		    last->end >= start) {
			last->end = FG_MAX(last->end, mapping->end);
			return;
		}
	}
	if (draft->count == FG_MAPPINGS_MAX) {
		draft->left_out++;
		return;
	}
	draft->starts[draft->count] = start;
	draft->mappings[draft->count++] = *mapping;
}

/* Forgets the blocks whose rest is over. */
static void release_rested(struct fg_spaces *spaces, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < spaces->block_count; i++) {
		const struct fg_space_block *block = &spaces->blocks[i];

		if (!block->free_ns || now_ns < block->free_ns)
			spaces->blocks[kept++] = *block;
	}
	spaces->block_count = kept;
}

/* The first gap that is large enough. */
static int take_block(struct fg_spaces *spaces, uint32_t count, uint64_t now_ns, uint32_t *ret,
		      struct fg_err *err)
{
	uint32_t first = 0;
	size_t at = 0;

	release_rested(spaces, now_ns);
	for (; at < spaces->block_count && spaces->blocks[at].first - first < count; at++)
		first = spaces->blocks[at].first + spaces->blocks[at].count;
	if (spaces->block_count == FG_SPACE_BLOCKS_MAX || FG_ARENA_MAX - first < count)
		return fg_err_set(err, FG_E_LIMIT,
				  "more than %d executable mappings in all processes together",
				  FG_ARENA_MAX);
	memmove(&spaces->blocks[at + 1], &spaces->blocks[at],
		(spaces->block_count - at) * sizeof(spaces->blocks[0]));
	spaces->blocks[at] = (struct fg_space_block){.first = first, .count = count};
	spaces->block_count++;
	*ret = first;
	return 0;
}

static void rest_block(struct fg_spaces *spaces, const struct fg_bpf_range *range, uint64_t now_ns)
{
	for (size_t i = 0; range->count && i < spaces->block_count; i++) {
		if (spaces->blocks[i].first == range->first && !spaces->blocks[i].free_ns)
			spaces->blocks[i].free_ns = now_ns + FG_SPACE_REST_NS;
	}
}

static int unused_space(const struct fg_spaces *spaces, uint32_t *ret, struct fg_err *err)
{
	for (uint32_t i = 1; i < FG_SPACES_MAX; i++) {
		if (!spaces->items[i].users) {
			*ret = i;
			return 0;
		}
	}
	return fg_err_set(err, FG_E_LIMIT, "more than %d address spaces", FG_SPACES_MAX - 1);
}

int fg_spaces_install(struct fg_spaces *spaces, uint32_t *space, const struct fg_space_draft *draft,
		      uint64_t hash, uint64_t now_ns, struct fg_err *err)
{
	uint32_t id = *space, first = 0, count = (uint32_t)draft->count;
	bool is_new = !id || spaces->items[id].users > 1; /* others that share it keep it */
	int rc = is_new ? unused_space(spaces, &id, err) : 0;

	if (!rc && count)
		rc = take_block(spaces, count, now_ns, &first, err);
	if (rc)
		return rc;
	if (!++spaces->generation)
		spaces->generation = 1;
	memcpy(spaces->arena->starts + first, draft->starts, count * sizeof(draft->starts[0]));
	for (uint32_t i = 0; i < count; i++) {
		spaces->arena->mappings[first + i] = draft->mappings[i];
		spaces->arena->mappings[first + i].generation = spaces->generation;
	}
	if (is_new && *space)
		fg_spaces_leave(spaces, *space, now_ns);
	struct fg_space *item = &spaces->items[id];

	if (is_new)
		item->users = 1;
	else
		rest_block(spaces, &item->range, now_ns);
	item->hash = hash;
	item->range = (struct fg_bpf_range){
		.first = first, .count = count, .generation = spaces->generation};
	*space = id;
	return 0;
}

void fg_spaces_join(struct fg_spaces *spaces, uint32_t space)
{
	if (space)
		spaces->items[space].users++;
}

void fg_spaces_leave(struct fg_spaces *spaces, uint32_t space, uint64_t now_ns)
{
	struct fg_space *item = &spaces->items[space];

	if (!space || --item->users)
		return;
	rest_block(spaces, &item->range, now_ns);
	*item = (struct fg_space){0};
}
