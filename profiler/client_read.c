/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "profiler/wire.pb-c.h"

static int malformed(const char *what, struct fg_err *err)
{
	return fg_err_set(err, FG_E_INVALID, "flamegate-profiler sent a malformed %s", what);
}

static int take_hello(struct fg_profiler *profiler, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Hello *hello = fg__wire__hello__unpack(NULL, message->len, message->body);

	if (!hello)
		return malformed("HELLO", err);
	int rc = 0;

	if (profiler->state != FG_CLIENT_GREETING)
		rc = fg_err_set(err, FG_E_INVALID, "flamegate-profiler greets twice");
	else if (hello->protocol != FG_WIRE_PROTOCOL || hello->bpf_abi != FG_BPF_ABI)
		rc = fg_err_set(err, FG_E_UNSUPPORTED,
				"flamegate " FG_VERSION " and flamegate-profiler %.32s do not fit "
				"together; fix: install both from the same build",
				hello->version);
	else
		profiler->state = FG_CLIENT_STARTING;
	fg__wire__hello__free_unpacked(hello, NULL);
	return rc;
}

static int take_ready(struct fg_profiler *profiler, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Ready *ready = fg__wire__ready__unpack(NULL, message->len, message->body);

	if (!ready || profiler->state != FG_CLIENT_STARTING || !ready->frequency_hz ||
	    !ready->period_ns) {
		if (ready)
			fg__wire__ready__free_unpacked(ready, NULL);
		return malformed("READY", err);
	}
	profiler->state = FG_CLIENT_RUNNING;
	profiler->frequency_hz = ready->frequency_hz;
	profiler->period_ns = ready->period_ns;
	profiler->cpus = ready->cpus;
	if (ready->source == FG_PROFILER_BPF || ready->source == FG_PROFILER_PERF)
		profiler->source = (enum fg_profiler_source)ready->source;
	profiler->user_only = profiler->source == FG_PROFILER_PERF && !ready->kernel_visible;
	fg_client_limit_types(profiler);
	profiler->program_count = FG_MIN(ready->n_programs, (size_t)FG_CLIENT_PROGRAMS_MAX);
	for (size_t i = 0; i < profiler->program_count; i++) {
		struct fg_profiler_program *program = &profiler->programs[i];

		(void)snprintf(program->name, sizeof(program->name), "%s",
			       ready->programs[i]->name);
		program->verified_instructions = ready->programs[i]->verified_instructions;
		program->code_bytes = ready->programs[i]->code_bytes;
	}
	fg__wire__ready__free_unpacked(ready, NULL);
	return 0;
}

static void set_range(struct fg_client_module *module, const Fg__Wire__Module *from)
{
	for (size_t i = 0; i < from->n_segments && i < FG_CLIENT_SEGMENTS_MAX; i++) {
		const Fg__Wire__Segment *segment = from->segments[i];

		if (i == 0 || segment->vaddr < module->start) {
			module->start = segment->vaddr;
			module->file_offset = segment->file_offset;
		}
		module->limit = FG_MAX(module->limit, segment->vaddr + segment->mem_size);
	}
}

static int add_module(struct fg_profiler *profiler, const Fg__Wire__Module *from, int fd,
		      struct fg_err *err)
{
	if (from->id != FG_MODULE_FIRST + profiler->module_count)
		return malformed("MODULE number", err);
	int rc = FG_VEC_ROOM(profiler, modules, module_count, module_capacity, FG_MODULES_MAX, err);

	if (rc)
		return rc;
	struct fg_client_module *module = &profiler->modules[profiler->module_count];

	*module = (struct fg_client_module){.fd = -1};
	rc = fg_str_dup(from->path, &module->path, err);
	if (!rc)
		rc = fg_str_dup(from->build_id, &module->build_id, err);
	if (!rc && from->image.len) {
		module->image = malloc(from->image.len);
		if (!module->image)
			rc = fg_err_nomem(err);
		else
			memcpy(module->image, from->image.data, from->image.len);
		module->image_len = from->image.len;
	}
	if (rc) {
		free(module->path);
		free(module->build_id);
		return rc;
	}
	set_range(module, from);
	/* Most problems name the file themselves. */
	if (fg_str_starts_with(from->problem, from->path))
		fg_notices_add(&profiler->notices, "%s", from->problem);
	else if (from->problem[0])
		fg_notices_add(&profiler->notices, "%.80s: %.110s", from->path, from->problem);
	module->fd = fd;
	if (fd >= 0 && fstat(fd, &module->status) != 0)
		memset(&module->status, 0, sizeof(module->status));
	profiler->module_count++;
	return 0;
}

