/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own unwind table (ORC) as rows of ours: where it lies, and what its entries mean.
 *
 * Pure: who reads the kernel's memory is kernel_table.h. Source of the format:
 * arch/x86/include/asm/orc_types.h and arch/x86/kernel/unwind_orc.c of Linux 4.14 to 6.18.
 */
#ifndef FG_PROFILER_KERNEL_ROWS_H
#define FG_PROFILER_KERNEL_ROWS_H

#include "profiler/unwind/table.h"

enum { FG_KERNEL_ROWS_MAX = 1 << 20, FG_KERNEL_ENTRY_BYTES = 6 };

/* `rows` words of 4 bytes, each an address relative to itself, ascending; as many entries. */
struct fg_kernel_marks {
	uint64_t text, text_bytes;
	uint64_t addresses, entries;
	size_t rows;
};

/** Reads /proc/kallsyms from `fd` until all marks were seen. NO_DATA when there are none, hidden
 *  ones, or such as cannot be a table's. */
int fg_kernel_marks_read(int fd, struct fg_kernel_marks *ret, struct fg_err *err) FG_MUST_USE;
/** `addresses` and `entries` are what lies at the marks. Rows of the same meaning in a row become
 *  one. INVALID when the table is not in order; `*ret` needs fg_unwind_table_done(). */
int fg_kernel_rows_build(const struct fg_kernel_marks *marks, const int32_t *addresses,
			 const uint8_t *entries, enum fg_orc_format format,
			 struct fg_unwind_table *ret, struct fg_err *err) FG_MUST_USE;

#endif
