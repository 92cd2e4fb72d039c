/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a name inside {{ }} means at the place where it stands.
 *
 * From near to far: a parameter of the flow, a variable that the scenario (or setup, teardown)
 * captures, vars, and the fixed words with their namespaces.
 */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

enum { CANDIDATES_MAX = 512, CANDIDATES_BYTES = 64 << 10, LIST_BYTES = 120 };

static const struct {
	const char *name;
	enum fg_name_kind kind;
	enum fg_run_text text;
} fixed_names[] = {
	{"vu", FG_NAME_VU, 0},
	{"iteration", FG_NAME_ITERATION, 0},
	{"scenarioIteration", FG_NAME_SCENARIO_ITERATION, 0},
	{"scenario.iteration", FG_NAME_SCENARIO_ITERATION, 0},
	{"target.port", FG_NAME_RUN, FG_RUN_TEXT_TARGET_PORT},
	{"target.url", FG_NAME_RUN, FG_RUN_TEXT_TARGET_URL},
	{"target.side", FG_NAME_RUN, FG_RUN_TEXT_TARGET_SIDE},
	{"target.dir", FG_NAME_RUN, FG_RUN_TEXT_TARGET_DIR},
	{"run.id", FG_NAME_RUN, FG_RUN_TEXT_RUN_ID},
};

/* Words that no variable can have: they begin a namespace, or are literals. */
static const char *const reserved[] = {
	"vu",    "iteration", "scenarioIteration", "scenario", "target", "run",   "data",
	"setup", "env",       "secrets",           "git",      "true",   "false", "null"};

bool fg_names_is_target(const char *name)
{
	return strcmp(name, "target.port") == 0 || strcmp(name, "target.side") == 0 ||
	       strcmp(name, "target.dir") == 0;
}

bool fg_names_is_later(const char *name)
{
	return strcmp(name, "git.branch") == 0 || strcmp(name, "git.commit") == 0;
}

bool fg_names_check(struct fg_reader *reader, const struct fg_node *name, const char *what)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_";
	const char *text = name->text;
	bool is_name = text[0] && !(text[0] >= '0' && text[0] <= '9') &&
		       !text[strspn(text, allowed)] && strlen(text) < FG_NAME_MAX_BYTES;

	if (!is_name) {
		fg_reader_fault(reader, name, "the name of %s has letters, digits and _ only",
				what);
		return false;
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(reserved); i++)
		if (strcmp(reserved[i], text) == 0) {
			fg_reader_fault(reader, name,
					"\"%s\" is a word of the language; call %s "
					"something else",
					text, what);
			return false;
		}
	return true;
}

/* -- constants ------------------------------------------------------------------------------ */

bool fg_constant_is_bare(const struct fg_constant *constant)
{
	return constant->plain && fg_json_is_bare(constant->text);
}

static struct fg_value text_value(const char *text)
{
	return (struct fg_value){.kind = FG_VALUE_TEXT, .text = text, .len = strlen(text)};
}

static struct fg_value constant_value(const struct fg_constant *constant)
{
	struct fg_value value = text_value(constant->text);

	if (!fg_constant_is_bare(constant))
		return value;
	if (constant->text[0] == 't' || constant->text[0] == 'f')
		return (struct fg_value){.kind = FG_VALUE_BOOL,
					 .boolean = constant->text[0] == 't'};
	if (fg_num_double(constant->text, value.len, &value.number, NULL) == 0) {
		value.kind = FG_VALUE_NUMBER;
		/* Digits as written are kept for integers only (value.h). */
		if (strpbrk(constant->text, ".eE"))
			value.text = NULL;
	}
	return value;
}

/* Is there something nearer than vars? */
static bool is_variable(const struct fg_reader *reader, const char *name, size_t len)
{
	int slot = fg_scope_slot(reader, name, len);

	if (reader->flow && fg_scope_param(reader, reader->flow, name, len) >= 0)
		return true;
	return slot >= 0 && fg_bits_has(&fg_scope_current(reader)->slots, (size_t)slot);
}

static bool find_var(const struct fg_reader *reader, const char *name, struct fg_constant *ret)
{
	const struct fg_node *value = fg_node_get(reader->vars, name, NULL);

	if (!value || value->kind != FG_NODE_SCALAR || is_variable(reader, name, strlen(name)))
		return false;
	*ret = (struct fg_constant){value->text, value->plain};
	return true;
}

