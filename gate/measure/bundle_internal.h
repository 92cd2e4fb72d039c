/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read and write a bundle, and their tests and fuzzers. */
#ifndef FG_MEASURE_BUNDLE_INTERNAL_H
#define FG_MEASURE_BUNDLE_INTERNAL_H

#include "gate/format/json.h"
#include "gate/measure/bundle.h"

enum {
	FG_BUNDLE_LATENCY_MAX = 256 << 20, /* latency.jsonl, inflated */
	FG_BUNDLE_GZIP_MAX = 128 << 20,
	FG_BUNDLE_BLOCKS_MAX = 1 << 17, /* histogram blocks of one run.json: 1 GiB */
};

extern const char fg_bundle_run_name[];     /* run.json */
extern const char fg_bundle_latency_name[]; /* latency.jsonl.gz */
extern const char fg_bundle_profile_name[]; /* profile.pb.gz */

/** The series as JSON lines (appended). */
int fg_bundle_latency_lines(const struct fg_result *result, struct fg_buf *out,
			    struct fg_err *err) FG_MUST_USE;
/** Replaces result->series by what the lines say; rows must be in order and fit the registry. */
int fg_bundle_parse_latency(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err) FG_MUST_USE;

/* One histogram of run.json. */
int fg_bundle_put_hist(struct fg_json_writer *writer, const char *key, const struct fg_hist *hist,
		       struct fg_err *err) FG_MUST_USE;
/** `hist` must be empty; a missing key leaves it so. `blocks` counts down the memory budget. */
int fg_bundle_get_hist(const struct fg_json_at *object, const char *key, struct fg_hist *hist,
		       size_t *blocks, struct fg_err *err) FG_MUST_USE;

#endif
