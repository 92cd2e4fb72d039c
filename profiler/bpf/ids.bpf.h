/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Process and thread numbers as the helper sees them.
 *
 * bpf_get_current_pid_tgid() gives the kernel's own numbers. A helper in a container's PID
 * namespace knows processes by that one's: its level is learnt from the first process in it that
 * starts something (the helper starts a thread to that end), its identity is the inode number of
 * /proc/self/ns/pid. Processes outside of it have no number and can be no targets.
 */
#ifndef FG_PROFILER_BPF_IDS_H
#define FG_PROFILER_BPF_IDS_H

const volatile __u32 fg_ns_inum = 0; /* 0: the kernel's first namespace, numbers as they are */
__u32 fg_ns_level = 0;               /* 0: not known yet */

struct fg_pid_number {
	__u32 number, inum;
};

static __always_inline struct fg_pid_number fg_number_at(struct pid *pid, __u32 level)
{
	struct fg_pid_number ret = {0};
	struct upid *numbers = __builtin_preserve_access_index(&pid->numbers[0]);
	struct upid *at = (void *)numbers + (__u64)level * bpf_core_type_size(struct upid);
	struct pid_namespace *ns = BPF_CORE_READ(at, ns);

	ret.number = (__u32)BPF_CORE_READ(at, nr);
	ret.inum = BPF_CORE_READ(ns, ns.inum);
	return ret;
}

/* 0: not in our namespace, or gone. */
static __always_inline __u32 fg_number_of(struct pid *pid)
{
	__u32 level = fg_ns_level;

	if (!pid || !level || BPF_CORE_READ(pid, level) < level)
		return 0;
	struct fg_pid_number found = fg_number_at(pid, level);

	return found.inum == fg_ns_inum ? found.number : 0;
}

static __always_inline void fg_learn_level(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);

	if (!fg_ns_inum || fg_ns_level || !pid)
		return;
	__u32 level = BPF_CORE_READ(pid, level);

	if (fg_number_at(pid, level).inum == fg_ns_inum)
		fg_ns_level = level;
}

static __always_inline __u32 fg_tgid_of(struct task_struct *task)
{
	if (!fg_ns_inum)
		return (__u32)BPF_CORE_READ(task, tgid);
	return fg_number_of(BPF_CORE_READ(task, group_leader, thread_pid));
}

static __always_inline __u32 fg_tid_of(struct task_struct *task)
{
	if (!fg_ns_inum)
		return (__u32)BPF_CORE_READ(task, pid);
	return fg_number_of(BPF_CORE_READ(task, thread_pid));
}

/* A function of its own, verified once: its branches do not multiply the paths of the sampler. */
__attribute__((noinline)) int fg_ns_current_id(__u32 of_thread)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return (int)(of_thread ? fg_tid_of(task) : fg_tgid_of(task));
}

static __always_inline __u32 fg_current_tgid(void)
{
	if (!fg_ns_inum)
		return bpf_get_current_pid_tgid() >> 32;
	return (__u32)fg_ns_current_id(0);
}

static __always_inline __u32 fg_current_tid(void)
{
	if (!fg_ns_inum)
		return (__u32)bpf_get_current_pid_tgid();
	return (__u32)fg_ns_current_id(1);
}

#endif
