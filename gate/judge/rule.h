/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a scenario's `gate:` block, as data. Later issues add kinds; the parser refuses the
 * ones it cannot judge yet by name.
 */
#ifndef FG_JUDGE_RULE_H
#define FG_JUDGE_RULE_H

#include "gate/judge/threshold.h"

enum fg_rule_kind {
	FG_RULE_CPU_PER_REQUEST, /* metric: cpu_per_request */
	FG_RULE_METRIC,          /* a latency or count metric with stat */
	FG_RULE_FUNCTION,        /* function: GLOB or re:REGEX, measure self|total */
};

enum fg_measure { FG_MEASURE_SELF, FG_MEASURE_TOTAL };

struct fg_rule {
	enum fg_rule_kind kind;
	enum fg_level level;
	bool is_default; /* built in: what it has no data for is noted, not held against the run */
	char *text;      /* for people: "cpu_per_request", "function json_*" */
	char *metric_text; /* FG_RULE_METRIC */
	enum fg_metric_id metric;
	struct fg_tags tags;
	enum fg_stat stat;
	double percentile;
	char *function_pattern;
	void *regex; /* compiled re: pattern, private to rule.c */
	enum fg_measure measure;
	double max_increase; /* fraction (of metrics that are rates: points); < 0: not set */
	double max_decrease; /* likewise */
	double min_delta_ns; /* absolute slack; 0 = none */
	double min_share;    /* of total CPU in base or head; functions only */
	char *file;
	unsigned line, column;
};

struct fg_gate {
	bool strict; /* gate.profile: strict */
	enum fg_level level;
	struct fg_rule *rules;
	size_t rule_count, rule_capacity;
	enum fg_level on_missing_baseline, on_incomparable, on_inconclusive, on_invalid;
};

enum { FG_RULES_MAX = 1000 };

/** A rule with nothing set: limits < 0, level as the gate's. */
void fg_rule_init(struct fg_rule *rule, enum fg_level level);
void fg_rule_done(struct fg_rule *rule);
/** `metric:` and `stat:` (NULL: rate where the metric has one; a trend needs it). Accepts
 *  "cpu_per_request". On error err->line and err->column say where inside which text, as
 *  fg_threshold_parse(); the rule is unchanged. */
int fg_rule_set_metric(struct fg_rule *rule, const char *metric_text, const char *stat_text,
		       struct fg_err *err) FG_MUST_USE;
/** `function:` (GLOB or re:REGEX, compiled to check it) and `measure:`. */
int fg_rule_set_function(struct fg_rule *rule, const char *pattern, enum fg_measure measure,
			 struct fg_err *err) FG_MUST_USE;
/** Whether a function's name matches the rule's pattern; false for other kinds. */
bool fg_rule_matches_function(const struct fg_rule *rule, const char *name);

void fg_gate_init(struct fg_gate *gate); /* the documented defaults, no rules */
void fg_gate_done(struct fg_gate *gate);
/** Moves `*rule` into the gate (it is empty afterwards); on failure it stays the caller's. */
int fg_gate_add_rule(struct fg_gate *gate, struct fg_rule *rule, struct fg_err *err) FG_MUST_USE;
/** The built-in rules that hold when a scenario states none: CPU per request, p50/p95/p99 of
 *  response time per class, achieved rate, failed share, and every function (self and total). */
int fg_gate_add_default_rules(struct fg_gate *gate, struct fg_err *err) FG_MUST_USE;

#endif
