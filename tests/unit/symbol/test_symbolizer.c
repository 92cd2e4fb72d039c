/* SPDX-License-Identifier: Apache-2.0 */
/* Names of real programs: aliases, PLT, cold parts, separate debug files, inlines, speed. */
#include "tests/kit/kit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "profiler/symbol/symbolizer.h"
#include "tests/unit/symbol/variants.h"

static struct fg_symbolizer *make(bool inlines)
{
	const struct fg_symbolizer_options options = {
		.inlines = inlines,
		.debug_root = FG_VARIANTS "/root",
	};
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_err err = {0};

	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	return symbolizer;
}

static int add(struct fg_symbolizer *symbolizer, const char *name)
{
	struct fg_err err = {0};
	int fd = variant_open(name);

	if (fd < 0) {
		fg_symbolizer_free(symbolizer);
		skip();
	}
	int module = fg_symbolizer_add_module(symbolizer, fd, variant_path(name), &err);

	assert_true(module >= 0);
	return module;
}

static const struct fg_symbol *resolve(struct fg_symbolizer *symbolizer, int module, uint64_t vaddr)
{
	static struct fg_symbol symbol;
	struct fg_err err = {0};

	assert_ok(fg_symbolizer_resolve(symbolizer, module, vaddr, &symbol, &err), &err);
	assert_true(symbol.line_count >= 1);
	return &symbol;
}

static const char *name_at(struct fg_symbolizer *symbolizer, int module, uint64_t vaddr)
{
	const struct fg_symbol *symbol = resolve(symbolizer, module, vaddr);

	return symbol->lines[symbol->line_count - 1].name;
}

/* Same answers wherever the symbols come from. */
static void check_names(const char *name, const char *reference)
{
	static const struct {
		const char *symbol, *expected;
		uint64_t offset;
	} cases[] = {
		{"zoo_leaf", "zoo_leaf", 0},
		{"zoo_leaf", "zoo_leaf", 2},
		{"__zoo_leaf", "zoo_leaf", 0}, /* one choice among four aliases */
		{"zoo_weak", "zoo_leaf", 0},
		{"zoo_outer", "zoo_outer", 0},
		{"zoo_inner_mark", "zoo_outer", 0}, /* a label, not a function */
		{"zoo_local", "zoo_local", 1},
		{"zoo_risky", "zoo_risky", 0},
		{"zoo_risky.cold", "zoo_risky.cold", 1},
		{"main", "main", 0},
	};
	struct fg_symbolizer *symbolizer = make(false);
	int module = add(symbolizer, name);

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint64_t vaddr = variant_address(reference, cases[i].symbol);

		if (!vaddr && strstr(cases[i].symbol, ".cold"))
			continue; /* clang does not split */
		assert_int_not_equal(vaddr, 0);
		assert_string_equal(name_at(symbolizer, module, vaddr + cases[i].offset),
				    cases[i].expected);
		assert_true(resolve(symbolizer, module, vaddr)->named);
	}
	fg_symbolizer_free(symbolizer);
}

static void test_full(void **state)
{
	(void)state;
	check_names("full", "full");
}

static void test_static_without_pie(void **state)
{
	(void)state;
	check_names("static", "static");
}

static void test_lld(void **state)
{
	(void)state;
	check_names("lld", "lld");
}

static void test_debug_file_by_link(void **state)
{
	(void)state;
	check_names("linked", "linked.full");
}

static void test_debug_file_by_build_id(void **state)
{
	(void)state;
	check_names("stripped", "full");
}

