/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables as a JSON Schema (draft-07), for editors: completion, help at the cursor, and the
 * faults of shape that the parser would report.
 *
 * It describes what this build accepts. ${NAME} and a {{ }} of constants may stand for numbers and
 * durations, so those are texts too. What holds between values is the parser's business.
 */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/json.h"

enum { TABLES_MAX = 128, ID_BYTES = 64 };

/* A variable or an expression in place of a typed value. */
#define LATE "\\$\\{|\\{\\{"

struct writer {
	json_t *definitions;
	const struct fg_table *tables[TABLES_MAX];
	char ids[TABLES_MAX][ID_BYTES];
	size_t count;
	bool failed;
};

static json_t *table_ref(struct writer *w, const struct fg_table *table);

static void put(struct writer *w, json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		w->failed = true;
}

static void push(struct writer *w, json_t *list, json_t *value)
{
	if (json_array_append_new(list, value))
		w->failed = true;
}

static json_t *of_type(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

static json_t *scalar(void)
{
	return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
}

static json_t *list_of(json_t *items)
{
	return json_pack("{s:s,s:o}", "type", "array", "items", items);
}

static json_t *map_of(json_t *values)
{
	return json_pack("{s:s,s:o}", "type", "object", "additionalProperties", values);
}

static json_t *either(json_t *a, json_t *b)
{
	return json_pack("{s:[o,o]}", "anyOf", a, b);
}

static json_t *pattern(const char *text)
{
	return json_pack("{s:s,s:s}", "type", "string", "pattern", text);
}

/* -- single values -------------------------------------------------------------------------- */

static json_t *number(struct writer *w, const struct fg_key *key)
{
	json_t *value = of_type("integer");

	put(w, value, "minimum", json_integer((json_int_t)key->min));
	if (key->max)
		put(w, value, "maximum", json_integer((json_int_t)key->max));
	return either(value, pattern(LATE));
}

/* A bare 0 means the same in every unit. */
static json_t *with_unit(const char *text)
{
	return either(json_pack("{s:i}", "const", 0), pattern(text));
}

/* Names that YAML reads as numbers ("1.1", 2) are allowed as such. */
static void push_name(struct writer *w, json_t *list, const char *name)
{
	int64_t whole;
	double value;

	push(w, list, json_string(name));
	if (fg_num_i64(name, strlen(name), &whole, NULL) == 0)
		push(w, list, json_integer(whole));
	else if (fg_num_double(name, strlen(name), &value, NULL) == 0)
		push(w, list, json_real(value));
}

static json_t *choice(struct writer *w, const struct fg_key *key)
{
	json_t *names = json_array();

	for (size_t i = 0; i < key->choice_count; i++)
		if (!key->choices[i].later)
			push_name(w, names, key->choices[i].name);
	return either(json_pack("{s:o}", "enum", names), pattern(LATE));
}

static json_t *steps(struct writer *w)
{
	return list_of(table_ref(w, &fg_schema_step));
}

/* -- keys that a function reads ------------------------------------------------------------- */

static json_t *test_or_value(struct writer *w)
{
	return either(table_ref(w, &fg_schema_test),
		      json_pack("{s:[s,s,s,s]}", "type", "string", "number", "boolean", "null"));
}

static json_t *thresholds(struct writer *w)
{
	json_t *one = either(scalar(), table_ref(w, &fg_schema_threshold));

	return map_of(either(json_deep_copy(one), list_of(one)));
}

/* Where the shape alone does not say it. */
static json_t *special(struct writer *w, const struct fg_key *key)
{
	if (key->read == fg_read_version)
		return json_pack("{s:[i,s]}", "enum", 1, "1");
	if (key->read == fg_read_command)
		return either(scalar(), list_of(scalar()));
	if (key->read == fg_read_thresholds)
		return thresholds(w);
	if (key->read == fg_read_rules)
		return list_of(table_ref(w, &fg_schema_rule));
	if (key->read == fg_read_publish)
		return list_of(either(table_ref(w, &fg_schema_publish),
				      table_ref(w, &fg_schema_prometheus)));
	if (key->read == fg_read_trend_stats || key->read == fg_read_profile_types)
		return list_of(scalar());
	if (key->read == fg_read_multipart)
		return map_of(either(scalar(), table_ref(w, key->table)));
	if (key->read == fg_read_target_env)
		return map_of(scalar());
	if (key->read == fg_read_keep_alive)
		return either(of_type("boolean"), pattern(LATE));
	if (key->read == fg_read_json)
		return json_object();
	return key->type == FG_T_CUSTOM && key->shape == FG_SHAPE_NONE ? scalar() : NULL;
}

static json_t *shaped(struct writer *w, const struct fg_key *key)
{
	json_t *found = special(w, key);

	if (found)
		return found;
	switch (key->shape) {
	case FG_SHAPE_ONE:
		return table_ref(w, key->table);
	case FG_SHAPE_LIST:
		return list_of(table_ref(w, key->table));
	case FG_SHAPE_MAP:
		return map_of(table_ref(w, key->table));
	case FG_SHAPE_ONE_OR_TEXT:
		return either(scalar(), table_ref(w, key->table));
	case FG_SHAPE_TEXT:
		return scalar();
	case FG_SHAPE_TEXTS:
		return map_of(scalar());
	case FG_SHAPE_VALUES:
		return of_type("object");
	case FG_SHAPE_SUBJECT:
		return either(scalar(), map_of(test_or_value(w)));
	case FG_SHAPE_BODY:
		return test_or_value(w);
	default:
		return json_object();
	}
}

static json_t *parts_of(struct writer *w, const struct fg_key *key)
{
	switch (key->type) {
	case FG_T_TAGS:
		return map_of(scalar());
	case FG_T_TEXTS:
		return list_of(scalar());
	case FG_T_OBJECT:
		return table_ref(w, key->table);
	case FG_T_OBJECTS:
		return list_of(table_ref(w, key->table));
	case FG_T_OBJECT_MAP:
		return map_of(table_ref(w, key->table));
	case FG_T_STEPS:
		return steps(w);
	case FG_T_ANY:
	case FG_T_CUSTOM:
		return shaped(w, key);
	default:
		return json_object();
	}
}

static json_t *value_of(struct writer *w, const struct fg_key *key)
{
	switch (key->type) {
	case FG_T_TEXT:
	case FG_T_TARGET_TEXT:
	case FG_T_PATH:
	case FG_T_TEMPLATE:
		return scalar();
	case FG_T_BOOL:
		return either(of_type("boolean"), pattern(LATE));
	case FG_T_UINT:
		return number(w, key);
	case FG_T_DURATION:
		return with_unit("^([0-9]+(\\.[0-9]+)?(ns|us|µs|μs|ms|s|m|h|d))+$|^0$|" LATE);
	case FG_T_SIZE:
		return with_unit("^[0-9]+(\\.[0-9]+)? ?(B|KB|MB|GB|KiB|MiB|GiB)$|^0$|" LATE);
	case FG_T_PERCENT:
		return with_unit("^[0-9]+(\\.[0-9]+)? ?%$|^0$|" LATE);
	case FG_T_CHOICE:
		return choice(w, key);
	default:
		return parts_of(w, key);
	}
}

/* -- tables --------------------------------------------------------------------------------- */

static json_t *standard(const struct fg_key *key)
{
	int64_t whole;

	if (key->type == FG_T_BOOL)
		return json_boolean(strcmp(key->standard, "true") == 0);
	if (key->type == FG_T_UINT &&
	    fg_num_i64(key->standard, strlen(key->standard), &whole, NULL) == 0)
		return json_integer(whole);
	return json_string(key->standard);
}

static void add_property(struct writer *w, const struct fg_key *key, json_t *properties)
{
	json_t *property;

	/* What comes later may only say what holds anyway. */
	if (key->later && !key->standard)
		return;
	if (key->later && key->type != FG_T_OBJECT) {
		put(w, properties, key->name, json_pack("{s:o}", "const", standard(key)));
		return;
	}
	/* Nothing may stand beside $ref in this draft. */
	property = json_pack("{s:[o]}", "allOf", value_of(w, key));
	if (key->help)
		put(w, property, "description", json_string(key->help));
	if (key->standard && key->standard[0])
		put(w, property, "default", standard(key));
	put(w, properties, key->name, property);
}

/* Which fields an executor wants, and which are another's. */
static void add_executors(struct writer *w, const struct fg_table *table, json_t *definition)
{
	json_t *rules = json_array();

	for (size_t e = 0; e < FG_EXEC_COUNT; e++) {
		json_t *required = json_array();
		json_t *foreign = json_object();

		for (size_t i = 0; i < table->count; i++) {
			const struct fg_key *key = &table->keys[i];

			if (key->required_by & (1u << e))
				push(w, required, json_string(key->name));
			if (key->executors && !(key->executors & (1u << e)))
				put(w, foreign, key->name, json_false());
		}
		push(w, rules,
		     json_pack("{s:{s:{s:{s:s}}},s:{s:o,s:o}}", "if", "properties", "executor",
			       "const", fg_executor_names[e], "then", "required", required,
			       "properties", foreign));
	}
	put(w, definition, "allOf", rules);
	put(w, definition, "oneOf",
	    json_pack("[{s:[s]},{s:[s]}]", "required", "steps", "required", "flow"));
}

/* A step has one kind; run may have a second key. */
static void add_step_kinds(struct writer *w, const struct fg_table *table, json_t *definition)
{
	json_t *kinds = json_array();

	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->keys[i].name, "with") != 0)
			push(w, kinds, json_pack("{s:[s]}", "required", table->keys[i].name));
	put(w, definition, "oneOf", kinds);
	put(w, definition, "dependencies", json_pack("{s:[s]}", "with", "run"));
}

