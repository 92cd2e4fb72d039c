/* SPDX-License-Identifier: Apache-2.0 */
/* The descendants of a process, read from /proc; usable between fork and exec (no allocation). */
#ifndef FG_TARGET_TREE_H
#define FG_TARGET_TREE_H

#include "gate/base/attr.h"

#include <sys/types.h>

/** Sends `signal` to every descendant of `root`, but not to `root` itself, as far as one look at
 *  /proc shows them. Returns how many got it; those that refused it (EPERM) are added to
 *  *refused. Processes that fork meanwhile are found by the caller's next pass. */
unsigned fg_tree_signal(pid_t root, int signal, unsigned *refused);

/** Parses the parent out of /proc/PID/stat's text; 0 if it is not understood. */
pid_t fg_tree_parent_of_stat(const char *text, size_t len);

#endif
