/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Waits: the stack at the switch away from a target's thread, the duration when it runs again. For
 * sampler.bpf.c only; what the records say stands in shared.h.
 *
 * Unbiased within a budget. The stack has to be taken before anybody knows how long the wait will
 * be. So each thread remembers how long it usually waits at each of its sites (the code that waits,
 * at that depth of its stack), and the stack is taken with probability usual / scale + uniform.
 * Both adapt on each CPU. The first part samples in proportion to time waited, at most threads /
 * scale stacks per second whatever the rate of switches; the second finds the wait that is long
 * where they usually are short. With few switches both come to certainty.
 *
 * Of short waits those with a stack count 1 / probability times. Long ones are all reported, which
 * costs little: their sum is exact, and user space divides it by those that have a stack. So no
 * wait can weigh more than a short one's length × 65536 / its probability. The probability that was
 * used travels with the wait: adapting it biases nothing.
 *
 * The budget is 1 / FG_WAIT_BUDGET_PART of each CPU's time for all of this program: what the stacks
 * may take is what its plain accounts leave. Credit, growing with time, falling with use, cuts off
 * what the adaptation is too slow for.
 *
 * Every switch of the machine comes by, so the common ways are short: others' switches cost two
 * bytes to look at, a target's one clock reading, this CPU's state and the thread's two cache
 * lines, which lie where its number says. Hashes, registers of preempted threads, whose request it
 * is and the clock's second reading are for those that need them.
 *
 * The stack is sent at once and matched with the end (thread + time of the switch) by the client: a
 * pending stack needs no room in the kernel, and the one ring and the scheduler's order guarantee
 * that it comes first. Threads that sleep when profiling begins are noted then, those that sleep
 * when it ends are counted so far.
 *
 * Against the scheduler: /proc/PID/schedstat adds about 10 us per switch to a thread's CPU time
 * here (the idle task's way to the switch), perf's task clock does not; the sums are tested against
 * the latter.
 *
 * The scheduler calls with interrupts off, so nothing nests but a profiler's NMI, which has another
 * slot; the flag is there to be counted if a kernel should ever do otherwise.
 */
#ifndef FG_PROFILER_BPF_OFFCPU_H
#define FG_PROFILER_BPF_OFFCPU_H

/* A thread's account lies at the kernel's number of it, cut. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags,
	       BPF_F_MMAPABLE); /* so it begins on a page, each account on a cache line */
	__uint(max_entries, FG_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct fg_bpf_thread);
} fg_threads SEC(".maps");

/* Of each place the number that has it: a hash, because only that decides between two CPUs on
 * kernels before 5.12. Touched when threads come and go. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH); /* preallocated: this is no place to allocate in */
	__uint(max_entries, FG_THREADS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} fg_thread_places SEC(".maps");

/* Accounts by the helper's number: of those whose place another thread has, and those it saw asleep
 * when profiling began, until they are switched away. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FG_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct fg_bpf_thread);
} fg_more_threads SEC(".maps");

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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_wait_cpu);
} fg_wait_cpus SEC(".maps");

enum {
	FG_SCALE_FIRST_US = 500,
	FG_SCALE_MOST_US = 1000000,
	FG_LONG_MOST_US = 2000,      /* some hundred reports per second and busy thread */
	FG_LONG_POOR_US = 50000,     /* when the plain accounts take all */
	FG_CREDIT_MOST_NS = 2000000, /* saved up: 200 ms of budget */
	FG_WINDOW_NS = 20000000,
	FG_TICK_NS = 1000000,
	FG_STACK_GUESS_NS = 8000,  /* what one costs, before any was taken */
	FG_TIMED = 16,             /* one in so many calls without a stack is timed */
	FG_TIMED_NS_MAX = 10000,   /* the machine was away: no cost of ours */
	FG_PROBABILITY_LEAST = 16, /* of 65536 */
	FG_TASK_DEAD = 0x80,
};

/* A thread's number as the helper sees it; a plain load where that is the kernel's own. */
static __always_inline __u32 fg_wait_tid(struct task_struct *task)
{
	return fg_ns_inum ? fg_tid_of(task) : (__u32)task->pid;
}

