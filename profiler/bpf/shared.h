/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the BPF programs and user space both see: row format, map values, ring records.
 *
 * Fixed-width types only; every struct's size is asserted on both sides. Row format and limits:
 * reference/ebpf.md §1.7. FG_BPF_ABI is between helper and client: it changes with samples, frames
 * and results, not with what the helper alone writes for its programs (rows, maps).
 */
#ifndef FG_PROFILER_BPF_SHARED_H
#define FG_PROFILER_BPF_SHARED_H

#ifndef __bpf__
#include <stdint.h>
#endif

#include "profiler/bpf/script.h"

#define FG_BPF_ABI 2

enum {
	FG_ROWS_PER_SHARD = 1 << 19, /* 8-byte rows: 4 MiB, under the map value limit of 5.8 */
	FG_SHARDS_MAX = 8,           /* 4.2 million rows; each shard is a map made when needed */
	FG_PAGE_SHIFT = 10,          /* the page index has one entry per 1 KiB of module text */
	FG_PAGES_MAX = 1 << 20,      /* 1 GiB of text over all modules, 4 MiB of index */
	FG_SPACES_MAX = 1024,        /* address spaces (tgids, shared after fork until exec) */
	FG_MAPPINGS_SHIFT = 12,
	FG_MAPPINGS_MAX = 1 << FG_MAPPINGS_SHIFT, /* executable mappings of one address space */
	FG_ARENA_MAX = 1 << 16,                   /* of all spaces, with those just replaced */
	FG_TGIDS_MAX = 16384,
	FG_STACK_FRAMES_MAX = 128,
	FG_KERNEL_FRAMES_MAX = 64,
	FG_MODULES_MAX = 4096,
};

/* How to find the caller of an address range; o = 8 × cfa_offset_8. x86-64 (AArch64's own kinds are
 * below; it shares NONE, SIGNAL, STOP, FRAME_POINTER and UNSUPPORTED): for every kind that names a
 * CFA the return address is at CFA − 8, the caller's RSP is CFA, and its RBP was saved at CFA + 8 ×
 * rbp_offset_8 unless rbp_offset_8 is FG_RBP_SAME (same or unknown: keep the value). The other
 * kinds ignore both offsets, FG_ROW_FRAME_POINTER the second. */
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
	/* r: the word of struct pt_regs that the low four bits say, as it was at the interruption.
	 * It is asked for as long as only frames without a word on the stack were left:
	 * hand-written loops (libcrypto's) and subroutines of theirs, which leave each other's
	 * registers alone. Compilers use no CFA that a call could destroy. */
	FG_ROW_REGISTER = 0x40,  /* CFA = r + o */
	FG_ROW_INDEXED_8 = 0x50, /* CFA = *(RSP + 8 × r + o) + 8 */
	FG_ROW_CLONE = 0x60,     /* CFA = RSP + o; the outermost frame where r is 0 */
	FG_ROW_WORD_MASK = 15,
};

/* AArch64. The return address is in LR (X30) until the function saves it; compilers save X29 and LR
 * as a pair, LR above, mostly at the top of the frame (clang) or near its bottom (gcc). A kind is
 * FG_A64 with these bits; o as above, s = 8 × rbp_offset_8:
 *   base = SP, or X29 with FG_A64_BASE_FP;  CFA = base + o, which is the caller's SP;
 *   S    = CFA + s, or base + s with FG_A64_FROM_BASE;
 *   X29  = *S with FG_A64_SAVES_FP, else unchanged;
 *   return address = *S with FG_A64_SAVES_LR alone, *(S + 8) with FG_A64_SAVES_FP too, without it
 * LR as it stands: right only where nothing was called yet (the interrupted function; the one that
 * a signal interrupted), anywhere else the stack is broken. Codes of pointer authentication are
 * taken off the return address, signed or not: no row tells. FG_ROW_FRAME_POINTER and _NONE go by
 * the record {X29, LR} at X29; it does not tell the caller's SP, see step_arm64.bpf.h. s is ignored
 * where nothing is saved. */
