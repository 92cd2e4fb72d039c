/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_runtimes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/client_jit.h"
#include "profiler/process.h"

#define AUTO_TEXT "or set profile.runtimeFlags: auto"

/* Some code lives for less than the time between two looks at the map. */
static const double worth_telling = 0.005;

/* -- advice --------------------------------------------------------------------------------- */

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void say_unnamed(const char *why, struct fg_runtime_info *info)
{
	(void)snprintf(info->advice, sizeof(info->advice),
		       "%s: %.0f %% of its frames have no name; %s", info->name,
		       100 * share(info->unnamed_frames, info->frames), why);
}

static void advise_node(uint32_t flags, uint64_t interpreted, const char *problem,
			struct fg_runtime_info *info)
{
	double unnamed = share(info->unnamed_frames, info->frames);
	double hidden = share(interpreted, info->frames);

	if (!(flags & FG_RUNTIME_PERF_MAP) && info->unnamed_frames)
		(void)snprintf(
			info->advice, sizeof(info->advice),
			"node without --perf-basic-prof: %.0f %% of its frames have no "
			"name; add --perf-basic-prof --interpreted-frames-native-stack, " AUTO_TEXT,
			100 * unnamed);
	else if (unnamed > worth_telling)
		say_unnamed(problem ? problem : "its perf map does not list them", info);
	else if (!(flags & FG_RUNTIME_INTERPRETED_FRAMES) && hidden > worth_telling)
		(void)snprintf(info->advice, sizeof(info->advice),
			       "node without --interpreted-frames-native-stack: %.0f %% of its "
			       "frames are functions that are all called "
			       "Builtins_InterpreterEntryTrampoline; add it, " AUTO_TEXT,
			       100 * hidden);
}

static void advise_java(uint32_t flags, const char *problem, struct fg_runtime_info *info)
{
	if (!(flags & FG_RUNTIME_FRAME_POINTERS))
		(void)snprintf(info->advice, sizeof(info->advice),
			       "java without -XX:+PreserveFramePointer: INCOMPLETE, only %.0f %% "
			       "of its stacks reach a root; add it (for instance in "
			       "JAVA_TOOL_OPTIONS), " AUTO_TEXT,
			       100 * share(info->complete, info->samples));
	else if (share(info->unnamed_frames, info->frames) > worth_telling)
		say_unnamed(problem ? problem : "they are not in its code cache any more", info);
}

void fg_runtime_advice(enum fg_runtime runtime, uint32_t flags, uint64_t interpreted,
		       const char *problem, struct fg_runtime_info *info)
{
	info->advice[0] = '\0';
	if (runtime == FG_RUNTIME_NODE)
		advise_node(flags, interpreted, problem, info);
	else if (runtime == FG_RUNTIME_JAVA)
		advise_java(flags, problem, info);
	else if (runtime == FG_RUNTIME_DOTNET && info->unnamed_frames)
		say_unnamed("DOTNET_PerfMapEnabled=1 makes it write them down", info);
	else if (share(info->unnamed_frames, info->frames) > worth_telling)
		say_unnamed(problem ? problem : "they are generated code without a perf map", info);
}

/* Before anything was sampled. */
static void advise_before(const struct fg_process_facts *facts, char *text, size_t size_bytes)
{
	if (facts->runtime == FG_RUNTIME_NODE && !(facts->flags & FG_RUNTIME_PERF_MAP))
		(void)snprintf(text, size_bytes,
			       "node without --perf-basic-prof: JavaScript functions will have no "
			       "names; add --perf-basic-prof "
			       "--interpreted-frames-native-stack, " AUTO_TEXT);
	else if (facts->runtime == FG_RUNTIME_JAVA && !(facts->flags & FG_RUNTIME_FRAME_POINTERS))
		(void)snprintf(
			text, size_bytes,
			"java without -XX:+PreserveFramePointer: most stacks will be "
			"incomplete; add it (for instance in JAVA_TOOL_OPTIONS), " AUTO_TEXT);
	else if (facts->flags & FG_RUNTIME_NO_ATTACH)
		(void)snprintf(text, size_bytes,
			       "java with -XX:+DisableAttachMechanism: compiled methods will have "
			       "no names");
}

int fg_runtime_of_pid(uint32_t pid, struct fg_runtime_facts *ret, struct fg_err *err)
{
	struct fg_mappings mappings = {0};
	struct fg_process_facts facts;
	int rc = fg_mappings_read((pid_t)pid, &mappings, err);

	if (rc)
		return rc;
	fg_process_facts(pid, &mappings, false, &facts);
	fg_mappings_done(&mappings);
	*ret = (struct fg_runtime_facts){0};
	(void)snprintf(ret->runtime, sizeof(ret->runtime), "%s", fg_runtime_name(facts.runtime));
	for (size_t i = 0; facts.name[i]; i++) /* the target's word, which will be printed */
		ret->program[i] =
			facts.name[i] < ' ' || facts.name[i] == 0x7f ? '?' : facts.name[i];
	(void)fg_runtime_flags_text(facts.flags, ret->flags, sizeof(ret->flags));
	advise_before(&facts, ret->advice, sizeof(ret->advice));
	return 0;
}

