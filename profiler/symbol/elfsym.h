/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbols of one module in one sorted array, from as many ELF files as know some of them.
 *
 * Names point into the ELF files' string tables: those files stay open as long as the index lives.
 * The choice among aliases depends on names only, so every run of every build makes the same.
 */
#ifndef FG_SYMBOL_ELFSYM_H
#define FG_SYMBOL_ELFSYM_H

#include "profiler/unwind/fde.h"

enum { FG_ELFSYM_MAX = 16 << 20 };

struct fg_elfsym_entry {
	uint64_t start, end; /* end == start until finish: a symbol without size */
	uint64_t limit;      /* end of its section; after finish: largest end up to here */
	const char *name;
	uint8_t binding; /* 0 global, 1 weak, 2 local */
};
struct fg_elfsym {
	struct fg_elfsym_entry *items;
	size_t count, capacity;
	char **owned; /* names that are in no string table */
	size_t owned_count, owned_capacity;
};

/** Adds code symbols of .symtab and .dynsym. */
int fg_elfsym_add(struct fg_elfsym *index, struct Elf *elf, struct fg_err *err) FG_MUST_USE;
/** Adds `foo@plt` for PLT entries, from relocations and the entries' code (x86-64). */
int fg_elfsym_add_plt(struct fg_elfsym *index, struct Elf *elf, struct fg_err *err) FG_MUST_USE;
/** Adds one symbol whose name is taken (freed with the index, and on failure). */
int fg_elfsym_add_owned(struct fg_elfsym *index, uint64_t start, uint64_t size, char *name,
			struct fg_err *err) FG_MUST_USE;
/** Sorts, drops aliases and bounds sizeless symbols by their neighbours and by FDEs. */
void fg_elfsym_finish(struct fg_elfsym *index, const struct fg_fdes *fdes);
/** The symbol that covers `vaddr`, the innermost if nested; NULL if none. */
const struct fg_elfsym_entry *fg_elfsym_find(const struct fg_elfsym *index, uint64_t vaddr);
void fg_elfsym_done(struct fg_elfsym *index);

/** The order of preference among names for one address: <0 when `a` is the better one. */
int fg_elfsym_compare_names(const char *a, uint8_t a_binding, const char *b, uint8_t b_binding);

#endif
