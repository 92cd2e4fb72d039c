/* SPDX-License-Identifier: Apache-2.0 */
/* The small keys of the file: version, vars, secrets, generator, profile, stores, publishers. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { SECRETS_MAX = FG_REGISTRY_TAGS_MAX, PUBLISH_MAX = 100, THREADS_MAX = 256 };

void fg_read_version(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	if (strcmp(node->text, "1") != 0)
		fg_reader_fault(reader, node,
				"version %.20s is not known; this flamegate reads version 1",
				node->text);
}

static bool is_var_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_";

	return text[0] && !(text[0] >= '0' && text[0] <= '9') && !text[strspn(text, allowed)];
}

/* The values are looked up in the tree itself (reader->vars); here they are only checked. */
void fg_read_vars(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct fg_node *value = node->items[i + 1];

		if (!is_var_name(node->items[i]->text))
			fg_reader_fault(reader, node->items[i],
					"the name of a variable has letters, digits and _ only");
		if (value->kind != FG_NODE_SCALAR)
			(void)fg_reader_expect(reader, value, FG_NODE_SCALAR, node->items[i]->text);
		else if (strstr(value->text, "{{"))
			fg_reader_fault(reader, value, "vars are constants and hold no {{ }}");
	}
}

/* -- secrets -------------------------------------------------------------------------------- */

static void read_secret(struct fg_reader *reader, const struct fg_node *name,
			const struct fg_node *node)
{
	const struct fg_node *env = fg_node_get(node, "env", NULL);
	const struct fg_node *optional = fg_node_get(node, "optional", NULL);
	struct fg_err err = {0};

	fg_reader_object(reader, node, &fg_schema_secret, NULL);
	if (!env || env->kind != FG_NODE_SCALAR)
		return;
	bool is_optional =
		optional && optional->kind == FG_NODE_SCALAR && strcmp(optional->text, "true") == 0;
	const char *value = fg_env_get(reader, env->text);

	if (!value && !is_optional)
		fg_reader_fault(reader, env,
				"the environment variable %s is not set; secret \"%s\" needs it "
				"(or optional: true)",
				env->text, name->text);
	(void)fg_reader_failed(
		reader, fg_tags_add(&reader->file->secrets, name->text, value ? value : "", &err),
		&err);
}

void fg_read_secrets(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		if (i / 2 >= SECRETS_MAX) {
			fg_reader_fault(reader, node->items[i], "more than %d secrets",
					SECRETS_MAX);
			return;
		}
		read_secret(reader, node->items[i], node->items[i + 1]);
	}
}

/* -- generator, profile, report ------------------------------------------------------------- */

void fg_read_threads(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	struct fg_key value = {.name = key->name,
			       .type = FG_T_UINT,
			       .min = 1,
			       .max = THREADS_MAX,
			       FG_AT(fg_scenario_file, threads)};

	if (node->kind == FG_NODE_SCALAR && strcmp(node->text, "auto") == 0)
		return;
	fg_reader_value(reader, &value, node, owner);
}

void fg_read_profile_types(struct fg_reader *reader, const struct fg_key *key,
			   const struct fg_node *node, void *owner)
{
	static const struct fg_choice types[] = {
		{"cpu", 0, NULL}, {"offcpu", 1, "C"}, {"wall", 2, "C"}};
	struct fg_key type = {.name = "type", .type = FG_T_CHOICE, FG_CHOICES(types)};

	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node,
				"types is empty; to switch profiling off write "
				"enabled: off");
	for (size_t i = 0; i < node->count; i++)
		fg_reader_value(reader, &type, node->items[i], NULL);
}

void fg_read_markdown(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner)
{
	struct fg_key value = *key;

	/* auto is for the command to decide, and there NULL says so. */
	if (node->kind == FG_NODE_SCALAR && strcmp(node->text, "auto") == 0)
		return;
	value.type = FG_T_TEXT;
	fg_reader_value(reader, &value, node, owner);
}

/* -- stores, publishers --------------------------------------------------------------------- */

void fg_read_store(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	fg_reader_object(reader, node, key->table, owner);
}

static bool is_type(const struct fg_node *node, const char *type)
{
	const struct fg_node *value = fg_node_get(node, "type", NULL);

	return value && value->kind == FG_NODE_SCALAR && strcmp(value->text, type) == 0;
}

static void read_publish(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, struct fg_scenario_file *file)
{
	struct fg_publish_pyroscope publish = {0};
	bool is_later = is_type(node, "prometheus") || is_type(node, "otlp");
	struct fg_err err = {0};

	if (is_later) {
		struct fg_node *type = fg_node_get(node, "type", NULL);

		fg_reader_later(reader, type, type->text, "B");
		reader->later++;
		fg_reader_object(reader, node, key->table, NULL);
		reader->later--;
		return;
	}
	fg_reader_object(reader, node, key->table, &publish);
	const struct fg_node *url = fg_node_get(node, "url", NULL);

	if (url && publish.url && !fg_str_starts_with(publish.url, "http://") &&
	    !fg_str_starts_with(publish.url, "https://"))
		fg_reader_fault(reader, url, "\"%.80s\" is not an http:// or https:// URL",
				publish.url);
	if (fg_reader_failed(reader,
			     FG_VEC_ROOM(file, publish, publish_count, publish_capacity,
					 PUBLISH_MAX, &err),
			     &err)) {
		free(publish.url);
		fg_tags_done(&publish.labels);
		return;
	}
	file->publish[file->publish_count++] = publish;
}

void fg_read_publish(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count > PUBLISH_MAX) {
		fg_reader_fault(reader, node, "more than %d publishers", PUBLISH_MAX);
		return;
	}
	for (size_t i = 0; i < node->count && !reader->fatal; i++)
		read_publish(reader, key, node->items[i], owner);
}
