/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/cfi_scan.h"

#include <dwarf.h>

/* What follows an opcode byte. */
enum operand {
	OPERAND_BAD, /* unknown instruction */
	OPERAND_NONE,
	OPERAND_BYTES_1,
	OPERAND_BYTES_2,
	OPERAND_BYTES_4,
	OPERAND_ADDRESS,
	OPERAND_REGISTER,
	OPERAND_NUMBER,
	OPERAND_REGISTER_NUMBER,
	OPERAND_REGISTER_REGISTER,
	OPERAND_BLOCK,
	OPERAND_REGISTER_BLOCK,
};

static const uint8_t operands[0x40] = {
	[DW_CFA_nop] = OPERAND_NONE,
	[DW_CFA_set_loc] = OPERAND_ADDRESS,
	[DW_CFA_advance_loc1] = OPERAND_BYTES_1,
	[DW_CFA_advance_loc2] = OPERAND_BYTES_2,
	[DW_CFA_advance_loc4] = OPERAND_BYTES_4,
	[DW_CFA_offset_extended] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_restore_extended] = OPERAND_REGISTER,
	[DW_CFA_undefined] = OPERAND_REGISTER,
	[DW_CFA_same_value] = OPERAND_REGISTER,
	[DW_CFA_register] = OPERAND_REGISTER_REGISTER,
	[DW_CFA_remember_state] = OPERAND_NONE,
	[DW_CFA_restore_state] = OPERAND_NONE,
	[DW_CFA_def_cfa] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_def_cfa_register] = OPERAND_REGISTER,
	[DW_CFA_def_cfa_offset] = OPERAND_NUMBER,
	[DW_CFA_def_cfa_expression] = OPERAND_BLOCK,
	[DW_CFA_expression] = OPERAND_REGISTER_BLOCK,
	[DW_CFA_offset_extended_sf] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_def_cfa_sf] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_def_cfa_offset_sf] = OPERAND_NUMBER,
	[DW_CFA_val_offset] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_val_offset_sf] = OPERAND_REGISTER_NUMBER,
	[DW_CFA_val_expression] = OPERAND_REGISTER_BLOCK,
	[DW_CFA_GNU_window_save] = OPERAND_NONE, /* AArch64: negate_ra_state */
	[DW_CFA_GNU_args_size] = OPERAND_NUMBER,
	[DW_CFA_GNU_negative_offset_extended] = OPERAND_REGISTER_NUMBER,
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

static bool skip_operand(struct fg_cfi_cursor *cursor, enum operand operand, size_t address_size)
{
	switch (operand) {
	case OPERAND_NONE:
		return true;
	case OPERAND_BYTES_1:
		return skip(cursor, 1);
	case OPERAND_BYTES_2:
		return skip(cursor, 2);
	case OPERAND_BYTES_4:
		return skip(cursor, 4);
	case OPERAND_ADDRESS:
		return address_size && skip(cursor, address_size);
	case OPERAND_REGISTER:
		return skip_register(cursor);
	case OPERAND_NUMBER:
		return skip_number(cursor);
	case OPERAND_REGISTER_NUMBER:
		return skip_register(cursor) && skip_number(cursor);
	case OPERAND_REGISTER_REGISTER:
		return skip_register(cursor) && skip_register(cursor);
	case OPERAND_BLOCK:
		return skip_block(cursor);
	case OPERAND_REGISTER_BLOCK:
		return skip_register(cursor) && skip_block(cursor);
	case OPERAND_BAD:
		break;
	}
	return false;
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
		if (!skip_operand(&cursor, (enum operand)operands[opcode], address_size))
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
