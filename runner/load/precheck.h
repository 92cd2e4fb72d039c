/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be refused before anything starts: impossible plans, and more virtual users than the
 * process may have open files. Knows nothing of engines and workers.
 */
#ifndef FG_LOAD_PRECHECK_H
#define FG_LOAD_PRECHECK_H

#include "runner/load/load.h"

/** 0 if (this shard of) the scenarios can run here; raises the soft limit of open files where that
 * suffices. */
int fg_load_precheck(const struct fg_load_options *options, struct fg_err *err) FG_MUST_USE;

#endif
