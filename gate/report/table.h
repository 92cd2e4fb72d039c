/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of text for a terminal of known width, aware of what UTF-8 looks like on it.
 *
 * One column is flexible: it takes what the others leave. If it is the first, texts that do not fit
 * get a line of their own; if it is another one they are cut with "…".
 * Control characters are replaced, because names come from programs and servers that we measure.
 */
#ifndef FG_REPORT_TABLE_H
#define FG_REPORT_TABLE_H

#include "gate/base/buf.h"

enum { FG_TABLE_COLUMNS_MAX = 10, FG_TABLE_ROWS_MAX = 100000 };

enum fg_align { FG_ALIGN_RIGHT, FG_ALIGN_LEFT };

struct fg_table_row {
	const char *mark;   /* static text of one column before the first cell, or NULL */
	const char *colour; /* static escape sequence for the mark, or NULL */
	char *cells[FG_TABLE_COLUMNS_MAX];
};

struct fg_table {
	unsigned columns, width; /* of the whole line */
	unsigned indent;
	unsigned flexible; /* index of the column that gives way */
	enum fg_align align[FG_TABLE_COLUMNS_MAX];
	struct fg_table_row *rows;
	size_t row_count, row_capacity;
};

void fg_table_init(struct fg_table *table, unsigned columns, unsigned width, unsigned indent);
void fg_table_done(struct fg_table *table);
/** Starts a row; NULL when memory ran out. Valid until the next row. */
struct fg_table_row *fg_table_add(struct fg_table *table, struct fg_err *err) FG_MUST_USE;
/** Formats one cell of a row. */
int fg_table_cell(struct fg_table_row *row, unsigned column, struct fg_err *err, const char *format,
		  ...) FG_PRINTF(4, 5) FG_MUST_USE;
/** Appends all rows, each ended by a newline without trailing spaces. */
void fg_table_write(const struct fg_table *table, struct fg_buf *out);

/** Columns that a text takes. */
size_t fg_text_width(const char *text);
/** Appends `text` cut to `width` columns; `keep_end` cuts at the front. */
void fg_text_cut(const char *text, size_t width, bool keep_end, struct fg_buf *out);
/** Appends `text` with line breaks at spaces so that lines end before `width`; continuation lines
 *  start with `indent` spaces. A number stays with its digits and its unit. `column` is where the
 * text starts. */
void fg_text_wrap(const char *text, unsigned column, unsigned indent, unsigned width,
		  struct fg_buf *out);

#endif
