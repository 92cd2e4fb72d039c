/* SPDX-License-Identifier: Apache-2.0 */
/* The step machine and the lane on a scripted engine: what is sent, when it was due, how it ends.
 */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/load/lane.h"
#include "tests/unit/load/load_kit.h"

/* -- an engine that answers by a script, only when told ------------------------------------------
 */

enum { FAKE_VUS_MAX = 16 };

struct fg_engine_vu {
	bool running;
	uint64_t due_ns;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
	unsigned resets, starts;
	char url[64];
};

struct fg_engine {
	struct fg_engine_vu vus[FAKE_VUS_MAX];
	size_t count;
	bool refuse; /* start() fails */
};

static int fake_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		       struct fg_err *err)
{
	(void)err;
	(void)slots;
	assert_true(engine->count < FAKE_VUS_MAX);
	*ret = &engine->vus[engine->count++];
	return 0;
}

static void fake_vu_free(struct fg_engine_vu *vu)
{
	(void)vu;
}

static void fake_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	(void)connection;
	vu->resets++;
}

static struct fg_engine fake;

static int fake_start(struct fg_engine_vu *vu, unsigned slot,
		      const struct fg_engine_request *request,
		      void (*on_done)(void *context, const struct fg_engine_response *response),
		      void *context, struct fg_err *err)
{
	assert_int_equal(slot, 0);
	assert_false(vu->running);
	vu->starts++;
	if (fake.refuse)
		return fg_err_set(err, FG_E_INVALID, "refused");
	vu->running = true;
	vu->due_ns = request->due_ns;
	vu->on_done = on_done;
	vu->context = context;
	snprintf(vu->url, sizeof(vu->url), "%s", request->url);
	return 0;
}

static void answer(struct fg_engine_vu *vu, enum fg_net_error error, uint16_t status,
		   uint64_t end_ns)
{
	struct fg_engine_response response = {.error = error, .status = status, .end_ns = end_ns};

	assert_true(vu->running);
	vu->running = false;
	response.waiting_ns = 1000;
	vu->on_done(vu->context, &response);
}

static void fake_cancel(struct fg_engine_vu *vu)
{
	if (vu->running)
		answer(vu, FG_NET_UNFINISHED, 0, fg_clock_monotonic_ns());
}

static const struct fg_engine_ops fake_ops = {
	.name = "fake",
	.vu_new = fake_vu_new,
	.vu_free = fake_vu_free,
	.vu_reset = fake_vu_reset,
	.start = fake_start,
	.cancel = fake_cancel,
};

/* -- one lane on a loop
 * ------------------------------------------------------------------------------ */

struct bench {
	struct load_file lf;
	uv_loop_t loop;
	struct fg_pacer pacer;
	struct fg_meter meter;
	struct fg_registry registry;
	struct fg_vu_env env;
	struct fg_program *program;
	struct fg_lane *lane;
	uint64_t start_ns;
	bool done;
};

static void on_done(void *context)
{
	((struct bench *)context)->done = true;
}

static struct fg_slice *never_swap(void *context, struct fg_slice *full)
{
	(void)context;
	(void)full;
	return NULL;
}

static char trace_text[1024];

static void trace(const struct fg_vu *vu, enum fg_vu_state from, enum fg_vu_event event)
{
	const size_t used = strlen(trace_text);

	(void)vu;
	(void)from;
	snprintf(trace_text + used, sizeof(trace_text) - used, "%s ", fg_vu_event_names[event]);
}

static void on_ready(void *context)
{
	(void)context;
}

