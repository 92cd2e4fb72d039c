/* SPDX-License-Identifier: Apache-2.0 */
/* Generated code: whose it is, where its names lie, what they mean. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "profiler/client_jit.h"
#include "profiler/jit_file.h"
#include "profiler/process.h"
#include "profiler/wire.pb-c.h"

/* -- processes ------------------------------------------------------------------------------- */

struct told {
	uint32_t tgid;
	uint64_t time_ns;
	bool anew;
	enum fg_runtime runtime;
};

static void tell(struct fg_client_processes *processes, const struct told *told, int root)
{
	Fg__Wire__Process message = FG__WIRE__PROCESS__INIT;
	struct fg_err err = {0};
	char name[] = "no\tde\x1b";

	message.tgid = told->tgid;
	message.time_ns = told->time_ns;
	message.anew = told->anew;
	message.runtime = (uint32_t)told->runtime;
	message.name = name;
	assert_ok(fg_client_process_add(processes, &message, root, &err), &err);
}

static void test_by_time(void **state)
{
	static const struct told told[] = {
		{7, 100, true, FG_RUNTIME_NATIVE},
		{7, 150, false, FG_RUNTIME_JAVA}, /* it has loaded libjvm */
		{8, 120, true, FG_RUNTIME_NODE},
		{7 + FG_CLIENT_BUCKETS, 130, true, FG_RUNTIME_PHP},
		{7, 200, true, FG_RUNTIME_NODE}, /* exec */
		{9, 10, false, (enum fg_runtime)77},
	};
	static const struct {
		uint32_t tgid;
		uint64_t time_ns;
		enum fg_runtime runtime;
	} asked[] = {
		{7, 50, FG_RUNTIME_JAVA}, /* before it was announced */
		{7, 100, FG_RUNTIME_JAVA},   {7, 199, FG_RUNTIME_JAVA},
		{7, 200, FG_RUNTIME_NODE},   {7, UINT64_MAX, FG_RUNTIME_NODE},
		{8, 130, FG_RUNTIME_NODE},   {7 + FG_CLIENT_BUCKETS, 999, FG_RUNTIME_PHP},
		{9, 999, FG_RUNTIME_NATIVE},
	};
	struct fg_client_processes *processes = calloc(1, sizeof(*processes));

	(void)state;
	assert_non_null(processes);
	for (size_t i = 0; i < FG_ARRAY_LEN(told); i++)
		tell(processes, &told[i], -1);
	assert_int_equal(processes->count, 5);
	for (size_t i = 0; i < FG_ARRAY_LEN(asked); i++) {
		const struct fg_client_process *found =
			fg_client_process_at(processes, asked[i].tgid, asked[i].time_ns);
		uint32_t context = fg_client_context(processes, asked[i].tgid, asked[i].time_ns);

		assert_non_null(found);
		assert_int_equal(found->runtime, asked[i].runtime);
		assert_string_equal(found->name, "no?de?");
		assert_ptr_equal(fg_client_process_of(processes, context), found);
	}
	assert_null(fg_client_process_at(processes, 10, 999));
	assert_int_equal(fg_client_context(processes, 10, 999), 0);
	assert_null(fg_client_process_of(processes, 0));
	assert_null(fg_client_process_of(processes, UINT32_MAX));
	fg_client_processes_done(processes);
	free(processes);
}

static void test_limits(void **state)
{
	struct fg_client_processes *processes = calloc(1, sizeof(*processes));

	(void)state;
	assert_non_null(processes);
	for (uint32_t i = 0; i < FG_CLIENT_PROCESSES_MAX; i++)
		tell(processes, &(struct told){i, i, true, FG_RUNTIME_NATIVE}, -1);
	assert_false(processes->over_limit);
	tell(processes, &(struct told){1, 1, true, FG_RUNTIME_NODE}, -1);
	assert_true(processes->over_limit);
	assert_int_equal(processes->count, FG_CLIENT_PROCESSES_MAX);
	fg_client_processes_done(processes);
	free(processes);
}

