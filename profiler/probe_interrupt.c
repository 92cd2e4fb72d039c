/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a timer's interrupt takes from whom it interrupts, before any program of ours runs: 1 to 3
 * us on hardware, ten times that in a virtual machine, which leaves for its host each time. That
 * part of the overhead is the machine's, and decides which frequency is cheap.
 *
 * Measured on ourselves: how often the clock can be read in a millisecond, with and without such a
 * timer, in turns. A turn in which another had our CPU begins anew; on a machine so busy that none
 * is ours alone, the median is what there is.
 */
#include "profiler/probe_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"

enum { PAIRS = 96, TRIES = 4, COMMON_HZ = 499 };
#define WINDOW_NS FG_NS_PER_MS
#define PERIOD_NS (FG_NS_PER_MS / 10)
#define DEAR_NS   20000 /* one percent of a core at 499 Hz */

static int open_timer(void)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
		.disabled = 1,
		.exclude_kernel =
			1, /* all that a user without rights may have; the timer is the same */
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* How often another was given our CPU. */
static long times_preempted(void)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static double readings(int timer, bool on)
{
	uint64_t end_ns, count = 0;

	(void)ioctl(timer, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
	for (int i = 0; i < TRIES; i++) {
		long preempted = times_preempted();

		count = 0;
		end_ns = fg_clock_monotonic_ns() + WINDOW_NS;
		while (fg_clock_monotonic_ns() < end_ns)
			count++;
		if (times_preempted() == preempted)
			break;
	}
	return (double)count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double interrupt_ns(int timer)
{
	double lost[PAIRS];

	for (size_t i = 0; i < PAIRS; i++) {
		double without = readings(timer, false), with = readings(timer, true);

		lost[i] = without > 0 ? 1 - with / without : 0;
	}
	(void)ioctl(timer, PERF_EVENT_IOC_DISABLE, 0);
	qsort(lost, PAIRS, sizeof(lost[0]), compare);
	return (lost[PAIRS / 2 - 1] + lost[PAIRS / 2]) / 2 * (double)PERIOD_NS;
}

void fg_probe_interrupt(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "timer interrupt", false);
	int timer = open_timer();
	char text[FG_NUM_TEXT_MAX];

	probe->ok = timer >= 0;
	if (timer < 0) {
		fg_probe_detail(probe, "its cost is unknown: %s", strerror(errno));
		fg_probe_fix(probe, "sudo sysctl kernel.perf_event_paranoid=2");
		return;
	}
	double ns = interrupt_ns(timer);

	close(timer);
	ns = FG_MAX(ns, 0.0); /* noise, where it costs next to nothing */
	probe->ok = ns < DEAR_NS;
	fg_probe_detail(probe, "takes about %s, %.1f %% of a core at %d Hz, whatever is done in it",
			fg_num_format_ns(ns, text), ns * COMMON_HZ * 100 / (double)FG_NS_PER_S,
			COMMON_HZ);
	if (!probe->ok)
		fg_probe_fix(probe, "--frequency 99 (a virtual machine's timer is dear)");
}
