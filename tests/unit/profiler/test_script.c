/* SPDX-License-Identifier: Apache-2.0 */
/* Names and lines of interpreted functions, from synthetic memory and from our own. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "gate/base/attr.h"
#include "profiler/script.h"
#include "profiler/wire.pb-c.h"
#include "tests/kit/kit.h"

enum { BASE = 0x10000, ROOM = 1 << 16, CODE = 0x1000, NAME = 0x2000, FILE_AT = 0x3000, IMAGE = 7 };

struct memory {
	uint8_t bytes[ROOM];
	int reads_until_change; /* ≥ 0: then the code's name pointer moves */
};

static bool read_memory(void *context, uint64_t address, void *out, size_t len)
{
	struct memory *memory = context;

	if (address < BASE || address - BASE > ROOM || len > ROOM - (address - BASE))
		return false;
	memcpy(out, memory->bytes + (address - BASE), len);
	if (memory->reads_until_change >= 0 && memory->reads_until_change-- == 0)
		memory->bytes[CODE + 120] ^= 8;
	return true;
}

static void put(struct memory *memory, size_t at, uint64_t value)
{
	memcpy(memory->bytes + at, &value, sizeof(value));
}

static void put_string(struct memory *memory, size_t at, const void *text, size_t count,
		       unsigned kind, bool ascii, size_t data_at)
{
	uint32_t state = kind << 2 | 1u << 5 | (ascii ? 1u << 6 : 0);

	put(memory, at + 16, count);
	put(memory, at + 24, 0x1234567890abcdef);
	memcpy(memory->bytes + at + 32, &state, sizeof(state));
	memcpy(memory->bytes + at + data_at, text, count * kind);
}

static struct fg_script_layout layout_of(uint32_t kind, uint32_t version)
{
	struct fg_script_layout layout;
	struct fg_err err;

	assert_ok(fg_script_layout_make(kind, version, BASE, NULL, &layout, &err), &err);
	return layout;
}

/* A function `name` of the file at line 40, as CPython 3.11 keeps it. */
static void build(struct memory *memory, const char *name)
{
	memset(memory, 0, sizeof(*memory));
	memory->reads_until_change = -1;
	put_string(memory, NAME, name, strlen(name), 1, true, 48);
	put_string(memory, FILE_AT, "app.py", 6, 1, true, 48);
	put(memory, CODE + 72, 40);
	put(memory, CODE + 112, BASE + FILE_AT);
	put(memory, CODE + 120, BASE + NAME);
	put(memory, CODE + 128, BASE + NAME);
}

/* As the BPF side computes it. */
static uint64_t check_of(const struct memory *memory, uint32_t image)
{
	const struct {
		size_t at, len;
	} parts[] = {{CODE + 120, 8}, {CODE + 128, 8}, {CODE + 112, 8},
		     {CODE + 72, 4},  {NAME + 16, 8},  {NAME + 24, 8}};
	uint64_t hash = image;

	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++) {
		uint64_t word = 0;

		memcpy(&word, memory->bytes + parts[i].at, parts[i].len);
		hash = fg_script_mix(hash, word);
	}
	return fg_script_check(hash);
}

static bool read_text(struct memory *memory, uint64_t check, struct fg_script_text *text)
{
	const struct fg_script_layout layout =
		layout_of(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11));
	const struct fg_script_memory reader = {.read = read_memory, .context = memory};

	return fg_script_text_read(&layout, IMAGE, BASE + CODE, check, &reader, text);
}

