/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/scenario/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

struct anchor {
	char *name;
	struct fg_node *node; /* NULL while its own content is being read */
};

struct composer {
	yaml_parser_t parser;
	const struct fg_source *source;
	struct fg_diagnostics *diagnostics;
	struct fg_yaml *yaml;
	struct fg_err *err;
	struct anchor *anchors;
	size_t anchor_count, anchor_capacity;
	size_t nodes; /* after alias expansion */
};

static struct fg_node *compose(struct composer *c, yaml_event_t *event, unsigned depth);

static struct fg_mark mark_of(yaml_mark_t start, yaml_mark_t end)
{
	unsigned width = 1;

	if (end.line == start.line && end.column > start.column)
		width = (unsigned)(end.column - start.column);
	else if (end.line > start.line)
		width = UINT32_MAX; /* to the end of the line */
	return (struct fg_mark){(unsigned)start.line + 1, (unsigned)start.column + 1, width};
}

static void *fault(struct composer *c, struct fg_mark mark, enum fg_err_code code,
		   const char *format, ...) FG_PRINTF(4, 5);

static void *fault(struct composer *c, struct fg_mark mark, enum fg_err_code code,
		   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fg_diag_addv(c->diagnostics, c->source, mark, code, format, args);
	va_end(args);
	return NULL;
}

struct fg_node *fg_node_new(struct fg_yaml *yaml, enum fg_node_kind kind,
			    const struct fg_source *source, struct fg_mark mark)
{
	struct fg_node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->kind = kind;
	node->mark = mark;
	node->source = source;
	node->weight = 1;
	node->height = 1;
	node->next = yaml->all;
	yaml->all = node;
	return node;
}

int fg_node_append(struct fg_node *node, struct fg_node *item, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(node, items, count, capacity, (size_t)2 * FG_SCENARIO_NODES_MAX, err);

	if (rc)
		return rc;
	node->items[node->count++] = item;
	node->weight += item->weight;
	node->height = FG_MAX(node->height, item->height + 1);
	return 0;
}

struct fg_node *fg_node_get(const struct fg_node *map, const char *key, struct fg_node **ret_key)
{
	if (!map || map->kind != FG_NODE_MAP)
		return NULL;
	for (size_t i = 0; i + 1 < map->count; i += 2) {
		if (strcmp(map->items[i]->text, key) != 0)
			continue;
		if (ret_key)
			*ret_key = map->items[i];
		return map->items[i + 1];
	}
	return NULL;
}

bool fg_node_is_nothing(const struct fg_node *node)
{
	return node->kind == FG_NODE_SCALAR && node->plain &&
	       (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
		strcmp(node->text, "null") == 0);
}

void fg_yaml_free(struct fg_yaml *yaml)
{
	if (!yaml)
		return;
	for (struct fg_node *node = yaml->all; node;) {
		struct fg_node *next = node->next;

		free(node->text);
		free(node->items);
		free(node);
		node = next;
	}
	free(yaml);
}

void fg_yaml_adopt(struct fg_yaml *into, struct fg_yaml *from)
{
	struct fg_node **last = &into->all;

	while (*last)
		last = &(*last)->next;
	*last = from->all;
	free(from);
}

/* -- faults of libyaml ---------------------------------------------------------------------- */

static void *reader_fault(struct composer *c)
{
	struct fg_mark mark = fg_source_mark(c->source, c->parser.problem_offset);

	if (c->parser.problem && strstr(c->parser.problem, "control characters"))
		return fault(c, mark, FG_E_INVALID, "control characters are not allowed");
	return fault(c, mark, FG_E_INVALID, "this is not UTF-8 text");
}

