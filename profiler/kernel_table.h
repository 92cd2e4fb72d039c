/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets BPF walk the kernel's stacks: copies the kernel's unwind table into the shards.
 */
#ifndef FG_PROFILER_KERNEL_TABLE_H
#define FG_PROFILER_KERNEL_TABLE_H

#include "profiler/modules.h"

/** `kallsyms_fd` (not closed) was opened with the right to see addresses. Takes some 0.1 s,
 *  most of it the kernel's, for the names; to be called once. Where there is no such table, no way
 * to it or no room for it the kernel goes on walking its own stacks: the error says why, and is
 * none of the profile's. */
int fg_kernel_table_use(struct fg_session *session, struct fg_modules *modules, int kallsyms_fd,
			struct fg_err *err);

#endif
