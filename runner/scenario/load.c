/* SPDX-License-Identifier: Apache-2.0 */
/* From text to a checked scenario file: the order of the passes. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

static int new_file(const char *path, struct fg_scenario_file **ret, struct fg_err *err)
{
	struct fg_scenario_file *file = calloc(1, sizeof(*file));
	const char *slash = strrchr(path, '/');
	int rc = file ? 0 : fg_err_nomem(err);

	if (rc)
		return rc;
	fg_gate_init(&file->gate);
	rc = fg_str_dup(path, &file->path, err);
	if (rc == 0 && slash)
		rc = fg_str_ndup(path, slash == path ? 1 : (size_t)(slash - path), &file->dir, err);
	else if (rc == 0)
		rc = fg_str_dup(".", &file->dir, err);
	if (rc == 0)
		rc = FG_VEC_ROOM(file, files, file_count, file_capacity, 1000, err);
	if (rc == 0)
		rc = fg_str_dup(path, &file->files[0], err);
	if (rc == 0)
		file->file_count = 1;
	if (rc)
		fg_scenario_file_free(file);
	else
		*ret = file;
	return rc;
}

/* The name of a file that states none: its own, without ".yaml". */
static void default_name(struct fg_reader *reader)
{
	struct fg_scenario_file *file = reader->file;
	const char *slash = strrchr(file->path, '/');
	const char *base = slash ? slash + 1 : file->path;
	const char *dot = strrchr(base, '.');
	struct fg_err err = {0};

	if (!file->name)
		(void)fg_reader_failed(
			reader,
			fg_str_ndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base),
				    &file->name, &err),
			&err);
}

/* -e wins over vars: the new value takes the place of the old one in the tree. */
static void override_vars(struct fg_reader *reader, struct fg_node *root)
{
	const struct fg_tags *env = reader->options ? reader->options->env : NULL;
	struct fg_node *vars = fg_node_get(root, "vars", NULL);

	reader->vars = vars && vars->kind == FG_NODE_MAP ? vars : NULL;
	for (size_t i = 0; reader->vars && env && i < env->count; i++) {
		struct fg_node *value = fg_node_get(vars, env->items[i].key, NULL);
		struct fg_err err = {0};
		char *text = NULL;

		if (!value || value->kind != FG_NODE_SCALAR ||
		    fg_reader_failed(reader, fg_str_dup(env->items[i].value, &text, &err), &err))
			continue;
		free(value->text);
		value->text = text;
		value->expanded = true;
		value->broken = false;
	}
}

/* A file with other faults: at least what is clearly a misspelt built-in metric. */
static void check_metric_names(struct fg_reader *reader, const struct fg_node *root)
{
	for (size_t i = 0; i < reader->file->threshold_count; i++) {
		const struct fg_threshold *t = &reader->file->thresholds[i];
		const char *near = t->what.custom ? fg_metric_nearest(t->what.custom) : NULL;
		struct fg_node *metric = NULL;

		if (!near)
			continue;
		(void)fg_node_get(fg_node_get(root, "thresholds", NULL), t->metric_text, &metric);
		fg_reader_fault(reader, metric ? metric : root,
				"no metric is named \"%s\"; did you mean \"%s\"?", t->what.custom,
				near);
	}
}

/* Only with sound scenarios: otherwise every class that a fault hides would be reported again. */
static void check_thresholds(struct fg_reader *reader, const struct fg_node *root)
{
	struct fg_registry registry;
	struct fg_err err = {0};

	if (reader->fatal)
		return;
	if (fg_diag_count(reader->diagnostics)) {
		check_metric_names(reader, root);
		return;
	}
	fg_registry_init(&registry);
	int rc = fg_scenario_register(reader->file, "curl", &registry, &err);

	if (rc == -FG_E_INVALID || rc == -FG_E_LIMIT) {
		fg_diag_add(reader->diagnostics, fg_included_source(reader, err.file),
			    (struct fg_mark){err.line, err.column, 1}, err.code, "%s", err.message);
	} else if (!fg_reader_failed(reader, rc, &err)) {
		for (size_t i = 0; i < reader->file->threshold_count; i++) {
			struct fg_threshold *t = &reader->file->thresholds[i];

			if (fg_scenario_threshold_stage(reader->file, t, &err) ||
			    fg_threshold_check(t, &registry, &err))
				fg_threshold_fault(reader, root, i, &err);
		}
	}
	fg_registry_done(&registry);
}

static void read_strict(struct fg_reader *reader, const struct fg_node *root)
{
	const struct fg_node *profile =
		fg_node_get(fg_node_get(root, "gate", NULL), "profile", NULL);

	reader->file->gate.strict =
		profile && profile->kind == FG_NODE_SCALAR && strcmp(profile->text, "strict") == 0;
}

