/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/once.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "runner/load/select.h"
#include "runner/load/vu.h"

enum { TIMERS = 2 /* of a VU */ };

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

struct once {
	const struct fg_once_options *options;
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t signals[FG_ARRAY_LEN(numbers)];
	struct sigaction before[FG_ARRAY_LEN(numbers)];
	struct fg_pacer pacer;
	struct fg_meter meter; /* asked for nothing, because nothing is counted */
	struct fg_vu_env env;
	struct fg_load_log *log;
	struct fg_program *program;
	struct fg_engines engines;
	struct fg_vu *vu;
	bool done, timed_out, interrupted, cut;
	struct fg_err reason;
};

/* -- events ------------------------------------------------------------------------------------ */

static void on_idle(void *context, struct fg_vu *vu, uint64_t now_ns)
{
	struct once *once = context;

	(void)vu;
	(void)now_ns;
	once->done = true;
	uv_stop(&once->loop);
}

static void on_reason(void *context, const struct fg_step *step, const struct fg_err *err)
{
	struct once *once = context;

	if (once->reason.code != FG_E_NONE)
		return;
	once->reason = *err;
	if (!err->line && step->place.line)
		fg_err_at(&once->reason, step->place.file, step->place.line, step->place.column);
}

static void on_fatal(void *context, const struct fg_err *err)
{
	((struct once *)context)->reason = *err;
}

static void on_timeout(uv_timer_t *timer)
{
	struct once *once = timer->data;

	once->timed_out = true;
	fg_vu_cut(once->vu, fg_clock_monotonic_ns());
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct once *once = signal->data;

	(void)number;
	if (!once->interrupted && once->options->patient) {
		static const char text[] = "teardown still runs; once more ends it";

		once->interrupted = true;
		if (once->options->on_line)
			once->options->on_line(once->options->context, text, sizeof(text) - 1);
		return;
	}
	once->interrupted = once->cut = true;
	fg_vu_cut(once->vu, fg_clock_monotonic_ns());
}

/* `log` steps speak from this very thread. */
static void on_lines(void *context)
{
	struct once *once = context;

	fg_load_log_drain(once->log, once->options->on_line, once->options->context);
}

/* -- signals ----------------------------------------------------------------------------------- */

static void hold_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++)
		sigaddset(&set, numbers[i]);
	(void)pthread_sigmask(how, &set, NULL);
}

static void watch_signals(struct once *once)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++) {
		(void)sigaction(numbers[i], NULL, &once->before[i]);
		/* nohup means it */
		if (once->options->handle_signals &&
		    (numbers[i] != SIGHUP || once->before[i].sa_handler != SIG_IGN))
			uv_signal_start(&once->signals[i], on_signal, numbers[i]);
	}
}

/* libuv puts the default action back; what was there before is the caller's wish. */
static void restore_signals(const struct once *once)
{
	if (!once->options->handle_signals)
		return;
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++)
		(void)sigaction(numbers[i], &once->before[i], NULL);
	hold_signals(SIG_UNBLOCK);
}

/* -- setting up and tearing down ----------------------------------------------------------------
 */

static int init_loop(struct once *once, struct fg_err *err)
{
	int rc = uv_loop_init(&once->loop);

	if (rc)
		return fg_err_set(err, FG_E_IO, "event loop: %s", uv_strerror(rc));
	rc = fg_pacer_init(&once->pacer, &once->loop, err);
	if (rc) {
		uv_run(&once->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&once->loop);
		return rc;
	}
	uv_timer_init(&once->loop, &once->timer);
	once->timer.data = once;
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++) {
		uv_signal_init(&once->loop, &once->signals[i]);
		once->signals[i].data = once;
	}
	return 0;
}

static int set_up(struct once *once, struct fg_err *err)
{
	const struct fg_once_options *options = once->options;
	int rc = fg_load_log_new(on_lines, once, &once->log, err);

	if (rc)
		return rc;
	once->env = (struct fg_vu_env){
		.pacer = &once->pacer,
		.meter = &once->meter,
		.seed = options->seed,
		.vus = 1,
		.globals = options->given,
		.run_texts = options->run_texts,
		.log = once->log,
		.on_fatal = on_fatal,
		.on_reason = on_reason,
		.context = once,
	};
	if ((rc = fg_pacer_reserve(&once->pacer, TIMERS, err)) ||
	    (rc = fg_vu_env_init(&once->env, err)) ||
	    (rc = fg_program_new_block(options->file, &options->block->steps, options->target_url,
				       &once->program, err)) ||
	    (rc = fg_engine_select(options->file, &options->block->steps, options->engine,
				   options->target_url, &once->program->ops, err)) ||
	    (rc = fg_engines_open(&once->engines, once->program->ops, &once->loop, options->file,
				  &once->program->engine, err)) ||
	    (rc = fg_vu_new(&once->env, once->program, 0, &once->vu, err)))
		return rc;
	once->vu->on_idle = on_idle;
	once->vu->context = once;
	return 0;
}

