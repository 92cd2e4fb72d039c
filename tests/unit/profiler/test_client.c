/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a helper whose every word is scripted here. */
#include "tests/kit/kit.h"

#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "gate/base/clock.h"
#include "tests/unit/profiler/client_stage.h"

/* -- wrong words ----------------------------------------------------------------------------- */

static void wrong_ready_first(struct stage *stage)
{
	say_ready(stage);
}

static void wrong_hello_twice(struct stage *stage)
{
	say_hello(stage);
	say_hello(stage);
}

static void wrong_protocol(struct stage *stage)
{
	Fg__Wire__Hello hello;

	fg__wire__hello__init(&hello);
	hello.protocol = FG_WIRE_PROTOCOL + 1;
	hello.bpf_abi = FG_BPF_ABI;
	say(stage, FG_WIRE_HELLO, &hello.base);
}

static void wrong_abi(struct stage *stage)
{
	Fg__Wire__Hello hello;

	fg__wire__hello__init(&hello);
	hello.protocol = FG_WIRE_PROTOCOL;
	hello.bpf_abi = FG_BPF_ABI + 1;
	say(stage, FG_WIRE_HELLO, &hello.base);
}

static void wrong_ready_twice(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_ready(stage);
}

static void wrong_ready_without_rate(struct stage *stage)
{
	Fg__Wire__Ready ready;

	fg__wire__ready__init(&ready);
	say_hello(stage);
	say(stage, FG_WIRE_READY, &ready.base);
}

static void wrong_module_number(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_module(stage, FG_MODULE_FIRST + 1);
}

static void wrong_frames_missing(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_sample(stage, 1, FG_BPF_COMPLETE, 2, 5, 6);
}

static void wrong_frames_huge(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_sample(stage, 1, FG_BPF_COMPLETE, UINT32_MAX, 2, 1);
}

static void wrong_too_deep(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_sample(stage, 1, FG_BPF_COMPLETE, 300, 300, FG_SAMPLE_FRAMES);
}

static void wrong_result(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_sample(stage, 1, FG_BPF_RESULT_COUNT, 0, 1, 1);
}

static void wrong_columns(struct stage *stage)
{
	Fg__Wire__Samples batch;
	uint64_t times[2] = {1, 2};

	fg__wire__samples__init(&batch);
	say_hello(stage);
	say_ready(stage);
	batch.n_time_ns = 2;
	batch.time_ns = times;
	say(stage, FG_WIRE_SAMPLES, &batch.base);
}

static void wrong_stats_backwards(struct stage *stage)
{
	say_hello(stage);
	say_ready(stage);
	say_stats(stage, 10, 1, 0);
	say_stats(stage, 9, 1, 0);
}

static void say_slice(struct stage *stage, uint64_t time_ns, bool on, uint64_t cpu_ns)
{
	Fg__Wire__Slice slice = FG__WIRE__SLICE__INIT;

	slice.time_ns = time_ns;
	slice.on = on;
	slice.target_cpu_ns = cpu_ns;
	say(stage, FG_WIRE_SLICE, &slice.base);
}

static void say_borders(struct stage *stage, uint64_t slice_ns, uint64_t time_ns, uint64_t cpu_ns)
{
	stage->client->slice_ns = slice_ns;
	say_hello(stage);
	say_ready(stage);
	say_slice(stage, 2, true, 2);
	say_slice(stage, time_ns, false, cpu_ns);
}

static void wrong_slice_unasked(struct stage *stage)
{
	say_borders(stage, 0, 3, 3);
}

static void wrong_slice_backwards(struct stage *stage)
{
	say_borders(stage, FG_NS_PER_S, 1, 3);
}

static void wrong_slice_cpu_backwards(struct stage *stage)
{
	say_borders(stage, FG_NS_PER_S, 3, 1);
}

static void wrong_clients_word(struct stage *stage)
{
	Fg__Wire__Empty empty;

	fg__wire__empty__init(&empty);
	say_hello(stage);
	say(stage, FG_WIRE_STOP, &empty.base);
}

static void wrong_protobuf(struct stage *stage)
{
	static const char bytes[] = "\x03\x00\x00\x00\x06\x00\xff\xff\xff";

	say_hello(stage);
	say_ready(stage);
	assert_int_equal(write(stage->helper.fd, bytes, sizeof(bytes) - 1), sizeof(bytes) - 1);
}

static void wrong_end(struct stage *stage)
{
	say_hello(stage);
	assert_int_equal(shutdown(stage->helper.fd, SHUT_RDWR), 0);
}

