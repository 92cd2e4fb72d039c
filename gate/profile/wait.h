/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a thread waited, read off the stack that it waits with.
 *
 * The kernel part names the cause; where it is a futex the user part tells a lock from a wait for
 * work. What cannot be told is OTHER, never a guess. A read from a socket is NETWORK whether the
 * peer is a database or a client that has not asked yet: the stacks are the same. A condition that
 * is used as a lock counts as idle unless its function is known (Python's GIL, HotSpot's monitors);
 * the time between wake-up and running belongs to the wait.
 *
 * Waiting for work stays out of flame graphs and of what is published; profile.offcpu.pb.gz and
 * -o pprof.offcpu= keep it. Idle and network waits have no request class: the thread may be through
 * with its last request. Wall time is CPU ticks plus waits, in microseconds.
 */
#ifndef FG_PROFILE_WAIT_H
#define FG_PROFILE_WAIT_H

#include "gate/profile/profile.h"

enum fg_wait_class {
	FG_WAIT_OTHER,
	FG_WAIT_NETWORK,  /* a socket: receiving, sending, connecting */
	FG_WAIT_DISK,     /* a block device or a file system's journal */
	FG_WAIT_LOCK,     /* a lock somebody else holds, in user space or in the kernel */
	FG_WAIT_IDLE,     /* for work: poll, accept, sleep, a condition, a child */
	FG_WAIT_RUNQUEUE, /* for a CPU: it could have run */
	FG_WAIT_CLASS_COUNT
};

/** "lock" */
const char *fg_wait_class_name(enum fg_wait_class wait);
/** "[wait: lock]": the frame below the roots of such stacks. */
const char *fg_wait_class_root(enum fg_wait_class wait);
/** The class whose root frame has that name, or -1. */
int fg_wait_class_of_root(const char *name);

/** A view of `profile` without the samples that wait for work, which would drown the others:
 *  borrows everything but ret->samples, which the caller frees. */
int fg_wait_drop_idle(const struct fg_profile *profile, struct fg_profile *ret,
		      struct fg_err *err) FG_MUST_USE;

/* Function names of a stack, leaf first. `kernel` from the scheduler's on. */
struct fg_wait_stack {
	const char *const *kernel;
	size_t kernel_count;
	const char *const *user;
	size_t user_count;
	bool preempted; /* it was put off the CPU while it could have run */
};
enum fg_wait_class fg_wait_classify(const struct fg_wait_stack *stack);

#endif
