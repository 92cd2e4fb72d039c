/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/a64rows.h"

#include <libelf.h>
#include <string.h>

enum { WORD_BYTES = 4, SCANNED_BYTES_MAX = 1 << 20 };
#define PUSH_X16_LR      0xa9bf7bf0u /* stp x16, x30, [sp, #-16]! */
#define BTI_C            0xd503245fu
#define MOV_X8_SIGRETURN 0xd2801168u /* mov x8, #139 */
#define SVC_0            0xd4000001u

static struct fg_unwind_row make_row(unsigned kind)
{
	return (struct fg_unwind_row){.kind = (uint8_t)kind, .rbp_offset_8 = FG_RBP_SAME};
}

struct fg_unwind_row fg_a64_leaf(void)
{
	return make_row(FG_A64);
}

struct fg_unwind_row fg_a64_pushed(int16_t cfa_offset_8)
{
	struct fg_unwind_row row = make_row(FG_A64 | FG_A64_SAVES_LR);

	row.cfa_offset_8 = cfa_offset_8;
	row.rbp_offset_8 = -1;
	return row;
}

static bool set_cfa(const struct fg_cfi_rules *rules, struct fg_unwind_row *row)
{
	int64_t offset = rules->cfa_offset;

	if (!rules->has_cfa || rules->cfa_expression.at || offset % 8 || offset / 8 < INT16_MIN ||
	    offset / 8 > INT16_MAX)
		return false;
	if (rules->cfa_register != FG_A64_REG_SP && rules->cfa_register != FG_A64_REG_FP)
		return false;
	if (rules->cfa_register == FG_A64_REG_FP)
		row->kind |= FG_A64_BASE_FP;
	row->cfa_offset_8 = (int16_t)(offset / 8);
	return true;
}

/* The slot of what is saved, by the CFA if that is near enough, else by the base. */
static bool set_slot(int64_t offset, struct fg_unwind_row *row)
{
	int64_t words = offset / 8;

	if (offset % 8)
		return false;
	if (words <= FG_RBP_SAME || words > INT8_MAX) {
		words += row->cfa_offset_8;
		row->kind |= FG_A64_FROM_BASE;
	}
	if (words <= FG_RBP_SAME || words > INT8_MAX)
		return false;
	row->rbp_offset_8 = (int8_t)words;
	return true;
}

static bool set_saved(const struct fg_cfi_rules *rules, struct fg_unwind_row *row)
{
	const struct fg_cfi_saved *fp = &rules->saved, *lr = &rules->return_address;
	bool saves_fp = fp->place == FG_CFI_AT_CFA, saves_lr = lr->place == FG_CFI_AT_CFA;

	if (fp->place == FG_CFI_OTHER || lr->place == FG_CFI_OTHER)
		return false;
	if (saves_fp && saves_lr && lr->offset != fp->offset + 8)
		return false;
	if (saves_fp)
		row->kind |= FG_A64_SAVES_FP;
	if (saves_lr)
		row->kind |= FG_A64_SAVES_LR;
	return (!saves_fp && !saves_lr) || set_slot(saves_fp ? fp->offset : lr->offset, row);
}

struct fg_unwind_row fg_a64_row(const struct fg_cfi_rules *rules)
{
	struct fg_unwind_row row = make_row(FG_A64);

	if (rules && rules->return_address.place == FG_CFI_UNDEFINED)
		return make_row(FG_ROW_STOP);
	if (!rules || !set_cfa(rules, &row) || !set_saved(rules, &row))
		return make_row(FG_ROW_UNSUPPORTED);
	return row;
}

static uint32_t word_at(const uint8_t *code)
{
	uint32_t word;

	memcpy(&word, code, sizeof(word)); /* little-endian like us */
	return word;
}

/* adrp x16, …: how all but the first entry begin */
static bool is_adrp_x16(uint32_t word)
{
	return (word & 0x9f00001fu) == 0x90000010u;
}

int fg_a64_plt_skip(const uint8_t *code, size_t len)
{
	enum { ENTRY_BYTES = 16 };

	if (len < ENTRY_BYTES)
		return -1;
	int skip = word_at(code) == BTI_C ? WORD_BYTES : 0;
	uint32_t word = word_at(code + skip);

	if (is_adrp_x16(word))
		return FG_A64_PLT_PLAIN;
	return word == PUSH_X16_LR && len >= FG_A64_PLT_FIRST_BYTES ? skip : -1;
}

/* sub sp, …, #n, or a store of registers by SP. */
static bool touches_stack(uint32_t word)
{
	enum { SP_FIELD = 31 };
	bool by_sp = (word >> 5 & 31) == SP_FIELD;
	bool pair = (word & 0x3a400000u) == 0x28000000u, one = (word & 0x3a000000u) == 0x38000000u;

	return (word & 0xff00001fu) == 0xd100001fu || (by_sp && (pair || one));
}

static bool leaves_only(const uint8_t *code, size_t from, size_t to)
{
	for (size_t at = from; at + WORD_BYTES <= to; at += WORD_BYTES)
		if (touches_stack(word_at(code + at)))
			return false;
	return true;
}

static struct fg_a64_signal find_signal(const uint8_t *code, size_t len, uint64_t vaddr)
{
	for (size_t at = WORD_BYTES; at + 2 * WORD_BYTES <= len; at += WORD_BYTES) {
		if (word_at(code + at) != MOV_X8_SIGRETURN ||
		    word_at(code + at + WORD_BYTES) != SVC_0)
			continue;
		/* the headers before the code look like stores as little as its data does: what
		 * does by chance costs a guess */
		return (struct fg_a64_signal){vaddr + at - WORD_BYTES, vaddr + at + 2 * WORD_BYTES,
					      leaves_only(code, 0, len)};
	}
	return (struct fg_a64_signal){0};
}

struct fg_a64_signal fg_a64_find_signal(struct Elf *elf, const struct fg_unwind_table *table)
{
	struct fg_a64_signal found = {0};

	for (size_t i = 0; i < table->segment_count && !found.end; i++) {
		const struct fg_unwind_segment *segment = &table->segments[i];

		if (segment->file_size > SCANNED_BYTES_MAX || segment->file_size < WORD_BYTES)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)segment->file_offset,
						      segment->file_size, ELF_T_BYTE);

		if (data && data->d_buf)
			found = find_signal(data->d_buf, data->d_size, segment->vaddr);
	}
	return found;
}
