/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile lacks: because of how the target's runtime was started, or whatever the profiler
 * could not do. */
#include "gate/report/report_internal.h"
#include "gate/report/table.h"

enum { NOTICES_TOLD = 4 }; /* the page is about the functions */

size_t fg_report_runtime_count(const struct fg_profile_info *info)
{
	return FG_MIN(info->runtime_count, FG_ARRAY_LEN(info->runtimes));
}

void fg_report_runtimes(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	for (size_t i = 0; i < fg_report_runtime_count(info); i++) {
		const char *advice = info->runtimes[i].advice;

		if (!advice[0])
			continue;
		fg_buf_add_str(pen->out, "      ! ");
		fg_text_wrap(advice, 8, 8, pen->width, pen->out);
		fg_buf_add_char(pen->out, '\n');
	}
}

size_t fg_report_notice_count(const struct fg_profile_info *info)
{
	return FG_MIN(info->notices.count, (size_t)FG_NOTICES_MAX);
}

void fg_report_notices(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	const size_t count = fg_report_notice_count(info);
	const size_t told = count > NOTICES_TOLD ? NOTICES_TOLD - 1 : count;

	for (size_t i = 0; i < told; i++) {
		fg_buf_add_str(pen->out, "      ! ");
		fg_text_wrap(info->notices.texts[i], 8, 8, pen->width, pen->out);
		fg_buf_add_char(pen->out, '\n');
	}
	if (told < count)
		fg_buf_addf(pen->out, "      ! and %zu more: profile.notices in run.json\n",
			    count - told);
}
