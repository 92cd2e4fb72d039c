/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU lists ("0", "2-3", "0,4-7") and pinning the calling thread to one.
 */
#ifndef FG_LOAD_CPUS_H
#define FG_LOAD_CPUS_H

#include <sched.h>

#include "gate/base/err.h"

/** Parses a list into *ret; INVALID for anything else than numbers, ranges and commas. */
int fg_cpus_parse(const char *text, cpu_set_t *ret, struct fg_err *err) FG_MUST_USE;
/** Pins the calling thread to the list; NULL and "auto" to `automatic`, or nowhere if that is NULL;
 *  "" leaves it where the kernel puts it. */
int fg_cpus_pin(const char *text, const cpu_set_t *automatic, struct fg_err *err) FG_MUST_USE;

#endif
