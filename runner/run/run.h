/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One whole run: scenario → target → profiler → load → bundle → verdict → report.
 *
 * This is the sequence behind `flamegate run` and `flamegate ci`. It decides nothing itself: the
 * parts do, and gate/judge says what the outcome is. It writes text only through `struct
 * fg_run_io`, so that tests and commands choose where it goes. Whatever was measured is kept,
 * printed and written even when a later step fails.
 */
#ifndef FG_RUN_RUN_H
#define FG_RUN_RUN_H

#include "gate/base/opt.h"
#include "gate/judge/verdict.h"
#include "gate/measure/bundle.h"

struct fg_scenario_file;

struct fg_run_options {       /* the command line; zero means unset */
	const char *scenario; /* a YAML path or an http(s) URL */
	uint64_t vus, iterations, rate;
	uint64_t duration_ns;
	struct fg_opt_list stages; /* "30s:50" */
	struct fg_opt_list env;    /* NAME=VALUE */
	struct fg_opt_list tags;   /* key=value */
	const char *environment;
	uint64_t seed;
	uint64_t pid;
	uint64_t frequency_hz;
	uint64_t threads;
	const char *shard;    /* "1/3" */
	const char *start_at; /* seconds since 1970, or RFC 3339 */
	const char *bundle;
	struct fg_opt_list outs;  /* KIND=PATH */
	const char *baseline;     /* a bundle reference */
	const char *baseline_dir; /* where baseline:NAME lives; NULL: as the scenario says */
	const char *engine;       /* "auto", "native", "curl" or "null" */
	bool no_profile, require_profile;
	bool quiet, no_color;
	const char *summary_mode, *summary_trend_stats, *summary_time_unit; /* k6's words */
	/* `ci` only */
	const char *branch;        /* NULL: from the CI system */
	const char *save_baseline; /* "auto" (NULL), "always", "never" */
};

struct fg_run_io {
	void *context;
	void (*result)(void *context, const char *text, size_t len); /* stdout */
	void (*note)(void *context, const char *text, size_t len);   /* stderr */
	bool note_is_tty;
	/** Columns of the terminal behind `note` now (it may be resized meanwhile); NULL: `width`.
	 */
	unsigned (*note_width)(void *context);
	bool colour; /* of results */
	unsigned width;
};

struct fg_run {
	enum fg_outcome outcome;
	char run_dir[4096];      /* "" when none could be made */
	char bundle_dir[4096];   /* "" when no bundle was written */
	struct fg_bundle bundle; /* result and profile; both may be NULL after an early failure */
	struct fg_verdict *verdict;    /* NULL without a baseline */
	struct fg_scenario_file *file; /* what was run; NULL when it could not be loaded */
};

/** Runs everything. Always fills `ret` (free with fg_run_done); a negative return means that `err`
 *  is to be printed, and ret->outcome is then already the exit code's reason. */
int fg_run_scenario(const struct fg_run_options *options, const struct fg_run_io *io,
		    struct fg_run *ret, struct fg_err *err) FG_MUST_USE;
void fg_run_done(struct fg_run *run);

#endif
