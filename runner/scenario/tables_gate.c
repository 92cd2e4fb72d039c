/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of what is tolerated and where results go. */
#include "runner/scenario/schema.h"

/* -- gate ----------------------------------------------------------------------------------- */

static const struct fg_choice levels[] = {
	{"error", FG_LEVEL_ERROR, NULL},
	{"warn", FG_LEVEL_WARN, NULL},
	{"off", FG_LEVEL_OFF, NULL},
};

static const struct fg_key threshold_keys[] = {
	{.name = "threshold", .type = FG_T_TEXT, .required = true, .help = "\"p(95)<250\""},
	{.name = "abortOnFail",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_threshold, abort_on_fail),
	 .help = "ends the run"},
	{.name = "delayAbortEval",
	 .type = FG_T_DURATION,
	 .standard = "0s",
	 FG_AT(fg_threshold, delay_abort_eval_ns),
	 .help = "not before"},
	{.name = "level",
	 .type = FG_T_CHOICE,
	 .standard = "error",
	 FG_CHOICES(levels),
	 FG_AT(fg_threshold, level),
	 .help = "warn does not fail the run"},
	{.name = "minSamples",
	 .type = FG_T_UINT,
	 .standard = "0",
	 FG_AT(fg_threshold, min_samples),
	 .help = "fewer count as no data"},
	{.name = "allowNoData",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_threshold, allow_no_data),
	 .help = "no data passes"},
};
const struct fg_table fg_schema_threshold = {"key", "a threshold", FG_KEYS(threshold_keys)};

static const struct fg_choice measures[] = {
	{"self", FG_MEASURE_SELF, NULL},
	{"total", FG_MEASURE_TOTAL, NULL},
};
static const struct fg_key new_function_keys[] = {
	{.name = "minShare", .type = FG_T_PERCENT},
	{.name = "level", .type = FG_T_CHOICE, FG_CHOICES(levels)},
};
static const struct fg_table new_function_table = {"key", "newFunctions",
						   FG_KEYS(new_function_keys)};
static const struct fg_key rule_keys[] = {
	{.name = "metric", .type = FG_T_TEXT, .help = "cpu_per_request, or a metric with tags"},
	{.name = "stat", .type = FG_T_TEXT, .help = "p(95), rate, count …"},
	{.name = "function", .type = FG_T_TEXT, .help = "glob, or re:REGEX"},
	{.name = "measure",
	 .type = FG_T_CHOICE,
	 .standard = "total",
	 FG_CHOICES(measures),
	 FG_AT(fg_rule, measure),
	 .help = "of a function"},
	{.name = "newFunctions", .type = FG_T_OBJECT, .table = &new_function_table, .later = "D"},
	{.name = "counter", .type = FG_T_TEXT, .later = "D"},
	{.name = "memory", .type = FG_T_TEXT, .later = "D"},
	{.name = "budget", .type = FG_T_TEXT, .later = "D"},
	{.name = "maxIncrease",
	 .type = FG_T_PERCENT,
	 FG_AT(fg_rule, max_increase),
	 .help = "tolerated rise"},
	{.name = "maxDecrease",
	 .type = FG_T_PERCENT,
	 FG_AT(fg_rule, max_decrease),
	 .help = "tolerated fall"},
	{.name = "minDelta", .type = FG_T_DURATION, .help = "and at least this much"},
	{.name = "minShare",
	 .type = FG_T_PERCENT,
	 FG_AT(fg_rule, min_share),
	 .help = "of CPU, functions only"},
	{.name = "max", .type = FG_T_TEXT, .later = "D"},
	{.name = "name", .type = FG_T_TEXT, .later = "D"},
	{.name = "profile", .type = FG_T_TEXT, .standard = "cpu", .later = "C"},
	{.name = "level",
	 .type = FG_T_CHOICE,
	 FG_CHOICES(levels),
	 FG_AT(fg_rule, level),
	 .help = "overrides gate.level"},
};
const struct fg_table fg_schema_rule = {"key", "a rule", FG_KEYS(rule_keys)};