/* New settings from what the last window used, halfway at a time. */
static __always_inline void fg_wait_adapt(struct fg_bpf_wait_cpu *cpu, __u64 now_ns)
{
	__u64 window_ns = now_ns - cpu->window_ns;
	__u64 allowed_ns = window_ns / FG_WAIT_BUDGET_PART;
	bool poor = cpu->plain_ns + allowed_ns / 8 > allowed_ns;
	__u64 cost_ns = cpu->stacks ? cpu->stacks_ns / cpu->stacks : FG_STACK_GUESS_NS;
	__u64 scale_us = cpu->scale_us;

	allowed_ns = poor ? allowed_ns / 8 : allowed_ns - cpu->plain_ns;
	__u64 all_ns = (cost_ns | 1) * ((cpu->stats.events - cpu->window_events) | 1);
	__u64 uniform = (allowed_ns / 2 << 16) / (all_ns | 1);
	__u64 wanted_us = scale_us * (cpu->stacks_ns >> 4) / (allowed_ns >> 4 | 1);

	if (wanted_us > scale_us * 2)
		wanted_us = scale_us * 2;
	if (wanted_us < scale_us / 2)
		wanted_us = scale_us / 2;
	scale_us = (scale_us + wanted_us + 1) / 2;
	cpu->scale_us = scale_us > FG_SCALE_MOST_US ? FG_SCALE_MOST_US : (__u32)scale_us;
	cpu->per_us = (__u32)(0xffffffff / (cpu->scale_us | 1));
	cpu->uniform = uniform > FG_WAIT_CERTAIN ? FG_WAIT_CERTAIN : (__u32)uniform;
	cpu->long_us = poor                              ? FG_LONG_POOR_US
		       : cpu->scale_us < FG_LONG_MOST_US ? cpu->scale_us
							 : FG_LONG_MOST_US;
	cpu->window_ns = now_ns;
	cpu->plain_ns = 0;
	cpu->stacks_ns = 0;
	cpu->stacks = 0;
	cpu->window_events = cpu->stats.events;
	cpu->random ^= (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32();
}

static __always_inline void fg_wait_tick(struct fg_bpf_wait_cpu *cpu, __u64 now_ns)
{
	if (!cpu->window_ns) {
		cpu->last_ns = now_ns;
		cpu->window_ns = now_ns;
		cpu->scale_us = FG_SCALE_FIRST_US;
		cpu->per_us = 0xffffffff / FG_SCALE_FIRST_US;
		cpu->random = now_ns;
		cpu->long_us = FG_SCALE_FIRST_US;
		cpu->uniform = FG_WAIT_CERTAIN / 8;
	}
	cpu->credit_ns += (now_ns - cpu->last_ns) / FG_WAIT_BUDGET_PART;
	cpu->last_ns = now_ns;
	if (cpu->credit_ns > FG_CREDIT_MOST_NS)
		cpu->credit_ns = FG_CREDIT_MOST_NS;
	if (now_ns - cpu->window_ns >= FG_WINDOW_NS)
		fg_wait_adapt(cpu, now_ns);
}

static __always_inline void fg_wait_pay(struct fg_bpf_wait_cpu *cpu, __u64 used_ns, bool has_stack)
{
	if (has_stack) {
		cpu->stacks_ns += used_ns;
		cpu->stacks++;
	} else {
		if (used_ns > FG_TIMED_NS_MAX)
			used_ns = FG_TIMED_NS_MAX;
		used_ns *= FG_TIMED;
		cpu->plain_ns += used_ns;
	}
	cpu->stats.bpf_ns += used_ns;
	cpu->credit_ns -= used_ns;
}

/* x86-64's and AArch64's; a stack's registers are fg_arch_entry()'s business. */
struct pt_regs___either {
	unsigned long ip, pc, sp;
} FG_CORE;

/* Where the thread entered the kernel: code and depth, mixed. Preempted ones share a site, because
 * where the tick finds them says nothing of how long they will wait. */
static __always_inline __u64 fg_wait_site(struct task_struct *prev)
{
	const __u64 spread = 0x9e3779b97f4a7c15ull;
	struct fg_arch_regs regs;

	if (!bpf_core_enum_value_exists(enum bpf_func_id___newer, BPF_FUNC_task_pt_regs___newer))
		return fg_arch_entry(&regs) ? (regs.ip ^ regs.sp * spread) | 1 : 0;
	const struct pt_regs___either *at = (const void *)bpf_task_pt_regs(prev);
	__u64 ip = bpf_core_field_exists(at->pc) ? at->pc : at->ip;

	return (ip ^ at->sp * spread) | 1;
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
						 const struct fg_bpf_wait_cpu *cpu)
{
	const struct fg_bpf_wait_site *slot = fg_wait_slot(thread, thread->site);
	__u64 probability = FG_WAIT_CERTAIN;

	if (slot->site == (__u32)thread->site && slot->usual_us < cpu->scale_us)
		probability = ((__u64)slot->usual_us * cpu->per_us >> 16) + cpu->uniform;
	if (probability > FG_WAIT_CERTAIN)
		probability = FG_WAIT_CERTAIN;
	if (cpu->credit_ns < 0)
		probability >>= cpu->credit_ns < -(__s64)FG_CREDIT_MOST_NS ? 6 : 3;
	return probability < FG_PROBABILITY_LEAST ? FG_PROBABILITY_LEAST : probability;
}

static __always_inline void fg_wait_learn(struct fg_bpf_thread *thread, __u64 waited_ns)
{
	struct fg_bpf_wait_site *slot = fg_wait_slot(thread, thread->site);
	__u64 us = (waited_ns >> 10) + 1; /* as good as, without the division */
	__u32 now_us = us > 0xffffffff ? 0xffffffff : (__u32)us;
	__u32 faded_us = slot->usual_us - slot->usual_us / 8;

	if (slot->site != (__u32)thread->site)
		faded_us = 0;
	slot->site = (__u32)thread->site;
	slot->usual_us = now_us > faded_us ? now_us : faded_us;
}

/* Whose request it is has not changed since the switch away: it takes a receive to change that. */
static __always_inline void fg_wait_send(const struct fg_bpf_thread *thread, __u32 pid, __u64 value,
					 __u64 how, __u64 now_ns, struct fg_bpf_type_stats *stats)
{
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
		.tid = thread->tid,
		.user_count = FG_WAIT_WORDS,
		.result = FG_BPF_KERNEL_ONLY,
		.type = FG_SAMPLE_WAIT,
		.request = fg_label_request(pid),
		.value = value,
		.words = {thread->out_ns, thread->site, how},
	};

	_Static_assert(sizeof(record) == sizeof(struct fg_bpf_sample) -
						 8 * (FG_SAMPLE_FRAMES - FG_WAIT_WORDS),
		       "a sample's head and the words");
	if (bpf_ringbuf_output(&fg_samples, &record, sizeof(record), BPF_RB_NO_WAKEUP))
		stats->lost++;
}

