/* SPDX-License-Identifier: Apache-2.0 */
/* Native frames and interpreted functions in one stack; interpreters among files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/bpf/shared.h"
#include "profiler/client_script.h"
#include "profiler/script_layout.h"
#include "profiler/unwind/fde.h"
#include "tests/kit/kit.h"

/* Frames are written as letters, leaf first: k kernel, n native, g native and found by a guess, E
 * the native loop; a digit is a function, behind it ! if native code entered it. */
struct stack {
	uint64_t frames[64];
	struct fg_raw_stack raw;
};

static struct fg_client_script_name names[] = {
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11))},
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11))},
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11))},
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11))},
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 10))},
	{.runtime = FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 10))},
};

static struct fg_client_scripts scripts_of(void)
{
	return (struct fg_client_scripts){
		.names = names,
		.count = FG_ARRAY_LEN(names),
		.loops = {{.module = 3, .range = {.start = 100, .end = 200}}},
		.loop_count = 1,
	};
}

static struct stack parse(const char *native, const char *script)
{
	struct stack stack = {0};
	size_t count = 0;

	for (; *native; native++) {
		uint64_t module = (uint64_t)3 << FG_FRAME_MODULE_SHIFT;

		stack.frames[count++] =
			*native == 'k' ? ~0ull : module | (*native == 'E' ? 150 : 500);
		if (*native == 'g')
			stack.frames[count - 1] |= FG_FRAME_GUESSED;
		stack.raw.kernel_count = (uint16_t)(stack.raw.kernel_count + (*native == 'k'));
		stack.raw.user_count = (uint16_t)(stack.raw.user_count + (*native != 'k'));
	}
	for (; *script; script++) {
		if (*script == '!') {
			stack.frames[count - 1] |= FG_SCRIPT_ENTRY;
			continue;
		}
		stack.frames[count++] = (uint64_t)FG_MODULE_SCRIPT << FG_FRAME_MODULE_SHIFT |
					(uint64_t)(*script - '0') << FG_SCRIPT_NAME_SHIFT | 7;
		stack.raw.script_count++;
	}
	return stack;
}

static void write_out(const uint64_t *frames, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t id = frames[i] >> FG_FRAME_MODULE_SHIFT;

		if (frames[i] == ~0ull)
			*text++ = 'k';
		else if (id == FG_MODULE_SCRIPT)
			*text++ = (char)('0' + (frames[i] >> FG_SCRIPT_NAME_SHIFT & 15));
		else if (frames[i] & FG_FRAME_GUESSED)
			*text++ = 'g';
		else
			*text++ = (frames[i] & 0xffff) == 150 ? 'E' : 'n';
		if (id == FG_MODULE_SCRIPT)
			assert_int_equal(frames[i] & FG_SCRIPT_ENTRY, 0);
	}
	*text = '\0';
}

