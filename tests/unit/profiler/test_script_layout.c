/* SPDX-License-Identifier: Apache-2.0 */
/* Where interpreters keep things: tables of versions, and offsets that a target publishes. */
#include <string.h>

#include "gate/base/attr.h"
#include "profiler/script_layout.h"
#include "tests/kit/kit.h"

enum { BASE = 0x10000 };

static void test_versions(void **state)
{
	static const struct {
		uint32_t kind;
		uint8_t major, minor;
		int rc;
	} cases[] = {
		{FG_RUNTIME_PYTHON, 3, 7, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_PYTHON, 3, 8, 0},
		{FG_RUNTIME_PYTHON, 3, 9, 0},
		{FG_RUNTIME_PYTHON, 3, 10, 0},
		{FG_RUNTIME_PYTHON, 3, 11, 0},
		{FG_RUNTIME_PYTHON, 3, 12, 0},
		{FG_RUNTIME_PYTHON, 3, 13, -FG_E_INVALID}, /* without its table of offsets */
		{FG_RUNTIME_PYTHON, 3, 14, -FG_E_INVALID},
		{FG_RUNTIME_PYTHON, 3, 15, -FG_E_INVALID},
		{FG_RUNTIME_PYTHON, 3, 16, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_PYTHON, 2, 7, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_PYTHON, 0, 0, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_PHP, 7, 4, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_PHP, 8, 0, 0},
		{FG_RUNTIME_PHP, 8, 2, 0},
		{FG_RUNTIME_PHP, 8, 4, 0},
		{FG_RUNTIME_PHP, 8, 5, -FG_E_UNSUPPORTED},
		{FG_RUNTIME_RUBY, 3, 1, -FG_E_UNSUPPORTED},
		{77, 3, 11, -FG_E_UNSUPPORTED},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_script_layout layout = {.runtime = 99};
		struct fg_err err;
		int rc = fg_script_layout_make(cases[i].kind,
					       FG_SCRIPT_VERSION(cases[i].major, cases[i].minor),
					       BASE, NULL, &layout, &err);

		if (rc != cases[i].rc)
			fail_msg("%u.%u: %d", cases[i].major, cases[i].minor, rc);
		if (rc)
			assert_int_equal(layout.runtime, 99);
		else
			assert_true(layout.bpf.frame_bytes < FG_SCRIPT_FRAME_BYTES &&
				    layout.bpf.code_bytes < FG_SCRIPT_CODE_BYTES);
	}
}

/* Words as CPython 3.13.0, 3.14.10 and 3.15.2 have them; the rest is not read. */
static void fill_debug(uint64_t debug[FG_SCRIPT_DEBUG_WORDS], unsigned minor)
{
	static const uint16_t of_3_13[] = {
		[5] = 632,  [8] = 7264, [9] = 7344, [21] = 8,   [23] = 72,  [24] = 152,
		[29] = 8,   [30] = 0,   [31] = 56,  [33] = 70,  [35] = 112, [36] = 120,
		[37] = 128, [38] = 136, [39] = 68,  [43] = 200, [45] = 8,   [65] = 16,
		[66] = 32,  [68] = 32,  [69] = 16,  [70] = 40,
	};
	static const uint16_t of_3_14[] = {
		[5] = 808,  [8] = 7272, [9] = 7344, [24] = 8,   [26] = 72,  [27] = 152,
		[32] = 8,   [33] = 0,   [34] = 56,  [36] = 74,  [40] = 112, [41] = 120,
		[42] = 128, [43] = 136, [44] = 68,  [48] = 208, [51] = 8,   [75] = 16,
		[76] = 32,  [78] = 32,  [79] = 16,  [80] = 40,
	};
	static const uint16_t of_3_15[] = {
		[5] = 936,  [8] = 7264, [9] = 7336, [24] = 8,   [26] = 72,  [30] = 176,
		[40] = 8,   [41] = 0,   [42] = 56,  [44] = 74,  [48] = 112, [49] = 120,
		[50] = 128, [51] = 136, [52] = 68,  [56] = 208, [59] = 8,   [87] = 16,
		[88] = 32,  [90] = 32,  [91] = 16,  [92] = 40,
	};
	static const struct {
		const uint16_t *words;
		size_t count;
	} tables[] = {
		{of_3_13, FG_ARRAY_LEN(of_3_13)},
		{of_3_14, FG_ARRAY_LEN(of_3_14)},
		{of_3_15, FG_ARRAY_LEN(of_3_15)},
	};

	memset(debug, 0, FG_SCRIPT_DEBUG_WORDS * sizeof(*debug));
	for (size_t i = 0; i < tables[minor - 13].count; i++)
		debug[i] = tables[minor - 13].words[i];
	memcpy(debug, "xdebugpy", 8);
	debug[1] = 3ull << 24 | (uint64_t)minor << 16 | 0x00f0;
}

