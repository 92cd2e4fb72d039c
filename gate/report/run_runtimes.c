/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile lacks because of how the target's language runtime was started. */
#include "gate/report/report_internal.h"
#include "gate/report/table.h"

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
