/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/script_target.h"

int fg_script_target_installed(struct fg_targets *targets, struct fg_process *process,
			       struct fg_err *err)
{
	const struct fg_bpf_range *range = &targets->spaces.items[process->space].range;
	const struct fg_bpf_mapping *mappings = targets->spaces.arena->mappings + range->first;
	struct fg_bpf_script how = {0};

	for (uint32_t i = 0; process->space && !how.image && i < range->count; i++) {
		if (fg_scripts_knows(targets->scripts, mappings[i].module))
			fg_scripts_describe(targets->scripts, mappings[i].module,
					    (pid_t)process->tgid, mappings[i].bias, &process->image,
					    &how);
	}
	return how.image ? fg_session_set_script(targets->session, process->tgid, &how, err) : 0;
}

void fg_script_target_left(struct fg_targets *targets, struct fg_process *process)
{
	uint32_t image = process->image;

	process->image = 0;
	for (size_t i = 0; image && i < targets->count; i++) {
		if (targets->items[i].image == image)
			return; /* a child or its parent */
	}
	if (image)
		fg_scripts_release(targets->scripts, image);
}

int fg_script_target_runtime(struct fg_targets *targets, const Fg__Wire__Runtime *runtime,
			     struct fg_err *err)
{
	struct fg_wire *wire = targets->modules->wire;
	Fg__Wire__Notice notice = FG__WIRE__NOTICE__INIT;
	struct fg_err local;

	if (runtime->n_addresses != 2)
		return fg_err_set(err, FG_E_INVALID, "malformed RUNTIME");
	int rc = fg_scripts_add_runtime(targets->scripts, runtime->module, runtime->kind,
					runtime->version, runtime->addresses, &local);

	/* An unknown version is no error: its native frames are still right. */
	notice.text = local.message;
	if (rc)
		rc = fg_wire_send(wire, FG_WIRE_NOTICE, &notice.base, -1, err);
	for (size_t i = 0; !rc && i < targets->count; i++)
		rc = fg_script_target_installed(targets, &targets->items[i], err);
	return rc ? rc : fg_scripts_acknowledge(targets->scripts, wire, err);
}