bool fg_names_constant(const struct fg_reader *reader, const char *name, struct fg_constant *ret)
{
	const char *secret = fg_str_starts_with(name, "secrets.")
				     ? fg_tags_get(&reader->file->secrets, name + 8)
				     : NULL;

	if (!secret)
		return find_var(reader, name, ret);
	*ret = (struct fg_constant){secret, false};
	return true;
}

/* -- did you mean --------------------------------------------------------------------------- */

struct candidates {
	struct fg_buf text;
	size_t starts[CANDIDATES_MAX];
	const char *names[CANDIDATES_MAX];
	size_t count;
};

static void add_candidate(struct candidates *list, const char *prefix, const char *name)
{
	if (list->count >= CANDIDATES_MAX)
		return;
	list->starts[list->count++] = list->text.len;
	fg_buf_addf(&list->text, "%s%s", prefix, name);
	fg_buf_add_char(&list->text, '\0');
	if (list->text.failed)
		list->count--;
}

static void add_data_candidates(const struct fg_scenario_file *file, struct candidates *list)
{
	for (size_t i = 0; i < file->data_count; i++)
		for (size_t j = 0; j < file->data[i].column_count; j++) {
			char prefix[FG_NAME_MAX_BYTES + 8];

			(void)snprintf(prefix, sizeof(prefix), "data.%s.", file->data[i].name);
			add_candidate(list, prefix, file->data[i].columns[j]);
		}
}

static void add_candidates(const struct fg_reader *reader, struct candidates *list)
{
	const struct fg_scenario_file *file = reader->file;
	const struct fg_node *params = reader->params;

	for (size_t i = 0; i < FG_ARRAY_LEN(fixed_names); i++)
		add_candidate(list, "", fixed_names[i].name);
	add_candidate(list, "", "scenario.name");
	for (size_t i = 0; params && i + 1 < params->count; i += 2)
		add_candidate(list, "", params->items[i]->text);
	for (size_t i = 0; i < file->slot_count; i++)
		if (fg_bits_has(&fg_scope_current(reader)->slots, i))
			add_candidate(list, "", file->slot_names[i]);
	for (size_t i = 0; reader->vars && i + 1 < reader->vars->count; i += 2)
		add_candidate(list, "", reader->vars->items[i]->text);
	for (size_t i = 0; i < file->global_count; i++)
		add_candidate(list, "setup.", file->globals[i].name);
	for (size_t i = 0; i < file->secrets.count; i++)
		add_candidate(list, "secrets.", file->secrets.items[i].key);
	add_data_candidates(file, list);
}

/* A variable that somebody else captures says more than any likeness. */
static const char *captured_elsewhere(const struct fg_reader *reader, const char *name, size_t len)
{
	int slot = fg_scope_slot(reader, name, len);

	if (slot < 0 || memchr(name, '.', len))
		return NULL;
	if (fg_bits_has(&reader->scopes.setup.captured, (size_t)slot))
		return "setup captures it, and outside it is setup.NAME";
	return fg_bits_has(&reader->scopes.all.slots, (size_t)slot)
		       ? "it is captured elsewhere, but by no step that runs here"
		       : NULL;
}

static size_t unknown(const struct fg_reader *reader, const char *path, size_t len,
		      struct fg_err *err)
{
	struct candidates list = {.count = 0};
	const char *elsewhere = captured_elsewhere(reader, path, FG_MIN(len, strcspn(path, ".")));
	char name[FG_NAME_MAX_BYTES];

	(void)snprintf(name, sizeof(name), "%.*s", (int)FG_MIN(len, sizeof(name) - 1), path);
	if (elsewhere) {
		(void)fg_err_set(err, FG_E_INVALID, "unknown name \"%s\" in {{ }}: %s", name,
				 elsewhere);
		return 0;
	}
	fg_buf_init(&list.text, CANDIDATES_BYTES);
	add_candidates(reader, &list);
	for (size_t i = 0; i < list.count; i++)
		list.names[i] = list.text.data + list.starts[i];
	const char *near = fg_str_nearest(name, list.names, list.count);

	if (near)
		(void)fg_err_set(err, FG_E_INVALID,
				 "unknown name \"%s\" in {{ }}; did you mean \"%s\"?", name, near);
	else
		(void)fg_err_set(err, FG_E_INVALID,
				 "unknown name \"%s\" in {{ }}; names are captures, loop variables "
				 "and those of vars:, data.SET.COLUMN, setup.NAME, secrets.NAME, "
				 "env.NAME, vu, iteration, scenario.name",
				 name);
	fg_buf_done(&list.text);
	return 0;
}

