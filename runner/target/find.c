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

#include "runner/target/sockets.h"

enum {
	SOCKETS_MAX = 256, /* SO_REUSEPORT listeners of one port */
};

struct search {
	uint16_t port;
	uint64_t inodes[SOCKETS_MAX];
	size_t inode_count;
	uint32_t owner_uid;
	unsigned denied; /* processes whose descriptors we may not see */
	uint32_t pid;    /* 0: none yet */
};

static void take_row(void *context, const struct fg_socket_row *row)
{
	struct search *search = context;

	if (row->port != search->port || !row->is_listening || row->inode == 0 ||
	    search->inode_count == SOCKETS_MAX)
		return;
	search->owner_uid = (uint32_t)row->uid;
	search->inodes[search->inode_count++] = row->inode;
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
	struct search search = {.port = port};
	int rc = fg_sockets_each(take_row, &search, err);

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
