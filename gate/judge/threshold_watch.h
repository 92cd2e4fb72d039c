/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thresholds over parts of a run, while it goes on: windows, from and to.
 *
 * A watch observes the seconds of a result as they complete and keeps one sum per distinct scope,
 * so its memory does not grow with the run, and every metric is there at full resolution. Without a
 * watch fg_threshold_evaluate() reads the series, which has most metrics per 10 s only.
 */
#ifndef FG_JUDGE_THRESHOLD_WATCH_H
#define FG_JUDGE_THRESHOLD_WATCH_H

#include "gate/judge/threshold.h"

/** Makes result->watch for those of the thresholds that have a scope; none: nothing. Before the
 *  first slice; the thresholds must outlive the result's last evaluation. Owned by the result. */
int fg_threshold_watch(struct fg_result *result, const struct fg_threshold *thresholds,
		       size_t count, struct fg_err *err) FG_MUST_USE;
void fg_threshold_watch_free(struct fg_threshold_watch *watch);
/** The run is over: a window that is not full is judged if there was no full one. */
int fg_threshold_watch_end(struct fg_result *result, struct fg_err *err) FG_MUST_USE;

#endif
