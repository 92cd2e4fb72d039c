/* SPDX-License-Identifier: Apache-2.0 */
/* Waits as a client takes them: which stack, which weight, and what a lying helper gets. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/proc.h"
#include "tests/unit/profiler/client_stage.h"

#define MS FG_NS_PER_MS

static void end(struct fg_waits *waits, uint32_t tid, uint64_t out_ns, uint64_t end_ns,
		uint64_t site, uint64_t how)
{
	const struct fg_raw_sample sample = {.time_ns = end_ns, .tgid = 1, .tid = tid};
	const uint64_t words[FG_WAIT_WORDS] = {out_ns, site, how};
	struct fg_err err = {0};

	assert_ok(fg_waits_end(waits, &sample, end_ns - out_ns, words, &err), &err);
}

static void stack(struct fg_waits *waits, uint32_t tid, uint64_t out_ns, uint64_t site,
		  uint32_t index)
{
	struct fg_err err = {0};

	assert_ok(fg_waits_stack(waits, tid, out_ns, site, index, &err), &err);
}

static void total(struct fg_waits *waits, uint32_t tid, uint64_t ns)
{
	const struct fg_raw_sample sample = {.time_ns = 900 * MS, .tgid = 1, .tid = tid};
	const uint64_t words[FG_WAIT_WORDS] = {0, 0, FG_WAIT_TOTAL};
	struct fg_err err = {0};

	assert_ok(fg_waits_end(waits, &sample, ns, words, &err), &err);
}

static double sum_ns(const struct fg_waits *waits)
{
	double sum = 0;

	for (size_t i = 0; i < waits->count; i++)
		sum += waits->items[i].weight *
		       (double)(waits->items[i].end_ns - waits->items[i].out_ns);
	return sum;
}

static void settle(struct fg_waits *waits)
{
	struct fg_err err = {0};

	assert_ok(fg_waits_settle(waits, NULL, 0, &err), &err);
}

static void assert_about(double got, double expected)
{
	if (got < expected * 0.999999 || got > expected * 1.000001)
		fail_msg("%.9g instead of %.9g", got, expected);
}

/* Nothing was left out: each counts as it is. */
static void test_certain(void **state)
{
	struct fg_waits waits = {0};

	(void)state;
	stack(&waits, 7, 10 * MS, 99, 3);
	end(&waits, 7, 10 * MS, 15 * MS, 99, FG_WAIT_CERTAIN | FG_WAIT_HAS_STACK);
	settle(&waits);
	assert_int_equal(waits.count, 1);
	assert_int_equal(waits.items[0].stack, 3);
	assert_true(waits.items[0].has_own);
	assert_about(sum_ns(&waits), 5 * MS);
	fg_waits_done(&waits);
}

/* Of short waits one in eight came; the thread's account says what all were. */
static void test_short(void **state)
{
	const uint64_t how = (FG_WAIT_CERTAIN / 8) | FG_WAIT_HAS_STACK;
	struct fg_waits waits = {0};

	(void)state;
	for (uint32_t tid = 1; tid <= 2; tid++) {
		stack(&waits, tid, 10 * MS, 5, tid);
		end(&waits, tid, 10 * MS, 11 * MS, 5, how);
		stack(&waits, tid, 20 * MS, 5, tid);
		end(&waits, tid, 20 * MS, 23 * MS, 5, how);
	}
	total(&waits, 1, 40 * MS); /* by probability alone it would be 32 */
	settle(&waits);
	assert_about(sum_ns(&waits), 40 * MS + 32 * MS);
	/* equal parts stay equal parts */
	assert_about(waits.items[0].weight, 10);
	assert_about(waits.items[1].weight, 10);
	assert_about(waits.items[2].weight, 8); /* a helper that was killed tells no total */
	fg_waits_done(&waits);
}

/* Known only by its account: the time is there, the place is not. */
static void test_short_without_stack(void **state)
{
	struct fg_waits waits = {0};

	(void)state;
	total(&waits, 4, 30 * MS);
	total(&waits, 5, 0);
	settle(&waits);
	assert_int_equal(waits.count, 1);
	assert_int_equal(waits.items[0].stack, FG_WAITS_NO_STACK);
	assert_about(sum_ns(&waits), 30 * MS);
	fg_waits_done(&waits);
}

