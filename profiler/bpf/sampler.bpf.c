/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The sampler: one program on each CPU's clock event, three that follow the targets' lives, and on
 * demand one for waits and one for page faults (at the end).
 *
 * Owns: which process is a target (tgids, followed over fork, exec and exit), what a sample holds,
 * the loss counts. Does not know what a phase or a name is. Tracepoints are BTF-typed: no fentry
 * and no kprobe, which many kernels refuse.
 */
#include "profiler/bpf/kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "profiler/bpf/shared.h"

const volatile __u32 fg_oracle = 0; /* 1: for tests that compare with another unwinder */

#include "profiler/bpf/ids.bpf.h"
#include "profiler/bpf/label.bpf.h"
#include "profiler/bpf/unwind.bpf.h"
#include "profiler/bpf/kernel_copy.bpf.h"
#include "profiler/bpf/kernel_walk.bpf.h"
#include "profiler/bpf/script.bpf.h"

char fg_license[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FG_TGIDS_MAX);
	__type(key, __u32);
	__type(value, struct fg_bpf_target);
} fg_targets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FG_SAMPLE_RING_BYTES);
} fg_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FG_EVENT_RING_BYTES);
} fg_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_stats);
} fg_stats SEC(".maps");

__u8 fg_target_marks[FG_TARGET_MARKS] = {0}; /* for those who see all processes */

enum { FIRST_MISS_INTERVAL_MS = 4, LAST_MISS_INTERVAL_MS = 512, FAULT_INTERVAL_MS = 5 };

/* Events are rare and the reader should act at once, so these do wake it. */
static __always_inline void send_event(__u32 kind, __u32 tgid, __u32 other, __u64 value)
{
	struct fg_bpf_event event = {.kind = kind, .tgid = tgid, .other = other, .value = value};
	__u32 zero = 0;

	if (!bpf_ringbuf_output(&fg_events, &event, sizeof(event), BPF_RB_FORCE_WAKEUP))
		return;
	struct fg_bpf_stats *stats = bpf_map_lookup_elem(&fg_stats, &zero);

	if (stats)
		stats->lost_events++;
}

/* New code appeared (dlopen, exec), or the stack was corrupt: ask for fresh mappings, less and less
 * often while that does not help. User space resets the interval when it did. */
static __always_inline void report_miss(struct fg_bpf_target *target, __u32 tgid, __u64 address,
					__u64 now_ns)
{
	__u32 interval_ms = target->miss_interval_ms;

	if (now_ns - target->last_miss_ns < interval_ms * 1000000ull)
		return;
	target->last_miss_ns = now_ns;
	if (interval_ms < FIRST_MISS_INTERVAL_MS)
		interval_ms = FIRST_MISS_INTERVAL_MS;
	else if (interval_ms < LAST_MISS_INTERVAL_MS)
		interval_ms *= 2;
	target->miss_interval_ms = interval_ms;
	send_event(FG_EVENT_MISS, tgid, 0, address);
}

/* A page of the stack that is not in memory cannot be read from here: user space touches it, and
 * the next sample sees it. */
static __always_inline void report_fault(struct fg_bpf_target *target, __u32 tgid, __u64 address,
					 __u64 now_ns)
{
	if (now_ns - target->last_fault_ns < FAULT_INTERVAL_MS * 1000000ull)
		return;
	target->last_fault_ns = now_ns;
	send_event(FG_EVENT_FAULT, tgid, 0, address);
}

static __always_inline bool read_user_regs(struct bpf_perf_event_data *ctx,
					   struct fg_unwind_state *state)
{
	long got;

	if (fg_arch_in_user(ctx)) {
		fg_arch_interrupted(ctx, &state->regs);
		return true;
	}
	got = bpf_get_stack(ctx, state->sample.frames, FG_KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	if (got > 0)
		state->sample.kernel_count = (__u16)(got / (long)sizeof(__u64));
	return fg_arch_entry(&state->regs);
}

/* The user part: native frames, then what an interpreter was doing. A function of its own: the ways
 * that lead here are not walked through again by the verifier. */
__attribute__((noinline)) int fg_unwind_user(__u32 slot, __u32 image)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);

	if (!state)
		return 0;
	state->sample.result = FG_BPF_DEPTH;
	for (int i = 0; i < FG_STACK_FRAMES_MAX; i++) {
		if (fg_unwind_frame(slot))
			break;
	}
	fg_script(slot, image);
	return 0;
}

/* An empty sample of the running thread in the slot's state; NULL never happens. */
static __always_inline struct fg_unwind_state *
begin_sample(__u32 slot, __u8 type, __u32 tgid, const struct fg_bpf_target *target, __u64 now_ns)
{
	struct fg_unwind_state *state = bpf_map_lookup_elem(&fg_state, &slot);

	if (!state)
		return 0;
	state->slot = slot;
	state->miss = 0;
	state->mapping = target->space.first;
	state->guess = 0;
	state->leaf = 1;
	state->window_bytes = 0;
	state->space = target->space;
	state->fault = 0;
	state->sample.time_ns = now_ns;
	state->sample.tgid = tgid;
	state->sample.tid = fg_current_tid();
	state->sample.kernel_count = 0;
	state->sample.user_count = 0;
	state->sample.script_count = 0;
	state->sample.type = type;
	state->sample.request = fg_label_request((__u32)bpf_get_current_pid_tgid());
	state->sample.value = 1;
	state->sample.guessed = 0;
	state->sample.cpu = (__u16)bpf_get_smp_processor_id();
	state->sample.result = FG_BPF_KERNEL_ONLY;
	return state;
}

