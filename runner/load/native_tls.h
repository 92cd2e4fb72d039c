/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for engine_native: the only one of its files that sees OpenSSL.
 *
 * The socket is read by the connection (it wants the kernel's stamp), which gives the bytes here;
 * what TLS has to say is sent directly, and kept when the socket does not take it. Offers HTTP/1.1
 * only; no session is resumed, as in k6: every connection pays for its own handshake.
 */
#ifndef FG_LOAD_NATIVE_TLS_H
#define FG_LOAD_NATIVE_TLS_H

#include "runner/scenario/scenario.h"

struct fg_native_tls;         /* one connection's */
struct fg_native_tls_context; /* what connections with the same options share */
struct fg_native_tls_store {
	struct fg_native_tls_context *contexts;
};

enum fg_native_tls_result {
	FG_NATIVE_TLS_DONE,
	FG_NATIVE_TLS_AGAIN,  /* needs more bytes */
	FG_NATIVE_TLS_CLOSED, /* orderly */
	FG_NATIVE_TLS_FAILED,
};

void fg_native_tls_store_done(struct fg_native_tls_store *store);
/** Reads certificates and keys; interned by the options' content. Owned by the store. */
int fg_native_tls_context(struct fg_native_tls_store *store, const struct fg_http_options *http,
			  struct fg_native_tls_context **ret, struct fg_err *err) FG_MUST_USE;

int fg_native_tls_new(struct fg_native_tls_context *context, int fd, char *server_name,
		      struct fg_native_tls **ret, struct fg_err *err) FG_MUST_USE;
void fg_native_tls_free(struct fg_native_tls *tls);
/** Bytes from the socket for the calls that follow; borrowed until fg_native_tls_settle(). */
void fg_native_tls_feed(struct fg_native_tls *tls, const char *bytes, size_t len);
/** Copies what was not used yet; false: no memory. */
bool fg_native_tls_settle(struct fg_native_tls *tls);
/** Something can be read without new bytes. */
bool fg_native_tls_has_input(const struct fg_native_tls *tls);
/** Settles, too. */
enum fg_native_tls_result fg_native_tls_handshake(struct fg_native_tls *tls);
/** DONE: *ret_len > 0 bytes of text. */
enum fg_native_tls_result fg_native_tls_read(struct fg_native_tls *tls, char *text, size_t room,
					     size_t *ret_len);
/** DONE: *ret_len > 0 bytes were taken (perhaps not all). AGAIN: the socket is full. */
enum fg_native_tls_result fg_native_tls_write(struct fg_native_tls *tls, const char *text,
					      size_t len, size_t *ret_len);
/** Sends what the socket did not take before; AGAIN: it still does not. */
enum fg_native_tls_result fg_native_tls_flush(struct fg_native_tls *tls);
/** Why the last call failed; errno of the socket in *ret_errno if that was it, else 0. */
const char *fg_native_tls_failure(struct fg_native_tls *tls, int *ret_errno);
/** Says goodbye if it can be said without waiting. */
void fg_native_tls_shutdown(struct fg_native_tls *tls);

#endif
