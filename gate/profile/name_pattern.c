/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/name_pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "gate/base/str.h"

enum { TEXT_MAX = 1024, MATCH_STEPS_MAX = 100000, HEAP_KIB_MAX = 1024 };

struct fg_name_pattern {
	char *text; /* a piece of a name, or NULL */
	pcre2_code *regex;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

void fg_name_pattern_free(struct fg_name_pattern *pattern)
{
	if (!pattern)
		return;
	free(pattern->text);
	pcre2_match_data_free(pattern->data);
	pcre2_match_context_free(pattern->limits);
	pcre2_code_free(pattern->regex);
	free(pattern);
}

static int compile(struct fg_name_pattern *pattern, const char *text, size_t len,
		   struct fg_err *err)
{
	PCRE2_UCHAR message[128];
	size_t offset = 0;
	int code = 0;

	pattern->regex = pcre2_compile((PCRE2_SPTR)text, len,
				       PCRE2_UTF | PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C, &code,
				       &offset, NULL);
	if (!pattern->regex) {
		(void)pcre2_get_error_message(code, message, sizeof(message));
		return fg_err_set(err, FG_E_USAGE, "/%.*s/ at character %zu: %s", (int)len, text,
				  offset + 1, (const char *)message);
	}
	pattern->data = pcre2_match_data_create_from_pattern(pattern->regex, NULL);
	pattern->limits = pcre2_match_context_create(NULL);
	if (!pattern->data || !pattern->limits)
		return fg_err_nomem(err);
	(void)pcre2_set_match_limit(pattern->limits, MATCH_STEPS_MAX);
	(void)pcre2_set_heap_limit(pattern->limits, HEAP_KIB_MAX);
	return 0;
}

int fg_name_pattern_new(const char *text, struct fg_name_pattern **ret, struct fg_err *err)
{
	size_t len = strlen(text);

	if (!len)
		return fg_err_set(err, FG_E_USAGE, "an empty pattern finds everything");
	if (len > TEXT_MAX)
		return fg_err_set(err, FG_E_USAGE, "a pattern of over %d bytes", TEXT_MAX);
	struct fg_name_pattern *pattern = calloc(1, sizeof(*pattern));

	if (!pattern)
		return fg_err_nomem(err);
	int rc = len > 2 && text[0] == '/' && text[len - 1] == '/'
			 ? compile(pattern, text + 1, len - 2, err)
			 : fg_str_dup(text, &pattern->text, err);

	if (rc)
		fg_name_pattern_free(pattern);
	else
		*ret = pattern;
	return rc;
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* ASCII only: names of functions in other scripts match as they are written. */
static bool contains(const char *name, const char *piece)
{
	for (; *name; name++) {
		size_t i = 0;

		while (piece[i] && lower(name[i]) == lower(piece[i]))
			i++;
		if (!piece[i])
			return true;
	}
	return false;
}

bool fg_name_pattern_matches(const struct fg_name_pattern *pattern, const char *name)
{
	if (!pattern)
		return false;
	if (pattern->text)
		return contains(name, pattern->text);
	return pcre2_match(pattern->regex, (PCRE2_SPTR)name, strlen(name), 0, 0, pattern->data,
			   pattern->limits) >= 0;
}
