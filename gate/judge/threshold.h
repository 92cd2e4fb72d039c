/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits in k6's grammar: `metric{tag:value,…}` and "p(95)<250", and what is ours on top.
 *
 *   key         metric [selector] [ "/" metric [selector] ]        a ratio of two metrics
 *   expression  stat [ "/" stat ] operator limit                   one stat: of both
 *   limit       number [unit] | term { ("+"|"-") term }
 *   term        "baseline" [("*"|"/") number] | number "*" "baseline" | number [unit] | percent
 *
 * `p(95) < baseline * 1.1 + 5ms`, the same as `p(95) < baseline + 10% + 5ms`: a percentage is of
 * the baseline, but on rates, where it is points. A bare number on a time metric means ms (k6).
 * Scope: window (every window of that length must hold), from and to (seconds since the start),
 * or a stage, which the scenario reader turns into from and to.
 *
 * Pure: parses text, evaluates against results. A threshold that saw no data fails unless
 * allowNoData; so does one with a baseline term where there is no baseline.
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

/* What is measured: a metric under a selector, and one statistic of it. */
struct fg_operand {
	enum fg_metric_id metric; /* FG_METRIC_COUNT: the custom metric of that name */
	char *custom;             /* NULL: a built-in one */
	struct fg_tags tags;      /* the selector */
	enum fg_stat stat;
	double percentile; /* for FG_STAT_PERCENTILE */
};

/* What was written behind a number; decides whether it fits the metric. */
enum fg_unit { FG_UNIT_NONE, FG_UNIT_TIME, FG_UNIT_BYTES, FG_UNIT_PERCENT };

struct fg_threshold {
	char *metric_text; /* "http_req_duration{scenario:browse}" */
	char *text;        /* "p(95)<250" */
	struct fg_operand what;
	bool is_ratio;
	struct fg_operand per; /* what / per */
	enum fg_compare compare;
	double limit; /* ns for time metrics, bytes, plain otherwise; rates 0…1 or per second. A
			 custom time's bare number is ms until it is compared. */
	enum fg_unit unit;
	bool has_baseline;
	double baseline_factor;  /* × the baseline's value, to which `limit` is added */
	uint64_t window_ns;      /* 0: no windows */
	uint64_t from_ns, to_ns; /* since the run's start; to 0: until the end */
	uint64_t stage;          /* 1…: not yet turned into from and to; 0: none */
	bool abort_on_fail;
	uint64_t delay_abort_eval_ns;
	enum fg_level level;
	uint64_t min_samples;
	bool allow_no_data;
	bool stopped_run; /* set while the run goes on: it failed then, whatever is seen at the end
			   */
	char *file;       /* where it stands; NULL if not from a file */
	unsigned line, column;
};

struct fg_threshold_result {
	char *metric_text;
	char *text; /* with its scope: "p(95)<250, window 10s" */
	enum fg_level level;
	bool passed;
	bool no_data;         /* nothing matched, or fewer than minSamples */
	bool aborted;         /* this one stopped the run */
	double value;         /* same unit as limit; NaN if no data */
	uint64_t samples;     /* how many values it saw */
	char value_text[160]; /* "312 ms", "0.0000", "312 ms in 20-30 s" */
};

/* Which text err->column points into after a failed fg_threshold_parse() or _check(): stands in
 * err->line. */
enum {
	FG_THRESHOLD_IN_EXPRESSION,
	FG_THRESHOLD_IN_METRIC,
	FG_THRESHOLD_IN_WINDOW,
	FG_THRESHOLD_IN_FROM,
	FG_THRESHOLD_IN_TO,
	FG_THRESHOLD_IN_STAGE
};

/** Parses both texts; on error `err->column` is the 1-based byte offset inside `expression`, or
 *  inside `metric_text` when err->line is FG_THRESHOLD_IN_METRIC. `*ret` is owned by the caller
 *  (fg_threshold_done). A name that is no built-in metric's is taken for a custom one;
 *  fg_threshold_check() knows. */
int fg_threshold_parse(const char *metric_text, const char *expression, struct fg_threshold *ret,
		       struct fg_err *err) FG_MUST_USE;
void fg_threshold_done(struct fg_threshold *threshold);

/** The left half alone, of a built-in metric: a name with an optional {tag:value,…}. err->column as
 *  above. */
int fg_threshold_parse_metric(const char *metric_text, enum fg_metric_id *ret_metric,
			      struct fg_tags *ret_tags, struct fg_err *err) FG_MUST_USE;
/** A statistic alone ("p(95)", "rate") and whether `metric` has it. err->column as above. */
int fg_stat_parse(const char *text, enum fg_metric_id metric, enum fg_stat *ret_stat,
		  double *ret_percentile, struct fg_err *err) FG_MUST_USE;
/** "p(95)", "avg" …; returns `buffer`. */
const char *fg_stat_text(enum fg_stat stat, double percentile, char buffer[FG_NUM_TEXT_MAX]);
const char *fg_level_name(enum fg_level level); /* error, warn, off */

/** Checks that its metrics exist and have these statistics and units, and that the selector can
 *  match something of this registry; otherwise an error with the nearest known word ("no step is
 *  named …; did you mean …"). err->column as above. */
int fg_threshold_check(const struct fg_threshold *threshold, const struct fg_registry *registry,
		       struct fg_err *err) FG_MUST_USE;

/** One statistic of a result. Counters' rate is per second of the measured phase (k6 divides by the
 *  whole run with setup and ramps, which dilutes it); trends in ns. `*ret_samples` is how many
 *  values there were to look at: 0 means no data and `*ret_value` is NaN. A counter of rare things
 *  (status 500, dropped iterations) has data, and is 0, when requests or iterations ran at all. */
int fg_stat_of_result(const struct fg_result *result, enum fg_metric_id metric,
		      const struct fg_tags *tags, enum fg_stat stat, double percentile,
		      double *ret_value, uint64_t *ret_samples, struct fg_err *err) FG_MUST_USE;

/** Evaluates over everything measured so far. `baseline`: NULL if there is none. Windows and other
 *  scopes come from result->watch where that has them, else from the series. */
int fg_threshold_evaluate(const struct fg_threshold *threshold, const struct fg_result *result,
			  const struct fg_result *baseline, struct fg_threshold_result *ret,
			  struct fg_err *err) FG_MUST_USE;
/** True if it looks at a part of the run or at windows. */
bool fg_threshold_is_scoped(const struct fg_threshold *threshold);
void fg_threshold_result_done(struct fg_threshold_result *result);

#endif