/* Is the line indented by a tab? */
static bool is_after_tab(const struct fg_source *source, unsigned line)
{
	const char *at = source->text;
	const char *end = source->text + source->len;

	for (unsigned i = 1; i < line && at; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	while (at && at < end && *at == ' ')
		at++;
	return at && at < end && *at == '\t';
}

/* libyaml's words, except where they hide what a person did. */
static void *parser_fault(struct composer *c)
{
	const yaml_parser_t *p = &c->parser;

	if (p->error == YAML_MEMORY_ERROR) {
		(void)fg_err_nomem(c->err);
		return NULL;
	}
	if (p->error == YAML_READER_ERROR)
		return reader_fault(c);
	struct fg_mark mark = mark_of(p->problem_mark, p->problem_mark);
	const char *problem = p->problem ? p->problem : "not valid YAML";

	/* What is missing at the end of the file was opened where the context started. */
	if (p->context && strstr(problem, "unexpected end of stream"))
		mark = mark_of(p->context_mark, p->context_mark);

	if (strstr(problem, "cannot start any token") && is_after_tab(c->source, mark.line))
		return fault(c, mark, FG_E_INVALID, "a tab cannot indent; YAML wants spaces");
	if (p->context && strcmp(p->context, problem) != 0)
		return fault(c, mark, FG_E_INVALID, "not valid YAML: %s (%s)", problem, p->context);
	return fault(c, mark, FG_E_INVALID, "not valid YAML: %s", problem);
}

static bool next_event(struct composer *c, yaml_event_t *event)
{
	if (yaml_parser_parse(&c->parser, event))
		return true;
	(void)parser_fault(c);
	return false;
}

/* -- composing ------------------------------------------------------------------------------ */

static bool count_nodes(struct composer *c, size_t more, struct fg_mark mark)
{
	c->nodes += more;
	if (c->nodes <= FG_SCENARIO_NODES_MAX)
		return true;
	(void)fault(c, mark, FG_E_LIMIT,
		    "the file has more than %d values after its aliases are expanded",
		    FG_SCENARIO_NODES_MAX);
	return false;
}

static struct anchor *find_anchor(struct composer *c, const char *name)
{
	for (size_t i = c->anchor_count; i > 0; i--)
		if (strcmp(c->anchors[i - 1].name, name) == 0)
			return &c->anchors[i - 1];
	return NULL;
}

/* Registers a name before its content is read, so that an alias inside it is seen as such. */
static bool open_anchor(struct composer *c, const yaml_char_t *name, struct fg_mark mark,
			size_t *ret_index)
{
	enum { ANCHORS_MAX = 1000 };

	if (c->anchor_count >= ANCHORS_MAX) {
		(void)fault(c, mark, FG_E_LIMIT, "more than %d anchors", ANCHORS_MAX);
		return false;
	}
	if (FG_VEC_ROOM(c, anchors, anchor_count, anchor_capacity, ANCHORS_MAX, c->err) ||
	    fg_str_dup((const char *)name, &c->anchors[c->anchor_count].name, c->err))
		return false;
	c->anchors[c->anchor_count].node = NULL;
	*ret_index = c->anchor_count++;
	return true;
}

static struct fg_node *compose_alias(struct composer *c, const yaml_event_t *event, unsigned depth)
{
	struct fg_mark mark = mark_of(event->start_mark, event->end_mark);
	const char *name = (const char *)event->data.alias.anchor;
	struct anchor *anchor = find_anchor(c, name);

	if (!anchor)
		return fault(c, mark, FG_E_INVALID, "alias *%s has no anchor &%s before it", name,
			     name);
	if (!anchor->node)
		return fault(c, mark, FG_E_INVALID, "alias *%s stands inside its own anchor", name);
	if (depth + anchor->node->height > FG_SCENARIO_DEPTH_MAX)
		return fault(c, mark, FG_E_LIMIT, "nested deeper than %d levels",
			     FG_SCENARIO_DEPTH_MAX);
	return count_nodes(c, anchor->node->weight, mark) ? anchor->node : NULL;
}

static struct fg_node *compose_scalar(struct composer *c, const yaml_event_t *event)
{
	struct fg_mark mark = mark_of(event->start_mark, event->end_mark);
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	yaml_scalar_style_t style = event->data.scalar.style;

	if (memchr(value, '\0', len))
		return fault(c, mark, FG_E_INVALID, "a text cannot hold a NUL byte");
	if (!count_nodes(c, 1, mark))
		return NULL;
	struct fg_node *node = fg_node_new(c->yaml, FG_NODE_SCALAR, c->source, mark);

	if (!node || fg_str_ndup(value, len, &node->text, c->err)) {
		(void)fg_err_nomem(c->err);
		return NULL;
	}
	node->plain = style == YAML_PLAIN_SCALAR_STYLE;
	size_t quotes = node->plain ? 0 : 2;

	node->literal = style != YAML_LITERAL_SCALAR_STYLE && style != YAML_FOLDED_SCALAR_STYLE &&
			event->end_mark.index - event->start_mark.index == len + quotes;
	return node;
}

/* An empty list or map, counted; NULL with the fault noted. */
static struct fg_node *open_container(struct composer *c, const yaml_event_t *start,
				      enum fg_node_kind kind)
{
	struct fg_mark mark = mark_of(start->start_mark, start->end_mark);

	if (!count_nodes(c, 1, mark))
		return NULL;
	struct fg_node *node = fg_node_new(c->yaml, kind, c->source, mark);

	if (!node)
		(void)fg_err_nomem(c->err);
	return node;
}

static struct fg_node *compose_list(struct composer *c, const yaml_event_t *start, unsigned depth)
{
	struct fg_node *list = open_container(c, start, FG_NODE_LIST);

	if (!list)
		return NULL;
	for (;;) {
		yaml_event_t event;

		if (!next_event(c, &event))
			return NULL;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return list;
		}
		struct fg_node *item = compose(c, &event, depth + 1);

		yaml_event_delete(&event);
		if (!item || fg_node_append(list, item, c->err))
			return NULL;
	}
}

