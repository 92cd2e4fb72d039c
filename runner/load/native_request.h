/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as bytes. Constant ones are rendered once per constant_key and shared by all VUs of the
 * engine; others are rendered into one buffer that all VUs share, again whenever the bytes are
 * needed (the request's memory stays the caller's), so nothing is kept per VU.
 *
 * Added to what the step says, each unless its headers have it: Host, User-Agent, Content-Length
 * with a body and for POST, PUT and PATCH, Authorization from a URL's user:password, Connection:
 * close for `connection: none`. A step's own "Transfer-Encoding: chunked" sends the body as one
 * chunk.
 */
#ifndef FG_LOAD_NATIVE_REQUEST_H
#define FG_LOAD_NATIVE_REQUEST_H

#include <sys/uio.h>

#include "runner/load/engine.h"
#include "runner/load/native_origin.h"

enum {
	FG_NATIVE_PARTS_MAX = 7,
	FG_NATIVE_INLINE_BODY_MAX = 64 << 10, /* copied behind the head: one send */
	FG_NATIVE_REQUEST_BUCKETS = 1 << 8,
};

struct fg_native_request { /* constant and rendered */
	struct fg_native_request *next;
	const void *key;
	struct fg_native_origin *origin;
	struct fg_buf text; /* head, blank line, and the body if it is small */
	size_t head_len;    /* with the blank line */
	bool inline_body, chunked;
};

struct fg_native_requests {
	struct fg_native_request *buckets[FG_NATIVE_REQUEST_BUCKETS];
	struct fg_native_request once; /* the latest that is not constant */
};

struct fg_native_message { /* what to send, in order */
	struct iovec parts[FG_NATIVE_PARTS_MAX];
	int count;
	size_t len;
};

void fg_native_requests_init(struct fg_native_requests *all);
void fg_native_requests_done(struct fg_native_requests *all);
/** Renders what is new and finds the origin. The result is valid until the next prepare, for ever
 *  with a constant_key. */
int fg_native_prepare(struct fg_native_requests *all, struct fg_native_origins *origins,
		      const struct fg_engine_request *request, const struct fg_native_request **ret,
		      struct fg_err *err) FG_MUST_USE;
void fg_native_message(const struct fg_native_request *prepared,
		       const struct fg_engine_request *request, struct fg_native_message *ret);
/** Leaves the first `len` bytes (less than all) out. */
void fg_native_message_skip(struct fg_native_message *message, size_t len);
/** Whether a request may be sent twice (RFC 9110 9.2.2). */
bool fg_native_is_idempotent(const char *method);

#endif
