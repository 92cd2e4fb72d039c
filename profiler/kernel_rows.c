/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/kernel_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/num.h"

static const char source[] = "/proc/kallsyms";

/* -- where it lies ----------------------------------------------------------------------------- */

enum { CHUNK_BYTES = 64 << 10 };
enum mark { TEXT, TEXT_END, ADDRESSES, ADDRESSES_END, ENTRIES, ENTRIES_END, MARKS };
static const char *const names[MARKS] = {
	[TEXT] = "_stext",
	[TEXT_END] = "_etext",
	[ADDRESSES] = "__start_orc_unwind_ip",
	[ADDRESSES_END] = "__stop_orc_unwind_ip",
	[ENTRIES] = "__start_orc_unwind",
	[ENTRIES_END] = "__stop_orc_unwind",
};

/* "ffffffff81000000 T _stext"; modules have a tab and their name behind it. */
static void take_line(const char *line, size_t len, uint64_t at[MARKS])
{
	const char *space = memchr(line, ' ', len);
	size_t digits = space ? (size_t)(space - line) : 0;

	if (!digits || len < digits + 4)
		return;
	const char *name = space + 3;
	size_t name_len = len - digits - 3;

	for (size_t i = 0; i < MARKS; i++) {
		uint64_t address;

		if (name_len == strlen(names[i]) && memcmp(name, names[i], name_len) == 0 &&
		    fg_num_hex(line, digits, &address, NULL) == 0)
			at[i] = address;
	}
}

/* Takes the whole lines of a chunk; returns how much of it they are. */
static size_t take_lines(const char *text, size_t len, uint64_t at[MARKS])
{
	size_t used = 0;
	const char *stop;

	while ((stop = memchr(text + used, '\n', len - used))) {
		take_line(text + used, (size_t)(stop - text) - used, at);
		used = (size_t)(stop - text) + 1;
	}
	return used;
}

static bool has_all(const uint64_t at[MARKS])
{
	for (size_t i = 0; i < MARKS; i++) {
		if (!at[i])
			return false;
	}
	return true;
}

