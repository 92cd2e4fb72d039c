/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle appears whole or not at all: written into a sibling `<dir>.<pid>.tmp`, synced and
 * renamed. The series goes from its spool to the file in pieces, everything else through memory.
 * What a failure left is removed, made parents included.
 */
#include "gate/measure/bundle_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/format/gzip.h"

struct place {
	char dir[FG_PATH_MAX];
	char parent[FG_PATH_MAX];
	char temporary[FG_PATH_MAX];
	size_t made_len; /* parent's first this many bytes name the first directory we made; 0: none
			  */
};

struct contents {
	const struct fg_bundle *bundle;
	struct fg_buf run;
};

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* How much of `parent` names the first directory that is missing. */
static size_t first_missing(const char *parent)
{
	char path[FG_PATH_MAX];
	size_t len = strlen(parent);

	memcpy(path, parent, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (!is_there(path))
			return i;
		path[i] = parent[i];
	}
	return 0;
}

static int find_place(const char *dir, struct place *place, struct fg_err *err)
{
	int rc = fg_file_path(place->dir, err, "%s", dir);
	size_t len = strlen(place->dir);

	if (rc)
		return rc;
	while (len > 1 && place->dir[len - 1] == '/')
		place->dir[--len] = '\0';
	if (len == 0)
		return fg_err_set(err, FG_E_USAGE, "a bundle needs a directory name");
	const char *slash = strrchr(place->dir, '/');

	if (!slash)
		rc = fg_file_path(place->parent, err, ".");
	else if (slash == place->dir)
		rc = fg_file_path(place->parent, err, "/");
	else
		rc = fg_file_path(place->parent, err, "%.*s", (int)(slash - place->dir),
				  place->dir);
	if (rc == 0)
		rc = fg_file_path(place->temporary, err, "%s.%ld.tmp", place->dir, (long)getpid());
	if (rc)
		return rc;
	if (is_there(place->dir))
		return fg_err_set(err, FG_E_IO, "%s exists already; a bundle is never overwritten",
				  place->dir);
	place->made_len = first_missing(place->parent);
	return 0;
}

static void remove_made_parents(struct place *place)
{
	size_t len = strlen(place->parent);

	/* rmdir takes only empty ones, so what somebody else put there stays. */
	while (place->made_len > 0 && len >= place->made_len) {
		if (rmdir(place->parent) != 0 && errno != ENOENT)
			return;
		while (len > 0 && place->parent[len] != '/')
			len--;
		place->parent[len] = '\0';
	}
}

static int encode(struct contents *contents, struct fg_err *err)
{
	int rc = fg_bundle_check_profiles(contents->bundle, err);

	return rc ? rc : fg_bundle_run_json(contents->bundle->result, &contents->run, err);
}

static int write_file(const char *dir, const char *name, const struct fg_buf *bytes,
		      struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int rc = fg_file_path(path, err, "%s/%s", dir, name);

	return rc ? rc : fg_file_write_new(path, bytes->data, bytes->len, err);
}

struct packed_file {
	const char *path;
	int fd;
};

static int write_packed(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	const struct packed_file *file = context;

	return fg_file_write_fd(file->fd, file->path, bytes, len, err);
}

static int pack(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	return fg_gzip_stream_put(context, bytes, len, err);
}

typedef int (*lines_writer)(const struct fg_result *, fg_gzip_sink, void *, struct fg_err *);

static int pack_lines(const struct fg_result *result, lines_writer lines, struct packed_file *file,
		      struct fg_err *err)
{
	struct fg_gzip_stream *stream = NULL;
	int rc = fg_gzip_stream_new(false, 0, write_packed, file, &stream, err);

	if (rc)
		return rc;
	rc = lines(result, pack, stream, err);
	if (rc == 0)
		rc = fg_gzip_stream_end(stream, err);
	fg_gzip_stream_free(stream);
	if (rc == 0 && fsync(file->fd) != 0)
		rc = fg_err_errno(err, errno, "cannot sync %s", file->path);
	return rc;
}