static void bench_start(struct bench *b)
{
	struct fg_lane_options options = {.env = &b->env,
					  .part = {.shards = 1, .workers = 1},
					  .on_ready = on_ready,
					  .on_done = on_done};
	struct fg_err err;

	fake = (struct fg_engine){.count = 0};
	trace_text[0] = '\0';
	assert_int_equal(uv_loop_init(&b->loop), 0);
	assert_ok(fg_pacer_init(&b->pacer, &b->loop, &err), &err);
	assert_ok(fg_pacer_reserve(&b->pacer, 64, &err), &err);
	fg_registry_init(&b->registry);
	assert_ok(fg_scenario_register(&b->lf.file, "fake", &b->registry, &err), &err);
	assert_ok(fg_slice_new(&b->registry, NULL, &b->meter.slice, &err), &err);
	b->meter.swap = never_swap;
	b->env = (struct fg_vu_env){
		.pacer = &b->pacer, .meter = &b->meter, .seed = 1, .trace = trace};
	assert_ok(fg_program_new(&b->lf.file, 0, &b->registry, "http://h/base/", &b->program, &err),
		  &err);
	assert_ok(fg_vu_env_init(&b->env, &err), &err);
	b->program->ops = &fake_ops;
	b->program->engine = &fake;
	options.program = b->program;
	options.context = b;
	assert_ok(fg_lane_new(&options, &b->lane, &err), &err);
	b->start_ns = fg_clock_monotonic_ns();
	fg_meter_start(&b->meter, b->start_ns);
	fg_lane_prepare(b->lane, b->start_ns);
	fg_lane_start(b->lane, b->start_ns);
}

static void bench_stop(struct bench *b)
{
	if (!b->done)
		fg_lane_stop(b->lane, fg_clock_monotonic_ns());
	assert_true(b->done);
	assert_int_equal(b->meter.lost, 0);
	fg_lane_free(b->lane);
	fg_program_free(b->program);
	fg_vu_env_done(&b->env);
	fg_slice_free(b->meter.slice);
	fg_registry_done(&b->registry);
	fg_pacer_close(&b->pacer);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	fg_pacer_done(&b->pacer);
	assert_int_equal(uv_loop_close(&b->loop), 0);
}

/* Turns the loop until `count` requests run (each turn blocks until a timer is due). */
static void until_running(struct bench *b, size_t count)
{
	for (;;) {
		size_t running = 0;

		for (size_t i = 0; i < fake.count; i++)
			running += fake.vus[i].running;
		if (running == count)
			return;
		uv_run(&b->loop, UV_RUN_ONCE);
	}
}

static struct fg_scenario_slice *counts(struct bench *b)
{
	return &b->meter.slice->scenarios[0];
}

/* -- tests
 * --------------------------------------------------------------------------------------------------
 */

static void test_every_move(void **state)
{
	static const struct {
		enum fg_vu_state from;
		enum fg_vu_event event;
		enum fg_vu_state to;
	} allowed[] = {
		{FG_VU_IDLE, FG_VU_BEGIN, FG_VU_RUNNING},
		{FG_VU_RUNNING, FG_VU_SEND, FG_VU_WAITING},
		{FG_VU_RUNNING, FG_VU_THINK, FG_VU_THINKING},
		{FG_VU_RUNNING, FG_VU_END, FG_VU_IDLE},
		{FG_VU_WAITING, FG_VU_RESPONSE, FG_VU_RUNNING},
		{FG_VU_WAITING, FG_VU_CUT, FG_VU_CUTTING},
		{FG_VU_THINKING, FG_VU_WAKE, FG_VU_RUNNING},
		{FG_VU_THINKING, FG_VU_CUT, FG_VU_IDLE},
		{FG_VU_CUTTING, FG_VU_RESPONSE, FG_VU_IDLE},
	};

	(void)state;
	for (int from = 0; from < FG_VU_STATE_COUNT; from++) {
		assert_non_null(fg_vu_state_names[from]);
		for (int event = 0; event < FG_VU_EVENT_COUNT; event++) {
			enum fg_vu_state expected = FG_VU_STATE_COUNT;

			for (size_t i = 0; i < FG_ARRAY_LEN(allowed); i++) {
				if ((int)allowed[i].from == from && (int)allowed[i].event == event)
					expected = allowed[i].to;
			}
			assert_int_equal(fg_vu_next_state((enum fg_vu_state)from,
							  (enum fg_vu_event)event),
					 expected);
		}
	}
}

