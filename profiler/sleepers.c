/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/sleepers.h"

#include <dirent.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"

enum { STAT_MAX = 4096 };

bool fg_sleepers_is_asleep(const char *stat, size_t len)
{
	const char *end = len ? memrchr(stat, ')', len) : NULL;

	/* "12 (name) S …" */
	if (!end || (size_t)(end - stat) + 2 >= len || end[1] != ' ')
		return false;
	return end[2] == 'S' || end[2] == 'D' || end[2] == 'I';
}

static bool is_asleep(uint32_t tgid, const char *tid)
{
	char path[FG_PATH_MAX];
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, STAT_MAX);
	if (fg_file_path(path, NULL, "/proc/%u/task/%s/stat", tgid, tid) != 0 ||
	    fg_file_read(path, STAT_MAX, &text, NULL) != 0)
		return false;
	return fg_sleepers_is_asleep(text.data, text.len);
}

int fg_sleepers_list(uint32_t tgid, struct fg_pids *tids, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	struct dirent *entry;
	int rc = fg_file_path(path, err, "/proc/%u/task", tgid);

	if (rc)
		return rc;
	DIR *dir = opendir(path);

	while (dir && !rc && (entry = readdir(dir))) {
		uint64_t tid;

		if (fg_num_u64(entry->d_name, strlen(entry->d_name), &tid, NULL) != 0 || !tid ||
		    tid > INT32_MAX || !is_asleep(tgid, entry->d_name))
			continue;
		rc = FG_VEC_ROOM(tids, items, count, capacity, FG_PROC_TREE_MAX, err);
		if (!rc)
			tids->items[tids->count++] = (uint32_t)tid;
	}
	if (dir)
		closedir(dir);
	return rc;
}