static int take_module(struct fg_profiler *profiler, const struct fg_wire_message *message,
		       struct fg_err *err)
{
	Fg__Wire__Module *module = fg__wire__module__unpack(NULL, message->len, message->body);

	if (!module)
		return malformed("MODULE", err);
	int fd = module->has_fd ? fg_wire_take_fd(&profiler->wire) : -1;
	int rc = add_module(profiler, module, fd, err);

	if (rc && fd >= 0)
		close(fd);
	if (!rc)
		rc = fg_client_script_module(profiler, module->id, err);
	fg__wire__module__free_unpacked(module, NULL);
	return rc;
}

static int take_process(struct fg_profiler *profiler, const struct fg_wire_message *message,
			struct fg_err *err)
{
	Fg__Wire__Process *process = fg__wire__process__unpack(NULL, message->len, message->body);

	if (!process)
		return malformed("PROCESS", err);
	int fd = process->has_root_fd ? fg_wire_take_fd(&profiler->wire) : -1;
	int rc = fg_client_process_add(&profiler->processes, process, fd, err);

	fg__wire__process__free_unpacked(process, NULL);
	return rc;
}

static void take_kallsyms(struct fg_profiler *profiler)
{
	int fd = fg_wire_take_fd(&profiler->wire);

	if (profiler->kallsyms_fd >= 0)
		close(profiler->kallsyms_fd);
	profiler->kallsyms_fd = fd;
}

static bool sample_is_sound(const Fg__Wire__Samples *batch, size_t i, size_t at)
{
	uint64_t count = (uint64_t)batch->kernel_count[i] + batch->user_count[i];

	count += batch->script_count[i];
	return batch->kernel_count[i] <= FG_SAMPLE_FRAMES &&
	       batch->user_count[i] <= FG_SAMPLE_FRAMES &&
	       batch->script_count[i] <= FG_SAMPLE_FRAMES && count <= FG_SAMPLE_FRAMES &&
	       count <= batch->n_frames - at && batch->result[i] < FG_BPF_RESULT_COUNT &&
	       batch->guessed[i] <= UINT8_MAX && batch->type[i] < FG_SAMPLE_TYPE_COUNT;
}

static bool has_generated(const uint64_t *frames, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if ((frames[i] & ~FG_FRAME_GUESSED) >> FG_FRAME_MODULE_SHIFT == FG_MODULE_ANON)
			return true;
	}
	return false;
}

/* Adds sample i, whose frames start at *at. */
static int add_sample(struct fg_profiler *profiler, const Fg__Wire__Samples *batch, size_t i,
		      size_t *at, struct fg_err *err)
{
	if (!sample_is_sound(batch, i, *at))
		return malformed("sample", err);
	const struct fg_raw_sample sample = {
		.time_ns = batch->time_ns[i],
		.tgid = batch->tgid[i],
		.tid = batch->tid[i],
		.request = batch->request[i],
		.value = (uint32_t)FG_MIN(batch->value[i], (uint64_t)UINT32_MAX),
		.type = (uint8_t)batch->type[i],
	};
	struct fg_raw_stack stack = {
		.kernel_count = (uint16_t)batch->kernel_count[i],
		.user_count = (uint16_t)batch->user_count[i],
		.script_count = (uint16_t)batch->script_count[i],
		.result = (uint8_t)batch->result[i],
		.guessed = (uint8_t)batch->guessed[i],
	};
	if (has_generated(batch->frames + *at + stack.kernel_count, stack.user_count))
		stack.context =
			fg_client_context(&profiler->processes, sample.tgid, sample.time_ns);
	int rc = sample.type == FG_SAMPLE_CPU
			 ? fg_samples_add(&profiler->samples, &sample, &stack, batch->frames + *at,
					  err)
			 : fg_client_take_typed(profiler, &sample, batch->value[i], &stack,
						batch->frames + *at, err);

	*at += (size_t)stack.kernel_count + stack.user_count + stack.script_count;
	return rc;
}

