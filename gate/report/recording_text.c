/* SPDX-License-Identifier: Apache-2.0 */
/* What `flamegate profile` prints at its end: how long, how much CPU, where it went, how sure. */
#include "gate/report/report_internal.h"

#include "gate/base/num.h"
#include "gate/report/table.h"
#include "gate/report/top.h"

static void write_title(const struct fg_report_pen *pen, const struct fg_result *result)
{
	FG_AUTO_BUF struct fg_buf line = {.max = 4096};
	char time[FG_NUM_TEXT_MAX], cpu[FG_NUM_TEXT_MAX];
	double cpu_ns = (double)result->measured_target_cpu_ns;

	fg_report_duration(result->measured_ns, time);
	fg_text_cut(result->target_label ? result->target_label : "recording", pen->width / 2,
		    false, &line);
	fg_buf_addf(&line, ": recorded %s, %s of CPU", time, fg_num_format_ns(cpu_ns, cpu));
	if (result->measured_ns > 0)
		fg_buf_addf(&line, " (%.0f %% of a core)",
			    100.0 * cpu_ns / (double)result->measured_ns);
	if (result->status != FG_RUN_COMPLETED)
		fg_buf_addf(&line, ", %s", fg_run_status_name(result->status));
	fg_report_wrapped(pen, 0, 2, &line);
}

static int write_table(const struct fg_report_pen *pen, const struct fg_result *result,
		       const struct fg_profile *profile, struct fg_err *err)
{
	const struct fg_top_options options = {.rows = pen->functions};
	struct fg_top *top = NULL;
	int rc = fg_top_new(result, profile, &options, &top, err);

	if (rc)
		return rc;
	fg_report_heading(pen, "cpu by function (self, total, self per second)");
	FG_AUTO_BUF struct fg_buf line = {.max = 1024};

	fg_report_samples(&result->profile, &line);
	fg_report_wrapped(pen, 6, 6, &line);
	fg_report_incomplete(pen, &result->profile);
	fg_report_runtimes(pen, &result->profile);
	fg_report_notices(pen, &result->profile);
	rc = fg_top_rows_text(top, pen, err);
	fg_top_free(top);
	return rc;
}

static void write_nothing(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	fg_buf_add_str(pen->out, "  profile: no samples, the target used no CPU\n");
	fg_report_notices(pen, info);
}

int fg_report_recording(const struct fg_report_pen *pen, const struct fg_result *result,
			const struct fg_profile *profile, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf line = {.max = 1024};
	int rc = 0;

	write_title(pen, result);
	if (!profile || result->profile.partial)
		fg_report_why_absent(pen, &result->profile);
	if (profile && profile->sample_count > 0)
		rc = write_table(pen, result, profile, err);
	else if (profile)
		write_nothing(pen, &result->profile);
	if (rc || !profile)
		return rc;
	fg_report_other_types(pen, result);
	fg_buf_add_str(&line, "measured: ");
	fg_report_own_cost(result, &line);
	fg_report_wrapped(pen, 2, 12, &line);
	return fg_buf_check(pen->out, err);
}
