/* SPDX-License-Identifier: Apache-2.0 */
/* Scenarios: fields by executor, stages, and k6's rules (reference/load-tools.md §1). */
#include "runner/scenario/reader.h"

#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { STAGES_MAX = 10000, RATE_PER_S_MAX = 10000000, ENV_MAX = 256 };

/* What a person meant who wrote a field of another executor. */
static const struct {
	const char *field;
	unsigned executors;
	const char *instead;
} meant[] = {
	{"vus", 1 << FG_EXEC_RAMPING_VUS, "startVUs"},
	{"vus", 1 << FG_EXEC_CONSTANT_ARRIVAL_RATE | 1 << FG_EXEC_RAMPING_ARRIVAL_RATE,
	 "preAllocatedVUs"},
	{"startVUs", 1 << FG_EXEC_CONSTANT_ARRIVAL_RATE | 1 << FG_EXEC_RAMPING_ARRIVAL_RATE,
	 "preAllocatedVUs"},
	{"startVUs", ~0u, "vus"},
	{"preAllocatedVUs", 1 << FG_EXEC_RAMPING_VUS, "startVUs"},
	{"preAllocatedVUs", ~0u, "vus"},
	{"maxVUs", 1 << FG_EXEC_RAMPING_VUS, "stages"},
	{"maxVUs", ~0u, "vus"},
	{"rate", 1 << FG_EXEC_RAMPING_ARRIVAL_RATE, "startRate"},
	{"startRate", 1 << FG_EXEC_CONSTANT_ARRIVAL_RATE, "rate"},
	{"duration", 1 << FG_EXEC_RAMPING_VUS | 1 << FG_EXEC_RAMPING_ARRIVAL_RATE, "stages"},
	{"duration", 1 << FG_EXEC_SHARED_ITERATIONS | 1 << FG_EXEC_PER_VU_ITERATIONS,
	 "maxDuration"},
	{"maxDuration", 1 << FG_EXEC_CONSTANT_VUS | 1 << FG_EXEC_CONSTANT_ARRIVAL_RATE, "duration"},
	{"gracefulRampDown", ~0u, "gracefulStop"},
};

static const char *find_instead(const char *field, unsigned bit)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(meant); i++)
		if (strcmp(meant[i].field, field) == 0 && (meant[i].executors & bit))
			return meant[i].instead;
	return NULL;
}

static void check_fields(struct fg_reader *reader, const struct fg_node *node,
			 enum fg_executor executor)
{
	const struct fg_table *table = &fg_schema_scenario;
	const char *name = fg_executor_names[executor];
	unsigned bit = 1u << executor;

	for (size_t i = 0; i < table->count; i++) {
		const struct fg_key *key = &table->keys[i];
		struct fg_node *at = NULL;
		bool is_there = fg_node_get(node, key->name, &at) != NULL;

		if (is_there && key->executors && !(key->executors & bit)) {
			const char *instead = find_instead(key->name, bit);

			fg_reader_fault(reader, at, "%s is not a field of %s%s%s%s", key->name,
					name, instead ? "; did you mean " : "",
					instead ? instead : "", instead ? "?" : "");
		}
		if (!is_there && (key->required_by & bit))
			fg_reader_fault(reader, node, "%s needs \"%s\"", name, key->name);
	}
}

/* -- stages --------------------------------------------------------------------------------- */

void fg_read_stages(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_scenario *scenario = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node, "stages is empty; it needs at least one");
	size_t before = fg_diag_count(reader->diagnostics);

	if (node->count > STAGES_MAX) {
		fg_reader_fault(reader, node, "more than %d stages", STAGES_MAX);
		return;
	}
	for (size_t i = 0; i < node->count && !reader->fatal; i++) {
		struct fg_stage stage = {0};
		struct fg_err err = {0};

		fg_reader_object(reader, node->items[i], key->table, &stage);
		if (!scenario || fg_reader_failed(reader,
						  FG_VEC_ROOM(scenario, stages, stage_count,
							      stage_capacity, STAGES_MAX, &err),
						  &err))
			continue;
		scenario->stages[scenario->stage_count++] = stage;
		scenario->duration_ns += stage.duration_ns;
	}
	/* A faulty stage says nothing about the whole ramp. */
	if (scenario && fg_diag_count(reader->diagnostics) != before)
		scenario->stage_count = 0;
}

