/* SPDX-License-Identifier: Apache-2.0 */
/* The pure rest of the room: progress text, validity, CPU lists, error mapping. */
#include "tests/kit/kit.h"

#include <errno.h>
#include <string.h>

#include "runner/load/cpus.h"
#include "runner/load/curl_error.h"
#include "runner/load/pacing.h"
#include "runner/load/progress.h"
#include "runner/load/valid.h"

static struct fg_result *make_result(void)
{
	char name[] = "browse", get[] = "GET /items";
	struct fg_scenario_def scenario = {.name = name};
	struct fg_class class = {.name = get};
	struct fg_registry registry;
	struct fg_result *result = NULL;
	struct fg_err err;

	fg_registry_init(&registry);
	assert_int_equal(fg_registry_add_scenario(&registry, &scenario, &err), 0);
	assert_int_equal(fg_registry_add_class(&registry, &class, &err), 0);
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	fg_registry_done(&registry);
	return result;
}

static void add_requests(struct fg_result *result, uint64_t ns, unsigned count, bool expected)
{
	struct fg_request_record record = {.expected = expected, .status = expected ? 200 : 0};

	record.error = expected ? FG_NET_OK : FG_NET_RESET;
	record.trends_ns[FG_TREND_RESPONSE_TIME] = ns;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(fg_slice_request(result->totals, &record), 0);
}

static void test_block_fits_every_width(void **state)
{
	struct fg_load_progress progress[] = {
		{.scenario = "browse",
		 .elapsed_ns = 31 * FG_NS_PER_S,
		 .total_ns = 60 * FG_NS_PER_S,
		 .target_rate_per_s = 200,
		 .rate_per_s = 200},
		{.scenario = "smoke",
		 .elapsed_ns = 12 * FG_NS_PER_S,
		 .total_ns = 120 * FG_NS_PER_S,
		 .iterations = 400,
		 .iterations_planned = 400,
		 .done = true},
		{.scenario = "a-name-that-is-much-too-long-for-a-terminal", .waiting = true},
		{.scenario = "vus", .vus = 12, .total_ns = 5000 * FG_NS_PER_S},
	};
	struct fg_progress_view view = {.scenarios = progress,
					.scenario_count = FG_ARRAY_LEN(progress),
					.generator_share = 0.09,
					.extra = "target 41 % · samples 6 204",
					.thresholds_ok = 2,
					.thresholds_failing = 1};
	struct fg_result *result = make_result();

	(void)state;
	add_requests(result, 1100 * FG_NS_PER_US, 1000, true);
	add_requests(result, 8200 * FG_NS_PER_US, 12, false);
	view.live = result;
	for (unsigned width = 20; width < 160; width++) {
		struct fg_buf out;
		unsigned lines = 0;

		fg_buf_init(&out, 8192);
		view.width = width;
		fg_progress_block(&view, &out);
		for (char *line = out.data, *end; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			assert_true(fg_progress_columns(line) <= width);
			lines++;
		}
		assert_int_equal(lines, FG_ARRAY_LEN(progress) + 1);
		fg_buf_done(&out);
	}
	fg_result_free(result);
}

static void test_block_and_line_text(void **state)
{
	struct fg_load_progress progress = {.scenario = "browse",
					    .elapsed_ns = 30 * FG_NS_PER_S,
					    .total_ns = 60 * FG_NS_PER_S,
					    .target_rate_per_s = 200,
					    .rate_per_s = 199};
	struct fg_result *result = make_result();
	struct fg_progress_view view = {.scenarios = &progress,
					.scenario_count = 1,
					.width = 120,
					.generator_share = -1,
					.live = result,
					.thresholds_ok = 2,
					.thresholds_failing = 1};
	struct fg_buf out;

	(void)state;
	add_requests(result, 3 * FG_NS_PER_MS, 100, true);
	add_requests(result, 3 * FG_NS_PER_MS, 1, false);
	fg_buf_init(&out, 4096);
	fg_progress_line(&view, &out);
	assert_string_equal(out.data, "0:30/1:00 browse 199/200 per s p95 3.00 ms 1 error"
				      " · thresholds 2 ok 1 failing\n");
	fg_buf_clear(&out);
	fg_progress_block(&view, &out);
	assert_non_null(strstr(out.data, "  browse  [==============>             ] 0:30/1:00   "
					 "199/200 per s   p50 3.00 ms  p95 3.00 ms  p99 3.00 ms   "
					 "1 error\n"));
	progress.done = true;
	progress.iterations = progress.iterations_planned = 12000;
	fg_buf_clear(&out);
	fg_progress_block(&view, &out);
	assert_non_null(strstr(out.data, "============] 12 000/12 000 done in 0:30"));
	progress.done = false;
	progress.rate_per_s = 12345.4;
	progress.target_rate_per_s = 0.25;
	fg_buf_clear(&out);
	fg_progress_line(&view, &out);
	assert_non_null(strstr(out.data, "12 345/0.25 per s"));
	progress.dropped_share = 0.034;
	fg_buf_clear(&out);
	fg_progress_line(&view, &out);
	assert_non_null(strstr(out.data, "12 345/0.25 per s 3 % dropped"));
	progress = (struct fg_load_progress){.scenario = "pool",
					     .elapsed_ns = 3 * FG_NS_PER_S,
					     .total_ns = 600 * FG_NS_PER_S,
					     .vus = 1,
					     .iterations = 100,
					     .iterations_planned = 400,
					     .rate_per_s = 40,
					     .is_counted = true};
	view.width = 140;
	fg_buf_clear(&out);
	fg_progress_block(&view, &out);
	assert_non_null(strstr(out.data, "[=======>                    ] 0:03/10:00   "
					 "1 VU 100/400 at 40 per s"));
	progress.waiting = true;
	view.live = NULL;
	view.thresholds_ok = view.thresholds_failing = 0;
	fg_buf_clear(&out);
	fg_progress_line(&view, &out);
	assert_string_equal(out.data, "waiting for the first scenario\n");
	fg_buf_done(&out);
	fg_result_free(result);
}

