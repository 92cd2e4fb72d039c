/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing a typed array: `struct thing *items; size_t count, capacity;` plus fg_vec_grow().
 *
 * Owns the growth policy and the overflow checks, nothing else: the three fields stay in their
 * owner's struct, so that code reads and indexes them as plain C.
 */
#ifndef FG_BASE_VEC_H
#define FG_BASE_VEC_H

#include "gate/base/err.h"

/** Makes room for `need` elements of `size_bytes` each, at most `max` elements. Returns 0, or
 *  NOMEM/LIMIT with *items unchanged. New elements are zeroed. */
int fg_vec_grow(void **items, size_t *capacity, size_t need, size_t max, size_t size_bytes,
		struct fg_err *err) FG_MUST_USE;

/** Makes room for one more element of a {items,count,capacity} triple inside `*owner`. */
#define FG_VEC_ROOM(owner, items, count, capacity, max, err)                                 \
	fg_vec_grow((void **)&(owner)->items, &(owner)->capacity, (owner)->count + 1, (max), \
		    sizeof(*(owner)->items), (err))

#endif
