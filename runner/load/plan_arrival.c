/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When arrivals are due: the inverse of the area under a piecewise linear rate.
 *
 * In a stage of D ns whose rate goes linearly from r0 to r1 events per unit of U ns, the area after
 * x ns is (2 r0 x + (r1 − r0) x² / D) / 2U. Counted in 1/2U events, all of it is whole numbers but
 * the fraction x²/D, which compares exactly as quotient and remainder. So the closed form is only a
 * guess (in long double), made exact by comparing integers.
 */
#include "runner/load/plan_internal.h"

#include <math.h>

#define EVENTS_MAX (1ull << 40)
#define RATE_MAX   (1ull << 48)
#define UNIT_MAX   (1ull << 52) /* 52 days: then 2 U × position has room in 128 bits */

static size_t leg_count(const struct fg_scenario *scenario)
{
	return scenario->executor == FG_EXEC_RAMPING_ARRIVAL_RATE ? scenario->stage_count : 1;
}

static void first_leg(const struct fg_scenario *scenario, struct fg_plan_leg *leg)
{
	if (scenario->executor == FG_EXEC_RAMPING_ARRIVAL_RATE)
		*leg = (struct fg_plan_leg){.duration_ns = scenario->stages[0].duration_ns,
					    .from = scenario->start_rate,
					    .to = scenario->stages[0].target};
	else
		*leg = (struct fg_plan_leg){.duration_ns = scenario->duration_ns,
					    .from = scenario->rate,
					    .to = scenario->rate};
}

static fg_plan_area leg_area(const struct fg_plan_leg *leg)
{
	return (fg_plan_area)leg->duration_ns * (leg->from + leg->to);
}

static void next_leg(const struct fg_scenario *scenario, size_t index, struct fg_plan_leg *leg)
{
	leg->before += leg_area(leg);
	leg->start_ns += leg->duration_ns;
	leg->duration_ns = scenario->stages[index].duration_ns;
	leg->from = leg->to;
	leg->to = scenario->stages[index].target;
}

static fg_plan_area whole_area(const struct fg_scenario *scenario)
{
	struct fg_plan_leg leg;

	if (!leg_count(scenario))
		return 0;
	first_leg(scenario, &leg);
	for (size_t i = 1; i < leg_count(scenario); i++)
		next_leg(scenario, i, &leg);
	return leg.before + leg_area(&leg);
}

/* Every sum that the functions above make, with a look at its bounds. */
static int check_legs(const struct fg_scenario *scenario, struct fg_err *err)
{
	const fg_plan_area most = (fg_plan_area)2 * EVENTS_MAX * scenario->time_unit_ns;
	uint64_t end_ns = 0;
	struct fg_plan_leg leg;

	if (!leg_count(scenario))
		return fg_err_set(err, FG_E_INVALID, "scenario %s: needs at least one stage",
				  scenario->name);
	first_leg(scenario, &leg);
	for (size_t i = 0; i < leg_count(scenario); i++) {
		if (i)
			next_leg(scenario, i, &leg);
		if (leg.from > RATE_MAX || leg.to > RATE_MAX ||
		    __builtin_add_overflow(end_ns, leg.duration_ns, &end_ns) ||
		    leg_area(&leg) > most || leg.before + leg_area(&leg) > most)
			return fg_err_set(err, FG_E_LIMIT, "scenario %s: more than 2^40 iterations",
					  scenario->name);
	}
	return 0;
}

int fg_plan_arrival_check(const struct fg_scenario *scenario, struct fg_err *err)
{
	const bool constant = scenario->executor == FG_EXEC_CONSTANT_ARRIVAL_RATE;
	int rc;

	if (!scenario->time_unit_ns || (constant && !scenario->rate))
		return fg_err_set(err, FG_E_INVALID,
				  "scenario %s: rate and timeUnit must be above 0", scenario->name);
	if (scenario->time_unit_ns > UNIT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "scenario %s: timeUnit is above 52 days",
				  scenario->name);
	rc = check_legs(scenario, err);
	if (rc)
		return rc;
	if (!whole_area(scenario))
		return fg_err_set(err, FG_E_INVALID,
				  "scenario %s: no iteration would ever start; startRate or a "
				  "stage's target must be above 0, and a stage longer than 0s",
				  scenario->name);
	return 0;
}

