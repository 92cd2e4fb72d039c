/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/pacing.h"

#include "runner/load/plan.h"

#define SPIN_RATE_MIN 500.0 /* per second and worker */

static double peak_rate_per_s(const struct fg_scenario *scenario)
{
	uint64_t peak = scenario->rate;

	if (!fg_plan_is_arrival(scenario) || !scenario->time_unit_ns)
		return 0;
	if (scenario->executor == FG_EXEC_RAMPING_ARRIVAL_RATE) {
		peak = scenario->start_rate;
		for (size_t i = 0; i < scenario->stage_count; i++)
			peak = FG_MAX(peak, scenario->stages[i].target);
	}
	return (double)peak * (double)FG_NS_PER_S / (double)scenario->time_unit_ns;
}

bool fg_pacing_spins(const struct fg_pacing_place *pacing, const struct fg_scenario *scenario)
{
	switch (scenario->pacing) {
	case FG_PACING_SPIN:
		return true;
	case FG_PACING_TIMER:
		return false;
	case FG_PACING_AUTO:
		break;
	}
	return pacing->cpus_exclusive && pacing->cpus &&
	       (unsigned)CPU_COUNT(pacing->cpus) > pacing->workers &&
	       peak_rate_per_s(scenario) >= SPIN_RATE_MIN * pacing->workers * pacing->shards;
}
