/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the plan: curves of arrivals, ramps of VUs. */
#ifndef FG_LOAD_PLAN_INTERNAL_H
#define FG_LOAD_PLAN_INTERNAL_H

#include "runner/load/plan.h"

/** plan_arrival.c: bounds of rates, units and areas. */
int fg_plan_arrival_check(const struct fg_scenario *scenario, struct fg_err *err) FG_MUST_USE;

/** plan_ramp.c: VUs of a ramping-vus executor at t, and the next moment > t in which that might
 *  change (UINT64_MAX after the last stage). */
uint64_t fg_plan_ramp_vus_at(const struct fg_scenario *scenario, uint64_t t_ns);
uint64_t fg_plan_ramp_next_ns(const struct fg_scenario *scenario, uint64_t t_ns);

#endif
