/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/jit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "gate/base/clock.h"

int fg_jit_tmp_open(int root_fd, struct fg_err *err)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, root_fd, "tmp", &how, sizeof(how));

	return fd < 0 ? fg_err_errno(err, errno, "the target's /tmp") : fd;
}

/* Numbers are used again, and perf maps stay. A second for clocks that were set meanwhile. */
static bool is_older(const struct stat *status, const struct fg_jit_owner *owner)
{
	struct timespec boot;

	if (!owner->start_ns || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
		return false;
	int64_t boot_ns = (int64_t)boot.tv_sec * (int64_t)FG_NS_PER_S + boot.tv_nsec;
	int64_t offset_ns = (int64_t)fg_clock_realtime_ns() - boot_ns;
	int64_t written_ns = (int64_t)status->st_mtim.tv_sec * (int64_t)FG_NS_PER_S +
			     status->st_mtim.tv_nsec - offset_ns;

	return written_ns + (int64_t)FG_NS_PER_S < (int64_t)owner->start_ns;
}

/* A second name could make another user's file look like this process's. */
static int check(int fd, const struct fg_jit_owner *owner, const char *name, struct fg_err *err)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return fg_err_errno(err, errno, "/tmp/%s", name);
	if (!S_ISREG(status.st_mode) || status.st_nlink > 1)
		return fg_err_set(err, FG_E_INVALID, "/tmp/%s is no plain file", name);
	if (status.st_uid != owner->uid && status.st_uid != 0)
		return fg_err_set(err, FG_E_PERMISSION, "/tmp/%s belongs to user %u", name,
				  (unsigned)status.st_uid);
	if (is_older(&status, owner))
		return fg_err_set(err, FG_E_NOT_FOUND, "/tmp/%s is an earlier process's", name);
	if (status.st_size > FG_JIT_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "/tmp/%s is larger than %d MiB", name,
				  FG_JIT_TEXT_MAX >> 20);
	return 0;
}

int fg_jit_map_open(int root_fd, const struct fg_jit_owner *owner, struct fg_err *err)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	char name[32];
	int tmp = fg_jit_tmp_open(root_fd, err);

	if (tmp < 0)
		return tmp;
	(void)snprintf(name, sizeof(name), "perf-%u.map", owner->ns_pid);
	int fd = (int)syscall(SYS_openat2, tmp, name, &how, sizeof(how));
	int fault = errno;

	close(tmp);
	if (fd < 0 && (fault == ELOOP || fault == ENXIO))
		return fg_err_set(err, FG_E_INVALID, "/tmp/%s is no plain file", name);
	if (fd < 0)
		return fg_err_errno(err, fault, "/tmp/%s", name);
	int rc = check(fd, owner, name, err);

	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int fg_jit_map_read(int map_fd, size_t max_bytes, struct fg_buf *out, struct fg_err *err)
{
	enum { CHUNK = 1 << 20 };
	size_t limit = FG_MIN(max_bytes, (size_t)FG_JIT_TEXT_MAX);

	while (out->len < limit) {
		size_t want = FG_MIN(limit - out->len, (size_t)CHUNK);
		char *room = fg_buf_reserve(out, want);

		if (!room)
			return fg_buf_check(out, err);
		ssize_t got = pread(map_fd, room, want, (off_t)out->len);

		if (got < 0)
			return fg_err_errno(err, errno, "perf map");
		if (got == 0)
			break;
		fg_buf_commit(out, (size_t)got);
	}
	return 0;
}
