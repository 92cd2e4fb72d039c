/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/announce.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "profiler/wire.pb-c.h"

void fg_announce_look(struct fg_process *process, const struct fg_mappings *mappings)
{
	struct fg_process_facts facts;

	/* as it was: the builder of unwind rows knows, and is asked after this */
	fg_process_facts(process->tgid, mappings, process->is_go, &facts);
	if (facts.runtime != process->facts.runtime || facts.flags != process->facts.flags ||
	    facts.has_jit != process->facts.has_jit || facts.ns_pid != process->facts.ns_pid ||
	    facts.uid != process->facts.uid || strcmp(facts.name, process->facts.name) != 0)
		process->told = false;
	process->facts = facts;
	process->code_module = 0;
	process->code_bias = 0;
}

void fg_announce_go(struct fg_process *process)
{
	enum fg_runtime is = process->facts.runtime;
	enum fg_runtime should = is;

	if (is == FG_RUNTIME_NATIVE && process->is_go)
		should = FG_RUNTIME_GO;
	else if (is == FG_RUNTIME_GO && !process->is_go)
		should = FG_RUNTIME_NATIVE;
	if (is == should)
		return;
	process->facts.runtime = should;
	process->told = false;
}

void fg_announce_inherit(struct fg_process *child, const struct fg_process *parent)
{
	child->facts = parent->facts;
	child->is_go = parent->is_go;
	child->facts.ns_pid = child->tgid;
	child->code_module = parent->code_module;
	child->code_bias = parent->code_bias;
	child->told = child->known = false;
	child->facts.start_ns = fg_process_start_ns(child->tgid);
	fg_process_read_status(child->tgid, &child->facts);
}

/* Only generated code is named through it: a server that forks a thousand workers needs none. */
static int open_root(const struct fg_wire *wire, const struct fg_process *process)
{
	char path[64];
	bool wanted = process->facts.has_jit || process->facts.runtime == FG_RUNTIME_NODE ||
		      process->facts.runtime == FG_RUNTIME_JAVA;

	if (!wanted || !fg_wire_can_pass_fd(wire))
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%u/root", process->tgid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int fg_announce_process(struct fg_wire *wire, struct fg_process *process, struct fg_err *err)
{
	Fg__Wire__Process message = FG__WIRE__PROCESS__INIT;

	if (process->told && process->told_code_bias == process->code_bias)
		return 0;
	int root = open_root(wire, process);

	message.tgid = process->tgid;
	message.ns_pid = process->facts.ns_pid;
	message.runtime = (uint32_t)process->facts.runtime;
	message.frame_pointers = process->facts.frame_pointers;
	message.name = process->facts.name;
	message.has_root_fd = root >= 0;
	message.uid = process->facts.uid;
	message.start_ns = process->facts.start_ns;
	message.time_ns = fg_clock_monotonic_ns();
	message.flags = process->facts.flags;
	message.code_module = process->code_module;
	message.code_bias = process->code_bias;
	message.anew = !process->known;
	message.has_jit = process->facts.has_jit;
	process->told = process->known = true;
	process->told_code_bias = process->code_bias;
	return fg_wire_send(wire, FG_WIRE_PROCESS, &message.base, root, err);
}
