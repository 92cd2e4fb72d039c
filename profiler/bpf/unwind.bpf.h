/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The unwinder: one frame per call of one global function.
 *
 * A global function is verified once, with unknown input, so 128 calls cost the verifier no more
 * than one; it takes no pointers because kernels before 5.12 refuse those. Both searches are free
 * of data-dependent branches: with branches the verifier walks 415 000 instructions, without them a
 * few thousand (reference/ebpf.md §1.4). The empty asm statements keep clang from turning
 * the arithmetic back into branches.
 *
 * Callers repeat: what the searches found for a return address is remembered per CPU, and most
 * frames cost one cache line instead of ten.
 */
#ifndef FG_PROFILER_BPF_UNWIND_H
#define FG_PROFILER_BPF_UNWIND_H

#include "profiler/bpf/arch.bpf.h"

#define FG_OPAQUE(x) asm volatile("" : "+r"(x))
#define FG_MIX(x)    ((x)*0x9e3779b97f4a7c15ull)

enum { FG_GO_ON = 0, FG_ENDED = 1 };
enum { FG_SAVED_MAX = 16 };
enum { FG_WINDOW_BYTES = 256, FG_PAGE_BYTES = 4096 }; /* powers of two */
#define FG_GUESS_REACH (1ull << 20) /* RBP further up than this is data, not a frame */

struct fg_unwind_state {
	struct fg_arch_regs regs;
	__u64 window[FG_WINDOW_BYTES / 8]; /* of the stack, as far as it was read */
	__u64 window_start, window_bytes;
	__u64 chain;          /* all frames of the kernel's stack so far, in one word */
	__u64 pc, frame, row; /* what is looked up, and what was found */
	__u64 miss;           /* the address that no mapping holds, or 0 */
	__u64 fault;          /* an address that could not be read, or 0 */
	struct fg_bpf_range space;
	__u32 slot;    /* of fg_state: this one */
	__u32 mapping; /* of the frame before: the next one is often in the same */
	__u64 cfa;     /* what fg_find_cfa() found */
	__u64 leaf;    /* 1: so far no frame was left that had a word on the stack */
	__u64 guess;   /* FG_FRAME_GUESSED when the frame at ip was found by a guess */
	struct fg_bpf_sample sample;
};

/* One slot per program that unwinds: an interrupt's may come amid another's. */
enum { FG_SLOT_CPU, FG_SLOT_OFFCPU, FG_SLOT_FAULT, FG_SLOT_COUNT };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FG_SLOT_COUNT);
	__type(key, __u32);
	__type(value, struct fg_unwind_state);
} fg_state SEC(".maps");

/* What a return address was found to be. A sample may be taken in the middle of another's write:
 * the check binds the parts to each other, to the address and to the space's generation, so that a
 * mixture is nobody's. */
struct fg_known_frame {
	__u64 check;
	__u64 frame; /* module and address */
	__u64 row;   /* struct fg_unwind_row */
	__u64 reserved;
};
enum { FG_KNOWN_SHIFT = 9 };
struct fg_known_frames {
	struct fg_known_frame items[1 << FG_KNOWN_SHIFT];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_known_frames);
} fg_known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_arena);
} fg_arena SEC(".maps");

/* Sizes, not types: clang 14 leaves the value type of an inner map out of the BTF. */
struct fg_shard_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct fg_bpf_shard));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FG_SHARDS_MAX);
	__type(key, __u32);
	__array(values, struct fg_shard_map);
} fg_shards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_pages);
} fg_pages SEC(".maps");

/* The last of [first, first + count) that starts at or below pc; the first one if none does. */
static __always_inline __u64 fg_find_mapping(const struct fg_bpf_arena *arena,
					     const struct fg_bpf_range *space, __u64 pc)
{
	__u64 at = space->first, last = at + space->count - 1;

#pragma unroll
	for (int i = FG_MAPPINGS_SHIFT - 1; i >= 0; i--) {
		__u64 candidate = at + (1ull << i);
		__u64 beyond = (last - candidate) >> 63;

		FG_OPAQUE(beyond);
		__u64 look = candidate + beyond * (last - candidate);
		__u64 above = (pc - arena->starts[look & (FG_ARENA_MAX - 1)]) >> 63 | beyond;

		FG_OPAQUE(above);
		at += (above ^ 1) << i;
		FG_OPAQUE(at);
	}
	return at & (FG_ARENA_MAX - 1);
}

/* A row in one word, so that nobody reads half of one. */
static __always_inline __u8 fg_row_kind_of(__u64 row)
{
	return (__u8)(row >> 56);
}

static __always_inline __s64 fg_row_rbp_offset_8(__u64 row)
{
	return (__s8)(row >> 48);
}

