/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/format/json.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

void fg_json_auto_decref(json_t **value)
{
	json_decref(*value);
}

struct scan {
	size_t depth;
	size_t values;
	bool in_string;
	bool escaped;
};

static void scan_char(struct scan *scan, char c)
{
	if (scan->in_string) {
		if (scan->escaped)
			scan->escaped = false;
		else if (c == '\\')
			scan->escaped = true;
		else if (c == '"')
			scan->in_string = false;
	} else if (c == '"') {
		scan->in_string = true;
	} else if (c == '{' || c == '[') {
		scan->depth++;
		scan->values++;
	} else if ((c == '}' || c == ']') && scan->depth > 0) {
		scan->depth--;
	} else if (c == ',') {
		scan->values++;
	}
}

/* jansson's own depth limit is fixed at build time (2 048) and it has none for the number of
 * values, so both are counted before it sees the text. */
static int check_bounds(const char *text, size_t len, struct fg_err *err)
{
	struct scan scan = {0};

	if (len > FG_JSON_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "JSON of %zu bytes; the limit is %d", len,
				  FG_JSON_BYTES_MAX);
	for (size_t i = 0; i < len; i++) {
		scan_char(&scan, text[i]);
		if (scan.depth > FG_JSON_DEPTH_MAX)
			return fg_err_set(err, FG_E_LIMIT, "JSON is nested deeper than %d",
					  FG_JSON_DEPTH_MAX);
		if (scan.values > FG_JSON_VALUES_MAX)
			return fg_err_set(err, FG_E_LIMIT, "JSON has more than %d values",
					  FG_JSON_VALUES_MAX);
	}
	return 0;
}

/* jansson 2.14 ignores that the buffer of its scanner could not grow (lex_save() in load.c drops
 * the result): a token then lacks characters and the document is accepted, or a string is read past
 * its end. So after the first allocation that fails during a parse, no other succeeds: the one for
 * the token's value comes next, and jansson does look at that. */
struct parse_guard {
	bool is_active;
	bool has_failed;
};

static _Thread_local struct parse_guard guard;
static pthread_once_t guard_once = PTHREAD_ONCE_INIT;

static void *guarded_malloc(size_t size)
{
	if (guard.is_active && guard.has_failed)
		return NULL;
	void *block = malloc(size);

	guard.has_failed = guard.has_failed || !block;
	return block;
}

static void install_guard(void)
{
	json_set_alloc_funcs(guarded_malloc, free);
}

static json_t *load_guarded(const char *text, size_t len, json_error_t *ret_why)
{
	(void)pthread_once(&guard_once, install_guard);
	guard = (struct parse_guard){.is_active = true};
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, ret_why);

	guard.is_active = false;
	if (value && guard.has_failed) {
		json_decref(value);
		value = NULL;
	}
	return value;
}

/* Writing has the same fault: a key that found no room is left out, and the text is no JSON. */
char *fg_json_dump(const json_t *value, size_t flags)
{
	(void)pthread_once(&guard_once, install_guard);
	guard = (struct parse_guard){.is_active = true};
	char *text = json_dumps(value, flags);

	guard.is_active = false;
	if (text && guard.has_failed) {
		free(text);
		text = NULL;
	}
	return text;
}

int fg_json_parse(const char *text, size_t len, json_t **ret, struct fg_err *err)
{
	json_error_t why = {0};
	int rc = check_bounds(text, len, err);

	if (rc)
		return rc;
	json_t *value = load_guarded(text, len, &why);

	if (!value) {
		if (guard.has_failed || json_error_code(&why) == json_error_out_of_memory)
			return fg_err_nomem(err);
		rc = fg_err_set(err, FG_E_INVALID, "not valid JSON: %s", why.text);
		if (err) {
			err->line = why.line > 0 ? (unsigned)why.line : 0;
			err->column = why.column > 0 ? (unsigned)why.column : 0;
		}
		return rc;
	}
	*ret = value;
	return 0;
}

struct fg_json_at fg_json_root(json_t *value)
{
	return (struct fg_json_at){.value = value};
}

