/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/format/gzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW_BITS = 15, MEMORY_LEVEL = 9, STEP_BYTES = 64 << 10 };

static int window_bits(enum fg_deflate_format format)
{
	return format == FG_DEFLATE_GZIP ? WINDOW_BITS + 16 : WINDOW_BITS;
}

bool fg_gzip_is(const void *bytes, size_t len)
{
	return len >= 2 && memcmp(bytes, "\x1f\x8b", 2) == 0;
}

/* zlib's next_in is const only with ZLIB_CONST; it never writes there. */
static Bytef *input(const void *bytes)
{
	union {
		const void *from;
		Bytef *to;
	} cast = {.from = bytes};

	return cast.to;
}

/* What a failed call appended is taken away again. */
static void cut_back(struct fg_buf *out, size_t len)
{
	if (!out->data)
		return;
	out->len = len;
	out->data[len] = '\0';
}

/* In steps, because deflateBound() is more than what comes out, and `out` may have room for the one
 * and not for the other. */
static int deflate_all(z_stream *stream, struct fg_buf *out, struct fg_err *err)
{
	int code = Z_OK;

	while (code == Z_OK) {
		size_t room = FG_MIN(out->max - out->len, (size_t)STEP_BYTES);
		char *to = fg_buf_reserve(out, FG_MAX(room, (size_t)1));

		if (!to)
			return fg_buf_check(out, err);
		stream->next_out = (Bytef *)to;
		stream->avail_out = (uInt)room;
		code = deflate(stream, Z_FINISH);
		fg_buf_commit(out, room - stream->avail_out);
	}
	return code == Z_STREAM_END
		       ? 0
		       : fg_err_set(err, FG_E_INTERNAL, "zlib did not finish (%d)", code);
}

int fg_gzip_deflate(enum fg_deflate_format format, const void *bytes, size_t len,
		    struct fg_buf *out, struct fg_err *err)
{
	z_stream stream = {0};
	size_t before = out->len;

	if (len > UINT_MAX / 2)
		return fg_err_set(err, FG_E_LIMIT, "%zu bytes are too many to compress", len);
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits(format), MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fg_err_nomem(err);
	stream.next_in = input(bytes);
	stream.avail_in = (uInt)len;
	int rc = deflate_all(&stream, out, err);

	(void)deflateEnd(&stream);
	if (rc)
		cut_back(out, before);
	return rc;
}

/* One inflate() call into at most STEP_BYTES more of `out`. Returns zlib's code. */
static int step(z_stream *stream, struct fg_buf *out, size_t room)
{
	size_t want = FG_MIN(room, (size_t)STEP_BYTES);
	char *to = fg_buf_reserve(out, want);

	if (!to)
		return Z_MEM_ERROR;
	stream->next_out = (Bytef *)to;
	stream->avail_out = (uInt)want;
	int rc = inflate(stream, Z_NO_FLUSH);

	fg_buf_commit(out, want - stream->avail_out);
	return rc;
}

static int inflate_error(int code, const z_stream *stream, size_t max_bytes, struct fg_err *err)
{
	if (code == Z_MEM_ERROR)
		return fg_err_nomem(err);
	if (code == Z_BUF_ERROR && stream->avail_out == 0)
		return fg_err_set(err, FG_E_LIMIT, "more than %zu bytes when inflated", max_bytes);
	if (code == Z_BUF_ERROR || (code == Z_OK && stream->avail_in == 0))
		return fg_err_set(err, FG_E_INVALID, "compressed data is cut off");
	return fg_err_set(err, FG_E_INVALID, "compressed data is damaged (%s)",
			  stream->msg ? stream->msg : "not in this format");
}

static int inflate_all(enum fg_deflate_format format, z_stream *stream, size_t max_bytes,
		       struct fg_buf *out, struct fg_err *err)
{
	size_t before = out->len;

	for (;;) {
		size_t room = FG_MIN(max_bytes - (out->len - before), out->max - out->len);

		/* One byte of room too little must show: zlib then says Z_BUF_ERROR. With no room
		 * at all a scratch byte tells "exactly full" from "too much". */
		if (room == 0) {
			Bytef scratch;

			stream->next_out = &scratch;
			stream->avail_out = 1;
			int last = inflate(stream, Z_NO_FLUSH);

			if (stream->avail_out == 0)
				return fg_err_set(err, FG_E_LIMIT,
						  "more than %zu bytes when inflated", max_bytes);
			if (last != Z_STREAM_END)
				return inflate_error(last, stream, max_bytes, err);
		} else {
			int rc = step(stream, out, room);

			if (rc == Z_OK)
				continue;
			if (rc != Z_STREAM_END)
				return inflate_error(rc, stream, max_bytes, err);
		}
		if (stream->avail_in == 0)
			return 0;
		if (format != FG_DEFLATE_GZIP || !fg_gzip_is(stream->next_in, stream->avail_in))
			return fg_err_set(err, FG_E_INVALID, "bytes after the compressed data");
		if (inflateReset(stream) != Z_OK)
			return fg_err_set(err, FG_E_INTERNAL, "zlib cannot be reset");
	}
}

int fg_gzip_inflate(enum fg_deflate_format format, const void *bytes, size_t len, size_t max_bytes,
		    struct fg_buf *out, struct fg_err *err)
{
	z_stream stream = {0};
	size_t before = out->len;

	if (len > UINT_MAX / 2)
		return fg_err_set(err, FG_E_LIMIT, "%zu compressed bytes", len);
	if (inflateInit2(&stream, window_bits(format)) != Z_OK)
		return fg_err_nomem(err);
	stream.next_in = input(bytes);
	stream.avail_in = (uInt)len;
	int rc = inflate_all(format, &stream, max_bytes, out, err);

	(void)inflateEnd(&stream);
	if (rc)
		cut_back(out, before);
	return rc;
}