static void test_validity(void **state)
{
	static const struct {
		const char *what;
		unsigned quick, late; /* wake-ups of 50 µs and of late_ns */
		uint64_t late_ns;
		double cpu;
		uint64_t scheduled, dropped;
		const char *reason; /* NULL: valid */
		double waited;
	} cases[] = {
		{"calm", 1000, 0, 0, 0.1, 1000, 0, NULL, 0},
		{"a hiccup", 1000, 9, 400 * FG_NS_PER_MS, 0.1, 1000, 0, NULL, 0},
		{"noisy", 1000, 50, 30 * FG_NS_PER_MS, 0.1, 1050, 0, NULL, 0},
		{"too few to tell", 40, 40, 90 * FG_NS_PER_MS, 0.1, 80, 0, NULL, 0},
		{"sustained", 1000, 60, 11 * FG_NS_PER_MS, 0.1, 1060, 0, "was late", 0},
		{"long stalls", 1000, 15, 60 * FG_NS_PER_MS, 0.1, 1015, 0, "was late", 0},
		{"slow target", 1000, 0, 0, 0.2, 1000, 400, NULL, 0},
		{"busy but keeps up", 1000, 0, 0, 0.99, 1000, 9, NULL, 0},
		{"saturated", 1000, 0, 0, 0.9, 1000, 20, "saturated", 0},
		{"closed model at full speed", 1000, 0, 0, 1.0, 0, 0, NULL, 0},
		/* 1060 in 10 s at 0.9 of a core: half a core would do 58 */
		{"way out", 1000, 60, 11 * FG_NS_PER_MS, 0.9, 1060, 0, "lower the rate below 58/s",
		 0},
		{"not the CPU", 1000, 60, 11 * FG_NS_PER_MS, 0.3, 1060, 0, "rate or give it a core",
		 0},
		/* VUs were busy with answers that lay in the kernel: no wake-up was late */
		{"without a core", 1000, 0, 0, 0.5, 1000, 20,
		 "(50 % of a core, another 40 % of the time waiting for one)", 0.4},
		{"waits, but keeps up", 1000, 0, 0, 0.5, 1000, 9, NULL, 0.4},
		{"waits a little for a slow target", 1000, 0, 0, 0.5, 1000, 400, NULL, 0.3},
		/* 100 of 2000 were begun in 10 s: half a core would do 5, not 111 */
		{"advice of what was begun", 1000, 0, 0, 0.9, 2000, 1900, "below 5/s", 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_result *result = make_result();
		struct fg_scenario_slice *counts = &result->totals->scenarios[0];
		struct fg_valid_input input = {.registry = &result->registry,
					       .totals = result->totals,
					       .measured_ns = 10 * FG_NS_PER_S,
					       .busiest_cpu_share = cases[i].cpu,
					       .busiest_waited_share = cases[i].waited};
		char reason[256];

		counts->scheduled = cases[i].scheduled;
		counts->dropped = cases[i].dropped;
		assert_int_equal(fg_hist_record_n(&counts->lag, 50000, cases[i].quick), 0);
		if (cases[i].late)
			assert_int_equal(
				fg_hist_record_n(&counts->lag, cases[i].late_ns, cases[i].late), 0);
		if (fg_valid_judge(&input, reason, sizeof(reason)) != !cases[i].reason)
			fail_msg("%s: \"%s\"", cases[i].what, reason);
		if (cases[i].reason)
			assert_non_null(strstr(reason, cases[i].reason));
		fg_result_free(result);
	}
}

static void test_missing_vus_are_invalid(void **state)
{
	struct fg_result *result = make_result();
	struct fg_valid_input input = {.registry = &result->registry, .totals = result->totals};
	char reason[256];

	(void)state;
	assert_true(fg_valid_judge(&input, reason, sizeof(reason)));
	input.inits_failed = 3;
	assert_false(fg_valid_judge(&input, reason, sizeof(reason)));
	assert_non_null(strstr(reason, "3 virtual users took no part because their init"));
	fg_result_free(result);
}

static void test_pacing(void **state)
{
	static const struct {
		enum fg_pacing pacing;
		unsigned rate, workers, cpus;
		bool exclusive, spins;
	} cases[] = {
		{FG_PACING_SPIN, 1, 4, 0, false, true},
		{FG_PACING_TIMER, 100000, 1, 8, true, false},
		{FG_PACING_AUTO, 100000, 1, 2, true, true},
		{FG_PACING_AUTO, 100000, 1, 2, false, false}, /* the target is there too */
		{FG_PACING_AUTO, 100000, 1, 0, true, false},  /* nowhere in particular */
		{FG_PACING_AUTO, 100000, 2, 2, true, false},  /* no core to spare */
		{FG_PACING_AUTO, 999, 2, 4, true, false},     /* too slow to matter */
		{FG_PACING_AUTO, 1000, 2, 4, true, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_scenario s = {.executor = FG_EXEC_CONSTANT_ARRIVAL_RATE,
					.rate = cases[i].rate,
					.time_unit_ns = FG_NS_PER_S,
					.pacing = cases[i].pacing};
		struct fg_pacing_place place = {.workers = cases[i].workers,
						.shards = 1,
						.cpus_exclusive = cases[i].exclusive};
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		for (unsigned cpu = 0; cpu < cases[i].cpus; cpu++)
			CPU_SET(cpu, &cpus);
		place.cpus = cases[i].cpus ? &cpus : NULL;
		assert_int_equal(fg_pacing_spins(&place, &s), cases[i].spins);
	}
}

static void test_cpu_lists(void **state)
{
	static const struct {
		const char *text;
		int cpus; /* < 0: refused */
	} cases[] = {
		{"0", 1},    {"2-3", 2},   {"0,4-7", 5},  {"1,1", 1},     {"", -1},
		{"a", -1},   {"3-2", -1},  {"0,", -1},    {"-1", -1},     {"1-", -1},
		{"0 1", -1}, {"1--2", -1}, {"99999", -1}, {"0-2000", -1},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		cpu_set_t set;
		struct fg_err err;
		const int rc = fg_cpus_parse(cases[i].text, &set, &err);

		if (cases[i].cpus < 0)
			assert_true(rc < 0);
		else
			assert_int_equal(CPU_COUNT(&set), cases[i].cpus);
	}
	cpu_set_t before, after;

	/* "" wins over what would be chosen, "auto" and nothing take it. */
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	cpu_set_t one;

	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	assert_int_equal(fg_cpus_pin("", &one, NULL), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	assert_int_equal(fg_cpus_pin(NULL, &one, NULL), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&one, &after));
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(fg_cpus_pin("auto", NULL, NULL), 0);
	assert_int_equal(fg_cpus_pin(NULL, NULL, NULL), 0);
	assert_true(fg_cpus_pin("1000-1001", NULL, NULL) < 0); /* no such CPU here */
}

static void test_error_kinds(void **state)
{
	static const struct {
		CURLcode code;
		bool connected;
		long os_errno;
		enum fg_net_error error;
	} cases[] = {
		{CURLE_OK, true, 0, FG_NET_OK},
		{CURLE_COULDNT_CONNECT, false, ECONNREFUSED, FG_NET_REFUSED},
		{CURLE_COULDNT_CONNECT, false, ETIMEDOUT, FG_NET_DIAL_TIMEOUT},
		{CURLE_COULDNT_CONNECT, false, ENETUNREACH, FG_NET_DIAL},
		{CURLE_COULDNT_CONNECT, false, ECONNRESET, FG_NET_RESET},
		{CURLE_OPERATION_TIMEDOUT, true, 0, FG_NET_TIMEOUT},
		{CURLE_OPERATION_TIMEDOUT, false, 0, FG_NET_DIAL_TIMEOUT},
		{CURLE_UNSUPPORTED_PROTOCOL, false, 0, FG_NET_BAD_URL},
		{CURLE_UNSUPPORTED_PROTOCOL, true, 0, FG_NET_BAD_RESPONSE},
		{CURLE_COULDNT_RESOLVE_HOST, false, 0, FG_NET_DNS},
		{CURLE_PEER_FAILED_VERIFICATION, false, 0, FG_NET_TLS},
		{CURLE_GOT_NOTHING, true, 0, FG_NET_RESET},
		{CURLE_LDAP_CANNOT_BIND, true, 0, FG_NET_GENERIC},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_int_equal(fg_curl_error(cases[i].code, cases[i].connected,
					       cases[i].os_errno),
				 cases[i].error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_fits_every_width),
		cmocka_unit_test(test_block_and_line_text),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_missing_vus_are_invalid),
		cmocka_unit_test(test_pacing),
		cmocka_unit_test(test_cpu_lists),
		cmocka_unit_test(test_error_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
