/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/lane.h"

#include <stdlib.h>

#include "gate/base/vec.h"
#include "runner/load/lane_internal.h"

/* Init steps that run at once on one worker: a thousand VUs that log in together would measure the
 * target's accept queue. */
enum { INITS_AT_ONCE = 32 };

#define DRAIN_MAX_NS (30 * FG_NS_PER_S)

static void check_done(struct fg_lane *lane, uint64_t now_ns);

struct fg_scenario_slice *fg_lane_counters(struct fg_lane *lane, uint64_t now_ns)
{
	return fg_meter_scenario(lane->options.env->meter, lane->options.program->scenario_index,
				 now_ns);
}

/* -- VUs ------------------------------------------------------------------------------------- */

void fg_lane_begin(struct fg_lane *lane, struct fg_vu *vu, uint64_t due_ns, uint64_t number,
		   uint64_t now_ns)
{
	lane->busy++;
	lane->iterations++;
	fg_vu_begin(vu, due_ns, number, now_ns);
}

/* A VU found no row of data left for the iteration that it was given, so there was none. */
static void take_back(struct fg_lane *lane, uint64_t now_ns)
{
	lane->dead++;
	lane->iterations--;
	if (fg_plan_is_arrival(lane->scenario))
		fg_lane_counters(lane, now_ns)->dropped++;
	else if (fg_plan_is_counted(lane->scenario))
		lane->left++;
}

static void on_vu_idle(void *context, struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_lane *lane = context;

	lane->busy--;
	vu->idle_since_ns = now_ns;
	if (fg_vu_exhausted(vu))
		take_back(lane, now_ns);
	else
		vu->ids.iteration++;
	if (!fg_plan_is_arrival(lane->scenario)) {
		if (fg_lane_loop_again(lane, vu, now_ns))
			return;
	} else {
		if (!fg_vu_exhausted(vu))
			fg_lane_idle_push(lane, vu);
		if (lane->state == FG_LANE_ACTIVE)
			fg_lane_serve(lane, FG_MIN(now_ns, lane->regular_end_ns));
	}
	check_done(lane, now_ns);
}

static void on_cut_timer(struct fg_timer *timer, uint64_t now_ns)
{
	fg_vu_cut(timer->context, now_ns);
}

static int make_vu(struct fg_lane *lane, uint64_t idle_since_ns, struct fg_err *err)
{
	const struct fg_lane_options *options = &lane->options;
	struct fg_vu *vu;
	uint64_t number;
	int rc = FG_VEC_ROOM(lane, vus, vu_count, vu_capacity, FG_SCENARIO_VUS_MAX, err);

	if (rc)
		return rc;
	number = options->first_vu + fg_plan_vu_number(lane->vu_count, &options->part) + 1;
	rc = fg_vu_new(options->env, options->program, number, &vu, err);
	if (rc)
		return fg_err_wrap(err, "virtual user %llu", (unsigned long long)number);
	vu->index = lane->vu_count;
	vu->idle_since_ns = idle_since_ns;
	vu->context = lane;
	vu->cut_timer.on_due = on_cut_timer;
	vu->cut_timer.context = vu;
	lane->vus[lane->vu_count++] = vu;
	return 0;
}

/* -- init -------------------------------------------------------------------------------------- */

size_t fg_lane_starting(const struct fg_lane *lane)
{
	return lane->vu_count - lane->init_next + lane->inits_running;
}

static void make_usable(struct fg_lane *lane, struct fg_vu *vu)
{
	vu->on_idle = on_vu_idle;
	if (fg_plan_is_arrival(lane->scenario))
		fg_lane_idle_push(lane, vu);
}

static void begin_inits(struct fg_lane *lane, uint64_t now_ns);

static void on_init_end(void *context, struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_lane *lane = context;

	lane->inits_running--;
	vu->idle_since_ns = now_ns;
	if (vu->init_failed || fg_vu_needs_init(vu)) {
		lane->dead++;
		lane->init_failed += vu->init_failed;
	} else {
		make_usable(lane, vu);
	}
	if (lane->state == FG_LANE_PENDING || lane->state == FG_LANE_ACTIVE)
		begin_inits(lane, now_ns);
	if (lane->state == FG_LANE_ACTIVE && fg_plan_is_arrival(lane->scenario))
		fg_lane_serve(lane, FG_MIN(now_ns, lane->regular_end_ns));
	check_done(lane, now_ns);
}

