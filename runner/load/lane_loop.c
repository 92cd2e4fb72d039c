/* SPDX-License-Identifier: Apache-2.0 */
/* VUs that loop: until the plan takes them away, or until their iterations are used up. */
#include "runner/load/lane_internal.h"

#include "gate/base/clock.h"

/* VUs started before the loop gets its turn: thousands that start at once must not make the
 * arrivals of another scenario late. */
enum { STARTS_PER_TURN = 64 };

static bool is_shared(const struct fg_lane *lane)
{
	return lane->scenario->executor == FG_EXEC_SHARED_ITERATIONS;
}

void fg_lane_loop_init(struct fg_lane *lane)
{
	const struct fg_plan_part *part = &lane->options.part;

	lane->left = fg_plan_iterations_of_part(lane->scenario, part);
	if (is_shared(lane))
		lane->next_number = fg_plan_event_of_part(lane->scenario, 0, part);
}

static bool has_more(const struct fg_lane *lane, const struct fg_vu *vu)
{
	if (fg_vu_exhausted(vu) || fg_vu_needs_init(vu) || vu->init_failed)
		return false;
	if (is_shared(lane))
		return lane->left > 0;
	return lane->scenario->executor != FG_EXEC_PER_VU_ITERATIONS ||
	       vu->ids.iteration < lane->scenario->iterations;
}

/* Unique in the run: dealt beforehand where iterations are counted out, else interleaved. */
static uint64_t take_number(struct fg_lane *lane, const struct fg_vu *vu)
{
	const struct fg_plan_part *part = &lane->options.part;
	uint64_t number;

	if (!fg_plan_is_counted(lane->scenario))
		return fg_plan_vu_number(lane->iterations, part);
	lane->left--;
	if (!is_shared(lane))
		return vu->ids.iteration * lane->scenario->vus + fg_plan_vu_number(vu->index, part);
	number = lane->next_number;
	lane->next_number = fg_plan_event_of_part(lane->scenario, number + 1, part);
	return number;
}

/* A closed model has no schedule of requests: a VU's clock starts when it starts. Many start at the
 * same moment by plan, and that the last of them waits for the others is not the target's doing. */
static void activate(struct fg_lane *lane, struct fg_vu *vu)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	fg_timer_clear(lane->options.env->pacer, &vu->cut_timer);
	/* else: goes on as if it had never been stopped */
	if (vu->state == FG_VU_IDLE && has_more(lane, vu))
		fg_lane_begin(lane, vu, now_ns, take_number(lane, vu), now_ns);
}

void fg_lane_adjust_vus(struct fg_lane *lane, uint64_t now_ns)
{
	const uint64_t all = fg_plan_vus_at(lane->scenario, now_ns - lane->start_ns);
	const size_t target = (size_t)fg_plan_vus_of_part(all, &lane->options.part);
	const uint64_t due_ns = FG_MIN(lane->change_ns, now_ns);
	const size_t before = lane->active;

	lane->active = FG_MIN(target, before + STARTS_PER_TURN);
	lane->adjusting = true;
	for (size_t i = before; i < lane->active; i++)
		activate(lane, lane->vus[i]);
	lane->adjusting = false;
	for (size_t i = lane->active; i < before; i++) {
		if (lane->vus[i]->state != FG_VU_IDLE)
			fg_timer_set(lane->options.env->pacer, &lane->vus[i]->cut_timer,
				     fg_lane_later(due_ns, lane->scenario->graceful_ramp_down_ns));
	}
	if (lane->active < target)
		lane->change_ns = now_ns; /* the rest on the next turn */
	else
		lane->change_ns = fg_lane_later(lane->start_ns,
						fg_plan_next_vu_change_ns(lane->scenario,
									  now_ns - lane->start_ns));
}

bool fg_lane_loop_again(struct fg_lane *lane, struct fg_vu *vu, uint64_t now_ns)
{
	if (lane->state == FG_LANE_ACTIVE && vu->index < lane->active && has_more(lane, vu)) {
		fg_lane_begin(lane, vu, vu->due_ns, take_number(lane, vu), now_ns);
		return true;
	}
	fg_timer_clear(lane->options.env->pacer, &vu->cut_timer);
	return false;
}

bool fg_lane_loop_is_over(const struct fg_lane *lane)
{
	/* One that has more and was activated is never idle. */
	return fg_plan_is_counted(lane->scenario) && lane->active == lane->vu_count &&
	       !lane->busy && !lane->adjusting;
}
