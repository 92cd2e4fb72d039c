/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/profile/sample.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/buf.h"

struct fg_profile *fg_sample_new(void)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};

	assert_ok(fg_profile_new(&profile, &err), &err);
	profile->period_ns = 2004008;
	profile->time_unix_ns = 1795250000000000000;
	profile->duration_ns = 30000000000;
	return profile;
}

uint32_t fg_sample_string(struct fg_profile *profile, const char *text)
{
	int64_t index = fg_profile_string(profile, text, strlen(text), NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

uint32_t fg_sample_module(struct fg_profile *profile, const char *path)
{
	struct fg_pmodule module = {
		.path = fg_sample_string(profile, path),
		.build_id = fg_sample_string(profile, "00aa11"),
		.start = path[0] == '[' ? 0xffffffff81000000 : 0x1000,
		.limit = path[0] == '[' ? 0xffffffff82000000 : 0x900000,
	};
	int64_t index = fg_profile_module(profile, &module, NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

uint32_t fg_sample_location(struct fg_profile *profile, const char *path, const char *name,
			    uint64_t address, uint32_t flags)
{
	struct fg_pfunction function = {
		.name = fg_sample_string(profile, name),
		.system_name = fg_sample_string(profile, name),
		.module = fg_sample_module(profile, path),
	};
	int64_t index = fg_profile_function(profile, &function, NULL);

	assert_true(index >= 0);
	struct fg_pline line = {.function = (uint32_t)index};
	struct fg_plocation location = {
		.module = function.module,
		.flags = flags,
		.address = address,
		.line_count = 1,
	};

	index = fg_profile_location(profile, &location, &line, NULL);
	assert_true(index >= 0);
	return (uint32_t)index;
}

uint32_t fg_sample_stack(struct fg_profile *profile, enum fg_stack_result result,
			 const char *const *names)
{
	uint32_t frames[64];
	size_t count = 0;

	for (; names[count]; count++) {
		bool kernel = strncmp(names[count], "k:", 2) == 0;
		const char *name = names[count] + (kernel ? 2 : 0);
		uint64_t address = kernel ? 0xffffffff81000000 : 0x1000;

		assert_true(count < FG_ARRAY_LEN(frames));
		for (const char *c = name; *c; c++)
			address = address + (unsigned char)*c * 16;
		frames[count] =
			fg_sample_location(profile, kernel ? "[kernel.kallsyms]" : "/bin/app", name,
					   address, kernel ? FG_LOC_KERNEL : 0);
	}
	int64_t index = fg_profile_stack(profile, frames, count, result, NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

void fg_sample_add(struct fg_profile *profile, uint32_t stack, const char *endpoint,
		   const char *phase, uint32_t second, uint64_t count)
{
	struct fg_psample sample = {
		.stack = stack,
		.endpoint = fg_sample_string(profile, endpoint),
		.phase = fg_sample_string(profile, phase),
		.second = second,
		.count = count,
	};
	struct fg_err err = {0};

	assert_ok(fg_profile_sample(profile, &sample, &err), &err);
}

static void dump_location(const struct fg_profile *profile, uint32_t index, struct fg_buf *out)
{
	const struct fg_plocation *location = &profile->locations[index];
	const struct fg_pmodule *module = &profile->modules[location->module];

	fg_buf_addf(out, " | %s %s %llx flags %x:", fg_profile_text(profile, module->path),
		    fg_profile_text(profile, module->build_id),
		    (unsigned long long)location->address, location->flags);
	for (size_t i = 0; i < location->line_count; i++) {
		const struct fg_pline *line = &profile->lines[location->line_start + i];
		const struct fg_pfunction *function = &profile->functions[line->function];

		fg_buf_addf(out, " %s(%s) %s:%u+%u", fg_profile_text(profile, function->name),
			    fg_profile_text(profile, function->system_name),
			    fg_profile_text(profile, function->filename), function->start_line,
			    line->line);
	}
}

static char *dump_sample(const struct fg_profile *profile, const struct fg_psample *sample)
{
	const struct fg_pstack *stack = &profile->stacks[sample->stack];
	struct fg_buf out;

	fg_buf_init(&out, 1 << 20);
	fg_buf_addf(&out, "%s %s %s %s %u s %s", fg_profile_text(profile, sample->endpoint),
		    fg_profile_text(profile, sample->phase), fg_profile_text(profile, sample->side),
		    fg_profile_text(profile, sample->latency), sample->second,
		    fg_stack_result_name((enum fg_stack_result)stack->result));
	for (size_t i = 0; i < stack->frame_count; i++)
		dump_location(profile, profile->frames[stack->frame_start + i], &out);
	fg_buf_addf(&out, " = %llu\n", (unsigned long long)sample->count);
	return fg_buf_take(&out, NULL);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

char *fg_sample_dump(const struct fg_profile *profile)
{
	char **lines = calloc(profile->sample_count + 1, sizeof(*lines));
	struct fg_buf out;

	assert_non_null(lines);
	fg_buf_init(&out, 64 << 20);
	fg_buf_addf(&out, "period %llu time %llu duration %llu\n",
		    (unsigned long long)profile->period_ns,
		    (unsigned long long)profile->time_unix_ns,
		    (unsigned long long)profile->duration_ns);
	for (size_t i = 0; i < profile->sample_count; i++)
		lines[i] = dump_sample(profile, &profile->samples[i]);
	qsort(lines, profile->sample_count, sizeof(*lines), by_text);
	for (size_t i = 0; i < profile->sample_count; i++) {
		fg_buf_add_str(&out, lines[i]);
		free(lines[i]);
	}
	free(lines);
	assert_int_equal(fg_buf_check(&out, NULL), 0);
	return fg_buf_take(&out, NULL);
}