static int make_debug(const uint64_t *debug, unsigned minor, struct fg_script_layout *layout)
{
	struct fg_err err;

	return fg_script_layout_make(FG_RUNTIME_PYTHON, FG_SCRIPT_VERSION(3, minor), BASE, debug,
				     layout, &err);
}

static void test_debug_offsets(void **state)
{
	uint64_t debug[FG_SCRIPT_DEBUG_WORDS];
	struct fg_script_layout layout;

	(void)state;
	static const struct {
		uint32_t head, threads, owner, thread_id, instr;
	} expected[] = {
		{632, 7344, 70, 152, 200}, {808, 7344, 74, 152, 208}, {936, 7336, 74, 176, 208}};

	for (unsigned minor = 13; minor <= 15; minor++) {
		fill_debug(debug, minor);
		assert_int_equal(make_debug(debug, minor, &layout), 0);
		assert_int_equal(layout.bpf.head, BASE + expected[minor - 13].head);
		assert_int_equal(layout.bpf.interp_threads, expected[minor - 13].threads);
		assert_int_equal(layout.bpf.thread_frame, 72);
		assert_int_equal(layout.bpf.thread_id, expected[minor - 13].thread_id);
		assert_int_equal(layout.bpf.frame_owner, expected[minor - 13].owner);
		assert_int_equal(layout.bpf.code_instr, expected[minor - 13].instr);
		assert_int_equal(layout.bpf.code_start + layout.bpf.code_name, 120);
		assert_int_equal(layout.bpf.code_start + layout.bpf.code_line, 68);
		assert_int_equal(layout.bytes_data, 32);
		assert_int_equal(layout.wide_data, 56);
		assert_int_equal(layout.lines, FG_LINES_LOCATIONS);
		debug[2] = 1; /* free-threaded */
		assert_int_equal(make_debug(debug, minor, &layout), 0);
		assert_int_equal(layout.lines, minor == 13 ? FG_LINES_LOCATIONS : FG_LINES_NONE);
		assert_int_equal(make_debug(debug, minor == 13 ? 14 : 13, &layout), -FG_E_INVALID);
	}
	fill_debug(debug, 13);
	debug[0] ^= 1;
	assert_int_equal(make_debug(debug, 13, &layout), -FG_E_INVALID);
}

/* Whatever a target writes there: an error, or offsets inside the buffers. */
static void test_hostile_debug_offsets(void **state)
{
	static const uint64_t values[] = {1,     63,    127,     128,        4095,      65528,
					  65535, 65536, 1 << 20, 1ull << 40, UINT64_MAX};
	uint64_t debug[FG_SCRIPT_DEBUG_WORDS];
	size_t refused = 0;

	(void)state;
	for (unsigned minor = 13; minor <= 15; minor++) {
		for (size_t word = 3; word < FG_SCRIPT_DEBUG_WORDS; word++) {
			for (size_t v = 0; v < FG_ARRAY_LEN(values); v++) {
				struct fg_script_layout layout;

				fill_debug(debug, minor);
				debug[word] = values[v];
				if (make_debug(debug, minor, &layout) != 0) {
					refused++;
					continue;
				}
				const struct fg_bpf_script *bpf = &layout.bpf;

				assert_true(bpf->frame_bytes < FG_SCRIPT_FRAME_BYTES);
				assert_true(bpf->frame_code + 8 <= bpf->frame_bytes);
				assert_true(bpf->frame_previous + 8 <= bpf->frame_bytes);
				assert_true(bpf->frame_owner < bpf->frame_bytes);
				assert_true(bpf->code_bytes < FG_SCRIPT_CODE_BYTES);
				assert_true(bpf->code_name + 8 <= bpf->code_bytes);
				assert_true(bpf->code_file + 8 <= bpf->code_bytes);
				assert_true(bpf->code_line + 4 <= bpf->code_bytes);
			}
		}
	}
	assert_true(refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_debug_offsets),
		cmocka_unit_test(test_hostile_debug_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