static void test_due_times(void **state)
{
	struct bench b = {.done = false};
	uint64_t first_due, end;

	(void)state;
	load_file_init(&b.lf);
	load_file_arrival(&b.lf, 1, 10 * FG_NS_PER_S, 1, 1)->arrivals = FG_ARRIVALS_UNIFORM;
	load_file_request(&b.lf, "GET", "/a");
	load_file_think(&b.lf, 3 * FG_NS_PER_MS, 3 * FG_NS_PER_MS);
	load_file_request(&b.lf, "GET", "/b");
	load_file_request(&b.lf, "GET", "/c");
	bench_start(&b);
	until_running(&b, 1);
	first_due = fake.vus[0].due_ns;
	assert_int_equal(first_due, b.start_ns); /* the schedule's, not the moment of sending */
	assert_string_equal(fake.vus[0].url, "http://h/base/a");
	end = fg_clock_monotonic_ns();
	answer(&fake.vus[0], FG_NET_OK, 200, end);
	until_running(&b, 1);
	assert_int_equal(fake.vus[0].due_ns, end + 3 * FG_NS_PER_MS);
	end = fg_clock_monotonic_ns();
	answer(&fake.vus[0], FG_NET_OK, 200, end);
	assert_true(fake.vus[0].running); /* no think: at once */
	assert_int_equal(fake.vus[0].due_ns, end);
	answer(&fake.vus[0], FG_NET_OK, 204, fg_clock_monotonic_ns());
	assert_int_equal(counts(&b)->iterations, 1);
	assert_int_equal(counts(&b)->iteration_duration.count, 1);
	assert_int_equal(fake.vus[0].resets, 1);
	assert_string_equal(trace_text,
			    "begin send response think wake send response send response end ");
	bench_stop(&b);
}

static void test_expect_and_checks(void **state)
{
	static const struct {
		enum fg_net_error error;
		uint16_t status;
		bool passes;
		enum fg_net_error counted;
	} cases[] = {
		{FG_NET_OK, 200, true, FG_NET_OK},
		{FG_NET_OK, 299, true, FG_NET_OK},
		{FG_NET_OK, 302, false, FG_NET_OK},
		{FG_NET_OK, 404, false, FG_NET_HTTP_STATUS},
		{FG_NET_OK, 101, false, FG_NET_BAD_RESPONSE},
		{FG_NET_RESET, 200, false, FG_NET_RESET}, /* a half answer passes nothing */
		{FG_NET_TIMEOUT, 0, false, FG_NET_TIMEOUT},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct bench b = {.done = false};
		struct fg_step_http *http;
		const struct fg_class_slice *half;
		const bool expected = cases[i].counted == FG_NET_OK;

		load_file_init(&b.lf);
		load_file_arrival(&b.lf, 1, 10 * FG_NS_PER_S, 1, 1)->arrivals = FG_ARRIVALS_UNIFORM;
		http = load_file_request(&b.lf, "GET", "/a");
		http->expects = &b.lf.expect;
		http->expect_count = 1;
		b.lf.expect = (struct fg_condition){.status_low = 200, .status_high = 299};
		b.lf.check = (struct fg_check_spec){.name = b.lf.names[0],
						    .condition = {.status_low = 200,
								  .status_high = 299}};
		http->checks = &b.lf.check;
		http->check_count = 1;
		load_file_request(&b.lf, "GET", "/b");
		bench_start(&b);
		until_running(&b, 1);
		answer(&fake.vus[0], cases[i].error, cases[i].status, fg_clock_monotonic_ns());
		assert_int_equal(fake.vus[0].running, cases[i].passes);
		assert_int_equal(counts(&b)->iterations, cases[i].passes ? 0 : 1);
		assert_int_equal(b.meter.slice->checks[0].passes, cases[i].passes);
		assert_int_equal(b.meter.slice->checks[0].fails, !cases[i].passes);
		half = fg_slice_class(b.meter.slice, 0, expected);
		assert_int_equal(half->requests, 1);
		assert_int_equal(half->failed, !expected);
		if (!expected)
			assert_int_equal(half->errors[cases[i].counted], 1);
		assert_int_equal(half->trends[FG_TREND_RESPONSE_TIME].lower_bounds,
				 cases[i].error == FG_NET_TIMEOUT);
		bench_stop(&b);
	}
}

