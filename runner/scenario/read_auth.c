/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth, resolve and the TLS version of http: and of steps.
 *
 * Basic and bearer become an Authorization header, which fits every engine; what changes per
 * iteration is joined by an expression. Digest and SigV4 need an answer or a signature and are left
 * to the engine.
 */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

/* -- the Authorization header --------------------------------------------------------------- */

static void set_header(struct fg_reader *reader, struct fg_http_options *http,
		       struct fg_template *value)
{
	struct fg_err err = {0};

	for (size_t i = 0; i < value->part_count; i++)
		if (value->parts[i].text && strpbrk(value->parts[i].text, "\r\n")) {
			fg_template_done(value);
			return;
		}
	(void)fg_reader_failed(reader,
			       fg_header_set(&http->headers, &http->header_count,
					     &http->header_capacity, "Authorization", value, &err),
			       &err);
}

/* An expression's text for a scalar with {{ }}: 'literal' + (inside) + … */
static void add_joined(struct fg_buf *out, const char *text)
{
	fg_buf_add_str(out, "\"\"");
	while (*text) {
		const char *open = strstr(text, "{{");
		const char *close = open ? fg_template_close(open + 2) : NULL;
		size_t len = close ? (size_t)(open - text) : strlen(text);

		fg_buf_add_str(out, " + \"");
		for (size_t i = 0; i < len; i++) {
			if (text[i] == '"' || text[i] == '\\')
				fg_buf_add_char(out, '\\');
			fg_buf_add_char(out, text[i]);
		}
		fg_buf_add_char(out, '"');
		if (!close)
			return;
		fg_buf_addf(out, " + (%.*s)", (int)(close - open - 2), open + 2);
		text = close + 2;
	}
}

static void read_basic(struct fg_reader *reader, const struct fg_node *user,
		       const struct fg_node *password, struct fg_http_options *http)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	struct fg_template_builder builder;
	struct fg_template value = {0};
	struct fg_err err = {0};

	fg_buf_init(&text, FG_SCENARIO_FILE_MAX);
	fg_buf_add_str(&text, "{{ base64(");
	add_joined(&text, user->text);
	fg_buf_add_str(&text, " + \":\" + ");
	add_joined(&text, password ? password->text : "");
	fg_buf_add_str(&text, ") }}");
	if (fg_reader_failed(reader, fg_buf_check(&text, &err), &err))
		return;
	struct fg_node joined = *user;

	joined.text = text.data;
	joined.literal = false;
	fg_template_begin(&builder);
	fg_template_bytes(&builder, "Basic ", 6, FG_ESCAPE_NONE);
	fg_template_scalar(reader, &joined, FG_TEXT_TEMPLATE, FG_ESCAPE_HEADER, &builder);
	fg_template_end(reader, &builder, "Basic ***", &value);
	set_header(reader, http, &value);
}

static void read_bearer(struct fg_reader *reader, const struct fg_node *node,
			struct fg_http_options *http)
{
	struct fg_template_builder builder;
	struct fg_template value = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, "bearer"))
		return;
	fg_template_begin(&builder);
	fg_template_bytes(&builder, "Bearer ", 7, FG_ESCAPE_NONE);
	fg_template_scalar(reader, node, FG_TEXT_TEMPLATE, FG_ESCAPE_HEADER, &builder);
	fg_template_end(reader, &builder, "Bearer ***", &value);
	if (value.part_count && value.parts[0].text && strpbrk(value.parts[0].text, "\r\n"))
		fg_reader_fault(reader, node, "a header cannot hold a line break");
	set_header(reader, http, &value);
}

/* -- auth ----------------------------------------------------------------------------------- */

void fg_auth_done(struct fg_auth *auth)
{
	fg_template_done(&auth->user);
	fg_template_done(&auth->password);
	fg_template_done(&auth->session_token);
	free(auth->sigv4_region);
	free(auth->sigv4_service);
	*auth = (struct fg_auth){0};
}

static bool is_scalar(const struct fg_node *node)
{
	return node && node->kind == FG_NODE_SCALAR;
}

static void read_kind(struct fg_reader *reader, const char *kind, const struct fg_node *node,
		      struct fg_http_options *http)
{
	const struct fg_node *user = fg_node_get(node, "user", NULL);
	const struct fg_node *password = fg_node_get(node, "password", NULL);

