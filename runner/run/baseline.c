/* SPDX-License-Identifier: Apache-2.0 */
/* The run that this one is compared with: read once, for thresholds and for the verdict. */
#include <string.h>

#include "runner/run/session.h"
#include "runner/store/reference.h"

int fg_session_baseline(struct fg_session *s, struct fg_err *err)
{
	const struct fg_reference_options options = {.baseline_dir = fg_session_baseline_dir(s)};
	char path[FG_PATH_MAX];

	if (!s->options->baseline || s->baseline.result || s->baseline_missing[0])
		return 0;
	int rc = fg_reference_resolve(s->options->baseline, &options, path, err);

	if (rc == 0)
		rc = fg_bundle_read(path, &s->baseline, err);
	if (rc == -FG_E_NOT_FOUND) {
		memcpy(s->baseline_missing, err->message, sizeof(s->baseline_missing));
		fg_err_clear(err);
		return 0;
	}
	return rc ? fg_err_wrap(err, "--baseline %s", s->options->baseline) : 0;
}

int fg_session_threshold_baseline(struct fg_session *s, struct fg_err *err)
{
	for (size_t i = 0; i < s->file->threshold_count; i++)
		if (s->file->thresholds[i].has_baseline)
			return fg_session_baseline(s, err);
	return 0;
}
