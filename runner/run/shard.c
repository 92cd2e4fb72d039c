/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/shard.h"

#include <string.h>
#include <time.h>

#include "gate/base/num.h"
#include "runner/load/load.h"

#define AHEAD_MAX_NS (24 * 3600 * FG_NS_PER_S)

int fg_shard_parse(const char *text, unsigned *ret_index, unsigned *ret_count, struct fg_err *err)
{
	const char *slash = text ? strchr(text, '/') : NULL;
	uint64_t index = 1, count = 1;

	if (text && (!slash || fg_num_u64(text, (size_t)(slash - text), &index, NULL) ||
		     fg_num_u64(slash + 1, strlen(slash + 1), &count, NULL) || index < 1 ||
		     index > count || count > FG_LOAD_SHARDS_MAX))
		return fg_err_set(err, FG_E_USAGE,
				  "--shard wants I/N with 1 ≤ I ≤ N ≤ %d, such as 1/3, got \"%s\"",
				  FG_LOAD_SHARDS_MAX, text);
	*ret_index = (unsigned)index - 1;
	*ret_count = (unsigned)count;
	return 0;
}

/* `digits` digits of text; false: there are not as many. */
static bool take_number(const char **text, unsigned digits, int *ret)
{
	uint64_t value;

	if (strnlen(*text, digits) < digits || fg_num_u64(*text, digits, &value, NULL))
		return false;
	*ret = (int)value;
	*text += digits;
	return true;
}

static bool take_char(const char **text, const char *any)
{
	if (!**text || !strchr(any, **text))
		return false;
	++*text;
	return true;
}

/* ".25" → ns; nothing there is 0. */
static bool take_fraction(const char **text, uint64_t *ret_ns)
{
	uint64_t unit = FG_NS_PER_S;

	*ret_ns = 0;
	if (!take_char(text, "."))
		return true;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; ++*text) {
		unit /= 10;
		*ret_ns += unit * (uint64_t)(**text - '0');
	}
	return true;
}

/* "Z", "+02:00" */
static bool take_offset(const char **text, int64_t *ret_s)
{
	const bool west = **text == '-';
	int hours, minutes;

	*ret_s = 0;
	if (take_char(text, "Zz"))
		return true;
	if (!take_char(text, "+-") || !take_number(text, 2, &hours) || !take_char(text, ":") ||
	    !take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_s = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

static bool within(int value, int low, int high)
{
	return value >= low && value <= high;
}

static bool take_date(const char **text, struct tm *tm)
{
	if (!take_number(text, 4, &tm->tm_year) || !take_char(text, "-") ||
	    !take_number(text, 2, &tm->tm_mon) || !take_char(text, "-") ||
	    !take_number(text, 2, &tm->tm_mday))
		return false;
	if (!within(tm->tm_year, 1970, 2200) || !within(tm->tm_mon, 1, 12) ||
	    !within(tm->tm_mday, 1, 31))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

static bool take_clock(const char **text, struct tm *tm)
{
	return take_number(text, 2, &tm->tm_hour) && take_char(text, ":") &&
	       take_number(text, 2, &tm->tm_min) && take_char(text, ":") &&
	       take_number(text, 2, &tm->tm_sec) && within(tm->tm_hour, 0, 23) &&
	       within(tm->tm_min, 0, 59) && within(tm->tm_sec, 0, 60);
}

static bool parse_rfc3339(const char *text, uint64_t *ret_ns)
{
	struct tm tm = {0};
	uint64_t fraction_ns;
	int64_t seconds, offset_s;

	if (!take_date(&text, &tm) || !take_char(&text, "Tt ") || !take_clock(&text, &tm) ||
	    !take_fraction(&text, &fraction_ns) || !take_offset(&text, &offset_s) || *text)
		return false;
	seconds = (int64_t)timegm(&tm) - offset_s;
	if (seconds < 0)
		return false;
	*ret_ns = (uint64_t)seconds * FG_NS_PER_S + fraction_ns;
	return true;
}

static bool parse_unix(const char *text, uint64_t *ret_ns)
{
	const size_t digits = strspn(text, "0123456789");
	uint64_t seconds, fraction_ns;

	if (digits > 10 || fg_num_u64(text, digits, &seconds, NULL))
		return false;
	text += digits;
	if (!take_fraction(&text, &fraction_ns) || *text)
		return false;
	*ret_ns = seconds * FG_NS_PER_S + fraction_ns;
	return true;
}

int fg_shard_start_at(const char *text, uint64_t now_unix_ns, uint64_t *ret_unix_ns,
		      struct fg_err *err)
{
	uint64_t at_ns;

	*ret_unix_ns = 0;
	if (!text)
		return 0;
	if (!parse_unix(text, &at_ns) && !parse_rfc3339(text, &at_ns))
		return fg_err_set(err, FG_E_USAGE,
				  "--start-at wants seconds since 1970 or a time such as "
				  "2026-11-21T14:20:00Z, got \"%s\"",
				  text);
	if (at_ns <= now_unix_ns)
		return fg_err_set(err, FG_E_USAGE, "--start-at %s is in the past by %.1f s", text,
				  (double)(now_unix_ns - at_ns) / 1e9);
	if (at_ns - now_unix_ns > AHEAD_MAX_NS)
		return fg_err_set(err, FG_E_USAGE, "--start-at %s is more than a day ahead", text);
	*ret_unix_ns = at_ns;
	return 0;
}

uint64_t fg_shard_seed(const char *scenario_hash)
{
	uint64_t seed = 0;

	if (fg_num_hex(scenario_hash, strnlen(scenario_hash, 16), &seed, NULL))
		seed = 0;
	return seed ? seed : 1;
}
