/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/plan.h"

#include "gate/base/random.h"
#include "runner/load/think.h"

__extension__ typedef unsigned __int128 u128;

#define EVENTS_MAX (1ull << 40)

static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t divisor)
{
	return (uint64_t)((u128)a * b / divisor);
}

static uint64_t mul_div_up(uint64_t a, uint64_t b, uint64_t divisor)
{
	return (uint64_t)(((u128)a * b + divisor - 1) / divisor);
}

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

bool fg_plan_is_arrival(const struct fg_scenario *scenario)
{
	return scenario->executor == FG_EXEC_CONSTANT_ARRIVAL_RATE ||
	       scenario->executor == FG_EXEC_RAMPING_ARRIVAL_RATE;
}

static uint64_t duration_ns(const struct fg_scenario *scenario)
{
	switch (scenario->executor) {
	case FG_EXEC_SHARED_ITERATIONS:
	case FG_EXEC_PER_VU_ITERATIONS:
		return scenario->max_duration_ns;
	case FG_EXEC_CONSTANT_VUS:
	case FG_EXEC_RAMPING_VUS:
	case FG_EXEC_CONSTANT_ARRIVAL_RATE:
	case FG_EXEC_RAMPING_ARRIVAL_RATE:
	case FG_EXEC_COUNT:
		break;
	}
	return scenario->duration_ns;
}

static int check_arrival(const struct fg_scenario *scenario, struct fg_err *err)
{
	if (scenario->arrivals == FG_ARRIVALS_POISSON)
		return fg_err_set(err, FG_E_LATER,
				  "scenario %s: arrivals: poisson comes with a later issue",
				  scenario->name);
	if (!scenario->rate || !scenario->time_unit_ns)
		return fg_err_set(err, FG_E_INVALID,
				  "scenario %s: rate and timeUnit must be above 0", scenario->name);
	if ((u128)duration_ns(scenario) * scenario->rate >
	    (u128)EVENTS_MAX * scenario->time_unit_ns)
		return fg_err_set(err, FG_E_LIMIT, "scenario %s: more than 2^40 iterations",
				  scenario->name);
	return 0;
}

int fg_plan_check(const struct fg_scenario *scenario, struct fg_err *err)
{
	if (scenario->executor != FG_EXEC_CONSTANT_VUS &&
	    scenario->executor != FG_EXEC_RAMPING_VUS &&
	    scenario->executor != FG_EXEC_CONSTANT_ARRIVAL_RATE)
		return fg_err_set(err, FG_E_LATER,
				  "scenario %s: this executor comes with the load engine issue (B)",
				  scenario->name);
	if (fg_plan_is_arrival(scenario)) {
		int rc = check_arrival(scenario, err);

		if (rc)
			return rc;
	}
	if (fg_plan_max_vus(scenario) < 1 || fg_plan_max_vus(scenario) > FG_SCENARIO_VUS_MAX)
		return fg_err_set(err, FG_E_INVALID, "scenario %s: needs 1 to %d VUs",
				  scenario->name, FG_SCENARIO_VUS_MAX);
	return 0;
}

uint64_t fg_plan_events(const struct fg_scenario *scenario)
{
	/* k is an event ⟺ floor(k × unit / rate) < duration ⟺ k < duration × rate / unit. */
	if (scenario->executor != FG_EXEC_CONSTANT_ARRIVAL_RATE)
		return 0;
	return mul_div_up(scenario->duration_ns, scenario->rate, scenario->time_unit_ns);
}

uint64_t fg_plan_due_ns(const struct fg_scenario *scenario, uint64_t k)
{
	if (scenario->executor != FG_EXEC_CONSTANT_ARRIVAL_RATE)
		return UINT64_MAX;
	return mul_div(k, scenario->time_unit_ns, scenario->rate);
}

uint64_t fg_plan_arrival_ns(const struct fg_scenario *scenario, uint64_t k, uint64_t seed)
{
	uint64_t due_ns = fg_plan_due_ns(scenario, k);
	uint64_t slot_end_ns;

	if (scenario->arrivals != FG_ARRIVALS_JITTERED || due_ns == UINT64_MAX)
		return due_ns;
	/* The last slot may be cut by the end of the scenario. */
	slot_end_ns = FG_MIN(fg_plan_due_ns(scenario, k + 1), scenario->duration_ns);
	if (slot_end_ns <= due_ns)
		return due_ns;
	return due_ns + (uint64_t)((u128)fg_random_mix(seed, k) * (slot_end_ns - due_ns) >> 64);
}

/* One stage of a ramp: from → to between start_ns and end_ns, after k6's getRawExecutionSteps():
 * the j-th of n single steps happens at end − floor(duration × (n − j) / n). */
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
static bool ramp_at(const struct fg_scenario *scenario, uint64_t t_ns, size_t *ret_stage,
		    struct ramp *ret)
{
	struct ramp ramp = {.from = scenario->start_vus};

