/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/append.h"

#include <stdlib.h>
#include <string.h>

enum { UNKNOWN = 0 }; /* else index + 1 */

/* What has been copied already: index in src → index in dst + 1. */
struct copier {
	struct fg_profile *dst;
	const struct fg_profile *src;
	uint32_t *strings, *modules, *functions, *locations, *stacks;
	struct fg_err *err;
};

static void copier_done(struct copier *c)
{
	free(c->strings);
	free(c->modules);
	free(c->functions);
	free(c->locations);
	free(c->stacks);
}

static int copier_init(struct copier *c)
{
	c->strings = calloc(c->src->string_count + 1, sizeof(uint32_t));
	c->modules = calloc(c->src->module_count + 1, sizeof(uint32_t));
	c->functions = calloc(c->src->function_count + 1, sizeof(uint32_t));
	c->locations = calloc(c->src->location_count + 1, sizeof(uint32_t));
	c->stacks = calloc(c->src->stack_count + 1, sizeof(uint32_t));
	if (!c->strings || !c->modules || !c->functions || !c->locations || !c->stacks)
		return fg_err_nomem(c->err);
	return 0;
}

static int64_t keep(uint32_t *map, uint32_t index, int64_t copied)
{
	if (copied >= 0)
		map[index] = (uint32_t)copied + 1;
	return copied;
}

static int64_t copy_string(struct copier *c, uint32_t index)
{
	const char *text = fg_profile_text(c->src, index);

	if (!index || index >= c->src->string_count)
		return 0;
	if (c->strings[index] != UNKNOWN)
		return c->strings[index] - 1;
	return keep(c->strings, index, fg_profile_string(c->dst, text, strlen(text), c->err));
}

static int64_t copy_module(struct copier *c, uint32_t index)
{
	struct fg_pmodule module = c->src->modules[index];

	if (c->modules[index] != UNKNOWN)
		return c->modules[index] - 1;
	int64_t path = copy_string(c, module.path);
	int64_t build_id = path < 0 ? path : copy_string(c, module.build_id);

	if (build_id < 0)
		return build_id;
	module.path = (uint32_t)path;
	module.build_id = (uint32_t)build_id;
	return keep(c->modules, index, fg_profile_module(c->dst, &module, c->err));
}

static int64_t copy_function(struct copier *c, uint32_t index)
{
	struct fg_pfunction function = c->src->functions[index];

	if (c->functions[index] != UNKNOWN)
		return c->functions[index] - 1;
	int64_t name = copy_string(c, function.name);
	int64_t system_name = name < 0 ? name : copy_string(c, function.system_name);
	int64_t filename = system_name < 0 ? system_name : copy_string(c, function.filename);
	int64_t module = filename < 0 ? filename : copy_module(c, function.module);

	if (module < 0)
		return module;
	function.name = (uint32_t)name;
	function.system_name = (uint32_t)system_name;
	function.filename = (uint32_t)filename;
	function.module = (uint32_t)module;
	return keep(c->functions, index, fg_profile_function(c->dst, &function, c->err));
}

static int64_t copy_location(struct copier *c, uint32_t index)
{
	struct fg_plocation location = c->src->locations[index];
	struct fg_pline lines[FG_PROFILE_INLINE_MAX];

	if (c->locations[index] != UNKNOWN)
		return c->locations[index] - 1;
	int64_t module = copy_module(c, location.module);

	for (uint32_t i = 0; module >= 0 && i < location.line_count; i++) {
		lines[i] = c->src->lines[location.line_start + i];
		int64_t function = copy_function(c, lines[i].function);

		if (function < 0)
			return function;
		lines[i].function = (uint32_t)function;
	}
	if (module < 0)
		return module;
	location.module = (uint32_t)module;
	return keep(c->locations, index, fg_profile_location(c->dst, &location, lines, c->err));
}

static int64_t copy_stack(struct copier *c, uint32_t index)
{
	const struct fg_pstack *stack = &c->src->stacks[index];
	uint32_t frames[FG_PROFILE_STACK_MAX];

	if (c->stacks[index] != UNKNOWN)
		return c->stacks[index] - 1;
	for (uint32_t i = 0; i < stack->frame_count; i++) {
		int64_t location = copy_location(c, c->src->frames[stack->frame_start + i]);

		if (location < 0)
			return location;
		frames[i] = (uint32_t)location;
	}
	return keep(c->stacks, index,
		    fg_profile_stack(c->dst, frames, stack->frame_count,
				     (enum fg_stack_result)stack->result, c->err));
}

static int copy_sample(struct copier *c, const struct fg_psample *from, uint64_t count,
		       bool drop_side)
{
	struct fg_psample sample = *from;
	int64_t stack = copy_stack(c, from->stack);
	int64_t endpoint = stack < 0 ? stack : copy_string(c, from->endpoint);
	int64_t phase = endpoint < 0 ? endpoint : copy_string(c, from->phase);
	int64_t side =
		phase < 0 || drop_side ? FG_MIN(phase, (int64_t)0) : copy_string(c, from->side);

	int64_t latency = side < 0 ? side : copy_string(c, from->latency);

	if (latency < 0)
		return (int)latency;
	sample.stack = (uint32_t)stack;
	sample.endpoint = (uint32_t)endpoint;
	sample.phase = (uint32_t)phase;
	sample.side = (uint32_t)side;
	sample.latency = (uint32_t)latency;
	sample.count = count;
	return fg_profile_sample(c->dst, &sample, c->err);
}

/* count × src ÷ dst, the rest kept; saturates. */
static uint64_t rescale(const struct fg_profile_append_options *options, uint64_t count,
			uint64_t *rest_ns)
{
	uint64_t ns;

	if (!options->src_period_ns || !options->dst_period_ns)
		return count;
	if (__builtin_mul_overflow(count, options->src_period_ns, &ns) ||
	    __builtin_add_overflow(ns, *rest_ns, &ns))
		ns = UINT64_MAX;
	*rest_ns = ns % options->dst_period_ns;
	return ns / options->dst_period_ns;
}

int fg_profile_append(struct fg_profile *dst, const struct fg_profile *src,
		      const struct fg_profile_append_options *options, struct fg_err *err)
{
	struct copier copier = {.dst = dst, .src = src, .err = err};
	uint64_t rest_ns = 0;
	int rc = copier_init(&copier);

	assert(dst != src);
	for (size_t i = 0; !rc && i < src->sample_count; i++) {
		const struct fg_psample *sample = &src->samples[i];

		if (options->only_side &&
		    strcmp(options->only_side, fg_profile_text(src, sample->side)) != 0)
			continue;
		uint64_t count = rescale(options, sample->count, &rest_ns);

		if (count)
			rc = copy_sample(&copier, sample, count, options->drop_side);
	}
	copier_done(&copier);
	return rc;
}
