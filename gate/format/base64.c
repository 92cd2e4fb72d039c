/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/format/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void fg_base64_encode(const void *bytes, size_t len, struct fg_buf *out)
{
	const unsigned char *from = bytes;
	size_t text_len;

	if (__builtin_mul_overflow(len / 3 + 1, (size_t)4, &text_len)) {
		out->failed = true;
		return;
	}
	text_len = (len + 2) / 3 * 4;
	char *to = fg_buf_reserve(out, text_len);

	if (!to)
		return;
	for (; len >= 3; len -= 3, from += 3) {
		unsigned three = (unsigned)from[0] << 16 | (unsigned)from[1] << 8 | from[2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*to++ = alphabet[three >> shift & 63];
	}
	if (len) {
		unsigned three = (unsigned)from[0] << 16 | (len == 2 ? (unsigned)from[1] << 8 : 0);

		*to++ = alphabet[three >> 18];
		*to++ = alphabet[three >> 12 & 63];
		*to++ = '=';
		*to++ = '=';
		if (len == 2)
			to[-2] = alphabet[three >> 6 & 63];
	}
	fg_buf_commit(out, text_len);
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bits below the last byte must be zero, so that one value has one text. */
static bool decode_four(const char *text, size_t digits, unsigned char *to)
{
	unsigned bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? value_of(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
	}
	for (size_t i = 0; i + 1 < digits; i++)
		to[i] = (unsigned char)(bits >> (16 - 8 * i));
	return digits == 4 || (bits & (digits == 3 ? 0xffu : 0xffffu)) == 0;
}

int fg_base64_decode(const char *text, size_t len, struct fg_buf *out, struct fg_err *err)
{
	size_t digits = len;

	if (len % 4 != 0)
		return fg_err_set(err, FG_E_INVALID, "base64 text is cut off");
	if (len == 0)
		return 0;
	for (int i = 0; i < 2 && text[digits - 1] == '='; i++)
		digits--;
	size_t bytes = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
	unsigned char *to = (unsigned char *)fg_buf_reserve(out, bytes);

	if (!to)
		return fg_buf_check(out, err);
	for (size_t at = 0; at < digits; at += 4) {
		size_t now = FG_MIN(digits - at, (size_t)4);

		if (!decode_four(text + at, now, to)) {
			out->data[out->len] = '\0'; /* reserve() lent us its place */
			return fg_err_set(err, FG_E_INVALID, "not base64 near offset %zu", at);
		}
		to += now - 1;
	}
	fg_buf_commit(out, bytes);
	return 0;
}
