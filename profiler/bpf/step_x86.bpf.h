/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From a frame to its caller by one row: x86-64. Part of unwind.bpf.h. */
#ifndef FG_PROFILER_BPF_STEP_X86_H
#define FG_PROFILER_BPF_STEP_X86_H

/* No rule: try the frame pointer if it looks like one. Libraries without unwind data and JIT code
 * often keep it; the frame found this way is marked, the stack does not count as complete. `far`:
 * a rule says that it is one, and the frame may lie on another stack. */
static __always_inline int fg_step_frame_pointer(struct fg_unwind_state *state, __u64 mark,
						 __u8 failure, bool far)
{
	struct fg_arch_regs *regs = &state->regs;
	__u64 frame = regs->bp, ip;

	if ((!far && regs->bp - regs->sp >= FG_GUESS_REACH) || (regs->bp & 7))
		return fg_end(state, failure);
	if (!fg_see(state, frame, 2 * sizeof(__u64), false))
		return fg_end(state, FG_BPF_READ_FAULT);
	ip = fg_seen(state, frame + sizeof(__u64));
	if (ip < 4096)
		return fg_end(state, failure);
	regs->sp = frame + 2 * sizeof(__u64);
	regs->bp = fg_seen(state, frame);
	regs->ip = ip;
	regs->returned = 1;
	state->guess = mark;
	if (mark && state->sample.guessed < 255)
		state->sample.guessed++;
	return FG_GO_ON;
}

/* The CFA of a row that names one; 0 when it cannot be read. */
static __always_inline __u64 fg_cfa(struct fg_unwind_state *state, __u64 row)
{
	__u64 offset = fg_row_cfa_offset(row);
	__u8 kind = fg_row_kind_of(row);
	__u64 value = 0, base = state->regs.sp;

	if (kind == FG_ROW_RSP)
		return base + offset;
	if (kind == FG_ROW_PLT)
		return fg_arch_plt_cfa(&state->regs);
	if (kind == FG_ROW_RBP || kind == FG_ROW_DEREF_RBP || kind == FG_ROW_DEREF_RBP_8)
		base = state->regs.bp;
	if (kind == FG_ROW_RBP)
		return base + offset;
	if (bpf_probe_read_user(&value, sizeof(value), (const void *)(base + offset))) {
		state->fault = base + offset;
		return 0;
	}
	return value + (kind == FG_ROW_DEREF_RSP_8 || kind == FG_ROW_DEREF_RBP_8 ? 8 : 0);
}

static __always_inline int fg_step_cfa(struct fg_unwind_state *state, __u64 row)
{
	struct fg_arch_regs *regs = &state->regs;
	__u64 cfa = fg_cfa(state, row);
	__s64 rbp_offset_8 = fg_row_rbp_offset_8(row);
	__u64 words = (__u64)-rbp_offset_8; /* from the saved RBP up to the CFA */

	if (!cfa)
		return fg_end(state, FG_BPF_READ_FAULT);
	/* Only a leaf that has pushed nothing may stay in place, and even it pops the address. */
	if (cfa <= regs->sp || cfa % sizeof(__u64))
		return fg_end(state, FG_BPF_BAD);
	/* Return address and RBP mostly lie close together. */
	bool together = words >= 2 && words < FG_SAVED_MAX;

	if (!together)
		words = 1;
	__u64 first = cfa - words * sizeof(__u64);

	if (!fg_see(state, first, words * sizeof(__u64), false))
		return fg_end(state, FG_BPF_READ_FAULT);
	regs->ip = fg_seen(state, cfa - sizeof(__u64));
	if (together) {
		regs->bp = fg_seen(state, first);
	} else if (rbp_offset_8 != FG_RBP_SAME) {
		__u64 saved = cfa + (__u64)(rbp_offset_8 * 8);

		if (!fg_see(state, saved, sizeof(saved), false))
			return fg_end(state, FG_BPF_READ_FAULT);
		regs->bp = fg_seen(state, saved);
	}
	regs->sp = cfa;
	regs->returned = 1;
	state->guess = 0;
	return FG_GO_ON;
}

/* Row kinds beyond those of all machines. */
static __always_inline bool fg_names_cfa(__u8 kind)
{
	return kind <= FG_ROW_DEREF_RBP_8;
}

#endif
