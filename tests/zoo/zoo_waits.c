/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zoo_waits MODE SECONDS: a target whose waits are known. Says "ready" when all its threads are
 * there; at the end, or at SIGTERM, prints `KEY nanoseconds` lines of what its own clock saw.
 *
 *   short    one thread, the shortest naps there are, as many as it can
 *   long     one thread, waits of 50 ms in nanosleep
 *   mix      one thread: both of the above, and every 200 ms a wait of 20 ms at the *same* place
 *            as the short ones
 *   convoy   four threads that hold a lock for 200 µs in turn
 *   disk     one thread, writes and fsyncs a file in the working directory
 *   epoll    a thread that waits in epoll_wait for requests and answers them, every 20 ms
 *   pingpong two threads that pass a byte back and forth as fast as they can
 *   churn    threads that nap once and end, one after the other; `threads` how many, in `lived`
 *   early    fifty threads that nap again and again for three seconds, and end
 *   sleeper  a thread that sleeps longer than any test, from before "ready"
 *   grow     maps and touches 16 MiB per second in grow_here()
 *   spin     as many threads as argv[3] says, never waiting: they wait for a CPU
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define NS_PER_S 1000000000ull
#define NOINLINE __attribute__((noinline))

static atomic_bool stopping;
static uint64_t end_ns;
static int pipes[2], answers[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static bool goes_on(void)
{
	return !atomic_load(&stopping) && now_ns() < end_ns;
}

static void on_signal(int number)
{
	(void)number;
	atomic_store(&stopping, true);
}

static void nap(uint64_t ns)
{
	const struct timespec ts = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	(void)nanosleep(&ts, NULL);
}

static void spin(uint64_t ns)
{
	uint64_t until_ns = now_ns() + ns;

	while (now_ns() < until_ns)
		;
}

/* All of these return what they waited, by the clock. The empty statements keep the compiler from
 * leaving the function by a jump. */
NOINLINE static uint64_t wait_here(uint64_t ns)
{
	uint64_t from_ns = now_ns();

	nap(ns);
	return now_ns() - from_ns;
}

NOINLINE static uint64_t wait_long(void)
{
	uint64_t ns = wait_here(50000000);

	__asm__ volatile("");
	return ns;
}

NOINLINE static uint64_t wait_short(uint64_t ns)
{
	uint64_t waited = wait_here(ns);

	__asm__ volatile("");
	return waited;
}

static void ready(void)
{
	printf("ready\n");
	(void)fflush(stdout);
}

static void report(const char *key, uint64_t ns)
{
	printf("%s %llu\n", key, (unsigned long long)ns);
}

static void run_short(void)
{
	uint64_t waited = 0;

	ready();
	while (goes_on())
		waited += wait_short(1000);
	report("short", waited);
}

static void run_long(void)
{
	uint64_t waited = 0;

	ready();
	while (goes_on())
		waited += wait_long();
	report("long", waited);
}

static void run_mix(void)
{
	uint64_t shorts = 0, longs = 0, rare = 0, next_ns = now_ns();

	ready();
	while (goes_on()) {
		shorts += wait_short(1000);
		if (now_ns() < next_ns)
			continue;
		next_ns = now_ns() + 200000000;
		rare += wait_short(20000000);
		longs += wait_long();
	}
	report("short", shorts);
	report("long", longs);
	report("rare", rare);
}

NOINLINE static void hold_lock(void)
{
	pthread_mutex_lock(&lock);
	spin(200000);
	pthread_mutex_unlock(&lock);
	__asm__ volatile("");
}

static void *convoy_thread(void *argument)
{
	(void)argument;
	while (goes_on())
		hold_lock();
	return NULL;
}

static void run_threads(void *(*work)(void *), int count)
{
	pthread_t threads[64];

	for (int i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			abort();
	ready();
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void *spin_thread(void *argument)
{
	(void)argument;
	while (goes_on())
		spin(1000000);
	return NULL;
}

NOINLINE static void write_here(int fd)
{
	static const char block[65536];

	if (pwrite(fd, block, sizeof(block), 0) < 0 || fsync(fd) != 0)
		abort();
}

static void run_disk(void)
{
	int fd = open("zoo_waits.data", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	uint64_t waited = 0, from_ns;

	if (fd < 0)
		abort();
	ready();
	while (goes_on()) {
		from_ns = now_ns();
		write_here(fd);
		waited += now_ns() - from_ns;
	}
	close(fd);
	unlink("zoo_waits.data");
	report("disk", waited);
}

NOINLINE static void serve_here(int epoll)
{
	struct epoll_event event;
	char byte;

	if (epoll_wait(epoll, &event, 1, 1000) == 1 && read(pipes[0], &byte, 1) == 1)
		(void)!write(answers[1], &byte, 1);
}

static void *server_thread(void *argument)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)argument;
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event) != 0)
		abort();
	while (goes_on())
		serve_here(epoll);
	close(epoll);
	return NULL;
}

