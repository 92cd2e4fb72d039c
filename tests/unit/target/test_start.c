/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owning a process that does not want to be owned. Every test checks by pid that nothing is left;
 * waiting is always for a condition with a deadline, never for a time.
 */
#include "tests/kit/kit.h"

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/num.h"
#include "runner/target/keeper.h"
#include "runner/target/target.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIDS_MAX = 16 };
#define PATIENCE_NS (20 * FG_NS_PER_S)

struct fixture {
	char dir[64];
	char log_path[128];
	char *command[4];
	struct fg_scenario_file file;
	struct fg_target_start_options options;
};

static void set_up(struct fixture *fixture, const char *how)
{
	static char program[] = ZOO_DAEMON;

	memset(fixture, 0, sizeof(*fixture));
	(void)snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/fg_target_XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	(void)snprintf(fixture->log_path, sizeof(fixture->log_path), "%s/target.log", fixture->dir);
	fixture->command[0] = program;
	fixture->command[1] = strdup(how);
	assert_non_null(fixture->command[1]);
	fixture->file.dir = fixture->dir;
	fixture->file.target.command = fixture->command;
	fixture->file.target.cpus = strdup("");
	fixture->file.target.ready = FG_READY_LOG;
	fixture->file.target.ready_log = strdup("^up$");
	fixture->file.target.ready_timeout_ns = PATIENCE_NS;
	fixture->file.target.stop_signal = SIGTERM;
	fixture->file.target.stop_timeout_ns = PATIENCE_NS;
	fixture->options.file = &fixture->file;
	fixture->options.side = "";
	fixture->options.log_path = fixture->log_path;
}

static void tear_down(struct fixture *fixture)
{
	assert_int_equal(fg_file_remove_tree(fixture->dir, NULL), 0);
	free(fixture->command[1]);
	free(fixture->file.target.cpus);
	free(fixture->file.target.ready_log);
}

static char *read_log(const struct fixture *fixture)
{
	struct fg_buf text;
	struct fg_err err;

	fg_buf_init(&text, 256 << 20);
	fg_buf_add(&text, "", 0);
	assert_ok(fg_file_read(fixture->log_path, 256 << 20, &text, &err), &err);
	fg_buf_add_char(&text, '\0');
	char *taken = fg_buf_take(&text, NULL);

	assert_non_null(taken);
	return taken;
}

/* The pids that the zoo program's processes printed. */
static size_t logged_pids(const struct fixture *fixture, pid_t pids[PIDS_MAX])
{
	char *text = read_log(fixture);
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, "pid ")) != NULL && count < PIDS_MAX;) {
		uint64_t pid = 0;

		at += 4;
		if (fg_num_u64(at, strcspn(at, "\n"), &pid, NULL) == 0)
			pids[count++] = (pid_t)pid;
	}
	free(text);
	return count;
}

static size_t wait_for_pids(const struct fixture *fixture, size_t want, pid_t pids[PIDS_MAX])
{
	uint64_t deadline_ns = fg_clock_monotonic_ns() + PATIENCE_NS;
	size_t count;

	while ((count = logged_pids(fixture, pids)) < want) {
		if (fg_clock_monotonic_ns() > deadline_ns)
			fail_msg("%zu of %zu processes came up", count, want);
		(void)poll(NULL, 0, 5);
	}
	return count;
}

static void assert_gone(pid_t pid)
{
	uint64_t deadline_ns = fg_clock_monotonic_ns() + PATIENCE_NS;

	while (kill(pid, 0) == 0 || errno != ESRCH) {
		if (fg_clock_monotonic_ns() > deadline_ns)
			fail_msg("process %ld is still there", (long)pid);
		(void)poll(NULL, 0, 5);
	}
}

static void assert_all_gone(const struct fixture *fixture)
{
	pid_t pids[PIDS_MAX];
	size_t count = logged_pids(fixture, pids);

	assert_true(count > 0);
	for (size_t i = 0; i < count; i++)
		assert_gone(pids[i]);
}

