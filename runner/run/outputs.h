/* SPDX-License-Identifier: Apache-2.0 */
/* -o/--out KIND=PATH, the same in every command. */
#ifndef FG_RUN_OUTPUTS_H
#define FG_RUN_OUTPUTS_H

#include "gate/base/opt.h"
#include "gate/judge/verdict.h"

/** Checks every KIND=PATH before a run, so that a typo does not cost one. */
int fg_outputs_check(const struct fg_opt_list *outs, struct fg_err *err) FG_MUST_USE;
/** Writes each, atomically; one that fails does not keep the others from being written, and the
 *  first error is returned. `verdict` may be NULL. */
int fg_outputs_write(const struct fg_opt_list *outs, const struct fg_bundle *bundle,
		     const struct fg_verdict *verdict, struct fg_err *err) FG_MUST_USE;

#endif
