/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"
#include "runner/run/record.h"

#define AT(field) offsetof(struct fg_record_options, field)

static const struct fg_opt options[] = {
	{"pid", 0, FG_OPT_LIST, AT(pids), "PID",
	 "Profile this process and its children; repeatable"},
	{"name", 0, FG_OPT_LIST, AT(names), "NAME", "Find the process by its name; repeatable"},
	{"port", 0, FG_OPT_LIST, AT(ports), "PORT",
	 "Find the process that listens on this local port; repeatable"},
	{"duration", 'd', FG_OPT_DURATION, AT(duration_ns), "TIME",
	 "How long, e.g. 30s (left out: until the target ends, or Ctrl-C)"},
	{"frequency", 'F', FG_OPT_U64, AT(frequency_hz), "HZ",
	 "Samples per second and CPU (made prime; default 499)"},
	{"types", 0, FG_OPT_LIST, AT(types), "TYPES",
	 "What to record: cpu (default), offcpu, wall, pagefaults; several with commas"},
	{"rows", 'n', FG_OPT_U64, AT(rows), "N", "Rows of the printed table (default 15)"},
	{"bundle", 0, FG_OPT_STRING, AT(bundle), "DIR",
	 "Write the bundle here instead of .flamegate/runs/<id>/bundle"},
	{"out", 'o', FG_OPT_LIST, AT(outs), "KIND=PATH",
	 "Also write svg, folded, speedscope, pprof, json or markdown (\"-\" is standard output); "
	 "repeatable"},
	{"quiet", 'q', FG_OPT_FLAG, AT(quiet), NULL, "No header and no progress"},
	{"no-color", 0, FG_OPT_FLAG, AT(no_color), NULL, "Plain text also on a terminal"},
};

static enum fg_outcome run(const void *values, const struct fg_opt_list *arguments,
			   struct fg_err *err)
{
	struct fg_record_options record = *(const struct fg_record_options *)values;
	struct fg_run_io io = fg_console_io(record.no_color);
	const char *command[FG_OPT_LIST_MAX + 1] = {NULL};
	struct fg_run result;

	for (size_t i = 0; i < arguments->count; i++)
		command[i] = arguments->items[i];
	if (arguments->count)
		record.command = command;
	if (fg_record(&record, &io, &result, err) == 0)
		fg_err_clear(err);
	enum fg_outcome outcome = result.outcome;

	fg_run_done(&result);
	return outcome;
}

const struct fg_command fg_command_profile = {
	.name = "profile",
	.arguments = "[-- COMMAND …]",
	.summary = "Profile the CPU of running processes, or of a command, without load",
	.text = "Samples processes that run already (and their children), or starts a command\n"
		"and samples it from its first instruction to its end. Prints where the CPU\n"
		"time went and writes a bundle for top, flame and publish. Ctrl-C ends the\n"
		"recording and keeps it; a second one stops at once and keeps nothing. Exits 0\n"
		"also when the target ended early or the command failed, 13 when there is no\n"
		"such process or program, 14 when profiling is not possible.\n\n"
		"  flamegate profile --pid 4711 -d 30s -o svg=flame.svg\n"
		"  flamegate profile --port 8080 -d 10s --types cpu,offcpu\n"
		"  flamegate profile -- ./build.sh --fast",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct fg_record_options),
	.max_arguments = FG_OPT_LIST_MAX,
	.run = run,
};
