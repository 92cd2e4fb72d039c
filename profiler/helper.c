/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/helper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "profiler/bpf/shared.h"
#include "profiler/rights.h"
#include "profiler/source.h"

enum { STATS_INTERVAL_MS = 200, PIDS_MAX = 4096 };
#define SLICE_MIN_NS     (10 * FG_NS_PER_MS)
#define START_TIMEOUT_NS (30 * FG_NS_PER_S)
#define FLUSH_TIMEOUT_NS (3 * FG_NS_PER_S)
#define EVENTS_LAST_NS   FG_NS_PER_S

struct helper {
	struct fg_wire wire;
	struct fg_source *source; /* once START has come */
	bool greeted, started, stopping;
	uint64_t slice_ns, border_ns, slice; /* length (0: no slices), next border, its number */
};

uint32_t fg_helper_prime(uint32_t frequency_hz)
{
	uint32_t n = FG_MAX(2u, FG_MIN(frequency_hz, (uint32_t)FG_HELPER_FREQUENCY_MAX));

	for (;; n--) {
		uint32_t divisor = 2;

		while (divisor * divisor <= n && n % divisor)
			divisor++;
		if (divisor * divisor > n)
			return n;
	}
}

static int send_hello(struct helper *helper, struct fg_err *err)
{
	Fg__Wire__Hello hello;
	char version[] = FG_VERSION;

	fg__wire__hello__init(&hello);
	hello.protocol = FG_WIRE_PROTOCOL;
	hello.bpf_abi = FG_BPF_ABI;
	hello.version = version;
	hello.pid = (uint32_t)getpid();
	return fg_wire_send(&helper->wire, FG_WIRE_HELLO, &hello.base, -1, err);
}

static int take_hello(struct helper *helper, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Hello *hello = fg__wire__hello__unpack(NULL, message->len, message->body);

	if (!hello)
		return fg_err_set(err, FG_E_INVALID, "malformed HELLO");
	bool fits = hello->protocol == FG_WIRE_PROTOCOL && hello->bpf_abi == FG_BPF_ABI;

	fg__wire__hello__free_unpacked(hello, NULL);
	helper->greeted = true;
	if (!fits)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "flamegate and flamegate-profiler are of different versions; "
				  "fix: install both from the same build (this one is " FG_VERSION
				  ")");
	return 0;
}

static int send_ready(struct helper *helper, uint32_t kind, uint32_t frequency_hz,
		      uint64_t period_ns, struct fg_err *err)
{
	Fg__Wire__Ready ready;
	struct fg_source_facts facts = {0};
	Fg__Wire__Program messages[FG_SOURCE_PROGRAMS_MAX];
	Fg__Wire__Program *pointers[FG_SOURCE_PROGRAMS_MAX];
	char names[FG_SOURCE_PROGRAMS_MAX][32];

	helper->source->ops->describe(helper->source, &facts);
	fg__wire__ready__init(&ready);
	for (size_t i = 0; i < facts.program_count; i++) {
		const struct fg_source_program *program = &facts.programs[i];

		(void)snprintf(names[i], sizeof(names[i]), "%s", program->name);
		fg__wire__program__init(&messages[i]);
		messages[i].name = names[i];
		messages[i].verified_instructions = program->verified_instructions;
		messages[i].code_bytes = program->code_bytes;
		pointers[i] = &messages[i];
	}
	ready.frequency_hz = frequency_hz;
	ready.period_ns = period_ns;
	ready.cpus = facts.cpus;
	ready.processes = facts.processes;
	ready.source = kind;
	ready.kernel_visible = facts.kernel_visible;
	ready.n_programs = facts.program_count;
	ready.programs = pointers;
	return fg_wire_send(&helper->wire, FG_WIRE_READY, &ready.base, -1, err);
}