	if (strcmp(kind, "bearer") == 0) {
		read_bearer(reader, node, http);
	} else if (strcmp(kind, "basic") == 0) {
		fg_reader_object(reader, node, &fg_schema_basic, NULL);
		if (is_scalar(user) && (!password || is_scalar(password)))
			read_basic(reader, user, password, http);
	} else if (strcmp(kind, "digest") == 0) {
		fg_reader_object(reader, node, &fg_schema_digest, &http->auth);
		http->auth.kind = FG_AUTH_DIGEST;
	} else {
		fg_reader_object(reader, node, &fg_schema_sigv4, &http->auth);
		http->auth.kind = FG_AUTH_SIGV4;
	}
}

void fg_read_auth(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	static const char *const kinds[] = {"basic", "bearer", "digest", "sigv4"};
	struct fg_http_options scratch = {0};
	struct fg_http_options *http = owner ? owner : &scratch;
	size_t before = fg_diag_count(reader->diagnostics);
	const char *found = NULL;

	/* What a step says replaces what http: says. */
	fg_auth_done(&http->auth);
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2)
		if (!fg_schema_find(key->table, node->items[i]->text, NULL))
			fg_reader_unknown(reader, node->items[i], key->table);
	if (fg_reader_one_of(reader, node, kinds, FG_ARRAY_LEN(kinds), &found) && found)
		read_kind(reader, found, fg_node_get(node, found, NULL), http);
	else if (fg_diag_count(reader->diagnostics) == before)
		fg_reader_fault(reader, node, "auth needs one of basic, bearer, digest and sigv4");
	fg_http_options_done(&scratch);
}

/* -- resolve -------------------------------------------------------------------------------- */

/* "host:port"; the host may be an address in brackets. */
static bool is_host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	return colon && colon > text &&
	       fg_num_u64(colon + 1, strlen(colon + 1), &port, NULL) == 0 && port >= 1 &&
	       port <= 65535 &&
	       (!memchr(text, ':', (size_t)(colon - text)) || (text[0] == '[' && colon[-1] == ']'));
}

void fg_read_resolve(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	struct fg_http_options *http = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		const struct fg_node *name = node->items[i];
		const struct fg_node *value = node->items[i + 1];
		struct fg_err err = {0};

		if (!fg_reader_expect(reader, value, FG_NODE_SCALAR, name->text))
			continue;
		FG_AUTO_FREE char *text = fg_template_text(reader, value, FG_TEXT_CONSTANT, NULL);

		if (!is_host_port(name->text))
			fg_reader_fault(reader, name, "\"%.80s\" is not host:port", name->text);
		else if (text && !is_host_port(text))
			fg_reader_fault(reader, value, "\"%.80s\" is not address:port", text);
		else if (text && http)
			(void)fg_reader_failed(
				reader, fg_tags_add(&http->resolve, name->text, text, &err), &err);
	}
}

/* -- proxy, unixSocket: "" is none ---------------------------------------------------------- */

static void set_text(struct fg_reader *reader, char **field, const char *text)
{
	struct fg_err err = {0};

	free(*field);
	*field = NULL;
	if (text[0])
		(void)fg_reader_failed(reader, fg_str_dup(text, field, &err), &err);
}

/* NULL after a fault; "" is a text here. */
static char *plain_text(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node)
{
	if (node->kind == FG_NODE_SCALAR && !node->text[0])
		return fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	return fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name)
		       ? fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL)
		       : NULL;
}

void fg_read_proxy(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	static const char *const schemes[] = {"http://",    "https://",  "socks4://",
					      "socks4a://", "socks5://", "socks5h://"};
	struct fg_http_options *http = owner;
	FG_AUTO_FREE char *text = plain_text(reader, key, node);
	bool is_known = !text || !text[0];

	for (size_t i = 0; i < FG_ARRAY_LEN(schemes) && !is_known; i++)
		is_known = fg_str_starts_with(text, schemes[i]) && text[strlen(schemes[i])];
	if (!is_known)
		fg_reader_fault(reader, node,
				"\"%.80s\" is not a proxy's URL; write http://HOST:PORT or "
				"socks5://HOST:PORT",
				text);
	else if (text && http)
		set_text(reader, &http->proxy, text);
}

void fg_read_unix_socket(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner)
{
	enum { SOCKET_PATH_MAX = 107 }; /* sockaddr_un */
	struct fg_http_options *http = owner;
	FG_AUTO_FREE char *text = plain_text(reader, key, node);
	FG_AUTO_FREE char *path =
		text && text[0] && text[0] != '@' ? fg_reader_path(reader, node, text) : NULL;
	const char *found = path ? path : text;

	if (found && strlen(found) > SOCKET_PATH_MAX)
		fg_reader_fault(reader, node, "a socket's path has at most %d bytes",
				SOCKET_PATH_MAX);
	else if (found && http)
		set_text(reader, &http->unix_socket, found);
}
