/* SPDX-License-Identifier: Apache-2.0 */
/* Which runtime a process is, and what its options mean. */
#include "tests/kit/kit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/client.h"
#include "profiler/process.h"
#include "profiler/runtime_options.h"

static void test_programs(void **state)
{
	static const struct {
		const char *path;
		enum fg_runtime runtime;
	} cases[] = {
		{"/usr/bin/node", FG_RUNTIME_NODE},
		{"nodejs", FG_RUNTIME_NODE},
		{"node-18", FG_RUNTIME_NODE},
		{"/opt/node20.1/bin/node20.1", FG_RUNTIME_NODE},
		{"java", FG_RUNTIME_JAVA},
		{"/usr/bin/python3.11", FG_RUNTIME_PYTHON},
		{"python3.11d", FG_RUNTIME_PYTHON},
		{"php", FG_RUNTIME_PHP},
		{"/usr/sbin/php-fpm8.2", FG_RUNTIME_PHP},
		{"ruby3.1", FG_RUNTIME_RUBY},
		{"dotnet", FG_RUNTIME_DOTNET},
		{"nodemon", FG_RUNTIME_NATIVE},
		{"javac", FG_RUNTIME_NATIVE},
		{"pythonista", FG_RUNTIME_NATIVE},
		{"nginx", FG_RUNTIME_NATIVE},
		{"/node/server", FG_RUNTIME_NATIVE},
		{"", FG_RUNTIME_NATIVE},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		if (fg_runtime_of_program(cases[i].path) != cases[i].runtime)
			fail_msg("%s", cases[i].path);
	}
}

static void test_libraries(void **state)
{
	static const struct {
		const char *path;
		enum fg_runtime runtime;
	} cases[] = {
		{"/usr/lib/jvm/x/server/libjvm.so", FG_RUNTIME_JAVA},
		{"/usr/lib/libnode.so.108", FG_RUNTIME_NODE},
		{"libpython3.11.so.1.0", FG_RUNTIME_PYTHON},
		{"libphp8.2.so", FG_RUNTIME_PHP},
		{"libruby-3.1.so.3.1", FG_RUNTIME_RUBY},
		{"libcoreclr.so", FG_RUNTIME_DOTNET},
		{"libjvmti.so", FG_RUNTIME_NATIVE},
		{"libpythonic.so", FG_RUNTIME_NATIVE},
		{"libnode_api.so", FG_RUNTIME_NATIVE},
		{"libjvm.", FG_RUNTIME_NATIVE},
		{"libc.so.6", FG_RUNTIME_NATIVE},
		{"", FG_RUNTIME_NATIVE},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		if (fg_runtime_of_library(cases[i].path) != cases[i].runtime)
			fail_msg("%s", cases[i].path);
	}
}

enum {
	MAP = FG_RUNTIME_PERF_MAP,
	INTERPRETED = FG_RUNTIME_INTERPRETED_FRAMES,
	POINTERS = FG_RUNTIME_FRAME_POINTERS,
	NO_ATTACH = FG_RUNTIME_NO_ATTACH,
	NO_SIGQUIT = FG_RUNTIME_NO_SIGQUIT,
};

#define NUL "\0"

