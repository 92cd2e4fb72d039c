/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that samples come from, as the helper announced them: what each one was from when
 * on. Bounded; for the client alone.
 *
 * A stack with frames of generated code belongs to one process at one time: elsewhere the same
 * addresses are other code. The pair is a number, the stack's context, which is interned with it.
 */
#ifndef FG_PROFILER_CLIENT_PROCESS_H
#define FG_PROFILER_CLIENT_PROCESS_H

#include "profiler/runtime.h"

#include "gate/base/err.h"

enum {
	FG_CLIENT_PROCESSES_MAX = 1 << 17,
	FG_CLIENT_ROOTS_MAX = 64, /* different root directories */
	FG_CLIENT_BUCKETS = 4096,
	FG_JIT_PROCESSES_MAX = 512,
	FG_JIT_GENERATIONS_MAX = 15,
	FG_CONTEXT_SHIFT = 4, /* generations below, process + 1 above */
};
static_assert(FG_JIT_GENERATIONS_MAX < 1 << FG_CONTEXT_SHIFT, "fits into a context");

struct fg_jit; /* client_jit.h */

struct fg_client_process {
	uint32_t tgid, ns_pid, uid;
	uint64_t start_ns; /* since boot; 0: unknown */
	uint64_t from_ns;  /* it is this until the tgid's next entry */
	enum fg_runtime runtime;
	uint32_t flags; /* enum fg_runtime_flag */
	bool frame_pointers;
	uint32_t code_module; /* 0: none */
	uint64_t code_bias;
	char name[64];
	uint32_t older;     /* entry before this one in its bucket, + 1 */
	struct fg_jit *jit; /* NULL: makes no code, or its root is not known */
};

struct fg_client_root {
	uint64_t device, inode, mount;
	int fd;
};

struct fg_client_processes {
	struct fg_client_process *items;
	size_t count, capacity;
	uint32_t newest[FG_CLIENT_BUCKETS]; /* entry + 1, by tgid */
	struct fg_client_root roots[FG_CLIENT_ROOTS_MAX];
	size_t root_count;
	uint32_t jits[FG_JIT_PROCESSES_MAX]; /* entries that make code */
	size_t jit_count;
	bool over_limit; /* some are not here */
};

struct Fg__Wire__Process;

/** Takes `root_fd` (−1: none). Over a limit is no error. */
int fg_client_process_add(struct fg_client_processes *processes,
			  const struct Fg__Wire__Process *from, int root_fd,
			  struct fg_err *err) FG_MUST_USE;
/** What the process was at that time; NULL for one that was never announced. */
const struct fg_client_process *fg_client_process_at(const struct fg_client_processes *processes,
						     uint32_t tgid, uint64_t time_ns);
/** Of a stack with generated code, sampled then; 0 where the process is not known. */
uint32_t fg_client_context(const struct fg_client_processes *processes, uint32_t tgid,
			   uint64_t time_ns);
/** NULL for context 0. */
const struct fg_client_process *fg_client_process_of(const struct fg_client_processes *processes,
						     uint32_t context);
void fg_client_processes_done(struct fg_client_processes *processes);

#endif
