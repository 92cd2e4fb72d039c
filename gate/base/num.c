/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/num.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN(text, len) (int)FG_MIN((len), (size_t)60), (text)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int fg_num_u64(const char *text, size_t len, uint64_t *ret, struct fg_err *err)
{
	uint64_t value = 0;

	if (len == 0)
		return fg_err_set(err, FG_E_INVALID, "expected a whole number, got nothing");
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return fg_err_set(err, FG_E_INVALID,
					  "expected a whole number, got \"%.*s\"",
					  SHOWN(text, len));
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return fg_err_set(err, FG_E_LIMIT, "number \"%.*s\" is too large",
					  SHOWN(text, len));
	}
	*ret = value;
	return 0;
}

int fg_num_i64(const char *text, size_t len, int64_t *ret, struct fg_err *err)
{
	bool negative = len > 0 && text[0] == '-';
	size_t skip = negative ? 1 : 0;
	uint64_t magnitude;
	int rc = fg_num_u64(text + skip, len - skip, &magnitude, err);

	if (rc)
		return rc;
	if (magnitude > (uint64_t)INT64_MAX)
		return fg_err_set(err, FG_E_LIMIT, "number \"%.*s\" is too large",
				  SHOWN(text, len));
	*ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return 0;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int fg_num_hex(const char *text, size_t len, uint64_t *ret, struct fg_err *err)
{
	size_t i = len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 2 : 0;
	uint64_t value = 0;

	if (i == len || len - i > 16)
		return fg_err_set(err, FG_E_INVALID, "expected a hexadecimal number, got \"%.*s\"",
				  SHOWN(text, len));
	for (; i < len; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0)
			return fg_err_set(err, FG_E_INVALID,
					  "expected a hexadecimal number, got \"%.*s\"",
					  SHOWN(text, len));
		value = value << 4 | (uint64_t)digit;
	}
	*ret = value;
	return 0;
}

static size_t skip_digits(const char *text, size_t len, size_t from)
{
	while (from < len && is_digit(text[from]))
		from++;
	return from;
}

static size_t skip_sign(const char *text, size_t len, size_t from)
{
	return from < len && (text[from] == '-' || text[from] == '+') ? from + 1 : from;
}

/* Where an exponent that starts at `from` ends; `from` if there is none. */
static size_t skip_exponent(const char *text, size_t len, size_t from)
{
	if (from >= len || (text[from] != 'e' && text[from] != 'E'))
		return from;
	size_t digits = skip_sign(text, len, from + 1);
	size_t end = skip_digits(text, len, digits);

	return end > digits ? end : from;
}

/* Length of the longest prefix that is a plain decimal number, 0 if there is none. */
static size_t decimal_prefix(const char *text, size_t len, bool with_exponent)
{
	size_t start = skip_sign(text, len, 0);
	size_t i = skip_digits(text, len, start);
	size_t digits = i - start;

	if (i < len && text[i] == '.') {
		size_t fraction = skip_digits(text, len, i + 1);

		digits += fraction - i - 1;
		i = fraction;
	}
	if (digits == 0)
		return 0;
	return with_exponent ? skip_exponent(text, len, i) : i;
}

/* strtod is exact; the program never calls setlocale(LC_NUMERIC), so '.' is the decimal point. */
static double decimal_value(const char *text, size_t len)
{
	char copy[64];

	if (len >= sizeof(copy))
		return NAN;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return strtod(copy, NULL);
}

int fg_num_double(const char *text, size_t len, double *ret, struct fg_err *err)
{
	if (len == 0 || decimal_prefix(text, len, true) != len)
		return fg_err_set(err, FG_E_INVALID, "expected a number, got \"%.*s\"",
				  SHOWN(text, len));
	double value = decimal_value(text, len);

	if (!isfinite(value))
		return fg_err_set(err, FG_E_LIMIT, "number \"%.*s\" is too large or too long",
				  SHOWN(text, len));
	*ret = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{"ns", 1},
	{"us", FG_NS_PER_US},
	{"µs", FG_NS_PER_US},
	{"ms", FG_NS_PER_MS},
	{"s", FG_NS_PER_S},
	{"m", 60 * FG_NS_PER_S},
	{"h", 3600 * FG_NS_PER_S},
	{"d", 86400 * FG_NS_PER_S},
};

static const struct unit size_units[] = {
	{"B", 1},
	{"KB", 1000},
	{"MB", 1000000},
	{"GB", 1000000000},
	{"KiB", 1ull << 10},
	{"MiB", 1ull << 20},
	{"GiB", 1ull << 30},
};

/* Letters and the bytes of µ up to the next digit. */
static size_t unit_length(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && !is_digit(text[i]) && text[i] != '.' && text[i] != '-' && text[i] != '+')
		i++;
	return i;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *text,
				    size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, text, len) == 0)
			return &units[i];
	return NULL;
}

/* number × factor without losing whole units: the integer part is exact. */
static bool scale(const char *text, size_t len, uint64_t factor, uint64_t *ret)
{
	const char *dot = memchr(text, '.', len);
	size_t whole_len = dot ? (size_t)(dot - text) : len;
	uint64_t whole = 0;

	if (whole_len && fg_num_u64(text, whole_len, &whole, NULL))
		return false;
	if (__builtin_mul_overflow(whole, factor, &whole))
		return false;
	double fraction = dot ? decimal_value(dot, len - whole_len) : 0.0;

	if (!isfinite(fraction))
		return false;
	return !__builtin_add_overflow(whole, (uint64_t)llround(fraction * (double)factor), ret);
}