static __always_inline void fg_wait_end(struct fg_bpf_thread *thread, __u32 pid, __u64 since_ns,
					__u64 now_ns, struct fg_bpf_type_stats *stats)
{
	if (!thread->out_ns || thread->out_ns < since_ns || now_ns < thread->out_ns)
		return;
	__u64 waited_ns = now_ns - thread->out_ns;
	bool is_long = waited_ns >= (__u64)thread->long_us * 1000;
	__u64 how = thread->how | (is_long ? FG_WAIT_LONG : 0);

	if (!(how & FG_WAIT_SINCE_START))
		fg_wait_learn(thread, waited_ns);
	if (!is_long)
		thread->short_ns += waited_ns;
	if (is_long || (how & FG_WAIT_HAS_STACK))
		fg_wait_send(thread, pid, waited_ns, how, now_ns, stats);
	thread->out_ns = 0;
}

/* Nobody's process can be ruled out in a namespace, where numbers take more to find. */
static __always_inline bool fg_wait_may_be_target(struct task_struct *task)
{
	if (fg_ns_inum)
		return task->pid != 0;
	return task->pid != 0 && fg_target_marks[(__u32)task->tgid & (FG_TARGET_MARKS - 1)] != 0;
}

/* The account at a thread's own place, if it is that thread's. */
static __always_inline struct fg_bpf_thread *fg_wait_own(struct task_struct *task)
{
	__u32 pid = (__u32)task->pid, place = pid & (FG_THREADS_MAX - 1);
	struct fg_bpf_thread *thread = bpf_map_lookup_elem(&fg_threads, &place);

	return thread && thread->pid == pid && thread->group == (__u32)task->tgid ? thread : 0;
}

