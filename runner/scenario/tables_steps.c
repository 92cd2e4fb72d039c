/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of steps: requests, their conditions and captures, and what stands around them. */
#include "runner/scenario/schema.h"

/* -- conditions ----------------------------------------------------------------------------- */

/* A test looks at what is named beside it, or above it. */
#define TESTS                                                                                   \
	{.name = "exists", .type = FG_T_BOOL, .help = "is it there?"},                          \
		{.name = "equals", .type = FG_T_VALUE, .help = "is this value"},                \
		{.name = "notEquals", .type = FG_T_VALUE, .help = "is another value"},          \
		{.name = "contains", .type = FG_T_TEMPLATE, .help = "has this text in it"},     \
		{.name = "matches", .type = FG_T_TEXT, .help = "matches a regular expression"}, \
		{.name = "lt", .type = FG_T_VALUE, .help = "is a number below"},                \
		{.name = "lte", .type = FG_T_VALUE, .help = "is a number not above"},           \
		{.name = "gt", .type = FG_T_VALUE, .help = "is a number above"},                \
	{                                                                                       \
		.name = "gte", .type = FG_T_VALUE, .help = "is a number not below"              \
	}

static const struct fg_key test_keys[] = {TESTS};
const struct fg_table fg_schema_test = {"test", "a condition", FG_KEYS(test_keys)};

#define SUBJECT(subject, form, text)                                                            \
	{                                                                                       \
		.name = (subject), .type = FG_T_ANY, .shape = (form), .table = &fg_schema_test, \
		.help = (text)                                                                  \
	}

static const struct fg_key check_keys[] = {
	{.name = "name", .type = FG_T_TEXT, .help = "as reported"},
	{.name = "status", .type = FG_T_ANY, .shape = FG_SHAPE_TEXT, .help = "200, 2xx or 200-299"},
	SUBJECT("header", FG_SHAPE_SUBJECT, "a header's name, or name: test"),
	SUBJECT("cookie", FG_SHAPE_SUBJECT, "a cookie's name, or name: test"),
	SUBJECT("body", FG_SHAPE_BODY, "a test of the whole text"),
	SUBJECT("json", FG_SHAPE_SUBJECT, "a JSONPath, or path: test"),
	{.name = "regex",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "a regular expression on the body"},
	{.name = "group",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "of regex: number or name; default 1 if there is one"},
	{.name = "duration",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "\"<500ms\": http_req_duration"},
	{.name = "size",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "\"<10KB\": of the body"},
	TESTS,
};
const struct fg_table fg_schema_check = {"key", "a check", FG_KEYS(check_keys)};

static const struct fg_key expect_keys[] = {
	{.name = "status", .type = FG_T_ANY, .shape = FG_SHAPE_TEXT, .help = "200, 2xx or 200-299"},
	SUBJECT("header", FG_SHAPE_SUBJECT, "name: test"),
	SUBJECT("cookie", FG_SHAPE_SUBJECT, "name: test"),
	SUBJECT("body", FG_SHAPE_BODY, "a test of the whole text"),
	SUBJECT("json", FG_SHAPE_SUBJECT, "JSONPath: test"),
	{.name = "regex",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "a regular expression on the body"},
	{.name = "duration", .type = FG_T_ANY, .shape = FG_SHAPE_TEXT, .help = "\"<500ms\""},
	{.name = "size", .type = FG_T_ANY, .shape = FG_SHAPE_TEXT, .help = "\"<10KB\""},
};
const struct fg_table fg_schema_expect = {"key", "expect", FG_KEYS(expect_keys)};

static const struct fg_key capture_keys[] = {
	{.name = "json", .type = FG_T_TEXT, .help = "a JSONPath"},
	{.name = "regex", .type = FG_T_TEXT, .help = "a regular expression on the body"},
	{.name = "group",
	 .type = FG_T_ANY,
	 .shape = FG_SHAPE_TEXT,
	 .help = "of regex: number or name; default 1 if there is one"},
	{.name = "header", .type = FG_T_TEXT, .help = "a header's name"},
	{.name = "cookie", .type = FG_T_TEXT, .help = "a cookie's name"},
	{.name = "status", .type = FG_T_BOOL, .help = "true: the status"},
	{.name = "body", .type = FG_T_BOOL, .help = "true: the whole text"},
	{.name = "default",
	 .type = FG_T_VALUE,
	 FG_AT(fg_capture, standard),
	 .help = "when nothing is found"},
	{.name = "optional",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_capture, optional),
	 .help = "nothing found: null, and the iteration goes on"},
};
const struct fg_table fg_schema_capture = {"key", "a capture", FG_KEYS(capture_keys)};

/* -- requests ------------------------------------------------------------------------------- */

