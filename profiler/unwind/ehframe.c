/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the x86-64 unwinder from libdw's view of .eh_frame or .debug_frame.
 *
 * A row states the CFA and where RBP was saved; the return address must lie at CFA − 8. Everything
 * else (other base registers, RBP in a register, return address elsewhere) is FG_ROW_UNSUPPORTED:
 * such a frame ends the stack with that reason instead of a wrong caller.
 *
 * AArch64 will need rows with a second saved register (LR beside FP) and FG_ROW kinds of its own;
 * files of that machine are refused in table.c, so nothing here runs on them.
 */
#include "profiler/unwind/ehframe.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum { REG_RBP = 6, REG_RSP = 7, REG_RIP = 16 };

/* Linkers pad functions to 16 bytes; no row is spent on such a gap, nothing executes in it. */
enum { PADDING_BYTES = 16 };

/* Work allowed to libdw: program bytes × rows. The largest function of rustc_driver costs about
 * 40 million; a hostile file stops at the total, after some seconds. */
enum { FDE_COST_MAX = 256 << 20 };
#define TOTAL_COST_MAX (8ull << 30)

struct builder {
	struct fg_unwind_table *table;
	Dwarf_CFI *cfi;
	uint64_t plt_start, plt_end; /* a lazy PLT of the usual code; empty: none */
	uint64_t cost;
	struct fg_err *err;
};

static struct fg_unwind_row make_row(enum fg_row_kind kind)
{
	return (struct fg_unwind_row){.kind = (uint8_t)kind, .rbp_offset_8 = FG_RBP_SAME};
}

static bool same_rule(const struct fg_unwind_row *a, const struct fg_unwind_row *b)
{
	return a->kind == b->kind && a->cfa_offset_8 == b->cfa_offset_8 &&
	       a->rbp_offset_8 == b->rbp_offset_8;
}

/* Appends unless the rule of the row before goes on. Addresses come in ascending order. */
static int append(struct builder *builder, uint64_t address, struct fg_unwind_row row)
{
	struct fg_unwind_table *table = builder->table;
	struct fg_unwind_row *last = table->row_count ? &table->rows[table->row_count - 1] : NULL;

	row.address = (uint32_t)address;
	if (last && same_rule(last, &row))
		return 0;
	assert(!last || last->address < row.address);
	int rc =
		FG_VEC_ROOM(table, rows, row_count, row_capacity, FG_UNWIND_ROWS_MAX, builder->err);

	if (rc)
		return rc;
	table->rows[table->row_count++] = row;
	table->unsupported_rows += row.kind == FG_ROW_UNSUPPORTED;
	return 0;
}

/* `base + offset` as libdw spells it; false for anything else. */
static bool is_register_offset(const Dwarf_Op *op, uint64_t *ret_register, int64_t *ret_offset)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*ret_register = (uint64_t)(op->atom - DW_OP_breg0);
		*ret_offset = (int64_t)op->number;
		return true;
	}
	if (op->atom == DW_OP_bregx) {
		*ret_register = op->number;
		*ret_offset = (int64_t)op->number2;
		return true;
	}
	return false;
}

/* The lazy PLT's rule: rsp + 8 + ((rip & 15) >= N) × 8. Returns N, or 0. */
static unsigned plt_threshold(const Dwarf_Op *ops, size_t count)
{
	static const uint8_t tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	uint64_t reg;
	int64_t offset;

	if (count != 9 || !is_register_offset(&ops[0], &reg, &offset) || reg != REG_RSP ||
	    offset != 8 || !is_register_offset(&ops[1], &reg, &offset) || reg != REG_RIP ||
	    offset != 0 || ops[2].atom != DW_OP_lit15 || ops[3].atom != DW_OP_and ||
	    ops[4].atom <= DW_OP_lit0 || ops[4].atom > DW_OP_lit15)
		return 0;
	for (size_t i = 0; i < FG_ARRAY_LEN(tail); i++)
		if (ops[5 + i].atom != tail[i])
			return 0;
	return ops[4].atom - DW_OP_lit0;
}

/* What follows `base + offset`: nothing, or as hand-written assembly spells its saved stack
 * pointer, *(base + offset) and *(base + offset) + 8. */
static enum fg_row_kind cfa_kind(bool is_rsp, const Dwarf_Op *ops, size_t count)
{
	if (count == 1)
		return is_rsp ? FG_ROW_RSP : FG_ROW_RBP;
	if (count > 3 || ops[1].atom != DW_OP_deref)
		return FG_ROW_UNSUPPORTED;
	if (count == 2)
		return is_rsp ? FG_ROW_DEREF_RSP : FG_ROW_DEREF_RBP;
	if (ops[2].atom != DW_OP_plus_uconst || ops[2].number != 8)
		return FG_ROW_UNSUPPORTED;
	return is_rsp ? FG_ROW_DEREF_RSP_8 : FG_ROW_DEREF_RBP_8;
}

static bool set_offset(struct fg_unwind_row *row, int64_t offset)
{
	if (offset % 8 || offset / 8 < INT16_MIN || offset / 8 > INT16_MAX)
		return false;
	row->cfa_offset_8 = (int16_t)(offset / 8);
	return true;
}

