/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executable mappings of a process, and the files behind them.
 *
 * The path in /proc/PID/maps is the target's word for the file: in another mount namespace, maybe
 * deleted, maybe replaced since. map_files leads to the mapped file itself; where we may not use it
 * (CAP_CHECKPOINT_RESTORE), the path inside the target's root is taken and must prove itself.
 */
#include "profiler/unwind/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"
#include "profiler/unwind/slow_file.h"

struct slice {
	const char *at, *end;
};

/* The text up to `stop`, which is stepped over; false when it does not occur. */
static bool take_until(struct slice *line, char stop, struct slice *ret)
{
	const char *found = memchr(line->at, stop, (size_t)(line->end - line->at));

	if (!found)
		return false;
	*ret = (struct slice){line->at, found};
	line->at = found + 1;
	return true;
}

static bool take_hex(struct slice *line, char stop, uint64_t *ret)
{
	struct slice word;

	return take_until(line, stop, &word) &&
	       fg_num_hex(word.at, (size_t)(word.end - word.at), ret, NULL) == 0;
}

static bool take_inode(struct slice *line, uint64_t *ret)
{
	struct slice word;

	if (!take_until(line, ' ', &word)) { /* an anonymous mapping's line may end here */
		word = *line;
		line->at = line->end;
	}
	return fg_num_u64(word.at, (size_t)(word.end - word.at), ret, NULL) == 0;
}

/* The kernel writes a newline in a path as \012 and nothing else so. Longer paths are cut: such a
 * file is still opened through map_files. */
static void copy_path(struct slice path, char *ret, size_t size_bytes)
{
	size_t len = 0;

	while (path.at < path.end && len + 1 < size_bytes) {
		if (path.end - path.at >= 4 && memcmp(path.at, "\\012", 4) == 0) {
			ret[len++] = '\n';
			path.at += 4;
		} else {
			ret[len++] = *path.at++;
		}
	}
	ret[len] = '\0';
}

static void classify(struct slice path, struct fg_mapping *mapping)
{
	static const char deleted[] = " (deleted)";
	size_t len = (size_t)(path.end - path.at), mark = sizeof(deleted) - 1;

	if (len > mark && memcmp(path.end - mark, deleted, mark) == 0) {
		mapping->deleted = true;
		path.end -= mark;
	}
	copy_path(path, mapping->path, sizeof(mapping->path));
	if (strcmp(mapping->path, "[vdso]") == 0)
		mapping->kind = FG_MAPPING_VDSO;
	else if (strcmp(mapping->path, "[vsyscall]") == 0)
		mapping->kind = FG_MAPPING_VSYSCALL;
	else if (mapping->inode == 0 || mapping->path[0] != '/' ||
		 strcmp(mapping->path, "/dev/zero") == 0) /* shared anonymous memory */
		mapping->kind = FG_MAPPING_ANON;
	else
		mapping->kind = FG_MAPPING_FILE;
}

/* JIT compilers reserve room without any rights and open it piece by piece; some take the right to
 * execute a piece away while they write. */
static bool is_reserve(const struct fg_mapping *mapping, struct slice rights)
{
	enum { PIECE_MAX = 1 << 20 };

	return mapping->inode == 0 && mapping->kind == FG_MAPPING_ANON &&
	       (rights.at[2] == 'x' || memcmp(rights.at, "---", 3) == 0 ||
		(rights.at[1] == 'w' && mapping->end - mapping->start <= PIECE_MAX));
}

/* "start-end rwxp offset major:minor inode    path" */
static bool parse_line(struct slice line, struct fg_mapping *ret, bool *ret_executable,
		       bool *ret_reserve)
{
	struct slice rights;
	uint64_t dev_major, dev_minor;

	memset(ret, 0, sizeof(*ret));
	if (!take_hex(&line, '-', &ret->start) || !take_hex(&line, ' ', &ret->end) ||
	    !take_until(&line, ' ', &rights) || rights.end - rights.at != 4 ||
	    !take_hex(&line, ' ', &ret->offset) || !take_hex(&line, ':', &dev_major) ||
	    !take_hex(&line, ' ', &dev_minor) || !take_inode(&line, &ret->inode))
		return false;
	if (ret->start >= ret->end || dev_major > UINT32_MAX || dev_minor > UINT32_MAX)
		return false;
	ret->dev_major = (uint32_t)dev_major;
	ret->dev_minor = (uint32_t)dev_minor;
	*ret_executable = rights.at[2] == 'x';
	while (line.at < line.end && *line.at == ' ')
		line.at++;
	classify(line, ret);
	ret->reach_start = ret->start;
	ret->reach_end = ret->end;
	*ret_reserve = is_reserve(ret, rights);
	return true;
}

