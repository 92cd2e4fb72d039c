/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Was the generator itself the bottleneck? Pure: judges what was measured.
 *
 * A run is invalid when its numbers describe the generator rather than the target:
 *   1. wake-ups were late while a VU was free: more than 5 % of them by over 10 ms, or the p99 over
 *      50 ms (at least 100 wake-ups);
 *   2. a worker's thread used, or stood in the queue for, more than 85 % of a core in the measured
 *      phase and less than 99 % of the scheduled iterations were started in time to finish. The
 *      queue counts because VUs are then busy with answers that nobody has read yet, which hides
 *      the lateness from rule 1.
 *   3. VUs were missing because their init steps failed: another load than the one described.
 * Single hiccups of a shared machine stay below both: on 2 noisy cores at 200/s the p99 is
 * typically below 2 ms, and a stall of 100 ms once a minute makes 0.2 % late wake-ups. Waiting for
 * a busy VU is the target's doing, never a reason.
 */
#ifndef FG_LOAD_VALID_H
#define FG_LOAD_VALID_H

#include "gate/measure/slice.h"

struct fg_valid_input {
	const struct fg_registry *registry;
	const struct fg_slice *totals; /* measured phase */
	uint64_t measured_ns;
	double busiest_cpu_share;    /* thread CPU ÷ wall time of the busiest worker, 0…1 */
	double busiest_waited_share; /* the same of its time without a core that it was ready for */
	bool spinning;               /* then that share says nothing */
	uint64_t inits_failed;       /* VUs that could not be used, the first in this scenario */
	size_t inits_scenario;
};

/** Writes the reason and returns false, or returns true with an empty text. */
bool fg_valid_judge(const struct fg_valid_input *input, char *reason, size_t size_bytes);

#endif
