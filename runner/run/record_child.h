/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that is profiled from its first instruction: forked, held before its exec until the
 * profiler has attached, then let go. It keeps flamegate's standard streams and terminal, as under
 * perf or time. Should flamegate die, the kernel ends it (PR_SET_PDEATHSIG); its own descendants
 * are its business.
 */
#ifndef FG_RUN_RECORD_CHILD_H
#define FG_RUN_RECORD_CHILD_H

#include "gate/base/err.h"

#include <sys/types.h>

struct fg_record_child {
	pid_t pid;     /* 0: none */
	int gate_fd;   /* a byte written here lets it go */
	int report_fd; /* gives the errno of a failed exec, or ends */
	bool has_ended;
	bool is_told; /* by a signal of somebody else's that it should end */
	int wait_status;
};

/** Forks. `argv` ends with NULL; argv[0] is looked up in PATH, and not being there is found out now
 *  (TARGET). */
int fg_record_child_start(const char *const *argv, struct fg_record_child *ret,
			  struct fg_err *err) FG_MUST_USE;
/** Lets it run its program; TARGET when that cannot be executed. */
int fg_record_child_release(struct fg_record_child *child, struct fg_err *err) FG_MUST_USE;
/** True once it has ended (reaps it). */
bool fg_record_child_ended(struct fg_record_child *child);
/** "exited with status 3", "was killed by signal 9 (Killed)"; after it has ended. */
void fg_record_child_text(const struct fg_record_child *child, char *text, size_t size_bytes);
/** Asks it to end, waits `grace_ns`, kills it, reaps it. Nothing when it has ended. One that is
 * told already is asked only after another `grace_ns`. */
void fg_record_child_stop(struct fg_record_child *child, uint64_t grace_ns);

#endif
