/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator: starts the workers together, merges their seconds, ticks, stops.
 */
#include "runner/load/load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"
#include "gate/judge/threshold_watch.h"
#include "gate/measure/series.h"
#include "runner/load/plan.h"
#include "runner/load/pacing.h"
#include "runner/load/precheck.h"
#include "runner/load/run_internal.h"
#include "runner/load/select.h"

enum {
	LEAD_MS = 20,      /* from "all ready" to the start: time for every worker to wake up */
	PATIENCE_MS = 500, /* how long progress waits for a worker's second */
};

static void note_error(struct fg_load *load, int rc, const struct fg_err *err)
{
	if (!rc || load->rc)
		return;
	load->rc = rc;
	load->err = *err;
}

void fg_load_request_stop(struct fg_load *load, enum fg_load_stop how, enum fg_run_status status)
{
	if (load->ended || how <= load->stop)
		return;
	if (load->status == FG_RUN_COMPLETED)
		load->status = status;
	load->stop = how;
	for (unsigned i = 0; i < load->made; i++)
		fg_worker_stop(load->workers[i].worker, how);
}

uint64_t fg_load_started_ns(const struct fg_load *load)
{
	return load->start_ns;
}

/* -- merging ----------------------------------------------------------------------------------- */

/* CPU of the measured phase: from the last second before it to the last one that is whole. */
static void take_cpu(struct fg_load *load, struct fg_load_worker *slot,
		     const struct fg_worker_second *second)
{
	const uint64_t end_ns = (second->slice->second + 1ull) * FG_NS_PER_S;

	if (end_ns <= load->result->measured_start_ns) {
		slot->cpu_start_ns = second->cpu_ns;
		slot->waited_start_ns = second->waited_ns;
		slot->have_cpu_start = true;
	}
	slot->cpu_end_ns = second->cpu_ns;
	slot->waited_end_ns = second->waited_ns;
}

static void collect(struct fg_load *load, unsigned index)
{
	struct fg_load_worker *slot = &load->workers[index];
	/* Before collecting: what a finished worker sent is then complete. */
	const bool finished = fg_worker_state(slot->worker) == FG_WORKER_FINISHED;
	struct fg_worker_second second;
	struct fg_err err;

	while (fg_worker_collect(slot->worker, &second)) {
		fg_err_clear(&err);
		note_error(load, fg_result_add_slice(load->result, second.slice, &err), &err);
		fg_load_take_live(load, index, second.slice);
		take_cpu(load, slot, &second);
		slot->next_second = second.slice->second + 1;
		fg_worker_give_back(slot->worker, second.slice);
	}
	slot->finished = finished;
}

static uint32_t seconds_complete(const struct fg_load *load)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < load->made; i++) {
		if (!load->workers[i].finished)
			least = FG_MIN(least, load->workers[i].next_second);
	}
	return least == UINT32_MAX ? 0 : least;
}

static void update_durations(struct fg_load *load, uint64_t elapsed_ns)
{
	struct fg_result *result = load->result;

	result->duration_ns = elapsed_ns;
	result->measured_ns =
		elapsed_ns > result->measured_start_ns ? elapsed_ns - result->measured_start_ns : 0;
}

static void report(struct fg_load *load, uint32_t seconds)
{
	const uint64_t elapsed_ns = seconds * FG_NS_PER_S;
	struct fg_err err = {0};

	if (seconds <= load->reported)
		return;
	load->reported = seconds;
	note_error(load, fg_series_seal(load->result, seconds, &err), &err);
	update_durations(load, elapsed_ns);
	if (load->options->on_second)
		load->options->on_second(load->options->context, load, load->result, elapsed_ns);
}

/* -- starting and ending ------------------------------------------------------------------------
 */

/* As soon as possible, or together with other shards at a given time: then one that comes late must
 * not begin, because its part of the schedule would be shifted against the others'. */
static bool choose_start(struct fg_load *load)
{
	const uint64_t unix_ns = fg_clock_realtime_ns();
	const uint64_t now_ns = fg_clock_monotonic_ns();
	const uint64_t at_ns = load->options->start_unix_ns;
	uint64_t wait_ns = LEAD_MS * FG_NS_PER_MS;
	struct fg_err err;

	if (at_ns && at_ns < unix_ns) {
		fg_err_clear(&err);
		note_error(load,
			   fg_err_set(&err, FG_E_USAGE,
				      "--start-at was %.3f s before everything was ready; choose a "
				      "later time",
				      (double)(unix_ns - at_ns) / 1e9),
			   &err);
		fg_load_request_stop(load, FG_LOAD_STOP_NOW, FG_RUN_COMPLETED);
		return false;
	}
	if (at_ns)
		wait_ns = at_ns - unix_ns;
	load->start_ns = now_ns + wait_ns;
	load->result->started_ns = load->start_ns;
	load->result->started_unix_ns = unix_ns + wait_ns;
	return true;
}

