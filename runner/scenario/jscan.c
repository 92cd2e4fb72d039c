/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/jscan.h"

#include <string.h>

#include "gate/base/num.h"

struct cursor {
	const char *text;
	size_t len, at;
	struct fg_err *err;
};

static int refuse(const struct cursor *c, const char *expected)
{
	int rc;

	if (c->at >= c->len)
		rc = fg_err_set(c->err, FG_E_INVALID, "not JSON: it ends where %s should be",
				expected);
	else
		rc = fg_err_set(c->err, FG_E_INVALID, "not JSON: byte %zu should be %s", c->at + 1,
				expected);
	if (c->err)
		c->err->column = (unsigned)FG_MIN(c->at, (size_t)UINT32_MAX - 1) + 1;
	return rc;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

size_t fg_jscan_space(const char *text, size_t len, size_t at)
{
	while (at < len && is_space(text[at]))
		at++;
	return at;
}

static void space(struct cursor *c)
{
	c->at = fg_jscan_space(c->text, c->len, c->at);
}

/* The byte at the cursor, NUL at the end: no token begins or goes on with NUL. */
static char here(const struct cursor *c)
{
	return c->at < c->len ? c->text[c->at] : '\0';
}

/* -- scalars -------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int pass_escape(struct cursor *c)
{
	c->at++;
	if (here(c) == 'u') {
		c->at++;
		for (int i = 0; i < 4; i++, c->at++)
			if (hex_value(here(c)) < 0)
				return refuse(c, "a hexadecimal digit");
		return 0;
	}
	if (here(c) == '\0' || !strchr("\"\\/bfnrt", here(c)))
		return refuse(c, "an escape");
	c->at++;
	return 0;
}

/* From the opening quote to behind the closing one. */
static int pass_string(struct cursor *c)
{
	c->at++;
	for (;;) {
		while (c->at < c->len && (unsigned char)c->text[c->at] >= 0x20 &&
		       c->text[c->at] != '"' && c->text[c->at] != '\\')
			c->at++;
		if (here(c) == '"') {
			c->at++;
			return 0;
		}
		if (here(c) != '\\')
			return refuse(c, "the rest of a string");
		int rc = pass_escape(c);

		if (rc)
			return rc;
	}
}

static bool pass_digits(struct cursor *c)
{
	size_t start = c->at;

	while (here(c) >= '0' && here(c) <= '9')
		c->at++;
	return c->at > start;
}

static int pass_number(struct cursor *c)
{
	if (here(c) == '-')
		c->at++;
	if (here(c) == '0')
		c->at++;
	else if (!pass_digits(c))
		return refuse(c, "a digit");
	if (here(c) == '.') {
		c->at++;
		if (!pass_digits(c))
			return refuse(c, "a digit");
	}
	if (here(c) == 'e' || here(c) == 'E') {
		c->at++;
		if (here(c) == '+' || here(c) == '-')
			c->at++;
		if (!pass_digits(c))
			return refuse(c, "a digit");
	}
	return 0;
}

static int pass_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if (c->len - c->at < len || memcmp(c->text + c->at, word, len) != 0)
		return refuse(c, "a value");
	c->at += len;
	return 0;
}

static int pass_scalar(struct cursor *c)
{
	switch (here(c)) {
	case '"':
		return pass_string(c);
	case 't':
		return pass_word(c, "true");
	case 'f':
		return pass_word(c, "false");
	case 'n':
		return pass_word(c, "null");
	case '-':
		return pass_number(c);
	default:
		return here(c) >= '0' && here(c) <= '9' ? pass_number(c) : refuse(c, "a value");
	}
}

/* -- values --------------------------------------------------------------------------------- */

/* Which containers are open, the outermost first. */
struct nest {
	bool object[FG_JSCAN_DEPTH_MAX];
	size_t depth;
};

/* A key and its colon; the cursor is on the value. */
static int pass_key(struct cursor *c, const char **ret_key, size_t *ret_len)
{
	if (here(c) != '"')
		return refuse(c, "a key");
	size_t start = c->at + 1;
	int rc = pass_string(c);

	if (rc)
		return rc;
	if (ret_key) {
		*ret_key = c->text + start;
		*ret_len = c->at - 1 - start;
	}
	space(c);
	if (here(c) != ':')
		return refuse(c, "a colon");
	c->at++;
	space(c);
	return 0;
}

static int enter(struct cursor *c, struct nest *nest, bool *ret_empty)
{
	bool object = here(c) == '{';

	if (nest->depth == FG_JSCAN_DEPTH_MAX)
		return fg_err_set(c->err, FG_E_LIMIT, "JSON is nested more than %d deep",
				  FG_JSCAN_DEPTH_MAX);
	nest->object[nest->depth++] = object;
	c->at++;
	space(c);
	*ret_empty = here(c) == (object ? '}' : ']');
	return object && !*ret_empty ? pass_key(c, NULL, NULL) : 0;
}

