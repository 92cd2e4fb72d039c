/* SPDX-License-Identifier: Apache-2.0 */
/* How profiles of each type are told: what is counted, and what it is called. */
#include "gate/report/report_internal.h"

#include "gate/base/num.h"

static const struct fg_report_type types[FG_PROFILE_TYPE_COUNT] = {
	[FG_PROFILE_CPU] = {.noun = "CPU", .counted = "sample"},
	[FG_PROFILE_OFFCPU] = {.noun = "waiting", .is_time = true},
	[FG_PROFILE_WALL] = {.noun = "wall time", .is_time = true},
	[FG_PROFILE_FAULTS] = {.noun = "page faults", .counted = "page fault"},
};

const struct fg_report_type *fg_report_type_of(const struct fg_profile *profile)
{
	return &types[(size_t)profile->type < FG_PROFILE_TYPE_COUNT ? profile->type
								    : FG_PROFILE_CPU];
}

void fg_report_amount(const struct fg_profile *profile, uint64_t count, struct fg_buf *out)
{
	const struct fg_report_type *type = fg_report_type_of(profile);
	char text[FG_NUM_TEXT_MAX];

	if (type->is_time)
		fg_buf_add_str(out,
			       fg_num_format_ns((double)count * (double)profile->period_ns, text));
	else
		fg_buf_addf(out, "%s %s%s", fg_num_format_count(count, text), type->counted,
			    count == 1 ? "" : "s");
}
