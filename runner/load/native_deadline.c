/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_deadline.h"

#include <stdlib.h>

#include "gate/base/clock.h"
#include "gate/base/vec.h"

enum { QUEUES_MAX = 1 << 16 };

struct fg_native_queue {
	uint64_t duration_ns;
	struct fg_native_deadline ring; /* its next is the earliest */
};

static void arm(struct fg_native_deadlines *all, uint64_t due_ns, uint64_t now_ns);

static void on_timer(uv_timer_t *timer)
{
	struct fg_native_deadlines *all = timer->data;
	const uint64_t now_ns = fg_clock_monotonic_ns();
	uint64_t earliest_ns = 0;

	all->armed_ns = 0;
	for (size_t i = 0; i < all->count; i++) {
		struct fg_native_deadline *ring = &all->queues[i]->ring;

		while (ring->next != ring && ring->next->due_ns <= now_ns) {
			struct fg_native_deadline *due = ring->next;

			fg_native_deadline_clear(due);
			all->on_due(due, now_ns);
		}
		if (ring->next != ring && (!earliest_ns || ring->next->due_ns < earliest_ns))
			earliest_ns = ring->next->due_ns;
	}
	if (earliest_ns)
		arm(all, earliest_ns, now_ns);
}

/* libuv counts from its own idea of now, which may be a little old: then it fires early, finds
 * nothing due and is armed again. */
static void arm(struct fg_native_deadlines *all, uint64_t due_ns, uint64_t now_ns)
{
	const uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;

	if (all->armed_ns && all->armed_ns <= due_ns)
		return;
	if (!uv_timer_start(&all->timer, on_timer, wait_ns / FG_NS_PER_MS + 1, 0))
		all->armed_ns = due_ns;
}

int fg_native_deadlines_init(struct fg_native_deadlines *all, uv_loop_t *loop,
			     void (*on_due)(struct fg_native_deadline *deadline, uint64_t now_ns),
			     struct fg_err *err)
{
	int rc;

	*all = (struct fg_native_deadlines){.on_due = on_due};
	rc = uv_timer_init(loop, &all->timer);
	all->timer.data = all;
	return rc ? fg_err_set(err, FG_E_IO, "timer: %s", uv_strerror(rc)) : 0;
}

void fg_native_deadlines_close(struct fg_native_deadlines *all)
{
	uv_close((uv_handle_t *)&all->timer, NULL);
}

void fg_native_deadlines_done(struct fg_native_deadlines *all)
{
	for (size_t i = 0; i < all->count; i++)
		free(all->queues[i]);
	free(all->queues);
	*all = (struct fg_native_deadlines){0};
}

static struct fg_native_queue *find_queue(const struct fg_native_deadlines *all,
					  uint64_t duration_ns)
{
	for (size_t i = 0; i < all->count; i++) {
		if (all->queues[i]->duration_ns == duration_ns)
			return all->queues[i];
	}
	return NULL;
}

static int add_queue(struct fg_native_deadlines *all, uint64_t duration_ns,
		     struct fg_native_queue **ret, struct fg_err *err)
{
	struct fg_native_queue *queue;
	int rc = FG_VEC_ROOM(all, queues, count, capacity, QUEUES_MAX, err);

	if (rc)
		return rc;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return fg_err_nomem(err);
	queue->duration_ns = duration_ns;
	queue->ring.next = queue->ring.previous = &queue->ring;
	all->queues[all->count++] = queue;
	*ret = queue;
	return 0;
}

int fg_native_deadline_set(struct fg_native_deadlines *all, struct fg_native_deadline *deadline,
			   uint64_t duration_ns, uint64_t now_ns, struct fg_err *err)
{
	struct fg_native_queue *queue;
	struct fg_native_deadline *ring;
	int rc;

	if (!duration_ns)
		return 0;
	queue = find_queue(all, duration_ns);
	if (!queue && (rc = add_queue(all, duration_ns, &queue, err)))
		return rc;
	ring = &queue->ring;
	deadline->due_ns = now_ns + duration_ns;
	if (deadline->due_ns < now_ns) /* centuries */
		deadline->due_ns = UINT64_MAX;
	deadline->previous = ring->previous;
	deadline->next = ring;
	ring->previous->next = deadline;
	ring->previous = deadline;
	if (!all->armed_ns || deadline->due_ns < all->armed_ns)
		arm(all, deadline->due_ns, now_ns);
	return 0;
}

void fg_native_deadline_clear(struct fg_native_deadline *deadline)
{
	if (!deadline->next)
		return;
	deadline->previous->next = deadline->next;
	deadline->next->previous = deadline->previous;
	deadline->next = deadline->previous = NULL;
}