/* All long waits came, a few with their stack: the sum is exact, the stacks share it. */
static void test_long(void **state)
{
	struct fg_waits waits = {0};

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t out_ns = (100 + 10 * i) * MS;
		bool has_stack = i == 2 || i == 5;

		if (has_stack)
			stack(&waits, 7, out_ns, 99, i == 2 ? 40 : 50);
		end(&waits, 7, out_ns, out_ns + 5 * MS, 99,
		    FG_WAIT_LONG | FG_WAIT_CERTAIN / 4 | (has_stack ? FG_WAIT_HAS_STACK : 0));
	}
	settle(&waits);
	assert_about(sum_ns(&waits), 50 * MS);
	assert_about(waits.items[2].weight, 5);
	assert_about(waits.items[5].weight, 5);
	assert_about(waits.items[0].weight + 1, 1);
	fg_waits_done(&waits);
}

/* Each phase keeps the time of its long waits, wherever those lie whose stacks are known. */
static void test_long_in_phases(void **state)
{
	static const struct fg_profiler_phase phases[] = {{"warmup", 100 * MS, 200 * MS},
							  {"measure", 200 * MS, 300 * MS}};
	struct fg_waits waits = {0};
	struct fg_err err = {0};
	double sums_ns[2] = {0, 0};

	(void)state;
	for (uint64_t i = 0; i < 20; i++) { /* the eleventh lies across the border: 198…203 ms */
		uint64_t out_ns = (98 + 10 * i) * MS;
		bool has_stack = i == 4 || i == 7;

		if (has_stack)
			stack(&waits, 7, out_ns, 99, 40);
		end(&waits, 7, out_ns, out_ns + 5 * MS, 99,
		    FG_WAIT_LONG | FG_WAIT_CERTAIN / 8 | (has_stack ? FG_WAIT_HAS_STACK : 0));
	}
	assert_ok(fg_waits_settle(&waits, phases, FG_ARRAY_LEN(phases), &err), &err);
	for (size_t i = 0; i < waits.count; i++)
		for (size_t k = 0; k < FG_ARRAY_LEN(phases); k++) {
			uint64_t from_ns = FG_MAX(waits.items[i].out_ns, phases[k].start_ns);
			uint64_t to_ns = FG_MIN(waits.items[i].end_ns, phases[k].end_ns);

			if (from_ns < to_ns)
				sums_ns[k] += waits.items[i].weight * (double)(to_ns - from_ns);
		}
	assert_about(sums_ns[0], (3 + 9 * 5 + 2) * MS);
	assert_about(sums_ns[1], (3 + 9 * 5) * MS);
	assert_about(sum_ns(&waits), 100 * MS);
	assert_about(waits.items[4].weight, 4.5);
	assert_int_equal(waits.items[15].stack, 40); /* borrowed of its site */
	assert_true(waits.items[15].borrowed);
	fg_waits_done(&waits);
}

/* A wait of seconds among the group's milliseconds is a group of its own. */
static void test_long_of_another_size(void **state)
{
	struct fg_waits waits = {0};

	(void)state;
	stack(&waits, 7, 10 * MS, 99, 40);
	end(&waits, 7, 10 * MS, 15 * MS, 99, FG_WAIT_LONG | FG_WAIT_CERTAIN | FG_WAIT_HAS_STACK);
	end(&waits, 7, 20 * MS, 3020 * MS, 99, FG_WAIT_LONG | 16);
	end(&waits, 8, 20 * MS, 3020 * MS, 99, FG_WAIT_LONG | 16); /* another thread's site */
	end(&waits, 7, 20 * MS, 3020 * MS, 0, FG_WAIT_LONG | FG_WAIT_PREEMPTED | 16);
	settle(&waits);
	assert_about(waits.items[0].weight, 1);
	assert_about(waits.items[1].weight, 1);
	assert_int_equal(waits.items[1].stack, 40); /* borrowed of its site */
	assert_true(waits.items[1].borrowed);
	assert_int_equal(waits.items[2].stack, FG_WAITS_NO_STACK);
	assert_int_equal(waits.items[3].stack, FG_WAITS_NO_STACK); /* preempted: no place */
	assert_about(sum_ns(&waits), 9005 * MS);
	fg_waits_done(&waits);
}