static void test_name(void **state)
{
	struct memory memory;
	struct fg_script_text text;

	(void)state;
	build(&memory, "Shop.price");
	uint64_t check = check_of(&memory, IMAGE);

	assert_true(read_text(&memory, check, &text));
	assert_string_equal(text.name, "Shop.price");
	assert_string_equal(text.file, "app.py");
	assert_int_equal(text.first_line, 40);
	/* other check, other image, other content at the same pointers */
	assert_false(read_text(&memory, check + (1ull << 30), &text));
	assert_false(read_text(&memory, check_of(&memory, IMAGE + 1), &text));
	put(&memory, NAME + 24, 1);
	assert_false(read_text(&memory, check, &text));
	/* it changes while it is read: at any moment the old name, or none */
	for (int reads = 0; reads < 12; reads++) {
		build(&memory, "Shop.price");
		memory.reads_until_change = reads;
		if (read_text(&memory, check, &text))
			assert_string_equal(text.name, "Shop.price");
	}
	build(&memory, "f");
	memory.reads_until_change = 3;
	assert_false(read_text(&memory, check_of(&memory, IMAGE), &text));
}

static void test_names_of_all_kinds(void **state)
{
	static const uint16_t two[] = {0x4f60, 0x597d, 0xd800, 'x'};
	static const uint32_t four[] = {0x1f600, 0x110000, 'y'};
	struct memory memory;
	struct fg_script_text text;
	char long_name[5000];

	(void)state;
	build(&memory, "x");
	put_string(&memory, NAME, "\xe9t\xe9\n\x7f", 5, 1, false, 72);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_string_equal(text.name, "\xc3\xa9t\xc3\xa9??");
	put_string(&memory, NAME, two, 4, 2, false, 72);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_string_equal(text.name, "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbf\xbdx");
	put_string(&memory, NAME, four, 3, 4, false, 72);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_string_equal(text.name, "\xf0\x9f\x98\x80\xef\xbf\xbdy");
	/* 3.14: two bytes of "interned" before the kind */
	build(&memory, "later");
	memcpy(memory.bytes + NAME + 32, "\x01\x00\x19\x00", 4);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_string_equal(text.name, "later");
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	build(&memory, "x");
	put_string(&memory, NAME, long_name, 3000, 1, true, 48);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_int_equal(strlen(text.name), FG_SCRIPT_NAME_CHARS);
}

static void test_unreadable_names(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
	} cases[] = {
		{CODE + 120, 0},
		{CODE + 120, 8},
		{CODE + 120, UINT64_MAX},
		{CODE + 128, 0},
		{CODE + 128, BASE + ROOM},
		{CODE + 128, 1ull << 50},
		{NAME + 16, 0},
		{NAME + 32, 0},
		{NAME + 32, 3 << 2 | 1 << 5},
		{NAME + 32, 1 << 2},
		{NAME + 32, UINT64_MAX},
	};
	struct memory memory;
	struct fg_script_text text;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		build(&memory, "f");
		put(&memory, cases[i].at, cases[i].value);
		if (read_text(&memory, check_of(&memory, IMAGE), &text))
			fail_msg("case %zu has a name: %s", i, text.name);
	}
	/* a file that cannot be read costs the file alone */
	build(&memory, "f");
	put(&memory, CODE + 112, 1ull << 46);
	assert_true(read_text(&memory, check_of(&memory, IMAGE), &text));
	assert_string_equal(text.file, "");
	/* a length beyond what is mapped */
	build(&memory, "f");
	put(&memory, CODE + 120, BASE + ROOM - 56);
	assert_false(read_text(&memory, check_of(&memory, IMAGE), &text));
}

