/* SPDX-License-Identifier: Apache-2.0 */
/* Go's function table: rows and names from small tables of both formats, and from damaged ones. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/symbol/symbolizer.h"
#include "profiler/unwind/gopclntab.h"
#include "profiler/unwind/table.h"
#include "tests/fuzz/go_image.h"
#include "tests/unit/symbol/go_table.h"

static const uint32_t magics[] = {0xfffffff0u, 0xfffffff1u};

static const struct go_step leaf_depth[] = {{0, 64}, {0, 0}};
/* the image's code: push rbp; mov rbp, rsp; … */
static const struct go_step frame_depth[] = {{0, 1}, {8, 3}, {40, 50}, {8, 2}, {0, 8}, {0, 0}};
static const struct go_step odd_depth[] = {{0, 1}, {12, 63}, {0, 0}};
static const struct go_step lines[] = {{10, 16}, {20, 16}, {30, 32}, {0, 0}};
static const struct go_step inlined[] = {{-1, 16}, {0, 16}, {1, 16}, {-1, 16}, {0, 0}};
static const struct go_call calls[] = {
	{"zoo.middle", 0, 5}, {"zoo.inner[go.shape.int]", 20, 6}, {NULL, 0, 0}};

static const struct go_function functions[] = {
	{"runtime.goexit", 64, 0, leaf_depth, NULL, NULL, NULL, 0},
	{"zoo.leaf", 64, 0, leaf_depth, lines, NULL, NULL, 3},
	{"zoo.(*T).framed", 64, 0, frame_depth, lines, inlined, calls, 9},
	{"zoo.outermost", 64, FG_GO_TOP_FRAME, leaf_depth, NULL, NULL, NULL, 0},
	{"runtime.sigtramp", 64, FG_GO_TOP_FRAME, leaf_depth, NULL, NULL, NULL, 0},
	{"runtime.sigreturn__sigaction", 64, 0, leaf_depth, NULL, NULL, NULL, 0},
	{"runtime.nanotime1", 64, FG_GO_WRITES_SP, frame_depth, NULL, NULL, NULL, 0},
	{"runtime.systemstack", 64, FG_GO_WRITES_SP, leaf_depth, NULL, NULL, NULL, 0},
	{"c_function", 64, 0, NULL, NULL, NULL, NULL, 0},
	{"zoo.odd", 64, 0, odd_depth, NULL, NULL, NULL, 0},
	{"zoo.last", 64, 0, leaf_depth, NULL, NULL, NULL, 0},
};

static size_t write_table(uint8_t out[GO_TABLE_MAX], uint32_t magic)
{
	return go_table_write(out, magic, functions, FG_ARRAY_LEN(functions));
}

/* Address of a byte of function `index`. */
static uint64_t at(size_t index, uint64_t offset)
{
	return GO_IMAGE_CODE + index * 64 + offset;
}

/* The byte before runtime.sigreturn: what the linker pads with, or the end of a function. */
static uint8_t before_sigreturn = 0xcc;

static int build(const uint8_t *bytes, size_t len, struct fg_unwind_table *ret)
{
	struct fg_err err = {0};
	size_t image_len;
	uint8_t *image = go_image(bytes, len, &image_len);

	assert_non_null(image);
	image[at(5, 0) - 1] = before_sigreturn;
	memset(ret, 0, sizeof(*ret));
	int rc = fg_unwind_table_build_memory(image, image_len, "go", ret, &err);

	free(image);
	return rc;
}

