/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a server from outside: is it there, does it answer. Internal to runner/target. */
#ifndef FG_TARGET_PROBE_H
#define FG_TARGET_PROBE_H

#include "runner/target/target.h"

/** Where the path of an absolute URL starts ("" if it has none). */
const char *fg_url_path(const char *url);

/** One TCP connect, at most `timeout_ms`. 0 or an errno (ETIMEDOUT, ECONNREFUSED …; EHOSTUNREACH
 *  when the name has no address). */
int fg_probe_tcp(const char *host, uint16_t port, int timeout_ms);
/** A port that nobody listens on at this moment. It is free again when this returns, so another
 *  process may take it first: the target then fails to bind, which it reports. */
int fg_probe_free_port(uint16_t *ret, struct fg_err *err) FG_MUST_USE;

/* Readiness: ready.c */
struct fg_ready_watch {
	const struct fg_target *target;
	const char *url;       /* target.url, expanded */
	const char *ready_url; /* expanded; NULL: none */
	const char *log_path;
	struct fg_target_process *process;
};
/** Waits until the target is ready, its main process ends or the time is over. */
int fg_ready_wait(const struct fg_ready_watch *watch, struct fg_err *err) FG_MUST_USE;
/** "exited with …" plus the last lines of the log, appended to `err`'s message. */
void fg_ready_append_log(const char *log_path, struct fg_err *err);

#endif