/* Every process of one root shares its descriptor, and only so many make code. */
static void test_roots(void **state)
{
	struct fg_client_processes *processes = calloc(1, sizeof(*processes));
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_non_null(processes);
	for (uint32_t i = 0; i < FG_JIT_PROCESSES_MAX + 3; i++)
		tell(processes, &(struct told){i, i, true, FG_RUNTIME_NODE},
		     open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	assert_int_equal(processes->root_count, 1);
	assert_int_equal(processes->jit_count, FG_JIT_PROCESSES_MAX);
	assert_true(processes->over_limit);
	assert_null(fg_client_process_at(processes, FG_JIT_PROCESSES_MAX + 2, UINT64_MAX)->jit);
	/* no descriptor was left open */
	int now = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(now, null + 2);
	close(now);
	fg_client_processes_done(processes);
	free(processes);
	close(null);
}

/* -- perf maps in a root of our own ------------------------------------------------------------ */

struct place {
	char dir[40];
	char map[80];
	int root;
};

static void place_open(struct place *place)
{
	char tmp[60];

	(void)snprintf(place->dir, sizeof(place->dir), "/tmp/fg-jit-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", place->dir);
	assert_int_equal(mkdir(tmp, 0755), 0);
	(void)snprintf(place->map, sizeof(place->map), "%s/perf-7.map", tmp);
	place->root = open(place->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->root >= 0);
}

static void place_close(struct place *place)
{
	struct fg_err err;

	close(place->root);
	assert_ok(fg_file_remove_tree(place->dir, &err), &err);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_plain(const struct place *place)
{
	write_text(place->map, "1000 10 f\n");
}

static void make_nothing(const struct place *place)
{
	(void)place;
}

static void make_link(const struct place *place)
{
	assert_int_equal(symlink("/etc/passwd", place->map), 0);
}

static void make_hard_link(const struct place *place)
{
	char other[100];

	(void)snprintf(other, sizeof(other), "%s/other", place->dir);
	write_text(other, "1000 10 f\n");
	assert_int_equal(link(other, place->map), 0);
}

static void make_fifo(const struct place *place)
{
	assert_int_equal(mkfifo(place->map, 0644), 0);
}

static void make_directory(const struct place *place)
{
	assert_int_equal(mkdir(place->map, 0755), 0);
}

static void make_huge(const struct place *place)
{
	make_plain(place);
	assert_int_equal(truncate(place->map, (off_t)1 << 40), 0);
}

static void make_old(const struct place *place)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	make_plain(place);
	assert_int_equal(utimensat(AT_FDCWD, place->map, times, 0), 0);
}

static void test_map_open(void **state)
{
	static const struct {
		void (*make)(const struct place *place);
		uint32_t uid; /* besides ours */
		int expected; /* 0: opened */
	} cases[] = {
		{make_plain, 0, 0},
		{make_nothing, 0, -FG_E_NOT_FOUND},
		{make_link, 0, -FG_E_INVALID},
		{make_hard_link, 0, -FG_E_INVALID},
		{make_fifo, 0, -FG_E_INVALID},
		{make_directory, 0, -FG_E_INVALID},
		{make_huge, 0, -FG_E_LIMIT},
		{make_old, 0, -FG_E_NOT_FOUND},
		{make_plain, 12345, -FG_E_PERMISSION},
	};
	struct timespec boot;

	(void)state;
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &boot), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_jit_owner owner = {
			.ns_pid = 7,
			.uid = cases[i].uid ? cases[i].uid : geteuid(),
			.start_ns = (uint64_t)boot.tv_sec * FG_NS_PER_S,
		};
		struct fg_err err = {0};
		struct place place;

		place_open(&place);
		cases[i].make(&place);
		if (cases[i].uid && geteuid() == 0) /* root's are believed */
			assert_int_equal(chown(place.map, 1, 1), 0);
		int fd = fg_jit_map_open(place.root, &owner, &err);

		if ((fd < 0 ? fd : 0) != cases[i].expected)
			fail_msg("case %zu: %d: %s", i, fd, fd < 0 ? err.message : "opened");
		if (fd >= 0)
			close(fd);
		place_close(&place);
	}
}

/* /tmp of the root may itself be a link; it must not lead out of the root. */
static void test_tmp_inside(void **state)
{
	struct place place;
	struct fg_err err = {0};
	char tmp[60], text[16] = "";

	(void)state;
	place_open(&place);
	(void)snprintf(tmp, sizeof(tmp), "%s/tmp", place.dir);
	assert_int_equal(rmdir(tmp), 0);
	assert_int_equal(fg_jit_tmp_open(place.root, &err), -FG_E_NOT_FOUND);
	assert_int_equal(symlink("/elsewhere", tmp), 0);
	(void)snprintf(tmp, sizeof(tmp), "%s/elsewhere", place.dir);
	assert_int_equal(mkdir(tmp, 0755), 0);
	(void)snprintf(place.map, sizeof(place.map), "%s/perf-7.map", tmp);
	make_plain(&place);
	const struct fg_jit_owner owner = {.ns_pid = 7, .uid = geteuid()};
	int fd = fg_jit_map_open(place.root, &owner, &err);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 10);
	close(fd);
	place_close(&place);
}

