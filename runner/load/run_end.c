/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator makes of a run that is over: did the generator deliver? */
#include "runner/load/run_internal.h"

#include "gate/base/str.h"
#include "runner/load/valid.h"

/* Of the worker that needed a core the most. */
static void busiest_shares(const struct fg_load *load, struct fg_valid_input *input)
{
	const double wall_ns = (double)FG_MAX(load->result->measured_ns, 1);

	for (unsigned i = 0; i < load->made; i++) {
		const struct fg_load_worker *slot = &load->workers[i];
		const double cpu = (double)(slot->cpu_end_ns - slot->cpu_start_ns) / wall_ns;
		const double waited =
			(double)(slot->waited_end_ns - slot->waited_start_ns) / wall_ns;

		if (cpu + waited <= input->busiest_cpu_share + input->busiest_waited_share)
			continue;
		input->busiest_cpu_share = cpu;
		input->busiest_waited_share = waited;
	}
}

int fg_load_judge(struct fg_load *load, const struct fg_worker_end *ends, struct fg_err *err)
{
	struct fg_valid_input input = {
		.registry = &load->result->registry,
		.totals = load->result->totals,
		.measured_ns = load->result->measured_ns,
		.spinning = load->spinning,
	};
	char reason[512];

	busiest_shares(load, &input);
	for (unsigned i = 0; i < load->made; i++) {
		if (ends[i].fatal.code != FG_E_NONE)
			return fg_str_dup(ends[i].fatal.message, &load->result->invalid_reason,
					  err);
	}
	for (unsigned i = 0; i < load->made; i++) {
		if (ends[i].inits_failed && !input.inits_failed)
			input.inits_scenario = ends[i].inits_scenario;
		input.inits_failed += ends[i].inits_failed;
	}
	if (fg_valid_judge(&input, reason, sizeof(reason)))
		return 0;
	return fg_str_dup(reason, &load->result->invalid_reason, err);
}
