/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's state, shared by client.c (life), client_read.c (messages), client_profile.c
 * (symbolising) and their tests.
 */
#ifndef FG_PROFILER_CLIENT_INTERNAL_H
#define FG_PROFILER_CLIENT_INTERNAL_H

#include <sys/stat.h>
#include <sys/types.h>

#include "profiler/bpf/shared.h"
#include "profiler/client.h"
#include "profiler/client_process.h"
#include "profiler/client_script.h"
#include "profiler/client_labels.h"
#include "profiler/samples.h"
#include "profiler/waits.h"
#include "profiler/wire.h"

enum fg_client_state {
	FG_CLIENT_GREETING, /* no HELLO yet */
	FG_CLIENT_STARTING, /* START sent */
	FG_CLIENT_RUNNING,  /* READY came */
	FG_CLIENT_DONE,     /* DONE came: everything is here */
	FG_CLIENT_LOST,     /* the helper is gone before that */
};

enum {
	FG_CLIENT_STATS_MAX = 1 << 17,
	FG_CLIENT_SEGMENTS_MAX = 16,
	FG_CLIENT_PROGRAMS_MAX = 8,
	FG_CLIENT_SLICES_MAX = 1 << 20
};

struct fg_client_module {
	char *path;
	char *build_id;
	int fd;             /* -1: none */
	struct stat status; /* of fd when it came */
	uint8_t *image;     /* vDSO */
	size_t image_len;
	uint64_t start, limit, file_offset; /* of executable code, p_vaddr */
};

/* Totals since READY, as the helper sent them. */
struct fg_client_stats {
	uint64_t time_ns, hits, samples, lost, bpf_ns, helper_cpu_ns, target_cpu_ns;
	uint64_t target_user_ns; /* where only user mode is sampled; else 0 */
	uint64_t label_receives, label_ns;
};

/* Of the other sample types, at the moments of fg_client_stats. */
struct fg_client_type_stats {
	uint64_t events, samples, lost, skipped, nested, untracked, bpf_ns;
};
struct fg_client_types {
	struct fg_client_type_stats of[FG_SAMPLE_TYPE_COUNT];
};

struct fg_profiler {
	struct fg_wire wire;
	pid_t helper_pid; /* 0: none, or reaped */
	enum fg_client_state state;
	struct fg_err failure;     /* what the helper reported, or why it is gone */
	struct fg_notices notices; /* what the helper wants people to know */
	uint32_t *pids;
	size_t pid_count;
	uint32_t frequency_hz;
	uint64_t period_ns;
	uint32_t cpus;
	enum fg_profiler_source source; /* asked for; from READY on the one that runs */
	bool user_only;                 /* the kernel's part is not sampled */
	char source_note[1024];         /* "" or why it is not BPF */
	struct fg_profiler_program programs[FG_CLIENT_PROGRAMS_MAX];
	size_t program_count;
	int kallsyms_fd;
	struct fg_client_module *modules; /* [id − FG_MODULE_FIRST] */
	size_t module_count, module_capacity;
	struct fg_client_stats *stats;
	size_t stats_count, stats_capacity;
	struct fg_profiler_kernel_walks kernel_walks;
	uint64_t slice_ns;
	struct fg_profiler_slice *slices;
	size_t slices_count, slices_capacity;
	struct fg_samples samples;
	uint32_t types; /* bits 1 << enum fg_profile_type; 0: CPU alone */
	struct fg_waits waits;
	struct fg_client_types *type_stats; /* [i] belongs to stats[i]; NULL: CPU alone */
	size_t type_stats_count, type_stats_capacity;
	struct fg_client_processes processes;
	struct fg_client_labels labels;
	struct fg_client_scripts scripts;
};

/** A client over a connected stream (taken) without a helper of its own; start() and tests. */
int fg_client_new(int fd, const uint32_t *pids, size_t pid_count, uint32_t frequency_hz,
		  struct fg_profiler **ret, struct fg_err *err) FG_MUST_USE;
/** HELLO, START, READY; `deadline_ns` monotonic. */
int fg_client_handshake(struct fg_profiler *profiler, uint64_t deadline_ns,
			struct fg_err *err) FG_MUST_USE;
/** Reads and handles what is there. An error means that the stream is of no more use. */
int fg_client_take(struct fg_profiler *profiler, struct fg_err *err) FG_MUST_USE;
struct Fg__Wire__Stats;
/** Those of the other types, of the message that becomes stats[stats_count]. */
int fg_client_take_types(struct fg_profiler *profiler, const struct Fg__Wire__Stats *stats,
			 struct fg_err *err) FG_MUST_USE;
struct fg_client_type_stats fg_client_types_at(const struct fg_profiler *profiler,
					       enum fg_sample_type type, uint64_t time_ns);
/** A sample that is no tick of the CPU clock; `stack` and `frames` as fg_samples_add() has them. */
int fg_client_take_typed(struct fg_profiler *profiler, const struct fg_raw_sample *sample,
			 uint64_t value, const struct fg_raw_stack *stack, const uint64_t *frames,
			 struct fg_err *err) FG_MUST_USE;
/** Once the source is known: what it cannot sample is not waited for, and that is said. */
void fg_client_limit_types(struct fg_profiler *profiler);
/** What START asks for: bits 1 << enum fg_sample_type. */
uint32_t fg_client_sample_types(const struct fg_profiler *profiler);
/** The totals at a moment, interpolated. */
struct fg_client_stats fg_client_stats_at(const struct fg_profiler *profiler, uint64_t time_ns);
/** Finds the helper program and starts it with one end of a socket pair. */
int fg_client_spawn(const char *helper_path, int *ret_fd, pid_t *ret_pid,
		    struct fg_err *err) FG_MUST_USE;
/** The helper that would be started: an existing file's path, or NOT_FOUND. */
int fg_client_find_helper(const char *helper_path, char *path, size_t size_bytes,
			  struct fg_err *err) FG_MUST_USE;

/** What makes the existing helper at `path` executable for this user; returns `text`. */
const char *fg_client_execute_fix(const char *path, char *text, size_t size_bytes);

#endif
