/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/lane.h"

#include <stdlib.h>

#include "gate/base/clock.h"
#include "gate/base/vec.h"
#include "runner/load/plan.h"

/* VUs started before the loop gets its turn: thousands that start at once must not make the
 * arrivals of another scenario late. */
enum { STARTS_PER_TURN = 64 };

#define DRAIN_MAX_NS (30 * FG_NS_PER_S)

static void serve(struct fg_lane *lane, uint64_t now_ns);

static uint64_t later(uint64_t base_ns, uint64_t offset_ns)
{
	uint64_t sum;

	return __builtin_add_overflow(base_ns, offset_ns, &sum) ? UINT64_MAX : sum;
}

static struct fg_scenario_slice *counters(struct fg_lane *lane, uint64_t now_ns)
{
	return fg_meter_scenario(lane->options.env->meter, lane->options.program->scenario_index,
				 now_ns);
}

static void check_done(struct fg_lane *lane)
{
	if (lane->state != FG_LANE_STOPPING || lane->busy)
		return;
	lane->state = FG_LANE_DONE;
	fg_timer_clear(lane->options.env->pacer, &lane->timer);
	lane->options.on_done(lane->options.context);
}

/* -- VUs ------------------------------------------------------------------------------------- */

static void idle_push(struct fg_lane *lane, struct fg_vu *vu)
{
	vu->next_idle = NULL;
	*lane->idle_tail = vu;
	lane->idle_tail = &vu->next_idle;
}

static struct fg_vu *idle_pop(struct fg_lane *lane)
{
	struct fg_vu *vu = lane->idle_head;

	if (!vu)
		return NULL;
	lane->idle_head = vu->next_idle;
	if (!lane->idle_head)
		lane->idle_tail = &lane->idle_head;
	return vu;
}

static void begin(struct fg_lane *lane, struct fg_vu *vu, uint64_t due_ns, uint64_t number,
		  uint64_t now_ns)
{
	lane->busy++;
	lane->iterations++;
	fg_vu_begin(vu, due_ns, number, now_ns);
}

/* VU executors count iterations per worker; interleaved they are unique in the run. */
static void begin_next(struct fg_lane *lane, struct fg_vu *vu, uint64_t due_ns, uint64_t now_ns)
{
	begin(lane, vu, due_ns, lane->iterations * lane->options.workers + lane->options.worker,
	      now_ns);
}

static void on_vu_idle(void *context, struct fg_vu *vu, uint64_t now_ns)
{
	struct fg_lane *lane = context;

	lane->busy--;
	vu->idle_since_ns = now_ns;
	vu->ids.iteration++;
	if (fg_plan_is_arrival(lane->scenario)) {
		idle_push(lane, vu);
		if (lane->state == FG_LANE_ACTIVE)
			serve(lane, now_ns);
	} else if (lane->state == FG_LANE_ACTIVE && vu->index < lane->active) {
		begin_next(lane, vu, vu->due_ns, now_ns);
		return;
	} else {
		fg_timer_clear(lane->options.env->pacer, &vu->cut_timer);
	}
	check_done(lane);
}

static void on_cut_timer(struct fg_timer *timer, uint64_t now_ns)
{
	fg_vu_cut(timer->context, now_ns);
}

static int add_vu(struct fg_lane *lane, struct fg_err *err)
{
	const struct fg_lane_options *options = &lane->options;
	struct fg_vu *vu;
	uint64_t number;
	int rc = FG_VEC_ROOM(lane, vus, vu_count, vu_capacity, FG_SCENARIO_VUS_MAX, err);

	if (rc)
		return rc;
	number = options->first_vu + lane->vu_count * options->workers + options->worker + 1;
	rc = fg_vu_new(options->env, options->program, number, &vu, err);
	if (rc)
		return fg_err_wrap(err, "virtual user %llu", (unsigned long long)number);
	vu->index = lane->vu_count;
	vu->on_idle = on_vu_idle;
	vu->context = lane;
	vu->cut_timer.on_due = on_cut_timer;
	vu->cut_timer.context = vu;
	lane->vus[lane->vu_count++] = vu;
	if (fg_plan_is_arrival(lane->scenario))
		idle_push(lane, vu);
	return 0;
}

/* -- arrivals --------------------------------------------------------------------------------- */

static uint64_t arrival_ns(const struct fg_lane *lane, uint64_t k)
{
	if (k >= lane->event_end)
		return UINT64_MAX;
	return lane->start_ns + fg_plan_arrival_ns(lane->scenario, k, lane->options.env->seed);
}

static uint64_t event_after(const struct fg_lane *lane, uint64_t k)
{
	return fg_plan_event_of_worker(lane->scenario, k + 1, lane->options.worker,
				       lane->options.workers);
}

static void count_due(struct fg_lane *lane, uint64_t now_ns)
{
	while (arrival_ns(lane, lane->due_event) <= now_ns) {
		counters(lane, now_ns)->scheduled++;
		lane->due_event = event_after(lane, lane->due_event);
	}
}

static void begin_event(struct fg_lane *lane, struct fg_vu *vu, uint64_t due_ns, uint64_t number)
{
	/* Read again: with many events due at once the later ones start later. */
	const uint64_t now_ns = fg_clock_monotonic_ns();
	struct fg_scenario_slice *slice = counters(lane, now_ns);
	const uint64_t late_ns = now_ns > due_ns ? now_ns - due_ns : 0;
	const bool was_free = vu->idle_since_ns <= due_ns;

	fg_meter_time(lane->options.env->meter, was_free ? &slice->lag : &slice->queue, late_ns);
	if (late_ns > FG_LATE_NS)
		slice->late++;
	begin(lane, vu, due_ns, number, now_ns);
}