static void test_php_names(void **state)
{
	enum { FUNC = 0x1000, SCOPE = 0x4000, SCOPE_NAME = 0x5000 };
	const struct fg_script_layout layout = layout_of(FG_RUNTIME_PHP, FG_SCRIPT_VERSION(8, 2));
	struct memory memory = {.reads_until_change = -1};
	const struct fg_script_memory reader = {.read = read_memory, .context = &memory};
	struct fg_script_text text;

	(void)state;
	memory.bytes[FUNC] = 2;
	put(&memory, FUNC + 8, BASE + NAME);
	put(&memory, FUNC + 16, BASE + SCOPE);
	put(&memory, FUNC + 152, BASE + FILE_AT);
	put(&memory, FUNC + 160, 12);
	put(&memory, NAME + 8, 77);
	put(&memory, NAME + 16, 5);
	memcpy(memory.bytes + NAME + 24, "price", 5);
	put(&memory, FILE_AT + 8, 78);
	put(&memory, FILE_AT + 16, 5);
	memcpy(memory.bytes + FILE_AT + 24, "a.php", 5);
	put(&memory, SCOPE + 8, BASE + SCOPE_NAME);
	put(&memory, SCOPE_NAME + 16, 20);
	memcpy(memory.bytes + SCOPE_NAME + 24, "class@anonymous\0/x:3", 20);

	const uint64_t words[][6] = {
		{BASE + NAME, BASE + SCOPE, BASE + FILE_AT, 12, 77, 5},
		{0, BASE + SCOPE, BASE + FILE_AT, 12, 78, 5},
		{BASE + NAME, BASE + SCOPE, 0, 0, 77, 5},
	};
	uint64_t checks[3];

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		uint64_t hash = IMAGE;

		for (size_t k = 0; k < 6; k++)
			hash = fg_script_mix(hash, words[i][k]);
		checks[i] = fg_script_check(hash);
	}
	assert_true(fg_script_text_read(&layout, IMAGE, BASE + FUNC, checks[0], &reader, &text));
	assert_string_equal(text.name, "class@anonymous::price");
	assert_string_equal(text.file, "a.php");
	assert_int_equal(text.first_line, 12);
	assert_true(fg_script_text_read(&layout, IMAGE, (BASE + FUNC) | FG_SCRIPT_WORD_NATIVE,
					checks[2], &reader, &text));
	assert_string_equal(text.file, "");
	assert_int_equal(text.first_line, 0);
	put(&memory, FUNC + 8, 0);
	assert_true(fg_script_text_read(&layout, IMAGE, BASE + FUNC, checks[1], &reader, &text));
	assert_string_equal(text.name, "{main}");
	/* another file at the same pointers, as the next request has it */
	put(&memory, FILE_AT + 8, 79);
	assert_false(fg_script_text_read(&layout, IMAGE, BASE + FUNC, checks[1], &reader, &text));
	assert_int_equal(fg_script_line_read(&layout, IMAGE, BASE + FUNC, 0, 33, &reader), 33);
	assert_int_equal(fg_script_line_read(&layout, IMAGE, BASE + FUNC, 0, FG_SCRIPT_PLACE_MASK,
					     &reader),
			 0);
}

