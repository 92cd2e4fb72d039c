/* SPDX-License-Identifier: Apache-2.0 */
/* The end-of-run text; order and restraint of output-examples.md "A run". */
#include "gate/report/report_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/report/table.h"

struct fg_report_pen fg_report_pen_of(const struct fg_report_style *style, struct fg_buf *out)
{
	struct fg_report_pen pen = {
		.out = out,
		.colour = style->colour,
		.width = style->width ? style->width : FG_REPORT_WIDTH,
		.functions = style->functions ? style->functions : FG_REPORT_FUNCTIONS,
		.mode = style->mode,
		.time_unit = style->time_unit,
		.stats = style->trend_stats.count ? style->trend_stats : fg_trend_stats_default()};

	pen.width = FG_MAX(pen.width, (unsigned)FG_REPORT_WIDTH_MIN);
	return pen;
}

const char *fg_report_colour(const struct fg_report_pen *pen, const char *sequence)
{
	return pen->colour ? sequence : NULL;
}

void fg_report_heading(const struct fg_report_pen *pen, const char *text)
{
	fg_buf_addf(pen->out, "  %s%s%s\n", pen->colour ? FG_COLOUR_HEAD : "", text,
		    pen->colour ? FG_COLOUR_END : "");
}

void fg_report_wrapped(const struct fg_report_pen *pen, unsigned column, unsigned indent,
		       const struct fg_buf *line)
{
	fg_buf_addf(pen->out, "%*s", (int)column, "");
	fg_text_wrap(line->data ? line->data : "", column, indent, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
}

static void write_summary(const struct fg_report_pen *pen, const struct fg_result *result)
{
	uint64_t requests = fg_result_requests(result);
	uint64_t failed = fg_result_failed(result);
	char a[FG_NUM_TEXT_MAX], b[FG_NUM_TEXT_MAX], time[FG_NUM_TEXT_MAX];
	FG_AUTO_BUF struct fg_buf errors = {.max = 4096};
	FG_AUTO_BUF struct fg_buf line = {.max = 4096};

	fg_report_duration(result->measured_ns, time);
	fg_text_cut(result->name ? result->name : "run", pen->width / 2, false, &line);
	fg_buf_addf(&line, ": %s request%s in %s", fg_num_format_count(requests, a),
		    requests == 1 ? "" : "s", time);
	if (requests > 0) /* a share of nothing is not 0 % */
		fg_buf_addf(&line, ", %s failed (%.2f %%)", fg_num_format_count(failed, b),
			    fg_report_percent(failed, requests));
	fg_buf_addf(&line, "%s%s", result->status != FG_RUN_COMPLETED ? ", " : "",
		    result->status != FG_RUN_COMPLETED ? fg_run_status_name(result->status) : "");
	fg_report_wrapped(pen, 0, 2, &line);
	fg_report_errors(result, &errors);
	if (errors.len > 0) {
		fg_buf_add_str(pen->out, "  errors: ");
		fg_text_wrap(errors.data, 10, 10, pen->width, pen->out);
		fg_buf_add_char(pen->out, '\n');
	}
}

/* -- thresholds ---------------------------------------------------------------------------------
 */

static int write_thresholds(const struct fg_report_pen *pen, const struct fg_result *result,
			    struct fg_err *err)
{
	struct fg_table table;
	int rc = 0;

	fg_table_init(&table, 3, pen->width, 6);
	table.align[0] = table.align[1] = table.align[2] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < result->threshold_count && rc == 0; i++) {
		const struct fg_threshold_result *one = &result->thresholds[i];
		struct fg_table_row *row;

		if (one->level == FG_LEVEL_OFF)
			continue;
		row = fg_table_add(&table, err);
		if (!row) {
			rc = -FG_E_NOMEM;
			break;
		}
		fg_report_mark(pen, row, one->passed, one->level);
		rc = fg_table_cell(row, 0, err, "%s", one->metric_text);
		if (rc == 0)
			rc = fg_table_cell(row, 1, err, "%s", one->text);
		if (rc == 0)
			rc = fg_table_cell(row, 2, err, "%s%s", one->value_text,
					   one->aborted ? ", stopped the run" : "");
	}
	if (rc == 0 && table.row_count > 0) {
		fg_report_heading(pen, "thresholds");
		fg_table_write(&table, pen->out);
	}
	fg_table_done(&table);
	return rc;
}

/* -- requests -----------------------------------------------------------------------------------
 */

enum { COL_NAME, COL_COUNT, COL_RATE, COL_P50, COL_P95, COL_P99, COL_MAX, COL_CPU };

static int add_request_head(struct fg_table *table, bool with_cpu, struct fg_err *err)
{
	static const char *const titles[] = {"request", "count", "rate/s", "p50",
					     "p95",     "p99",   "max",    "cpu/req"};
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	for (unsigned c = 0; c < (with_cpu ? 8u : 7u) && rc == 0; c++)
		rc = fg_table_cell(row, c, err, "%s", titles[c]);
	return rc;
}

