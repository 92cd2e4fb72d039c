/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"
#include "runner/scenario/scenario.h"

enum { SCHEMA_MAX = 4 << 20 };

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text;

	(void)raw;
	(void)arguments;
	fg_buf_init(&text, SCHEMA_MAX);
	if (fg_scenario_schema(&text, err))
		return FG_OUTCOME_INTERNAL;
	fg_console_out(text.data, text.len);
	return FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_schema = {
	.name = "schema",
	.arguments = "",
	.summary = "Print the JSON Schema of scenario files, for editors",
	.text = "Prints a JSON Schema (draft-07). An editor with a YAML language server\n"
		"completes and explains keys when a scenario begins with\n"
		"  # yaml-language-server: $schema=flamegate.schema.json\n"
		"and the schema was written beside it: flamegate schema > flamegate.schema.json",
	.run = run,
};
