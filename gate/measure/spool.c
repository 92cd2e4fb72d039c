/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/measure/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"

void fg_spool_init(struct fg_spool *spool)
{
	*spool = (struct fg_spool){.fd = -1};
	fg_buf_init(&spool->memory, FG_SPOOL_MEMORY_BYTES);
}

void fg_spool_done(struct fg_spool *spool)
{
	if (!spool)
		return;
	fg_buf_done(&spool->memory);
	free(spool->dir);
	if (spool->fd >= 0)
		(void)close(spool->fd);
	fg_spool_init(spool);
}

static const char *spool_dir(const struct fg_spool *spool)
{
	const char *dir = spool->dir ? spool->dir : getenv("TMPDIR");

	return dir && dir[0] ? dir : "/tmp";
}

/* Not every file system has O_TMPFILE (overlay of old kernels, NFS). */
static int open_file(const char *dir, int *ret, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		int rc = fg_file_path(path, err, "%s/flamegate-XXXXXX", dir);

		if (rc)
			return rc;
		fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0)
			return fg_err_errno(err, errno, "cannot create a temporary file in %s",
					    dir);
		(void)unlink(path);
	}
	*ret = fd;
	return 0;
}

static int write_at(const struct fg_spool *spool, int fd, const char *bytes, size_t len,
		    uint64_t offset, struct fg_err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fg_err_errno(err, n < 0 ? errno : ENOSPC,
					    "cannot write to a temporary file in %s",
					    spool_dir(spool));
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Memory → file, once. */
static int spill(struct fg_spool *spool, struct fg_err *err)
{
	int fd = -1;
	int rc = open_file(spool_dir(spool), &fd, err);

	if (rc)
		return rc;
	rc = write_at(spool, fd, spool->memory.data, spool->memory.len, 0, err);
	if (rc) {
		(void)close(fd);
		return rc;
	}
	fg_buf_done(&spool->memory);
	fg_buf_init(&spool->memory, FG_SPOOL_MEMORY_BYTES);
	spool->fd = fd;
	return 0;
}

int fg_spool_append(struct fg_spool *spool, const void *bytes, size_t len, uint64_t *ret_offset,
		    struct fg_err *err)
{
	int rc = 0;

	if (spool->fd < 0 && len > FG_SPOOL_MEMORY_BYTES - spool->memory.len)
		rc = spill(spool, err);
	if (rc)
		return rc;
	if (spool->fd < 0) {
		fg_buf_add(&spool->memory, bytes, len);
		rc = fg_buf_check(&spool->memory, err);
		spool->memory.failed = false;
	} else {
		rc = write_at(spool, spool->fd, bytes, len, spool->size_bytes, err);
	}
	if (rc)
		return rc;
	*ret_offset = spool->size_bytes;
	spool->size_bytes += len;
	return 0;
}

int fg_spool_read(const struct fg_spool *spool, uint64_t offset, void *to, size_t len,
		  struct fg_err *err)
{
	char *at = to;

	assert(offset <= spool->size_bytes && len <= spool->size_bytes - offset);
	if (spool->fd < 0) {
		if (len)
			memcpy(to, spool->memory.data + offset, len);
		return 0;
	}
	while (len > 0) {
		ssize_t n = pread(spool->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fg_err_errno(err, n < 0 ? errno : EIO,
					    "cannot read a temporary file in %s", spool_dir(spool));
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}
