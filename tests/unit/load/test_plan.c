/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule: counts, order, jitter, shards, and k6's ramps. */
#include "tests/kit/kit.h"

#include <string.h>

#include "runner/load/plan.h"
#include "gate/base/random.h"
#include "runner/load/think.h"

static struct fg_scenario arrival(uint64_t rate, uint64_t unit_ns, uint64_t duration_ns)
{
	return (struct fg_scenario){
		.name = "s",
		.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
		.rate = rate,
		.time_unit_ns = unit_ns,
		.duration_ns = duration_ns,
		.pre_allocated_vus = 1,
		.max_vus = 10,
	};
}

static void test_known_counts(void **state)
{
	static const struct {
		uint64_t rate, unit_ns, duration_ns, events;
	} cases[] = {
		{30, FG_NS_PER_S, 30 * FG_NS_PER_S, 900}, /* k6: 900 or 901 */
		{1, FG_NS_PER_S, FG_NS_PER_S, 1},
		{200, FG_NS_PER_S, 60 * FG_NS_PER_S, 12000},
		{3, 7 * FG_NS_PER_S, 20 * FG_NS_PER_S, 9}, /* 8.57…: the ninth is due at 18.67 s */
		{1, 60 * FG_NS_PER_S, 30 * FG_NS_PER_S, 1},
		{7, FG_NS_PER_S, FG_NS_PER_S + 1, 8}, /* one is due at exactly 1 s */
		{7, FG_NS_PER_S, FG_NS_PER_S, 7},
		{1000000, FG_NS_PER_S, 3600 * FG_NS_PER_S, 3600000000ull},
		{3000000000ull, FG_NS_PER_S, 1000, 3000}, /* several in one nanosecond */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario s =
			arrival(cases[i].rate, cases[i].unit_ns, cases[i].duration_ns);

		assert_int_equal(fg_plan_events(&s), cases[i].events);
	}
}

/* For every schedule: exactly the k with floor(k × unit / rate) < duration are events. */
static void check_schedule(const struct fg_scenario *s)
{
	const uint64_t events = fg_plan_events(s);
	const uint64_t sample = FG_MIN(events, 500ull);
	const struct fg_plan_part whole = {.shards = 1, .workers = 1};
	struct fg_plan_cursor cursor;

	assert_true(events > 0);
	assert_int_equal(fg_plan_due_ns(s, 0), 0);
	assert_int_equal(fg_plan_due_ns(s, events - 1),
			 (fg_plan_area)(events - 1) * s->time_unit_ns / s->rate);
	assert_true(fg_plan_due_ns(s, events - 1) < s->duration_ns);
	assert_true((fg_plan_area)events * s->time_unit_ns / s->rate >= s->duration_ns);
	fg_plan_cursor_init(&cursor, s, &whole, 42);
	for (uint64_t k = 0; k < sample; k++) {
		const uint64_t due = fg_plan_due_ns(s, k);

		assert_int_equal(due, (fg_plan_area)k * s->time_unit_ns / s->rate);
		assert_int_equal(cursor.event, k);
		assert_true(cursor.due_ns >= due);
		assert_true(cursor.due_ns <= FG_MIN(fg_plan_due_ns(s, k + 1), s->duration_ns));
		if (s->arrivals == FG_ARRIVALS_UNIFORM)
			assert_int_equal(cursor.due_ns, due);
		fg_plan_cursor_next(&cursor);
	}
}

static void check_parts(const struct fg_scenario *s, unsigned shards, unsigned workers)
{
	const uint64_t events = fg_plan_events(s);
	unsigned char owner[3000] = {0};
	uint64_t seen = 0;

	for (unsigned i = 0; i < shards * workers; i++) {
		const struct fg_plan_part part = {i / workers, shards, i % workers, workers};

		for (uint64_t k = fg_plan_event_of_part(s, 0, &part); k < events;
		     k = fg_plan_event_of_part(s, k + 1, &part)) {
			assert_int_equal(owner[k]++, 0);
			assert_true(fg_plan_vus_of_part(s->max_vus, &part) > 0);
			if (shards == 1 && s->max_vus % workers == 0)
				assert_int_equal(k % workers, part.worker);
			seen++;
		}
	}
	assert_int_equal(seen, events);
}

