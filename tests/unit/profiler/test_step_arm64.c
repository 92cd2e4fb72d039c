/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's unwinder over a small made-up memory: the BPF source as ordinary C. */
#include "tests/kit/kit.h"

#include "tests/kit/bpf_arm64.h"

enum {
	CODE = 0x400000,
	LEAF = CODE,            /* return address in LR */
	GCC = CODE + 0x100,     /* CFA = SP + 32, pair at SP */
	CLANG = CODE + 0x200,   /* CFA = X29 + 16, pair at X29 */
	BIG = CODE + 0x300,     /* CFA = SP + 4096, pair at SP + 16 */
	LONE = CODE + 0x400,    /* CFA = SP + 16, LR at SP */
	ONLY_FP = CODE + 0x500, /* CFA = SP + 16, X29 at SP, LR where it was */
	NO_RULE = CODE + 0x600,
	RECORD = CODE + 0x700, /* the frame pointer is right */
	SIGNAL = CODE + 0x800,
	STILL = CODE + 0x900,  /* a row that goes nowhere */
	OTHERS = CODE + 0xa00, /* a row of x86-64 */
	REFUSED = CODE + 0xb00,
	ROOT = CODE + 0xc00,
	END = CODE + 0x1000,
	STACK = 0x10000,
	WORDS = 2048,
};

static const struct fg_unwind_row rows[] = {
	{LEAF, 0, FG_RBP_SAME, FG_A64},
	{GCC, 4, -4, FG_A64 | FG_A64_SAVES_LR | FG_A64_SAVES_FP},
	{CLANG, 2, -2, FG_A64 | FG_A64_SAVES_LR | FG_A64_SAVES_FP | FG_A64_BASE_FP},
	{BIG, 512, 2, FG_A64 | FG_A64_SAVES_LR | FG_A64_SAVES_FP | FG_A64_FROM_BASE},
	{LONE, 2, -2, FG_A64 | FG_A64_SAVES_LR},
	{ONLY_FP, 2, -2, FG_A64 | FG_A64_SAVES_FP},
	{NO_RULE, 0, 0, FG_ROW_NONE},
	{RECORD, 0, 0, FG_ROW_FRAME_POINTER},
	{SIGNAL, 0, 0, FG_ROW_SIGNAL},
	{STILL, 0, 2, FG_A64 | FG_A64_SAVES_LR},
	{OTHERS, 1, FG_RBP_SAME, FG_ROW_RSP},
	{REFUSED, 0, 0, FG_ROW_UNSUPPORTED},
	{ROOT, 0, 0, FG_ROW_STOP},
};

static __u64 memory[WORDS];

static long bpf_probe_read_user(void *ret, __u64 len, const void *address)
{
	__u64 offset = (__u64)address - STACK;

	if (offset >= sizeof(memory) || len > sizeof(memory) - offset)
		return -14;
	memcpy(ret, (const char *)memory + offset, len);
	return 0;
}

#define PAC    0xab3d000000000000ull /* bit 55 clear */
#define KERNEL 0xffff800000000000ull

