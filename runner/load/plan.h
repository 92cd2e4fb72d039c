/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schedule: pure functions from a scenario to due times and VU counts (design §3, binding).
 *
 * Knows no clock. due(k) = start + floor(k × unit / rate), the first event at t = 0, no event at or
 * after the end: 30/s for 30 s is exactly 900. VU ramps are a list of steps as k6 computes them.
 * The same functions serve shards: worker w of n takes the events k with k mod n == w.
 */
#ifndef FG_LOAD_PLAN_H
#define FG_LOAD_PLAN_H

#include "runner/scenario/scenario.h"

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
/** End of the regular duration, and of everything (with graceful stop), in ns after run start. */
uint64_t fg_plan_regular_end_ns(const struct fg_scenario *scenario);
uint64_t fg_plan_hard_end_ns(const struct fg_scenario *scenario);

#endif
