/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small readings of /proc that the helper and the client share: CPU clocks and children.
 */
#ifndef FG_PROFILER_PROC_H
#define FG_PROFILER_PROC_H

#include "gate/base/err.h"

enum { FG_PROC_TREE_MAX = 16384 };

struct fg_pids {
	uint32_t *items;
	size_t count, capacity;
};

/** Exact CPU time of a process, all its threads, exited ones too. NOT_FOUND once it was reaped. */
int fg_proc_cpu_ns(uint32_t pid, uint64_t *ret_ns, struct fg_err *err) FG_MUST_USE;
/** Appends `root` and everything below it, parents first; what vanishes meanwhile is left out.
 *  Pids already in `pids` are not added twice. */
int fg_proc_tree(uint32_t root, struct fg_pids *pids, struct fg_err *err) FG_MUST_USE;
void fg_pids_done(struct fg_pids *pids);
struct fg_proc_stat {
	uint32_t parent;
	uint64_t children_ns; /* CPU time of reaped children and theirs, in ticks' resolution */
	uint64_t user_ns;     /* in user mode, with that of reaped children, in ticks' resolution */
	uint64_t start_ticks; /* with the pid an identity: pids are reused */
};
/** From /proc/PID/stat. NOT_FOUND once gone. */
int fg_proc_stat(uint32_t pid, struct fg_proc_stat *ret, struct fg_err *err) FG_MUST_USE;
struct fg_proc_memory {
	uint64_t own_bytes;    /* resident, of no file and not shared on purpose */
	uint64_t shared_bytes; /* resident, of files and shared memory */
};
/** From /proc/PID/statm. NOT_FOUND once gone. */
int fg_proc_memory(uint32_t pid, struct fg_proc_memory *ret, struct fg_err *err) FG_MUST_USE;
/** "size resident shared …" in pages; exposed for tests. */
int fg_proc_memory_parse(const char *text, size_t len, uint64_t page_bytes,
			 struct fg_proc_memory *ret, struct fg_err *err) FG_MUST_USE;

#endif
