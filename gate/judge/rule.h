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
	char *text;        /* for people: "cpu_per_request", "function json_*" */
	char *metric_text; /* FG_RULE_METRIC */
	enum fg_metric_id metric;
	struct fg_tags tags;
	enum fg_stat stat;
	double percentile;
	char *function_pattern;
	enum fg_measure measure;
	double max_increase; /* fraction; < 0: not set */
	double max_decrease; /* fraction; < 0: not set */
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

void fg_gate_init(struct fg_gate *gate); /* the documented defaults, no rules */
void fg_gate_done(struct fg_gate *gate);
/** The built-in rules that hold when a scenario states none: CPU per request, p50/p95/p99 of
 *  response time per class, achieved rate, and every function. */
int fg_gate_add_default_rules(struct fg_gate *gate, struct fg_err *err) FG_MUST_USE;

#endif
