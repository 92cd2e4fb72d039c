/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/script_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct code {
	uint64_t name, file, scope;
	uint32_t line;
	bool native;
};

static bool read_at(const struct fg_script_memory *memory, uint64_t address, void *out, size_t len)
{
	/* Neither the first page nor what is not user memory. */
	return address >= 4096 && address < 1ull << 47 &&
	       memory->read(memory->context, address, out, len);
}

static uint64_t word_at(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

/* What the BPF side hashed, in the same order. */
static bool read_code(const struct fg_script_layout *layout, uint32_t image, uint64_t word,
		      uint64_t check, const struct fg_script_memory *memory, struct code *ret)
{
	const struct fg_bpf_script *how = &layout->bpf;
	uint8_t bytes[FG_SCRIPT_CODE_BYTES] = {0};
	uint64_t address = word & FG_SCRIPT_WORD_ADDRESS, hash = image, same[2];
	bool native = word & FG_SCRIPT_WORD_NATIVE;
	size_t len = native ? how->native_bytes : how->code_bytes;

	if (!read_at(memory, address + how->code_start, bytes, len))
		return false;
	if (how->code_type && word_at(bytes, how->code_is) != how->code_type)
		return false;
	*ret = (struct code){
		.name = word_at(bytes, how->code_name),
		.file = word_at(bytes, how->code_file),
		.scope = word_at(bytes, how->code_scope),
		.line = (uint32_t)word_at(bytes, how->code_line),
		.native = native,
	};
	hash = fg_script_mix(hash, ret->name);
	hash = fg_script_mix(hash, ret->scope);
	hash = fg_script_mix(hash, ret->file);
	hash = fg_script_mix(hash, ret->line);
	if (!read_at(memory, (ret->name ? ret->name : ret->file) + how->string_same, same,
		     sizeof(same)))
		return false;
	hash = fg_script_mix(fg_script_mix(hash, same[0]), same[1]);
	return fg_script_check(hash) == check;
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
		c = c < 0x80 ? '?' : 0xfffd;
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* Bytes per character, and whether it is ASCII, from the state word; 0 if it is none that we know.
 * Up to 3.13 the kind begins at bit 2, later at bit 16: below it there is "interned" alone. */
static unsigned string_kind(uint32_t state, bool *ret_ascii)
{
	unsigned shift = state >> 2 & 0x3fff ? 2 : 16;
	unsigned kind = state >> shift & 7;
	bool compact = state >> (shift + 3) & 1;

	*ret_ascii = state >> (shift + 4) & 1;
	return compact && (kind == 1 || kind == 2 || kind == 4) ? kind : 0;
}

static bool read_python_string(const struct fg_script_layout *layout, uint64_t address,
			       const struct fg_script_memory *memory, size_t max_chars,
			       char out[FG_SCRIPT_TEXT_BYTES])
{
	uint8_t data[4 * FG_SCRIPT_FILE_CHARS];
	uint64_t length;
	uint32_t state;
	bool ascii;

	if (!read_at(memory, address + layout->string_length, &length, sizeof(length)) ||
	    !read_at(memory, address + layout->string_state, &state, sizeof(state)))
		return false;
	unsigned kind = string_kind(state, &ascii);
	size_t count = (size_t)FG_MIN(length, (uint64_t)max_chars);

	if (!kind || !count)
		return false;
	address += ascii ? layout->ascii_data : layout->wide_data;
	if (!read_at(memory, address, data, count * kind))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint32_t c = 0;

		memcpy(&c, data + i * kind, kind);
		out = put_utf8(out, c);
	}
	*out = '\0';
	return true;
}

/* Bytes that are UTF-8 or not: what is not is replaced when it enters the profile, what could be
 * taken for a control character here. */
static bool read_php_string(const struct fg_script_layout *layout, uint64_t address,
			    const struct fg_script_memory *memory, size_t max_bytes,
			    char out[FG_SCRIPT_TEXT_BYTES])
{
	uint64_t length;

	if (!read_at(memory, address + layout->string_length, &length, sizeof(length)))
		return false;
	size_t count = (size_t)FG_MIN(length, (uint64_t)max_bytes);

	if (!count || !read_at(memory, address + layout->ascii_data, out, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f) {
			/* "class@anonymous" is followed by a zero and an address. */
			if (!out[i] && i)
				count = i;
			out[i] = '?';
		}
	}
	out[count] = '\0';
	/* A character that was cut in the middle. */
	while (count && ((unsigned char)out[count - 1] & 0xc0) == 0x80 && length > count)
		out[--count] = '\0';
	if (count && (unsigned char)out[count - 1] >= 0xc0 && length > count)
		out[--count] = '\0';
	return count != 0;
}

static bool read_string(const struct fg_script_layout *layout, uint64_t address,
			const struct fg_script_memory *memory, size_t max,
			char out[FG_SCRIPT_TEXT_BYTES])
{
	return layout->bpf.kind == FG_SCRIPT_PHP
		       ? read_php_string(layout, address, memory, max, out)
		       : read_python_string(layout, address, memory, max, out);
}

/* Class::method, function, or {main} where there is no name. */
static bool read_php_name(const struct fg_script_layout *layout, const struct code *code,
			  const struct fg_script_memory *memory, struct fg_script_text *ret)
{
	char scope[FG_SCRIPT_TEXT_BYTES], name[FG_SCRIPT_TEXT_BYTES];
	uint64_t scope_name;

	if (!code->name) {
		(void)snprintf(ret->name, sizeof(ret->name), "{main}");
		return true;
	}
	if (!read_string(layout, code->name, memory, FG_SCRIPT_NAME_CHARS, name))
		return false;
	if (code->scope &&
	    read_at(memory, code->scope + layout->bpf.scope_name, &scope_name,
		    sizeof(scope_name)) &&
	    read_string(layout, scope_name, memory, FG_SCRIPT_NAME_CHARS, scope))
		(void)snprintf(ret->name, sizeof(ret->name), "%s::%s", scope, name);
	else
		(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	return true;
}

bool fg_script_text_read(const struct fg_script_layout *layout, uint32_t image, uint64_t word,
			 uint64_t check, const struct fg_script_memory *memory,
			 struct fg_script_text *ret)
{
	struct code code;

	if (!read_code(layout, image, word, check, memory, &code))
		return false;
	bool named =
		layout->bpf.kind == FG_SCRIPT_PHP
			? read_php_name(layout, &code, memory, ret)
			: read_string(layout, code.scope, memory, FG_SCRIPT_NAME_CHARS, ret->name);

	if (!named)
		return false;
	ret->first_line = code.native || code.line > FG_SCRIPT_LINE_MASK ? 0 : code.line;
	if (code.native || !read_string(layout, code.file, memory, FG_SCRIPT_FILE_CHARS, ret->file))
		ret->file[0] = '\0';
	/* What was read between two changes of the memory must not keep a wrong name. */
	return read_code(layout, image, word, check, memory, &code);
}

/* Copies what was captured; false if it has no end. */
static bool take_text(const char *from, size_t size, char *to)
{
	size_t len = strnlen(from, size);

	if (len == size)
		return false;
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i];
	to[len] = '\0';
	return true;
}

bool fg_script_text_captured(const struct fg_script_layout *layout,
			     const struct fg_bpf_script_name *captured, struct fg_script_text *ret)
{
	char name[FG_SCRIPT_CAPTURE_NAME], scope[FG_SCRIPT_CAPTURE_NAME];
	bool php = layout->bpf.kind == FG_SCRIPT_PHP,
	     native = captured->word & FG_SCRIPT_WORD_NATIVE;
	bool name_ascii = true, file_ascii = true;

	if (!take_text(captured->name, sizeof(captured->name), name) ||
	    !take_text(captured->scope, sizeof(captured->scope), scope) ||
	    !take_text(captured->file, sizeof(captured->file), ret->file))
		return false;
	/* Other kinds of strings have their characters elsewhere. */
	if (!php && (!string_kind(captured->name_state, &name_ascii) ||
		     !string_kind(captured->file_state, &file_ascii) || !name_ascii ||
		     !file_ascii || !name[0]))
		return false;
	if (!name[0])
		(void)snprintf(ret->name, sizeof(ret->name), "{main}");
	else
		(void)snprintf(ret->name, sizeof(ret->name), "%s%s%s", scope, scope[0] ? "::" : "",
			       name);
	ret->first_line = native || captured->line > FG_SCRIPT_LINE_MASK ? 0 : captured->line;
	if (native)
		ret->file[0] = '\0';
	return true;
}

/* co_lnotab: pairs of steps in bytes and lines. */
static uint32_t line_by_steps(const uint8_t *table, size_t len, uint32_t first_line, uint32_t place)
{
	int64_t line = first_line;
	uint64_t address = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		address += table[i];
		if (address > place)
			break;
		line += (int8_t)table[i + 1];
	}
	return line > 0 && line <= (int64_t)FG_SCRIPT_LINE_MASK ? (uint32_t)line : 0;
}

