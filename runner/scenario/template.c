/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with {{ }}: compiling and rendering.
 *
 * Constants (vars, secrets) are filled in at load; what changes per iteration becomes a part.
 * Everything that is not a single name is an expression of a later version.
 */
#include "runner/scenario/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { NAME_MAX_BYTES = 128, CANDIDATES_MAX = 128 };

/* -- building ------------------------------------------------------------------------------- */

void fg_template_begin(struct fg_template_builder *builder)
{
	*builder = (struct fg_template_builder){0};
	fg_buf_init(&builder->text, FG_BODY_MAX);
}

void fg_template_drop(struct fg_template_builder *builder)
{
	for (size_t i = 0; i < builder->part_count; i++)
		free(builder->parts[i].text);
	free(builder->parts);
	fg_buf_done(&builder->text);
	*builder = (struct fg_template_builder){0};
}

static void escape_json(struct fg_buf *out, unsigned char c)
{
	static const char named[] = "\b\f\n\r\t\"\\";
	static const char letters[] = "bfnrt\"\\";
	const char *at = c ? strchr(named, c) : NULL;

	if (at)
		fg_buf_addf(out, "\\%c", letters[at - named]);
	else if (c < 0x20)
		fg_buf_addf(out, "\\u%04x", c);
	else
		fg_buf_add_char(out, (char)c);
}

static void escape_url(struct fg_buf *out, unsigned char c)
{
	static const char safe[] = "-._~";
	bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

	if (is_alnum || (c && strchr(safe, c)))
		fg_buf_add_char(out, (char)c);
	else
		fg_buf_addf(out, "%%%02X", c);
}

void fg_template_bytes(struct fg_template_builder *builder, const void *bytes, size_t len,
		       enum fg_escape escape)
{
	const unsigned char *at = bytes;

	if (escape == FG_ESCAPE_NONE) {
		fg_buf_add(&builder->text, bytes, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (escape == FG_ESCAPE_JSON)
			escape_json(&builder->text, at[i]);
		else
			escape_url(&builder->text, at[i]);
	}
}

/* Moves the text so far into a part. */
static int flush_text(struct fg_template_builder *builder, struct fg_err *err)
{
	int rc = fg_buf_check(&builder->text, err);

	if (rc || builder->text.len == 0)
		return rc;
	rc = FG_VEC_ROOM(builder, parts, part_count, part_capacity, FG_TEMPLATE_PARTS_MAX, err);
	if (rc)
		return rc;
	struct fg_template_part *part = &builder->parts[builder->part_count++];

	*part = (struct fg_template_part){.kind = FG_PART_TEXT};
	part->text = fg_buf_take(&builder->text, &part->len);
	fg_buf_init(&builder->text, FG_BODY_MAX);
	return part->text ? 0 : fg_err_nomem(err);
}

static int add_part(struct fg_template_builder *builder, enum fg_template_part_kind kind,
		    struct fg_err *err)
{
	int rc = flush_text(builder, err);

