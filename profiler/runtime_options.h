/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which runtime a program or library belongs to, and what a process's words (arguments, options in
 * its environment) mean for its frames and names. Pure text; the words are the target's own.
 */
#ifndef FG_PROFILER_RUNTIME_OPTIONS_H
#define FG_PROFILER_RUNTIME_OPTIONS_H

#include "profiler/runtime.h"

/** By the base name of a mapped library or of the executable: "libjvm.so", "python3.11". */
enum fg_runtime fg_runtime_of_library(const char *path);
enum fg_runtime fg_runtime_of_program(const char *path);
/** `words`: `len` bytes of NUL-terminated arguments as in /proc/PID/cmdline, the program first.
 *  Options end where the script, the main class or its archive is named. `flags` is what held
 *  before; returns what holds after them. */
uint32_t fg_runtime_arguments(enum fg_runtime runtime, const char *words, size_t len,
			      uint32_t flags);
/** `text`: options separated by spaces, as in NODE_OPTIONS and JAVA_TOOL_OPTIONS. */
uint32_t fg_runtime_options(enum fg_runtime runtime, const char *text, size_t len, uint32_t flags);
/** From NUL-separated "NAME=value" entries as in /proc/PID/environ, then the arguments, then what
 *  overrides both. */
uint32_t fg_runtime_flags_of(enum fg_runtime runtime, const char *environment,
			     size_t environment_len, const char *words, size_t words_len);

#endif
