/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sets which variable: a look through all steps before any is read, because a capture may stand
 * behind its use (the second turn of a loop has it), and a flow means what its runner has.
 *
 * Finds flows that run themselves, nest too deep or grow too large on the way. Shapes are not its
 * business: what is malformed is passed over here and reported by the readers.
 */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

/* How much a list of steps is when every flow stands in its place. */
struct extent {
	size_t count;
	unsigned height;
};

enum mark { UNSEEN, OPEN, DONE };

struct scan {
	struct fg_reader *reader;
	struct fg_scopes *scopes;
	enum mark *marks; /* of flows */
	struct extent *extents;
	bool is_full; /* too many steps or slots, said once */
};

bool fg_bits_has(const struct fg_bits *bits, size_t index)
{
	return (bits->words[index / 64] >> (index % 64)) & 1;
}

void fg_bits_set(struct fg_bits *bits, size_t index)
{
	bits->words[index / 64] |= UINT64_C(1) << (index % 64);
}

static void add_bits(struct fg_bits *bits, const struct fg_bits *more)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(bits->words); i++)
		bits->words[i] |= more->words[i];
}

/* -- slots ---------------------------------------------------------------------------------- */

int fg_scope_slot(const struct fg_reader *reader, const char *name, size_t len)
{
	const struct fg_scenario_file *file = reader->file;

	for (size_t i = 0; i < file->slot_count; i++)
		if (strncmp(file->slot_names[i], name, len) == 0 && !file->slot_names[i][len])
			return (int)i;
	return -1;
}

int fg_scope_param(const struct fg_reader *reader, const char *flow, const char *name, size_t len)
{
	char slot[2 * FG_NAME_MAX_BYTES];
	int written = snprintf(slot, sizeof(slot), "%s.%.*s", flow, (int)len, name);

	return written > 0 && (size_t)written < sizeof(slot)
		       ? fg_scope_slot(reader, slot, (size_t)written)
		       : -1;
}

int fg_scope_flow(const struct fg_reader *reader, const char *name)
{
	const struct fg_node *map = reader->scopes.flow_map;

	for (size_t i = 0; map && i + 1 < map->count && i / 2 < FG_FLOWS_MAX; i += 2)
		if (strcmp(map->items[i]->text, name) == 0)
			return (int)(i / 2);
	return -1;
}

/* The slot of a name, made when it is new; -1 when there is no room. */
static int make_slot(struct scan *scan, const struct fg_node *node, const char *name)
{
	struct fg_scenario_file *file = scan->reader->file;
	struct fg_err err = {0};
	int slot = fg_scope_slot(scan->reader, name, strlen(name));

	if (slot >= 0 || scan->is_full)
		return slot;
	if (file->slot_count >= FG_SCENARIO_SLOTS_MAX) {
		scan->is_full = true;
		fg_reader_fault(scan->reader, node, "more than %d variables",
				FG_SCENARIO_SLOTS_MAX);
		return -1;
	}
	if (fg_reader_failed(scan->reader,
			     FG_VEC_ROOM(file, slot_names, slot_count, slot_capacity,
					 FG_SCENARIO_SLOTS_MAX, &err),
			     &err) ||
	    fg_reader_failed(scan->reader,
			     fg_str_dup(name, &file->slot_names[file->slot_count], &err), &err))
		return -1;
	return (int)file->slot_count++;
}

static void add_name(struct scan *scan, struct fg_scope *scope, const struct fg_node *name,
		     bool is_captured)
{
	int slot = make_slot(scan, name, name->text);

	if (slot < 0)
		return;
	fg_bits_set(&scope->slots, (size_t)slot);
	if (is_captured)
		fg_bits_set(&scope->captured, (size_t)slot);
}

static void add_params(struct scan *scan, const struct fg_node *name, const struct fg_node *flow)
{
	const struct fg_node *params = fg_node_get(flow, "params", NULL);

	if (!params || params->kind != FG_NODE_MAP)
		return;
	for (size_t i = 0; i + 1 < params->count; i += 2) {
		char slot[2 * FG_NAME_MAX_BYTES];
		int len = snprintf(slot, sizeof(slot), "%s.%s", name->text, params->items[i]->text);

		if (len > 0 && (size_t)len < sizeof(slot))
			(void)make_slot(scan, params->items[i], slot);
	}
}

/* -- steps ---------------------------------------------------------------------------------- */

static struct extent scan_steps(struct scan *scan, const struct fg_node *list,
				struct fg_scope *scope, unsigned depth);

static bool is_deep(struct scan *scan, const struct fg_node *node, unsigned depth)
{
	if (depth <= FG_SCENARIO_NESTING_MAX)
		return false;
	scan->scopes->broken = true;
	fg_reader_fault(scan->reader, node, "steps are nested deeper than %d levels",
			FG_SCENARIO_NESTING_MAX);
	return true;
}

