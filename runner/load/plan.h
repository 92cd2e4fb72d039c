/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule: pure functions from a scenario to due times and VU counts (design §3, binding).
 *
 * Knows no clock. due(k) = start + floor(k × unit / rate), the first event at t = 0, no event at or
 * after the end: 30/s for 30 s is exactly 900. VU ramps are a list of steps as k6 computes them.
 * The same functions serve shards: the workers together do exactly what one would do.
 */
#ifndef FG_LOAD_PLAN_H
#define FG_LOAD_PLAN_H

#include "runner/scenario/scenario.h"

/** True for the executors whose iterations are started by the clock. */
bool fg_plan_is_arrival(const struct fg_scenario *scenario);
/** 0, or LATER for what this build cannot run yet (executor, arrivals), or INVALID for a schedule
 *  beyond the arithmetic's bounds (rate or unit 0, more than 2^40 events, no VU). */
int fg_plan_check(const struct fg_scenario *scenario, struct fg_err *err) FG_MUST_USE;

/** Number of events of an arrival executor (all workers together). */
uint64_t fg_plan_events(const struct fg_scenario *scenario);
/** Due time of event k in ns after the scenario's start, before arrivals jitter. */
uint64_t fg_plan_due_ns(const struct fg_scenario *scenario, uint64_t k);
/** Due time with `arrivals` applied: jittered inside its own slot [due(k), due(k+1)), uniform
 *  unchanged. Deterministic in (seed, k), so that every worker agrees. */
uint64_t fg_plan_arrival_ns(const struct fg_scenario *scenario, uint64_t k, uint64_t seed);
/** How many VUs should be active t ns after the scenario's start (VU executors). */
uint64_t fg_plan_vus_at(const struct fg_scenario *scenario, uint64_t t_ns);
/** The next time > t_ns at which fg_plan_vus_at() changes; UINT64_MAX: never again. */
uint64_t fg_plan_next_vu_change_ns(const struct fg_scenario *scenario, uint64_t t_ns);
/** The most VUs it will ever have. */
uint64_t fg_plan_max_vus(const struct fg_scenario *scenario);
/** How many VUs are made before the run starts. */
uint64_t fg_plan_initial_vus(const struct fg_scenario *scenario);
/** End of the regular duration, and of everything (with graceful stop), in ns after run start. */
uint64_t fg_plan_regular_end_ns(const struct fg_scenario *scenario);
uint64_t fg_plan_hard_end_ns(const struct fg_scenario *scenario);

/* -- Shards. VU v (from 0) lives on worker v mod workers. Events are dealt to VU slots in turn and
 * follow them: event k runs on worker (k mod maxVUs) mod workers. That is k mod workers wherever
 * every worker has the same number of VUs, and never gives events to a worker without VUs. */

/** How many of the VUs 0 … total−1 live on `worker`. */
uint64_t fg_plan_vus_of_worker(uint64_t total, unsigned worker, unsigned workers);
/** The first event ≥ k that belongs to `worker`; fg_plan_events() when there is none. */
uint64_t fg_plan_event_of_worker(const struct fg_scenario *scenario, uint64_t k, unsigned worker,
				 unsigned workers);

#endif
