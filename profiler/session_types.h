/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a session that takes samples of other types than CPU: waits and page faults.
 *
 * Types that nobody asked for are not loaded, not attached and have no maps. session.c alone makes
 * one; drain.c and target.c call in.
 */
#ifndef FG_PROFILER_SESSION_TYPES_H
#define FG_PROFILER_SESSION_TYPES_H

#include "profiler/session.h"

struct bpf_object;
struct bpf_link;

struct fg_session_types {
	struct bpf_object *object; /* borrowed */
	uint32_t types;            /* bits 1 << enum fg_sample_type, without CPU */
	struct bpf_link *switch_link;
	int *fault_fds;
	struct bpf_link **fault_links;
	uint32_t faults;   /* events */
	uint64_t since_ns; /* waits count from here; 0: off */
	int possible_cpus;
	struct fg_bpf_type_stats *stats; /* one per possible CPU */
	struct fg_bpf_wait_cpu *wait_cpus;
};

/** Between open and load. */
void fg_session_types_choose(struct fg_session_types *types, struct bpf_object *object,
			     uint32_t wanted);
int fg_session_types_attach(struct fg_session_types *types, struct fg_err *err) FG_MUST_USE;
void fg_session_types_done(struct fg_session_types *types);
int fg_session_types_enable(struct fg_session_types *types, bool on,
			    struct fg_err *err) FG_MUST_USE;
/** Sums over the CPUs; zero for a type that is not sampled. */
int fg_session_types_stats(struct fg_session_types *types, enum fg_sample_type type,
			   struct fg_bpf_type_stats *ret, struct fg_err *err) FG_MUST_USE;
/** Notes that these threads of a process were asleep when it became a target, so that a thread
 *  which sleeps all the time is counted. Those that run, or are known, are left alone. */
int fg_session_types_asleep(struct fg_session_types *types, uint32_t tgid,
			    struct fg_err *err) FG_MUST_USE;
/** Calls `take` for each thread that waits now, with the record that its end would have sent. */
int fg_session_types_waiting(struct fg_session_types *types,
			     int (*take)(void *context, const struct fg_bpf_sample *record),
			     void *context, struct fg_err *err) FG_MUST_USE;

#endif
