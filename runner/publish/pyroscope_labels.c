/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label rules: what every Pyroscope since 1.0 takes and what a selector can name without quotes
 * (reference/pyroscope.md §1.4, §1.8). Broken rules are errors here, before anything is sent.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/base/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool is_name(const char *name)
{
	for (const char *at = name; *at; at++) {
		bool letter =
			(*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';

		if (!letter && (at == name || *at < '0' || *at > '9'))
			return false;
	}
	return *name != '\0';
}

static int check_name(const char *name, struct fg_err *err)
{
	if (strlen(name) > FG_PYROSCOPE_NAME_MAX)
		return fg_err_set(err, FG_E_LIMIT, "label name %.60s… is longer than %d bytes",
				  name, FG_PYROSCOPE_NAME_MAX);
	if (!is_name(name))
		return fg_err_set(err, FG_E_USAGE,
				  "label name \"%s\" must be letters, digits and _ and not begin "
				  "with a digit",
				  name);
	if (strncmp(name, "__", 2) == 0)
		return fg_err_set(err, FG_E_USAGE, "label %s: names with __ are the server's own",
				  name);
	return 0;
}

static int check_value(const char *name, const char *value, struct fg_err *err)
{
	size_t len = strlen(value);

	if (len > FG_PYROSCOPE_VALUE_MAX)
		return fg_err_set(err, FG_E_LIMIT,
				  "the value of label %s has %zu bytes; the limit is %d", name, len,
				  FG_PYROSCOPE_VALUE_MAX);
	if (!fg_utf8_valid(value, len))
		return fg_err_set(err, FG_E_USAGE, "the value of label %s is not UTF-8", name);
	return 0;
}

static int add(struct fg_tags *labels, const char *name, const char *value, struct fg_err *err)
{
	if (!value || !*value)
		return 0;
	int rc = check_value(name, value, err);

	if (rc)
		return rc;
	if (fg_tags_get(labels, name) || strcmp(name, "endpoint") == 0)
		return fg_err_set(
			err, FG_E_USAGE,
			"label %s is given by flamegate itself; choose another name%s", name,
			strcmp(name, "service_name") == 0 ? " or set the service name" : "");
	if (labels->count == FG_PYROSCOPE_LABELS_MAX - 1)
		return fg_err_set(err, FG_E_LIMIT,
				  "more than %d labels, with the six of flamegate; the server "
				  "refuses that",
				  FG_PYROSCOPE_LABELS_MAX);
	return fg_tags_add(labels, name, value, err);
}

static int add_own(struct fg_tags *labels, const struct fg_result *result,
		   const struct fg_pyroscope_options *options, struct fg_err *err)
{
	const char *service = options->service_name ? options->service_name : result->name;
	int rc = 0;

	if (!service || !*service)
		return fg_err_set(err, FG_E_USAGE,
				  "a service name is needed: the scenario has no name");
	rc = add(labels, "__name__", "process_cpu", err);
	if (rc == 0)
		rc = add(labels, "service_name", service, err);
	if (rc == 0) /* a whole profile, not a growing counter (1.x servers) */
		rc = add(labels, "__delta__", "false", err);
	if (rc == 0)
		rc = add(labels, "run_id", result->id, err);
	if (rc == 0)
		rc = add(labels, "scenario", result->name, err);
	return rc;
}

static int compare_keys(const void *a, const void *b)
{
	const struct fg_tag *left = a, *right = b;

	return strcmp(left->key, right->key);
}

int fg_pyroscope_labels(const struct fg_result *result, const struct fg_pyroscope_options *options,
			struct fg_tags *ret, struct fg_err *err)
{
	struct fg_tags labels = {.items = NULL};
	int rc = add_own(&labels, result, options, err);

	for (size_t i = 0; rc == 0 && options->labels && i < options->labels->count; i++) {
		const struct fg_tag *tag = &options->labels->items[i];

		rc = check_name(tag->key, err);
		if (rc == 0)
			rc = add(&labels, tag->key, tag->value, err);
	}
	if (rc) {
		fg_tags_done(&labels);
		return rc;
	}
	qsort(labels.items, labels.count, sizeof(*labels.items), compare_keys);
	*ret = labels;
	return 0;
}

size_t fg_pyroscope_labels_bytes(const struct fg_tags *labels)
{
	size_t bytes = 0;

	for (size_t i = 0; i < labels->count; i++)
		bytes += strlen(labels->items[i].key) + strlen(labels->items[i].value);
	return bytes;
}

static void add_quoted(const char *value, struct fg_buf *out)
{
	fg_buf_add_char(out, '"');
	for (const char *at = value; *at; at++) {
		if (*at == '"' || *at == '\\')
			fg_buf_add_char(out, '\\');
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			fg_buf_addf(out, "\\x%02x", (unsigned char)*at);
		else
			fg_buf_add_char(out, *at);
	}
	fg_buf_add_char(out, '"');
}

void fg_pyroscope_selector(const struct fg_tags *labels, struct fg_buf *out)
{
	static const char *const names[] = {"service_name", "run_id"};

	fg_buf_add_char(out, '{');
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		const char *value = fg_tags_get(labels, names[i]);

		fg_buf_addf(out, "%s%s=", i ? "," : "", names[i]);
		add_quoted(value ? value : "", out);
	}
	fg_buf_add_char(out, '}');
}

