/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/utf8.h"

#include <string.h>

/* Well-formed UTF-8 by first byte (Unicode table 3-7): what the second byte may be, and how many
 * bytes there are. Further bytes are 0x80…0xbf. */
static const struct {
	unsigned char first, last;
	unsigned char second_low, second_high;
	unsigned char len;
} rows[] = {
	{.first = 0xc2, .last = 0xdf, .second_low = 0x80, .second_high = 0xbf, .len = 2},
	{.first = 0xe0, .last = 0xe0, .second_low = 0xa0, .second_high = 0xbf, .len = 3},
	{.first = 0xe1, .last = 0xec, .second_low = 0x80, .second_high = 0xbf, .len = 3},
	{.first = 0xed, .last = 0xed, .second_low = 0x80, .second_high = 0x9f, .len = 3},
	{.first = 0xee, .last = 0xef, .second_low = 0x80, .second_high = 0xbf, .len = 3},
	{.first = 0xf0, .last = 0xf0, .second_low = 0x90, .second_high = 0xbf, .len = 4},
	{.first = 0xf1, .last = 0xf3, .second_low = 0x80, .second_high = 0xbf, .len = 4},
	{.first = 0xf4, .last = 0xf4, .second_low = 0x80, .second_high = 0x8f, .len = 4},
};

/* Looks at a further byte only if those before it fit. */
static size_t char_len(const unsigned char *at, size_t left)
{
	size_t row = 0;

	if (left == 0 || at[0] == '\0')
		return 0;
	if (at[0] < 0x80)
		return 1;
	while (row < FG_ARRAY_LEN(rows) && at[0] > rows[row].last)
		row++;
	if (row == FG_ARRAY_LEN(rows) || at[0] < rows[row].first || rows[row].len > left)
		return 0;
	if (at[1] < rows[row].second_low || at[1] > rows[row].second_high)
		return 0;
	for (size_t i = 2; i < rows[row].len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return rows[row].len;
}

size_t fg_utf8_len(const char *text)
{
	return char_len((const unsigned char *)text, SIZE_MAX);
}

bool fg_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;

	while (at < len) {
		size_t n = char_len(p + at, len - at);

		if (!n)
			return false;
		at += n;
	}
	return true;
}

size_t fg_utf8_clean(const char *text, size_t len, char *out, size_t size_bytes)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;
	size_t written = 0;

	while (at < len) {
		size_t n = char_len(p + at, len - at);
		const char *from = n ? text + at : FG_UTF8_REPLACEMENT;
		size_t out_len = n ? n : sizeof(FG_UTF8_REPLACEMENT) - 1;

		if (written + out_len >= size_bytes)
			break;
		memcpy(out + written, from, out_len);
		written += out_len;
		at += n ? n : 1;
	}
	out[written] = '\0';
	return written;
}
