/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One result from the shards of a run. Pure.
 *
 * Nothing is lost: counters, histograms and checks add up, the series second by second since each
 * shard's own start (that is how windows and warm-ups are meant). Only shards of the same run are
 * added: the same scenario, seed and number of shards, each shard once.
 */
#ifndef FG_MEASURE_MERGE_H
#define FG_MEASURE_MERGE_H

#include "gate/base/buf.h"
#include "gate/measure/result.h"

/** *ret is owned by the caller; it has neither id, thresholds nor outcome yet. INVALID names the
 *  two that do not belong together. What a person should know besides (shards that are missing or
 *  began at different times) is one line each in `warnings` (appended). */
int fg_merge_results(const struct fg_result *const *shards, size_t count, struct fg_result **ret,
		     struct fg_buf *warnings, struct fg_err *err) FG_MUST_USE;

#endif
