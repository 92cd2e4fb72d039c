/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a tree of nodes along the tables of schema.h, filling structs.
 *
 * Promises: faults are collected, reading goes on; only missing memory ends it (`fatal`). Inside a
 * part that comes with a later version (`later` > 0) shapes are checked and nothing is kept: owner
 * is NULL there.
 */
#ifndef FG_SCENARIO_READER_H
#define FG_SCENARIO_READER_H

#include "runner/scenario/regex.h"
#include "runner/scenario/schema.h"

enum { FG_NAME_MAX_BYTES = 128 };

/* -- who captures what: types --------------------------------------------------------------- */

enum { FG_FLOWS_MAX = 1024 };
struct fg_bits {
	uint64_t words[FG_SCENARIO_SLOTS_MAX / 64];
};
static_assert((int)FG_FLOWS_MAX <= (int)FG_SCENARIO_SLOTS_MAX, "one size of bits for both");

/* What a block of steps sets and runs; with everything that its flows do once scopes are built. */
struct fg_scope {
	struct fg_bits slots;    /* captures and loop variables */
	struct fg_bits captured; /* captures only */
	struct fg_bits flows;
};

enum fg_root { FG_ROOT_FILE, FG_ROOT_SETUP, FG_ROOT_TEARDOWN, FG_ROOT_SCENARIO };

struct fg_scopes {
	const struct fg_node *flow_map; /* name → flow; NULL: none */
	struct fg_scope *flows;
	size_t flow_count;
	struct fg_scope setup, teardown;
	struct fg_scope *scenarios; /* in file order */
	size_t scenario_count;
	struct fg_scope all;
	bool broken; /* flows in a circle or nested too deep: do not follow them */
};

/* -- the reader ----------------------------------------------------------------------------- */

struct fg_reader {
	struct fg_scenario_file *file;
	struct fg_yaml *yaml;
	struct fg_included *included; /* files besides the first (include.c) */
	const struct fg_source *source;
	struct fg_diagnostics *diagnostics;
	const struct fg_scenario_options *options;
	const struct fg_node *vars; /* map of constants, or NULL */
	bool has_url;               /* target.url is written, be it right or not */
	bool has_data_fault;        /* a data set could not be read: its columns are unknown */
	unsigned later;
	int fatal; /* negative code, with fatal_err */
	struct fg_err fatal_err;
	/* while steps are read */
	struct fg_scopes scopes;
	enum fg_root root;
	size_t scenario_index;        /* of FG_ROOT_SCENARIO */
	size_t first_instance;        /* of file->flows: what this root has read of them */
	const struct fg_tags *env;    /* of that scenario */
	const char *flow;             /* the flow that is read, or NULL */
	const struct fg_node *params; /* its parameters */
	const struct fg_node *item;   /* the step: run has a second key */
	struct fg_bits loops;         /* variables of the loops around */
	bool in_parallel;
};

void fg_reader_fault(struct fg_reader *reader, const struct fg_node *node, const char *format, ...)
	FG_PRINTF(3, 4);
/** A fault at `at` (byte offset) inside the text of a scalar, `width` characters. */
void fg_reader_fault_in(struct fg_reader *reader, const struct fg_node *node, size_t at,
			size_t width, const char *format, ...) FG_PRINTF(5, 6);
/** "unknown key …; did you mean …?" */
void fg_reader_unknown(struct fg_reader *reader, const struct fg_node *key,
		       const struct fg_table *table);
/** "X is valid but comes with a later version …"; silent inside a later part. */
void fg_reader_later(struct fg_reader *reader, const struct fg_node *node, const char *what,
		     const char *issue);
/** The same of a part of a scalar's text. */
void fg_reader_later_in(struct fg_reader *reader, const struct fg_node *node, size_t at,
			size_t width);
/** Remembers missing memory; true if rc is a failure. */
bool fg_reader_failed(struct fg_reader *reader, int rc, const struct fg_err *err);
struct fg_place fg_reader_place(const struct fg_reader *reader, const struct fg_node *node);

/** Reads a map by a table into `owner` (NULL: only checks); required keys must be there. */
void fg_reader_object(struct fg_reader *reader, const struct fg_node *node,
		      const struct fg_table *table, void *owner);
/** The same without required keys: for a map on top of something already filled. */
void fg_reader_overlay(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_table *table, void *owner);
/** Fills the defaults of a table; call it before reading. */
void fg_reader_defaults(struct fg_reader *reader, const struct fg_table *table, void *owner);
void fg_reader_value(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner);
/** One scalar by the key's type. */
void fg_reader_scalar(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner);
/** Where the key's value goes, or NULL when it is only checked. */
void *fg_key_field(const struct fg_key *key, void *owner);
bool fg_reader_expect(struct fg_reader *reader, const struct fg_node *node, enum fg_node_kind kind,
		      const char *name);
