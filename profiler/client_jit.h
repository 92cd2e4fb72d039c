/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of generated code: each process's perf map, looked at several times while it runs and read
 * at the end. For the client alone; needs no helper, so it also works after the helper's death.
 *
 * A generation is the map as it was at one time. Generated code is freed and its room reused, so a
 * sample asks the first generation after it, then the later ones, then the earlier ones. node and
 * most others append to their map while they run: its generations are lengths of one text. Java
 * writes its map when asked to (attach.h), each generation anew.
 */
#ifndef FG_PROFILER_CLIENT_JIT_H
#define FG_PROFILER_CLIENT_JIT_H

#include "profiler/attach.h"
#include "profiler/client_process.h"

struct fg_jit_generation {
	uint64_t time_ns;
	char *text; /* NULL: the final text's first `len` bytes */
	size_t len;
	int handle; /* the symbolizer's; −1: not asked for yet, −2: unusable */
};

struct fg_jit {
	int root_fd; /* borrowed */
	struct fg_jit_generation generations[FG_JIT_GENERATIONS_MAX];
	size_t count;
	char *text; /* final, of an appended map */
	size_t text_len;
	uint64_t due_ns, interval_ns;
	struct fg_attach attach;
	bool had_map;      /* before we asked for one: not ours to remove */
	bool ended;        /* nothing more to learn */
	char problem[160]; /* why there are no names, or none newer */
};

int fg_jit_new(int root_fd, struct fg_jit **ret, struct fg_err *err) FG_MUST_USE;
void fg_jit_free(struct fg_jit *jit);
/** How many generations are older than that time. */
uint32_t fg_jit_generation_at(const struct fg_jit *jit, uint64_t time_ns);
/** Looks at the maps that are due; a few microseconds, some milliseconds when one is read. */
void fg_jit_tick(struct fg_client_processes *processes, uint64_t now_ns);
/** The last look, while the targets live; returns when all is read or at the deadline. */
void fg_jit_finish(struct fg_client_processes *processes, uint64_t deadline_ns);

#endif
