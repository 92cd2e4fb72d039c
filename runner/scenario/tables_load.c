/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of scenarios and steps: what makes load. */
#include "runner/scenario/schema.h"

enum {
	SHARED = 1 << FG_EXEC_SHARED_ITERATIONS,
	PER_VU = 1 << FG_EXEC_PER_VU_ITERATIONS,
	VUS = 1 << FG_EXEC_CONSTANT_VUS,
	RAMP_VUS = 1 << FG_EXEC_RAMPING_VUS,
	RATE = 1 << FG_EXEC_CONSTANT_ARRIVAL_RATE,
	RAMP_RATE = 1 << FG_EXEC_RAMPING_ARRIVAL_RATE,
	ARRIVAL = RATE | RAMP_RATE,
};

/* Longer is a slip of the unit, and sums of stages must not overflow. */
#define LONGEST (30ull * 86400 * FG_NS_PER_S)

const char *const fg_executor_names[FG_EXEC_COUNT] = {
	[FG_EXEC_SHARED_ITERATIONS] = "shared-iterations",
	[FG_EXEC_PER_VU_ITERATIONS] = "per-vu-iterations",
	[FG_EXEC_CONSTANT_VUS] = "constant-vus",
	[FG_EXEC_RAMPING_VUS] = "ramping-vus",
	[FG_EXEC_CONSTANT_ARRIVAL_RATE] = "constant-arrival-rate",
	[FG_EXEC_RAMPING_ARRIVAL_RATE] = "ramping-arrival-rate",
};

static const struct fg_choice executors[] = {
	{"shared-iterations", FG_EXEC_SHARED_ITERATIONS, "B"},
	{"per-vu-iterations", FG_EXEC_PER_VU_ITERATIONS, "B"},
	{"constant-vus", FG_EXEC_CONSTANT_VUS, NULL},
	{"ramping-vus", FG_EXEC_RAMPING_VUS, NULL},
	{"constant-arrival-rate", FG_EXEC_CONSTANT_ARRIVAL_RATE, NULL},
	{"ramping-arrival-rate", FG_EXEC_RAMPING_ARRIVAL_RATE, "B"},
};
static_assert(FG_ARRAY_LEN(executors) == FG_EXEC_COUNT, "one choice per executor");

static const struct fg_choice arrivals[] = {
	{"jittered", FG_ARRIVALS_JITTERED, NULL},
	{"uniform", FG_ARRIVALS_UNIFORM, NULL},
	{"poisson", FG_ARRIVALS_POISSON, "B"},
};
static const struct fg_choice no_vus[] = {
	{"wait", FG_NO_VU_WAIT, NULL},
	{"drop", FG_NO_VU_DROP, NULL},
};
static const struct fg_choice pacings[] = {
	{"auto", FG_PACING_AUTO, NULL},
	{"timer", FG_PACING_TIMER, NULL},
	{"spin", FG_PACING_SPIN, "B"},
};

static const struct fg_key stage_keys[] = {
	{.name = "duration",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .required = true,
	 FG_AT(fg_stage, duration_ns),
	 .help = "0s jumps"},
	{.name = "target",
	 .type = FG_T_UINT,
	 .required = true,
	 .max = 100000000,
	 FG_AT(fg_stage, target),
	 .help = "VUs or rate at its end"},
};
const struct fg_table fg_schema_stage = {"key", "a stage", FG_KEYS(stage_keys)};

