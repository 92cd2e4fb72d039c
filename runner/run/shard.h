/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One part of a run that several machines drive together: the texts of --shard and --start-at.
 * Pure.
 */
#ifndef FG_RUN_SHARD_H
#define FG_RUN_SHARD_H

#include "gate/base/err.h"

/** "2/3" → index 1 of 3; NULL → 0 of 1. USAGE for anything else. */
int fg_shard_parse(const char *text, unsigned *ret_index, unsigned *ret_count,
		   struct fg_err *err) FG_MUST_USE;
/** Seconds since 1970 ("1795270000", "1795270000.25") or RFC 3339 ("2026-11-21T14:20:00Z", also
 *  with a fraction and an offset); NULL → 0. USAGE when it is in the past or over a day ahead. */
int fg_shard_start_at(const char *text, uint64_t now_unix_ns, uint64_t *ret_unix_ns,
		      struct fg_err *err) FG_MUST_USE;
/** The seed of shards that were given none: the same for the same scenario; never 0. */
uint64_t fg_shard_seed(const char *scenario_hash);

#endif