static __always_inline __u64 fg_row_cfa_offset(__u64 row)
{
	return (__u64)((__s64)(__s16)(row >> 32) * 8);
}

static __always_inline __u64 fg_row_of_kind(__u8 kind)
{
	return (__u64)kind << 56;
}

/* The last row at or below vaddr between the page's first row and the next page's. */
static __always_inline __u64 fg_find_row(__u32 shard_index, __u64 page, __u64 vaddr)
{
	__u32 zero = 0;
	const struct fg_bpf_pages *pages = bpf_map_lookup_elem(&fg_pages, &zero);
	void *shard_map = bpf_map_lookup_elem(&fg_shards, &shard_index);

	if (!pages || !shard_map)
		return 0;
	const struct fg_bpf_shard *shard = bpf_map_lookup_elem(shard_map, &zero);

	if (!shard)
		return 0;
	__u64 at = pages->first[page & (FG_PAGES_MAX - 1)];
	__u64 last = pages->first[(page + 1) & (FG_PAGES_MAX - 1)];

#pragma unroll
	for (int i = FG_PAGE_SHIFT; i >= 0; i--) {
		__u64 candidate = at + (1ull << i);
		__u64 beyond = (last - candidate) >> 63;

		/* Steps too wide for this page all look at its last row: looking further out
		 * would fetch a cold cache line each. */
		FG_OPAQUE(beyond);
		__u64 look = candidate + beyond * (last - candidate);
		__u64 address = shard->rows[look & (FG_ROWS_PER_SHARD - 1)].address;
		__u64 above = (vaddr - address) >> 63 | beyond;

		FG_OPAQUE(above);
		at += (above ^ 1) << i;
		FG_OPAQUE(at);
	}
	__u64 row = *(const volatile __u64 *)&shard->rows[at & (FG_ROWS_PER_SHARD - 1)];

	return (__u32)row <= vaddr ? row : 0;
}

static __always_inline int fg_end(struct fg_unwind_state *state, __u8 result)
{
	state->sample.result = result;
	return FG_ENDED;
}

static __always_inline void fg_emit(struct fg_unwind_state *state, __u64 frame)
{
	__u32 slot = (__u32)state->sample.kernel_count + state->sample.user_count;

	state->sample.frames[slot & (FG_SAMPLE_FRAMES - 1)] = frame | state->guess;
	state->sample.user_count++;
}

static __always_inline bool fg_in_window(const struct fg_unwind_state *state, __u64 address,
					 __u64 bytes)
{
	__u64 offset = address - state->window_start;

	return offset < state->window_bytes && offset + bytes <= state->window_bytes;
}

/* Makes sure that [address, address + bytes) of the stack, the kernel's or user space's, is in the
 * window. Reading is what costs, not how much: a window serves several frames. It ends where the
 * page does, so that it cannot fail where the frame alone would not. */
static __always_inline bool fg_see(struct fg_unwind_state *state, __u64 address, __u64 bytes,
				   bool kernel)
{
	if (fg_in_window(state, address, bytes))
		return true;
	__u64 more = FG_PAGE_BYTES - (address & (FG_PAGE_BYTES - 1));

	if (more < bytes)
		more = bytes;
	FG_OPAQUE(more);
	if (more > FG_WINDOW_BYTES)
		more = FG_WINDOW_BYTES;
	state->window_start = address;
	state->window_bytes = more;
	if (kernel ? !bpf_probe_read_kernel(state->window, more, (const void *)address)
		   : !bpf_probe_read_user(state->window, more, (const void *)address))
		return true;
	state->window_bytes = 0;
	if (!kernel)
		state->fault = address;
	return false;
}

static __always_inline __u64 fg_seen(const struct fg_unwind_state *state, __u64 address)
{
	__u64 offset = address - state->window_start;

	return state->window[offset / sizeof(__u64) & (FG_WINDOW_BYTES / sizeof(__u64) - 1)];
}

#if defined(__TARGET_ARCH_arm64)
#include "profiler/bpf/step_arm64.bpf.h"
#else
#include "profiler/bpf/step_x86.bpf.h"
#endif

static __always_inline int fg_step_signal(struct fg_unwind_state *state)
{
	if (!fg_arch_signal(&state->regs))
		return fg_end(state, FG_BPF_READ_FAULT);
	state->guess = 0;
	state->leaf = 0;
	return FG_GO_ON;
}

