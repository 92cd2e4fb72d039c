/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/waits.h"

#include <stdlib.h>

#include <xxhash.h>

#include "gate/base/vec.h"
#include "profiler/client.h"

enum { PROBES = 8 };

void fg_waits_done(struct fg_waits *waits)
{
	free(waits->items);
	free(waits->totals);
	free(waits->stacks);
	free(waits->sites);
	*waits = (struct fg_waits){0};
}

static uint64_t key_of(uint32_t tid, uint64_t what)
{
	const uint64_t words[] = {tid, what};
	uint64_t key = XXH3_64bits(words, sizeof(words));

	return key ? key : 1;
}

/* The slot that has the key; or else, when `make`, one for it: a free one nearby, or the first,
 * whose content is forgotten. */
static struct fg_waits_slot *slot_of(struct fg_waits_slot *cache, uint64_t key, bool make)
{
	struct fg_waits_slot *spare = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct fg_waits_slot *slot = &cache[(key + i) & (FG_WAITS_CACHE - 1)];

		if (slot->key == key)
			return slot;
		if (!spare && !slot->key)
			spare = slot;
	}
	if (!make)
		return NULL;
	return spare ? spare : &cache[key & (FG_WAITS_CACHE - 1)];
}

static int make_caches(struct fg_waits *waits, struct fg_err *err)
{
	if (!waits->stacks)
		waits->stacks = calloc(FG_WAITS_CACHE, sizeof(*waits->stacks));
	if (!waits->sites)
		waits->sites = calloc(FG_WAITS_CACHE, sizeof(*waits->sites));
	return waits->stacks && waits->sites ? 0 : fg_err_nomem(err);
}

int fg_waits_stack(struct fg_waits *waits, uint32_t tid, uint64_t time_ns, uint64_t site,
		   uint32_t stack, struct fg_err *err)
{
	uint64_t key = key_of(tid, time_ns), site_key = key_of(tid, site);
	int rc = make_caches(waits, err);

	if (rc)
		return rc;
	*slot_of(waits->stacks, key, true) = (struct fg_waits_slot){key, stack};
	/* Preempted threads share site 0, which is no place. */
	if (site)
		*slot_of(waits->sites, site_key, true) = (struct fg_waits_slot){site_key, stack};
	return 0;
}

static void find_own(struct fg_waits *waits, struct fg_raw_wait *wait)
{
	struct fg_waits_slot *own = slot_of(waits->stacks, key_of(wait->tid, wait->out_ns), false);

	if (!own)
		return;
	wait->stack = (int32_t)own->stack;
	wait->has_own = true;
	own->key = 0;
}

static int take_total(struct fg_waits *waits, const struct fg_raw_sample *sample, uint64_t ns,
		      struct fg_err *err)
{
	if (waits->total_count == FG_WAITS_MAX) {
		waits->dropped++;
		return 0;
	}
	int rc = FG_VEC_ROOM(waits, totals, total_count, total_capacity, FG_WAITS_MAX, err);

	if (!rc)
		waits->totals[waits->total_count++] = (struct fg_waits_total){
			sample->tgid, sample->tid, FG_MIN(ns, sample->time_ns), sample->time_ns};
	return rc;
}

int fg_waits_end(struct fg_waits *waits, const struct fg_raw_sample *sample, uint64_t value,
		 const uint64_t words[FG_WAIT_WORDS], struct fg_err *err)
{
	uint64_t how = words[FG_WAIT_HOW];
	struct fg_raw_wait wait = {
		.out_ns = words[FG_WAIT_OUT_NS],
		.end_ns = sample->time_ns,
		.site = words[FG_WAIT_SITE],
		.stack = FG_WAITS_NO_STACK,
		.tgid = sample->tgid,
		.tid = sample->tid,
		.request = sample->request,
		.probability = (uint32_t)(how & FG_WAIT_PROBABILITY),
		.preempted = how & FG_WAIT_PREEMPTED,
		.is_long = how & FG_WAIT_LONG,
		.since_start = how & FG_WAIT_SINCE_START,
	};
	int rc = make_caches(waits, err);

	if (rc)
		return rc;
	if (how & FG_WAIT_TOTAL)
		return take_total(waits, sample, value, err);
	if (wait.out_ns > wait.end_ns || !wait.probability || wait.probability > FG_WAIT_CERTAIN)
		return fg_err_set(err, FG_E_INVALID, "a wait that makes no sense");
	if (waits->count == FG_WAITS_MAX) {
		waits->dropped++;
		return 0;
	}
	if (how & FG_WAIT_HAS_STACK)
		find_own(waits, &wait);
	wait.is_long |= wait.since_start;
	rc = FG_VEC_ROOM(waits, items, count, capacity, FG_WAITS_MAX, err);
	if (!rc)
		waits->items[waits->count++] = wait;
	return rc;
}

/* -- weights ------------------------------------------------------------------------------------
 */

struct phases {
	const struct fg_profiler_phase *items;
	size_t count;
};

struct member {
	uint64_t group;
	uint32_t wait;
};

static int by_group(const void *a, const void *b)
{
	const struct member *left = a, *right = b;

	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	return left->wait < right->wait ? -1 : left->wait > right->wait;
}

static double length_ns(const struct fg_raw_wait *wait)
{
	return (double)(wait->end_ns - wait->out_ns);
}

/* Between which borders of phases the moment lies. */
static uint64_t part_of(const struct phases *phases, uint64_t time_ns)
{
	uint64_t part = 0;

	for (size_t i = 0; i < phases->count; i++)
		part += (uint64_t)(time_ns >= phases->items[i].start_ns) +
			(time_ns >= phases->items[i].end_ns);
	return part;
}

