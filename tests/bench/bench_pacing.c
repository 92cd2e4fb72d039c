/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How punctual the schedule is, and what that costs, beside a bare loop on a timerfd that does
 * nothing else, in the same run on the same machine:
 *   bench_pacing [RATE [SECONDS [ROUNDS]]]
 * Prints lag (wake-up − due) and CPU per event of the bare loop, of `pacing: timer` and of
 * `pacing: spin` (whole worker with engine_null: step machine, metrics and all), and the ratios.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "runner/load/load.h"

struct sample {
	double mean_us, p50_us, p99_us, cpu_us; /* CPU per event */
	uint64_t issued, planned;
};

static struct sample sample_of(const struct fg_hist *lag, uint64_t cpu_ns, uint64_t planned)
{
	return (struct sample){
		.mean_us = fg_hist_mean_ns(lag) / 1e3,
		.p50_us = (double)fg_hist_percentile_ns(lag, 50) / 1e3,
		.p99_us = (double)fg_hist_percentile_ns(lag, 99) / 1e3,
		.cpu_us = (double)cpu_ns / 1e3 / (double)planned,
		.issued = lag->count,
		.planned = planned,
	};
}

static int bare_loop(uint64_t rate, uint64_t seconds, struct sample *ret)
{
	const uint64_t cpu_ns = fg_clock_thread_cpu_ns();
	const uint64_t start_ns = fg_clock_monotonic_ns() + 20 * FG_NS_PER_MS;
	const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct fg_hist lag;
	uint64_t expirations;

	if (fd < 0)
		return -errno;
	fg_hist_init(&lag, NULL);
	for (uint64_t k = 0; k < rate * seconds; k++) {
		const uint64_t due_ns = start_ns + k * FG_NS_PER_S / rate;
		const struct itimerspec at = {
			.it_value = {(time_t)(due_ns / FG_NS_PER_S), (long)(due_ns % FG_NS_PER_S)}};

		if (due_ns > fg_clock_monotonic_ns() &&
		    (timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL) ||
		     read(fd, &expirations, sizeof(expirations)) != sizeof(expirations)))
			return -errno;
		if (fg_hist_record(&lag, fg_clock_monotonic_ns() - due_ns))
			return -ENOMEM;
	}
	*ret = sample_of(&lag, fg_clock_thread_cpu_ns() - cpu_ns, rate * seconds);
	fg_hist_done(&lag);
	close(fd);
	return 0;
}

static int our_loop(uint64_t rate, uint64_t seconds, enum fg_pacing pacing, struct sample *ret)
{
	const struct fg_quick_options quick = {
		.url = "http://127.0.0.1:1/", .rate = rate, .duration_ns = seconds * FG_NS_PER_S};
	struct fg_scenario_file *file = NULL;
	struct fg_result *result = NULL;
	struct fg_err err;
	int rc = fg_scenario_quick(&quick, &file, &err);

	if (!rc) {
		struct fg_load_options options = {
			.file = file, .target_url = quick.url, .engine = "null", .seed = 1};

		file->scenarios[0].pacing = pacing;
		file->scenarios[0].arrivals = FG_ARRIVALS_UNIFORM;
		options.threads = 1;
		rc = fg_load_run(&options, &result, &err);
	}
	if (rc) {
		fprintf(stderr, "bench_pacing: %s\n", err.message);
	} else {
		*ret = sample_of(&result->totals->scenarios[0].lag, result->generator_cpu_ns,
				 rate * seconds);
		ret->issued = result->totals->scenarios[0].iterations;
	}
	fg_result_free(result);
	fg_scenario_file_free(file);
	return rc;
}

static void print(const char *name, const struct sample *s, const struct sample *bare)
{
	printf("  %-10s mean %7.1f us  p50 %7.1f us  p99 %8.1f us (%.2f x bare)  CPU %5.1f "
	       "us/event "
	       "(%.2f x)  issued %" PRIu64 "/%" PRIu64 "\n",
	       name, s->mean_us, s->p50_us, s->p99_us, s->p99_us / bare->p99_us, s->cpu_us,
	       s->cpu_us / bare->cpu_us, s->issued, s->planned);
}

static uint64_t argument(int argc, char **argv, int index, uint64_t standard)
{
	uint64_t value;

	if (argc <= index)
		return standard;
	if (fg_num_u64(argv[index], strlen(argv[index]), &value, NULL) || !value) {
		fprintf(stderr, "usage: bench_pacing [RATE [SECONDS [ROUNDS]]]\n");
		return 0;
	}
	return value;
}

int main(int argc, char **argv)
{
	const uint64_t rate = argument(argc, argv, 1, 10000);
	const uint64_t seconds = argument(argc, argv, 2, 3);
	const uint64_t rounds = argument(argc, argv, 3, 3);

	if (!rate || !seconds || !rounds)
		return 2;
	for (uint64_t round = 0; round < rounds; round++) {
		struct sample bare, timer, spin;

		if (bare_loop(rate, seconds, &bare) ||
		    our_loop(rate, seconds, FG_PACING_TIMER, &timer) ||
		    our_loop(rate, seconds, FG_PACING_SPIN, &spin))
			return 1;
		printf("round %" PRIu64 ", %" PRIu64 "/s for %" PRIu64 " s\n", round + 1, rate,
		       seconds);
		print("bare", &bare, &bare);
		print("timer", &timer, &bare);
		print("spin", &spin, &bare);
	}
	return 0;
}
