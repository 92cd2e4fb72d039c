/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4180: quoted fields may hold separators, line ends and doubled quotes. Fields are unquoted in
 * place. Stricter than most: a quote inside a bare field or behind a closed one is a fault, because
 * everybody reads such a file differently.
 */
#include "runner/scenario/data_internal.h"

#include <string.h>

struct csv {
	struct fg_data_reader *reader;
	char separator;
	size_t at, line;
};

struct field {
	char *text;
	size_t len;
};

/* Length of the line end at the cursor: 0, 1 (LF) or 2 (CR LF). */
static size_t line_end(const struct csv *csv)
{
	const char *at = csv->reader->bytes + csv->at;
	size_t left = csv->reader->len - csv->at;

	if (left > 0 && at[0] == '\n')
		return 1;
	return left > 1 && at[0] == '\r' && at[1] == '\n' ? 2 : 0;
}

static bool at_end(const struct csv *csv)
{
	return csv->at == csv->reader->len;
}

static int read_quoted(struct csv *csv, struct field *ret)
{
	char *bytes = csv->reader->bytes;
	size_t len = csv->reader->len, first_line = csv->line;
	size_t start = ++csv->at, out = start;

	for (;;) {
		if (at_end(csv))
			return fg_data_fault(csv->reader, first_line, "a quote is not closed");
		char c = bytes[csv->at++];

		if (c == '"') {
			if (at_end(csv) || bytes[csv->at] != '"')
				break;
			csv->at++;
		}
		csv->line += c == '\n';
		bytes[out++] = c;
	}
	*ret = (struct field){bytes + start, out - start};
	if (csv->at < len && bytes[csv->at] != csv->separator && line_end(csv) == 0)
		return fg_data_fault(csv->reader, csv->line,
				     "text behind a closing quote; a quote inside one is written "
				     "\"\"");
	return 0;
}

static int read_bare(struct csv *csv, struct field *ret)
{
	char *bytes = csv->reader->bytes;
	size_t start = csv->at;

	for (; !at_end(csv) && bytes[csv->at] != csv->separator && line_end(csv) == 0; csv->at++)
		if (bytes[csv->at] == '"')
			return fg_data_fault(csv->reader, csv->line,
					     "a quote inside a field without quotes");
	*ret = (struct field){bytes + start, csv->at - start};
	return 0;
}

/* 1: *ret is a field; *ret_last: the line ends behind it. */
static int read_field(struct csv *csv, struct field *ret, bool *ret_last)
{
	bool quoted = !at_end(csv) && csv->reader->bytes[csv->at] == '"';
	int rc = quoted ? read_quoted(csv, ret) : read_bare(csv, ret);

	if (rc)
		return rc;
	*ret_last = at_end(csv) || line_end(csv) > 0;
	if (!*ret_last) {
		csv->at++; /* the separator */
	} else if (!at_end(csv)) {
		csv->at += line_end(csv);
		csv->line++;
	}
	return 0;
}

static void skip_empty_lines(struct csv *csv)
{
	while (!at_end(csv) && line_end(csv) > 0) {
		csv->at += line_end(csv);
		csv->line++;
	}
}

static int read_header(struct csv *csv)
{
	bool last = false;

	skip_empty_lines(csv);
	if (at_end(csv))
		return fg_data_fault(csv->reader, csv->line, "the file is empty");
	while (!last) {
		size_t line = csv->line;
		struct field field;
		int rc = read_field(csv, &field, &last);

		if (rc)
			return rc;
		while (field.len > 0 && field.text[0] == ' ') {
			field.text++;
			field.len--;
		}
		while (field.len > 0 && field.text[field.len - 1] == ' ')
			field.len--;
		rc = fg_data_add_column(csv->reader, line, field.text, field.len);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_row(struct csv *csv)
{
	struct fg_data_reader *reader = csv->reader;
	size_t line = csv->line, count = 0;
	bool last = false;
	int rc = fg_data_room(reader, line, reader->column_count);

	while (rc == 0 && !last) {
		struct field field;

		rc = read_field(csv, &field, &last);
		if (rc == 0 && count < reader->column_count)
			reader->storage->cells[reader->cell_count + count] = (struct fg_value){
				.kind = FG_VALUE_TEXT, .text = field.text, .len = field.len};
		count++;
	}
	if (rc)
		return rc;
	if (count != reader->column_count)
		return fg_data_fault(reader, line, "%zu field%s; the header has %zu", count,
				     count == 1 ? "" : "s", reader->column_count);
	reader->cell_count += count;
	reader->row_count++;
	return 0;
}

int fg_data_read_csv(struct fg_data_reader *reader, char separator)
{
	struct csv csv = {.reader = reader, .separator = separator, .line = 1};
	int rc = read_header(&csv);

	while (rc == 0) {
		skip_empty_lines(&csv);
		if (at_end(&csv))
			break;
		rc = read_row(&csv);
	}
	return rc;
}
