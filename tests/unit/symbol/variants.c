/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/symbol/variants.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *variant_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : FG_VARIANTS "/", name);
	return path;
}

int variant_open(const char *name)
{
	return open(variant_path(name), O_RDONLY | O_CLOEXEC);
}

static uint64_t search(Elf *elf, const char *wanted)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		GElf_Sym symbol;

		if (!gelf_getshdr(scn, &shdr) ||
		    (shdr.sh_type != SHT_SYMTAB && shdr.sh_type != SHT_DYNSYM))
			continue;
		Elf_Data *data = elf_getdata(scn, NULL);

		for (int i = 1; gelf_getsym(data, i, &symbol); i++) {
			const char *name = elf_strptr(elf, shdr.sh_link, symbol.st_name);

			if (name && symbol.st_value && strcmp(name, wanted) == 0)
				return symbol.st_value;
		}
	}
	return 0;
}

uint64_t variant_address(const char *name, const char *symbol)
{
	int fd = variant_open(name);

	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	uint64_t address = elf ? search(elf, symbol) : 0;

	elf_end(elf);
	close(fd);
	return address;
}

unsigned char *variant_bytes(const char *name, size_t *ret_len)
{
	int fd = variant_open(name);
	struct stat status;
	unsigned char *bytes = NULL;

	if (fd >= 0 && fstat(fd, &status) == 0)
		bytes = malloc((size_t)status.st_size);
	if (bytes && read(fd, bytes, (size_t)status.st_size) != status.st_size) {
		free(bytes);
		bytes = NULL;
	}
	*ret_len = bytes ? (size_t)status.st_size : 0;
	if (fd >= 0)
		close(fd);
	return bytes;
}
