/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathers one response from the pieces that a socket gives, for whoever wants its head and body.
 *
 * Promises: a response that comes in one piece is not copied (head and body point into that piece);
 * memory for one that comes in several is borrowed from a pool and goes back with
 * fg_http1_reader_done(), so nothing is allocated once the pool is warm. Knows no socket.
 */
#ifndef FG_LOAD_HTTP1_READER_H
#define FG_LOAD_HTTP1_READER_H

#include "gate/base/buf.h"
#include "runner/load/http1.h"

struct fg_http1_keep {
	struct fg_http1_keep *next;
	struct fg_buf head, body;
};

/* What is not in use; zeroed is empty. */
struct fg_http1_pool {
	struct fg_http1_keep *free;
};
void fg_http1_pool_done(struct fg_http1_pool *pool);

struct fg_http1_reader {
	struct fg_http1 parser;
	struct fg_http1_pool *pool;
	struct fg_http1_keep *keep; /* NULL until the response needs it */
	size_t body_max;            /* of a wanted body; 0: not wanted */
	bool in_body, head_kept, body_kept, no_memory;
	/* Complete after END; valid until the next read or done. */
	char *head; /* field lines "Name: value\r\n", then a NUL; NULL: there was none */
	char *body; /* wanted and not empty, else NULL */
	size_t head_len, body_len;
	uint64_t received; /* bytes used so far, on the wire */
};

void fg_http1_reader_init(struct fg_http1_reader *reader, struct fg_http1_pool *pool,
			  bool head_request, size_t body_max);
/** Takes bytes (it may change them); returns MORE, END or BAD (parser.fault says why). What is left
 *  of them after END (*ret_used < len) is no part of this response. */
enum fg_http1_event fg_http1_read(struct fg_http1_reader *reader, char *bytes, size_t len,
				  size_t *ret_used);
/** The connection ended: END or BAD. */
enum fg_http1_event fg_http1_read_eof(struct fg_http1_reader *reader);
void fg_http1_reader_done(struct fg_http1_reader *reader);

#endif
