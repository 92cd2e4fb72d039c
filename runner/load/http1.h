/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x responses, strictly (RFC 9112): bytes in, events out. Pure: no memory, no socket, no
 * clock.
 *
 * Promises: the verdict depends on the bytes only, not on how they were cut into pieces; every size
 * is bounded; what two readers could understand differently is refused. Policy where the RFC leaves
 * a choice: a bare LF ends a line of the head (RFC 9112 2.2; curl and Go do so too) but never one
 * that frames chunks; a bare CR, a NUL, obs-fold, blanks before a colon, a repeated or listed
 * Content-Length (even with equal values), Transfer-Encoding beside Content-Length, in HTTP/1.0 or
 * other than "chunked" are refused. 101 is final: the connection is the other protocol's then.
 */
#ifndef FG_LOAD_HTTP1_H
#define FG_LOAD_HTTP1_H

#include "gate/base/attr.h"

enum {
	FG_HTTP1_HEAD_MAX = 256 << 10, /* interim responses, status line and fields together */
	FG_HTTP1_LINE_MAX = 64 << 10,
	FG_HTTP1_FIELDS_MAX = 1024,
	FG_HTTP1_INTERIM_MAX = 32,     /* 1xx before the final response */
	FG_HTTP1_EXTRA_MAX = 64 << 10, /* chunk extensions and trailers of one response */
	FG_HTTP1_CHUNK_DIGITS_MAX = 16,
};
#define FG_HTTP1_BODY_MAX (1ull << 30)

enum fg_http1_state {
	FG_HTTP1_STATUS_LINE,
	FG_HTTP1_FIELDS,
	FG_HTTP1_LENGTH,      /* a body of known length */
	FG_HTTP1_UNTIL_CLOSE, /* a body that ends with the connection */
	FG_HTTP1_CHUNK_SIZE,
	FG_HTTP1_CHUNK_EXTENSION,
	FG_HTTP1_CHUNK_SIZE_LF,
	FG_HTTP1_CHUNK_DATA,
	FG_HTTP1_CHUNK_END_CR,
	FG_HTTP1_CHUNK_END_LF,
	FG_HTTP1_TRAILER_START,
	FG_HTTP1_TRAILER_NAME,
	FG_HTTP1_TRAILER_VALUE,
	FG_HTTP1_TRAILER_LF,
	FG_HTTP1_TRAILERS_END_LF,
	FG_HTTP1_DONE,
	FG_HTTP1_FAULTY,
};

enum fg_http1_event {
	FG_HTTP1_MORE, /* all bytes are used; give more */
	FG_HTTP1_HEAD, /* the final response's head is complete */
	FG_HTTP1_BODY, /* a piece of the body */
	FG_HTTP1_END,  /* the response is complete */
	FG_HTTP1_BAD,  /* not HTTP, or over a limit: see fault */
};

struct fg_http1 {
	enum fg_http1_state state;
	uint16_t status; /* 0: no status line yet */
	uint8_t minor;   /* HTTP/1.minor */
	uint8_t interim; /* 1xx seen */
	uint16_t fields;
	bool head_request; /* the request was HEAD: no body whatever the head says */
	bool has_length, chunked, says_close, says_keep_alive;
	bool bare_lf; /* at least one line of the final head ended so */
	/* In the bytes given to fg_http1_head(): */
	uint32_t line_start; /* next unread line; after FG_HTTP1_HEAD: where the body starts */
	uint32_t head_start, head_len; /* field lines of the final response, without the blank one
					*/
	uint32_t extra;
	uint8_t digits;
	uint64_t left; /* bytes of the body or chunk still to come */
	uint64_t body_bytes;
	const char *fault; /* static text, after FG_HTTP1_BAD */
};

void fg_http1_init(struct fg_http1 *parser, bool head_request);
/** Reads the head. `bytes` are all bytes since the response's first; after MORE call again with the
 *  same and more. Returns MORE, HEAD or BAD. */
enum fg_http1_event fg_http1_head(struct fg_http1 *parser, const char *bytes, size_t len);
/** Reads the body from fresh bytes; *ret_used is how many were taken. After BODY the piece is the
 *  last *ret_piece of them. Returns MORE, BODY, END or BAD. */
enum fg_http1_event fg_http1_body(struct fg_http1 *parser, const char *bytes, size_t len,
				  size_t *ret_used, size_t *ret_piece);
/** The connection ended: true when that completes the response. */
bool fg_http1_eof(struct fg_http1 *parser);
/** After END: the connection may carry another request. */
bool fg_http1_reusable(const struct fg_http1 *parser);

#endif
