/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request classes on samples, from the run's side: the words that the generator writes, what the
 * labels stand for, and which requests were slow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "runner/run/session.h"
#include "runner/target/tree.h"

enum {
	SLOW_MIN_REQUESTS = 100, /* of a class, before its quantile means something */
	SLOW_ENTRIES_MAX = 4 << 20,
	STAT_BYTES_MAX = 4096,
};
#define SLOW_PERCENTILE 95.0

/* -- before and while it runs ---------------------------------------------------------------------
 */

/* Whether the listener is the target or below it. */
static bool is_of_target(const struct fg_session *s, uint32_t pid)
{
	char path[64];

	for (int depth = 0; pid > 1 && depth < 64; depth++) {
		FG_AUTO_BUF struct fg_buf stat = {.max = STAT_BYTES_MAX};

		if (pid == s->target_pid)
			return true;
		(void)snprintf(path, sizeof(path), "/proc/%u/stat", pid);
		if (fg_file_read(path, STAT_BYTES_MAX, &stat, NULL))
			return false;
		pid = (uint32_t)fg_tree_parent_of_stat(stat.data, stat.len);
	}
	return false;
}

/* What we connect to is a port of the target's own, so its sockets must say the same; otherwise
 * something between translates, and the target's port is anybody's guess. */
static bool is_translated(const struct fg_session *s)
{
	struct fg_listener listener;
	char host[256];
	uint16_t port;
	bool local;

	return fg_target_url_parts(s->target_url, host, &port, &local, NULL) != 0 ||
	       fg_target_find_port(port, &listener, NULL) != 0 || !is_of_target(s, listener.pid);
}

const struct fg_load_labels *fg_session_labels(struct fg_session *s)
{
	uint32_t *words = s->profiler ? fg_profiler_labels(s->profiler) : NULL;

	if (!words)
		return NULL;
	s->labels.words = (_Atomic uint32_t *)words;
	s->labels.any_port = s->target_url && is_translated(s);
	return &s->labels;
}

void fg_session_take_requests(void *context, struct fg_request_log *requests)
{
	struct fg_session *s = context;

	if (s->request_log_count < FG_ARRAY_LEN(s->request_logs))
		s->request_logs[s->request_log_count++] = requests;
	else
		fg_request_log_free(requests);
}

int fg_session_labels_check(struct fg_session *s, struct fg_err *err)
{
	const char *problem = s->profiler ? fg_profiler_labels_problem(s->profiler) : "";

	if (s->file->profile_labels != FG_LABELS_ON || !s->profiler ||
	    fg_profiler_labels(s->profiler))
		return 0;
	if (s->file->profile_enabled != FG_PROFILE_REQUIRED && !s->options->require_profile) {
		fg_session_note(s,
				"profile: no request classes although profile.labels is on, "
				"because: %s\n",
				problem);
		return 0;
	}
	fg_session_outcome(s, FG_OUTCOME_NO_PROFILER);
	return fg_err_set(err, FG_E_UNSUPPORTED,
			  "a profile with request classes is required (profile.labels: on): %s",
			  problem);
}

/* -- afterwards ---------------------------------------------------------------------------------
 */

int fg_session_endpoints(const struct fg_result *result, struct fg_endpoints *ret,
			 struct fg_err *err)
{
	const size_t count = result->registry.class_count;
	struct fg_endpoints made = {.count = count};
	int rc = 0;

	made.texts = calloc(count + 1, sizeof(*made.texts));
	if (!made.texts)
		return fg_err_nomem(err);
	for (size_t i = 0; i < count && !rc; i++) {
		struct fg_buf text = {.max = 8192};

		fg_registry_class_text(&result->registry, i, &text);
		rc = fg_buf_check(&text, err);
		if (rc)
			fg_buf_done(&text);
		else
			made.texts[i] = text.data; /* taken */
	}
	if (rc)
		fg_session_endpoints_done(&made);
	else
		*ret = made;
	return rc;
}

void fg_session_endpoints_done(struct fg_endpoints *endpoints)
{
	for (size_t i = 0; endpoints->texts && i < endpoints->count; i++)
		free(endpoints->texts[i]);
	free(endpoints->texts);
	*endpoints = (struct fg_endpoints){0};
}

