/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every string that the symboliser hands out, kept once, with its demangled form.
 *
 * Pointers stay valid until done. A name longer than FG_SYMBOL_NAME_MAX is cut.
 */
#ifndef FG_SYMBOL_NAMES_H
#define FG_SYMBOL_NAMES_H

#include "gate/base/err.h"

enum { FG_NAMES_MAX = 8 << 20 };

struct fg_name {
	char *demangled; /* NULL until fg_names_display */
	uint64_t hash;
	size_t len;
	char raw[];
};
struct fg_names {
	struct fg_name **slots; /* open addressing, power of two */
	size_t slot_count, count;
};

void fg_names_done(struct fg_names *names);
/** The kept copy of `text`; NULL with `err` set when memory or FG_NAMES_MAX ran out. */
struct fg_name *fg_names_keep(struct fg_names *names, const char *text, size_t len,
			      struct fg_err *err);
struct fg_name *fg_names_keepf(struct fg_names *names, struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4);
/** For people: demangled, without the version after '@'; the raw name where that is the same. */
const char *fg_names_display(struct fg_name *name);

#endif