static void test_merge(void **state)
{
	static const struct {
		const char *native, *script, *expected;
		enum fg_stack_result result, expected_result;
	} cases[] = {
		{"nn", "", "nn", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		{"Enn", "0!", "0nn", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		{"Enn", "012!", "012nn", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		{"kknEnEn", "01!23!", "kkn01n23n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		/* before 3.11 each function is entered */
		{"nEnEn", "45", "n4n5n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		/* a loop that is being entered, one that has been left */
		{"EnEn", "01!", "En01n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		{"E", "", "E", FG_STACK_COMPLETE, FG_STACK_SCRIPT},
		{"nEn", "0!1!", "n1n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		{"n", "0!", "n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		/* too many of either */
		{"EnEnEn", "0!", "0nEnEn", FG_STACK_COMPLETE, FG_STACK_SCRIPT},
		{"EnEn", "", "EnEn", FG_STACK_COMPLETE, FG_STACK_SCRIPT},
		{"nEn", "0!1!2!", "n0n12", FG_STACK_COMPLETE, FG_STACK_SCRIPT},
		{"", "0!1!", "01", FG_STACK_COMPLETE, FG_STACK_SCRIPT},
		{"EnEnEn", "0!", "0nEnEn", FG_STACK_GUESSED, FG_STACK_SCRIPT},
		/* compiled code has no loop: its functions stand where it was left by a guess */
		{"ngn", "01!", "n01gn", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"ngngn", "0!1!", "n0gn1gn", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"ngEn", "0!1!", "n0g1n", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"kng", "0!", "kn0g", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"ng", "0!1!", "n1g", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"ng", "0!1!2!", "n0g12", FG_STACK_GUESSED, FG_STACK_SCRIPT},
		/* trampolines of -X perf: as many loops as functions */
		{"EgEgn", "0!1!", "0g1gn", FG_STACK_GUESSED, FG_STACK_GUESSED},
		{"ng", "", "ng", FG_STACK_GUESSED, FG_STACK_GUESSED},
		/* the last function of a walk that was cut */
		{"EnEn", "0!1", "0n1n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
		/* cut stacks agree from the leaf on, and keep their reason */
		{"EnEn", "0!", "0nEn", FG_STACK_DEPTH, FG_STACK_DEPTH},
		{"nE", "0!12!", "n012", FG_STACK_BAD, FG_STACK_BAD},
		{"EnEn", "0!", "0nEn", FG_STACK_SCRIPT, FG_STACK_SCRIPT},
		{"kkk", "", "kkk", FG_STACK_KERNEL_ONLY, FG_STACK_KERNEL_ONLY},
		/* a name that never came */
		{"En", "9!", "9n", FG_STACK_COMPLETE, FG_STACK_COMPLETE},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_client_scripts scripts = scripts_of();
		struct stack stack = parse(cases[i].native, cases[i].script);
		enum fg_stack_result result = cases[i].result;
		uint64_t out[FG_SAMPLE_FRAMES];
		char text[64];
		size_t count =
			fg_client_script_merge(&scripts, &stack.raw, stack.frames, out, &result);

		write_out(out, count, text);
		if (strcmp(text, cases[i].expected) != 0 || result != cases[i].expected_result)
			fail_msg("%s + %s: %s, result %d", cases[i].native, cases[i].script, text,
				 (int)result);
	}
}

static void put_jump(uint8_t *code, size_t at, bool conditional, uint64_t start, uint64_t target)
{
	size_t end = at + (conditional ? 6 : 5);
	int32_t distance = (int32_t)(target - start - end);

	code[at] = conditional ? 0x0f : 0xe9;
	code[at + 1] = 0x84;
	memcpy(code + end - 4, &distance, 4);
}

static void test_cold_parts(void **state)
{
	enum { START = 0x10000, LEN = 0x400 };
	struct fg_fde items[] = {
		{.start = 0x8000, .end = 0x8100}, /* cold: reached inside */
		{.start = 0x9000, .end = 0x9100}, /* tail calls: reached at its start */
		{.start = 0xa000, .end = 0xa100}, /* reached twice: not enough */
		{.start = START, .end = START + LEN},
	};
	const struct fg_fdes fdes = {.items = items, .count = FG_ARRAY_LEN(items)};
	struct fg_interp interp = {0};
	uint8_t code[LEN] = {0};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		put_jump(code, i * 32, i & 1, START, 0x8010 + i * 4);
		put_jump(code, i * 32 + 8, false, START, 0x9000);
		put_jump(code, i * 32 + 16, true, START, START + 0x200);
	}
	put_jump(code, 0x300, true, START, 0xa010);
	put_jump(code, 0x310, true, START, 0xa020);
	fg_interp_add_cold(code, sizeof(code), START, &fdes, &interp);
	assert_int_equal(interp.loop_count, 1);
	assert_int_equal(interp.loops[0].start, 0x8000);
	assert_int_equal(interp.loops[0].end, 0x8100);
	/* no code, no room for a jump, no FDEs */
	interp = (struct fg_interp){0};
	fg_interp_add_cold(code, 0, START, &fdes, &interp);
	fg_interp_add_cold(code, 5, START, &fdes, &interp);
	fg_interp_add_cold(code, sizeof(code), START, &(struct fg_fdes){0}, &interp);
	assert_int_equal(interp.loop_count, 0);
}

static void test_detect(void **state)
{
	struct fg_interp interp;
	int python = open("/usr/bin/python3", O_RDONLY | O_CLOEXEC);
	int text = open(__FILE__, O_RDONLY | O_CLOEXEC);
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(python >= 0 && self >= 0);
	assert_true(fg_interp_detect(python, "/usr/bin/python3.11", &interp));
	assert_int_equal(interp.runtime, FG_RUNTIME_PYTHON);
	assert_int_equal(interp.version >> 8, 3);
	assert_true(interp.version >= FG_SCRIPT_VERSION(3, 8));
	assert_true(interp.address && interp.loop_count >= 1);
	assert_true(interp.loops[0].end - interp.loops[0].start > 4096);
	assert_false(fg_interp_detect(self, "/opt/python3.11", &interp));
	assert_false(fg_interp_detect(text, "/opt/php8.2", &interp));
	assert_false(fg_interp_detect(-1, "/opt/python3.11", &interp));
	assert_true(fg_interp_detect(-1, "/usr/lib/libruby-3.1.so.3.1", &interp));
	assert_int_equal(interp.runtime, FG_RUNTIME_RUBY);
	assert_int_equal(interp.address, 0);
	assert_true(fg_interp_detect(self, "/usr/lib/dotnet/libcoreclr.so", &interp));
	assert_int_equal(interp.runtime, FG_RUNTIME_DOTNET);
	close(python);
	close(self);
	if (text >= 0)
		close(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_cold_parts),
		cmocka_unit_test(test_detect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
