/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Waits: the stack at the switch away from a target's thread, the duration when it runs again. For
 * sampler.bpf.c only; what the records say stands in shared.h.
 *
 * Unbiased within a budget. The stack has to be taken before anybody knows how long the wait will
 * be. So each thread remembers how long it usually waits at each of its sites (the code that waits,
 * at that depth of its stack), and the stack is taken with probability usual / long, where `long`
 * is a length that each CPU adapts: such samples come in proportion to time waited, at most
 * threads / long of them per second whatever the rate of switches. A wait that turns out to be long
 * is reported in any case and counts as itself; user space gives it the stack of its site if its
 * own was not taken. A short one counts 1 / probability times. Hence no wait can count for more
 * than long × long / usual, and a thread that nearly always waits briefly and once for seconds is
 * measured right.
 *
 * The budget is 1 / FG_WAIT_BUDGET_PART of each CPU's time, all of this program's: credit grows with
 * time and falls by what was used; `long` grows while there is none. The probability that was used
 * travels with the wait, so adapting it never biases.
 *
 * The scheduler calls with interrupts off, so nothing nests but a profiler's NMI, which has another
 * slot; the flag is there to be counted if a kernel should ever do otherwise.
 */
#ifndef FG_PROFILER_BPF_OFFCPU_H
#define FG_PROFILER_BPF_OFFCPU_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH); /* preallocated: this is no place to allocate in */
	__uint(max_entries, FG_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct fg_bpf_thread);
} fg_threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_wait_control);
} fg_wait_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FG_SAMPLE_TYPE_COUNT);
	__type(key, __u32);
	__type(value, struct fg_bpf_type_stats);
} fg_type_stats SEC(".maps");

/* The budget of one CPU. */
struct fg_wait_cpu {
	__s64 credit_ns;
	__u64 last_ns;
	__u64 adapted_ns;
	__u32 long_us;
	__u32 calls;
	__u32 busy;
	__u32 reserved;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_wait_cpu);
} fg_wait_cpus SEC(".maps");

enum {
	FG_LONG_FIRST_US = 500,
	FG_LONG_MOST_US = 1000000,
	FG_CREDIT_MOST_NS = 2000000, /* saved up: 200 ms of budget */
	FG_ADAPT_NS = 5000000,
	FG_UNCOUNTED = 16,         /* one in so many calls without a stack is timed */
	FG_PROBABILITY_LEAST = 16, /* of 65536 */
	FG_TASK_DEAD = 0x80,
};

/* Credit grows up to a limit; `long` follows it slowly, in steps of a quarter. */
static __always_inline void fg_wait_adapt(struct fg_wait_cpu *cpu, __u64 now_ns)
{
	__u64 gone_ns = now_ns - cpu->last_ns;

	if (!cpu->last_ns) {
		cpu->long_us = FG_LONG_FIRST_US;
		gone_ns = 0;
	}
	cpu->last_ns = now_ns;
	cpu->credit_ns += gone_ns / FG_WAIT_BUDGET_PART;
	if (cpu->credit_ns > FG_CREDIT_MOST_NS)
		cpu->credit_ns = FG_CREDIT_MOST_NS;
	if (now_ns - cpu->adapted_ns < FG_ADAPT_NS)
		return;
	cpu->adapted_ns = now_ns;
	if (cpu->credit_ns < FG_CREDIT_MOST_NS / 4) {
		if (cpu->long_us < FG_LONG_MOST_US)
			cpu->long_us += cpu->long_us / 4 + 1;
	} else if (cpu->credit_ns > FG_CREDIT_MOST_NS / 2) {
		cpu->long_us -= cpu->long_us / 8;
	}
}

/* Where the thread entered the kernel: code and depth, mixed. Preempted ones share a site, because
 * where the tick finds them says nothing of how long they will wait. */
static __always_inline __u64 fg_wait_site(const struct fg_unwind_state *regs, bool preempted)
{
	return preempted ? 0 : (regs->ip ^ regs->sp * 0x9e3779b97f4a7c15ull) | 1;
}