static struct extent scan_flow(struct scan *scan, size_t index, unsigned depth)
{
	const struct fg_node *flow = scan->scopes->flow_map->items[2 * index + 1];

	if (scan->marks[index] == UNSEEN) {
		scan->marks[index] = OPEN;
		scan->extents[index] = scan_steps(scan, fg_node_get(flow, "steps", NULL),
						  &scan->scopes->flows[index], depth);
		scan->marks[index] = DONE;
	}
	return scan->extents[index];
}

static struct extent scan_run(struct scan *scan, const struct fg_node *name, struct fg_scope *scope,
			      unsigned depth)
{
	struct extent extent = {0};
	int index = name->kind == FG_NODE_SCALAR ? fg_scope_flow(scan->reader, name->text) : -1;

	if (index < 0)
		return extent;
	fg_bits_set(&scope->flows, (size_t)index);
	if (scan->marks[index] == OPEN) {
		scan->scopes->broken = true;
		fg_reader_fault(scan->reader, name, "flow \"%.60s\" runs itself", name->text);
		return extent;
	}
	extent = scan_flow(scan, (size_t)index, depth + 1);
	(void)is_deep(scan, name, depth + extent.height);
	return extent;
}

static void add_extent(struct extent *sum, struct extent part)
{
	sum->count += part.count;
	sum->height = FG_MAX(sum->height, part.height);
}

static void scan_request(struct scan *scan, const struct fg_node *request, struct fg_scope *scope)
{
	const struct fg_node *captures = fg_node_get(request, "capture", NULL);

	if (!captures || captures->kind != FG_NODE_MAP)
		return;
	for (size_t i = 0; i + 1 < captures->count; i += 2)
		add_name(scan, scope, captures->items[i], true);
}

static struct extent scan_choices(struct scan *scan, const struct fg_node *list,
				  struct fg_scope *scope, unsigned depth)
{
	struct extent sum = {0};

	for (size_t i = 0; list->kind == FG_NODE_LIST && i < list->count; i++)
		add_extent(&sum, scan_steps(scan, fg_node_get(list->items[i], "steps", NULL), scope,
					    depth + 1));
	return sum;
}

/* The steps inside one step; `key` is its kind. */
static struct extent scan_inside(struct scan *scan, const char *key, const struct fg_node *value,
				 struct fg_scope *scope, unsigned depth)
{
	static const char *const lists[] = {"steps", "then", "else"};
	const struct fg_node *variable = fg_node_get(value, "as", NULL);
	struct extent sum = {0};

	if (strcmp(key, "run") == 0)
		return scan_run(scan, value, scope, depth);
	if (strcmp(key, "choose") == 0)
		return scan_choices(scan, value, scope, depth);
	if (strcmp(key, "parallel") == 0)
		return scan_steps(scan, value, scope, depth + 1);
	if (strcmp(key, "loop") == 0 && variable && variable->kind == FG_NODE_SCALAR)
		add_name(scan, scope, variable, false);
	scan_request(scan, value, scope);
	for (size_t i = 0; i < FG_ARRAY_LEN(lists); i++)
		add_extent(&sum,
			   scan_steps(scan, fg_node_get(value, lists[i], NULL), scope, depth + 1));
	return sum;
}

static struct extent scan_steps(struct scan *scan, const struct fg_node *list,
				struct fg_scope *scope, unsigned depth)
{
	struct extent sum = {0};

	if (!list || list->kind != FG_NODE_LIST || scan->reader->fatal ||
	    is_deep(scan, list, depth))
		return sum;
	for (size_t i = 0; i < list->count; i++) {
		const struct fg_node *item = list->items[i];

		for (size_t j = 0; item->kind == FG_NODE_MAP && j + 1 < item->count; j += 2)
			add_extent(&sum, scan_inside(scan, item->items[j]->text, item->items[j + 1],
						     scope, depth));
		sum.count++;
		if (sum.count <= FG_SCENARIO_STEPS_MAX)
			continue;
		if (!scan->scopes->broken)
			fg_reader_fault(scan->reader, item,
					"more than %d steps with every flow in its place",
					FG_SCENARIO_STEPS_MAX);
		scan->scopes->broken = true;
		sum.count = 0;
		break;
	}
	sum.height++;
	return sum;
}

/* -- the whole ------------------------------------------------------------------------------ */

/* Adds what the flows of a scope do, and their flows. */
static void close_scope(const struct fg_scopes *scopes, struct fg_scope *scope)
{
	struct fg_bits seen = {0};

	for (bool changed = true; changed;) {
		changed = false;
		for (size_t i = 0; i < scopes->flow_count; i++) {
			if (!fg_bits_has(&scope->flows, i) || fg_bits_has(&seen, i))
				continue;
			fg_bits_set(&seen, i);
			add_bits(&scope->slots, &scopes->flows[i].slots);
			add_bits(&scope->captured, &scopes->flows[i].captured);
			add_bits(&scope->flows, &scopes->flows[i].flows);
			changed = true;
		}
	}
}