/* co_linetable of 3.10: pairs of the length of a range and the step of its line; −128: none. */
static uint32_t line_by_ranges(const uint8_t *table, size_t len, uint32_t first_line,
			       uint32_t place)
{
	enum { NO_LINE = -128 };
	int64_t line = first_line;
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		int8_t step = (int8_t)table[i + 1];

		end += table[i];
		if (step != NO_LINE)
			line += step;
		if (place < end)
			return step != NO_LINE && line > 0 && line <= (int64_t)FG_SCRIPT_LINE_MASK
				       ? (uint32_t)line
				       : 0;
	}
	return 0;
}

/* Six bits per byte, lowest first, the seventh says that more follow. */
static int64_t read_varint(const uint8_t *table, size_t len, size_t *at)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < len && shift < 42; shift += 6) {
		uint8_t byte = table[(*at)++];

		value |= (uint64_t)(byte & 63) << shift;
		if (!(byte & 64))
			break;
	}
	return (int64_t)value;
}

/* The step of lines in an entry whose code was read; *at moves behind the entry. */
static int64_t location_step(const uint8_t *table, size_t len, unsigned code, size_t *at)
{
	enum { ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NONE = 15 };
	int64_t step = 0;

	if (code < ONE_LINE) {
		*at += 1;
	} else if (code < NO_COLUMNS) {
		step = code - ONE_LINE;
		*at += 2;
	} else if (code != NONE) {
		int64_t zigzag = read_varint(table, len, at);

		step = zigzag & 1 ? -(zigzag >> 1) : zigzag >> 1;
		for (int i = 0; code == LONG && i < 3; i++)
			(void)read_varint(table, len, at);
	}
	return step;
}

