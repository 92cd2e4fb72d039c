/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -o KIND=PATH: one table of kinds; what a later issue brings is named and refused before the run.
 */
#include "runner/run/outputs.h"

#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/profile/folded.h"
#include "gate/profile/pprof.h"
#include "gate/report/report.h"

enum { OUTPUT_MAX = 256 << 20 };

typedef int output_fn(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
		      struct fg_buf *out, struct fg_err *err);

static int write_json(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
		      struct fg_buf *out, struct fg_err *err)
{
	(void)verdict;
	return fg_bundle_run_json(bundle->result, out, err);
}

static int write_markdown(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
			  struct fg_buf *out, struct fg_err *err)
{
	return fg_report_markdown(bundle->result, bundle->profile, verdict, 900 << 10, out, err);
}

static int write_junit(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
		       struct fg_buf *out, struct fg_err *err)
{
	return fg_report_junit(bundle->result, verdict, out, err);
}

static int need_profile(const struct fg_bundle *bundle, struct fg_err *err)
{
	if (bundle->profile)
		return 0;
	return fg_err_set(err, FG_E_NO_DATA, "there is no profile: %s",
			  bundle->result->profile.why_absent);
}

static int write_pprof(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
		       struct fg_buf *out, struct fg_err *err)
{
	struct fg_pprof_options options = {.gzip = true, .labels = true};
	int rc = need_profile(bundle, err);

	(void)verdict;
	return rc ? rc : fg_pprof_encode(bundle->profile, &options, out, err);
}

static int write_folded(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
			struct fg_buf *out, struct fg_err *err)
{
	int rc = need_profile(bundle, err);

	(void)verdict;
	return rc ? rc : fg_folded_encode(bundle->profile, "measure", out, err);
}

static int write_verdict(const struct fg_bundle *bundle, const struct fg_verdict *verdict,
			 struct fg_buf *out, struct fg_err *err)
{
	(void)bundle;
	if (!verdict)
		return fg_err_set(err, FG_E_NO_DATA, "nothing was compared; give --baseline REF");
	return fg_verdict_json(verdict, out, err);
}

static const struct output_kind {
	const char *name;
	output_fn *write; /* NULL: comes with a later issue */
} kinds[] = {
	{"json", write_json},   {"markdown", write_markdown},
	{"junit", write_junit}, {"verdict", write_verdict},
	{"pprof", write_pprof}, {"folded", write_folded},
	{"ndjson", NULL},       {"csv", NULL},
	{"html", NULL},         {"speedscope", NULL},
	{"k6-summary", NULL},   {"openmetrics", NULL},
	{"svg", NULL},
};

static int find_kind(const char *word, const struct output_kind **ret, const char **ret_path,
		     struct fg_err *err)
{
	const char *equals = strchr(word, '=');
	const char *names[FG_ARRAY_LEN(kinds)];

	if (!equals || equals == word || !equals[1])
		return fg_err_set(err, FG_E_USAGE,
				  "--out wants KIND=PATH, got \"%s\"; for example json=run.json",
				  word);
	for (size_t i = 0; i < FG_ARRAY_LEN(kinds); i++) {
		size_t len = (size_t)(equals - word);

		names[i] = kinds[i].name;
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, word, len) == 0) {
			*ret = &kinds[i];
			*ret_path = equals + 1;
			return 0;
		}
	}
	FG_AUTO_FREE char *kind = NULL;
	int rc = fg_str_ndup(word, (size_t)(equals - word), &kind, err);

	if (rc)
		return rc;
	const char *nearest = fg_str_nearest(kind, names, FG_ARRAY_LEN(names));

	return fg_err_set(
		err, FG_E_USAGE,
		"--out: unknown kind \"%s\"%s%s%s (json, verdict, markdown, junit, pprof, "
		"folded)",
		kind, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
		nearest ? "\"?" : "");
}

/* "dir" of "dir/file": where the temporary file has to go. */
static int check_place(const char *path, struct fg_err *err)
{
	char dir[FG_PATH_MAX];
	const char *slash = strrchr(path, '/');
	int rc = fg_file_path(dir, err, "%.*s", slash ? (int)(slash - path + 1) : 1,
			      slash ? path : ".");

	if (rc)
		return rc;
	if (fg_file_is_dir(path))
		return fg_err_set(err, FG_E_USAGE, "--out: %s is a directory", path);
	if (!fg_file_is_dir(dir))
		return fg_err_set(err, FG_E_USAGE, "--out %s: there is no directory %s", path, dir);
	return 0;
}

static int check_twice(const struct fg_opt_list *outs, size_t index, const char *path,
		       struct fg_err *err)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(strchr(outs->items[i], '=') + 1, path) == 0 &&
		    !fg_str_starts_with(path, "/dev/"))
			return fg_err_set(err, FG_E_USAGE,
					  "--out %s and --out %s: one would overwrite the other",
					  outs->items[i], outs->items[index]);
	return 0;
}

int fg_outputs_check(const struct fg_opt_list *outs, struct fg_err *err)
{
	for (size_t i = 0; i < outs->count; i++) {
		const struct output_kind *kind = NULL;
		const char *path = NULL;
		int rc = find_kind(outs->items[i], &kind, &path, err);

		if (rc)
			return rc;
		if (!kind->write)
			return fg_err_set(
				err, FG_E_USAGE,
				"--out %s comes with a later version of flamegate; this one "
				"writes json, verdict, markdown, junit, pprof and folded",
				kind->name);
		rc = check_place(path, err);
		if (rc == 0)
			rc = check_twice(outs, i, path, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int write_one(const char *word, const struct fg_bundle *bundle,
		     const struct fg_verdict *verdict, struct fg_err *err)
{
	const struct output_kind *kind = NULL;
	const char *path = NULL;
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, OUTPUT_MAX);
	int rc = find_kind(word, &kind, &path, err);

	if (rc == 0)
		rc = kind->write(bundle, verdict, &text, err);
	if (rc == 0)
		rc = fg_buf_check(&text, err);
	if (rc == 0)
		rc = fg_file_write(path, text.data ? text.data : "", text.len, err);
	if (rc)
		return fg_err_wrap(err, "--out %s", word);
	return 0;
}

int fg_outputs_write(const struct fg_opt_list *outs, const struct fg_bundle *bundle,
		     const struct fg_verdict *verdict, struct fg_err *err)
{
	struct fg_err first = {0};

	/* One that fails does not keep the others from being written. */
	for (size_t i = 0; i < outs->count; i++) {
		struct fg_err one = {0};

		if (write_one(outs->items[i], bundle, verdict, &one) && first.code == FG_E_NONE)
			first = one;
	}
	if (first.code != FG_E_NONE && err)
		*err = first;
	return -(int)first.code;
}
