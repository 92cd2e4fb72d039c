/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One module of the target as the symboliser holds it: its files, and the indexes made from them at
 * the first look-up. For this room only.
 */
#ifndef FG_SYMBOL_MODULE_H
#define FG_SYMBOL_MODULE_H

#include "profiler/symbol/debugfile.h"
#include "profiler/symbol/elfsym.h"
#include "profiler/symbol/gosym.h"
#include "profiler/symbol/inline.h"

struct fg_symfile { /* one ELF file or image */
	int fd;
	void *image;
	struct Elf *elf;
};
struct fg_module {
	char *path;
	char build_id[41];
	struct fg_symfile file, debug, mini;
	bool loaded; /* symbols and FDEs are read */
	bool dwarf_tried;
	struct fg_elfsym symbols;
	struct fg_fdes fdes;
	struct fg_inline *dwarf;
	struct fg_gosym *go;
};

/** `fd` and `image` (one of them, or -1 and NULL) are taken, also on failure. */
int fg_module_init(struct fg_module *module, int fd, void *image, size_t len, const char *path,
		   struct fg_err *err) FG_MUST_USE;
void fg_module_done(struct fg_module *module);
/** Reads symbols unless that was done; `fetch` (NULL: none) serves files that lack them. A damaged
 * file has few symbols and is no error. */
int fg_module_load(struct fg_module *module, const char *debug_root,
		   const struct fg_debug_fetch *fetch, struct fg_err *err) FG_MUST_USE;
/** The DWARF of the module or of its debug file, NULL if none. After load. */
struct fg_inline *fg_module_dwarf(struct fg_module *module);
/** The last part of the path: what names of unnamed code begin with. */
const char *fg_module_base_name(const struct fg_module *module);

#endif
