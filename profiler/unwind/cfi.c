/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/cfi.h"

#include <dwarf.h>
#include <string.h>

#define NUMBER_MAX (1ll << 40) /* of an offset: beyond it nothing is a stack frame */

struct machine {
	const struct fg_cfi_common *common;
	struct fg_cfi_rules now, initial;
	struct fg_cfi_rules remembered[FG_CFI_REMEMBER_MAX];
	size_t depth;
	uint64_t advance; /* in bytes, of the instruction just executed */
};

bool fg_cfi_uleb(struct fg_cfi_cursor *cursor, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; cursor->at < cursor->end; shift += 7) {
		uint8_t byte = *cursor->at++;

		if (shift < 63)
			value |= (uint64_t)(byte & 0x7f) << shift;
		else if (byte & 0x7f)
			return false;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
		if (shift > 140)
			return false;
	}
	return false;
}

bool fg_cfi_sleb(struct fg_cfi_cursor *cursor, int64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; cursor->at < cursor->end && shift < 63; shift += 7) {
		uint8_t byte = *cursor->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if (byte & 0x40)
			value |= UINT64_MAX << (shift + 7);
		*ret = (int64_t)value;
		return true;
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

static struct fg_cfi_saved *slot_of(struct machine *machine, struct fg_cfi_rules *rules,
				    uint64_t reg)
{
	/* A return address in the register that is followed would be two things at once. */
	if (reg == machine->common->return_register)
		return &rules->return_address;
	return reg == machine->common->saved_register ? &rules->saved : NULL;
}

static void put(struct machine *machine, uint64_t reg, enum fg_cfi_place place, int64_t offset)
{
	struct fg_cfi_saved *slot = slot_of(machine, &machine->now, reg);

	if (slot)
		*slot = (struct fg_cfi_saved){place, offset};
}

static void restore(struct machine *machine, uint64_t reg)
{
	struct fg_cfi_saved *slot = slot_of(machine, &machine->now, reg);

	if (slot)
		*slot = *slot_of(machine, &machine->initial, reg);
}

static bool factored(const struct machine *machine, int64_t number, int64_t *ret)
{
	return !__builtin_mul_overflow(number, machine->common->data_factor, ret) &&
	       *ret<NUMBER_MAX && * ret> - NUMBER_MAX;
}

/* An unsigned offset, factored or not. */
static bool take_offset(const struct machine *machine, struct fg_cfi_cursor *cursor, bool factor,
			int64_t *ret)
{
	uint64_t number;

	if (!fg_cfi_uleb(cursor, &number) || number >= (uint64_t)NUMBER_MAX)
		return false;
	*ret = (int64_t)number;
	return !factor || factored(machine, *ret, ret);
}

static bool take_signed_offset(const struct machine *machine, struct fg_cfi_cursor *cursor,
			       int64_t *ret)
{
	int64_t number;

	return fg_cfi_sleb(cursor, &number) && factored(machine, number, ret);
}

static bool take_block(struct fg_cfi_cursor *cursor, struct fg_cfi_cursor *ret)
{
	uint64_t len;

	if (!fg_cfi_uleb(cursor, &len) || len > (uint64_t)(cursor->end - cursor->at))
		return false;
	*ret = (struct fg_cfi_cursor){cursor->at, cursor->at + len};
	cursor->at += len;
	return true;
}

static void set_cfa(struct machine *machine, uint64_t reg, int64_t offset)
{
	machine->now.has_cfa = true;
	machine->now.cfa_register = reg;
	machine->now.cfa_offset = offset;
	machine->now.cfa_expression = (struct fg_cfi_cursor){NULL, NULL};
}

static bool take_advance(struct machine *machine, struct fg_cfi_cursor *cursor, size_t bytes)
{
	uint32_t delta = 0;

	if (bytes > (size_t)(cursor->end - cursor->at))
		return false;
	memcpy(&delta, cursor->at, bytes); /* little-endian like us */
	cursor->at += bytes;
	return !__builtin_mul_overflow(delta, machine->common->code_factor, &machine->advance);
}

static bool define_cfa(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	struct fg_cfi_rules *now = &machine->now;
	uint64_t reg = now->cfa_register;
	int64_t offset = now->cfa_offset;
	bool is_whole = opcode == DW_CFA_def_cfa || opcode == DW_CFA_def_cfa_sf;
	bool is_signed = opcode == DW_CFA_def_cfa_sf || opcode == DW_CFA_def_cfa_offset_sf;

	if (opcode == DW_CFA_def_cfa_expression) {
		set_cfa(machine, 0, 0);
		return take_block(cursor, &now->cfa_expression);
	}
	/* Half of a rule needs the other half. */
	if (!is_whole && (!now->has_cfa || now->cfa_expression.at))
		return false;
	if ((is_whole || opcode == DW_CFA_def_cfa_register) && !fg_cfi_uleb(cursor, &reg))
		return false;
	if (opcode != DW_CFA_def_cfa_register &&
	    !(is_signed ? take_signed_offset(machine, cursor, &offset)
			: take_offset(machine, cursor, false, &offset)))
		return false;
	set_cfa(machine, reg, offset);
	return true;
}

/* Instructions that begin with a register. */
static bool place_register(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	struct fg_cfi_cursor block;
	uint64_t reg, other;
	int64_t offset = 0;
	bool good;

	if (!fg_cfi_uleb(cursor, &reg))
		return false;
	switch (opcode) {
	case DW_CFA_offset_extended:
	case DW_CFA_val_offset:
		good = take_offset(machine, cursor, true, &offset);
		break;
	case DW_CFA_offset_extended_sf:
	case DW_CFA_val_offset_sf:
		good = take_signed_offset(machine, cursor, &offset);
		break;
	case DW_CFA_GNU_negative_offset_extended:
		good = take_offset(machine, cursor, true, &offset);
		offset = -offset;
		break;
	case DW_CFA_register:
		good = fg_cfi_uleb(cursor, &other);
		break;
	default: /* an expression */
		good = take_block(cursor, &block);
		break;
	}
	bool at_cfa = opcode == DW_CFA_offset_extended || opcode == DW_CFA_offset_extended_sf ||
		      opcode == DW_CFA_GNU_negative_offset_extended;

	put(machine, reg, at_cfa ? FG_CFI_AT_CFA : FG_CFI_OTHER, offset);
	return good;
}

static bool change_register(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	uint64_t reg;

	if (!fg_cfi_uleb(cursor, &reg))
		return false;
	if (opcode == DW_CFA_restore_extended)
		restore(machine, reg);
	else
		put(machine, reg, opcode == DW_CFA_undefined ? FG_CFI_UNDEFINED : FG_CFI_SAME, 0);
	return true;
}

static bool remember(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	(void)opcode;
	(void)cursor;
	if (machine->depth == FG_CFI_REMEMBER_MAX)
		return false;
	machine->remembered[machine->depth++] = machine->now;
	return true;
}

static bool recall(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	(void)opcode;
	(void)cursor;
	if (!machine->depth)
		return false;
	machine->now = machine->remembered[--machine->depth];
	return true;
}

static bool do_nothing(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	(void)machine;
	(void)opcode;
	(void)cursor;
	return true;
}

static bool skip_number(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	uint64_t number;

	(void)machine;
	(void)opcode;
	return fg_cfi_uleb(cursor, &number);
}

static bool advance(struct machine *machine, uint8_t opcode, struct fg_cfi_cursor *cursor)
{
	return take_advance(machine, cursor, 1u << (opcode - DW_CFA_advance_loc1));
}

/* Not here: DW_CFA_set_loc, which no compiler writes. */
static bool (*const extended[0x40])(struct machine *, uint8_t, struct fg_cfi_cursor *) = {
	[DW_CFA_nop] = do_nothing,
	[DW_CFA_advance_loc1] = advance,
	[DW_CFA_advance_loc2] = advance,
	[DW_CFA_advance_loc4] = advance,
	[DW_CFA_offset_extended] = place_register,
	[DW_CFA_restore_extended] = change_register,
	[DW_CFA_undefined] = change_register,
	[DW_CFA_same_value] = change_register,
	[DW_CFA_register] = place_register,
	[DW_CFA_remember_state] = remember,
	[DW_CFA_restore_state] = recall,
	[DW_CFA_def_cfa] = define_cfa,
	[DW_CFA_def_cfa_register] = define_cfa,
	[DW_CFA_def_cfa_offset] = define_cfa,
	[DW_CFA_def_cfa_expression] = define_cfa,
	[DW_CFA_expression] = place_register,
	[DW_CFA_offset_extended_sf] = place_register,
	[DW_CFA_def_cfa_sf] = define_cfa,
	[DW_CFA_def_cfa_offset_sf] = define_cfa,
	[DW_CFA_val_offset] = place_register,
	[DW_CFA_val_offset_sf] = place_register,
	[DW_CFA_val_expression] = place_register,
	[DW_CFA_GNU_window_save] = do_nothing, /* AArch64: the return address is signed */
	[DW_CFA_GNU_args_size] = skip_number,
	[DW_CFA_GNU_negative_offset_extended] = place_register,
};

static bool execute(struct machine *machine, struct fg_cfi_cursor *cursor)
{
	uint8_t opcode = *cursor->at++, operand = opcode & 0x3f;
	int64_t offset;

	machine->advance = 0;
	switch (opcode & 0xc0) {
	case DW_CFA_advance_loc:
		return !__builtin_mul_overflow(operand, machine->common->code_factor,
					       &machine->advance);
	case DW_CFA_offset:
		if (!take_offset(machine, cursor, true, &offset))
			return false;
		put(machine, operand, FG_CFI_AT_CFA, offset);
		return true;
	case DW_CFA_restore:
		restore(machine, operand);
		return true;
	default:
		return extended[opcode] && extended[opcode](machine, opcode, cursor);
	}
}

/* What the CIE says for all; nothing advances there. */
static bool start_machine(struct machine *machine)
{
	struct fg_cfi_cursor cursor = machine->common->initial;

	if (cursor.end - cursor.at > FG_CFI_INITIAL_BYTES_MAX)
		return false;
	while (cursor.at < cursor.end) {
		if (!execute(machine, &cursor) || machine->advance)
			return false;
	}
	machine->initial = machine->now;
	return true;
}

int fg_cfi_run(const struct fg_cfi_common *common, struct fg_cfi_cursor program, uint64_t start,
	       uint64_t end, fg_cfi_state_fn *state, void *context)
{
	struct machine machine; /* what is remembered is written before it is read */

	machine.common = common;
	machine.now = machine.initial = (struct fg_cfi_rules){0};
	machine.depth = 0;
	bool good = start_machine(&machine);

	while (good && program.at < program.end && start < end) {
		good = execute(&machine, &program);
		if (!good || !machine.advance)
			continue;
		uint64_t next = machine.advance < end - start ? start + machine.advance : end;
		int rc = state(context, start, next, &machine.now);

		if (rc)
			return rc;
		start = next;
	}
	return start < end ? state(context, start, end, good ? &machine.now : NULL) : 0;
}
