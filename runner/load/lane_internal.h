/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of a lane: phases and VUs (lane.c), arrivals, and VUs that loop. */
#ifndef FG_LOAD_LANE_INTERNAL_H
#define FG_LOAD_LANE_INTERNAL_H

#include "runner/load/lane.h"

static inline uint64_t fg_lane_later(uint64_t base_ns, uint64_t offset_ns)
{
	uint64_t sum;

	return __builtin_add_overflow(base_ns, offset_ns, &sum) ? UINT64_MAX : sum;
}

struct fg_scenario_slice *fg_lane_counters(struct fg_lane *lane, uint64_t now_ns);
/** Makes one more VU and begins its init. */
int fg_lane_add_vu(struct fg_lane *lane, uint64_t now_ns, struct fg_err *err) FG_MUST_USE;
/** VUs that will be usable soon. */
size_t fg_lane_starting(const struct fg_lane *lane);
void fg_lane_begin(struct fg_lane *lane, struct fg_vu *vu, uint64_t due_ns, uint64_t number,
		   uint64_t now_ns);

/* lane_arrival.c */
void fg_lane_arrivals_init(struct fg_lane *lane);
void fg_lane_idle_push(struct fg_lane *lane, struct fg_vu *vu);
/** Enters what became due until now, and gives it to VUs. */
void fg_lane_serve(struct fg_lane *lane, uint64_t now_ns);
/** When the next event is due; UINT64_MAX: never. */
uint64_t fg_lane_next_arrival_ns(const struct fg_lane *lane);
/** The regular duration is over: what waits will never be sent. */
void fg_lane_drop_waiting(struct fg_lane *lane, uint64_t now_ns);

/* lane_loop.c */
void fg_lane_loop_init(struct fg_lane *lane);
/** Brings the number of looping VUs to the plan's. */
void fg_lane_adjust_vus(struct fg_lane *lane, uint64_t now_ns);
/** A VU ended an iteration: begins the next one, or returns false. */
bool fg_lane_loop_again(struct fg_lane *lane, struct fg_vu *vu, uint64_t now_ns);
/** True when none of its VUs will begin another iteration, whatever the time. */
bool fg_lane_loop_is_over(const struct fg_lane *lane);

#endif
