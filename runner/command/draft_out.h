/* SPDX-License-Identifier: Apache-2.0 */
/* Handing over a drafted scenario: to a file or stdout, its notes to stderr. */
#ifndef FG_COMMAND_DRAFT_OUT_H
#define FG_COMMAND_DRAFT_OUT_H

#include "runner/convert/draft.h"

/** `path` NULL or "-": stdout. An existing file is kept unless `force`. What was written is read
 * back as a scenario first: a draft that flamegate would refuse is a bug and is never written. */
int fg_draft_deliver(const struct fg_draft *draft, const char *path, bool force,
		     struct fg_err *err) FG_MUST_USE;

#endif
