/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with {{ }}: compiling.
 *
 * What is known at load (vars, secrets, constant expressions) is filled in; what changes per
 * iteration becomes a part. names.c says what a name means, template_run.c runs the result.
 */
#include "runner/scenario/reader.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

/* -- building ------------------------------------------------------------------------------- */

void fg_template_begin(struct fg_template_builder *builder)
{
	*builder = (struct fg_template_builder){0};
	fg_buf_init(&builder->text, FG_BODY_MAX);
}

void fg_template_drop(struct fg_template_builder *builder)
{
	for (size_t i = 0; i < builder->part_count; i++)
		fg_template_part_done(&builder->parts[i]);
	free(builder->parts);
	fg_buf_done(&builder->text);
	*builder = (struct fg_template_builder){0};
}

void fg_template_bytes(struct fg_template_builder *builder, const void *bytes, size_t len,
		       enum fg_escape escape)
{
	fg_escape_add(bytes, len, escape, &builder->text);
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

/* Takes the part, also on failure. */
static void add_part(struct fg_reader *reader, struct fg_template_builder *builder,
		     struct fg_template_part part)
{
	struct fg_err err = {0};
	int rc = flush_text(builder, &err);

	if (rc == 0)
		rc = FG_VEC_ROOM(builder, parts, part_count, part_capacity, FG_TEMPLATE_PARTS_MAX,
				 &err);
	if (fg_reader_failed(reader, rc, &err))
		fg_template_part_done(&part);
	else
		builder->parts[builder->part_count++] = part;
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
	*ret = (struct fg_template){
		.source = copy, .parts = builder->parts, .part_count = builder->part_count};
	builder->parts = NULL;
	builder->part_count = 0;
	fg_template_drop(builder);
}

/* -- finding {{ }} -------------------------------------------------------------------------- */

/* One {{ }}: where its inside stands in the text. */
struct expression {
	size_t open;  /* of "{{" */
	size_t start; /* inside, spaces cut */
	size_t len;
	size_t end; /* after "}}" */
};

/* The "}}" behind `at`; one inside quotes is text of the expression. */
const char *fg_template_close(const char *at)
{
	const char *first = strstr(at, "}}");
	char quote = 0;

	for (const char *c = at; first && *c; c++) {
		if (quote && *c == '\\' && c[1])
			c++;
		else if (quote)
			quote = *c == quote ? 0 : quote;
		else if (*c == '\'' || *c == '"')
			quote = *c;
		else if (c[0] == '}' && c[1] == '}')
			return c;
	}
	return first; /* a quote without its end; the compiler says so */
}

static bool find_expression(const char *text, size_t from, struct expression *ret, bool *ret_open)
{
	const char *open = strstr(text + from, "{{");

	*ret_open = false;
	if (!open)
		return false;
	const char *close = fg_template_close(open + 2);

	ret->open = (size_t)(open - text);
	if (!close) {
		*ret_open = true;
		return false;
	}
	const char *start = open + 2;
	const char *end = close;

	while (start < end && isspace((unsigned char)*start))
		start++;
	while (end > start && isspace((unsigned char)end[-1]))
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

/* -- compiling ------------------------------------------------------------------------------ */

/* What can stand where: said of the whole {{ }}, as an expression may name several things. */
static void refuse(struct fg_reader *reader, const struct fg_node *node,
		   const struct expression *expression, enum fg_text_mode mode)
{
	const char *inside = node->text + expression->start;
	int shown = (int)FG_MIN(expression->len, (size_t)80);

	if (fg_str_starts_with(inside, "target."))
		fg_reader_fault_in(reader, node, expression->start, expression->len,
				   mode == FG_TEXT_TARGET
					   ? "\"%.*s\": here {{ target.port }}, {{ target.side }} "
					     "and {{ target.dir }} stand alone"
					   : "\"%.*s\" is known in target: and in steps only",
				   shown, inside);
	else
		fg_reader_fault_in(reader, node, expression->start, expression->len,
				   "\"%.*s\" changes per iteration, but this text is fixed at load",
				   shown, inside);
}

/* A part that needs no expression: {{ vu }}, {{ iteration }}, {{ scenario.iteration }}. */
static bool plain_part(const char *name, enum fg_template_part_kind *ret)
{
	static const struct {
		const char *name;
		enum fg_template_part_kind kind;
	} parts[] = {
		{"vu", FG_PART_VU},
		{"iteration", FG_PART_ITERATION},
		{"scenarioIteration", FG_PART_SCENARIO_ITERATION},
		{"scenario.iteration", FG_PART_SCENARIO_ITERATION},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++)
		if (strcmp(parts[i].name, name) == 0) {
			*ret = parts[i].kind;
			return true;
		}
	return false;
}

static void report_expression(struct fg_reader *reader, const struct fg_node *node,
			      const struct expression *expression, const struct fg_err *err)
{
	size_t at = err->column ? err->column - 1 : 0;
	size_t width = 0;

	if (at > expression->len)
		at = expression->len;
	const char *word = node->text + expression->start + at;

	while (at + width < expression->len &&
	       (isalnum((unsigned char)word[width]) || strchr("_.", word[width])))
		width++;
	fg_reader_fault_in(reader, node, expression->start + at, FG_MAX(width, (size_t)1), "%s",
			   err->message);
}

static struct fg_expr *compile(struct fg_reader *reader, const struct fg_node *node,
			       const struct expression *expression)
{
	const struct fg_expr_names names = {.find = fg_names_find, .context = reader};
	struct fg_expr *expr = NULL;
	struct fg_err err = {0};
	int rc = fg_expr_compile(node->text + expression->start, expression->len, &names, &expr,
				 &err);

	if (rc == 0)
		return expr;
	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, &err);
	else if (!reader->later)
		report_expression(reader, node, expression, &err);
	return NULL;
}

/* Constants are folded into the text, unless the type counts. */
static void add_compiled(struct fg_reader *reader, const struct fg_node *node,
			 const struct expression *expression, enum fg_text_mode mode,
			 enum fg_escape escape, struct fg_template_builder *builder)
{
	struct fg_expr *expr = compile(reader, node, expression);
	struct fg_value value = {0};
	struct fg_err err = {0};