static int take_samples(struct fg_profiler *profiler, const struct fg_wire_message *message,
			struct fg_err *err)
{
	Fg__Wire__Samples *batch = fg__wire__samples__unpack(NULL, message->len, message->body);

	if (!batch)
		return malformed("SAMPLES", err);
	size_t count = batch->n_time_ns, at = 0;
	int rc = 0;

	if (batch->n_tgid != count || batch->n_result != count || batch->n_guessed != count ||
	    batch->n_kernel_count != count || batch->n_user_count != count ||
	    batch->n_tid != count || batch->n_script_count != count || batch->n_type != count ||
	    batch->n_request != count || batch->n_value != count)
		rc = malformed("SAMPLES", err);
	for (size_t i = 0; !rc && i < count; i++)
		rc = add_sample(profiler, batch, i, &at, err);
	fg__wire__samples__free_unpacked(batch, NULL);
	return rc;
}

static int take_stats(struct fg_profiler *profiler, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Stats *stats = fg__wire__stats__unpack(NULL, message->len, message->body);

	if (!stats)
		return malformed("STATS", err);
	size_t count = profiler->stats_count;
	int rc = 0;

	/* After hours the last entry is simply kept current. */
	if (count == FG_CLIENT_STATS_MAX)
		profiler->stats_count = --count;
	if (count && profiler->stats[count - 1].time_ns > stats->time_ns)
		rc = malformed("STATS order", err);
	if (!rc)
		rc = FG_VEC_ROOM(profiler, stats, stats_count, stats_capacity, FG_CLIENT_STATS_MAX,
				 err);
	if (!rc)
		rc = fg_client_take_types(profiler, stats, err);
	if (!rc)
		profiler->stats[profiler->stats_count++] = (struct fg_client_stats){
			.time_ns = stats->time_ns,
			.hits = stats->hits,
			.samples = stats->samples,
			.lost = stats->lost,
			.bpf_ns = stats->bpf_ns,
			.helper_cpu_ns = stats->helper_cpu_ns,
			.target_cpu_ns = stats->target_cpu_ns,
			.target_user_ns = stats->target_user_ns,
			.label_receives = stats->label_receives,
			.label_ns = stats->label_ns,
		};
	profiler->kernel_walks = (struct fg_profiler_kernel_walks){
		.walks = stats->kernel_walks,
		.checks = stats->kernel_checks,
		.differ = stats->kernel_differ,
		.given_up = stats->kernel_given_up,
	};
	fg__wire__stats__free_unpacked(stats, NULL);
	return rc;
}

static int take_slice(struct fg_profiler *profiler, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Slice *slice = fg__wire__slice__unpack(NULL, message->len, message->body);

	if (!slice)
		return malformed("SLICE", err);
	const struct fg_profiler_slice border = {
		.time_ns = slice->time_ns,
		.target_cpu_ns = slice->target_cpu_ns,
		.on = slice->on,
	};

	fg__wire__slice__free_unpacked(slice, NULL);
	if (!profiler->slice_ns)
		return malformed("SLICE that nobody asked for", err);
	if (profiler->slices_count) {
		const struct fg_profiler_slice *last =
			&profiler->slices[profiler->slices_count - 1];

		if (border.time_ns < last->time_ns || border.target_cpu_ns < last->target_cpu_ns)
			return malformed("SLICE order", err);
	}
	int rc = FG_VEC_ROOM(profiler, slices, slices_count, slices_capacity, FG_CLIENT_SLICES_MAX,
			     err);

	if (!rc)
		profiler->slices[profiler->slices_count++] = border;
	return rc;
}

static int take_error(const struct fg_wire_message *message, struct fg_err *err)
{
	Fg__Wire__Error *error = fg__wire__error__unpack(NULL, message->len, message->body);

	if (!error)
		return malformed("ERROR", err);
	enum fg_err_code code = FG_E_INTERNAL;

	if (error->code > 0 && error->code < FG_E_CODE_COUNT)
		code = (enum fg_err_code)error->code;
	int rc = fg_err_set(err, code, "%s", error->message);

	fg__wire__error__free_unpacked(error, NULL);
	return rc;
}

