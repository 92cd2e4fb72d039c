/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include: other files as parts of this one, put into the tree before anything is typed.
 *
 * Maps merge, lists append (what is included comes first), and what is defined twice is an error
 * that names both places: a flow, a scenario, a data set, a variable, any single value. A file is
 * read once, however often it is named; files in a circle are refused. Nodes keep their source, so
 * that faults name the file where they stand, and relative paths start there.
 */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { DEPTH_MAX = 8, FILES_MAX = 64, BYTES_MAX = 4 << 20 };

struct fg_included {
	struct fg_included *next;
	struct fg_source source;
	struct fg_buf text;
	char *real; /* the path without links and dots */
	bool is_open;
};

void fg_included_free(struct fg_included *included)
{
	while (included) {
		struct fg_included *next = included->next;

		fg_buf_done(&included->text);
		free(included->real);
		free(included);
		included = next;
	}
}

const struct fg_source *fg_included_source(const struct fg_reader *reader, const char *name)
{
	for (const struct fg_included *i = reader->included; i; i = i->next)
		if (i->source.name && strcmp(i->source.name, name) == 0)
			return &i->source;
	return reader->source;
}

/* -- joining -------------------------------------------------------------------------------- */

/* Blocks whose keys are names of definitions, which are whole or not there. */
static bool holds_definitions(const char *key)
{
	static const char *const blocks[] = {"flows", "scenarios", "data", "secrets",
					     "environments"};

	for (size_t i = 0; i < FG_ARRAY_LEN(blocks); i++)
		if (strcmp(blocks[i], key) == 0)
			return true;
	return false;
}

static void report_twice(struct fg_reader *reader, const struct fg_node *key,
			 const struct fg_node *first)
{
	fg_reader_fault(reader, key, "\"%.60s\" is defined here and in %s:%u", key->text,
			first->source ? first->source->name : "", first->mark.line);
}

static bool append(struct fg_reader *reader, struct fg_node *node, struct fg_node *item)
{
	struct fg_err err = {0};

	return !fg_reader_failed(reader, fg_node_append(node, item, &err), &err);
}

static struct fg_node *new_node(struct fg_reader *reader, enum fg_node_kind kind,
				const struct fg_node *like)
{
	struct fg_node *node = fg_node_new(reader->yaml, kind, like->source, like->mark);
	struct fg_err err = {0};

	if (!node)
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
	return node;
}

static struct fg_node *join_lists(struct fg_reader *reader, const struct fg_node *a,
				  struct fg_node *b)
{
	struct fg_node *list = new_node(reader, FG_NODE_LIST, b);

	for (size_t i = 0; list && i < a->count; i++)
		if (!append(reader, list, a->items[i]))
			return b;
	for (size_t i = 0; list && i < b->count; i++)
		if (!append(reader, list, b->items[i]))
			return b;
	return list ? list : b;
}

enum level { LEVEL_ROOT, LEVEL_NAMES, LEVEL_VALUES };

static struct fg_node *join_maps(struct fg_reader *reader, struct fg_node *first,
				 struct fg_node *second, enum level level);

/* Every file may state it. */
static bool is_same_version(const struct fg_node *key, const struct fg_node *a,
			    const struct fg_node *b)
{
	return strcmp(key->text, "version") == 0 && a->kind == FG_NODE_SCALAR &&
	       b->kind == FG_NODE_SCALAR && strcmp(a->text, b->text) == 0;
}

static struct fg_node *join_values(struct fg_reader *reader, struct fg_node *const first[2],
				   struct fg_node *const second[2], enum level level)
{
	const struct fg_node *key = second[0];
	struct fg_node *a = first[1];
	struct fg_node *b = second[1];

	if (level == LEVEL_ROOT && is_same_version(key, a, b))
		return b;
	if (level != LEVEL_NAMES && a->kind == FG_NODE_MAP && b->kind == FG_NODE_MAP)
		return join_maps(reader, a, b,
				 level == LEVEL_ROOT && holds_definitions(key->text)
					 ? LEVEL_NAMES
					 : LEVEL_VALUES);
	if (level == LEVEL_NAMES || a->kind != FG_NODE_LIST || b->kind != FG_NODE_LIST) {
		report_twice(reader, key, first[0]);
		return b;
	}
	return join_lists(reader, a, b);
}

static struct fg_node *join_maps(struct fg_reader *reader, struct fg_node *first,
				 struct fg_node *second, enum level level)
{
	struct fg_node *map = new_node(reader, FG_NODE_MAP, second);

	for (size_t i = 0; map && i + 1 < first->count; i += 2)
		if (!fg_node_get(second, first->items[i]->text, NULL) &&
		    !(append(reader, map, first->items[i]) &&
		      append(reader, map, first->items[i + 1])))
			return second;
	for (size_t i = 0; map && i + 1 < second->count; i += 2) {
		struct fg_node *pair[2] = {NULL, NULL};
		struct fg_node *value = second->items[i + 1];

		pair[1] = fg_node_get(first, second->items[i]->text, &pair[0]);
		if (pair[1])
			value = join_values(reader, pair, &second->items[i], level);
		if (!append(reader, map, second->items[i]) || !append(reader, map, value))
			return second;
	}
	return map ? map : second;
}

/* -- reading -------------------------------------------------------------------------------- */

static struct fg_included *find_file(const struct fg_reader *reader, const char *real)
{
	for (struct fg_included *i = reader->included; i; i = i->next)
		if (strcmp(i->real, real) == 0)
			return i;
	return NULL;
}

