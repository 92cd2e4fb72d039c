/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/report/flame_sample.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/str.h"

static struct fg_bundle new_bundle(void)
{
	struct fg_bundle bundle = {0};
	struct fg_registry none;
	struct fg_err err = {0};

	fg_registry_init(&none);
	assert_ok(fg_result_new(&none, &bundle.result, &err), &err);
	fg_registry_done(&none);
	assert_ok(fg_str_replace("sample", &bundle.result->name, &err), &err);
	assert_ok(fg_str_replace("sample (pid 1)", &bundle.result->target_label, &err), &err);
	memcpy(bundle.result->id, "20261121T100000Z-7f3a", sizeof("20261121T100000Z-7f3a"));
	bundle.result->duration_ns = bundle.result->measured_ns = 10 * FG_NS_PER_S;
	bundle.result->measured_target_cpu_ns = 2 * FG_NS_PER_S;
	bundle.result->profile.present = true;
	bundle.result->profile.frequency_hz = 499;
	bundle.result->profile.cpus = 2;
	bundle.profile = fg_sample_new();
	return bundle;
}

static uint32_t flags_of(char kind)
{
	switch (kind) {
	case 'k':
		return FG_LOC_KERNEL;
	case 'j':
		return FG_LOC_JIT;
	case 's':
		return FG_LOC_SCRIPT;
	case 'u':
		return FG_LOC_UNNAMED;
	case 'p':
		return FG_LOC_PLACEHOLDER;
	default:
		return 0;
	}
}

static struct fg_pline line_of(struct fg_profile *profile, const char *name, bool kernel)
{
	struct fg_pfunction function = {
		.name = fg_sample_string(profile, name),
		.system_name = fg_sample_string(profile, name),
		.filename = kernel ? 0 : fg_sample_string(profile, "src/app.c"),
		.start_line = kernel ? 0 : (uint32_t)(10 + strlen(name)),
		.module = fg_sample_module(profile, kernel ? "[kernel.kallsyms]" : "/bin/app"),
	};
	int64_t index = fg_profile_function(profile, &function, NULL);

	assert_true(index >= 0);
	return (struct fg_pline){.function = (uint32_t)index, .line = function.start_line + 1};
}

void fg_flame_sample_add(struct fg_bundle *bundle, const char *const *names, const char *endpoint,
			 const char *phase, uint32_t second, uint64_t count)
{
	struct fg_profile *profile = bundle->profile;
	enum fg_stack_result result = FG_STACK_COMPLETE;
	uint32_t frames[FG_PROFILE_STACK_MAX];
	size_t frame_count = 0;

	for (size_t i = 0; names[i]; i++) {
		struct fg_pline lines[2];
		uint32_t line_count = 0, flags = 0;
		uint64_t address = 0x1000;

		for (; line_count < 2; i++) {
			bool marked = names[i][0] && names[i][1] == ':';
			const char *name = names[i] + (marked ? 2 : 0);

			flags = marked ? flags_of(names[i][0]) : 0;
			for (const char *c = name; *c; c++)
				address = address * 31 + (unsigned char)*c;
			lines[line_count++] = line_of(profile, name, flags & FG_LOC_KERNEL);
			if (!marked || names[i][0] != 'i')
				break;
		}
		struct fg_plocation location = {
			.module = profile->functions[lines[0].function].module,
			.flags = flags,
			.address = address & 0xffffffff,
			.line_count = line_count};
		int64_t index = fg_profile_location(profile, &location, lines, NULL);

		assert_true(index >= 0 && frame_count < FG_ARRAY_LEN(frames));
		frames[frame_count++] = (uint32_t)index;
		if (flags & FG_LOC_PLACEHOLDER)
			result = FG_STACK_GAP;
	}
	int64_t stack = fg_profile_stack(profile, frames, frame_count, result, NULL);

	assert_true(stack >= 0);
	fg_sample_add(profile, (uint32_t)stack, endpoint, phase, second, count);
	if (strcmp(phase, "measure") == 0)
		bundle->result->profile.samples += count;
}

static void add_program(struct fg_bundle *bundle, uint64_t leaf, uint64_t other)
{
	static const char *const stacks[][8] = {
		{"leaf_function", "parent_function", "main"},
		{"other_function", "parent_function", "main"},
		{"i:inlined_function", "parent_function", "main"},
		{"k:copy_user", "k:vfs_read", "k:__x64_sys_read", "k:do_syscall_64", "read",
		 "main"},
		{"j:LazyCompile:~handle /app/server.js:10", "main"},
		{"s:handler.py:view", "s:handler.py:main", "main"},
		{"u:app+0x1234", "main"},
		{"std::vector<int>::operator()(int) const", "p:[truncated]"},
		{"recurse", "recurse", "recurse", "main"},
	};
	const uint64_t counts[] = {leaf, other, 5, 10, 10, 5, 5, 2, 3};

	for (size_t i = 0; i < FG_ARRAY_LEN(stacks); i++)
		fg_flame_sample_add(bundle, stacks[i],
				    i == 0   ? "GET /"
				    : i == 5 ? "POST /"
					     : "",
				    "measure", (uint32_t)(i % 3), counts[i]);
	fg_flame_sample_add(bundle, stacks[0], "", "warmup", 0, 10);
}

struct fg_bundle fg_flame_sample(void)
{
	struct fg_bundle bundle = new_bundle();

	add_program(&bundle, 40, 20);
	return bundle;
}

struct fg_bundle fg_flame_sample_changed(void)
{
	struct fg_bundle bundle = new_bundle();

	add_program(&bundle, 50, 10);
	return bundle;
}

struct fg_bundle fg_flame_sample_hostile(void)
{
	static const char *const names[] = {
		"</title><script id=\"injected\">window.injected = 1</script>",
		"]]><script id='injected'/>",
		"&lt;&#0;&unknown;",
		"\" onload=\"window.injected = 1",
		"\x1b[31mred\x07\x08",
		"\xe2\x80\xae"
		"desrever", /* right-to-left override */
		"\xef\xbf\xbf"
		"not a character",
		"\xff\xfe broken",
		"two\nlines\r;semi",
		"",
	};
	struct fg_bundle bundle = new_bundle();
	char longest[4000];

	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		const char *const stack[] = {names[i], "leaf_function", "parent_function", "main",
					     NULL};

		fg_flame_sample_add(&bundle, stack, names[i], "measure", 0, 3);
	}
	memset(longest, '<', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	const char *const stack[] = {longest, "main", NULL};

	fg_flame_sample_add(&bundle, stack, "", "measure", 0, 3);
	assert_ok(fg_str_replace("<svg onload='x'>&", &bundle.result->name, NULL),
		  &(struct fg_err){0});
	return bundle;
}

struct fg_bundle fg_flame_sample_big(unsigned stacks, unsigned depth)
{
	struct fg_bundle bundle = new_bundle();
	static char texts[FG_PROFILE_STACK_MAX][64];
	const char *names[FG_PROFILE_STACK_MAX + 1] = {NULL};

	assert_true(depth <= FG_PROFILE_STACK_MAX);
	for (unsigned i = 0; i < stacks; i++) {
		for (unsigned k = 0; k < depth; k++) {
			(void)snprintf(texts[k], sizeof(texts[k]),
				       "a_function_with_a_name_%u_of_%u", k,
				       depth - k > 2 ? i : i % 50);
			names[k] = texts[k];
		}
		fg_flame_sample_add(&bundle, names, "", "measure", i % 30, 1 + i % 7);
	}
	return bundle;
}
