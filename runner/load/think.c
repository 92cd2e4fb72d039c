/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/think.h"

#include <math.h>

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

uint64_t fg_think_ns(struct fg_random *random, const struct fg_step_think *think)
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
	case FG_THINK_EXPONENTIAL: /* from min on, the mean half way, with a tail beyond max */
		return clamp_ns(min - (max - min) / 2 * log(1.0 - fg_random_unit(random)),
				think->min_ns,
				think->max_ns > UINT64_MAX / 5 ? UINT64_MAX : think->max_ns * 5);
	case FG_THINK_CONSTANT:
		break;
	}
	return think->min_ns;
}
