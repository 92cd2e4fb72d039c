/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of normalisation and the text they edit in place; for normalise*.c only. */
#ifndef FG_PROFILE_NORMALISE_INTERNAL_H
#define FG_PROFILE_NORMALISE_INTERNAL_H

#include "gate/profile/normalise.h"

/* "<…>" is up to two bytes longer than what it replaces. */
enum { FG_NAME_CAPACITY = FG_NORMALISE_MAX * 2 + 8 };

struct fg_name {
	char text[FG_NAME_CAPACITY];
	size_t len;
	bool source;  /* keep parameters and closure numbers */
	size_t steps; /* of matching brackets, over all rounds */
};

/* 140 000 names of LLVM, node and rustc need 7 600 at most, a nest of templates that is cut in its
 * middle 282 000. The time for brackets without an end would grow by the third power of their
 * number. */
enum { FG_NAME_STEPS_MAX = 1 << 19 };

void fg_name_erase(struct fg_name *name, size_t at, size_t count);
/** Replaces `count` bytes by `with`; does nothing if it would not fit. */
void fg_name_replace(struct fg_name *name, size_t at, size_t count, const char *with);
bool fg_name_starts(const struct fg_name *name, size_t at, const char *prefix);
size_t fg_name_digits(const struct fg_name *name, size_t at);
size_t fg_name_hex(const struct fg_name *name, size_t at);
bool fg_name_is_word(char c); /* letter, digit, _ or a byte of a longer UTF-8 character */

/* The passes, in their order. */
void fg_name_strip_suffixes(struct fg_name *name);
void fg_name_strip_kernel(struct fg_name *name);
void fg_name_strip_jit(struct fg_name *name);
void fg_name_strip_go(struct fg_name *name);
void fg_name_strip_java(struct fg_name *name);
void fg_name_strip_brackets(struct fg_name *name);
/* Not one of them: template arguments alone. */
void fg_name_strip_templates(struct fg_name *name);

#endif
