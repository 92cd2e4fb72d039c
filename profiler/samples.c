/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/samples.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/base/vec.h"
#include "profiler/bpf/shared.h"

enum { FIRST_SLOTS = 1024, NO_STACK = 0 };

void fg_samples_done(struct fg_samples *samples)
{
	free(samples->items);
	free(samples->stacks);
	free(samples->frames);
	free(samples->slots);
	*samples = (struct fg_samples){0};
}

static size_t frames_of(const struct fg_raw_stack *stack)
{
	return (size_t)stack->kernel_count + stack->user_count + stack->script_count;
}

static uint64_t hash_stack(const struct fg_raw_stack *stack, const uint64_t *frames)
{
	uint64_t seed = (uint64_t)stack->script_count << 48 | (uint64_t)stack->kernel_count << 32 |
			(uint64_t)stack->result << 8 | stack->guessed;

	seed ^= (uint64_t)stack->context * 0x9e3779b97f4a7c15;
	return XXH3_64bits_withSeed(frames, frames_of(stack) * sizeof(*frames), seed);
}

static bool same_stack(const struct fg_samples *samples, const struct fg_raw_stack *a,
		       const struct fg_raw_stack *b, const uint64_t *b_frames)
{
	return a->kernel_count == b->kernel_count && a->user_count == b->user_count &&
	       a->script_count == b->script_count && a->result == b->result &&
	       a->guessed == b->guessed && a->context == b->context &&
	       memcmp(samples->frames + a->frame_start, b_frames,
		      frames_of(a) * sizeof(*b_frames)) == 0;
}

/* The slot that holds the stack, or the free one where it belongs. */
static uint32_t *find_slot(const struct fg_samples *samples, const struct fg_raw_stack *stack,
			   const uint64_t *frames)
{
	size_t mask = samples->slot_count - 1;

	for (size_t i = (size_t)hash_stack(stack, frames) & mask;; i = (i + 1) & mask) {
		uint32_t *slot = &samples->slots[i];

		if (*slot == NO_STACK ||
		    same_stack(samples, &samples->stacks[*slot - 1], stack, frames))
			return slot;
	}
}

static int grow_slots(struct fg_samples *samples, struct fg_err *err)
{
	size_t count = samples->slot_count ? samples->slot_count * 2 : FIRST_SLOTS;
	uint32_t *old = samples->slots;

	if (samples->stack_count * 2 < samples->slot_count)
		return 0;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return fg_err_nomem(err);
	samples->slots = slots;
	samples->slot_count = count;
	for (size_t i = 0; i < samples->stack_count; i++) {
		const struct fg_raw_stack *stack = &samples->stacks[i];

		*find_slot(samples, stack, samples->frames + stack->frame_start) = (uint32_t)i + 1;
	}
	free(old);
	return 0;
}

/* 1 if the limits leave no room for it. */
static int intern(struct fg_samples *samples, const struct fg_raw_stack *stack,
		  const uint64_t *frames, uint32_t *ret, struct fg_err *err)
{
	int rc = grow_slots(samples, err);

	if (rc)
		return rc;
	uint32_t *slot = find_slot(samples, stack, frames);
	size_t count = frames_of(stack);

	if (*slot != NO_STACK) {
		*ret = *slot - 1;
		return 0;
	}
	if (samples->stack_count == FG_SAMPLE_STACKS_MAX ||
	    samples->frame_count + count > FG_SAMPLE_STACK_FRAMES_MAX)
		return 1;
	rc = fg_vec_grow((void **)&samples->stacks, &samples->stack_capacity,
			 samples->stack_count + 1, FG_SAMPLE_STACKS_MAX, sizeof(*samples->stacks),
			 err);
	if (!rc)
		rc = fg_vec_grow((void **)&samples->frames, &samples->frame_capacity,
				 samples->frame_count + count + 1, FG_SAMPLE_STACK_FRAMES_MAX + 1,
				 sizeof(*samples->frames), err);
	if (rc)
		return rc;
	struct fg_raw_stack *added = &samples->stacks[samples->stack_count++];

	*added = *stack;
	added->frame_start = (uint32_t)samples->frame_count;
	if (count)
		memcpy(samples->frames + samples->frame_count, frames, count * sizeof(*frames));
	samples->frame_count += count;
	*slot = (uint32_t)samples->stack_count;
	*ret = *slot - 1;
	return 0;
}

int fg_samples_add(struct fg_samples *samples, const struct fg_raw_sample *sample,
		   const struct fg_raw_stack *stack, const uint64_t *frames, struct fg_err *err)
{
	uint32_t index;

	if (samples->count == FG_SAMPLES_MAX) {
		samples->dropped++;
		return 0;
	}
	int rc = intern(samples, stack, frames, &index, err);

	if (rc > 0) {
		samples->dropped++;
		return 0;
	}
	if (!rc)
		rc = FG_VEC_ROOM(samples, items, count, capacity, FG_SAMPLES_MAX, err);
	if (rc)
		return rc;
	samples->items[samples->count] = *sample;
	samples->items[samples->count++].stack = index;
	if (sample->type != FG_SAMPLE_CPU)
		return 0;
	samples->cpu++;
	if (stack->result == FG_BPF_COMPLETE && !stack->guessed)
		samples->complete++;
	else if (stack->result == FG_BPF_KERNEL_ONLY)
		samples->kernel_only++;
	return 0;
}

int64_t fg_samples_stack(struct fg_samples *samples, const struct fg_raw_stack *stack,
			 const uint64_t *frames, struct fg_err *err)
{
	uint32_t index;
	int rc = intern(samples, stack, frames, &index, err);

	if (rc < 0)
		return rc;
	samples->dropped += rc > 0;
	return rc ? FG_SAMPLES_NO_ROOM : (int64_t)index;
}
