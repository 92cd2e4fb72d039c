/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ${NAME} and ${NAME:-default} from the environment, and environments: merged over the file. Both
 * happen once, at load, before anything is typed.
 */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

const char *fg_env_get(const struct fg_reader *reader, const char *name)
{
	const struct fg_scenario_options *options = reader->options;
	const char *value = NULL;

	if (options && options->env)
		value = fg_tags_get(options->env, name);
	if (value)
		return value;
	return options && options->getenv_fn ? options->getenv_fn(name) : getenv(name);
}

static bool is_env_name(const char *text, size_t len)
{
	if (len == 0 || (text[0] >= '0' && text[0] <= '9'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
		      (text[i] >= '0' && text[i] <= '9') || text[i] == '_'))
			return false;
	return true;
}

/* One ${…} at `at`; returns the offset behind it, or 0 after a fault. */
static size_t expand_one(struct fg_reader *reader, const struct fg_node *node, size_t at,
			 struct fg_buf *out)
{
	const char *start = node->text + at + 2;
	const char *close = strchr(start, '}');
	char name[128];

	if (!close) {
		fg_reader_fault_in(reader, node, at, 2, "${ has no }");
		return 0;
	}
	const char *fallback = strstr(start, ":-");

	if (fallback > close)
		fallback = NULL;
	size_t len = (size_t)((fallback ? fallback : close) - start);
	size_t end = (size_t)(close + 1 - node->text);

	if (len >= sizeof(name) || !is_env_name(start, len)) {
		fg_reader_fault_in(reader, node, at, end - at,
				   "${%.*s} is not a variable's name; write ${NAME} or "
				   "${NAME:-default}, and $$ for a dollar",
				   (int)FG_MIN(len, (size_t)60), start);
		return 0;
	}
	memcpy(name, start, len);
	name[len] = '\0';
	const char *value = fg_env_get(reader, name);

	if (value && (*value || !fallback)) {
		fg_buf_add_str(out, value);
	} else if (fallback) {
		fg_buf_add(out, fallback + 2, (size_t)(close - fallback - 2));
	} else {
		fg_reader_fault_in(reader, node, at, end - at,
				   "the environment variable %s is not set; write ${%s:-default} "
				   "or pass -e %s=VALUE",
				   name, name, name);
		return 0;
	}
	return end;
}

static void expand_scalar(struct fg_reader *reader, struct fg_node *node)
{
	FG_AUTO_BUF struct fg_buf out = {0};
	struct fg_err err = {0};
	size_t at = 0;

	fg_buf_init(&out, FG_SCENARIO_FILE_MAX);
	while (node->text[at]) {
		const char *dollar = strchr(node->text + at, '$');

		if (!dollar)
			break;
		size_t here = (size_t)(dollar - node->text);

		fg_buf_add(&out, node->text + at, here - at);
		if (dollar[1] == '{') {
			at = expand_one(reader, node, here, &out);
			if (at == 0) {
				node->broken = true;
				return;
			}
		} else {
			fg_buf_add_char(&out, '$');
			at = here + (dollar[1] == '$' ? 2 : 1);
		}
	}
	fg_buf_add_str(&out, node->text + at);
	if (fg_reader_failed(reader, fg_buf_check(&out, &err), &err))
		return;
	free(node->text);
	node->text = fg_buf_take(&out, NULL);
}

void fg_env_expand(struct fg_reader *reader, struct fg_node *node)
{
	if (reader->fatal)
		return;
	if (node->kind != FG_NODE_SCALAR) {
		bool is_map = node->kind == FG_NODE_MAP;

		for (size_t i = is_map ? 1 : 0; i < node->count; i += is_map ? 2 : 1)
			fg_env_expand(reader, node->items[i]);
		return;
	}
	/* An alias shares its node, which must not be expanded twice. */
	if (node->expanded || !strchr(node->text, '$'))
		return;
	expand_scalar(reader, node);
	node->expanded = true;
}

/* -- environments --------------------------------------------------------------------------- */

