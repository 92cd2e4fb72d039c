/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking up at a nanosecond: many timers of one worker on one timerfd.
 *
 * libuv's timers count milliseconds from a cached clock; a schedule needs better. Timers are
 * embedded in their owners and kept in a heap whose room is reserved beforehand, so setting one
 * never allocates. Knows nothing of scenarios. Single-threaded: belongs to the loop's thread.
 */
#ifndef FG_LOAD_PACER_H
#define FG_LOAD_PACER_H

#include <uv.h>

#include "gate/base/err.h"

struct fg_timer {
	uint64_t due_ns; /* monotonic; read by the callback: when it should have been called */
	size_t position; /* in the heap, from 1; 0: not set */
	void (*on_due)(struct fg_timer *timer, uint64_t now_ns);
	void *context;
	bool spin; /* be awake in the last moments before it is due */
};

struct fg_pacer {
	int fd;
	uv_poll_t poll;
	uv_idle_t spin;         /* active in the last moments before a timer that wants it */
	struct fg_timer **heap; /* heap[0] is the earliest */
	size_t count, capacity;
	uint64_t armed_ns; /* what the timerfd is set to; 0: nothing */
	bool firing;
};

int fg_pacer_init(struct fg_pacer *pacer, uv_loop_t *loop, struct fg_err *err) FG_MUST_USE;
/** Starts closing its handles; the loop must run afterwards, then fg_pacer_done(). */
void fg_pacer_close(struct fg_pacer *pacer);
void fg_pacer_done(struct fg_pacer *pacer);
/** Makes room so that `timers` timers in all can be set at the same time. */
int fg_pacer_reserve(struct fg_pacer *pacer, size_t timers, struct fg_err *err) FG_MUST_USE;
/** Sets or moves a timer; a time in the past fires on the next turn of the loop. */
void fg_timer_set(struct fg_pacer *pacer, struct fg_timer *timer, uint64_t due_ns);
void fg_timer_clear(struct fg_pacer *pacer, struct fg_timer *timer);
static inline bool fg_timer_is_set(const struct fg_timer *timer)
{
	return timer->position != 0;
}

#endif
