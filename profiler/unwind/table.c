/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One module's unwind table: opens the ELF file, lists its executable segments, has ehframe.c write
 * the rows and lays the page index over them.
 *
 * Files are read, not mapped: a file that its owner truncates under us gives an error and not a
 * SIGBUS in a privileged program.
 */
#include "profiler/unwind/table.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "profiler/unwind/ehframe.h"
#include "profiler/unwind/elf_open.h"
#include "profiler/unwind/gorows.h"

enum { IMAGE_BYTES_MAX = 64 << 20 };
#define FILE_BYTES_MAX (4ull << 30)
#define PAGE_BYTES     (1ull << FG_PAGE_SHIFT)

static int check_machine(Elf *elf, const char *name, GElf_Ehdr *ret_header, struct fg_err *err)
{
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, ret_header))
		return fg_err_set(err, FG_E_INVALID, "%s: not an ELF file", name);
	if (ret_header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    ret_header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    (ret_header->e_machine != EM_X86_64 && ret_header->e_machine != EM_AARCH64))
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "%s: machine %u is neither x86-64 nor AArch64: no unwind rows",
				  name, ret_header->e_machine);
	if (ret_header->e_type != ET_EXEC && ret_header->e_type != ET_DYN)
		return fg_err_set(err, FG_E_INVALID, "%s: neither program nor shared library",
				  name);
	return 0;
}

static int add_segment(struct fg_unwind_table *table, const GElf_Phdr *phdr, const char *name,
		       struct fg_err *err)
{
	uint64_t end;

	if (__builtin_add_overflow(phdr->p_vaddr, phdr->p_memsz, &end) || end > UINT32_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: code beyond 4 GiB cannot be indexed", name);
	if (table->segment_count == FG_UNWIND_SEGMENTS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: more than %d executable segments", name,
				  FG_UNWIND_SEGMENTS_MAX);
	table->segments[table->segment_count++] = (struct fg_unwind_segment){
		.vaddr = phdr->p_vaddr,
		.file_offset = phdr->p_offset,
		.file_size = phdr->p_filesz,
		.mem_size = phdr->p_memsz,
	};
	if (table->segment_count == 1 || phdr->p_vaddr < table->vaddr_start)
		table->vaddr_start = phdr->p_vaddr;
	if (end > table->vaddr_end)
		table->vaddr_end = end;
	return 0;
}

static int read_segments(Elf *elf, const char *name, struct fg_unwind_table *table,
			 struct fg_err *err)
{
	size_t count;

	if (elf_getphdrnum(elf, &count))
		return fg_err_set(err, FG_E_INVALID, "%s: %s", name, elf_errmsg(-1));
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr phdr;

		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_LOAD ||
		    !(phdr.p_flags & PF_X) || phdr.p_memsz == 0)
			continue;
		int rc = add_segment(table, &phdr, name, err);

		if (rc)
			return rc;
	}
	return 0;
}

static void read_build_id(Elf *elf, struct fg_unwind_table *table)
{
	const void *bytes;
	ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
	const uint8_t *byte = bytes;
	static const char digits[] = "0123456789abcdef";

	if (len <= 0 || (size_t)len > sizeof(table->build_id) / 2)
		return;
	for (ssize_t i = 0; i < len; i++) {
		table->build_id[2 * i] = digits[byte[i] >> 4];
		table->build_id[2 * i + 1] = digits[byte[i] & 15];
	}
}

static uint64_t first_page(const struct fg_unwind_table *table)
{
	return table->vaddr_start & ~(PAGE_BYTES - 1);
}

int fg_unwind_table_index(struct fg_unwind_table *table, const char *name, struct fg_err *err)
{
	if (table->row_count == 0)
		return 0;
	uint64_t start = first_page(table);
	uint64_t count = (table->vaddr_end - start + PAGE_BYTES - 1) >> FG_PAGE_SHIFT;

	if (count > FG_PAGES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: more than %d pages of code", name,
				  FG_PAGES_MAX);
	table->page_rows = calloc(count + 1, sizeof(*table->page_rows));
	if (!table->page_rows)
		return fg_err_nomem(err);
	table->page_count = count;
	size_t row = 0;

	for (size_t page = 0; page <= count; page++) {
		uint64_t address = start + page * PAGE_BYTES;

		while (row + 1 < table->row_count && table->rows[row + 1].address <= address)
			row++;
		table->page_rows[page] = (uint32_t)row;
	}
	return 0;
}

static int fill(Elf *elf, const char *name, bool rows, struct fg_unwind_table *table,
		struct fg_err *err)
{
	GElf_Ehdr header;
	struct fg_fdes fdes = {0};
	struct fg_gotab go;
	int rc = check_machine(elf, name, &header, err);

