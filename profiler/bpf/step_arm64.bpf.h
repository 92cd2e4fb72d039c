/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From a frame to its caller by one row: AArch64. Part of unwind.bpf.h.
 *
 * A frame record at X29 tells the caller's X29 and where it goes on, not its SP: the record may lie
 * anywhere in its frame. The first row behind such a step finds SP again: where the pair is saved
 * is where X29 points, in all code that keeps one, so SP = X29 − (S − SP). That is a guess and is
 * marked. */
#ifndef FG_PROFILER_BPF_STEP_ARM64_H
#define FG_PROFILER_BPF_STEP_ARM64_H

static __always_inline void fg_mark(struct fg_unwind_state *state, __u64 mark)
{
	state->guess = mark;
	if (mark && state->sample.guessed < 255)
		state->sample.guessed++;
}

/* No rule, or the rule that X29 is right (`mark` 0). The frame may lie on another stack when `far`.
 */
static __always_inline int fg_step_frame_pointer(struct fg_unwind_state *state, __u64 mark,
						 __u8 failure, bool far)
{
	struct fg_arch_regs *regs = &state->regs;
	__u64 frame = regs->bp, ip;

	if ((!far && regs->bp - regs->sp >= FG_GUESS_REACH) || (regs->bp & 7))
		return fg_end(state, failure);
	if (!fg_see(state, frame, 2 * sizeof(__u64), false))
		return fg_end(state, FG_BPF_READ_FAULT);
	ip = fg_arch_plain(fg_seen(state, frame + sizeof(__u64)));
	if (ip < 4096)
		return fg_end(state, failure);
	regs->bp = fg_seen(state, frame);
	regs->sp = frame + 2 * sizeof(__u64);
	regs->ip = ip;
	regs->lr = 0;
	regs->returned = 1;
	regs->adrift = 1;
	fg_mark(state, mark);
	return FG_GO_ON;
}

/* What the base must be for the slot to be where X29 points; 0 when the row does not tell. */
static __always_inline __u64 fg_base_by_record(const struct fg_arch_regs *regs, __u64 row)
{
	__u64 slot = (__u64)(fg_row_rbp_offset_8(row) * 8);
	__u8 kind = fg_row_kind_of(row);
	__u8 pair = FG_A64_SAVES_LR | FG_A64_SAVES_FP;

	if ((kind & pair) != pair)
		return 0;
	return regs->bp - slot - (kind & FG_A64_FROM_BASE ? 0 : fg_row_cfa_offset(row));
}

/* The caller's X29 and return address, of what is saved. */
static __always_inline bool fg_take_saved(struct fg_unwind_state *state, __u8 kind, __u64 slot)
{
	struct fg_arch_regs *regs = &state->regs;
	__u64 words = kind & FG_A64_SAVES_FP && kind & FG_A64_SAVES_LR ? 2 : 1;

	if (!(kind & (FG_A64_SAVES_FP | FG_A64_SAVES_LR)))
		return true;
	FG_OPAQUE(words);
	if (!fg_see(state, slot, words * sizeof(__u64), false))
		return false;
	if (kind & FG_A64_SAVES_LR)
		regs->lr = fg_seen(state, slot + (words - 1) * sizeof(__u64));
	if (kind & FG_A64_SAVES_FP)
		regs->bp = fg_seen(state, slot);
	return true;
}

static __always_inline int fg_step_cfa(struct fg_unwind_state *state, __u64 row)
{
	struct fg_arch_regs *regs = &state->regs;
	__u8 kind = fg_row_kind_of(row);
	__u64 base = kind & FG_A64_BASE_FP ? regs->bp : regs->sp, mark = 0;

	if (regs->adrift && !(kind & FG_A64_BASE_FP)) {
		base = fg_base_by_record(regs, row);
		mark = FG_FRAME_GUESSED;
		if (!base)
			return fg_end(state, FG_BPF_GAP);
	}
	__u64 cfa = base + fg_row_cfa_offset(row);
	__u64 slot = (kind & FG_A64_FROM_BASE ? base : cfa) + (__u64)(fg_row_rbp_offset_8(row) * 8);

	/* Only what keeps its return address in LR may have no frame, and that happens once. */
	if (cfa < regs->sp || (cfa == regs->sp && kind & FG_A64_SAVES_LR) || cfa % sizeof(__u64))
		return fg_end(state, FG_BPF_BAD);
	if (!fg_take_saved(state, kind, slot))
		return fg_end(state, FG_BPF_READ_FAULT);
	__u64 ip = fg_arch_plain(regs->lr);

	if (!ip)
		return fg_end(state, FG_BPF_BAD);
	regs->ip = ip;
	regs->lr = 0;
	regs->sp = cfa;
	regs->returned = 1;
	regs->adrift = 0;
	fg_mark(state, mark);
	return FG_GO_ON;
}

/* Row kinds beyond those of all machines. */
static __always_inline bool fg_names_cfa(__u8 kind)
{
	return kind >= FG_A64 && kind <= (FG_A64 | FG_A64_ALL);
}

#endif