/* Only what flamegate starts can be given flags. */
static void check_runtime_flags(struct fg_reader *reader, const struct fg_node *root)
{
	const struct fg_node *mode =
		fg_node_get(fg_node_get(root, "profile", NULL), "runtimeFlags", NULL);

	if (mode && reader->file->runtime_flags == FG_FLAGS_AUTO &&
	    !fg_node_get(fg_node_get(root, "target", NULL), "start", NULL))
		fg_reader_fault(reader, mode,
				"runtimeFlags: auto needs target.start; what runs already keeps "
				"the flags it was started with");
}

static void read_root(struct fg_reader *reader, struct fg_node *root)
{
	if (root->kind != FG_NODE_MAP) {
		fg_reader_fault(reader, root, "a scenario file is a map: version: 1, target: …");
		return;
	}
	root = fg_include(reader, root);
	root = fg_merge_environment(reader, root);
	fg_env_expand(reader, root);
	override_vars(reader, root);
	fg_scopes_build(reader, root);
	if (reader->fatal)
		return;
	fg_reader_defaults(reader, &fg_schema_root, reader->file);
	fg_reader_object(reader, root, &fg_schema_root, reader->file);
	if (reader->fatal)
		return;
	read_strict(reader, root);
	check_runtime_flags(reader, root);
	default_name(reader);
	check_thresholds(reader, root);
	if (fg_diag_count(reader->diagnostics) == 0 && !reader->fatal)
		fg_resolve_file(reader, root);
}

static int parse_tree(struct fg_reader *reader, struct fg_err *err)
{
	int rc = fg_yaml_parse(reader->source, &reader->yaml, reader->diagnostics, err);

	if (rc == 0)
		read_root(reader, reader->yaml->root);
	fg_yaml_free(reader->yaml);
	reader->yaml = NULL;
	fg_scopes_done(&reader->scopes);
	fg_included_free(reader->included);
	reader->included = NULL;
	/* A bound that a file exceeds is the file's fault, wherever it was noticed. */
	if (rc == 0 && reader->fatal == -FG_E_LIMIT) {
		fg_diag_add(reader->diagnostics, reader->source, (struct fg_mark){0}, FG_E_LIMIT,
			    "%s", reader->fatal_err.message);
	} else if (rc == 0 && reader->fatal) {
		*err = reader->fatal_err;
		rc = reader->fatal;
	}
	if (rc == 0 && fg_diag_count(reader->diagnostics))
		rc = fg_err_set(err, FG_E_INVALID, "%s: not a valid scenario",
				reader->source->name);
	return rc;
}

int fg_scenario_parse(const char *text, size_t len, const char *path,
		      const struct fg_scenario_options *options, struct fg_scenario_file **ret,
		      struct fg_diagnostics *diagnostics, struct fg_err *err)
{
	struct fg_err local = {0};
	/* Editors on Windows put a byte order mark in front; libyaml would take it for content. */
	const size_t skip = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	struct fg_source source = {.name = path, .text = text + skip, .len = len - skip};
	struct fg_reader reader = {
		.source = &source, .diagnostics = diagnostics, .options = options};

	if (len > FG_SCENARIO_FILE_MAX) {
		fg_diag_add(diagnostics, &source, (struct fg_mark){0}, FG_E_LIMIT,
			    "larger than 1 MiB, which no scenario needs");
		return fg_err_set(err, FG_E_INVALID, "%s: not a valid scenario", path);
	}
	int rc = new_file(path, &reader.file, err ? err : &local);

	if (rc)
		return rc;
	rc = parse_tree(&reader, err ? err : &local);
	fg_diag_sort(diagnostics);
	if (rc == 0)
		*ret = reader.file;
	else
		fg_scenario_file_free(reader.file);
	return rc;
}

int fg_scenario_load(const char *path, const struct fg_scenario_options *options,
		     struct fg_scenario_file **ret, struct fg_diagnostics *diagnostics,
		     struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	struct fg_err local = {0};

	fg_buf_init(&text, FG_SCENARIO_FILE_MAX);
	int rc = fg_file_read(path, FG_SCENARIO_FILE_MAX, &text, &local);

	if (rc == -FG_E_LIMIT) {
		struct fg_source source = {.name = path, .text = "", .len = 0};

		fg_diag_add(diagnostics, &source, (struct fg_mark){0}, FG_E_LIMIT,
			    "larger than 1 MiB, which no scenario needs");
		return fg_err_set(err, FG_E_INVALID, "%s: not a valid scenario", path);
	}
	if (rc) {
		if (err)
			*err = local;
		return rc;
	}
	return fg_scenario_parse(text.data ? text.data : "", text.len, path, options, ret,
				 diagnostics, err);
}
