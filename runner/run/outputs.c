/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -o KIND=PATH: one table of kinds. Small documents are made in memory, series are streamed;
 * what a later issue brings is named and refused before the run.
 */
#include "runner/run/outputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/profile/folded.h"
#include "gate/profile/pprof.h"
#include "gate/report/exposition.h"
#include "gate/report/flame.h"
#include "gate/report/k6_summary.h"
#include "gate/report/raw.h"
#include "runner/run/outputs_file.h"
#include "runner/run/outputs_internal.h"

struct source {
	const struct fg_bundle *bundle;
	const struct fg_verdict *verdict;
	const struct fg_report_style *style;
};

typedef int output_fn(const struct source *source, struct fg_sink *sink, struct fg_err *err);

static int write_json(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_bundle_run_json(source->bundle->result, &sink->buf, err);
}

static int write_markdown(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_report_markdown(source->bundle->result, source->bundle->profile, source->verdict,
				  900 << 10, &sink->buf, err);
}

static int write_junit(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_report_junit(source->bundle->result, source->verdict, &sink->buf, err);
}

static int need_profile(const struct fg_bundle *bundle, struct fg_err *err)
{
	if (bundle->profile)
		return 0;
	return fg_err_set(err, FG_E_NO_DATA, "there is no profile: %s",
			  bundle->result->profile.why_absent);
}

static int write_pprof(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	struct fg_pprof_options options = {.gzip = true, .labels = true};
	int rc = need_profile(source->bundle, err);

	return rc ? rc : fg_pprof_encode(source->bundle->profile, &options, &sink->buf, err);
}

static int write_folded(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	int rc = need_profile(source->bundle, err);

	return rc ? rc : fg_folded_encode(source->bundle->profile, "measure", &sink->buf, err);
}

static int write_svg(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	static const struct fg_flame_options options = {0};

	return fg_flame_svg(source->bundle, &options, &sink->buf, err);
}

static int write_speedscope(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	static const struct fg_flame_options options = {0};

	return fg_flame_speedscope(source->bundle, &options, &sink->buf, err);
}

static int write_verdict(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	if (!source->verdict)
		return fg_err_set(err, FG_E_NO_DATA, "nothing was compared; give --baseline REF");
	return fg_verdict_json(source->verdict, &sink->buf, err);
}

static int write_ndjson(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_report_ndjson(source->bundle->result, sink, err);
}

static int write_csv(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_report_csv(source->bundle->result, sink, err);
}

static int write_k6_summary(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	return fg_report_k6_summary(source->bundle->result, source->style, &sink->buf, err);
}

static int write_openmetrics(const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	struct fg_trend_stats stats = source->style->trend_stats;

	if (stats.count == 0)
		stats = fg_trend_stats_default();
	return fg_report_openmetrics(source->bundle->result, &stats, sink, err);
}

static const struct output_kind {
	const char *name;
	bool typed;       /* of a profile: NAME.TYPE is that of another type */
	output_fn *write; /* NULL: not a file */
	bool recorded;    /* also of a profile without load, which has no requests */
	bool later;       /* comes with a later issue */
	bool packed;      /* compressed already, whatever the file's name ends in */
} kinds[] = {
	{.name = "json", .recorded = true, .write = write_json},
	{.name = "ndjson", .write = write_ndjson},
	{.name = "csv", .write = write_csv},
	{.name = "junit", .write = write_junit},
	{.name = "k6-summary", .write = write_k6_summary},
	{.name = "openmetrics", .write = write_openmetrics},
	{.name = "markdown", .recorded = true, .write = write_markdown},
	{.name = "pprof", .recorded = true, .typed = true, .write = write_pprof, .packed = true},
	{.name = "folded", .recorded = true, .typed = true, .write = write_folded},
	{.name = "speedscope", .recorded = true, .typed = true, .write = write_speedscope},
	{.name = "svg", .recorded = true, .typed = true, .write = write_svg},
	{.name = "verdict", .write = write_verdict},
	{.name = "prometheus"},
	{.name = "html", .later = true},
};

static bool serves(const struct output_kind *kind, enum fg_outputs_of of)
{
	if (kind->later)
		return false;
	return of == FG_OUTPUTS_RECORDING ? kind->recorded : kind->write || of == FG_OUTPUTS_RUN;
}