/* -- generations ------------------------------------------------------------------------------ */

static struct fg_client_processes *one_process(const struct place *place, enum fg_runtime runtime)
{
	struct fg_client_processes *processes = calloc(1, sizeof(*processes));

	assert_non_null(processes);
	tell(processes, &(struct told){(uint32_t)getpid(), 1, true, runtime}, dup(place->root));
	processes->items[0].ns_pid = 7;
	processes->items[0].uid = geteuid();
	return processes;
}

static void test_generations(void **state)
{
	struct place place;
	uint64_t now_ns = fg_clock_monotonic_ns() - 5 * FG_NS_PER_S; /* the looks were then */

	(void)state;
	place_open(&place);
	write_text(place.map, "1000 10 first\n");
	struct fg_client_processes *processes = one_process(&place, FG_RUNTIME_NODE);
	struct fg_jit *jit = processes->items[0].jit;

	assert_non_null(jit);
	fg_jit_tick(processes, now_ns); /* makes the appointment */
	assert_int_equal(jit->count, 0);
	fg_jit_tick(processes, now_ns + FG_NS_PER_S);
	assert_int_equal(jit->count, 1);
	fg_jit_tick(processes, now_ns + 2 * FG_NS_PER_S); /* the next one is later */
	assert_int_equal(jit->count, 1);
	assert_int_equal(jit->generations[0].len, strlen("1000 10 first\n"));
	write_text(place.map, "1000 10 first\n1000 10 second\n");
	fg_jit_finish(processes, now_ns + FG_NS_PER_S);
	assert_int_equal(jit->count, 2);
	assert_string_equal(jit->problem, "");
	assert_int_equal(jit->text_len, strlen("1000 10 first\n1000 10 second\n"));
	assert_int_equal(fg_jit_generation_at(jit, 0), 0);
	assert_int_equal(fg_jit_generation_at(jit, now_ns + FG_NS_PER_S), 1);
	fg_jit_finish(processes, now_ns + FG_NS_PER_S); /* once is enough */
	assert_int_equal(jit->count, 2);
	fg_client_processes_done(processes);
	free(processes);
	place_close(&place);
}

static void test_many_generations(void **state)
{
	struct place place;
	uint64_t now_ns = fg_clock_monotonic_ns();

	(void)state;
	place_open(&place);
	make_plain(&place);
	struct fg_client_processes *processes = one_process(&place, FG_RUNTIME_NATIVE);
	struct fg_jit *jit = processes->items[0].jit;

	for (size_t i = 0; i < 40; i++) {
		jit->due_ns = 1; /* at once */
		fg_jit_tick(processes, now_ns + i);
	}
	assert_int_equal(jit->count, FG_JIT_GENERATIONS_MAX - 1);
	/* a map that became shorter: what is gone is not read */
	write_text(place.map, "1 2\n");
	fg_jit_finish(processes, now_ns + 40);
	assert_int_equal(jit->count, FG_JIT_GENERATIONS_MAX);
	for (size_t i = 0; i < jit->count; i++)
		assert_true(jit->generations[i].len <= jit->text_len);
	fg_client_processes_done(processes);
	free(processes);
	place_close(&place);
}

/* -- a VM that is asked -------------------------------------------------------------------------
 */

