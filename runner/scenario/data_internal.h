/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one data file. For data*.c only. */
#ifndef FG_SCENARIO_DATA_INTERNAL_H
#define FG_SCENARIO_DATA_INTERNAL_H

#include "runner/scenario/data.h"

/* What values point into. */
struct fg_data_storage {
	char *bytes;
	struct fg_value *cells;
	struct fg_arena texts; /* of JSON strings with escapes */
};

struct fg_data_reader {
	const char *path;
	char *bytes; /* the storage's, behind a byte order mark */
	size_t len;
	struct fg_data_storage *storage;
	char **columns;
	size_t column_count, column_capacity;
	size_t cell_count, cell_capacity;
	size_t row_count;
	struct fg_err *err;
};

/** INVALID with the place file:line. */
int fg_data_fault(const struct fg_data_reader *reader, size_t line, const char *format, ...)
	FG_PRINTF(3, 4);
/** The line (from 1) of a byte of the text as it was read. */
size_t fg_data_line(const struct fg_data_reader *reader, size_t at);
/** Takes a copy of the name; INVALID if it is empty or already there. */
int fg_data_add_column(struct fg_data_reader *reader, size_t line, const char *name,
		       size_t len) FG_MUST_USE;
/** Room for `count` more cells, zeroed: nulls. */
int fg_data_room(struct fg_data_reader *reader, size_t line, size_t count) FG_MUST_USE;

/** Fill columns, cells and row_count. CSV changes the bytes. */
int fg_data_read_csv(struct fg_data_reader *reader, char separator) FG_MUST_USE;
int fg_data_read_json(struct fg_data_reader *reader, bool lines) FG_MUST_USE;

#endif
