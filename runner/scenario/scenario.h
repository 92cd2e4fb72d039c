/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario file in memory: typed, defaulted, validated. The parser fills it, plan and step
 * machine read it; nobody changes it afterwards.
 *
 * Texts with {{ }} are compiled to struct fg_template; ${NAME} is already replaced. Every part
 * remembers its line and column for messages. What this build cannot run is refused by the parser
 * with FG_E_LATER, never ignored.
 */
#ifndef FG_SCENARIO_SCENARIO_H
#define FG_SCENARIO_SCENARIO_H

#include "gate/base/buf.h"
#include "gate/judge/rule.h"
#include "gate/judge/threshold.h"
#include "runner/scenario/data.h"
#include "runner/scenario/expr.h"
#include "runner/scenario/jsonpath.h"

enum {
	FG_SCENARIO_FILE_MAX = 1 << 20, /* bytes of one YAML file */
	FG_SCENARIO_DEPTH_MAX = 64,
	FG_SCENARIO_NODES_MAX = 100000, /* after alias expansion */
	FG_SCENARIO_VUS_MAX = 1000000,
	FG_SCENARIO_STEPS_MAX = 20000, /* with every flow in its place */
	FG_SCENARIO_NESTING_MAX = 32,  /* of groups, loops, flows … */
	FG_SCENARIO_SLOTS_MAX = 1024,
};

struct fg_place {
	const char *file; /* owned by the scenario file */
	unsigned line, column;
};

/* A text that may refer to values known per run or per iteration. */
enum fg_template_part_kind {
	FG_PART_TEXT,
	FG_PART_EXPR,      /* {{ expr }} */
	FG_PART_VU,        /* {{ vu }}: 1-based VU number */
	FG_PART_ITERATION, /* {{ iteration }}: the VU's iteration, from 0 */
	FG_PART_SCENARIO_ITERATION,
};

/* How the value of an expression is put into the text around it. */
enum fg_escape {
	FG_ESCAPE_NONE,
	FG_ESCAPE_JSON,       /* inside a JSON string */
	FG_ESCAPE_JSON_VALUE, /* a whole JSON value: a scalar of `json:` that is one {{ }} */
	FG_ESCAPE_URL,        /* percent-encoded: query and form */
	FG_ESCAPE_HEADER,     /* CR, LF and NUL are refused */
};

struct fg_template_part {
	enum fg_template_part_kind kind;
	enum fg_escape escape; /* of FG_PART_EXPR */
	struct fg_expr *expr;  /* of FG_PART_EXPR; owned (a reference) */
	char *text; /* FG_PART_TEXT; NUL-terminated, but a bodyFile may hold NULs: use len */
	size_t len;
};

struct fg_template {
	char *source; /* as written; also what names show */
	struct fg_template_part *parts;
	size_t part_count;
	bool is_json; /* the text is a list or a map: fg_template_value() gives FG_VALUE_JSON */
};

struct fg_header {
	char *name;
	struct fg_template value;
};

enum fg_http_version { FG_HTTP_AUTO, FG_HTTP_1_1, FG_HTTP_2, FG_HTTP_H2C };
enum fg_connection { FG_CONNECTION_VU, FG_CONNECTION_ITERATION, FG_CONNECTION_NONE };

/* Credentials. Basic and bearer are header lines and fit every engine (the parser makes them
 * headers); digest and SigV4 need libcurl. */
enum fg_auth_kind { FG_AUTH_NONE, FG_AUTH_DIGEST, FG_AUTH_SIGV4 };
struct fg_auth {
	enum fg_auth_kind kind;
	struct fg_template user, password; /* of SigV4: access key, secret key */
	char *sigv4_region, *sigv4_service;
	struct fg_template session_token; /* of SigV4; empty: none */
};

enum fg_tls_version { FG_TLS_1_2, FG_TLS_1_3, FG_TLS_1_0, FG_TLS_1_1 }; /* least accepted */