static void test_captured_names(void **state)
{
	enum { ASCII = 1 << 2 | 1 << 5 | 1 << 6, WIDE = 2 << 2 | 1 << 5 };
	static const struct {
		uint32_t kind, version;
		uint64_t word;
		struct fg_bpf_script_name captured;
		const char *name, *file; /* NULL: not taken */
		uint32_t line;
	} cases[] = {
		{FG_RUNTIME_PYTHON,
		 FG_SCRIPT_VERSION(3, 12),
		 0,
		 {.line = 3,
		  .name_state = ASCII,
		  .file_state = ASCII,
		  .name = "A.f",
		  .file = "a.py"},
		 "A.f",
		 "a.py",
		 3},
		{FG_RUNTIME_PYTHON,
		 FG_SCRIPT_VERSION(3, 12),
		 0,
		 {.line = 3,
		  .name_state = WIDE,
		  .file_state = ASCII,
		  .name = "A.f",
		  .file = "a.py"},
		 NULL,
		 NULL,
		 0},
		{FG_RUNTIME_PYTHON,
		 FG_SCRIPT_VERSION(3, 12),
		 0,
		 {.name_state = ASCII, .file_state = WIDE, .name = "A.f", .file = "a.py"},
		 NULL,
		 NULL,
		 0},
		{FG_RUNTIME_PYTHON,
		 FG_SCRIPT_VERSION(3, 12),
		 0,
		 {.name_state = ASCII, .file_state = ASCII, .file = "a.py"},
		 NULL,
		 NULL,
		 0},
		{FG_RUNTIME_PHP,
		 FG_SCRIPT_VERSION(8, 2),
		 0,
		 {.line = 1 << 21, .name = "a\nb", .scope = "C", .file = "x.php"},
		 "C::a?b",
		 "x.php",
		 0},
		{FG_RUNTIME_PHP,
		 FG_SCRIPT_VERSION(8, 2),
		 0,
		 {.line = 1, .scope = "C", .file = "x.php"},
		 "{main}",
		 "x.php",
		 1},
		{FG_RUNTIME_PHP,
		 FG_SCRIPT_VERSION(8, 2),
		 FG_SCRIPT_WORD_NATIVE,
		 {.line = 9, .name = "usort", .file = "x.php"},
		 "usort",
		 "",
		 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_script_layout layout = layout_of(cases[i].kind, cases[i].version);
		struct fg_bpf_script_name captured = cases[i].captured;
		struct fg_script_text text;

		captured.word = cases[i].word;
		bool taken = fg_script_text_captured(&layout, &captured, &text);

		if (taken != (cases[i].name != NULL))
			fail_msg("case %zu", i);
		if (!taken)
			continue;
		assert_string_equal(text.name, cases[i].name);
		assert_string_equal(text.file, cases[i].file);
		assert_int_equal(text.first_line, cases[i].line);
	}
	/* without an end */
	const struct fg_script_layout php = layout_of(FG_RUNTIME_PHP, FG_SCRIPT_VERSION(8, 2));
	struct fg_bpf_script_name captured;
	struct fg_script_text text;

	memset(&captured, 'x', sizeof(captured));
	assert_false(fg_script_text_captured(&php, &captured, &text));
}

static void test_lines(void **state)
{
	/* As `def f(a):\n x = a\n\n return x` at line 10 compiles to. */
	static const uint8_t notab[] = {0, 1, 4, 2}, ranges[] = {4, 1, 4, 2, 2, 0x80},
			     locations[] = {0x80 | 0 << 3 | 0,  0x10,          /* resume: line 10 */
					    0x80 | 11 << 3 | 1, 1,    4,       /* +1 */
					    0x80 | 13 << 3 | 1, 4,             /* +2 (zigzag) */
					    0x80 | 14 << 3 | 0, 3,    1, 2, 3, /* −1 */
					    0x80 | 15 << 3 | 0},
			     broken[] = {0x80 | 14 << 3, 0x7f, 0x7f, 0x7f},
			     no_head[] = {0x10, 0x20};
	static const struct {
		enum fg_script_lines format;
		const uint8_t *table;
		size_t len;
		uint32_t place, line;
	} cases[] = {
		{FG_LINES_NOTAB, notab, sizeof(notab), 0, 11},
		{FG_LINES_NOTAB, notab, sizeof(notab), 3, 11},
		{FG_LINES_NOTAB, notab, sizeof(notab), 4, 13},
		{FG_LINES_NOTAB, notab, sizeof(notab), 4000, 13},
		{FG_LINES_NOTAB, notab, 3, 4, 11},
		{FG_LINES_RANGES, ranges, sizeof(ranges), 0, 11},
		{FG_LINES_RANGES, ranges, sizeof(ranges), 6, 13},
		{FG_LINES_RANGES, ranges, sizeof(ranges), 8, 0},
		{FG_LINES_RANGES, ranges, sizeof(ranges), 80, 0},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 0, 10},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 2, 11},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 5, 11},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 6, 13},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 10, 12},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 12, 0},
		{FG_LINES_LOCATIONS, locations, sizeof(locations), 500, 0},
		{FG_LINES_LOCATIONS, broken, sizeof(broken), 0, 0},
		{FG_LINES_LOCATIONS, no_head, sizeof(no_head), 0, 0},
		{FG_LINES_LOCATIONS, locations, 0, 0, 0},
		{FG_LINES_NONE, locations, sizeof(locations), 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint32_t line = fg_script_line_of(cases[i].format, cases[i].table, cases[i].len, 10,
						  cases[i].place);

		if (line != cases[i].line)
			fail_msg("case %zu: %u, not %u", i, line, cases[i].line);
	}
}

