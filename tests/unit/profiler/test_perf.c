/* SPDX-License-Identifier: Apache-2.0 */
/* Perf records, ELF images out of memory, and libdwfl over a copy of our own stack. */
#include "tests/kit/kit.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "profiler/perf_ring.h"
#include "profiler/perf_space.h"
#include "profiler/unwind/memory_elf.h"
#include "profiler/unwind/table.h"

enum { WORDS_MAX = 64 };

struct record {
	uint64_t words[WORDS_MAX];
	size_t count;
};

static struct record *start_record(uint32_t type, uint16_t misc)
{
	static struct record record;
	const struct perf_event_header header = {.type = type, .misc = misc};

	memset(&record, 0, sizeof(record));
	memcpy(record.words, &header, sizeof(header));
	record.count = 1;
	return &record;
}

static void put(struct record *record, uint64_t word)
{
	struct perf_event_header *header = (void *)record->words;

	record->words[record->count++] = word;
	header->size = (uint16_t)(record->count * sizeof(uint64_t));
}

static void put_ids(struct record *record)
{
	put(record, 11ull << 32 | 10); /* tgid 10, tid 11 */
	put(record, 5000);
	put(record, 3);
}

static bool decode(const struct record *record, bool callchain, struct fg_perf_record *ret)
{
	return fg_perf_decode(record->words, record->count * sizeof(uint64_t), callchain, ret);
}

static void put_user_part(struct record *record, uint64_t stack_words, uint64_t dynamic)
{
	put(record, PERF_SAMPLE_REGS_ABI_64);
	for (uint64_t i = 0; i < FG_DWFL_PERF_REGS; i++)
		put(record, 100 + i);
	put(record, stack_words * sizeof(uint64_t));
	for (uint64_t i = 0; i < stack_words; i++)
		put(record, 200 + i);
	if (stack_words)
		put(record, dynamic);
}

static void test_sample(void **state)
{
	(void)state;
	struct record *record = start_record(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_USER);
	struct fg_perf_record ret;

	put_ids(record);
	put(record, 2); /* callchain */
	put(record, (uint64_t)PERF_CONTEXT_KERNEL);
	put(record, 0xffffffff81000000);
	put_user_part(record, 4, 24);
	assert_true(decode(record, true, &ret));
	assert_int_equal(ret.kind, FG_PERF_SAMPLE);
	assert_int_equal(ret.tgid, 10);
	assert_int_equal(ret.tid, 11);
	assert_int_equal(ret.time_ns, 5000);
	assert_int_equal(ret.cpu, 3);
	assert_int_equal(ret.kernel_count, 2);
	assert_int_equal(ret.regs[8], 108);
	assert_int_equal(ret.stack_bytes, 24); /* what was really copied */
	assert_memory_equal(ret.stack, (uint64_t[]){200}, sizeof(uint64_t));
}

/* A thread of the kernel's, or one that has given up its memory. */
static void test_sample_without_user_part(void **state)
{
	(void)state;
	struct record *record = start_record(PERF_RECORD_SAMPLE, PERF_RECORD_MISC_KERNEL);
	struct fg_perf_record ret;

	put_ids(record);
	put(record, PERF_SAMPLE_REGS_ABI_NONE);
	put(record, 0);
	assert_true(decode(record, false, &ret));
	assert_null(ret.regs);
	assert_int_equal(ret.stack_bytes, 0);
}