struct fg_http_options {
	enum fg_http_version version;
	uint64_t timeout_ns;         /* 60 s */
	uint64_t connect_timeout_ns; /* 10 s */
	enum fg_connection connection;
	unsigned max_redirects; /* 10 */
	bool compression;
	bool insecure_skip_verify;
	char *ca_file, *cert_file, *key_file; /* NULL: unset */
	char *server_name; /* SNI and what the certificate must name; NULL: the host */
	enum fg_tls_version tls_min;
	char *proxy;            /* URL; NULL or "": none (the environment's proxies are not used) */
	char *unix_socket;      /* path; NULL or "": TCP */
	struct fg_tags resolve; /* "host:port" → "address:port" */
	struct fg_auth auth;
	struct fg_header *headers;
	size_t header_count, header_capacity;
};

/* -- conditions on a response: checks, expect; and what a capture takes ----------------------- */

enum fg_from { /* what of a response is looked at */
	       FG_FROM_STATUS,
	       FG_FROM_HEADER,   /* key: its name */
	       FG_FROM_COOKIE,   /* key: its name; as this response set it, else as the jar has it
				  */
	       FG_FROM_BODY,     /* the whole text */
	       FG_FROM_JSON,     /* path */
	       FG_FROM_REGEX,    /* regex on the body, group */
	       FG_FROM_DURATION, /* http_req_duration, ns */
	       FG_FROM_SIZE,     /* of the body, bytes */
};
enum fg_test {
	FG_TEST_STATUS, /* within status_low … status_high */
	FG_TEST_EXISTS,
	FG_TEST_EQUALS,
	FG_TEST_CONTAINS,
	FG_TEST_MATCHES,
	FG_TEST_LT,
	FG_TEST_LE,
	FG_TEST_GT,
	FG_TEST_GE,
	FG_TEST_NE,
};
struct fg_regex; /* runner/scenario/regex.h: PCRE2, compiled once, match data reused */

struct fg_condition {
	enum fg_from from;
	char *key;
	struct fg_jsonpath *path;
	struct fg_regex *regex; /* FG_FROM_REGEX */
	unsigned group;
	enum fg_test test;
	bool expected_exists;             /* FG_TEST_EXISTS: true or false */
	uint16_t status_low, status_high; /* inclusive */
	struct fg_template operand;       /* equals, contains, and < … on JSON numbers */
	struct fg_regex *pattern;         /* FG_TEST_MATCHES */
	uint64_t limit;                   /* of every test on duration (ns) and size (bytes) */
	char *text; /* as a person would say it: "json $.price exists"; in messages */
};

struct fg_check_spec {
	char *name; /* default: "status is 200", else the condition's text */
	struct fg_condition condition;
};

struct fg_capture {
	char *name;
	uint32_t slot;
	enum fg_from from;
	char *key;
	struct fg_jsonpath *path;
	struct fg_regex *regex;
	unsigned group;
	bool all;      /* the path has wildcards: a list of all matches */
	bool optional; /* nothing found: null, and the iteration goes on */
	bool has_default;
	struct fg_template standard; /* `default:` */
	struct fg_place place;
};

enum fg_step_kind {
	FG_STEP_HTTP,
	FG_STEP_THINK,
	FG_STEP_GROUP,
	FG_STEP_LOOP,
	FG_STEP_IF,
	FG_STEP_CHOOSE,
	FG_STEP_PARALLEL,
	FG_STEP_RUN,
	FG_STEP_LOG,
	FG_STEP_FAIL,
	FG_STEP_METRIC,
};

struct fg_step;
struct fg_steps {
	struct fg_step *items;
	size_t count, capacity;
};

