/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario on one worker: its VUs, and which of them works when.
 *
 * Turns the plan's due times and VU counts into iterations. Arrivals wait in order for a free VU
 * (or are dropped at once, as k6 does); VUs of the other executors loop until the plan takes them
 * away. Owns graceful stop and ramp-down. Knows no threads: the times it acts at come from the
 * pacer.
 */
#ifndef FG_LOAD_LANE_H
#define FG_LOAD_LANE_H

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
	unsigned worker, workers;
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
	size_t busy;
	uint64_t iterations; /* begun here */
	/* VU executors: VUs 0 … active−1 loop. */
	size_t active;
	uint64_t change_ns; /* when that was to change next */
	/* Arrivals: events below due_event have become due, those below serve_event have a VU (or
	 * are dropped); between them they wait. */
	uint64_t due_event, serve_event, event_end;
	struct fg_vu *idle_head, **idle_tail; /* first in, first out, as k6 */
	bool failed;                          /* a VU could not be made in mid-run */
	struct fg_err err;
};

/** Makes the VUs that must exist before the start. */
int fg_lane_new(const struct fg_lane_options *options, struct fg_lane **ret,
		struct fg_err *err) FG_MUST_USE;
void fg_lane_free(struct fg_lane *lane);
/** Sets the clock running. */
void fg_lane_start(struct fg_lane *lane, uint64_t run_start_ns);
/** Ends the regular duration now; running iterations keep gracefulStop, at most 30 s. */
void fg_lane_drain(struct fg_lane *lane, uint64_t now_ns);
/** Cuts everything. */
void fg_lane_stop(struct fg_lane *lane, uint64_t now_ns);

#endif
