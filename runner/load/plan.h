/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule: pure functions from a scenario to due times and VU counts (design §3, binding).
 *
 * Knows no clock. Event k of an arrival executor is due when the area under the (piecewise linear)
 * rate reaches k, rounded down to a nanosecond: the first at t = 0, none at or after the end, so
 * 30/s for 30 s is exactly 900 and a ramp has ceil(area) events. All arithmetic is on integers:
 * nothing drifts, and every worker and every shard computes the same schedule. VU ramps are a list
 * of steps as k6 computes them.
 */
#ifndef FG_LOAD_PLAN_H
#define FG_LOAD_PLAN_H

#include "gate/base/random.h"
#include "runner/scenario/scenario.h"

/** True for the executors whose iterations are started by the clock. */
bool fg_plan_is_arrival(const struct fg_scenario *scenario);
/** True for the executors that stop after a number of iterations. */
bool fg_plan_is_counted(const struct fg_scenario *scenario);
/** 0, or INVALID or LIMIT for a schedule beyond the arithmetic's bounds (rate or unit 0, more than
 *  2^40 events, no VU, no iteration). */
int fg_plan_check(const struct fg_scenario *scenario, struct fg_err *err) FG_MUST_USE;
/** The same for one of `shards` parts: an arrival executor needs a VU in each of them. */
int fg_plan_check_shards(const struct fg_scenario *scenario, unsigned shards,
			 struct fg_err *err) FG_MUST_USE;

/** Number of events of an arrival executor, everywhere together; of `arrivals: poisson` the
 *  expected one. 0 for the others. */
uint64_t fg_plan_events(const struct fg_scenario *scenario);
/** How many iterations there will be, everywhere together: events, or those that were counted out
 *  beforehand; 0: open-ended, or left to chance. */
uint64_t fg_plan_iterations(const struct fg_scenario *scenario);
/** Due time of event k in ns after the scenario's start, before `arrivals` is applied; UINT64_MAX
 *  if there is no such event. */
uint64_t fg_plan_due_ns(const struct fg_scenario *scenario, uint64_t k);
/** Events per second at t ns after the scenario's start; 0 for VU executors. */
double fg_plan_rate_per_s(const struct fg_scenario *scenario, uint64_t t_ns);
/** How many VUs should be active t ns after the scenario's start (VU executors). */
uint64_t fg_plan_vus_at(const struct fg_scenario *scenario, uint64_t t_ns);
/** The next time > t_ns at which fg_plan_vus_at() changes; UINT64_MAX: never again. */
uint64_t fg_plan_next_vu_change_ns(const struct fg_scenario *scenario, uint64_t t_ns);
/** The most VUs it will ever have. */
uint64_t fg_plan_max_vus(const struct fg_scenario *scenario);
/** How many VUs are made before the run starts. */
uint64_t fg_plan_initial_vus(const struct fg_scenario *scenario);
/** How long iterations are started: duration or maxDuration. */
uint64_t fg_plan_duration_ns(const struct fg_scenario *scenario);
/** End of the regular duration, and of everything (with graceful stop), in ns after run start. */
uint64_t fg_plan_regular_end_ns(const struct fg_scenario *scenario);
uint64_t fg_plan_hard_end_ns(const struct fg_scenario *scenario);

/* -- Parts. A run is dealt to shards (machines), a shard to workers (threads); the parts together
 * do exactly what one would do. VU v (from 0) lives in shard v mod shards and there, as the
 * (v / shards)-th, on that number mod workers. Event k belongs to shard k mod shards, and there is
 * dealt to the VU slots in turn and follows them, so that no worker without VUs is given any. A
 * shared iteration follows the slot (k mod vus). */

struct fg_plan_part {
	unsigned shard, shards; /* from 0; shards ≥ 1 */
	unsigned worker, workers;
};

/** How many of the VUs 0 … total−1 are of this part. */
uint64_t fg_plan_vus_of_part(uint64_t total, const struct fg_plan_part *part);
/** The number (from 0) in the scenario of the index-th VU of this part. */
uint64_t fg_plan_vu_number(size_t index, const struct fg_plan_part *part);
/** The first event or shared iteration ≥ k of this part; UINT64_MAX: it never has any. */
uint64_t fg_plan_event_of_part(const struct fg_scenario *scenario, uint64_t k,
			       const struct fg_plan_part *part);
/** How many of the scenario's counted-out iterations are of this part. */
uint64_t fg_plan_iterations_of_part(const struct fg_scenario *scenario,
				    const struct fg_plan_part *part);

/* -- Cursors: the events of a part in order, with `arrivals` applied. -------------------------- */

/* Area under the rate, in 1/(2 × timeUnit) events: what makes linear rates whole numbers. */
__extension__ typedef unsigned __int128 fg_plan_area;

/* A stretch of time with a linear rate. */
struct fg_plan_leg {
	uint64_t start_ns, duration_ns;
	uint64_t from, to;   /* events per timeUnit */
	fg_plan_area before; /* under all legs before it */
};

struct fg_plan_cursor {
	uint64_t event;  /* its number in the whole schedule */
	uint64_t due_ns; /* after the scenario's start; UINT64_MAX: no more events */
	/* -- */
	const struct fg_scenario *scenario;
	struct fg_plan_part part;
	uint64_t seed, event_end;
	fg_plan_area end; /* under the whole curve */
	struct fg_plan_leg leg;
	size_t leg_index;
	struct fg_random random; /* poisson: the gaps */
	fg_plan_area position;   /* poisson: of the latest event, in 2^-32 events */
	uint64_t drawn;          /* poisson: events drawn so far */
};

/** Stands on the part's first event. What is random depends on seed and scenario name only: not on
 *  the part. */
void fg_plan_cursor_init(struct fg_plan_cursor *cursor, const struct fg_scenario *scenario,
			 const struct fg_plan_part *part, uint64_t seed);
void fg_plan_cursor_next(struct fg_plan_cursor *cursor);

#endif
