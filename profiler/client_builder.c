/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include <xxhash.h>

#include "gate/base/file.h"
#include "profiler/client_names.h"

static_assert((int)FG_PROFILER_SHORT == (int)FG_NAME_SHORT &&
		      (int)FG_PROFILER_RAW == (int)FG_NAME_RAW,
	      "both sides name the same styles");

enum { KALLSYMS_MAX = 64 << 20, FIRST_SLOTS = 4096 };

int64_t fg_builder_text(struct fg_builder *builder, const char *text, struct fg_err *err)
{
	return fg_profile_string(builder->profile, text, strlen(text), err);
}

int64_t fg_builder_module(struct fg_builder *builder, const char *path, const char *build_id,
			  const struct fg_client_module *range, struct fg_err *err)
{
	struct fg_pmodule module = {0};
	int64_t path_index = fg_builder_text(builder, path, err);
	int64_t id_index = path_index < 0 ? path_index : fg_builder_text(builder, build_id, err);

	if (id_index < 0)
		return id_index;
	module.path = (uint32_t)path_index;
	module.build_id = (uint32_t)id_index;
	if (range) {
		module.start = range->start;
		module.limit = range->limit;
		module.file_offset = range->file_offset;
	}
	return fg_profile_module(builder->profile, &module, err);
}

/* The symboliser takes a path, and reopening the descriptor's own would ask for our rights instead
 * of the helper's; so its text goes through a memory file. */
static int copy_kallsyms(struct fg_builder *builder, char path[64], struct fg_err *err)
{
	struct fg_buf text;
	int from = builder->profiler->kallsyms_fd;

	fg_buf_init(&text, KALLSYMS_MAX);
	int rc = lseek(from, 0, SEEK_SET) == 0
			 ? fg_file_read_fd(from, "/proc/kallsyms", KALLSYMS_MAX, &text, err)
			 : fg_err_errno(err, errno, "/proc/kallsyms");

	if (!rc) {
		builder->kallsyms_copy = memfd_create("kallsyms", MFD_CLOEXEC);
		rc = builder->kallsyms_copy < 0
			     ? fg_err_errno(err, errno, "memfd")
			     : fg_file_write_fd(builder->kallsyms_copy, "kallsyms", text.data,
						text.len, err);
	}
	fg_buf_done(&text);
	(void)snprintf(path, 64, "/proc/self/fd/%d", builder->kallsyms_copy);
	return rc;
}

/* A file that was written to since its samples were taken would give them another build's names:
 * then they get none. */
