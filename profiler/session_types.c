/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/session_types.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "gate/base/clock.h"
#include "profiler/sleepers.h"

static bool wants(const struct fg_session_types *types, enum fg_sample_type type)
{
	return (types->types & 1u << type) != 0;
}

static int map_fd(const struct fg_session_types *types, const char *name)
{
	return bpf_object__find_map_fd_by_name(types->object, name);
}

void fg_session_types_choose(struct fg_session_types *types, struct bpf_object *object,
			     uint32_t wanted)
{
	static const char *const wait_maps[] = {"fg_threads", "fg_thread_places", "fg_more_threads",
						"fg_wait_control", "fg_wait_cpus"};
	const uint32_t known = 1u << FG_SAMPLE_OFFCPU | 1u << FG_SAMPLE_FAULT;

	types->object = object;
	types->types = wanted & known;
	struct bpf_program *waits = bpf_object__find_program_by_name(object, "fg_switch");
	struct bpf_program *faults = bpf_object__find_program_by_name(object, "fg_fault");

	assert(waits && faults); /* of the object that we were built with */
	(void)bpf_program__set_autoload(waits, wants(types, FG_SAMPLE_OFFCPU));
	(void)bpf_program__set_autoload(faults, wants(types, FG_SAMPLE_FAULT));
	for (size_t i = 0; i < FG_ARRAY_LEN(wait_maps); i++)
		(void)bpf_map__set_autocreate(bpf_object__find_map_by_name(object, wait_maps[i]),
					      wants(types, FG_SAMPLE_OFFCPU));
	(void)bpf_map__set_autocreate(bpf_object__find_map_by_name(object, "fg_fault_cpus"),
				      wants(types, FG_SAMPLE_FAULT));
	(void)bpf_map__set_autocreate(bpf_object__find_map_by_name(object, "fg_type_stats"),
				      wants(types, FG_SAMPLE_FAULT));
}

