/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions, and how they read arguments and make results. */
#include "runner/scenario/function.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/str.h"
#include "runner/scenario/expr_internal.h"

#define MANY FG_EXPR_ARGUMENTS_MAX

/* clang-format off */
const struct fg_expr_function fg_expr_functions[] = {
	{"random", "", 0, 0, false, FG_PATTERN_NONE, fg_function_random,
	 "a number from 0 up to, not including, 1"},
	{"randomInt", "min, max", 2, 2, false, FG_PATTERN_NONE, fg_function_random_int,
	 "a whole number from min to max, both included"},
	{"randomIntBetween", "min, max", 2, 2, false, FG_PATTERN_NONE, fg_function_random_int,
	 "randomInt under k6's name"},
	{"randomFloat", "min, max", 2, 2, false, FG_PATTERN_NONE, fg_function_random_float,
	 "a number from min up to, not including, max"},
	{"randomItem", "list", 1, MANY, false, FG_PATTERN_NONE, fg_function_random_item,
	 "one element of a list, or one of several arguments"},
	{"randomString", "length, alphabet", 1, 2, false, FG_PATTERN_NONE, fg_function_random_string,
	 "characters of the alphabet (a-z, A-Z, 0-9)"},
	{"uuid", "", 0, 0, false, FG_PATTERN_NONE, fg_function_uuid, "a random UUID (version 4)"},
	{"uuidv4", "", 0, 0, false, FG_PATTERN_NONE, fg_function_uuid, "uuid under k6's name"},

	{"now", "", 0, 0, false, FG_PATTERN_NONE, fg_function_now, "milliseconds since 1970"},
	{"timestamp", "", 0, 0, false, FG_PATTERN_NONE, fg_function_timestamp,
	 "whole seconds since 1970"},
	{"isoTime", "ms", 0, 1, false, FG_PATTERN_NONE, fg_function_iso_time,
	 "2026-11-21T13:56:59.123Z; of now, or of milliseconds since 1970"},
	{"date", "format, ms", 1, 2, false, FG_PATTERN_NONE, fg_function_date,
	 "UTC by %Y %m %d %H %M %S %L (ms) %j %y %F %T %s %a %b %%; of now, or of milliseconds "
	 "since 1970"},

	{"upper", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_upper, "a-z to A-Z"},
	{"lower", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_lower, "A-Z to a-z"},
	{"trim", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_trim,
	 "without white space at both ends"},
	{"length", "value", 1, 1, true, FG_PATTERN_NONE, fg_function_length,
	 "characters of a text, elements of a list, members of an object; null: 0"},
	{"substring", "text, start, end", 2, 3, true, FG_PATTERN_NONE, fg_function_substring,
	 "characters from start (0: the first) up to, not including, end; negative: from the end"},
	{"replace", "text, from, to", 3, 3, true, FG_PATTERN_NONE, fg_function_replace,
	 "every occurrence replaced"},
	{"repeat", "text, count", 2, 2, true, FG_PATTERN_NONE, fg_function_repeat,
	 "the text so many times"},
	{"padStart", "text, length, fill", 2, 3, true, FG_PATTERN_NONE, fg_function_pad_start,
	 "filled at the start up to so many characters (fill: a space)"},
	{"contains", "text, part", 2, 2, true, FG_PATTERN_NONE, fg_function_contains,
	 "true if the text has the part, or the list the element"},
	{"startsWith", "text, part", 2, 2, true, FG_PATTERN_NONE, fg_function_starts_with,
	 "true if the text starts so"},
	{"endsWith", "text, part", 2, 2, true, FG_PATTERN_NONE, fg_function_ends_with,
	 "true if the text ends so"},
	{"indexOf", "text, part", 2, 2, true, FG_PATTERN_NONE, fg_function_index_of,
	 "which character (or element) it is, from 0; -1: none"},
	{"matches", "text, regex", 2, 2, true, FG_PATTERN_REGEX, fg_function_matches,
	 "true if the regular expression is found; it must be constant"},
	{"regexFind", "text, regex, group", 2, 3, true, FG_PATTERN_REGEX, fg_function_regex_find,
	 "what was found, or its group; null: nothing"},

	{"split", "text, separator", 2, 2, true, FG_PATTERN_NONE, fg_function_split, "a list of texts"},
	{"join", "list, separator", 1, 2, true, FG_PATTERN_NONE, fg_function_join,
	 "a text of the elements (separator: a comma)"},
	{"range", "start, end", 1, 2, true, FG_PATTERN_NONE, fg_function_range,
	 "range(3) is [0,1,2]; range(1, 3) is [1,2]"},
	{"json", "value", 1, 1, true, FG_PATTERN_NONE, fg_function_json, "the value as JSON text"},
	{"parseJson", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_parse_json,
	 "the value of a JSON text"},
	{"jsonPath", "value, path", 2, 2, true, FG_PATTERN_JSONPATH, fg_function_json_path,
	 "what the path finds in a JSON value or text; a list if it has wildcards; null: nothing"},
	{"default", "value, other", 2, 2, true, FG_PATTERN_NONE, fg_function_default,
	 "other if the value is null or empty text"},

	{"toNumber", "value", 1, 1, true, FG_PATTERN_NONE, fg_function_to_number,
	 "the number that the text is"},
	{"toInt", "value", 1, 1, true, FG_PATTERN_NONE, fg_function_to_int,
	 "the same without its fraction"},
	{"toString", "value", 1, 1, true, FG_PATTERN_NONE, fg_function_to_string, "as text"},
	{"round", "number, digits", 1, 2, true, FG_PATTERN_NONE, fg_function_round,
	 "half away from zero; digits behind the point (0)"},
	{"floor", "number", 1, 1, true, FG_PATTERN_NONE, fg_function_floor, "down to a whole number"},
	{"ceil", "number", 1, 1, true, FG_PATTERN_NONE, fg_function_ceil, "up to a whole number"},
	{"abs", "number", 1, 1, true, FG_PATTERN_NONE, fg_function_abs, "without its sign"},
	{"min", "a, b, …", 1, MANY, true, FG_PATTERN_NONE, fg_function_min,
	 "the least of the numbers, or of a list"},
	{"max", "a, b, …", 1, MANY, true, FG_PATTERN_NONE, fg_function_max,
	 "the greatest of the numbers, or of a list"},

	{"base64", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_base64, "with padding"},
	{"base64Url", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_base64_url,
	 "with - and _, without padding"},
	{"base64Decode", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_base64_decode,
	 "the bytes of either kind, padded or not"},
	{"hex", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_hex, "the bytes as two digits each"},
	{"urlEncode", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_url_encode,
	 "percent-encoded, all but A-Z a-z 0-9 - _ . ~"},
	{"urlDecode", "text", 1, 1, true, FG_PATTERN_NONE, fg_function_url_decode, "the reverse"},
	{"md5", "text, encoding", 1, 2, true, FG_PATTERN_NONE, fg_function_md5,
	 "digest; encoding: 'hex', 'base64' or 'base64url'"},
	{"sha1", "text, encoding", 1, 2, true, FG_PATTERN_NONE, fg_function_sha1, "as md5"},
	{"sha256", "text, encoding", 1, 2, true, FG_PATTERN_NONE, fg_function_sha256, "as md5"},
	{"sha512", "text, encoding", 1, 2, true, FG_PATTERN_NONE, fg_function_sha512, "as md5"},
	{"hmacSha1", "key, text, encoding", 2, 3, true, FG_PATTERN_NONE, fg_function_hmac_sha1,
	 "signature (RFC 2104); encoding as above"},
	{"hmacSha256", "key, text, encoding", 2, 3, true, FG_PATTERN_NONE, fg_function_hmac_sha256,
	 "as hmacSha1"},
	{"hmacSha512", "key, text, encoding", 2, 3, true, FG_PATTERN_NONE, fg_function_hmac_sha512,
	 "as hmacSha1"},
};
/* clang-format on */

