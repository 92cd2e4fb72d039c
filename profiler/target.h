/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes being profiled: which they are, what they have mapped, what CPU time they used.
 *
 * The kernel side adds and removes tgids by itself (fork, exec, exit) and tells through events;
 * this file gives each its address space and keeps the exact accounts. A forked child shares its
 * parent's space until it execs or maps something of its own.
 *
 * An event of the kernel side wakes the helper at fork, exec and exit. After exec it reads the
 * mappings at once and again after 2, 10 and 42 ms, because libraries come one by one. Code that
 * came otherwise (dlopen) shows as an address without mapping, which wakes the helper too; asking
 * is rate-limited in the kernel (4 ms doubling to 512 ms while it does not help). A page of the
 * stack that is not in memory ("read-fault") is touched by the helper: the next sample sees it.
 */
#ifndef FG_PROFILER_TARGET_H
#define FG_PROFILER_TARGET_H

#include "profiler/modules.h"
#include "profiler/process.h"
#include "profiler/script.h"
#include "profiler/space.h"

struct fg_process {
	uint32_t tgid;
	uint32_t space;       /* 0: none yet */
	uint32_t image;       /* of an interpreter's program, kept over fork until exec; 0: none */
	uint64_t baseline_ns; /* CPU time before it was a target */
	uint64_t cpu_ns;      /* last reading, baseline included */
	uint64_t recheck_ns;  /* when to look at its mappings again unasked; 0: not */
	uint32_t rechecks;    /* done since its exec */
	struct fg_process_facts facts;
	uint16_t code_module; /* V8's builtins lie there; 0: none */
	uint64_t code_bias;
	uint64_t told_code_bias;
	bool is_go;       /* a module of it is */
	bool told, known; /* the client knows the above; it knows of this program */
};

/* What is said once when it happens. */
enum fg_target_limit {
	FG_TARGET_LIMIT_ANY,      /* in the words of the error */
	FG_TARGET_LIMIT_MAPPINGS, /* of one process */
	FG_TARGET_LIMIT_COUNT
};

struct fg_targets {
	struct fg_session *session;
	struct fg_modules *modules;
	struct fg_scripts *scripts; /* NULL: native frames only */
	struct fg_process *items;
	size_t count, capacity;
	struct fg_spaces spaces;
	uint64_t exited_ns;  /* of processes that are gone */
	uint64_t recheck_ns; /* the earliest of the processes'; 0: none */
	bool limit_told[FG_TARGET_LIMIT_COUNT];
	struct fg_space_draft draft;
};

void fg_targets_init(struct fg_targets *targets, struct fg_session *session,
		     struct fg_modules *modules);
void fg_targets_done(struct fg_targets *targets);
/** Adds a root and the children that it already has. Errors: NOT_FOUND, PERMISSION. */
int fg_targets_add_tree(struct fg_targets *targets, uint32_t pid, struct fg_err *err) FG_MUST_USE;
/** Reacts to an event of the kernel side. Processes that vanish meanwhile are no error. */
int fg_targets_event(struct fg_targets *targets, const struct fg_bpf_event *event,
		     struct fg_err *err) FG_MUST_USE;
/** When fg_targets_recheck() wants to be called; 0: not at all. */
uint64_t fg_targets_recheck_ns(const struct fg_targets *targets);
/** Reads again the mappings of those that have just begun a program: its libraries come one by one,
 *  and asking beats waiting for a sample to fall into one. */
int fg_targets_recheck(struct fg_targets *targets, uint64_t now_ns, struct fg_err *err) FG_MUST_USE;
/** CPU-ns that the targets used since they became targets, exited ones included. */
uint64_t fg_targets_cpu_ns(struct fg_targets *targets);

#endif
