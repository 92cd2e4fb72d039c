/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded pseudo-random numbers: the same seed gives the same run.
 *
 * splitmix64 (Steele, Lea, Flood 2014) as a hash of (seed, index), xoshiro256** (Blackman, Vigna
 * 2018) as a stream per VU. Not for secrets.
 */
#ifndef FG_BASE_RANDOM_H
#define FG_BASE_RANDOM_H

#include "gate/base/attr.h"

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

#endif