	if (!expr)
		return;
	if (mode != FG_TEXT_VALUE && fg_expr_constant(expr, &value)) {
		if (fg_escape_value(&value, escape, &builder->text, &err))
			fg_reader_fault_in(reader, node, expression->start, expression->len, "%s",
					   err.message);
	} else if (mode == FG_TEXT_TEMPLATE || mode == FG_TEXT_VALUE) {
		add_part(reader, builder,
			 (struct fg_template_part){
				 .kind = FG_PART_EXPR, .escape = escape, .expr = expr});
		return;
	} else {
		refuse(reader, node, expression, mode);
	}
	fg_expr_free(expr);
}

static void add_constant(const struct fg_constant *constant, enum fg_escape escape,
			 struct fg_template_builder *builder)
{
	bool quoted = escape == FG_ESCAPE_JSON_VALUE && !fg_constant_is_bare(constant);

	if (quoted)
		fg_buf_add_char(&builder->text, '"');
	fg_template_bytes(builder, constant->text, strlen(constant->text),
			  quoted ? FG_ESCAPE_JSON : escape);
	if (quoted)
		fg_buf_add_char(&builder->text, '"');
}

static void add_expression(struct fg_reader *reader, const struct fg_node *node,
			   const struct expression *expression, enum fg_text_mode mode,
			   enum fg_escape escape, struct fg_template_builder *builder)
{
	char name[FG_NAME_MAX_BYTES];
	struct fg_constant constant;
	enum fg_template_part_kind kind;

	if (expression->len == 0) {
		fg_reader_fault_in(reader, node, expression->open, 4, "{{ }} is empty");
		return;
	}
	size_t len = expression->len < sizeof(name) ? expression->len : 0;

	memcpy(name, node->text + expression->start, len);
	name[len] = '\0';
	if (mode == FG_TEXT_TARGET && fg_names_is_target(name))
		fg_buf_addf(&builder->text, "{{ %s }}", name);
	else if (mode != FG_TEXT_VALUE && fg_names_constant(reader, name, &constant))
		add_constant(&constant, escape, builder);
	else if (fg_names_is_later(name))
		fg_reader_later_in(reader, node, expression->open,
				   expression->end - expression->open);
	else if (mode == FG_TEXT_TEMPLATE && plain_part(name, &kind))
		add_part(reader, builder, (struct fg_template_part){.kind = kind});
	else
		add_compiled(reader, node, expression, mode, escape, builder);
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

void fg_template_read_as(struct fg_reader *reader, const struct fg_node *node,
			 enum fg_escape escape, struct fg_template *ret)
{
	struct fg_template_builder builder;

