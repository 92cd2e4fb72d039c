/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

enum { NAMES_MAX = 64, NAMES_SHOWN_BYTES = 120 };

/* -- faults --------------------------------------------------------------------------------- */

/* Nodes that nobody wrote (defaults) count as the file's. */
static const struct fg_source *source_of(const struct fg_reader *reader, const struct fg_node *node)
{
	return node->source ? node->source : reader->source;
}

void fg_reader_fault(struct fg_reader *reader, const struct fg_node *node, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fg_diag_addv(reader->diagnostics, source_of(reader, node), node->mark, FG_E_INVALID, format,
		     args);
	va_end(args);
}

/* The mark of a part of a scalar, where its text stands in the file as it is. */
static struct fg_mark mark_inside(const struct fg_node *node, size_t at, size_t width)
{
	struct fg_mark mark = node->mark;
	unsigned characters = 0;

	if (!node->literal || node->expanded)
		return mark;
	for (size_t i = 0; i < at && node->text[i]; i++)
		if (((unsigned char)node->text[i] & 0xc0) != 0x80)
			characters++;
	mark.column += characters + (node->plain ? 0 : 1);
	mark.width = (unsigned)width;
	return mark;
}

void fg_reader_fault_in(struct fg_reader *reader, const struct fg_node *node, size_t at,
			size_t width, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fg_diag_addv(reader->diagnostics, source_of(reader, node), mark_inside(node, at, width),
		     FG_E_INVALID, format, args);
	va_end(args);
}

static void report_later(struct fg_reader *reader, const struct fg_node *node, struct fg_mark mark,
			 const char *what, const char *issue)
{
	if (reader->later)
		return;
	fg_diag_add(reader->diagnostics, source_of(reader, node), mark, FG_E_LATER,
		    "\"%s\" is valid but comes with a later version of flamegate (issue %s); "
		    "leave it out for now",
		    what, issue);
}

void fg_reader_later(struct fg_reader *reader, const struct fg_node *node, const char *what,
		     const char *issue)
{
	report_later(reader, node, node->mark, what, issue);
}

void fg_reader_later_in(struct fg_reader *reader, const struct fg_node *node, size_t at,
			size_t width)
{
	char what[2 * FG_NAME_MAX_BYTES];

	(void)snprintf(what, sizeof(what), "%.*s", (int)width, node->text + at);
	report_later(reader, node, mark_inside(node, at, width), what, "C");
}

bool fg_reader_failed(struct fg_reader *reader, int rc, const struct fg_err *err)
{
	if (rc >= 0)
		return false;
	if (!reader->fatal) {
		reader->fatal = rc;
		reader->fatal_err = *err;
	}
	return true;
}

struct fg_place fg_reader_place(const struct fg_reader *reader, const struct fg_node *node)
{
	const struct fg_scenario_file *file = reader->file;
	const char *name = file->files[0];

	for (size_t i = 1; i < file->file_count; i++)
		if (node->source && node->source->name == file->files[i])
			name = file->files[i];
	return (struct fg_place){name, node->mark.line, node->mark.column};
}

static const char *kind_name(enum fg_node_kind kind)
{
	switch (kind) {
	case FG_NODE_LIST:
		return "a list";
	case FG_NODE_MAP:
		return "a map";
	default:
		return "a single value";
	}
}

bool fg_reader_expect(struct fg_reader *reader, const struct fg_node *node, enum fg_node_kind kind,
		      const char *name)
{
	if (node->kind == kind && !(kind == FG_NODE_SCALAR && fg_node_is_nothing(node)))
		return true;
	if (fg_node_is_nothing(node))
		fg_reader_fault(reader, node, "%s is empty; it wants %s", name, kind_name(kind));
	else
		fg_reader_fault(reader, node, "%s wants %s, not %s", name, kind_name(kind),
				kind_name(node->kind));
	return false;
}

/* -- tables --------------------------------------------------------------------------------- */

const struct fg_key *fg_schema_find(const struct fg_table *table, const char *name,
				    size_t *ret_offset)
{
	size_t offset = 0;

	for (; table; table = table->base) {
		for (size_t i = 0; i < table->count; i++) {
			if (strcmp(table->keys[i].name, name) != 0)
				continue;
			if (ret_offset)
				*ret_offset = offset;
			return &table->keys[i];
		}
		offset += table->base_offset;
	}
	return NULL;
}

