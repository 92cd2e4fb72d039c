/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "profiler/client_runtimes.h"

static_assert((int)FG_BPF_COMPLETE == (int)FG_STACK_COMPLETE &&
		      (int)FG_BPF_NO_MAPPING == (int)FG_STACK_NO_MAPPING &&
		      (int)FG_BPF_GAP == (int)FG_STACK_GAP &&
		      (int)FG_BPF_UNSUPPORTED == (int)FG_STACK_UNSUPPORTED &&
		      (int)FG_BPF_READ_FAULT == (int)FG_STACK_READ_FAULT &&
		      (int)FG_BPF_DEPTH == (int)FG_STACK_DEPTH &&
		      (int)FG_BPF_BAD == (int)FG_STACK_BAD &&
		      (int)FG_BPF_KERNEL_ONLY == (int)FG_STACK_KERNEL_ONLY &&
		      (int)FG_BPF_SCRIPT == (int)FG_STACK_SCRIPT,
	      "both sides name the same results");

enum fg_stack_result fg_builder_result(const struct fg_raw_stack *stack)
{
	if (stack->result == FG_BPF_COMPLETE && stack->guessed)
		return FG_STACK_GUESSED;
	return (enum fg_stack_result)stack->result;
}

/* A stack that was cut gets a root that says so, or it would look like a root itself. */
static bool needs_root(enum fg_stack_result result, size_t frames)
{
	return !frames || (result != FG_STACK_COMPLETE && result != FG_STACK_GUESSED &&
			   result != FG_STACK_KERNEL_ONLY && result != FG_STACK_SCRIPT);
}

int64_t fg_builder_stack(struct fg_builder *builder, uint32_t raw, size_t skip, uint32_t root,
			 struct fg_err *err)
{
	const struct fg_raw_stack *stack = &builder->profiler->samples.stacks[raw];
	enum fg_stack_result result = fg_builder_result(stack);
	uint64_t frames[FG_SAMPLE_FRAMES];
	size_t count =
		fg_client_script_merge(&builder->profiler->scripts, stack,
				       builder->profiler->samples.frames + stack->frame_start,
				       frames, &result);
	uint32_t locations[FG_SAMPLE_FRAMES + 2];

	for (size_t i = 0; i < count; i++) {
		bool kernel = i < stack->kernel_count, unnamed = true;
		/* All but the interrupted kernel address are return addresses. */
		uint64_t frame = kernel && i ? frames[i] - 1 : frames[i];
		int64_t location =
			fg_builder_location(builder, frame, stack->context, kernel, &unnamed, err);

		if (location < 0)
			return location;
		locations[i] = (uint32_t)location;
		if (i == 0)
			builder->leaf_unnamed[raw] = unnamed;
	}
	if (needs_root(result, count))
		locations[count++] = builder->truncated;
	if (root != FG_NO_INDEX)
		locations[count++] = root;
	skip = FG_MIN(skip, count - 1);
	return fg_profile_stack(builder->profile, locations + skip, count - skip, result, err);
}

/* Of a tick of the CPU clock. */
static int build_stack(struct fg_builder *builder, uint32_t raw, struct fg_err *err)
{
	int64_t index = fg_builder_stack(builder, raw, 0, FG_NO_INDEX, err);

	if (index < 0)
		return (int)index;
	builder->stacks[raw] = (uint32_t)index;
	return 0;
}

const struct fg_profiler_phase *fg_builder_phase(const struct fg_profiler_profile_options *options,
						 uint64_t time_ns)
{
	for (size_t i = 0; i < options->phase_count; i++) {
		const struct fg_profiler_phase *phase = &options->phases[i];

		if (time_ns >= phase->start_ns && time_ns < phase->end_ns)
			return phase;
	}
	return NULL;
}

bool fg_builder_is_measured(const struct fg_profiler_phase *phase)
{
	return phase && strcmp(phase->name, "measure") == 0;
}

static void count_sample(struct fg_profile_info *info, const struct fg_raw_stack *stack,
			 enum fg_stack_result result, bool leaf_unnamed, bool attributed,
			 uint64_t *unnamed)
{
	info->samples++;
	info->attributed += attributed;
	info->guessed_frames += stack->guessed;
	*unnamed += leaf_unnamed;
	if (result == FG_STACK_COMPLETE)
		info->complete++;
	else
		info->incomplete_by[result]++;
}

/* Merging with an interpreter's frames may have found more than the raw stack knew. */
static enum fg_stack_result result_in(const struct fg_builder *builder, uint32_t stack)
{
	return (enum fg_stack_result)builder->profile->stacks[stack].result;
}

static int add_samples(struct fg_builder *builder,
		       const struct fg_profiler_profile_options *options,
		       struct fg_profile_info *info, struct fg_err *err)
{
	const struct fg_samples *samples = &builder->profiler->samples;
	uint64_t unnamed = 0;

	for (size_t i = 0; i < samples->count; i++) {
		const struct fg_raw_sample *raw = &samples->items[i];
		const struct fg_profiler_phase *phase = fg_builder_phase(options, raw->time_ns);
		struct fg_psample sample = {.count = 1};

		if (raw->type != FG_SAMPLE_CPU)
			continue;
		int rc = builder->stacks[raw->stack] == FG_NO_INDEX
				 ? build_stack(builder, raw->stack, err)
				 : 0;
		int64_t name = rc ? rc : fg_builder_text(builder, phase ? phase->name : "", err);

		if (name < 0)
			return (int)name;
		rc = fg_client_attribute(builder, options, raw, &sample, err);
		if (rc)
			return rc;
		sample.stack = builder->stacks[raw->stack];
		sample.phase = (uint32_t)name;
		if (raw->time_ns > options->run_start_ns)
			sample.second =
				(uint32_t)((raw->time_ns - options->run_start_ns) / FG_NS_PER_S);
		rc = fg_profile_sample(builder->profile, &sample, err);
		if (rc)
			return rc;
		if (!fg_builder_is_measured(phase))
			continue;
		count_sample(info, &samples->stacks[raw->stack], result_in(builder, sample.stack),
			     builder->leaf_unnamed[raw->stack], sample.endpoint != 0, &unnamed);
		fg_runtimes_count(builder->runtimes, raw);
	}
	info->unnamed_share = info->samples ? (double)unnamed / (double)info->samples : 0;
	return 0;
}

