/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Undoes Content-Encoding of a body that somebody looks into. One per worker; its memory is reused.
 */
#ifndef FG_LOAD_INFLATE_H
#define FG_LOAD_INFLATE_H

#include "gate/base/buf.h"

enum { FG_INFLATED_MAX = 64 << 20 };

struct fg_inflate;

int fg_inflate_new(struct fg_inflate **ret, struct fg_err *err) FG_MUST_USE;
void fg_inflate_free(struct fg_inflate *inflate);
/** `coding`: the value of Content-Encoding. Returns 0 and the plain body, borrowed until the next
 *  call (the body itself for identity); INVALID: damaged, LIMIT: more than FG_INFLATED_MAX,
 *  UNSUPPORTED: another coding than gzip and deflate. */
int fg_inflate_body(struct fg_inflate *inflate, const char *coding, size_t coding_len,
		    const char *body, size_t len, const char **ret_body, size_t *ret_len,
		    struct fg_err *err) FG_MUST_USE;

#endif