static void test_schedule_properties(void **state)
{
	static const uint64_t units[] = {FG_NS_PER_S, FG_NS_PER_MS, 60 * FG_NS_PER_S, 333333333ull};
	struct fg_random random;
	unsigned schedules = 0;

	(void)state;
	fg_random_init(&random, 7, 0, 0);
	for (unsigned i = 0; i < 400; i++) {
		const uint64_t unit = units[i % FG_ARRAY_LEN(units)];
		const uint64_t rate = 1 + fg_random_next(&random) % (i % 3 ? 1000 : 100000);
		const uint64_t duration =
			FG_NS_PER_S + fg_random_next(&random) % (100 * FG_NS_PER_S);
		struct fg_scenario s = arrival(rate, unit, duration);

		s.max_vus = 1 + i % 12;
		s.arrivals = i % 5 ? FG_ARRIVALS_JITTERED : FG_ARRIVALS_UNIFORM;
		check_schedule(&s);
		for (unsigned parts = 0; parts < 15 && fg_plan_events(&s) <= 3000; parts++)
			if (s.max_vus > parts % 3)
				check_parts(&s, 1 + parts % 3, 1 + parts / 3);
		schedules++;
	}
	assert_true(schedules >= 200);
}

static void test_jitter_fills_the_slot(void **state)
{
	struct fg_scenario s = arrival(100, FG_NS_PER_S, 100 * FG_NS_PER_S);
	const struct fg_plan_part whole = {.shards = 1, .workers = 1};
	struct fg_plan_cursor a, b;
	unsigned quarters[4] = {0};
	unsigned differ = 0;

	(void)state;
	fg_plan_cursor_init(&a, &s, &whole, 1);
	fg_plan_cursor_init(&b, &s, &whole, 2);
	for (uint64_t k = 0; k < 10000; k++) {
		quarters[(a.due_ns - fg_plan_due_ns(&s, k)) * 4 / 10000000]++;
		differ += a.due_ns != b.due_ns;
		fg_plan_cursor_next(&a);
		fg_plan_cursor_next(&b);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(quarters[i], 2300, 2700);
	assert_true(differ > 9990);
	assert_int_equal(a.due_ns, UINT64_MAX);
}

/* Iterations that are counted out: every one belongs to one part that has a VU for it. */
static void test_counted_iterations(void **state)
{
	char name[] = "i";

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		struct fg_scenario s = {.name = name,
					.executor = i % 2 ? FG_EXEC_SHARED_ITERATIONS
							  : FG_EXEC_PER_VU_ITERATIONS,
					.vus = 1 + i % 13,
					.iterations = 1 + i * 7 % 101,
					.max_duration_ns = FG_NS_PER_S};
		const unsigned shards = 1 + i % 4, workers = 1 + i / 4 % 5;
		uint64_t sum = 0, numbers = 0, vus = 0;

		assert_int_equal(fg_plan_check(&s, NULL), 0);
		for (unsigned p = 0; p < shards * workers; p++) {
			const struct fg_plan_part part = {p / workers, shards, p % workers,
							  workers};
			uint64_t k = fg_plan_event_of_part(&s, 0, &part);

			sum += fg_plan_iterations_of_part(&s, &part);
			vus += fg_plan_vus_of_part(s.vus, &part);
			for (uint64_t v = 0; v < fg_plan_vus_of_part(s.vus, &part); v++)
				assert_true(fg_plan_vu_number(v, &part) < s.vus);
			for (; k < s.iterations; k = fg_plan_event_of_part(&s, k + 1, &part))
				numbers++;
		}
		assert_int_equal(vus, s.vus);
		assert_int_equal(sum, fg_plan_iterations(&s));
		if (s.executor == FG_EXEC_SHARED_ITERATIONS)
			assert_int_equal(numbers, s.iterations);
	}
}

/* k6's getRawExecutionSteps() for one instance, restated with a list of steps: the oracle. */
struct oracle {
	uint64_t time_ns[4096];
	uint64_t vus[4096];
	size_t count;
};

static void oracle_add(struct oracle *o, uint64_t time_ns, uint64_t vus)
{
	if (o->count && o->vus[o->count - 1] == vus)
		return;
	assert_true(o->count < FG_ARRAY_LEN(o->vus));
	o->time_ns[o->count] = time_ns;
	o->vus[o->count++] = vus;
}

static void oracle_build(struct oracle *o, const struct fg_scenario *s)
{
	int64_t from = (int64_t)s->start_vus;
	int64_t end = 0;

	o->count = 0;
	oracle_add(o, 0, s->start_vus);
	for (size_t i = 0; i < s->stage_count; i++) {
		const int64_t to = (int64_t)s->stages[i].target;
		const int64_t duration = (int64_t)s->stages[i].duration_ns;
		const int64_t diff = to - from;

		end += duration;
		if (diff && !duration)
			oracle_add(o, (uint64_t)end, (uint64_t)to);
		for (int64_t u = from; duration && diff < 0 && u > to; u--)
			oracle_add(o, (uint64_t)(end - duration * (to - u + 1) / diff),
				   (uint64_t)(u - 1));
		for (int64_t u = from; duration && diff > 0 && u <= to; u++)
			oracle_add(o, (uint64_t)(end - duration * (to - u) / diff), (uint64_t)u);
		from = to;
	}
	oracle_add(o, (uint64_t)end, 0);
}

