/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: a small process between flamegate and its target that outlives flamegate by exactly
 * as long as it takes to kill everything the target started. Internal to runner/target.
 *
 * It is a fork without exec: it needs no program file beside the binary, and its one page of state
 * is prepared before the fork. Because flamegate may have threads by then (restarts in A/B runs),
 * the keeper's side makes system calls only.
 *
 * How nothing survives: the keeper is a child subreaper, so daemons that fork twice become its
 * children; it reads a socket whose other end only flamegate holds, so any death of flamegate is
 * an end of file; then it sends SIGKILL to all descendants again and again until wait() says that
 * there are none. Should the keeper itself be killed, the kernel kills the target's main process
 * (PR_SET_PDEATHSIG), and flamegate kills its process group; only daemons in a session of their own
 * could survive that second fault.
 */
#ifndef FG_TARGET_KEEPER_H
#define FG_TARGET_KEEPER_H

#include "gate/base/err.h"

#include <sched.h>
#include <sys/types.h>

enum {
	FG_KEEPER_LOG_MAX = 64 << 20, /* bytes; a longer log is cut to nothing and goes on */
};

struct fg_keeper_command {
	char *const *argv; /* argv[0] is looked up in PATH */
	char *const *envp;
	const char *cwd; /* NULL: unchanged */
	int log_fd;      /* stdout and stderr; opened with O_APPEND */
	bool has_cpus;
	cpu_set_t cpus;
};

struct fg_keeper {
	pid_t pid;
	int fd; /* its messages; closing it kills everything */
};

enum fg_keeper_message_kind {
	FG_KEEPER_STARTED = 1, /* value: the target's pid */
	FG_KEEPER_CANNOT_CWD,  /* value: errno */
	FG_KEEPER_CANNOT_PIN,  /* value: errno */
	FG_KEEPER_CANNOT_EXEC, /* value: errno */
	FG_KEEPER_CANNOT_FORK, /* value: errno */
	FG_KEEPER_ENDED,       /* value: wait status of the target's main process */
	FG_KEEPER_GONE,        /* value: descendants that could not be killed; the keeper exits */
	FG_KEEPER_STOP = 100,  /* to the keeper; value: signal, timeout_ns: until SIGKILL */
};

struct fg_keeper_message {
	uint32_t kind;
	int32_t value;
	uint64_t timeout_ns;
};

/** Forks the keeper, which starts the command. On success the target's program runs (exec worked)
 *  and the caller owns ret->fd and the child ret->pid. */
int fg_keeper_start(const struct fg_keeper_command *command, struct fg_keeper *ret,
		    pid_t *ret_target_pid, struct fg_err *err) FG_MUST_USE;
/** Receives one message; waits up to `timeout_ms` (−1: for ever). Returns 1 with *ret, 0 on
 *  time-out, -1 when the keeper is gone. */
int fg_keeper_receive(const struct fg_keeper *keeper, int timeout_ms,
		      struct fg_keeper_message *ret);
/** Asks for an orderly stop; false when the keeper is gone. */
bool fg_keeper_request_stop(const struct fg_keeper *keeper, int stop_signal, uint64_t timeout_ns);

/* keeper_loop.c: the keeper's own side. */
/** Never returns. `fd` is the keeper's end of the socket. */
FG_NORETURN void fg_keeper_run(const struct fg_keeper_command *command, int fd);

#endif
