/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a process before it is profiled: is it one, does it live, has it code of its own. */
#include "profiler/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

enum { STATUS_BYTES_MAX = 64 << 10 };

/* The text behind "\nKEY:" of /proc/PID/status, without blanks around it. */
static bool status_field(const char *status, const char *key, char *ret, size_t size_bytes)
{
	char wanted[32];

	(void)snprintf(wanted, sizeof(wanted), "\n%s:", key);
	const char *line = strstr(status, wanted);

	if (!line)
		return false;
	line += strlen(wanted);
	line += strspn(line, " \t");
	(void)snprintf(ret, size_bytes, "%.*s", (int)strcspn(line, "\n"), line);
	return true;
}

static int read_status(uint32_t pid, struct fg_buf *text, struct fg_err *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
	/* One newline in front, so that the first key is found like the others. */
	fg_buf_add_char(text, '\n');
	int rc = fg_file_read(path, STATUS_BYTES_MAX, text, NULL);

	/* hidepid=1 refuses, hidepid=2 denies that it is there. */
	if (rc == -FG_E_PERMISSION || (rc && (kill((pid_t)pid, 0) == 0 || errno == EPERM)))
		return fg_err_set(err, FG_E_PERMISSION,
				  "process %u is hidden (/proc is mounted with hidepid); run "
				  "flamegate as its user or root",
				  pid);
	if (rc || !text->data || text->len < 2)
		return fg_err_set(err, FG_E_NOT_FOUND, "there is no process %u", pid);
	return fg_buf_check(text, err);
}

/* A kernel thread has no memory of its own, and nothing that a user stack could be of. */
static bool is_kernel_thread(const char *status, const char *state)
{
	char value[64];

	if (status_field(status, "Kthread", value, sizeof(value))) /* since 6.10 */
		return value[0] == '1';
	return state[0] != 'Z' && !status_field(status, "VmSize", value, sizeof(value));
}

int fg_profiler_check_pid(uint32_t pid, char ret_name[FG_PROFILER_NAME_MAX], struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = STATUS_BYTES_MAX + 1};
	char state[64] = "", tgid[32] = "", name[FG_PROFILER_NAME_MAX] = "?";
	uint64_t leader = pid;
	int rc = read_status(pid, &text, err);

	if (rc)
		return rc;
	(void)status_field(text.data, "Name", name, sizeof(name));
	(void)status_field(text.data, "State", state, sizeof(state));
	if (status_field(text.data, "Tgid", tgid, sizeof(tgid)))
		FG_IGNORE(fg_num_u64(tgid, strlen(tgid), &leader, NULL));
	if (leader != pid)
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "%u is a thread of process %llu (%s); profile the process: --pid "
				  "%llu",
				  pid, (unsigned long long)leader, name,
				  (unsigned long long)leader);
	if (state[0] == 'Z' || state[0] == 'X')
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "process %u (%s) has ended already; its parent has not taken "
				  "notice (a zombie)",
				  pid, name);
	if (is_kernel_thread(text.data, state))
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "%u (%s) is a kernel thread: it has no code of its own to "
				  "profile; perf can",
				  pid, name);
	memcpy(ret_name, name, sizeof(name));
	return 0;
}
