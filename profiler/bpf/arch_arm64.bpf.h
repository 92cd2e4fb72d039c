/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * AArch64, see arch.bpf.h. What was run of it, and where: profiler/unwind/README.md, "AArch64". The
 * ways for kernels before 5.15 were compiled only.
 */
#ifndef FG_PROFILER_BPF_ARCH_ARM64_H
#define FG_PROFILER_BPF_ARCH_ARM64_H

#include <linux/bpf_perf_event.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "profiler/bpf/kernel.h"

/* User space lies below, also on kernels with 52 bits unless a program asks mmap() for more: such
 * code is not found. */
enum { FG_ARCH_USER_BITS = 48 };

struct fg_arch_regs {
	__u64 ip, sp, bp;
	__u64 lr;       /* 0: something was called since, the return address is in memory */
	__u32 returned; /* 1: ip is behind a call or a system call: look up ip − 1 */
	__u32 adrift;   /* 1: sp is not known, only that it is not above this */
};

struct pt_regs___kernel {
	__u64 regs[31];
	__u64 sp, pc;
	int syscallno; /* −1: not a system call */
} FG_CORE;

/* The kernel's, where FS is for x86-64; written when the thread is switched away, and it does not
 * change. */
struct fg_arch_user_state {
	unsigned long tp_value;
} FG_CORE;
struct thread_struct___arm64 {
	struct fg_arch_user_state uw;
} FG_CORE;

/* A signed return address has its code in the bits above the address, except bit 55, which tells
 * whose half of the address space it is. */
static __always_inline __u64 fg_arch_plain(__u64 address)
{
	__u64 kernel = -(address >> 55 & 1);

	return (address & ((1ull << FG_ARCH_USER_BITS) - 1)) | (kernel << FG_ARCH_USER_BITS);
}

static __always_inline bool fg_arch_in_user(const struct bpf_perf_event_data *ctx)
{
	enum { MODE = 0xf }; /* 0: EL0 */

	return (ctx->regs.pstate & MODE) == 0;
}

static __always_inline void fg_arch_interrupted(const struct bpf_perf_event_data *ctx,
						struct fg_arch_regs *ret)
{
	ret->ip = ctx->regs.pc;
	ret->sp = ctx->regs.sp;
	ret->bp = ctx->regs.regs[29];
	ret->lr = ctx->regs.regs[30];
	ret->returned = 0;
	ret->adrift = 0;
}

/* Before 5.15: the frame lies at the top of the stack, of 16 KiB unless pages have 64. */
static __always_inline const struct pt_regs___kernel *fg_arch_entry_frame(struct task_struct *task)
{
	enum { THREAD_SIZE = 16384 };

	if (bpf_core_enum_value_exists(enum bpf_func_id___newer, BPF_FUNC_task_pt_regs___newer))
		return (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return BPF_CORE_READ(task, stack) + THREAD_SIZE -
	       bpf_core_type_size(struct pt_regs___kernel);
}

/* The registers with which the task entered the kernel; false for kernel threads and tasks that
 * have given up their memory. */
static __always_inline bool fg_arch_entry(struct fg_arch_regs *ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct pt_regs___kernel *regs;

	if (!BPF_CORE_READ(task, mm))
		return false;
	regs = fg_arch_entry_frame(task);
	ret->ip = BPF_CORE_READ(regs, pc);
	ret->sp = BPF_CORE_READ(regs, sp);
	ret->bp = BPF_CORE_READ(regs, regs[29]);
	ret->lr = BPF_CORE_READ(regs, regs[30]);
	ret->returned = BPF_CORE_READ(regs, syscallno) >= 0;
	ret->adrift = 0;
	return ret->ip != 0;
}

/* The thread pointer. A pthread_t lies below it by glibc's sizeof(struct pthread), which differs
 * from version to version: what compares with it finds nothing (Python's threads). */
static __always_inline __u64 fg_arch_pthread_self(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct thread_struct___arm64 *thread =
		(void *)__builtin_preserve_access_index(&task->thread);

	return BPF_CORE_READ(thread, uw.tp_value);
}

/* In __kernel_rt_sigreturn SP points to the rt_sigframe: siginfo (128 bytes), ucontext, whose
 * uc_mcontext at +176 has fault_address, 31 registers, SP, PC. The interrupted address is no return
 * address, LR may still be one, and the stack may be another (sigaltstack). */
static __always_inline bool fg_arch_signal(struct fg_arch_regs *regs)
{
	enum { X29 = 128 + 176 + 8 * (1 + 29) };
	enum { SAVED_X29, SAVED_LR, SAVED_SP, SAVED_PC, SAVED };
	__u64 saved[SAVED];

	if (bpf_probe_read_user(saved, sizeof(saved), (const void *)(regs->sp + X29)))
		return false;
	regs->ip = saved[SAVED_PC];
	regs->sp = saved[SAVED_SP];
	regs->bp = saved[SAVED_X29];
	regs->lr = saved[SAVED_LR];
	regs->returned = 0;
	regs->adrift = 0;
	return true;
}

#endif
