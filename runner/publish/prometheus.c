/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live publisher: encode on the caller's thread, send on another one. Between them a short
 * queue under a mutex; when a server is too slow for it the oldest push goes, because a newer one
 * says all that it said.
 */
#include "runner/publish/prometheus_internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"
#include "runner/http_client.h"

enum { QUEUE_MAX = 12 }; /* a minute of pushes */

#define INTERVAL_NS (5 * FG_NS_PER_S)
#define FINISH_NS   (20 * FG_NS_PER_S)

struct fg_prometheus {
	struct fg_prometheus_options options; /* its texts are the copies below */
	char *url, *basic_user, *basic_password, *bearer_token;
	char *headers[FG_PROMETHEUS_HEADERS_MAX];
	struct fg_tags labels;
	struct fg_trend_stats stats;
	/* the caller's side */
	struct fg_prometheus_snapshot last; /* what the server was told of, for stale markers */
	uint64_t next_unix_ns;              /* of the next push; 0: at once */
	/* both sides */
	pthread_t thread;
	bool is_running;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct fg_prometheus_push *first; /* the queue, oldest first */
	size_t queued;
	bool closing;         /* no more pushes will come */
	bool stopped;         /* give up at once */
	uint64_t deadline_ns; /* monotonic; once closing */
	struct fg_prometheus_report report;
};

/* -- the sender's thread ------------------------------------------------------------------------
 */

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / FG_NS_PER_S),
				 .tv_nsec = (long)(ns % FG_NS_PER_S)};
}

static bool is_over(const struct fg_prometheus *p)
{
	return p->stopped || (p->closing && fg_clock_monotonic_ns() >= p->deadline_ns);
}

/* Between two tries. Wakes early when the end comes. */
static bool wait_to_retry(void *context, uint64_t ns)
{
	struct fg_prometheus *p = context;
	uint64_t until_ns = fg_clock_monotonic_ns() + ns;

	(void)pthread_mutex_lock(&p->mutex);
	while (!is_over(p) && fg_clock_monotonic_ns() < until_ns) {
		uint64_t end_ns = p->closing ? FG_MIN(until_ns, p->deadline_ns) : until_ns;
		struct timespec end = timespec_of(end_ns);

		(void)pthread_cond_timedwait(&p->changed, &p->mutex, &end);
	}
	bool go_on = !is_over(p);

	(void)pthread_mutex_unlock(&p->mutex);
	return go_on;
}

static void note_lost(struct fg_prometheus_report *report, const struct fg_err *err)
{
	report->lost++;
	if (!report->error[0])
		(void)snprintf(report->error, sizeof(report->error), "%.1000s", err->message);
}

/* Sends without the lock; the report is only touched under it. */
static void send_push(struct fg_prometheus *p, const struct fg_prometheus_push *push)
{
	struct fg_prometheus_report report = {.pushes = 0};
	struct fg_err err = {0};
	int rc = 0;

	for (size_t i = 0; i < push->count && rc == 0; i++)
		rc = fg_prometheus_send(&p->options, &push->items[i], wait_to_retry, p, &report,
					&err);
	(void)pthread_mutex_lock(&p->mutex);
	p->report.samples += report.samples;
	p->report.bytes += report.bytes;
	p->report.retries += report.retries;
	p->report.pushes += rc == 0;
	if (rc)
		note_lost(&p->report, &err);
	else if (push->is_final)
		p->report.complete = true;
	(void)pthread_mutex_unlock(&p->mutex);
}

/* NULL: the end. */
static struct fg_prometheus_push *next_push(struct fg_prometheus *p)
{
	struct fg_prometheus_push *push = NULL;

	(void)pthread_mutex_lock(&p->mutex);
	while (!p->first && !p->closing && !p->stopped)
		(void)pthread_cond_wait(&p->changed, &p->mutex);
	if (!is_over(p) && p->first) {
		push = p->first;
		p->first = push->next;
		p->queued--;
	}
	(void)pthread_mutex_unlock(&p->mutex);
	return push;
}

