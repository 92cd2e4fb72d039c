/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable byte buffer with a maximum that its owner states at init.
 *
 * Promises: data is always NUL-terminated (the NUL is not counted in len) once something was
 * appended; a failed append leaves the old content and sets `failed`, so a writer may append many
 * times and check once. Knows nothing of encodings.
 */
#ifndef FG_BASE_BUF_H
#define FG_BASE_BUF_H

#include <stdarg.h>

#include "gate/base/err.h"

struct fg_buf {
	char *data; /* NULL until the first append */
	size_t len;
	size_t capacity;
	size_t max;
	bool failed; /* an append did not fit or memory ran out */
};

#define FG_AUTO_BUF FG_CLEANUP(fg_buf_done)

/** Empties the struct; nothing is allocated until needed. `max_bytes` bounds len. */
void fg_buf_init(struct fg_buf *buf, size_t max_bytes);
void fg_buf_done(struct fg_buf *buf);
/** Keeps the memory and the maximum, drops the content and the failed mark. */
void fg_buf_clear(struct fg_buf *buf);
void fg_buf_add(struct fg_buf *buf, const void *bytes, size_t len);
void fg_buf_add_str(struct fg_buf *buf, const char *text);
void fg_buf_add_char(struct fg_buf *buf, char c);
void fg_buf_addf(struct fg_buf *buf, const char *format, ...) FG_PRINTF(2, 3);
void fg_buf_addv(struct fg_buf *buf, const char *format, va_list args) FG_PRINTF(2, 0);
/** Reserves `len` more bytes and returns where to write them; NULL on failure. Commit with
 *  fg_buf_commit(). */
char *fg_buf_reserve(struct fg_buf *buf, size_t len);
void fg_buf_commit(struct fg_buf *buf, size_t len);
/** 0, or NOMEM/LIMIT if any append since init/clear failed. */
int fg_buf_check(const struct fg_buf *buf, struct fg_err *err) FG_MUST_USE;
/** Hands the bytes to the caller (free() them); the buffer is empty afterwards. Never NULL unless
 *  memory ran out. */
char *fg_buf_take(struct fg_buf *buf, size_t *ret_len);

#endif
