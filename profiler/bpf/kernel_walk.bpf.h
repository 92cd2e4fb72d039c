/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bool fg_kernel_walk(): the frames of an interrupted kernel, at less expense than the kernel's own
 * walk; false: none, or the kernel has to say.
 */
#ifndef FG_PROFILER_BPF_KERNEL_WALK_H
#define FG_PROFILER_BPF_KERNEL_WALK_H

#if defined(__TARGET_ARCH_x86)
#include "profiler/bpf/orc_x86.bpf.h"
#else
/* Frame pointers: the kernel's walk is as cheap. */
static __always_inline bool fg_kernel_walk(struct bpf_perf_event_data *ctx,
					   struct fg_unwind_state *state,
					   struct fg_bpf_stats *stats)
{
	return false;
}
#endif

#endif