static void test_wrong_debug_file(void **state)
{
	char text[32];
	struct fg_symbolizer *symbolizer;
	size_t len;
	unsigned char *bytes = variant_bytes("linked", &len);
	struct fg_err err = {0};
	uint64_t vaddr = variant_address("linked.full", "zoo_local");
	void *name = memmem(bytes, len, "linked.debug", 12);

	(void)state;
	assert_non_null(name);
	((unsigned char *)name)[16] ^= 1; /* the checksum behind the name */
	symbolizer = make(false);
	int module = fg_symbolizer_add_image(symbolizer, bytes, len, variant_path("linked"), &err);

	assert_true(module >= 0);
	snprintf(text, sizeof(text), "linked+0x%llx", (unsigned long long)vaddr);
	assert_string_equal(name_at(symbolizer, module, vaddr + 1), text);
	fg_symbolizer_free(symbolizer);
	free(bytes);
}

static void test_minidebuginfo(void **state)
{
	const struct fg_symbolizer_options options = {.debug_root = "/nonexistent"};
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	int module = add(symbolizer, "mini");

	assert_string_equal(name_at(symbolizer, module, variant_address("full", "zoo_local") + 1),
			    "zoo_local");
	fg_symbolizer_free(symbolizer);
}

/* Stripped of everything: functions by FDE, stable over their length, and no neighbour's name. */
static void test_unnamed(void **state)
{
	const struct fg_symbolizer_options options = {.debug_root = "/nonexistent"};
	uint64_t vaddr = variant_address("full", "zoo_risky");
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_err err = {0};
	char text[64];

	(void)state;
	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	int module = add(symbolizer, "stripped");

	snprintf(text, sizeof(text), "stripped+0x%llx", (unsigned long long)vaddr);
	assert_string_equal(name_at(symbolizer, module, vaddr), text);
	assert_string_equal(name_at(symbolizer, module, vaddr + 3), text);
	assert_false(resolve(symbolizer, module, vaddr)->named);
	assert_string_equal(name_at(symbolizer, module, 0xfffffff0), "stripped+0xfffffff0");
	assert_int_equal(strlen(fg_symbolizer_build_id(symbolizer, module)), 40);
	fg_symbolizer_free(symbolizer);
}

/* The PLT entry that a direct call lands in, for each layout. */
static void test_plt(void **state)
{
	static const char *const names[] = {"full", "now", "cet", "lld"};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		struct fg_symbolizer *symbolizer = make(false);
		int fd = variant_open(names[i]), seen = 0;
		struct fg_err err = {0};

		if (fd < 0) {
			fg_symbolizer_free(symbolizer);
			continue;
		}
		int module = fg_symbolizer_add_module(symbolizer, fd, names[i], &err);

		for (uint64_t vaddr = 0x1000; vaddr < 0x2000; vaddr += 16) {
			const struct fg_symbol *symbol = resolve(symbolizer, module, vaddr);

			seen += strcmp(symbol->lines[0].name, "getpid@plt") == 0;
		}
		if (seen != 1)
			fail_msg("%s: getpid@plt seen %d times", names[i], seen);
		fg_symbolizer_free(symbolizer);
	}
}

static void check_inlines(const char *name, const char *reference)
{
	struct fg_symbolizer *symbolizer = make(true);
	int module = add(symbolizer, name);
	const struct fg_symbol *symbol =
		resolve(symbolizer, module, variant_address(reference, "zoo_inner_mark"));

	assert_int_equal(symbol->line_count, 3);
	assert_string_equal(symbol->lines[0].name, "zoo_inner");
	assert_string_equal(symbol->lines[1].name, "zoo_middle");
	assert_string_equal(symbol->lines[2].name, "zoo_outer");
	for (size_t i = 0; i < 3; i++) {
		const char *file = strrchr(symbol->lines[i].filename, '/');

		assert_string_equal(file ? file + 1 : symbol->lines[i].filename, "zoo_sym.c");
		assert_true(symbol->lines[i].line > symbol->lines[i].start_line);
		assert_true(symbol->lines[i].line <= symbol->lines[i].start_line + 3);
	}
	assert_true(symbol->lines[0].line < symbol->lines[1].line);
	symbol = resolve(symbolizer, module, variant_address(reference, "zoo_leaf"));
	assert_int_equal(symbol->line_count, 1);
	assert_string_equal(symbol->lines[0].name, "zoo_leaf");
	assert_int_equal(fg_symbolizer_inlines_skipped(symbolizer), 0);
	fg_symbolizer_free(symbolizer);
}

