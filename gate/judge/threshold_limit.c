/* SPDX-License-Identifier: Apache-2.0 */
/* The right side of a threshold: a number with its unit, or a term of the baseline. */
#include <ctype.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/judge/threshold_internal.h"

static const char baseline_word[] = "baseline";

/* Which units fit; of a custom metric all may, until it is known. */
struct limit_kind {
	bool is_time, is_bytes, is_per_second, is_fraction, is_ratio, is_custom;
};

static struct limit_kind kind_of(const struct fg_threshold *threshold)
{
	struct fg_operand_info info;
	bool known = fg_operand_describe(&threshold->what, NULL, &info);
	bool is_rate = threshold->what.stat == FG_STAT_RATE;

	if (threshold->is_ratio)
		return (struct limit_kind){.is_ratio = true};
	return (struct limit_kind){
		.is_custom = !known,
		.is_time = info.is_time,
		.is_bytes = info.is_bytes,
		.is_per_second = is_rate && (!known || info.type == FG_METRIC_COUNTER),
		.is_fraction = known && is_rate && info.type == FG_METRIC_RATE,
	};
}

struct amount {
	double value;
	enum fg_unit unit;
};

static int unfit(const char *text, size_t len, struct limit_kind kind, struct fg_err *err)
{
	const char *what = "";

	if (kind.is_time)
		what = " (ms) or a duration such as 250ms";
	else if (kind.is_bytes)
		what = " or a size such as 16KiB";
	else if (kind.is_fraction)
		what = " between 0 and 1 or a percentage such as 1%";
	return fg_err_set(err, FG_E_INVALID, "expected a number%s on the right, got \"%.*s\"", what,
			  (int)FG_MIN(len, (size_t)60), text);
}

static bool parse_unit(const char *text, size_t len, struct limit_kind kind, struct amount *ret)
{
	uint64_t whole;

	if ((kind.is_time || kind.is_custom) && fg_num_duration_ns(text, len, &whole, NULL) == 0) {
		*ret = (struct amount){(double)whole, FG_UNIT_TIME};
		return true;
	}
	if ((kind.is_bytes || kind.is_custom) && fg_num_size_bytes(text, len, &whole, NULL) == 0) {
		*ret = (struct amount){(double)whole, FG_UNIT_BYTES};
		return true;
	}
	ret->unit = FG_UNIT_PERCENT;
	return (kind.is_fraction || kind.is_ratio || kind.is_custom) &&
	       fg_num_percent(text, len, &ret->value, NULL) == 0;
}

/* The number with its unit, or an error that says which units fit. */
static int parse_amount(const char *text, size_t len, struct limit_kind kind, struct amount *ret,
			struct fg_err *err)
{
	*ret = (struct amount){0};
	if (kind.is_per_second && len > 2 && memcmp(text + len - 2, "/s", 2) == 0)
		len -= 2;
	if (fg_num_double(text, len, &ret->value, NULL) == 0) {
		if (kind.is_time)
			ret->value *= (double)FG_NS_PER_MS; /* a bare number is ms, as k6 */
		return 0;
	}
	return parse_unit(text, len, kind, ret) ? 0 : unfit(text, len, kind, err);
}

