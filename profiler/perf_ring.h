/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A perf event's ring buffer, and the few kinds of records that we have the kernel write into it.
 *
 * The bytes come from the kernel; still nothing is read outside of a record. Order is the ring's:
 * whoever reads several compares `time_ns`.
 */
#ifndef FG_PROFILER_PERF_RING_H
#define FG_PROFILER_PERF_RING_H

#include "gate/base/err.h"

struct perf_event_attr;

enum {
	FG_PERF_RECORD_MAX = 1 << 16,
	FG_PERF_STACK_BYTES = 32 << 10,     /* 47 % of libcrypto's stacks need more than 8 KiB */
	FG_PERF_STACK_BYTES_MAX = 65 << 10, /* whole with its record below 64 KiB: kernel cuts */
};

enum fg_perf_kind {
	FG_PERF_OTHER,
	FG_PERF_SAMPLE,
	FG_PERF_FORK, /* tgid, tid: the new one's; parent */
	FG_PERF_EXIT,
	FG_PERF_EXEC,
	FG_PERF_MAP,
	FG_PERF_LOST,     /* lost */
	FG_PERF_THROTTLE, /* the kernel pauses the event until its next tick */
};

struct fg_perf_record {
	enum fg_perf_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t tgid, tid, parent, cpu;
	uint64_t lost;
	/* Of a sample; they point into the record. */
	const uint64_t *kernel; /* addresses, leaf first, with context marks between */
	size_t kernel_count;
	uint64_t abi;         /* enum perf_sample_regs_abi */
	const uint64_t *regs; /* of FG_DWFL_PERF_MASK; NULL: no user part */
	const uint8_t *stack;
	size_t stack_bytes;
};

struct fg_perf_ring {
	void *map; /* NULL: none */
	size_t map_bytes, data_bytes;
	uint64_t next_bytes; /* size of the record that `record` stands for; 0: none */
	struct fg_perf_record record;
	uint64_t scratch[FG_PERF_RECORD_MAX / sizeof(uint64_t)]; /* for one that wraps around */
};

/** What a sample shall hold: `callchain` the kernel's part of the stack, `stack_bytes` of the user
 *  stack. Leaves type, config and period alone. */
void fg_perf_sample_attr(struct perf_event_attr *attr, uint32_t stack_bytes, bool callchain);
/** Decodes one record of events with that attr; `data` is 8-byte aligned. False: malformed. */
bool fg_perf_decode(const void *data, size_t len, bool callchain, struct fg_perf_record *ret);

/** PERMISSION when the memory may not be locked. */
int fg_perf_ring_map(struct fg_perf_ring *ring, int fd, size_t pages,
		     struct fg_err *err) FG_MUST_USE;
void fg_perf_ring_done(struct fg_perf_ring *ring);
/** The oldest record, until fg_perf_ring_drop(); NULL when there is none. */
const struct fg_perf_record *fg_perf_ring_peek(struct fg_perf_ring *ring, bool callchain);
void fg_perf_ring_drop(struct fg_perf_ring *ring);

#endif
