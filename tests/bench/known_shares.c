/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_shares SECONDS: spends its CPU time in four functions whose shares it knows exactly,
 * because it reads its own thread's CPU clock at every change between them. At the end it prints
 * `share NAME NS` for each. bench_shares.py compares what the profiler says.
 *
 * Stretches are random in length, so that no rhythm of the sampler can fit theirs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"

enum { PARTS = 4, STEP = 64 };

static volatile uint64_t sink;

static uint64_t thread_cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * FG_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Different code in each, lest the linker or the compiler folds them into one. */
__attribute__((noinline)) static void share_a(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds * STEP; i++)
		sink += i;
}

__attribute__((noinline)) static void share_b(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds * STEP; i++)
		sink ^= i * 3;
}

__attribute__((noinline)) static void share_c(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds * STEP; i++)
		sink -= i << 1;
}

__attribute__((noinline)) static void share_d(uint64_t rounds)
{
	for (uint64_t i = 0; i < rounds * STEP; i++)
		sink |= i + 5;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

int main(int argc, char **argv)
{
	static void (*const parts[PARTS])(uint64_t) = {share_a, share_b, share_c, share_d};
	static const uint64_t weights[PARTS] = {12, 5, 2,
						1}; /* about 44, 37, 15, 4 % of the time */
	uint64_t used_ns[PARTS] = {0}, state = 88172645463325252, seconds;
	struct fg_err err;

	if (argc != 2 || fg_num_u64(argv[1], strlen(argv[1]), &seconds, &err) != 0) {
		(void)fputs("usage: known_shares SECONDS\n", stderr);
		return 2;
	}
	(void)puts("ready");
	(void)fflush(stdout);
	if (getchar() == EOF)
		return 1;
	uint64_t end_ns = fg_clock_monotonic_ns() + seconds * FG_NS_PER_S;
	uint64_t before_ns = thread_cpu_ns();

	for (unsigned i = 0; fg_clock_monotonic_ns() < end_ns; i = (i + 1) % PARTS) {
		/* About 0.1 ms for the smallest: reading the clock is some 0.2 % of it. */
		parts[i](weights[i] * (400 + next_random(&state) % 1200));
		uint64_t now_ns = thread_cpu_ns();

		used_ns[i] += now_ns - before_ns;
		before_ns = now_ns;
	}
	for (int i = 0; i < PARTS; i++)
		printf("share share_%c %" PRIu64 "\n", 'a' + i, used_ns[i]);
	(void)fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}