enum fg_a64_kind {
	FG_A64 = 0x80,
	FG_A64_BASE_FP = 1,
	FG_A64_SAVES_LR = 2,
	FG_A64_SAVES_FP = 4,
	FG_A64_FROM_BASE = 8,
	FG_A64_ALL = 15,
};

enum { FG_FRAME_ON_ANY_STACK = 1 }; /* cfa_offset_8 of FG_ROW_FRAME_POINTER: not this one's only */
enum { FG_RBP_SAME = -128 };        /* RBP not saved: keep the current value */

struct fg_unwind_row {        /* rules hold from `address` up to the next row's */
	uint32_t address;     /* in the module's file-relative (p_vaddr) space */
	int16_t cfa_offset_8; /* /8 */
	int8_t rbp_offset_8;  /* /8, or FG_RBP_SAME */
	uint8_t kind;
};

/* One executable mapping of an address space; its start stands in fg_bpf_arena.starts so that the
 * search touches neighbouring words. A module whose rows need two shards has two of these. */
enum fg_map_kind {
	FG_MAP_ROWS,    /* rows and page index exist */
	FG_MAP_NO_ROWS, /* a file without unwind rows: RBP chain, guessed */
	FG_MAP_ANON,    /* no file (JIT code): RBP chain, guessed */
	FG_MAP_JIT, /* code of a JIT compiler known to keep the frame pointer: RBP chain, right */
};
struct fg_bpf_mapping {
	uint64_t end;
	uint64_t bias;        /* address − bias = p_vaddr */
	uint32_t first_page;  /* of the page index */
	uint32_t vaddr_pages; /* p_vaddr >> FG_PAGE_SHIFT that first_page stands for */
	uint16_t module;
	uint8_t shard;
	uint8_t kind;
	uint32_t generation; /* of the space that wrote it: another's is not ours */
};

/* The mappings of all address spaces, each space a range of it, ascending. */
struct fg_bpf_arena {
	uint64_t starts[FG_ARENA_MAX];
	struct fg_bpf_mapping mappings[FG_ARENA_MAX];
};
/* An address space. The generation stands for its content: none is used twice; 0: none yet. */
struct fg_bpf_range {
	uint32_t first, count;
	uint32_t generation;
};
struct fg_bpf_shard {
	struct fg_unwind_row rows[FG_ROWS_PER_SHARD];
};
struct fg_bpf_pages { /* rows of page p: rows[first[p]] … rows[first[p + 1]] */
	uint32_t first[FG_PAGES_MAX];
};

/* Value of the tgid set. */
struct fg_bpf_target {
	uint64_t signal; /* identity against pid reuse; 0 = not yet seen by the kernel side */
	uint64_t last_miss_ns;
	struct fg_bpf_range space;
	uint32_t miss_interval_ms;
	uint64_t last_fault_ns;
	uint32_t image; /* of an interpreter's program; 0: none */
	uint32_t reserved;
};

/* A user frame: module << 48 | address. Addresses are those to look up: already −1 for return
 * addresses; p_vaddr of the module, raw for the modules below. */
enum {
	FG_MODULE_NONE = 0,   /* in no known mapping; the address is 0 */
	FG_MODULE_ANON = 1,   /* executable memory without a file: absolute */
	FG_MODULE_SCRIPT = 2, /* a function of an interpreter, by the helper: number of its name <<
				 20 | line, FG_SCRIPT_ENTRY; never sent by BPF */
	FG_MODULE_FIRST = 3,
};
#define FG_SCRIPT_ENTRY       (1ull << 47) /* the interpreter was entered anew for this function */
#define FG_SCRIPT_NAME_SHIFT  20
#define FG_SCRIPT_LINE_MASK   ((1ull << FG_SCRIPT_NAME_SHIFT) - 1)
#define FG_FRAME_GUESSED      (1ull << 63) /* found by a guess */
#define FG_FRAME_MODULE_SHIFT 48
#define FG_FRAME_ADDRESS_MASK ((1ull << 48) - 1)

