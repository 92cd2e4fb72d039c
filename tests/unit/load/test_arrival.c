/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrival schedules against a table computed with exact fractions, and dealt to workers and shards:
 * together they must be exactly the whole.
 */
#include "tests/kit/kit.h"

#include <math.h>
#include <string.h>

#include "runner/load/plan.h"

enum { STAGES_MAX = 6, POINTS_MAX = 8, WHOLE_MAX = 40000, SHARDS_MAX = 5, WORKERS_MAX = 8 };

struct arrival_row {
	uint64_t start_rate, unit_ns;
	size_t stage_count;
	struct {
		uint64_t duration_ns, target;
	} stages[STAGES_MAX];
	uint64_t events;
	size_t point_count;
	struct {
		uint64_t k, due_ns;
	} points[POINTS_MAX];
};

#include "tests/unit/load/arrival_table.h"

static const struct fg_plan_part whole = {.shards = 1, .workers = 1};

static uint64_t fill(struct fg_scenario *s, struct fg_stage *stages, const struct arrival_row *row)
{
	static char name[] = "ramp";
	uint64_t end_ns = 0;

	*s = (struct fg_scenario){
		.name = name,
		.executor = FG_EXEC_RAMPING_ARRIVAL_RATE,
		.start_rate = row->start_rate,
		.time_unit_ns = row->unit_ns,
		.stages = stages,
		.stage_count = row->stage_count,
		.max_vus = 8,
		.arrivals = FG_ARRIVALS_UNIFORM,
	};
	for (size_t i = 0; i < row->stage_count; i++) {
		stages[i] = (struct fg_stage){row->stages[i].duration_ns, row->stages[i].target};
		end_ns += stages[i].duration_ns;
	}
	s->duration_ns = end_ns;
	return end_ns;
}

static void test_table(void **state)
{
	(void)state;
	assert_true(FG_ARRAY_LEN(arrival_table) >= 200);
	for (size_t i = 0; i < FG_ARRAY_LEN(arrival_table); i++) {
		const struct arrival_row *row = &arrival_table[i];
		struct fg_stage stages[STAGES_MAX];
		struct fg_scenario s;

		fill(&s, stages, row);
		assert_int_equal(fg_plan_check(&s, NULL), 0);
		assert_int_equal(fg_plan_events(&s), row->events);
		for (size_t p = 0; p < row->point_count; p++)
			assert_int_equal(fg_plan_due_ns(&s, row->points[p].k),
					 row->points[p].due_ns);
		assert_int_equal(fg_plan_due_ns(&s, row->events), UINT64_MAX);
	}
}

/* The whole schedule, one by one. */
static uint64_t list(const struct fg_scenario *s, uint64_t seed, uint64_t end_ns, uint64_t *due)
{
	struct fg_plan_cursor cursor;
	uint64_t count = 0, before = 0;

	for (fg_plan_cursor_init(&cursor, s, &whole, seed); cursor.due_ns != UINT64_MAX;
	     fg_plan_cursor_next(&cursor)) {
		assert_int_equal(cursor.event, count);
		assert_true(cursor.due_ns >= before);
		assert_true(cursor.due_ns < end_ns);
		before = cursor.due_ns;
		if (count < WHOLE_MAX)
			due[count] = cursor.due_ns;
		count++;
	}
	return count;
}

static void check_parts(const struct fg_scenario *s, uint64_t seed, const uint64_t *due,
			uint64_t count, unsigned shards, unsigned workers)
{
	static unsigned char owned[WHOLE_MAX];
	uint64_t seen = 0;

	memset(owned, 0, sizeof(owned));
	for (unsigned i = 0; i < shards * workers; i++) {
		const struct fg_plan_part part = {
			.shard = i / workers,
			.shards = shards,
			.worker = i % workers,
			.workers = workers,
		};
		struct fg_plan_cursor cursor;

		for (fg_plan_cursor_init(&cursor, s, &part, seed); cursor.due_ns != UINT64_MAX;
		     fg_plan_cursor_next(&cursor)) {
			assert_in_range(cursor.event, 0, count - 1);
			assert_int_equal(cursor.due_ns, due[cursor.event]);
			assert_int_equal(owned[cursor.event]++, 0);
			/* the promise of --shard i/n */
			assert_int_equal(cursor.event % shards, part.shard);
			assert_true(fg_plan_vus_of_part(s->max_vus, &part) > 0);
			seen++;
		}
	}
	assert_int_equal(seen, count);
}