static const struct fg_choice gate_profiles[] = {{"default", 0, NULL}, {"strict", 1, NULL}};
static const struct fg_key ratchet_keys[] = {
	{.name = "enabled", .type = FG_T_BOOL, .standard = "false", .later = "D"},
	{.name = "after", .type = FG_T_UINT, .standard = "5", .help = "improvements in a row"},
	{.name = "margin",
	 .type = FG_T_PERCENT,
	 .standard = "2%",
	 .help = "kept above what was measured"},
};
static const struct fg_table ratchet_table = {"key", "gate.ratchet", FG_KEYS(ratchet_keys)};
static const struct fg_key gate_keys[] = {
	{.name = "profile",
	 .type = FG_T_CHOICE,
	 .standard = "default",
	 FG_CHOICES(gate_profiles),
	 .help = "table of tolerances"},
	{.name = "level",
	 .type = FG_T_CHOICE,
	 .standard = "error",
	 FG_CHOICES(levels),
	 FG_AT(fg_gate, level),
	 .help = "of rules without their own"},
	{.name = "rules",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_rules,
	 .table = &fg_schema_rule,
	 .shape = FG_SHAPE_LIST,
	 .help = "what may not get worse"},
	{.name = "onMissingBaseline",
	 .type = FG_T_CHOICE,
	 .standard = "warn",
	 FG_CHOICES(levels),
	 FG_AT(fg_gate, on_missing_baseline),
	 .help = "error: exit 12"},
	{.name = "onIncomparable",
	 .type = FG_T_CHOICE,
	 .standard = "warn",
	 FG_CHOICES(levels),
	 FG_AT(fg_gate, on_incomparable),
	 .help = "error: exit 11"},
	{.name = "onInconclusive",
	 .type = FG_T_CHOICE,
	 .standard = "warn",
	 FG_CHOICES(levels),
	 FG_AT(fg_gate, on_inconclusive),
	 .help = "error: exit 11"},
	{.name = "onInvalid",
	 .type = FG_T_CHOICE,
	 .standard = "error",
	 FG_CHOICES(levels),
	 FG_AT(fg_gate, on_invalid),
	 .help = "warn: exit 0"},
	{.name = "accept", .type = FG_T_TEXT, .standard = ".flamegate/accept.yaml", .later = "D"},
	{.name = "ratchet",
	 .type = FG_T_OBJECT,
	 .table = &ratchet_table,
	 .help = "lowers references after improvements"},
};
const struct fg_table fg_schema_gate = {"key", "gate", FG_KEYS(gate_keys)};

/* -- baseline, report, publish -------------------------------------------------------------- */

static const struct fg_choice store_types[] = {
	{"dir", 0, NULL}, {"git", 1, "E"}, {"s3", 2, "E"}, {"http", 3, "E"}};
static const struct fg_key store_keys[] = {
	{.name = "type",
	 .type = FG_T_CHOICE,
	 .standard = "dir",
	 FG_CHOICES(store_types),
	 .help = "kind of store"},
	{.name = "path",
	 .type = FG_T_TEXT,
	 FG_AT(fg_scenario_file, baseline_dir),
	 .help = "of type dir"},
	{.name = "ref", .type = FG_T_TEXT, .later = "E"},
	{.name = "bucket", .type = FG_T_TEXT, .later = "E"},
	{.name = "endpoint", .type = FG_T_TEXT, .later = "E"},
	{.name = "prefix", .type = FG_T_TEXT, .later = "E"},
	{.name = "url", .type = FG_T_TEXT, .later = "E"},
};
const struct fg_table fg_schema_store = {"key", "baseline.store", FG_KEYS(store_keys)};
static const struct fg_key select_keys[] = {
	{.name = "maxAncestors", .type = FG_T_UINT, .standard = "50"},
	{.name = "environment", .type = FG_T_TEXTS},
};
static const struct fg_table select_table = {"key", "baseline.select", FG_KEYS(select_keys)};
static const struct fg_key keep_keys[] = {
	{.name = "perBranch", .type = FG_T_UINT, .standard = "200"},
	{.name = "days", .type = FG_T_UINT, .standard = "180"},
};
static const struct fg_table keep_table = {"key", "baseline.keep", FG_KEYS(keep_keys)};
static const struct fg_key baseline_keys[] = {
	{.name = "store",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_store,
	 .table = &fg_schema_store,
	 .shape = FG_SHAPE_ONE,
	 .help = "where baselines are"},
	{.name = "select", .type = FG_T_OBJECT, .table = &select_table, .later = "E"},
	{.name = "keep", .type = FG_T_OBJECT, .table = &keep_table, .later = "E"},
};
const struct fg_table fg_schema_baseline = {"key", "baseline", FG_KEYS(baseline_keys)};

