/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching the target while it is driven: the CPU profile, its exact CPU time per second, its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "runner/debuginfod.h"
#include "runner/run/session.h"

enum { CPU_SECONDS_MAX = 1 << 20 };

static bool profile_wanted(const struct fg_session *s)
{
	return !s->options->no_profile && s->file->profile_enabled != FG_PROFILE_OFF;
}

static bool profile_required(const struct fg_session *s)
{
	return s->options->require_profile || s->file->profile_enabled == FG_PROFILE_REQUIRED;
}

static int start_profiler(struct fg_session *s, struct fg_err *err)
{
	struct fg_profiler_options options = {
		.pids = &s->target_pid,
		.pid_count = 1,
		.frequency_hz = s->options->frequency_hz ? (uint32_t)s->options->frequency_hz
							 : s->file->profile_frequency_hz,
		.types = s->file->profile_types,
		.labels = s->file->profile_labels != FG_LABELS_OFF,
	};

	if (s->target_pid)
		return fg_profiler_start(&options, &s->profiler, err);
	return fg_err_set(err, FG_E_NOT_FOUND, "%s",
			  s->profile_absent[0] ? s->profile_absent : "the target's pid is unknown");
}

int fg_session_observe_start(struct fg_session *s, struct fg_err *err)
{
	if (s->target_pid) {
		/* CPU per request needs no privilege; a target that just ended is found out soon.
		 */
		if (fg_cputime_new(&s->target_pid, 1, &s->cputime, NULL) == 0)
			(void)fg_cputime_read(s->cputime, &s->cpu_total_ns, NULL);
	}
	if (!profile_wanted(s)) {
		(void)snprintf(s->profile_absent, sizeof(s->profile_absent), "%s",
			       s->options->no_profile ? "--no-profile was given"
						      : "profile.enabled is off");
		if (!profile_required(s))
			return 0;
		fg_session_outcome(s, FG_OUTCOME_NO_PROFILER);
		return fg_err_set(err, FG_E_USAGE, "--require-profile contradicts: %s",
				  s->profile_absent);
	}
	struct fg_err why = {0};

	if (start_profiler(s, &why) == 0) {
		s->profile_absent[0] = '\0';
		return fg_session_labels_check(s, err);
	}
	(void)snprintf(s->profile_absent, sizeof(s->profile_absent), "%.767s", why.message);
	if (!profile_required(s))
		return 0;
	fg_session_outcome(s, FG_OUTCOME_NO_PROFILER);
	*err = why;
	(void)fg_err_wrap(err, "a profile is required");
	return -(int)why.code;
}

/* One file of /proc per process and second: cheap, and no privilege. */
static void observe_memory(struct fg_session *s, uint32_t second)
{
	uint64_t bytes;

	if (fg_cputime_rss(s->cputime, &bytes, NULL) ||
	    fg_vec_grow((void **)&s->rss.bytes, &s->rss.capacity, (size_t)second + 1,
			CPU_SECONDS_MAX, sizeof(*s->rss.bytes), NULL))
		return;
	for (size_t i = s->rss.count; i < (size_t)second; i++)
		s->rss.bytes[i] = 0;
	s->rss.bytes[second] = bytes;
	s->rss.count = FG_MAX(s->rss.count, (size_t)second + 1);
}

uint32_t fg_session_second(uint64_t elapsed_ns)
{
	const uint64_t slack_ns = 100 * FG_NS_PER_MS;

	return elapsed_ns > slack_ns ? (uint32_t)((elapsed_ns - slack_ns) / FG_NS_PER_S) : 0;
}

void fg_session_observe_second(struct fg_session *s, uint32_t second)
{
	uint64_t total_ns = s->cpu_total_ns;

	if (!s->cputime)
		return;
	/* Also when every process is gone: the last known total is still right. */
	(void)fg_cputime_read(s->cputime, &total_ns, NULL);
	observe_memory(s, second);
	if (fg_vec_grow((void **)&s->cpu.cpu_ns, &s->cpu.capacity, (size_t)second + 1,
			CPU_SECONDS_MAX, sizeof(*s->cpu.cpu_ns), NULL))
		return;
	/* A call that came late covers several seconds; the later ones then hold 0 until read. */
	if (s->cpu.count < (size_t)second + 1)
		s->cpu.count = (size_t)second + 1;
	s->cpu.cpu_ns[second] += total_ns - s->cpu_total_ns;
	s->cpu_total_ns = total_ns;
}

void fg_session_on_profiler(void *context, struct fg_load *load)
{
	struct fg_session *s = context;
	struct fg_err err = {0};

	if (!s->profiler || fg_profiler_fd(s->profiler) < 0)
		return;
	int fd = fg_profiler_fd(s->profiler);
	int rc = fg_profiler_read(s->profiler, &err);

	if (fg_profiler_fd(s->profiler) < 0) /* closed: by an error, or at its end */
		fg_load_unwatch(load, fd);
	if (rc)
		fg_session_note(s, "profile: partial, because %s; latency is measured as usual\n",
				err.message);
}