static __always_inline struct fg_bpf_wait_site *fg_wait_slot(struct fg_bpf_thread *thread,
							      __u64 site)
{
	__u64 index = (site >> 40 ^ site >> 8) & (FG_WAIT_SITES - 1);

	FG_OPAQUE(index);
	return &thread->sites[index & (FG_WAIT_SITES - 1)];
}

/* × 65536. A site that is new to the thread may be anything: it is looked at. Out of credit
 * everything gets rarer still, by a factor that the weight knows. */
static __always_inline __u64 fg_wait_probability(struct fg_bpf_thread *thread,
						 const struct fg_wait_cpu *cpu)
{
	const struct fg_bpf_wait_site *slot = fg_wait_slot(thread, thread->site);
	__u64 probability = FG_WAIT_CERTAIN;

	if (slot->site == (__u32)thread->site && slot->usual_us < cpu->long_us)
		probability = ((__u64)slot->usual_us << 16) / (cpu->long_us | 1);
	if (cpu->credit_ns < 0)
		probability >>= cpu->credit_ns < -FG_CREDIT_MOST_NS ? 6 : 3;
	return probability < FG_PROBABILITY_LEAST ? FG_PROBABILITY_LEAST : probability;
}

static __always_inline void fg_wait_learn(struct fg_bpf_thread *thread, __u64 waited_ns)
{
	struct fg_bpf_wait_site *slot = fg_wait_slot(thread, thread->site);
	__u64 us = waited_ns / 1000 + 1;
	__u32 now_us = us > 0xffffffff ? 0xffffffff : (__u32)us;
	__u32 faded_us = slot->usual_us - slot->usual_us / 8;

	if (slot->site != (__u32)thread->site)
		faded_us = 0;
	slot->site = (__u32)thread->site;
	slot->usual_us = now_us > faded_us ? now_us : faded_us;
}

static __always_inline void fg_wait_end(struct task_struct *next, __u64 since_ns, __u64 now_ns,
					struct fg_bpf_type_stats *stats)
{
	__u32 tid = next->pid;
	struct fg_bpf_thread *thread = bpf_map_lookup_elem(&fg_threads, &tid);

	if (!thread || !thread->out_ns || thread->out_ns < since_ns || now_ns < thread->out_ns)
		return;
	__u64 waited_ns = now_ns - thread->out_ns;
	bool is_long = waited_ns >= (__u64)thread->long_us * 1000;
	struct {
		__u64 time_ns;
		__u32 tgid, tid;
		__u16 kernel_count, user_count, script_count, cpu;
		__u8 result, guessed, type, reserved;
		__u32 request;
		__u64 value;
		__u64 words[FG_WAIT_WORDS];
	} record = {
		.time_ns = now_ns,
		.tgid = thread->tgid,
		.tid = tid,
		.user_count = FG_WAIT_WORDS,
		.result = FG_BPF_KERNEL_ONLY,
		.type = FG_SAMPLE_WAIT,
		.request = thread->request,
		.value = waited_ns,
		.words = {thread->out_ns, thread->site, thread->how},
	};

	_Static_assert(sizeof(record) == sizeof(struct fg_bpf_sample) -
						 8 * (FG_SAMPLE_FRAMES - FG_WAIT_WORDS),
		       "a sample's head and the words");
	thread->out_ns = 0;
	if (!(thread->how & FG_WAIT_SINCE_START))
		fg_wait_learn(thread, waited_ns);
	if (!is_long && !(thread->how & FG_WAIT_HAS_STACK))
		return;
	if (is_long)
		record.words[FG_WAIT_HOW] =
			(thread->how & ~FG_WAIT_PROBABILITY) | FG_WAIT_CERTAIN;
	if (bpf_ringbuf_output(&fg_samples, &record, sizeof(record), BPF_RB_NO_WAKEUP))
		stats->lost++;
}

static __always_inline struct fg_bpf_thread *fg_wait_thread(__u32 tid, __u32 tgid,
							     struct fg_bpf_type_stats *stats)
{
	struct fg_bpf_thread *thread = bpf_map_lookup_elem(&fg_threads, &tid);

	if (!thread) {
		struct fg_bpf_thread first = {.tgid = tgid};

		if (bpf_map_update_elem(&fg_threads, &tid, &first, BPF_NOEXIST))
			stats->untracked++;
		thread = bpf_map_lookup_elem(&fg_threads, &tid);
	}
	return thread;
}

