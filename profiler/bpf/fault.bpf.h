/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where resident memory grows: the stack at every Nth page fault. For sampler.bpf.c only.
 *
 * On the kernel's software event and not on the tracepoint of faults: the event counts in a few
 * nanoseconds and calls us for each FG_FAULT_PERIODth alone, the tracepoint calls for each. N is
 * that, doubled while there are many: a call then takes the stack with probability 1/2, 1/4 … and
 * the sample counts for the others. (The kernel's own adapting of periods makes a sum of few
 * samples wrong by half where other processes fault a lot.)
 */
#ifndef FG_PROFILER_BPF_FAULT_H
#define FG_PROFILER_BPF_FAULT_H

struct fg_fault_cpu {
	__u64 window_ns;
	__u32 stacks; /* in the window */
	__u32 shift;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_fault_cpu);
} fg_fault_cpus SEC(".maps");

enum {
	FG_FAULT_WINDOW_NS = 20000000,
	FG_FAULT_MANY = 16,
	FG_FAULT_FEW = 4,
	FG_FAULT_SHIFT_MAX = 8
};

/* How often N is doubled now. */
static __always_inline __u32 fg_fault_shift(struct fg_fault_cpu *cpu, __u64 now_ns)
{
	if (now_ns - cpu->window_ns >= FG_FAULT_WINDOW_NS) {
		if (cpu->stacks > FG_FAULT_MANY && cpu->shift < FG_FAULT_SHIFT_MAX)
			cpu->shift++;
		else if (cpu->stacks < FG_FAULT_FEW && cpu->shift > 0)
			cpu->shift--;
		cpu->window_ns = now_ns;
		cpu->stacks = 0;
	}
	return cpu->shift & 15;
}

SEC("perf_event")
int fg_fault(struct bpf_perf_event_data *ctx)
{
	__u64 begin_ns = bpf_ktime_get_ns();
	__u32 tgid = fg_current_tgid(), type = FG_SAMPLE_FAULT;
	struct fg_bpf_type_stats *stats = bpf_map_lookup_elem(&fg_type_stats, &type);
	struct fg_bpf_target *target = bpf_map_lookup_elem(&fg_targets, &tgid);

	__u32 zero = 0;
	struct fg_fault_cpu *cpu = bpf_map_lookup_elem(&fg_fault_cpus, &zero);

	if (!stats || !target || !cpu)
		return 0;
	stats->events++;
	__u32 shift = fg_fault_shift(cpu, begin_ns);

	if (bpf_get_prandom_u32() & ((1u << shift) - 1)) {
		stats->skipped++;
		return 0;
	}
	cpu->stacks++;
	struct fg_unwind_state *state =
		begin_sample(FG_SLOT_FAULT, FG_SAMPLE_FAULT, tgid, target, begin_ns);

	if (!state)
		return 0;
	state->sample.value = (__u64)FG_FAULT_PERIOD << shift;
	if (read_user_regs(ctx, state))
		fg_unwind_user(FG_SLOT_FAULT, target->image);
	stats->samples++;
	stats->lost += send_sample(state, target);
	stats->bpf_ns += bpf_ktime_get_ns() - begin_ns;
	return 0;
}

#endif
