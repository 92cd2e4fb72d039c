/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/utf8.h"

#include <string.h>

/* Length of the valid character at `p` (1 to 4), or 0: overlong forms, surrogates, code points
 * above U+10FFFF and NUL are not valid. */
static size_t char_len(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] ? 1 : 0;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
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
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;
	size_t written = 0;

	while (at < len) {
		size_t n = char_len(p + at, len - at);
		const char *from = n ? text + at : replacement;
		size_t out_len = n ? n : sizeof(replacement) - 1;

		if (written + out_len >= size_bytes)
			break;
		memcpy(out + written, from, out_len);
		written += out_len;
		at += n ? n : 1;
	}
	out[written] = '\0';
	return written;
}
