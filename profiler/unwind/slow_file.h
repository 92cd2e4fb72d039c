/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a process serves: FUSE.
 *
 * Whoever opens, stats or reads one waits for that process, for as long as it likes and beyond the
 * reach of SIGKILL; the target may be that process. So such a file is never touched here: a child
 * copies it into memory, and where the child does not come back in time it is left behind and the
 * file goes unread. What the caller gets is the copy.
 *
 * Which file systems these are comes from /proc/PID/mountinfo, which asks nobody (statfs would).
 * Not found that way: a mount that was detached while its files are mapped.
 */
#ifndef FG_UNWIND_SLOW_FILE_H
#define FG_UNWIND_SLOW_FILE_H

#include <sys/types.h>

#include "gate/base/err.h"

enum {
	FG_SLOW_TIMEOUTS_MAX = 3,
	FG_SLOW_FILE_MS = 1000,               /* for one file */
	FG_SLOW_SPENT_MS = 4000,              /* for all, in a process's life: then no more */
	FG_SLOW_FILE_BYTES_MAX = 256 << 20,   /* of one file */
	FG_SLOW_FILES_BYTES_MAX = 1024 << 20, /* of all, in a process's life */
};

/** Whether a mountinfo's text says that the device is FUSE. */
bool fg_mountinfo_is_slow(const char *text, size_t len, uint32_t dev_major, uint32_t dev_minor);
/** The same of a process's mounts; remembered for a moment, because neighbours share devices. */
bool fg_slow_device(pid_t pid, uint32_t dev_major, uint32_t dev_minor);

/** Runs in the child: writes what is wanted into `memory`, with fg_slow_put(). Returns one of
 *  enum fg_slow_end. */
typedef int fg_slow_fn(const void *context, int memory);
enum fg_slow_end { FG_SLOW_DONE, FG_SLOW_UNREADABLE, FG_SLOW_TOO_LARGE };

int fg_slow_put(int memory, const void *bytes, size_t len);
/** All of a file, from where it stands. */
int fg_slow_put_file(int memory, int fd);

/** A sealed file in memory of what the child wrote. LIMIT when it did not come back within
 *  `limit_ms`, which nobody has to wait for more than FG_SLOW_TIMEOUTS_MAX times. */
int fg_slow_run(fg_slow_fn *function, const void *context, int limit_ms,
		struct fg_err *err) FG_MUST_USE;

#endif
