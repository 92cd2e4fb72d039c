/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leaves the machine while a run goes on: Prometheus remote write, of the scenario's publish:
 * and of --out prometheus=URL.
 *
 * The settings of the latter are k6's environment variables (K6_PROMETHEUS_RW_…), so that who comes
 * from `k6 run -o experimental-prometheus-rw` changes one word. Failures never stop a run; at the
 * end they are told, and a required publisher that did not get the final values makes it exit 15.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/arena.h"
#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "gate/base/str.h"
#include "runner/http_client.h"
#include "runner/publish/prometheus.h"
#include "runner/run/outputs.h"
#include "runner/run/pairs.h"
#include "runner/run/session.h"
#include "runner/scenario/expr.h"

enum { PUSHERS_MAX = 8 };

struct pusher {
	struct fg_prometheus *prometheus;
	char shown[512]; /* the URL without its password */
	bool required;
};

struct fg_push {
	struct pusher items[PUSHERS_MAX];
	size_t count;
};

/* -- settings from the environment --------------------------------------------------------------
 */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int read_bool(const char *name, bool *ret, struct fg_err *err)
{
	const char *value = environment(name);

	if (!value || strcmp(value, "false") == 0 || strcmp(value, "0") == 0)
		return 0;
	if (strcmp(value, "true") != 0 && strcmp(value, "1") != 0)
		return fg_err_set(err, FG_E_USAGE, "%s is true or false, not \"%s\"", name, value);
	*ret = true;
	return 0;
}

static int read_environment(struct fg_prometheus_options *options, struct fg_err *err)
{
	const char *stats = environment("K6_PROMETHEUS_RW_TREND_STATS");
	const char *interval = environment("K6_PROMETHEUS_RW_PUSH_INTERVAL");
	int rc = 0;

	options->basic_user = environment("K6_PROMETHEUS_RW_USERNAME");
	options->basic_password = environment("K6_PROMETHEUS_RW_PASSWORD");
	options->bearer_token = environment("K6_PROMETHEUS_RW_BEARER_TOKEN");
	if (!options->bearer_token && !options->basic_user)
		options->bearer_token = environment("FLAMEGATE_TOKEN");
	if (stats && fg_trend_stats_parse(stats, &options->stats, err))
		return fg_err_wrap(err, "K6_PROMETHEUS_RW_TREND_STATS");
	if (interval &&
	    fg_num_duration_ns(interval, strlen(interval), &options->push_interval_ns, err))
		return fg_err_wrap(err, "K6_PROMETHEUS_RW_PUSH_INTERVAL");
	rc = read_bool("K6_PROMETHEUS_RW_STALE_MARKERS", &options->stale_markers, err);
	if (rc == 0)
		rc = read_bool("K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY", &options->insecure,
			       err);
	return rc;
}

/* -- starting -----------------------------------------------------------------------------------
 */

/* --tag applies to everything, also to what belongs to no scenario; runs are told apart by testid,
 * as k6's dashboard does. */
static int make_labels(const struct fg_session *s, const struct fg_tags *own, struct fg_tags *ret,
		       struct fg_err *err)
{
	int rc = fg_tags_add(ret, "testid", s->run_id, err);

	if (rc == 0)
		rc = fg_pairs_parse(&s->options->tags, "--tag", ret, err);
	for (size_t i = 0; rc == 0 && own && i < own->count; i++)
		rc = fg_tags_add(ret, own->items[i].key, own->items[i].value, err);
	return rc;
}

static int add_pusher(struct fg_session *s, const struct fg_prometheus_options *options,
		      bool required, struct fg_err *err)
{
	struct fg_push *push = s->push;
	struct pusher *pusher = &push->items[push->count];

	if (push->count == PUSHERS_MAX)
		return fg_err_set(err, FG_E_USAGE, "more than %d Prometheus publishers",
				  PUSHERS_MAX);
	int rc = fg_prometheus_start(options, &pusher->prometheus, err);

	if (rc)
		return rc;
	fg_http_url_masked(options->url, pusher->shown, sizeof(pusher->shown));
	pusher->required = required;
	push->count++;
	return 0;
}

static int add_from_options(struct fg_session *s, struct fg_err *err)
{
	const char *url;

	for (size_t i = 0; (url = fg_outputs_prometheus(&s->options->outs, i)) != NULL; i++) {
		struct fg_prometheus_options options = {.url = url};
		struct fg_tags labels = {.items = NULL};
		int rc = read_environment(&options, err);

		if (rc == 0)
			rc = make_labels(s, NULL, &labels, err);
		options.labels = &labels;
		if (rc == 0)
			rc = add_pusher(s, &options, false, err);
		fg_tags_done(&labels);
		if (rc)
			return fg_err_wrap(err, "--out prometheus");
	}
	return 0;
}

/* -- publish: of the scenario -------------------------------------------------------------------
 */

/* "{{ run.id }}" and the like: what is known before any VU runs. */
static int render_testid(const struct fg_session *s, const struct fg_template *testid,
			 struct fg_buf *out, struct fg_err *err)
{
	const char *const run_texts[FG_RUN_TEXT_COUNT] = {
		[FG_RUN_TEXT_TARGET_URL] = s->target_url,
		[FG_RUN_TEXT_RUN_ID] = s->run_id,
	};
	struct fg_arena arena;

	fg_arena_init(&arena, 1 << 20);
	const struct fg_expr_env env = {
		.run_texts = run_texts, .unix_ns = fg_clock_realtime_ns(), .arena = &arena};
	int rc = fg_template_expand(testid, &env, out, err);

	fg_arena_done(&arena);
	return rc;
}

