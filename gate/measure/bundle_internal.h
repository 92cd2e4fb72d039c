/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read and write a bundle, and their tests and fuzzers. */
#ifndef FG_MEASURE_BUNDLE_INTERNAL_H
#define FG_MEASURE_BUNDLE_INTERNAL_H

#include "gate/format/gzip.h"
#include "gate/format/json.h"
#include "gate/measure/bundle.h"
#include "gate/measure/series_internal.h"

enum {
	FG_BUNDLE_LATENCY_MAX = 256 << 20, /* a part's lines, inflated; more when the file is big */
	FG_BUNDLE_INFLATION_MAX = 64,      /* times, of big ones: no bomb fills the disk */
	FG_BUNDLE_LINE_MAX = 64 << 20,
	FG_BUNDLE_NAME_MAX = 64,
	FG_BUNDLE_TYPE_BYTES = 1 << 20, /* of a profile of another type than CPU */
	FG_BUNDLE_BLOCKS_MAX = 1 << 17, /* histogram blocks of one run.json: 1 GiB */
};

extern const char fg_bundle_run_name[];     /* run.json */
extern const char fg_bundle_latency_name[]; /* latency.jsonl.gz */
extern const char fg_bundle_metrics_name[]; /* metrics.jsonl.gz */
extern const char fg_bundle_profile_name[]; /* profile.pb.gz */

/* -- bundle_profiles.c, bundle_scrape.c ----------------------------------------------------- */

/** "profile.offcpu.pb.gz"; [CPU]: profile.pb.gz */
void fg_bundle_profile_file(enum fg_profile_type type, char name[FG_BUNDLE_NAME_MAX]);
/** As the bundle keeps it (appended); of other types than CPU seconds are put together until it
 *  has FG_BUNDLE_TYPE_BYTES. */
int fg_bundle_encode_profile(const struct fg_profile *profile, struct fg_buf *out,
			     struct fg_err *err) FG_MUST_USE;
/** INTERNAL if run.json would promise other profiles than there are. */
int fg_bundle_check_profiles(const struct fg_bundle *bundle, struct fg_err *err) FG_MUST_USE;
/** Into a bundle directory that is being made. */
int fg_bundle_write_profiles(const char *dir, const struct fg_bundle *bundle,
			     struct fg_err *err) FG_MUST_USE;
int fg_bundle_write_scrapes(const char *dir, const struct fg_bundle *bundle,
			    struct fg_err *err) FG_MUST_USE;
/** What run.json promises. */
int fg_bundle_read_profiles(const char *dir, struct fg_bundle *bundle,
			    struct fg_err *err) FG_MUST_USE;
int fg_bundle_read_scrapes(const char *dir, struct fg_bundle *bundle,
			   struct fg_err *err) FG_MUST_USE;
void fg_bundle_free_scrapes(struct fg_bundle *bundle);
/** "types", "waits" and "targetRssBytes" of run.json. */
void fg_bundle_put_types(struct fg_json_writer *writer, const struct fg_profile_info *info);
int fg_bundle_get_types(const struct fg_json_at *profile, struct fg_profile_info *info,
			struct fg_err *err) FG_MUST_USE;
void fg_bundle_put_memory(struct fg_json_writer *writer, const struct fg_result *result);
int fg_bundle_get_memory(const struct fg_json_at *root, struct fg_result *result,
			 struct fg_err *err) FG_MUST_USE;

/** The series as lines, piece by piece into a sink. */
int fg_bundle_latency_write(const struct fg_result *result, fg_gzip_sink sink, void *context,
			    struct fg_err *err) FG_MUST_USE;
int fg_bundle_metrics_write(const struct fg_result *result, fg_gzip_sink sink, void *context,
			    struct fg_err *err) FG_MUST_USE;
/** Appended to a buffer. */
int fg_bundle_latency_lines(const struct fg_result *result, struct fg_buf *out,
			    struct fg_err *err) FG_MUST_USE;
int fg_bundle_metrics_lines(const struct fg_result *result, struct fg_buf *out,
			    struct fg_err *err) FG_MUST_USE;

/* Lines from a stranger, in pieces: rows must be in order and fit the registry. */
struct fg_lines_reader {
	const struct fg_result *result; /* its registry */
	struct fg_series *series;       /* filled; not owned */
	const char *name;
	int (*line)(struct fg_lines_reader *reader, const char *line, size_t len,
		    struct fg_err *err);
	struct fg_buf pending; /* a line that is not complete yet */
	struct fg_buf record;  /* rows of one second */
	struct fg_slice *slice;
	struct fg_series_row last; /* without texts */
	bool any;
	unsigned line_number;
};
void fg_bundle_latency_reader(struct fg_lines_reader *reader, const struct fg_result *result,
			      struct fg_series *series);
void fg_bundle_metrics_reader(struct fg_lines_reader *reader, const struct fg_result *result,
			      struct fg_series *series);
/** A sink: `context` is the reader. */
int fg_bundle_lines_feed(void *context, const void *bytes, size_t len,
			 struct fg_err *err) FG_MUST_USE;
int fg_bundle_lines_end(struct fg_lines_reader *reader, struct fg_err *err) FG_MUST_USE;
void fg_bundle_lines_done(struct fg_lines_reader *reader);

/** Replaces result->series by what the lines say; unchanged on failure. */
int fg_bundle_parse_latency(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err) FG_MUST_USE;
/** Adds to it. */
int fg_bundle_parse_metrics(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err) FG_MUST_USE;

/* Parts of run.json and of metrics.jsonl. */
int fg_bundle_put_hist(struct fg_json_writer *writer, const char *key, const struct fg_hist *hist,
		       struct fg_err *err) FG_MUST_USE;
/** `hist` must be empty; a missing key leaves it so. `blocks` counts down the memory budget. */
int fg_bundle_get_hist(const struct fg_json_at *object, const char *key, struct fg_hist *hist,
		       size_t *blocks, struct fg_err *err) FG_MUST_USE;
/** Of the profile: request classes and slow requests. */
void fg_bundle_put_labels(struct fg_json_writer *writer, const struct fg_profile_info *info);
int fg_bundle_get_labels(const struct fg_json_at *profile, struct fg_profile_info *info,
			 struct fg_err *err) FG_MUST_USE;
/** "errors" and "statuses" of a class half. */
void fg_bundle_put_errors(struct fg_json_writer *writer, const struct fg_class_slice *half);
int fg_bundle_get_errors(const struct fg_json_at *object, struct fg_class_slice *half,
			 struct fg_err *err) FG_MUST_USE;
/** Counts and sums of a custom metric, and its histograms, as members of the open object. */
void fg_bundle_put_custom(struct fg_json_writer *writer, const struct fg_custom_slice *custom);
int fg_bundle_get_custom(const struct fg_json_at *object, struct fg_custom_slice *custom,
			 struct fg_err *err) FG_MUST_USE;
int fg_bundle_put_custom_hists(struct fg_json_writer *writer, const struct fg_custom_slice *custom,
			       struct fg_err *err) FG_MUST_USE;
int fg_bundle_get_custom_hists(const struct fg_json_at *object, struct fg_custom_slice *custom,
			       size_t *blocks, struct fg_err *err) FG_MUST_USE;

#endif
