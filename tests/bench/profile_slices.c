/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_slices HELPER HZ SLICE_MS SECONDS PID…: profiles in slices with and without sampling.
 *
 * Prints `border ON TIME_NS CPU_NS` at each border between slices (1 where samples are taken from
 * there on, when, and what the targets have used of CPU so far), at the end `samples N`, `bpf_ns N`
 * and `helper_cpu_ns N`. In every second slice without samples the same timers go off with nothing
 * to run (ON is 2 there): what an interrupt of this machine costs by itself. bench_profiler_cost.py
 * makes statistics of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "profiler/client.h"

static int number(const char *text, uint64_t max, uint64_t *ret)
{
	struct fg_err err;

	if (fg_num_u64(text, strlen(text), ret, &err) == 0 && *ret <= max)
		return 0;
	fprintf(stderr, "profile_slices: what is %s?\n", text);
	return -1;
}

enum { SAMPLED = 1, BARE = 2, CPUS_MAX = 64 };

struct bare { /* events without a program, one per CPU */
	int fds[CPUS_MAX];
	size_t count;
	bool on;
};

static int open_bare(struct bare *bare, uint32_t hz, struct fg_err *err)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = FG_NS_PER_S / hz,
		.disabled = 1,
	};

	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		int fd =
			(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

		if (fd >= 0)
			bare->fds[bare->count++] = fd;
		else if (errno != ENODEV && errno != EINVAL) /* offline; no such CPU */
			return fg_err_errno(err, errno, "opening a cpu-clock event");
	}
	return 0;
}

static void switch_bare(struct bare *bare, bool on)
{
	for (size_t i = 0; bare->on != on && i < bare->count; i++)
		(void)ioctl(bare->fds[i], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
	bare->on = on;
}

/* At once: whoever reads this counts requests at the same border. Slices come in pairs, one of each
 * with samples. */
static void print_new(const struct fg_profiler *profiler, struct bare *bare, size_t *printed)
{
	const struct fg_profiler_slice *s;
	size_t count = fg_profiler_slices(profiler, &s);

	for (; *printed < count; ++*printed) {
		int what = s[*printed].on ? SAMPLED : *printed / 2 % 2 ? BARE : 0;

		switch_bare(bare, what == BARE);
		printf("border %d %" PRIu64 " %" PRIu64 "\n", what, s[*printed].time_ns,
		       s[*printed].target_cpu_ns);
	}
	(void)fflush(stdout);
}

static int read_for(struct fg_profiler *profiler, struct bare *bare, uint64_t duration_ns,
		    struct fg_err *err)
{
	uint64_t now_ns = fg_clock_monotonic_ns(), end_ns = now_ns + duration_ns;
	size_t printed = 0;
	int rc = 0;

	for (; !rc && now_ns < end_ns; now_ns = fg_clock_monotonic_ns()) {
		struct pollfd poll_fd = {.fd = fg_profiler_fd(profiler), .events = POLLIN};

		(void)poll(&poll_fd, 1, (int)((end_ns - now_ns) / FG_NS_PER_MS) + 1);
		rc = fg_profiler_read(profiler, err);
		print_new(profiler, bare, &printed);
	}
	return rc;
}

static int measure(const struct fg_profiler_options *options, uint64_t duration_ns,
		   struct fg_err *err)
{
	struct fg_profile_info info;
	struct fg_profiler *profiler;
	struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT];
	struct bare bare = {0};
	int rc = open_bare(&bare, options->frequency_hz, err);

	if (!rc)
		rc = fg_profiler_start(options, &profiler, err);

	if (rc)
		return rc;
	struct fg_profiler_phase phase = {.name = "measure", .start_ns = fg_clock_monotonic_ns()};

	rc = read_for(profiler, &bare, duration_ns, err);
	switch_bare(&bare, false);
	phase.end_ns = fg_clock_monotonic_ns();
	if (!rc)
		rc = fg_profiler_stop(profiler, err);
	if (!rc)
		rc = fg_profiler_profile(
			profiler,
			&(struct fg_profiler_profile_options){
				.run_start_ns = phase.start_ns, .phases = &phase, .phase_count = 1},
			profiles, &info, err);
	if (!rc) {
		printf("frequency_hz %" PRIu32 "\nsamples %" PRIu64 "\nbpf_ns %" PRIu64
		       "\nhelper_cpu_ns %" PRIu64 "\n",
		       info.frequency_hz, info.samples, info.bpf_ns, info.helper_cpu_ns);
		fg_profile_free(profiles[FG_PROFILE_CPU]);
	}
	fg_profiler_free(profiler);
	return rc;
}

int main(int argc, char **argv)
{
	enum { PIDS_MAX = 16, FIRST_PID = 5 };
	uint32_t pids[PIDS_MAX];
	uint64_t hz, slice_ms, seconds, pid;
	struct fg_profiler_options options = {.pids = pids};
	struct fg_err err = {0};

	if (argc <= FIRST_PID || argc > FIRST_PID + PIDS_MAX) {
		fputs("usage: profile_slices HELPER HZ SLICE_MS SECONDS PID...\n", stderr);
		return 2;
	}
	if (number(argv[2], UINT32_MAX, &hz) || number(argv[3], 60000, &slice_ms) ||
	    number(argv[4], 86400, &seconds))
		return 2;
	for (int i = FIRST_PID; i < argc; i++) {
		if (number(argv[i], INT32_MAX, &pid))
			return 2;
		pids[options.pid_count++] = (uint32_t)pid;
	}
	options.helper_path = argv[1];
	options.frequency_hz = (uint32_t)hz;
	options.slice_ns = slice_ms * FG_NS_PER_MS;
	if (measure(&options, seconds * FG_NS_PER_S, &err) != 0) {
		fprintf(stderr, "profile_slices: %s\n", err.message);
		return 1;
	}
	return 0;
}