static int open_fault_event(int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = FG_FAULT_PERIOD,
		.disabled = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int attach_faults(struct fg_session_types *types, struct fg_err *err)
{
	struct bpf_program *program = bpf_object__find_program_by_name(types->object, "fg_fault");
	size_t cpus = (size_t)types->possible_cpus;

	types->fault_fds = calloc(cpus, sizeof(*types->fault_fds));
	types->fault_links = calloc(cpus, sizeof(struct bpf_link *));
	if (!types->fault_fds || !types->fault_links)
		return fg_err_nomem(err);
	for (int cpu = 0; cpu < types->possible_cpus; cpu++) {
		int fd = open_fault_event(cpu);

		if (fd < 0 && errno == ENODEV)
			continue; /* an offline CPU */
		if (fd < 0)
			return fg_err_errno(err, errno, "opening an event of page faults");
		struct bpf_link *link = bpf_program__attach_perf_event(program, fd);

		if (!link) {
			int errnum = errno;

			close(fd);
			return fg_err_errno(err, errnum, "attaching to page faults");
		}
		types->fault_fds[types->faults] = fd;
		types->fault_links[types->faults++] = link;
	}
	return 0;
}

int fg_session_types_attach(struct fg_session_types *types, struct fg_err *err)
{
	int rc = 0;

	if (!types->types)
		return 0;
	types->possible_cpus = libbpf_num_possible_cpus();
	if (types->possible_cpus <= 0 || types->possible_cpus > FG_SESSION_CPUS_MAX)
		return fg_err_set(err, FG_E_UNSUPPORTED, "cannot tell the number of CPUs");
	types->stats = calloc((size_t)types->possible_cpus, sizeof(*types->stats));
	types->wait_cpus = calloc((size_t)types->possible_cpus, sizeof(*types->wait_cpus));
	if (!types->stats || !types->wait_cpus)
		return fg_err_nomem(err);
	if (wants(types, FG_SAMPLE_FAULT))
		rc = attach_faults(types, err);
	if (!rc && wants(types, FG_SAMPLE_OFFCPU)) {
		types->switch_link = bpf_program__attach(
			bpf_object__find_program_by_name(types->object, "fg_switch"));
		if (!types->switch_link)
			rc = fg_err_errno(err, errno, "attaching to sched_switch");
	}
	/* libbpf enables each event as it attaches. */
	return rc ? rc : fg_session_types_enable(types, false, err);
}

void fg_session_types_done(struct fg_session_types *types)
{
	for (uint32_t i = 0; i < types->faults; i++)
		(void)bpf_link__destroy(types->fault_links[i]); /* closes the event */
	(void)bpf_link__destroy(types->switch_link);
	free(types->fault_fds);
	free(types->fault_links);
	free(types->stats);
	free(types->wait_cpus);
}

int fg_session_types_enable(struct fg_session_types *types, bool on, struct fg_err *err)
{
	unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
	const struct fg_bpf_wait_control control = {.since_ns = on ? fg_clock_monotonic_ns() : 0};
	const uint32_t zero = 0;

	for (uint32_t i = 0; i < types->faults; i++) {
		if (ioctl(types->fault_fds[i], request, 0) != 0)
			return fg_err_errno(err, errno, "switching an event of page faults");
	}
	if (!wants(types, FG_SAMPLE_OFFCPU))
		return 0;
	/* When it ends, what still waits is read against the moment at which it began. */
	if (on)
		types->since_ns = control.since_ns;
	if (bpf_map_update_elem(map_fd(types, "fg_wait_control"), &zero, &control, BPF_ANY) != 0)
		return fg_err_errno(err, errno, "switching the account of waits");
	return 0;
}

/* Into types->stats; those of waits lie beside the rest of what a switch touches. */
static int read_stats(struct fg_session_types *types, enum fg_sample_type type, struct fg_err *err)
{
	const bool of_waits = type == FG_SAMPLE_OFFCPU;
	const uint32_t key = of_waits ? 0 : type;
	int rc = bpf_map_lookup_elem(map_fd(types, of_waits ? "fg_wait_cpus" : "fg_type_stats"),
				     &key, of_waits ? (void *)types->wait_cpus : types->stats);

	if (rc != 0)
		return fg_err_errno(err, errno, "reading the counts of a sample type");
	for (int i = 0; of_waits && i < types->possible_cpus; i++)
		types->stats[i] = types->wait_cpus[i].stats;
	return 0;
}

int fg_session_types_stats(struct fg_session_types *types, enum fg_sample_type type,
			   struct fg_bpf_type_stats *ret, struct fg_err *err)
{
	struct fg_bpf_type_stats sum = {0};

	if (wants(types, type)) {
		int rc = read_stats(types, type, err);

		if (rc)
			return rc;
		for (int i = 0; i < types->possible_cpus; i++) {
			sum.events += types->stats[i].events;
			sum.samples += types->stats[i].samples;
			sum.lost += types->stats[i].lost;
			sum.skipped += types->stats[i].skipped;
			sum.nested += types->stats[i].nested;
			sum.untracked += types->stats[i].untracked;
			sum.bpf_ns += types->stats[i].bpf_ns;
		}
	}
	*ret = sum;
	return 0;
}

int fg_session_types_asleep(struct fg_session_types *types, uint32_t tgid, struct fg_err *err)
{
	struct fg_pids tids = {0};
	int rc = 0;

	if (!wants(types, FG_SAMPLE_OFFCPU) || !types->since_ns)
		return 0;
	rc = fg_sleepers_list(tgid, &tids, err);
	for (size_t i = 0; !rc && i < tids.count; i++) {
		const struct fg_bpf_thread thread = {
			.out_ns = types->since_ns,
			.how = FG_WAIT_CERTAIN | FG_WAIT_SINCE_START,
			.tid = tids.items[i],
			.tgid = tgid,
		};

		/* One that has woken up meanwhile may have an account already, here or at its own
		 * place: see is_settled(). */
		if (bpf_map_update_elem(map_fd(types, "fg_more_threads"), &tids.items[i], &thread,
					BPF_NOEXIST) != 0 &&
		    errno != EEXIST && errno != E2BIG)
			rc = fg_err_errno(err, errno, "noting sleeping threads");
	}
	fg_pids_done(&tids);
	return rc;
}

enum { TIDS_MAX = 1 << 22 }; /* the kernel's own limit */

struct waiting {
	const struct fg_session_types *types;
	int (*take)(void *context, const struct fg_bpf_sample *record);
	void *context;
	struct fg_bpf_sample *record;
	uint64_t now_ns;
	uint8_t *settled; /* bit per number: threads that have an account at their own places */
};

/* As fg_label_request() of bpf/label.bpf.h. */
static uint32_t request_of(const struct fg_session_types *types, uint32_t pid)
{
	uint32_t zero = 0, place = pid & (FG_LABEL_THREADS - 1), on = 0;
	uint64_t word = 0;

	if (!pid || bpf_map_lookup_elem(map_fd(types, "fg_labels_on"), &zero, &on) != 0 || !on ||
	    bpf_map_lookup_elem(map_fd(types, "fg_requests"), &place, &word) != 0)
		return 0;
	return (uint32_t)word == pid ? (uint32_t)(word >> 32) : 0;
}

static int give(const struct waiting *w, const struct fg_bpf_thread *thread, uint64_t value,
		uint64_t how)
{
	struct fg_bpf_sample *record = w->record;

	record->time_ns = w->now_ns;
	record->tgid = thread->tgid;
	record->tid = thread->tid;
	record->request = request_of(w->types, thread->pid);
	record->value = value;
	record->frames[FG_WAIT_OUT_NS] = thread->out_ns;
	record->frames[FG_WAIT_SITE] = thread->site;
	record->frames[FG_WAIT_HOW] = how;
	return w->take(w->context, record);
}

/* A wait goes on until now; as at its end, a long one is told in any case. */
static int give_thread(const struct waiting *w, struct fg_bpf_thread *thread)
{
	uint64_t how = thread->how;
	int rc = 0;

	if (thread->out_ns >= w->types->since_ns && thread->out_ns <= w->now_ns) {
		uint64_t waited_ns = w->now_ns - thread->out_ns;

		if (waited_ns >= thread->long_us * FG_NS_PER_US)
			how |= FG_WAIT_LONG;
		else
			thread->short_ns += waited_ns;
		if (how & (FG_WAIT_LONG | FG_WAIT_HAS_STACK))
			rc = give(w, thread, waited_ns, how);
	}
	if (!rc && thread->short_ns)
		rc = give(w, thread, thread->short_ns, FG_WAIT_TOTAL);
	return rc;
}

/* Accounts at their own places; those of threads that are gone are there no more. */
static int give_settled(struct waiting *w, struct fg_err *err)
{
	const size_t size = FG_THREADS_MAX * sizeof(struct fg_bpf_thread);
	struct fg_bpf_thread *threads =
		mmap(NULL, size, PROT_READ, MAP_SHARED, map_fd(w->types, "fg_threads"), 0);
	int rc = 0;

	if (threads == MAP_FAILED)
		return fg_err_errno(err, errno, "mapping the accounts of threads");
	for (uint32_t i = 0; !rc && i < FG_THREADS_MAX; i++) {
		struct fg_bpf_thread thread = threads[i];

		if (!thread.pid)
			continue;
		if (thread.tid < TIDS_MAX)
			w->settled[thread.tid / 8] |= (uint8_t)(1u << thread.tid % 8);
		rc = give_thread(w, &thread);
	}
	(void)munmap(threads, size);
	return rc;
}

/* One that was noted as asleep just after it had woken up has its account elsewhere. */
static bool is_settled(const struct waiting *w, const struct fg_bpf_thread *thread)
{
	return thread->how & FG_WAIT_SINCE_START && thread->tid < TIDS_MAX &&
	       w->settled[thread->tid / 8] & 1u << thread->tid % 8;
}

/* It ended between being listed and being noted: who sleeps wakes up to die, and is forgotten. */
static bool is_gone(const struct fg_bpf_thread *thread)
{
	char path[64];

	if (!(thread->how & FG_WAIT_SINCE_START))
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%u/task/%u", thread->tgid, thread->tid);
	return access(path, F_OK) != 0;
}

static int give_more(struct waiting *w)
{
	int map = map_fd(w->types, "fg_more_threads"), rc = 0;
	uint32_t key, *previous = NULL;

	/* Threads come and go no more: the programs are off. The count bounds it all the same. */
	for (int i = 0; !rc && i < FG_THREADS_MAX; i++) {
		struct fg_bpf_thread thread;

		if (bpf_map_get_next_key(map, previous, &key) != 0)
			break;
		previous = &key;
		if (bpf_map_lookup_elem(map, &key, &thread) == 0 && !is_settled(w, &thread) &&
		    !is_gone(&thread))
			rc = give_thread(w, &thread);
	}
	return rc;
}

int fg_session_types_waiting(struct fg_session_types *types,
			     int (*take)(void *context, const struct fg_bpf_sample *record),
			     void *context, struct fg_err *err)
{
	struct waiting waiting = {.types = types, .take = take, .context = context};

	if (!wants(types, FG_SAMPLE_OFFCPU))
		return 0;
	FG_AUTO_FREE struct fg_bpf_sample *record = calloc(1, sizeof(*record));

	FG_AUTO_FREE uint8_t *settled = calloc(TIDS_MAX / 8, 1);

	if (!record || !settled)
		return fg_err_nomem(err);
	record->type = FG_SAMPLE_WAIT;
	record->result = FG_BPF_KERNEL_ONLY;
	record->user_count = FG_WAIT_WORDS;
	waiting.record = record;
	waiting.settled = settled;
	waiting.now_ns = fg_clock_monotonic_ns();
	int rc = give_settled(&waiting, err);

	return rc ? rc : give_more(&waiting);
}
