/* SPDX-License-Identifier: Apache-2.0 */
/* What outputs.c (kinds of a run) and outputs_with.c (kinds of one command) share. */
#ifndef FG_RUN_OUTPUTS_INTERNAL_H
#define FG_RUN_OUTPUTS_INTERNAL_H

#include "gate/base/opt.h"

/** A file can be made there. */
int fg_outputs_check_place(const char *path, struct fg_err *err) FG_MUST_USE;
/** No --out before `index` writes the same file. */
int fg_outputs_check_twice(const struct fg_opt_list *outs, size_t index, const char *path,
			   struct fg_err *err) FG_MUST_USE;

#endif
