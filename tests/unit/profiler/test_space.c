/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of the shared array: written once, left alone after use, never two at one place. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/modules.h"
#include "profiler/space.h"

struct stage {
	struct fg_bpf_arena *arena;
	struct fg_spaces *spaces;
	struct fg_space_draft *draft;
};

static void set_up(struct stage *stage)
{
	stage->arena = calloc(1, sizeof(*stage->arena));
	stage->spaces = calloc(1, sizeof(*stage->spaces));
	stage->draft = calloc(1, sizeof(*stage->draft));
	assert_non_null(stage->arena);
	assert_non_null(stage->spaces);
	assert_non_null(stage->draft);
	fg_spaces_init(stage->spaces, stage->arena);
}

static void tear_down(struct stage *stage)
{
	free(stage->arena);
	free(stage->spaces);
	free(stage->draft);
}

static void fill(struct fg_space_draft *draft, size_t count, uint64_t from)
{
	draft->count = draft->left_out = 0;
	for (size_t i = 0; i < count; i++) {
		const struct fg_bpf_mapping mapping = {.end = from + 0x1000 * i + 0x800,
						       .module = FG_MODULE_FIRST};

		fg_space_draft_add(draft, from + 0x1000 * i, &mapping);
	}
}

static uint32_t install(struct stage *stage, uint32_t space, uint64_t hash, uint64_t now_ns)
{
	struct fg_err err = {0};

	assert_ok(fg_spaces_install(stage->spaces, &space, stage->draft, hash, now_ns, &err), &err);
	return space;
}

static void test_draft(void **state)
{
	struct stage stage;
	const struct fg_bpf_mapping anonymous = {.end = 0x2000, .module = FG_MODULE_ANON},
				    next = {.end = 0x3000, .module = FG_MODULE_ANON},
				    jit = {.end = 0x4000,
					   .module = FG_MODULE_ANON,
					   .kind = FG_MAP_JIT},
				    empty = {.end = 0x4000, .module = FG_MODULE_FIRST};

	(void)state;
	set_up(&stage);
	fg_space_draft_add(stage.draft, 0x1000, &anonymous);
	fg_space_draft_add(stage.draft, 0x2000, &next);
	assert_int_equal(stage.draft->count, 1);
	assert_int_equal(stage.draft->mappings[0].end, 0x3000);
	fg_space_draft_add(stage.draft, 0x3000, &jit); /* another kind of memory */
	assert_int_equal(stage.draft->count, 2);
	fg_space_draft_add(stage.draft, 0x4000, &empty);
	assert_int_equal(stage.draft->count, 2);
	fill(stage.draft, FG_MAPPINGS_MAX + 5, 0x10000);
	assert_int_equal(stage.draft->count, FG_MAPPINGS_MAX);
	assert_int_equal(stage.draft->left_out, 5);
	tear_down(&stage);
}

static void test_replaced(void **state)
{
	struct stage stage;

	(void)state;
	set_up(&stage);
	fill(stage.draft, 3, 0x1000);
	uint32_t space = install(&stage, 0, 11, 1);
	const struct fg_space *item = &stage.spaces->items[space];
	struct fg_bpf_range before = item->range;

	assert_int_not_equal(space, 0);
	assert_int_equal(item->users, 1);
	assert_int_equal(item->hash, 11);
	assert_int_equal(before.count, 3);
	fill(stage.draft, 3, 0x100000);
	assert_int_equal(install(&stage, space, 12, 2), space);
	/* elsewhere, and what was there is as it was */
	assert_true(item->range.first >= before.first + before.count);
	assert_int_not_equal(item->range.generation, before.generation);
	assert_int_equal(stage.arena->starts[before.first], 0x1000);
	assert_int_equal(stage.arena->mappings[before.first].generation, before.generation);
	assert_int_equal(stage.arena->starts[item->range.first], 0x100000);
	assert_int_equal(stage.arena->mappings[item->range.first].generation,
			 item->range.generation);
	/* until it has rested */
	install(&stage, space, 13, FG_SPACE_REST_NS);
	assert_true(item->range.first >= before.first + 2 * before.count);
	install(&stage, space, 14, FG_SPACE_REST_NS + 2);
	assert_int_equal(item->range.first, before.first);
	tear_down(&stage);
}