/* A free VU, made now if there may be another one. In drop mode the new one is for later events,
 * as in k6, where it starts in the background. */
static struct fg_vu *free_vu(struct fg_lane *lane)
{
	struct fg_vu *vu = idle_pop(lane);

	if (vu || lane->vu_count >= lane->vus_max || lane->failed)
		return vu;
	if (add_vu(lane, &lane->err))
		lane->failed = true;
	return lane->scenario->no_vu == FG_NO_VU_DROP ? NULL : idle_pop(lane);
}

static void serve(struct fg_lane *lane, uint64_t now_ns)
{
	uint64_t due_ns;

	/* A VU that ends its iteration without waiting comes back here from within; the cursor is
	 * moved before, so that is harmless. */
	while ((due_ns = arrival_ns(lane, lane->serve_event)) <= now_ns) {
		const uint64_t event = lane->serve_event;
		struct fg_vu *vu = free_vu(lane);

		if (!vu && lane->scenario->no_vu == FG_NO_VU_WAIT)
			break;
		lane->serve_event = event_after(lane, event);
		if (vu)
			begin_event(lane, vu, due_ns, event);
		else
			counters(lane, now_ns)->dropped++;
	}
}

/* What waits when the regular duration ends was never sent. It is no request, as in k6, but enters
 * the first step's class with the time that it waited, also as service time: not sending must not
 * make a gate greener. */
static void drop_waiting(struct fg_lane *lane, uint64_t now_ns)
{
	const struct fg_program *program = lane->options.program;

	while (lane->serve_event < lane->due_event) {
		const uint64_t due_ns = arrival_ns(lane, lane->serve_event);

		counters(lane, now_ns)->dropped++;
		if (program->has_request)
			fg_meter_unsent(lane->options.env->meter, program->first_class,
					now_ns > due_ns ? now_ns - due_ns : 0, now_ns);
		lane->serve_event = event_after(lane, lane->serve_event);
	}
}

/* -- VU executors ----------------------------------------------------------------------------- */

/* A closed model has no schedule of requests: a VU's clock starts when it starts. Many start at the
 * same moment by plan, and that the last of them waits for the others is not the target's doing. */
static void activate(struct fg_lane *lane, struct fg_vu *vu)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	fg_timer_clear(lane->options.env->pacer, &vu->cut_timer);
	if (vu->state == FG_VU_IDLE) /* else: goes on as if it had never been stopped */
		begin_next(lane, vu, now_ns, now_ns);
}

static void adjust_vus(struct fg_lane *lane, uint64_t now_ns)
{
	const uint64_t all = fg_plan_vus_at(lane->scenario, now_ns - lane->start_ns);
	const size_t target =
		(size_t)fg_plan_vus_of_worker(all, lane->options.worker, lane->options.workers);
	const uint64_t due_ns = FG_MIN(lane->change_ns, now_ns);
	const size_t before = lane->active;

	lane->active = FG_MIN(target, before + STARTS_PER_TURN);
	for (size_t i = before; i < lane->active; i++)
		activate(lane, lane->vus[i]);
	for (size_t i = lane->active; i < before; i++) {
		if (lane->vus[i]->state != FG_VU_IDLE)
			fg_timer_set(lane->options.env->pacer, &lane->vus[i]->cut_timer,
				     later(due_ns, lane->scenario->graceful_ramp_down_ns));
	}
	if (lane->active < target)
		lane->change_ns = now_ns; /* the rest on the next turn */
	else
		lane->change_ns =
			later(lane->start_ns,
			      fg_plan_next_vu_change_ns(lane->scenario, now_ns - lane->start_ns));
}

/* -- phases ----------------------------------------------------------------------------------- */

static void end_regular(struct fg_lane *lane, uint64_t now_ns)
{
	lane->state = FG_LANE_STOPPING;
	lane->active = 0;
	if (fg_plan_is_arrival(lane->scenario))
		drop_waiting(lane, now_ns);
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
			return FG_MIN(arrival_ns(lane, lane->due_event), lane->regular_end_ns);
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
		const uint64_t until_ns = FG_MIN(now_ns, lane->regular_end_ns);

		if (fg_plan_is_arrival(lane->scenario)) {
			count_due(lane, until_ns);
			serve(lane, until_ns);
		} else if (now_ns >= lane->change_ns && now_ns < lane->regular_end_ns) {
			adjust_vus(lane, now_ns);
		}
		if (now_ns >= lane->regular_end_ns)
			end_regular(lane, now_ns);
	}
	if (lane->state == FG_LANE_STOPPING && now_ns >= lane->hard_end_ns)
		cut_all(lane, now_ns);
	check_done(lane);
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
	lane->idle_tail = &lane->idle_head;
	lane->event_end = fg_plan_events(scenario);
	lane->due_event = lane->serve_event =
		fg_plan_event_of_worker(scenario, 0, options->worker, options->workers);
	lane->vus_max = (size_t)fg_plan_vus_of_worker(fg_plan_max_vus(scenario), options->worker,
						      options->workers);
	initial = fg_plan_vus_of_worker(fg_plan_initial_vus(scenario), options->worker,
					options->workers);
	while (!rc && lane->vu_count < initial)
		rc = add_vu(lane, err);
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
	lane->regular_end_ns = later(run_start_ns, fg_plan_regular_end_ns(lane->scenario));
	lane->hard_end_ns = later(run_start_ns, fg_plan_hard_end_ns(lane->scenario));
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
