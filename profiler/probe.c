/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "profiler/probe_internal.h"

/* Long enough for some dozen samples, short enough for a person to wait. On a busy machine, where
 * we hardly run, or hardly have what was sampled sent to us, it goes on until there are enough: a
 * slow machine is no missing right. For the same reason the start has the time that it has in a
 * run. */
#define TRIAL_NS      (400 * FG_NS_PER_MS)
#define TRIAL_SLOW_NS (5 * FG_NS_PER_S)
enum { TRIAL_SAMPLES_MIN = 3, TRIAL_SAMPLES_ENOUGH = 40 };

static void probe_kernel(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "kernel", true);
	struct utsname names;

	probe->ok = uname(&names) == 0;
	(void)snprintf(probe->detail, sizeof(probe->detail), "%.60s %.60s %.30s",
		       probe->ok ? names.sysname : "unknown", probe->ok ? names.release : "",
		       probe->ok ? names.machine : "");
	probe->ok = probe->ok &&
		    (strcmp(names.machine, "x86_64") == 0 || strcmp(names.machine, "aarch64") == 0);
	if (!probe->ok)
		(void)snprintf(
			probe->fix, sizeof(probe->fix),
			"the profiler knows Linux on x86-64 and arm64; use --no-profile elsewhere");
}

static void probe_btf(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "kernel types (BTF)", true);
	const char *path = "/sys/kernel/btf/vmlinux";

	probe->ok = access(path, R_OK) == 0;
	(void)snprintf(probe->detail, sizeof(probe->detail), "%s %s", path,
		       probe->ok ? "readable" : strerror(errno));
	if (!probe->ok)
		(void)snprintf(probe->fix, sizeof(probe->fix),
			       "a kernel with CONFIG_DEBUG_INFO_BTF (Debian 11, Ubuntu 20.10 and "
			       "newer); in a container mount /sys/kernel/btf read-only");
}

static void probe_paranoid(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "perf_event_paranoid", false);
	struct fg_buf text;

	fg_buf_init(&text, 64);
	probe->ok = fg_file_read("/proc/sys/kernel/perf_event_paranoid", 16, &text, NULL) == 0;
	if (text.data)
		text.data[strcspn(text.data, "\n")] = '\0';
	(void)snprintf(probe->detail, sizeof(probe->detail),
		       "%.16s (the helper's capabilities override it)",
		       probe->ok ? text.data : "not readable");
	if (!probe->ok)
		(void)snprintf(probe->fix, sizeof(probe->fix),
			       "a kernel with CONFIG_PERF_EVENTS; in a container mount /proc");
	fg_buf_done(&text);
}

static bool probe_helper(struct fg_probe_list *list, const char *helper_path)
{
	struct fg_probe *probe = fg_probe_add(list, "profiler helper", true);
	char path[FG_PATH_MAX];
	struct fg_err err;

	char rights[160];

	probe->ok = fg_client_find_helper(helper_path, path, sizeof(path), &err) == 0;
	if (probe->ok)
		fg_probe_helper_rights(path, rights, sizeof(rights));
	fg_probe_detail(probe, "%.160s%s%s%s", probe->ok ? path : err.message,
			probe->ok ? " (" : "", probe->ok ? rights : "", probe->ok ? ")" : "");
	if (!probe->ok) {
		(void)snprintf(probe->fix, sizeof(probe->fix),
			       "install flamegate-profiler, or set FLAMEGATE_PROFILER to its path");
	} else if (access(path, X_OK) != 0) {
		probe->ok = false;
		(void)fg_client_execute_fix(path, probe->fix, sizeof(probe->fix));
	}
	return probe->ok;
}

/* Something to sample: ourselves, busy asking for samples. */
static uint64_t spin(struct fg_profiler *profiler)
{
	uint64_t start_ns = fg_clock_monotonic_ns(), spent_ns = 0;

	while (fg_profiler_fd(profiler) >= 0 &&
	       (spent_ns < TRIAL_NS || (spent_ns < TRIAL_SLOW_NS &&
					fg_profiler_samples(profiler) < TRIAL_SAMPLES_ENOUGH))) {
		if (fg_profiler_read(profiler, NULL) != 0)
			break;
		spent_ns = fg_clock_monotonic_ns() - start_ns;
	}
	return spent_ns;
}

/* The error text says "…; fix: command, or another way": what was found, and a line for each fix,
 * so that a command can be copied as it stands. */