static __always_inline struct fg_bpf_thread *fg_wait_elsewhere(struct task_struct *task)
{
	__u32 tid = fg_wait_tid(task);

	return bpf_map_lookup_elem(&fg_more_threads, &tid);
}

/* The thread's own place, if that is free; what an account elsewhere says moves there. */
static __always_inline struct fg_bpf_thread *
fg_wait_settle(struct task_struct *task, __u32 tid, __u32 tgid, const struct fg_bpf_thread *more)
{
	__u32 pid = (__u32)task->pid, place = pid & (FG_THREADS_MAX - 1);
	struct fg_bpf_thread *thread = bpf_map_lookup_elem(&fg_threads, &place);

	if (!thread || thread->pid ||
	    bpf_map_update_elem(&fg_thread_places, &place, &pid, BPF_NOEXIST))
		return 0;
	__builtin_memset(thread, 0, sizeof(*thread));
	thread->tid = tid;
	thread->tgid = tgid;
	thread->group = (__u32)task->tgid;
	thread->short_ns = more ? more->short_ns : 0;
	thread->pid = pid;
	return thread;
}

/* The running thread, seen for the first time or with its place taken. */
static __always_inline struct fg_bpf_thread *fg_wait_adopt(struct task_struct *task,
							   struct fg_bpf_type_stats *stats)
{
	__u32 tid = fg_current_tid(), tgid = fg_current_tgid();

	if (!bpf_map_lookup_elem(&fg_targets, &tgid))
		return 0;
	struct fg_bpf_thread *more = bpf_map_lookup_elem(&fg_more_threads, &tid);
	struct fg_bpf_thread *thread = fg_wait_settle(task, tid, tgid, more);

	if (thread) {
		if (more)
			bpf_map_delete_elem(&fg_more_threads, &tid);
		return thread;
	}
	if (!more) {
		struct fg_bpf_thread first = {.tid = tid, .tgid = tgid};

		if (bpf_map_update_elem(&fg_more_threads, &tid, &first, BPF_NOEXIST))
			stats->untracked++;
		more = bpf_map_lookup_elem(&fg_more_threads, &tid);
	}
	return more;
}

/* `pid` is 0 in an account elsewhere. */
static __always_inline void fg_wait_forget(struct fg_bpf_thread *thread)
{
	__u32 tid = thread->tid, place = thread->pid & (FG_THREADS_MAX - 1);

	/* Also of one that settled: it may have been noted as asleep just after it had woken up. */
	bpf_map_delete_elem(&fg_more_threads, &tid);
	if (!thread->pid)
		return;
	thread->out_ns = 0;
	thread->short_ns = 0;
	thread->pid = 0; /* first: whoever comes now finds the place taken, not half free */
	bpf_map_delete_elem(&fg_thread_places, &place);
}

/* Another wake-up may have changed it already; then the wait is as good as over. */
static __always_inline __u64 fg_task_state(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return (__u64)BPF_CORE_READ((struct task_struct___before_5_14 *)(void *)task, state);
}

static __always_inline bool fg_wait_take(void *ctx, struct fg_bpf_thread *thread,
					 struct fg_bpf_wait_cpu *cpu)
{
	__u32 tgid = thread->tgid;
	struct fg_bpf_target *target = bpf_map_lookup_elem(&fg_targets, &tgid);
	struct fg_unwind_state *state;

	if (!target)
		return false;
	if (cpu->busy) {
		cpu->stats.nested++;
		return false;
	}
	state = begin_sample(FG_SLOT_OFFCPU, FG_SAMPLE_OFFCPU, tgid, target, thread->out_ns);
	if (!state)
		return false;
	cpu->busy = 1;
	thread->how |= FG_WAIT_HAS_STACK;
	state->sample.value = thread->site;
	bool has_regs = fg_arch_entry(&state->regs);
	long got =
		bpf_get_stack(ctx, state->sample.frames, FG_KERNEL_FRAMES_MAX * sizeof(__u64), 0);