/* Every row × every kind of arrivals: the parts are the whole, and each has its own times. */
static void test_parts_are_the_whole(void **state)
{
	static uint64_t due[WHOLE_MAX];
	unsigned checked = 0;

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(arrival_table); i++) {
		const struct arrival_row *row = &arrival_table[i];
		struct fg_stage stages[STAGES_MAX];
		struct fg_scenario s;
		const uint64_t end_ns = fill(&s, stages, row);

		if (row->events > WHOLE_MAX / 2)
			continue;
		s.arrivals = (enum fg_arrivals)(i % 3);
		s.max_vus = SHARDS_MAX + i % 9;
		const uint64_t count = list(&s, i, end_ns, due);

		if (s.arrivals != FG_ARRIVALS_POISSON)
			assert_int_equal(count, row->events);
		for (unsigned shards = 1; shards <= SHARDS_MAX; shards++)
			for (unsigned workers = 1; workers <= WORKERS_MAX; workers++)
				if (shards == 1 || workers <= 3)
					check_parts(&s, i, due, count, shards, workers);
		checked++;
	}
	assert_true(checked >= 200);
}

/* Jitter stays in the event's own slot of the area, so counts in any window are off by one at most.
 */
static void test_jitter_on_a_ramp(void **state)
{
	struct fg_stage stages[] = {{10 * FG_NS_PER_S, 200}, {10 * FG_NS_PER_S, 0}};
	static char name[] = "a", other[] = "b";
	struct fg_scenario s = {.name = name,
				.executor = FG_EXEC_RAMPING_ARRIVAL_RATE,
				.time_unit_ns = FG_NS_PER_S,
				.stages = stages,
				.stage_count = 2,
				.max_vus = 1,
				.duration_ns = 20 * FG_NS_PER_S};
	struct fg_plan_cursor a, b;
	unsigned differ = 0;

	(void)state;
	fg_plan_cursor_init(&a, &s, &whole, 1);
	s.name = other;
	fg_plan_cursor_init(&b, &s, &whole, 1);
	for (uint64_t k = 0; k < 2000; k++) {
		assert_int_equal(a.event, k);
		assert_true(a.due_ns >= fg_plan_due_ns(&s, k));
		assert_true(k == 1999 || a.due_ns <= fg_plan_due_ns(&s, k + 1));
		differ += a.due_ns != b.due_ns;
		fg_plan_cursor_next(&a);
		fg_plan_cursor_next(&b);
	}
	assert_int_equal(a.due_ns, UINT64_MAX);
	assert_true(differ > 1990);
}

static struct fg_scenario poisson(uint64_t rate, uint64_t duration_ns)
{
	static char name[] = "p";

	return (struct fg_scenario){.name = name,
				    .executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
				    .rate = rate,
				    .time_unit_ns = FG_NS_PER_S,
				    .duration_ns = duration_ns,
				    .max_vus = 1,
				    .arrivals = FG_ARRIVALS_POISSON};
}

/* Gaps of a homogeneous process: mean 1/rate, as large a deviation, and exp(−x) of them longer than
 * x means, each within five standard errors. */
static void test_poisson_gaps(void **state)
{
	struct fg_scenario s = poisson(1000, 200 * FG_NS_PER_S);
	struct fg_plan_cursor cursor;
	double sum = 0, squares = 0, before = 0;
	unsigned longer[4] = {0}, n = 0;

	(void)state;
	for (fg_plan_cursor_init(&cursor, &s, &whole, 5); cursor.due_ns != UINT64_MAX;
	     fg_plan_cursor_next(&cursor)) {
		const double gap = ((double)cursor.due_ns - before) / 1e6;

		before = (double)cursor.due_ns;
		sum += gap;
		squares += gap * gap;
		for (unsigned i = 0; i < 4; i++)
			longer[i] += gap > 0.5 * (i + 1);
		n++;
	}
	assert_true(fabs(n - 200000.0) < 5 * sqrt(200000));
	assert_true(fabs(sum / n - 1) < 5 / sqrt(n));
	assert_true(fabs(squares / n - 2) < 5 * sqrt(20.0 / n));
	for (unsigned i = 0; i < 4; i++) {
		const double p = exp(-0.5 * (i + 1));

		assert_true(fabs(longer[i] / (double)n - p) < 5 * sqrt(p * (1 - p) / n));
	}
}

