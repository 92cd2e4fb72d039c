/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/clock.h"

#include <time.h>

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

uint64_t fg_clock_process_cpu_ns(void)
{
	return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
