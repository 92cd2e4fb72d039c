/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the bundles, lets gate/measure add them up, and then goes the way of a run that has just
 * ended: judge, write, compare, print.
 */
#include "runner/run/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/judge/restate.h"
#include "gate/measure/merge.h"
#include "runner/load/load.h"
#include "runner/run/outputs.h"
#include "runner/run/session.h"
#include "runner/store/reference.h"

static int read_bundles(const struct fg_merge_options *options, const struct fg_opt_list *names,
			struct fg_bundle *bundles, struct fg_err *err)
{
	const struct fg_reference_options where = {.baseline_dir = options->baseline_dir};

	for (size_t i = 0; i < names->count; i++) {
		char path[FG_PATH_MAX];
		int rc = fg_reference_resolve(names->items[i], &where, path, err);

		if (rc == 0)
			rc = fg_bundle_read(path, &bundles[i], err);
		if (rc)
			return fg_err_wrap(err, "%s", names->items[i]);
	}
	return 0;
}

/* A shard's profiler sees the requests of all shards in the target, but knows the classes of its
 * own alone: divided by the requests of all, they would give too little CPU per request. */
static void drop_classes(struct fg_bundle *merged)
{
	struct fg_profile_info *info = &merged->result->profile;

	for (int type = 0; type < FG_PROFILE_TYPE_COUNT; type++) {
		/* The bundle's own; a look-up gives what may only be read. */
		struct fg_profile *profile = (struct fg_profile *)(uintptr_t)fg_bundle_profile(
			merged, (enum fg_profile_type)type);

		for (size_t i = 0; profile && i < profile->sample_count; i++)
			profile->samples[i].endpoint = profile->samples[i].latency = 0;
	}
	if (!info->labels)
		return;
	info->labels = false;
	info->attributed = 0;
	info->slow = (struct fg_profile_slow){0};
	(void)snprintf(info->labels_problem, sizeof(info->labels_problem),
		       "the profile is one shard's, which knows the classes of its own requests "
		       "alone; look at its bundle");
}

/* One profile is the whole's; several are of different machines or times and stay where they are.
 */
static void take_profile(struct fg_bundle *bundles, size_t count, struct fg_bundle *merged)
{
	static const char several[] = "several shards have one each, of other machines, or of one "
				      "target that each saw with "
				      "its own requests alone; look at their bundles";
	static const char none[] = "no shard has one";
	struct fg_bundle *only = NULL;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		if (!bundles[i].profile)
			continue;
		only = &bundles[i];
		found++;
	}
	if (found == 1) {
		merged->profile = only->profile;
		merged->result->profile = only->result->profile;
		only->profile = NULL;
		memcpy(merged->profiles, only->profiles, sizeof(merged->profiles));
		memset(only->profiles, 0, sizeof(only->profiles));
		if (count > 1)
			drop_classes(merged);
		return;
	}
	memcpy(merged->result->profile.why_absent, found ? several : none,
	       found ? sizeof(several) : sizeof(none));
}

static int add_up(struct fg_session *s, struct fg_bundle *bundles, size_t count, struct fg_err *err)
{
	FG_AUTO_FREE const struct fg_result **shards = calloc(count, sizeof(*shards));
	FG_AUTO_BUF struct fg_buf warnings = {.max = 1 << 20};

	if (!shards)
		return fg_err_nomem(err);
	for (size_t i = 0; i < count; i++)
		shards[i] = bundles[i].result;
	int rc = fg_merge_results(shards, count, &s->run->bundle.result, &warnings, err);

	if (rc)
		return rc;
	take_profile(bundles, count, &s->run->bundle);
	memcpy(s->run->bundle.result->id, s->run_id, sizeof(s->run_id));
	for (const char *line = warnings.data; line && *line;) {
		const int len = (int)strcspn(line, "\n");

		fg_session_note(s, "warning: %.*s\n", len, line);
		line += len + (line[len] == '\n');
	}
	return 0;
}