static void test_rows(void **state)
{
	static const struct {
		uint8_t function, offset, kind;
		int16_t cfa;
		int8_t rbp;
	} cases[] = {
		{0, 0, FG_ROW_STOP, 0, FG_RBP_SAME},
		{1, 0, FG_ROW_RSP, 1, FG_RBP_SAME},
		{1, 63, FG_ROW_RSP, 1, FG_RBP_SAME},
		{2, 0, FG_ROW_RSP, 1, FG_RBP_SAME},
		{2, 1, FG_ROW_RSP, 2, -2}, /* pushed */
		{2, 4, FG_ROW_RSP, 6, -2},
		{2, 54, FG_ROW_RSP, 2, -2},
		{2, 56, FG_ROW_RSP, 1, FG_RBP_SAME}, /* popped */
		{3, 0, FG_ROW_STOP, 0, FG_RBP_SAME},
		{4, 0, FG_ROW_RSP, 1, FG_RBP_SAME},
		{4, 62, FG_ROW_RSP, 1, FG_RBP_SAME},
		{4, 63, FG_ROW_SIGNAL, 0, FG_RBP_SAME}, /* the handler returns to the next */
		{5, 0, FG_ROW_SIGNAL, 0, FG_RBP_SAME},
		{6, 0, FG_ROW_RSP, 1, FG_RBP_SAME},
		{6, 2, FG_ROW_RSP, 2, -2}, /* saved, not yet set */
		{6, 4, FG_ROW_FRAME_POINTER, FG_FRAME_ON_ANY_STACK, FG_RBP_SAME},
		{6, 60, FG_ROW_RSP, 1, FG_RBP_SAME},
		{7, 0, FG_ROW_FRAME_POINTER, FG_FRAME_ON_ANY_STACK, FG_RBP_SAME},
		{8, 0, FG_ROW_NONE, 0, FG_RBP_SAME},
		{9, 1, FG_ROW_UNSUPPORTED, 0, FG_RBP_SAME},
		{10, 5, FG_ROW_RSP, 1, FG_RBP_SAME},
		{11, 0, FG_ROW_NONE, 0, FG_RBP_SAME}, /* behind the last */
	};
	uint8_t bytes[GO_TABLE_MAX];

	(void)state;
	for (size_t m = 0; m < FG_ARRAY_LEN(magics); m++) {
		struct fg_unwind_table table;
		size_t len = write_table(bytes, magics[m]);

		assert_int_equal(build(bytes, len, &table), 0);
		assert_true(table.is_go);
		for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
			const struct fg_unwind_row *row = fg_unwind_table_find(
				&table, at(cases[i].function, cases[i].offset));

			assert_non_null(row);
			if (row->kind != cases[i].kind || row->cfa_offset_8 != cases[i].cfa ||
			    row->rbp_offset_8 != cases[i].rbp)
				fail_msg("function %u + %u: kind %u, CFA %d, RBP %d",
					 cases[i].function, cases[i].offset, row->kind,
					 row->cfa_offset_8, row->rbp_offset_8);
		}
		fg_unwind_table_done(&table);
	}
}

/* A function that ends right in front of it keeps its last byte. */
static void test_signal_without_padding(void **state)
{
	struct fg_unwind_table table;
	uint8_t bytes[GO_TABLE_MAX];
	size_t len = write_table(bytes, magics[0]);

	(void)state;
	before_sigreturn = 0xc3;
	assert_int_equal(build(bytes, len, &table), 0);
	before_sigreturn = 0xcc;
	assert_int_equal(fg_unwind_table_find(&table, at(5, 0) - 1)->kind, FG_ROW_RSP);
	assert_int_equal(fg_unwind_table_find(&table, at(5, 0))->kind, FG_ROW_SIGNAL);
	fg_unwind_table_done(&table);
}

/* Before 1.21: sub rsp, n; mov [rsp + n − 8], rbp; lea rbp, [rsp + n − 8]. The image's code has the
 * store at byte 4 of each 16. */
static void test_old_prologue(void **state)
{
	static const struct go_step depth[] = {{0, 4}, {24, 56}, {0, 4}, {0, 0}};
	static const struct go_function one[] = {
		{"zoo.old", 64, FG_GO_WRITES_SP, depth, NULL, NULL, NULL, 0}};
	uint8_t bytes[GO_TABLE_MAX];
	struct fg_unwind_table table;

	(void)state;
	assert_int_equal(build(bytes, go_table_write(bytes, magics[0], one, 1), &table), 0);
	assert_int_equal(fg_unwind_table_find(&table, at(0, 4))->rbp_offset_8, FG_RBP_SAME);
	assert_int_equal(fg_unwind_table_find(&table, at(0, 9))->rbp_offset_8, -2);
	assert_int_equal(fg_unwind_table_find(&table, at(0, 9))->kind, FG_ROW_RSP);
	assert_int_equal(fg_unwind_table_find(&table, at(0, 14))->kind, FG_ROW_FRAME_POINTER);
	assert_int_equal(fg_unwind_table_find(&table, at(0, 60))->kind, FG_ROW_RSP);
	fg_unwind_table_done(&table);
}

/* Tables that are no tables: no rows, no crash, and the file is told to be Go only if it says so.
 */
