/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "gate/base/clock.h"
#include "profiler/client_jit.h"
#include "profiler/wire.pb-c.h"

enum { DEFAULT_FREQUENCY_HZ = 499, PIDS_MAX = 4096, EXIT_WAIT_MS = 1000, KILL_WAIT_MS = 2000 };
#define DEFAULT_TIMEOUT_NS (30 * FG_NS_PER_S)
#define STOP_TIMEOUT_NS    (4 * FG_NS_PER_S)
#define NAMES_TIMEOUT_NS   (3 * FG_NS_PER_S)

int fg_client_new(int fd, const uint32_t *pids, size_t pid_count, uint32_t frequency_hz,
		  struct fg_profiler **ret, struct fg_err *err)
{
	struct fg_profiler *profiler = calloc(1, sizeof(*profiler));

	if (!profiler) {
		close(fd);
		return fg_err_nomem(err);
	}
	profiler->kallsyms_fd = -1;
	profiler->frequency_hz = frequency_hz ? frequency_hz : DEFAULT_FREQUENCY_HZ;
	int rc = fg_wire_init(&profiler->wire, fd, err);

	if (!rc) {
		profiler->pids = calloc(pid_count ? pid_count : 1, sizeof(*pids));
		if (!profiler->pids)
			rc = fg_err_nomem(err);
	}
	if (rc) {
		fg_profiler_free(profiler);
		return rc;
	}
	if (pid_count)
		memcpy(profiler->pids, pids, pid_count * sizeof(*pids));
	profiler->pid_count = pid_count;
	*ret = profiler;
	return 0;
}

static int send_start(struct fg_profiler *profiler, struct fg_err *err)
{
	Fg__Wire__Hello hello;
	Fg__Wire__Start start;
	char version[] = FG_VERSION;

	fg__wire__hello__init(&hello);
	fg__wire__start__init(&start);
	hello.protocol = FG_WIRE_PROTOCOL;
	hello.bpf_abi = FG_BPF_ABI;
	hello.version = version;
	hello.pid = (uint32_t)getpid();
	start.pids = profiler->pids;
	start.n_pids = profiler->pid_count;
	start.frequency_hz = profiler->frequency_hz;
	start.slice_ns = profiler->slice_ns;
	start.types = fg_client_sample_types(profiler);
	start.source = profiler->source;
	start.labels = profiler->labels.asked;
	int rc = fg_wire_send(&profiler->wire, FG_WIRE_HELLO, &hello.base, -1, err);

	return rc ? rc : fg_wire_send(&profiler->wire, FG_WIRE_START, &start.base, -1, err);
}

/* One wait for the stream, then everything it holds. */
static int take_until(struct fg_profiler *profiler, uint64_t deadline_ns, struct fg_err *err)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	struct pollfd poll_fd = {.fd = profiler->wire.fd, .events = POLLIN};

	if (now_ns >= deadline_ns)
		return fg_err_set(err, FG_E_TIMEOUT, "flamegate-profiler did not answer in time");
	if (fg_wire_pending(&profiler->wire))
		poll_fd.events |= POLLOUT;
	(void)poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / FG_NS_PER_MS) + 1);
	/* A write may fail because the helper has gone; what it said before is still readable. */
	int flush_rc = fg_wire_flush(&profiler->wire, err);
	int rc = fg_client_take(profiler, err);

	return rc || profiler->state >= FG_CLIENT_DONE ? rc : flush_rc;
}

int fg_client_handshake(struct fg_profiler *profiler, uint64_t deadline_ns, struct fg_err *err)
{
	int rc = send_start(profiler, err);

	/* The first samples too shall have the functions of interpreters. */
	while (!rc && (profiler->state < FG_CLIENT_RUNNING || profiler->scripts.unanswered))
		rc = take_until(profiler, deadline_ns, err);
	return rc;
}

