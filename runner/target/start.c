/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target.start: from the scenario's keys to a running, ready process, and its end.
 * Everything that can fail before the fork is done before the fork.
 */
#include "runner/target/cpus.h"
#include "runner/target/keeper.h"
#include "runner/target/probe.h"
#include "runner/target/runtime_flags.h"

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORDS_MAX = 65536, /* arguments, or variables of the environment */
	WORD_BYTES_MAX = 128 << 10,
	/* after the stop time-out the keeper needs a moment to kill and reap */
	KEEPER_GRACE_MS = 25000,
};

#define DEFAULT_STOP_TIMEOUT_NS (10 * FG_NS_PER_S)

struct fg_target_process {
	struct fg_keeper keeper;
	pid_t pid;
	uint16_t port;
	uint64_t start_duration_ns;
	int stop_signal;
	uint64_t stop_timeout_ns;
	char runtime_flags[256];
	bool has_ended;
	bool keeper_is_gone;
	int wait_status;
};

/* Texts of one start, all owned here until the target runs. */
struct words {
	char **items; /* NULL-terminated */
	size_t count, capacity;
};

struct preparation {
	const struct fg_target_start_options *options;
	const struct fg_target *target;
	uint16_t port;
	struct words argv, envp;
	char *url, *ready_url;
	char cwd[FG_PATH_MAX];
	char runtime_flags[256]; /* what was added, for people */
	struct fg_keeper_command command;
};

/* -- expanding ------------------------------------------------------------------------------ */

static int words_add(struct words *words, char *take, struct fg_err *err)
{
	/* one more than needed, so that the list ends with NULL */
	int rc = fg_vec_grow((void **)&words->items, &words->capacity, words->count + 2, WORDS_MAX,
			     sizeof(*words->items), err);

	if (rc) {
		free(take);
		return rc;
	}
	words->items[words->count++] = take;
	words->items[words->count] = NULL;
	return 0;
}

static void words_done(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->items[i]);
	free(words->items);
}

static int expand(const struct preparation *prep, const char *text, char **ret, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf out = {.data = NULL};
	const char *side = prep->options->side ? prep->options->side : "";

	fg_buf_init(&out, WORD_BYTES_MAX);
	fg_buf_add(&out, "", 0);
	int rc = fg_target_expand(text, prep->port, side, NULL, &out, err);

	if (rc == 0)
		rc = fg_buf_check(&out, err);
	if (rc)
		return rc;
	char *taken = fg_buf_take(&out, NULL);

	if (!taken)
		return fg_err_nomem(err);
	*ret = taken;
	return 0;
}

static int prepare_argv(struct preparation *prep, struct fg_err *err)
{
	for (char **word = prep->target->command; *word; word++) {
		char *expanded = NULL;
		int rc = expand(prep, *word, &expanded, err);

		if (rc == 0)
			rc = words_add(&prep->argv, expanded, err);
		if (rc)
			return fg_err_wrap(err, "target.start.command");
	}
	if (prep->argv.count == 0)
		return fg_err_set(err, FG_E_INVALID, "target.start.command is empty");
	return 0;
}

static int add_variable(struct words *envp, const char *key, const char *value, struct fg_err *err)
{
	struct fg_buf text;

	fg_buf_init(&text, (size_t)2 * WORD_BYTES_MAX);
	fg_buf_addf(&text, "%s=%s", key, value);
	char *taken = fg_buf_take(&text, NULL);

	fg_buf_done(&text);
	return taken ? words_add(envp, taken, err) : fg_err_nomem(err);
}

/* A variable of ours replaces the inherited one, so that no duplicate decides by luck. */
static bool is_replaced(const struct preparation *prep, const char *entry)
{
	size_t key_len = strcspn(entry, "=");

	if (prep->port && key_len == 4 && memcmp(entry, "PORT", 4) == 0)
		return true;
	for (size_t i = 0; i < prep->target->env.count; i++) {
		const char *key = prep->target->env.items[i].key;

		if (strlen(key) == key_len && memcmp(key, entry, key_len) == 0)
			return true;
	}
	return false;
}

static int prepare_envp(struct preparation *prep, struct fg_err *err)
{
	const struct fg_tags *env = &prep->target->env;
	char port[8];
	int rc = 0;

	for (char **entry = environ; rc == 0 && *entry; entry++) {
		char *copy = NULL;

		if (is_replaced(prep, *entry))
			continue;
		rc = fg_str_dup(*entry, &copy, err);
		if (rc == 0)
			rc = words_add(&prep->envp, copy, err);
	}
	for (size_t i = 0; rc == 0 && i < env->count; i++) {
		FG_AUTO_FREE char *value = NULL;

		rc = expand(prep, env->items[i].value, &value, err);
		if (rc == 0)
			rc = add_variable(&prep->envp, env->items[i].key, value, err);
	}
	(void)snprintf(port, sizeof(port), "%u", prep->port);
	if (rc == 0 && prep->port && !fg_tags_get(env, "PORT"))
		rc = add_variable(&prep->envp, "PORT", port, err);
	return rc ? fg_err_wrap(err, "target.start.env") : 0;
}

