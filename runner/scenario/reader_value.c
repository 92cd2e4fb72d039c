/* SPDX-License-Identifier: Apache-2.0 */
/* One scalar, typed by its key, into its place in the owner. */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

enum { NAMES_MAX = 64 };

/* -- storing -------------------------------------------------------------------------------- */

void *fg_key_field(const struct fg_key *key, void *owner)
{
	return owner && key->kept ? (char *)owner + key->offset : NULL;
}

static void store_uint(const struct fg_key *key, void *owner, uint64_t value)
{
	void *field = fg_key_field(key, owner);
	uint32_t narrow = (uint32_t)value;
	uint16_t narrower = (uint16_t)value;

	if (!field)
		return;
	if (key->size == sizeof(value))
		memcpy(field, &value, sizeof(value));
	else if (key->size == sizeof(narrow))
		memcpy(field, &narrow, sizeof(narrow));
	else
		memcpy(field, &narrower, sizeof(narrower));
}

static void store_text(const struct fg_key *key, void *owner, char *text)
{
	void *field = fg_key_field(key, owner);
	char *old;

	if (!field) {
		free(text);
		return;
	}
	memcpy(&old, field, sizeof(old));
	free(old);
	memcpy(field, &text, sizeof(text));
}

/* -- single values -------------------------------------------------------------------------- */

static void read_uint(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, const char *text, void *owner)
{
	struct fg_err err = {0};
	uint64_t value;
	double number;

	if (text[0] == '-' && fg_num_double(text, strlen(text), &number, NULL) == 0) {
		fg_reader_fault(reader, node, "%s cannot be negative", key->name);
	} else if (fg_num_u64(text, strlen(text), &value, &err)) {
		fg_reader_fault(reader, node, "%s: %s", key->name, err.message);
	} else if (value < key->min) {
		fg_reader_fault(reader, node, "%s must be at least %llu", key->name,
				(unsigned long long)key->min);
	} else if (key->max && value > key->max) {
		fg_reader_fault(reader, node, "%s must be at most %llu", key->name,
				(unsigned long long)key->max);
	} else {
		store_uint(key, owner, value);
	}
}

/* "duration needs a unit" is said of every key by its own name. */
static void report_duration(struct fg_reader *reader, const struct fg_key *key,
			    const struct fg_node *node, const char *message)
{
	static const char word[] = "duration";

	if (fg_str_starts_with(message, word))
		fg_reader_fault(reader, node, "%s%s", key->name, message + sizeof(word) - 1);
	else
		fg_reader_fault(reader, node, "%s: %s", key->name, message);
}

static void read_duration(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node, const char *text, void *owner)
{
	char bound[FG_NUM_TEXT_MAX];
	struct fg_err err = {0};
	uint64_t value;

	if (text[0] == '-')
		fg_reader_fault(reader, node, "%s cannot be negative", key->name);
	else if (fg_num_duration_ns(text, strlen(text), &value, &err))
		report_duration(reader, key, node, err.message);
	else if (value < key->min)
		fg_reader_fault(reader, node, "%s must be at least %s", key->name,
				fg_num_format_duration(key->min, bound));
	else if (key->max && value > key->max)
		fg_reader_fault(reader, node, "%s must be at most %s", key->name,
				fg_num_format_duration(key->max, bound));
	else
		store_uint(key, owner, value);
}

static void read_size(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, const char *text, void *owner)
{
	struct fg_err err = {0};
	uint64_t value;

	if (fg_num_size_bytes(text, strlen(text), &value, &err))
		fg_reader_fault(reader, node, "%s: %s", key->name, err.message);
	else
		store_uint(key, owner, value);
}

static void read_percent(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, const char *text, void *owner)
{
	struct fg_err err = {0};
	void *field = fg_key_field(key, owner);
	double value;

	/* A bare 0 means the same in every unit. */
	if (strcmp(text, "0") == 0)
		value = 0;
	else if (fg_num_percent(text, strlen(text), &value, &err)) {
		fg_reader_fault(reader, node, "%s: %s", key->name, err.message);
		return;
	}
	if (value < 0)
		fg_reader_fault(reader, node, "%s cannot be negative", key->name);
	else if (field)
		memcpy(field, &value, sizeof(value));
}

