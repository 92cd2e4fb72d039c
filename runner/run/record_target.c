/* SPDX-License-Identifier: Apache-2.0 */
/* Whom to profile: what the command line names, looked at before anything is attached. */
#include "runner/run/record_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate/base/num.h"
#include "runner/target/target.h"

static int add_pid(struct fg_record *record, uint32_t pid, struct fg_err *err)
{
	for (size_t i = 0; i < record->pid_count; i++)
		if (record->pids[i] == pid)
			return 0;
	if (record->pid_count == FG_RECORD_PIDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "more than %d processes", FG_RECORD_PIDS_MAX);
	record->pids[record->pid_count++] = pid;
	return 0;
}

static int read_number(const char *option, const char *text, uint64_t max, uint64_t *ret,
		       struct fg_err *err)
{
	if (fg_num_u64(text, strlen(text), ret, NULL) == 0 && *ret > 0 && *ret <= max)
		return 0;
	return fg_err_set(err, FG_E_USAGE, "%s \"%.40s\" is no %s", option, text,
			  max > UINT16_MAX ? "process id" : "port");
}

static int add_pids(struct fg_record *record, struct fg_err *err)
{
	const struct fg_opt_list *list = &record->options->pids;
	int rc = 0;

	for (size_t i = 0; i < list->count && rc == 0; i++) {
		uint64_t pid = 0;

		rc = read_number("--pid", list->items[i], INT32_MAX, &pid, err);
		if (rc == 0)
			rc = add_pid(record, (uint32_t)pid, err);
	}
	return rc;
}

static int add_found(struct fg_record *record, struct fg_err *err)
{
	const struct fg_opt_list *names = &record->options->names;
	const struct fg_opt_list *ports = &record->options->ports;
	struct fg_listener found = {0};
	int rc = 0;

	for (size_t i = 0; i < names->count && rc == 0; i++) {
		const struct fg_process_query query = {.name = names->items[i]};

		rc = fg_target_find_process(&query, &found, err);
		if (rc == 0)
			rc = add_pid(record, found.pid, err);
	}
	for (size_t i = 0; i < ports->count && rc == 0; i++) {
		uint64_t port = 0;

		rc = read_number("--port", ports->items[i], UINT16_MAX, &port, err);
		if (rc == 0)
			rc = fg_target_find_port((uint16_t)port, &found, err);
		if (rc == 0)
			rc = add_pid(record, found.pid, err);
	}
	return rc;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int start_command(struct fg_record *record, struct fg_err *err)
{
	const char *program = record->options->command[0];
	int rc = fg_record_child_start(record->options->command, &record->child, err);

	if (rc)
		return rc;
	(void)snprintf(record->name, sizeof(record->name), "%s", base_name(program));
	(void)snprintf(record->label, sizeof(record->label), "%.200s (pid %d)", program,
		       (int)record->child.pid);
	return add_pid(record, (uint32_t)record->child.pid, err);
}

/* Each must be a process with user code that lives; the first one's name is the recording's. */
static int inspect(struct fg_record *record, struct fg_err *err)
{
	char name[FG_PROFILER_NAME_MAX];

	for (size_t i = 0; i < record->pid_count; i++) {
		int rc = fg_profiler_check_pid(record->pids[i], name, err);

		if (rc)
			return rc;
		if (i > 0)
			continue;
		(void)snprintf(record->label, sizeof(record->label), "%s (pid %u)", name,
			       record->pids[0]);
		(void)snprintf(record->name, sizeof(record->name), "%s", name);
	}
	if (record->pid_count > 1) {
		size_t used = strlen(record->label);

		(void)snprintf(record->label + used, sizeof(record->label) - used, " and %zu more",
			       record->pid_count - 1);
		used = strlen(record->name);
		(void)snprintf(record->name + used, sizeof(record->name) - used, " and %zu more",
			       record->pid_count - 1);
	}
	return 0;
}

int fg_record_find(struct fg_record *record, struct fg_err *err)
{
	const struct fg_record_options *options = record->options;
	bool is_named = options->pids.count || options->names.count || options->ports.count;

	if (options->command && is_named)
		return fg_err_set(err, FG_E_USAGE,
				  "either a command behind -- or --pid, --name and --port, not "
				  "both");
	if (options->command)
		return start_command(record, err);
	if (!is_named)
		return fg_err_set(err, FG_E_USAGE,
				  "whom? give --pid N, --name NAME, --port N, or -- COMMAND");
	int rc = add_pids(record, err);

	if (rc == 0)
		rc = add_found(record, err);
	return rc ? rc : inspect(record, err);
}

void fg_record_watch(struct fg_record *record)
{
	/* The C library of Debian 12 has pidfd_open() in a header that older ones lack. */
	for (size_t i = 0; i < record->pid_count; i++)
		record->pid_fds[i] = (int)syscall(SYS_pidfd_open, (pid_t)record->pids[i], 0u);
}

void fg_record_unwatch(struct fg_record *record)
{
	for (size_t i = 0; i < record->pid_count; i++) {
		if (record->pid_fds[i] >= 0)
			close(record->pid_fds[i]);
		record->pid_fds[i] = -1;
	}
}

size_t fg_record_alive(const struct fg_record *record)
{
	size_t alive = 0;

	for (size_t i = 0; i < record->pid_count; i++)
		alive += record->pid_fds[i] >= 0;
	return alive;
}
