/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows: named steps with parameters, run from scenarios, setup, teardown and other flows.
 *
 * A flow is read anew for every scenario that runs it, so that names in it mean what they mean
 * there; scope.c has seen to it that this comes to an end.
 */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { INSTANCES_MAX = 4096, PARAMS_MAX = 256 };

static const struct fg_node *flow_node(const struct fg_reader *reader, int index)
{
	return reader->scopes.flow_map->items[2 * (size_t)index + 1];
}

/* -- definitions ---------------------------------------------------------------------------- */

void fg_read_flow_params(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count / 2 > PARAMS_MAX)
		fg_reader_fault(reader, node, "more than %d params", PARAMS_MAX);
	for (size_t i = 0; i + 1 < node->count; i += 2)
		(void)fg_names_check(reader, node->items[i], "a parameter");
}

/* Read where they run. */
void fg_read_flow_steps(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	(void)owner;
	if (fg_reader_expect(reader, node, FG_NODE_LIST, key->name) && node->count == 0)
		fg_reader_fault(reader, node, "steps is empty; the flow would do nothing");
}

static bool is_run(const struct fg_reader *reader, size_t flow)
{
	const struct fg_scopes *scopes = &reader->scopes;
	bool found = fg_bits_has(&scopes->setup.flows, flow) ||
		     fg_bits_has(&scopes->teardown.flows, flow);

	for (size_t i = 0; i < scopes->scenario_count && !found; i++)
		found = fg_bits_has(&scopes->scenarios[i].flows, flow);
	return found;
}

/* -- instances ------------------------------------------------------------------------------ */

static void read_steps(struct fg_reader *reader, int index, struct fg_steps *ret)
{
	const struct fg_node *node = flow_node(reader, index);
	const struct fg_node *steps = fg_node_get(node, "steps", NULL);
	const struct fg_node *params = fg_node_get(node, "params", NULL);
	const char *outer_flow = reader->flow;
	const struct fg_node *outer_params = reader->params;
	const struct fg_node *outer_item = reader->item;
	const struct fg_bits outer_loops = reader->loops;

	reader->flow = reader->scopes.flow_map->items[2 * (size_t)index]->text;
	reader->params = params && params->kind == FG_NODE_MAP ? params : NULL;
	reader->loops = (struct fg_bits){0};
	reader->item = NULL;
	if (steps && steps->kind == FG_NODE_LIST)
		fg_reader_steps(reader, steps, ret);
	reader->flow = outer_flow;
	reader->params = outer_params;
	reader->loops = outer_loops;
	reader->item = outer_item;
}

/* The flow as the scenario that is being read sees it; -1 without memory. */
static int64_t instance(struct fg_reader *reader, int index)
{
	struct fg_scenario_file *file = reader->file;
	struct fg_flow flow = {0};
	struct fg_err err = {0};
	const struct fg_node *name = reader->scopes.flow_map->items[2 * (size_t)index];

	for (size_t i = reader->first_instance; i < file->flow_count; i++)
		if (strcmp(file->flows[i].name, name->text) == 0)
			return (int64_t)i;
	flow.place = fg_reader_place(reader, name);
	if (fg_reader_failed(reader, fg_str_dup(name->text, &flow.name, &err), &err))
		return -1;
	read_steps(reader, index, &flow.steps);
	if (reader->fatal || fg_reader_failed(reader,
					      FG_VEC_ROOM(file, flows, flow_count, flow_capacity,
							  INSTANCES_MAX, &err),
					      &err)) {
		free(flow.name);
		fg_steps_done(&flow.steps);
		return -1;
	}
	file->flows[file->flow_count] = flow;
	return (int64_t)file->flow_count++;
}

void fg_reader_enter(struct fg_reader *reader, enum fg_root root, size_t scenario_index)
{
	reader->root = root;
	reader->scenario_index = scenario_index;
	reader->first_instance = reader->file->flow_count;
}

void fg_read_flows(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	(void)owner;
	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count / 2 > FG_FLOWS_MAX)
		fg_reader_fault(reader, node, "more than %d flows", FG_FLOWS_MAX);
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		(void)fg_names_check(reader, node->items[i], "a flow");
		fg_reader_object(reader, node->items[i + 1], key->table, NULL);
	}
	/* One that nobody runs is still checked. */
	fg_reader_enter(reader, FG_ROOT_FILE, 0);
	for (size_t i = 0; i < reader->scopes.flow_count && !reader->fatal; i++)
		if (!is_run(reader, i) && !reader->scopes.broken)
			(void)instance(reader, (int)i);
}

/* -- run ------------------------------------------------------------------------------------ */