/* -- namespaces ----------------------------------------------------------------------------- */

static void list_columns(const struct fg_data *data, struct fg_buf *out)
{
	for (size_t i = 0; i < data->column_count && out->len < LIST_BYTES; i++)
		fg_buf_addf(out, "%s%s", i ? ", " : "", data->columns[i]);
}

static size_t find_column(const struct fg_data *data, uint32_t index, const char *name, size_t len,
			  struct fg_name *ret, struct fg_err *err)
{
	int column = fg_data_column(data, name, len);

	if (column < 0) {
		FG_AUTO_BUF struct fg_buf known = {.max = FG_ERR_MESSAGE_MAX};
		const char *near = NULL;
		char text[FG_NAME_MAX_BYTES];

		(void)snprintf(text, sizeof(text), "%.*s", (int)FG_MIN(len, sizeof(text) - 1),
			       name);
		list_columns(data, &known);
		near = fg_str_nearest(text, (const char *const *)data->columns, data->column_count);
		if (near)
			(void)fg_err_set(err, FG_E_INVALID,
					 "%s has no column \"%s\"; did you mean \"%s\"?",
					 data->path, text, near);
		else
			(void)fg_err_set(err, FG_E_INVALID, "%s has no column \"%s\"; it has %s",
					 data->path, text, known.data ? known.data : "none");
		return 0;
	}
	*ret = (struct fg_name){.kind = FG_NAME_DATA, .index = index, .column = (uint32_t)column};
	return len;
}

/* "users.name": `path` is behind "data.". */
static size_t find_data(const struct fg_reader *reader, const char *path, size_t len,
			struct fg_name *ret, struct fg_err *err)
{
	const char *dot = memchr(path, '.', len);
	size_t name_len = dot ? (size_t)(dot - path) : len;

	if (reader->has_data_fault) {
		*ret = (struct fg_name){.kind = FG_NAME_CONSTANT};
		return len;
	}
	for (size_t i = 0; i < reader->file->data_count; i++) {
		const struct fg_data *data = &reader->file->data[i];

		if (strncmp(data->name, path, name_len) != 0 || data->name[name_len])
			continue;
		if (!dot) {
			(void)fg_err_set(err, FG_E_INVALID,
					 "a column is missing: write data.%s.COLUMN", data->name);
			return 0;
		}
		size_t rest = len - name_len - 1;
		const char *next = memchr(dot + 1, '.', rest);
		size_t used = find_column(data, (uint32_t)i, dot + 1,
					  next ? (size_t)(next - dot - 1) : rest, ret, err);

		return used ? name_len + 1 + used : 0;
	}
	return 0;
}

static size_t find_global(const struct fg_reader *reader, const char *path, size_t len,
			  struct fg_name *ret, struct fg_err *err)
{
	if (reader->root == FG_ROOT_SETUP) {
		(void)fg_err_set(err, FG_E_INVALID,
				 "setup.NAME is known when setup is over; inside setup write "
				 "{{ NAME }}");
		return 0;
	}
	for (size_t i = 0; i < reader->file->global_count; i++)
		if (strncmp(reader->file->globals[i].name, path, len) == 0 &&
		    !reader->file->globals[i].name[len]) {
			*ret = (struct fg_name){.kind = FG_NAME_GLOBAL, .index = (uint32_t)i};
			return len;
		}
	return 0;
}

static size_t find_env(const struct fg_reader *reader, const char *path, size_t len,
		       struct fg_name *ret, struct fg_err *err)
{
	char name[FG_NAME_MAX_BYTES];
	int written = snprintf(name, sizeof(name), "%.*s", (int)len, path);
	const char *value = reader->env ? fg_tags_get(reader->env, name) : NULL;

	if (!value && written > 0 && (size_t)written < sizeof(name))
		value = fg_env_get(reader, name);
	if (!value) {
		(void)fg_err_set(err, FG_E_INVALID,
				 "the environment variable %s is not set; pass -e %s=VALUE, or "
				 "write ${%s:-default}",
				 name, name, name);
		return 0;
	}
	*ret = (struct fg_name){.kind = FG_NAME_CONSTANT, .constant = text_value(value)};
	return len;
}

