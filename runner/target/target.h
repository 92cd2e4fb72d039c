/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server under test: starting it, waiting until it is ready, finding one that runs, stopping
 * it.
 *
 * A started target is owned by a keeper: a subreaper process that kills every descendant when its
 * pipe closes, so that nothing survives flamegate's own death (kill −9 included, double-forking
 * daemons included). Output of the target goes to a log file, the last lines are shown on failure.
 */
#ifndef FG_TARGET_TARGET_H
#define FG_TARGET_TARGET_H

#include "runner/scenario/scenario.h"

struct fg_target_process;

struct fg_target_start_options {
	const struct fg_scenario_file *file;
	const char *side;     /* "" outside A/B */
	const char *log_path; /* where stdout and stderr go */
};

/** Starts target.start and waits until ready. On failure everything it started is gone and `err`
 *  tells the exit status and the last log lines. */
int fg_target_start(const struct fg_target_start_options *options, struct fg_target_process **ret,
		    struct fg_err *err) FG_MUST_USE;
uint32_t fg_target_pid(const struct fg_target_process *target);
uint16_t fg_target_port(const struct fg_target_process *target); /* 0: none was chosen */
uint64_t fg_target_start_duration_ns(const struct fg_target_process *target);
/** What was added to its environment (profile.runtimeFlags: auto), for people; "" nothing. */
const char *fg_target_runtime_flags(const struct fg_target_process *target);
/** Readable when the target's main process has ended (or the keeper died). */
int fg_target_fd(const struct fg_target_process *target);
/** True once it ended; `text` gets "exited with status 1" or "killed by SIGSEGV". */
bool fg_target_ended(struct fg_target_process *target, char *text, size_t size_bytes);
/** Stop signal, wait, kill the rest, reap. Safe to call once in every state; frees. */
int fg_target_stop(struct fg_target_process *target, struct fg_err *err);

/** Waits until a running server answers a TCP connect on the URL's host and port. */
int fg_target_wait_url(const char *url, uint64_t timeout_ns, struct fg_err *err) FG_MUST_USE;

/* Finding a process: local listeners through /proc/net/tcp* and /proc/PID/fd. */
struct fg_listener {
	uint32_t pid;
	char name[64]; /* comm */
};
/** The process that listens on `port` locally (the lowest pid among several: the parent of a
 *  prefork server). NOT_FOUND / PERMISSION with a next step. */
int fg_target_find_port(uint16_t port, struct fg_listener *ret, struct fg_err *err) FG_MUST_USE;
/* Exactly one of the five is set; `proc` is NULL but in tests. */
struct fg_process_query {
	const char *pid_file, *name, *cgroup, *container, *unit;
	const char *proc;
};
/** The process that fits; of a family the one whose parent does not fit. NOT_FOUND: none is visible
 *  here; INVALID: more than one, or no pid in the file. */
int fg_target_find_process(const struct fg_process_query *query, struct fg_listener *ret,
			   struct fg_err *err) FG_MUST_USE;
/** Host and port of an http(s) URL; whether the host is this machine's loopback. */
int fg_target_url_parts(const char *url, char host[256], uint16_t *ret_port, bool *ret_local,
			struct fg_err *err) FG_MUST_USE;

#endif