/* JIT compilers map and protect page by page: neighbours without a file are one. */
static bool continues(const struct fg_mappings *mappings, const struct fg_mapping *mapping)
{
	const struct fg_mapping *last =
		mappings->count ? &mappings->items[mappings->count - 1] : NULL;

	return last && last->kind == FG_MAPPING_ANON && mapping->kind == FG_MAPPING_ANON &&
	       last->end == mapping->start && strcmp(last->path, mapping->path) == 0;
}

/* Files first: what lies in anonymous memory has no rows anyway. */
struct room {
	size_t anonymous; /* that may still be added */
	size_t files;     /* seen so far */
	/* Neighbouring reserves, and whether the last mapping added is among them: all executable
	 * pieces of a run are one mapping. */
	uint64_t run_start, run_end;
	bool run_added;
};

static void follow_run(struct fg_mappings *mappings, struct fg_mapping *mapping, bool reserve,
		       struct room *room)
{
	if (!reserve || mapping->start != room->run_end) {
		room->run_start = mapping->start;
		room->run_added = false;
	}
	room->run_end = reserve ? mapping->end : 0;
	if (reserve)
		mapping->reach_start = room->run_start;
	if (room->run_added)
		mappings->items[mappings->count - 1].reach_end = mapping->end;
}

static int add(struct fg_mappings *mappings, const struct fg_mapping *mapping, struct room *room,
	       struct fg_err *err)
{
	bool anonymous = mapping->kind == FG_MAPPING_ANON;

	if (room->run_added || continues(mappings, mapping)) {
		mappings->items[mappings->count - 1].end = mapping->end;
		mappings->items[mappings->count - 1].reach_end = mapping->end;
		return 0;
	}
	room->files += !anonymous;
	if (mappings->count == FG_MAPS_MAX || (anonymous && !room->anonymous)) {
		mappings->left_out++;
		return 0;
	}
	room->anonymous -= anonymous;
	int rc = FG_VEC_ROOM(mappings, items, count, capacity, FG_MAPS_MAX, err);

	if (rc)
		return fg_err_wrap(err, "executable mappings");
	mappings->items[mappings->count++] = *mapping;
	room->run_added = room->run_end != 0;
	return 0;
}

static int parse_lines(const char *text, size_t len, struct fg_mappings *mappings,
		       struct room *room, struct fg_err *err)
{
	struct slice rest = {text, text + len};
	uint64_t covered = 0;