static void test_polite_stop(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	char text[128];

	(void)state;
	set_up(&fixture, "polite");
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	assert_true(fg_target_pid(target) > 1);
	assert_int_equal(fg_target_port(target), 0);
	assert_true(fg_target_start_duration_ns(target) > 0);
	assert_false(fg_target_ended(target, text, sizeof(text)));
	assert_int_equal(getpgid((pid_t)fg_target_pid(target)), fg_target_pid(target));
	assert_ok(fg_target_stop(target, &err), &err);
	char *log = read_log(&fixture);

	assert_non_null(strstr(log, "bye"));
	free(log);
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

static void test_daemon_is_stopped(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	pid_t pids[PIDS_MAX];

	(void)state;
	set_up(&fixture, "daemon");
	fixture.file.target.stop_timeout_ns = 100 * FG_NS_PER_MS;
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	assert_int_equal(wait_for_pids(&fixture, 3, pids), 3);
	assert_ok(fg_target_stop(target, &err), &err);
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

static void test_stubborn_is_killed_after_the_timeout(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	pid_t pids[PIDS_MAX];

	(void)state;
	set_up(&fixture, "stubborn");
	fixture.file.target.stop_timeout_ns = 200 * FG_NS_PER_MS;
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	assert_int_equal(wait_for_pids(&fixture, 3, pids), 3);
	uint64_t begin_ns = fg_clock_monotonic_ns();

	assert_ok(fg_target_stop(target, &err), &err);
	assert_true(fg_clock_monotonic_ns() - begin_ns >= 200 * FG_NS_PER_MS);
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

/* The parent of a pid, from /proc; 0 if gone. */
static pid_t parent_of(pid_t pid)
{
	struct fg_buf text;
	char path[64];
	uint64_t parent = 0;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fg_buf_init(&text, 4096);
	if (fg_file_read(path, 4096, &text, NULL) == 0) {
		const char *at = strrchr(text.data, ')');

		assert_non_null(at);
		assert_int_equal(fg_num_u64(at + 4, strcspn(at + 4, " "), &parent, NULL), 0);
	}
	fg_buf_done(&text);
	return (pid_t)parent;
}

/* Starts in a child process; `ret_keeper` is the keeper. The owner then waits to be killed. */
static pid_t start_in_owner(struct fixture *fixture, size_t processes, pid_t *ret_keeper)
{
	pid_t pids[PIDS_MAX];
	pid_t owner = fork();

	assert_true(owner >= 0);
	if (owner == 0) {
		struct fg_target_process *target = NULL;

		if (fg_target_start(&fixture->options, &target, NULL) != 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	uint64_t deadline_ns = fg_clock_monotonic_ns() + PATIENCE_NS;

	while (!fg_file_exists(fixture->log_path) && fg_clock_monotonic_ns() < deadline_ns)
		(void)poll(NULL, 0, 5);
	(void)wait_for_pids(fixture, processes, pids);
	*ret_keeper = parent_of(pids[0]);
	assert_int_equal(parent_of(*ret_keeper), owner);
	return owner;
}

static void test_nothing_survives_kill_9_of_the_owner(void **state)
{
	struct fixture fixture;
	pid_t keeper = 0;

	(void)state;
	set_up(&fixture, "daemon");
	pid_t owner = start_in_owner(&fixture, 3, &keeper);

	/* What a terminal or a CI runner would send first must not stop the keeper. */
	assert_int_equal(kill(keeper, SIGINT), 0);
	assert_int_equal(kill(keeper, SIGTERM), 0);
	assert_int_equal(kill(keeper, SIGHUP), 0);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	assert_all_gone(&fixture);
	assert_gone(keeper);
	tear_down(&fixture);
}

static void test_kill_9_before_ready(void **state)
{
	struct fixture fixture;
	pid_t keeper = 0;

	(void)state;
	set_up(&fixture, "stubborn");
	free(fixture.file.target.ready_log);
	fixture.file.target.ready_log = strdup("never");
	pid_t owner = start_in_owner(&fixture, 3, &keeper);

	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	assert_all_gone(&fixture);
	assert_gone(keeper);
	tear_down(&fixture);
}

static void test_death_of_the_keeper(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	char text[128] = "";

	(void)state;
	set_up(&fixture, "polite");
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	pid_t keeper = parent_of((pid_t)fg_target_pid(target));

	assert_int_equal(kill(keeper, SIGKILL), 0);
	struct pollfd wait = {.fd = fg_target_fd(target), .events = POLLIN};

	assert_int_equal(poll(&wait, 1, (int)(PATIENCE_NS / FG_NS_PER_MS)), 1);
	assert_true(fg_target_ended(target, text, sizeof(text)));
	assert_non_null(strstr(text, "keeper"));
	assert_int_equal(fg_target_stop(target, &err), -FG_E_INTERNAL);
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

struct failure_case {
	const char *how;
	const char *message; /* part of the error */
};

static void test_death_before_ready(void **state)
{
	static const struct failure_case cases[] = {
		{"die", "exited with status 3 before it was ready"},
		{"die", "config.yaml: no such file\n?[31mgiving up"},
		{"crash", "killed by SIGSEGV before it was ready"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_target_process *target = NULL;
		struct fixture fixture;
		struct fg_err err;

		set_up(&fixture, cases[i].how);
		assert_int_equal(fg_target_start(&fixture.options, &target, &err), -FG_E_TARGET);
		assert_null(target);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s", err.message);
		assert_all_gone(&fixture);
		tear_down(&fixture);
	}
}

static void test_never_ready(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;

	(void)state;
	set_up(&fixture, "daemon");
	free(fixture.file.target.ready_log);
	fixture.file.target.ready_log = strdup("^never");
	fixture.file.target.ready_timeout_ns = 300 * FG_NS_PER_MS;
	fixture.file.target.stop_timeout_ns = 100 * FG_NS_PER_MS;
	assert_int_equal(fg_target_start(&fixture.options, &target, &err), -FG_E_TARGET);
	assert_non_null(strstr(err.message, "not ready within 300ms: no output matched /^never/"));
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

static void test_cannot_start(void **state)
{
	static const struct {
		const char *program, *cwd, *cpus, *log, *message;
	} cases[] = {
		{"/no/such/server", NULL, "", NULL, "cannot run /no/such/server: No such file"},
		{"no-such-server-in-path", NULL, "", NULL, "cannot run no-such-server-in-path"},
		{"/etc/passwd", NULL, "", NULL, "Permission denied"},
		{"/bin/true", "/no/such/dir", "", NULL, "target.start.cwd /no/such/dir"},
		{"/bin/true", NULL, "1000", NULL, "cannot pin"},
		{"/bin/true", NULL, "x", NULL, "cpus: x"},
		{"/bin/true", NULL, "", "/no/such/dir/log", "the target's log"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_target_process *target = NULL;
		struct fixture fixture;
		struct fg_err err;
		char program[64], cwd[64];

		set_up(&fixture, "x");
		(void)snprintf(program, sizeof(program), "%s", cases[i].program);
		(void)snprintf(cwd, sizeof(cwd), "%s", cases[i].cwd ? cases[i].cwd : ".");
		fixture.command[0] = program;
		fixture.file.target.cwd = cwd;
		free(fixture.file.target.cpus);
		fixture.file.target.cpus = strdup(cases[i].cpus);
		if (cases[i].log)
			fixture.options.log_path = cases[i].log;
		assert_true(fg_target_start(&fixture.options, &target, &err) < 0);
		assert_null(target);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s", err.message);
		tear_down(&fixture);
	}
}

/* Without a probe and without a URL there is nothing to wait for. */
static void test_no_sign_of_readiness(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;

	(void)state;
	set_up(&fixture, "polite");
	fixture.file.target.ready = FG_READY_NONE;
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	assert_ok(fg_target_stop(target, &err), &err);
	fixture.file.target.ready = FG_READY_TCP;
	assert_int_equal(fg_target_start(&fixture.options, &target, &err), -FG_E_INVALID);
	tear_down(&fixture);
}

static void test_bad_pattern(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;

	(void)state;
	set_up(&fixture, "polite");
	free(fixture.file.target.ready_log);
	fixture.file.target.ready_log = strdup("a(b");
	assert_int_equal(fg_target_start(&fixture.options, &target, &err), -FG_E_INVALID);
	assert_non_null(strstr(err.message, "ready.log: /a(b/"));
	tear_down(&fixture);
}

/* Readiness by URL and TCP with a chosen port, which must also arrive as PORT. */
static void test_chosen_port(void **state)
{
	static const struct {
		enum fg_ready_kind ready;
		const char *url;
		uint16_t status;
		bool fails;
	} cases[] = {
		{FG_READY_URL, "/healthz", 204, false},
		{FG_READY_URL, "http://127.0.0.1:{{ target.port }}/", 0, false},
		{FG_READY_URL, "/healthz", 200, true},
		{FG_READY_TCP, NULL, 0, false},
		{FG_READY_NONE, NULL, 0, false},
	};
	static char base[] = "http://127.0.0.1:{{ target.port }}/api?x=1";

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_target_process *target = NULL;
		struct fg_listener owner;
		struct fixture fixture;
		struct fg_err err;
		char url[64];

		set_up(&fixture, "serve");
		(void)snprintf(url, sizeof(url), "%s", cases[i].url ? cases[i].url : "");
		fixture.file.target.url = base;
		fixture.file.target.wants_port = true;
		fixture.file.target.ready = cases[i].ready;
		fixture.file.target.ready_url = cases[i].url ? url : NULL;
		fixture.file.target.ready_status = cases[i].status;
		if (cases[i].fails)
			fixture.file.target.ready_timeout_ns = 500 * FG_NS_PER_MS;
		int rc = fg_target_start(&fixture.options, &target, &err);

		if (cases[i].fails) {
			assert_int_equal(rc, -FG_E_TARGET);
			assert_non_null(strstr(err.message, "answered 204"));
			assert_all_gone(&fixture);
			tear_down(&fixture);
			continue;
		}
		assert_ok(rc, &err);
		assert_true(fg_target_port(target) > 0);
		assert_ok(fg_target_find_port(fg_target_port(target), &owner, &err), &err);
		assert_int_equal(owner.pid, fg_target_pid(target));
		assert_string_equal(owner.name, "zoo_daemon");
		assert_ok(fg_target_stop(target, &err), &err);
		assert_all_gone(&fixture);
		tear_down(&fixture);
	}
}

static void test_port_in_use(void **state)
{
	static char base[] = "http://127.0.0.1:{{ target.port }}/";
	struct fg_target_process *first = NULL, *second = NULL;
	struct fixture fixture, other;
	struct fg_err err;
	char url[64];

	(void)state;
	set_up(&fixture, "serve");
	fixture.file.target.url = base;
	fixture.file.target.wants_port = true;
	assert_ok(fg_target_start(&fixture.options, &first, &err), &err);
	set_up(&other, "polite");
	(void)snprintf(url, sizeof(url), "http://localhost:%u/", fg_target_port(first));
	other.file.target.url = url;
	assert_int_equal(fg_target_start(&other.options, &second, &err), -FG_E_TARGET);
	assert_non_null(strstr(err.message, "zoo_daemon (pid "));
	assert_non_null(strstr(err.message, "already listens on port"));
	assert_ok(fg_target_stop(first, &err), &err);
	tear_down(&fixture);
	tear_down(&other);
}

static void test_death_is_reported(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	char text[128] = "";

	(void)state;
	set_up(&fixture, "polite");
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	assert_int_equal(kill((pid_t)fg_target_pid(target), SIGABRT), 0);
	struct pollfd wait = {.fd = fg_target_fd(target), .events = POLLIN};

	assert_int_equal(poll(&wait, 1, (int)(PATIENCE_NS / FG_NS_PER_MS)), 1);
	assert_true(fg_target_ended(target, text, sizeof(text)));
	assert_string_equal(text, "killed by SIGABRT");
	assert_true(fg_target_ended(target, text, sizeof(text)));
	assert_ok(fg_target_stop(target, &err), &err);
	assert_all_gone(&fixture);
	tear_down(&fixture);
}

/* Only 0, 1, 2; SIGTERM at its default although this process ignores it; environment in place. */
static void test_a_clean_start(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	int leak = dup(STDERR_FILENO); /* not close-on-exec */

	(void)state;
	assert_true(leak > 2);
	assert_true(signal(SIGTERM, SIG_IGN) != SIG_ERR);
	set_up(&fixture, "forget");
	int rc = fg_target_start(&fixture.options, &target, &err);

	assert_true(signal(SIGTERM, SIG_DFL) != SIG_ERR);
	assert_ok(rc, &err);
	assert_ok(fg_target_stop(target, &err), &err);
	char *log = read_log(&fixture);

	assert_non_null(strstr(log, "fd 0\nfd 1\nfd 2\nignored SIGTERM 0\n"));
	free(log);
	assert_int_equal(close(leak), 0);
	tear_down(&fixture);
}

static void test_a_flood_of_output_is_bounded(void **state)
{
	struct fg_target_process *target = NULL;
	struct fixture fixture;
	struct fg_err err;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + PATIENCE_NS;
	struct stat st = {.st_size = 0};
	bool was_cut = false;
	off_t before = 0;

	(void)state;
	set_up(&fixture, "flood");
	fixture.file.target.ready = FG_READY_DELAY;
	fixture.file.target.ready_delay_ns = FG_NS_PER_MS;
	assert_ok(fg_target_start(&fixture.options, &target, &err), &err);
	while (!was_cut && fg_clock_monotonic_ns() < deadline_ns) {
		assert_int_equal(stat(fixture.log_path, &st), 0);
		was_cut = st.st_size < before;
		before = st.st_size;
		(void)poll(NULL, 0, 5);
	}
	assert_ok(fg_target_stop(target, &err), &err);
	assert_true(was_cut);
	tear_down(&fixture);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_polite_stop),
		cmocka_unit_test(test_daemon_is_stopped),
		cmocka_unit_test(test_stubborn_is_killed_after_the_timeout),
		cmocka_unit_test(test_nothing_survives_kill_9_of_the_owner),
		cmocka_unit_test(test_kill_9_before_ready),
		cmocka_unit_test(test_death_of_the_keeper),
		cmocka_unit_test(test_death_before_ready),
		cmocka_unit_test(test_never_ready),
		cmocka_unit_test(test_cannot_start),
		cmocka_unit_test(test_no_sign_of_readiness),
		cmocka_unit_test(test_bad_pattern),
		cmocka_unit_test(test_chosen_port),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_death_is_reported),
		cmocka_unit_test(test_a_clean_start),
		cmocka_unit_test(test_a_flood_of_output_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
