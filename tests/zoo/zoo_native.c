/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target whose stacks are known: zoo_native MODE SECONDS [PLUGIN].
 *
 * Each mode burns CPU in a shape that unwinders get wrong. Built without frame pointers. Prints
 * "ready" once it burns. Ends by itself after SECONDS of CPU time, so that a test that dies leaves
 * nothing behind. `exec` and `dlopen` do so once they were told, by a byte on standard input,
 * and have burned a while more; where its end comes instead, a longer while after that.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"

enum { DEPTH = 120, STEP_LOOPS = 20000 };

static uint64_t limit_ns;
static volatile unsigned sink;
static const char *self_path, *plugin_path, *seconds_text;

#ifdef __clang__
#define ZOO_NOINLINE __attribute__((noinline))
#else
#define ZOO_NOINLINE __attribute__((noinline, noclone))
#endif

static bool over(void)
{
	return fg_clock_process_cpu_ns() > limit_ns;
}

ZOO_NOINLINE static void zoo_spin(void)
{
	for (unsigned i = 0; i < STEP_LOOPS; i++)
		sink += i * i;
}

ZOO_NOINLINE static unsigned zoo_recurse(unsigned depth)
{
	if (depth == 0) {
		while (!over()) {
			for (unsigned i = 0; i < 1000; i++) /* over() itself is 4 frames deep */
				zoo_spin();
		}
		return sink;
	}
	return zoo_recurse(depth - 1) + depth; /* not a tail call */
}

static void mode_recursion(void)
{
	sink += zoo_recurse(DEPTH - 1);
}

enum { SIGNAL_NS = 20000000 };

/* Half of the CPU time between two signals, however fast the machine is. */
ZOO_NOINLINE static void zoo_handler(int signal_number)
{
	uint64_t end_ns = fg_clock_process_cpu_ns() + SIGNAL_NS / 2;

	while (signal_number && fg_clock_process_cpu_ns() < end_ns)
		zoo_spin();
}

ZOO_NOINLINE static void zoo_interrupted(void)
{
	for (; !over(); sink += 3) /* or the compiler merges it with an equal function */
		zoo_spin();
}

/* By its own CPU time, or on a busy machine it would be in the handler only. */
static void interrupt_often(int flags)
{
	static char stack[64 * 1024];
	const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction action = {.sa_handler = zoo_handler, .sa_flags = flags};
	const struct itimerspec every = {.it_interval = {.tv_nsec = SIGNAL_NS},
					 .it_value = {.tv_nsec = SIGNAL_NS}};
	timer_t timer;

	if (sigaltstack(&alternative, NULL) != 0 || sigaction(SIGALRM, &action, NULL) != 0 ||
	    timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer) != 0 ||
	    timer_settime(timer, 0, &every, NULL) != 0)
		return;
	zoo_interrupted();
}

static void mode_signal(void)
{
	interrupt_often(SA_ONSTACK);
}

/* On the interrupted stack itself: one copy holds both. */
static void mode_signal_same(void)
{
	interrupt_often(0);
}