static uint64_t oracle_at(const struct oracle *o, uint64_t t_ns)
{
	uint64_t vus = 0;

	for (size_t i = 0; i < o->count && o->time_ns[i] <= t_ns; i++)
		vus = o->vus[i];
	return vus;
}

static void compare_ramp(const struct fg_scenario *s)
{
	static struct oracle o;
	uint64_t t = 0;
	size_t changes = 0;

	oracle_build(&o, s);
	for (size_t i = 0; i < o.count; i++) {
		assert_int_equal(fg_plan_vus_at(s, o.time_ns[i]), oracle_at(&o, o.time_ns[i]));
		if (o.time_ns[i])
			assert_int_equal(fg_plan_vus_at(s, o.time_ns[i] - 1),
					 oracle_at(&o, o.time_ns[i] - 1));
	}
	while ((t = fg_plan_next_vu_change_ns(s, t)) != UINT64_MAX) {
		assert_int_not_equal(fg_plan_vus_at(s, t), fg_plan_vus_at(s, t - 1));
		assert_int_equal(fg_plan_vus_at(s, t), oracle_at(&o, t));
		assert_true(++changes <= o.count);
	}
}

static uint64_t sum_ns(const struct fg_stage *stages, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += stages[i].duration_ns;
	return sum;
}

static void test_ramps_as_k6(void **state)
{
	struct fg_random random;

	(void)state;
	fg_random_init(&random, 3, 1, 4);
	for (unsigned i = 0; i < 300; i++) {
		struct fg_stage stages[6];
		struct fg_scenario s = {.name = "r",
					.executor = FG_EXEC_RAMPING_VUS,
					.stages = stages,
					.start_vus = fg_random_next(&random) % 20,
					.stage_count = 1 + i % 6};

		for (size_t j = 0; j < s.stage_count; j++) {
			const uint64_t r = fg_random_next(&random);

			stages[j].target = r % 7 ? fg_random_next(&random) % 97 : 0;
			stages[j].duration_ns = r % 5 ? fg_random_next(&random) % 9000000001ull : 0;
		}
		s.duration_ns = sum_ns(stages, s.stage_count);
		compare_ramp(&s);
	}
}

static void test_ramp_by_hand(void **state)
{
	struct fg_stage stages[] = {{10 * FG_NS_PER_S, 10}, {0, 4}, {4 * FG_NS_PER_S, 0}};
	struct fg_scenario s = {.name = "r",
				.executor = FG_EXEC_RAMPING_VUS,
				.stages = stages,
				.stage_count = 3,
				.duration_ns = 14 * FG_NS_PER_S};

	(void)state;
	assert_int_equal(fg_plan_vus_at(&s, 0), 0);
	assert_int_equal(fg_plan_next_vu_change_ns(&s, 0), FG_NS_PER_S);
	assert_int_equal(fg_plan_vus_at(&s, FG_NS_PER_S), 1);
	assert_int_equal(fg_plan_vus_at(&s, 9999999999ull), 9);
	assert_int_equal(fg_plan_vus_at(&s, 10 * FG_NS_PER_S), 4); /* 10 for no time at all */
	assert_int_equal(fg_plan_vus_at(&s, 11 * FG_NS_PER_S), 3);
	assert_int_equal(fg_plan_vus_at(&s, 14 * FG_NS_PER_S), 0);
	assert_int_equal(fg_plan_max_vus(&s), 10);
}

static void test_constant_vus_and_ends(void **state)
{
	struct fg_scenario s = {.name = "c",
				.executor = FG_EXEC_CONSTANT_VUS,
				.vus = 7,
				.duration_ns = 5 * FG_NS_PER_S,
				.start_time_ns = 2 * FG_NS_PER_S,
				.graceful_stop_ns = 3 * FG_NS_PER_S};
	uint64_t total = 0;

	(void)state;
	assert_int_equal(fg_plan_vus_at(&s, 0), 7);
	assert_int_equal(fg_plan_next_vu_change_ns(&s, 0), 5 * FG_NS_PER_S);
	assert_int_equal(fg_plan_vus_at(&s, 5 * FG_NS_PER_S), 0);
	assert_int_equal(fg_plan_next_vu_change_ns(&s, 5 * FG_NS_PER_S), UINT64_MAX);
	assert_int_equal(fg_plan_regular_end_ns(&s), 7 * FG_NS_PER_S);
	assert_int_equal(fg_plan_hard_end_ns(&s), 10 * FG_NS_PER_S);
	s.graceful_stop_ns = UINT64_MAX;
	assert_int_equal(fg_plan_hard_end_ns(&s), UINT64_MAX);
	for (unsigned w = 0; w < 3; w++)
		total += fg_plan_vus_of_part(7, &(struct fg_plan_part){0, 1, w, 3});
	assert_int_equal(total, 7);
	assert_int_equal(fg_plan_vus_of_part(1, &(struct fg_plan_part){0, 1, 1, 2}), 0);
	assert_int_equal(fg_plan_events(&s), 0);
}

