/* SPDX-License-Identifier: Apache-2.0 */
/* Padding and cutting by display columns; see table.h. */
#include "gate/report/table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/utf8.h"
#include "gate/base/vec.h"

enum { GAP = 2, FLEXIBLE_MIN = 8 };

/* One code point: its bytes and how many columns it takes. Broken UTF-8 counts byte by byte. */
struct glyph {
	size_t bytes;
	unsigned columns;
	bool printable;
};

/* Ranges of the code points that take no column, and two (Unicode 15, coarse). */
static const uint32_t zero_width[][2] = {
	{0x300, 0x36f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x2064}, {0xfe00, 0xfe0f},
};
static const uint32_t double_width[][2] = {
	{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
	{0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
	{0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static bool in_ranges(uint32_t c, const uint32_t (*ranges)[2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	}
	return false;
}

static struct glyph next_glyph(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t bytes = fg_utf8_len(text);
	uint32_t c = s[0] & (0x7fu >> bytes);

	if (s[0] < 0x80 || !bytes)
		return (struct glyph){1, 1, bytes && s[0] >= 0x20 && s[0] != 0x7f};
	for (size_t i = 1; i < bytes; i++)
		c = c << 6 | (s[i] & 0x3fu);
	if (c < 0xa0 || (c >= 0x202a && c <= 0x202e)) /* C1 controls, direction overrides */
		return (struct glyph){bytes, 1, false};
	if (in_ranges(c, zero_width, FG_ARRAY_LEN(zero_width)))
		return (struct glyph){bytes, 0, true};
	bool wide = in_ranges(c, double_width, FG_ARRAY_LEN(double_width));

	return (struct glyph){bytes, wide ? 2 : 1, true};
}

size_t fg_text_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		struct glyph glyph = next_glyph(text);

		width += glyph.columns;
		text += glyph.bytes;
	}
	return width;
}

static void add_glyph(const char *text, struct glyph glyph, struct fg_buf *out)
{
	if (glyph.printable)
		fg_buf_add(out, text, glyph.bytes);
	else
		fg_buf_add_char(out, '?');
}

/* The glyphs that lie wholly in the columns `from` to `to`. */
static void add_columns(const char *text, size_t from, size_t to, struct fg_buf *out)
{
	size_t at = 0;

	while (*text && at <= to) {
		struct glyph glyph = next_glyph(text);

		if (at >= from && at + glyph.columns <= to)
			add_glyph(text, glyph, out);
		at += glyph.columns;
		text += glyph.bytes;
	}
}

void fg_text_cut(const char *text, size_t width, bool keep_end, struct fg_buf *out)
{
	size_t whole = fg_text_width(text);

	if (whole <= width) {
		add_columns(text, 0, whole, out);
	} else if (width > 0 && keep_end) {
		fg_buf_add_str(out, "…");
		add_columns(text, whole - width + 1, whole, out);
	} else if (width > 0) {
		add_columns(text, 0, width - 1, out);
		fg_buf_add_str(out, "…");
	}
}

/* No line ends inside "12 345" or between a number and its unit. */
static bool is_joined(const char *text, size_t len)
{
	static const char *const units[] = {"%", "ns", "µs", "ms", "s",
					    "B", "kB", "MB", "GB", "Hz"};
	const char *next = text + len + 1;

	if (len == 0 || text[len] != ' ' || !isdigit((unsigned char)text[len - 1]))
		return false;
	size_t word = strcspn(next, " \n,;:.)");

	if (word == 3 && strspn(next, "0123456789") == 3)
		return true;
	for (size_t i = 0; i < FG_ARRAY_LEN(units); i++)
		if (strlen(units[i]) == word && memcmp(units[i], next, word) == 0)
			return true;
	return false;
}

void fg_text_wrap(const char *text, unsigned column, unsigned indent, unsigned width,
		  struct fg_buf *out)
{
	size_t at = column;
	bool line_start = true;

	while (*text) {
		size_t len = strcspn(text, " \n");
		size_t columns = 0;

		while (is_joined(text, len))
			len += 1 + strcspn(text + len + 1, " \n");
		for (size_t i = 0; i < len;) {
			struct glyph glyph = next_glyph(text + i);

			columns += glyph.columns;
			i += glyph.bytes;
		}
		if (!line_start && at + 1 + columns > width) {
			fg_buf_addf(out, "\n%*s", (int)indent, "");
			at = indent;
			line_start = true;
		}
		if (!line_start) {
			fg_buf_add_char(out, ' ');
			at++;
		}
		for (size_t i = 0; i < len;) {
			struct glyph glyph = next_glyph(text + i);

			add_glyph(text + i, glyph, out);
			i += glyph.bytes;
		}
		at += columns;
		line_start = line_start && len == 0;
		text += len;
		while (*text == ' ' || *text == '\n')
			text++;
	}
}

/* -- tables -------------------------------------------------------------------------------------
 */

void fg_table_init(struct fg_table *table, unsigned columns, unsigned width, unsigned indent)
{
	assert(columns <= FG_TABLE_COLUMNS_MAX);
	*table = (struct fg_table){.columns = columns, .width = width, .indent = indent};
}

void fg_table_done(struct fg_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->row_count; i++) {
		for (unsigned c = 0; c < table->columns; c++)
			free(table->rows[i].cells[c]);
	}
	free(table->rows);
	*table = (struct fg_table){0};
}

struct fg_table_row *fg_table_add(struct fg_table *table, struct fg_err *err)
{
	if (FG_VEC_ROOM(table, rows, row_count, row_capacity, FG_TABLE_ROWS_MAX, err))
		return NULL;
	return &table->rows[table->row_count++];
}

int fg_table_cell(struct fg_table_row *row, unsigned column, struct fg_err *err, const char *format,
		  ...)
{
	struct fg_buf text;
	va_list args;

	fg_buf_init(&text, 64 << 10);
	va_start(args, format);
	fg_buf_addv(&text, format, args);
	va_end(args);
	int rc = fg_buf_check(&text, err);

	if (rc == 0) {
		free(row->cells[column]);
		row->cells[column] = fg_buf_take(&text, NULL);
		if (!row->cells[column])
			rc = fg_err_nomem(err);
	}
	fg_buf_done(&text);
	return rc;
}

static const char *cell_text(const struct fg_table_row *row, unsigned column)
{
	return row->cells[column] ? row->cells[column] : "";
}

static void column_widths(const struct fg_table *table, size_t widths[FG_TABLE_COLUMNS_MAX])
{
	size_t used = table->indent + GAP * (table->columns - 1);

	for (unsigned c = 0; c < table->columns; c++) {
		widths[c] = 0;
		for (size_t i = 0; i < table->row_count; i++)
			widths[c] = FG_MAX(widths[c], fg_text_width(cell_text(&table->rows[i], c)));
		used += widths[c];
	}
	if (used > table->width) {
		size_t over = used - table->width;
		size_t *give = &widths[table->flexible];
		/* a first column's long texts get lines of their own, see write_name() */
		size_t least = table->flexible == 0 ? 1 : FLEXIBLE_MIN;

		*give = *give > over + least ? *give - over : FG_MIN(*give, least);
	}
}

static void pad(struct fg_buf *out, size_t columns)
{
	fg_buf_addf(out, "%*s", (int)FG_MIN(columns, (size_t)1000), "");
}

static void write_start(const struct fg_table *table, const struct fg_table_row *row,
			struct fg_buf *out)
{
	if (row->mark) {
		size_t mark = fg_text_width(row->mark) + 1;

		pad(out, table->indent > mark ? table->indent - mark : 0);
		fg_buf_addf(out, "%s%s%s ", row->colour ? row->colour : "", row->mark,
			    row->colour ? "\033[0m" : "");
	} else {
		pad(out, table->indent);
	}
}

/* A first text that is too long for its column stands alone, the others below it in theirs. */
static bool write_name(const struct fg_table *table, const struct fg_table_row *row,
		       const size_t *widths, struct fg_buf *out)
{
	const char *text = cell_text(row, 0);

	if (table->flexible != 0 || table->columns < 2 || fg_text_width(text) <= widths[0])
		return false;
	fg_text_cut(text, table->width - table->indent, false, out);
	fg_buf_add_char(out, '\n');
	pad(out, table->indent + widths[0] + GAP);
	return true;
}

static void write_row(const struct fg_table *table, const struct fg_table_row *row,
		      const size_t *widths, struct fg_buf *out)
{
	write_start(table, row, out);
	for (unsigned c = write_name(table, row, widths, out); c < table->columns; c++) {
		const char *text = cell_text(row, c);
		size_t width = FG_MIN(fg_text_width(text), widths[c]);

		if (table->align[c] == FG_ALIGN_RIGHT)
			pad(out, widths[c] - width);
		fg_text_cut(text, widths[c], false, out);
		if (c + 1 == table->columns)
			break;
		if (table->align[c] == FG_ALIGN_LEFT)
			pad(out, widths[c] - width);
		pad(out, GAP);
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	fg_buf_add_char(out, '\n');
}

void fg_table_write(const struct fg_table *table, struct fg_buf *out)
{
	size_t widths[FG_TABLE_COLUMNS_MAX];

	column_widths(table, widths);
	for (size_t i = 0; i < table->row_count && !out->failed; i++)
		write_row(table, &table->rows[i], widths, out);
}
