/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/outputs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/str.h"
#include "gate/format/gzip.h"

bool fg_outputs_file_is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

int fg_outputs_file_open(struct fg_outputs_file *file, const char *path,
			 void (*text)(void *context, const char *text, size_t len),
			 void *text_context, struct fg_err *err)
{
	*file = (struct fg_outputs_file){
		.path = path, .fd = -1, .text = text, .text_context = text_context};
	if (strcmp(path, "-") == 0)
		return 0;
	file->gzip = fg_str_ends_with(path, ".gz");
	if (fg_outputs_file_is_special(path)) {
		file->fd = open(path, O_WRONLY | O_CLOEXEC);
		return file->fd < 0 ? fg_err_errno(err, errno, "cannot open %s", path) : 0;
	}
	int rc = fg_file_path(file->temporary, err, "%s.%ld.tmp", path, (long)getpid());

	if (rc)
		return rc;
	file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return file->fd < 0 ? fg_err_errno(err, errno, "cannot create %s", file->temporary) : 0;
}

int fg_outputs_file_write(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	struct fg_outputs_file *file = context;
	FG_AUTO_BUF struct fg_buf packed = {.data = NULL};

	if (file->fd < 0) {
		file->text(file->text_context, bytes, len);
		return 0;
	}
	if (!file->gzip)
		return fg_file_write_fd(file->fd, file->path, bytes, len, err);
	/* Each piece is a gzip member of its own; members in a row are one gzip file. */
	fg_buf_init(&packed, len + (len >> 3) + 4096);
	int rc = fg_gzip_deflate(FG_DEFLATE_GZIP, bytes, len, &packed, err);

	return rc ? rc : fg_file_write_fd(file->fd, file->path, packed.data, packed.len, err);
}

int fg_outputs_file_close(struct fg_outputs_file *file, bool failed, struct fg_err *err)
{
	int rc = 0;

	if (file->fd < 0)
		return 0;
	/* EINVAL: what cannot be synced (/dev/stdout, a pipe) was still written. */
	if (!failed && fsync(file->fd) != 0 && errno != EINVAL && errno != EROFS)
		rc = fg_err_errno(err, errno, "cannot sync %s", file->path);
	if (close(file->fd) != 0 && rc == 0 && !failed)
		rc = fg_err_errno(err, errno, "cannot close %s", file->path);
	file->fd = -1;
	if (!file->temporary[0])
		return rc;
	if (rc == 0 && !failed && rename(file->temporary, file->path) != 0)
		rc = fg_err_errno(err, errno, "cannot rename %s to %s", file->temporary,
				  file->path);
	if (rc || failed)
		(void)unlink(file->temporary);
	return rc;
}