static int take_notice(struct fg_profiler *profiler, const struct fg_wire_message *message,
		       struct fg_err *err)
{
	Fg__Wire__Notice *notice = fg__wire__notice__unpack(NULL, message->len, message->body);

	if (!notice)
		return malformed("NOTICE", err);
	fg_notices_add(&profiler->notices, "%s", notice->text);
	fg__wire__notice__free_unpacked(notice, NULL);
	return 0;
}

static int take_message(struct fg_profiler *profiler, const struct fg_wire_message *message,
			struct fg_err *err)
{
	static int (*const handlers[])(struct fg_profiler *, const struct fg_wire_message *,
				       struct fg_err *) = {
		[FG_WIRE_HELLO] = take_hello,     [FG_WIRE_READY] = take_ready,
		[FG_WIRE_MODULE] = take_module,   [FG_WIRE_PROCESS] = take_process,
		[FG_WIRE_SAMPLES] = take_samples, [FG_WIRE_STATS] = take_stats,
		[FG_WIRE_SLICE] = take_slice,     [FG_WIRE_SCRIPT] = fg_client_script_take,
		[FG_WIRE_NOTICE] = take_notice,
	};

	if (profiler->state == FG_CLIENT_GREETING && message->type != FG_WIRE_HELLO &&
	    message->type != FG_WIRE_ERROR)
		return malformed("greeting", err);
	if (message->type < FG_ARRAY_LEN(handlers) && handlers[message->type])
		return handlers[message->type](profiler, message, err);
	switch (message->type) {
	case FG_WIRE_KALLSYMS:
		take_kallsyms(profiler);
		return 0;
	case FG_WIRE_LABELS:
		return fg_client_labels_take(&profiler->labels, message, &profiler->wire, err);
	case FG_WIRE_DONE:
		profiler->state = FG_CLIENT_DONE;
		return 0;
	case FG_WIRE_ERROR:
		return take_error(message, err);
	default:
		return malformed("message type", err);
	}
}

int fg_client_take(struct fg_profiler *profiler, struct fg_err *err)
{
	struct fg_wire_message message = {0};
	struct fg_err local;
	int rc = fg_wire_fill(&profiler->wire, &local);

	for (;;) {
		int got = rc ? rc : fg_wire_next_message(&profiler->wire, &message, &local);

		if (got <= 0) {
			rc = got;
			break;
		}
		rc = take_message(profiler, &message, &local);
	}
	if (!rc && profiler->wire.eof && profiler->state != FG_CLIENT_DONE)
		rc = fg_err_set(&local, FG_E_IO, "flamegate-profiler ended unexpectedly");
	if (rc) {
		profiler->failure = local;
		if (err)
			*err = local;
	}
	return rc;
}

static uint64_t between(uint64_t a, uint64_t b, double share)
{
	return b <= a ? a : a + (uint64_t)((double)(b - a) * share);
}

struct fg_client_stats fg_client_stats_at(const struct fg_profiler *profiler, uint64_t time_ns)
{
	const struct fg_client_stats *all = profiler->stats;
	size_t low = 0, high = profiler->stats_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (all[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return (struct fg_client_stats){.time_ns = time_ns};
	if (low == profiler->stats_count)
		return all[low - 1];
	const struct fg_client_stats *a = &all[low - 1], *b = &all[low];
	double share = (double)(time_ns - a->time_ns) / (double)(b->time_ns - a->time_ns);

	return (struct fg_client_stats){
		.time_ns = time_ns,
		.hits = between(a->hits, b->hits, share),
		.samples = between(a->samples, b->samples, share),
		.lost = between(a->lost, b->lost, share),
		.bpf_ns = between(a->bpf_ns, b->bpf_ns, share),
		.helper_cpu_ns = between(a->helper_cpu_ns, b->helper_cpu_ns, share),
		.target_cpu_ns = between(a->target_cpu_ns, b->target_cpu_ns, share),
		.target_user_ns = between(a->target_user_ns, b->target_user_ns, share),
		.label_receives = between(a->label_receives, b->label_receives, share),
		.label_ns = between(a->label_ns, b->label_ns, share),
	};
}
