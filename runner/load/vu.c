/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/vu_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "gate/base/clock.h"
#include "runner/load/inflate.h"
#include "runner/scenario/regex.h"

/* Instructions that may follow each other before the loop gets its turn: an iteration of a million
 * turns that sends nothing must not make the other VUs late. */
enum { STEPS_PER_TURN = 2000 };

const char *const fg_vu_state_names[FG_VU_STATE_COUNT] = {
	[FG_VU_IDLE] = "idle",         [FG_VU_RUNNING] = "running", [FG_VU_WAITING] = "waiting",
	[FG_VU_THINKING] = "thinking", [FG_VU_CUTTING] = "cutting",
};

const char *const fg_vu_event_names[FG_VU_EVENT_COUNT] = {
	[FG_VU_BEGIN] = "begin",       [FG_VU_SEND] = "send", [FG_VU_THINK] = "think",
	[FG_VU_RESPONSE] = "response", [FG_VU_WAKE] = "wake", [FG_VU_CUT] = "cut",
	[FG_VU_END] = "end",
};

/* Every change there is; what is not listed cannot happen. +1, so that 0 means "not listed". */
static const unsigned char moves[FG_VU_STATE_COUNT][FG_VU_EVENT_COUNT] = {
	[FG_VU_IDLE] = {[FG_VU_BEGIN] = FG_VU_RUNNING + 1},
	[FG_VU_RUNNING] =
		{
			[FG_VU_SEND] = FG_VU_WAITING + 1,
			[FG_VU_THINK] = FG_VU_THINKING + 1,
			[FG_VU_END] = FG_VU_IDLE + 1,
		},
	[FG_VU_WAITING] =
		{
			[FG_VU_RESPONSE] = FG_VU_RUNNING + 1,
			[FG_VU_CUT] = FG_VU_CUTTING + 1,
		},
	[FG_VU_THINKING] =
		{
			[FG_VU_WAKE] = FG_VU_RUNNING + 1,
			[FG_VU_CUT] = FG_VU_IDLE + 1,
		},
	[FG_VU_CUTTING] = {[FG_VU_RESPONSE] = FG_VU_IDLE + 1},
};

enum fg_vu_state fg_vu_next_state(enum fg_vu_state from, enum fg_vu_event event)
{
	const unsigned char to = moves[from][event];

	return to ? (enum fg_vu_state)(to - 1) : FG_VU_STATE_COUNT;
}

/* The only place that changes a VU's state. */
void fg_vu_move(struct fg_vu *vu, enum fg_vu_event event)
{
	const enum fg_vu_state to = fg_vu_next_state(vu->state, event);

	assert(to != FG_VU_STATE_COUNT);
	if (vu->env->trace)
		vu->env->trace(vu, vu->state, event);
	vu->state = to;
}

struct fg_scenario_slice *fg_vu_counters(struct fg_vu *vu, uint64_t now_ns)
{
	return fg_meter_scenario(vu->env->meter, vu->program->scenario_index, now_ns);
}

void fg_vu_expr_env(struct fg_vu *vu, struct fg_expr_env *ret)
{
	fg_arena_clear(&vu->env->arena);
	*ret = (struct fg_expr_env){
		.slots = vu->slots,
		.globals = vu->env->globals,
		.rows = vu->rows,
		.run_texts = vu->env->run_texts,
		.vu = vu->ids.vu,
		.iteration = vu->ids.iteration,
		.scenario_iteration = vu->ids.scenario_iteration,
		.random = &vu->random,
		.unix_ns = fg_clock_realtime_ns(),
		.arena = &vu->env->arena,
	};
}

/* -- the end of an iteration ---------------------------------------------------------------------
 */

/* A group's duration counts also when the iteration ended early inside it (as in k6), not when it
 * was cut. */
void fg_vu_close_frames(struct fg_vu *vu, uint64_t now_ns, bool count_groups)
{
	while (vu->frame_count) {
		const struct fg_frame *frame = &vu->frames[--vu->frame_count];

		if (count_groups && vu->counted && frame->group != FG_INDEX_NONE)
			fg_meter_group(vu->env->meter, frame->group, now_ns - frame->start_ns,
				       now_ns);
	}
}

static void become_idle(struct fg_vu *vu, uint64_t now_ns)
{
	vu->program->ops->vu_reset(vu->connection, vu->program->connection);
	vu->on_idle(vu->context, vu, now_ns);
}

