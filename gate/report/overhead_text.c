/* SPDX-License-Identifier: Apache-2.0 */
/* What profiling took from the machine, as a share of the target's CPU: the kernel's parts by what
 * they were spent on, and the helper's. */
#include "gate/report/report_internal.h"

#include "gate/base/num.h"

struct part {
	const char *name;
	uint64_t ns;
	bool shown;
};

static void add_parts(const struct fg_result *result, double cpu_ns, struct fg_buf *out)
{
	const struct fg_profile_info *info = &result->profile;
	const struct fg_profile_type_info *types = info->types;
	/* Off-CPU and wall are made of the same waits. */
	const struct part parts[] = {
		{"samples", info->bpf_ns, true},
		{"waits", FG_MAX(types[FG_PROFILE_OFFCPU].bpf_ns, types[FG_PROFILE_WALL].bpf_ns),
		 types[FG_PROFILE_OFFCPU].present || types[FG_PROFILE_WALL].present},
		{"page faults", types[FG_PROFILE_FAULTS].bpf_ns, types[FG_PROFILE_FAULTS].present},
		{"request classes", info->label_ns, info->labels},
		{"helper", info->helper_cpu_ns, true},
	};
	char text[FG_NUM_TEXT_MAX];
	double sum_ns = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++)
		sum_ns += parts[i].shown ? (double)parts[i].ns : 0;
	fg_buf_addf(out, "; own overhead %.2f %% of the target's CPU:", 100.0 * sum_ns / cpu_ns);
	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++) {
		if (!parts[i].shown)
			continue;
		fg_buf_addf(out, "%s %s %.2f %%", i ? "," : "", parts[i].name,
			    100.0 * (double)parts[i].ns / cpu_ns);
		if (i == 0)
			fg_buf_addf(out, " (%s each)",
				    fg_num_format_ns((double)info->bpf_ns / (double)info->samples,
						     text));
	}
	if (result->measured_ns)
		fg_buf_addf(out, " (%.1f %% of a core)",
			    100.0 * (double)info->helper_cpu_ns / (double)result->measured_ns);
	/* Nobody has measured that, and in a virtual machine it is as much again. */
	fg_buf_add_str(out, "; the timer's interrupts come on top (flamegate doctor)");
}

void fg_report_own_cost(const struct fg_result *result, struct fg_buf *out)
{
	const struct fg_profile_info *info = &result->profile;
	const double cpu_ns = (double)result->measured_target_cpu_ns;

	fg_buf_addf(out, "%u Hz on %u CPU%s", info->frequency_hz, info->cpus,
		    info->cpus == 1 ? "" : "s");
	/* Far from the rate: the timer and the scheduler's clock disagree (steal, aliasing). */
	if (info->samples_per_cpu_s > 0)
		fg_buf_addf(out, ", %.0f samples per CPU second", info->samples_per_cpu_s);
	if (info->samples == 0 || cpu_ns <= 0)
		fg_buf_add_str(out, "; own overhead unknown");
	else if (info->bpf_ns == 0) /* only a BPF program can take its own time */
		fg_buf_addf(out,
			    "; own overhead: helper %.2f %% of the target's CPU, the kernel's part "
			    "unknown",
			    100.0 * (double)info->helper_cpu_ns / cpu_ns);
	else
		add_parts(result, cpu_ns, out);
}
