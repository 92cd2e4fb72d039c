/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the Pyroscope publisher, apart so that the rules can be tested without a server. */
#ifndef FG_PUBLISH_PYROSCOPE_INTERNAL_H
#define FG_PUBLISH_PYROSCOPE_INTERNAL_H

#include "runner/http_client.h"
#include "runner/publish/pyroscope.h"

enum {
	FG_PYROSCOPE_LABELS_MAX = 30,     /* validation.max-label-names-per-series */
	FG_PYROSCOPE_NAME_MAX = 1024,     /* validation.max-length-label-name */
	FG_PYROSCOPE_VALUE_MAX = 2048,    /* validation.max-length-label-value */
	FG_PYROSCOPE_SAMPLES_MAX = 16000, /* validation.max-profile-stacktrace-samples */
	/* distributor.ingestion-burst-size-mb: uncompressed pprof plus label names and values */
	FG_PYROSCOPE_BYTES_MAX = 2 << 20,
	FG_PYROSCOPE_PIECES_MAX = 4096,
	FG_PYROSCOPE_TRIES_MAX = 6,
	FG_PYROSCOPE_TENANT_MAX = 150,
	FG_PYROSCOPE_ENDPOINTS_MAX = 20, /* series of one run; the others share one */
};

/* The server's window is now − 1 h … now + 10 min; a minute is left for the upload and for clocks
 * that differ. */
#define FG_PYROSCOPE_OLDEST_NS (59ull * 60 * FG_NS_PER_S)
#define FG_PYROSCOPE_NEWEST_NS (9ull * 60 * FG_NS_PER_S)

/* -- pyroscope_labels.c --------------------------------------------------------------------- */

/** The series' labels: __name__, service_name, __delta__, run_id, scenario and the caller's, in
 *  byte order of their names. A label with an empty value is left out, as the server would. Room is
 *  left for one more: endpoint. */
int fg_pyroscope_labels(const struct fg_result *result, const struct fg_pyroscope_options *options,
			struct fg_tags *ret, struct fg_err *err) FG_MUST_USE;
/** Bytes that the server charges for them. */
size_t fg_pyroscope_labels_bytes(const struct fg_tags *labels);
/** {service_name="…",run_id="…"} (appended). */
void fg_pyroscope_selector(const struct fg_tags *labels, struct fg_buf *out);
/** 0 if the tenant's name is one that the server takes. */
int fg_pyroscope_check_tenant(const char *tenant, struct fg_err *err) FG_MUST_USE;

/* How a type's series is called on the server (reference/pyroscope.md §1.5). */
struct fg_pyroscope_type {
	const char *name;     /* __name__ */
	const char *counts;   /* id of the sample counts; NULL: it has none */
	const char *values;   /* id of the values */
	const char *quantity; /* of the values, for people */
};
const struct fg_pyroscope_type *fg_pyroscope_type(enum fg_profile_type type);
/** Labels for a profile of that type: `labels` with another __name__. */
int fg_pyroscope_labels_of(const struct fg_tags *labels, enum fg_profile_type type,
			   struct fg_tags *ret, struct fg_err *err) FG_MUST_USE;

/* -- pyroscope_split.c ---------------------------------------------------------------------- */

struct fg_pyroscope_piece {
	const char *endpoint;  /* label value, owned by the profile; "": not attributed, no label */
	uint64_t time_unix_ns; /* unique among the pieces of its endpoint */
	uint64_t samples, cpu_ns;
	struct fg_buf pprof; /* gzip'd */
};

struct fg_pyroscope_pieces {
	struct fg_pyroscope_piece *items;
	size_t count, capacity;
};

struct fg_pyroscope_split_options {
	size_t labels_bytes; /* charged to every piece, beside its endpoint */
	size_t max_bytes, max_samples;
	uint64_t now_unix_ns;
	bool restamp_now;
};

/** Cuts the "measure" phase into uploads within the limits, by endpoint and then in order of time,
 *  and stamps them.
 *  NO_DATA without samples; INVALID when the run is outside of the server's window. */
int fg_pyroscope_split(const struct fg_profile *profile,
		       const struct fg_pyroscope_split_options *options,
		       struct fg_pyroscope_pieces *ret, struct fg_err *err) FG_MUST_USE;
void fg_pyroscope_pieces_done(struct fg_pyroscope_pieces *pieces);

/* -- pyroscope_push.c ----------------------------------------------------------------------- */

enum fg_pyroscope_action { FG_PYROSCOPE_STORED, FG_PYROSCOPE_RETRY, FG_PYROSCOPE_FAIL };

/** What an answer means. `code` and `message` are those of the Connect error ("" if none). */
enum fg_pyroscope_action fg_pyroscope_classify(long status, const char *code, const char *message);
/** How long to wait before try `attempt` (1 = the first repetition). */
uint64_t fg_pyroscope_backoff_ns(unsigned attempt);
/** Sends one piece, again if that can help, always with the same bytes. Adds to report. */
int fg_pyroscope_push(const struct fg_pyroscope_options *options, const struct fg_tags *labels,
		      const struct fg_pyroscope_piece *piece, struct fg_pyroscope_report *report,
		      struct fg_err *err) FG_MUST_USE;
/** POSTs a Connect message; `ret` is the answer whatever its status. */
int fg_pyroscope_post(const struct fg_pyroscope_options *options, const char *method,
		      const struct fg_buf *body, size_t max_response_bytes,
		      struct fg_http_response *ret, struct fg_err *err) FG_MUST_USE;
/** REFUSED with the status, the server's words and what to do. */
int fg_pyroscope_refused(const struct fg_http_response *response, struct fg_err *err);

/* -- pyroscope_scrape.c --------------------------------------------------------------------- */

/** Sends a profile that the target served, under the type it was given. LIMIT: larger than the
 *  server takes, which cannot be cut. An empty one is not sent. */
int fg_pyroscope_scrape(const struct fg_bundle *bundle, const struct fg_scrape *scrape,
			const struct fg_pyroscope_options *options, const struct fg_tags *labels,
			struct fg_pyroscope_report *report, struct fg_err *err) FG_MUST_USE;

/* -- pyroscope_verify.c --------------------------------------------------------------------- */

/** Reads the window back until the totals of `report` are there, at most 30 s. */
int fg_pyroscope_verify(const struct fg_pyroscope_options *options,
			const struct fg_pyroscope_type *type, const char *selector,
			uint64_t first_unix_ns, uint64_t last_unix_ns,
			struct fg_pyroscope_report *report, struct fg_err *err) FG_MUST_USE;

#endif