struct unit_kind {
	const struct unit *units;
	size_t count;
	const char *what;    /* "duration" */
	const char *example; /* "5s, 500ms, 2m" */
};

static int parse_with_units(const struct unit_kind *kind, const char *text, size_t len,
			    uint64_t *ret, struct fg_err *err)
{
	uint64_t total = 0;
	size_t i = 0;

	if (len == 0)
		return fg_err_set(err, FG_E_INVALID, "%s is empty; write %s", kind->what,
				  kind->example);
	if (len == 1 && text[0] == '0') {
		*ret = 0;
		return 0;
	}
	while (i < len) {
		size_t digits = decimal_prefix(text + i, len - i, false);

		if (digits == 0 || !(is_digit(text[i]) || text[i] == '.'))
			return fg_err_set(err, FG_E_INVALID, "\"%.*s\" is not a %s; write %s",
					  SHOWN(text, len), kind->what, kind->example);
		size_t unit_len = unit_length(text + i + digits, len - i - digits);

		if (unit_len == 0)
			return fg_err_set(err, FG_E_INVALID, "%s needs a unit: %s", kind->what,
					  kind->example);
		const struct unit *unit =
			find_unit(kind->units, kind->count, text + i + digits, unit_len);

		if (!unit)
			return fg_err_set(err, FG_E_INVALID,
					  "unknown unit \"%.*s\" in %s; write %s",
					  SHOWN(text + i + digits, unit_len), kind->what,
					  kind->example);
		uint64_t part;

		if (!scale(text + i, digits, unit->factor, &part) ||
		    __builtin_add_overflow(total, part, &total) || total > (uint64_t)INT64_MAX)
			return fg_err_set(err, FG_E_LIMIT, "%s \"%.*s\" is too large", kind->what,
					  SHOWN(text, len));
		i += digits + unit_len;
	}
	*ret = total;
	return 0;
}

int fg_num_duration_ns(const char *text, size_t len, uint64_t *ret_ns, struct fg_err *err)
{
	static const struct unit_kind kind = {duration_units, FG_ARRAY_LEN(duration_units),
					      "duration", "5s, 500ms, 2m"};

	return parse_with_units(&kind, text, len, ret_ns, err);
}

int fg_num_size_bytes(const char *text, size_t len, uint64_t *ret_bytes, struct fg_err *err)
{
	static const struct unit_kind kind = {size_units, FG_ARRAY_LEN(size_units), "size",
					      "512B, 16KiB, 1MB"};

	return parse_with_units(&kind, text, len, ret_bytes, err);
}

int fg_num_percent(const char *text, size_t len, double *ret_fraction, struct fg_err *err)
{
	double percent;

	if (len < 2 || text[len - 1] != '%' || fg_num_double(text, len - 1, &percent, NULL))
		return fg_err_set(err, FG_E_INVALID,
				  "expected a percentage such as 2%%, got \"%.*s\"",
				  SHOWN(text, len));
	*ret_fraction = percent / 100.0;
	return 0;
}

/* Three significant digits; %g would switch to exponents. */
static const char *three_digits(double value, const char *unit, char buffer[FG_NUM_TEXT_MAX])
{
	double magnitude = fabs(value);
	int decimals = magnitude < 9.995 ? 2 : magnitude < 99.95 ? 1 : 0;

	(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%.*f%s", decimals, value, unit);
	return buffer;
}

const char *fg_num_format_ns(double ns, char buffer[FG_NUM_TEXT_MAX])
{
	double magnitude = fabs(ns);

	if (magnitude < 999.5) {
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%.0f ns", ns);
		return buffer;
	}
	if (magnitude < 999.5e3)
		return three_digits(ns / 1e3, " µs", buffer);
	if (magnitude < 999.5e6)
		return three_digits(ns / 1e6, " ms", buffer);
	return three_digits(ns / 1e9, " s", buffer);
}

const char *fg_num_format_duration(uint64_t ns, char buffer[FG_NUM_TEXT_MAX])
{
	static const struct unit units[] = {
		{"h", 3600 * FG_NS_PER_S}, {"m", 60 * FG_NS_PER_S}, {"s", FG_NS_PER_S},
		{"ms", FG_NS_PER_MS},      {"us", FG_NS_PER_US},    {"ns", 1},
	};
	size_t used = 0;

	buffer[0] = '0';
	buffer[1] = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(units) && ns > 0; i++) {
		uint64_t n = ns / units[i].factor;

		if (n == 0)
			continue;
		ns %= units[i].factor;
		int len = snprintf(buffer + used, FG_NUM_TEXT_MAX - used, "%" PRIu64 "%s", n,
				   units[i].name);

		if (len < 0 || (size_t)len >= FG_NUM_TEXT_MAX - used)
			break;
		used += (size_t)len;
	}
	return buffer;
}

const char *fg_num_format_count(uint64_t n, char buffer[FG_NUM_TEXT_MAX])
{
	char digits[FG_NUM_TEXT_MAX];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	size_t out = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			buffer[out++] = ' ';
		buffer[out++] = digits[i];
	}
	buffer[out] = '\0';
	return buffer;
}

const char *fg_num_format_bytes(uint64_t bytes, char buffer[FG_NUM_TEXT_MAX])
{
	double value = (double)bytes;

	if (bytes < 1000) {
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%" PRIu64 " B", bytes);
		return buffer;
	}
	if (value < 999.5e3)
		return three_digits(value / 1e3, " kB", buffer);
	if (value < 999.5e6)
		return three_digits(value / 1e6, " MB", buffer);
	return three_digits(value / 1e9, " GB", buffer);
}
