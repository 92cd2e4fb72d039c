/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a file Go's table lies, and where the code that it speaks of.
 *
 * Since 1.20 the table does not tell the address of its code; the runtime keeps that in a struct
 * (moduledata) whose first word points to the table. It is looked for in writable memory: as the
 * file holds it, or as relocations would write it (position-independent programs linked by GNU ld).
 */
#include <gelf.h>
#include <string.h>

#include "profiler/unwind/gopclntab.h"

enum {
	SEGMENTS_MAX = 32,
	TABLE_BYTES_MAX = 512 << 20,
	SCAN_BYTES_MAX = 512 << 20, /* of one segment */
	RELOCATION_BYTES = 24,
	RELOCATIONS_BYTES_MAX = 96 << 20, /* 4 million */
	CANDIDATES_MAX = 16,
};
/* Of all pieces together: libelf keeps each in memory until the file is closed, and segments of a
 * hostile file overlap. Large programs have some 200 MB. */
#define READ_BYTES_MAX (768ull << 20)

/* Words of moduledata. */
enum { WORD_HEADER = 0, WORD_NAMES = 1, WORD_MIN_PC = 20, WORD_MAX_PC = 21, WORD_TEXT = 22 };

struct image {
	Elf *elf;
	GElf_Phdr segments[SEGMENTS_MAX]; /* PT_LOAD */
	size_t count;
	uint64_t relocations, relocations_bytes; /* vaddr and size of DT_RELA */
	const uint8_t *rela;                     /* its content */
	bool has_sections;
	bool has_go_marks; /* something says that this is Go */
	uint64_t left;     /* bytes that may still be read */
};

static const uint8_t *chunk(struct image *image, uint64_t offset, uint64_t len)
{
	if (!len || len > image->left || offset > INT64_MAX)
		return NULL;
	image->left -= len;
	Elf_Data *data = elf_getdata_rawchunk(image->elf, (int64_t)offset, len, ELF_T_BYTE);

	return data && data->d_size == len ? data->d_buf : NULL;
}

/* File bytes behind [vaddr, vaddr + len). */
static bool offset_of(const struct image *image, uint64_t vaddr, uint64_t len, uint64_t *ret)
{
	for (size_t i = 0; i < image->count; i++) {
		const GElf_Phdr *segment = &image->segments[i];

		if (vaddr >= segment->p_vaddr && len <= segment->p_filesz &&
		    vaddr - segment->p_vaddr <= segment->p_filesz - len) {
			*ret = segment->p_offset + (vaddr - segment->p_vaddr);
			return true;
		}
	}
	return false;
}

static const uint8_t *content(struct image *image, uint64_t vaddr, uint64_t len)
{
	uint64_t offset;

	return offset_of(image, vaddr, len, &offset) ? chunk(image, offset, len) : NULL;
}

static void read_dynamic(struct image *image, const GElf_Phdr *dynamic)
{
	enum { ENTRIES_MAX = 256 };
	uint64_t len = FG_MIN(dynamic->p_filesz, ENTRIES_MAX * sizeof(Elf64_Dyn));
	const uint8_t *bytes = chunk(image, dynamic->p_offset, len);

	for (uint64_t at = 0; bytes && at + sizeof(Elf64_Dyn) <= len; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, bytes + at, sizeof(entry));
		if (entry.d_tag == DT_RELA)
			image->relocations = entry.d_un.d_ptr;
		if (entry.d_tag == DT_RELASZ)
			image->relocations_bytes =
				FG_MIN(entry.d_un.d_val, (uint64_t)RELOCATIONS_BYTES_MAX);
	}
}

static bool is_go_note(struct image *image, const GElf_Phdr *note)
{
	const uint8_t *bytes = chunk(image, note->p_offset, FG_MIN(note->p_filesz, 1024u));

	return bytes && note->p_filesz > 16 &&
	       memmem(bytes, FG_MIN(note->p_filesz, 1024u), "\4\0\0\0Go\0\0", 8);
}

static bool read_image(Elf *elf, struct image *ret)
{
	size_t count;

	*ret = (struct image){.elf = elf, .left = READ_BYTES_MAX};
	if (elf_getphdrnum(elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf, (int)i, &phdr))
			continue;
		if (phdr.p_type == PT_LOAD && ret->count < SEGMENTS_MAX)
			ret->segments[ret->count++] = phdr;
		else if (phdr.p_type == PT_DYNAMIC)
			read_dynamic(ret, &phdr);
		else if (phdr.p_type == PT_NOTE)
			ret->has_go_marks |= is_go_note(ret, &phdr);
	}
	return true;
}

