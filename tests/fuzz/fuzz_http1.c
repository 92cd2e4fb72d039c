/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 responses. The first byte chooses: bit 0 HEAD, bit 1 the body is wanted, bit 2 the
 * connection ends; the rest of it is the size of the pieces. The same bytes must give the same
 * response whole, byte by byte and in those pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "runner/load/http1_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum fg_http1_event event;
	uint16_t status;
	bool reusable;
	size_t used, head_len, body_len;
	uint64_t body_bytes;
	char *head, *body;
};

static char *copy(const void *bytes, size_t len)
{
	char *own = malloc(len + 1);

	if (!own)
		abort();
	if (len)
		memcpy(own, bytes, len);
	own[len] = '\0';
	return own;
}

static void check_head(const struct fg_http1_reader *reader)
{
	if (strlen(reader->head) != reader->head_len)
		abort();
	if (reader->head_len && memcmp(reader->head + reader->head_len - 2, "\r\n", 2) != 0)
		abort();
	for (size_t i = 0; i < reader->head_len; i++) {
		if (reader->head[i] == '\n' && (i == 0 || reader->head[i - 1] != '\r'))
			abort();
	}
}

static void keep_outcome(const struct fg_http1_reader *reader, struct outcome *out)
{
	check_head(reader);
	out->head = copy(reader->head, reader->head_len);
	out->head_len = reader->head_len;
	out->body = copy(reader->body, reader->body_len);
	out->body_len = reader->body_len;
	out->body_bytes = reader->parser.body_bytes;
	out->reusable = fg_http1_reusable(&reader->parser);
	if (reader->body_max && reader->body_len != reader->parser.body_bytes)
		abort();
}

static void feed(const uint8_t *data, size_t size, unsigned how, size_t step, struct outcome *out)
{
	struct fg_http1_pool pool = {0};
	struct fg_http1_reader reader;
	enum fg_http1_event event = FG_HTTP1_MORE;
	size_t at = 0, used;

	memset(out, 0, sizeof(*out));
	fg_http1_reader_init(&reader, &pool, how & 1, how & 2 ? 1 << 20 : 0);
	while (at < size && event == FG_HTTP1_MORE) {
		const size_t piece = FG_MIN(step, size - at);
		char *own = copy(data + at, piece);

		event = fg_http1_read(&reader, own, piece, &used);
		if (used > piece || (event == FG_HTTP1_MORE && used != piece))
			abort();
		at += used;
		if (event == FG_HTTP1_END)
			keep_outcome(&reader, out);
		free(own);
	}
	if (event == FG_HTTP1_MORE && how & 4) {
		event = fg_http1_read_eof(&reader);
		if (event == FG_HTTP1_END)
			keep_outcome(&reader, out);
	} else if (event == FG_HTTP1_BAD && !reader.parser.fault) {
		abort();
	}
	out->event = event;
	out->status = reader.parser.status;
	out->used = event == FG_HTTP1_END ? at : 0;
	fg_http1_reader_done(&reader);
	fg_http1_pool_done(&pool);
}

static void drop(struct outcome *out)
{
	free(out->head);
	free(out->body);
}

static void same(const struct outcome *a, const struct outcome *b)
{
	if (a->event != b->event || a->status != b->status || a->used != b->used)
		abort();
	if (a->event != FG_HTTP1_END)
		return;
	if (a->reusable != b->reusable || a->body_bytes != b->body_bytes ||
	    a->head_len != b->head_len || a->body_len != b->body_len ||
	    memcmp(a->head, b->head, a->head_len) != 0 ||
	    memcmp(a->body, b->body, a->body_len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, other;

	if (size == 0)
		return 0;
	feed(data + 1, size - 1, data[0], size, &whole);
	for (int i = 0; i < 2; i++) {
		feed(data + 1, size - 1, data[0], i ? 2 + (data[0] >> 3) : 1, &other);
		same(&whole, &other);
		drop(&other);
	}
	drop(&whole);
	return 0;
}
