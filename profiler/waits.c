/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/waits.h"

#include <stdlib.h>

#include <xxhash.h>

#include "gate/base/vec.h"

enum { PROBES = 8 };

void fg_waits_done(struct fg_waits *waits)
{
	free(waits->items);
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

static void find_stack(struct fg_waits *waits, struct fg_raw_wait *wait, bool has_own)
{
	struct fg_waits_slot *own =
		has_own ? slot_of(waits->stacks, key_of(wait->tid, wait->out_ns), false) : NULL;
	struct fg_waits_slot *site =
		wait->site ? slot_of(waits->sites, key_of(wait->tid, wait->site), false) : NULL;

	if (own) {
		wait->stack = (int32_t)own->stack;
		own->key = 0;
	} else if (site) {
		wait->stack = (int32_t)site->stack;
		wait->borrowed = true;
	}
}

int fg_waits_end(struct fg_waits *waits, const struct fg_raw_sample *sample,
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
		.since_start = how & FG_WAIT_SINCE_START,
	};
	int rc = make_caches(waits, err);

	if (rc)
		return rc;
	if (wait.out_ns > wait.end_ns || !wait.probability || wait.probability > FG_WAIT_CERTAIN)
		return fg_err_set(err, FG_E_INVALID, "a wait that makes no sense");
	if (waits->count == FG_WAITS_MAX) {
		waits->dropped++;
		return 0;
	}
	find_stack(waits, &wait, how & FG_WAIT_HAS_STACK);
	rc = FG_VEC_ROOM(waits, items, count, capacity, FG_WAITS_MAX, err);
	if (!rc)
		waits->items[waits->count++] = wait;
	return rc;
}

void fg_waits_settle(struct fg_waits *waits)
{
	for (size_t i = 0; waits->sites && i < waits->count; i++)
		if (waits->items[i].stack == FG_WAITS_NO_STACK)
			find_stack(waits, &waits->items[i], false);
}
