/* SPDX-License-Identifier: Apache-2.0 */
/* Go's function table → rows of the shared format. For this room only. */
#ifndef FG_UNWIND_GOROWS_H
#define FG_UNWIND_GOROWS_H

#include "profiler/unwind/gopclntab.h"
#include "profiler/unwind/table.h"

/** Puts rows for the functions of `tab` into `table`, whose rows from .eh_frame stay where Go's
 *  table knows nothing (C code of a cgo program). On failure the caller still frees the table. */
int fg_gorows_add(struct Elf *elf, const struct fg_gotab *tab, struct fg_unwind_table *table,
		  struct fg_err *err) FG_MUST_USE;

#endif
