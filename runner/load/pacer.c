/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/pacer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/vec.h"

enum { TIMERS_MAX = 1 << 23 };

/* How long before a due time to be awake: beyond the late wake-ups of a timerfd (mean 23–35 µs, p99
 * 40–220 µs on a busy two-core machine), below what a sleep saves. */
#define SPIN_NS (60 * FG_NS_PER_US)

static void put(struct fg_pacer *pacer, size_t index, struct fg_timer *timer)
{
	pacer->heap[index] = timer;
	timer->position = index + 1;
}

static size_t sift_up(struct fg_pacer *pacer, size_t index)
{
	struct fg_timer *timer = pacer->heap[index];

	while (index > 0) {
		const size_t parent = (index - 1) / 2;

		if (pacer->heap[parent]->due_ns <= timer->due_ns)
			break;
		put(pacer, index, pacer->heap[parent]);
		index = parent;
	}
	put(pacer, index, timer);
	return index;
}

static void sift_down(struct fg_pacer *pacer, size_t index)
{
	struct fg_timer *timer = pacer->heap[index];

	for (;;) {
		size_t child = 2 * index + 1;

		if (child >= pacer->count)
			break;
		if (child + 1 < pacer->count &&
		    pacer->heap[child + 1]->due_ns < pacer->heap[child]->due_ns)
			child++;
		if (timer->due_ns <= pacer->heap[child]->due_ns)
			break;
		put(pacer, index, pacer->heap[child]);
		index = child;
	}
	put(pacer, index, timer);
}

static void take_out(struct fg_pacer *pacer, struct fg_timer *timer)
{
	const size_t index = timer->position - 1;
	struct fg_timer *last = pacer->heap[--pacer->count];

	timer->position = 0;
	if (last == timer)
		return;
	put(pacer, index, last);
	sift_down(pacer, sift_up(pacer, index));
}

static void set_timerfd(struct fg_pacer *pacer, uint64_t at_ns)
{
	struct itimerspec spec = {0};

	/* Setting it also forgets an expiry, so the descriptor is never read. */
	spec.it_value.tv_sec = (time_t)(at_ns / FG_NS_PER_S);
	spec.it_value.tv_nsec = (long)(at_ns % FG_NS_PER_S);
	(void)timerfd_settime(pacer->fd, TFD_TIMER_ABSTIME, &spec, NULL);
	pacer->armed_ns = at_ns;
}

static void fire(struct fg_pacer *pacer);

static void on_spin(uv_idle_t *spin)
{
	struct fg_pacer *pacer = spin->data;

	if (pacer->count && pacer->heap[0]->due_ns <= fg_clock_monotonic_ns())
		fire(pacer);
}

static void arm(struct fg_pacer *pacer, bool fired)
{
	uint64_t at_ns = pacer->count ? pacer->heap[0]->due_ns : 0;
	const bool spin = at_ns && pacer->heap[0]->spin;

	if (spin && at_ns <= fg_clock_monotonic_ns() + SPIN_NS) {
		if (!uv_is_active((uv_handle_t *)&pacer->spin))
			uv_idle_start(&pacer->spin, on_spin);
		at_ns = 0;
	} else {
		uv_idle_stop(&pacer->spin);
		if (spin)
			at_ns -= SPIN_NS;
	}
	if (at_ns != pacer->armed_ns || (fired && at_ns))
		set_timerfd(pacer, at_ns);
}

static void fire(struct fg_pacer *pacer)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	/* Against one reading of the clock, so that callbacks which set timers to "now" cannot keep
	 * the loop from its sockets. */
	pacer->firing = true;
	while (pacer->count && pacer->heap[0]->due_ns <= now_ns) {
		struct fg_timer *timer = pacer->heap[0];

		take_out(pacer, timer);
		timer->on_due(timer, fg_clock_monotonic_ns());
	}
	pacer->firing = false;
	arm(pacer, true);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	fire(poll->data);
}

int fg_pacer_init(struct fg_pacer *pacer, uv_loop_t *loop, struct fg_err *err)
{
	int rc;

	*pacer = (struct fg_pacer){0};
	pacer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (pacer->fd < 0)
		return fg_err_errno(err, errno, "timerfd");
	rc = uv_poll_init(loop, &pacer->poll, pacer->fd);
	if (rc) {
		close(pacer->fd);
		return fg_err_set(err, FG_E_IO, "timerfd: %s", uv_strerror(rc));
	}
	pacer->poll.data = pacer;
	uv_idle_init(loop, &pacer->spin);
	pacer->spin.data = pacer;
	rc = uv_poll_start(&pacer->poll, UV_READABLE, on_readable);
	return rc ? fg_err_set(err, FG_E_IO, "timerfd: %s", uv_strerror(rc)) : 0;
}

void fg_pacer_close(struct fg_pacer *pacer)
{
	uv_close((uv_handle_t *)&pacer->poll, NULL);
	uv_close((uv_handle_t *)&pacer->spin, NULL);
}

void fg_pacer_done(struct fg_pacer *pacer)
{
	close(pacer->fd);
	free(pacer->heap);
	pacer->heap = NULL;
}

int fg_pacer_reserve(struct fg_pacer *pacer, size_t timers, struct fg_err *err)
{
	return fg_vec_grow((void **)&pacer->heap, &pacer->capacity, timers, TIMERS_MAX,
			   sizeof(struct fg_timer *), err);
}

void fg_timer_set(struct fg_pacer *pacer, struct fg_timer *timer, uint64_t due_ns)
{
	timer->due_ns = due_ns ? due_ns : 1; /* 0 would disarm the timerfd */
	if (timer->position) {
		sift_down(pacer, sift_up(pacer, timer->position - 1));
	} else {
		assert(pacer->count < pacer->capacity);
		pacer->heap[pacer->count++] = timer;
		sift_up(pacer, pacer->count - 1);
	}
	if (!pacer->firing)
		arm(pacer, false);
}

void fg_timer_clear(struct fg_pacer *pacer, struct fg_timer *timer)
{
	/* A wake-up for nothing is cheaper than setting the timerfd each time. */
	if (timer->position)
		take_out(pacer, timer);
}
