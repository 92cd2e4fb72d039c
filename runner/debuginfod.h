/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from debuginfod servers, by build id, into the cache that elfutils' tools share.
 *
 * Asked after a run, never during one. Bounded: so many files, so large, so long in all; a server
 * that does not answer is not asked again. What comes is for the symboliser to check.
 */
#ifndef FG_RUNNER_DEBUGINFOD_H
#define FG_RUNNER_DEBUGINFOD_H

#include "gate/base/err.h"

struct fg_debuginfod;

enum {
	FG_DEBUGINFOD_FILES_MAX = 64,
	FG_DEBUGINFOD_FILE_BYTES_MAX = 1 << 30,
	FG_DEBUGINFOD_SECONDS_MAX = 90,
};

/** `setting`: URLs with blanks between them, or "env" for $DEBUGINFOD_URLS; NULL gives NULL. */
int fg_debuginfod_new(const char *setting, struct fg_debuginfod **ret,
		      struct fg_err *err) FG_MUST_USE;
void fg_debuginfod_free(struct fg_debuginfod *debuginfod);
/** A descriptor of the file for a build id in hexadecimal, or -1. `context` is the debuginfod. */
int fg_debuginfod_open(void *context, const char *build_id);
/** "2 fetched (31.2 MB in 1.2 s), 1 in the cache, 3 not there; http://a: connection refused". */
void fg_debuginfod_summary(const struct fg_debuginfod *debuginfod, char *text, size_t size_bytes);

#endif
