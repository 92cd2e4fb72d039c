/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle_pid [walks=N] SECONDS HZ PID…: unwinds the same samples twice and compares. On a busy
 * machine longer than SECONDS: until there are WHOLE_ASKED to compare and N walks of the kernel's
 * stack, for at most SLOW_S more.
 *
 * The BPF program unwinds in the kernel and then lets the kernel write its own sample of the same
 * moment: registers and up to 63 KiB of stack. libdwfl unwinds that copy. Both know modules by the
 * same numbers, so stacks are compared frame by frame, module and offset.
 *
 * The kernel's part is compared in the kernel: every walk by its unwind table is done there twice.
 *
 * Lines: `oracle KEY COUNT`, and `differ COUNT WHAT` for each place where stacks part, most
 * frequent first. Samples whose stack the copy does not hold whole are compared as far as it goes
 * and counted as `cut`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "profiler/kernel_table.h"
#include "profiler/perf_space.h"
#include "profiler/target.h"

enum {
	RING_PAGES = 4096, /* 16 MiB per CPU: 250 samples */
	QUEUE_MAX = 1024,  /* per CPU */
	CPUS_MAX = 64,
	PROCESSES_MAX = 4096,
	PLACES_MAX = 256,
	POLL_MS = 5,
	WHOLE_ASKED = 300,
	SLOW_S = 30,
};
#define FRAME_MASK (~FG_FRAME_GUESSED)

struct queue {
	struct fg_bpf_sample *items[QUEUE_MAX];
	size_t first, count;
	struct fg_perf_ring ring;
};

struct process {
	uint32_t tgid;
	struct fg_perf_space *space; /* NULL: to be read */
};

struct place {
	uint64_t count;
	char text[280];
};

enum count {
	SAMPLES,     /* of targets, as BPF sent them */
	UNMATCHED,   /* the kernel's copy was lost */
	KERNEL_ONLY, /* no user part: nothing to unwind */
	UNMAPPED,    /* new code that the helper did not know yet, on either side */
	COMPARED,    /* all others: */
	AGREE,
	CUT,        /* agree as far as the copy goes: larger than 63 KiB, or another stack */
	RED_ZONE,   /* the same, below the stack pointer */
	AFTER_CALL, /* in a call that ends its function: the address is past the FDE */
	DIFFER,
	COUNTS
};
static const char *const count_names[COUNTS] = {
	"samples", "unmatched", "kernel_only", "unmapped",   "compared",
	"agree",   "cut",       "red_zone",    "after_call", "differ",
};

struct oracle {
	struct fg_wire wire;
	struct fg_session *session;
	struct fg_modules modules;
	struct fg_targets targets;
	struct fg_perf_files files;
	struct ring_buffer *samples, *events;
	struct queue queues[CPUS_MAX];
	struct process processes[PROCESSES_MAX];
	size_t process_count;
	uint64_t counts[COUNTS];
	uint64_t walks_asked;
	struct place places[PLACES_MAX];
	size_t place_count;
	struct fg_bpf_sample theirs;
	struct fg_err err;
	int rc;
};

static int take_sample(void *context, void *data, size_t size)
{
	struct oracle *o = context;
	const struct fg_bpf_sample *sample = data;

	if (size < offsetof(struct fg_bpf_sample, frames) || sample->cpu >= CPUS_MAX)
		return 0;
	struct queue *queue = &o->queues[sample->cpu];
	struct fg_bpf_sample *copy = calloc(1, sizeof(*copy));

	if (!copy || queue->count == QUEUE_MAX) {
		free(copy);
		return 0;
	}
	memcpy(copy, sample, size < sizeof(*copy) ? size : sizeof(*copy));
	queue->items[(queue->first + queue->count++) % QUEUE_MAX] = copy;
	o->counts[SAMPLES]++;
	return 0;
}

static struct process *process_of(struct oracle *o, uint32_t tgid)
{
	for (size_t i = 0; i < o->process_count; i++) {
		if (o->processes[i].tgid == tgid)
			return &o->processes[i];
	}
	if (o->process_count == PROCESSES_MAX)
		return NULL;
	o->processes[o->process_count] = (struct process){.tgid = tgid};
	return &o->processes[o->process_count++];
}

