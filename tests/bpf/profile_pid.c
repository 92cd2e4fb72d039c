/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_pid [types=BITS] [samples=N] HELPER SECONDS HZ PID…: profiles and prints what the tests
 * (and people) check; BITS of 1 << enum fg_profile_type. With N it goes on after SECONDS until it
 * has so many samples, for at most SLOW_S more: on a busy machine a target hardly runs; it waits
 * for nothing from targets that are gone. The line `enough` says when it has them. SIGTERM ends the
 * recording at once.
 *
 * profile_pid HELPER probe: prints what doctor would.
 *
 * $FG_SOURCE: "bpf", "perf" or "auto" (the default).
 *
 * `info helper_wait_ms` is how long the helper was ready to run, and did not, while it recorded:
 * the truth about a busy machine, where what follows a new program or library takes that much
 * longer.
 *
 * Lines: `phase start end` (monotonic, ns), `recorded since until microseconds` (the account of
 * waits outside the phase too, where a thread sleeps all the time), `info key value`, `note text`,
 * `program name verified bytes`, `stack result count frame;frame;…` (root first, like folded
 * stacks; guessed frames end in
 * `?`). Of other types than CPU `typeinfo TYPE key value`, `wait CLASS microseconds`, and stacks
 * after a line `type TYPE`.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "profiler/client_internal.h"

enum { SLOW_S = 30, STEP_MS = 50 };

static atomic_bool ended;

static void on_signal(int number)
{
	(void)number;
	atomic_store(&ended, true);
}

struct length {
	uint64_t duration_ns;
	uint64_t samples;                     /* and so many, */
	const struct fg_profiler_options *of; /* while one of these lives */
};

static bool all_gone(const struct fg_profiler_options *options)
{
	for (size_t i = 0; i < options->pid_count; i++) {
		if (kill((pid_t)options->pids[i], 0) == 0 || errno != ESRCH)
			return false;
	}
	return true;
}

struct seen {
	size_t at;
	uint64_t count;
};

/* Those since `start_ns`. On a busy machine as many may have come while the profiler started. */
static bool has_seen(const struct fg_profiler *profiler, uint64_t start_ns, uint64_t asked,
		     struct seen *seen)
{
	for (; seen->at < profiler->samples.count; seen->at++)
		seen->count += profiler->samples.items[seen->at].time_ns >= start_ns;
	return seen->count + profiler->samples.dropped >= asked;
}

static int read_for(struct fg_profiler *profiler, const struct length *length, struct fg_err *err)
{
	uint64_t start_ns = fg_clock_monotonic_ns(), end_ns = start_ns + length->duration_ns;
	struct seen seen = {0};
	uint64_t limit_ns = end_ns + SLOW_S * FG_NS_PER_S;
	bool enough = length->samples == 0;

	while (!atomic_load(&ended)) {
		uint64_t now_ns = fg_clock_monotonic_ns();
		uint64_t until_ns = enough ? end_ns : limit_ns;
		struct pollfd poll_fd = {.fd = fg_profiler_fd(profiler), .events = POLLIN};
		int rc = 0;

		if (now_ns >= until_ns || (now_ns >= end_ns && all_gone(length->of)))
			break;
		(void)poll(&poll_fd, 1,
			   (int)FG_MIN((until_ns - now_ns) / FG_NS_PER_MS + 1, STEP_MS));
		rc = fg_profiler_read(profiler, err);
		if (rc)
			return rc;
		if (!enough && has_seen(profiler, start_ns, length->samples, &seen)) {
			enough = true;
			printf("enough\n");
			(void)fflush(stdout);
		}
	}
	return 0;
}

/* Of all our children, which the helper is, by the scheduler's own count; 0 if it is not told. */
static uint64_t children_waited_ns(void)
{
	unsigned long long waited_ns = 0;
	int pid;
	FILE *children = fopen("/proc/thread-self/children", "re");

	while (children && fscanf(children, "%d", &pid) == 1) {
		unsigned long long run_ns, wait_ns;
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
		FILE *stat = fopen(path, "re");

		if (stat && fscanf(stat, "%llu %llu", &run_ns, &wait_ns) == 2)
			waited_ns += wait_ns;
		if (stat)
			(void)fclose(stat);
	}
	if (children)
		(void)fclose(children);
	return waited_ns;
}

