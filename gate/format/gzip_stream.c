/* SPDX-License-Identifier: Apache-2.0 */
/* Compressing and inflating piece by piece; one output window is all the memory there is. */
#include "gate/format/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum { OUT_BYTES = 64 << 10, GZIP_BITS = 15 + 16, MEMORY_LEVEL = 9 };

struct fg_gzip_stream {
	z_stream z;
	bool inflate;
	bool at_end;   /* of inflating: a member has ended */
	uint64_t left; /* of max_bytes */
	uint64_t max_bytes;
	fg_gzip_sink sink;
	void *context;
	Bytef out[OUT_BYTES];
};

int fg_gzip_stream_new(bool inflate, uint64_t max_bytes, fg_gzip_sink sink, void *context,
		       struct fg_gzip_stream **ret, struct fg_err *err)
{
	struct fg_gzip_stream *stream = calloc(1, sizeof(*stream));
	int code;

	if (!stream)
		return fg_err_nomem(err);
	stream->inflate = inflate;
	stream->left = stream->max_bytes = max_bytes;
	stream->sink = sink;
	stream->context = context;
	if (inflate)
		code = inflateInit2(&stream->z, GZIP_BITS);
	else
		code = deflateInit2(&stream->z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_BITS,
				    MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
	if (code != Z_OK) {
		free(stream);
		return fg_err_nomem(err);
	}
	*ret = stream;
	return 0;
}

void fg_gzip_stream_free(struct fg_gzip_stream *stream)
{
	if (!stream)
		return;
	if (stream->inflate)
		(void)inflateEnd(&stream->z);
	else
		(void)deflateEnd(&stream->z);
	free(stream);
}

static int give(struct fg_gzip_stream *stream, struct fg_err *err)
{
	size_t len = OUT_BYTES - stream->z.avail_out;

	if (len == 0)
		return 0;
	if (stream->inflate) {
		if (len > stream->left)
			return fg_err_set(err, FG_E_LIMIT, "more than %llu bytes when inflated",
					  (unsigned long long)stream->max_bytes);
		stream->left -= len;
	}
	return stream->sink(stream->context, stream->out, len, err);
}

static int deflate_step(struct fg_gzip_stream *stream, int flush, bool *ret_done,
			struct fg_err *err)
{
	stream->z.next_out = stream->out;
	stream->z.avail_out = OUT_BYTES;
	int code = deflate(&stream->z, flush);

	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return fg_err_set(err, FG_E_INTERNAL, "zlib cannot compress (%d)", code);
	*ret_done = flush == Z_FINISH ? code == Z_STREAM_END
				      : stream->z.avail_in == 0 && stream->z.avail_out > 0;
	return give(stream, err);
}

static int inflate_step(struct fg_gzip_stream *stream, bool *ret_done, struct fg_err *err)
{
	/* Several members in a row are one stream; inflate() itself refuses other bytes. */
	if (stream->at_end) {
		if (inflateReset(&stream->z) != Z_OK)
			return fg_err_set(err, FG_E_INTERNAL, "zlib cannot be reset");
		stream->at_end = false;
	}
	stream->z.next_out = stream->out;
	stream->z.avail_out = OUT_BYTES;
	int code = inflate(&stream->z, Z_NO_FLUSH);

	if (code == Z_MEM_ERROR)
		return fg_err_nomem(err);
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return fg_err_set(err, FG_E_INVALID, "compressed data is damaged (%s)",
				  stream->z.msg ? stream->z.msg : "not in this format");
	stream->at_end = code == Z_STREAM_END;
	*ret_done = stream->z.avail_in == 0 && (stream->at_end || stream->z.avail_out > 0);
	return give(stream, err);
}

int fg_gzip_stream_put(struct fg_gzip_stream *stream, const void *bytes, size_t len,
		       struct fg_err *err)
{
	union { /* zlib's next_in is const only with ZLIB_CONST; it never writes there */
		const void *from;
		Bytef *to;
	} cast = {.from = bytes};
	bool done = len == 0;
	int rc = 0;

	if (len > UINT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%zu bytes in one piece", len);
	stream->z.next_in = cast.to;
	stream->z.avail_in = (uInt)len;
	while (rc == 0 && !done)
		rc = stream->inflate ? inflate_step(stream, &done, err)
				     : deflate_step(stream, Z_NO_FLUSH, &done, err);
	return rc;
}

int fg_gzip_stream_end(struct fg_gzip_stream *stream, struct fg_err *err)
{
	bool done = false;
	int rc = 0;

	if (stream->inflate)
		return stream->at_end ? 0
				      : fg_err_set(err, FG_E_INVALID, "compressed data is cut off");
	while (rc == 0 && !done)
		rc = deflate_step(stream, Z_FINISH, &done, err);
	return rc;
}
