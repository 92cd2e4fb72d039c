/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum {
	LINE_SHOWN = 120, /* characters of a source line in an excerpt */
	LINE_BEFORE = 40, /* of them before the mark when the line is longer */
};

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Control bytes could move the cursor or colour the terminal of whoever reads the message. */
static void make_harmless(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

static const char *find_line(const struct fg_source *source, unsigned line, size_t *ret_len)
{
	const char *at = source->text;
	const char *end = source->text + source->len;

	for (unsigned i = 1; i < line && at < end; i++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (!newline)
			return NULL;
		at = newline + 1;
	}
	const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

	*ret_len = (size_t)((newline ? newline : end) - at);
	if (*ret_len && at[*ret_len - 1] == '\r')
		(*ret_len)--;
	return at;
}

/* Bytes that the first `characters` characters of a line take. */
static size_t bytes_of(const char *line, size_t len, size_t characters)
{
	size_t i = 0;

	while (i < len && characters > 0) {
		i++;
		while (i < len && is_continuation(line[i]))
			i++;
		characters--;
	}
	return i;
}

static size_t characters_of(const char *line, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (!is_continuation(line[i]))
			n++;
	return n;
}

/* Cuts the source line to what fits, and says where the mark is inside the cut. */
static void set_excerpt(struct fg_diagnostic *item, const struct fg_source *source,
			struct fg_mark mark)
{
	size_t len = 0;
	const char *line = mark.line ? find_line(source, mark.line, &len) : NULL;

	if (!line || !mark.column)
		return;
	size_t total = characters_of(line, len);
	size_t skip = 0;

	if (total > LINE_SHOWN && mark.column > LINE_BEFORE)
		skip = mark.column - LINE_BEFORE;
	size_t from = bytes_of(line, len, skip);
	size_t shown = bytes_of(line + from, len - from, LINE_SHOWN);
	size_t left = characters_of(line + from, shown);

	if (fg_str_ndup(line + from, shown, &item->excerpt, NULL))
		return;
	make_harmless(item->excerpt);
	item->excerpt_column = mark.column - (unsigned)skip;
	item->width = FG_MAX(mark.width, 1u);
	if (item->excerpt_column > left)
		item->width = 1;
	else
		item->width = FG_MIN(item->width, (unsigned)left - item->excerpt_column + 1);
}

static bool is_known(const struct fg_diagnostics *diagnostics, const struct fg_err *err)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		const struct fg_err *old = &diagnostics->items[i].err;

		if (old->line == err->line && old->column == err->column &&
		    strcmp(old->file, err->file) == 0 && strcmp(old->message, err->message) == 0)
			return true;
	}
	return false;
}

void fg_diag_addv(struct fg_diagnostics *diagnostics, const struct fg_source *source,
		  struct fg_mark mark, enum fg_err_code code, const char *format, va_list args)
{
	struct fg_err err;

	(void)fg_err_setv(&err, code, format, args);
	make_harmless(err.message);
	fg_err_at(&err, source->name, mark.line, mark.column);
	if (is_known(diagnostics, &err))
		return;
	if (FG_VEC_ROOM(diagnostics, items, count, capacity, FG_DIAGNOSTICS_MAX, NULL)) {
		diagnostics->more++;
		return;
	}
	struct fg_diagnostic *item = &diagnostics->items[diagnostics->count++];

	*item = (struct fg_diagnostic){.err = err, .order = diagnostics->count};
	set_excerpt(item, source, mark);
}

void fg_diag_add(struct fg_diagnostics *diagnostics, const struct fg_source *source,
		 struct fg_mark mark, enum fg_err_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fg_diag_addv(diagnostics, source, mark, code, format, args);
	va_end(args);
}

static int by_place(const void *left, const void *right)
{
	const struct fg_diagnostic *a = left;
	const struct fg_diagnostic *b = right;
	int files = strcmp(a->err.file, b->err.file);

	if (files != 0)
		return files;
	if (a->err.line != b->err.line)
		return a->err.line < b->err.line ? -1 : 1;
	if (a->err.column != b->err.column)
		return a->err.column < b->err.column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void fg_diag_sort(struct fg_diagnostics *diagnostics)
{
	if (diagnostics->count > 1)
		qsort(diagnostics->items, diagnostics->count, sizeof(*diagnostics->items),
		      by_place);
}

size_t fg_diag_count(const struct fg_diagnostics *diagnostics)
{
	return diagnostics->count + diagnostics->more;
}

struct fg_mark fg_source_mark(const struct fg_source *source, size_t offset)
{
	struct fg_mark mark = {.line = 1, .column = 1, .width = 1};

	for (size_t i = 0; i < offset && i < source->len; i++) {
		if (source->text[i] == '\n') {
			mark.line++;
			mark.column = 1;
		} else if (!is_continuation(source->text[i])) {
			mark.column++;
		}
	}
	return mark;
}

void fg_diagnostics_done(struct fg_diagnostics *diagnostics)
{
	if (!diagnostics)
		return;
	for (size_t i = 0; i < diagnostics->count; i++)
		free(diagnostics->items[i].excerpt);
	free(diagnostics->items);
	*diagnostics = (struct fg_diagnostics){0};
}

static void add_excerpt(const struct fg_diagnostic *item, struct fg_buf *out)
{
	fg_buf_addf(out, "%5u | %s\n      | ", item->err.line, item->excerpt);
	for (unsigned i = 1; i < item->excerpt_column; i++)
		fg_buf_add_char(out, ' ');
	fg_buf_add_char(out, '^');
	for (unsigned i = 1; i < item->width; i++)
		fg_buf_add_char(out, '~');
	fg_buf_add_char(out, '\n');
}

void fg_diagnostics_text(const struct fg_diagnostics *diagnostics, struct fg_buf *out)
{
	size_t total = fg_diag_count(diagnostics);

	for (size_t i = 0; i < diagnostics->count; i++) {
		char text[FG_ERR_FILE_MAX + FG_ERR_MESSAGE_MAX + 32];

		fg_buf_add_str(out, fg_err_text(&diagnostics->items[i].err, text, sizeof(text)));
		fg_buf_add_char(out, '\n');
		if (diagnostics->items[i].excerpt)
			add_excerpt(&diagnostics->items[i], out);
	}
	if (diagnostics->more)
		fg_buf_addf(out, "… and %zu more\n", diagnostics->more);
	fg_buf_addf(out, "%zu %s (exit 104)\n", total, total == 1 ? "error" : "errors");
}