int fg_pyroscope_check_tenant(const char *tenant, struct fg_err *err)
{
	static const char extra[] = "!-_.*'()";
	size_t len = strlen(tenant);

	if (len == 0 || len > FG_PYROSCOPE_TENANT_MAX || strcmp(tenant, ".") == 0 ||
	    strcmp(tenant, "..") == 0)
		return fg_err_set(err, FG_E_USAGE, "a tenant's name has 1 to %d characters",
				  FG_PYROSCOPE_TENANT_MAX);
	for (size_t i = 0; i < len; i++) {
		char c = tenant[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || strchr(extra, c);

		if (!fine)
			return fg_err_set(err, FG_E_USAGE,
					  "tenant \"%s\": only letters, digits and %s are allowed "
					  "(one tenant when writing)",
					  tenant, extra);
	}
	return 0;
}

const struct fg_pyroscope_type *fg_pyroscope_type(enum fg_profile_type type)
{
	static const struct fg_pyroscope_type types[] = {
		[FG_PROFILE_CPU] = {"process_cpu", "process_cpu:samples:count:cpu:nanoseconds",
				    "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
				    "ns of CPU time"},
		[FG_PROFILE_OFFCPU] = {"offcpu", NULL,
				       "offcpu:offcpu:nanoseconds::", "ns of waiting"},
		[FG_PROFILE_WALL] = {"wall", NULL, "wall:wall:nanoseconds:wall:nanoseconds",
				     "ns of wall time"},
		[FG_PROFILE_FAULTS] = {"page_faults", NULL,
				       "page_faults:page_faults:count::", "page faults"},
	};
	static_assert(FG_ARRAY_LEN(types) == FG_PROFILE_TYPE_COUNT, "a type without series");

	assert((unsigned)type < FG_PROFILE_TYPE_COUNT);
	return &types[type];
}

int fg_pyroscope_labels_of(const struct fg_tags *labels, enum fg_profile_type type,
			   struct fg_tags *ret, struct fg_err *err)
{
	struct fg_tags copy = {.items = NULL};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < labels->count; i++) {
		const struct fg_tag *tag = &labels->items[i];
		bool names_type = strcmp(tag->key, "__name__") == 0;

		rc = fg_tags_add(&copy, tag->key,
				 names_type ? fg_pyroscope_type(type)->name : tag->value, err);
	}
	if (rc)
		fg_tags_done(&copy);
	else
		*ret = copy;
	return rc;
}
