/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions that run, profile and top print. */
#include "gate/report/report_internal.h"

#include "gate/base/num.h"
#include "gate/report/table.h"

/* Where there is no room for both, the name matters more than its place. */
enum { WITH_SOURCE_COLUMNS = 72, SOURCE_COLUMNS = 28 };

/* "server/json.c:88", the end kept. */
static int source_text(const struct fg_cost_row *row, struct fg_buf *out, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf whole = {.max = 8192};

	if (row->filename[0] && row->line > 0)
		fg_buf_addf(&whole, "%s:%u", row->filename, row->line);
	else
		fg_buf_add_str(&whole, row->filename[0] ? row->filename : row->module);
	fg_text_cut(whole.data ? whole.data : "", SOURCE_COLUMNS, true, out);
	int rc = fg_buf_check(&whole, err);

	return rc ? rc : fg_buf_check(out, err);
}

static int add_function(struct fg_table *table, const struct fg_report_functions *functions,
			const struct fg_cost_row *one, struct fg_err *err)
{
	double samples = (double)functions->samples;
	FG_AUTO_BUF struct fg_buf source = {.max = 8192};
	char text[FG_NUM_TEXT_MAX];
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	if (rc == 0)
		rc = source_text(one, &source, err);
	if (rc == 0)
		rc = fg_table_cell(row, 0, err, "%.1f %%", 100.0 * (double)one->self / samples);
	if (rc == 0)
		rc = fg_table_cell(row, 1, err, "%.1f %%", 100.0 * (double)one->total / samples);
	if (rc == 0 && functions->sample_ns >= 0)
		rc = fg_table_cell(row, 2, err, "%s%s",
				   fg_num_format_ns((double)one->self * functions->sample_ns, text),
				   functions->suffix);
	else if (rc == 0 && functions->is_count)
		rc = fg_table_cell(row, 2, err, "%s", fg_num_format_count(one->self, text));
	else if (rc == 0)
		rc = fg_table_cell(row, 2, err, "–");
	if (rc == 0)
		rc = fg_table_cell(row, 3, err, "%s", one->name);
	if (rc == 0 && table->columns > 4)
		rc = fg_table_cell(row, 4, err, "%s", source.data ? source.data : "");
	return rc;
}

int fg_report_functions_text(const struct fg_report_pen *pen,
			     const struct fg_report_functions *functions, struct fg_err *err)
{
	struct fg_table table;
	int rc = 0;

	fg_table_init(&table, pen->width >= WITH_SOURCE_COLUMNS ? 5 : 4, pen->width, 6);
	table.flexible = 3;
	table.align[3] = table.align[4] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < functions->count && rc == 0; i++)
		rc = add_function(&table, functions, functions->rows[i], err);
	if (rc == 0)
		fg_table_write(&table, pen->out);
	if (rc == 0 && functions->more)
		fg_buf_add_str(pen->out, "       …\n");
	fg_table_done(&table);
	return rc;
}
