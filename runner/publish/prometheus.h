/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus remote write 1.0, under the names and labels of k6's output, so that dashboards made
 * for k6 find what they query.
 *
 * While a run goes on, its totals so far are encoded on the caller's thread once per interval and
 * sent by a thread of its own: a slow or dead server costs the load nothing. Values are cumulative,
 * as k6's, so a lost push leaves a gap and no wrong total. A series that ends (k6 would have split
 * it by status) gets a stale marker at once. Warm-up stays out, as in all numbers.
 */
#ifndef FG_PUBLISH_PROMETHEUS_H
#define FG_PUBLISH_PROMETHEUS_H

#include "gate/measure/bundle.h"
#include "gate/report/trend_stats.h"

enum {
	FG_PROMETHEUS_HEADERS_MAX = 32,
	FG_PROMETHEUS_LABELS_MAX = 32,
	FG_PROMETHEUS_SERIES_MAX = 100000, /* of one run; k6 warns at as many */
};

struct fg_prometheus_options {
	const char *url; /* http(s)://[user:password@]host[:port]/api/v1/write */
	const char *basic_user, *basic_password; /* NULL: none */
	const char *bearer_token;
	const char *const *headers; /* "Name: value" */
	size_t header_count;
	bool insecure;                /* do not check the server's certificate */
	struct fg_trend_stats stats;  /* none: p(95), p(99), min, max */
	const struct fg_tags *labels; /* on every series that has no label of that name; may be
					 NULL */
	uint64_t push_interval_ns;    /* 0 = 5 s */
	uint64_t timeout_ns;          /* of one request; 0 = 5 s */
	uint64_t finish_timeout_ns;   /* of all that is still to be sent at the end; 0 = 20 s */
	unsigned max_tries;           /* per push; 0 = 5 */
	bool stale_markers;           /* end all series with the run */
};

struct fg_prometheus_report {
	uint64_t pushes, samples, bytes; /* accepted */
	uint64_t retries;
	uint64_t lost;    /* pushes that were given up or never tried */
	bool complete;    /* the last one, with the final values, was accepted */
	char error[1024]; /* of the first lost push; never shows credentials */
};

struct fg_prometheus;

/** Checks the options and starts the sender. USAGE/INVALID/LIMIT for what can never work. */
int fg_prometheus_start(const struct fg_prometheus_options *options, struct fg_prometheus **ret,
			struct fg_err *err) FG_MUST_USE;
/** Call it about once a second with the totals so far: takes what is due. Failures are kept for the
 *  report. */
void fg_prometheus_tick(struct fg_prometheus *prometheus, const struct fg_registry *registry,
			const struct fg_slice *totals, uint64_t now_unix_ns);
/** The final values, then waits (finish_timeout) until all is sent; `totals` NULL: there are none,
 *  only what waits is sent. Call once. */
void fg_prometheus_finish(struct fg_prometheus *prometheus, const struct fg_registry *registry,
			  const struct fg_slice *totals, uint64_t now_unix_ns,
			  struct fg_prometheus_report *ret);
/** Stops without waiting for what is unsent. NULL is fine. */
void fg_prometheus_free(struct fg_prometheus *prometheus);

/** A bundle's series with their own times (plus `shift_ns`). REFUSED with the server's words and
 *  what helps: Prometheus takes no samples that are older than about an hour before its newest. */
int fg_prometheus_replay(const struct fg_bundle *bundle,
			 const struct fg_prometheus_options *options, int64_t shift_ns,
			 struct fg_prometheus_report *ret, struct fg_err *err) FG_MUST_USE;

#endif
