/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists the FDEs of one file. libdw splits the section into entries; decoding the encoded start and
 * length of each FDE is ours, because libdw offers them only through a look-up by address.
 */
#include "profiler/unwind/fde.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

/* libelf reads a section as a whole. The largest that we know of have 20 MB. */
enum { SECTION_BYTES_MAX = 256 << 20 };

struct cfi_section {
	const unsigned char *ident;
	Elf_Data *data;
	uint64_t vaddr; /* of data's first byte */
	bool is_eh;
	uint64_t frame_register; /* which one programs are followed for */
};

struct cie {
	Dwarf_Off offset; /* which one this is; UINT64_MAX: none */
	uint32_t common;  /* its number in the list */
	bool usable;
	bool is_signal;
	bool sized_augmentation; /* 'z': FDEs carry augmentation data with a length */
	uint8_t encoding;        /* of the pointers in its FDEs */
};

/* From `offset` to the end of its segment. */
static uint64_t bytes_behind(Elf *elf, size_t count, uint64_t offset)
{
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (gelf_getphdr(elf, (int)i, &phdr) && phdr.p_type == PT_LOAD &&
		    offset >= phdr.p_offset && offset - phdr.p_offset < phdr.p_filesz)
			return phdr.p_filesz - (offset - phdr.p_offset);
	}
	return 0;
}

/* .eh_frame without section headers (a stripped vDSO): through PT_GNU_EH_FRAME. The pointer has
 * the encoding that every linker writes, or we do without. */
static bool locate_by_header(Elf *elf, struct cfi_section *ret)
{
	enum { HEADER_BYTES = 8 };
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_GNU_EH_FRAME)
			continue;
		Elf_Data *head =
			elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, HEADER_BYTES, ELF_T_BYTE);
		int32_t delta;

		if (!head || head->d_size < HEADER_BYTES)
			return false;
		const uint8_t *bytes = head->d_buf;

		if (bytes[0] != 1 || bytes[1] != (DW_EH_PE_pcrel | DW_EH_PE_sdata4))
			return false;
		memcpy(&delta, bytes + 4, sizeof(delta));
		/* header and frames lie in one segment */
		uint64_t distance = 4 + (uint64_t)(int64_t)delta, offset = phdr.p_offset + distance;
		uint64_t size = bytes_behind(elf, count, offset);

		if (size == 0 || size > SECTION_BYTES_MAX)
			return false;
		ret->data = elf_getdata_rawchunk(elf, (int64_t)offset, size, ELF_T_BYTE);
		ret->vaddr = phdr.p_vaddr + distance;
		return ret->data != NULL;
	}
	return false;
}

static bool locate_section(Elf *elf, const char *name, struct cfi_section *ret)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS ||
		    (shdr.sh_flags & SHF_COMPRESSED))
			continue;
		const char *found = elf_strptr(elf, names, shdr.sh_name);

		if (!found || strcmp(found, name) != 0)
			continue;
		ret->data = elf_rawdata(scn, NULL);
		ret->vaddr = shdr.sh_addr;
		return ret->data && ret->data->d_buf && ret->data->d_size;
	}
	return false;
}

/* Also when we would go by the program headers: libdw, which evaluates the rules, goes by these. */
static bool has_huge_section(Elf *elf)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		const char *name =
			gelf_getshdr(scn, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;

		if (name && shdr.sh_type != SHT_NOBITS && shdr.sh_size > SECTION_BYTES_MAX &&
		    (strncmp(name, ".eh_frame", 9) == 0 || strcmp(name, ".debug_frame") == 0))
			return true;
	}
	return false;
}

static bool locate(Elf *elf, struct cfi_section *ret)
{
	enum { X86_64_RBP = 6, ARM64_X29 = 29 };
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return false;
	ret->frame_register = header.e_machine == EM_AARCH64 ? ARM64_X29 : X86_64_RBP;
	ret->ident = (const unsigned char *)elf_getident(elf, NULL);
	ret->is_eh = true;
	if (!ret->ident || ret->ident[EI_CLASS] != ELFCLASS64 ||
	    ret->ident[EI_DATA] != ELFDATA2LSB || has_huge_section(elf))
		return false;
	if (locate_section(elf, ".eh_frame", ret) || locate_by_header(elf, ret))
		return true;
	ret->is_eh = false;
	return locate_section(elf, ".debug_frame", ret);
}

