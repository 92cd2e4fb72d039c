/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/relate.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/profile/normalise.h"

enum { SEQUENCE_MAX = FG_PROFILE_STACK_MAX * 8 };

static const uint32_t NOT_YET = UINT32_MAX;

/* Rows are named by their index in cost->rows; one more stands for "no neighbour". */
struct walk {
	const struct fg_profile *profile;
	const struct fg_cost *cost;
	uint32_t wanted, end;
	bool callers;
	uint32_t *function_rows; /* per function */
	uint64_t *counts;        /* per row, and the end */
	size_t *seen;            /* per row, and the end: the last sample that counted, plus one */
	struct fg_buf key;
};

void fg_relations_done(struct fg_relations *relations)
{
	if (!relations)
		return;
	free(relations->items);
	*relations = (struct fg_relations){0};
}

static uint32_t row_of(struct walk *walk, uint32_t function, uint32_t flags)
{
	uint32_t *known = &walk->function_rows[function];

	if (*known != NOT_YET)
		return *known;
	fg_buf_clear(&walk->key);
	fg_cost_key(walk->profile, function, flags, &walk->key);
	const struct fg_cost_row *row =
		walk->key.data ? fg_cost_find(walk->cost, walk->key.data) : NULL;

	*known = row ? (uint32_t)(row - walk->cost->rows) : walk->end;
	return *known;
}

/* The rows of a stack, leaf first. */
static size_t flatten(struct walk *walk, const struct fg_pstack *stack, uint32_t rows[SEQUENCE_MAX])
{
	const struct fg_profile *profile = walk->profile;
	size_t count = 0;

	for (size_t i = 0; i < stack->frame_count; i++) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];

		if (i && (location->flags & FG_LOC_GUESSED))
			continue;
		for (size_t k = 0; k < location->line_count && count < SEQUENCE_MAX; k++)
			rows[count++] =
				row_of(walk, profile->lines[location->line_start + k].function,
				       location->flags);
	}
	return count;
}

static void count_once(struct walk *walk, uint32_t row, size_t number, uint64_t count)
{
	if (walk->seen[row] == number + 1)
		return;
	walk->seen[row] = number + 1;
	walk->counts[row] += count;
}

static void count_sample(struct walk *walk, size_t number, uint64_t *samples)
{
	const struct fg_psample *sample = &walk->profile->samples[number];
	uint32_t rows[SEQUENCE_MAX];
	size_t count = flatten(walk, &walk->profile->stacks[sample->stack], rows);
	bool found = false;

	for (size_t i = 0; i < count; i++) {
		if (rows[i] != walk->wanted)
			continue;
		found = true;
		if (walk->callers)
			count_once(walk, i + 1 < count ? rows[i + 1] : walk->end, number,
				   sample->count);
		else
			count_once(walk, i ? rows[i - 1] : walk->end, number, sample->count);
	}
	if (found)
		*samples += sample->count;
}

static int by_count(const void *left, const void *right)
{
	const struct fg_relation *a = left;
	const struct fg_relation *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (!a->row || !b->row)
		return (a->row != NULL) - (b->row != NULL);
	return strcmp(a->row->key, b->row->key);
}

static int collect(const struct walk *walk, struct fg_relations *ret, struct fg_err *err)
{
	for (uint32_t i = 0; i <= walk->end; i++) {
		if (!walk->counts[i])
			continue;
		int rc = FG_VEC_ROOM(ret, items, count, capacity, FG_PROFILE_ITEMS_MAX, err);

		if (rc)
			return rc;
		ret->items[ret->count++] = (struct fg_relation){
			.kind = i == walk->end ? FG_RELATION_END : FG_RELATION_FUNCTION,
			.row = i == walk->end ? NULL : &walk->cost->rows[i],
			.count = walk->counts[i],
		};
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_count);
	return 0;
}

static int walk_init(struct walk *walk, struct fg_err *err)
{
	size_t functions = walk->profile->function_count + 1, rows = (size_t)walk->end + 1;

	fg_buf_init(&walk->key, FG_PROFILE_STRING_MAX + FG_NORMALISE_MAX + 64);
	walk->function_rows = malloc(functions * sizeof(*walk->function_rows));
	walk->counts = calloc(rows, sizeof(*walk->counts));
	walk->seen = calloc(rows, sizeof(*walk->seen));
	if (!walk->function_rows || !walk->counts || !walk->seen)
		return fg_err_nomem(err);
	memset(walk->function_rows, 0xff, functions * sizeof(*walk->function_rows));
	return 0;
}

int fg_relate(const struct fg_profile *profile, const struct fg_cost_options *options,
	      const struct fg_cost *cost, const struct fg_cost_row *row, bool callers,
	      struct fg_relations *ret, struct fg_err *err)
{
	struct walk walk = {.profile = profile,
			    .cost = cost,
			    .wanted = (uint32_t)(row - cost->rows),
			    .end = (uint32_t)cost->count,
			    .callers = callers};
	struct fg_relations relations = {0};
	int rc = walk_init(&walk, err);

	for (size_t i = 0; i < profile->sample_count && rc == 0; i++)
		if (fg_cost_counts(profile, options, &profile->samples[i]))
			count_sample(&walk, i, &relations.samples);
	if (rc == 0)
		rc = collect(&walk, &relations, err);
	if (rc == 0)
		*ret = relations;
	else
		fg_relations_done(&relations);
	free(walk.function_rows);
	free(walk.counts);
	free(walk.seen);
	fg_buf_done(&walk.key);
	return rc;
}
