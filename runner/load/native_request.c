/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/format/base64.h"

enum { TEXT_MAX = 1 << 20, CREDENTIALS_MAX = 4 << 10 };

void fg_native_requests_init(struct fg_native_requests *all)
{
	*all = (struct fg_native_requests){0};
	fg_buf_init(&all->once.text, TEXT_MAX);
}

void fg_native_requests_done(struct fg_native_requests *all)
{
	for (size_t i = 0; i < FG_NATIVE_REQUEST_BUCKETS; i++) {
		while (all->buckets[i]) {
			struct fg_native_request *request = all->buckets[i];

			all->buckets[i] = request->next;
			fg_buf_done(&request->text);
			free(request);
		}
	}
	fg_buf_done(&all->once.text);
}

/* -- rendering -------------------------------------------------------------------------------- */

enum given { /* headers that the step has itself */
	     GIVEN_HOST = 1,
	     GIVEN_AGENT = 2,
	     GIVEN_LENGTH = 4,
	     GIVEN_CODING = 8,
	     GIVEN_CREDENTIALS = 16,
	     GIVEN_CONNECTION = 32,
};

static unsigned given_headers(const struct fg_engine_request *request)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{"host:", GIVEN_HOST},
		{"user-agent:", GIVEN_AGENT},
		{"content-length:", GIVEN_LENGTH},
		{"transfer-encoding:", GIVEN_CODING},
		{"authorization:", GIVEN_CREDENTIALS},
		{"connection:", GIVEN_CONNECTION},
	};
	unsigned given = 0;

	for (size_t i = 0; i < request->header_count; i++) {
		for (size_t k = 0; k < FG_ARRAY_LEN(known); k++) {
			if (!strncasecmp(request->headers[i], known[k].name, strlen(known[k].name)))
				given |= known[k].bit;
		}
	}
	return given;
}

static void add_line(struct fg_buf *text, const char *name, const char *value, size_t len)
{
	fg_buf_add_str(text, name);
	fg_buf_add(text, value, len);
	fg_buf_add(text, "\r\n", 2);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of "%41"; checked before. */
static char unescape(const char *text)
{
	return (char)(unsigned char)(hex_value(text[1]) * 16 + hex_value(text[2]));
}

/* user:password of a URL, percent-decoded, as Basic. */
static void add_credentials(struct fg_buf *text, const struct fg_native_url *url)
{
	struct fg_buf plain;
	bool colon = false;

	fg_buf_init(&plain, CREDENTIALS_MAX);
	fg_buf_add_str(&plain, "");
	for (size_t i = 0; i < url->user_info_len; i++) {
		const char *c = url->user_info + i;
		const bool escaped = *c == '%' && i + 2 < url->user_info_len &&
				     hex_value(c[1]) >= 0 && hex_value(c[2]) >= 0;

		colon |= *c == ':';
		fg_buf_add_char(&plain, escaped ? unescape(c) : *c);
		i += escaped ? 2 : 0;
	}
	if (!colon)
		fg_buf_add_char(&plain, ':');
	fg_buf_add_str(text, "Authorization: Basic ");
	if (plain.failed)
		text->failed = true;
	else
		fg_base64_encode(plain.data, plain.len, text);
	fg_buf_add(text, "\r\n", 2);
	fg_buf_done(&plain);
}

static bool wants_length(const char *method)
{
	return !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH");
}

static void add_body_headers(struct fg_buf *text, const struct fg_engine_request *request,
			     unsigned given)
{
	if (given & (GIVEN_LENGTH | GIVEN_CODING))
		return;
	if (request->body || wants_length(request->method))
		fg_buf_addf(text, "Content-Length: %zu\r\n", request->body ? request->body_len : 0);
}

static void add_head(struct fg_buf *text, const struct fg_native_url *url,
		     const struct fg_engine_request *request, unsigned given)
{
	fg_buf_add_str(text, request->method);
	fg_buf_add_str(text, url->slash ? " /" : " ");
	fg_buf_add(text, url->target, url->target_len);
	fg_buf_add_str(text, " HTTP/1.1\r\n");
	if (!(given & GIVEN_HOST))
		add_line(text, "Host: ", url->authority, url->authority_len);
	if (url->user_info && !(given & GIVEN_CREDENTIALS))
		add_credentials(text, url);
	if (!(given & GIVEN_AGENT))
		fg_buf_add_str(text, "User-Agent: flamegate/" FG_VERSION "\r\n");
	for (size_t i = 0; i < request->header_count; i++)
		add_line(text, "", request->headers[i], strlen(request->headers[i]));
	if (request->http->connection == FG_CONNECTION_NONE && !(given & GIVEN_CONNECTION))
		fg_buf_add_str(text, "Connection: close\r\n");
	add_body_headers(text, request, given);
}

static bool is_valid_method(const char *method)
{
	for (const char *c = method; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *c))
			return false;
	}
	return *method != '\0' && strcmp(method, "CONNECT") != 0;
}