static int add_request(const struct fg_report_pen *pen, struct fg_table *table,
		       const struct fg_result *result, size_t index, bool with_cpu,
		       const struct fg_report_class *class, struct fg_err *err)
{
	const uint64_t times[] = {class->p50_ns, class->p95_ns, class->p99_ns, class->max_ns};
	FG_AUTO_BUF struct fg_buf name = {.max = 8192};
	char text[FG_NUM_TEXT_MAX];
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	fg_registry_class_text(&result->registry, index, &name);
	if (rc == 0)
		rc = fg_table_cell(row, COL_NAME, err, "  %s", name.data ? name.data : "");
	if (rc == 0)
		rc = fg_table_cell(row, COL_COUNT, err, "%s",
				   fg_num_format_count(class->requests, text));
	if (rc == 0)
		rc = fg_table_cell(row, COL_RATE, err, "%.1f", class->rate_per_s);
	for (unsigned i = 0; i < 4 && rc == 0; i++)
		rc = fg_table_cell(row, COL_P50 + i, err, "%s",
				   class->requests > 0 ? fg_report_time(pen, (double)times[i], text)
						       : "–");
	if (rc == 0 && with_cpu)
		rc = fg_table_cell(row, COL_CPU, err, "%s",
				   class->cpu_ns >= 0 ? fg_num_format_ns(class->cpu_ns, text)
						      : "–");
	return rc;
}

static bool has_endpoints(const struct fg_profile *profile)
{
	for (size_t i = 0; profile && i < profile->sample_count; i++) {
		if (fg_profile_text(profile, profile->samples[i].endpoint)[0])
			return true;
	}
	return false;
}

static int write_requests(const struct fg_report_pen *pen, const struct fg_result *result,
			  const struct fg_profile *profile, struct fg_err *err)
{
	bool with_cpu = has_endpoints(profile) && result->measured_target_cpu_ns > 0;
	struct fg_table table;
	int rc;

	fg_table_init(&table, with_cpu ? 8 : 7, pen->width, 2);
	table.align[COL_NAME] = FG_ALIGN_LEFT;
	rc = add_request_head(&table, with_cpu, err);
	for (size_t i = 0; i < result->registry.class_count && rc == 0; i++) {
		struct fg_report_class class;

		rc = fg_report_class_of(result, profile, i, &class, err);
		if (rc == 0)
			rc = add_request(pen, &table, result, i, with_cpu, &class, err);
	}
	if (rc == 0)
		fg_table_write(&table, pen->out);
	fg_table_done(&table);
	return rc;
}

/* -- cpu ----------------------------------------------------------------------------------------
 */

static void write_cpu_line(const struct fg_report_pen *pen, const struct fg_result *result)
{
	FG_AUTO_BUF struct fg_buf line = {.max = 1024};
	double per_request = fg_result_cpu_per_request_ns(result);
	char text[FG_NUM_TEXT_MAX];

	if (per_request < 0 || result->measured_ns == 0)
		return;
	fg_buf_addf(&line, "cpu: %s per request, target %.0f %% of a core, generator %.0f %%",
		    fg_num_format_ns(per_request, text),
		    100.0 * (double)result->measured_target_cpu_ns / (double)result->measured_ns,
		    result->duration_ns > 0
			    ? 100.0 * (double)result->generator_cpu_ns / (double)result->duration_ns
			    : 0.0);
	fg_report_wrapped(pen, 2, 7, &line);
}

static void add_incomplete(const struct fg_profile_info *info, struct fg_buf *text)
{
	const char *comma = " ";
	char count[FG_NUM_TEXT_MAX];

	fg_buf_add_str(text, "incomplete stacks:");
	for (int i = FG_STACK_COMPLETE + 1;
	     i < FG_STACK_RESULT_COUNT && (size_t)i < FG_ARRAY_LEN(info->incomplete_by); i++) {
		if (info->incomplete_by[i] == 0 || i == FG_STACK_KERNEL_ONLY)
			continue;
		fg_buf_addf(text, "%s%s %s", comma,
			    fg_num_format_count(info->incomplete_by[i], count),
			    fg_stack_result_name((enum fg_stack_result)i));
		comma = ", ";
	}
	fg_buf_add_str(text, "; a verdict needs 99 % complete");
}

void fg_report_incomplete(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 2048};
	char fault[200];

	if (fg_profile_info_complete_share(info) < 0.99)
		add_incomplete(info, &text);
	else if (fg_profile_info_fault(info, fault, sizeof(fault)))
		fg_buf_addf(&text, "the profile %s: no verdict can be based on it", fault);
	else
		return;
	fg_buf_add_str(pen->out, "      ");
	fg_text_wrap(text.data ? text.data : "", 6, 6, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
}