static void check_ramp(struct fg_reader *reader, const struct fg_node *node,
		       const struct fg_scenario *scenario)
{
	const struct fg_node *stages = fg_node_get(node, "stages", NULL);
	bool is_vus = scenario->executor == FG_EXEC_RAMPING_VUS;
	uint64_t most = is_vus ? scenario->start_vus : scenario->start_rate;

	if (!stages || stages->kind != FG_NODE_LIST || scenario->stage_count == 0)
		return;
	for (size_t i = 0; i < scenario->stage_count; i++) {
		const struct fg_node *target = fg_node_get(stages->items[i], "target", NULL);

		most = FG_MAX(most, scenario->stages[i].target);
		if (target && is_vus && scenario->stages[i].target > FG_SCENARIO_VUS_MAX)
			fg_reader_fault(reader, target, "target must be at most %d VUs",
					FG_SCENARIO_VUS_MAX);
	}
	if (scenario->duration_ns == 0)
		fg_reader_fault(reader, stages, "all stages together last 0s");
	else if (most == 0)
		fg_reader_fault(reader, stages, "no stage ever has %s above 0",
				is_vus ? "VUs" : "a rate");
}

/* -- k6's rules ----------------------------------------------------------------------------- */

static void check_arrival(struct fg_reader *reader, const struct fg_node *node,
			  struct fg_scenario *scenario)
{
	const struct fg_node *max_vus = fg_node_get(node, "maxVUs", NULL);
	const struct fg_node *at = fg_node_get(node, "rate", NULL);
	uint64_t rate = FG_MAX(scenario->rate, scenario->start_rate);

	for (size_t i = 0; i < scenario->stage_count; i++)
		rate = FG_MAX(rate, scenario->stages[i].target);
	if (!max_vus)
		scenario->max_vus = scenario->pre_allocated_vus;
	else if (scenario->max_vus < scenario->pre_allocated_vus)
		fg_reader_fault(reader, max_vus, "maxVUs is below preAllocatedVUs");
	if (scenario->max_vus == 0 && fg_node_get(node, "preAllocatedVUs", NULL))
		fg_reader_fault(reader, max_vus ? max_vus : node,
				"with no VU at all nothing can run; set maxVUs");
	if (scenario->time_unit_ns &&
	    (double)rate * (double)FG_NS_PER_S / (double)scenario->time_unit_ns > RATE_PER_S_MAX)
		fg_reader_fault(reader, at ? at : node, "more than %d iterations per second",
				RATE_PER_S_MAX);
}

static int find_request(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	bool *found = context;

	(void)err;
	*found = *found || visit->step->kind == FG_STEP_HTTP;
	return 0;
}

static bool sends_something(const struct fg_reader *reader, const struct fg_scenario *scenario)
{
	bool found = false;

	return fg_steps_walk(reader->file, &scenario->steps, find_request, &found, NULL) != 0 ||
	       found;
}

static void check_steps(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_scenario *scenario)
{
	const struct fg_node *steps = fg_node_get(node, "steps", NULL);
	struct fg_node *flow = NULL;

	(void)fg_node_get(node, "flow", &flow);
	if (flow && steps)
		fg_reader_fault(reader, flow,
				"\"steps\" and \"flow\" exclude each other; keep one");
	if (!steps && !flow)
		fg_reader_fault(reader, node, "a scenario needs \"steps\" or \"flow\"");
	if (steps && steps->kind == FG_NODE_LIST && steps->count == 0)
		fg_reader_fault(reader, steps, "steps is empty; an iteration would do nothing");
	/* Only where everything was read: a request with a fault is one all the same. */
	if ((steps || flow) && !reader->scopes.broken && fg_diag_count(reader->diagnostics) == 0 &&
	    !sends_something(reader, scenario))
		fg_reader_fault(reader, steps ? steps : flow, "no step sends a request");
}

void fg_validate_scenario(struct fg_reader *reader, const struct fg_node *node,
			  struct fg_scenario *scenario)
{
	const struct fg_node *warmup = fg_node_get(node, "warmup", NULL);
	const struct fg_node *iterations = fg_node_get(node, "iterations", NULL);