static void run_epoll(void)
{
	pthread_t server;
	char byte = 'x';

	if (pthread_create(&server, NULL, server_thread, NULL) != 0)
		abort();
	ready();
	while (goes_on()) {
		nap(20000000);
		if (write(pipes[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1)
			abort();
	}
	pthread_join(server, NULL);
}

static void *echo_thread(void *argument)
{
	char byte;

	(void)argument;
	while (read(pipes[0], &byte, 1) == 1 && write(answers[1], &byte, 1) == 1)
		;
	return NULL;
}

static void run_pingpong(void)
{
	pthread_t echo;
	uint64_t rounds = 0;
	char byte = 'x';

	if (pthread_create(&echo, NULL, echo_thread, NULL) != 0)
		abort();
	ready();
	while (goes_on()) {
		if (write(pipes[1], &byte, 1) != 1 || read(answers[0], &byte, 1) != 1)
			abort();
		rounds++;
	}
	close(pipes[1]);
	pthread_join(echo, NULL);
	report("rounds", rounds);
}

static void *nap_once(void *argument)
{
	(void)wait_short(1000);
	return argument;
}

static void run_churn(void)
{
	uint64_t threads = 0, from_ns = now_ns();
	pthread_t thread;

	ready();
	for (; goes_on(); threads++) {
		if (pthread_create(&thread, NULL, nap_once, NULL) != 0)
			abort();
		pthread_join(thread, NULL);
	}
	report("threads", threads);
	report("lived", now_ns() - from_ns);
}

static void *nap_for_a_while(void *argument)
{
	uint64_t until_ns = now_ns() + 3 * NS_PER_S;

	while (now_ns() < until_ns)
		(void)wait_short(2000000);
	return argument;
}

static void run_early(void)
{
	enum { THREADS = 50 };
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, nap_for_a_while, NULL) != 0)
			abort();
	}
	ready();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	while (goes_on())
		nap(10000000);
}

NOINLINE static void grow_here(size_t bytes)
{
	char *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		memory[i] = 1;
	/* Kept for a while: what it touched is what a test counts. */
	if (munmap(memory, bytes) != 0)
		abort();
}

static void run_grow(void)
{
	uint64_t pages = 0;

	ready();
	while (goes_on()) {
		grow_here(4 << 20);
		pages += (4 << 20) / 4096;
		nap(10000000);
	}
	report("pages", pages);
}

static void *sleeper_thread(void *argument)
{
	(void)argument;
	nap(3600 * NS_PER_S);
	return NULL;
}

static void run_sleeper(void)
{
	pthread_t sleeper;

	if (pthread_create(&sleeper, NULL, sleeper_thread, NULL) != 0)
		abort();
	ready();
	while (goes_on())
		nap(100000000);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	if (argc < 3 || pipe(pipes) != 0 || pipe(answers) != 0)
		return 2;
	(void)signal(SIGTERM, on_signal);
	end_ns = now_ns() + (uint64_t)(argv[2][0] - '0') * 10 * NS_PER_S; /* tens of seconds */
	if (strcmp(mode, "pingpong") == 0)
		run_pingpong();
	else if (strcmp(mode, "short") == 0)
		run_short();
	else if (strcmp(mode, "long") == 0)
		run_long();
	else if (strcmp(mode, "mix") == 0)
		run_mix();
	else if (strcmp(mode, "convoy") == 0)
		run_threads(convoy_thread, 4);
	else if (strcmp(mode, "disk") == 0)
		run_disk();
	else if (strcmp(mode, "epoll") == 0)
		run_epoll();
	else if (strcmp(mode, "sleeper") == 0)
		run_sleeper();
	else if (strcmp(mode, "early") == 0)
		run_early();
	else if (strcmp(mode, "churn") == 0)
		run_churn();
	else if (strcmp(mode, "grow") == 0)
		run_grow();
	else if (strcmp(mode, "spin") == 0)
		run_threads(spin_thread, argc > 3 ? argv[3][0] - '0' : 4);
	else
		return 2;
	return 0;
}
