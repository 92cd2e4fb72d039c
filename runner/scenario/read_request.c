/* SPDX-License-Identifier: Apache-2.0 */
/* One request step: method, URL, headers, body, and the name of its class. */
#include "runner/scenario/reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/str.h"

/* -- names ---------------------------------------------------------------------------------- */

/* The last word of a dotted name: "secrets.token" → "token". */
static void add_placeholder(struct fg_buf *out, const char *inside, size_t len)
{
	size_t start = 0;
	size_t end;

	while (start < len && inside[start] == ' ')
		start++;
	for (end = start; end < len; end++) {
		if (inside[end] == '.')
			start = end + 1;
		else if (!isalnum((unsigned char)inside[end]) && inside[end] != '_')
			break;
	}
	fg_buf_add_char(out, ':');
	fg_buf_add(out, inside + start, end - start);
}

/* Method and path, {{ name }} as :name, no query: the names of a file stay few. */
static void add_default_name(struct fg_buf *out, const char *method, const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *at = url;

	fg_buf_addf(out, "%s ", method);
	if (scheme && scheme < url + 6) {
		at = scheme + 3;
		at += strcspn(at, "/?#");
	}
	if (*at != '/' && strncmp(at, "{{", 2) != 0)
		fg_buf_add_char(out, '/');
	while (*at && *at != '?' && *at != '#') {
		const char *close = strncmp(at, "{{", 2) == 0 ? strstr(at, "}}") : NULL;

		if (close) {
			add_placeholder(out, at + 2, (size_t)(close - at - 2));
			at = close + 2;
		} else {
			fg_buf_add_char(out, *at++);
		}
	}
}

/* Names go into every result, so no secret may show in them. */
static void set_name(struct fg_reader *reader, struct fg_step_http *http)
{
	FG_AUTO_BUF struct fg_buf name = {0};
	struct fg_err err = {0};

	if (!http->url.source || !http->method)
		return;
	fg_buf_init(&name, FG_SCENARIO_FILE_MAX);
	if (http->name)
		fg_buf_add_str(&name, http->name);
	else
		add_default_name(&name, http->method, http->url.source);
	if (fg_reader_failed(reader, fg_buf_check(&name, &err), &err))
		return;
	char *masked = fg_secrets_mask(&reader->file->secrets, name.data ? name.data : "", &err);

	if (!masked && fg_reader_failed(reader, -(int)err.code, &err))
		return;
	free(http->name);
	http->name = masked;
}

static bool is_token(const char *text)
{
	if (!text[0])
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
			return false;
	return true;
}

static void set_method(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, struct fg_step_http *http)
{
	struct fg_node *name = NULL;
	const struct fg_node *value = fg_node_get(node, "method", &name);
	bool is_request = strcmp(key->name, "request") == 0;
	struct fg_err err = {0};

	if (value && !is_request)
		fg_reader_fault(reader, name, "\"method\" is for request:, this step is a %s",
				key->name);
	if (is_request && !value)
		fg_reader_fault(reader, node, "request needs \"method\"");
	if (is_request && (!value || value->kind != FG_NODE_SCALAR))
		return;
	const char *text = is_request ? value->text : key->name;

	if (!is_token(text)) {
		fg_reader_fault(reader, value, "\"%.40s\" is not an HTTP method", text);
		return;
	}
	if (fg_reader_failed(reader, fg_str_dup(text, &http->method, &err), &err))
		return;
	for (char *c = http->method; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}

/* -- headers -------------------------------------------------------------------------------- */

static void read_header(struct fg_reader *reader, const struct fg_node *name,
			const struct fg_node *value, struct fg_header **headers, size_t *count,
			size_t *capacity)
{
	struct fg_template text = {0};
	struct fg_err err = {0};

	if (!is_token(name->text)) {
		fg_reader_fault(reader, name, "\"%.60s\" is not a header name", name->text);
		return;
	}
	if (value->kind != FG_NODE_SCALAR) {
		(void)fg_reader_expect(reader, value, FG_NODE_SCALAR, name->text);
		return;
	}
	fg_template_read_as(reader, value, FG_ESCAPE_HEADER, &text);
	for (size_t i = 0; i < text.part_count; i++)
		if (text.parts[i].text && strpbrk(text.parts[i].text, "\r\n"))
			fg_reader_fault(reader, value, "a header cannot hold a line break");
	if (!headers || !text.source) {
		fg_template_done(&text);
		return;
	}
	(void)fg_reader_failed(
		reader, fg_header_set(headers, count, capacity, name->text, &text, &err), &err);
}

static void read_headers(struct fg_reader *reader, const struct fg_node *node,
			 struct fg_header **headers, size_t *count, size_t *capacity)
{
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, "headers"))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2)
		read_header(reader, node->items[i], node->items[i + 1], headers, count, capacity);
}

