/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/store/reference.h"

#include <string.h>

#include "gate/base/str.h"
#include "runner/store/dir.h"

static const char *const later_schemes[] = {"git:", "s3:", "http:", "https:"};

/* A bundle, or a run directory that holds one. */
static int resolve_path(const char *path, char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	char inside[FG_PATH_MAX];
	char file[FG_PATH_MAX];
	int rc = fg_file_path(inside, err, "%s/bundle", path);

	if (rc == 0)
		rc = fg_file_path(file, err, "%s/run.json", path);
	if (rc)
		return rc;
	if (fg_file_exists(file) || !fg_file_is_dir(inside)) {
		if (!fg_file_exists(path))
			return fg_err_set(err, FG_E_NOT_FOUND,
					  "no bundle at %s; name a directory that holds run.json, "
					  "latest, baseline:NAME or dir:PATH",
					  path);
		return fg_file_path(ret_path, err, "%s", path);
	}
	return fg_file_path(ret_path, err, "%s", inside);
}

int fg_reference_resolve(const char *reference, const struct fg_reference_options *options,
			 char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	const char *root =
		options && options->baseline_dir ? options->baseline_dir : FG_BASELINE_DIR_DEFAULT;

	for (size_t i = 0; i < FG_ARRAY_LEN(later_schemes); i++)
		if (fg_str_starts_with(reference, later_schemes[i]))
			return fg_err_set(
				err, FG_E_LATER,
				"%s references come with a later version of flamegate; this "
				"one knows a path, latest, baseline:NAME and dir:PATH",
				later_schemes[i]);
	if (strcmp(reference, "latest") == 0) {
		if (!fg_file_exists(".flamegate/latest"))
			return fg_err_set(
				err, FG_E_NOT_FOUND,
				"there is no latest run here; make one with flamegate run");
		return resolve_path(".flamegate/latest", ret_path, err);
	}
	if (fg_str_starts_with(reference, "baseline:"))
		return fg_store_dir_get(root, reference + strlen("baseline:"), ret_path, err);
	if (fg_str_starts_with(reference, "dir:"))
		return resolve_path(reference + strlen("dir:"), ret_path, err);
	return resolve_path(reference, ret_path, err);
}