static void test_damaged_headers(void **state)
{
	static const struct {
		const char *what;
		size_t offset;
		uint64_t value;
		size_t bytes;
	} cases[] = {
		{"Go 1.16", 0, 0xfffffffau, 4},
		{"another magic", 0, 0x12345678, 4},
		{"padding", 4, 1, 1},
		{"instruction quantum", 6, 4, 1},
		{"pointers of 4 bytes", 7, 4, 1},
		{"no functions", 8, 0, 8},
		{"more functions than room", 8, 100000, 8},
		{"a huge number of functions", 8, UINT64_MAX, 8},
		{"names beyond the end", 32, UINT64_MAX, 8},
		{"parts out of order", 40, 1 << 12, 8},
		{"tables inside the header", 56, 8, 8},
		{"functions at the very end", 64, GO_TABLE_MAX, 8},
	};
	uint8_t bytes[GO_TABLE_MAX];
	struct fg_gotab tab;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_unwind_table table;
		size_t len = write_table(bytes, magics[1]);

		memcpy(bytes + cases[i].offset, &cases[i].value, cases[i].bytes);
		if (fg_gotab_parse(bytes, len, GO_IMAGE_TABLE, &tab))
			fail_msg("%s: accepted", cases[i].what);
		assert_int_equal(build(bytes, len, &table), 0);
		assert_int_equal(table.row_count, 0);
		fg_unwind_table_done(&table);
	}
	size_t len = write_table(bytes, magics[1]);

	for (size_t cut = 0; cut < len; cut += 7) /* nothing is read behind the end */
		if (fg_gotab_parse(bytes, cut, GO_IMAGE_TABLE, &tab))
			assert_true(cut > tab.functions);
}

/* Whatever a byte becomes, rows stay in order and are found. */
static void test_damaged_bytes(void **state)
{
	uint8_t bytes[GO_TABLE_MAX];

	(void)state;
	for (size_t i = 0; i < GO_TABLE_MAX; i += 3) {
		struct fg_unwind_table table;
		size_t len = write_table(bytes, magics[i & 1]);

		if (i >= len)
			break;
		bytes[i] ^= (uint8_t)(i % 5 ? 0xff : 0x80);
		if (build(bytes, len, &table) != 0)
			continue;
		for (size_t r = 1; r < table.row_count; r++)
			assert_true(table.rows[r - 1].address < table.rows[r].address);
		fg_unwind_table_done(&table);
	}
}

static struct fg_symbolizer *make(const uint8_t *bytes, size_t len, bool inlines, int *ret_module)
{
	const struct fg_symbolizer_options options = {.inlines = inlines,
						      .debug_root = "/nonexistent"};
	struct fg_symbolizer *symbolizer;
	struct fg_err err = {0};
	size_t image_len;
	uint8_t *image = go_image(bytes, len, &image_len);

	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	*ret_module = fg_symbolizer_add_image(symbolizer, image, image_len, "/x/go-program", &err);
	assert_true(*ret_module >= 0);
	free(image);
	return symbolizer;
}

static void test_names(void **state)
{
	static const struct {
		uint8_t function, offset;
		const char *expected;
	} cases[] = {
		{1, 0, "zoo.leaf go/zoo.go:10 from 3"},
		{1, 40, "zoo.leaf go/zoo.go:30 from 3"},
		{2, 0, "zoo.(*T).framed go/zoo.go:10 from 9"},
		{2, 16, "zoo.middle go/zoo.go:20 from 5; zoo.(*T).framed go/zoo.go:10 from 9"},
		{2, 32,
		 "zoo.inner[go.shape.int] go/zoo.go:30 from 6; "
		 "zoo.middle go/zoo.go:20 from 5; zoo.(*T).framed go/zoo.go:10 from 9"},
		{3, 5, "zoo.outermost go/zoo.go:0 from 0"},
		{4, 62, "runtime.sigtramp go/zoo.go:0 from 0"},
		{4, 63, "runtime.sigreturn__sigaction go/zoo.go:0 from 0"},
		{8, 5, "c_function go/zoo.go:0 from 0"},
		{11, 0, "go-program+0x12c0 :0 from 0"},
	};
	uint8_t bytes[GO_TABLE_MAX];
	int module;
	struct fg_symbolizer *symbolizer =
		make(bytes, write_table(bytes, magics[1]), true, &module);

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_symbol symbol;
		char text[512] = "";
		size_t len = 0;

		assert_int_equal(fg_symbolizer_resolve(symbolizer, module,
						       at(cases[i].function, cases[i].offset),
						       &symbol, NULL),
				 0);
		for (size_t k = 0; k < symbol.line_count; k++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%s %s:%u from %u", k ? "; " : "",
						symbol.lines[k].name, symbol.lines[k].filename,
						symbol.lines[k].line, symbol.lines[k].start_line);
		assert_string_equal(text, cases[i].expected);
	}
	fg_symbolizer_free(symbolizer);
}

