/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perf events with stack copies as a source: the way without BPF and, for own processes, without
 * any privilege.
 *
 * Owns: which processes there are (from records of fork, exec and exit), what address space each
 * has, what was lost. Run as root it does the same for any process; that serves tests only.
 */
#include "profiler/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"
#include "profiler/announce.h"
#include "profiler/batch.h"
#include "profiler/perf_events.h"
#include "profiler/perf_space.h"
#include "profiler/proc.h"
#include "profiler/rights.h"

enum {
	INTERVAL_MS = 10, /* a ring of 512 KiB holds 15 samples */
	SEARCH_ROUNDS_MAX = 20,
	SEARCH_PAUSE_MS = 5,
};

struct process {
	uint32_t tgid;
	bool stale;                  /* has mapped something, or is new */
	struct fg_perf_space *space; /* NULL: not read yet */
	struct fg_process told;      /* what the client knows of it */
};

struct perf_source {
	struct fg_source base;
	struct fg_wire *wire;
	struct fg_perf *perf;
	struct fg_modules modules;
	struct fg_perf_files files;
	struct fg_batch *batch;
	struct process *items;
	size_t count, capacity;
	struct fg_pids threads; /* while starting: those that have events */
	uint32_t *roots;
	size_t root_count;
	uint64_t user_baseline_ns, user_ns;
	bool sampling; /* samples before READY are dropped */
	bool throttle_told, limit_told;
	uint64_t samples, lost, frames;
	struct fg_bpf_sample sample;
};

/* -- processes ----------------------------------------------------------------------------------
 */

static struct process *find(struct perf_source *self, uint32_t tgid)
{
	for (size_t i = 0; i < self->count; i++) {
		if (self->items[i].tgid == tgid)
			return &self->items[i];
	}
	return NULL;
}

static int find_or_add(struct perf_source *self, uint32_t tgid, struct process **ret,
		       struct fg_err *err)
{
	*ret = find(self, tgid);
	if (*ret)
		return 0;
	int rc = FG_VEC_ROOM(self, items, count, capacity, FG_TGIDS_MAX, err);

	if (rc)
		return rc;
	*ret = &self->items[self->count++];
	**ret = (struct process){.tgid = tgid, .stale = true, .told.tgid = tgid};
	return 0;
}

/* A space with the same mappings that another process has already. */
static struct fg_perf_space *same_space(struct perf_source *self, struct fg_perf_space *space)
{
	for (size_t i = 0; i < self->count; i++) {
		struct fg_perf_space *other = self->items[i].space;

		if (other && fg_perf_space_hash(other) == fg_perf_space_hash(space)) {
			fg_perf_space_unref(space);
			return fg_perf_space_ref(other);
		}
	}
	return space;
}

static int notice(struct perf_source *self, const char *text, struct fg_err *err)
{
	Fg__Wire__Notice message;
	char copy[200];

	(void)snprintf(copy, sizeof(copy), "%.199s", text);
	fg__wire__notice__init(&message);
	message.text = copy;
	return fg_wire_send(self->wire, FG_WIRE_NOTICE, &message.base, -1, err);
}

/* A process that is gone keeps the space it had. */
static int refresh(struct perf_source *self, struct process *process, struct fg_err *err)
{
	struct fg_perf_space *space;
	struct fg_mappings mappings = {0};
	struct fg_err local = {0};

	process->stale = false;
	if (fg_mappings_read((pid_t)process->tgid, &mappings, NULL) != 0)
		return 0;
	int rc = fg_perf_space_new(&self->modules, &self->files, process->tgid, &mappings, &space,
				   &local);

	if (rc && err)
		*err = local;
	if (!rc) {
		fg_announce_look(&process->told, &mappings);
		fg_perf_space_trust(space, process->told.facts.frame_pointers);
		space = same_space(self, space);
		fg_perf_space_unref(process->space);
		process->space = space;
		rc = fg_announce_process(self->wire, &process->told, err);
	}
	fg_mappings_done(&mappings);
	if (rc != -FG_E_LIMIT || self->limit_told)
		return rc == -FG_E_LIMIT ? 0 : rc;
	self->limit_told = true;
	return notice(self, local.message, err);
}

/* A child has its parent's mappings until it execs. */
static int forked(struct perf_source *self, const struct fg_perf_record *record, struct fg_err *err)
{
	struct process *child;

	if (record->tgid == record->parent)
		return 0;
	int rc = find_or_add(self, record->tgid, &child, err);

	if (rc)
		return rc;
	const struct process *parent = find(self, record->parent);

	if (child->space || !parent || !parent->space || parent->stale)
		return 0;
	child->space = fg_perf_space_ref(parent->space);
	child->stale = false;
	fg_announce_inherit(&child->told, &parent->told);
	return fg_announce_process(self->wire, &child->told, err);
}

