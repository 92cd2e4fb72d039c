/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines from the workers to the terminal: what `log` steps say, and why iterations ended early.
 *
 * Written by all workers, read by the coordinator, under one mutex: that is why lines are limited
 * per second and a reason is told once and then only counted. Bounded: what does not fit is
 * counted. Never prints.
 */
#ifndef FG_LOAD_LOG_H
#define FG_LOAD_LOG_H

#include "gate/base/err.h"

enum {
	FG_LOG_LINE_MAX = 1000, /* bytes; a longer one is cut */
	FG_LOG_LINES_MAX = 128, /* waiting for the coordinator */
	FG_LOG_PER_SECOND = 100,
	FG_LOG_REASONS_MAX = 64,
};

struct fg_load_log;

/** `notify` (may be NULL) is called from any thread after a line was put. */
int fg_load_log_new(void (*notify)(void *context), void *context, struct fg_load_log **ret,
		    struct fg_err *err) FG_MUST_USE;
void fg_load_log_free(struct fg_load_log *log);
/** One line without its line break; control characters become '?'. `log` may be NULL. */
void fg_load_log_put(struct fg_load_log *log, uint64_t now_ns, const char *text, size_t len);
/** Counts a reason that `key` identifies; true when it is new and wants to be told with
 *  fg_load_log_tell(). `key` must be the same for all workers (a step of the file). */
bool fg_load_log_count(struct fg_load_log *log, const void *key);
/** The words of a reason; never limited per second, because there are FG_LOG_REASONS_MAX. */
void fg_load_log_tell(struct fg_load_log *log, const void *key, const char *text);
/** Hands every waiting line to `on_line`, in order. */
void fg_load_log_drain(struct fg_load_log *log,
		       void (*on_line)(void *context, const char *text, size_t len), void *context);
/** At the end: the rest, how often each reason held, and how many lines were dropped. */
void fg_load_log_finish(struct fg_load_log *log,
			void (*on_line)(void *context, const char *text, size_t len),
			void *context);

#endif