bool fg_helper_slice_on(uint64_t slice)
{
	/* splitmix64's finaliser over the pair's number. */
	uint64_t z = (slice / 2 + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return ((z ^ (z >> 31)) & 1) == (slice & 1);
}

/* Switches, and reads the targets' clocks right there. A border that comes late moves the next
 * ones: a slice is never shorter than asked for. */
static int next_slice(struct helper *helper, struct fg_err *err)
{
	Fg__Wire__Slice slice = FG__WIRE__SLICE__INIT;

	slice.on = fg_helper_slice_on(helper->slice++);
	int rc = helper->source->ops->enable(helper->source, slice.on, err);

	if (rc)
		return rc;
	slice.target_cpu_ns = helper->source->ops->cpu_ns(helper->source);
	slice.time_ns = fg_clock_monotonic_ns();
	helper->border_ns = slice.time_ns + helper->slice_ns;
	return fg_wire_send(&helper->wire, FG_WIRE_SLICE, &slice.base, -1, err);
}

static int check_start(const Fg__Wire__Start *start, struct fg_err *err)
{
	int rc = fg_rights_check_self(err);

	if (rc)
		return rc;
	if (!start->n_pids || start->n_pids > PIDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "1 to %d processes, not %zu", PIDS_MAX,
				  start->n_pids);
	if (start->slice_ns && start->slice_ns < SLICE_MIN_NS)
		return fg_err_set(err, FG_E_USAGE, "slices of less than 10 ms");
	if (start->source > FG_SOURCE_PERF)
		return fg_err_set(err, FG_E_USAGE, "no source number %u", start->source);
	for (size_t i = 0; !rc && i < start->n_pids; i++)
		rc = fg_rights_check_target(start->pids[i], err);
	return rc;
}

static int begin(struct helper *helper, const Fg__Wire__Start *start, struct fg_err *err)
{
	uint32_t frequency_hz = fg_helper_prime(start->frequency_hz);
	uint64_t period_ns = FG_NS_PER_S / frequency_hz;
	int rc = check_start(start, err);

	uint32_t kind = start->source == FG_SOURCE_PERF ? FG_SOURCE_PERF : FG_SOURCE_BPF;

	helper->slice_ns = start->slice_ns;
	if (!rc)
		rc = kind == FG_SOURCE_PERF
			     ? fg_source_perf_new(&helper->wire, &helper->source, err)
			     : fg_source_bpf_new(&helper->wire, &helper->source, err);
	if (!rc)
		rc = helper->source->ops->start(helper->source, start, period_ns, err);
	if (!rc)
		rc = send_ready(helper, kind, frequency_hz, period_ns, err);
	helper->started = !rc;
	return rc;
}

static int take_start(struct helper *helper, const struct fg_wire_message *message,
		      struct fg_err *err)
{
	Fg__Wire__Start *start = fg__wire__start__unpack(NULL, message->len, message->body);

	if (!start)
		return fg_err_set(err, FG_E_INVALID, "malformed START");
	int rc = helper->started || !helper->greeted
			 ? fg_err_set(err, FG_E_INVALID, "START out of order")
			 : begin(helper, start, err);

	fg__wire__start__free_unpacked(start, NULL);
	return rc;
}

static int take_enable(struct helper *helper, const struct fg_wire_message *message,
		       struct fg_err *err)
{
	Fg__Wire__Enable *enable = fg__wire__enable__unpack(NULL, message->len, message->body);

	if (!enable || !helper->started) {
		if (enable)
			fg__wire__enable__free_unpacked(enable, NULL);
		return fg_err_set(err, FG_E_INVALID, "ENABLE out of order");
	}
	bool on = enable->on;

	fg__wire__enable__free_unpacked(enable, NULL);
	if (helper->slice_ns)
		return fg_err_set(err, FG_E_INVALID, "ENABLE while slices switch");
	return helper->source->ops->enable(helper->source, on, err);
}

static int take_runtime(struct helper *helper, const struct fg_wire_message *message,
			struct fg_err *err)
{
	Fg__Wire__Runtime *runtime = fg__wire__runtime__unpack(NULL, message->len, message->body);
	int rc = 0;

	if (!runtime || !helper->started)
		rc = fg_err_set(err, FG_E_INVALID, "RUNTIME out of order");
	else if (helper->source->ops->runtime)
		rc = helper->source->ops->runtime(helper->source, runtime, err);
	if (runtime)
		fg__wire__runtime__free_unpacked(runtime, NULL);
	return rc;
}

static int take_message(struct helper *helper, const struct fg_wire_message *message,
			struct fg_err *err)
{
	switch (message->type) {
	case FG_WIRE_HELLO:
		return take_hello(helper, message, err);
	case FG_WIRE_START:
		return take_start(helper, message, err);
	case FG_WIRE_ENABLE:
		return take_enable(helper, message, err);
	case FG_WIRE_RUNTIME:
		return take_runtime(helper, message, err);
	case FG_WIRE_STOP:
		helper->stopping = true;
		return 0;
	default:
		return fg_err_set(err, FG_E_INVALID, "%s is not for the helper",
				  fg_wire_type_name(message->type));
	}
}

static int take_messages(struct helper *helper, struct fg_err *err)
{
	struct fg_wire_message message;
	int rc = fg_wire_fill(&helper->wire, err);

	while (!rc && !helper->stopping) {
		int got = fg_wire_next_message(&helper->wire, &message, err);

		if (got <= 0)
			return got;
		rc = take_message(helper, &message, err);
	}
	return rc;
}

/* Waits for the client, an event, or the time to drain. */
static int wait_some(struct helper *helper, uint64_t until_ns)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	int source_fd = helper->started ? helper->source->ops->fd(helper->source) : -1;
	struct pollfd fds[2] = {
		{.fd = helper->wire.fd, .events = POLLIN},
		{.fd = source_fd, .events = POLLIN},
	};

	if (fg_wire_pending(&helper->wire))
		fds[0].events |= POLLOUT;
	int timeout_ms = until_ns > now_ns ? (int)((until_ns - now_ns) / FG_NS_PER_MS) + 1 : 0;

	return poll(fds, FG_ARRAY_LEN(fds), timeout_ms) < 0 && errno != EINTR ? -1 : 0;
}

