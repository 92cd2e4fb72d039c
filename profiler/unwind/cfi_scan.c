/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/cfi_scan.h"

#include <dwarf.h>

/* What follows an opcode byte, in this order. */
struct operands {
	bool known;
	bool address;
	uint8_t bytes, registers;
	bool number, block;
};

static const struct operands operands[0x40] = {
	[DW_CFA_nop] = {.known = true},
	[DW_CFA_set_loc] = {.known = true, .address = true},
	[DW_CFA_advance_loc1] = {.known = true, .bytes = 1},
	[DW_CFA_advance_loc2] = {.known = true, .bytes = 2},
	[DW_CFA_advance_loc4] = {.known = true, .bytes = 4},
	[DW_CFA_offset_extended] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_restore_extended] = {.known = true, .registers = 1},
	[DW_CFA_undefined] = {.known = true, .registers = 1},
	[DW_CFA_same_value] = {.known = true, .registers = 1},
	[DW_CFA_register] = {.known = true, .registers = 2},
	[DW_CFA_remember_state] = {.known = true},
	[DW_CFA_restore_state] = {.known = true},
	[DW_CFA_def_cfa] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_def_cfa_register] = {.known = true, .registers = 1},
	[DW_CFA_def_cfa_offset] = {.known = true, .number = true},
	[DW_CFA_def_cfa_expression] = {.known = true, .block = true},
	[DW_CFA_expression] = {.known = true, .registers = 1, .block = true},
	[DW_CFA_offset_extended_sf] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_def_cfa_sf] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_def_cfa_offset_sf] = {.known = true, .number = true},
	[DW_CFA_val_offset] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_val_offset_sf] = {.known = true, .registers = 1, .number = true},
	[DW_CFA_val_expression] = {.known = true, .registers = 1, .block = true},
	[DW_CFA_GNU_window_save] = {.known = true}, /* AArch64: negate_ra_state */
	[DW_CFA_GNU_args_size] = {.known = true, .number = true},
	[DW_CFA_GNU_negative_offset_extended] = {.known = true, .registers = 1, .number = true},
};

bool fg_cfi_uleb(struct fg_cfi_cursor *cursor, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; cursor->at < cursor->end; shift += 7) {
		uint8_t byte = *cursor->at++;

		if (shift < 63)
			value |= (uint64_t)(byte & 0x7f) << shift;
		else if (byte & 0x7f)
			value = UINT64_MAX; /* too large for any use of ours */
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
		if (shift > 140)
			return false;
	}
	return false;
}

size_t fg_cfi_pointer_size(uint8_t encoding)
{
	switch (encoding & 0x07) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
		return 8;
	case DW_EH_PE_udata2:
		return 2;
	case DW_EH_PE_udata4:
		return 4;
	default:
		return 0;
	}
}

static bool skip(struct fg_cfi_cursor *cursor, uint64_t bytes)
{
	if (bytes > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->at += bytes;
	return true;
}

static bool skip_register(struct fg_cfi_cursor *cursor)
{
	uint64_t number;

	return fg_cfi_uleb(cursor, &number) && number <= FG_CFI_REGISTER_MAX;
}

static bool skip_number(struct fg_cfi_cursor *cursor)
{
	uint64_t number;

	return fg_cfi_uleb(cursor, &number);
}

static bool skip_block(struct fg_cfi_cursor *cursor)
{
	uint64_t len;

	return fg_cfi_uleb(cursor, &len) && len <= FG_CFI_EXPRESSION_MAX && skip(cursor, len);
}

static bool skip_operands(struct fg_cfi_cursor *cursor, const struct operands *what,
			  size_t address_size)
{
	if (!what->known || (what->address && !address_size) ||
	    !skip(cursor, what->bytes + (what->address ? address_size : 0)))
		return false;
	for (unsigned i = 0; i < what->registers; i++)
		if (!skip_register(cursor))
			return false;
	return (!what->number || skip_number(cursor)) && (!what->block || skip_block(cursor));
}

static bool is_advance(uint8_t opcode)
{
	return opcode == DW_CFA_set_loc ||
	       (opcode >= DW_CFA_advance_loc1 && opcode <= DW_CFA_advance_loc4);
}

bool fg_cfi_scan(const uint8_t *start, const uint8_t *end, uint8_t pointer_encoding,
		 struct fg_cfi_shape *ret)
{
	struct fg_cfi_cursor cursor = {start, end};
	struct fg_cfi_shape shape = {0};
	size_t address_size = fg_cfi_pointer_size(pointer_encoding), depth = 0;

	while (cursor.at < end) {
		uint8_t opcode = *cursor.at++;

		switch (opcode & 0xc0) {
		case DW_CFA_advance_loc:
			shape.advances++;
			continue;
		case DW_CFA_offset:
			if (!skip_number(&cursor))
				return false;
			continue;
		case DW_CFA_restore:
			continue;
		default:
			break;
		}
		if (!skip_operands(&cursor, &operands[opcode], address_size))
			return false;
		shape.advances += is_advance(opcode);
		if (opcode == DW_CFA_remember_state && ++depth > FG_CFI_REMEMBER_MAX)
			return false;
		if (opcode == DW_CFA_restore_state && depth)
			depth--;
	}
	*ret = shape;
	return true;
}
