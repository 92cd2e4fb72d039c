/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile without load: `flamegate profile`. Targets that run already, or one command from its
 * first instruction; until a time is over, the targets end, or a signal comes. What it leaves is a
 * bundle like a run's, of a result without scenarios (fg_result_is_recording()).
 */
#ifndef FG_RUN_RECORD_H
#define FG_RUN_RECORD_H

#include "runner/run/run.h"

struct fg_record_options {        /* the command line; zero means unset */
	struct fg_opt_list pids;  /* as written */
	struct fg_opt_list names; /* processes by name */
	struct fg_opt_list ports; /* processes by the port they listen on */
	uint64_t duration_ns;     /* 0: until the targets end, or a signal */
	uint64_t frequency_hz;
	struct fg_opt_list types; /* of profiles, lists with commas; empty: cpu */
	const char *bundle;
	struct fg_opt_list outs; /* KIND=PATH */
	uint64_t rows;           /* of the table; 0: 15 */
	bool quiet, no_color;
	const char *const *command; /* ends with NULL; NULL: none */
};

/** Records, writes and prints. Fills `ret` as fg_run_scenario() does. */
int fg_record(const struct fg_record_options *options, const struct fg_run_io *io,
	      struct fg_run *ret, struct fg_err *err) FG_MUST_USE;

#endif