static void print_stack(const struct fg_profile *profile, const struct fg_pstack *stack,
			uint64_t count)
{
	printf("stack %s %llu ", fg_stack_result_name((enum fg_stack_result)stack->result),
	       (unsigned long long)count);
	for (size_t i = stack->frame_count; i-- > 0;) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];

		for (size_t k = location->line_count; k-- > 0;) {
			const struct fg_pline *line = &profile->lines[location->line_start + k];

			printf("%s%s%s%s",
			       fg_profile_text(profile, profile->functions[line->function].name),
			       location->flags & FG_LOC_KERNEL ? "_[k]" : "",
			       location->flags & FG_LOC_GUESSED ? "?" : "", i || k ? ";" : "\n");
		}
	}
}

static void print_profile(const struct fg_profile *profile)
{
	uint64_t *counts = calloc(profile->stack_count + 1, sizeof(*counts));

	if (!counts)
		return;
	for (size_t i = 0; i < profile->sample_count; i++) {
		if (strcmp(fg_profile_text(profile, profile->samples[i].phase), "measure") == 0)
			counts[profile->samples[i].stack] += profile->samples[i].count;
	}
	for (size_t i = 0; i < profile->stack_count; i++) {
		if (counts[i])
			print_stack(profile, &profile->stacks[i], counts[i]);
	}
	free(counts);
}

/* `runtime name processes samples complete frames unnamed` and what the report says about it. */
static void print_runtimes(const struct fg_profile_info *info)
{
	for (size_t i = 0; i < info->runtime_count; i++) {
		const struct fg_runtime_info *one = &info->runtimes[i];

		printf("runtime %s %u %llu %llu %llu %llu\n", one->name, one->processes,
		       (unsigned long long)one->samples, (unsigned long long)one->complete,
		       (unsigned long long)one->frames, (unsigned long long)one->unnamed_frames);
		printf("flags %s %s\n", one->name, one->flags);
		printf("advice %s %s\n", one->name, one->advice);
	}
}

static void print_info(const struct fg_profile_info *info)
{
	const struct {
		const char *key;
		double value;
	} lines[] = {
		{"samples", (double)info->samples},
		{"lost", (double)info->lost},
		{"complete", (double)info->complete},
		{"guessed_frames", (double)info->guessed_frames},
		{"unnamed_share", info->unnamed_share},
		{"frequency_hz", info->frequency_hz},
		{"cpus", info->cpus},
		{"samples_per_cpu_s", info->samples_per_cpu_s},
		{"bpf_ns", (double)info->bpf_ns},
		{"bpf_ns_per_sample",
		 info->samples ? (double)info->bpf_ns / (double)info->samples : 0},
		{"helper_cpu_ms", (double)info->helper_cpu_ns / 1e6},
		{"target_cpu_ms", (double)info->target_cpu_ns / 1e6},
		{"user_cpu_ms", (double)info->user_cpu_ns / 1e6},
		{"partial", info->partial},
		{"complete_percent", 100.0 * fg_profile_info_complete_share(info)},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(lines); i++)
		printf("info %s %.6g\n", lines[i].key, lines[i].value);
	printf("note %s\n", info->why_absent);
	for (size_t i = 0; i < info->notices.count; i++)
		printf("note %s\n", info->notices.texts[i]);
	for (int i = 0; i < FG_STACK_RESULT_COUNT; i++)
		printf("info result_%s %llu\n", fg_stack_result_name((enum fg_stack_result)i),
		       (unsigned long long)(i ? info->incomplete_by[i] : info->complete));
}

