/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AArch64: from call-frame rules to a row of the kinds FG_A64_…, and the two pieces of code that
 * come without rules there: GNU ld writes no FDE for the PLT, and the kernel's vDSO none for its
 * return from a signal (its source says that it breaks libgcc). For this room only.
 */
#ifndef FG_UNWIND_A64ROWS_H
#define FG_UNWIND_A64ROWS_H

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/table.h"

struct Elf;

enum { FG_A64_REG_FP = 29, FG_A64_REG_LR = 30, FG_A64_REG_SP = 31 }; /* DWARF's numbers */

/** The row for these rules (NULL: they could not be read); its address is not set. */
struct fg_unwind_row fg_a64_row(const struct fg_cfi_rules *rules);
/** A row of a function that has touched neither stack nor LR. */
struct fg_unwind_row fg_a64_leaf(void);
/** A row with the stack `cfa_offset_8` words up and LR saved right below the CFA. */
struct fg_unwind_row fg_a64_pushed(int16_t cfa_offset_8);

enum { FG_A64_PLT_PLAIN = 64, FG_A64_PLT_FIRST_BYTES = 32 };
/** If `code` is a PLT as linkers write it: bytes of its first entry before that one's push (0, or 4
 *  behind a landing pad), FG_A64_PLT_PLAIN when there is no such entry (static programs), -1 if it
 * is not one. */
int fg_a64_plt_skip(const uint8_t *code, size_t len);
struct fg_a64_signal {
	uint64_t start, end; /* empty: not found */
	bool leaves_only; /* nothing in its segment moves or writes the stack: LR is right in all */
};
/** The instructions `mov x8, #139; svc #0`, with the word before them since a return address is
 * looked up one byte lower. Only in small segments (the vDSO, musl): no program is read through for
 * it. */
struct fg_a64_signal fg_a64_find_signal(struct Elf *elf, const struct fg_unwind_table *table);

#endif
