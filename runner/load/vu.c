/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/vu.h"

#include <stdlib.h>

#include "gate/base/clock.h"
#include "runner/load/think.h"

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
static void move(struct fg_vu *vu, enum fg_vu_event event)
{
	const enum fg_vu_state to = fg_vu_next_state(vu->state, event);

	assert(to != FG_VU_STATE_COUNT);
	if (vu->env->trace)
		vu->env->trace(vu, vu->state, event);
	vu->state = to;
}

static struct fg_scenario_slice *counters(struct fg_vu *vu, uint64_t now_ns)
{
	return fg_meter_scenario(vu->env->meter, vu->program->scenario_index, now_ns);
}

static void become_idle(struct fg_vu *vu, uint64_t now_ns)
{
	vu->env->ops->vu_reset(vu->connection, vu->program->connection);
	vu->on_idle(vu->context, vu, now_ns);
}

static void end_iteration(struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_meter *meter = vu->env->meter;
	struct fg_scenario_slice *slice = counters(vu, now_ns);

	move(vu, FG_VU_END);
	slice->iterations++;
	fg_meter_time(meter, &slice->iteration_duration, now_ns - vu->start_ns);
	meter->last_end_ns = FG_MAX(meter->last_end_ns, now_ns);
	become_idle(vu, now_ns);
}

static void end_interrupted(struct fg_vu *vu, uint64_t now_ns)
{
	counters(vu, now_ns)->interrupted++;
	become_idle(vu, now_ns);
}

static enum fg_net_error judge(const struct fg_engine_response *response)
{
	if (response->error != FG_NET_OK)
		return response->error;
	if (response->status >= 400)
		return FG_NET_HTTP_STATUS;
	return response->status < 200 ? FG_NET_BAD_RESPONSE : FG_NET_OK;
}

static bool is_lower_bound(enum fg_net_error error)
{
	return error == FG_NET_TIMEOUT || error == FG_NET_DIAL_TIMEOUT ||
	       error == FG_NET_UNFINISHED;
}

static void record(struct fg_vu *vu, const struct fg_engine_response *response)
{
	struct fg_request_record request = {
		.class_index = vu->program->steps[vu->step].class_index,
		.error = judge(response),
		.status = response->status,
		.reused = response->reused,
		.sent_bytes = response->sent_bytes,
		.received_bytes = response->received_bytes,
	};
	uint64_t *trends = request.trends_ns;

	request.expected = request.error == FG_NET_OK;
	request.lower_bound = is_lower_bound(request.error);
	if (response->end_ns > vu->due_ns)
		trends[FG_TREND_RESPONSE_TIME] = response->end_ns - vu->due_ns;
	trends[FG_TREND_DURATION] =
		response->sending_ns + response->waiting_ns + response->receiving_ns;
	trends[FG_TREND_SERVICE_TIME] = trends[FG_TREND_DURATION];
	trends[FG_TREND_BLOCKED] = response->blocked_ns;
	trends[FG_TREND_DNS] = response->dns_ns;
	trends[FG_TREND_CONNECTING] = response->connecting_ns;
	trends[FG_TREND_TLS_HANDSHAKING] = response->tls_ns;
	trends[FG_TREND_SENDING] = response->sending_ns;
	trends[FG_TREND_WAITING] = response->waiting_ns;
	trends[FG_TREND_RECEIVING] = response->receiving_ns;
	fg_meter_request(vu->env->meter, &request, response->end_ns);
}

static bool within(uint16_t status, uint16_t low, uint16_t high)
{
	return status >= low && status <= high;
}

/* Checks only count; a failed expectation ends the iteration (false). */
static bool run_checks(struct fg_vu *vu, const struct fg_engine_response *response)
{
	const struct fg_program_step *step = &vu->program->steps[vu->step];
	const struct fg_step_http *http = &step->step->http;
	const uint16_t status = response->error == FG_NET_OK ? response->status : 0;

	for (size_t i = 0; i < http->check_count; i++)
		fg_meter_check(vu->env->meter, step->check_indices[i],
			       within(status, http->checks[i].condition.status_low,
				      http->checks[i].condition.status_high));
	return !http->expect_status_low ||
	       within(status, http->expect_status_low, http->expect_status_high);
}

/* What a finished request means for the iteration: the next step, or its end. */
static void take_response(struct fg_vu *vu, const struct fg_engine_response *response)
{
	record(vu, response);
	move(vu, FG_VU_RESPONSE);
	if (vu->state == FG_VU_IDLE)
		return;
	vu->step = run_checks(vu, response) ? vu->step + 1 : vu->program->step_count;
	vu->due_ns = response->end_ns;
}

