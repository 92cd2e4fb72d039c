/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence of one recording. What was measured is kept, printed and written even when a later
 * step fails; only before the first sample does a failure end it.
 */
#include "runner/run/record_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"
#include "gate/report/report.h"
#include "runner/run/environment.h"
#include "runner/run/outputs.h"

enum { TEXT_MAX = 16 << 20, DEFAULT_FREQUENCY_HZ = 499, FREQUENCY_MAX_HZ = 10000 };

static int check_options(const struct fg_record_options *options, struct fg_err *err)
{
	int rc = fg_outputs_check(&options->outs, FG_OUTPUTS_RECORDING, err);

	if (rc)
		return rc;
	if (options->bundle && fg_file_exists(options->bundle))
		return fg_err_set(err, FG_E_USAGE,
				  "--bundle %s exists already; a bundle is never overwritten",
				  options->bundle);
	if (options->frequency_hz > FREQUENCY_MAX_HZ)
		return fg_err_set(err, FG_E_USAGE, "--frequency goes up to %d", FREQUENCY_MAX_HZ);
	if (options->rows > UINT16_MAX)
		return fg_err_set(err, FG_E_USAGE, "--rows goes up to %d", UINT16_MAX);
	return 0;
}

/* A process that is not there is the target's fault; anything else is about profiling. */
static enum fg_outcome outcome_of(int rc)
{
	switch (-rc) {
	case FG_E_USAGE:
		return FG_OUTCOME_USAGE;
	case FG_E_NOT_FOUND:
	case FG_E_INVALID: /* a name that more than one process has */
	case FG_E_TARGET:
		return FG_OUTCOME_TARGET;
	case FG_E_NOMEM:
	case FG_E_INTERNAL:
		return FG_OUTCOME_INTERNAL;
	default:
		return FG_OUTCOME_NO_PROFILER;
	}
}

/* The scenario language says "pagefaults", files and options "faults": both are known. */
static int type_of(const char *name, size_t len)
{
	static const char long_name[] = "pagefaults";

	return len == strlen(long_name) && memcmp(name, long_name, len) == 0
		       ? FG_PROFILE_FAULTS
		       : fg_profile_type_find(name, len);
}

static int read_types(const struct fg_opt_list *lists, uint32_t *ret, struct fg_err *err)
{
	uint32_t types = 0;

	for (size_t i = 0; i < lists->count; i++) {
		for (const char *at = lists->items[i];; at++) {
			size_t len = strcspn(at, ",");
			int type = type_of(at, len);

			if (type < 0)
				return fg_err_set(err, FG_E_USAGE,
						  "--types knows cpu, offcpu, wall and pagefaults, "
						  "got \"%.*s\"",
						  (int)FG_MIN(len, (size_t)100), at);
			types |= 1u << type;
			at += len;
			if (!*at)
				break;
		}
	}
	*ret = types;
	return 0;
}

static int attach(struct fg_record *record, struct fg_err *err)
{
	const struct fg_profiler_options options = {
		.pids = record->pids,
		.pid_count = record->pid_count,
		.frequency_hz = record->options->frequency_hz
					? (uint32_t)record->options->frequency_hz
					: DEFAULT_FREQUENCY_HZ,
		.types = record->types,
	};
	int rc = fg_profiler_start(&options, &record->profiler, err);

	/* That there is no helper says nothing about the target. */
	if (rc == -FG_E_NOT_FOUND && record->pid_count) {
		char name[FG_PROFILER_NAME_MAX];

		if (fg_profiler_check_pid(record->pids[0], name, NULL) == 0) {
			err->code = FG_E_UNSUPPORTED;
			rc = -FG_E_UNSUPPORTED;
		}
	}
	if (rc)
		return rc;
	/* Exact CPU time needs no right; without it samples alone tell. */
	if (fg_cputime_new(record->pids, record->pid_count, &record->cputime, NULL) == 0)
		(void)fg_cputime_read(record->cputime, &record->cpu_total_ns, NULL);
	return 0;
}

static void note_header(const struct fg_record *record)
{
	char time[FG_NUM_TEXT_MAX] = "until it ends";

	if (record->options->quiet)
		return;
	if (record->options->duration_ns)
		(void)fg_num_format_duration(record->options->duration_ns, time);
	fg_record_note(record, "flamegate " FG_VERSION " · profile of %s · %s%s%s\n", record->label,
		       record->options->duration_ns ? "for " : "", time,
		       record->child.pid ? "" : " · Ctrl-C ends it and keeps what was measured");
	if (*fg_profiler_source_note(record->profiler))
		fg_record_note(record, "profile: %s\n", fg_profiler_source_note(record->profiler));
}

