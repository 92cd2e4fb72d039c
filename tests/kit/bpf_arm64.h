/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwinder for arm64 as ordinary C: the very BPF source, with maps that are arrays. The
 * includer defines `static long bpf_probe_read_user(…)`. Compile with tests/kit/bpf_host first
 * among the include directories and -D__TARGET_ARCH_arm64.
 */
#ifndef FG_TESTS_BPF_ARM64_H
#define FG_TESTS_BPF_ARM64_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#define FG_PROFILER_BPF_KERNEL_H /* the kernel's types, for lack of a kernel */
#define FG_CORE
struct thread_struct {
	unsigned long tp_value;
};
struct task_struct {
	void *stack, *mm;
	struct thread_struct thread;
};
static bool fg_has_newer_helpers;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "profiler/bpf/shared.h"
#include "profiler/bpf/unwind.bpf.h"
#pragma GCC diagnostic pop

static struct fg_unwind_state host_state;
static struct fg_known_frames host_known;
static struct fg_bpf_arena host_arena;
static struct fg_bpf_shard host_rows;
static struct fg_bpf_pages host_pages;
static struct task_struct host_task;

/* Only user stacks here. */
static long bpf_probe_read_kernel(void *ret, __u64 len, const void *address)
{
	(void)ret;
	(void)len;
	(void)address;
	return -1;
}

static void *bpf_map_lookup_elem(void *map, const void *key)
{
	const struct {
		void *map, *value;
	} maps[] = {{&fg_state, &host_state}, {&fg_known, &host_known}, {&fg_arena, &host_arena},
		    {&fg_shards, &host_rows}, {&host_rows, &host_rows}, {&fg_pages, &host_pages}};

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (maps[i].map == map)
			return *(const __u32 *)key == 0 ? maps[i].value : NULL;
	return NULL;
}

static unsigned long bpf_get_current_task(void)
{
	return (unsigned long)&host_task;
}

static struct task_struct *bpf_get_current_task_btf(void)
{
	return &host_task;
}

static long bpf_task_pt_regs(struct task_struct *task)
{
	return (long)task->stack;
}

/* One module of `count` ascending rows in [start, end), p_vaddr = address − bias. */
static void host_load(const struct fg_unwind_row *rows, size_t count, __u64 start, __u64 end,
		      __u64 bias)
{
	__u64 first = (start - bias) >> FG_PAGE_SHIFT;
	__u64 last = (end - bias + (1 << FG_PAGE_SHIFT) - 1) >> FG_PAGE_SHIFT;
	size_t row = 0;

	memcpy(host_rows.rows, rows, count * sizeof(*rows));
	for (__u64 page = first; page <= last; page++) {
		while (row + 1 < count && rows[row + 1].address <= page << FG_PAGE_SHIFT)
			row++;
		host_pages.first[page - first] = (__u32)row;
	}
	host_arena.starts[0] = start;
	host_arena.mappings[0] = (struct fg_bpf_mapping){.end = end,
							 .bias = bias,
							 .vaddr_pages = (__u32)first,
							 .module = FG_MODULE_FIRST,
							 .kind = FG_MAP_ROWS,
							 .generation = 1};
	memset(&host_known, 0, sizeof(host_known));
}

/* The stack from `regs` on, in host_state.sample. */
static void host_unwind(const struct fg_arch_regs *regs)
{
	memset(&host_state, 0, sizeof(host_state));
	host_state.regs = *regs;
	host_state.space = (struct fg_bpf_range){.first = 0, .count = 1, .generation = 1};
	host_state.sample.result = FG_BPF_DEPTH;
	for (int i = 0; i < FG_STACK_FRAMES_MAX; i++)
		if (fg_unwind_frame(0))
			break;
}

#endif
