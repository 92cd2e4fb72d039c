/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where interpreters of each version keep threads, frames, code and strings.
 *
 * CPython 3.8 to 3.12 and PHP 8.0 to 8.4 by tables made from their headers; CPython from 3.13 on
 * publishes its own offsets at the start of _PyRuntime, which are believed within bounds only: they
 * come from the target's memory. Pure functions of their input.
 */
#ifndef FG_PROFILER_SCRIPT_LAYOUT_H
#define FG_PROFILER_SCRIPT_LAYOUT_H

#include "gate/base/err.h"
#include "profiler/bpf/shared.h"
#include "profiler/runtime.h"

#define FG_SCRIPT_VERSION(major, minor) ((uint32_t)(major) << 8 | (uint32_t)(minor))
/* Of ScriptName: which interpreter of which version. */
#define FG_SCRIPT_RUNTIME(kind, version) ((uint32_t)(kind) | (uint32_t)(version) << 8)

enum fg_script_lines {
	FG_LINES_NONE,     /* unknown; or told by the BPF side */
	FG_LINES_NOTAB,    /* co_lnotab, to 3.9 */
	FG_LINES_RANGES,   /* co_linetable of 3.10 */
	FG_LINES_LOCATIONS /* co_linetable from 3.11 on */
};

struct fg_script_layout {
	struct fg_bpf_script bpf; /* but for `image` */
	uint32_t runtime;         /* FG_SCRIPT_RUNTIME() */
	uint16_t string_length, string_state;
	uint16_t ascii_data, wide_data; /* where characters begin */
	uint16_t line_table;            /* from the code's start */
	uint16_t bytes_size, bytes_data;
	uint8_t lines; /* enum fg_script_lines */
};

enum { FG_SCRIPT_DEBUG_WORDS = 96 }; /* of _Py_DebugOffsets, as many as are read */

/** Whether the start of _PyRuntime must be read: from 3.13 on. */
bool fg_script_layout_needs_debug(uint32_t kind, uint32_t version);
/** `address`: of _PyRuntime or executor_globals in the target; `debug`: FG_SCRIPT_DEBUG_WORDS of it
 *  or NULL. UNSUPPORTED for versions that are not known, INVALID for offsets out of bounds. */
int fg_script_layout_make(uint32_t kind, uint32_t version, uint64_t address, const uint64_t *debug,
			  struct fg_script_layout *ret, struct fg_err *err) FG_MUST_USE;

#endif
