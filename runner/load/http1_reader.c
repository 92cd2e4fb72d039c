/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/http1_reader.h"

#include <stdlib.h>
#include <string.h>

enum {
	BODY_KEEP_MAX = 1 << 20, /* a larger buffer is not worth keeping for the next response */
	BODY_MAX = 1 << 30,      /* what fg_buf may hold; body_max is lower */
};

static void free_keep(struct fg_http1_keep *keep)
{
	fg_buf_done(&keep->head);
	fg_buf_done(&keep->body);
	free(keep);
}

void fg_http1_pool_done(struct fg_http1_pool *pool)
{
	while (pool->free) {
		struct fg_http1_keep *keep = pool->free;

		pool->free = keep->next;
		free_keep(keep);
	}
}

void fg_http1_reader_init(struct fg_http1_reader *reader, struct fg_http1_pool *pool,
			  bool head_request, size_t body_max)
{
	*reader = (struct fg_http1_reader){.pool = pool, .body_max = body_max};
	fg_http1_init(&reader->parser, head_request);
}

void fg_http1_reader_done(struct fg_http1_reader *reader)
{
	struct fg_http1_keep *keep = reader->keep;

	reader->keep = NULL;
	if (!keep)
		return;
	if (keep->body.capacity > BODY_KEEP_MAX) {
		free_keep(keep);
		return;
	}
	fg_buf_clear(&keep->head);
	fg_buf_clear(&keep->body);
	keep->next = reader->pool->free;
	reader->pool->free = keep;
}

static enum fg_http1_event fail(struct fg_http1_reader *reader, const char *fault)
{
	reader->parser.state = FG_HTTP1_FAULTY;
	reader->parser.fault = fault;
	return FG_HTTP1_BAD;
}

static bool out_of_memory(struct fg_http1_reader *reader)
{
	reader->no_memory = true;
	fail(reader, "out of memory");
	return false;
}

static bool need_keep(struct fg_http1_reader *reader)
{
	struct fg_http1_pool *pool = reader->pool;

	if (reader->keep)
		return true;
	if (pool->free) {
		reader->keep = pool->free;
		pool->free = reader->keep->next;
		return true;
	}
	reader->keep = calloc(1, sizeof(*reader->keep));
	if (!reader->keep)
		return out_of_memory(reader);
	fg_buf_init(&reader->keep->head, 2 * FG_HTTP1_HEAD_MAX + 2);
	fg_buf_init(&reader->keep->body, BODY_MAX);
	return true;
}

static bool add(struct fg_http1_reader *reader, struct fg_buf *buf, const void *bytes, size_t len)
{
	fg_buf_add(buf, bytes, len);
	return !buf->failed || out_of_memory(reader);
}

/* Readers of the head rely on CRLF: lines that ended with a bare LF get it. */
static bool normalise(struct fg_http1_reader *reader)
{
	struct fg_buf lines;
	bool ok = need_keep(reader);

	fg_buf_init(&lines, 2 * FG_HTTP1_HEAD_MAX + 2);
	fg_buf_add_str(&lines, "");
	for (size_t i = 0; ok && i < reader->head_len; i++) {
		if (reader->head[i] == '\n' && (i == 0 || reader->head[i - 1] != '\r'))
			fg_buf_add_char(&lines, '\r');
		fg_buf_add_char(&lines, reader->head[i]);
	}
	if (!ok || lines.failed) {
		fg_buf_done(&lines);
		return out_of_memory(reader);
	}
	fg_buf_done(&reader->keep->head);
	reader->keep->head = lines;
	reader->head = lines.data;
	reader->head_len = lines.len;
	reader->head_kept = true;
	return true;
}

/* Returns HEAD with *ret_used bytes taken, MORE (all taken) or BAD. */
static enum fg_http1_event read_head(struct fg_http1_reader *reader, char *bytes, size_t len,
				     size_t *ret_used)
{
	struct fg_http1 *parser = &reader->parser;
	struct fg_buf *kept = reader->head_kept ? &reader->keep->head : NULL;
	const size_t before = kept ? kept->len : 0;
	char *start = bytes;
	enum fg_http1_event event;

	if (kept) {
		/* One byte over the limit is enough for the parser to refuse. */
		if (!add(reader, kept, bytes, FG_MIN(len, FG_HTTP1_HEAD_MAX + 1 - before)))
			return FG_HTTP1_BAD;
		start = kept->data;
	}
	event = fg_http1_head(parser, start, kept ? kept->len : len);
	*ret_used = event == FG_HTTP1_HEAD ? parser->line_start - before : len;
	if (event == FG_HTTP1_MORE && !kept) {
		if (!need_keep(reader) || !add(reader, &reader->keep->head, bytes, len))
			return FG_HTTP1_BAD;
		reader->head_kept = true;
	}
	if (event != FG_HTTP1_HEAD)
		return event;
	reader->head = start + parser->head_start;
	reader->head_len = parser->head_len;
	reader->in_body = true;
	return parser->bare_lf && !normalise(reader) ? FG_HTTP1_BAD : FG_HTTP1_HEAD;
}

static bool keep_body(struct fg_http1_reader *reader, const char *piece, size_t len)
{
	struct fg_buf *body;

	if (!need_keep(reader))
		return false;
	body = &reader->keep->body;
	if (!reader->body_kept && reader->body &&
	    !add(reader, body, reader->body, reader->body_len))
		return false;
	reader->body_kept = true;
	if (!add(reader, body, piece, len))
		return false;
	reader->body = body->data;
	reader->body_len = body->len;
	return true;
}

static bool add_piece(struct fg_http1_reader *reader, char *piece, size_t len)
{
	if (!reader->body_max)
		return true;
	if (len > reader->body_max - reader->body_len) {
		fail(reader, "a body longer than may be kept");
		return false;
	}
	if (reader->body)
		return keep_body(reader, piece, len);
	reader->body = piece;
	reader->body_len = len;
	return true;
}

/* The piece that head and body point into is about to go. */
static bool keep_borrowed(struct fg_http1_reader *reader)
{
	if (!reader->head_kept) {
		if (!need_keep(reader) ||
		    !add(reader, &reader->keep->head, reader->head, reader->head_len))
			return false;
		reader->head = reader->keep->head.data;
		reader->head_kept = true;
	}
	return !reader->body || reader->body_kept || keep_body(reader, "", 0);
}

enum fg_http1_event fg_http1_read(struct fg_http1_reader *reader, char *bytes, size_t len,
				  size_t *ret_used)
{
	enum fg_http1_event event = FG_HTTP1_HEAD;
	size_t used = 0, taken, piece;

	if (!reader->in_body)
		event = read_head(reader, bytes, len, &used);
	while (event == FG_HTTP1_HEAD || event == FG_HTTP1_BODY) {
		event = fg_http1_body(&reader->parser, bytes + used, len - used, &taken, &piece);
		used += taken;
		if (event == FG_HTTP1_BODY && !add_piece(reader, bytes + used - piece, piece))
			event = FG_HTTP1_BAD;
	}
	if (event == FG_HTTP1_MORE && reader->in_body && !keep_borrowed(reader))
		event = FG_HTTP1_BAD;
	if (event == FG_HTTP1_END)
		reader->head[reader->head_len] = '\0'; /* over the blank line */
	reader->received += used;
	*ret_used = used;
	return event;
}

enum fg_http1_event fg_http1_read_eof(struct fg_http1_reader *reader)
{
	if (!fg_http1_eof(&reader->parser))
		return FG_HTTP1_BAD;
	if (reader->head)
		reader->head[reader->head_len] = '\0';
	return FG_HTTP1_END;
}