const size_t fg_expr_function_count = FG_ARRAY_LEN(fg_expr_functions);

const struct fg_expr_function *fg_expr_find_function(const char *name, size_t len)
{
	for (size_t i = 0; i < fg_expr_function_count; i++)
		if (strlen(fg_expr_functions[i].name) == len &&
		    memcmp(fg_expr_functions[i].name, name, len) == 0)
			return &fg_expr_functions[i];
	return NULL;
}

const char *fg_expr_near_function(const char *name, size_t len)
{
	const char *candidates[FG_ARRAY_LEN(fg_expr_functions)];
	char word[64];

	if (len >= sizeof(word))
		return NULL;
	memcpy(word, name, len);
	word[len] = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(candidates); i++)
		candidates[i] = fg_expr_functions[i].name;
	return fg_str_nearest(word, candidates, FG_ARRAY_LEN(candidates));
}

/* -- arguments ------------------------------------------------------------------------------ */

int fg_call_fault(const struct fg_call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fg_err_setv(call->err, FG_E_INVALID, format, args);
	va_end(args);
	if (call->err)
		(void)fg_err_wrap(call->err, "%s(%s)", call->function->name,
				  call->function->arguments);
	return -(int)FG_E_INVALID;
}

int fg_call_text(const struct fg_call *call, unsigned index, struct fg_view *ret)
{
	const struct fg_value *value = &call->arguments[index];
	char buffer[FG_VALUE_NUMBER_MAX];
	size_t len;
	const char *text = fg_value_view(value, buffer, &len);

	if (text == buffer) {
		text = fg_arena_copy(call->env->arena, text, len);
		if (!text)
			return fg_err_set(call->err, FG_E_LIMIT, "%s(): no room for %zu bytes",
					  call->function->name, len);
	}
	*ret = (struct fg_view){text, len};
	return 0;
}

