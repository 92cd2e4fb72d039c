/* SPDX-License-Identifier: Apache-2.0 */
/* Which package a file came with, from dpkg's own lists: read, no program started. */
#include "profiler/probe_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"

#define LISTS "/var/lib/dpkg/info"
enum { LIST_BYTES_MAX = 8 << 20, LISTS_MAX = 20000 };

/* A whole line; lists are made of "/path\n". */
static bool has_line(const struct fg_buf *list, const char *path)
{
	size_t len = strlen(path);

	for (const char *at = list->data; at && (at = strstr(at, path)); at++)
		if ((at == list->data || at[-1] == '\n') && (at[len] == '\n' || !at[len]))
			return true;
	return false;
}

/* With a merged /usr, a list may call the file by its older place. */
static bool list_has(const char *list_path, const char *path, struct fg_buf *text)
{
	static const char merged[] = "/usr";

	fg_buf_clear(text);
	if (fg_file_read(list_path, LIST_BYTES_MAX, text, NULL) != 0)
		return false;
	if (has_line(text, path))
		return true;
	return fg_str_starts_with(path, merged) && has_line(text, path + strlen(merged));
}

bool fg_probe_package(const char *path, char *name, size_t size_bytes)
{
	static const char suffix[] = ".list";
	FG_AUTO_BUF struct fg_buf text = {.max = LIST_BYTES_MAX + 1};
	char list_path[FG_PATH_MAX];
	unsigned looked_at = 0;
	bool found = false;
	DIR *dir = opendir(LISTS);

	if (!dir)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(dir)) && looked_at < LISTS_MAX;
	     looked_at++) {
		if (!fg_str_ends_with(entry->d_name, suffix) ||
		    fg_file_path(list_path, NULL, LISTS "/%s", entry->d_name) != 0)
			continue;
		found = list_has(list_path, path, &text);
		if (found) /* "libc6:amd64.list" */
			(void)snprintf(name, size_bytes, "%.*s",
				       (int)FG_MIN(strcspn(entry->d_name, ":"),
						   strlen(entry->d_name) - strlen(suffix)),
				       entry->d_name);
	}
	(void)closedir(dir);
	return found;
}
