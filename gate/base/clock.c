/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gate/base/num.h"

static uint64_t read_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * FG_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t fg_clock_monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t fg_clock_realtime_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

uint64_t fg_clock_thread_cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* "cpu waited slices\n" */
uint64_t fg_clock_thread_waited_ns(void)
{
	char text[96];
	const int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	const ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t waited_ns;
	char *from, *end;

	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	from = strchr(text, ' ');
	end = from ? strchr(from + 1, ' ') : NULL;
	if (!end || fg_num_u64(from + 1, (size_t)(end - from - 1), &waited_ns, NULL))
		return 0;
	return waited_ns;
}

uint64_t fg_clock_process_cpu_ns(void)
{
	return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
