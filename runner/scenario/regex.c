/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

/* Steps of a match. JIT code counts fewer of them than the interpreter. One takes about 10 ns. */
enum { MATCH_LIMIT = 2000000, DEPTH_LIMIT = 100000, HEAP_LIMIT_KIB = 20 << 10 };

struct fg_regex {
	pcre2_code *code;
	uint32_t groups;
};

struct fg_regex_match {
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static int compile(const char *text, size_t len, pcre2_code **ret, struct fg_err *err)
{
	int fault;
	PCRE2_SIZE offset;
	/* Bodies come from strangers: what is not UTF-8 in them matches nothing, and is no error.
	 */
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)text, len,
			      PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &fault,
			      &offset, NULL);

	if (!code) {
		PCRE2_UCHAR message[160] = "";

		if (fault == PCRE2_ERROR_HEAP_FAILED)
			return fg_err_nomem(err);
		(void)pcre2_get_error_message(fault, message, sizeof(message));
		int rc = fg_err_set(err, FG_E_INVALID, "not a regular expression: %s",
				    (const char *)message);
		if (err)
			err->column = (unsigned)FG_MIN(offset, len) + 1;
		return rc;
	}
	/* No JIT on this machine or for this pattern: the interpreter does the same, slower. */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	*ret = code;
	return 0;
}

int fg_regex_compile(const char *text, size_t len, struct fg_regex **ret, struct fg_err *err)
{
	pcre2_code *code;

	if (len > FG_REGEX_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT,
				  "a regular expression of %zu bytes; the limit is %d", len,
				  FG_REGEX_TEXT_MAX);
	int rc = compile(len ? text : "", len, &code, err);

	if (rc)
		return rc;
	struct fg_regex *regex = calloc(1, sizeof(*regex));

	if (!regex) {
		pcre2_code_free(code);
		return fg_err_nomem(err);
	}
	regex->code = code;
	(void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
	if (regex->groups > FG_REGEX_GROUPS_MAX) {
		rc = fg_err_set(err, FG_E_LIMIT,
				"a regular expression with %u groups; the limit is %d",
				(unsigned)regex->groups, FG_REGEX_GROUPS_MAX);
		fg_regex_free(regex);
		return rc;
	}
	*ret = regex;
	return 0;
}

void fg_regex_free(struct fg_regex *regex)
{
	if (!regex)
		return;
	pcre2_code_free(regex->code);
	free(regex);
}

unsigned fg_regex_groups(const struct fg_regex *regex)
{
	return regex->groups;
}

int fg_regex_group(const struct fg_regex *regex, const char *name)
{
	int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);

	return number > 0 ? number : -1;
}

int fg_regex_match_new(struct fg_regex_match **ret, struct fg_err *err)
{
	struct fg_regex_match *match = calloc(1, sizeof(*match));

	if (!match)
		return fg_err_nomem(err);
	match->data = pcre2_match_data_create(FG_REGEX_GROUPS_MAX + 1, NULL);
	match->limits = pcre2_match_context_create(NULL);
	if (!match->data || !match->limits) {
		fg_regex_match_free(match);
		return fg_err_nomem(err);
	}
	(void)pcre2_set_match_limit(match->limits, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(match->limits, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(match->limits, HEAP_LIMIT_KIB);
	*ret = match;
	return 0;
}

void fg_regex_match_free(struct fg_regex_match *match)
{
	if (!match)
		return;
	pcre2_match_data_free(match->data);
	pcre2_match_context_free(match->limits);
	free(match);
}

static int report(int fault, struct fg_err *err)
{
	PCRE2_UCHAR message[160] = "";

	(void)pcre2_get_error_message(fault, message, sizeof(message));
	switch (fault) {
	case PCRE2_ERROR_NOMEMORY:
		return fg_err_nomem(err);
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
		return fg_err_set(err, FG_E_LIMIT,
				  "the regular expression gave up (%s): it takes too many steps on "
				  "this text",
				  (const char *)message);
	default:
		return fg_err_set(err, FG_E_INTERNAL, "regular expression: %s",
				  (const char *)message);
	}
}

int fg_regex_find(const struct fg_regex *regex, struct fg_regex_match *match, const char *text,
		  size_t len, unsigned group, const char **ret_text, size_t *ret_len,
		  struct fg_err *err)
{
	PCRE2_SPTR subject = (PCRE2_SPTR)(len ? text : "");
	int rc = pcre2_match(regex->code, subject, len, 0, 0, match->data, match->limits);

	/* JIT code has 32 KiB of stack; the interpreter has the heap up to its limit. */
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(regex->code, subject, len, 0, PCRE2_NO_JIT, match->data,
				 match->limits);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return report(rc, err);
	const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(match->data);

	if (group > regex->groups || group >= (unsigned)rc ||
	    offsets[2 * (size_t)group] == PCRE2_UNSET)
		return 0;
	size_t start = offsets[2 * (size_t)group];
	size_t end = offsets[2 * (size_t)group + 1];

	*ret_text = (const char *)subject + start;
	*ret_len = end - start;
	return 1;
}