static const struct fg_key scenario_keys[] = {
	{.name = "executor",
	 .type = FG_T_CHOICE,
	 .required = true,
	 FG_CHOICES(executors),
	 FG_AT(fg_scenario, executor),
	 .help = "how iterations are started"},
	{.name = "vus",
	 .type = FG_T_UINT,
	 .standard = "1",
	 .min = 1,
	 .max = FG_SCENARIO_VUS_MAX,
	 FG_AT(fg_scenario, vus),
	 .executors = SHARED | PER_VU | VUS,
	 .help = "virtual users"},
	{.name = "iterations",
	 .type = FG_T_UINT,
	 .standard = "1",
	 .min = 1,
	 FG_AT(fg_scenario, iterations),
	 .executors = SHARED | PER_VU,
	 .help = "in all, or per VU"},
	{.name = "maxDuration",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "10m",
	 .min = FG_NS_PER_S,
	 FG_AT(fg_scenario, max_duration_ns),
	 .executors = SHARED | PER_VU,
	 .help = "at most"},
	{.name = "rate",
	 .type = FG_T_UINT,
	 .min = 1,
	 .max = 100000000,
	 FG_AT(fg_scenario, rate),
	 .executors = RATE,
	 .required_by = RATE,
	 .help = "iterations per timeUnit"},
	{.name = "startRate",
	 .type = FG_T_UINT,
	 .standard = "0",
	 .max = 100000000,
	 FG_AT(fg_scenario, start_rate),
	 .executors = RAMP_RATE,
	 .help = "rate at the start"},
	{.name = "timeUnit",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "1s",
	 .min = 1,
	 FG_AT(fg_scenario, time_unit_ns),
	 .executors = ARRIVAL,
	 .help = "of rate"},
	{.name = "duration",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .min = FG_NS_PER_S,
	 FG_AT(fg_scenario, duration_ns),
	 .executors = VUS | RATE,
	 .required_by = VUS | RATE,
	 .help = "without graceful stop"},
	{.name = "startVUs",
	 .type = FG_T_UINT,
	 .standard = "1",
	 .max = FG_SCENARIO_VUS_MAX,
	 FG_AT(fg_scenario, start_vus),
	 .executors = RAMP_VUS,
	 .help = "VUs at the start"},
	{.name = "stages",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_stages,
	 .table = &fg_schema_stage,
	 .shape = FG_SHAPE_LIST,
	 .executors = RAMP_VUS | RAMP_RATE,
	 .required_by = RAMP_VUS | RAMP_RATE,
	 .help = "linear ramps"},
	{.name = "preAllocatedVUs",
	 .type = FG_T_UINT,
	 .max = FG_SCENARIO_VUS_MAX,
	 FG_AT(fg_scenario, pre_allocated_vus),
	 .executors = ARRIVAL,
	 .required_by = ARRIVAL,
	 .help = "made before the start"},
	{.name = "maxVUs",
	 .type = FG_T_UINT,
	 .max = FG_SCENARIO_VUS_MAX,
	 FG_AT(fg_scenario, max_vus),
	 .executors = ARRIVAL,
	 .help = "default: preAllocatedVUs"},
	{.name = "startTime",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "0s",
	 FG_AT(fg_scenario, start_time_ns),
	 .help = "after the start of the run"},
	{.name = "gracefulStop",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "30s",
	 FG_AT(fg_scenario, graceful_stop_ns),
	 .help = "for iterations that run at the end"},
	{.name = "gracefulRampDown",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "30s",
	 FG_AT(fg_scenario, graceful_ramp_down_ns),
	 .executors = RAMP_VUS,
	 .help = "for iterations of a VU that goes"},
	{.name = "arrivals",
	 .type = FG_T_CHOICE,
	 .standard = "jittered",
	 FG_CHOICES(arrivals),
	 FG_AT(fg_scenario, arrivals),
	 .executors = ARRIVAL,
	 .help = "inside a slot"},
	{.name = "noVU",
	 .type = FG_T_CHOICE,
	 .standard = "wait",
	 FG_CHOICES(no_vus),
	 FG_AT(fg_scenario, no_vu),
	 .executors = ARRIVAL,
	 .help = "when no VU is free"},
	{.name = "pacing",
	 .type = FG_T_CHOICE,
	 .standard = "auto",
	 FG_CHOICES(pacings),
	 FG_AT(fg_scenario, pacing),
	 .help = "how due times are met"},
	{.name = "warmup",
	 .type = FG_T_DURATION,
	 .max = LONGEST,
	 .standard = "0s",
	 FG_AT(fg_scenario, warmup_ns),
	 .help = "kept out of statistics and profile"},
	{.name = "tags", .type = FG_T_TAGS, FG_AT(fg_scenario, tags), .help = "on all samples"},
	{.name = "env", .type = FG_T_TAGS, .later = "B"},
	{.name = "init", .type = FG_T_STEPS, .later = "B"},
	{.name = "flow", .type = FG_T_TEXT, .later = "B"},
	{.name = "steps",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_scenario_steps,
	 .table = &fg_schema_step,
	 .shape = FG_SHAPE_LIST,
	 .help = "one iteration"},
};
const struct fg_table fg_schema_scenario = {"key", "a scenario", FG_KEYS(scenario_keys)};

/* -- checks --------------------------------------------------------------------------------- */

static const struct fg_key check_keys[] = {
	{.name = "name", .type = FG_T_TEXT, FG_AT(fg_check_spec, name), .help = "as reported"},
	{.name = "status",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_status,
	 FG_AT(fg_check_spec, condition.status_low),
	 .help = "200, 2xx or 200-299"},
	{.name = "header", .type = FG_T_ANY, .later = "B"},
	{.name = "cookie", .type = FG_T_ANY, .later = "B"},
	{.name = "body", .type = FG_T_ANY, .later = "B"},
	{.name = "json", .type = FG_T_ANY, .later = "B"},
	{.name = "regex", .type = FG_T_ANY, .later = "B"},
	{.name = "duration", .type = FG_T_ANY, .later = "B"},
	{.name = "size", .type = FG_T_ANY, .later = "B"},
	{.name = "exists", .type = FG_T_ANY, .later = "B"},
	{.name = "equals", .type = FG_T_ANY, .later = "B"},
	{.name = "contains", .type = FG_T_ANY, .later = "B"},
	{.name = "matches", .type = FG_T_ANY, .later = "B"},
};
const struct fg_table fg_schema_check = {"key", "a check", FG_KEYS(check_keys)};

