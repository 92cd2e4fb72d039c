/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run lives on disk: .flamegate/runs/<id>/ with bundle/, verdict.json, reports and the
 * target's log beside it, and the symlink .flamegate/latest.
 */
#ifndef FG_RUN_PLACE_H
#define FG_RUN_PLACE_H

#include "gate/base/file.h"
#include "gate/measure/result.h"

struct fg_place_dirs {
	char run[FG_PATH_MAX];    /* .flamegate/runs/<id>; "" when it could not be made */
	char bundle[FG_PATH_MAX]; /* run/bundle, or what --bundle named */
	char log[FG_PATH_MAX];    /* the target's output */
};

/** "20261121T101500Z-7f3a" for a wall clock and 16 random bits. */
void fg_place_run_id(uint64_t unix_ns, uint16_t random, char ret[FG_RUN_ID_LEN + 1]);
uint16_t fg_place_random(void);
/** Makes the run directory. `bundle` NULL: the default place. On failure `ret` still names a log
 *  under /tmp, so that a run on a read-only disk can go on and print what it measured. */
int fg_place_make(const char *run_id, const char *bundle, struct fg_place_dirs *ret,
		  struct fg_err *err) FG_MUST_USE;
/** Points .flamegate/latest at the run, atomically. */
int fg_place_set_latest(const char *run_id, struct fg_err *err) FG_MUST_USE;

#endif
