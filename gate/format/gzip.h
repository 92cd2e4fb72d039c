/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deflated bytes in and out, bounded and deterministic.
 *
 * Promises: equal input gives equal output (no time, no name in the header); inflating stops at the
 * output buffer's maximum whatever the input claims. Knows nothing of what is inside.
 */
#ifndef FG_FORMAT_GZIP_H
#define FG_FORMAT_GZIP_H

#include "gate/base/buf.h"

enum fg_deflate_format {
	FG_DEFLATE_GZIP, /* RFC 1952; when inflating also several members in a row */
	FG_DEFLATE_ZLIB, /* RFC 1950 */
};

/** Appends the compressed bytes. On failure `out` is unchanged. */
int fg_gzip_deflate(enum fg_deflate_format format, const void *bytes, size_t len,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** Appends at most `max_bytes` (LIMIT if there would be more; out->max holds too). Truncated or
 *  damaged input and bytes after the end are INVALID. On failure `out` is unchanged. */
int fg_gzip_inflate(enum fg_deflate_format format, const void *bytes, size_t len, size_t max_bytes,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/* The same as a stream, in bounded memory: what comes out is handed to a sink. */
typedef int (*fg_gzip_sink)(void *context, const void *bytes, size_t len, struct fg_err *err);
struct fg_gzip_stream;

/** `max_bytes` bounds what comes out of inflating (LIMIT); deflating ignores it. */
int fg_gzip_stream_new(bool inflate, uint64_t max_bytes, fg_gzip_sink sink, void *context,
		       struct fg_gzip_stream **ret, struct fg_err *err) FG_MUST_USE;
/** Consumes all of `bytes`. Fails with the sink's code when that fails. */
int fg_gzip_stream_put(struct fg_gzip_stream *stream, const void *bytes, size_t len,
		       struct fg_err *err) FG_MUST_USE;
/** The end of the input: INVALID when an inflated stream is not at its end. */
int fg_gzip_stream_end(struct fg_gzip_stream *stream, struct fg_err *err) FG_MUST_USE;
void fg_gzip_stream_free(struct fg_gzip_stream *stream);

/** True if the bytes begin like a gzip file. */
bool fg_gzip_is(const void *bytes, size_t len);

#endif