/* 1.18 keeps no start lines; without inlines the physical function is left, at the call's line. */
static void test_names_of_1_18(void **state)
{
	uint8_t bytes[GO_TABLE_MAX];
	int module;
	struct fg_symbol symbol;
	size_t len = write_table(bytes, magics[0]);

	(void)state;
	for (int inlines = 0; inlines < 2; inlines++) {
		struct fg_symbolizer *symbolizer = make(bytes, len, inlines, &module);

		assert_int_equal(
			fg_symbolizer_resolve(symbolizer, module, at(2, 32), &symbol, NULL), 0);
		assert_int_equal(symbol.line_count, inlines ? 3 : 1);
		const struct fg_symbol_line *last = &symbol.lines[symbol.line_count - 1];

		assert_string_equal(last->name, "zoo.(*T).framed");
		assert_int_equal(last->line, 10);
		assert_int_equal(last->start_line, 0);
		fg_symbolizer_free(symbolizer);
	}
}

/* An inline tree whose entry is its own parent, and one that leaves the function. */
static void test_endless_tree(void **state)
{
	static const struct go_step own[] = {{0, 64}, {0, 0}};
	static const struct go_call circle[] = {{"zoo.circle", 8, 0}, {NULL, 0, 0}};
	static const struct go_call astray[] = {{"zoo.astray", 5000, 0}, {NULL, 0, 0}};
	static const struct go_function two[] = {
		{"zoo.a", 64, 0, leaf_depth, lines, own, circle, 1},
		{"zoo.b", 64, 0, leaf_depth, lines, own, astray, 1},
	};
	uint8_t bytes[GO_TABLE_MAX];
	struct fg_symbol symbol;
	int module;
	struct fg_symbolizer *symbolizer =
		make(bytes, go_table_write(bytes, magics[1], two, 2), true, &module);

	(void)state;
	assert_int_equal(fg_symbolizer_resolve(symbolizer, module, at(0, 8), &symbol, NULL), 0);
	assert_int_equal(symbol.line_count, FG_SYMBOL_INLINE_MAX);
	assert_string_equal(symbol.lines[FG_SYMBOL_INLINE_MAX - 1].name, "zoo.a");
	assert_int_equal(fg_symbolizer_resolve(symbolizer, module, at(1, 8), &symbol, NULL), 0);
	assert_int_equal(symbol.line_count, 2);
	assert_string_equal(symbol.lines[1].name, "zoo.b");
	fg_symbolizer_free(symbolizer);
	/* where no inlined calls are wanted, none counts */
	symbolizer = make(bytes, go_table_write(bytes, magics[1], two, 2), false, &module);
	assert_int_equal(fg_symbolizer_resolve(symbolizer, module, at(0, 8), &symbol, NULL), 0);
	assert_int_equal(symbol.line_count, 1);
	assert_string_equal(symbol.lines[0].name, "zoo.a");
	fg_symbolizer_free(symbolizer);
}

/* FG_GO_SEEDS=DIR writes the tables as seeds for the fuzzers. */
static void test_seeds(void **state)
{
	const char *dir = getenv("FG_GO_SEEDS");

	(void)state;
	for (size_t m = 0; dir && m < FG_ARRAY_LEN(magics); m++) {
		uint8_t bytes[GO_TABLE_MAX];
		char path[4096];
		size_t len = write_table(bytes, magics[m]);

		(void)snprintf(path, sizeof(path), "%s/table-%zu", dir, m);
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		assert_int_equal(fwrite(bytes, 1, len, file), len);
		(void)fclose(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),          cmocka_unit_test(test_signal_without_padding),
		cmocka_unit_test(test_old_prologue),  cmocka_unit_test(test_damaged_headers),
		cmocka_unit_test(test_damaged_bytes), cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_of_1_18), cmocka_unit_test(test_endless_tree),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
