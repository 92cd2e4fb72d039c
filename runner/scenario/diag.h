/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collecting faults of one scenario file with their places and source lines.
 *
 * Owns: how a message, an excerpt and its mark are built, sorted and bounded. Bytes that could
 * drive a terminal never reach a message. Knows nothing of YAML or of the schema.
 */
#ifndef FG_SCENARIO_DIAG_H
#define FG_SCENARIO_DIAG_H

#include "runner/scenario/scenario.h"

enum { FG_DIAGNOSTICS_MAX = 100 };

/* The text that places refer to. */
struct fg_source {
	const char *name; /* as shown: "bad.yaml" */
	const char *text;
	size_t len;
};

/* Where something stands; width in characters, 0 = 1. Lines and columns count from 1. */
struct fg_mark {
	unsigned line, column, width;
};

/** Appends one fault; equal text at an equal place is kept once. Never fails: without memory the
 *  fault is counted in `more`. */
void fg_diag_add(struct fg_diagnostics *diagnostics, const struct fg_source *source,
		 struct fg_mark mark, enum fg_err_code code, const char *format, ...)
	FG_PRINTF(5, 6);
void fg_diag_addv(struct fg_diagnostics *diagnostics, const struct fg_source *source,
		  struct fg_mark mark, enum fg_err_code code, const char *format, va_list args)
	FG_PRINTF(5, 0);
/** By file, line and column; equal places keep their order. */
void fg_diag_sort(struct fg_diagnostics *diagnostics);
/** Everything that was found, with `more`. */
size_t fg_diag_count(const struct fg_diagnostics *diagnostics);
/** Line and column of a byte offset. */
struct fg_mark fg_source_mark(const struct fg_source *source, size_t offset);

#endif
