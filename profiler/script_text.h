/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and lines of code objects, read from an interpreter's memory.
 *
 * The memory is the target's and may hold anything, and it changes while it is read: everything is
 * bounded, names come out as printable UTF-8, and a code object that is no longer the one that was
 * sampled is told by its check. Knows nothing of processes: the caller brings the reader.
 */
#ifndef FG_PROFILER_SCRIPT_TEXT_H
#define FG_PROFILER_SCRIPT_TEXT_H

#include "profiler/script_layout.h"

struct fg_script_memory {
	/* Exactly `len` bytes, or false. */
	bool (*read)(void *context, uint64_t address, void *out, size_t len);
	void *context;
};

enum {
	FG_SCRIPT_NAME_CHARS = 256, /* longer ones are cut */
	FG_SCRIPT_FILE_CHARS = 512,
	FG_SCRIPT_TEXT_BYTES = 4 * FG_SCRIPT_FILE_CHARS + 8,
	FG_SCRIPT_TABLE_MAX = 256 << 10, /* bytes of a line table */
};

struct fg_script_text {
	char name[2 * FG_SCRIPT_TEXT_BYTES + 4]; /* class and function */
	char file[FG_SCRIPT_TEXT_BYTES];
	uint32_t first_line; /* 0: unknown */
};

/** The name, file and first line of the code at `word` (as emitted), if it still is what `check`
 *  says. False: gone. */
bool fg_script_text_read(const struct fg_script_layout *layout, uint32_t image, uint64_t word,
			 uint64_t check, const struct fg_script_memory *memory,
			 struct fg_script_text *ret);
/** The same from what the BPF side read when it first met the code. False: read it yourself. */
bool fg_script_text_captured(const struct fg_script_layout *layout,
			     const struct fg_bpf_script_name *captured, struct fg_script_text *ret);
/** The line of `place` in the code at `word`; 0 if it is not known. */
uint32_t fg_script_line_read(const struct fg_script_layout *layout, uint32_t image, uint64_t word,
			     uint64_t check, uint32_t place, const struct fg_script_memory *memory);
/** The line of byte offset `place` in a line table of the format; 0 if none. */
uint32_t fg_script_line_of(enum fg_script_lines format, const uint8_t *table, size_t len,
			   uint32_t first_line, uint32_t place);

#endif
