/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, files, lines and inlined calls of Go code, from the table that the Go runtime itself keeps
 * for its stack traces. It is in every Go program, stripped or not, so both give the same answers;
 * DWARF is not asked.
 */
#ifndef FG_SYMBOL_GOSYM_H
#define FG_SYMBOL_GOSYM_H

#include "profiler/symbol/inline.h"

struct fg_gosym;

/** NULL when the file is no Go program, or one of before Go 1.18. `elf` must outlive the result. */
struct fg_gosym *fg_gosym_open(struct Elf *elf);
void fg_gosym_close(struct fg_gosym *go);
/** How many functions the table names. */
size_t fg_gosym_count(const struct fg_gosym *go);
/** Innermost first, the physical function last; *ret_count 0 outside Go's code. With `inlines`
 *  false the physical function alone. */
int fg_gosym_find(const struct fg_gosym *go, struct fg_names *names, uint64_t vaddr, bool inlines,
		  struct fg_inline_frame ret[FG_SYMBOL_INLINE_MAX], size_t *ret_count,
		  struct fg_err *err) FG_MUST_USE;

#endif
