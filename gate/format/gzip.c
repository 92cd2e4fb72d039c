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

int fg_gzip_deflate(enum fg_deflate_format format, const void *bytes, size_t len,
		    struct fg_buf *out, struct fg_err *err)
{
	z_stream stream = {0};

	if (len > UINT_MAX / 2)
		return fg_err_set(err, FG_E_LIMIT, "%zu bytes are too many to compress", len);
	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits(format), MEMORY_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fg_err_nomem(err);
	/* The bound holds for one call with everything, so there is no loop. */
	size_t bound = deflateBound(&stream, (uLong)len);
	char *to = fg_buf_reserve(out, bound);
	int rc = 0;

	if (!to) {
		rc = fg_buf_check(out, err);
	} else {
		stream.next_in = input(bytes);
		stream.avail_in = (uInt)len;
		stream.next_out = (Bytef *)to;
		stream.avail_out = (uInt)bound;
		if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
			fg_buf_commit(out, stream.total_out);
		else
			rc = fg_err_set(err, FG_E_INTERNAL, "zlib did not finish");
	}
	(void)deflateEnd(&stream);
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
	if (rc && out->data) {
		out->len = before;
		out->data[before] = '\0';
	}
	return rc;
}