/* The table's own section, its bytes and address. Also notes what else speaks of Go. */
static const uint8_t *find_section(struct image *image, const char *suffix, GElf_Shdr *ret)
{
	size_t names, suffix_len = strlen(suffix);
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(image->elf, &names))
		return NULL;
	while ((scn = elf_nextscn(image->elf, scn))) {
		const char *name =
			gelf_getshdr(scn, ret) ? elf_strptr(image->elf, names, ret->sh_name) : NULL;
		size_t len = name ? strlen(name) : 0;

		image->has_sections = true;
		image->has_go_marks |= name && (strcmp(name, ".go.buildinfo") == 0 ||
						strcmp(name, ".note.go.buildid") == 0);
		if (ret->sh_type != SHT_PROGBITS || len < suffix_len ||
		    strcmp(name + len - suffix_len, suffix) != 0)
			continue;
		if (ret->sh_size <= TABLE_BYTES_MAX)
			return chunk(image, ret->sh_offset, ret->sh_size);
	}
	return NULL;
}

static bool scan_segment(struct image *image, const GElf_Phdr *segment, struct fg_gotab *ret)
{
	enum { ALIGNMENT = 8 };
	uint64_t len = segment->p_filesz;
	const uint8_t *bytes = len <= SCAN_BYTES_MAX ? chunk(image, segment->p_offset, len) : NULL;

	for (uint64_t at = 0; bytes && at + ALIGNMENT <= len; at += ALIGNMENT) {
		/* quick: 0xfffffffX, two zeros, 1, 8 */
		if (memcmp(bytes + at + 1, "\xff\xff\xff\0\0\1\10", 7) == 0 &&
		    fg_gotab_parse(bytes + at, (size_t)(len - at), segment->p_vaddr + at, ret))
			return true;
	}
	return false;
}

static bool scan(struct image *image, struct fg_gotab *ret)
{
	for (int executable = 0; executable < 2; executable++) { /* code last: it rarely is there */
		for (size_t i = 0; i < image->count; i++) {
			const GElf_Phdr *segment = &image->segments[i];

			if (!!(segment->p_flags & PF_X) == executable &&
			    scan_segment(image, segment, ret))
				return true;
		}
	}
	return false;
}

/* The word at vaddr once the program is loaded at its own addresses. */
static uint64_t word(struct image *image, uint64_t vaddr)
{
	const uint8_t *bytes = content(image, vaddr, sizeof(uint64_t));
	uint64_t value = 0;

	if (bytes)
		memcpy(&value, bytes, sizeof(value));
	if (value || !image->rela)
		return value;
	for (uint64_t at = 0; at + RELOCATION_BYTES <= image->relocations_bytes;
	     at += RELOCATION_BYTES) {
		Elf64_Rela rela;

		memcpy(&rela, image->rela + at, sizeof(rela));
		if (rela.r_offset == vaddr && ELF64_R_TYPE(rela.r_info) == R_X86_64_RELATIVE)
			return (uint64_t)rela.r_addend;
	}
	return 0;
}

/* Whether moduledata of `tab` lies at vaddr; then it says where the code is. */
static bool try_moduledata(struct image *image, uint64_t vaddr, struct fg_gotab *tab)
{
	uint64_t text = word(image, vaddr + 8 * WORD_TEXT);

	if (word(image, vaddr + 8 * WORD_HEADER) != tab->vaddr ||
	    word(image, vaddr + 8 * WORD_NAMES) != tab->vaddr + tab->names ||
	    !fg_gotab_place(tab, text) || word(image, vaddr + 8 * WORD_MIN_PC) != tab->text ||
	    word(image, vaddr + 8 * WORD_MAX_PC) != tab->etext)
		return false;
	/* two words for coverage counters came in between with 1.20 */
	tab->inline_data = word(image, vaddr + 8 * (tab->format == FG_GO_1_18 ? 38u : 40u));
	return true;
}

static bool moduledata_in_segment(struct image *image, const GElf_Phdr *segment, unsigned *tries,
				  struct fg_gotab *tab)
{
	const uint8_t *bytes = segment->p_filesz <= SCAN_BYTES_MAX
				       ? chunk(image, segment->p_offset, segment->p_filesz)
				       : NULL;
	uint64_t pair[2] = {tab->vaddr, tab->vaddr + tab->names};

