/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the GitHub action calls: run, compare with the branch's baseline, tell the CI system, keep a
 * new baseline, publish. Works outside of CI too, with the branch given by hand.
 */
#ifndef FG_RUN_CI_H
#define FG_RUN_CI_H

#include "runner/run/run.h"

/** As fg_run_scenario(), and what follows it. Everything is told before the exit code. */
int fg_ci_run(const struct fg_run_options *options, const struct fg_run_io *io, struct fg_run *ret,
	      struct fg_err *err) FG_MUST_USE;

#endif