static void test_refused(void **state)
{
	static const struct {
		struct fg_scenario scenario;
		enum fg_err_code code;
	} cases[] = {
		{{.executor = FG_EXEC_SHARED_ITERATIONS, .vus = 1}, FG_E_INVALID},
		{{.executor = FG_EXEC_SHARED_ITERATIONS, .iterations = 1}, FG_E_INVALID},
		{{.executor = FG_EXEC_PER_VU_ITERATIONS, .vus = 1}, FG_E_INVALID},
		{{.executor = FG_EXEC_PER_VU_ITERATIONS, .vus = 2, .iterations = UINT64_MAX},
		 FG_E_LIMIT},
		{{.executor = FG_EXEC_SHARED_ITERATIONS, .vus = 2, .iterations = UINT64_MAX},
		 FG_E_LIMIT},
		{{.executor = FG_EXEC_RAMPING_ARRIVAL_RATE, .max_vus = 1}, FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_VUS}, FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_VUS, .vus = FG_SCENARIO_VUS_MAX + 1}, FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
		  .rate = 0,
		  .time_unit_ns = 1,
		  .max_vus = 1},
		 FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
		  .rate = 1,
		  .time_unit_ns = 0,
		  .max_vus = 1},
		 FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE, .rate = 1, .time_unit_ns = 1},
		 FG_E_INVALID},
		{{.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
		  .rate = UINT64_MAX,
		  .time_unit_ns = 1,
		  .duration_ns = UINT64_MAX,
		  .max_vus = 1},
		 FG_E_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario s = cases[i].scenario;
		char name[] = "s";
		struct fg_err err;

		s.name = name;
		assert_int_equal(fg_plan_check(&s, &err), -(int)cases[i].code);
		assert_int_equal(err.code, cases[i].code);
	}
}

static void test_shards_need_vus(void **state)
{
	struct fg_scenario s = arrival(10, FG_NS_PER_S, FG_NS_PER_S);
	struct fg_err err;

	(void)state;
	s.max_vus = 3;
	assert_int_equal(fg_plan_check_shards(&s, 3, &err), 0);
	assert_int_equal(fg_plan_check_shards(&s, 4, &err), -FG_E_INVALID);
	assert_non_null(strstr(err.message, "raise maxVUs to 4"));
	s.executor = FG_EXEC_CONSTANT_VUS; /* there a shard without VUs just has nothing to do */
	s.vus = 1;
	assert_int_equal(fg_plan_check_shards(&s, 4, &err), 0);
}

static void test_think_times(void **state)
{
	static const struct {
		struct fg_step_think think;
		uint64_t low_ns, high_ns;
		double mean_ns, tolerance;
	} cases[] = {
		{{FG_THINK_CONSTANT, 500, 500}, 500, 500, 500, 0.001},
		{{FG_THINK_UNIFORM, 1000, 9000}, 1000, 9000, 5000, 0.02},
		{{FG_THINK_NORMAL, 1000, 9000}, 1000, 9000, 5000, 0.02},
		{{FG_THINK_EXPONENTIAL, 0, 10000}, 0, 50000, 5000, 0.03},
		{{FG_THINK_EXPONENTIAL, 2000, 10000}, 2000, 50000, 6000, 0.03},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_random random, again;
		double sum = 0;

		fg_random_init(&random, 1, 2, 3);
		fg_random_init(&again, 1, 2, 3);
		for (unsigned n = 0; n < 50000; n++) {
			const uint64_t ns = fg_think_ns(&random, &cases[i].think);

			assert_in_range(ns, cases[i].low_ns, cases[i].high_ns);
			assert_int_equal(ns, fg_think_ns(&again, &cases[i].think));
			sum += (double)ns;
		}
		sum = sum / 50000 / cases[i].mean_ns;
		assert_true(sum > 1 - cases[i].tolerance && sum < 1 + cases[i].tolerance);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_counts),
		cmocka_unit_test(test_schedule_properties),
		cmocka_unit_test(test_jitter_fills_the_slot),
		cmocka_unit_test(test_counted_iterations),
		cmocka_unit_test(test_ramps_as_k6),
		cmocka_unit_test(test_ramp_by_hand),
		cmocka_unit_test(test_constant_vus_and_ends),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_shards_need_vus),
		cmocka_unit_test(test_think_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
