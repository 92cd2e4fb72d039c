/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include <xxhash.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "profiler/symbol/symbolizer.h"

static_assert((int)FG_BPF_COMPLETE == (int)FG_STACK_COMPLETE &&
		      (int)FG_BPF_NO_MAPPING == (int)FG_STACK_NO_MAPPING &&
		      (int)FG_BPF_GAP == (int)FG_STACK_GAP &&
		      (int)FG_BPF_UNSUPPORTED == (int)FG_STACK_UNSUPPORTED &&
		      (int)FG_BPF_READ_FAULT == (int)FG_STACK_READ_FAULT &&
		      (int)FG_BPF_DEPTH == (int)FG_STACK_DEPTH &&
		      (int)FG_BPF_BAD == (int)FG_STACK_BAD &&
		      (int)FG_BPF_KERNEL_ONLY == (int)FG_STACK_KERNEL_ONLY,
	      "both sides name the same results");

enum { KALLSYMS_MAX = 64 << 20, FIRST_SLOTS = 4096 };
#define NO_INDEX UINT32_MAX

struct location_slot {
	uint64_t frame;
	uint32_t location; /* NO_INDEX: free */
	bool unnamed;
};

/* Everything that building one profile needs. */
struct builder {
	struct fg_profiler *profiler;
	struct fg_profile *profile;
	struct fg_symbolizer *symbolizer;
	int kallsyms_copy;
	uint32_t kernel_module, no_module;
	uint32_t *modules; /* client module → profile module */
	int *handles;      /* client module → symbolizer's */
	struct location_slot *slots;
	size_t slot_count, slots_used;
	uint32_t *stacks; /* raw stack → profile stack, NO_INDEX until needed */
	bool *leaf_unnamed;
	uint32_t truncated; /* location */
};

static int64_t intern_text(struct builder *builder, const char *text, struct fg_err *err)
{
	return fg_profile_string(builder->profile, text, strlen(text), err);
}