/* Our own process as the target. */
struct own {
	struct fg_scripts *scripts;
	struct fg_wire wire, client;
	struct fg_bpf_script how;
	uint32_t image;
};
static struct memory own_memory;

static void own_init(struct own *own)
{
	const uint64_t addresses[] = {(uint64_t)(uintptr_t)own_memory.bytes, 0};
	struct fg_err err;
	int fds[2];

	memset(own, 0, sizeof(*own));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_ok(fg_wire_init(&own->wire, fds[0], &err), &err);
	assert_ok(fg_wire_init(&own->client, fds[1], &err), &err);
	assert_ok(fg_scripts_new(&own->scripts, &err), &err);
	assert_ok(fg_scripts_add_runtime(own->scripts, 5, FG_RUNTIME_PYTHON,
					 FG_SCRIPT_VERSION(3, 11), addresses, &err),
		  &err);
	fg_scripts_describe(own->scripts, 6, getpid(), 0, &own->image, &own->how);
	assert_int_equal(own->image, 0); /* not an interpreter's module */
	fg_scripts_describe(own->scripts, 5, getpid(), 0, &own->image, &own->how);
	assert_int_equal(own->image, 1);
	assert_int_equal(own->how.image, 1);
}

static void own_done(struct own *own)
{
	fg_scripts_free(own->scripts);
	fg_wire_done(&own->wire);
	fg_wire_done(&own->client);
}

/* The next SCRIPT message. */
static Fg__Wire__Script *receive(struct own *own)
{
	struct fg_wire_message message;
	struct fg_err err;

	assert_ok(fg_scripts_send(own->scripts, &own->wire, &err), &err);
	assert_ok(fg_wire_flush(&own->wire, &err), &err);
	assert_ok(fg_wire_fill(&own->client, &err), &err);
	if (fg_wire_next_message(&own->client, &message, &err) != 1)
		return NULL;
	assert_int_equal(message.type, FG_WIRE_SCRIPT);
	return fg__wire__script__unpack(NULL, message.len, message.body);
}

static uint64_t own_check(const struct memory *memory, uint32_t image)
{
	return check_of(memory, image);
}

static void test_resolve(void **state)
{
	struct own own;
	uint64_t base = (uint64_t)(uintptr_t)own_memory.bytes, out[8];
	const uint64_t none[] = {9, base, 0}, zero[] = {0, base, 0};

	(void)state;
	own_init(&own);
	build(&own_memory, "mine");
	put(&own_memory, CODE + 112, base + FILE_AT);
	put(&own_memory, CODE + 120, base + NAME);
	put(&own_memory, CODE + 128, base + NAME);
	uint64_t check = own_check(&own_memory, own.image) | FG_SCRIPT_PLACE_MASK;
	const uint64_t words[] = {own.image, base + CODE,
				  check,     (base + CODE) | FG_SCRIPT_WORD_ENTRY,
				  check,     base + CODE};

	/* an odd word at the end is none */
	assert_int_equal(fg_scripts_resolve(own.scripts, (uint32_t)getpid(), words,
					    FG_ARRAY_LEN(words), out),
			 2);
	assert_int_equal(out[0], (uint64_t)FG_MODULE_SCRIPT << FG_FRAME_MODULE_SHIFT);
	assert_int_equal(out[1], out[0] | FG_SCRIPT_ENTRY);
	assert_int_equal(fg_scripts_resolve(own.scripts, 1, none, 3, out), 0);
	assert_int_equal(fg_scripts_resolve(own.scripts, 1, zero, 3, out), 0);
	assert_int_equal(fg_scripts_resolve(own.scripts, 1, words, 0, out), 0);
	Fg__Wire__Script *script = receive(&own);

	assert_non_null(script);
	assert_int_equal(script->first, 0);
	assert_int_equal(script->n_names, 1);
	assert_string_equal(script->names[0]->name, "mine");
	assert_string_equal(script->names[0]->file, "app.py");
	assert_int_equal(script->names[0]->runtime,
			 FG_SCRIPT_RUNTIME(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, 11)));
	fg__wire__script__free_unpacked(script, NULL);
	/* known by its check, whatever the memory says now, also of a process that is gone */
	memset(own_memory.bytes, 0, sizeof(own_memory.bytes));
	assert_int_equal(fg_scripts_resolve(own.scripts, 0x3ffffff, words, 3, out), 1);
	assert_int_equal(out[0], (uint64_t)FG_MODULE_SCRIPT << FG_FRAME_MODULE_SHIFT);
	assert_null(receive(&own));
	own_done(&own);
}

