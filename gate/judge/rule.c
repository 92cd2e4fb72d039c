/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as data: building one from its texts, matching functions, and the rules that hold when a
 * scenario states none. The tolerances are the table of reference/regression-stats.md §5.1; what a
 * comparison may really call with them depends on its evidence and is decided in verdict.c.
 */
#include "gate/judge/rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "gate/base/buf.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { PATTERN_MAX = 1024 };

void fg_rule_init(struct fg_rule *rule, enum fg_level level)
{
	*rule = (struct fg_rule){.level = level, .max_increase = -1, .max_decrease = -1};
}

void fg_rule_done(struct fg_rule *rule)
{
	if (!rule)
		return;
	free(rule->text);
	free(rule->metric_text);
	fg_tags_done(&rule->tags);
	free(rule->function_pattern);
	pcre2_code_free(rule->regex);
	free(rule->file);
	*rule = (struct fg_rule){0};
}

static int set_cpu(struct fg_rule *rule, struct fg_err *err)
{
	char *text;
	int rc = fg_str_dup("cpu_per_request", &text, err);

	if (rc)
		return rc;
	free(rule->text);
	rule->text = text;
	rule->kind = FG_RULE_CPU_PER_REQUEST;
	return 0;
}

static int default_stat(enum fg_metric_id metric, enum fg_stat *ret, struct fg_err *err)
{
	switch (fg_metrics[metric].type) {
	case FG_METRIC_COUNTER:
	case FG_METRIC_RATE:
		*ret = FG_STAT_RATE;
		return 0;
	case FG_METRIC_GAUGE:
		*ret = FG_STAT_VALUE;
		return 0;
	case FG_METRIC_TREND:
		break;
	}
	return fg_err_set(err, FG_E_INVALID, "%s needs a stat, for example stat: p(95)",
			  fg_metrics[metric].name);
}

int fg_rule_set_metric(struct fg_rule *rule, const char *metric_text, const char *stat_text,
		       struct fg_err *err)
{
	struct fg_rule next = {0};
	FG_AUTO_BUF struct fg_buf text = {0};
	char stat[FG_NUM_TEXT_MAX];

	fg_buf_init(&text, 8192);
	if (strcmp(metric_text, "cpu_per_request") == 0)
		return set_cpu(rule, err);
	if (fg_str_starts_with(metric_text, "cpu_per_request{"))
		return fg_err_set(err, FG_E_LATER,
				  "CPU per request of one class is not in this version yet");
	int rc = fg_threshold_parse_metric(metric_text, &next.metric, &next.tags, err);

	if (rc)
		return rc;
	if (stat_text)
		rc = fg_stat_parse(stat_text, next.metric, &next.stat, &next.percentile, err);
	else
		rc = default_stat(next.metric, &next.stat, err);
	if (rc == 0)
		rc = fg_str_dup(metric_text, &next.metric_text, err);
	if (rc == 0) {
		fg_buf_addf(&text, "%s %s", metric_text,
			    fg_stat_text(next.stat, next.percentile, stat));
		rc = fg_buf_check(&text, err);
	}
	if (rc == 0)
		rc = fg_str_dup(text.data, &next.text, err);
	if (rc) {
		fg_rule_done(&next);
		return rc;
	}
	free(rule->text);
	free(rule->metric_text);
	fg_tags_done(&rule->tags);
	rule->kind = FG_RULE_METRIC;
	rule->text = next.text;
	rule->metric_text = next.metric_text;
	rule->metric = next.metric;
	rule->tags = next.tags;
	rule->stat = next.stat;
	rule->percentile = next.percentile;
	return 0;
}

/* Bounded against patterns that backtrack without end. */
static int compile_regex(const char *pattern, pcre2_code **ret, struct fg_err *err)
{
	PCRE2_UCHAR message[128];
	PCRE2_SIZE offset;
	int code;
	pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF,
					  &code, &offset, NULL);

	if (!regex) {
		(void)pcre2_get_error_message(code, message, sizeof(message));
		int rc = fg_err_set(err, FG_E_INVALID, "bad regular expression: %s",
				    (const char *)message);

		fg_err_at(err, NULL, FG_THRESHOLD_IN_EXPRESSION, (unsigned)offset + 4);
		return rc;
	}
	*ret = regex;
	return 0;
}

int fg_rule_set_function(struct fg_rule *rule, const char *pattern, enum fg_measure measure,
			 struct fg_err *err)
{
	pcre2_code *regex = NULL;
	char *copy = NULL;
	char *text = NULL;
	FG_AUTO_BUF struct fg_buf buf = {0};
	int rc = 0;

