/* SPDX-License-Identifier: Apache-2.0 */
/* The log of requests: what is kept when it is full, where the peaks are, who was under way when.
 */
#include "gate/measure/request_log.h"

#include "tests/kit/kit.h"

#include <stdlib.h>

enum { CLASSES = 3, CAPACITY = 1000 };

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static struct fg_request_log *make(size_t capacity, size_t classes)
{
	struct fg_request_log *log = NULL;
	struct fg_err err = {0};

	assert_ok(fg_request_log_new(capacity, classes, &log, &err), &err);
	return log;
}

static struct fg_request_entry entry_of(uint64_t send_ns, uint64_t duration_ns, uint16_t class)
{
	return (struct fg_request_entry){
		.send_ns = send_ns,
		.end_ns = send_ns + duration_ns,
		.port = (uint16_t)(1 + send_ns % 60000),
		.class_index = class,
	};
}

/* Durations as servers have them: a base and a long tail; each class in another order of
 * magnitude. */
static struct fg_request_entry draw(uint64_t i, uint64_t *state)
{
	uint16_t class = (uint16_t)(next_random(state) % CLASSES);
	uint64_t base = class == 0 ? 20000 : class == 1 ? 3000000 : 700;
	uint64_t tail = next_random(state) % 1000;

	return entry_of(1000 * i, base + base * tail / 500 + (tail > 980 ? base * tail : 0), class);
}

static void test_refuses_what_it_cannot_hold(void **state)
{
	static const struct {
		size_t capacity, classes;
	} cases[] = {{0, 1}, {10, 0}, {10, FG_REQUEST_LOG_CLASSES_MAX + 1}};
	struct fg_request_log *log = NULL;
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_int_equal(fg_request_log_new(cases[i].capacity, cases[i].classes, &log,
						    &err),
				 -FG_E_LIMIT);
	assert_null(log);
	fg_request_log_free(NULL);
}

static void test_keeps_all_until_full(void **state)
{
	struct fg_request_log *log = make(CAPACITY, CLASSES);
	const struct fg_request_entry *kept;
	struct fg_request_entry entry = entry_of(5, 10, CLASSES); /* no such class */
	uint64_t random = 1;

	(void)state;
	fg_request_log_add(log, &entry);
	assert_int_equal(fg_request_log_entries(log, &kept), 0);
	for (uint64_t i = 0; i < CAPACITY; i++) {
		entry = draw(i, &random);
		fg_request_log_add(log, &entry);
		assert_int_equal(fg_request_log_entries(log, &kept), i + 1);
		assert_memory_equal(&kept[i], &entry, sizeof(entry));
	}
	for (size_t c = 0; c < CLASSES; c++)
		assert_int_equal(fg_request_log_floor_ns(log, c), 0);
	assert_true(fg_request_log_floor_ns(log, CLASSES) == UINT64_MAX);
	fg_request_log_free(log);
}

static size_t count_kept(const struct fg_request_log *log, uint16_t class, uint64_t floor_ns)
{
	const struct fg_request_entry *kept;
	size_t count = fg_request_log_entries(log, &kept), found = 0;

	for (size_t i = 0; i < count; i++)
		found += kept[i].class_index == class &&
			 kept[i].end_ns - kept[i].send_ns >= floor_ns;
	return found;
}

/* The promise: whatever came, every request at or above its class's floor is there, and the floor
 * lies no higher than it must. */
static void test_full_log_keeps_the_slow_ones(void **state)
{
	static const uint64_t numbers[] = {1001, 1500, 2000, 5000, 16000, 50000};

	(void)state;
	for (size_t n = 0; n < FG_ARRAY_LEN(numbers); n++) {
		struct fg_request_log *log = make(CAPACITY, CLASSES);
		struct fg_request_entry *all = calloc(numbers[n], sizeof(*all));
		const struct fg_request_entry *kept;
		uint64_t random = 7 + n;

		assert_non_null(all);
		for (uint64_t i = 0; i < numbers[n]; i++) {
			all[i] = draw(i, &random);
			fg_request_log_add(log, &all[i]);
		}
		assert_true(fg_request_log_entries(log, &kept) <= CAPACITY);
		for (uint16_t c = 0; c < CLASSES; c++) {
			uint64_t floor_ns = fg_request_log_floor_ns(log, c);
			size_t came = 0, of_class = 0;

			for (uint64_t i = 0; i < numbers[n]; i++) {
				of_class += all[i].class_index == c;
				came += all[i].class_index == c &&
					all[i].end_ns - all[i].send_ns >= floor_ns;
			}
			assert_true(floor_ns > 0 && floor_ns != UINT64_MAX);
			assert_int_equal(count_kept(log, c, floor_ns), came);
			/* Not less than a tenth of its part of the room, although durations lie
			 * unevenly within a step. */
			assert_true(came * 10 * CLASSES >= CAPACITY || came == of_class);
		}
		free(all);
		fg_request_log_free(log);
	}
}

static void test_same_input_same_log(void **state)
{
	struct fg_request_log *logs[2] = {make(CAPACITY, CLASSES), make(CAPACITY, CLASSES)};
	const struct fg_request_entry *a, *b;

	(void)state;
	for (int k = 0; k < 2; k++) {
		uint64_t random = 3;

		for (uint64_t i = 0; i < 7777; i++) {
			struct fg_request_entry entry = draw(i, &random);

			fg_request_log_add(logs[k], &entry);
		}
	}
	size_t count = fg_request_log_entries(logs[0], &a);

	assert_int_equal(fg_request_log_entries(logs[1], &b), count);
	assert_memory_equal(a, b, count * sizeof(*a));
	fg_request_log_free(logs[0]);
	fg_request_log_free(logs[1]);
}

