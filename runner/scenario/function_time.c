/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the env's wall clock, in UTC. strftime() would ask for the time zone and the locale.
 */
#include "runner/scenario/function.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct moment {
	int64_t unix_ms;
	int64_t days; /* since 1970-01-01 */
	int year;
	unsigned month, day, day_of_year; /* from 1 */
	unsigned hour, minute, second, ms;
};

/* Days to a civil date: H. Hinnant, "chrono-compatible low-level date algorithms". */
static void set_date(struct moment *m)
{
	int64_t z = m->days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	static const unsigned before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

	m->day = doy - (153 * mp + 2) / 5 + 1;
	m->month = mp < 10 ? mp + 3 : mp - 9;
	m->year = (int)((int64_t)yoe + era * 400) + (m->month <= 2);
	bool leap = (m->year % 4 == 0 && m->year % 100 != 0) || m->year % 400 == 0;

	m->day_of_year = before[m->month - 1] + m->day + (leap && m->month > 2);
}

static void set_moment(int64_t unix_ms, struct moment *ret)
{
	const int64_t day_ms = 86400000;
	int64_t days = unix_ms / day_ms - (unix_ms % day_ms < 0);
	unsigned rest = (unsigned)(unix_ms - days * day_ms);

	*ret = (struct moment){.unix_ms = unix_ms,
			       .days = days,
			       .hour = rest / 3600000,
			       .minute = rest / 60000 % 60,
			       .second = rest / 1000 % 60,
			       .ms = rest % 1000};
	set_date(ret);
}

/* The env's time, or argument `index` in ms. Years 1 to 9999. */
static int get_moment(const struct fg_call *call, unsigned index, struct moment *ret)
{
	int64_t unix_ms = (int64_t)(call->env->unix_ns / FG_NS_PER_MS);

	if (call->count > index) {
		int rc = fg_call_integer(call, index, -62135596800000, 253402300799999, &unix_ms);

		if (rc)
			return rc;
	}
	set_moment(unix_ms, ret);
	return 0;
}

int fg_function_now(const struct fg_call *call, struct fg_value *ret)
{
	*ret = fg_value_of_number((double)(call->env->unix_ns / FG_NS_PER_MS));
	return 0;
}

int fg_function_timestamp(const struct fg_call *call, struct fg_value *ret)
{
	*ret = fg_value_of_number((double)(call->env->unix_ns / FG_NS_PER_S));
	return 0;
}

enum { PIECE_MAX = 32 };

/* One field of a date into `out`; 0: there is no such letter. */
static int print_field(const struct moment *m, char letter, char out[PIECE_MAX])
{
	static const char week_days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t week_day = (m->days % 7 + 7) % 7;

	switch (letter) {
	case 'Y':
		return snprintf(out, PIECE_MAX, "%04d", m->year);
	case 'y':
		return snprintf(out, PIECE_MAX, "%02d", m->year % 100);
	case 'm':
		return snprintf(out, PIECE_MAX, "%02u", m->month);
	case 'd':
		return snprintf(out, PIECE_MAX, "%02u", m->day);
	case 'j':
		return snprintf(out, PIECE_MAX, "%03u", m->day_of_year);
	case 'F':
		return snprintf(out, PIECE_MAX, "%04d-%02u-%02u", m->year, m->month, m->day);
	case 'a':
		return snprintf(out, PIECE_MAX, "%.3s", week_days + 3 * week_day);
	case 'b':
		return snprintf(out, PIECE_MAX, "%.3s", months + 3 * (m->month - 1));
	default:
		return 0;
	}
}

static int print_time(const struct moment *m, char letter, char out[PIECE_MAX])
{
	switch (letter) {
	case 'H':
		return snprintf(out, PIECE_MAX, "%02u", m->hour);
	case 'M':
		return snprintf(out, PIECE_MAX, "%02u", m->minute);
	case 'S':
		return snprintf(out, PIECE_MAX, "%02u", m->second);
	case 'L':
		return snprintf(out, PIECE_MAX, "%03u", m->ms);
	case 'T':
		return snprintf(out, PIECE_MAX, "%02u:%02u:%02u", m->hour, m->minute, m->second);
	case 's':
		return snprintf(out, PIECE_MAX, "%jd",
				(intmax_t)(m->unix_ms / 1000 - (m->unix_ms % 1000 < 0)));
	case '%':
		return snprintf(out, PIECE_MAX, "%%");
	default:
		return 0;
	}
}

enum { FORMAT_MAX = 256 };

static int print_moment(const struct fg_call *call, const struct moment *m, struct fg_view format,
			struct fg_value *ret)
{
	char *out;
	size_t len = 0;
	int rc = fg_call_room(call, format.len * PIECE_MAX / 2, &out);

	if (rc)
		return rc;
	for (size_t at = 0; at < format.len; at++) {
		char piece[PIECE_MAX];
		char letter = at + 1 < format.len ? format.text[at + 1] : '\0';

		if (format.text[at] != '%') {
			out[len++] = format.text[at];
			continue;
		}
		int n = print_field(m, letter, piece);

		if (n == 0)
			n = print_time(m, letter, piece);
		if (n <= 0)
			return fg_call_fault(call, "unknown field %%%.*s", letter ? 1 : 0,
					     format.text + at + (letter ? 1 : 0));
		memcpy(out + len, piece, (size_t)n);
		len += (size_t)n;
		at++;
	}
	*ret = fg_value_of_text(out, len);
	return 0;
}

int fg_function_iso_time(const struct fg_call *call, struct fg_value *ret)
{
	static const char format[] = "%FT%T.%LZ";
	struct moment moment;
	int rc = get_moment(call, 0, &moment);

	if (rc)
		return rc;
	return print_moment(call, &moment, (struct fg_view){format, sizeof(format) - 1}, ret);
}

int fg_function_date(const struct fg_call *call, struct fg_value *ret)
{
	struct moment moment;
	struct fg_view format;
	int rc = fg_call_text(call, 0, &format);

	if (rc == 0)
		rc = get_moment(call, 1, &moment);
	if (rc)
		return rc;
	if (format.len > FORMAT_MAX)
		return fg_call_fault(call, "the format has more than %d bytes", FORMAT_MAX);
	return print_moment(call, &moment, format, ret);
}
