/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/perf_space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include <xxhash.h>

#include "gate/base/file.h"
#include "gate/base/vec.h"
#include "profiler/target_memory.h"
#include "profiler/unwind/memory_elf.h"

enum { RANGES_MAX = 4096 };

struct range {
	uint64_t start, end, bias;
	uint16_t module;
};

struct fg_perf_space {
	uint32_t users;
	uint64_t hash;
	bool frame_pointers;  /* kept by code without a file */
	struct fg_dwfl *dwfl; /* NULL: libdwfl knows none of the modules */
	struct range *ranges; /* ascending */
	size_t count, capacity;
	struct fg_dwfl_stack stack;
};

void fg_perf_files_done(struct fg_perf_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		if (files->items[i] > 0)
			close(files->items[i] - 1);
	}
	free(files->items);
	*files = (struct fg_perf_files){0};
}

/* libdwfl wants a file. */
static int store(const uint8_t *image, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < len;) {
		ssize_t written = write(fd, image + done, len - done);

		if (written <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)written;
	}
	return fd;
}

static int store_vdso(uint32_t pid, const struct fg_mapping *mapping)
{
	uint8_t *image = malloc(FG_MODULE_VDSO_BYTES_MAX);
	ssize_t got =
		image ? fg_module_read_vdso((pid_t)pid, mapping, image, FG_MODULE_VDSO_BYTES_MAX)
		      : -1;
	int fd = got > 0 ? store(image, (size_t)got) : -1;

	free(image);
	return fd;
}

static int open_or_store(uint32_t pid, const struct fg_mapping *mapping)
{
	uint8_t *image = NULL;
	size_t len;
	int fd = fg_mapping_open((pid_t)pid, mapping, NULL);

	if (fd < 0 && fg_memory_elf_read((pid_t)pid, mapping, &image, &len, NULL) == 0)
		fd = store(image, len);
	free(image);
	return fd;
}

/* -1: there is none. The descriptor stays ours. */
static int file_of(struct fg_perf_files *files, uint32_t pid, const struct fg_mapping *mapping,
		   const struct fg_module *module)
{
	size_t index = (size_t)module->id - FG_MODULE_FIRST;

	if (fg_vec_grow((void **)&files->items, &files->capacity, index + 1, FG_MODULES_MAX,
			sizeof(*files->items), NULL) != 0)
		return -1;
	files->count = FG_MAX(files->count, index + 1);
	if (files->items[index] == 0) {
		int fd = mapping->kind == FG_MAPPING_VDSO ? store_vdso(pid, mapping)
							  : open_or_store(pid, mapping);

		files->items[index] = fd < 0 ? -1 : fd + 1;
	}
	return files->items[index] < 0 ? -1 : files->items[index] - 1;
}

/* Whether libdwfl has the module already: its other mappings at the same bias come with it. V8 maps
 * a part of its text once more elsewhere; that has no rules of its own. */
static bool is_reported(const struct fg_perf_space *space, uint16_t module)
{
	for (size_t i = 0; i < space->count; i++) {
		if (space->ranges[i].module == module)
			return true;
	}
	return false;
}

static int add_mapping(struct fg_perf_space *space, struct fg_modules *modules,
		       struct fg_perf_files *files, uint32_t pid, const struct fg_mapping *mapping,
		       struct fg_err *err)
{
	struct range range = {mapping->start, mapping->end, 0, FG_MODULE_ANON};
	int rc = FG_VEC_ROOM(space, ranges, count, capacity, RANGES_MAX, err);

	if (!rc && mapping->kind != FG_MAPPING_ANON) {
		const struct fg_module *module;

		rc = fg_modules_find(modules, (pid_t)pid, mapping, &module, err);
		if (rc)
			return rc;
		const struct fg_unwind_segment *segment = fg_module_segment(module, mapping);
		int fd = is_reported(space, module->id) ? -1 : file_of(files, pid, mapping, module);

		range.module = module->id;
		range.bias = fg_module_bias(module, mapping, segment);
		/* A file that libdwfl refuses ends stacks: their result says so. */
		if (fd >= 0 && (segment || mapping->kind == FG_MAPPING_VDSO))
			FG_IGNORE(fg_dwfl_add(space->dwfl, module->path, fd, range.bias, NULL));
	}
	if (!rc)
		space->ranges[space->count++] = range;
	return rc;
}

static uint64_t hash_ranges(const struct fg_perf_space *space)
{
	uint64_t hash = space->count + 1;

	for (size_t i = 0; i < space->count; i++) {
		const struct range *r = &space->ranges[i];
		const uint64_t key[] = {hash, r->start, r->end, r->bias, r->module};

		hash = XXH3_64bits(key, sizeof(key));
	}
	return hash;
}

