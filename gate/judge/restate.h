/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules that a stored run was judged by, from its bundle alone: for who judges the data anew
 * (several shards merged into one run).
 *
 * Texts and order come from the thresholds of run.json, what else a threshold said (minSamples …)
 * from the scenario stored beside them.
 */
#ifndef FG_JUDGE_RESTATE_H
#define FG_JUDGE_RESTATE_H

#include "gate/judge/threshold.h"

enum { FG_RESTATE_MAX = 10000 };

/** *ret is owned by the caller: fg_threshold_done() each, then free(). INVALID when a text of the
 *  bundle cannot be read. */
int fg_restate_thresholds(const struct fg_result *result, struct fg_threshold **ret,
			  size_t *ret_count, struct fg_err *err) FG_MUST_USE;
/** gate.onInvalid of the stored scenario; error where it says nothing. */
enum fg_level fg_restate_on_invalid(const struct fg_result *result);

#endif