struct fg_step_http {
	char *method;
	struct fg_template url;    /* absolute, or relative to target.url */
	char *name;                /* request class */
	struct fg_header *headers; /* all to send: http.headers with the step's on top, and the
				      Content-Type that a json or form body implies */
	size_t header_count, header_capacity;
	bool has_body;
	struct fg_template body; /* body: or json: rendered to text */
	struct fg_tags tags;
	struct fg_check_spec *checks;
	size_t check_count, check_capacity;
	struct fg_condition *expects; /* a failed one ends the iteration */
	size_t expect_count, expect_capacity;
	struct fg_capture *captures;
	size_t capture_count, capture_capacity;
	bool wants_body;             /* a check, an expectation or a capture looks into it */
	struct fg_http_options http; /* defaults with the step's own keys on top; its header list
				       is empty (see headers) */
};

enum fg_think_distribution {
	FG_THINK_CONSTANT,
	FG_THINK_UNIFORM,
	FG_THINK_NORMAL,
	FG_THINK_EXPONENTIAL
};
struct fg_step_think {
	enum fg_think_distribution distribution;
	uint64_t min_ns,
		max_ns; /* constant: equal; normal: mean ± as k6-like tools: min…max = ±2
			   sd; exponential: from min on, mean (min+max)/2, cut at max × 5 */
};

struct fg_step_group {
	char *name; /* part of the group tag: "::outer::inner" */
	struct fg_steps steps;
};

enum fg_loop_kind { FG_LOOP_COUNT, FG_LOOP_OVER, FG_LOOP_WHILE };
enum { FG_LOOP_TURNS_MAX = 1000000 }; /* of one loop step; more ends the iteration with an error */
struct fg_step_loop {
	enum fg_loop_kind kind;
	struct fg_template operand; /* count: a number; over: a list; while: a condition */
	bool has_variable;
	uint32_t slot; /* `as`: the number of the turn from 0, or the element */
	struct fg_steps steps;
};

struct fg_step_if {
	struct fg_template when;
	struct fg_steps then, otherwise;
};

struct fg_choice_branch {
	uint64_t weight;
	struct fg_steps steps;
};
struct fg_step_choose {
	struct fg_choice_branch *items;
	size_t count, capacity;
	uint64_t weight_sum;
};

enum { FG_PARALLEL_MAX = 64 };
struct fg_step_parallel {
	struct fg_steps steps; /* requests only, at most FG_PARALLEL_MAX */
};

struct fg_argument {
	uint32_t slot; /* of the flow's parameter */
	struct fg_template value;
};
struct fg_step_run {
	uint32_t flow;                 /* index into file->flows; never recursive */
	struct fg_argument *arguments; /* every parameter: given, or its default */
	size_t argument_count, argument_capacity;
};

struct fg_step_text { /* log, fail */
	struct fg_template text;
};

struct fg_step_metric {
	char *name;
	enum fg_metric_type type;
	struct fg_template value; /* a number; of a rate: its truth */
	bool is_time;             /* value is a duration in ms, as k6's time trends */
};

struct fg_step {
	enum fg_step_kind kind;
	struct fg_place place;
	union {
		struct fg_step_http http;
		struct fg_step_think think;
		struct fg_step_group group;
		struct fg_step_loop loop;
		struct fg_step_if condition;
		struct fg_step_choose choose;
		struct fg_step_parallel parallel;
		struct fg_step_run run;
		struct fg_step_text text;
		struct fg_step_metric metric;
	};
};

/* A flow as one scenario (or setup, teardown) sees it: names in it mean what they mean there, so
 * the same name may stand several times. */
struct fg_flow {
	char *name;
	struct fg_place place;
	struct fg_steps steps;
};

/* setup, teardown: run once, outside all statistics. */
struct fg_block {
	bool present;
	uint64_t timeout_ns; /* 60 s */
	struct fg_steps steps;
};

enum fg_executor {
	FG_EXEC_SHARED_ITERATIONS,
	FG_EXEC_PER_VU_ITERATIONS,
	FG_EXEC_CONSTANT_VUS,
	FG_EXEC_RAMPING_VUS,
	FG_EXEC_CONSTANT_ARRIVAL_RATE,
	FG_EXEC_RAMPING_ARRIVAL_RATE,
	FG_EXEC_COUNT
};
extern const char *const fg_executor_names[FG_EXEC_COUNT];

