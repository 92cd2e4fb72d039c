/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits → samples of the off-CPU profile: what caused each, and how much of it lies in which phase
 * and second.
 */
#include <stdlib.h>
#include <string.h>

#include "profiler/client_builder.h"

#define PERIOD_NS 1000ull /* the profile counts microseconds */
enum { SCHEDULER_DEPTH = 16, USER_NAMES = 16, PIECES_MAX = 64, UNKNOWN_CLASS = 0xff };

struct waits_builder {
	struct fg_builder *builder;
	const struct fg_profiler_profile_options *options;
	struct fg_profile_info *info;
	struct fg_err *err;
	uint32_t roots[FG_WAIT_CLASS_COUNT]; /* locations */
	uint8_t *classes;                    /* per raw stack, blocked; UNKNOWN_CLASS: not yet */
	uint8_t *skips;                      /* per raw stack */
	uint32_t *blocked, *preempted;       /* per raw stack: the profile's */
	uint32_t side;
	uint64_t rest_ns; /* what rounding to microseconds has left so far */
};

static void waits_builder_done(struct waits_builder *w)
{
	free(w->classes);
	free(w->skips);
	free(w->blocked);
	free(w->preempted);
}

static int waits_builder_init(struct waits_builder *w)
{
	size_t count = w->builder->profiler->samples.stack_count + 1;

	w->classes = malloc(count);
	w->skips = calloc(count, 1);
	w->blocked = malloc(count * sizeof(*w->blocked));
	w->preempted = malloc(count * sizeof(*w->preempted));
	if (!w->classes || !w->skips || !w->blocked || !w->preempted)
		return fg_err_nomem(w->err);
	memset(w->classes, UNKNOWN_CLASS, count);
	for (size_t i = 0; i < count; i++)
		w->blocked[i] = w->preempted[i] = FG_NO_INDEX;
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++) {
		const char *root = fg_wait_class_root((enum fg_wait_class)i);
		int64_t location =
			fg_builder_placeholder(w->builder, root, FG_LOC_PLACEHOLDER, w->err);

		if (location < 0)
			return (int)location;
		w->roots[i] = (uint32_t)location;
	}
	int64_t side = fg_builder_text(w->builder, FG_SIDE_OFFCPU, w->err);

	w->side = (uint32_t)side;
	return side < 0 ? (int)side : 0;
}

static int64_t name_of(struct waits_builder *w, uint64_t frame, uint32_t context, bool kernel,
		       const char **ret)
{
	bool unnamed;
	int64_t index = fg_builder_location(w->builder, frame, context, kernel, &unnamed, w->err);

	if (index < 0)
		return index;
	const struct fg_profile *profile = w->builder->profile;
	const struct fg_plocation *location = &profile->locations[index];
	const struct fg_pline *line =
		&profile->lines[location->line_start + location->line_count - 1];

	*ret = fg_profile_text(profile, profile->functions[line->function].name);
	return 0;
}

/* The tracepoint's own frames lie above the scheduler's, which all such stacks share. */
static size_t scheduler_frames(const char *const *names, size_t count)
{
	for (size_t i = FG_MIN(count, (size_t)SCHEDULER_DEPTH); i-- > 0;)
		if (strcmp(names[i], "__schedule") == 0)
			return i + 1;
	return 0;
}

static int classify(struct waits_builder *w, uint32_t raw)
{
	const struct fg_raw_stack *stack = &w->builder->profiler->samples.stacks[raw];
	const uint64_t *frames = w->builder->profiler->samples.frames + stack->frame_start;
	const char *kernel[FG_SAMPLE_FRAMES], *user[USER_NAMES];
	struct fg_wait_stack names = {
		.kernel = kernel,
		.user = user,
		.user_count = FG_MIN(stack->user_count, (size_t)USER_NAMES),
	};
	int64_t rc = 0;

	for (size_t i = 0; rc >= 0 && i < stack->kernel_count; i++)
		rc = name_of(w, i ? frames[i] - 1 : frames[i], stack->context, true, &kernel[i]);
	for (size_t i = 0; rc >= 0 && i < names.user_count; i++)
		rc = name_of(w, frames[stack->kernel_count + i], stack->context, false, &user[i]);
	if (rc < 0)
		return (int)rc;
	w->skips[raw] = (uint8_t)scheduler_frames(kernel, stack->kernel_count);
	names.kernel += w->skips[raw];
	names.kernel_count = stack->kernel_count - w->skips[raw];
	w->classes[raw] = (uint8_t)fg_wait_classify(&names);
	return 0;
}

/* A wait of which only the length is known. */
static int64_t stackless(struct waits_builder *w, const struct fg_raw_wait *wait,
			 enum fg_wait_class class)
{
	const char *name =
		wait->since_start ? "[asleep since before the profile]" : "[stack not taken]";
	int64_t location = fg_builder_placeholder(w->builder, name, FG_LOC_PLACEHOLDER, w->err);
	uint32_t locations[] = {(uint32_t)location, w->roots[class]};

	return location < 0 ? location
			    : fg_profile_stack(w->builder->profile, locations, 2,
					       FG_STACK_KERNEL_ONLY, w->err);
}