	if (rc == 0)
		rc = FG_VEC_ROOM(builder, parts, part_count, part_capacity, FG_TEMPLATE_PARTS_MAX,
				 err);
	if (rc == 0)
		builder->parts[builder->part_count++] = (struct fg_template_part){.kind = kind};
	return rc;
}

void fg_template_end(struct fg_reader *reader, struct fg_template_builder *builder,
		     const char *source, struct fg_template *ret)
{
	struct fg_err err = {0};
	char *copy = NULL;

	if (fg_reader_failed(reader, flush_text(builder, &err), &err) ||
	    fg_reader_failed(reader, fg_str_dup(source, &copy, &err), &err)) {
		fg_template_drop(builder);
		return;
	}
	fg_template_done(ret);
	*ret = (struct fg_template){copy, builder->parts, builder->part_count};
	builder->parts = NULL;
	builder->part_count = 0;
	fg_template_drop(builder);
}

void fg_template_done(struct fg_template *template_)
{
	for (size_t i = 0; i < template_->part_count; i++)
		free(template_->parts[i].text);
	free(template_->parts);
	free(template_->source);
	*template_ = (struct fg_template){0};
}

int fg_template_copy(struct fg_template *dst, const struct fg_template *src, struct fg_err *err)
{
	struct fg_template copy = {0};

	if (src->source && fg_str_dup(src->source, &copy.source, err))
		return -FG_E_NOMEM;
	copy.parts = calloc(src->part_count + 1, sizeof(*copy.parts));
	int rc = copy.parts ? 0 : fg_err_nomem(err);

	for (size_t i = 0; i < src->part_count && rc == 0; i++) {
		copy.parts[i] = src->parts[i];
		copy.parts[i].text = NULL;
		copy.part_count = i + 1;
		if (src->parts[i].text)
			rc = fg_str_ndup(src->parts[i].text, src->parts[i].len, &copy.parts[i].text,
					 err);
	}
	if (rc)
		fg_template_done(&copy);
	else
		*dst = copy;
	return rc;
}

void fg_template_render(const struct fg_template *template_, uint64_t vu, uint64_t iteration,
			uint64_t scenario_iteration, struct fg_buf *out)
{
	for (size_t i = 0; i < template_->part_count; i++) {
		const struct fg_template_part *part = &template_->parts[i];

		switch (part->kind) {
		case FG_PART_EXPR:
			break;
		case FG_PART_TEXT:
			fg_buf_add(out, part->text, part->len);
			break;
		case FG_PART_VU:
			fg_buf_addf(out, "%" PRIu64, vu);
			break;
		case FG_PART_ITERATION:
			fg_buf_addf(out, "%" PRIu64, iteration);
			break;
		case FG_PART_SCENARIO_ITERATION:
			fg_buf_addf(out, "%" PRIu64, scenario_iteration);
			break;
		}
	}
}

/* -- names ---------------------------------------------------------------------------------- */

enum name_kind { NAME_UNKNOWN, NAME_CONSTANT, NAME_PART, NAME_TARGET, NAME_LATER };

struct name {
	enum name_kind kind;
	enum fg_template_part_kind part;
	const char *text; /* constant */
	bool plain;
};

static const struct {
	const char *name;
	enum name_kind kind;
	enum fg_template_part_kind part;
} fixed_names[] = {
	{"vu", NAME_PART, FG_PART_VU},
	{"iteration", NAME_PART, FG_PART_ITERATION},
	{"scenarioIteration", NAME_PART, FG_PART_SCENARIO_ITERATION},
	{"target.port", NAME_TARGET, 0},
	{"target.side", NAME_TARGET, 0},
	{"target.dir", NAME_TARGET, 0},
	{"git.branch", NAME_LATER, 0},
	{"git.commit", NAME_LATER, 0},
	{"run.id", NAME_LATER, 0},
};

/* Namespaces that later versions fill. */
static const char *const later_prefixes[] = {"data.", "setup.", "git.", "run."};

static struct name find_name(struct fg_reader *reader, const char *name)
{
	const struct fg_node *value = fg_node_get(reader->vars, name, NULL);

	if (value && value->kind == FG_NODE_SCALAR)
		return (struct name){NAME_CONSTANT, 0, value->text, value->plain};
	for (size_t i = 0; i < FG_ARRAY_LEN(fixed_names); i++)
		if (strcmp(fixed_names[i].name, name) == 0)
			return (struct name){.kind = fixed_names[i].kind,
					     .part = fixed_names[i].part};
	if (fg_str_starts_with(name, "secrets.")) {
		const char *secret = fg_tags_get(&reader->file->secrets, name + 8);

		if (secret)
			return (struct name){.kind = NAME_CONSTANT, .text = secret};
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(later_prefixes); i++)
		if (fg_str_starts_with(name, later_prefixes[i]))
			return (struct name){.kind = NAME_LATER};
	return (struct name){.kind = NAME_UNKNOWN};
}

static void report_unknown_name(struct fg_reader *reader, const struct fg_node *node, size_t at,
				const char *name)
{
	const char *candidates[CANDIDATES_MAX];
	char secrets[CANDIDATES_MAX / 2][NAME_MAX_BYTES];
	size_t count = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(fixed_names); i++)
		candidates[count++] = fixed_names[i].name;
	for (size_t i = 0; i < reader->file->secrets.count && i < FG_ARRAY_LEN(secrets); i++) {
		(void)snprintf(secrets[i], sizeof(secrets[i]), "secrets.%s",
			       reader->file->secrets.items[i].key);
		if (count < CANDIDATES_MAX)
			candidates[count++] = secrets[i];
	}
	for (size_t i = 0; reader->vars && i + 1 < reader->vars->count; i += 2)
		if (count < CANDIDATES_MAX)
			candidates[count++] = reader->vars->items[i]->text;
	const char *near = fg_str_nearest(name, candidates, count);

