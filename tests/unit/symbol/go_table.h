/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small .gopclntab tables, as Go 1.18 and 1.20 lay them out. */
#ifndef FG_TESTS_GO_TABLE_H
#define FG_TESTS_GO_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct go_step { /* one of a PC table: the value, for so many bytes; ends at 0 bytes */
	int32_t value;
	uint32_t bytes;
};
struct go_call { /* of an inline tree; ends at a NULL name */
	const char *name;
	uint32_t parent_offset, start_line;
};
struct go_function {
	const char *name;
	uint32_t bytes;
	uint8_t flags;
	const struct go_step *depth, *line, *inlined; /* NULL: none */
	const struct go_call *calls;
	uint32_t start_line;
};

enum { GO_TABLE_MAX = 8192, GO_TABLE_FILE_NAMES = 1 };

/** Returns its size. Every function is in the file "go/zoo.go"; inline trees lie behind the table
 *  proper, and their place counts from the table's start. */
size_t go_table_write(uint8_t out[GO_TABLE_MAX], uint32_t magic,
		      const struct go_function *functions, size_t count);

#endif
