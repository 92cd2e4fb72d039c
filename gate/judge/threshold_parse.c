/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threshold text → struct; the grammar stands in threshold.h. Knows nothing of what a run can
 * contain: that is fg_threshold_check(), also for custom metrics, whose types are not known here.
 */
#include "gate/judge/threshold_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

static const char *const level_names[] = {
	[FG_LEVEL_ERROR] = "error",
	[FG_LEVEL_WARN] = "warn",
	[FG_LEVEL_OFF] = "off",
};

const char *fg_level_name(enum fg_level level)
{
	return level_names[level];
}

/* Which statistics a metric type has; one table for parsing and for the error's list. */
static const struct stat_word {
	const char *word;
	enum fg_stat stat;
	unsigned types; /* bit per enum fg_metric_type */
} stat_words[] = {
	{"count", FG_STAT_COUNT, 1u << FG_METRIC_COUNTER | 1u << FG_METRIC_RATE},
	{"rate", FG_STAT_RATE, 1u << FG_METRIC_COUNTER | 1u << FG_METRIC_RATE},
	{"value", FG_STAT_VALUE, 1u << FG_METRIC_GAUGE},
	{"avg", FG_STAT_AVG, 1u << FG_METRIC_TREND},
	{"min", FG_STAT_MIN, 1u << FG_METRIC_TREND},
	{"max", FG_STAT_MAX, 1u << FG_METRIC_TREND},
	{"med", FG_STAT_MED, 1u << FG_METRIC_TREND},
	{"p(N)", FG_STAT_PERCENTILE, 1u << FG_METRIC_TREND},
};

/* What people write instead. */
static const struct {
	const char *wrong, *right;
} stat_synonyms[] = {
	{"mean", "avg"},    {"average", "avg"},  {"median", "med"}, {"p50", "med"},
	{"p90", "p(90)"},   {"p95", "p(95)"},    {"p99", "p(99)"},  {"p999", "p(99.9)"},
	{"total", "count"}, {"passes", "count"}, {"last", "value"},
};

static const struct {
	const char *text;
	enum fg_compare compare;
} operators[] = {
	/* longest first */
	{"===", FG_CMP_EQ}, {"==", FG_CMP_EQ}, {"!=", FG_CMP_NE}, {">=", FG_CMP_GE},
	{"<=", FG_CMP_LE},  {">", FG_CMP_GT},  {"<", FG_CMP_LT},
};

/* -- the statistic ------------------------------------------------------------------------------
 */

static void list_stats(enum fg_metric_type type, char *out, size_t size_bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(stat_words); i++) {
		if (!(stat_words[i].types & 1u << type))
			continue;
		int n = snprintf(out + used, size_bytes - used, "%s%s", used ? ", " : "",
				 stat_words[i].word);

		if (n < 0 || (size_t)n >= size_bytes - used)
			return;
		used += (size_t)n;
	}
}

const char *fg_stat_misfit(enum fg_stat stat, enum fg_metric_type type, char buffer[128])
{
	for (size_t i = 0; i < FG_ARRAY_LEN(stat_words); i++)
		if (stat_words[i].stat == stat && stat_words[i].types & 1u << type)
			return NULL;
	list_stats(type, buffer, 128);
	return buffer;
}

static int unknown_stat(const struct fg_threshold_cursor *in, size_t start, const char *word,
			const struct fg_operand *operand, struct fg_err *err)
{
	const char *candidates[FG_ARRAY_LEN(stat_words)] = {0};
	struct fg_operand_info info;
	const char *near = NULL;
	char fits[128] = "count, rate, value, avg, min, max, med, p(N)";

	bool known = fg_operand_describe(operand, NULL, &info);

	for (size_t i = 0; i < FG_ARRAY_LEN(stat_words); i++) {
		if (!known || stat_words[i].types & 1u << info.type)
			candidates[i] = stat_words[i].word;
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(stat_synonyms) && !near; i++) {
		if (strcmp(stat_synonyms[i].wrong, word) == 0)
			near = stat_synonyms[i].right;
	}
	if (!near)
		near = fg_str_nearest(word, candidates, FG_ARRAY_LEN(candidates));
	if (known)
		list_stats(info.type, fits, sizeof(fits));
	return fg_threshold_at(in, start, err,
			       fg_err_set(err, FG_E_INVALID,
					  "unknown statistic \"%s\"%s%s%s %s has %s", word,
					  near ? "; did you mean \"" : ";", near ? near : "",
					  near ? "\"?" : "", info.name, fits));
}

static int parse_percentile(struct fg_threshold_cursor *in, double *ret, struct fg_err *err)
{
	size_t open = in->at; /* at the parenthesis */
	size_t stop = open + 1;

	while (stop < in->end && in->text[stop] != ')')
		stop++;
	if (stop == in->end)
		return fg_threshold_at(in, open, err,
				       fg_err_set(err, FG_E_INVALID,
						  "the \"(\" is not closed by a \")\""));
	struct fg_threshold_slice digits = fg_threshold_trimmed(in, open + 1, stop);
	double value;

	if (fg_num_double(in->text + digits.start, digits.len, &value, NULL) || value < 0 ||
	    value > 100)
		return fg_threshold_at(
			in, digits.start, err,
			fg_err_set(err, FG_E_INVALID,
				   "a percentile lies between 0 and 100: p(95), p(99.9)"));
	in->at = stop + 1;
	*ret = value;
	return 0;
}

