/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/program.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "runner/load/plan.h"
#include "runner/load/program_request.h"

/* A walk over the tree that writes instructions. */
struct compiler {
	struct fg_program *program;
	const struct fg_registry *registry; /* NULL: nothing is counted */
	const char *target_url;
	struct fg_buf group; /* "::outer::inner" of where we are */
	unsigned nesting, frames;
};

static int compile_steps(struct compiler *c, const struct fg_steps *steps, struct fg_err *err);

/* -- looking up ---------------------------------------------------------------------------------
 */

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static const char *group_path(const struct compiler *c)
{
	return c->group.len ? c->group.data : "";
}

static int not_registered(const char *what, const char *name, struct fg_err *err)
{
	return fg_err_set(err, FG_E_INTERNAL, "%s \"%s\" is not registered", what, name);
}

static int find_class(const struct compiler *c, const struct fg_step_http *http, uint32_t *ret,
		      struct fg_err *err)
{
	for (size_t i = 0; i < c->registry->class_count; i++) {
		const struct fg_class *class = &c->registry->classes[i];

		if (class->scenario == c->program->scenario_index &&
		    same_text(class->name, http->name) && same_text(class->group, group_path(c))) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return not_registered("step", http->name, err);
}

static int find_check(const struct compiler *c, uint32_t class_index, const char *name,
		      uint32_t *ret, struct fg_err *err)
{
	for (size_t i = 0; i < c->registry->check_count; i++) {
		if (c->registry->checks[i].class_index == class_index &&
		    same_text(c->registry->checks[i].name, name)) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return not_registered("check", name, err);
}

static int find_group(const struct compiler *c, uint32_t *ret, struct fg_err *err)
{
	for (size_t i = 0; i < c->registry->group_count; i++) {
		if (c->registry->groups[i].scenario == c->program->scenario_index &&
		    same_text(c->registry->groups[i].path, group_path(c))) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return not_registered("group", group_path(c), err);
}

static int find_custom(const struct compiler *c, const char *name, uint32_t *ret,
		       struct fg_err *err)
{
	for (size_t i = 0; i < c->registry->custom_count; i++) {
		const struct fg_custom *custom = &c->registry->customs[i];

		if (custom->scenario == c->program->scenario_index &&
		    same_text(custom->name, name) && same_text(custom->group, group_path(c))) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return not_registered("metric", name, err);
}

/* -- which data sets are looked at --------------------------------------------------------------
 */

static void note_template(struct fg_program *program, const struct fg_template *text)
{
	for (size_t i = 0; i < text->part_count; i++) {
		if (text->parts[i].kind == FG_PART_EXPR)
			program->data_sets |= fg_expr_data_sets(text->parts[i].expr);
	}
}

static void note_request(struct fg_program *program, const struct fg_step_http *http)
{
	const struct fg_auth *auth = &http->http.auth;

	note_template(program, &http->url);
	note_template(program, &http->body);
	note_template(program, &auth->user);
	note_template(program, &auth->password);
	note_template(program, &auth->session_token);
	for (size_t i = 0; i < http->header_count; i++)
		note_template(program, &http->headers[i].value);
	for (size_t i = 0; i < http->check_count; i++)
		note_template(program, &http->checks[i].condition.operand);
	for (size_t i = 0; i < http->expect_count; i++)
		note_template(program, &http->expects[i].operand);
	for (size_t i = 0; i < http->capture_count; i++)
		note_template(program, &http->captures[i].standard);
}

/* -- instructions ------------------------------------------------------------------------------ */

static uint32_t here(const struct compiler *c)
{
	return (uint32_t)c->program->code_count;
}

static int emit(struct compiler *c, const struct fg_op *op, struct fg_err *err)
{
	struct fg_program *program = c->program;
	int rc = FG_VEC_ROOM(program, code, code_count, code_capacity, FG_PROGRAM_CODE_MAX, err);

	if (rc)
		return fg_err_wrap(err, "steps with all flows in their places");
	program->code[program->code_count++] = *op;
	return 0;
}

static int count_request(const struct compiler *c, struct fg_program_request *request,
			 struct fg_err *err)
{
	const struct fg_step_http *http = request->http;
	int rc = find_class(c, http, &request->class_index, err);

	if (rc)
		return rc;
	request->check_indices = calloc(http->check_count + 1, sizeof(*request->check_indices));
	if (!request->check_indices)
		return fg_err_nomem(err);
	for (size_t i = 0; !rc && i < http->check_count; i++)
		rc = find_check(c, request->class_index, http->checks[i].name,
				&request->check_indices[i], err);
	return rc;
}

static int add_request(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	struct fg_program *program = c->program;
	struct fg_program_request *request;
	int rc = FG_VEC_ROOM(program, requests, request_count, request_capacity,
			     FG_PROGRAM_CODE_MAX, err);

	if (rc)
		return rc;
	request = &program->requests[program->request_count++];
	memset(request, 0, sizeof(*request));
	rc = fg_program_request_init(request, step, c->target_url, err);
	if (!rc && c->registry)
		rc = count_request(c, request, err);
	if (rc)
		return rc;
	note_request(program, &step->http);
	program->headers_max = FG_MAX(program->headers_max, request->header_count);
	if (!program->has_request) {
		program->has_request = true;
		program->first_class = request->class_index;
		program->connection = step->http.http.connection;
	}
	return 0;
}

static int compile_request(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_op op = {.kind = FG_DO_REQUEST,
				 .index = (uint32_t)c->program->request_count,
				 .count = 1,
				 .step = step};
	int rc = add_request(c, step, err);

	return rc ? rc : emit(c, &op, err);
}

static int compile_parallel(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_steps *steps = &step->parallel.steps;
	const struct fg_op op = {.kind = FG_DO_REQUEST,
				 .index = (uint32_t)c->program->request_count,
				 .count = (uint32_t)steps->count,
				 .step = step};
	int rc = 0;

	if (!steps->count)
		return 0;
	if (steps->count > FG_PARALLEL_MAX)
		return fg_err_set(err, FG_E_LIMIT, "parallel: more than %d requests",
				  FG_PARALLEL_MAX);
	for (size_t i = 0; !rc && i < steps->count; i++) {
		if (steps->items[i].kind != FG_STEP_HTTP)
			return fg_err_set(err, FG_E_INVALID, "parallel: requests only");
		rc = add_request(c, &steps->items[i], err);
	}
	c->program->width = FG_MAX(c->program->width, (unsigned)steps->count);
	return rc ? rc : emit(c, &op, err);
}

static int compile_group(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const size_t outer = c->group.len;
	struct fg_op op = {.kind = FG_DO_GROUP_BEGIN, .index = FG_INDEX_NONE, .step = step};
	int rc;

	fg_buf_add_str(&c->group, "::");
	fg_buf_add_str(&c->group, step->group.name);
	if ((rc = fg_buf_check(&c->group, err)) ||
	    (c->registry && (rc = find_group(c, &op.index, err))))
		return rc;
	c->program->depth = FG_MAX(c->program->depth, ++c->frames);
	rc = emit(c, &op, err);
	if (!rc)
		rc = compile_steps(c, &step->group.steps, err);
	op.kind = FG_DO_GROUP_END;
	if (!rc)
		rc = emit(c, &op, err);
	c->frames--;
	c->group.len = outer;
	if (c->group.data)
		c->group.data[outer] = '\0';
	return rc;
}

static int compile_loop(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	struct fg_op op = {.kind = FG_DO_LOOP_BEGIN, .step = step};
	uint32_t next;
	int rc;

	note_template(c->program, &step->loop.operand);
	c->program->depth = FG_MAX(c->program->depth, ++c->frames);
	rc = emit(c, &op, err);
	next = here(c);
	op.kind = FG_DO_LOOP_NEXT;
	if (rc || (rc = emit(c, &op, err)) || (rc = compile_steps(c, &step->loop.steps, err)))
		return rc;
	op = (struct fg_op){.kind = FG_DO_JUMP, .to = next, .step = step};
	rc = emit(c, &op, err);
	c->program->code[next].to = here(c);
	c->frames--;
	return rc;
}

static int compile_if(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const uint32_t unless = here(c);
	struct fg_op op = {.kind = FG_DO_UNLESS, .step = step};
	uint32_t jump;
	int rc;

	note_template(c->program, &step->condition.when);
	if ((rc = emit(c, &op, err)) || (rc = compile_steps(c, &step->condition.then, err)))
		return rc;
	jump = here(c);
	op.kind = FG_DO_JUMP;
	if (step->condition.otherwise.count && (rc = emit(c, &op, err)))
		return rc;
	c->program->code[unless].to = here(c);
	if (!step->condition.otherwise.count)
		return 0;
	rc = compile_steps(c, &step->condition.otherwise, err);
	c->program->code[jump].to = here(c);
	return rc;
}

static int reserve_targets(struct fg_program *program, size_t count, uint32_t *ret_first,
			   struct fg_err *err)
{
	*ret_first = (uint32_t)program->target_count;
	for (size_t i = 0; i < count; i++) {
		int rc = FG_VEC_ROOM(program, targets, target_count, target_capacity,
				     FG_PROGRAM_CODE_MAX, err);

		if (rc)
			return rc;
		program->targets[program->target_count++] = 0;
	}
	return 0;
}

static int compile_choose(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_step_choose *choose = &step->choose;
	struct fg_op op = {.kind = FG_DO_CHOOSE, .step = step, .count = (uint32_t)choose->count};
	const uint32_t jump_to_here = FG_INDEX_NONE; /* patched below */
	const uint32_t begin = here(c);
	uint32_t end;
	int rc;

	if (!choose->count)
		return 0;
	if ((rc = reserve_targets(c->program, choose->count, &op.index, err)) ||
	    (rc = emit(c, &op, err)))
		return rc;
	for (size_t i = 0; i < choose->count; i++) {
		const struct fg_op jump = {.kind = FG_DO_JUMP, .to = jump_to_here, .step = step};

		c->program->targets[op.index + i] = here(c);
		rc = compile_steps(c, &choose->items[i].steps, err);
		if (!rc)
			rc = emit(c, &jump, err);
		if (rc)
			return rc;
	}
	end = here(c);
	for (uint32_t i = begin; i < end; i++) {
		struct fg_op *jump = &c->program->code[i];

		if (jump->kind == FG_DO_JUMP && jump->step == step && jump->to == jump_to_here)
			jump->to = end;
	}
	return 0;
}

static int compile_run(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_step_run *run = &step->run;
	const struct fg_op op = {.kind = FG_DO_ASSIGN, .step = step};
	int rc;

	if (run->flow >= c->program->file->flow_count)
		return fg_err_set(err, FG_E_INTERNAL, "run: no flow %u", run->flow);
	for (size_t i = 0; i < run->argument_count; i++)
		note_template(c->program, &run->arguments[i].value);
	if (run->argument_count && (rc = emit(c, &op, err)))
		return rc;
	return compile_steps(c, &c->program->file->flows[run->flow].steps, err);
}

static int compile_metric(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	struct fg_op op = {.kind = FG_DO_METRIC, .index = FG_INDEX_NONE, .step = step};
	int rc = c->registry ? find_custom(c, step->metric.name, &op.index, err) : 0;

	note_template(c->program, &step->metric.value);
	return rc ? rc : emit(c, &op, err);
}

static int compile_text(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_op op = {.kind = step->kind == FG_STEP_FAIL ? FG_DO_FAIL : FG_DO_LOG,
				 .step = step};

	note_template(c->program, &step->text.text);
	return emit(c, &op, err);
}

static int compile_think(struct compiler *c, const struct fg_step *step, struct fg_err *err)
{
	const struct fg_op op = {.kind = FG_DO_THINK, .step = step};

	return emit(c, &op, err);
}

static int (*const compile_kind[])(struct compiler *c, const struct fg_step *step,
				   struct fg_err *err) = {
	[FG_STEP_HTTP] = compile_request,  [FG_STEP_THINK] = compile_think,
	[FG_STEP_GROUP] = compile_group,   [FG_STEP_LOOP] = compile_loop,
	[FG_STEP_IF] = compile_if,         [FG_STEP_CHOOSE] = compile_choose,
	[FG_STEP_RUN] = compile_run,       [FG_STEP_PARALLEL] = compile_parallel,
	[FG_STEP_LOG] = compile_text,      [FG_STEP_FAIL] = compile_text,
	[FG_STEP_METRIC] = compile_metric,
};

static int compile_steps(struct compiler *c, const struct fg_steps *steps, struct fg_err *err)
{
	int rc = 0;

	if (++c->nesting > FG_SCENARIO_NESTING_MAX + 1)
		return fg_err_set(err, FG_E_LIMIT, "steps nested more than %d deep",
				  FG_SCENARIO_NESTING_MAX);
	for (size_t i = 0; !rc && i < steps->count; i++) {
		const struct fg_step *step = &steps->items[i];

		rc = compile_kind[step->kind](c, step, err);
		if (rc && err && !err->line && step->place.line)
			fg_err_at(err, step->place.file, step->place.line, step->place.column);
	}
	c->nesting--;
	return rc;
}

static int compile_list(struct compiler *c, const struct fg_steps *steps, struct fg_err *err)
{
	const struct fg_op end = {.kind = FG_DO_END};
	int rc = compile_steps(c, steps, err);

	return rc ? rc : emit(c, &end, err);
}

/* The iteration, and init behind it, whose requests are counted nowhere. */
static int compile_scenario(struct compiler *c, const struct fg_scenario *scenario,
			    struct fg_err *err)
{
	int rc = compile_list(c, &scenario->steps, err);

	c->program->init_start = here(c);
	c->registry = NULL;
	if (!rc && scenario->init.count)
		rc = compile_list(c, &scenario->init, err);
	return rc;
}

static int program_new(const struct fg_scenario_file *file, struct fg_program **ret,
		       struct fg_err *err)
{
	struct fg_program *program = calloc(1, sizeof(*program));

	if (!program)
		return fg_err_nomem(err);
	program->file = file;
	program->width = 1;
	*ret = program;
	return 0;
}

int fg_program_new(const struct fg_scenario_file *file, size_t scenario_index,
		   const struct fg_registry *registry, const char *target_url,
		   struct fg_program **ret, struct fg_err *err)
{
	const struct fg_scenario *scenario = &file->scenarios[scenario_index];
	struct compiler c = {.registry = registry, .target_url = target_url};
	int rc = program_new(file, &c.program, err);

	if (rc)
		return rc;
	c.program->scenario = scenario;
	c.program->scenario_index = (uint32_t)scenario_index;
	fg_buf_init(&c.group, FG_SCENARIO_FILE_MAX);
	rc = compile_scenario(&c, scenario, err);
	fg_buf_done(&c.group);
	if (rc) {
		fg_program_free(c.program);
		return fg_err_wrap(err, "scenario %s", scenario->name);
	}
	*ret = c.program;
	return 0;
}

int fg_program_new_block(const struct fg_scenario_file *file, const struct fg_steps *steps,
			 const char *target_url, struct fg_program **ret, struct fg_err *err)
{
	struct compiler c = {.target_url = target_url};
	int rc = program_new(file, &c.program, err);

	if (rc)
		return rc;
	fg_buf_init(&c.group, FG_SCENARIO_FILE_MAX);
	rc = compile_list(&c, steps, err);
	c.program->init_start = here(&c);
	fg_buf_done(&c.group);
	if (rc)
		fg_program_free(c.program);
	else
		*ret = c.program;
	return rc;
}

void fg_program_free(struct fg_program *program)
{
	if (!program)
		return;
	for (size_t i = 0; i < program->request_count; i++)
		fg_program_request_done(&program->requests[i]);
	free(program->requests);
	free(program->targets);
	free(program->code);
	free(program);
}

void fg_program_share_data(struct fg_program *const *programs, size_t count)
{
	uint64_t vus[FG_DATA_SETS_MAX] = {0};
	uint64_t used = 0, several = 0, first_vu = 0;

	for (size_t i = 0; i < count; i++) {
		const uint64_t own = fg_plan_max_vus(programs[i]->scenario);

		several |= used & programs[i]->data_sets;
		used |= programs[i]->data_sets;
		programs[i]->first_vu = first_vu;
		first_vu += own;
		memcpy(programs[i]->data_first, vus, sizeof(vus));
		for (size_t set = 0; set < FG_DATA_SETS_MAX; set++)
			vus[set] += programs[i]->data_sets >> set & 1 ? own : 0;
	}
	for (size_t i = 0; i < count; i++) {
		programs[i]->data_alone = programs[i]->data_sets & ~several;
		memcpy(programs[i]->data_vus, vus, sizeof(vus));
	}
}
