/* SPDX-License-Identifier: Apache-2.0 */
/* AArch64 rows: rules and what they must become, pieces without rules, and, where there are arm64
 * files, each row against libdw. Nothing of arm64 is run. */
#include "tests/kit/kit.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/unwind/a64rows.h"
#include "profiler/unwind/gap.h"

enum { SP = FG_A64_REG_SP, FP = FG_A64_REG_FP };

#define LEAF FG_A64
#define LR   FG_A64_SAVES_LR
#define PAIR (FG_A64_SAVES_LR | FG_A64_SAVES_FP)
#define BASE FG_A64_FROM_BASE
#define AT   DW_CFA_advance_loc |

/* Call-frame programs as compilers write them (code factor 4, data factor −8), and the last row. */
static const struct {
	const char *name;
	uint8_t program[24];
	uint8_t len;
	struct fg_unwind_row row;
} cases[] = {
	{"nothing", {0}, 0, {0, 0, FG_RBP_SAME, LEAF}},
	{"gcc: stp x29, x30, [sp, -32]!",
	 {AT 1, DW_CFA_def_cfa_offset, 32, DW_CFA_offset | 29, 4, DW_CFA_offset | 30, 3},
	 7,
	 {4, 4, -4, FG_A64 | PAIR}},
	{"clang: stp above, x29 is the base",
	 {AT 3, DW_CFA_def_cfa, 29, 16, DW_CFA_offset | 30, 1, DW_CFA_offset | 29, 2},
	 8,
	 {12, 2, -2, FG_A64 | PAIR | FG_A64_BASE_FP}},
	{"epilogue: everything back",
	 {AT 1, DW_CFA_def_cfa_offset, 32, DW_CFA_offset | 29, 4, DW_CFA_offset | 30, 3, AT 5,
	  DW_CFA_restore | 30, DW_CFA_restore | 29, DW_CFA_def_cfa_offset, 0},
	 12,
	 {24, 0, FG_RBP_SAME, LEAF}},
	{"4 KiB of locals above the pair: slots by the base",
	 {AT 2, DW_CFA_def_cfa_offset, 0x90, 0x20, DW_CFA_offset | 29, 0x82, 4, DW_CFA_offset | 30,
	  0x81, 4},
	 10,
	 {8, 514, 0, FG_A64 | PAIR | BASE}},
	{"4 KiB on both sides of the pair: nowhere near",
	 {AT 2, DW_CFA_def_cfa_offset, 0x90, 0x40, DW_CFA_offset | 29, 0x82, 4, DW_CFA_offset | 30,
	  0x81, 4},
	 10,
	 {8, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
	{"without frame pointer: str x30, [sp, -16]!",
	 {AT 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 30, 2},
	 5,
	 {4, 2, -2, FG_A64 | LR}},
	{"x29 saved as any register, LR not yet",
	 {AT 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 29, 2},
	 5,
	 {4, 2, -2, FG_A64 | FG_A64_SAVES_FP}},
	{"no pair",
	 {DW_CFA_offset | 29, 2, DW_CFA_offset | 30, 3},
	 4,
	 {0, 0, -128, FG_ROW_UNSUPPORTED}},
	{"signed: paciasp, then the pair",
	 {AT 1, DW_CFA_AARCH64_negate_ra_state, AT 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 29,
	  2, DW_CFA_offset | 30, 1},
	 9,
	 {8, 2, -2, FG_A64 | PAIR}},
	{"outermost", {DW_CFA_undefined, 30}, 2, {0, 0, FG_RBP_SAME, FG_ROW_STOP}},
	{"LR in x9", {DW_CFA_register, 30, 9}, 3, {0, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
	{"CFA by x9", {DW_CFA_def_cfa, 9, 16}, 3, {0, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
	{"CFA no multiple of 8", {DW_CFA_def_cfa_offset, 12}, 2, {0, 0, -128, FG_ROW_UNSUPPORTED}},
	{"LR is a value",
	 {DW_CFA_def_cfa_offset, 16, DW_CFA_GNU_args_size, 0, DW_CFA_val_offset, 30, 1},
	 7,
	 {0, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
	{"CFA by an expression",
	 {DW_CFA_def_cfa_expression, 2, DW_OP_breg0 + 31, 0},
	 4,
	 {0, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
	{"an unknown instruction", {0x3f}, 1, {0, 0, FG_RBP_SAME, FG_ROW_UNSUPPORTED}},
};

static int keep_last(void *context, uint64_t start, uint64_t end, const struct fg_cfi_rules *rules)
{
	struct fg_unwind_row *row = context;

	(void)end;
	*row = fg_a64_row(rules);
	row->address = (uint32_t)start;
	return 0;
}

static void test_rules(void **state)
{
	static const uint8_t initial[] = {DW_CFA_def_cfa, SP, 0};
	const struct fg_cfi_common common = {
		.initial = {initial, initial + sizeof(initial)},
		.code_factor = 4,
		.data_factor = -8,
		.return_register = FG_A64_REG_LR,
		.saved_register = FP,
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_unwind_row *wanted = &cases[i].row;
		struct fg_unwind_row row = {0};
		const uint8_t *program = cases[i].program;

		print_message("%s\n", cases[i].name);
		assert_int_equal(fg_cfi_run(&common,
					    (struct fg_cfi_cursor){program, program + cases[i].len},
					    0, 400, keep_last, &row),
				 0);
		assert_int_equal(row.kind, wanted->kind);
		assert_int_equal(row.address, wanted->address);
		if (row.kind == FG_ROW_UNSUPPORTED)
			continue;
		assert_int_equal(row.cfa_offset_8, wanted->cfa_offset_8);
		assert_int_equal(row.rbp_offset_8, wanted->rbp_offset_8);
	}
}

static void test_plt(void **state)
{
	static const uint32_t plain[8] = {0xa9bf7bf0}, guarded[8] = {0xd503245f, 0xa9bf7bf0};
	static const uint32_t bare[8] = {0xd0000590};
	static const uint32_t other[8] = {0xd503201f, 0xa9bf7bf0};

	(void)state;
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)plain, 32), 0);
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)guarded, 32), 4);
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)other, 32), -1);
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)plain, 31), -1);
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)plain, 0), -1);
	assert_int_equal(fg_a64_plt_skip((const uint8_t *)bare, 16), FG_A64_PLT_PLAIN);
}

