/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * x86-64, see arch.bpf.h.
 */
#ifndef FG_PROFILER_BPF_ARCH_X86_H
#define FG_PROFILER_BPF_ARCH_X86_H

#include <linux/bpf_perf_event.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "profiler/bpf/kernel.h"

/* User space lies below; above it an address is garbage. */
enum { FG_ARCH_USER_BITS = 47 };

struct fg_arch_regs {
	__u64 ip, sp, bp;
	__u32 returned; /* 1: ip is behind a call or a system call: look up ip − 1 */
};

/* The kernel's names (user space's header calls them rip, rsp, rbp). The flavour suffix keeps it
 * apart from that header's struct. */
struct pt_regs___kernel {
	unsigned long bp, ip, sp, orig_ax;
} FG_CORE;

/* By the sign of ip: pt_regs.cs is a 16-bit field on new kernels and refused. */
static __always_inline bool fg_arch_in_user(const struct bpf_perf_event_data *ctx)
{
	return (__s64)ctx->regs.rip >= 0;
}

static __always_inline void fg_arch_interrupted(const struct bpf_perf_event_data *ctx,
						struct fg_arch_regs *ret)
{
	ret->ip = ctx->regs.rip;
	ret->sp = ctx->regs.rsp;
	ret->bp = ctx->regs.rbp;
	ret->returned = 0;
}

/* Kernels before 5.15: the frame lies at the top of a 16-KiB stack. */
static __always_inline const void *fg_arch_frame_old(void)
{
	enum { THREAD_SIZE = 16384, PT_REGS_SIZE = 168 };
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, stack) + THREAD_SIZE - PT_REGS_SIZE;
}

static __always_inline bool fg_arch_entry_old(struct fg_arch_regs *ret)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct pt_regs___kernel *regs = fg_arch_frame_old();

	if (!BPF_CORE_READ(task, mm))
		return false;
	ret->ip = BPF_CORE_READ(regs, ip);
	ret->sp = BPF_CORE_READ(regs, sp);
	ret->bp = BPF_CORE_READ(regs, bp);
	ret->returned = (__s64)BPF_CORE_READ(regs, orig_ax) >= 0;
	return ret->ip != 0;
}

/* The registers with which the task entered the kernel; false for kernel threads and tasks that
 * have given up their memory. After a system call ip is behind the instruction, like a return
 * address. */
static __always_inline bool fg_arch_entry(struct fg_arch_regs *ret)
{
	if (!bpf_core_enum_value_exists(enum bpf_func_id___newer, BPF_FUNC_task_pt_regs___newer))
		return fg_arch_entry_old(ret);
	/* Typed pointers: fields are plain loads instead of five calls. But a pointer loaded so
	 * makes the verifier look through all of the kernel's types by name, for 5 to 10 ms. */
	struct task_struct *task = bpf_get_current_task_btf();

	if (!BPF_CORE_READ(task, mm))
		return false;
	const struct pt_regs___kernel *regs = (const void *)bpf_task_pt_regs(task);

	ret->ip = regs->ip;
	ret->sp = regs->sp;
	ret->bp = regs->bp;
	ret->returned = (__s64)regs->orig_ax >= 0;
	return ret->ip != 0;
}

/* One of the words of struct pt_regs with which the task entered the kernel: the interrupted code's
 * registers. */
static __always_inline bool fg_arch_scratch(__u32 word, __u64 *ret)
{
	const char *regs;

	if (bpf_core_enum_value_exists(enum bpf_func_id___newer, BPF_FUNC_task_pt_regs___newer))
		regs = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		regs = fg_arch_frame_old();
	return !bpf_probe_read_kernel(ret, sizeof(*ret), regs + word * sizeof(*ret));
}

/* glibc and musl: a thread's pthread_t is the base of its thread-local storage. */
static __always_inline __u64 fg_arch_pthread_self(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, thread.fsbase);
}

/* __restore_rt: RSP points to the ucontext; its gregs start at +40. The interrupted address is no
 * return address, and the interrupted stack may be anywhere (sigaltstack). */
static __always_inline bool fg_arch_signal(struct fg_arch_regs *regs)
{
	enum { UCONTEXT_RBP = 40 + 8 * 10, RBP = 0, RSP = 5, RIP = 6, REGS = 7 };
	__u64 saved[REGS];

	if (bpf_probe_read_user(saved, sizeof(saved), (const void *)(regs->sp + UCONTEXT_RBP)))
		return false;
	regs->ip = saved[RIP];
	regs->sp = saved[RSP];
	regs->bp = saved[RBP];
	regs->returned = 0;
	return true;
}

/* CFA inside a lazy PLT entry of 16 bytes, whose push ends at byte 11. */
static __always_inline __u64 fg_arch_plt_cfa(const struct fg_arch_regs *regs)
{
	return regs->sp + 8 + ((regs->ip & 15) >= 11 ? 8 : 0);
}

#endif