/* No time goes over a border: of one thread at most one wait lies across it, alone in its group. */
static uint64_t group_of(const struct phases *phases, const struct fg_raw_wait *wait)
{
	uint64_t ns = wait->end_ns - wait->out_ns;
	uint64_t size = 63 - (uint64_t)__builtin_clzll(ns | 1);
	const uint64_t words[] = {
		wait->tid,
		wait->site,
		size,
		part_of(phases, wait->out_ns),
		wait->preempted,
		part_of(phases, wait->end_ns),
	};

	return XXH3_64bits(words, sizeof(words));
}

static void borrow(struct fg_waits *waits, struct fg_raw_wait *wait)
{
	struct fg_waits_slot *site =
		wait->site ? slot_of(waits->sites, key_of(wait->tid, wait->site), false) : NULL;

	wait->weight = 1;
	if (!site)
		return;
	wait->stack = (int32_t)site->stack;
	wait->borrowed = true;
}

/* One group of long waits: a ratio estimate of who waited, with the exact sum. */
static void weigh_group(struct fg_waits *waits, const struct member *members, size_t count)
{
	double all_ns = 0, shown_ns = 0;

	for (size_t i = 0; i < count; i++) {
		const struct fg_raw_wait *wait = &waits->items[members[i].wait];

		all_ns += length_ns(wait);
		if (wait->has_own)
			shown_ns += length_ns(wait) / (double)wait->probability;
	}
	for (size_t i = 0; i < count; i++) {
		struct fg_raw_wait *wait = &waits->items[members[i].wait];

		if (shown_ns > 0)
			wait->weight =
				wait->has_own ? all_ns / shown_ns / (double)wait->probability : 0;
		else
			borrow(waits, wait);
	}
}

/* A thread's short waits (items below `known`) and totals (above), so that their sum is what the
 * thread's account says. */
static int weigh_short(struct fg_waits *waits, size_t known, const struct member *members,
		       size_t count, struct fg_err *err)
{
	struct fg_waits_total sum = {.ns = 0};
	double shown_ns = 0;

	for (size_t i = 0; i < count; i++) {
		if (members[i].wait >= known) {
			const struct fg_waits_total *total =
				&waits->totals[members[i].wait - known];

			sum = (struct fg_waits_total){total->tgid, total->tid, sum.ns + total->ns,
						      total->end_ns};
			continue;
		}
		struct fg_raw_wait *wait = &waits->items[members[i].wait];

		wait->weight = (double)FG_WAIT_CERTAIN / (double)wait->probability;
		shown_ns += length_ns(wait) * wait->weight;
	}
	for (size_t i = 0; sum.ns && shown_ns > 0 && i < count; i++)
		if (members[i].wait < known)
			waits->items[members[i].wait].weight *= (double)sum.ns / shown_ns;
	if (!sum.ns || shown_ns > 0 || waits->count == FG_WAITS_MAX)
		return 0;
	/* None had its stack taken: the time is known, the place is not. */
	int rc = FG_VEC_ROOM(waits, items, count, capacity, FG_WAITS_MAX, err);

	if (!rc)
		waits->items[waits->count++] = (struct fg_raw_wait){
			.out_ns = sum.end_ns - FG_MIN(sum.ns, sum.end_ns),
			.end_ns = sum.end_ns,
			.stack = FG_WAITS_NO_STACK,
			.tgid = sum.tgid,
			.tid = sum.tid,
			.probability = FG_WAIT_CERTAIN,
			.weight = 1,
		};
	return rc;
}

/* Long waits by their groups, short ones and totals by thread. */
static size_t list_members(const struct fg_waits *waits, const struct phases *phases, bool is_long,
			   struct member *members)
{
	size_t count = 0;

	for (size_t i = 0; i < waits->count; i++) {
		const struct fg_raw_wait *wait = &waits->items[i];

		if (wait->is_long == is_long)
			members[count++] =
				(struct member){is_long ? group_of(phases, wait)
							: (uint64_t)wait->tgid << 32 | wait->tid,
						(uint32_t)i};
	}
	for (size_t i = 0; !is_long && i < waits->total_count; i++)
		members[count++] = (struct member){(uint64_t)waits->totals[i].tgid << 32 |
							   waits->totals[i].tid,
						   (uint32_t)(waits->count + i)};
	qsort(members, count, sizeof(*members), by_group);
	return count;
}

static size_t end_of_group(const struct member *members, size_t from, size_t count)
{
	size_t to = from + 1;

	while (to < count && members[to].group == members[from].group)
		to++;
	return to;
}

int fg_waits_settle(struct fg_waits *waits, const struct fg_profiler_phase *phases,
		    size_t phase_count, struct fg_err *err)
{
	const struct phases all = {phases, phase_count};
	struct member *members = malloc((waits->count + waits->total_count + 1) * sizeof(*members));
	size_t known = waits->count;
	int rc = 0;

	if (!members)
		return fg_err_nomem(err);
	size_t count = list_members(waits, &all, true, members);

	for (size_t from = 0, to; from < count; from = to) {
		to = end_of_group(members, from, count);
		weigh_group(waits, members + from, to - from);
	}
	count = list_members(waits, &all, false, members);
	for (size_t from = 0, to; !rc && from < count; from = to) {
		to = end_of_group(members, from, count);
		rc = weigh_short(waits, known, members + from, to - from, err);
	}
	free(members);
	return rc;
}