/* Behind a value: closes what ends here. The cursor is then on the next value, or depth is 0. */
static int leave(struct cursor *c, struct nest *nest)
{
	while (nest->depth > 0) {
		bool object = nest->object[nest->depth - 1];

		space(c);
		if (here(c) == ',') {
			c->at++;
			space(c);
			return object ? pass_key(c, NULL, NULL) : 0;
		}
		if (here(c) != (object ? '}' : ']'))
			return refuse(c, object ? "a comma or }" : "a comma or ]");
		c->at++;
		nest->depth--;
	}
	return 0;
}

static int pass_value(struct cursor *c)
{
	struct nest nest;
	int rc;

	nest.depth = 0;
	do {
		if (here(c) == '{' || here(c) == '[') {
			bool empty;

			rc = enter(c, &nest, &empty);
			if (rc)
				return rc;
			if (!empty)
				continue;
		} else {
			rc = pass_scalar(c);
			if (rc)
				return rc;
		}
		rc = leave(c, &nest);
		if (rc)
			return rc;
	} while (nest.depth > 0);
	return 0;
}

int fg_jscan_value(const char *text, size_t len, size_t at, size_t *ret_end, struct fg_err *err)
{
	struct cursor c = {text, len, at, err};
	int rc = pass_value(&c);

	if (rc)
		return rc;
	*ret_end = c.at;
	return 0;
}

int fg_jscan_check(const char *text, size_t len, struct fg_err *err)
{
	struct cursor c = {text, len, 0, err};

	space(&c);
	int rc = pass_value(&c);

	if (rc)
		return rc;
	space(&c);
	return c.at < len ? refuse(&c, "the end") : 0;
}

/* -- what a value means --------------------------------------------------------------------- */

