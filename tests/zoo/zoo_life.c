/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that comes and goes: zoo_life MODE SECONDS [NUMBER].
 *
 * Stands alone, so that tests can build it in every layout that linkers know. Prints "ready" once
 * it burns (`forks`: once it waits for a byte, or the end, of standard input); ends after SECONDS
 * of wall time whatever happens.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, LOOPS = 20000, DIGITS_MAX = 9, CHILD_MS = 5, CHILD_BITS = 10, PAGED_MS = 300 };

#ifdef __clang__
#define ZOO_APART __attribute__((noinline))
#else
#define ZOO_APART __attribute__((noinline, noclone))
#endif

static volatile unsigned sink;
static uint64_t end_ns;
static unsigned number;
static char *const *arguments;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts = {0, 0};

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int over(void)
{
	return now_ns(CLOCK_MONOTONIC) > end_ns;
}

ZOO_APART static void zoo_spin(void)
{
	for (unsigned i = 0; i < LOOPS; i++)
		sink += i * i;
}

static void spin_ms(unsigned ms)
{
	uint64_t until_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) + ms * 1000000ull;

	while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < until_ns)
		zoo_spin();
}

ZOO_APART static int zoo_compare(const void *a, const void *b)
{
	zoo_spin();
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* Through a function of the C library and back into ours. */
static void mode_sort(void)
{
	while (!over()) {
		int items[8] = {5, 3, 8, 1, 9, 2, 7, 4};

		qsort(items, sizeof(items) / sizeof(items[0]), sizeof(items[0]), zoo_compare);
		sink += (unsigned)items[0];
	}
}

ZOO_APART static unsigned zoo_recurse(unsigned depth)
{
	if (depth == 0) {
		while (!over())
			zoo_spin();
		return sink;
	}
	return zoo_recurse(depth - 1) + depth; /* not a tail call */
}

static void mode_deep(void)
{
	sink += zoo_recurse(number);
}

/* Its number is its stack: a frame for each bit, the lowest outermost. */
ZOO_APART static void zoo_child(unsigned index, unsigned bits);

ZOO_APART static void zoo_bit_clear(unsigned index, unsigned bits)
{
	zoo_child(index, bits);
	sink++; /* not a tail call */
}

ZOO_APART static void zoo_bit_set(unsigned index, unsigned bits)
{
	zoo_child(index, bits);
	sink += 2;
}

ZOO_APART static void zoo_child(unsigned index, unsigned bits)
{
	if (!bits)
		spin_ms(CHILD_MS);
	else if (index & 1)
		zoo_bit_set(index / 2, bits - 1);
	else
		zoo_bit_clear(index / 2, bits - 1);
	sink++;
}

static uint64_t cpu_of_children_ns(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_CHILDREN, &usage) != 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

/* Eight at a time. Says at the end how many there were, the CPU time of them and of forking by the
 * kernel's account, and how much of it was before the very end of each. */
static void mode_forks(void)
{
	const size_t bytes = ((size_t)number + 1) * sizeof(uint64_t);
	uint64_t *lived_ns =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned started = 0, running = 0;
	uint64_t own_ns, sum_ns;
	char go;

	if (lived_ns == MAP_FAILED)
		return;

	(void)!read(STDIN_FILENO, &go, 1);
	own_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	while (!over() && (started < number || running)) {
		pid_t pid = started < number && running < 8 ? fork() : -1;

		if (pid == 0) {
			zoo_child(started, CHILD_BITS);
			lived_ns[started] = now_ns(CLOCK_PROCESS_CPUTIME_ID);
			_exit(0);
		}
		if (pid > 0) {
			started++;
			running++;
		} else if (wait(NULL) > 0) {
			running--;
		}
	}
	own_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - own_ns;
	sum_ns = own_ns;
	for (unsigned i = 0; i < started; i++)
		sum_ns += lived_ns[i];
	(void)printf("children %u cpu_ns %llu lived_ns %llu\n", started,
		     (unsigned long long)(own_ns + cpu_of_children_ns()),
		     (unsigned long long)sum_ns);
	(void)fflush(stdout);
	while (!over())
		(void)usleep(10000);
}

/* Begins anew each `number` ms; what is left of the time goes along. */
static void mode_exec(void)
{
	char seconds[DIGITS_MAX + 1];
	char *argv[5] = {arguments[0], arguments[1], seconds, arguments[3], NULL};
	uint64_t left_ns;

	spin_ms(number);
	left_ns = over() ? 0 : end_ns - now_ns(CLOCK_MONOTONIC);
	(void)snprintf(seconds, sizeof(seconds), "%u", (unsigned)(left_ns / 1000000000u));
	if (left_ns > 1000000000u)
		(void)execv("/proc/self/exe", argv);
}

/* Many pages of code that are no neighbours of each other. */
static void mode_mappings(void)
{
	size_t bytes = 2 * (size_t)number * PAGE;
	char *memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (unsigned i = 0; memory != MAP_FAILED && i < number; i++)
		if (mprotect(memory + 2 * (size_t)i * PAGE, PAGE, PROT_READ | PROT_EXEC) != 0)
			return;
	(void)puts("ready");
	(void)fflush(stdout);
	mode_sort();
}

static char *paged_stack;
static const size_t paged_bytes = 64 * PAGE;

ZOO_APART static unsigned zoo_paged(unsigned depth)
{
	volatile char filler[PAGE];

	filler[depth % PAGE] = (char)depth;
	if (depth)
		return zoo_paged(depth - 1) + (unsigned char)filler[depth];
	while (!over()) {
		uintptr_t here = (uintptr_t)filler & ~(uintptr_t)(PAGE - 1);
		char *callers = paged_stack + (here - (uintptr_t)paged_stack) + 2 * PAGE;

		/* The file still has their content: they are merely not mapped in any more. */
		(void)madvise(callers, (size_t)(paged_stack + paged_bytes - callers),
			      MADV_DONTNEED);
		spin_ms(PAGED_MS);
	}
	return sink;
}

static void *run_paged(void *unused)
{
	sink += zoo_paged(16);
	return unused;
}

/* A stack in a file, whose upper part is taken out of the page tables again and again. */
static void mode_paged(void)
{
	int fd = memfd_create("stack", 0);
	pthread_attr_t attributes;
	pthread_t thread;

	if (fd < 0 || ftruncate(fd, (off_t)paged_bytes) != 0)
		return;
	paged_stack = mmap(NULL, paged_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (paged_stack == MAP_FAILED || pthread_attr_init(&attributes) != 0 ||
	    pthread_attr_setstack(&attributes, paged_stack, paged_bytes) != 0 ||
	    pthread_create(&thread, &attributes, run_paged, NULL) != 0)
		return;
	(void)pthread_join(thread, NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"sort", mode_sort}, {"deep", mode_deep},         {"forks", mode_forks},
	{"exec", mode_exec}, {"mappings", mode_mappings}, {"paged", mode_paged},
};

/* Small numbers of our own tests. */
static unsigned parse(const char *text)
{
	unsigned value = 0;

	for (size_t i = 0; i < DIGITS_MAX && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	return value;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	arguments = argv;
	end_ns = now_ns(CLOCK_MONOTONIC) + parse(argv[2]) * 1000000000ull;
	number = argc > 3 ? parse(argv[3]) : 0;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, argv[1]) != 0)
			continue;
		if (modes[i].run != mode_mappings)
			(void)puts("ready");
		(void)fflush(stdout);
		modes[i].run();
		return 0;
	}
	return 2;
}