/* -- counting ------------------------------------------------------------------------------- */

int fg_runtimes_init(struct fg_runtimes *runtimes, struct fg_builder *builder, struct fg_err *err)
{
	*runtimes = (struct fg_runtimes){.builder = builder};
	for (size_t i = 0; i < FG_RUNTIME_COUNT; i++)
		runtimes->flags[i] = UINT32_MAX;
	runtimes->stacks =
		calloc(builder->profiler->samples.stack_count + 1, sizeof(*runtimes->stacks));
	runtimes->seen = calloc(builder->profiler->processes.count + 1, 1);
	if (!runtimes->stacks || !runtimes->seen)
		return fg_err_nomem(err);
	int64_t name = fg_builder_text(builder, "Builtins_InterpreterEntryTrampoline", err);

	if (name < 0)
		return (int)name;
	runtimes->trampoline = (uint32_t)name;
	return 0;
}

void fg_runtimes_done(struct fg_runtimes *runtimes)
{
	free(runtimes->stacks);
	free(runtimes->seen);
	*runtimes = (struct fg_runtimes){0};
}

/* Over the stack as it was built; frames of the kernel and placeholders are nobody's. */
static const struct fg_stack_frames *count_frames(struct fg_runtimes *runtimes, uint32_t raw)
{
	const struct fg_profile *profile = runtimes->builder->profile;
	const struct fg_pstack *stack = &profile->stacks[runtimes->builder->stacks[raw]];
	struct fg_stack_frames *counts = &runtimes->stacks[raw];

	if (counts->counted)
		return counts;
	counts->counted = true;
	for (size_t i = 0; i < stack->frame_count; i++) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];
		const struct fg_pline *line =
			&profile->lines[location->line_start + location->line_count - 1];

		if (location->flags & (FG_LOC_KERNEL | FG_LOC_PLACEHOLDER))
			continue;
		counts->all++;
		if ((location->flags & FG_LOC_JIT) && (location->flags & FG_LOC_UNNAMED))
			counts->unnamed++;
		if (profile->functions[line->function].name == runtimes->trampoline)
			counts->interpreted++;
	}
	return counts;
}

static void see(struct fg_runtimes *runtimes, const struct fg_client_process *process)
{
	size_t index = (size_t)(process - runtimes->builder->profiler->processes.items);

	if (runtimes->seen[index])
		return;
	runtimes->seen[index] = 1;
	runtimes->items[process->runtime].processes++;
	runtimes->flags[process->runtime] &= process->flags;
	if (process->jit && process->jit->problem[0] && !runtimes->problems[process->runtime])
		runtimes->problems[process->runtime] = process->jit->problem;
}

void fg_runtimes_count(struct fg_runtimes *runtimes, const struct fg_raw_sample *sample)
{
	const struct fg_profiler *profiler = runtimes->builder->profiler;
	const struct fg_profile *profile = runtimes->builder->profile;
	const struct fg_raw_stack *stack = &profiler->samples.stacks[sample->stack];
	const struct fg_client_process *process =
		fg_client_process_at(&profiler->processes, sample->tgid, sample->time_ns);

	if (!process)
		return;
	struct fg_runtime_info *item = &runtimes->items[process->runtime];
	const struct fg_stack_frames *frames = count_frames(runtimes, sample->stack);

	see(runtimes, process);
	item->frames += frames->all;
	item->unnamed_frames += frames->unnamed;
	runtimes->interpreted[process->runtime] += frames->interpreted;
	if (stack->result == FG_BPF_KERNEL_ONLY)
		return;
	item->samples++;
	/* as it was built: merging with an interpreter's frames may have found more */
	item->complete += profile->stacks[runtimes->builder->stacks[sample->stack]].result ==
			  FG_STACK_COMPLETE;
}

void fg_runtimes_report(struct fg_runtimes *runtimes, struct fg_profile_info *info)
{
	info->runtime_count = 0;
	for (size_t i = 0; i < FG_RUNTIME_COUNT && info->runtime_count < FG_RUNTIMES_MAX; i++) {
		enum fg_runtime runtime = (enum fg_runtime)i;
		struct fg_runtime_info *item = &runtimes->items[i];

		if (!item->processes)
			continue;
		(void)snprintf(item->name, sizeof(item->name), "%s", fg_runtime_name(runtime));
		(void)fg_runtime_flags_text(runtimes->flags[i], item->flags, sizeof(item->flags));
		fg_runtime_advice(runtime, runtimes->flags[i], runtimes->interpreted[i],
				  runtimes->problems[i], item);
		info->runtimes[info->runtime_count++] = *item;
	}
}