static const struct fg_key report_keys[] = {
	{.name = "html", .type = FG_T_TEXT, .later = "F"},
	{.name = "junit",
	 .type = FG_T_TEXT,
	 FG_AT(fg_scenario_file, report_junit),
	 .help = "file to write"},
	{.name = "markdown",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_markdown,
	 FG_AT(fg_scenario_file, report_markdown),
	 .help = "file to write; auto: the step summary in CI"},
};
const struct fg_table fg_schema_report = {"key", "report", FG_KEYS(report_keys)};

static const struct fg_choice publish_types[] = {
	{"pyroscope", 0, NULL}, {"prometheus", 1, "B"}, {"otlp", 2, "F"}};
static const struct fg_choice publish_whens[] = {
	{"always", 0, NULL}, {"passed", 1, "F"}, {"failed", 2, "F"}};
static const struct fg_key publish_keys[] = {
	{.name = "type",
	 .type = FG_T_CHOICE,
	 .required = true,
	 FG_CHOICES(publish_types),
	 .help = "kind of server"},
	{.name = "url",
	 .type = FG_T_TEXT,
	 .required = true,
	 FG_AT(fg_publish_pyroscope, url),
	 .help = "its address"},
	{.name = "when",
	 .type = FG_T_CHOICE,
	 .standard = "always",
	 FG_CHOICES(publish_whens),
	 .help = "always"},
	{.name = "required",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_publish_pyroscope, required),
	 .help = "exit 15 when it fails"},
	{.name = "labels",
	 .type = FG_T_TAGS,
	 FG_AT(fg_publish_pyroscope, labels),
	 .help = "on every profile"},
};
const struct fg_table fg_schema_publish = {"key", "publish", FG_KEYS(publish_keys)};

static const struct fg_key prometheus_keys[] = {
	{.name = "type", .type = FG_T_TEXT, .required = true, .help = "prometheus"},
	{.name = "url",
	 .type = FG_T_TEXT,
	 .required = true,
	 FG_AT(fg_publish_prometheus, url),
	 .help = "of the remote-write endpoint"},
	{.name = "required",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_publish_prometheus, required),
	 .help = "exit 15 when it fails"},
	{.name = "trendStats",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_trend_stats,
	 .help = "p(99), avg, min, max, med, count, sum; default: [p(99)]"},
	{.name = "testid",
	 .type = FG_T_TEMPLATE,
	 FG_AT(fg_publish_prometheus, testid),
	 .help = "label on every series, such as \"{{ run.id }}\""},
	{.name = "pushInterval",
	 .type = FG_T_DURATION,
	 .standard = "5s",
	 .min = FG_NS_PER_MS,
	 FG_AT(fg_publish_prometheus, push_interval_ns),
	 .help = "while the run lasts"},
	{.name = "labels",
	 .type = FG_T_TAGS,
	 FG_AT(fg_publish_prometheus, labels),
	 .help = "on every series"},
	{.name = "headers",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_publish_headers,
	 .shape = FG_SHAPE_TEXTS,
	 .help = "sent with every push"},
	{.name = "username",
	 .type = FG_T_TEXT,
	 FG_AT(fg_publish_prometheus, username),
	 .help = "basic authentication"},
	{.name = "password",
	 .type = FG_T_TEXT,
	 FG_AT(fg_publish_prometheus, password),
	 .help = "basic authentication"},
	{.name = "bearerToken",
	 .type = FG_T_TEXT,
	 FG_AT(fg_publish_prometheus, bearer_token),
	 .help = "instead of username and password"},
	{.name = "insecureSkipVerify",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_publish_prometheus, insecure_skip_verify),
	 .help = "accept every certificate"},
	{.name = "staleMarkers",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_publish_prometheus, stale_markers),
	 .help = "ends the series with the run"},
};
const struct fg_table fg_schema_prometheus = {"key", "publish", FG_KEYS(prometheus_keys)};
