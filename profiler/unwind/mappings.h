/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/maps → executable mappings. Pure text parsing (fuzzed) plus one reader.
 *
 * Tool, helper and target may be in containers of their own: files are opened through
 * /proc/PID/map_files, else below /proc/PID/root, proven by inode or content; where neither works
 * the rows come from the target's memory (memory_elf.c): whole stacks without names.
 */
#ifndef FG_UNWIND_MAPPINGS_H
#define FG_UNWIND_MAPPINGS_H

#include <sys/types.h>

#include "gate/base/err.h"

enum { FG_MAPS_TEXT_MAX = 16 << 20, FG_MAPS_MAX = 4096 };

enum fg_mapping_kind { FG_MAPPING_FILE, FG_MAPPING_ANON, FG_MAPPING_VDSO, FG_MAPPING_VSYSCALL };

struct fg_mapping {
	uint64_t start, end, offset, inode;
	uint32_t dev_major, dev_minor;
	enum fg_mapping_kind kind;
	bool deleted;
	/* Around memory without a file: what its owner reserved beside it and will make
	 * executable when it needs it. */
	uint64_t reach_start, reach_end;
	char path[512];
};
struct fg_mappings {
	struct fg_mapping *items; /* executable ones, ascending */
	size_t count, capacity;
	size_t left_out; /* beyond FG_MAPS_MAX */
};

int fg_mappings_parse(const char *text, size_t len, struct fg_mappings *ret,
		      struct fg_err *err) FG_MUST_USE;
int fg_mappings_read(pid_t pid, struct fg_mappings *ret, struct fg_err *err) FG_MUST_USE;
void fg_mappings_done(struct fg_mappings *mappings);
/** Its file system is a process's (FUSE), which may keep whoever asks it waiting: not to be touched
 *  but by fg_mapping_open(), which gives a copy. */
bool fg_mapping_is_slow(pid_t pid, const struct fg_mapping *mapping);
/** Opens the mapped file as the kernel sees it: /proc/PID/map_files/…, else /proc/PID/root/path,
 *  checked against inode and device. Returns a descriptor or a negative error code. */
int fg_mapping_open(pid_t pid, const struct fg_mapping *mapping, struct fg_err *err);

#endif
