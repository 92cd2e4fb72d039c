/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small text helpers: duplicates that report errors, "did you mean", glob.
 */
#ifndef FG_BASE_STR_H
#define FG_BASE_STR_H

#include "gate/base/err.h"

/** strdup/strndup with an error; the caller frees. */
int fg_str_dup(const char *text, char **ret, struct fg_err *err) FG_MUST_USE;
int fg_str_ndup(const char *text, size_t len, char **ret, struct fg_err *err) FG_MUST_USE;
/** Frees *text and makes it a copy of `value`; *text is unchanged on failure. */
int fg_str_replace(const char *value, char **text, struct fg_err *err) FG_MUST_USE;
bool fg_str_starts_with(const char *text, const char *prefix);
bool fg_str_ends_with(const char *text, const char *suffix);
/** The candidate nearest to `word` by edit distance, or NULL when none is near (distance at most
 *  a third of its length, at least 1, at most 3). `candidates` holds `count` strings; NULLs are
 *  passed over. Ties: the first. */
const char *fg_str_nearest(const char *word, const char *const *candidates, size_t count);
/** Shell-like glob: * and ?, no classes; linear time. */
bool fg_str_glob(const char *pattern, const char *text);

#endif
