/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "gate/base/clock.h"
#include "profiler/batch.h"
#include "profiler/session_types.h"
#include "profiler/wire.pb-c.h"

enum {
	BATCH_FULL = -EAGAIN, /* ends one consume call */
	EVENTS_MS_MAX = 100,  /* before the client and the samples have their turn */
	SAMPLE_BYTES_MIN = offsetof(struct fg_bpf_sample, frames),
};

struct fg_drain {
	struct fg_session *session;
	struct fg_targets *targets;
	struct fg_labels *labels;
	struct fg_wire *wire;
	struct fg_scripts *scripts;
	struct ring_buffer *samples, *events, *names;
	struct fg_err err; /* of the callbacks */
	int rc;
	uint64_t events_by_ns;
	bool lost_told;
	struct fg_batch *batch;
};

static int take_sample(void *context, void *data, size_t size)
{
	struct fg_drain *drain = context;
	const struct fg_bpf_sample *sample = data;

	if (size < SAMPLE_BYTES_MIN)
		return 0;
	size_t frames = (size_t)sample->kernel_count + sample->user_count;
	size_t words = frames + sample->script_count;

	if (words > FG_SAMPLE_FRAMES || size < SAMPLE_BYTES_MIN + words * sizeof(uint64_t))
		return 0;
	uint64_t script[FG_SCRIPT_WORDS_MAX];
	size_t count = 0;

	if (sample->script_count > FG_SCRIPT_WORDS_MAX)
		return 0;
	if (sample->script_count)
		count = fg_scripts_resolve(drain->scripts, sample->tgid, sample->frames + frames,
					   sample->script_count, script);
	return fg_batch_add(drain->batch, sample, script, count) ? BATCH_FULL : 0;
}

static int take_event(void *context, void *data, size_t size)
{
	struct fg_drain *drain = context;

	if (size < sizeof(struct fg_bpf_event))
		return 0;
	drain->rc = fg_targets_event(drain->targets, data, &drain->err);
	if (drain->rc)
		return drain->rc;
	/* A target that forks and execs without end brings events faster than we follow. */
	return fg_clock_monotonic_ns() < drain->events_by_ns ? 0 : BATCH_FULL;
}

static int take_name(void *context, void *data, size_t size)
{
	struct fg_drain *drain = context;

	if (size >= sizeof(struct fg_bpf_script_name))
		fg_scripts_captured(drain->scripts, data);
	return 0;
}

static void take_names(void *context)
{
	/* A name that is not here yet is read from the target's memory. */
	(void)!ring_buffer__consume(((struct fg_drain *)context)->names);
}

int fg_drain_new(struct fg_session *session, struct fg_targets *targets, struct fg_labels *labels,
		 struct fg_wire *wire, struct fg_scripts *scripts, struct fg_drain **ret,
		 struct fg_err *err)
{
	struct fg_drain *drain = calloc(1, sizeof(*drain));

	if (!drain)
		return fg_err_nomem(err);
	int rc = fg_batch_new(&drain->batch, err);

	if (rc) {
		free(drain);
		return rc;
	}
	drain->session = session;
	drain->targets = targets;
	drain->labels = labels;
	drain->wire = wire;
	drain->scripts = scripts;
	drain->samples =
		ring_buffer__new(fg_session_sample_ring(session), take_sample, drain, NULL);
	if (drain->samples)
		drain->events =
			ring_buffer__new(fg_session_event_ring(session), take_event, drain, NULL);
	if (drain->events)
		drain->names =
			ring_buffer__new(fg_session_name_ring(session), take_name, drain, NULL);
	if (!drain->samples || !drain->events || !drain->names) {
		int errnum = errno;

		fg_drain_free(drain);
		return fg_err_errno(err, errnum, "mapping a ring buffer");
	}
	fg_scripts_set_more(scripts, take_names, drain);
	*ret = drain;
	return 0;
}

void fg_drain_set_kernel(struct fg_drain *drain, const struct fg_kernel_names *names)
{
	fg_batch_set_kernel(drain->batch, names);
}

void fg_drain_free(struct fg_drain *drain)
{
	if (!drain)
		return;
	ring_buffer__free(drain->samples);
	ring_buffer__free(drain->events);
	ring_buffer__free(drain->names);
	fg_batch_free(drain->batch);
	free(drain);
}

int fg_drain_event_fd(const struct fg_drain *drain)
{
	return ring_buffer__epoll_fd(drain->events);
}

int fg_drain_events(struct fg_drain *drain, struct fg_err *err)
{
	drain->rc = 0;
	drain->events_by_ns = fg_clock_monotonic_ns() + EVENTS_MS_MAX * FG_NS_PER_MS;
	int rc = ring_buffer__consume(drain->events);

	if (drain->rc) {
		if (err)
			*err = drain->err;
		return drain->rc;
	}
	return rc < 0 && rc != BATCH_FULL ? fg_err_errno(err, -rc, "reading the event ring") : 0;
}

