/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching the profiles that the target serves itself, while it is driven.
 *
 * A thread per endpoint, so that a slow one holds up nothing; each keeps at most a few profiles,
 * bounded in size. A failure is a result of its own and never ends the run.
 */
#ifndef FG_RUN_SCRAPE_H
#define FG_RUN_SCRAPE_H

#include "gate/base/buf.h"
#include "runner/scenario/scenario.h"

enum { FG_SCRAPE_PROFILES_MAX = 32 }; /* over all endpoints */

struct fg_scrapes;

struct fg_scrape_options {
	const struct fg_scrape_setting *items;
	size_t count;
	const char *target_url; /* for paths; NULL: unknown */
	uint64_t timeout_ns;    /* of one fetch; 0 = 10 s */
};

/* One profile of one window, or why there is none. */
struct fg_scraped_profile {
	const struct fg_scrape_setting *scrape;
	uint64_t from_ns, to_ns; /* monotonic; equal: as it was at that moment */
	struct fg_buf pprof;     /* gzip'd; empty with a problem */
	unsigned lost;           /* windows before this one for which there was no room */
	char problem[160];
};

/** Makes the threads, which wait. Nothing is fetched yet. */
int fg_scrapes_start(const struct fg_scrape_options *options, struct fg_scrapes **ret,
		     struct fg_err *err) FG_MUST_USE;
/** The measured phase begins; later calls change nothing. */
void fg_scrapes_begin(struct fg_scrapes *scrapes);
/** It is over: fetches what is due now and waits for it (bounded by the time-outs). */
void fg_scrapes_end(struct fg_scrapes *scrapes);
/** What came, endpoint by endpoint and oldest first; after the end. The caller may take `pprof`. */
size_t fg_scrapes_results(struct fg_scrapes *scrapes, struct fg_scraped_profile **ret);
void fg_scrapes_free(struct fg_scrapes *scrapes);

#endif
