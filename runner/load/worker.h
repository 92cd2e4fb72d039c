/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one thread with one loop, one engine, and a lane per scenario.
 *
 * Nothing is shared while it runs but a mailbox under a mutex, touched once per second and for
 * commands; each side wakes the other with uv_async_send(). The coordinator's thread makes, starts,
 * joins and frees it. Slices travel by pointer: whoever holds one owns it.
 */
#ifndef FG_LOAD_WORKER_H
#define FG_LOAD_WORKER_H

#include "runner/load/load.h"
#include "runner/load/lane.h"
#include "runner/load/pacing.h"

enum { FG_WORKER_SLICES_MAX = 8 };

enum fg_worker_state {
	FG_WORKER_STARTING,
	FG_WORKER_PREPARING, /* the VUs' init steps run */
	FG_WORKER_READY,     /* VUs made, waits for the start time */
	FG_WORKER_RUNNING,
	FG_WORKER_ENDING,   /* all iterations are over, handles are being closed */
	FG_WORKER_FINISHED, /* the thread may be joined; `rc` and `err` say how it went */
};

/* One second on its way to the coordinator. */
struct fg_worker_second {
	struct fg_slice *slice;
	/* Of the thread up to the end of it; `waited`: ready to run, but without a core. */
	uint64_t cpu_ns, waited_ns;
};

struct fg_worker_options {
	const struct fg_scenario_file *file;
	const struct fg_registry *registry;
	const char *target_url;
	const struct fg_engine_ops *const *ops; /* per scenario */
	const cpu_set_t *cpus;                  /* NULL: as the file says */
	uint64_t seed;
	uint64_t vus; /* the most of all scenarios, workers and shards */
	const struct fg_slot *globals;
	const char *const *run_texts;
	struct fg_load_log *log;
	const struct fg_load_labels *labels; /* NULL: none */
	unsigned index, count;
	unsigned shard, shards;
	struct fg_pacing_place pacing;
	uv_async_t *notify; /* the coordinator's */
};

struct fg_worker;

/** Starts the thread, which makes its VUs and becomes READY (or FINISHED with an error). */
int fg_worker_new(const struct fg_worker_options *options, struct fg_worker **ret,
		  struct fg_err *err) FG_MUST_USE;
/** Joins the thread (it must be FINISHED) and frees everything, also slices not collected. */
void fg_worker_free(struct fg_worker *worker);

/* What the coordinator does, from its own thread. */
enum fg_worker_state fg_worker_state(struct fg_worker *worker);
void fg_worker_start(struct fg_worker *worker, uint64_t start_ns);
/** Also before the start: the worker then finishes without having run. */
void fg_worker_stop(struct fg_worker *worker, enum fg_load_stop how);
/** Takes the oldest full second; false: none. */
bool fg_worker_collect(struct fg_worker *worker, struct fg_worker_second *ret);
void fg_worker_give_back(struct fg_worker *worker, struct fg_slice *slice);
/* What a FINISHED one leaves behind beside its slices. */
struct fg_worker_end {
	int rc;
	struct fg_err err;
	uint64_t cpu_ns, last_end_ns; /* when its last request ended */
	uint64_t inits_failed;        /* VUs that could not be used */
	size_t inits_scenario;        /* the first scenario with such */
	struct fg_err fatal;          /* why the run could not go on; code FG_E_NONE: it could */
};
/** True once a VU found that the run cannot go on. */
bool fg_worker_is_fatal(struct fg_worker *worker);
void fg_worker_result(struct fg_worker *worker, struct fg_worker_end *ret);
/** Of a FINISHED one: when its labelled requests were under way, now the caller's; or NULL. */
struct fg_request_log *fg_worker_take_requests(struct fg_worker *worker);

#endif