static void close_scopes(struct fg_scopes *scopes)
{
	close_scope(scopes, &scopes->setup);
	close_scope(scopes, &scopes->teardown);
	add_bits(&scopes->all.slots, &scopes->setup.slots);
	add_bits(&scopes->all.slots, &scopes->teardown.slots);
	for (size_t i = 0; i < scopes->scenario_count; i++) {
		close_scope(scopes, &scopes->scenarios[i]);
		add_bits(&scopes->all.slots, &scopes->scenarios[i].slots);
	}
	for (size_t i = 0; i < scopes->flow_count; i++)
		add_bits(&scopes->all.slots, &scopes->flows[i].slots);
}

static void add_globals(struct fg_reader *reader)
{
	struct fg_scenario_file *file = reader->file;

	for (size_t i = 0; i < file->slot_count; i++) {
		struct fg_err err = {0};

		if (!fg_bits_has(&reader->scopes.setup.captured, i))
			continue;
		if (fg_reader_failed(reader,
				     FG_VEC_ROOM(file, globals, global_count, global_capacity,
						 FG_SCENARIO_SLOTS_MAX, &err),
				     &err) ||
		    fg_reader_failed(reader,
				     fg_str_dup(file->slot_names[i],
						&file->globals[file->global_count].name, &err),
				     &err))
			return;
		file->globals[file->global_count++].slot = (uint32_t)i;
	}
}

static void scan_all(struct scan *scan, const struct fg_node *root)
{
	struct fg_scopes *scopes = scan->scopes;
	const struct fg_node *scenarios = fg_node_get(root, "scenarios", NULL);
	const struct fg_node *setup = fg_node_get(root, "setup", NULL);
	const struct fg_node *teardown = fg_node_get(root, "teardown", NULL);

	for (size_t i = 0; i < scopes->flow_count; i++)
		add_params(scan, scopes->flow_map->items[2 * i],
			   scopes->flow_map->items[2 * i + 1]);
	(void)scan_steps(scan, fg_node_get(setup, "steps", NULL), &scopes->setup, 1);
	(void)scan_steps(scan, fg_node_get(teardown, "steps", NULL), &scopes->teardown, 1);
	for (size_t i = 0; i < scopes->scenario_count; i++) {
		const struct fg_node *scenario = scenarios->items[2 * i + 1];
		struct fg_scope *scope = &scopes->scenarios[i];
		const struct fg_node *flow = fg_node_get(scenario, "flow", NULL);

		(void)scan_steps(scan, fg_node_get(scenario, "init", NULL), scope, 1);
		(void)scan_steps(scan, fg_node_get(scenario, "steps", NULL), scope, 1);
		if (flow)
			(void)scan_run(scan, flow, scope, 1);
	}
	for (size_t i = 0; i < scopes->flow_count; i++)
		(void)scan_flow(scan, i, 1);
	close_scopes(scopes);
	add_globals(scan->reader);
}

void fg_scopes_build(struct fg_reader *reader, const struct fg_node *root)
{
	struct fg_scopes *scopes = &reader->scopes;
	struct scan scan = {.reader = reader, .scopes = scopes};
	const struct fg_node *scenarios = fg_node_get(root, "scenarios", NULL);
	const struct fg_node *flows = fg_node_get(root, "flows", NULL);
	struct fg_err err = {0};

	if (flows && flows->kind == FG_NODE_MAP) {
		scopes->flow_map = flows;
		scopes->flow_count = FG_MIN(flows->count / 2, (size_t)FG_FLOWS_MAX);
	}
	if (scenarios && scenarios->kind == FG_NODE_MAP)
		scopes->scenario_count =
			FG_MIN(scenarios->count / 2, (size_t)FG_REGISTRY_SCENARIOS_MAX);
	scopes->flows = calloc(scopes->flow_count + 1, sizeof(*scopes->flows));
	scopes->scenarios = calloc(scopes->scenario_count + 1, sizeof(*scopes->scenarios));
	scan.marks = calloc(scopes->flow_count + 1, sizeof(*scan.marks));
	scan.extents = calloc(scopes->flow_count + 1, sizeof(*scan.extents));
	if (!scopes->flows || !scopes->scenarios || !scan.marks || !scan.extents)
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
	else
		scan_all(&scan, root);
	free(scan.marks);
	free(scan.extents);
}

void fg_scopes_done(struct fg_scopes *scopes)
{
	free(scopes->flows);
	free(scopes->scenarios);
	*scopes = (struct fg_scopes){0};
}

const struct fg_scope *fg_scope_current(const struct fg_reader *reader)
{
	switch (reader->root) {
	case FG_ROOT_SETUP:
		return &reader->scopes.setup;
	case FG_ROOT_TEARDOWN:
		return &reader->scopes.teardown;
	case FG_ROOT_SCENARIO:
		return &reader->scopes.scenarios[reader->scenario_index];
	default:
		return &reader->scopes.all;
	}
}