/* What init found out is there in every iteration; everything else is the iteration's own. */
static void keep_init(struct fg_vu *vu)
{
	struct fg_err err;

	vu->init_done = true;
	vu->init_failed = vu->failed;
	for (size_t i = 0; i < vu->program->file->slot_count; i++)
		vu->kept[i] = vu->slots[i].set;
	fg_err_clear(&err);
	if (fg_cookies_copy(&vu->init_cookies, &vu->cookies, &err))
		vu->init_failed = true;
}

static void end_iteration(struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_meter *meter = vu->env->meter;

	vu->failed = vu->failing;
	fg_vu_close_frames(vu, now_ns, true);
	fg_vu_move(vu, FG_VU_END);
	if (vu->counted) {
		struct fg_scenario_slice *slice = fg_vu_counters(vu, now_ns);

		slice->iterations++;
		fg_meter_time(meter, &slice->iteration_duration, now_ns - vu->start_ns);
		meter->last_end_ns = FG_MAX(meter->last_end_ns, now_ns);
	} else {
		keep_init(vu);
	}
	become_idle(vu, now_ns);
}

static void end_interrupted(struct fg_vu *vu, uint64_t now_ns)
{
	fg_vu_close_frames(vu, now_ns, false);
	if (vu->counted)
		fg_vu_counters(vu, now_ns)->interrupted++;
	become_idle(vu, now_ns);
}

/* A reason is told once for all VUs of the run. */
static void tell(const struct fg_vu *vu, const struct fg_step *step, const struct fg_err *err)
{
	const struct fg_scenario *scenario = vu->program->scenario;
	char text[FG_LOG_LINE_MAX / 2], line[FG_LOG_LINE_MAX];
	struct fg_err at;

	if (!fg_load_log_count(vu->env->log, step))
		return;
	at = *err;
	if (!at.line && step->place.line)
		fg_err_at(&at, step->place.file, step->place.line, step->place.column);
	fg_err_text(&at, text, sizeof(text));
	snprintf(line, sizeof(line), "%s%s%s", scenario ? scenario->name : "",
		 scenario ? ": iteration ended early: " : "", text);
	fg_load_log_tell(vu->env->log, step, line);
}

void fg_vu_fail(struct fg_vu *vu, const struct fg_step *step, const struct fg_err *err)
{
	vu->failing = true;
	if (vu->env->on_reason)
		vu->env->on_reason(vu->env->context, step, err);
	else if (vu->env->log)
		tell(vu, step, err);
}

/* -- running ----------------------------------------------------------------------------------- */

void fg_vu_think_until(struct fg_vu *vu, uint64_t due_ns)
{
	vu->due_ns = due_ns;
	vu->breathing = false;
	fg_vu_move(vu, FG_VU_THINK);
	fg_timer_set(vu->env->pacer, &vu->think_timer, due_ns);
}

/* Gives the loop a turn; due_ns stays, because this is no think step. */
static void breathe(struct fg_vu *vu)
{
	vu->breathing = true;
	fg_vu_move(vu, FG_VU_THINK);
	fg_timer_set(vu->env->pacer, &vu->think_timer, fg_clock_monotonic_ns());
}

void fg_vu_run(struct fg_vu *vu, uint64_t now_ns)
{
	while (vu->state == FG_VU_RUNNING && !vu->failing) {
		const struct fg_op *op = &vu->program->code[vu->pc];

		if (op->kind == FG_DO_END)
			break;
		if (!vu->budget) {
			breathe(vu);
			return;
		}
		vu->budget--;
		fg_vu_step(vu, op, now_ns);
	}
	if (vu->state == FG_VU_RUNNING)
		end_iteration(vu, now_ns);
}

void fg_vu_calls_ended(struct fg_vu *vu)
{
	const uint64_t end_ns = vu->calls_end_ns;

	vu->budget = STEPS_PER_TURN;
	fg_vu_move(vu, FG_VU_RESPONSE);
	if (vu->state == FG_VU_IDLE)
		end_interrupted(vu, end_ns);
	else
		fg_vu_run(vu, end_ns);
}

static void on_think_end(struct fg_timer *timer, uint64_t now_ns)
{
	struct fg_vu *vu = timer->context;

	vu->waited = true;
	vu->budget = STEPS_PER_TURN;
	if (vu->counted && !vu->breathing)
		fg_meter_time(vu->env->meter, &fg_vu_counters(vu, now_ns)->lag,
			      now_ns - timer->due_ns);
	fg_vu_move(vu, FG_VU_WAKE);
	fg_vu_run(vu, now_ns);
}

/* -- the beginning ------------------------------------------------------------------------------
 */

