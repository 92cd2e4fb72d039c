/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The unwinder: one frame per call of one global function.
 *
 * A global function is verified once, with unknown input, so 128 calls cost the verifier no more
 * than one; it takes no pointers because kernels before 5.12 refuse those. Both searches are free
 * of data-dependent branches: with branches the verifier walks 415 000 instructions, without them a
 * few thousand (reference/ebpf.md §1.4). The empty asm statements keep clang from turning
 * the arithmetic back into branches.
 */
#ifndef FG_PROFILER_BPF_UNWIND_H
#define FG_PROFILER_BPF_UNWIND_H

#define FG_OPAQUE(x) asm volatile("" : "+r"(x))

enum { FG_GO_ON = 0, FG_ENDED = 1 };
enum { FG_SAVED_MAX = 16 };         /* a power of two */
#define FG_GUESS_REACH (1ull << 20) /* RBP further up than this is data, not a frame */

struct fg_unwind_state {
	__u64 ip, sp, bp;
	__u64 saved[FG_SAVED_MAX]; /* what lies below the CFA: from RBP up to the return address */
	__u64 miss;                /* the address that no mapping holds, or 0 */
	__u32 space;
	__u32 mapping;  /* of the frame before: the next one is often in the same */
	__u32 returned; /* 1: ip is a return address, look up ip − 1 */
	__u64 guess;    /* FG_FRAME_GUESSED when the frame at ip was found by a guess */
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

/* Sizes, not types: clang 14 leaves the value type of an inner map out of the BTF. */
struct fg_space_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct fg_bpf_space));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FG_SPACES_MAX);
	__type(key, __u32);
	__array(values, struct fg_space_map);
} fg_spaces SEC(".maps");

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

/* 1 if a >= b, for values below 2^63. */
static __always_inline __u64 fg_at_least(__u64 a, __u64 b)
{
	__u64 bit = (a - b) >> 63;

	FG_OPAQUE(bit);
	return bit ^ 1;
}

/* The last mapping that starts at or below pc; the first one if none does. */
static __always_inline __u32 fg_find_mapping(const struct fg_bpf_space *space, __u64 pc)
{
	__u64 at = 0;

#pragma unroll
	for (int i = 8; i >= 0; i--) {
		__u64 candidate = (at + (1ull << i)) & (FG_MAPPINGS_MAX - 1);

		at += fg_at_least(pc, space->starts[candidate]) << i;
		FG_OPAQUE(at);
	}
	return (__u32)at & (FG_MAPPINGS_MAX - 1);
}

/* The last row at or below vaddr between the page's first row and the next page's. */
static __always_inline const struct fg_unwind_row *fg_find_row(const struct fg_bpf_mapping *mapping,
							       __u64 vaddr)
{
	__u32 zero = 0, shard_index = mapping->shard;
	const struct fg_bpf_pages *pages = bpf_map_lookup_elem(&fg_pages, &zero);
	void *shard_map = bpf_map_lookup_elem(&fg_shards, &shard_index);

	if (!pages || !shard_map)
		return 0;
	const struct fg_bpf_shard *shard = bpf_map_lookup_elem(shard_map, &zero);

	if (!shard)
		return 0;
	__u64 page = mapping->first_page + (vaddr >> FG_PAGE_SHIFT) - mapping->vaddr_pages;
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
	const struct fg_unwind_row *row = &shard->rows[at & (FG_ROWS_PER_SHARD - 1)];

	return row->address <= vaddr ? row : 0;
}

static __always_inline int fg_end(struct fg_unwind_state *state, __u8 result)
{
	state->sample.result = result;
	return FG_ENDED;
}

static __always_inline void fg_emit(struct fg_unwind_state *state, __u64 module, __u64 address)
{
	__u32 slot = (__u32)state->sample.kernel_count + state->sample.user_count;

	state->sample.frames[slot & (FG_SAMPLE_FRAMES - 1)] =
		(address & FG_FRAME_ADDRESS_MASK) | module << FG_FRAME_MODULE_SHIFT | state->guess;
	state->sample.user_count++;
}

/* No rule: try the frame pointer if it looks like one. Libraries without unwind data and JIT code
 * often keep it; the frame found this way is marked, the stack does not count as complete. */
static __always_inline int fg_step_frame_pointer(struct fg_unwind_state *state, __u64 mark,
						 __u8 failure)
{
	__u64 pair[2];

	if (state->bp < state->sp || state->bp - state->sp >= FG_GUESS_REACH || (state->bp & 7))
		return fg_end(state, failure);
	if (bpf_probe_read_user(pair, sizeof(pair), (const void *)state->bp))
		return fg_end(state, FG_BPF_READ_FAULT);
	if (pair[1] < 4096)
		return fg_end(state, failure);
	state->sp = state->bp + sizeof(pair);
	state->bp = pair[0];
	state->ip = pair[1];
	state->returned = 1;
	state->guess = mark;
	if (mark && state->sample.guessed < 255)
		state->sample.guessed++;
	return FG_GO_ON;
}

/* __restore_rt: RSP points to the ucontext; its gregs start at +40. The interrupted address is no
 * return address, and the interrupted stack may be anywhere (sigaltstack). */
static __always_inline int fg_step_signal(struct fg_unwind_state *state)
{
	enum { UCONTEXT_RBP = 40 + 8 * 10, RBP = 0, RSP = 5, RIP = 6, REGS = 7 };
	__u64 regs[REGS];

	if (bpf_probe_read_user(regs, sizeof(regs), (const void *)(state->sp + UCONTEXT_RBP)))
		return fg_end(state, FG_BPF_READ_FAULT);
	state->ip = regs[RIP];
	state->sp = regs[RSP];
	state->bp = regs[RBP];
	state->returned = 0;
	state->guess = 0;
	return FG_GO_ON;
}

