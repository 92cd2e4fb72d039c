/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of a module as its call-frame information knows them: sorted, disjoint ranges.
 *
 * FDE starts give exact function bounds without any symbol, so rows, unnamed functions and sizeless
 * symbols all lean on this list. It keeps where each one's call-frame program stands (see cfi.h).
 */
#ifndef FG_UNWIND_FDE_H
#define FG_UNWIND_FDE_H

#include "profiler/unwind/cfi.h"

struct Elf; /* libelf's */

enum { FG_FDES_MAX = 2 << 20 };

struct fg_fde {
	uint64_t start, end;          /* module's p_vaddr space */
	struct fg_cfi_cursor program; /* in libelf's memory: while the file is open */
	uint32_t common;              /* of fg_fdes.commons */
	bool is_signal;               /* the frame of a signal */
	bool refused;                 /* its program cannot be told from its data */
};
struct fg_fdes {
	struct fg_fde *items; /* ascending, not overlapping, not empty */
	size_t count, capacity;
	struct fg_cfi_common *commons;
	size_t common_count, common_capacity;
	bool from_eh_frame; /* else .debug_frame */
};

/** Reads .eh_frame, or .debug_frame where there is none. No such section: an empty list, no error.
 *  Malformed entries are passed over. */
int fg_fdes_read(struct Elf *elf, struct fg_fdes *ret, struct fg_err *err) FG_MUST_USE;
void fg_fdes_done(struct fg_fdes *fdes);
/** The FDE that covers `vaddr`, or NULL. */
const struct fg_fde *fg_fdes_find(const struct fg_fdes *fdes, uint64_t vaddr);

#endif
