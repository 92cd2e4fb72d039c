/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/summary_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/report/table.h"

enum { GAP = 2, NAME_MIN = 10, CELL_MAX = 96 };

void fg_summary_rows_done(struct fg_summary_rows *rows)
{
	if (!rows)
		return;
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->items[i].name);
		for (size_t c = 0; c < FG_TREND_STATS_MAX; c++)
			free(rows->items[i].cells[c]);
	}
	free(rows->items);
	*rows = (struct fg_summary_rows){.items = NULL};
}

/* -- values -------------------------------------------------------------------------------------
 */

static void format_plain(double value, char buffer[FG_NUM_TEXT_MAX])
{
	if (value >= 0 && value < 1e15 && floor(value) == value)
		(void)fg_num_format_count((uint64_t)value, buffer);
	else
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%.6g", value);
}

static void format_value(const struct fg_report_pen *pen, enum fg_contains contains, double value,
			 char buffer[FG_NUM_TEXT_MAX])
{
	if (contains == FG_CONTAINS_TIME)
		(void)fg_report_time(pen, value * (double)FG_NS_PER_MS, buffer);
	else if (contains == FG_CONTAINS_DATA && value >= 0)
		(void)fg_num_format_bytes((uint64_t)value, buffer);
	else
		format_plain(value, buffer);
}

static void format_rate_per_s(enum fg_contains contains, double rate, char buffer[FG_NUM_TEXT_MAX])
{
	if (contains == FG_CONTAINS_DATA && rate >= 0)
		(void)fg_num_format_bytes((uint64_t)rate, buffer);
	else
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, rate < 10 ? "%.2f" : "%.1f", rate);
}

static int set_other(struct fg_summary_row *row, const struct fg_report_pen *pen,
		     const struct fg_point_sum *sum, double seconds, struct fg_err *err)
{
	char value[FG_NUM_TEXT_MAX], a[FG_NUM_TEXT_MAX], b[FG_NUM_TEXT_MAX];
	char text[CELL_MAX] = "";

	format_value(pen, sum->contains, sum->value, value);
	if (sum->type == FG_METRIC_RATE) {
		(void)snprintf(value, sizeof(value), "%.2f %%",
			       fg_report_percent(sum->trues, sum->total));
		(void)snprintf(text, sizeof(text), "%s of %s", fg_num_format_count(sum->trues, a),
			       fg_num_format_count(sum->total, b));
	} else if (sum->type == FG_METRIC_GAUGE) {
		format_value(pen, sum->contains, sum->min, a);
		format_value(pen, sum->contains, sum->max, b);
		(void)snprintf(text, sizeof(text), "min=%s  max=%s", a, b);
	} else if (seconds > 0) {
		format_rate_per_s(sum->contains, sum->value / seconds, a);
		(void)snprintf(text, sizeof(text), "%s/s", a);
	}
	int rc = fg_str_dup(value, &row->cells[0], err);

	return rc ? rc : fg_str_dup(text, &row->cells[1], err);
}

static int set_trend(struct fg_summary_row *row, const struct fg_report_pen *pen,
		     const struct fg_point_sum *sum, struct fg_err *err)
{
	struct fg_trend_values values = fg_point_sum_trend(sum);
	int rc = 0;

	row->is_trend = true;
	for (size_t i = 0; i < pen->stats.count && rc == 0; i++) {
		const struct fg_trend_stat *stat = &pen->stats.items[i];
		char text[FG_NUM_TEXT_MAX] = "–";

		if (stat->kind == FG_TREND_STAT_COUNT)
			format_plain((double)fg_trend_values_count(&values), text);
		else if (fg_trend_values_count(&values) > 0)
			format_value(pen, sum->contains, fg_trend_stat_value(stat, &values), text);
		rc = fg_str_dup(text, &row->cells[i], err);
	}
	return rc;
}

int fg_summary_rows_add(struct fg_summary_rows *rows, const struct fg_report_pen *pen,
			const char *name, bool sub, const struct fg_point_sum *sum, double seconds,
			struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 1 << 16};
	int rc = FG_VEC_ROOM(rows, items, count, capacity, FG_SUMMARY_ROWS_MAX, err);

	if (rc)
		return rc;
	struct fg_summary_row *row = &rows->items[rows->count++];

	*row = (struct fg_summary_row){.name = NULL};
	fg_buf_addf(&text, "%s%s", sub ? "  " : "", name);
	row->name = fg_buf_take(&text, NULL);
	if (!row->name)
		return fg_err_nomem(err);
	return sum->type == FG_METRIC_TREND ? set_trend(row, pen, sum, err)
					    : set_other(row, pen, sum, seconds, err);
}

/* -- layout -------------------------------------------------------------------------------------
 */

struct layout {
	unsigned indent;   /* of the rows */
	size_t name_width; /* of the column; longer names get a line of their own */
	size_t widths[FG_TREND_STATS_MAX];
	size_t value_width; /* of what is no trend */
	bool stacked;       /* not even the columns fit */
	bool any_trend;
};

