/* SPDX-License-Identifier: Apache-2.0 */
/* maps text of every kind, malformed lines, and files opened as the kernel maps them. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/unwind/mappings.h"

static void test_kinds(void **state)
{
	static const struct {
		const char *line, *path;
		enum fg_mapping_kind kind;
		bool deleted;
	} cases[] = {
		{"1000-2000 r-xp 00001000 fe:01 77   /usr/bin/a b", "/usr/bin/a b", FG_MAPPING_FILE,
		 false},
		{"1000-2000 r-xp 00000000 fe:01 77 /x (deleted)\n", "/x", FG_MAPPING_FILE, true},
		{"1000-2000 r-xs 00000000 fe:01 77 /a\\012b\n", "/a\nb", FG_MAPPING_FILE, false},
		{"1000-2000 rwxp 00000000 00:00 0", "", FG_MAPPING_ANON, false},
		{"1000-2000 rwxp 00000000 00:00 0 ", "", FG_MAPPING_ANON, false},
		{"1000-2000 rwxp 00000000 00:00 0    [anon:jit]\n", "[anon:jit]", FG_MAPPING_ANON,
		 false},
		{"1000-2000 rwxs 00000000 00:01 9   /dev/zero (deleted)\n", "/dev/zero",
		 FG_MAPPING_ANON, true},
		{"1000-2000 r-xs 00000000 00:01 9   /memfd:jit (deleted)\n", "/memfd:jit",
		 FG_MAPPING_FILE, true},
		{"7ffc000-7ffd000 r-xp 00000000 00:00 0   [vdso]\n", "[vdso]", FG_MAPPING_VDSO,
		 false},
		{"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
		 "[vsyscall]", FG_MAPPING_VSYSCALL, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct fg_mappings mappings;

		assert_ok(fg_mappings_parse(cases[i].line, strlen(cases[i].line), &mappings, &err),
			  &err);
		assert_int_equal(mappings.count, 1);
		assert_string_equal(mappings.items[0].path, cases[i].path);
		assert_int_equal(mappings.items[0].kind, cases[i].kind);
		assert_int_equal(mappings.items[0].deleted, cases[i].deleted);
		fg_mappings_done(&mappings);
	}
}

static void test_fields(void **state)
{
	static const char text[] = "0-1000 r--p 00000000 fe:01 5 /lib/x\n"
				   "1000-3000 r-xp 0000a000 fe:1f 123456789 /lib/x\n"
				   "3000-4000 rw-p 00000000 00:00 0 \n";
	struct fg_err err = {0};
	struct fg_mappings mappings;

	(void)state;
	assert_ok(fg_mappings_parse(text, sizeof(text) - 1, &mappings, &err), &err);
	assert_int_equal(mappings.count, 1);
	assert_int_equal(mappings.items[0].start, 0x1000);
	assert_int_equal(mappings.items[0].end, 0x3000);
	assert_int_equal(mappings.items[0].offset, 0xa000);
	assert_int_equal(mappings.items[0].dev_major, 0xfe);
	assert_int_equal(mappings.items[0].dev_minor, 0x1f);
	assert_int_equal(mappings.items[0].inode, 123456789);
	fg_mappings_done(&mappings);
	assert_ok(fg_mappings_parse("", 0, &mappings, &err), &err); /* a zombie */
	assert_int_equal(mappings.count, 0);
}

static void test_malformed(void **state)
{
	static const char *const cases[] = {
		"\n",
		"x",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 r-xp",
		"1000-2000 r-x 0 0:0 0",
		"1000-2000 r-xpp 0 0:0 0",
		"2000-1000 r-xp 0 0:0 0",
		"1000-1000 r-xp 0 0:0 0",
		"1000-2000 r-xp 0 00 0",
		"1000-2000 r-xp 0 0:0 x",
		"1000-2000 r-xp 0 0:0 -1",
		"1000-2000 r-xp 0 0:0 99999999999999999999999",
		"1000-2000 r-xp 0 fffffffff:0 0",
		"11111111111111111-2000 r-xp 0 0:0 0",
		"-2000 r-xp 0 0:0 0",
		"1000-2000  r-xp 0 0:0 0",
		"1000-3000 r-xp 0 0:0 0\n2000-4000 r-xp 0 0:0 0\n",
		"2000-3000 r-xp 0 0:0 0\n1000-2000 r-xp 0 0:0 0\n",
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct fg_mappings mappings = {.count = 77};
		int rc = fg_mappings_parse(cases[i], strlen(cases[i]), &mappings, &err);

		if (rc != -FG_E_INVALID)
			fail_msg("\"%s\": %d", cases[i], rc);
		assert_int_equal(mappings.count, 77);
	}
}

