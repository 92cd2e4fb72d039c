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
	state->leaf = 0;
	if (mark && state->sample.guessed < 255)
		state->sample.guessed++;
	return FG_GO_ON;
}

enum { FG_CFA_FOUND = 255 };

/* A CFA that was stored `offset` from RSP or RBP. */
static __always_inline int fg_read_cfa(struct fg_unwind_state *state, __u8 kind, __u64 offset)
{
	bool by_rbp = kind == FG_ROW_DEREF_RBP || kind == FG_ROW_DEREF_RBP_8;
	__u64 address = offset + (by_rbp ? state->regs.bp : state->regs.sp), value = 0;

	if (bpf_probe_read_user(&value, sizeof(value), (const void *)address)) {
		state->fault = address;
		return FG_BPF_READ_FAULT;
	}
	state->cfa = value + (kind == FG_ROW_DEREF_RSP || kind == FG_ROW_DEREF_RBP ? 0 : 8);
	return FG_CFA_FOUND;
}

/* The CFA of a row that needs more than RSP and RBP, into state->cfa; or how the stack ends.
 * A function of its own, so that the verifier does not go through what follows for each of them. */
__attribute__((noinline)) int fg_find_cfa(__u32 slot, __u64 row)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);
	__u64 address = fg_row_cfa_offset(row), word = 0;
	__u8 kind = fg_row_kind_of(row), rule = kind & ~FG_ROW_WORD_MASK;

	if (!state)
		return FG_BPF_UNSUPPORTED;
	bool known = kind & FG_ROW_REGISTER && state->leaf &&
		     fg_arch_scratch(kind & FG_ROW_WORD_MASK, &word);

	if (rule == FG_ROW_CLONE) {
		state->cfa = state->regs.sp + address;
		return known && !word ? FG_BPF_COMPLETE : FG_CFA_FOUND;
	}
	if (kind & FG_ROW_REGISTER && !known)
		return FG_BPF_UNSUPPORTED;
	if (rule == FG_ROW_REGISTER) {
		state->cfa = word + address;
		return state->cfa - state->regs.sp < FG_GUESS_REACH ? FG_CFA_FOUND
								    : FG_BPF_UNSUPPORTED;
	}
	return fg_read_cfa(state, kind, address + word * sizeof(word));
}

/* Without a branch, see unwind.bpf.h. */
static __always_inline void fg_leave_leaf(struct fg_unwind_state *state, __u8 kind, __u64 cfa)
{
	__u64 more = (cfa ^ (state->regs.sp + sizeof(__u64))) | (kind ^ FG_ROW_RSP);

	more = (more | -more) >> 63;
	FG_OPAQUE(more);
	state->leaf &= more ^ 1;
}

static __always_inline int fg_step_cfa(struct fg_unwind_state *state, __u64 row)
{
	struct fg_arch_regs *regs = &state->regs;
	__u8 kind = fg_row_kind_of(row);
	__u64 cfa = (kind == FG_ROW_RBP ? regs->bp : regs->sp) + fg_row_cfa_offset(row);
	__s64 rbp_offset_8 = fg_row_rbp_offset_8(row);
	__u64 words = (__u64)-rbp_offset_8; /* from the saved RBP up to the CFA */

	if (kind == FG_ROW_PLT) {
		cfa = fg_arch_plt_cfa(regs);
	} else if (kind != FG_ROW_RSP && kind != FG_ROW_RBP) {
		int result = fg_find_cfa(state->slot, row);

		if (result != FG_CFA_FOUND)
			return fg_end(state, (__u8)result);
		cfa = state->cfa;
	}
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
	fg_leave_leaf(state, kind, cfa);
	regs->sp = cfa;
	regs->returned = 1;
	state->guess = 0;
	return FG_GO_ON;
}

/* Row kinds beyond those of all machines. */
static __always_inline bool fg_names_cfa(__u8 kind)
{
	return kind <= FG_ROW_DEREF_RBP_8 || kind & FG_ROW_REGISTER;
}

#endif