static int take_event(void *context, void *data, size_t size)
{
	struct oracle *o = context;
	const struct fg_bpf_event *event = data;

	if (size < sizeof(*event))
		return 0;
	struct process *process = process_of(o, event->tgid);

	if (process && event->kind != FG_EVENT_EXIT) {
		fg_perf_space_unref(process->space);
		process->space = NULL;
		if (event->kind == FG_EVENT_FORK) {
			/* The child may be gone before we look; it has its parent's mappings. */
			const struct process *parent = process_of(o, event->other);

			if (parent && parent->space)
				process->space = fg_perf_space_ref(parent->space);
		}
	}
	o->rc = fg_targets_event(&o->targets, event, &o->err);
	return o->rc;
}

static const char *module_name(const struct oracle *o, uint64_t frame)
{
	uint64_t module = (frame & FRAME_MASK) >> FG_FRAME_MODULE_SHIFT;

	if (module < FG_MODULE_FIRST || module - FG_MODULE_FIRST >= o->modules.count)
		return module == FG_MODULE_ANON ? "anon" : "none";
	const char *path = o->modules.items[module - FG_MODULE_FIRST].path;
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void frame_text(const struct oracle *o, const struct fg_bpf_sample *sample, size_t i,
		       char *text, size_t size_bytes)
{
	if (i >= sample->user_count) {
		(void)snprintf(text, size_bytes, "end(%d)", sample->result);
		return;
	}
	uint64_t frame = sample->frames[sample->kernel_count + i];

	(void)snprintf(text, size_bytes, "%.40s+0x%llx%s", module_name(o, frame),
		       (unsigned long long)(frame & FG_FRAME_ADDRESS_MASK),
		       frame & FG_FRAME_GUESSED ? "?" : "");
}

static void note_place(struct oracle *o, const struct fg_bpf_sample *ours,
		       const struct fg_bpf_sample *theirs, size_t at)
{
	char caller[80], a[80], b[80], text[sizeof(o->places[0].text)];

	frame_text(o, ours, at ? at - 1 : 0, caller, sizeof(caller));
	frame_text(o, ours, at, a, sizeof(a));
	frame_text(o, theirs, at, b, sizeof(b));
	(void)snprintf(text, sizeof(text), "above %s: bpf %s, dwfl %s", caller, a, b);
	for (size_t i = 0; i < o->place_count; i++) {
		if (strcmp(o->places[i].text, text) == 0) {
			o->places[i].count++;
			return;
		}
	}
	if (o->place_count == PLACES_MAX)
		return;
	memcpy(o->places[o->place_count].text, text, sizeof(text));
	o->places[o->place_count++].count = 1;
}

/* The leaf may be one apart: after a system call BPF takes its address for a return address, which
 * the copy does not tell. */
static bool same_frame(uint64_t a, uint64_t b, bool leaf)
{
	a &= FRAME_MASK;
	b &= FRAME_MASK;
	return a == b || (leaf && a + 1 == b);
}

static size_t first_difference(const struct fg_bpf_sample *ours, const struct fg_bpf_sample *theirs)
{
	size_t count = FG_MIN(ours->user_count, theirs->user_count), i = 0;

	while (i < count && same_frame(ours->frames[ours->kernel_count + i],
				       theirs->frames[theirs->kernel_count + i], i == 0))
		i++;
	return i;
}

static void read_space(struct oracle *o, struct process *process)
{
	struct fg_mappings mappings = {0};

	if (fg_mappings_read((pid_t)process->tgid, &mappings, NULL) == 0 &&
	    fg_perf_space_new(&o->modules, &o->files, process->tgid, &mappings, &process->space,
			      NULL) != 0)
		process->space = NULL;
	fg_mappings_done(&mappings);
}

static void compare(struct oracle *o, const struct fg_bpf_sample *ours,
		    const struct fg_perf_record *record)
{
	struct process *process = process_of(o, ours->tgid);

	if (!record->regs || ours->result == FG_BPF_KERNEL_ONLY) {
		o->counts[record->regs ? DIFFER : KERNEL_ONLY]++;
		return;
	}
	if (process && !process->space)
		read_space(o, process);
	memset(&o->theirs, 0, offsetof(struct fg_bpf_sample, frames));
	if (process && process->space)
		fg_perf_space_unwind(process->space, ours->tgid, record, &o->theirs);
	if (!process || !process->space || ours->result == FG_BPF_NO_MAPPING ||
	    o->theirs.result == FG_BPF_NO_MAPPING) {
		o->counts[UNMAPPED]++;
		return;
	}
	size_t at = first_difference(ours, &o->theirs);
	bool same = at == ours->user_count && at == o->theirs.user_count &&
		    ours->result == o->theirs.result;
	uint64_t fault = fg_perf_space_fault(process->space);

	o->counts[COMPARED]++;
	if (same) {
		o->counts[AGREE]++;
	} else if (at == o->theirs.user_count && o->theirs.result == FG_BPF_READ_FAULT) {
		o->counts[fault < record->regs[7] && record->regs[7] - fault <= 128 ? RED_ZONE
										    : CUT]++;
	} else if (at == 1 && o->theirs.user_count == 1 && o->theirs.result == FG_BPF_GAP &&
		   ours->kernel_count) {
		o->counts[AFTER_CALL]++;
	} else {
		o->counts[DIFFER]++;
		note_place(o, ours, &o->theirs, at);
	}
}

/* Both sides are in order on each CPU; the kernel's stamp is taken just before BPF's (since 6.2,
 * before that just after), and two samples are a period apart. */
static void match(struct oracle *o, struct queue *queue, uint64_t period_ns)
{
	const struct fg_perf_record *record;

	while ((record = fg_perf_ring_peek(&queue->ring, false))) {
		struct fg_bpf_sample *ours = queue->count ? queue->items[queue->first] : NULL;

		if (record->kind != FG_PERF_SAMPLE || !ours ||
		    record->time_ns + period_ns / 2 < ours->time_ns) {
			fg_perf_ring_drop(&queue->ring); /* BPF's ring was full, or not a sample */
			continue;
		}
		if (record->tid == ours->tid && record->time_ns < ours->time_ns + period_ns / 2) {
			compare(o, ours, record);
			fg_perf_ring_drop(&queue->ring);
		} else {
			o->counts[UNMATCHED]++;
		}
		queue->first = (queue->first + 1) % QUEUE_MAX;
		queue->count--;
		free(ours);
	}
}

static int pump(struct oracle *o, uint64_t period_ns)
{
	int got = ring_buffer__consume(o->events);

	if (o->rc)
		return o->rc;
	if (got < 0 || ring_buffer__consume(o->samples) < 0)
		return fg_err_set(&o->err, FG_E_IO, "reading a ring");
	for (uint32_t i = 0; i < fg_session_cpus(o->session); i++)
		match(o, &o->queues[i], period_ns);
	return fg_wire_flush(&o->wire, &o->err);
}

static int open_all(struct oracle *o, uint64_t period_ns)
{
	const struct fg_session_options options = {.oracle = true};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int rc = fg_wire_init(&o->wire, null, &o->err);

	if (!rc)
		rc = fg_session_new(&options, &o->session, &o->err);
	if (rc)
		return rc;
	fg_modules_init(&o->modules, o->session, &o->wire);
	fg_targets_init(&o->targets, o->session, &o->modules);
	o->samples = ring_buffer__new(fg_session_sample_ring(o->session), take_sample, o, NULL);
	o->events = ring_buffer__new(fg_session_event_ring(o->session), take_event, o, NULL);
	if (!o->samples || !o->events)
		return fg_err_errno(&o->err, errno, "mapping a ring buffer");
	rc = fg_session_attach(o->session, period_ns, &o->err);
	if (!rc && fg_session_cpus(o->session) > CPUS_MAX)
		rc = fg_err_set(&o->err, FG_E_LIMIT, "more than %d CPUs", CPUS_MAX);
	for (uint32_t i = 0; !rc && i < fg_session_cpus(o->session); i++)
		rc = fg_perf_ring_map(&o->queues[i].ring, fg_session_event_fd(o->session, i),
				      RING_PAGES, &o->err);
	return rc;
}

/* Where there is no table the kernel walks alone, and no walk is counted. */
static void use_kernel_table(struct oracle *o)
{
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	struct fg_err err = {0};

	if (fd < 0 || fg_kernel_table_use(o->session, &o->modules, fd, &err) != 0)
		(void)fprintf(stderr, "no walks of the kernel's stack: %s\n", err.message);
	if (fd >= 0)
		close(fd);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

static void print(struct oracle *o)
{
	for (int i = 0; i < COUNTS; i++)
		printf("oracle %s %llu\n", count_names[i], (unsigned long long)o->counts[i]);
	struct fg_bpf_stats stats = {0};

	if (fg_session_stats(o->session, &stats, &o->err) == 0)
		printf("oracle kernel_walks %llu\noracle kernel_checks %llu\noracle kernel_differ "
		       "%llu\n",
		       (unsigned long long)stats.kernel_walks,
		       (unsigned long long)stats.kernel_checks,
		       (unsigned long long)stats.kernel_differ);
	qsort(o->places, o->place_count, sizeof(o->places[0]), compare_places);
	for (size_t i = 0; i < o->place_count && i < 20; i++)
		printf("differ %llu %s\n", (unsigned long long)o->places[i].count,
		       o->places[i].text);
}

/* On a busy machine, or where most copies are cut, longer: until there is something to say. */
static bool goes_on(const struct oracle *o, uint64_t end_ns)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	struct fg_bpf_stats stats = {0};

	if (now_ns < end_ns)
		return true;
	if (now_ns >= end_ns + SLOW_S * FG_NS_PER_S)
		return false;
	if (o->counts[AGREE] + o->counts[DIFFER] < WHOLE_ASKED)
		return true;
	return o->walks_asked && fg_session_stats(o->session, &stats, NULL) == 0 &&
	       stats.kernel_walks < o->walks_asked;
}

static int run(struct oracle *o, uint64_t duration_ns, uint64_t period_ns, char **pids)
{
	int rc = open_all(o, period_ns);

	for (; !rc && *pids; pids++) {
		uint64_t pid;

		rc = fg_num_u64(*pids, strlen(*pids), &pid, &o->err);
		if (!rc)
			rc = fg_targets_add_tree(&o->targets, (uint32_t)pid, &o->err);
	}
	if (!rc) {
		use_kernel_table(o);
		rc = fg_session_enable(o->session, true, &o->err);
	}
	if (!rc)
		printf("ready\n");
	(void)fflush(stdout);
	uint64_t end_ns = fg_clock_monotonic_ns() + duration_ns;

	while (!rc && goes_on(o, end_ns)) {
		(void)ring_buffer__poll(o->events, POLL_MS);
		rc = o->rc ? o->rc : pump(o, period_ns);
	}
	if (!rc)
		rc = fg_session_enable(o->session, false, &o->err);
	return rc ? rc : pump(o, period_ns);
}

static void close_all(struct oracle *o)
{
	for (size_t cpu = 0; cpu < CPUS_MAX; cpu++) {
		struct queue *queue = &o->queues[cpu];

		for (; queue->count; queue->count--) {
			free(queue->items[queue->first]);
			queue->first = (queue->first + 1) % QUEUE_MAX;
		}
		fg_perf_ring_done(&queue->ring);
	}
	for (size_t i = 0; i < o->process_count; i++)
		fg_perf_space_unref(o->processes[i].space);
	ring_buffer__free(o->samples);
	ring_buffer__free(o->events);
	fg_perf_files_done(&o->files);
	fg_targets_done(&o->targets);
	fg_modules_done(&o->modules);
	fg_session_free(o->session);
	fg_wire_done(&o->wire);
	free(o);
}

int main(int argc, char **argv)
{
	uint64_t seconds, hz, walks = 0;

	if (argc > 1 && strncmp(argv[1], "walks=", 6) == 0) {
		if (fg_num_u64(argv[1] + 6, strlen(argv[1] + 6), &walks, NULL) != 0)
			return 2;
		argc--;
		argv++;
	}
	if (argc < 4 || fg_num_u64(argv[1], strlen(argv[1]), &seconds, NULL) != 0 ||
	    fg_num_u64(argv[2], strlen(argv[2]), &hz, NULL) != 0 || !hz) {
		(void)fputs("usage: oracle_pid [walks=N] SECONDS HZ PID...\n", stderr);
		return 2;
	}
	struct oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return 1;
	o->walks_asked = walks;
	int rc = run(o, seconds * FG_NS_PER_S, FG_NS_PER_S / hz, argv + 3);

	if (rc)
		printf("error %s\n", o->err.message);
	else
		print(o);
	close_all(o);
	return rc ? 1 : 0;
}
