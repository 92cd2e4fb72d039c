/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening ELF files of others with libelf, which allocates for as many sections as the file claims:
 * a sparse file of 4 GiB, which costs its owner nothing, would take 15 GB of us.
 */
#ifndef FG_UNWIND_ELF_OPEN_H
#define FG_UNWIND_ELF_OPEN_H

#include "gate/base/attr.h"

enum { FG_ELF_SECTIONS_MAX = 1 << 19 };

struct Elf;

/** False for what claims more sections or segments than any real program. True for what is no ELF
 *  file at all: libelf says so. */
bool fg_elf_is_modest(int fd);
/** elf_begin() for reading; NULL also for a file that is not modest. */
struct Elf *fg_elf_open(int fd);

#endif
