/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/target_memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "gate/base/file.h"

int fg_target_memory_open(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

bool fg_target_memory_read(int fd, uint64_t address, void *out, size_t len)
{
	return fd >= 0 && address <= INT64_MAX &&
	       pread(fd, out, len, (off_t)address) == (ssize_t)len;
}

bool fg_target_memory_read_once(pid_t pid, uint64_t address, void *out, size_t len)
{
	FG_AUTO_CLOSE int fd = fg_target_memory_open(pid);

	return fg_target_memory_read(fd, address, out, len);
}
