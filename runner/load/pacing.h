/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which scenarios are paced by a busy wait before each due time. Pure.
 *
 * Spinning takes 5 µs where a timer's wake-up takes 30, but eats a core's time: `auto` does it only
 * where that time is nobody else's (the generator's cores are not the target's, and there is one
 * more of them than workers) and the rate is high enough for the difference to matter.
 */
#ifndef FG_LOAD_PACING_H
#define FG_LOAD_PACING_H

#include <sched.h>

#include "runner/scenario/scenario.h"

struct fg_pacing_place {
	unsigned workers, shards;
	const cpu_set_t *cpus; /* of the generator; NULL: shared with everybody */
	bool cpus_exclusive;   /* the target does not run there */
};

bool fg_pacing_spins(const struct fg_pacing_place *pacing, const struct fg_scenario *scenario);

#endif
