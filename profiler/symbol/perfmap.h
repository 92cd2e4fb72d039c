/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf maps: "START SIZE NAME" lines that JIT compilers write for code they generated.
 *
 * Code is moved and its room reused, and the file only grows: where lines overlap, the later one is
 * right. Malformed lines are counted and passed over (the last one may be half written).
 */
#ifndef FG_SYMBOL_PERFMAP_H
#define FG_SYMBOL_PERFMAP_H

#include "gate/base/err.h"

enum { FG_PERFMAP_TEXT_MAX = 256 << 20, FG_PERFMAP_MAX = 4 << 20 };

struct fg_perfmap_entry {
	uint64_t start, end;
	const char *name; /* in text */
	size_t line;      /* from 1: the later the better */
};
struct fg_perfmap {
	char *text;
	struct fg_perfmap_entry *items; /* ascending, not overlapping */
	size_t count, capacity;
	size_t malformed;
};

/** `text` is copied. */
int fg_perfmap_parse(const char *text, size_t len, struct fg_perfmap *ret,
		     struct fg_err *err) FG_MUST_USE;
const struct fg_perfmap_entry *fg_perfmap_find(const struct fg_perfmap *map, uint64_t address);
void fg_perfmap_done(struct fg_perfmap *map);

#endif