static bool set_cfa(Dwarf_Frame *frame, struct fg_unwind_row *row, unsigned *ret_threshold)
{
	Dwarf_Op *ops;
	size_t count;
	uint64_t reg;
	int64_t offset;

	*ret_threshold = 0;
	if (dwarf_frame_cfa(frame, &ops, &count) || count == 0)
		return false;
	*ret_threshold = plt_threshold(ops, count);
	if (*ret_threshold) {
		row->kind = FG_ROW_PLT;
		return true;
	}
	if (!is_register_offset(&ops[0], &reg, &offset) || (reg != REG_RSP && reg != REG_RBP))
		return false;
	row->kind = (uint8_t)cfa_kind(reg == REG_RSP, ops, count);
	return row->kind != FG_ROW_UNSUPPORTED && set_offset(row, offset);
}

enum place { PLACE_OTHER, PLACE_SAME, PLACE_UNDEFINED, PLACE_CFA };

/* Where a register of the caller is: unchanged, lost, or at CFA + offset. */
static enum place register_place(Dwarf_Frame *frame, int reg, int64_t *ret_offset)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	if (dwarf_frame_register(frame, reg, memory, &ops, &count))
		return PLACE_OTHER;
	if (count == 0)
		return ops == memory ? PLACE_UNDEFINED : PLACE_SAME;
	if (ops[0].atom != DW_OP_call_frame_cfa || count > 2)
		return PLACE_OTHER;
	*ret_offset = 0;
	if (count == 2 && ops[1].atom != DW_OP_plus_uconst)
		return PLACE_OTHER;
	if (count == 2)
		*ret_offset = (int64_t)ops[1].number;
	return PLACE_CFA;
}

static bool set_rbp(Dwarf_Frame *frame, struct fg_unwind_row *row)
{
	int64_t offset;

	switch (register_place(frame, REG_RBP, &offset)) {
	case PLACE_SAME:
	case PLACE_UNDEFINED:
		return true;
	case PLACE_CFA:
		if (offset % 8 || offset / 8 <= FG_RBP_SAME || offset / 8 > INT8_MAX)
			return false;
		row->rbp_offset_8 = (int8_t)(offset / 8);
		return true;
	case PLACE_OTHER:
		break;
	}
	return false;
}

static struct fg_unwind_row row_of(Dwarf_Frame *frame, int return_reg, bool is_signal,
				   unsigned *ret_threshold)
{
	struct fg_unwind_row row = make_row(FG_ROW_UNSUPPORTED);
	int64_t offset;

	*ret_threshold = 0;
	if (is_signal)
		return make_row(FG_ROW_SIGNAL);
	enum place place = register_place(frame, return_reg, &offset);

	if (place == PLACE_UNDEFINED)
		return make_row(FG_ROW_STOP);
	if (place != PLACE_CFA || offset != -8 || !set_cfa(frame, &row, ret_threshold) ||
	    !set_rbp(frame, &row)) {
		*ret_threshold = 0;
		return make_row(FG_ROW_UNSUPPORTED);
	}
	return row;
}

/* PLT entries of other linkers and CET push at another byte of the 16: written out as plain rows,
 * two per entry. */
static int append_plt(struct builder *builder, uint64_t start, uint64_t end, unsigned threshold,
		      struct fg_unwind_row row)
{
	if (threshold == 11)
		return append(builder, start, row);
	row.kind = FG_ROW_RSP;
	while (start < end) {
		bool pushed = (start & 15) >= threshold;

		row.cfa_offset_8 = pushed ? 2 : 1;
		int rc = append(builder, start, row);

		if (rc)
			return rc;
		start = (start & ~15ull) + (pushed ? 16 : threshold);
	}
	return 0;
}

/* One state of the FDE's program: the row at `address`; *ret_next is where the following starts. */
static int append_state(struct builder *builder, uint64_t address, uint64_t fde_end,
			uint64_t *ret_next)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start = 0, end = 0;
	bool is_signal = false;
	unsigned threshold = 0;
	struct fg_unwind_row row = make_row(FG_ROW_UNSUPPORTED);

	*ret_next = fde_end;
	if (dwarf_cfi_addrframe(builder->cfi, address, &frame))
		return append(builder, address, row);
	int return_reg = dwarf_frame_info(frame, &start, &end, &is_signal);

	/* .eh_frame_hdr may lead libdw elsewhere than our list: then the answer is not for us */
	if (return_reg >= 0 && start <= address && address < end) {
		row = row_of(frame, return_reg, is_signal, &threshold);
		*ret_next = FG_MIN(end, fde_end);
	}
	free(frame);
	return threshold ? append_plt(builder, address, *ret_next, threshold, row)
			 : append(builder, address, row);
}

static int append_fde(struct builder *builder, const struct fg_fde *fde, uint64_t end)
{
	int rc = 0;
	uint64_t next;

	if (fde->refused || fde->cost > FDE_COST_MAX || builder->cost + fde->cost > TOTAL_COST_MAX)
		return append(builder, fde->start, make_row(FG_ROW_UNSUPPORTED));
	builder->cost += fde->cost;
	for (uint64_t at = fde->start; at < end && !rc; at = next)
		rc = append_state(builder, at, end, &next);
	return rc;
}

