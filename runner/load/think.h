/* SPDX-License-Identifier: Apache-2.0 */
/* How long a virtual user thinks. */
#ifndef FG_LOAD_THINK_H
#define FG_LOAD_THINK_H

#include "gate/base/random.h"
#include "runner/scenario/scenario.h"

/** A think time of the step's distribution, its mean half way between min and max: never below
 *  min_ns nor, but for the tail of an exponential one (up to 5 × max_ns), above max_ns. */
uint64_t fg_think_ns(struct fg_random *random, const struct fg_step_think *think);

#endif
