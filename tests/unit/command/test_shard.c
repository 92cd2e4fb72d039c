/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of --shard and --start-at. */
#include "tests/kit/kit.h"

#include "runner/run/shard.h"

#define NOW (1795270000 * FG_NS_PER_S) /* 2026-11-21T14:06:40Z */

static void test_shards(void **state)
{
	static const struct {
		const char *text;
		int index; /* < 0: refused */
		unsigned count;
	} cases[] = {
		{NULL, 0, 1},
		{"1/1", 0, 1},
		{"1/3", 0, 3},
		{"3/3", 2, 3},
		{"7/64", 6, 64},
		{"", -1, 0},
		{"1", -1, 0},
		{"/3", -1, 0},
		{"1/", -1, 0},
		{"0/3", -1, 0},
		{"4/3", -1, 0},
		{"1/65", -1, 0},
		{"a/b", -1, 0},
		{"1/3/5", -1, 0},
		{"-1/3", -1, 0},
		{"1/ 3", -1, 0},
		{"1/18446744073709551617", -1, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		unsigned index = 99, count = 99;
		struct fg_err err;
		const int rc = fg_shard_parse(cases[i].text, &index, &count, &err);

		if (cases[i].index < 0) {
			assert_int_equal(rc, -FG_E_USAGE);
			assert_int_equal(index, 99);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(index, cases[i].index);
		assert_int_equal(count, cases[i].count);
	}
}

static void test_start_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t after_now_ns; /* 0: refused */
	} cases[] = {
		{"1795270001", FG_NS_PER_S},
		{"1795270000.25", FG_NS_PER_S / 4},
		{"2026-11-21T14:06:41Z", FG_NS_PER_S},
		{"2026-11-21T14:06:40.5Z", FG_NS_PER_S / 2},
		{"2026-11-21T16:06:41+02:00", FG_NS_PER_S},
		{"2026-11-21 09:36:41-04:30", FG_NS_PER_S},
		{"2026-11-22T14:06:40Z", 24 * 3600 * FG_NS_PER_S},
		{"2026-11-22T14:06:41Z", 0}, /* over a day */
		{"1795270000", 0},           /* now is past */
		{"1795269999", 0},
		{"2026-11-21T14:06:39Z", 0},
		{"", 0},
		{"soon", 0},
		{"1795270001.", 0},
		{"1795270001s", 0},
		{"17952700010000000000000", 0},
		{"-1795270001", 0},
		{"2026-11-21T14:06:41", 0},
		{"2026-13-21T14:06:41Z", 0},
		{"2026-11-21T24:06:41Z", 0},
		{"2026-11-21T14:06:41Zx", 0},
		{"2026-11-21T14:06:41+2:00", 0},
		{"2026-11-2", 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		uint64_t at_ns = 7;
		struct fg_err err;
		const int rc = fg_shard_start_at(cases[i].text, NOW, &at_ns, &err);

		if (rc != (cases[i].after_now_ns ? 0 : -FG_E_USAGE))
			fail_msg("%s: %d", cases[i].text, rc);
		if (!rc)
			assert_int_equal(at_ns - NOW, cases[i].after_now_ns);
	}
}

static void test_seeds(void **state)
{
	(void)state;
	assert_int_equal(fg_shard_seed("00000000000000ff1111111111111111"), 0xff);
	assert_int_equal(fg_shard_seed(""), 1);
	assert_int_equal(fg_shard_seed("00000000000000000000000000000000"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shards),
		cmocka_unit_test(test_start_times),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