/* Same values as enum fg_stack_result of gate/profile/profile.h, asserted in session.c. */
enum fg_bpf_result {
	FG_BPF_COMPLETE,
	FG_BPF_NO_MAPPING,
	FG_BPF_GAP,
	FG_BPF_UNSUPPORTED,
	FG_BPF_READ_FAULT,
	FG_BPF_DEPTH,
	FG_BPF_BAD,
	FG_BPF_KERNEL_ONLY,
	FG_BPF_SCRIPT = 9, /* the native stack is complete, the interpreter's is not */
	FG_BPF_RESULT_COUNT
};

enum { FG_SAMPLE_FRAMES = 512 }; /* a power of two ≥ all frames: bounds by mask */
enum { FG_SCRIPT_WORDS_MAX = 256 };

enum fg_sample_type {
	FG_SAMPLE_CPU,    /* one tick of the CPU clock */
	FG_SAMPLE_OFFCPU, /* the stack at the switch away */
	FG_SAMPLE_FAULT,  /* one of `value` page faults */
	FG_SAMPLE_WAIT,   /* no stack: the end of a wait, see FG_WAIT_… below */
	FG_SAMPLE_TYPE_COUNT
};

/* Waits. The stack leaves at the switch away (FG_SAMPLE_OFFCPU; value: its site), for a part of the
 * waits; FG_SAMPLE_WAIT follows when the thread runs again (time_ns: then; value: ns that it
 * waited), of the waits whose stack was taken and of all long ones, sampled or not. Three words
 * stand for its frames. What is long is settled before a wait begins. A short one counts 1 /
 * probability times, and so that their sum is right as well, a thread's is told when it ends or
 * profiling does; of the long ones the sum is known anyway, and those with a stack say how it is
 * divided. One ring and the scheduler's own order put the stack before the end. */
enum fg_wait_word {
	FG_WAIT_OUT_NS, /* time_ns of the switch away */
	FG_WAIT_SITE,   /* where it waited: the same code at the same depth of the same stack */
	FG_WAIT_HOW,    /* probability × 65536 that the stack was taken with, | FG_WAIT_… */
	FG_WAIT_WORDS
};
#define FG_WAIT_CERTAIN     65536ull
#define FG_WAIT_PROBABILITY 0x1ffffull
#define FG_WAIT_HAS_STACK   (1ull << 32)
#define FG_WAIT_PREEMPTED   (1ull << 33) /* it could have run: it waited for a CPU */
#define FG_WAIT_SINCE_START (1ull << 34) /* it slept when profiling began: no stack of it */
#define FG_WAIT_LONG        (1ull << 35) /* all such are reported, with or without a stack */
#define FG_WAIT_TOTAL       (1ull << 36) /* no wait: value is the sum of all the thread's short ones */

enum {
	FG_THREADS_MAX = 16384,    /* threads with an account of their waits; a power of two */
	FG_WAIT_SITES = 8,         /* per thread, direct mapped */
	FG_FAULT_PERIOD = 97,      /* page faults of a CPU between two looks at them */
	FG_WAIT_BUDGET_PART = 100, /* of a CPU's time that the accounts may take: 1 / this */
};

struct fg_bpf_wait_site {
	uint32_t site;
	uint32_t usual_us; /* the last long wait, fading by an eighth with each shorter one */
};

/* The account of a thread's waits: two cache lines. */
struct fg_bpf_thread {
	uint32_t pid,
		group; /* the kernel's numbers of thread and process; pid 0: none at this place */
	uint32_t tid, tgid; /* the helper's */
	uint64_t out_ns;    /* 0: it runs, or nothing is known */
	uint64_t site;
	uint64_t how;      /* as FG_WAIT_HOW */
	uint64_t short_ns; /* sum of the short waits, with a stack or not */
	uint32_t long_us;  /* a wait of this length counted as long when it began */
	uint32_t reserved[3];
	struct fg_bpf_wait_site sites[FG_WAIT_SITES];
};

/* What user space tells the program that follows waits. */
struct fg_bpf_wait_control {
	uint64_t since_ns; /* 0: off; waits that began before count for nothing */
};

