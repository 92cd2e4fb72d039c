/* SPDX-License-Identifier: Apache-2.0 */
/* Demangling, kernel symbols, perf maps: text in, names out. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/symbol/demangle.h"
#include "profiler/symbol/ksyms.h"
#include "profiler/symbol/perfmap.h"
#include "profiler/symbol/symbolizer.h"

static void test_demangle(void **state)
{
	static const struct {
		const char *raw, *name; /* NULL: stays raw */
	} cases[] = {
		{"main", NULL},
		{"", NULL},
		{"_Z", NULL},
		{"_R", NULL},
		{"_ZN", NULL},
		{"_Zzzzz", NULL},
		{"foo.cold", NULL},
		{"foo@plt", NULL},
		{"@", NULL},
		{"@@", NULL},
		{"memcpy@@GLIBC_2.14", "memcpy"},
		{"memcpy@GLIBC_2.2.5", "memcpy"},
		{"_ZN3foo3barEi", "foo::bar"},
		{"_ZN3foo3barEi@plt", "foo::bar@plt"},
		{"_ZN3foo3barEi@@VERS_1", "foo::bar"},
		{"_Z3addIiET_S0_S0_", "add<int>"},
		{"_ZN3foo3barEi.constprop.0", "foo::bar"},
		{"_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
		{"_RNvNtNtCs3o_3std2io5stdio6__print", "std::io::stdio::_print"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char *name = fg_demangle(cases[i].raw);

		if (!cases[i].name && name)
			fail_msg("%s: %s", cases[i].raw, name);
		if (cases[i].name && (!name || strcmp(name, cases[i].name) != 0))
			fail_msg("%s: %s", cases[i].raw, name ? name : "(raw)");
		free(name);
	}
}

/* Each level repeats the one before twice: without the bound this is 2^18 times "A<int, int>". */
static void test_demangle_explosion(void **state)
{
	char raw[4096] = "_Z1fI1AIiiE";
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strlen(raw);
	char *two_levels = fg_demangle("_Z1fI1AIiiE1BIS1_S1_E1BIS3_S3_EEvT_");

	(void)state;
	assert_non_null(two_levels);
	assert_non_null(strstr(two_levels, "B<B<A<int, int>, A<int, int> >, B<A<int, int>"));
	free(two_levels);
	for (int i = 1; i <= 18; i++) /* level i adds substitutions 2i + 1 and 2i + 2 */
		len += (size_t)snprintf(raw + len, sizeof(raw) - len, "1BIS%c_S%c_E",
					digits[2 * i - 1], digits[2 * i - 1]);
	snprintf(raw + len, sizeof(raw) - len, "EvT_");
	assert_null(fg_demangle(raw));
	memset(raw, 'a', sizeof(raw) - 1);
	raw[sizeof(raw) - 1] = '\0';
	assert_null(fg_demangle(raw));
}

static int parse_ksyms(const char *text, struct fg_ksyms *ret, struct fg_err *err)
{
	return fg_ksyms_parse(strdup(text), strlen(text), ret, err);
}

static void test_ksyms(void **state)
{
	static const char text[] = "ffffffff81000000 T _text\n"
				   "ffffffff81000000 T startup_64\n"
				   "ffffffff81000100 t local_one\n"
				   "ffffffff81000100 T __global_one\n"
				   "ffffffff81000180 D some_data\n"
				   "0000000000000000 A absolute\n"
				   "ffffffffc0000000 t nf_hook\t[nf_tables]\n"
				   "ffffffffc0001000 t bpf_prog_6deef7357e7b4530_x\t[bpf]\n";
	static const struct {
		uint64_t address;
		const char *name;
	} cases[] = {
		{0xffffffff80ffffff, NULL},
		{0xffffffff81000000, "startup_64"}, /* fewer underscores than _text */
		{0xffffffff810000ff, "startup_64"},
		{0xffffffff81000100, "__global_one"}, /* global before local */
		{0xffffffffc0000010, "nf_hook [nf_tables]"},
		{0xffffffffc0001fff, "bpf_prog_6deef7357e7b4530_x [bpf]"},
		{0xffffffffd0000000, NULL}, /* far behind the last */
		{0, NULL},
	};
	struct fg_ksyms ksyms;
	struct fg_err err = {0};

	(void)state;
	assert_ok(parse_ksyms(text, &ksyms, &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_ksym *symbol = fg_ksyms_find(&ksyms, cases[i].address);

		if (!cases[i].name)
			assert_null(symbol);
		else
			assert_string_equal(symbol ? symbol->name : "(none)", cases[i].name);
	}
	fg_ksyms_done(&ksyms);
}

static void test_ksyms_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{"", FG_E_NO_DATA},
		{"ffffffff81000000 D data\n", FG_E_NO_DATA},
		{"0000000000000000 T _text\n0000000000000000 t other\n", FG_E_PERMISSION},
		{"\n", FG_E_INVALID},
		{"ffffffff81000000\n", FG_E_INVALID},
		{"ffffffff81000000 T\n", FG_E_INVALID},
		{"ffffffff81000000 T \n", FG_E_INVALID},
		{"ffffffff81000000 TT x\n", FG_E_INVALID},
		{"zz T name\n", FG_E_INVALID},
		{"fffffffffffffffff T name\n", FG_E_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_ksyms ksyms;
		struct fg_err err = {0};
		int rc = parse_ksyms(cases[i].text, &ksyms, &err);

		if (rc != -cases[i].code)
			fail_msg("\"%s\": %d %s", cases[i].text, rc, err.message);
	}
}

static void test_ksyms_hidden_in_symbolizer(void **state)
{
	static const char text[] = "0000000000000000 T _text\n";
	char path[] = "/tmp/fg-ksyms-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	const struct fg_symbolizer_options options = {.kallsyms_path = path};
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_symbol symbol;
	struct fg_err err = {0};

	(void)state;
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	assert_string_equal(fg_symbolizer_kernel_problem(symbolizer), "");
	assert_ok(fg_symbolizer_resolve_kernel(symbolizer, 0xffffffff81000000, &symbol, &err),
		  &err);
	assert_false(symbol.named);
	assert_non_null(strstr(fg_symbolizer_kernel_problem(symbolizer), "kptr_restrict"));
	fg_symbolizer_free(symbolizer);
	remove(path);
}

static void test_perfmap(void **state)
{
	static const char text[] = "1000 100 first\n"
				   "0x2000 0x80 with 0x and spaces\n"
				   "1080 100 later wins\n"
				   "1040 10 inside the first\n"
				   "bad line\n"
				   "3000 0 empty\n"
				   "3000 10 \n"
				   "ffffffffffffffff 2 overflow\n"
				   "5000 100 old tier\n"
				   "5000 100 new tier\n"
				   "4000 10 no newline at the en";
	static const struct {
		uint64_t address;
		const char *name;
	} cases[] = {
		{0xfff, NULL},
		{0x1000, "first"},
		{0x103f, "first"},
		{0x1040, "inside the first"},
		{0x1050, "first"},
		{0x107f, "first"},
		{0x1080, "later wins"},
		{0x10ff, "later wins"},
		{0x117f, "later wins"},
		{0x1180, NULL},
		{0x2000, "with 0x and spaces"},
		{0x2080, NULL},
		{0x3000, NULL},
		{0x400f, "no newline at the en"},
		{0x5000, "new tier"},
		{0x50ff, "new tier"},
		{UINT64_MAX, NULL},
	};
	struct fg_perfmap map;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_perfmap_parse(text, sizeof(text) - 1, &map, &err), &err);
	assert_int_equal(map.malformed, 4);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_perfmap_entry *entry = fg_perfmap_find(&map, cases[i].address);

		if (!cases[i].name)
			assert_null(entry);
		else
			assert_string_equal(entry ? entry->name : "(none)", cases[i].name);
	}
	fg_perfmap_done(&map);
	assert_ok(fg_perfmap_parse("", 0, &map, &err), &err);
	assert_null(fg_perfmap_find(&map, 0));
	fg_perfmap_done(&map);
}