	if (got > 0)
		state->sample.kernel_count = (__u16)(got / (long)sizeof(__u64));
	if (has_regs)
		fg_unwind_user(FG_SLOT_OFFCPU, target->image);
	cpu->stats.samples++;
	cpu->stats.lost += send_sample(state, target);
	cpu->busy = 0;
	return true;
}

/* Xorshift: a look at each switch is what the kernel's generator is too dear for. */
static __always_inline __u64 fg_wait_random(struct fg_bpf_wait_cpu *cpu)
{
	__u64 random = cpu->random;

	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	cpu->random = random | !random;
	return random >> 48;
}

/* True if a stack was taken. */
static __always_inline bool fg_wait_begin(void *ctx, struct task_struct *prev, bool preempted,
					  struct fg_bpf_thread *thread, struct fg_bpf_wait_cpu *cpu,
					  __u64 now_ns)
{
	__u64 task_state = fg_task_state(prev);

	if (task_state & FG_TASK_DEAD) {
		if (thread->short_ns)
			fg_wait_send(thread, (__u32)prev->pid, thread->short_ns, FG_WAIT_TOTAL,
				     now_ns, &cpu->stats);
		fg_wait_forget(thread);
		return false;
	}
	preempted = preempted || task_state == 0;
	thread->site = preempted ? 0 : fg_wait_site(prev);
	thread->long_us = cpu->long_us;
	__u64 probability = fg_wait_probability(thread, cpu);

	thread->how = probability | (preempted ? FG_WAIT_PREEMPTED : 0);
	thread->out_ns = now_ns;
	if (fg_wait_random(cpu) >= probability) {
		cpu->stats.skipped++;
		return false;
	}
	return fg_wait_take(ctx, thread, cpu);
}

/* Ends `next`'s wait and begins `prev`'s; true if a stack was taken. */
static __always_inline bool fg_wait_switch(void *ctx, bool preempt, struct task_struct *prev,
					   struct task_struct *next, struct fg_bpf_wait_cpu *cpu,
					   __u64 since_ns, __u64 now_ns)
{
	if (fg_wait_may_be_target(next)) {
		struct fg_bpf_thread *to = fg_wait_own(next);

		if (!to)
			to = fg_wait_elsewhere(next);
		if (to)
			fg_wait_end(to, (__u32)next->pid, since_ns, now_ns, &cpu->stats);
	}
	if (!fg_wait_may_be_target(prev))
		return false;
	struct fg_bpf_thread *from = fg_wait_own(prev);

	if (!from)
		from = fg_wait_adopt(prev, &cpu->stats);
	if (!from)
		return false;
	cpu->stats.events++;
	return fg_wait_begin(ctx, prev, preempt, from, cpu, now_ns);
}

/* Later kernels have more arguments; these three are the same in all. */
SEC("tp_btf/sched_switch")
int BPF_PROG(fg_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 zero = 0;

	if (!fg_wait_may_be_target(prev) && !fg_wait_may_be_target(next))
		return 0;
	const struct fg_bpf_wait_control *control = bpf_map_lookup_elem(&fg_wait_control, &zero);
	struct fg_bpf_wait_cpu *cpu = bpf_map_lookup_elem(&fg_wait_cpus, &zero);

	if (!control || !cpu || !control->since_ns)
		return 0;
	__u64 begin_ns = bpf_ktime_get_ns();

	if (begin_ns - cpu->last_ns >= FG_TICK_NS)
		fg_wait_tick(cpu, begin_ns);
	bool has_stack = fg_wait_switch(ctx, preempt, prev, next, cpu, control->since_ns, begin_ns);

	if ((++cpu->calls & (FG_TIMED - 1)) == 0 || has_stack)
		fg_wait_pay(cpu, bpf_ktime_get_ns() - begin_ns, has_stack);
	return 0;
}

#endif
