/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-outs that cost no system call and no heap: one queue per duration.
 *
 * What gets the same time-out at a later moment is due later, so each queue is in order by itself;
 * setting and clearing are O(1). One libuv timer is armed for the earliest; it may wake up for
 * nothing, which is rarer than requests are. Precision: a millisecond or two, never early.
 */
#ifndef FG_LOAD_NATIVE_DEADLINE_H
#define FG_LOAD_NATIVE_DEADLINE_H

#include <uv.h>

#include "gate/base/err.h"

struct fg_native_deadline { /* in its owner; zeroed is not set */
	struct fg_native_deadline *next, *previous;
	uint64_t due_ns;
};

struct fg_native_queue; /* of one duration */

struct fg_native_deadlines {
	uv_timer_t timer;
	struct fg_native_queue **queues;
	size_t count, capacity;
	uint64_t armed_ns; /* 0: not armed */
	void (*on_due)(struct fg_native_deadline *deadline, uint64_t now_ns);
};

int fg_native_deadlines_init(struct fg_native_deadlines *all, uv_loop_t *loop,
			     void (*on_due)(struct fg_native_deadline *deadline, uint64_t now_ns),
			     struct fg_err *err) FG_MUST_USE;
void fg_native_deadlines_close(struct fg_native_deadlines *all);
/** After the loop has let the timer go. */
void fg_native_deadlines_done(struct fg_native_deadlines *all);
/** Due after `duration_ns` from `now_ns`, the caller's latest reading of the clock; 0: never. Must
 *  not be set already. */
int fg_native_deadline_set(struct fg_native_deadlines *all, struct fg_native_deadline *deadline,
			   uint64_t duration_ns, uint64_t now_ns, struct fg_err *err) FG_MUST_USE;
/** No-op when it is not set. */
void fg_native_deadline_clear(struct fg_native_deadline *deadline);

#endif
