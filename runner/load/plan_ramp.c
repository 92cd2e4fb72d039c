/* SPDX-License-Identifier: Apache-2.0 */
/* The ramps of ramping-vus, after k6's getRawExecutionSteps(): single VUs start and stop at
 * moments computed beforehand. */
#include "runner/load/plan_internal.h"

static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t divisor)
{
	return (uint64_t)((fg_plan_area)a * b / divisor);
}

static uint64_t mul_div_up(uint64_t a, uint64_t b, uint64_t divisor)
{
	return (uint64_t)(((fg_plan_area)a * b + divisor - 1) / divisor);
}

/* One stage: from → to between start_ns and end_ns; the j-th of n single steps happens at
 * end − floor(duration × (n − j) / n). */
struct ramp {
	uint64_t start_ns, end_ns;
	uint64_t from, to;
};

static uint64_t ramp_steps(const struct ramp *ramp)
{
	return ramp->to > ramp->from ? ramp->to - ramp->from : ramp->from - ramp->to;
}

static uint64_t ramp_step_time_ns(const struct ramp *ramp, uint64_t j)
{
	const uint64_t n = ramp_steps(ramp);

	return ramp->end_ns - mul_div(ramp->end_ns - ramp->start_ns, n - j, n);
}

/* How many of the n steps have happened at t (start ≤ t < end), so that
 * ramp_step_time_ns(j) ≤ t ⟺ j ≤ the result. */
static uint64_t ramp_steps_done(const struct ramp *ramp, uint64_t t_ns)
{
	const uint64_t n = ramp_steps(ramp);
	const uint64_t duration = ramp->end_ns - ramp->start_ns;

	return n ? n - mul_div_up(n, ramp->end_ns - t_ns, duration) : 0;
}

/* The stage that contains t; false after the last one. Zero-length stages only change `from`. */
static bool ramp_at(const struct fg_scenario *scenario, uint64_t t_ns, struct ramp *ret)
{
	struct ramp ramp = {.from = scenario->start_vus};

	for (size_t i = 0; i < scenario->stage_count; i++) {
		ramp.start_ns = ramp.end_ns;
		if (__builtin_add_overflow(ramp.end_ns, scenario->stages[i].duration_ns,
					   &ramp.end_ns))
			ramp.end_ns = UINT64_MAX;
		ramp.to = scenario->stages[i].target;
		if (t_ns < ramp.end_ns) {
			*ret = ramp;
			return true;
		}
		ramp.from = ramp.to;
	}
	return false;
}

uint64_t fg_plan_ramp_vus_at(const struct fg_scenario *scenario, uint64_t t_ns)
{
	struct ramp ramp;
	uint64_t done;

	if (!ramp_at(scenario, t_ns, &ramp))
		return 0;
	done = ramp_steps_done(&ramp, t_ns);
	return ramp.to > ramp.from ? ramp.from + done : ramp.from - done;
}

uint64_t fg_plan_ramp_next_ns(const struct fg_scenario *scenario, uint64_t t_ns)
{
	struct ramp ramp;
	uint64_t done;

	if (!ramp_at(scenario, t_ns, &ramp))
		return UINT64_MAX;
	done = ramp_steps_done(&ramp, t_ns);
	return done < ramp_steps(&ramp) ? ramp_step_time_ns(&ramp, done + 1) : ramp.end_ns;
}