static int observe(struct fg_record *record, struct fg_err *err)
{
	int rc = fg_record_signals_take(record, err);

	if (rc)
		return rc;
	fg_record_watch(record);
	record->start_unix_ns = fg_clock_realtime_ns();
	record->start_ns = fg_clock_monotonic_ns();
	if (record->child.pid)
		rc = fg_record_child_release(&record->child, err);
	if (rc == 0)
		fg_record_loop(record);
	fg_record_unwatch(record);
	/* From here on a second Ctrl-C ends flamegate at once: nothing half is left by that. */
	fg_record_signals_leave(record);
	if (rc)
		return rc;
	struct fg_err stop_err = {0};

	if (fg_profiler_stop(record->profiler, &stop_err) && record->end != FG_RECORD_HELPER) {
		record->end = FG_RECORD_HELPER;
		record->problem = stop_err;
	}
	return 0;
}

/* -- the result ---------------------------------------------------------------------------------
 */

static int build_profile(struct fg_record *record, struct fg_result *result, struct fg_err *err)
{
	const struct fg_profiler_phase phase = {"measure", record->start_ns, record->end_ns};
	const struct fg_profiler_profile_options options = {
		.run_start_ns = record->start_ns,
		.phases = &phase,
		.phase_count = 1,
	};
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT];
	int rc = fg_profiler_profile(record->profiler, &options, profiles, &result->profile, err);

	if (rc)
		return fg_err_wrap(err, "the profile could not be built");
	fg_bundle_take_profiles(&record->run->bundle, profiles);
	return 0;
}

static int describe(struct fg_record *record, struct fg_result *result, struct fg_err *err)
{
	char reason[FG_ERR_MESSAGE_MAX + 64];
	int rc = fg_str_replace(record->name, &result->name, err);

	if (rc == 0)
		rc = fg_str_replace(record->label, &result->target_label, err);
	if (rc == 0 && record->end == FG_RECORD_HELPER) {
		(void)snprintf(reason, sizeof(reason), "the recording was cut after %.1f s: %s",
			       (double)(record->end_ns - record->start_ns) / 1e9,
			       record->problem.message);
		rc = fg_str_replace(reason, &result->invalid_reason, err);
	}
	memcpy(result->id, record->run_id, sizeof(result->id));
	result->target_pid = record->pids[0];
	result->started_unix_ns = record->start_unix_ns;
	result->started_ns = record->start_ns;
	result->duration_ns = result->measured_ns = record->end_ns - record->start_ns;
	if (record->end == FG_RECORD_INTERRUPTED && record->options->duration_ns)
		result->status = FG_RUN_INTERRUPTED;
	fg_environment_read(&result->environment);
	return rc;
}

/* The helper counts what a process used until its exit; our last reading of one that ended early
 * may be half a second old. */
static void account(struct fg_record *record, struct fg_result *result)
{
	uint64_t sum_ns = 0;

	result->target_cpu = record->cpu;
	record->cpu = (struct fg_cpu_series){0};
	for (size_t i = 0; i < result->target_cpu.count; i++)
		sum_ns += result->target_cpu.cpu_ns[i];
	result->measured_target_cpu_ns = FG_MAX(sum_ns, result->profile.target_cpu_ns);
	result->generator_cpu_ns = fg_clock_process_cpu_ns();
}

static int build_result(struct fg_record *record, struct fg_err *err)
{
	struct fg_registry none;
	struct fg_result *result = NULL;

	fg_registry_init(&none);
	int rc = fg_result_new(&none, &result, err);

	fg_registry_done(&none);
	if (rc)
		return rc;
	record->run->bundle.result = result;
	rc = describe(record, result, err);
	if (rc == 0)
		rc = build_profile(record, result, err);
	account(record, result);
	return rc;
}

static int set_outcome(struct fg_record *record, struct fg_err *err)
{
	struct fg_result *result = record->run->bundle.result;

	if (result->invalid_reason)
		record->run->outcome =
			fg_outcome_worst(record->run->outcome, FG_OUTCOME_INVALID_MEASUREMENT);
	if (result->status == FG_RUN_INTERRUPTED)
		record->run->outcome =
			fg_outcome_worst(record->run->outcome, FG_OUTCOME_INTERRUPTED);
	result->exit_code = fg_outcomes[record->run->outcome].exit_code;
	return fg_str_replace(fg_outcomes[record->run->outcome].word, &result->outcome, err);
}

/* -- what it leaves -------------------------------------------------------------------------------
 */

static int write_bundle(struct fg_record *record, struct fg_err *err)
{
	struct fg_run *run = record->run;
	int rc = fg_bundle_write_all(record->dirs.bundle, &run->bundle, err);

	if (rc)
		return fg_err_wrap(err, "the bundle could not be written");
	memcpy(run->bundle_dir, record->dirs.bundle, sizeof(run->bundle_dir));
	if (record->options->bundle || !record->dirs.run[0])
		return 0;
	return fg_place_set_latest(record->run_id, err);
}