static int listen_at(const struct place *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/tmp/.java_pid7", place->dir);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

/* Plays the VM's part: takes the request and says `reply`. */
static void answer(int listener, const char *reply, size_t len)
{
	static const char expected[] = "1\0jcmd\0Compiler.perfmap\0\0";
	char request[64];
	int peer = accept(listener, NULL, NULL);

	assert_true(peer >= 0);
	assert_int_equal(recv(peer, request, sizeof(request), 0), sizeof(expected));
	assert_memory_equal(request, expected, sizeof(expected));
	assert_int_equal(send(peer, reply, len, MSG_NOSIGNAL), (ssize_t)len);
	close(peer);
}

static void test_attach(void **state)
{
	static const struct {
		const char *reply;
		bool other_process; /* the socket is not the VM's */
		uint32_t flags;
		int expected;
		const char *text;
	} cases[] = {
		{"0\nCommand executed successfully\n", false, 0, 0, ""},
		{"0\n", false, FG_RUNTIME_NO_SIGQUIT, 0, ""},
		{"1\njava.lang.IllegalArgumentException: Unknown diagnostic command\n", false, 0,
		 -FG_E_REFUSED, "Java 17"},
		{"100\nno \x1b[31m\n", false, 0, -FG_E_REFUSED, "no ?[31m"},
		{"", false, 0, -FG_E_REFUSED, "refused"},
		{"0\n", true, 0, -FG_E_PERMISSION, "belongs to process"},
		{"", false, FG_RUNTIME_NO_ATTACH, -FG_E_UNSUPPORTED, "DisableAttachMechanism"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct place place;
		struct fg_err err = {0};
		struct fg_attach attach;
		uint64_t now_ns = fg_clock_monotonic_ns();

		place_open(&place);
		int listener = listen_at(&place);
		const struct fg_client_process process = {
			.tgid = cases[i].other_process ? 1 : (uint32_t)getpid(),
			.ns_pid = 7,
			.uid = geteuid(),
			.flags = cases[i].flags,
			.runtime = FG_RUNTIME_JAVA,
		};
		int rc = fg_attach_begin(&attach, &process, place.root, now_ns + 3 * FG_NS_PER_S,
					 &err);

		if (!rc)
			rc = fg_attach_step(&attach, now_ns, &err);
		if (rc == 1) {
			answer(listener, cases[i].reply, strlen(cases[i].reply));
			rc = fg_attach_step(&attach, now_ns, &err);
		}
		if (rc != cases[i].expected || !strstr(rc ? err.message : "", cases[i].text))
			fail_msg("case %zu: %d: %s", i, rc, err.message);
		assert_int_equal(attach.state, FG_ATTACH_IDLE);
		assert_int_equal(fg_attach_fd(&attach), -1);
		close(listener);
		place_close(&place);
	}
}

static void test_attach_never_answers(void **state)
{
	struct place place;
	struct fg_err err = {0};
	struct fg_attach attach;

	(void)state;
	place_open(&place);
	int listener = listen_at(&place);
	const struct fg_client_process process = {
		.tgid = (uint32_t)getpid(), .ns_pid = 7, .uid = geteuid()};

	assert_ok(fg_attach_begin(&attach, &process, place.root, 100, &err), &err);
	assert_int_equal(fg_attach_step(&attach, 50, &err), 1);
	assert_true(fg_attach_fd(&attach) >= 0);
	assert_int_equal(fg_attach_step(&attach, 99, &err), 1);
	assert_int_equal(fg_attach_step(&attach, 100, &err), -FG_E_TIMEOUT);
	close(listener);
	/* its socket is still there, but nobody listens */
	assert_ok(fg_attach_begin(&attach, &process, place.root, 100, &err), &err);
	assert_int_equal(fg_attach_step(&attach, 50, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "has ended"));
	place_close(&place);
}

/* This process does not handle SIGQUIT, which would kill it. */
static void test_attach_no_signal(void **state)
{
	struct place place;
	struct fg_err err = {0};
	struct fg_attach attach;
	char trigger[100];

	(void)state;
	place_open(&place);
	struct fg_client_process process = {.tgid = (uint32_t)getpid(), .uid = geteuid()};

	/* what is known of it fits, so that only the missing handler keeps the signal from it */
	process.ns_pid = process.tgid;
	(void)snprintf(process.name, sizeof(process.name), "unit_jit");
	assert_int_equal(fg_attach_begin(&attach, &process, place.root, 100, &err),
			 -FG_E_UNSUPPORTED);
	assert_non_null(strstr(err.message, "does not handle SIGQUIT"));
	(void)snprintf(trigger, sizeof(trigger), "%s/tmp/.attach_pid%u", place.dir, process.ns_pid);
	assert_int_equal(access(trigger, F_OK), -1);
	process.start_ns = fg_process_start_ns(process.tgid);
	assert_int_equal(fg_attach_begin(&attach, &process, place.root, 100, &err),
			 -FG_E_UNSUPPORTED);
	process.start_ns -= FG_NS_PER_S; /* the same program again, under the same number */
	assert_int_equal(fg_attach_begin(&attach, &process, place.root, 100, &err),
			 -FG_E_NOT_FOUND);
	process.start_ns = 0;
	(void)snprintf(process.name, sizeof(process.name), "another");
	assert_int_equal(fg_attach_begin(&attach, &process, place.root, 100, &err),
			 -FG_E_NOT_FOUND);
	process.tgid = 0x7ffffff0;
	assert_int_equal(fg_attach_begin(&attach, &process, place.root, 100, &err),
			 -FG_E_NOT_FOUND);
	place_close(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_time),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_map_open),
		cmocka_unit_test(test_tmp_inside),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_many_generations),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attach_never_answers),
		cmocka_unit_test(test_attach_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
