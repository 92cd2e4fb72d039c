/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the unwinder from the call-frame programs of .eh_frame or .debug_frame.
 *
 * x86-64: a row states the CFA and where RBP was saved; the return address must lie at CFA − 8.
 * Everything else (RBP in a register, return address elsewhere) is FG_ROW_UNSUPPORTED: such a frame
 * ends the stack with that reason instead of a wrong caller.
 * AArch64's rows, PLT and signal frame are a64rows.c's; the file's machine decides.
 */
#include "profiler/unwind/ehframe.h"

#include <dwarf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "profiler/unwind/a64rows.h"
#include "profiler/unwind/gap.h"

enum { REG_RBP = 6, REG_RSP = 7, REG_RIP = 16 };

/* Which word of struct pt_regs (asm/ptrace.h) DWARF's first 16 registers are. */
static const uint8_t pt_regs_word[] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0};

/* Linkers pad functions to 16 bytes; no row is spent on such a gap, nothing executes in it. */
enum { PADDING_BYTES = 16 };

/* The loader's has 62. */
enum { ENTRY_BYTES_MAX = 64 };

/* C libraries have two or three ways to make a thread. */
enum { CLONE_BYTES_MIN = 10, CLONE_BYTES_MAX = 32, CLONE_LOOKS_MAX = 64 };

/* libelf reads it whole. A million functions of other libraries. */
enum { PLT_BYTES_MAX = 16 << 20 };

struct builder {
	struct fg_unwind_table *table;
	struct Elf *elf;
	unsigned clone_looks;
	uint64_t entry;              /* the program's first instruction; 0: none */
	uint64_t plt_start, plt_end; /* a lazy PLT of the usual code; empty: none */
	struct fg_a64_signal signal; /* AArch64: the return from a signal */
	bool is_arm64;
	unsigned plt_skip; /* AArch64: see fg_a64_plt_skip() */
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

/* `base + offset` at the head of an expression; false for anything else. */
static bool take_register_offset(struct fg_cfi_cursor *cursor, uint64_t *ret_register,
				 int64_t *ret_offset)
{
	if (cursor->at == cursor->end)
		return false;
	uint8_t atom = *cursor->at++;

	if (atom == DW_OP_bregx) {
		if (!fg_cfi_uleb(cursor, ret_register))
			return false;
	} else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31) {
		*ret_register = (uint64_t)(atom - DW_OP_breg0);
	} else {
		return false;
	}
	return fg_cfi_sleb(cursor, ret_offset);
}

