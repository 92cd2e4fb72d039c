/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's unwind table: found in kallsyms, and read in each of its formats. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "profiler/kernel_rows.h"

#define TEXT_LINES "ffffffff81000000 T _stext\nffffffff81004000 T _etext\n"
#define TABLE_LINES                                  \
	"ffffffff83000000 R __start_orc_unwind_ip\n" \
	"ffffffff83000010 R __start_orc_unwind\n"    \
	"ffffffff83000010 R __stop_orc_unwind_ip\n"  \
	"ffffffff83000028 R __stop_orc_unwind\n"

static int marks_of(const char *text, struct fg_kernel_marks *ret, struct fg_err *err)
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	int rc = fg_kernel_marks_read(fd, ret, err);

	close(fd);
	return rc;
}

static void test_found(void **state)
{
	static const char text[] =
		"0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n" TEXT_LINES
		"ffffffff82000000 d __start_orc_unwind_ip_not\nx\n" TABLE_LINES
		"ffffffffc0000000 t _stext\t[module]\n";
	struct fg_kernel_marks marks = {0};
	struct fg_err err = {0};

	(void)state;
	assert_ok(marks_of(text, &marks, &err), &err);
	assert_int_equal(marks.text, 0xffffffff81000000);
	assert_int_equal(marks.text_bytes, 0x4000);
	assert_int_equal(marks.addresses, 0xffffffff83000000);
	assert_int_equal(marks.entries, 0xffffffff83000010);
	assert_int_equal(marks.rows, 4);
}

/* Lines across the borders of what one read() gives. */
static void test_long(void **state)
{
	enum { LINES = 9000 };
	static const char line[] = "ffffffff81000100 t some_function_or_other\n";
	size_t bytes = LINES * (sizeof(line) - 1) + 1024;
	char *text = calloc(1, bytes);
	struct fg_kernel_marks marks = {0};
	struct fg_err err = {0};

	(void)state;
	assert_non_null(text);
	size_t len = (size_t)snprintf(text, bytes, "%s", TEXT_LINES);

	for (size_t i = 0; i < LINES; i++)
		len += (size_t)snprintf(text + len, bytes - len, "%s", line);
	(void)snprintf(text + len, bytes - len, "%s", TABLE_LINES);
	assert_ok(marks_of(text, &marks, &err), &err);
	assert_int_equal(marks.rows, 4);
	free(text);
}

static void test_not_found(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		TEXT_LINES, /* another processor, or a kernel with frame pointers */
		TABLE_LINES,
		/* hidden */
		"0000000000000000 T _stext\n0000000000000000 T _etext\n" TABLE_LINES,
		/* turned round */
		"ffffffff81004000 T _stext\nffffffff81000000 T _etext\n" TABLE_LINES,
		/* more text than any kernel has */
		"ffffff0081000000 T _stext\nffffffff81000000 T _etext\n" TABLE_LINES,
		/* sizes that do not fit each other */
		TEXT_LINES "ffffffff83000000 R __start_orc_unwind_ip\n"
			   "ffffffff83000010 R __start_orc_unwind\n"
			   "ffffffff83000010 R __stop_orc_unwind_ip\n"
			   "ffffffff83000027 R __stop_orc_unwind\n",
		/* no rows, less than none, too many */
		TEXT_LINES "ffffffff83000000 R __start_orc_unwind_ip\n"
			   "ffffffff83000000 R __start_orc_unwind\n"
			   "ffffffff83000000 R __stop_orc_unwind_ip\n"
			   "ffffffff83000000 R __stop_orc_unwind\n",
		TEXT_LINES "ffffffff83000010 R __start_orc_unwind_ip\n"
			   "ffffffff83000010 R __start_orc_unwind\n"
			   "ffffffff83000000 R __stop_orc_unwind_ip\n"
			   "ffffffff83000028 R __stop_orc_unwind\n",
		TEXT_LINES "ffffffff83000000 R __start_orc_unwind_ip\n"
			   "ffffffff83400004 R __start_orc_unwind\n"
			   "ffffffff83400004 R __stop_orc_unwind_ip\n"
			   "ffffffff83a0000a R __stop_orc_unwind\n",
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(texts); i++) {
		struct fg_kernel_marks marks = {0};
		struct fg_err err = {0};

		assert_int_equal(marks_of(texts[i], &marks, &err), -(int)FG_E_NO_DATA);
	}
	/* a line without an end */
	static char endless[128 << 10];
	struct fg_kernel_marks marks = {0};
	struct fg_err err = {0};

	memset(endless, 'f', sizeof(endless) - 1);
	assert_int_equal(marks_of(endless, &marks, &err), -(int)FG_E_NO_DATA);
	assert_true(fg_kernel_marks_read(-1, &marks, &err) < 0);
}