static void begin_inits(struct fg_lane *lane, uint64_t now_ns)
{
	/* An init without a wait ends within this loop, and comes back here. */
	if (lane->initing)
		return;
	lane->initing = true;
	while (lane->init_next < lane->vu_count && lane->inits_running < INITS_AT_ONCE) {
		struct fg_vu *vu = lane->vus[lane->init_next++];

		if (!fg_vu_needs_init(vu)) {
			make_usable(lane, vu);
			continue;
		}
		lane->inits_running++;
		vu->on_idle = on_init_end;
		fg_vu_begin_init(vu, now_ns);
	}
	lane->initing = false;
	if (!lane->ready && !fg_lane_starting(lane)) {
		lane->ready = true;
		lane->options.on_ready(lane->options.context);
	}
}

int fg_lane_add_vu(struct fg_lane *lane, uint64_t now_ns, struct fg_err *err)
{
	int rc = make_vu(lane, now_ns, err);

	if (!rc)
		begin_inits(lane, now_ns);
	return rc;
}

void fg_lane_prepare(struct fg_lane *lane, uint64_t now_ns)
{
	begin_inits(lane, now_ns);
}

/* -- phases ----------------------------------------------------------------------------------- */

/* Nobody waits any more for a VU whose init still runs. */
static void cut_inits(struct fg_lane *lane, uint64_t now_ns)
{
	for (size_t i = 0; i < lane->init_next && lane->inits_running; i++)
		if (lane->vus[i]->on_idle == on_init_end && lane->vus[i]->state != FG_VU_IDLE)
			fg_vu_cut(lane->vus[i], now_ns);
}

static void end_regular(struct fg_lane *lane, uint64_t now_ns)
{
	lane->state = FG_LANE_STOPPING;
	lane->active = 0;
	if (fg_plan_is_arrival(lane->scenario))
		fg_lane_drop_waiting(lane, now_ns);
	if (lane->left) { /* never begun, as k6: no due time, so no latency either */
		fg_lane_counters(lane, now_ns)->dropped += lane->left;
		lane->left = 0;
	}
	cut_inits(lane, now_ns);
}

/* Nothing will ever be begun again: all iterations are used up, or there is no VU left. */
static bool is_over(const struct fg_lane *lane)
{
	return (lane->dead == lane->vu_count && lane->vu_count == lane->vus_max) ||
	       fg_lane_loop_is_over(lane);
}

static void check_done(struct fg_lane *lane, uint64_t now_ns)
{
	if (lane->state == FG_LANE_ACTIVE && is_over(lane))
		end_regular(lane, now_ns);
	if (lane->state != FG_LANE_STOPPING || lane->busy || lane->inits_running)
		return;
	lane->state = FG_LANE_DONE;
	fg_timer_clear(lane->options.env->pacer, &lane->timer);
	lane->options.on_done(lane->options.context);
}

static void cut_all(struct fg_lane *lane, uint64_t now_ns)
{
	for (size_t i = 0; i < lane->vu_count; i++)
		fg_vu_cut(lane->vus[i], now_ns);
}

static uint64_t next_moment_ns(const struct fg_lane *lane)
{
	switch (lane->state) {
	case FG_LANE_PENDING:
		return lane->start_ns;
	case FG_LANE_ACTIVE:
		if (fg_plan_is_arrival(lane->scenario))
			return FG_MIN(fg_lane_next_arrival_ns(lane), lane->regular_end_ns);
		return FG_MIN(lane->change_ns, lane->regular_end_ns);
	case FG_LANE_STOPPING:
		return lane->hard_end_ns;
	case FG_LANE_DONE:
		break;
	}
	return UINT64_MAX;
}