enum fg_arrivals { FG_ARRIVALS_JITTERED, FG_ARRIVALS_UNIFORM, FG_ARRIVALS_POISSON };
enum fg_no_vu { FG_NO_VU_WAIT, FG_NO_VU_DROP };
enum fg_pacing { FG_PACING_AUTO, FG_PACING_TIMER, FG_PACING_SPIN };

struct fg_stage {
	uint64_t duration_ns;
	uint64_t target; /* VUs, or iterations per timeUnit */
};

struct fg_scenario {
	char *name;
	struct fg_place place;
	enum fg_executor executor;
	uint64_t start_time_ns, graceful_stop_ns /* 30 s */, graceful_ramp_down_ns /* 30 s */;
	uint64_t warmup_ns;
	uint64_t duration_ns;     /* constant-*: given; ramping-*: sum of stages */
	uint64_t max_duration_ns; /* *-iterations: 10 m */
	uint64_t vus, iterations, start_vus;
	uint64_t rate, start_rate, time_unit_ns; /* 1 s */
	uint64_t pre_allocated_vus, max_vus;
	struct fg_stage *stages;
	size_t stage_count, stage_capacity;
	enum fg_arrivals arrivals;
	enum fg_no_vu no_vu;
	enum fg_pacing pacing;
	struct fg_tags tags;
	struct fg_tags env;    /* {{ env.NAME }} in its steps */
	struct fg_steps init;  /* once per VU, before its first iteration, outside all statistics */
	struct fg_steps steps; /* one iteration; `flow: NAME` is a single run step */
};

/* A setup capture: what is copied from the setup VU's slot to a global after setup. */
struct fg_global {
	char *name;
	uint32_t slot;
};

enum fg_ready_kind { FG_READY_NONE, FG_READY_URL, FG_READY_LOG, FG_READY_TCP, FG_READY_DELAY };
struct fg_target {
	char *url;       /* with {{ target.port }} still in it when a port is to be chosen */
	bool wants_port; /* {{ target.port }} appears somewhere */
	/* target.start; command == NULL: not started by us */
	char **command; /* NULL-terminated; {{ target.port }} still in it */
	struct fg_tags env;
	char *cwd;
	char *cpus; /* "auto" default, "" none, "2-3" */
	enum fg_ready_kind ready;
	char *ready_url; /* path or absolute */
	uint16_t ready_status;
	char *ready_log;                           /* regex */
	uint64_t ready_delay_ns, ready_timeout_ns; /* 30 s */
	int stop_signal;
	uint64_t stop_timeout_ns; /* 10 s */
	/* target.process */
	uint32_t process_pid;    /* 0: unset */
	uint16_t process_port;   /* 0: unset */
	char *process_pid_file;  /* NULL: unset, as the following */
	char *process_name;      /* as in /proc/PID/comm, or the first word's base name */
	char *process_cgroup;    /* path below /sys/fs/cgroup */
	char *process_container; /* id or its beginning */
	char *process_unit;      /* systemd: "nginx.service"; ".service" may be left out */
};

enum fg_profile_labels { FG_LABELS_AUTO, FG_LABELS_OFF, FG_LABELS_ON };
enum fg_profile_enabled { FG_PROFILE_AUTO, FG_PROFILE_REQUIRED, FG_PROFILE_OFF };
enum fg_flags_mode { FG_FLAGS_ADVISE, FG_FLAGS_AUTO }; /* profile.runtimeFlags */
enum fg_profile_demangle { FG_DEMANGLE_FULL, FG_DEMANGLE_SHORT, FG_DEMANGLE_OFF };

struct fg_publish_pyroscope {
	char *url;
	bool required;
	struct fg_tags labels;
};

