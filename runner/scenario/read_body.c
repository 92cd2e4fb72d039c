/* SPDX-License-Identifier: Apache-2.0 */
/* Query and bodies of a request: JSON, form, text, file, multipart. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"

/* Fixed, so that the same file makes the same bytes; a body that holds it is refused. */
#define BOUNDARY "flamegate-5b1f0c7d3e9a4826"
enum { PARTS_MAX = 256 };

/* -- query, form ---------------------------------------------------------------------------- */

/* name=value pairs, encoded, into the builder. */
static void add_pairs(struct fg_reader *reader, const struct fg_node *node, const char *first,
		      struct fg_template_builder *builder, struct fg_buf *source)
{
	const char *separator = first;

	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct fg_node *name = node->items[i];
		const struct fg_node *value = node->items[i + 1];

		if (value->kind != FG_NODE_SCALAR) {
			(void)fg_reader_expect(reader, value, FG_NODE_SCALAR, name->text);
			continue;
		}
		fg_template_bytes(builder, separator, strlen(separator), FG_ESCAPE_NONE);
		fg_template_bytes(builder, name->text, strlen(name->text), FG_ESCAPE_URL);
		fg_template_bytes(builder, "=", 1, FG_ESCAPE_NONE);
		fg_template_scalar(reader, value, FG_TEXT_TEMPLATE, FG_ESCAPE_URL, builder);
		fg_buf_addf(source, "%s%s=%s", separator, name->text, value->text);
		separator = "&";
	}
}

void fg_read_query(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	FG_AUTO_BUF struct fg_buf source = {0};
	struct fg_step_http *http = owner;
	struct fg_template_builder builder;
	struct fg_template result = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name) || !http || !http->url.source)
		return;
	fg_template_begin(&builder);
	builder.parts = http->url.parts;
	builder.part_count = http->url.part_count;
	builder.part_capacity = builder.part_count;
	http->url.parts = NULL;
	http->url.part_count = 0;
	fg_buf_init(&source, FG_SCENARIO_FILE_MAX);
	fg_buf_add_str(&source, http->url.source);
	add_pairs(reader, node, strchr(http->url.source, '?') ? "&" : "?", &builder, &source);
	fg_template_end(reader, &builder, source.data ? source.data : "", &result);
	fg_template_done(&http->url);
	http->url = result;
}

void fg_read_form(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	FG_AUTO_BUF struct fg_buf source = {0};
	struct fg_step_http *http = owner;
	struct fg_template_builder builder;
	struct fg_template scratch = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	fg_buf_init(&source, FG_SCENARIO_FILE_MAX);
	fg_template_begin(&builder);
	add_pairs(reader, node, "", &builder, &source);
	fg_template_end(reader, &builder, source.data ? source.data : "",
			http ? &http->body : &scratch);
	fg_template_done(&scratch);
	if (!http)
		return;
	http->has_body = true;
	fg_request_content_type(reader, http, "application/x-www-form-urlencoded");
}

/* -- bodies --------------------------------------------------------------------------------- */

void fg_read_json(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	struct fg_step_http *http = owner;
	struct fg_template_builder builder;
	struct fg_template scratch = {0};

	(void)key;
	fg_template_begin(&builder);
	fg_template_json(reader, node, &builder);
	fg_template_end(reader, &builder, "(json)", http ? &http->body : &scratch);
	fg_template_done(&scratch);
	if (!http)
		return;
	http->has_body = true;
	fg_request_content_type(reader, http, "application/json");
}

void fg_read_body(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	struct fg_step_http *http = owner;
	struct fg_template scratch = {0};

	if (node->kind != FG_NODE_SCALAR) {
		fg_reader_fault(reader, node,
				"%s is a text; a map or a list belongs under \"json\"", key->name);
		return;
	}
	fg_template_read(reader, node, http ? &http->body : &scratch);
	fg_template_done(&scratch);
	if (http)
		http->has_body = true;
}

void fg_read_body_file(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	FG_AUTO_BUF struct fg_buf content = {0};
	struct fg_step_http *http = owner;
	struct fg_template_builder builder;
	struct fg_err err = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	FG_AUTO_FREE char *path = text ? fg_reader_path(reader, node, text) : NULL;

	if (!path || !http || reader->later)
		return;
	fg_buf_init(&content, FG_BODY_MAX);
	if (fg_file_read(path, FG_BODY_MAX, &content, &err)) {
		fg_reader_fault(reader, node, "bodyFile: %s", err.message);
		return;
	}
	fg_template_begin(&builder);
	fg_template_bytes(&builder, content.data, content.len, FG_ESCAPE_NONE);
	fg_template_end(reader, &builder, text, &http->body);
	http->has_body = true;
}

/* -- multipart ------------------------------------------------------------------------------ */