/* The entry of the variable, or NULL. */
static char **find_variable(const struct words *envp, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < envp->count; i++) {
		if (strncmp(envp->items[i], name, len) == 0 && envp->items[i][len] == '=')
			return &envp->items[i];
	}
	return NULL;
}

static int add_runtime_flag(struct preparation *prep, enum fg_flagged_runtime runtime,
			    struct fg_buf *told, struct fg_err *err)
{
	const char *name = fg_runtime_flags_variable(runtime);
	char **entry = find_variable(&prep->envp, name);
	FG_AUTO_BUF struct fg_buf value = {.max = WORD_BYTES_MAX};
	FG_AUTO_BUF struct fg_buf added = {.max = 1024};

	if (!fg_runtime_flags_value(runtime, entry ? *entry + strlen(name) + 1 : NULL, &value,
				    &added))
		return 0;
	int rc = fg_buf_check(&value, err);

	if (rc)
		return fg_err_wrap(err, "%s", name);
	fg_buf_addf(told, "%s%s=%s", told->len ? "; " : "", name, added.data);
	if (!entry)
		return add_variable(&prep->envp, name, value.data, err);
	FG_AUTO_BUF struct fg_buf text = {.max = (size_t)2 * WORD_BYTES_MAX};

	fg_buf_addf(&text, "%s=%s", name, value.data);
	char *taken = fg_buf_take(&text, NULL);

	if (!taken)
		return fg_err_nomem(err);
	free(*entry);
	*entry = taken;
	return 0;
}

/* profile.runtimeFlags: auto; after argv, envp and cwd. */
static int prepare_runtime_flags(struct preparation *prep, struct fg_err *err)
{
	static const enum fg_flagged_runtime runtimes[] = {FG_FLAGGED_NODE, FG_FLAGGED_JAVA};
	FG_AUTO_BUF struct fg_buf told = {.max = sizeof(prep->runtime_flags) - 1};
	char **path = find_variable(&prep->envp, "PATH");
	unsigned wanted = 0;
	int rc = 0;

	if (prep->options->file->runtime_flags == FG_FLAGS_AUTO)
		wanted = fg_runtime_flags_of_command(prep->argv.items, prep->cwd,
						     path ? *path + strlen("PATH=") : NULL);
	for (size_t i = 0; rc == 0 && i < FG_ARRAY_LEN(runtimes); i++) {
		if (wanted & runtimes[i])
			rc = add_runtime_flag(prep, runtimes[i], &told, err);
	}
	(void)snprintf(prep->runtime_flags, sizeof(prep->runtime_flags), "%s",
		       told.data ? told.data : "");
	return rc;
}

/* As the command line of the example reads: relative to where flamegate was started, not to the
 * scenario file (paths of files that a scenario includes or sends are relative to it). */
static int prepare_cwd(struct preparation *prep, struct fg_err *err)
{
	const char *cwd = prep->target->cwd;
	FG_AUTO_FREE char *expanded = NULL;
	int rc = expand(prep, cwd && *cwd ? cwd : ".", &expanded, err);

	return rc ? fg_err_wrap(err, "target.start.cwd")
		  : fg_file_path(prep->cwd, err, "%s", expanded);
}

/* "/healthz" is a path on target.url's server, anything else an absolute URL. */
static int prepare_urls(struct preparation *prep, struct fg_err *err)
{
	FG_AUTO_FREE char *ready = NULL;
	int rc = prep->target->url ? expand(prep, prep->target->url, &prep->url, err) : 0;

	if (rc || !prep->target->ready_url)
		return rc;
	rc = expand(prep, prep->target->ready_url, &ready, err);
	if (rc)
		return rc;
	if (strstr(ready, "://")) {
		prep->ready_url = ready;
		ready = NULL;
		return 0;
	}
	if (!prep->url)
		return fg_err_set(err, FG_E_INVALID, "ready.url is a path but target.url is unset");
	struct fg_buf joined;

	fg_buf_init(&joined, WORD_BYTES_MAX);
	fg_buf_add(&joined, prep->url, (size_t)(fg_url_path(prep->url) - prep->url));
	fg_buf_addf(&joined, "%s%s", *ready == '/' ? "" : "/", ready);
	prep->ready_url = fg_buf_take(&joined, NULL);
	fg_buf_done(&joined);
	return prep->ready_url ? 0 : fg_err_nomem(err);
}