/* `stack`: words from STACK on. SP = STACK unless `sp` is given. */
static const struct {
	const char *name;
	__u64 ip, bp, lr, sp;
	__u64 stack[12];
	__u64 ips[6]; /* of the callers; addresses are looked up one lower */
	__u8 result, guessed;
} cases[] = {
	{"leaf", LEAF, 0, ROOT + 4, 0, {0}, {ROOT + 4}, FG_BPF_COMPLETE, 0},
	{"leaf without LR", LEAF, 0, 0, 0, {0}, {0}, FG_BPF_BAD, 0},
	{"leaf that calls", LEAF, 0, LEAF + 8, 0, {0}, {LEAF + 8}, FG_BPF_BAD, 0},
	{"leaf, gcc, clang",
	 LEAF,
	 STACK,
	 GCC + 8,
	 0,
	 {STACK + 48, CLANG + 8, 0, 0, 0, 0, 0, ROOT + 4},
	 {GCC + 8, CLANG + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 0},
	{"signed addresses, in LR and in memory",
	 LEAF,
	 STACK,
	 (GCC + 8) | PAC,
	 0,
	 {STACK + 48, (ROOT + 4) | PAC},
	 {GCC + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 0},
	{"an address of the kernel is none of ours",
	 GCC,
	 STACK,
	 0,
	 0,
	 {0, KERNEL | ROOT},
	 {0},
	 FG_BPF_NO_MAPPING,
	 0},
	{"pair near the bottom of a large frame",
	 BIG,
	 0,
	 0,
	 0,
	 {0, 0, 7, ROOT + 4},
	 {ROOT + 4},
	 FG_BPF_COMPLETE,
	 0},
	{"LR alone; X29 stays for the caller",
	 LONE,
	 STACK + 16,
	 1,
	 0,
	 {CLANG + 8, 0, 0, ROOT + 4},
	 {CLANG + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 0},
	{"X29 alone, LR not yet saved",
	 ONLY_FP,
	 0,
	 CLANG + 8,
	 0,
	 {STACK + 16, 0, 0, ROOT + 4},
	 {CLANG + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 0},
	{"no rule, then one that needs no SP",
	 NO_RULE,
	 STACK,
	 0,
	 0,
	 {STACK + 32, CLANG + 8, 0, 0, 0, ROOT + 4},
	 {CLANG + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 1},
	{"no rule, then SP by the record: two guesses, and X29 is 0",
	 NO_RULE,
	 STACK,
	 0,
	 0,
	 {STACK + 32, GCC + 8, 0, 0, 0, CLANG + 8},
	 {GCC + 8, CLANG + 8},
	 FG_BPF_BAD,
	 2},
	{"the record is right, SP is not known: a guess",
	 RECORD,
	 STACK,
	 0,
	 0,
	 {STACK + 32, GCC + 8, 0, 0, 0, ROOT + 4},
	 {GCC + 8, ROOT + 4},
	 FG_BPF_COMPLETE,
	 1},
	{"no SP and no record", NO_RULE, STACK, 0, 0, {0, LONE + 8}, {LONE + 8}, FG_BPF_GAP, 1},
	{"no rule and no frame pointer", NO_RULE, 0, 0, 0, {0}, {0}, FG_BPF_GAP, 0},
	{"a frame pointer to nowhere", NO_RULE, STACK + 1, 0, 0, {0}, {0}, FG_BPF_GAP, 0},
	{"X29 below SP", CLANG, STACK, 0, STACK + 64, {0, ROOT + 4}, {0}, FG_BPF_BAD, 0},
	{"X29 no multiple of 8", CLANG, STACK + 4, 0, 0, {0}, {0}, FG_BPF_BAD, 0},
	{"no memory there", GCC, 0, 0, 8 * STACK, {0}, {0}, FG_BPF_READ_FAULT, 0},
	{"return to 0", GCC, 0, 0, 0, {0}, {0}, FG_BPF_BAD, 0},
	{"a row that goes nowhere", STILL, 0, 0, 0, {0, 0, STILL + 4}, {0}, FG_BPF_BAD, 0},
	{"a row of another machine", OTHERS, 0, 0, 0, {ROOT}, {0}, FG_BPF_UNSUPPORTED, 0},
	{"refused", REFUSED, 0, 0, 0, {0}, {0}, FG_BPF_UNSUPPORTED, 0},
};

static __u64 address_of(size_t frame)
{
	return host_state.sample.frames[frame] & FG_FRAME_ADDRESS_MASK;
}

static void test_steps(void **state)
{
	(void)state;
	host_load(rows, sizeof(rows) / sizeof(rows[0]), CODE, END, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fg_arch_regs regs = {.ip = cases[i].ip,
					    .bp = cases[i].bp,
					    .lr = cases[i].lr,
					    .sp = cases[i].sp ? cases[i].sp : STACK};
		size_t callers = 0;

		print_message("%s\n", cases[i].name);
		memset(memory, 0, sizeof(memory));
		memcpy(memory, cases[i].stack, sizeof(cases[i].stack));
		host_unwind(&regs);
		assert_int_equal(host_state.sample.result, cases[i].result);
		assert_int_equal(host_state.sample.guessed, cases[i].guessed);
		assert_int_equal(address_of(0), cases[i].ip);
		for (; cases[i].ips[callers]; callers++)
			assert_int_equal(address_of(callers + 1), cases[i].ips[callers] - 1);
		if (cases[i].result != FG_BPF_NO_MAPPING)
			assert_int_equal(host_state.sample.user_count, callers + 1);
	}
}

/* Interrupted in a leaf: its return address is in LR, as the kernel saved it. */
static void test_signal(void **state)
{
	enum { FRAME = 32, X29 = 544 / 8 };
	struct fg_arch_regs regs = {.ip = LEAF, .lr = SIGNAL + 4, .sp = STACK + FRAME};

	(void)state;
	host_load(rows, sizeof(rows) / sizeof(rows[0]), CODE, END, 0);
	memset(memory, 0, sizeof(memory));
	__u64 *saved = memory + FRAME / 8 + X29;

	saved[0] = STACK + 8192;
	saved[1] = CLANG + 8;
	saved[2] = STACK + 4096; /* another stack */
	saved[3] = LEAF + 4;
	memory[8192 / 8 + 1] = ROOT + 4;
	host_unwind(&regs);
	assert_int_equal(host_state.sample.result, FG_BPF_COMPLETE);
	assert_int_equal(host_state.sample.user_count, 5);
	assert_int_equal(address_of(1), SIGNAL + 3);
	assert_int_equal(address_of(2), LEAF + 4); /* no return address */
	assert_int_equal(address_of(3), CLANG + 7);
	assert_int_equal(address_of(4), ROOT + 3);
	regs.sp = STACK + sizeof(memory) - 64;
	host_unwind(&regs);
	assert_int_equal(host_state.sample.result, FG_BPF_READ_FAULT);
}

/* The two ways in which the kernel shows registers. */
static void test_registers(void **state)
{
	static __u64 stack[16384 / 8];
	struct pt_regs___kernel *frame =
		(void *)((char *)stack + sizeof(stack) - sizeof(struct pt_regs___kernel));
	struct bpf_perf_event_data context = {.regs = {.sp = 1, .pc = 2}};
	struct fg_arch_regs regs;

	(void)state;
	context.regs.regs[29] = 3;
	context.regs.regs[30] = 4;
	assert_true(fg_arch_in_user(&context));
	fg_arch_interrupted(&context, &regs);
	assert_true(regs.sp == 1 && regs.ip == 2 && regs.bp == 3 && regs.lr == 4);
	context.regs.pstate = 5; /* EL1h */
	assert_false(fg_arch_in_user(&context));

	frame->pc = 6;
	frame->regs[30] = 7;
	frame->syscallno = 0;
	host_task = (struct task_struct){.stack = stack};
	assert_false(fg_arch_entry(&regs)); /* a kernel thread */
	host_task.mm = &host_task;
	assert_true(fg_arch_entry(&regs));
	assert_true(regs.ip == 6 && regs.lr == 7 && regs.returned == 1);
	fg_has_newer_helpers = true;
	host_task.stack = frame; /* what the helper gives */
	frame->syscallno = -1;
	assert_true(fg_arch_entry(&regs));
	assert_int_equal(regs.returned, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