static void use_up(struct fg_vu *vu, const struct fg_data *data)
{
	struct fg_vu_env *env = vu->env;

	vu->exhausted = true;
	if (data->on_end != FG_DATA_FAIL || env->fatal.code != FG_E_NONE)
		return;
	FG_IGNORE(fg_err_set(&env->fatal, FG_E_NO_DATA,
			     "data %s: all %zu rows are used up (onEnd: fail)", data->name,
			     data->row_count));
	if (env->on_fatal)
		env->on_fatal(env->context, &env->fatal);
}

/* Global numbers of iterations exist where the plan gives them out. */
static bool is_numbered(const struct fg_scenario *scenario)
{
	return scenario && (scenario->executor == FG_EXEC_SHARED_ITERATIONS ||
			    scenario->executor == FG_EXEC_CONSTANT_ARRIVAL_RATE ||
			    scenario->executor == FG_EXEC_RAMPING_ARRIVAL_RATE);
}

/* An iteration's number deals a row to one VU only if no other scenario counts the same numbers and
 * none was dealt before, to an init. Where rows come again, evenness counts more. */
static uint64_t shared_index(const struct fg_vu *vu, size_t set)
{
	const struct fg_program *program = vu->program;

	if (!vu->counted || !is_numbered(program->scenario))
		return UINT64_MAX;
	if (program->file->data[set].on_end != FG_DATA_RECYCLE &&
	    (program->scenario->init.count || !(program->data_alone >> set & 1)))
		return UINT64_MAX;
	return vu->ids.scenario_iteration;
}

static struct fg_data_place data_place(const struct fg_vu *vu, size_t set)
{
	const struct fg_program *program = vu->program;
	const uint64_t number = vu->ids.vu ? vu->ids.vu - 1 : 0;
	struct fg_data_place place = {
		.seed = vu->env->seed,
		.vu = number,
		.vus = FG_MAX(vu->env->vus, vu->ids.vu),
		.shared_index = shared_index(vu, set),
	};

	if (program->data_vus[set]) {
		place.vu = program->data_first[set] + number - program->first_vu;
		place.vus = program->data_vus[set];
	}
	return place;
}

static void take_rows(struct fg_vu *vu)
{
	const struct fg_scenario_file *file = vu->program->file;

	/* Init's rows are the first iteration's too. */
	const bool taken = vu->rows_taken;

	vu->rows_taken = !vu->counted && vu->program->scenario;
	if (taken)
		return;
	for (size_t i = 0; i < file->data_count && i < FG_DATA_SETS_MAX; i++) {
		if (!(vu->program->data_sets >> i & 1))
			continue;
		const struct fg_data_place place = data_place(vu, i);

		vu->rows[i] = fg_data_next(&file->data[i], &vu->cursors[i], &place);
		if (!vu->rows[i])
			use_up(vu, &file->data[i]);
	}
}

static void forget_iteration(struct fg_vu *vu)
{
	const size_t slots = vu->program->file->slot_count;
	struct fg_err err;

	for (size_t i = 0; i < slots; i++) {
		if (vu->slots[i].set && !vu->kept[i])
			fg_slot_clear(&vu->slots[i]);
	}
	if (!vu->init_cookies.count)
		fg_cookies_clear(&vu->cookies);
	else if (fg_cookies_copy(&vu->cookies, &vu->init_cookies, &err))
		fg_cookies_clear(&vu->cookies); /* memory: the next requests go without */
}

static void begin(struct fg_vu *vu, uint32_t pc, uint64_t due_ns, uint64_t now_ns)
{
	const bool wait = !vu->waited;

	fg_vu_move(vu, FG_VU_BEGIN);
	vu->pc = pc;
	vu->due_ns = due_ns;
	vu->start_ns = now_ns;
	vu->waited = false;
	vu->failing = false;
	vu->budget = STEPS_PER_TURN;
	forget_iteration(vu);
	if (vu->program->data_sets)
		take_rows(vu);
	if (vu->exhausted) {
		fg_vu_move(vu, FG_VU_END);
		become_idle(vu, now_ns);
		return;
	}
	/* An iteration that never waited (only zero thinks, or nothing could be sent) must not
	 * start the next one from its own end: the loop would never see its sockets again. */
	if (wait)
		breathe(vu);
	else
		fg_vu_run(vu, now_ns);
}

void fg_vu_begin(struct fg_vu *vu, uint64_t due_ns, uint64_t scenario_iteration, uint64_t now_ns)
{
	vu->counted = vu->program->scenario != NULL;
	vu->ids.scenario_iteration = scenario_iteration;
	begin(vu, 0, due_ns, now_ns);
}