static int prepare_cpus(struct preparation *prep, struct fg_err *err)
{
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return fg_err_errno(err, errno, "cannot read the allowed CPUs");
	int rc = fg_cpus_choose(prep->target->cpus, FG_CPUS_TARGET, &allowed, &prep->command.cpus,
				&prep->command.has_cpus, err);

	return rc ? fg_err_wrap(err, "target.start") : 0;
}

static int prepare(struct preparation *prep, struct fg_err *err)
{
	int rc = 0;

	if (!prep->target->command)
		return fg_err_set(err, FG_E_INVALID, "the scenario has no target.start");
	if (prep->target->wants_port)
		rc = fg_probe_free_port(&prep->port, err);
	if (rc == 0)
		rc = prepare_argv(prep, err);
	if (rc == 0)
		rc = prepare_envp(prep, err);
	if (rc == 0)
		rc = prepare_cwd(prep, err);
	if (rc == 0)
		rc = prepare_runtime_flags(prep, err);
	if (rc == 0)
		rc = prepare_urls(prep, err);
	if (rc == 0)
		rc = prepare_cpus(prep, err);
	return rc;
}

static void preparation_done(struct preparation *prep)
{
	words_done(&prep->argv);
	words_done(&prep->envp);
	free(prep->url);
	free(prep->ready_url);
	if (prep->command.log_fd >= 0)
		(void)close(prep->command.log_fd);
}

/* -- starting ------------------------------------------------------------------------------- */

/* A server that was left running would answer our probes and be measured instead of the target. */
static int check_port_is_free(const struct preparation *prep, struct fg_err *err)
{
	struct fg_listener owner;
	char host[256];
	uint16_t port;
	bool is_local;

	if (!prep->url || prep->port)
		return 0;
	int rc = fg_target_url_parts(prep->url, host, &port, &is_local, err);

	if (rc || !is_local || fg_probe_tcp(host, port, 1000) != 0)
		return rc;
	if (fg_target_find_port(port, &owner, NULL) == 0)
		return fg_err_set(err, FG_E_TARGET,
				  "cannot start the target: %s (pid %u) already listens on port "
				  "%u; stop it, or write {{ target.port }} in target.url",
				  owner.name, owner.pid, port);
	return fg_err_set(err, FG_E_TARGET,
			  "cannot start the target: something already listens on port %u; stop it, "
			  "or write {{ target.port }} in target.url",
			  port);
}

static int open_log(const char *path, int *ret, struct fg_err *err)
{
	const char *name = path ? path : "/dev/null";
	/* No link is followed: without a run directory the log lies in /tmp, where anybody may put
	 * one. */
	int opened =
		open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);

	if (opened < 0)
		return fg_err_errno(err, errno, "cannot open the target's log %s", name);
	/* above the standard three, which the keeper replaces */
	int fd = fcntl(opened, F_DUPFD_CLOEXEC, 3);
	int fault = errno;

	(void)close(opened);
	if (fd < 0)
		return fg_err_errno(err, fault, "cannot open the target's log %s", name);
	*ret = fd;
	return 0;
}

static int launch(struct preparation *prep, struct fg_target_process *process, struct fg_err *err)
{
	int rc = check_port_is_free(prep, err);

	if (rc == 0)
		rc = open_log(prep->options->log_path, &prep->command.log_fd, err);
	if (rc)
		return rc;
	prep->command.argv = prep->argv.items;
	prep->command.envp = prep->envp.items;
	prep->command.cwd = prep->cwd;
	rc = fg_keeper_start(&prep->command, &process->keeper, &process->pid, err);
	return rc ? fg_err_wrap(err, "target.start") : 0;
}

static int wait_until_ready(const struct preparation *prep, struct fg_target_process *process,
			    struct fg_err *err)
{
	struct fg_ready_watch watch = {
		.target = prep->target,
		.url = prep->url,
		.ready_url = prep->ready_url,
		.log_path = prep->options->log_path,
		.process = process,
	};

	return fg_ready_wait(&watch, err);
}

int fg_target_start(const struct fg_target_start_options *options, struct fg_target_process **ret,
		    struct fg_err *err)
{
	struct preparation prep = {
		.options = options,
		.target = &options->file->target,
		.command = {.log_fd = -1},
	};
	struct fg_target_process *process = calloc(1, sizeof(*process));
	uint64_t begin_ns = fg_clock_monotonic_ns();
	int rc = process ? prepare(&prep, err) : fg_err_nomem(err);

