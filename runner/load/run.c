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
#include "runner/load/precheck.h"
#include "runner/load/select.h"
#include "runner/load/valid.h"
#include "runner/load/worker.h"

enum {
	WORKERS_MAX = 64,
	WATCHES_MAX = 16,
	LEAD_MS = 20,      /* from "all ready" to the start: time for every worker to wake up */
	PATIENCE_MS = 500, /* how long progress waits for a worker's second */
};

struct watch {
	uv_poll_t poll;
	struct fg_load *load;
	const struct fg_load_watch *watch;
};

/* Live numbers of one scenario, from the seconds that arrived. */
struct live {
	uint64_t iterations;
	uint64_t of_second[2]; /* iterations of the newest and the one before, by second parity */
	uint32_t second[2];
	uint32_t vus[WORKERS_MAX], vus_max[WORKERS_MAX];
};

struct worker_slot {
	struct fg_worker *worker;
	uint32_t next_second; /* all before it have arrived */
	bool finished;
	uint64_t cpu_start_ns, cpu_end_ns; /* of the measured phase */
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
	struct watch watches[WATCHES_MAX];
	size_t watch_count;
	struct worker_slot workers[WORKERS_MAX];
	unsigned worker_count, made;
	struct live *live;
	uint64_t start_ns; /* 0: not started */
	uint32_t reported; /* seconds for which on_second was called */
	enum fg_load_stop stop;
	enum fg_run_status status;
	bool ended;
	int rc;
	struct fg_err err;
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

static void take_live(struct fg_load *load, unsigned index, const struct fg_slice *slice)
{
	for (size_t i = 0; i < slice->scenario_count; i++) {
		struct live *live = &load->live[i];
		const unsigned parity = slice->second & 1;

		live->iterations += slice->scenarios[i].iterations;
		live->vus[index] = slice->scenarios[i].vus;
		live->vus_max[index] = slice->scenarios[i].vus_max;
		if (live->second[parity] != slice->second) {
			live->second[parity] = slice->second;
			live->of_second[parity] = 0;
		}
		live->of_second[parity] += slice->scenarios[i].iterations;
	}
}

/* CPU of the measured phase: from the last second before it to the last one that is whole. */
static void take_cpu(struct fg_load *load, struct worker_slot *slot,
		     const struct fg_worker_second *second)
{
	const uint64_t end_ns = (second->slice->second + 1ull) * FG_NS_PER_S;

	if (end_ns <= load->result->measured_start_ns) {
		slot->cpu_start_ns = second->cpu_ns;
		slot->have_cpu_start = true;
	}
	slot->cpu_end_ns = second->cpu_ns;
}

static void collect(struct fg_load *load, unsigned index)
{
	struct worker_slot *slot = &load->workers[index];
	/* Before collecting: what a finished worker sent is then complete. */
	const bool finished = fg_worker_state(slot->worker) == FG_WORKER_FINISHED;
	struct fg_worker_second second;
	struct fg_err err;

	while (fg_worker_collect(slot->worker, &second)) {
		fg_err_clear(&err);
		note_error(load, fg_result_add_slice(load->result, second.slice, &err), &err);
		take_live(load, index, second.slice);
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

static void start_when_ready(struct fg_load *load)
{
	for (unsigned i = 0; i < load->made; i++) {
		if (fg_worker_state(load->workers[i].worker) != FG_WORKER_READY)
			return;
	}
	load->start_ns = fg_clock_monotonic_ns() + LEAD_MS * FG_NS_PER_MS;
	load->result->started_ns = load->start_ns;
	load->result->started_unix_ns = fg_clock_realtime_ns() + LEAD_MS * FG_NS_PER_MS;
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
	struct watch *watch = poll->data;

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
	struct watch *slot = &load->watches[load->watch_count];
	int rc = uv_poll_init(&load->loop, &slot->poll, watch->fd);

	if (rc)
		return fg_err_set(err, FG_E_IO, "cannot watch descriptor %d: %s", watch->fd,
				  uv_strerror(rc));
	*slot = (struct watch){.poll = slot->poll, .load = load, .watch = watch};
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
	if (load->options->watch_count > WATCHES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d descriptors to watch",
				  WATCHES_MAX);
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
	return FG_MIN(threads, (unsigned)WORKERS_MAX);
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
			.index = i,
			.count = load->worker_count,
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

static double busiest_share(const struct fg_load *load)
{
	const uint64_t wall_ns = load->result->measured_ns;
	uint64_t most_ns = 0;

	for (unsigned i = 0; i < load->made; i++) {
		const struct worker_slot *slot = &load->workers[i];

		most_ns = FG_MAX(most_ns, slot->cpu_end_ns - slot->cpu_start_ns);
	}
	return wall_ns ? (double)most_ns / (double)wall_ns : 0;
}

static void judge_validity(struct fg_load *load)
{
	const struct fg_valid_input input = {
		.registry = &load->result->registry,
		.totals = load->result->totals,
		.busiest_cpu_share = busiest_share(load),
	};
	char reason[512];
	struct fg_err err;

	fg_err_clear(&err);
	if (!fg_valid_judge(&input, reason, sizeof(reason)))
		note_error(load, fg_str_dup(reason, &load->result->invalid_reason, &err), &err);
}

static void finish(struct fg_load *load)
{
	uint64_t last_end_ns = load->start_ns;
	struct fg_err err;

	for (unsigned i = 0; i < load->made; i++) {
		uint64_t cpu_ns, end_ns;
		int rc;

		fg_err_clear(&err);
		rc = fg_worker_result(load->workers[i].worker, &cpu_ns, &end_ns, &err);
		note_error(load, rc, &err);
		load->result->generator_cpu_ns += cpu_ns;
		last_end_ns = FG_MAX(last_end_ns, end_ns);
		fg_worker_free(load->workers[i].worker);
	}
	load->result->status = load->status;
	if (!load->start_ns)
		return;
	update_durations(load, last_end_ns - load->start_ns);
	judge_validity(load);
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
	rc = fg_load_precheck(options->file, e);
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

/* -- progress
 * ------------------------------------------------------------------------------------------- */

static void fill_progress(const struct fg_load *load, size_t index, struct fg_load_progress *out)
{
	const struct fg_scenario *scenario = &load->options->file->scenarios[index];
	const struct live *live = &load->live[index];
	const uint64_t total_ns = fg_plan_regular_end_ns(scenario) - scenario->start_time_ns;
	const uint64_t elapsed_ns = load->result->duration_ns;

	*out = (struct fg_load_progress){.scenario = scenario->name, .total_ns = total_ns};
	out->waiting = elapsed_ns < scenario->start_time_ns;
	if (!out->waiting)
		out->elapsed_ns = FG_MIN(elapsed_ns - scenario->start_time_ns, total_ns);
	for (unsigned i = 0; i < load->made; i++) {
		out->vus += live->vus[i];
		out->vus_max += live->vus_max[i];
	}
	out->done = load->ended || (!out->waiting && out->elapsed_ns == total_ns && !out->vus);
	out->iterations = live->iterations;
	out->iterations_planned = fg_plan_events(scenario);
	if (fg_plan_is_arrival(scenario) && scenario->time_unit_ns)
		out->target_rate_per_s = (double)scenario->rate * (double)FG_NS_PER_S /
					 (double)scenario->time_unit_ns;
	if (load->reported)
		out->rate_per_s = (double)live->of_second[(load->reported - 1) & 1];
}

size_t fg_load_progress(const struct fg_load *load, struct fg_load_progress *out, size_t max)
{
	const size_t count = FG_MIN(max, load->options->file->scenario_count);

	for (size_t i = 0; i < count; i++)
		fill_progress(load, i, &out[i]);
	return count;
}