/* Finds 'R' among a CIE's augmentation letters; false when an unknown letter hides what follows. */
static bool read_augmentation(const Dwarf_CIE *cie, struct cie *ret)
{
	const char *letters = cie->augmentation;
	const uint8_t *at = cie->augmentation_data;
	size_t left = at ? cie->augmentation_data_size : 0;

	ret->encoding = DW_EH_PE_absptr;
	ret->sized_augmentation = *letters == 'z';
	if (*letters == '\0')
		return true;
	if (*letters++ != 'z')
		return false; /* "eh" of gcc 2 */
	for (; *letters; letters++) {
		size_t size;

		switch (*letters) {
		case 'S':
			ret->is_signal = true;
			continue;
		case 'B': /* AArch64: return addresses are signed with the other key */
		case 'G': /* and frames are tagged */
			continue;
		case 'L':
			size = 1;
			break;
		case 'R':
			if (!left)
				return false;
			ret->encoding = *at;
			size = 1;
			break;
		case 'P':
			size = left ? fg_cfi_pointer_size(*at) : 0;
			if (!size)
				return false;
			size++;
			break;
		default:
			return false;
		}
		if (size > left)
			return false;
		at += size;
		left -= size;
	}
	return true;
}

static int load_cie(const struct cfi_section *section, Dwarf_Off offset, struct fg_fdes *fdes,
		    struct cie *ret, struct fg_err *err)
{
	Dwarf_CFI_Entry entry;
	Dwarf_Off next;

	*ret = (struct cie){.offset = offset};
	if (offset >= section->data->d_size ||
	    dwarf_next_cfi(section->ident, section->data, section->is_eh, offset, &next, &entry) ||
	    !dwarf_cfi_cie_p(&entry) || !read_augmentation(&entry.cie, ret))
		return 0;
	int rc = FG_VEC_ROOM(fdes, commons, common_count, common_capacity, FG_FDES_MAX, err);

	if (rc)
		return rc;
	ret->usable = true;
	ret->common = (uint32_t)fdes->common_count;
	fdes->commons[fdes->common_count++] = (struct fg_cfi_common){
		.initial = {entry.cie.initial_instructions, entry.cie.initial_instructions_end},
		.code_factor = entry.cie.code_alignment_factor,
		.data_factor = entry.cie.data_alignment_factor,
		.return_register = entry.cie.return_address_register,
		.saved_register = section->frame_register,
	};
	return 0;
}

/* A fixed-size number of a pointer encoding, sign-extended where it says so. */
static bool read_encoded(struct fg_cfi_cursor *cursor, uint8_t encoding, uint64_t *ret)
{
	size_t size = fg_cfi_pointer_size(encoding);
	bool is_signed = encoding & DW_EH_PE_signed;
	uint64_t value = 0;

	if (!size || size > (size_t)(cursor->end - cursor->at))
		return false;
	memcpy(&value, cursor->at, size); /* little-endian like us: see locate() */
	cursor->at += size;
	if (is_signed && size < 8 && value >> (size * 8 - 1))
		value |= UINT64_MAX << (size * 8);
	*ret = value;
	return true;
}

static bool read_range(const struct cfi_section *section, uint8_t encoding,
		       struct fg_cfi_cursor *cursor, struct fg_fde *ret)
{
	uint8_t relative = encoding & 0x70;
	const uint8_t *base = section->data->d_buf;
	uint64_t position = section->vaddr + (uint64_t)(cursor->at - base), start, len;

	if (encoding == DW_EH_PE_omit || (encoding & DW_EH_PE_indirect) ||
	    (relative != DW_EH_PE_absptr && relative != DW_EH_PE_pcrel))
		return false;
	if (!read_encoded(cursor, encoding, &start) || !read_encoded(cursor, encoding & 0x07, &len))
		return false;
	if (relative == DW_EH_PE_pcrel)
		start += position;
	/* start 0: functions that the linker dropped */
	return start && len && !__builtin_add_overflow(start, len, &ret->end) &&
	       ((ret->start = start), true);
}

