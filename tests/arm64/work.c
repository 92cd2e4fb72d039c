/* SPDX-License-Identifier: Apache-2.0 */
/* What is profiled on an emulated arm64 kernel, for ever. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;

static __attribute__((noinline)) uint64_t leaf(uint64_t value)
{
	for (int i = 0; i < 4000; i++)
		value = value * 6364136223846793005u + 1442695040888963407u;
	return value;
}

static __attribute__((noinline)) uint64_t recurse(int depth)
{
	uint64_t below = depth ? recurse(depth - 1) : 1;

	return leaf(below) + (uint64_t)depth;
}

static int by_value(const void *left, const void *right)
{
	uint64_t a = leaf(*(const uint64_t *)left), b = leaf(*(const uint64_t *)right);

	return a < b ? -1 : a > b;
}

static void in_signal(int number)
{
	sink += leaf((uint64_t)number);
}

static __attribute__((noinline)) void enter_kernel(void)
{
	for (int i = 0; i < 300; i++)
		sink += (uint64_t)syscall(SYS_getppid);
}

static __attribute__((noinline)) void read_clock(void)
{
	struct timespec now = {0};

	for (int i = 0; i < 3000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		sink += (uint64_t)now.tv_nsec;
	}
}

int main(void)
{
	uint64_t values[32];

	signal(SIGUSR1, in_signal);
	for (;;) {
		for (size_t i = 0; i < 32; i++)
			values[i] = leaf(i);
		qsort(values, 32, sizeof(values[0]), by_value);
		sink += recurse(8);
		enter_kernel();
		read_clock();
		for (int i = 0; i < 5; i++)
			raise(SIGUSR1);
	}
}
