/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run second by second: what outputs, windowed thresholds and comparisons look at.
 *
 * Kept outside of memory: a second is held until every worker told its part (a bounded number of
 * seconds), then encoded and appended to a spool, which is memory while it is small and an unlinked
 * temporary file from then on. What stays is an index of 48 bytes per second. Seconds that a slow
 * worker tells later are appended too and merged when they are read. A full disk loses the series
 * from there on (fg_series_partial()), never the totals.
 *
 * Per second there are, for each class half, the counts and the histograms of response and service
 * time; and the counts of scenarios, checks and custom metrics. Everything else is there per
 * FG_SERIES_INTERVAL_S, of the measured phase only.
 */
#ifndef FG_MEASURE_SERIES_H
#define FG_MEASURE_SERIES_H

#include "gate/measure/slice.h"

enum {
	FG_SERIES_INTERVAL_S = 10,
	FG_SERIES_HELD_MAX = 8, /* seconds that wait for late workers when nobody seals them */
	FG_SERIES_OBSERVERS_MAX = 8,
	FG_SERIES_INDEX_MAX = 4 << 20,
};

struct fg_result;
struct fg_series; /* inside a result */

/* One second of one class half. */
struct fg_series_row {
	uint32_t second;
	uint32_t class_index;
	bool expected;
	bool warmup;
	uint64_t requests, failed;
	uint64_t sent_bytes, received_bytes; /* 0 in bundles of old versions */
	/* HdrHistogram V2, base64; NULL if empty. Only valid during the call. The duration is the
	 * service time's text, or NULL where they differ (kernel stamps): it is then kept per
	 * interval. */
	const char *response_hdr, *service_hdr, *duration_hdr;
};

/* What is called stops the iteration with a code other than 0, which is then returned. */
typedef int (*fg_series_row_fn)(void *context, const struct fg_series_row *row, struct fg_err *err);
/** Every row of the seconds from ≤ s < to, sorted by second, class and half (unexpected first),
 * each key once. UINT32_MAX as `to`: until the end. */
int fg_series_each(const struct fg_result *result, uint32_t from, uint32_t to, fg_series_row_fn row,
		   void *context, struct fg_err *err) FG_MUST_USE;

/* `seconds` is 1 or FG_SERIES_INTERVAL_S. A slice of 1 holds what is there per second, the other
 * one only the rest (it repeats nothing, adding both up gives the whole). */
typedef int (*fg_series_slice_fn)(void *context, const struct fg_slice *slice, uint32_t seconds,
				  struct fg_err *err);
/** The same as slices, and with everything but classes too. Histograms that went through the series
 *  have exact counters; their sum and extremes are the buckets'. Slower than rows: decodes all. */
int fg_series_slices(const struct fg_result *result, uint32_t from, uint32_t to,
		     fg_series_slice_fn slice, void *context, struct fg_err *err) FG_MUST_USE;

/** While a run goes on: called once per second, in order, with everything all workers counted in it
 *  (every histogram), as soon as it is complete. A worker that comes too late makes another call
 *  with an earlier second; add them up. Warm-up seconds too. */
typedef void (*fg_series_observer_fn)(void *context, const struct fg_slice *second);
int fg_series_observe(struct fg_result *result, fg_series_observer_fn observer, void *context,
		      struct fg_err *err) FG_MUST_USE;
/** All seconds before `second` are complete: encodes them and tells the observers. */
int fg_series_seal(struct fg_result *result, uint32_t second, struct fg_err *err) FG_MUST_USE;
/** Where the temporary file goes if one is needed; default: $TMPDIR or /tmp. Before the first
 *  slice. */
int fg_series_spool_in(struct fg_result *result, const char *dir, struct fg_err *err) FG_MUST_USE;

/** NULL, or why seconds are missing. */
const char *fg_series_partial(const struct fg_result *result);
/** How many seconds have rows. */
size_t fg_series_seconds(const struct fg_result *result);
/** Adds all of src's series to dst's (equal registries): bundles of one run on several machines. */
int fg_series_merge(struct fg_result *dst, const struct fg_result *src,
		    struct fg_err *err) FG_MUST_USE;

#endif