static int read_marks(int fd, uint64_t at[MARKS], struct fg_err *err)
{
	char chunk[CHUNK_BYTES];
	size_t len = 0;

	while (!has_all(at)) {
		ssize_t got = read(fd, chunk + len, sizeof(chunk) - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fg_err_errno(err, errno, "%s", source);
		if (got == 0)
			return 0;
		len += (size_t)got;
		size_t used = take_lines(chunk, len, at);

		if (!used && len == sizeof(chunk))
			return 0; /* no line is that long */
		memmove(chunk, chunk + used, len - used);
		len -= used;
	}
	return 0;
}

int fg_kernel_marks_read(int fd, struct fg_kernel_marks *ret, struct fg_err *err)
{
	uint64_t at[MARKS] = {0};
	int rc = read_marks(fd, at, err);

	if (rc)
		return rc;
	uint64_t rows = (at[ADDRESSES_END] - at[ADDRESSES]) / sizeof(int32_t);

	if (!has_all(at) || at[TEXT_END] <= at[TEXT] || at[TEXT_END] - at[TEXT] > UINT32_MAX ||
	    at[ADDRESSES_END] <= at[ADDRESSES] || !rows || rows > FG_KERNEL_ROWS_MAX ||
	    at[ENTRIES_END] - at[ENTRIES] != rows * FG_KERNEL_ENTRY_BYTES)
		return fg_err_set(err, FG_E_NO_DATA, "%s names no unwind table of the kernel",
				  source);
	*ret = (struct fg_kernel_marks){
		.text = at[TEXT],
		.text_bytes = at[TEXT_END] - at[TEXT],
		.addresses = at[ADDRESSES],
		.entries = at[ENTRIES],
		.rows = (size_t)rows,
	};
	return 0;
}

/* -- what it means ----------------------------------------------------------------------------- */

enum {
	REG_UNDEFINED = 0,
	REG_PREV_SP = 1,
	REG_BP = 4,
	REG_SP,
	REG_BP_INDIRECT = 8,
	REG_SP_INDIRECT
};
enum { TYPE_UNDEFINED, TYPE_END, TYPE_CALL, TYPE_REGS }; /* as of 6.4 */

struct entry {
	int16_t sp_offset, bp_offset;
	uint8_t sp_reg, bp_reg, type;
	bool signal;
};

static struct entry entry_of(const uint8_t *bytes, enum fg_orc_format format)
{
	struct entry ret;
	uint16_t flags;

	memcpy(&ret.sp_offset, bytes, sizeof(ret.sp_offset));
	memcpy(&ret.bp_offset, bytes + 2, sizeof(ret.bp_offset));
	memcpy(&flags, bytes + 4, sizeof(flags));
	ret.sp_reg = flags & 15;
	ret.bp_reg = flags >> 4 & 15;
	if (format == FG_ORC_FORMAT_6_4) {
		ret.type = flags >> 8 & 7;
		ret.signal = flags >> 11 & 1;
		return ret;
	}
	bool end = flags >> (format == FG_ORC_FORMAT_6_3 ? 11 : 10) & 1;
	uint8_t type = flags >> 8 & 3;

	ret.signal = format == FG_ORC_FORMAT_6_3 ? flags >> 10 & 1 : type != 0;
	ret.type = (uint8_t)(type + TYPE_CALL);
	if (ret.sp_reg == REG_UNDEFINED)
		ret.type = end ? TYPE_END : TYPE_UNDEFINED;
	return ret;
}

/* -1: a register that is not followed. */
static int base_of(uint8_t sp_reg)
{
	switch (sp_reg) {
	case REG_SP:
		return FG_ORC_BASE_SP;
	case REG_BP:
		return FG_ORC_BASE_BP;
	case REG_SP_INDIRECT:
		return FG_ORC_BASE_SP_INDIRECT;
	case REG_BP_INDIRECT:
		return FG_ORC_BASE_BP_INDIRECT;
	default:
		return -1;
	}
}

/* Where RBP was saved; false: by a register that is not followed, or too far away. */
static bool set_rbp(const struct entry *entry, struct fg_unwind_row *row)
{
	int offset_8 = entry->bp_offset / 8;

	if (entry->bp_reg == REG_UNDEFINED || entry->type == TYPE_REGS)
		return true;
	if ((entry->bp_reg != REG_PREV_SP && entry->bp_reg != REG_BP) || entry->bp_offset % 8 ||
	    offset_8 <= FG_RBP_SAME || offset_8 > INT8_MAX)
		return false;
	row->rbp_offset_8 = (int8_t)offset_8;
	row->kind |= entry->bp_reg == REG_BP ? FG_ORC_BP_FROM_BP : 0;
	return true;
}

static struct fg_unwind_row row_of(const struct entry *entry)
{
	static const struct fg_unwind_row unknown = {.kind = FG_ORC_UNKNOWN};
	struct fg_unwind_row ret = {.cfa_offset_8 = (int16_t)(entry->sp_offset / 8),
				    .rbp_offset_8 = FG_RBP_SAME};
	int base = base_of(entry->sp_reg);

	if (entry->type == TYPE_END)
		return (struct fg_unwind_row){.kind = FG_ORC_END};
	if ((entry->type != TYPE_CALL && entry->type != TYPE_REGS) || base < 0 ||
	    entry->sp_offset % 8)
		return unknown;
	ret.kind = (uint8_t)(base | (entry->type == TYPE_CALL ? FG_ORC_CALL : FG_ORC_REGS) |
			     (entry->signal ? FG_ORC_SIGNAL : 0));
	return set_rbp(entry, &ret) ? ret : unknown;
}

static bool same_rule(const struct fg_unwind_row *a, const struct fg_unwind_row *b)
{
	return a->kind == b->kind && a->cfa_offset_8 == b->cfa_offset_8 &&
	       a->rbp_offset_8 == b->rbp_offset_8;
}

static int build_rows(const struct fg_kernel_marks *marks, const int32_t *addresses,
		      const uint8_t *entries, enum fg_orc_format format,
		      struct fg_unwind_table *table, struct fg_err *err)
{
	uint64_t last = 0;

	for (size_t i = 0; i < marks->rows; i++) {
		uint64_t address = marks->addresses + i * sizeof(int32_t) + (uint64_t)addresses[i];

		if (address < last)
			return fg_err_set(err, FG_E_INVALID,
					  "the kernel's unwind table is not in order");
		last = address;
		/* What lies outside (code for the start of the system, thrown away) is not run. */
		if (address < marks->text || address - marks->text >= marks->text_bytes)
			continue;
		struct entry entry = entry_of(entries + i * (size_t)FG_KERNEL_ENTRY_BYTES, format);
		struct fg_unwind_row row = row_of(&entry);
		struct fg_unwind_row *top =
			table->row_count ? &table->rows[table->row_count - 1] : NULL;

		row.address = (uint32_t)(address - marks->text);
		if (top && same_rule(top, &row))
			continue;
		if (top && top->address == row.address)
			*top = row; /* of several the last one holds */
		else
			table->rows[table->row_count++] = row;
	}
	return 0;
}

int fg_kernel_rows_build(const struct fg_kernel_marks *marks, const int32_t *addresses,
			 const uint8_t *entries, enum fg_orc_format format,
			 struct fg_unwind_table *ret, struct fg_err *err)
{
	struct fg_unwind_table table = {.vaddr_end = marks->text_bytes};

	if (format == FG_ORC_FORMAT_NONE || !marks->rows || marks->rows > FG_KERNEL_ROWS_MAX)
		return fg_err_set(err, FG_E_UNSUPPORTED, "this kernel's unwind table is unknown");
	table.rows = calloc(marks->rows, sizeof(*table.rows));
	table.row_capacity = marks->rows;
	int rc = table.rows ? build_rows(marks, addresses, entries, format, &table, err)
			    : fg_err_nomem(err);

	if (!rc && !table.row_count)
		rc = fg_err_set(err, FG_E_NO_DATA, "the kernel's unwind table is empty");
	if (!rc)
		rc = fg_unwind_table_index(&table, "the kernel", err);
	if (rc)
		fg_unwind_table_done(&table);
	else
		*ret = table;
	return rc;
}
