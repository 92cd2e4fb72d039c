/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/modules.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <xxhash.h>

#include "gate/base/vec.h"
#include "profiler/runtime_options.h"
#include "profiler/unwind/gap.h"
#include "profiler/unwind/memory_elf.h"
#include "profiler/wire.pb-c.h"

/* What opening a module yields before it is announced. */
struct opened {
	int fd;
	uint8_t *image;
	size_t image_len;
	uint8_t *memory; /* of a file that cannot be opened: what the process has of it */
	size_t memory_len;
	uint64_t image_hash; /* of the vDSO's image, or the file's size and time */
	char problem[256];
};

void fg_modules_init(struct fg_modules *modules, struct fg_session *session, struct fg_wire *wire)
{
	*modules = (struct fg_modules){.session = session, .wire = wire};
}

void fg_modules_done(struct fg_modules *modules)
{
	free(modules->items);
	modules->items = NULL;
	modules->count = 0;
	modules->capacity = 0;
}

const struct fg_unwind_segment *fg_module_segment(const struct fg_module *module,
						  const struct fg_mapping *mapping)
{
	const struct fg_unwind_segment *best = NULL;
	uint64_t best_overlap = 0, length = mapping->end - mapping->start;

	for (size_t i = 0; i < module->segment_count; i++) {
		const struct fg_unwind_segment *s = &module->segments[i];
		uint64_t from = FG_MAX(s->file_offset, mapping->offset);
		uint64_t to = FG_MIN(s->file_offset + s->file_size, mapping->offset + length);

		if (from < to && to - from > best_overlap) {
			best_overlap = to - from;
			best = s;
		}
	}
	return best;
}

uint64_t fg_module_bias(const struct fg_module *module, const struct fg_mapping *mapping,
			const struct fg_unwind_segment *segment)
{
	uint64_t bias = mapping->start - mapping->offset;

	if (segment)
		return bias + segment->file_offset - segment->vaddr;
	if (module->kind == FG_MAPPING_VDSO && module->segment_count)
		return mapping->start - (module->segments[0].vaddr & ~0xfffull);
	return bias;
}

static uint64_t device_of(const struct fg_mapping *mapping)
{
	return (uint64_t)mapping->dev_major << 32 | mapping->dev_minor;
}

/* `image_hash` 0: whatever its content. */
static const struct fg_module *lookup(const struct fg_modules *modules,
				      const struct fg_mapping *mapping, uint64_t image_hash)
{
	for (size_t i = 0; i < modules->count; i++) {
		const struct fg_module *module = &modules->items[i];

		if (module->kind != mapping->kind ||
		    (image_hash && module->image_hash != image_hash))
			continue;
		if (mapping->kind == FG_MAPPING_VDSO ||
		    (module->inode == mapping->inode && module->device == device_of(mapping) &&
		     strcmp(module->path, mapping->path) == 0))
			return module;
	}
	return NULL;
}

/* The number of rows that pages [from, to) need, with the row that reaches into the first one. */
static size_t rows_of_pages(const struct fg_unwind_table *table, size_t from, size_t to)
{
	return (size_t)table->page_rows[to] - table->page_rows[from] + 1;
}

