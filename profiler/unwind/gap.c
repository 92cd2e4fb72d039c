/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/gap.h"

#include <elf.h>

/* The end of the segment that holds the address: a gap does not reach beyond it. */
static uint64_t segment_end(const struct fg_unwind_table *table, uint64_t address)
{
	for (size_t i = 0; i < table->segment_count; i++) {
		const struct fg_unwind_segment *segment = &table->segments[i];

		if (address >= segment->vaddr && address - segment->vaddr < segment->mem_size)
			return segment->vaddr + segment->mem_size;
	}
	return address;
}

bool fg_unwind_table_gap(const struct fg_unwind_table *table, uint64_t *ret_start,
			 uint64_t *ret_end)
{
	uint64_t start = 0, end = 0;

	for (size_t i = 0; i < table->row_count; i++) {
		const struct fg_unwind_row *row = &table->rows[i];
		uint64_t limit = segment_end(table, row->address);

		if (row->kind != FG_ROW_NONE)
			continue;
		if (i + 1 < table->row_count)
			limit = FG_MIN(limit, (uint64_t)table->rows[i + 1].address);
		if (limit > row->address && limit - row->address > end - start) {
			start = row->address;
			end = limit;
		}
	}
	if (end - start < FG_UNWIND_GAP_MIN)
		return false;
	*ret_start = start;
	*ret_end = end;
	return true;
}

void fg_unwind_table_fill_leaves(struct fg_unwind_table *table)
{
	for (size_t i = 0; i < table->row_count; i++) {
		struct fg_unwind_row *row = &table->rows[i];

		if (row->kind != FG_ROW_NONE)
			continue;
		row->kind = table->machine == EM_AARCH64 ? FG_A64 : FG_ROW_RSP;
		row->cfa_offset_8 = table->machine == EM_AARCH64 ? 0 : 1;
		row->rbp_offset_8 = FG_RBP_SAME;
	}
}
