/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/record_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"

enum { CANNOT_EXEC = 127, POLL_MS = 5 };

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0 && !fg_file_is_dir(path);
}

/* As execvp() will look for it, so that a typing error is told before anything starts. */
static int check_program(const char *name, struct fg_err *err)
{
	const char *dirs = getenv("PATH");
	char path[FG_PATH_MAX];

	if (strchr(name, '/')) {
		if (is_program(name))
			return 0;
		(void)fg_err_errno(err, fg_file_exists(name) ? EACCES : ENOENT, "cannot run %s",
				   name);
		if (err)
			err->code = FG_E_TARGET;
		return -FG_E_TARGET;
	}
	for (dirs = dirs ? dirs : "/bin:/usr/bin"; *name && *dirs;) {
		size_t len = strcspn(dirs, ":");

		if (fg_file_path(path, NULL, "%.*s/%s", len ? (int)len : 1, len ? dirs : ".",
				 name) == 0 &&
		    is_program(path))
			return 0;
		dirs += len + (dirs[len] == ':');
	}
	return fg_err_set(err, FG_E_TARGET, "cannot run \"%s\": no such program in PATH", name);
}

/* Between fork and exec: system calls only. */
static void be_child(const char *const *argv, int gate_fd, int report_fd, pid_t parent)
{
	sigset_t none;
	char go = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CANNOT_EXEC);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	while (read(gate_fd, &go, 1) < 0 && errno == EINTR)
		;
	if (go) {
		/* execvp() promises not to write through its arguments. */
		union {
			const char *const *in;
			char *const *out;
		} words = {.in = argv};

		(void)execvp(argv[0], words.out);
		int errnum = errno;

		FG_IGNORE(write(report_fd, &errnum, sizeof(errnum)) < 0);
	}
	_exit(CANNOT_EXEC);
}

int fg_record_child_start(const char *const *argv, struct fg_record_child *ret, struct fg_err *err)
{
	int gate[2], report[2];
	pid_t parent = getpid();
	int rc = check_program(argv[0], err);

	if (rc)
		return rc;
	if (pipe2(gate, O_CLOEXEC) != 0)
		return fg_err_errno(err, errno, "pipe");
	if (pipe2(report, O_CLOEXEC) != 0) {
		rc = fg_err_errno(err, errno, "pipe");
		close(gate[0]);
		close(gate[1]);
		return rc;
	}
	pid_t pid = fork();

	if (pid == 0) {
		/* Only the parent may hold the other end: its death must open the gate. */
		close(gate[1]);
		be_child(argv, gate[0], report[1], parent);
	}
	rc = pid < 0 ? fg_err_errno(err, errno, "cannot start %s", argv[0]) : 0;
	close(gate[0]);
	close(report[1]);
	if (rc) {
		close(gate[1]);
		close(report[0]);
		return rc;
	}
	*ret = (struct fg_record_child){.pid = pid, .gate_fd = gate[1], .report_fd = report[0]};
	return 0;
}

int fg_record_child_release(struct fg_record_child *child, struct fg_err *err)
{
	const char go = 1;
	int errnum = 0;
	ssize_t n = write(child->gate_fd, &go, 1);

	close(child->gate_fd);
	child->gate_fd = -1;
	if (n != 1)
		return fg_err_set(err, FG_E_TARGET, "the command was killed before it began");
	do {
		n = read(child->report_fd, &errnum, sizeof(errnum));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(errnum))
		return 0;
	return fg_err_set(err, FG_E_TARGET, "cannot run the command: %s", strerror(errnum));
}

bool fg_record_child_ended(struct fg_record_child *child)
{
	if (!child->pid || child->has_ended)
		return child->has_ended;
	pid_t got = waitpid(child->pid, &child->wait_status, WNOHANG);

	child->has_ended = got == child->pid || (got < 0 && errno == ECHILD);
	return child->has_ended;
}

void fg_record_child_text(const struct fg_record_child *child, char *text, size_t size_bytes)
{
	int status = child->wait_status;

	if (WIFSIGNALED(status))
		(void)snprintf(text, size_bytes, "was killed by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, size_bytes, "exited with status %d", WEXITSTATUS(status));
}

void fg_record_child_stop(struct fg_record_child *child, uint64_t grace_ns)
{
	uint64_t end_ns = fg_clock_monotonic_ns() + grace_ns;

	if (!child->pid)
		return;
	if (child->gate_fd >= 0)
		close(child->gate_fd); /* never released: it leaves by itself */
	child->gate_fd = -1;
	if (!fg_record_child_ended(child) && !child->is_told)
		(void)kill(child->pid, SIGTERM);
	while (!fg_record_child_ended(child)) {
		uint64_t now_ns = fg_clock_monotonic_ns();

		if (now_ns >= end_ns && child->is_told) { /* it did not listen */
			(void)kill(child->pid, SIGTERM);
			child->is_told = false;
			end_ns = now_ns + grace_ns;
		} else if (now_ns >= end_ns) {
			(void)kill(child->pid, SIGKILL);
			(void)waitpid(child->pid, &child->wait_status, 0);
			child->has_ended = true;
			break;
		}
		(void)poll(NULL, 0, POLL_MS);
	}
	if (child->report_fd >= 0)
		close(child->report_fd);
	child->report_fd = -1;
}
