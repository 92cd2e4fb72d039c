/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_ids.h"

#include <stdlib.h>

#include "gate/base/vec.h"
#include "gate/profile/profile.h"

void fg_pprof_ids_done(struct fg_pprof_ids *ids)
{
	free(ids->items);
	*ids = (struct fg_pprof_ids){.what = ids->what};
}

int fg_pprof_ids_add(struct fg_pprof_ids *ids, uint64_t id, uint32_t index, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(ids, items, count, capacity, FG_PROFILE_ITEMS_MAX, err);

	if (rc)
		return rc;
	ids->items[ids->count++] = (struct fg_pprof_id){.id = id, .index = index};
	return 0;
}

static int by_id(const void *left, const void *right)
{
	const struct fg_pprof_id *a = left;
	const struct fg_pprof_id *b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

int fg_pprof_ids_seal(struct fg_pprof_ids *ids, struct fg_err *err)
{
	if (ids->count)
		qsort(ids->items, ids->count, sizeof(*ids->items), by_id);
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i].id == 0)
			return fg_err_set(err, FG_E_INVALID, "profile: a %s with id 0", ids->what);
		if (i && ids->items[i].id == ids->items[i - 1].id)
			return fg_err_set(err, FG_E_INVALID, "profile: two %ss with id %llu",
					  ids->what, (unsigned long long)ids->items[i].id);
	}
	return 0;
}

int64_t fg_pprof_ids_find(const struct fg_pprof_ids *ids, uint64_t id, struct fg_err *err)
{
	/* Nearly every writer numbers densely from 1. */
	if (id && id <= ids->count && ids->items[id - 1].id == id)
		return ids->items[id - 1].index;
	struct fg_pprof_id key = {.id = id};
	const struct fg_pprof_id *found = NULL;

	if (ids->count)
		found = bsearch(&key, ids->items, ids->count, sizeof(key), by_id);
	if (found)
		return found->index;
	return fg_err_set(err, FG_E_INVALID, "profile: %s %llu does not exist", ids->what,
			  (unsigned long long)id);
}
