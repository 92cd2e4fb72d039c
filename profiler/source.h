/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the helper's samples come from: BPF programs (source_bpf.c), or perf events with stack
 * copies that libdwfl unwinds (source_perf.c).
 *
 * The conversation (helper.c) knows this interface only. A source sends MODULE, PROCESS, SAMPLES,
 * STATS and NOTICE itself; it never waits.
 */
#ifndef FG_PROFILER_SOURCE_H
#define FG_PROFILER_SOURCE_H

#include "profiler/wire.h"
#include "profiler/wire.pb-c.h"

enum fg_source_kind { FG_SOURCE_BPF = 1, FG_SOURCE_PERF }; /* as enum fg_profiler_source */

enum { FG_SOURCE_PROGRAMS_MAX = 16 };

struct fg_source_program {
	const char *name; /* until the source is freed */
	uint32_t verified_instructions, code_bytes;
};

/* For READY. */
struct fg_source_facts {
	uint32_t cpus, processes;
	bool kernel_visible; /* kernel time is sampled, with its stacks */
	struct fg_source_program programs[FG_SOURCE_PROGRAMS_MAX];
	size_t program_count;
};

struct fg_source;

struct fg_source_ops {
	const char *name;
	uint32_t interval_ms; /* between two calls of samples() */
	void (*free)(struct fg_source *source);
	/* Opens everything, gives up what rights it can, finds the targets; sampling runs after. */
	int (*start)(struct fg_source *source, const Fg__Wire__Start *start, uint64_t period_ns,
		     struct fg_err *err);
	int (*enable)(struct fg_source *source, bool on, struct fg_err *err);
	/* Readable when events() or samples() has something urgent to do; -1: never. */
	int (*fd)(const struct fg_source *source);
	int (*events)(struct fg_source *source, struct fg_err *err);
	/* When events() wants to be called without that; 0: not at all. */
	uint64_t (*due_ns)(const struct fg_source *source);
	/* Queues samples as far as the stream has room; 1 if some are left. */
	int (*samples)(struct fg_source *source, struct fg_err *err);
	/* After sampling has been switched off and samples() has none left: what only the end
	 * shows. NULL: nothing. */
	int (*last)(struct fg_source *source, struct fg_err *err);
	int (*stats)(struct fg_source *source, struct fg_err *err);
	/* CPU-ns that the targets used since they became targets. */
	uint64_t (*cpu_ns)(struct fg_source *source);
	/* Where the client found an interpreter; answered by SCRIPT. NULL: native frames only. */
	int (*runtime)(struct fg_source *source, const Fg__Wire__Runtime *runtime,
		       struct fg_err *err);
	void (*describe)(const struct fg_source *source, struct fg_source_facts *ret);
};

/* The first member of each source. */
struct fg_source {
	const struct fg_source_ops *ops;
};

/** Neither does anything before its start(). The wire must outlive the source. */
int fg_source_bpf_new(struct fg_wire *wire, struct fg_source **ret, struct fg_err *err) FG_MUST_USE;
int fg_source_perf_new(struct fg_wire *wire, struct fg_source **ret,
		       struct fg_err *err) FG_MUST_USE;

#endif
