/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF image around a .gopclntab: 64 KiB of code, then the table (which is also where its inline
 * trees lie), then moduledata that places the code. Without section headers, as it is found in
 * packed programs. For fuzzers and unit tests.
 */
#ifndef FG_TESTS_FUZZ_GO_IMAGE_H
#define FG_TESTS_FUZZ_GO_IMAGE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	GO_IMAGE_CODE = 0x1000, /* file offset and address of runtime.text */
	GO_IMAGE_CODE_BYTES = 0x10000,
	GO_IMAGE_TABLE = GO_IMAGE_CODE + GO_IMAGE_CODE_BYTES,
	GO_IMAGE_MODULEDATA_BYTES = 41 * 8,
};

static inline uint32_t go_image_u32(const uint8_t *table, size_t len, uint64_t at)
{
	uint32_t value = 0;

	if (at < len && len - at >= 4)
		memcpy(&value, table + at, 4);
	return value;
}

/* The words that a reader of moduledata checks, for a table at GO_IMAGE_TABLE. */
static inline void go_image_moduledata(const uint8_t *table, size_t len, uint64_t words[41])
{
	uint64_t count = 0, names = 0, functions = 0;

	if (len >= 72) {
		memcpy(&count, table + 8, 8);
		memcpy(&names, table + 32, 8);
		memcpy(&functions, table + 64, 8);
	}
	words[0] = GO_IMAGE_TABLE;
	words[1] = GO_IMAGE_TABLE + names;
	words[20] = GO_IMAGE_CODE + go_image_u32(table, len, functions);
	words[21] = GO_IMAGE_CODE + go_image_u32(table, len, functions + count * 8);
	words[22] = GO_IMAGE_CODE;
	words[38] = words[40] = GO_IMAGE_TABLE;
}

static inline uint8_t *go_image(const uint8_t *table, size_t len, size_t *ret_len)
{
	size_t data = GO_IMAGE_TABLE + ((len + 15) & ~(size_t)15);
	size_t total = data + GO_IMAGE_MODULEDATA_BYTES;
	uint8_t *image = len <= 1 << 20 ? calloc(1, total) : NULL;
	uint64_t words[41] = {0};

	if (!image)
		return NULL;
	Elf64_Ehdr header = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = GO_IMAGE_CODE,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	Elf64_Phdr segments[3] = {
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_X,
		 .p_offset = GO_IMAGE_CODE,
		 .p_vaddr = GO_IMAGE_CODE,
		 .p_filesz = GO_IMAGE_CODE_BYTES,
		 .p_memsz = GO_IMAGE_CODE_BYTES},
		{.p_type = PT_LOAD,
		 .p_flags = PF_R,
		 .p_offset = GO_IMAGE_TABLE,
		 .p_vaddr = GO_IMAGE_TABLE,
		 .p_filesz = len,
		 .p_memsz = len},
		{.p_type = PT_LOAD,
		 .p_flags = PF_R | PF_W,
		 .p_offset = data,
		 .p_vaddr = data,
		 .p_filesz = GO_IMAGE_MODULEDATA_BYTES,
		 .p_memsz = GO_IMAGE_MODULEDATA_BYTES},
	};

	go_image_moduledata(table, len, words);
	memcpy(image, &header, sizeof(header));
	memcpy(image + sizeof(header), segments, sizeof(segments));
	/* push rbp; mov rbp, rsp: what a prologue is looked for; then padding */
	memset(image + GO_IMAGE_CODE, 0xcc, GO_IMAGE_CODE_BYTES);
	for (size_t at = GO_IMAGE_CODE; at < GO_IMAGE_TABLE; at += 16)
		memcpy(image + at, "\x55\x48\x89\xe5\x48\x89\x6c\x24\x10\x48\x8d\x6c\x24\x10", 14);
	memcpy(image + GO_IMAGE_TABLE, table, len);
	memcpy(image + data, words, sizeof(words));
	*ret_len = total;
	return image;
}

#endif
