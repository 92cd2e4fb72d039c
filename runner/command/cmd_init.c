/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"
#include "runner/command/draft_out.h"
#include "runner/convert/init.h"

struct values {
	const char *output, *openapi, *url;
	bool force;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt options[] = {
	{"output", 'o', FG_OPT_STRING, AT(output), "FILE",
	 "Where to write (default flamegate.yaml; - is stdout)"},
	{"force", 0, FG_OPT_FLAG, AT(force), NULL, "Overwrite FILE"},
	{"url", 0, FG_OPT_STRING, AT(url), "URL", "The server (default: a local one that answers)"},
	{"openapi", 0, FG_OPT_STRING, AT(openapi), "FILE",
	 "The description (default: openapi.yaml and the like, here or in api/, docs/ …)"},
};

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	const struct fg_init_options init = {.openapi = values->openapi, .url = values->url};
	struct fg_draft draft = {0};
	int rc;

	(void)arguments;
	rc = fg_init_draft(&init, &draft, err);
	if (rc == 0)
		rc = fg_draft_deliver(&draft, values->output ? values->output : "flamegate.yaml",
				      values->force, err);
	fg_draft_done(&draft);
	return rc ? FG_OUTCOME_USAGE : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_init = {
	.name = "init",
	.arguments = "",
	.summary = "Write a first scenario for the server that runs here",
	.text = "Looks for an OpenAPI file and for a local server that answers HTTP, and\n"
		"writes a scenario that runs. Asks nothing. What it left out is listed\n"
		"on stderr and in the file's first lines.",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 0,
	.max_arguments = 0,
	.run = run,
};
