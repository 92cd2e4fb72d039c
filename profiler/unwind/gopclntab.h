/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's own table of functions (.gopclntab), as written by Go 1.18 and later: which functions there
 * are, and what holds at each address of them (stack depth, file, line, inlined call).
 *
 * Reads bytes, trusts none: every offset is checked at each use, and a table's walk ends with its
 * function. Older formats hold absolute addresses and are told, not read.
 */
#ifndef FG_UNWIND_GOPCLNTAB_H
#define FG_UNWIND_GOPCLNTAB_H

#include "gate/base/err.h"

struct Elf; /* libelf's */

enum { FG_GO_FUNCTIONS_MAX = 4 << 20 };

enum fg_go_format {
	FG_GO_NONE,    /* no Go in this file */
	FG_GO_UNKNOWN, /* Go, but of before 1.18 or with tables that we cannot make sense of */
	FG_GO_1_18,    /* and 1.19 */
	FG_GO_1_20,    /* and later */
};

/* The bytes belong to the Elf that they were read from. */
struct fg_gotab {
	enum fg_go_format format;
	const uint8_t *bytes;
	size_t len;
	uint64_t vaddr;       /* of the first byte */
	uint64_t text, etext; /* code of the first function … behind the last one; p_vaddr */
	uint64_t base;        /* what offsets of functions count from: runtime.text */
	uint64_t inline_data; /* what offsets of inline trees count from: go:func.*; 0: unknown */
	size_t count;         /* of functions */
	size_t names, units, files, tables, functions; /* offsets of the parts */
};

/* One function: `info` is where its description lies. */
struct fg_gofunc {
	uint64_t start, end; /* p_vaddr; not empty */
	size_t info;
	uint32_t depth, file, line; /* offsets of its tables; 0: none */
	uint32_t unit;              /* of its file names */
	uint32_t start_line;        /* 0: unknown */
	uint8_t flags;              /* enum fg_go_flag */
	const char *name;           /* "" when it cannot be read */
};
enum fg_go_flag {
	FG_GO_TOP_FRAME = 1, /* outermost of its stack */
	FG_GO_WRITES_SP = 2, /* its table does not say the whole truth */
};

/** Looks for the table in `elf`: by section, or by its first bytes where sections are gone. Fills
 *  `ret`, with format NONE where there is no Go, UNKNOWN where there is none that we can read. */
void fg_gotab_find(struct Elf *elf, struct fg_gotab *ret);
/** The bytes from go:func.* to the end of its segment, or NULL. */
const uint8_t *fg_gotab_inline_trees(struct Elf *elf, const struct fg_gotab *tab, size_t *ret_len);
/** The part of fg_gotab_find() that looks at bytes alone: a table that starts at `bytes` and is
 * placed at `vaddr`. False when it is none that we can read; base and what depends on it stay 0. */
bool fg_gotab_parse(const uint8_t *bytes, size_t len, uint64_t vaddr, struct fg_gotab *ret);
/** Sets where the code lies. False when the offsets do not fit. */
bool fg_gotab_place(struct fg_gotab *tab, uint64_t base);

/** Function `index`; false when it is malformed. */
bool fg_gotab_function(const struct fg_gotab *tab, size_t index, struct fg_gofunc *ret);
/** Whether a signal's handler returns there, to its first byte: the byte before, which counts of a
 *  return address, is nearly always padding and named like the function. */
bool fg_gofunc_returns_signal(const struct fg_gofunc *function);
/** The function that covers `vaddr`. */
bool fg_gotab_lookup(const struct fg_gotab *tab, uint64_t vaddr, struct fg_gofunc *ret);
/** A function's other tables: of PCDATA `number` (0: none), and where FUNCDATA `number` lies
 *  relative to inline_data (UINT32_MAX: none). */
uint32_t fg_gotab_pcdata(const struct fg_gotab *tab, const struct fg_gofunc *function,
			 unsigned number);
uint32_t fg_gotab_funcdata(const struct fg_gotab *tab, const struct fg_gofunc *function,
			   unsigned number);
/** A NUL-terminated string of the part that starts at `part` and ends at `end`; NULL if none. */
const char *fg_gotab_text(const struct fg_gotab *tab, size_t part, size_t end, uint64_t offset);

/* A walk over what one table says about its function, in steps of equal value. */
struct fg_gosteps {
	const uint8_t *at, *end;
	uint64_t limit;    /* bytes of the function */
	uint64_t from, to; /* offsets from its start for which `value` holds */
	int32_t value;
	bool begun;
};
void fg_gosteps_init(const struct fg_gotab *tab, const struct fg_gofunc *function, uint32_t table,
		     struct fg_gosteps *ret);
bool fg_gosteps_next(struct fg_gosteps *steps);
/** The value at one offset, or -1. */
int32_t fg_gotab_value(const struct fg_gotab *tab, const struct fg_gofunc *function, uint32_t table,
		       uint64_t offset);

#endif
