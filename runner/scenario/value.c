/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/utf8.h"

/* -- numbers -------------------------------------------------------------------------------- */

/* Significant digits and the decimal exponent of the first one. */
struct decimal {
	char digits[24];
	int count, exponent;
};

/* 15 digits are always exact for the text they came from, 17 for the double; subnormal numbers may
 * need fewer. */
static void shortest_digits(double number, struct decimal *ret)
{
	char text[40];
	int first = number < 1e-300 ? 1 : 15;

	for (int precision = first; precision <= 17; precision++) {
		double again;
		int len = snprintf(text, sizeof(text), "%.*e", precision - 1, number);

		if (precision == 17 ||
		    (fg_num_double(text, (size_t)len, &again, NULL) == 0 && again == number))
			break;
	}
	const char *exponent = strchr(text, 'e');
	int64_t value = 0;

	ret->count = 0;
	for (const char *at = text; at < exponent; at++)
		if (*at != '.')
			ret->digits[ret->count++] = *at;
	while (ret->count > 1 && ret->digits[ret->count - 1] == '0')
		ret->count--;
	exponent += exponent[1] == '+' ? 2 : 1;
	(void)!fg_num_i64(exponent, strlen(exponent), &value, NULL);
	ret->exponent = (int)value;
}

static size_t put_zeros(char *out, int count)
{
	for (int i = 0; i < count; i++)
		out[i] = '0';
	return (size_t)FG_MAX(count, 0);
}

static size_t put_digits(char *out, const struct decimal *d, int from, int to)
{
	if (to <= from)
		return 0;
	memcpy(out, d->digits + from, (size_t)(to - from));
	return (size_t)(to - from);
}

/* JavaScript's layout: 123, 1.5, 0.000001, 1e-7, 1e21. */
static size_t lay_out(const struct decimal *d, char *out)
{
	size_t n = 0;

	if (d->exponent >= 21 || d->exponent < -6) {
		n += put_digits(out, d, 0, 1);
		if (d->count > 1)
			out[n++] = '.';
		n += put_digits(out + n, d, 1, d->count);
		return n + (size_t)snprintf(out + n, 8, "e%+d", d->exponent);
	}
	if (d->exponent < 0) {
		out[n++] = '0';
		out[n++] = '.';
		n += put_zeros(out + n, -d->exponent - 1);
		return n + put_digits(out + n, d, 0, d->count);
	}
	int whole = d->exponent + 1;

	n += put_digits(out, d, 0, FG_MIN(whole, d->count));
	n += put_zeros(out + n, whole - d->count);
	if (d->count > whole)
		out[n++] = '.';
	return n + put_digits(out + n, d, whole, d->count);
}

static size_t print_integer(uint64_t magnitude, char *out)
{
	char digits[20];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + magnitude % 10);
		magnitude /= 10;
	} while (magnitude > 0);
	for (size_t i = 0; i < count; i++)
		out[i] = digits[count - 1 - i];
	return count;
}

size_t fg_value_number_text(double number, char buffer[FG_VALUE_NUMBER_MAX])
{
	double magnitude = fabs(number);
	size_t n = 0;

	if (!isfinite(number)) /* no operation of ours yields one; JSON has no word for it */
		return (size_t)snprintf(buffer, FG_VALUE_NUMBER_MAX, "null");
	if (number < 0)
		buffer[n++] = '-';
	if (magnitude < 0x1p53 && magnitude == floor(magnitude)) {
		n += print_integer((uint64_t)magnitude, buffer + n);
	} else {
		struct decimal d;

		shortest_digits(magnitude, &d);
		n += lay_out(&d, buffer + n);
	}
	buffer[n] = '\0';
	return n;
}

/* -- printing ------------------------------------------------------------------------------- */

const char *fg_value_view(const struct fg_value *value, char buffer[FG_VALUE_NUMBER_MAX],
			  size_t *ret_len)
{
	switch (value->kind) {
	case FG_VALUE_NULL:
		*ret_len = 0;
		return "";
	case FG_VALUE_BOOL:
		*ret_len = value->boolean ? 4 : 5;
		return value->boolean ? "true" : "false";
	case FG_VALUE_NUMBER:
		if (value->text)
			break;
		*ret_len = fg_value_number_text(value->number, buffer);
		return buffer;
	case FG_VALUE_TEXT:
	case FG_VALUE_JSON:
		break;
	}
	*ret_len = value->len;
	return value->len ? value->text : "";
}

void fg_value_print(const struct fg_value *value, struct fg_buf *out)
{
	char buffer[FG_VALUE_NUMBER_MAX];
	size_t len;
	const char *text = fg_value_view(value, buffer, &len);

	fg_buf_add(out, text, len);
}

/* A character as it stands in a JSON string: copied, escaped or replaced. */
static size_t escape_char(const char *at, size_t left, char out[8], size_t *ret_taken)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	char c = *at;
	const char *found = c ? strchr(named, c) : NULL;
	char window[5] = {0};

	*ret_taken = 1;
	if (found) {
		out[0] = '\\';
		out[1] = letters[found - named];
		return 2;
	}
	if ((unsigned char)c < 0x20)
		return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)c);
	if ((unsigned char)c < 0x80) {
		out[0] = c;
		return 1;
	}
	memcpy(window, at, FG_MIN(left, (size_t)4));
	size_t len = fg_utf8_len(window);

	if (len == 0) {
		memcpy(out, FG_UTF8_REPLACEMENT, 3);
		return 3;
	}
	memcpy(out, at, len);
	*ret_taken = len;
	return len;
}

