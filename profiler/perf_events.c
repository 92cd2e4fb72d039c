/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/perf_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/vec.h"

enum {
	CPUS_MAX = 1024,
	THREADS_MAX = 16384,
	PAGES_MAX = 1024, /* 4 MiB: a second of one busy CPU at 127 Hz, 128 ms at 997 */
	PAGES_MIN = 32,   /* holds three samples */
};

struct cpu {
	uint32_t number;
	int owner; /* the event whose ring it is; -1: none yet */
	struct fg_perf_ring ring;
};

struct fg_perf {
	uint64_t period_ns;
	bool kernel_visible, on;
	struct cpu *cpus;
	size_t cpu_count;
	size_t pages; /* of each ring */
	int epoll_fd;
	int *events; /* all sampling ones */
	size_t count, capacity;
	int *clocks;
	size_t clock_count, clock_capacity;
	struct cpu *last; /* whose record fg_perf_next() gave out */
};

static int open_event(const struct perf_event_attr *attr, uint32_t tid, int cpu)
{
	struct perf_event_attr copy = *attr;

	return (int)syscall(SYS_perf_event_open, &copy, (pid_t)tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static struct perf_event_attr sampling_attr(const struct fg_perf *perf)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = perf->period_ns,
		.inherit = 1,
		.task = 1, /* records of fork and exit */
		.comm = 1,
		.comm_exec = 1,
		.mmap = 1, /* executable ones */
		.mmap2 = 1,
		.watermark = 1,
		.exclude_kernel = !perf->kernel_visible,
		.exclude_hv = !perf->kernel_visible,
	};

	fg_perf_sample_attr(&attr, FG_PERF_STACK_BYTES, perf->kernel_visible);
	attr.wakeup_watermark = (uint32_t)(perf->pages * (size_t)sysconf(_SC_PAGESIZE) / 4);
	return attr;
}

static int refusal(int errnum, uint32_t tid, struct fg_err *err)
{
	struct fg_buf text;
	char level[16] = "unknown";

	if (errnum == ESRCH)
		return fg_err_set(err, FG_E_NOT_FOUND, "no thread %u", tid);
	if (errnum == EMFILE || errnum == ENFILE)
		return fg_err_set(err, FG_E_LIMIT,
				  "too many open files: one event per thread and CPU is needed; "
				  "fix: ulimit -n 65536");
	if (errnum != EACCES && errnum != EPERM)
		return fg_err_errno(err, errnum, "opening a perf event on thread %u", tid);
	fg_buf_init(&text, 64);
	if (fg_file_read("/proc/sys/kernel/perf_event_paranoid", 16, &text, NULL) == 0 &&
	    text.data) {
		size_t len = FG_MIN(strcspn(text.data, "\n"), sizeof(level) - 1);

		memcpy(level, text.data, len);
		level[len] = '\0';
	}
	fg_buf_done(&text);
	return fg_err_set(err, FG_E_PERMISSION,
			  "perf events on own processes were refused (perf_event_paranoid is %s; a "
			  "container's seccomp profile may refuse them too); fix: sudo sysctl "
			  "kernel.perf_event_paranoid=2",
			  level);
}

/* The most that this kernel lets us see: kernel and user, else user alone. */
static int find_level(struct fg_perf *perf, uint32_t tid, struct fg_err *err)
{
	int errnum = 0;

	for (int visible = 1; visible >= 0; visible--) {
		perf->kernel_visible = visible;
		struct perf_event_attr attr = sampling_attr(perf);

		attr.disabled = 1;
		int fd = open_event(&attr, tid, -1);

		if (fd >= 0) {
			close(fd);
			return 0;
		}
		errnum = errno;
	}
	return refusal(errnum, tid, err);
}

static int find_cpus(struct fg_perf *perf, struct fg_err *err)
{
	long configured = sysconf(_SC_NPROCESSORS_CONF);

	if (configured <= 0 || configured > CPUS_MAX)
		return fg_err_set(err, FG_E_UNSUPPORTED, "cannot tell the number of CPUs");
	perf->cpus = calloc((size_t)configured, sizeof(*perf->cpus));
	if (!perf->cpus)
		return fg_err_nomem(err);
	perf->cpu_count = (size_t)configured;
	for (size_t i = 0; i < perf->cpu_count; i++) {
		perf->cpus[i].number = (uint32_t)i;
		perf->cpus[i].owner = -1;
	}
	return 0;
}

