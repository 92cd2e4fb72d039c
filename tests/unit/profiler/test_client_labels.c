/* SPDX-License-Identifier: Apache-2.0 */
/* Request classes at the client: the map's way here, what a helper may say when, and how samples
 * get their class and latency. */
#include "tests/unit/profiler/client_stage.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

static int map_fd(size_t bytes)
{
	int fd = memfd_create("labels", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

/* `fd` < 0: none. */
static void say_labels(struct stage *stage, bool has_fd, const char *problem, uint64_t off_ns,
		       int fd)
{
	Fg__Wire__Labels message = FG__WIRE__LABELS__INIT;
	char text[512];
	struct fg_err err = {0};

	(void)snprintf(text, sizeof(text), "%s", problem);
	message.has_fd = has_fd;
	message.problem = text;
	message.off_ns = off_ns;
	assert_ok(fg_wire_send(&stage->helper, FG_WIRE_LABELS, &message.base, fd, &err), &err);
	assert_ok(fg_wire_flush(&stage->helper, &err), &err);
}

static void begin_asking(struct stage *stage)
{
	*stage = (struct stage){0};
	stage_open(stage);
	fg_client_labels_ask(&stage->client->labels, true);
	say_hello(stage);
}

static void test_words_are_shared_and_outlive_the_helper(void **state)
{
	struct stage stage;
	struct fg_err err = {0};
	int fd = map_fd(sizeof(struct fg_bpf_labels)), mine = dup(fd);
	uint32_t word = 0;

	(void)state;
	begin_asking(&stage);
	say_labels(&stage, true, "", 0, fd);
	say_ready(&stage);
	assert_ok(fg_client_take(stage.client, &err), &err);
	uint32_t *words = fg_profiler_labels(stage.client);

	assert_non_null(words);
	assert_string_equal(fg_profiler_labels_problem(stage.client), "");
	words[65535] = 0xabcd;
	assert_int_equal(pread(mine, &word, sizeof(word), 65535 * 4), 4);
	assert_int_equal(word, 0xabcd);
	fg_wire_done(&stage.helper);
	assert_int_equal(fg_profiler_read(stage.client, &err), -FG_E_IO);
	words[0] = 7;
	assert_int_equal(pread(mine, &word, sizeof(word), 0), 4);
	assert_int_equal(word, 7);
	close(mine);
	fg_profiler_free(stage.client);
}

/* What is said in each case; the stream goes on. */
static void test_none_is_explained(void **state)
{
	static const struct {
		bool has_fd, send_fd;
		const char *problem, *told;
	} cases[] = {
		{false, false, "needs Linux 6.3 or newer", "needs Linux 6.3 or newer"},
		{true, false, "", "their map did not arrive"},
		{false, false, "", "their map did not arrive"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct stage stage;
		struct fg_profile_info info = {0};
		struct fg_err err = {0};

		begin_asking(&stage);
		say_labels(&stage, cases[i].has_fd, cases[i].problem, 0, -1);
		say_ready(&stage);
		assert_ok(fg_client_take(stage.client, &err), &err);
		assert_null(fg_profiler_labels(stage.client));
		assert_string_equal(fg_profiler_labels_problem(stage.client), cases[i].told);
		fg_client_labels_describe(&stage.client->labels, 0, &info);
		assert_false(info.labels);
		assert_string_equal(info.labels_problem, cases[i].told);
		stage_close(&stage);
	}
}

/* A source of samples that never answers; and nobody who asked. */
static void test_silence(void **state)
{
	struct stage stage;
	struct fg_profile_info info = {0};
	struct fg_err err = {0};

	(void)state;
	begin_asking(&stage);
	say_ready(&stage);
	assert_ok(fg_client_take(stage.client, &err), &err);
	assert_null(fg_profiler_labels(stage.client));
	assert_string_equal(fg_profiler_labels_problem(stage.client),
			    "this source of samples has none");
	stage_close(&stage);
	stage_begin(&stage);
	fg_client_labels_describe(&stage.client->labels, 0, &info);
	assert_string_equal(info.labels_problem, "");
	stage_close(&stage);
}

static void test_switched_off(void **state)
{
	struct stage stage;
	struct fg_profile_info info = {0};
	struct fg_err err = {0};

	(void)state;
	begin_asking(&stage);
	say_labels(&stage, true, "", 0, map_fd(sizeof(struct fg_bpf_labels)));
	say_ready(&stage);
	say_labels(&stage, false, "it took 2.4 %", 5 * FG_NS_PER_S + 100 * FG_NS_PER_MS, -1);
	assert_ok(fg_client_take(stage.client, &err), &err);
	assert_non_null(fg_profiler_labels(stage.client)); /* the generator may go on storing */
	fg_client_labels_describe(&stage.client->labels, 2 * FG_NS_PER_S, &info);
	assert_true(info.labels);
	assert_string_equal(info.labels_problem, "switched off 3.1 s into the run: it took 2.4 %");
	stage_close(&stage);
}

/* Anything else that a helper says about labels ends the conversation. */
static void test_what_is_refused(void **state)
{
	static const struct {
		bool asked;
		int count; /* messages */
		uint64_t off_ns[3];
	} cases[] = {
		{false, 1, {0}},      /* nobody asked */
		{true, 2, {0, 0}},    /* answered twice */
		{true, 1, {5}},       /* off before on */
		{true, 3, {0, 5, 6}}, /* off twice */
		{true, 3, {0, 5, 0}}, /* on again */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct stage stage = {0};
		struct fg_err err = {0};

		stage_open(&stage);
		fg_client_labels_ask(&stage.client->labels, cases[i].asked);
		say_hello(&stage);
		for (int k = 0; k < cases[i].count; k++)
			say_labels(&stage, true, "", cases[i].off_ns[k],
				   map_fd(sizeof(struct fg_bpf_labels)));
		assert_int_equal(fg_client_take(stage.client, &err), -FG_E_INVALID);
		assert_non_null(strstr(err.message, "malformed LABELS"));
		stage_close(&stage);
	}
	struct stage stage;
	struct fg_err err = {0};

	begin_asking(&stage); /* no protobuf */
	assert_int_equal(write(stage.helper.fd, "\x02\x00\x00\x00\x11\x00\xff\xff", 8), 8);
	assert_int_equal(fg_client_take(stage.client, &err), -FG_E_INVALID);
	stage_close(&stage);
}

/* -- samples ------------------------------------------------------------------------------------
 */

static uint64_t count_samples(const struct fg_profile *profile, const char *endpoint,
			      const char *latency)
{
	uint64_t count = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct fg_psample *sample = &profile->samples[i];

		if (strcmp(fg_profile_text(profile, sample->endpoint), endpoint) == 0 &&
		    strcmp(fg_profile_text(profile, sample->latency), latency) == 0)
			count += sample->count;
	}
	return count;
}

static void test_samples_get_class_and_latency(void **state)
{
	static const char *const classes[] = {"GET /items", "POST /login"};
	static const struct fg_profiler_phase phases[] = {
		{"measure", FG_NS_PER_S, 10 * FG_NS_PER_S}};
	/* Port 4000 from 2 s to 3 s, port 5000 from 4 s to 5 s. */
	const struct fg_request_entry slow[] = {
		{.send_ns = 4 * FG_NS_PER_S, .end_ns = 5 * FG_NS_PER_S, .port = 5000},
		{.send_ns = 2 * FG_NS_PER_S, .end_ns = 3 * FG_NS_PER_S, .port = 4000},
	};
	static const struct {
		uint64_t at_ms;
		uint32_t port, label;
	} samples[] = {
		{2500, 4000, 1}, /* slow */
		{2500, 5000, 1}, /* another's */
		{3500, 4000, 1}, /* after it */
		{4500, 5000, 2}, /* slow */
		{4500, 5000, 3}, /* no such class */
		{4500, 0, 0},    /* unknown */
		{5000, 5000, 2}, /* slow, at its end */
	};
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT];
	struct fg_profile_info info;
	struct fg_request_index *index = NULL;
	struct stage stage = {0};
	struct fg_err err = {0};

	(void)state;
	stage_begin(&stage);
	say_module(&stage, FG_MODULE_FIRST);
	for (size_t i = 0; i < FG_ARRAY_LEN(samples); i++) {
		stage.request = FG_REQUEST(samples[i].port, samples[i].label);
		say_sample(&stage, samples[i].at_ms * FG_NS_PER_MS, FG_BPF_COMPLETE, 0, 2, 2);
	}
	assert_ok(fg_client_take(stage.client, &err), &err);
	assert_ok(fg_request_index_new(slow, FG_ARRAY_LEN(slow), &index, &err), &err);
	const struct fg_profiler_profile_options options = {
		.run_start_ns = FG_NS_PER_S,
		.phases = phases,
		.phase_count = 1,
		.endpoints = classes,
		.endpoint_count = 2,
		.slow = index,
	};

	assert_ok(fg_profiler_profile(stage.client, &options, profiles, &info, &err), &err);
	const struct fg_profile *profile = profiles[FG_PROFILE_CPU];

	assert_int_equal(count_samples(profile, "GET /items", "slow"), 1);
	assert_int_equal(count_samples(profile, "GET /items", ""), 2);
	assert_int_equal(count_samples(profile, "POST /login", "slow"), 2);
	assert_int_equal(count_samples(profile, "", ""), 2);
	assert_int_equal(info.samples, 7);
	assert_int_equal(info.attributed, 5);
	fg_profile_free(profiles[FG_PROFILE_CPU]);
	fg_request_index_free(index);
	stage_close(&stage);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_shared_and_outlive_the_helper),
		cmocka_unit_test(test_none_is_explained),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_samples_get_class_and_latency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
