/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiler as the runner sees it: the only header of profiler/ that runner/ includes.
 *
 * Spawns flamegate-profiler, speaks its protocol over one byte stream, collects raw samples and the
 * opened files of mapped modules, and symbolises them afterwards without privileges. The helper can
 * crash at any time: what arrived is kept, symbolised, and marked partial. Loop-agnostic: the
 * caller watches fg_profiler_fd() and calls fg_profiler_read(). Not thread safe.
 */
#ifndef FG_PROFILER_CLIENT_H
#define FG_PROFILER_CLIENT_H

#include "gate/measure/request_log.h"
#include "gate/measure/result.h"
#include "gate/profile/profile.h"

struct fg_profiler;

enum fg_profiler_source {
	FG_PROFILER_AUTO, /* BPF, and where that is refused the stack copies */
	FG_PROFILER_BPF,
	FG_PROFILER_PERF, /* perf_event_open with stack copies, unwound by libdwfl: no privilege */
};

struct fg_profiler_options {
	const char *helper_path; /* NULL: $FLAMEGATE_PROFILER, beside our binary, libexec, PATH */
	const uint32_t *pids;    /* roots; their threads and later children are followed */
	size_t pid_count;
	uint32_t frequency_hz; /* made prime by the helper; the real one is in the info */
	uint64_t timeout_ns;   /* for spawn, load and attach; 0 = 30 s */
	uint64_t slice_ns;     /* > 0: sampling on and off in such slices, for measuring its cost */
	bool labels;           /* request classes on samples: see fg_profiler_labels() */
	uint32_t types;        /* bits 1 << enum fg_profile_type; 0: CPU alone */
	enum fg_profiler_source source;
};

/** Spawns, attaches, waits for READY. Errors: PERMISSION (with the fix to run), UNSUPPORTED (with
 *  what this kernel lacks), NOT_FOUND (helper or target). Nothing is left running on failure. */
int fg_profiler_start(const struct fg_profiler_options *options, struct fg_profiler **ret,
		      struct fg_err *err) FG_MUST_USE;
/** What samples: BPF or PERF, never AUTO. */
enum fg_profiler_source fg_profiler_source(const struct fg_profiler *profiler);
/** One sentence when it is not what people expect, with the reason and the fix; else "". */
const char *fg_profiler_source_note(const struct fg_profiler *profiler);
int fg_profiler_fd(const struct fg_profiler *profiler);
/** Takes in whatever is readable; never blocks. After the helper's death returns an error once;
 *  then fg_profiler_fd() is -1. */
int fg_profiler_read(struct fg_profiler *profiler, struct fg_err *err) FG_MUST_USE;
/** Switches sampling off and on again, for measuring what it costs. */
int fg_profiler_enable(struct fg_profiler *profiler, bool on, struct fg_err *err) FG_MUST_USE;

struct fg_profiler_program {
	char name[32];
	uint32_t verified_instructions; /* the verifier's work; 0 = this kernel does not tell */
	uint32_t code_bytes;
};
/** The BPF programs that the helper loaded; at most `max`; returns how many. */
size_t fg_profiler_programs(const struct fg_profiler *profiler, struct fg_profiler_program *out,
			    size_t max);
/* A border between slices: what holds from here on, and the targets' CPU time so far. */
struct fg_profiler_slice {
	uint64_t time_ns;
	uint64_t target_cpu_ns;
	bool on;
};
/** All borders that arrived, oldest first; valid until the next call on the profiler. */
size_t fg_profiler_slices(const struct fg_profiler *profiler, const struct fg_profiler_slice **ret);
/** Live numbers for the progress line. */
uint64_t fg_profiler_samples(const struct fg_profiler *profiler);
double fg_profiler_complete_share(const struct fg_profiler *profiler);
/** Where the generator says, without a system call, whose request is on the way: one word per
 *  client port, [client port] = server port << 16 | label, stored before the request is sent. Label
 *  0: none; server port 0: whatever the target's socket says (the port was translated between).
 *  NULL: there are none, and why is in the info. Valid until fg_profiler_free(), also when the
 *  helper is gone. */
enum { FG_PROFILER_PORTS = 65536, FG_PROFILER_LABEL_MAX = 65535 };
uint32_t *fg_profiler_labels(const struct fg_profiler *profiler);
/** Why there are no request classes; "" when there are, or nobody asked. */
const char *fg_profiler_labels_problem(const struct fg_profiler *profiler);
/** Stops sampling, drains what is in flight, ends the helper (at most ~5 s). */
int fg_profiler_stop(struct fg_profiler *profiler, struct fg_err *err);
void fg_profiler_free(struct fg_profiler *profiler); /* kills the helper if it still lives */

/* Stacks of the kernel that the helper's BPF walked itself, instead of having the kernel do it; how
 * many of them were then compared with the kernel's own, and how many were not the same (one, and
 * the kernel walks all from then on); how many it began and left to the kernel, because they lead
 * through modules. As of the last report of the helper. */
