/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inlined functions and source lines of an address, from DWARF.
 *
 * Own walk over the DIE tree: each unit's functions are listed once, and look-ups descend only into
 * the one function. libdw's dwarf_getscopes recurses without a bound and starts at the unit each
 * time (52–260 µs per address).
 */
#ifndef FG_SYMBOL_INLINE_H
#define FG_SYMBOL_INLINE_H

#include "profiler/symbol/names.h"
#include "profiler/symbol/symbolizer.h"

struct Elf;
struct fg_inline;

struct fg_inline_frame {
	struct fg_name *name; /* linkage name if there is one; NULL: nameless */
	struct fg_name *file; /* NULL: unknown */
	uint32_t line, start_line;
};

/** NULL when the file has no usable DWARF. `elf` must outlive the result. */
struct fg_inline *fg_inline_open(struct Elf *elf);
void fg_inline_close(struct fg_inline *dwarf);
/** Innermost first, the physical function last; *ret_count 0 when DWARF knows nothing. */
int fg_inline_find(struct fg_inline *dwarf, struct fg_names *names, uint64_t vaddr,
		   struct fg_inline_frame ret[FG_SYMBOL_INLINE_MAX], size_t *ret_count,
		   struct fg_err *err) FG_MUST_USE;

#endif
