/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_internal.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "gate/base/file.h"

#define HELPER_NAME "flamegate-profiler"
enum { STREAM_FD = 3 };

extern char **environ;

static bool found(const char *path)
{
	return fg_file_exists(path) && !fg_file_is_dir(path);
}

/* Beside our binary, in the build tree's layout, in the installed one. */
static bool find_near_self(char *path, size_t size_bytes)
{
	static const char *const places[] = {
		"%s/" HELPER_NAME,
		"%s/../profiler/" HELPER_NAME,
		"%s/../../profiler/" HELPER_NAME,
		"%s/../libexec/flamegate/" HELPER_NAME,
	};
	char self[FG_PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0)
		return false;
	self[len] = '\0';
	char *slash = strrchr(self, '/');

	if (!slash)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(places); i++) {
		const char *tail = places[i] + strlen("%s");

		if ((size_t)snprintf(path, size_bytes, "%s%s", self, tail) < size_bytes &&
		    found(path))
			return true;
	}
	return false;
}

static bool find_in_path(char *path, size_t size_bytes)
{
	const char *dirs = getenv("PATH");

	while (dirs && *dirs) {
		size_t len = strcspn(dirs, ":");

		if (len &&
		    (size_t)snprintf(path, size_bytes, "%.*s/" HELPER_NAME, (int)len, dirs) <
			    size_bytes &&
		    found(path))
			return true;
		dirs += len + (dirs[len] == ':');
	}
	return false;
}

int fg_client_find_helper(const char *helper_path, char *path, size_t size_bytes,
			  struct fg_err *err)
{
	const char *given = helper_path ? helper_path : getenv("FLAMEGATE_PROFILER");

	if (given && *given) {
		if ((size_t)snprintf(path, size_bytes, "%s", given) < size_bytes && found(path))
			return 0;
		return fg_err_set(err, FG_E_NOT_FOUND, "no profiler helper at %s (%s)", given,
				  helper_path ? "as given" : "$FLAMEGATE_PROFILER");
	}
	if (find_near_self(path, size_bytes) || find_in_path(path, size_bytes))
		return 0;
	return fg_err_set(err, FG_E_NOT_FOUND,
			  HELPER_NAME " is neither beside flamegate, nor in libexec, nor in PATH; "
				      "fix: install it, or set FLAMEGATE_PROFILER to its path");
}

const char *fg_client_execute_fix(const char *path, char *text, size_t size_bytes)
{
	struct stat status = {0};
	/* A group of our own installation's kind: enough to join. Root's own group is not joined.
	 */
	bool by_group = stat(path, &status) == 0 && (status.st_mode & S_IXGRP) && status.st_gid;
	struct group *group = by_group && geteuid() != 0 ? getgrgid(status.st_gid) : NULL;

	if (group)
		(void)snprintf(text, size_bytes, "sudo usermod -aG %s $USER, then log in again",
			       group->gr_name);
	else
		(void)snprintf(text, size_bytes, "sudo chmod a+rx %s, or run as root", path);
	return text;
}

static int spawn_error(int errnum, const char *path, struct fg_err *err)
{
	char fix[FG_PATH_MAX];

	if (errnum == EACCES || errnum == EPERM)
		return fg_err_set(err, FG_E_PERMISSION, "may not run %s; fix: %s", path,
				  fg_client_execute_fix(path, fix, sizeof(fix)));
	return fg_err_errno(err, errnum, "starting %s", path);
}

static int spawn_with(const char *path, int child_fd, pid_t *ret_pid, struct fg_err *err)
{
	char program[FG_PATH_MAX], option[] = "--stream", number[] = "3";
	char *argv[] = {program, option, number, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;

	(void)snprintf(program, sizeof(program), "%s", path);
	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return fg_err_nomem(err);
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return fg_err_nomem(err);
	}
	int errnum = posix_spawnattr_setsigmask(&attributes, &none);

	if (!errnum)
		errnum = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (!errnum)
		errnum =
			posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
	if (!errnum)
		errnum = posix_spawn_file_actions_adddup2(&actions, child_fd, STREAM_FD);
	if (!errnum)
		errnum = posix_spawn(&pid, path, &actions, &attributes, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (errnum)
		return spawn_error(errnum, path, err);
	*ret_pid = pid;
	return 0;
}

int fg_client_spawn(const char *helper_path, int *ret_fd, pid_t *ret_pid, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int ends[2];
	int rc = fg_client_find_helper(helper_path, path, sizeof(path), err);

	if (rc)
		return rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return fg_err_errno(err, errno, "socketpair");
	/* So that a busy runner does not hold up the helper: best effort, the kernel caps it. */
	const int buffer_bytes = 4 << 20;

	(void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	rc = spawn_with(path, ends[1], ret_pid, err);
	close(ends[1]);
	if (rc)
		close(ends[0]);
	else
		*ret_fd = ends[0];
	return rc;
}