static __always_inline int fg_step(struct fg_unwind_state *state, __u64 row)
{
	__u8 kind = fg_row_kind_of(row);

	if (kind == FG_ROW_NONE)
		return fg_step_frame_pointer(state, FG_FRAME_GUESSED, FG_BPF_GAP, false);
	if (kind == FG_ROW_STOP)
		return fg_end(state, FG_BPF_COMPLETE);
	if (kind == FG_ROW_SIGNAL)
		return fg_step_signal(state);
	if (kind == FG_ROW_FRAME_POINTER)
		return fg_step_frame_pointer(state, 0, FG_BPF_BAD, fg_row_cfa_offset(row) != 0);
	if (kind == FG_ROW_UNSUPPORTED || !fg_names_cfa(kind))
		return fg_end(state, FG_BPF_UNSUPPORTED);
	return fg_step_cfa(state, row);
}

/* An address in no mapping says nothing to the reader, and where a set-uid child lies in memory is
 * not for its parent's user to know: it is not sent. */
static __always_inline int fg_miss(struct fg_unwind_state *state, __u64 pc)
{
	state->miss = pc;
	fg_emit(state, (__u64)FG_MODULE_NONE << FG_FRAME_MODULE_SHIFT);
	return fg_end(state, FG_BPF_NO_MAPPING);
}

/* The row of code that has no rows of its own. */
static __always_inline __u64 fg_row_of_mapping(const struct fg_bpf_mapping *mapping)
{
	return fg_row_of_kind(mapping->kind == FG_MAP_JIT ? FG_ROW_FRAME_POINTER : FG_ROW_NONE);
}

/* Mapping and row of state->pc by the two searches, into state->frame and state->row; 0 where
 * nothing is mapped. A function of its own, so that the verifier goes through the searches once. */
__attribute__((noinline)) int fg_find_frame(__u32 slot)
{
	__u32 zero = 0;
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	const struct fg_bpf_arena *arena = bpf_map_lookup_elem(&fg_arena, &zero);

	if (!state || !arena || !state->space.count)
		return 0;
	__u64 index = state->mapping & (FG_ARENA_MAX - 1), pc = state->pc;
	const struct fg_bpf_mapping *mapping = &arena->mappings[index];

	if (pc < arena->starts[index] || pc >= mapping->end ||
	    mapping->generation != state->space.generation) {
		index = fg_find_mapping(arena, &state->space, pc);
		mapping = &arena->mappings[index];
	}
	if (pc < arena->starts[index] || pc >= mapping->end ||
	    mapping->generation != state->space.generation)
		return 0;
	state->mapping = (__u32)index;
	__u64 vaddr = pc - mapping->bias;

	state->frame = (vaddr & FG_FRAME_ADDRESS_MASK) | (__u64)mapping->module
								 << FG_FRAME_MODULE_SHIFT;
	__u64 page = mapping->first_page + (vaddr >> FG_PAGE_SHIFT) - mapping->vaddr_pages;

	state->row = mapping->kind == FG_MAP_ROWS ? fg_find_row(mapping->shard, page, vaddr)
						  : fg_row_of_mapping(mapping);
	return 1;
}

static __always_inline __u64 fg_known_check(__u64 pc, __u64 generation, __u64 frame, __u64 row)
{
	return FG_MIX(FG_MIX(FG_MIX(pc) ^ generation) ^ frame) ^ row;
}

/* The same through what is remembered. Where a loop was interrupted hardly repeats: only return
 * addresses are kept. */
static __always_inline bool fg_recall(struct fg_unwind_state *state, __u32 slot, __u64 pc,
				      __u64 *ret_frame, __u64 *ret_row)
{
	__u32 zero = 0;
	struct fg_known_frames *frames = bpf_map_lookup_elem(&fg_known, &zero);
	__u64 generation = state->space.generation;

	if (!frames)
		return false;
	volatile struct fg_known_frame *known = &frames->items[FG_MIX(pc) >> (64 - FG_KNOWN_SHIFT)];

	*ret_frame = known->frame;
	*ret_row = known->row;
	if (known->check == fg_known_check(pc, generation, *ret_frame, *ret_row) && generation)
		return true;
	state->pc = pc;
	if (!fg_find_frame(slot))
		return false;
	*ret_frame = state->frame;
	*ret_row = state->row;
	if (state->regs.returned && generation) {
		known->frame = *ret_frame;
		known->row = *ret_row;
		known->check = fg_known_check(pc, generation, *ret_frame, *ret_row);
	}
	return true;
}

/* Records the frame at state->regs.ip and moves to its caller. The argument is the slot of
 * fg_state; a number, because that makes the signature one that every kernel accepts. */
__attribute__((noinline)) int fg_unwind_frame(__u32 slot)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	__u64 frame, row;

	if (!state)
		return FG_ENDED;
	__u64 pc = state->regs.ip - state->regs.returned;

	if (pc >> FG_ARCH_USER_BITS || !fg_recall(state, slot, pc, &frame, &row))
		return fg_miss(state, pc);
	fg_emit(state, frame);
	return fg_step(state, row);
}

#endif
