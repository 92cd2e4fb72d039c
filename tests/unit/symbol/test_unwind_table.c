/* SPDX-License-Identifier: Apache-2.0 */
/* Rows against libdw asked directly, known spots, layouts of several linkers, damaged files. */
#include "tests/kit/kit.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "profiler/unwind/elf_open.h"
#include "profiler/unwind/table.h"
#include "tests/unit/symbol/variants.h"

static const char libc_path[] = "/lib/x86_64-linux-gnu/libc.so.6";

static int build(const char *name, struct fg_unwind_table *table, struct fg_err *err)
{
	int fd = variant_open(name);

	if (fd < 0)
		return -1;
	uint64_t start_ns = fg_clock_monotonic_ns();
	int rc = fg_unwind_table_build(fd, name, table, err);

	if (!rc)
		print_message("%s: %zu FDEs, %zu rows, %.1f ms\n", name, table->fde_count,
			      table->row_count, (double)(fg_clock_monotonic_ns() - start_ns) / 1e6);
	close(fd);
	return rc;
}

/* What libdw says about the CFA at this address, in the words of the row format; false if the row
 * format has no words for it. */
static bool oracle(Dwarf_CFI *cfi, uint64_t address, int *ret_reg, int64_t *ret_offset,
		   bool *ret_deref, int64_t *ret_rbp)
{
	Dwarf_Frame *frame;
	Dwarf_Op *ops, memory[3];
	size_t count;

	if (dwarf_cfi_addrframe(cfi, address, &frame))
		return false;
	bool good = dwarf_frame_cfa(frame, &ops, &count) == 0 && count >= 1 && count <= 7 &&
		    ((ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg15) ||
		     ops[0].atom == DW_OP_bregx);
	if (good) {
		bool extended = ops[0].atom == DW_OP_bregx;

		*ret_reg = extended ? (int)ops[0].number : ops[0].atom - DW_OP_breg0;
		*ret_offset = (int64_t)(extended ? ops[0].number2 : ops[0].number);
		*ret_deref = count > 1;
	}
	*ret_rbp = INT64_MIN;
	if (good && dwarf_frame_register(frame, 6, memory, &ops, &count) == 0 && count == 2)
		*ret_rbp = (int64_t)ops[1].number;
	free(frame);
	return good;
}

/* The register that a word of struct pt_regs holds, in DWARF's numbers: ptrace's struct begins like
 * it. */
static int register_of_word(size_t word)
{
#if defined(__x86_64__)
	static const size_t places[] = {
#define PLACE(name) offsetof(struct user_regs_struct, name)
		PLACE(rax), PLACE(rdx), PLACE(rcx), PLACE(rbx), PLACE(rsi), PLACE(rdi),
		PLACE(rbp), PLACE(rsp), PLACE(r8),  PLACE(r9),  PLACE(r10), PLACE(r11),
		PLACE(r12), PLACE(r13), PLACE(r14), PLACE(r15),
#undef PLACE
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(places); i++) {
		if (places[i] == word * sizeof(uint64_t))
			return (int)i;
	}
#endif
	return -1;
}

static int register_of(const struct fg_unwind_row *row)
{
	if (row->kind == FG_ROW_RBP || row->kind == FG_ROW_DEREF_RBP_8)
		return 6;
	if ((row->kind & ~FG_ROW_WORD_MASK) != FG_ROW_REGISTER)
		return 7;
	return register_of_word(row->kind & FG_ROW_WORD_MASK);
}

/* What follows the base: + 8 × register, dereferenced, + 8. */
static void check_index(Dwarf_CFI *cfi, const struct fg_unwind_row *row)
{
	static const uint8_t tail[] = {DW_OP_lit8, DW_OP_mul, DW_OP_plus, DW_OP_deref,
				       DW_OP_plus_uconst};
	Dwarf_Frame *frame;
	Dwarf_Op *ops;
	size_t count;

	assert_int_equal(dwarf_cfi_addrframe(cfi, row->address, &frame), 0);
	assert_int_equal(dwarf_frame_cfa(frame, &ops, &count), 0);
	assert_int_equal(count, 2 + FG_ARRAY_LEN(tail));
	assert_int_equal(ops[1].atom - DW_OP_breg0, register_of_word(row->kind & FG_ROW_WORD_MASK));
	assert_int_equal(ops[1].number, 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(tail); i++)
		assert_int_equal(ops[2 + i].atom, tail[i]);
	assert_int_equal(ops[count - 1].number, 8);
	free(frame);
}

