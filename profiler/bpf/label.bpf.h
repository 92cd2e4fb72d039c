/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose request each thread is working on: the maps that label.bpf.c fills and the sampler reads.
 *
 * Arrays only: hashes cost three times as much per receive (measured). A thread's word lies at its
 * number, cut; it holds the number too, so that of two threads that share a place the one that lost
 * it reads "unknown", never the other's request.
 */
#ifndef FG_PROFILER_BPF_LABEL_H
#define FG_PROFILER_BPF_LABEL_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FG_LABEL_THREADS);
	__type(key, __u32);
	__type(value, __u64); /* FG_REQUEST() << 32 | thread */
} fg_requests SEC(".maps");

/* [0] = 1 while label.bpf.c is attached: what it left behind is of no use after that. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} fg_labels_on SEC(".maps");

/* Of the current thread; 0: unknown. */
static __always_inline __u32 fg_label_request(__u32 tid)
{
	__u32 zero = 0, place = tid & (FG_LABEL_THREADS - 1);
	__u32 *on = bpf_map_lookup_elem(&fg_labels_on, &zero);
	__u64 *word = bpf_map_lookup_elem(&fg_requests, &place);

	if (!on || !*on || !word)
		return 0;
	__u64 value = *word;

	return (__u32)value == tid ? value >> 32 : 0;
}

#endif
