/* SPDX-License-Identifier: Apache-2.0 */
/* Exact CPU time of a tree whose processes come and go. Children are led by pipes, not by time. */
#include "tests/kit/kit.h"

#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>

#include "gate/base/clock.h"
#include "profiler/client.h"

enum { BURN_MS = 60 };

static void burn(void)
{
	uint64_t end_ns = fg_clock_process_cpu_ns() + BURN_MS * FG_NS_PER_MS;
	static volatile unsigned sink;

	while (fg_clock_process_cpu_ns() < end_ns)
		sink++;
}

/* A process that obeys: 'b' burns, 'c' has a child burn and reaps it, 'k' the same without reaping
 * counters (SIGCHLD ignored), 'q' ends. Each order is answered by one byte. */
struct worker {
	pid_t pid;
	int orders, answers;
};

static void obey(int orders, int answers)
{
	char order;

	while (read(orders, &order, 1) == 1 && order != 'q') {
		if (order == 'k')
			(void)signal(SIGCHLD, SIG_IGN);
		if (order == 'b') {
			burn();
		} else {
			pid_t pid = fork();

			if (pid == 0) {
				burn();
				_exit(0);
			}
			(void)waitpid(pid, NULL, 0);
		}
		if (write(answers, &order, 1) != 1)
			break;
	}
	_exit(0);
}

static void start(struct worker *worker)
{
	int orders[2], answers[2];

	assert_int_equal(pipe(orders), 0);
	assert_int_equal(pipe(answers), 0);
	worker->pid = fork();
	assert_true(worker->pid >= 0);
	if (worker->pid == 0) {
		close(orders[1]);
		close(answers[0]);
		obey(orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	worker->orders = orders[1];
	worker->answers = answers[0];
}

static void order(struct worker *worker, char what)
{
	char answer;

	assert_int_equal(write(worker->orders, &what, 1), 1);
	assert_int_equal(read(worker->answers, &answer, 1), what == 'q' ? 0 : 1);
}

static void finish(struct worker *worker)
{
	close(worker->orders);
	close(worker->answers);
	(void)waitpid(worker->pid, NULL, 0);
}

static void assert_ms(uint64_t ns, uint64_t from_ms, uint64_t to_ms)
{
	if (ns < from_ms * FG_NS_PER_MS || ns > to_ms * FG_NS_PER_MS)
		fail_msg("%.1f ms, not %llu to %llu", (double)ns / 1e6, (unsigned long long)from_ms,
			 (unsigned long long)to_ms);
}

static struct fg_cputime *follow(const struct worker *worker)
{
	const uint32_t pid = (uint32_t)worker->pid;
	struct fg_cputime *cputime;
	struct fg_err err = {0};

	assert_ok(fg_cputime_new(&pid, 1, &cputime, &err), &err);
	return cputime;
}

static uint64_t reading(struct fg_cputime *cputime)
{
	struct fg_err err = {0};
	uint64_t ns;

	assert_ok(fg_cputime_read(cputime, &ns, &err), &err);
	return ns;
}

static void test_counts_from_now(void **state)
{
	(void)state;
	struct worker worker;

	start(&worker);
	order(&worker, 'b');
	struct fg_cputime *cputime = follow(&worker);

	assert_ms(reading(cputime), 0, 20);
	order(&worker, 'b');
	assert_ms(reading(cputime), BURN_MS, BURN_MS + 20);
	finish(&worker);
	fg_cputime_free(cputime);
}

/* Born, burnt and reaped between two readings: only the parent's counter knows (10-ms ticks). */
static void test_child_never_seen(void **state)
{
	(void)state;
	struct worker worker;

	start(&worker);
	struct fg_cputime *cputime = follow(&worker);

	order(&worker, 'c');
	order(&worker, 'c');
	assert_ms(reading(cputime), 2 * BURN_MS - 20, 2 * BURN_MS + 30);
	finish(&worker);
	fg_cputime_free(cputime);
}

/* Seen while it lives, and its parent does not count children: its own clock is kept. */
static void test_child_seen_then_gone(void **state)
{
	(void)state;
	struct worker worker, *child = &worker;
	struct fg_err err = {0};
	uint64_t ns;

	start(&worker);
	const uint32_t self = (uint32_t)getpid();
	struct fg_cputime *cputime;

	assert_ok(fg_cputime_new(&self, 1, &cputime, &err), &err);
	uint64_t before_ns = reading(cputime), own_ns = fg_clock_process_cpu_ns();

	order(child, 'b');
	assert_ms(reading(cputime) - before_ns, BURN_MS, BURN_MS + 40);
	(void)signal(SIGCHLD, SIG_IGN);
	order(child, 'q');
	finish(child);
	(void)signal(SIGCHLD, SIG_DFL);
	assert_ok(fg_cputime_read(cputime, &ns, &err), &err);
	own_ns = fg_clock_process_cpu_ns() - own_ns;
	assert_ms(ns - before_ns, BURN_MS, BURN_MS + 20 + own_ns / FG_NS_PER_MS);
	fg_cputime_free(cputime);
}

static void test_root_gone(void **state)
{
	(void)state;
	struct worker worker;
	struct fg_err err = {0};
	uint64_t ns = 0;

	start(&worker);
	struct fg_cputime *cputime = follow(&worker);

	order(&worker, 'b');
	uint64_t last_ns = reading(cputime);

	order(&worker, 'q');
	finish(&worker);
	assert_int_equal(fg_cputime_read(cputime, &ns, &err), -FG_E_NOT_FOUND);
	assert_true(ns >= last_ns);
	assert_int_equal(fg_cputime_read(cputime, &ns, &err), -FG_E_NOT_FOUND);
	assert_true(ns >= last_ns);
	fg_cputime_free(cputime);
}

static void test_never_back(void **state)
{
	(void)state;
	static const char orders[] = "bckcb";
	struct worker worker;
	uint64_t last_ns = 0;

	start(&worker);
	struct fg_cputime *cputime = follow(&worker);

	for (size_t i = 0; orders[i]; i++) {
		order(&worker, orders[i]);
		uint64_t ns = reading(cputime);

		assert_true(ns >= last_ns);
		last_ns = ns;
	}
	finish(&worker);
	fg_cputime_free(cputime);
}

static void test_nobody(void **state)
{
	(void)state;
	const uint32_t pid = 4194303; /* above pid_max */
	struct fg_cputime *cputime;
	struct fg_err err = {0};

	assert_int_equal(fg_cputime_new(&pid, 1, &cputime, &err), -FG_E_NOT_FOUND);
	assert_int_equal(fg_cputime_new(NULL, 0, &cputime, &err), -FG_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_from_now),
		cmocka_unit_test(test_child_never_seen),
		cmocka_unit_test(test_child_seen_then_gone),
		cmocka_unit_test(test_root_gone),
		cmocka_unit_test(test_never_back),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