static void start_when_ready(struct fg_load *load)
{
	for (unsigned i = 0; i < load->made; i++) {
		if (fg_worker_state(load->workers[i].worker) != FG_WORKER_READY)
			return;
	}
	if (!choose_start(load))
		return;
	for (unsigned i = 0; i < load->made; i++)
		fg_worker_start(load->workers[i].worker, load->start_ns);
}

/* What was measured is about to be written: from here on Ctrl-C is the caller's to allow again.
 * libuv puts the default action back when its handles close, so the signals are held meanwhile; one
 * that arrives in between is thrown away when it meets SIG_IGN. */
static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(how, &set, NULL);
}

static void ignore_signals(void)
{
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	hold_signals(SIG_UNBLOCK);
}

static void close_all(struct fg_load *load)
{
	if (load->ended)
		return;
	load->ended = true;
	if (load->options->handle_signals)
		hold_signals(SIG_BLOCK);
	uv_close((uv_handle_t *)&load->wake, NULL);
	uv_close((uv_handle_t *)&load->ticker, NULL);
	for (size_t i = 0; i < FG_ARRAY_LEN(load->signals); i++)
		uv_close((uv_handle_t *)&load->signals[i], NULL);
	for (size_t i = 0; i < load->watch_count; i++)
		uv_close((uv_handle_t *)&load->watches[i].poll, NULL);
}

static void on_wake(uv_async_t *wake)
{
	struct fg_load *load = wake->data;
	unsigned finished = 0;

	fg_load_log_drain(load->log, load->options->on_line, load->options->context);
	for (unsigned i = 0; i < load->made; i++) {
		collect(load, i);
		finished += load->workers[i].finished;
		if (fg_worker_is_fatal(load->workers[i].worker))
			fg_load_request_stop(load, FG_LOAD_STOP_DRAIN, FG_RUN_ABORTED);
	}
	if (finished == load->made) {
		close_all(load);
		return;
	}
	if (!load->start_ns && !load->stop) {
		/* One that could not start takes the others with it. */
		if (finished)
			fg_load_request_stop(load, FG_LOAD_STOP_NOW, FG_RUN_COMPLETED);
		else
			start_when_ready(load);
	}
	report(load, seconds_complete(load));
}

static void on_tick(uv_timer_t *ticker)
{
	struct fg_load *load = ticker->data;
	const uint64_t late_ns = fg_clock_monotonic_ns() - PATIENCE_MS * FG_NS_PER_MS;

	if (load->start_ns && late_ns > load->start_ns)
		report(load, (uint32_t)((late_ns - load->start_ns) / FG_NS_PER_S));
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct fg_load *load = signal->data;

	(void)number;
	fg_load_request_stop(
		load, load->stop == FG_LOAD_STOP_NONE ? FG_LOAD_STOP_DRAIN : FG_LOAD_STOP_NOW,
		FG_RUN_INTERRUPTED);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
	struct fg_load_watcher *watch = poll->data;

	(void)events;
	if (status < 0) {
		uv_poll_stop(poll);
		return;
	}
	watch->watch->on_readable(watch->watch->context, watch->load);
}

void fg_load_unwatch(struct fg_load *load, int fd)
{
	for (size_t i = 0; i < load->watch_count; i++)
		if (load->watches[i].watch->fd == fd)
			(void)uv_poll_stop(&load->watches[i].poll);
}

static int add_watch(struct fg_load *load, const struct fg_load_watch *watch, struct fg_err *err)
{
	struct fg_load_watcher *slot = &load->watches[load->watch_count];
	int rc = uv_poll_init(&load->loop, &slot->poll, watch->fd);

	if (rc)
		return fg_err_set(err, FG_E_IO, "cannot watch descriptor %d: %s", watch->fd,
				  uv_strerror(rc));
	*slot = (struct fg_load_watcher){.poll = slot->poll, .load = load, .watch = watch};
	slot->poll.data = slot;
	load->watch_count++;
	rc = uv_poll_start(&slot->poll, UV_READABLE, on_watch);
	return rc ? fg_err_set(err, FG_E_IO, "cannot watch descriptor %d: %s", watch->fd,
			       uv_strerror(rc))
		  : 0;
}

