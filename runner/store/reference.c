/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/store/reference.h"

#include "gate/base/str.h"
#include "runner/store/dir.h"

#include <string.h>

static const char *state_dir(const struct fg_reference_options *options)
{
	return options && options->state_dir ? options->state_dir : ".flamegate";
}

int fg_reference_baseline_dir(const struct fg_reference_options *options,
			      char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	if (options && options->baseline_dir)
		return fg_file_path(ret_path, err, "%s", options->baseline_dir);
	return fg_file_path(ret_path, err, "%s/baselines", state_dir(options));
}

int fg_reference_bundle_at(const char *path, char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	char inner[FG_PATH_MAX], run_json[FG_PATH_MAX];
	int rc = fg_file_path(inner, err, "%s/bundle", path);

	if (!*path)
		return fg_err_set(err, FG_E_USAGE, "an empty path names no bundle");
	if (rc == 0)
		rc = fg_file_path(run_json, err, "%s/bundle/run.json", path);
	if (rc)
		return rc;
	if (fg_file_exists(run_json))
		return fg_file_path(ret_path, err, "%s", inner);
	rc = fg_file_path(run_json, err, "%s/run.json", path);
	if (rc)
		return rc;
	if (fg_file_exists(run_json))
		return fg_file_path(ret_path, err, "%s", path);
	if (!fg_file_exists(path))
		return fg_err_set(err, FG_E_NOT_FOUND, "no bundle %s: there is no such directory",
				  path);
	return fg_err_set(err, FG_E_INVALID, "%s is no bundle: no run.json in it or in %s", path,
			  inner);
}

static int resolve_latest(const struct fg_reference_options *options, char ret_path[FG_PATH_MAX],
			  struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int rc = fg_file_path(path, err, "%s/latest", state_dir(options));

	if (rc)
		return rc;
	if (!fg_file_exists(path))
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "no run yet: %s does not exist (flamegate run makes it; for a "
				  "directory of that name write ./latest)",
				  path);
	return fg_reference_bundle_at(path, ret_path, err);
}

static int resolve_baseline(const char *name, const struct fg_reference_options *options,
			    char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	char root[FG_PATH_MAX];
	int rc = fg_reference_baseline_dir(options, root, err);

	return rc ? rc : fg_store_dir_get(root, name, ret_path, err);
}

static bool is_later(const char *text)
{
	static const char *const later[] = {"git:", "s3:", "http:", "https:"};

	for (size_t i = 0; i < FG_ARRAY_LEN(later); i++)
		if (fg_str_starts_with(text, later[i]))
			return true;
	return false;
}

/* "basline:main" is a typing error, "./a:b" and "a/b:c" are paths. */
static bool looks_like_a_scheme(const char *text, size_t *ret_len)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	*ret_len = len;
	return len > 1 && text[len] == ':';
}

static int unknown_scheme(const char *text, size_t len, struct fg_err *err)
{
	static const char *const schemes[] = {"baseline", "dir", "git", "s3", "https"};
	char word[32] = "";

	if (len < sizeof(word))
		memcpy(word, text, len);
	const char *near = fg_str_nearest(word, schemes, FG_ARRAY_LEN(schemes));

	return fg_err_set(
		err, FG_E_USAGE,
		"\"%s\" names no bundle: use PATH, latest, baseline:NAME or dir:PATH%s%s%s", text,
		near ? "; did you mean " : "", near ? near : "", near ? ":?" : "");
}

int fg_reference_resolve(const char *text, const struct fg_reference_options *options,
			 char ret_path[FG_PATH_MAX], struct fg_err *err)
{
	size_t scheme_len = 0;

	if (!*text)
		return fg_err_set(err, FG_E_USAGE, "an empty text names no bundle");
	if (strcmp(text, "latest") == 0)
		return resolve_latest(options, ret_path, err);
	if (fg_str_starts_with(text, "baseline:"))
		return resolve_baseline(text + strlen("baseline:"), options, ret_path, err);
	if (fg_str_starts_with(text, "dir:"))
		return fg_reference_bundle_at(text + strlen("dir:"), ret_path, err);
	if (is_later(text))
		return fg_err_set(err, FG_E_LATER,
				  "%.*s references come with a later issue; fetch the bundle and "
				  "give its path",
				  (int)strcspn(text, ":") + 1, text);
	if (looks_like_a_scheme(text, &scheme_len) && !fg_file_exists(text))
		return unknown_scheme(text, scheme_len, err);
	return fg_reference_bundle_at(text, ret_path, err);
}
