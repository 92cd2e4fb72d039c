/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of lists and JSON, and those whose second argument is compiled. */
#include "runner/scenario/function.h"

#include <string.h>

#include "runner/scenario/jscan.h"
#include "runner/scenario/jsonpath.h"
#include "runner/scenario/regex.h"

static struct fg_value of_json(const char *text, size_t len)
{
	return (struct fg_value){.kind = FG_VALUE_JSON, .text = text, .len = len};
}

/* -- lists ---------------------------------------------------------------------------------- */

/* The next piece of a text; without a separator each character is one. False: no more. */
static bool next_piece(struct fg_view text, struct fg_view separator, size_t *at,
		       struct fg_view *ret)
{
	size_t start = *at;

	if (start > text.len || (separator.len == 0 && start == text.len))
		return false;
	if (separator.len == 0) {
		do
			++*at;
		while (*at < text.len && ((unsigned char)text.text[*at] & 0xc0) == 0x80);
		*ret = (struct fg_view){text.text + start, *at - start};
		return true;
	}
	const char *hit =
		memmem(text.text + start, text.len - start, separator.text, separator.len);
	size_t end = hit ? (size_t)(hit - text.text) : text.len;

	*ret = (struct fg_view){text.text + start, end - start};
	*at = hit ? end + separator.len : text.len + 1;
	return true;
}

/* The list as JSON into `out`, or only its length if that is NULL. */
static size_t write_pieces(struct fg_view text, struct fg_view separator, char *out,
			   size_t *ret_count)
{
	struct fg_view piece;
	size_t at = 0, len = 1;

	*ret_count = 0;
	while (next_piece(text, separator, &at, &piece)) {
		struct fg_value value = fg_value_of_text(piece.text, piece.len);

		if (*ret_count > 0) {
			if (out)
				out[len] = ',';
			len++;
		}
		len += fg_value_write_json(&value, out ? out + len : NULL);
		++*ret_count;
	}
	if (out) {
		out[0] = '[';
		out[len] = ']';
	}
	return len + 1;
}

int fg_function_split(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text, separator;
	size_t count;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_text(call, 1, &separator);
	if (rc)
		return rc;
	size_t len = write_pieces(text, separator, NULL, &count);

	if (count > FG_EXPR_LIST_MAX)
		return fg_call_fault(call, "the list has more than %d elements", FG_EXPR_LIST_MAX);
	rc = fg_call_room(call, len, &out);
	if (rc)
		return rc;
	(void)write_pieces(text, separator, out, &count);
	*ret = of_json(out, len);
	return 0;
}

/* Joined into `out`, or only measured if that is NULL. */
static int write_joined(const struct fg_call *call, struct fg_view list, struct fg_view separator,
			char *out, size_t *ret_len)
{
	struct fg_jscan_walk walk;
	size_t len = 0;
	int rc = fg_jscan_open(&walk, list.text, list.len, 0, call->err);

	for (size_t i = 0; rc > 0 && (rc = fg_jscan_next(&walk, call->err)) > 0; i++) {
		char buffer[FG_VALUE_NUMBER_MAX];
		struct fg_value element;
		size_t piece_len;

		int taken = fg_jscan_take(list.text, list.len, walk.value, call->env->arena,
					  &element, NULL, call->err);
		if (taken < 0)
			return taken;
		const char *piece = fg_value_view(&element, buffer, &piece_len);

		if (out && i > 0)
			memcpy(out + len, separator.text, separator.len);
		len += i > 0 ? separator.len : 0;
		if (out)
			memcpy(out + len, piece, piece_len);
		len += piece_len;
	}
	*ret_len = len;
	return FG_MIN(rc, 0);
}

int fg_function_join(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view list, separator = {",", 1};
	size_t len;
	char *out;
	int rc = fg_call_list(call, 0, &list);

	if (rc == 0 && call->count > 1)
		rc = fg_call_text(call, 1, &separator);
	if (rc == 0)
		rc = write_joined(call, list, separator, NULL, &len);
	if (rc == 0)
		rc = fg_call_room(call, len, &out);
	if (rc == 0)
		rc = write_joined(call, list, separator, out, &len);
	if (rc == 0)
		*ret = fg_value_of_text(out, len);
	return rc;
}

