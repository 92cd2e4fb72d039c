/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pretends to be CPython 3.11 and lies: zoo_false_python MODE. Its interpreters, threads and frames
 * are cycles, garbage or strings without end, or change all the time; the profiler must survive all
 * of them.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	RUNTIME_HEAD = 40,
	INTERP_THREADS = 16,
	THREAD_NEXT = 8,
	THREAD_CFRAME = 56,
	THREAD_ID = 152,
	CFRAME_FRAME = 8,
	FRAME_CODE = 32,
	FRAME_PREVIOUS = 48,
	OBJECT_TYPE = 8,
	CODE_FILE = 112,
	CODE_NAME = 120,
	CODE_QUALNAME = 128,
	STRING_LENGTH = 16,
	STRING_STATE = 32,
	STRING_DATA = 48,
	COMPACT_ASCII_1BYTE = 1 << 2 | 1 << 5 | 1 << 6,
	WIDE_4BYTES = 4 << 2 | 1 << 5,
	PART = 4096,
	PARTS = 10,
};

__attribute__((aligned(64))) unsigned char _PyRuntime[PART];
__attribute__((aligned(64))) unsigned char PyCode_Type[512];
const unsigned long Py_Version = 0x030b02f0;
static volatile unsigned long sink;

static void put(unsigned char *at, int offset, const void *value)
{
	uint64_t word = (uint64_t)(uintptr_t)value;

	memcpy(at + offset, &word, sizeof(word));
}

static void put_string(unsigned char *string, uint64_t length)
{
	uint32_t state = COMPACT_ASCII_1BYTE;

	memcpy(string + STRING_LENGTH, &length, sizeof(length));
	memcpy(string + STRING_STATE, &state, sizeof(state));
	memset(string + STRING_DATA, 0xfe, PART - STRING_DATA);
}

static unsigned char *part(unsigned char *memory, int i)
{
	return memory + (size_t)i * PART;
}

static const uint64_t lengths[] = {0, 8, 1u << 31, 1ull << 40, UINT64_MAX / 4 + 2, UINT64_MAX};

/* Two interpreters that follow each other; this thread is in both. */
static void build_interpreters(unsigned char *memory)
{
	unsigned char *other = part(memory, 8), *thread = part(memory, 2);

	put(memory, 0, other);
	put(other, 0, memory);
	put(other, INTERP_THREADS, thread);
	put(thread, THREAD_NEXT, NULL);
	put(thread, THREAD_ID, (void *)(uintptr_t)pthread_self());
	put(thread, THREAD_CFRAME, part(memory, 3));
}

/* Turns everything over while it is being read. */
static void *rewrite(void *context)
{
	static const uint32_t states[] = {COMPACT_ASCII_1BYTE, WIDE_4BYTES, 0, UINT32_MAX};
	unsigned char *memory = context, *frame = part(memory, 4), *code = part(memory, 6);

	for (unsigned i = 0;; i++) {
		/* itself, nothing, what is no memory, what is of another kind */
		void *const places[] = {frame,           NULL, (void *)0x123456789000,
					part(memory, 5), code, memory};
		uint32_t state = states[i / 2 % 4];

		put(frame, FRAME_PREVIOUS, places[i % 6]);
		put(frame, FRAME_CODE, i % 7 ? code : places[i % 6]);
		put(code, CODE_QUALNAME, i % 5 ? part(memory, 7) : places[i % 6]);
		put(code, CODE_FILE, i % 11 ? part(memory, 7) : code);
		put(code, OBJECT_TYPE, i % 13 ? PyCode_Type : memory);
		memcpy(part(memory, 7) + STRING_LENGTH, &lengths[i % 6], sizeof(lengths[0]));
		memcpy(part(memory, 7) + STRING_STATE, &state, sizeof(state));
		put(part(memory, 1), THREAD_CFRAME, i % 17 ? part(memory, 3) : places[i % 6]);
		put(memory, 0, i % 19 ? NULL : memory);
		__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

/* interpreters 0 and 8, threads 1 and 2, cframe 3, frames 4 and 5, code 6, strings 7 and, cut off
 * by the end of the memory, 9 */
static void build(unsigned char *memory, const char *mode)
{
	unsigned char *thread = part(memory, 1), *frame = part(memory, 4), *code = part(memory, 6);
	int cyclic_threads = strcmp(mode, "threads") == 0;

	put(_PyRuntime, RUNTIME_HEAD, memory);
	put(memory, INTERP_THREADS, thread);
	put(memory, 0, cyclic_threads ? memory : NULL);
	put(thread, THREAD_NEXT, cyclic_threads ? part(memory, 2) : NULL);
	put(part(memory, 2), THREAD_NEXT, thread);
	if (!cyclic_threads)
		put(thread, THREAD_ID, (void *)(uintptr_t)pthread_self());
	put(thread, THREAD_CFRAME, part(memory, 3));
	put(part(memory, 3), CFRAME_FRAME, frame);
	put(frame, FRAME_CODE, code);
	put(frame, FRAME_PREVIOUS, part(memory, 5));
	put(part(memory, 5), FRAME_CODE, code);
	put(part(memory, 5), FRAME_PREVIOUS, strcmp(mode, "cycle") == 0 ? frame : NULL);
	put(code, OBJECT_TYPE, PyCode_Type);
	put(code, CODE_FILE, part(memory, 7));
	put(code, CODE_NAME, part(memory, 7));
	put(code, CODE_QUALNAME, part(memory, 7));
	put_string(part(memory, 7), strcmp(mode, "strings") == 0 ? UINT64_MAX : 8);
	if (strcmp(mode, "garbage") == 0)
		put(frame, FRAME_PREVIOUS, (void *)0x123456789000);
	if (strcmp(mode, "interpreters") == 0)
		build_interpreters(memory);
	if (strcmp(mode, "long") == 0) {
		uint32_t state = WIDE_4BYTES;
		unsigned char *name = part(memory, PARTS) - STRING_DATA - 64;

		memcpy(part(memory, 7) + STRING_LENGTH, &lengths[2], sizeof(lengths[2]));
		memcpy(part(memory, 7) + STRING_STATE, &state, sizeof(state));
		memcpy(name + STRING_LENGTH, &lengths[2], sizeof(lengths[2]));
		memcpy(name + STRING_STATE, &state, sizeof(state));
		put(code, CODE_QUALNAME, name);
	}
	if (strcmp(mode, "none") == 0)
		put(part(memory, 3), CFRAME_FRAME, NULL);
}

__attribute__((noinline)) unsigned long _PyEval_EvalFrameDefault(unsigned long turns)
{
	for (unsigned long i = 0; i < turns; i++)
		sink += i * i;
	return sink;
}

int main(int argc, char **argv)
{
	unsigned char *memory = mmap(NULL, (size_t)PARTS * PART, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc != 2 || memory == MAP_FAILED)
		return 2;
	build(memory, argv[1]);
	pthread_t thread;

	if (strcmp(argv[1], "rewrite") == 0 && pthread_create(&thread, NULL, rewrite, memory) != 0)
		return 1;
	(void)puts("ready");
	(void)fflush(stdout);
	while (_PyEval_EvalFrameDefault(1000000) != 1)
		continue;
	return 0;
}
