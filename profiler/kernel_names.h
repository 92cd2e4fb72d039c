/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's function names, for a client that may not know where the kernel lies in memory.
 *
 * A helper with CAP_SYSLOG reads real addresses; handing them on would undo the kernel's address
 * randomisation for whoever may start it. Such a client gets names and samples at shifted
 * addresses: they still fit each other, and tell nothing. (Not root, and kptr_restrict or
 * perf_event_paranoid > 1 forbid it.) Modules and BPF programs are shifted by a distance of their
 * own, because where they lie is nearly the same everywhere.
 */
#ifndef FG_PROFILER_KERNEL_NAMES_H
#define FG_PROFILER_KERNEL_NAMES_H

#include "gate/base/buf.h"
#include "profiler/wire.h"

enum {
	FG_KERNEL_NAMES_BASE = 1 << 24, /* where a shifted kernel begins */
	FG_KERNEL_NAMES_TAIL = 1 << 20, /* behind its last function */
	FG_KERNEL_NAMES_BYTES_MAX = 64 << 20,
};

/** Where code that is not of the kernel's image begins after shifting. */
#define FG_KERNEL_NAMES_LOADED (1ull << 40)

struct fg_kernel_names {
	uint64_t shift; /* to be taken off the samples' kernel addresses */
	bool hidden;    /* no addresses could be read: the samples' ones must not be told either */
	uint64_t image_start, image_end; /* real addresses; empty: all have one shift */
	uint64_t loaded_shift;           /* of modules and BPF programs; 0: there are none */
};

/** Sends them to the client, as they are or shifted. No names are no error. */
int fg_kernel_names_send(bool as_they_are, struct fg_wire *wire, struct fg_kernel_names *ret,
			 struct fg_err *err) FG_MUST_USE;
/** The lines of functions of a kallsyms text, `_text` moved to FG_KERNEL_NAMES_BASE, what was
 * loaded later to FG_KERNEL_NAMES_LOADED: modules lie within some MiB of a fixed address, so moving
 * both by one distance would tell it. NO_DATA when there is no `_text` or its address is hidden.
 * `*ret` needs fg_buf_done(). */
int fg_kernel_names_shift(const char *text, size_t len, struct fg_buf *ret,
			  struct fg_kernel_names *ret_names, struct fg_err *err) FG_MUST_USE;
/** A sample's kernel address as the client may see it. */
uint64_t fg_kernel_names_address(const struct fg_kernel_names *names, uint64_t address);

#endif