static void *run(void *context)
{
	struct fg_prometheus *p = context;

	for (struct fg_prometheus_push *push; (push = next_push(p)) != NULL;) {
		send_push(p, push);
		fg_prometheus_push_free(push);
	}
	return NULL;
}

/* Signals belong to the thread that waits for them. */
static int start_thread(struct fg_prometheus *p, struct fg_err *err)
{
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&p->thread, NULL, run, p);

	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return fg_err_errno(err, rc, "cannot start a thread");
	p->is_running = true;
	return 0;
}

/* -- set-up -------------------------------------------------------------------------------------
 */

static int copy_text(const char *text, char **ret, struct fg_err *err)
{
	return text ? fg_str_dup(text, ret, err) : 0;
}

static int copy_options(struct fg_prometheus *p, const struct fg_prometheus_options *options,
			struct fg_err *err)
{
	int rc = copy_text(options->url, &p->url, err);

	if (rc == 0)
		rc = copy_text(options->basic_user, &p->basic_user, err);
	if (rc == 0)
		rc = copy_text(options->basic_password, &p->basic_password, err);
	if (rc == 0)
		rc = copy_text(options->bearer_token, &p->bearer_token, err);
	for (size_t i = 0; i < options->header_count && rc == 0; i++)
		rc = fg_str_dup(options->headers[i], &p->headers[i], err);
	if (rc == 0 && options->labels)
		rc = fg_tags_copy(&p->labels, options->labels, err);
	p->options = *options;
	p->options.url = p->url;
	p->options.basic_user = p->basic_user;
	p->options.basic_password = p->basic_password;
	p->options.bearer_token = p->bearer_token;
	p->options.headers = (const char *const *)p->headers;
	p->options.labels = &p->labels;
	p->stats = fg_prometheus_stats(options);
	return rc;
}