static int load_scenario(struct fg_session *s, const char *path, struct fg_err *err)
{
	const struct fg_scenario_options options = {0};
	struct fg_diagnostics diagnostics = {0};
	FG_AUTO_BUF struct fg_buf text;
	int rc = fg_scenario_load(path, &options, &s->file, &diagnostics, err);

	fg_buf_init(&text, 4 << 20);
	if (rc && diagnostics.count) {
		fg_diagnostics_text(&diagnostics, &text);
		if (text.len)
			s->io->note(s->io->context, text.data, text.len);
		fg_session_outcome(s, FG_OUTCOME_INVALID_SCENARIO);
		fg_err_clear(err); /* said already, each with its place */
	}
	fg_diagnostics_done(&diagnostics);
	return rc;
}

/* A scenario file that holds nothing but what the bundles were judged by. */
static int restate_scenario(struct fg_session *s, const struct fg_result *from, struct fg_err *err)
{
	s->file = calloc(1, sizeof(*s->file));
	if (!s->file)
		return fg_err_nomem(err);
	fg_gate_init(&s->file->gate);
	s->file->gate.on_invalid = fg_restate_on_invalid(from);
	return fg_restate_thresholds(from, &s->file->thresholds, &s->file->threshold_count, err);
}

static int merge(struct fg_session *s, const struct fg_merge_options *options,
		 const struct fg_opt_list *names, struct fg_err *err)
{
	FG_AUTO_FREE struct fg_bundle *bundles = calloc(names->count, sizeof(*bundles));
	int rc;

	if (!bundles)
		return fg_err_nomem(err);
	rc = read_bundles(options, names, bundles, err);
	if (rc == 0)
		rc = options->scenario ? load_scenario(s, options->scenario, err)
				       : restate_scenario(s, bundles[0].result, err);
	if (rc == 0)
		rc = add_up(s, bundles, names->count, err);
	for (size_t i = 0; i < names->count; i++)
		fg_bundle_done(&bundles[i]);
	return rc;
}

static int conclude(struct fg_session *s, struct fg_err *err)
{
	struct fg_err later = {0};
	int judged = fg_session_threshold_baseline(s, err);

	if (judged == 0)
		judged = fg_session_judge(s, err);
	int delivered = fg_session_deliver(s, judged ? &later : err);

	return judged ? judged : delivered;
}

static int check_options(const struct fg_merge_options *options, size_t count, struct fg_err *err)
{
	if (count > FG_LOAD_SHARDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "more than %d bundles", FG_LOAD_SHARDS_MAX);
	if (options->bundle && fg_file_exists(options->bundle))
		return fg_err_set(err, FG_E_USAGE,
				  "--bundle %s exists already; a bundle is never overwritten",
				  options->bundle);
	return fg_outputs_check(&options->outs, FG_OUTPUTS_BUNDLE, err);
}

int fg_run_merge(const struct fg_merge_options *options, const struct fg_opt_list *bundles,
		 const struct fg_run_io *io, struct fg_run *ret, struct fg_err *err)
{
	const struct fg_run_options run_options = {
		.bundle = options->bundle,
		.baseline = options->baseline,
		.baseline_dir = options->baseline_dir,
		.outs = options->outs,
		.no_color = options->no_color,
	};
	struct fg_session s = {.options = &run_options, .io = io, .run = ret};

	*ret = (struct fg_run){.outcome = FG_OUTCOME_PASSED};
	int rc = check_options(options, bundles->count, err);

	if (rc == 0)
		rc = fg_session_read_style(&s, err);

	if (rc) {
		ret->outcome = FG_OUTCOME_USAGE;
		return rc;
	}
	fg_place_run_id(fg_clock_realtime_ns(), fg_place_random(), s.run_id);
	rc = merge(&s, options, bundles, err);
	if (rc == 0)
		rc = fg_place_make(s.run_id, options->bundle, &s.dirs, err);
	if (rc == 0) {
		memcpy(ret->run_dir, s.dirs.run, sizeof(ret->run_dir));
		rc = conclude(&s, err);
	}
	fg_bundle_done(&s.baseline);
	ret->file = s.file;
	if (rc && ret->outcome == FG_OUTCOME_PASSED)
		ret->outcome = rc == -FG_E_INVALID || rc == -FG_E_USAGE || rc == -FG_E_NOT_FOUND
				       ? FG_OUTCOME_USAGE
				       : FG_OUTCOME_INTERNAL;
	return rc;
}