/* The lazy PLT's rule: rsp + 8 + ((rip & 15) >= N) × 8. Returns N, or 0. */
static unsigned plt_threshold(struct fg_cfi_cursor cursor)
{
	static const uint8_t tail[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	uint64_t reg;
	int64_t offset;

	if (!take_register_offset(&cursor, &reg, &offset) || reg != REG_RSP || offset != 8 ||
	    !take_register_offset(&cursor, &reg, &offset) || reg != REG_RIP || offset != 0 ||
	    cursor.end - cursor.at != 3 + sizeof(tail))
		return 0;
	const uint8_t *ops = cursor.at;

	if (ops[0] != DW_OP_lit15 || ops[1] != DW_OP_and || ops[2] <= DW_OP_lit0 ||
	    ops[2] > DW_OP_lit15 || memcmp(ops + 3, tail, sizeof(tail)) != 0)
		return 0;
	return ops[2] - DW_OP_lit0;
}

/* What follows `base + offset`: nothing, or as hand-written assembly spells its saved stack
 * pointer, *(base + offset) and *(base + offset) + 8. */
static enum fg_row_kind cfa_kind(bool is_rsp, struct fg_cfi_cursor rest)
{
	uint64_t more;

	if (rest.at == rest.end)
		return is_rsp ? FG_ROW_RSP : FG_ROW_RBP;
	if (*rest.at++ != DW_OP_deref)
		return FG_ROW_UNSUPPORTED;
	if (rest.at == rest.end)
		return is_rsp ? FG_ROW_DEREF_RSP : FG_ROW_DEREF_RBP;
	if (*rest.at++ != DW_OP_plus_uconst || !fg_cfi_uleb(&rest, &more) || more != 8 ||
	    rest.at != rest.end)
		return FG_ROW_UNSUPPORTED;
	return is_rsp ? FG_ROW_DEREF_RSP_8 : FG_ROW_DEREF_RBP_8;
}

/* *(rsp + register × 8 + offset) + 8, where libcrypto's assembly keeps its stack pointer above a
 * number whose size is a parameter. */
static bool indexed_row(struct fg_cfi_cursor cursor, struct fg_unwind_row *row)
{
	static const uint8_t tail[] = {DW_OP_lit8,  DW_OP_mul,         DW_OP_plus,
				       DW_OP_deref, DW_OP_plus_uconst, 8};
	uint64_t base, index;
	int64_t offset, more;

	if (!take_register_offset(&cursor, &base, &offset) || base != REG_RSP || offset % 8 ||
	    offset / 8 < INT16_MIN || offset / 8 > INT16_MAX ||
	    !take_register_offset(&cursor, &index, &more) || more != 0 ||
	    index >= FG_ARRAY_LEN(pt_regs_word) || index == REG_RSP || index == REG_RBP ||
	    cursor.end - cursor.at != sizeof(tail) || memcmp(cursor.at, tail, sizeof(tail)) != 0)
		return false;
	row->kind = FG_ROW_INDEXED_8 | pt_regs_word[index];
	row->cfa_offset_8 = (int16_t)(offset / 8);
	return true;
}

static bool set_cfa(const struct fg_cfi_rules *rules, struct fg_unwind_row *row,
		    unsigned *ret_threshold)
{
	struct fg_cfi_cursor expression = rules->cfa_expression;
	uint64_t reg = rules->cfa_register;
	int64_t offset = rules->cfa_offset;

	if (!rules->has_cfa)
		return false;
	if (expression.at) {
		*ret_threshold = plt_threshold(expression);
		if (*ret_threshold) {
			row->kind = FG_ROW_PLT;
			return true;
		}
		if (indexed_row(expression, row))
			return true;
		if (!take_register_offset(&expression, &reg, &offset))
			return false;
	}
	if (reg == REG_RSP || reg == REG_RBP)
		row->kind = (uint8_t)cfa_kind(reg == REG_RSP, expression);
	else if (reg < FG_ARRAY_LEN(pt_regs_word) && expression.at == expression.end)
		row->kind = FG_ROW_REGISTER | pt_regs_word[reg];
	else
		return false;
	if (row->kind == FG_ROW_UNSUPPORTED || offset % 8 || offset / 8 < INT16_MIN ||
	    offset / 8 > INT16_MAX)
		return false;
	row->cfa_offset_8 = (int16_t)(offset / 8);
	return true;
}

static bool set_rbp(const struct fg_cfi_saved *saved, struct fg_unwind_row *row)
{
	if (saved->place == FG_CFI_OTHER)
		return false;
	if (saved->place != FG_CFI_AT_CFA)
		return true;
	if (saved->offset % 8 || saved->offset / 8 <= FG_RBP_SAME || saved->offset / 8 > INT8_MAX)
		return false;
	row->rbp_offset_8 = (int8_t)(saved->offset / 8);
	return true;
}

static struct fg_unwind_row row_of(const struct fg_cfi_rules *rules, unsigned *ret_threshold)
{
	struct fg_unwind_row row = make_row(FG_ROW_UNSUPPORTED);

	if (rules->return_address.place == FG_CFI_UNDEFINED)
		return make_row(FG_ROW_STOP);
	if (rules->return_address.place == FG_CFI_AT_CFA && rules->return_address.offset == -8 &&
	    set_cfa(rules, &row, ret_threshold) && set_rbp(&rules->saved, &row))
		return row;
	*ret_threshold = 0;
	return make_row(FG_ROW_UNSUPPORTED);
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

static int append_state(void *context, uint64_t start, uint64_t end,
			const struct fg_cfi_rules *rules)
{
	struct builder *builder = context;
	unsigned threshold = 0;

	if (builder->is_arm64)
		return append(builder, start, fg_a64_row(rules));
	struct fg_unwind_row row = rules ? row_of(rules, &threshold) : make_row(FG_ROW_UNSUPPORTED);

	return threshold ? append_plt(builder, start, end, threshold, row)
			 : append(builder, start, row);
}

static int append_fde(struct builder *builder, const struct fg_fdes *fdes, const struct fg_fde *fde,
		      uint64_t end)
{
	if (fde->refused)
		return append(builder, fde->start, make_row(FG_ROW_UNSUPPORTED));
	if (fde->is_signal)
		return append(builder, fde->start, make_row(FG_ROW_SIGNAL));
	return fg_cfi_run(&fdes->commons[fde->common], fde->program, fde->start, end, append_state,
			  builder);
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

/* The same of AArch64's: only the first entry, of 32 bytes, moves the stack. */
static int append_arm64_plt(struct builder *builder)
{
	enum { WORD_BYTES = 4 };
	uint64_t pushed = builder->plt_start + builder->plt_skip + WORD_BYTES;
	uint64_t next = builder->plt_start + FG_A64_PLT_FIRST_BYTES;
	int rc = append(builder, builder->plt_start, fg_a64_leaf());

	if (rc || builder->plt_skip == FG_A64_PLT_PLAIN)
		return rc;
	rc = append(builder, pushed, fg_a64_pushed(2));
	if (!rc && next < builder->plt_end)
		rc = append(builder, next, fg_a64_leaf());
	return rc;
}

static int append_plt_spot(struct builder *builder)
{
	return builder->is_arm64 ? append_arm64_plt(builder) : append_bare_plt(builder);
}

static int append_entry_spot(struct builder *builder)
{
	return append(builder, builder->entry, make_row(FG_ROW_STOP));
}

static int append_signal_spot(struct builder *builder)
{
	return append(builder, builder->signal.start, make_row(FG_ROW_SIGNAL));
}

static int append_none(struct builder *builder, uint64_t start, uint64_t end)
{
	return start < end ? append(builder, start, make_row(FG_ROW_NONE)) : 0;
}

/* Code without an FDE of which the rule is known all the same. */
struct spot {
	uint64_t start, end;
	int (*write)(struct builder *);
};

/* The first spot in [start, end); false if there is none. A program's first instructions have no
 * caller, said or not: in the loader, and in C libraries that write no FDE for them, they are the
 * known root. */
static bool next_spot(const struct builder *builder, uint64_t start, uint64_t end, struct spot *ret)
{
	const struct spot spots[] = {
		{builder->plt_start, builder->plt_end, append_plt_spot},
		{builder->entry, FG_MIN(end, builder->entry + ENTRY_BYTES_MAX), append_entry_spot},
		{builder->signal.start, builder->signal.end, append_signal_spot},
	};
	const struct spot *found = NULL;

	for (size_t i = 0; i < FG_ARRAY_LEN(spots); i++) {
		const struct spot *spot = &spots[i];

		if (spot->start && spot->start < spot->end && start <= spot->start &&
		    spot->end <= end && (!found || spot->start < found->start))
			found = spot;
	}
	if (found)
		*ret = *found;
	return found != NULL;
}

static int append_gap(struct builder *builder, uint64_t start, uint64_t end)
{
	struct spot spot;

	while (start < end && next_spot(builder, start, end, &spot)) {
		int rc = append_none(builder, start, spot.start);

		if (!rc)
			rc = spot.write(builder);
		if (rc)
			return rc;
		start = spot.end;
	}
	return append_none(builder, start, end);
}

static bool is_usual_plt(const uint8_t *code, size_t len)
{
	/* push [rip + x]; jmp [rip + x]; and from 16: jmp [rip + x]; push n; */
	return len >= 32 && len % 16 == 0 && memcmp(code, "\xff\x35", 2) == 0 &&
	       memcmp(code + 6, "\xff\x25", 2) == 0 && memcmp(code + 16, "\xff\x25", 2) == 0 &&
	       code[22] == 0x68;
}

static void take_plt(struct builder *builder, const GElf_Shdr *shdr, const Elf_Data *data)
{
	int skip = builder->is_arm64 ? fg_a64_plt_skip(data->d_buf, data->d_size) : 0;

	if (builder->is_arm64 ? skip < 0 : !is_usual_plt(data->d_buf, data->d_size))
		return;
	builder->plt_skip = (unsigned)skip;
	builder->plt_start = shdr->sh_addr;
	builder->plt_end = shdr->sh_addr + data->d_size;
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

		if (!name || strcmp(name, ".plt") != 0)
			continue;
		Elf_Data *data = shdr.sh_size <= PLT_BYTES_MAX ? elf_rawdata(scn, NULL) : NULL;

		if (data && data->d_buf)
			take_plt(builder, &shdr, data);
		return; /* there is one; a file that lists thousands wants our memory */
	}
}

static bool has_pushed_nothing(const struct fg_unwind_row *row)
{
	return row->kind == FG_ROW_RSP && row->cfa_offset_8 == 1 &&
	       row->rbp_offset_8 == FG_RBP_SAME;
}

/* Near or far. */
static bool is_jl(const uint8_t *code)
{
	return code[0] == 0x7c || (code[0] == 0x0f && code[1] == 0x8c);
}

static const uint8_t *code_at(struct builder *builder, uint64_t vaddr, size_t len)
{
	const struct fg_unwind_table *table = builder->table;

	for (size_t i = 0; i < table->segment_count; i++) {
		const struct fg_unwind_segment *segment = &table->segments[i];
		uint64_t offset = vaddr - segment->vaddr;

		if (offset >= segment->file_size || len > segment->file_size - offset)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(
			builder->elf, (int64_t)(segment->file_offset + offset), len, ELF_T_BYTE);

		return data && data->d_size == len ? data->d_buf : NULL;
	}
	return NULL;
}

/* glibc's clone() and clone3() end their FDE in front of the system call, because behind it a new
 * thread has no caller: syscall; test rax, rax; jl …; jz behind the ret; ret; what follows is the
 * new thread's. The parent's stack is as it was. `at` is the row behind the FDE. */
static void mend_clone(struct builder *builder, size_t at)
{
	static const uint8_t call[] = {0x0f, 0x05, 0x48, 0x85, 0xc0}, end[] = {0x74, 0x01, 0xc3};
	const struct fg_unwind_table *table = builder->table;

	if (at == 0 || table->row_count < at + 2 || builder->is_arm64)
		return;
	struct fg_unwind_row *row = &table->rows[at];
	size_t len = row[1].address - row->address;

	if (row->kind != FG_ROW_NONE || row[1].kind != FG_ROW_STOP ||
	    !has_pushed_nothing(row - 1) || len < CLONE_BYTES_MIN || len > CLONE_BYTES_MAX ||
	    builder->clone_looks == CLONE_LOOKS_MAX)
		return;
	builder->clone_looks++;
	const uint8_t *code = code_at(builder, row->address, len);

	if (!code || memcmp(code, call, sizeof(call)) != 0 || !is_jl(code + sizeof(call)) ||
	    memcmp(code + len - sizeof(end), end, sizeof(end)) != 0)
		return;
	row->kind = FG_ROW_CLONE | pt_regs_word[0];
	row->cfa_offset_8 = 1;
}

static bool is_padding(const struct builder *builder, uint64_t end, uint64_t next_start)
{
	/* AArch64's return from a signal is three instructions */
	if (end < builder->signal.end && builder->signal.end <= next_start)
		return false;
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
		size_t at = table->row_count;
		int rc = 0;

		if (covered < fde->start &&
		    (covered == table->vaddr_start || !is_padding(builder, covered, fde->start)))
			rc = append_gap(builder, covered, fde->start);
		if (!rc)
			rc = append_fde(builder, fdes, fde, end);
		if (rc)
			return rc;
		mend_clone(builder, at);
		covered = end;
	}
	/* of the vDSO the return from signals may be all there is to say */
	return (table->row_count || builder->signal.end) && covered < table->vaddr_end
		       ? append_gap(builder, covered, table->vaddr_end)
		       : 0;
}

int fg_ehframe_rows(struct Elf *elf, const struct fg_fdes *fdes, struct fg_unwind_table *table,
		    struct fg_err *err)
{
	struct builder builder = {.table = table, .elf = elf, .err = err};
	GElf_Ehdr header;

	builder.is_arm64 = table->machine == EM_AARCH64;
	if (builder.is_arm64)
		builder.signal = fg_a64_find_signal(elf, table);
	if (fdes->count == 0 && !builder.signal.end)
		return 0;
	if (gelf_getehdr(elf, &header))
		builder.entry = header.e_entry;
	find_plt(&builder, elf);
	int rc = append_all(&builder, fdes);

	/* arm64's vDSO has no call-frame information at all, and needs none */
	if (!rc && fdes->count == 0 && builder.signal.leaves_only)
		fg_unwind_table_fill_leaves(table);
	return rc;
}