	fg_template_begin(&builder);
	fg_template_scalar(reader, node, FG_TEXT_TEMPLATE, escape, &builder);
	fg_template_end(reader, &builder, node->text, ret);
}

void fg_template_read(struct fg_reader *reader, const struct fg_node *node, struct fg_template *ret)
{
	fg_template_read_as(reader, node, FG_ESCAPE_NONE, ret);
}

void fg_template_expression(struct fg_reader *reader, const struct fg_node *node, size_t start,
			    size_t len, struct fg_template *ret)
{
	const struct expression expression = {.start = start, .len = len};
	struct fg_template_builder builder;

	fg_template_begin(&builder);
	add_compiled(reader, node, &expression, FG_TEXT_VALUE, FG_ESCAPE_NONE, &builder);
	fg_template_end(reader, &builder, node->text, ret);
}

void fg_template_read_value(struct fg_reader *reader, const struct fg_node *node,
			    struct fg_template *ret)
{
	struct fg_template_builder builder;
	bool is_bare = node->kind == FG_NODE_SCALAR && (node->plain || node->expanded) &&
		       !node->broken && (fg_node_is_nothing(node) || fg_json_is_bare(node->text));

	if (node->kind != FG_NODE_SCALAR) {
		fg_template_begin(&builder);
		fg_template_json(reader, node, &builder);
		fg_template_end(reader, &builder, "(json)", ret);
		ret->is_json = true;
	} else if (is_bare && !fg_node_is_nothing(node)) {
		fg_template_expression(reader, node, 0, strlen(node->text), ret);
	} else if (is_bare) {
		struct fg_node null = *node;
		char text[] = "null";

		null.text = text;
		fg_template_expression(reader, &null, 0, 4, ret);
	} else {
		fg_template_begin(&builder);
		fg_template_scalar(reader, node,
				   fg_template_is_single(node->text) ? FG_TEXT_VALUE
								     : FG_TEXT_TEMPLATE,
				   FG_ESCAPE_NONE, &builder);
		fg_template_end(reader, &builder, node->text, ret);
	}
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

/* -- JSON ----------------------------------------------------------------------------------- */

static void add_json_scalar(struct fg_reader *reader, const struct fg_node *node,
			    struct fg_template_builder *builder)
{
	if (fg_node_is_nothing(node)) {
		fg_template_bytes(builder, "null", 4, FG_ESCAPE_NONE);
	} else if (fg_template_is_single(node->text)) {
		fg_template_scalar(reader, node, FG_TEXT_TEMPLATE, FG_ESCAPE_JSON_VALUE, builder);
	} else if (node->plain && fg_json_is_bare(node->text)) {
		fg_template_bytes(builder, node->text, strlen(node->text), FG_ESCAPE_NONE);
	} else {
		fg_template_bytes(builder, "\"", 1, FG_ESCAPE_NONE);
		fg_template_scalar(reader, node, FG_TEXT_TEMPLATE, FG_ESCAPE_JSON, builder);
		fg_template_bytes(builder, "\"", 1, FG_ESCAPE_NONE);
	}
}

void fg_template_json(struct fg_reader *reader, const struct fg_node *node,
		      struct fg_template_builder *builder)
{
	bool is_map = node->kind == FG_NODE_MAP;

	if (node->kind == FG_NODE_SCALAR) {
		add_json_scalar(reader, node, builder);
		return;
	}
	fg_template_bytes(builder, is_map ? "{" : "[", 1, FG_ESCAPE_NONE);
	for (size_t i = 0; i < node->count; i += is_map ? 2 : 1) {
		if (i > 0)
			fg_template_bytes(builder, ",", 1, FG_ESCAPE_NONE);
		if (is_map) {
			const char *name = node->items[i]->text;

			fg_template_bytes(builder, "\"", 1, FG_ESCAPE_NONE);
			fg_template_bytes(builder, name, strlen(name), FG_ESCAPE_JSON);
			fg_template_bytes(builder, "\":", 2, FG_ESCAPE_NONE);
		}
		fg_template_json(reader, node->items[is_map ? i + 1 : i], builder);
	}
	fg_template_bytes(builder, is_map ? "}" : "]", 1, FG_ESCAPE_NONE);
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
