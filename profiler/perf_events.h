/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perf events on threads, for those who may not load BPF programs: a sampling event per thread and
 * CPU that new threads and children inherit, one ring per CPU, and a clock per thread.
 *
 * Records come out of all rings in order of time.
 */
#ifndef FG_PROFILER_PERF_EVENTS_H
#define FG_PROFILER_PERF_EVENTS_H

#include "profiler/perf_ring.h"

struct fg_perf;

/** Tries what the kernel allows: with the kernel's part of stacks, else user mode only. PERMISSION
 *  with the fix when neither. `tid` only serves to try. */
int fg_perf_new(uint32_t tid, uint64_t period_ns, struct fg_perf **ret,
		struct fg_err *err) FG_MUST_USE;
void fg_perf_free(struct fg_perf *perf);
/** Samples a thread and what it starts from now on. NOT_FOUND when it is gone. */
int fg_perf_add_thread(struct fg_perf *perf, uint32_t tid, struct fg_err *err) FG_MUST_USE;
int fg_perf_enable(struct fg_perf *perf, bool on, struct fg_err *err) FG_MUST_USE;
/** Readable when a ring is filling up. */
int fg_perf_fd(const struct fg_perf *perf);
/** Takes ended events off fg_perf_fd(), which would be readable for ever. */
void fg_perf_quiet(struct fg_perf *perf);
/** The oldest record of all rings, until the next call; NULL: none now. */
const struct fg_perf_record *fg_perf_next(struct fg_perf *perf);
bool fg_perf_kernel_visible(const struct fg_perf *perf);
uint32_t fg_perf_cpus(const struct fg_perf *perf);
/** CPU-ns of the added threads and all that they started, ended ones too, since they were added. */
uint64_t fg_perf_cpu_ns(struct fg_perf *perf);

#endif
