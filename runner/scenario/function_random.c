/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that draw from the VU's seeded stream. */
#include "runner/scenario/function.h"

#include <math.h>

#include "gate/base/random.h"
#include "gate/base/utf8.h"
#include "runner/scenario/jscan.h"

enum { RANDOM_STRING_MAX = 1 << 20, ALPHABET_MAX = 256 };

/* Uniform in [0, bound), bound ≥ 1: draws of the last, incomplete multiple are thrown away. */
static uint64_t below(struct fg_random *random, uint64_t bound)
{
	uint64_t last = UINT64_MAX - (UINT64_MAX % bound + 1) % bound;
	uint64_t drawn;

	do
		drawn = fg_random_next(random);
	while (drawn > last);
	return drawn % bound;
}

int fg_function_random(const struct fg_call *call, struct fg_value *ret)
{
	*ret = fg_value_of_number(fg_random_unit(call->env->random));
	return 0;
}

int fg_function_random_int(const struct fg_call *call, struct fg_value *ret)
{
	const int64_t limit = (int64_t)1 << 53;
	int64_t min, max;
	int rc = fg_call_integer(call, 0, -limit, limit, &min);

	if (rc == 0)
		rc = fg_call_integer(call, 1, -limit, limit, &max);
	if (rc)
		return rc;
	if (min > max)
		return fg_call_fault(call, "min %jd is greater than max %jd", (intmax_t)min,
				     (intmax_t)max);
	uint64_t drawn = below(call->env->random, (uint64_t)(max - min) + 1);

	*ret = fg_value_of_number((double)(min + (int64_t)drawn));
	return 0;
}

int fg_function_random_float(const struct fg_call *call, struct fg_value *ret)
{
	double min, max;
	int rc = fg_call_number(call, 0, &min);

	if (rc == 0)
		rc = fg_call_number(call, 1, &max);
	if (rc)
		return rc;
	if (min > max)
		return fg_call_fault(call, "min %g is greater than max %g", min, max);
	if (!isfinite(max - min))
		return fg_call_fault(call, "the range is too large");
	double number = min + fg_random_unit(call->env->random) * (max - min);

	/* rounding may reach max, which is not included */
	if (number >= max && max > min)
		number = nextafter(max, min);
	*ret = fg_value_of_number(number);
	return 0;
}

int fg_function_random_item(const struct fg_call *call, struct fg_value *ret)
{
	struct fg_view list;
	size_t count, at;

	if (call->count > 1) {
		*ret = call->arguments[below(call->env->random, call->count)];
		return 0;
	}
	int rc = fg_call_list(call, 0, &list);

	if (rc == 0)
		rc = fg_jscan_count(list.text, list.len, 0, &count, call->err);
	if (rc)
		return rc;
	if (count == 0)
		return fg_call_fault(call, "the list is empty");
	rc = fg_jscan_element(list.text, list.len, 0,
			      (int64_t)below(call->env->random, (uint64_t)count), &at, call->err);
	if (rc < 0)
		return rc;
	return fg_jscan_take(list.text, list.len, at, call->env->arena, ret, NULL, call->err);
}

struct letters {
	struct {
		const char *at;
		size_t len;
	} items[ALPHABET_MAX];
	size_t count;
};

/* The characters of an alphabet; false: empty, too long or not UTF-8. */
static bool read_alphabet(struct fg_view text, struct letters *ret)
{
	char window[5];

	ret->count = 0;
	for (size_t at = 0; at < text.len;) {
		size_t n = 0;

		for (; n < 4 && at + n < text.len; n++)
			window[n] = text.text[at + n];
		window[n] = '\0';
		n = fg_utf8_len(window);
		if (n == 0 || ret->count == ALPHABET_MAX)
			return false;
		ret->items[ret->count].at = text.text + at;
		ret->items[ret->count++].len = n;
		at += n;
	}
	return ret->count > 0;
}

int fg_function_random_string(const struct fg_call *call, struct fg_value *ret)
{
	static const char standard[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	struct fg_view alphabet = {standard, sizeof(standard) - 1};
	struct letters letters;
	int64_t length;
	char *out;
	size_t len = 0;
	int rc = fg_call_integer(call, 0, 0, RANDOM_STRING_MAX, &length);

	if (rc == 0 && call->count > 1)
		rc = fg_call_text(call, 1, &alphabet);
	if (rc)
		return rc;
	if (!read_alphabet(alphabet, &letters))
		return fg_call_fault(call, "the alphabet must have 1 to %d characters of UTF-8",
				     ALPHABET_MAX);
	rc = fg_call_room(call, (size_t)length * 4, &out);
	if (rc)
		return rc;
	for (int64_t i = 0; i < length; i++) {
		size_t which = (size_t)below(call->env->random, letters.count);

		for (size_t k = 0; k < letters.items[which].len; k++)
			out[len++] = letters.items[which].at[k];
	}
	*ret = fg_value_of_text(out, len);
	return 0;
}

int fg_function_uuid(const struct fg_call *call, struct fg_value *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t high = fg_random_next(call->env->random);
	uint64_t low = fg_random_next(call->env->random);
	char *out;
	size_t at = 0;
	int rc = fg_call_room(call, 36, &out);

	if (rc)
		return rc;
	high = (high & ~0xf000ull) | 0x4000;             /* version */
	low = (low & ~(3ull << 62)) | (uint64_t)2 << 62; /* variant of RFC 9562 */
	for (unsigned i = 0; i < 32; i++) {
		uint64_t half = i < 16 ? high : low;

		if (i == 8 || i == 12 || i == 16 || i == 20)
			out[at++] = '-';
		out[at++] = digits[half >> (60 - 4 * (i % 16)) & 15];
	}
	*ret = fg_value_of_text(out, at);
	return 0;
}