/** At most one of the named keys; false after a fault. `ret` gets the one that stands, or NULL. */
bool fg_reader_one_of(struct fg_reader *reader, const struct fg_node *map, const char *const *names,
		      size_t count, const char **ret);
/** "dir/path" for a path that is relative to the file where `node` stands; free it; NULL without
 *  memory. */
char *fg_reader_path(struct fg_reader *reader, const struct fg_node *node, const char *path);

/* -- steps ---------------------------------------------------------------------------------- */

/** Appends a step; takes it, also on failure. NULL steps: it is only checked. */
void fg_reader_push_step(struct fg_reader *reader, struct fg_steps *steps, struct fg_step *step);
/** A list of steps (NULL: only checks). */
void fg_reader_steps(struct fg_reader *reader, const struct fg_node *node, struct fg_steps *steps);
/** What is read next belongs to this part of the file. */
void fg_reader_enter(struct fg_reader *reader, enum fg_root root, size_t scenario_index);
/** A fixed text that shows in results: constants filled in, secrets masked; NULL after a fault. */
char *fg_reader_name(struct fg_reader *reader, const struct fg_node *node);

/** Adds a Content-Type unless there is one. */
void fg_request_content_type(struct fg_reader *reader, struct fg_step_http *http, const char *type);
/** Compile a scalar's text; NULL after a fault. */
struct fg_regex *fg_reader_regex(struct fg_reader *reader, const struct fg_node *node,
				 const char *name);
struct fg_jsonpath *fg_reader_jsonpath(struct fg_reader *reader, const struct fg_node *node,
				       const char *name);
/** A group by number or name; `node` NULL: the first, or the whole when there is none. */
bool fg_reader_group(struct fg_reader *reader, const struct fg_node *node,
		     const struct fg_regex *regex, unsigned *ret);

/* -- texts with {{ }} (template.c, template_run.c) ------------------------------------------ */

/* What may stand in a text: constants; {{ target.port }} as it is; everything; everything, with a
 * single {{ }} kept as an expression so that its type counts. */
enum fg_text_mode { FG_TEXT_CONSTANT, FG_TEXT_TARGET, FG_TEXT_TEMPLATE, FG_TEXT_VALUE };

struct fg_template_builder {
	struct fg_buf text; /* since the last part */
	struct fg_template_part *parts;
	size_t part_count, part_capacity;
};
enum { FG_BODY_MAX = 16 << 20, FG_TEMPLATE_PARTS_MAX = 10000 };

void fg_template_begin(struct fg_template_builder *builder);
/** Appends the text of a scalar: literal parts and constants escaped, the rest as parts. */
void fg_template_scalar(struct fg_reader *reader, const struct fg_node *node,
			enum fg_text_mode mode, enum fg_escape escape,
			struct fg_template_builder *builder);
void fg_template_bytes(struct fg_template_builder *builder, const void *bytes, size_t len,
		       enum fg_escape escape);
/** A whole tree as JSON text; a scalar that is one {{ }} keeps its type. */
void fg_template_json(struct fg_reader *reader, const struct fg_node *node,
		      struct fg_template_builder *builder);
/** The finished template with `source` as its text; frees the builder in every case. */
void fg_template_end(struct fg_reader *reader, struct fg_template_builder *builder,
		     const char *source, struct fg_template *ret);
void fg_template_drop(struct fg_template_builder *builder);
void fg_template_part_done(struct fg_template_part *part);
void fg_template_done(struct fg_template *template_);
int fg_template_copy(struct fg_template *dst, const struct fg_template *src,
		     struct fg_err *err) FG_MUST_USE;
/** Compiles one scalar. */
void fg_template_read(struct fg_reader *reader, const struct fg_node *node,
		      struct fg_template *ret);
void fg_template_read_as(struct fg_reader *reader, const struct fg_node *node,
			 enum fg_escape escape, struct fg_template *ret);
/** Compiles what fg_template_value() evaluates: numbers, booleans and null where they stand
 *  unquoted, lists and maps as JSON, texts and {{ }}. */
void fg_template_read_value(struct fg_reader *reader, const struct fg_node *node,
			    struct fg_template *ret);
/** Compiles `len` bytes at `start` of a scalar's text as one expression. */
void fg_template_expression(struct fg_reader *reader, const struct fg_node *node, size_t start,
			    size_t len, struct fg_template *ret);
/** The text of a scalar with its constants filled in; NULL after a fault. Free it. `ret_plain`
 *  (may be NULL) says whether it may mean a number or a boolean. */
char *fg_template_text(struct fg_reader *reader, const struct fg_node *node, enum fg_text_mode mode,
		       bool *ret_plain);