/* As many pages from `from` on as fit into `room` rows. */
static size_t pages_that_fit(const struct fg_unwind_table *table, size_t from, size_t room)
{
	size_t low = from, high = table->page_count;

	while (low < high) {
		size_t middle = low + (high - low + 1) / 2;

		if (rows_of_pages(table, from, middle) <= room)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static int place_part(struct fg_modules *modules, const struct fg_unwind_table *table, size_t from,
		      size_t to, struct fg_module_part *part, struct fg_err *err)
{
	struct fg_unwind_row *rows;
	int rc = fg_session_shard(modules->session, modules->shard, &rows, err);

	if (rc)
		return rc;
	uint32_t first_row = table->page_rows[from];
	size_t count = rows_of_pages(table, from, to);
	uint32_t *pages = fg_session_pages(modules->session) + modules->pages;
	uint64_t base = table->vaddr_start >> FG_PAGE_SHIFT;

	memcpy(rows + modules->shard_rows, table->rows + first_row, count * sizeof(*rows));
	for (size_t i = from; i <= to; i++)
		pages[i - from] = table->page_rows[i] - first_row + modules->shard_rows;
	part->start = (base + from) << FG_PAGE_SHIFT;
	part->end = (base + to) << FG_PAGE_SHIFT;
	part->shard = modules->shard;
	part->first_page = modules->pages;
	modules->shard_rows += (uint32_t)count;
	modules->pages += (uint32_t)(to - from + 1);
	return 0;
}

/* Each part has one entry more than pages. Nothing is subtracted: what is used may already be
 * closer to the end than a module's parts. */
bool fg_modules_pages_fit(uint32_t used, size_t page_count)
{
	return page_count <= FG_PAGES_MAX &&
	       used + page_count + FG_MODULE_PARTS_MAX <= (size_t)FG_PAGES_MAX;
}

/* Copies rows and index; on failure the module simply has fewer parts. */
static int place_rows(struct fg_modules *modules, const struct fg_unwind_table *table,
		      struct fg_module *module, struct fg_err *err)
{
	if (!modules->session || !table->row_count || !table->page_count)
		return 0;
	if (!fg_modules_pages_fit(modules->pages, table->page_count))
		return fg_err_set(err, FG_E_LIMIT, "the page index is full");
	for (size_t from = 0; from < table->page_count;) {
		size_t room = (size_t)FG_ROWS_PER_SHARD - modules->shard_rows;
		size_t to = pages_that_fit(table, from, room);

		if (to == from) {
			if (modules->shard + 1 >= FG_SHARDS_MAX || !modules->shard_rows)
				return fg_err_set(err, FG_E_LIMIT, "the unwind rows are full");
			modules->shard++;
			modules->shard_rows = 0;
			continue;
		}
		if (module->part_count == FG_MODULE_PARTS_MAX)
			return fg_err_set(err, FG_E_LIMIT, "too many unwind rows in one module");
		int rc = place_part(modules, table, from, to, &module->parts[module->part_count],
				    err);

		if (rc)
			return rc;
		module->part_count++;
		from = to;
	}
	return 0;
}

int fg_modules_place(struct fg_modules *modules, const struct fg_unwind_table *table,
		     struct fg_module_part parts[FG_MODULE_PARTS_MAX], size_t *ret_count,
		     struct fg_err *err)
{
	const uint32_t shard = modules->shard, rows = modules->shard_rows, pages = modules->pages;
	struct fg_module unlisted = {0};
	int rc = place_rows(modules, table, &unlisted, err);

	if (rc) { /* nobody refers to the part that was placed */
		modules->shard = shard;
		modules->shard_rows = rows;
		modules->pages = pages;
		return rc;
	}
	memcpy(parts, unlisted.parts, sizeof(unlisted.parts));
	*ret_count = unlisted.part_count;
	return 0;
}

/* The kernel gives every process of a kind the same one: ours serves where the target's may not be
 * read (Yama's ptrace_scope). */
static ssize_t copy_own_vdso(uint8_t *image, size_t size_bytes)
{
	unsigned long start = getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *header = (const void *)start; /* NOLINT(performance-no-int-to-ptr) */

	if (!header)
		return -1;
	size_t len = (size_t)header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	if (!header->e_shoff || len > size_bytes)
		return -1;
	memcpy(image, header, len);
	return (ssize_t)len;
}

ssize_t fg_module_read_vdso(pid_t pid, const struct fg_mapping *mapping, uint8_t *image,
			    size_t size_bytes)
{
	char path[64];
	size_t len = (size_t)(mapping->end - mapping->start);

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES || errno == EPERM ? copy_own_vdso(image, size_bytes) : -1;
	ssize_t got = pread(fd, image, FG_MIN(len, size_bytes), (off_t)mapping->start);

	close(fd);
	return got;
}

static int read_image(pid_t pid, const struct fg_mapping *mapping, struct opened *opened,
		      struct fg_err *err)
{
	size_t len = (size_t)(mapping->end - mapping->start);

	if (len > FG_MODULE_VDSO_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "vDSO of %zu bytes", len);
	opened->image = malloc(FG_MODULE_VDSO_BYTES_MAX);
	if (!opened->image)
		return fg_err_nomem(err);
	ssize_t got = fg_module_read_vdso(pid, mapping, opened->image, FG_MODULE_VDSO_BYTES_MAX);

	if (got <= 0) {
		free(opened->image);
		opened->image = NULL;
		return fg_err_set(err, FG_E_IO, "the vDSO of process %d is not readable", (int)pid);
	}
	opened->image_len = (size_t)got;
	opened->image_hash = XXH3_64bits(opened->image, opened->image_len);
	return 0;
}

/* What tells a file from the one that was built over it since: the inode is the same, or is used
 * again. 0 when we may not look, or the mapping is gone. */
static uint64_t stamp_of(pid_t pid, const struct fg_mapping *mapping)
{
	char path[96];
	struct stat status;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid,
		       (unsigned long long)mapping->start, (unsigned long long)mapping->end);
	if (fg_mapping_is_slow(pid, mapping) || stat(path, &status) != 0)
		return 0;
	const uint64_t key[] = {(uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec,
				(uint64_t)status.st_size};

	return XXH3_64bits(key, sizeof(key));
}

static void note_problem(struct opened *opened, const struct fg_err *err)
{
	if (!opened->problem[0])
		(void)snprintf(opened->problem, sizeof(opened->problem), "%.255s", err->message);
}

static int announce(struct fg_modules *modules, const struct fg_module *module,
		    const struct fg_unwind_table *table, struct opened *opened, struct fg_err *err)
{
	Fg__Wire__Module message;
	Fg__Wire__Segment segments[FG_UNWIND_SEGMENTS_MAX];
	Fg__Wire__Segment *pointers[FG_UNWIND_SEGMENTS_MAX];
	char path[sizeof(module->path)];
	char build_id[sizeof(table->build_id)];
	int fd = opened->fd;

	fg__wire__module__init(&message);
	for (size_t i = 0; i < module->segment_count; i++) {
		fg__wire__segment__init(&segments[i]);
		segments[i].vaddr = module->segments[i].vaddr;
		segments[i].file_offset = module->segments[i].file_offset;
		segments[i].mem_size = module->segments[i].mem_size;
		pointers[i] = &segments[i];
	}
	(void)snprintf(path, sizeof(path), "%s", module->path);
	(void)snprintf(build_id, sizeof(build_id), "%s", table->build_id);
	message.id = module->id;
	message.path = path;
	message.build_id = build_id;
	message.has_fd = fd >= 0 && fg_wire_can_pass_fd(modules->wire);
	message.image.data = opened->image;
	message.image.len = opened->image_len;
	message.segments = pointers;
	message.n_segments = module->segment_count;
	message.rows = (uint32_t)table->row_count;
	message.problem = opened->problem;
	opened->fd = -1;
	return fg_wire_send(modules->wire, FG_WIRE_MODULE, &message.base, fd, err);
}

static int build_table(const struct fg_modules *modules, const struct fg_mapping *mapping,
		       const struct opened *opened, struct fg_unwind_table *table,
		       struct fg_err *err)
{
	if (opened->image)
		return fg_unwind_table_build_memory(opened->image, opened->image_len, mapping->path,
						    table, err);
	if (opened->memory)
		return fg_unwind_table_build_memory(opened->memory, opened->memory_len,
						    mapping->path, table, err);
	if (opened->fd >= 0 && !modules->session)
		return fg_unwind_table_describe(opened->fd, mapping->path, table, err);
	if (opened->fd >= 0)
		return fg_unwind_table_build(opened->fd, mapping->path, table, err);
	return 0;
}

/* Builds, places and announces. Only a broken stream or no memory is an error: a module that
 * cannot be read becomes one without rows, and says why. */
static int add_module(struct fg_modules *modules, const struct fg_mapping *mapping,
		      struct opened *opened, const struct fg_module **ret, struct fg_err *err)
{
	struct fg_unwind_table table = {0};
	struct fg_err problem = {0};
	int rc = FG_VEC_ROOM(modules, items, count, capacity, FG_MODULES_MAX, err);

	if (rc)
		return rc;
	struct fg_module *module = &modules->items[modules->count];

	memset(module, 0, sizeof(*module));
	module->id = (uint16_t)(FG_MODULE_FIRST + modules->count);
	module->kind = mapping->kind;
	module->device = device_of(mapping);
	module->inode = mapping->inode;
	module->image_hash = opened->image_hash;
	(void)snprintf(module->path, sizeof(module->path), "%s", mapping->path);
	rc = 0;
	rc = build_table(modules, mapping, opened, &table, &problem);
	if (!rc && table.machine)
		rc = fg_unwind_table_check_own(&table, mapping->path, &problem);
	if (rc) {
		note_problem(opened, &problem);
		fg_unwind_table_done(&table);
		memset(&table, 0, sizeof(table));
	}
	memcpy(module->segments, table.segments, sizeof(module->segments));
	module->segment_count = table.segment_count;
	module->is_go = table.is_go;
	(void)fg_unwind_table_gap(&table, &module->gap_start, &module->gap_end);
	if (fg_runtime_of_library(module->path) == FG_RUNTIME_JAVA)
		fg_unwind_table_fill_leaves(&table);
	if (place_rows(modules, &table, module, &problem) != 0)
		note_problem(opened, &problem);
	modules->count++;
	rc = announce(modules, module, &table, opened, err);
	fg_unwind_table_done(&table);
	*ret = module;
	return rc;
}

/* Stacks stay whole; names are lost with the file, unless its build id leads to a debug file. */
static void take_from_memory(pid_t pid, const struct fg_mapping *mapping, struct opened *opened,
			     const struct fg_err *why)
{
	bool got =
		fg_memory_elf_read(pid, mapping, &opened->memory, &opened->memory_len, NULL) == 0;

	(void)snprintf(opened->problem, sizeof(opened->problem), "%.150s%s", why->message,
		       got ? "; unwound from memory, without names" : "");
}

int fg_modules_find(struct fg_modules *modules, pid_t pid, const struct fg_mapping *mapping,
		    const struct fg_module **ret, struct fg_err *err)
{
	struct opened opened = {.fd = -1};
	struct fg_err problem = {0};
	const struct fg_module *known;
	int rc = 0;

	if (mapping->kind == FG_MAPPING_VDSO) {
		if (read_image(pid, mapping, &opened, &problem) != 0)
			note_problem(&opened, &problem);
	} else {
		opened.image_hash = stamp_of(pid, mapping);
	}
	known = lookup(modules, mapping, opened.image_hash);
	if (known) {
		*ret = known;
	} else {
		if (mapping->kind == FG_MAPPING_FILE) {
			opened.fd = fg_mapping_open(pid, mapping, &problem);
			if (opened.fd < 0)
				take_from_memory(pid, mapping, &opened, &problem);
		}
		rc = add_module(modules, mapping, &opened, ret, err);
	}
	if (opened.fd >= 0)
		close(opened.fd);
	free(opened.image);
	free(opened.memory);
	return rc;
}