/* What the kernel maps: code that returns from a signal, and no call-frame information at all. */
struct tiny_vdso {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	uint32_t code[16];
};

static void make_vdso(struct tiny_vdso *ret)
{
	*ret = (struct tiny_vdso){
		.header = {.e_ident = ELFMAG "\2\1\1",
			   .e_type = ET_DYN,
			   .e_machine = EM_AARCH64,
			   .e_version = EV_CURRENT,
			   .e_phoff = offsetof(struct tiny_vdso, segment),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_filesz = sizeof(*ret),
			    .p_memsz = sizeof(*ret)},
		.code = {[0] = 0xa9bf7bfd /* stp x29, x30, [sp, #-16]! */,
			 [8] = 0xd503201f,
			 [9] = 0xd2801168,
			 [10] = 0xd4000001},
	};
}

static void test_vdso(void **state)
{
	struct tiny_vdso vdso;
	struct fg_unwind_table table;
	struct fg_err err = {0};
	uint64_t code = offsetof(struct tiny_vdso, code);

	(void)state;
	make_vdso(&vdso);
	assert_ok(fg_unwind_table_build_memory(&vdso, sizeof(vdso), "[vdso]", &table, &err), &err);
	assert_int_equal(table.machine, EM_AARCH64);
	assert_int_equal(table.row_count, 3);
	assert_int_equal(fg_unwind_table_find(&table, code)->kind, FG_ROW_NONE);
	/* a return address is looked up one byte lower */
	assert_int_equal(fg_unwind_table_find(&table, code + 9 * 4 - 1)->kind, FG_ROW_SIGNAL);
	assert_int_equal(fg_unwind_table_find(&table, code + 10 * 4)->kind, FG_ROW_SIGNAL);
	assert_int_equal(fg_unwind_table_find(&table, code + 11 * 4)->kind, FG_ROW_NONE);
	fg_unwind_table_fill_leaves(&table);
	assert_int_equal(fg_unwind_table_find(&table, code)->kind, FG_A64);
	assert_int_equal(fg_unwind_table_find(&table, code)->cfa_offset_8, 0);
#if defined(__aarch64__)
	assert_ok(fg_unwind_table_check_own(&table, "x", &err), &err);
#else
	assert_int_equal(fg_unwind_table_check_own(&table, "x", &err), -FG_E_UNSUPPORTED);
#endif
	fg_unwind_table_done(&table);

	static const struct {
		uint32_t word;
		uint8_t kind;
	} codes[] = {
		{0xd503201f, FG_A64},      /* nop: nothing there touches the stack */
		{0xa9000026, FG_A64},      /* stp x6, x0, [x1] */
		{0xa94007e0, FG_A64},      /* ldp x0, x1, [sp] */
		{0xa9bf7bfd, FG_ROW_NONE}, /* stp x29, x30, [sp, #-16]! */
		{0xa9007bfd, FG_ROW_NONE}, /* stp x29, x30, [sp] */
		{0xf81f0ffe, FG_ROW_NONE}, /* str x30, [sp, #-16]! */
		{0xf90007fe, FG_ROW_NONE}, /* str x30, [sp, #8] */
		{0xd10083ff, FG_ROW_NONE}, /* sub sp, sp, #32 */
		{0x6dbf27e8, FG_ROW_NONE}, /* stp d8, d9, [sp, #-16]! */
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(codes); i++) {
		vdso.code[0] = codes[i].word;
		assert_ok(fg_unwind_table_build_memory(&vdso, sizeof(vdso), "[vdso]", &table, &err),
			  &err);
		assert_int_equal(fg_unwind_table_find(&table, code)->kind, codes[i].kind);
		fg_unwind_table_done(&table);
	}
	vdso.code[10]++; /* svc #0 no more: nothing is known */
	assert_ok(fg_unwind_table_build_memory(&vdso, sizeof(vdso), "[vdso]", &table, &err), &err);
	assert_int_equal(table.row_count, 0);
	fg_unwind_table_done(&table);
}

