/* SPDX-License-Identifier: Apache-2.0 */
/* How often the kind-4 verdict is wrong when nothing changed, and how often it sees what did. */
#include "tests/kit/kit.h"

#include <math.h>

#include "gate/judge/verdict.h"
#include "tests/unit/judge/sample_run.h"

static struct fg_bundle run_of(const struct sample_server *server)
{
	return (struct fg_bundle){.result = sample_server_run(server)};
}

static void bundle_free(struct fg_bundle *bundle)
{
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
}

static struct fg_verdict *compare(struct fg_bundle *base, struct fg_bundle *head,
				  const struct fg_gate *gate)
{
	struct fg_gate defaults;
	struct fg_verdict *verdict = NULL;
	struct fg_err err = {0};

	fg_gate_init(&defaults);
	assert_ok(fg_verdict_compare(base, head, gate ? gate : &defaults, &verdict, &err), &err);
	return verdict;
}

/* Sanitizers make it ten times slower: there it only shows that nothing breaks. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEW_PAIRS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FEW_PAIRS 1
#endif
#endif
#ifdef FEW_PAIRS
enum { MANY = 100, SOME = 20, SLACK = 3 };
#else
enum { MANY = 1000, SOME = 250, SLACK = 0 };
#endif

struct rates {
	unsigned regressed, inconclusive, passed, improved;
};

/* One run of the simulated machine at some moment: CPU and latency each at a level of their own. */
static struct fg_bundle at_a_moment(uint64_t *state, double cpu_factor, double cpu_sd,
				    double latency_sd, double tail_sd)
{
	struct sample_server server = {
		.cpu_ns = 237000 * cpu_factor * exp(cpu_sd * sample_normal(state)),
		.cpu_jitter = 0.05,
		.latency_ns = 1100000 * exp(latency_sd * sample_normal(state)),
		.latency_sigma = fabs(0.8 + tail_sd * sample_normal(state)),
		.latency_jitter = latency_sd,
		.seconds = 20,
		.rate_per_s = 30,
		.classes = 1,
		.seed = sample_random(state),
	};

	return run_of(&server);
}

static struct rates simulate(unsigned pairs, double cpu_factor, double cpu_sd, double latency_sd,
			     double tail_sd)
{
	struct rates rates = {0};
	uint64_t state = 20261121;

	for (unsigned i = 0; i < pairs; i++) {
		struct fg_bundle base = at_a_moment(&state, 1.0, cpu_sd, latency_sd, tail_sd);
		struct fg_bundle head =
			at_a_moment(&state, cpu_factor, cpu_sd, latency_sd, tail_sd);
		struct fg_verdict *verdict = compare(&base, &head, NULL);

		rates.regressed += verdict->state == FG_VERDICT_REGRESSED;
		rates.inconclusive += verdict->state == FG_VERDICT_INCONCLUSIVE;
		rates.passed += verdict->state == FG_VERDICT_PASSED;
		rates.improved += verdict->state == FG_VERDICT_IMPROVED;
		fg_verdict_free(verdict);
		bundle_free(&base);
		bundle_free(&head);
	}
	print_message(
		"  CPU ×%.2f, sd of log(B/A): CPU %.1f %%, p50 %.0f %%, p95 %.0f %%: %u pairs: "
		"regressed %.1f %%, inconclusive %.1f %%, passed %.1f %%, improved %.1f %%\n",
		cpu_factor, 100 * cpu_sd * M_SQRT2, 100 * latency_sd * M_SQRT2,
		100 * hypot(latency_sd, 1.645 * tail_sd) * M_SQRT2, pairs,
		100.0 * rates.regressed / pairs, 100.0 * rates.inconclusive / pairs,
		100.0 * rates.passed / pairs, 100.0 * rates.improved / pairs);
	return rates;
}

static void test_error_rates(void **state)
{
	/* per run, so that log(B/A) has the measured 5.2 % */
	static const double cpu_sd = 0.052 / M_SQRT2;
	struct rates rates;

	(void)state;
	/* nothing changed: a noisy machine as measured, a quiet one, and CPU noisier than assumed
	 */
	rates = simulate(MANY, 1.0, cpu_sd, 0.80, 0.86);
	assert_true(rates.regressed <= MANY / 100);
	assert_true(rates.inconclusive <= MANY * 2 / 5);
	rates = simulate(SOME, 1.0, cpu_sd, 0.46 / M_SQRT2, 0.86);
	assert_true(rates.regressed <= SOME / 100);
	rates = simulate(SOME, 1.0, cpu_sd, 0.03, 0);
	assert_true(rates.regressed <= SOME / 100);
	assert_true(rates.inconclusive <= SOME / 20);
	rates = simulate(SOME, 1.0, 0.05, 0.05, 0);
	assert_true(rates.regressed <= SOME / 100);
	/* +5 % is never called, +60 % nearly always */
	rates = simulate(SOME, 1.05, cpu_sd, 0.03, 0);
	assert_int_equal(rates.regressed, 0);
	rates = simulate(SOME, 1.60, cpu_sd, 0.03, 0);
	assert_true(rates.regressed >= SOME * 95 / 100 - SLACK);
}

/* Functions: the same binary twice, every function's share disturbed by the moment. */
static void test_function_error_rates(void **state)
{
	enum { PAIRS = MANY / 10, FUNCTIONS = 20 };
	static const char *const names[FUNCTIONS] = {"a", "b", "c", "d", "e", "f", "g",
						     "h", "i", "j", "k", "l", "m", "n",
						     "o", "p", "q", "r", "s", "t"};
	uint64_t random = 7;
	unsigned red = 0;

	(void)state;
	for (unsigned p = 0; p < PAIRS; p++) {
		struct sample_function lists[2][FUNCTIONS];
		struct fg_bundle sides[2];

		for (int s = 0; s < 2; s++) {
			for (unsigned f = 0; f < FUNCTIONS; f++)
				lists[s][f] = (struct sample_function){
					names[f],
					0.3 * exp(0.06 * sample_normal(&random)) / (f + 2)};
			sides[s] = at_a_moment(&random, 1.0, 0.037, 0.03, 0);
			sides[s].profile = sample_profile(lists[s], FUNCTIONS, 3000, 20,
							  sample_random(&random));
			sample_profile_info(sides[s].result, 3000);
		}
		struct fg_verdict *verdict = compare(&sides[0], &sides[1], NULL);

		assert_true(verdict->function_count > FUNCTIONS);
		red += verdict->state == FG_VERDICT_REGRESSED;
		fg_verdict_free(verdict);
		bundle_free(&sides[0]);
		bundle_free(&sides[1]);
	}
	print_message("  A/A with %d functions: %u of %d pairs regressed\n", FUNCTIONS, red, PAIRS);
	assert_true(red <= PAIRS / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_rates),
		cmocka_unit_test(test_function_error_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
