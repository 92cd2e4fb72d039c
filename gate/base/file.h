/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: bounded reads and atomic writes.
 *
 * Promises: a reader never takes more than its maximum; a written file or directory appears under
 * its final name complete and synced, or not at all. Knows nothing of formats.
 */
#ifndef FG_BASE_FILE_H
#define FG_BASE_FILE_H

#include <sys/types.h>

#include "gate/base/buf.h"

enum { FG_PATH_MAX = 4096 };

/** Reads a whole regular file of at most `max_bytes` into `buf` (appended; buf->max also holds). */
int fg_file_read(const char *path, size_t max_bytes, struct fg_buf *buf,
		 struct fg_err *err) FG_MUST_USE;
/** As above from an open descriptor (also pipes and /proc files); does not close it. */
int fg_file_read_fd(int fd, const char *name, size_t max_bytes, struct fg_buf *buf,
		    struct fg_err *err) FG_MUST_USE;
/** Writes `path` atomically: temporary sibling, write, fsync, rename. */
int fg_file_write(const char *path, const void *bytes, size_t len, struct fg_err *err) FG_MUST_USE;
/** Creates `path` directly (no rename), writes and syncs it; fails if it exists. For files inside
 *  a directory that is itself renamed into place. */
int fg_file_write_new(const char *path, const void *bytes, size_t len,
		      struct fg_err *err) FG_MUST_USE;
/** write(2) until everything is out; EINTR and short writes handled. */
int fg_file_write_fd(int fd, const char *name, const void *bytes, size_t len,
		     struct fg_err *err) FG_MUST_USE;
/** mkdir -p with mode 0777 & ~umask. */
int fg_file_mkdirs(const char *path, struct fg_err *err) FG_MUST_USE;
/** fsync of a directory, so that names in it survive a crash. */
int fg_file_sync_dir(const char *path, struct fg_err *err) FG_MUST_USE;
/** rm -r of a directory tree that we made (depth ≤ 8); missing is no error; symlinks are not
 *  followed. */
int fg_file_remove_tree(const char *path, struct fg_err *err) FG_MUST_USE;
/** snprintf into a path buffer; LIMIT when it does not fit. */
int fg_file_path(char buffer[FG_PATH_MAX], struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4) FG_MUST_USE;
bool fg_file_exists(const char *path);
bool fg_file_is_dir(const char *path);

/** For `FG_AUTO_CLOSE int fd = -1;` on descriptors that are only read. */
#define FG_AUTO_CLOSE FG_CLEANUP(fg_file_auto_close)
void fg_file_auto_close(int *fd);

#endif
