/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/plan_internal.h"

#define ITERATIONS_MAX (1ull << 40)

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

bool fg_plan_is_counted(const struct fg_scenario *scenario)
{
	return scenario->executor == FG_EXEC_SHARED_ITERATIONS ||
	       scenario->executor == FG_EXEC_PER_VU_ITERATIONS;
}

uint64_t fg_plan_duration_ns(const struct fg_scenario *scenario)
{
	return fg_plan_is_counted(scenario) ? scenario->max_duration_ns : scenario->duration_ns;
}

static int check_counted(const struct fg_scenario *scenario, struct fg_err *err)
{
	uint64_t all = scenario->iterations;

	if (!scenario->iterations)
		return fg_err_set(err, FG_E_INVALID, "scenario %s: iterations must be above 0",
				  scenario->name);
	if ((scenario->executor == FG_EXEC_PER_VU_ITERATIONS &&
	     __builtin_mul_overflow(all, scenario->vus, &all)) ||
	    all > ITERATIONS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "scenario %s: more than 2^40 iterations",
				  scenario->name);
	return 0;
}

int fg_plan_check(const struct fg_scenario *scenario, struct fg_err *err)
{
	const uint64_t vus = fg_plan_max_vus(scenario);
	int rc = 0;

	if (fg_plan_is_arrival(scenario))
		rc = fg_plan_arrival_check(scenario, err);
	else if (fg_plan_is_counted(scenario))
		rc = check_counted(scenario, err);
	if (rc)
		return rc;
	if (vus < 1 || vus > FG_SCENARIO_VUS_MAX)
		return fg_err_set(err, FG_E_INVALID, "scenario %s: needs 1 to %d VUs",
				  scenario->name, FG_SCENARIO_VUS_MAX);
	return 0;
}

int fg_plan_check_shards(const struct fg_scenario *scenario, unsigned shards, struct fg_err *err)
{
	const uint64_t vus = fg_plan_max_vus(scenario);

	if (!fg_plan_is_arrival(scenario) || vus >= shards)
		return 0;
	return fg_err_set(err, FG_E_INVALID,
			  "scenario %s has %llu VU%s for %u shards, and a shard without any could "
			  "start no iteration; raise maxVUs to %u",
			  scenario->name, (unsigned long long)vus, vus == 1 ? "" : "s", shards,
			  shards);
}

uint64_t fg_plan_iterations(const struct fg_scenario *scenario)
{
	if (scenario->executor == FG_EXEC_SHARED_ITERATIONS)
		return scenario->iterations;
	if (scenario->executor == FG_EXEC_PER_VU_ITERATIONS)
		return scenario->iterations * scenario->vus;
	return scenario->arrivals == FG_ARRIVALS_POISSON ? 0 : fg_plan_events(scenario);
}

uint64_t fg_plan_vus_at(const struct fg_scenario *scenario, uint64_t t_ns)
{
	if (t_ns >= fg_plan_duration_ns(scenario) || fg_plan_is_arrival(scenario))
		return 0;
	return scenario->executor == FG_EXEC_RAMPING_VUS ? fg_plan_ramp_vus_at(scenario, t_ns)
							 : scenario->vus;
}

uint64_t fg_plan_next_vu_change_ns(const struct fg_scenario *scenario, uint64_t t_ns)
{
	const uint64_t end_ns = fg_plan_duration_ns(scenario);
	const uint64_t now_vus = fg_plan_vus_at(scenario, t_ns);

	if (fg_plan_is_arrival(scenario) || t_ns >= end_ns)
		return UINT64_MAX;
	if (scenario->executor == FG_EXEC_RAMPING_VUS) {
		for (;;) {
			t_ns = fg_plan_ramp_next_ns(scenario, t_ns);
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
	return add_saturating(scenario->start_time_ns, fg_plan_duration_ns(scenario));
}

uint64_t fg_plan_hard_end_ns(const struct fg_scenario *scenario)
{
	return add_saturating(fg_plan_regular_end_ns(scenario), scenario->graceful_stop_ns);
}

/* -- parts ------------------------------------------------------------------------------------ */

/* How many of 0 … total−1 are ≡ index modulo count. */
static uint64_t dealt(uint64_t total, unsigned index, unsigned count)
{
	return total > index ? (total - index - 1) / count + 1 : 0;
}

uint64_t fg_plan_vus_of_part(uint64_t total, const struct fg_plan_part *part)
{
	return dealt(dealt(total, part->shard, part->shards), part->worker, part->workers);
}

uint64_t fg_plan_vu_number(size_t index, const struct fg_plan_part *part)
{
	const uint64_t in_shard = (uint64_t)index * part->workers + part->worker;

	return in_shard * part->shards + part->shard;
}

static bool slot_is_of_part(uint64_t slot, const struct fg_plan_part *part)
{
	return slot % part->shards == part->shard &&
	       slot / part->shards % part->workers == part->worker;
}

uint64_t fg_plan_event_of_part(const struct fg_scenario *scenario, uint64_t k,
			       const struct fg_plan_part *part)
{
	const uint64_t all = fg_plan_max_vus(scenario);
	const uint64_t slots = dealt(all, part->shard, part->shards);

	if (!fg_plan_vus_of_part(all, part))
		return UINT64_MAX;
	if (!fg_plan_is_arrival(scenario)) {
		while (!slot_is_of_part(k % all, part))
			k++;
		return k;
	}
	k += (part->shard + part->shards - k % part->shards) % part->shards;
	while (k / part->shards % slots % part->workers != part->worker)
		k += part->shards;
	return k;
}

uint64_t fg_plan_iterations_of_part(const struct fg_scenario *scenario,
				    const struct fg_plan_part *part)
{
	const uint64_t vus = fg_plan_vus_of_part(scenario->vus, part);

	if (scenario->executor == FG_EXEC_PER_VU_ITERATIONS)
		return vus * scenario->iterations;
	if (scenario->executor != FG_EXEC_SHARED_ITERATIONS || !scenario->vus)
		return 0;
	return scenario->iterations / scenario->vus * vus +
	       fg_plan_vus_of_part(scenario->iterations % scenario->vus, part);
}
