/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fault/failmalloc.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { SLOTS = 1 << 20 };

static bool armed, fails_later, has_failed;
static size_t next_index, failing_index;
static const void *slots[SLOTS]; /* the live blocks; open addressing, no gaps in a chain */
static size_t live;

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
void __wrap_free(void *old);

static bool must_fail(void)
{
	if (!armed)
		return false;
	size_t index = next_index++;
	bool fails = index == failing_index || (fails_later && index > failing_index);

	has_failed = has_failed || fails;
	return fails;
}

static size_t slot_of(const void *pointer)
{
	return (size_t)((((uintptr_t)pointer >> 4) * 0x9e3779b97f4a7c15ull) >> 44);
}

static void *note(void *pointer)
{
	if (!pointer)
		return NULL;
	assert(live < SLOTS / 2);
	size_t slot = slot_of(pointer);

	while (slots[slot])
		slot = (slot + 1) % SLOTS;
	slots[slot] = pointer;
	live++;
	return pointer;
}

/* Those behind a freed slot move up, unless they already are where they belong or after it. */
static void close_gap(size_t gap)
{
	for (size_t at = (gap + 1) % SLOTS; slots[at]; at = (at + 1) % SLOTS) {
		size_t home_distance = (at - slot_of(slots[at])) % SLOTS;

		if (home_distance >= (at - gap) % SLOTS) {
			slots[gap] = slots[at];
			gap = at;
		}
	}
	slots[gap] = NULL;
}

/* What a library allocated by itself and we free is not here. */
static void forget(const void *pointer)
{
	for (size_t slot = slot_of(pointer); pointer && slots[slot]; slot = (slot + 1) % SLOTS) {
		if (slots[slot] == pointer) {
			close_gap(slot);
			live--;
			return;
		}
	}
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || must_fail())
		return NULL;
	void *pointer = __real_malloc(bytes);

	return pointer ? note(memset(pointer, 0, bytes)) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	if (must_fail())
		return NULL;
	forget(old);
	return note(__real_realloc(old, size));
}

char *__wrap_strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = __wrap_malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}

void __wrap_free(void *old)
{
	forget(old);
	__real_free(old);
}

void failmalloc_init(void)
{
	json_set_alloc_funcs(__wrap_malloc, __wrap_free);
}

void failmalloc_arm(size_t index, bool and_later)
{
	armed = true;
	fails_later = and_later;
	has_failed = false;
	next_index = 0;
	failing_index = index;
}

bool failmalloc_disarm(void)
{
	armed = false;
	return has_failed;
}

size_t failmalloc_live(void)
{
	return live;
}
