/* SPDX-License-Identifier: Apache-2.0 */
/* Iterations that the clock starts: events become due, wait in order, and get a VU or are dropped.
 */
#include "runner/load/lane_internal.h"

#include "gate/base/clock.h"

void fg_lane_arrivals_init(struct fg_lane *lane)
{
	lane->idle_tail = &lane->idle_head;
	fg_plan_cursor_init(&lane->due, lane->scenario, &lane->options.part,
			    lane->options.env->seed);
}

void fg_lane_idle_push(struct fg_lane *lane, struct fg_vu *vu)
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

uint64_t fg_lane_next_arrival_ns(const struct fg_lane *lane)
{
	return fg_lane_later(lane->start_ns, lane->due.due_ns);
}

/* Events that nobody waits behind are served at once, with the cursor that found them; only a
 * backlog needs the second one to move. */
static void take_due(struct fg_lane *lane, uint64_t now_ns)
{
	while (fg_lane_next_arrival_ns(lane) <= now_ns && lane->due.due_ns != UINT64_MAX) {
		fg_lane_counters(lane, now_ns)->scheduled++;
		if (!lane->waiting++)
			lane->serve = lane->due;
		fg_plan_cursor_next(&lane->due);
	}
}

/* The oldest event that waits leaves the queue. */
static void leave_queue(struct fg_lane *lane)
{
	if (--lane->waiting)
		fg_plan_cursor_next(&lane->serve);
}

static void begin_event(struct fg_lane *lane, struct fg_vu *vu)
{
	const uint64_t due_ns = lane->start_ns + lane->serve.due_ns;
	const uint64_t number = lane->serve.event;
	/* Read again: with many events due at once the later ones start later. */
	const uint64_t now_ns = fg_clock_monotonic_ns();
	struct fg_scenario_slice *slice = fg_lane_counters(lane, now_ns);
	const uint64_t late_ns = now_ns > due_ns ? now_ns - due_ns : 0;
	const bool was_free = vu->idle_since_ns <= due_ns;

	leave_queue(lane);
	fg_meter_time(lane->options.env->meter, was_free ? &slice->lag : &slice->queue, late_ns);
	if (late_ns > FG_LATE_NS)
		slice->late++;
	fg_lane_begin(lane, vu, due_ns, number, now_ns);
}

/* A free VU, or NULL. One is made for every event that waits, as long as there may be another: no
 * event is dropped because its VU is not ready yet (k6#2837). */
static struct fg_vu *free_vu(struct fg_lane *lane, uint64_t now_ns)
{
	struct fg_vu *vu = idle_pop(lane);

	while (!vu && fg_lane_starting(lane) < lane->waiting && lane->vu_count < lane->vus_max &&
	       !lane->failed) {
		if (fg_lane_add_vu(lane, now_ns, &lane->err))
			lane->failed = true;
		vu = idle_pop(lane);
	}
	return vu;
}

static void serve(struct fg_lane *lane, uint64_t now_ns)
{
	while (lane->waiting) {
		struct fg_vu *vu = free_vu(lane, now_ns);

		if (vu) {
			begin_event(lane, vu);
		} else if (lane->scenario->no_vu == FG_NO_VU_WAIT ||
			   fg_lane_starting(lane) >= lane->waiting) {
			break;
		} else {
			leave_queue(lane);
			fg_lane_counters(lane, now_ns)->dropped++;
		}
	}
}

void fg_lane_serve(struct fg_lane *lane, uint64_t now_ns)
{
	/* A VU that ends its iteration without waiting comes back here from within. */
	if (lane->serving)
		return;
	lane->serving = true;
	take_due(lane, now_ns);
	serve(lane, now_ns);
	lane->serving = false;
}

/* What was never sent is no request, as in k6, but enters the first step's class with the time that
 * it waited, also as service time: not sending must not make a gate greener. */
void fg_lane_drop_waiting(struct fg_lane *lane, uint64_t now_ns)
{
	const struct fg_program *program = lane->options.program;

	while (lane->waiting) {
		const uint64_t due_ns = lane->start_ns + lane->serve.due_ns;

		fg_lane_counters(lane, now_ns)->dropped++;
		if (program->has_request)
			fg_meter_unsent(lane->options.env->meter, program->first_class,
					now_ns > due_ns ? now_ns - due_ns : 0, now_ns);
		leave_queue(lane);
	}
}