static bool contains(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

/* -- terms of the baseline ----------------------------------------------------------------------
 */

/* Up to the next operator; the sign of an exponent belongs to its number. */
static struct fg_threshold_slice next_word(struct fg_threshold_cursor *in)
{
	size_t start = in->at;

	while (in->at < in->end) {
		char c = in->text[in->at];
		bool exponent = in->at > start && strchr("eE", in->text[in->at - 1]) &&
				isdigit((unsigned char)in->text[start]);

		if (isspace((unsigned char)c) || strchr("*/", c) || (strchr("+-", c) && !exponent))
			break;
		in->at++;
	}
	size_t stop = in->at;

	fg_threshold_skip_spaces(in);
	return (struct fg_threshold_slice){start, stop - start};
}

static bool is_baseline(const struct fg_threshold_cursor *in, struct fg_threshold_slice word)
{
	return word.len == sizeof(baseline_word) - 1 &&
	       memcmp(in->text + word.start, baseline_word, word.len) == 0;
}

static bool take_char(struct fg_threshold_cursor *in, char c)
{
	if (in->at >= in->end || in->text[in->at] != c)
		return false;
	in->at++;
	fg_threshold_skip_spaces(in);
	return true;
}

static int parse_factor(struct fg_threshold_cursor *in, double *ret, struct fg_err *err)
{
	struct fg_threshold_slice word = next_word(in);

	if (fg_num_double(in->text + word.start, word.len, ret, NULL) || *ret <= 0)
		return fg_threshold_at(in, word.start, err,
				       fg_err_set(err, FG_E_INVALID,
						  "expected a number above 0, for example "
						  "baseline * 1.1"));
	return 0;
}

/* "baseline", "baseline * 1.1", "baseline / 2" */
static int parse_baseline(struct fg_threshold_cursor *in, double *ret, struct fg_err *err)
{
	double number = 1;
	int rc = 0;

	*ret = 1;
	if (take_char(in, '*')) {
		rc = parse_factor(in, &number, err);
		*ret = number;
	} else if (take_char(in, '/')) {
		rc = parse_factor(in, &number, err);
		*ret = 1 / number;
	}
	return rc;
}

/* One term with its sign; adds it to the factor or to the slack. */
static int parse_term(struct fg_threshold_cursor *in, double sign, struct limit_kind kind,
		      struct fg_threshold *threshold, struct fg_err *err)
{
	struct fg_threshold_slice word = next_word(in);
	const char *text = in->text + word.start;
	struct amount amount = {0};
	double factor = 1;
	int rc;

	if (is_baseline(in, word)) {
		rc = parse_baseline(in, &factor, err);
		threshold->baseline_factor += sign * factor;
		return rc;
	}
	if (take_char(in, '*')) {
		struct fg_threshold_slice second = next_word(in);

		if (fg_num_double(text, word.len, &factor, NULL) || !is_baseline(in, second))
			return fg_threshold_at(in, word.start, err,
					       fg_err_set(err, FG_E_INVALID,
							  "expected a number times baseline"));
		threshold->baseline_factor += sign * factor;
		return 0;
	}
	/* a share of the baseline; of rates, which are shares themselves, points */
	if (!kind.is_fraction && fg_num_percent(text, word.len, &factor, NULL) == 0) {
		threshold->baseline_factor += sign * factor;
		return 0;
	}
	rc = word.len ? parse_amount(text, word.len, kind, &amount, err)
		      : fg_err_set(err, FG_E_INVALID, "a term is missing");
	if (rc)
		return fg_threshold_at(in, word.start, err, rc);
	threshold->limit += sign * amount.value;
	if (amount.unit != FG_UNIT_NONE)
		threshold->unit = amount.unit;
	return 0;
}

static int parse_terms(struct fg_threshold_cursor *in, struct limit_kind kind,
		       struct fg_threshold *threshold, struct fg_err *err)
{
	size_t start = in->at;
	double sign = 1;
	int rc = parse_term(in, sign, kind, threshold, err);

	while (rc == 0 && in->at < in->end) {
		sign = in->text[in->at] == '-' ? -1 : 1;
		if (!take_char(in, '+') && !take_char(in, '-'))
			return fg_threshold_at(in, in->at, err,
					       fg_err_set(err, FG_E_INVALID,
							  "expected + or - here"));
		rc = parse_term(in, sign, kind, threshold, err);
	}
	if (rc)
		return rc;
	if (threshold->compare == FG_CMP_EQ || threshold->compare == FG_CMP_NE)
		return fg_threshold_at(in, start, err,
				       fg_err_set(err, FG_E_INVALID,
						  "no two runs are equal: compare with a baseline "
						  "by < <= > >="));
	if (!(threshold->baseline_factor > 0))
		return fg_threshold_at(in, start, err,
				       fg_err_set(err, FG_E_INVALID,
						  "this limit does not grow with the baseline"));
	threshold->has_baseline = true;
	return 0;
}

int fg_threshold_parse_limit(struct fg_threshold_cursor *in, struct fg_threshold *threshold,
			     struct fg_err *err)
{
	struct limit_kind kind = kind_of(threshold);
	struct amount amount = {0};

	fg_threshold_skip_spaces(in);
	const char *text = in->text + in->at;
	size_t len = in->end - in->at;

	if (len == 0)
		return fg_threshold_at(in, in->at, err,
				       fg_err_set(err, FG_E_INVALID, "the limit is missing"));
	if (contains(text, len, "&&") || contains(text, len, "||") ||
	    contains(text, len, " and ") || contains(text, len, " or "))
		return fg_threshold_at(
			in, in->at, err,
			fg_err_set(err, FG_E_INVALID,
				   "one condition per threshold; write two entries"));
	if (contains(text, len, baseline_word))
		return parse_terms(in, kind, threshold, err);
	int rc = parse_amount(text, len, kind, &amount, err);

	if (rc)
		return fg_threshold_at(in, in->at, err, rc);
	if (kind.is_fraction && (amount.value < 0 || amount.value > 1))
		return fg_threshold_at(
			in, in->at, err,
			fg_err_set(err, FG_E_INVALID,
				   "a rate lies between 0 and 1, %g would always or never "
				   "hold; 5 %% is 0.05 or 5%%",
				   amount.value));
	threshold->limit = amount.value;
	threshold->unit = amount.unit;
	return 0;
}