static void exited(struct perf_source *self, const struct fg_perf_record *record)
{
	struct process *process = find(self, record->tgid);

	if (!process || record->tgid != record->tid)
		return;
	fg_perf_space_unref(process->space);
	*process = self->items[--self->count];
}

/* -- samples ------------------------------------------------------------------------------------
 */

static void take_kernel(struct fg_bpf_sample *sample, const struct fg_perf_record *record)
{
	const uint64_t first_mark = (uint64_t)-4095; /* PERF_CONTEXT_… */

	for (size_t i = 0; i < record->kernel_count; i++) {
		if (record->kernel[i] < first_mark && sample->kernel_count < FG_KERNEL_FRAMES_MAX)
			sample->frames[sample->kernel_count++] = record->kernel[i];
	}
}

static int take_sample(struct perf_source *self, const struct fg_perf_record *record,
		       struct fg_err *err)
{
	struct fg_bpf_sample *sample = &self->sample;
	struct process *process;

	if (!self->sampling)
		return 0;
	int rc = find_or_add(self, record->tgid, &process, err);

	if (!rc && record->regs && process->stale)
		rc = refresh(self, process, err);
	if (rc)
		return rc;
	memset(sample, 0, offsetof(struct fg_bpf_sample, frames));
	sample->time_ns = record->time_ns;
	sample->tgid = record->tgid;
	sample->tid = record->tid;
	sample->cpu = (uint16_t)record->cpu;
	sample->type = FG_SAMPLE_CPU;
	sample->value = 1;
	sample->result = FG_BPF_KERNEL_ONLY;
	take_kernel(sample, record);
	if (record->regs && process->space) {
		fg_perf_space_unwind(process->space, process->tgid, record, sample);
		/* New code whose record we have not seen: look again with the next sample. */
		process->stale = sample->result == FG_BPF_NO_MAPPING;
	} else if (record->regs) {
		sample->frames[sample->kernel_count] = 0;
		sample->user_count = 1;
		sample->result = FG_BPF_NO_MAPPING;
	}
	self->samples++;
	self->frames += (uint64_t)sample->kernel_count + sample->user_count;
	return fg_batch_add(self->batch, sample, NULL, 0)
		       ? fg_batch_send(self->batch, self->wire, err)
		       : 0;
}

static int take_record(struct perf_source *self, const struct fg_perf_record *record,
		       struct fg_err *err)
{
	struct process *process;

	switch (record->kind) {
	case FG_PERF_SAMPLE:
		return take_sample(self, record, err);
	case FG_PERF_FORK:
		return forked(self, record, err);
	case FG_PERF_EXIT:
		exited(self, record);
		return 0;
	case FG_PERF_EXEC:
	case FG_PERF_MAP:
		process = find(self, record->tgid);
		if (!process)
			return 0;
		process->stale = true;
		if (record->kind == FG_PERF_EXEC)
			process->told.told = process->told.known = false;
		return 0;
	case FG_PERF_LOST:
		self->lost += self->sampling ? record->lost : 0;
		return 0;
	case FG_PERF_THROTTLE:
		if (self->throttle_told)
			return 0;
		self->throttle_told = true;
		return notice(self,
			      "the kernel throttled sampling (kernel.perf_event_max_sample_rate)",
			      err);
	default:
		return 0;
	}
}

static int take_samples(struct fg_source *source, struct fg_err *err)
{
	struct perf_source *self = (struct perf_source *)source;
	const struct fg_perf_record *record = NULL;
	int rc = 0;

	while (!rc && fg_wire_pending(self->wire) < FG_BATCH_PENDING_BYTES_MAX &&
	       (record = fg_perf_next(self->perf)))
		rc = take_record(self, record, err);
	if (!rc)
		rc = fg_batch_send(self->batch, self->wire, err);
	return rc ? rc : record != NULL;
}

/* A ring that fills up is read at once. */
static int take_events(struct fg_source *source, struct fg_err *err)
{
	struct perf_source *self = (struct perf_source *)source;
	struct pollfd poll_fd = {.fd = fg_perf_fd(self->perf), .events = POLLIN};

	if (poll(&poll_fd, 1, 0) <= 0)
		return 0;
	fg_perf_quiet(self->perf);
	int rc = take_samples(source, err);

	return rc < 0 ? rc : 0;
}

/* The ring's fill level wakes us, and the interval. */
static uint64_t due_ns(const struct fg_source *source)
{
	(void)source;
	return 0;
}

