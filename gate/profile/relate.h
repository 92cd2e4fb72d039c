/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who calls a function and whom it calls, by samples: for each stack that shows it, the frames next
 * to it. A neighbour counts once per stack however often it recurs; frames found by a guess count
 * nowhere, as in cost.h. A sum over callers is the function's total where it does not recur.
 */
#ifndef FG_PROFILE_RELATE_H
#define FG_PROFILE_RELATE_H

#include "gate/profile/cost.h"

enum fg_relation_kind {
	FG_RELATION_FUNCTION,
	FG_RELATION_END, /* no neighbour: the root (callers), or itself on top (callees) */
};

struct fg_relation {
	enum fg_relation_kind kind;
	const struct fg_cost_row *row; /* of the cost; NULL for an end */
	uint64_t count;                /* samples */
};

struct fg_relations {
	struct fg_relation *items; /* by count, descending; ties by key */
	size_t count, capacity;
	uint64_t samples; /* with the function anywhere */
};

/** `cost` was made from the same profile with the same options; `row` is one of its rows and no
 *  group. */
int fg_relate(const struct fg_profile *profile, const struct fg_cost_options *options,
	      const struct fg_cost *cost, const struct fg_cost_row *row, bool callers,
	      struct fg_relations *ret, struct fg_err *err) FG_MUST_USE;
void fg_relations_done(struct fg_relations *relations);

#endif
