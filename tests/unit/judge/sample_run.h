/* SPDX-License-Identifier: Apache-2.0 */
/* Runs with known numbers, for the tests of judge/ and report/. Any failure ends the test. */
#ifndef FG_TESTS_SAMPLE_RUN_H
#define FG_TESTS_SAMPLE_RUN_H

#include "gate/measure/bundle.h"

enum { SAMPLE_ITEMS, SAMPLE_LOGIN, SAMPLE_HEALTH, SAMPLE_CLASSES };

/** browse (open model, 200/s, tag tier=read) with GET /items and POST /login in group ::auth;
 *  smoke (closed) with GET /health; two checks. */
struct fg_registry sample_registry(void);

/** Adds `n` requests of a class in one second, all with the same response time. */
void sample_requests(struct fg_slice *slice, uint32_t class_index, uint64_t response_ns,
		     unsigned n);

/** The run of the output examples: 12 400 requests in one minute, two failed thresholds' worth of
 *  latency, 12 refused connections; without CPU, profile and thresholds. */
struct fg_result *sample_result(void);

/* A synthetic server for verdict tests. */
struct sample_server {
	double cpu_ns;         /* per request, mean of this run */
	double cpu_jitter;     /* sd of log CPU per request between seconds */
	double latency_ns;     /* median */
	double latency_sigma;  /* of the log-normal */
	double latency_jitter; /* sd of log latency between stretches of 5 s */
	unsigned seconds, rate_per_s, classes;
	uint64_t seed;
};
struct fg_result *sample_server_run(const struct sample_server *server);

/** A profile of `samples` samples over named functions with shares (summing to ≤ 1; the rest goes
 *  to "other"), all under main, in phase measure, drawn with the seed. */
struct sample_function {
	const char *name;
	double share;
};
struct fg_profile *sample_profile(const struct sample_function *functions, size_t count,
				  unsigned samples, unsigned seconds, uint64_t seed);
/** Fills profile.present, samples, complete … as a good profile of `samples`. */
void sample_profile_info(struct fg_result *result, unsigned samples);

/* Deterministic random numbers. */
uint64_t sample_random(uint64_t *state);
double sample_uniform(uint64_t *state); /* in (0, 1) */
double sample_normal(uint64_t *state);

#endif
