/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenario language as data: every key with its type, default, place in the structs, the issue
 * it comes with, and a line of help.
 *
 * Reading, "did you mean", defaults, the resolved file and (later) the JSON schema are views of
 * these tables. A key that needs more than conversion names a function that reads it.
 */
#ifndef FG_SCENARIO_SCHEMA_H
#define FG_SCENARIO_SCHEMA_H

#include "runner/scenario/yaml.h"

enum fg_type {
	FG_T_ANY,         /* free form */
	FG_T_TEXT,        /* char *; {{ }} may only name constants */
	FG_T_TARGET_TEXT, /* char *; {{ target.* }} stays in it */
	FG_T_PATH,        /* char *; relative to the scenario file */
	FG_T_TEMPLATE,    /* struct fg_template */
	FG_T_BOOL,        /* bool */
	FG_T_UINT,        /* uint16_t … uint64_t */
	FG_T_DURATION,    /* uint64_t ns */
	FG_T_SIZE,        /* uint64_t bytes */
	FG_T_PERCENT,     /* double, a fraction */
	FG_T_CHOICE,      /* an enum, of `choices` */
	FG_T_TAGS,        /* struct fg_tags: name → text */
	FG_T_TEXTS,       /* a list of texts (only its shape is checked here) */
	FG_T_OBJECT,      /* `table`, in the same owner unless `own` */
	FG_T_OBJECTS,     /* a list of `table` (only its shape is checked here) */
	FG_T_OBJECT_MAP,  /* name → `table` (only its shape is checked here) */
	FG_T_STEPS,       /* struct fg_steps */
	FG_T_VALUE,       /* struct fg_template for fg_template_value(): any JSON, or {{ }} */
	FG_T_CUSTOM,      /* `read` does it */
	FG_T_COUNT
};

struct fg_reader;
struct fg_key;
struct fg_table;

/* How a key that is read by a function uses `table`; without one, what is written there. */
enum fg_shape {
	FG_SHAPE_NONE,
	FG_SHAPE_ONE,
	FG_SHAPE_LIST,
	FG_SHAPE_MAP,
	FG_SHAPE_ONE_OR_TEXT, /* the map, or a short form */
	FG_SHAPE_TEXT,
	FG_SHAPE_TEXTS,   /* name → text */
	FG_SHAPE_VALUES,  /* name → any value */
	FG_SHAPE_SUBJECT, /* a text, or name → value or test */
	FG_SHAPE_BODY,    /* a value, or a test */
};

struct fg_choice {
	const char *name;
	int value;
	const char *later; /* the issue that brings it, or NULL */
};

typedef void fg_key_read(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner);

struct fg_key {
	const char *name;
	enum fg_type type;
	bool required;
	bool secret;          /* a text in it is shown as "***", whoever wrote it */
	bool kept;            /* offset and size say where in the owner */
	const char *later;    /* the issue that brings it, or NULL: works now */
	const char *standard; /* default as one would write it, or NULL */
	size_t offset, size;
	uint64_t min, max; /* numbers and durations; max 0: no limit */
	const struct fg_choice *choices;
	size_t choice_count;
	const struct fg_table *table;
	enum fg_shape shape; /* of FG_T_CUSTOM; ONE fills the same owner */
	fg_key_read *read;
	unsigned executors, required_by; /* bits of enum fg_executor; 0: all, none */
	const char *help;
};

struct fg_table {
	const char *what;  /* "key", "step": for messages */
	const char *where; /* "target.start" */
	const struct fg_key *keys;
	size_t count;
	/* Keys of another table that hold here too, for the struct at that offset of the owner. */
	const struct fg_table *base;
	size_t base_offset;
};

extern const struct fg_table fg_schema_root, fg_schema_secret;
extern const struct fg_table fg_schema_target, fg_schema_ready, fg_schema_process, fg_schema_store;
extern const struct fg_table fg_schema_http, fg_schema_block, fg_schema_flow, fg_schema_data;
extern const struct fg_table fg_schema_scenario, fg_schema_stage;
extern const struct fg_table fg_schema_step, fg_schema_request, fg_schema_think, fg_schema_group;
extern const struct fg_table fg_schema_check, fg_schema_expect, fg_schema_test, fg_schema_capture;
extern const struct fg_table fg_schema_multipart, fg_schema_choice, fg_schema_loop, fg_schema_if;
extern const struct fg_table fg_schema_metric, fg_schema_auth, fg_schema_prometheus;
extern const struct fg_table fg_schema_basic, fg_schema_digest, fg_schema_sigv4;
extern const struct fg_table fg_schema_threshold, fg_schema_gate, fg_schema_rule;
extern const struct fg_table fg_schema_scrape, fg_schema_profile, fg_schema_ab, fg_schema_publish;
extern const struct fg_table fg_schema_baseline, fg_schema_report;

/** Finds a key, also of the base table. `ret_offset` (may be NULL) is to be added to the owner. */
const struct fg_key *fg_schema_find(const struct fg_table *table, const char *name,
				    size_t *ret_offset);
/** The nearest key of a table, or NULL. */
const char *fg_schema_nearest(const struct fg_table *table, const char *name);

/* Where a key's value goes. */
#define FG_AT(type, member)                                    \
	.kept = true, .offset = offsetof(struct type, member), \
	.size = sizeof(((struct type *)0)->member)
#define FG_CHOICES(list) .choices = (list), .choice_count = FG_ARRAY_LEN(list)
#define FG_KEYS(list)    .keys = (list), .count = FG_ARRAY_LEN(list)

/* -- readers of single keys ----------------------------------------------------------------- */

fg_key_read fg_read_version, fg_read_vars, fg_read_secrets, fg_read_command, fg_read_signal;
fg_key_read fg_read_target, fg_read_target_env, fg_read_ready, fg_read_process, fg_read_store;
fg_key_read fg_read_headers, fg_read_step_headers, fg_read_keep_alive;
fg_key_read fg_read_resolve, fg_read_auth, fg_read_proxy, fg_read_unix_socket;
fg_key_read fg_read_data, fg_read_flows, fg_read_flow_params, fg_read_flow_steps, fg_read_block;
fg_key_read fg_read_scenarios, fg_read_stages, fg_read_scenario_env, fg_read_scenario_flow;
fg_key_read fg_read_threads, fg_read_profile_types, fg_read_publish, fg_read_trend_stats;
fg_key_read fg_read_debuginfod;
fg_key_read fg_read_publish_headers, fg_read_scrape;
fg_key_read fg_read_markdown, fg_read_thresholds, fg_read_rules;
/** Reports a fault of the index-th threshold, as fg_threshold_check() placed it. */
void fg_threshold_fault(struct fg_reader *reader, const struct fg_node *root, size_t index,
			const struct fg_err *err);
fg_key_read fg_read_request_step, fg_read_think_step, fg_read_group_step, fg_read_choose_step;
fg_key_read fg_read_loop_step, fg_read_if_step, fg_read_parallel_step, fg_read_run_step;
fg_key_read fg_read_with, fg_read_text_step, fg_read_metric_step;
fg_key_read fg_read_group_name, fg_read_loop_variable;
fg_key_read fg_read_url, fg_read_query, fg_read_json, fg_read_form, fg_read_body;
fg_key_read fg_read_body_file, fg_read_multipart;
fg_key_read fg_read_checks, fg_read_expect, fg_read_captures;

#endif
