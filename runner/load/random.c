/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/random.h"

#include <math.h>

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

/* Box-Muller; 1 − u keeps the logarithm's argument above 0. */
static double standard_normal(struct fg_random *random)
{
	const double pi = 3.14159265358979323846;
	const double u = 1.0 - fg_random_unit(random);
	const double v = fg_random_unit(random);

	return sqrt(-2.0 * log(u)) * cos(2.0 * pi * v);
}

static uint64_t clamp_ns(double ns, uint64_t low_ns, uint64_t high_ns)
{
	if (!(ns > (double)low_ns))
		return low_ns;
	return ns >= (double)high_ns ? high_ns : (uint64_t)ns;
}

uint64_t fg_random_think_ns(struct fg_random *random, const struct fg_step_think *think)
{
	const double min = (double)think->min_ns;
	const double max = (double)think->max_ns;
	const double mean = (min + max) / 2;

	switch (think->distribution) {
	case FG_THINK_UNIFORM:
		return clamp_ns(min + (max - min) * fg_random_unit(random), think->min_ns,
				think->max_ns);
	case FG_THINK_NORMAL: /* min … max is mean ± 2 sd; rare values beyond it are cut there */
		return clamp_ns(mean + (max - min) / 4 * standard_normal(random), think->min_ns,
				think->max_ns);
	case FG_THINK_EXPONENTIAL:
		return clamp_ns(-mean * log(1.0 - fg_random_unit(random)), 0,
				think->max_ns > UINT64_MAX / 5 ? UINT64_MAX : think->max_ns * 5);
	case FG_THINK_CONSTANT:
		break;
	}
	return think->min_ns;
}