static void act(struct fg_lane *lane, uint64_t now_ns)
{
	if (lane->state == FG_LANE_PENDING && now_ns >= lane->start_ns) {
		lane->state = FG_LANE_ACTIVE;
		lane->change_ns = lane->start_ns;
	}
	if (lane->state == FG_LANE_ACTIVE) {
		if (fg_plan_is_arrival(lane->scenario))
			fg_lane_serve(lane, FG_MIN(now_ns, lane->regular_end_ns));
		else if (now_ns >= lane->change_ns && now_ns < lane->regular_end_ns)
			fg_lane_adjust_vus(lane, now_ns);
	}
	/* Serving may have ended it from within. */
	if (lane->state == FG_LANE_ACTIVE && now_ns >= lane->regular_end_ns)
		end_regular(lane, now_ns);
	if (lane->state == FG_LANE_STOPPING && now_ns >= lane->hard_end_ns)
		cut_all(lane, now_ns);
	check_done(lane, now_ns);
}

static void proceed(struct fg_lane *lane, uint64_t now_ns)
{
	act(lane, now_ns);
	if (lane->state != FG_LANE_DONE)
		fg_timer_set(lane->options.env->pacer, &lane->timer, next_moment_ns(lane));
}

static void on_timer(struct fg_timer *timer, uint64_t now_ns)
{
	proceed(timer->context, now_ns);
}

int fg_lane_new(const struct fg_lane_options *options, struct fg_lane **ret, struct fg_err *err)
{
	const struct fg_scenario *scenario = options->program->scenario;
	struct fg_lane *lane = calloc(1, sizeof(*lane));
	uint64_t initial;
	int rc = 0;

	if (!lane)
		return fg_err_nomem(err);
	lane->options = *options;
	lane->scenario = scenario;
	lane->timer.on_due = on_timer;
	lane->timer.context = lane;
	lane->timer.spin = options->spin;
	fg_lane_arrivals_init(lane);
	fg_lane_loop_init(lane);
	lane->vus_max = (size_t)fg_plan_vus_of_part(fg_plan_max_vus(scenario), &options->part);
	initial = fg_plan_vus_of_part(fg_plan_initial_vus(scenario), &options->part);
	while (!rc && lane->vu_count < initial)
		rc = make_vu(lane, 0, err);
	if (rc) {
		fg_lane_free(lane);
		return rc;
	}
	*ret = lane;
	return 0;
}

void fg_lane_free(struct fg_lane *lane)
{
	if (!lane)
		return;
	for (size_t i = 0; i < lane->vu_count; i++)
		fg_vu_free(lane->vus[i]);
	free(lane->vus);
	free(lane);
}

void fg_lane_start(struct fg_lane *lane, uint64_t run_start_ns)
{
	lane->start_ns = run_start_ns + lane->scenario->start_time_ns;
	lane->regular_end_ns = fg_lane_later(run_start_ns, fg_plan_regular_end_ns(lane->scenario));
	lane->hard_end_ns = fg_lane_later(run_start_ns, fg_plan_hard_end_ns(lane->scenario));
	fg_timer_set(lane->options.env->pacer, &lane->timer, next_moment_ns(lane));
}

void fg_lane_drain(struct fg_lane *lane, uint64_t now_ns)
{
	const uint64_t grace_ns = FG_MIN(lane->scenario->graceful_stop_ns, DRAIN_MAX_NS);

	if (lane->state == FG_LANE_PENDING)
		lane->state = FG_LANE_STOPPING;
	if (lane->state == FG_LANE_DONE)
		return;
	lane->regular_end_ns = FG_MIN(lane->regular_end_ns, now_ns);
	lane->hard_end_ns = FG_MIN(lane->hard_end_ns, now_ns + grace_ns);
	proceed(lane, now_ns);
}

void fg_lane_stop(struct fg_lane *lane, uint64_t now_ns)
{
	if (lane->state == FG_LANE_DONE)
		return;
	fg_lane_drain(lane, now_ns);
	lane->hard_end_ns = now_ns;
	if (lane->state != FG_LANE_DONE)
		proceed(lane, now_ns);
}
