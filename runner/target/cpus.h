/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs the target gets, and which the generator: target.start.cpus, loadgen.cpus. */
#ifndef FG_TARGET_CPUS_H
#define FG_TARGET_CPUS_H

#include "gate/base/err.h"

#include <sched.h>

enum fg_cpus_side { FG_CPUS_TARGET, FG_CPUS_GENERATOR };

/** "auto", "" (no pinning) or a list like "0,2-3". `allowed` is what this process may use. *ret_any
 *  is false when nothing is to be pinned. "auto" with at least two CPUs: the generator gets the
 *  first quarter (at least one), the target all others; with one CPU nothing is pinned. */
int fg_cpus_choose(const char *spec, enum fg_cpus_side side, const cpu_set_t *allowed,
		   cpu_set_t *ret, bool *ret_any, struct fg_err *err) FG_MUST_USE;

#endif