static void says_no_permission(struct stage *stage)
{
	char text[] = "loading BPF programs was refused; fix: sudo setcap …";

	say_hello(stage);
	say_error(stage, FG_E_PERMISSION, text);
}

static void says_unknown_code(struct stage *stage)
{
	char text[] = "from the future";

	say_error(stage, 4000, text);
}

static void test_wrong_words(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		void (*script)(struct stage *);
		int expected;
		const char *text;
	} cases[] = {
		{"READY first", wrong_ready_first, -FG_E_INVALID, "greeting"},
		{"HELLO twice", wrong_hello_twice, -FG_E_INVALID, "twice"},
		{"other protocol", wrong_protocol, -FG_E_UNSUPPORTED, "same build"},
		{"other BPF layout", wrong_abi, -FG_E_UNSUPPORTED, "same build"},
		{"READY twice", wrong_ready_twice, -FG_E_INVALID, "READY"},
		{"READY without rate", wrong_ready_without_rate, -FG_E_INVALID, "READY"},
		{"module number", wrong_module_number, -FG_E_INVALID, "MODULE"},
		{"frames missing", wrong_frames_missing, -FG_E_INVALID, "sample"},
		{"huge frame count", wrong_frames_huge, -FG_E_INVALID, "sample"},
		{"too deep", wrong_too_deep, -FG_E_INVALID, "sample"},
		{"unknown result", wrong_result, -FG_E_INVALID, "sample"},
		{"columns", wrong_columns, -FG_E_INVALID, "SAMPLES"},
		{"stats backwards", wrong_stats_backwards, -FG_E_INVALID, "STATS"},
		{"slice nobody asked for", wrong_slice_unasked, -FG_E_INVALID, "SLICE"},
		{"slices backwards", wrong_slice_backwards, -FG_E_INVALID, "SLICE order"},
		{"CPU time backwards", wrong_slice_cpu_backwards, -FG_E_INVALID, "SLICE order"},
		{"a client's word", wrong_clients_word, -FG_E_INVALID, "message type"},
		{"broken protobuf", wrong_protobuf, -FG_E_INVALID, "SAMPLES"},
		{"ends early", wrong_end, -FG_E_IO, "ended unexpectedly"},
		{"no permission", says_no_permission, -FG_E_PERMISSION, "fix: sudo setcap"},
		{"unknown code", says_unknown_code, -FG_E_INTERNAL, "from the future"},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_err err = {0};
		struct stage stage;

		stage_open(&stage);
		cases[i].script(&stage);
		int rc = fg_client_take(stage.client, &err);

		if (rc != cases[i].expected || !strstr(err.message, cases[i].text))
			fail_msg("%s: %d (not %d), \"%s\"", cases[i].name, rc, cases[i].expected,
				 err.message);
		stage_close(&stage);
	}
}

/* -- right words ----------------------------------------------------------------------------- */

static void test_silence_times_out(void **state)
{
	(void)state;
	struct fg_err err = {0};
	struct stage stage;

	stage_open(&stage);
	assert_int_equal(fg_client_handshake(stage.client,
					     fg_clock_monotonic_ns() + 20 * FG_NS_PER_MS, &err),
			 -FG_E_TIMEOUT);
	stage_close(&stage);
}

static void build(struct stage *stage, struct fg_profile **profile, struct fg_profile_info *info)
{
	static const struct fg_profiler_phase phases[] = {
		{"warmup", 1 * FG_NS_PER_S, 2 * FG_NS_PER_S},
		{"measure", 2 * FG_NS_PER_S, 4 * FG_NS_PER_S},
	};
	struct fg_err err = {0};

	const struct fg_profiler_profile_options options = {
		.run_start_ns = FG_NS_PER_S, .phases = phases, .phase_count = 2};
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT];

	assert_ok(fg_profiler_profile(stage->client, &options, profiles, info, &err), &err);
	*profile = profiles[FG_PROFILE_CPU];
}

static uint64_t count_phase(const struct fg_profile *profile, const char *phase)
{
	uint64_t count = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		if (strcmp(fg_profile_text(profile, profile->samples[i].phase), phase) == 0)
			count += profile->samples[i].count;
	}
	return count;
}

static const char *root_name(const struct fg_profile *profile, const struct fg_pstack *stack)
{
	const struct fg_plocation *location =
		&profile->locations[profile->frames[stack->frame_start + stack->frame_count - 1]];
	uint32_t function =
		profile->lines[location->line_start + location->line_count - 1].function;

	return fg_profile_text(profile, profile->functions[function].name);
}

