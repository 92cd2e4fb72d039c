/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Absolute limits in k6's grammar: `metric{tag:value,…}` and "p(95)<250".
 *
 * Pure: parses text, evaluates against a result. A bare number on a time metric means ms (k6);
 * units are allowed. A threshold that saw no data fails unless allowNoData.
 * Grammar: reference/load-tools.md §3.1 plus units.
 */
#ifndef FG_JUDGE_THRESHOLD_H
#define FG_JUDGE_THRESHOLD_H

#include "gate/base/num.h"
#include "gate/measure/result.h"

enum fg_stat {
	FG_STAT_COUNT,
	FG_STAT_RATE,
	FG_STAT_VALUE,
	FG_STAT_AVG,
	FG_STAT_MIN,
	FG_STAT_MAX,
	FG_STAT_MED,
	FG_STAT_PERCENTILE
};
enum fg_compare { FG_CMP_LT, FG_CMP_LE, FG_CMP_GT, FG_CMP_GE, FG_CMP_EQ, FG_CMP_NE };
enum fg_level { FG_LEVEL_ERROR, FG_LEVEL_WARN, FG_LEVEL_OFF };

struct fg_threshold {
	char *metric_text; /* "http_req_duration{scenario:browse}" */
	char *text;        /* "p(95)<250" */
	enum fg_metric_id metric;
	struct fg_tags tags; /* the selector */
	enum fg_stat stat;
	double percentile; /* for FG_STAT_PERCENTILE */
	enum fg_compare compare;
	double limit; /* ns for time metrics, bytes, plain otherwise; rates 0…1 or per second */
	bool abort_on_fail;
	uint64_t delay_abort_eval_ns;
	enum fg_level level;
	uint64_t min_samples;
	bool allow_no_data;
	char *file; /* where it stands; NULL if not from a file */
	unsigned line, column;
};

struct fg_threshold_result {
	char *metric_text;
	char *text;
	enum fg_level level;
	bool passed;
	bool no_data;        /* nothing matched, or fewer than minSamples */
	bool aborted;        /* this one stopped the run */
	double value;        /* same unit as limit; NaN if no data */
	uint64_t samples;    /* how many values it saw */
	char value_text[64]; /* "312 ms", "0.0000" */
};

/* Which text err->column points into after a failed fg_threshold_parse(): stands in err->line. */
enum { FG_THRESHOLD_IN_EXPRESSION = 0, FG_THRESHOLD_IN_METRIC = 1 };

/** Parses both texts; on error `err->column` is the 1-based byte offset inside `expression`, or
 *  inside `metric_text` when err->line is FG_THRESHOLD_IN_METRIC. `*ret` is owned by the caller
 *  (fg_threshold_done). FG_E_LATER for syntax that comes with a later issue. */
int fg_threshold_parse(const char *metric_text, const char *expression, struct fg_threshold *ret,
		       struct fg_err *err) FG_MUST_USE;
void fg_threshold_done(struct fg_threshold *threshold);

/** The left half alone: a metric name with an optional {tag:value,…}. err->column as above. */
int fg_threshold_parse_metric(const char *metric_text, enum fg_metric_id *ret_metric,
			      struct fg_tags *ret_tags, struct fg_err *err) FG_MUST_USE;
/** A statistic alone ("p(95)", "rate") and whether `metric` has it. err->column as above. */
int fg_stat_parse(const char *text, enum fg_metric_id metric, enum fg_stat *ret_stat,
		  double *ret_percentile, struct fg_err *err) FG_MUST_USE;
/** "p(95)", "avg" …; returns `buffer`. */
const char *fg_stat_text(enum fg_stat stat, double percentile, char buffer[FG_NUM_TEXT_MAX]);
const char *fg_level_name(enum fg_level level); /* error, warn, off */

/** Checks that the selector can match something of this registry; otherwise an error with the
 *  nearest known value ("no step is named …; did you mean …"). */
int fg_threshold_check(const struct fg_threshold *threshold, const struct fg_registry *registry,
		       struct fg_err *err) FG_MUST_USE;

/** One statistic of a result. Counters' rate is per second of the measured phase (k6 divides by the
 *  whole run with setup and ramps, which dilutes it); trends in ns. `*ret_samples` is how many
 *  values there were to look at: 0 means no data and `*ret_value` is NaN. A counter of rare things
 *  (status 500, dropped iterations) has data, and is 0, when requests or iterations ran at all. */
int fg_stat_of_result(const struct fg_result *result, enum fg_metric_id metric,
		      const struct fg_tags *tags, enum fg_stat stat, double percentile,
		      double *ret_value, uint64_t *ret_samples, struct fg_err *err) FG_MUST_USE;

/** Evaluates over everything measured so far. */
int fg_threshold_evaluate(const struct fg_threshold *threshold, const struct fg_result *result,
			  struct fg_threshold_result *ret, struct fg_err *err) FG_MUST_USE;
void fg_threshold_result_done(struct fg_threshold_result *result);

#endif