static size_t put_utf8(uint32_t point, char out[4])
{
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (char)(0xc0 | point >> 6);
		out[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (char)(0xe0 | point >> 12);
		out[1] = (char)(0x80 | (point >> 6 & 0x3f));
		out[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | point >> 18);
	out[1] = (char)(0x80 | (point >> 12 & 0x3f));
	out[2] = (char)(0x80 | (point >> 6 & 0x3f));
	out[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

/* The four digits behind \u. */
static uint32_t unit_at(const char *digits)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (uint32_t)hex_value(digits[i]);
	return unit;
}

/* One escape or plain byte of a checked literal: how many bytes it takes, what it means. */
static size_t decode(const char *raw, size_t len, char out[4], size_t *ret_out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

	if (raw[0] != '\\') {
		out[0] = raw[0];
		*ret_out = 1;
		return 1;
	}
	if (raw[1] != 'u') {
		out[0] = to[strchr(from, raw[1]) - from];
		*ret_out = 1;
		return 2;
	}
	uint32_t unit = unit_at(raw + 2);
	size_t used = 6;

	if (unit >= 0xd800 && unit <= 0xdfff) {
		bool pair = unit < 0xdc00 && len >= 12 && raw[6] == '\\' && raw[7] == 'u';
		uint32_t low = pair ? unit_at(raw + 8) : 0;

		if (low >= 0xdc00 && low <= 0xdfff) {
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
			used = 12;
		} else {
			unit = 0xfffd;
		}
	}
	*ret_out = put_utf8(unit, out);
	return used;
}

size_t fg_jscan_unescape(const char *raw, size_t len, char *out)
{
	size_t at = 0;
	size_t written = 0;

	while (at < len) {
		char piece[4];
		size_t piece_len;

		at += decode(raw + at, len - at, piece, &piece_len);
		memcpy(out + written, piece, piece_len);
		written += piece_len;
	}
	return written;
}

bool fg_jscan_is(const char *raw, size_t raw_len, const char *key, size_t key_len)
{
	size_t at = 0;
	size_t matched = 0;

	if (raw_len == key_len && (key_len == 0 || memcmp(raw, key, key_len) == 0))
		return key_len == 0 || !memchr(raw, '\\', raw_len);
	if (raw_len <= key_len)
		return false;
	while (at < raw_len) {
		char piece[4];
		size_t piece_len;

		at += decode(raw + at, raw_len - at, piece, &piece_len);
		if (piece_len > key_len - matched || memcmp(piece, key + matched, piece_len) != 0)
			return false;
		matched += piece_len;
	}
	return matched == key_len;
}

static int take_string(const char *raw, size_t len, struct fg_arena *arena, struct fg_value *ret,
		       struct fg_err *err)
{
	*ret = (struct fg_value){.kind = FG_VALUE_TEXT, .text = raw, .len = len};
	if (len == 0 || !memchr(raw, '\\', len))
		return 0;
	char *copy = fg_arena_alloc(arena, len);

	if (!copy)
		return fg_err_set(err, FG_E_LIMIT,
				  "a JSON string of %zu bytes does not fit into the memory of an "
				  "iteration",
				  len);
	ret->len = fg_jscan_unescape(raw, len, copy);
	ret->text = copy;
	return 0;
}

static int take_number(const char *raw, size_t len, struct fg_value *ret, struct fg_err *err)
{
	double number;
	int rc = fg_num_double(raw, len, &number, err);

	if (rc)
		return rc;
	*ret = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = number};
	/* An id of 64 bits: a double would change its last digits. */
	if (len > 15 && !memchr(raw, '.', len) && !memchr(raw, 'e', len) &&
	    !memchr(raw, 'E', len)) {
		ret->text = raw;
		ret->len = len;
	}
	return 0;
}

int fg_jscan_take(const char *text, size_t len, size_t at, struct fg_arena *arena,
		  struct fg_value *ret, size_t *ret_end, struct fg_err *err)
{
	size_t end;
	int rc = fg_jscan_value(text, len, at, &end, err);

	if (rc)
		return rc;
	const char *raw = text + at;

	switch (raw[0]) {
	case '{':
	case '[':
		*ret = (struct fg_value){.kind = FG_VALUE_JSON, .text = raw, .len = end - at};
		break;
	case '"':
		rc = take_string(raw + 1, end - at - 2, arena, ret, err);
		break;
	case 'n':
		*ret = (struct fg_value){.kind = FG_VALUE_NULL};
		break;
	case 't':
	case 'f':
		*ret = (struct fg_value){.kind = FG_VALUE_BOOL, .boolean = raw[0] == 't'};
		break;
	default:
		rc = take_number(raw, end - at, ret, err);
		break;
	}
	if (rc == 0 && ret_end)
		*ret_end = end;
	return rc;
}

/* -- containers ----------------------------------------------------------------------------- */

int fg_jscan_open(struct fg_jscan_walk *walk, const char *text, size_t len, size_t at,
		  struct fg_err *err)
{
	struct cursor c = {text, len, at, err};

	if (at >= len)
		return refuse(&c, "a value");
	if (text[at] != '{' && text[at] != '[')
		return 0;
	*walk = (struct fg_jscan_walk){
		.text = text, .len = len, .at = at + 1, .object = text[at] == '{', .passed = true};
	return 1;
}

int fg_jscan_pass(struct fg_jscan_walk *walk, struct fg_err *err)
{
	if (walk->passed)
		return 0;
	walk->passed = true;
	return fg_jscan_value(walk->text, walk->len, walk->value, &walk->at, err);
}

int fg_jscan_next(struct fg_jscan_walk *walk, struct fg_err *err)
{
	int rc = fg_jscan_pass(walk, err);

	if (rc)
		return rc;
	struct cursor c = {walk->text, walk->len, walk->at, err};
	char close = walk->object ? '}' : ']';

	space(&c);
	if (here(&c) == close) {
		walk->at = c.at + 1;
		return 0;
	}
	if (walk->started) {
		if (here(&c) != ',')
			return refuse(&c, walk->object ? "a comma or }" : "a comma or ]");
		c.at++;
		space(&c);
	}
	walk->started = true;
	if (walk->object) {
		rc = pass_key(&c, &walk->key, &walk->key_len);
		if (rc)
			return rc;
	}
	walk->value = walk->at = c.at;
	walk->passed = false;
	return 1;
}

int fg_jscan_member(const char *text, size_t len, size_t at, const char *key, size_t key_len,
		    size_t *ret, struct fg_err *err)
{
	struct fg_jscan_walk walk;
	int rc = fg_jscan_open(&walk, text, len, at, err);

	if (rc <= 0 || !walk.object)
		return FG_MIN(rc, 0);
	while ((rc = fg_jscan_next(&walk, err)) > 0) {
		if (fg_jscan_is(walk.key, walk.key_len, key, key_len)) {
			*ret = walk.value;
			return 1;
		}
	}
	return rc;
}

int fg_jscan_element(const char *text, size_t len, size_t at, int64_t index, size_t *ret,
		     struct fg_err *err)
{
	struct fg_jscan_walk walk;
	size_t count;
	int rc = fg_jscan_open(&walk, text, len, at, err);

	if (rc <= 0 || walk.object)
		return FG_MIN(rc, 0);
	if (index < 0) {
		rc = fg_jscan_count(text, len, at, &count, err);
		if (rc)
			return rc;
		index += (int64_t)count;
		if (index < 0)
			return 0;
	}
	while ((rc = fg_jscan_next(&walk, err)) > 0) {
		if (index-- == 0) {
			*ret = walk.value;
			return 1;
		}
	}
	return rc;
}

int fg_jscan_count(const char *text, size_t len, size_t at, size_t *ret, struct fg_err *err)
{
	struct fg_jscan_walk walk;
	size_t count = 0;
	int rc = fg_jscan_open(&walk, text, len, at, err);

	if (rc < 0)
		return rc;
	if (rc > 0) {
		while ((rc = fg_jscan_next(&walk, err)) > 0)
			count++;
		if (rc < 0)
			return rc;
	}
	*ret = count;
	return 0;
}
