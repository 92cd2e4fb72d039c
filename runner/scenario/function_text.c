/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of text. Positions count characters of UTF-8; a byte that is not valid counts as one.
 */
#include "runner/scenario/function.h"

#include <string.h>

#include "runner/scenario/jscan.h"

/* -- characters ----------------------------------------------------------------------------- */

/* Every byte but those that go on with a character. */
static bool begins(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t characters(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += begins(text[i]);
	return count;
}

/* Offset of a character, or `len`. */
static size_t offset_of(struct fg_view text, size_t character)
{
	size_t at = 0;

	while (at < text.len && !begins(text.text[at]))
		at++;
	for (; at < text.len; at++)
		if (begins(text.text[at]) && character-- == 0)
			break;
	return at;
}

static int map(const struct fg_call *call, char first, char last, int distance,
	       struct fg_value *ret)
{
	struct fg_view text;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, text.len, &out);
	if (rc)
		return rc;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.text[i];

		out[i] = c >= first && c <= last ? (char)(c + distance) : c;
	}
	*ret = fg_value_of_text(out, text.len);
	return 0;
}

int fg_function_upper(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, 'a', 'z', 'A' - 'a', ret);
}

int fg_function_lower(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, 'A', 'Z', 'a' - 'A', ret);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int fg_function_trim(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	int rc = fg_call_text(call, 0, &text);

	if (rc)
		return rc;
	while (text.len > 0 && is_blank(text.text[0])) {
		text.text++;
		text.len--;
	}
	while (text.len > 0 && is_blank(text.text[text.len - 1]))
		text.len--;
	*ret = fg_value_of_text(text.text, text.len);
	return 0;
}

int fg_function_to_string(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		*ret = fg_value_of_text(text.text, text.len);
	return rc;
}

int fg_function_length(const struct fg_call *call, struct fg_value *ret)
{
	const struct fg_value *value = &call->arguments[0];
	struct fg_view text;
	size_t count = 0;
	int rc;

	if (value->kind == FG_VALUE_JSON) {
		rc = fg_jscan_count(value->text, value->len, 0, &count, call->err);
	} else {
		rc = fg_call_text(call, 0, &text);
		if (rc == 0)
			count = characters(text.text, text.len);
	}
	if (rc == 0)
		*ret = fg_value_of_number((double)count);
	return rc;
}

/* -- parts ---------------------------------------------------------------------------------- */

/* A position that may count from the end, within the text. */
static size_t position(int64_t index, size_t count)
{
	if (index < 0)
		index += (int64_t)count;
	if (index < 0)
		return 0;
	return FG_MIN((size_t)index, count);
}

int fg_function_substring(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	int64_t start, end = INT32_MAX;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_integer(call, 1, -INT32_MAX, INT32_MAX, &start);
	if (rc == 0 && call->count > 2)
		rc = fg_call_integer(call, 2, -INT32_MAX, INT32_MAX, &end);
	if (rc)
		return rc;
	size_t count = characters(text.text, text.len);
	size_t from = offset_of(text, position(start, count));
	size_t to = offset_of(text, position(end, count));

	*ret = fg_value_of_text(text.text + from, to > from ? to - from : 0);
	return 0;
}

static const char *find(struct fg_view text, size_t from, struct fg_view part)
{
	return memmem(text.text + from, text.len - from, part.text, part.len);
}

int fg_function_replace(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text, from, to;
	size_t count = 0, len = 0, at = 0;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_text(call, 1, &from);
	if (rc == 0)
		rc = fg_call_text(call, 2, &to);
	if (rc)
		return rc;
	if (from.len == 0)
		return fg_call_fault(call, "the text to replace is empty");
	for (const char *hit = find(text, 0, from); hit; count++)
		hit = find(text, (size_t)(hit - text.text) + from.len, from);
	if (to.len > 0 && count > SIZE_MAX / 2 / to.len)
		return fg_err_set(call->err, FG_E_LIMIT, "replace(): the result is too large");
	rc = fg_call_room(call, text.len - count * from.len + count * to.len, &out);
	if (rc)
		return rc;
	while (at < text.len) {
		const char *hit = find(text, at, from);
		size_t keep = (hit ? (size_t)(hit - text.text) : text.len) - at;

		memcpy(out + len, text.text + at, keep);
		len += keep;
		at += keep;
		if (hit) {
			memcpy(out + len, to.text, to.len);
			len += to.len;
			at += from.len;
		}
	}
	*ret = fg_value_of_text(out, len);
	return 0;
}