static bool is_unchanged(const struct fg_client_module *module)
{
	const struct stat *then = &module->status;
	struct stat now;

	return module->fd >= 0 && fstat(module->fd, &now) == 0 && now.st_size == then->st_size &&
	       now.st_mtim.tv_sec == then->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

static int add_module(struct fg_builder *builder, size_t i, struct fg_err *err)
{
	const struct fg_client_module *module = &builder->profiler->modules[i];
	int64_t index = fg_builder_module(builder, module->path, module->build_id, module, err);
	int handle;

	if (index < 0)
		return (int)index;
	builder->modules[i] = (uint32_t)index;
	if (module->image) {
		handle = fg_symbolizer_add_image(builder->symbolizer, module->image,
						 module->image_len, module->path, err);
	} else {
		int fd = is_unchanged(module) ? dup(module->fd) : -1;

		handle = fg_symbolizer_add_module(builder->symbolizer, fd, module->path, err);
	}
	builder->handles[i] = handle;
	return handle < 0 ? handle : 0;
}

static int init_tables(struct fg_builder *builder, struct fg_err *err)
{
	struct fg_profiler *profiler = builder->profiler;
	size_t modules = profiler->module_count + 1, stacks = profiler->samples.stack_count + 1;

	builder->modules = calloc(modules, sizeof(*builder->modules));
	builder->handles = calloc(modules, sizeof(*builder->handles));
	builder->stacks = malloc(stacks * sizeof(*builder->stacks));
	builder->leaf_unnamed = calloc(stacks, sizeof(*builder->leaf_unnamed));
	builder->slots = calloc(FIRST_SLOTS, sizeof(*builder->slots));
	if (!builder->modules || !builder->handles || !builder->stacks || !builder->leaf_unnamed ||
	    !builder->slots)
		return fg_err_nomem(err);
	builder->slot_count = FIRST_SLOTS;
	for (size_t i = 0; i < FIRST_SLOTS; i++)
		builder->slots[i].location = FG_NO_INDEX;
	for (size_t i = 0; i < stacks; i++)
		builder->stacks[i] = FG_NO_INDEX;
	return 0;
}

int fg_builder_init(struct fg_builder *builder, struct fg_profiler *profiler,
		    const struct fg_profiler_symbols *symbols, struct fg_err *err)
{
	struct fg_symbolizer_options options = {
		.inlines = true,
		.style = (enum fg_name_style)symbols->demangle,
		.fetch = {symbols->open_debug, symbols->context},
	};
	struct fg_err ignored;
	char kallsyms[64];

	*builder = (struct fg_builder){.profiler = profiler, .kallsyms_copy = -1};
	int rc = init_tables(builder, err);

	if (rc)
		return rc;
	if (builder->profiler->kallsyms_fd >= 0 && copy_kallsyms(builder, kallsyms, &ignored) == 0)
		options.kallsyms_path = kallsyms;
	rc = fg_symbolizer_new(&options, &builder->symbolizer, err);
	if (!rc)
		rc = fg_profile_new(&builder->profile, err);
	if (rc)
		return rc;
	int64_t kernel = fg_builder_module(builder, "[kernel.kallsyms]", "", NULL, err);
	int64_t none = kernel < 0 ? kernel : fg_builder_module(builder, "", "", NULL, err);

	if (none < 0)
		return (int)none;
	builder->kernel_module = (uint32_t)kernel;
	builder->no_module = (uint32_t)none;
	for (size_t i = 0; !rc && i < builder->profiler->module_count; i++)
		rc = add_module(builder, i, err);
	return rc ? rc : fg_names_begin(builder, err);
}

void fg_builder_done(struct fg_builder *builder)
{
	fg_symbolizer_free(builder->symbolizer);
	fg_profile_free(builder->profile);
	if (builder->kallsyms_copy >= 0)
		close(builder->kallsyms_copy);
	free(builder->modules);
	free(builder->handles);
	free(builder->slots);
	free(builder->code_processes);
	free(builder->stacks);
	free(builder->leaf_unnamed);
}

static int64_t add_line(struct fg_builder *builder, uint32_t module,
			const struct fg_symbol_line *from, struct fg_pline *to, struct fg_err *err)
{
	int64_t name = fg_builder_text(builder, from->name, err);
	int64_t system_name = name < 0 ? name : fg_builder_text(builder, from->system_name, err);
	int64_t filename =
		system_name < 0 ? system_name : fg_builder_text(builder, from->filename, err);

	if (filename < 0)
		return filename;
	const struct fg_pfunction function = {
		.name = (uint32_t)name,
		.system_name = (uint32_t)system_name,
		.filename = (uint32_t)filename,
		.start_line = from->start_line,
		.module = module,
	};
	int64_t index = fg_profile_function(builder->profile, &function, err);

	if (index >= 0)
		*to = (struct fg_pline){.function = (uint32_t)index, .line = from->line};
	return index;
}

int64_t fg_builder_symbol(struct fg_builder *builder, struct fg_plocation *location,
			  const struct fg_symbol *symbol, struct fg_err *err)
{
	struct fg_pline lines[FG_SYMBOL_INLINE_MAX];
	size_t count = FG_MIN(symbol->line_count, FG_ARRAY_LEN(lines));

	for (size_t i = 0; i < count; i++) {
		int64_t rc = add_line(builder, location->module, &symbol->lines[i], &lines[i], err);

		if (rc < 0)
			return rc;
	}
	location->line_count = (uint32_t)count;
	return fg_profile_location(builder->profile, location, lines, err);
}

int64_t fg_builder_placeholder(struct fg_builder *builder, const char *name, uint32_t flags,
			       struct fg_err *err)
{
	struct fg_plocation location = {.module = builder->no_module, .flags = flags};
	const struct fg_symbol symbol = {
		.line_count = 1,
		.lines = {{.name = name, .system_name = name, .filename = ""}},
	};

	return fg_builder_symbol(builder, &location, &symbol, err);
}

/* Kernel addresses stay out of the profile: they would tell where this kernel lies in memory. */
static int64_t resolve_kernel(struct fg_builder *builder, uint64_t address, bool *ret_unnamed,
			      struct fg_err *err)
{
	struct fg_plocation location = {.module = builder->kernel_module, .flags = FG_LOC_KERNEL};
	struct fg_symbol symbol;
	int rc = fg_symbolizer_resolve_kernel(builder->symbolizer, address, &symbol, err);

	if (rc)
		return rc;
	*ret_unnamed = !symbol.named;
	if (!symbol.named)
		location.flags |= FG_LOC_UNNAMED;
	return fg_builder_symbol(builder, &location, &symbol, err);
}

static int64_t resolve_user(struct fg_builder *builder, uint64_t frame, uint32_t context,
			    bool *ret_unnamed, struct fg_err *err)
{
	uint64_t address = frame & FG_FRAME_ADDRESS_MASK;
	uint64_t id = (frame & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT;
	uint32_t guessed = frame & FG_FRAME_GUESSED ? FG_LOC_GUESSED : 0;
	struct fg_generated_name name;
	struct fg_symbol symbol;

	*ret_unnamed = true;
	if (id == FG_MODULE_SCRIPT)
		return fg_client_script_location(builder, frame, ret_unnamed, err);
	if (id == FG_MODULE_ANON)
		return fg_names_location(builder, context, address, guessed, ret_unnamed, err);
	if (id < FG_MODULE_FIRST || id - FG_MODULE_FIRST >= builder->profiler->module_count)
		return fg_builder_placeholder(builder, "[unknown]",
					      FG_LOC_PLACEHOLDER | FG_LOC_UNNAMED | guessed, err);
	size_t module = (size_t)id - FG_MODULE_FIRST;
	struct fg_plocation location = {
		.module = builder->modules[module], .flags = guessed, .address = address};
	int rc = fg_symbolizer_resolve(builder->symbolizer, builder->handles[module], address,
				       &symbol, err);

	if (!rc)
		rc = fg_names_builtin(builder, module, address, &symbol, &name, err);
	if (rc)
		return rc;
	*ret_unnamed = !symbol.named;
	if (!symbol.named)
		location.flags |= FG_LOC_UNNAMED;
	return fg_builder_symbol(builder, &location, &symbol, err);
}

static struct fg_location_slot *find_slot(struct fg_builder *builder, uint64_t frame,
					  uint32_t context)
{
	const uint64_t key[] = {frame, context};
	size_t mask = builder->slot_count - 1;
	size_t i = (size_t)XXH3_64bits(key, sizeof(key)) & mask;

	while (builder->slots[i].location != FG_NO_INDEX &&
	       (builder->slots[i].frame != frame || builder->slots[i].context != context))
		i = (i + 1) & mask;
	return &builder->slots[i];
}

static int grow_slots(struct fg_builder *builder, struct fg_err *err)
{
	struct fg_location_slot *old = builder->slots;
	size_t old_count = builder->slot_count;

	if (builder->slots_used * 2 < old_count)
		return 0;
	struct fg_location_slot *slots = calloc(old_count * 2, sizeof(*slots));

	if (!slots)
		return fg_err_nomem(err);
	builder->slots = slots;
	builder->slot_count = old_count * 2;
	for (size_t i = 0; i < builder->slot_count; i++)
		slots[i].location = FG_NO_INDEX;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].location != FG_NO_INDEX)
			*find_slot(builder, old[i].frame, old[i].context) = old[i];
	}
	free(old);
	return 0;
}

/* Each distinct frame is symbolised once. User frames never have all of the top bits set, so the
 * two kinds share the table. */
int64_t fg_builder_location(struct fg_builder *builder, uint64_t frame, uint32_t context,
			    bool kernel, bool *ret_unnamed, struct fg_err *err)
{
	int rc = grow_slots(builder, err);

	if (kernel || (frame & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT != FG_MODULE_ANON)
		context = 0; /* the same in every process */

	if (rc)
		return rc;
	struct fg_location_slot *slot = find_slot(builder, frame, context);

	if (slot->location == FG_NO_INDEX) {
		bool unnamed = true;
		int64_t location = kernel ? resolve_kernel(builder, frame, &unnamed, err)
					  : resolve_user(builder, frame, context, &unnamed, err);

		if (location < 0)
			return location;
		slot->frame = frame;
		slot->context = context;
		slot->location = (uint32_t)location;
		slot->unnamed = unnamed;
		builder->slots_used++;
	}
	*ret_unnamed = slot->unnamed;
	return slot->location;
}