static void report_flow(struct fg_reader *reader, const struct fg_node *node)
{
	enum { SHOWN_MAX = 256 };
	const struct fg_node *map = reader->scopes.flow_map;
	const char *names[SHOWN_MAX];
	size_t count = 0;

	for (size_t i = 0; map && i + 1 < map->count && count < SHOWN_MAX; i += 2)
		names[count++] = map->items[i]->text;
	const char *near = fg_str_nearest(node->text, names, count);

	fg_reader_fault(reader, node, "no flow is named \"%.60s\"%s%s%s", node->text,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static void report_param(struct fg_reader *reader, const struct fg_node *key, const char *flow,
			 const struct fg_node *params)
{
	const char *names[PARAMS_MAX];
	size_t count = 0;

	for (size_t i = 0; params && i + 1 < params->count && count < PARAMS_MAX; i += 2)
		names[count++] = params->items[i]->text;
	const char *near = fg_str_nearest(key->text, names, count);

	fg_reader_fault(reader, key, "flow \"%s\" has no parameter \"%.60s\"%s%s%s", flow,
			key->text, near ? "; did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
}

static void add_argument(struct fg_reader *reader, const struct fg_node *at, const char *flow,
			 const char *name, const struct fg_node *value, struct fg_step_run *run)
{
	int slot = fg_scope_param(reader, flow, name, strlen(name));
	struct fg_err err = {0};

	if (!value || (fg_node_is_nothing(value) && value->text[0] == '\0')) {
		fg_reader_fault(reader, at, "flow \"%s\" needs with: { %s: … }", flow, name);
		return;
	}
	if (slot < 0 || fg_reader_failed(reader,
					 FG_VEC_ROOM(run, arguments, argument_count,
						     argument_capacity, PARAMS_MAX, &err),
					 &err))
		return;
	struct fg_argument *argument = &run->arguments[run->argument_count++];

	argument->slot = (uint32_t)slot;
	fg_template_read_value(reader, value, &argument->value);
}

static void read_arguments(struct fg_reader *reader, const struct fg_node *node, int index,
			   struct fg_step_run *run)
{
	const struct fg_node *params = fg_node_get(flow_node(reader, index), "params", NULL);
	const struct fg_node *with = reader->item ? fg_node_get(reader->item, "with", NULL) : NULL;

	if (params && params->kind != FG_NODE_MAP)
		params = NULL;
	if (with && !fg_reader_expect(reader, with, FG_NODE_MAP, "with"))
		with = NULL;
	for (size_t i = 0; with && i + 1 < with->count; i += 2)
		if (!fg_node_get(params, with->items[i]->text, NULL))
			report_param(reader, with->items[i], node->text, params);
	for (size_t i = 0; params && i + 1 < params->count && i / 2 < PARAMS_MAX; i += 2) {
		const char *name = params->items[i]->text;
		const struct fg_node *given = fg_node_get(with, name, NULL);

		add_argument(reader, node, node->text, name, given ? given : params->items[i + 1],
			     run);
	}
}

void fg_read_run_step(struct fg_reader *reader, const struct fg_key *key,
		      const struct fg_node *node, void *owner)
{
	struct fg_step step = {.kind = FG_STEP_RUN, .place = fg_reader_place(reader, node)};

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	int index = fg_scope_flow(reader, node->text);

	if (index < 0) {
		report_flow(reader, node);
		return;
	}
	read_arguments(reader, node, index, &step.run);
	int64_t flow = reader->scopes.broken ? -1 : instance(reader, index);

	step.run.flow = (uint32_t)flow;
	fg_reader_push_step(reader, flow < 0 ? NULL : owner, &step);
}

/* Only reached where no run stands beside it. */
void fg_read_with(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		  void *owner)
{
	(void)owner;
	fg_reader_fault(reader, node, "%s stands beside run: { run: FLOW, with: { … } }",
			key->name);
}

/* -- setup, teardown, a scenario's flow ----------------------------------------------------- */

void fg_read_block(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	struct fg_block *block = fg_key_field(key, owner);
	bool is_setup = strcmp(key->name, "setup") == 0;
	const struct fg_node *steps = fg_node_get(node, "steps", NULL);

	fg_reader_enter(reader, is_setup ? FG_ROOT_SETUP : FG_ROOT_TEARDOWN, 0);
	fg_reader_object(reader, node, key->table, block);
	fg_reader_enter(reader, FG_ROOT_FILE, 0);
	if (steps && steps->kind == FG_NODE_LIST && steps->count == 0)
		fg_reader_fault(reader, steps, "steps is empty; leave %s out", key->name);
	if (block)
		block->present = true;
}

void fg_read_scenario_flow(struct fg_reader *reader, const struct fg_key *key,
			   const struct fg_node *node, void *owner)
{
	struct fg_scenario *scenario = owner;

	reader->item = NULL;
	fg_read_run_step(reader, key, node, scenario ? &scenario->steps : NULL);
}
