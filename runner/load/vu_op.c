/* SPDX-License-Identifier: Apache-2.0 */
/* One function per kind of instruction. Each moves pc before anything can wait. */
#include "runner/load/vu_internal.h"

#include <string.h>

#include "runner/load/think.h"

static void fail(struct fg_vu *vu, const struct fg_op *op, const char *what, struct fg_err *err)
{
	(void)fg_err_wrap(err, "%s", what);
	fg_vu_fail(vu, op->step, err);
}

static void op_request(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	vu->pc++;
	fg_vu_send(vu, op, now_ns);
}

static void op_think(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const uint64_t think_ns = fg_think_ns(&vu->random, &op->step->think);

	(void)now_ns;
	vu->pc++;
	if (think_ns)
		fg_vu_think_until(vu, vu->due_ns + think_ns);
}

static void op_jump(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	(void)now_ns;
	vu->pc = op->to;
}

static int is_true(struct fg_vu *vu, const struct fg_template *text, bool *ret, struct fg_err *err)
{
	struct fg_expr_env env;
	struct fg_value value;
	int rc;

	fg_vu_expr_env(vu, &env);
	rc = fg_template_value(text, &env, &value, err);
	if (!rc)
		*ret = fg_value_truth(&value);
	return rc;
}

static void op_unless(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	bool truth = false;
	struct fg_err err;

	(void)now_ns;
	fg_err_clear(&err);
	if (is_true(vu, &op->step->condition.when, &truth, &err))
		fail(vu, op, "if", &err);
	vu->pc = truth ? vu->pc + 1 : op->to;
}

static void op_choose(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const struct fg_step_choose *choose = &op->step->choose;
	/* 2^64 is so much more than any sum of weights that the remainder's bias does not show. */
	uint64_t point = choose->weight_sum ? fg_random_next(&vu->random) % choose->weight_sum : 0;
	size_t chosen = 0;

	(void)now_ns;
	while (chosen + 1 < choose->count && point >= choose->items[chosen].weight)
		point -= choose->items[chosen++].weight;
	vu->pc = vu->program->targets[op->index + chosen];
}

/* -- loops ------------------------------------------------------------------------------------- */

static int loop_count(const struct fg_value *value, uint64_t *ret, struct fg_err *err)
{
	double number;

	if (!fg_value_number(value, &number) || !(number >= 0))
		return fg_err_set(err, FG_E_INVALID, "count is not a number of turns");
	if (number > FG_LOOP_TURNS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "count %.0f is more than %d turns", number,
				  FG_LOOP_TURNS_MAX);
	*ret = (uint64_t)number;
	return 0;
}

static int loop_list(struct fg_frame *frame, const struct fg_value *value, struct fg_err *err)
{
	if (value->kind != FG_VALUE_JSON || !value->len || value->text[0] != '[')
		return fg_err_set(err, FG_E_INVALID, "over is not a list");
	fg_buf_clear(&frame->list);
	fg_buf_add(&frame->list, value->text, value->len);
	return fg_buf_check(&frame->list, err);
}

static int open_loop(struct fg_vu *vu, const struct fg_step_loop *loop, struct fg_frame *frame,
		     struct fg_err *err)
{
	struct fg_expr_env env;
	struct fg_value value;
	int rc;

	frame->group = FG_INDEX_NONE;
	frame->turn = 0;
	frame->turns = FG_LOOP_TURNS_MAX;
	frame->offset = 0;
	if (loop->kind == FG_LOOP_WHILE)
		return 0;
	fg_vu_expr_env(vu, &env);
	rc = fg_template_value(&loop->operand, &env, &value, err);
	if (rc)
		return rc;
	return loop->kind == FG_LOOP_COUNT ? loop_count(&value, &frame->turns, err)
					   : loop_list(frame, &value, err);
}

static void op_loop_begin(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	struct fg_frame *frame = &vu->frames[vu->frame_count];
	struct fg_err err;

	(void)now_ns;
	fg_err_clear(&err);
	if (open_loop(vu, &op->step->loop, frame, &err)) {
		fail(vu, op, "loop", &err);
		return;
	}
	vu->frame_count++;
	vu->pc++;
}

/* 1: another turn, 0: the end; *ret is the loop variable's value. */
static int next_turn(struct fg_vu *vu, const struct fg_step_loop *loop, struct fg_frame *frame,
		     struct fg_value *ret, struct fg_err *err)
{
	bool truth = false;
	int rc;

	*ret = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = (double)frame->turn};
	if (loop->kind == FG_LOOP_COUNT)
		return frame->turn < frame->turns;
	if (loop->kind == FG_LOOP_WHILE) {
		rc = is_true(vu, &loop->operand, &truth, err);
	} else {
		fg_arena_clear(&vu->env->arena);
		rc = fg_json_text_next(frame->list.data, frame->list.len, &frame->offset,
				       &vu->env->arena, ret, err);
		truth = rc > 0;
		rc = FG_MIN(rc, 0);
	}
	if (rc || !truth)
		return rc;
	return frame->turn < FG_LOOP_TURNS_MAX
		       ? 1
		       : fg_err_set(err, FG_E_LIMIT, "more than %d turns", FG_LOOP_TURNS_MAX);
}

static void op_loop_next(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const struct fg_step_loop *loop = &op->step->loop;
	struct fg_frame *frame = &vu->frames[vu->frame_count - 1];
	struct fg_value value;
	struct fg_err err;
	int more;

	(void)now_ns;
	fg_err_clear(&err);
	more = next_turn(vu, loop, frame, &value, &err);
	if (more > 0 && loop->has_variable) {
		int rc = fg_slot_set(&vu->slots[loop->slot], &value, &err);

		more = rc ? rc : more;
	}
	if (more < 0) {
		fail(vu, op, "loop", &err);
	} else if (more) {
		frame->turn++;
		vu->pc++;
	} else {
		vu->frame_count--;
		vu->pc = op->to;
	}
}

