/* SPDX-License-Identifier: Apache-2.0 */
/* Unwind tables from hostile ELF images: whatever comes out must be searchable. */
#include "profiler/unwind/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_unwind_table table;

	if (fg_unwind_table_build_memory(data, size, "fuzz", &table, NULL))
		return 0;
	for (size_t i = 0; i < table.row_count; i++) {
		const struct fg_unwind_row *row = &table.rows[i];

		assert(i == 0 || table.rows[i - 1].address < row->address);
		assert(fg_unwind_table_find(&table, row->address) == row);
	}
	assert(!table.row_count || table.page_rows[table.page_count] == table.row_count - 1);
	fg_unwind_table_done(&table);
	return 0;
}