/* lld's PLT has rows of ours and no FDE. */
static uint64_t bare_plt;

static void check_row(Dwarf_CFI *cfi, const struct fg_unwind_row *row)
{
	int reg = -1;
	int64_t offset = 0, rbp = 0;
	bool deref = false;

	if (row->kind != FG_ROW_RSP && row->kind != FG_ROW_RBP && row->kind != FG_ROW_DEREF_RSP_8 &&
	    row->kind != FG_ROW_DEREF_RBP_8 && !(row->kind & FG_ROW_REGISTER))
		return;
	if (row->address - bare_plt < 16 || (row->kind & ~FG_ROW_WORD_MASK) == FG_ROW_CLONE)
		return;
	assert_true(oracle(cfi, row->address, &reg, &offset, &deref, &rbp));
	assert_int_equal(reg, register_of(row));
	assert_int_equal(offset, row->cfa_offset_8 * 8);
	assert_int_equal(deref, row->kind != FG_ROW_RSP && row->kind != FG_ROW_RBP &&
					(row->kind & ~FG_ROW_WORD_MASK) != FG_ROW_REGISTER);
	assert_int_equal(rbp, row->rbp_offset_8 == FG_RBP_SAME ? INT64_MIN : row->rbp_offset_8 * 8);
	if ((row->kind & ~FG_ROW_WORD_MASK) == FG_ROW_INDEXED_8)
		check_index(cfi, row);
}

/* Each row at its start; each row's last byte says the same (so no state was passed over). */
static void check_against_libdw(const char *name)
{
	struct fg_err err = {0};
	struct fg_unwind_table table;
	int fd = variant_open(name);

	if (fd < 0)
		skip();
	assert_ok(build(name, &table, &err), &err);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	Dwarf_CFI *cfi = dwarf_getcfi_elf(elf);

	assert_non_null(cfi);
	assert_true(table.row_count > 4);
	for (size_t i = 0; i < table.row_count; i++) {
		struct fg_unwind_row row = table.rows[i];
		Dwarf_Frame *frame;

		assert_ptr_equal(fg_unwind_table_find(&table, row.address), &table.rows[i]);
		check_row(cfi, &row);
		if (i + 1 == table.row_count || (row.kind != FG_ROW_RSP && row.kind != FG_ROW_RBP))
			continue;
		row.address = table.rows[i + 1].address - 1;
		assert_ptr_equal(fg_unwind_table_find(&table, row.address), &table.rows[i]);
		if (dwarf_cfi_addrframe(cfi, row.address, &frame))
			continue; /* padding behind a function */
		free(frame);
		check_row(cfi, &row);
	}
	assert_null(fg_unwind_table_find(&table, table.vaddr_start - 1));
	assert_null(fg_unwind_table_find(&table, table.vaddr_end));
	assert_non_null(fg_unwind_table_find(&table, table.vaddr_end - 1));
	dwarf_cfi_end(cfi);
	elf_end(elf);
	close(fd);
	fg_unwind_table_done(&table);
}

static void test_libc_against_libdw(void **state)
{
	(void)state;
	check_against_libdw(libc_path);
}

static void test_nginx_against_libdw(void **state)
{
	(void)state;
	check_against_libdw("/usr/sbin/nginx");
}

static void test_libcrypto_against_libdw(void **state)
{
	(void)state;
	check_against_libdw("/lib/x86_64-linux-gnu/libcrypto.so.3");
}

static uint64_t find_section(const char *variant, const char *wanted)
{
	size_t len, names;
	unsigned char *bytes = variant_bytes(variant, &len);
	Elf *elf = elf_memory((char *)bytes, len);
	Elf_Scn *scn = NULL;
	uint64_t address = 0;

	assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) &&
		    strcmp(elf_strptr(elf, names, shdr.sh_name), wanted) == 0)
			address = shdr.sh_addr;
	}
	elf_end(elf);
	free(bytes);
	return address;
}

