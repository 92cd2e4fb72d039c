/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run bundle: an immutable directory in formats that other tools open (design §3).
 *
 *   run.json          versioned: identity, scenario, environment, counters, thresholds, validity
 *   latency.jsonl.gz  per second and class half, HdrHistogram V2 base64
 *   metrics.jsonl.gz  the rest: per second counts, per 10 s histograms (absent in old bundles)
 *   profile.pb.gz     pprof (absent without a profile)
 *   counters.json, rounds.jsonl.gz   come with later issues; absent, never different
 *
 * Written to a temporary sibling, synced, renamed: a killed run leaves no half bundle. Reading
 * trusts nothing: sizes, counts and depths are bounded, unknown versions are refused with a
 * message, unknown keys are ignored.
 */
#ifndef FG_MEASURE_BUNDLE_H
#define FG_MEASURE_BUNDLE_H

#include "gate/base/buf.h"
#include "gate/measure/result.h"
#include "gate/profile/profile.h"

enum { FG_BUNDLE_VERSION = 1 };

struct fg_bundle {
	struct fg_result *result;
	struct fg_profile *profile; /* NULL if the bundle has none */
};

/** Writes `dir` (must not exist; its parents are made). `profile` may be NULL and must then not be
 *  promised by result->profile.present (INTERNAL). On failure nothing is left behind, made parents
 *  neither. */
int fg_bundle_write(const char *dir, const struct fg_result *result,
		    const struct fg_profile *profile, struct fg_err *err) FG_MUST_USE;
/** Reads a bundle directory (or its parent run directory that holds `bundle/`). NOT_FOUND: no such
 *  bundle or one of its files; UNSUPPORTED: another version; INVALID or LIMIT: damaged. */
int fg_bundle_read(const char *dir, struct fg_bundle *ret, struct fg_err *err) FG_MUST_USE;
void fg_bundle_done(struct fg_bundle *bundle);

/** run.json as text (appended), and back; exposed for tests, fuzzers and `--out json=`. */
int fg_bundle_run_json(const struct fg_result *result, struct fg_buf *out,
		       struct fg_err *err) FG_MUST_USE;
int fg_bundle_parse_run_json(const char *text, size_t len, struct fg_result **ret,
			     struct fg_err *err) FG_MUST_USE;

#endif
