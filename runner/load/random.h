/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded pseudo-random numbers for arrivals and think times: the same seed gives the same run.
 *
 * splitmix64 (Steele, Lea, Flood 2014) as a hash of (seed, index), xoshiro256** (Blackman, Vigna
 * 2018) as a stream per VU. Not for secrets.
 */
#ifndef FG_LOAD_RANDOM_H
#define FG_LOAD_RANDOM_H

#include "runner/scenario/scenario.h"

struct fg_random {
	uint64_t state[4];
};

/** A well-mixed 64-bit hash of two numbers. */
uint64_t fg_random_mix(uint64_t seed, uint64_t index);
/** A stream that depends on all three numbers. */
void fg_random_init(struct fg_random *random, uint64_t seed, uint64_t scenario, uint64_t vu);
uint64_t fg_random_next(struct fg_random *random);
/** Uniform in [0, 1). */
double fg_random_unit(struct fg_random *random);
/** A think time of the step's distribution, never above 5 × max_ns. */
uint64_t fg_random_think_ns(struct fg_random *random, const struct fg_step_think *think);

#endif