/* Killed in the middle of a message: what came before is kept, named and marked partial. */
static void test_killed_mid_stream(void **state)
{
	(void)state;
	const uint64_t s = FG_NS_PER_S;
	struct fg_profile_info info;
	struct fg_profile *profile;
	struct fg_err err = {0};
	struct stage stage;

	stage_begin(&stage);
	say_module(&stage, FG_MODULE_FIRST);
	say_stats(&stage, s, 0, 0);
	say_sample(&stage, s + s / 2, FG_BPF_COMPLETE, 0, 3, 3);
	say_sample(&stage, 2 * s + 1, FG_BPF_COMPLETE, 0, 3, 3);
	say_sample(&stage, 3 * s, FG_BPF_COMPLETE, 0, 3, 3);
	say_sample(&stage, 3 * s + 5, FG_BPF_READ_FAULT, 0, 2, 2);
	say_sample(&stage, 9 * s, FG_BPF_COMPLETE, 0, 1, 1);
	say_stats(&stage, 5 * s, 400, 40);
	assert_int_equal(write(stage.helper.fd, "\xff\x00\x00\x00\x06\x00zz", 8), 8);
	assert_int_equal(shutdown(stage.helper.fd, SHUT_RDWR), 0);
	assert_int_equal(fg_profiler_read(stage.client, &err), -FG_E_IO);
	assert_int_equal(fg_profiler_fd(stage.client), -1);
	assert_ok(fg_profiler_read(stage.client, &err), &err); /* told once */
	assert_int_equal(fg_profiler_samples(stage.client), 5);
	build(&stage, &profile, &info);
	assert_true(info.present);
	assert_true(info.partial);
	assert_non_null(strstr(info.why_absent, "ended unexpectedly"));
	assert_int_equal(info.samples, 3);
	assert_int_equal(info.complete, 2);
	assert_int_equal(info.incomplete_by[FG_STACK_READ_FAULT], 1);
	assert_int_equal(info.lost, 20); /* half of 4 s */
	assert_int_equal(info.target_cpu_ns, 200 * 1000);
	assert_true(info.unnamed_share > 0.99);
	assert_int_equal(count_phase(profile, "warmup"), 1);
	assert_int_equal(count_phase(profile, "measure"), 3);
	assert_int_equal(count_phase(profile, ""), 1);
	fg_profile_free(profile);
	stage_close(&stage);
}

static void test_cut_stack_gets_a_root(void **state)
{
	(void)state;
	struct fg_profile_info info;
	struct fg_profile *profile;
	struct fg_err err = {0};
	struct stage stage;
	size_t cut = 0;

	stage_begin(&stage);
	say_module(&stage, FG_MODULE_FIRST);
	say_sample(&stage, 3 * FG_NS_PER_S, FG_BPF_UNSUPPORTED, 0, 2, 2);
	say_sample(&stage, 3 * FG_NS_PER_S, FG_BPF_COMPLETE, 0, 2, 2);
	assert_ok(fg_client_take(stage.client, &err), &err);
	build(&stage, &profile, &info);
	for (size_t i = 0; i < profile->stack_count; i++) {
		bool is_cut = profile->stacks[i].result == FG_STACK_UNSUPPORTED;
		bool marked = strcmp(root_name(profile, &profile->stacks[i]), "[truncated]") == 0;

		assert_int_equal(is_cut, marked);
		cut += is_cut;
	}
	assert_int_equal(cut, 1);
	assert_false(info.partial);
	fg_profile_free(profile);
	stage_close(&stage);
}

static void say_notice(struct stage *stage, char *text)
{
	Fg__Wire__Notice notice;
	struct fg_err err = {0};

	fg__wire__notice__init(&notice);
	notice.text = text;
	say(stage, FG_WIRE_NOTICE, &notice.base);
	assert_ok(fg_client_take(stage->client, &err), &err);
}