/* All of one length: there is nothing to choose by, and it does not pretend. */
static void test_equal_durations_are_a_gap(void **state)
{
	struct fg_request_log *log = make(CAPACITY, 1);
	const struct fg_request_entry *kept;

	(void)state;
	for (uint64_t i = 0; i < 20 * CAPACITY; i++) {
		struct fg_request_entry entry = entry_of(i * 10, 4096, 0);

		fg_request_log_add(log, &entry);
	}
	uint64_t floor_ns = fg_request_log_floor_ns(log, 0);

	assert_true(fg_request_log_entries(log, &kept) <= CAPACITY);
	assert_true(floor_ns > 4096); /* or UINT64_MAX: nothing of that length is complete */
	fg_request_log_free(log);
}

/* A class with few requests loses none because of a busy one. */
static void test_rare_class_stays(void **state)
{
	struct fg_request_log *log = make(CAPACITY, 2);
	uint64_t random = 5;

	(void)state;
	for (uint64_t i = 0; i < 50000; i++) {
		struct fg_request_entry entry =
			entry_of(i * 10, 1000 + next_random(&random) % 100000, 0);

		if (i % 1000 == 0)
			entry.class_index = 1;
		fg_request_log_add(log, &entry);
	}
	assert_int_equal(fg_request_log_floor_ns(log, 1), 0);
	assert_int_equal(count_kept(log, 1, 0), 50);
	fg_request_log_free(log);
}

static void test_extremes(void **state)
{
	static const uint64_t durations[] = {0, 1, 15, 16, 17, 31, 32, UINT64_MAX / 2, UINT64_MAX};
	struct fg_request_log *log = make(2, 1);

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(durations); i++) {
			struct fg_request_entry entry = {.end_ns = durations[i], .port = 1};

			fg_request_log_add(log, &entry);
			entry.send_ns = 5; /* ends before it begins, for some */
			fg_request_log_add(log, &entry);
		}
	}
	fg_request_log_free(log);
}

/* -- the join -----------------------------------------------------------------------------------
 */

static bool brute_force(const struct fg_request_entry *entries, size_t count, uint16_t port,
			uint64_t time_ns)
{
	for (size_t i = 0; i < count; i++) {
		if (entries[i].port == port && entries[i].send_ns <= time_ns &&
		    time_ns <= entries[i].end_ns)
			return true;
	}
	return false;
}

static void test_index_finds_what_brute_force_finds(void **state)
{
	uint64_t random = 11;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct fg_request_entry entries[64];
		struct fg_request_index *index = NULL;
		size_t count = next_random(&random) % FG_ARRAY_LEN(entries);
		uint16_t ports = (uint16_t)(1 + next_random(&random) % 5);
		struct fg_err err = {0};

		for (size_t i = 0; i < count; i++)
			entries[i] = (struct fg_request_entry){
				.send_ns = next_random(&random) % 1000,
				.port = (uint16_t)(next_random(&random) % ports),
			};
		for (size_t i = 0; i < count; i++) /* some overlap, some are empty */
			entries[i].end_ns = entries[i].send_ns + next_random(&random) % 60;
		assert_ok(fg_request_index_new(entries, count, &index, &err), &err);
		for (int ask = 0; ask < 300; ask++) {
			uint16_t port = (uint16_t)(next_random(&random) % (ports + 1u));
			uint64_t time_ns = next_random(&random) % 1100;

			assert_int_equal(fg_request_index_has(index, port, time_ns),
					 brute_force(entries, count, port, time_ns));
		}
		fg_request_index_free(index);
	}
	fg_request_index_free(NULL);
}

/* -- peaks --------------------------------------------------------------------------------------
 */

static void test_peaks(void **state)
{
	/* Requests per second. */
	static const struct {
		unsigned counts[8], peaks[8];
		int count;
	} cases[] = {
		{{0}, {0}, 0},
		{{9, 0, 0, 0, 0, 0, 0, 0}, {0}, 0},         /* too few */
		{{10, 0, 0, 0, 0, 0, 0, 0}, {0}, 1},        /* all of them */
		{{20, 20, 20, 20, 20, 20, 20, 20}, {0}, 0}, /* everywhere */
		{{5, 5, 5, 90, 5, 5, 80, 5}, {3, 6}, 2},
		{{5, 5, 5, 30, 5, 5, 5, 5}, {3}, 1},
		{{10, 10, 10, 30, 10, 10, 10, 10}, {0}, 0}, /* twice the average */
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_request_entry entries[512];
		uint32_t peaks[8];
		size_t count = 0;
		struct fg_err err = {0};

		for (unsigned s = 0; s < 8; s++) {
			for (unsigned k = 0; k < cases[i].counts[s]; k++)
				entries[count++] = (struct fg_request_entry){
					.send_ns = (100 + s) * FG_NS_PER_S + k};
		}
		assert_int_equal(fg_request_log_peaks(entries, count, 100 * FG_NS_PER_S, 8, peaks,
						      8, &err),
				 cases[i].count);
		for (int k = 0; k < cases[i].count; k++)
			assert_int_equal(peaks[k], cases[i].peaks[k]);
		if (cases[i].count > 1) { /* the fullest */
			assert_int_equal(fg_request_log_peaks(entries, count, 100 * FG_NS_PER_S, 8,
							      peaks, 1, &err),
					 1);
			assert_int_equal(peaks[0], 3);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_it_cannot_hold),
		cmocka_unit_test(test_keeps_all_until_full),
		cmocka_unit_test(test_full_log_keeps_the_slow_ones),
		cmocka_unit_test(test_same_input_same_log),
		cmocka_unit_test(test_equal_durations_are_a_gap),
		cmocka_unit_test(test_rare_class_stays),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_index_finds_what_brute_force_finds),
		cmocka_unit_test(test_peaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