static size_t write_string(const char *text, size_t len, char *out)
{
	size_t at = 0;
	size_t written = 1;

	if (out)
		out[0] = '"';
	while (at < len) {
		char piece[8];
		size_t taken;
		size_t n = escape_char(text + at, len - at, piece, &taken);

		if (out)
			memcpy(out + written, piece, n);
		written += n;
		at += taken;
	}
	if (out)
		out[written] = '"';
	return written + 1;
}

size_t fg_value_write_json(const struct fg_value *value, char *out)
{
	char buffer[FG_VALUE_NUMBER_MAX];
	size_t len;
	const char *text = fg_value_view(value, buffer, &len);

	if (value->kind == FG_VALUE_TEXT)
		return write_string(text, len, out);
	if (value->kind == FG_VALUE_NULL) {
		text = "null";
		len = 4;
	}
	if (out)
		memcpy(out, text, len);
	return len;
}

void fg_value_print_json(const struct fg_value *value, struct fg_buf *out)
{
	size_t len = fg_value_write_json(value, NULL);
	char *room = fg_buf_reserve(out, len);

	if (!room)
		return;
	(void)fg_value_write_json(value, room);
	fg_buf_commit(out, len);
}

const char *fg_value_kind_name(const struct fg_value *value)
{
	switch (value->kind) {
	case FG_VALUE_NULL:
		return "null";
	case FG_VALUE_BOOL:
		return "bool";
	case FG_VALUE_NUMBER:
		return "number";
	case FG_VALUE_TEXT:
		return "text";
	case FG_VALUE_JSON:
		break;
	}
	return value->len > 0 && value->text[0] == '[' ? "list" : "object";
}

/* -- meaning -------------------------------------------------------------------------------- */

bool fg_value_truth(const struct fg_value *value)
{
	switch (value->kind) {
	case FG_VALUE_NULL:
		return false;
	case FG_VALUE_BOOL:
		return value->boolean;
	case FG_VALUE_NUMBER:
		return value->number != 0;
	case FG_VALUE_TEXT:
		return value->len > 0;
	case FG_VALUE_JSON:
		break;
	}
	return true;
}

bool fg_value_number(const struct fg_value *value, double *ret)
{
	if (value->kind == FG_VALUE_NUMBER) {
		*ret = value->number;
		return true;
	}
	return value->kind == FG_VALUE_TEXT &&
	       fg_num_double(value->text, value->len, ret, NULL) == 0;
}

static bool same_bytes(const struct fg_value *a, const struct fg_value *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->text, b->text, a->len) == 0);
}

/* A number and a text that is wholly that number. Where both have digits as they were written (ids
 * of 64 bits), those decide, not the doubles that they round to. */
static bool equal_across(const struct fg_value *a, const struct fg_value *b)
{
	double x, y;

	if (a->kind != FG_VALUE_NUMBER && b->kind != FG_VALUE_NUMBER)
		return false;
	if (a->text && b->text && a->len == b->len)
		return same_bytes(a, b);
	return fg_value_number(a, &x) && fg_value_number(b, &y) && x == y;
}

bool fg_value_equal(const struct fg_value *a, const struct fg_value *b)
{
	if (a->kind != b->kind)
		return equal_across(a, b);
	switch (a->kind) {
	case FG_VALUE_NULL:
		return true;
	case FG_VALUE_BOOL:
		return a->boolean == b->boolean;
	case FG_VALUE_NUMBER:
		return a->text && b->text ? same_bytes(a, b) : a->number == b->number;
	case FG_VALUE_TEXT:
	case FG_VALUE_JSON:
		break;
	}
	return same_bytes(a, b);
}

/* -- slots ---------------------------------------------------------------------------------- */

void fg_slot_init(struct fg_slot *slot)
{
	*slot = (struct fg_slot){0};
	fg_buf_init(&slot->text, FG_SLOT_TEXT_MAX);
}

void fg_slot_done(struct fg_slot *slot)
{
	if (!slot)
		return;
	fg_buf_done(&slot->text);
	fg_slot_clear(slot);
}

void fg_slot_clear(struct fg_slot *slot)
{
	slot->set = false;
	slot->value = (struct fg_value){0};
}

/* True if the bytes are a part of what the slot already holds. */
static bool holds(const struct fg_slot *slot, const char *text)
{
	return slot->text.data && text >= slot->text.data &&
	       text <= slot->text.data + slot->text.capacity;
}

int fg_slot_set(struct fg_slot *slot, const struct fg_value *value, struct fg_err *err)
{
	struct fg_value copy = *value;

	if (value->text && value->len > FG_SLOT_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a value of %zu bytes; the limit is %d",
				  value->len, FG_SLOT_TEXT_MAX);
	if (value->text && holds(slot, value->text)) {
		memmove(slot->text.data, value->text, value->len);
		slot->text.len = value->len;
		slot->text.data[value->len] = '\0';
		copy.text = slot->text.data;
	} else if (value->text) {
		fg_buf_clear(&slot->text);
		fg_buf_add(&slot->text, value->text, value->len);
		if (slot->text.failed) {
			fg_slot_clear(slot);
			return fg_err_nomem(err);
		}
		copy.text = slot->text.data;
	}
	slot->value = copy;
	slot->set = true;
	return 0;
}
