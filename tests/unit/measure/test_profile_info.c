/* SPDX-License-Identifier: Apache-2.0 */
/* When the numbers of a profile may be judged. */
#include "tests/kit/kit.h"

#include <string.h>

#include "gate/measure/result.h"
#include "gate/profile/profile.h"

static struct fg_profile_info good(void)
{
	return (struct fg_profile_info){
		.present = true,
		.samples = 10000,
		.complete = 10000,
		.frequency_hz = 499,
		.samples_per_cpu_s = 499,
	};
}

static void test_fault(void **state)
{
	static const struct {
		const char *expected; /* "": none */
		uint64_t samples, complete, lost, kernel_only;
		double rate;
	} cases[] = {
		{"", 10000, 10000, 0, 0, 499},
		{"", 10000, 9900, 0, 0, 499},
		{"has 98.9 % complete stacks, needs 99 %", 10000, 9899, 0, 0, 499},
		{"", 10000, 5000, 0, 5000, 499}, /* nothing to complete */
		{"has 0.0 % complete stacks, needs 99 %", 10000, 0, 0, 10000, 499},
		{"has 0.0 % complete stacks, needs 99 %", 0, 0, 0, 0, 0},
		{"", 10000, 10000, 10, 0, 499},
		{"lost 0.11 % of its samples, at most 0.1 %", 10000, 10000, 11, 0, 499},
		{"took 300 samples per CPU second at 499 Hz", 10000, 10000, 0, 0, 300},
		{"took 700 samples per CPU second at 499 Hz", 10000, 10000, 0, 0, 700},
		{"", 10000, 10000, 0, 0, 410},
		{"", 10000, 10000, 0, 0, 0}, /* the target's CPU time is unknown */
		{"", 25, 25, 0, 0, 200},     /* too few to say */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile_info info = good();
		char text[200] = "not written";

		info.samples = cases[i].samples;
		info.complete = cases[i].complete;
		info.lost = cases[i].lost;
		info.incomplete_by[FG_STACK_KERNEL_ONLY] = cases[i].kernel_only;
		info.samples_per_cpu_s = cases[i].rate;
		bool has = fg_profile_info_fault(&info, text, sizeof(text));

		if (strcmp(text, cases[i].expected) != 0)
			fail_msg("%zu: \"%s\", not \"%s\"", i, text, cases[i].expected);
		assert_int_equal(has, cases[i].expected[0] != '\0');
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(fg_loss_name(FG_LOSS_RING), "ring");
	assert_string_equal(fg_loss_name(FG_LOSS_LIMIT), "limit");
	assert_string_equal(fg_loss_name(FG_LOSS_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
