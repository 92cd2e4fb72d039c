/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/store/dir.h"

#include "gate/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ESCAPED_MAX = 3 * FG_STORE_NAME_MAX + 1, SHOWN_NAMES_MAX = 8 };

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

/* "feature/x" → "feature%2Fx": one directory per name, and no way out of the root. */
static int escape_name(const char *name, char escaped[ESCAPED_MAX], struct fg_err *err)
{
	size_t len = strlen(name), used = 0;

	if (len == 0 || len > FG_STORE_NAME_MAX)
		return fg_err_set(err, FG_E_USAGE, "a baseline's name has 1 to %d characters",
				  FG_STORE_NAME_MAX);
	for (size_t i = 0; i < len; i++) {
		if (is_plain(name[i]) && (i > 0 || name[i] != '.')) {
			escaped[used++] = name[i];
			continue;
		}
		(void)snprintf(escaped + used, 4, "%%%02X", (unsigned char)name[i]);
		used += 3;
	}
	escaped[used] = '\0';
	return 0;
}

static int check_id(const char *id, struct fg_err *err)
{
	size_t len = strlen(id);
	bool fine = len > 0 && len <= 64 && id[0] != '.' && strcmp(id, "current") != 0;

	for (size_t i = 0; fine && i < len; i++)
		fine = is_plain(id[i]);
	if (!fine)
		return fg_err_set(err, FG_E_INVALID, "\"%.70s\" is no run id", id);
	return 0;
}

/* -- putting -------------------------------------------------------------------------------- */

static int copy_file(const char *from_dir, const char *to_dir, const char *file, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf content = {.data = NULL};
	char from[FG_PATH_MAX], to[FG_PATH_MAX];
	int rc = fg_file_path(from, err, "%s/%s", from_dir, file);

	if (rc == 0)
		rc = fg_file_path(to, err, "%s/%s", to_dir, file);
	fg_buf_init(&content, FG_STORE_FILE_BYTES_MAX);
	if (rc == 0)
		rc = fg_file_read(from, FG_STORE_FILE_BYTES_MAX, &content, err);
	return rc ? rc : fg_file_write_new(to, content.data, content.len, err);
}

static int copy_bundle(const char *from, const char *to, struct fg_err *err)
{
	DIR *dir = opendir(from);
	size_t files = 0;
	int rc = 0;

	if (!dir)
		return fg_err_errno(err, errno, "cannot open bundle %s", from);
	for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		if (++files > FG_STORE_FILES_MAX)
			rc = fg_err_set(err, FG_E_LIMIT, "%s has more than %d files: no bundle",
					from, FG_STORE_FILES_MAX);
		else
			rc = copy_file(from, to, entry->d_name, err);
	}
	(void)closedir(dir);
	return rc ? rc : fg_file_sync_dir(to, err);
}

/* The id's directory under a temporary name, complete and synced, then renamed. */
static int put_copy(const char *parent, const char *id, const char *bundle_dir, struct fg_err *err)
{
	char temporary[FG_PATH_MAX], inner[FG_PATH_MAX], final[FG_PATH_MAX];
	int rc = fg_file_path(temporary, err, "%s/.%s.%ld.tmp", parent, id, (long)getpid());

	if (rc == 0)
		rc = fg_file_path(inner, err, "%s/bundle", temporary);
	if (rc == 0)
		rc = fg_file_path(final, err, "%s/%s", parent, id);
	if (rc)
		return rc;
	if (fg_file_is_dir(final))
		return 0;                         /* bundles never change: it is the same one */
	rc = fg_file_remove_tree(temporary, err); /* of a killed process with our pid */
	if (rc == 0)
		rc = fg_file_mkdirs(inner, err);
	if (rc == 0)
		rc = copy_bundle(bundle_dir, inner, err);
	if (rc == 0 && rename(temporary, final) != 0 && errno != EEXIST && errno != ENOTEMPTY)
		rc = fg_err_errno(err, errno, "cannot rename %s to %s", temporary, final);
	/* left over on failure, and when another writer was quicker with the same id */
	int removed = fg_file_remove_tree(temporary, NULL);

	return rc ? rc : removed;
}