/* lld writes no FDE for the PLT, where callers of many small functions spend some of their time.
 * Its code is the same as GNU ld's, so is the rule: the first entry pushes at once, the others
 * jump, push and jump. */
static int append_bare_plt(struct builder *builder)
{
	static const struct {
		uint8_t at, kind, cfa_offset_8;
	} rows[] = {{0, FG_ROW_RSP, 2}, {6, FG_ROW_RSP, 3}, {16, FG_ROW_PLT, 0}};
	int rc = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(rows) && !rc; i++) {
		struct fg_unwind_row row = make_row((enum fg_row_kind)rows[i].kind);

		row.cfa_offset_8 = rows[i].cfa_offset_8;
		rc = append(builder, builder->plt_start + rows[i].at, row);
	}
	return rc;
}

/* Code without an FDE. */
static int append_gap(struct builder *builder, uint64_t start, uint64_t end)
{
	bool has_plt = builder->plt_start < builder->plt_end && start <= builder->plt_start &&
		       builder->plt_end <= end;
	int rc = 0;

	if (!has_plt || start < builder->plt_start)
		rc = append(builder, start, make_row(FG_ROW_NONE));
	if (has_plt && !rc)
		rc = append_bare_plt(builder);
	if (has_plt && !rc && builder->plt_end < end)
		rc = append(builder, builder->plt_end, make_row(FG_ROW_NONE));
	return rc;
}

static bool is_usual_plt(const uint8_t *code, size_t len)
{
	/* push [rip + x]; jmp [rip + x]; and from 16: jmp [rip + x]; push n; */
	return len >= 32 && len % 16 == 0 && memcmp(code, "\xff\x35", 2) == 0 &&
	       memcmp(code + 6, "\xff\x25", 2) == 0 && memcmp(code + 16, "\xff\x25", 2) == 0 &&
	       code[22] == 0x68;
}

static void find_plt(struct builder *builder, Elf *elf)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_PROGBITS ||
		    shdr.sh_addr < builder->table->vaddr_start ||
		    shdr.sh_addr >= builder->table->vaddr_end)
			continue;
		const char *name = elf_strptr(elf, names, shdr.sh_name);
		Elf_Data *data = name && strcmp(name, ".plt") == 0 ? elf_rawdata(scn, NULL) : NULL;

		if (!data || !data->d_buf || !is_usual_plt(data->d_buf, data->d_size))
			continue;
		builder->plt_start = shdr.sh_addr;
		builder->plt_end = shdr.sh_addr + data->d_size;
	}
}

static bool is_padding(uint64_t end, uint64_t next_start)
{
	return next_start - end < PADDING_BYTES && next_start % PADDING_BYTES == 0;
}

static int append_all(struct builder *builder, const struct fg_fdes *fdes)
{
	const struct fg_unwind_table *table = builder->table;
	uint64_t covered = table->vaddr_start;

	for (size_t i = 0; i < fdes->count; i++) {
		const struct fg_fde *fde = &fdes->items[i];

		if (fde->start < table->vaddr_start || fde->start >= table->vaddr_end)
			continue;
		uint64_t end = FG_MIN(fde->end, table->vaddr_end);
		int rc = 0;

		if (covered < fde->start &&
		    (covered == table->vaddr_start || !is_padding(covered, fde->start)))
			rc = append_gap(builder, covered, fde->start);
		if (!rc)
			rc = append_fde(builder, fde, end);
		if (rc)
			return rc;
		covered = end;
	}
	return table->row_count && covered < table->vaddr_end
		       ? append_gap(builder, covered, table->vaddr_end)
		       : 0;
}

/* libdw unpacks every compressed debug section at once, however large it says it is: not in a
 * privileged program. */
static bool has_compressed_debug(Elf *elf)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return true;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name =
			gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;

		if (!name || (shdr.sh_flags & SHF_COMPRESSED) || strncmp(name, ".z", 2) == 0 ||
		    strncmp(name, ".gnu.debuglto_", 14) == 0)
			return true;
	}
	return false;
}

int fg_ehframe_rows(struct Elf *elf, const struct fg_fdes *fdes, struct fg_unwind_table *table,
		    struct fg_err *err)
{
	struct builder builder = {.table = table, .err = err};
	Dwarf *dwarf = NULL;

	if (fdes->count == 0)
		return 0;
	find_plt(&builder, elf);
	if (fdes->from_eh_frame) {
		builder.cfi = dwarf_getcfi_elf(elf);
	} else if (!has_compressed_debug(elf)) {
		dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
		builder.cfi = dwarf ? dwarf_getcfi(dwarf) : NULL;
	}
	/* nothing can be evaluated: as if there were no rows, the RBP chain may still help */
	int rc = builder.cfi ? append_all(&builder, fdes) : 0;

	if (fdes->from_eh_frame && builder.cfi)
		dwarf_cfi_end(builder.cfi);
	if (dwarf)
		dwarf_end(dwarf);
	return rc;
}
