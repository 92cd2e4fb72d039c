/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's side without BPF: rates, rights, and clients that talk nonsense. */
#include "tests/kit/kit.h"

#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "profiler/bpf/shared.h"
#include "profiler/helper.h"
#include "profiler/labels.h"
#include "profiler/rights.h"
#include "profiler/wire.h"
#include "profiler/wire.pb-c.h"

static void test_prime(void **state)
{
	(void)state;
	static const uint32_t cases[][2] = {
		{0, 2},
		{1, 2},
		{2, 2},
		{4, 3},
		{99, 97},
		{100, 97},
		{499, 499},
		{500, 499},
		{997, 997},
		{1000, 997},
		{9973, 9973},
		{9974, 9973},
		{25, 23},
		{49, 47},
		{10000, 9973},
		{1u << 31, 9973},
		{UINT32_MAX, 9973},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_int_equal(fg_helper_prime(cases[i][0]), cases[i][1]);
}

/* Two percent of the target's CPU, and only of one that works. */
static void test_labels_too_dear(void **state)
{
	static const struct {
		uint64_t cost_us, target_ms;
		bool dear;
	} cases[] = {
		{0, 0, false},          {1000000, 0, false}, {99999, 99, false},
		{1999, 100, false},     {2000, 100, false},  {2001, 100, true},
		{39999, 2000, false},   {40100, 2000, true}, {0, 1000000, false},
		{1u << 30, 2000, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_int_equal(fg_labels_too_dear(cases[i].cost_us * 1000,
						    cases[i].target_ms * FG_NS_PER_MS),
				 cases[i].dear);
}

/* One of each pair samples; which one must not follow a rhythm that the target could have too. */
static void test_slices(void **state)
{
	(void)state;
	enum { PAIRS = 10000 };
	int first_on = 0, changes = 0;

	for (uint64_t pair = 0; pair < PAIRS; pair++) {
		bool first = fg_helper_slice_on(2 * pair);

		assert_int_equal(fg_helper_slice_on(2 * pair + 1), !first);
		first_on += first;
		changes += pair && first != fg_helper_slice_on(2 * pair - 2);
	}
	assert_in_range(first_on, PAIRS * 48 / 100, PAIRS * 52 / 100);
	assert_in_range(changes, PAIRS * 48 / 100, PAIRS * 52 / 100);
}

static void test_rights(void **state)
{
	(void)state;
	char text[FG_RIGHTS_TEXT_MAX];
	struct fg_err err = {0};

	assert_ok(fg_rights_check_target((uint32_t)getpid(), &err), &err);
	assert_int_equal(fg_rights_check_target(4194303, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(fg_rights_fix(text), "sudo setcap cap_bpf,cap_perfmon"));
}

/* What the client says in one breath; the stream then ends. */
static void talk(const void *bytes, size_t len, int expected, const char *what)
{
	struct fg_err err = {0};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	if (len)
		assert_int_equal(write(ends[1], bytes, len), (ssize_t)len);
	assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
	int rc = fg_helper_serve(ends[0], &err);

	if (rc != expected)
		fail_msg("%s: %d, not %d (%s)", what, rc, expected, err.message);
	close(ends[1]);
}

static void test_nonsense(void **state)
{
	(void)state;
	talk("", 0, 0, "says nothing and goes");
	talk("\xff\xff\xff\xff\x01\x00", 6, -FG_E_INVALID, "4 GiB");
	talk("\x00\x00\x00\x00\x63\x00", 6, -FG_E_INVALID, "unknown type");
	talk("\x00\x00\x00\x00\x02\x00", 6, -FG_E_INVALID, "START without HELLO");
	talk("\x00\x00\x00\x00\x08\x00", 6, -FG_E_INVALID, "ENABLE without START");
	talk("\x00\x00\x00\x00\x03\x00", 6, -FG_E_INVALID, "READY from a client");
	talk("\x01\x00\x00\x00\x01\x00\xff", 7, -FG_E_INVALID, "broken HELLO");
	talk("\x00\x00\x00\x00\x01\x00", 6, -FG_E_UNSUPPORTED, "HELLO of protocol 0");
	talk("\x00\x00\x00\x00\x09\x00", 6, 0, "STOP at once");
	/* HELLO (protocol 2, abi 2), then START without a process */
	talk("\x04\x00\x00\x00\x01\x00\x08\x02\x10\x02\x00\x00\x00\x00\x02\x00", 16, -FG_E_USAGE,
	     "nobody to profile");
	/* … and START of pid 4194303 */
	talk("\x04\x00\x00\x00\x01\x00\x08\x02\x10\x02"
	     "\x06\x00\x00\x00\x02\x00\x0a\x04\xff\xff\xff\x01",
	     22, -FG_E_NOT_FOUND, "nobody there");
	/* … and START with slices of 1000 ns */
	talk("\x04\x00\x00\x00\x01\x00\x08\x02\x10\x02"
	     "\x06\x00\x00\x00\x02\x00\x0a\x01\x01\x18\xe8\x07",
	     22, -FG_E_USAGE, "slices too short");
	static_assert(FG_WIRE_PROTOCOL == 2 && FG_BPF_ABI == 2, "the bytes above say 2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prime),           cmocka_unit_test(test_slices),
		cmocka_unit_test(test_labels_too_dear), cmocka_unit_test(test_rights),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