static void print_kernel_walks(struct fg_profiler_kernel_walks kernel)
{
	printf("info kernel_walks %" PRIu64 "\ninfo kernel_checks %" PRIu64
	       "\ninfo kernel_differ %" PRIu64 "\ninfo kernel_given_up %" PRIu64 "\n",
	       kernel.walks, kernel.checks, kernel.differ, kernel.given_up);
}

static void print_types(struct fg_profile *const profiles[FG_PROFILE_TYPE_COUNT],
			const struct fg_profile_info *info)
{
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++)
		printf("wait %s %llu\n", fg_wait_class_name((enum fg_wait_class)i),
		       (unsigned long long)info->wait_us[i]);
	for (int i = FG_PROFILE_CPU + 1; i < FG_PROFILE_TYPE_COUNT; i++) {
		const struct fg_profile_type_info *type = &info->types[i];
		const char *name = fg_profile_type_name((enum fg_profile_type)i);
		const struct {
			const char *key;
			uint64_t value;
		} lines[] = {
			{"samples", type->samples},     {"complete", type->complete},
			{"with_user", type->with_user}, {"borrowed", type->borrowed},
			{"value", type->value},         {"events", type->events},
			{"lost", type->lost},           {"skipped", type->skipped},
			{"nested", type->nested},       {"bpf_ns", type->bpf_ns},
		};

		if (!profiles[i])
			continue;
		for (size_t k = 0; k < FG_ARRAY_LEN(lines); k++)
			printf("typeinfo %s %s %llu\n", name, lines[k].key,
			       (unsigned long long)lines[k].value);
		printf("type %s\n", name);
		print_profile(profiles[i]);
	}
}

/* From when until when waits were accounted: that is what they say who sleep all the time. */
static void print_recorded(const struct fg_profiler *profiler, const struct fg_profile *offcpu)
{
	uint64_t since_ns = UINT64_MAX, until_ns = 0, sum_us = 0;

	for (size_t i = 0; i < profiler->waits.count; i++) {
		const struct fg_raw_wait *wait = &profiler->waits.items[i];

		if (!wait->since_start)
			continue;
		since_ns = FG_MIN(since_ns, wait->out_ns);
		until_ns = FG_MAX(until_ns, wait->end_ns);
	}
	for (size_t i = 0; offcpu && i < offcpu->sample_count; i++)
		sum_us += offcpu->samples[i].count;
	if (sum_us && until_ns)
		printf("recorded %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", since_ns, until_ns,
		       sum_us);
}

static int profile(const struct fg_profiler_options *options, const struct length *length,
		   struct fg_err *err)
{
	struct fg_profiler_program programs[8];
	struct fg_profiler *profiler;
	struct fg_profile *results[FG_PROFILE_TYPE_COUNT];
	struct fg_profile_info info;
	struct fg_err read_err = {0};
	uint64_t begin_ns = fg_clock_monotonic_ns();
	int rc = fg_profiler_start(options, &profiler, err);

	if (rc)
		return rc;
	uint64_t start_ns = fg_clock_monotonic_ns();

	printf("source %s %s\n", fg_profiler_source(profiler) == FG_PROFILER_PERF ? "perf" : "bpf",
	       fg_profiler_source_note(profiler));
	printf("info start_ms %.1f\n", (double)(start_ns - begin_ns) / 1e6);
	printf("ready\n");
	(void)fflush(stdout);
	uint64_t waited_ns = children_waited_ns();

	if (read_for(profiler, length, &read_err) != 0)
		printf("lost %s\n", read_err.message);
	uint64_t then_ns = children_waited_ns(); /* less if the helper is gone */

	printf("info helper_wait_ms %.1f\n",
	       (double)(FG_MAX(then_ns, waited_ns) - waited_ns) / 1e6);
	uint64_t end_ns = fg_clock_monotonic_ns();

	rc = fg_profiler_stop(profiler, err);
	if (rc)
		printf("stop %s\n", err->message);
	uint64_t symbolise_ns = fg_clock_monotonic_ns();
	const struct fg_profiler_phase phases[] = {
		{"measure", start_ns, end_ns},
		{"before", begin_ns, start_ns},
		{"after", end_ns, symbolise_ns},
	};