	for (uint64_t at = 0; bytes && at + sizeof(pair) <= segment->p_filesz; at += 8) {
		if (memcmp(bytes + at, pair, sizeof(pair)) == 0 && (*tries)++ < CANDIDATES_MAX &&
		    try_moduledata(image, segment->p_vaddr + at, tab))
			return true;
	}
	return false;
}

static bool moduledata_in_relocations(struct image *image, unsigned *tries, struct fg_gotab *tab)
{
	for (uint64_t at = 0; at + RELOCATION_BYTES <= image->relocations_bytes;
	     at += RELOCATION_BYTES) {
		Elf64_Rela rela;

		memcpy(&rela, image->rela + at, sizeof(rela));
		if ((uint64_t)rela.r_addend == tab->vaddr && (*tries)++ < CANDIDATES_MAX &&
		    try_moduledata(image, rela.r_offset, tab))
			return true;
	}
	return false;
}

static bool find_moduledata(struct image *image, struct fg_gotab *tab)
{
	unsigned tries = 0;

	for (size_t i = 0; i < image->count; i++)
		if ((image->segments[i].p_flags & PF_W) &&
		    moduledata_in_segment(image, &image->segments[i], &tries, tab))
			return true;
	image->rela = content(image, image->relocations, image->relocations_bytes);
	return image->rela && moduledata_in_relocations(image, &tries, tab);
}

/* The code must be in the file, in one executable segment. */
static bool is_code(const struct image *image, const struct fg_gotab *tab)
{
	for (size_t i = 0; i < image->count; i++) {
		const GElf_Phdr *segment = &image->segments[i];

		if ((segment->p_flags & PF_X) && tab->text >= segment->p_vaddr &&
		    tab->etext - segment->p_vaddr <= segment->p_filesz)
			return true;
	}
	return false;
}

static bool find_table(struct image *image, struct fg_gotab *ret)
{
	GElf_Shdr shdr;
	const uint8_t *bytes = find_section(image, ".gopclntab", &shdr);

	if (bytes) {
		image->has_go_marks = true;
		if (fg_gotab_parse(bytes, (size_t)shdr.sh_size, shdr.sh_addr, ret))
			return true;
	}
	/* Reading through a whole file takes time: only where there is something to be found. */
	return (image->has_go_marks || !image->has_sections) && scan(image, ret);
}

/* Without moduledata: a program that Go linked by itself starts at a function of known name. */
static bool place_by_entry(const struct image *image, struct fg_gotab *tab)
{
	GElf_Ehdr header;
	struct fg_gofunc function;

	if (!gelf_getehdr(image->elf, &header) || !fg_gotab_place(tab, 1))
		return false;
	for (size_t i = 0; i < tab->count; i++)
		if (fg_gotab_function(tab, i, &function) &&
		    strcmp(function.name, "_rt0_amd64_linux") == 0)
			return header.e_entry >= function.start &&
			       fg_gotab_place(tab, header.e_entry - (function.start - 1));
	return false;
}

void fg_gotab_find(struct Elf *elf, struct fg_gotab *ret)
{
	struct image image;
	struct fg_gotab tab = {0};

	*ret = (struct fg_gotab){0};
	if (!read_image(elf, &image))
		return;
	if (find_table(&image, &tab) &&
	    (find_moduledata(&image, &tab) || place_by_entry(&image, &tab)) &&
	    is_code(&image, &tab))
		*ret = tab;
	else if (image.has_go_marks)
		ret->format = FG_GO_UNKNOWN;
}

const uint8_t *fg_gotab_inline_trees(struct Elf *elf, const struct fg_gotab *tab, size_t *ret_len)
{
	struct image image;

	if (!tab->inline_data || !read_image(elf, &image))
		return NULL;
	for (size_t i = 0; i < image.count; i++) {
		const GElf_Phdr *segment = &image.segments[i];
		uint64_t before = tab->inline_data - segment->p_vaddr;

		if (tab->inline_data < segment->p_vaddr || before >= segment->p_filesz ||
		    segment->p_filesz - before > SCAN_BYTES_MAX)
			continue;
		*ret_len = (size_t)(segment->p_filesz - before);
		return chunk(&image, segment->p_offset + before, *ret_len);
	}
	return NULL;
}