static void tear_down(struct once *once)
{
	fg_vu_free(once->vu);
	fg_engines_close(&once->engines);
	fg_pacer_close(&once->pacer);
	if (once->options->handle_signals)
		hold_signals(SIG_BLOCK);
	uv_close((uv_handle_t *)&once->timer, NULL);
	for (size_t i = 0; i < FG_ARRAY_LEN(numbers); i++)
		uv_close((uv_handle_t *)&once->signals[i], NULL);
	uv_run(&once->loop, UV_RUN_DEFAULT);
	fg_engines_free(&once->engines);
	fg_pacer_done(&once->pacer);
	(void)uv_loop_close(&once->loop);
	restore_signals(once);
	fg_program_free(once->program);
	fg_vu_env_done(&once->env);
	if (once->log)
		fg_load_log_finish(once->log, once->options->on_line, once->options->context);
	fg_load_log_free(once->log);
}

/* -- running ----------------------------------------------------------------------------------- */

static uint64_t timeout_ms(const struct fg_block *block)
{
	return FG_MAX(block->timeout_ns / FG_NS_PER_MS, 1u);
}

static void run(struct once *once)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	uv_update_time(&once->loop);
	uv_timer_start(&once->timer, on_timeout, timeout_ms(once->options->block), 0);
	fg_vu_begin(once->vu, now_ns, 0, now_ns);
	while (!once->done)
		uv_run(&once->loop, UV_RUN_DEFAULT);
}

static int judge(const struct once *once, struct fg_err *err)
{
	char text[FG_NUM_TEXT_MAX];

	if (once->interrupted && !once->options->patient)
		return 0;
	if (once->cut)
		return fg_err_set(err, FG_E_NO_DATA, "%s was interrupted", once->options->name);
	if (once->timed_out)
		return fg_err_set(err, FG_E_TIMEOUT, "%s did not end within %s",
				  once->options->name,
				  fg_num_format_duration(once->options->block->timeout_ns, text));
	if (once->reason.code == FG_E_NONE)
		return 0;
	if (err)
		*err = once->reason;
	return fg_err_wrap(err, "%s", once->options->name);
}

static int copy_globals(const struct once *once, struct fg_slot *globals, struct fg_err *err)
{
	const struct fg_scenario_file *file = once->options->file;
	int rc = 0;

	for (size_t i = 0; !rc && i < file->global_count; i++) {
		const struct fg_slot *slot = &once->vu->slots[file->globals[i].slot];

		if (slot->set)
			rc = fg_slot_set(&globals[i], &slot->value, err);
	}
	return rc;
}

int fg_once_run(const struct fg_once_options *options, struct fg_slot *globals,
		bool *ret_interrupted, struct fg_err *err)
{
	struct once *once = calloc(1, sizeof(*once));
	int rc;

	if (!once)
		return fg_err_nomem(err);
	once->options = options;
	rc = init_loop(once, err);
	if (rc) {
		free(once);
		return rc;
	}
	watch_signals(once);
	rc = set_up(once, err);
	if (rc) {
		rc = fg_err_wrap(err, "%s", options->name);
	} else {
		run(once);
		rc = judge(once, err);
		if (!rc && globals && !once->interrupted)
			rc = copy_globals(once, globals, err);
	}
	tear_down(once);
	*ret_interrupted = once->interrupted;
	free(once);
	return rc;
}

int fg_globals_new(const struct fg_scenario_file *file, struct fg_slot **ret, struct fg_err *err)
{
	struct fg_slot *globals = calloc(file->global_count + 1, sizeof(*globals));

	if (!globals)
		return fg_err_nomem(err);
	for (size_t i = 0; i < file->global_count; i++)
		fg_slot_init(&globals[i]);
	*ret = globals;
	return 0;
}

void fg_globals_free(const struct fg_scenario_file *file, struct fg_slot *globals)
{
	for (size_t i = 0; globals && i < file->global_count; i++)
		fg_slot_done(&globals[i]);
	free(globals);
}
