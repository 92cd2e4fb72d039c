/* SPDX-License-Identifier: Apache-2.0 */
/* In place of libbpf's: BPF sources compiled as ordinary C, with the test's helpers. */
#ifndef FG_TESTS_BPF_HELPERS_H
#define FG_TESTS_BPF_HELPERS_H

#include <linux/bpf.h>

#define SEC(name)
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]

static void *bpf_map_lookup_elem(void *map, const void *key);
static long bpf_probe_read_user(void *ret, __u64 len, const void *address);
static long bpf_probe_read_kernel(void *ret, __u64 len, const void *address);
static unsigned long bpf_get_current_task(void);
static struct task_struct *bpf_get_current_task_btf(void);
static long bpf_task_pt_regs(struct task_struct *task);

#endif
