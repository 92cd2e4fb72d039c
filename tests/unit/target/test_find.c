/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a process in a /proc of the test's own: names, control groups, containers, units, pid
 * files. */
#include "tests/kit/kit.h"

#include "gate/base/file.h"
#include "runner/target/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID_A "4f2c0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab"
#define ID_B "4f2cffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static const struct {
	unsigned pid, parent;
	unsigned long long start;
	const char *comm, *cmdline, *cgroup;
} processes[] = {
	{1, 0, 1, "systemd", "/sbin/init", "0::/init.scope\n"},
	{100, 1, 50, "nginx", "nginx: master", "0::/system.slice/nginx.service\n"},
	{101, 100, 51, "nginx", "nginx: worker", "0::/system.slice/nginx.service\n"},
	{102, 100, 52, "nginx", "nginx: worker", "0::/system.slice/nginx.service\n"},
	{200, 1, 60, "node", "/usr/bin/node", "0::/user.slice/user-1000.slice\n"},
	{201, 1, 61, "node", "/usr/bin/node", "0::/user.slice/user-1000.slice\n"},
	{300, 1, 70, "a (b) c", "/opt/server-with-a-long-name", "0::/app\n"},
	{301, 300, 71, "worker", "x", "0::/app/workers\n"},
	{302, 1, 72, "other", "x", "0::/application\n"},
	/* the shell of `docker exec` came later and has no parent that is seen here */
	{400, 0, 80, "web", "web", "0::/system.slice/docker-" ID_A ".scope\n"},
	{401, 0, 90, "sh", "sh", "0::/system.slice/docker-" ID_A ".scope\n"},
	{500, 0, 85, "web2", "web2", "12:memory:/docker/" ID_B "\n0::/\n"},
};

static char root[] = "/tmp/fg-proc-XXXXXX";

static void put(unsigned pid, const char *name, const char *text, size_t len)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};

	assert_ok(fg_file_path(path, &err, "%s/%u", root, pid), &err);
	assert_ok(fg_file_mkdirs(path, &err), &err);
	assert_ok(fg_file_path(path, &err, "%s/%u/%s", root, pid, name), &err);
	assert_ok(fg_file_write(path, text, len, &err), &err);
}

static int make_proc(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < FG_ARRAY_LEN(processes); i++) {
		char text[512];
		unsigned pid = processes[i].pid;
		int len =
			snprintf(text, sizeof(text),
				 "%u (%s) S %u 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 %llu 9\n",
				 pid, processes[i].comm, processes[i].parent, processes[i].start);

		put(pid, "stat", text, (size_t)len);
		len = snprintf(text, sizeof(text), "%s\n", processes[i].comm);
		put(pid, "comm", text, (size_t)len);
		put(pid, "cmdline", processes[i].cmdline, strlen(processes[i].cmdline) + 1);
		put(pid, "cgroup", processes[i].cgroup, strlen(processes[i].cgroup));
	}
	put(600, "stat", "garbage", 7);
	put(600, "comm", "nginx\n", 6);
	return 0;
}

static int remove_proc(void **state)
{
	(void)state;
	return fg_file_remove_tree(root, NULL);
}

static void test_found(void **state)
{
	static const struct {
		struct fg_process_query query;
		unsigned pid; /* 0: a fault */
		const char *text;
	} cases[] = {
		{{.name = "nginx"}, 100, "nginx"},
		{{.name = "server-with-a-long-name"}, 300, "a (b) c"},
		{{.name = "a (b) c"}, 300, "a (b) c"},
		{{.name = "node"}, 0, "2 processes are called \"node\" (pids 20"},
		{{.name = "ngin"}, 0, "no process that is visible here is called \"ngin\""},
		{{.unit = "nginx.service"}, 100, "nginx"},
		{{.unit = "nginx"}, 100, "nginx"},
		{{.unit = "ngin"}, 0, "no process that is visible here is of unit"},
		{{.unit = "system"}, 0, "no process"},
		{{.cgroup = "/sys/fs/cgroup/app"}, 300, "a (b) c"},
		{{.cgroup = "app/"}, 300, "a (b) c"},
		{{.cgroup = "/app/workers"}, 301, "worker"},
		{{.cgroup = "user.slice"}, 200, "node"},
		{{.cgroup = "ap"}, 0, "is in control group \"ap\""},
		{{.container = "4f2c01234567"}, 400, "web"},
		{{.container = ID_B}, 500, "web2"},
		{{.container = "4f2c"}, 0, "more than one container begins with 4f2c"},
		{{.container = "aaaaaa"}, 0, "is in container \"aaaaaa\""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_process_query query = cases[i].query;
		struct fg_listener found = {0};
		struct fg_err err = {0};

		query.proc = root;
		int rc = fg_target_find_process(&query, &found, &err);

		if (cases[i].pid) {
			assert_ok(rc, &err);
			assert_int_equal(found.pid, cases[i].pid);
			assert_string_equal(found.name, cases[i].text);
		} else if (rc == 0 || !strstr(err.message, cases[i].text)) {
			fail_msg("case %zu: %d %s", i, rc, err.message);
		}
	}
}

static void test_pid_file(void **state)
{
	static const struct {
		const char *text;
		unsigned pid;
		const char *message;
	} cases[] = {
		{"100\n", 100, NULL},
		{" 300", 300, NULL},
		{"101\nmore\n", 101, NULL},
		{"", 0, "holds no pid"},
		{"0\n", 0, "holds no pid"},
		{"-5\n", 0, "holds no pid"},
		{"99999999999\n", 0, "holds no pid"},
		{"nginx\n", 0, "holds no pid"},
		{"4242\n", 0, "names pid 4242, which does not run"},
	};
	char path[FG_PATH_MAX];
	struct fg_err err = {0};
	struct fg_process_query query = {.pid_file = path, .proc = root};
	struct fg_listener found;

	(void)state;
	assert_ok(fg_file_path(path, &err, "%s/pid", root), &err);
	assert_int_equal(fg_target_find_process(&query, &found, &err), -FG_E_NOT_FOUND);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		assert_ok(fg_file_write(path, cases[i].text, strlen(cases[i].text), &err), &err);
		int rc = fg_target_find_process(&query, &found, &err);

		if (cases[i].pid) {
			assert_ok(rc, &err);
			assert_int_equal(found.pid, cases[i].pid);
		} else if (rc == 0 || !strstr(err.message, cases[i].message)) {
			fail_msg("case %zu: %d %s", i, rc, err.message);
		}
	}
	assert_int_equal(unlink(path), 0);
}

/* The real /proc: this test is not found by its own name (a runner never profiles itself). */
static void test_real(void **state)
{
	struct fg_process_query query = {.name = "unit_target_find"};
	struct fg_listener found;
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(fg_target_find_process(&query, &found, &err), -FG_E_NOT_FOUND);
	query.proc = "/no/such/place";
	assert_int_equal(fg_target_find_process(&query, &found, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "cannot list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_pid_file),
		cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, make_proc, remove_proc);
}