static const struct fg_key expect_keys[] = {
	{.name = "status",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_status,
	 FG_AT(fg_step_http, expect_status_low),
	 .help = "200, 2xx or 200-299"},
	{.name = "header", .type = FG_T_ANY, .later = "B"},
	{.name = "body", .type = FG_T_ANY, .later = "B"},
	{.name = "json", .type = FG_T_ANY, .later = "B"},
	{.name = "duration", .type = FG_T_ANY, .later = "B"},
	{.name = "size", .type = FG_T_ANY, .later = "B"},
};
const struct fg_table fg_schema_expect = {"key", "expect", FG_KEYS(expect_keys)};

/* -- requests ------------------------------------------------------------------------------- */

static const struct fg_key multipart_keys[] = {
	{.name = "path", .type = FG_T_TEXT},
	{.name = "type", .type = FG_T_TEXT},
	{.name = "filename", .type = FG_T_TEXT},
	{.name = "value", .type = FG_T_TEXT},
};
static const struct fg_table multipart_table = {"key", "multipart", FG_KEYS(multipart_keys)};
static const struct fg_key capture_keys[] = {
	{.name = "json", .type = FG_T_TEXT},     {.name = "regex", .type = FG_T_TEXT},
	{.name = "group", .type = FG_T_UINT},    {.name = "header", .type = FG_T_TEXT},
	{.name = "cookie", .type = FG_T_TEXT},   {.name = "status", .type = FG_T_ANY},
	{.name = "body", .type = FG_T_ANY},      {.name = "default", .type = FG_T_ANY},
	{.name = "optional", .type = FG_T_BOOL},
};
static const struct fg_table capture_table = {"key", "capture", FG_KEYS(capture_keys)};

static const struct fg_key request_keys[] = {
	{.name = "method", .type = FG_T_TEXT, .help = "of request:"},
	{.name = "url",
	 .type = FG_T_TEMPLATE,
	 .required = true,
	 FG_AT(fg_step_http, url),
	 .help = "absolute, or relative to target.url"},
	{.name = "name", .type = FG_T_TEXT, FG_AT(fg_step_http, name), .help = "request class"},
	{.name = "headers",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_step_headers,
	 FG_AT(fg_step_http, headers),
	 .help = "on top of http.headers"},
	{.name = "query",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_query,
	 FG_AT(fg_step_http, url),
	 .help = "appended to the URL, encoded"},
	{.name = "json",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_json,
	 FG_AT(fg_step_http, body),
	 .help = "body as JSON"},
	{.name = "form",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_form,
	 FG_AT(fg_step_http, body),
	 .help = "body as an HTML form"},
	{.name = "body",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_body,
	 FG_AT(fg_step_http, body),
	 .help = "body as it is"},
	{.name = "bodyFile",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_body_file,
	 FG_AT(fg_step_http, body),
	 .help = "body from a file, read at load"},
	{.name = "multipart", .type = FG_T_OBJECT_MAP, .table = &multipart_table, .later = "B"},
	{.name = "tags", .type = FG_T_TAGS, FG_AT(fg_step_http, tags), .help = "on its samples"},
	{.name = "checks",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_checks,
	 .table = &fg_schema_check,
	 .shape = FG_SHAPE_LIST,
	 .help = "counted, do not stop"},
	{.name = "expect",
	 .type = FG_T_OBJECT,
	 .table = &fg_schema_expect,
	 .help = "a failed one ends the iteration"},
	{.name = "capture", .type = FG_T_OBJECT_MAP, .table = &capture_table, .later = "B"},
};
const struct fg_table fg_schema_request = {"key", "a request", FG_KEYS(request_keys),
					   .base = &fg_schema_http,
					   .base_offset = offsetof(struct fg_step_http, http)};

/* -- steps ---------------------------------------------------------------------------------- */

