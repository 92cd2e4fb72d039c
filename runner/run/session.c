/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence of one run. Each step's own file knows how; this one knows the order and what must
 * still happen after a failure: the target is stopped, measured data is written and printed.
 */
#include "runner/run/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"
#include "runner/load/once.h"
#include "runner/load/select.h"
#include "runner/run/environment.h"
#include "runner/run/outputs.h"
#include "runner/run/scrape.h"
#include "runner/run/shard.h"
#include "runner/store/reference.h"
#include "runner/target/cpus.h"

void fg_session_note(const struct fg_session *s, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		s->io->note(s->io->context, text, FG_MIN((size_t)len, sizeof(text) - 1));
}

void fg_session_result(const struct fg_session *s, const struct fg_buf *text)
{
	if (text->len && s->text_to_note)
		s->io->note(s->io->context, text->data, text->len);
	else if (text->len)
		s->io->result(s->io->context, text->data, text->len);
}

void fg_session_outcome(struct fg_session *s, enum fg_outcome outcome)
{
	s->run->outcome = fg_outcome_worst(s->run->outcome, outcome);
}

static void note_profile(const struct fg_session *s)
{
	/* Who asked for none need not be told why there is none. */
	if (s->profiler || s->options->quiet || s->options->no_profile ||
	    s->file->profile_enabled == FG_PROFILE_OFF)
		return;
	fg_session_note(s,
			"profile: off, because %s\n"
			"         latency is measured as usual; --require-profile turns this into "
			"exit 14\n",
			s->profile_absent);
}

static const char *profile_word(const struct fg_session *s)
{
	if (!s->profiler)
		return "off";
	return fg_profiler_source(s->profiler) == FG_PROFILER_PERF ? "perf events" : "eBPF";
}

static void note_header(const struct fg_session *s)
{
	struct fg_registry registry;

	if (s->options->quiet)
		return;
	fg_session_note(s, "flamegate " FG_VERSION " · %s%s%s · profile: %s", s->file->name,
			*s->target_label ? " · target " : "", s->target_label, profile_word(s));
	if (s->profiler)
		fg_session_note(s, " %u Hz",
				s->options->frequency_hz ? (unsigned)s->options->frequency_hz
							 : s->file->profile_frequency_hz);
	fg_session_note(s, "\n");
	note_profile(s);
	if (s->profiler && *fg_profiler_source_note(s->profiler))
		fg_session_note(s, "profile: %s\n", fg_profiler_source_note(s->profiler));
	fg_registry_init(&registry);
	if (fg_scenario_register(s->file, "curl", &registry, NULL) == 0)
		for (size_t i = 0; i < registry.scenario_count; i++)
			fg_session_note(s, "  %-8s %s %s\n", registry.scenarios[i].name,
					registry.scenarios[i].executor,
					registry.scenarios[i].description);
	fg_registry_done(&registry);
	fg_session_note(s, "\n");
}

/* At its end no VU is left, so the totals cannot tell how many there were. */
static void look_at_vus(struct fg_session *s, const struct fg_result *live)
{
	struct fg_vus_range *range = &s->vus;
	uint32_t now = 0;

	for (size_t i = 0; i < live->totals->scenario_count; i++)
		now += live->totals->scenarios[i].vus;
	if (now == 0)
		return;
	range->min = range->max ? FG_MIN(range->min, now) : now;
	range->max = FG_MAX(range->max, now);
	range->last = now;
}

static void on_second(void *context, struct fg_load *load, const struct fg_result *live,
		      uint64_t elapsed_ns)
{
	struct fg_session *s = context;

	fg_session_observe_second(s, fg_session_second(elapsed_ns));
	fg_live_second(s->live, load, live, elapsed_ns);
	fg_session_push_second(s, live, elapsed_ns);
	fg_session_scrape_second(s, live, elapsed_ns);
	look_at_vus(s, live);
}

