/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Around the load: setup before it, teardown after it, and the lines that steps write meanwhile.
 */
#include "runner/run/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "runner/load/once.h"

void fg_session_on_line(void *context, const char *text, size_t len)
{
	struct fg_session *s = context;
	FG_AUTO_BUF struct fg_buf line = {0};
	char *masked;

	if (s->live)
		fg_live_clear(s->live);
	/* A step may log what it got from a secret. */
	fg_buf_init(&line, 1 << 16);
	fg_buf_add(&line, text, len);
	masked = line.failed || !line.data ? NULL
					   : fg_secrets_mask(&s->file->secrets, line.data, NULL);
	fg_session_note(s, "%s\n", masked ? masked : "");
	free(masked);
}

/* What {{ target.* }} and {{ run.id }} stand for while it runs. */
static void set_run_texts(struct fg_session *s)
{
	char host[256];
	uint16_t port = 0;
	bool local;

	if (s->target)
		port = fg_target_port(s->target);
	else if (fg_target_url_parts(s->target_url, host, &port, &local, NULL))
		port = 0;
	if (port)
		(void)snprintf(s->target_port, sizeof(s->target_port), "%u", port);
	s->run_texts[FG_RUN_TEXT_TARGET_PORT] = s->target_port;
	s->run_texts[FG_RUN_TEXT_TARGET_URL] = s->target_url;
	s->run_texts[FG_RUN_TEXT_RUN_ID] = s->run_id;
	s->run_texts[FG_RUN_TEXT_TARGET_SIDE] = "";
	s->run_texts[FG_RUN_TEXT_TARGET_DIR] = s->file->dir ? s->file->dir : ".";
}

static struct fg_once_options once_options(struct fg_session *s, const char *name,
					   const struct fg_block *block)
{
	return (struct fg_once_options){
		.name = name,
		.file = s->file,
		.block = block,
		.target_url = s->target_url,
		.engine = s->options->engine,
		.seed = s->seed,
		.given = s->globals,
		.run_texts = s->run_texts,
		.on_line = fg_session_on_line,
		.context = s,
		.handle_signals = true,
	};
}

int fg_session_setup(struct fg_session *s, struct fg_err *err)
{
	const struct fg_once_options options = once_options(s, "setup", &s->file->setup);
	bool interrupted = false;
	int rc;

	set_run_texts(s);
	rc = fg_globals_new(s->file, &s->globals, err);
	if (rc || !s->file->setup.present)
		return rc;
	rc = fg_once_run(&options, s->globals, &interrupted, err);
	if (rc)
		fg_session_outcome(s, FG_OUTCOME_SETUP);
	if (rc || !interrupted)
		return rc;
	fg_session_outcome(s, FG_OUTCOME_INTERRUPTED);
	return fg_err_set(err, FG_E_NO_DATA, "interrupted during setup; nothing was measured");
}

void fg_session_teardown(struct fg_session *s)
{
	struct fg_once_options options = once_options(s, "teardown", &s->file->teardown);
	bool interrupted = false;
	struct fg_err err;
	char text[FG_ERR_MESSAGE_MAX];
	int rc;

	if (!s->file->teardown.present)
		return;
	if (s->live)
		fg_live_clear(s->live);
	fg_err_clear(&err);
	/* Who interrupted the run already has waited once. */
	options.patient =
		!s->run->bundle.result || s->run->bundle.result->status != FG_RUN_INTERRUPTED;
	rc = fg_once_run(&options, NULL, &interrupted, &err);
	if (interrupted)
		fg_session_outcome(s, FG_OUTCOME_INTERRUPTED);
	if (rc) {
		fg_session_note(s, "error: %s\n", fg_err_text(&err, text, sizeof(text)));
		fg_session_outcome(s, FG_OUTCOME_TEARDOWN);
	} else if (interrupted && !options.patient) {
		fg_session_note(s, "error: teardown was interrupted\n");
	}
}