/* Remote write, with k6's options (K6_PROMETHEUS_RW_…). */
struct fg_publish_prometheus {
	char *url;
	bool required;
	char **trend_stats; /* none: p(95), p(99), min, max; checked by their reader */
	size_t trend_stat_count;
	struct fg_template testid; /* label on every series; part_count 0: none */
	uint64_t push_interval_ns; /* 5 s */
	struct fg_tags labels;     /* on every series */
	struct fg_header *headers; /* constant; values may hold secrets */
	size_t header_count, header_capacity;
	char *username, *password, *bearer_token; /* NULL: unset */
	bool insecure_skip_verify;
	bool stale_markers;
};

struct fg_scenario_file {
	char *path; /* NULL: made from the command line */
	char *dir;  /* relative paths start here */
	char *name;
	struct fg_target target;
	struct fg_http_options http;
	struct fg_data *data;
	size_t data_count, data_capacity;
	struct fg_flow *flows;
	size_t flow_count, flow_capacity;
	struct fg_block setup, teardown;
	char **slot_names; /* variables of a VU: captures, loop variables, flow parameters */
	size_t slot_count, slot_capacity;
	struct fg_global *globals;
	size_t global_count, global_capacity;
	struct fg_scenario *scenarios;
	size_t scenario_count, scenario_capacity;
	struct fg_threshold *thresholds;
	size_t threshold_count, threshold_capacity;
	struct fg_gate gate;
	enum fg_profile_enabled profile_enabled;
	enum fg_profile_labels profile_labels;
	uint32_t profile_frequency_hz; /* as written; made prime later */
	enum fg_flags_mode runtime_flags;
	uint32_t profile_types; /* bits 1 << enum fg_profile_type; 0: CPU */
	enum fg_profile_demangle profile_demangle;
	char *profile_debuginfod; /* URLs, "env"; NULL: off */
	unsigned threads;         /* loadgen.threads; 0 = auto */
	char *loadgen_cpus;
	uint64_t seed;                        /* 0: choose one and print it */
	char *baseline_dir;                   /* baseline.store of type dir; NULL: default */
	char *report_markdown, *report_junit; /* NULL: unset */
	struct fg_publish_pyroscope *publish;
	size_t publish_count, publish_capacity;
	struct fg_publish_prometheus *prometheus;
	size_t prometheus_count, prometheus_capacity;
	struct fg_tags secrets; /* name → value, to mask */
	char *resolved_json;    /* the whole file resolved, secrets masked as "***" */
	char hash[33];          /* xxh128 hex of what is measured: resolved_json without where the
				   target is, where results go and what is tolerated (resolve.c) */
	char **files;           /* interned file names for places */
	size_t file_count, file_capacity;
};

void fg_scenario_file_free(struct fg_scenario_file *file);

/* -- load.c: text → struct ------------------------------------------------------------------ */

struct fg_diagnostic {
	struct fg_err err;       /* with place */
	char *excerpt;           /* the source line, or NULL */
	unsigned width;          /* of the ^~~~ mark; 0 = 1 */
	unsigned excerpt_column; /* where the mark starts in `excerpt`, which may be a cut */
	size_t order;            /* of discovery; breaks ties of equal places */
};
struct fg_diagnostics {
	struct fg_diagnostic *items;
	size_t count, capacity; /* at most 100 are kept; `more` counts the rest */
	size_t more;
};
void fg_diagnostics_done(struct fg_diagnostics *diagnostics);
/** "file:line:col: message" + excerpt + caret for each, then "N errors" (appended). */
void fg_diagnostics_text(const struct fg_diagnostics *diagnostics, struct fg_buf *out);

struct fg_scenario_options {
	const struct fg_tags *env; /* -e NAME=VALUE, wins over the process environment and vars */
	const char *environment;   /* --environment, or NULL */
	const char *(*getenv_fn)(const char *name); /* for tests; NULL: getenv */
};

