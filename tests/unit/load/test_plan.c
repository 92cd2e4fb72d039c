/* SPDX-License-Identifier: Apache-2.0 */
/* The schedule: counts, order, jitter, shards, and k6's ramps. */
#include "tests/kit/kit.h"

#include <string.h>

#include "runner/load/plan.h"
#include "gate/base/random.h"
#include "runner/load/think.h"

enum { WORKERS_MAX = 5 };

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
	uint64_t before = 0;

	assert_true(events > 0);
	assert_int_equal(fg_plan_due_ns(s, 0), 0);
	assert_true(fg_plan_due_ns(s, events - 1) < s->duration_ns);
	assert_true(fg_plan_due_ns(s, events) >= s->duration_ns);
	for (uint64_t i = 0; i < sample; i++) {
		const uint64_t k = i < 250 ? FG_MIN(i, events - 1) : events - 1 - (sample - 1 - i);
		const uint64_t due = fg_plan_due_ns(s, k);
		const uint64_t next = FG_MIN(fg_plan_due_ns(s, k + 1), s->duration_ns);
		const uint64_t at = fg_plan_arrival_ns(s, k, 42);

		assert_true(at >= due);
		assert_true(at < next || at == due);
		assert_true(at >= before || i == 250);
		assert_int_equal(at, fg_plan_arrival_ns(s, k, 42));
		before = at;
	}
}

static void check_shards(const struct fg_scenario *s)
{
	const uint64_t events = fg_plan_events(s);

	if (events > 3000)
		return;
	for (unsigned workers = 1; workers <= WORKERS_MAX; workers++) {
		unsigned char owner[3000];
		uint64_t seen = 0;

		memset(owner, 0xff, sizeof(owner));
		for (unsigned w = 0; w < workers; w++) {
			for (uint64_t k = fg_plan_event_of_worker(s, 0, w, workers); k < events;
			     k = fg_plan_event_of_worker(s, k + 1, w, workers)) {
				assert_int_equal(owner[k], 0xff);
				assert_true(fg_plan_vus_of_worker(s->max_vus, w, workers) > 0);
				if (s->max_vus % workers == 0)
					assert_int_equal(k % workers, w);
				owner[k] = (unsigned char)w;
				seen++;
			}
		}
		assert_int_equal(seen, events);
	}
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
		check_shards(&s);
		schedules++;
	}
	assert_true(schedules >= 200);
}

static void test_jitter_fills_the_slot(void **state)
{
	struct fg_scenario s = arrival(100, FG_NS_PER_S, 100 * FG_NS_PER_S);
	unsigned quarters[4] = {0};
	unsigned differ = 0;

	(void)state;
	for (uint64_t k = 0; k < 10000; k++) {
		const uint64_t offset = fg_plan_arrival_ns(&s, k, 1) - fg_plan_due_ns(&s, k);

		quarters[offset * 4 / 10000000]++;
		differ += fg_plan_arrival_ns(&s, k, 1) != fg_plan_arrival_ns(&s, k, 2);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(quarters[i], 2300, 2700);
	assert_true(differ > 9990);
	s.arrivals = FG_ARRIVALS_UNIFORM;
	assert_int_equal(fg_plan_arrival_ns(&s, 17, 1), 170 * FG_NS_PER_MS);
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
		total += fg_plan_vus_of_worker(7, w, 3);
	assert_int_equal(total, 7);
	assert_int_equal(fg_plan_vus_of_worker(1, 1, 2), 0);
	assert_int_equal(fg_plan_events(&s), 0);
}

static void test_refused(void **state)
{
	static const struct {
		struct fg_scenario scenario;
		enum fg_err_code code;
	} cases[] = {
		{{.executor = FG_EXEC_SHARED_ITERATIONS, .vus = 1}, FG_E_LATER},
		{{.executor = FG_EXEC_PER_VU_ITERATIONS, .vus = 1}, FG_E_LATER},
		{{.executor = FG_EXEC_RAMPING_ARRIVAL_RATE, .max_vus = 1}, FG_E_LATER},
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
		  .rate = 1,
		  .time_unit_ns = 1,
		  .max_vus = 1,
		  .arrivals = FG_ARRIVALS_POISSON},
		 FG_E_LATER},
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
		cmocka_unit_test(test_ramps_as_k6),
		cmocka_unit_test(test_ramp_by_hand),
		cmocka_unit_test(test_constant_vus_and_ends),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_think_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