enum { PATH_MAX_BYTES = 512 };

/* "classes[3].expected"; "" for the root. Depth is that of our own walkers: a handful. */
static size_t path_of(const struct fg_json_at *at, char *path)
{
	size_t len = at->parent ? path_of(at->parent, path) : 0;
	int added = 0;

	if (at->parent && at->key)
		added = snprintf(path + len, PATH_MAX_BYTES - len, "%s%s", len ? "." : "", at->key);
	else if (at->parent)
		added = snprintf(path + len, PATH_MAX_BYTES - len, "[%zu]", at->index);
	return FG_MIN(len + (added > 0 ? (size_t)added : 0), (size_t)PATH_MAX_BYTES - 1);
}

int fg_json_error(const struct fg_json_at *at, struct fg_err *err, const char *format, ...)
{
	char path[PATH_MAX_BYTES] = "";
	va_list args;

	va_start(args, format);
	int rc = fg_err_setv(err, FG_E_INVALID, format, args);
	va_end(args);
	if (path_of(at, path) == 0)
		return rc;
	return err ? fg_err_wrap(err, "%s", path) : rc;
}

static const char *type_word(const json_t *value)
{
	switch (value ? (int)json_typeof(value) : -1) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	default:
		return "nothing";
	}
}

static int wrong_type(const struct fg_json_at *at, const char *wanted, struct fg_err *err)
{
	return fg_json_error(at, err, "expected %s, found %s", wanted, type_word(at->value));
}

static struct fg_json_at member(const struct fg_json_at *object, const char *key)
{
	return (struct fg_json_at){
		.parent = object,
		.key = key,
		.value = json_object_get(object->value, key),
	};
}

bool fg_json_has(const struct fg_json_at *object, const char *key)
{
	const json_t *value = json_object_get(object->value, key);

	return value && !json_is_null(value);
}

int fg_json_object(const struct fg_json_at *object, const char *key, struct fg_json_at *ret,
		   struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	if (!json_is_object(at.value))
		return wrong_type(&at, "an object", err);
	*ret = at;
	return 0;
}

int fg_json_array(const struct fg_json_at *object, const char *key, size_t max_count,
		  struct fg_json_at *ret, struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	if (!json_is_array(at.value))
		return wrong_type(&at, "a list", err);
	if (json_array_size(at.value) > max_count)
		return fg_json_error(&at, err, "%zu elements; the limit is %zu",
				     json_array_size(at.value), max_count);
	*ret = at;
	return 0;
}

static int value_u64(const struct fg_json_at *at, uint64_t max, uint64_t *ret, struct fg_err *err)
{
	if (!json_is_integer(at->value))
		return wrong_type(at, "an integer", err);
	json_int_t value = json_integer_value(at->value);

	if (value < 0 || (uint64_t)value > max)
		return fg_json_error(at, err, "%lld is not between 0 and %llu", (long long)value,
				     (unsigned long long)max);
	*ret = (uint64_t)value;
	return 0;
}

int fg_json_u64(const struct fg_json_at *object, const char *key, uint64_t max, uint64_t *ret,
		struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	return value_u64(&at, max, ret, err);
}

int fg_json_u32(const struct fg_json_at *object, const char *key, uint32_t max, uint32_t *ret,
		struct fg_err *err)
{
	uint64_t value = 0;
	int rc = fg_json_u64(object, key, max, &value, err);

	if (rc == 0)
		*ret = (uint32_t)value;
	return rc;
}

int fg_json_double(const struct fg_json_at *object, const char *key, double min, double max,
		   double *ret, struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	if (!json_is_number(at.value))
		return wrong_type(&at, "a number", err);
	double value = json_number_value(at.value);

	if (!isfinite(value) || value < min || value > max)
		return fg_json_error(&at, err, "%g is not between %g and %g", value, min, max);
	*ret = value;
	return 0;
}

int fg_json_bool(const struct fg_json_at *object, const char *key, bool *ret, struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	if (!json_is_boolean(at.value))
		return wrong_type(&at, "true or false", err);
	*ret = json_is_true(at.value);
	return 0;
}