/* The stack that the end names never came (the ring was full). */
static void test_stack_lost(void **state)
{
	struct fg_waits waits = {0};

	(void)state;
	end(&waits, 7, 10 * MS, 15 * MS, 99, FG_WAIT_LONG | FG_WAIT_CERTAIN | FG_WAIT_HAS_STACK);
	stack(&waits, 7, 30 * MS, 99, 41); /* whose end never comes */
	settle(&waits);
	assert_int_equal(waits.items[0].stack, 41); /* its site shows it later */
	assert_true(waits.items[0].borrowed);
	assert_about(sum_ns(&waits), 5 * MS);
	fg_waits_done(&waits);
}

static void test_nonsense(void **state)
{
	static const uint64_t hows[] = {0, FG_WAIT_CERTAIN + 1, FG_WAIT_LONG};
	struct fg_waits waits = {0};
	struct fg_raw_sample sample = {.time_ns = 5, .tid = 1};
	uint64_t words[FG_WAIT_WORDS] = {6, 1, FG_WAIT_CERTAIN};

	(void)state;
	assert_int_equal(fg_waits_end(&waits, &sample, 1, words, NULL), -FG_E_INVALID);
	words[FG_WAIT_OUT_NS] = 1;
	for (size_t i = 0; i < FG_ARRAY_LEN(hows); i++) {
		words[FG_WAIT_HOW] = hows[i];
		assert_int_equal(fg_waits_end(&waits, &sample, 1, words, NULL), -FG_E_INVALID);
	}
	assert_int_equal(waits.count, 0);
	settle(&waits);
	fg_waits_done(&waits);
}

/* -- through the stream -------------------------------------------------------------------------
 */

static void say_typed(struct stage *stage, uint32_t type, uint64_t time_ns, uint64_t value,
		      uint32_t user, const uint64_t *frames)
{
	Fg__Wire__Samples batch;
	uint64_t all[FG_SAMPLE_FRAMES] = {0};
	uint32_t one = 1, zero = 0, result = FG_BPF_KERNEL_ONLY;

	fg__wire__samples__init(&batch);
	memcpy(all, frames, user * sizeof(*frames));
	batch.n_time_ns = batch.n_tgid = batch.n_tid = batch.n_result = batch.n_guessed = 1;
	batch.n_kernel_count = batch.n_user_count = batch.n_script_count = batch.n_type = 1;
	batch.n_request = batch.n_value = 1;
	batch.time_ns = &time_ns;
	batch.tgid = batch.tid = &one;
	batch.result = &result;
	batch.guessed = batch.kernel_count = batch.script_count = batch.request = &zero;
	batch.user_count = &user;
	batch.type = &type;
	batch.value = &value;
	batch.n_frames = user;
	batch.frames = all;
	say(stage, FG_WIRE_SAMPLES, &batch.base);
}

static void test_stream(void **state)
{
	const uint64_t s = FG_NS_PER_S, frame = (uint64_t)FG_MODULE_FIRST << FG_FRAME_MODULE_SHIFT;
	const uint64_t wait[] = {2 * s + s / 2, 77,
				 FG_WAIT_CERTAIN | FG_WAIT_HAS_STACK | FG_WAIT_LONG};
	const uint64_t user[] = {frame | 0x1000, frame | 0x2000};
	static const struct fg_profiler_phase phases[] = {
		{"warmup", FG_NS_PER_S, 3 * FG_NS_PER_S},
		{"measure", 3 * FG_NS_PER_S, 6 * FG_NS_PER_S},
	};
	const struct fg_profiler_profile_options options = {
		.run_start_ns = FG_NS_PER_S, .phases = phases, .phase_count = 2};
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT];
	struct fg_profile_info info = {0};
	struct fg_err err = {0};
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	stage.client->types =
		1u << FG_PROFILE_OFFCPU | 1u << FG_PROFILE_WALL | 1u << FG_PROFILE_FAULTS;
	say_module(&stage, FG_MODULE_FIRST);
	say_sample(&stage, 4 * s, FG_BPF_COMPLETE, 0, 2, 2);
	say_typed(&stage, FG_SAMPLE_OFFCPU, wait[0], 77, 2, user);
	say_typed(&stage, FG_SAMPLE_WAIT, 4 * s + s / 2, 2 * s, FG_WAIT_WORDS, wait);
	say_typed(&stage, FG_SAMPLE_FAULT, 5 * s, 12, 2, user);
	assert_ok(fg_client_take(stage.client, &err), &err);
	assert_ok(fg_profiler_profile(stage.client, &options, profiles, &info, &err), &err);
	/* half a second of the wait lies before the measured phase */
	assert_int_equal(info.types[FG_PROFILE_OFFCPU].value, 1500000);
	assert_int_equal(info.wait_us[FG_WAIT_OTHER], 1500000);
	assert_int_equal(fg_profile_total_count(profiles[FG_PROFILE_OFFCPU]), 2000000);
	assert_int_equal(profiles[FG_PROFILE_OFFCPU]->period_ns, 1000);
	assert_int_equal(fg_profile_total_count(profiles[FG_PROFILE_WALL]), 2000000 + 2004);
	assert_int_equal(fg_profile_total_count(profiles[FG_PROFILE_FAULTS]), 12);
	assert_int_equal(fg_profile_total_count(profiles[FG_PROFILE_CPU]), 1);
	assert_int_equal(info.samples, 1);
	assert_int_equal(info.types[FG_PROFILE_FAULTS].value, 12);
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		assert_int_equal(profiles[i]->type, i);
		for (size_t k = 0; k < profiles[i]->sample_count; k++)
			assert_int_equal(profiles[i]->samples[k].side, 0);
		fg_profile_free(profiles[i]);
	}
	stage_close(&stage);
}