/* `request`: whose request the thread was working on, by the client's port and the label that the
 * generator had stored for it; 0: unknown. */
#define FG_REQUEST(port, label)   ((uint32_t)(port) << 16 | (label))
#define FG_REQUEST_PORT(request)  ((request) >> 16)
#define FG_REQUEST_LABEL(request) ((request)&0xffff)

/* Where the generator says whose request is on its way, without a system call: one word per client
 * port and side (of a comparison; client ports repeat across target ports). The word's port is the
 * server's, so that neither a proxy between nor another server's port is taken for the client; 0:
 * any (what lies between gives the target another port, as a published container port). */
enum {
	FG_LABEL_PORTS = 1 << 16,
	FG_LABEL_SIDES = 1,
	FG_LABEL_THREADS = 1 << 16,
	FG_LABEL_TIMED_EVERY = 64,
	FG_LABEL_TIMED_NS_MAX = 10000,
};
#define FG_LABEL_INDEX(side, port) ((uint32_t)(side)*FG_LABEL_PORTS + (port))
#define FG_LABEL_WORD(port, label) ((uint32_t)(port) << 16 | (label))
#define FG_LABEL_WORD_PORT(word)   ((word) >> 16)
#define FG_LABEL_WORD_LABEL(word)  ((word)&0xffff)

struct fg_bpf_labels {
	uint32_t words[FG_LABEL_SIDES * FG_LABEL_PORTS]; /* FG_LABEL_WORD() */
};
struct fg_bpf_served {
	uint8_t ports[FG_LABEL_PORTS];
};
struct fg_bpf_label_stats { /* per CPU */
	uint64_t receives;  /* on ports that labelled clients use */
	uint64_t labelled;  /* of these with a label */
	uint64_t timed, timed_ns;
};

struct fg_bpf_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t tgid, tid;
	uint16_t kernel_count, user_count;
	uint16_t script_count; /* words of what the interpreter was doing, behind the user frames */
	uint16_t cpu;
	uint8_t result;
	uint8_t guessed; /* frames */
	uint8_t type;    /* enum fg_sample_type */
	uint8_t reserved;
	uint32_t request;
	uint64_t value;                    /* by type; 1 for FG_SAMPLE_CPU */
	uint64_t frames[FG_SAMPLE_FRAMES]; /* kernel first, each leaf first; cut to the counts */
};

enum fg_bpf_event_kind {
	FG_EVENT_MISS, /* value: the address that no mapping holds */
	FG_EVENT_FORK, /* other: the parent's tgid */
	FG_EVENT_EXEC,
	FG_EVENT_EXIT,  /* value: CPU-ns of the whole process, final */
	FG_EVENT_FAULT, /* value: an address of the stack that is not present in memory */
};
struct fg_bpf_event {
	uint32_t kind, tgid;
	uint32_t other, reserved;
	uint64_t value;
};

struct fg_bpf_stats {     /* per CPU */
	uint64_t hits;    /* interrupts that reached the program */
	uint64_t samples; /* of targets, sent or lost */
	uint64_t lost;    /* ring full */
	uint64_t lost_events;
	uint64_t bpf_ns; /* inside the program, for targets */
	uint64_t frames;
	/* Stacks of the kernel that BPF walked, how many of them the kernel walked too, and how
	 * many then were not the same; those that BPF began and left to the kernel. */
	uint64_t kernel_walks, kernel_checks, kernel_differ, kernel_given_up;
};

/* The kernel's unwind table among the rows, x86-64: addresses count from the start of its text.
 * rbp_offset_8 and cfa_offset_8 as above. */
