/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/elfsym.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

/* Nested symbols deeper than this occur in hostile files only. */
enum { NESTING_MAX = 64 };

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

int fg_elfsym_compare_names(const char *a, uint8_t a_binding, const char *b, uint8_t b_binding)
{
	size_t a_key, b_key;

	if (a_binding != b_binding)
		return a_binding < b_binding ? -1 : 1;
	a_key = underscores(a);
	b_key = underscores(b);
	if (a_key != b_key)
		return a_key < b_key ? -1 : 1;
	a_key = strlen(a);
	b_key = strlen(b);
	if (a_key != b_key)
		return a_key < b_key ? -1 : 1;
	return strcmp(a, b);
}

static uint8_t rank_of(unsigned binding)
{
	return binding == STB_LOCAL ? 2 : binding == STB_WEAK ? 1 : 0;
}

static bool is_code_type(unsigned type)
{
	return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* .L… are the assembler's, $x… mark instruction sets on some machines. */
static bool is_usable_name(const char *name)
{
	return name && name[0] && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

/* The end of the executable section that holds the symbol; 0 if there is none. */
static uint64_t section_limit(Elf *elf, const GElf_Sym *symbol)
{
	GElf_Shdr shdr;
	uint64_t end;

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE)
		return 0;
	Elf_Scn *scn = elf_getscn(elf, symbol->st_shndx);

	if (!scn || !gelf_getshdr(scn, &shdr) || !(shdr.sh_flags & SHF_EXECINSTR) ||
	    __builtin_add_overflow(shdr.sh_addr, shdr.sh_size, &end))
		return 0;
	return symbol->st_value >= shdr.sh_addr && symbol->st_value < end ? end : 0;
}

static int add_entry(struct fg_elfsym *index, const struct fg_elfsym_entry *entry,
		     struct fg_err *err)
{
	int rc = FG_VEC_ROOM(index, items, count, capacity, FG_ELFSYM_MAX, err);

	if (rc)
		return fg_err_wrap(err, "symbols");
	index->items[index->count++] = *entry;
	return 0;
}

static int add_symbol(struct fg_elfsym *index, Elf *elf, size_t strings, const GElf_Sym *symbol,
		      struct fg_err *err)
{
	struct fg_elfsym_entry entry = {.start = symbol->st_value};

	if (!is_code_type(GELF_ST_TYPE(symbol->st_info)))
		return 0;
	entry.limit = section_limit(elf, symbol);
	if (!entry.limit)
		return 0;
	entry.name = elf_strptr(elf, strings, symbol->st_name);
	if (!is_usable_name(entry.name))
		return 0;
	/* a size that leaves its section is not believed beyond it */
	entry.end = symbol->st_size > entry.limit - entry.start ? entry.limit
								: entry.start + symbol->st_size;
	entry.binding = rank_of(GELF_ST_BIND(symbol->st_info));
	return add_entry(index, &entry, err);
}

static int add_table(struct fg_elfsym *index, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr,
		     struct fg_err *err)
{
	Elf_Data *data = elf_getdata(scn, NULL);

	if (!data || shdr->sh_entsize == 0)
		return 0;
	size_t count = FG_MIN(shdr->sh_size / shdr->sh_entsize, (uint64_t)INT32_MAX);

	for (size_t i = 1; i < count; i++) {
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol))
			break;
		int rc = add_symbol(index, elf, shdr->sh_link, &symbol, err);

		if (rc)
			return rc;
	}
	return 0;
}

int fg_elfsym_add(struct fg_elfsym *index, struct Elf *elf, struct fg_err *err)
{
	Elf_Scn *scn = NULL;
	int rc = 0;

	while (!rc && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) &&
		    (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			rc = add_table(index, elf, scn, &shdr, err);
	}
	return rc;
}

