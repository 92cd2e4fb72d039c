/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces for libdwfl: what a process has mapped, as module + offset, and its unwinder.
 *
 * The counterpart of target.c's spaces in BPF maps. A space is immutable; processes with the same
 * mappings share one.
 */
#ifndef FG_PROFILER_PERF_SPACE_H
#define FG_PROFILER_PERF_SPACE_H

#include "profiler/modules.h"
#include "profiler/perf_ring.h"
#include "profiler/unwind/dwfl.h"

/* Open files by module, for libdwfl; the descriptors that modules.c opened went to the client. */
struct fg_perf_files {
	int *items; /* [id − FG_MODULE_FIRST]: descriptor + 1; 0: not tried; -1: cannot be opened */
	size_t count, capacity;
};
void fg_perf_files_done(struct fg_perf_files *files);

struct fg_perf_space;

/** `mappings` are those of `pid` now. */
int fg_perf_space_new(struct fg_modules *modules, struct fg_perf_files *files, uint32_t pid,
		      const struct fg_mappings *mappings, struct fg_perf_space **ret,
		      struct fg_err *err) FG_MUST_USE;
/** Code without a file keeps frame pointers: what they lead to is no guess. */
void fg_perf_space_trust(struct fg_perf_space *space, bool frame_pointers);
/** Equal for equal mappings. */
uint64_t fg_perf_space_hash(const struct fg_perf_space *space);
struct fg_perf_space *fg_perf_space_ref(struct fg_perf_space *space);
void fg_perf_space_unref(struct fg_perf_space *space);
/** Fills the user part of `sample` behind its kernel part, its result and its guesses. `pid` is
 *  who can be asked for read-only memory. */
void fg_perf_space_unwind(struct fg_perf_space *space, uint32_t pid,
			  const struct fg_perf_record *record, struct fg_bpf_sample *sample);
/** module << 48 | address as in a sample, guess flag off; 0: in no known mapping. */
uint64_t fg_perf_space_frame(const struct fg_perf_space *space, uint64_t address);
/** Of the last stack: the address whose reading failed last; 0: none did. */
uint64_t fg_perf_space_fault(const struct fg_perf_space *space);

#endif