void fg_session_on_target(void *context, struct fg_load *load)
{
	struct fg_session *s = context;

	if (!s->target || !fg_target_ended(s->target, s->target_end, sizeof(s->target_end)))
		return;
	fg_load_unwatch(load, fg_target_fd(s->target));
	fg_load_request_stop(load, FG_LOAD_STOP_DRAIN, FG_RUN_TARGET_DIED);
}

void fg_session_observe_stop(struct fg_session *s)
{
	struct fg_err err = {0};

	if (s->profiler && fg_profiler_stop(s->profiler, &err))
		fg_session_note(s, "profile: partial, because %s\n", err.message);
	fg_cputime_free(s->cputime);
	s->cputime = NULL;
}

/* The seconds that lie wholly in the measured phase. */
static uint64_t measured_cpu_ns(const struct fg_result *result)
{
	uint64_t first = (result->measured_start_ns + FG_NS_PER_S - 1) / FG_NS_PER_S;
	uint64_t sum_ns = 0;

	for (size_t i = (size_t)first; i < result->target_cpu.count; i++)
		sum_ns += result->target_cpu.cpu_ns[i];
	return sum_ns;
}

static_assert((int)FG_PROFILER_SHORT == (int)FG_DEMANGLE_SHORT &&
		      (int)FG_PROFILER_RAW == (int)FG_DEMANGLE_OFF,
	      "the scenario's and the profiler's styles of names");

/* Frees it as well. */
static void note_debug_files(const struct fg_session *s, struct fg_debuginfod *debuginfod)
{
	char text[400];

	if (!debuginfod)
		return;
	fg_debuginfod_summary(debuginfod, text, sizeof(text));
	fg_session_note(s, "debug files: %s\n", text);
	fg_debuginfod_free(debuginfod);
}

/* Of one that we started the end is an outcome; of any other it has to be known to read the rest.
 */
static void note_end(const struct fg_session *s, struct fg_profile_info *info)
{
	char name[FG_PROFILER_NAME_MAX];

	if (s->file->target.command || !s->target_pid ||
	    fg_profiler_check_pid(s->target_pid, name, NULL) != -FG_E_NOT_FOUND)
		return;
	fg_session_note(s, "warning: the target, process %u, ended during the run\n",
			s->target_pid);
	fg_notices_add(&info->notices,
		       "process %u ended during the run: CPU time and profile end there",
		       s->target_pid);
}

int fg_session_profile(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;

	result->target_cpu = s->cpu;
	s->cpu = (struct fg_cpu_series){0};
	result->target_rss = s->rss;
	s->rss = (struct fg_rss_series){0};
	result->measured_target_cpu_ns = measured_cpu_ns(result);
	if (!s->profiler) {
		(void)snprintf(result->profile.why_absent, sizeof(result->profile.why_absent), "%s",
			       s->profile_absent);
		note_end(s, &result->profile);
		return 0;
	}
	uint64_t start_ns = result->started_ns;
	uint64_t measured_ns = start_ns + result->measured_start_ns;
	const struct fg_profiler_phase phases[] = {
		{"warmup", start_ns, measured_ns},
		{"measure", measured_ns, start_ns + result->duration_ns},
	};
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT] = {0};
	struct fg_profile_slow slow = {0};
	struct fg_endpoints endpoints = {0};
	struct fg_request_index *slow_requests = NULL;
	struct fg_debuginfod *debuginfod = NULL;
	int rc = fg_session_endpoints(result, &endpoints, err);

	if (!rc)
		rc = fg_session_slow_requests(s, result, &slow, &slow_requests, err);
	if (!rc)
		rc = fg_debuginfod_new(s->file->profile_debuginfod, &debuginfod, err);
	const struct fg_profiler_profile_options options = {
		.run_start_ns = start_ns,
		.symbols = {(enum fg_profiler_demangle)s->file->profile_demangle,
			    debuginfod ? fg_debuginfod_open : NULL, debuginfod},
		.phases = phases,
		.phase_count = FG_ARRAY_LEN(phases),
		.endpoints = (const char *const *)endpoints.texts,
		.endpoint_count = endpoints.count,
		.slow = slow_requests,
	};

	if (!rc)
		rc = fg_profiler_profile(s->profiler, &options, profiles, &result->profile, err);
	if (!rc) {
		fg_bundle_take_profiles(&s->run->bundle, profiles);
		result->profile.slow = slow;
		note_end(s, &result->profile);
	}
	note_debug_files(s, debuginfod);
	fg_session_endpoints_done(&endpoints);
	fg_request_index_free(slow_requests);
	return rc;
}