static int add_stats(const struct fg_publish_prometheus *from, struct fg_trend_stats *ret,
		     struct fg_err *err)
{
	int rc = 0;

	if (from->trend_stat_count > FG_TREND_STATS_MAX)
		return fg_err_set(err, FG_E_INVALID, "more than %d trendStats", FG_TREND_STATS_MAX);
	for (size_t i = 0; i < from->trend_stat_count && rc == 0; i++)
		rc = fg_trend_stat_parse(from->trend_stats[i], strlen(from->trend_stats[i]),
					 &ret->items[ret->count++], err);
	return rc;
}

struct header_texts {
	char *items[FG_PROMETHEUS_HEADERS_MAX];
	size_t count;
};

static int add_headers(const struct fg_publish_prometheus *from, struct header_texts *ret,
		       struct fg_err *err)
{
	static const struct fg_expr_env nothing; /* the parser lets constants pass only */

	for (size_t i = 0; i < from->header_count && ret->count < FG_PROMETHEUS_HEADERS_MAX; i++) {
		FG_AUTO_BUF struct fg_buf text = {.max = 1 << 16};

		fg_buf_addf(&text, "%s: ", from->headers[i].name);
		int rc = fg_template_expand(&from->headers[i].value, &nothing, &text, err);

		if (rc == 0)
			rc = fg_buf_check(&text, err);
		if (rc)
			return rc;
		ret->items[ret->count] = fg_buf_take(&text, NULL);
		if (!ret->items[ret->count])
			return fg_err_nomem(err);
		ret->count++;
	}
	return 0;
}

static int start_published(struct fg_session *s, const struct fg_publish_prometheus *from,
			   struct header_texts *headers, struct fg_tags *labels, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf testid = {.max = 1 << 16};
	struct fg_prometheus_options options = {
		.url = from->url,
		.basic_user = from->username,
		.basic_password = from->password,
		.bearer_token = from->bearer_token,
		.headers = (const char *const *)headers->items,
		.insecure = from->insecure_skip_verify,
		.labels = labels,
		.push_interval_ns = from->push_interval_ns,
		.stale_markers = from->stale_markers,
	};
	int rc = add_headers(from, headers, err);

	options.header_count = headers->count;
	if (rc == 0)
		rc = add_stats(from, &options.stats, err);
	if (rc == 0)
		rc = make_labels(s, &from->labels, labels, err);
	if (rc == 0 && from->testid.part_count > 0)
		rc = render_testid(s, &from->testid, &testid, err);
	if (rc == 0 && testid.len > 0)
		rc = fg_tags_add(labels, "testid", testid.data, err);
	return rc ? rc : add_pusher(s, &options, from->required, err);
}

static int add_from_scenario(struct fg_session *s, struct fg_err *err)
{
	for (size_t i = 0; i < s->file->prometheus_count; i++) {
		struct header_texts headers = {.count = 0};
		struct fg_tags labels = {.items = NULL};
		int rc = start_published(s, &s->file->prometheus[i], &headers, &labels, err);

		for (size_t h = 0; h < headers.count; h++)
			free(headers.items[h]);
		fg_tags_done(&labels);
		if (rc)
			return fg_err_wrap(err, "publish: prometheus");
	}
	return 0;
}

int fg_session_push_start(struct fg_session *s, struct fg_err *err)
{
	s->push = calloc(1, sizeof(*s->push));
	if (!s->push)
		return fg_err_nomem(err);
	int rc = add_from_options(s, err);

	if (rc == 0)
		rc = add_from_scenario(s, err);
	if (rc)
		fg_session_outcome(s, FG_OUTCOME_USAGE);
	return rc;
}

/* -- while it runs and after --------------------------------------------------------------------
 */

void fg_session_push_second(struct fg_session *s, const struct fg_result *live, uint64_t elapsed_ns)
{
	for (size_t i = 0; s->push && i < s->push->count; i++)
		fg_prometheus_tick(s->push->items[i].prometheus, &live->registry, live->totals,
				   live->started_unix_ns + elapsed_ns);
}

static void tell(struct fg_session *s, const struct pusher *pusher,
		 const struct fg_prometheus_report *report)
{
	if (report->complete && report->lost == 0) {
		if (!s->options->quiet)
			fg_session_note(s, "prometheus: %llu samples in %llu pushes to %s\n",
					(unsigned long long)report->samples,
					(unsigned long long)report->pushes, pusher->shown);
		return;
	}
	fg_session_note(s, "prometheus: %llu of %llu pushes to %s were lost%s: %s\n",
			(unsigned long long)report->lost,
			(unsigned long long)(report->lost + report->pushes), pusher->shown,
			report->complete ? " (the final values arrived)" : ", the final values too",
			report->error[0] ? report->error : "unknown");
	if (pusher->required && !report->complete)
		fg_session_outcome(s, FG_OUTCOME_PUBLISH);
}

void fg_session_push_finish(struct fg_session *s)
{
	const struct fg_result *result = s->run->bundle.result;

	for (size_t i = 0; s->push && i < s->push->count; i++) {
		struct pusher *pusher = &s->push->items[i];
		struct fg_prometheus_report report = {.pushes = 0};
		uint64_t end_ns = result ? result->started_unix_ns + result->duration_ns : 0;

		fg_prometheus_finish(pusher->prometheus, result ? &result->registry : NULL,
				     result ? result->totals : NULL, end_ns, &report);
		tell(s, pusher, &report);
	}
}

void fg_session_push_free(struct fg_push *push)
{
	for (size_t i = 0; push && i < push->count; i++)
		fg_prometheus_free(push->items[i].prometheus);
	free(push);
}