/* Where libdw says that a register is: its offset from the CFA; INT64_MIN: where it was. */
static int64_t saved_at(Dwarf_Frame *frame, int reg)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, reg, memory, &ops, &count) || count == 0)
		return INT64_MIN;
	assert_int_equal(ops[0].atom, DW_OP_call_frame_cfa);
	return count == 1 ? 0 : (int64_t)ops[1].number;
}

static void check_slot(const struct fg_unwind_row *row, unsigned bit, int64_t behind,
		       int64_t wanted)
{
	int64_t slot = row->rbp_offset_8 * 8;

	if (row->kind & FG_A64_FROM_BASE)
		slot -= row->cfa_offset_8 * 8;
	assert_int_equal(wanted, row->kind & bit ? slot + behind : INT64_MIN);
}

static void check_row(Dwarf_CFI *cfi, uint64_t address, const struct fg_unwind_row *row)
{
	Dwarf_Frame *frame;
	Dwarf_Op *ops;
	size_t count;

	assert_int_equal(dwarf_cfi_addrframe(cfi, address, &frame), 0);
	assert_int_equal(dwarf_frame_cfa(frame, &ops, &count), 0);
	assert_int_equal(count, 1);
	bool extended = ops[0].atom == DW_OP_bregx;

	assert_int_equal(extended ? (int)ops[0].number : ops[0].atom - DW_OP_breg0,
			 row->kind & FG_A64_BASE_FP ? FP : SP);
	assert_int_equal(extended ? ops[0].number2 : ops[0].number, row->cfa_offset_8 * 8);
	check_slot(row, FG_A64_SAVES_FP, 0, saved_at(frame, FP));
	check_slot(row, FG_A64_SAVES_LR, row->kind & FG_A64_SAVES_FP ? 8 : 0,
		   saved_at(frame, FG_A64_REG_LR));
	free(frame);
}

static void check_file(const char *path)
{
	struct fg_unwind_table table;
	struct fg_err err = {0};
	size_t kinds[256] = {0}, checked = 0;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_ok(fg_unwind_table_build(fd, path, &table, &err), &err);
	assert_int_equal(table.machine, EM_AARCH64);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);

	assert_non_null(cfi);
	for (size_t i = 0; i < table.row_count; i++) {
		const struct fg_unwind_row *row = &table.rows[i];
		uint64_t end = i + 1 < table.row_count ? row[1].address : table.vaddr_end;
		Dwarf_Frame *frame;

		kinds[row->kind]++;
		if (row->kind == FG_ROW_UNSUPPORTED)
			print_message("  unsupported: %#x\n", row->address);
		for (uint64_t address = row->address; address < end && row->kind >= FG_A64;
		     address += 4) {
			if (dwarf_cfi_addrframe(cfi, address, &frame))
				continue; /* padding, PLT */
			free(frame);
			check_row(cfi, address, row);
			checked++;
			if (address + 4 < end && end - address > 64)
				address = end - 8; /* of a long range both ends */
		}
	}
	print_message(
		"%s: %zu rows of %zu FDEs, %zu addresses as libdw says; none %zu, signal %zu, stop "
		"%zu, unsupported %zu\n",
		path, table.row_count, table.fde_count, checked, kinds[FG_ROW_NONE],
		kinds[FG_ROW_SIGNAL], kinds[FG_ROW_STOP], kinds[FG_ROW_UNSUPPORTED]);
	for (unsigned kind = FG_A64; kind <= (FG_A64 | FG_A64_ALL); kind++)
		if (kinds[kind])
			print_message("  kind %#x: %zu\n", kind, kinds[kind]);
	assert_true(checked > 4);
	assert_true(kinds[FG_ROW_UNSUPPORTED] * 100 < table.row_count);
	dwarf_cfi_end(cfi);
	elf_end(elf);
	close(fd);
	fg_unwind_table_done(&table);
}

/* ci/check-arm64 names files; by hand as well: a list with colons. */
static void test_files_against_libdw(void **state)
{
	static const char cross_libc[] = "/usr/aarch64-linux-gnu/lib/libc.so.6";
	const char *list = getenv("FG_ARM64_FILES");
	char *names = strdup(list ? list : access(cross_libc, R_OK) == 0 ? cross_libc : "");
	char *left = names;

	(void)state;
	assert_non_null(names);
	elf_version(EV_CURRENT);
	if (!*names)
		print_message("no arm64 file here (FG_ARM64_FILES, libc6-arm64-cross)\n");
	while (left && *left)
		check_file(strsep(&left, ":"));
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_plt),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_files_against_libdw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