	for (unsigned line_number = 1; rest.at < rest.end; line_number++) {
		struct slice line;
		struct fg_mapping mapping;
		bool executable, reserve;

		if (!take_until(&rest, '\n', &line)) {
			line = rest;
			rest.at = rest.end;
		}
		if (!parse_line(line, &mapping, &executable, &reserve) || mapping.start < covered)
			return fg_err_set(err, FG_E_INVALID, "maps line %u is malformed",
					  line_number);
		covered = mapping.end;
		follow_run(mappings, &mapping, reserve, room);
		int rc = executable ? add(mappings, &mapping, room, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int parse_all(const char *text, size_t len, struct fg_mappings *mappings, struct fg_err *err)
{
	struct room room = {.anonymous = FG_MAPS_MAX};
	int rc = parse_lines(text, len, mappings, &room, err);

	if (rc || !mappings->left_out)
		return rc;
	room = (struct room){.anonymous = FG_MAPS_MAX - FG_MIN(room.files, (size_t)FG_MAPS_MAX)};
	mappings->count = 0;
	mappings->left_out = 0;
	return parse_lines(text, len, mappings, &room, err);
}

int fg_mappings_parse(const char *text, size_t len, struct fg_mappings *ret, struct fg_err *err)
{
	struct fg_mappings mappings = {0};

	if (len > FG_MAPS_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "maps text of %zu bytes", len);
	int rc = parse_all(text, len, &mappings, err);

	if (rc)
		fg_mappings_done(&mappings);
	else
		*ret = mappings;
	return rc;
}

int fg_mappings_read(pid_t pid, struct fg_mappings *ret, struct fg_err *err)
{
	char path[64];
	FG_AUTO_CLOSE int fd = -1;
	FG_AUTO_BUF struct fg_buf text = {0};

	fg_buf_init(&text, FG_MAPS_TEXT_MAX);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fg_err_errno(err, errno, "%s", path);
	int rc = fg_file_read_fd(fd, path, FG_MAPS_TEXT_MAX, &text, err);

	if (rc)
		return rc;
	rc = fg_mappings_parse(text.data ? text.data : "", text.len, ret, err);
	return rc ? fg_err_wrap(err, "%s", path) : 0;
}

void fg_mappings_done(struct fg_mappings *mappings)
{
	if (!mappings)
		return;
	free(mappings->items);
	*mappings = (struct fg_mappings){0};
}

/* The mapped bytes against the file's, up to 1 MiB. A few may differ: breakpoints of uprobes. */
static bool same_content(pid_t pid, const struct fg_mapping *mapping, int fd)
{
	enum { CHUNK_BYTES = 4096, CHUNKS_MAX = 256, BREAKPOINTS_MAX = 16, PROOF_BYTES_MIN = 512 };
	char path[64], ours[CHUNK_BYTES], theirs[CHUNK_BYTES];
	FG_AUTO_CLOSE int memory = -1;
	size_t different = 0, compared = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return false;
	for (unsigned i = 0; i < CHUNKS_MAX; i++) {
		uint64_t at = (uint64_t)i * CHUNK_BYTES;

		if (at >= mapping->end - mapping->start)
			break;
		ssize_t got = pread(memory, theirs, CHUNK_BYTES, (off_t)(mapping->start + at));
		ssize_t have = pread(fd, ours, CHUNK_BYTES, (off_t)(mapping->offset + at));

		if (got <= 0 || have <= 0 || have > got)
			break; /* the last page of the file may be shorter than the mapping */
		for (ssize_t k = 0; k < have; k++)
			different += ours[k] != theirs[k];
		compared += (size_t)have;
		if (different > BREAKPOINTS_MAX)
			return false;
	}
	/* A file's last few bytes can be guessed: they prove nothing. */
	return compared >= PROOF_BYTES_MIN;
}

/* Same inode and device. Overlay and btrfs show other device numbers (older overlay: inodes too) in
 * maps than in stat; there the content decides. */
static bool same_file(pid_t pid, const struct fg_mapping *mapping, int fd)
{
	struct stat status;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		return false;
	if (status.st_ino == mapping->inode && major(status.st_dev) == mapping->dev_major &&
	    minor(status.st_dev) == mapping->dev_minor)
		return true;
	return same_content(pid, mapping, fd);
}

/* Through the kernel's own link to the mapped file: right for deleted files and other mount
 * namespaces. */
static int open_map_file(pid_t pid, const struct fg_mapping *mapping)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 (unsigned long long)mapping->start, (unsigned long long)mapping->end);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* By path, with symbolic links resolved inside the target's root: it must not lead us to files of
 * the host. */
static int open_in_root(pid_t pid, const struct fg_mapping *mapping)
{
	char root[64];
	FG_AUTO_CLOSE int dir = -1;
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT,
	};

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	return (int)syscall(SYS_openat2, dir, mapping->path, &how, sizeof(how));
}

/* -1 and errno of the first way when there is none. */
static int open_proven(pid_t pid, const struct fg_mapping *mapping)
{
	static int (*const ways[])(pid_t, const struct fg_mapping *) = {open_map_file,
									open_in_root};
	int first_errno = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(ways); i++) {
		int fd = ways[i](pid, mapping);

		if (fd >= 0 && same_file(pid, mapping, fd))
			return fd;
		if (!first_errno)
			first_errno = fd < 0 ? errno : ESTALE;
		if (fd >= 0)
			close(fd);
	}
	errno = first_errno;
	return -1;
}

struct slow_mapping {
	pid_t pid;
	const struct fg_mapping *mapping;
};

static int put_slow(const void *context, int memory)
{
	const struct slow_mapping *slow = context;
	int fd = open_proven(slow->pid, slow->mapping);

	return fd < 0 ? FG_SLOW_UNREADABLE : fg_slow_put_file(memory, fd);
}

bool fg_mapping_is_slow(pid_t pid, const struct fg_mapping *mapping)
{
	return mapping->kind == FG_MAPPING_FILE &&
	       fg_slow_device(pid, mapping->dev_major, mapping->dev_minor);
}

int fg_mapping_open(pid_t pid, const struct fg_mapping *mapping, struct fg_err *err)
{
	const struct slow_mapping slow = {pid, mapping};

	if (mapping->kind != FG_MAPPING_FILE)
		return fg_err_set(err, FG_E_UNSUPPORTED, "%s: not a file mapping", mapping->path);
	if (fg_mapping_is_slow(pid, mapping)) {
		int copy = fg_slow_run(put_slow, &slow, FG_SLOW_FILE_MS, err);

		return copy < 0 ? fg_err_wrap(err, "%s of process %d", mapping->path, pid) : copy;
	}
	int fd = open_proven(pid, mapping);

	return fd < 0 ? fg_err_errno(err, errno, "%s of process %d", mapping->path, pid) : fd;
}
