/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario file in memory: typed, defaulted, validated. The parser fills it, plan and step
 * machine read it; nobody changes it afterwards.
 *
 * Texts with {{ }} are compiled to struct fg_template; ${NAME} is already replaced. Every part
 * remembers its line and column for messages. Shapes hold the whole language (shared steps such as
 * loop or if get their kinds with their issue); what this build cannot run is refused by the parser
 * with FG_E_LATER, never ignored.
 */
#ifndef FG_SCENARIO_SCENARIO_H
#define FG_SCENARIO_SCENARIO_H

#include "gate/base/buf.h"
#include "gate/judge/rule.h"
#include "gate/judge/threshold.h"

enum {
	FG_SCENARIO_FILE_MAX = 1 << 20, /* bytes of one YAML file */
	FG_SCENARIO_DEPTH_MAX = 64,
	FG_SCENARIO_NODES_MAX = 100000, /* after alias expansion */
	FG_SCENARIO_VUS_MAX = 1000000,
};

struct fg_place {
	const char *file; /* owned by the scenario file */
	unsigned line, column;
};

/* A text that may refer to values known per run or per iteration. */
enum fg_template_part_kind {
	FG_PART_TEXT,
	FG_PART_VU,        /* {{ vu }}: 1-based VU number */
	FG_PART_ITERATION, /* {{ iteration }}: the VU's iteration, from 0 */
	FG_PART_SCENARIO_ITERATION,
};

struct fg_template_part {
	enum fg_template_part_kind kind;
	char *text; /* FG_PART_TEXT; NUL-terminated, but a bodyFile may hold NULs: use len */
	size_t len;
};

struct fg_template {
	char *source; /* as written; also what names show */
	struct fg_template_part *parts;
	size_t part_count;
};

struct fg_header {
	char *name;
	struct fg_template value;
};

enum fg_http_version { FG_HTTP_AUTO, FG_HTTP_1_1, FG_HTTP_2, FG_HTTP_H2C };
enum fg_connection { FG_CONNECTION_VU, FG_CONNECTION_ITERATION, FG_CONNECTION_NONE };

struct fg_http_options {
	enum fg_http_version version;
	uint64_t timeout_ns;         /* 60 s */
	uint64_t connect_timeout_ns; /* 10 s */
	enum fg_connection connection;
	unsigned max_redirects; /* 10 */
	bool compression;
	bool insecure_skip_verify;
	char *ca_file, *cert_file, *key_file; /* NULL: unset */
	struct fg_header *headers;
	size_t header_count, header_capacity;
};

/* checks: in this issue on status; the shape takes the others. */
enum fg_check_kind { FG_CHECK_STATUS };
struct fg_check_spec {
	char *name; /* default: "status is 200" */
	enum fg_check_kind kind;
	uint16_t status_low, status_high; /* inclusive */
};

enum fg_step_kind { FG_STEP_HTTP, FG_STEP_THINK };

struct fg_step_http {
	char *method;
	struct fg_template url; /* absolute, or relative to target.url */
	char *name;             /* request class */
	char *group;
	struct fg_header *headers; /* all to send: http.headers with the step's on top, and the
				      Content-Type that a json or form body implies */
	size_t header_count, header_capacity;
	bool has_body;
	struct fg_template body; /* body: or json: rendered to text */
	struct fg_tags tags;
	struct fg_check_spec *checks;
	size_t check_count, check_capacity;
	uint16_t expect_status_low,
		expect_status_high;  /* 0: no expect; failing ends the iteration */
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
	uint64_t min_ns, max_ns; /* constant: equal; normal: mean ± as k6-like tools: min…max = ±2
				    sd; exponential: mean = (min+max)/2, cut at max × 5 */
};

struct fg_step {
	enum fg_step_kind kind;
	struct fg_place place;
	union {
		struct fg_step_http http;
		struct fg_step_think think;
	};
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
	struct fg_step *steps;
	size_t step_count, step_capacity;
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
	uint32_t process_pid;  /* 0: unset */
	uint16_t process_port; /* 0: unset */
};

enum fg_profile_enabled { FG_PROFILE_AUTO, FG_PROFILE_REQUIRED, FG_PROFILE_OFF };

struct fg_publish_pyroscope {
	char *url;
	bool required;
	struct fg_tags labels;
};

struct fg_scenario_file {
	char *path; /* NULL: made from the command line */
	char *dir;  /* relative paths start here */
	char *name;
	struct fg_target target;
	struct fg_http_options http;
	struct fg_scenario *scenarios;
	size_t scenario_count, scenario_capacity;
	struct fg_threshold *thresholds;
	size_t threshold_count, threshold_capacity;
	struct fg_gate gate;
	enum fg_profile_enabled profile_enabled;
	uint32_t profile_frequency_hz; /* as written; made prime later */
	unsigned threads;              /* loadgen.threads; 0 = auto */
	char *loadgen_cpus;
	uint64_t seed;                        /* 0: choose one and print it */
	char *baseline_dir;                   /* baseline.store of type dir; NULL: default */
	char *report_markdown, *report_junit; /* NULL: unset */
	struct fg_publish_pyroscope *publish;
	size_t publish_count, publish_capacity;
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
	uint64_t iterations;  /* 0: unset; shared-iterations comes with a later issue */
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

/** A copy with every secret's value as "***"; free it; NULL on failure. */
char *fg_secrets_mask(const struct fg_tags *secrets, const char *text, struct fg_err *err);
/** Replaces {{ target.port }}, {{ target.side }} and {{ target.dir }} in `text` (appended). */
int fg_target_expand(const char *text, uint16_t port, const char *side, const char *dir,
		     struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** Renders a template for one iteration (appended). No allocation beyond `out`. */
void fg_template_render(const struct fg_template *template_, uint64_t vu, uint64_t iteration,
			uint64_t scenario_iteration, struct fg_buf *out);

#endif
