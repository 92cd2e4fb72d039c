/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that runs already, found by what a person knows of it: a pid file, its name, a control
 * group, a container's id, a systemd unit.
 *
 * Of the processes that fit the answer is the one whose parent does not: the master of its workers.
 * Two of that kind are one too many for a name; in a control group the eldest is meant (others come
 * in later, such as a shell inside a container).
 */
#include "runner/target/target.h"

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOUND_MAX = 4096, TEXT_MAX = 64 << 10, LIST_BYTES = 120 };

struct candidate {
	uint32_t pid, parent;
	uint64_t start_ticks;
};

struct search {
	const char *proc;
	const struct fg_process_query *query;
	struct candidate items[FOUND_MAX];
	size_t count;
	char container[128]; /* the whole id that fitted */
	bool is_ambiguous;   /* two containers fit */
};

static int read_proc(const struct search *search, uint32_t pid, const char *name,
		     struct fg_buf *out)
{
	char path[FG_PATH_MAX];

	fg_buf_clear(out);
	if (fg_file_path(path, NULL, "%s/%u/%s", search->proc, pid, name))
		return -FG_E_LIMIT;
	return fg_file_read(path, TEXT_MAX, out, NULL);
}

/* Parent and start time: fields 4 and 22 of stat, counted behind the name, which may hold blanks.
 */
static bool read_stat(const struct search *search, uint32_t pid, struct fg_buf *text,
		      struct candidate *ret)
{
	uint64_t values[2] = {0, 0};
	const char *at;

	if (read_proc(search, pid, "stat", text) || text->len == 0)
		return false;
	at = strrchr(text->data, ')');
	if (!at)
		return false;
	at++;
	for (int field = 3; field <= 22; field++) {
		at += strspn(at, " ");
		size_t len = strcspn(at, " \n");

		if ((field == 4 || field == 22) && fg_num_u64(at, len, &values[field == 22], NULL))
			return false;
		at += len;
	}
	*ret = (struct candidate){pid, (uint32_t)values[0], values[1]};
	return true;
}

/* -- does it fit ---------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* comm is cut at 15 bytes, and some programs write over argv[0]: either will do. */
static bool fits_name(const struct search *search, uint32_t pid, struct fg_buf *text)
{
	const char *name = search->query->name;

	if (read_proc(search, pid, "comm", text) == 0 && text->len) {
		size_t len = strcspn(text->data, "\n");

		if (strlen(name) == len && memcmp(text->data, name, len) == 0)
			return true;
	}
	return read_proc(search, pid, "cmdline", text) == 0 && text->len &&
	       strcmp(base_name(text->data), name) == 0;
}

/* "docker-4f2c….scope" or "4f2c…": the id in a part of a control group's path. */
static bool take_container(struct search *search, const char *part, size_t len)
{
	const char *wanted = search->query->container;
	const size_t suffix = sizeof(".scope") - 1;
	size_t hex = 0;

	if (len > suffix && memcmp(part + len - suffix, ".scope", suffix) == 0)
		len -= suffix;
	while (hex < len && isxdigit((unsigned char)part[len - hex - 1]))
		hex++;
	const char *id = part + len - hex;

	if (hex < 12 || hex >= sizeof(search->container) || hex < strlen(wanted) ||
	    memcmp(id, wanted, strlen(wanted)) != 0)
		return false;
	if (search->container[0] &&
	    (strlen(search->container) != hex || memcmp(search->container, id, hex) != 0))
		search->is_ambiguous = true;
	memcpy(search->container, id, hex);
	search->container[hex] = '\0';
	return true;
}

static bool part_fits(struct search *search, const char *part, size_t len)
{
	const char *unit = search->query->unit;
	const size_t suffix = sizeof(".service") - 1;

	if (search->query->container)
		return take_container(search, part, len);
	if (strlen(unit) == len && memcmp(part, unit, len) == 0)
		return true;
	return len == strlen(unit) + suffix && memcmp(part, unit, len - suffix) == 0 &&
	       memcmp(part + len - suffix, ".service", suffix) == 0;
}

/* The group itself, or one below it. */
static bool path_fits(const char *path, size_t len, const char *wanted)
{
	static const char mount[] = "/sys/fs/cgroup";
	size_t wanted_len;

	if (fg_str_starts_with(wanted, mount))
		wanted += sizeof(mount) - 1;
	wanted += strspn(wanted, "/");
	wanted_len = strlen(wanted);
	while (wanted_len && wanted[wanted_len - 1] == '/')
		wanted_len--;
	while (len && *path == '/') {
		path++;
		len--;
	}
	return len >= wanted_len && memcmp(path, wanted, wanted_len) == 0 &&
	       (len == wanted_len || path[wanted_len] == '/');
}

/* Lines "0::/system.slice/x.service", of version 1 "4:memory:/…". */
static bool fits_cgroup(struct search *search, uint32_t pid, struct fg_buf *text)
{
	if (read_proc(search, pid, "cgroup", text) || !text->len)
		return false;
	for (const char *line = text->data; *line;) {
		size_t len = strcspn(line, "\n");
		const char *path = memchr(line, '/', len);
		const char *end = line + len;

		if (path && search->query->cgroup &&
		    path_fits(path, (size_t)(end - path), search->query->cgroup))
			return true;
		while (path && !search->query->cgroup && path < end) {
			size_t part = 0;

			path++;
			while (path + part < end && path[part] != '/')
				part++;
			if (part_fits(search, path, part))
				return true;
			path += part;
		}
		line = *end ? end + 1 : end;
	}
	return false;
}