static int64_t add_profile_module(struct builder *builder, const char *path, const char *build_id,
				  const struct fg_client_module *range, struct fg_err *err)
{
	struct fg_pmodule module = {0};
	int64_t path_index = intern_text(builder, path, err);
	int64_t id_index = path_index < 0 ? path_index : intern_text(builder, build_id, err);

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
static int copy_kallsyms(struct builder *builder, char path[64], struct fg_err *err)
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

static int add_module(struct builder *builder, size_t i, struct fg_err *err)
{
	const struct fg_client_module *module = &builder->profiler->modules[i];
	int64_t index = add_profile_module(builder, module->path, module->build_id, module, err);
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

static int init_tables(struct builder *builder, struct fg_err *err)
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
		builder->slots[i].location = NO_INDEX;
	for (size_t i = 0; i < stacks; i++)
		builder->stacks[i] = NO_INDEX;
	return 0;
}

static int init_builder(struct builder *builder, struct fg_err *err)
{
	struct fg_symbolizer_options options = {.inlines = true};
	struct fg_err ignored;
	char kallsyms[64];
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
	int64_t kernel = add_profile_module(builder, "[kernel.kallsyms]", "", NULL, err);
	int64_t none = kernel < 0 ? kernel : add_profile_module(builder, "", "", NULL, err);

	if (none < 0)
		return (int)none;
	builder->kernel_module = (uint32_t)kernel;
	builder->no_module = (uint32_t)none;
	for (size_t i = 0; !rc && i < builder->profiler->module_count; i++)
		rc = add_module(builder, i, err);
	return rc;
}

static void done_builder(struct builder *builder)
{
	fg_symbolizer_free(builder->symbolizer);
	fg_profile_free(builder->profile);
	if (builder->kallsyms_copy >= 0)
		close(builder->kallsyms_copy);
	free(builder->modules);
	free(builder->handles);
	free(builder->slots);
	free(builder->stacks);
	free(builder->leaf_unnamed);
}

static int64_t add_line(struct builder *builder, uint32_t module, const struct fg_symbol_line *from,
			struct fg_pline *to, struct fg_err *err)
{
	int64_t name = intern_text(builder, from->name, err);
	int64_t system_name = name < 0 ? name : intern_text(builder, from->system_name, err);
	int64_t filename =
		system_name < 0 ? system_name : intern_text(builder, from->filename, err);

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

static int64_t add_location(struct builder *builder, struct fg_plocation *location,
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

static int64_t add_placeholder(struct builder *builder, const char *name, uint32_t flags,
			       struct fg_err *err)
{
	struct fg_plocation location = {.module = builder->no_module, .flags = flags};
	const struct fg_symbol symbol = {
		.line_count = 1,
		.lines = {{.name = name, .system_name = name, .filename = ""}},
	};

	return add_location(builder, &location, &symbol, err);
}

/* Kernel addresses stay out of the profile: they would tell where this kernel lies in memory. */
static int64_t resolve_kernel(struct builder *builder, uint64_t address, bool *ret_unnamed,
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
	return add_location(builder, &location, &symbol, err);
}

static int64_t resolve_user(struct builder *builder, uint64_t frame, bool *ret_unnamed,
			    struct fg_err *err)
{
	uint64_t address = frame & FG_FRAME_ADDRESS_MASK;
	uint64_t id = (frame & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT;
	uint32_t guessed = frame & FG_FRAME_GUESSED ? FG_LOC_GUESSED : 0;
	struct fg_symbol symbol;

	*ret_unnamed = true;
	if (id == FG_MODULE_ANON)
		return add_placeholder(builder, "[jit]", FG_LOC_JIT | FG_LOC_UNNAMED | guessed,
				       err);
	if (id < FG_MODULE_FIRST || id - FG_MODULE_FIRST >= builder->profiler->module_count)
		return add_placeholder(builder, "[unknown]",
				       FG_LOC_PLACEHOLDER | FG_LOC_UNNAMED | guessed, err);
	size_t module = (size_t)id - FG_MODULE_FIRST;
	struct fg_plocation location = {
		.module = builder->modules[module], .flags = guessed, .address = address};
	int rc = fg_symbolizer_resolve(builder->symbolizer, builder->handles[module], address,
				       &symbol, err);

	if (rc)
		return rc;
	*ret_unnamed = !symbol.named;
	if (!symbol.named)
		location.flags |= FG_LOC_UNNAMED;
	return add_location(builder, &location, &symbol, err);
}

static struct location_slot *find_slot(struct builder *builder, uint64_t frame)
{
	size_t mask = builder->slot_count - 1;
	size_t i = (size_t)XXH3_64bits(&frame, sizeof(frame)) & mask;

	while (builder->slots[i].location != NO_INDEX && builder->slots[i].frame != frame)
		i = (i + 1) & mask;
	return &builder->slots[i];
}

static int grow_slots(struct builder *builder, struct fg_err *err)
{
	struct location_slot *old = builder->slots;
	size_t old_count = builder->slot_count;

	if (builder->slots_used * 2 < old_count)
		return 0;
	struct location_slot *slots = calloc(old_count * 2, sizeof(*slots));

	if (!slots)
		return fg_err_nomem(err);
	builder->slots = slots;
	builder->slot_count = old_count * 2;
	for (size_t i = 0; i < builder->slot_count; i++)
		slots[i].location = NO_INDEX;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].location != NO_INDEX)
			*find_slot(builder, old[i].frame) = old[i];
	}
	free(old);
	return 0;
}

/* Each distinct frame is symbolised once. User frames never have all of the top bits set, so the
 * two kinds share the table. */
static int64_t location_of(struct builder *builder, uint64_t frame, bool kernel, bool *ret_unnamed,
			   struct fg_err *err)
{
	int rc = grow_slots(builder, err);

	if (rc)
		return rc;
	struct location_slot *slot = find_slot(builder, frame);

	if (slot->location == NO_INDEX) {
		bool unnamed = true;
		int64_t location = kernel ? resolve_kernel(builder, frame, &unnamed, err)
					  : resolve_user(builder, frame, &unnamed, err);

		if (location < 0)
			return location;
		slot->frame = frame;
		slot->location = (uint32_t)location;
		slot->unnamed = unnamed;
		builder->slots_used++;
	}
	*ret_unnamed = slot->unnamed;
	return slot->location;
}

static enum fg_stack_result result_of(const struct fg_raw_stack *stack)
{
	if (stack->result == FG_BPF_COMPLETE && stack->guessed)
		return FG_STACK_GUESSED;
	return (enum fg_stack_result)stack->result;
}

/* A stack that was cut gets a root that says so, or it would look like a root itself. */
static bool needs_root(enum fg_stack_result result, size_t frames)
{
	return !frames || (result != FG_STACK_COMPLETE && result != FG_STACK_GUESSED &&
			   result != FG_STACK_KERNEL_ONLY);
}

static int build_stack(struct builder *builder, uint32_t raw, struct fg_err *err)
{
	const struct fg_raw_stack *stack = &builder->profiler->samples.stacks[raw];
	const uint64_t *frames = builder->profiler->samples.frames + stack->frame_start;
	size_t count = (size_t)stack->kernel_count + stack->user_count;
	enum fg_stack_result result = result_of(stack);
	uint32_t locations[FG_SAMPLE_FRAMES + 1];

	for (size_t i = 0; i < count; i++) {
		bool kernel = i < stack->kernel_count, unnamed = true;
		/* All but the interrupted kernel address are return addresses. */
		uint64_t frame = kernel && i ? frames[i] - 1 : frames[i];
		int64_t location = location_of(builder, frame, kernel, &unnamed, err);

		if (location < 0)
			return (int)location;
		locations[i] = (uint32_t)location;
		if (i == 0)
			builder->leaf_unnamed[raw] = unnamed;
	}
	if (needs_root(result, count))
		locations[count++] = builder->truncated;
	int64_t index = fg_profile_stack(builder->profile, locations, count, result, err);

	if (index < 0)
		return (int)index;
	builder->stacks[raw] = (uint32_t)index;
	return 0;
}

static const struct fg_profiler_phase *phase_of(const struct fg_profiler_phase *phases,
						size_t count, uint64_t time_ns)
{
	for (size_t i = 0; i < count; i++) {
		if (time_ns >= phases[i].start_ns && time_ns < phases[i].end_ns)
			return &phases[i];
	}
	return NULL;
}

static bool is_measured(const struct fg_profiler_phase *phase)
{
	return phase && strcmp(phase->name, "measure") == 0;
}

static void count_sample(struct fg_profile_info *info, const struct fg_raw_stack *stack,
			 bool leaf_unnamed, uint64_t *unnamed)
{
	enum fg_stack_result result = result_of(stack);

	info->samples++;
	info->guessed_frames += stack->guessed;
	*unnamed += leaf_unnamed;
	if (result == FG_STACK_COMPLETE)
		info->complete++;
	else
		info->incomplete_by[result]++;
}

static int add_samples(struct builder *builder, uint64_t run_start_ns,
		       const struct fg_profiler_phase *phases, size_t phase_count,
		       struct fg_profile_info *info, struct fg_err *err)
{
	const struct fg_samples *samples = &builder->profiler->samples;
	uint64_t unnamed = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct fg_raw_sample *raw = &samples->items[i];
		const struct fg_profiler_phase *phase = phase_of(phases, phase_count, raw->time_ns);
		struct fg_psample sample = {.count = 1};
		int rc = builder->stacks[raw->stack] == NO_INDEX
				 ? build_stack(builder, raw->stack, err)
				 : 0;
		int64_t name = rc ? rc : intern_text(builder, phase ? phase->name : "", err);

		if (name < 0)
			return (int)name;
		sample.stack = builder->stacks[raw->stack];
		sample.phase = (uint32_t)name;
		if (raw->time_ns > run_start_ns)
			sample.second = (uint32_t)((raw->time_ns - run_start_ns) / FG_NS_PER_S);
		rc = fg_profile_sample(builder->profile, &sample, err);
		if (rc)
			return rc;
		if (is_measured(phase))
			count_sample(info, &samples->stacks[raw->stack],
				     builder->leaf_unnamed[raw->stack], &unnamed);
	}
	info->unnamed_share = info->samples ? (double)unnamed / (double)info->samples : 0;
	return 0;
}

