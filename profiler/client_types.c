/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's part of sample types other than CPU: taking them in, and one profile per type.
 *
 * All types are symbolised into the builder's one profile, told apart by the `side` of their
 * samples, and taken apart at the end: each frame is resolved once whatever it was sampled for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/profile/append.h"
#include "profiler/client_builder.h"
#include "profiler/wire.pb-c.h"

#define WAIT_PERIOD_NS 1000ull

static bool wants(const struct fg_profiler *profiler, enum fg_profile_type type)
{
	return (profiler->types & 1u << type) != 0;
}

uint32_t fg_client_sample_types(const struct fg_profiler *profiler)
{
	uint32_t types = 1u << FG_SAMPLE_CPU;

	if (wants(profiler, FG_PROFILE_OFFCPU) || wants(profiler, FG_PROFILE_WALL))
		types |= 1u << FG_SAMPLE_OFFCPU;
	if (wants(profiler, FG_PROFILE_FAULTS))
		types |= 1u << FG_SAMPLE_FAULT;
	return types;
}

void fg_client_limit_types(struct fg_profiler *profiler)
{
	if (profiler->source != FG_PROFILER_PERF ||
	    fg_client_sample_types(profiler) == 1u << FG_SAMPLE_CPU)
		return;
	profiler->types = 1u << FG_PROFILE_CPU;
	fg_notices_add(&profiler->notices,
		       "waits and page faults are sampled by BPF programs alone, which were "
		       "refused: only CPU time is here");
}

/* -- as they come ------------------------------------------------------------------------------
 */

static int malformed(const char *what, struct fg_err *err)
{
	return fg_err_set(err, FG_E_INVALID, "flamegate-profiler sent a malformed %s", what);
}

int fg_client_take_typed(struct fg_profiler *profiler, const struct fg_raw_sample *sample,
			 uint64_t value, const struct fg_raw_stack *stack, const uint64_t *frames,
			 struct fg_err *err)
{
	uint32_t asked = fg_client_sample_types(profiler);
	unsigned type = sample->type == FG_SAMPLE_WAIT ? FG_SAMPLE_OFFCPU : sample->type;

	if (!(asked & 1u << type))
		return malformed("sample of a type that nobody asked for", err);
	if (sample->type == FG_SAMPLE_FAULT)
		return fg_samples_add(&profiler->samples, sample, stack, frames, err);
	if (sample->type == FG_SAMPLE_OFFCPU) {
		int64_t index = fg_samples_stack(&profiler->samples, stack, frames, err);

		if (index < 0 || index == FG_SAMPLES_NO_ROOM)
			return index < 0 ? (int)index : 0;
		return fg_waits_stack(&profiler->waits, sample->tid, sample->time_ns, value,
				      (uint32_t)index, err);
	}
	if (stack->user_count != FG_WAIT_WORDS || stack->kernel_count || stack->script_count)
		return malformed("wait", err);
	return fg_waits_end(&profiler->waits, sample, value, frames, err);
}

int fg_client_take_types(struct fg_profiler *profiler, const Fg__Wire__Stats *stats,
			 struct fg_err *err)
{
	struct fg_client_types types = {0};

	if (fg_client_sample_types(profiler) == 1u << FG_SAMPLE_CPU)
		return 0;
	for (size_t i = 0; i < stats->n_types; i++) {
		const Fg__Wire__TypeStats *from = stats->types[i];

		if (from->type >= FG_SAMPLE_TYPE_COUNT)
			return malformed("STATS type", err);
		types.of[from->type] = (struct fg_client_type_stats){
			.events = from->events,
			.samples = from->samples,
			.lost = from->lost,
			.skipped = from->skipped,
			.nested = from->nested,
			.untracked = from->untracked,
			.bpf_ns = from->bpf_ns,
		};
	}
	profiler->type_stats_count = FG_MIN(profiler->type_stats_count, profiler->stats_count);
	int rc = FG_VEC_ROOM(profiler, type_stats, type_stats_count, type_stats_capacity,
			     FG_CLIENT_STATS_MAX, err);

	if (!rc)
		profiler->type_stats[profiler->type_stats_count++] = types;
	return rc;
}