static void read_bool(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, const char *text, void *owner)
{
	void *field = fg_key_field(key, owner);
	bool value = strcmp(text, "true") == 0;

	if (!value && strcmp(text, "false") != 0)
		fg_reader_fault(reader, node, "%s wants true or false, not \"%.60s\"", key->name,
				text);
	else if (field)
		memcpy(field, &value, sizeof(value));
}

static void report_choice(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node, const char *text)
{
	const char *names[NAMES_MAX];
	FG_AUTO_BUF struct fg_buf list = {0};
	size_t count = FG_MIN(key->choice_count, (size_t)NAMES_MAX);

	fg_buf_init(&list, 1024);
	for (size_t i = 0; i < count; i++) {
		names[i] = key->choices[i].name;
		fg_buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
	}
	const char *near = fg_str_nearest(text, names, count);

	if (near)
		fg_reader_fault(reader, node, "unknown %s \"%.60s\"; did you mean \"%s\"?",
				key->name, text, near);
	else
		fg_reader_fault(reader, node, "unknown %s \"%.60s\"; it is one of %s", key->name,
				text, list.data ? list.data : "");
}

static void read_choice(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, const char *text, void *owner)
{
	void *field = fg_key_field(key, owner);

	for (size_t i = 0; i < key->choice_count; i++) {
		if (strcmp(key->choices[i].name, text) != 0)
			continue;
		if (key->choices[i].later) {
			char what[128];

			(void)snprintf(what, sizeof(what), "%s: %s", key->name, text);
			fg_reader_later(reader, node, what, key->choices[i].later);
		}
		if (field)
			memcpy(field, &key->choices[i].value, sizeof(int));
		return;
	}
	report_choice(reader, key, node, text);
}

char *fg_reader_path(struct fg_reader *reader, const struct fg_node *node, const char *path)
{
	FG_AUTO_BUF struct fg_buf joined = {0};
	struct fg_err err = {0};
	const struct fg_source *source = node->source ? node->source : reader->source;
	const char *slash = strrchr(source->name, '/');

	fg_buf_init(&joined, FG_SCENARIO_FILE_MAX);
	if (path[0] != '/' && slash)
		fg_buf_add(&joined, source->name, (size_t)(slash + 1 - source->name));
	fg_buf_add_str(&joined, path);
	if (fg_reader_failed(reader, fg_buf_check(&joined, &err), &err))
		return NULL;
	return fg_buf_take(&joined, NULL);
}

static void read_path(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, const char *text, void *owner)
{
	char *path = owner ? fg_reader_path(reader, node, text) : NULL;

	if (path)
		store_text(key, owner, path);
}

/* Numbers and booleans must not be quoted, or a typed mistake would pass as the right type. */
static bool is_typed(enum fg_type type)
{
	return type == FG_T_UINT || type == FG_T_BOOL;
}

static void read_typed(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, const char *text, void *owner)
{
	switch (key->type) {
	case FG_T_UINT:
		read_uint(reader, key, node, text, owner);
		break;
	case FG_T_DURATION:
		read_duration(reader, key, node, text, owner);
		break;
	case FG_T_SIZE:
		read_size(reader, key, node, text, owner);
		break;
	case FG_T_PERCENT:
		read_percent(reader, key, node, text, owner);
		break;
	case FG_T_BOOL:
		read_bool(reader, key, node, text, owner);
		break;
	default:
		read_choice(reader, key, node, text, owner);
	}
}

void fg_reader_scalar(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner)
{
	enum fg_text_mode mode = key->type == FG_T_TARGET_TEXT ? FG_TEXT_TARGET : FG_TEXT_CONSTANT;
	bool plain = false;

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	if (key->type == FG_T_TEMPLATE) {
		struct fg_template scratch = {0};
		struct fg_template *field = fg_key_field(key, owner);

		fg_template_read(reader, node, field ? field : &scratch);
		fg_template_done(&scratch);
		return;
	}
	FG_AUTO_FREE char *text = fg_template_text(reader, node, mode, &plain);

	if (!text)
		return;
	if (is_typed(key->type) && !plain) {
		fg_reader_fault(reader, node, "%s wants %s, not a text in quotes", key->name,
				key->type == FG_T_BOOL ? "true or false" : "a whole number");
		return;
	}
	if (key->type == FG_T_PATH) {
		read_path(reader, key, node, text, owner);
	} else if (key->type == FG_T_TEXT || key->type == FG_T_TARGET_TEXT) {
		store_text(key, owner, text);
		text = NULL;
	} else {
		read_typed(reader, key, node, text, owner);
	}
}
