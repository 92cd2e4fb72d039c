/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of hand-written assembly: CFAs in any register, and code that has no rows where it needs
 * them. */
#include "tests/kit/kit.h"

#include <stdlib.h>

#include "profiler/unwind/table.h"
#include "tests/unit/symbol/variants.h"

static size_t clones(const struct fg_unwind_table *table, uint64_t *ret_address)
{
	size_t count = 0;

	for (size_t i = 0; i < table->row_count; i++) {
		if ((table->rows[i].kind & ~FG_ROW_WORD_MASK) != FG_ROW_CLONE)
			continue;
		*ret_address = table->rows[i].address;
		count++;
	}
	return count;
}

/* Any other code between the two is not taken for it. */
static void test_clone(void **state)
{
	static const struct {
		uint8_t at, byte;
	} changes[] = {{1, 0x34}, {3, 0x83}, {5, 0x7d}, {7, 0x75}, {8, 0x02}, {9, 0xcc}};
	struct fg_err err = {0};
	struct fg_unwind_table table;
	uint64_t address = 0, unused;
	size_t len;
	unsigned char *bytes = variant_bytes("/lib/x86_64-linux-gnu/libc.so.6", &len);

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(fg_unwind_table_build_memory(bytes, len, "libc", &table, &err), 0);
	size_t count = clones(&table, &address);

	assert_true(count > 0);
	uint64_t offset = address - table.segments[0].vaddr + table.segments[0].file_offset;

	fg_unwind_table_done(&table);
	for (size_t i = 0; i < FG_ARRAY_LEN(changes); i++) {
		unsigned char *byte = bytes + offset + changes[i].at, before = *byte;

		*byte = changes[i].byte;
		assert_int_equal(fg_unwind_table_build_memory(bytes, len, "libc", &table, &err), 0);
		*byte = before;
		assert_int_equal(clones(&table, &unused), count - 1);
		assert_int_equal(fg_unwind_table_find(&table, address)->kind, FG_ROW_NONE);
		fg_unwind_table_done(&table);
	}
	free(bytes);
}

static void test_registers(void **state)
{
	size_t by_register = 0, indexed = 0, len;
	struct fg_err err = {0};
	struct fg_unwind_table table;
	unsigned char *bytes = variant_bytes("/lib/x86_64-linux-gnu/libcrypto.so.3", &len);

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(fg_unwind_table_build_memory(bytes, len, "libcrypto", &table, &err), 0);
	for (size_t i = 0; i < table.row_count; i++) {
		by_register += (table.rows[i].kind & ~FG_ROW_WORD_MASK) == FG_ROW_REGISTER;
		indexed += (table.rows[i].kind & ~FG_ROW_WORD_MASK) == FG_ROW_INDEXED_8;
	}
	assert_true(by_register > 100 && indexed >= 2);
	assert_true(table.unsupported_rows < 10);
	fg_unwind_table_done(&table);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
