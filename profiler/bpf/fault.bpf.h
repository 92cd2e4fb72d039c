/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where resident memory grows: the stack at every Nth page fault. For sampler.bpf.c only.
 *
 * On the kernel's software event and not on the tracepoint of faults: the event counts in a few
 * nanoseconds and calls us for the Nth alone, the tracepoint calls for each. The kernel chooses N
 * by the rate that was asked for, and the context says what it was.
 */
#ifndef FG_PROFILER_BPF_FAULT_H
#define FG_PROFILER_BPF_FAULT_H

SEC("perf_event")
int fg_fault(struct bpf_perf_event_data *ctx)
{
	__u64 begin_ns = bpf_ktime_get_ns();
	__u32 tgid = fg_current_tgid(), type = FG_SAMPLE_FAULT;
	struct fg_bpf_type_stats *stats = bpf_map_lookup_elem(&fg_type_stats, &type);
	struct fg_bpf_target *target = bpf_map_lookup_elem(&fg_targets, &tgid);

	if (!stats || !target)
		return 0;
	stats->events++;
	struct fg_unwind_state *state =
		begin_sample(FG_SLOT_FAULT, FG_SAMPLE_FAULT, tgid, target, begin_ns);

	if (!state)
		return 0;
	state->sample.value = ctx->sample_period;
	if (read_user_regs(ctx, state))
		unwind(state, FG_SLOT_FAULT, target->image);
	stats->samples++;
	stats->lost += send_sample(state, target);
	stats->bpf_ns += bpf_ktime_get_ns() - begin_ns;
	return 0;
}

#endif