uint64_t fg_plan_events(const struct fg_scenario *scenario)
{
	const fg_plan_area per_event = (fg_plan_area)2 * scenario->time_unit_ns;

	/* k is an event ⟺ it is due before the end ⟺ k < the whole area. */
	if (!fg_plan_is_arrival(scenario) || !per_event)
		return 0;
	return (uint64_t)((whole_area(scenario) + per_event - 1) / per_event);
}

/* True if the area of the first x ns of the leg is at most `area`. */
static bool at_most(const struct fg_plan_leg *leg, uint64_t x_ns, fg_plan_area area)
{
	const fg_plan_area square = (fg_plan_area)x_ns * x_ns;
	const fg_plan_area whole = square / leg->duration_ns;
	const fg_plan_area rest = square % leg->duration_ns;
	const fg_plan_area base = (fg_plan_area)2 * leg->from * x_ns;

	if (leg->to >= leg->from) {
		const uint64_t slope = leg->to - leg->from;
		const fg_plan_area up = (slope * rest + leg->duration_ns - 1) / leg->duration_ns;

		return base + slope * whole + up <= area;
	}
	const uint64_t slope = leg->from - leg->to;

	return base - slope * whole - slope * rest / leg->duration_ns <= area;
}

static uint64_t guess_ns(const struct fg_plan_leg *leg, fg_plan_area area)
{
	const long double from = (long double)leg->from;
	const long double slope = ((long double)leg->to - from) / (long double)leg->duration_ns;
	const long double root = sqrtl(fmaxl(from * from + slope * (long double)area, 0));
	const long double x = from + root > 0 ? (long double)area / (from + root) : 0;

	return x < (long double)leg->duration_ns ? (uint64_t)x : leg->duration_ns;
}

/* The largest x with at_most(x). The guess is off by a nanosecond or, at the flat end of a ramp to
 * 0, by some thousand: strides that double find the other side, halving finds the place. */
