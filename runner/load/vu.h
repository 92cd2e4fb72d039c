/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual user: the step machine. One iteration runs the scenario's program; each request is
 * metered with its due time.
 *
 * Promises: states change in one function against one table; response time counts from the
 * iteration's due time for the first request, from the end of the previous step (plus think time)
 * for later ones; exactly one on_idle per fg_vu_begin() and per fg_vu_begin_init(), possibly from
 * within it; no allocation per iteration after warm-up. Does not know when iterations are due or
 * who waits: that is the lane's.
 */
#ifndef FG_LOAD_VU_H
#define FG_LOAD_VU_H

#include "gate/base/random.h"
#include "gate/measure/request_log.h"
#include "runner/load/cookies.h"
#include "runner/load/engine.h"
#include "runner/load/log.h"
#include "runner/load/meter.h"
#include "runner/load/pacer.h"
#include "runner/load/program.h"

enum fg_vu_state {
	FG_VU_IDLE,
	FG_VU_RUNNING,  /* between two steps, on the stack of one of our functions */
	FG_VU_WAITING,  /* for responses */
	FG_VU_THINKING, /* for a timer */
	FG_VU_CUTTING,  /* for the responses of requests that were cut */
	FG_VU_STATE_COUNT
};

enum fg_vu_event {
	FG_VU_BEGIN,
	FG_VU_SEND,
	FG_VU_THINK,
	FG_VU_RESPONSE, /* the last one that was waited for */
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
struct fg_call; /* vu_call.c: a request under way with its redirects */

/* What the VUs of one worker share. Fill the first part, then fg_vu_env_init(). */
struct fg_vu_env {
	struct fg_pacer *pacer;
	struct fg_meter *meter;
	uint64_t seed;
	uint64_t vus; /* the most there will ever be: all scenarios, workers and shards together */
	const struct fg_slot *globals;   /* from setup; NULL: none */
	const char *const *run_texts;    /* FG_RUN_TEXT_COUNT; NULL: none */
	struct fg_load_log *log;         /* NULL: nobody listens */
	struct fg_request_log *requests; /* when each was under way; NULL: nobody asks */
	/** The run cannot go on (a data set with `onEnd: fail` is used up); called once. NULL: the
	 *  VU ends as with `stop`, and `fatal` says why. */
	void (*on_fatal)(void *context, const struct fg_err *err);
	/** An iteration ended early, and why, instead of the log: for who runs steps once. NULL:
	 *  none. */
	void (*on_reason)(void *context, const struct fg_step *step, const struct fg_err *err);
	void *context;
	/** For tests: sees every change of state. NULL: none. */
	void (*trace)(const struct fg_vu *vu, enum fg_vu_state from, enum fg_vu_event event);
	/* -- fg_vu_env_init()'s: memory of one step, shared because no step of a VU is interrupted
	 * by another VU's. */
	struct fg_arena arena;
	struct fg_regex_match *match;
	struct fg_inflate *inflate;
	struct fg_buf text;  /* of a log line */
	struct fg_err fatal; /* code FG_E_NONE: none */
};

enum { FG_VU_ARENA_MAX = 64 << 20, FG_VU_TEXT_MAX = 64 << 10 };

int fg_vu_env_init(struct fg_vu_env *env, struct fg_err *err) FG_MUST_USE;
void fg_vu_env_done(struct fg_vu_env *env); /* also of a zeroed one */

/* What templates may refer to. */
struct fg_vu_ids {
	uint64_t vu, iteration, scenario_iteration;
};

/* An open loop or group. */
struct fg_frame {
	uint32_t group;       /* of a group: its index; of a loop: FG_INDEX_NONE */
	uint64_t start_ns;    /* of a group */
	uint64_t turn, turns; /* of a loop; turns: of `count` */
	size_t offset;        /* of `over`: in list */
	struct fg_buf list;
};

struct fg_vu {
	enum fg_vu_state state;
	struct fg_vu_env *env;
	const struct fg_program *program;
	struct fg_engine_vu *connection;
	struct fg_random random;
	struct fg_vu_ids ids; /* vu from 1, iteration from 0 (the lane counts it) */
	uint32_t pc;
	uint32_t budget;   /* instructions until the loop must have had its turn */
	uint64_t due_ns;   /* when the next step may start at the earliest */
	uint64_t start_ns; /* of the iteration */
	bool waited;       /* this iteration gave the loop a turn */
	bool counted;      /* what runs is an iteration, not init, setup or teardown */
	bool breathing;    /* thinks only to give the loop a turn */
	bool failing;      /* ends when what is under way has ended */
	bool failed;       /* the last iteration or init ended early, not by being cut */
	bool init_done, init_failed;
	bool rows_taken; /* init took the first iteration's rows */
	bool exhausted;
	struct fg_frame *frames; /* program->depth */
	uint32_t frame_count;
	struct fg_slot *slots; /* of the file's variables */
	bool *kept;            /* set by init: not cleared between iterations */
	const struct fg_data_row **rows;
	struct fg_data_cursor *cursors;
	struct fg_cookies cookies, init_cookies;
	struct fg_call *calls; /* program->width */
	uint32_t running;      /* calls under way */
	uint64_t calls_end_ns; /* when the latest of them ended */
	struct fg_timer think_timer;
	/* The lane's: */
	void (*on_idle)(void *context, struct fg_vu *vu, uint64_t now_ns);
	void *context;
	struct fg_timer cut_timer; /* end of gracefulRampDown */
	struct fg_vu *next_idle;
	uint64_t idle_since_ns;
	size_t index; /* in the lane */
};

/** `number`: 1-based and unique in the run. Room for its two timers is the caller's business. */
int fg_vu_new(struct fg_vu_env *env, const struct fg_program *program, uint64_t number,
	      struct fg_vu **ret, struct fg_err *err) FG_MUST_USE;
void fg_vu_free(struct fg_vu *vu); /* must be idle, or its requests are dropped unrecorded */
/** Starts an iteration that was due at due_ns. Only when idle and not exhausted; may find that it
 *  is (then nothing is counted). */
void fg_vu_begin(struct fg_vu *vu, uint64_t due_ns, uint64_t scenario_iteration, uint64_t now_ns);
/** Init steps, once, before the first iteration; outside all statistics. When on_idle comes,
 *  fg_vu_needs_init() is still true if it was cut, and vu->init_failed if a step failed. */
bool fg_vu_needs_init(const struct fg_vu *vu);
void fg_vu_begin_init(struct fg_vu *vu, uint64_t now_ns);
/** Cuts the running iteration: counted as interrupted, its running requests as lower bounds. */
void fg_vu_cut(struct fg_vu *vu, uint64_t now_ns);
/** True when a data set with `onEnd: stop` (or fail) has no row left for it: never begin it
 *  again. */
bool fg_vu_exhausted(const struct fg_vu *vu);

#endif
