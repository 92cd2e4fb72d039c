/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreters of the targets: which process runs one, told to the kernel side.
 */
#ifndef FG_PROFILER_SCRIPT_TARGET_H
#define FG_PROFILER_SCRIPT_TARGET_H

#include "profiler/script.h"
#include "profiler/target.h"
#include "profiler/wire.pb-c.h"

/** After the mappings of `process` were installed. */
int fg_script_target_installed(struct fg_targets *targets, struct fg_process *process,
			       struct fg_err *err) FG_MUST_USE;
/** `process` ends, or begins another program. */
void fg_script_target_left(struct fg_targets *targets, struct fg_process *process);
/** A RUNTIME of the client: processes that have the module mapped are described, and the client
 *  gets its answer. */
int fg_script_target_runtime(struct fg_targets *targets, const Fg__Wire__Runtime *runtime,
			     struct fg_err *err) FG_MUST_USE;

#endif