/* Whether a built-in metric has it; of a custom one nobody knows yet. */
static int check_stat(const struct fg_threshold_cursor *in, size_t start, const char *word,
		      const struct fg_operand *operand, unsigned types, struct fg_err *err)
{
	struct fg_operand_info info;
	char fits[128];

	if (!fg_operand_describe(operand, NULL, &info) || types & 1u << info.type)
		return 0;
	list_stats(info.type, fits, sizeof(fits));
	return fg_threshold_at(in, start, err,
			       fg_err_set(err, FG_E_INVALID, "%s is a %s and has no %s; it has %s",
					  info.name, fg_metric_type_name(info.type), word, fits));
}

/* Fills the operand's statistic. */
static int parse_stat(struct fg_threshold_cursor *in, struct fg_operand *operand,
		      struct fg_err *err)
{
	size_t start = in->at;
	const struct stat_word *found = NULL;
	double percentile = 0;
	char word[32];

	while (in->at < in->end && (isalnum((unsigned char)in->text[in->at]) ||
				    in->text[in->at] == '_' || in->text[in->at] == '.'))
		in->at++;
	size_t len = FG_MIN(in->at - start, sizeof(word) - 1);

	(void)snprintf(word, sizeof(word), "%.*s", (int)len, in->text + start);
	if (len == 0)
		return fg_threshold_at(
			in, start, err,
			fg_err_set(err, FG_E_INVALID,
				   "expected a statistic first, for example p(95)<250"));
	if (strcmp(word, "p") == 0 && in->at < in->end && in->text[in->at] == '(') {
		int rc = parse_percentile(in, &percentile, err);

		if (rc)
			return rc;
		(void)snprintf(word, sizeof(word), "p(N)");
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(stat_words); i++) {
		if (strcmp(stat_words[i].word, word) == 0)
			found = &stat_words[i];
	}
	if (!found)
		return unknown_stat(in, start, word, operand, err);
	operand->stat = found->stat;
	operand->percentile = found->stat == FG_STAT_MED ? 50.0 : percentile;
	return check_stat(in, start, word, operand, found->types, err);
}

int fg_stat_parse(const char *text, enum fg_metric_id metric, enum fg_stat *ret_stat,
		  double *ret_percentile, struct fg_err *err)
{
	struct fg_threshold_cursor in;
	struct fg_operand operand = {.metric = metric, .stat = FG_STAT_RATE};
	int rc = fg_threshold_cursor(&in, text, FG_THRESHOLD_IN_EXPRESSION, err);

	if (rc == 0)
		rc = parse_stat(&in, &operand, err);
	if (rc)
		return rc;
	if (in.at != in.end)
		return fg_threshold_at(&in, in.at, err,
				       fg_err_set(err, FG_E_INVALID,
						  "unexpected \"%.*s\" after the "
						  "statistic",
						  (int)(in.end - in.at), text + in.at));
	*ret_stat = operand.stat;
	*ret_percentile = operand.percentile;
	return 0;
}

const char *fg_stat_text(enum fg_stat stat, double percentile, char buffer[FG_NUM_TEXT_MAX])
{
	if (stat == FG_STAT_PERCENTILE) {
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "p(%.6g)", percentile);
		return buffer;
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(stat_words); i++) {
		if (stat_words[i].stat == stat)
			(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%s", stat_words[i].word);
	}
	return buffer;
}

/* -- operator and limit -------------------------------------------------------------------------
 */

static int parse_operator(struct fg_threshold_cursor *in, enum fg_compare *ret, struct fg_err *err)
{
	fg_threshold_skip_spaces(in);
	size_t start = in->at;

	while (in->at < in->end && strchr("<>=!", in->text[in->at]) && in->text[in->at] != '\0')
		in->at++;
	size_t len = in->at - start;

	for (size_t i = 0; i < FG_ARRAY_LEN(operators); i++) {
		if (strlen(operators[i].text) == len &&
		    memcmp(operators[i].text, in->text + start, len) == 0) {
			*ret = operators[i].compare;
			return 0;
		}
	}
	if (len == 0)
		return fg_threshold_at(
			in, start, err,
			fg_err_set(err, FG_E_INVALID,
				   "expected one of < <= > >= == != after the statistic"));
	return fg_threshold_at(
		in, start, err,
		fg_err_set(err, FG_E_INVALID,
			   "unknown operator \"%.*s\"; there are < <= > >= == === !=", (int)len,
			   in->text + start));
}

