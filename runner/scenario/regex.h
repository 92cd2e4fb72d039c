/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions (PCRE2, UTF, JIT where it works) compiled once and shared by all threads; who
 * matches brings its own match data, so that nothing is allocated per request.
 *
 * Bounded: match and depth limits; a pattern that hits them is an error, not a silent "no match".
 */
#ifndef FG_SCENARIO_REGEX_H
#define FG_SCENARIO_REGEX_H

#include "gate/base/err.h"

struct fg_regex;
struct fg_regex_match; /* per VU or per worker, reused for every pattern */

enum { FG_REGEX_TEXT_MAX = 4096, FG_REGEX_GROUPS_MAX = 64 };

/** err->column: 1-based byte offset of the fault. */
int fg_regex_compile(const char *text, size_t len, struct fg_regex **ret,
		     struct fg_err *err) FG_MUST_USE;
void fg_regex_free(struct fg_regex *regex);
unsigned fg_regex_groups(const struct fg_regex *regex);
/** Index of a named group, or -1. */
int fg_regex_group(const struct fg_regex *regex, const char *name);

int fg_regex_match_new(struct fg_regex_match **ret, struct fg_err *err) FG_MUST_USE;
void fg_regex_match_free(struct fg_regex_match *match);
/** 1: found, *ret_text (not terminated) of `group`; 0: no match, or the group took no part; < 0:
 *  LIMIT. */
int fg_regex_find(const struct fg_regex *regex, struct fg_regex_match *match, const char *text,
		  size_t len, unsigned group, const char **ret_text, size_t *ret_len,
		  struct fg_err *err) FG_MUST_USE;

#endif
