/* SPDX-License-Identifier: Apache-2.0 */
/* Call-frame information → rows of the shared format. For this room only. */
#ifndef FG_UNWIND_EHFRAME_H
#define FG_UNWIND_EHFRAME_H

#include "profiler/unwind/fde.h"
#include "profiler/unwind/table.h"

/** Fills rows, row_count and unsupported_rows of `table` (vaddr_start and vaddr_end are set) from
 *  `fdes`. On failure the caller still frees the table. */
int fg_ehframe_rows(struct Elf *elf, const struct fg_fdes *fdes, struct fg_unwind_table *table,
		    struct fg_err *err) FG_MUST_USE;

#endif