static void test_shared(void **state)
{
	struct stage stage;

	(void)state;
	set_up(&stage);
	fill(stage.draft, 2, 0x1000);
	uint32_t space = install(&stage, 0, 1, 1);
	struct fg_bpf_range range = stage.spaces->items[space].range;

	fg_spaces_join(stage.spaces, space);
	uint32_t other = install(&stage, space, 2, 2);

	/* the one that stays keeps what it had */
	assert_int_not_equal(other, space);
	assert_int_equal(stage.spaces->items[space].users, 1);
	assert_memory_equal(&stage.spaces->items[space].range, &range, sizeof(range));
	fg_spaces_leave(stage.spaces, space, 3);
	assert_int_equal(stage.spaces->items[space].users, 0);
	assert_int_equal(install(&stage, 0, 3, 4), space); /* its number serves again */
	assert_int_not_equal(stage.spaces->items[space].range.generation, range.generation);
	fg_spaces_leave(stage.spaces, 0, 5); /* of a process without a space */
	fg_spaces_join(stage.spaces, 0);
	tear_down(&stage);
}

static void test_full(void **state)
{
	struct stage stage;
	uint32_t last = 0, space = 0;
	struct fg_err err = {0};

	(void)state;
	set_up(&stage);
	fill(stage.draft, FG_MAPPINGS_MAX, 0x1000);
	for (unsigned i = 0; i < FG_ARENA_MAX / FG_MAPPINGS_MAX; i++)
		last = install(&stage, 0, i + 1, 1);
	assert_int_equal(fg_spaces_install(stage.spaces, &space, stage.draft, 9, 1, &err),
			 -FG_E_LIMIT);
	assert_int_equal(space, 0);
	uint32_t kept = last;

	/* a refused replacement leaves the old content */
	assert_int_equal(fg_spaces_install(stage.spaces, &kept, stage.draft, 9, 1, &err),
			 -FG_E_LIMIT);
	assert_int_equal(kept, last);
	assert_int_equal(stage.spaces->items[last].range.count, FG_MAPPINGS_MAX);
	fg_spaces_leave(stage.spaces, last, 2);
	assert_int_equal(fg_spaces_install(stage.spaces, &space, stage.draft, 9, 3, &err),
			 -FG_E_LIMIT);
	install(&stage, 0, 9, 2 + FG_SPACE_REST_NS);
	tear_down(&stage);
}

/* Many that come and go: no two live ranges ever share a place. */
static void test_churn(void **state)
{
	enum { SPACES = 200, ROUNDS = 5000 };
	struct stage stage;
	uint32_t spaces[SPACES] = {0};
	uint64_t random = 1;

	(void)state;
	set_up(&stage);
	for (unsigned round = 0; round < ROUNDS; round++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		size_t i = (random >> 33) % SPACES;

		if (spaces[i] && random >> 63) {
			fg_spaces_leave(stage.spaces, spaces[i], round * 1000000ull);
			spaces[i] = 0;
			continue;
		}
		fill(stage.draft, 1 + (random >> 40) % 60, 0x1000);
		spaces[i] = install(&stage, spaces[i], round + 1, round * 1000000ull);
		for (size_t k = 1; k < stage.spaces->block_count; k++)
			assert_true(stage.spaces->blocks[k - 1].first +
					    stage.spaces->blocks[k - 1].count <=
				    stage.spaces->blocks[k].first);
	}
	for (size_t i = 0; i < SPACES; i++) {
		const struct fg_bpf_range *range = &stage.spaces->items[spaces[i]].range;

		for (uint32_t k = 0; spaces[i] && k < range->count; k++)
			assert_int_equal(stage.arena->mappings[range->first + k].generation,
					 range->generation);
	}
	tear_down(&stage);
}

/* Tables of several parts may fill the index up to its last entries, where a difference would turn
 * huge: the next table must not be let in. */
static void test_page_index(void **state)
{
	enum { ROOM = FG_PAGES_MAX - FG_MODULE_PARTS_MAX };
	static const struct {
		uint32_t used;
		size_t pages;
		bool fits;
	} cases[] = {
		{0, 0, true},
		{0, ROOM, true},
		{0, ROOM + 1, false},
		{ROOM - 5, 5, true},
		{ROOM - 5, 6, false},
		{ROOM, 0, true},
		{ROOM, 1, false},
		{ROOM + 1, 1, false},
		{FG_PAGES_MAX - 1, 1, false},
		{FG_PAGES_MAX, 1, false},
		{FG_PAGES_MAX, SIZE_MAX, false},
		{1, SIZE_MAX - FG_MODULE_PARTS_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		if (fg_modules_pages_fit(cases[i].used, cases[i].pages) != cases[i].fits)
			fail_msg("%u + %zu", cases[i].used, cases[i].pages);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_draft),  cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_shared), cmocka_unit_test(test_full),
		cmocka_unit_test(test_churn),  cmocka_unit_test(test_page_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