static void test_variants_against_libdw(void **state)
{
	static const char *const names[] = {"full", "static", "now", "nohdr", "lld"};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		int fd = variant_open(names[i]);

		if (fd < 0)
			continue;
		close(fd);
		bare_plt = strcmp(names[i], "lld") == 0 ? find_section("lld", ".plt") : 0;
		check_against_libdw(names[i]);
	}
	bare_plt = 0;
}

static const struct fg_unwind_row *at(const struct fg_unwind_table *table, const char *name,
				      const char *symbol)
{
	uint64_t address = variant_address(name, symbol);

	assert_int_not_equal(address, 0);
	return fg_unwind_table_find(table, address);
}

static void test_spots(void **state)
{
	struct fg_err err = {0};
	struct fg_unwind_table table;
	const struct fg_unwind_row *row;
	size_t kinds[UINT8_MAX + 1] = {0};

	(void)state;
	assert_ok(build("full", &table, &err), &err);
	row = at(&table, "full", "zoo_leaf");
	assert_int_equal(row->kind, FG_ROW_RSP);
	assert_int_equal(row->cfa_offset_8, 1);
	assert_int_equal(row->rbp_offset_8, FG_RBP_SAME);
	row = at(&table, "full", "_start");
	assert_int_equal(row->kind, FG_ROW_STOP);
	assert_true(table.is_pie);
	assert_true(table.has_eh_frame);
	assert_int_equal(strlen(table.build_id), 40);
	fg_unwind_table_done(&table);

	assert_ok(build(libc_path, &table, &err), &err);
	for (size_t i = 0; i < table.row_count; i++)
		kinds[table.rows[i].kind]++;
	assert_int_equal(kinds[FG_ROW_SIGNAL], 1); /* __restore_rt */
	assert_int_equal(kinds[FG_ROW_PLT], 1);
	assert_in_range(kinds[FG_ROW_STOP], 1, 4); /* clone, clone3 */
	assert_in_range(kinds[FG_ROW_UNSUPPORTED], 1, 20);
	assert_int_equal(kinds[FG_ROW_UNSUPPORTED], table.unsupported_rows);
	assert_in_range(kinds[FG_ROW_CLONE | 10], 1, 2); /* clone, clone3; 10: rax */
	fg_unwind_table_done(&table);
}

/* The loader's first instructions have no FDE and no caller. */
static void test_entry(void **state)
{
	static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
	struct fg_err err = {0};
	struct fg_unwind_table table;
	int fd = open(loader, O_RDONLY);
	Elf64_Ehdr header;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	assert_ok(build(loader, &table, &err), &err);
	assert_int_equal(fg_unwind_table_find(&table, header.e_entry)->kind, FG_ROW_STOP);
	assert_int_not_equal(fg_unwind_table_find(&table, header.e_entry - 1)->kind, FG_ROW_STOP);
	assert_int_not_equal(fg_unwind_table_find(&table, header.e_entry + 64)->kind, FG_ROW_STOP);
	fg_unwind_table_done(&table);
}