	for (size_t i = 0; i < scenario->stage_count; i++) {
		ramp.start_ns = ramp.end_ns;
		ramp.end_ns = add_saturating(ramp.end_ns, scenario->stages[i].duration_ns);
		ramp.to = scenario->stages[i].target;
		if (t_ns < ramp.end_ns) {
			*ret_stage = i;
			*ret = ramp;
			return true;
		}
		ramp.from = ramp.to;
	}
	return false;
}

static uint64_t ramping_vus_at(const struct fg_scenario *scenario, uint64_t t_ns)
{
	struct ramp ramp;
	size_t stage;
	uint64_t done;

	if (!ramp_at(scenario, t_ns, &stage, &ramp))
		return 0;
	done = ramp_steps_done(&ramp, t_ns);
	return ramp.to > ramp.from ? ramp.from + done : ramp.from - done;
}

uint64_t fg_plan_vus_at(const struct fg_scenario *scenario, uint64_t t_ns)
{
	if (t_ns >= duration_ns(scenario))
		return 0;
	switch (scenario->executor) {
	case FG_EXEC_RAMPING_VUS:
		return ramping_vus_at(scenario, t_ns);
	case FG_EXEC_CONSTANT_VUS:
	case FG_EXEC_SHARED_ITERATIONS:
	case FG_EXEC_PER_VU_ITERATIONS:
		return scenario->vus;
	case FG_EXEC_CONSTANT_ARRIVAL_RATE:
	case FG_EXEC_RAMPING_ARRIVAL_RATE:
	case FG_EXEC_COUNT:
		break;
	}
	return 0;
}

/* The next moment in which the ramp might change: a single step, or the end of the stage. */
static uint64_t next_ramp_moment_ns(const struct fg_scenario *scenario, uint64_t t_ns)
{
	struct ramp ramp;
	size_t stage;
	uint64_t done;

	if (!ramp_at(scenario, t_ns, &stage, &ramp))
		return UINT64_MAX;
	done = ramp_steps_done(&ramp, t_ns);
	return done < ramp_steps(&ramp) ? ramp_step_time_ns(&ramp, done + 1) : ramp.end_ns;
}

uint64_t fg_plan_next_vu_change_ns(const struct fg_scenario *scenario, uint64_t t_ns)
{
	const uint64_t end_ns = duration_ns(scenario);
	const uint64_t now_vus = fg_plan_vus_at(scenario, t_ns);

	if (fg_plan_is_arrival(scenario) || t_ns >= end_ns)
		return UINT64_MAX;
	if (scenario->executor == FG_EXEC_RAMPING_VUS) {
		for (;;) {
			t_ns = next_ramp_moment_ns(scenario, t_ns);
			if (t_ns >= end_ns)
				break;
			if (fg_plan_vus_at(scenario, t_ns) != now_vus)
				return t_ns;
		}
	}
	return now_vus ? end_ns : UINT64_MAX;
}

uint64_t fg_plan_max_vus(const struct fg_scenario *scenario)
{
	uint64_t max = scenario->start_vus;

	if (fg_plan_is_arrival(scenario))
		return FG_MAX(scenario->max_vus, scenario->pre_allocated_vus);
	if (scenario->executor != FG_EXEC_RAMPING_VUS)
		return scenario->vus;
	for (size_t i = 0; i < scenario->stage_count; i++)
		max = FG_MAX(max, scenario->stages[i].target);
	return max;
}

uint64_t fg_plan_initial_vus(const struct fg_scenario *scenario)
{
	return fg_plan_is_arrival(scenario) ? scenario->pre_allocated_vus
					    : fg_plan_max_vus(scenario);
}

uint64_t fg_plan_regular_end_ns(const struct fg_scenario *scenario)
{
	return add_saturating(scenario->start_time_ns, duration_ns(scenario));
}

uint64_t fg_plan_hard_end_ns(const struct fg_scenario *scenario)
{
	return add_saturating(fg_plan_regular_end_ns(scenario), scenario->graceful_stop_ns);
}

uint64_t fg_plan_vus_of_worker(uint64_t total, unsigned worker, unsigned workers)
{
	return total > worker ? (total - worker - 1) / workers + 1 : 0;
}

uint64_t fg_plan_event_of_worker(const struct fg_scenario *scenario, uint64_t k, unsigned worker,
				 unsigned workers)
{
	const uint64_t events = fg_plan_events(scenario);
	const uint64_t slots = fg_plan_max_vus(scenario);

	if (worker >= slots)
		return events;
	while (k < events && (k % slots) % workers != worker)
		k++;
	return k;
}
