/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/format/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/utf8.h"

void fg_json_writer_init(struct fg_json_writer *writer, struct fg_buf *out, bool indent)
{
	*writer = (struct fg_json_writer){.out = out, .indent = indent};
}

static void put_special(struct fg_buf *out, unsigned char c)
{
	static const char names[] = "btnvfr"; /* 8…13 */

	if (c == '"' || c == '\\')
		fg_buf_addf(out, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != 11)
		fg_buf_addf(out, "\\%c", names[c - 8]);
	else
		fg_buf_addf(out, "\\u%04x", c);
}

static void put_quoted(struct fg_buf *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	fg_buf_add_char(out, '"');
	while (*at) {
		const unsigned char *from = at;

		/* The common case in one piece. */
		while (*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
			at++;
		fg_buf_add(out, from, (size_t)(at - from));
		if (*at == '\0')
			break;
		if (*at < 0x20 || *at == 0x7f || *at == '"' || *at == '\\') {
			put_special(out, *at++);
			continue;
		}
		size_t len = fg_utf8_len((const char *)at);

		if (len)
			fg_buf_add(out, at, len);
		else
			fg_buf_add_str(out, FG_UTF8_REPLACEMENT);
		at += len ? len : 1;
	}
	fg_buf_add_char(out, '"');
}

static void new_line(struct fg_json_writer *writer)
{
	if (!writer->indent)
		return;
	fg_buf_add_char(writer->out, '\n');
	for (unsigned i = 0; i < writer->depth; i++)
		fg_buf_add_char(writer->out, ' ');
}

/* Comma, line and key: everything before a value. `block`: the value is an object or a list. */
static void before(struct fg_json_writer *writer, const char *key, bool block)
{
	if (writer->comma)
		fg_buf_add_char(writer->out, ',');
	/* Numbers in a list stay on one line. */
	if (writer->depth && (key || block))
		new_line(writer);
	if (key) {
		put_quoted(writer->out, key);
		fg_buf_add_str(writer->out, writer->indent ? ": " : ":");
	}
	writer->comma = true;
}

static void begin(struct fg_json_writer *writer, const char *key, char open, char close)
{
	before(writer, key, true);
	fg_buf_add_char(writer->out, open);
	if (writer->depth >= FG_JSON_DEPTH_MAX) {
		writer->failed = true;
		return;
	}
	writer->closing[writer->depth++] = close;
	writer->comma = false;
}

void fg_json_begin(struct fg_json_writer *writer, const char *key)
{
	begin(writer, key, '{', '}');
}

void fg_json_begin_array(struct fg_json_writer *writer, const char *key)
{
	begin(writer, key, '[', ']');
}

void fg_json_end(struct fg_json_writer *writer)
{
	if (writer->depth == 0) {
		writer->failed = true;
		return;
	}
	char close = writer->closing[--writer->depth];
	bool empty = !writer->comma;
	const struct fg_buf *out = writer->out;

	if (!empty && (close == '}' || (out->len && out->data[out->len - 1] == '}')))
		new_line(writer);
	fg_buf_add_char(writer->out, close);
	writer->comma = true;
}

void fg_json_put_u64(struct fg_json_writer *writer, const char *key, uint64_t value)
{
	/* Readers (ours too) hold 63 bits; more can only be a bug or an overflow. */
	if (value > INT64_MAX)
		writer->failed = true;
	before(writer, key, false);
	fg_buf_addf(writer->out, "%llu", (unsigned long long)value);
}

void fg_json_put_i64(struct fg_json_writer *writer, const char *key, int64_t value)
{
	before(writer, key, false);
	fg_buf_addf(writer->out, "%lld", (long long)value);
}

/* The shortest of 15, 16 or 17 digits that reads back as the same number. The decimal point of the
 * locale must not get into a file. */
static void put_number(struct fg_buf *out, double value)
{
	char text[40];
	bool real = false;
	double back = 0;

	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		for (char *at = text; *at; at++)
			if (!strchr("0123456789+-e", *at))
				*at = '.';
		if (fg_num_double(text, strlen(text), &back, NULL) == 0 && back == value)
			break;
	}
	for (const char *at = text; *at; at++)
		real = real || *at == '.' || *at == 'e';
	fg_buf_add_str(out, text);
	if (!real)
		fg_buf_add_str(out, ".0");
}

void fg_json_put_double(struct fg_json_writer *writer, const char *key, double value)
{
	before(writer, key, false);
	if (isfinite(value))
		put_number(writer->out, value);
	else
		fg_buf_add_str(writer->out, "null");
}

void fg_json_put_bool(struct fg_json_writer *writer, const char *key, bool value)
{
	before(writer, key, false);
	fg_buf_add_str(writer->out, value ? "true" : "false");
}

void fg_json_put_string(struct fg_json_writer *writer, const char *key, const char *text)
{
	before(writer, key, false);
	put_quoted(writer->out, text);
}

void fg_json_put_string_or_null(struct fg_json_writer *writer, const char *key, const char *text)
{
	if (text)
		fg_json_put_string(writer, key, text);
	else
		fg_json_put_null(writer, key);
}

void fg_json_put_null(struct fg_json_writer *writer, const char *key)
{
	before(writer, key, false);
	fg_buf_add_str(writer->out, "null");
}

static void put_members(struct fg_json_writer *writer, json_t *object)
{
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
		fg_json_put_value(writer, json_object_iter_key(at), json_object_iter_value(at));
}

/* Depth is that of the parsed value, which fg_json_parse() bounded; begin() bounds it again. */
void fg_json_put_value(struct fg_json_writer *writer, const char *key, json_t *value)
{
	if (writer->failed)
		return;
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		fg_json_begin(writer, key);
		put_members(writer, value);
		fg_json_end(writer);
		break;
	case JSON_ARRAY:
		fg_json_begin_array(writer, key);
		for (size_t i = 0; i < json_array_size(value); i++)
			fg_json_put_value(writer, NULL, json_array_get(value, i));
		fg_json_end(writer);
		break;
	case JSON_STRING:
		fg_json_put_string(writer, key, json_string_value(value));
		break;
	case JSON_INTEGER:
		fg_json_put_i64(writer, key, json_integer_value(value));
		break;
	case JSON_REAL:
		fg_json_put_double(writer, key, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fg_json_put_bool(writer, key, json_is_true(value));
		break;
	case JSON_NULL:
		fg_json_put_null(writer, key);
		break;
	}
}

int fg_json_writer_check(const struct fg_json_writer *writer, struct fg_err *err)
{
	if (writer->failed || (writer->depth && !writer->out->failed))
		return fg_err_set(err, FG_E_INTERNAL,
				  "JSON with a number beyond 63 bits or unclosed objects");
	return fg_buf_check(writer->out, err);
}
