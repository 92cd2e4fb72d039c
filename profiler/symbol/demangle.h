/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbol names as their programmers wrote them: C++ and Rust (legacy and v0).
 *
 * Without parameters, return types, clone suffixes and Rust's hashes, which change between builds.
 */
#ifndef FG_SYMBOL_DEMANGLE_H
#define FG_SYMBOL_DEMANGLE_H

#include "gate/base/attr.h"

/** A new string, or NULL: not mangled, too long either way, or out of memory (the raw name does
 *  then). */
char *fg_demangle(const char *raw);

#endif
