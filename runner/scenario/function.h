/* SPDX-License-Identifier: Apache-2.0 */
/* What the functions of expressions are given. For function*.c and expr*.c only. */
#ifndef FG_SCENARIO_FUNCTION_H
#define FG_SCENARIO_FUNCTION_H

#include "runner/scenario/expr.h"

struct fg_call {
	const struct fg_expr_function *function;
	const struct fg_expr_env *env;
	const struct fg_value *arguments;
	unsigned count;
	const void *compiled; /* as function->pattern says */
	struct fg_err *err;
};

/* A text as bytes. */
struct fg_view {
	const char *text;
	size_t len;
};

/* -- arguments; each fault names the function and the argument ------------------------------- */

/** INVALID: "randomInt(min, max): …" */
int fg_call_fault(const struct fg_call *call, const char *format, ...) FG_PRINTF(2, 3);
/** The argument as it prints; numbers are printed into the arena. */
int fg_call_text(const struct fg_call *call, unsigned index, struct fg_view *ret) FG_MUST_USE;
int fg_call_number(const struct fg_call *call, unsigned index, double *ret) FG_MUST_USE;
/** A whole number from `min` to `max`. */
int fg_call_integer(const struct fg_call *call, unsigned index, int64_t min, int64_t max,
		    int64_t *ret) FG_MUST_USE;
/** A list. */
int fg_call_list(const struct fg_call *call, unsigned index, struct fg_view *ret) FG_MUST_USE;

/* -- results -------------------------------------------------------------------------------- */

/** `len` bytes of the arena; LIMIT when it is full. */
int fg_call_room(const struct fg_call *call, size_t len, char **ret) FG_MUST_USE;
struct fg_value fg_value_of_text(const char *text, size_t len);
struct fg_value fg_value_of_number(double number);
struct fg_value fg_value_of_bool(bool boolean);
/** INVALID if it is not finite. */
int fg_call_return_number(const struct fg_call *call, double number,
			  struct fg_value *ret) FG_MUST_USE;

/* -- the functions, by file ------------------------------------------------------------------ */

typedef int fg_function(const struct fg_call *call, struct fg_value *ret);

fg_function fg_function_random, fg_function_random_int, fg_function_random_float,
	fg_function_random_item, fg_function_random_string, fg_function_uuid;
fg_function fg_function_now, fg_function_timestamp, fg_function_iso_time, fg_function_date;
fg_function fg_function_upper, fg_function_lower, fg_function_trim, fg_function_length,
	fg_function_substring, fg_function_replace, fg_function_contains, fg_function_starts_with,
	fg_function_ends_with, fg_function_index_of, fg_function_repeat, fg_function_pad_start,
	fg_function_to_string;
fg_function fg_function_split, fg_function_join, fg_function_range, fg_function_json,
	fg_function_parse_json, fg_function_json_path, fg_function_matches, fg_function_regex_find;
fg_function fg_function_to_number, fg_function_to_int, fg_function_round, fg_function_floor,
	fg_function_ceil, fg_function_abs, fg_function_min, fg_function_max, fg_function_default;
fg_function fg_function_base64, fg_function_base64_url, fg_function_base64_decode, fg_function_hex,
	fg_function_url_encode, fg_function_url_decode;
fg_function fg_function_md5, fg_function_sha1, fg_function_sha256, fg_function_sha512,
	fg_function_hmac_sha1, fg_function_hmac_sha256, fg_function_hmac_sha512;

/* function_code.c: writes into `out` (NULL: only measures); returns the length. */
size_t fg_hex_write(const unsigned char *bytes, size_t len, char *out);
size_t fg_base64_write(const unsigned char *bytes, size_t len, bool url, char *out);

#endif
