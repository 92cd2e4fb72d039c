/* SPDX-License-Identifier: Apache-2.0 */
/* Formats: $GOROOT/src/runtime/{symtab,runtime2}.go and cmd/link/internal/ld/pcln.go of 1.18–1.26.
 */
#include "profiler/unwind/gopclntab.h"

#include <string.h>

#define MAGIC_1_18 0xfffffff0u
#define MAGIC_1_20 0xfffffff1u

enum { HEADER_BYTES = 72, FUNCTAB_ENTRY_BYTES = 8 };

/* Of the struct _func, by format; the arrays of PCDATA and FUNCDATA offsets follow it. */
struct layout {
	size_t start_line; /* 0: none */
	size_t flags, funcdata_count, bytes;
};
enum { NAME_AT = 4, DEPTH_AT = 16, FILE_AT = 20, LINE_AT = 24, PCDATA_COUNT_AT = 28, UNIT_AT = 32 };

static const struct layout *layout_of(const struct fg_gotab *tab)
{
	static const struct layout v1_18 = {0, 37, 39, 40}, v1_20 = {36, 41, 43, 44};

	return tab->format == FG_GO_1_18 ? &v1_18 : &v1_20;
}

static uint32_t u32(const struct fg_gotab *tab, size_t at)
{
	uint32_t value;

	assert(at + sizeof(value) <= tab->len);
	memcpy(&value, tab->bytes + at, sizeof(value));
	return value;
}

static uint64_t u64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static bool set_parts(struct fg_gotab *tab)
{
	size_t *const parts[] = {&tab->names, &tab->units, &tab->files, &tab->tables,
				 &tab->functions};
	size_t before = HEADER_BYTES;

	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++) {
		uint64_t offset = u64(tab->bytes + 32 + 8 * i);

		if (offset < before || offset > tab->len)
			return false;
		before = *parts[i] = (size_t)offset;
	}
	return tab->count <= (tab->len - tab->functions) / FUNCTAB_ENTRY_BYTES &&
	       tab->len - tab->functions - tab->count * FUNCTAB_ENTRY_BYTES >= 4;
}

bool fg_gotab_parse(const uint8_t *bytes, size_t len, uint64_t vaddr, struct fg_gotab *ret)
{
	struct fg_gotab tab = {.bytes = bytes, .len = len, .vaddr = vaddr};
	uint32_t magic;

	if (len < HEADER_BYTES)
		return false;
	memcpy(&magic, bytes, sizeof(magic));
	tab.format = magic == MAGIC_1_18   ? FG_GO_1_18
		     : magic == MAGIC_1_20 ? FG_GO_1_20
					   : FG_GO_UNKNOWN;
	uint64_t count = u64(bytes + 8);

	/* two zeros, x86's instruction quantum, the size of a pointer */
	if (tab.format == FG_GO_UNKNOWN || memcmp(bytes + 4, "\0\0\1\10", 4) != 0 || count == 0 ||
	    count > FG_GO_FUNCTIONS_MAX)
		return false;
	tab.count = (size_t)count;
	if (!set_parts(&tab))
		return false;
	*ret = tab;
	return true;
}

/* Where function `index` starts, relative to the base; the one behind the last is the end. */
static uint32_t start_of(const struct fg_gotab *tab, size_t index)
{
	return u32(tab, tab->functions + index * FUNCTAB_ENTRY_BYTES);
}

bool fg_gotab_place(struct fg_gotab *tab, uint64_t base)
{
	uint64_t start, end;

	if (base == 0 || __builtin_add_overflow(base, start_of(tab, 0), &start) ||
	    __builtin_add_overflow(base, start_of(tab, tab->count), &end) || start >= end)
		return false;
	tab->base = base;
	tab->text = start;
	tab->etext = end;
	return true;
}

const char *fg_gotab_text(const struct fg_gotab *tab, size_t part, size_t end, uint64_t offset)
{
	if (part >= end || end > tab->len || offset >= end - part)
		return NULL;
	const char *text = (const char *)tab->bytes + part + offset;

	return memchr(text, '\0', end - part - offset) ? text : NULL;
}