bool fg_vu_needs_init(const struct fg_vu *vu)
{
	return vu->program->init_start < vu->program->code_count && !vu->init_done;
}

void fg_vu_begin_init(struct fg_vu *vu, uint64_t now_ns)
{
	vu->counted = false;
	begin(vu, vu->program->init_start, now_ns, now_ns);
}

bool fg_vu_exhausted(const struct fg_vu *vu)
{
	return vu->exhausted;
}

void fg_vu_cut(struct fg_vu *vu, uint64_t now_ns)
{
	if (vu->state == FG_VU_WAITING) {
		fg_vu_move(vu, FG_VU_CUT);
		vu->program->ops->cancel(vu->connection);
	} else if (vu->state == FG_VU_THINKING) {
		fg_timer_clear(vu->env->pacer, &vu->think_timer);
		fg_vu_move(vu, FG_VU_CUT);
		end_interrupted(vu, now_ns);
	}
}

/* -- memory ------------------------------------------------------------------------------------ */

/* At least one of each, so that no pointer is NULL. */
static int make_arrays(struct fg_vu *vu, struct fg_err *err)
{
	const struct fg_scenario_file *file = vu->program->file;

	vu->frames = calloc(vu->program->depth + 1, sizeof(*vu->frames));
	vu->slots = calloc(file->slot_count + 1, sizeof(*vu->slots));
	vu->kept = calloc(file->slot_count + 1, sizeof(*vu->kept));
	vu->rows = calloc(file->data_count + 1, sizeof(*vu->rows));
	vu->cursors = calloc(file->data_count + 1, sizeof(*vu->cursors));
	if (!vu->frames || !vu->slots || !vu->kept || !vu->rows || !vu->cursors)
		return fg_err_nomem(err);
	for (size_t i = 0; i < vu->program->depth; i++)
		fg_buf_init(&vu->frames[i].list, FG_SLOT_TEXT_MAX);
	for (size_t i = 0; i < file->slot_count; i++)
		fg_slot_init(&vu->slots[i]);
	return fg_vu_calls_init(vu, err);
}

static void free_arrays(struct fg_vu *vu)
{
	for (size_t i = 0; vu->frames && i < vu->program->depth; i++)
		fg_buf_done(&vu->frames[i].list);
	for (size_t i = 0; vu->slots && i < vu->program->file->slot_count; i++)
		fg_slot_done(&vu->slots[i]);
	fg_vu_calls_done(vu);
	fg_cookies_done(&vu->cookies);
	fg_cookies_done(&vu->init_cookies);
	free(vu->frames);
	free(vu->slots);
	free(vu->kept);
	free(vu->rows);
	free(vu->cursors);
	free(vu);
}

int fg_vu_new(struct fg_vu_env *env, const struct fg_program *program, uint64_t number,
	      struct fg_vu **ret, struct fg_err *err)
{
	struct fg_vu *vu = calloc(1, sizeof(*vu));
	int rc;

	if (!vu)
		return fg_err_nomem(err);
	vu->env = env;
	vu->program = program;
	vu->ids.vu = number;
	vu->waited = true;
	vu->think_timer.on_due = on_think_end;
	vu->think_timer.context = vu;
	fg_random_init(&vu->random, env->seed, program->scenario_index, number);
	fg_cookies_init(&vu->cookies);
	fg_cookies_init(&vu->init_cookies);
	rc = make_arrays(vu, err);
	if (!rc)
		rc = program->ops->vu_new(program->engine, program->width, &vu->connection, err);
	if (rc) {
		free_arrays(vu);
		return rc;
	}
	*ret = vu;
	return 0;
}

void fg_vu_free(struct fg_vu *vu)
{
	if (!vu)
		return;
	fg_timer_clear(vu->env->pacer, &vu->think_timer);
	fg_timer_clear(vu->env->pacer, &vu->cut_timer);
	vu->program->ops->vu_free(vu->connection);
	free_arrays(vu);
}

int fg_vu_env_init(struct fg_vu_env *env, struct fg_err *err)
{
	int rc;

	fg_arena_init(&env->arena, FG_VU_ARENA_MAX);
	fg_buf_init(&env->text, FG_VU_TEXT_MAX);
	rc = fg_regex_match_new(&env->match, err);
	return rc ? rc : fg_inflate_new(&env->inflate, err);
}

void fg_vu_env_done(struct fg_vu_env *env)
{
	fg_arena_done(&env->arena);
	fg_buf_done(&env->text);
	fg_regex_match_free(env->match);
	fg_inflate_free(env->inflate);
	env->match = NULL;
	env->inflate = NULL;
}