enum { KINDS_TEXT_MAX = 320 };

/* "json, …, svg (of other profiles pprof.offcpu, …)": what this command writes, and nothing else.
 */
static const char *kinds_text(enum fg_outputs_of of, char text[KINDS_TEXT_MAX])
{
	size_t used = 0;
	bool typed = false;

	text[0] = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(kinds) && used < KINDS_TEXT_MAX; i++) {
		if (!serves(&kinds[i], of))
			continue;
		typed |= kinds[i].typed;
		used += (size_t)snprintf(text + used, KINDS_TEXT_MAX - used, "%s%s%s",
					 used ? ", " : "", kinds[i].name,
					 kinds[i].write ? "" : " (while the run goes on)");
	}
	if (typed && used < KINDS_TEXT_MAX)
		(void)snprintf(text + used, KINDS_TEXT_MAX - used,
			       "; of other profiles pprof.offcpu, .wall, .faults …");
	return text;
}

/* The type of "pprof.offcpu=PATH"; CPU without a dot, -1 of an unknown one. */
static int type_of(const char *word, const struct output_kind *kind)
{
	const char *dot = word + strlen(kind->name);

	if (*dot != '.')
		return FG_PROFILE_CPU;
	return kind->typed ? fg_profile_type_find(dot + 1, strcspn(dot + 1, "=")) : -1;
}

static int find_kind(const char *word, enum fg_outputs_of of, const struct output_kind **ret,
		     const char **ret_path, struct fg_err *err)
{
	const char *equals = strchr(word, '=');
	const char *names[FG_ARRAY_LEN(kinds)];
	char text[KINDS_TEXT_MAX];
	size_t name_count = 0;

	if (!equals || equals == word || !equals[1])
		return fg_err_set(
			err, FG_E_USAGE,
			"--out wants KIND=PATH, got \"%.100s\"; for example json=run.json; "
			"kinds: %s",
			word, kinds_text(of, text));
	for (size_t i = 0; i < FG_ARRAY_LEN(kinds); i++) {
		size_t len = strcspn(word, ".=");

		if (serves(&kinds[i], of))
			names[name_count++] = kinds[i].name;
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, word, len) == 0 &&
		    type_of(word, &kinds[i]) >= 0) {
			*ret = &kinds[i];
			*ret_path = equals + 1;
			return 0;
		}
	}
	FG_AUTO_FREE char *kind = NULL;
	int rc = fg_str_ndup(word, (size_t)(equals - word), &kind, err);

	if (rc)
		return rc;
	const char *nearest = fg_str_nearest(kind, names, name_count);

	return fg_err_set(err, FG_E_USAGE, "--out: unknown kind \"%.100s\"%s%s%s; there are %s",
			  kind, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			  nearest ? "\"?" : "", kinds_text(of, text));
}

/* What the kind needs to be usable here, before its path is looked at. */
static int check_kind(const struct output_kind *kind, enum fg_outputs_of of, struct fg_err *err)
{
	char text[KINDS_TEXT_MAX];

	if (serves(kind, of))
		return 0;
	if (kind->later)
		return fg_err_set(err, FG_E_USAGE,
				  "--out %s comes with a later version of flamegate; this one "
				  "writes %s",
				  kind->name, kinds_text(of, text));
	if (of == FG_OUTPUTS_RECORDING)
		return fg_err_set(err, FG_E_USAGE,
				  "--out %s is about requests, and a recording has none; there are "
				  "%s",
				  kind->name, kinds_text(of, text));
	return fg_err_set(err, FG_E_USAGE,
			  "--out %s sends while a run goes on; for a bundle there is "
			  "flamegate publish --prometheus URL",
			  kind->name);
}

static int check_url(const char *url, struct fg_err *err)
{
	if (fg_str_starts_with(url, "http://") || fg_str_starts_with(url, "https://"))
		return 0;
	return fg_err_set(err, FG_E_USAGE,
			  "--out prometheus wants the URL of a remote write receiver, e.g. "
			  "http://127.0.0.1:9090/api/v1/write");
}

