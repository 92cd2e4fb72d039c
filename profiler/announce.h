/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the client of a process: what it is, and where its root directory is. For the helper. */
#ifndef FG_PROFILER_ANNOUNCE_H
#define FG_PROFILER_ANNOUNCE_H

#include "profiler/target.h"

/** Reads the process's facts anew; what differs from what the client knows is to be told. */
void fg_announce_look(struct fg_process *process, const struct fg_mappings *mappings);
/** Takes over what the modules of the process say about Go. */
void fg_announce_go(struct fg_process *process);
/** A forked child is what its parent is, under another number. */
void fg_announce_inherit(struct fg_process *child, const struct fg_process *parent);
/** Sends PROCESS unless the client knows. */
int fg_announce_process(struct fg_wire *wire, struct fg_process *process,
			struct fg_err *err) FG_MUST_USE;

#endif