static const struct fg_key multipart_keys[] = {
	{.name = "path", .type = FG_T_TEXT, .help = "a file, read at load"},
	{.name = "value", .type = FG_T_TEMPLATE, .help = "a text instead of a file"},
	{.name = "type", .type = FG_T_TEXT, .help = "its Content-Type"},
	{.name = "filename", .type = FG_T_TEXT, .help = "default: the file's own name"},
};
const struct fg_table fg_schema_multipart = {"key", "a part of multipart", FG_KEYS(multipart_keys)};

static const struct fg_key request_keys[] = {
	{.name = "method", .type = FG_T_TEXT, .help = "of request:"},
	{.name = "url",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_url,
	 .shape = FG_SHAPE_TEXT,
	 .required = true,
	 FG_AT(fg_step_http, url),
	 .help = "absolute, or relative to target.url"},
	{.name = "name", .type = FG_T_TEXT, FG_AT(fg_step_http, name), .help = "request class"},
	{.name = "headers",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_step_headers,
	 .shape = FG_SHAPE_TEXTS,
	 FG_AT(fg_step_http, headers),
	 .help = "on top of http.headers"},
	{.name = "query",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_query,
	 .shape = FG_SHAPE_VALUES,
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
	 .shape = FG_SHAPE_VALUES,
	 FG_AT(fg_step_http, body),
	 .help = "body as an HTML form"},
	{.name = "body",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_body,
	 .shape = FG_SHAPE_TEXT,
	 FG_AT(fg_step_http, body),
	 .help = "body as it is"},
	{.name = "bodyFile",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_body_file,
	 .shape = FG_SHAPE_TEXT,
	 FG_AT(fg_step_http, body),
	 .help = "body from a file, read at load"},
	{.name = "multipart",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_multipart,
	 .table = &fg_schema_multipart,
	 .shape = FG_SHAPE_MAP,
	 .help = "body of files and fields"},
	{.name = "tags", .type = FG_T_TAGS, FG_AT(fg_step_http, tags), .help = "on its samples"},
	{.name = "checks",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_checks,
	 .table = &fg_schema_check,
	 .shape = FG_SHAPE_LIST,
	 .help = "counted, do not stop"},
	{.name = "expect",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_expect,
	 .table = &fg_schema_expect,
	 .shape = FG_SHAPE_ONE,
	 .help = "a failed one ends the iteration"},
	{.name = "capture",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_captures,
	 .table = &fg_schema_capture,
	 .shape = FG_SHAPE_MAP,
	 .help = "variables from the answer"},
};
const struct fg_table fg_schema_request = {"key", "a request", FG_KEYS(request_keys),
					   .base = &fg_schema_http,
					   .base_offset = offsetof(struct fg_step_http, http)};

/* -- what stands around requests ------------------------------------------------------------ */

static const struct fg_choice distributions[] = {
	{"constant", FG_THINK_CONSTANT, NULL},
	{"uniform", FG_THINK_UNIFORM, NULL},
	{"normal", FG_THINK_NORMAL, NULL},
	{"exponential", FG_THINK_EXPONENTIAL, NULL},
};
static const struct fg_key think_keys[] = {
	{.name = "min",
	 .type = FG_T_DURATION,
	 .required = true,
	 FG_AT(fg_step_think, min_ns),
	 .help = "at least"},
	{.name = "max",
	 .type = FG_T_DURATION,
	 .required = true,
	 FG_AT(fg_step_think, max_ns),
	 .help = "at most"},
	{.name = "distribution",
	 .type = FG_T_CHOICE,
	 FG_CHOICES(distributions),
	 FG_AT(fg_step_think, distribution),
	 .help = "default: uniform; the tail of exponential goes beyond max"},
};
const struct fg_table fg_schema_think = {"key", "think", FG_KEYS(think_keys)};

#define INNER_STEPS(key, type_, member, text)                                                  \
	{                                                                                      \
		.name = (key), .type = FG_T_STEPS, .table = &fg_schema_step, .required = true, \
		FG_AT(type_, member), .help = (text)                                           \
	}

static const struct fg_key group_keys[] = {
	{.name = "name",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_group_name,
	 .shape = FG_SHAPE_TEXT,
	 .required = true,
	 FG_AT(fg_step_group, name),
	 .help = "part of the group tag"},
	INNER_STEPS("steps", fg_step_group, steps, "its steps"),
};
const struct fg_table fg_schema_group = {"key", "a group", FG_KEYS(group_keys)};

static const struct fg_key choice_keys[] = {
	{.name = "weight",
	 .type = FG_T_UINT,
	 .standard = "1",
	 .min = 1,
	 .max = 1000000,
	 FG_AT(fg_choice_branch, weight),
	 .help = "how often, against the others"},
	INNER_STEPS("steps", fg_choice_branch, steps, "its steps"),
};
const struct fg_table fg_schema_choice = {"key", "choose", FG_KEYS(choice_keys)};

