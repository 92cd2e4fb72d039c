/* SPDX-License-Identifier: Apache-2.0 */
/* flamegate's side of the keeper: fork it, talk to it. */
#include "runner/target/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* exec on a cold network file system may take its time; a hang must end nevertheless. */
enum { START_TIMEOUT_MS = 60000 };

int fg_keeper_receive(const struct fg_keeper *keeper, int timeout_ms, struct fg_keeper_message *ret)
{
	struct pollfd wait = {.fd = keeper->fd, .events = POLLIN};
	int ready;

	do {
		ready = poll(&wait, 1, timeout_ms);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return 0;
	ssize_t got;

	do {
		got = recv(keeper->fd, ret, sizeof(*ret), 0);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof(*ret) ? 1 : -1;
}

bool fg_keeper_request_stop(const struct fg_keeper *keeper, int stop_signal, uint64_t timeout_ns)
{
	struct fg_keeper_message message = {
		.kind = FG_KEEPER_STOP,
		.value = stop_signal,
		.timeout_ns = timeout_ns,
	};

	return send(keeper->fd, &message, sizeof(message), MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(message);
}

static int explain(const struct fg_keeper_command *command, const struct fg_keeper_message *message,
		   struct fg_err *err)
{
	const char *program = command->argv[0];

	switch (message->kind) {
	case FG_KEEPER_CANNOT_CWD:
		(void)fg_err_errno(err, message->value, "cannot change to target.start.cwd %s",
				   command->cwd);
		break;
	case FG_KEEPER_CANNOT_PIN:
		(void)fg_err_errno(err, message->value,
				   "cannot pin the target to target.start.cpus "
				   "(outside of the allowed set?)");
		break;
	case FG_KEEPER_CANNOT_EXEC:
		(void)fg_err_errno(err, message->value, "cannot run %s", program);
		break;
	default:
		(void)fg_err_errno(err, message->value, "cannot fork for %s", program);
		break;
	}
	if (err)
		err->code = FG_E_TARGET;
	return -FG_E_TARGET;
}

static int wait_for_start(const struct fg_keeper_command *command, const struct fg_keeper *keeper,
			  pid_t *ret_target_pid, struct fg_err *err)
{
	struct fg_keeper_message message = {.kind = 0};
	int got = fg_keeper_receive(keeper, START_TIMEOUT_MS, &message);

	if (got == 0)
		return fg_err_set(err, FG_E_TARGET, "%s was not executed within %d s",
				  command->argv[0], START_TIMEOUT_MS / 1000);
	if (got < 0)
		return fg_err_set(err, FG_E_TARGET, "the keeper of %s died while starting it",
				  command->argv[0]);
	if (message.kind != FG_KEEPER_STARTED)
		return explain(command, &message, err);
	*ret_target_pid = message.value;
	return 0;
}

int fg_keeper_start(const struct fg_keeper_command *command, struct fg_keeper *ret,
		    pid_t *ret_target_pid, struct fg_err *err)
{
	int ends[2];
	sigset_t all, before;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return fg_err_errno(err, errno, "cannot make a socket pair for the keeper");
	/* No handler of flamegate may run in the keeper before it has reset them. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();

	if (pid == 0)
		fg_keeper_run(command, ends[1]);
	int fork_errno = errno;

	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return fg_err_errno(err, fork_errno, "cannot fork the keeper");
	}
	struct fg_keeper keeper = {.pid = pid, .fd = ends[0]};
	pid_t target_pid = 0;
	int rc = wait_for_start(command, &keeper, &target_pid, err);

	if (rc) {
		(void)close(keeper.fd); /* end of file: the keeper kills and leaves */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return rc;
	}
	*ret = keeper;
	*ret_target_pid = target_pid;
	return 0;
}