static struct fg_node *compose_key(struct composer *c, yaml_event_t *event, unsigned depth)
{
	struct fg_mark mark = mark_of(event->start_mark, event->end_mark);

	if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
		return fault(c, mark, FG_E_INVALID,
			     "a key must be a text; a value with {{ }} needs quotes: \"{{ … }}\"");
	struct fg_node *key = compose(c, event, depth);

	if (key && key->kind != FG_NODE_SCALAR)
		return fault(c, mark, FG_E_INVALID, "a key must be a text");
	return key;
}

static int by_text(const void *left, const void *right)
{
	const struct fg_node *const *a = left;
	const struct fg_node *const *b = right;
	int order = strcmp((*a)->text, (*b)->text);

	if (order != 0)
		return order;
	if ((*a)->mark.line != (*b)->mark.line)
		return (*a)->mark.line < (*b)->mark.line ? -1 : 1;
	return (*a)->mark.column < (*b)->mark.column ? -1 : 1;
}

static void report_duplicates(struct composer *c, struct fg_node **keys, size_t count)
{
	size_t first = 0;

	for (size_t i = 1; i < count; i++) {
		if (strcmp(keys[i]->text, keys[first]->text) != 0) {
			first = i;
			continue;
		}
		(void)fault(c, keys[i]->mark, FG_E_INVALID,
			    "duplicate key \"%s\"; the first one is in line %u", keys[i]->text,
			    keys[first]->mark.line);
	}
}

/* Sorted, so that a map of 50 000 keys costs no 50 000² comparisons. */
static bool check_duplicates(struct composer *c, const struct fg_node *map)
{
	size_t count = map->count / 2;

	if (count < 2)
		return true;
	FG_AUTO_FREE struct fg_node **keys = calloc(count, sizeof(struct fg_node *));

	if (!keys) {
		(void)fg_err_nomem(c->err);
		return false;
	}
	for (size_t i = 0; i < count; i++)
		keys[i] = map->items[2 * i];
	qsort(keys, count, sizeof(*keys), by_text);
	report_duplicates(c, keys, count);
	return true;
}

static struct fg_node *compose_map(struct composer *c, const yaml_event_t *start, unsigned depth)
{
	struct fg_node *map = open_container(c, start, FG_NODE_MAP);

	if (!map)
		return NULL;
	for (;;) {
		yaml_event_t event;

		if (!next_event(c, &event))
			return NULL;
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			return check_duplicates(c, map) ? map : NULL;
		}
		struct fg_node *item = map->count % 2 == 0 ? compose_key(c, &event, depth + 1)
							   : compose(c, &event, depth + 1);