static int write_functions(const struct fg_report_pen *pen, const struct fg_result *result,
			   const struct fg_cost *cost, struct fg_err *err)
{
	double per_request = fg_result_cpu_per_request_ns(result);
	const struct fg_cost_row **rows = calloc(pen->functions, sizeof(*rows));
	struct fg_report_functions functions = {
		.rows = rows,
		.samples = cost->samples,
		.sample_ns = per_request < 0 ? -1
					     : per_request * fg_result_sampled_share(result) /
						       (double)cost->samples,
		.suffix = ""};
	size_t i = 0;

	if (!rows)
		return fg_err_nomem(err);
	for (; i < cost->count && functions.count < pen->functions; i++)
		if (fg_report_shows(&cost->rows[i]))
			rows[functions.count++] = &cost->rows[i];
	functions.more = i < cost->count && cost->rows[i].self > 0;
	int rc = fg_report_functions_text(pen, &functions, err);

	free(rows);
	return rc;
}

void fg_report_why_absent(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	/* why a profile is partial says so itself */
	fg_buf_add_str(pen->out, info->partial ? "  profile: " : "  profile: off, ");
	fg_text_wrap(info->why_absent[0] ? info->why_absent
		     : info->partial     ? "partial"
					 : "it was not asked for",
		     info->partial ? 11 : 16, 11, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
}

static int write_cpu(const struct fg_report_pen *pen, const struct fg_result *result,
		     const struct fg_profile *profile, struct fg_err *err)
{
	struct fg_cost *cost = NULL;
	int rc = fg_report_cost(profile, &cost, err);

	if (rc)
		return rc;
	write_cpu_line(pen, result);
	if (!cost || !result->profile.present || result->profile.partial)
		fg_report_why_absent(pen, &result->profile);
	if (cost && cost->samples > 0) {
		fg_report_heading(pen, "cpu by function (self, total, self per request)");
		FG_AUTO_BUF struct fg_buf line = {.max = 1024};

		fg_report_samples(&result->profile, &line);
		fg_report_wrapped(pen, 6, 6, &line);
		fg_report_incomplete(pen, &result->profile);
		fg_report_runtimes(pen, &result->profile);
		fg_report_notices(pen, &result->profile);
		fg_report_labels(pen, &result->profile);
		rc = write_functions(pen, result, cost, err);
		if (rc == 0)
			rc = fg_report_slow(pen, &result->profile, profile, cost, err);
	} else if (cost) {
		fg_buf_add_str(pen->out, "  profile: no samples, the target used no CPU while "
					 "measured\n");
		fg_report_notices(pen, &result->profile);
	}
	fg_cost_free(cost);
	return rc;
}

static int write_measured(const struct fg_report_pen *pen, const struct fg_result *result,
			  struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};
	int rc = fg_report_measured(result, &text, err);

	if (rc)
		return rc;
	fg_buf_add_str(pen->out, "  measured: ");
	fg_text_wrap(text.data, 12, 12, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
	if (!result->profile.present)
		return 0;
	fg_buf_clear(&text);
	fg_buf_add_str(&text, "profiled: ");
	fg_report_own_cost(result, &text);
	fg_report_wrapped(pen, 2, 12, &text);
	return 0;
}

static void write_outcome(const struct fg_report_pen *pen, const struct fg_result *result)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};

	if (!result->outcome)
		return;
	fg_report_outcome(result, &text);
	if (text.len == 0)
		return;
	fg_buf_add_char(pen->out, '\n');
	if (pen->colour)
		fg_buf_add_str(pen->out, result->exit_code ? FG_COLOUR_BAD : FG_COLOUR_GOOD);
	fg_text_wrap(text.data, 0, 0, pen->width, pen->out);
	fg_buf_addf(pen->out, "%s\n", pen->colour ? FG_COLOUR_END : "");
}

static int write_body(const struct fg_report_pen *pen, const struct fg_result *result,
		      const struct fg_profile *profile, struct fg_err *err)
{
	write_summary(pen, result);
	fg_buf_add_char(pen->out, '\n');
	int rc = write_thresholds(pen, result, err);

	if (rc == 0)
		rc = fg_report_checks(pen, result, NULL, 2, err);
	if (rc == 0)
		rc = write_requests(pen, result, profile, err);
	if (rc == 0)
		rc = fg_report_metrics(pen, result, err);
	if (rc == 0)
		rc = write_cpu(pen, result, profile, err);
	if (rc == 0)
		fg_report_other_types(pen, result);
	if (rc == 0)
		rc = write_measured(pen, result, err);
	return rc;
}

int fg_report_run_text(const struct fg_result *result, const struct fg_profile *profile,
		       const struct fg_report_style *style, struct fg_buf *out, struct fg_err *err)
{
	struct fg_report_pen pen = fg_report_pen_of(style, out);

	int rc = 0;

	if (fg_result_is_recording(result))
		rc = fg_report_recording(&pen, result, profile, err);
	else if (pen.mode != FG_SUMMARY_DISABLED)
		rc = write_body(&pen, result, profile, err);
	if (rc)
		return rc;
	write_outcome(&pen, result);
	return fg_buf_check(out, err);
}