	fg_buf_init(&buf, PATTERN_MAX + 64);
	if (pattern[0] == '\0' || strcmp(pattern, "re:") == 0)
		return fg_err_set(err, FG_E_INVALID, "the function pattern is empty");
	if (strlen(pattern) > PATTERN_MAX)
		return fg_err_set(err, FG_E_LIMIT, "the function pattern is longer than %d bytes",
				  PATTERN_MAX);
	if (fg_str_starts_with(pattern, "re:"))
		rc = compile_regex(pattern + 3, &regex, err);
	fg_buf_addf(&buf, "function %s %s", pattern, measure == FG_MEASURE_SELF ? "self" : "total");
	if (rc == 0)
		rc = fg_buf_check(&buf, err);
	if (rc == 0)
		rc = fg_str_dup(buf.data, &text, err);
	if (rc == 0)
		rc = fg_str_dup(pattern, &copy, err);
	if (rc) {
		pcre2_code_free(regex);
		free(text);
		return rc;
	}
	free(rule->text);
	free(rule->function_pattern);
	pcre2_code_free(rule->regex);
	rule->kind = FG_RULE_FUNCTION;
	rule->text = text;
	rule->function_pattern = copy;
	rule->regex = regex;
	rule->measure = measure;
	return 0;
}

static bool regex_matches(const pcre2_code *regex, const char *name)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(regex, NULL);
	bool found = false;

	if (limits && data) {
		(void)pcre2_set_match_limit(limits, 100000);
		(void)pcre2_set_heap_limit(limits, 1024);
		found = pcre2_match(regex, (PCRE2_SPTR)name, strlen(name), 0, 0, data, limits) >= 0;
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	return found;
}

bool fg_rule_matches_function(const struct fg_rule *rule, const char *name)
{
	if (rule->kind != FG_RULE_FUNCTION)
		return false;
	if (rule->regex)
		return regex_matches(rule->regex, name);
	if (fg_str_starts_with(rule->function_pattern, "re:"))
		return false; /* not made by fg_rule_set_function() */
	return fg_str_glob(rule->function_pattern, name);
}

/* -- the gate -----------------------------------------------------------------------------------
 */

void fg_gate_init(struct fg_gate *gate)
{
	*gate = (struct fg_gate){
		.level = FG_LEVEL_ERROR,
		.on_missing_baseline = FG_LEVEL_WARN,
		.on_incomparable = FG_LEVEL_WARN,
		.on_inconclusive = FG_LEVEL_WARN,
		.on_invalid = FG_LEVEL_ERROR,
	};
}

void fg_gate_done(struct fg_gate *gate)
{
	if (!gate)
		return;
	for (size_t i = 0; i < gate->rule_count; i++)
		fg_rule_done(&gate->rules[i]);
	free(gate->rules);
	gate->rules = NULL;
	gate->rule_count = gate->rule_capacity = 0;
}

int fg_gate_add_rule(struct fg_gate *gate, struct fg_rule *rule, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(gate, rules, rule_count, rule_capacity, FG_RULES_MAX, err);

	if (rc)
		return rc;
	gate->rules[gate->rule_count++] = *rule;
	*rule = (struct fg_rule){0};
	return 0;
}

/* Tolerances by setting: [0] default, [1] strict. */
static const struct {
	const char *metric, *stat, *function;
	enum fg_measure measure;
	double increase[2], decrease[2];
	double min_delta_ns, min_share;
} defaults[] = {
	{.metric = "cpu_per_request", .increase = {0.02, 0.003}, .decrease = {-1, -1}},
	{.metric = "http_req_response_time",
	 .stat = "p(50)",
	 .increase = {0.02, 0.01},
	 .decrease = {-1, -1},
	 .min_delta_ns = 500e3},
	{.metric = "http_req_response_time",
	 .stat = "p(95)",
	 .increase = {0.05, 0.01},
	 .decrease = {-1, -1},
	 .min_delta_ns = 500e3},
	{.metric = "http_req_response_time",
	 .stat = "p(99)",
	 .increase = {0.10, 0.01},
	 .decrease = {-1, -1},
	 .min_delta_ns = 500e3},
	{.metric = "http_reqs", .stat = "rate", .increase = {-1, -1}, .decrease = {0.01, 0.01}},
	{.metric = "http_req_failed",
	 .stat = "rate",
	 .increase = {0.001, 0.001},
	 .decrease = {-1, -1}},
	{.function = "*",
	 .measure = FG_MEASURE_SELF,
	 .increase = {0.05, 0.05},
	 .decrease = {-1, -1},
	 .min_share = 0.005},
	{.function = "*",
	 .measure = FG_MEASURE_TOTAL,
	 .increase = {0.05, 0.05},
	 .decrease = {-1, -1},
	 .min_share = 0.005},
};

int fg_gate_add_default_rules(struct fg_gate *gate, struct fg_err *err)
{
	size_t setting = gate->strict ? 1 : 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(defaults); i++) {
		struct fg_rule rule;
		int rc;

		fg_rule_init(&rule, gate->level);
		if (defaults[i].metric)
			rc = fg_rule_set_metric(&rule, defaults[i].metric, defaults[i].stat, err);
		else
			rc = fg_rule_set_function(&rule, defaults[i].function, defaults[i].measure,
						  err);
		rule.max_increase = defaults[i].increase[setting];
		rule.max_decrease = defaults[i].decrease[setting];
		rule.min_delta_ns = defaults[i].min_delta_ns;
		rule.min_share = defaults[i].min_share;
		rule.is_default = true;
		if (rc == 0)
			rc = fg_gate_add_rule(gate, &rule, err);
		if (rc) {
			fg_rule_done(&rule);
			return rc;
		}
	}
	return 0;
}
