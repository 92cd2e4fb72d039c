/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/valid.h"

#include <stdio.h>

#include "gate/base/num.h"

#define LATE_SHARE_MAX 0.05
#define LAG_P99_MAX_NS (50 * FG_NS_PER_MS)
#define CPU_SHARE_MAX  0.85
#define CPU_SHARE_GOOD                                                             \
	0.5 /* of a core: below it the generator is hardly ever what is waited for \
	     */
#define ACHIEVED_MIN 0.99

enum { WAKE_UPS_MIN = 100, ADVICE_MAX = 160 };

struct reason {
	char *text;
	size_t size_bytes;
};

static double needed_share(const struct fg_valid_input *input)
{
	return input->busiest_cpu_share + input->busiest_waited_share;
}

/* The way out: CPU per iteration is nearly constant, so a rate at which it would be half a core can
 * be named when it is the CPU that was missing. */
static const char *advice(const struct fg_valid_input *input,
			  const struct fg_scenario_slice *counts, const char *otherwise,
			  char text[ADVICE_MAX])
{
	const double seconds = (double)input->measured_ns / (double)FG_NS_PER_S;
	const uint64_t begun = counts->scheduled - FG_MIN(counts->dropped, counts->scheduled);
	const double rate = seconds > 0 ? (double)begun / seconds : 0;
	const double needed = needed_share(input);
	const double good = rate * CPU_SHARE_GOOD / FG_MAX(needed, 0.01);
	char number[FG_NUM_TEXT_MAX];

	if (input->spinning || needed <= CPU_SHARE_GOOD || good < 1)
		snprintf(text, ADVICE_MAX, "lower the rate or %s", otherwise);
	else
		snprintf(text, ADVICE_MAX, "lower the rate below %s/s or %s",
			 fg_num_format_count((uint64_t)good, number), otherwise);
	return text;
}

static bool lag_is_bad(const struct fg_valid_input *input, size_t scenario,
		       const struct reason *out)
{
	const struct fg_scenario_slice *counts = &input->totals->scenarios[scenario];
	const struct fg_hist *lag = &counts->lag;
	const uint64_t p99_ns = fg_hist_percentile_ns(lag, 99);
	char text[FG_NUM_TEXT_MAX], way_out[ADVICE_MAX];
	uint64_t late;
	double share;

	if (lag->count < WAKE_UPS_MIN)
		return false;
	late = lag->count - fg_hist_count_at_or_below(lag, FG_LATE_NS);
	share = (double)late / (double)lag->count;
	if (share <= LATE_SHARE_MAX && p99_ns <= LAG_P99_MAX_NS)
		return false;
	snprintf(out->text, out->size_bytes,
		 "the generator was late in scenario %s (lag p99 %s, %.1f %% of the wake-ups over "
		 "10 ms); %s",
		 input->registry->scenarios[scenario].name, fg_num_format_ns((double)p99_ns, text),
		 100 * share, advice(input, counts, "give it a core", way_out));
	return true;
}

static bool is_saturated(const struct fg_valid_input *input, size_t scenario,
			 const struct reason *out)
{
	const struct fg_scenario_slice *counts = &input->totals->scenarios[scenario];
	const uint64_t missed = FG_MAX(counts->dropped, counts->late);
	char way_out[ADVICE_MAX], waited[64] = "";

	if (input->spinning || needed_share(input) <= CPU_SHARE_MAX || !counts->scheduled ||
	    (double)missed <= (1 - ACHIEVED_MIN) * (double)counts->scheduled)
		return false;
	if (input->busiest_waited_share > 0.05)
		snprintf(waited, sizeof(waited), ", another %.0f %% of the time waiting for one",
			 100 * input->busiest_waited_share);
	snprintf(
		out->text, out->size_bytes,
		"the generator was saturated (%.0f %% of a core%s) and scenario %s reached %.1f %% "
		"of its rate; %s",
		100 * input->busiest_cpu_share, waited, input->registry->scenarios[scenario].name,
		100 * (1 - FG_MIN(1.0, (double)missed / (double)counts->scheduled)),
		advice(input, counts, *waited ? "give it a core" : "give it more threads",
		       way_out));
	return true;
}

static bool vus_are_missing(const struct fg_valid_input *input, const struct reason *out)
{
	if (!input->inits_failed)
		return false;
	snprintf(out->text, out->size_bytes,
		 "%llu virtual user%s took no part because %s init steps failed (scenario %s); see "
		 "the messages above",
		 (unsigned long long)input->inits_failed, input->inits_failed == 1 ? "" : "s",
		 input->inits_failed == 1 ? "its" : "their",
		 input->registry->scenarios[input->inits_scenario].name);
	return true;
}

bool fg_valid_judge(const struct fg_valid_input *input, char *reason, size_t size_bytes)
{
	const struct reason out = {reason, size_bytes};

	reason[0] = '\0';
	if (vus_are_missing(input, &out))
		return false;
	for (size_t i = 0; i < input->totals->scenario_count; i++)
		if (lag_is_bad(input, i, &out) || is_saturated(input, i, &out))
			return false;
	return true;
}