/* A generator that is tied to one of two CPUs cannot get out of the way of whatever else runs
 * there: on a busy two-core machine its lag's p99 rose from 15-90 ms to 0.1-2.6 s. */
enum { GENERATOR_PINNED_FROM_CPUS = 4 };

/* The other side of what target.start.cpus took: only when we started the target and both sides are
 * "auto" is there a split of which the generator has a part. */
static bool generator_cpus(const struct fg_session *s, cpu_set_t *ret)
{
	const char *target_cpus = s->file->target.cpus;
	cpu_set_t allowed;
	bool any = false;

	CPU_ZERO(&allowed);
	if (!s->target || (target_cpus && strcmp(target_cpus, "auto") != 0) ||
	    sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
	    CPU_COUNT(&allowed) < GENERATOR_PINNED_FROM_CPUS)
		return false;
	return fg_cpus_choose("auto", FG_CPUS_GENERATOR, &allowed, ret, &any, NULL) == 0 && any;
}

/* Chosen anew for each run when nobody gave one; run.json keeps it, so that a run can be repeated.
 */
static uint64_t choose_seed(const struct fg_session *s)
{
	if (s->options->seed || s->file->seed)
		return s->options->seed ? s->options->seed : s->file->seed;
	if (s->shard_count > 1) /* all shards must draw the same */
		return fg_shard_seed(s->file->hash);
	return 1 + (uint64_t)fg_place_random() * 65536 + fg_place_random();
}

static int run_load(struct fg_session *s, struct fg_err *err)
{
	cpu_set_t cpus;
	struct fg_load_watch watches[2];
	size_t watch_count = 0;

	if (s->profiler)
		watches[watch_count++] = (struct fg_load_watch){fg_profiler_fd(s->profiler),
								fg_session_on_profiler, s};
	if (s->target)
		watches[watch_count++] =
			(struct fg_load_watch){fg_target_fd(s->target), fg_session_on_target, s};
	struct fg_load_options options = {
		.file = s->file,
		.target_url = s->target_url,
		.engine = s->options->engine,
		.cpus = generator_cpus(s, &cpus) ? &cpus : NULL,
		.cpus_exclusive = s->target != NULL,
		.shard_index = s->shard_index,
		.shard_count = s->shard_count,
		.start_unix_ns = s->start_unix_ns,
		.threads = (unsigned)s->options->threads,
		.spool_dir = s->dirs.run[0] ? s->dirs.run : NULL,
		.seed = s->seed,
		.watches = watches,
		.watch_count = watch_count,
		.on_second = on_second,
		.context = s,
		.handle_signals = true,
		.globals = s->globals,
		.run_texts = s->run_texts,
		.on_line = fg_session_on_line,
		.labels = fg_session_labels(s),
		.take_requests = fg_session_take_requests,
	};

	return fg_load_run(&options, &s->run->bundle.result, err);
}

/* Identity and circumstances that the load engine does not know. */
static int describe_result(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;
	int rc = fg_str_replace(s->file->name, &result->name, err);

	memcpy(result->id, s->run_id, sizeof(result->id));
	if (rc == 0 && s->file->resolved_json)
		rc = fg_str_replace(s->file->resolved_json, &result->scenario_json, err);
	if (rc == 0)
		rc = fg_str_replace(s->target_label, &result->target_label, err);
	memcpy(result->scenario_hash, s->file->hash, sizeof(result->scenario_hash));
	result->target_pid = s->target_pid;
	result->vus = s->vus;
	fg_environment_read(&result->environment);
	memcpy(result->environment.runtime_flags, s->runtime_flags,
	       sizeof(result->environment.runtime_flags));
	return rc;
}

/* Symbols, judgement, files and text for what was measured. A failure of one does not keep the
 * others from their work; the first error is the one returned. */
