/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper's side, between fork and _exit: system calls and static memory only (see keeper.h).
 */
#include "runner/target/keeper.h"

#include "gate/base/clock.h"
#include "runner/target/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOG_LOOK_MS = 1000,  /* how often the log's size is looked at */
	KILL_PASS_MS = 20,   /* between two passes of SIGKILL */
	KILL_PASSES = 1000,  /* 20 s: what is left then is stuck in the kernel or not ours */
	REFUSED_PASSES = 50, /* 1 s of nothing but EPERM: a set-uid child that we may not kill */
};

struct keeper {
	int fd, signal_fd, log_fd;
	pid_t target;
	bool target_has_ended;
	bool is_stopping;
	bool rest_was_told; /* the stop signal went to all that the main process left behind */
	int stop_signal;
	uint64_t deadline_ns; /* of an orderly stop */
};

static void tell(const struct keeper *keeper, enum fg_keeper_message_kind kind, int value)
{
	struct fg_keeper_message message = {.kind = kind, .value = value};

	/* A lost message means a lost owner; that is noticed by the next read. */
	(void)send(keeper->fd, &message, sizeof(message), MSG_NOSIGNAL);
}

/* -- setting up ----------------------------------------------------------------------------- */

static void close_between(unsigned first, unsigned last)
{
	if (first > last || close_range(first, last, 0) == 0)
		return;
	/* before Linux 5.9 */
	struct rlimit limit = {.rlim_cur = 0};

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	for (rlim_t fd = first; fd <= last && fd < limit.rlim_cur; fd++)
		(void)close((int)fd);
}

/* Keeps `a` and `b` and the standard three, which become /dev/null: the keeper must hold neither
 * another keeper's socket nor the pipe that a CI system reads flamegate's output from. */
static void close_all_but(int a, int b)
{
	unsigned low = (unsigned)FG_MIN(a, b), high = (unsigned)FG_MAX(a, b);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null_fd >= 0 && fd < 3; fd++)
		(void)dup2(null_fd, fd);
	close_between(3, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, ~0u);
}

static void set_signals(struct keeper *keeper)
{
	static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE, SIGTSTP,
				      SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM};
	sigset_t child;

	for (size_t i = 0; i < FG_ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	keeper->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);
}

/* -- the target, between its fork and its exec ---------------------------------------------- */

static void fail_child(int report_fd, enum fg_keeper_message_kind kind)
{
	struct fg_keeper_message message = {.kind = kind, .value = errno};

	(void)!write(report_fd, &message, sizeof(message));
	_exit(127);
}

static FG_NORETURN void become_target(const struct fg_keeper_command *command, pid_t keeper_pid,
				      int report_fd)
{
	sigset_t none;

	(void)setsid(); /* own session and group: a terminal's Ctrl-C is flamegate's to handle */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper_pid)
		_exit(127); /* the keeper died before prctl */
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL); /* ignored ones would survive exec */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(command->log_fd, 1);
	(void)dup2(command->log_fd, 2);
	if (command->cwd && chdir(command->cwd) != 0)
		fail_child(report_fd, FG_KEEPER_CANNOT_CWD);
	if (command->has_cpus && sched_setaffinity(0, sizeof(command->cpus), &command->cpus) != 0)
		fail_child(report_fd, FG_KEEPER_CANNOT_PIN);
	(void)execvpe(command->argv[0], command->argv, command->envp);
	fail_child(report_fd, FG_KEEPER_CANNOT_EXEC);
	_exit(127);
}

/* Returns false (after telling why) when the program does not run. */
static bool start_target(struct keeper *keeper, const struct fg_keeper_command *command)
{
	int report[2]; /* closed by a successful exec */
	pid_t self = getpid();
	struct fg_keeper_message failure;

	if (pipe2(report, O_CLOEXEC) != 0) {
		tell(keeper, FG_KEEPER_CANNOT_FORK, errno);
		return false;
	}
	keeper->target = fork();
	if (keeper->target == 0)
		become_target(command, self, report[1]);
	int fork_errno = errno;

	(void)close(report[1]);
	if (keeper->target < 0) {
		tell(keeper, FG_KEEPER_CANNOT_FORK, fork_errno);
		return false;
	}
	ssize_t got;

	do {
		got = read(report[0], &failure, sizeof(failure));
	} while (got < 0 && errno == EINTR);
	(void)close(report[0]);
	if (got == (ssize_t)sizeof(failure)) {
		tell(keeper, failure.kind, failure.value);
		return false;
	}
	tell(keeper, FG_KEEPER_STARTED, keeper->target);
	return true;
}

/* -- the loop ------------------------------------------------------------------------------- */

/* Collects every dead child; false when no descendant is left. */
static bool reap(struct keeper *keeper)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid == 0)
			return true;
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return false;
		if (pid == keeper->target) {
			keeper->target_has_ended = true;
			tell(keeper, FG_KEEPER_ENDED, status);
		}
	}
}

