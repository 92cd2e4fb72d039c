/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where else a stripped module's symbols may be: its MiniDebugInfo, or a separate debug file found
 * by build id or by .gnu_debuglink. Nothing is fetched from a network.
 */
#ifndef FG_SYMBOL_DEBUGFILE_H
#define FG_SYMBOL_DEBUGFILE_H

#include "gate/base/err.h"

struct Elf;

enum { FG_MINIDEBUG_BYTES_MAX = 256 << 20 };

/** A descriptor of the debug file that belongs to `elf`, or -1. `path` is where the target saw the
 *  module (it may lie in another mount namespace: the file must prove itself by build id or CRC).
 */
int fg_debugfile_open(struct Elf *elf, const char *path, const char *debug_root);
/** The uncompressed .gnu_debugdata (free it), or NULL where there is none or it is damaged. */
void *fg_debugfile_unpack(struct Elf *elf, size_t *ret_len);
/** Hex build id, "" if none. */
void fg_debugfile_build_id(struct Elf *elf, char ret[41]);

#endif
