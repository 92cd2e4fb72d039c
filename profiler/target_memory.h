/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target's memory, read in a way that the target cannot hold up.
 *
 * process_vm_readv() waits for a page that the target serves itself (userfaultfd), for as long as
 * the target likes. Through /proc/PID/mem the kernel takes the page without waiting for such a
 * server and says EIO. The descriptor also stays with the address space it was opened on: neither
 * an exec nor a number used again leads to other memory.
 */
#ifndef FG_PROFILER_TARGET_MEMORY_H
#define FG_PROFILER_TARGET_MEMORY_H

#include "gate/base/attr.h"

#include <sys/types.h>

/** -1 when it may not be read, or the process is gone. Close it. */
int fg_target_memory_open(pid_t pid);
/** All `len` bytes, or false. */
bool fg_target_memory_read(int fd, uint64_t address, void *out, size_t len);
/** Opens and closes for one read. */
bool fg_target_memory_read_once(pid_t pid, uint64_t address, void *out, size_t len);

#endif