static void test_layouts(void **state)
{
	struct fg_err err = {0};
	struct fg_unwind_table table;

	(void)state;
	assert_ok(build("static", &table, &err), &err);
	assert_false(table.is_pie);
	assert_true(table.vaddr_start >= 0x400000);
	assert_int_equal(at(&table, "static", "_start")->kind, FG_ROW_STOP);
	fg_unwind_table_done(&table);

	assert_ok(build("debugframe", &table, &err), &err);
	assert_false(table.has_eh_frame);
	assert_int_equal(at(&table, "debugframe", "zoo_leaf")->kind, FG_ROW_RSP);
	fg_unwind_table_done(&table);

	/* libdw would unpack whatever the file says: not in the helper */
	assert_ok(build("packed", &table, &err), &err);
	assert_int_equal(table.row_count, 0);
	assert_null(fg_unwind_table_find(&table, table.vaddr_start));
	fg_unwind_table_done(&table);

	if (build("lld", &table, &err) == 0) {
		assert_int_not_equal(table.segments[0].vaddr, table.segments[0].file_offset);
		assert_int_equal(at(&table, "lld", "zoo_leaf")->kind, FG_ROW_RSP);
		uint64_t plt = find_section("lld", ".plt");
		const struct fg_unwind_row *row = fg_unwind_table_find(&table, plt);

		assert_int_equal(row->kind, FG_ROW_RSP);
		assert_int_equal(row->cfa_offset_8, 2);
		assert_int_equal(fg_unwind_table_find(&table, plt + 6)->cfa_offset_8, 3);
		assert_int_equal(fg_unwind_table_find(&table, plt + 16)->kind, FG_ROW_PLT);
		assert_int_not_equal(fg_unwind_table_find(&table, plt - 1)->kind, FG_ROW_PLT);
		fg_unwind_table_done(&table);
	}
	/* a lazy PLT of CET has pushed its number at another byte than 11 */
	assert_ok(build("cet", &table, &err), &err);
	size_t pushed = 0;

	for (size_t i = 1; i < table.row_count; i++) {
		const struct fg_unwind_row *row = &table.rows[i];

		assert_int_not_equal(row->kind, FG_ROW_UNSUPPORTED);
		assert_int_not_equal(row->kind, FG_ROW_PLT);
		pushed += (row->address & 15) == 9 && row->kind == FG_ROW_RSP &&
			  row->cfa_offset_8 == 2 && row[-1].cfa_offset_8 == 1;
	}
	assert_int_equal(pushed, 2); /* printf and getpid */
	fg_unwind_table_done(&table);
}

static void test_vdso(void **state)
{
	enum { VDSO_BYTES = 8192 };
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct fg_err err = {0};
	struct fg_unwind_table table;

	(void)state;
	if (!image)
		skip();
	assert_ok(fg_unwind_table_build_memory(image, VDSO_BYTES, "[vdso]", &table, &err), &err);
	assert_true(table.fde_count > 2);
	assert_true(table.row_count > 4);
	fg_unwind_table_done(&table);
}

static void test_refusals(void **state)
{
	struct fg_err err = {0};
	struct fg_unwind_table table = {.fde_count = 77};
	size_t len;
	unsigned char *bytes = variant_bytes("full", &len);
	Elf64_Ehdr *header = (void *)bytes;
	Elf64_Phdr *segments;
	int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_non_null(bytes);
	assert_int_equal(fg_unwind_table_build(fd, "null", &table, &err), -FG_E_INVALID);
	close(fd);
	assert_int_equal(fg_unwind_table_build(-1, "none", &table, &err), -FG_E_IO);
	assert_int_equal(fg_unwind_table_build_memory(bytes, 0, "x", &table, &err), -FG_E_LIMIT);
	assert_int_equal(fg_unwind_table_build_memory("#!/bin/sh\n", 10, "x", &table, &err),
			 -FG_E_INVALID);
	header->e_machine = EM_RISCV;
	assert_int_equal(fg_unwind_table_build_memory(bytes, len, "x", &table, &err),
			 -FG_E_UNSUPPORTED);
	header->e_machine = EM_X86_64;
	header->e_type = ET_REL;
	assert_int_equal(fg_unwind_table_build_memory(bytes, len, "x", &table, &err),
			 -FG_E_INVALID);
	header->e_type = ET_DYN;
	segments = (void *)(bytes + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD && segments[i].p_flags & PF_X)
			segments[i].p_vaddr = 0xffffffff81000000;
	assert_int_equal(fg_unwind_table_build_memory(bytes, len, "x", &table, &err), -FG_E_LIMIT);
	assert_int_equal(table.fde_count, 77); /* untouched by failures */
	free(bytes);
}

/* A sparse file with a section that claims most of it: not read into a privileged program's memory.
 */
