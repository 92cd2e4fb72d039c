/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind rows of one module, as the BPF side searches them: sorted rows plus a page index.
 *
 * Built from .eh_frame (or .debug_frame); the helper copies rows into the shard maps.
 * Runs privileged on foreign ELF files, so every size is bounded and every offset checked.
 */
#ifndef FG_UNWIND_TABLE_H
#define FG_UNWIND_TABLE_H

#include "gate/base/err.h"
#include "profiler/bpf/shared.h"

enum { FG_UNWIND_ROWS_MAX = 4 << 20, FG_UNWIND_SEGMENTS_MAX = 16 };

/* An executable PT_LOAD: what /proc/PID/maps offsets translate through. */
struct fg_unwind_segment {
	uint64_t vaddr, file_offset, file_size, mem_size;
};

struct fg_unwind_table {
	struct fg_unwind_row *rows; /* strictly ascending address; the first row of each FDE start
				       and an FG_ROW_NONE row behind each FDE end that has a gap */
	size_t row_count, row_capacity;
	uint64_t vaddr_start, vaddr_end; /* of executable code */
	uint32_t *page_rows; /* page_count + 1 entries: the last row index with address ≤ the page's
				start (0 if none), for vaddr_start's page and following ones */
	size_t page_count;
	struct fg_unwind_segment segments[FG_UNWIND_SEGMENTS_MAX];
	size_t segment_count;
	char build_id[41]; /* hex, "" if none */
	bool is_pie;
	bool has_eh_frame;
	size_t fde_count, unsupported_rows;
	bool is_go;       /* written in Go, at least in part */
	uint16_t machine; /* e_machine: EM_X86_64 or EM_AARCH64, whichever this one is */
};

/** `fd` is not closed. A file without .eh_frame gives a table with no rows and is no error. */
int fg_unwind_table_build(int fd, const char *name, struct fg_unwind_table *ret,
			  struct fg_err *err) FG_MUST_USE;
/** The same without rows: segments and build id. */
int fg_unwind_table_describe(int fd, const char *name, struct fg_unwind_table *ret,
			     struct fg_err *err) FG_MUST_USE;
/** As fg_unwind_table_build(), for an ELF image in memory (the vDSO). */
int fg_unwind_table_build_memory(const void *image, size_t len, const char *name,
				 struct fg_unwind_table *ret, struct fg_err *err) FG_MUST_USE;
/** Makes the page index of rows between vaddr_start and vaddr_end. */
int fg_unwind_table_index(struct fg_unwind_table *table, const char *name,
			  struct fg_err *err) FG_MUST_USE;
/** FG_E_UNSUPPORTED for rows of a machine that this program does not run on: a process may map any
 *  file. */
int fg_unwind_table_check_own(const struct fg_unwind_table *table, const char *name,
			      struct fg_err *err) FG_MUST_USE;
void fg_unwind_table_done(struct fg_unwind_table *table);
/** The row that holds for `vaddr`, by the same search as BPF; NULL outside. */
const struct fg_unwind_row *fg_unwind_table_find(const struct fg_unwind_table *table,
						 uint64_t vaddr);

#endif
