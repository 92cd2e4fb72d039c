/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module's ELF image from a process's memory, where its file cannot be opened (an overlay or snap
 * mount that we cannot reach, a file system that is gone).
 *
 * Holds what unwinding needs: program headers and the loaded segments that nobody writes to, at
 * their file offsets. Section headers, and with them symbols, are not in memory.
 */
#ifndef FG_UNWIND_MEMORY_ELF_H
#define FG_UNWIND_MEMORY_ELF_H

#include "profiler/unwind/mappings.h"

enum { FG_MEMORY_ELF_MAX = 64 << 20, FG_MEMORY_ELF_SEGMENTS_MAX = 64 };

/** Reads `len` bytes at `address`; false when that is not possible. */
typedef bool fg_memory_read_fn(void *context, uint64_t address, void *to, size_t len);

/** The module whose ELF header lies at `base`. *ret_image is malloc'ed. INVALID: no ELF file of
 * this machine lies there, or its headers lie; LIMIT: above FG_MEMORY_ELF_MAX. */
int fg_memory_elf_build(fg_memory_read_fn *read, void *context, uint64_t base, uint8_t **ret_image,
			size_t *ret_len, struct fg_err *err) FG_MUST_USE;
/** The module of an executable file mapping of `pid`, by /proc/PID/mem. */
int fg_memory_elf_read(pid_t pid, const struct fg_mapping *mapping, uint8_t **ret_image,
		       size_t *ret_len, struct fg_err *err) FG_MUST_USE;

#endif