static struct layout lay_out(const struct fg_summary_rows *rows, const struct fg_report_pen *pen,
			     unsigned indent)
{
	struct layout layout = {.indent = indent + 2};
	size_t stats = 0;

	for (size_t c = 0; c < pen->stats.count; c++)
		layout.widths[c] = fg_text_width(pen->stats.items[c].text);
	for (size_t i = 0; i < rows->count; i++) {
		const struct fg_summary_row *row = &rows->items[i];

		layout.name_width = FG_MAX(layout.name_width, fg_text_width(row->name));
		layout.any_trend |= row->is_trend;
		if (!row->is_trend)
			layout.value_width =
				FG_MAX(layout.value_width, fg_text_width(row->cells[0]));
		for (size_t c = 0; row->is_trend && c < pen->stats.count; c++)
			layout.widths[c] = FG_MAX(layout.widths[c], fg_text_width(row->cells[c]));
	}
	for (size_t c = 0; layout.any_trend && c < pen->stats.count; c++)
		stats += GAP + layout.widths[c];
	size_t room = pen->width > layout.indent + stats ? pen->width - layout.indent - stats : 0;

	layout.stacked = layout.any_trend && room < NAME_MIN;
	layout.name_width = FG_MIN(layout.name_width,
				   layout.stacked ? pen->width / 2 : FG_MAX(room, (size_t)1));
	return layout;
}

static void pad(struct fg_buf *out, size_t columns)
{
	fg_buf_addf(out, "%*s", (int)FG_MIN(columns, (size_t)1000), "");
}

/* The name; what follows starts in the same column whether it had to break the line or not. */
static void write_name(const struct fg_report_pen *pen, const struct layout *layout,
		       const char *name)
{
	size_t width = fg_text_width(name);

	pad(pen->out, layout->indent);
	fg_text_cut(name, pen->width - layout->indent, false, pen->out);
	if (width <= layout->name_width) {
		pad(pen->out, layout->name_width - width);
		return;
	}
	fg_buf_add_char(pen->out, '\n');
	pad(pen->out, layout->indent + layout->name_width);
}

static void write_columns(const struct fg_report_pen *pen, const struct layout *layout,
			  const struct fg_summary_row *row)
{
	for (size_t c = 0; c < pen->stats.count; c++) {
		pad(pen->out, GAP + layout->widths[c] - fg_text_width(row->cells[c]));
		fg_buf_add_str(pen->out, row->cells[c]);
	}
}

static void write_stacked(const struct fg_report_pen *pen, const struct layout *layout,
			  const struct fg_summary_row *row)
{
	unsigned indent = layout->indent + 4;
	size_t at = indent;

	pad(pen->out, layout->indent);
	fg_text_cut(row->name, pen->width - layout->indent, false, pen->out);
	fg_buf_add_char(pen->out, '\n');
	pad(pen->out, indent);
	for (size_t c = 0; c < pen->stats.count; c++) {
		const char *stat = pen->stats.items[c].text;
		size_t width = fg_text_width(stat) + 1 + fg_text_width(row->cells[c]);

		if (c > 0 && at + GAP + width > pen->width) {
			fg_buf_add_char(pen->out, '\n');
			pad(pen->out, indent);
			at = indent;
		} else if (c > 0) {
			pad(pen->out, GAP);
			at += GAP;
		}
		fg_buf_addf(pen->out, "%s=%s", stat, row->cells[c]);
		at += width;
	}
}

static void write_heading(const struct fg_report_pen *pen, const struct layout *layout,
			  const char *title, unsigned indent)
{
	size_t width = fg_text_width(title) + indent;
	size_t column = layout->indent + layout->name_width;

	fg_buf_addf(pen->out, "%*s%s%s%s", (int)indent, "", pen->colour ? FG_COLOUR_HEAD : "",
		    title, pen->colour ? FG_COLOUR_END : "");
	if (layout->any_trend && !layout->stacked) {
		if (width > column)
			fg_buf_add_char(pen->out, '\n');
		pad(pen->out, width > column ? column : column - width);
		for (size_t c = 0; c < pen->stats.count; c++) {
			const char *text = pen->stats.items[c].text;

			pad(pen->out, GAP + layout->widths[c] - fg_text_width(text));
			fg_buf_add_str(pen->out, text);
		}
	}
	fg_buf_add_char(pen->out, '\n');
}

void fg_summary_rows_write(const struct fg_summary_rows *rows, const struct fg_report_pen *pen,
			   const char *title, unsigned indent)
{
	struct layout layout = lay_out(rows, pen, indent);

	if (rows->count == 0)
		return;
	write_heading(pen, &layout, title, indent);
	for (size_t i = 0; i < rows->count; i++) {
		const struct fg_summary_row *row = &rows->items[i];

		if (row->is_trend && layout.stacked) {
			write_stacked(pen, &layout, row);
		} else if (row->is_trend) {
			write_name(pen, &layout, row->name);
			write_columns(pen, &layout, row);
		} else {
			write_name(pen, &layout, row->name);
			fg_buf_addf(pen->out, "%*s%s", GAP, "", row->cells[0]);
			if (row->cells[1][0]) {
				pad(pen->out,
				    GAP + layout.value_width - fg_text_width(row->cells[0]));
				fg_buf_add_str(pen->out, row->cells[1]);
			}
		}
		fg_buf_add_char(pen->out, '\n');
	}
}
