/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/draft_out.h"

#include <string.h>

#include "gate/base/file.h"
#include "runner/command/command.h"
#include "runner/scenario/scenario.h"

/* Secrets need not be set yet. */
static const char *any_value(const char *name)
{
	(void)name;
	return "set-later";
}

static int check(const struct fg_buf *text, struct fg_err *err)
{
	const struct fg_scenario_options options = {.getenv_fn = any_value};
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_file *file = NULL;
	int rc = fg_scenario_parse(text->data, text->len, "draft.yaml", &options, &file,
				   &diagnostics, err);

	if (rc && diagnostics.count)
		*err = diagnostics.items[0].err;
	if (rc)
		(void)fg_err_wrap(err, "the scenario that was made is not valid");
	fg_scenario_file_free(file);
	fg_diagnostics_done(&diagnostics);
	return rc;
}

static void tell(const struct fg_draft *draft, const char *path)
{
	FG_AUTO_BUF struct fg_buf text = {0};

	fg_buf_init(&text, 4 << 20);
	fg_draft_notes(draft, &text);
	if (path)
		fg_buf_addf(&text, "wrote %s: %zu step%s against %s\nnext: flamegate run %s\n",
			    path, draft->step_count, draft->step_count == 1 ? "" : "s", draft->url,
			    path);
	if (text.data)
		fg_console_note(text.data, text.len);
}

int fg_draft_deliver(const struct fg_draft *draft, const char *path, bool force, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	const bool to_file = path && strcmp(path, "-") != 0;

	fg_buf_init(&text, FG_DRAFT_TEXT_MAX);
	int rc = fg_draft_write(draft, &text, err);

	if (rc == 0)
		rc = check(&text, err);
	if (rc)
		return rc;
	if (to_file && !force && fg_file_exists(path))
		return fg_err_set(err, FG_E_USAGE, "%s exists; --force overwrites it", path);
	if (to_file)
		rc = fg_file_write(path, text.data, text.len, err);
	else
		fg_console_out(text.data, text.len);
	if (rc == 0)
		tell(draft, to_file ? path : NULL);
	return rc;
}