/* -- groups ------------------------------------------------------------------------------------ */

static void op_group_begin(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	struct fg_frame *frame = &vu->frames[vu->frame_count++];

	frame->group = op->index;
	frame->start_ns = now_ns;
	vu->pc++;
}

static void op_group_end(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const struct fg_frame *frame = &vu->frames[--vu->frame_count];

	(void)op;
	if (vu->counted && frame->group != FG_INDEX_NONE)
		fg_meter_group(vu->env->meter, frame->group, now_ns - frame->start_ns, now_ns);
	vu->pc++;
}

/* -- values ------------------------------------------------------------------------------------ */

static int evaluate_argument(const struct fg_argument *argument, const struct fg_expr_env *env,
			     struct fg_value *ret, struct fg_err *err)
{
	int rc = fg_template_value(&argument->value, env, ret, err);

	if (rc || !ret->text) /* no text and no digits */
		return rc;
	ret->text = fg_arena_copy(env->arena, ret->text, ret->len);
	return ret->text ? 0 : fg_err_set(err, FG_E_LIMIT, "arguments are too long");
}

/* All are evaluated before the first is set: a flow that hands its own parameters on may swap them.
 */
static int assign(struct fg_vu *vu, const struct fg_step_run *run, struct fg_err *err)
{
	struct fg_expr_env env;
	struct fg_value *values;
	int rc = 0;

	fg_vu_expr_env(vu, &env);
	values = fg_arena_alloc(env.arena, run->argument_count * sizeof(*values));
	if (!values)
		return fg_err_set(err, FG_E_LIMIT, "too many arguments");
	for (size_t i = 0; !rc && i < run->argument_count; i++)
		rc = evaluate_argument(&run->arguments[i], &env, &values[i], err);
	for (size_t i = 0; !rc && i < run->argument_count; i++)
		rc = fg_slot_set(&vu->slots[run->arguments[i].slot], &values[i], err);
	return rc;
}

static void op_assign(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	struct fg_err err;

	(void)now_ns;
	fg_err_clear(&err);
	vu->pc++;
	if (assign(vu, &op->step->run, &err))
		fail(vu, op, "run", &err);
}

/* Into the worker's line buffer, which lasts until the next text. */
static int render_text(struct fg_vu *vu, const struct fg_op *op, struct fg_err *err)
{
	struct fg_buf *text = &vu->env->text;
	struct fg_expr_env env;
	int rc;

	fg_vu_expr_env(vu, &env);
	fg_buf_clear(text);
	fg_buf_add_str(text, "");
	rc = fg_template_expand(&op->step->text.text, &env, text, err);
	return rc ? rc : fg_buf_check(text, err);
}

static void op_log(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const struct fg_buf *text = &vu->env->text;
	struct fg_err err;

	fg_err_clear(&err);
	vu->pc++;
	if (!vu->env->log)
		return;
	if (render_text(vu, op, &err))
		fail(vu, op, "log", &err);
	else
		fg_load_log_put(vu->env->log, now_ns, text->data, text->len);
}

/* As an exception in k6: the iteration ends here and counts as complete. */
static void op_fail(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	struct fg_err err;

	(void)now_ns;
	fg_err_clear(&err);
	vu->pc++;
	if (!render_text(vu, op, &err))
		FG_IGNORE(fg_err_set(&err, FG_E_INVALID, "%s", vu->env->text.data));
	fail(vu, op, "fail", &err);
}

static int measure(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns, struct fg_err *err)
{
	const struct fg_step_metric *metric = &op->step->metric;
	struct fg_expr_env env;
	struct fg_value value;
	double number;
	int rc;

	fg_vu_expr_env(vu, &env);
	rc = fg_template_value(&metric->value, &env, &value, err);
	if (rc)
		return rc;
	if (metric->type == FG_METRIC_RATE)
		number = fg_value_truth(&value) ? 1 : 0;
	else if (!fg_value_number(&value, &number))
		return fg_err_set(err, FG_E_INVALID, "its value is not a number");
	if (!vu->counted || op->index == FG_INDEX_NONE)
		return 0;
	return fg_meter_custom(vu->env->meter, op->index, number, now_ns, err);
}

static void op_metric(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	struct fg_err err;

	fg_err_clear(&err);
	vu->pc++;
	if (!measure(vu, op, now_ns, &err))
		return;
	(void)fg_err_wrap(&err, "metric %s", op->step->metric.name);
	fg_vu_fail(vu, op->step, &err);
}

static void (*const functions[FG_DO_COUNT])(struct fg_vu *vu, const struct fg_op *op,
					    uint64_t now_ns) = {
	[FG_DO_REQUEST] = op_request,
	[FG_DO_THINK] = op_think,
	[FG_DO_JUMP] = op_jump,
	[FG_DO_UNLESS] = op_unless,
	[FG_DO_CHOOSE] = op_choose,
	[FG_DO_LOOP_BEGIN] = op_loop_begin,
	[FG_DO_LOOP_NEXT] = op_loop_next,
	[FG_DO_GROUP_BEGIN] = op_group_begin,
	[FG_DO_GROUP_END] = op_group_end,
	[FG_DO_ASSIGN] = op_assign,
	[FG_DO_LOG] = op_log,
	[FG_DO_FAIL] = op_fail,
	[FG_DO_METRIC] = op_metric,
};

void fg_vu_step(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	functions[op->kind](vu, op, now_ns);
}