static uint64_t solve_ns(const struct fg_plan_leg *leg, fg_plan_area area)
{
	uint64_t low = guess_ns(leg, area), high = low;

	for (uint64_t stride = 1; !at_most(leg, low, area); stride *= 2) {
		high = low;
		low -= FG_MIN(low, stride);
	}
	for (uint64_t stride = 1; high == low && high < leg->duration_ns; stride *= 2) {
		high += FG_MIN(leg->duration_ns - high, stride);
		if (at_most(leg, high, area))
			low = high;
	}
	while (high - low > 1) {
		const uint64_t middle = low + (high - low) / 2;

		if (at_most(leg, middle, area))
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* When the leg's area reaches `area` (0 … all of it), rounded down. */
static uint64_t leg_time_ns(const struct fg_plan_leg *leg, fg_plan_area area)
{
	if (!area)
		return 0;
	if (leg->from == leg->to)
		return (uint64_t)(area / (2 * leg->from));
	return solve_ns(leg, area);
}

/* Moves on to the leg in which the curve reaches `area`, which is no less than the last time. */
static uint64_t time_ns(const struct fg_scenario *scenario, struct fg_plan_leg *leg, size_t *index,
			fg_plan_area area)
{
	while (area > leg->before + leg_area(leg) && *index + 1 < leg_count(scenario))
		next_leg(scenario, ++*index, leg);
	return leg->start_ns + leg_time_ns(leg, area - leg->before);
}

uint64_t fg_plan_due_ns(const struct fg_scenario *scenario, uint64_t k)
{
	struct fg_plan_leg leg;
	size_t index = 0;

	if (k >= fg_plan_events(scenario))
		return UINT64_MAX;
	first_leg(scenario, &leg);
	return time_ns(scenario, &leg, &index, (fg_plan_area)2 * scenario->time_unit_ns * k);
}

double fg_plan_rate_per_s(const struct fg_scenario *scenario, uint64_t t_ns)
{
	struct fg_plan_leg leg;
	double share, rate;

	if (!fg_plan_is_arrival(scenario) || !scenario->time_unit_ns || !leg_count(scenario))
		return 0;
	first_leg(scenario, &leg);
	for (size_t i = 1; i < leg_count(scenario) && t_ns >= leg.start_ns + leg.duration_ns; i++)
		next_leg(scenario, i, &leg);
	if (t_ns >= leg.start_ns + leg.duration_ns)
		return 0;
	share = (double)(t_ns - leg.start_ns) / (double)leg.duration_ns;
	rate = (double)leg.from + share * ((double)leg.to - (double)leg.from);
	return rate * (double)FG_NS_PER_S / (double)scenario->time_unit_ns;
}

/* -- cursors --------------------------------------------------------------------------------- */

/* FNV-1a: scenarios side by side must not have the same jitter. */
static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
	return hash;
}

/* An exponential gap of mean 1 in 2^-32, by von Neumann's comparisons of uniform numbers: a run
 * u1 > u2 > … of odd length has probability exp(−u1). No logarithm, whose last bit would differ
 * between machines that must agree. */
static uint64_t exponential_gap(struct fg_random *random)
{
	for (uint64_t whole = 0;; whole++) {
		const uint64_t first = fg_random_next(random);
		uint64_t last = first, next;
		unsigned run = 1;

		while ((next = fg_random_next(random)) < last) {
			last = next;
			run++;
		}
		if (run % 2)
			return whole << 32 | first >> 32;
	}
}

/* Goes from event to event up to cursor->event, which may be another part's several times. */
static fg_plan_area poisson_area(struct fg_plan_cursor *cursor)
{
	while (cursor->drawn <= cursor->event) {
		cursor->position += exponential_gap(&cursor->random);
		cursor->drawn++;
	}
	return (cursor->position * 2 * cursor->scenario->time_unit_ns) >> 32;
}

/* Inside the event's own slot of the area, the last of which the end may cut. */
static fg_plan_area jittered_area(const struct fg_plan_cursor *cursor)
{
	const fg_plan_area per_event = (fg_plan_area)2 * cursor->scenario->time_unit_ns;
	const fg_plan_area start = per_event * cursor->event;
	const fg_plan_area slot = FG_MIN(per_event, cursor->end - start);

	return start + (slot * fg_random_mix(cursor->seed, cursor->event) >> 64);
}

static void settle(struct fg_plan_cursor *cursor)
{
	const struct fg_scenario *scenario = cursor->scenario;
	fg_plan_area area = 0;

	cursor->due_ns = UINT64_MAX;
	if (cursor->event >= cursor->event_end)
		return;
	switch (scenario->arrivals) {
	case FG_ARRIVALS_UNIFORM:
		area = (fg_plan_area)2 * scenario->time_unit_ns * cursor->event;
		break;
	case FG_ARRIVALS_JITTERED:
		area = jittered_area(cursor);
		break;
	case FG_ARRIVALS_POISSON:
		area = poisson_area(cursor);
		break;
	}
	if (area < cursor->end)
		cursor->due_ns = time_ns(scenario, &cursor->leg, &cursor->leg_index, area);
}

void fg_plan_cursor_init(struct fg_plan_cursor *cursor, const struct fg_scenario *scenario,
			 const struct fg_plan_part *part, uint64_t seed)
{
	*cursor =
		(struct fg_plan_cursor){.scenario = scenario, .part = *part, .due_ns = UINT64_MAX};
	if (!fg_plan_is_arrival(scenario))
		return;
	cursor->seed = fg_random_mix(seed, hash_name(scenario->name));
	cursor->event_end =
		scenario->arrivals == FG_ARRIVALS_POISSON ? UINT64_MAX : fg_plan_events(scenario);
	cursor->end = whole_area(scenario);
	first_leg(scenario, &cursor->leg);
	fg_random_init(&cursor->random, cursor->seed, 0, 0);
	cursor->event = fg_plan_event_of_part(scenario, 0, part);
	settle(cursor);
}

void fg_plan_cursor_next(struct fg_plan_cursor *cursor)
{
	if (cursor->due_ns == UINT64_MAX)
		return;
	cursor->event = fg_plan_event_of_part(cursor->scenario, cursor->event + 1, &cursor->part);
	settle(cursor);
}
