/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/ci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/publish/pyroscope.h"
#include "runner/run/github.h"
#include "runner/scenario/scenario.h"
#include "runner/store/dir.h"
#include "runner/store/reference.h"

static void note(const struct fg_run_io *io, const char *format, ...) FG_PRINTF(2, 3);

static void note(const struct fg_run_io *io, const char *format, ...)
{
	char text[FG_ERR_MESSAGE_MAX + 256];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		io->note(io->context, text, FG_MIN((size_t)len, sizeof(text) - 1));
}

static bool should_save(const struct fg_run_options *options, const struct fg_run *run)
{
	const char *when = options->save_baseline ? options->save_baseline : "auto";

	if (!run->bundle_dir[0] || strcmp(when, "never") == 0)
		return false;
	if (strcmp(when, "always") == 0)
		return true;
	/* A baseline must be a good measurement of what is on the branch. */
	return run->outcome == FG_OUTCOME_PASSED && !fg_github_is_pull_request() &&
	       !run->bundle.result->invalid_reason;
}

static void save_baseline(const struct fg_run_options *options, const struct fg_run_io *io,
			  const char *branch, struct fg_run *run)
{
	const struct fg_reference_options where = {
		.baseline_dir =
			options->baseline_dir ? options->baseline_dir : run->file->baseline_dir,
	};
	char root[FG_PATH_MAX];
	char stored[FG_PATH_MAX];
	struct fg_err err = {0};

	if (!should_save(options, run))
		return;
	int rc = fg_reference_baseline_dir(&where, root, &err);

	if (rc == 0)
		rc = fg_store_dir_put(root, branch, run->bundle.result->id, run->bundle_dir, stored,
				      &err);
	if (rc) {
		note(io, "flamegate: the baseline was not saved: %s\n", err.message);
		run->outcome = fg_outcome_worst(run->outcome, FG_OUTCOME_INTERNAL);
		return;
	}
	note(io, "saved as baseline:%s\n", branch);
}

static void publish_one(const struct fg_publish_pyroscope *target, const struct fg_run_io *io,
			struct fg_run *run)
{
	struct fg_pyroscope_report report = {0};
	struct fg_err err = {0};
	struct fg_pyroscope_options options = {
		.url = target->url,
		.bearer_token = getenv("FLAMEGATE_TOKEN"),
		.labels = &target->labels,
		.now_unix_ns = fg_clock_realtime_ns(),
	};

	if (fg_pyroscope_publish(&run->bundle, &options, &report, &err) == 0) {
		note(io, "published %llu samples; query %s\n",
		     (unsigned long long)report.samples_sent, report.query);
		return;
	}
	note(io, "flamegate: publishing failed: %s\n", err.message);
	if (target->required)
		run->outcome = fg_outcome_worst(run->outcome, FG_OUTCOME_PUBLISH);
}

static int tell_github(const struct fg_run_io *io, const struct fg_run *run, struct fg_err *err)
{
	struct fg_err second = {0};
	FG_AUTO_BUF struct fg_buf lines;

	fg_buf_init(&lines, 1 << 16);
	fg_github_annotations(run, &lines);
	if (lines.len)
		io->result(io->context, lines.data, lines.len);
	int rc = fg_github_summary(run, err);
	int outputs_rc = fg_github_outputs(run, rc ? &second : err);

	return rc ? rc : outputs_rc;
}

int fg_ci_run(const struct fg_run_options *options, const struct fg_run_io *io, struct fg_run *ret,
	      struct fg_err *err)
{
	struct fg_run_options run_options = *options;
	const char *branch =
		options->branch && *options->branch ? options->branch : fg_github_branch();
	char reference[512];
	struct fg_err github_err = {0};

	(void)snprintf(reference, sizeof(reference), "baseline:%s", branch);
	if (!run_options.baseline)
		run_options.baseline = reference;
	int rc = fg_run_scenario(&run_options, io, ret, err);

	if (ret->file && ret->bundle.result) {
		save_baseline(options, io, branch, ret);
		for (size_t i = 0; ret->bundle.profile && i < ret->file->publish_count; i++)
			publish_one(&ret->file->publish[i], io, ret);
	}
	int github_rc = tell_github(io, ret, &github_err);

	if (github_rc) {
		ret->outcome = fg_outcome_worst(ret->outcome, FG_OUTCOME_INTERNAL);
		if (rc == 0)
			*err = github_err;
	}
	return rc ? rc : github_rc;
}
