/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log-linear latency histogram: HdrHistogram's layout with 3 significant digits, 1 ns to 1 h.
 *
 * Promises: relative error of a recorded value ≤ 0.1 %, constant memory, exact merge (adding two
 * histograms gives the histogram of both sets), no allocation in fg_hist_record() as long as the
 * pool has blocks. Counters live in blocks of 1 024 (one octave each), taken from a pool on first
 * use. Does not know what the values mean or when they were recorded.
 * Source of the layout: http://hdrhistogram.org, HdrHistogram_c hdr_histogram.h (3 digits:
 * subBucketCount 2048, subBucketHalfCount 1024, unitMagnitude 0).
 */
#ifndef FG_MEASURE_HIST_H
#define FG_MEASURE_HIST_H

#include "gate/base/err.h"

#define FG_HIST_MAX_NS 3600000000000ull /* larger values are recorded as this one */

enum {
	FG_HIST_BLOCK_COUNTERS = 1024,
	FG_HIST_BLOCKS = 33, /* block 0 and 1 hold 0…2047 exactly, then one octave each */
};

struct fg_hist_pool; /* one per thread; never shared while running */

struct fg_hist {
	uint64_t *blocks[FG_HIST_BLOCKS]; /* NULL until a value falls into that octave */
	struct fg_hist_pool *pool;        /* NULL: calloc/free */
	uint64_t count;
	uint64_t min_ns; /* UINT64_MAX while empty; exact, not rounded to a bucket */
	uint64_t max_ns; /* exact */
	double sum_ns;   /* of the exact values (after a decode: of bucket midpoints) */
	uint64_t
		lower_bounds; /* how many of `count` are only lower bounds (timeouts, unfinished) */
};

/** A pool of `blocks` pre-faulted blocks; it grows (allocates) only when they run out. */
int fg_hist_pool_new(size_t blocks, struct fg_hist_pool **ret, struct fg_err *err) FG_MUST_USE;
void fg_hist_pool_free(struct fg_hist_pool *pool); /* after every histogram of it is done */
/** How often the pool had to allocate after creation: 0 shows that the hot path did not. */
uint64_t fg_hist_pool_grown(const struct fg_hist_pool *pool);

void fg_hist_init(struct fg_hist *hist, struct fg_hist_pool *pool);
void fg_hist_done(struct fg_hist *hist);  /* gives blocks back */
void fg_hist_clear(struct fg_hist *hist); /* empties and gives the blocks back to the pool */

/** Records one value. Fails (NOMEM) only if the pool is empty and cannot grow; the value is then
 *  not counted. */
int fg_hist_record(struct fg_hist *hist, uint64_t value_ns);
int fg_hist_record_n(struct fg_hist *hist, uint64_t value_ns, uint64_t n);
/** As fg_hist_record, and marks the value as a lower bound. */
int fg_hist_record_lower_bound(struct fg_hist *hist, uint64_t value_ns);
/** dst += src; src unchanged. */
int fg_hist_add(struct fg_hist *dst, const struct fg_hist *src) FG_MUST_USE;

/** The value at or below which `percentile` (0…100) of the values lie, as HdrHistogram reports it
 *  (highest equivalent value of the bucket, capped at max_ns). 0 if empty. */
uint64_t fg_hist_percentile_ns(const struct fg_hist *hist, double percentile);
/** The rank (1…count) of a percentile, and the value of a rank: what the above is made of. */
uint64_t fg_hist_rank(double percentile, uint64_t count);
uint64_t fg_hist_at_rank_ns(const struct fg_hist *hist, uint64_t rank);
double fg_hist_mean_ns(const struct fg_hist *hist); /* 0 if empty */
double fg_hist_stddev_ns(const struct fg_hist *hist);
/** How many values are ≤ value_ns, at bucket resolution. */
uint64_t fg_hist_count_at_or_below(const struct fg_hist *hist, uint64_t value_ns);

/* For encoders and property tests: the counter index ↔ value mapping. */
enum { FG_HIST_COUNTERS = FG_HIST_BLOCKS * FG_HIST_BLOCK_COUNTERS };
size_t fg_hist_index(uint64_t value_ns);
uint64_t fg_hist_index_low_ns(size_t index);  /* smallest value of that counter */
uint64_t fg_hist_index_high_ns(size_t index); /* largest */
uint64_t fg_hist_counter(const struct fg_hist *hist, size_t index);

#endif