/* -- starting -----------------------------------------------------------------------------------
 */

static bool has_thread(const struct perf_source *self, uint32_t tid)
{
	for (size_t i = 0; i < self->threads.count; i++) {
		if (self->threads.items[i] == tid)
			return true;
	}
	return false;
}

static int note_thread(struct perf_source *self, uint32_t tid, struct fg_err *err)
{
	if (has_thread(self, tid))
		return 0;
	int rc = FG_VEC_ROOM(&self->threads, items, count, capacity, FG_PROC_TREE_MAX, err);

	if (!rc)
		self->threads.items[self->threads.count++] = tid;
	return rc;
}

/* Threads that started from others with events have inherited theirs, and say so by a record. */
static int note_inherited(struct perf_source *self, struct fg_err *err)
{
	const struct fg_perf_record *record;
	int rc = 0;

	while (!rc && (record = fg_perf_next(self->perf))) {
		if (record->kind == FG_PERF_FORK)
			rc = note_thread(self, record->tid, err);
		if (!rc)
			rc = take_record(self, record, err);
	}
	return rc;
}

/* Adds the threads of a process that have no events yet; *ret counts them. */
static int add_threads(struct perf_source *self, uint32_t pid, size_t *ret, struct fg_err *err)
{
	char path[64];
	struct dirent *entry;
	int rc = 0;

	(void)snprintf(path, sizeof(path), "/proc/%u/task", pid);
	DIR *dir = opendir(path);

	while (dir && !rc && (entry = readdir(dir))) {
		uint64_t tid;
		struct fg_err local;

		if (fg_num_u64(entry->d_name, strlen(entry->d_name), &tid, NULL) != 0 ||
		    has_thread(self, (uint32_t)tid))
			continue;
		rc = fg_perf_add_thread(self->perf, (uint32_t)tid, &local);
		if (rc == -FG_E_NOT_FOUND) { /* it ended meanwhile */
			rc = 0;
			continue;
		}
		if (rc && err)
			*err = local;
		if (!rc)
			rc = note_thread(self, (uint32_t)tid, err);
		(*ret)++;
	}
	if (dir)
		closedir(dir);
	return rc;
}

/* One look at the whole tree. Children of another user are left out, as with BPF. */
static int add_tree(struct perf_source *self, uint32_t root, size_t *ret_new, struct fg_err *err)
{
	struct fg_pids tree = {0};
	int rc = fg_proc_tree(root, &tree, err);

	for (size_t i = 0; !rc && i < tree.count; i++) {
		struct process *process;

		if (tree.items[i] != root && fg_rights_check_target(tree.items[i], NULL) != 0)
			continue;
		rc = find_or_add(self, tree.items[i], &process, err);
		if (!rc)
			rc = add_threads(self, tree.items[i], ret_new, err);
	}
	fg_pids_done(&tree);
	return rc;
}

/* Until a look finds nothing new. A thread that starts between our look and its parent's event is
 * found by the next one; the pause lets records of inheritance arrive, so that none counts twice.
 */
static int add_all(struct perf_source *self, struct fg_err *err)
{
	int rc = 0;

	for (unsigned round = 0; round < SEARCH_ROUNDS_MAX; round++) {
		size_t added = 0;

		for (size_t i = 0; !rc && i < self->root_count; i++)
			rc = add_tree(self, self->roots[i], &added, err);
		if (rc || !added)
			break;
		(void)poll(NULL, 0, SEARCH_PAUSE_MS);
		rc = note_inherited(self, err);
		if (rc)
			break;
	}
	fg_pids_done(&self->threads);
	return rc;
}

static int send_kallsyms(struct perf_source *self, struct fg_err *err)
{
	struct fg_kernel_names names;

	if (!fg_perf_kernel_visible(self->perf))
		return 0;
	int rc = fg_kernel_names_send(fg_rights_client_sees_kernel(), self->wire, &names, err);

	if (!rc)
		fg_batch_set_kernel(self->batch, &names);
	return rc;
}

/* Which request a thread works on is known to a BPF program only. */
static int refuse_labels(struct perf_source *self, struct fg_err *err)
{
	Fg__Wire__Labels labels = FG__WIRE__LABELS__INIT;
	char problem[] = "request classes need BPF";

	labels.problem = problem;
	return fg_wire_send(self->wire, FG_WIRE_LABELS, &labels.base, -1, err);
}

