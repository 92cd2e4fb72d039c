/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"
#include "runner/run/merge.h"

#define AT(field) offsetof(struct fg_merge_options, field)

static const struct fg_opt options[] = {
	{"bundle", 0, FG_OPT_STRING, AT(bundle), "DIR",
	 "Write the merged bundle here instead of .flamegate/runs/<id>/bundle"},
	{"scenario", 0, FG_OPT_STRING, AT(scenario), "FILE",
	 "Judge by this scenario's thresholds (default: those the bundles were judged by)"},
	{"baseline", 0, FG_OPT_STRING, AT(baseline), "REF",
	 "Compare the whole with this bundle: a path, latest, baseline:NAME or dir:PATH"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
	{"out", 'o', FG_OPT_LIST, AT(outs), "KIND=PATH",
	 "Also write json, verdict, markdown, junit …; repeatable"},
	{"no-color", 0, FG_OPT_FLAG, AT(no_color), NULL, "Plain text also on a terminal"},
};

static enum fg_outcome run(const void *values, const struct fg_opt_list *arguments,
			   struct fg_err *err)
{
	const struct fg_merge_options *merge = values;
	struct fg_run_io io = fg_console_io(merge->no_color);
	struct fg_run result;

	/* A failure is in err, for main to print; the outcome says what it means. */
	if (fg_run_merge(merge, arguments, &io, &result, err) == 0)
		fg_err_clear(err);
	enum fg_outcome outcome = result.outcome;

	fg_run_done(&result);
	return outcome;
}

const struct fg_command fg_command_merge = {
	.name = "merge",
	.arguments = "BUNDLE...",
	.summary = "Add up the bundles of a run's shards and judge the whole",
	.text = "Adds the bundles that `flamegate run --shard I/N` wrote on several machines\n"
		"without loss, and evaluates the thresholds over all of it: one bundle, one\n"
		"verdict, one exit code. Bundles that are not shards of the same run (scenario,\n"
		"seed, number of shards) are refused; a missing shard is said.\n\n"
		"  flamegate run --shard 1/3 --start-at 2026-11-21T14:20:00Z --bundle a load.yaml\n"
		"  flamegate merge --bundle whole a b c",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct fg_merge_options),
	.min_arguments = 1,
	.max_arguments = FG_OPT_LIST_MAX,
	.run = run,
};
