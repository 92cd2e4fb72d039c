/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes call their code, and what the report says about them. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>

#include "profiler/client_names.h"
#include "profiler/client_runtimes.h"

static void test_names(void **state)
{
	static const struct {
		enum fg_runtime runtime;
		const char *raw, *name, *file;
		uint32_t line;
	} cases[] = {
		{FG_RUNTIME_NODE, "JS:~f /app/server.js:10:5", "JS:f /app/server.js:10:5",
		 "/app/server.js", 10},
		{FG_RUNTIME_NODE, "JS:*f /app/server.js:10:5", "JS:f /app/server.js:10:5",
		 "/app/server.js", 10},
		{FG_RUNTIME_NODE, "LazyCompile:*f file:///a b.js:1:2", "JS:f file:///a b.js:1:2",
		 "file:///a b.js", 1},
		{FG_RUNTIME_NODE, "JS:~ node:events:471:44", "JS: node:events:471:44",
		 "node:events", 471},
		{FG_RUNTIME_NODE, "JS:^f node:http:7", "JS:f node:http:7", "node:http", 0},
		{FG_RUNTIME_NODE, "JS:f", "JS:f", "", 0},
		{FG_RUNTIME_NODE, "JS:", "JS:", "", 0},
		{FG_RUNTIME_NODE, "JS:~f x:99999999999999:1", "JS:f x:99999999999999:1",
		 "x:99999999999999", 0},
		{FG_RUNTIME_NODE, "Builtin:JSEntry", "Builtins_JSEntry", "", 0},
		{FG_RUNTIME_NODE, "RegExp:a+", "RegExp:a+", "", 0},
		{FG_RUNTIME_JAVA, "int Zoo.burn(int)", "Zoo.burn", "", 0},
		{FG_RUNTIME_JAVA, "void a.B$$Lambda$14/0x0000000840064840.run()",
		 "a.B$$Lambda$14/0x0000000840064840.run", "", 0},
		{FG_RUNTIME_JAVA, "void a.B.<init>(java.lang.Object, int)", "a.B.<init>", "", 0},
		{FG_RUNTIME_JAVA, "StubRoutines (1)", "StubRoutines (1)", "", 0},
		{FG_RUNTIME_JAVA, "Interpreter", "Interpreter", "", 0},
		{FG_RUNTIME_JAVA, "I2C/C2I adapters", "I2C/C2I adapters", "", 0},
		{FG_RUNTIME_JAVA, "(", "(", "", 0},
		{FG_RUNTIME_JAVA, "", "", "", 0},
		{FG_RUNTIME_JAVA, "f()", "f()", "", 0},
		{FG_RUNTIME_NATIVE, "int x.f(int)", "int x.f(int)", "", 0},
	};
	struct fg_generated_name name;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		fg_names_parse(cases[i].runtime, cases[i].raw, &name);
		assert_string_equal(name.name, cases[i].name);
		assert_string_equal(name.filename, cases[i].file);
		assert_int_equal(name.line, cases[i].line);
	}
}

static void test_advice(void **state)
{
	static const struct {
		enum fg_runtime runtime;
		uint32_t flags;
		uint64_t unnamed, interpreted; /* of 1 000 frames */
		const char *problem;
		const char *text; /* "": no advice */
	} cases[] = {
		{FG_RUNTIME_NODE, 0, 480, 0, NULL,
		 "node without --perf-basic-prof: 48 % of its frames have no name; add "
		 "--perf-basic-prof --interpreted-frames-native-stack, or set "
		 "profile.runtimeFlags: auto"},
		{FG_RUNTIME_NODE, 0, 0, 0, NULL,
		 ""}, /* its title hides the flag, its map is there */
		{FG_RUNTIME_NODE, FG_RUNTIME_PERF_MAP, 480, 0, "the map is a link",
		 "node: 48 % of its frames have no name; the map is a link"},
		{FG_RUNTIME_NODE, FG_RUNTIME_PERF_MAP, 4, 0, "none", ""},
		{FG_RUNTIME_NODE, FG_RUNTIME_PERF_MAP, 0, 100, NULL,
		 "node without --interpreted-frames-native-stack: 10 % of its frames"},
		{FG_RUNTIME_NODE, FG_RUNTIME_PERF_MAP | FG_RUNTIME_INTERPRETED_FRAMES, 0, 100, NULL,
		 ""},
		{FG_RUNTIME_JAVA, 0, 0, 0, NULL,
		 "java without -XX:+PreserveFramePointer: INCOMPLETE, only 13 % of its stacks"},
		{FG_RUNTIME_JAVA, FG_RUNTIME_FRAME_POINTERS, 0, 0, NULL, ""},
		{FG_RUNTIME_JAVA, FG_RUNTIME_FRAME_POINTERS, 300, 0, "java (pid 7) has ended",
		 "java: 30 % of its frames have no name; java (pid 7) has ended"},
		{FG_RUNTIME_DOTNET, 0, 300, 0, NULL, "DOTNET_PerfMapEnabled=1"},
		{FG_RUNTIME_NATIVE, 0, 300, 0, NULL, "native: 30 % of its frames have no name"},
		{FG_RUNTIME_NATIVE, 0, 0, 0, "x", ""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_runtime_info info = {
			.samples = 100,
			.complete = 13,
			.frames = 1000,
			.unnamed_frames = cases[i].unnamed,
		};

		(void)snprintf(info.name, sizeof(info.name), "%s",
			       fg_runtime_name(cases[i].runtime));
		fg_runtime_advice(cases[i].runtime, cases[i].flags, cases[i].interpreted,
				  cases[i].problem, &info);
		if (!!info.advice[0] != !!cases[i].text[0] || !strstr(info.advice, cases[i].text))
			fail_msg("case %zu: %s", i, info.advice);
		assert_true(strlen(info.advice) + 1 < sizeof(info.advice));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