/* The path as messages show it, kept by the file. */
static const char *keep_name(struct fg_reader *reader, const char *path)
{
	struct fg_scenario_file *file = reader->file;
	struct fg_err err = {0};

	if (fg_reader_failed(reader,
			     FG_VEC_ROOM(file, files, file_count, file_capacity, FILES_MAX + 1,
					 &err),
			     &err) ||
	    fg_reader_failed(reader, fg_str_dup(path, &file->files[file->file_count], &err), &err))
		return NULL;
	return file->files[file->file_count++];
}

static struct fg_included *new_file(struct fg_reader *reader, const char *path, char *real)
{
	struct fg_included *file = calloc(1, sizeof(*file));
	struct fg_err err = {0};

	if (!file) {
		free(real);
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
		return NULL;
	}
	file->real = real;
	file->next = reader->included;
	reader->included = file;
	fg_buf_init(&file->text, FG_SCENARIO_FILE_MAX);
	file->source.name = keep_name(reader, path);
	return file->source.name ? file : NULL;
}

/* The root that the reader started with counts as open. */
static bool note_root(struct fg_reader *reader)
{
	char *real = realpath(reader->file->path, NULL);
	struct fg_err err = {0};

	if (!real && fg_reader_failed(reader, fg_str_dup(reader->file->path, &real, &err), &err))
		return false;
	struct fg_included *root = calloc(1, sizeof(*root));

	if (!root) {
		free(real);
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
		return false;
	}
	root->real = real;
	root->is_open = true;
	reader->included = root;
	return true;
}

static bool has_room(struct fg_reader *reader, const struct fg_node *node)
{
	size_t bytes = 0;
	size_t files = 0;

	for (const struct fg_included *i = reader->included; i; i = i->next, files++)
		bytes += i->text.len;
	if (files <= FILES_MAX && bytes <= BYTES_MAX)
		return true;
	fg_reader_fault(reader, node, "more than %d included files, or %d MiB of them", FILES_MAX,
			BYTES_MAX >> 20);
	return false;
}

static struct fg_node *parse_file(struct fg_reader *reader, const struct fg_node *node,
				  struct fg_included *file)
{
	struct fg_yaml *yaml = NULL;
	struct fg_err err = {0};
	int rc = fg_file_read(file->source.name, FG_SCENARIO_FILE_MAX, &file->text, &err);

	if (rc) {
		fg_reader_fault(reader, node, "include: %s", err.message);
		return NULL;
	}
	file->source.text = file->text.data ? file->text.data : "";
	file->source.len = file->text.len;
	rc = fg_yaml_parse(&file->source, &yaml, reader->diagnostics, &err);
	if (rc == -FG_E_NOMEM)
		(void)fg_reader_failed(reader, rc, &err);
	if (rc)
		return NULL;
	struct fg_node *root = yaml->root;

	fg_yaml_adopt(reader->yaml, yaml);
	if (root->kind == FG_NODE_MAP)
		return root;
	fg_reader_fault(reader, root, "an included file is a map, as a scenario file is");
	return NULL;
}

static struct fg_node *include_into(struct fg_reader *reader, struct fg_node *root, unsigned depth);

/* One path of an include list; NULL: nothing new, or a fault. */
static struct fg_node *include_one(struct fg_reader *reader, const struct fg_node *node,
				   unsigned depth)
{
	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, "include") || node->broken)
		return NULL;
	FG_AUTO_FREE char *path = fg_reader_path(reader, node, node->text);
	char *real = path ? realpath(path, NULL) : NULL;

	if (!real) {
		if (path)
			fg_reader_fault(reader, node, "include: cannot read %s", path);
		return NULL;
	}
	struct fg_included *file = find_file(reader, real);

	if (file && file->is_open)
		fg_reader_fault(reader, node, "%s includes itself", path);
	if (!file && depth > DEPTH_MAX)
		fg_reader_fault(reader, node, "files are included deeper than %d levels",
				DEPTH_MAX);
	if (file || depth > DEPTH_MAX || !has_room(reader, node)) {
		free(real);
		return NULL;
	}
	file = new_file(reader, path, real);
	if (!file)
		return NULL;
	file->is_open = true;
	struct fg_node *root = parse_file(reader, node, file);

	root = root ? include_into(reader, root, depth + 1) : NULL;
	file->is_open = false;
	return root;
}

/* The root with its includes in it. */
static struct fg_node *include_into(struct fg_reader *reader, struct fg_node *root, unsigned depth)
{
	struct fg_node *list = fg_node_get(root, "include", NULL);
	struct fg_node *sum = NULL;

	if (!list)
		return root;
	root = fg_node_without(reader, root, "include");
	fg_env_expand(reader, list);
	if (!fg_reader_expect(reader, list, FG_NODE_LIST, "include"))
		return root;
	for (size_t i = 0; i < list->count && !reader->fatal; i++) {
		struct fg_node *part = include_one(reader, list->items[i], depth);

		if (part && sum)
			sum = join_maps(reader, sum, part, LEVEL_ROOT);
		else if (part)
			sum = part;
	}
	return sum && !reader->fatal ? join_maps(reader, sum, root, LEVEL_ROOT) : root;
}

struct fg_node *fg_include(struct fg_reader *reader, struct fg_node *root)
{
	if (!fg_node_get(root, "include", NULL) || !note_root(reader))
		return root;
	return include_into(reader, root, 1);
}
