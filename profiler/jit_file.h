/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a runtime leaves in its own /tmp, found through its root directory, which may be
 * another mount namespace's. Anyone may put something there under these names: links are not
 * followed, the root is not left, and only a plain file of the process's user or root counts.
 */
#ifndef FG_PROFILER_JIT_FILE_H
#define FG_PROFILER_JIT_FILE_H

#include "gate/base/buf.h"

enum { FG_JIT_TEXT_MAX = 128 << 20 };

struct fg_jit_owner {
	uint32_t ns_pid, uid;
	uint64_t start_ns; /* since boot; 0: unknown */
};

/** The target's /tmp (O_PATH), or a negative error code. */
int fg_jit_tmp_open(int root_fd, struct fg_err *err) FG_MUST_USE;
/** Opens perf-NSPID.map of such a process; a descriptor or a negative error code: NOT_FOUND (none,
 *  or left by an earlier process of that number), PERMISSION (not ours to read, or not theirs),
 *  INVALID (no plain file), LIMIT. */
int fg_jit_map_open(int root_fd, const struct fg_jit_owner *owner, struct fg_err *err) FG_MUST_USE;
/** The first `max_bytes` of it. */
int fg_jit_map_read(int map_fd, size_t max_bytes, struct fg_buf *out,
		    struct fg_err *err) FG_MUST_USE;

#endif
