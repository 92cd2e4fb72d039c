/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one worker counted during one second (or, added up, what all counted over the whole run).
 *
 * Shape follows a registry: arrays of classes × {unexpected, expected}, scenarios, checks. A worker
 * fills one slice while another travels to the coordinator and comes back cleared, so nothing is
 * shared and nothing is allocated per request. A request belongs to the second in which it ended;
 * an iteration likewise.
 */
#ifndef FG_MEASURE_SLICE_H
#define FG_MEASURE_SLICE_H

#include "gate/measure/hist.h"
#include "gate/measure/metric.h"
#include "gate/measure/registry.h"

enum { FG_STATUS_MAX = 600 }; /* statuses 100…599 counted one by one, the rest as 0 */

struct fg_class_slice { /* one half (expected or not) of one request class */
	struct fg_hist trends[FG_TREND_COUNT];
	uint64_t requests;
	uint64_t failed; /* the http_req_failed numerator */
	uint64_t sent_bytes;
	uint64_t received_bytes;
	uint64_t errors[FG_NET_ERROR_COUNT];
	uint32_t *statuses; /* FG_STATUS_MAX counters, made on first use; [0]: no status */
};

struct fg_scenario_slice {
	uint64_t iterations;
	uint64_t interrupted; /* cut by gracefulStop or Ctrl-C */
	uint64_t dropped;     /* dropped_iterations: never started */
	uint64_t scheduled;   /* events that became due */
	uint64_t late;        /* started more than FG_LATE_NS after the due time */
	struct fg_hist iteration_duration;
	struct fg_hist lag;   /* the generator's own: wake-up − due, for events with a free VU */
	struct fg_hist queue; /* due → start, when it waited for a VU */
	uint32_t vus;         /* active, last seen */
	uint32_t vus_max;     /* initialised */
};

#define FG_LATE_NS (10 * FG_NS_PER_MS)

struct fg_check_slice {
	uint64_t passes;
	uint64_t fails;
};

/*
 * A custom metric's values of one second. Counters, gauges, and the sum and extremes of trends are
 * exact doubles. Percentiles of a trend come from three histograms, so that neither a price of 0.01
 * nor a size of 1e12 is cut: `trend` holds values × FG_CUSTOM_SCALE (of a time in ms that is ns)
 * up to FG_CUSTOM_LARGE, `large` the values above it as they are, `below` negative ones, negated.
 * Ask fg_custom_percentile().
 */
#define FG_CUSTOM_SCALE 1e6
#define FG_CUSTOM_LARGE 3.6e6
#define FG_CUSTOM_MAX   1e290 /* so that no sum overflows */
struct fg_custom_slice {
	enum fg_metric_type type;
	uint64_t count;       /* samples; of a rate: all of them */
	uint64_t trues;       /* of a rate */
	double sum, min, max; /* min and max mean something when count > 0 */
	double last;          /* of the latest second and its highest worker */
	uint32_t last_second, last_worker;
	struct fg_hist trend, large, below;
};

struct fg_slice {
	uint32_t second; /* since the run's start */
	uint32_t worker;
	size_t class_count, scenario_count, check_count;
	struct fg_class_slice *classes; /* 2 × class_count; index with fg_slice_class() */
	struct fg_scenario_slice *scenarios;
	struct fg_check_slice *checks;
	size_t custom_count, group_count;
	struct fg_custom_slice *customs;
	struct fg_hist *groups;    /* group_duration */
	struct fg_hist_pool *pool; /* not owned; may be NULL */
};

int fg_slice_new(const struct fg_registry *registry, struct fg_hist_pool *pool,
		 struct fg_slice **ret, struct fg_err *err) FG_MUST_USE;
void fg_slice_free(struct fg_slice *slice);
/** Empties it and gives its blocks to the pool: call it on the thread that owns the pool. */
void fg_slice_clear(struct fg_slice *slice);
/** dst += src. Counters add up; the gauges vus and vus_max follow the latest second, summed over
 *  the workers of that second. Both must come from equal registries (INTERNAL otherwise). After a
 *  failure (NOMEM, LIMIT) dst may hold a part of src. */
int fg_slice_add(struct fg_slice *dst, const struct fg_slice *src, struct fg_err *err) FG_MUST_USE;

/* The same in parts, for who adds up only some scenarios. */
bool fg_slice_same_shape(const struct fg_slice *a, const struct fg_slice *b);
/** > 0: src is of a later second than dst, 0: of the same, < 0: of an earlier one. */
int fg_slice_order(const struct fg_slice *dst, const struct fg_slice *src);
int fg_slice_add_class(struct fg_class_slice *dst, const struct fg_class_slice *src,
		       struct fg_err *err) FG_MUST_USE;
int fg_slice_add_scenario(struct fg_scenario_slice *dst, const struct fg_scenario_slice *src,
			  int order, struct fg_err *err) FG_MUST_USE;
/** The status counters, made if missing; NULL when memory ran out. */
uint32_t *fg_slice_statuses(struct fg_class_slice *class);

static inline struct fg_class_slice *fg_slice_class(struct fg_slice *slice, size_t class_index,
						    bool expected)
{
	return &slice->classes[2 * class_index + (expected ? 1 : 0)];
}

/** Everything about one finished request; filled by an engine, recorded by fg_slice_request(). */
struct fg_request_record {
	uint32_t class_index;
	bool expected;    /* status among the expected ones and no error */
	bool lower_bound; /* timed out, unfinished or unsent: times are lower bounds */
	bool reused;      /* on an open connection */
	enum fg_net_error error;
	uint16_t status;                    /* 0: none */
	uint64_t trends_ns[FG_TREND_COUNT]; /* FG_TREND_WAKEUP 0: no kernel stamp, not recorded */
	uint64_t sent_bytes, received_bytes;
};
/** One sample of a custom metric (of a rate: value != 0 is true). NaN and sizes above FG_CUSTOM_MAX
 * are refused (INVALID); NOMEM: counted, but missing among the percentiles. */
int fg_slice_custom(struct fg_slice *slice, uint32_t custom_index, double value) FG_MUST_USE;
/** What a custom metric's samples of a trend say: the value at or below which `percentile` (0…100)
 *  of them lie, within 0.1 % (or 1e-6); 0 if there are none. */
double fg_custom_percentile(const struct fg_custom_slice *custom, double percentile);
double fg_custom_mean(const struct fg_custom_slice *custom); /* 0 if empty */
int fg_slice_add_custom(struct fg_custom_slice *dst, const struct fg_custom_slice *src,
			struct fg_err *err) FG_MUST_USE;

/** No allocation once blocks and status counters exist. NOMEM: counted as a request, but missing in
 *  at least one histogram. */
int fg_slice_request(struct fg_slice *slice, const struct fg_request_record *record) FG_MUST_USE;

#endif
