/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a process serves: which they are, and that nobody waits for them. */
#include "profiler/unwind/slow_file.h"

#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/clock.h"

static void test_mountinfo(void **state)
{
	static const char text[] =
		"21 1 0:20 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/fuse\n"
		"36 21 0:42 / /mnt rw,nosuid - fuse.sshfs host:/ rw,user_id=1000\n"
		"37 21 0:43 / /a\\040-\\040fuse rw shared:2 master:1 - ext4 /dev/fuse rw\n"
		"38 21 0:44 / /b rw - fuse /dev/fuse rw\n"
		"39 21 8:1 /fuse /fuse rw - ext4 /dev/sda1 rw\n"
		"40 21 0:45 / /c rw,shared:3\n"
		"41\n"
		"42 21\n"
		"43 21 0:46 / /d rw - fuse.x y";
	static const struct {
		uint32_t major, minor;
		bool slow;
	} cases[] = {
		{0, 20, false}, {0, 42, true},  {0, 4, false},  {0, 43, false},
		{0, 44, true},  {8, 1, false},  {0, 45, false}, {0, 46, true},
		{0, 47, false}, {42, 0, false}, {1, 20, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		if (fg_mountinfo_is_slow(text, strlen(text), cases[i].major, cases[i].minor) !=
		    cases[i].slow)
			fail_msg("%u:%u", cases[i].major, cases[i].minor);
	assert_false(fg_mountinfo_is_slow("", 0, 0, 42));
	assert_false(fg_slow_device(getpid(), 0, 0x7fffffff));
}

static int put_file(const void *context, int memory)
{
	int fd = open(context, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? FG_SLOW_UNREADABLE : fg_slow_put_file(memory, fd);
}

static void test_a_copy(void **state)
{
	char path[] = "/tmp/fg-slow-XXXXXX", got[8192];
	struct fg_err err = {0};
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(write(file, "abc", 3), 3);
	int fd = fg_slow_run(put_file, path, 10000, &err);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	assert_memory_equal(got, "abc", 3);
	assert_int_equal(write(fd, "d", 1), -1); /* sealed */
	close(fd);
	close(file);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(fg_slow_run(put_file, path, 10000, &err), -FG_E_IO);
}

/* Without end. */
static int put_too_much(const void *context, int memory)
{
	static const char chunk[1 << 20];
	int end = FG_SLOW_DONE;

	(void)context;
	while (end == FG_SLOW_DONE) {
		end = fg_slow_put(memory, chunk, sizeof(chunk));
		if (ftruncate(memory, 0) != 0 || lseek(memory, 0, SEEK_SET) != 0)
			break;
	}
	return end;
}

/* The stream's other end must not stay open in a child that nobody can end. */
static int put_open_files(const void *context, int memory)
{
	char open_files = 0;

	(void)context;
	for (int i = memory + 1; i < 256; i++)
		open_files = (char)(open_files + (fcntl(i, F_GETFD) >= 0));
	return fg_slow_put(memory, &open_files, 1);
}

static void test_bounds(void **state)
{
	struct fg_err err = {0};
	int other = open("/dev/null", O_RDONLY);
	char open_files = 1;

	(void)state;
	assert_int_equal(fg_slow_run(put_too_much, NULL, 60000, &err), -FG_E_LIMIT);
	assert_non_null(strstr(err.message, "too large to be copied from FUSE (256 MiB)"));
	int fd = fg_slow_run(put_open_files, NULL, 10000, &err);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &open_files, 1), 1);
	assert_int_equal(open_files, 0);
	close(fd);
	close(other);
}

/* A FIFO without a writer keeps whoever opens it as a server does that does not answer. */
static void test_no_answer(void **state)
{
	char dir[] = "/tmp/fg-slow-XXXXXX", path[64];
	struct fg_err err = {0};

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	for (int i = 0; i < FG_SLOW_TIMEOUTS_MAX; i++) {
		assert_int_equal(fg_slow_run(put_file, path, 20, &err), -FG_E_LIMIT);
		assert_non_null(strstr(err.message, "did not answer within 20 ms"));
	}
	uint64_t before_ns = fg_clock_monotonic_ns();

	assert_int_equal(fg_slow_run(put_file, path, 60000, &err), -FG_E_LIMIT);
	assert_non_null(strstr(err.message, "failed to answer 3 times: not tried again"));
	assert_true(fg_clock_monotonic_ns() - before_ns < 30 * FG_NS_PER_S);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo), cmocka_unit_test(test_a_copy),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_no_answer), /* last: what did not answer is not asked again */
	};

	return cmocka_run_group_tests_name("slow_file", tests, NULL, NULL);
}
