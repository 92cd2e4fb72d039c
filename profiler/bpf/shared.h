/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the BPF programs and user space both see: row format, map values, ring records.
 *
 * Fixed-width types only; every struct's size is asserted on both sides. Row format and limits:
 * reference/ebpf.md §1.7. Changing anything here changes FG_BPF_ABI.
 */
#ifndef FG_PROFILER_BPF_SHARED_H
#define FG_PROFILER_BPF_SHARED_H

#ifndef __bpf__
#include <stdint.h>
#endif

#define FG_BPF_ABI 1

enum {
	FG_ROWS_PER_SHARD = 1 << 19, /* 8-byte rows: 4 MiB, under the map value limit of 5.8 */
	FG_SHARDS_MAX = 8,           /* 4.2 million rows; each shard is a map made when needed */
	FG_PAGE_SHIFT = 12,          /* the page index has one entry per 4 KiB of module text */
	FG_PAGES_MAX = 1 << 18,      /* 1 GiB of text over all modules, 1 MiB of index */
	FG_SPACES_MAX = 1024,        /* address spaces (tgids, shared after fork until exec) */
	FG_MAPPINGS_MAX = 512,       /* executable mappings of one address space */
	FG_TGIDS_MAX = 16384,
	FG_STACK_FRAMES_MAX = 128,
	FG_KERNEL_FRAMES_MAX = 64,
	FG_MODULES_MAX = 4096,
};

/* How to find the caller of an address range; o = 8 × cfa_offset_8. For every kind that names a CFA
 * the return address is at CFA − 8, the caller's RSP is CFA, and its RBP was saved at
 * CFA + 8 × rbp_offset_8 unless rbp_offset_8 is FG_RBP_SAME (same or unknown: keep the value).
 * The other kinds ignore both offsets. */
enum fg_row_kind {
	FG_ROW_NONE,          /* no FDE covers it: try the RBP chain, mark the frame guessed */
	FG_ROW_RSP,           /* CFA = RSP + o */
	FG_ROW_RBP,           /* CFA = RBP + o */
	FG_ROW_PLT,           /* CFA = RSP + 8 + ((RIP & 15) >= 11) × 8 */
	FG_ROW_SIGNAL,        /* an rt_sigframe: registers are read from it */
	FG_ROW_STOP,          /* the outermost frame (return address undefined): a known root */
	FG_ROW_DEREF_RSP,     /* CFA = *(RSP + o) */
	FG_ROW_DEREF_RBP,     /* CFA = *(RBP + o) */
	FG_ROW_FRAME_POINTER, /* RBP chain is right here (Go, JIT): not a guess */
	FG_ROW_UNSUPPORTED,   /* a rule this format cannot hold */
	FG_ROW_DEREF_RSP_8,   /* CFA = *(RSP + o) + 8: what libcrypto's assembly uses */
	FG_ROW_DEREF_RBP_8,   /* CFA = *(RBP + o) + 8 */
};
enum { FG_RBP_SAME = -128 }; /* RBP not saved: keep the current value */

struct fg_unwind_row {        /* rules hold from `address` up to the next row's */
	uint32_t address;     /* in the module's file-relative (p_vaddr) space */
	int16_t cfa_offset_8; /* /8 */
	int8_t rbp_offset_8;  /* /8, or FG_RBP_SAME */
	uint8_t kind;
};

#ifndef __bpf__
_Static_assert(sizeof(struct fg_unwind_row) == 8, "rows are 8 bytes");
#endif

#endif