/* Another wake-up may have changed it already; then the wait is as good as over. */
static __always_inline __u64 fg_task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return (__u64)BPF_CORE_READ((struct task_struct___before_5_14 *)(void *)task, state);
}

/* True if a stack was taken. */
static __always_inline bool fg_wait_begin(void *ctx, struct task_struct *prev, bool preempted,
					  struct fg_bpf_target *target, struct fg_wait_cpu *cpu,
					  __u64 now_ns, struct fg_bpf_type_stats *stats)
{
	__u32 tid = prev->pid, tgid = prev->tgid;
	__u64 task_state = fg_task_state(prev);

	if (task_state & FG_TASK_DEAD) {
		bpf_map_delete_elem(&fg_threads, &tid);
		return false;
	}
	struct fg_bpf_thread *thread = fg_wait_thread(tid, tgid, stats);
	struct fg_unwind_state *state =
		begin_sample(FG_SLOT_OFFCPU, FG_SAMPLE_OFFCPU, target, now_ns);

	if (!thread || !state)
		return false;
	bool has_regs = read_entry_regs(state);

	preempted = preempted || task_state == 0;
	thread->tgid = tgid;
	thread->site = has_regs ? fg_wait_site(state, preempted) : 0;
	thread->long_us = cpu->long_us;
	thread->request = state->sample.request;
	__u64 probability = fg_wait_probability(thread, cpu);

	thread->how = probability | (preempted ? FG_WAIT_PREEMPTED : 0);
	thread->out_ns = now_ns;
	if ((bpf_get_prandom_u32() & 0xffff) >= probability) {
		stats->skipped++;
		return false;
	}
	thread->how |= FG_WAIT_HAS_STACK;
	state->sample.value = thread->site;
	long got = bpf_get_stack(ctx, state->sample.frames, FG_KERNEL_FRAMES_MAX * sizeof(__u64), 0);

	if (got > 0)
		state->sample.kernel_count = (__u16)(got / (long)sizeof(__u64));
	if (has_regs)
		unwind(state, FG_SLOT_OFFCPU);
	stats->samples++;
	stats->lost += send_sample(state, target);
	return true;
}

/* Later kernels have more arguments; these three are the same in all. */
SEC("tp_btf/sched_switch")
int BPF_PROG(fg_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 prev_tgid = prev->tgid, next_tgid = next->tgid, zero = 0, type = FG_SAMPLE_OFFCPU;
	struct fg_bpf_target *from = bpf_map_lookup_elem(&fg_targets, &prev_tgid);
	struct fg_bpf_target *to = bpf_map_lookup_elem(&fg_targets, &next_tgid);

	/* The empty statement keeps clang from or-ing the pointers, which the verifier refuses. */
	if (!from) {
		asm volatile("");
		if (!to)
			return 0;
	}
	__u64 begin_ns = bpf_ktime_get_ns();
	const struct fg_bpf_wait_control *control = bpf_map_lookup_elem(&fg_wait_control, &zero);
	struct fg_bpf_type_stats *stats = bpf_map_lookup_elem(&fg_type_stats, &type);
	struct fg_wait_cpu *cpu = bpf_map_lookup_elem(&fg_wait_cpus, &zero);

	if (!control || !stats || !cpu || !control->since_ns)
		return 0;
	if (cpu->busy) {
		stats->nested++;
		return 0;
	}
	cpu->busy = 1;
	fg_wait_adapt(cpu, begin_ns);
	bool is_timed = (++cpu->calls & (FG_UNCOUNTED - 1)) == 0, has_stack = false;

	if (to)
		fg_wait_end(next, control->since_ns, begin_ns, stats);
	if (from) {
		stats->events++;
		has_stack = fg_wait_begin(ctx, prev, preempt, from, cpu, begin_ns, stats);
	}
	if (is_timed || has_stack) {
		__u64 used_ns = bpf_ktime_get_ns() - begin_ns;

		if (!has_stack)
			used_ns *= FG_UNCOUNTED;
		stats->bpf_ns += used_ns;
		cpu->credit_ns -= used_ns;
	}
	cpu->busy = 0;
	return 0;
}

#endif
