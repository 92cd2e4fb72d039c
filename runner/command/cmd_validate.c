/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "runner/command/command.h"
#include "runner/run/pairs.h"
#include "runner/scenario/scenario.h"

struct values {
	struct fg_opt_list env;
	const char *environment;
	bool print;
};

static const struct fg_opt options[] = {
	{"env", 'e', FG_OPT_LIST, offsetof(struct values, env), "NAME=VALUE",
	 "Set ${NAME} and the scenario's vars; repeatable"},
	{"environment", 0, FG_OPT_STRING, offsetof(struct values, environment), "NAME",
	 "Merge environments.NAME over the scenario"},
	{"print", 0, FG_OPT_FLAG, offsetof(struct values, print), NULL,
	 "Print the resolved scenario as JSON, secrets masked"},
};

static int check(const struct fg_scenario_file *file, struct fg_err *err)
{
	struct fg_registry registry;

	fg_registry_init(&registry);
	int rc = fg_scenario_register(file, "curl", &registry, err);

	for (size_t i = 0; rc == 0 && i < file->threshold_count; i++)
		rc = fg_threshold_check(&file->thresholds[i], &registry, err);
	fg_registry_done(&registry);
	return rc;
}

static void report(const struct fg_scenario_file *file, bool print)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 16 << 20);
	if (print && file->resolved_json)
		fg_buf_addf(&text, "%s\n", file->resolved_json);
	else
		fg_buf_addf(&text, "%s: valid; %zu scenario%s, %zu threshold%s\n", file->path,
			    file->scenario_count, file->scenario_count == 1 ? "" : "s",
			    file->threshold_count, file->threshold_count == 1 ? "" : "s");
	if (text.data)
		fg_console_out(text.data, text.len);
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	struct fg_tags env = {0};
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_file *file = NULL;
	int rc = fg_pairs_parse(&values->env, "-e", &env, err);
	struct fg_scenario_options load = {.env = &env, .environment = values->environment};

	if (rc == 0)
		rc = fg_scenario_load(arguments->items[0], &load, &file, &diagnostics, err);
	if (rc && diagnostics.count) {
		FG_AUTO_BUF struct fg_buf text;

		fg_buf_init(&text, 4 << 20);
		fg_diagnostics_text(&diagnostics, &text);
		if (text.data)
			fg_console_note(text.data, text.len);
		fg_err_clear(err);
	}
	if (rc == 0)
		rc = check(file, err);
	if (rc == 0)
		report(file, values->print);
	fg_scenario_file_free(file);
	fg_diagnostics_done(&diagnostics);
	fg_tags_done(&env);
	return rc ? FG_OUTCOME_INVALID_SCENARIO : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_validate = {
	.name = "validate",
	.arguments = "SCENARIO.yaml",
	.summary = "Check a scenario file and report every fault with its place",
	.text = "Reads the scenario as `run` would and exits 104 with every fault listed, or 0.",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