int fg_call_number(const struct fg_call *call, unsigned index, double *ret)
{
	const struct fg_value *value = &call->arguments[index];

	if (fg_value_number(value, ret))
		return 0;
	return fg_call_fault(call, "argument %u must be a number, got %s%s%.*s%s", index + 1,
			     fg_value_kind_name(value), value->kind == FG_VALUE_TEXT ? " \"" : "",
			     value->kind == FG_VALUE_TEXT ? (int)FG_MIN(value->len, (size_t)40) : 0,
			     value->kind == FG_VALUE_TEXT && value->len ? value->text : "",
			     value->kind == FG_VALUE_TEXT ? "\"" : "");
}

int fg_call_integer(const struct fg_call *call, unsigned index, int64_t min, int64_t max,
		    int64_t *ret)
{
	char text[FG_VALUE_NUMBER_MAX];
	double number;
	int rc = fg_call_number(call, index, &number);

	if (rc)
		return rc;
	(void)fg_value_number_text(number, text);
	if (number != floor(number) || fabs(number) > 0x1p53)
		return fg_call_fault(call, "argument %u must be a whole number, got %s", index + 1,
				     text);
	if ((int64_t)number < min || (int64_t)number > max)
		return fg_call_fault(call, "argument %u must be from %jd to %jd, got %s", index + 1,
				     (intmax_t)min, (intmax_t)max, text);
	*ret = (int64_t)number;
	return 0;
}

int fg_call_list(const struct fg_call *call, unsigned index, struct fg_view *ret)
{
	const struct fg_value *value = &call->arguments[index];

	if (value->kind != FG_VALUE_JSON || value->len == 0 || value->text[0] != '[')
		return fg_call_fault(call, "argument %u must be a list, got %s", index + 1,
				     fg_value_kind_name(value));
	*ret = (struct fg_view){value->text, value->len};
	return 0;
}

/* -- results -------------------------------------------------------------------------------- */

int fg_call_room(const struct fg_call *call, size_t len, char **ret)
{
	char *room = fg_arena_alloc(call->env->arena, len);

	if (!room)
		return fg_err_set(call->err, FG_E_LIMIT,
				  "%s(): %zu bytes do not fit into what is left of %zu",
				  call->function->name, len, call->env->arena->max);
	*ret = room;
	return 0;
}

struct fg_value fg_value_of_text(const char *text, size_t len)
{
	return (struct fg_value){.kind = FG_VALUE_TEXT, .text = text, .len = len};
}

struct fg_value fg_value_of_number(double number)
{
	return (struct fg_value){.kind = FG_VALUE_NUMBER, .number = number};
}

struct fg_value fg_value_of_bool(bool boolean)
{
	return (struct fg_value){.kind = FG_VALUE_BOOL, .boolean = boolean};
}

int fg_call_return_number(const struct fg_call *call, double number, struct fg_value *ret)
{
	if (!isfinite(number))
		return fg_call_fault(call, "the result is too large");
	*ret = fg_value_of_number(number);
	return 0;
}
