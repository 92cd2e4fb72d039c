/* SPDX-License-Identifier: Apache-2.0 */
/* Files to tables of rows. */
#include "runner/scenario/data_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/base/utf8.h"
#include "gate/base/vec.h"

int fg_data_fault(const struct fg_data_reader *reader, size_t line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int rc = fg_err_setv(reader->err, FG_E_INVALID, format, args);
	va_end(args);
	fg_err_at(reader->err, reader->path, (unsigned)line, 0);
	return rc;
}

size_t fg_data_line(const struct fg_data_reader *reader, size_t at)
{
	size_t line = 1;

	for (size_t i = 0; i < at && i < reader->len; i++)
		line += reader->bytes[i] == '\n';
	return line;
}

static int beyond(const struct fg_data_reader *reader, size_t line, const char *what, int max)
{
	int rc = fg_err_set(reader->err, FG_E_LIMIT, "more than %d %s", max, what);

	fg_err_at(reader->err, reader->path, (unsigned)line, 0);
	return rc;
}

static int find_column(char *const *columns, size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(columns[i], name, len) == 0 && columns[i][len] == '\0')
			return (int)i;
	return -1;
}

int fg_data_add_column(struct fg_data_reader *reader, size_t line, const char *name, size_t len)
{
	if (len == 0)
		return fg_data_fault(reader, line, "column %zu has no name",
				     reader->column_count + 1);
	if (memchr(name, '\0', len))
		return fg_data_fault(reader, line, "a column's name has a NUL byte");
	if (find_column(reader->columns, reader->column_count, name, len) >= 0)
		return fg_data_fault(reader, line, "duplicate column \"%.*s\"",
				     (int)FG_MIN(len, (size_t)100), name);
	if (reader->column_count == FG_DATA_COLUMNS_MAX)
		return beyond(reader, line, "columns", FG_DATA_COLUMNS_MAX);
	int rc = fg_vec_grow((void **)&reader->columns, &reader->column_capacity,
			     reader->column_count + 1, FG_DATA_COLUMNS_MAX, sizeof(char *),
			     reader->err);
	if (rc == 0)
		rc = fg_str_ndup(name, len, &reader->columns[reader->column_count], reader->err);
	if (rc == 0)
		reader->column_count++;
	return rc;
}

int fg_data_room(struct fg_data_reader *reader, size_t line, size_t count)
{
	if (reader->row_count == FG_DATA_ROWS_MAX)
		return beyond(reader, line, "rows", FG_DATA_ROWS_MAX);
	if (count > FG_DATA_CELLS_MAX - reader->cell_count)
		return beyond(reader, line, "values", FG_DATA_CELLS_MAX);
	return fg_vec_grow((void **)&reader->storage->cells, &reader->cell_capacity,
			   reader->cell_count + count, FG_DATA_CELLS_MAX, sizeof(struct fg_value),
			   reader->err);
}

static int check_encoding(const struct fg_data_reader *reader)
{
	size_t start = 0, line = 1;

	if (reader->len >= 2 && (memcmp(reader->bytes, "\xff\xfe", 2) == 0 ||
				 memcmp(reader->bytes, "\xfe\xff", 2) == 0))
		return fg_data_fault(reader, 1, "the file is UTF-16; save it as UTF-8");
	if (fg_utf8_valid(reader->bytes, reader->len))
		return 0;
	for (;; line++) {
		const char *end = memchr(reader->bytes + start, '\n', reader->len - start);

		if (!end ||
		    !fg_utf8_valid(reader->bytes + start, (size_t)(end - reader->bytes) - start))
			break;
		start = (size_t)(end - reader->bytes) + 1;
	}
	return fg_data_fault(reader, line, "a byte that is not UTF-8, or a NUL");
}

static bool ends_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), suffix_len = strlen(suffix);

	return len >= suffix_len && strcasecmp(path + len - suffix_len, suffix) == 0;
}