static void test_gone(void **state)
{
	struct own own;
	uint64_t out[4];

	(void)state;
	own_init(&own);
	const uint64_t words[] = {own.image, 0x7000, 1ull << 30, 0x7fffffff0000, 1ull << 31};

	assert_int_equal(fg_scripts_resolve(own.scripts, (uint32_t)getpid(), words, 5, out), 2);
	assert_int_equal(out[0], out[1]);
	Fg__Wire__Script *script = receive(&own);

	assert_non_null(script);
	assert_int_equal(script->n_names, 1);
	assert_string_equal(script->names[0]->name, "[python: gone]");
	fg__wire__script__free_unpacked(script, NULL);
	own_done(&own);
}

/* Numbers of programs that ended are used again, the oldest first; without any nothing is filled.
 */
static void test_images(void **state)
{
	struct own own;

	(void)state;
	own_init(&own);
	for (uint32_t i = 2; i <= FG_SCRIPT_IMAGES_MAX; i++) {
		uint32_t image = 0;

		fg_scripts_describe(own.scripts, 5, getpid(), 0, &image, &own.how);
		assert_int_equal(image, i);
	}
	uint32_t image = 0;
	struct fg_bpf_script how = {0};

	fg_scripts_describe(own.scripts, 5, getpid(), 0, &image, &how);
	assert_int_equal(image, 0);
	assert_int_equal(how.image, 0);
	fg_scripts_release(own.scripts, 9);
	fg_scripts_release(own.scripts, 3);
	fg_scripts_describe(own.scripts, 5, getpid(), 0, &image, &how);
	assert_int_equal(image, 9);
	image = 0;
	fg_scripts_describe(own.scripts, 5, getpid(), 0, &image, &how);
	assert_int_equal(image, 3);
	assert_int_equal(how.image, 3);
	own_done(&own);
}

static void test_runtimes(void **state)
{
	struct own own;
	const uint64_t addresses[] = {1, 0};
	struct fg_err err;

	(void)state;
	own_init(&own);
	assert_int_equal(fg_scripts_add_runtime(own.scripts, 5, FG_RUNTIME_PHP,
						FG_SCRIPT_VERSION(8, 2), addresses, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_scripts_add_runtime(own.scripts, 6, FG_RUNTIME_PHP,
						FG_SCRIPT_VERSION(9, 2), addresses, &err),
			 -FG_E_UNSUPPORTED);
	assert_non_null(strstr(err.message, "PHP 9.2"));
	for (uint32_t i = 1; i < FG_SCRIPT_RUNTIMES_MAX; i++)
		assert_ok(fg_scripts_add_runtime(own.scripts, 100 + i, FG_RUNTIME_PYTHON,
						 FG_SCRIPT_VERSION(3, 13), addresses, &err),
			  &err);
	assert_int_equal(fg_scripts_add_runtime(own.scripts, 99, FG_RUNTIME_PYTHON,
						FG_SCRIPT_VERSION(3, 13), addresses, &err),
			 -FG_E_LIMIT);
	/* its table of offsets is not there: nothing is filled */
	uint32_t image = 0;
	struct fg_bpf_script how = {0};

	fg_scripts_describe(own.scripts, 101, getpid(), 0, &image, &how);
	assert_int_equal(how.image, 0);
	own_done(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_names_of_all_kinds),
		cmocka_unit_test(test_unreadable_names),
		cmocka_unit_test(test_php_names),
		cmocka_unit_test(test_captured_names),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_runtimes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
