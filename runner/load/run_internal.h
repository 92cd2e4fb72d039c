/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the coordinator: its state, and what it tells about itself. */
#ifndef FG_LOAD_RUN_INTERNAL_H
#define FG_LOAD_RUN_INTERNAL_H

#include "runner/load/engine.h"
#include "runner/load/load.h"
#include "runner/load/log.h"
#include "runner/load/plan.h"
#include "runner/load/worker.h"

enum { FG_LOAD_WORKERS_MAX = 64, FG_LOAD_WATCHES_MAX = 16 };

struct fg_load_watcher {
	uv_poll_t poll;
	struct fg_load *load;
	const struct fg_load_watch *watch;
};

/* Live numbers of one scenario, from the seconds that arrived. */
struct fg_load_live {
	uint64_t iterations;
	uint64_t scheduled, dropped;
	uint64_t of_second[2]; /* iterations of the newest and the one before, by second parity */
	uint32_t second[2];
	uint32_t vus[FG_LOAD_WORKERS_MAX], vus_max[FG_LOAD_WORKERS_MAX];
};

struct fg_load_worker {
	struct fg_worker *worker;
	uint32_t next_second; /* all before it have arrived */
	bool finished;
	uint64_t cpu_start_ns, cpu_end_ns; /* of the measured phase */
	uint64_t waited_start_ns, waited_end_ns;
	bool have_cpu_start;
};

struct fg_load {
	const struct fg_load_options *options;
	const struct fg_engine_ops **ops; /* per scenario */
	struct fg_result *result;
	uv_loop_t loop;
	uv_async_t wake; /* a worker has something */
	struct fg_load_log *log;
	uv_timer_t ticker; /* patience with a stuck worker */
	uv_signal_t signals[3];
	struct fg_load_watcher watches[FG_LOAD_WATCHES_MAX];
	size_t watch_count;
	struct fg_load_worker workers[FG_LOAD_WORKERS_MAX];
	unsigned worker_count, made;
	struct fg_load_live *live;
	uint64_t start_ns; /* 0: not started */
	uint32_t reported; /* seconds for which on_second was called */
	enum fg_load_stop stop;
	enum fg_run_status status;
	bool spinning; /* the pacer busy-waits: a full core says nothing */
	bool ended;
	int rc;
	struct fg_err err;
};

/** run_progress.c: takes the live numbers of a worker's second. */
void fg_load_take_live(struct fg_load *load, unsigned worker, const struct fg_slice *slice);
/** run_end.c: was the generator the bottleneck? Sets result->invalid_reason. */
int fg_load_judge(struct fg_load *load, const struct fg_worker_end *ends,
		  struct fg_err *err) FG_MUST_USE;

#endif