static bool skip_augmentation(struct fg_cfi_cursor *cursor)
{
	uint64_t len;

	if (!fg_cfi_uleb(cursor, &len) || len > (uint64_t)(cursor->end - cursor->at))
		return false;
	cursor->at += len;
	return true;
}

static bool read_fde(const struct cfi_section *section, const struct cie *cie, const Dwarf_FDE *fde,
		     struct fg_fde *ret)
{
	struct fg_cfi_cursor cursor = {fde->start, fde->end};

	if (!read_range(section, cie->encoding, &cursor, ret))
		return false;
	ret->refused = cie->sized_augmentation && !skip_augmentation(&cursor);
	ret->program = cursor;
	ret->common = cie->common;
	ret->is_signal = cie->is_signal;
	return true;
}

static int collect(const struct cfi_section *section, struct fg_fdes *fdes, struct fg_err *err)
{
	struct cie cie = {.offset = UINT64_MAX};
	Dwarf_Off offset = 0, next = 0;

	for (; offset < section->data->d_size; offset = next) {
		Dwarf_CFI_Entry entry;

		next = UINT64_MAX;
		int rc = dwarf_next_cfi(section->ident, section->data, section->is_eh, offset,
					&next, &entry);

		if (rc > 0 || next == UINT64_MAX || next <= offset)
			break;
		if (rc < 0 || dwarf_cfi_cie_p(&entry))
			continue;
		rc = cie.offset == entry.fde.CIE_pointer
			     ? 0
			     : load_cie(section, entry.fde.CIE_pointer, fdes, &cie, err);
		if (rc)
			return rc;
		if (!cie.usable)
			continue;
		rc = FG_VEC_ROOM(fdes, items, count, capacity, FG_FDES_MAX, err);
		if (rc)
			return rc;
		if (read_fde(section, &cie, &entry.fde, &fdes->items[fdes->count]))
			fdes->count++;
	}
	return 0;
}

static int compare_fdes(const void *left, const void *right)
{
	const struct fg_fde *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? 1 : a->end > b->end ? -1 : 0; /* the longest first */
}

/* Sorts; of two with one start the longer stays; one that runs into the next is cut there. */
static void make_disjoint(struct fg_fdes *fdes)
{
	size_t kept = 0;

	if (fdes->count)
		qsort(fdes->items, fdes->count, sizeof(*fdes->items), compare_fdes);
	for (size_t i = 0; i < fdes->count; i++) {
		struct fg_fde fde = fdes->items[i];

		if (kept && fdes->items[kept - 1].start == fde.start)
			continue;
		if (kept && fdes->items[kept - 1].end > fde.start)
			fdes->items[kept - 1].end = fde.start;
		fdes->items[kept++] = fde;
	}
	fdes->count = kept;
}

int fg_fdes_read(struct Elf *elf, struct fg_fdes *ret, struct fg_err *err)
{
	struct cfi_section section = {0};
	struct fg_fdes fdes = {0};

	if (!locate(elf, &section)) {
		*ret = fdes;
		return 0;
	}
	fdes.from_eh_frame = section.is_eh;
	int rc = collect(&section, &fdes, err);

	if (rc) {
		fg_fdes_done(&fdes);
		return rc;
	}
	make_disjoint(&fdes);
	*ret = fdes;
	return 0;
}

void fg_fdes_done(struct fg_fdes *fdes)
{
	if (!fdes)
		return;
	free(fdes->items);
	free(fdes->commons);
	*fdes = (struct fg_fdes){0};
}

const struct fg_fde *fg_fdes_find(const struct fg_fdes *fdes, uint64_t vaddr)
{
	size_t low = 0, high = fdes->count; /* first FDE that starts behind vaddr */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fdes->items[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && vaddr < fdes->items[low - 1].end ? &fdes->items[low - 1] : NULL;
}
