/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The kernel's own stack by the kernel's own unwind table (ORC): x86-64. Part of kernel_walk.bpf.h.
 *
 * bpf_get_stack() searches two tables for each frame, every time: with cold caches that took half
 * of a sample's cost. User space has copied the table into our rows (kernel_rows.h), and kernel
 * frames repeat more than a program's do, so what a row says of an address is remembered here as
 * well. The steps are those of unwind_next_frame() in arch/x86/kernel/unwind_orc.c. Whatever this
 * walk does not know (modules, BPF programs, trampolines, entry code) is the kernel's to walk, from
 * the start. And it is not believed blindly: now and then both walk, and when they differ this one
 * is switched off.
 */
#ifndef FG_PROFILER_BPF_ORC_X86_H
#define FG_PROFILER_BPF_ORC_X86_H

enum {
	FG_ORC_KNOWN_SHIFT = 10,
	FG_ORC_CHECKS_FIRST = 64, /* walks of a CPU that are all checked, */
	FG_ORC_CHECK_EVERY = 256, /* and one of how many after that; a power of two */
	FG_ORC_GIVEN_UP = 256,    /* walks of a CPU: what may be said of its target */
};

struct fg_orc_known {
	__u64 ip, row;
};
struct fg_orc_known_rows {
	struct fg_orc_known items[1 << FG_ORC_KNOWN_SHIFT];
};
/* Only the sampler writes and reads it, and nothing interrupts that on its CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_orc_known_rows);
} fg_orc_rows SEC(".maps");

/* This walk is lost: it has to be begun anew, by the kernel. */
static __always_inline int fg_kernel_give_up(struct fg_unwind_state *state)
{
	state->sample.kernel_count = 0;
	return FG_ENDED;
}

/* What the table says of state->pc, counted from the start of the kernel's text, into state->row. A
 * function of its own, as fg_find_frame(). */
__attribute__((noinline)) int fg_orc_find(__u32 slot)
{
	__u32 zero = 0;
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	const struct fg_bpf_kernel_table *table = bpf_map_lookup_elem(&fg_kernel_table, &zero);

	if (!state || !table)
		return 0;
	__u64 offset = state->pc, second = (table->parts[1].start - 1 - offset) >> 63;
	__u64 third = (table->parts[2].start - 1 - offset) >> 63;

	FG_OPAQUE(second);
	FG_OPAQUE(third);
	const struct fg_bpf_kernel_part *part =
		third ? &table->parts[2] : &table->parts[second & 1];

	state->row = fg_find_row(
		part->shard, part->first_page + ((offset - part->start) >> FG_PAGE_SHIFT), offset);
	return 0;
}

static __always_inline __u64 fg_orc_recall(struct fg_unwind_state *state, __u32 slot, __u64 offset)
{
	__u32 zero = 0;
	struct fg_orc_known_rows *rows = bpf_map_lookup_elem(&fg_orc_rows, &zero);

	if (!rows)
		return 0;
	struct fg_orc_known *known = &rows->items[FG_MIX(offset) >> (64 - FG_ORC_KNOWN_SHIFT)];

	if (known->ip == offset)
		return known->row;
	state->pc = offset;
	fg_orc_find(slot);
	/* Where a loop was interrupted hardly repeats. */
	if (state->regs.returned) {
		known->ip = offset;
		known->row = state->row;
	}
	return state->row;
}

/* The stack from `address` on into the window; false: it cannot be read. A function of its own, for
 * the verifier's sake. */
__attribute__((noinline)) int fg_kernel_see(__u32 slot, __u64 address)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);

	return state && fg_see(state, address, sizeof(__u64), true);
}

/* The word at `address` of the kernel's stack. */
static __always_inline bool fg_kernel_word(struct fg_unwind_state *state, __u32 slot, __u64 address,
					   __u64 *ret)
{
	bool ok = fg_in_window(state, address, sizeof(__u64)) || fg_kernel_see(slot, address);

	*ret = fg_seen(state, address);
	return ok;
}

/* Registers that an interrupt or a system call saved. The walk ends where they are user space's. */
static __always_inline int fg_orc_regs(struct fg_unwind_state *state, __u32 slot, __u64 place,
				       bool signal)
{
	enum { BP = 4, IP = 16, SP = 19 };
	struct fg_arch_regs *regs = &state->regs;

	regs->returned = !signal;
	if (!fg_kernel_word(state, slot, place + BP * sizeof(__u64), &regs->bp) ||
	    !fg_kernel_word(state, slot, place + IP * sizeof(__u64), &regs->ip) ||
	    !fg_kernel_word(state, slot, place + SP * sizeof(__u64), &regs->sp))
		return fg_kernel_give_up(state);
	return (__s64)regs->ip < 0 ? FG_GO_ON : FG_ENDED;
}

static __always_inline bool fg_orc_cfa(struct fg_unwind_state *state, __u32 slot, __u64 row,
				       __u64 *ret)
{
	__u64 offset = fg_row_cfa_offset(row), base = state->regs.sp;
	__u8 how = fg_row_kind_of(row) & FG_ORC_BASE;
	bool ok = true;

	if (how == FG_ORC_BASE_BP || how == FG_ORC_BASE_BP_INDIRECT)
		base = state->regs.bp;
	/* The way from the interrupts' stack back to the thread's. */
	if (how == FG_ORC_BASE_SP_INDIRECT) {
		ok = fg_kernel_word(state, slot, base, &base);
	}
	base += offset;
	if (how == FG_ORC_BASE_BP_INDIRECT) {
		ok = fg_kernel_word(state, slot, base, &base);
	}
	*ret = base;
	return ok;
}