/* Three events while the only VU is busy: served in order, each with its own due time. */
static void test_queue_is_first_in_first_out(void **state)
{
	struct bench b = {.done = false};

	(void)state;
	load_file_init(&b.lf);
	load_file_arrival(&b.lf, 500, 100 * FG_NS_PER_S, 1, 1)->arrivals = FG_ARRIVALS_UNIFORM;
	load_file_request(&b.lf, "GET", "/e#n");
	bench_start(&b);
	until_running(&b, 1);
	while (counts(&b)->scheduled < 3)
		uv_run(&b.loop, UV_RUN_ONCE);
	assert_int_equal(fake.vus[0].starts, 1);
	for (unsigned k = 0; k < 3; k++) {
		char url[32];

		snprintf(url, sizeof(url), "http://h/base/e%u", k);
		assert_string_equal(fake.vus[0].url, url);
		assert_int_equal(fake.vus[0].due_ns, b.start_ns + k * 2 * FG_NS_PER_MS);
		answer(&fake.vus[0], FG_NET_OK, 200, fg_clock_monotonic_ns());
	}
	bench_stop(&b);
	assert_true(fake.vus[0].starts <= 4);
}

static void test_ramp_down_reuses_a_running_vu(void **state)
{
	struct fg_stage stages[] = {{20 * FG_NS_PER_MS, 2},
				    {0, 0},
				    {20 * FG_NS_PER_MS, 0},
				    {0, 1},
				    {5 * FG_NS_PER_S, 1}};
	struct bench b = {.done = false};
	struct fg_scenario *s;
	unsigned starts;

	(void)state;
	load_file_init(&b.lf);
	s = load_file_vus(&b.lf, 0, 0);
	s->executor = FG_EXEC_RAMPING_VUS;
	s->start_vus = 2;
	s->stages = stages;
	s->stage_count = FG_ARRAY_LEN(stages);
	s->duration_ns = 5040 * FG_NS_PER_MS;
	s->graceful_ramp_down_ns = 60 * FG_NS_PER_MS;
	load_file_request(&b.lf, "GET", "/");
	bench_start(&b);
	until_running(&b, 2);
	starts = fake.vus[0].starts;
	while (b.lane->active != 0)
		uv_run(&b.loop, UV_RUN_ONCE);
	assert_true(fake.vus[0].running && fake.vus[1].running); /* gracefulRampDown */
	while (b.lane->active != 1)
		uv_run(&b.loop, UV_RUN_ONCE);
	until_running(&b, 1); /* the second one is cut when its 60 ms are over */
	assert_true(fake.vus[0].running);
	assert_false(fake.vus[1].running);
	assert_int_equal(fake.vus[0].starts, starts); /* its iteration was never stopped */
	assert_int_equal(counts(&b)->interrupted, 1);
	assert_false(fg_timer_is_set(&b.lane->vus[0]->cut_timer));
	answer(&fake.vus[0], FG_NET_OK, 200, fg_clock_monotonic_ns());
	assert_true(fake.vus[0].running); /* and it goes on */
	bench_stop(&b);
}

static void test_nothing_can_be_sent(void **state)
{
	struct bench b = {.done = false};

	(void)state;
	load_file_init(&b.lf);
	load_file_vus(&b.lf, 2, 10 * FG_NS_PER_S);
	load_file_think(&b.lf, 0, 0);
	load_file_request(&b.lf, "GET", "/");
	bench_start(&b);
	fake.refuse = true;
	while (counts(&b)->iterations < 50) /* fails, but the loop keeps its turn */
		uv_run(&b.loop, UV_RUN_ONCE);
	assert_int_equal(fg_slice_class(b.meter.slice, 0, false)->errors[FG_NET_BAD_URL],
			 counts(&b)->iterations);
	bench_stop(&b);
}

static void test_thinking_is_cut(void **state)
{
	struct bench b = {.done = false};

	(void)state;
	load_file_init(&b.lf);
	load_file_vus(&b.lf, 3, 10 * FG_NS_PER_S);
	load_file_think(&b.lf, 100 * FG_NS_PER_S, 100 * FG_NS_PER_S);
	load_file_request(&b.lf, "GET", "/");
	bench_start(&b);
	while (b.lane->busy < 3)
		uv_run(&b.loop, UV_RUN_ONCE);
	bench_stop(&b);
	assert_string_equal(trace_text, "begin think begin think begin think cut cut cut ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_move),
		cmocka_unit_test(test_due_times),
		cmocka_unit_test(test_expect_and_checks),
		cmocka_unit_test(test_queue_is_first_in_first_out),
		cmocka_unit_test(test_ramp_down_reuses_a_running_vu),
		cmocka_unit_test(test_nothing_can_be_sent),
		cmocka_unit_test(test_thinking_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
