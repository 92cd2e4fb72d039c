/* SPDX-License-Identifier: Apache-2.0 */
/* Which threads of a process are asleep. */
#ifndef FG_PROFILER_SLEEPERS_H
#define FG_PROFILER_SLEEPERS_H

#include "profiler/proc.h"

/** Appends the threads that neither run nor wait for a CPU; none when the process is gone. */
int fg_sleepers_list(uint32_t tgid, struct fg_pids *tids, struct fg_err *err) FG_MUST_USE;
/** Whether a line of /proc/PID/task/TID/stat says so. The name in it may hold anything. */
bool fg_sleepers_is_asleep(const char *stat, size_t len);

#endif
