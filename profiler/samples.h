/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw samples as they came: stamps and interned stacks of unsymbolised frames, bounded.
 *
 * 32 bytes per sample plus each distinct stack once. What does not fit is counted, not kept.
 */
#ifndef FG_PROFILER_SAMPLES_H
#define FG_PROFILER_SAMPLES_H

#include "gate/base/err.h"

enum {
	FG_SAMPLES_MAX = 4 << 20,
	FG_SAMPLE_STACKS_MAX = 1 << 20,
	FG_SAMPLE_STACK_FRAMES_MAX = 8 << 20, /* over all distinct stacks: 64 MiB */
};

struct fg_raw_stack {
	uint32_t frame_start;
	uint16_t kernel_count, user_count, script_count;
	uint8_t result;   /* enum fg_bpf_result */
	uint8_t guessed;  /* frames */
	uint32_t context; /* whose generated code: client_process.h; 0: it has none */
};

struct fg_raw_sample {
	uint64_t time_ns;
	uint32_t stack;
	uint32_t tgid, tid;
	uint32_t request; /* FG_REQUEST() */
	uint32_t value;   /* 1; of FG_SAMPLE_OFFCPU microseconds */
	uint8_t type;     /* enum fg_sample_type */
};

struct fg_samples {
	struct fg_raw_sample *items;
	size_t count, capacity;
	struct fg_raw_stack *stacks;
	size_t stack_count, stack_capacity;
	uint64_t *frames;
	size_t frame_count, frame_capacity;
	uint32_t *slots; /* stack index + 1, open addressing */
	size_t slot_count;
	uint64_t cpu;         /* samples of FG_SAMPLE_CPU; the next two count among these */
	uint64_t complete;    /* samples that reached a root without a guess */
	uint64_t kernel_only; /* samples that have no user part, so no root to reach */
	uint64_t dropped;     /* over a limit */
};

void fg_samples_done(struct fg_samples *samples);
/** `sample->stack` and `stack->frame_start` are ignored; `frames` holds kernel_count + user_count +
 *  script_count of them. Over a limit is no error (counted); NOMEM is. */
int fg_samples_add(struct fg_samples *samples, const struct fg_raw_sample *sample,
		   const struct fg_raw_stack *stack, const uint64_t *frames,
		   struct fg_err *err) FG_MUST_USE;

/** The stack alone: its index, or FG_SAMPLES_NO_ROOM (counted as dropped), or an error. */
enum { FG_SAMPLES_NO_ROOM = INT32_MAX };
int64_t fg_samples_stack(struct fg_samples *samples, const struct fg_raw_stack *stack,
			 const uint64_t *frames, struct fg_err *err) FG_MUST_USE;

#endif
