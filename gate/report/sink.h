/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a writer's bytes go, a piece at a time, so that a day's series needs no day's memory.
 *
 * The writer collects in `buf` and calls fg_sink_flush() between records; the owner says what a
 * write is (a file, a pipe, a compressor). Knows no format.
 */
#ifndef FG_REPORT_SINK_H
#define FG_REPORT_SINK_H

#include "gate/base/buf.h"

enum { FG_SINK_PIECE = 1 << 18, FG_SINK_BUFFER_MAX = 256 << 20 };

struct fg_sink {
	struct fg_buf buf;
	int (*write)(void *context, const void *bytes, size_t len, struct fg_err *err);
	void *context;
};

/** Writes out what was collected when it is a piece or more. Also checks the buffer. */
int fg_sink_flush(struct fg_sink *sink, struct fg_err *err) FG_MUST_USE;
/** Writes out the rest. */
int fg_sink_finish(struct fg_sink *sink, struct fg_err *err) FG_MUST_USE;

#endif