static void fill_totals(const struct fg_profiler *profiler, const struct fg_profiler_phase *phases,
			size_t phase_count, struct fg_profile_info *info)
{
	for (size_t i = 0; i < phase_count; i++) {
		if (!is_measured(&phases[i]))
			continue;
		struct fg_client_stats from = fg_client_stats_at(profiler, phases[i].start_ns);
		struct fg_client_stats to = fg_client_stats_at(profiler, phases[i].end_ns);

		info->lost += to.lost - from.lost;
		info->bpf_ns += to.bpf_ns - from.bpf_ns;
		info->helper_cpu_ns += to.helper_cpu_ns - from.helper_cpu_ns;
		info->target_cpu_ns += to.target_cpu_ns - from.target_cpu_ns;
	}
	info->lost += profiler->samples.dropped;
	info->present = true;
	info->frequency_hz = profiler->frequency_hz;
	info->cpus = profiler->cpus;
	info->partial = profiler->state == FG_CLIENT_LOST;
	if (info->partial)
		(void)snprintf(info->why_absent, sizeof(info->why_absent), "partial: %.240s",
			       profiler->failure.message);
	else if (profiler->notice[0])
		(void)snprintf(info->why_absent, sizeof(info->why_absent), "incomplete: %s",
			       profiler->notice);
	if (info->target_cpu_ns)
		info->samples_per_cpu_s =
			(double)info->samples * (double)FG_NS_PER_S / (double)info->target_cpu_ns;
}