/* Against the plain meaning: the last line that covers an address. */
static void test_perfmap_overlaps(void **state)
{
	enum { LINES = 200, SPACE = 512 };
	uint64_t random = 88172645463325252;
	char text[LINES * 32];
	int owner[SPACE];
	size_t len = 0;
	struct fg_perfmap map;
	struct fg_err err = {0};

	(void)state;
	memset(owner, -1, sizeof(owner));
	for (int i = 0; i < LINES; i++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		unsigned start = (unsigned)(random % (SPACE - 40));
		unsigned size = 1 + (unsigned)(random >> 32) % 40;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%x %x f%d\n", start, size,
					i);
		for (unsigned k = 0; k < size; k++)
			owner[start + k] = i;
	}
	assert_ok(fg_perfmap_parse(text, len, &map, &err), &err);
	for (unsigned i = 0; i < SPACE; i++) {
		const struct fg_perfmap_entry *entry = fg_perfmap_find(&map, i);
		char name[16];

		snprintf(name, sizeof(name), "f%d", owner[i]);
		assert_string_equal(entry ? entry->name : "f-1", name);
	}
	fg_perfmap_done(&map);
}

static void test_perfmap_module(void **state)
{
	const struct fg_symbolizer_options options = {.inlines = true};
	static const char text[] = "7f0000001000 40 LazyCompile:*handler /srv/app.js:12\n";
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_symbol symbol;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_symbolizer_new(&options, &symbolizer, &err), &err);
	int module = fg_symbolizer_add_perf_map(symbolizer, text, sizeof(text) - 1,
						"/tmp/perf-1.map", &err);

	assert_true(module >= 0);
	assert_ok(fg_symbolizer_resolve(symbolizer, module, 0x7f0000001010, &symbol, &err), &err);
	assert_true(symbol.named);
	assert_string_equal(symbol.lines[0].name, "LazyCompile:*handler /srv/app.js:12");
	assert_ok(fg_symbolizer_resolve(symbolizer, module, 0x7f0000001040, &symbol, &err), &err);
	assert_false(symbol.named);
	assert_string_equal(symbol.lines[0].name, "[jit]");
	fg_symbolizer_free(symbolizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demangle),
		cmocka_unit_test(test_demangle_explosion),
		cmocka_unit_test(test_ksyms),
		cmocka_unit_test(test_ksyms_refused),
		cmocka_unit_test(test_ksyms_hidden_in_symbolizer),
		cmocka_unit_test(test_perfmap),
		cmocka_unit_test(test_perfmap_overlaps),
		cmocka_unit_test(test_perfmap_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