#define TEXT_AT      0xffffffff81000000
#define ADDRESSES_AT 0xffffffff83000000
enum { ROWS = 1 };

static struct fg_unwind_row one_row(int16_t sp_offset, int16_t bp_offset, uint16_t flags,
				    enum fg_orc_format format)
{
	const struct fg_kernel_marks marks = {
		.text = TEXT_AT, .text_bytes = 0x4000, .addresses = ADDRESSES_AT, .rows = ROWS};
	const int32_t addresses[ROWS] = {(int32_t)(TEXT_AT + 16 - ADDRESSES_AT)};
	uint8_t entries[FG_KERNEL_ENTRY_BYTES];
	struct fg_unwind_table table;
	struct fg_err err = {0};

	memcpy(entries, &sp_offset, 2);
	memcpy(entries + 2, &bp_offset, 2);
	memcpy(entries + 4, &flags, 2);
	assert_ok(fg_kernel_rows_build(&marks, addresses, entries, format, &table, &err), &err);
	assert_int_equal(table.row_count, 1);
	assert_int_equal(table.rows[0].address, 16);
	struct fg_unwind_row row = table.rows[0];

	fg_unwind_table_done(&table);
	return row;
}

/* The flags as the kernel's bit-fields lay them out. */
#define OLD(sp, bp, type, end) ((sp) | (bp) << 4 | (type) << 8 | (end) << 10)
#define MID(sp, bp, type, signal, end) \
	((sp) | (bp) << 4 | (type) << 8 | (signal) << 10 | (end) << 11)
#define NEW(sp, bp, type, signal) ((sp) | (bp) << 4 | (type) << 8 | (signal) << 11)
enum { UNDEF = 0, PREV = 1, DX = 2, BP = 4, SP = 5, R10 = 6, BP_INDIRECT = 8, SP_INDIRECT = 9 };

