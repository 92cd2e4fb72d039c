/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/trend_stats.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"

static const char *const words[] = {
	[FG_TREND_STAT_AVG] = "avg", [FG_TREND_STAT_MIN] = "min",     [FG_TREND_STAT_MED] = "med",
	[FG_TREND_STAT_MAX] = "max", [FG_TREND_STAT_COUNT] = "count", [FG_TREND_STAT_SUM] = "sum",
};
static_assert(FG_ARRAY_LEN(words) == FG_TREND_STAT_PERCENTILE, "a word for each but p(N)");

static int unknown(const char *text, size_t len, struct fg_err *err)
{
	return fg_err_set(err, FG_E_INVALID,
			  "\"%.*s\" is no statistic of a trend; there are avg, min, med, max, "
			  "count, sum and p(0) to p(100)",
			  (int)FG_MIN(len, (size_t)64), text);
}

int fg_trend_stat_parse(const char *text, size_t len, struct fg_trend_stat *ret, struct fg_err *err)
{
	struct fg_trend_stat stat = {.kind = FG_TREND_STAT_PERCENTILE};

	if (len == 0 || len >= sizeof(stat.text))
		return unknown(text, len, err);
	memcpy(stat.text, text, len);
	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		if (strcmp(stat.text, words[i]) != 0)
			continue;
		stat.kind = (enum fg_trend_stat_kind)i;
		*ret = stat;
		return 0;
	}
	if (len < 4 || memcmp(text, "p(", 2) != 0 || text[len - 1] != ')')
		return unknown(text, len, err);
	if (fg_num_double(text + 2, len - 3, &stat.percentile, NULL) || stat.percentile < 0 ||
	    stat.percentile > 100)
		return unknown(text, len, err);
	*ret = stat;
	return 0;
}

int fg_trend_stats_parse(const char *text, struct fg_trend_stats *ret, struct fg_err *err)
{
	struct fg_trend_stats stats = {.count = 0};

	for (const char *at = text;; at++) {
		size_t len;
		int rc;

		at += strspn(at, " ");
		len = strcspn(at, ",");
		const char *end = at + len;

		while (len > 0 && at[len - 1] == ' ')
			len--;
		if (stats.count == FG_TREND_STATS_MAX)
			return fg_err_set(err, FG_E_LIMIT, "more than %d statistics",
					  FG_TREND_STATS_MAX);
		rc = fg_trend_stat_parse(at, len, &stats.items[stats.count], err);
		if (rc)
			return rc;
		stats.count++;
		at = end;
		if (!*at)
			break;
	}
	*ret = stats;
	return 0;
}

struct fg_trend_stats fg_trend_stats_default(void)
{
	return (struct fg_trend_stats){
		.items = {{FG_TREND_STAT_AVG, 0, "avg"},
			  {FG_TREND_STAT_MIN, 0, "min"},
			  {FG_TREND_STAT_MED, 0, "med"},
			  {FG_TREND_STAT_MAX, 0, "max"},
			  {FG_TREND_STAT_PERCENTILE, 90, "p(90)"},
			  {FG_TREND_STAT_PERCENTILE, 95, "p(95)"}},
		.count = 6,
	};
}

struct fg_trend_values fg_trend_values_of(const struct fg_hist *hist)
{
	return (struct fg_trend_values){.hist = hist};
}

uint64_t fg_trend_values_count(const struct fg_trend_values *values)
{
	if (values->hist)
		return values->hist->count;
	return values->custom ? values->custom->count : 0;
}

static double custom_value(const struct fg_trend_stat *stat, const struct fg_custom_slice *custom)
{
	switch (stat->kind) {
	case FG_TREND_STAT_AVG:
		return fg_custom_mean(custom);
	case FG_TREND_STAT_MIN:
		return custom->min;
	case FG_TREND_STAT_MED:
		return fg_custom_percentile(custom, 50);
	case FG_TREND_STAT_MAX:
		return custom->max;
	case FG_TREND_STAT_COUNT:
		return (double)custom->count;
	case FG_TREND_STAT_SUM:
		return custom->sum;
	case FG_TREND_STAT_PERCENTILE:
		break;
	}
	return fg_custom_percentile(custom, stat->percentile);
}

/* In ns. */
static double hist_value(const struct fg_trend_stat *stat, const struct fg_hist *hist)
{
	switch (stat->kind) {
	case FG_TREND_STAT_AVG:
		return fg_hist_mean_ns(hist);
	case FG_TREND_STAT_MIN:
		return (double)hist->min_ns;
	case FG_TREND_STAT_MED:
		return (double)fg_hist_percentile_ns(hist, 50);
	case FG_TREND_STAT_MAX:
		return (double)hist->max_ns;
	case FG_TREND_STAT_SUM:
		return hist->sum_ns;
	case FG_TREND_STAT_COUNT:
	case FG_TREND_STAT_PERCENTILE:
		break;
	}
	return (double)fg_hist_percentile_ns(hist, stat->percentile);
}

double fg_trend_stat_value(const struct fg_trend_stat *stat, const struct fg_trend_values *values)
{
	uint64_t count = fg_trend_values_count(values);

	if (count == 0)
		return 0;
	if (!values->hist)
		return custom_value(stat, values->custom);
	if (stat->kind == FG_TREND_STAT_COUNT)
		return (double)count;
	return hist_value(stat, values->hist) / (double)FG_NS_PER_MS;
}

void fg_trend_stat_suffix(const struct fg_trend_stat *stat, char buffer[FG_TREND_STAT_TEXT_MAX])
{
	size_t out = 0;

	for (const char *c = stat->text; *c; c++)
		if (*c != '(' && *c != ')' && *c != '.')
			buffer[out++] = *c;
	buffer[out] = '\0';
}