static void test_hostile_samples(void **state)
{
	(void)state;
	struct fg_perf_record ret;
	struct record *record = start_record(PERF_RECORD_SAMPLE, 0);

	put_ids(record);
	put(record, UINT64_MAX / 8); /* more frames than there is record */
	assert_false(decode(record, true, &ret));
	record = start_record(PERF_RECORD_SAMPLE, 0);
	put_ids(record);
	put_user_part(record, 2, UINT64_MAX); /* copied more than was asked for */
	assert_true(decode(record, false, &ret));
	assert_int_equal(ret.stack_bytes, 16);
	record->words[record->count - 4] = 17; /* the stack's size is no multiple of a word */
	assert_false(decode(record, false, &ret));
	record->words[record->count - 4] = 1 << 20;
	assert_false(decode(record, false, &ret));
	/* Every cut is refused. */
	record = start_record(PERF_RECORD_SAMPLE, 0);
	put_ids(record);
	put_user_part(record, 2, 16);
	for (size_t count = 0; count < record->count; count++) {
		struct perf_event_header *header = (void *)record->words;

		assert_false(fg_perf_decode(record->words, count * sizeof(uint64_t), false, &ret));
		header->size = (uint16_t)(count * sizeof(uint64_t));
		assert_false(fg_perf_decode(record->words, count * sizeof(uint64_t), false, &ret));
		header->size = (uint16_t)(record->count * sizeof(uint64_t));
	}
	assert_false(fg_perf_decode(record->words, 12, false, &ret));
}

static void test_other_records(void **state)
{
	(void)state;
	static const struct {
		uint32_t type;
		uint16_t misc;
		uint64_t first, second;
		enum fg_perf_kind kind;
		uint32_t tgid, tid, parent;
		uint64_t lost;
	} cases[] = {
		{PERF_RECORD_FORK, 0, 7ull << 32 | 20, 6ull << 32 | 21, FG_PERF_FORK, 20, 21, 7, 0},
		{PERF_RECORD_EXIT, 0, 7ull << 32 | 20, 6ull << 32 | 20, FG_PERF_EXIT, 20, 20, 7, 0},
		{PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, 0, 0, FG_PERF_EXEC, 10, 11, 0, 0},
		{PERF_RECORD_COMM, 0, 0, 0, FG_PERF_OTHER, 10, 11, 0, 0},
		{PERF_RECORD_MMAP2, 0, 0, 0, FG_PERF_MAP, 10, 11, 0, 0},
		{PERF_RECORD_LOST, 0, 1, 42, FG_PERF_LOST, 10, 11, 0, 42},
		{PERF_RECORD_THROTTLE, 0, 1, 2, FG_PERF_THROTTLE, 10, 11, 0, 0},
		{999, 0, 1, 2, FG_PERF_OTHER, 10, 11, 0, 0},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct record *record = start_record(cases[i].type, cases[i].misc);
		struct fg_perf_record ret;

		put(record, cases[i].first);
		put(record, cases[i].second);
		put_ids(record);
		assert_true(decode(record, false, &ret));
		assert_int_equal(ret.kind, cases[i].kind);
		assert_int_equal(ret.tgid, cases[i].tgid);
		assert_int_equal(ret.tid, cases[i].tid);
		assert_int_equal(ret.parent, cases[i].parent);
		assert_int_equal(ret.lost, cases[i].lost);
		assert_int_equal(ret.time_ns, 5000);
	}
	struct record *empty = start_record(PERF_RECORD_FORK, 0);
	struct fg_perf_record ret;

	put(empty, 1);
	assert_false(decode(empty, false, &ret));
}

/* -- an image out of memory ---------------------------------------------------------------------
 */

struct memory {
	uint8_t *bytes;
	size_t len;
	uint64_t base;
};

static bool read_memory(void *context, uint64_t address, void *to, size_t len)
{
	const struct memory *memory = context;

	if (address < memory->base || address - memory->base > memory->len ||
	    len > memory->len - (address - memory->base))
		return false;
	memcpy(to, memory->bytes + (address - memory->base), len);
	return true;
}

/* Our own program as the loader mapped it: the unwritten segments at their addresses. */
static struct memory load_self(size_t *ret_file_len)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *file = malloc((size_t)size);
	struct memory memory = {.base = 0x7000000};

	assert_non_null(file);
	assert_int_equal(pread(fd, file, (size_t)size, 0), size);
	close(fd);
	const Elf64_Ehdr *header = (const void *)file;
	const Elf64_Phdr *segments = (const void *)(file + header->e_phoff);

	for (size_t i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD)
			memory.len = segments[i].p_vaddr + segments[i].p_memsz;
	}
	memory.bytes = calloc(1, memory.len);
	assert_non_null(memory.bytes);
	for (size_t i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD)
			memcpy(memory.bytes + segments[i].p_vaddr, file + segments[i].p_offset,
			       segments[i].p_filesz);
	}
	free(file);
	*ret_file_len = (size_t)size;
	return memory;
}