	if (near)
		fg_reader_fault_in(reader, node, at, strlen(name),
				   "unknown name \"%s\" in {{ }}; did you mean \"%s\"?", name,
				   near);
	else if (fg_str_starts_with(name, "env."))
		fg_reader_fault_in(reader, node, at, strlen(name),
				   "unknown name \"%s\" in {{ }}; the environment is written ${%s}",
				   name, name + 4);
	else
		fg_reader_fault_in(reader, node, at, strlen(name),
				   "unknown name \"%s\" in {{ }}; names are those of vars:, "
				   "secrets.NAME, vu, iteration and scenarioIteration",
				   name);
}

static bool is_name(const char *text, size_t len)
{
	if (len == 0 || len >= NAME_MAX_BYTES || (text[0] >= '0' && text[0] <= '9'))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-'))
			return false;
	}
	return true;
}

/* -- compiling ------------------------------------------------------------------------------ */

/* One {{ }}: where its inside stands in the text. */
struct expression {
	size_t open;  /* of "{{" */
	size_t start; /* inside, spaces cut */
	size_t len;
	size_t end; /* after "}}" */
};

static bool find_expression(const char *text, size_t from, struct expression *ret, bool *ret_open)
{
	const char *open = strstr(text + from, "{{");

	*ret_open = false;
	if (!open)
		return false;
	const char *close = strstr(open + 2, "}}");

	ret->open = (size_t)(open - text);
	if (!close) {
		*ret_open = true;
		return false;
	}
	const char *start = open + 2;
	const char *end = close;

	while (start < end && *start == ' ')
		start++;
	while (end > start && end[-1] == ' ')
		end--;
	ret->start = (size_t)(start - text);
	ret->len = (size_t)(end - start);
	ret->end = (size_t)(close + 2 - text);
	return true;
}

bool fg_template_is_single(const char *text)
{
	struct expression expression;
	bool open;

	return find_expression(text, 0, &expression, &open) && expression.open == 0 &&
	       text[expression.end] == '\0';
}

bool fg_template_is_bare(struct fg_reader *reader, const struct fg_node *node)
{
	struct expression expression;
	char text[NAME_MAX_BYTES];
	bool open;

	if (!fg_template_is_single(node->text) ||
	    !find_expression(node->text, 0, &expression, &open) ||
	    !is_name(node->text + expression.start, expression.len))
		return false;
	memcpy(text, node->text + expression.start, expression.len);
	text[expression.len] = '\0';
	struct name name = find_name(reader, text);

	return name.kind == NAME_PART ||
	       (name.kind == NAME_CONSTANT && name.plain && fg_json_is_bare(name.text));
}

static void refuse_part(struct fg_reader *reader, const struct fg_node *node,
			const struct expression *expression, const char *name, enum name_kind kind)
{
	if (kind == NAME_TARGET)
		fg_reader_fault_in(reader, node, expression->start, expression->len,
				   "\"%s\" is known in target: only", name);
	else
		fg_reader_fault_in(reader, node, expression->start, expression->len,
				   "\"%s\" changes per iteration, but this text is fixed at load",
				   name);
}

static void later_expression(struct fg_reader *reader, const struct fg_node *node,
			     const struct expression *expression)
{
	struct fg_node at = *node;

	if (node->literal && !node->expanded) {
		at.mark.column += (unsigned)expression->open + (node->plain ? 0 : 1);
		at.mark.width = (unsigned)(expression->end - expression->open);
	}
	char what[96];

	(void)snprintf(what, sizeof(what), "{{ %.*s }}", (int)FG_MIN(expression->len, (size_t)80),
		       node->text + expression->start);
	fg_reader_later(reader, &at, what, "B");
}

static void add_expression(struct fg_reader *reader, const struct fg_node *node,
			   const struct expression *expression, enum fg_text_mode mode,
			   enum fg_escape escape, struct fg_template_builder *builder)
{
	const char *inside = node->text + expression->start;
	char text[NAME_MAX_BYTES];
	struct fg_err err = {0};

	if (expression->len == 0) {
		fg_reader_fault_in(reader, node, expression->open, 4, "{{ }} is empty");
		return;
	}
	if (!is_name(inside, expression->len)) {
		later_expression(reader, node, expression);
		return;
	}
	memcpy(text, inside, expression->len);
	text[expression->len] = '\0';
	struct name name = find_name(reader, text);

