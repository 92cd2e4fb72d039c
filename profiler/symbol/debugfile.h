/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where else a stripped module's symbols may be: its MiniDebugInfo, or a separate debug file found
 * by build id or by .gnu_debuglink. What is fetched from elsewhere is the caller's affair.
 */
#ifndef FG_SYMBOL_DEBUGFILE_H
#define FG_SYMBOL_DEBUGFILE_H

#include "gate/base/err.h"

struct Elf;

/* Gets a debug file from elsewhere. */
struct fg_debug_fetch {
	int (*open)(void *context, const char *build_id); /* a descriptor to read, or -1 */
	void *context;
};

enum { FG_MINIDEBUG_BYTES_MAX = 256 << 20 };

/** A descriptor of the debug file that belongs to `elf`, or -1. `path` is where the target saw the
 *  module (it may lie in another mount namespace: the file must prove itself by build id or CRC).
 */
int fg_debugfile_open(struct Elf *elf, const char *path, const char *debug_root);
/** The same from `fetch`; what it hands out must have the module's build id. */
int fg_debugfile_fetch(struct Elf *elf, const struct fg_debug_fetch *fetch);
/** Whether the file has a symbol table beyond what dynamic linking needs. */
bool fg_debugfile_has_symbols(struct Elf *elf);
/** The uncompressed .gnu_debugdata (free it), or NULL where there is none or it is damaged. */
void *fg_debugfile_unpack(struct Elf *elf, size_t *ret_len);
/** Hex build id, "" if none. */
void fg_debugfile_build_id(struct Elf *elf, char ret[41]);

#endif