static void test_flags(void **state)
{
	static const struct {
		enum fg_runtime runtime;
		const char *words;
		size_t words_len;
		const char *environment;
		size_t environment_len;
		uint32_t flags;
	} cases[] = {
#define CASE(runtime, words, environment, flags) \
	{runtime, words, sizeof(words) - 1, environment, sizeof(environment) - 1, flags}
		CASE(FG_RUNTIME_NODE, "node" NUL "a.js" NUL, "", 0),
		CASE(FG_RUNTIME_NODE, "node" NUL "--perf-basic-prof" NUL "a.js" NUL, "", MAP),
		CASE(FG_RUNTIME_NODE, "node" NUL "--perf_basic_prof" NUL "a.js" NUL, "", MAP),
		CASE(FG_RUNTIME_NODE, "node" NUL "--perf-basic-prof-only-functions" NUL, "", MAP),
		CASE(FG_RUNTIME_NODE, "node" NUL "a.js" NUL "--perf-basic-prof" NUL, "", 0),
		CASE(FG_RUNTIME_NODE, "--perf-basic-prof" NUL "a.js" NUL, "", 0),
		CASE(FG_RUNTIME_NODE,
		     "node" NUL "-r" NUL "x.js" NUL "--interpreted-frames-native-stack" NUL, "",
		     INTERPRETED),
		CASE(FG_RUNTIME_NODE, "node" NUL "--" NUL "--perf-basic-prof" NUL, "", 0),
		CASE(FG_RUNTIME_NODE, "node" NUL "--perf-basic-profile" NUL, "", 0),
		CASE(FG_RUNTIME_NODE, "node" NUL "--perf-basic-prof", "", MAP), /* cut */
		CASE(FG_RUNTIME_NODE, "node" NUL,
		     "A=1" NUL
		     "NODE_OPTIONS= --perf-basic-prof\t'--interpreted-frames-native-stack'" NUL,
		     MAP | INTERPRETED),
		CASE(FG_RUNTIME_NODE, "node" NUL "--no-perf-basic-prof" NUL,
		     "NODE_OPTIONS=--perf-basic-prof" NUL, 0),
		CASE(FG_RUNTIME_NODE, "node" NUL "--noperf_basic_prof" NUL,
		     "NODE_OPTIONS=--perf-basic-prof" NUL, 0),
		CASE(FG_RUNTIME_NODE, "node" NUL, "XNODE_OPTIONS=--perf-basic-prof" NUL, 0),
		CASE(FG_RUNTIME_NODE, "node" NUL, "NODE_OPTIONS" NUL "NODE_OPTIONS=" NUL, 0),
		CASE(FG_RUNTIME_NODE, "node" NUL, "NODE_OPTIONS=--title='--perf-basic-prof x'",
		     MAP),
		CASE(FG_RUNTIME_NODE, "node" NUL, "JAVA_TOOL_OPTIONS=-XX:+PreserveFramePointer", 0),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-XX:+PreserveFramePointer" NUL "Main" NUL, "",
		     POINTERS),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-cp" NUL "x" NUL "-XX:+PreserveFramePointer" NUL,
		     "", POINTERS),
		CASE(FG_RUNTIME_JAVA,
		     "java" NUL "-jar" NUL "x.jar" NUL "-XX:+PreserveFramePointer" NUL, "", 0),
		CASE(FG_RUNTIME_JAVA, "java" NUL "Main" NUL "-XX:+PreserveFramePointer" NUL, "", 0),
		CASE(FG_RUNTIME_JAVA, "java" NUL "@opts" NUL "-XX:+PreserveFramePointer" NUL, "",
		     POINTERS),
		CASE(FG_RUNTIME_JAVA, "java" NUL, "JAVA_TOOL_OPTIONS=-XX:+PreserveFramePointer" NUL,
		     POINTERS),
		CASE(FG_RUNTIME_JAVA, "java" NUL, "JDK_JAVA_OPTIONS=-XX:+PreserveFramePointer" NUL,
		     POINTERS),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-XX:-PreserveFramePointer" NUL,
		     "JAVA_TOOL_OPTIONS=-XX:+PreserveFramePointer" NUL, 0),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-XX:+PreserveFramePointer" NUL,
		     "_JAVA_OPTIONS=-XX:-PreserveFramePointer" NUL, 0),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-Xrs" NUL, "", NO_SIGQUIT),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-XX:+ReduceSignalUsage" NUL, "", NO_SIGQUIT),
		CASE(FG_RUNTIME_JAVA, "java" NUL "-XX:+DisableAttachMechanism" NUL, "", NO_ATTACH),
		CASE(FG_RUNTIME_JAVA,
		     "java" NUL "-XX:+DisableAttachMechanism" NUL "-XX:-DisableAttachMechanism" NUL,
		     "", 0),
		CASE(FG_RUNTIME_PYTHON, "python" NUL "--perf-basic-prof" NUL, "", 0),
		CASE(FG_RUNTIME_JAVA, "", "", 0),
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint32_t flags = fg_runtime_flags_of(cases[i].runtime, cases[i].environment,
						     cases[i].environment_len, cases[i].words,
						     cases[i].words_len);

		if (flags != cases[i].flags)
			fail_msg("case %zu: %u, not %u", i, flags, cases[i].flags);
	}
}

static void test_flags_text(void **state)
{
	char text[200], small[8];

	(void)state;
	assert_string_equal(fg_runtime_flags_text(0, text, sizeof(text)), "");
	assert_string_equal(fg_runtime_flags_text(MAP | INTERPRETED, text, sizeof(text)),
			    "--perf-basic-prof --interpreted-frames-native-stack");
	assert_string_equal(fg_runtime_flags_text(POINTERS, text, sizeof(text)),
			    "-XX:+PreserveFramePointer");
	assert_int_equal(strlen(fg_runtime_flags_text(UINT32_MAX, small, sizeof(small))), 7);
}

static void test_status(void **state)
{
	static const struct {
		const char *text;
		uint32_t ns_pid, uid;
		bool catches;
	} cases[] = {
		{"Name:\tx\nUid:\t1\t2\t3\t4\nNSpid:\t10\t7\t1\nSigCgt:\t0000000000000004\n", 1, 2,
		 true},
		{"Uid:\t1\t2\t3\t4\nNSpid:\t10\nSigCgt:\t0000000000000002\n", 10, 2, false},
		{"NSpid:\nUid:\nSigCgt:\n", 99, 99, false},
		{"NSpid:\tx\nUid:\t-1\t-1\nSigCgt:\tzz\n", 99, 99, false},
		{"NSpid:\t99999999999\nUid:\t1\t99999999999\nSigCgt:\t4", 99, 1, true},
		{"", 99, 99, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_process_facts facts = {.ns_pid = 99, .uid = 99};
		size_t len = strlen(cases[i].text);

		fg_process_status(cases[i].text, len, &facts);
		assert_int_equal(facts.ns_pid, cases[i].ns_pid);
		assert_int_equal(facts.uid, cases[i].uid);
		assert_int_equal(fg_process_catches(cases[i].text, len, SIGQUIT), cases[i].catches);
	}
	assert_false(fg_process_catches("SigCgt:\tffffffffffffffff", 23, 0));
	assert_false(fg_process_catches("SigCgt:\tffffffffffffffff", 23, 65));
}

static void test_own_process(void **state)
{
	struct fg_runtime_facts facts;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_runtime_of_pid((uint32_t)getpid(), &facts, &err), &err);
	assert_string_equal(facts.runtime, "native");
	assert_string_equal(facts.advice, "");
	assert_string_equal(facts.program, "unit_runtime");
	assert_int_equal(fg_runtime_of_pid(0x7ffffff0, &facts, &err), -FG_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs), cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_flags),    cmocka_unit_test(test_flags_text),
		cmocka_unit_test(test_status),   cmocka_unit_test(test_own_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