static size_t find_secret(const struct fg_reader *reader, const char *path, size_t len,
			  struct fg_name *ret, struct fg_err *err)
{
	char name[FG_NAME_MAX_BYTES];
	const char *value;

	(void)err;
	(void)snprintf(name, sizeof(name), "%.*s", (int)FG_MIN(len, sizeof(name) - 1), path);
	value = fg_tags_get(&reader->file->secrets, name);
	if (!value)
		return 0;
	*ret = (struct fg_name){.kind = FG_NAME_CONSTANT, .constant = text_value(value)};
	return len;
}

typedef size_t find_in(const struct fg_reader *reader, const char *path, size_t len,
		       struct fg_name *ret, struct fg_err *err);

/* How many bytes of the path a namespace takes; 0: it has no such name (err says more, or not). */
static size_t find_in_namespace(const struct fg_reader *reader, const char *path, size_t len,
				struct fg_name *ret, struct fg_err *err)
{
	static const struct {
		const char *prefix;
		find_in *find;
		bool whole; /* takes the rest of the path, data excepted */
	} spaces[] = {
		{"data.", find_data, true},
		{"setup.", find_global, false},
		{"env.", find_env, false},
		{"secrets.", find_secret, false},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(spaces); i++) {
		size_t skip = strlen(spaces[i].prefix);

		if (len <= skip || strncmp(path, spaces[i].prefix, skip) != 0)
			continue;
		const char *dot = spaces[i].whole ? NULL : memchr(path + skip, '.', len - skip);
		size_t rest = dot ? (size_t)(dot - path) - skip : len - skip;
		size_t used = spaces[i].find(reader, path + skip, rest, ret, err);

		return used ? skip + used : 0;
	}
	return 0;
}

static size_t find_fixed(const struct fg_reader *reader, const char *path, size_t len,
			 struct fg_name *ret)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(fixed_names); i++) {
		size_t name_len = strlen(fixed_names[i].name);

		if (len < name_len || strncmp(fixed_names[i].name, path, name_len) != 0 ||
		    (len > name_len && path[name_len] != '.'))
			continue;
		*ret = (struct fg_name){.kind = fixed_names[i].kind,
					.index = (uint32_t)fixed_names[i].text};
		return name_len;
	}
	if (len == 13 && strncmp(path, "scenario.name", len) == 0 &&
	    reader->root == FG_ROOT_SCENARIO) {
		const struct fg_scenario *scenario =
			&reader->file->scenarios[reader->scenario_index];

		*ret = (struct fg_name){.kind = FG_NAME_CONSTANT,
					.constant = text_value(scenario->name)};
		return len;
	}
	return 0;
}

/* -- the nearest meaning -------------------------------------------------------------------- */

static size_t find_variable(const struct fg_reader *reader, const char *path, size_t len,
			    struct fg_name *ret)
{
	int slot = reader->flow ? fg_scope_param(reader, reader->flow, path, len) : -1;

	if (slot < 0) {
		slot = fg_scope_slot(reader, path, len);
		if (slot >= 0 && !fg_bits_has(&fg_scope_current(reader)->slots, (size_t)slot))
			slot = -1;
	}
	if (slot < 0)
		return 0;
	*ret = (struct fg_name){.kind = FG_NAME_SLOT, .index = (uint32_t)slot};
	return len;
}

size_t fg_names_find(void *context, const char *path, size_t len, struct fg_name *ret,
		     struct fg_err *err)
{
	struct fg_reader *reader = context;
	const char *dot = memchr(path, '.', len);
	size_t first = dot ? (size_t)(dot - path) : len;
	char name[FG_NAME_MAX_BYTES];
	struct fg_constant constant;
	struct fg_err local = {0};
	size_t used = find_variable(reader, path, first, ret);

	if (used)
		return used;
	if (first < sizeof(name)) {
		memcpy(name, path, first);
		name[first] = '\0';
		if (find_var(reader, name, &constant)) {
			*ret = (struct fg_name){.kind = FG_NAME_CONSTANT,
						.constant = constant_value(&constant)};
			return first;
		}
	}
	used = find_fixed(reader, path, len, ret);
	if (!used)
		used = find_in_namespace(reader, path, len, ret, &local);
	if (used)
		return used;
	if (!local.code)
		return unknown(reader, path, len, err);
	if (err)
		*err = local;
	return 0;
}