static void init_sync(struct fg_prometheus *p)
{
	pthread_condattr_t monotonic;

	(void)pthread_mutex_init(&p->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

int fg_prometheus_start(const struct fg_prometheus_options *options, struct fg_prometheus **ret,
			struct fg_err *err)
{
	int rc = fg_prometheus_check(options, err);

	if (rc == 0)
		rc = fg_http_set_up(err);
	if (rc)
		return rc;
	struct fg_prometheus *p = calloc(1, sizeof(*p));

	if (!p)
		return fg_err_nomem(err);
	init_sync(p);
	rc = copy_options(p, options, err);
	if (rc == 0)
		rc = start_thread(p, err);
	if (rc) {
		fg_prometheus_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

/* -- the caller's side --------------------------------------------------------------------------
 */

static void enqueue(struct fg_prometheus *p, struct fg_prometheus_push *push)
{
	struct fg_prometheus_push *dropped = NULL;
	struct fg_prometheus_push **end;

	(void)pthread_mutex_lock(&p->mutex);
	if (p->queued == QUEUE_MAX) {
		const struct fg_err slow = {.message = "the server is slower than the pushes"};

		dropped = p->first;
		p->first = dropped->next;
		p->queued--;
		note_lost(&p->report, &slow);
	}
	for (end = &p->first; *end; end = &(*end)->next)
		;
	*end = push;
	p->queued++;
	(void)pthread_cond_signal(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	fg_prometheus_push_free(dropped);
}

static int push_totals(struct fg_prometheus *p, const struct fg_registry *registry,
		       const struct fg_slice *totals, uint64_t now_unix_ns, bool is_final,
		       struct fg_err *err)
{
	struct fg_prometheus_snapshot now = {.items = NULL};
	struct fg_prometheus_push *push = NULL;
	int64_t time_ms = (int64_t)(now_unix_ns / FG_NS_PER_MS);

	/* The server refuses a second sample of one millisecond. */
	time_ms = FG_MAX(time_ms, p->last.time_ms + 1);
	int rc =
		fg_prometheus_snapshot(registry, totals, &p->stats, &p->labels, time_ms, &now, err);

	if (rc == 0)
		rc = fg_prometheus_push_new(&p->last, &now, &push, err);
	if (rc == 0 && is_final && p->options.stale_markers)
		rc = fg_prometheus_push_end(push, &now, err);
	if (rc) {
		fg_prometheus_push_free(push);
		fg_prometheus_snapshot_done(&now);
		return rc;
	}
	push->is_final = is_final;
	enqueue(p, push);
	fg_prometheus_snapshot_done(&p->last);
	p->last = now;
	return 0;
}

static void push_or_note(struct fg_prometheus *p, const struct fg_registry *registry,
			 const struct fg_slice *totals, uint64_t now_unix_ns, bool is_final)
{
	struct fg_err err = {0};

	if (push_totals(p, registry, totals, now_unix_ns, is_final, &err) == 0)
		return;
	(void)pthread_mutex_lock(&p->mutex);
	note_lost(&p->report, &err);
	(void)pthread_mutex_unlock(&p->mutex);
}

void fg_prometheus_tick(struct fg_prometheus *prometheus, const struct fg_registry *registry,
			const struct fg_slice *totals, uint64_t now_unix_ns)
{
	uint64_t interval_ns = prometheus->options.push_interval_ns
				       ? prometheus->options.push_interval_ns
				       : INTERVAL_NS;

	if (prometheus->next_unix_ns == 0)
		prometheus->next_unix_ns = now_unix_ns;
	if (now_unix_ns < prometheus->next_unix_ns)
		return;
	while (prometheus->next_unix_ns <= now_unix_ns)
		prometheus->next_unix_ns += interval_ns;
	push_or_note(prometheus, registry, totals, now_unix_ns, false);
}

static void close_queue(struct fg_prometheus *p, bool stop)
{
	uint64_t finish_ns =
		p->options.finish_timeout_ns ? p->options.finish_timeout_ns : FINISH_NS;

	(void)pthread_mutex_lock(&p->mutex);
	p->closing = true;
	p->stopped = stop;
	p->deadline_ns = fg_clock_monotonic_ns() + finish_ns;
	(void)pthread_cond_signal(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	if (p->is_running)
		(void)pthread_join(p->thread, NULL);
	p->is_running = false;
}

static void drop_queue(struct fg_prometheus *p)
{
	const struct fg_err late = {.message = "the server did not take everything in time"};

	while (p->first) {
		struct fg_prometheus_push *push = p->first;

		p->first = push->next;
		note_lost(&p->report, &late);
		fg_prometheus_push_free(push);
	}
}

void fg_prometheus_finish(struct fg_prometheus *prometheus, const struct fg_registry *registry,
			  const struct fg_slice *totals, uint64_t now_unix_ns,
			  struct fg_prometheus_report *ret)
{
	if (totals)
		push_or_note(prometheus, registry, totals, now_unix_ns, true);
	close_queue(prometheus, false);
	drop_queue(prometheus);
	*ret = prometheus->report;
}

void fg_prometheus_free(struct fg_prometheus *prometheus)
{
	if (!prometheus)
		return;
	close_queue(prometheus, true);
	drop_queue(prometheus);
	fg_prometheus_snapshot_done(&prometheus->last);
	fg_tags_done(&prometheus->labels);
	for (size_t i = 0; i < FG_PROMETHEUS_HEADERS_MAX; i++)
		free(prometheus->headers[i]);
	free(prometheus->url);
	free(prometheus->basic_user);
	free(prometheus->basic_password);
	free(prometheus->bearer_token);
	(void)pthread_mutex_destroy(&prometheus->mutex);
	(void)pthread_cond_destroy(&prometheus->changed);
	free(prometheus);
}
