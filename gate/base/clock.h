/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that reads a clock. Decision code takes `now_ns` as an argument instead.
 */
#ifndef FG_BASE_CLOCK_H
#define FG_BASE_CLOCK_H

#include "gate/base/attr.h"

/** CLOCK_MONOTONIC in ns: durations, schedules, sample stamps. */
uint64_t fg_clock_monotonic_ns(void);
/** CLOCK_REALTIME in ns since 1970: only for stamps that people or servers read. */
uint64_t fg_clock_realtime_ns(void);
/** CPU time of the calling thread in ns. */
uint64_t fg_clock_thread_cpu_ns(void);
/** How long the calling thread was ready to run and did not get a core, in ns; 0 where the kernel
 * does not say. Reads a file of /proc: for once a second. */
uint64_t fg_clock_thread_waited_ns(void);
/** CPU time of this process in ns. */
uint64_t fg_clock_process_cpu_ns(void);

#endif