/** Reads, resolves and validates a file. Returns 0 and *ret; or -FG_E_INVALID with every fault in
 *  `diagnostics` (sorted by place; print them, `err` only names the file); or another error
 *  (unreadable file, no memory) in `err`. */
int fg_scenario_load(const char *path, const struct fg_scenario_options *options,
		     struct fg_scenario_file **ret, struct fg_diagnostics *diagnostics,
		     struct fg_err *err) FG_MUST_USE;
/** The same from text; `path` names it in messages and anchors relative paths. */
int fg_scenario_parse(const char *text, size_t len, const char *path,
		      const struct fg_scenario_options *options, struct fg_scenario_file **ret,
		      struct fg_diagnostics *diagnostics, struct fg_err *err) FG_MUST_USE;

/* `flamegate run -u 10 -d 10s URL`, `-r 200 -d 10s URL`: a scenario file without a file. */
struct fg_quick_options {
	const char *url;
	uint64_t vus;         /* 0: unset */
	uint64_t duration_ns; /* 0: unset */
	uint64_t iterations;  /* 0: unset; shared by the VUs, with -d as the longest time */
	uint64_t rate;        /* per second; 0: unset */
	const char *stages;   /* "30s:50,1m:100" or NULL: ramping-vus */
	const struct fg_tags *tags;
};
/** k6's shortcuts; a URL alone, or -u or -r without -d, lasts 10 s; -r prepares max(10, rate/10)
 *  VUs and up to ten times as many, or exactly -u. USAGE with a message that names the option. */
int fg_scenario_quick(const struct fg_quick_options *options, struct fg_scenario_file **ret,
		      struct fg_err *err) FG_MUST_USE;

/** Adds scenario, class and check definitions of the file in a fixed order; steps' class indices
 *  follow that order (fg_scenario_class_index). */
int fg_scenario_register(const struct fg_scenario_file *file, const char *engine,
			 struct fg_registry *registry, struct fg_err *err) FG_MUST_USE;

/** The language as a JSON Schema (draft-07), appended. */
int fg_scenario_schema(struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

/** A copy with every secret's value as "***"; free it; NULL on failure. */
char *fg_secrets_mask(const struct fg_tags *secrets, const char *text, struct fg_err *err);
/** Replaces {{ target.port }}, {{ target.side }} and {{ target.dir }} in `text` (appended). */
int fg_target_expand(const char *text, uint16_t port, const char *side, const char *dir,
		     struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** Renders a template for one iteration (appended). No allocation beyond `out` and the env's arena.
 *  Fails when an expression does (fg_expr_eval). */
int fg_template_expand(const struct fg_template *template_, const struct fg_expr_env *env,
		       struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** The value: of exactly one {{ }} with its type, otherwise the text (made in the arena). */
int fg_template_value(const struct fg_template *template_, const struct fg_expr_env *env,
		      struct fg_value *ret, struct fg_err *err) FG_MUST_USE;
/** True if it never changes during a run and needs no env. */
bool fg_template_is_constant(const struct fg_template *template_);

/* -- walk.c: the steps of a scenario in a fixed order, flows in their places ------------------ */

struct fg_visit {
	const struct fg_step *step;
	const char *group;     /* "" or "::outer::inner" */
	unsigned depth;        /* nesting */
	unsigned parallel_max; /* of the parallel step around it, else 1 */
};
/** Calls `visit` for every step (also groups and branches themselves, before their content) in file
 *  order, run steps replaced by their flow's content. The first non-zero return ends the walk and
 * is returned. */
int fg_steps_walk(const struct fg_scenario_file *file, const struct fg_steps *steps,
		  int (*visit)(void *context, const struct fg_visit *visit, struct fg_err *err),
		  void *context, struct fg_err *err) FG_MUST_USE;

/** Turns a threshold's stage into from and to. */
int fg_scenario_threshold_stage(const struct fg_scenario_file *file, struct fg_threshold *threshold,
				struct fg_err *err) FG_MUST_USE;

#endif