/* Whatever the helper could not do reaches the report: all of it, each once. */
static void test_notices_are_told(void **state)
{
	(void)state;
	char spaces[] = "more than 1023 address spaces", files[] = "/lib/x.so: no rows";
	char cut[] = "a file \xc3", number[] = "notice 00";
	struct fg_profile_info info;
	struct fg_profile *profile;
	struct stage stage;

	stage_begin(&stage);
	say_notice(&stage, spaces);
	say_notice(&stage, files);
	say_notice(&stage, spaces);
	say_notice(&stage, cut);
	build(&stage, &profile, &info);
	assert_false(info.partial);
	assert_string_equal(info.why_absent, "");
	assert_int_equal(info.notices.count, 3);
	assert_string_equal(info.notices.texts[0], spaces);
	assert_string_equal(info.notices.texts[1], files);
	assert_string_equal(info.notices.texts[2], "a file \xef\xbf\xbd");
	fg_profile_free(profile);
	for (int i = 0; i < 40; i++) {
		number[7] = (char)('0' + i / 10);
		number[8] = (char)('0' + i % 10);
		say_notice(&stage, number);
	}
	build(&stage, &profile, &info);
	assert_int_equal(info.notices.count, FG_NOTICES_MAX);
	assert_string_equal(info.notices.texts[FG_NOTICES_MAX - 1],
			    "more than 15 notices: later ones are left out");
	fg_profile_free(profile);
	stage_close(&stage);
}

static void test_same_stacks_are_kept_once(void **state)
{
	(void)state;
	struct fg_err err = {0};
	struct stage stage;

	stage_begin(&stage);
	for (uint64_t i = 0; i < 300; i++) {
		say_sample(&stage, i, FG_BPF_COMPLETE, 1, (uint32_t)(i % 3), 1 + i % 3);
		assert_ok(fg_client_take(stage.client, &err), &err);
	}
	assert_int_equal(stage.client->samples.count, 300);
	assert_int_equal(stage.client->samples.stack_count, 3);
	assert_true(fg_profiler_complete_share(stage.client) > 0.999);
	stage_close(&stage);
}

static void test_stats_between(void **state)
{
	(void)state;
	struct fg_err err = {0};
	struct stage stage;

	stage_begin(&stage);
	say_stats(&stage, 100, 10, 0);
	say_stats(&stage, 200, 30, 4);
	assert_ok(fg_client_take(stage.client, &err), &err);
	static const struct {
		uint64_t time_ns, samples, lost;
	} cases[] = {{0, 0, 0}, {99, 0, 0}, {100, 10, 0}, {150, 20, 2}, {200, 30, 4}, {999, 30, 4}};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_client_stats at = fg_client_stats_at(stage.client, cases[i].time_ns);

		assert_int_equal(at.samples, cases[i].samples);
		assert_int_equal(at.lost, cases[i].lost);
	}
	stage_close(&stage);
}

static void test_slices_are_kept(void **state)
{
	(void)state;
	const struct fg_profiler_slice *slices;
	struct fg_err err = {0};
	struct stage stage;

	stage_begin(&stage);
	stage.client->slice_ns = FG_NS_PER_S;
	for (uint64_t i = 0; i < 100; i++)
		say_slice(&stage, 1000 + i, i % 2 == 0, 7 * i);
	assert_ok(fg_client_take(stage.client, &err), &err);
	assert_int_equal(fg_profiler_slices(stage.client, &slices), 100);
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(slices[i].time_ns == 1000 + i && slices[i].target_cpu_ns == 7 * i);
		assert_int_equal(slices[i].on, i % 2 == 0);
	}
	stage_close(&stage);
}

static void test_no_helper(void **state)
{
	(void)state;
	const uint32_t pids[] = {1};
	struct fg_profiler_options options = {
		.helper_path = "/nonexistent/helper", .pids = pids, .pid_count = 1};
	struct fg_profiler *profiler;
	struct fg_err err = {0};

	assert_int_equal(fg_profiler_start(&options, &profiler, &err), -FG_E_NOT_FOUND);
	options.helper_path = "/bin/true"; /* starts, says nothing, ends */
	assert_int_equal(fg_profiler_start(&options, &profiler, &err), -FG_E_IO);
	options.helper_path = "/etc/passwd";
	assert_int_equal(fg_profiler_start(&options, &profiler, &err), -FG_E_PERMISSION);
	assert_non_null(strstr(err.message, "fix:"));
	options.pid_count = 0;
	assert_int_equal(fg_profiler_start(&options, &profiler, &err), -FG_E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_words),
		cmocka_unit_test(test_silence_times_out),
		cmocka_unit_test(test_killed_mid_stream),
		cmocka_unit_test(test_cut_stack_gets_a_root),
		cmocka_unit_test(test_notices_are_told),
		cmocka_unit_test(test_same_stacks_are_kept_once),
		cmocka_unit_test(test_stats_between),
		cmocka_unit_test(test_slices_are_kept),
		cmocka_unit_test(test_no_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