/* Tags whose values a trend is not split by (they would multiply histograms). */
static int check_tag_support(const struct fg_operand *operand, struct fg_err *err)
{
	static const char *const counted[] = {"status", "error_code", "error"};
	const char *first = NULL;

	if (operand->custom)
		return 0;
	for (size_t i = 0; i < FG_ARRAY_LEN(counted); i++) {
		if (!fg_tags_get(&operand->tags, counted[i]))
			continue;
		if (first)
			return fg_err_set(err, FG_E_INVALID, "%s and %s cannot be combined", first,
					  counted[i]);
		first = counted[i];
	}
	if (first && operand->metric != FG_METRIC_HTTP_REQS)
		return fg_err_set(err, FG_E_INVALID,
				  "%s is not split by %s; select by expected_response:true|false, "
				  "or count with http_reqs{%s:%s}",
				  fg_metrics[operand->metric].name, first, first,
				  fg_tags_get(&operand->tags, first));
	return 0;
}

static int parse_operand(struct fg_threshold_cursor *in, struct fg_operand *operand,
			 struct fg_err *err)
{
	size_t start = in->at;
	int rc = fg_operand_parse(in, operand, err);

	if (rc)
		return rc;
	rc = check_tag_support(operand, err);
	return rc ? fg_threshold_at(in, start, err, rc) : 0;
}

static int parse_metrics(const char *text, struct fg_threshold *threshold, struct fg_err *err)
{
	struct fg_threshold_cursor in;
	int rc = fg_threshold_cursor(&in, text, FG_THRESHOLD_IN_METRIC, err);

	if (rc == 0)
		rc = parse_operand(&in, &threshold->what, err);
	if (rc || in.at == in.end)
		return rc;
	if (text[in.at] != '/')
		return fg_threshold_at(
			&in, in.at, err,
			fg_err_set(err, FG_E_INVALID,
				   "expected the end, or \"/\" and a second metric"));
	in.at++;
	fg_threshold_skip_spaces(&in);
	threshold->is_ratio = true;
	rc = parse_operand(&in, &threshold->per, err);
	if (rc == 0 && in.at < in.end)
		rc = fg_threshold_at(&in, in.at, err,
				     fg_err_set(err, FG_E_INVALID, "a ratio is of two metrics"));
	return rc;
}

/* "p(99) / p(50)" of one metric: the same again, with another statistic. */
static int copy_operand(const struct fg_operand *from, struct fg_operand *to, struct fg_err *err)
{
	int rc = fg_tags_copy(&to->tags, &from->tags, err);

	to->metric = from->metric;
	if (rc == 0 && from->custom)
		rc = fg_str_dup(from->custom, &to->custom, err);
	return rc;
}

static int parse_stats(struct fg_threshold_cursor *in, struct fg_threshold *threshold,
		       struct fg_err *err)
{
	size_t start = in->at;
	int rc = parse_stat(in, &threshold->what, err);

	if (rc)
		return rc;
	fg_threshold_skip_spaces(in);
	if (in->at < in->end && in->text[in->at] == '/') {
		in->at++;
		fg_threshold_skip_spaces(in);
		if (!threshold->is_ratio)
			rc = copy_operand(&threshold->what, &threshold->per, err);
		threshold->is_ratio = true;
		return rc ? rc : parse_stat(in, &threshold->per, err);
	}
	if (threshold->is_ratio) { /* one statistic, of both */
		struct fg_threshold_cursor again = *in;

		again.at = start;
		return parse_stat(&again, &threshold->per, err);
	}
	return 0;
}

static int parse_expression(const char *expression, struct fg_threshold *threshold,
			    struct fg_err *err)
{
	struct fg_threshold_cursor in;
	int rc = fg_threshold_cursor(&in, expression, FG_THRESHOLD_IN_EXPRESSION, err);

	if (rc == 0)
		rc = parse_stats(&in, threshold, err);
	if (rc == 0)
		rc = parse_operator(&in, &threshold->compare, err);
	if (rc == 0)
		rc = fg_threshold_parse_limit(&in, threshold, err);
	return rc;
}

int fg_threshold_parse(const char *metric_text, const char *expression, struct fg_threshold *ret,
		       struct fg_err *err)
{
	struct fg_threshold threshold = {.level = FG_LEVEL_ERROR};
	int rc = parse_metrics(metric_text, &threshold, err);

	if (rc == 0)
		rc = parse_expression(expression, &threshold, err);
	if (rc == 0)
		rc = fg_str_dup(metric_text, &threshold.metric_text, err);
	if (rc == 0)
		rc = fg_str_dup(expression, &threshold.text, err);
	if (rc) {
		fg_threshold_done(&threshold);
		return rc;
	}
	*ret = threshold;
	return 0;
}

void fg_threshold_done(struct fg_threshold *threshold)
{
	if (!threshold)
		return;
	free(threshold->metric_text);
	free(threshold->text);
	free(threshold->file);
	fg_operand_done(&threshold->what);
	fg_operand_done(&threshold->per);
	*threshold = (struct fg_threshold){0};
}
