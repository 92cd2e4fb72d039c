/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "gate/base/clock.h"
#include "runner/load/cpus.h"
#include "runner/load/plan.h"

enum {
	SLICES_FIRST = 3,      /* one being filled, one on its way, one coming back */
	BLOCKS_PER_CLASS = 72, /* 9 trends × about 4 octaves, in the slice and in the one before */
	BLOCKS_PER_SCENARIO = 24,
	BLOCKS_MAX = 4096, /* 32 MB; the pool grows if it must */
};

struct fg_worker {
	struct fg_worker_options options;
	pthread_t thread;
	uv_loop_t loop;
	uv_async_t wake; /* commands have come */
	/* -- the thread's own */
	struct fg_pacer pacer;
	struct fg_meter meter;
	struct fg_vu_env env;
	struct fg_engines engines;
	struct fg_program **programs;
	struct fg_lane **lanes;
	size_t lanes_ready, lanes_done;
	struct fg_timer second_timer;
	struct fg_hist_pool *pool;
	struct fg_request_log *requests; /* NULL: not asked for */
	size_t slices_made;
	bool started;
	/* -- the mailbox */
	pthread_mutex_t mutex;
	enum fg_worker_state state;
	uint64_t start_ns; /* 0: not yet */
	enum fg_load_stop stop;
	struct fg_worker_second full[FG_WORKER_SLICES_MAX];
	size_t full_first, full_count;
	struct fg_slice *empty[FG_WORKER_SLICES_MAX];
	size_t empty_count;
	struct fg_worker_end end;
};

/* -- slices ---------------------------------------------------------------------------------- */

static void send_full(struct fg_worker *worker, struct fg_slice *full)
{
	const size_t last = (worker->full_first + worker->full_count++) % FG_WORKER_SLICES_MAX;

	worker->full[last] = (struct fg_worker_second){full, fg_clock_thread_cpu_ns(),
						       fg_clock_thread_waited_ns()};
}

static void set_gauges(struct fg_worker *worker, struct fg_slice *slice)
{
	for (size_t i = 0; i < worker->options.file->scenario_count; i++) {
		slice->scenarios[i].vus = (uint32_t)worker->lanes[i]->busy;
		slice->scenarios[i].vus_max = (uint32_t)worker->lanes[i]->vu_count;
	}
}

static struct fg_slice *make_slice(struct fg_worker *worker, struct fg_err *err)
{
	struct fg_slice *slice;

	if (worker->slices_made >= FG_WORKER_SLICES_MAX ||
	    fg_slice_new(worker->options.registry, worker->pool, &slice, err))
		return NULL;
	slice->worker = worker->options.index;
	worker->slices_made++;
	return slice;
}

/* The meter's second is over. At once-a-second this may allocate, when the coordinator is slow. */
static struct fg_slice *swap_slice(void *context, struct fg_slice *full)
{
	struct fg_worker *worker = context;
	struct fg_slice *next = NULL;

	pthread_mutex_lock(&worker->mutex);
	if (worker->empty_count)
		next = worker->empty[--worker->empty_count];
	pthread_mutex_unlock(&worker->mutex);
	if (next) {
		fg_slice_clear(next); /* here, because the pool is ours */
		next->worker = worker->options.index;
	} else {
		next = make_slice(worker, NULL);
	}
	if (!next)
		return NULL;
	set_gauges(worker, full);
	pthread_mutex_lock(&worker->mutex);
	send_full(worker, full);
	pthread_mutex_unlock(&worker->mutex);
	uv_async_send(worker->options.notify);
	return next;
}

static void on_second(struct fg_timer *timer, uint64_t now_ns)
{
	struct fg_worker *worker = timer->context;

	fg_meter_turn(&worker->meter, now_ns);
	fg_timer_set(&worker->pacer, timer, worker->meter.second_end_ns);
}

/* -- running ---------------------------------------------------------------------------------- */

static void close_wake(struct fg_worker *worker)
{
	if (!uv_is_closing((uv_handle_t *)&worker->wake))
		uv_close((uv_handle_t *)&worker->wake, NULL);
}

static void on_lane_done(void *context)
{
	struct fg_worker *worker = context;

	if (++worker->lanes_done == worker->options.file->scenario_count)
		uv_stop(&worker->loop);
}

static void on_lane_ready(void *context)
{
	struct fg_worker *worker = context;

	if (++worker->lanes_ready < worker->options.file->scenario_count)
		return;
	pthread_mutex_lock(&worker->mutex);
	worker->state = FG_WORKER_READY;
	pthread_mutex_unlock(&worker->mutex);
	uv_async_send(worker->options.notify);
}