static json_t *definition_of(struct writer *w, const struct fg_table *table)
{
	json_t *properties = json_object();
	json_t *required = json_array();
	json_t *definition = json_pack("{s:s,s:O,s:b}", "type", "object", "properties", properties,
				       "additionalProperties", 0);

	for (const struct fg_table *t = table; t; t = t->base)
		for (size_t i = 0; i < t->count; i++) {
			const struct fg_key *key = &t->keys[i];

			/* A key of the base that the table itself has is the table's. */
			if (fg_schema_find(table, key->name, NULL) != key)
				continue;
			add_property(w, key, properties);
			if (t == table && key->required)
				push(w, required, json_string(key->name));
		}
	json_decref(properties);
	if (json_array_size(required))
		put(w, definition, "required", required);
	else
		json_decref(required);
	if (table == &fg_schema_scenario)
		add_executors(w, table, definition);
	if (table == &fg_schema_step)
		add_step_kinds(w, table, definition);
	return definition;
}

/* "a list of steps" → "a-list-of-steps", numbered where two tables have one name. */
static void make_id(struct writer *w, size_t index)
{
	const char *where = w->tables[index]->where;
	char *id = w->ids[index];
	size_t len = 0;

	for (; *where && len + 4 < ID_BYTES; where++)
		id[len++] = *where == ' ' ? '-' : *where;
	id[len] = '\0';
	for (size_t i = 0, n = 2; i < index && n < 10; i++)
		if (strcmp(w->ids[i], id) == 0) {
			id[len] = '-';
			id[len + 1] = (char)('0' + n++);
			id[len + 2] = '\0';
			i = (size_t)-1;
		}
}

