/* SPDX-License-Identifier: Apache-2.0 */
/* Where each scenario stands, from the seconds that have arrived. */
#include "runner/load/run_internal.h"

void fg_load_take_live(struct fg_load *load, unsigned worker, const struct fg_slice *slice)
{
	for (size_t i = 0; i < slice->scenario_count; i++) {
		struct fg_load_live *live = &load->live[i];
		const unsigned parity = slice->second & 1;

		live->iterations += slice->scenarios[i].iterations;
		live->scheduled += slice->scenarios[i].scheduled;
		live->dropped += slice->scenarios[i].dropped;
		live->vus[worker] = slice->scenarios[i].vus;
		live->vus_max[worker] = slice->scenarios[i].vus_max;
		if (live->second[parity] != slice->second) {
			live->second[parity] = slice->second;
			live->of_second[parity] = 0;
		}
		live->of_second[parity] += slice->scenarios[i].iterations;
	}
}

/* Of this shard alone. */
static uint64_t planned(const struct fg_load *load, const struct fg_scenario *scenario)
{
	const struct fg_plan_part part = {
		.shard = load->options->shard_index,
		.shards = FG_MAX(load->options->shard_count, 1u),
		.workers = 1,
	};
	const uint64_t all = fg_plan_iterations(scenario);

	if (fg_plan_is_counted(scenario))
		return fg_plan_iterations_of_part(scenario, &part);
	return all > part.shard ? (all - part.shard - 1) / part.shards + 1 : 0;
}

static void fill_progress(const struct fg_load *load, size_t index, struct fg_load_progress *out)
{
	const struct fg_scenario *scenario = &load->options->file->scenarios[index];
	const struct fg_load_live *live = &load->live[index];
	const uint64_t total_ns = fg_plan_duration_ns(scenario);
	const uint64_t elapsed_ns = load->result->duration_ns;

	*out = (struct fg_load_progress){.scenario = scenario->name, .total_ns = total_ns};
	out->waiting = elapsed_ns < scenario->start_time_ns;
	if (!out->waiting)
		out->elapsed_ns = FG_MIN(elapsed_ns - scenario->start_time_ns, total_ns);
	for (unsigned i = 0; i < load->made; i++) {
		out->vus += live->vus[i];
		out->vus_max += live->vus_max[i];
	}
	out->iterations = live->iterations;
	out->iterations_planned = planned(load, scenario);
	out->is_counted = fg_plan_is_counted(scenario);
	out->done = load->ended || (!out->waiting && out->elapsed_ns == total_ns && !out->vus) ||
		    (out->is_counted && out->iterations >= out->iterations_planned);
	out->target_rate_per_s =
		fg_plan_rate_per_s(scenario, FG_MIN(out->elapsed_ns, total_ns - 1)) /
		FG_MAX(load->options->shard_count, 1u);
	if (live->scheduled)
		out->dropped_share = (double)live->dropped / (double)live->scheduled;
	if (load->reported)
		out->rate_per_s = (double)live->of_second[(load->reported - 1) & 1];
}

size_t fg_load_progress(const struct fg_load *load, struct fg_load_progress *out, size_t max)
{
	const size_t count = FG_MIN(max, load->options->file->scenario_count);

	for (size_t i = 0; i < count; i++)
		fill_progress(load, i, &out[i]);
	return count;
}
