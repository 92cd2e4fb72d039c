/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pretends to be PHP 8.2 and lies: zoo_false_php MODE. Its frames are a cycle, its names have no
 * end, or both change all the time.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	CURRENT = 488,
	FRAME_FUNCTION = 24,
	FRAME_PREVIOUS = 48,
	FUNCTION_NAME = 8,
	FUNCTION_SCOPE = 16,
	FUNCTION_FILE = 152,
	STRING_LENGTH = 16,
	STRING_TEXT = 24,
	NATIVE = 1,
	PART = 4096,
	PARTS = 8,
};

__attribute__((aligned(64))) unsigned char executor_globals[PART];
const char powered_by[] = "X-Powered-By: PHP/8.2.36";
static volatile unsigned long sink;

static void put(unsigned char *at, int offset, const void *value)
{
	uint64_t word = (uint64_t)(uintptr_t)value;

	memcpy(at + offset, &word, sizeof(word));
}

static unsigned char *part(unsigned char *memory, int i)
{
	return memory + (size_t)i * PART;
}

/* frames 0 and 1, function 2, string 3 and, cut off by the end of the memory, one more */
static void build(unsigned char *memory, const char *mode)
{
	uint64_t length = strcmp(mode, "long") == 0 ? 1ull << 31 : 8;
	unsigned char *function = part(memory, 2), *cut = part(memory, PARTS) - STRING_TEXT - 40;

	put(executor_globals, CURRENT, memory);
	put(memory, FRAME_FUNCTION, function);
	put(memory, FRAME_PREVIOUS, part(memory, 1));
	put(part(memory, 1), FRAME_FUNCTION, function);
	put(part(memory, 1), FRAME_PREVIOUS, strcmp(mode, "cycle") == 0 ? memory : NULL);
	put(function, FUNCTION_NAME, strcmp(mode, "long") == 0 ? cut : part(memory, 3));
	put(function, FUNCTION_SCOPE, function);
	put(function, FUNCTION_FILE, part(memory, 3));
	memset(part(memory, 3), 0xc3, PART);
	memset(cut, 0xe2, STRING_TEXT + 40);
	memcpy(part(memory, 3) + STRING_LENGTH, &length, sizeof(length));
	memcpy(cut + STRING_LENGTH, &length, sizeof(length));
}

static void *rewrite(void *context)
{
	static const uint64_t lengths[] = {0, 8, 1u << 31, 1ull << 40, UINT64_MAX};
	unsigned char *memory = context, *function = part(memory, 2);

	for (unsigned i = 0;; i++) {
		void *const places[] = {memory, NULL, (void *)0x123456789000, part(memory, 1)};

		function[0] = i % 3 ? 2 : NATIVE;
		put(memory, FRAME_PREVIOUS, places[i % 4]);
		put(memory, FRAME_FUNCTION, i % 7 ? function : places[i % 4]);
		put(function, FUNCTION_NAME, i % 5 ? part(memory, 3) : places[i % 4]);
		put(function, FUNCTION_SCOPE, i % 11 ? NULL : places[i % 4]);
		memcpy(part(memory, 3) + STRING_LENGTH, &lengths[i % 5], sizeof(lengths[0]));
		put(executor_globals, CURRENT, i % 17 ? memory : places[i % 4]);
		__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

__attribute__((noinline)) unsigned long execute_ex(unsigned long turns)
{
	for (unsigned long i = 0; i < turns; i++)
		sink += i * i;
	return sink;
}

int main(int argc, char **argv)
{
	unsigned char *memory = mmap(NULL, (size_t)PARTS * PART, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	if (argc != 2 || memory == MAP_FAILED)
		return 2;
	build(memory, argv[1]);
	if (strcmp(argv[1], "rewrite") == 0 && pthread_create(&thread, NULL, rewrite, memory) != 0)
		return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	while (execute_ex(1000000) != 1)
		continue;
	return 0;
}