/* -- the search ----------------------------------------------------------------------------- */

static int collect(struct search *search, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	DIR *dir = opendir(search->proc);

	if (!dir)
		return fg_err_errno(err, errno, "cannot list %s", search->proc);
	fg_buf_init(&text, TEXT_MAX);
	for (struct dirent *entry; (entry = readdir(dir)) && search->count < FOUND_MAX;) {
		uint64_t pid = 0;

		if (fg_num_u64(entry->d_name, strlen(entry->d_name), &pid, NULL) ||
		    pid > INT32_MAX || (pid_t)pid == getpid())
			continue;
		bool fits = search->query->name ? fits_name(search, (uint32_t)pid, &text)
						: fits_cgroup(search, (uint32_t)pid, &text);

		if (fits && read_stat(search, (uint32_t)pid, &text, &search->items[search->count]))
			search->count++;
	}
	(void)closedir(dir);
	return 0;
}

static bool is_among(const struct search *search, uint32_t pid)
{
	for (size_t i = 0; i < search->count; i++)
		if (search->items[i].pid == pid)
			return true;
	return false;
}

static bool is_elder(const struct candidate *a, const struct candidate *b)
{
	return a->start_ticks != b->start_ticks ? a->start_ticks < b->start_ticks : a->pid < b->pid;
}

/* Which of those whose parent is none of them; how many there are. */
static size_t find_root(const struct search *search, uint32_t *ret, struct fg_buf *list)
{
	const struct candidate *eldest = NULL;
	size_t count = 0;

	for (size_t i = 0; i < search->count; i++) {
		const struct candidate *item = &search->items[i];

		if (is_among(search, item->parent))
			continue;
		count++;
		if (list->len < LIST_BYTES)
			fg_buf_addf(list, "%s%u", list->len ? ", " : "", item->pid);
		if (!eldest || is_elder(item, eldest))
			eldest = item;
	}
	*ret = eldest ? eldest->pid : 0;
	return count;
}

static int find_pid_file(const struct search *search, uint32_t *ret, struct fg_err *err)
{
	const char *path = search->query->pid_file;
	FG_AUTO_BUF struct fg_buf text = {0};
	char dir[FG_PATH_MAX];
	uint64_t pid;

	fg_buf_init(&text, 64);
	int rc = fg_file_read(path, 64, &text, err);

	if (rc)
		return fg_err_wrap(err, "target.process.pidFile");
	const char *number = text.data ? text.data + strspn(text.data, " \t\n") : "";

	if (fg_num_u64(number, strcspn(number, " \t\r\n"), &pid, NULL) || pid == 0 ||
	    pid > INT32_MAX)
		return fg_err_set(err, FG_E_INVALID, "%s holds no pid", path);
	rc = fg_file_path(dir, err, "%s/%u", search->proc, (unsigned)pid);
	if (rc)
		return rc;
	if (!fg_file_is_dir(dir))
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "%s names pid %u, which does not run (any more)", path,
				  (unsigned)pid);
	*ret = (uint32_t)pid;
	return 0;
}

static int find_among(struct search *search, uint32_t *ret, struct fg_err *err)
{
	const struct fg_process_query *query = search->query;
	const char *what = query->name        ? "is called"
			   : query->cgroup    ? "is in control group"
			   : query->container ? "is in container"
					      : "is of unit";
	const char *wanted = query->name        ? query->name
			     : query->cgroup    ? query->cgroup
			     : query->container ? query->container
						: query->unit;
	FG_AUTO_BUF struct fg_buf list = {.max = FG_ERR_MESSAGE_MAX};
	int rc = collect(search, err);

	if (rc)
		return rc;
	size_t roots = find_root(search, ret, &list);

	if (search->is_ambiguous)
		return fg_err_set(err, FG_E_INVALID,
				  "more than one container begins with %s; write more of its id",
				  wanted);
	if (roots == 0)
		return fg_err_set(err, FG_E_NOT_FOUND, "no process that is visible here %s \"%s\"",
				  what, wanted);
	if (roots > 1 && query->name)
		return fg_err_set(err, FG_E_INVALID,
				  "%zu processes are called \"%s\" (pids %s); name one by pid, "
				  "pidFile or port",
				  roots, wanted, list.data ? list.data : "");
	return 0;
}

int fg_target_find_process(const struct fg_process_query *query, struct fg_listener *ret,
			   struct fg_err *err)
{
	FG_AUTO_FREE struct search *search = calloc(1, sizeof(*search));
	struct fg_listener found = {0};
	FG_AUTO_BUF struct fg_buf text = {0};

	if (!search)
		return fg_err_nomem(err);
	search->proc = query->proc ? query->proc : "/proc";
	search->query = query;
	int rc = query->pid_file ? find_pid_file(search, &found.pid, err)
				 : find_among(search, &found.pid, err);

	if (rc)
		return rc;
	fg_buf_init(&text, TEXT_MAX);
	bool is_named = read_proc(search, found.pid, "comm", &text) == 0 && text.len;

	(void)snprintf(found.name, sizeof(found.name), "%.*s",
		       is_named ? (int)strcspn(text.data, "\n") : 1, is_named ? text.data : "?");
	*ret = found;
	return 0;
}
