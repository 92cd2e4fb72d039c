/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/scrape.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"
#include "gate/format/gzip.h"
#include "gate/profile/scraped.h"
#include "runner/http_client.h"
#include "runner/load/url.h"

#define FETCH_TIMEOUT_NS (10 * FG_NS_PER_S)

enum phase { WAITING, MEASURING, OVER };

struct endpoint {
	struct fg_scrapes *owner;
	const struct fg_scrape_setting *scrape;
	char *url; /* absolute */
	pthread_t thread;
	bool running;
	/* the thread's until it is joined */
	struct fg_scraped_profile *results;
	size_t count, max;
};

struct fg_scrapes {
	struct endpoint *items;
	size_t count;
	uint64_t timeout_ns;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum phase phase; /* under the lock */
	struct fg_scraped_profile all[FG_SCRAPE_PROFILES_MAX];
	size_t all_count;
};

/* -- one fetch ----------------------------------------------------------------------------------
 */

static int fetch(const struct endpoint *endpoint, struct fg_buf *ret, struct fg_err *err)
{
	const struct fg_http_request request = {
		.method = "GET",
		.url = endpoint->url,
		.timeout_ns = endpoint->owner->timeout_ns,
		.max_response_bytes = FG_SCRAPED_BYTES_MAX,
		.direct = true,
	};
	struct fg_http_response response = {0};
	struct fg_scraped_summary summary;
	int rc = fg_http_fetch(&request, &response, err);

	if (rc == 0 && response.status != 200)
		rc = fg_err_set(err, FG_E_INVALID, "the target answered %ld%s", response.status,
				response.status == 404 ? "; does it serve profiles under this path?"
						       : "");
	if (rc == 0)
		rc = fg_scraped_summarise(response.body.data, response.body.len, &summary, err);
	if (rc == 0) {
		ret->len = 0;
		rc = fg_gzip_is(response.body.data, response.body.len)
			     ? fg_buf_check((fg_buf_add(ret, response.body.data, response.body.len),
					     ret),
					    err)
			     : fg_gzip_deflate(FG_DEFLATE_GZIP, response.body.data,
					       response.body.len, ret, err);
	}
	fg_http_response_done(&response);
	return rc;
}

/* -- what a thread does --------------------------------------------------------------------------
 */

/* Until the phase is at least `phase`, or the time has come; returns the phase then. */
static enum phase wait_for(struct fg_scrapes *scrapes, enum phase phase, uint64_t until_ns)
{
	const struct timespec deadline = {.tv_sec = (time_t)(until_ns / FG_NS_PER_S),
					  .tv_nsec = (long)(until_ns % FG_NS_PER_S)};
	int timed_out = 0;

	(void)pthread_mutex_lock(&scrapes->lock);
	while (scrapes->phase < phase && !timed_out)
		timed_out = until_ns ? pthread_cond_timedwait(&scrapes->changed, &scrapes->lock,
							      &deadline)
				     : pthread_cond_wait(&scrapes->changed, &scrapes->lock);
	enum phase now = scrapes->phase;

	(void)pthread_mutex_unlock(&scrapes->lock);
	return now;
}

static struct fg_scraped_profile *add_result(struct endpoint *endpoint, uint64_t from_ns,
					     uint64_t to_ns)
{
	unsigned lost = 0;

	/* The last place is for what happened last. */
	if (endpoint->count == endpoint->max) {
		struct fg_scraped_profile *last = &endpoint->results[endpoint->count - 1];

		fg_buf_done(&last->pprof);
		lost = last->lost + 1;
		endpoint->count--;
	}
	struct fg_scraped_profile *result = &endpoint->results[endpoint->count++];

	*result = (struct fg_scraped_profile){
		.scrape = endpoint->scrape, .from_ns = from_ns, .to_ns = to_ns, .lost = lost};
	fg_buf_init(&result->pprof, FG_SCRAPED_INFLATED_MAX);
	return result;
}