static void run(struct fg_vu *vu, uint64_t now_ns);

static void on_response(void *context, const struct fg_engine_response *response)
{
	struct fg_vu *vu = context;

	take_response(vu, response);
	if (vu->state == FG_VU_IDLE)
		end_interrupted(vu, response->end_ns);
	else
		run(vu, response->end_ns);
}

/* A request that could not even be started (no memory, a URL the engine refuses). */
static void fail_request(struct fg_vu *vu, const struct fg_err *err, uint64_t now_ns)
{
	struct fg_engine_response response = {.send_ns = now_ns, .end_ns = now_ns};

	response.error = err->code == FG_E_INVALID ? FG_NET_BAD_URL : FG_NET_GENERIC;
	take_response(vu, &response);
}

static void send_request(struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_engine_request request = {.due_ns = vu->due_ns};
	struct fg_err err;
	int rc;

	fg_err_clear(&err);
	move(vu, FG_VU_SEND);
	rc = fg_program_request(vu->program, vu->step, &vu->ids, &vu->scratch, &request, &err);
	if (!rc)
		rc = vu->env->ops->start(vu->connection, 0, &request, on_response, vu, &err);
	if (rc)
		fail_request(vu, &err, now_ns);
	else
		vu->waited = true;
}

static void think_until(struct fg_vu *vu, uint64_t due_ns)
{
	vu->due_ns = due_ns;
	move(vu, FG_VU_THINK);
	fg_timer_set(vu->env->pacer, &vu->think_timer, due_ns);
}

/* Runs steps until the VU has to wait, or the iteration is over. */
static void run(struct fg_vu *vu, uint64_t now_ns)
{
	const struct fg_program *program = vu->program;

	while (vu->state == FG_VU_RUNNING && vu->step < program->step_count) {
		const struct fg_step *step = program->steps[vu->step].step;
		uint64_t think_ns;

		if (step->kind == FG_STEP_HTTP) {
			send_request(vu, now_ns);
			continue;
		}
		think_ns = fg_think_ns(&vu->random, &step->think);
		vu->step++;
		if (think_ns)
			think_until(vu, vu->due_ns + think_ns);
	}
	if (vu->state == FG_VU_RUNNING)
		end_iteration(vu, now_ns);
}

static void on_think_end(struct fg_timer *timer, uint64_t now_ns)
{
	struct fg_vu *vu = timer->context;

	vu->waited = true;
	fg_meter_time(vu->env->meter, &counters(vu, now_ns)->lag, now_ns - timer->due_ns);
	move(vu, FG_VU_WAKE);
	run(vu, now_ns);
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
	rc = fg_program_scratch_init(&vu->scratch, program, err);
	if (!rc)
		rc = env->ops->vu_new(env->engine, 1, &vu->connection, err);
	if (rc) {
		fg_program_scratch_done(&vu->scratch);
		free(vu);
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
	vu->env->ops->vu_free(vu->connection);
	fg_program_scratch_done(&vu->scratch);
	free(vu);
}

void fg_vu_begin(struct fg_vu *vu, uint64_t due_ns, uint64_t scenario_iteration, uint64_t now_ns)
{
	const bool breathe = !vu->waited;

	move(vu, FG_VU_BEGIN);
	vu->step = 0;
	vu->due_ns = due_ns;
	vu->start_ns = now_ns;
	vu->waited = false;
	vu->ids.scenario_iteration = scenario_iteration;
	/* An iteration that never waited (only zero thinks, or nothing could be sent) must not
	 * start the next one from its own end: the loop would never see its sockets again. */
	if (!breathe) {
		run(vu, now_ns);
		return;
	}
	move(vu, FG_VU_THINK); /* not a think step: due_ns stays */
	fg_timer_set(vu->env->pacer, &vu->think_timer, fg_clock_monotonic_ns());
}

void fg_vu_cut(struct fg_vu *vu, uint64_t now_ns)
{
	if (vu->state == FG_VU_WAITING) {
		move(vu, FG_VU_CUT);
		vu->env->ops->cancel(vu->connection);
	} else if (vu->state == FG_VU_THINKING) {
		fg_timer_clear(vu->env->pacer, &vu->think_timer);
		move(vu, FG_VU_CUT);
		end_interrupted(vu, now_ns);
	}
}

bool fg_vu_needs_init(const struct fg_vu *vu)
{
	(void)vu;
	return false;
}

void fg_vu_begin_init(struct fg_vu *vu, uint64_t now_ns)
{
	vu->on_idle(vu->context, vu, now_ns);
}

bool fg_vu_exhausted(const struct fg_vu *vu)
{
	(void)vu;
	return false;
}