static int conclude(struct fg_session *s, struct fg_err *err)
{
	struct fg_err later = {0};
	int rc = describe_result(s, err);

	if (rc)
		return rc;
	rc = fg_session_profile(s, err);
	if (rc)
		(void)fg_err_wrap(err, "the profile could not be built");
	if (rc == 0)
		rc = fg_session_scrape_keep(s, err);
	int judged = fg_session_judge(s, rc ? &later : err);

	/* After the verdict on the run itself, before the outcome is written and told. */
	fg_session_push_finish(s);
	int delivered = fg_session_deliver(s, rc || judged ? &later : err);

	return rc ? rc : judged ? judged : delivered;
}

static void wind_down(struct fg_session *s)
{
	fg_session_observe_stop(s);
	fg_live_clear(s->live);
	if (s->target_end[0])
		fg_session_note(s, "target: %s during the run; its last words are in %s\n",
				s->target_end, s->dirs.log);
	if (s->target) {
		struct fg_err stop_err = {0};

		if (fg_target_stop(s->target, &stop_err))
			fg_session_note(s, "target: %s\n", stop_err.message);
		s->target = NULL;
	}
}

static int drive(struct fg_session *s, struct fg_err *err)
{
	int rc = fg_session_prepare_target(s, err);

	if (rc == 0)
		rc = fg_session_push_start(s, err);
	if (rc == 0)
		rc = fg_session_observe_start(s, err);
	if (rc)
		return rc;
	note_header(s);
	rc = fg_session_threshold_baseline(s, err);
	if (rc)
		return rc;
	rc = fg_live_new(s, &s->live, err);
	if (rc)
		return rc;
	s->seed = choose_seed(s);
	rc = fg_session_setup(s, err);
	if (rc == 0)
		rc = fg_session_scrape_start(s, err);
	if (rc == 0) {
		rc = run_load(s, err);
		fg_session_scrape_end(s);
		fg_session_teardown(s);
	}
	wind_down(s);
	if (!s->run->bundle.result) {
		if (rc == -FG_E_USAGE)
			fg_session_outcome(s, FG_OUTCOME_USAGE);
		return rc;
	}
	struct fg_err conclude_err = {0};
	int concluded = conclude(s, &conclude_err);

	if (rc == 0 && concluded)
		*err = conclude_err;
	return rc ? rc : concluded;
}

static void session_done(struct fg_session *s)
{
	fg_session_push_free(s->push);
	fg_scrapes_free(s->scrapes);
	fg_live_free(s->live);
	fg_bundle_done(&s->baseline);
	fg_session_labels_done(s);
	fg_profiler_free(s->profiler);
	fg_cputime_free(s->cputime);
	if (s->target)
		(void)fg_target_stop(s->target, NULL);
	free(s->cpu.cpu_ns);
	if (s->file)
		fg_globals_free(s->file, s->globals);
	free(s->target_url);
	free(s->target_label);
	s->run->file = s->file;
}

/* What would fail for certain after the run is said before it. */
static int check_options(const struct fg_run_options *options, struct fg_err *err)
{
	if (options->bundle && fg_file_exists(options->bundle))
		return fg_err_set(err, FG_E_USAGE,
				  "--bundle %s exists already; a bundle is never overwritten",
				  options->bundle);
	int rc = fg_engine_check_name(options->engine, err);

	if (rc)
		return rc;
	const char *save = options->save_baseline;

	if (save && strcmp(save, "auto") != 0 && strcmp(save, "always") != 0 &&
	    strcmp(save, "never") != 0)
		return fg_err_set(err, FG_E_USAGE,
				  "--save-baseline knows auto, always and never, got \"%s\"", save);
	if (options->pid > INT32_MAX)
		return fg_err_set(err, FG_E_USAGE, "--pid %llu is no process id",
				  (unsigned long long)options->pid);
	return 0;
}