static void stamp(struct fg_profile *profile, const struct fg_profiler *profiler,
		  uint64_t run_start_ns, const struct fg_profiler_phase *phases, size_t phase_count)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	uint64_t age_ns = now_ns > run_start_ns ? now_ns - run_start_ns : 0;

	profile->period_ns = profiler->period_ns;
	profile->time_unix_ns = fg_clock_realtime_ns() - age_ns;
	for (size_t i = 0; i < phase_count; i++) {
		if (phases[i].end_ns > run_start_ns)
			profile->duration_ns =
				FG_MAX(profile->duration_ns, phases[i].end_ns - run_start_ns);
	}
	if (profile->duration_ns > age_ns)
		profile->duration_ns = age_ns; /* a phase without an end */
}

int fg_profiler_profile(struct fg_profiler *profiler, uint64_t run_start_ns,
			const struct fg_profiler_phase *phases, size_t phase_count,
			struct fg_profile **ret, struct fg_profile_info *info, struct fg_err *err)
{
	struct builder builder = {.profiler = profiler, .kallsyms_copy = -1};
	struct fg_profile_info filled = {0};
	int rc = init_builder(&builder, err);

	if (!rc) {
		int64_t location =
			add_placeholder(&builder, "[truncated]", FG_LOC_PLACEHOLDER, err);

		builder.truncated = (uint32_t)location;
		rc = location < 0 ? (int)location : 0;
	}
	if (!rc)
		rc = add_samples(&builder, run_start_ns, phases, phase_count, &filled, err);
	if (!rc) {
		stamp(builder.profile, profiler, run_start_ns, phases, phase_count);
		fill_totals(profiler, phases, phase_count, &filled);
		*info = filled;
		*ret = builder.profile;
		builder.profile = NULL;
	}
	done_builder(&builder);
	return rc;
}