static void test_inlines(void **state)
{
	(void)state;
	check_inlines("full", "full");
	check_inlines("stripped", "full"); /* from the debug file */
}

static void test_inlines_of_clang(void **state)
{
	(void)state;
	check_inlines("clang", "clang"); /* no .debug_aranges */
}

/* DWARF that dwz moved into an alternate file, as distributions do. */
static void test_inlines_of_dwz(void **state)
{
	(void)state;
	check_inlines("dwz", "dwz");
	check_names("dwz", "dwz");
}

static void test_inline_budget(void **state)
{
	const struct fg_symbolizer_options options = {.inlines = true, .inline_budget_ns = 1};
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_err err = {0};
	uint64_t vaddr = variant_address("full", "zoo_inner_mark");

	(void)state;
	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	int module = add(symbolizer, "full");

	resolve(symbolizer, module, vaddr); /* uses up the time */
	assert_int_equal(resolve(symbolizer, module, vaddr)->line_count, 1);
	assert_int_equal(fg_symbolizer_inlines_skipped(symbolizer), 1);
	fg_symbolizer_free(symbolizer);
}

static void test_cpp(void **state)
{
	struct fg_symbolizer *symbolizer = make(false);
	int module = add(symbolizer, "cpp");
	const struct fg_symbol *symbol =
		resolve(symbolizer, module, variant_address("cpp", "_ZN3zoo3BoxIiE3addEi"));

	(void)state;
	assert_string_equal(symbol->lines[0].name, "zoo::Box<int>::add");
	assert_string_equal(symbol->lines[0].system_name, "_ZN3zoo3BoxIiE3addEi");
	fg_symbolizer_free(symbolizer);
}

static void test_rust(void **state)
{
	struct fg_symbolizer *symbolizer = make(false);
	int module = add(symbolizer, "rust");
	bool found = false;

	(void)state;
	/* the name carries a hash of the build: walk over the code for it */
	for (uint64_t vaddr = 0x1000; vaddr < 0x80000 && !found; vaddr += 16) {
		const char *name = name_at(symbolizer, module, vaddr);

		found = strcmp(name, "zoo_sym::zoo::work") == 0 ||
			strcmp(name, "rust::zoo::work") == 0;
	}
	assert_true(found);
	fg_symbolizer_free(symbolizer);
}

static void test_libc_by_its_own_word(void **state)
{
	static const struct {
		const char *symbol, *expected;
	} cases[] = {
		{"malloc", "malloc"},
		{"printf", "printf"},
		{"qsort", "qsort"},
		{"getpid", "__getpid"}, /* the weak one gives way */
	};
	struct fg_symbolizer *symbolizer = make(false);
	int module = add(symbolizer, "/lib/x86_64-linux-gnu/libc.so.6");

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint64_t vaddr =
			variant_address("/lib/x86_64-linux-gnu/libc.so.6", cases[i].symbol);

		assert_string_equal(name_at(symbolizer, module, vaddr), cases[i].expected);
	}
	fg_symbolizer_free(symbolizer);
}

