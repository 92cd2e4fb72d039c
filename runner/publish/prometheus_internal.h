/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FG_PUBLISH_PROMETHEUS_INTERNAL_H
#define FG_PUBLISH_PROMETHEUS_INTERNAL_H

#include "gate/base/buf.h"
#include "runner/publish/prometheus.h"

/* -- prometheus_series.c: what is sent at one moment ---------------------------------------------
 */

struct fg_prometheus_series {
	char *labels; /* "name\0value\0" each, sorted by name, __name__ among them */
	size_t labels_len;
	double value;
};

struct fg_prometheus_snapshot {
	struct fg_prometheus_series *items; /* sorted by labels, each once */
	size_t count, capacity;
	int64_t time_ms;
};

void fg_prometheus_snapshot_done(struct fg_prometheus_snapshot *snapshot);
/** Every series of the totals. *ret must be zeroed; done() it also after a failure. */
int fg_prometheus_snapshot(const struct fg_registry *registry, const struct fg_slice *totals,
			   const struct fg_trend_stats *stats, const struct fg_tags *labels,
			   int64_t time_ms, struct fg_prometheus_snapshot *ret,
			   struct fg_err *err) FG_MUST_USE;
/** Prometheus' stale marker. */
double fg_prometheus_stale(void);

/* -- prometheus_encode.c --------------------------------------------------------------------------
 */

enum { FG_PROMETHEUS_REQUEST_SERIES = 5000 }; /* in one request */

/** The snappy-compressed WriteRequest of `now` from series `from` on (at most
 *  FG_PROMETHEUS_REQUEST_SERIES), where `stale` replaces the values by the stale marker. */
int fg_prometheus_encode(const struct fg_prometheus_snapshot *snapshot, size_t from, bool stale,
			 int64_t time_ms, struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

/* -- prometheus_push.c: the requests of one moment ------------------------------------------------
 */

struct fg_prometheus_body {
	char *bytes;
	size_t len, series;
};

struct fg_prometheus_push {
	struct fg_prometheus_push *next;
	struct fg_prometheus_body *items;
	size_t count, capacity;
	bool is_final;
};

void fg_prometheus_push_free(struct fg_prometheus_push *push);
/** `now` as requests, with a stale marker for every series of `before` that is not there any more
 *  (`before` may be NULL). */
int fg_prometheus_push_new(const struct fg_prometheus_snapshot *before,
			   const struct fg_prometheus_snapshot *now,
			   struct fg_prometheus_push **ret, struct fg_err *err) FG_MUST_USE;
/** Appends a stale marker for every series, one ms later. */
int fg_prometheus_push_end(struct fg_prometheus_push *push,
			   const struct fg_prometheus_snapshot *now,
			   struct fg_err *err) FG_MUST_USE;

/* -- prometheus_send.c ----------------------------------------------------------------------------
 */

/* Waits up to the time and says whether to go on; a sender's own way to be stopped. */
typedef bool fg_prometheus_wait_fn(void *context, uint64_t ns);

/** Sends one body, with retries after 5xx, 429 and what the network did. Adds to the report. */
int fg_prometheus_send(const struct fg_prometheus_options *options,
		       const struct fg_prometheus_body *body, fg_prometheus_wait_fn *wait,
		       void *context, struct fg_prometheus_report *report,
		       struct fg_err *err) FG_MUST_USE;
/** Options that can never work. */
int fg_prometheus_check(const struct fg_prometheus_options *options,
			struct fg_err *err) FG_MUST_USE;
/** The statistics, or the default ones. */
struct fg_trend_stats fg_prometheus_stats(const struct fg_prometheus_options *options);

#endif
