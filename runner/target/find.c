/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens on a local port: /proc/net/tcp{,6} gives the sockets' inodes, /proc/PID/fd their
 * owners. Sees this network namespace only; a container's server behind a published port shows as
 * its proxy process or not at all.
 */
#include "runner/target/target.h"

#include "gate/base/file.h"
#include "gate/base/num.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	SOCKETS_MAX = 256, /* SO_REUSEPORT listeners of one port */
	NET_TABLE_MAX = 64 << 20,
	STATE_LISTEN = 0x0a,
};

struct search {
	uint64_t inodes[SOCKETS_MAX];
	size_t inode_count;
	uint32_t owner_uid;
	unsigned denied; /* processes whose descriptors we may not see */
	uint32_t pid;    /* 0: none yet */
};

/* The next blank-separated word of a line; empty at its end. */
static const char *next_word(const char **at, const char *end, size_t *ret_len)
{
	while (*at < end && **at == ' ')
		(*at)++;
	const char *word = *at;

	while (*at < end && **at != ' ')
		(*at)++;
	*ret_len = (size_t)(*at - word);
	return word;
}

/* "  0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …": fields 1, 3, 7 and 9. */
static void take_line(const char *line, const char *end, uint16_t port, struct search *search)
{
	uint64_t found_port = 0, state = 0, uid = 0, inode = 0;
	const char *at = line;

	for (int field = 0; field <= 9; field++) {
		size_t len;
		const char *word = next_word(&at, end, &len);
		const char *colon = memchr(word, ':', len);
		int rc = 0;

		if (field == 1 && colon)
			rc = fg_num_hex(colon + 1, len - (size_t)(colon + 1 - word), &found_port,
					NULL);
		else if (field == 3)
			rc = fg_num_hex(word, len, &state, NULL);
		else if (field == 7)
			rc = fg_num_u64(word, len, &uid, NULL);
		else if (field == 9)
			rc = fg_num_u64(word, len, &inode, NULL);
		if (rc)
			return; /* the heading, or a layout that we do not know */
	}
	if (found_port != port || state != STATE_LISTEN || inode == 0 ||
	    search->inode_count == SOCKETS_MAX)
		return;
	search->owner_uid = (uint32_t)uid;
	search->inodes[search->inode_count++] = inode;
}

static int find_sockets(const char *table, uint16_t port, struct search *search, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.data = NULL};

	if (!fg_file_exists(table)) /* no IPv6 */
		return 0;
	fg_buf_init(&text, NET_TABLE_MAX);
	int rc = fg_file_read(table, NET_TABLE_MAX, &text, err);

	if (rc)
		return rc;
	const char *end = text.data ? text.data + text.len : NULL;

	for (const char *line = text.data; line && line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;

		take_line(line, line_end, port, search);
		line = newline ? newline + 1 : end;
	}
	return 0;
}

static bool is_wanted_socket(const struct search *search, const char *link, size_t len)
{
	static const char prefix[] = "socket:[";
	size_t prefix_len = sizeof(prefix) - 1;
	uint64_t inode = 0;

	if (len <= prefix_len + 1 || memcmp(link, prefix, prefix_len) != 0)
		return false;
	if (fg_num_u64(link + prefix_len, len - prefix_len - 1, &inode, NULL) != 0)
		return false;
	for (size_t i = 0; i < search->inode_count; i++)
		if (search->inodes[i] == inode)
			return true;
	return false;
}

static bool owns_socket(struct search *search, uint32_t pid)
{
	char path[64], link[128];
	bool found = false;

	(void)snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	DIR *dir = opendir(path);

	if (!dir) {
		if (errno == EACCES || errno == EPERM)
			search->denied++;
		return false;
	}
	for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));

		found = len > 0 && is_wanted_socket(search, link, (size_t)len);
	}
	(void)closedir(dir);
	return found;
}

static int find_owner(struct search *search, struct fg_err *err)
{
	DIR *dir = opendir("/proc");

	if (!dir)
		return fg_err_errno(err, errno, "cannot list /proc");
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		uint64_t pid = 0;

		if (fg_num_u64(entry->d_name, strlen(entry->d_name), &pid, NULL) != 0 ||
		    pid > INT32_MAX)
			continue;
		if (search->pid && pid >= search->pid)
			continue; /* only a lower one is of interest */
		if (owns_socket(search, (uint32_t)pid))
			search->pid = (uint32_t)pid;
	}
	(void)closedir(dir);
	return 0;
}

static void read_name(uint32_t pid, char *name, size_t size_bytes)
{
	FG_AUTO_BUF struct fg_buf text = {.data = NULL};
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	fg_buf_init(&text, 256);
	if (fg_file_read(path, 256, &text, NULL) != 0 || text.len == 0) {
		(void)snprintf(name, size_bytes, "?");
		return;
	}
	(void)snprintf(name, size_bytes, "%.*s", (int)strcspn(text.data, "\n"), text.data);
}

static int explain_missing(const struct search *search, uint16_t port, struct fg_err *err)
{
	if (search->inode_count == 0)
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "no process of this machine (or container) listens on port %u",
				  port);
	if (search->denied)
		return fg_err_set(err, FG_E_PERMISSION,
				  "port %u belongs to a process of uid %u, whose descriptors this "
				  "user may not see; run as that user or root, or give --pid",
				  port, search->owner_uid);
	return fg_err_set(err, FG_E_NOT_FOUND,
			  "port %u is listened on, but by no process that is visible here (another "
			  "container or PID namespace); give --pid",
			  port);
}

int fg_target_find_port(uint16_t port, struct fg_listener *ret, struct fg_err *err)
{
	struct search search = {.inode_count = 0};
	int rc = find_sockets("/proc/net/tcp", port, &search, err);

	if (rc == 0)
		rc = find_sockets("/proc/net/tcp6", port, &search, err);
	if (rc == 0 && search.inode_count > 0)
		rc = find_owner(&search, err);
	if (rc)
		return rc;
	if (!search.pid)
		return explain_missing(&search, port, err);
	struct fg_listener found = {.pid = search.pid};

	read_name(found.pid, found.name, sizeof(found.name));
	*ret = found;
	return 0;
}
