/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "profiler/proc.h"

/* One process of the tree. What its children used arrives twice: exactly, from their own clocks
 * while they live (`seen_ns`), and when they are reaped in the parent's counter (`reaped_ns`,
 * 10-ms ticks, with the children we never saw). The larger of both is what they used. */
struct tracked {
	uint32_t pid;
	bool has_parent; /* a tracked one */
	uint32_t parent;
	uint64_t start_ticks;
	uint64_t own_base_ns, own_ns;
	uint64_t reaped_base_ns, reaped_ns;
	uint64_t seen_ns; /* of children that are gone, by their own clocks */
};

struct fg_cputime {
	struct tracked *items;
	size_t count, capacity;
	uint64_t gone_ns; /* of processes without a living tracked parent */
	uint64_t last_ns; /* readings never go back */
};

static uint64_t used_by(const struct tracked *t)
{
	uint64_t reaped_ns = t->reaped_ns - t->reaped_base_ns;

	return t->own_ns - t->own_base_ns + FG_MAX(reaped_ns, t->seen_ns);
}

static struct tracked *find(struct fg_cputime *cputime, uint32_t pid)
{
	for (size_t i = 0; i < cputime->count; i++) {
		if (cputime->items[i].pid == pid)
			return &cputime->items[i];
	}
	return NULL;
}

/* False when the process is gone, or another one has its number now. */
static bool refresh(struct tracked *t)
{
	struct fg_proc_stat stat;
	uint64_t own_ns;

	if (fg_proc_cpu_ns(t->pid, &own_ns, NULL) != 0 || fg_proc_stat(t->pid, &stat, NULL) != 0 ||
	    stat.start_ticks != t->start_ticks)
		return false;
	t->own_ns = FG_MAX(t->own_ns, own_ns);
	t->reaped_ns = FG_MAX(t->reaped_ns, stat.children_ns);
	return true;
}

static int track(struct fg_cputime *cputime, uint32_t pid, bool from_now, struct fg_err *err)
{
	struct fg_proc_stat stat;
	struct tracked added = {.pid = pid};

	if (find(cputime, pid) || fg_proc_stat(pid, &stat, NULL) != 0)
		return 0;
	added.start_ticks = stat.start_ticks;
	added.parent = stat.parent;
	added.has_parent = find(cputime, stat.parent) != NULL;
	if (!refresh(&added))
		return 0;
	if (from_now) {
		added.own_base_ns = added.own_ns;
		added.reaped_base_ns = added.reaped_ns;
	}
	int rc = FG_VEC_ROOM(cputime, items, count, capacity, FG_PROC_TREE_MAX, err);

	if (!rc)
		cputime->items[cputime->count++] = added;
	return rc;
}

/* Finds what lies below the tracked processes now. */
static int discover(struct fg_cputime *cputime, struct fg_err *err)
{
	struct fg_pids pids = {0};
	int rc = 0;

	for (size_t i = 0; !rc && i < cputime->count; i++)
		rc = fg_proc_tree(cputime->items[i].pid, &pids, err);
	for (size_t i = 0; !rc && i < pids.count; i++)
		rc = track(cputime, pids.items[i], false, err);
	fg_pids_done(&pids);
	return rc;
}

static void bury(struct fg_cputime *cputime, size_t i)
{
	struct tracked dead = cputime->items[i];
	struct tracked *parent = dead.has_parent ? find(cputime, dead.parent) : NULL;

	if (parent)
		parent->seen_ns += used_by(&dead);
	else
		cputime->gone_ns += used_by(&dead);
	for (size_t k = 0; k < cputime->count; k++) {
		if (cputime->items[k].has_parent && cputime->items[k].parent == dead.pid)
			cputime->items[k].has_parent = false; /* somebody else reaps it */
	}
	cputime->items[i] = cputime->items[--cputime->count];
}

int fg_cputime_new(const uint32_t *pids, size_t count, struct fg_cputime **ret, struct fg_err *err)
{
	struct fg_cputime *cputime = calloc(1, sizeof(*cputime));
	struct fg_pids tree = {0};
	int rc = cputime ? 0 : fg_err_nomem(err);

	for (size_t i = 0; !rc && i < count; i++)
		rc = fg_proc_tree(pids[i], &tree, err);
	for (size_t i = 0; !rc && i < tree.count; i++)
		rc = track(cputime, tree.items[i], true, err);
	fg_pids_done(&tree);
	if (!rc && !cputime->count)
		rc = fg_err_set(err, FG_E_NOT_FOUND, "no such process: %u", count ? pids[0] : 0);
	if (rc)
		fg_cputime_free(cputime);
	else
		*ret = cputime;
	return rc;
}

void fg_cputime_free(struct fg_cputime *cputime)
{
	if (!cputime)
		return;
	free(cputime->items);
	free(cputime);
}

int fg_cputime_read(struct fg_cputime *cputime, uint64_t *ret_ns, struct fg_err *err)
{
	/* Children first come into the list, then the dead leave it: a child that was born and
	 * reaped in between is in its parent's counter. */
	int rc = discover(cputime, err);

	for (size_t i = cputime->count; i-- > 0;) {
		if (!refresh(&cputime->items[i]))
			bury(cputime, i);
	}
	uint64_t sum_ns = cputime->gone_ns;

	for (size_t i = 0; i < cputime->count; i++)
		sum_ns += used_by(&cputime->items[i]);
	cputime->last_ns = FG_MAX(cputime->last_ns, sum_ns);
	*ret_ns = cputime->last_ns;
	if (rc)
		return rc;
	return cputime->count ? 0 : fg_err_set(err, FG_E_NOT_FOUND, "every target process is gone");
}

int fg_cputime_rss(const struct fg_cputime *cputime, uint64_t *ret_bytes, struct fg_err *err)
{
	uint64_t own = 0, shared = 0;
	bool any = false;

	for (size_t i = 0; i < cputime->count; i++) {
		struct fg_proc_memory memory;

		if (fg_proc_memory(cputime->items[i].pid, &memory, NULL) != 0)
			continue;
		any = true;
		own += memory.own_bytes;
		shared = FG_MAX(shared, memory.shared_bytes);
	}
	if (!any)
		return fg_err_set(err, FG_E_NOT_FOUND, "every target process is gone");
	*ret_bytes = own + shared;
	return 0;
}