/* Twice as many in the second half of a ramp's area, another run with another seed. */
static void test_poisson_follows_the_rate(void **state)
{
	struct fg_stage stages[] = {{60 * FG_NS_PER_S, 1000}};
	struct fg_scenario s = poisson(0, 60 * FG_NS_PER_S);
	struct fg_plan_cursor cursor, other;
	unsigned halves[2] = {0}, same = 0;

	(void)state;
	s.executor = FG_EXEC_RAMPING_ARRIVAL_RATE;
	s.stages = stages;
	s.stage_count = 1;
	fg_plan_cursor_init(&cursor, &s, &whole, 1);
	fg_plan_cursor_init(&other, &s, &whole, 2);
	while (cursor.due_ns != UINT64_MAX) {
		halves[cursor.due_ns >= 30 * FG_NS_PER_S]++;
		same += cursor.due_ns == other.due_ns;
		fg_plan_cursor_next(&cursor);
		fg_plan_cursor_next(&other);
	}
	assert_true(fabs(halves[0] - 7500.0) < 5 * sqrt(7500));
	assert_true(fabs(halves[1] - 22500.0) < 5 * sqrt(22500));
	assert_true(same < 10);
}

static void test_rates(void **state)
{
	struct fg_stage stages[] = {{10 * FG_NS_PER_S, 120}, {0, 60}, {10 * FG_NS_PER_S, 60}};
	static char name[] = "r";
	struct fg_scenario s = {.name = name,
				.executor = FG_EXEC_RAMPING_ARRIVAL_RATE,
				.time_unit_ns = 60 * FG_NS_PER_S,
				.stages = stages,
				.stage_count = 3,
				.max_vus = 1};

	(void)state;
	assert_float_equal(fg_plan_rate_per_s(&s, 0), 0, 1e-9);
	assert_float_equal(fg_plan_rate_per_s(&s, 5 * FG_NS_PER_S), 1, 1e-9);
	assert_float_equal(fg_plan_rate_per_s(&s, 10 * FG_NS_PER_S), 1, 1e-9);
	assert_float_equal(fg_plan_rate_per_s(&s, 20 * FG_NS_PER_S), 0, 1e-9);
	s.executor = FG_EXEC_CONSTANT_VUS;
	assert_float_equal(fg_plan_rate_per_s(&s, 0), 0, 1e-9);
}

static void test_refused(void **state)
{
	static struct fg_stage none[] = {{10, 0}, {0, 5}};
	static struct fg_stage fast[] = {{UINT64_MAX, UINT64_MAX}};
	static struct fg_stage sum[] = {{UINT64_MAX, 1}, {UINT64_MAX, 1}};
	static const struct {
		struct fg_stage *stages;
		size_t count;
		uint64_t unit_ns;
		enum fg_err_code code;
	} cases[] = {
		{NULL, 0, FG_NS_PER_S, FG_E_INVALID}, {none, 2, FG_NS_PER_S, FG_E_INVALID},
		{fast, 1, FG_NS_PER_S, FG_E_LIMIT},   {sum, 2, 1ull << 52, FG_E_LIMIT},
		{none, 2, 0, FG_E_INVALID},           {none, 2, (1ull << 52) + 1, FG_E_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		static char name[] = "s";
		struct fg_scenario s = {.name = name,
					.executor = FG_EXEC_RAMPING_ARRIVAL_RATE,
					.max_vus = 1,
					.time_unit_ns = cases[i].unit_ns,
					.stages = cases[i].stages,
					.stage_count = cases[i].count};
		struct fg_err err;

		assert_int_equal(fg_plan_check(&s, &err), -(int)cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_parts_are_the_whole),
		cmocka_unit_test(test_jitter_on_a_ramp),
		cmocka_unit_test(test_poisson_gaps),
		cmocka_unit_test(test_poisson_follows_the_rate),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
