/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiler attributes and the few macros that everyone needs.
 *
 * Owns: the spelling of GNU attributes. Promises nothing about types.
 * A module that wants scoped clean-up declares its own FG_CLEANUP function in its own header.
 */
#ifndef FG_BASE_ATTR_H
#define FG_BASE_ATTR_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FG_MUST_USE          __attribute__((warn_unused_result))
#define FG_UNUSED            __attribute__((unused))
#define FG_CLEANUP(fn)       __attribute__((cleanup(fn)))
/** For a result that truly does not matter; says so where a (void) cast would still warn. */
#define FG_IGNORE(call)     \
	do {                \
		if (call) { \
		}           \
	} while (0)
#define FG_FALLTHROUGH __attribute__((fallthrough))
#define FG_NORETURN    __attribute__((noreturn))

#define FG_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define FG_MIN(a, b)    ((a) < (b) ? (a) : (b))
#define FG_MAX(a, b)    ((a) > (b) ? (a) : (b))

#define FG_NS_PER_US 1000ull
#define FG_NS_PER_MS 1000000ull
#define FG_NS_PER_S  1000000000ull

/** A free()able pointer that is released when its scope ends: `FG_AUTO_FREE char *s = NULL;`. */
#define FG_AUTO_FREE FG_CLEANUP(fg_auto_free)

void fg_auto_free(void *pointer_to_pointer);

#endif