/* co_linetable from 3.11 on. */
static uint32_t line_by_locations(const uint8_t *table, size_t len, uint32_t first_line,
				  uint32_t place)
{
	enum { NONE = 15 };
	int64_t line = first_line;
	uint64_t end = 0;

	for (size_t at = 0; at < len;) {
		uint8_t head = table[at++];
		unsigned code = head >> 3 & 15;

		if (!(head & 128))
			return 0;
		end += ((head & 7u) + 1) * 2;
		line += location_step(table, len, code, &at);
		if (place < end)
			return code != NONE && line > 0 && line <= (int64_t)FG_SCRIPT_LINE_MASK
				       ? (uint32_t)line
				       : 0;
	}
	return 0;
}

uint32_t fg_script_line_of(enum fg_script_lines format, const uint8_t *table, size_t len,
			   uint32_t first_line, uint32_t place)
{
	switch (format) {
	case FG_LINES_NOTAB:
		return line_by_steps(table, len, first_line, place);
	case FG_LINES_RANGES:
		return line_by_ranges(table, len, first_line, place);
	case FG_LINES_LOCATIONS:
		return line_by_locations(table, len, first_line, place);
	default:
		return 0;
	}
}

uint32_t fg_script_line_read(const struct fg_script_layout *layout, uint32_t image, uint64_t word,
			     uint64_t check, uint32_t place, const struct fg_script_memory *memory)
{
	uint64_t address = word & FG_SCRIPT_WORD_ADDRESS, bytes, len;
	struct code code;

	if (place == FG_SCRIPT_PLACE_MASK)
		return 0;
	if (layout->bpf.place == FG_PLACE_LINE)
		return place <= FG_SCRIPT_LINE_MASK ? place : 0;
	if (!layout->lines || !read_code(layout, image, word, check, memory, &code) ||
	    !read_at(memory, address + layout->line_table, &bytes, sizeof(bytes)) ||
	    !read_at(memory, bytes + layout->bytes_size, &len, sizeof(len)) || !len ||
	    len > FG_SCRIPT_TABLE_MAX)
		return 0;
	uint8_t *table = malloc((size_t)len);
	uint32_t line = 0;

	/* Until 3.10 the index counts instructions of two bytes, in 3.10 only. */
	if (layout->lines == FG_LINES_RANGES)
		place *= 2;
	if (table && read_at(memory, bytes + layout->bytes_data, table, (size_t)len))
		line = fg_script_line_of((enum fg_script_lines)layout->lines, table, (size_t)len,
					 code.line, place);
	free(table);
	return line;
}