static void start_lanes(struct fg_worker *worker, uint64_t start_ns)
{
	fg_meter_start(&worker->meter, start_ns);
	fg_timer_set(&worker->pacer, &worker->second_timer, worker->meter.second_end_ns);
	for (size_t i = 0; i < worker->options.file->scenario_count; i++)
		fg_lane_start(worker->lanes[i], start_ns);
}

static void stop_lanes(struct fg_worker *worker, enum fg_load_stop how)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	for (size_t i = 0; i < worker->options.file->scenario_count; i++) {
		if (how == FG_LOAD_STOP_NOW)
			fg_lane_stop(worker->lanes[i], now_ns);
		else
			fg_lane_drain(worker->lanes[i], now_ns);
	}
}

static void on_wake(uv_async_t *wake)
{
	struct fg_worker *worker = wake->data;
	enum fg_load_stop stop;
	uint64_t start_ns;

	pthread_mutex_lock(&worker->mutex);
	start_ns = worker->start_ns;
	stop = worker->stop;
	if (start_ns && worker->state == FG_WORKER_READY)
		worker->state = FG_WORKER_RUNNING;
	pthread_mutex_unlock(&worker->mutex);
	if (stop && !worker->started) {
		uv_stop(&worker->loop);
		return;
	}
	if (start_ns && !worker->started) {
		worker->started = true;
		start_lanes(worker, start_ns);
	}
	if (stop && worker->started)
		stop_lanes(worker, stop);
}

/* -- setting up and tearing down, in the thread ---------------------------------------------------
 */

static int make_slices(struct fg_worker *worker, struct fg_err *err)
{
	const struct fg_registry *registry = worker->options.registry;
	const size_t blocks = registry->class_count * BLOCKS_PER_CLASS +
			      registry->scenario_count * BLOCKS_PER_SCENARIO;
	int rc = fg_hist_pool_new(FG_MIN(blocks, (size_t)BLOCKS_MAX), &worker->pool, err);

	for (int i = 0; !rc && i < SLICES_FIRST; i++) {
		struct fg_slice *slice = make_slice(worker, err);

		if (!slice)
			rc = -FG_E_NOMEM;
		else
			worker->empty[worker->empty_count++] = slice;
	}
	if (rc)
		return rc;
	worker->meter.swap = swap_slice;
	worker->meter.context = worker;
	worker->meter.slice = worker->empty[--worker->empty_count];
	return 0;
}

/* A data set with `onEnd: fail` is used up: the coordinator stops the others. */
static void on_fatal(void *context, const struct fg_err *err)
{
	struct fg_worker *worker = context;

	pthread_mutex_lock(&worker->mutex);
	worker->end.fatal = *err;
	pthread_mutex_unlock(&worker->mutex);
	uv_async_send(worker->options.notify);
}

static int make_env(struct fg_worker *worker, struct fg_err *err)
{
	const struct fg_worker_options *options = &worker->options;
	const size_t classes = options->registry->class_count;

	if (options->labels && classes && classes <= FG_REQUEST_LOG_CLASSES_MAX) {
		int rc = fg_request_log_new(FG_REQUEST_LOG_CAPACITY, classes, &worker->requests,
					    err);

		if (rc)
			return rc;
	}
	worker->engines.labels = options->labels;
	worker->env = (struct fg_vu_env){
		.pacer = &worker->pacer,
		.meter = &worker->meter,
		.seed = options->seed,
		.vus = options->vus,
		.globals = options->globals,
		.run_texts = options->run_texts,
		.log = options->log,
		.requests = worker->requests,
		.on_fatal = on_fatal,
		.context = worker,
	};
	return fg_vu_env_init(&worker->env, err);
}

static int make_program(struct fg_worker *worker, size_t index, struct fg_err *err)
{
	const struct fg_worker_options *options = &worker->options;
	struct fg_program **program = &worker->programs[index];
	int rc = fg_program_new(options->file, index, options->registry, options->target_url,
				program, err);

	if (rc)
		return rc;
	(*program)->ops = options->ops[index];
	return fg_engines_open(&worker->engines, options->ops[index], &worker->loop, options->file,
			       &(*program)->engine, err);
}

static int make_programs(struct fg_worker *worker, struct fg_err *err)
{
	const size_t count = worker->options.file->scenario_count;

	for (size_t i = 0; i < count; i++) {
		int rc = make_program(worker, i, err);

		if (rc)
			return rc;
	}
	fg_program_share_data(worker->programs, count);
	return 0;
}

