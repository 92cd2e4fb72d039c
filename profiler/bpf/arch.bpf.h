/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the unwinder knows of one processor: where registers stand at an interrupt and at the way
 * into the kernel, what a signal's frame looks like (arch_*.bpf.h); how one row leads to the caller
 * (step_*.bpf.h). The searches and the loop in unwind.bpf.h are the same for all.
 */
#ifndef FG_PROFILER_BPF_ARCH_H
#define FG_PROFILER_BPF_ARCH_H

#if defined(__TARGET_ARCH_arm64)
#include "profiler/bpf/arch_arm64.bpf.h"
#elif defined(__TARGET_ARCH_x86)
#include "profiler/bpf/arch_x86.bpf.h"
#else
#error "which processor? -D__TARGET_ARCH_x86 or -D__TARGET_ARCH_arm64"
#endif

#endif