	check_fields(reader, node, scenario->executor);
	switch (scenario->executor) {
	case FG_EXEC_SHARED_ITERATIONS:
		if (!iterations)
			scenario->iterations = FG_MAX(scenario->iterations, scenario->vus);
		else if (scenario->iterations < scenario->vus)
			fg_reader_fault(reader, iterations,
					"iterations is below vus: some VUs would have nothing");
		break;
	case FG_EXEC_RAMPING_ARRIVAL_RATE:
		check_ramp(reader, node, scenario);
		FG_FALLTHROUGH;
	case FG_EXEC_CONSTANT_ARRIVAL_RATE:
		check_arrival(reader, node, scenario);
		break;
	case FG_EXEC_RAMPING_VUS:
		check_ramp(reader, node, scenario);
		break;
	default:
		break;
	}
	if (warmup && scenario->duration_ns && scenario->warmup_ns >= scenario->duration_ns)
		fg_reader_fault(reader, warmup,
				"warmup must be shorter than the scenario, or nothing is measured");
	check_steps(reader, node, scenario);
}

/* -- the map of scenarios ------------------------------------------------------------------- */

/* Values stay as they are: a secret in it is sent, not shown. */
void fg_read_scenario_env(struct fg_reader *reader, const struct fg_key *key,
			  const struct fg_node *node, void *owner)
{
	struct fg_scenario *scenario = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count / 2 > ENV_MAX) {
		fg_reader_fault(reader, node, "more than %d variables", ENV_MAX);
		return;
	}
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		const struct fg_node *name = node->items[i];
		const struct fg_node *value = node->items[i + 1];
		struct fg_err err = {0};

		if (value->kind != FG_NODE_SCALAR) {
			(void)fg_reader_expect(reader, value, FG_NODE_SCALAR, name->text);
			continue;
		}
		FG_AUTO_FREE char *text = fg_template_text(reader, value, FG_TEXT_CONSTANT, NULL);

		if (!name->text[0] || strchr(name->text, '='))
			fg_reader_fault(reader, name, "\"%.60s\" is not a variable's name",
					name->text);
		else if (text && scenario)
			(void)fg_reader_failed(
				reader, fg_tags_add(&scenario->env, name->text, text, &err), &err);
	}
}

static void check_name(struct fg_reader *reader, const struct fg_node *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";

	if (name->text[0] == '\0' || name->text[strspn(name->text, allowed)] != '\0')
		fg_reader_fault(reader, name,
				"the name of a scenario has letters, digits, _ and - only");
}

static void read_scenario(struct fg_reader *reader, const struct fg_node *name,
			  const struct fg_node *node, struct fg_scenario *scenario)
{
	const struct fg_node *executor = fg_node_get(node, "executor", NULL);
	bool is_known = false;
	struct fg_err err = {0};

	scenario->place = fg_reader_place(reader, name);
	check_name(reader, name);
	if (fg_reader_failed(reader, fg_str_dup(name->text, &scenario->name, &err), &err))
		return;
	fg_reader_enter(reader, FG_ROOT_SCENARIO, reader->file->scenario_count - 1);
	reader->env = &scenario->env;
	fg_reader_defaults(reader, &fg_schema_scenario, scenario);
	fg_reader_object(reader, node, &fg_schema_scenario, scenario);
	reader->env = NULL;
	fg_reader_enter(reader, FG_ROOT_FILE, 0);
	for (size_t i = 0; executor && i < FG_EXEC_COUNT; i++)
		if (executor->kind == FG_NODE_SCALAR &&
		    strcmp(fg_executor_names[i], executor->text) == 0)
			is_known = true;
	if (is_known)
		fg_validate_scenario(reader, node, scenario);
}

void fg_read_scenarios(struct fg_reader *reader, const struct fg_key *key,
		       const struct fg_node *node, void *owner)
{
	struct fg_scenario_file *file = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count == 0)
		fg_reader_fault(reader, node, "scenarios is empty; it needs at least one");
	if (node->count / 2 > FG_REGISTRY_SCENARIOS_MAX) {
		fg_reader_fault(reader, node, "more than %d scenarios", FG_REGISTRY_SCENARIOS_MAX);
		return;
	}
	for (size_t i = 0; i + 1 < node->count && !reader->fatal; i += 2) {
		struct fg_err err = {0};

		if (fg_reader_failed(reader,
				     FG_VEC_ROOM(file, scenarios, scenario_count, scenario_capacity,
						 FG_REGISTRY_SCENARIOS_MAX, &err),
				     &err))
			return;
		read_scenario(reader, node->items[i], node->items[i + 1],
			      &file->scenarios[file->scenario_count++]);
	}
}