int fg_session_read_style(struct fg_session *s, struct fg_err *err)
{
	const struct fg_run_options *options = s->options;
	int rc;

	/* What was asked for on standard output must be alone there. */
	s->text_to_note = fg_outputs_use_stdout(&options->outs);
	s->style = (struct fg_report_style){.colour = s->io->colour && !s->text_to_note,
					    .stderr_is_tty = s->io->note_is_tty,
					    .width = s->io->width};
	if (fg_summary_mode_parse(options->summary_mode, &s->style.mode, err))
		return fg_err_wrap(err, "--summary-mode");
	if (fg_time_unit_parse(options->summary_time_unit, &s->style.time_unit, err))
		return fg_err_wrap(err, "--summary-time-unit");
	rc = options->summary_trend_stats ? fg_trend_stats_parse(options->summary_trend_stats,
								 &s->style.trend_stats, err)
					  : 0;
	return rc ? fg_err_wrap(err, "--summary-trend-stats") : 0;
}

/* A reference that can never name a bundle is a typing error; one that names none yet is told by
 * the comparison. */
static int check_baseline(struct fg_session *s, struct fg_err *err)
{
	const struct fg_reference_options where = {.baseline_dir = fg_session_baseline_dir(s)};
	char path[FG_PATH_MAX];
	struct fg_err why = {0};

	if (!s->options->baseline)
		return 0;
	int rc = fg_reference_resolve(s->options->baseline, &where, path, &why);

	if (rc != -FG_E_USAGE && rc != -FG_E_LATER)
		return 0;
	*err = why;
	fg_session_outcome(s, FG_OUTCOME_USAGE);
	return fg_err_wrap(err, "--baseline %s", s->options->baseline);
}

const char *fg_session_baseline_dir(const struct fg_session *s)
{
	return s->options->baseline_dir ? s->options->baseline_dir : s->file->baseline_dir;
}

static int read_shard(struct fg_session *s, struct fg_err *err)
{
	int rc = fg_shard_parse(s->options->shard, &s->shard_index, &s->shard_count, err);

	return rc ? rc
		  : fg_shard_start_at(s->options->start_at, fg_clock_realtime_ns(),
				      &s->start_unix_ns, err);
}

int fg_run_scenario(const struct fg_run_options *options, const struct fg_run_io *io,
		    struct fg_run *ret, struct fg_err *err)
{
	struct fg_session s = {.options = options, .io = io, .run = ret};
	struct fg_err place_err = {0};

	*ret = (struct fg_run){.outcome = FG_OUTCOME_PASSED};
	int rc = fg_outputs_check(&options->outs, FG_OUTPUTS_RUN, err);

	if (rc == 0)
		rc = check_options(options, err);
	if (rc == 0)
		rc = fg_session_read_style(&s, err);
	if (rc == 0)
		rc = read_shard(&s, err);
	if (rc) {
		ret->outcome = FG_OUTCOME_USAGE;
		return rc;
	}
	rc = fg_session_load_scenario(&s, err);
	if (rc == 0)
		rc = check_baseline(&s, err);
	if (rc == 0) {
		fg_place_run_id(fg_clock_realtime_ns(), fg_place_random(), s.run_id);
		/* A read-only disk is no reason not to measure; the write says it once more. */
		if (fg_place_make(s.run_id, options->bundle, &s.dirs, &place_err))
			fg_session_note(&s, "warning: %s; results will only be printed\n",
					place_err.message);
		memcpy(ret->run_dir, s.dirs.run, sizeof(ret->run_dir));
		rc = drive(&s, err);
	}
	session_done(&s);
	if (rc && ret->outcome == FG_OUTCOME_PASSED)
		ret->outcome = FG_OUTCOME_INTERNAL;
	return rc;
}

void fg_run_done(struct fg_run *run)
{
	fg_bundle_done(&run->bundle);
	fg_verdict_free(run->verdict);
	fg_scenario_file_free(run->file);
	run->verdict = NULL;
	run->file = NULL;
}
