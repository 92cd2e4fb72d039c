/* SPDX-License-Identifier: Apache-2.0 */
/* pprof ids (any non-zero 64-bit numbers, usually 1…n) → our indexes; for pprof_*.c only. */
#ifndef FG_PROFILE_PPROF_IDS_H
#define FG_PROFILE_PPROF_IDS_H

#include "gate/base/err.h"

struct fg_pprof_id {
	uint64_t id;
	uint32_t index;
};

struct fg_pprof_ids {
	const char *what; /* "location", for messages */
	struct fg_pprof_id *items;
	size_t count, capacity;
};

void fg_pprof_ids_done(struct fg_pprof_ids *ids);
int fg_pprof_ids_add(struct fg_pprof_ids *ids, uint64_t id, uint32_t index,
		     struct fg_err *err) FG_MUST_USE;
/** After the last add, before the first find; refuses id 0 and duplicates. */
int fg_pprof_ids_seal(struct fg_pprof_ids *ids, struct fg_err *err) FG_MUST_USE;
/** The index of an id; INVALID when it does not exist. */
int64_t fg_pprof_ids_find(const struct fg_pprof_ids *ids, uint64_t id,
			  struct fg_err *err) FG_MUST_USE;

#endif
