/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "profiler/client.h"
#include "runner/command/command.h"

enum { PROBES_MAX = 32 };

static enum fg_outcome run(const void *values, const struct fg_opt_list *arguments,
			   struct fg_err *err)
{
	struct fg_probe probes[PROBES_MAX];
	size_t count = fg_profiler_probe(NULL, probes, PROBES_MAX);
	size_t failed = 0;
	FG_AUTO_BUF struct fg_buf text;

	(void)values;
	(void)arguments;
	(void)err;
	fg_buf_init(&text, 1 << 16);
	for (size_t i = 0; i < count; i++) {
		fg_buf_addf(&text, "%s %-20s %s\n",
			    probes[i].ok          ? "✓"
			    : probes[i].essential ? "✗"
						  : "!",
			    probes[i].name, probes[i].detail);
		if (!probes[i].ok && probes[i].fix[0])
			fg_buf_addf(&text, "  %-20s fix: %s\n", "", probes[i].fix);
		failed += !probes[i].ok && probes[i].essential;
	}
	if (failed)
		fg_buf_addf(&text,
			    "\n%zu thing%s missing for CPU profiles; latency is measured "
			    "without them\n",
			    failed, failed == 1 ? " is" : "s are");
	else
		fg_buf_add_str(&text, "\nthis machine can measure latency and CPU profiles\n");
	if (text.data)
		fg_console_out(text.data, text.len);
	return failed ? FG_OUTCOME_NO_PROFILER : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_doctor = {
	.name = "doctor",
	.arguments = "",
	.summary = "Tell what this machine can measure, with one fix per failed line",
	.text = "Tries what a profile needs (it does not look at versions) and prints a line for\n"
		"each. Exits 0 when profiles are possible, 14 when not.",
	.run = run,
};