/** The "}}" that ends the {{ whose inside begins at `at`, or NULL. */
const char *fg_template_close(const char *at);
/** True if the text is exactly one {{ }}. */
bool fg_template_is_single(const char *text);
void fg_escape_add(const void *bytes, size_t len, enum fg_escape escape, struct fg_buf *out);
/** INVALID: a line break where it must not be (FG_ESCAPE_HEADER). */
int fg_escape_value(const struct fg_value *value, enum fg_escape escape, struct fg_buf *out,
		    struct fg_err *err) FG_MUST_USE;

/* -- what names mean (names.c) -------------------------------------------------------------- */

/* A constant as it was written: 1.50 stays 1.50. */
struct fg_constant {
	const char *text;
	bool plain; /* may mean a number, a boolean or nothing */
};

/** For fg_expr_compile(); `context` is the reader. */
size_t fg_names_find(void *context, const char *path, size_t len, struct fg_name *ret,
		     struct fg_err *err);
/** A name that is a variable or a secret, and nothing nearer. */
bool fg_names_constant(const struct fg_reader *reader, const char *name, struct fg_constant *ret);
bool fg_constant_is_bare(const struct fg_constant *constant);
bool fg_names_is_target(const char *name);
bool fg_names_is_later(const char *name);
/** May a variable be called so? Faults say `what` it is. */
bool fg_names_check(struct fg_reader *reader, const struct fg_node *name, const char *what);

/* -- who captures what (scope.c) ------------------------------------------------------------ */

/** Looks through all steps before any is read: slots, setup's globals, and flows that run in a
 *  circle, too deep or too often. */
void fg_scopes_build(struct fg_reader *reader, const struct fg_node *root);
void fg_scopes_done(struct fg_scopes *scopes);
/** The scope that is being read. */
const struct fg_scope *fg_scope_current(const struct fg_reader *reader);
/** Index of a slot's name, or -1. */
int fg_scope_slot(const struct fg_reader *reader, const char *name, size_t len);
/** The slot of a flow's parameter, or -1. */
int fg_scope_param(const struct fg_reader *reader, const char *flow, const char *name, size_t len);
int fg_scope_flow(const struct fg_reader *reader, const char *name);
bool fg_bits_has(const struct fg_bits *bits, size_t index);
void fg_bits_set(struct fg_bits *bits, size_t index);

/* -- environment, resolved file ------------------------------------------------------------- */

/** Puts what `include:` names into the tree; the result has no include of its own. */
struct fg_node *fg_include(struct fg_reader *reader, struct fg_node *root);
/** The table of one publisher, by its type. */
const struct fg_table *fg_publish_table(const struct fg_node *node);
/** The map without one of its keys. */
struct fg_node *fg_node_without(struct fg_reader *reader, struct fg_node *root, const char *name);
/** The text of an included file by its name, else of the first. */
const struct fg_source *fg_included_source(const struct fg_reader *reader, const char *name);
void fg_included_free(struct fg_included *included);
/** Replaces ${NAME} in every scalar below `node` (not in keys). */
void fg_env_expand(struct fg_reader *reader, struct fg_node *node);
/** -e, then the environment; NULL: unset. */
const char *fg_env_get(const struct fg_reader *reader, const char *name);

/** A plain scalar as JSON would write it (number, true, null)? */
bool fg_json_is_bare(const char *text);
/** The tree as resolved JSON text and its hash, into the file. */
void fg_resolve_file(struct fg_reader *reader, const struct fg_node *root);
/** Merges `environments: NAME` over the rest; the root afterwards (without environments:). */
struct fg_node *fg_merge_environment(struct fg_reader *reader, struct fg_node *root);

/** k6's rules for one scenario, with places from its node. */
void fg_validate_scenario(struct fg_reader *reader, const struct fg_node *node,
			  struct fg_scenario *scenario);

/* -- free.c --------------------------------------------------------------------------------- */

void fg_header_list_done(struct fg_header *headers, size_t count);
/** Adds or replaces by name without regard to case; takes `value`. */
int fg_header_set(struct fg_header **headers, size_t *count, size_t *capacity, const char *name,
		  struct fg_template *value, struct fg_err *err) FG_MUST_USE;
void fg_header_remove(struct fg_header *headers, size_t *count, const char *name);
void fg_auth_done(struct fg_auth *auth);
void fg_http_options_done(struct fg_http_options *http);
int fg_http_options_copy(struct fg_http_options *dst, const struct fg_http_options *src,
			 struct fg_err *err) FG_MUST_USE;
void fg_condition_done(struct fg_condition *condition);
void fg_capture_done(struct fg_capture *capture);
void fg_step_done(struct fg_step *step);
void fg_steps_done(struct fg_steps *steps);
void fg_scenario_done(struct fg_scenario *scenario);

#endif