static int check(const struct fg_engine_request *request, struct fg_err *err)
{
	if (!is_valid_method(request->method))
		return fg_err_set(err, FG_E_INVALID, "method \"%.40s\" cannot be sent",
				  request->method);
	for (size_t i = 0; i < request->header_count; i++) {
		if (strpbrk(request->headers[i], "\r\n"))
			return fg_err_set(err, FG_E_INVALID, "a line break in header \"%.60s\"",
					  request->headers[i]);
	}
	if (request->cookie && strpbrk(request->cookie, "\r\n"))
		return fg_err_set(err, FG_E_INVALID, "a line break in a cookie");
	return 0;
}

static int render(struct fg_native_request *out, const struct fg_native_url *url,
		  const struct fg_engine_request *request, struct fg_err *err)
{
	const unsigned given = given_headers(request);
	struct fg_buf *text = &out->text;

	fg_buf_clear(text);
	out->chunked = (given & GIVEN_CODING) && request->body;
	out->inline_body = request->body && request->body_len <= FG_NATIVE_INLINE_BODY_MAX;
	add_head(text, url, request, given);
	fg_buf_add(text, "\r\n", 2);
	out->head_len = text->len;
	if (out->chunked && request->body_len)
		fg_buf_addf(text, "%zx\r\n", request->body_len);
	if (out->inline_body)
		fg_buf_add(text, request->body, request->body_len);
	return fg_buf_check(text, err);
}

/* -- preparing -------------------------------------------------------------------------------- */

static struct fg_native_request **bucket(struct fg_native_requests *all, const void *key)
{
	const uint64_t hash = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15ull;

	return &all->buckets[hash >> 56];
}

static int prepare_into(struct fg_native_request *out, struct fg_native_origins *origins,
			const struct fg_engine_request *request, struct fg_err *err)
{
	struct fg_native_url url;
	int rc = check(request, err);

	if (rc || (rc = fg_native_url_parse(request->url, &url, err)) ||
	    (rc = fg_native_origin_find(origins, &url, request->http, &out->origin, err)))
		return rc;
	return render(out, &url, request, err);
}

static int prepare_constant(struct fg_native_request **head, struct fg_native_origins *origins,
			    const struct fg_engine_request *request,
			    const struct fg_native_request **ret, struct fg_err *err)
{
	struct fg_native_request *made = calloc(1, sizeof(*made));
	int rc;

	if (!made)
		return fg_err_nomem(err);
	fg_buf_init(&made->text, TEXT_MAX);
	rc = prepare_into(made, origins, request, err);
	if (rc) {
		fg_buf_done(&made->text);
		free(made);
		return rc;
	}
	made->key = request->constant_key;
	made->next = *head;
	*head = made;
	*ret = made;
	return 0;
}

int fg_native_prepare(struct fg_native_requests *all, struct fg_native_origins *origins,
		      const struct fg_engine_request *request, const struct fg_native_request **ret,
		      struct fg_err *err)
{
	struct fg_native_request **head;
	int rc;

	if (!request->constant_key) {
		rc = prepare_into(&all->once, origins, request, err);
		if (!rc)
			*ret = &all->once;
		return rc;
	}
	head = bucket(all, request->constant_key);
	for (struct fg_native_request *made = *head; made; made = made->next) {
		if (made->key == request->constant_key) {
			*ret = made;
			return 0;
		}
	}
	return prepare_constant(head, origins, request, ret, err);
}

/* -- what to send ------------------------------------------------------------------------------ */

static void add_part(struct fg_native_message *message, const char *bytes, size_t len)
{
	union {
		const char *in;
		void *out;
	} cast = {.in = bytes};

	if (!len)
		return;
	message->parts[message->count++] = (struct iovec){cast.out, len};
	message->len += len;
}

void fg_native_message(const struct fg_native_request *prepared,
		       const struct fg_engine_request *request, struct fg_native_message *ret)
{
	const struct fg_buf *text = &prepared->text;
	size_t head_len = 0;

	ret->count = 0;
	ret->len = 0;
	if (request->cookie) {
		head_len = prepared->head_len - 2;
		add_part(ret, text->data, head_len);
		add_part(ret, "Cookie: ", 8);
		add_part(ret, request->cookie, strlen(request->cookie));
		add_part(ret, "\r\n", 2);
	}
	add_part(ret, text->data + head_len, text->len - head_len);
	if (request->body && !prepared->inline_body)
		add_part(ret, request->body, request->body_len);
	if (prepared->chunked)
		add_part(ret, request->body_len ? "\r\n0\r\n\r\n" : "0\r\n\r\n",
			 request->body_len ? 7 : 5);
}

void fg_native_message_skip(struct fg_native_message *message, size_t len)
{
	int first = 0;

	message->len -= len;
	while (len >= message->parts[first].iov_len)
		len -= message->parts[first++].iov_len;
	message->count -= first;
	memmove(message->parts, message->parts + first,
		(size_t)message->count * sizeof(message->parts[0]));
	message->parts[0].iov_base = (char *)message->parts[0].iov_base + len;
	message->parts[0].iov_len -= len;
}

bool fg_native_is_idempotent(const char *method)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

	for (size_t i = 0; i < FG_ARRAY_LEN(methods); i++) {
		if (!strcmp(method, methods[i]))
			return true;
	}
	return false;
}
