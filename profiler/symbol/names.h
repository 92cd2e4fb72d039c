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
/* How names are shown; the raw name stays beside it. */
enum fg_name_style {
	FG_NAME_FULL,  /* demangled, with template arguments */
	FG_NAME_SHORT, /* those as <…> */
	FG_NAME_RAW,   /* as the linker knows them */
};
struct fg_names {
	enum fg_name_style style; /* set before the first name is kept */
	struct fg_name **slots;   /* open addressing, power of two */
	size_t slot_count, count;
};

void fg_names_done(struct fg_names *names);
/** The kept copy of `text`; NULL with `err` set when memory or FG_NAMES_MAX ran out. */
struct fg_name *fg_names_keep(struct fg_names *names, const char *text, size_t len,
			      struct fg_err *err);
struct fg_name *fg_names_keepf(struct fg_names *names, struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4);
/** For people, in the style of `names`: demangled without the version after '@'; the raw name where
 *  that is the same. */
const char *fg_names_display(const struct fg_names *names, struct fg_name *name);
/** The same for a name that needs no demangling (Go's). */
const char *fg_names_display_plain(const struct fg_names *names, struct fg_name *name);

#endif