static void add_end(const struct fg_record *record, struct fg_buf *out)
{
	char how[128];
	const char *who = record->pid_count > 1 ? "all targets" : "the target";

	fg_record_child_text(&record->child, how, sizeof(how));
	if (record->child.pid && record->end == FG_RECORD_TIME) {
		fg_buf_addf(out, "the command was stopped when the time was over: it %s\n", how);
	} else if (record->child.pid) {
		fg_buf_addf(out, "the command %s\n", how);
	} else if (record->end == FG_RECORD_TARGETS) {
		fg_buf_addf(out, "%s ended before the recording did\n", who);
	}
}

static int print(const struct fg_record *record, const struct fg_report_style *style, bool to_note,
		 struct fg_err *err)
{
	const struct fg_run *run = record->run;
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, TEXT_MAX);
	add_end(record, &text);
	int rc = fg_report_run_text(run->bundle.result, run->bundle.profile, style, &text, err);

	if (run->bundle_dir[0])
		fg_buf_addf(&text, "bundle %s\n", run->bundle_dir);
	if (text.data && to_note)
		record->io->note(record->io->context, text.data, text.len);
	else if (text.data)
		record->io->result(record->io->context, text.data, text.len);
	return rc;
}

/* The bundle first; whatever fails, the text is still printed. The first error is returned. */
static int deliver(struct fg_record *record, struct fg_err *err)
{
	const bool to_note = fg_outputs_use_stdout(&record->options->outs);
	const struct fg_report_style style = {.colour = record->io->colour && !to_note,
					      .stderr_is_tty = record->io->note_is_tty,
					      .functions = (unsigned)record->options->rows,
					      .width = record->io->width};
	const struct fg_outputs_options outputs = {
		.style = &style, .text = record->io->result, .context = record->io->context};
	struct fg_err errors[4] = {0};
	int rcs[4];

	rcs[0] = set_outcome(record, &errors[0]);
	if (rcs[0] == 0)
		rcs[0] = write_bundle(record, &errors[0]);
	rcs[1] = fg_outputs_write(&record->options->outs, &record->run->bundle, NULL, &outputs,
				  &errors[1]);
	if (rcs[0] || rcs[1])
		record->run->outcome = fg_outcome_worst(record->run->outcome, FG_OUTCOME_INTERNAL);
	rcs[2] = set_outcome(record, &errors[2]);
	rcs[3] = print(record, &style, to_note, &errors[3]);
	for (size_t i = 0; i < FG_ARRAY_LEN(rcs); i++) {
		if (rcs[i]) {
			*err = errors[i];
			return rcs[i];
		}
	}
	return 0;
}

static int conclude(struct fg_record *record, struct fg_err *err)
{
	struct fg_err later = {0};
	int rc = build_result(record, err);

	if (rc) {
		record->run->outcome = FG_OUTCOME_INTERNAL;
		if (!record->run->bundle.result)
			return rc;
	}
	int delivered = deliver(record, rc ? &later : err);

	return rc ? rc : delivered;
}

static void done(struct fg_record *record)
{
	fg_record_unwatch(record);
	fg_record_child_stop(&record->child, 0);
	fg_profiler_free(record->profiler);
	fg_cputime_free(record->cputime);
	free(record->cpu.cpu_ns);
}

int fg_record(const struct fg_record_options *options, const struct fg_run_io *io,
	      struct fg_run *ret, struct fg_err *err)
{
	struct fg_record record = {.options = options,
				   .io = io,
				   .run = ret,
				   .signal_fd = -1,
				   .child = {.gate_fd = -1, .report_fd = -1}};
	struct fg_err place_err = {0};

	*ret = (struct fg_run){.outcome = FG_OUTCOME_PASSED};
	for (size_t i = 0; i < FG_RECORD_PIDS_MAX; i++)
		record.pid_fds[i] = -1;
	int rc = check_options(options, err);

	if (rc == 0)
		rc = read_types(&options->types, &record.types, err);
	if (rc == 0)
		rc = fg_record_find(&record, err);
	if (rc == 0)
		rc = attach(&record, err);
	if (rc == 0) {
		fg_place_run_id(fg_clock_realtime_ns(), fg_place_random(), record.run_id);
		if (fg_place_make(record.run_id, options->bundle, &record.dirs, &place_err))
			fg_record_note(&record, "warning: %s; results will only be printed\n",
				       place_err.message);
		memcpy(ret->run_dir, record.dirs.run, sizeof(ret->run_dir));
		note_header(&record);
		rc = observe(&record, err);
	}
	if (rc)
		ret->outcome = outcome_of(rc);
	else
		rc = conclude(&record, err);
	done(&record);
	return rc;
}