/* The profile's stack and the class of a wait. */
static int64_t stack_of(struct waits_builder *w, const struct fg_raw_wait *wait,
			enum fg_wait_class *ret_class)
{
	*ret_class = wait->preempted     ? FG_WAIT_RUNQUEUE
		     : wait->since_start ? FG_WAIT_IDLE
					 : FG_WAIT_OTHER;
	if (wait->stack == FG_WAITS_NO_STACK)
		return stackless(w, wait, *ret_class);
	uint32_t raw = (uint32_t)wait->stack;
	uint32_t *known = wait->preempted ? &w->preempted[raw] : &w->blocked[raw];
	int rc = w->classes[raw] == UNKNOWN_CLASS ? classify(w, raw) : 0;

	if (rc)
		return rc;
	if (!wait->preempted)
		*ret_class = (enum fg_wait_class)w->classes[raw];
	if (*known == FG_NO_INDEX) {
		int64_t index = fg_builder_stack(w->builder, raw, w->skips[raw],
						 w->roots[*ret_class], w->err);

		if (index < 0)
			return index;
		*known = (uint32_t)index;
	}
	return *known;
}

/* What the piece stands for, in the profile's unit; the rest is carried on. */
static uint64_t weigh(struct waits_builder *w, const struct fg_raw_wait *wait, uint64_t ns)
{
	const double most_ns = 9e18;
	uint64_t sum_ns = (uint64_t)FG_MIN((double)ns * wait->weight, most_ns) + w->rest_ns;

	w->rest_ns = sum_ns % PERIOD_NS;
	return sum_ns / PERIOD_NS;
}

static void count_wait(struct waits_builder *w, const struct fg_raw_wait *wait)
{
	struct fg_profile_type_info *info = &w->info->types[FG_PROFILE_OFFCPU];

	info->samples++;
	info->borrowed += wait->borrowed;
	if (wait->stack == FG_WAITS_NO_STACK)
		return;
	enum fg_stack_result result =
		fg_builder_result(&w->builder->profiler->samples.stacks[wait->stack]);

	info->with_user += result != FG_STACK_KERNEL_ONLY;
	info->complete += result == FG_STACK_COMPLETE;
}

/* A thread that waits for work, or reads from a socket, may be through with the request that it
 * worked on last: such waits are nobody's. */
static int attribute(struct waits_builder *w, const struct fg_raw_wait *wait,
		     enum fg_wait_class class, struct fg_psample *sample)
{
	const struct fg_raw_sample raw = {.time_ns = wait->out_ns, .request = wait->request};

	if (class == FG_WAIT_IDLE || class == FG_WAIT_NETWORK)
		return 0;
	return fg_client_attribute(w->builder, w->options, &raw, sample, w->err);
}

/* The part of a wait in one phase, second by second; of very long ones in longer pieces. */
static int add_part(struct waits_builder *w, const struct fg_raw_wait *wait,
		    const struct fg_profiler_phase *phase, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t start_ns = w->options->run_start_ns, sum_us = 0;
	uint64_t step_ns = (to_ns - from_ns) / PIECES_MAX / FG_NS_PER_S * FG_NS_PER_S + FG_NS_PER_S;
	enum fg_wait_class class;
	int64_t stack = stack_of(w, wait, &class);
	int64_t name = stack < 0 ? stack : fg_builder_text(w->builder, phase->name, w->err);
	struct fg_psample sample = {.side = w->side};
	int rc = name < 0 ? (int)name : attribute(w, wait, class, &sample);

	sample.stack = (uint32_t)stack;
	sample.phase = (uint32_t)name;
	while (!rc && from_ns < to_ns) {
		uint64_t since_ns = from_ns > start_ns ? from_ns - start_ns : 0;
		uint64_t end_ns = FG_MIN(to_ns, from_ns - since_ns % FG_NS_PER_S + step_ns);

		sample.second = (uint32_t)(since_ns / FG_NS_PER_S);
		sample.count = weigh(w, wait, end_ns - from_ns);
		sum_us += sample.count;
		if (sample.count)
			rc = fg_profile_sample(w->builder->profile, &sample, w->err);
		from_ns = end_ns;
	}
	if (!rc && fg_builder_is_measured(phase)) {
		count_wait(w, wait);
		w->info->types[FG_PROFILE_OFFCPU].value += sum_us;
		w->info->wait_us[class] += sum_us;
	}
	return rc;
}

static int add_wait(struct waits_builder *w, const struct fg_raw_wait *wait)
{
	int rc = 0;

	if (!(wait->weight > 0)) /* others of its group stand for it */
		return 0;
	for (size_t i = 0; !rc && i < w->options->phase_count; i++) {
		const struct fg_profiler_phase *phase = &w->options->phases[i];
		uint64_t from_ns = FG_MAX(wait->out_ns, phase->start_ns);
		uint64_t to_ns = FG_MIN(wait->end_ns, phase->end_ns);

		if (from_ns < to_ns)
			rc = add_part(w, wait, phase, from_ns, to_ns);
	}
	return rc;
}

int fg_client_add_waits(struct fg_builder *builder,
			const struct fg_profiler_profile_options *options,
			struct fg_profile_info *info, struct fg_err *err)
{
	struct waits_builder w = {.builder = builder, .options = options, .info = info, .err = err};
	struct fg_waits *waits = &builder->profiler->waits;
	int rc = waits_builder_init(&w);

	if (!rc)
		rc = fg_waits_settle(waits, options->phases, options->phase_count, err);
	for (size_t i = 0; !rc && i < waits->count; i++)
		rc = add_wait(&w, &waits->items[i]);
	waits_builder_done(&w);
	return rc;
}