void fg_read_headers(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	struct fg_http_options *http = owner;

	(void)key;
	read_headers(reader, node, http ? &http->headers : NULL, http ? &http->header_count : NULL,
		     http ? &http->header_capacity : NULL);
}

void fg_read_step_headers(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node, void *owner)
{
	struct fg_step_http *http = owner;

	(void)key;
	read_headers(reader, node, http ? &http->headers : NULL, http ? &http->header_count : NULL,
		     http ? &http->header_capacity : NULL);
}

void fg_read_keep_alive(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_http_options *http = owner;
	struct flag {
		bool on;
	} flag = {true};
	struct fg_key value = {.name = key->name, .type = FG_T_BOOL, FG_AT(flag, on)};

	fg_reader_value(reader, &value, node, &flag);
	if (!flag.on && http)
		http->connection = FG_CONNECTION_NONE;
}

void fg_request_content_type(struct fg_reader *reader, struct fg_step_http *http, const char *type)
{
	struct fg_template_builder builder;
	struct fg_template text = {0};
	struct fg_err err = {0};

	for (size_t i = 0; i < http->header_count; i++)
		if (strcasecmp(http->headers[i].name, "Content-Type") == 0)
			return;
	fg_template_begin(&builder);
	fg_template_bytes(&builder, type, strlen(type), FG_ESCAPE_NONE);
	fg_template_end(reader, &builder, type, &text);
	if (text.source)
		(void)fg_reader_failed(reader,
				       fg_header_set(&http->headers, &http->header_count,
						     &http->header_capacity, "Content-Type", &text,
						     &err),
				       &err);
}

/* -- the step ------------------------------------------------------------------------------- */

static bool start_from_defaults(struct fg_reader *reader, struct fg_step_http *http)
{
	const struct fg_http_options *defaults = &reader->file->http;
	struct fg_err err = {0};

	if (fg_reader_failed(reader, fg_http_options_copy(&http->http, defaults, &err), &err))
		return false;
	for (size_t i = 0; i < defaults->header_count; i++) {
		struct fg_template value = {0};

		if (fg_reader_failed(reader,
				     fg_template_copy(&value, &defaults->headers[i].value, &err),
				     &err) ||
		    fg_reader_failed(reader,
				     fg_header_set(&http->headers, &http->header_count,
						   &http->header_capacity,
						   defaults->headers[i].name, &value, &err),
				     &err))
			return false;
	}
	return true;
}

/* White space and control characters, as plain text or from a variable. */
static bool url_is_clean(const struct fg_template *url)
{
	for (size_t p = 0; p < url->part_count; p++) {
		const struct fg_template_part *part = &url->parts[p];

		for (size_t i = 0; part->kind == FG_PART_TEXT && i < part->len; i++)
			if ((unsigned char)part->text[i] <= ' ' || part->text[i] == 0x7f)
				return false;
	}
	return true;
}

static void check_body(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_step_http *http)
{
	if (http->has_body && http->method && strcmp(http->method, "HEAD") == 0)
		fg_reader_fault(reader, node,
				"a HEAD request cannot have a body; use get, or request: with "
				"another method");
}

/* An URL that begins with a variable is known when it is sent. */
static void check_start(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_template_part *first)
{
	if (first->kind != FG_PART_TEXT)
		return;
	bool is_absolute = fg_str_starts_with(first->text, "http://") ||
			   fg_str_starts_with(first->text, "https://");

	if (!is_absolute && first->text[0] != '/' && first->text[0] != '?')
		fg_reader_fault(reader, node,
				"\"%.80s\" is neither a path (/items) nor an http:// URL",
				first->text);
	else if (!is_absolute && !reader->has_url)
		fg_reader_fault(reader, node, "a path needs target.url to start from");
}