/* A symlink cannot be replaced in place, so a new one is renamed over it. */
static int make_current(const char *parent, const char *id, struct fg_err *err)
{
	char temporary[FG_PATH_MAX], final[FG_PATH_MAX];
	int rc = fg_file_path(temporary, err, "%s/.current.%ld.tmp", parent, (long)getpid());

	if (rc == 0)
		rc = fg_file_path(final, err, "%s/current", parent);
	if (rc)
		return rc;
	(void)unlink(temporary);
	if (symlink(id, temporary) != 0)
		return fg_err_errno(err, errno, "cannot create %s", temporary);
	if (rename(temporary, final) != 0) {
		rc = fg_err_errno(err, errno, "cannot replace %s", final);
		(void)unlink(temporary);
		return rc;
	}
	return fg_file_sync_dir(parent, err);
}

int fg_store_dir_put(const char *root, const char *name, const char *id, const char *bundle_dir,
		     char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	char escaped[ESCAPED_MAX], parent[FG_PATH_MAX], run_json[FG_PATH_MAX], path[FG_PATH_MAX];
	int rc = escape_name(name, escaped, err);

	if (rc == 0)
		rc = check_id(id, err);
	if (rc == 0)
		rc = fg_file_path(parent, err, "%s/%s", root, escaped);
	if (rc == 0)
		rc = fg_file_path(path, err, "%s/%s/bundle", parent, id);
	if (rc == 0)
		rc = fg_file_path(run_json, err, "%s/run.json", bundle_dir);
	if (rc)
		return rc;
	if (!fg_file_exists(run_json))
		return fg_err_set(err, FG_E_INVALID, "%s is no bundle: it has no run.json",
				  bundle_dir);
	rc = fg_file_mkdirs(parent, err);
	if (rc == 0)
		rc = put_copy(parent, id, bundle_dir, err);
	if (rc == 0)
		rc = make_current(parent, id, err);
	if (rc)
		return fg_err_wrap(err, "baseline %s", name);
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

/* -- getting -------------------------------------------------------------------------------- */

/* The names that exist, for the message; unescaping is not worth it there. */
static void list_names(const char *root, struct fg_buf *out)
{
	DIR *dir = opendir(root);
	size_t count = 0;

	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		if (++count <= SHOWN_NAMES_MAX)
			fg_buf_addf(out, "%s%s", count > 1 ? ", " : "", entry->d_name);
	}
	if (count > SHOWN_NAMES_MAX)
		fg_buf_addf(out, " and %zu more", count - SHOWN_NAMES_MAX);
	(void)closedir(dir);
}

static int no_such_baseline(const char *root, const char *name, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf names = {.data = NULL};

	fg_buf_init(&names, 4096);
	list_names(root, &names);
	return fg_err_set(err, FG_E_NOT_FOUND, "no baseline \"%s\" in %s (%s%s)", name, root,
			  names.len ? "there are: " : "it has none", names.len ? names.data : "");
}

static bool has_bundle(const char *parent, const char *id, char path[FG_PATH_MAX])
{
	char run_json[FG_PATH_MAX];

	return fg_file_path(path, NULL, "%s/%s/bundle", parent, id) == 0 &&
	       fg_file_path(run_json, NULL, "%s/run.json", path) == 0 && fg_file_exists(run_json);
}

/* Ids begin with the run's UTC time, so the greatest is the newest. For stores whose symlink got
 * lost on the way (artefact zips do that). */
static bool newest(const char *parent, char path[FG_PATH_MAX])
{
	char best[256] = "", candidate[FG_PATH_MAX];
	DIR *dir = opendir(parent);

	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "current") != 0 &&
		    strcmp(entry->d_name, best) > 0 && has_bundle(parent, entry->d_name, candidate))
			(void)snprintf(best, sizeof(best), "%s", entry->d_name);
	(void)closedir(dir);
	return best[0] && has_bundle(parent, best, path);
}

int fg_store_dir_get(const char *root, const char *name, char ret_path[FG_PATH_MAX],
		     struct fg_err *err)
{
	char escaped[ESCAPED_MAX], parent[FG_PATH_MAX], link[FG_PATH_MAX], path[FG_PATH_MAX];
	char id[128];
	int rc = escape_name(name, escaped, err);

	if (rc == 0)
		rc = fg_file_path(parent, err, "%s/%s", root, escaped);
	if (rc == 0)
		rc = fg_file_path(link, err, "%s/current", parent);
	if (rc)
		return rc;
	ssize_t len = readlink(link, id, sizeof(id) - 1);

	id[FG_MAX(len, 0)] = '\0';
	/* the link is a name in the same directory, or it is not ours */
	if (check_id(id, NULL) != 0 || !has_bundle(parent, id, path)) {
		if (!newest(parent, path))
			return no_such_baseline(root, name, err);
	}
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}
