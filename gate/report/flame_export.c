/* SPDX-License-Identifier: Apache-2.0 */
/* A profile, or a part of it, in the formats of other viewers. */
#include "gate/report/flame_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/format/json.h"
#include "gate/profile/folded.h"
#include "gate/profile/pprof.h"
#include "gate/profile/view.h"

int fg_flame_folded(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		    struct fg_buf *out, struct fg_err *err)
{
	struct fg_profile view = {0};
	int rc = fg_flame_view(bundle, options, &view, err);

	if (rc == 0)
		rc = fg_folded_encode(&view, NULL, out, err);
	fg_profile_view_done(&view);
	return rc;
}

int fg_flame_pprof(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		   struct fg_buf *out, struct fg_err *err)
{
	static const struct fg_pprof_options how = {.gzip = true, .labels = true};
	struct fg_profile view = {0};
	int rc = fg_flame_view(bundle, options, &view, err);

	if (rc == 0)
		rc = fg_pprof_encode(&view, &how, out, err);
	fg_profile_view_done(&view);
	return rc;
}

/* -- speedscope ---------------------------------------------------------------------------------
 */

static int by_time(const void *left, const void *right)
{
	const struct fg_psample *a = left;
	const struct fg_psample *b = right;

	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	return (a->stack > b->stack) - (a->stack < b->stack);
}

/* Frames are the profile's functions: the same index. */
static void put_frames(struct fg_json_writer *w, const struct fg_profile *profile)
{
	fg_json_begin_array(w, "frames");
	for (size_t i = 0; i < profile->function_count; i++) {
		const struct fg_pfunction *function = &profile->functions[i];
		const char *file = fg_profile_text(profile, function->filename);

		fg_json_begin(w, NULL);
		fg_json_put_string(w, "name", fg_profile_text(profile, function->name));
		fg_json_put_string(w, "file",
				   *file ? file
					 : fg_profile_module_name(profile, function->module));
		if (*file && function->start_line)
			fg_json_put_u64(w, "line", function->start_line);
		fg_json_end(w);
	}
	fg_json_end(w);
}

/* Root first, inlined ones behind what they are inlined into. */
static void put_stack(struct fg_json_writer *w, const struct fg_profile *profile,
		      const struct fg_pstack *stack)
{
	fg_json_begin_array(w, NULL);
	for (size_t i = stack->frame_count; i-- > 0;) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];

		for (size_t k = location->line_count; k-- > 0;)
			fg_json_put_u64(w, NULL, profile->lines[location->line_start + k].function);
	}
	fg_json_end(w);
}

static int put_profile(struct fg_json_writer *w, const struct fg_profile *profile, const char *name,
		       struct fg_err *err)
{
	const bool timed = profile->type != FG_PROFILE_FAULTS;
	uint64_t period = timed ? FG_MAX(profile->period_ns, 1u) : 1, sum = 0;

	fg_json_begin(w, NULL);
	fg_json_put_string(w, "type", "sampled");
	fg_json_put_string(w, "name", name);
	fg_json_put_string(w, "unit", timed ? "nanoseconds" : "none");
	fg_json_begin_array(w, "samples");
	for (size_t i = 0; i < profile->sample_count; i++)
		put_stack(w, profile, &profile->stacks[profile->samples[i].stack]);
	fg_json_end(w);
	fg_json_begin_array(w, "weights");
	for (size_t i = 0; i < profile->sample_count; i++) {
		uint64_t weight;

		if (__builtin_mul_overflow(profile->samples[i].count, period, &weight) ||
		    __builtin_add_overflow(sum, weight, &sum))
			return fg_err_set(err, FG_E_LIMIT, "the profile's sum does not fit");
		fg_json_put_u64(w, NULL, weight);
	}
	fg_json_end(w);
	fg_json_put_u64(w, "startValue", 0);
	fg_json_put_u64(w, "endValue", sum);
	fg_json_end(w);
	return 0;
}

static int put_file(const struct fg_bundle *bundle, struct fg_profile *view, struct fg_buf *out,
		    struct fg_err *err)
{
	const char *name = bundle->result->name ? bundle->result->name : "profile";
	struct fg_json_writer w;

	if (view->sample_count)
		qsort(view->samples, view->sample_count, sizeof(*view->samples), by_time);
	fg_json_writer_init(&w, out, false);
	fg_json_begin(&w, NULL);
	fg_json_put_string(&w, "$schema", "https://www.speedscope.app/file-format-schema.json");
	fg_json_put_string(&w, "exporter", "flamegate " FG_VERSION);
	fg_json_put_string(&w, "name", name);
	fg_json_put_u64(&w, "activeProfileIndex", 0);
	fg_json_begin(&w, "shared");
	put_frames(&w, view);
	fg_json_end(&w);
	fg_json_begin_array(&w, "profiles");
	int rc = put_profile(&w, view, name, err);

	if (rc)
		return rc;
	fg_json_end(&w);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	return fg_json_writer_check(&w, err);
}

int fg_flame_speedscope(const struct fg_bundle *bundle, const struct fg_flame_options *options,
			struct fg_buf *out, struct fg_err *err)
{
	struct fg_profile view = {0};
	int rc = fg_flame_view(bundle, options, &view, err);

	if (rc == 0)
		rc = put_file(bundle, &view, out, err);
	fg_profile_view_done(&view);
	return rc;
}
