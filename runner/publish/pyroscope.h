/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushing a bundle's profile to Pyroscope (push.v1.PusherService/Push) and reading it back.
 *
 * Owns the silent-loss rules of reference/pyroscope.md §1.9 and §9: nothing is sent that the server
 * would accept and drop. Uses runner/http_client only; knows no files.
 *
 * Each type of profile goes to the series of its own type: CPU, off-CPU, wall, page faults. Of
 * waits those for work stay out, which would drown the others; the bundle keeps them.
 *
 * Sent is the measured phase without sample labels, because the server makes a series of each
 * distinct set of them. The request class alone becomes a series label, `endpoint`, for the 20
 * classes with most samples; the others share "(other)", unattributed samples have none. What is
 * too large for one upload is cut by time. Other labels: service_name, run_id, scenario and the
 * caller's; a whole run is found by its run_id.
 */
#ifndef FG_PUBLISH_PYROSCOPE_H
#define FG_PUBLISH_PYROSCOPE_H

#include "gate/measure/bundle.h"

struct fg_pyroscope_options {
	const char *url; /* http(s)://[user:password@]host[:port][/prefix] */
	const char *basic_user, *basic_password; /* NULL: none */
	const char *bearer_token;
	const char *tenant;           /* X-Scope-OrgID */
	const char *service_name;     /* NULL: the scenario's name */
	const struct fg_tags *labels; /* added; at most 30 in all */
	bool restamp_now;             /* shift the time stamps so that the profile ends now */
	bool verify;                  /* read back and compare samples and cpu totals, up to 30 s */
	uint64_t now_unix_ns;
	uint64_t timeout_ns;        /* of one request; 0 = 30 s */
	uint64_t verify_timeout_ns; /* until everything must be readable; 0 = 30 s */
	unsigned max_tries;         /* per upload; 0 = 6, about 15 s of waiting in all */
};

struct fg_pyroscope_report {
	uint32_t profiles; /* how many uploads it was split into */
	uint64_t samples_sent, cpu_ns_sent;
	uint64_t bytes_sent;
	uint32_t retries;
	bool verified; /* at least what was sent is there; more: published before, or a retry that
			  the server has yet to merge */
	uint64_t samples_read, cpu_ns_read;
	uint32_t other_profiles; /* uploads of other types than CPU, not counted above */
	char query[512];         /* selector and window under which it can be found */
};

/** NO_DATA: nothing to send. INVALID: outside of the server's time window (see restamp_now).
 *  REFUSED: the server's own words, or it keeps less than it accepted. Some uploads may have been
 *  stored when a later one fails. */
int fg_pyroscope_publish(const struct fg_bundle *bundle, const struct fg_pyroscope_options *options,
			 struct fg_pyroscope_report *ret, struct fg_err *err) FG_MUST_USE;

#endif
