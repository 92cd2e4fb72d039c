/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"

int fg_proc_cpu_ns(uint32_t pid, uint64_t *ret_ns, struct fg_err *err)
{
	clockid_t clock;
	struct timespec ts;
	int errnum = clock_getcpuclockid((pid_t)pid, &clock);

	if (errnum || clock_gettime(clock, &ts) != 0)
		return fg_err_set(err, FG_E_NOT_FOUND, "no process %u", pid);
	*ret_ns = (uint64_t)ts.tv_sec * FG_NS_PER_S + (uint64_t)ts.tv_nsec;
	return 0;
}

static bool contains(const struct fg_pids *pids, uint64_t pid)
{
	for (size_t i = 0; i < pids->count; i++) {
		if (pids->items[i] == pid)
			return true;
	}
	return false;
}

static int append(struct fg_pids *pids, uint64_t pid, struct fg_err *err)
{
	if (!pid || pid > INT32_MAX || contains(pids, pid))
		return 0;
	int rc = FG_VEC_ROOM(pids, items, count, capacity, FG_PROC_TREE_MAX, err);

	if (!rc)
		pids->items[pids->count++] = (uint32_t)pid;
	return rc;
}

/* "12 34 56 " */
static int append_list(struct fg_pids *pids, const char *text, struct fg_err *err)
{
	int rc = 0;

	while (text && *text && !rc) {
		size_t len = strcspn(text, " \n");
		uint64_t pid;

		if (len && fg_num_u64(text, len, &pid, NULL) == 0)
			rc = append(pids, pid, err);
		text += len;
		text += strspn(text, " \n");
	}
	return rc;
}

/* A child belongs to the thread that forked it. */
static int append_children(struct fg_pids *pids, uint32_t pid, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	struct dirent *entry;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "/proc/%u/task", pid);
	DIR *dir = opendir(path);

	if (!dir)
		return 0;
	while (!rc && (entry = readdir(dir))) {
		struct fg_buf buf;

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%u/task/%s/children", pid, entry->d_name);
		fg_buf_init(&buf, 256 << 10);
		if (fg_file_read(path, 256 << 10, &buf, NULL) == 0)
			rc = append_list(pids, buf.data, err);
		fg_buf_done(&buf);
	}
	closedir(dir);
	return rc;
}

int fg_proc_tree(uint32_t root, struct fg_pids *pids, struct fg_err *err)
{
	int rc = append(pids, root, err);

	for (size_t i = 0; !rc && i < pids->count; i++)
		rc = append_children(pids, pids->items[i], err);
	return rc;
}

void fg_pids_done(struct fg_pids *pids)
{
	free(pids->items);
	*pids = (struct fg_pids){0};
}

/* Field `number` (as in proc(5)) of the text behind "pid (comm) ", whose first field is 3. */
static int stat_field(const char *text, int number, uint64_t *ret, struct fg_err *err)
{
	for (int i = 3; i < number && *text; i++) {
		text += strcspn(text, " ");
		text += strspn(text, " ");
	}
	return fg_num_u64(text, strcspn(text, " \n"), ret, err);
}

int fg_proc_stat(uint32_t pid, struct fg_proc_stat *ret, struct fg_err *err)
{
	enum { PARENT = 4, UTIME = 14, CUTIME = 16, CSTIME = 17, START_TIME = 22 };
	char path[64];
	struct fg_buf buf;
	uint64_t parent = 0, own_user = 0, user = 0, kernel = 0, start = 0;
	long ticks_per_s = sysconf(_SC_CLK_TCK);

	(void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fg_buf_init(&buf, 8 << 10);
	int rc = fg_file_read(path, 8 << 10, &buf, err);
	/* The name may hold anything, so count from its last closing parenthesis. */
	const char *rest = rc || !buf.data ? NULL : strrchr(buf.data, ')');

	if (!rc && (!rest || rest[1] != ' ' || ticks_per_s <= 0))
		rc = fg_err_set(err, FG_E_IO, "%s: not as documented", path);
	if (!rc)
		rc = stat_field(rest + 2, PARENT, &parent, err);
	if (!rc)
		rc = stat_field(rest + 2, UTIME, &own_user, err);
	if (!rc)
		rc = stat_field(rest + 2, CUTIME, &user, err);
	if (!rc)
		rc = stat_field(rest + 2, CSTIME, &kernel, err);
	if (!rc)
		rc = stat_field(rest + 2, START_TIME, &start, err);
	fg_buf_done(&buf);
	if (rc)
		return rc;
	ret->parent = (uint32_t)parent;
	ret->children_ns = (user + kernel) * (FG_NS_PER_S / (uint64_t)ticks_per_s);
	ret->user_ns = (own_user + user) * (FG_NS_PER_S / (uint64_t)ticks_per_s);
	ret->start_ticks = start;
	return 0;
}

int fg_proc_memory_parse(const char *text, size_t len, uint64_t page_bytes,
			 struct fg_proc_memory *ret, struct fg_err *err)
{
	uint64_t pages[3];

	for (size_t i = 0; i < FG_ARRAY_LEN(pages); i++) {
		size_t digits = 0;

		while (digits < len && text[digits] >= '0' && text[digits] <= '9')
			digits++;
		if (!digits || fg_num_u64(text, digits, &pages[i], err) != 0 ||
		    pages[i] > UINT64_MAX / page_bytes)
			return fg_err_set(err, FG_E_INVALID, "statm that makes no sense");
		text += digits;
		len -= digits;
		if (len && *text == ' ') {
			text++;
			len--;
		}
	}
	*ret = (struct fg_proc_memory){
		.own_bytes = pages[1] > pages[2] ? (pages[1] - pages[2]) * page_bytes : 0,
		.shared_bytes = FG_MIN(pages[1], pages[2]) * page_bytes,
	};
	return 0;
}

int fg_proc_memory(uint32_t pid, struct fg_proc_memory *ret, struct fg_err *err)
{
	enum { STATM_MAX = 256 };
	FG_AUTO_BUF struct fg_buf text;
	char path[FG_PATH_MAX];
	long page_bytes = sysconf(_SC_PAGESIZE);

	fg_buf_init(&text, STATM_MAX);
	(void)snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	if (fg_file_read(path, STATM_MAX, &text, NULL) != 0 || !text.len)
		return fg_err_set(err, FG_E_NOT_FOUND, "no process %u", pid);
	return fg_proc_memory_parse(text.data, text.len, (uint64_t)FG_MAX(page_bytes, 1L), ret,
				    err);
}