static __always_inline int fg_orc_step(struct fg_unwind_state *state, __u32 slot, __u64 row)
{
	struct fg_arch_regs *regs = &state->regs;
	__u8 kind = fg_row_kind_of(row);
	__s64 bp_offset_8 = fg_row_rbp_offset_8(row);
	bool ok = true;
	__u64 cfa;

	if (kind == FG_ORC_END)
		return FG_ENDED;
	if (!(kind & (FG_ORC_CALL | FG_ORC_REGS)) || !fg_orc_cfa(state, slot, row, &cfa))
		return fg_kernel_give_up(state);
	/* Callers lie above, but for those on the other stack. */
	if (cfa <= regs->sp && kind & FG_ORC_CALL && !(kind & FG_ORC_INDIRECT))
		return fg_kernel_give_up(state);
	if (kind & FG_ORC_REGS)
		return fg_orc_regs(state, slot, cfa, kind & FG_ORC_SIGNAL);
	/* The saved one lies below: reading it first, the window holds both. */
	if (bp_offset_8 != FG_RBP_SAME) {
		__u64 base = kind & FG_ORC_BP_FROM_BP ? regs->bp : cfa;

		ok = fg_kernel_word(state, slot, base + (__u64)(bp_offset_8 * 8), &regs->bp);
	}
	ok = ok && fg_kernel_word(state, slot, cfa - sizeof(__u64), &regs->ip);
	regs->sp = cfa;
	regs->returned = !(kind & FG_ORC_SIGNAL);
	return ok ? FG_GO_ON : fg_kernel_give_up(state);
}

/* As fg_unwind_frame(), for one of the kernel's. */
__attribute__((noinline)) int fg_kernel_frame(__u32 slot)
{
	__u32 zero = 0;
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	const struct fg_bpf_kernel_table *table = bpf_map_lookup_elem(&fg_kernel_table, &zero);

	if (!state || !table)
		return FG_ENDED;
	__u64 ip = state->regs.ip, count = state->sample.kernel_count, offset = ip - table->text;

	if (offset >= table->text_bytes)
		return fg_kernel_give_up(state);
	state->sample.frames[count & (FG_KERNEL_FRAMES_MAX - 1)] = ip;
	state->sample.kernel_count = (__u16)(count + 1);
	state->chain = FG_MIX(state->chain ^ ip);
	return fg_orc_step(state, slot, fg_orc_recall(state, slot, offset - state->regs.returned));
}

/* Whether the kernel's walk, behind ours in `frames` and with zeros after it, is the same. */
__attribute__((noinline)) int fg_kernel_same(__u32 slot)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	__u64 chain = 0;

	if (!state)
		return 0;
	for (__u32 i = FG_KERNEL_FRAMES_MAX; i < 2 * FG_KERNEL_FRAMES_MAX; i++) {
		__u64 ip = state->sample.frames[i];

		if (!ip)
			break;
		chain = FG_MIX(chain ^ ip);
	}
	return chain == state->chain;
}

/* The frames of an interrupted kernel; false: none, or the kernel has to say. The sampler's alone.
 */
static __always_inline bool fg_kernel_walk(struct bpf_perf_event_data *ctx,
					   struct fg_unwind_state *state,
					   struct fg_bpf_stats *stats)
{
	__u32 zero = 0;
	struct fg_bpf_kernel_table *table = bpf_map_lookup_elem(&fg_kernel_table, &zero);

	if (!table || !table->text_bytes || fg_arch_in_user(ctx))
		return false;
	/* Where most stacks lead through modules both would walk. */
	if (stats->kernel_given_up > FG_ORC_GIVEN_UP &&
	    stats->kernel_given_up > 2 * stats->kernel_walks)
		return false;
	fg_arch_interrupted(ctx, &state->regs);
	state->chain = 0;
	for (int i = 0; i < FG_KERNEL_FRAMES_MAX; i++) {
		if (fg_kernel_frame(FG_SLOT_CPU))
			break;
	}
	state->window_bytes = 0; /* it was of the kernel's stack */
	if (!state->sample.kernel_count) {
		stats->kernel_given_up++;
		return false;
	}
	__u64 walks = stats->kernel_walks++;

	if (walks >= FG_ORC_CHECKS_FIRST && walks % FG_ORC_CHECK_EVERY && !fg_oracle)
		return true;
	long got = bpf_get_stack(ctx, state->sample.frames + FG_KERNEL_FRAMES_MAX,
				 FG_KERNEL_FRAMES_MAX * sizeof(__u64), 0);

	stats->kernel_checks++;
	if (got == state->sample.kernel_count * (long)sizeof(__u64) && fg_kernel_same(FG_SLOT_CPU))
		return true;
	stats->kernel_differ++;
	table->text_bytes = 0;
	state->sample.kernel_count = 0;
	return false;
}

#endif