static const struct fg_choice distributions[] = {
	{"constant", FG_THINK_CONSTANT, NULL},
	{"uniform", FG_THINK_UNIFORM, NULL},
	{"normal", FG_THINK_NORMAL, NULL},
	{"exponential", FG_THINK_EXPONENTIAL, NULL},
};
static const struct fg_key think_keys[] = {
	{.name = "min", .type = FG_T_DURATION, FG_AT(fg_step_think, min_ns), .help = "at least"},
	{.name = "max", .type = FG_T_DURATION, FG_AT(fg_step_think, max_ns), .help = "at most"},
	{.name = "distribution",
	 .type = FG_T_CHOICE,
	 FG_CHOICES(distributions),
	 FG_AT(fg_step_think, distribution),
	 .help = "between them"},
};
const struct fg_table fg_schema_think = {"key", "think", FG_KEYS(think_keys)};

static const struct fg_key group_keys[] = {
	{.name = "name", .type = FG_T_TEXT, .required = true, .help = "part of the group tag"},
	{.name = "steps", .type = FG_T_ANY, .required = true, .help = "its steps"},
};
const struct fg_table fg_schema_group = {"key", "a group", FG_KEYS(group_keys)};

static const struct fg_key weight_keys[] = {
	{.name = "weight", .type = FG_T_UINT, .min = 1},
	{.name = "steps", .type = FG_T_STEPS, .required = true},
};
static const struct fg_table weight_table = {"key", "choose", FG_KEYS(weight_keys)};
static const struct fg_key loop_keys[] = {
	{.name = "count", .type = FG_T_UINT},
	{.name = "over", .type = FG_T_ANY},
	{.name = "while", .type = FG_T_TEXT},
	{.name = "as", .type = FG_T_TEXT},
	{.name = "steps", .type = FG_T_STEPS, .required = true},
};
static const struct fg_table loop_table = {"key", "loop", FG_KEYS(loop_keys)};
static const struct fg_key if_keys[] = {
	{.name = "when", .type = FG_T_TEXT, .required = true},
	{.name = "then", .type = FG_T_STEPS, .required = true},
	{.name = "else", .type = FG_T_STEPS},
};
static const struct fg_table if_table = {"key", "if", FG_KEYS(if_keys)};
static const struct fg_choice metric_types[] = {
	{"counter", 0, NULL}, {"gauge", 1, NULL}, {"rate", 2, NULL}, {"trend", 3, NULL}};
static const struct fg_key metric_keys[] = {
	{.name = "name", .type = FG_T_TEXT, .required = true},
	{.name = "type", .type = FG_T_CHOICE, .required = true, FG_CHOICES(metric_types)},
	{.name = "value", .type = FG_T_TEXT, .required = true},
};
static const struct fg_table metric_table = {"key", "metric", FG_KEYS(metric_keys)};

#define REQUEST .type = FG_T_CUSTOM, .read = fg_read_request_step, .table = &fg_schema_request
static const struct fg_key step_keys[] = {
	{.name = "get", REQUEST},
	{.name = "post", REQUEST},
	{.name = "put", REQUEST},
	{.name = "patch", REQUEST},
	{.name = "delete", REQUEST},
	{.name = "head", REQUEST},
	{.name = "options", REQUEST},
	{.name = "request", REQUEST},
	{.name = "think",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_think_step,
	 .table = &fg_schema_think},
	{.name = "group",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_group_step,
	 .table = &fg_schema_group},
	{.name = "choose", .type = FG_T_OBJECTS, .table = &weight_table, .later = "B"},
	{.name = "loop", .type = FG_T_OBJECT, .table = &loop_table, .later = "B"},
	{.name = "if", .type = FG_T_OBJECT, .table = &if_table, .later = "B"},
	{.name = "parallel", .type = FG_T_STEPS, .later = "B"},
	{.name = "run", .type = FG_T_TEXT, .later = "B"},
	{.name = "with", .type = FG_T_TAGS, .later = "B"},
	{.name = "log", .type = FG_T_TEXT, .later = "B"},
	{.name = "fail", .type = FG_T_TEXT, .later = "B"},
	{.name = "metric", .type = FG_T_OBJECT, .table = &metric_table, .later = "B"},
};
const struct fg_table fg_schema_step = {"step", "a list of steps", FG_KEYS(step_keys)};

/* -- blocks of steps that come later -------------------------------------------------------- */

static const struct fg_key block_keys[] = {
	{.name = "timeout", .type = FG_T_DURATION, .standard = "60s"},
	{.name = "steps", .type = FG_T_STEPS, .required = true},
};
const struct fg_table fg_schema_block = {"key", "setup and teardown", FG_KEYS(block_keys)};
static const struct fg_key flow_keys[] = {
	{.name = "params", .type = FG_T_TAGS},
	{.name = "steps", .type = FG_T_STEPS, .required = true},
};
const struct fg_table fg_schema_flow = {"key", "a flow", FG_KEYS(flow_keys)};
