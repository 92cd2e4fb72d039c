/* SPDX-License-Identifier: Apache-2.0 */
/* The small keys of the file: version, vars, secrets, data, generator, profile. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { SECRETS_MAX = FG_REGISTRY_TAGS_MAX, THREADS_MAX = 256 };

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

/* The values are looked up in the tree itself (reader->vars); here they are only checked. */
void fg_read_vars(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct fg_node *value = node->items[i + 1];

		(void)fg_names_check(reader, node->items[i], "a variable");
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

struct fg_profile_type_choice {
	enum fg_profile_type type;
};

static void read_profile_type(struct fg_reader *reader, const struct fg_key *key,
			      const struct fg_node *node, uint32_t *types)
{
	struct fg_profile_type_choice choice = {.type = FG_PROFILE_TYPE_COUNT};

	fg_reader_value(reader, key, node, &choice);
	if (choice.type != FG_PROFILE_TYPE_COUNT)
		*types |= 1u << choice.type;
}

void fg_read_profile_types(struct fg_reader *reader, const struct fg_key *key,
			   const struct fg_node *node, void *owner)
{
	static const struct fg_choice types[] = {
		{"cpu", FG_PROFILE_CPU, NULL},
		{"offcpu", FG_PROFILE_OFFCPU, NULL},
		{"wall", FG_PROFILE_WALL, NULL},
		{"pagefaults", FG_PROFILE_FAULTS, NULL},
	};
	struct fg_key type = {.name = "type",
			      .type = FG_T_CHOICE,
			      FG_CHOICES(types),
			      FG_AT(fg_profile_type_choice, type)};
	struct fg_scenario_file *file = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node,
				"types is empty; to switch profiling off write "
				"enabled: off");
	for (size_t i = 0; i < node->count; i++)
		read_profile_type(reader, &type, node->items[i], &file->profile_types);
}

/* off | env | one URL or several with blanks between them, as in DEBUGINFOD_URLS. */
void fg_read_debuginfod(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_key value = *key;
	const char *at = node->text;

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	if (strcmp(at, "off") == 0) /* NULL says so */
		return;
	for (size_t len; strcmp(node->text, "env") != 0 && *(at += strspn(at, " ")); at += len) {
		len = strcspn(at, " ");
		if (strncmp(at, "http://", 7) != 0 && strncmp(at, "https://", 8) != 0) {
			fg_reader_fault(reader, node,
					"debuginfod is off, env (for DEBUGINFOD_URLS) or the URL "
					"of a server");
			return;
		}
	}
	value.type = FG_T_TEXT;
	fg_reader_value(reader, &value, node, owner);
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

/* -- data ----------------------------------------------------------------------------------- */

/* What the table filled moves into what the file filled. */
static bool load_data(struct fg_reader *reader, const struct fg_node *name,
		      const struct fg_node *node, struct fg_data *settings)
{
	const struct fg_node *path = fg_node_get(node, "path", NULL);
	struct fg_data data = {0};
	struct fg_err err = {0};
	int rc = fg_data_load(settings->path, &data, &err);

	if (rc == -FG_E_NOMEM)
		return !fg_reader_failed(reader, rc, &err);
	if (rc) {
		char text[FG_ERR_FILE_MAX + FG_ERR_MESSAGE_MAX + 32];

		fg_reader_fault(reader, path, "%s", fg_err_text(&err, text, sizeof(text)));
		return false;
	}
	data.order = settings->order;
	data.scope = settings->scope;
	data.on_end = settings->on_end;
	if (!data.path) {
		data.path = settings->path;
		settings->path = NULL;
	}
	if (fg_reader_failed(reader, fg_str_replace(name->text, &data.name, &err), &err)) {
		fg_data_done(&data);
		return false;
	}
	reader->file->data[reader->file->data_count++] = data;
	return true;
}

static void check_order(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_data *settings)
{
	struct fg_node *scope = NULL;

	(void)fg_node_get(node, "scope", &scope);
	if (scope && settings->order == FG_DATA_UNIQUE && settings->scope == FG_DATA_SCOPE_VU)
		fg_reader_fault(reader, scope,
				"order: unique deals every row once, so it has no scope: vu");
}

static bool read_set(struct fg_reader *reader, const struct fg_node *name,
		     const struct fg_node *node)
{
	struct fg_data settings = {0};
	size_t before = fg_diag_count(reader->diagnostics);

	(void)fg_names_check(reader, name, "a data set");
	fg_reader_defaults(reader, &fg_schema_data, &settings);
	fg_reader_object(reader, node, &fg_schema_data, &settings);
	check_order(reader, node, &settings);
	bool ok = fg_diag_count(reader->diagnostics) == before && settings.path &&
		  load_data(reader, name, node, &settings);

	free(settings.path);
	return ok;
}

void fg_read_data(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	struct fg_scenario_file *file = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count / 2 > FG_DATA_SETS_MAX) {
		fg_reader_fault(reader, node, "more than %d data sets", FG_DATA_SETS_MAX);
		return;
	}
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		struct fg_err err = {0};

		if (fg_reader_failed(reader,
				     FG_VEC_ROOM(file, data, data_count, data_capacity,
						 FG_DATA_SETS_MAX, &err),
				     &err))
			return;
		if (!read_set(reader, node->items[i], node->items[i + 1]))
			reader->has_data_fault = true;
	}
}

/* -- stores --------------------------------------------------------------------- */

void fg_read_store(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	fg_reader_object(reader, node, key->table, owner);
}