static void test_image_has_the_files_rows(void **state)
{
	(void)state;
	size_t file_len, len;
	struct memory memory = load_self(&file_len);
	struct fg_unwind_table ours, theirs;
	uint8_t *image;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_int_equal(fg_memory_elf_build(read_memory, &memory, memory.base, &image, &len, NULL),
			 0);
	assert_in_range(len, 4096, file_len);
	assert_int_equal(fg_unwind_table_build_memory(image, len, "self", &ours, NULL), 0);
	assert_int_equal(fg_unwind_table_build(fd, "self", &theirs, NULL), 0);
	assert_int_equal(ours.row_count, theirs.row_count);
	assert_memory_equal(ours.rows, theirs.rows, ours.row_count * sizeof(*ours.rows));
	assert_string_equal(ours.build_id, theirs.build_id);
	assert_int_equal(ours.segments[0].vaddr, theirs.segments[0].vaddr);
	fg_unwind_table_done(&ours);
	fg_unwind_table_done(&theirs);
	close(fd);
	free(image);
	free(memory.bytes);
}

static void test_hostile_images(void **state)
{
	(void)state;
	size_t file_len, len;
	struct memory memory = load_self(&file_len);
	Elf64_Ehdr *header = (void *)memory.bytes;
	const Elf64_Ehdr good = *header;
	Elf64_Phdr *segments = (void *)(memory.bytes + good.e_phoff);
	uint8_t *image = NULL;
	size_t load = 0;

	while (segments[load].p_type != PT_LOAD)
		load++;
	const Elf64_Phdr good_segment = segments[load];
#define REFUSED(code)                                                                           \
	do {                                                                                    \
		assert_int_equal(fg_memory_elf_build(read_memory, &memory, memory.base, &image, \
						     &len, NULL),                               \
				 -(code));                                                      \
		assert_null(image);                                                             \
		*header = good;                                                                 \
		segments[load] = good_segment;                                                  \
	} while (0)
	header->e_phnum = 0;
	REFUSED(FG_E_INVALID);
	header->e_phnum = 65535;
	REFUSED(FG_E_INVALID);
	header->e_phoff = 5000;
	REFUSED(FG_E_INVALID);
	header->e_phentsize = 1;
	REFUSED(FG_E_INVALID);
	header->e_machine = EM_386;
	REFUSED(FG_E_INVALID);
	header->e_ident[EI_CLASS] = ELFCLASS32;
	REFUSED(FG_E_INVALID);
	segments[load].p_filesz = 1ull << 40;
	REFUSED(FG_E_LIMIT);
	segments[load].p_offset = UINT64_MAX;
	REFUSED(FG_E_LIMIT);
	segments[load].p_offset = 16; /* then the header is in no segment */
	REFUSED(FG_E_INVALID);
	segments[load].p_filesz = 32 << 20; /* more than there is */
	REFUSED(FG_E_IO);
	memory.len = 40;
	REFUSED(FG_E_INVALID);
	free(memory.bytes);
}

/* -- our own stack ------------------------------------------------------------------------------
 */

static uint64_t regs[FG_DWFL_PERF_REGS];
static uint8_t copy[32 << 10];

__attribute__((noinline)) static void capture(void)
{
	ucontext_t context;
	static const int order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
				    REG_RBP, REG_RSP, REG_RIP, REG_R8,  REG_R9,  REG_R10,
				    REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	volatile uint8_t *from;

	assert_int_equal(getcontext(&context), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(order); i++)
		regs[i] = (uint64_t)context.uc_mcontext.gregs[order[i]];
	from = (volatile uint8_t *)regs[7]; /* NOLINT(performance-no-int-to-ptr) */
	for (size_t i = 0; i < 3072; i++)   /* our callers' frames are above */
		copy[i] = from[i];
}