int fg_json_string(const struct fg_json_at *object, const char *key, const char **ret,
		   size_t *ret_len, struct fg_err *err)
{
	struct fg_json_at at = member(object, key);

	if (!json_is_string(at.value))
		return wrong_type(&at, "a string", err);
	*ret = json_string_value(at.value);
	if (ret_len)
		*ret_len = json_string_length(at.value);
	return 0;
}

int fg_json_dup(const struct fg_json_at *object, const char *key, char **ret, struct fg_err *err)
{
	const char *text = NULL;
	int rc = fg_json_string(object, key, &text, NULL, err);

	return rc ? rc : fg_str_dup(text, ret, err);
}

int fg_json_dup_or_null(const struct fg_json_at *object, const char *key, char **ret,
			struct fg_err *err)
{
	if (fg_json_has(object, key))
		return fg_json_dup(object, key, ret, err);
	*ret = NULL;
	return 0;
}

static int copy_text(const struct fg_json_at *at, const char *text, char *buffer, size_t size_bytes,
		     struct fg_err *err)
{
	size_t len = strlen(text);

	if (len >= size_bytes)
		return fg_json_error(at, err, "longer than %zu bytes", size_bytes - 1);
	memcpy(buffer, text, len + 1);
	return 0;
}

int fg_json_text(const struct fg_json_at *object, const char *key, char *buffer, size_t size_bytes,
		 struct fg_err *err)
{
	struct fg_json_at at = member(object, key);
	const char *text = "";
	int rc = fg_json_string(object, key, &text, NULL, err);

	return rc ? rc : copy_text(&at, text, buffer, size_bytes, err);
}

int fg_json_word(const struct fg_json_at *object, const char *key, const char *const *words,
		 size_t count, size_t *ret, struct fg_err *err)
{
	struct fg_json_at at = member(object, key);
	const char *text = NULL;
	int rc = fg_json_string(object, key, &text, NULL, err);

	if (rc)
		return rc;
	assert(text);
	for (size_t i = 0; i < count; i++) {
		if (words[i] && strcmp(words[i], text) == 0) {
			*ret = i;
			return 0;
		}
	}
	return fg_json_error(&at, err, "unknown word \"%.64s\"", text);
}

size_t fg_json_count(const struct fg_json_at *array)
{
	return json_array_size(array->value);
}

static struct fg_json_at element(const struct fg_json_at *array, size_t i)
{
	return (struct fg_json_at){
		.parent = array, .index = i, .value = json_array_get(array->value, i)};
}

int fg_json_element(const struct fg_json_at *array, size_t i, struct fg_json_at *ret,
		    struct fg_err *err)
{
	struct fg_json_at at = element(array, i);

	if (!json_is_object(at.value))
		return wrong_type(&at, "an object", err);
	*ret = at;
	return 0;
}

int fg_json_element_u64(const struct fg_json_at *array, size_t i, uint64_t max, uint64_t *ret,
			struct fg_err *err)
{
	struct fg_json_at at = element(array, i);

	return value_u64(&at, max, ret, err);
}

int fg_json_element_text(const struct fg_json_at *array, size_t i, char *buffer, size_t size_bytes,
			 struct fg_err *err)
{
	struct fg_json_at at = element(array, i);
	const char *text = "";
	int rc = fg_json_value_string(&at, &text, err);

	return rc ? rc : copy_text(&at, text, buffer, size_bytes, err);
}

bool fg_json_next(const struct fg_json_at *object, void **iterator, struct fg_json_at *ret)
{
	*iterator = *iterator ? json_object_iter_next(object->value, *iterator)
			      : json_object_iter(object->value);
	if (!*iterator)
		return false;
	*ret = (struct fg_json_at){
		.parent = object,
		.key = json_object_iter_key(*iterator),
		.value = json_object_iter_value(*iterator),
	};
	return true;
}

int fg_json_value_string(const struct fg_json_at *at, const char **ret, struct fg_err *err)
{
	if (!json_is_string(at->value))
		return wrong_type(at, "a string", err);
	*ret = json_string_value(at->value);
	return 0;
}
