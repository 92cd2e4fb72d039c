/* SPDX-License-Identifier: Apache-2.0 */
/* capture: variables from an answer. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { CAPTURES_MAX = 256 };

static const struct {
	const char *name;
	enum fg_from from;
} sources[] = {
	{"json", FG_FROM_JSON},     {"regex", FG_FROM_REGEX},   {"header", FG_FROM_HEADER},
	{"cookie", FG_FROM_COOKIE}, {"status", FG_FROM_STATUS}, {"body", FG_FROM_BODY},
};

/* [*], .* and slices give all matches; a filter or .. gives the first, as one would expect of
 * "the token". */
static bool has_wildcard(const char *path)
{
	bool in_brackets = false;
	char quote = 0;

	for (const char *c = path; *c; c++) {
		if (quote) {
			quote = *c == quote ? 0 : quote;
		} else if (*c == '\'' || *c == '"') {
			quote = *c;
		} else if (*c == '[' && c[1] == '?') {
			return strstr(c, "[*]") || strstr(c, ".*");
		} else if (*c == '[' || *c == ']') {
			in_brackets = *c == '[';
		} else if (*c == '*' || (*c == ':' && in_brackets)) {
			return true;
		}
	}
	return false;
}

static bool read_source(struct fg_reader *reader, const struct fg_node *node, const char *name,
			struct fg_capture *capture)
{
	const struct fg_node *value = fg_node_get(node, name, NULL);
	struct fg_err err = {0};

	if (!fg_reader_expect(reader, value, FG_NODE_SCALAR, name))
		return false;
	switch (capture->from) {
	case FG_FROM_JSON:
		capture->path = fg_reader_jsonpath(reader, value, name);
		capture->all = has_wildcard(value->text);
		return capture->path != NULL;
	case FG_FROM_REGEX:
		capture->regex = fg_reader_regex(reader, value, name);
		return capture->regex && fg_reader_group(reader, fg_node_get(node, "group", NULL),
							 capture->regex, &capture->group);
	case FG_FROM_HEADER:
	case FG_FROM_COOKIE:
		if (!value->text[0])
			fg_reader_fault(reader, value, "%s is empty", name);
		return value->text[0] &&
		       !fg_reader_failed(reader, fg_str_dup(value->text, &capture->key, &err),
					 &err);
	default:
		if (strcmp(value->text, "true") == 0)
			return true;
		fg_reader_fault(reader, value, "%s: true captures it", name);
		return false;
	}
}

/* Where two things have one name, one of them would be read for the other. */
static void check_name(struct fg_reader *reader, const struct fg_node *name)
{
	if (!fg_names_check(reader, name, "a capture"))
		return;
	if (fg_node_get(reader->vars, name->text, NULL))
		fg_reader_fault(reader, name, "\"%s\" is one of vars: already", name->text);
	if (fg_node_get(reader->params, name->text, NULL))
		fg_reader_fault(reader, name, "\"%s\" is a parameter of flow \"%s\" already",
				name->text, reader->flow);
}

static bool read_capture(struct fg_reader *reader, const struct fg_node *name,
			 const struct fg_node *node, struct fg_capture *capture)
{
	const char *names[FG_ARRAY_LEN(sources)];
	const char *found = NULL;
	struct fg_node *group = NULL;
	struct fg_err err = {0};
	size_t before = fg_diag_count(reader->diagnostics);
	int slot = fg_scope_slot(reader, name->text, strlen(name->text));

	check_name(reader, name);
	capture->place = fg_reader_place(reader, name);
	fg_reader_object(reader, node, &fg_schema_capture, capture);
	for (size_t i = 0; i < FG_ARRAY_LEN(sources); i++)
		names[i] = sources[i].name;
	if (node->kind != FG_NODE_MAP ||
	    !fg_reader_one_of(reader, node, names, FG_ARRAY_LEN(names), &found))
		return false;
	if (!found) {
		fg_reader_fault(reader, node,
				"a capture needs one of json, regex, header, cookie, "
				"status and body");
		return false;
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(sources); i++)
		if (strcmp(found, sources[i].name) == 0)
			capture->from = sources[i].from;
	(void)fg_node_get(node, "group", &group);
	if (group && capture->from != FG_FROM_REGEX)
		fg_reader_fault(reader, group, "group goes with regex");
	capture->has_default = fg_node_get(node, "default", NULL) != NULL;
	capture->slot = (uint32_t)FG_MAX(slot, 0);
	return read_source(reader, node, found, capture) && slot >= 0 &&
	       !fg_reader_failed(reader, fg_str_dup(name->text, &capture->name, &err), &err) &&
	       fg_diag_count(reader->diagnostics) == before;
}

void fg_read_captures(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner)
{
	struct fg_step_http *http = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		struct fg_capture capture = {0};
		struct fg_err err = {0};
		bool ok = read_capture(reader, node->items[i], node->items[i + 1], &capture);

		if (ok && http &&
		    !fg_reader_failed(reader,
				      FG_VEC_ROOM(http, captures, capture_count, capture_capacity,
						  CAPTURES_MAX, &err),
				      &err))
			http->captures[http->capture_count++] = capture;
		else
			fg_capture_done(&capture);
	}
}
