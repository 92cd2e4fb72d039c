/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/symbol/go_table.h"

#include <string.h>

enum { HEADER = 72, PART = 1024, FUNCTIONS_MAX = 32 };
/* Where the parts start: names, units, files, tables, functions, inline trees. */
enum {
	NAMES = HEADER,
	UNITS = PART,
	FILES = UNITS + 64,
	TABLES = FILES + 64,
	FUNCTIONS = TABLES + PART,
	TREES = FUNCTIONS + 3 * PART
};

struct writer {
	uint8_t *out;
	size_t names, tables, info, trees;
	int old;
};

static void put32(uint8_t *out, size_t at, uint32_t value)
{
	memcpy(out + at, &value, sizeof(value));
}

static void put64(uint8_t *out, size_t at, uint64_t value)
{
	memcpy(out + at, &value, sizeof(value));
}

static uint32_t put_name(struct writer *writer, const char *name)
{
	size_t at = writer->names;

	memcpy(writer->out + at, name, strlen(name) + 1);
	writer->names += strlen(name) + 1;
	return (uint32_t)(at - NAMES);
}

static void put_varint(struct writer *writer, uint32_t value)
{
	for (; value >= 0x80; value >>= 7)
		writer->out[writer->tables++] = (uint8_t)(value | 0x80);
	writer->out[writer->tables++] = (uint8_t)value;
}

static uint32_t put_steps(struct writer *writer, const struct go_step *steps)
{
	size_t at = writer->tables;
	int32_t before = -1;

	if (!steps)
		return 0;
	for (; steps->bytes; steps++) {
		int32_t delta = steps->value - before;

		put_varint(writer, delta < 0 ? ((uint32_t)~delta << 1) | 1 : (uint32_t)delta << 1);
		put_varint(writer, steps->bytes);
		before = steps->value;
	}
	put_varint(writer, 0);
	return (uint32_t)(at - TABLES);
}

static uint32_t put_calls(struct writer *writer, const struct go_call *calls)
{
	size_t at = writer->trees;

	if (!calls)
		return UINT32_MAX;
	for (; calls->name; calls++) {
		size_t entry = writer->trees;

		put32(writer->out, entry + (writer->old ? 12 : 4), put_name(writer, calls->name));
		put32(writer->out, entry + (writer->old ? 16 : 8), calls->parent_offset);
		if (!writer->old)
			put32(writer->out, entry + 12, calls->start_line);
		writer->trees += writer->old ? 20 : 16;
	}
	return (uint32_t)at;
}

static void put_function(struct writer *writer, const struct go_function *function, uint32_t start)
{
	static const struct go_step one_file[] = {{0, UINT32_MAX >> 1}, {0, 0}};
	uint8_t *out = writer->out;
	size_t at = writer->info, size = writer->old ? 40 : 44;

	put32(out, at, start);
	put32(out, at + 4, put_name(writer, function->name));
	put32(out, at + 16, put_steps(writer, function->depth));
	put32(out, at + 20, put_steps(writer, one_file));
	put32(out, at + 24, put_steps(writer, function->line));
	put32(out, at + 28, 3); /* PCDATA */
	put32(out, at + 32, 0); /* unit */
	if (!writer->old)
		put32(out, at + 36, function->start_line);
	out[at + size - 3] = function->flags;
	out[at + size - 1] = 4; /* FUNCDATA */
	put32(out, at + size + 8, put_steps(writer, function->inlined));
	for (size_t i = 0; i < 3; i++)
		put32(out, at + size + 12 + 4 * i, UINT32_MAX);
	put32(out, at + size + 24, put_calls(writer, function->calls));
	writer->info += size + 28;
}

size_t go_table_write(uint8_t out[GO_TABLE_MAX], uint32_t magic,
		      const struct go_function *functions, size_t count)
{
	static const size_t parts[] = {NAMES, UNITS, FILES, TABLES, FUNCTIONS};
	struct writer writer = {
		.out = out,
		.names = NAMES,
		.tables = TABLES + 1, /* 0 means none */
		.info = FUNCTIONS + count * 8 + 8,
		.trees = TREES,
		.old = magic == 0xfffffff0u,
	};
	uint32_t start = 0;

	memset(out, 0, GO_TABLE_MAX);
	put32(out, 0, magic);
	memcpy(out + 4, "\0\0\1\10", 4);
	put64(out, 8, count);
	put64(out, 16, 1);
	for (size_t i = 0; i < 5; i++)
		put64(out, 32 + 8 * i, parts[i]);
	put32(out, UNITS, 1);
	memcpy(out + FILES + 1, "go/zoo.go", 10);
	for (size_t i = 0; i < count; i++) {
		put32(out, FUNCTIONS + 8 * i, start);
		put32(out, FUNCTIONS + 8 * i + 4, (uint32_t)(writer.info - FUNCTIONS));
		put_function(&writer, &functions[i], start);
		start += functions[i].bytes;
	}
	put32(out, FUNCTIONS + 8 * count, start);
	return writer.trees + 16;
}
