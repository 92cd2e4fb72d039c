/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc tells of one process: its runtime, what it calls itself, whose it is. No ELF file is
 * looked into. Used by the helper for its targets and by the client for doctor.
 */
#ifndef FG_PROFILER_PROCESS_H
#define FG_PROFILER_PROCESS_H

#include "profiler/runtime.h"
#include "profiler/unwind/mappings.h"

struct fg_process_facts {
	uint32_t ns_pid;   /* in its own PID namespace */
	uint32_t uid;      /* effective */
	uint64_t start_ns; /* since boot */
	enum fg_runtime runtime;
	uint32_t flags;      /* enum fg_runtime_flag */
	bool has_jit;        /* executable memory without a file */
	bool frame_pointers; /* what a JIT compiler made keeps them */
	char name[64];       /* base name of the executable */
};

/** Reads what can be read; a process that vanishes meanwhile leaves the rest as it is (native, no
 *  flags). `is_go` is what the builder of unwind rows found (.gopclntab). */
void fg_process_facts(uint32_t pid, const struct fg_mappings *mappings, bool is_go,
		      struct fg_process_facts *ret);
/** "Uid:" and "NSpid:" of /proc/PID/status; unchanged when it cannot be read. */
void fg_process_read_status(uint32_t pid, struct fg_process_facts *facts);
void fg_process_status(const char *text, size_t len, struct fg_process_facts *facts);
/** Base name of its executable, cut to fit; "" when it is gone. */
void fg_process_name(uint32_t pid, char *name, size_t size_bytes);
/** When it started, since boot; 0: unknown. */
uint64_t fg_process_start_ns(uint32_t pid);
/** Whether status says that the signal has a handler (SigCgt). */
bool fg_process_catches(const char *text, size_t len, int signal_number);

#endif