/* The CFA of a row that names one; 0 when it cannot be read. */
static __always_inline __u64 fg_cfa(const struct fg_unwind_state *state,
				    const struct fg_unwind_row *row)
{
	__u64 offset = (__u64)((__s64)row->cfa_offset_8 * 8);
	__u64 value = 0;

	switch (row->kind) {
	case FG_ROW_RSP:
		return state->sp + offset;
	case FG_ROW_RBP:
		return state->bp + offset;
	case FG_ROW_PLT:
		return state->sp + 8 + ((state->ip & 15) >= 11 ? 8 : 0);
	case FG_ROW_DEREF_RSP:
	case FG_ROW_DEREF_RSP_8:
		if (bpf_probe_read_user(&value, sizeof(value), (const void *)(state->sp + offset)))
			return 0;
		return value + (row->kind == FG_ROW_DEREF_RSP_8 ? 8 : 0);
	default:
		if (bpf_probe_read_user(&value, sizeof(value), (const void *)(state->bp + offset)))
			return 0;
		return value + (row->kind == FG_ROW_DEREF_RBP_8 ? 8 : 0);
	}
}

static __always_inline int fg_step_cfa(struct fg_unwind_state *state,
				       const struct fg_unwind_row *row)
{
	__u64 cfa = fg_cfa(state, row);
	__u64 words = (__u64) - (__s64)row->rbp_offset_8; /* from the saved RBP up to the CFA */

	if (!cfa)
		return fg_end(state, FG_BPF_READ_FAULT);
	/* Only a leaf that has pushed nothing may stay in place, and even it pops the address. */
	if (cfa <= state->sp)
		return fg_end(state, FG_BPF_BAD);
	/* One read for both where they lie close together, which is nearly always. */
	bool together = words >= 2 && words < FG_SAVED_MAX;

	if (!together)
		words = 1;
	FG_OPAQUE(words); /* or clang drops the mask, which the verifier needs */
	words &= FG_SAVED_MAX - 1;
	if (bpf_probe_read_user(state->saved, words * sizeof(__u64),
				(const void *)(cfa - words * sizeof(__u64))))
		return fg_end(state, FG_BPF_READ_FAULT);
	if (together) {
		state->bp = state->saved[0];
	} else if (row->rbp_offset_8 != FG_RBP_SAME) {
		__u64 saved = cfa + (__u64)((__s64)row->rbp_offset_8 * 8);

		if (bpf_probe_read_user(&state->bp, sizeof(state->bp), (const void *)saved))
			return fg_end(state, FG_BPF_READ_FAULT);
	}
	state->ip = state->saved[(words - 1) & (FG_SAVED_MAX - 1)];
	state->sp = cfa;
	state->returned = 1;
	state->guess = 0;
	return FG_GO_ON;
}

static __always_inline int fg_step(struct fg_unwind_state *state, const struct fg_unwind_row *row)
{
	if (!row || row->kind == FG_ROW_NONE)
		return fg_step_frame_pointer(state, FG_FRAME_GUESSED, FG_BPF_GAP);
	if (row->kind == FG_ROW_STOP)
		return fg_end(state, FG_BPF_COMPLETE);
	if (row->kind == FG_ROW_SIGNAL)
		return fg_step_signal(state);
	if (row->kind == FG_ROW_FRAME_POINTER)
		return fg_step_frame_pointer(state, 0, FG_BPF_BAD);
	if (row->kind == FG_ROW_UNSUPPORTED || row->kind > FG_ROW_DEREF_RBP_8)
		return fg_end(state, FG_BPF_UNSUPPORTED);
	return fg_step_cfa(state, row);
}

/* An address in no mapping says nothing to the reader, and where a set-uid child lies in memory is
 * not for its parent's user to know: it is not sent. */
static __always_inline int fg_miss(struct fg_unwind_state *state, __u64 pc)
{
	state->miss = pc;
	fg_emit(state, FG_MODULE_NONE, 0);
	return fg_end(state, FG_BPF_NO_MAPPING);
}

/* Records the frame at state->ip and moves to its caller. The argument is the slot of fg_state; a
 * number, because that makes the signature one that every kernel accepts. */
__attribute__((noinline)) int fg_unwind_frame(__u32 slot)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);

	if (!state)
		return FG_ENDED;
	__u64 pc = state->ip - state->returned;
	__u32 space_index = state->space, zero = 0;
	void *space_map = bpf_map_lookup_elem(&fg_spaces, &space_index);
	const struct fg_bpf_space *space = 0;

	if (space_map)
		space = bpf_map_lookup_elem(space_map, &zero);
	if (!space || pc >> 47)
		return fg_miss(state, pc);
	__u32 index = state->mapping & (FG_MAPPINGS_MAX - 1);

	if (pc < space->starts[index] || pc >= space->mappings[index].end)
		index = fg_find_mapping(space, pc);
	const struct fg_bpf_mapping *mapping = &space->mappings[index & (FG_MAPPINGS_MAX - 1)];

	if (pc < space->starts[index & (FG_MAPPINGS_MAX - 1)] || pc >= mapping->end)
		return fg_miss(state, pc);
	state->mapping = index;
	__u64 vaddr = pc - mapping->bias;

	fg_emit(state, mapping->module, vaddr);
	if (mapping->kind != FG_MAP_ROWS)
		return fg_step_frame_pointer(state, FG_FRAME_GUESSED, FG_BPF_GAP);
	return fg_step(state, fg_find_row(mapping, vaddr));
}

#endif