static void huge_section(const char *name, bool has_rows)
{
	const uint64_t claimed = 3ull << 30;
	char path[] = "/tmp/fg-unit-huge-XXXXXX";
	size_t len;
	unsigned char *bytes = variant_bytes("full", &len);
	int fd = mkstemp(path);
	struct fg_err err = {0};
	struct fg_unwind_table table;
	struct rusage used;
	unsigned changed = 0;

	assert_non_null(bytes);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	Elf64_Ehdr *header = (void *)bytes;
	Elf64_Shdr *sections = (void *)(bytes + header->e_shoff);
	const char *names = (const char *)bytes + sections[header->e_shstrndx].sh_offset;

	for (int i = 0; i < header->e_shnum; i++) {
		if (strcmp(names + sections[i].sh_name, name) == 0) {
			sections[i].sh_size = claimed;
			changed++;
		}
	}
	assert_int_equal(changed, 1);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	assert_int_equal(ftruncate(fd, (off_t)(claimed + len)), 0);
	assert_ok(fg_unwind_table_build(fd, "huge", &table, &err), &err);
	assert_int_equal(table.row_count != 0, has_rows);
	fg_unwind_table_done(&table);
	assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
	assert_true(used.ru_maxrss < 1 << 20); /* KiB */
	close(fd);
	free(bytes);
}

static void test_huge_section(void **state)
{
	(void)state;
	huge_section(".eh_frame", false);
	huge_section(".plt", true);
}

/* Every cut and every eighth flipped byte: no crash, and whatever comes out can be searched. */
static void test_damage(void **state)
{
	size_t len;
	unsigned char *bytes = variant_bytes("debugframe", &len);
	struct fg_unwind_table table;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < len; i += 7) {
		if (fg_unwind_table_build_memory(bytes, i, "cut", &table, NULL) == 0)
			fg_unwind_table_done(&table);
		bytes[i] ^= (unsigned char)(0x11 << (i % 4));
		if (fg_unwind_table_build_memory(bytes, len, "flip", &table, NULL) == 0) {
			for (size_t k = 0; k < table.row_count; k++)
				assert_ptr_equal(fg_unwind_table_find(&table,
								      table.rows[k].address),
						 &table.rows[k]);
			fg_unwind_table_done(&table);
		}
		bytes[i] ^= (unsigned char)(0x11 << (i % 4));
	}
	free(bytes);
}

/* A sparse file whose header claims millions of sections, and they are there: all zeros. */
static void test_many_sections(void **state)
{
	static const struct {
		uint64_t sections;
		uint16_t segments;
		int expected;
	} cases[] = {
		{FG_ELF_SECTIONS_MAX + 1, 1, -FG_E_LIMIT},
		{60 << 20, 1, -FG_E_LIMIT},
		{UINT64_MAX, 1, -FG_E_LIMIT},
		{1, PN_XNUM, -FG_E_LIMIT},
		{3, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct {
			Elf64_Ehdr elf;
			Elf64_Phdr text;
			Elf64_Shdr first;
		} file = {
			.elf = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
					    EV_CURRENT},
				.e_type = ET_DYN,
				.e_machine = EM_X86_64,
				.e_version = EV_CURRENT,
				.e_ehsize = sizeof(Elf64_Ehdr),
				.e_phoff = sizeof(Elf64_Ehdr),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = cases[i].segments,
				.e_shoff = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
				.e_shentsize = sizeof(Elf64_Shdr)},
			.text = {.p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_filesz = 64,
				 .p_memsz = 64},
			.first = {.sh_size = cases[i].sections},
		};
		struct fg_unwind_table table = {0};
		struct fg_err err = {0};
		FILE *stream = tmpfile();

		assert_non_null(stream);
		assert_int_equal(fwrite(&file, sizeof(file), 1, stream), 1);
		assert_int_equal(fflush(stream), 0);
		assert_int_equal(ftruncate(fileno(stream), (off_t)(4ll << 30)), 0);
		int rc = fg_unwind_table_build(fileno(stream), "many", &table, &err);

		if (rc != cases[i].expected)
			fail_msg("case %zu: %d %s", i, rc, err.message);
		fg_unwind_table_done(&table);
		(void)fclose(stream);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libc_against_libdw),
		cmocka_unit_test(test_nginx_against_libdw),
		cmocka_unit_test(test_libcrypto_against_libdw),
		cmocka_unit_test(test_variants_against_libdw),
		cmocka_unit_test(test_spots),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_huge_section),
		cmocka_unit_test(test_many_sections),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
