/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/inflate.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZLIB_CONST /* next_in is only read */
#include <zlib.h>

enum { PIECE = 16 << 10, CODINGS_MAX = 4 };

struct fg_inflate {
	z_stream stream;
	bool ready;
	struct fg_buf out, last; /* last: the input of a second coding */
};

int fg_inflate_new(struct fg_inflate **ret, struct fg_err *err)
{
	struct fg_inflate *it = calloc(1, sizeof(*it));

	if (!it)
		return fg_err_nomem(err);
	fg_buf_init(&it->out, FG_INFLATED_MAX);
	fg_buf_init(&it->last, FG_INFLATED_MAX);
	*ret = it;
	return 0;
}

void fg_inflate_free(struct fg_inflate *it)
{
	if (!it)
		return;
	if (it->ready)
		(void)inflateEnd(&it->stream);
	fg_buf_done(&it->out);
	fg_buf_done(&it->last);
	free(it);
}

/* zlib's memory is kept from body to body. */
static int prepare(struct fg_inflate *it, int window_bits, struct fg_err *err)
{
	const int rc = it->ready ? inflateReset2(&it->stream, window_bits)
				 : inflateInit2(&it->stream, window_bits);

	if (rc != Z_OK)
		return fg_err_nomem(err);
	it->ready = true;
	return 0;
}

static int run(struct fg_inflate *it, const char *body, size_t len, struct fg_err *err)
{
	z_stream *stream = &it->stream;
	int state = Z_OK;

	fg_buf_clear(&it->out);
	fg_buf_add_str(&it->out, "");
	stream->next_in = (const Bytef *)body;
	stream->avail_in = (uInt)len;
	while (state == Z_OK) {
		const size_t room = FG_MIN((size_t)PIECE, it->out.max - it->out.len);
		char *to = room ? fg_buf_reserve(&it->out, room) : NULL;

		if (!to)
			return fg_err_set(err, FG_E_LIMIT, "the body inflates to more than %d MiB",
					  FG_INFLATED_MAX >> 20);
		stream->next_out = (Bytef *)to;
		stream->avail_out = (uInt)room;
		state = inflate(stream, Z_NO_FLUSH);
		fg_buf_commit(&it->out, room - stream->avail_out);
		if (state == Z_OK && stream->avail_out && !stream->avail_in)
			break; /* wants more than there is */
	}
	return state == Z_STREAM_END
		       ? 0
		       : fg_err_set(err, FG_E_INVALID, "the compressed body is damaged or cut off");
}

static bool is_coding(const char *coding, size_t len, const char *name)
{
	return len == strlen(name) && !strncasecmp(coding, name, len);
}

static int unpack(struct fg_inflate *it, int window_bits, const char *body, size_t len,
		  struct fg_err *err)
{
	int rc = prepare(it, window_bits, err);

	return rc ? rc : run(it, body, len, err);
}

/* "deflate" is zlib's format, but some servers send the bare stream (and browsers take it). */
static int unpack_deflate(struct fg_inflate *it, const char *body, size_t len, struct fg_err *err)
{
	struct fg_err first;
	int rc = unpack(it, MAX_WBITS, body, len, &first);

	return rc ? unpack(it, -MAX_WBITS, body, len, err) : 0;
}

/* What comes out is kept apart from where the next coding is undone to. */
static void take(struct fg_inflate *it, const char **body, size_t *len)
{
	const struct fg_buf out = it->out;

	it->out = it->last;
	it->last = out;
	*body = out.data;
	*len = out.len;
}

static int undo(struct fg_inflate *it, const char *coding, size_t coding_len, const char **body,
		size_t *len, struct fg_err *err)
{
	int rc;

	if (is_coding(coding, coding_len, "identity"))
		return 0;
	if (*len > UINT32_MAX)
		return fg_err_set(err, FG_E_LIMIT, "the compressed body is too long");
	if (is_coding(coding, coding_len, "gzip") || is_coding(coding, coding_len, "x-gzip"))
		rc = unpack(it, MAX_WBITS + 16, *body, *len, err);
	else if (is_coding(coding, coding_len, "deflate"))
		rc = unpack_deflate(it, *body, *len, err);
	else
		rc = fg_err_set(err, FG_E_UNSUPPORTED, "Content-Encoding %.*s is not known",
				(int)FG_MIN(coding_len, (size_t)40), coding);
	if (!rc)
		take(it, body, len);
	return rc;
}

/* Several codings are listed in the order in which they were applied. */
int fg_inflate_body(struct fg_inflate *it, const char *coding, size_t coding_len, const char *body,
		    size_t len, const char **ret_body, size_t *ret_len, struct fg_err *err)
{
	for (int i = 0; coding_len; i++) {
		const char *comma = memrchr(coding, ',', coding_len);
		const char *word = comma ? comma + 1 : coding;
		size_t word_len = (size_t)(coding + coding_len - word);
		int rc;

		if (i == CODINGS_MAX)
			return fg_err_set(err, FG_E_INVALID, "more than %d content codings",
					  CODINGS_MAX);
		while (word_len && (*word == ' ' || *word == '\t')) {
			word++;
			word_len--;
		}
		while (word_len && (word[word_len - 1] == ' ' || word[word_len - 1] == '\t'))
			word_len--;
		rc = undo(it, word, word_len, &body, &len, err);
		if (rc)
			return rc;
		coding_len = comma ? (size_t)(comma - coding) : 0;
	}
	*ret_body = body;
	*ret_len = len;
	return 0;
}
