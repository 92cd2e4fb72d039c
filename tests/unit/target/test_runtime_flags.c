/* SPDX-License-Identifier: Apache-2.0 */
/* profile.runtimeFlags: auto: whom it is for, and what becomes of the user's own flags. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "gate/base/file.h"
#include "runner/target/runtime_flags.h"

#define ALL  FG_FLAGGED_ALL
#define NODE FG_FLAGGED_NODE
#define JAVA FG_FLAGGED_JAVA

static void test_commands(void **state)
{
	static const struct {
		const char *argv[5];
		unsigned runtimes;
	} cases[] = {
		{{"node", "server.js"}, NODE},
		{{"/usr/local/bin/nodejs", "server.js"}, NODE},
		{{"npm", "start"}, NODE},
		{{"java", "-jar", "x.jar"}, JAVA},
		{{"./gradlew", "run"}, JAVA},
		{{"sh", "-c", "exec node server.js"}, NODE},
		{{"bash", "-c", "cd x && /opt/jdk/bin/java -jar x.jar & node y.js"}, ALL},
		{{"sh", "-c", "./run"}, ALL},
		{{"env", "A=b", "nginx"}, ALL}, /* it may be anything */
		{{"taskset", "-c", "1", "node"}, NODE},
		{{"nginx", "-c", "node"}, 0},
		{{"true"}, 0},
		{{"./nodeserver"}, 0},
		{{"/does/not/exist"}, 0},
		{{""}, 0},
		{{NULL}, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char words[5][80];
		char *argv[6] = {NULL};

		for (size_t k = 0; k < 5 && cases[i].argv[k]; k++) {
			(void)snprintf(words[k], sizeof(words[k]), "%s", cases[i].argv[k]);
			argv[k] = words[k];
		}
		unsigned runtimes = fg_runtime_flags_of_command(argv, "/", "/usr/bin:/bin");

		if (runtimes != cases[i].runtimes)
			fail_msg("case %zu: %u", i, runtimes);
	}
}

static void test_scripts(void **state)
{
	static const struct {
		const char *text;
		unsigned runtimes;
	} cases[] = {
		{"#!/usr/bin/env node\nx", NODE},
		{"#!/usr/bin/env -S node --x\n", NODE},
		{"#! /usr/bin/nodejs", NODE},
		{"#!/bin/sh\nexec java x\n", ALL},
		{"#!/bin/bash -e\n", ALL},
		{"#!/usr/bin/env python3\n", 0},
		{"#!/usr/bin/env\n", 0},
		{"#!\n", 0},
		{"#!", 0},
		{"\177ELF node", 0},
		{"", 0},
	};
	char dir[] = "/tmp/fg-flags-XXXXXX", path[80], program[] = "./run", in_path[] = "run";

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/run", dir);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char *relative[] = {program, NULL}, *absolute[] = {path, NULL};
		char *searched[] = {in_path, NULL};
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
		char search[100];

		assert_true(fd >= 0);
		assert_int_equal(write(fd, cases[i].text, strlen(cases[i].text)),
				 (ssize_t)strlen(cases[i].text));
		close(fd);
		(void)snprintf(search, sizeof(search), ":/nowhere:%s", dir);
		if (fg_runtime_flags_of_command(relative, dir, NULL) != cases[i].runtimes ||
		    fg_runtime_flags_of_command(absolute, "/", "") != cases[i].runtimes ||
		    fg_runtime_flags_of_command(searched, "/", search) != cases[i].runtimes)
			fail_msg("%s", cases[i].text);
	}
	assert_int_equal(unlink(path), 0);
	/* a FIFO of that name must not hold us up */
	assert_int_equal(mkfifo(path, 0755), 0);
	char *fifo[] = {path, NULL};

	assert_int_equal(fg_runtime_flags_of_command(fifo, "/", NULL), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_values(void **state)
{
#define BOTH "--perf-basic-prof --interpreted-frames-native-stack"
	static const struct {
		enum fg_flagged_runtime runtime;
		const char *old, *value; /* NULL: nothing to add */
		const char *added;
	} cases[] = {
		{NODE, NULL, BOTH, BOTH},
		{NODE, "", BOTH, BOTH},
		{NODE, "--max-old-space-size=100", "--max-old-space-size=100 " BOTH, BOTH},
		{NODE, "--perf-basic-prof", BOTH, "--interpreted-frames-native-stack"},
		{NODE, "--perf_basic_prof", "--perf_basic_prof --interpreted-frames-native-stack",
		 "--interpreted-frames-native-stack"},
		{NODE, BOTH, NULL, NULL},
		{NODE,
		 "--no-perf-basic-prof "
		 "--interpreted-frames-native-stack",
		 NULL, NULL},
		{NODE, "--perf-basic-profile", "--perf-basic-profile " BOTH, BOTH},
		{NODE, "x--perf-basic-prof", "x--perf-basic-prof " BOTH, BOTH},
		{JAVA, NULL, "-XX:+PreserveFramePointer", "-XX:+PreserveFramePointer"},
		{JAVA, "-Xmx1g", "-Xmx1g -XX:+PreserveFramePointer", "-XX:+PreserveFramePointer"},
		{JAVA, "-Da=\"b c\" -XX:+PreserveFramePointer", NULL, NULL},
		{JAVA, "-XX:-PreserveFramePointer", NULL, NULL}, /* the user's word stands */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf value, added;

		fg_buf_init(&value, 4096);
		fg_buf_init(&added, 4096);
		bool any = fg_runtime_flags_value(cases[i].runtime, cases[i].old, &value, &added);

		if (any != (cases[i].value != NULL))
			fail_msg("case %zu", i);
		if (any) {
			assert_string_equal(value.data, cases[i].value);
			assert_string_equal(added.data, cases[i].added);
		}
		fg_buf_done(&value);
		fg_buf_done(&added);
	}
	assert_string_equal(fg_runtime_flags_variable(FG_FLAGGED_NODE), "NODE_OPTIONS");
	assert_string_equal(fg_runtime_flags_variable(FG_FLAGGED_JAVA), "JAVA_TOOL_OPTIONS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
