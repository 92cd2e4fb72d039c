/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario on one worker: its VUs, and which of them works when.
 *
 * Turns the plan's due times, counts and VU numbers into iterations. Arrivals wait in order for a
 * free VU (or are dropped at once, as k6 does); VUs of the other executors loop until the plan
 * takes them away or their iterations are used up. Owns graceful stop and ramp-down, and a VU's
 * init steps before its first iteration. Knows no threads: the times it acts at come from the
 * pacer.
 */
#ifndef FG_LOAD_LANE_H
#define FG_LOAD_LANE_H

#include "runner/load/plan.h"
#include "runner/load/vu.h"

enum fg_lane_state {
	FG_LANE_PENDING,  /* before startTime */
	FG_LANE_ACTIVE,   /* regular duration */
	FG_LANE_STOPPING, /* gracefulStop: iterations finish, none starts */
	FG_LANE_DONE,
};

struct fg_lane_options {
	struct fg_vu_env *env;
	const struct fg_program *program;
	uint64_t first_vu; /* VUs of the run before this scenario's */
	struct fg_plan_part part;
	bool spin; /* busy-wait before due times */
	/** Every VU that was made before the start has ended its init; never from within
	 *  fg_lane_new(). */
	void (*on_ready)(void *context);
	void (*on_done)(void *context);
	void *context;
};

struct fg_lane {
	enum fg_lane_state state;
	struct fg_lane_options options;
	const struct fg_scenario *scenario;
	struct fg_timer timer; /* the next moment at which something changes */
	uint64_t start_ns, regular_end_ns, hard_end_ns;
	struct fg_vu **vus;
	size_t vu_count, vu_capacity, vus_max;
	size_t busy;         /* in an iteration */
	size_t dead;         /* never again: init failed, or data used up */
	uint64_t iterations; /* begun here */
	/* Init: VUs from init_next on have not begun theirs. */
	size_t init_next, inits_running;
	uint64_t init_failed;
	bool initing, ready;
	/* VU executors: VUs 0 … active−1 loop. */
	size_t active;
	uint64_t change_ns; /* when that was to change next */
	bool adjusting;     /* not all of them were begun yet */
	/* Iterations that are counted out. */
	uint64_t left;        /* not begun yet */
	uint64_t next_number; /* shared: of the next one */
	/* Arrivals: `waiting` events have become due and have no VU yet, the oldest at `serve`. */
	struct fg_plan_cursor due, serve;
	uint64_t waiting;
	bool serving;
	struct fg_vu *idle_head, **idle_tail; /* first in, first out, as k6 */
	bool failed;                          /* a VU could not be made in mid-run */
	struct fg_err err;
};

/** Makes the VUs that must exist before the start. */
int fg_lane_new(const struct fg_lane_options *options, struct fg_lane **ret,
		struct fg_err *err) FG_MUST_USE;
void fg_lane_free(struct fg_lane *lane);
/** Begins the init steps of the VUs, some at a time; on_ready comes, maybe from within. */
void fg_lane_prepare(struct fg_lane *lane, uint64_t now_ns);
/** Sets the clock running; only after on_ready. */
void fg_lane_start(struct fg_lane *lane, uint64_t run_start_ns);
/** Ends the regular duration now; running iterations keep gracefulStop, at most 30 s. */
void fg_lane_drain(struct fg_lane *lane, uint64_t now_ns);
/** Cuts everything. */
void fg_lane_stop(struct fg_lane *lane, uint64_t now_ns);

#endif