ZOO_NOINLINE static int zoo_compare(const void *a, const void *b)
{
	const unsigned *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Short library functions through the PLT, and one that calls back. */
static void mode_plt(void)
{
	unsigned numbers[64];

	while (!over()) {
		for (unsigned round = 0; round < 200; round++) {
			for (unsigned i = 0; i < FG_ARRAY_LEN(numbers); i++) {
				numbers[i] = (unsigned)toupper((int)((sink + i * 7919) % 128));
				sink += (unsigned)abs((int)numbers[i]) + (unsigned)getpid();
			}
			qsort(numbers, FG_ARRAY_LEN(numbers), sizeof(numbers[0]), zoo_compare);
		}
	}
}

ZOO_NOINLINE static void zoo_clock(void)
{
	struct timespec ts;

	for (unsigned i = 0; i < 1000; i++) {
		(void)clock_gettime(CLOCK_MONOTONIC, &ts);
		sink += (unsigned)ts.tv_nsec;
	}
}

static void mode_vdso(void)
{
	while (!over())
		zoo_clock();
}

ZOO_NOINLINE static void zoo_child(void)
{
	uint64_t end_ns = fg_clock_process_cpu_ns() + 20 * FG_NS_PER_MS;

	while (fg_clock_process_cpu_ns() < end_ns)
		zoo_spin();
}

/* Children one after the other, each for 20 ms: most of the tree's CPU time is theirs. */
static void mode_fork(void)
{
	uint64_t end_ns = fg_clock_monotonic_ns() + limit_ns;

	while (fg_clock_monotonic_ns() < end_ns) {
		pid_t pid = fork();

		if (pid == 0) {
			zoo_child();
			_exit(0);
		}
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
}

ZOO_NOINLINE static void zoo_after_exec(void)
{
	for (; !over(); sink += 5)
		zoo_spin();
}

static void mode_after_exec(void)
{
	zoo_after_exec();
}

static void spin_ms(unsigned ms)
{
	uint64_t end_ns = fg_clock_process_cpu_ns() + ms * FG_NS_PER_MS;

	while (fg_clock_process_cpu_ns() < end_ns)
		zoo_spin();
}

/* Nobody has seen this program before it changes, unless whoever watches says when. */
static void spin_until_told(void)
{
	struct pollfd told = {.fd = STDIN_FILENO, .events = POLLIN};
	char word = 0;

	while (!over() && poll(&told, 1, 0) == 0)
		zoo_spin();
	spin_ms(read(STDIN_FILENO, &word, 1) == 1 ? 100 : 600);
}

static void mode_exec(void)
{
	char program[512], mode[] = "after-exec", seconds[32];
	char *argv[] = {program, mode, seconds, NULL};

	(void)snprintf(program, sizeof(program), "%s", self_path);
	(void)snprintf(seconds, sizeof(seconds), "%s", seconds_text);
	spin_until_told();
	(void)execv(program, argv);
}

static void mode_dlopen(void)
{
	spin_until_told();
	void *plugin = dlopen(plugin_path, RTLD_NOW);
	unsigned (*burn)(unsigned);
	void *symbol = plugin ? dlsym(plugin, "zoo_plugin_burn") : NULL;

	if (!symbol)
		return;
	memcpy(&burn, &symbol, sizeof(burn));
	while (!over())
		sink += burn(sink);
}

static void *zoo_thread(void *unused)
{
	while (!over())
		zoo_spin();
	return unused;
}

static void mode_threads(void)
{
	pthread_t threads[3];
	size_t count = 0;

	while (count < FG_ARRAY_LEN(threads) &&
	       pthread_create(&threads[count], NULL, zoo_thread, NULL) == 0)
		count++;
	while (count-- > 0)
		(void)pthread_join(threads[count], NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"recursion", mode_recursion},
	{"signal", mode_signal},
	{"vdso", mode_vdso},
	{"fork", mode_fork},
	{"exec", mode_exec},
	{"after-exec", mode_after_exec},
	{"dlopen", mode_dlopen},
	{"threads", mode_threads},
	{"plt", mode_plt},
	{"signal-same", mode_signal_same},
};

int main(int argc, char **argv)
{
	uint64_t seconds;

	if (argc < 3 || fg_num_u64(argv[2], strlen(argv[2]), &seconds, NULL) != 0)
		return 2;
	self_path = argv[0];
	seconds_text = argv[2];
	plugin_path = argc > 3 ? argv[3] : "";
	limit_ns = seconds * FG_NS_PER_S;
	for (size_t i = 0; i < FG_ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, argv[1]) != 0)
			continue;
		(void)puts("ready");
		(void)fflush(stdout);
		modes[i].run();
		return 0;
	}
	return 2;
}