static void split_fix(struct fg_probe_list *list, struct fg_probe *probe, const char *message)
{
	static const char mark[] = "; fix: ", other_mark[] = ", or ";
	const char *fix = strstr(message, mark);
	size_t len = fix ? (size_t)(fix - message) : strlen(message);

	(void)snprintf(probe->detail, sizeof(probe->detail), "%.*s",
		       (int)FG_MIN(len, sizeof(probe->detail) - 1), message);
	fix = fix ? fix + strlen(mark) : "see the message";
	const char *other = strstr(fix, other_mark);

	len = other ? (size_t)(other - fix) : strlen(fix);
	(void)snprintf(probe->fix, sizeof(probe->fix), "%.*s",
		       (int)FG_MIN(len, sizeof(probe->fix) - 1), fix);
	if (other)
		fg_probe_fix(fg_probe_add(list, "", false), "or %s", other + strlen(other_mark));
}

static void judge_trial(struct fg_probe_list *list, struct fg_profiler *profiler, uint64_t spent_ns)
{
	struct fg_probe *samples = fg_probe_add(list, "perf samples", true);
	struct fg_probe *stacks = fg_probe_add(list, "complete stacks", true);
	struct fg_probe *symbols = fg_probe_add(list, "kernel symbols", false);
	double complete = fg_profiler_complete_share(profiler);

	samples->ok = fg_profiler_samples(profiler) >= TRIAL_SAMPLES_MIN;
	(void)snprintf(samples->detail, sizeof(samples->detail),
		       "%llu samples of a busy process in %.1f s at %u Hz on %u CPUs",
		       (unsigned long long)fg_profiler_samples(profiler),
		       (double)spent_ns / (double)FG_NS_PER_S, profiler->frequency_hz,
		       profiler->cpus);
	if (!samples->ok)
		(void)snprintf(samples->fix, sizeof(samples->fix),
			       "run in the host's pid namespace (docker run --pid=host)");
	stacks->ok = samples->ok && complete >= 0.9;
	(void)snprintf(stacks->detail, sizeof(stacks->detail), "%.1f %% reach a known root",
		       100 * complete);
	if (!stacks->ok)
		(void)snprintf(stacks->fix, sizeof(stacks->fix),
			       "report this with the output of flamegate doctor");
	symbols->ok = profiler->kallsyms_fd >= 0;
	(void)snprintf(symbols->detail, sizeof(symbols->detail), "/proc/kallsyms %s",
		       symbols->ok ? "readable by the helper" : "not readable");
	if (!symbols->ok)
		(void)snprintf(
			symbols->fix, sizeof(symbols->fix),
			"grant the helper cap_syslog, or sudo sysctl kernel.kptr_restrict=0");
}

/* Which request a sample worked for: a tracepoint of Linux 6.3, and no more than a convenience. */
static void judge_labels(struct fg_probe_list *list, const struct fg_profiler *profiler)
{
	struct fg_probe *probe = fg_probe_add(list, "request classes", false);

	probe->ok = fg_profiler_labels(profiler) != NULL;
	fg_probe_detail(probe, "%s",
			probe->ok ? "samples can carry the request that they worked for"
				  : fg_profiler_labels_problem(profiler));
	if (!probe->ok)
		fg_probe_fix(probe, "a kernel of 6.3 or newer");
}

static uint32_t sampler_instructions(const struct fg_profiler *profiler)
{
	for (size_t i = 0; i < profiler->program_count; i++) {
		if (strcmp(profiler->programs[i].name, "fg_sample") == 0)
			return profiler->programs[i].verified_instructions;
	}
	return 0;
}

static void probe_trial(struct fg_probe_list *list, const char *helper_path)
{
	struct fg_profiler *profiler;
	struct fg_err err = {0};
	const uint32_t pids[] = {(uint32_t)getpid()};
	const struct fg_profiler_options options = {
		.helper_path = helper_path,
		.pids = pids,
		.pid_count = 1,
		.frequency_hz = 499,
		.labels = true,
		.source = FG_PROFILER_BPF,
	};
	struct fg_probe *attach = fg_probe_add(list, "BPF programs", true);

	attach->ok = fg_profiler_start(&options, &profiler, &err) == 0;
	if (!attach->ok) {
		split_fix(list, attach, err.message);
		return;
	}
	(void)snprintf(attach->detail, sizeof(attach->detail),
		       "%zu load and attach, %u instructions verified for the sampler",
		       profiler->program_count, sampler_instructions(profiler));
	uint64_t spent_ns = spin(profiler);

	(void)fg_profiler_stop(profiler, NULL);
	judge_trial(list, profiler, spent_ns);
	judge_labels(list, profiler);
	fg_profiler_free(profiler);
}

size_t fg_profiler_probe(const char *helper_path, struct fg_probe *out, size_t max)
{
	struct fg_probe_list list = {.items = out, .max = max};

	probe_kernel(&list);
	probe_btf(&list);
	probe_paranoid(&list);
	fg_probe_sysctls(&list);
	fg_probe_capabilities(&list);
	fg_probe_place(&list);
	fg_probe_stack_copies(&list);
	fg_probe_interrupt(&list);
	if (probe_helper(&list, helper_path))
		probe_trial(&list, helper_path);
	return list.count;
}
