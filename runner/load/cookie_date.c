/* SPDX-License-Identifier: Apache-2.0 */
/* The dates of Expires, read as tolerantly as RFC 6265 §5.1.1 demands and not a bit more. */
#include "runner/load/cookies.h"

#include <string.h>
#include <strings.h>

struct date {
	unsigned year, month, day, hour, minute, second; /* month from 1 */
	bool has_time, has_day, has_month, has_year;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_delimiter(char c)
{
	return c == '\t' || (c >= ' ' && c <= '/') || (c >= ';' && c <= '@') ||
	       (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* 1…max digits; what follows them must not be one more. */
static size_t digits(const char *text, size_t len, size_t max, unsigned *ret)
{
	size_t n = 0;
	unsigned value = 0;

	while (n < len && n < max && is_digit(text[n]))
		value = value * 10 + (unsigned)(text[n++] - '0');
	if (!n || (n < len && is_digit(text[n])))
		return 0;
	*ret = value;
	return n;
}

static bool take_time(struct date *date, const char *text, size_t len)
{
	unsigned parts[3];
	size_t at = 0;

	for (int i = 0; i < 3; i++) {
		const size_t n = digits(text + at, len - at, 2, &parts[i]);

		if (!n || (i < 2 && (at + n >= len || text[at + n] != ':')))
			return false;
		at += n + (i < 2 ? 1 : 0);
	}
	date->hour = parts[0];
	date->minute = parts[1];
	date->second = parts[2];
	return true;
}

static bool take_month(struct date *date, const char *text, size_t len)
{
	static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	for (unsigned i = 0; len >= 3 && i < 12; i++) {
		if (!strncasecmp(text, names + (size_t)3 * i, 3)) {
			date->month = i + 1;
			return true;
		}
	}
	return false;
}

static bool take_year(struct date *date, const char *text, size_t len)
{
	unsigned year;
	const size_t n = digits(text, len, 4, &year);

	if (n < 2)
		return false;
	date->year = n > 2 ? year : year + (year >= 70 ? 1900 : 2000);
	return true;
}

static void take_token(struct date *date, const char *text, size_t len)
{
	if (!date->has_time && take_time(date, text, len))
		date->has_time = true;
	else if (!date->has_day && digits(text, len, 2, &date->day))
		date->has_day = true;
	else if (!date->has_month && take_month(date, text, len))
		date->has_month = true;
	else if (!date->has_year && take_year(date, text, len))
		date->has_year = true;
}

static bool is_real(const struct date *date)
{
	return date->has_time && date->has_day && date->has_month && date->has_year &&
	       date->day >= 1 && date->day <= 31 && date->year >= 1601 && date->hour <= 23 &&
	       date->minute <= 59 && date->second <= 59;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days(const struct date *date)
{
	const int64_t year = (int64_t)date->year - (date->month <= 2 ? 1 : 0);
	const int64_t era = year / 400;
	const int64_t year_of_era = year - era * 400;
	const int64_t month = ((int64_t)date->month + 9) % 12;
	const int64_t day_of_year = (153 * month + 2) / 5 + (int64_t)date->day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

bool fg_cookie_date(const char *text, size_t len, uint64_t *ret_unix_s)
{
	struct date date = {0};
	int64_t seconds;

	for (size_t i = 0; i < len;) {
		size_t n = 0;

		while (i + n < len && !is_delimiter(text[i + n]))
			n++;
		if (n)
			take_token(&date, text + i, n);
		i += n ? n : 1;
	}
	if (!is_real(&date))
		return false;
	seconds = days(&date) * 86400 + (int64_t)date.hour * 3600 + (int64_t)date.minute * 60 +
		  (int64_t)date.second;
	*ret_unix_s = seconds > 0 ? (uint64_t)seconds : 0;
	return true;
}
