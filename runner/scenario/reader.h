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

#include "runner/scenario/schema.h"

struct fg_reader {
	struct fg_scenario_file *file;
	struct fg_yaml *yaml;
	const struct fg_source *source;
	struct fg_diagnostics *diagnostics;
	const struct fg_scenario_options *options;
	const struct fg_node *vars; /* map of constants, or NULL */
	bool has_url;               /* target.url is written, be it right or not */
	unsigned later;
	int fatal; /* negative code, with fatal_err */
	struct fg_err fatal_err;
	/* while steps are read */
	const char *group;
	struct fg_scenario *scenario;
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
/** "dir/path" for a relative path of the file; free it; NULL without memory. */
char *fg_reader_path(struct fg_reader *reader, const char *path);
/** Appends a step; its memory goes to the scenario, or away when there is none. */
void fg_reader_push_step(struct fg_reader *reader, struct fg_scenario *scenario,
			 struct fg_step *step);
/** A list of steps into a scenario (NULL: only checks). */
void fg_reader_steps(struct fg_reader *reader, const struct fg_node *node, const char *group,
		     struct fg_scenario *scenario);

/* -- texts with {{ }} (template.c) ---------------------------------------------------------- */

enum fg_text_mode { FG_TEXT_CONSTANT, FG_TEXT_TARGET, FG_TEXT_TEMPLATE };

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
/** The finished template with `source` as its text; frees the builder in every case. */
void fg_template_end(struct fg_reader *reader, struct fg_template_builder *builder,
		     const char *source, struct fg_template *ret);
void fg_template_drop(struct fg_template_builder *builder);
void fg_template_done(struct fg_template *template_);
int fg_template_copy(struct fg_template *dst, const struct fg_template *src,
		     struct fg_err *err) FG_MUST_USE;
/** Compiles one scalar. */
void fg_template_read(struct fg_reader *reader, const struct fg_node *node,
		      struct fg_template *ret);
/** The text of a scalar with its constants filled in; NULL after a fault. Free it. `ret_plain`
 *  (may be NULL) says whether it may mean a number or a boolean. */
char *fg_template_text(struct fg_reader *reader, const struct fg_node *node, enum fg_text_mode mode,
		       bool *ret_plain);
/** True if the scalar is exactly one {{ }} whose value is a number, a boolean or null. */
bool fg_template_is_bare(struct fg_reader *reader, const struct fg_node *node);
/** True if the text is exactly one {{ }}. */
bool fg_template_is_single(const char *text);

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
void fg_http_options_done(struct fg_http_options *http);
int fg_http_options_copy(struct fg_http_options *dst, const struct fg_http_options *src,
			 struct fg_err *err) FG_MUST_USE;
void fg_step_done(struct fg_step *step);
void fg_scenario_done(struct fg_scenario *scenario);

#endif
