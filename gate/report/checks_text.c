/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of a run, or of one scenario or group of it, as k6 lists them. */
#include <string.h>

#include "gate/base/num.h"
#include "gate/report/report_internal.h"
#include "gate/report/table.h"

void fg_report_mark(const struct fg_report_pen *pen, struct fg_table_row *row, bool passed,
		    enum fg_level level)
{
	row->mark = passed ? "✓" : level == FG_LEVEL_ERROR ? "✗" : "!";
	row->colour = fg_report_colour(pen, passed                    ? FG_COLOUR_GOOD
					    : level == FG_LEVEL_ERROR ? FG_COLOUR_BAD
								      : FG_COLOUR_WARN);
}

/* k6 truncates: 99.999 % is not 100 % */
static int add_check(const struct fg_report_pen *pen, struct fg_table *table,
		     const struct fg_result *result, size_t index, struct fg_err *err)
{
	const struct fg_check_slice *counts = &result->totals->checks[index];
	const struct fg_check *check = &result->registry.checks[index];
	uint64_t all = counts->passes + counts->fails;
	char passes[FG_NUM_TEXT_MAX], total[FG_NUM_TEXT_MAX];
	struct fg_table_row *row = fg_table_add(table, err);

	if (!row)
		return -FG_E_NOMEM;
	fg_report_mark(pen, row, counts->fails == 0 && all > 0,
		       counts->fails > 0 ? FG_LEVEL_ERROR : FG_LEVEL_WARN);
	int rc = fg_table_cell(row, 0, err, "%s", check->name);

	if (rc == 0)
		rc = fg_table_cell(row, 1, err, "%s",
				   result->registry.classes[check->class_index].name);
	if (rc)
		return rc;
	if (all == 0)
		return fg_table_cell(row, 2, err, "never ran");
	if (counts->fails == 0)
		return fg_table_cell(row, 2, err, "%s", fg_num_format_count(all, total));
	return fg_table_cell(row, 2, err, "%s of %s (%.2f %%)",
			     fg_num_format_count(counts->passes, passes),
			     fg_num_format_count(all, total),
			     fg_report_percent(counts->passes, all));
}

static bool shows(const struct fg_registry *registry, size_t index, const struct fg_tags *filter)
{
	const struct fg_check *check = &registry->checks[index];
	const char *scenario = filter ? fg_tags_get(filter, "scenario") : NULL;
	const char *group = filter ? fg_tags_get(filter, "group") : NULL;

	return (!scenario || strcmp(registry->scenarios[check->scenario].name, scenario) == 0) &&
	       (!group || strcmp(check->group, group) == 0);
}

static void write_heading(const struct fg_report_pen *pen, unsigned indent, uint64_t passes,
			  uint64_t fails)
{
	char a[FG_NUM_TEXT_MAX], b[FG_NUM_TEXT_MAX];

	fg_buf_addf(pen->out, "%*s%schecks%s", (int)indent, "", pen->colour ? FG_COLOUR_HEAD : "",
		    pen->colour ? FG_COLOUR_END : "");
	if (passes + fails > 0)
		fg_buf_addf(pen->out, "  %.2f %% succeeded, %s of %s failed",
			    fg_report_percent(passes, passes + fails),
			    fg_num_format_count(fails, a), fg_num_format_count(passes + fails, b));
	fg_buf_add_char(pen->out, '\n');
}

int fg_report_checks(const struct fg_report_pen *pen, const struct fg_result *result,
		     const struct fg_tags *filter, unsigned indent, struct fg_err *err)
{
	uint64_t passes = 0, fails = 0;
	struct fg_table table;
	int rc = 0;

	fg_table_init(&table, 3, pen->width, indent + 4);
	table.align[0] = table.align[1] = table.align[2] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < result->totals->check_count && rc == 0; i++) {
		if (!shows(&result->registry, i, filter))
			continue;
		rc = add_check(pen, &table, result, i, err);
		passes += result->totals->checks[i].passes;
		fails += result->totals->checks[i].fails;
	}
	if (rc == 0 && table.row_count > 0) {
		write_heading(pen, indent, passes, fails);
		fg_table_write(&table, pen->out);
	}
	fg_table_done(&table);
	return rc;
}
