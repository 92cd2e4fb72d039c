/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled texts at run time: expanding, values, copies. Allocates nothing but in the caller's
 * buffer and arena. */
#include "runner/scenario/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

enum { PART_GUESS_BYTES = 128, NUMBER_MAX_BYTES = 64 };

/* -- escaping ------------------------------------------------------------------------------- */

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

void fg_escape_add(const void *bytes, size_t len, enum fg_escape escape, struct fg_buf *out)
{
	const unsigned char *at = bytes;

	if (escape != FG_ESCAPE_JSON && escape != FG_ESCAPE_URL) {
		fg_buf_add(out, bytes, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		if (escape == FG_ESCAPE_JSON)
			escape_json(out, at[i]);
		else
			escape_url(out, at[i]);
	}
}

/* Of numbers only the sign of an exponent needs escaping, and only in a URL. */
static void add_number(const struct fg_value *value, enum fg_escape escape, struct fg_buf *out)
{
	const size_t start = out->len;
	char text[NUMBER_MAX_BYTES];

	fg_value_print(value, out);
	const size_t len = out->len - start;

	if (escape != FG_ESCAPE_URL || len == 0 || len > sizeof(text) || out->failed)
		return;
	memcpy(text, out->data + start, len);
	out->len = start;
	fg_escape_add(text, len, escape, out);
}

int fg_escape_value(const struct fg_value *value, enum fg_escape escape, struct fg_buf *out,
		    struct fg_err *err)
{
	bool is_text = value->kind == FG_VALUE_TEXT || value->kind == FG_VALUE_JSON;

	if (escape == FG_ESCAPE_JSON_VALUE) {
		fg_value_print_json(value, out);
		return 0;
	}
	if (!is_text) {
		add_number(value, escape, out);
		return 0;
	}
	/* A line break would start a header of its own, or another request. */
	if (escape == FG_ESCAPE_HEADER)
		for (size_t i = 0; i < value->len; i++)
			if (value->text[i] == '\r' || value->text[i] == '\n' ||
			    value->text[i] == '\0')
				return fg_err_set(err, FG_E_INVALID,
						  "a value for a header or URL holds a line break "
						  "or a NUL byte");
	fg_escape_add(value->text, value->len, escape, out);
	return 0;
}

/* -- expanding ------------------------------------------------------------------------------ */

static int add_part(const struct fg_template_part *part, const struct fg_expr_env *env,
		    struct fg_buf *out, struct fg_err *err)
{
	struct fg_value value = {0};
	int rc;

	switch (part->kind) {
	case FG_PART_TEXT:
		fg_buf_add(out, part->text, part->len);
		return 0;
	case FG_PART_VU:
		fg_buf_addf(out, "%" PRIu64, env->vu);
		return 0;
	case FG_PART_ITERATION:
		fg_buf_addf(out, "%" PRIu64, env->iteration);
		return 0;
	case FG_PART_SCENARIO_ITERATION:
		fg_buf_addf(out, "%" PRIu64, env->scenario_iteration);
		return 0;
	case FG_PART_EXPR:
		rc = fg_expr_eval(part->expr, env, &value, err);
		return rc ? rc : fg_escape_value(&value, part->escape, out, err);
	}
	return 0;
}

int fg_template_expand(const struct fg_template *template_, const struct fg_expr_env *env,
		       struct fg_buf *out, struct fg_err *err)
{
	for (size_t i = 0; i < template_->part_count; i++) {
		int rc = add_part(&template_->parts[i], env, out, err);

		if (rc)
			return rc;
	}
	return fg_buf_check(out, err);
}

/* Rendered into the arena: a buffer whose maximum is below its capacity never reallocates. */
static int value_of_parts(const struct fg_template *template_, const struct fg_expr_env *env,
			  struct fg_value *ret, struct fg_err *err)
{
	size_t size_bytes = 1;

	for (size_t i = 0; i < template_->part_count; i++)
		size_bytes += template_->parts[i].kind == FG_PART_TEXT ? template_->parts[i].len
								       : PART_GUESS_BYTES;
	for (;;) {
		struct fg_buf out = {.data = fg_arena_alloc(env->arena, size_bytes),
				     .capacity = size_bytes,
				     .max = size_bytes - 1};

		if (!out.data)
			return fg_err_set(err, FG_E_LIMIT,
					  "a text grows beyond the memory of an "
					  "iteration");
		int rc = fg_template_expand(template_, env, &out, err);

		if (rc == 0) {
			*ret = (struct fg_value){.kind = template_->is_json ? FG_VALUE_JSON
									    : FG_VALUE_TEXT,
						 .text = out.data,
						 .len = out.len};
			return 0;
		}
		if (!out.failed || size_bytes > FG_BODY_MAX)
			return rc;
		size_bytes *= 4;
	}
}

int fg_template_value(const struct fg_template *template_, const struct fg_expr_env *env,
		      struct fg_value *ret, struct fg_err *err)
{
	const struct fg_template_part *part = template_->parts;
	uint64_t number;

	if (template_->part_count == 0) {
		*ret = (struct fg_value){.kind = FG_VALUE_TEXT, .text = "", .len = 0};
		return 0;
	}
	if (template_->part_count > 1 || (template_->is_json && part->kind != FG_PART_TEXT))
		return value_of_parts(template_, env, ret, err);
	switch (part->kind) {
	case FG_PART_EXPR:
		return fg_expr_eval(part->expr, env, ret, err);
	case FG_PART_TEXT:
		*ret = (struct fg_value){.kind = template_->is_json ? FG_VALUE_JSON : FG_VALUE_TEXT,
					 .text = part->text,
					 .len = part->len};
		return 0;
	case FG_PART_VU:
		number = env->vu;
		break;
	case FG_PART_ITERATION:
		number = env->iteration;
		break;
	default:
		number = env->scenario_iteration;
	}
	*ret = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = (double)number};
	return 0;
}

bool fg_template_is_constant(const struct fg_template *template_)
{
	for (size_t i = 0; i < template_->part_count; i++) {
		const struct fg_template_part *part = &template_->parts[i];

		if (part->kind == FG_PART_EXPR && fg_expr_constant(part->expr, NULL))
			continue;
		if (part->kind != FG_PART_TEXT)
			return false;
	}
	return true;
}

/* -- life ----------------------------------------------------------------------------------- */

void fg_template_part_done(struct fg_template_part *part)
{
	free(part->text);
	if (part->expr)
		fg_expr_free(part->expr);
	*part = (struct fg_template_part){0};
}

void fg_template_done(struct fg_template *template_)
{
	for (size_t i = 0; i < template_->part_count; i++)
		fg_template_part_done(&template_->parts[i]);
	free(template_->parts);
	free(template_->source);
	*template_ = (struct fg_template){0};
}

int fg_template_copy(struct fg_template *dst, const struct fg_template *src, struct fg_err *err)
{
	struct fg_template copy = {.is_json = src->is_json};

	if (src->source && fg_str_dup(src->source, &copy.source, err))
		return -FG_E_NOMEM;
	copy.parts = calloc(src->part_count + 1, sizeof(*copy.parts));
	int rc = copy.parts ? 0 : fg_err_nomem(err);

	for (size_t i = 0; i < src->part_count && rc == 0; i++) {
		copy.parts[i] = src->parts[i];
		copy.parts[i].text = NULL;
		copy.part_count = i + 1;
		if (src->parts[i].expr)
			copy.parts[i].expr = fg_expr_ref(src->parts[i].expr);
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
