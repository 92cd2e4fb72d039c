/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's privileges: what to grant when something was refused, what to give up when it works.
 *
 * Root, or the capabilities below. As non-root it refuses processes of other users and those that
 * may not be traced. Once attached it keeps only what reading maps and files and making maps needs
 * (CAP_BPF CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_CHECKPOINT_RESTORE), with no way back; started by
 * root, it becomes nobody (65534) there, unless a container has taken the right to change the user.
 */
#ifndef FG_PROFILER_RIGHTS_H
#define FG_PROFILER_RIGHTS_H

#include "gate/base/err.h"

enum { FG_RIGHTS_TEXT_MAX = 1024 };
#define FG_RIGHTS_CAPABILITIES                                                           \
	"cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore," \
	"cap_syslog+ep"

/** One sentence with the command that grants what the helper needs; returns `text`. */
const char *fg_rights_fix(char text[FG_RIGHTS_TEXT_MAX]);
/** Gives up every capability but those for reading maps and files of the targets and making maps
 *  for new code, and root's identity where it had that; nothing can be gained again. Call once
 *  attached. */
int fg_rights_drop(struct fg_err *err) FG_MUST_USE;
/** As above, but for a client that is not root nothing is kept. Before libdwfl reads files that the
 *  client may have written: what they make of it has then no more rights than the client. */
int fg_rights_drop_to_client(struct fg_err *err) FG_MUST_USE;
/** PERMISSION when this program runs as another user than the one who started it. */
int fg_rights_check_self(struct fg_err *err) FG_MUST_USE;
/** Whether who started us may know where the kernel lies in memory without our help. */
bool fg_rights_client_sees_kernel(void);
/** The inode number of our PID namespace, 0 for the kernel's first. UNSUPPORTED when /proc shows
 *  another one: the numbers there would not be ours. */
int fg_rights_pid_namespace(uint32_t *ret_inum, struct fg_err *err) FG_MUST_USE;
/** Whether this process may profile `pid`: any process for real uid 0, else processes of the same
 *  real uid that could be traced. PERMISSION with the reason, NOT_FOUND when there is none. */
int fg_rights_check_target(uint32_t pid, struct fg_err *err) FG_MUST_USE;

#endif
