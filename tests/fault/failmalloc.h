/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail on purpose: the linker sends the program's malloc, calloc, realloc, strdup,
 * strndup and free here (--wrap), jansson is told to come here too.
 *
 * Promises: counts, fails the chosen ones, and knows which are still alive. Libraries that call the
 * C library themselves (libyaml, zlib, pcre2) are not reached.
 */
#ifndef FG_TESTS_FAILMALLOC_H
#define FG_TESTS_FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

/** Lets jansson allocate here; before any JSON is touched. */
void failmalloc_init(void);
/** From now on allocation number `index` (from 0) fails, and all later ones if `and_later`. */
void failmalloc_arm(size_t index, bool and_later);
/** No more failures; returns whether one happened. */
bool failmalloc_disarm(void);
/** How many allocations are not yet freed. */
size_t failmalloc_live(void);

#endif