static json_t *table_ref(struct writer *w, const struct fg_table *table)
{
	size_t index = 0;

	while (index < w->count && w->tables[index] != table)
		index++;
	if (index == w->count) {
		if (w->count >= TABLES_MAX) {
			w->failed = true;
			return NULL;
		}
		w->tables[w->count++] = table;
		make_id(w, index);
		/* In its place before its content, which may refer to it. */
		json_t *definition = definition_of(w, table);

		put(w, w->definitions, w->ids[index], definition);
	}
	return json_pack("{s:s+}", "$ref", "#/definitions/", w->ids[index]);
}

int fg_scenario_schema(struct fg_buf *out, struct fg_err *err)
{
	FG_AUTO_FREE struct writer *w = calloc(1, sizeof(*w));

	if (!w)
		return fg_err_nomem(err);
	w->definitions = json_object();
	json_t *properties = definition_of(w, &fg_schema_root);

	put(w, properties, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
	put(w, properties, "title", json_string("flamegate scenario, version 1"));
	put(w, properties, "definitions", w->definitions);
	char *text = w->failed ? NULL : fg_json_dump(properties, JSON_INDENT(2) | JSON_SORT_KEYS);

	json_decref(properties);
	if (!text)
		return fg_err_nomem(err);
	fg_buf_addf(out, "%s\n", text);
	free(text);
	return fg_buf_check(out, err);
}
