/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual user: the step machine. One iteration runs the scenario's steps in order; each request
 * is metered with its due time.
 *
 * Promises: states change in one function against one table; response time counts from the
 * iteration's due time for the first request, from the end of the previous step (plus think time)
 * for later ones; exactly one on_idle per fg_vu_begin(). Does not know when iterations are due or
 * who waits: that is the lane's.
 */
#ifndef FG_LOAD_VU_H
#define FG_LOAD_VU_H

#include "runner/load/engine.h"
#include "runner/load/meter.h"
#include "runner/load/pacer.h"
#include "runner/load/program.h"
#include "gate/base/random.h"

enum fg_vu_state {
	FG_VU_IDLE,
	FG_VU_RUNNING,  /* between two steps, on the stack of one of our functions */
	FG_VU_WAITING,  /* for a response */
	FG_VU_THINKING, /* for a timer */
	FG_VU_CUTTING,  /* for the response of a request that was cut */
	FG_VU_STATE_COUNT
};

enum fg_vu_event {
	FG_VU_BEGIN,
	FG_VU_SEND,
	FG_VU_THINK,
	FG_VU_RESPONSE,
	FG_VU_WAKE,
	FG_VU_CUT,
	FG_VU_END,
	FG_VU_EVENT_COUNT
};

extern const char *const fg_vu_state_names[FG_VU_STATE_COUNT];
extern const char *const fg_vu_event_names[FG_VU_EVENT_COUNT];
/** The state after `event`, or FG_VU_STATE_COUNT: not allowed. */
enum fg_vu_state fg_vu_next_state(enum fg_vu_state from, enum fg_vu_event event);

struct fg_vu;

/* What the VUs of one worker share. */
struct fg_vu_env {
	struct fg_pacer *pacer;
	struct fg_meter *meter;
	const struct fg_engine_ops *ops;
	struct fg_engine *engine;
	uint64_t seed;
	/** For tests: sees every change of state. NULL: none. */
	void (*trace)(const struct fg_vu *vu, enum fg_vu_state from, enum fg_vu_event event);
};

struct fg_vu {
	enum fg_vu_state state;
	struct fg_vu_env *env;
	const struct fg_program *program;
	struct fg_engine_vu *connection;
	struct fg_program_scratch scratch;
	struct fg_random random;
	struct fg_program_ids ids; /* vu from 1, iteration from 0 */
	size_t step;
	uint64_t due_ns;   /* when the next step may start at the earliest */
	uint64_t start_ns; /* of the iteration */
	bool waited;       /* this iteration gave the loop a turn */
	struct fg_timer think_timer;
	/* The lane's: */
	void (*on_idle)(void *context, struct fg_vu *vu, uint64_t now_ns);
	void *context;
	struct fg_timer cut_timer; /* end of gracefulRampDown */
	struct fg_vu *next_idle;
	uint64_t idle_since_ns;
	size_t index; /* in the lane */
	bool init_failed;
};

/** `number`: 1-based and unique in the run. Room for its two timers is the caller's business. */
int fg_vu_new(struct fg_vu_env *env, const struct fg_program *program, uint64_t number,
	      struct fg_vu **ret, struct fg_err *err) FG_MUST_USE;
void fg_vu_free(struct fg_vu *vu); /* must be idle, or its request is dropped unrecorded */
/** Starts an iteration that was due at due_ns. Only when idle. */
void fg_vu_begin(struct fg_vu *vu, uint64_t due_ns, uint64_t scenario_iteration, uint64_t now_ns);
bool fg_vu_needs_init(const struct fg_vu *vu);
void fg_vu_begin_init(struct fg_vu *vu, uint64_t now_ns);
bool fg_vu_exhausted(const struct fg_vu *vu);
/** Cuts the running iteration: counted as interrupted, its running request as a lower bound. */
void fg_vu_cut(struct fg_vu *vu, uint64_t now_ns);

#endif
