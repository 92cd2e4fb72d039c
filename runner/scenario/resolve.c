/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolved file: the tree after variables and environments, with the tables' defaults, as
 * canonical JSON (sorted keys), secrets masked; and its hash.
 *
 * The hash names what is measured, so it leaves out what may change between two runs that are still
 * comparable: where the target is, where results go, and what is tolerated.
 */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/format/json.h"
#include "runner/http_client.h"

static const char *const not_hashed[] = {"name",       "publish", "baseline",     "report",
					 "gate",       "ab",      "environments", "secrets",
					 "thresholds", "loadgen", "profile"};

bool fg_json_is_bare(const char *text)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	double value;

	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return true;
	/* JSON knows neither 007 nor +1 nor .5 nor 5. */
	if (!(digits[0] >= '0' && digits[0] <= '9') ||
	    (digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'))
		return false;
	const char *dot = strchr(text, '.');

	if (dot && !(dot[1] >= '0' && dot[1] <= '9'))
		return false;
	return fg_num_double(text, strlen(text), &value, NULL) == 0;
}

char *fg_secrets_mask(const struct fg_tags *secrets, const char *text, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf out = {0};

	fg_buf_init(&out, (size_t)4 * FG_SCENARIO_FILE_MAX);
	fg_buf_add(&out, "", 0);
	while (*text) {
		size_t longest = 0;

		for (size_t i = 0; i < secrets->count; i++) {
			size_t len = strlen(secrets->items[i].value);

			if (len > longest && strncmp(text, secrets->items[i].value, len) == 0)
				longest = len;
		}
		if (longest)
			fg_buf_add_str(&out, "***");
		else
			fg_buf_add_char(&out, *text);
		text += longest ? longest : 1;
	}
	if (fg_buf_check(&out, err))
		return NULL;
	char *masked = fg_buf_take(&out, NULL);

	if (!masked)
		(void)fg_err_nomem(err);
	return masked;
}

static json_t *masked_string(const struct fg_reader *reader, const char *text)
{
	struct fg_err err = {0};
	FG_AUTO_FREE char *masked = fg_secrets_mask(&reader->file->secrets, text, &err);

	if (!masked)
		return NULL;
	/* Nobody lists the password of user:password@host under secrets. */
	size_t size_bytes = strlen(masked) + sizeof("***");
	FG_AUTO_FREE char *shown = malloc(size_bytes);

	if (!shown)
		return NULL;
	fg_http_url_masked(masked, shown, size_bytes);
	return json_string(strstr(masked, "://") ? shown : masked);
}

static json_t *scalar_json(const struct fg_reader *reader, const struct fg_node *node)
{
	bool may_be_bare = node->plain;
	int64_t whole;
	double number;

	if (fg_node_is_nothing(node))
		return json_null();
	if (!may_be_bare || !fg_json_is_bare(node->text))
		return masked_string(reader, node->text);
	if (node->text[0] == 't' || node->text[0] == 'f')
		return json_boolean(node->text[0] == 't');
	for (size_t i = 0; i < reader->file->secrets.count; i++)
		if (strcmp(reader->file->secrets.items[i].value, node->text) == 0)
			return json_string("***");
	if (fg_num_i64(node->text, strlen(node->text), &whole, NULL) == 0)
		return json_integer(whole);
	if (fg_num_double(node->text, strlen(node->text), &number, NULL) == 0)
		return json_real(number);
	return masked_string(reader, node->text);
}

static json_t *node_json(const struct fg_reader *reader, const struct fg_node *node,
			 const struct fg_table *table, enum fg_shape shape);

static json_t *default_json(const struct fg_key *key)
{
	bool is_number = key->type == FG_T_UINT || key->type == FG_T_BOOL;
	int64_t whole = 0;

	if (key->type == FG_T_BOOL)
		return json_boolean(strcmp(key->standard, "true") == 0);
	if (is_number && fg_num_i64(key->standard, strlen(key->standard), &whole, NULL) == 0)
		return json_integer(whole);
	return json_string(key->standard);
}

/* Defaults of keys that nobody wrote; those that belong to another executor would only mislead. */
static bool add_defaults(const struct fg_node *node, const struct fg_table *table, json_t *object)
{
	const struct fg_node *executor = fg_node_get(node, "executor", NULL);
	unsigned bit = 0;

	for (size_t i = 0; executor && i < FG_EXEC_COUNT; i++)
		if (strcmp(fg_executor_names[i], executor->text) == 0)
			bit = 1u << i;
	for (size_t i = 0; i < table->count; i++) {
		const struct fg_key *key = &table->keys[i];

		if (!key->standard || key->later || json_object_get(object, key->name) ||
		    (key->executors && !(key->executors & bit)))
			continue;
		/* A default that is missing would be another scenario with another hash. */
		if (json_object_set_new(object, key->name, default_json(key)))
			return false;
	}
	return true;
}

static enum fg_shape shape_of(const struct fg_key *key)
{
	switch (key ? key->type : FG_T_ANY) {
	case FG_T_OBJECT:
		return FG_SHAPE_ONE;
	case FG_T_STEPS:
		return FG_SHAPE_LIST;
	case FG_T_CUSTOM:
		return key->shape == FG_SHAPE_ONE_OR_TEXT ? FG_SHAPE_ONE : key->shape;
	default:
		return FG_SHAPE_NONE;
	}
}

/* A password that stands in the file itself; {{ secrets.NAME }} says nothing. */
static bool is_hidden(const struct fg_key *key, const struct fg_node *value)
{
	return key && key->secret && value->kind == FG_NODE_SCALAR &&
	       !fg_template_is_single(value->text);
}

static json_t *map_json(const struct fg_reader *reader, const struct fg_node *node,
			const struct fg_table *table, enum fg_shape shape)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i + 1 < node->count; i += 2) {
		const char *name = node->items[i]->text;
		const struct fg_key *key =
			table && shape == FG_SHAPE_ONE ? fg_schema_find(table, name, NULL) : NULL;
		json_t *value = is_hidden(key, node->items[i + 1]) ? json_string("***")
				: shape == FG_SHAPE_MAP
					? node_json(reader, node->items[i + 1], table, FG_SHAPE_ONE)
					: node_json(reader, node->items[i + 1],
						    key ? key->table : NULL, shape_of(key));

		if (json_object_set_new(object, name, value)) {
			json_decref(object);
			return NULL;
		}
	}
	if (object && table && shape == FG_SHAPE_ONE && !add_defaults(node, table, object)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *node_json(const struct fg_reader *reader, const struct fg_node *node,
			 const struct fg_table *table, enum fg_shape shape)
{
	if (node->kind == FG_NODE_SCALAR)
		return scalar_json(reader, node);
	if (node->kind == FG_NODE_MAP)
		return map_json(reader, node, table, shape);
	json_t *list = json_array();

	for (size_t i = 0; list && i < node->count; i++) {
		enum fg_shape item = shape == FG_SHAPE_LIST ? FG_SHAPE_ONE : FG_SHAPE_NONE;
		const struct fg_table *of =
			table == &fg_schema_publish ? fg_publish_table(node->items[i]) : table;

		if (json_array_append_new(list, node_json(reader, node->items[i], item ? of : NULL,
							  item))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Blocks that the file leaves out hold their defaults too. */
static bool add_blocks(const struct fg_reader *reader, json_t *root)
{
	const struct fg_table *table = &fg_schema_root;
	struct fg_node nothing = {.kind = FG_NODE_MAP};

	for (size_t i = 0; i < table->count; i++) {
		const struct fg_key *key = &table->keys[i];

		if (key->type == FG_T_OBJECT && !key->later && !json_object_get(root, key->name) &&
		    json_object_set_new(root, key->name,
					map_json(reader, &nothing, key->table, FG_SHAPE_ONE)))
			return false;
	}
	return true;
}

static bool set_hash(struct fg_scenario_file *file, json_t *root)
{
	json_t *target = json_object_get(root, "target");

	for (size_t i = 0; i < FG_ARRAY_LEN(not_hashed); i++)
		(void)json_object_del(root, not_hashed[i]);
	if (target) {
		(void)json_object_del(target, "url");
		(void)json_object_del(target, "process");
	}
	char *text = fg_json_dump(root, JSON_SORT_KEYS | JSON_COMPACT);

	if (!text)
		return false;
	XXH128_hash_t hash = XXH3_128bits(text, strlen(text));

	free(text);
	(void)snprintf(file->hash, sizeof(file->hash), "%016llx%016llx",
		       (unsigned long long)hash.high64, (unsigned long long)hash.low64);
	return true;
}

void fg_resolve_file(struct fg_reader *reader, const struct fg_node *node)
{
	json_t *root = node_json(reader, node, &fg_schema_root, FG_SHAPE_ONE);
	struct fg_err err = {0};
	bool ok = false;

	if (root && add_blocks(reader, root)) {
		reader->file->resolved_json = fg_json_dump(root, JSON_SORT_KEYS | JSON_COMPACT);
		ok = reader->file->resolved_json && set_hash(reader->file, root);
	}
	json_decref(root);
	if (!ok)
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
}