static int drain_due(struct helper *helper, uint64_t now_ns, uint64_t *drain_ns, uint64_t *stats_ns,
		     struct fg_err *err)
{
	struct fg_source *source = helper->source;
	int rc = source->ops->events(source, err);

	if (!rc && helper->slice_ns && now_ns >= helper->border_ns)
		rc = next_slice(helper, err);
	if (!rc && now_ns >= *drain_ns) {
		rc = source->ops->samples(source, err);
		rc = rc > 0 ? 0 : rc;
		*drain_ns = now_ns + source->ops->interval_ms * FG_NS_PER_MS;
	}
	if (!rc && now_ns >= *stats_ns) {
		rc = source->ops->stats(source, err);
		*stats_ns = now_ns + STATS_INTERVAL_MS * FG_NS_PER_MS;
	}
	return rc;
}

static int run(struct helper *helper, struct fg_err *err)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	uint64_t start_by_ns = now_ns + START_TIMEOUT_NS, drain_ns = 0, stats_ns = 0;
	int rc = 0;

	while (!rc && !helper->stopping && !helper->wire.eof) {
		uint64_t until_ns = helper->started ? drain_ns : start_by_ns;
		uint64_t due_ns = helper->started ? helper->source->ops->due_ns(helper->source) : 0;

		if (due_ns)
			until_ns = FG_MIN(until_ns, due_ns);
		if (helper->started && helper->slice_ns)
			until_ns = FG_MIN(until_ns, helper->border_ns);
		if (wait_some(helper, until_ns) != 0)
			return fg_err_errno(err, errno, "poll");
		rc = take_messages(helper, err);
		now_ns = fg_clock_monotonic_ns();
		if (!rc && helper->started)
			rc = drain_due(helper, now_ns, &drain_ns, &stats_ns, err);
		else if (!rc && now_ns >= start_by_ns)
			rc = fg_err_set(err, FG_E_TIMEOUT, "the client sent no START");
		if (!rc)
			rc = fg_wire_flush(&helper->wire, err);
	}
	return rc;
}

static int drain_all(struct helper *helper, uint64_t deadline_ns, struct fg_err *err)
{
	int rc;

	do {
		rc = helper->source->ops->samples(helper->source, err);
		if (rc >= 0 && fg_wire_flush_all(&helper->wire, deadline_ns, err) != 0)
			return -(int)FG_E_TIMEOUT;
	} while (rc > 0);
	return rc;
}

/* One call takes some: the rest too, so that what was sampled last has its names. */
static int take_last_events(struct helper *helper, struct fg_err *err)
{
	struct fg_source *source = helper->source;
	struct pollfd poll_fd = {.fd = source->ops->fd(source), .events = POLLIN};
	uint64_t deadline_ns = fg_clock_monotonic_ns() + EVENTS_LAST_NS;
	int rc;

	do {
		rc = source->ops->events(source, err);
	} while (!rc && fg_clock_monotonic_ns() < deadline_ns && poll(&poll_fd, 1, 0) > 0);
	return rc;
}

/* Everything that was sampled before STOP still reaches the client. */
static int finish(struct helper *helper, struct fg_err *err)
{
	Fg__Wire__Empty empty;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + FLUSH_TIMEOUT_NS;
	int rc = 0;

	fg__wire__empty__init(&empty);
	if (helper->started) {
		struct fg_source *source = helper->source;

		rc = source->ops->enable(source, false, err);
		if (!rc)
			rc = take_last_events(helper, err);
		if (!rc)
			rc = drain_all(helper, deadline_ns, err);
		if (!rc)
			rc = source->ops->last ? source->ops->last(source, err) : 0;
		if (!rc)
			rc = source->ops->stats(source, err);
	}
	if (!rc)
		rc = fg_wire_send(&helper->wire, FG_WIRE_DONE, &empty.base, -1, err);
	return rc ? rc : fg_wire_flush_all(&helper->wire, deadline_ns, err);
}

static void report(struct helper *helper, const struct fg_err *err)
{
	Fg__Wire__Error message;
	struct fg_err text = *err;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + FLUSH_TIMEOUT_NS;

	fg__wire__error__init(&message);
	message.code = (uint32_t)text.code;
	message.message = text.message;
	if (fg_wire_send(&helper->wire, FG_WIRE_ERROR, &message.base, -1, NULL) == 0 &&
	    fg_wire_flush_all(&helper->wire, deadline_ns, NULL) != 0)
		return; /* the client is gone: nobody to tell */
}

int fg_helper_serve(int fd, struct fg_err *err)
{
	struct helper *helper = calloc(1, sizeof(*helper));

	if (!helper)
		return fg_err_nomem(err);
	int rc = fg_wire_init(&helper->wire, fd, err);

	if (!rc)
		rc = send_hello(helper, err);
	if (!rc)
		rc = run(helper, err);
	if (!rc && helper->stopping)
		rc = finish(helper, err);
	if (rc)
		report(helper, err);
	if (helper->source)
		helper->source->ops->free(helper->source);
	fg_wire_done(&helper->wire);
	free(helper);
	return rc;
}
