/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/valid.h"

#include <stdio.h>

#include "gate/base/num.h"

#define LATE_SHARE_MAX 0.05
#define LAG_P99_MAX_NS (50 * FG_NS_PER_MS)
#define CPU_SHARE_MAX  0.85
#define ACHIEVED_MIN   0.99

enum { WAKE_UPS_MIN = 100 };

static bool lag_is_bad(const char *scenario, const struct fg_hist *lag, char *reason,
		       size_t size_bytes)
{
	const uint64_t p99_ns = fg_hist_percentile_ns(lag, 99);
	uint64_t late;
	double share;
	char text[FG_NUM_TEXT_MAX];

	if (lag->count < WAKE_UPS_MIN)
		return false;
	late = lag->count - fg_hist_count_at_or_below(lag, FG_LATE_NS);
	share = (double)late / (double)lag->count;
	if (share <= LATE_SHARE_MAX && p99_ns <= LAG_P99_MAX_NS)
		return false;
	snprintf(reason, size_bytes,
		 "the generator was late in scenario %s (lag p99 %s, %.1f %% of the wake-ups over "
		 "10 ms); lower the rate or give it a core",
		 scenario, fg_num_format_ns((double)p99_ns, text), 100 * share);
	return true;
}

bool fg_valid_judge(const struct fg_valid_input *input, char *reason, size_t size_bytes)
{
	const struct fg_slice *totals = input->totals;

	reason[0] = '\0';
	for (size_t i = 0; i < totals->scenario_count; i++) {
		const struct fg_scenario_slice *counts = &totals->scenarios[i];
		const char *name = input->registry->scenarios[i].name;
		uint64_t missed;

		if (lag_is_bad(name, &counts->lag, reason, size_bytes))
			return false;
		missed = FG_MAX(counts->dropped, counts->late);
		if (input->busiest_cpu_share <= CPU_SHARE_MAX || !counts->scheduled ||
		    (double)missed <= (1 - ACHIEVED_MIN) * (double)counts->scheduled)
			continue;
		snprintf(reason, size_bytes,
			 "the generator was saturated (%.0f %% of a core) and scenario %s reached "
			 "%.1f %% of its rate; lower the rate or give it more threads",
			 100 * input->busiest_cpu_share, name,
			 100 * (1 - FG_MIN(1.0, (double)missed / (double)counts->scheduled)));
		return false;
	}
	return true;
}