static int make_lanes(struct fg_worker *worker, struct fg_err *err)
{
	const struct fg_worker_options *options = &worker->options;
	const struct fg_plan_part part = {
		.shard = options->shard,
		.shards = options->shards,
		.worker = options->index,
		.workers = options->count,
	};
	uint64_t first_vu = 0;
	size_t timers = 1;

	for (size_t i = 0; i < options->file->scenario_count; i++) {
		const struct fg_scenario *scenario = &options->file->scenarios[i];
		struct fg_lane_options lane = {
			.env = &worker->env,
			.first_vu = first_vu,
			.part = part,
			.spin = fg_pacing_spins(&options->pacing, scenario),
			.on_ready = on_lane_ready,
			.on_done = on_lane_done,
			.context = worker,
		};
		int rc;

		lane.program = worker->programs[i];
		first_vu += fg_plan_max_vus(scenario);
		timers += 1 + 2 * (size_t)fg_plan_vus_of_part(fg_plan_max_vus(scenario), &part);
		rc = fg_pacer_reserve(&worker->pacer, timers, err);
		if (!rc)
			rc = fg_lane_new(&lane, &worker->lanes[i], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int set_up(struct fg_worker *worker, struct fg_err *err)
{
	const struct fg_worker_options *options = &worker->options;
	const size_t scenarios = options->file->scenario_count;
	int rc;

	worker->programs = calloc(scenarios + 1, sizeof(struct fg_program *));
	worker->lanes = calloc(scenarios + 1, sizeof(struct fg_lane *));
	if (!worker->programs || !worker->lanes)
		return fg_err_nomem(err);
	if ((rc = fg_cpus_pin(options->file->loadgen_cpus, options->cpus, err)) ||
	    (rc = make_env(worker, err)) || (rc = make_slices(worker, err)))
		return rc;
	worker->second_timer.on_due = on_second;
	worker->second_timer.context = worker;
	rc = make_programs(worker, err);
	return rc ? rc : make_lanes(worker, err);
}

static void tear_down(struct fg_worker *worker, bool have_pacer)
{
	for (size_t i = 0; worker->lanes && i < worker->options.file->scenario_count; i++)
		fg_lane_free(worker->lanes[i]);
	for (size_t i = 0; worker->programs && i < worker->options.file->scenario_count; i++)
		fg_program_free(worker->programs[i]);
	fg_vu_env_done(&worker->env);
	fg_engines_close(&worker->engines);
	if (have_pacer)
		fg_pacer_close(&worker->pacer);
	close_wake(worker);
	uv_run(&worker->loop, UV_RUN_DEFAULT);
	fg_engines_free(&worker->engines);
	if (have_pacer)
		fg_pacer_done(&worker->pacer);
	free(worker->lanes);
	free(worker->programs);
}

/* What went wrong without stopping the run. */
static int check_lanes(const struct fg_worker *worker, struct fg_err *err)
{
	for (size_t i = 0; i < worker->options.file->scenario_count; i++) {
		if (worker->lanes[i]->failed) {
			*err = worker->lanes[i]->err;
			return -(int)err->code;
		}
	}
	if (worker->meter.lost)
		return fg_err_set(err, FG_E_NOMEM, "%llu values could not be recorded",
				  (unsigned long long)worker->meter.lost);
	return 0;
}

static void count_inits(struct fg_worker *worker)
{
	for (size_t i = 0; i < worker->options.file->scenario_count; i++) {
		if (!worker->end.inits_failed)
			worker->end.inits_scenario = i;
		worker->end.inits_failed += worker->lanes[i]->init_failed;
	}
}

static void run_loop(struct fg_worker *worker, int *rc, struct fg_err *err)
{
	pthread_mutex_lock(&worker->mutex);
	worker->state = FG_WORKER_PREPARING;
	if (worker->stop) /* it came before there was anybody to wake */
		uv_async_send(&worker->wake);
	pthread_mutex_unlock(&worker->mutex);
	for (size_t i = 0; i < worker->options.file->scenario_count; i++)
		fg_lane_prepare(worker->lanes[i], fg_clock_monotonic_ns());
	uv_run(&worker->loop, UV_RUN_DEFAULT);
	pthread_mutex_lock(&worker->mutex);
	worker->state = FG_WORKER_ENDING; /* from here on nobody wakes the loop */
	pthread_mutex_unlock(&worker->mutex);
	*rc = check_lanes(worker, err);
	count_inits(worker);
	set_gauges(worker, worker->meter.slice);
}

static void finish(struct fg_worker *worker, int rc, const struct fg_err *err)
{
	pthread_mutex_lock(&worker->mutex);
	if (worker->started) {
		send_full(worker, worker->meter.slice);
		worker->meter.slice = NULL;
		worker->end.last_end_ns = worker->meter.last_end_ns;
	}
	worker->end.rc = rc;
	worker->end.err = *err;
	worker->end.cpu_ns = fg_clock_thread_cpu_ns();
	worker->state = FG_WORKER_FINISHED;
	/* Before unlocking: who sees FINISHED may close the loop that this wakes. */
	uv_async_send(worker->options.notify);
	pthread_mutex_unlock(&worker->mutex);
}

static void *thread_main(void *context)
{
	struct fg_worker *worker = context;
	struct fg_err err;
	int rc;

	fg_err_clear(&err);
	rc = fg_pacer_init(&worker->pacer, &worker->loop, &err);
	if (rc) {
		tear_down(worker, false);
	} else {
		rc = set_up(worker, &err);
		if (!rc)
			run_loop(worker, &rc, &err);
		tear_down(worker, true);
	}
	finish(worker, rc, &err);
	return NULL;
}

/* -- the coordinator's side -----------------------------------------------------------------------
 */

/* Signals go to the coordinator's thread; SIGPIPE becomes EPIPE. */
static int start_thread(struct fg_worker *worker)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&worker->thread, NULL, thread_main, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

int fg_worker_new(const struct fg_worker_options *options, struct fg_worker **ret,
		  struct fg_err *err)
{
	struct fg_worker *worker = calloc(1, sizeof(*worker));
	int rc;

	if (!worker)
		return fg_err_nomem(err);
	worker->options = *options;
	rc = uv_loop_init(&worker->loop);
	if (rc) {
		free(worker);
		return fg_err_set(err, FG_E_IO, "event loop: %s", uv_strerror(rc));
	}
	pthread_mutex_init(&worker->mutex, NULL);
	uv_async_init(&worker->loop, &worker->wake, on_wake);
	worker->wake.data = worker;
	rc = start_thread(worker);
	if (rc) {
		close_wake(worker);
		uv_run(&worker->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&worker->loop);
		pthread_mutex_destroy(&worker->mutex);
		free(worker);
		return fg_err_errno(err, rc, "worker thread");
	}
	*ret = worker;
	return 0;
}

void fg_worker_free(struct fg_worker *worker)
{
	struct fg_worker_second second;

	if (!worker)
		return;
	pthread_join(worker->thread, NULL);
	(void)uv_loop_close(&worker->loop);
	while (fg_worker_collect(worker, &second))
		fg_slice_free(second.slice);
	while (worker->empty_count)
		fg_slice_free(worker->empty[--worker->empty_count]);
	fg_slice_free(worker->meter.slice);
	fg_hist_pool_free(worker->pool);
	fg_request_log_free(worker->requests);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
}

enum fg_worker_state fg_worker_state(struct fg_worker *worker)
{
	enum fg_worker_state state;

	pthread_mutex_lock(&worker->mutex);
	state = worker->state;
	pthread_mutex_unlock(&worker->mutex);
	return state;
}

/* The wake-up handle closes when the thread ends: never send to it after that. */
static void wake(struct fg_worker *worker)
{
	if (worker->state == FG_WORKER_PREPARING || worker->state == FG_WORKER_READY ||
	    worker->state == FG_WORKER_RUNNING)
		uv_async_send(&worker->wake);
}

void fg_worker_start(struct fg_worker *worker, uint64_t start_ns)
{
	pthread_mutex_lock(&worker->mutex);
	worker->start_ns = start_ns;
	wake(worker);
	pthread_mutex_unlock(&worker->mutex);
}

void fg_worker_stop(struct fg_worker *worker, enum fg_load_stop how)
{
	pthread_mutex_lock(&worker->mutex);
	worker->stop = FG_MAX(worker->stop, how);
	wake(worker);
	pthread_mutex_unlock(&worker->mutex);
}

bool fg_worker_collect(struct fg_worker *worker, struct fg_worker_second *ret)
{
	bool found;

	pthread_mutex_lock(&worker->mutex);
	found = worker->full_count > 0;
	if (found) {
		*ret = worker->full[worker->full_first];
		worker->full_first = (worker->full_first + 1) % FG_WORKER_SLICES_MAX;
		worker->full_count--;
	}
	pthread_mutex_unlock(&worker->mutex);
	return found;
}

void fg_worker_give_back(struct fg_worker *worker, struct fg_slice *slice)
{
	pthread_mutex_lock(&worker->mutex);
	worker->empty[worker->empty_count++] = slice;
	pthread_mutex_unlock(&worker->mutex);
}

void fg_worker_result(struct fg_worker *worker, struct fg_worker_end *ret)
{
	pthread_mutex_lock(&worker->mutex);
	*ret = worker->end;
	pthread_mutex_unlock(&worker->mutex);
}

struct fg_request_log *fg_worker_take_requests(struct fg_worker *worker)
{
	struct fg_request_log *requests = worker->requests;

	worker->requests = NULL;
	return requests;
}

bool fg_worker_is_fatal(struct fg_worker *worker)
{
	bool fatal;

	pthread_mutex_lock(&worker->mutex);
	fatal = worker->end.fatal.code != FG_E_NONE;
	pthread_mutex_unlock(&worker->mutex);
	return fatal;
}
