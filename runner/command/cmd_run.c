/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"
#include "runner/run/ci.h"

#define AT(field) offsetof(struct fg_run_options, field)

/* `ci` takes all of them, `run` all but the last ones: so the two share a file. */
static const struct fg_opt option_table[] = {
	{"vus", 'u', FG_OPT_U64, AT(vus), "N", "URL only: number of virtual users"},
	{"duration", 'd', FG_OPT_DURATION, AT(duration_ns), "TIME", "URL only: how long, e.g. 10s"},
	{"iterations", 'i', FG_OPT_U64, AT(iterations), "N",
	 "URL only: how many iterations in all"},
	{"rate", 'r', FG_OPT_U64, AT(rate), "N",
	 "URL only: iterations per second, whether the target keeps up or not"},
	{"stage", 's', FG_OPT_LIST, AT(stages), "TIME:N",
	 "URL only: ramp to N virtual users in TIME; repeatable"},
	{"env", 'e', FG_OPT_LIST, AT(env), "NAME=VALUE",
	 "Set ${NAME} and the scenario's vars; repeatable"},
	{"environment", 0, FG_OPT_STRING, AT(environment), "NAME",
	 "Merge environments.NAME of the scenario over it"},
	{"tag", 0, FG_OPT_LIST, AT(tags), "KEY=VALUE", "Add a tag to every metric; repeatable"},
	{"baseline", 0, FG_OPT_STRING, AT(baseline), "REF",
	 "Compare with this bundle afterwards: a path, latest, baseline:NAME or dir:PATH"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
	{"bundle", 0, FG_OPT_STRING, AT(bundle), "DIR",
	 "Write the bundle here instead of .flamegate/runs/<id>/bundle"},
	{"out", 'o', FG_OPT_LIST, AT(outs), "KIND=PATH",
	 "Also write json, ndjson, csv, junit, k6-summary, openmetrics, markdown, pprof, folded, "
	 "speedscope, svg or verdict (\"-\" is standard output); prometheus=URL sends while it "
	 "runs; repeatable"},
	{"summary-mode", 0, FG_OPT_STRING, AT(summary_mode), "MODE",
	 "End text: compact (default), full (every phase, per scenario and group) or disabled"},
	{"summary-trend-stats", 0, FG_OPT_STRING, AT(summary_trend_stats), "LIST",
	 "Statistics of trends (default avg,min,med,max,p(90),p(95); also count, sum, p(N))"},
	{"summary-time-unit", 0, FG_OPT_STRING, AT(summary_time_unit), "UNIT",
	 "Times in s, ms or us (default: what fits)"},
	{"pid", 0, FG_OPT_U64, AT(pid), "PID", "Profile this process and its children"},
	{"frequency", 0, FG_OPT_U64, AT(frequency_hz), "HZ",
	 "Profile at about this rate (made prime; default 499)"},
	{"no-profile", 0, FG_OPT_FLAG, AT(no_profile), NULL, "Measure latency only"},
	{"require-profile", 0, FG_OPT_FLAG, AT(require_profile), NULL,
	 "Exit 14 instead of measuring latency only when profiling is not possible"},
	{"seed", 0, FG_OPT_U64, AT(seed), "N",
	 "Seed of everything random (default: chosen, and kept in run.json)"},
	{"shard", 0, FG_OPT_STRING, AT(shard), "I/N",
	 "Drive only the I-th of N equal parts of the schedule (then: flamegate merge)"},
	{"start-at", 0, FG_OPT_STRING, AT(start_at), "TIME",
	 "Start at this time (seconds since 1970 or RFC 3339), so that shards begin together"},
	{"threads", 0, FG_OPT_U64, AT(threads), "N", "Worker threads (default: by cores)"},
	{"engine", 0, FG_OPT_STRING, AT(engine), "NAME",
	 "auto (default: native where it can, else curl), native (own HTTP/1.1, kernel time "
	 "stamps), "
	 "curl, or null: completes every request at once, measures flamegate itself"},
	{"quiet", 'q', FG_OPT_FLAG, AT(quiet), NULL, "No header and no progress"},
	{"no-color", 0, FG_OPT_FLAG, AT(no_color), NULL, "Plain text also on a terminal"},
	/* from here on: `ci` only */
	{"branch", 0, FG_OPT_STRING, AT(branch), "NAME",
	 "Name of the baseline to compare with and to save (default: the pull request's base "
	 "branch, then the current branch)"},
	{"save-baseline", 0, FG_OPT_STRING, AT(save_baseline), "WHEN",
	 "auto (default: after a run that exits 0 and is no pull request), always or never"},
};

enum { CI_ONLY_OPTIONS = 2 };

typedef int run_fn(const struct fg_run_options *options, const struct fg_run_io *io,
		   struct fg_run *ret, struct fg_err *err);

static enum fg_outcome run_with(run_fn *function, const void *values,
				const struct fg_opt_list *arguments, struct fg_err *err)
{
	struct fg_run_options options = *(const struct fg_run_options *)values;
	struct fg_run_io io = fg_console_io(options.no_color);
	struct fg_run result;

	options.scenario = arguments->items[0];
	/* A failure is in err, for main to print; the outcome says what it means. */
	if (function(&options, &io, &result, err) == 0)
		fg_err_clear(err);
	enum fg_outcome outcome = result.outcome;

	fg_run_done(&result);
	return outcome;
}

static enum fg_outcome run(const void *values, const struct fg_opt_list *arguments,
			   struct fg_err *err)
{
	return run_with(fg_run_scenario, values, arguments, err);
}

static enum fg_outcome run_ci(const void *values, const struct fg_opt_list *arguments,
			      struct fg_err *err)
{
	return run_with(fg_ci_run, values, arguments, err);
}

const struct fg_command fg_command_run = {
	.name = "run",
	.arguments = "SCENARIO.yaml | URL",
	.summary = "Drive a scenario at a target, profile it, judge the thresholds",
	.text = "Runs the scenario (or plain load on a URL), profiles the target's CPU at the\n"
		"same time, prints latency, thresholds and the most expensive functions, and\n"
		"writes a bundle to .flamegate/runs/. Ctrl-C ends it early and keeps what was\n"
		"measured; a second Ctrl-C stops at once.\n\n"
		"  flamegate run scenarios/quickstart.yaml\n"
		"  flamegate run -u 50 -d 30s http://127.0.0.1:8080/\n"
		"  flamegate run -r 500 -d 30s http://127.0.0.1:8080/\n"
		"  flamegate run --baseline latest scenario.yaml",
	.options = option_table,
	.option_count = FG_ARRAY_LEN(option_table) - CI_ONLY_OPTIONS,
	.values_size = sizeof(struct fg_run_options),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};

const struct fg_command fg_command_ci = {
	.name = "ci",
	.arguments = "SCENARIO.yaml | URL",
	.summary = "All of it for CI: run, compare with a baseline, summary, outputs",
	.text = "Runs the scenario, compares with baseline:BRANCH in the baseline directory,\n"
		"writes GitHub's step summary, outputs and annotations where their variables\n"
		"are set, publishes what the scenario's publish: says, and keeps the bundle as\n"
		"the branch's new baseline when the run exits 0 and is no pull request. All is\n"
		"told before the exit code; a first run without a baseline passes and says so.\n\n"
		"  flamegate ci --baseline-dir .flamegate/baselines scenario.yaml",
	.options = option_table,
	.option_count = FG_ARRAY_LEN(option_table),
	.values_size = sizeof(struct fg_run_options),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_ci,
};