static void fail_nomem(struct fg_reader *reader)
{
	struct fg_err err = {0};

	(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
}

static struct fg_node *merge(struct fg_reader *reader, struct fg_node *base, struct fg_node *over);

static void append_pair(struct fg_reader *reader, struct fg_node *map, struct fg_node *key,
			struct fg_node *value)
{
	struct fg_err err = {0};

	if (!fg_reader_failed(reader, fg_node_append(map, key, &err), &err))
		(void)fg_reader_failed(reader, fg_node_append(map, value, &err), &err);
}

/* Maps merge, everything else is replaced. Nothing of the old trees changes: aliases share them. */
static struct fg_node *merge(struct fg_reader *reader, struct fg_node *base, struct fg_node *over)
{
	if (base->kind != FG_NODE_MAP || over->kind != FG_NODE_MAP)
		return over;
	struct fg_node *map = fg_node_new(reader->yaml, FG_NODE_MAP, base->source, base->mark);

	if (!map) {
		fail_nomem(reader);
		return base;
	}
	for (size_t i = 0; i + 1 < base->count && !reader->fatal; i += 2) {
		struct fg_node *value = fg_node_get(over, base->items[i]->text, NULL);

		append_pair(reader, map, base->items[i],
			    value ? merge(reader, base->items[i + 1], value) : base->items[i + 1]);
	}
	for (size_t i = 0; i + 1 < over->count && !reader->fatal; i += 2)
		if (!fg_node_get(base, over->items[i]->text, NULL))
			append_pair(reader, map, over->items[i], over->items[i + 1]);
	return map;
}

struct fg_node *fg_node_without(struct fg_reader *reader, struct fg_node *root, const char *name)
{
	struct fg_node *map = fg_node_new(reader->yaml, FG_NODE_MAP, root->source, root->mark);

	if (!map) {
		fail_nomem(reader);
		return root;
	}
	for (size_t i = 0; i + 1 < root->count; i += 2)
		if (strcmp(root->items[i]->text, name) != 0)
			append_pair(reader, map, root->items[i], root->items[i + 1]);
	return map;
}

static void check_keys(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_table *table);

static void check_values(struct fg_reader *reader, const struct fg_node *node,
			 const struct fg_key *key)
{
	bool is_many = key->type == FG_T_CUSTOM && key->shape != FG_SHAPE_ONE;

	if (!key->table || (key->type == FG_T_CUSTOM && key->shape == FG_SHAPE_NONE))
		return;
	if (!is_many || key->table == &fg_schema_step) {
		if (!is_many)
			check_keys(reader, node, key->table);
		return;
	}
	bool is_map = node->kind == FG_NODE_MAP;

	for (size_t i = is_map ? 1 : 0; i < node->count; i += is_map ? 2 : 1)
		check_keys(reader, node->items[i],
			   key->read == fg_read_publish ? fg_publish_table(node->items[i])
							: key->table);
}

/* Only the names of keys: the values of an environment that is not chosen may need variables that
 * are only set where it is chosen. */
static void check_keys(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_table *table)
{
	if (node->kind != FG_NODE_MAP)
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct fg_key *key = fg_schema_find(table, node->items[i]->text, NULL);

		if (key)
			check_values(reader, node->items[i + 1], key);
		else
			fg_reader_unknown(reader, node->items[i], table);
	}
}

static void report_environment(struct fg_reader *reader, const struct fg_node *key,
			       const struct fg_node *environments, const char *name)
{
	enum { SHOWN_MAX = 64 };
	const char *names[SHOWN_MAX];
	size_t count = 0;

	for (size_t i = 0; i + 1 < environments->count && count < SHOWN_MAX; i += 2)
		names[count++] = environments->items[i]->text;
	const char *near = fg_str_nearest(name, names, count);

	fg_reader_fault(reader, key, "no environment is named \"%s\"%s%s%s", name,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

struct fg_node *fg_merge_environment(struct fg_reader *reader, struct fg_node *root)
{
	const char *name = reader->options ? reader->options->environment : NULL;
	struct fg_node *key = NULL;
	struct fg_node *environments = fg_node_get(root, "environments", &key);

	if (!environments) {
		if (name)
			fg_reader_fault(reader, root,
					"--environment %s: the file has no environments:", name);
		return root;
	}
	root = fg_node_without(reader, root, "environments");
	if (!fg_reader_expect(reader, environments, FG_NODE_MAP, "environments"))
		return root;
	for (size_t i = 0; i + 1 < environments->count; i += 2) {
		if (!fg_reader_expect(reader, environments->items[i + 1], FG_NODE_MAP,
				      environments->items[i]->text))
			continue;
		if (!name || strcmp(environments->items[i]->text, name) != 0)
			check_keys(reader, environments->items[i + 1], &fg_schema_root);
	}
	struct fg_node *chosen = name ? fg_node_get(environments, name, NULL) : NULL;

	if (name && !chosen)
		report_environment(reader, key, environments, name);
	return chosen && chosen->kind == FG_NODE_MAP ? merge(reader, root, chosen) : root;
}