static int write_lines(const char *dir, const char *name, const struct fg_result *result,
		       lines_writer lines, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	struct packed_file file = {.path = path, .fd = -1};
	int rc = fg_file_path(path, err, "%s/%s", dir, name);

	if (rc)
		return rc;
	file.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file.fd < 0)
		return fg_err_errno(err, errno, "cannot create %s", path);
	rc = pack_lines(result, lines, &file, err);
	if (close(file.fd) != 0 && rc == 0)
		rc = fg_err_errno(err, errno, "cannot write %s", path);
	return rc;
}

static int write_files(const struct place *place, const struct contents *contents,
		       struct fg_err *err)
{
	const struct fg_result *result = contents->bundle->result;

	if (mkdir(place->temporary, 0777) != 0)
		return fg_err_errno(err, errno, "cannot create directory %s", place->temporary);
	int rc = write_file(place->temporary, fg_bundle_run_name, &contents->run, err);

	if (rc == 0)
		rc = write_lines(place->temporary, fg_bundle_latency_name, result,
				 fg_bundle_latency_write, err);
	if (rc == 0)
		rc = write_lines(place->temporary, fg_bundle_metrics_name, result,
				 fg_bundle_metrics_write, err);
	if (rc == 0)
		rc = fg_bundle_write_profiles(place->temporary, contents->bundle, err);
	if (rc == 0)
		rc = fg_bundle_write_scrapes(place->temporary, contents->bundle, err);
	return rc ? rc : fg_file_sync_dir(place->temporary, err);
}

/* rename() alone would replace an empty directory that appeared in the meantime. */
static int move_into_place(const struct place *place, struct fg_err *err)
{
	int failed = renameat2(AT_FDCWD, place->temporary, AT_FDCWD, place->dir, RENAME_NOREPLACE);

	if (failed && (errno == EINVAL || errno == ENOSYS)) /* this mount cannot */
		failed = rename(place->temporary, place->dir);
	if (failed)
		return fg_err_errno(err, errno, "cannot rename %s to %s", place->temporary,
				    place->dir);
	return fg_file_sync_dir(place->parent, err);
}

static int write_contents(struct place *place, const struct contents *contents, struct fg_err *err)
{
	int rc = fg_file_mkdirs(place->parent, err);

	if (rc == 0) {
		/* Only a dead process of our pid can have left one, and never a complete one. */
		rc = fg_file_remove_tree(place->temporary, err);
		if (rc == 0)
			rc = write_files(place, contents, err);
		if (rc == 0)
			rc = move_into_place(place, err);
		if (rc && fg_file_remove_tree(place->temporary, NULL) != 0)
			(void)fg_err_wrap(err, "(%s stays behind)", place->temporary);
	}
	if (rc)
		remove_made_parents(place);
	return rc;
}

int fg_bundle_write_all(const char *dir, const struct fg_bundle *bundle, struct fg_err *err)
{
	struct contents contents = {.bundle = bundle};
	struct place place = {0};

	fg_buf_init(&contents.run, FG_JSON_BYTES_MAX);
	int rc = find_place(dir, &place, err);

	if (rc == 0)
		rc = encode(&contents, err);
	if (rc == 0)
		rc = write_contents(&place, &contents, err);
	fg_buf_done(&contents.run);
	return rc ? fg_err_wrap(err, "bundle") : 0;
}

int fg_bundle_write(const char *dir, const struct fg_result *result,
		    const struct fg_profile *profile, struct fg_err *err)
{
	/* Only read: the bundle's members are not const because it owns what it read. */
	const struct fg_bundle bundle = {.result = (struct fg_result *)(uintptr_t)result,
					 .profile = (struct fg_profile *)(uintptr_t)profile};

	return fg_bundle_write_all(dir, &bundle, err);
}