static void check_url(struct fg_reader *reader, const struct fg_node *node,
		      const struct fg_step_http *http)
{
	const struct fg_node *url =
		node->kind == FG_NODE_MAP ? fg_node_get(node, "url", NULL) : node;

	if (!url || url->kind != FG_NODE_SCALAR || !http->url.source || reader->later)
		return;
	if (!url_is_clean(&http->url))
		fg_reader_fault(reader, url, "a URL cannot hold spaces or line breaks; write %%20");
	else if (http->url.part_count)
		check_start(reader, url, &http->url.parts[0]);
}

/* A line break from a variable would be a request of its own. */
void fg_read_url(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		 void *owner)
{
	struct fg_step_http *http = owner;
	struct fg_template scratch = {0};

	if (fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		fg_template_read_as(reader, node, FG_ESCAPE_HEADER, http ? &http->url : &scratch);
	fg_template_done(&scratch);
}

static bool looks_into_body(enum fg_from from)
{
	return from == FG_FROM_BODY || from == FG_FROM_JSON || from == FG_FROM_REGEX ||
	       from == FG_FROM_SIZE;
}

static bool wants_body(const struct fg_step_http *http)
{
	bool wanted = false;

	for (size_t i = 0; i < http->check_count; i++)
		wanted = wanted || looks_into_body(http->checks[i].condition.from);
	for (size_t i = 0; i < http->expect_count; i++)
		wanted = wanted || looks_into_body(http->expects[i].from);
	for (size_t i = 0; i < http->capture_count; i++)
		wanted = wanted || looks_into_body(http->captures[i].from);
	return wanted;
}

/* What auth: made of itself goes into the step's own headers. */
static void take_auth_headers(struct fg_reader *reader, struct fg_step_http *http)
{
	struct fg_http_options *options = &http->http;
	struct fg_err err = {0};

	if (options->auth.kind != FG_AUTH_NONE)
		fg_header_remove(http->headers, &http->header_count, "Authorization");
	for (size_t i = 0; i < options->header_count; i++)
		(void)fg_reader_failed(
			reader,
			fg_header_set(&http->headers, &http->header_count, &http->header_capacity,
				      options->headers[i].name, &options->headers[i].value, &err),
			&err);
	fg_header_list_done(options->headers, options->header_count);
	options->headers = NULL;
	options->header_count = 0;
	options->header_capacity = 0;
}

static void read_fields(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, struct fg_step_http *http)
{
	static const char *const bodies[] = {"json", "form", "body", "bodyFile", "multipart"};
	static const char *const reuse[] = {"keepAlive", "connection"};

	if (node->kind != FG_NODE_MAP) {
		if (node->kind == FG_NODE_LIST)
			fg_reader_fault(reader, node, "%s wants a URL or a map with \"url\"",
					key->name);
		else
			fg_read_url(reader, key, node, http);
		return;
	}
	const struct fg_node *name = fg_node_get(node, "name", NULL);

	fg_reader_object(reader, node, key->table, http);
	if (name && http->name && !http->name[0])
		fg_reader_fault(reader, name, "name is empty");
	(void)fg_reader_one_of(reader, node, bodies, FG_ARRAY_LEN(bodies), NULL);
	(void)fg_reader_one_of(reader, node, reuse, FG_ARRAY_LEN(reuse), NULL);
}

void fg_read_request_step(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node, void *owner)
{
	struct fg_step step = {.kind = FG_STEP_HTTP, .place = fg_reader_place(reader, node)};
	struct fg_steps *steps = owner;

	if (!start_from_defaults(reader, &step.http)) {
		fg_step_done(&step);
		return;
	}
	read_fields(reader, key, node, &step.http);
	set_method(reader, key, node, &step.http);
	check_url(reader, node, &step.http);
	check_body(reader, node, &step.http);
	set_name(reader, &step.http);
	take_auth_headers(reader, &step.http);
	step.http.wants_body = wants_body(&step.http);
	bool is_whole = step.http.url.source && step.http.method && step.http.name;

	fg_reader_push_step(reader, is_whole ? steps : NULL, &step);
}
