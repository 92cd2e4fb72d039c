/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scenario file: faults or a file that registers and renders, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/random.h"
#include "runner/scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fuzz_getenv(const char *name)
{
	return strcmp(name, "BASE_URL") == 0 ? "http://127.0.0.1:1" : NULL;
}

struct running {
	struct fg_expr_env env;
	struct fg_buf out;
};

/* Values are what they are; that they are found is the point. */
static void expand(struct running *running, const struct fg_template *text)
{
	struct fg_value value;
	struct fg_err err;

	fg_buf_clear(&running->out);
	fg_arena_clear(running->env.arena);
	if (fg_template_expand(text, &running->env, &running->out, &err) == 0 &&
	    fg_template_is_constant(text))
		(void)fg_template_value(text, &running->env, &value, &err);
	else if (fg_template_value(text, &running->env, &value, &err) == 0)
		fg_value_print_json(&value, &running->out);
}

static void expand_request(struct running *running, const struct fg_step_http *http)
{
	expand(running, &http->url);
	expand(running, &http->body);
	for (size_t i = 0; i < http->header_count; i++)
		expand(running, &http->headers[i].value);
	for (size_t i = 0; i < http->check_count; i++)
		expand(running, &http->checks[i].condition.operand);
	for (size_t i = 0; i < http->capture_count; i++)
		expand(running, &http->captures[i].standard);
}

static int visit(void *context, const struct fg_visit *visited, struct fg_err *err)
{
	const struct fg_step *step = visited->step;

	(void)err;
	if (step->kind == FG_STEP_HTTP)
		expand_request(context, &step->http);
	else if (step->kind == FG_STEP_LOOP)
		expand(context, &step->loop.operand);
	else if (step->kind == FG_STEP_IF)
		expand(context, &step->condition.when);
	else if (step->kind == FG_STEP_LOG || step->kind == FG_STEP_FAIL)
		expand(context, &step->text.text);
	else if (step->kind == FG_STEP_METRIC)
		expand(context, &step->metric.value);
	else if (step->kind == FG_STEP_RUN)
		abort(); /* flows stand in their places */
	return 0;
}

/* Every text of every step, once, with nothing captured yet. */
static void run_steps(const struct fg_scenario_file *file)
{
	static const char *const run_texts[FG_RUN_TEXT_COUNT];
	const struct fg_data_row **rows = calloc(file->data_count + 1, sizeof(*rows));
	struct fg_slot *slots = calloc(file->slot_count + 1, sizeof(*slots));
	struct fg_slot *globals = calloc(file->global_count + 1, sizeof(*globals));
	struct fg_random random;
	struct fg_arena arena;
	struct running running = {.env = {.slots = slots,
					  .globals = globals,
					  .rows = rows,
					  .run_texts = run_texts,
					  .random = &random,
					  .arena = &arena}};
	struct fg_err err;

	if (!rows || !slots || !globals)
		abort();
	for (size_t i = 0; i < file->data_count; i++)
		rows[i] = &file->data[i].rows[0];
	fg_random_init(&random, 1, 2, 3);
	fg_arena_init(&arena, 1 << 20);
	fg_buf_init(&running.out, 1 << 20);
	(void)fg_steps_walk(file, &file->setup.steps, visit, &running, &err);
	(void)fg_steps_walk(file, &file->teardown.steps, visit, &running, &err);
	for (size_t i = 0; i < file->scenario_count; i++) {
		(void)fg_steps_walk(file, &file->scenarios[i].init, visit, &running, &err);
		(void)fg_steps_walk(file, &file->scenarios[i].steps, visit, &running, &err);
	}
	fg_buf_done(&running.out);
	fg_arena_done(&arena);
	free(rows);
	free(slots);
	free(globals);
}

/* A file that was accepted holds what its readers rely on. */
static void check(const struct fg_scenario_file *file)
{
	struct fg_registry registry;
	struct fg_err err;

	if (!file->resolved_json || strlen(file->hash) != 32 || file->scenario_count == 0)
		abort();
	fg_registry_init(&registry);
	if (fg_scenario_register(file, "null", &registry, &err) == 0 &&
	    registry.scenario_count != file->scenario_count)
		abort();
	fg_registry_done(&registry);
	run_steps(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_scenario_options options = {.getenv_fn = fuzz_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err;
	struct fg_buf out;
	int rc = fg_scenario_parse((const char *)data, size, "fuzz.yaml", &options, &file,
				   &diagnostics, &err);

	if (rc == 0)
		check(file);
	else if (rc == -FG_E_INVALID && diagnostics.count == 0)
		abort();
	fg_buf_init(&out, 1 << 20);
	fg_diagnostics_text(&diagnostics, &out);
	fg_buf_done(&out);
	fg_diagnostics_done(&diagnostics);
	fg_scenario_file_free(file);
	return 0;
}