	assert(name.kind != NAME_CONSTANT || name.text);
	if (name.kind == NAME_CONSTANT)
		fg_template_bytes(builder, name.text, strlen(name.text), escape);
	else if (name.kind == NAME_PART && mode == FG_TEXT_TEMPLATE)
		(void)fg_reader_failed(reader, add_part(builder, name.part, &err), &err);
	else if (name.kind == NAME_TARGET && mode == FG_TEXT_TARGET)
		fg_buf_addf(&builder->text, "{{ %s }}", text);
	else if (name.kind == NAME_LATER)
		later_expression(reader, node, expression);
	else if (reader->later)
		return; /* loop variables, captures, flow parameters: not known to this version */
	else if (name.kind == NAME_UNKNOWN)
		report_unknown_name(reader, node, expression->start, text);
	else
		refuse_part(reader, node, expression, text, name.kind);
}

void fg_template_scalar(struct fg_reader *reader, const struct fg_node *node,
			enum fg_text_mode mode, enum fg_escape escape,
			struct fg_template_builder *builder)
{
	const char *text = node->text;
	struct expression expression;
	bool open = false;
	size_t at = 0;

	if (node->broken)
		return;
	while (find_expression(text, at, &expression, &open)) {
		fg_template_bytes(builder, text + at, expression.open - at, escape);
		add_expression(reader, node, &expression, mode, escape, builder);
		at = expression.end;
	}
	if (open)
		fg_reader_fault_in(reader, node, expression.open, 2, "{{ has no }}");
	else
		fg_template_bytes(builder, text + at, strlen(text) - at, escape);
}

void fg_template_read(struct fg_reader *reader, const struct fg_node *node, struct fg_template *ret)
{
	struct fg_template_builder builder;

	fg_template_begin(&builder);
	fg_template_scalar(reader, node, FG_TEXT_TEMPLATE, FG_ESCAPE_NONE, &builder);
	fg_template_end(reader, &builder, node->text, ret);
}

char *fg_template_text(struct fg_reader *reader, const struct fg_node *node, enum fg_text_mode mode,
		       bool *ret_plain)
{
	size_t before = fg_diag_count(reader->diagnostics);
	struct fg_template_builder builder;
	struct fg_err err = {0};

	fg_template_begin(&builder);
	fg_template_scalar(reader, node, mode, FG_ESCAPE_NONE, &builder);
	if (ret_plain)
		*ret_plain = node->plain || node->expanded || fg_template_is_single(node->text);
	char *text = NULL;

	if (fg_diag_count(reader->diagnostics) == before && !node->broken &&
	    !fg_reader_failed(reader, fg_buf_check(&builder.text, &err), &err)) {
		text = fg_buf_take(&builder.text, NULL);
		if (!text)
			(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
	}
	fg_template_drop(&builder);
	return text;
}

/* -- the target's texts --------------------------------------------------------------------- */

static int add_target_value(const char *name, size_t len, uint16_t port, const char *side,
			    const char *dir, struct fg_buf *out, struct fg_err *err)
{
	if (len == 11 && memcmp(name, "target.port", len) == 0) {
		if (port == 0)
			return fg_err_set(err, FG_E_INVALID,
					  "{{ target.port }} has no value: no port was chosen");
		fg_buf_addf(out, "%u", port);
	} else if (len == 11 && memcmp(name, "target.side", len) == 0) {
		fg_buf_add_str(out, side ? side : "");
	} else if (len == 10 && memcmp(name, "target.dir", len) == 0) {
		fg_buf_add_str(out, dir ? dir : ".");
	} else {
		return fg_err_set(err, FG_E_INVALID, "unknown name \"%.*s\" in a text of target:",
				  (int)FG_MIN(len, (size_t)60), name);
	}
	return 0;
}

int fg_target_expand(const char *text, uint16_t port, const char *side, const char *dir,
		     struct fg_buf *out, struct fg_err *err)
{
	struct expression expression;
	bool open = false;
	size_t at = 0;

	while (find_expression(text, at, &expression, &open)) {
		fg_buf_add(out, text + at, expression.open - at);
		int rc = add_target_value(text + expression.start, expression.len, port, side, dir,
					  out, err);
		if (rc)
			return rc;
		at = expression.end;
	}
	if (open)
		return fg_err_set(err, FG_E_INVALID, "{{ has no }} in \"%.200s\"", text);
	fg_buf_add_str(out, text + at);
	return fg_buf_check(out, err);
}