/* The counts at the reading nearest before the moment: they come every 200 ms. */
struct fg_client_type_stats fg_client_types_at(const struct fg_profiler *profiler,
					       enum fg_sample_type type, uint64_t time_ns)
{
	size_t low = 0, high = FG_MIN(profiler->stats_count, profiler->type_stats_count);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (profiler->stats[middle].time_ns <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? profiler->type_stats[low - 1].of[type] : (struct fg_client_type_stats){0};
}

/* -- afterwards --------------------------------------------------------------------------------
 */

static void fill_totals(const struct fg_profiler *profiler,
			const struct fg_profiler_profile_options *options, enum fg_sample_type type,
			struct fg_profile_type_info *info)
{
	for (size_t i = 0; i < options->phase_count; i++) {
		const struct fg_profiler_phase *phase = &options->phases[i];

		if (!fg_builder_is_measured(phase))
			continue;
		struct fg_client_type_stats from =
			fg_client_types_at(profiler, type, phase->start_ns);
		struct fg_client_type_stats to = fg_client_types_at(profiler, type, phase->end_ns);

		info->events += to.events - from.events;
		info->lost += to.lost - from.lost + to.untracked - from.untracked;
		info->skipped += to.skipped - from.skipped;
		info->nested += to.nested - from.nested;
		info->bpf_ns += to.bpf_ns - from.bpf_ns;
	}
	info->present = true;
}

static void count_fault(struct fg_profile_type_info *info, const struct fg_raw_stack *stack,
			uint64_t value)
{
	enum fg_stack_result result = fg_builder_result(stack);

	info->samples++;
	info->value += value;
	info->with_user += result != FG_STACK_KERNEL_ONLY;
	info->complete += result == FG_STACK_COMPLETE;
}

static int add_faults(struct fg_builder *builder, const struct fg_profiler_profile_options *options,
		      struct fg_profile_info *info, struct fg_err *err)
{
	const struct fg_samples *samples = &builder->profiler->samples;
	int64_t side = fg_builder_text(builder, FG_SIDE_FAULTS, err);

	for (size_t i = 0; side >= 0 && i < samples->count; i++) {
		const struct fg_raw_sample *raw = &samples->items[i];
		const struct fg_profiler_phase *phase = fg_builder_phase(options, raw->time_ns);

		if (raw->type != FG_SAMPLE_FAULT)
			continue;
		int64_t stack = fg_builder_stack(builder, raw->stack, 0, FG_NO_INDEX, err);
		int64_t name =
			stack < 0 ? stack : fg_builder_text(builder, phase ? phase->name : "", err);

		if (name < 0)
			return (int)name;
		uint64_t since_ns = raw->time_ns > options->run_start_ns
					    ? raw->time_ns - options->run_start_ns
					    : 0;
		struct fg_psample sample = {
			.stack = (uint32_t)stack,
			.phase = (uint32_t)name,
			.side = (uint32_t)side,
			.second = (uint32_t)(since_ns / FG_NS_PER_S),
			.count = raw->value,
		};
		int rc = fg_client_attribute(builder, options, raw, &sample, err);

		if (!rc && raw->value)
			rc = fg_profile_sample(builder->profile, &sample, err);

		if (rc)
			return rc;
		if (fg_builder_is_measured(phase))
			count_fault(&info->types[FG_PROFILE_FAULTS], &samples->stacks[raw->stack],
				    raw->value);
	}
	return side < 0 ? (int)side : 0;
}

static int new_profile(const struct fg_profile *like, enum fg_profile_type type,
		       struct fg_profile **ret, struct fg_err *err)
{
	static const uint64_t periods_ns[] = {
		[FG_PROFILE_CPU] = 0, /* the clock's */
		[FG_PROFILE_OFFCPU] = WAIT_PERIOD_NS,
		[FG_PROFILE_WALL] = WAIT_PERIOD_NS,
		[FG_PROFILE_FAULTS] = 1,
	};
	static_assert(FG_ARRAY_LEN(periods_ns) == FG_PROFILE_TYPE_COUNT, "a type without period");
	int rc = fg_profile_new(ret, err);