int fg_outputs_check(const struct fg_opt_list *outs, enum fg_outputs_of of, struct fg_err *err)
{
	for (size_t i = 0; i < outs->count; i++) {
		const struct output_kind *kind = NULL;
		const char *path = NULL;
		int rc = find_kind(outs->items[i], of, &kind, &path, err);

		if (rc == 0)
			rc = check_kind(kind, of, err);
		if (rc == 0 && !kind->write)
			rc = check_url(path, err);
		else if (rc == 0 && strcmp(path, "-") != 0)
			rc = fg_outputs_check_place(path, err);
		if (rc == 0)
			rc = fg_outputs_check_twice(outs, i, path, err);
		if (rc)
			return rc;
	}
	return 0;
}

bool fg_outputs_use_stdout(const struct fg_opt_list *outs)
{
	for (size_t i = 0; i < outs->count; i++)
		if (fg_str_ends_with(outs->items[i], "=-"))
			return true;
	return false;
}

const char *fg_outputs_prometheus(const struct fg_opt_list *outs, size_t index)
{
	for (size_t i = 0; i < outs->count; i++) {
		const struct output_kind *kind = NULL;
		const char *path = NULL;

		if (find_kind(outs->items[i], FG_OUTPUTS_RUN, &kind, &path, NULL) == 0 &&
		    !kind->write && !kind->later && index-- == 0)
			return path;
	}
	return NULL;
}

/* A profile of another type, as if it were the bundle's. Who looks for CPU cost or waits does not
 * want a thread's waiting for work beside it: only pprof, which has tools for that, keeps it. */
static int write_typed(const struct output_kind *kind, enum fg_profile_type type,
		       const struct source *source, struct fg_sink *sink, struct fg_err *err)
{
	const struct fg_profile *profile = fg_bundle_profile(source->bundle, type);
	struct fg_bundle bundle = *source->bundle;
	const struct source other = {&bundle, source->verdict, source->style};
	struct fg_profile view;

	if (!profile)
		return fg_err_set(err, FG_E_NO_DATA,
				  "there is no %s profile; profile.types of the scenario asks for "
				  "one%s%s",
				  fg_profile_type_name(type), bundle.profile ? "" : "; ",
				  bundle.profile ? "" : bundle.result->profile.why_absent);
	int rc = fg_wait_drop_idle(profile, &view, err);

	if (rc)
		return rc;
	/* Only read: it is the bundle's, whose members are not const because it owns them. */
	bundle.profile =
		kind->write == write_pprof ? (struct fg_profile *)(uintptr_t)profile : &view;
	rc = kind->write(&other, sink, err);
	free(view.samples);
	return rc;
}

static int write_one(const char *word, const struct source *source,
		     const struct fg_outputs_options *options, struct fg_err *err)
{
	const struct output_kind *kind = NULL;
	const char *path = NULL;
	struct fg_outputs_file file;
	int rc = find_kind(word, FG_OUTPUTS_RUN, &kind, &path, err);

	if (rc || !kind->write)
		return rc;
	rc = fg_outputs_file_open(&file, path, options->text, options->context, err);
	if (rc)
		return fg_err_wrap(err, "--out %s", word);
	struct fg_sink sink = {.write = fg_outputs_file_write, .context = &file};

	file.gzip = file.gzip && !kind->packed;
	fg_buf_init(&sink.buf, FG_SINK_BUFFER_MAX);
	int type = type_of(word, kind);

	rc = type == FG_PROFILE_CPU
		     ? kind->write(source, &sink, err)
		     : write_typed(kind, (enum fg_profile_type)type, source, &sink, err);
	if (rc == 0)
		rc = fg_sink_finish(&sink, err);
	fg_buf_done(&sink.buf);
	int closed = fg_outputs_file_close(&file, rc != 0, rc ? NULL : err);

	if (rc || closed)
		return fg_err_wrap(err, "--out %s", word);
	return 0;
}

int fg_outputs_write(const struct fg_opt_list *outs, const struct fg_bundle *bundle,
		     const struct fg_verdict *verdict, const struct fg_outputs_options *options,
		     struct fg_err *err)
{
	const struct source source = {bundle, verdict, options->style};
	struct fg_err first = {0};

	/* One that fails does not keep the others from being written. */
	for (size_t i = 0; i < outs->count; i++) {
		struct fg_err one = {0};

		if (write_one(outs->items[i], &source, options, &one) && first.code == FG_E_NONE)
			first = one;
	}
	if (first.code != FG_E_NONE && err)
		*err = first;
	return -(int)first.code;
}
