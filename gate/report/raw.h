/* SPDX-License-Identifier: Apache-2.0 */
/*
 * k6's raw outputs (JSON lines, CSV) from what a bundle keeps: no single requests, but one point
 * per series and second (per FG_SERIES_INTERVAL_S for the phases of a request).
 *
 * Owns: the order of points, their times, and what a point's value means (fg_raw_value). Counters
 * add up to the totals; rates and trends carry how many values they stand for.
 */
#ifndef FG_REPORT_RAW_H
#define FG_REPORT_RAW_H

#include "gate/report/points.h"
#include "gate/report/sink.h"

typedef int fg_raw_fn(void *context, const struct fg_point *point, uint64_t time_unix_ns,
		      struct fg_err *err);

/** Every point of a result in time order: what was counted in each second, and what is only kept
 *  per interval at the interval's end; points of a warm-up are tagged phase=warmup. A metric
 * without any second has one point at the end of the run; the target's memory (target_rss_bytes)
 * follows, a point per second. NO_DATA: the series lost seconds (a full
 * disk). */
int fg_raw_walk(const struct fg_result *result, fg_raw_fn *fn, void *context,
		struct fg_err *err) FG_MUST_USE;
/** A counter's increase, a gauge's last value, a rate's share of trues, a trend's mean. */
double fg_raw_value(const struct fg_point *point);
/** A double as JavaScript writes it: whole numbers without a fraction. */
struct fg_json_writer;
void fg_report_json_number(struct fg_json_writer *writer, const char *key, double value);
/** Calls `fn` with what the value stands for: count, and of trends min, med, max, p(90), p(95),
 *  p(99). Nothing for counters and gauges. */
void fg_raw_metadata(const struct fg_point *point,
		     void (*fn)(void *context, const char *key, const char *value), void *context);

/** k6's `--out json`: a Metric line when a metric first appears, then Point lines. */
int fg_report_ndjson(const struct fg_result *result, struct fg_sink *sink,
		     struct fg_err *err) FG_MUST_USE;
/** k6's `--out csv` with its default columns; time in whole seconds. */
int fg_report_csv(const struct fg_result *result, struct fg_sink *sink,
		  struct fg_err *err) FG_MUST_USE;

#endif