const char *fg_schema_nearest(const struct fg_table *table, const char *name)
{
	const char *names[NAMES_MAX];
	size_t count = 0;

	for (; table; table = table->base)
		for (size_t i = 0; i < table->count && count < NAMES_MAX; i++)
			names[count++] = table->keys[i].name;
	return fg_str_nearest(name, names, count);
}

/* "a, b, c, …" for somebody whose key resembles none. */
static void list_keys(const struct fg_table *table, struct fg_buf *out)
{
	for (; table; table = table->base)
		for (size_t i = 0; i < table->count; i++) {
			if (table->keys[i].later || out->len > NAMES_SHOWN_BYTES)
				continue;
			fg_buf_addf(out, "%s%s", out->len ? ", " : "", table->keys[i].name);
			if (out->len > NAMES_SHOWN_BYTES)
				fg_buf_add_str(out, ", …");
		}
}

void fg_reader_unknown(struct fg_reader *reader, const struct fg_node *key,
		       const struct fg_table *table)
{
	const char *near = fg_schema_nearest(table, key->text);
	FG_AUTO_BUF struct fg_buf known = {.max = FG_ERR_MESSAGE_MAX};

	if (near)
		fg_reader_fault(reader, key, "unknown %s \"%s\"; did you mean \"%s\"?", table->what,
				key->text, near);
	else if (strcmp(key->text, "<<") == 0)
		fg_reader_fault(reader, key, "merge keys (<<) are not part of the language");
	else {
		list_keys(table, &known);
		fg_reader_fault(reader, key, "unknown %s \"%.60s\" in %s; known: %s", table->what,
				key->text, table->where, known.data ? known.data : "none");
	}
}

/* -- values of several parts ---------------------------------------------------------------- */

static void read_tags(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner)
{
	struct fg_tags *tags = fg_key_field(key, owner);

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		struct fg_err err = {0};

		if (!fg_reader_expect(reader, node->items[i + 1], FG_NODE_SCALAR,
				      node->items[i]->text))
			continue;
		FG_AUTO_FREE char *text =
			fg_template_text(reader, node->items[i + 1], FG_TEXT_CONSTANT, NULL);

		if (!text || !tags)
			continue;
		/* Tags and labels are on every sample that leaves the machine. */
		FG_AUTO_FREE char *masked = fg_secrets_mask(&reader->file->secrets, text, &err);

		if (!masked) {
			(void)fg_reader_failed(reader, -(int)err.code, &err);
			return;
		}
		if (tags->count >= FG_REGISTRY_TAGS_MAX)
			fg_reader_fault(reader, node->items[i], "more than %d tags",
					FG_REGISTRY_TAGS_MAX);
		else if (fg_reader_failed(reader,
					  fg_tags_add(tags, node->items[i]->text, masked, &err),
					  &err))
			return;
	}
}

static void check_texts(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node)
{
	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	for (size_t i = 0; i < node->count; i++)
		(void)fg_reader_expect(reader, node->items[i], FG_NODE_SCALAR, key->name);
}

static void check_objects(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node)
{
	bool is_map = key->type == FG_T_OBJECT_MAP;

	if (!fg_reader_expect(reader, node, is_map ? FG_NODE_MAP : FG_NODE_LIST, key->name))
		return;
	for (size_t i = is_map ? 1 : 0; i < node->count; i += is_map ? 2 : 1)
		fg_reader_object(reader, node->items[i], key->table, NULL);
}

static void read_template_value(struct fg_reader *reader, const struct fg_key *key,
				const struct fg_node *node, void *owner)
{
	struct fg_template scratch = {0};
	struct fg_template *field = fg_key_field(key, owner);

	fg_template_read_value(reader, node, field ? field : &scratch);
	fg_template_done(&scratch);
}