/* The first ones stay, and how many others there were is known. */
static void test_too_many(void **state)
{
	enum { LINES = FG_MAPS_MAX + 3, LINE_BYTES = 64 };
	char *text = calloc(LINES, LINE_BYTES);
	size_t len = 0;
	struct fg_err err = {0};
	struct fg_mappings mappings;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 1; i <= LINES; i++)
		len += (size_t)snprintf(text + len, LINE_BYTES, "%x000-%x000 r-xp 0 0:1 7 /x\n", i,
					i + 1);
	assert_ok(fg_mappings_parse(text, len, &mappings, &err), &err);
	assert_int_equal(mappings.count, FG_MAPS_MAX);
	assert_int_equal(mappings.left_out, 3);
	fg_mappings_done(&mappings);
	free(text);
}

/* Libraries lie behind what a JIT compiler has mapped: they go first. */
static void test_files_first(void **state)
{
	enum { LINES = FG_MAPS_MAX + 10, LINE_BYTES = 64 };
	char *text = calloc(LINES + 2, LINE_BYTES);
	size_t len = 0;
	struct fg_err err = {0};
	struct fg_mappings mappings;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 1; i <= LINES; i++)
		len += (size_t)snprintf(text + len, LINE_BYTES, "%x000-%x000 r-xp 0 0:0 0\n", 2 * i,
					2 * i + 1);
	len += (size_t)snprintf(text + len, 2 * LINE_BYTES,
				"ffff0000-ffff1000 r-xp 0 0:1 7 /x\n"
				"ffff2000-ffff3000 r-xp 0 0:0 0 [vdso]\n");
	assert_ok(fg_mappings_parse(text, len, &mappings, &err), &err);
	assert_int_equal(mappings.count, FG_MAPS_MAX);
	assert_int_equal(mappings.left_out, 12);
	assert_int_equal(mappings.items[0].start, 0x2000);
	assert_int_equal(mappings.items[FG_MAPS_MAX - 3].kind, FG_MAPPING_ANON);
	assert_int_equal(mappings.items[FG_MAPS_MAX - 2].kind, FG_MAPPING_FILE);
	assert_int_equal(mappings.items[FG_MAPS_MAX - 1].kind, FG_MAPPING_VDSO);
	fg_mappings_done(&mappings);
	free(text);
}

/* Pages of a JIT compiler, each protected for itself. */
static void test_neighbours(void **state)
{
	static const char text[] = "1000-2000 rwxp 0 0:0 0 \n2000-3000 r-xp 0 0:0 0 \n"
				   "3000-4000 r-xp 0 0:0 0 [anon:jit]\n5000-6000 r-xp 0 0:0 0 \n"
				   "6000-7000 r-xp 0 0:1 7 /x\n7000-8000 r-xp 1000 0:1 7 /x\n"
				   "8000-9000 r-xp 0 0:0 0 \n9000-a000 rw-p 0 0:0 0 \n"
				   "a000-b000 r-xp 0 0:0 0 \n";
	static const uint64_t ends[] = {0x4000, 0x6000, 0x7000, 0x8000, 0xb000};
	struct fg_err err = {0};
	struct fg_mappings mappings;

	(void)state;
	assert_ok(fg_mappings_parse(text, sizeof(text) - 1, &mappings, &err), &err);
	assert_int_equal(mappings.count, FG_ARRAY_LEN(ends));
	for (size_t i = 0; i < mappings.count; i++)
		assert_int_equal(mappings.items[i].end, ends[i]);
	fg_mappings_done(&mappings);
}

/* What a JIT compiler reserved and has not opened yet, and what it is writing to just now. */
static void test_reach(void **state)
{
	static const struct {
		const char *text;
		size_t count;
		uint64_t start, end; /* of the first */
	} cases[] = {
		{"1000-2000 r-xp 0 0:0 0 \n", 1, 0x1000, 0x2000},
		{"1000-2000 ---p 0 0:0 0 \n2000-3000 r-xp 0 0:0 0 \n3000-9000 ---p 0 0:0 0 \n", 1,
		 0x1000, 0x9000},
		{"2000-3000 r-xp 0 0:0 0 \n3000-4000 rw-p 0 0:0 0 \n4000-5000 r-xp 0 0:0 0 \n", 1,
		 0x2000, 0x5000},
		/* others' memory may come into a hole, so the reach ends there */
		{"2000-3000 r-xp 0 0:0 0 \n4000-5000 ---p 0 0:0 0 \n", 1, 0x2000, 0x3000},
		/* a heap is no code to come */
		{"2000-3000 r-xp 0 0:0 0 \n3000-9000000 rw-p 0 0:0 0 \n", 1, 0x2000, 0x3000},
		{"2000-3000 r-xp 0 0:0 0 \n3000-4000 r--p 0 0:0 0 \n4000-5000 r-xp 0 0:0 0 \n", 2,
		 0x2000, 0x3000},
		{"1000-2000 ---p 0 0:0 0 \n2000-3000 r-xp 0 0:1 7 /x\n3000-4000 ---p 0 0:0 0 \n", 1,
		 0x2000, 0x3000},
		{"1000-2000 ---p 0 0:1 7 /x\n2000-3000 r-xp 0 0:0 0 \n", 1, 0x2000, 0x3000},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct fg_mappings mappings;

		assert_ok(fg_mappings_parse(cases[i].text, strlen(cases[i].text), &mappings, &err),
			  &err);
		assert_int_equal(mappings.count, cases[i].count);
		assert_int_equal(mappings.items[0].reach_start, cases[i].start);
		assert_int_equal(mappings.items[0].reach_end, cases[i].end);
		fg_mappings_done(&mappings);
	}
}

