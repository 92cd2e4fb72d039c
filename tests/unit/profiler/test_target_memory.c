/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of processes that are gone, that lie, and that answer their page faults never. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "profiler/target_memory.h"

enum { AREA_BYTES = 1 << 16 };

static void test_own(void **state)
{
	uint64_t secret = 0x123456789abcdef0, got = 0;
	uint64_t address = (uint64_t)(uintptr_t)&secret;
	int fd = fg_target_memory_open(getpid());

	(void)state;
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fg_target_memory_read(fd, address, &got, sizeof(got)));
	assert_int_equal(got, secret);
	assert_true(fg_target_memory_read_once(getpid(), address, &got, sizeof(got)));
	static const uint64_t nowhere[] = {0, 4096, 1ull << 47, INT64_MAX, 1ull << 63, UINT64_MAX};

	for (size_t i = 0; i < FG_ARRAY_LEN(nowhere); i++)
		assert_false(fg_target_memory_read(fd, nowhere[i], &got, sizeof(got)));
	close(fd);
	assert_false(fg_target_memory_read(-1, address, &got, sizeof(got)));
	assert_false(fg_target_memory_read_once(0x3ffffff, address, &got, sizeof(got)));
}

/* Half of what was asked for is there: that is nothing. */
static void test_cut(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char got[16];

	(void)state;
	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(munmap(area + page, (size_t)page), 0);
	assert_true(fg_target_memory_read_once(getpid(), (uint64_t)(uintptr_t)(area + page - 16),
					       got, sizeof(got)));
	assert_false(fg_target_memory_read_once(getpid(), (uint64_t)(uintptr_t)(area + page - 8),
						got, sizeof(got)));
	munmap(area, (size_t)page);
}

/* In the child: an area whose faults nobody answers; its address goes to `to`. */
static void serve_nothing(int to)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = {.api = UFFD_API};
	void *area =
		mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register ask = {
		.range = {(uint64_t)(uintptr_t)area, AREA_BYTES},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	uint64_t address = (uint64_t)(uintptr_t)area;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) != 0 || ioctl(fd, UFFDIO_REGISTER, &ask) != 0)
		_exit(1);
	if (write(to, &address, sizeof(address)) != (ssize_t)sizeof(address))
		_exit(1);
	for (;;)
		(void)pause();
}

static void test_unanswered(void **state)
{
	int ends[2];
	uint64_t address, word;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		serve_nothing(ends[1]);
	close(ends[1]);
	bool served = read(ends[0], &address, sizeof(address)) == (ssize_t)sizeof(address);

	if (served) {
		(void)alarm(20); /* ends the test: it would never end by itself */
		assert_false(fg_target_memory_read_once(child, address, &word, sizeof(word)));
		(void)alarm(0);
	}
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	close(ends[0]);
	if (!served)
		skip(); /* vm.unprivileged_userfaultfd=0 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_unanswered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
