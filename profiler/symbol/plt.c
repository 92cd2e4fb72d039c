/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for PLT entries: each jumps through one slot of the GOT, and a relocation says whose slot
 * it is. Reading the jump out of the entry works for every linker's layout and for CET.
 */
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "profiler/symbol/elfsym.h"
#include "profiler/symbol/symbolizer.h"

enum { SLOTS_MAX = 1 << 20, ENTRY_BYTES = 16, ENTRY_BYTES_MIN = 8 };

struct slot {
	uint64_t address;
	const char *name;
};
struct slots {
	struct slot *items;
	size_t count, capacity;
};

static int compare_slots(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return strcmp(a->name, b->name);
}

static const char *symbol_name(Elf *elf, Elf_Data *symbols, size_t strings, const GElf_Rela *rela)
{
	GElf_Sym symbol;
	size_t number = GELF_R_SYM(rela->r_info);

	if (!symbols || number == 0 || number > INT32_MAX ||
	    !gelf_getsym(symbols, (int)number, &symbol))
		return NULL;
	const char *name = elf_strptr(elf, strings, symbol.st_name);

	return name && name[0] ? name : NULL;
}

static int add_relocations(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr, struct slots *slots,
			   struct fg_err *err)
{
	GElf_Shdr symbols_shdr;
	Elf_Scn *symbols_scn = elf_getscn(elf, shdr->sh_link);
	Elf_Data *data = elf_getdata(scn, NULL);

	if (!data || !symbols_scn || !gelf_getshdr(symbols_scn, &symbols_shdr) ||
	    symbols_shdr.sh_type != SHT_DYNSYM || shdr->sh_entsize == 0)
		return 0;
	Elf_Data *symbols = elf_getdata(symbols_scn, NULL);
	size_t count = FG_MIN(shdr->sh_size / shdr->sh_entsize, (uint64_t)INT32_MAX);

	for (size_t i = 0; i < count; i++) {
		GElf_Rela rela;

		if (!gelf_getrela(data, (int)i, &rela))
			break;
		uint64_t type = GELF_R_TYPE(rela.r_info);

		if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
			continue;
		const char *name = symbol_name(elf, symbols, symbols_shdr.sh_link, &rela);

		if (!name)
			continue;
		int rc = FG_VEC_ROOM(slots, items, count, capacity, SLOTS_MAX, err);

		if (rc)
			return rc;
		slots->items[slots->count++] = (struct slot){rela.r_offset, name};
	}
	return 0;
}

/* The GOT slot that the entry jumps through; `jmp *disp32(%rip)` is ff 25 disp32. */
static bool jump_slot(const uint8_t *code, size_t len, uint64_t vaddr, uint64_t *ret)
{
	enum { JUMP_BYTES = 6 };

	for (size_t at = 0; at + JUMP_BYTES <= len; at++) {
		int32_t distance;

		if (code[at] != 0xff || code[at + 1] != 0x25)
			continue;
		memcpy(&distance, code + at + 2, sizeof(distance));
		*ret = vaddr + at + JUMP_BYTES + (uint64_t)(int64_t)distance;
		return true;
	}
	return false;
}

static int add_entry(struct fg_elfsym *index, uint64_t vaddr, size_t size, const struct slot *slot,
		     struct fg_err *err)
{
	size_t len = strnlen(slot->name, FG_SYMBOL_NAME_MAX - sizeof("@plt"));
	char *name = malloc(len + sizeof("@plt"));

	if (!name)
		return fg_err_nomem(err);
	memcpy(name, slot->name, len);
	memcpy(name + len, "@plt", sizeof("@plt"));
	return fg_elfsym_add_owned(index, vaddr, size, name, err);
}

static int add_section(struct fg_elfsym *index, Elf_Scn *scn, const GElf_Shdr *shdr,
		       const struct slots *slots, struct fg_err *err)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	size_t step = shdr->sh_entsize == ENTRY_BYTES_MIN ? ENTRY_BYTES_MIN : ENTRY_BYTES;

	if (!data || !data->d_buf)
		return 0;
	for (size_t at = 0; at + step <= data->d_size; at += step) {
		struct slot key = {.name = ""};

		if (!jump_slot((const uint8_t *)data->d_buf + at, step, shdr->sh_addr + at,
			       &key.address))
			continue;
		/* names sort behind "", so the first of equal addresses is found by hand */
		size_t low = 0, high = slots->count;

		while (low < high) {
			size_t middle = low + (high - low) / 2;

			if (compare_slots(&slots->items[middle], &key) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low == slots->count || slots->items[low].address != key.address)
			continue;
		int rc = add_entry(index, shdr->sh_addr + at, step, &slots->items[low], err);

		if (rc)
			return rc;
	}
	return 0;
}

static bool is_plt(const char *name)
{
	return name && (strcmp(name, ".plt") == 0 || strcmp(name, ".plt.sec") == 0 ||
			strcmp(name, ".plt.got") == 0);
}

static int collect_slots(Elf *elf, struct slots *slots, struct fg_err *err)
{
	Elf_Scn *scn = NULL;
	int rc = 0;

	while (!rc && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_RELA &&
		    (shdr.sh_flags & SHF_ALLOC))
			rc = add_relocations(elf, scn, &shdr, slots, err);
	}
	if (slots->count)
		qsort(slots->items, slots->count, sizeof(*slots->items), compare_slots);
	return rc;
}

int fg_elfsym_add_plt(struct fg_elfsym *index, struct Elf *elf, struct fg_err *err)
{
	struct slots slots = {0};
	Elf_Scn *scn = NULL;
	GElf_Ehdr header;
	size_t names;

	if (!gelf_getehdr(elf, &header) || header.e_machine != EM_X86_64 ||
	    elf_getshdrstrndx(elf, &names))
		return 0;
	int rc = collect_slots(elf, &slots, err);

	while (!rc && slots.count && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_PROGBITS &&
		    is_plt(elf_strptr(elf, names, shdr.sh_name)))
			rc = add_section(index, scn, &shdr, &slots, err);
	}
	free(slots.items);
	return rc;
}