static int fill(struct fg_perf_space *space, struct fg_modules *modules,
		struct fg_perf_files *files, uint32_t pid, const struct fg_mappings *mappings,
		struct fg_err *err)
{
	int rc = fg_dwfl_new(&space->dwfl, err);

	for (size_t i = 0; !rc && i < mappings->count; i++) {
		if (mappings->items[i].kind != FG_MAPPING_VSYSCALL)
			rc = add_mapping(space, modules, files, pid, &mappings->items[i], err);
	}
	if (rc)
		return rc;
	space->hash = hash_ranges(space);
	if (fg_dwfl_seal(space->dwfl, NULL) != 0) {
		fg_dwfl_free(space->dwfl);
		space->dwfl = NULL;
	}
	return 0;
}

int fg_perf_space_new(struct fg_modules *modules, struct fg_perf_files *files, uint32_t pid,
		      const struct fg_mappings *mappings, struct fg_perf_space **ret,
		      struct fg_err *err)
{
	struct fg_perf_space *space = calloc(1, sizeof(*space));

	if (!space)
		return fg_err_nomem(err);
	space->users = 1;
	int rc = fill(space, modules, files, pid, mappings, err);

	if (rc)
		fg_perf_space_unref(space);
	else
		*ret = space;
	return rc;
}

void fg_perf_space_trust(struct fg_perf_space *space, bool frame_pointers)
{
	space->frame_pointers = frame_pointers;
}

uint64_t fg_perf_space_hash(const struct fg_perf_space *space)
{
	return space->hash;
}

struct fg_perf_space *fg_perf_space_ref(struct fg_perf_space *space)
{
	space->users++;
	return space;
}

void fg_perf_space_unref(struct fg_perf_space *space)
{
	if (!space || --space->users)
		return;
	fg_dwfl_free(space->dwfl);
	free(space->ranges);
	free(space);
}

static const struct range *find_range(const struct fg_perf_space *space, uint64_t address)
{
	size_t low = 0, high = space->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < space->count && space->ranges[low].start <= address ? &space->ranges[low]
									 : NULL;
}

uint64_t fg_perf_space_frame(const struct fg_perf_space *space, uint64_t address)
{
	const struct range *range = find_range(space, address);

	if (!range)
		return 0;
	return (uint64_t)range->module << FG_FRAME_MODULE_SHIFT |
	       ((address - range->bias) & FG_FRAME_ADDRESS_MASK);
}

struct reader {
	const struct fg_perf_space *space;
	uint32_t pid;
};

/* The stack has moved on since the copy was taken; code and what lies with it has not. */
static bool read_code(void *context, uint64_t address, uint64_t *ret)
{
	const struct reader *reader = context;
	const struct range *range = find_range(reader->space, address);

	if (!range || range->module < FG_MODULE_FIRST || range->end - address < sizeof(*ret))
		return false;
	return fg_target_memory_read_once((pid_t)reader->pid, address, ret, sizeof(*ret));
}

static bool is_anonymous(uint64_t frame)
{
	return (frame & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT == FG_MODULE_ANON;
}

static void emit(const struct fg_perf_space *space, struct fg_bpf_sample *sample)
{
	const struct fg_dwfl_stack *stack = &space->stack;
	uint64_t *out = sample->frames + sample->kernel_count;
	size_t guessed = 0;

	for (size_t i = 0; i < stack->count; i++) {
		uint64_t frame = fg_perf_space_frame(space, stack->frames[i].address);
		bool guess = stack->frames[i].guessed &&
			     !(i && space->frame_pointers && is_anonymous(out[i - 1]));

		out[i] = frame | (guess ? FG_FRAME_GUESSED : 0);
		guessed += guess;
		/* For libdwfl both are no module; we know executable memory without a file. */
		if (i + 1 == stack->count && sample->result == FG_BPF_NO_MAPPING && frame)
			sample->result = FG_BPF_GAP;
	}
	sample->user_count = (uint16_t)stack->count;
	sample->guessed = (uint8_t)FG_MIN(guessed, (size_t)UINT8_MAX);
}

void fg_perf_space_unwind(struct fg_perf_space *space, uint32_t pid,
			  const struct fg_perf_record *record, struct fg_bpf_sample *sample)
{
	struct reader reader = {space, pid};
	const struct fg_dwfl_input input = {
		.regs = record->regs,
		.stack = record->stack,
		.stack_bytes = record->stack_bytes,
		.read = read_code,
		.read_context = &reader,
	};

	if (!space->dwfl) {
		sample->frames[sample->kernel_count] =
			fg_perf_space_frame(space, fg_dwfl_leaf(&input));
		sample->user_count = 1;
		sample->result = FG_BPF_GAP;
		return;
	}
	fg_dwfl_unwind(space->dwfl, &input, &space->stack);
	sample->result = (uint8_t)space->stack.result;
	emit(space, sample);
}

uint64_t fg_perf_space_fault(const struct fg_perf_space *space)
{
	return space->stack.fault;
}