static void add_problem(struct endpoint *endpoint, uint64_t at_ns, const struct fg_err *err)
{
	struct fg_scraped_profile *result = add_result(endpoint, at_ns, at_ns);

	(void)snprintf(result->problem, sizeof(result->problem), "%.159s", err->message);
}

/* What was counted between two fetches; what is no count is as it was at the second one. */
static void add_window(struct endpoint *endpoint, const struct fg_buf *before, uint64_t from_ns,
		       const struct fg_buf *now, uint64_t to_ns)
{
	struct fg_scraped_profile *result = add_result(endpoint, from_ns, to_ns);
	struct fg_err err = {0};

	if (fg_scraped_delta(before->data, before->len, now->data, now->len, &result->pprof, &err))
		(void)snprintf(result->problem, sizeof(result->problem), "%.159s", err.message);
}

static void watch_window(struct endpoint *endpoint, uint64_t every_ns)
{
	FG_AUTO_BUF struct fg_buf before = {.max = FG_SCRAPED_INFLATED_MAX};
	FG_AUTO_BUF struct fg_buf now = {.max = FG_SCRAPED_INFLATED_MAX};
	uint64_t from_ns = fg_clock_monotonic_ns(), due_ns = from_ns;
	struct fg_err err = {0};
	enum phase phase;
	int rc = fetch(endpoint, &before, &err);

	if (rc)
		add_problem(endpoint, from_ns, &err);
	do {
		due_ns += every_ns;
		phase = wait_for(endpoint->owner, OVER, every_ns ? due_ns : 0);
		uint64_t now_ns = fg_clock_monotonic_ns();
		bool had_one = rc == 0;

		rc = fetch(endpoint, &now, &err);
		if (rc)
			add_problem(endpoint, now_ns, &err);
		else if (had_one)
			add_window(endpoint, &before, from_ns, &now, now_ns);
		struct fg_buf swapped = before;

		before = now;
		now = swapped;
		from_ns = now_ns;
		due_ns = FG_MAX(due_ns, now_ns); /* a slow target is not asked twice in a row */
	} while (phase != OVER);
}

static void watch_end(struct endpoint *endpoint)
{
	FG_AUTO_BUF struct fg_buf now = {.max = FG_SCRAPED_INFLATED_MAX};
	struct fg_err err = {0};

	(void)wait_for(endpoint->owner, OVER, 0);
	uint64_t at_ns = fg_clock_monotonic_ns();

	if (fetch(endpoint, &now, &err)) {
		add_problem(endpoint, at_ns, &err);
		return;
	}
	struct fg_scraped_profile *result = add_result(endpoint, at_ns, at_ns);

	fg_buf_done(&result->pprof);
	result->pprof = now;
	now = (struct fg_buf){0};
}

static void *watch(void *argument)
{
	struct endpoint *endpoint = argument;

	if (endpoint->scrape->at == FG_SCRAPE_END)
		watch_end(endpoint);
	else if (wait_for(endpoint->owner, MEASURING, 0) == MEASURING)
		watch_window(endpoint, endpoint->scrape->every_ns);
	return NULL;
}

/* -- life
 * ------------------------------------------------------------------------------------------
 */

static int make_url(struct endpoint *endpoint, const char *target_url, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = FG_URL_MAX};
	const char *written = endpoint->scrape->url;
	struct fg_url base;

	if (written[0] != '/')
		return fg_str_dup(written, &endpoint->url, err);
	if (!target_url || !fg_str_starts_with(target_url, "http"))
		return fg_err_set(err, FG_E_USAGE,
				  "profile.scrape: %s is a path, and the target has no http URL",
				  written);
	int rc = fg_url_parse(target_url, strlen(target_url), &base, err);

	if (rc == 0)
		rc = fg_url_resolve(&base, written, strlen(written), &text, err);
	if (rc)
		return fg_err_wrap(err, "profile.scrape: %s", written);
	endpoint->url = fg_buf_take(&text, NULL);
	return endpoint->url ? 0 : fg_err_nomem(err);
}