		yaml_event_delete(&event);
		if (!item || fg_node_append(map, item, c->err))
			return NULL;
	}
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static struct fg_node *compose(struct composer *c, yaml_event_t *event, unsigned depth)
{
	struct fg_mark mark = mark_of(event->start_mark, event->end_mark);
	const yaml_char_t *name = anchor_of(event);
	struct fg_node *node = NULL;
	size_t anchor = 0;

	if (depth > FG_SCENARIO_DEPTH_MAX)
		return fault(c, mark, FG_E_LIMIT, "nested deeper than %d levels",
			     FG_SCENARIO_DEPTH_MAX);
	if (name && !open_anchor(c, name, mark, &anchor))
		return NULL;
	if (event->type == YAML_ALIAS_EVENT)
		node = compose_alias(c, event, depth);
	else if (event->type == YAML_SCALAR_EVENT)
		node = compose_scalar(c, event);
	else if (event->type == YAML_SEQUENCE_START_EVENT)
		node = compose_list(c, event, depth);
	else
		node = compose_map(c, event, depth);
	if (name)
		c->anchors[anchor].node = node;
	return node;
}

/* -- the stream ----------------------------------------------------------------------------- */

/* Reads and drops one event; its type, or YAML_NO_EVENT after a fault. */
static yaml_event_type_t skip_event(struct composer *c, struct fg_mark *ret_mark)
{
	yaml_event_t event;

	if (!next_event(c, &event))
		return YAML_NO_EVENT;
	yaml_event_type_t type = event.type;

	*ret_mark = mark_of(event.start_mark, event.end_mark);
	yaml_event_delete(&event);
	return type;
}

static bool read_end(struct composer *c)
{
	struct fg_mark mark;

	if (skip_event(c, &mark) != YAML_DOCUMENT_END_EVENT)
		return false;
	yaml_event_type_t type = skip_event(c, &mark);

	if (type == YAML_DOCUMENT_START_EVENT)
		(void)fault(c, mark, FG_E_INVALID,
			    "a second document starts here; a scenario file holds one");
	return type == YAML_STREAM_END_EVENT;
}

static bool read_document(struct composer *c)
{
	struct fg_mark mark;
	yaml_event_t event;

	if (skip_event(c, &mark) != YAML_STREAM_START_EVENT)
		return false;
	yaml_event_type_t type = skip_event(c, &mark);

	if (type == YAML_STREAM_END_EVENT) {
		(void)fault(c, (struct fg_mark){1, 1, 1}, FG_E_INVALID,
			    "the file is empty; it needs at least version, target and scenarios");
		return false;
	}
	if (type != YAML_DOCUMENT_START_EVENT || !next_event(c, &event))
		return false;
	c->yaml->root = compose(c, &event, 1);
	yaml_event_delete(&event);
	if (!c->yaml->root)
		return false;
	(void)read_end(c);
	return true;
}

static void free_anchors(struct composer *c)
{
	for (size_t i = 0; i < c->anchor_count; i++)
		free(c->anchors[i].name);
	free(c->anchors);
}

int fg_yaml_parse(const struct fg_source *source, struct fg_yaml **ret,
		  struct fg_diagnostics *diagnostics, struct fg_err *err)
{
	struct fg_err local = {0};
	struct composer c = {.source = source, .diagnostics = diagnostics, .err = &local};

	if (source->len > FG_SCENARIO_FILE_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: larger than 1 MiB, which no scenario needs",
				  source->name);
	c.yaml = calloc(1, sizeof(*c.yaml));
	if (!c.yaml)
		return fg_err_nomem(err);
	if (!yaml_parser_initialize(&c.parser)) {
		fg_yaml_free(c.yaml);
		return fg_err_nomem(err);
	}
	yaml_parser_set_encoding(&c.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&c.parser, (const unsigned char *)source->text, source->len);
	bool ok = read_document(&c);

	free_anchors(&c);
	yaml_parser_delete(&c.parser);
	if (ok && !local.code) {
		*ret = c.yaml;
		return 0;
	}
	fg_yaml_free(c.yaml);
	if (local.code == FG_E_NOMEM)
		return fg_err_nomem(err);
	return fg_err_set(err, FG_E_INVALID, "%s: not a scenario file", source->name);
}