static int start_with(const struct fg_profiler_options *options, enum fg_profiler_source source,
		      uint64_t deadline_ns, struct fg_profiler **ret, struct fg_err *err)
{
	struct fg_profiler *profiler;
	pid_t helper_pid;
	int fd;
	int rc = fg_client_spawn(options->helper_path, &fd, &helper_pid, err);

	if (rc)
		return rc;
	rc = fg_client_new(fd, options->pids, options->pid_count, options->frequency_hz, &profiler,
			   err);
	if (rc) {
		(void)kill(helper_pid, SIGKILL);
		(void)waitpid(helper_pid, NULL, 0); /* it has not been told of any target */
		return rc;
	}
	profiler->helper_pid = helper_pid;
	profiler->slice_ns = options->slice_ns;
	profiler->types = options->types;
	profiler->source = source;
	fg_client_labels_ask(&profiler->labels, options->labels);
	rc = fg_client_handshake(profiler, deadline_ns, err);
	if (rc)
		fg_profiler_free(profiler);
	else
		*ret = profiler;
	return rc;
}

/* "…reason; fix: command" → one sentence about what is different now. */
static void note_source(struct fg_profiler *profiler, const char *why)
{
	const char *fix = strstr(why, "; fix: ");

	(void)snprintf(profiler->source_note, sizeof(profiler->source_note),
		       "perf events and stack copies, because %.*s%s%s%s",
		       (int)(fix ? (size_t)(fix - why) : strlen(why)), why,
		       profiler->user_only ? "; kernel part not visible" : "",
		       fix ? "; for BPF: " : "", fix ? fix + strlen("; fix: ") : "");
}

/* Without BPF: own processes can still be sampled by copies of their stacks. */
static int start_without_bpf(const struct fg_profiler_options *options, uint64_t deadline_ns,
			     const struct fg_err *why, struct fg_profiler **ret, struct fg_err *err)
{
	struct fg_err second;
	int rc = start_with(options, FG_PROFILER_PERF, deadline_ns, ret, &second);

	if (rc == 0) {
		note_source(*ret, why->message);
		return 0;
	}
	/* What BPF needs is the better advice; the rest is told as well where there is room. */
	if (strcmp(second.message, why->message) == 0)
		return fg_err_set(err, why->code, "%s", why->message);
	return fg_err_set(err, why->code, "%s; without BPF: %s", why->message, second.message);
}

int fg_profiler_start(const struct fg_profiler_options *options, struct fg_profiler **ret,
		      struct fg_err *err)
{
	uint64_t timeout_ns = options->timeout_ns ? options->timeout_ns : DEFAULT_TIMEOUT_NS;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + timeout_ns;
	struct fg_err why;

	if (!options->pid_count || options->pid_count > PIDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "1 to %d processes to profile, not %zu",
				  PIDS_MAX, options->pid_count);
	if (options->source != FG_PROFILER_AUTO)
		return start_with(options, options->source, deadline_ns, ret, err);
	int rc = start_with(options, FG_PROFILER_BPF, deadline_ns, ret, &why);

	if (rc == -FG_E_PERMISSION || rc == -FG_E_UNSUPPORTED)
		return start_without_bpf(options, deadline_ns, &why, ret, err);
	if (rc && err)
		*err = why;
	return rc;
}

enum fg_profiler_source fg_profiler_source(const struct fg_profiler *profiler)
{
	return profiler->source;
}

const char *fg_profiler_source_note(const struct fg_profiler *profiler)
{
	return profiler->source_note;
}

int fg_profiler_fd(const struct fg_profiler *profiler)
{
	return profiler->wire.fd;
}

static void close_stream(struct fg_profiler *profiler)
{
	if (profiler->wire.fd >= 0)
		close(profiler->wire.fd);
	profiler->wire.fd = -1;
}

int fg_profiler_read(struct fg_profiler *profiler, struct fg_err *err)
{
	if (profiler->wire.fd < 0)
		return 0;
	/* If this fails the peer is gone, and reading says so with a better reason. */
	(void)!fg_wire_flush(&profiler->wire, NULL);
	int rc = fg_client_take(profiler, err);

	if (rc)
		profiler->state = FG_CLIENT_LOST;
	if (rc || profiler->wire.eof)
		close_stream(profiler);
	fg_jit_tick(&profiler->processes, fg_clock_monotonic_ns());
	return rc;
}

