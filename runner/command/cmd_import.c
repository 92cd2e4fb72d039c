/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gate/base/file.h"
#include "runner/command/command.h"
#include "runner/command/draft_out.h"
#include "runner/convert/har.h"

struct values {
	const char *output, *origin;
	bool force, no_static, no_think;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt options[] = {
	{"output", 'o', FG_OPT_STRING, AT(output), "FILE", "Write there instead of to stdout"},
	{"force", 0, FG_OPT_FLAG, AT(force), NULL, "Overwrite FILE"},
	{"origin", 0, FG_OPT_STRING, AT(origin), "URL",
	 "Convert the requests to this origin (default: the first one's)"},
	{"no-static", 0, FG_OPT_FLAG, AT(no_static), NULL,
	 "Leave out images, styles, scripts and fonts"},
	{"no-think", 0, FG_OPT_FLAG, AT(no_think), NULL, "Leave out the pauses"},
};

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	const char *path = arguments->items[1];
	const struct fg_har_options har = {.name = path,
					   .origin = values->origin,
					   .no_static = values->no_static,
					   .no_think = values->no_think};
	FG_AUTO_BUF struct fg_buf text = {0};
	struct fg_draft draft = {0};
	int rc;

	if (strcmp(arguments->items[0], "har") != 0) {
		(void)fg_err_set(err, FG_E_USAGE,
				 "cannot import \"%.40s\"; only: flamegate import har FILE",
				 arguments->items[0]);
		return FG_OUTCOME_USAGE;
	}
	fg_buf_init(&text, FG_HAR_BYTES_MAX);
	rc = fg_file_read(path, FG_HAR_BYTES_MAX, &text, err);
	if (rc == 0)
		rc = fg_har_convert(text.data ? text.data : "", text.len, &har, &draft, err);
	if (rc == 0)
		rc = fg_draft_deliver(&draft, values->output, values->force, err);
	else if (!err->file[0])
		fg_err_at(err, path, err->line, err->column);
	fg_draft_done(&draft);
	return rc ? FG_OUTCOME_USAGE : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_import = {
	.name = "import",
	.arguments = "har FILE",
	.summary = "Turn a browser's recording (HAR) into a scenario",
	.text = "Writes a scenario that repeats the recorded requests: pages become\n"
		"groups, pauses become think times, recorded statuses become checks.\n"
		"Credentials are read from the environment instead. What cannot be\n"
		"converted is listed on stderr and in the file's first lines, with its\n"
		"place.\n\n"
		"  flamegate import -o shop.yaml har recording.har",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run,
};
