/* SPDX-License-Identifier: Apache-2.0 */
/* Functions between bytes and text: base64 (RFC 4648), hex, percent-encoding (RFC 3986). */
#include "runner/scenario/function.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t fg_hex_write(const unsigned char *bytes, size_t len, char *out)
{
	for (size_t i = 0; out && i < len; i++) {
		out[2 * i] = hex_digits[bytes[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	return 2 * len;
}

size_t fg_base64_write(const unsigned char *bytes, size_t len, bool url, char *out)
{
	const char *alphabet = url ? url_safe : standard;
	size_t n = 0;

	if (!out)
		return url ? len / 3 * 4 + (len % 3 ? len % 3 + 1 : 0) : (len + 2) / 3 * 4;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = FG_MIN(len - i, (size_t)3);
		uint32_t bits = (uint32_t)bytes[i] << 16;

		if (left > 1)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			bits |= bytes[i + 2];
		for (size_t k = 0; k < left + 1; k++)
			out[n++] = alphabet[bits >> (18 - 6 * k) & 63];
		for (size_t k = left; !url && k < 3; k++)
			out[n++] = '=';
	}
	return n;
}

static int encode_base64(const struct fg_call *call, bool url, struct fg_value *ret)
{
	struct fg_view text;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, fg_base64_write(NULL, text.len, url, NULL), &out);
	if (rc)
		return rc;
	size_t len = fg_base64_write((const unsigned char *)text.text, text.len, url, out);

	*ret = fg_value_of_text(out, len);
	return 0;
}

int fg_function_base64(const struct fg_call *call, struct fg_value *ret)
{
	return encode_base64(call, false, ret);
}

int fg_function_base64_url(const struct fg_call *call, struct fg_value *ret)
{
	return encode_base64(call, true, ret);
}

/* The six bits of a letter of either alphabet, or -1. */
static int six_bits(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

int fg_function_base64_decode(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	uint32_t bits = 0;
	size_t n = 0;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, text.len, &out);
	if (rc)
		return rc;
	size_t padding = 0;

	while (padding < 2 && text.len > padding && text.text[text.len - 1 - padding] == '=')
		padding++;
	if (padding > 0 && text.len % 4 != 0)
		return fg_call_fault(call, "not base64: wrong padding");
	size_t letters = text.len - padding;

	if (letters % 4 == 1)
		return fg_call_fault(call, "not base64: a letter is missing");
	for (size_t i = 0; i < letters; i++) {
		int value = six_bits(text.text[i]);

		if (value < 0)
			return fg_call_fault(call, "not base64: byte %zu", i + 1);
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 > 0)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	*ret = fg_value_of_text(out, n);
	return 0;
}

int fg_function_hex(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, 2 * text.len, &out);
	if (rc)
		return rc;
	size_t len = fg_hex_write((const unsigned char *)text.text, text.len, out);

	*ret = fg_value_of_text(out, len);
	return 0;
}

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-_.~", c));
}

int fg_function_url_encode(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	size_t n = 0;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, 3 * text.len, &out);
	if (rc)
		return rc;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.text[i];

		if (is_unreserved(text.text[i])) {
			out[n++] = text.text[i];
			continue;
		}
		out[n++] = '%';
		out[n++] = "0123456789ABCDEF"[byte >> 4];
		out[n++] = "0123456789ABCDEF"[byte & 15];
	}
	*ret = fg_value_of_text(out, n);
	return 0;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int fg_function_url_decode(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view text;
	size_t n = 0;
	char *out;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = fg_call_room(call, text.len, &out);
	if (rc)
		return rc;
	for (size_t i = 0; i < text.len; i++) {
		if (text.text[i] != '%') {
			out[n++] = text.text[i];
			continue;
		}
		int high = i + 2 < text.len ? nibble(text.text[i + 1]) : -1;
		int low = i + 2 < text.len ? nibble(text.text[i + 2]) : -1;

		if (high < 0 || low < 0)
			return fg_call_fault(call, "byte %zu: %% needs two hexadecimal digits",
					     i + 1);
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret = fg_value_of_text(out, n);
	return 0;
}