static uint64_t read_user_ns(struct perf_source *self)
{
	struct fg_pids tree = {0};
	uint64_t sum_ns = 0;

	for (size_t i = 0; i < self->root_count; i++)
		(void)!fg_proc_tree(self->roots[i], &tree, NULL);
	for (size_t i = 0; i < tree.count; i++) {
		struct fg_proc_stat stat;

		if (fg_proc_stat(tree.items[i], &stat, NULL) == 0)
			sum_ns += stat.user_ns;
	}
	fg_pids_done(&tree);
	return sum_ns;
}

static int start_source(struct fg_source *source, const Fg__Wire__Start *start, uint64_t period_ns,
			struct fg_err *err)
{
	struct perf_source *self = (struct perf_source *)source;

	fg_modules_init(&self->modules, NULL, self->wire);
	self->roots = calloc(start->n_pids, sizeof(*self->roots));
	if (!self->roots)
		return fg_err_nomem(err);
	memcpy(self->roots, start->pids, start->n_pids * sizeof(*self->roots));
	self->root_count = start->n_pids;
	int rc = fg_batch_new(&self->batch, err);

	if (!rc)
		rc = fg_perf_new(self->roots[0], period_ns, &self->perf, err);
	if (!rc)
		rc = send_kallsyms(self, err);
	if (!rc && start->labels)
		rc = refuse_labels(self, err);
	if (!rc)
		rc = add_all(self, err);
	if (!rc)
		rc = fg_rights_drop_to_client(err);
	/* Only now: libdwfl gets to see the targets' files. */
	for (size_t i = 0; !rc && i < self->count; i++)
		rc = refresh(self, &self->items[i], err);
	self->user_baseline_ns = read_user_ns(self);
	self->sampling = !rc;
	return rc;
}

static int enable_source(struct fg_source *source, bool on, struct fg_err *err)
{
	struct perf_source *self = (struct perf_source *)source;

	/* What was mapped while it was off has left no record. */
	for (size_t i = 0; on && i < self->count; i++)
		self->items[i].stale = true;
	return fg_perf_enable(self->perf, on, err);
}

static int source_fd(const struct fg_source *source)
{
	return fg_perf_fd(((const struct perf_source *)source)->perf);
}

static uint64_t cpu_ns(struct fg_source *source)
{
	return fg_perf_cpu_ns(((struct perf_source *)source)->perf);
}

static int send_stats(struct fg_source *source, struct fg_err *err)
{
	struct perf_source *self = (struct perf_source *)source;
	Fg__Wire__Stats message = FG__WIRE__STATS__INIT;

	if (!fg_perf_kernel_visible(self->perf)) {
		uint64_t now_ns = read_user_ns(self);

		if (now_ns > self->user_baseline_ns)
			self->user_ns = FG_MAX(self->user_ns, now_ns - self->user_baseline_ns);
	}
	message.target_cpu_ns = cpu_ns(source);
	message.target_user_ns = self->user_ns;
	message.time_ns = fg_clock_monotonic_ns();
	message.hits = self->samples + self->lost;
	message.samples = self->samples + self->lost;
	message.lost = self->lost;
	message.frames = self->frames;
	message.helper_cpu_ns = fg_clock_process_cpu_ns();
	message.processes = (uint32_t)self->count;
	return fg_wire_send(self->wire, FG_WIRE_STATS, &message.base, -1, err);
}

static void describe(const struct fg_source *source, struct fg_source_facts *ret)
{
	const struct perf_source *self = (const struct perf_source *)source;

	ret->cpus = fg_perf_cpus(self->perf);
	ret->processes = (uint32_t)self->count;
	ret->kernel_visible = fg_perf_kernel_visible(self->perf);
}

static void free_source(struct fg_source *source)
{
	struct perf_source *self = (struct perf_source *)source;

	for (size_t i = 0; i < self->count; i++)
		fg_perf_space_unref(self->items[i].space);
	fg_perf_free(self->perf);
	fg_perf_files_done(&self->files);
	fg_modules_done(&self->modules);
	fg_batch_free(self->batch);
	fg_pids_done(&self->threads);
	free(self->items);
	free(self->roots);
	free(self);
}

int fg_source_perf_new(struct fg_wire *wire, struct fg_source **ret, struct fg_err *err)
{
	static const struct fg_source_ops ops = {
		.name = "perf",
		.interval_ms = INTERVAL_MS,
		.free = free_source,
		.start = start_source,
		.enable = enable_source,
		.fd = source_fd,
		.events = take_events,
		.due_ns = due_ns,
		.samples = take_samples,
		.stats = send_stats,
		.cpu_ns = cpu_ns,
		.describe = describe,
	};
	struct perf_source *self = calloc(1, sizeof(*self));

	if (!self)
		return fg_err_nomem(err);
	self->base.ops = &ops;
	self->wire = wire;
	*ret = &self->base;
	return 0;
}