/* From a worker's thread. */
static void on_line(void *context)
{
	struct fg_load *load = context;

	uv_async_send(&load->wake);
}

static bool is_ignored(int number)
{
	struct sigaction now;

	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Everything that close_all() closes is initialised before anything here can fail. */
static int init_loop(struct fg_load *load, struct fg_err *err)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	int rc = uv_loop_init(&load->loop);

	if (rc)
		return fg_err_set(err, FG_E_IO, "event loop: %s", uv_strerror(rc));
	uv_async_init(&load->loop, &load->wake, on_wake);
	load->wake.data = load;
	uv_timer_init(&load->loop, &load->ticker);
	load->ticker.data = load;
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++) {
		uv_signal_init(&load->loop, &load->signals[i]);
		load->signals[i].data = load;
	}
	uv_timer_start(&load->ticker, on_tick, PATIENCE_MS, PATIENCE_MS);
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers) && load->options->handle_signals; i++)
		if (numbers[i] != SIGHUP || !is_ignored(SIGHUP)) /* nohup means it */
			uv_signal_start(&load->signals[i], on_signal, numbers[i]);
	return 0;
}

static int add_watches(struct fg_load *load, struct fg_err *err)
{
	if (load->options->watch_count > FG_LOAD_WATCHES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d descriptors to watch",
				  FG_LOAD_WATCHES_MAX);
	for (size_t i = 0; i < load->options->watch_count; i++) {
		int rc = add_watch(load, &load->options->watches[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

/* -- set-up
 * ---------------------------------------------------------------------------------------- */

static unsigned choose_threads(const struct fg_load_options *options)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = options->threads ? options->threads : options->file->threads;

	if (!threads)
		threads = cores <= 2 ? 1 : FG_MIN((unsigned)cores / 2, 4u);
	if (!options->threads && !options->file->threads && options->cpus)
		threads = FG_MIN(threads, (unsigned)CPU_COUNT(options->cpus));
	return FG_MIN(threads, (unsigned)FG_LOAD_WORKERS_MAX);
}

/* In whole seconds, because totals are made of whole seconds. */
static uint64_t measured_start_ns(const struct fg_scenario_file *file)
{
	uint64_t start_ns = 0;

	for (size_t i = 0; i < file->scenario_count; i++) {
		const struct fg_scenario *scenario = &file->scenarios[i];

		if (scenario->warmup_ns)
			start_ns = FG_MAX(start_ns, scenario->start_time_ns + scenario->warmup_ns);
	}
	return (start_ns + FG_NS_PER_S - 1) / FG_NS_PER_S * FG_NS_PER_S;
}

static int make_result(struct fg_load *load, struct fg_err *err)
{
	const struct fg_scenario_file *file = load->options->file;
	struct fg_registry registry;
	int rc;

	fg_registry_init(&registry);
	rc = fg_scenario_register(file, "", &registry, err);
	if (!rc)
		rc = fg_engine_note(load->ops, &registry, err);
	if (!rc)
		rc = fg_result_new(&registry, &load->result, err);
	fg_registry_done(&registry);
	if (rc)
		return rc;
	load->result->seed = load->options->seed;
	load->result->shard_index = load->options->shard_index;
	load->result->shard_count = FG_MAX(load->options->shard_count, 1u);
	load->result->measured_start_ns = measured_start_ns(file);
	rc = fg_threshold_watch(load->result, file->thresholds, file->threshold_count, err);
	if (!rc && load->options->spool_dir)
		rc = fg_series_spool_in(load->result, load->options->spool_dir, err);
	if (rc)
		return rc;
	load->live = calloc(file->scenario_count, sizeof(*load->live));
	return load->live ? 0 : fg_err_nomem(err);
}

static uint64_t all_vus(const struct fg_scenario_file *file)
{
	uint64_t vus = 0;

	for (size_t i = 0; i < file->scenario_count; i++)
		vus += fg_plan_max_vus(&file->scenarios[i]);
	return vus;
}

static int make_workers(struct fg_load *load, struct fg_err *err)
{
	const struct fg_pacing_place pacing = {
		.workers = load->worker_count,
		.shards = FG_MAX(load->options->shard_count, 1u),
		.cpus = load->options->cpus,
		.cpus_exclusive = load->options->cpus_exclusive,
	};

	for (size_t i = 0; i < load->options->file->scenario_count; i++)
		load->spinning |= fg_pacing_spins(&pacing, &load->options->file->scenarios[i]);
	for (unsigned i = 0; i < load->worker_count; i++) {
		const struct fg_worker_options options = {
			.file = load->options->file,
			.registry = &load->result->registry,
			.target_url = load->options->target_url,
			.ops = load->ops,
			.cpus = load->options->cpus,
			.seed = load->options->seed,
			.vus = all_vus(load->options->file),
			.globals = load->options->globals,
			.run_texts = load->options->run_texts,
			.log = load->log,
			.labels = load->options->labels,
			.index = i,
			.count = load->worker_count,
			.shard = load->options->shard_index,
			.shards = FG_MAX(load->options->shard_count, 1u),
			.pacing = pacing,
			.notify = &load->wake,
		};
		int rc = fg_worker_new(&options, &load->workers[i].worker, err);

		if (rc)
			return rc;
		load->made = i + 1;
	}
	return 0;
}

/* -- the end
 * ------------------------------------------------------------------------------------------ */

static void take_requests(struct fg_load *load, struct fg_worker *worker)
{
	struct fg_request_log *requests = fg_worker_take_requests(worker);

	if (requests && load->options->take_requests)
		load->options->take_requests(load->options->context, requests);
	else
		fg_request_log_free(requests);
}

static void finish(struct fg_load *load)
{
	struct fg_worker_end ends[FG_LOAD_WORKERS_MAX];
	uint64_t last_end_ns = load->start_ns;
	struct fg_err err;

	for (unsigned i = 0; i < load->made; i++) {
		fg_worker_result(load->workers[i].worker, &ends[i]);
		note_error(load, ends[i].rc, &ends[i].err);
		load->result->generator_cpu_ns += ends[i].cpu_ns;
		last_end_ns = FG_MAX(last_end_ns, ends[i].last_end_ns);
		take_requests(load, load->workers[i].worker);
		fg_worker_free(load->workers[i].worker);
	}
	load->result->status = load->status;
	if (!load->start_ns)
		return;
	update_durations(load, last_end_ns - load->start_ns);
	fg_err_clear(&err);
	note_error(load, fg_load_judge(load, ends, &err), &err);
	if (load->options->on_second)
		load->options->on_second(load->options->context, load, load->result,
					 /* The last requests may have ended before a second that
					    was told already. */
					 FG_MAX(load->result->duration_ns,
						load->reported * FG_NS_PER_S + 1));
}

/* Runs the loop until every worker has finished; also after a failed start, to end those that did
 * start. */
static void drive(struct fg_load *load, int rc, const struct fg_err *err)
{
	if (rc) {
		note_error(load, rc, err);
		fg_load_request_stop(load, FG_LOAD_STOP_NOW, FG_RUN_COMPLETED);
	}
	if (!load->made)
		close_all(load);
	uv_run(&load->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&load->loop);
	if (load->options->handle_signals)
		ignore_signals();
}

static int run_load(struct fg_load *load, struct fg_err *err)
{
	int rc = make_result(load, err);

	if (rc)
		return rc;
	rc = init_loop(load, err);
	if (rc)
		return rc;
	rc = add_watches(load, err);
	if (!rc)
		rc = fg_load_log_new(on_line, load, &load->log, err);
	if (!rc)
		rc = make_workers(load, err);
	drive(load, rc, err);
	finish(load);
	if (load->log)
		fg_load_log_finish(load->log, load->options->on_line, load->options->context);
	fg_load_log_free(load->log);
	if (load->rc && err)
		*err = load->err;
	return load->rc;
}

int fg_load_run(const struct fg_load_options *options, struct fg_result **ret, struct fg_err *err)
{
	struct fg_err own_err, *e = err ? err : &own_err;
	struct fg_load *load;
	int rc;

	*ret = NULL;
	fg_err_clear(e);
	rc = fg_load_precheck(options, e);
	if (rc)
		return rc;
	load = calloc(1, sizeof(*load));
	if (!load)
		return fg_err_nomem(e);
	load->options = options;
	load->worker_count = choose_threads(options);
	load->ops = calloc(options->file->scenario_count, sizeof(*load->ops));
	rc = load->ops ? fg_engine_select_all(options->file, options->engine, options->target_url,
					      load->ops, e)
		       : fg_err_nomem(e);
	if (!rc)
		rc = run_load(load, e);
	if (load->start_ns || !rc) /* a Ctrl-C before the start gives an empty result */
		*ret = load->result;
	else
		fg_result_free(load->result);
	free(load->ops);
	free(load->live);
	free(load);
	return rc;
}