static bool describe(const struct fg_gotab *tab, struct fg_gofunc *function)
{
	const struct layout *layout = layout_of(tab);
	size_t at = function->info;

	if (tab->len < layout->bytes || at > tab->len - layout->bytes)
		return false;
	const char *name = fg_gotab_text(tab, tab->names, tab->units, u32(tab, at + NAME_AT));

	function->name = name ? name : "";
	function->depth = u32(tab, at + DEPTH_AT);
	function->file = u32(tab, at + FILE_AT);
	function->line = u32(tab, at + LINE_AT);
	function->unit = u32(tab, at + UNIT_AT);
	function->start_line = layout->start_line ? u32(tab, at + layout->start_line) : 0;
	if (function->start_line > INT32_MAX)
		function->start_line = 0;
	function->flags = tab->bytes[at + layout->flags];
	return true;
}

bool fg_gotab_function(const struct fg_gotab *tab, size_t index, struct fg_gofunc *ret)
{
	if (index >= tab->count)
		return false;
	uint32_t start = start_of(tab, index), end = start_of(tab, index + 1);
	uint64_t info = u32(tab, tab->functions + index * FUNCTAB_ENTRY_BYTES + 4);
	struct fg_gofunc function = {
		.start = tab->base + start,
		.end = tab->base + end,
		.info = tab->functions + (size_t)info,
	};

	if (start >= end || tab->base + end > tab->etext || !describe(tab, &function))
		return false;
	*ret = function;
	return true;
}

bool fg_gofunc_returns_signal(const struct fg_gofunc *function)
{
	return strcmp(function->name, "runtime.sigreturn") == 0 ||
	       strcmp(function->name, "runtime.sigreturn__sigaction") == 0;
}

bool fg_gotab_lookup(const struct fg_gotab *tab, uint64_t vaddr, struct fg_gofunc *ret)
{
	size_t low = 0, high = tab->count; /* the first that starts behind vaddr */

	if (vaddr < tab->text || vaddr >= tab->etext)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tab->base + start_of(tab, middle) <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (fg_gotab_function(tab, low, ret) && vaddr + 1 == ret->start &&
	    fg_gofunc_returns_signal(ret))
		return true;
	return low && fg_gotab_function(tab, low - 1, ret) && vaddr >= ret->start &&
	       vaddr < ret->end;
}

uint32_t fg_gotab_pcdata(const struct fg_gotab *tab, const struct fg_gofunc *function,
			 unsigned number)
{
	size_t first = function->info + layout_of(tab)->bytes;
	size_t at = first + (size_t)number * 4;

	if (number >= u32(tab, function->info + PCDATA_COUNT_AT) || at > tab->len - 4)
		return 0;
	return u32(tab, at);
}

uint32_t fg_gotab_funcdata(const struct fg_gotab *tab, const struct fg_gofunc *function,
			   unsigned number)
{
	const struct layout *layout = layout_of(tab);
	size_t before = u32(tab, function->info + PCDATA_COUNT_AT);
	size_t at = function->info + layout->bytes + (before + number) * 4;

	if (number >= tab->bytes[function->info + layout->funcdata_count] || at > tab->len - 4)
		return UINT32_MAX;
	return u32(tab, at);
}

void fg_gosteps_init(const struct fg_gotab *tab, const struct fg_gofunc *function, uint32_t table,
		     struct fg_gosteps *ret)
{
	size_t room = tab->functions - tab->tables;

	*ret = (struct fg_gosteps){.limit = function->end - function->start, .value = -1};
	if (table && table < room) {
		ret->at = tab->bytes + tab->tables + table;
		ret->end = tab->bytes + tab->functions;
	}
}

static bool varint(struct fg_gosteps *steps, uint32_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; steps->at < steps->end && shift < 35; shift += 7) {
		uint8_t byte = *steps->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = (uint32_t)value;
			return true;
		}
	}
	return false;
}

bool fg_gosteps_next(struct fg_gosteps *steps)
{
	uint32_t change, length;

	if (steps->to >= steps->limit || !varint(steps, &change) || (change == 0 && steps->begun) ||
	    !varint(steps, &length) || length == 0)
		return false;
	uint32_t delta = change & 1 ? ~(change >> 1) : change >> 1;

	steps->begun = true;
	steps->value = (int32_t)((uint32_t)steps->value + delta);
	steps->from = steps->to;
	steps->to = FG_MIN(steps->to + length, steps->limit);
	return true;
}

int32_t fg_gotab_value(const struct fg_gotab *tab, const struct fg_gofunc *function, uint32_t table,
		       uint64_t offset)
{
	struct fg_gosteps steps;

	fg_gosteps_init(tab, function, table, &steps);
	while (fg_gosteps_next(&steps))
		if (offset < steps.to)
			return steps.value;
	return -1;
}
