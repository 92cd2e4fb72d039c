/* SPDX-License-Identifier: Apache-2.0 */
/* Rows from a hostile .gopclntab: the input is the table, in an ELF image made around it whose
 * moduledata places the code. What comes out must be searchable. */
#include "profiler/unwind/table.h"
#include "tests/fuzz/go_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_unwind_table table;
	size_t len;
	uint8_t *image = go_image(data, size, &len);

	if (image && fg_unwind_table_build_memory(image, len, "fuzz", &table, NULL) == 0) {
		for (size_t i = 0; i < table.row_count; i++) {
			const struct fg_unwind_row *row = &table.rows[i];

			assert(i == 0 || table.rows[i - 1].address < row->address);
			if (row->address < table.vaddr_end)
				assert(fg_unwind_table_find(&table, row->address) == row);
		}
		fg_unwind_table_done(&table);
	}
	free(image);
	return 0;
}
