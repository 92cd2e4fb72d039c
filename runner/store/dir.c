/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/store/dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gate/measure/bundle.h"
#include "runner/store/reference.h"

enum { FILE_MAX = 64 << 20, FILES_MAX = 64 };

/* A branch name as one directory name: everything but [A-Za-z0-9._-] becomes %XX, so that different
 * names stay different and none escapes the root. */
static int encode_name(const char *name, char ret[3 * FG_STORE_NAME_MAX + 1], struct fg_err *err)
{
	size_t out = 0;

	if (!*name || strlen(name) > FG_STORE_NAME_MAX)
		return fg_err_set(err, FG_E_INVALID,
				  "a baseline's name has 1 to %d characters, got \"%.60s\"",
				  FG_STORE_NAME_MAX, name);
	for (const char *at = name; *at; at++) {
		unsigned char c = (unsigned char)*at;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' ||
			     (c == '.' && at > name);

		if (plain)
			ret[out++] = (char)c;
		else
			out += (size_t)snprintf(ret + out, 4, "%%%02X", c);
	}
	ret[out] = '\0';
	return 0;
}

static int name_dir(const char *root, const char *name, char ret[FG_PATH_MAX], struct fg_err *err)
{
	char encoded[3 * FG_STORE_NAME_MAX + 1];
	int rc = encode_name(name, encoded, err);

	return rc ? rc
		  : fg_file_path(ret, err, "%s/%s", root ? root : FG_BASELINE_DIR_DEFAULT, encoded);
}

int fg_store_dir_get(const char *root, const char *name, char ret_path[FG_PATH_MAX],
		     struct fg_err *err)
{
	char dir[FG_PATH_MAX];
	char current[FG_PATH_MAX];
	FG_AUTO_BUF struct fg_buf id;

	fg_buf_init(&id, FG_RUN_ID_LEN);
	int rc = name_dir(root, name, dir, err);

	if (rc == 0)
		rc = fg_file_path(current, err, "%s/current", dir);
	if (rc)
		return rc;
	rc = fg_file_read(current, FG_RUN_ID_LEN, &id, err);
	if (rc == -FG_E_NOT_FOUND)
		return fg_err_set(
			err, FG_E_NOT_FOUND,
			"no baseline is called \"%.100s\" in %s; `flamegate ci` saves one on "
			"a branch, or use a bundle's path",
			name, root ? root : FG_BASELINE_DIR_DEFAULT);
	if (rc)
		return rc;
	if (!id.len || strchr(id.data, '/') || id.data[0] == '.')
		return fg_err_set(err, FG_E_INVALID, "%s does not name a bundle", current);
	return fg_file_path(ret_path, err, "%s/%s", dir, id.data);
}

static int copy_file(const char *from_dir, const char *to_dir, const char *name, struct fg_err *err)
{
	char from[FG_PATH_MAX];
	char to[FG_PATH_MAX];
	FG_AUTO_BUF struct fg_buf bytes;

	fg_buf_init(&bytes, FILE_MAX);
	int rc = fg_file_path(from, err, "%s/%s", from_dir, name);

	if (rc == 0)
		rc = fg_file_path(to, err, "%s/%s", to_dir, name);
	if (rc == 0)
		rc = fg_file_read(from, FILE_MAX, &bytes, err);
	return rc ? rc : fg_file_write_new(to, bytes.data ? bytes.data : "", bytes.len, err);
}

static int copy_bundle(const char *from_dir, const char *to_dir, struct fg_err *err)
{
	DIR *dir = opendir(from_dir);
	size_t count = 0;
	int rc = 0;

	if (!dir)
		return fg_err_errno(err, errno, "cannot open %s", from_dir);
	for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		if (++count > FILES_MAX)
			rc = fg_err_set(err, FG_E_LIMIT, "%s holds more than %d files", from_dir,
					FILES_MAX);
		else
			rc = copy_file(from_dir, to_dir, entry->d_name, err);
	}
	(void)closedir(dir);
	return rc ? rc : fg_file_sync_dir(to_dir, err);
}

static int copy_atomically(const char *bundle_dir, const char *dir, const char *id,
			   struct fg_err *err)
{
	char temporary[FG_PATH_MAX];
	char final[FG_PATH_MAX];
	int rc = fg_file_path(temporary, err, "%s/.%s.%ld.tmp", dir, id, (long)getpid());

	if (rc == 0)
		rc = fg_file_path(final, err, "%s/%s", dir, id);
	if (rc)
		return rc;
	if (fg_file_is_dir(final))
		return 0; /* bundles are immutable: the same id is the same bundle */
	rc = fg_file_mkdirs(temporary, err);
	if (rc == 0)
		rc = copy_bundle(bundle_dir, temporary, err);
	if (rc == 0 && rename(temporary, final) != 0 && errno != EEXIST && errno != ENOTEMPTY)
		rc = fg_err_errno(err, errno, "cannot rename %s", temporary);
	FG_IGNORE(fg_file_remove_tree(temporary, NULL));
	return rc ? rc : fg_file_sync_dir(dir, err);
}

int fg_store_dir_put(const char *root, const char *name, const char *bundle_dir, struct fg_err *err)
{
	struct fg_bundle bundle = {0};
	char id[FG_RUN_ID_LEN + 1] = "";
	char dir[FG_PATH_MAX];
	char current[FG_PATH_MAX];
	int rc = fg_bundle_read(bundle_dir, &bundle, err);

	if (rc)
		return rc;
	memcpy(id, bundle.result->id, sizeof(id));
	fg_bundle_done(&bundle);
	if (!id[0] || strchr(id, '/') || id[0] == '.')
		return fg_err_set(err, FG_E_INVALID, "%s has no usable run id", bundle_dir);
	rc = name_dir(root, name, dir, err);
	if (rc == 0)
		rc = fg_file_mkdirs(dir, err);
	if (rc == 0)
		rc = copy_atomically(bundle_dir, dir, id, err);
	if (rc == 0)
		rc = fg_file_path(current, err, "%s/current", dir);
	return rc ? rc : fg_file_write(current, id, strlen(id), err);
}