static void read_value(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	switch (key->type) {
	case FG_T_ANY:
		break;
	case FG_T_TAGS:
		read_tags(reader, key, node, owner);
		break;
	case FG_T_TEXTS:
		check_texts(reader, key, node);
		break;
	case FG_T_OBJECT:
		fg_reader_object(reader, node, key->table,
				 owner && key->kept ? fg_key_field(key, owner) : owner);
		break;
	case FG_T_OBJECTS:
	case FG_T_OBJECT_MAP:
		check_objects(reader, key, node);
		break;
	case FG_T_STEPS:
		fg_reader_steps(reader, node, fg_key_field(key, owner));
		break;
	case FG_T_VALUE:
		read_template_value(reader, key, node, owner);
		break;
	case FG_T_CUSTOM:
		key->read(reader, key, node, owner);
		break;
	default:
		fg_reader_scalar(reader, key, node, owner);
	}
}

/* A key of a later version that says what holds anyway changes nothing. */
static bool says_default(const struct fg_key *key, const struct fg_node *node)
{
	if (node->kind != FG_NODE_SCALAR)
		return node->count == 0;
	return key->standard && strcmp(key->standard, node->text) == 0;
}

void fg_reader_value(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	if (!key->later) {
		read_value(reader, key, node, owner);
		return;
	}
	if (says_default(key, node))
		return;
	reader->later++;
	read_value(reader, key, node, NULL);
	reader->later--;
}

/* -- maps ----------------------------------------------------------------------------------- */

static void read_key(struct fg_reader *reader, const struct fg_node *map, const struct fg_key *key,
		     void *owner)
{
	struct fg_node *name = NULL;
	const struct fg_node *value = fg_node_get(map, key->name, &name);

	if (!value || reader->fatal)
		return;
	if (key->later && !says_default(key, value))
		fg_reader_later(reader, name, key->name, key->later);
	fg_reader_value(reader, key, value, owner);
}

void fg_reader_overlay(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_table *table, void *owner)
{
	const struct fg_table *own = table;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, table->where))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2)
		if (!fg_schema_find(table, node->items[i]->text, NULL))
			fg_reader_unknown(reader, node->items[i], table);
	for (; table; table = table->base) {
		/* A key of the base that the table itself has is the table's. */
		for (size_t i = 0; i < table->count; i++)
			if (fg_schema_find(own, table->keys[i].name, NULL) == &table->keys[i])
				read_key(reader, node, &table->keys[i], owner);
		if (owner)
			owner = (char *)owner + table->base_offset;
	}
}

static bool fills_owner(const struct fg_key *key)
{
	return !key->later && key->table &&
	       (key->type == FG_T_OBJECT ||
		(key->type == FG_T_CUSTOM && key->shape == FG_SHAPE_ONE));
}

void fg_reader_defaults(struct fg_reader *reader, const struct fg_table *table, void *owner)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct fg_key *key = &table->keys[i];
		size_t len = key->standard ? strlen(key->standard) : 0;
		char text[64];

		if (fills_owner(key))
			fg_reader_defaults(reader, key->table,
					   key->kept ? fg_key_field(key, owner) : owner);
		if (!key->standard || !key->kept || key->later || len >= sizeof(text))
			continue;
		memcpy(text, key->standard, len + 1);
		fg_reader_value(
			reader, key,
			&(struct fg_node){.kind = FG_NODE_SCALAR, .plain = true, .text = text},
			owner);
	}
}

void fg_reader_object(struct fg_reader *reader, const struct fg_node *node,
		      const struct fg_table *table, void *owner)
{
	fg_reader_overlay(reader, node, table, owner);
	if (node->kind != FG_NODE_MAP)
		return;
	for (size_t i = 0; i < table->count; i++)
		if (table->keys[i].required && !fg_node_get(node, table->keys[i].name, NULL))
			fg_reader_fault(reader, node, "%s needs \"%s\"", table->where,
					table->keys[i].name);
}

bool fg_reader_one_of(struct fg_reader *reader, const struct fg_node *map, const char *const *names,
		      size_t count, const char **ret)
{
	const char *found = NULL;

	for (size_t i = 0; i < count; i++) {
		struct fg_node *key = NULL;

		if (!fg_node_get(map, names[i], &key))
			continue;
		if (found) {
			fg_reader_fault(reader, key,
					"\"%s\" and \"%s\" exclude each other; keep one", found,
					names[i]);
			return false;
		}
		found = names[i];
	}
	if (ret)
		*ret = found;
	return true;
}
