/* SPDX-License-Identifier: Apache-2.0 */
/* kallsyms for a client that may not know where the kernel lies. */
#include "tests/kit/kit.h"

#include <string.h>

#include "profiler/kernel_names.h"

static const char usual[] = "0000000000000000 A fixed_percpu_data\n"
			    "ffffffff9e000000 T startup_64\n"
			    "ffffffff9e000000 T _text\n"
			    "ffffffff9e001000 t helper.isra.0\n"
			    "ffffffff9f000000 D some_data\n"
			    "ffffffffc0001000 t ext4_open\t[ext4]\n"
			    "ffffffff9e002000 W weak_one";

static void test_shifted(void **state)
{
	static const char expected[] = "0000000001000000 T startup_64\n"
				       "0000000001000000 T _text\n"
				       "0000000001001000 t helper.isra.0\n"
				       "0000010000000000 t ext4_open\t[ext4]\n"
				       "0000000001002000 W weak_one\n";
	struct fg_err err = {0};
	struct fg_buf out;
	struct fg_kernel_names shifted = {0};

	(void)state;
	assert_ok(fg_kernel_names_shift(usual, sizeof(usual) - 1, &out, &shifted, &err), &err);
	assert_string_equal(out.data, expected);
	fg_buf_done(&out);
	const struct fg_kernel_names hidden = {.hidden = true}, plain = {0};

	/* samples and names move together */
	assert_int_equal(fg_kernel_names_address(&shifted, 0xffffffff9e001010), 0x1001010);
	assert_int_equal(fg_kernel_names_address(&shifted, 0xffffffffc0001010), (1ull << 40) + 16);
	assert_int_equal(fg_kernel_names_address(&hidden, 0xffffffff9e001010), 0);
	assert_int_equal(fg_kernel_names_address(&plain, 0xffffffff9e001010), 0xffffffff9e001010);
}

/* Modules lie close to an address that is the same everywhere: were they moved as far as the
 * kernel, they would tell how far that was. */
static void test_no_distance(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"ffffffff9e000000 T _text\nffffffffc0123000 t probe\t[one]\n",
		 "0000000001000000 T _text\n0000010000000000 t probe\t[one]\n"},
		{"ffffffff81000000 T _text\nffffffffc0055000 t probe\t[one]\n",
		 "0000000001000000 T _text\n0000010000000000 t probe\t[one]\n"},
		/* right behind the image, and before it */
		{"ffffffff9e000000 T _text\nffffffff9e001000 t probe\t[bpf]\n",
		 "0000000001000000 T _text\n0000010000000000 t probe\t[bpf]\n"},
		{"ffffffff9e000000 T _text\nffff800000001000 t probe\t[bpf]\n",
		 "0000000001000000 T _text\n0000010000000000 t probe\t[bpf]\n"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_kernel_names names = {0};
		struct fg_err err = {0};
		struct fg_buf out;

		assert_ok(fg_kernel_names_shift(cases[i].text, strlen(cases[i].text), &out, &names,
						&err),
			  &err);
		assert_string_equal(out.data, cases[i].expected);
		fg_buf_done(&out);
	}
	/* something was loaded since, and nothing was before: its place is not told at all */
	const struct fg_kernel_names bare = {
		.shift = 0x1d000000, .image_start = 0x1e000000, .image_end = 0x1f000000};

	assert_int_equal(fg_kernel_names_address(&bare, 0x1e000010), 0x1000010);
	assert_int_equal(fg_kernel_names_address(&bare, 0x50000000), 0);
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\n",
		"ffffffff9e000000 T startup_64\n",
		"0000000000000000 T _text\n", /* hidden */
		"0000000000ffffff T _text\n",
		"ffffffff9e000000 T _text_too\n",
		"ffffffff9e000000 t _text\n",
		"ffffffff9e000000 T _text\t[module]\n",
		"zfffffff9e000000 T _text\n",
		"ffffffff9e000000  T _text\n",
		"ffffffff9e000000",
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct fg_buf out;
		struct fg_kernel_names names = {.shift = 77};
		int rc = fg_kernel_names_shift(cases[i], strlen(cases[i]), &out, &names, &err);

		if (rc != -FG_E_NO_DATA)
			fail_msg("\"%s\": %d", cases[i], rc);
		assert_int_equal(names.shift, 77);
		fg_buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_no_distance),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