static int start_endpoint(struct fg_scrapes *scrapes, const struct fg_scrape_options *options,
			  struct fg_err *err)
{
	struct endpoint *endpoint = &scrapes->items[scrapes->count];

	endpoint->owner = scrapes;
	endpoint->scrape = &options->items[scrapes->count];
	endpoint->max = FG_SCRAPE_PROFILES_MAX / options->count;
	endpoint->results = calloc(endpoint->max, sizeof(*endpoint->results));
	scrapes->count++;
	if (!endpoint->results)
		return fg_err_nomem(err);
	int rc = make_url(endpoint, options->target_url, err);

	if (rc)
		return rc;
	int errnum = pthread_create(&endpoint->thread, NULL, watch, endpoint);

	endpoint->running = errnum == 0;
	return errnum ? fg_err_errno(err, errnum, "a thread for %s", endpoint->scrape->url) : 0;
}

static int init_lock(struct fg_scrapes *scrapes, struct fg_err *err)
{
	pthread_condattr_t monotonic;

	if (pthread_condattr_init(&monotonic) != 0)
		return fg_err_nomem(err);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&scrapes->lock, NULL);
	(void)pthread_cond_init(&scrapes->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return 0;
}

int fg_scrapes_start(const struct fg_scrape_options *options, struct fg_scrapes **ret,
		     struct fg_err *err)
{
	struct fg_scrapes *scrapes = calloc(1, sizeof(*scrapes));

	if (!scrapes)
		return fg_err_nomem(err);
	scrapes->timeout_ns = options->timeout_ns ? options->timeout_ns : FETCH_TIMEOUT_NS;
	scrapes->items = calloc(options->count + 1, sizeof(*scrapes->items));
	int rc = scrapes->items ? init_lock(scrapes, err) : fg_err_nomem(err);

	if (rc) {
		free(scrapes->items);
		free(scrapes);
		return rc;
	}
	rc = fg_http_set_up(err);
	for (size_t i = 0; rc == 0 && i < options->count; i++)
		rc = start_endpoint(scrapes, options, err);
	if (rc) {
		fg_scrapes_free(scrapes);
		return rc;
	}
	*ret = scrapes;
	return 0;
}

static void set_phase(struct fg_scrapes *scrapes, enum phase phase)
{
	(void)pthread_mutex_lock(&scrapes->lock);
	if (scrapes->phase < phase)
		scrapes->phase = phase;
	(void)pthread_cond_broadcast(&scrapes->changed);
	(void)pthread_mutex_unlock(&scrapes->lock);
}

void fg_scrapes_begin(struct fg_scrapes *scrapes)
{
	set_phase(scrapes, MEASURING);
}

void fg_scrapes_end(struct fg_scrapes *scrapes)
{
	set_phase(scrapes, OVER);
	for (size_t i = 0; i < scrapes->count; i++) {
		struct endpoint *endpoint = &scrapes->items[i];

		if (endpoint->running)
			(void)pthread_join(endpoint->thread, NULL);
		endpoint->running = false;
		for (size_t k = 0; k < endpoint->count; k++)
			scrapes->all[scrapes->all_count++] = endpoint->results[k];
		endpoint->count = 0;
	}
}

size_t fg_scrapes_results(struct fg_scrapes *scrapes, struct fg_scraped_profile **ret)
{
	*ret = scrapes->all;
	return scrapes->all_count;
}

void fg_scrapes_free(struct fg_scrapes *scrapes)
{
	if (!scrapes)
		return;
	fg_scrapes_end(scrapes);
	for (size_t i = 0; i < scrapes->all_count; i++)
		fg_buf_done(&scrapes->all[i].pprof);
	for (size_t i = 0; i < scrapes->count; i++) {
		free(scrapes->items[i].results);
		free(scrapes->items[i].url);
	}
	(void)pthread_cond_destroy(&scrapes->changed);
	(void)pthread_mutex_destroy(&scrapes->lock);
	free(scrapes->items);
	free(scrapes);
}