/* As browsers do it: quotes and line breaks percent-encoded, everything else as it is. */
static void add_disposition(struct fg_template_builder *builder, const char *key, const char *text)
{
	fg_buf_addf(&builder->text, "; %s=\"", key);
	for (; *text; text++) {
		if (*text == '"' || *text == '\r' || *text == '\n')
			fg_buf_addf(&builder->text, "%%%02X", (unsigned char)*text);
		else
			fg_buf_add_char(&builder->text, *text);
	}
	fg_buf_add_char(&builder->text, '"');
}

static char *fixed_text(struct fg_reader *reader, const struct fg_node *map, const char *key)
{
	const struct fg_node *node = fg_node_get(map, key, NULL);

	return node && node->kind == FG_NODE_SCALAR
		       ? fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL)
		       : NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_file(struct fg_reader *reader, const struct fg_node *node,
		     struct fg_template_builder *builder)
{
	FG_AUTO_BUF struct fg_buf content = {0};
	FG_AUTO_FREE char *text = fg_template_text(reader, node, FG_TEXT_CONSTANT, NULL);
	FG_AUTO_FREE char *path = text ? fg_reader_path(reader, node, text) : NULL;
	struct fg_err err = {0};

	if (!path || reader->later)
		return;
	fg_buf_init(&content, FG_BODY_MAX);
	if (fg_file_read(path, FG_BODY_MAX, &content, &err)) {
		fg_reader_fault(reader, node, "multipart: %s", err.message);
		return;
	}
	if (content.len && memmem(content.data, content.len, BOUNDARY, strlen(BOUNDARY)))
		fg_reader_fault(reader, node, "the file holds the boundary of multipart bodies");
	fg_template_bytes(builder, content.data, content.len, FG_ESCAPE_NONE);
}

static void add_part_head(struct fg_reader *reader, const struct fg_node *name,
			  const struct fg_node *part, struct fg_template_builder *builder)
{
	const struct fg_node *path = fg_node_get(part, "path", NULL);
	FG_AUTO_FREE char *filename = fixed_text(reader, part, "filename");
	FG_AUTO_FREE char *type = fixed_text(reader, part, "type");

	fg_buf_add_str(&builder->text, "--" BOUNDARY "\r\nContent-Disposition: form-data");
	add_disposition(builder, "name", name->text);
	if (filename || (path && path->kind == FG_NODE_SCALAR))
		add_disposition(builder, "filename", filename ? filename : base_name(path->text));
	if (type && strpbrk(type, "\r\n"))
		fg_reader_fault(reader, part, "a content type cannot hold a line break");
	if (type || path)
		fg_buf_addf(&builder->text, "\r\nContent-Type: %s",
			    type ? type : "application/octet-stream");
	fg_buf_add_str(&builder->text, "\r\n\r\n");
}

static void add_part(struct fg_reader *reader, const struct fg_node *name,
		     const struct fg_node *part, struct fg_template_builder *builder)
{
	static const char *const contents[] = {"path", "value"};
	const struct fg_node *path = fg_node_get(part, "path", NULL);
	const struct fg_node *value = fg_node_get(part, "value", NULL);
	const char *found = NULL;

	if (part->kind == FG_NODE_SCALAR) {
		value = part;
	} else {
		fg_reader_object(reader, part, &fg_schema_multipart, NULL);
		if (part->kind != FG_NODE_MAP ||
		    !fg_reader_one_of(reader, part, contents, FG_ARRAY_LEN(contents), &found))
			return;
		if (!found)
			fg_reader_fault(reader, part, "a part of multipart needs path or value");
	}
	add_part_head(reader, name, part, builder);
	if (path && path->kind == FG_NODE_SCALAR)
		add_file(reader, path, builder);
	else if (value && value->kind == FG_NODE_SCALAR)
		fg_template_scalar(reader, value, FG_TEXT_TEMPLATE, FG_ESCAPE_NONE, builder);
	fg_buf_add_str(&builder->text, "\r\n");
}

void fg_read_multipart(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	struct fg_step_http *http = owner;
	struct fg_template_builder builder;
	struct fg_template scratch = {0};

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count == 0 || node->count / 2 > PARTS_MAX)
		fg_reader_fault(reader, node, "multipart wants 1 to %d parts", PARTS_MAX);
	fg_template_begin(&builder);
	for (size_t i = 0; i + 1 < node->count && i / 2 < PARTS_MAX; i += 2)
		add_part(reader, node->items[i], node->items[i + 1], &builder);
	fg_buf_add_str(&builder.text, "--" BOUNDARY "--\r\n");
	fg_template_end(reader, &builder, "(multipart)", http ? &http->body : &scratch);
	fg_template_done(&scratch);
	if (!http)
		return;
	http->has_body = true;
	fg_request_content_type(reader, http, "multipart/form-data; boundary=" BOUNDARY);
}
