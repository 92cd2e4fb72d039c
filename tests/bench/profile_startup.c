/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_startup HELPER HZ PID: starts the profiler and prints one line of milliseconds since
 * then: until it samples (READY), until the first sample has arrived here, and what CPU time the
 * helper used in all. For bench_startup.py.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "profiler/client.h"

#define FIRST_SAMPLE_WITHIN_NS (10 * FG_NS_PER_S)

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

/* CPU time of the children that were reaped: the helper. */
static double children_cpu_ms(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_CHILDREN, &used) != 0)
		return 0;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static int wait_for_sample(struct fg_profiler *profiler, uint64_t deadline_ns, struct fg_err *err)
{
	while (!fg_profiler_samples(profiler)) {
		uint64_t now_ns = fg_clock_monotonic_ns();
		struct pollfd poll_fd = {.fd = fg_profiler_fd(profiler), .events = POLLIN};

		if (now_ns >= deadline_ns)
			return fg_err_set(err, FG_E_TIMEOUT, "no sample: is the target busy?");
		(void)poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / FG_NS_PER_MS) + 1);
		int rc = fg_profiler_read(profiler, err);

		if (rc)
			return rc;
	}
	return 0;
}

static int measure(const struct fg_profiler_options *options, struct fg_err *err)
{
	struct fg_profiler *profiler;
	uint64_t begin_ns = fg_clock_monotonic_ns();
	int rc = fg_profiler_start(options, &profiler, err);
	uint64_t ready_ns = fg_clock_monotonic_ns();

	if (rc)
		return rc;
	rc = wait_for_sample(profiler, ready_ns + FIRST_SAMPLE_WITHIN_NS, err);
	uint64_t sample_ns = fg_clock_monotonic_ns();

	if (!rc)
		rc = fg_profiler_stop(profiler, err);
	fg_profiler_free(profiler);
	if (!rc)
		printf("ready %.1f sample %.1f helper_cpu %.1f\n", ms(ready_ns - begin_ns),
		       ms(sample_ns - begin_ns), children_cpu_ms());
	return rc;
}

int main(int argc, char **argv)
{
	uint64_t hz, pid;
	uint32_t root;
	struct fg_profiler_options options = {.pids = &root, .pid_count = 1};
	struct fg_err err = {0};

	if (argc != 4 || fg_num_u64(argv[2], strlen(argv[2]), &hz, &err) != 0 || hz > UINT32_MAX ||
	    fg_num_u64(argv[3], strlen(argv[3]), &pid, &err) != 0 || pid > INT32_MAX) {
		(void)fputs("usage: profile_startup HELPER HZ PID\n", stderr);
		return 2;
	}
	root = (uint32_t)pid;
	options.helper_path = argv[1];
	options.frequency_hz = (uint32_t)hz;
	if (measure(&options, &err) != 0) {
		fprintf(stderr, "profile_startup: %s\n", err.message);
		return 1;
	}
	return 0;
}
