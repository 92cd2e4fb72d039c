/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest stretch of code without unwind rows. In node and libnode that is V8's embedded
 * builtins: 1.5 MB of generated assembly without an FDE, all of it keeping the frame pointer.
 */
#ifndef FG_UNWIND_GAP_H
#define FG_UNWIND_GAP_H

#include "profiler/unwind/table.h"

enum { FG_UNWIND_GAP_MIN = 256 << 10 }; /* what is shorter is some assembly file */

/** Writes [*ret_start, *ret_end) in p_vaddr; false when no gap is that long. */
bool fg_unwind_table_gap(const struct fg_unwind_table *table, uint64_t *ret_start,
			 uint64_t *ret_end);
/** For a module whose only code without rows is assembly that leaves the stack alone (HotSpot's
 *  copying loops): the return address lies at RSP there (AArch64: in LR). */
void fg_unwind_table_fill_leaves(struct fg_unwind_table *table);

#endif