static void fill_source(const struct fg_profiler *profiler, uint64_t user_ns,
			struct fg_profile_info *info)
{
	/* In user mode alone a sample stands for user time. */
	uint64_t sampled_ns = profiler->user_only ? user_ns : info->target_cpu_ns;

	(void)snprintf(info->source, sizeof(info->source), "%s",
		       profiler->source == FG_PROFILER_PERF ? "perf" : "bpf");
	if (profiler->user_only)
		info->user_cpu_ns = FG_MAX(user_ns, (uint64_t)1);
	if (sampled_ns)
		info->samples_per_cpu_s =
			(double)info->samples * (double)FG_NS_PER_S / (double)sampled_ns;
}

static void fill_totals(const struct fg_profiler *profiler,
			const struct fg_profiler_profile_options *options,
			struct fg_profile_info *info)
{
	const struct fg_profiler_phase *phases = options->phases;
	uint64_t user_ns = 0;

	for (size_t i = 0; i < options->phase_count; i++) {
		if (!fg_builder_is_measured(&phases[i]))
			continue;
		struct fg_client_stats from = fg_client_stats_at(profiler, phases[i].start_ns);
		struct fg_client_stats to = fg_client_stats_at(profiler, phases[i].end_ns);

		info->lost_by[FG_LOSS_RING] += to.lost - from.lost;
		info->bpf_ns += to.bpf_ns - from.bpf_ns;
		info->helper_cpu_ns += to.helper_cpu_ns - from.helper_cpu_ns;
		info->target_cpu_ns += to.target_cpu_ns - from.target_cpu_ns;
		user_ns += to.target_user_ns - from.target_user_ns;
		info->label_receives += to.label_receives - from.label_receives;
		info->label_ns += to.label_ns > from.label_ns ? to.label_ns - from.label_ns : 0;
	}
	info->lost_by[FG_LOSS_LIMIT] = profiler->samples.dropped;
	info->lost = info->lost_by[FG_LOSS_RING] + info->lost_by[FG_LOSS_LIMIT];
	info->present = true;
	fg_client_labels_describe(&profiler->labels, options->run_start_ns, info);
	info->frequency_hz = profiler->frequency_hz;
	info->cpus = profiler->cpus;
	info->partial = profiler->state == FG_CLIENT_LOST;
	if (info->partial)
		(void)snprintf(info->why_absent, sizeof(info->why_absent), "partial: %.240s",
			       profiler->failure.message);
	info->notices = profiler->notices;
	if (profiler->kernel_walks.differ)
		fg_notices_add(
			&info->notices,
			"a stack of the kernel, walked by its unwind table, was not what the "
			"kernel itself found: it walked all others, at more expense");
	fill_source(profiler, user_ns, info);
}

static void stamp(struct fg_profile *profile, const struct fg_profiler *profiler,
		  const struct fg_profiler_profile_options *options)
{
	const struct fg_profiler_phase *phases = options->phases;
	uint64_t run_start_ns = options->run_start_ns;
	uint64_t now_ns = fg_clock_monotonic_ns();
	uint64_t age_ns = now_ns > run_start_ns ? now_ns - run_start_ns : 0;

	profile->period_ns = profiler->period_ns;
	profile->time_unix_ns = fg_clock_realtime_ns() - age_ns;
	for (size_t i = 0; i < options->phase_count; i++) {
		if (phases[i].end_ns > run_start_ns)
			profile->duration_ns =
				FG_MAX(profile->duration_ns, phases[i].end_ns - run_start_ns);
	}
	if (profile->duration_ns > age_ns)
		profile->duration_ns = age_ns; /* a phase without an end */
}

int fg_profiler_profile(struct fg_profiler *profiler,
			const struct fg_profiler_profile_options *options,
			struct fg_profile *ret[FG_PROFILE_TYPE_COUNT], struct fg_profile_info *info,
			struct fg_err *err)
{
	struct fg_builder builder;
	struct fg_profile_info filled = {0};
	struct fg_runtimes runtimes = {0};
	int rc = fg_builder_init(&builder, profiler, &options->symbols, err);

	if (!rc)
		rc = fg_runtimes_init(&runtimes, &builder, err);
	builder.runtimes = &runtimes;
	if (!rc) {
		int64_t location =
			fg_builder_placeholder(&builder, "[truncated]", FG_LOC_PLACEHOLDER, err);

		builder.truncated = (uint32_t)location;
		rc = location < 0 ? (int)location : 0;
	}
	if (!rc)
		rc = add_samples(&builder, options, &filled, err);
	if (!rc) {
		stamp(builder.profile, profiler, options);
		fill_totals(profiler, options, &filled);
		fg_runtimes_report(&runtimes, &filled);
		rc = fg_client_split_types(&builder, options, ret, &filled, err);
	}
	if (!rc)
		*info = filled;
	fg_runtimes_done(&runtimes);
	fg_builder_done(&builder);
	return rc;
}
