/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loaded BPF object: maps, programs, per-CPU events. libbpf stays inside session.c and drain.c.
 *
 * Owns the kernel side for its lifetime; closing it stops everything. Knows nothing of processes,
 * modules or the stream: those call in with plain values.
 */
#ifndef FG_PROFILER_SESSION_H
#define FG_PROFILER_SESSION_H

#include "gate/base/err.h"
#include "profiler/bpf/shared.h"

struct fg_session;
struct fg_session_types; /* session_types.h */

enum { FG_SESSION_PROGRAMS_MAX = 10, FG_SESSION_CPUS_MAX = 1024 };

struct fg_session_program {
	const char *name;
	uint32_t verified_instructions; /* 0: this kernel does not tell */
	uint32_t code_bytes;            /* machine code */
};

struct fg_session_options {
	/* For tests: each event also has a ring into which the kernel writes registers and stack of
	 * the samples that BPF unwinds. */
	bool oracle;
	/* Bits 1 << enum fg_sample_type, CPU always among them; programs and maps of the others
	 * stay out of the kernel. */
	uint32_t types;
};

/** Loads and verifies. PERMISSION and UNSUPPORTED say what to do. */
int fg_session_new(const struct fg_session_options *options, struct fg_session **ret,
		   struct fg_err *err) FG_MUST_USE;
void fg_session_free(struct fg_session *session);
/** Opens one disabled event per CPU with a fixed period, attaches everything. */
int fg_session_attach(struct fg_session *session, uint64_t period_ns,
		      struct fg_err *err) FG_MUST_USE;
int fg_session_enable(struct fg_session *session, bool on, struct fg_err *err) FG_MUST_USE;
/** The event number `i` of fg_session_cpus(). */
int fg_session_event_fd(const struct fg_session *session, uint32_t i);
uint32_t fg_session_cpus(const struct fg_session *session);
size_t fg_session_programs(const struct fg_session *session,
			   struct fg_session_program out[FG_SESSION_PROGRAMS_MAX]);

/** Memory of a shard's rows, shared with the kernel; made at the first call. */
int fg_session_shard(struct fg_session *session, uint32_t shard, struct fg_unwind_row **ret,
		     struct fg_err *err) FG_MUST_USE;
uint32_t *fg_session_pages(struct fg_session *session);
/** The mappings of all address spaces, shared with the kernel. */
struct fg_bpf_arena *fg_session_arena(struct fg_session *session);
/** Adds a tgid that has no address space yet. */
int fg_session_add_target(struct fg_session *session, uint32_t tgid,
			  struct fg_err *err) FG_MUST_USE;
/** Gives a tgid another space and forgets its misses. One that the kernel side has removed is not
 *  added again: its number may soon be somebody else's. */
int fg_session_set_target(struct fg_session *session, uint32_t tgid,
			  const struct fg_bpf_range *space, struct fg_err *err) FG_MUST_USE;
/** Says how the frames of a tgid's interpreter are read; its children inherit that. */
int fg_session_set_script(struct fg_session *session, uint32_t tgid,
			  const struct fg_bpf_script *how, struct fg_err *err) FG_MUST_USE;
/** Copies at most FG_KERNEL_COPY_BYTES of the kernel's memory, and says how its unwind table looks.
 *  UNSUPPORTED where that is not known. */
int fg_session_copy_kernel(struct fg_session *session, uint64_t from, void *to, size_t bytes,
			   enum fg_orc_format *ret, struct fg_err *err) FG_MUST_USE;
/** Gives up the means to do so. */
void fg_session_copy_end(struct fg_session *session);
/** From now on BPF walks the kernel's stacks by this table. */
int fg_session_set_kernel_table(struct fg_session *session, const struct fg_bpf_kernel_table *table,
				struct fg_err *err) FG_MUST_USE;
void fg_session_drop_target(struct fg_session *session, uint32_t tgid);
/** Sums over the CPUs. */
int fg_session_stats(struct fg_session *session, struct fg_bpf_stats *ret,
		     struct fg_err *err) FG_MUST_USE;
/** The part for other sample types; lives as long as the session. */
struct fg_session_types *fg_session_types(struct fg_session *session);
int fg_session_sample_ring(const struct fg_session *session); /* map descriptors */
int fg_session_name_ring(const struct fg_session *session);
int fg_session_event_ring(const struct fg_session *session);
int fg_session_requests_map(const struct fg_session *session); /* shared with session_label.c */
int fg_session_labels_on_map(const struct fg_session *session);

#endif