static int deeper(int depth);
static int (*volatile again)(int) = deeper; /* or the compiler makes a loop of it */

static int deeper(int depth)
{
	if (depth > 0)
		return again(depth - 1) + 1;
	capture();
	return 0;
}

static struct fg_perf_space *space_of_self(struct fg_modules *modules, struct fg_perf_files *files,
					   struct fg_wire *wire)
{
	struct fg_mappings mappings = {0};
	struct fg_perf_space *space;

	assert_int_equal(fg_wire_init(wire, open("/dev/null", O_RDWR | O_CLOEXEC), NULL), 0);
	fg_modules_init(modules, NULL, wire);
	assert_int_equal(fg_mappings_read(getpid(), &mappings, NULL), 0);
	assert_int_equal(
		fg_perf_space_new(modules, files, (uint32_t)getpid(), &mappings, &space, NULL), 0);
	fg_mappings_done(&mappings);
	return space;
}

static void test_cut_copies_are_told(void **state)
{
	(void)state;
	struct fg_modules modules;
	struct fg_perf_files files = {0};
	static struct fg_wire wire;
	struct fg_perf_space *space = space_of_self(&modules, &files, &wire);
	static struct fg_bpf_sample sample;
	struct fg_perf_record record = {.regs = regs, .stack = copy};
	size_t before = 0;

	assert_int_equal(deeper(3), 3);
	/* The copy holds some of our callers, not main's: each longer one shows as many or more. */
	for (size_t len = 0; len <= 3072; len += 256) {
		record.stack_bytes = len;
		memset(&sample, 0, offsetof(struct fg_bpf_sample, frames));
		fg_perf_space_unwind(space, (uint32_t)getpid(), &record, &sample);
		assert_true(sample.user_count >= 1 && sample.user_count >= before);
		if (sample.result != FG_BPF_COMPLETE)
			assert_int_equal(sample.result, FG_BPF_READ_FAULT);
		assert_int_equal(sample.guessed, 0);
		before = sample.user_count;
	}
	assert_true(before >= 5); /* capture, deeper × 4 … */
	/* An address in no mapping. */
	regs[8] = 16;
	fg_perf_space_unwind(space, (uint32_t)getpid(), &record, &sample);
	assert_int_equal(sample.result, FG_BPF_NO_MAPPING);
	fg_perf_space_unref(space);
	fg_perf_files_done(&files);
	fg_modules_done(&modules);
	fg_wire_done(&wire);
}

static void test_dwfl_without_modules(void **state)
{
	(void)state;
	struct fg_dwfl *dwfl;
	struct fg_dwfl_stack stack;
	struct fg_err err;
	const struct fg_dwfl_input input = {.regs = regs, .stack = copy, .stack_bytes = 16};
	int text = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	assert_int_equal(fg_dwfl_new(&dwfl, &err), 0);
	assert_int_equal(fg_dwfl_add(dwfl, "maps", text, 0, &err), -FG_E_INVALID);
	assert_int_equal(fg_dwfl_add(dwfl, "none", -1, 0, &err), -FG_E_IO);
	assert_int_equal(fg_dwfl_seal(dwfl, &err), -FG_E_NO_DATA);
	fg_dwfl_unwind(dwfl, &input, &stack);
	assert_int_equal(stack.count, 1);
	assert_int_equal(stack.result, FG_BPF_NO_MAPPING);
	fg_dwfl_free(dwfl);
	close(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_sample_without_user_part),
		cmocka_unit_test(test_hostile_samples),
		cmocka_unit_test(test_other_records),
		cmocka_unit_test(test_image_has_the_files_rows),
		cmocka_unit_test(test_hostile_images),
		cmocka_unit_test(test_cut_copies_are_told),
		cmocka_unit_test(test_dwfl_without_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