struct fg_profiler_kernel_walks {
	uint64_t walks, checks, differ, given_up;
};
struct fg_profiler_kernel_walks fg_profiler_kernel_walks(const struct fg_profiler *profiler);

/* Phases by time: a sample belongs to the one that contains its stamp. */
struct fg_profiler_phase {
	const char *name;          /* "warmup", "measure" */
	uint64_t start_ns, end_ns; /* monotonic */
};

enum fg_profiler_demangle { FG_PROFILER_FULL, FG_PROFILER_SHORT, FG_PROFILER_RAW };
struct fg_profiler_symbols {
	enum fg_profiler_demangle demangle; /* names of C++ and Rust */
	/* Gets the debug file of a module that has no symbols on this machine: a descriptor, which
	 * is taken, or -1. NULL: nobody is asked. */
	int (*open_debug)(void *context, const char *build_id);
	void *context;
};

struct fg_profiler_profile_options {
	uint64_t run_start_ns; /* monotonic; seconds count from here */
	const struct fg_profiler_phase *phases;
	size_t phase_count;
	const char *const *endpoints; /* [label − 1]: the request class that a label stands for */
	size_t endpoint_count;
	struct fg_profiler_symbols symbols;
	const struct fg_request_index *slow; /* slow requests, by client port; NULL: not known */
};

/** Symbolises everything and builds the profiles of the types that were asked for (the others
 *  are NULL; CPU is always there); the caller owns them. Also fills `info` (counts over the phase
 *  named "measure"). Slow (up to seconds); call after the run. */
int fg_profiler_profile(struct fg_profiler *profiler,
			const struct fg_profiler_profile_options *options,
			struct fg_profile *ret[FG_PROFILE_TYPE_COUNT], struct fg_profile_info *info,
			struct fg_err *err) FG_MUST_USE;

/* -- language runtimes ------------------------------------------------------------------------- */

struct fg_runtime_facts {
	char runtime[16]; /* "node", "java" …; "native" for all that need no help */
	char program[64]; /* base name of the executable; for printing */
	char flags[96];   /* its options that decide about frames and names; "": none */
	char advice[256]; /* what a profile will lack and the fix, one line; "" nothing */
};
/** Looks at a running process: its mappings, its command line, NODE_OPTIONS and the like. Errors:
 *  NOT_FOUND, PERMISSION. */
int fg_runtime_of_pid(uint32_t pid, struct fg_runtime_facts *ret, struct fg_err *err) FG_MUST_USE;

/* -- exact CPU time of a process tree; needs no helper and no privilege ---------------------- */

struct fg_cputime;
/** Follows the tree below `pids` (children are rediscovered at each reading; what a child used
 *  before it was reaped is kept through its parent's children counters where /proc gives it). */
int fg_cputime_new(const uint32_t *pids, size_t count, struct fg_cputime **ret,
		   struct fg_err *err) FG_MUST_USE;
void fg_cputime_free(struct fg_cputime *cputime);
/** CPU-ns used by the tree so far, monotone. NOT_FOUND when every process is gone (the last known
 *  total is still written). */
int fg_cputime_read(struct fg_cputime *cputime, uint64_t *ret_ns, struct fg_err *err);
/** Resident memory of the processes that the last reading found. What they share with files or
 *  each other is counted once, as the largest share of one. NOT_FOUND when none is left. */
int fg_cputime_rss(const struct fg_cputime *cputime, uint64_t *ret_bytes,
		   struct fg_err *err) FG_MUST_USE;

/* -- looking at a process before it is profiled ---------------------------------------------- */

enum { FG_PROFILER_NAME_MAX = 64 };
/** Whether `pid` is a living process with code of its own, and its name. NOT_FOUND with what it is
 *  instead (nothing, a zombie, a thread, a kernel thread), PERMISSION when it is hidden. */
int fg_profiler_check_pid(uint32_t pid, char ret_name[FG_PROFILER_NAME_MAX],
			  struct fg_err *err) FG_MUST_USE;

/* -- doctor: what this machine can measure ---------------------------------------------------- */

struct fg_probe {
	const char *name; /* "perf events" */
	bool ok;
	bool essential;
	char detail[256]; /* what was found */
	char fix[256];    /* one command or sentence; "" when ok */
};
/** Fills at most `max` probes (kernel, BTF, capabilities, paranoid, kallsyms, helper, a perf event
 *  that really delivers …) by trying; returns how many. */
size_t fg_profiler_probe(const char *helper_path, struct fg_probe *out, size_t max);
/** The same of one process: owner, namespaces, runtime options, unwind tables, debug files. A probe
 *  without a name is one more fix of the one before. Its command line and environment are never
 *  told. */
size_t fg_profiler_probe_target(uint32_t pid, struct fg_probe *out, size_t max);

#endif
