/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes put aside: append, read back by offset, gone when done.
 *
 * Promises: at most FG_SPOOL_MEMORY_BYTES of memory; beyond that an unlinked temporary file, which
 * disappears with the process. Knows nothing of what is inside.
 */
#ifndef FG_MEASURE_SPOOL_H
#define FG_MEASURE_SPOOL_H

#include "gate/base/buf.h"

enum { FG_SPOOL_MEMORY_BYTES = 1 << 20 };

struct fg_spool {
	struct fg_buf memory;
	char *dir; /* for the file; NULL: $TMPDIR or /tmp */
	int fd;    /* -1: all is in memory */
	uint64_t size_bytes;
};

void fg_spool_init(struct fg_spool *spool);
void fg_spool_done(struct fg_spool *spool);
/** On failure (IO: also a full disk, NOMEM) nothing was appended. */
int fg_spool_append(struct fg_spool *spool, const void *bytes, size_t len, uint64_t *ret_offset,
		    struct fg_err *err) FG_MUST_USE;
/** The bytes must have been appended. */
int fg_spool_read(const struct fg_spool *spool, uint64_t offset, void *to, size_t len,
		  struct fg_err *err) FG_MUST_USE;

#endif
