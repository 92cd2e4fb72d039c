/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Function names → keys under which two builds are compared (reference/ebpf.md §7).
 *
 * Strips what differs between builds of the same source (clone suffixes, hashes, template
 * arguments, closure numbers, JIT tiers); never merges different source functions on purpose. When
 * two raw names of one side fall on one key, the caller reports the key as ambiguous.
 */
#ifndef FG_PROFILE_NORMALISE_H
#define FG_PROFILE_NORMALISE_H

#include "gate/base/buf.h"

enum { FG_NORMALISE_MAX = 4096 };

/** Appends the key of a demangled name. Bounded: input over 4 096 bytes is cut, and so is the key.
 *  Idempotent. */
void fg_normalise_name(const char *name, struct fg_buf *out);
/** Appends the name of the source function: as the key, but with parameter lists and the numbers of
 *  closures. Two of these under one key are two functions, so the key is ambiguous; instances of
 * one template and clones of one function are not. */
void fg_normalise_source(const char *name, struct fg_buf *out);
/** Appends the key of an interpreted function: its qualified name and the last two parts of its
 *  file's path, no line. */
void fg_normalise_script(const char *name, const char *file, struct fg_buf *out);

/** Appends the name with each list of template arguments as <…> and Go's shapes gone, all else as
 * it is: for people. It has the same key as the name. */
void fg_normalise_templates(const char *name, struct fg_buf *out);

#endif