/* True if the ring had no room. */
static __always_inline bool send_sample(struct fg_unwind_state *state, struct fg_bpf_target *target)
{
	__u64 frames = (__u64)state->sample.kernel_count + state->sample.user_count +
		       state->sample.script_count;
	__u64 size = offsetof(struct fg_bpf_sample, frames) + frames * sizeof(__u64);

	if (state->miss)
		report_miss(target, state->sample.tgid, state->miss, state->sample.time_ns);
	if (state->fault)
		report_fault(target, state->sample.tgid, state->fault, state->sample.time_ns);
	if (size > sizeof(state->sample))
		size = sizeof(state->sample);
	return bpf_ringbuf_output(&fg_samples, &state->sample, size, BPF_RB_NO_WAKEUP) != 0;
}

static __always_inline void take_sample(struct bpf_perf_event_data *ctx, __u32 tgid,
					struct fg_bpf_target *target, struct fg_bpf_stats *stats,
					__u64 now_ns)
{
	struct fg_unwind_state *state =
		begin_sample(FG_SLOT_CPU, FG_SAMPLE_CPU, tgid, target, now_ns);

	if (!state)
		return;
	if (fg_kernel_walk(ctx, state, stats) ? fg_arch_entry(&state->regs)
					      : read_user_regs(ctx, state))
		fg_unwind_user(FG_SLOT_CPU, target->image);
	stats->samples++;
	stats->frames += (__u64)state->sample.kernel_count + state->sample.user_count;
	stats->lost += send_sample(state, target);
}

SEC("perf_event")
int fg_sample(struct bpf_perf_event_data *ctx)
{
	__u64 begin_ns = bpf_ktime_get_ns();
	__u32 tgid = fg_current_tgid(), zero = 0;
	struct fg_bpf_stats *stats = bpf_map_lookup_elem(&fg_stats, &zero);
	struct fg_bpf_target *target;

	if (!stats)
		return 0;
	stats->hits++;
	target = bpf_map_lookup_elem(&fg_targets, &tgid);
	if (!target)
		return 0;
	take_sample(ctx, tgid, target, stats, begin_ns);
	stats->bpf_ns += bpf_ktime_get_ns() - begin_ns;
	/* 1 lets the kernel write its own sample of this very moment into the event's ring. */
	return fg_oracle;
}

/* A child shares its parent's mappings until it execs; it copies or shares the memory as well. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(fg_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 parent_tgid, tgid;
	struct fg_bpf_target *target;

	fg_learn_level(parent);
	if (child->pid != child->tgid)
		return 0;
	parent_tgid = fg_tgid_of(parent);
	tgid = fg_tgid_of(child);
	target = bpf_map_lookup_elem(&fg_targets, &parent_tgid);
	if (!target)
		return 0;
	struct fg_bpf_target copy = {
		.space = target->space,
		.image = target->image,
		.signal = (__u64)child->signal,
	};

	bpf_map_update_elem(&fg_targets, &tgid, &copy, BPF_ANY);
	fg_target_marks[(__u32)child->tgid & (FG_TARGET_MARKS - 1)] = 1;
	send_event(FG_EVENT_FORK, tgid, parent_tgid, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(fg_exec, struct task_struct *task)
{
	__u32 tgid = fg_tgid_of(task);
	struct fg_bpf_target *target = bpf_map_lookup_elem(&fg_targets, &tgid);

	if (!target)
		return 0;
	target->space = (struct fg_bpf_range){0};
	target->image = 0;
	target->miss_interval_ms = 0;
	send_event(FG_EVENT_EXEC, tgid, 0, 0);
	return 0;
}

/* A task that is freed has no number any more: what it was in our namespace is remembered here.
 * Loaded only where there is one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FG_TGIDS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} fg_exiting SEC(".maps");

SEC("tp_btf/sched_process_exit")
int BPF_PROG(fg_exit, struct task_struct *task)
{
	__u32 kernel_tgid = task->tgid, tgid = fg_tgid_of(task);

	if (bpf_map_lookup_elem(&fg_targets, &tgid))
		bpf_map_update_elem(&fg_exiting, &kernel_tgid, &tgid, BPF_ANY);
	return 0;
}

static __always_inline __u32 tgid_of_freed(__u32 kernel_tgid)
{
	__u32 *known = fg_ns_inum ? bpf_map_lookup_elem(&fg_exiting, &kernel_tgid) : &kernel_tgid;
	__u32 tgid = known ? *known : 0;

	if (fg_ns_inum && known)
		bpf_map_delete_elem(&fg_exiting, &kernel_tgid);
	return tgid;
}

/* Freed, not exiting: only now has the scheduler added everything up, so that children which lived
 * for less than a tick are counted exactly. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(fg_free, struct task_struct *task)
{
	__u32 tgid;
	struct fg_bpf_target *target;

	/* A leader replaced by an exec of another thread is freed while its process lives on. */
	if (task->pid != task->tgid || task->signal->live.counter > 0)
		return 0;
	tgid = tgid_of_freed(task->tgid);
	target = bpf_map_lookup_elem(&fg_targets, &tgid);
	if (!target || (target->signal && target->signal != (__u64)task->signal))
		return 0;
	bpf_map_delete_elem(&fg_targets, &tgid);
	send_event(FG_EVENT_EXIT, tgid, 0, task->signal->sum_sched_runtime);
	return 0;
}

#include "profiler/bpf/offcpu.bpf.h"
#include "profiler/bpf/fault.bpf.h"
