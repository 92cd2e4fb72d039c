/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_internal.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "gate/base/str.h"

/* "MODULE+0xHEX" or "MODULE!0xHEX" */
static bool is_unnamed(const char *module_name, const char *function_name)
{
	size_t len = strlen(module_name);

	if (strncmp(function_name, module_name, len) != 0)
		return false;
	const char *rest = function_name + len;

	if ((rest[0] != '+' && rest[0] != '!') || rest[1] != '0' || rest[2] != 'x')
		return false;
	size_t digits = strspn(rest + 3, "0123456789abcdef");

	return digits > 0 && rest[3 + digits] == '\0';
}

uint32_t fg_pprof_implied_flags(const char *module_path, const char *module_name,
				const char *function_name)
{
	uint32_t flags = 0;

	if (fg_str_starts_with(module_path, "[kernel"))
		flags |= FG_LOC_KERNEL;
	if (is_unnamed(module_name, function_name))
		flags |= FG_LOC_UNNAMED;
	if (strcmp(function_name, FG_PPROF_NAME_UNKNOWN) == 0 ||
	    strcmp(function_name, FG_PPROF_NAME_TRUNCATED) == 0)
		flags |= FG_LOC_PLACEHOLDER;
	return flags;
}

enum { GZIP_WINDOW_BITS = 15 + 16, STEP_BYTES = 64 << 10 };

/* zlib never writes through next_in, but declares it without const. */
static z_stream stream_over(const void *bytes, size_t len)
{
	union {
		const void *in;
		Bytef *out;
	} input = {.in = bytes};

	return (z_stream){.next_in = input.out, .avail_in = (uInt)len};
}

int fg_pprof_append(const void *bytes, size_t len, struct fg_buf *out, struct fg_err *err)
{
	if (len > out->max - out->len)
		return fg_err_set(err, FG_E_LIMIT, "profile: %zu bytes encoded (at most %zu)", len,
				  out->max - out->len);
	fg_buf_add(out, bytes, len);
	return fg_buf_check(out, err);
}

int fg_pprof_deflate(const void *bytes, size_t len, struct fg_buf *out, struct fg_err *err)
{
	z_stream stream = stream_over(bytes, len);

	assert(len <= FG_PROFILE_BYTES_MAX);
	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return fg_err_nomem(err);
	size_t bound = deflateBound(&stream, len);
	Bytef *packed = malloc(bound);
	int rc = Z_MEM_ERROR;

	if (packed) {
		stream.next_out = packed;
		stream.avail_out = (uInt)bound;
		rc = deflate(&stream, Z_FINISH);
	}
	int added = rc == Z_STREAM_END ? fg_pprof_append(packed, stream.total_out, out, err) : 0;

	deflateEnd(&stream);
	free(packed);
	if (rc != Z_STREAM_END)
		return fg_err_set(err, rc == Z_MEM_ERROR ? FG_E_NOMEM : FG_E_INTERNAL,
				  "gzip failed (%d)", rc);
	return added;
}

/* One step of output; returns zlib's answer, or Z_MEM_ERROR with out->failed set. */
static int inflate_step(z_stream *stream, struct fg_buf *out)
{
	size_t room_bytes = FG_MAX(FG_MIN((size_t)STEP_BYTES, out->max - out->len), (size_t)1);
	char *room = fg_buf_reserve(out, room_bytes);

	if (!room)
		return Z_MEM_ERROR;
	stream->next_out = (Bytef *)room;
	stream->avail_out = (uInt)room_bytes;
	int rc = inflate(stream, Z_NO_FLUSH);

	fg_buf_commit(out, room_bytes - stream->avail_out);
	return rc;
}

int fg_pprof_inflate(const void *bytes, size_t len, struct fg_buf *out, struct fg_err *err)
{
	z_stream stream = stream_over(bytes, len);
	int rc;

	if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
		return fg_err_nomem(err);
	do {
		rc = inflate_step(&stream, out);
		/* Files of several members are valid gzip. */
		if (rc == Z_STREAM_END && stream.avail_in)
			rc = inflateReset(&stream);
	} while (rc == Z_OK);
	inflateEnd(&stream);
	if (out->failed)
		return fg_err_set(err, FG_E_LIMIT, "profile: %zu bytes or more when inflated",
				  out->max);
	if (rc == Z_STREAM_END)
		return 0;
	return fg_err_set(err, FG_E_INVALID, "profile: damaged gzip data (%s)",
			  rc == Z_BUF_ERROR ? "cut off"
			  : stream.msg      ? stream.msg
					    : "unreadable");
}