static void test_no_file(void **state)
{
	struct fg_symbolizer *symbolizer = make(true);
	struct fg_err err = {0};
	struct fg_symbol symbol;
	int gone = fg_symbolizer_add_module(symbolizer, -1, "/opt/gone.so", &err);
	int null = fg_symbolizer_add_module(symbolizer, open("/dev/null", O_RDONLY), "/null", &err);

	(void)state;
	assert_string_equal(name_at(symbolizer, gone, 0x1234), "gone.so+0x1234");
	assert_string_equal(name_at(symbolizer, null, 0x1234), "null+0x1234");
	assert_string_equal(fg_symbolizer_build_id(symbolizer, gone), "");
	assert_string_equal(fg_symbolizer_build_id(symbolizer, 99), "");
	assert_int_equal(fg_symbolizer_resolve(symbolizer, 2, 0, &symbol, &err), -FG_E_INTERNAL);
	assert_int_equal(fg_symbolizer_resolve(symbolizer, -1, 0, &symbol, &err), -FG_E_INTERNAL);
	assert_int_equal(fg_symbolizer_add_image(symbolizer, "", 0, "x", &err), -FG_E_LIMIT);
	fg_symbolizer_free(symbolizer);
	fg_symbolizer_free(NULL);
}

static void test_vdso(void **state)
{
	enum { VDSO_BYTES = 8192 };
	const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct fg_symbolizer *symbolizer;
	struct fg_err err = {0};
	bool found = false;

	(void)state;
	if (!image)
		skip();
	symbolizer = make(false);
	int module = fg_symbolizer_add_image(symbolizer, image, VDSO_BYTES, "[vdso]", &err);

	assert_true(module >= 0);
	for (uint64_t vaddr = 0; vaddr < VDSO_BYTES; vaddr += 16)
		found = found ||
			strcmp(name_at(symbolizer, module, vaddr), "__vdso_clock_gettime") == 0;
	assert_true(found);
	fg_symbolizer_free(symbolizer);
}

static void test_kernel(void **state)
{
	struct fg_symbolizer *symbolizer = make(false);
	struct fg_symbol symbol;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_symbolizer_resolve_kernel(symbolizer, 1, &symbol, &err), &err);
	assert_false(symbol.named);
	assert_string_equal(symbol.lines[0].name, "[kernel]");
	fg_symbolizer_free(symbolizer);
}

static int compare_addresses(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* 5 000 distinct addresses over three modules: at most 0.5 s (reference/ebpf.md §8). */
static void test_speed(void **state)
{
	enum { ADDRESSES = 5000, BUDGET_MS = 500 };
	static const char *const names[] = {"/usr/sbin/nginx", "/lib/x86_64-linux-gnu/libc.so.6",
					    "/lib/x86_64-linux-gnu/libcrypto.so.3"};
	static uint64_t addresses[ADDRESSES];
	struct fg_symbolizer *symbolizer = make(false);
	int modules[3];
	uint64_t random = 88172645463325252;
	size_t named = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		modules[i] = add(symbolizer, names[i]);
	for (size_t i = 0; i < ADDRESSES; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		addresses[i] = 0x26000 + random % 0x100000;
	}
	qsort(addresses, ADDRESSES, sizeof(addresses[0]), compare_addresses);
	clock_t start = clock(); /* CPU time: a busy machine is no slow symboliser */

	for (size_t i = 0; i < ADDRESSES; i++)
		named += resolve(symbolizer, modules[i % 3], addresses[i])->named;
	double ms = (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;

	print_message("%d addresses: %.1f ms, %zu named\n", ADDRESSES, ms, named);
#if !defined(__SANITIZE_ADDRESS__)
	assert_true(ms < BUDGET_MS);
#endif
	fg_symbolizer_free(symbolizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_static_without_pie),
		cmocka_unit_test(test_lld),
		cmocka_unit_test(test_debug_file_by_link),
		cmocka_unit_test(test_debug_file_by_build_id),
		cmocka_unit_test(test_wrong_debug_file),
		cmocka_unit_test(test_minidebuginfo),
		cmocka_unit_test(test_unnamed),
		cmocka_unit_test(test_plt),
		cmocka_unit_test(test_inlines),
		cmocka_unit_test(test_inlines_of_clang),
		cmocka_unit_test(test_inlines_of_dwz),
		cmocka_unit_test(test_inline_budget),
		cmocka_unit_test(test_cpp),
		cmocka_unit_test(test_rust),
		cmocka_unit_test(test_libc_by_its_own_word),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
