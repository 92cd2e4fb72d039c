/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in the keeper, a fork without exec of a program that may have threads: only system calls
 * and static memory. opendir() would allocate, so /proc is read with getdents64.
 */
#include "runner/target/tree.h"

#include "gate/base/num.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More processes than this on one machine: the rest is seen by a later pass. */
enum { PROCESSES_MAX = 65536 };

struct process {
	pid_t pid, parent;
	bool is_descendant;
};

static struct process processes[PROCESSES_MAX];
static size_t process_count;

pid_t fg_tree_parent_of_stat(const char *text, size_t len)
{
	/* "pid (comm) state ppid …": comm may hold anything, ')' too, so the last one counts. */
	const char *end = memrchr(text, ')', len);

	if (!end || (size_t)(end - text) + 5 > len || end[1] != ' ' || end[3] != ' ')
		return 0;
	const char *number = end + 4;
	size_t number_len = 0;
	size_t left = len - (size_t)(number - text);
	uint64_t parent = 0;

	while (number_len < left && number[number_len] != ' ')
		number_len++;
	if (fg_num_u64(number, number_len, &parent, NULL) != 0 || parent > INT32_MAX)
		return 0;
	return (pid_t)parent;
}

static pid_t parent_of(int proc_fd, const char *pid_text)
{
	char path[32] = "";
	char text[512];
	size_t pid_len = strlen(pid_text);

	if (pid_len + sizeof("/stat") > sizeof(path))
		return 0;
	memcpy(path, pid_text, pid_len);
	memcpy(path + pid_len, "/stat", sizeof("/stat"));
	int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t got = read(fd, text, sizeof(text));

	(void)close(fd);
	return got > 0 ? fg_tree_parent_of_stat(text, (size_t)got) : 0;
}

static void add_process(int proc_fd, const char *name)
{
	uint64_t pid = 0;

	if (name[0] < '1' || name[0] > '9' || process_count == PROCESSES_MAX)
		return;
	if (fg_num_u64(name, strlen(name), &pid, NULL) != 0 || pid > INT32_MAX)
		return;
	pid_t parent = parent_of(proc_fd, name);

	if (parent > 0)
		processes[process_count++] = (struct process){.pid = (pid_t)pid, .parent = parent};
}

static void list_processes(void)
{
	static char entries[32768] __attribute__((aligned(16)));
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	process_count = 0;
	if (proc_fd < 0)
		return;
	while ((got = syscall(SYS_getdents64, proc_fd, entries, sizeof(entries))) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			add_process(proc_fd, entry->d_name);
			at += entry->d_reclen;
		}
	}
	(void)close(proc_fd);
}

/* procfs lists pids in ascending order; an entry that is missed for any reason becomes a direct
 * child of the keeper once its parent is gone, and is found then. */
static const struct process *find_process(pid_t pid)
{
	size_t low = 0, high = process_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (processes[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < process_count && processes[low].pid == pid ? &processes[low] : NULL;
}

static void mark_descendants(pid_t root)
{
	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = 0; i < process_count; i++) {
			if (processes[i].is_descendant)
				continue;
			const struct process *parent = find_process(processes[i].parent);

			if (processes[i].parent != root && (!parent || !parent->is_descendant))
				continue;
			processes[i].is_descendant = true;
			changed = true;
		}
	}
}

unsigned fg_tree_signal(pid_t root, int signal, unsigned *refused)
{
	unsigned reached = 0;

	list_processes();
	mark_descendants(root);
	for (size_t i = 0; i < process_count; i++) {
		if (!processes[i].is_descendant)
			continue;
		if (kill(processes[i].pid, signal) == 0)
			reached++;
		else if (errno == EPERM)
			(*refused)++;
	}
	return reached;
}
