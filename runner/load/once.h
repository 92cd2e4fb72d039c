/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup and teardown: a block of steps run once by one VU on a loop of its own, outside all
 * statistics.
 */
#ifndef FG_LOAD_ONCE_H
#define FG_LOAD_ONCE_H

#include "runner/load/load.h"
#include "runner/scenario/value.h"

struct fg_once_options {
	const char *name; /* "setup", "teardown": in messages */
	const struct fg_scenario_file *file;
	const struct fg_block *block;
	const char *target_url;
	const char *engine; /* NULL: chosen by what the steps need */
	uint64_t seed;
	const struct fg_slot *given; /* what setup captured; NULL: none yet */
	const char *const *run_texts;
	void (*on_line)(void *context, const char *text, size_t len); /* NULL: none */
	void *context;
	bool handle_signals; /* SIGINT, SIGTERM, SIGHUP end it: *ret_interrupted */
	/* The first signal only says so, the second ends it, which is a failure (NO_DATA): what a
	 * teardown leaves undone stays behind. */
	bool patient;
};

/** 0 also when a signal ended it (*ret_interrupted); TIMEOUT; or why a step failed. `globals`
 * (NULL: not wanted) receives what was captured, one per global of the file. */
int fg_once_run(const struct fg_once_options *options, struct fg_slot *globals,
		bool *ret_interrupted, struct fg_err *err) FG_MUST_USE;

/** As many slots as the file has globals, unset. */
int fg_globals_new(const struct fg_scenario_file *file, struct fg_slot **ret,
		   struct fg_err *err) FG_MUST_USE;
void fg_globals_free(const struct fg_scenario_file *file, struct fg_slot *globals);

#endif