static void test_meaning(void **state)
{
	static const struct {
		enum fg_orc_format format;
		int16_t sp_offset, bp_offset;
		uint16_t flags;
		uint8_t kind;
		int cfa_offset_8, rbp_offset_8;
	} cases[] = {
		/* 6.4: undefined 0, end 1, call 2, regs 3, part of regs 4 */
		{FG_ORC_FORMAT_6_4, 48, -48, NEW(SP, PREV, 2, 0), FG_ORC_CALL, 6, -6},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(SP, UNDEF, 2, 0), FG_ORC_CALL, 1, FG_RBP_SAME},
		{FG_ORC_FORMAT_6_4, 16, -16, NEW(BP, PREV, 2, 0), FG_ORC_CALL | FG_ORC_BASE_BP, 2,
		 -2},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(SP_INDIRECT, UNDEF, 2, 0),
		 FG_ORC_CALL | FG_ORC_BASE_SP_INDIRECT, 1, FG_RBP_SAME},
		{FG_ORC_FORMAT_6_4, -8, 0, NEW(BP_INDIRECT, BP, 2, 0),
		 FG_ORC_CALL | FG_ORC_BASE_BP_INDIRECT | FG_ORC_BP_FROM_BP, -1, 0},
		{FG_ORC_FORMAT_6_4, 0, 0, NEW(SP, UNDEF, 3, 1), FG_ORC_REGS | FG_ORC_SIGNAL, 0,
		 FG_RBP_SAME},
		{FG_ORC_FORMAT_6_4, 0, -8, NEW(SP, PREV, 3, 0), FG_ORC_REGS, 0, FG_RBP_SAME},
		{FG_ORC_FORMAT_6_4, 0, 0, NEW(UNDEF, UNDEF, 1, 0), FG_ORC_END, 0, 0},
		{FG_ORC_FORMAT_6_4, 0, 0, NEW(UNDEF, UNDEF, 0, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(SP, UNDEF, 4, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(SP, UNDEF, 7, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(R10, UNDEF, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, 0, NEW(SP, DX, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 9, 0, NEW(SP, UNDEF, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, -9, NEW(SP, PREV, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, -1024, NEW(SP, PREV, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 8, 1024, NEW(SP, PREV, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_4, 32760, -1016, NEW(SP, PREV, 2, 0), FG_ORC_CALL, 4095, -127},
		/* before: call 0, regs 1, part 2; who interrupted says so by its type alone */
		{FG_ORC_FORMAT_4_14, 48, -48, OLD(SP, PREV, 0, 0), FG_ORC_CALL, 6, -6},
		{FG_ORC_FORMAT_4_14, 0, 0, OLD(SP, UNDEF, 1, 0), FG_ORC_REGS | FG_ORC_SIGNAL, 0,
		 FG_RBP_SAME},
		{FG_ORC_FORMAT_4_14, 0, 0, OLD(SP, UNDEF, 2, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_4_14, 0, 0, OLD(UNDEF, UNDEF, 0, 1), FG_ORC_END, 0, 0},
		{FG_ORC_FORMAT_4_14, 0, 0, OLD(UNDEF, UNDEF, 0, 0), FG_ORC_UNKNOWN, 0, 0},
		{FG_ORC_FORMAT_6_3, 8, 0, MID(SP, UNDEF, 0, 0, 0), FG_ORC_CALL, 1, FG_RBP_SAME},
		{FG_ORC_FORMAT_6_3, 0, 0, MID(SP, UNDEF, 1, 1, 0), FG_ORC_REGS | FG_ORC_SIGNAL, 0,
		 FG_RBP_SAME},
		{FG_ORC_FORMAT_6_3, 0, 0, MID(UNDEF, UNDEF, 0, 0, 1), FG_ORC_END, 0, 0},
		{FG_ORC_FORMAT_6_3, 0, 0, MID(UNDEF, UNDEF, 0, 1, 0), FG_ORC_UNKNOWN, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_unwind_row row = one_row(cases[i].sp_offset, cases[i].bp_offset,
						   cases[i].flags, cases[i].format);

		if (row.kind != cases[i].kind || row.cfa_offset_8 != cases[i].cfa_offset_8 ||
		    row.rbp_offset_8 != cases[i].rbp_offset_8)
			fail_msg("case %zu: kind %#x, %d, %d", i, row.kind, row.cfa_offset_8,
				 row.rbp_offset_8);
	}
}

static void put(uint8_t *entries, int32_t *addresses, size_t i, uint64_t address, int16_t sp_offset)
{
	const uint16_t flags = NEW(SP, UNDEF, 2, 0);

	addresses[i] = (int32_t)(address - (ADDRESSES_AT + i * sizeof(*addresses)));
	memset(entries + i * (size_t)FG_KERNEL_ENTRY_BYTES, 0, FG_KERNEL_ENTRY_BYTES);
	memcpy(entries + i * (size_t)FG_KERNEL_ENTRY_BYTES, &sp_offset, 2);
	memcpy(entries + i * (size_t)FG_KERNEL_ENTRY_BYTES + 4, &flags, 2);
}

static void test_rows(void **state)
{
	enum { COUNT = 7 };
	const struct fg_kernel_marks marks = {
		.text = TEXT_AT, .text_bytes = 0x4000, .addresses = ADDRESSES_AT, .rows = COUNT};
	static const struct {
		uint64_t address;
		int16_t sp_offset;
	} given[COUNT] = {
		{TEXT_AT - 8, 8},                            /* before the text */
		{TEXT_AT, 8},           {TEXT_AT + 0x10, 8}, /* nothing new */
		{TEXT_AT + 0x500, 16},                       /* on the second page, */
		{TEXT_AT + 0x500, 24},                       /* and the last one there holds */
		{TEXT_AT + 0x3fff, 32},                      /* the last byte */
		{TEXT_AT + 0x4000, 40},                      /* behind it */
	};
	int32_t addresses[COUNT];
	uint8_t entries[COUNT * FG_KERNEL_ENTRY_BYTES];
	struct fg_unwind_table table;
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < COUNT; i++)
		put(entries, addresses, i, given[i].address, given[i].sp_offset);
	assert_ok(fg_kernel_rows_build(&marks, addresses, entries, FG_ORC_FORMAT_6_4, &table, &err),
		  &err);
	assert_int_equal(table.row_count, 3);
	assert_int_equal(table.page_count, 16);
	assert_int_equal(fg_unwind_table_find(&table, 0x4ff)->cfa_offset_8, 1);
	assert_int_equal(fg_unwind_table_find(&table, 0x500)->cfa_offset_8, 3);
	assert_int_equal(fg_unwind_table_find(&table, 0x3ffe)->cfa_offset_8, 3);
	assert_int_equal(fg_unwind_table_find(&table, 0x3fff)->cfa_offset_8, 4);
	fg_unwind_table_done(&table);

	put(entries, addresses, 2, TEXT_AT - 16, 8);
	assert_int_equal(fg_kernel_rows_build(&marks, addresses, entries, FG_ORC_FORMAT_6_4, &table,
					      &err),
			 -(int)FG_E_INVALID);
	assert_int_equal(fg_kernel_rows_build(&marks, addresses, entries, FG_ORC_FORMAT_NONE,
					      &table, &err),
			 -(int)FG_E_UNSUPPORTED);
	for (size_t i = 0; i < COUNT; i++)
		put(entries, addresses, i, TEXT_AT + 0x4000 + i, 8);
	assert_int_equal(fg_kernel_rows_build(&marks, addresses, entries, FG_ORC_FORMAT_6_4, &table,
					      &err),
			 -(int)FG_E_NO_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),     cmocka_unit_test(test_long),
		cmocka_unit_test(test_not_found), cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
