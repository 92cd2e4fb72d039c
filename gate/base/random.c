/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/random.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t fg_random_mix(uint64_t seed, uint64_t index)
{
	uint64_t state = seed;

	state = splitmix(&state) ^ index;
	return splitmix(&state);
}

void fg_random_init(struct fg_random *random, uint64_t seed, uint64_t scenario, uint64_t vu)
{
	uint64_t state = fg_random_mix(fg_random_mix(seed, scenario), vu);

	for (size_t i = 0; i < FG_ARRAY_LEN(random->state); i++)
		random->state[i] = splitmix(&state);
}

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
	return (x << bits) | (x >> (64 - bits));
}

uint64_t fg_random_next(struct fg_random *random)
{
	uint64_t *s = random->state;
	const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

double fg_random_unit(struct fg_random *random)
{
	return (double)(fg_random_next(random) >> 11) * 0x1.0p-53;
}
