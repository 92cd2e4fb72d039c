/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking JSON text in place: what field access and JSONPath share.
 *
 * Checks what it passes over (RFC 8259; bytes above 0x7f are taken as they are), never reads past
 * the end, builds nothing. The first of two equal keys is found. Faults have the 1-based byte
 * offset as their column. Knows no paths.
 */
#ifndef FG_SCENARIO_JSCAN_H
#define FG_SCENARIO_JSCAN_H

#include "runner/scenario/value.h"

enum { FG_JSCAN_DEPTH_MAX = 128 };

/** Offset of the next byte that is not white space, or `len`. */
size_t fg_jscan_space(const char *text, size_t len, size_t at);
/** Passes over the value that starts at `at`. INVALID: not JSON; LIMIT: nested too deep. */
int fg_jscan_value(const char *text, size_t len, size_t at, size_t *ret_end,
		   struct fg_err *err) FG_MUST_USE;
/** 0 if the text is one JSON value and nothing else but space. */
int fg_jscan_check(const char *text, size_t len, struct fg_err *err) FG_MUST_USE;
/** The value that starts at `at` with its type: containers borrow the text, strings too unless they
 *  have escapes (then the arena). *ret_end may be NULL. */
int fg_jscan_take(const char *text, size_t len, size_t at, struct fg_arena *arena,
		  struct fg_value *ret, size_t *ret_end, struct fg_err *err) FG_MUST_USE;

/** Writes what the inside of a checked string literal means; `out` has room for `len` bytes and may
 *  be `raw` itself. Returns the length. Half a surrogate pair becomes U+FFFD. */
size_t fg_jscan_unescape(const char *raw, size_t len, char *out);
/** True if the inside of a checked string literal means `key`. */
bool fg_jscan_is(const char *raw, size_t raw_len, const char *key, size_t key_len);

/* The elements of a list or the members of an object, in order. */
struct fg_jscan_walk {
	const char *text;
	size_t len, at;
	bool object, started, passed; /* passed: `at` is behind the current value */
	const char *key;              /* inside of the literal, of objects */
	size_t key_len;
	size_t value; /* offset of the current value */
};
/** 1: a container starts at `at`; 0: another value does; < 0: the text ends there. */
int fg_jscan_open(struct fg_jscan_walk *walk, const char *text, size_t len, size_t at,
		  struct fg_err *err) FG_MUST_USE;
/** 1: walk->value is the next one; 0: the container's end, walk->at is behind it. */
int fg_jscan_next(struct fg_jscan_walk *walk, struct fg_err *err) FG_MUST_USE;
/** Passes over the current value; its end is then walk->at. */
int fg_jscan_pass(struct fg_jscan_walk *walk, struct fg_err *err) FG_MUST_USE;

/** 1: *ret is the offset of the member's value in the object at `at`; 0: no such, or no object. */
int fg_jscan_member(const char *text, size_t len, size_t at, const char *key, size_t key_len,
		    size_t *ret, struct fg_err *err) FG_MUST_USE;
/** The same for an element; negative: from the end. */
int fg_jscan_element(const char *text, size_t len, size_t at, int64_t index, size_t *ret,
		     struct fg_err *err) FG_MUST_USE;
/** Number of elements or members of the container at `at`; not a container: 0. */
int fg_jscan_count(const char *text, size_t len, size_t at, size_t *ret,
		   struct fg_err *err) FG_MUST_USE;

#endif
