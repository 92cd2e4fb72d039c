/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which row: pure functions of a VU's place, so that workers and machines share nothing.
 */
#include "runner/scenario/data.h"

#include "gate/base/random.h"

static uint64_t name_hash(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

	for (; name && *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3ull;
	return hash;
}

/* A permutation of 0 … count-1 without a table: a Feistel network over the next even number of
 * bits, walked until it is back in range (at most four turns on average). */
static uint64_t permute(uint64_t index, uint64_t count, uint64_t key)
{
	enum { ROUNDS = 6 };
	unsigned half = 1;

	while (half < 31 && (1ull << (2 * half)) < count)
		half++;
	const uint64_t mask = (1ull << half) - 1;

	do {
		uint64_t left = index >> half, right = index & mask;

		for (uint64_t round = 0; round < ROUNDS; round++) {
			uint64_t mixed = left ^ (fg_random_mix(key + round, right) & mask);

			left = right;
			right = mixed;
		}
		index = left << half | right;
	} while (index >= count);
	return index;
}

/* vu + taken × vus: VUs take turns, and no two ever have the same number. */
static uint64_t own_number(const struct fg_data_place *place, uint64_t taken)
{
	uint64_t number;

	if (__builtin_mul_overflow(taken, FG_MAX(place->vus, (uint64_t)1), &number) ||
	    __builtin_add_overflow(number, place->vu, &number))
		return UINT64_MAX;
	return number;
}

/* Where a VU is in the order: alone, or among all. */
static uint64_t position(const struct fg_data *data, const struct fg_data_place *place,
			 uint64_t taken)
{
	if (data->scope == FG_DATA_SCOPE_VU)
		return taken;
	return place->shared_index != UINT64_MAX ? place->shared_index : own_number(place, taken);
}

/* A VU's own rows are vu, vu + vus, …; recycled, it begins with them again. */
static uint64_t unique_row(const struct fg_data *data, const struct fg_data_place *place,
			   uint64_t taken)
{
	uint64_t vus = FG_MAX(place->vus, (uint64_t)1);

	if (place->vu >= data->row_count)
		return UINT64_MAX;
	if (data->on_end == FG_DATA_RECYCLE)
		taken %= (data->row_count - place->vu + vus - 1) / vus;
	return own_number(place, taken);
}

/* The row's number; from row_count on: used up. */
static uint64_t choose(const struct fg_data *data, const struct fg_data_place *place,
		       uint64_t taken)
{
	uint64_t count = data->row_count;

	if (data->order == FG_DATA_UNIQUE)
		return unique_row(data, place, taken);
	uint64_t at = position(data, place, taken);

	if (data->order != FG_DATA_RANDOM && data->on_end != FG_DATA_RECYCLE && at >= count)
		return UINT64_MAX;
	if (data->order == FG_DATA_SEQUENCE)
		return at % count;
	uint64_t key = fg_random_mix(place->seed, name_hash(data->name));

	if (data->scope == FG_DATA_SCOPE_VU)
		key = fg_random_mix(key, place->vu);
	if (data->order == FG_DATA_RANDOM)
		return fg_random_mix(key, at) % count;
	return permute(at % count, count, fg_random_mix(key, at / count));
}

const struct fg_data_row *fg_data_next(const struct fg_data *data, struct fg_data_cursor *cursor,
				       const struct fg_data_place *place)
{
	if (data->row_count == 0)
		return NULL;
	uint64_t row = choose(data, place, cursor->taken);

	if (row >= data->row_count)
		return NULL;
	cursor->taken++;
	return &data->rows[row];
}
