/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits as they came: the stack of the switch away joined with the record of its end.
 *
 * Short waits came with probability and stack, and the sum of all of a thread's. Long ones all
 * came, their stacks again with a probability: among those of one thread, site and phase, and
 * within a factor of two of one length, the time of all is divided by what the ones with stacks
 * show. Where none of such a group has a stack, each gets the last that its thread had at the same
 * site (same code, same depth: nearly always the same stack); it is counted as borrowed. Bounded:
 * what does not fit is counted, not kept.
 */
#ifndef FG_PROFILER_WAITS_H
#define FG_PROFILER_WAITS_H

#include "profiler/bpf/shared.h"
#include "profiler/samples.h"

enum {
	FG_WAITS_MAX = 4 << 20,
	FG_WAITS_CACHE = 1 << 16, /* stacks that wait for their end, and stacks of sites */
	FG_WAITS_NO_STACK = -1,
};

struct fg_raw_wait {
	uint64_t out_ns, end_ns;
	uint64_t site;
	int32_t stack; /* of fg_samples, or FG_WAITS_NO_STACK */
	uint32_t tgid, tid;
	uint32_t request;     /* FG_REQUEST() */
	uint32_t probability; /* × 65536, of the stack */
	bool preempted;
	bool since_start; /* it slept already when profiling began */
	bool is_long;
	bool has_own; /* stack */
	bool borrowed;
	double weight; /* it stands for so many times its time; settled */
};

/* Of a thread that is gone, or was there at the end: all its short waits. */
struct fg_waits_total {
	uint32_t tgid, tid;
	uint64_t ns, end_ns;
};

struct fg_waits_slot {
	uint64_t key; /* 0: free */
	uint32_t stack;
};

struct fg_waits {
	struct fg_raw_wait *items;
	size_t count, capacity;
	struct fg_waits_total *totals;
	size_t total_count, total_capacity;
	struct fg_waits_slot *stacks, *sites; /* FG_WAITS_CACHE each; NULL: no wait came */
	uint64_t dropped;                     /* over a limit */
};

void fg_waits_done(struct fg_waits *waits);
/** A stack (index into fg_samples) that was taken at `time_ns`. */
int fg_waits_stack(struct fg_waits *waits, uint32_t tid, uint64_t time_ns, uint64_t site,
		   uint32_t stack, struct fg_err *err) FG_MUST_USE;
/** The end of a wait: `words` as enum fg_wait_word has them. INVALID if they make no sense. */
int fg_waits_end(struct fg_waits *waits, const struct fg_raw_sample *sample, uint64_t value,
		 const uint64_t words[FG_WAIT_WORDS], struct fg_err *err) FG_MUST_USE;
struct fg_profiler_phase;
/** When everything has come: weights, and stacks that only a later sample of a site has shown. What
 *  long waits took in each phase stays there, to the nanosecond. */
int fg_waits_settle(struct fg_waits *waits, const struct fg_profiler_phase *phases,
		    size_t phase_count, struct fg_err *err) FG_MUST_USE;

#endif