	if (rc == 0)
		rc = launch(&prep, process, err);
	if (rc) {
		preparation_done(&prep);
		free(process);
		return rc;
	}
	process->port = prep.port;
	memcpy(process->runtime_flags, prep.runtime_flags, sizeof(process->runtime_flags));
	process->stop_signal = prep.target->stop_signal ? prep.target->stop_signal : SIGTERM;
	process->stop_timeout_ns = prep.target->stop_timeout_ns ? prep.target->stop_timeout_ns
								: DEFAULT_STOP_TIMEOUT_NS;
	rc = wait_until_ready(&prep, process, err);
	preparation_done(&prep);
	if (rc) {
		(void)fg_target_stop(process, NULL);
		return rc;
	}
	process->start_duration_ns = fg_clock_monotonic_ns() - begin_ns;
	*ret = process;
	return 0;
}

/* -- while it runs -------------------------------------------------------------------------- */

uint32_t fg_target_pid(const struct fg_target_process *target)
{
	return (uint32_t)target->pid;
}

uint16_t fg_target_port(const struct fg_target_process *target)
{
	return target->port;
}

const char *fg_target_runtime_flags(const struct fg_target_process *target)
{
	return target->runtime_flags;
}

uint64_t fg_target_start_duration_ns(const struct fg_target_process *target)
{
	return target->start_duration_ns;
}

int fg_target_fd(const struct fg_target_process *target)
{
	return target->keeper.fd;
}

/* Takes what the keeper has said so far, waiting up to `timeout_ms` for the first word. Returns
 * false when nothing came. */
static bool listen_to_keeper(struct fg_target_process *target, int timeout_ms,
			     struct fg_keeper_message *ret)
{
	int got = target->keeper_is_gone ? -1 : fg_keeper_receive(&target->keeper, timeout_ms, ret);

	if (got < 0)
		target->keeper_is_gone = true;
	if (got > 0 && ret->kind == FG_KEEPER_ENDED) {
		target->has_ended = true;
		target->wait_status = ret->value;
	}
	return got > 0;
}

static void describe_status(int status, char *text, size_t size_bytes)
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		(void)snprintf(text, size_bytes, "killed by SIG%s", name ? name : "?");
		return;
	}
	(void)snprintf(text, size_bytes, "exited with status %d", WEXITSTATUS(status));
}

bool fg_target_ended(struct fg_target_process *target, char *text, size_t size_bytes)
{
	struct fg_keeper_message message;

	while (!target->has_ended && listen_to_keeper(target, 0, &message))
		;
	if (target->has_ended)
		describe_status(target->wait_status, text, size_bytes);
	else if (target->keeper_is_gone)
		(void)snprintf(text, size_bytes, "was killed because its keeper died");
	return target->has_ended || target->keeper_is_gone;
}

/* -- its end -------------------------------------------------------------------------------- */

static int wait_until_gone(struct fg_target_process *target, struct fg_err *err)
{
	uint64_t deadline_ns =
		fg_clock_monotonic_ns() + target->stop_timeout_ns + KEEPER_GRACE_MS * FG_NS_PER_MS;
	struct fg_keeper_message message = {.kind = 0};

	for (;;) {
		uint64_t now_ns = fg_clock_monotonic_ns();

		if (now_ns >= deadline_ns || target->keeper_is_gone)
			break;
		uint64_t left_ms = (deadline_ns - now_ns) / FG_NS_PER_MS + 1;

		if (listen_to_keeper(target, (int)FG_MIN(left_ms, INT32_MAX), &message) &&
		    message.kind == FG_KEEPER_GONE)
			return message.value == 0
				       ? 0
				       : fg_err_set(err, FG_E_PERMISSION,
						    "%d processes of the target could not be "
						    "killed (another user's, or stuck in the "
						    "kernel)",
						    message.value);
	}
	/* The second line of defence: see keeper.h. */
	(void)kill(-target->pid, SIGKILL);
	return fg_err_set(err, FG_E_INTERNAL,
			  "the target's keeper died; processes that left the target's process "
			  "group may still run");
}

int fg_target_stop(struct fg_target_process *target, struct fg_err *err)
{
	if (!target)
		return 0;
	(void)fg_keeper_request_stop(&target->keeper, target->stop_signal, target->stop_timeout_ns);
	int rc = wait_until_gone(target, err);

	(void)close(target->keeper.fd);
	if (rc == -FG_E_INTERNAL)
		(void)kill(target->keeper.pid, SIGKILL); /* our own child: no pid to confuse */
	while (waitpid(target->keeper.pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(target);
	return rc;
}