	if (rc)
		return rc;
	(*ret)->type = type;
	(*ret)->period_ns = periods_ns[type] ? periods_ns[type] : like->period_ns;
	(*ret)->time_unix_ns = like->time_unix_ns;
	(*ret)->duration_ns = like->duration_ns;
	return 0;
}

/* CPU time and waits together are all time. */
static int take_type(const struct fg_profile *all, enum fg_profile_type type,
		     struct fg_profile **ret, struct fg_err *err)
{
	const struct fg_profile_append_options cpu = {.only_side = "", .drop_side = true};
	const struct fg_profile_append_options cpu_time = {.only_side = "",
							   .drop_side = true,
							   .src_period_ns = all->period_ns,
							   .dst_period_ns = WAIT_PERIOD_NS};
	const struct fg_profile_append_options waits = {.only_side = FG_SIDE_OFFCPU,
							.drop_side = true};
	const struct fg_profile_append_options faults = {.only_side = FG_SIDE_FAULTS,
							 .drop_side = true};
	int rc = new_profile(all, type, ret, err);

	if (!rc && type == FG_PROFILE_CPU)
		rc = fg_profile_append(*ret, all, &cpu, err);
	if (!rc && type == FG_PROFILE_WALL)
		rc = fg_profile_append(*ret, all, &cpu_time, err);
	if (!rc && (type == FG_PROFILE_WALL || type == FG_PROFILE_OFFCPU))
		rc = fg_profile_append(*ret, all, &waits, err);
	if (!rc && type == FG_PROFILE_FAULTS)
		rc = fg_profile_append(*ret, all, &faults, err);
	return rc;
}

/* The wall clock's records are those of both. */
static void fill_wall(struct fg_profile_info *info, uint64_t period_ns)
{
	struct fg_profile_type_info *wall = &info->types[FG_PROFILE_WALL];

	*wall = info->types[FG_PROFILE_OFFCPU];
	wall->samples += info->samples;
	wall->complete += info->complete;
	wall->with_user += info->samples - fg_profile_info_kernel_only(info);
	wall->lost += info->lost;
	wall->value += info->samples * period_ns / WAIT_PERIOD_NS;
}

static int add_types(struct fg_builder *builder, const struct fg_profiler_profile_options *options,
		     struct fg_profile_info *info, struct fg_err *err)
{
	const struct fg_profiler *profiler = builder->profiler;
	uint32_t types = fg_client_sample_types(profiler);
	int rc = 0;

	if (types & 1u << FG_SAMPLE_OFFCPU) {
		rc = fg_client_add_waits(builder, options, info, err);
		fill_totals(profiler, options, FG_SAMPLE_OFFCPU, &info->types[FG_PROFILE_OFFCPU]);
		info->types[FG_PROFILE_OFFCPU].lost += profiler->waits.dropped;
	}
	if (!rc && types & 1u << FG_SAMPLE_FAULT) {
		rc = add_faults(builder, options, info, err);
		fill_totals(profiler, options, FG_SAMPLE_FAULT, &info->types[FG_PROFILE_FAULTS]);
	}
	if (wants(profiler, FG_PROFILE_WALL))
		fill_wall(info, profiler->period_ns);
	info->types[FG_PROFILE_OFFCPU].present = wants(profiler, FG_PROFILE_OFFCPU);
	return rc;
}

int fg_client_split_types(struct fg_builder *builder,
			  const struct fg_profiler_profile_options *options,
			  struct fg_profile *ret[FG_PROFILE_TYPE_COUNT],
			  struct fg_profile_info *info, struct fg_err *err)
{
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT] = {0};
	bool mixed = fg_client_sample_types(builder->profiler) != 1u << FG_SAMPLE_CPU;
	int rc = mixed ? add_types(builder, options, info, err) : 0;

	for (int i = 0; !rc && mixed && i < FG_PROFILE_TYPE_COUNT; i++) {
		enum fg_profile_type type = (enum fg_profile_type)i;

		if (type == FG_PROFILE_CPU || wants(builder->profiler, type))
			rc = take_type(builder->profile, type, &profiles[i], err);
	}
	if (rc) {
		for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
			fg_profile_free(profiles[i]);
		return rc;
	}
	if (!mixed) {
		profiles[FG_PROFILE_CPU] = builder->profile;
		builder->profile = NULL;
	}
	memcpy(ret, profiles, sizeof(profiles));
	return 0;
}
