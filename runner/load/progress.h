/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of live progress: a block for a terminal, one line for a log. Pure; who prints it, when
 * and with which cursor movements is the caller's.
 */
#ifndef FG_LOAD_PROGRESS_H
#define FG_LOAD_PROGRESS_H

#include "gate/base/buf.h"
#include "runner/load/load.h"

struct fg_progress_view {
	const struct fg_load_progress *scenarios; /* in the order of the registry */
	size_t scenario_count;
	const struct fg_result *live;
	unsigned width;         /* columns; 0 = 80 */
	double generator_share; /* of one core, 0…; < 0: unknown */
	const char *extra;      /* "target 41 % · samples 6 204, 99.97 % complete", or NULL */
	unsigned thresholds_ok, thresholds_failing;
};

/** One line per scenario and one for the rest, each ending in "\n" and at most `width` columns
 *  wide (appended). */
void fg_progress_block(const struct fg_progress_view *view, struct fg_buf *out);
/** "0:30/1:00 browse 200/200 per s p95 3.0 ms 0 errors · thresholds 2 ok 1 failing\n". */
void fg_progress_line(const struct fg_progress_view *view, struct fg_buf *out);
/** Terminal columns of UTF-8 text (each code point counts one). */
size_t fg_progress_columns(const char *text);

#endif