	printf("phase %" PRIu64 " %" PRIu64 "\n", start_ns, end_ns);
	(void)fflush(stdout);

	const struct fg_profiler_profile_options profile_options = {
		.run_start_ns = start_ns,
		.phases = phases,
		.phase_count = options->types ? FG_ARRAY_LEN(phases) : 1,
	};

	rc = fg_profiler_profile(profiler, &profile_options, results, &info, err);
	printf("info symbolise_ms %.1f\n", (double)(fg_clock_monotonic_ns() - symbolise_ns) / 1e6);
	size_t count = fg_profiler_programs(profiler, programs, FG_ARRAY_LEN(programs));

	for (size_t i = 0; i < count; i++)
		printf("program %s %u %u\n", programs[i].name, programs[i].verified_instructions,
		       programs[i].code_bytes);
	print_kernel_walks(fg_profiler_kernel_walks(profiler));
	if (!rc)
		print_recorded(profiler, results[FG_PROFILE_OFFCPU]);
	fg_profiler_free(profiler);
	if (rc)
		return rc;
	print_info(&info);
	print_runtimes(&info);
	print_profile(results[FG_PROFILE_CPU]);
	if (options->types)
		print_types(results, &info);
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
		fg_profile_free(results[i]);
	return 0;
}

static int print_probes(const char *helper_path)
{
	struct fg_probe probes[32];
	size_t count = fg_profiler_probe(helper_path, probes, FG_ARRAY_LEN(probes));

	for (size_t i = 0; i < count; i++)
		printf("probe %s: %s: %s%s%s\n", probes[i].ok ? "ok" : "FAILED", probes[i].name,
		       probes[i].detail, probes[i].ok ? "" : "; fix: ", probes[i].fix);
	return 0;
}

static enum fg_profiler_source source_of(const char *name)
{
	if (!name || strcmp(name, "auto") == 0)
		return FG_PROFILER_AUTO;
	return strcmp(name, "perf") == 0 ? FG_PROFILER_PERF : FG_PROFILER_BPF;
}

static bool take_number(const char *word, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 &&
	       fg_num_u64(word + len, strlen(word + len), ret, NULL) == 0;
}

int main(int argc, char **argv)
{
	enum { PIDS_MAX = 64, FIRST_PID = 4 };
	uint32_t pids[PIDS_MAX];
	uint64_t seconds, hz, pid, types = 0;
	struct length length = {0};
	struct fg_err err = {0};
	struct fg_profiler_options options = {.pids = pids};

	(void)signal(SIGTERM, on_signal);
	while (argc > 1 && (take_number(argv[1], "types=", &types) ||
			    take_number(argv[1], "samples=", &length.samples))) {
		argc--;
		argv++;
	}
	options.types = (uint32_t)types;
	if (argc == 3 && strcmp(argv[2], "probe") == 0)
		return print_probes(argv[1]);
	if (argc <= FIRST_PID || argc > FIRST_PID + PIDS_MAX ||
	    fg_num_u64(argv[2], strlen(argv[2]), &seconds, &err) != 0 ||
	    fg_num_u64(argv[3], strlen(argv[3]), &hz, &err) != 0) {
		(void)fputs("usage: profile_pid HELPER SECONDS HZ PID...\n", stderr);
		return 2;
	}
	for (int i = FIRST_PID; i < argc; i++) {
		if (fg_num_u64(argv[i], strlen(argv[i]), &pid, &err) != 0 || pid > INT32_MAX)
			return 2;
		pids[options.pid_count++] = (uint32_t)pid;
	}
	options.helper_path = argv[1];
	options.frequency_hz = (uint32_t)hz;
	options.source = source_of(getenv("FG_SOURCE"));
	length.of = &options;
	length.duration_ns = seconds * FG_NS_PER_S;
	int rc = profile(&options, &length, &err);

	if (rc)
		printf("error %s %s\n", fg_err_code_name((enum fg_err_code) - rc), err.message);
	return rc ? 1 : 0;
}
