/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules that targets have mapped: opened once, their unwind rows copied into the kernel's
 * shards once, and announced to the client with the open file.
 *
 * Promises: a module's number and rows never change during a session, so a sample's frame means the
 * same for ever. Rows are not given back when a module is unmapped (bounded by FG_SHARDS_MAX).
 */
#ifndef FG_PROFILER_MODULES_H
#define FG_PROFILER_MODULES_H

#include <sys/types.h>

#include "profiler/session.h"
#include "profiler/unwind/mappings.h"
#include "profiler/unwind/table.h"
#include "profiler/wire.h"

enum { FG_MODULE_PARTS_MAX = 10, FG_MODULE_VDSO_BYTES_MAX = 256 << 10 };

/* Rows of [start, end) of the module's p_vaddr space, inside one shard. */
struct fg_module_part {
	uint64_t start, end;
	uint32_t shard, first_page;
};

struct fg_module {
	uint16_t id;
	enum fg_mapping_kind kind;
	uint64_t device, inode, image_hash;
	char path[512];
	struct fg_unwind_segment segments[FG_UNWIND_SEGMENTS_MAX];
	size_t segment_count;
	struct fg_module_part parts[FG_MODULE_PARTS_MAX];
	size_t part_count;           /* 0: no rows */
	uint64_t gap_start, gap_end; /* the longest code without rows: gap.h */
	bool is_go;
};

struct fg_modules {
	struct fg_session *session; /* NULL: no rows are made, nobody wants them */
	struct fg_wire *wire;
	struct fg_module *items;
	size_t count, capacity;
	uint32_t shard, shard_rows; /* fill level */
	uint32_t pages;
};

void fg_modules_init(struct fg_modules *modules, struct fg_session *session, struct fg_wire *wire);
void fg_modules_done(struct fg_modules *modules);
/** The module behind a file or vDSO mapping of `pid`, made at first sight. A module that cannot be
 *  opened or has no rows is still one. The pointer holds until the next call. */
int fg_modules_find(struct fg_modules *modules, pid_t pid, const struct fg_mapping *mapping,
		    const struct fg_module **ret, struct fg_err *err) FG_MUST_USE;
/** The executable segment that a mapping shows most of; NULL if none (then p_vaddr is unknown). */
const struct fg_unwind_segment *fg_module_segment(const struct fg_module *module,
						  const struct fg_mapping *mapping);
/** Rows that belong to no mapping of a process, among those of the modules. */
int fg_modules_place(struct fg_modules *modules, const struct fg_unwind_table *table,
		     struct fg_module_part parts[FG_MODULE_PARTS_MAX], size_t *ret_count,
		     struct fg_err *err) FG_MUST_USE;
/** What to take off an address of the mapping to get p_vaddr; `segment` as above. */
uint64_t fg_module_bias(const struct fg_module *module, const struct fg_mapping *mapping,
			const struct fg_unwind_segment *segment);
/** Whether an index of `page_count` pages fits behind `used` entries, in as many parts as a module
 * may have. */
bool fg_modules_pages_fit(uint32_t used, size_t page_count);
/** The ELF image of the vDSO that `mapping` is; how many bytes, or -1. */
ssize_t fg_module_read_vdso(pid_t pid, const struct fg_mapping *mapping, uint8_t *image,
			    size_t size_bytes);

#endif
