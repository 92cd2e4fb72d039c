/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run leaves behind: the bundle, the comparison, the files that were asked for, the text.
 *
 * Order matters: the bundle first (the data), then what is derived from it. Every step is tried
 * even if an earlier one failed; a full disk still gets the text on the terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/report/report.h"
#include "runner/run/outputs.h"
#include "runner/run/session.h"

enum { TEXT_MAX = 16 << 20 };

static int write_bundle(struct fg_session *s, struct fg_err *err)
{
	int rc = fg_bundle_write_all(s->dirs.bundle, &s->run->bundle, err);

	if (rc) {
		fg_session_outcome(s, FG_OUTCOME_INTERNAL);
		return fg_err_wrap(err, "the bundle could not be written");
	}
	memcpy(s->run->bundle_dir, s->dirs.bundle, sizeof(s->run->bundle_dir));
	if (s->options->bundle || !s->dirs.run[0])
		return 0;
	return fg_place_set_latest(s->run_id, err);
}

static int write_verdict(const struct fg_session *s, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text;
	char path[FG_PATH_MAX];

	if (!s->run->verdict || !s->dirs.run[0])
		return 0;
	fg_buf_init(&text, TEXT_MAX);
	int rc = fg_verdict_json(s->run->verdict, &text, err);

	if (rc == 0)
		rc = fg_file_path(path, err, "%s/verdict.json", s->dirs.run);
	return rc ? rc : fg_file_write(path, text.data, text.len, err);
}

static int compare(struct fg_session *s, struct fg_err *err)
{
	if (!s->options->baseline)
		return 0;
	int rc = fg_session_baseline(s, err);

	if (rc)
		return rc;
	if (s->baseline_missing[0])
		rc = fg_verdict_no_baseline(&s->file->gate, s->baseline_missing, &s->run->verdict,
					    err);
	else
		rc = fg_verdict_compare(&s->baseline, &s->run->bundle, &s->file->gate,
					&s->run->verdict, err);
	if (rc)
		return fg_err_wrap(err, "--baseline %s", s->options->baseline);
	fg_session_outcome(s, s->run->verdict->outcome);
	return write_verdict(s, err);
}

static int print(struct fg_session *s, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, TEXT_MAX);
	int rc = fg_report_run_text(s->run->bundle.result, s->run->bundle.profile, &s->style, &text,
				    err);

	if (rc == 0 && s->run->verdict) {
		fg_buf_add_char(&text, '\n');
		rc = fg_report_verdict_text(s->run->verdict, &s->style, &text, err);
	}
	if (s->run->bundle_dir[0])
		fg_buf_addf(&text, "bundle %s\n", s->run->bundle_dir);
	fg_session_result(s, &text);
	return rc;
}

int fg_session_deliver(struct fg_session *s, struct fg_err *err)
{
	const struct fg_outputs_options outputs = {
		.style = &s->style, .text = s->io->result, .context = s->io->context};
	struct fg_err errors[4] = {0};
	int rcs[4];

	rcs[0] = write_bundle(s, &errors[0]);
	rcs[1] = compare(s, &errors[1]);
	rcs[2] = fg_outputs_write(&s->options->outs, &s->run->bundle, s->run->verdict, &outputs,
				  &errors[2]);
	for (size_t i = 0; i < 3; i++)
		if (rcs[i])
			fg_session_outcome(s, FG_OUTCOME_INTERNAL);
	/* The text's last word is the exit code's, which a comparison or a full disk may have
	 * changed; the bundle keeps what the run alone came to. */
	rcs[3] = fg_session_set_outcome(s, &errors[3]);
	if (rcs[3] == 0)
		rcs[3] = print(s, &errors[3]);
	for (size_t i = 0; i < FG_ARRAY_LEN(rcs); i++) {
		if (rcs[i]) {
			*err = errors[i];
			return rcs[i];
		}
	}
	return 0;
}
