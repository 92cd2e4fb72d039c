/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run bundle: an immutable directory in formats that other tools open (design §3).
 *
 *   run.json          versioned: identity, scenario, environment, counters, thresholds, validity
 *   latency.jsonl.gz  per second and class half, HdrHistogram V2 base64
 *   metrics.jsonl.gz  the rest: per second counts, per 10 s histograms (absent in old bundles)
 *   profile.pb.gz     pprof of CPU time (absent without a profile)
 *   profile.TYPE.pb.gz  pprof of another type: offcpu, wall, faults (absent unless asked for)
 *   scrape/index.json, scrape/N.pb.gz   profiles that the target itself served, as it served them
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

enum {
	FG_SCRAPES_MAX = 32,
	FG_SCRAPE_BYTES_MAX = 16 << 20, /* of one */
	FG_SCRAPE_TEXT_MAX = 1024,
};

/* A profile that the target served; bytes as they came. Owned by the bundle. */
struct fg_scrape {
	char *name;     /* what it is called in outputs: "heap" */
	char *type;     /* as the scenario says: "memory", "goroutine" */
	char *url;      /* without user, password, query and fragment, whatever was given */
	uint64_t at_ns; /* since the run's start */
	void *bytes;
	size_t len;
};

struct fg_bundle {
	struct fg_result *result;
	struct fg_profile *profile; /* of CPU time; NULL if the bundle has none */
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT]; /* the other types; [CPU] is NULL */
	struct fg_scrape *scrapes;
	size_t scrape_count;
};

/** The profile of a type, CPU too; NULL if there is none. */
const struct fg_profile *fg_bundle_profile(const struct fg_bundle *bundle,
					   enum fg_profile_type type);
/** Moves the profiles (as the profiler makes them: CPU among them) into the bundle. */
void fg_bundle_take_profiles(struct fg_bundle *bundle,
			     struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT]);
/** Copies everything of `scrape` into the bundle. LIMIT: too many, or too large. */
int fg_bundle_add_scrape(struct fg_bundle *bundle, const struct fg_scrape *scrape,
			 struct fg_err *err) FG_MUST_USE;

/** Writes `dir` (must not exist; its parents are made). Profiles that are NULL must not be promised
 *  by result->profile.present and .types[].present (INTERNAL). On failure nothing is left behind,
 *  made parents neither. */
int fg_bundle_write_all(const char *dir, const struct fg_bundle *bundle,
			struct fg_err *err) FG_MUST_USE;
/** The same of a bundle that has nothing but a result and (unless NULL) a CPU profile. */
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