int fg_function_range(const struct fg_call *call, struct fg_value *ret)
{
	int64_t start = 0, end;
	char *out;
	size_t len = 0;
	int rc = fg_call_integer(call, call->count - 1, -INT32_MAX, INT32_MAX, &end);

	if (rc == 0 && call->count > 1)
		rc = fg_call_integer(call, 0, -INT32_MAX, INT32_MAX, &start);
	if (rc)
		return rc;
	if (end - start > FG_EXPR_LIST_MAX)
		return fg_call_fault(call, "the list has more than %d elements", FG_EXPR_LIST_MAX);
	rc = fg_call_room(call, 2 + (size_t)FG_MAX(end - start, 0) * 12, &out);
	if (rc)
		return rc;
	out[len++] = '[';
	for (int64_t i = start; i < end; i++) {
		char number[FG_VALUE_NUMBER_MAX];
		size_t n = fg_value_number_text((double)i, number);

		if (i > start)
			out[len++] = ',';
		memcpy(out + len, number, n);
		len += n;
	}
	out[len++] = ']';
	*ret = of_json(out, len);
	return 0;
}

/* -- JSON ----------------------------------------------------------------------------------- */

int fg_function_json(const struct fg_call *call, struct fg_value *ret)
{
	size_t len = fg_value_write_json(&call->arguments[0], NULL);
	char *out;
	int rc = fg_call_room(call, len, &out);

	if (rc)
		return rc;
	(void)fg_value_write_json(&call->arguments[0], out);
	*ret = fg_value_of_text(out, len);
	return 0;
}

int fg_function_parse_json(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	struct fg_err why;
	int rc = fg_call_text(call, 0, &text);

	if (rc)
		return rc;
	if (call->arguments[0].kind != FG_VALUE_TEXT) {
		*ret = call->arguments[0];
		return 0;
	}
	if (fg_jscan_check(text.text, text.len, &why))
		return fg_call_fault(call, "%s", why.message);
	return fg_jscan_take(text.text, text.len, fg_jscan_space(text.text, text.len, 0),
			     call->env->arena, ret, NULL, call->err);
}

int fg_function_json_path(const struct fg_call *call, struct fg_value *ret)
{
	const struct fg_value *value = &call->arguments[0];
	const struct fg_jsonpath *path = call->compiled;
	struct fg_err why;
	int rc;

	*ret = (struct fg_value){.kind = FG_VALUE_NULL};
	if (value->kind == FG_VALUE_NULL)
		return 0;
	if (value->kind != FG_VALUE_JSON && value->kind != FG_VALUE_TEXT)
		return fg_call_fault(call, "argument 1 must be JSON, got %s",
				     fg_value_kind_name(value));
	if (fg_jsonpath_definite(path))
		rc = fg_jsonpath_find(path, value->text, value->len, call->env->arena, ret, &why);
	else
		rc = fg_jsonpath_all(path, value->text, value->len, call->env->arena, ret, &why);
	if (rc == -FG_E_INVALID)
		return fg_call_fault(call, "%s", why.message);
	if (rc < 0)
		return fg_err_set(call->err, why.code, "jsonPath(): %s", why.message);
	return 0;
}

/* -- regular expressions -------------------------------------------------------------------- */

/* 1: found, 0: not. Without match data of the caller's some is made for this call. */
static int find(const struct fg_call *call, unsigned group, struct fg_view *ret)
{
	struct fg_regex_match *match = call->env->regex_match;
	struct fg_view text;
	struct fg_err why;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0 && !match)
		rc = fg_regex_match_new(&match, call->err);
	if (rc)
		return rc;
	rc = fg_regex_find(call->compiled, match, text.text, text.len, group, &ret->text, &ret->len,
			   &why);
	if (!call->env->regex_match)
		fg_regex_match_free(match);
	if (rc < 0)
		return fg_err_set(call->err, why.code, "%s(): %s", call->function->name,
				  why.message);
	return rc;
}

int fg_function_matches(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view found;
	int rc = find(call, 0, &found);

	if (rc < 0)
		return rc;
	*ret = fg_value_of_bool(rc > 0);
	return 0;
}

int fg_function_regex_find(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view found;
	int64_t group = 0;
	int rc = 0;

	if (call->count > 2)
		rc = fg_call_integer(call, 2, 0, fg_regex_groups(call->compiled), &group);
	if (rc == 0)
		rc = find(call, (unsigned)group, &found);
	if (rc < 0)
		return rc;
	*ret = rc > 0 ? fg_value_of_text(found.text, found.len)
		      : (struct fg_value){.kind = FG_VALUE_NULL};
	return 0;
}