static int send_batch(struct fg_drain *drain, struct fg_err *err)
{
	int rc = fg_scripts_send(drain->scripts, drain->wire, err);

	return rc ? rc : fg_batch_send(drain->batch, drain->wire, err);
}

/* Between two batches, so that one always has room. */
static int take_waiting(void *context, const struct fg_bpf_sample *record)
{
	struct fg_drain *drain = context;
	size_t bytes = SAMPLE_BYTES_MIN + FG_WAIT_WORDS * sizeof(uint64_t);

	return take_sample(drain, (void *)(uintptr_t)record, bytes) == BATCH_FULL
		       ? send_batch(drain, &drain->err)
		       : 0;
}

int fg_drain_waiting(struct fg_drain *drain, struct fg_err *err)
{
	struct fg_session_types *types = fg_session_types(drain->session);
	int rc = fg_session_types_waiting(types, take_waiting, drain, &drain->err);

	if (!rc)
		rc = send_batch(drain, &drain->err);
	if (rc && err)
		*err = drain->err;
	return rc;
}

int fg_drain_samples(struct fg_drain *drain, struct fg_err *err)
{
	int got = BATCH_FULL;

	take_names(drain);
	while (got == BATCH_FULL && fg_wire_pending(drain->wire) < FG_BATCH_PENDING_BYTES_MAX) {
		got = ring_buffer__consume(drain->samples);
		if (got < 0 && got != BATCH_FULL)
			return fg_err_errno(err, -got, "reading the sample ring");
		int rc = send_batch(drain, err);

		if (rc)
			return rc;
	}
	return got == BATCH_FULL;
}

/* Once: how many there were in the end matters less than that some processes may be missing. */
static int tell_lost_events(struct fg_drain *drain, const struct fg_bpf_stats *stats,
			    struct fg_err *err)
{
	Fg__Wire__Notice notice;
	char text[] = "processes came and went too fast to follow each: some stacks have no names";

	if (!stats->lost_events || drain->lost_told)
		return 0;
	drain->lost_told = true;
	fg__wire__notice__init(&notice);
	notice.text = text;
	return fg_wire_send(drain->wire, FG_WIRE_NOTICE, &notice.base, -1, err);
}

static int read_types(struct fg_drain *drain, Fg__Wire__TypeStats types[FG_SAMPLE_TYPE_COUNT],
		      Fg__Wire__TypeStats *pointers[FG_SAMPLE_TYPE_COUNT], struct fg_err *err)
{
	for (int i = 0; i < FG_SAMPLE_TYPE_COUNT; i++) {
		struct fg_bpf_type_stats stats;
		int rc = fg_session_types_stats(fg_session_types(drain->session),
						(enum fg_sample_type)i, &stats, err);

		if (rc)
			return rc;
		fg__wire__type_stats__init(&types[i]);
		types[i].type = (uint32_t)i;
		types[i].events = stats.events;
		types[i].samples = stats.samples;
		types[i].lost = stats.lost;
		types[i].skipped = stats.skipped;
		types[i].nested = stats.nested;
		types[i].untracked = stats.untracked;
		types[i].bpf_ns = stats.bpf_ns;
		pointers[i] = &types[i];
	}
	return 0;
}

int fg_drain_stats(struct fg_drain *drain, struct fg_err *err)
{
	Fg__Wire__Stats message;
	Fg__Wire__TypeStats types[FG_SAMPLE_TYPE_COUNT], *pointers[FG_SAMPLE_TYPE_COUNT];
	struct fg_bpf_stats stats;
	int rc = fg_session_stats(drain->session, &stats, err);

	fg__wire__stats__init(&message);
	if (!rc)
		rc = fg_labels_cost(drain->labels, &message.label_receives, &message.label_ns, err);
	if (rc)
		return rc;
	message.target_cpu_ns = fg_targets_cpu_ns(drain->targets);
	message.time_ns = fg_clock_monotonic_ns();
	message.hits = stats.hits;
	message.samples = stats.samples;
	message.lost = stats.lost;
	message.lost_events = stats.lost_events;
	message.bpf_ns = stats.bpf_ns;
	message.frames = stats.frames;
	message.kernel_walks = stats.kernel_walks;
	message.kernel_checks = stats.kernel_checks;
	message.kernel_differ = stats.kernel_differ;
	message.kernel_given_up = stats.kernel_given_up;
	message.helper_cpu_ns = fg_clock_process_cpu_ns();
	message.processes = (uint32_t)drain->targets->count;
	message.n_types = FG_SAMPLE_TYPE_COUNT;
	message.types = pointers;
	rc = read_types(drain, types, pointers, err);
	if (!rc)
		rc = tell_lost_events(drain, &stats, err);
	if (!rc)
		rc = fg_labels_watch(drain->labels, message.time_ns, message.label_ns,
				     message.target_cpu_ns, err);
	if (rc)
		return rc;
	return fg_wire_send(drain->wire, FG_WIRE_STATS, &message.base, -1, err);
}
