/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of objects, or an object per line. Twice through the text: first the columns (those of all
 * rows, in the order in which they appear) and the number of rows, then the values.
 */
#include "runner/scenario/data_internal.h"

#include <stdlib.h>
#include <string.h>

#include "runner/scenario/jscan.h"

/* Goes over the rows. */
struct rows {
	struct fg_data_reader *reader;
	bool lines;
	struct fg_jscan_walk walk; /* of a list */
	size_t at;                 /* of lines: where the next one is looked for */
};

/* The scanner's fault, whose column is an offset into the whole text, at its line. */
static int place(const struct rows *rows, size_t at)
{
	struct fg_err *err = rows->reader->err;

	if (!err)
		return -(int)FG_E_INVALID;
	if (err->column > 0)
		at = err->column - 1;
	fg_err_at(err, rows->reader->path, (unsigned)fg_data_line(rows->reader, at), 0);
	return -(int)err->code;
}

static int open_rows(struct fg_data_reader *reader, bool lines, struct rows *ret)
{
	size_t at = fg_jscan_space(reader->bytes, reader->len, 0);

	*ret = (struct rows){.reader = reader, .lines = lines};
	if (at == reader->len)
		return fg_data_fault(reader, fg_data_line(reader, at), "the file is empty");
	if (lines)
		return 0;
	int rc = fg_jscan_open(&ret->walk, reader->bytes, reader->len, at, reader->err);

	if (rc < 0)
		return place(ret, at);
	if (rc == 0 || ret->walk.object)
		return fg_data_fault(reader, fg_data_line(reader, at),
				     "the file must be a list of objects: [ {…}, … ]");
	return 0;
}

/* 1: *ret is where the next row's value starts, 0: the end */
static int next_line(struct rows *rows, size_t *ret)
{
	const struct fg_data_reader *reader = rows->reader;
	size_t at = fg_jscan_space(reader->bytes, reader->len, rows->at);
	size_t end;

	if (at == reader->len)
		return 0;
	if (fg_jscan_value(reader->bytes, reader->len, at, &end, reader->err))
		return place(rows, at);
	if (memchr(reader->bytes + at, '\n', end - at))
		return fg_data_fault(reader, fg_data_line(reader, at),
				     "an object goes on in the next line; .jsonl has one per line");
	rows->at = fg_jscan_space(reader->bytes, reader->len, end);
	if (rows->at < reader->len && !memchr(reader->bytes + end, '\n', rows->at - end))
		return fg_data_fault(reader, fg_data_line(reader, end),
				     "text behind the object of this line");
	*ret = at;
	return 1;
}

static int next_row(struct rows *rows, size_t *ret)
{
	const struct fg_data_reader *reader = rows->reader;

	if (rows->lines)
		return next_line(rows, ret);
	int rc = fg_jscan_next(&rows->walk, reader->err);

	if (rc < 0)
		return place(rows, rows->walk.at);
	*ret = rows->walk.value;
	if (rc == 0 && fg_jscan_space(reader->bytes, reader->len, rows->walk.at) < reader->len)
		return fg_data_fault(reader, fg_data_line(reader, rows->walk.at),
				     "text behind the list");
	return rc;
}

/* The row's members; 1: more, 0: the end. */
static int next_member(const struct rows *rows, struct fg_jscan_walk *members)
{
	int rc = fg_jscan_next(members, rows->reader->err);

	return rc < 0 ? place(rows, members->at) : rc;
}

static int open_row(const struct rows *rows, size_t at, struct fg_jscan_walk *ret)
{
	const struct fg_data_reader *reader = rows->reader;
	int rc = fg_jscan_open(ret, reader->bytes, reader->len, at, reader->err);

	if (rc < 0)
		return place(rows, at);
	if (rc == 0 || !ret->object)
		return fg_data_fault(reader, fg_data_line(reader, at), "a row must be an object");
	return 0;
}

/* Rows mostly have their members in the same order: the one behind the last is tried first. */
static int find(const struct fg_data_reader *reader, const struct fg_jscan_walk *member,
		size_t hint)
{
	for (size_t i = 0; i < reader->column_count; i++) {
		size_t which = (hint + i) % reader->column_count;

		if (fg_jscan_is(member->key, member->key_len, reader->columns[which],
				strlen(reader->columns[which])))
			return (int)which;
	}
	return -1;
}

static int add_column(const struct rows *rows, const struct fg_jscan_walk *member)
{
	struct fg_data_reader *reader = rows->reader;
	char *name = malloc(member->key_len + 1);

	if (!name)
		return fg_err_nomem(reader->err);
	size_t len = fg_jscan_unescape(member->key, member->key_len, name);
	int rc = fg_data_add_column(
		reader, fg_data_line(reader, (size_t)(member->key - reader->bytes)), name, len);

	free(name);
	return rc;
}

static int read_columns(struct fg_data_reader *reader, bool lines)
{
	struct fg_jscan_walk members;
	struct rows rows;
	size_t at;
	int rc = open_rows(reader, lines, &rows);

	while (rc == 0 && (rc = next_row(&rows, &at)) > 0) {
		size_t hint = 0;

		rc = open_row(&rows, at, &members);
		while (rc == 0 && (rc = next_member(&rows, &members)) > 0) {
			int column = find(reader, &members, hint);

			hint = (size_t)column + 1;
			rc = column < 0 ? add_column(&rows, &members) : 0;
		}
	}
	return rc;
}

static int read_values(const struct rows *rows, size_t at, size_t *seen)
{
	struct fg_data_reader *reader = rows->reader;
	struct fg_value *cells = reader->storage->cells + reader->cell_count;
	struct fg_jscan_walk members;
	size_t hint = 0;
	int rc = open_row(rows, at, &members);

	while (rc == 0 && (rc = next_member(rows, &members)) > 0) {
		int column = find(reader, &members, hint);

		assert(column >= 0);
		hint = (size_t)column + 1;
		if (seen[column] == reader->row_count + 1)
			return fg_data_fault(reader, fg_data_line(reader, members.value),
					     "the row has \"%.100s\" twice",
					     reader->columns[column]);
		seen[column] = reader->row_count + 1;
		rc = fg_jscan_take(reader->bytes, reader->len, members.value,
				   &reader->storage->texts, &cells[column], NULL, reader->err);
		if (rc)
			return place(rows, members.value);
	}
	return rc;
}

static int read_rows(struct fg_data_reader *reader, bool lines, size_t *seen)
{
	struct rows rows;
	size_t at;
	int rc = open_rows(reader, lines, &rows);

	while (rc == 0 && (rc = next_row(&rows, &at)) > 0) {
		rc = fg_data_room(reader, fg_data_line(reader, 0), reader->column_count);
		if (rc == 0)
			rc = read_values(&rows, at, seen);
		if (rc == 0) {
			reader->cell_count += reader->column_count;
			reader->row_count++;
		}
	}
	return rc;
}

int fg_data_read_json(struct fg_data_reader *reader, bool lines)
{
	int rc = read_columns(reader, lines);

	if (rc)
		return rc;
	if (reader->column_count == 0)
		return fg_data_fault(reader, fg_data_line(reader, reader->len),
				     "the file has no rows with members");
	/* which row had a column last, so that a key twice in one row is seen */
	size_t *seen = calloc(reader->column_count, sizeof(*seen));

	if (!seen)
		return fg_err_nomem(reader->err);
	rc = read_rows(reader, lines, seen);
	free(seen);
	return rc;
}