int fg_profiler_enable(struct fg_profiler *profiler, bool on, struct fg_err *err)
{
	Fg__Wire__Enable enable;

	fg__wire__enable__init(&enable);
	enable.on = on;
	int rc = fg_wire_send(&profiler->wire, FG_WIRE_ENABLE, &enable.base, -1, err);

	return rc ? rc : fg_wire_flush(&profiler->wire, err);
}

size_t fg_profiler_programs(const struct fg_profiler *profiler, struct fg_profiler_program *out,
			    size_t max)
{
	size_t count = FG_MIN(profiler->program_count, max);

	memcpy(out, profiler->programs, count * sizeof(*out));
	return count;
}

size_t fg_profiler_slices(const struct fg_profiler *profiler, const struct fg_profiler_slice **ret)
{
	*ret = profiler->slices;
	return profiler->slices_count;
}

struct fg_profiler_kernel_walks fg_profiler_kernel_walks(const struct fg_profiler *profiler)
{
	return profiler->kernel_walks;
}

uint64_t fg_profiler_samples(const struct fg_profiler *profiler)
{
	return profiler->samples.count + profiler->samples.dropped;
}

double fg_profiler_complete_share(const struct fg_profiler *profiler)
{
	/* as fg_profile_info_complete_share() */
	uint64_t with_user = profiler->samples.cpu - profiler->samples.kernel_only;

	return with_user ? (double)profiler->samples.complete / (double)with_user : 0;
}

static bool ended_within(pid_t pid, int wait_ms)
{
	for (int waited_ms = 0; waited_ms < wait_ms; waited_ms++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return true;
		(void)poll(NULL, 0, 1);
	}
	return false;
}

/* The helper ends by itself when its stream does; one that does not is killed. One that even then
 * does not end (it reads a file of the target's, and the target's own file system does not answer)
 * is left to the system. */
static void reap(struct fg_profiler *profiler, int wait_ms)
{
	if (!profiler->helper_pid)
		return;
	if (!ended_within(profiler->helper_pid, wait_ms)) {
		(void)kill(profiler->helper_pid, SIGKILL);
		(void)ended_within(profiler->helper_pid, KILL_WAIT_MS);
	}
	profiler->helper_pid = 0;
}

int fg_profiler_stop(struct fg_profiler *profiler, struct fg_err *err)
{
	Fg__Wire__Empty empty;
	uint64_t deadline_ns = fg_clock_monotonic_ns() + STOP_TIMEOUT_NS;
	int rc = 0;

	fg__wire__empty__init(&empty);
	if (profiler->state == FG_CLIENT_RUNNING && profiler->wire.fd >= 0) {
		rc = fg_wire_send(&profiler->wire, FG_WIRE_STOP, &empty.base, -1, err);
		while (!rc && profiler->state == FG_CLIENT_RUNNING)
			rc = take_until(profiler, deadline_ns, err);
		if (rc) {
			profiler->state = FG_CLIENT_LOST;
			if (err)
				profiler->failure = *err;
		}
	}
	close_stream(profiler);
	reap(profiler, EXIT_WAIT_MS);
	fg_jit_finish(&profiler->processes, fg_clock_monotonic_ns() + NAMES_TIMEOUT_NS);
	return rc;
}

void fg_profiler_free(struct fg_profiler *profiler)
{
	if (!profiler)
		return;
	fg_wire_done(&profiler->wire);
	reap(profiler, EXIT_WAIT_MS);
	for (size_t i = 0; i < profiler->module_count; i++) {
		free(profiler->modules[i].path);
		free(profiler->modules[i].build_id);
		free(profiler->modules[i].image);
		if (profiler->modules[i].fd >= 0)
			close(profiler->modules[i].fd);
	}
	if (profiler->kallsyms_fd >= 0)
		close(profiler->kallsyms_fd);
	fg_client_labels_done(&profiler->labels);
	fg_samples_done(&profiler->samples);
	fg_waits_done(&profiler->waits);
	free(profiler->type_stats);
	fg_client_processes_done(&profiler->processes);
	fg_client_scripts_done(&profiler->scripts);
	free(profiler->modules);
	free(profiler->stats);
	free(profiler->slices);
	free(profiler->pids);
	free(profiler);
}
