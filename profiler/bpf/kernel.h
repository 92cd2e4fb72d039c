/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The few kernel types that the programs read, by hand and relocated by CO-RE.
 *
 * Only the fields we touch; libbpf finds their real offsets on the running kernel. No generated
 * vmlinux.h: the object must not depend on the kernel of the build machine.
 */
#ifndef FG_PROFILER_BPF_KERNEL_H
#define FG_PROFILER_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <stdbool.h>

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __s64 int64_t;
typedef __s16 int16_t;
typedef __s8 int8_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;

#define FG_CORE __attribute__((preserve_access_index))

typedef struct {
	int counter;
} FG_CORE atomic_t;

struct signal_struct {
	atomic_t live;                        /* threads that have not begun to exit */
	unsigned long long sum_sched_runtime; /* of threads that are gone */
} FG_CORE;

struct ns_common {
	unsigned int inum;
} FG_CORE;

struct pid_namespace {
	struct ns_common ns;
} FG_CORE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} FG_CORE;

struct pid {
	unsigned int level;
	struct upid numbers[1]; /* one per level; really level + 1 of them */
} FG_CORE;

struct thread_struct {
	unsigned long fsbase;
} FG_CORE;

struct task_struct {
	int pid, tgid;
	void *stack;
	void *mm;
	struct signal_struct *signal;
	unsigned int __state; /* 5.14 */
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct thread_struct thread;
} FG_CORE;

struct task_struct___before_5_14 {
	long state;
} FG_CORE;

enum bpf_func_id___newer {
	BPF_FUNC_get_current_task_btf___newer = 158, /* 5.11 */
	BPF_FUNC_task_pt_regs___newer = 175,         /* 5.15 */
};

#endif