static void drain_signals(const struct keeper *keeper)
{
	struct signalfd_siginfo info;

	while (read(keeper->signal_fd, &info, sizeof(info)) > 0)
		;
}

/* Kills until nothing is left; returns how many could not be killed. */
static unsigned kill_everything(struct keeper *keeper)
{
	unsigned refused = 0, refused_passes = 0;

	for (int pass = 0; pass < KILL_PASSES; pass++) {
		struct pollfd wait = {.fd = keeper->signal_fd, .events = POLLIN};

		if (!reap(keeper))
			return 0;
		refused = 0;
		if (fg_tree_signal(getpid(), SIGKILL, &refused) == 0 && refused > 0)
			refused_passes++;
		if (refused_passes > REFUSED_PASSES)
			break;
		(void)poll(&wait, 1, KILL_PASS_MS);
		drain_signals(keeper);
	}
	return FG_MAX(refused, 1);
}

static FG_NORETURN void finish(struct keeper *keeper)
{
	unsigned left = kill_everything(keeper);

	tell(keeper, FG_KEEPER_GONE, (int)left);
	_exit(left ? 1 : 0);
}

static void begin_stop(struct keeper *keeper, const struct fg_keeper_message *message)
{
	keeper->is_stopping = true;
	keeper->stop_signal = message->value;
	keeper->deadline_ns = fg_clock_monotonic_ns() + message->timeout_ns;
	/* The whole group, as a terminal would: the main process may be a shell. */
	if (!keeper->target_has_ended)
		(void)kill(-keeper->target, keeper->stop_signal);
}

/* What the main process left behind (daemons, orphaned workers) gets the signal once as well. */
static void tell_rest(struct keeper *keeper)
{
	unsigned refused = 0;

	if (!keeper->is_stopping || !keeper->target_has_ended || keeper->rest_was_told)
		return;
	keeper->rest_was_told = true;
	(void)fg_tree_signal(getpid(), keeper->stop_signal, &refused);
}

static void bound_log(const struct keeper *keeper)
{
	static const char note[] = "[flamegate: the log was cut here, it grew past 64 MiB]\n";
	struct stat st;

	static_assert(FG_KEEPER_LOG_MAX == 64 << 20, "the note names the limit");
	if (fstat(keeper->log_fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size <= FG_KEEPER_LOG_MAX)
		return;
	/* Everyone writes with O_APPEND, so writers go on at the new end. */
	if (ftruncate(keeper->log_fd, 0) == 0)
		(void)!write(keeper->log_fd, note, sizeof(note) - 1);
}

static int next_timeout_ms(const struct keeper *keeper)
{
	if (!keeper->is_stopping)
		return LOG_LOOK_MS;
	uint64_t now_ns = fg_clock_monotonic_ns();

	if (now_ns >= keeper->deadline_ns)
		return 0;
	uint64_t left_ms = (keeper->deadline_ns - now_ns) / FG_NS_PER_MS + 1;

	return (int)FG_MIN(left_ms, (uint64_t)LOG_LOOK_MS);
}

static void loop(struct keeper *keeper)
{
	for (;;) {
		struct pollfd waits[] = {{.fd = keeper->fd, .events = POLLIN},
					 {.fd = keeper->signal_fd, .events = POLLIN}};
		struct fg_keeper_message message;

		(void)poll(waits, FG_ARRAY_LEN(waits), next_timeout_ms(keeper));
		if (waits[0].revents) {
			ssize_t got = recv(keeper->fd, &message, sizeof(message), MSG_DONTWAIT);

			if (got == (ssize_t)sizeof(message) && message.kind == FG_KEEPER_STOP)
				begin_stop(keeper, &message);
			else if (got >= 0 || (errno != EAGAIN && errno != EINTR))
				return; /* the owner is gone */
		}
		drain_signals(keeper);
		bool any_left = reap(keeper);

		tell_rest(keeper);
		if (keeper->is_stopping &&
		    (!any_left || fg_clock_monotonic_ns() >= keeper->deadline_ns))
			return;
		bound_log(keeper);
	}
}

void fg_keeper_run(const struct fg_keeper_command *command, int fd)
{
	struct keeper keeper = {.fd = fd, .signal_fd = -1, .log_fd = command->log_fd};

	(void)setsid();
	(void)prctl(PR_SET_NAME, "fg-keeper");
	close_all_but(fd, command->log_fd);
	set_signals(&keeper);
	if (keeper.signal_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		tell(&keeper, FG_KEEPER_CANNOT_FORK, errno);
		_exit(1);
	}
	if (!start_target(&keeper, command))
		_exit(1);
	loop(&keeper);
	finish(&keeper);
}