static void test_long_path(void **state)
{
	char text[2000] = "1000-2000 r-xp 0 fe:01 7 /";
	struct fg_err err = {0};
	struct fg_mappings mappings;

	(void)state;
	memset(text + strlen(text), 'y', 1500);
	assert_ok(fg_mappings_parse(text, strlen(text), &mappings, &err), &err);
	assert_int_equal(strlen(mappings.items[0].path), sizeof(mappings.items[0].path) - 1);
	fg_mappings_done(&mappings);
}

/* Maps a page of a temporary file that is then deleted: its content must still be reachable. */
static void test_open_deleted(void **state)
{
	char path[] = "/tmp/fg-mappings-XXXXXX", byte = 0;
	int file = mkstemp(path), fd;
	struct fg_err err = {0};
	struct fg_mappings mappings;
	bool found = false;

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(write(file, "Q", 1), 1);
	assert_int_equal(ftruncate(file, 4096), 0);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);

	if (page == MAP_FAILED) {
		unlink(path);
		skip(); /* /tmp is mounted noexec */
	}
	unlink(path);
	assert_ok(fg_mappings_read(getpid(), &mappings, &err), &err);
	for (size_t i = 0; i < mappings.count; i++) {
		const struct fg_mapping *mapping = &mappings.items[i];

		if (mapping->start != (uint64_t)(uintptr_t)page)
			continue;
		found = true;
		assert_true(mapping->deleted);
		assert_string_equal(mapping->path, path);
		fd = fg_mapping_open(getpid(), mapping, &err);
		if (fd == -FG_E_PERMISSION || fd == -FG_E_NOT_FOUND)
			break; /* map_files needs a capability */
		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		assert_int_equal(byte, 'Q');
		close(fd);
	}
	assert_true(found);
	fg_mappings_done(&mappings);
	munmap(page, 4096);
	close(file);
}

static void test_open_own(void **state)
{
	struct fg_err err = {0};
	struct fg_mappings mappings;
	struct stat ours, theirs;
	bool found = false;

	(void)state;
	assert_int_equal(stat("/proc/self/exe", &ours), 0);
	assert_ok(fg_mappings_read(getpid(), &mappings, &err), &err);
	for (size_t i = 0; i < mappings.count; i++) {
		struct fg_mapping mapping = mappings.items[i];

		if (mapping.kind != FG_MAPPING_FILE) {
			assert_int_equal(fg_mapping_open(getpid(), &mapping, &err),
					 -FG_E_UNSUPPORTED);
			continue;
		}
		int fd = fg_mapping_open(getpid(), &mapping, &err);

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &theirs), 0);
		found = found || theirs.st_ino == ours.st_ino;
		close(fd);
		/* as overlayfs and btrfs show it: another device number, the content decides */
		mapping.dev_minor ^= 1;
		mapping.inode ^= 1;
		fd = fg_mapping_open(getpid(), &mapping, &err);
		assert_true(fd >= 0);
		close(fd);
		mapping.offset += 1; /* other content */
		assert_true(fg_mapping_open(getpid(), &mapping, &err) < 0);
		mapping = mappings.items[i];
		/* not mapped there: the path must prove itself, by inode or by content */
		mapping.start += 1, mapping.end += 1;
		fd = fg_mapping_open(getpid(), &mapping, &err);
		assert_true(fd >= 0);
		close(fd);
		snprintf(mapping.path, sizeof(mapping.path), "/etc/passwd");
		assert_true(fg_mapping_open(getpid(), &mapping, &err) < 0);
	}
	assert_true(found);
	fg_mappings_done(&mappings);
	assert_int_equal(fg_mappings_read(0x7fffffff, &mappings, &err), -FG_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),        cmocka_unit_test(test_fields),
		cmocka_unit_test(test_malformed),    cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_files_first),  cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_reach),        cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_open_deleted), cmocka_unit_test(test_open_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