static void raise_limits(void)
{
	const int resources[] = {RLIMIT_MEMLOCK, RLIMIT_NOFILE};
	struct rlimit limit;

	for (size_t i = 0; i < FG_ARRAY_LEN(resources); i++) {
		if (getrlimit((__rlimit_resource_t)resources[i], &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit((__rlimit_resource_t)resources[i], &limit);
		}
	}
}

int fg_perf_new(uint32_t tid, uint64_t period_ns, struct fg_perf **ret, struct fg_err *err)
{
	struct fg_perf *perf = calloc(1, sizeof(*perf));

	if (!perf)
		return fg_err_nomem(err);
	perf->period_ns = period_ns;
	perf->pages = PAGES_MAX;
	perf->on = true;
	raise_limits();
	perf->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int rc = perf->epoll_fd < 0 ? fg_err_errno(err, errno, "epoll") : 0;

	if (!rc)
		rc = find_cpus(perf, err);
	if (!rc)
		rc = find_level(perf, tid, err);
	if (rc)
		fg_perf_free(perf);
	else
		*ret = perf;
	return rc;
}

void fg_perf_free(struct fg_perf *perf)
{
	if (!perf)
		return;
	for (size_t i = 0; i < perf->cpu_count; i++)
		fg_perf_ring_done(&perf->cpus[i].ring);
	for (size_t i = 0; i < perf->count; i++)
		close(perf->events[i]);
	for (size_t i = 0; i < perf->clock_count; i++)
		close(perf->clocks[i]);
	if (perf->epoll_fd >= 0)
		close(perf->epoll_fd);
	free(perf->cpus);
	free(perf->events);
	free(perf->clocks);
	free(perf);
}

/* The first event of a CPU gets a ring: as large as may be locked, of one size for all. */
static int give_ring(struct fg_perf *perf, struct cpu *cpu, int fd, struct fg_err *err)
{
	int rc = -1;

	for (size_t pages = perf->pages; pages >= PAGES_MIN; pages /= 2) {
		rc = fg_perf_ring_map(&cpu->ring, fd, pages, err);
		if (rc == 0 || rc != -FG_E_PERMISSION)
			break;
	}
	if (rc == -FG_E_PERMISSION)
		return fg_err_set(
			err, FG_E_PERMISSION,
			"no memory may be locked for perf events; fix: ulimit -l 65536, or "
			"sudo sysctl kernel.perf_event_mlock_kb=65536");
	if (rc)
		return rc;
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(perf->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
		return fg_err_errno(err, errno, "epoll");
	perf->pages = cpu->ring.data_bytes / (size_t)sysconf(_SC_PAGESIZE);
	cpu->owner = fd;
	return 0;
}

static int add_sampling(struct fg_perf *perf, struct cpu *cpu, uint32_t tid, struct fg_err *err)
{
	struct perf_event_attr attr = sampling_attr(perf);
	int rc = FG_VEC_ROOM(perf, events, count, capacity, THREADS_MAX * 8, err);

	if (rc)
		return rc;
	attr.disabled = !perf->on;
	int fd = open_event(&attr, tid, (int)cpu->number);

	if (fd < 0 && (errno == ENODEV || errno == EINVAL))
		return 0; /* an offline CPU */
	if (fd < 0)
		return refusal(errno, tid, err);
	if (cpu->owner < 0)
		rc = give_ring(perf, cpu, fd, err);
	else if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, cpu->owner) != 0)
		rc = fg_err_errno(err, errno, "sharing a perf ring");
	if (rc)
		close(fd);
	else
		perf->events[perf->count++] = fd;
	return rc;
}

static int add_clock(struct fg_perf *perf, uint32_t tid, struct fg_err *err)
{
	const struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.inherit = 1,
		/* Needed to be let in; a clock counts kernel time all the same. */
		.exclude_kernel = !perf->kernel_visible,
		.exclude_hv = !perf->kernel_visible,
	};
	int rc = FG_VEC_ROOM(perf, clocks, clock_count, clock_capacity, THREADS_MAX, err);

	if (rc)
		return rc;
	int fd = open_event(&attr, tid, -1);

	if (fd < 0)
		return refusal(errno, tid, err);
	perf->clocks[perf->clock_count++] = fd;
	return 0;
}

int fg_perf_add_thread(struct fg_perf *perf, uint32_t tid, struct fg_err *err)
{
	int rc = add_clock(perf, tid, err);

	for (size_t i = 0; !rc && i < perf->cpu_count; i++)
		rc = add_sampling(perf, &perf->cpus[i], tid, err);
	return rc;
}

int fg_perf_enable(struct fg_perf *perf, bool on, struct fg_err *err)
{
	unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	for (size_t i = 0; i < perf->count; i++) {
		if (ioctl(perf->events[i], request, 0) != 0)
			return fg_err_errno(err, errno, "switching a perf event");
	}
	perf->on = on;
	return 0;
}

int fg_perf_fd(const struct fg_perf *perf)
{
	return perf->epoll_fd;
}

void fg_perf_quiet(struct fg_perf *perf)
{
	struct epoll_event events[16];
	int count = epoll_wait(perf->epoll_fd, events, FG_ARRAY_LEN(events), 0);

	/* The ring stays; others may still write into it, and the timer reads it. */
	for (int i = 0; i < count; i++) {
		if (events[i].events & (EPOLLHUP | EPOLLERR))
			(void)epoll_ctl(perf->epoll_fd, EPOLL_CTL_DEL, events[i].data.fd, NULL);
	}
}

const struct fg_perf_record *fg_perf_next(struct fg_perf *perf)
{
	const struct fg_perf_record *oldest = NULL;

	if (perf->last)
		fg_perf_ring_drop(&perf->last->ring);
	perf->last = NULL;
	for (size_t i = 0; i < perf->cpu_count; i++) {
		struct cpu *cpu = &perf->cpus[i];
		const struct fg_perf_record *record =
			cpu->owner < 0 ? NULL : fg_perf_ring_peek(&cpu->ring, perf->kernel_visible);

		if (!record || (oldest && record->time_ns >= oldest->time_ns))
			continue;
		oldest = record;
		perf->last = cpu;
	}
	return oldest;
}

bool fg_perf_kernel_visible(const struct fg_perf *perf)
{
	return perf->kernel_visible;
}

uint32_t fg_perf_cpus(const struct fg_perf *perf)
{
	uint32_t count = 0;

	for (size_t i = 0; i < perf->cpu_count; i++)
		count += perf->cpus[i].owner >= 0;
	return count;
}

uint64_t fg_perf_cpu_ns(struct fg_perf *perf)
{
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < perf->clock_count; i++) {
		uint64_t ns;

		if (read(perf->clocks[i], &ns, sizeof(ns)) == (ssize_t)sizeof(ns))
			sum_ns += ns;
	}
	return sum_ns;
}