	if (!rc)
		rc = read_segments(elf, name, table, err);
	if (rc)
		return rc;
	table->machine = header.e_machine;
	table->is_pie = header.e_type == ET_DYN;
	read_build_id(elf, table);
	if (table->segment_count == 0 || !rows)
		return 0;
	fg_gotab_find(elf, &go);
	table->is_go = go.format != FG_GO_NONE;
	rc = fg_fdes_read(elf, &fdes, err);
	if (rc)
		return fg_err_wrap(err, "%s", name);
	table->fde_count = fdes.count;
	table->has_eh_frame = fdes.from_eh_frame && fdes.count;
	/* Go's .debug_frame says what its own table says, at more expense */
	if (go.base == 0 || fdes.from_eh_frame)
		rc = fg_ehframe_rows(elf, &fdes, table, err);
	fg_fdes_done(&fdes);
	if (!rc && go.base)
		rc = fg_gorows_add(elf, &go, table, err);
	if (rc)
		return fg_err_wrap(err, "%s", name);
	return fg_unwind_table_index(table, name, err);
}

/* Takes `elf`. */
static int build(Elf *elf, const char *name, bool rows, struct fg_unwind_table *ret,
		 struct fg_err *err)
{
	struct fg_unwind_table table = {0};

	if (!elf)
		return fg_err_set(err, FG_E_INVALID, "%s: %s", name, elf_errmsg(-1));
	int rc = fill(elf, name, rows, &table, err);

	elf_end(elf);
	if (rc)
		fg_unwind_table_done(&table);
	else
		*ret = table;
	return rc;
}

static int build_file(int fd, const char *name, bool rows, struct fg_unwind_table *ret,
		      struct fg_err *err)
{
	struct stat status;

	if (fstat(fd, &status))
		return fg_err_errno(err, errno, "%s", name);
	if (!S_ISREG(status.st_mode))
		return fg_err_set(err, FG_E_INVALID, "%s: not a regular file", name);
	if ((uint64_t)status.st_size > FILE_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: larger than 4 GiB", name);
	if (!fg_elf_is_modest(fd))
		return fg_err_set(err, FG_E_LIMIT, "%s: claims too many sections or segments",
				  name);
	return build(fg_elf_open(fd), name, rows, ret, err);
}

int fg_unwind_table_build(int fd, const char *name, struct fg_unwind_table *ret, struct fg_err *err)
{
	return build_file(fd, name, true, ret, err);
}

int fg_unwind_table_describe(int fd, const char *name, struct fg_unwind_table *ret,
			     struct fg_err *err)
{
	return build_file(fd, name, false, ret, err);
}

int fg_unwind_table_build_memory(const void *image, size_t len, const char *name,
				 struct fg_unwind_table *ret, struct fg_err *err)
{
	if (len == 0 || len > IMAGE_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: image of %zu bytes", name, len);
	char *copy = malloc(len); /* libelf may convert in place */

	if (!copy)
		return fg_err_nomem(err);
	memcpy(copy, image, len);
	elf_version(EV_CURRENT);
	int rc = build(elf_memory(copy, len), name, true, ret, err);

	free(copy);
	return rc;
}

int fg_unwind_table_check_own(const struct fg_unwind_table *table, const char *name,
			      struct fg_err *err)
{
#if defined(__aarch64__)
	enum { OWN_MACHINE = EM_AARCH64 };
#else
	enum { OWN_MACHINE = EM_X86_64 };
#endif

	if (table->machine == OWN_MACHINE)
		return 0;
	return fg_err_set(err, FG_E_UNSUPPORTED, "%s: code of another machine (%u): no unwind rows",
			  name, table->machine);
}

void fg_unwind_table_done(struct fg_unwind_table *table)
{
	if (!table)
		return;
	free(table->rows);
	free(table->page_rows);
	*table = (struct fg_unwind_table){0};
}

const struct fg_unwind_row *fg_unwind_table_find(const struct fg_unwind_table *table,
						 uint64_t vaddr)
{
	if (table->row_count == 0 || vaddr < table->vaddr_start || vaddr >= table->vaddr_end)
		return NULL;
	uint64_t page = (vaddr - first_page(table)) >> FG_PAGE_SHIFT;
	size_t low = table->page_rows[page], high = table->page_rows[page + 1];

	while (low < high) { /* the last row in [low, high] with address ≤ vaddr */
		size_t middle = low + (high - low + 1) / 2;

		if (table->rows[middle].address <= vaddr)
			low = middle;
		else
			high = middle - 1;
	}
	return &table->rows[low];
}
