/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fg_file_auto_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

int fg_file_read_fd(int fd, const char *name, size_t max_bytes, struct fg_buf *buf,
		    struct fg_err *err)
{
	size_t total = 0;

	for (;;) {
		char chunk[16384];
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fg_err_errno(err, errno, "cannot read %s", name);
		if (got == 0)
			return fg_buf_check(buf, err);
		total += (size_t)got;
		if (total > max_bytes)
			return fg_err_set(err, FG_E_LIMIT,
					  "%s is larger than the limit of %zu bytes", name,
					  max_bytes);
		fg_buf_add(buf, chunk, (size_t)got);
		if (buf->failed)
			return fg_buf_check(buf, err);
	}
}

int fg_file_read(const char *path, size_t max_bytes, struct fg_buf *buf, struct fg_err *err)
{
	/* O_NONBLOCK: a FIFO with no writer must not hang us; harmless on regular files. */
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return fg_err_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) != 0)
		return fg_err_errno(err, errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode))
		return fg_err_set(err, FG_E_INVALID, "%s is not a regular file", path);
	if (st.st_size > 0 && (uintmax_t)st.st_size > max_bytes)
		return fg_err_set(err, FG_E_LIMIT, "%s has %jd bytes; the limit is %zu", path,
				  (intmax_t)st.st_size, max_bytes);
	return fg_file_read_fd(fd, path, max_bytes, buf, err);
}

int fg_file_write_fd(int fd, const char *name, const void *bytes, size_t len, struct fg_err *err)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t put = write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return fg_err_errno(err, errno, "cannot write %s", name);
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

static int write_and_close(int fd, const char *path, const void *bytes, size_t len,
			   struct fg_err *err)
{
	int rc = fg_file_write_fd(fd, path, bytes, len, err);

	/* EINVAL: what cannot be synced (/dev/stdout, a pipe) was still written. */
	if (rc == 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = fg_err_errno(err, errno, "cannot sync %s", path);
	if (close(fd) != 0 && rc == 0)
		rc = fg_err_errno(err, errno, "cannot close %s", path);
	return rc;
}

int fg_file_write_new(const char *path, const void *bytes, size_t len, struct fg_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return fg_err_errno(err, errno, "cannot create %s", path);
	int rc = write_and_close(fd, path, bytes, len, err);

	if (rc)
		(void)unlink(path);
	return rc;
}

/* A target that exists and is not a regular file (/dev/stdout, a FIFO) is written in place. */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int fg_file_write(const char *path, const void *bytes, size_t len, struct fg_err *err)
{
	if (is_special(path)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			return fg_err_errno(err, errno, "cannot open %s", path);
		return write_and_close(fd, path, bytes, len, err);
	}
	char temporary[FG_PATH_MAX];
	int rc = fg_file_path(temporary, err, "%s.%ld.tmp", path, (long)getpid());

	if (rc)
		return rc;
	rc = fg_file_write_new(temporary, bytes, len, err);
	if (rc)
		return rc;
	if (rename(temporary, path) != 0) {
		rc = fg_err_errno(err, errno, "cannot rename %s to %s", temporary, path);
		(void)unlink(temporary);
	}
	return rc;
}

int fg_file_mkdirs(const char *path, struct fg_err *err)
{
	char copy[FG_PATH_MAX];
	int rc = fg_file_path(copy, err, "%s", path);

	if (rc)
		return rc;
	for (char *at = copy + 1;; at++) {
		char saved = *at;

		if (saved != '/' && saved != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0777) != 0 && errno != EEXIST)
			return fg_err_errno(err, errno, "cannot create directory %s", copy);
		*at = saved;
		if (saved == '\0')
			break;
	}
	if (!fg_file_is_dir(path))
		return fg_err_set(err, FG_E_IO, "%s exists and is not a directory", path);
	return 0;
}

int fg_file_sync_dir(const char *path, struct fg_err *err)
{
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fg_err_errno(err, errno, "cannot open directory %s", path);
	if (fsync(fd) != 0 && errno != EINVAL)
		return fg_err_errno(err, errno, "cannot sync directory %s", path);
	return 0;
}

static int remove_below(int parent_fd, const char *name, unsigned depth, struct fg_err *err)
{
	if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return fg_err_errno(err, errno, "cannot remove %s", name);
	if (depth == 0)
		return fg_err_set(err, FG_E_LIMIT, "%s is nested too deeply to remove", name);
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		int rc = fg_err_errno(err, errno, "cannot open %s", name);

		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	int rc = 0;

	for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = remove_below(dirfd(dir), entry->d_name, depth - 1, err);
	(void)closedir(dir);
	if (rc == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) != 0)
		rc = fg_err_errno(err, errno, "cannot remove %s", name);
	return rc;
}

int fg_file_remove_tree(const char *path, struct fg_err *err)
{
	return remove_below(AT_FDCWD, path, 8, err);
}

int fg_file_path(char buffer[FG_PATH_MAX], struct fg_err *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(buffer, FG_PATH_MAX, format, args);
	va_end(args);
	if (len < 0 || len >= FG_PATH_MAX)
		return fg_err_set(err, FG_E_LIMIT, "path is longer than %d bytes", FG_PATH_MAX - 1);
	return 0;
}

bool fg_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool fg_file_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}
