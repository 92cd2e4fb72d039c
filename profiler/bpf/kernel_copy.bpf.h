/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Copies a piece of the kernel's memory for the helper, which runs it on purpose a few times and
 * unloads it; and the format of the kernel's unwind table, which only CO-RE can tell.
 */
#ifndef FG_PROFILER_BPF_KERNEL_COPY_H
#define FG_PROFILER_BPF_KERNEL_COPY_H

struct orc_entry {
	__s16 sp_offset, bp_offset;
	unsigned int end : 1;    /* up to 6.3 */
	unsigned int signal : 1; /* from 6.3 on */
} FG_CORE;

/* By user space, once it has them; empty until then. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_kernel_table);
} fg_kernel_table SEC(".maps");

__u64 fg_copy_from = 0;
__u32 fg_copy_bytes = 0;
char fg_copied[FG_KERNEL_COPY_BYTES];

static __always_inline int orc_format(void)
{
	if (!bpf_core_type_exists(struct orc_entry))
		return FG_ORC_FORMAT_NONE;
	if (!bpf_core_field_exists(struct orc_entry, end))
		return FG_ORC_FORMAT_6_4;
	return bpf_core_field_exists(struct orc_entry, signal) ? FG_ORC_FORMAT_6_3
							       : FG_ORC_FORMAT_4_14;
}

/* enum fg_orc_format, or FG_ORC_FORMAT_NONE where nothing could be read. */
SEC("raw_tp")
int fg_kernel_copy(void *ctx)
{
	__u32 bytes = fg_copy_bytes;

	if (bytes > sizeof(fg_copied) ||
	    bpf_probe_read_kernel(fg_copied, bytes, (const void *)fg_copy_from))
		return FG_ORC_FORMAT_NONE;
	return orc_format();
}

#endif
