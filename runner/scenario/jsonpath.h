/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subset of JSONPath (RFC 9535) over JSON text, without building a tree.
 *
 *   $  .name  ['name']  [0]  [-1]  [*]  .*  ..name  [1:3]  [?(@.field == 'x')]  .length()
 *
 * Compiled once. A search walks the text, checks it as it goes (a malformed text is INVALID, never
 * read past its end) and allocates nothing but from the arena. The first match is the result of a
 * path with wildcards; fg_jsonpath_all() joins them to a list.
 */
#ifndef FG_SCENARIO_JSONPATH_H
#define FG_SCENARIO_JSONPATH_H

#include "runner/scenario/value.h"

struct fg_jsonpath;

enum { FG_JSONPATH_TEXT_MAX = 1024, FG_JSONPATH_STEPS_MAX = 32, FG_JSONPATH_DEPTH_MAX = 128 };

/** err->column: 1-based byte offset of the fault. */
int fg_jsonpath_compile(const char *text, size_t len, struct fg_jsonpath **ret,
			struct fg_err *err) FG_MUST_USE;
void fg_jsonpath_free(struct fg_jsonpath *path);
/** True if it can find one value at most: no wildcard, slice, filter or "..". */
bool fg_jsonpath_definite(const struct fg_jsonpath *path);
/** 1: found (*ret borrows from text or arena; strings are unescaped), 0: nothing there, < 0: not
 *  JSON or beyond a limit. */
int fg_jsonpath_find(const struct fg_jsonpath *path, const char *json, size_t len,
		     struct fg_arena *arena, struct fg_value *ret, struct fg_err *err) FG_MUST_USE;
/** All matches as a FG_VALUE_JSON list ("[]" if none). 1: some, 0: none (*ret is "[]"), < 0. */
int fg_jsonpath_all(const struct fg_jsonpath *path, const char *json, size_t len,
		    struct fg_arena *arena, struct fg_value *ret, struct fg_err *err) FG_MUST_USE;
/** Walks the elements of a JSON list text: *offset starts at 0; 1: *ret is the next element, 0: the
 *  end, < 0: not a list. */
int fg_json_text_next(const char *json, size_t len, size_t *offset, struct fg_arena *arena,
		      struct fg_value *ret, struct fg_err *err) FG_MUST_USE;

#endif