int fg_elfsym_add_owned(struct fg_elfsym *index, uint64_t start, uint64_t size, char *name,
			struct fg_err *err)
{
	struct fg_elfsym_entry entry = {.start = start, .name = name};
	int rc = __builtin_add_overflow(start, size, &entry.end)
			 ? fg_err_set(err, FG_E_INVALID, "symbol beyond the address space")
			 : 0;

	entry.limit = entry.end;
	if (!rc)
		rc = FG_VEC_ROOM(index, owned, owned_count, owned_capacity, FG_ELFSYM_MAX, err);
	if (rc) {
		free(name);
		return rc;
	}
	index->owned[index->owned_count++] = name;
	return add_entry(index, &entry, err);
}

/* By address; sized before sizeless; then by preference of names. */
static int compare_entries(const void *left, const void *right)
{
	const struct fg_elfsym_entry *a = left, *b = right;
	bool a_sizeless = a->end == a->start, b_sizeless = b->end == b->start;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a_sizeless != b_sizeless)
		return a_sizeless ? 1 : -1;
	int order = fg_elfsym_compare_names(a->name, a->binding, b->name, b->binding);

	return order ? order : a->end > b->end ? -1 : a->end < b->end;
}

/* How far a symbol without size may reach: next symbol, its section, and the FDE that it is in (or
 * the next FDE, for code that has none). */
static uint64_t sizeless_end(const struct fg_elfsym_entry *entry, uint64_t next_start,
			     const struct fg_fdes *fdes)
{
	uint64_t end = FG_MIN(entry->limit, next_start);
	size_t low = 0, high = fdes->count; /* the first FDE that ends behind the start */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fdes->items[middle].end <= entry->start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == fdes->count)
		return end;
	const struct fg_fde *fde = &fdes->items[low];

	return FG_MIN(end, fde->start <= entry->start ? fde->end : fde->start);
}

static uint64_t next_start(const struct fg_elfsym *index, size_t at)
{
	size_t next = at + 1;

	while (next < index->count && index->items[next].start == index->items[at].start)
		next++;
	return next < index->count ? index->items[next].start : UINT64_MAX;
}

void fg_elfsym_finish(struct fg_elfsym *index, const struct fg_fdes *fdes)
{
	uint64_t covered = 0; /* by sized symbols */
	size_t kept = 0;

	if (index->count)
		qsort(index->items, index->count, sizeof(*index->items), compare_entries);
	for (size_t i = 0; i < index->count; i++) {
		struct fg_elfsym_entry entry = index->items[i];
		const struct fg_elfsym_entry *last = kept ? &index->items[kept - 1] : NULL;

		if (entry.end == entry.start) {
			/* a label inside a function, or an alias of something better */
			if (entry.start < covered || (last && last->start == entry.start))
				continue;
			entry.end = sizeless_end(&entry, next_start(index, i), fdes);
		} else if (last && last->start == entry.start && last->end >= entry.end) {
			continue; /* a worse name for no more code */
		} else if (entry.end > covered) {
			covered = entry.end;
		}
		if (entry.end <= entry.start)
			continue;
		entry.limit = last ? FG_MAX(last->limit, entry.end) : entry.end;
		index->items[kept++] = entry;
	}
	index->count = kept;
}

const struct fg_elfsym_entry *fg_elfsym_find(const struct fg_elfsym *index, uint64_t vaddr)
{
	const struct fg_elfsym_entry *best = NULL;
	size_t low = 0, high = index->count; /* the first that starts behind vaddr */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->items[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < NESTING_MAX && low > 0; i++) {
		const struct fg_elfsym_entry *entry = &index->items[--low];

		if (entry->limit <= vaddr || (best && entry->start != best->start))
			break;
		if (entry->end > vaddr)
			best = entry; /* the better names of one start come first */
	}
	return best;
}

void fg_elfsym_done(struct fg_elfsym *index)
{
	if (!index)
		return;
	for (size_t i = 0; i < index->owned_count; i++)
		free(index->owned[i]);
	free(index->owned);
	free(index->items);
	*index = (struct fg_elfsym){0};
}