/* What a request of the class must exceed to be slow; UINT64_MAX: cannot be told. */
static uint64_t slow_above_ns(const struct fg_session *s, const struct fg_result *result,
			      size_t class_index)
{
	uint64_t above_ns = UINT64_MAX;
	struct fg_hist sum;

	fg_hist_init(&sum, NULL);
	int rc = 0;

	for (int half = 0; half < 2 && !rc; half++)
		rc = fg_hist_add(&sum, &fg_slice_class(result->totals, class_index, half == 1)
						->trends[FG_TREND_SERVICE_TIME]);
	if (!rc && sum.count >= SLOW_MIN_REQUESTS)
		above_ns = fg_hist_percentile_ns(&sum, SLOW_PERCENTILE);
	fg_hist_done(&sum);
	/* A log that was full has only the slower ones: what it still has of all decides. */
	for (size_t i = 0; i < s->request_log_count; i++)
		above_ns =
			FG_MAX(above_ns, fg_request_log_floor_ns(s->request_logs[i], class_index));
	return above_ns;
}

/* Keeps those that are slow, at the front; returns how many. */
static size_t select_slow(const struct fg_request_entry *from, size_t count,
			  const uint64_t *above_ns, const struct fg_result *result,
			  struct fg_request_entry *to)
{
	const uint64_t start_ns = result->started_ns + result->measured_start_ns;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (from[i].class_index >= result->registry.class_count ||
		    from[i].send_ns < start_ns ||
		    from[i].end_ns - from[i].send_ns <= above_ns[from[i].class_index])
			continue;
		to[kept++] = from[i];
	}
	return kept;
}

static int collect_slow(const struct fg_session *s, const struct fg_result *result,
			const uint64_t *above_ns, struct fg_profile_slow *info,
			struct fg_request_index **ret, struct fg_err *err)
{
	const struct fg_request_entry *entries;
	size_t total = 0, kept = 0;

	for (size_t i = 0; i < s->request_log_count; i++)
		total += fg_request_log_entries(s->request_logs[i], &entries);
	FG_AUTO_FREE struct fg_request_entry *slow =
		calloc(FG_MIN(total, (size_t)SLOW_ENTRIES_MAX) + 1, sizeof(*slow));

	if (!slow)
		return fg_err_nomem(err);
	for (size_t i = 0; i < s->request_log_count; i++) {
		size_t count = fg_request_log_entries(s->request_logs[i], &entries);

		count = FG_MIN(count, (size_t)SLOW_ENTRIES_MAX - kept);
		kept += select_slow(entries, count, above_ns, result, slow + kept);
	}
	info->requests = kept;
	info->quantile = SLOW_PERCENTILE;
	if (result->registry.class_count == 1 && kept)
		info->above_ns = above_ns[0];
	int peaks = fg_request_log_peaks(slow, kept, result->started_ns,
					 result->duration_ns / FG_NS_PER_S, info->seconds,
					 FG_SLOW_SECONDS_MAX, err);

	if (peaks < 0)
		return peaks;
	info->second_count = (size_t)peaks;
	return fg_request_index_new(slow, kept, ret, err);
}

int fg_session_slow_requests(const struct fg_session *s, const struct fg_result *result,
			     struct fg_profile_slow *info, struct fg_request_index **ret,
			     struct fg_err *err)
{
	const size_t classes = result->registry.class_count;

	*ret = NULL;
	if (!s->request_log_count || !classes)
		return 0;
	FG_AUTO_FREE uint64_t *above_ns = calloc(classes, sizeof(*above_ns));

	if (!above_ns)
		return fg_err_nomem(err);
	for (size_t c = 0; c < classes; c++)
		above_ns[c] = slow_above_ns(s, result, c);
	return collect_slow(s, result, above_ns, info, ret, err);
}

void fg_session_labels_done(struct fg_session *s)
{
	for (size_t i = 0; i < s->request_log_count; i++)
		fg_request_log_free(s->request_logs[i]);
	s->request_log_count = 0;
}
