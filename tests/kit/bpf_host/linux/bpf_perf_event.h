/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the kernel's: arm64's registers wherever the test is compiled. */
#ifndef FG_TESTS_BPF_PERF_EVENT_H
#define FG_TESTS_BPF_PERF_EVENT_H

#include <linux/types.h>

struct bpf_perf_event_data {
	struct {
		__u64 regs[31], sp, pc, pstate;
	} regs;
	__u64 sample_period, addr;
};

#endif
