/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a module holds an interpreter whose frames can be read, and where: by its symbols.
 */
#ifndef FG_SYMBOL_INTERP_H
#define FG_SYMBOL_INTERP_H

#include "gate/base/err.h"
#include "profiler/runtime.h"

enum { FG_INTERP_LOOPS_MAX = 8 };

struct fg_interp_loop {
	uint64_t start, end; /* p_vaddr */
};
struct fg_interp {
	enum fg_runtime runtime;
	uint32_t version; /* major << 8 | minor; 0: not found out */
	uint64_t address; /* p_vaddr of _PyRuntime or executor_globals; 0: frames cannot be read */
	uint64_t code_type;                               /* p_vaddr of PyCode_Type, or 0 */
	struct fg_interp_loop loops[FG_INTERP_LOOPS_MAX]; /* the function that runs bytecode */
	size_t loop_count;
};

/** True if the file is an interpreter that we know, also where its frames cannot be read
 *  (address 0). `fd` stays the caller's and is not moved. */
bool fg_interp_detect(int fd, const char *path, struct fg_interp *ret);
/** The function at [start, end) jumps into the middle of other functions: the parts of it that the
 *  compiler moved away. `code` holds its bytes. Adds them to `ret`. Pure; x86-64. */
struct fg_fdes;
void fg_interp_add_cold(const uint8_t *code, size_t len, uint64_t start, const struct fg_fdes *fdes,
			struct fg_interp *ret);

#endif
