/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/str.h"

#include <stdlib.h>
#include <string.h>

int fg_str_ndup(const char *text, size_t len, char **ret, struct fg_err *err)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return fg_err_nomem(err);
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	*ret = copy;
	return 0;
}

int fg_str_dup(const char *text, char **ret, struct fg_err *err)
{
	return fg_str_ndup(text, strlen(text), ret, err);
}

int fg_str_replace(const char *value, char **text, struct fg_err *err)
{
	char *copy = NULL;
	int rc = fg_str_dup(value, &copy, err);

	if (rc)
		return rc;
	free(*text);
	*text = copy;
	return 0;
}

bool fg_str_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool fg_str_ends_with(const char *text, const char *suffix)
{
	size_t text_len = strlen(text);
	size_t suffix_len = strlen(suffix);

	return suffix_len <= text_len && strcmp(text + text_len - suffix_len, suffix) == 0;
}

enum { WORD_MAX = 64 };

/* Damerau–Levenshtein (adjacent swaps count one), three rows; words longer than WORD_MAX are far
 * from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);
	size_t rows[3][WORD_MAX + 1];

	if (a_len > WORD_MAX || b_len > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];
		const size_t *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);

			best = FG_MIN(best, above[j] + 1);
			best = FG_MIN(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = FG_MIN(best, two_above[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

const char *fg_str_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t limit = strlen(word) / 3;
	const char *nearest = NULL;

	limit = FG_MIN(FG_MAX(limit, (size_t)1), (size_t)3);
	size_t best = limit + 1;

	for (size_t i = 0; i < count; i++) {
		if (!candidates[i])
			continue;
		size_t d = distance(word, candidates[i]);

		if (d < best) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

bool fg_str_glob(const char *pattern, const char *text)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			retry = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