enum fg_orc_kind {
	FG_ORC_UNKNOWN,
	FG_ORC_END, /* a kernel thread's first function */
	/* or one of these two */
	FG_ORC_CALL = 0x80, /* the return address is at CFA − 8 */
	FG_ORC_REGS = 0x40, /* CFA is where an interrupt or a system call saved all registers */
	/* with: */
	FG_ORC_SIGNAL = 0x20,     /* the caller was interrupted: look up its address as it is */
	FG_ORC_BP_FROM_BP = 0x10, /* RBP is saved at RBP + …, not CFA + … */
	FG_ORC_BASE = 0x0c,       /* CFA = base + o: */
	FG_ORC_BASE_SP = 0,
	FG_ORC_BASE_BP = 4,
	FG_ORC_INDIRECT = 8,            /* the next two */
	FG_ORC_BASE_SP_INDIRECT = 8,    /* *RSP + o */
	FG_ORC_BASE_BP_INDIRECT = 0x0c, /* *(RBP + o) */
};
/* How the kernel's table looks; orc_types.h of that version. */
enum fg_orc_format {
	FG_ORC_FORMAT_NONE,
	FG_ORC_FORMAT_4_14,
	FG_ORC_FORMAT_6_3,
	FG_ORC_FORMAT_6_4,
};
enum { FG_KERNEL_COPY_BYTES = 64 << 10, FG_KERNEL_PARTS_MAX = 3 };
struct fg_bpf_kernel_part {
	uint64_t start; /* from here on */
	uint32_t shard, first_page;
};
struct fg_bpf_kernel_table {
	uint64_t text, text_bytes; /* 0 bytes: not known, or not to be used */
	struct fg_bpf_kernel_part parts[FG_KERNEL_PARTS_MAX];
};

/* Per CPU and sample type; that of FG_SAMPLE_CPU stays unused for now (fg_bpf_stats). */
struct fg_bpf_type_stats {
	uint64_t events;    /* switches of targets' threads, faults sampled */
	uint64_t samples;   /* stacks, sent or lost */
	uint64_t lost;      /* records: ring full */
	uint64_t skipped;   /* no stack, for the sake of the budget */
	uint64_t nested;    /* no stack: interrupted another one of the kind on its CPU */
	uint64_t untracked; /* more threads than FG_THREADS_MAX */
	uint64_t bpf_ns;
};

/* One CPU's part in following waits: its counts, its budget and what it used in this window. */
struct fg_bpf_wait_cpu {
	struct fg_bpf_type_stats stats;
	uint64_t last_ns;
	int64_t credit_ns;
	uint64_t random;
	uint32_t scale_us;
	uint32_t per_us;  /* 2^32 / scale_us */
	uint32_t uniform; /* probability × 65536 */
	uint32_t long_us;
	uint32_t calls;
	uint32_t busy;
	uint64_t window_ns, window_events; /* when it began, events until then */
	uint64_t plain_ns, stacks_ns;      /* in the window */
	uint64_t stacks;
};

/* Process numbers, cut, that are or were a target's: others need not be looked for. */
enum { FG_TARGET_MARKS = 1 << 16 };

enum { FG_SAMPLE_RING_BYTES = 16 << 20, FG_EVENT_RING_BYTES = 256 << 10 };

_Static_assert(sizeof(struct fg_unwind_row) == 8, "rows are 8 bytes");
_Static_assert(sizeof(struct fg_bpf_shard) == 4 << 20, "the value size that old kernels take");
_Static_assert(sizeof(struct fg_bpf_mapping) == 32, "as both sides see it");
_Static_assert(sizeof(struct fg_bpf_target) == 48, "as both sides see it");
_Static_assert(sizeof(struct fg_bpf_sample) == 40 + 8 * FG_SAMPLE_FRAMES, "as both sides see it");
_Static_assert(sizeof(struct fg_bpf_thread) == 128, "two cache lines");
_Static_assert(sizeof(struct fg_bpf_wait_cpu) == 144, "as both sides see it");
_Static_assert(sizeof(struct fg_bpf_type_stats) == 56, "as both sides see it");
_Static_assert(sizeof(struct fg_bpf_event) == 24, "as both sides see it");
_Static_assert(FG_SAMPLE_FRAMES >= FG_STACK_FRAMES_MAX + FG_KERNEL_FRAMES_MAX + FG_SCRIPT_WORDS_MAX,
	       "all fit");

#endif