static const struct fg_key loop_keys[] = {
	{.name = "count",
	 .type = FG_T_VALUE,
	 FG_AT(fg_step_loop, operand),
	 .help = "how many turns"},
	{.name = "over", .type = FG_T_VALUE, FG_AT(fg_step_loop, operand), .help = "a list"},
	{.name = "while",
	 .type = FG_T_VALUE,
	 FG_AT(fg_step_loop, operand),
	 .help = "goes on while it is true"},
	{.name = "as",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_loop_variable,
	 .shape = FG_SHAPE_TEXT,
	 FG_AT(fg_step_loop, slot),
	 .help = "variable: the turn from 0, or the element"},
	INNER_STEPS("steps", fg_step_loop, steps, "its steps"),
};
const struct fg_table fg_schema_loop = {"key", "loop", FG_KEYS(loop_keys)};

static const struct fg_key if_keys[] = {
	{.name = "when",
	 .type = FG_T_VALUE,
	 .required = true,
	 FG_AT(fg_step_if, when),
	 .help = "the condition"},
	INNER_STEPS("then", fg_step_if, then, "steps when it is true"),
	{.name = "else",
	 .type = FG_T_STEPS,
	 .table = &fg_schema_step,
	 FG_AT(fg_step_if, otherwise),
	 .help = "steps when it is not"},
};
const struct fg_table fg_schema_if = {"key", "if", FG_KEYS(if_keys)};

static const struct fg_choice metric_types[] = {
	{"counter", FG_METRIC_COUNTER, NULL},
	{"gauge", FG_METRIC_GAUGE, NULL},
	{"rate", FG_METRIC_RATE, NULL},
	{"trend", FG_METRIC_TREND, NULL},
};
static const struct fg_key metric_keys[] = {
	{.name = "name",
	 .type = FG_T_TEXT,
	 .required = true,
	 FG_AT(fg_step_metric, name),
	 .help = "a letter or _, then letters, digits, _"},
	{.name = "type",
	 .type = FG_T_CHOICE,
	 .required = true,
	 FG_CHOICES(metric_types),
	 FG_AT(fg_step_metric, type),
	 .help = "what is made of the values"},
	{.name = "value",
	 .type = FG_T_VALUE,
	 .required = true,
	 FG_AT(fg_step_metric, value),
	 .help = "a number; of a rate: true or false"},
	{.name = "time",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_step_metric, is_time),
	 .help = "the value is a duration in ms"},
};
const struct fg_table fg_schema_metric = {"key", "metric", FG_KEYS(metric_keys)};

/* -- steps ---------------------------------------------------------------------------------- */

#define REQUEST                                                                         \
	.type = FG_T_CUSTOM, .read = fg_read_request_step, .table = &fg_schema_request, \
	.shape = FG_SHAPE_ONE_OR_TEXT, .help = "a request; short: its URL"
static const struct fg_key step_keys[] = {
	{.name = "get", REQUEST},
	{.name = "post", REQUEST},
	{.name = "put", REQUEST},
	{.name = "patch", REQUEST},
	{.name = "delete", REQUEST},
	{.name = "head", REQUEST},
	{.name = "options", REQUEST},
	{.name = "request",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_request_step,
	 .table = &fg_schema_request,
	 .shape = FG_SHAPE_ONE,
	 .help = "a request with a method of its own"},
	{.name = "think",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_think_step,
	 .table = &fg_schema_think,
	 .shape = FG_SHAPE_ONE_OR_TEXT,
	 .help = "a pause: 1s, or min and max"},
	{.name = "group",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_group_step,
	 .table = &fg_schema_group,
	 .shape = FG_SHAPE_ONE,
	 .help = "steps under one name"},
	{.name = "choose",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_choose_step,
	 .table = &fg_schema_choice,
	 .shape = FG_SHAPE_LIST,
	 .help = "one of several, by weight"},
	{.name = "loop",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_loop_step,
	 .table = &fg_schema_loop,
	 .shape = FG_SHAPE_ONE,
	 .help = "count, over or while"},
	{.name = "if",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_if_step,
	 .table = &fg_schema_if,
	 .shape = FG_SHAPE_ONE,
	 .help = "when, then, else"},
	{.name = "parallel",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_parallel_step,
	 .table = &fg_schema_step,
	 .shape = FG_SHAPE_LIST,
	 .help = "requests at the same time"},
	{.name = "run",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_run_step,
	 .shape = FG_SHAPE_TEXT,
	 .help = "a flow's name"},
	{.name = "with",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_with,
	 .shape = FG_SHAPE_VALUES,
	 .help = "of run: values of the flow's params"},
	{.name = "log",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_text_step,
	 .shape = FG_SHAPE_TEXT,
	 .help = "prints a line"},
	{.name = "fail",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_text_step,
	 .shape = FG_SHAPE_TEXT,
	 .help = "ends the iteration as failed"},
	{.name = "metric",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_metric_step,
	 .table = &fg_schema_metric,
	 .shape = FG_SHAPE_ONE,
	 .help = "a value of your own"},
};
const struct fg_table fg_schema_step = {"step", "a list of steps", FG_KEYS(step_keys)};
