/* SPDX-License-Identifier: Apache-2.0 */
/* The language runtimes of a profile and the notices about it in run.json. */
#include "gate/measure/run_json_read.h"

void fg_run_json_put_runtimes(struct fg_json_writer *w, const struct fg_profile_info *info)
{
	if (!info->runtime_count)
		return;
	fg_json_begin_array(w, "runtimes");
	for (size_t i = 0; i < info->runtime_count; i++) {
		const struct fg_runtime_info *one = &info->runtimes[i];

		fg_json_begin(w, NULL);
		fg_json_put_string(w, "name", one->name);
		fg_json_put_string(w, "flags", one->flags);
		fg_json_put_u64(w, "processes", one->processes);
		fg_json_put_u64(w, "samples", one->samples);
		fg_json_put_u64(w, "complete", one->complete);
		fg_json_put_u64(w, "frames", one->frames);
		fg_json_put_u64(w, "unnamedFrames", one->unnamed_frames);
		fg_json_put_string(w, "advice", one->advice);
		fg_json_end(w);
	}
	fg_json_end(w);
}

static int get_runtime(const struct fg_json_at *at, struct fg_runtime_info *one, struct fg_err *err)
{
	int rc = fg_json_text(at, "name", one->name, sizeof(one->name), err);

	FG_JSON_TRY(rc, fg_json_text(at, "flags", one->flags, sizeof(one->flags), err));
	FG_JSON_TRY(rc, fg_json_u32(at, "processes", UINT32_MAX, &one->processes, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "samples", INT64_MAX, &one->samples, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "complete", INT64_MAX, &one->complete, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "frames", INT64_MAX, &one->frames, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "unnamedFrames", INT64_MAX, &one->unnamed_frames, err));
	FG_JSON_TRY(rc, fg_json_text(at, "advice", one->advice, sizeof(one->advice), err));
	return rc;
}

int fg_run_json_runtimes(const struct fg_json_at *profile, struct fg_profile_info *info,
			 struct fg_err *err)
{
	struct fg_json_at list, at;

	info->runtime_count = 0;
	if (!fg_json_has(profile, "runtimes"))
		return 0;
	int rc = fg_json_array(profile, "runtimes", FG_RUNTIMES_MAX, &list, err);

	for (size_t i = 0; rc == 0 && i < fg_json_count(&list); i++) {
		rc = fg_json_element(&list, i, &at, err);
		FG_JSON_TRY(rc, get_runtime(&at, &info->runtimes[i], err));
		info->runtime_count = i + 1;
	}
	return rc;
}

void fg_run_json_put_notices(struct fg_json_writer *w, const struct fg_notices *notices)
{
	if (!notices->count)
		return;
	fg_json_begin_array(w, "notices");
	for (size_t i = 0; i < notices->count; i++)
		fg_json_put_string(w, NULL, notices->texts[i]);
	fg_json_end(w);
}

int fg_run_json_notices(const struct fg_json_at *profile, struct fg_notices *notices,
			struct fg_err *err)
{
	struct fg_json_at list;

	notices->count = 0;
	if (!fg_json_has(profile, "notices"))
		return 0;
	int rc = fg_json_array(profile, "notices", FG_NOTICES_MAX, &list, err);

	for (size_t i = 0; rc == 0 && i < fg_json_count(&list); i++) {
		rc = fg_json_element_text(&list, i, notices->texts[i], sizeof(notices->texts[i]),
					  err);
		notices->count = i + 1;
	}
	return rc;
}
