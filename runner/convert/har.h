/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A HAR recording (HTTP Archive 1.2) as a scenario draft.
 *
 * One origin is converted (the first request's, or --origin); requests to others, static files on
 * demand, sockets and what the recorder did not keep are left out with a note that names the entry.
 * Credentials never reach the scenario: they become secrets from the environment.
 * Format: http://www.softwareishard.com/blog/har-12-spec/
 */
#ifndef FG_CONVERT_HAR_H
#define FG_CONVERT_HAR_H

#include "runner/convert/draft.h"

enum { FG_HAR_BYTES_MAX = 256 << 20, FG_HAR_ENTRIES_MAX = 100000 };

struct fg_har_options {
	const char *name;   /* of the file, for the first comment line */
	const char *origin; /* "https://shop.example"; NULL: the first request's */
	bool no_static;     /* leave out images, styles, scripts, fonts */
	bool no_think;
};

/** `draft` is zeroed by the caller and done by it, also on failure. NO_DATA: nothing in it can be
 *  sent. */
int fg_har_convert(const char *text, size_t len, const struct fg_har_options *options,
		   struct fg_draft *draft, struct fg_err *err) FG_MUST_USE;

#endif