static int read_kind(struct fg_data_reader *reader)
{
	if (ends_with(reader->path, ".csv"))
		return fg_data_read_csv(reader, ',');
	if (ends_with(reader->path, ".tsv"))
		return fg_data_read_csv(reader, '\t');
	if (ends_with(reader->path, ".json"))
		return fg_data_read_json(reader, false);
	if (ends_with(reader->path, ".jsonl") || ends_with(reader->path, ".ndjson"))
		return fg_data_read_json(reader, true);
	return fg_err_set(reader->err, FG_E_INVALID,
			  "%s: a data file ends in .csv, .tsv, .json or .jsonl", reader->path);
}

static void skip_mark(struct fg_data_reader *reader)
{
	if (reader->len < 3 || memcmp(reader->bytes, "\xef\xbb\xbf", 3) != 0)
		return;
	reader->bytes += 3;
	reader->len -= 3;
}

/* Everything is read: rows point into the cells, which no longer move. */
static int finish(struct fg_data_reader *reader, struct fg_data *data)
{
	if (reader->row_count == 0)
		return fg_data_fault(reader, fg_data_line(reader, reader->len),
				     "the file has no rows");
	data->rows = calloc(reader->row_count, sizeof(*data->rows));
	if (!data->rows)
		return fg_err_nomem(reader->err);
	for (size_t i = 0; i < reader->row_count; i++)
		data->rows[i].values = reader->storage->cells + i * reader->column_count;
	data->row_count = reader->row_count;
	return fg_str_dup(reader->path, &data->path, reader->err);
}

/* Takes the bytes, also on failure. */
static int read_bytes(char *bytes, size_t len, const char *path, struct fg_data *ret,
		      struct fg_err *err)
{
	struct fg_data_storage *storage = calloc(1, sizeof(*storage));
	struct fg_data data = {.storage = storage};

	if (!storage) {
		free(bytes);
		return fg_err_nomem(err);
	}
	storage->bytes = bytes;
	fg_arena_init(&storage->texts, SIZE_MAX / 2); /* unescaped texts: bounded by the file */
	struct fg_data_reader reader = {
		.path = path, .bytes = bytes, .len = len, .storage = storage, .err = err};

	skip_mark(&reader);
	int rc = check_encoding(&reader);

	if (rc == 0)
		rc = read_kind(&reader);
	data.columns = reader.columns;
	data.column_count = reader.column_count;
	if (rc == 0)
		rc = finish(&reader, &data);
	if (rc) {
		fg_data_done(&data);
		return rc;
	}
	*ret = data;
	return 0;
}

int fg_data_load(const char *path, struct fg_data *ret, struct fg_err *err)
{
	struct fg_buf buf;

	fg_buf_init(&buf, FG_DATA_BYTES_MAX);
	int rc = fg_file_read(path, FG_DATA_BYTES_MAX, &buf, err);

	if (rc) {
		fg_buf_done(&buf);
		return rc;
	}
	size_t len;
	char *bytes = fg_buf_take(&buf, &len);

	return bytes ? read_bytes(bytes, len, path, ret, err) : fg_err_nomem(err);
}

int fg_data_parse(const char *text, size_t len, const char *path, struct fg_data *ret,
		  struct fg_err *err)
{
	if (len > FG_DATA_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s has %zu bytes; the limit is %d", path, len,
				  FG_DATA_BYTES_MAX);
	char *bytes = malloc(len + 1);

	if (!bytes)
		return fg_err_nomem(err);
	if (len > 0)
		memcpy(bytes, text, len);
	bytes[len] = '\0';
	return read_bytes(bytes, len, path, ret, err);
}

void fg_data_done(struct fg_data *data)
{
	if (!data)
		return;
	struct fg_data_storage *storage = data->storage;

	for (size_t i = 0; i < data->column_count; i++)
		free(data->columns[i]);
	free(data->columns);
	free(data->rows);
	free(data->name);
	free(data->path);
	if (storage) {
		free(storage->bytes);
		free(storage->cells);
		fg_arena_done(&storage->texts);
		free(storage);
	}
	*data = (struct fg_data){0};
}

int fg_data_column(const struct fg_data *data, const char *name, size_t len)
{
	return find_column(data->columns, data->column_count, name, len);
}
