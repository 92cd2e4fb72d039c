/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel symbols from /proc/kallsyms, modules and BPF programs included.
 */
#ifndef FG_SYMBOL_KSYMS_H
#define FG_SYMBOL_KSYMS_H

#include "gate/base/err.h"

enum { FG_KSYMS_TEXT_MAX = 128 << 20, FG_KSYMS_MAX = 4 << 20 };

struct fg_ksym {
	uint64_t address;
	const char *name; /* "vfs_read", "nf_hook_slow [nf_tables]" */
	uint8_t binding;
};
struct fg_ksyms {
	char *text; /* names point into it */
	struct fg_ksym *items;
	size_t count, capacity;
};

/** `text` is taken (also on failure) and has a NUL at text[len]. PERMISSION when the kernel hides
 *  addresses, NO_DATA when there are no code symbols. */
int fg_ksyms_parse(char *text, size_t len, struct fg_ksyms *ret, struct fg_err *err) FG_MUST_USE;
int fg_ksyms_read(const char *path, struct fg_ksyms *ret, struct fg_err *err) FG_MUST_USE;
const struct fg_ksym *fg_ksyms_find(const struct fg_ksyms *ksyms, uint64_t address);
void fg_ksyms_done(struct fg_ksyms *ksyms);

#endif