static void test_lies(void **state)
{
	static const struct {
		uint32_t types, type, user;
		const char *text;
	} cases[] = {
		{0, FG_SAMPLE_OFFCPU, 2, "nobody asked for"},
		{0, FG_SAMPLE_WAIT, FG_WAIT_WORDS, "nobody asked for"},
		{0, FG_SAMPLE_FAULT, 1, "nobody asked for"},
		{1u << FG_PROFILE_FAULTS, FG_SAMPLE_WAIT, FG_WAIT_WORDS, "nobody asked for"},
		{1u << FG_PROFILE_WALL, FG_SAMPLE_FAULT, 1, "nobody asked for"},
		{1u << FG_PROFILE_OFFCPU, FG_SAMPLE_WAIT, FG_WAIT_WORDS - 1, "malformed wait"},
		{1u << FG_PROFILE_OFFCPU, FG_SAMPLE_WAIT, FG_WAIT_WORDS + 1, "malformed wait"},
		{1u << FG_PROFILE_OFFCPU, FG_SAMPLE_WAIT, FG_WAIT_WORDS, "makes no sense"},
		{1u << FG_PROFILE_OFFCPU, FG_SAMPLE_TYPE_COUNT, 1, "malformed sample"},
	};
	const uint64_t frames[] = {1, 2, 0, 4};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct stage stage;

		stage_begin(&stage);
		stage.client->types = cases[i].types;
		say_typed(&stage, cases[i].type, 9, 8, cases[i].user, frames);
		assert_int_equal(fg_client_take(stage.client, &err), -FG_E_INVALID);
		if (!strstr(err.message, cases[i].text))
			fail_msg("case %zu: \"%s\"", i, err.message);
		stage_close(&stage);
	}
}

/* -- resident memory ----------------------------------------------------------------------------
 */

static void test_statm(void **state)
{
	static const struct {
		const char *text;
		uint64_t own, shared;
		bool bad;
	} cases[] = {
		{"100 30 10 1 0 5 0\n", 20 * 4096, 10 * 4096, false},
		{"0 0 0 0 0 0 0\n", 0, 0, false},
		{"1 2 3", 0, 2 * 4096, false}, /* counters that were read one after another */
		{"100 30", 0, 0, true},
		{"", 0, 0, true},
		{"a b c", 0, 0, true},
		{"1 -2 3", 0, 0, true},
		{"1 99999999999999999999 3", 0, 0, true},
		{"1 18446744073709551615 3", 0, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_proc_memory memory = {.own_bytes = 7};
		int rc = fg_proc_memory_parse(cases[i].text, strlen(cases[i].text), 4096, &memory,
					      NULL);

		assert_int_equal(rc, cases[i].bad ? -FG_E_INVALID : 0);
		assert_int_equal(memory.own_bytes, cases[i].bad ? 7 : cases[i].own);
		if (!rc)
			assert_int_equal(memory.shared_bytes, cases[i].shared);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certain),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_short_without_stack),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_long_in_phases),
		cmocka_unit_test(test_long_of_another_size),
		cmocka_unit_test(test_stack_lost),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_statm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
