/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF programs as a source: session, targets, modules and drain put together. */
#include "profiler/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "profiler/drain.h"
#include "profiler/kernel_table.h"
#include "profiler/labels.h"
#include "profiler/rights.h"
#include "profiler/script_target.h"
#include "profiler/session_types.h"

struct bpf_source {
	struct fg_source base;
	struct fg_wire *wire;
	struct fg_session *session;
	struct fg_modules modules;
	struct fg_targets targets;
	struct fg_scripts *scripts;
	struct fg_drain *drain;
	struct fg_labels labels;
	int kallsyms_fd; /* opened while we might, read when sampling has begun; then -1 */
};

static_assert((int)FG_SOURCE_PROGRAMS_MAX >= (int)FG_SESSION_PROGRAMS_MAX, "room for each program");

/* While we may read real addresses. */
static int send_kallsyms(struct bpf_source *self, struct fg_err *err)
{
	struct fg_kernel_names names;
	int rc = fg_kernel_names_send(fg_rights_client_sees_kernel(), self->wire, &names, err);

	if (!rc)
		fg_drain_set_kernel(self->drain, &names);
	return rc;
}

/* Once. Without it the kernel walks its own stacks, at more expense: nothing to fail for. */
static void use_kernel_table(struct bpf_source *self)
{
	if (self->kallsyms_fd < 0)
		return;
	(void)fg_kernel_table_use(self->session, &self->modules, self->kallsyms_fd, NULL);
	close(self->kallsyms_fd);
	self->kallsyms_fd = -1;
}

/* While we may read addresses. Reading the kernel's memory is nothing to keep on a user's behalf
 * while files are parsed that this user may have made: then at once. */
static void open_kernel_table(struct bpf_source *self)
{
	self->kallsyms_fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	if (self->kallsyms_fd < 0)
		fg_session_copy_end(self->session);
	else if (getuid() != 0)
		use_kernel_table(self);
}

static int start_source(struct fg_source *source, const Fg__Wire__Start *start, uint64_t period_ns,
			struct fg_err *err)
{
	struct bpf_source *self = (struct bpf_source *)source;
	const struct fg_session_options options = {.types = start->types};
	int rc = fg_session_new(&options, &self->session, err);

	if (rc)
		return rc;
	fg_modules_init(&self->modules, self->session, self->wire);
	rc = fg_scripts_new(&self->scripts, err);
	fg_targets_init(&self->targets, self->session, &self->modules);
	self->targets.scripts = self->scripts;
	if (!rc)
		rc = fg_drain_new(self->session, &self->targets, &self->labels, self->wire,
				  self->scripts, &self->drain, err);
	if (!rc)
		rc = send_kallsyms(self, err);
	if (!rc)
		rc = fg_session_attach(self->session, period_ns, err);
	if (!rc && start->labels)
		rc = fg_labels_begin(&self->labels, self->session, self->wire, err);
	if (!rc)
		open_kernel_table(self);
	if (!rc)
		rc = fg_rights_drop(err);
	for (size_t i = 0; !rc && i < start->n_pids; i++)
		rc = fg_targets_add_tree(&self->targets, start->pids[i], err);
	if (!rc)
		rc = fg_session_enable(self->session, true, err);
	for (size_t i = 0; !rc && i < self->targets.count; i++)
		rc = fg_session_types_asleep(fg_session_types(self->session),
					     self->targets.items[i].tgid, err);
	return rc;
}

static int enable_source(struct fg_source *source, bool on, struct fg_err *err)
{
	return fg_session_enable(((struct bpf_source *)source)->session, on, err);
}

static int source_fd(const struct fg_source *source)
{
	return fg_drain_event_fd(((const struct bpf_source *)source)->drain);
}

static int take_events(struct fg_source *source, struct fg_err *err)
{
	struct bpf_source *self = (struct bpf_source *)source;
	int rc = fg_drain_events(self->drain, err);

	return rc ? rc : fg_targets_recheck(&self->targets, fg_clock_monotonic_ns(), err);
}

static uint64_t due_ns(const struct fg_source *source)
{
	return fg_targets_recheck_ns(&((const struct bpf_source *)source)->targets);
}

static int take_samples(struct fg_source *source, struct fg_err *err)
{
	struct bpf_source *self = (struct bpf_source *)source;
	int rc = fg_drain_samples(self->drain, err);

	if (rc >= 0)
		use_kernel_table(self); /* the first samples have not waited for it */
	return rc;
}

static int take_last(struct fg_source *source, struct fg_err *err)
{
	return fg_drain_waiting(((struct bpf_source *)source)->drain, err);
}

static int send_stats(struct fg_source *source, struct fg_err *err)
{
	return fg_drain_stats(((struct bpf_source *)source)->drain, err);
}

static uint64_t cpu_ns(struct fg_source *source)
{
	return fg_targets_cpu_ns(&((struct bpf_source *)source)->targets);
}

static int take_runtime(struct fg_source *source, const Fg__Wire__Runtime *runtime,
			struct fg_err *err)
{
	return fg_script_target_runtime(&((struct bpf_source *)source)->targets, runtime, err);
}

static void describe(const struct fg_source *source, struct fg_source_facts *ret)
{
	const struct bpf_source *self = (const struct bpf_source *)source;
	struct fg_session_program programs[FG_SESSION_PROGRAMS_MAX];

	ret->cpus = fg_session_cpus(self->session);
	ret->processes = (uint32_t)self->targets.count;
	ret->kernel_visible = true;
	ret->program_count = fg_session_programs(self->session, programs);
	ret->program_count +=
		ret->program_count < FG_SESSION_PROGRAMS_MAX && self->labels.kernel &&
		fg_session_label_program(self->labels.kernel, &programs[ret->program_count]);
	for (size_t i = 0; i < ret->program_count; i++)
		ret->programs[i] = (struct fg_source_program){programs[i].name,
							      programs[i].verified_instructions,
							      programs[i].code_bytes};
}

static void free_source(struct fg_source *source)
{
	struct bpf_source *self = (struct bpf_source *)source;

	if (self->kallsyms_fd >= 0)
		close(self->kallsyms_fd);
	fg_drain_free(self->drain);
	fg_scripts_free(self->scripts);
	fg_labels_done(&self->labels);
	fg_targets_done(&self->targets);
	fg_modules_done(&self->modules);
	fg_session_free(self->session);
	free(self);
}

int fg_source_bpf_new(struct fg_wire *wire, struct fg_source **ret, struct fg_err *err)
{
	static const struct fg_source_ops ops = {
		.name = "bpf",
		.interval_ms = FG_DRAIN_INTERVAL_MS,
		.free = free_source,
		.start = start_source,
		.enable = enable_source,
		.fd = source_fd,
		.events = take_events,
		.due_ns = due_ns,
		.samples = take_samples,
		.last = take_last,
		.stats = send_stats,
		.cpu_ns = cpu_ns,
		.runtime = take_runtime,
		.describe = describe,
	};
	struct bpf_source *self = calloc(1, sizeof(*self));

	if (!self)
		return fg_err_nomem(err);
	self->base.ops = &ops;
	self->wire = wire;
	self->kallsyms_fd = -1;
	*ret = &self->base;
	return 0;
}