enum { REPEAT_MAX = 16 << 20 };

/* `fill` again and again up to `len` bytes, then `text`. */
static int filled(const struct fg_call *call, struct fg_view fill, size_t len, struct fg_view text,
		  struct fg_value *ret)
{
	char *out;
	int rc = fg_call_room(call, len + text.len, &out);

	if (rc)
		return rc;
	for (size_t i = 0; i < len; i++)
		out[i] = fill.text[i % fill.len];
	memcpy(out + len, text.text, text.len);
	*ret = fg_value_of_text(out, len + text.len);
	return 0;
}

int fg_function_repeat(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	int64_t count;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_integer(call, 1, 0, REPEAT_MAX, &count);
	if (rc)
		return rc;
	if (text.len > 0 && (size_t)count > REPEAT_MAX / text.len)
		return fg_call_fault(call, "the result has more than %d bytes", REPEAT_MAX);
	return filled(call, text, text.len * (size_t)count, (struct fg_view){"", 0}, ret);
}

int fg_function_pad_start(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text, fill = {" ", 1};
	int64_t length;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_integer(call, 1, 0, 4096, &length);
	if (rc == 0 && call->count > 2)
		rc = fg_call_text(call, 2, &fill);
	if (rc)
		return rc;
	size_t has = characters(text.text, text.len);
	size_t wanted = (size_t)length > has ? (size_t)length - has : 0;
	size_t each = characters(fill.text, fill.len);

	if (each == 0)
		return fg_call_fault(call, "the text to fill with is empty");
	size_t bytes = wanted / each * fill.len + offset_of(fill, wanted % each);

	return filled(call, fill, bytes, text, ret);
}

/* -- looking for ---------------------------------------------------------------------------- */

/* 1: *ret is which element equals the second argument; 0: none. */
static int find_element(const struct fg_call *call, size_t *ret)
{
	const struct fg_value *list = &call->arguments[0];
	struct fg_jscan_walk walk;
	int rc = fg_jscan_open(&walk, list->text, list->len, 0, call->err);

	for (size_t i = 0; rc > 0; i++) {
		struct fg_value element;

		rc = fg_jscan_next(&walk, call->err);
		if (rc <= 0)
			return rc;
		rc = fg_jscan_take(list->text, list->len, walk.value, call->env->arena, &element,
				   NULL, call->err);
		if (rc < 0)
			return rc;
		if (fg_value_equal(&element, &call->arguments[1])) {
			*ret = i;
			return 1;
		}
		rc = 1;
	}
	return rc;
}

/* 1: *ret is which character or element it is; 0: none. */
static int find_part(const struct fg_call *call, size_t *ret)
{
	const struct fg_value *value = &call->arguments[0];
	struct fg_view text, part;

	if (value->kind == FG_VALUE_JSON && value->len > 0 && value->text[0] == '[')
		return find_element(call, ret);
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_text(call, 1, &part);
	if (rc)
		return rc;
	const char *hit = find(text, 0, part);

	if (hit)
		*ret = characters(text.text, (size_t)(hit - text.text));
	return hit ? 1 : 0;
}

int fg_function_contains(const struct fg_call *call, struct fg_value *ret)
{
	size_t index;
	int rc = find_part(call, &index);

	if (rc < 0)
		return rc;
	*ret = fg_value_of_bool(rc > 0);
	return 0;
}

int fg_function_index_of(const struct fg_call *call, struct fg_value *ret)
{
	size_t index;
	int rc = find_part(call, &index);

	if (rc < 0)
		return rc;
	*ret = fg_value_of_number(rc > 0 ? (double)index : -1);
	return 0;
}

static int at_end(const struct fg_call *call, bool start, struct fg_value *ret)
{
	struct fg_view text, part;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_text(call, 1, &part);
	if (rc)
		return rc;
	bool fits = part.len <= text.len;
	size_t from = start || !fits ? 0 : text.len - part.len;

	*ret = fg_value_of_bool(fits && memcmp(text.text + from, part.text, part.len) == 0);
	return 0;
}

int fg_function_starts_with(const struct fg_call *call, struct fg_value *ret)
{
	return at_end(call, true, ret);
}

int fg_function_ends_with(const struct fg_call *call, struct fg_value *ret)
{
	return at_end(call, false, ret);
}
