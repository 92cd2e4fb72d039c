/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator makes of a run that is over: did the generator deliver? */
#include "runner/load/run_internal.h"

#include "gate/base/str.h"
#include "runner/load/valid.h"

static double busiest_share(const struct fg_load *load)
{
	const uint64_t wall_ns = load->result->measured_ns;
	uint64_t most_ns = 0;

	for (unsigned i = 0; i < load->made; i++) {
		const struct fg_load_worker *slot = &load->workers[i];

		most_ns = FG_MAX(most_ns, slot->cpu_end_ns - slot->cpu_start_ns);
	}
	return wall_ns ? (double)most_ns / (double)wall_ns : 0;
}

int fg_load_judge(struct fg_load *load, const struct fg_worker_end *ends, struct fg_err *err)
{
	struct fg_valid_input input = {
		.registry = &load->result->registry,
		.totals = load->result->totals,
		.measured_ns = load->result->measured_ns,
		.busiest_cpu_share = busiest_share(load),
		.spinning = load->spinning,
	};
	char reason[512];

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
